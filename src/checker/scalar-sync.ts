// How the parts of an abstract number inform each other: known bits bound the ranges, ranges of the whole and of its low half,
// signed and unsigned, bound one another, and ranges tell bits. As much as the kernel finds out in its three rounds, no more:
// what it misses must be missed here too. Above scalar-draft.ts, below arithmetic and branches. Knows no operation.
// Source: Linux kernel/bpf/verifier.c (reg_bounds_sync, __reg*_deduce_bounds, reg_bounds_sanity_check, 6.18).

import { equals, type Scalar, type ScalarFields, unknown } from "./scalar.ts";
import { Draft, forget32, forget64, loadDraft, sealDraft, setBits, setConst } from "./scalar-draft.ts";
import { ALL_BITS, LOW_HALF, s64, tnumIntersect, tnumLow, tnumNext, tnumRange, tnumWithLow32, u64 } from "./tnum.ts";

const SIGN_BIT = 1n << 63n;
const S32_MIN = -0x8000_0000;
const S32_MAX = 0x7fff_ffff;
const SMALL_MAX = 0x7fff_ffffn;
const SMALL_MIN = -0x8000_0000n;

function raiseU64(d: Draft, min: bigint, max: bigint): void {
  if (min > d.umin) d.umin = min;
  if (max < d.umax) d.umax = max;
}

function raiseS64(d: Draft, min: bigint, max: bigint): void {
  if (min > d.smin) d.smin = min;
  if (max < d.smax) d.smax = max;
}

function raiseU32(d: Draft, min: number, max: number): void {
  if (min > d.u32min) d.u32min = min;
  if (max < d.u32max) d.u32max = max;
}

function raiseS32(d: Draft, min: number, max: number): void {
  if (min > d.s32min) d.s32min = min;
  if (max < d.s32max) d.s32max = max;
}

/** Ranges of the low half from its known bits. */
export function boundLow32ByBits(d: Draft): void {
  const value = Number(d.value & LOW_HALF) | 0;
  const mask = Number(d.mask & LOW_HALF) | 0;
  raiseS32(d, value | (mask & S32_MIN), value | (mask & S32_MAX));
  raiseU32(d, value >>> 0, (value | mask) >>> 0);
}

/** Ranges of the whole and of its low half from the known bits. */
export function boundByBits(d: Draft): void {
  boundLow32ByBits(d);
  raiseS64(d, s64(d.value | (d.mask & SIGN_BIT)), s64(d.value | (d.mask & ~SIGN_BIT)));
  raiseU64(d, d.value, d.value | d.mask);
  onlyMember(d);
}

/** Where the unsigned range holds but one number that the known bits allow, it's that number. */
function onlyMember(d: Draft): void {
  if (d.mask === ALL_BITS) return;
  const next = tnumNext(d, d.umin);
  const holdsMin = (d.umin & ~d.mask) === d.value;
  if (holdsMin) {
    if (next > d.umax) setConst(d, d.umin);
  } else if (next === (d.value | d.mask) || (next <= d.umax && tnumNext(d, next) > d.umax)) {
    setConst(d, next);
  }
}

/** Ranges of the low half from the low halves of a range's ends (signed), whose upper halves lie `steps` apart. */
function lowFromWhole(d: Draft, min: number, max: number, steps: 0 | 1): void {
  if (steps === 0) {
    if (min >>> 0 <= max >>> 0) raiseU32(d, min >>> 0, max >>> 0);
    if (min <= max) raiseS32(d, min, max);
  } else if (min < 0 && max >= 0) {
    raiseS32(d, min, max);
  }
}

/** How many steps lie between the upper halves of `min` and `max`, when it's none or one (modulo 2^32). */
function highSteps(min: bigint, max: bigint): 0 | 1 | null {
  if (max - min > 0x1_ffff_ffffn) return null;
  const steps = BigInt.asUintN(32, (max >> 32n) - (min >> 32n));
  return steps === 0n ? 0 : steps === 1n ? 1 : null;
}

