// BTF types as a graph of plain values: what maps' keys and values, globals and functions look like to the loader. Type
// numbers exist only in the encoder (elfwriter). Two structurally equal values are the same type; the encoder merges them.
// Source: Linux Documentation/bpf/btf.rst.

/** A BTF type. Names must be C identifiers; sizes are in bytes. */
export type BtfType =
  | { readonly kind: "void" }
  | {
      readonly kind: "int";
      readonly name: string;
      readonly bytes: 1 | 2 | 4 | 8 | 16;
      readonly signed: boolean;
      readonly bool: boolean;
    }
  | { readonly kind: "array"; readonly element: BtfType; readonly count: number }
  | BtfStruct
  | { readonly kind: "pointer"; readonly to: BtfType }
  | { readonly kind: "typedef"; readonly name: string; readonly to: BtfType }
  | { readonly kind: "const"; readonly of: BtfType }
  | { readonly kind: "volatile"; readonly of: BtfType }
  | { readonly kind: "function"; readonly result: BtfType; readonly parameters: readonly BtfParameter[] }
  /** A struct that is only named here: what a pointer to a kernel type needs (`struct xdp_md *`). */
  | { readonly kind: "forward"; readonly name: string };

/** A struct with C layout given explicitly: offsets and the whole size in bytes, padding is what no member covers. */
export interface BtfStruct {
  readonly kind: "struct";
  /** null for an anonymous struct. */
  readonly name: string | null;
  readonly bytes: number;
  readonly members: readonly BtfMember[];
}

/** A member of a struct; `offsetBytes` from its start. */
export interface BtfMember {
  readonly name: string;
  readonly type: BtfType;
  readonly offsetBytes: number;
}

/** A named parameter of a function type. */
export interface BtfParameter {
  readonly name: string;
  readonly type: BtfType;
}

/** The size of a value of this type in bytes; pointers are 8, functions and void 0, a forward 0. */
export function btfSize(type: BtfType): number {
  switch (type.kind) {
    case "void":
    case "function":
    case "forward":
      return 0;
    case "int":
    case "struct":
      return type.bytes;
    case "array":
      return btfSize(type.element) * type.count;
    case "pointer":
      return 8;
    case "typedef":
      return btfSize(type.to);
    case "const":
    case "volatile":
      return btfSize(type.of);
  }
}
