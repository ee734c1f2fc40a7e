// Lower bounds that dominating branches give: behind "ihl < 5 fails" a header is at least 20 bytes long. Only for the variable
// distances of `index`, where guard merging adds them up.

import type { Values } from "../graph.ts";
import { blockAt, type Graph, walkDominators } from "../graph.ts";
import { type BlockId, edgesOf, type Terminator, type ValueId } from "../ir.ts";
import { type Range, rangeOfInsn, rangesOf } from "./ranges.ts";

/** Operations looked through between a bounded value and the distance computed from it. */
const DEPTH = 6;

/** The least that each `index` instruction adds in bytes, by the value it defines; missing: 0. */
export function indexMinimums(graph: Graph, values: Values): ReadonlyMap<ValueId, number> {
  const minimums = new Map<ValueId, number>();
  const hasIndex = graph.order.some((id) => blockAt(graph, id).insns.some((insn) => insn.op === "index"));
  if (!hasIndex) return minimums;
  const ranges = rangesOf(graph, values);
  const bounds = new Map<ValueId, bigint>();
  const undo: (() => void)[] = [];
  const marks: number[] = [];
  const full: Range = { min: 0n, max: 0xffff_ffff_ffff_ffffn, bits: 0xffff_ffff_ffff_ffffn };
  const rangeAt = (v: ValueId, depth: number): Range => {
    const fixed = ranges[v] ?? full;
    const def = values.def[v];
    const derived = def === undefined || depth === 0 ? null : rangeOfInsn(def, (x) => rangeAt(x, depth - 1));
    const bound = bounds.get(v) ?? 0n;
    const least = [fixed.min, derived?.min ?? 0n, bound].reduce((a, b) => (a > b ? a : b));
    return { ...fixed, min: least };
  };
  const enter = (id: BlockId): void => {
    marks.push(undo.length);
    const preds = graph.preds[id] as readonly BlockId[];
    const [pred] = preds;
    if (preds.length === 1 && pred !== undefined) {
      const bound = boundOn(blockAt(graph, pred).term, id, values);
      if (bound !== null && bound.min > (bounds.get(bound.value) ?? 0n)) {
        const old = bounds.get(bound.value);
        bounds.set(bound.value, bound.min);
        undo.push(() => {
          if (old === undefined) bounds.delete(bound.value);
          else bounds.set(bound.value, old);
        });
      }
    }
    for (const insn of blockAt(graph, id).insns) {
      if (insn.op !== "index") continue;
      const { min } = rangeAt(insn.index, DEPTH);
      if (min > 0n && min < 0x8000n) minimums.set(insn.id, Number(min));
    }
  };
  const leave = (): void => {
    const mark = marks.pop() as number;
    while (undo.length > mark) undo.pop()?.();
  };
  walkDominators(graph, enter, leave);
  return minimums;
}

// The lower bound that the only edge to `target` gives.
function boundOn(
  term: Terminator,
  target: BlockId,
  values: Values,
): { readonly value: ValueId; readonly min: bigint } | null {
  const which = edgesOf(term).findIndex((e) => e.target === target);
  if (term.op === "switch") {
    const taken = term.cases[which];
    return taken === undefined ? null : { value: term.value, min: taken.value };
  }
  if (term.op !== "branch") return null;
  const b = values.def[term.b];
  if (b?.op !== "const") return null;
  const holds = which === 0;
  const at = (min: bigint): { value: ValueId; min: bigint } => ({ value: term.a, min });
  switch (term.compare) {
    case "eq":
      return holds ? at(b.value) : b.value === 0n ? at(1n) : null;
    case "ne":
      return holds ? (b.value === 0n ? at(1n) : null) : at(b.value);
    case "uge":
      return holds ? at(b.value) : null;
    case "ugt":
      return holds ? at(b.value + 1n) : null;
    case "ult":
      return holds ? null : at(b.value);
    case "ule":
      return holds ? null : at(b.value + 1n);
    default:
      return null;
  }
}
