// How many bytes of the packet a place in the program needs before it does anything: "any packet with fewer than K bytes from
// this pointer ends, without effects, on that failing edge". A backward analysis in one walk; round loops it claims
// nothing. Guard merging raises the first guard of a path by it.

import { isRemovable } from "../effects.ts";
import { blockAt, type Graph, type Values } from "../graph.ts";
import { type Block, type BlockId, type Edge, edgesOf, type IrInsn, type ValueId } from "../ir.ts";
import type { Places } from "../known-bytes.ts";

/** An end that failing packets come to: a block and what it is given (constants as text, so that equal ones are equal). */
interface End {
  readonly target: BlockId;
  readonly args: readonly (ValueId | string)[];
}

/** What is needed lest an end is reached. */
interface Need {
  readonly end: End;
  /** Every packet comes to this end, however long it is. */
  readonly always: boolean;
  /** Packets with fewer bytes than this from a root come to this end. */
  readonly bytes: ReadonlyMap<ValueId, number>;
}

type Needs = ReadonlyMap<string, Need>;

/** Ends kept track of at one place. */
const ENDS = 12;

/** Answers for a function. */
export interface PacketNeeds {
  /** The bytes from `root` below which packets on `edge` come to the end that `fail` is; Infinity: all do; 0: none need. */
  readonly of: (edge: Edge, fail: Edge, root: ValueId) => number;
}

/** Analyses a function; `minimums` is the least that an `index` adds. */
export function packetNeeds(
  graph: Graph,
  values: Values,
  places: Places,
  minimums: ReadonlyMap<ValueId, number>,
): PacketNeeds {
  const fails = new Set<BlockId>();
  for (const id of graph.order) {
    const { term } = blockAt(graph, id);
    if (term.op === "packetGuard") fails.add(term.fail.target);
  }
  const atEntry: (Needs | undefined)[] = new Array(graph.fn.nextBlock);
  const argOf = (v: ValueId): ValueId | string => {
    const def = values.def[v];
    return def?.op === "const" ? `${def.type} ${def.value}` : v;
  };
  const endOf = (edge: Edge): End => ({ target: edge.target, args: edge.args.map(argOf) });
  const onEdge = (edge: Edge): Needs => {
    const needs = new Map<string, Need>();
    if (fails.has(edge.target)) {
      const end = endOf(edge);
      needs.set(keyOf(end), { end, always: true, bytes: new Map() });
    }
    const beyond = atEntry[edge.target];
    if (beyond === undefined) return needs;
    const { params } = blockAt(graph, edge.target);
    const argument = new Map(params.map((p, i) => [p.id, edge.args[i] as ValueId]));
    for (const need of beyond.values()) {
      if (needs.size >= ENDS) break;
      const args = need.end.args.map((a) =>
        typeof a === "number" && argument.has(a) ? argOf(argument.get(a) as ValueId) : a,
      );
      const end = { target: need.end.target, args };
      const bytes = new Map<ValueId, number>();
      for (const [root, count] of need.bytes) {
        const arg = argument.get(root);
        if (arg === undefined) raise(bytes, root, count);
        else if (values.def[arg]?.op !== "undef") {
          raise(bytes, places.root[arg] as number, count + (places.offset[arg] as number));
        }
      }
      const key = keyOf(end);
      if (!needs.has(key)) needs.set(key, { end, always: need.always, bytes });
    }
    return needs;
  };
  for (let i = graph.order.length - 1; i >= 0; i--) {
    const block = blockAt(graph, graph.order[i] as BlockId);
    atEntry[block.id] = beforeInsns(block, atEnd(block, onEdge, places), values, places, minimums);
  }
  const of = (edge: Edge, fail: Edge, root: ValueId): number => {
    const need = onEdge(edge).get(keyOf(endOf(fail)));
    if (need === undefined) return 0;
    return need.always ? Number.POSITIVE_INFINITY : (need.bytes.get(root) ?? 0);
  };
  return { of };
}

function keyOf(end: End): string {
  return `${end.target} ${end.args.join(",")}`;
}

function raise(bytes: Map<ValueId, number>, root: ValueId, count: number): void {
  bytes.set(root, Math.max(count, bytes.get(root) ?? 0));
}

// The needs at a block's terminator: the least over its edges; a guard adds its own bytes where it fails to the same end.
function atEnd(block: Block, onEdge: (edge: Edge) => Needs, places: Places): Needs {
  const { term } = block;
  const sides = edgesOf(term).map(onEdge);
  const [first, ...rest] = sides;
  if (first === undefined) return new Map();
  const needs = new Map<string, Need>();
  for (const [key, need] of first) {
    let least: Need | null = need;
    for (const side of rest) {
      const other = side.get(key);
      least = other === undefined || least === null ? null : lesser(least, other);
    }
    if (least !== null) needs.set(key, least);
  }
  if (term.op !== "packetGuard") return needs;
  const root = places.root[term.base] as number;
  const checked = (places.offset[term.base] as number) + term.bytes;
  for (const [key, failing] of sides[1] as Needs) {
    const old = needs.get(key);
    if (old?.always) continue;
    const bytes = new Map(old?.bytes);
    raise(bytes, root, Math.min(checked, failing.always ? checked : (failing.bytes.get(root) ?? 0)));
    needs.set(key, { end: failing.end, always: false, bytes });
  }
  return needs;
}

function lesser(a: Need, b: Need): Need {
  if (a.always) return b;
  if (b.always) return a;
  const bytes = new Map<ValueId, number>();
  for (const [root, count] of a.bytes) {
    const other = b.bytes.get(root);
    if (other !== undefined) bytes.set(root, Math.min(count, other));
  }
  return { end: a.end, always: false, bytes };
}

// Back over a block's instructions: nothing passes an effect; a pointer made here hands its need to its base.
function beforeInsns(
  block: Block,
  atTerm: Needs,
  values: Values,
  places: Places,
  minimums: ReadonlyMap<ValueId, number>,
): Needs {
  if (block.insns.some((insn) => !isRemovable(insn))) return new Map();
  if (atTerm.size === 0) return atTerm;
  const made = (v: ValueId): IrInsn | undefined => (values.block[v] === block.id ? values.def[v] : undefined);
  const needs = new Map<string, Need>();
  for (const [key, need] of atTerm) {
    if (need.end.args.some((a) => typeof a === "number" && made(a) !== undefined)) continue;
    const bytes = new Map<ValueId, number>();
    for (const [root, count] of need.bytes) {
      let at: ValueId | null = root;
      let total = count;
      for (let def = made(at); def !== undefined; def = at === null ? undefined : made(at)) {
        if (def.op !== "index") {
          at = null;
          break;
        }
        total += (minimums.get(def.id) ?? 0) + (places.offset[def.base] as number);
        at = places.root[def.base] as number;
      }
      if (at !== null) raise(bytes, at, total);
    }
    needs.set(key, { ...need, bytes });
  }
  return needs;
}
