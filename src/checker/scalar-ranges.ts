// How the ranges of a number behave in arithmetic, for 64 bits and for the low 32 apart: each function changes the ranges of a
// draft for one operation with a second number; known bits are the caller's (and for `and`, `or`, `xor` already the result's).
// Below scalar-alu.ts. No range is a proof of itself: the caller syncs the draft afterwards.
// Source: Linux kernel/bpf/verifier.c (scalar_min_max_*, scalar32_min_max_*, 6.18).

import type { ScalarFields } from "./scalar.ts";
import { type Draft, forget32, forget64, setBits, setConst, setLow32 } from "./scalar-draft.ts";
import { boundByBits, boundLow32ByBits } from "./scalar-sync.ts";
import { ALL_BITS, LOW_HALF, s64, tnumLow, tnumShiftLeft, tnumShiftRight, tnumShiftSigned, u64 } from "./tnum.ts";

const S64_MIN = -(1n << 63n);
const S64_MAX = (1n << 63n) - 1n;
const U32_MAX = 0xffff_ffff;
const S32_MIN = -0x8000_0000;
const S32_MAX = 0x7fff_ffff;

function setS64(d: Draft, min: bigint, max: bigint): void {
  const fits = min >= S64_MIN && max <= S64_MAX && min <= S64_MAX && max >= S64_MIN;
  d.smin = fits ? min : S64_MIN;
  d.smax = fits ? max : S64_MAX;
}

function setS32(d: Draft, min: number, max: number): void {
  const fits = min >= S32_MIN && max <= S32_MAX && min <= S32_MAX && max >= S32_MIN;
  d.s32min = fits ? min : S32_MIN;
  d.s32max = fits ? max : S32_MAX;
}

/** An unsigned range of which either both ends have wrapped around or none: else nothing is known. */
function setU64(d: Draft, min: bigint, max: bigint, wraps: boolean): void {
  d.umin = wraps ? 0n : u64(min);
  d.umax = wraps ? ALL_BITS : u64(max);
}

function setU32(d: Draft, min: number, max: number, wraps: boolean): void {
  d.u32min = wraps ? 0 : min >>> 0;
  d.u32max = wraps ? U32_MAX : max >>> 0;
}

/** Signed ranges of the low half from its unsigned range, where that doesn't cross the sign. */
function signedByUnsigned32(d: Draft): void {
  const min = d.u32min | 0;
  const max = d.u32max | 0;
  d.s32min = min <= max ? min : S32_MIN;
  d.s32max = min <= max ? max : S32_MAX;
}

function signedByUnsigned64(d: Draft): void {
  const min = s64(d.umin);
  const max = s64(d.umax);
  d.smin = min <= max ? min : S64_MIN;
  d.smax = min <= max ? max : S64_MAX;
}

/** The ranges of a sum's low half. */
export function add32(d: Draft, b: ScalarFields): void {
  setS32(d, d.s32min + b.s32min, d.s32max + b.s32max);
  const min = d.u32min + b.u32min;
  const max = d.u32max + b.u32max;
  setU32(d, min, max, min <= U32_MAX && max > U32_MAX);
}

/** The ranges of a sum. */
export function add64(d: Draft, b: ScalarFields): void {
  setS64(d, d.smin + b.smin, d.smax + b.smax);
  const min = d.umin + b.umin;
  const max = d.umax + b.umax;
  setU64(d, min, max, min <= ALL_BITS && max > ALL_BITS);
}

/** The ranges of a difference's low half. */
export function sub32(d: Draft, b: ScalarFields): void {
  setS32(d, d.s32min - b.s32max, d.s32max - b.s32min);
  const min = d.u32min - b.u32max;
  const max = d.u32max - b.u32min;
  setU32(d, min, max, min < 0 && max >= 0);
}

/** The ranges of a difference. */
export function sub64(d: Draft, b: ScalarFields): void {
  setS64(d, d.smin - b.smax, d.smax - b.smin);
  const min = d.umin - b.umax;
  const max = d.umax - b.umin;
  setU64(d, min, max, min < 0n && max >= 0n);
}

/** The ranges of a product's low half. */
export function mul32(d: Draft, b: ScalarFields): void {
  const min = d.u32min * b.u32min;
  const max = d.u32max * b.u32max;
  setU32(d, min, max, min > U32_MAX || max > U32_MAX);
  // A product too big to be exact is far out of range too. Zero times a negative number must not be -0.
  const corners = [d.s32min * b.s32min, d.s32min * b.s32max, d.s32max * b.s32min, d.s32max * b.s32max];
  setS32(d, Math.min(...corners) + 0, Math.max(...corners) + 0);
}

/** The ranges of a product. */
export function mul64(d: Draft, b: ScalarFields): void {
  const min = d.umin * b.umin;
  const max = d.umax * b.umax;
  setU64(d, min, max, min > ALL_BITS || max > ALL_BITS);
  let low = d.smin * b.smin;
  let high = low;
  for (const corner of [d.smin * b.smax, d.smax * b.smin, d.smax * b.smax]) {
    if (corner < low) low = corner;
    if (corner > high) high = corner;
  }
  setS64(d, low, high);
}

function low32Known(s: ScalarFields): boolean {
  return (s.mask & LOW_HALF) === 0n;
}

function low32(x: bigint): number {
  return Number(x & LOW_HALF);
}

