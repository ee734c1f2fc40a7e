// The working form of an abstract number: an operation loads a scalar into a draft, changes fields, lets them inform each other
// (scalar-sync.ts) and seals it into a scalar again. Drafts are reused, so an operation allocates its result and little else.
// Above scalar.ts and tnum.ts, below everything else of the domain. Knows no operation.
// Source: Linux kernel/bpf/verifier.c (struct bpf_reg_state and its __mark_reg_* functions, 6.18).

import { constant, equals, fromUnsignedWidth, Scalar, type ScalarFields, unknown } from "./scalar.ts";
import { ALL_BITS, LOW_HALF, s64, type Tnum, tnumWithLow32 } from "./tnum.ts";

const S64_MIN = -(1n << 63n);
const S64_MAX = (1n << 63n) - 1n;
const U32_MAX = 0xffff_ffff;
const S32_MIN = -0x8000_0000;
const S32_MAX = 0x7fff_ffff;

/** The fields of a scalar, to be changed. Between operations a draft holds rubbish. */
export class Draft implements ScalarFields {
  value = 0n;
  mask = ALL_BITS;
  umin = 0n;
  umax = ALL_BITS;
  smin = S64_MIN;
  smax = S64_MAX;
  u32min = 0;
  u32max = U32_MAX;
  s32min = S32_MIN;
  s32max = S32_MAX;
}

/** Copies `from` into `d`. */
export function loadDraft(d: Draft, from: ScalarFields): void {
  d.value = from.value;
  d.mask = from.mask;
  d.umin = from.umin;
  d.umax = from.umax;
  d.smin = from.smin;
  d.smax = from.smax;
  d.u32min = from.u32min;
  d.u32max = from.u32max;
  d.s32min = from.s32min;
  d.s32max = from.s32max;
}

/** Sets the known bits. */
export function setBits(d: Draft, bits: Tnum): void {
  d.value = bits.value;
  d.mask = bits.mask;
}

/** Forgets the ranges of all 64 bits. */
export function forget64(d: Draft): void {
  d.umin = 0n;
  d.umax = ALL_BITS;
  d.smin = S64_MIN;
  d.smax = S64_MAX;
}

/** Forgets the ranges of the low half. */
export function forget32(d: Draft): void {
  d.u32min = 0;
  d.u32max = U32_MAX;
  d.s32min = S32_MIN;
  d.s32max = S32_MAX;
}

/** Makes the low half of `d` the number `low` (0 to 2^32 - 1); ranges of the whole stay. */
export function setLow32(d: Draft, low: number): void {
  setBits(d, tnumWithLow32(d, { value: BigInt(low), mask: 0n }));
  d.u32min = low;
  d.u32max = low;
  d.s32min = low | 0;
  d.s32max = low | 0;
}

/** Makes `d` the number `value` (0 to 2^64 - 1). */
export function setConst(d: Draft, value: bigint): void {
  const low = Number(value & LOW_HALF);
  d.value = value;
  d.mask = 0n;
  d.umin = value;
  d.umax = value;
  d.smin = s64(value);
  d.smax = d.smin;
  d.u32min = low;
  d.u32max = low;
  d.s32min = low | 0;
  d.s32max = low | 0;
}

const RECENT = 2048;
const recent: (Scalar | undefined)[] = new Array(RECENT).fill(undefined);

/** The scalar that there is but once which has the bits of `d`, or any. */
function commonLike(d: Draft): Scalar {
  if (d.mask === 0n) return constant(d.value);
  if (d.mask === 0xffn) return fromUnsignedWidth(1);
  if (d.mask === 0xffffn) return fromUnsignedWidth(2);
  return d.mask === LOW_HALF ? fromUnsignedWidth(4) : unknown;
}

/**
 * The scalar with the fields of `d`: `before` (what the draft was loaded from) or one of those made lately, if it says the
 * same, so that equal ones are mostly the same object.
 */
export function sealDraft(d: Draft, before: Scalar = unknown): Scalar {
  if (equals(d, before)) return before;
  const common = commonLike(d);
  if (equals(d, common)) return common;
  const hash =
    Math.imul(d.u32max, 0x9e37_79b1) ^
    Math.imul(d.u32min, 0x85eb_ca6b) ^
    Math.imul(d.s32max + d.s32min, 0xc2b2_ae35) ^
    Math.imul(Number(BigInt.asIntN(32, d.mask ^ (d.umax >> 32n))), 0x27d4_eb2f) ^
    Number(BigInt.asIntN(32, d.value));
  const slot = (hash ^ (hash >>> 15)) & (RECENT - 1);
  const known = recent[slot];
  if (known !== undefined && equals(d, known)) return known;
  const made = new Scalar(d);
  recent[slot] = made;
  return made;
}
