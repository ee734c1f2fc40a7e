// Chains of equality tests on one value become a switch: the kernel's verifier forks a state per test, and its work grows with
// the square of a chain's length; a switch becomes a search tree.

import { graphOf, valuesOf } from "../graph.ts";
import type { Block, BlockId, Edge, IrFunction, Pass, Terminator, ValueId } from "../ir.ts";
import { keepReachable, sharedValues } from "./edit.ts";

/** A shorter chain stays: two tests cost no more than the tree. */
const CASES_MIN = 4;

interface Test {
  readonly type: "i32" | "i64";
  readonly value: ValueId;
  readonly cases: readonly { readonly value: bigint; readonly edge: Edge }[];
  readonly otherwise: Edge;
}

/** Turns chains of `eq` branches (and switches) on one value into one switch. */
export const switches: Pass = (fn) => {
  const graph = graphOf(fn);
  const values = valuesOf(fn);
  const outside = sharedValues(fn);
  const testOf = (term: Terminator): Test | null => {
    if (term.op === "switch") return { type: term.type, value: term.value, cases: term.cases, otherwise: term.default };
    if (term.op !== "branch" || (term.compare !== "eq" && term.compare !== "ne")) return null;
    const constant = values.def[term.b];
    if (constant?.op !== "const") return null;
    const [hit, miss] = term.compare === "eq" ? [term.then, term.else] : [term.else, term.then];
    return { type: term.type, value: term.a, cases: [{ value: constant.value, edge: hit }], otherwise: miss };
  };
  // A block that is nothing but a further test: reached from the one before only, computing nothing that others read.
  const onlyTests = (block: Block): boolean =>
    graph.preds[block.id]?.length === 1 &&
    block.params.length === 0 &&
    block.insns.every((insn) => insn.op === "const" && !outside.has(insn.id));
  const swallowed = new Set<BlockId>();
  const terms = new Map<BlockId, Terminator>();
  for (const id of graph.order) {
    if (swallowed.has(id)) continue;
    const block = graph.blockOf[id] as Block;
    const first = testOf(block.term);
    if (first === null) continue;
    const cases = [...first.cases];
    const seen = new Set(cases.map((c) => c.value));
    const chain: BlockId[] = [];
    let { otherwise } = first;
    for (;;) {
      const next = graph.blockOf[otherwise.target] as Block;
      const test = onlyTests(next) ? testOf(next.term) : null;
      if (test === null || test.value !== first.value || usesOwn(next, test)) break;
      for (const c of test.cases) {
        if (seen.has(c.value)) continue;
        seen.add(c.value);
        cases.push(c);
      }
      chain.push(next.id);
      otherwise = test.otherwise;
    }
    if (chain.length === 0 || cases.length < CASES_MIN) continue;
    for (const link of chain) swallowed.add(link);
    const { type, value } = first;
    terms.set(id, { op: "switch", type, value, cases, default: otherwise, origin: block.term.origin });
  }
  if (terms.size === 0) return fn;
  const result: IrFunction = {
    ...fn,
    blocks: fn.blocks.map((block) => ({ ...block, term: terms.get(block.id) ?? block.term })),
  };
  return keepReachable(result, graphOf(result));
};

// Whether an edge passes on a constant that the test's block makes, which would be gone with it.
function usesOwn(block: Block, test: Test): boolean {
  const own = new Set(block.insns.map((insn) => ("id" in insn ? insn.id : -1)));
  return [...test.cases.map((c) => c.edge), test.otherwise].some((e) => e.args.some((arg) => own.has(arg)));
}
