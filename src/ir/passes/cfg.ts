// Tidies the control flow: unreachable blocks go, empty blocks are bypassed, a block with one way in joins the one before
// it, parameters that don't vary vanish, and identical blocks become one (exits, or a header's body written out three times).

import { graphOf, keepGraph } from "../graph.ts";
import {
  type Block,
  type BlockId,
  type Edge,
  eachEdgeOf,
  edgesOf,
  type IrFunction,
  type IrInsn,
  mapOperands,
  mapTerm,
  type Pass,
  resultOf,
  type Terminator,
  type ValueId,
} from "../ir.ts";
import { printInsn, printTerm } from "../print.ts";
import { keepReachable, replaceUses, sameEdge, sharedValues } from "./edit.ts";
import { simplifyParams } from "./params.ts";

/** Tidies the control flow. */
export const cfg: Pass = (fn) => {
  let now = fn;
  // Merging identical blocks makes others identical or empty; in practice two rounds find everything.
  const settled = new Map<Pass, IrFunction>();
  for (let round = 0; round < 4; round++) {
    const before = now;
    for (const part of [bypassEmpty, simplifyParams, mergeIdentical, simplifyParams, joinBlocks]) {
      if (settled.get(part) === now) continue;
      const next = part(now);
      if (next === now) settled.set(part, now);
      now = keepGraph(now, next);
    }
    if (now === before) break;
  }
  return now;
};

/** Sends edges past blocks that do nothing but jump on, and makes a branch whose edges are equal a jump. */
export function bypassEmpty(original: IrFunction): IrFunction {
  const fn = keepReachable(original, graphOf(original));
  const blockOf = new Map(fn.blocks.map((b) => [b.id, b]));
  const entry = fn.blocks[0]?.id;
  const used = sharedValues(fn);
  let changed = fn !== original;
  const isEmpty = (block: Block): boolean =>
    block.insns.length === 0 &&
    block.term.op === "jump" &&
    block.term.edge.target !== block.id &&
    block.id !== entry &&
    !block.params.some((p) => used.has(p.id));
  // Where an edge into an empty block ends up, in terms of that block's parameters; found once per block.
  const final = new Map<BlockId, Edge>();
  const follow = (id: BlockId): Edge | null => {
    const path: Block[] = [];
    const onPath = new Set<BlockId>();
    let at = blockOf.get(id);
    while (at !== undefined && !final.has(at.id) && isEmpty(at) && !onPath.has(at.id)) {
      path.push(at);
      onPath.add(at.id);
      at = at.term.op === "jump" ? blockOf.get(at.term.edge.target) : undefined;
    }
    for (const block of path.reverse()) {
      if (block.term.op !== "jump") continue;
      const { edge } = block.term;
      const onward = final.get(edge.target);
      const target = blockOf.get(edge.target);
      final.set(block.id, onward === undefined || target === undefined ? edge : substitute(onward, target, edge.args));
    }
    return final.get(id) ?? null;
  };
  const edge = (e: Edge): Edge => {
    const onward = follow(e.target);
    const target = blockOf.get(e.target);
    if (onward === null || target === undefined) return e;
    changed = true;
    return substitute(onward, target, e.args);
  };
  const blocks = fn.blocks.map((block): Block => {
    const moved = mapTerm(block.term, (v) => v, edge);
    const term = settle(moved);
    if (term !== moved) changed = true;
    return term === block.term ? block : { ...block, term };
  });
  if (!changed) return original;
  const result = { ...fn, blocks };
  return keepReachable(result, graphOf(result));
}

function substitute(edge: Edge, block: Block, args: readonly ValueId[]): Edge {
  const value = new Map(block.params.map((p, i) => [p.id, args[i] as ValueId]));
  return { target: edge.target, args: edge.args.map((arg) => value.get(arg) ?? arg) };
}

// A terminator whose edges are all the same is a jump; cases that go where the default goes are no cases.
function settle(term: Terminator): Terminator {
  const edges = edgesOf(term);
  const [first] = edges;
  if (term.op === "jump" || first === undefined) return term;
  if (edges.every((e) => sameEdge(e, first))) return { op: "jump", edge: first, origin: term.origin };
  if (term.op !== "switch") return term;
  const cases = term.cases.filter((c) => !sameEdge(c.edge, term.default));
  return cases.length === term.cases.length ? term : { ...term, cases };
}

