// What is known of an integer without looking at the path: the least and greatest it can be, and which bits can be set. From
// the operations alone (a 1-byte load is below 256) and, over parameters, from what flows in.

import { evaluateBinary, maxOf, swapBytes } from "../arithmetic.ts";
import type { Graph, Values } from "../graph.ts";
import { blockAt } from "../graph.ts";
import { edgesOf, type IrInsn, type ValueId } from "../ir.ts";

/** Bounds of an unsigned value; `bits` holds every bit that can be 1. */
export interface Range {
  readonly min: bigint;
  readonly max: bigint;
  readonly bits: bigint;
}

/** The range of a constant. */
export function exactly(value: bigint): Range {
  return { min: value, max: value, bits: value };
}

/**
 * The ranges of a function's integers, by value number; undefined for what isn't one, or is never computed. One walk in reverse
 * postorder: parameters of loop headers can be anything.
 */
export function rangesOf(graph: Graph, values: Values): (Range | undefined)[] {
  const ranges: (Range | undefined)[] = new Array(graph.fn.nextValue);
  const full = (v: ValueId): Range => {
    const max = maxOf(values.type[v] === "i32" ? "i32" : "i64");
    return { min: 0n, max, bits: max };
  };
  const get = (v: ValueId): Range => ranges[v] ?? full(v);
  for (const id of graph.order) {
    for (const pred of graph.preds[id] ?? []) {
      if ((graph.position[pred] as number) < (graph.position[id] as number)) continue;
      for (const param of blockAt(graph, id).params) ranges[param.id] = full(param.id);
    }
  }
  for (const id of graph.order) {
    const block = blockAt(graph, id);
    for (const insn of block.insns) {
      if ("id" in insn && (insn.type === "i32" || insn.type === "i64") && insn.op !== "undef") {
        ranges[insn.id] = rangeOfInsn(insn, get) ?? full(insn.id);
      }
    }
    for (const edge of edgesOf(block.term)) {
      blockAt(graph, edge.target).params.forEach((param, i) => {
        const arg = edge.args[i] as ValueId;
        if ((param.type !== "i32" && param.type !== "i64") || values.def[arg]?.op === "undef") return;
        const old = ranges[param.id];
        ranges[param.id] = old === undefined ? get(arg) : union(old, get(arg));
      });
    }
  }
  return ranges;
}

function union(a: Range, b: Range): Range {
  return { min: a.min < b.min ? a.min : b.min, max: a.max > b.max ? a.max : b.max, bits: a.bits | b.bits };
}

/** All bits up to the highest one of `value`. */
export function fill(value: bigint): bigint {
  return value === 0n ? 0n : (1n << BigInt(value.toString(2).length)) - 1n;
}

function upTo(max: bigint): Range {
  return { min: 0n, max, bits: fill(max) };
}

/** The range of an instruction's result, or null where nothing is known. */
export function rangeOfInsn(insn: IrInsn, get: (v: ValueId) => Range): Range | null {
  switch (insn.op) {
    case "const":
      return exactly(insn.value);
    case "load":
      return insn.width === 8 ? null : upTo((1n << BigInt(8 * insn.width)) - 1n);
    case "zext":
      return get(insn.a);
    case "trunc": {
      const a = get(insn.a);
      return a.max <= 0xffff_ffffn ? a : upTo(a.bits & 0xffff_ffffn);
    }
    case "bswap": {
      const a = get(insn.a);
      const bits = swapBytes(a.bits & ((1n << BigInt(8 * insn.bytes)) - 1n), insn.bytes);
      return { min: 0n, max: bits, bits };
    }
    case "binary": {
      const a = get(insn.a);
      const b = get(insn.b);
      if (a.min === a.max && b.min === b.max) return exactly(evaluateBinary(insn.kind, insn.type, a.min, b.min));
      return rangeOfBinary(insn, a, b);
    }
    default:
      return null;
  }
}

function rangeOfBinary(insn: Extract<IrInsn, { op: "binary" }>, a: Range, b: Range): Range | null {
  const top = maxOf(insn.type);
  const constant = b.min === b.max ? b.min : null;
  const within = (min: bigint, max: bigint): Range | null => (max <= top ? { min, max, bits: fill(max) } : null);
  switch (insn.kind) {
    case "and": {
      const bits = a.bits & b.bits;
      const max = a.max < b.max ? a.max : b.max;
      return { min: 0n, max: max < bits ? max : bits, bits };
    }
    case "or": {
      const bits = a.bits | b.bits;
      return { min: a.min > b.min ? a.min : b.min, max: bits, bits };
    }
    case "xor":
      return { min: 0n, max: a.bits | b.bits, bits: a.bits | b.bits };
    case "add":
      return within(a.min + b.min, a.max + b.max);
    case "sub":
      return a.min >= b.max ? within(a.min - b.max, a.max - b.min) : null;
    case "mul":
      return within(a.min * b.min, a.max * b.max);
    case "div":
      return constant !== null && constant > 0n ? within(a.min / constant, a.max / constant) : within(0n, a.max);
    case "mod":
      return constant !== null && constant > 0n ? upTo(a.max < constant ? a.max : constant - 1n) : upTo(a.max);
    case "shr": {
      if (constant === null) return { min: 0n, max: a.max, bits: fill(a.max) };
      const count = constant & (insn.type === "i32" ? 31n : 63n);
      return { min: a.min >> count, max: a.max >> count, bits: a.bits >> count };
    }
    case "shl": {
      if (constant === null) return null;
      const count = constant & (insn.type === "i32" ? 31n : 63n);
      if (a.max << count > top) return { min: 0n, max: top, bits: (a.bits << count) & top };
      return { min: a.min << count, max: a.max << count, bits: a.bits << count };
    }
  }
}
