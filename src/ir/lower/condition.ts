// Conditions: from typed conditions to branches. A condition is lowered with the two places to go on at; nothing holds its
// value. A comparison first makes sure that the headers it reads are there; where one isn't, it is false.

import { must } from "../../base/assert.ts";
import { visitValue } from "../header-graph.ts";
import type { CompareOp, ConstantSet, HCond, HExpr, Instance, NumberRange, SetElement } from "../hir.ts";
import type { BlockId, Compare, Edge, IntType, ValueId } from "../ir.ts";
import { layoutOf } from "../layout.ts";
import { elementsOf, scalarBits, type Type } from "../types.ts";
import { lowerNumber, lowerPieces, lowerValue, settled } from "./evaluate.ts";
import type { Env, Lowering } from "./lowering.ts";
import { lookup } from "./map-access.ts";
import { TRANSPORT_LAYER } from "./parse-plan.ts";
import { headerOf, readStage } from "./read-packet.ts";
import { isPieces, numberOf, type Piece, pieceSizes, swapBytes, type Value, widen } from "./value.ts";

const COMPARE: Readonly<Record<CompareOp, Compare>> = {
  "==": "eq",
  "!=": "ne",
  "<": "ult",
  "<=": "ule",
  ">": "ugt",
  ">=": "uge",
};

/** Sets of up to this many elements are tested one by one, as they were written; longer ones by a search tree. */
const FEW = 4;

/** What has been read where a condition holds and where it doesn't. */
export interface Outcome {
  readonly whenTrue: Env;
  readonly whenFalse: Env;
}

/** Makes the code of a condition: goes to `yes` or `no`. The environment of each is returned; the current one is undefined after. */
export function lowerCondition(l: Lowering, condition: HCond, yes: BlockId, no: BlockId): Outcome {
  switch (condition.kind) {
    case "not": {
      const { whenTrue, whenFalse } = lowerCondition(l, condition.operand, no, yes);
      return { whenTrue: whenFalse, whenFalse: whenTrue };
    }
    case "and":
    case "or":
      return lowerJunction(l, condition, yes, no);
    default: {
      const whenFalse = lowerTest(l, condition, yes, no);
      return { whenTrue: l.env, whenFalse };
    }
  }
}

/** What has been read on two ways to one place. */
function commonEnv(a: Env, b: Env): Env {
  return a === b ? a : new Map([...a].filter(([stage, result]) => b.get(stage) === result));
}

/** Chains of `and` and of `or` are left-deep trees that may be long: followed in a loop. */
function lowerJunction(l: Lowering, condition: HCond & { kind: "and" | "or" }, yes: BlockId, no: BlockId): Outcome {
  const parts: HCond[] = [];
  let left: HCond = condition;
  while (left.kind === condition.kind) {
    parts.push(left.b);
    left = left.a;
  }
  parts.push(left);
  parts.reverse();
  // Where the chain stops early, only what is read on every way there is sure to have been read.
  let early: Env | null = null;
  let late: Env = l.env;
  for (const [i, part] of parts.entries()) {
    const next = i === parts.length - 1 ? (condition.kind === "and" ? yes : no) : l.block();
    const outcome = condition.kind === "and" ? lowerCondition(l, part, next, no) : lowerCondition(l, part, yes, next);
    const stops = condition.kind === "and" ? outcome.whenFalse : outcome.whenTrue;
    early = early === null ? stops : commonEnv(early, stops);
    late = condition.kind === "and" ? outcome.whenTrue : outcome.whenFalse;
    if (i < parts.length - 1) {
      l.goOn(next);
      l.env = late;
    }
  }
  const stopped = must(early, "a part");
  return condition.kind === "and" ? { whenTrue: late, whenFalse: stopped } : { whenTrue: stopped, whenFalse: late };
}

