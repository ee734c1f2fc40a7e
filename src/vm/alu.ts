// Arithmetic and conditions as RFC 9669 words them, on 64-bit values as bigint of 0 to 2^64 - 1. The interpreter's meaning and
// the measure of the compiled executor, which does the same on pairs of int32; slow and plain on purpose.

import type { AluOp, AtomicOp, JumpOp } from "../bpf/insn.ts";

/**
 * `a OP b` on the low `bits` bits of both; the result is zero-extended to 64 bits. Never faults: x / 0 = 0, x % 0 = x, the
 * least number / -1 = itself, the least number % -1 = 0, and shifts use the low 5 or 6 bits of their distance.
 *
 * **Source:** RFC 9669 section 4.1.
 */
export function aluResult(op: AluOp, bits: 32 | 64, a: bigint, b: bigint): bigint {
  return BigInt.asUintN(bits, evaluate(op, bits, BigInt.asUintN(bits, a), BigInt.asUintN(bits, b)));
}

function evaluate(op: AluOp, bits: 32 | 64, a: bigint, b: bigint): bigint {
  const distance = b & BigInt(bits - 1);
  switch (op) {
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "mul":
      return a * b;
    case "div":
      return b === 0n ? 0n : a / b;
    case "mod":
      return b === 0n ? a : a % b;
    case "sdiv":
      return b === 0n ? 0n : BigInt.asIntN(bits, a) / BigInt.asIntN(bits, b);
    case "smod":
      return b === 0n ? a : BigInt.asIntN(bits, a) % BigInt.asIntN(bits, b);
    case "or":
      return a | b;
    case "and":
      return a & b;
    case "xor":
      return a ^ b;
    case "lsh":
      return a << distance;
    case "rsh":
      return a >> distance;
    case "arsh":
      return BigInt.asIntN(bits, a) >> distance;
    case "mov":
      return b;
  }
}

/**
 * True when `a OP b` holds on the low `bits` bits of both.
 *
 * **Source:** RFC 9669 section 4.3.
 */
export function conditionHolds(op: JumpOp, bits: 32 | 64, a64: bigint, b64: bigint): boolean {
  const a = BigInt.asUintN(bits, a64);
  const b = BigInt.asUintN(bits, b64);
  const signedA = BigInt.asIntN(bits, a);
  const signedB = BigInt.asIntN(bits, b);
  switch (op) {
    case "eq":
      return a === b;
    case "ne":
      return a !== b;
    case "gt":
      return a > b;
    case "ge":
      return a >= b;
    case "lt":
      return a < b;
    case "le":
      return a <= b;
    case "sgt":
      return signedA > signedB;
    case "sge":
      return signedA >= signedB;
    case "slt":
      return signedA < signedB;
    case "sle":
      return signedA <= signedB;
    case "set":
      return (a & b) !== 0n;
  }
}

/**
 * The low `bits` bits of `value` in the named byte order, the rest zero, on a little-endian machine: `le` only cuts.
 *
 * **Source:** RFC 9669 section 4.2.
 */
export function byteOrdered(op: "le" | "be" | "bswap", bits: 16 | 32 | 64, value: bigint): bigint {
  const cut = BigInt.asUintN(bits, value);
  if (op === "le") return cut;
  let swapped = 0n;
  for (let bit = 0; bit < bits; bit += 8) swapped = (swapped << 8n) | ((cut >> BigInt(bit)) & 0xffn);
  return swapped;
}

/**
 * What an atomic operation leaves in memory where `old` stood; `r0` counts only for cmpxchg, which stores when it equals `old`.
 * All values have the access's width.
 *
 * **Source:** RFC 9669 section 5.3.
 */
export function atomicResult(op: AtomicOp, old: bigint, source: bigint, r0: bigint): bigint {
  switch (op) {
    case "add":
      return old + source;
    case "or":
      return old | source;
    case "and":
      return old & source;
    case "xor":
      return old ^ source;
    case "xchg":
      return source;
    case "cmpxchg":
      return old === r0 ? source : old;
  }
}
