// Looks into the tables of large constant sets (src/ir/sets/ makes them): loads from .rodata at masked indexes, so that the verifier sees
// each inside the section. Called by constant-set.ts; a table is made once for each set.

import { must } from "../../base/assert.ts";
import type { ConstantSet, NumberRange } from "../hir.ts";
import type { BlockId, Edge, IntType, ValueId } from "../ir.ts";
import { BITMAP_BYTES, setBits } from "../sets/bitmap-pool.ts";
import { hashTable } from "../sets/hash-table.ts";
import { pagedTable } from "../sets/paged-table.ts";
import { FIRST_SHIFT, LEAF, LOW_WORD, PAIR, type RangeTrie } from "../sets/range-trie.ts";
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
function op(l: Lowering, kind: "and" | "shr" | "shl" | "add" | "mul", a: ValueId, constant: number | bigint): ValueId {
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

// --------------------------------------------------------------------------------------------------------------- single values

/** Rows of 64-bit words: the slot that a perfect hash gives (src/ir/sets/hash-table.ts). `rows` makes the set's, `key` is what it is kept by. */
export function inSlots(
  l: Lowering,
  words: readonly ValueId[],
  key: object,
  rows: () => readonly (readonly bigint[])[],
  ways: Ways,
): void {
  const { builder } = l;
  const width = words.length;
  const table = l.data.once(key, () => {
    const { factors, bucketBits, slotBits, shifts, slots } = hashTable(rows(), width);
    const shiftBytes: 2 | 4 = slotBits <= 16 ? 2 : 4;
    return {
      factors,
      bucketBits,
      slotBits,
      shiftBytes,
      shifts: l.data.table(bytesOf(shifts.length, shiftBytes, (i) => BigInt(shifts[i] ?? 0))),
      slots: l.data.table(bytesOf(slots.length, 8, (i) => slots[i] ?? 0n)),
    };
  });
  const { factors, bucketBits, slotBits, shiftBytes } = table;
  let hash: ValueId | null = null;
  for (const [i, word] of words.entries()) {
    const mixed = hash === null ? word : builder.binary("xor", "i64", hash, word);
    const product = op(l, "mul", mixed, must(factors[i], "a factor"));
    hash = builder.binary("xor", "i64", product, op(l, "shr", product, 32));
  }
  const last = op(l, "mul", must(hash, "a hash"), must(factors[width], "the last factor"));
  const bucket = op(l, "shr", last, 64 - bucketBits);
  const shift = at(l, table.shifts, op(l, "mul", bucket, shiftBytes), shiftBytes);
  const own = builder.trunc(op(l, "shr", last, 64 - bucketBits - slotBits));
  const slot = op(l, "and", builder.binary("add", "i32", own, shift), 2 ** slotBits - 1);
  const base = builder.index(builder.global(".rodata", table.slots), builder.zext(op(l, "mul", slot, 8 * width)));
  for (const [i, word] of words.entries()) {
    const found = builder.load("rodata", 8, base, 8 * i);
    const next = i === width - 1 ? ways.yes : { target: l.block(), args: [] };
    builder.branch("eq", "i64", found, word, next, ways.no);
    if (i < width - 1) l.goOn(next.target);
  }
}

/** Numbers of 2, 4 or 8 bytes one after the other. */
function bytesOf(count: number, bytes: 2 | 4 | 8, number: (i: number) => bigint): Uint8Array {
  const view = new DataView(new ArrayBuffer(count * bytes));
  for (let i = 0; i < count; i++) {
    if (bytes === 8) view.setBigUint64(8 * i, number(i), true);
    else if (bytes === 4) view.setUint32(4 * i, Number(number(i)), true);
    else view.setUint16(2 * i, Number(number(i)), true);
  }
  return new Uint8Array(view.buffer);
}

// --------------------------------------------------------------------------------------------------------------- wide ranges

/** Numbers of up to 64 bits in one word, of 128 in two, the upper first: the way down a trie, then the ranges its leaf names. */
export function inTrie(l: Lowering, words: readonly ValueId[], key: object, make: () => RangeTrie, ways: Ways): void {
  const { builder } = l;
  const wide = words.length === 2;
  const rangeBytes = wide ? 32 : 16;
  const table = l.data.once(key, () => {
    const trie = make();
    const ends = trie.ranges.flatMap(({ from, to }) =>
      wide ? [from >> 64n, from & MASK, to >> 64n, to & MASK] : [from, to],
    );
    return {
      ...trie,
      place: l.data.table(bytesOf(trie.cells.length, 4, (i) => BigInt(trie.cells[i] ?? 0))),
      rangePlace: l.data.table(bytesOf(ends.length, 8, (i) => ends[i] ?? 0n)),
    };
  });
  const upper = must(words[0], "a word");
  const lower = words[1] ?? upper;
  const leaf = builder.newBlock(["i32"]);
  let cell = l.i32(table.root);
  for (let level = 1; level <= table.depth; level++) {
    let word = upper;
    if (wide && level === 1) word = (table.root & LOW_WORD) === 0 ? upper : lower;
    else if (wide) word = chosenWord(l, cell, upper, lower);
    const left = op(l, "and", cell, 63);
    const right = op(l, "and", op(l, "shr", cell, 6), 63);
    const cut = builder.binary(
      "shr",
      "i64",
      builder.binary("shl", "i64", word, builder.zext(left)),
      builder.zext(right),
    );
    const first = op(l, "mul", op(l, "shr", cell, FIRST_SHIFT), table.step);
    const index = op(l, "and", builder.binary("add", "i32", first, builder.trunc(cut)), table.cells.length - 1);
    cell = at(l, table.place, op(l, "shl", index, 2), 4);
    if (level === table.depth) break;
    const inner = l.block();
    builder.branch("uge", "i32", cell, l.i32(LEAF), { target: leaf.id, args: [cell] }, { target: inner, args: [] });
    l.goOn(inner);
  }
  builder.jump(leaf.id, [cell]);
  l.goOn(leaf.id);
  const found = must(leaf.params[0], "the leaf");
  const single = l.block();
  inRange(l, words, table.rangePlace, op(l, "and", found, table.ranges.length - 1), rangeBytes, {
    yes: ways.yes,
    no: { target: single, args: [] },
  });
  l.goOn(single);
  const pair = l.block();
  builder.branch("ne", "i32", op(l, "and", found, PAIR), l.i32(0), { target: pair, args: [] }, ways.no);
  l.goOn(pair);
  const second = op(l, "and", op(l, "add", found, 1), table.ranges.length - 1);
  inRange(l, words, table.rangePlace, second, rangeBytes, ways);
}

const MASK = (1n << 64n) - 1n;

/** The word that a cell's node looks at. */
function chosenWord(l: Lowering, cell: ValueId, upper: ValueId, lower: ValueId): ValueId {
  const join = l.builder.newBlock(["i64"]);
  const bit = op(l, "and", cell, LOW_WORD);
  const zero = l.i32(0);
  l.builder.branch("ne", "i32", bit, zero, { target: join.id, args: [lower] }, { target: join.id, args: [upper] });
  l.goOn(join.id);
  return must(join.params[0], "the word");
}

/** Compares a number with both ends of a range of the table. */
function inRange(
  l: Lowering,
  words: readonly ValueId[],
  table: number,
  number: ValueId,
  rangeBytes: number,
  ways: Ways,
): void {
  const { builder } = l;
  const base = builder.index(builder.global(".rodata", table), builder.zext(op(l, "mul", number, rangeBytes)));
  const end = (byte: number): ValueId => builder.load("rodata", 8, base, byte);
  const [upper, lower] = words as [ValueId, ValueId | undefined];
  const to = (target: BlockId): Edge => ({ target, args: [] });
  const above = l.block();
  if (lower === undefined) {
    builder.branch("uge", "i64", upper, end(0), to(above), ways.no);
    l.goOn(above);
    return builder.branch("ule", "i64", upper, end(8), ways.yes, ways.no);
  }
  const [low, high, tieLow, tieHigh] = [l.block(), l.block(), l.block(), l.block()];
  const from = end(0);
  builder.branch("ult", "i64", upper, from, ways.no, to(low));
  l.goOn(low);
  builder.branch("eq", "i64", upper, from, to(tieLow), to(above));
  l.goOn(tieLow);
  builder.branch("uge", "i64", lower, end(8), to(above), ways.no);
  l.goOn(above);
  const last = end(16);
  builder.branch("ugt", "i64", upper, last, ways.no, to(high));
  l.goOn(high);
  builder.branch("eq", "i64", upper, last, to(tieHigh), ways.yes);
  l.goOn(tieHigh);
  builder.branch("ule", "i64", lower, end(24), ways.yes, ways.no);
}
