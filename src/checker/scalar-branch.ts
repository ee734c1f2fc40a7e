// What a comparison of two abstract numbers decides, and what each of its two ways teaches about them.
// Pure functions of immutable scalars; the same object comes back when nothing was learnt. Knows nothing of pointers, of
// equal ids or of the other registers that share a value.
// Source: Linux kernel/bpf/verifier.c (is_scalar_branch_taken, regs_refine_cond_op, reg_set_min_max, 6.18).

import type { JumpOp } from "../bpf/insn.ts";
import { equals, isExact, type Scalar } from "./scalar.ts";
import { Draft, forget32, forget64, loadDraft, sealDraft, setBits } from "./scalar-draft.ts";
import { Memo } from "./scalar-memo.ts";
import { repairDraft, syncDraft } from "./scalar-sync.ts";
import {
  ALL_BITS,
  LOW_HALF,
  s64,
  type Tnum,
  tnumAnd,
  tnumConst,
  tnumIntersect,
  tnumLow,
  tnumOr,
  tnumOverlaps,
  tnumWithLow32,
  u64,
} from "./tnum.ts";

/** Both operands of a branch after it went one way. */
export interface Refined {
  readonly dst: Scalar;
  readonly src: Scalar;
}

/** A condition of a branch or what holds when it isn't met: `clear` is (dst & src) == 0. */
type Condition = JumpOp | "clear";

const opposites: Readonly<Record<JumpOp, Condition>> = {
  eq: "ne",
  ne: "eq",
  gt: "le",
  ge: "lt",
  lt: "ge",
  le: "gt",
  sgt: "sle",
  sge: "slt",
  slt: "sge",
  sle: "sgt",
  set: "clear",
};

const conditionNumbers: Readonly<Record<Condition, number>> = {
  eq: 0,
  ne: 1,
  gt: 2,
  ge: 3,
  lt: 4,
  le: 5,
  sgt: 6,
  sge: 7,
  slt: 8,
  sle: 9,
  set: 10,
  clear: 11,
};

/** True when no number that `a` allows equals one that `b` allows. */
function disjoint(bits: 32 | 64, a: Scalar, b: Scalar): boolean {
  const lowDisjoint = a.u32min > b.u32max || a.u32max < b.u32min || a.s32min > b.s32max || a.s32max < b.s32min;
  if (bits === 32) return !tnumOverlaps(tnumLow(a, 32), tnumLow(b, 32)) || lowDisjoint;
  return !tnumOverlaps(a, b) || a.umin > b.umax || a.umax < b.umin || a.smin > b.smax || a.smax < b.smin || lowDisjoint;
}

function isKnown(bits: 32 | 64, s: Tnum): boolean {
  return (bits === 64 ? s.mask : s.mask & LOW_HALF) === 0n;
}

function equalTaken(bits: 32 | 64, a: Scalar, b: Scalar): boolean | null {
  if (isKnown(bits, a) && isKnown(bits, b)) return BigInt.asUintN(bits, a.value ^ b.value) === 0n;
  return disjoint(bits, a, b) ? false : null;
}

function setTaken(bits: 32 | 64, a: Scalar, b: Scalar): boolean | null {
  const known = isKnown(bits, b) ? b : a;
  if (!isKnown(bits, known)) return null;
  const other = known === b ? a : b;
  const tested = BigInt.asUintN(bits, known.value);
  if ((other.value & tested) !== 0n) return true;
  return ((other.value | other.mask) & tested) === 0n ? false : null;
}

/** Whether all of [minA, maxA] is above all of [minB, maxB]; null when neither that nor its opposite is certain. */
function above<N extends number | bigint>(minA: N, maxA: N, minB: N, maxB: N): boolean | null {
  return minA > maxB ? true : maxA <= minB ? false : null;
}

function unsignedAbove(bits: 32 | 64, a: Scalar, b: Scalar): boolean | null {
  return bits === 64 ? above(a.umin, a.umax, b.umin, b.umax) : above(a.u32min, a.u32max, b.u32min, b.u32max);
}

