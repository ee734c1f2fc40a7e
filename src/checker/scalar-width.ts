// Abstract numbers cut to a width and extended again, and with their bytes swapped: what narrow loads, stores, sign-extending
// moves and changes of byte order leave.
// Pure functions of immutable scalars, like scalar-alu.ts. Knows nothing of memory.
// Source: Linux kernel/bpf/verifier.c (coerce_reg_to_size, coerce_reg_to_size_sx, coerce_subreg_to_size_sx, 6.18).

import type { Width } from "../bpf/insn.ts";
import { fromUnsignedWidth, type Scalar, unknown } from "./scalar.ts";
import { Draft, forget32, forget64, loadDraft, sealDraft, setBits, setConst } from "./scalar-draft.ts";
import { Memo } from "./scalar-memo.ts";
import { finishDraft, repairDraft, syncDraft } from "./scalar-sync.ts";
import { s64, tnumConst, tnumLow, tnumRange, tnumSwapped, u64 } from "./tnum.ts";

const draft = new Draft();
const memo = new Memo<Scalar>();

// Where the numbers of the operations begin in the memo; those of movsx are sums of its widths, up to 96.
const COERCED = 100;
const CUT = 200;
const SWAPPED = 300;

function signExtend(x: bigint, bits: number): bigint {
  return BigInt.asIntN(bits, x);
}

function upperPart(x: bigint, bits: number): bigint {
  return x >> BigInt(bits);
}

/** `d` cut to `bits` and sign-extended to 64 bits, as the kernel leaves it: ranges and bits set, not yet informing each other. */
function extendSign64(d: Draft, bits: 8 | 16 | 32): void {
  if (d.mask === 0n) return setConst(d, u64(signExtend(d.value, bits)));
  const atMin = signExtend(d.smin, bits);
  const atMax = signExtend(d.smax, bits);
  if (upperPart(d.smin, bits) === upperPart(d.smax, bits) && atMin >= 0n === atMax >= 0n) {
    const min = atMin < atMax ? atMin : atMax;
    const max = atMin < atMax ? atMax : atMin;
    d.smin = min;
    d.smax = max;
    d.umin = u64(min);
    d.umax = u64(max);
    d.s32min = Number(BigInt.asIntN(32, min));
    d.s32max = Number(BigInt.asIntN(32, max));
    d.u32min = d.s32min >>> 0;
    d.u32max = d.s32max >>> 0;
    setBits(d, tnumRange(d.umin, d.umax));
    return;
  }
  forget64(d);
  forget32(d);
  setBits(d, unknown);
  d.smin = -(1n << BigInt(bits - 1));
  d.smax = (1n << BigInt(bits - 1)) - 1n;
  d.s32min = Number(d.smin);
  d.s32max = Number(d.smax);
}

/** The low half of `d` cut to `bits` and sign-extended to 32 bits; what lies above is the caller's to clear. */
function extendSign32(d: Draft, bits: 8 | 16): void {
  if (d.mask === 0n) {
    const value = Number(signExtend(d.value, bits));
    setBits(d, tnumConst(u64(BigInt(value))));
    d.s32min = value;
    d.s32max = value;
    d.u32min = value >>> 0;
    d.u32max = value >>> 0;
    return;
  }
  const up = 32 - bits;
  const atMin = (d.s32min << up) >> up;
  const atMax = (d.s32max << up) >> up;
  if (d.s32min >> bits === d.s32max >> bits && atMin >= 0 === atMax >= 0) {
    d.s32min = Math.min(atMin, atMax);
    d.s32max = Math.max(atMin, atMax);
    d.u32min = d.s32min >>> 0;
    d.u32max = d.s32max >>> 0;
    setBits(d, tnumLow(tnumRange(u64(BigInt(d.s32min)), u64(BigInt(d.s32max))), 32));
    return;
  }
  forget32(d);
  d.s32min = -(1 << (bits - 1));
  d.s32max = (1 << (bits - 1)) - 1;
  setBits(d, tnumLow(unknown, 32));
}

/** The low `fromBits` of `a`, sign-extended to `bits`; zeros above those. */
export function movsx(bits: 32 | 64, fromBits: 8 | 16 | 32, a: Scalar): Scalar {
  const key = bits + fromBits;
  return memo.get(key, a, a) ?? memo.put(key, a, a, signExtended(bits, fromBits, a));
}

function signExtended(bits: 32 | 64, fromBits: 8 | 16 | 32, a: Scalar): Scalar {
  loadDraft(draft, a);
  if (bits === 64) {
    extendSign64(draft, fromBits);
    repairDraft(draft);
    return sealDraft(draft, a);
  }
  if (fromBits !== 32) extendSign32(draft, fromBits);
  return finishDraft(draft, 32, a);
}

function extendZero(d: Draft, bits: number): void {
  const most = (1n << BigInt(bits)) - 1n;
  setBits(d, tnumLow(d, bits));
  const same = upperPart(d.umin, bits) === upperPart(d.umax, bits);
  d.umin = same ? d.umin & most : 0n;
  d.umax = same ? d.umax & most : most;
  d.smin = s64(d.umin);
  d.smax = s64(d.umax);
  if (bits < 32) forget32(d);
  syncDraft(d);
}

/** The low `width` bytes of `a`, extended to 64 bits by zeros or by the sign: what a load of that width leaves. */
export function coerce(a: Scalar, width: Width, signed: boolean): Scalar {
  if (width === 8) return a;
  if (!signed && (a === unknown || a === fromUnsignedWidth(width))) return fromUnsignedWidth(width);
  const key = COERCED + width * 2 + (signed ? 1 : 0);
  return memo.get(key, a, a) ?? memo.put(key, a, a, coerced(a, width, signed));
}

function coerced(a: Scalar, width: 1 | 2 | 4, signed: boolean): Scalar {
  loadDraft(draft, a);
  if (signed) extendSign64(draft, (width * 8) as 8 | 16 | 32);
  else extendZero(draft, width * 8);
  return sealDraft(draft, a);
}

/** `a` in another byte order (see `Insn`, kind endian), on a machine that is little-endian: `le` only cuts. */
export function endian(op: "le" | "be" | "bswap", bits: 16 | 32 | 64, a: Scalar): Scalar {
  if (op === "le" && bits === 64) return a;
  const key = (op === "le" ? CUT : SWAPPED) + bits;
  return memo.get(key, a, a) ?? memo.put(key, a, a, reordered(op, bits, a));
}

function reordered(op: "le" | "be" | "bswap", bits: 16 | 32 | 64, a: Scalar): Scalar {
  loadDraft(draft, a);
  if (op !== "le") {
    setBits(draft, tnumSwapped(a, (bits / 8) as 2 | 4 | 8));
    forget64(draft);
    forget32(draft);
  }
  if (bits !== 64) extendZero(draft, bits);
  return finishDraft(draft, 64, a);
}

/** True when `a` fits into `bits` signed and unsigned alike, so that extending the sign of its low `bits` changes nothing. */
export function fitsSigned(a: Scalar, bits: 8 | 16 | 32): boolean {
  return a.umax < 1n << BigInt(bits - 1);
}
