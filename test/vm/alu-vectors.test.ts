// Every instruction of arithmetic and every condition on every pair of operands at which something happens, in both executors. The
// expectations are RFC 9669's sentences as arithmetic on unbounded integers, and are themselves held to a table of results worked
// out by hand. Nothing here uses the machine's own arithmetic.

import { describe, expect, test } from "vitest";
import { encode } from "../../src/bpf/encode.ts";
import type { AluOp, JumpOp, Operand, ResolvedInsn } from "../../src/bpf/insn.ts";
import { aluOps, jumpOps, opNames } from "../../src/bpf/isa.ts";
import { Machine } from "../../src/vm/machine.ts";
import { bareImage } from "../../src/vm/program.ts";
import type { ExecutorName } from "./support.ts";
import { executors } from "./support.ts";

const two32 = 2n ** 32n;
const two64 = 2n ** 64n;

const operands: readonly bigint[] = [
  0n,
  1n,
  2n,
  3n,
  7n,
  10n,
  31n,
  32n,
  33n,
  63n,
  64n,
  65n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x1234_5678n,
  0x7fff_ffffn,
  0x8000_0000n,
  0x8000_0001n,
  0xffff_fffen,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x1_0000_0001n,
  0x1_8000_0000n,
  0x1_ffff_ffffn,
  0x0123_4567_89ab_cdefn,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0x8000_0000_0000_0001n,
  0xffff_ffff_0000_0000n,
  0xffff_ffff_7fff_ffffn,
  0xffff_ffff_8000_0000n,
  0xffff_ffff_ffff_fff6n,
  0xffff_ffff_ffff_ffffn,
];
const immediates = [0, 1, 2, 3, 5, 31, 32, 33, 63, 64, 255, 0x7fff_ffff, -1, -2, -10, -32, -0x7fff_ffff, -0x8000_0000];

/** `value` modulo 2^bits, 0 or more. */
function wrap(value: bigint, bits: number): bigint {
  const modulus = 2n ** BigInt(bits);
  return ((value % modulus) + modulus) % modulus;
}

/** `value` modulo 2^bits, from -2^(bits-1) on. */
function signed(value: bigint, bits: number): bigint {
  const wrapped = wrap(value, bits);
  return wrapped >= 2n ** BigInt(bits - 1) ? wrapped - 2n ** BigInt(bits) : wrapped;
}

/** Quotient cut towards zero, from absolute values. */
function quotient(a: bigint, b: bigint): bigint {
  const magnitude = (a < 0n ? -a : a) / (b < 0n ? -b : b);
  return a < 0n === b < 0n ? magnitude : -magnitude;
}

function bitwise(a: bigint, b: bigint, f: (x: boolean, y: boolean) => boolean): bigint {
  let result = 0n;
  for (let bit = 0n; bit < 64n; bit++) {
    const weight = 2n ** bit;
    if (f((a / weight) % 2n === 1n, (b / weight) % 2n === 1n)) result += weight;
  }
  return result;
}

/** The result of `a OP b` as RFC 9669 section 4.1 has it: modulo 2^bits, zero-extended. */
function expectedAlu(op: AluOp, bits: 32 | 64, a64: bigint, b64: bigint): bigint {
  const a = wrap(a64, bits);
  const b = wrap(b64, bits);
  const power = 2n ** (b % BigInt(bits));
  const results: Record<AluOp, () => bigint> = {
    add: () => a + b,
    sub: () => a - b,
    mul: () => a * b,
    div: () => (b === 0n ? 0n : quotient(a, b)),
    mod: () => (b === 0n ? a : a - b * quotient(a, b)),
    sdiv: () => (b === 0n ? 0n : quotient(signed(a, bits), signed(b, bits))),
    smod: () => (b === 0n ? a : signed(a, bits) - signed(b, bits) * quotient(signed(a, bits), signed(b, bits))),
    or: () => bitwise(a, b, (x, y) => x || y),
    and: () => bitwise(a, b, (x, y) => x && y),
    xor: () => bitwise(a, b, (x, y) => x !== y),
    lsh: () => a * power,
    rsh: () => (a - (a % power)) / power,
    arsh: () => (signed(a, bits) - wrap(signed(a, bits), Number(b % BigInt(bits)))) / power,
    mov: () => b,
  };
  return wrap(results[op](), bits);
}

