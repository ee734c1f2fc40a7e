// Looks into the tables of large constant sets (src/ir/sets/ makes them): loads from .rodata at masked indexes, so that the verifier sees
// each inside the section. Called by constant-set.ts; a table is made once for each set.

import type { ConstantSet, NumberRange } from "../hir.ts";
import type { Edge, IntType, ValueId } from "../ir.ts";
import { BITMAP_BYTES, setBits } from "../sets/bitmap-pool.ts";
import { pagedTable } from "../sets/paged-table.ts";
import type { Lowering } from "./lowering.ts";

/** Where to go on. */
export interface Ways {
  readonly yes: Edge;
  readonly no: Edge;
}

type Ranges = ConstantSet & { kind: "ranges" };

/** The `width` bytes at the variable byte offset `index` (an i32, bounded by the caller) of a table in .rodata. */
function at(l: Lowering, table: number, index: ValueId, width: 1 | 2 | 4 | 8): ValueId {
  const base = l.builder.index(l.builder.global(".rodata", table), l.resize(index, "i64"));
  return l.builder.load("rodata", width, base, 0);
}

/** One operation with a constant, at the operand's width. */
function op(l: Lowering, kind: "and" | "shr" | "shl" | "add" | "mul", a: ValueId, constant: number): ValueId {
  const type: IntType = l.builder.typeOf(a) === "i64" ? "i64" : "i32";
  return l.builder.binary(kind, type, a, l.builder.constant(type, constant));
}

/** Goes to `yes` where bit number `bit` modulo 64 of a 64-bit word is set. */
function testBit(l: Lowering, word: ValueId, bit: ValueId, ways: Ways): void {
  const { builder } = l;
  const shifted = builder.binary("shr", "i64", word, l.resize(op(l, "and", bit, 63), "i64"));
  builder.branch("ne", "i64", op(l, "and", shifted, 1), builder.constant("i64", 0), ways.yes, ways.no);
}

/** Numbers of 8 or 16 bits: a bitmap of all there are, 32 bytes or 8 KiB. */
export function inBits(l: Lowering, number: ValueId, set: Ranges, bits: number, ways: Ways): void {
  const table = l.data.once(set, () => l.data.table(allBits(set.ranges, bits)));
  const word = op(l, "and", op(l, "shr", number, 3), 2 ** (bits - 3) - 8);
  testBit(l, at(l, table, word, 8), number, ways);
}

function allBits(ranges: readonly NumberRange[], bits: number): Uint8Array {
  const words = new Uint32Array(2 ** bits / 32);
  for (const { from, to } of ranges) setBits(words, Number(from), Number(to));
  const view = new DataView(new ArrayBuffer(words.byteLength));
  for (const [i, word] of words.entries()) view.setUint32(4 * i, word, true);
  return new Uint8Array(view.buffer);
}

/** Numbers of 32 bits: the page of the upper half, the mixed cell, the bitmap (src/ir/sets/paged-table.ts). */
export function inPages(l: Lowering, number: ValueId, set: Ranges, ways: Ways): void {
  const { builder } = l;
  const table = l.data.once(set, () => {
    const { pageBytes, pages, cells, bitmaps } = pagedTable(set.ranges);
    return {
      pageBytes,
      pages: l.data.table(pages),
      cells: cells === null ? null : { place: l.data.table(cells), count: cells.length / pageBytes },
      bitmaps: l.data.table(bitmaps),
      bitmapCount: bitmaps.length / BITMAP_BYTES,
    };
  });
  const { pageBytes, cells } = table;
  const page = at(l, table.pages, op(l, "mul", op(l, "shr", number, 16), pageBytes), pageBytes);
  const cell = op(l, "and", op(l, "shr", number, 8), 255);
  const inBitmap = (bitmap: ValueId, bit: ValueId): void => {
    const start = op(l, "shl", op(l, "and", bitmap, table.bitmapCount - 1), 5);
    const word = op(l, "and", op(l, "shr", bit, 3), BITMAP_BYTES - 8);
    testBit(l, at(l, table.bitmaps, builder.binary("or", "i32", start, word), 8), bit, ways);
  };
  if (cells === null) return inBitmap(page, cell);
  const low = (pair: ValueId): ValueId => (pageBytes === 8 ? builder.trunc(pair) : op(l, "and", pair, 0xffff));
  const high = (pair: ValueId): ValueId => l.resize(op(l, "shr", pair, pageBytes * 4), "i32");
  const place = low(page);
  const index = op(l, "and", builder.binary("add", "i32", place, cell), cells.count - 1);
  const entry = at(l, cells.place, op(l, "mul", index, pageBytes), pageBytes);
  const [own, other] = [l.block(), l.block()];
  const join = builder.newBlock(["i32", "i32"]);
  builder.branch("eq", "i32", low(entry), place, { target: own, args: [] }, { target: other, args: [] });
  l.goOn(own);
  builder.jump(join.id, [high(entry), op(l, "and", number, 255)]);
  l.goOn(other);
  builder.jump(join.id, [high(page), cell]);
  l.goOn(join.id);
  const [bitmap, bit] = join.params as [ValueId, ValueId];
  inBitmap(bitmap, bit);
}