function deduceLow32(d: Draft): void {
  const unsignedSteps = highSteps(d.umin, d.umax);
  if (unsignedSteps !== null) {
    const min = Number(BigInt.asIntN(32, d.umin));
    const max = Number(BigInt.asIntN(32, d.umax));
    // Without asking whether the ends are in order: in a contradiction, the bits learn from it.
    if (unsignedSteps === 0) raiseU32(d, min >>> 0, max >>> 0);
    lowFromWhole(d, min, max, unsignedSteps);
  }
  const signedSteps = highSteps(d.smin, d.smax);
  if (signedSteps !== null) {
    lowFromWhole(d, Number(BigInt.asIntN(32, d.smin)), Number(BigInt.asIntN(32, d.smax)), signedSteps);
  }
  if ((d.u32min | 0) <= (d.u32max | 0)) raiseS32(d, d.u32min | 0, d.u32max | 0);
  const low = d.s32min >>> 0;
  const high = d.s32max >>> 0;
  if (low <= high) {
    raiseU32(d, low, high);
  } else if (d.u32max < low) {
    // The signed range wraps around in the unsigned world; only its part from zero up meets the unsigned range.
    d.s32min = d.u32min | 0;
    if (high < d.u32max) d.u32max = high;
  } else if (high < d.u32min) {
    d.s32max = d.u32max | 0;
    if (low > d.u32min) d.u32min = low;
  }
}

function deduceWhole(d: Draft): void {
  const signedMin = s64(d.umin);
  const signedMax = s64(d.umax);
  if (signedMin <= signedMax) raiseS64(d, signedMin, signedMax);
  const low = u64(d.smin);
  const high = u64(d.smax);
  if (low <= high) {
    raiseU64(d, low, high);
  } else if (d.umax < low) {
    d.smin = s64(d.umin);
    if (high < d.umax) d.umax = high;
  } else if (high < d.umin) {
    d.smax = s64(d.umax);
    if (low > d.umin) d.umin = low;
  }
}

/** Ranges of the whole from those of its low half, put under the upper halves of the present limits. */
function deduceWholeFromLow32(d: Draft): void {
  const low = BigInt(d.u32min);
  const high = BigInt(d.u32max);
  raiseU64(d, (d.umin & ~LOW_HALF) | low, (d.umax & ~LOW_HALF) | high);
  raiseS64(d, (d.smin & ~LOW_HALF) | low, (d.smax & ~LOW_HALF) | high);
  if (d.s32min >>> 0 <= d.s32max >>> 0) {
    const signedLow = BigInt(d.s32min >>> 0);
    const signedHigh = BigInt(d.s32max >>> 0);
    raiseU64(d, (d.umin & ~LOW_HALF) | signedLow, (d.umax & ~LOW_HALF) | signedHigh);
    raiseS64(d, (d.smin & ~LOW_HALF) | signedLow, (d.smax & ~LOW_HALF) | signedHigh);
  }
  // A sign-extended 32-bit number whose low half isn't negative is that half.
  if (d.s32min >= 0 && d.smin >= BigInt(S32_MIN) && d.smax <= BigInt(S32_MAX)) {
    d.smin = BigInt(d.s32min);
    d.smax = BigInt(d.s32max);
    d.umin = d.smin;
    d.umax = u64(d.smax);
    setBits(d, tnumIntersect(d, tnumRange(d.umin, d.umax)));
  }
}

function bitsByBounds(d: Draft): void {
  const whole = tnumIntersect(d, tnumRange(d.umin, d.umax));
  const low = tnumIntersect(tnumLow(whole, 32), tnumRange(BigInt(d.u32min), BigInt(d.u32max)));
  setBits(d, tnumWithLow32(whole, low));
}

const atRound = new Draft();

/** The least number above `x` that the bits allow, or the greatest when there is none; all below 2^31, `x` >= `value`. */
function nextSmall(value: number, mask: number, x: number): number {
  const greatest = value | mask;
  if (x >= greatest) return greatest;
  const distance = x - value;
  const stray = distance & ~mask;
  const filled = distance | ~mask | (stray === 0 ? 0 : -1 >>> Math.clz32(stray));
  return value | ((filled + 1) & mask);
}

/** True when [min, max] holds at least two numbers that the bits allow, or the only one that they allow. */
function holdsSeveral(value: number, mask: number, min: number, max: number): boolean {
  if (mask === 0) return min === max;
  if (min === max) return false;
  const next = nextSmall(value, mask, min);
  if ((min & ~mask) === value) return next <= max;
  return next < (value | mask) && nextSmall(value, mask, next) <= max;
}

/**
 * True when the kernel learns from the signed range of a number below 2^31: it does by way of the low half, where it sees how
 * that follows from the range's ends. Otherwise the range of the low half replaces it, even a narrower one.
 */
function signedCounts(d: Draft): boolean {
  if (d.mask <= SMALL_MAX) return true;
  const min = d.smin >= 0n || (d.mask & SIGN_BIT) !== 0n ? d.smin : 0n;
  return min >= 0n ? d.smax <= LOW_HALF || (d.value | d.mask) <= LOW_HALF : min >= SMALL_MIN && d.smax <= SMALL_MAX;
}