function expectedCondition(op: JumpOp, bits: 32 | 64, a64: bigint, b64: bigint): boolean {
  const [a, b] = [wrap(a64, bits), wrap(b64, bits)];
  const [x, y] = [signed(a64, bits), signed(b64, bits)];
  const results: Record<JumpOp, boolean> = {
    eq: a === b,
    ne: a !== b,
    gt: a > b,
    ge: a >= b,
    lt: a < b,
    le: a <= b,
    sgt: x > y,
    sge: x >= y,
    slt: x < y,
    sle: x <= y,
    set: bitwise(a, b, (p, q) => p && q) !== 0n,
  };
  return results[op];
}

/** Runs `insn` with r3 and r4 from a buffer; r3 comes back (r0 for conditions: 1 taken, 0 not). */
function runner(insns: readonly ResolvedInsn[], executor: ExecutorName): (a: bigint, b: bigint) => bigint {
  const program: ResolvedInsn[] = [
    { kind: "load", width: 8, signed: false, dst: 3, base: 1, offset: 0 },
    { kind: "load", width: 8, signed: false, dst: 4, base: 1, offset: 8 },
    ...insns,
  ];
  const machine = new Machine(bareImage(encode(program).bytes), { executor });
  const memory = new Uint8Array(16);
  const view = new DataView(memory.buffer);
  return (a, b) => {
    view.setBigUint64(0, a, true);
    view.setBigUint64(8, b, true);
    return machine.runOn(memory);
  };
}

function giving(reg: 3, ...insns: ResolvedInsn[]): ResolvedInsn[] {
  return [...insns, { kind: "alu", op: "mov", bits: 64, dst: 0, src: { reg } }, { kind: "exit" }];
}

function aluRunner(op: AluOp, bits: 32 | 64, src: Operand, executor: ExecutorName) {
  return runner(giving(3, { kind: "alu", op, bits, dst: 3, src }), executor);
}

function branchRunner(op: JumpOp, bits: 32 | 64, src: Operand, executor: ExecutorName) {
  const set = (imm: number): ResolvedInsn => ({ kind: "alu", op: "mov", bits: 64, dst: 0, src: { imm } });
  const exit: ResolvedInsn = { kind: "exit" };
  const branch: ResolvedInsn = { kind: "branch", op, bits, dst: 3, src, target: 2 };
  return runner([branch, set(0), exit, set(1), exit], executor);
}

