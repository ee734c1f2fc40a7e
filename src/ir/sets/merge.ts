// Merging: what was written into disjoint ascending ranges, and which elements added nothing. Numbers only; knows no types and no
// tables. Near linear: lists from files are mostly sorted already.

import type { Span } from "../../base/source.ts";
import type { NumberRange } from "../hir.ts";

/** An inclusive range with its place. */
export interface PlacedRange extends NumberRange {
  readonly span: Span;
}

/** An element that others cover: of two equal ones, the one further down. */
export interface Covered {
  readonly later: Span;
  readonly earlier: Span;
}

/** The ranges in ascending order, overlapping and adjacent ones made one; and what added nothing, in ascending order too. */
export function mergeRanges(written: readonly PlacedRange[]): {
  readonly ranges: readonly NumberRange[];
  readonly covered: readonly Covered[];
} {
  const ranges: { from: bigint; to: bigint }[] = [];
  const covered: Covered[] = [];
  let last: { from: bigint; to: bigint } | null = null;
  let span: Span | null = null;
  for (const range of sorted(written)) {
    if (last !== null && span !== null && range.to <= last.to) covered.push(inOrder(range.span, span));
    else if (last !== null && range.from <= last.to + 1n) {
      last.to = range.to;
      span = range.span;
    } else {
      last = { from: range.from, to: range.to };
      span = range.span;
      ranges.push(last);
    }
  }
  return { ranges, covered };
}

function inOrder(a: Span, b: Span): Covered {
  return a.file === b.file && a.start < b.start ? { later: b, earlier: a } : { later: a, earlier: b };
}

/** By start; of equal starts the longer first; of equal ranges in the order they were written. */
function sorted(written: readonly PlacedRange[]): readonly PlacedRange[] {
  const order = (x: PlacedRange, y: PlacedRange): number =>
    x.from < y.from ? -1 : x.from > y.from ? 1 : x.to > y.to ? -1 : x.to < y.to ? 1 : 0;
  for (let i = 1; i < written.length; i++) {
    if (order(written[i - 1] as PlacedRange, written[i] as PlacedRange) > 0) return [...written].sort(order);
  }
  return written;
}
