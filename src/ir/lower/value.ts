// Values of the language while they are being lowered: a number in a register, an address as the pieces of memory it is made of,
// or an aggregate of such. Also the ways between a number and its bytes.

import { InternalError, must } from "../../base/assert.ts";
import type { IntType, ValueId } from "../ir.ts";
import { layoutOf } from "../layout.ts";
import type { Type } from "../types.ts";
import type { Lowering } from "./lowering.ts";

/** A piece of memory in a register, in the order it has there. */
export interface Piece {
  readonly bytes: 1 | 2 | 4 | 8;
  readonly value: ValueId;
}

/** A value being lowered. */
export type Value =
  /** A number: i32 for up to 32 bits, i64 above. */
  | { readonly kind: "number"; readonly id: ValueId }
  /** Bytes as they lie in memory (MAC and IPv6 addresses, byte arrays), first piece first. */
  | { readonly kind: "pieces"; readonly pieces: readonly Piece[] }
  | { readonly kind: "aggregate"; readonly elements: readonly Value[] };

/** True for types whose values are pieces rather than numbers. */
export function isPieces(type: Type): boolean {
  return type.kind === "mac" || type.kind === "ipv6" || type.kind === "bytes";
}

/** The IR type of a number of that type. */
export function intTypeOf(type: Type): IntType {
  if (type.kind === "int" && type.bits === 64) return "i64";
  return type.kind === "mac" || type.kind === "untyped" ? "i64" : "i32";
}

/** The number of a value that is one; a MAC address is made into 48 bits. */
export function numberOf(l: Lowering, value: Value, type: Type): ValueId {
  if (value.kind === "number") return value.id;
  if (value.kind === "pieces" && type.kind === "mac") {
    const { builder } = l;
    const whole = widen(l, value.pieces, [4, 2]);
    const high = builder.zext(builder.bswap(4, must(whole[0], "a piece").value));
    const low = builder.zext(builder.bswap(2, must(whole[1], "a piece").value));
    return builder.binary("or", "i64", builder.binary("shl", "i64", high, builder.constant("i64", 16)), low);
  }
  throw new InternalError(`no number for a value of type ${type.kind}`);
}

/** The sizes of the pieces that `bytes` bytes at an offset aligned to `most` are handled in. */
export function pieceSizes(bytes: number, most: 1 | 2 | 4 | 8): (1 | 2 | 4 | 8)[] {
  const sizes: (1 | 2 | 4 | 8)[] = [];
  for (let left = bytes; left > 0; ) {
    const size = ([8, 4, 2, 1] as const).find((s) => s <= left && s <= most) ?? 1;
    sizes.push(size);
    left -= size;
  }
  return sizes;
}

/** A constant address or byte run as pieces of the given sizes: the number's most significant byte comes first in memory. */
export function constantPieces(l: Lowering, value: bigint, bytes: number, sizes: readonly (1 | 2 | 4 | 8)[]): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const size of sizes) {
    const part = (value >> BigInt(8 * (bytes - at - size))) & ((1n << BigInt(8 * size)) - 1n);
    pieces.push({ bytes: size, value: l.builder.constant(size === 8 ? "i64" : "i32", swapBytes(part, size)) });
    at += size;
  }
  return pieces;
}

/** A number with its low `bytes` bytes in the opposite order. */
export function swapBytes(value: bigint, bytes: number): bigint {
  let result = 0n;
  for (let i = 0; i < bytes; i++) result |= ((value >> BigInt(8 * i)) & 0xffn) << BigInt(8 * (bytes - 1 - i));
  return result;
}

/** The same bytes in pieces of other sizes; pieces are only cut, so every size must divide what it is cut from. */
export function widen(l: Lowering, pieces: readonly Piece[], sizes: readonly (1 | 2 | 4 | 8)[]): Piece[] {
  if (pieces.length === sizes.length && pieces.every((p, i) => p.bytes === sizes[i])) return [...pieces];
  const result: Piece[] = [];
  let index = 0;
  let used = 0;
  for (const size of sizes) {
    const piece = must(pieces[index], "a piece");
    if (used + size > piece.bytes) throw new InternalError("pieces can only be cut");
    result.push({ bytes: size, value: cut(l, piece, used, size) });
    used += size;
    if (used === piece.bytes) {
      index++;
      used = 0;
    }
  }
  return result;
}

/** The `size` bytes at `from` of a piece; later bytes are the more significant ones (the machine is little-endian). */
function cut(l: Lowering, piece: Piece, from: number, size: 1 | 2 | 4 | 8): ValueId {
  const { builder } = l;
  if (size === piece.bytes) return piece.value;
  const type: IntType = piece.bytes === 8 ? "i64" : "i32";
  const shifted = from === 0 ? piece.value : builder.binary("shr", type, piece.value, builder.constant(type, 8 * from));
  const low = type === "i64" ? builder.trunc(shifted) : shifted;
  if (size === 4 || from + size === piece.bytes) return low;
  return builder.binary("and", "i32", low, builder.constant("i32", size === 2 ? 0xffff : 0xff));
}

/** A number's bytes in the order of addresses, as pieces: for a MAC computed as a number. */
export function macPieces(l: Lowering, number: ValueId): Piece[] {
  const { builder } = l;
  const high = builder.bswap(4, builder.trunc(builder.binary("shr", "i64", number, builder.constant("i64", 16))));
  return [
    { bytes: 4, value: high },
    { bytes: 2, value: builder.bswap(2, builder.trunc(number)) },
  ];
}

/** The bytes a value of the type takes in memory. */
export function bytesOf(type: Type): number {
  return layoutOf(type).bytes;
}
