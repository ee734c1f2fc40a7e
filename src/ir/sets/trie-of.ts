// The trie of a constant set of wide numbers, made once: typing asks whether it is small enough, lowering what is in it.

import type { NumberRange } from "../hir.ts";
import { type RangeTrie, rangeTrie } from "./range-trie.ts";

/** The most bytes of a trie's cells. */
export const MOST_TRIE_BYTES = 2 ** 26;

const LOW = (1n << 64n) - 1n;
const known = new WeakMap<readonly NumberRange[], RangeTrie | null>();

/** Prefixes of up to 64 of 128 bits are about the upper half alone. */
export function inUpperHalf(ranges: readonly NumberRange[]): boolean {
  return ranges.every((r) => (r.from & LOW) === 0n && (r.to & LOW) === LOW);
}

/** The trie of disjoint ascending ranges of numbers of `bits` bits, 33 to 128, or of their upper halves; null where it is too large. */
export function trieOf(ranges: readonly NumberRange[], bits: number): RangeTrie | null {
  const found = known.get(ranges);
  if (found !== undefined) return found;
  const half = bits === 128 && inUpperHalf(ranges);
  const kept = half ? ranges.map((r) => ({ from: r.from >> 64n, to: r.to >> 64n })) : ranges;
  const made = rangeTrie(kept, half ? 64 : bits, MOST_TRIE_BYTES);
  known.set(ranges, made);
  return made;
}
