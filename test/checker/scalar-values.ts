// Concrete 64-bit numbers and what instructions do to them (RFC 9669), told apart from the checker's own arithmetic: what the
// scalar domain is measured by. Besides it, random walks that hold an abstract number and one concrete number that it allows.

import fc from "fast-check";
import type { AluOp, JumpOp } from "../../src/bpf/insn.ts";
import { aluOps, jumpOps, opNames } from "../../src/bpf/isa.ts";
import { constant, type Scalar, unknown } from "../../src/checker/scalar.ts";
import { alu, neg, zext32 } from "../../src/checker/scalar-alu.ts";
import { branchTaken, refine } from "../../src/checker/scalar-branch.ts";
import { kernelText } from "../../src/checker/scalar-text.ts";
import { coerce, endian, movsx } from "../../src/checker/scalar-width.ts";

/** How fast-check runs here: FC_SEED and FC_RUNS override. */
export function runs(count: number): fc.Parameters<unknown> {
  const seed = process.env.FC_SEED;
  return { numRuns: Number(process.env.FC_RUNS ?? count), ...(seed === undefined ? {} : { seed: Number(seed) }) };
}

/** True when abstract number `s` allows `x` (0 to 2^64 - 1) in every one of its parts. */
export function allows(s: Scalar, x: bigint): boolean {
  const signed = BigInt.asIntN(64, x);
  const low = Number(BigInt.asUintN(32, x));
  return (
    (x & ~s.mask) === s.value &&
    s.umin <= x &&
    x <= s.umax &&
    s.smin <= signed &&
    signed <= s.smax &&
    s.u32min <= low &&
    low <= s.u32max &&
    s.s32min <= (low | 0) &&
    (low | 0) <= s.s32max
  );
}

/** `a OP b` as a machine computes it; the shift amount counts modulo the width, division by zero gives 0 or the dividend. */
export function computed(op: AluOp, bits: 32 | 64, a: bigint, b: bigint): bigint {
  const left = BigInt.asUintN(bits, a);
  const right = BigInt.asUintN(bits, b);
  const signedLeft = BigInt.asIntN(bits, a);
  const signedRight = BigInt.asIntN(bits, b);
  const by = right % BigInt(bits);
  const results: Record<AluOp, () => bigint> = {
    add: () => left + right,
    sub: () => left - right,
    mul: () => left * right,
    div: () => (right === 0n ? 0n : left / right),
    sdiv: () => (right === 0n ? 0n : signedLeft / signedRight),
    mod: () => (right === 0n ? left : left % right),
    smod: () => (right === 0n ? left : signedLeft % signedRight),
    or: () => left | right,
    and: () => left & right,
    xor: () => left ^ right,
    lsh: () => left << by,
    rsh: () => left >> by,
    arsh: () => signedLeft >> by,
    mov: () => right,
  };
  return BigInt.asUintN(bits, results[op]());
}

/** Whether `if a OP b` jumps. */
export function jumps(op: JumpOp, bits: 32 | 64, a: bigint, b: bigint): boolean {
  const [ua, ub] = [BigInt.asUintN(bits, a), BigInt.asUintN(bits, b)];
  const [sa, sb] = [BigInt.asIntN(bits, a), BigInt.asIntN(bits, b)];
  const results: Record<JumpOp, boolean> = {
    eq: ua === ub,
    ne: ua !== ub,
    gt: ua > ub,
    ge: ua >= ub,
    lt: ua < ub,
    le: ua <= ub,
    sgt: sa > sb,
    sge: sa >= sb,
    slt: sa < sb,
    sle: sa <= sb,
    set: (ua & ub) !== 0n,
  };
  return results[op];
}

/** The number that the `bytes` low bytes of `x` make when read backwards. */
export function reversed(x: bigint, bytes: number): bigint {
  const all = Array.from({ length: bytes }, (_, index) => (x >> BigInt(8 * index)) & 0xffn);
  return all.reduce((sum, byte) => sum * 256n + byte, 0n);
}

/** An abstract number and a concrete one that it allows. */
export interface Pair {
  readonly abstract: Scalar;
  readonly concrete: bigint;
}

/** One step of a walk: from two pairs to the pairs that come of them. */
export type Step = (a: Pair, b: Pair) => readonly [Pair, Pair];

/** Numbers near the ends of ranges and near powers of two, and any others; 0 to 2^64 - 1. */
export const anyNumber: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: 0n, max: 300n }),
  fc.bigInt({ min: -300n, max: 0n }).map((x) => BigInt.asUintN(64, x)),
  fc
    .tuple(fc.integer({ min: 0, max: 63 }), fc.bigInt({ min: -3n, max: 3n }))
    .map(([bit, off]) => BigInt.asUintN(64, (1n << BigInt(bit)) + off)),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
);

const width = fc.constantFrom<32 | 64>(32, 64);
const aluOp = fc.constantFrom(...opNames(aluOps));
const jumpOp = fc.constantFrom(...opNames(jumpOps));

