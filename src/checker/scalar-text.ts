// Abstract numbers as text: for people in a diagnostic, and in the kernel log's own notation so that the two can be compared.
// Reads scalars only; decides nothing.
// Source: Linux kernel/bpf/log.c (print_scalar_ranges, 6.18) for the notation of the kernel's log.

import { constValue, type Scalar } from "./scalar.ts";
import { ALL_BITS, s64, u64 } from "./tnum.ts";

const S64_MIN = -(1n << 63n);
const S64_MAX = (1n << 63n) - 1n;

/** A number for people: small ones in decimal, those from 2^32 up in hexadecimal where that is shorter to read. */
function shown(x: bigint): string {
  const size = x < 0n ? -x : x;
  const digits = size.toString(16);
  const round = size > 0xffff_ffffn && /^[0-9a-f]{0,2}(0{8,}|f{8,})$/.test(digits);
  return round ? `${x < 0n ? "-" : ""}0x${digits}` : `${x}`;
}

/** The number of low bits known to be zero, of a number that isn't certain. */
function knownZeros(s: Scalar): number {
  const possible = s.value | s.mask;
  let zeros = 0;
  for (let rest = possible; (rest & 1n) === 0n; rest >>= 1n) zeros++;
  return zeros;
}

/**
 * The narrowest range in which `s`, a multiple of `factor`, lies: signed where that says more. Null when any is possible.
 */
function range(s: Scalar, factor: bigint): string | null {
  const spare = factor - 1n;
  const unsignedFull = s.umin === 0n && s.umax >= ALL_BITS - spare;
  if (unsignedFull && s.smin === S64_MIN && s.smax >= S64_MAX - spare) return null;
  const signed = s.smax - s.smin < s.umax - s.umin || s.smax < 0n;
  const [min, max] = signed ? [s.smin, s.smax] : [s.umin, s.umax];
  if (max >= (signed ? S64_MAX : ALL_BITS) - spare) return `${shown(min)} or more`;
  if (signed && min === S64_MIN) return `${shown(max)} or less`;
  return `${shown(min)}..${shown(max)}`;
}

/** What is known of `s` in few words: `= 14`, `= -1`, `0..255`, `multiple of 4 in 20..60`, `any value`. */
export function describe(s: Scalar): string {
  const value = constValue(s);
  if (value !== null) {
    const signed = s64(value);
    return `= ${shown(signed < 0n && signed > -0x1_0000_0000n ? signed : value)}`;
  }
  const factor = 1n << BigInt(knownZeros(s));
  const within = range(s, factor);
  if (factor === 1n) return within ?? "any value";
  const multiple = `multiple of ${shown(factor)}`;
  return within === null ? multiple : `${multiple} in ${within}`;
}

const MAX_DECIMAL = 0xffffn;

function unsignedText(x: bigint): string {
  return x <= MAX_DECIMAL ? `${x}` : `0x${x.toString(16)}`;
}

function isShortSigned(x: bigint): boolean {
  return x >= -0x8000n && x <= 0x7fffn;
}

function signedText(x: bigint): string {
  return isShortSigned(x) ? `${x}` : `0x${u64(x).toString(16)}`;
}

/** One limit as the log would print it; `bits` are the 64 bits that it compares to join limits that are equal. */
interface Limit {
  readonly name: string;
  readonly bits: bigint;
  readonly signed: boolean;
  omitted: boolean;
}

function signed32Bits(x: number): bigint {
  return isShortSigned(BigInt(x)) ? u64(BigInt(x)) : BigInt(x >>> 0);
}

function limits(s: Scalar): Limit[] {
  const limit = (name: string, bits: bigint, omitted: boolean): Limit => ({
    name,
    bits,
    signed: name.startsWith("s"),
    omitted,
  });
  return [
    limit("smin", u64(s.smin), s.smin === S64_MIN),
    limit("smax", u64(s.smax), s.smax === S64_MAX),
    limit("umin", s.umin, s.umin === 0n),
    limit("umax", s.umax, s.umax === ALL_BITS),
    limit("smin32", signed32Bits(s.s32min), s.s32min === -0x8000_0000),
    limit("smax32", signed32Bits(s.s32max), s.s32max === 0x7fff_ffff),
    limit("umin32", BigInt(s.u32min), s.u32min === 0),
    limit("umax32", BigInt(s.u32max), s.u32max === 0xffff_ffff),
  ];
}

function isNegative(limit: Limit): boolean {
  return limit.signed && s64(limit.bits) < 0n;
}

/** Limits that say something, equal ones joined: `smin=umin=4,smax=umax=…`. */
function limitTexts(s: Scalar): string[] {
  const all = limits(s);
  return all.flatMap((limit, index) => {
    if (limit.omitted) return [];
    const names = [limit.name];
    for (let other = index + 2; other < all.length; other += 2) {
      const joined = all[other];
      if (joined === undefined || joined.omitted || joined.bits !== limit.bits) continue;
      if (isNegative(joined) !== isNegative(limit)) continue;
      joined.omitted = true;
      names.push(joined.name);
    }
    return [`${names.join("=")}=${limit.signed ? signedText(s64(limit.bits)) : unsignedText(limit.bits)}`];
  });
}

/** `s` as the kernel's log shows a register that holds it: `0xff`, `scalar()`, `scalar(smin=0,…,var_off=(0x0; 0xff))`. */
export function kernelText(s: Scalar): string {
  const value = constValue(s);
  if (value !== null) return signedText(s64(value));
  const bits = s.mask === ALL_BITS ? [] : [`var_off=(${hexText(s.value)}; ${hexText(s.mask)})`];
  return `scalar(${[...limitTexts(s), ...bits].join(",")})`;
}

/** C's `%#llx`: zero has no prefix there, but the kernel's own printf gives it one. */
function hexText(x: bigint): string {
  return `0x${x.toString(16)}`;
}