/** Appends a block to the one before it where that is its only way in. */
export function joinBlocks(fn: IrFunction): IrFunction {
  const graph = graphOf(fn);
  const joined = new Set<BlockId>();
  for (const block of fn.blocks) {
    if (block.term.op !== "jump") continue;
    const { target } = block.term.edge;
    if (graph.preds[target]?.length === 1 && target !== block.id && target !== graph.entry) joined.add(target);
  }
  if (joined.size === 0) return keepReachable(fn, graph);
  const replacement = new Map<ValueId, ValueId>();
  const blocks: Block[] = [];
  for (const block of fn.blocks) {
    if (joined.has(block.id) || graph.position[block.id] === -1) continue;
    const insns: IrInsn[] = [...block.insns];
    let { term } = block;
    while (term.op === "jump" && joined.has(term.edge.target)) {
      const next = graph.blockOf[term.edge.target] as Block;
      const { args } = term.edge;
      next.params.forEach((param, i) => {
        replacement.set(param.id, args[i] as ValueId);
      });
      insns.push(...next.insns);
      term = next.term;
    }
    blocks.push({ ...block, insns, term });
  }
  return replaceUses({ ...fn, blocks }, replacement);
}

/**
 * Makes blocks that do the same one block: compared as text in which a block's own values are numbered from its start,
 * successors first, so that equal tails are equal by number. Values that a block gives to others keep it apart.
 */
export function mergeIdentical(fn: IrFunction): IrFunction {
  const graph = graphOf(fn);
  const shared = sharedValues(fn);
  const representative = new Map<BlockId, BlockId>();
  const alike = new Map<number, { readonly first: Block; texts: Map<string, BlockId> | null }>();
  for (let i = graph.order.length - 1; i > 0; i--) {
    const block = graph.blockOf[graph.order[i] as BlockId] as Block;
    const gives =
      block.params.some((p) => shared.has(p.id)) || block.insns.some((x) => shared.has(resultOf(x)?.id ?? -1));
    if (gives) continue;
    // Few blocks are alike at a glance; only those are written out.
    const glance = glanceOf(block, representative);
    const group = alike.get(glance);
    if (group === undefined) {
      alike.set(glance, { first: block, texts: null });
      continue;
    }
    group.texts ??= new Map([[textOf(group.first, representative), group.first.id]]);
    const text = textOf(block, representative);
    const old = group.texts.get(text);
    if (old === undefined) group.texts.set(text, block.id);
    // Round a loop the one block may lie before the other; it stays right either way, for both are the same.
    else representative.set(block.id, old);
  }
  if (representative.size === 0) return fn;
  const blocks = fn.blocks.map((block) => {
    if (!edgesOf(block.term).some((e) => representative.has(e.target))) return block;
    const term = mapTerm(
      block.term,
      (v) => v,
      (e) => (representative.has(e.target) ? { ...e, target: representative.get(e.target) as BlockId } : e),
    );
    return { ...block, term };
  });
  const merged = { ...fn, blocks };
  return keepReachable(merged, graphOf(merged));
}

// A number that is the same for blocks that do the same.
function glanceOf(block: Block, representative: ReadonlyMap<BlockId, BlockId>): number {
  let sum = 31 * block.params.length + block.insns.length;
  for (const insn of block.insns) {
    if (insn.op === "const") sum = (31 * sum + Number(insn.value & 0xffffn)) | 0;
    else sum = (31 * sum + insn.op.length) | 0;
  }
  eachEdgeOf(block.term, ({ target }) => {
    sum = (31 * sum + (representative.get(target) ?? target)) | 0;
  });
  return sum;
}

function textOf(block: Block, representative: ReadonlyMap<BlockId, BlockId>): string {
  const local = new Map<ValueId, ValueId>();
  const name = (v: ValueId): ValueId => local.get(v) ?? v;
  const define = (v: ValueId): ValueId => {
    // Negative numbers can't be confused with the values of other blocks.
    local.set(v, -1 - local.size);
    return name(v);
  };
  const lines = block.params.map((p) => `${define(p.id)} ${p.type}`);
  for (const insn of block.insns) {
    const used = mapOperands(insn, name);
    lines.push(printInsn("id" in used ? { ...used, id: define(used.id) } : used));
  }
  const term = mapTerm(block.term, name, (e) => ({
    target: representative.get(e.target) ?? e.target,
    args: e.args.map(name),
  }));
  lines.push(printTerm(term));
  return lines.join("\n");
}
