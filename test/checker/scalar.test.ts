// The scalar domain by itself: it never excludes a number that is possible, says the same however it's asked, and its numbers
// read well. That it is as precise as the kernel is scalar-kernel.test.ts.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jumpOps, opNames } from "../../src/bpf/isa.ts";
import {
  bitWidth,
  constant,
  constValue,
  equals,
  fromUnsignedWidth,
  immediate,
  isConst,
  isConst32,
  isExact,
  type Scalar,
  unknown,
  within,
} from "../../src/checker/scalar.ts";
import { alu, forked, linkedAdd, neg, pointerAdd, pointerSub, zext32 } from "../../src/checker/scalar-alu.ts";
import { branchTaken, refine, refineSelf } from "../../src/checker/scalar-branch.ts";
import { Draft, loadDraft } from "../../src/checker/scalar-draft.ts";
import { bounded, repairDraft, syncDraft, syncLong } from "../../src/checker/scalar-sync.ts";
import { describe as describeScalar, kernelText } from "../../src/checker/scalar-text.ts";
import { coerce, endian, fitsSigned, movsx } from "../../src/checker/scalar-width.ts";
import { allows, anyNumber, anyPairs, anyStep, jumps, type Pair, runs, shown } from "./scalar-values.ts";

const byte = fromUnsignedWidth(1);

function range(umin: bigint, umax: bigint): Scalar {
  return bounded({ umin, umax });
}

describe("nothing possible is excluded", () => {
  test("along walks of every operation and both ways of branches", () => {
    fc.assert(
      fc.property(anyPairs(12), anyStep, ([a, b], step) => {
        for (const pair of step(a, b)) {
          if (!allows(pair.abstract, pair.concrete)) throw new Error(`${shown(a)}; ${shown(b)} -> ${shown(pair)}`);
        }
      }),
      runs(3000),
    );
  });

  test("by moving pointers, linked registers and splits", () => {
    fc.assert(
      fc.property(anyPairs(8), fc.integer(), ([a, b], delta) => {
        const sum = BigInt.asUintN(64, a.concrete + b.concrete);
        expect(allows(pointerAdd(a.abstract, b.abstract), sum)).toBe(true);
        const difference = BigInt.asUintN(64, a.concrete - b.concrete);
        expect(allows(pointerSub(a.abstract, b.abstract), difference)).toBe(true);
        const linked = BigInt.asUintN(64, a.concrete + BigInt(delta));
        expect(allows(linkedAdd(a.abstract, delta), linked)).toBe(true);
        const fork = forked("and", a.abstract, immediate(7));
        if (fork !== null) expect(allows(fork.first, a.concrete) || allows(fork.later, a.concrete)).toBe(true);
      }),
      runs(800),
    );
  });

  test("by comparing a register with itself", () => {
    fc.assert(
      fc.property(
        anyPairs(8),
        fc.constantFrom(...opNames(jumpOps)),
        fc.constantFrom<32 | 64>(32, 64),
        ([a], op, bits) => {
          const taken = jumps(op, bits, a.concrete, a.concrete);
          if (branchTaken(op, bits, a.abstract, a.abstract) !== null) return;
          const learnt: Pair = { abstract: refineSelf(op, bits, taken, a.abstract), concrete: a.concrete };
          if (!allows(learnt.abstract, learnt.concrete))
            throw new Error(`${op} ${bits}: ${shown(a)} -> ${shown(learnt)}`);
        },
      ),
      runs(800),
    );
  });

  test("by `within`: what the inner number allows, the outer one does", () => {
    fc.assert(
      fc.property(anyPairs(8), ([a, b]) => {
        expect(within(a.abstract, a.abstract)).toBe(true);
        expect(within(unknown, a.abstract)).toBe(true);
        if (within(b.abstract, a.abstract)) expect(allows(b.abstract, a.concrete)).toBe(true);
        expect(within(a.abstract, b.abstract) && within(b.abstract, a.abstract)).toBe(equals(a.abstract, b.abstract));
      }),
      runs(800),
    );
  });
});