const aluStep = fc.record({ op: aluOp, bits: width }).map(
  ({ op, bits }): Step =>
    (a, b) => [
      { abstract: alu(op, bits, a.abstract, b.abstract), concrete: computed(op, bits, a.concrete, b.concrete) },
      b,
    ],
);

const aluConstantStep = fc
  .record({ op: aluOp, bits: width, imm: anyNumber, shift: fc.integer({ min: 0, max: 63 }) })
  .map(
    ({ op, bits, imm, shift }): Step =>
      (a, b) => {
        const isShift = op === "lsh" || op === "rsh" || op === "arsh";
        const operand = isShift ? BigInt(shift % bits) : imm;
        const abstract = alu(op, bits, a.abstract, constant(operand));
        return [{ abstract, concrete: computed(op, bits, a.concrete, operand) }, b];
      },
  );

const swapStep = fc.constant<Step>((a, b) => [b, a]);

const unaryStep: fc.Arbitrary<Step> = fc.oneof(
  width.map(
    (bits): Step =>
      (a, b) => [{ abstract: neg(bits, a.abstract), concrete: BigInt.asUintN(bits, -a.concrete) }, b],
  ),
  fc.constant<Step>((a, b) => [{ abstract: zext32(a.abstract), concrete: BigInt.asUintN(32, a.concrete) }, b]),
  fc.record({ bits: width, fromBits: fc.constantFrom<8 | 16>(8, 16) }).map(
    ({ bits, fromBits }): Step =>
      (a, b) => [
        {
          abstract: movsx(bits, fromBits, a.abstract),
          concrete: BigInt.asUintN(bits, BigInt.asIntN(fromBits, a.concrete)),
        },
        b,
      ],
  ),
  fc.record({ bytes: fc.constantFrom<1 | 2 | 4 | 8>(1, 2, 4, 8), signed: fc.boolean() }).map(
    ({ bytes, signed }): Step =>
      (a, b) => {
        const low = BigInt.asUintN(bytes * 8, a.concrete);
        const concrete = signed ? BigInt.asUintN(64, BigInt.asIntN(bytes * 8, low)) : low;
        return [{ abstract: coerce(a.abstract, bytes, signed), concrete }, b];
      },
  ),
  fc
    .record({
      op: fc.constantFrom<"le" | "be" | "bswap">("le", "be", "bswap"),
      bits: fc.constantFrom<16 | 32 | 64>(16, 32, 64),
    })
    .map(
      ({ op, bits }): Step =>
        (a, b) => [
          {
            abstract: endian(op, bits, a.abstract),
            concrete: op === "le" ? BigInt.asUintN(bits, a.concrete) : reversed(a.concrete, bits / 8),
          },
          b,
        ],
    ),
);

/** A branch that goes the way of the concrete numbers; it fails where the domain says that it can't go there. */
function branched(op: JumpOp, bits: 32 | 64, a: Pair, b: Pair): readonly [Pair, Pair] {
  const taken = jumps(op, bits, a.concrete, b.concrete);
  const decision = branchTaken(op, bits, a.abstract, b.abstract);
  if (decision === !taken) {
    throw new Error(`${op} of ${bits} bits decided to be ${decision}: ${shown(a)}, ${shown(b)}`);
  }
  if (decision !== null) return [a, b];
  const learnt = refine(op, bits, taken, a.abstract, b.abstract);
  return [
    { abstract: learnt.dst, concrete: a.concrete },
    { abstract: learnt.src, concrete: b.concrete },
  ];
}

const branchStep = fc.record({ op: jumpOp, bits: width }).map(
  ({ op, bits }): Step =>
    (a, b) =>
      branched(op, bits, a, b),
);

const branchConstantStep = fc.record({ op: jumpOp, bits: width, imm: anyNumber, near: fc.boolean() }).map(
  ({ op, bits, imm, near }): Step =>
    (a, b) => {
      const value = near ? BigInt.asUintN(64, a.concrete + (imm % 16n) - 8n) : imm;
      return [branched(op, bits, a, { abstract: constant(value), concrete: value })[0], b];
    },
);

/** Any step. */
export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: aluStep },
  { weight: 4, arbitrary: aluConstantStep },
  { weight: 1, arbitrary: swapStep },
  { weight: 2, arbitrary: unaryStep },
  { weight: 2, arbitrary: branchStep },
  { weight: 4, arbitrary: branchConstantStep },
);

/** Two pairs at the end of a walk of up to `length` steps from two numbers of which nothing was known. */
export function anyPairs(length: number): fc.Arbitrary<readonly [Pair, Pair]> {
  return fc.tuple(anyNumber, anyNumber, fc.array(anyStep, { maxLength: length, size: "max" })).map(([x, y, steps]) =>
    steps.reduce<readonly [Pair, Pair]>(
      ([a, b], step) => step(a, b),
      [
        { abstract: unknown, concrete: x },
        { abstract: unknown, concrete: y },
      ],
    ),
  );
}

/** A pair as text, for a failing test. */
export function shown(pair: Pair): string {
  return `${kernelText(pair.abstract)} with 0x${pair.concrete.toString(16)}`;
}
