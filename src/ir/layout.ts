// How values lie in memory that others read too: C layouts with natural alignment, padding explicit, addresses in network
// order and integers in the host's (little-endian) order, and the BTF that describes them. Read by the lowering (offsets)
// and for the maps' descriptions.
// Source: System V AMD64 ABI 3.1.2 (struct layout); Linux include/uapi/linux/in6.h (in6_addr is aligned to 4).

import { InternalError } from "../base/assert.ts";
import type { BtfType } from "../bpf/btf.ts";
import { elementsOf, type Type } from "./types.ts";

/** The size and alignment of a value in bytes. */
export interface Layout {
  readonly bytes: number;
  readonly align: number;
  /** For aggregates: where each element starts. */
  readonly offsets: readonly number[];
}

/** The memory layout of a type; throws InternalError for types that have none (untyped constants, errors). */
export function layoutOf(type: Type): Layout {
  switch (type.kind) {
    case "int":
      return { bytes: type.bits / 8, align: type.bits / 8, offsets: [] };
    case "bool":
      return { bytes: 1, align: 1, offsets: [] };
    case "ipv4":
      return { bytes: 4, align: 4, offsets: [] };
    case "mac":
      return { bytes: 6, align: 1, offsets: [] };
    case "ipv6":
      return { bytes: 16, align: 4, offsets: [] };
    case "bytes":
      return { bytes: type.count, align: 1, offsets: [] };
    case "struct":
    case "tuple":
    case "prefix": {
      let at = 0;
      let align = 1;
      const offsets: number[] = [];
      for (const element of elementsOf(type) ?? []) {
        const inner = layoutOf(element);
        at = roundUp(at, inner.align);
        offsets.push(at);
        at += inner.bytes;
        align = Math.max(align, inner.align);
      }
      return { bytes: roundUp(at, align), align, offsets };
    }
    case "untyped":
    case "error":
      throw new InternalError(`no layout for type ${type.kind}`);
  }
}

/** `value` rounded up to a multiple of `step`. */
export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

const INTS = {
  8: { kind: "int", name: "unsigned char", bytes: 1, signed: false, bool: false },
  16: { kind: "int", name: "unsigned short", bytes: 2, signed: false, bool: false },
  32: { kind: "int", name: "unsigned int", bytes: 4, signed: false, bool: false },
  64: { kind: "int", name: "unsigned long long", bytes: 8, signed: false, bool: false },
} as const satisfies Record<number, BtfType>;

/** The BTF integer of that width. */
export function btfInt(bits: 8 | 16 | 32 | 64): BtfType {
  return INTS[bits];
}

/** `typedef` names as C programmers know them; addresses carry the byte order in theirs. */
const TYPEDEFS = {
  8: { kind: "typedef", name: "__u8", to: INTS[8] },
  16: { kind: "typedef", name: "__u16", to: INTS[16] },
  32: { kind: "typedef", name: "__u32", to: INTS[32] },
  64: { kind: "typedef", name: "__u64", to: INTS[64] },
} as const satisfies Record<number, BtfType>;

const BE32: BtfType = { kind: "typedef", name: "__be32", to: TYPEDEFS[32] };

/** The BTF type of a value in a map or global. `tupleName` names the struct a tuple becomes (its members are f0, f1, …). */
export function btfOf(type: Type, tupleName: string): BtfType {
  switch (type.kind) {
    case "int":
      return TYPEDEFS[type.bits];
    case "bool":
      return { kind: "int", name: "_Bool", bytes: 1, signed: false, bool: true };
    case "ipv4":
      return BE32;
    case "mac":
      return { kind: "array", element: TYPEDEFS[8], count: 6 };
    case "ipv6":
      return {
        kind: "struct",
        name: "xdpc_in6_addr",
        bytes: 16,
        members: [{ name: "s6_addr", type: { kind: "array", element: TYPEDEFS[8], count: 16 }, offsetBytes: 0 }],
      };
    case "bytes":
      return { kind: "array", element: TYPEDEFS[8], count: type.count };
    case "struct":
    case "tuple":
    case "prefix": {
      const layout = layoutOf(type);
      const names = memberNames(type);
      const name = type.kind === "struct" ? type.name : type.kind === "prefix" ? `xdpc_prefix_${type.of}` : tupleName;
      return {
        kind: "struct",
        name,
        bytes: layout.bytes,
        members: (elementsOf(type) ?? []).map((element, i) => ({
          name: names[i] ?? `f${i}`,
          type: btfOf(element, `${name}_${names[i] ?? i}`),
          offsetBytes: layout.offsets[i] ?? 0,
        })),
      };
    }
    case "untyped":
    case "error":
      throw new InternalError(`no BTF for type ${type.kind}`);
  }
}

/** What the elements of an aggregate are called in BTF; a trie's key as the kernel's struct bpf_lpm_trie_key. */
function memberNames(type: Type & { kind: "struct" | "tuple" | "prefix" }): string[] {
  if (type.kind === "struct") return type.fields.map((f) => f.name);
  return type.kind === "prefix" ? ["prefixlen", "data"] : type.elements.map((_, i) => `f${i}`);
}