describe("one answer to one question", () => {
  test("the short way to agree about bits and ranges comes to what the long way does", () => {
    const small = fc.oneof(fc.bigInt(0n, 20n), fc.bigInt(0n, 0xffffn), fc.bigInt(0n, 0x1_ffff_ffffn));
    const low = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 0x7fff_ffff }));
    const some = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value);
    const draft = fc
      .record({
        mask: some(
          fc.oneof(
            small,
            small.map((x) => BigInt.asUintN(64, ~x)),
          ),
        ),
        value: small,
        umin: some(small),
        umax: some(small),
        smin: some(
          fc.oneof(
            small,
            small.map((x) => -x),
          ),
        ),
        smax: some(
          fc.oneof(
            small,
            small.map((x) => -x),
          ),
        ),
        u32min: some(low),
        u32max: some(low),
        s32min: some(
          fc.oneof(
            low,
            low.map((x) => 0 - x),
          ),
        ),
        s32max: some(
          fc.oneof(
            low,
            low.map((x) => 0 - x),
          ),
        ),
      })
      .map(({ mask, value, ...ranges }) => {
        const bits = { mask: mask ?? unknown.mask, value: mask === null ? 0n : value & ~mask };
        const given = Object.fromEntries(Object.entries(ranges).filter(([, limit]) => limit !== null));
        return { ...unknown, ...bits, ...given };
      });
    fc.assert(
      fc.property(draft, (fields) => {
        const short = new Draft();
        const long = new Draft();
        loadDraft(short, fields);
        loadDraft(long, fields);
        syncDraft(short);
        syncLong(long);
        expect({ ...short }).toEqual({ ...long });
      }),
      runs(3000),
    );
  });

  test("asked twice, the same answer", () => {
    fc.assert(
      fc.property(anyPairs(6), anyStep, ([a, b], step) => {
        const [first, second] = [step(a, b), step(a, b)];
        expect(equals(second[0].abstract, first[0].abstract)).toBe(true);
        expect(equals(second[1].abstract, first[1].abstract)).toBe(true);
      }),
      runs(500),
    );
  });

  test("what learns nothing stays the same object", () => {
    const other = range(10n, 300n);
    expect(refine("lt", 64, true, byte, immediate(1000))).toEqual({ dst: byte, src: immediate(1000) });
    expect(refine("lt", 64, true, byte, immediate(1000)).dst).toBe(byte);
    expect(refine("ne", 64, true, byte, other).src).toBe(other);
    expect(alu("and", 64, byte, immediate(255))).toBe(byte);
    expect(coerce(byte, 8, true)).toBe(byte);
    expect(zext32(unknown)).toBe(fromUnsignedWidth(4));
  });
});

describe("numbers", () => {
  test("constants", () => {
    for (const value of [0n, 1n, -1n, 255n, 1n << 63n, (1n << 64n) - 1n, -(1n << 63n), 0x1234_5678_9abc_def0n]) {
      const s = constant(value);
      expect(constValue(s)).toBe(BigInt.asUintN(64, value));
      expect(s.smin).toBe(BigInt.asIntN(64, value));
      expect(isConst(s) && isConst32(s) && isExact(s)).toBe(true);
      expect(constant(BigInt.asIntN(64, value))).toBe(s);
    }
    fc.assert(
      fc.property(anyNumber, fc.integer(), (x, imm) => {
        expect(constant(x).value).toBe(x);
        expect(equals(immediate(imm), constant(BigInt(imm)))).toBe(true);
      }),
      runs(1000),
    );
  });

  test("widths", () => {
    expect([1, 2, 4, 8].map((bytes) => bitWidth(fromUnsignedWidth(bytes as 1 | 2 | 4 | 8)))).toEqual([8, 16, 32, 64]);
    expect(bitWidth(constant(0n))).toBe(0);
    expect(bitWidth(constant(256n))).toBe(9);
    expect(fitsSigned(byte, 8)).toBe(false);
    expect(fitsSigned(range(0n, 127n), 8)).toBe(true);
  });

  test("what contradicts itself forgets the ranges and keeps the bits", () => {
    const draft = new Draft();
    loadDraft(draft, { ...unknown, umin: 5n, umax: 4n });
    repairDraft(draft);
    expect({ ...draft }).toEqual({ ...new Draft() });
    loadDraft(draft, { ...byte, value: 4n, mask: 0n });
    repairDraft(draft);
    expect({ ...draft }).toEqual({ ...new Draft(), value: 4n, mask: 0n });
    expect(isExact(constant(4n))).toBe(true);
    expect(isExact(byte)).toBe(false);
  });

  test("what the kernel splits before it combines", () => {
    const sign = alu("arsh", 64, unknown, immediate(63));
    expect([sign.smin, sign.smax]).toEqual([-1n, 0n]);
    for (const op of ["and", "or"] as const) {
      expect(forked(op, sign, immediate(12))).toEqual({ first: constant(-1n), later: constant(0n) });
      expect(forked(op, sign, byte)).toBeNull();
      const half = forked(op, alu("arsh", 32, unknown, immediate(31)), immediate(12));
      expect(half === null ? null : [kernelText(half.first), kernelText(half.later)]).toEqual(["0xffffffff", "0"]);
    }
    expect(forked("xor", sign, immediate(12))).toBeNull();
    expect(forked("and", byte, immediate(12))).toBeNull();
  });
});

