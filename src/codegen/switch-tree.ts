// A switch as a list of tests: a balanced tree over the sorted case values with short chains at its leaves. Runs of
// neighbouring values with the same edge become ranges. Part of `select`; knows nothing of registers or instructions.

import type { Compare, Edge } from "../ir/ir.ts";

/** One test of the switched value (unsigned); `yes` and `no` are edges or numbers of other tests. compare null: a jump to `yes`. */
export interface SwitchTest {
  readonly compare: Compare | null;
  readonly value: bigint;
  readonly yes: Edge | number;
  readonly no: Edge | number;
}

interface Range {
  readonly low: bigint;
  readonly high: bigint;
  readonly edge: Edge;
}

/** Up to so many ranges are tested one after the other: that takes the fewest instructions, and the verifier's work is small. */
const chainLength = 4;

/** The tests of a switch over values 0 to `max`, the first one first; every other one is reached from exactly one test. */
export function switchTests(
  cases: readonly { readonly value: bigint; readonly edge: Edge }[],
  otherwise: Edge,
  max: bigint,
): SwitchTest[] {
  const ranges = rangesOf(cases, otherwise);
  const tests: SwitchTest[] = [];
  // A part of the tree still to be made, and the place to put its number.
  const work: { ranges: Range[]; low: bigint; high: bigint; index: number }[] = [
    { ranges, low: 0n, high: max, index: 0 },
  ];
  tests.push({ compare: null, value: 0n, yes: otherwise, no: otherwise });
  const reserve = (): number => tests.push({ compare: null, value: 0n, yes: otherwise, no: otherwise }) - 1;
  for (let part = work.pop(); part !== undefined; part = work.pop()) {
    if (part.ranges.length > chainLength) {
      const middle = part.ranges.length >> 1;
      const pivot = (part.ranges[middle] as Range).low;
      const [left, right] = [reserve(), reserve()];
      tests[part.index] = { compare: "uge", value: pivot, yes: right, no: left };
      work.push({ ranges: part.ranges.slice(0, middle), low: part.low, high: pivot - 1n, index: left });
      work.push({ ranges: part.ranges.slice(middle), low: pivot, high: part.high, index: right });
    } else chain(part, otherwise, tests, reserve);
  }
  return tests;
}

/** Tests the ranges in rising order; `low` rises as what lies below is ruled out. */
function chain(
  part: { ranges: Range[]; low: bigint; high: bigint; index: number },
  otherwise: Edge,
  tests: SwitchTest[],
  reserve: () => number,
): void {
  let { low, index } = part;
  const { high } = part;
  part.ranges.forEach((range, i) => {
    const last = i === part.ranges.length - 1;
    if (range.low <= low && range.high >= high) {
      tests[index] = { compare: null, value: 0n, yes: range.edge, no: otherwise };
      return;
    }
    const next = (): Edge | number => (last ? otherwise : reserve());
    if (range.low === range.high) {
      const to = next();
      tests[index] = { compare: "eq", value: range.low, yes: range.edge, no: to };
      if (typeof to === "number") index = to;
      if (range.low === low) low = range.high + 1n;
      return;
    }
    if (range.low > low) {
      if (range.high >= high) {
        // Nothing lies above: the last range of this part.
        tests[index] = { compare: "uge", value: range.low, yes: range.edge, no: otherwise };
        return;
      }
      // All ranges that are left lie above: what is below this one matches none.
      const inside = reserve();
      tests[index] = { compare: "ult", value: range.low, yes: otherwise, no: inside };
      index = inside;
    }
    const to = next();
    tests[index] = { compare: "ule", value: range.high, yes: range.edge, no: to };
    if (typeof to === "number") index = to;
    low = range.high + 1n;
  });
  if (part.ranges.length === 0) tests[index] = { compare: null, value: 0n, yes: otherwise, no: otherwise };
}

function rangesOf(cases: readonly { readonly value: bigint; readonly edge: Edge }[], otherwise: Edge): Range[] {
  const sorted = cases.filter((c) => !sameEdge(c.edge, otherwise));
  sorted.sort((x, y) => (x.value < y.value ? -1 : x.value > y.value ? 1 : 0));
  const ranges: Range[] = [];
  for (const { value, edge } of sorted) {
    const last = ranges.at(-1);
    if (last !== undefined && last.high + 1n === value && sameEdge(last.edge, edge)) {
      ranges[ranges.length - 1] = { low: last.low, high: value, edge: last.edge };
    } else ranges.push({ low: value, high: value, edge });
  }
  return ranges;
}

function sameEdge(a: Edge, b: Edge): boolean {
  return a.target === b.target && a.args.length === b.args.length && a.args.every((arg, i) => arg === b.args[i]);
}
