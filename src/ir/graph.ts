// What the passes want to know about a function's shape: predecessors, reverse postorder, dominators, definitions, use
// counts. Everything is indexed by block or value number and found without recursion, so functions of hundreds of
// thousands of blocks work. Nothing here changes a function.

import { InternalError, must } from "../base/assert.ts";
import {
  type Block,
  type BlockId,
  eachEdgeOf,
  eachOperand,
  eachTermValue,
  edgesOf,
  type IrFunction,
  type IrInsn,
  type IrType,
  type ValueId,
} from "./ir.ts";

/** A function's control flow; unreachable blocks are in `blockOf` only. */
export interface Graph {
  readonly fn: IrFunction;
  readonly entry: BlockId;
  /** The block with this number. */
  readonly blockOf: readonly (Block | undefined)[];
  /** The reachable blocks in reverse postorder: a block comes after its predecessors, except along back edges. */
  readonly order: readonly BlockId[];
  /** The place of a block in `order`; -1 for an unreachable one. */
  readonly position: Int32Array;
  /** The targets of a reachable block's edges, one entry per edge. */
  readonly succs: readonly (readonly BlockId[])[];
  /** The sources of edges from reachable blocks, one entry per edge. */
  readonly preds: readonly (readonly BlockId[])[];
}

/** The block numbered `id`; throws InternalError when there is none. */
export function blockAt(graph: Graph, id: BlockId): Block {
  const block = graph.blockOf[id];
  if (block === undefined) throw new InternalError(`no b${id} in ${graph.fn.name}`);
  return block;
}

// Functions don't change, so what was found out about one holds as long as it lives.
const graphs = new WeakMap<IrFunction, Graph>();
const trees = new WeakMap<Graph, DomTree>();
const definitions = new WeakMap<IrFunction, Values>();

function remembered<K extends object, V>(store: WeakMap<K, V>, key: K, make: (key: K) => V): V {
  const old = store.get(key);
  if (old !== undefined) return old;
  const made = make(key);
  store.set(key, made);
  return made;
}

/** The control flow of a function. */
export function graphOf(fn: IrFunction): Graph {
  return remembered(graphs, fn, makeGraph);
}

function makeGraph(fn: IrFunction): Graph {
  const blockOf: (Block | undefined)[] = new Array(fn.nextBlock);
  for (const block of fn.blocks) blockOf[block.id] = block;
  const entry = must(fn.blocks[0], `${fn.name} has no block`).id;
  const succs: BlockId[][] = Array.from({ length: fn.nextBlock }, () => []);
  const preds: BlockId[][] = Array.from({ length: fn.nextBlock }, () => []);
  const seen = new Uint8Array(fn.nextBlock);
  const next = new Int32Array(fn.nextBlock);
  const postorder: BlockId[] = [];
  const stack: BlockId[] = [];
  const enter = (id: BlockId): void => {
    const block = blockOf[id];
    if (block === undefined) throw new InternalError(`no b${id} in ${fn.name}`);
    seen[id] = 1;
    stack.push(id);
    const targets = succs[id] as BlockId[];
    eachEdgeOf(block.term, ({ target }) => {
      targets.push(target);
      const sources = preds[target];
      if (sources === undefined) throw new InternalError(`no b${target} in ${fn.name}`);
      sources.push(id);
    });
  };
  enter(entry);
  while (stack.length > 0) {
    const id = stack[stack.length - 1] as BlockId;
    const targets = succs[id] as BlockId[];
    // The last edge first: the reversed order then follows the first edge, so the straight path reads downwards.
    const at = targets.length - 1 - (next[id] as number);
    if (at < 0) {
      postorder.push(id);
      stack.pop();
      continue;
    }
    next[id] = (next[id] as number) + 1;
    const target = targets[at] as BlockId;
    if (seen[target] === 0) enter(target);
  }
  const order = postorder.reverse();
  const position = new Int32Array(fn.nextBlock).fill(-1);
  order.forEach((id, i) => {
    position[id] = i;
  });
  return { fn, entry, blockOf, order, position, succs, preds };
}

/**
 * Hands what is known of a function's control flow on to one that a pass made of it, where that is still the same: blocks of
 * the same numbers in the same order, going to the same places. Returns `now`.
 */
