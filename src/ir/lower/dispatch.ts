// Dispatch on selectors: goes to whichever header the value of a selector announces. One switch or a few tests, however many
// values lead to one header.

import type { BlockId, Edge, ValueId } from "../ir.ts";
import type { Lowering } from "./lowering.ts";

/** A header that may come next. */
export interface Candidate {
  /** The selector's values that announce it. */
  readonly values: readonly bigint[];
  /** The numbers of the headers of the stage before after which it may come; null: after any. */
  readonly after: { readonly last: ValueId; readonly numbers: readonly number[] } | null;
  /** Whether it may turn out where it is read that it isn't there, and that the next candidate is to be tried. */
  readonly tentative?: boolean;
  /** Makes the code that reads it; of a tentative one, going to `skip` where it isn't there. */
  readonly go: (skip: Edge | null) => void;
}

/** Goes on with the candidate that the selectors name, each selector tried in turn; else by the edge `otherwise`, or with what it makes. */
export function dispatch(
  l: Lowering,
  selectors: readonly ValueId[],
  candidates: readonly Candidate[],
  otherwise: Edge | (() => void),
): void {
  const byValue = new Map<bigint, Candidate[]>();
  for (const c of candidates) for (const v of c.values) byValue.set(v, [...(byValue.get(v) ?? []), c]);
  const [selector, ...rest] = selectors;
  if (selector === undefined || byValue.size === 0) {
    if (typeof otherwise === "function") otherwise();
    else l.builder.jump(otherwise.target, otherwise.args);
    return;
  }
  const after = rest.length > 0 || typeof otherwise === "function" ? l.block() : null;
  const miss: Edge = after === null ? (otherwise as Edge) : { target: after, args: [] };
  // One block for each list of candidates, however many values lead there.
  const targets = new Map<string, { readonly block: BlockId; readonly list: readonly Candidate[] }>();
  const cases = [...byValue].map(([value, list]) => {
    const key = list.map((c) => candidates.indexOf(c)).join(",");
    const target = targets.get(key) ?? { block: l.block(), list };
    targets.set(key, target);
    return { value, edge: { target: target.block, args: [] } };
  });
  if (cases.length > 2) l.builder.switchOn("i32", selector, cases, miss);
  else {
    for (const [i, c] of cases.entries()) {
      const next = i === cases.length - 1 ? miss : { target: l.block(), args: [] };
      l.builder.branch("eq", "i32", selector, l.i32(c.value), c.edge, next);
      if (next !== miss) l.goOn(next.target);
    }
  }
  for (const { block, list } of targets.values()) {
    l.goOn(block);
    first(l, list, miss);
  }
  if (after === null) return;
  l.goOn(after);
  dispatch(l, rest, candidates, otherwise);
}

/** Takes the first candidate that may come after what was read. */
function first(l: Lowering, list: readonly Candidate[], miss: Edge): void {
  for (const candidate of list) {
    const { after, tentative } = candidate;
    if (after === null && tentative !== true) return candidate.go(null);
    const skip = l.block();
    if (after !== null) takeAfter(l, after, skip);
    candidate.go(tentative === true ? { target: skip, args: [] } : null);
    l.goOn(skip);
  }
  l.builder.jump(miss.target, miss.args);
}

/** Goes on where one of the headers was read before, else in `skip`. */
function takeAfter(l: Lowering, { last, numbers }: NonNullable<Candidate["after"]>, skip: BlockId): void {
  const take = l.block();
  for (const number of numbers) {
    const next = l.block();
    l.builder.branch("eq", "i32", last, l.i32(number), { target: take, args: [] }, { target: next, args: [] });
    l.goOn(next);
  }
  l.builder.jump(skip);
  l.goOn(take);
}
