// Removes block parameters that carry the same thing on every edge: the same value, the same constant, the same pointer plus
// the same distance, or nothing but `undef`. Optimistic, so parameters that only feed each other round a loop go too. Every
// parameter's guess changes a few times at most, which keeps it linear.

import { dominators, graphOf, valuesOf } from "../graph.ts";
import { type BlockId, edgesOf, type IrFunction, type IrInsn, mapTerm, type ValueId } from "../ir.ts";
import { placesOf } from "../known-bytes.ts";
import { eachEdge, keepReachable, replaceUses } from "./edit.ts";

// What a parameter is guessed to be. `key` tells two things apart; `value` is a number that has it, null where several do.
interface Guess {
  readonly key: string;
  readonly value: ValueId | null;
}

/** The guess for a parameter that has only been given `undef` so far. */
const UNDEF: Guess = { key: "undef", value: null };

/** Replaces parameters that don't vary. */
export function simplifyParams(original: IrFunction): IrFunction {
  const graph = graphOf(original);
  const fn = keepReachable(original, graph);
  if (fn.blocks.every((block) => block.params.length === 0 || block.id === graph.entry)) return fn;
  const values = valuesOf(fn);
  const args = new Map<ValueId, ValueId[]>();
  const readers = new Map<ValueId, ValueId[]>();
  const home = new Map<ValueId, BlockId>();
  for (const block of fn.blocks) {
    for (const param of block.params) {
      args.set(param.id, []);
      home.set(param.id, block.id);
    }
  }
  eachEdge(fn, (edge) => {
    const params = graph.blockOf[edge.target]?.params ?? [];
    params.forEach((param, i) => {
      const arg = edge.args[i] as ValueId;
      args.get(param.id)?.push(arg);
      if (!args.has(arg)) return;
      const list = readers.get(arg);
      if (list === undefined) readers.set(arg, [param.id]);
      else list.push(param.id);
    });
  });
  const guesses = new Map<ValueId, Guess>();
  const guessOf = (v: ValueId): Guess | null => {
    if (args.has(v)) return guesses.get(v) ?? null;
    const def = values.def[v];
    if (def?.op === "undef") return UNDEF;
    if (def?.op === "const") return { key: `${def.type} ${def.value}`, value: v };
    if (def?.op !== "offset") return { key: `v${v}`, value: v };
    const { root, offset } = placesOf(graph);
    return { key: `v${root[v]}+${offset[v]}`, value: v };
  };
  const isInteger = (v: ValueId): boolean => values.type[v] === "i32" || values.type[v] === "i64";
  const itself = (p: ValueId): Guess => ({ key: `v${p}`, value: p });
  const meet = (p: ValueId): Guess | null => {
    let result: Guess | null = null;
    let unlimited = false;
    for (const arg of args.get(p) as ValueId[]) {
      const guess = guessOf(arg);
      // Nothing known yet: the optimist goes on, and is asked again when it is.
      if (guess === null) continue;
      if (guess === UNDEF) {
        unlimited = true;
        continue;
      }
      if (result === null) result = guess;
      else if (result.key !== guess.key) return itself(p);
      else if (result.value !== guess.value) result = { key: result.key, value: null };
    }
    if (result === null) return unlimited ? UNDEF : null;
    if (isConstantKey(result.key)) return result;
    const block = home.get(p) as BlockId;
    const known = (v: ValueId): boolean => dominators(graph).dominates(values.block[v] as number, block);
    // A pointer that is `undef` elsewhere keeps its parameter: what is known of its bytes holds on the other edges only.
    if (unlimited && !isInteger(p)) return itself(p);
    if (result.value !== null && (!unlimited || known(result.value))) return result;
    const root = rootOfKey(result.key);
    if (root === null || !known(root) || home.get(root) === block) return itself(p);
    return { key: result.key, value: null };
  };
  const queue = [...args.keys()].filter((p) => (args.get(p) as ValueId[]).length > 0).reverse();
  const queued = new Set(queue);
  for (let p = queue.pop(); p !== undefined; p = queue.pop()) {
    queued.delete(p);
    const old = guesses.get(p);
    if (old?.value === p) continue;
    let now = meet(p);
    if (now === null || (now.key === old?.key && now.value === old.value)) continue;
    // A guess may only fall: from nothing to `undef`, to a thing, from one value to several with the same key, then to itself.
    if (old !== undefined && old !== UNDEF && old.key !== now.key) now = itself(p);
    else if (old !== undefined && old !== UNDEF && old.value === null && now.value !== null && now.value !== p)
      continue;
    guesses.set(p, now);
    for (const reader of readers.get(p) ?? []) {
      if (queued.has(reader)) continue;
      queued.add(reader);
      queue.push(reader);
    }
  }
  return apply(fn, guesses, args);
}

function isConstantKey(key: string): boolean {
  return key.startsWith("i");
}

// The root of a key that is a root and a distance.
function rootOfKey(key: string): ValueId | null {
  return key.includes("+") ? Number.parseInt(key.slice(1), 10) : null;
}

function apply(
  fn: IrFunction,
  guesses: ReadonlyMap<ValueId, Guess>,
  args: ReadonlyMap<ValueId, readonly ValueId[]>,
): IrFunction {
  const replacement = new Map<ValueId, ValueId>();
  const dropped = new Set<ValueId>();
  let changed = false;
  const kept = new Map<BlockId, boolean[]>();
  const blocks = fn.blocks.map((block) => {
    if (block === fn.blocks[0]) return block;
    const made: IrInsn[] = [];
    const keep = block.params.map((param) => {
      if ((args.get(param.id) as readonly ValueId[]).length === 0) return true;
      const guess = guesses.get(param.id);
      if (guess?.value === param.id) return true;
      changed = true;
      dropped.add(param.id);
      if (guess === undefined || guess === UNDEF) {
        made.push({ op: "undef", id: param.id, type: param.type, origin: null });
      } else if (guess.value !== null && !isConstantKey(guess.key)) {
        replacement.set(param.id, guess.value);
      } else if (isConstantKey(guess.key)) {
        const type = param.type === "i64" ? "i64" : "i32";
        made.push({ op: "const", id: param.id, type, value: BigInt(guess.key.slice(4)), origin: null });
      } else {
        const [root, bytes] = guess.key.slice(1).split("+").map(Number) as [number, number];
        const type = param.type === "pkt" ? "pkt" : "mem";
        made.push({ op: "offset", id: param.id, type, base: root, bytes, origin: null });
      }
      return false;
    });
    if (keep.every((k) => k)) return block;
    kept.set(block.id, keep);
    return { ...block, params: block.params.filter((_, i) => keep[i]), insns: [...made, ...block.insns] };
  });
  if (!changed) return fn;
  const trimmed = blocks.map((block) => {
    if (!edgesOf(block.term).some((edge) => kept.has(edge.target))) return block;
    const term = mapTerm(
      block.term,
      (v) => v,
      (edge) => {
        const keep = kept.get(edge.target);
        return keep === undefined ? edge : { target: edge.target, args: edge.args.filter((_, i) => keep[i]) };
      },
    );
    return { ...block, term };
  });
  return replaceUses({ ...fn, blocks: trimmed }, replacement);
}