// Hand-computed: what a person would say, and what the kernel's log says.
const texts: readonly [what: string, s: Scalar, forPeople: string, inLog: string][] = [
  ["nothing", unknown, "any value", "scalar()"],
  ["a constant", constant(14n), "= 14", "14"],
  ["minus one", constant(-1n), "= -1", "-1"],
  ["a big constant", constant(0x12345n), "= 74565", "0x12345"],
  ["the greatest", constant((1n << 63n) - 1n), "= 0x7fffffffffffffff", "0x7fffffffffffffff"],
  ["the least", constant(1n << 63n), "= 0x8000000000000000", "0x8000000000000000"],
  ["a byte", byte, "0..255", "scalar(smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))"],
  ["a word", fromUnsignedWidth(4), "0..4294967295", "scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))"],
  [
    "a header length",
    alu("lsh", 64, alu("and", 64, byte, immediate(15)), immediate(2)),
    "multiple of 4 in 0..60",
    "scalar(smin=smin32=0,smax=umax=smax32=umax32=60,var_off=(0x0; 0x3c))",
  ],
  [
    "at least 20",
    refine("lt", 64, false, alu("lsh", 64, alu("and", 64, byte, immediate(15)), immediate(2)), immediate(20)).dst,
    "multiple of 4 in 20..60",
    "scalar(smin=umin=smin32=umin32=20,smax=umax=smax32=umax32=60,var_off=(0x0; 0x3c))",
  ],
  ["not zero", refine("eq", 64, false, unknown, immediate(0)).dst, "1 or more", "scalar(umin=1)"],
  ["a signed byte", coerce(unknown, 1, true), "-128..127", "scalar(smin=smin32=-128,smax=smax32=127)"],
  ["negative", refine("slt", 64, true, unknown, immediate(0)).dst, "-1 or less", ""],
  ["multiples", alu("and", 64, unknown, immediate(-8)), "multiple of 8", ""],
];

describe("text", () => {
  test.each(texts)("%s", (_what, s, forPeople, inLog) => {
    expect(describeScalar(s)).toBe(forPeople);
    if (inLog !== "") expect(kernelText(s)).toBe(inLog);
  });
});

describe("byte order and signs", () => {
  test("hand-computed", () => {
    expect(constValue(endian("be", 16, constant(0x1_0800n)))).toBe(8n);
    expect(constValue(endian("bswap", 32, constant(0xffff_ffff_1234_5678n)))).toBe(0x7856_3412n);
    expect(constValue(endian("le", 16, constant(0x1_0800n)))).toBe(0x800n);
    expect(endian("le", 64, byte)).toBe(byte);
    expect(describeScalar(endian("be", 16, byte))).toBe("multiple of 256 in 0..65280");
    expect(constValue(movsx(32, 8, constant(0xd9n)))).toBe(0xffff_ffd9n);
    expect(constValue(movsx(64, 8, constant(0xd9n)))).toBe(BigInt.asUintN(64, -39n));
    expect(constValue(neg(32, constant(1n)))).toBe(0xffff_ffffn);
    expect(describeScalar(neg(64, byte))).toBe("-255..0");
  });
});
