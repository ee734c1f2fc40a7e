// Which bytes are known to lie in the packet, and which map values are known not to be null: a forward must-analysis over
// root pointers. validate.ts checks loads and stores with it; the guards pass drops what it proves. Only roots that are live
// are tracked, so the work follows the sum of live ranges rather than blocks × pointers. It changes nothing.
//
// A root is a pointer that isn't another one plus a constant: data, a block parameter, base + a variable. The fact about a
// packet root is the number of bytes from it known to be in the packet; about a "maybe" root, above 0 where it isn't null.
// At a join the minimum counts; `undef` limits nothing (Infinity), since no path reads it.

import { changesPacket } from "./effects.ts";
import { blockAt, type Graph, type Values } from "./graph.ts";
import {
  type Block,
  type BlockId,
  type Edge,
  eachOperand,
  eachTermValue,
  edgesOf,
  type IrInsn,
  type Terminator,
  type ValueId,
} from "./ir.ts";

/** Where pointers point: every pointer is `root` + `offset` bytes. */
export interface Places {
  /** The root by value number; the value itself where it is no pointer + constant. */
  readonly root: Int32Array;
  /** The distance from the root in bytes. */
  readonly offset: Float64Array;
}

/** Rounds over a loop after which a fact that still shrinks is given up. */
const PATIENCE = 4;

const known = new WeakMap<Graph, Places>();

/** The root and offset of every value. */
export function placesOf(graph: Graph): Places {
  const old = known.get(graph);
  if (old !== undefined) return old;
  const places = findPlaces(graph);
  known.set(graph, places);
  return places;
}

function findPlaces(graph: Graph): Places {
  const root = Int32Array.from({ length: graph.fn.nextValue }, (_, i) => i);
  const offset = new Float64Array(graph.fn.nextValue);
  for (const id of graph.order) {
    for (const insn of blockAt(graph, id).insns) {
      if (insn.op !== "offset") continue;
      root[insn.id] = root[insn.base] as number;
      offset[insn.id] = (offset[insn.base] as number) + insn.bytes;
    }
  }
  return { root, offset };
}

/** Facts at one place in a block: bytes known by root. A missing root: Infinity. */
export type Facts = Map<ValueId, number>;

/** The analysis' result. */
export interface KnownBytes {
  readonly places: Places;
  /** The facts at a reachable block's entry (fresh map, the caller's to change). */
  readonly atEntry: (block: BlockId) => Facts;
  /** Applies one instruction to the facts. */
  readonly step: (facts: Facts, insn: IrInsn) => void;
  /** The bytes known from a pointer of any kind; for a "maybe" pointer or one based on it, above 0 when not null. */
  readonly known: (facts: Facts, pointer: ValueId) => number;
}

