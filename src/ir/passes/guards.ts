// Guard merging: a guard checks at once what every path behind it needs, where all that is shorter fails to the same end
// anyway, and guards whose bytes are known already go. "TCP over IPv4 or IPv6" so begins with one check of 54 bytes.

import { blockAt, graphOf, valuesOf } from "../graph.ts";
import type { Block, IrFunction, Pass, Terminator } from "../ir.ts";
import { knownBytes, placesOf } from "../known-bytes.ts";
import { keepReachable } from "./edit.ts";
import { indexMinimums } from "./minimums.ts";
import { packetNeeds } from "./needs.ts";

/** A packet pointer's distance from the packet's start is kept below this by the kernel. **Source:** Linux kernel/bpf/verifier.c, MAX_PACKET_OFF. */
const MAX_PACKET_BYTES = 0xffff;

/** Raises guards, then drops those that are proven. */
export const guards: Pass = (fn) => {
  const has = fn.blocks.some(({ term }) => term.op === "packetGuard" || term.op === "nullGuard");
  return has ? dropProven(raiseGuards(fn)) : fn;
};

function raiseGuards(fn: IrFunction): IrFunction {
  const graph = graphOf(fn);
  const values = valuesOf(fn);
  const places = placesOf(graph);
  const needs = packetNeeds(graph, values, places, indexMinimums(graph, values));
  return mapTerms(fn, (block) => {
    const { term } = block;
    if (term.op !== "packetGuard" || graph.position[block.id] === -1) return term;
    const need = needs.of(term.ok, term.fail, places.root[term.base] as number);
    if (need === Number.POSITIVE_INFINITY) return { op: "jump", edge: term.fail, origin: term.origin };
    const bytes = need - (places.offset[term.base] as number);
    return bytes > term.bytes && need <= MAX_PACKET_BYTES ? { ...term, bytes } : term;
  });
}

function dropProven(fn: IrFunction): IrFunction {
  const graph = graphOf(fn);
  const known = knownBytes(graph, valuesOf(fn));
  return mapTerms(fn, (block) => {
    const { term } = block;
    if (graph.position[block.id] === -1) return term;
    const pointer = term.op === "packetGuard" ? term.base : term.op === "nullGuard" ? term.value : null;
    if (pointer === null) return term;
    const facts = known.atEntry(block.id);
    for (const insn of blockAt(graph, block.id).insns) known.step(facts, insn);
    const enough = term.op === "packetGuard" ? term.bytes : 1;
    if (known.known(facts, pointer) < enough) return term;
    const ok = term.op === "packetGuard" || term.op === "nullGuard" ? term.ok : null;
    return ok === null ? term : { op: "jump", edge: ok, origin: term.origin };
  });
}

function mapTerms(fn: IrFunction, f: (block: Block) => Terminator): IrFunction {
  let changed = false;
  const blocks = fn.blocks.map((block) => {
    const term = f(block);
    if (term === block.term) return block;
    changed = true;
    return { ...block, term };
  });
  if (!changed) return fn;
  const result = { ...fn, blocks };
  return keepReachable(result, graphOf(result));
}