function signedAbove(bits: 32 | 64, a: Scalar, b: Scalar): boolean | null {
  return bits === 64 ? above(a.smin, a.smax, b.smin, b.smax) : above(a.s32min, a.s32max, b.s32min, b.s32max);
}

function not(decision: boolean | null): boolean | null {
  return decision === null ? null : !decision;
}

/** Whether `if a OP b` jumps: always (true), never (false) or it depends (null). `bits` 32 compares the low halves. */
export function branchTaken(op: JumpOp, bits: 32 | 64, a: Scalar, b: Scalar): boolean | null {
  switch (op) {
    case "eq":
      return equalTaken(bits, a, b);
    case "ne":
      return not(equalTaken(bits, a, b));
    case "set":
      return setTaken(bits, a, b);
    case "gt":
      return unsignedAbove(bits, a, b);
    case "le":
      return not(unsignedAbove(bits, a, b));
    case "lt":
      return unsignedAbove(bits, b, a);
    case "ge":
      return not(unsignedAbove(bits, b, a));
    case "sgt":
      return signedAbove(bits, a, b);
    case "sle":
      return not(signedAbove(bits, a, b));
    case "slt":
      return signedAbove(bits, b, a);
    case "sge":
      return not(signedAbove(bits, b, a));
  }
}

function smaller<N extends number | bigint>(a: N, b: N): N {
  return b < a ? b : a;
}

function greater<N extends number | bigint>(a: N, b: N): N {
  return b > a ? b : a;
}

function learnEqual(bits: 32 | 64, a: Draft, b: Draft): void {
  if (bits === 64) {
    a.umin = greater(a.umin, b.umin);
    a.umax = smaller(a.umax, b.umax);
    a.smin = greater(a.smin, b.smin);
    a.smax = smaller(a.smax, b.smax);
    b.umin = a.umin;
    b.umax = a.umax;
    b.smin = a.smin;
    b.smax = a.smax;
    setBits(a, tnumIntersect(a, b));
    setBits(b, a);
    return;
  }
  a.u32min = greater(a.u32min, b.u32min);
  a.u32max = smaller(a.u32max, b.u32max);
  a.s32min = greater(a.s32min, b.s32min);
  a.s32max = smaller(a.s32max, b.s32max);
  b.u32min = a.u32min;
  b.u32max = a.u32max;
  b.s32min = a.s32min;
  b.s32max = a.s32max;
  const low = tnumIntersect(tnumLow(a, 32), tnumLow(b, 32));
  setBits(a, tnumWithLow32(a, low));
  setBits(b, tnumWithLow32(b, low));
}

/** An end of a range that equals the excluded number moves by one. */
function learnUnequal(bits: 32 | 64, a: Draft, excluded: bigint): void {
  if (bits === 64) {
    const signed = s64(excluded);
    if (a.umin === excluded) a.umin = u64(a.umin + 1n);
    if (a.umax === excluded) a.umax = u64(a.umax - 1n);
    if (a.smin === signed) a.smin = s64(a.smin + 1n);
    if (a.smax === signed) a.smax = s64(a.smax - 1n);
    return;
  }
  const low = Number(excluded);
  if (a.u32min === low) a.u32min = (a.u32min + 1) >>> 0;
  if (a.u32max === low) a.u32max = (a.u32max - 1) >>> 0;
  if (a.s32min === (low | 0)) a.s32min = (a.s32min + 1) | 0;
  if (a.s32max === (low | 0)) a.s32max = (a.s32max - 1) | 0;
}

function isPowerOfTwo(x: bigint): boolean {
  return x !== 0n && (x & (x - 1n)) === 0n;
}

/** Some bit of `tested` is set: which one is certain only where there is but one. */
function learnSet(bits: 32 | 64, a: Draft, tested: bigint): void {
  if (!isPowerOfTwo(tested)) return;
  setBits(a, bits === 64 ? tnumOr(a, tnumConst(tested)) : tnumWithLow32(a, tnumOr(tnumLow(a, 32), tnumConst(tested))));
}

