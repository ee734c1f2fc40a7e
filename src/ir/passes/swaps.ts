// Moves byte swaps behind joins: a parameter that gets a swapped value on every edge takes the raw one, and is swapped once in its
// block. `fold` then swaps the constants it is compared with, and nothing is swapped at all. Before `fold` in the list.

import { type Values, valuesOf } from "../graph.ts";
import {
  edgesOf,
  type IrFunction,
  type IrInsn,
  mapTerm,
  operandsOf,
  type Pass,
  type Terminator,
  termOperandsOf,
  type ValueId,
} from "../ir.ts";
import { eachEdge } from "./edit.ts";

type Swap = Extract<IrInsn, { readonly op: "bswap" }>;
type Constant = Extract<IrInsn, { readonly op: "const" }>;

/** What is known of a parameter while the edges are looked at. */
interface Candidate {
  swapBytes: 2 | 4 | 8;
  swaps: number;
  constants: Constant[];
}

/** Moves swaps from the edges into a join to the join itself. */
export const swaps: Pass = (fn) => {
  const values = valuesOf(fn);
  if (!passesSwaps(fn, values)) return fn;
  const candidates = new Map<ValueId, Candidate | null>();
  const paramsOf = new Map(fn.blocks.map((b) => [b.id, b.params]));
  const uses = new Map<ValueId, number>();
  const use = (value: ValueId): void => void uses.set(value, (uses.get(value) ?? 0) + 1);
  for (const block of fn.blocks) {
    for (const insn of block.insns) operandsOf(insn).forEach(use);
    termOperandsOf(block.term).forEach(use);
    for (const edge of edgesOf(block.term)) {
      for (const [i, param] of (paramsOf.get(edge.target) ?? []).entries()) {
        const arg = edge.args[i] as ValueId;
        use(arg);
        candidates.set(param.id, consider(candidates.get(param.id), values.def[arg] ?? null));
      }
    }
  }
  const chosen = new Map<ValueId, Candidate>();
  for (const [param, candidate] of candidates)
    if (candidate !== null && candidate.swaps > 0) chosen.set(param, candidate);
  // A swap that others read too would stay where it is and be made a second time.
  const passed = new Map<ValueId, number>();
  for (const { edge, i, param } of argumentsOf(fn, paramsOf)) {
    const arg = edge.args[i] as ValueId;
    if (chosen.has(param)) passed.set(arg, (passed.get(arg) ?? 0) + 1);
  }
  for (const { edge, i, param } of argumentsOf(fn, paramsOf)) {
    const arg = edge.args[i] as ValueId;
    if (chosen.has(param) && values.def[arg]?.op === "bswap" && passed.get(arg) !== uses.get(arg)) chosen.delete(param);
  }
  for (const [param, candidate] of chosen) if (!constantsFit(fn, param, candidate, values.def)) chosen.delete(param);
  return chosen.size === 0 ? fn : move(fn, chosen, paramsOf, values.def);
};

/** Whether any edge passes on a swap's result: most functions are done with that question. */
function passesSwaps(fn: IrFunction, values: Values): boolean {
  let found = false;
  eachEdge(fn, (edge) => {
    for (const arg of edge.args) found ||= values.def[arg]?.op === "bswap";
  });
  return found;
}

/** One more argument: every one must be a swap of one width, a constant or undefined. */
function consider(known: Candidate | null | undefined, def: IrInsn | null): Candidate | null {
  if (known === null || def === null) return null;
  const candidate = known ?? { swapBytes: 2, swaps: 0, constants: [] };
  if (def.op === "undef") return candidate;
  if (def.op === "const") {
    candidate.constants.push(def);
    return candidate;
  }
  if (def.op !== "bswap" || (candidate.swaps > 0 && candidate.swapBytes !== def.bytes)) return null;
  candidate.swapBytes = def.bytes;
  candidate.swaps++;
  return candidate;
}

