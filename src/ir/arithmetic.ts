// What the IR's operations do to constants, told once for all passes. Values are unsigned numbers of their type's width.

import type { BinaryKind, Compare, IntType } from "./ir.ts";

/** The width of an integer type in bits. */
export function bitsOf(type: IntType): 32 | 64 {
  return type === "i32" ? 32 : 64;
}

/** The greatest value of an integer type. */
export function maxOf(type: IntType): bigint {
  return type === "i32" ? 0xffff_ffffn : 0xffff_ffff_ffff_ffffn;
}

/** The result of a two-operand operation; division by zero gives 0, modulo zero the dividend. */
export function evaluateBinary(kind: BinaryKind, type: IntType, a: bigint, b: bigint): bigint {
  const bits = bitsOf(type);
  switch (kind) {
    case "add":
      return BigInt.asUintN(bits, a + b);
    case "sub":
      return BigInt.asUintN(bits, a - b);
    case "mul":
      return BigInt.asUintN(bits, a * b);
    case "div":
      return b === 0n ? 0n : a / b;
    case "mod":
      return b === 0n ? a : a % b;
    case "and":
      return a & b;
    case "or":
      return a | b;
    case "xor":
      return a ^ b;
    case "shl":
      return BigInt.asUintN(bits, a << (b & BigInt(bits - 1)));
    case "shr":
      return a >> (b & BigInt(bits - 1));
  }
}

/** The low `bytes` bytes of `value` in reverse order. */
export function swapBytes(value: bigint, bytes: number): bigint {
  let result = 0n;
  let rest = value;
  for (let i = 0; i < bytes; i++) {
    result = (result << 8n) | (rest & 0xffn);
    rest >>= 8n;
  }
  return result;
}

/** Whether a comparison holds. */
export function evaluateCompare(compare: Compare, type: IntType, a: bigint, b: bigint): boolean {
  const bits = bitsOf(type);
  switch (compare) {
    case "eq":
      return a === b;
    case "ne":
      return a !== b;
    case "ult":
      return a < b;
    case "ule":
      return a <= b;
    case "ugt":
      return a > b;
    case "uge":
      return a >= b;
    case "slt":
      return BigInt.asIntN(bits, a) < BigInt.asIntN(bits, b);
    case "sle":
      return BigInt.asIntN(bits, a) <= BigInt.asIntN(bits, b);
    case "sgt":
      return BigInt.asIntN(bits, a) > BigInt.asIntN(bits, b);
    case "sge":
      return BigInt.asIntN(bits, a) >= BigInt.asIntN(bits, b);
    case "set":
      return (a & b) !== 0n;
  }
}