/** No bit of `tested` is set. The ranges are forgotten first, as the kernel does, lest they contradict it. */
function learnClear(bits: 32 | 64, a: Draft, tested: bigint): void {
  forget64(a);
  forget32(a);
  const kept = tnumConst(ALL_BITS & ~tested);
  setBits(a, bits === 64 ? tnumAnd(a, kept) : tnumWithLow32(a, tnumAnd(tnumLow(a, 32), kept)));
}

/** `a <= b`, or `a < b` where `strict` is 1. */
function learnBelow(bits: 32 | 64, a: Draft, b: Draft, strict: 0 | 1): void {
  if (bits === 64) {
    a.umax = smaller(a.umax, u64(b.umax - BigInt(strict)));
    b.umin = greater(u64(a.umin + BigInt(strict)), b.umin);
  } else {
    a.u32max = smaller(a.u32max, (b.u32max - strict) >>> 0);
    b.u32min = greater((a.u32min + strict) >>> 0, b.u32min);
  }
}

function learnSignedBelow(bits: 32 | 64, a: Draft, b: Draft, strict: 0 | 1): void {
  if (bits === 64) {
    a.smax = smaller(a.smax, s64(b.smax - BigInt(strict)));
    b.smin = greater(s64(a.smin + BigInt(strict)), b.smin);
  } else {
    a.s32max = smaller(a.s32max, (b.s32max - strict) | 0);
    b.s32min = greater((a.s32min + strict) | 0, b.s32min);
  }
}

/** Teaches both drafts (which may be one and the same) that `a CONDITION b` holds. */
function learn(condition: Condition, bits: 32 | 64, a: Draft, b: Draft): void {
  switch (condition) {
    case "eq":
      return learnEqual(bits, a, b);
    case "lt":
      return learnBelow(bits, a, b, 1);
    case "le":
      return learnBelow(bits, a, b, 0);
    case "gt":
      return learnBelow(bits, b, a, 1);
    case "ge":
      return learnBelow(bits, b, a, 0);
    case "slt":
      return learnSignedBelow(bits, a, b, 1);
    case "sle":
      return learnSignedBelow(bits, a, b, 0);
    case "sgt":
      return learnSignedBelow(bits, b, a, 1);
    case "sge":
      return learnSignedBelow(bits, b, a, 0);
  }
  const known = isKnown(bits, b) ? b : a;
  if (!isKnown(bits, known)) return;
  const other = known === b ? a : b;
  const value = BigInt.asUintN(bits, known.value);
  if (condition === "ne") learnUnequal(bits, other, value);
  else if (condition === "set") learnSet(bits, other, value);
  else learnClear(bits, other, value);
}

const first = new Draft();
const second = new Draft();
const memo = new Memo<Refined>();

/** The scalar of an operand that has learnt; a number that was certain and learnt nothing needs no second look. */
function finish(d: Draft, before: Scalar): Scalar {
  if (isExact(before) && equals(d, before)) return before;
  syncDraft(d);
  repairDraft(d);
  return sealDraft(d, before);
}

function keyOf(condition: Condition, bits: 32 | 64): number {
  return conditionNumbers[condition] * 2 + (bits >> 6);
}

/**
 * What both operands are once `if a OP b` jumped (`taken`) or didn't; only to be asked where `branchTaken` gave null. A way that
 * can't be taken isn't told as such: like the kernel, the operand that contradicts itself loses its ranges.
 */
export function refine(op: JumpOp, bits: 32 | 64, taken: boolean, a: Scalar, b: Scalar): Refined {
  const condition = taken ? op : opposites[op];
  const key = keyOf(condition, bits);
  const seen = memo.get(key, a, b);
  if (seen !== undefined) return seen;
  loadDraft(first, a);
  loadDraft(second, b);
  learn(condition, bits, first, second);
  return memo.put(key, a, b, { dst: finish(first, a), src: finish(second, b) });
}

/** The same for a register compared with itself. */
export function refineSelf(op: JumpOp, bits: 32 | 64, taken: boolean, a: Scalar): Scalar {
  loadDraft(first, a);
  learn(taken ? op : opposites[op], bits, first, first);
  syncDraft(first);
  return finish(first, a);
}
