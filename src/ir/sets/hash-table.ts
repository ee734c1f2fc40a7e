// The table of a set of single values: a perfect hash. A value's hash chooses a bucket and a slot; the bucket says how far its values
// are shifted so that each has a slot to itself. One look at the bucket, one at the slot, one comparison. Values are rows of
// 64-bit words. Values to words; knows no instructions (lower/set-table.ts makes those).

import { InternalError } from "../../base/assert.ts";
import { powerOfTwo } from "./bitmap-pool.ts";

/** A perfect hash. The bucket is the hash's uppermost `bucketBits` bits, the slot the `slotBits` below, shifted modulo their count. */
export interface HashTable {
  /** What the hash multiplies with: one for each word of a value, and a last one. Odd 64-bit numbers. */
  readonly factors: readonly bigint[];
  readonly bucketBits: number;
  readonly slotBits: number;
  /** By bucket, how far its values' slots are shifted. */
  readonly shifts: Uint32Array;
  /** The values by slot, word by word. A slot without a value holds one whose slot is another. */
  readonly slots: BigUint64Array;
}

const MASK = (1n << 64n) - 1n;
/** Shifts tried for a bucket before another hash is taken. */
const MOST_TRIES = 20_000;
/** Hashes tried before there are more slots. */
const MOST_HASHES = 6;

/** The hash of a value: for each word, xor and multiply, then the upper half onto the lower; at last once more multiplied. */
export function hashWords(words: readonly bigint[], factors: readonly bigint[]): bigint {
  let hash = 0n;
  for (const [i, word] of words.entries()) {
    hash = ((hash ^ word) * (factors[i] as bigint)) & MASK;
    hash ^= hash >> 32n;
  }
  return (hash * (factors[words.length] as bigint)) & MASK;
}

/** The table of distinct values, at least one, each of `width` words. */
export function hashTable(values: readonly (readonly bigint[])[], width: number): HashTable {
  const bucketBits = Math.max(1, Math.log2(powerOfTwo(values.length / 2)));
  let slotBits = Math.log2(powerOfTwo(values.length * 1.15));
  const next = numbers();
  for (let tries = 0; ; tries++) {
    if (slotBits > 30) throw new InternalError("no perfect hash for a set");
    const factors = Array.from({ length: width + 1 }, () => next() | 1n);
    const placed = place(values, factors, bucketBits, slotBits);
    if (placed !== null)
      return { factors, bucketBits, slotBits, shifts: placed.shifts, slots: fill(values, placed, width) };
    if (tries % MOST_HASHES === MOST_HASHES - 1) slotBits++;
  }
}

interface Placed {
  readonly shifts: Uint32Array;
  /** By slot the value's number, -1 for none. */
  readonly owners: Int32Array;
}

function place(
  values: readonly (readonly bigint[])[],
  factors: readonly bigint[],
  bucketBits: number,
  slotBits: number,
): Placed | null {
  const buckets: number[][] = Array.from({ length: 2 ** bucketBits }, () => []);
  const slotOf = new Uint32Array(values.length);
  const slotMask = 2 ** slotBits - 1;
  for (const [i, words] of values.entries()) {
    const hash = hashWords(words, factors);
    slotOf[i] = Number((hash >> BigInt(64 - bucketBits - slotBits)) & BigInt(slotMask));
    buckets[Number(hash >> BigInt(64 - bucketBits))]?.push(i);
  }
  const order = buckets.map((_, i) => i).sort((a, b) => lengthOf(buckets, b) - lengthOf(buckets, a));
  const owners = new Int32Array(2 ** slotBits).fill(-1);
  const shifts = new Uint32Array(buckets.length);
  let shift = 0;
  for (const number of order) {
    const bucket = buckets[number] as number[];
    if (bucket.length === 0) break;
    if (new Set(bucket.map((i) => slotOf[i])).size < bucket.length) return null;
    let tries = 0;
    while (bucket.some((i) => owners[((slotOf[i] as number) + shift) & slotMask] !== -1)) {
      if (++tries > MOST_TRIES) return null;
      shift = (shift + 0x9e3779b1) & slotMask;
    }
    shifts[number] = shift;
    for (const i of bucket) owners[((slotOf[i] as number) + shift) & slotMask] = i;
    shift = (shift + 0x9e3779b1) & slotMask;
  }
  return { shifts, owners };
}

function lengthOf(buckets: readonly (readonly number[])[], i: number): number {
  return buckets[i]?.length ?? 0;
}

function fill(values: readonly (readonly bigint[])[], { owners }: Placed, width: number): BigUint64Array {
  const slots = new BigUint64Array(owners.length * width);
  for (const [slot, owner] of owners.entries()) {
    // What comes to a slot of nobody isn't the first value: that has a slot of its own.
    const value = values[Math.max(owner, 0)] as readonly bigint[];
    for (const [word, number] of value.entries()) slots[slot * width + word] = number;
  }
  return slots;
}

/** 64-bit numbers that look random and are the same each time: splitmix64. */
function numbers(): () => bigint {
  let state = 0n;
  return () => {
    state = (state + 0x9e3779b97f4a7c15n) & MASK;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
    return z ^ (z >> 31n);
  };
}
