// Arithmetic on abstract numbers: what each instruction can leave, as precisely as the kernel's verifier and no more so.
// Pure functions of immutable scalars. Knows nothing of pointers; an operation that the kernel refuses (a shift by a constant
// beyond the width) is the caller's to refuse. How ranges behave is scalar-ranges.ts, known bits tnum.ts.
// Source: Linux kernel/bpf/verifier.c (adjust_scalar_min_max_vals, check_alu_op, 6.18).

import type { AluOp } from "../bpf/insn.ts";
import { constant, fromUnsignedWidth, immediate, isExact, type Scalar, unknown } from "./scalar.ts";
import { Draft, forget32, forget64, loadDraft, sealDraft, setBits, setConst, setLow32 } from "./scalar-draft.ts";
import { Memo } from "./scalar-memo.ts";
import * as ranges from "./scalar-ranges.ts";
import { finishDraft, syncDraft, zeroUpper } from "./scalar-sync.ts";
import { LOW_HALF, s64, tnumAdd, tnumAnd, tnumMul, tnumNeg, tnumOr, tnumSub, tnumXor, u64 } from "./tnum.ts";

/** How to compute a draft in place; shifts get their width in bits. */
type Transfer = (d: Draft, b: Scalar, bits: 32 | 64) => void;

/** The operations of which the kernel knows more than that they give some number; division isn't among them. */
const transfers: { readonly [op in AluOp]?: Transfer } = {
  add(d, b) {
    ranges.add32(d, b);
    ranges.add64(d, b);
    setBits(d, tnumAdd(d, b));
  },
  sub(d, b) {
    ranges.sub32(d, b);
    ranges.sub64(d, b);
    setBits(d, tnumSub(d, b));
  },
  mul(d, b) {
    setBits(d, tnumMul(d, b));
    ranges.mul32(d, b);
    ranges.mul64(d, b);
  },
  and(d, b) {
    setBits(d, tnumAnd(d, b));
    ranges.and32(d, b);
    ranges.and64(d, b);
  },
  or(d, b) {
    setBits(d, tnumOr(d, b));
    ranges.or32(d, b);
    ranges.or64(d, b);
  },
  xor(d, b) {
    setBits(d, tnumXor(d, b));
    ranges.xor32(d, b);
    ranges.xor64(d, b);
  },
  lsh: (d, b, bits) => (bits === 32 ? ranges.shiftLeft32(d, b.u32min) : ranges.shiftLeft64(d, Number(b.umin))),
  rsh: (d, b, bits) => (bits === 32 ? ranges.shiftRight32(d, b.u32min) : ranges.shiftRight64(d, Number(b.umin))),
  arsh: (d, b, bits) => (bits === 32 ? ranges.shiftSigned32(d, b.u32min) : ranges.shiftSigned64(d, Number(b.umin))),
};

const draft = new Draft();
const memo = new Memo<Scalar>();

const opNumbers: Readonly<Record<AluOp | "neg", number>> = {
  add: 0,
  sub: 1,
  mul: 2,
  div: 3,
  sdiv: 4,
  mod: 5,
  smod: 6,
  or: 7,
  and: 8,
  xor: 9,
  lsh: 10,
  rsh: 11,
  arsh: 12,
  mov: 13,
  neg: 14,
};

function isShift(op: AluOp): boolean {
  return op === "lsh" || op === "rsh" || op === "arsh";
}

/** True when `b` is a certain number below `bits`: only then the kernel follows a shift by it. */
function shiftsByKnown(bits: 32 | 64, b: Scalar): boolean {
  const known =
    bits === 64
      ? b.mask === 0n && b.smin === b.smax && b.umin === b.umax
      : (b.mask & LOW_HALF) === 0n && b.s32min === b.s32max && b.u32min === b.u32max;
  return known && b.umax < BigInt(bits);
}

function computed(op: AluOp, bits: 32 | 64, a: Scalar, b: Scalar): Scalar {
  const transfer = transfers[op];
  if (transfer === undefined || (isShift(op) && !shiftsByKnown(bits, b))) return unknown;
  loadDraft(draft, a);
  transfer(draft, b, bits);
  return finishDraft(draft, bits, a);
}

/** The exact result of an operation on two certain numbers, or null for those that aren't followed. */
function folded(op: AluOp, a: bigint, b: bigint): bigint | null {
  switch (op) {
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "mul":
      return a * b;
    case "and":
      return a & b;
    case "or":
      return a | b;
    case "xor":
      return a ^ b;
    default:
      return null;
  }
}

/**
 * `a OP b` in `bits` bits; a 32-bit result has zeros above. `mov` gives `b` (64) or its low half (32). Division, remainder and
 * shifts by what isn't a certain number below `bits` give `unknown`, in 32 bits too. See `forked` for what comes first.
 */