/** Compares without making a message of every pair. */
function expectSame(got: bigint, want: bigint, describeCase: () => string): void {
  if (got !== want) expect.fail(`${describeCase()}: got 0x${got.toString(16)}, want 0x${want.toString(16)}`);
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** Worked out by hand from the text of RFC 9669: what the oracle above must say too. */
const byHand: readonly (readonly [op: AluOp, bits: 32 | 64, a: bigint, b: bigint, result: bigint])[] = [
  ["add", 64, 0xffff_ffff_ffff_ffffn, 1n, 0n],
  ["add", 64, 0xffff_ffffn, 1n, 0x1_0000_0000n],
  ["add", 32, 0xffff_ffffn, 1n, 0n],
  ["add", 32, 0xffff_ffff_0000_0001n, 1n, 2n],
  ["sub", 64, 0n, 1n, 0xffff_ffff_ffff_ffffn],
  ["sub", 64, 0x1_0000_0000n, 1n, 0xffff_ffffn],
  ["sub", 32, 0n, 1n, 0xffff_ffffn],
  ["mul", 64, 0xffff_ffffn, 0xffff_ffffn, 0xffff_fffe_0000_0001n],
  ["mul", 64, 0xffff_ffff_ffff_ffffn, 0xffff_ffff_ffff_ffffn, 1n],
  ["mul", 32, 0xffff_ffffn, 0xffff_ffffn, 1n],
  ["div", 64, 7n, 0n, 0n],
  ["div", 64, 0xffff_ffff_ffff_fff6n, 3n, 0x5555_5555_5555_5552n],
  ["div", 32, 0xffff_fff6n, 3n, 0x5555_5552n],
  ["div", 32, 7n, 0x1_0000_0000n, 0n],
  ["mod", 64, 0x1_0000_0007n, 0n, 0x1_0000_0007n],
  ["mod", 32, 0x1_0000_0007n, 0n, 7n],
  ["mod", 32, 0xffff_ffffn, 10n, 5n],
  ["sdiv", 64, 0xffff_ffff_ffff_fff6n, 3n, 0xffff_ffff_ffff_fffdn],
  ["sdiv", 64, 0x8000_0000_0000_0000n, 0xffff_ffff_ffff_ffffn, 0x8000_0000_0000_0000n],
  ["sdiv", 32, 0x8000_0000n, 0xffff_ffffn, 0x8000_0000n],
  ["sdiv", 32, 0xffff_fff6n, 3n, 0xffff_fffdn],
  ["sdiv", 32, 10n, 0xffff_fffdn, 0xffff_fffdn],
  ["sdiv", 64, 7n, 0n, 0n],
  ["smod", 64, 0xffff_ffff_ffff_fff3n, 3n, 0xffff_ffff_ffff_ffffn],
  ["smod", 64, 13n, 0xffff_ffff_ffff_fffdn, 1n],
  ["smod", 64, 0x8000_0000_0000_0000n, 0xffff_ffff_ffff_ffffn, 0n],
  ["smod", 32, 0x8000_0000n, 0xffff_ffffn, 0n],
  ["smod", 32, 0xffff_fff3n, 0n, 0xffff_fff3n],
  ["lsh", 64, 1n, 63n, 0x8000_0000_0000_0000n],
  ["lsh", 64, 1n, 64n, 1n],
  ["lsh", 64, 3n, 32n, 0x3_0000_0000n],
  ["lsh", 32, 1n, 31n, 0x8000_0000n],
  ["lsh", 32, 1n, 32n, 1n],
  ["lsh", 32, 1n, 63n, 0x8000_0000n],
  ["rsh", 64, 0x8000_0000_0000_0000n, 63n, 1n],
  ["rsh", 64, 0x1_0000_0000n, 32n, 1n],
  ["rsh", 32, 0xffff_ffff_8000_0000n, 31n, 1n],
  ["arsh", 64, 0x8000_0000_0000_0000n, 63n, 0xffff_ffff_ffff_ffffn],
  ["arsh", 64, 0x8000_0000_0000_0000n, 32n, 0xffff_ffff_8000_0000n],
  ["arsh", 32, 0x8000_0000n, 31n, 0xffff_ffffn],
  ["arsh", 32, 0x8000_0000n, 33n, 0xc000_0000n],
  ["mov", 32, 0n, 0xffff_ffff_ffff_ffffn, 0xffff_ffffn],
  ["mov", 64, 0n, 0xffff_ffff_ffff_ffffn, 0xffff_ffff_ffff_ffffn],
  ["xor", 32, 0xffff_ffff_ffff_ffffn, 0xffff_ffffn, 0n],
  ["or", 32, 0xffff_ffff_0000_0000n, 1n, 1n],
  ["and", 64, 0xffff_ffff_ffff_ffffn, 0xffff_ffff_8000_0000n, 0xffff_ffff_8000_0000n],
];

test.each(byHand)("the expectation of %s on %i bits: %i, %i", (op, bits, a, b, result) => {
  expect(expectedAlu(op, bits, a, b)).toBe(result);
});

describe.each(executors)("%s", (executor) => {
  describe.each([32, 64] as const)("%i bits", (bits) => {
    test.each(opNames(aluOps))("%s with a register", (op) => {
      const run = aluRunner(op, bits, { reg: 4 }, executor);
      for (const a of operands)
        for (const b of operands)
          expectSame(run(a, b), expectedAlu(op, bits, a, b), () => `${op}${bits} ${hex(a)}, ${hex(b)}`);
    });

    test.each(opNames(aluOps))("%s with itself", (op) => {
      const run = aluRunner(op, bits, { reg: 3 }, executor);
      for (const a of operands)
        expectSame(run(a, 0n), expectedAlu(op, bits, a, a), () => `${op}${bits} ${hex(a)} with itself`);
    });

    test.each(opNames(aluOps))("%s with an immediate", (op) => {
      for (const imm of immediates) {
        const run = aluRunner(op, bits, { imm }, executor);
        for (const a of operands)
          expectSame(
            run(a, 0n),
            expectedAlu(op, bits, a, wrap(BigInt(imm), 64)),
            () => `${op}${bits} ${hex(a)}, immediate ${imm}`,
          );
      }
    });

    test.each(opNames(jumpOps))("if %s a register", (op) => {
      const run = branchRunner(op, bits, { reg: 4 }, executor);
      for (const a of operands)
        for (const b of operands)
          expectSame(
            run(a, b),
            expectedCondition(op, bits, a, b) ? 1n : 0n,
            () => `if${bits} ${hex(a)} ${op} ${hex(b)}`,
          );
    });

    test.each(opNames(jumpOps))("if %s an immediate", (op) => {
      for (const imm of immediates) {
        const run = branchRunner(op, bits, { imm }, executor);
        for (const a of operands)
          expectSame(
            run(a, 0n),
            expectedCondition(op, bits, a, wrap(BigInt(imm), 64)) ? 1n : 0n,
            () => `if${bits} ${hex(a)} ${op} immediate ${imm}`,
          );
      }
    });

    test("negation", () => {
      const run = runner(giving(3, { kind: "neg", bits, dst: 3 }), executor);
      for (const a of operands) expectSame(run(a, 0n), wrap(-wrap(a, bits), bits), () => `-${hex(a)}`);
    });

    test.each(bits === 64 ? ([8, 16, 32] as const) : ([8, 16] as const))("sign extension of %i bits", (fromBits) => {
      const run = runner(giving(3, { kind: "movsx", bits, fromBits, dst: 3, src: 4 }), executor);
      for (const b of operands)
        expectSame(run(0x5555_5555_5555_5555n, b), wrap(signed(b, fromBits), bits), () => hex(b));
    });
  });

  test.each([
    ["le", 16, 0xcdefn],
    ["le", 32, 0x89ab_cdefn],
    ["le", 64, 0x0123_4567_89ab_cdefn],
    ["be", 16, 0xefcdn],
    ["be", 32, 0xefcd_ab89n],
    ["be", 64, 0xefcd_ab89_6745_2301n],
    ["bswap", 16, 0xefcdn],
    ["bswap", 32, 0xefcd_ab89n],
    ["bswap", 64, 0xefcd_ab89_6745_2301n],
  ] as const)("%s%i", (op, bits, result) => {
    const run = runner(giving(3, { kind: "endian", op, bits, dst: 3 }), executor);
    expect(run(0x0123_4567_89ab_cdefn, 0n)).toBe(result);
    for (const a of operands) {
      const bytes = [
        ...wrap(a, bits)
          .toString(16)
          .padStart(bits / 4, "0")
          .matchAll(/../g),
      ].map(([byte]) => byte);
      const text = op === "le" ? bytes.join("") : bytes.reverse().join("");
      expectSame(run(a, 0n), BigInt(`0x${text}`), () => `${op}${bits} ${hex(a)}`);
    }
  });

  test.each([0n, 1n, 0xffff_ffffn, two32, 0x8000_0000_0000_0000n, two64 - 1n])("a wide constant %i", (value) => {
    const insns: ResolvedInsn[] = [{ kind: "loadWide", dst: 0, value: { kind: "constant", value } }, { kind: "exit" }];
    expect(new Machine(bareImage(encode(insns).bytes), { executor }).runOn(new Uint8Array(0))).toBe(value);
  });
});
