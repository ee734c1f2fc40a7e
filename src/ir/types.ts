// The language's types as values: what an expression is, how wide it is, how types are named to people. Knows nothing of
// the AST, of memory layout (layout.ts) or of registers.

/** A type of the language. */
export type Type =
  | { readonly kind: "int"; readonly bits: 8 | 16 | 32 | 64 }
  | { readonly kind: "bool" }
  | { readonly kind: "ipv4" }
  | { readonly kind: "mac" }
  | { readonly kind: "ipv6" }
  /** `u8[n]`: bytes as they lie in memory. */
  | { readonly kind: "bytes"; readonly count: number }
  | { readonly kind: "struct"; readonly name: string; readonly fields: readonly StructField[] }
  | { readonly kind: "tuple"; readonly elements: readonly Type[] }
  /** A key of an lpm_trie: how many bits count, and an address. */
  | { readonly kind: "prefix"; readonly of: "ipv4" | "ipv6" }
  /** An integer constant that hasn't met a type yet: it takes the other operand's or the target's. */
  | { readonly kind: "untyped" }
  /** What stands where a fault was reported: fits everywhere, so nothing is reported twice. */
  | { readonly kind: "error" };

/** A named field of a struct. */
export interface StructField {
  readonly name: string;
  readonly type: Type;
}

/** The unsigned integer types. */
export const U8: Type = { kind: "int", bits: 8 };
export const U16: Type = { kind: "int", bits: 16 };
export const U32: Type = { kind: "int", bits: 32 };
export const U64: Type = { kind: "int", bits: 64 };
export const BOOL: Type = { kind: "bool" };
export const IPV4: Type = { kind: "ipv4" };
export const IPV6: Type = { kind: "ipv6" };
export const MAC: Type = { kind: "mac" };
/** What `fib_lookup` gives: `result` 0 for a route with a neighbour, else a BPF_FIB_LKUP_RET_* number or a negative error. */
export const FIB_RESULT: Type = {
  kind: "struct",
  name: "fib_lookup",
  fields: [
    { name: "result", type: U32 },
    { name: "ifindex", type: U32 },
    { name: "smac", type: MAC },
    { name: "dmac", type: MAC },
  ],
};
export const UNTYPED: Type = { kind: "untyped" };
export const ERROR: Type = { kind: "error" };

/** The builtin types by the word that names them. */
export const BUILTIN_TYPES: ReadonlyMap<string, Type> = new Map<string, Type>([
  ["u8", U8],
  ["u16", U16],
  ["u32", U32],
  ["u64", U64],
  ["bool", BOOL],
  ["ipv4", IPV4],
  ["ipv6", IPV6],
  ["mac", MAC],
]);

/** How a type is written, for messages. */
export function typeName(type: Type): string {
  switch (type.kind) {
    case "int":
      return `u${type.bits}`;
    case "bytes":
      return `u8[${type.count}]`;
    case "struct":
      return type.name;
    case "tuple":
      return `(${type.elements.map(typeName).join(", ")})`;
    case "prefix":
      return `prefix<${type.of}>`;
    case "untyped":
      return "integer";
    case "error":
      return "unknown";
    default:
      return type.kind;
  }
}

/** The bits a scalar's number has; null for what is no number to the machine (aggregates, bytes, errors). */
export function scalarBits(type: Type): number | null {
  switch (type.kind) {
    case "int":
      return type.bits;
    case "bool":
      return 8;
    case "ipv4":
      return 32;
    case "mac":
      return 48;
    case "ipv6":
      return 128;
    case "untyped":
      return 64;
    default:
      return null;
  }
}

/** True for types that arithmetic works on: integers, IPv4 and MAC addresses. */
export function isArithmetic(type: Type): boolean {
  return type.kind === "int" || type.kind === "untyped" || type.kind === "ipv4" || type.kind === "mac";
}

/** True for types that may be ordered and put in ranges. */
export function isOrdered(type: Type): boolean {
  return isArithmetic(type) || type.kind === "ipv6";
}

/** True when two types are the same. */
export function sameType(a: Type, b: Type): boolean {
  if (a.kind === "int" && b.kind === "int") return a.bits === b.bits;
  if (a.kind === "bytes" && b.kind === "bytes") return a.count === b.count;
  if (a.kind === "struct" && b.kind === "struct") return a.name === b.name;
  if (a.kind === "tuple" && b.kind === "tuple")
    return a.elements.length === b.elements.length && a.elements.every((e, i) => sameType(e, b.elements[i] ?? ERROR));
  if (a.kind === "prefix" && b.kind === "prefix") return a.of === b.of;
  return a.kind === b.kind;
}

/** The element types of an aggregate, in order; null for others. */
export function elementsOf(type: Type): readonly Type[] | null {
  if (type.kind === "struct") return type.fields.map((f) => f.type);
  if (type.kind === "tuple") return type.elements;
  if (type.kind === "prefix") return [U32, { kind: type.of }];
  return null;
}
