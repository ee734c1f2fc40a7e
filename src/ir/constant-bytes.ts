// Constants as memory holds them: the bytes of a typed constant in a map's key or value or in a global, and the number back from
// the bytes. Used by tests of the language; layouts are layout.ts's.

import type { HExpr, MapSymbol } from "./hir.ts";
import { layoutOf } from "./layout.ts";
import type { Type } from "./types.ts";

/** The bytes of a constant value (padding zero), or null when it isn't constant throughout. */
export function constantBytes(value: HExpr): Uint8Array | null {
  const bytes = new Uint8Array(layoutOf(value.type).bytes);
  return place(value, bytes, 0) ? bytes : null;
}

function place(value: HExpr, into: Uint8Array, at: number): boolean {
  if (value.kind === "const") {
    into.set(scalarBytes(value.type, value.value), at);
    return true;
  }
  if (value.kind !== "aggregate") return false;
  const { offsets } = layoutOf(value.type);
  return value.elements.every((element, i) => place(element, into, at + (offsets[i] ?? 0)));
}

/** True for what lies in network order in memory. */
function isAddress(type: Type): boolean {
  return type.kind === "ipv4" || type.kind === "ipv6" || type.kind === "mac";
}

/** A scalar's bytes: addresses in network order, everything else little-endian. */
export function scalarBytes(type: Type, value: bigint): Uint8Array {
  const { bytes } = layoutOf(type);
  const little = Uint8Array.from({ length: bytes }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
  return isAddress(type) ? little.reverse() : little;
}

/** The number that a scalar's bytes hold. */
export function scalarOf(type: Type, bytes: Uint8Array): bigint {
  const ordered = isAddress(type) ? bytes : [...bytes].reverse();
  let value = 0n;
  for (const byte of ordered) value = (value << 8n) | BigInt(byte);
  return value;
}

/** The bytes of a key of `map`: arrays are indexed by 32 bits, whatever the key's type. Null when it isn't constant. */
export function keyBytes(map: MapSymbol, key: HExpr): Uint8Array | null {
  const indexed =
    map.mapKind === "array" || map.mapKind === "percpu_array" || map.role === "target" || map.role === "programs";
  if (indexed) return key.kind === "const" ? scalarBytes({ kind: "int", bits: 32 }, key.value) : null;
  return constantBytes(key);
}