/** Makes the code of a single test; gives what has been read wherever it may be false, l.env is what has been read where it holds. */
function lowerTest(
  l: Lowering,
  condition: Exclude<HCond, { kind: "and" | "or" | "not" }>,
  yes: BlockId,
  no: BlockId,
): Env {
  const { builder } = l;
  const [toYes, toNo] = [edge(yes), edge(no)];
  switch (condition.kind) {
    case "constant":
      builder.jump(condition.value ? yes : no);
      return l.env;
    case "present":
      builder.branch("eq", "i32", headerOf(l, condition.instance).present, l.i32(1), toYes, toNo);
      return l.env;
    case "opaque": {
      const stages = l.plan.stages.filter((stage) => stage.layer <= TRANSPORT_LAYER);
      for (const stage of stages) readStage(l, stage);
      for (const stage of stages) {
        const next = l.block();
        builder.branch("eq", "i32", must(readStage(l, stage).stuck, "a stage's flag"), l.i32(1), toYes, edge(next));
        l.goOn(next);
      }
      builder.jump(no);
      return l.env;
    }
    case "compare": {
      const whenFalse = needHeaders(l, [condition.a, condition.b], no);
      lowerCompare(l, condition.op, condition.a, condition.b, yes, no);
      return whenFalse;
    }
    case "inSet": {
      const whenFalse = needHeaders(l, [condition.value], no);
      if (condition.negated) lowerInSet(l, condition.value, condition.set, no, yes);
      else lowerInSet(l, condition.value, condition.set, yes, no);
      return whenFalse;
    }
    case "inMap": {
      const whenFalse = needHeaders(l, [condition.key], no);
      builder.nullGuard(lookup(l, condition.map, condition.key), toYes, toNo);
      return whenFalse;
    }
    case "truth": {
      const whenFalse = needHeaders(l, [condition.value], no);
      builder.branch("ne", "i32", lowerNumber(l, condition.value), l.i32(0), toYes, toNo);
      return whenFalse;
    }
  }
}

function edge(target: BlockId): Edge {
  return { target, args: [] };
}

/**
 * Goes on where every header the values read is there; elsewhere to `no`. Inside a header's own expressions it is there.
 * Gives what has been read on every way to `no`.
 */
function needHeaders(l: Lowering, values: readonly HExpr[], no: BlockId): Env {
  const needed = new Set<Instance>();
  // Conditions inside a value look after themselves: they are not walked into.
  for (const value of values) visitValue(value, (instance) => needed.add(instance));
  let atFirst: Env | null = null;
  for (const instance of needed) {
    if (instance.index === -1) continue;
    const next = l.block();
    const { present } = headerOf(l, instance);
    atFirst ??= l.env;
    l.builder.branch("eq", "i32", present, l.i32(1), edge(next), edge(no));
    l.goOn(next);
  }
  return atFirst ?? l.env;
}

function lowerCompare(l: Lowering, op: CompareOp, a: HExpr, b: HExpr, yes: BlockId, no: BlockId): void {
  const { type } = a;
  const equality = op === "==" || op === "!=";
  const [same, differ] = op === "!=" ? [no, yes] : [yes, no];
  if (elementsOf(type) !== null) return equalValues(l, lowerValue(l, a), lowerValue(l, b), type, same, differ);
  if (isPieces(type) && equality) {
    // Four bytes compare with an immediate; eight of a constant would take a register and two slots.
    const most = a.kind === "const" || b.kind === "const" ? 4 : 8;
    return equalPieces(l, samePieces(l, a, b, most), same, differ);
  }
  if (type.kind === "ipv6") return orderIpv6(l, op, a, b, yes, no);
  const x = lowerNumber(l, a);
  const y = lowerNumber(l, b);
  const int: IntType = l.builder.typeOf(x) === "i64" ? "i64" : "i32";
  l.builder.branch(COMPARE[op], int, x, l.resize(y, int), edge(yes), edge(no));
}

function samePieces(l: Lowering, a: HExpr, b: HExpr, most: 4 | 8): readonly [Piece, Piece][] {
  const sizes = pieceSizes(layoutOf(a.type).bytes, most);
  const x = widen(l, lowerPieces(l, a, most), sizes);
  const y = widen(l, lowerPieces(l, b, most), sizes);
  return x.map((piece, i) => [piece, must(y[i], "a piece")]);
}

