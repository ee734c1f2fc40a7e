// Numbers of which some bits are known: for words of few bits, every number against every other, by brute force; for all 64
// bits by chance. The result must allow each outcome (sound) and, where the operation is exact, nothing else.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ALL_BITS,
  type Tnum,
  tnumAdd,
  tnumAligned,
  tnumAnd,
  tnumConst,
  tnumIntersect,
  tnumLow,
  tnumMul,
  tnumNeg,
  tnumNext,
  tnumOr,
  tnumOverlaps,
  tnumRange,
  tnumShiftLeft,
  tnumShiftRight,
  tnumShiftSigned,
  tnumSub,
  tnumSwapped,
  tnumUnion,
  tnumWithin,
  tnumWithLow32,
  tnumXor,
} from "../../src/checker/tnum.ts";
import { anyNumber, reversed, runs } from "./scalar-values.ts";

function allows(t: Tnum, x: bigint): boolean {
  return (x & ~t.mask) === t.value;
}

/** All tristate numbers of `bits` bits. */
function all(bits: number): Tnum[] {
  const numbers: Tnum[] = [];
  for (let mask = 0n; mask < 1n << BigInt(bits); mask++) {
    for (let value = 0n; value < 1n << BigInt(bits); value++) {
      if ((value & mask) === 0n) numbers.push({ value, mask });
    }
  }
  return numbers;
}

function members(t: Tnum, bits: number): bigint[] {
  return Array.from({ length: 1 << bits }, (_, x) => BigInt(x)).filter((x) => allows(t, x));
}

function equal(a: Tnum, b: Tnum): boolean {
  return a.value === b.value && a.mask === b.mask;
}

/** Fails unless `holds`, saying for which numbers; many times cheaper than an `expect` of each. */
function must(holds: boolean, what: string, ...numbers: readonly Tnum[]): void {
  if (!holds) throw new Error(`${what}: ${numbers.map(({ value, mask }) => `(${value}; ${mask})`).join(" ")}`);
}

/** The least tristate number that allows all of `numbers`. */
function hull(numbers: readonly bigint[]): Tnum {
  const first = numbers[0] ?? 0n;
  const mask = numbers.reduce((bits, x) => bits | (x ^ first), 0n);
  return { value: first & ~mask, mask };
}

type Binary = (a: bigint, b: bigint) => bigint;

const four = all(4).map((t) => ({ t, numbers: members(t, 4) }));

const binary: readonly [name: string, abstract: (a: Tnum, b: Tnum) => Tnum, concrete: Binary, exact: boolean][] = [
  ["add", tnumAdd, (a, b) => a + b, true],
  ["sub", tnumSub, (a, b) => BigInt.asUintN(64, a - b), true],
  ["and", tnumAnd, (a, b) => a & b, true],
  ["or", tnumOr, (a, b) => a | b, true],
  ["xor", tnumXor, (a, b) => a ^ b, true],
  ["mul", tnumMul, (a, b) => a * b, false],
];

describe("every pair of 4 bits", () => {
  test.each(binary)("%s", (_name, abstract, concrete, exact) => {
    for (const a of four) {
      for (const b of four) {
        const result = abstract(a.t, b.t);
        const outcomes = a.numbers.flatMap((x) => b.numbers.map((y) => concrete(x, y)));
        const least = hull(outcomes);
        must(tnumWithin(result, least), "an outcome is excluded", a.t, b.t, result);
        must(!exact || equal(result, least), "not exact", a.t, b.t, result);
      }
    }
  });

  test("union, intersection, overlap, within", () => {
    for (const a of four) {
      for (const b of four) {
        const both = a.numbers.filter((x) => b.numbers.includes(x));
        must(tnumOverlaps(a.t, b.t) === both.length > 0, "overlap", a.t, b.t);
        must(equal(tnumUnion(a.t, b.t), hull([...a.numbers, ...b.numbers])), "union", a.t, b.t);
        must(both.length === 0 || equal(tnumIntersect(a.t, b.t), hull(both)), "intersection", a.t, b.t);
        must(tnumWithin(a.t, b.t) === (both.length === b.numbers.length), "within", a.t, b.t);
      }
    }
  });
});

describe("every number of 6 bits", () => {
  const six = all(6).map((t) => ({ t, numbers: members(t, 6) }));

  test("the next one allowed", () => {
    for (const { t, numbers } of six) {
      for (let x = 0n; x < 64n; x++) {
        const next = numbers.find((number) => number > x) ?? numbers.at(-1);
        must(tnumNext(t, x) === next, `after ${x} comes ${next}`, t);
      }
    }
  });

  test("shifts, negation, alignment", () => {
    for (const { t, numbers } of six) {
      for (const by of [0n, 1n, 3n, 6n]) {
        must(equal(tnumShiftLeft(t, by), hull(numbers.map((x) => x << by))), `<< ${by}`, t);
        must(equal(tnumShiftRight(t, by), hull(numbers.map((x) => x >> by))), `>> ${by}`, t);
      }
      must(equal(tnumNeg(t), hull(numbers.map((x) => BigInt.asUintN(64, -x)))), "negated", t);
      for (const bytes of [1, 2, 4, 8]) {
        must(tnumAligned(t, bytes) === numbers.every((x) => x % BigInt(bytes) === 0n), `aligned to ${bytes}`, t);
      }
    }
  });

  test("ranges: the least number that allows both ends and all between", () => {
    for (let min = 0n; min < 64n; min++) {
      for (let max = min; max < 64n; max++) {
        const between = Array.from({ length: Number(max - min) + 1 }, (_, index) => min + BigInt(index));
        must(equal(tnumRange(min, max), hull(between)), `from ${min} to ${max}`, tnumRange(min, max));
      }
    }
  });
});

describe("all 64 bits", () => {
  const tnum = fc.tuple(anyNumber, anyNumber).map(([x, mask]) => ({ t: { value: x & ~mask, mask }, x }));

  test("signed shifts, halves, byte order, far steps", () => {
    fc.assert(
      fc.property(tnum, tnum, fc.integer({ min: 0, max: 63 }), ({ t, x }, other, by) => {
        const shift = BigInt(by);
        expect(allows(tnumShiftSigned(t, shift, 64), BigInt.asUintN(64, BigInt.asIntN(64, x) >> shift))).toBe(true);
        const shift32 = shift % 32n;
        const low = tnumLow(t, 32);
        const shifted = BigInt.asUintN(32, BigInt.asIntN(32, x) >> shift32);
        expect(allows(tnumShiftSigned(low, shift32, 32), shifted)).toBe(true);
        expect(allows(low, BigInt.asUintN(32, x))).toBe(true);
        const mixed = ((x >> 32n) << 32n) | BigInt.asUintN(32, other.x);
        expect(allows(tnumWithLow32(t, tnumLow(other.t, 32)), mixed)).toBe(true);
        for (const bytes of [2, 4, 8] as const) expect(allows(tnumSwapped(t, bytes), reversed(x, bytes))).toBe(true);
        for (const [, abstract, concrete] of binary) {
          expect(allows(abstract(t, other.t), BigInt.asUintN(64, concrete(x, other.x)))).toBe(true);
        }
        // Between a number and the next one allowed lies no member.
        const next = tnumNext(t, other.x);
        expect(allows(t, next)).toBe(true);
        if (other.x < x) expect(next > other.x && next <= x).toBe(true);
      }),
      runs(1000),
    );
    expect(tnumRange(0n, ALL_BITS)).toEqual({ value: 0n, mask: ALL_BITS });
    expect(tnumMul(tnumConst(1n << 63n), tnumConst(2n))).toEqual(tnumConst(0n));
  });
});
