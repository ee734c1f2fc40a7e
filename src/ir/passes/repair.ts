// Brings a function in which passes duplicated blocks back into SSA form: where a value is defined more than once, each
// definition gets its own number and uses that several definitions reach get a block parameter, made on demand as the uses
// ask for it. Parameters that turn out to be the same on every edge are left for `params`.

import { InternalError } from "../../base/assert.ts";
import { graphOf } from "../graph.ts";
import {
  type Block,
  type BlockId,
  type Edge,
  eachOperand,
  eachTermValue,
  edgesOf,
  type IrFunction,
  type IrInsn,
  type IrType,
  mapOperands,
  mapTerm,
  type Param,
  resultOf,
  type ValueId,
} from "../ir.ts";
import { isDefinition, keepReachable } from "./edit.ts";

/** Repairs a function that may define the same value in several blocks; unreachable blocks are dropped. */
export function repairSsa(broken: IrFunction): IrFunction {
  const graph = graphOf(broken);
  const fn = keepReachable(broken, graph);
  const types = new Map<ValueId, IrType>();
  const count = new Int32Array(fn.nextValue);
  const see = ({ id, type }: Param): void => {
    count[id] = (count[id] as number) + 1;
    if (count[id] === 2) types.set(id, type);
  };
  for (const block of fn.blocks) {
    block.params.forEach(see);
    for (const insn of block.insns) if ("id" in insn) see(insn);
  }
  if (types.size === 0) return fn;
  let nextValue = fn.nextValue;
  const key = (block: BlockId, value: ValueId): number => block * fn.nextValue + value;
  // The number that a definition in a block got, and the one that reaches a block's entry.
  const local = new Map<number, ValueId>();
  const entry = new Map<number, ValueId>();
  const added = new Map<BlockId, { readonly variable: ValueId; readonly param: Param }[]>();
  const seen = new Set<ValueId>();
  for (const block of fn.blocks) {
    for (const { id } of definitions(block)) {
      if (!types.has(id)) continue;
      local.set(key(block.id, id), seen.has(id) ? nextValue++ : id);
      seen.add(id);
    }
  }
  const unfilled: { readonly block: BlockId; readonly variable: ValueId }[] = [];
  const atEntry = (start: BlockId, variable: ValueId): ValueId => {
    const path: number[] = [];
    let at = start;
    let found = entry.get(key(at, variable));
    while (found === undefined) {
      const preds = graph.preds[at] as readonly BlockId[];
      const first = preds[0];
      if (first === undefined) throw new InternalError(`v${variable} isn't defined on every path to b${start}`);
      path.push(key(at, variable));
      if (preds.every((p) => p === first)) {
        found = local.get(key(first, variable)) ?? entry.get(key(first, variable));
        at = first;
        continue;
      }
      const param: Param = { id: nextValue++, type: types.get(variable) as IrType };
      const list = added.get(at);
      if (list === undefined) added.set(at, [{ variable, param }]);
      else list.push({ variable, param });
      unfilled.push({ block: at, variable });
      found = param.id;
    }
    for (const step of path) entry.set(step, found);
    return found;
  };
  const atExit = (block: BlockId, variable: ValueId): ValueId =>
    local.get(key(block, variable)) ?? atEntry(block, variable);
  // Blocks that define or use a value with several definitions: the others stay as they are.
  const touched = new Set<BlockId>();
  for (const block of fn.blocks) {
    const uses = usesBeforeDefinition(block, types);
    if (uses.size > 0 || definitions(block).some(({ id }) => types.has(id))) touched.add(block.id);
    for (const variable of uses) atEntry(block.id, variable);
  }
  for (let next = unfilled.pop(); next !== undefined; next = unfilled.pop()) {
    touched.add(next.block);
    for (const pred of graph.preds[next.block] as readonly BlockId[]) atExit(pred, next.variable);
  }
  const rewrite = (block: Block): Block => {
    if (!touched.has(block.id) && !edgesOf(block.term).some((e) => added.has(e.target))) return block;
    const now = new Map<ValueId, ValueId>();
    const use = (v: ValueId): ValueId => (types.has(v) ? (now.get(v) ?? atEntry(block.id, v)) : v);
    const define = (id: ValueId): ValueId => {
      if (!types.has(id)) return id;
      const fresh = local.get(key(block.id, id)) as ValueId;
      now.set(id, fresh);
      return fresh;
    };
    const params = block.params.map((p) => ({ ...p, id: define(p.id) }));
    for (const extra of added.get(block.id) ?? []) params.push(extra.param);
    const insns = block.insns.map((insn): IrInsn => {
      const used = mapOperands(insn, use);
      return isDefinition(used) ? { ...used, id: define(used.id) } : used;
    });
    const edge = (e: Edge): Edge => ({
      target: e.target,
      args: [...e.args.map(use), ...(added.get(e.target) ?? []).map((extra) => atExit(block.id, extra.variable))],
    });
    return { id: block.id, params, insns, term: mapTerm(block.term, use, edge) };
  };
  return { ...fn, blocks: fn.blocks.map(rewrite), nextValue };
}

function definitions(block: Block): Param[] {
  const results = block.insns.map(resultOf).filter((result) => result !== null);
  return [...block.params, ...results];
}

function usesBeforeDefinition(block: Block, types: ReadonlyMap<ValueId, IrType>): Set<ValueId> {
  const defined = new Set(block.params.map((p) => p.id));
  const uses = new Set<ValueId>();
  const use = (v: ValueId): void => {
    if (types.has(v) && !defined.has(v)) uses.add(v);
  };
  for (const insn of block.insns) {
    eachOperand(insn, use);
    if ("id" in insn) defined.add(insn.id);
  }
  eachTermValue(block.term, use);
  return uses;
}