export function keepGraph(before: IrFunction, now: IrFunction): IrFunction {
  const graph = graphs.get(before);
  if (graph === undefined || graphs.has(now) || !hasSameFlow(before, now)) return now;
  const blockOf: (Block | undefined)[] = new Array(now.nextBlock);
  for (const block of now.blocks) blockOf[block.id] = block;
  const kept = { ...graph, fn: now, blockOf };
  graphs.set(now, kept);
  const tree = trees.get(graph);
  if (tree !== undefined) trees.set(kept, tree);
  return now;
}

function hasSameFlow(a: IrFunction, b: IrFunction): boolean {
  if (a.nextBlock !== b.nextBlock || a.blocks.length !== b.blocks.length) return false;
  return a.blocks.every((block, i) => {
    const other = b.blocks[i] as Block;
    if (other.id !== block.id) return false;
    if (other.term === block.term) return true;
    const edges = edgesOf(block.term);
    const others = edgesOf(other.term);
    return edges.length === others.length && edges.every((edge, which) => edge.target === others[which]?.target);
  });
}

/** The dominator tree of a function's reachable blocks. */
export interface DomTree {
  /** The immediate dominator by block number; -1 for the entry and unreachable blocks. */
  readonly idom: Int32Array;
  /** The blocks a block dominates immediately, by block number. */
  readonly children: readonly (readonly BlockId[])[];
  /** Whether every path to `b` runs through `a` (true for a = b). */
  readonly dominates: (a: BlockId, b: BlockId) => boolean;
  /** The reachable blocks, each after its dominators and all of a subtree together. */
  readonly preorder: readonly BlockId[];
}

/**
 * The dominators, found with path compression (the simple form of Lengauer and Tarjan's algorithm), because walking up the tree
 * at every join is quadratic for long rule lists that share one exit.
 */
export function dominators(graph: Graph): DomTree {
  return remembered(trees, graph, makeTree);
}

function makeTree(graph: Graph): DomTree {
  const size = graph.fn.nextBlock;
  const { vertex, number, parent } = depthFirst(graph);
  const semi = number.slice();
  const ancestor = new Int32Array(size).fill(-1);
  const label = Int32Array.from({ length: size }, (_, i) => i);
  const idom = new Int32Array(size).fill(-1);
  // Linked lists: the last block put into a bucket, and the one put there before it.
  const bucket = new Int32Array(size).fill(-1);
  const before = new Int32Array(size).fill(-1);
  const path: BlockId[] = [];
  const get = (array: Int32Array, i: number): number => array[i] as number;
  const evaluate = (v: BlockId): BlockId => {
    if (get(ancestor, v) === -1) return v;
    for (let at = v; get(ancestor, get(ancestor, at)) !== -1; at = get(ancestor, at)) path.push(at);
    for (let at = path.pop(); at !== undefined; at = path.pop()) {
      const up = get(ancestor, at);
      if (get(semi, get(label, up)) < get(semi, get(label, at))) label[at] = get(label, up);
      ancestor[at] = get(ancestor, up);
    }
    return get(label, v);
  };
  for (let i = vertex.length - 1; i > 0; i--) {
    const w = vertex[i] as BlockId;
    for (const v of graph.preds[w] as readonly BlockId[]) {
      semi[w] = Math.min(get(semi, w), get(semi, evaluate(v)));
    }
    const home = vertex[get(semi, w)] as BlockId;
    before[w] = get(bucket, home);
    bucket[home] = w;
    const up = get(parent, w);
    ancestor[w] = up;
    for (let v = get(bucket, up); v !== -1; v = get(before, v)) {
      const u = evaluate(v);
      idom[v] = get(semi, u) < get(semi, v) ? u : up;
    }
    bucket[up] = -1;
  }
  for (let i = 1; i < vertex.length; i++) {
    const w = vertex[i] as BlockId;
    if (get(idom, w) !== vertex[get(semi, w)]) idom[w] = get(idom, get(idom, w));
  }
  return treeOf(graph, idom);
}

