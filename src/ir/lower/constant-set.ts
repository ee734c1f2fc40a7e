// Membership in constant sets: a few elements become comparisons as they were written, some a search tree, many a table in .rodata
// (set-table.ts). Called by condition.ts for `in` and by statement.ts for the arms of a `switch`.

import { must } from "../../base/assert.ts";
import type { ConstantSet, HExpr, NumberRange, SetElement } from "../hir.ts";
import type { BlockId, IntType, ValueId } from "../ir.ts";
import { layoutOf } from "../layout.ts";
import type { RangeTrie } from "../sets/range-trie.ts";
import { inUpperHalf, trieOf } from "../sets/trie-of.ts";
import { elementsOf, scalarBits, type Type } from "../types.ts";
import { equalValues, lowerCompare } from "./condition.ts";
import { edge } from "./edge.ts";
import { lowerNumber, lowerPieces, lowerValue, settled } from "./evaluate.ts";
import type { Lowering } from "./lowering.ts";
import { inBits, inPages, inSlots, inTrie, type Ways } from "./set-table.ts";
import { isPieces, numberOf, pieceSizes, swapBytes, type Value, widen } from "./value.ts";

/** Sets of up to this many elements are tested one by one, as they were written; longer ones by a search tree. */
const FEW = 4;
/** The same for addresses of 128 bits and tuples; longer ones are a table. */
const FEW_WIDE = 8;
/** Sets of up to this many ranges are a search tree; longer ones are a table. */
const MOST_IN_TREE = 32;
/** The same for numbers of 32 bits, whose table begins at 256 KiB. */
const MOST_IN_TREE_32 = 128;

/** Goes to `yes` where the value is in the set. */
export function lowerInSet(l: Lowering, member: HExpr, set: ConstantSet, yes: BlockId, no: BlockId): void {
  const value = settled(l, member);
  if (set.kind === "tuples") return inTuples(l, value, set, yes, no);
  if (set.ranges.length === 0) return l.builder.jump(no);
  const { written } = set;
  const wide = value.type.kind === "ipv6";
  if (written !== null && written.length <= (wide ? FEW_WIDE : FEW)) return oneByOne(l, value, written, yes, no);
  const most = scalarBits(value.type) === 32 ? MOST_IN_TREE_32 : MOST_IN_TREE;
  if (wide || set.ranges.length > most) return inTable(l, value, set, { yes: edge(yes), no: edge(no) });
  const number = lowerNumber(l, value);
  const type: IntType = l.builder.typeOf(number) === "i64" ? "i64" : "i32";
  if (set.ranges.every((r) => r.from === r.to)) {
    return l.builder.switchOn(
      type,
      number,
      set.ranges.map((r) => ({ value: r.from, edge: edge(yes) })),
      edge(no),
    );
  }
  searchTree(l, number, type, set.ranges, yes, no);
}

/** The table that fits the type: a bitmap, pages, a hash of single values, a trie of wide ranges. */
function inTable(l: Lowering, value: HExpr, set: ConstantSet & { kind: "ranges" }, ways: Ways): void {
  const bits = scalarBits(value.type) ?? 64;
  const { ranges } = set;
  if (bits <= 16) return inBits(l, lowerNumber(l, value), set, bits, ways);
  if (bits <= 32) return inPages(l, lowerNumber(l, value), set, ways);
  if (ranges.every((r) => r.from === r.to)) {
    const rows = (): bigint[][] => ranges.map((r) => packed(value.type, [r.from]));
    return inSlots(l, words(l, value), set, rows, ways);
  }
  const make = (): RangeTrie => must(trieOf(ranges, bits), "a trie that is small enough");
  if (value.type.kind !== "ipv6") return inTrie(l, [l.resize(lowerNumber(l, value), "i64")], set, make, ways);
  const halves = lowerPieces(l, value, 8).map((piece) => l.builder.bswap(8, piece.value));
  inTrie(l, inUpperHalf(ranges) ? halves.slice(0, 1) : halves, set, make, ways);
}

