// Constant folding and algebraic simplification: walks the blocks so that definitions come before uses and applies the rules
// of fold-insn.ts and fold-term.ts until none fits. Instructions that lose their readers are left for `dce`.

import { type Graph, graphOf } from "../graph.ts";
import { type Block, type BlockId, type IrFunction, type IrInsn, mapOperands, type Pass } from "../ir.ts";
import { keepReachable, renameBlock, renameTerm } from "./edit.ts";
import { foldInsn } from "./fold-insn.ts";
import { foldTerm } from "./fold-term.ts";
import { Folder } from "./folder.ts";

/** Rules applied to one instruction before it is let be. */
const PATIENCE = 24;

/** Folds constants and simplifies arithmetic, comparisons and addresses. */
export const fold: Pass = (fn) => {
  const graph = graphOf(fn);
  const folder = new Folder(graph);
  const folded = new Map<BlockId, Block>();
  let changed = false;
  for (const id of graph.order) {
    const block = graph.blockOf[id] as Block;
    const now = foldBlock(block, folder);
    if (now !== block) changed = true;
    folded.set(id, now);
  }
  if (!changed) return fn;
  return rebuilt(fn, graph, folder, folded);
};

function rebuilt(fn: IrFunction, graph: Graph, folder: Folder, folded: ReadonlyMap<BlockId, Block>): IrFunction {
  // Values replaced further on may be read earlier in this order: by the arguments of back edges.
  const rename = (block: Block): Block => renameBlock(folded.get(block.id) ?? block, (v) => folder.use(v));
  const blocks = keepReachable(fn, graph).blocks.map(rename);
  const result = { ...fn, blocks, nextValue: folder.nextValue };
  return keepReachable(result, graphOf(result));
}

function foldBlock(block: Block, f: Folder): Block {
  f.start();
  let changed = false;
  for (const old of block.insns) {
    f.origin = old.origin;
    let insn: IrInsn | null = mapOperands(old, (v) => f.use(v));
    for (let i = 0; i < PATIENCE && insn !== null; i++) {
      const result = foldInsn(insn, f);
      if (result === null) break;
      changed = true;
      if ("insn" in result) insn = result.insn;
      else {
        if ("id" in insn) f.replace(insn.id, result.value);
        insn = null;
      }
    }
    if (insn !== null) f.put(insn);
  }
  f.origin = block.term.origin;
  const use = (v: number): number => f.use(v);
  let term = renameTerm(block.term, use);
  for (let i = 0; i < PATIENCE; i++) {
    const next = foldTerm(term, f);
    if (next === null) break;
    changed = true;
    term = next;
  }
  return changed ? { ...block, insns: f.finish(), term } : block;
}
