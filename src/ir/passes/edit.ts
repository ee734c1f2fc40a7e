// Small tools that passes share for making changed functions. They keep what didn't change, so that a pass that finds nothing
// to do can return its input.

import { type Graph, valuesOf } from "../graph.ts";
import {
  type Block,
  type BlockId,
  type Edge,
  eachEdgeOf,
  eachOperand,
  eachTermValue,
  type IrFunction,
  type IrInsn,
  mapOperands,
  mapTerm,
  mapValues,
  type Terminator,
  type ValueId,
} from "../ir.ts";

/** The terminator with its values and its edges' arguments replaced; itself where none is. */
export function renameTerm(term: Terminator, f: (value: ValueId) => ValueId): Terminator {
  return mapTerm(term, f, (edge) => {
    const args = mapValues(edge.args, f);
    return args === edge.args ? edge : { target: edge.target, args };
  });
}

/** The block with its operands, terminator's values and edges' arguments replaced; itself where none is. */
export function renameBlock(block: Block, f: (value: ValueId) => ValueId): Block {
  let changed = false;
  const insns = block.insns.map((insn) => {
    const renamed = mapOperands(insn, f);
    changed ||= renamed !== insn;
    return renamed;
  });
  const term = renameTerm(block.term, f);
  return changed || term !== block.term ? { ...block, insns, term } : block;
}

/** The function with every use of a value replaced; `replacement` is followed until a value stands for itself. */
export function replaceUses(fn: IrFunction, replacement: ReadonlyMap<ValueId, ValueId>): IrFunction {
  if (replacement.size === 0) return fn;
  const final = new Map<ValueId, ValueId>();
  const resolve = (value: ValueId): ValueId => {
    if (!replacement.has(value)) return value;
    const known = final.get(value);
    if (known !== undefined) return known;
    const path: ValueId[] = [];
    let at = value;
    for (let next = replacement.get(at); next !== undefined; next = replacement.get(at)) {
      path.push(at);
      at = final.get(next) ?? next;
    }
    for (const step of path) final.set(step, at);
    return at;
  };
  return { ...fn, blocks: fn.blocks.map((block) => renameBlock(block, resolve)) };
}

/** The function with only its reachable blocks, in their old order. */
export function keepReachable(fn: IrFunction, graph: Graph): IrFunction {
  if (graph.order.length === fn.blocks.length) return fn;
  return { ...fn, blocks: fn.blocks.filter((block) => (graph.position[block.id] as number) !== -1) };
}

/** Whether two edges are the same. */
export function sameEdge(a: Edge, b: Edge): boolean {
  return a.target === b.target && a.args.length === b.args.length && a.args.every((arg, i) => arg === b.args[i]);
}

/** The arguments that each parameter of each block gets, one list per edge: calls `see(target, args)` for every edge. */
export function eachEdge(fn: IrFunction, see: (edge: Edge, from: BlockId) => void): void {
  for (const block of fn.blocks) eachEdgeOf(block.term, (edge) => see(edge, block.id));
}

/** The value an instruction with a result defines; throws for one without. */
export function isDefinition(insn: IrInsn): insn is Extract<IrInsn, { readonly id: ValueId }> {
  return "id" in insn;
}

/** Values read outside the block that defines them. */
export function sharedValues(fn: IrFunction): Set<ValueId> {
  const shared = new Set<ValueId>();
  const { block: home } = valuesOf(fn);
  let here = -1;
  const see = (v: ValueId): void => {
    if (home[v] !== here) shared.add(v);
  };
  for (const block of fn.blocks) {
    here = block.id;
    for (const insn of block.insns) eachOperand(insn, see);
    eachTermValue(block.term, see);
  }
  return shared;
}