function oneByOne(l: Lowering, value: HExpr, elements: readonly SetElement[], yes: BlockId, no: BlockId): void {
  if (elements.length === 0) return l.builder.jump(no);
  for (const [i, element] of elements.entries()) {
    const next = i === elements.length - 1 ? no : l.block();
    testElement(l, value, element, yes, next);
    if (next !== no) l.goOn(next);
  }
}

function testElement(l: Lowering, value: HExpr, element: SetElement, yes: BlockId, no: BlockId): void {
  const { builder } = l;
  const constant = (v: bigint): HExpr => ({ kind: "const", value: v, type: value.type, span: value.span });
  switch (element.kind) {
    case "value":
      return lowerCompare(l, "==", value, constant(element.value), yes, no);
    case "range": {
      if (!isPieces(value.type)) return testRange(l, lowerNumber(l, value), element, yes, no);
      const above = l.block();
      lowerCompare(l, ">=", value, constant(element.from), above, no);
      l.goOn(above);
      return lowerCompare(l, "<=", value, constant(element.to), yes, no);
    }
    case "prefix": {
      const bits = scalarBits(value.type) ?? 32;
      const mask = ((1n << BigInt(element.length)) - 1n) << BigInt(bits - element.length);
      if (!isPieces(value.type)) {
        const masked = builder.binary("and", "i32", lowerNumber(l, value), l.i32(mask));
        return builder.branch("eq", "i32", masked, l.i32(element.value), edge(yes), edge(no));
      }
      return prefixOfPieces(l, value, element.value, mask, yes, no);
    }
  }
}

/**
 * One comparison of how far the value is below the end. The verifier doesn't learn the value's own range from it, so it needn't
 * follow what comes next once for a value inside and once for one outside.
 */
function testRange(l: Lowering, value: ValueId, range: NumberRange, yes: BlockId, no: BlockId): void {
  const { builder } = l;
  const type: IntType = builder.typeOf(value) === "i64" ? "i64" : "i32";
  const constant = (v: bigint): ValueId => builder.constant(type, v);
  if (range.from === 0n) return builder.branch("ule", type, value, constant(range.to), edge(yes), edge(no));
  const below = builder.binary("sub", type, constant(range.to), value);
  builder.branch("ule", type, below, constant(range.to - range.from), edge(yes), edge(no));
}

/** Compares only the pieces a prefix covers; the last one under its mask. */
function prefixOfPieces(l: Lowering, value: HExpr, prefix: bigint, mask: bigint, yes: BlockId, no: BlockId): void {
  const { builder } = l;
  const bytes = layoutOf(value.type).bytes;
  let at = 0;
  for (const piece of widen(l, lowerPieces(l, value, 4), pieceSizes(bytes, 4))) {
    const part = (v: bigint): bigint =>
      swapBytes((v >> BigInt(8 * (bytes - at - piece.bytes))) & ((1n << BigInt(8 * piece.bytes)) - 1n), piece.bytes);
    const pieceMask = part(mask);
    if (pieceMask === 0n) break;
    const masked = builder.binary("and", "i32", piece.value, l.i32(pieceMask));
    const next = l.block();
    builder.branch("eq", "i32", masked, l.i32(part(prefix)), edge(next), edge(no));
    l.goOn(next);
    at += piece.bytes;
  }
  builder.jump(yes);
}

/** Binary search over disjoint ascending ranges: the last that begins at or below the value is the only one that can hold it. */
function searchTree(
  l: Lowering,
  value: ValueId,
  type: IntType,
  ranges: readonly NumberRange[],
  yes: BlockId,
  no: BlockId,
): void {
  const { builder } = l;
  const constant = (v: bigint): ValueId => builder.constant(type, v);
  const open = [{ block: null as BlockId | null, from: 0, to: ranges.length, min: 0n }];
  for (let part = open.pop(); part !== undefined; part = open.pop()) {
    if (part.block !== null) l.goOn(part.block);
    if (part.to - part.from === 1) {
      const range = must(ranges[part.from], "a range");
      if (range.from === range.to) builder.branch("eq", type, value, constant(range.from), edge(yes), edge(no));
      else if (part.min >= range.from) builder.branch("ule", type, value, constant(range.to), edge(yes), edge(no));
      else testRange(l, value, range, yes, no);
      continue;
    }
    const middle = (part.from + part.to) >> 1;
    const start = must(ranges[middle], "a range").from;
    const [below, above] = [l.block(), l.block()];
    builder.branch("ult", type, value, constant(start), edge(below), edge(above));
    open.push(
      { block: above, from: middle, to: part.to, min: start },
      { block: below, from: part.from, to: middle, min: part.min },
    );
  }
}