/**
 * What `syncDraft` does to the common case, in plain numbers: a number below 2^31 has but one range, whether signed or not,
 * whole or half, and the kernel's rounds come to the intersection of all. False, and nothing done, where the number can be
 * greater, where something contradicts, and where one number is left though bits say otherwise: those take the long way.
 */
function syncSmall(d: Draft): boolean {
  if (d.umax > SMALL_MAX || d.value > SMALL_MAX || d.smin > SMALL_MAX || d.smax < 0n || d.s32max < 0) return false;
  const value = Number(d.value);
  const mask = Number(d.mask & SMALL_MAX);
  let min = Math.max(Number(d.umin), d.u32min, d.s32min, value);
  let max = Math.min(Number(d.umax), d.u32max, d.s32max, value | mask);
  if (signedCounts(d)) {
    min = Math.max(min, Number(d.smin));
    max = Math.min(max, Number(d.smax));
  }
  if (min > max) return false;
  const varying = min === max ? 0 : -1 >>> Math.clz32(min ^ max);
  if (((value ^ min) & ~(mask | varying)) !== 0) return false;
  const newMask = mask & varying;
  const newValue = (value | (min & ~varying)) & ~newMask;
  min = Math.max(min, newValue);
  max = Math.min(max, newValue | newMask);
  if (min > max || !holdsSeveral(newValue, newMask, min, max)) return false;
  d.value = BigInt(newValue);
  d.mask = BigInt(newMask);
  d.umin = BigInt(min);
  d.umax = BigInt(max);
  d.smin = d.umin;
  d.smax = d.umax;
  d.u32min = min;
  d.u32max = max;
  d.s32min = min;
  d.s32max = max;
  return true;
}

/** Lets bits and ranges inform each other, in the kernel's order and as often as it does (not until nothing changes). */
export function syncDraft(d: Draft): void {
  if (!syncSmall(d)) syncLong(d);
}

/** The long way of `syncDraft`, right for every draft: what its short way must come to as well. */
export function syncLong(d: Draft): void {
  boundByBits(d);
  for (let round = 0; round < 3; round++) {
    loadDraft(atRound, d);
    deduceLow32(d);
    deduceWhole(d);
    deduceWholeFromLow32(d);
    if (equals(atRound, d)) break;
  }
  bitsByBounds(d);
  boundByBits(d);
}

function contradicts(d: Draft): boolean {
  if (d.umin > d.umax || d.smin > d.smax || d.u32min > d.u32max || d.s32min > d.s32max) return true;
  if (d.mask === 0n) {
    const signed = s64(d.value);
    if (d.umin !== d.value || d.umax !== d.value || d.smin !== signed || d.smax !== signed) return true;
  }
  if ((d.mask & LOW_HALF) === 0n) {
    const low = Number(d.value & LOW_HALF);
    const signed = low | 0;
    if (d.u32min !== low || d.u32max !== low || d.s32min !== signed || d.s32max !== signed) return true;
  }
  return false;
}

/** Forgets all ranges of a draft that contradicts itself (a way that can't be taken); its bits stay. As the kernel does. */
export function repairDraft(d: Draft): void {
  if (!contradicts(d)) return;
  forget64(d);
  forget32(d);
}

/** Makes a whole register of a 32-bit result: zeros above. */
export function zeroUpper(d: Draft): void {
  setBits(d, tnumLow(d, 32));
  d.umin = BigInt(d.u32min);
  d.umax = BigInt(d.u32max);
  const positive = d.s32min >= 0 && d.s32max >= 0;
  d.smin = positive ? BigInt(d.s32min) : 0n;
  d.smax = positive ? BigInt(d.s32max) : LOW_HALF;
}

/**
 * The scalar that an operation of `bits` bits leaves: zeros above, bits and ranges in agreement. `before` is an operand, which
 * is returned when it says the same.
 */
export function finishDraft(d: Draft, bits: 32 | 64, before: Scalar = unknown): Scalar {
  if (bits === 32) zeroUpper(d);
  syncDraft(d);
  repairDraft(d);
  return sealDraft(d, before);
}

const scratch = new Draft();

/** The scalar of which the given fields are known and the rest follows (kernel: bounds set on an unknown register). */
export function bounded(fields: Partial<ScalarFields>): Scalar {
  loadDraft(scratch, { ...unknown, ...fields });
  syncDraft(scratch);
  repairDraft(scratch);
  return sealDraft(scratch);
}
