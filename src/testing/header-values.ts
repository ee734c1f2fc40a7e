// Header fields in bytes: reading and writing them, and a header's own expressions (its size, what `when` asks) worked out on
// them. Shared by making packets and reading them; knows nothing of rules.

import { InternalError } from "../base/assert.ts";
import { foldBinary } from "../ir/conversion.ts";
import type { Field, HCond, HExpr, Header } from "../ir/hir.ts";
import { scalarBits } from "../ir/types.ts";

/** The number a field holds in the header that starts at `at` in `bytes`; the field must lie inside. */
export function readField(bytes: Uint8Array, at: number, field: Field): bigint {
  const first = at + (field.bitOffset >> 3);
  const last = at + ((field.bitOffset + field.bitWidth - 1) >> 3);
  let value = 0n;
  for (let i = first; i <= last; i++) value = (value << 8n) | BigInt(bytes[i] ?? 0);
  const behind = 7 - ((field.bitOffset + field.bitWidth - 1) & 7);
  return (value >> BigInt(behind)) & ((1n << BigInt(field.bitWidth)) - 1n);
}

/** Writes a number, cut to the field's width, into the header that starts at `at`. */
export function writeField(bytes: Uint8Array, at: number, field: Field, value: bigint): void {
  const last = at + ((field.bitOffset + field.bitWidth - 1) >> 3);
  const behind = BigInt(7 - ((field.bitOffset + field.bitWidth - 1) & 7));
  let mask = ((1n << BigInt(field.bitWidth)) - 1n) << behind;
  let rest = (value << behind) & mask;
  for (let i = last; mask > 0n; i--) {
    bytes[i] = ((bytes[i] ?? 0) & ~Number(mask & 0xffn)) | Number(rest & 0xffn);
    mask >>= 8n;
    rest >>= 8n;
  }
}

/** The size in bytes that a header at `at` says it has; for a header of fixed size that. */
export function sizeOf(header: Header, bytes: Uint8Array, at: number): number {
  return header.size === null ? header.fixedBytes : Number(ownValue(header.size.bytes, bytes, at));
}

/**
 * Where the fixed part of a header that starts at `at` begins, or the part of it that holds `field`; null where its bits say that there is
 * no such part.
 */
export function placeOf(field: Field, bytes: Uint8Array, at: number): number | null {
  const { part } = field.header;
  if (part === null) return at;
  if (readField(bytes, at, part.flag) === 0n) return null;
  const before = part.of.parts.slice(0, part.of.parts.indexOf(field.header));
  return at + part.of.fixedBytes + partBytes(before, bytes, at);
}

/** The bytes of those of these parts that the header at `at` has. */
export function partBytes(parts: readonly Header[], bytes: Uint8Array, at: number): number {
  const there = parts.filter(({ part }) => part !== null && readField(bytes, at, part.flag) === 1n);
  return there.reduce((sum, { fixedBytes }) => sum + fixedBytes, 0);
}

/** Whether something may follow the header at `at`: it has a selector and its `when` holds. */
export function leadsOn(header: Header, bytes: Uint8Array, at: number): boolean {
  if (header.next === null) return false;
  return header.next.when === null || ownCondition(header.next.when, bytes, at);
}

function ownValue(value: HExpr, bytes: Uint8Array, at: number): bigint {
  switch (value.kind) {
    case "const":
      return value.value;
    case "field":
      return readField(bytes, at, value.field);
    case "cast":
      return BigInt.asUintN(scalarBits(value.type) ?? 64, ownValue(value.value, bytes, at));
    case "binary":
      return foldBinary(
        value.op,
        ownValue(value.a, bytes, at),
        ownValue(value.b, bytes, at),
        scalarBits(value.type) ?? 64,
      );
    case "condition":
      return ownCondition(value.condition, bytes, at) ? 1n : 0n;
    default:
      throw new InternalError(`a header's own expression holds ${value.kind}`);
  }
}

/** Whether a condition on a header's own fields holds of the one at `at`. */
export function ownCondition(condition: HCond, bytes: Uint8Array, at: number): boolean {
  switch (condition.kind) {
    case "constant":
      return condition.value;
    case "truth":
      return ownValue(condition.value, bytes, at) !== 0n;
    case "not":
      return !ownCondition(condition.operand, bytes, at);
    case "and":
      return ownCondition(condition.a, bytes, at) && ownCondition(condition.b, bytes, at);
    case "or":
      return ownCondition(condition.a, bytes, at) || ownCondition(condition.b, bytes, at);
    case "compare":
      return compareNumbers(condition.op, ownValue(condition.a, bytes, at), ownValue(condition.b, bytes, at));
    case "inSet": {
      const value = ownValue(condition.value, bytes, at);
      const found =
        condition.set.kind === "ranges" && condition.set.ranges.some((r) => value >= r.from && value <= r.to);
      return found !== condition.negated;
    }
    default:
      throw new InternalError(`a header's own condition holds ${condition.kind}`);
  }
}

/** A comparison of two numbers. */
export function compareNumbers(op: "==" | "!=" | "<" | "<=" | ">" | ">=", a: bigint, b: bigint): boolean {
  switch (op) {
    case "==":
      return a === b;
    case "!=":
      return a !== b;
    case "<":
      return a < b;
    case "<=":
      return a <= b;
    case ">":
      return a > b;
    case ">=":
      return a >= b;
  }
}