function inTuples(l: Lowering, value: HExpr, set: ConstantSet & { kind: "tuples" }, yes: BlockId, no: BlockId): void {
  const { tuples } = set;
  if (tuples.length > FEW_WIDE) {
    const rows = (): bigint[][] => tuples.map((tuple) => packed(value.type, tuple));
    return inSlots(l, words(l, value), set, rows, { yes: edge(yes), no: edge(no) });
  }
  const whole = lowerValue(l, value);
  for (const tuple of tuples) {
    const next = l.block();
    equalValues(l, whole, constantValue(l, value.type, [...tuple]), value.type, yes, next);
    l.goOn(next);
  }
  l.builder.jump(no);
}

/** The types of the scalars that a value is made of, in their order. */
function scalarsOf(type: Type): Type[] {
  return elementsOf(type)?.flatMap(scalarsOf) ?? [type];
}

/** A value as 64-bit words: its numbers and pieces side by side, a new word where one doesn't fit in the last. */
function words(l: Lowering, value: HExpr): ValueId[] {
  const { builder } = l;
  const packer: { value: ValueId; used: number }[] = [];
  const put = (part: ValueId, bits: number): void => {
    const last = packer.at(-1);
    const wide = l.resize(part, "i64");
    if (last === undefined || last.used + bits > 64) {
      packer.push({ value: wide, used: bits });
      return;
    }
    const shifted = builder.binary("shl", "i64", wide, builder.constant("i64", last.used));
    last.value = builder.binary("or", "i64", last.value, shifted);
    last.used += bits;
  };
  const visit = (one: Value, type: Type): void => {
    const elements = elementsOf(type);
    if (elements !== null && one.kind === "aggregate") {
      for (const [i, element] of elements.entries()) visit(must(one.elements[i], "an element"), element);
    } else if (one.kind === "pieces") {
      for (const piece of widen(l, one.pieces, pieceSizes(layoutOf(type).bytes, 8))) put(piece.value, 8 * piece.bytes);
    } else put(numberOf(l, one, type), scalarBits(type) ?? 64);
  };
  visit(lowerValue(l, value), value.type);
  return packer.map((word) => word.value);
}

/** What `words` gives for a constant: its numbers from the first to the last. */
function packed(type: Type, numbers: readonly bigint[]): bigint[] {
  const result: { value: bigint; used: number }[] = [];
  const put = (part: bigint, bits: number): void => {
    const last = result.at(-1);
    if (last === undefined || last.used + bits > 64) {
      result.push({ value: part, used: bits });
      return;
    }
    last.value |= part << BigInt(last.used);
    last.used += bits;
  };
  for (const [i, scalar] of scalarsOf(type).entries()) {
    const number = must(numbers[i], "a number");
    if (!isPieces(scalar)) {
      put(number, scalarBits(scalar) ?? 64);
      continue;
    }
    let left = layoutOf(scalar).bytes;
    for (const size of pieceSizes(left, 8)) {
      left -= size;
      put(swapBytes((number >> BigInt(8 * left)) & ((1n << BigInt(8 * size)) - 1n), size), 8 * size);
    }
  }
  return result.map((word) => word.value);
}

function constantValue(l: Lowering, type: Type, flat: bigint[]): Value {
  const elements = elementsOf(type);
  if (elements !== null) return { kind: "aggregate", elements: elements.map((e) => constantValue(l, e, flat)) };
  return lowerValue(l, { kind: "const", value: must(flat.shift(), "an element"), type, span: l.program.span });
}