/** Runs the analysis over a function's reachable blocks. */
export function knownBytes(graph: Graph, values: Values): KnownBytes {
  const places = placesOf(graph);
  const isTracked = (root: ValueId): boolean => values.type[root] === "pkt" || values.type[root] === "maybe";
  const rootOf = (v: ValueId): ValueId => places.root[v] as number;
  const known = (facts: Facts, pointer: ValueId): number => {
    const root = rootOf(pointer);
    if (!isTracked(root)) return Number.POSITIVE_INFINITY;
    const bytes = facts.get(root) ?? Number.POSITIVE_INFINITY;
    return values.type[root] === "maybe" ? bytes : bytes - (places.offset[pointer] as number);
  };
  const step = (facts: Facts, insn: IrInsn): void => {
    if (insn.op === "call" && changesPacket(insn.helper)) {
      for (const root of facts.keys()) if (values.type[root] === "pkt") facts.set(root, 0);
    }
    if (!("id" in insn) || insn.op === "undef" || insn.op === "offset") return;
    if (insn.op === "view") facts.set(insn.id, insn.bytes);
    // A pointer that is a "maybe" plus a variable stays as null as its base was when it was made.
    else if (isTracked(insn.id)) facts.set(insn.id, 0);
  };
  const live = liveRoots(graph, values, places, isTracked);
  const entry: Facts[] = Array.from({ length: graph.fn.nextBlock }, () => new Map());
  for (let round = 0, changed = true; changed; round++) {
    changed = false;
    for (const id of graph.order) {
      const block = blockAt(graph, id);
      const facts = new Map(entry[id] as Facts);
      for (const insn of block.insns) step(facts, insn);
      edgesOf(block.term).forEach((edge, which) => {
        const gain = gainOf(block.term, which, places);
        const target = entry[edge.target] as Facts;
        const lower = (key: ValueId, bytes: number): void => {
          const old = target.get(key) ?? Number.POSITIVE_INFINITY;
          if (Math.max(bytes, 0) >= old) return;
          const isBack = (graph.position[edge.target] as number) <= (graph.position[id] as number);
          target.set(key, isBack && round >= PATIENCE ? 0 : Math.max(bytes, 0));
          if (isBack) changed = true;
        };
        const after = (root: ValueId): number => {
          const bytes = facts.get(root) ?? Number.POSITIVE_INFINITY;
          return gain !== null && gain.root === root ? Math.max(bytes, gain.bytes) : bytes;
        };
        for (const root of live[edge.target] as ValueId[]) lower(root, after(root));
        lowerParams(
          blockAt(graph, edge.target),
          edge,
          values,
          (arg) => {
            const root = rootOf(arg);
            if (!isTracked(root)) return Number.POSITIVE_INFINITY;
            return after(root) - (values.type[root] === "pkt" ? (places.offset[arg] as number) : 0);
          },
          lower,
        );
      });
    }
  }
  return { places, atEntry: (block) => new Map(entry[block]), step, known };
}

/** What an edge (by its index in edgesOf) of a guard proves of a root; null where it proves nothing. */
export function gainOf(
  term: Terminator,
  which: number,
  places: Places,
): { readonly root: ValueId; readonly bytes: number } | null {
  if (which !== 0) return null;
  if (term.op === "nullGuard") return { root: term.value, bytes: 1 };
  if (term.op !== "packetGuard") return null;
  return {
    root: places.root[term.base] as number,
    bytes: (places.offset[term.base] as number) + term.bytes,
  };
}

function lowerParams(
  target: Block,
  edge: Edge,
  values: Values,
  knownOf: (arg: ValueId) => number,
  lower: (key: ValueId, bytes: number) => void,
): void {
  target.params.forEach((param, i) => {
    if (param.type !== "pkt" && param.type !== "maybe") return;
    const arg = edge.args[i] as ValueId;
    if (values.def[arg]?.op !== "undef") lower(param.id, knownOf(arg));
  });
}

// The tracked roots that a block's code or what follows it may still use, without those it defines itself.
function liveRoots(graph: Graph, values: Values, places: Places, isTracked: (root: ValueId) => boolean): ValueId[][] {
  const uses = new Map<ValueId, BlockId[]>();
  for (const id of graph.order) {
    const block = blockAt(graph, id);
    const use = (value: ValueId): void => {
      const root = places.root[value] as number;
      if (!isTracked(root) || values.block[root] === id) return;
      const list = uses.get(root);
      if (list === undefined) uses.set(root, [id]);
      else if (list.at(-1) !== id) list.push(id);
    };
    for (const insn of block.insns) eachOperand(insn, use);
    eachTermValue(block.term, use);
  }
  const live: ValueId[][] = Array.from({ length: graph.fn.nextBlock }, () => []);
  const stamp = new Int32Array(graph.fn.nextBlock).fill(-1);
  for (const [root, blocks] of uses) {
    const work = blocks;
    for (const id of work) stamp[id] = root;
    for (let id = work.pop(); id !== undefined; id = work.pop()) {
      (live[id] as ValueId[]).push(root);
      for (const pred of graph.preds[id] as readonly BlockId[]) {
        if (pred === values.block[root] || stamp[pred] === root) continue;
        stamp[pred] = root;
        work.push(pred);
      }
    }
  }
  return live;
}