/** The ranges of the low half of `a & b`; the bits of `d` are the result's already. */
export function and32(d: Draft, b: ScalarFields): void {
  if (low32Known(b) && low32Known(d)) return setLow32(d, low32(d.value));
  d.u32min = low32(d.value);
  d.u32max = Math.min(d.u32max, b.u32max);
  signedByUnsigned32(d);
}

/** The ranges of `a & b`; the bits of `d` are the result's already. */
export function and64(d: Draft, b: ScalarFields): void {
  if (b.mask === 0n && d.mask === 0n) return setConst(d, d.value);
  d.umin = d.value;
  if (b.umax < d.umax) d.umax = b.umax;
  signedByUnsigned64(d);
  boundByBits(d);
}

/** The ranges of the low half of `a | b`; the bits of `d` are the result's already. */
export function or32(d: Draft, b: ScalarFields): void {
  if (low32Known(b) && low32Known(d)) return setLow32(d, low32(d.value));
  d.u32min = Math.max(d.u32min, b.u32min);
  d.u32max = low32(d.value | d.mask);
  signedByUnsigned32(d);
}

/** The ranges of `a | b`; the bits of `d` are the result's already. */
export function or64(d: Draft, b: ScalarFields): void {
  if (b.mask === 0n && d.mask === 0n) return setConst(d, d.value);
  if (b.umin > d.umin) d.umin = b.umin;
  d.umax = d.value | d.mask;
  signedByUnsigned64(d);
  boundByBits(d);
}

/** The ranges of the low half of `a ^ b`; the bits of `d` are the result's already. */
export function xor32(d: Draft, b: ScalarFields): void {
  if (low32Known(b) && low32Known(d)) return setLow32(d, low32(d.value));
  d.u32min = low32(d.value);
  d.u32max = low32(d.value | d.mask);
  signedByUnsigned32(d);
}

/** The ranges of `a ^ b`; the bits of `d` are the result's already. */
export function xor64(d: Draft, b: ScalarFields): void {
  if (b.mask === 0n && d.mask === 0n) return setConst(d, d.value);
  d.umin = d.value;
  d.umax = d.value | d.mask;
  signedByUnsigned64(d);
  boundByBits(d);
}

function low32ShiftedLeft(d: Draft, shift: number): void {
  d.s32min = S32_MIN;
  d.s32max = S32_MAX;
  const loses = shift > 31 || d.u32max > 2 ** (31 - shift);
  setU32(d, loses ? 0 : d.u32min * 2 ** shift, loses ? 0 : d.u32max * 2 ** shift, loses);
}

/** Bits and ranges of the low half shifted left by `shift`, 0 to 31. */
export function shiftLeft32(d: Draft, shift: number): void {
  const bits = tnumLow(tnumShiftLeft(tnumLow(d, 32), BigInt(shift)), 32);
  low32ShiftedLeft(d, shift);
  setBits(d, bits);
  forget64(d);
  boundLow32ByBits(d);
}

/** Bits and ranges shifted left by `shift`, 0 to 63. */
export function shiftLeft64(d: Draft, shift: number): void {
  const by = BigInt(shift);
  // The compiler's way to extend a sign: the low half goes up, its signed range with it.
  d.smin = shift === 32 ? BigInt(d.s32min) << 32n : S64_MIN;
  d.smax = shift === 32 ? BigInt(d.s32max) << 32n : S64_MAX;
  const loses = d.umax > 1n << (63n - by);
  setU64(d, d.umin << by, d.umax << by, loses);
  low32ShiftedLeft(d, shift);
  setBits(d, tnumShiftLeft(d, by));
  boundByBits(d);
}

/** Bits and ranges of the low half shifted right without sign by `shift`, 0 to 31. */
export function shiftRight32(d: Draft, shift: number): void {
  setBits(d, tnumShiftRight(tnumLow(d, 32), BigInt(shift)));
  d.s32min = S32_MIN;
  d.s32max = S32_MAX;
  d.u32min >>>= shift;
  d.u32max >>>= shift;
  forget64(d);
  boundLow32ByBits(d);
}

/** Bits and ranges shifted right without sign by `shift`, 0 to 63. */
export function shiftRight64(d: Draft, shift: number): void {
  const by = BigInt(shift);
  setBits(d, tnumShiftRight(d, by));
  d.smin = S64_MIN;
  d.smax = S64_MAX;
  d.umin >>= by;
  d.umax >>= by;
  forget32(d);
  boundByBits(d);
}

/** Bits and ranges of the low half shifted right with its sign by `shift`, 0 to 31. */
export function shiftSigned32(d: Draft, shift: number): void {
  setBits(d, tnumShiftSigned(tnumLow(d, 32), BigInt(shift), 32));
  d.s32min >>= shift;
  d.s32max >>= shift;
  d.u32min = 0;
  d.u32max = U32_MAX;
  forget64(d);
  boundLow32ByBits(d);
}

/** Bits and ranges shifted right with the sign by `shift`, 0 to 63. */
export function shiftSigned64(d: Draft, shift: number): void {
  const by = BigInt(shift);
  setBits(d, tnumShiftSigned(d, by, 64));
  d.smin >>= by;
  d.smax >>= by;
  d.umin = 0n;
  d.umax = ALL_BITS;
  forget32(d);
  boundByBits(d);
}