function equalPieces(l: Lowering, pairs: readonly (readonly [Piece, Piece])[], same: BlockId, differ: BlockId): void {
  for (const [i, [x, y]] of pairs.entries()) {
    const next = i === pairs.length - 1 ? same : l.block();
    l.builder.branch("eq", x.bytes === 8 ? "i64" : "i32", x.value, y.value, edge(next), edge(differ));
    if (next !== same) l.goOn(next);
  }
}

function equalValues(l: Lowering, a: Value, b: Value, type: Type, same: BlockId, differ: BlockId): void {
  const elements = elementsOf(type);
  if (elements === null) {
    if (isPieces(type) && a.kind === "pieces" && b.kind === "pieces") {
      const sizes = pieceSizes(layoutOf(type).bytes, a.pieces[0]?.bytes === 8 && b.pieces[0]?.bytes === 8 ? 8 : 4);
      const y = widen(l, b.pieces, sizes);
      return equalPieces(
        l,
        widen(l, a.pieces, sizes).map((p, i) => [p, must(y[i], "a piece")]),
        same,
        differ,
      );
    }
    const x = numberOf(l, a, type);
    return l.builder.branch(
      "eq",
      l.builder.typeOf(x) === "i64" ? "i64" : "i32",
      x,
      numberOf(l, b, type),
      edge(same),
      edge(differ),
    );
  }
  if (a.kind !== "aggregate" || b.kind !== "aggregate") return;
  for (const [i, element] of elements.entries()) {
    const next = i === elements.length - 1 ? same : l.block();
    equalValues(l, must(a.elements[i], "an element"), must(b.elements[i], "an element"), element, next, differ);
    if (next !== same) l.goOn(next);
  }
}

/** Ordering of 128 bits: by the high half, and by the low half where those are equal. */
function orderIpv6(l: Lowering, op: CompareOp, a: HExpr, b: HExpr, yes: BlockId, no: BlockId): void {
  const { builder } = l;
  const [high, low] = samePieces(l, a, b, 8).map(
    ([x, y]) => [builder.bswap(8, x.value), builder.bswap(8, y.value)] as const,
  );
  const [ah, bh] = must(high, "the high half");
  const [al, bl] = must(low, "the low half");
  const tie = l.block();
  const decided = l.block();
  builder.branch("eq", "i64", ah, bh, edge(tie), edge(decided));
  l.goOn(decided);
  builder.branch(op === "<" || op === "<=" ? "ult" : "ugt", "i64", ah, bh, edge(yes), edge(no));
  l.goOn(tie);
  builder.branch(COMPARE[op], "i64", al, bl, edge(yes), edge(no));
}

// ------------------------------------------------------------------------------------------------------------- constant sets

/** Goes to `yes` where the value is in the set. */
export function lowerInSet(l: Lowering, member: HExpr, set: ConstantSet, yes: BlockId, no: BlockId): void {
  const value = settled(l, member);
  if (set.kind === "tuples") return inTuples(l, value, set.tuples, yes, no);
  if (value.type.kind === "ipv6") return oneByOne(l, value, set.written, yes, no);
  if (set.written.length <= FEW) return oneByOne(l, value, set.written, yes, no);
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

function inTuples(l: Lowering, value: HExpr, tuples: readonly (readonly bigint[])[], yes: BlockId, no: BlockId): void {
  const whole = lowerValue(l, value);
  for (const tuple of tuples) {
    const next = l.block();
    equalValues(l, whole, constantValue(l, value.type, [...tuple]), value.type, yes, next);
    l.goOn(next);
  }
  l.builder.jump(no);
}

function constantValue(l: Lowering, type: Type, flat: bigint[]): Value {
  const elements = elementsOf(type);
  if (elements !== null) return { kind: "aggregate", elements: elements.map((e) => constantValue(l, e, flat)) };
  return lowerValue(l, { kind: "const", value: must(flat.shift(), "an element"), type, span: l.program.span });
}