export function alu(op: AluOp, bits: 32 | 64, a: Scalar, b: Scalar): Scalar {
  if (op === "mov") return bits === 64 ? b : zext32(b);
  if (a.mask === 0n && b.mask === 0n && isExact(a) && isExact(b)) {
    const result = folded(op, a.value, b.value);
    if (result !== null) return constant(BigInt.asUintN(bits, result));
  }
  const key = opNumbers[op] * 2 + (bits >> 6);
  const seen = memo.get(key, a, b);
  if (seen !== undefined) return seen;
  return memo.put(key, a, b, computed(op, bits, a, b));
}

/** `-a` in `bits` bits. */
export function neg(bits: 32 | 64, a: Scalar): Scalar {
  const key = opNumbers.neg * 2 + (bits >> 6);
  const seen = memo.get(key, a, a);
  if (seen !== undefined) return seen;
  setConst(draft, 0n);
  ranges.sub32(draft, a);
  ranges.sub64(draft, a);
  setBits(draft, tnumNeg(a));
  return memo.put(key, a, a, finishDraft(draft, bits));
}

/** The low 32 bits of `a` with zeros above: a 32-bit move. */
export function zext32(a: Scalar): Scalar {
  if (a === unknown) return fromUnsignedWidth(4);
  if (a.umax <= LOW_HALF && isExact(a)) return a;
  const key = opNumbers.mov * 2;
  const seen = memo.get(key, a, a);
  if (seen !== undefined) return seen;
  loadDraft(draft, a);
  return memo.put(key, a, a, finishDraft(draft, 32, a));
}

/** Two ways on which the kernel goes on at an instruction, told apart by the first operand. */
export interface Fork {
  /** What the operand is on the way that is followed at once. */
  readonly first: Scalar;
  /** What it is on the way that is followed later, from the same instruction again. */
  readonly later: Scalar;
}

/**
 * What `a` splits into before `a OP b`, or null: the kernel splits a number that is 0 or -1 (a sign spread over all bits, a
 * compiler's way to choose) before it's combined by `and` or `or` with a certain one.
 */
export function forked(op: AluOp, a: Scalar, b: Scalar): Fork | null {
  if ((op !== "and" && op !== "or") || b.mask !== 0n) return null;
  if (a.smin === -1n && a.smax === 0n) return { first: constant(-1n), later: constant(0n) };
  if (a.s32min !== -1 || a.s32max !== 0) return null;
  return { first: withLow32(a, LOW_HALF_NUMBER), later: withLow32(a, 0) };
}

const LOW_HALF_NUMBER = 0xffff_ffff;

function withLow32(a: Scalar, low: number): Scalar {
  loadDraft(draft, a);
  setLow32(draft, low);
  return sealDraft(draft);
}

/**
 * The variable offset of a pointer after `added`, which isn't folded into its fixed offset, is added to it (64 bits).
 * Pointers have no ranges of 32 bits. A contradictory `added` (see `isExact`) is the caller's to notice.
 */
export function pointerAdd(offset: Scalar, added: Scalar): Scalar {
  loadDraft(draft, offset);
  forget32(draft);
  const smin = offset.smin + added.smin;
  const smax = offset.smax + added.smax;
  const umin = offset.umin + added.umin;
  const umax = offset.umax + added.umax;
  forget64(draft);
  if (s64(smin) === smin && s64(smax) === smax) {
    draft.smin = smin;
    draft.smax = smax;
  }
  if (u64(umin) === umin && u64(umax) === umax) {
    draft.umin = umin;
    draft.umax = umax;
  }
  setBits(draft, tnumAdd(offset, added));
  return finishDraft(draft, 64);
}

/** The variable offset of a pointer after `taken`, which isn't folded into its fixed offset, is taken from it (64 bits). */
export function pointerSub(offset: Scalar, taken: Scalar): Scalar {
  loadDraft(draft, offset);
  forget32(draft);
  forget64(draft);
  const smin = offset.smin - taken.smax;
  const smax = offset.smax - taken.smin;
  if (s64(smin) === smin && s64(smax) === smax) {
    draft.smin = smin;
    draft.smax = smax;
  }
  if (offset.umin >= taken.umax) {
    draft.umin = u64(offset.umin - taken.umax);
    draft.umax = u64(offset.umax - taken.umin);
  }
  setBits(draft, tnumSub(offset, taken));
  return finishDraft(draft, 64);
}

/**
 * What a register is that was known to be `known` plus `delta` (a signed number of 33 bits), once `known` is learnt; in 32 bits
 * only the low half was added and the rest is zero.
 */
export function linkedAdd(known: Scalar, delta: number, bits: 32 | 64 = 64): Scalar {
  const added = immediate(delta);
  loadDraft(draft, known);
  ranges.add32(draft, added);
  ranges.add64(draft, added);
  setBits(draft, tnumAdd(draft, added));
  if (bits === 32) zeroUpper(draft);
  syncDraft(draft);
  return sealDraft(draft);
}
