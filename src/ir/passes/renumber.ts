// Numbers blocks and values anew in reverse postorder, so that dumps read from the top, arrays indexed by number stay small
// after passes that copied and dropped a lot, and equal functions get equal text.

import { graphOf } from "../graph.ts";
import { type Block, type BlockId, type IrInsn, mapOperands, mapTerm, type Pass, type ValueId } from "../ir.ts";

/** Renumbers and reorders; unreachable blocks are dropped. */
export const renumber: Pass = (fn) => {
  const graph = graphOf(fn);
  const blockNumber = new Map<BlockId, BlockId>();
  const valueNumber = new Map<ValueId, ValueId>();
  for (const id of graph.order) {
    const block = graph.blockOf[id] as Block;
    blockNumber.set(id, blockNumber.size);
    for (const param of block.params) valueNumber.set(param.id, valueNumber.size);
    for (const insn of block.insns) if ("id" in insn) valueNumber.set(insn.id, valueNumber.size);
  }
  const value = (v: ValueId): ValueId => valueNumber.get(v) as ValueId;
  const blocks = graph.order.map((id): Block => {
    const block = graph.blockOf[id] as Block;
    return {
      id: blockNumber.get(id) as BlockId,
      params: block.params.map((p) => ({ ...p, id: value(p.id) })),
      insns: block.insns.map((insn): IrInsn => {
        const used = mapOperands(insn, value);
        return "id" in used ? { ...used, id: value(used.id) } : used;
      }),
      term: mapTerm(block.term, value, (e) => ({
        target: blockNumber.get(e.target) as BlockId,
        args: e.args.map(value),
      })),
    };
  });
  return { ...fn, blocks, nextValue: valueNumber.size, nextBlock: blockNumber.size };
};
