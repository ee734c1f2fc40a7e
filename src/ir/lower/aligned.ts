// Addresses and byte runs read from the stack, which is accessed at natural alignment only: what a helper wrote there may lie anywhere.

import { must } from "../../base/assert.ts";
import type { Space, ValueId } from "../ir.ts";
import { alignedTo, loadPieces } from "./evaluate.ts";
import type { Lowering } from "./lowering.ts";
import { type Piece, pieceSizes } from "./value.ts";

/** Loads consecutive pieces of memory by aligned loads: a piece at another place is put together from smaller ones. */
export function alignedPieces(
  l: Lowering,
  space: Space,
  base: ValueId,
  start: number,
  sizes: readonly (1 | 2 | 4 | 8)[],
): Piece[] {
  const { builder } = l;
  let at = start;
  return sizes.map((bytes) => {
    const parts = loadPieces(l, space, base, at, pieceSizes(bytes, alignedTo(at, bytes)));
    at += bytes;
    const type = bytes === 8 ? "i64" : "i32";
    let done = 0;
    const value = parts.reduce<ValueId | null>((low, part) => {
      const own = l.resize(part.value, type);
      const moved = done === 0 ? own : builder.binary("shl", type, own, builder.constant(type, 8 * done));
      done += part.bytes;
      return low === null ? moved : builder.binary("or", type, low, moved);
    }, null);
    return { bytes, value: must(value, "a piece") };
  });
}