function* argumentsOf(fn: IrFunction, paramsOf: ReadonlyMap<number, readonly { readonly id: ValueId }[]>) {
  for (const block of fn.blocks) {
    for (const edge of edgesOf(block.term)) {
      for (const [i, param] of (paramsOf.get(edge.target) ?? []).entries()) yield { edge, i, param: param.id };
    }
  }
}

/**
 * A constant that a swap could give is swapped back. One above the swap's width (what stands for "nothing follows") is cut by the
 * swap, so it may only be compared with constants that differ from what is left of it.
 */
function constantsFit(
  fn: IrFunction,
  param: ValueId,
  candidate: Candidate,
  def: readonly (IrInsn | null | undefined)[],
): boolean {
  const mask = (1n << BigInt(8 * candidate.swapBytes)) - 1n;
  const cut = new Set(candidate.constants.filter((c) => c.value > mask).map((c) => c.value & mask));
  if (cut.size === 0) return true;
  for (const block of fn.blocks) {
    if (block.insns.some((insn) => operandsOf(insn).includes(param))) return false;
    if (edgesOf(block.term).some((edge) => edge.args.includes(param))) return false;
    if (termOperandsOf(block.term).includes(param) && !tellsApart(block.term, param, cut, def)) return false;
  }
  return true;
}

function tellsApart(
  term: Terminator,
  param: ValueId,
  cut: ReadonlySet<bigint>,
  def: readonly (IrInsn | null | undefined)[],
): boolean {
  if (term.op === "switch") return term.value === param && term.cases.every((c) => !cut.has(c.value));
  if (term.op !== "branch" || (term.compare !== "eq" && term.compare !== "ne")) return false;
  const other = def[term.a === param ? term.b : term.a];
  return other?.op === "const" && !cut.has(other.value);
}

function swapped(value: bigint, bytes: number): bigint {
  let result = 0n;
  for (let i = 0; i < bytes; i++) result = (result << 8n) | ((value >> BigInt(8 * i)) & 0xffn);
  return result;
}

function move(
  fn: IrFunction,
  chosen: ReadonlyMap<ValueId, Candidate>,
  paramsOf: ReadonlyMap<number, readonly { readonly id: ValueId }[]>,
  def: readonly (IrInsn | null | undefined)[],
): IrFunction {
  let { nextValue } = fn;
  const blocks = fn.blocks.map((block) => {
    const constants: Constant[] = [];
    const term = mapTerm(
      block.term,
      (value) => value,
      (edge) => {
        const params = paramsOf.get(edge.target) ?? [];
        if (!params.some((p) => chosen.has(p.id))) return edge;
        const args = edge.args.map((arg, i) => {
          const candidate = chosen.get((params[i] as { readonly id: ValueId }).id);
          const insn = def[arg];
          if (candidate === undefined || insn === null || insn === undefined) return arg;
          if (insn.op === "bswap") return (insn as Swap).a;
          if (insn.op !== "const") return arg;
          const mask = (1n << BigInt(8 * candidate.swapBytes)) - 1n;
          const value = insn.value > mask ? insn.value : swapped(insn.value, candidate.swapBytes);
          const constant: Constant = { ...insn, id: nextValue++, value };
          constants.push(constant);
          return constant.id;
        });
        return { target: edge.target, args };
      },
    );
    const swapsHere: IrInsn[] = [];
    const params = block.params.map((param) => {
      const candidate = chosen.get(param.id);
      if (candidate === undefined) return param;
      const raw = { id: nextValue++, type: param.type };
      const type = candidate.swapBytes === 8 ? "i64" : "i32";
      swapsHere.push({
        op: "bswap",
        id: param.id,
        type,
        bytes: candidate.swapBytes,
        a: raw.id,
        origin: block.term.origin,
      });
      return raw;
    });
    if (swapsHere.length === 0 && constants.length === 0 && term === block.term) return block;
    return { ...block, params, insns: [...swapsHere, ...block.insns, ...constants], term };
  });
  return { ...fn, blocks, nextValue };
}
