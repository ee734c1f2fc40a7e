// Dead code: instructions, block parameters (also ones that only feed each other round a loop), stores to stack slots that
// nobody reads afterwards, and the slots themselves. Works from what must stay: effects and terminators.

import { isRemovable } from "../effects.ts";
import { graphOf, valuesOf } from "../graph.ts";
import {
  type Block,
  type BlockId,
  eachOperand,
  edgesOf,
  type IrFunction,
  mapTerm,
  operandsOf,
  type Pass,
  termOperandsOf,
  type ValueId,
} from "../ir.ts";
import { placesOf } from "../known-bytes.ts";
import { eachEdge } from "./edit.ts";

/** Removes what nothing needs. */
export const dce: Pass = (fn) => {
  const live = liveValues(fn);
  const keptParams = new Map<BlockId, boolean[]>();
  let changed = false;
  for (const block of fn.blocks.slice(1)) {
    const kept = block.params.map((p) => live[p.id] === 1);
    if (kept.every((k) => k)) continue;
    keptParams.set(block.id, kept);
    changed = true;
  }
  const blocks = fn.blocks.map((block): Block => {
    const insns = block.insns.filter((insn) => !("id" in insn) || live[insn.id] === 1 || !isRemovable(insn));
    if (insns.length !== block.insns.length) changed = true;
    const kept = keptParams.get(block.id);
    const params = kept === undefined ? block.params : block.params.filter((_, i) => kept[i]);
    if (kept === undefined && !edgesOf(block.term).some((edge) => keptParams.has(edge.target))) {
      return insns.length === block.insns.length ? block : { ...block, insns };
    }
    const term = mapTerm(
      block.term,
      (v) => v,
      (edge) => {
        const keep = keptParams.get(edge.target);
        return keep === undefined ? edge : { target: edge.target, args: edge.args.filter((_, i) => keep[i]) };
      },
    );
    return { id: block.id, params, insns, term };
  });
  return dropSlots(changed ? { ...fn, blocks } : fn);
};

function liveValues(fn: IrFunction): Uint8Array {
  const { def } = valuesOf(fn);
  const live = new Uint8Array(fn.nextValue);
  const work: ValueId[] = [];
  const need = (v: ValueId): void => {
    if (live[v] === 1) return;
    live[v] = 1;
    work.push(v);
  };
  const passed = new Map<ValueId, ValueId[]>();
  const paramsOf: (Block["params"] | undefined)[] = new Array(fn.nextBlock);
  for (const block of fn.blocks) paramsOf[block.id] = block.params;
  eachEdge(fn, (edge) => {
    paramsOf[edge.target]?.forEach((param, i) => {
      const list = passed.get(param.id);
      if (list === undefined) passed.set(param.id, [edge.args[i] as ValueId]);
      else list.push(edge.args[i] as ValueId);
    });
  });
  for (const block of fn.blocks) {
    for (const insn of block.insns) if (!isRemovable(insn)) eachOperand(insn, need);
    termOperandsOf(block.term).forEach(need);
  }
  for (let v = work.pop(); v !== undefined; v = work.pop()) {
    const insn = def[v];
    if (insn === undefined) passed.get(v)?.forEach(need);
    else eachOperand(insn, need);
  }
  return live;
}

// Slots whose address is only stored to: the stores go, then the slot.
function dropSlots(fn: IrFunction): IrFunction {
  if (fn.slots.length === 0) return fn;
  const graph = graphOf(fn);
  const places = placesOf(graph);
  const values = valuesOf(fn);
  const slotAt = (v: ValueId): number | undefined => {
    const def = values.def[places.root[v] as number];
    return def?.op === "slot" ? def.slot : undefined;
  };
  const read = new Set<number>();
  const use = (v: ValueId): void => {
    const slot = slotAt(v);
    if (slot !== undefined) read.add(slot);
  };
  for (const block of fn.blocks) {
    for (const insn of block.insns) {
      if (insn.op === "store" && insn.space === "stack") use(insn.value);
      else if (insn.op !== "offset") operandsOf(insn).forEach(use);
    }
    termOperandsOf(block.term).forEach(use);
  }
  eachEdge(fn, (edge) => {
    edge.args.forEach(use);
  });
  if (fn.slots.every((s) => read.has(s.id))) return fn;
  const isDead = (v: ValueId): boolean => {
    const slot = slotAt(v);
    return slot !== undefined && !read.has(slot);
  };
  const blocks = fn.blocks.map((block) => {
    const insns = block.insns.filter(
      (insn) => !(insn.op === "store" && isDead(insn.base)) && !("id" in insn && isDead(insn.id)),
    );
    return insns.length === block.insns.length ? block : { ...block, insns };
  });
  return { ...fn, blocks, slots: fn.slots.filter((s) => read.has(s.id)) };
}
