// The helpers that make and read text: trace_printk, trace_vprintk, snprintf, strtol, strtoul, strncmp.
// Source: Linux kernel/trace/bpf_trace.c (bpf_trace_printk); kernel/bpf/helpers.c (bpf_snprintf, __bpf_strtoull, bpf_strncmp);
// lib/kstrtox.c (_parse_integer).

import { errno } from "../errno.ts";
import { MachineFault } from "../fault.ts";
import type { HelperEnvironment } from "../helper-call.ts";
import { argIsNull, argReadable, argRegion, argU32, argU64, argWritable, giveNumber } from "../helper-call.ts";
import { originLo } from "../memory.ts";
import { bytesFrom, formatText } from "./format.ts";
import { argNumber } from "./maps.ts";

/** The most bytes of a line, its terminating zero included. */
const mostLineBytes = 1024;
/** The most arguments of snprintf and trace_vprintk. */
const mostArguments = 12;

/** bpf_trace_printk: three arguments, whether set or not. */
export function tracePrintk(env: HelperEnvironment): void {
  const format = argReadable(env, 1, argU32(env, 2));
  print(env, format, [argU64(env, 3), argU64(env, 4), argU64(env, 5)]);
}

/** bpf_trace_vprintk. */
export function traceVprintk(env: HelperEnvironment): void {
  const format = argReadable(env, 1, argU32(env, 2));
  const args = argumentList(env, 3, 4);
  if (args === null) giveNumber(env, -errno.EINVAL);
  else print(env, format, args);
}

function print(env: HelperEnvironment, format: Uint8Array, args: readonly bigint[]): void {
  const made = formatText(format, args, env.memory, mostLineBytes);
  if (typeof made === "number") return giveNumber(env, made);
  env.trace(new TextDecoder().decode(made.bytes).replace(/\n$/, ""));
  giveNumber(env, made.length);
}

/** bpf_snprintf. */
export function snprintf(env: HelperEnvironment): void {
  const bytes = argU32(env, 2);
  const target = bytes === 0 ? null : argWritable(env, 1, bytes);
  const args = argumentList(env, 4, 5);
  if (args === null) return giveNumber(env, -errno.EINVAL);
  const format = bytesFrom(env.memory, argU64(env, 3), Number.MAX_SAFE_INTEGER);
  if (format === null) throw new MachineFault("helper", "argument 3 isn't a format");
  const made = formatText(format, args, env.memory, bytes);
  if (typeof made === "number") return giveNumber(env, made);
  target?.set(made.bytes);
  target?.fill(0, made.bytes.length, made.bytes.length + 1);
  giveNumber(env, made.length + 1);
}

/** The 64-bit arguments in memory that arguments `at` (where) and `size` (bytes) name; null when the kernel refuses them. */
function argumentList(env: HelperEnvironment, at: number, size: number): bigint[] | null {
  const bytes = argU32(env, size);
  if (bytes % 8 !== 0 || bytes > mostArguments * 8 || (bytes > 0 && argIsNull(env, at))) return null;
  if (bytes === 0) return [];
  const memory = argReadable(env, at, bytes);
  const view = new DataView(memory.buffer, memory.byteOffset, bytes);
  return Array.from({ length: bytes / 8 }, (_, i) => view.getBigUint64(i * 8, true));
}

/** bpf_strtol. */
export function strtol(env: HelperEnvironment): void {
  parse(env, ({ value, negative }) => {
    const signed = negative ? BigInt.asIntN(64, -value) : BigInt.asIntN(64, value);
    return (negative ? signed > 0n : signed < 0n) ? -errno.ERANGE : signed;
  });
}

/** bpf_strtoul. */
export function strtoul(env: HelperEnvironment): void {
  parse(env, ({ value, negative }) => (negative ? -errno.EINVAL : value));
}

interface Parsed {
  readonly value: bigint;
  readonly negative: boolean;
  /** The bytes read, leading space and sign among them. */
  readonly consumed: number;
}

function parse(env: HelperEnvironment, convert: (parsed: Parsed) => bigint | number): void {
  const text = argReadable(env, 1, argU32(env, 2));
  const result = argWritable(env, 4, 8);
  const view = new DataView(result.buffer, result.byteOffset, 8);
  // A copy, as the result may lie in the text.
  const parsed = parseInteger(text.slice(), argNumber(env, 3));
  view.setBigInt64(0, 0n, true);
  if (typeof parsed === "number") return giveNumber(env, parsed);
  const value = convert(parsed);
  if (typeof value === "number") return giveNumber(env, value);
  view.setBigUint64(0, BigInt.asUintN(64, value), true);
  giveNumber(env, parsed.consumed);
}

/** The most characters that are looked at behind space and sign. */
const mostDigits = 63;

function parseInteger(text: Uint8Array, flags: number): Parsed | number {
  if (text.length === 0 || ![0, 8, 10, 16].includes(flags)) return -errno.EINVAL;
  let at = 0;
  while (at < text.length && isSpace(text[at]!)) at += 1;
  const negative = text[at] === 0x2d;
  if (negative) at += 1;
  if (at === text.length) return -errno.EINVAL;
  const digits = text.subarray(at, at + mostDigits);
  const { base, skip } = radix(digits, flags);
  let value = 0n;
  let length = skip;
  for (; length < digits.length; length++) {
    const digit = digitOf(digits[length]!);
    if (digit >= base) break;
    value = value * BigInt(base) + BigInt(digit);
  }
  if (value > 0xffff_ffff_ffff_ffffn) return -errno.ERANGE;
  return length === skip ? -errno.EINVAL : { value, negative, consumed: at + length };
}

/** The base of a number and how many characters say so. */
function radix(digits: Uint8Array, base: number): { base: number; skip: number } {
  const prefixed = digits[0] === 0x30 && ((digits[1] ?? 0) | 0x20) === 0x78;
  if (base === 0) {
    if (digits[0] !== 0x30) return { base: 10, skip: 0 };
    return prefixed && digitOf(digits[2] ?? 0) < 16 ? { base: 16, skip: 2 } : { base: 8, skip: 0 };
  }
  return { base, skip: base === 16 && prefixed ? 2 : 0 };
}

/** A character's value as a digit; 99 for none. */
function digitOf(c: number): number {
  if (c >= 48 && c <= 57) return c - 48;
  const lower = c | 0x20;
  return lower >= 97 && lower <= 102 ? lower - 87 : 99;
}

/** As the kernel's table of characters has it: the no-break space of Latin-1 counts. */
function isSpace(c: number): boolean {
  return (c >= 9 && c <= 13) || c === 32 || c === 0xa0;
}

/** bpf_strncmp: -1, 0 or 1. */
export function strncmp(env: HelperEnvironment): void {
  const length = argU32(env, 2);
  const one = argReadable(env, 1, length);
  const region = argRegion(env, 3);
  const other = region.bytes.subarray((env.words[6]! >>> 0) - originLo);
  for (let i = 0; i < length; i++) {
    const difference = one[i]! - (other[i] ?? 0);
    if (difference !== 0) return giveNumber(env, Math.sign(difference));
    if (one[i] === 0) break;
  }
  giveNumber(env, 0);
}
