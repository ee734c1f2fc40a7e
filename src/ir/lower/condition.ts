// Conditions: from typed conditions to branches. A condition is lowered with the two places to go on at; nothing holds its
// value. A comparison first makes sure that the headers it reads are there; where one isn't, it is false.

import { must } from "../../base/assert.ts";
import { visitValue } from "../header-graph.ts";
import type { CompareOp, HCond, HExpr, Instance } from "../hir.ts";
import type { BlockId, Compare, IntType } from "../ir.ts";
import { layoutOf } from "../layout.ts";
import { elementsOf, type Type } from "../types.ts";
import { lowerInSet } from "./constant-set.ts";
import { edge } from "./edge.ts";
import { lowerNumber, lowerPieces, lowerValue } from "./evaluate.ts";
import { exceeds } from "./limiter.ts";
import type { Env, Lowering } from "./lowering.ts";
import { lookup } from "./map-access.ts";
import { TRANSPORT_LAYER } from "./parse-plan.ts";
import { askFilter } from "./queue.ts";
import { headerOf, readStage } from "./read-packet.ts";
import { isPieces, numberOf, type Piece, pieceSizes, type Value, widen } from "./value.ts";

const COMPARE: Readonly<Record<CompareOp, Compare>> = {
  "==": "eq",
  "!=": "ne",
  "<": "ult",
  "<=": "ule",
  ">": "ugt",
  ">=": "uge",
};

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
      if (condition.map.mapKind === "bloom_filter") {
        const status = askFilter(l, condition.map, condition.key);
        builder.branch("eq", "i64", status, builder.constant("i64", 0), toYes, toNo);
      } else builder.nullGuard(lookup(l, condition.map, condition.key), toYes, toNo);
      return whenFalse;
    }
    case "exceeds": {
      const whenFalse = needHeaders(l, [condition.key], no);
      exceeds(l, condition, yes, no);
      return whenFalse;
    }
    case "truth": {
      const whenFalse = needHeaders(l, [condition.value], no);
      builder.branch("ne", "i32", lowerNumber(l, condition.value), l.i32(0), toYes, toNo);
      return whenFalse;
    }
  }
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

/** Compares two values of one type. */
export function lowerCompare(l: Lowering, op: CompareOp, a: HExpr, b: HExpr, yes: BlockId, no: BlockId): void {
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

/** Compares two values of one type for equality, aggregates element by element. */
export function equalValues(l: Lowering, a: Value, b: Value, type: Type, same: BlockId, differ: BlockId): void {
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