function depthFirst(graph: Graph): { vertex: BlockId[]; number: Int32Array; parent: Int32Array } {
  const size = graph.fn.nextBlock;
  const vertex: BlockId[] = [];
  const number = new Int32Array(size).fill(-1);
  const parent = new Int32Array(size).fill(-1);
  const cursor = new Int32Array(size);
  const stack: BlockId[] = [graph.entry];
  number[graph.entry] = 0;
  vertex.push(graph.entry);
  while (stack.length > 0) {
    const id = stack[stack.length - 1] as BlockId;
    const target = (graph.succs[id] as readonly BlockId[])[cursor[id] as number];
    if (target === undefined) {
      stack.pop();
      continue;
    }
    cursor[id] = (cursor[id] as number) + 1;
    if (number[target] !== -1) continue;
    number[target] = vertex.length;
    parent[target] = id;
    vertex.push(target);
    stack.push(target);
  }
  return { vertex, number, parent };
}

function treeOf(graph: Graph, idom: Int32Array): DomTree {
  const size = graph.fn.nextBlock;
  const children: BlockId[][] = Array.from({ length: size }, () => []);
  for (const id of graph.order) {
    const up = idom[id] as number;
    if (up !== -1) (children[up] as BlockId[]).push(id);
  }
  const first = new Int32Array(size).fill(-1);
  const last = new Int32Array(size).fill(-1);
  const preorder: BlockId[] = [];
  const cursor = new Int32Array(size);
  const stack: BlockId[] = [graph.entry];
  first[graph.entry] = 0;
  preorder.push(graph.entry);
  while (stack.length > 0) {
    const id = stack[stack.length - 1] as BlockId;
    const child = (children[id] as BlockId[])[cursor[id] as number];
    if (child === undefined) {
      last[id] = preorder.length;
      stack.pop();
      continue;
    }
    cursor[id] = (cursor[id] as number) + 1;
    first[child] = preorder.length;
    preorder.push(child);
    stack.push(child);
  }
  const dominates = (a: BlockId, b: BlockId): boolean =>
    (first[a] as number) !== -1 &&
    (first[a] as number) <= (first[b] as number) &&
    (first[b] as number) < (last[a] as number);
  return { idom, children, dominates, preorder };
}

/** Walks down the dominator tree: `enter` is called for a block before those it dominates, `leave` after them. */
export function walkDominators(graph: Graph, enter: (id: BlockId) => void, leave: (id: BlockId) => void): void {
  const { children } = dominators(graph);
  const cursor = new Int32Array(graph.fn.nextBlock);
  const stack: BlockId[] = [graph.entry];
  enter(graph.entry);
  while (stack.length > 0) {
    const id = stack[stack.length - 1] as BlockId;
    const at = cursor[id] as number;
    const child = (children[id] as readonly BlockId[])[at];
    if (child === undefined) {
      leave(id);
      stack.pop();
      continue;
    }
    cursor[id] = at + 1;
    stack.push(child);
    enter(child);
  }
}

/** Where a function's values come from, by value number. */
export interface Values {
  /** The type; undefined for a number that is not in use. */
  readonly type: readonly (IrType | undefined)[];
  /** The defining instruction; undefined for a block parameter. */
  readonly def: readonly (IrInsn | undefined)[];
  /** The block that defines the value; -1 for a number that is not in use. */
  readonly block: Int32Array;
}

/** The definitions of all values, unreachable blocks included. */
export function valuesOf(fn: IrFunction): Values {
  return remembered(definitions, fn, makeValues);
}

function makeValues(fn: IrFunction): Values {
  const type: (IrType | undefined)[] = new Array(fn.nextValue);
  const def: (IrInsn | undefined)[] = new Array(fn.nextValue);
  const block = new Int32Array(fn.nextValue).fill(-1);
  for (const b of fn.blocks) {
    for (const param of b.params) {
      type[param.id] = param.type;
      block[param.id] = b.id;
    }
    for (const insn of b.insns) {
      if (!("id" in insn)) continue;
      type[insn.id] = insn.type;
      def[insn.id] = insn;
      block[insn.id] = b.id;
    }
  }
  return { type, def, block };
}

/** How often each value is read, edges' arguments included, by value number. */
export function useCounts(fn: IrFunction): Int32Array {
  const uses = new Int32Array(fn.nextValue);
  const count = (v: ValueId): void => {
    uses[v] = (uses[v] as number) + 1;
  };
  for (const block of fn.blocks) {
    for (const insn of block.insns) eachOperand(insn, count);
    eachTermValue(block.term, count);
  }
  return uses;
}
