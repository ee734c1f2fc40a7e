// What the checker knows of a 64-bit number: which bits are certain, and ranges of the whole and of its low half, signed and
// unsigned. Values are immutable and shared by reference; equal ones are mostly the same object. The bottom of the checker:
// arithmetic (scalar-alu.ts), branches (scalar-branch.ts) and text build on it. Knows nothing of registers, pointers or ids.
// Source: Linux kernel/bpf/verifier.c (struct bpf_reg_state, 6.18), whose precision this domain has, no more and no less.

import type { Width } from "../bpf/insn.ts";

/** The fields of a scalar, all of them at once: the working form of arithmetic, and what a test compares. */
export interface ScalarFields {
  /** Bits known to be one. */
  readonly value: bigint;
  /** Bits that aren't known; disjoint from `value`. */
  readonly mask: bigint;
  /** Least and greatest value, unsigned, 0 to 2^64 - 1. */
  readonly umin: bigint;
  readonly umax: bigint;
  /** Least and greatest value, signed, -2^63 to 2^63 - 1. */
  readonly smin: bigint;
  readonly smax: bigint;
  /** Least and greatest value of the low 32 bits, unsigned, 0 to 2^32 - 1. */
  readonly u32min: number;
  readonly u32max: number;
  /** Least and greatest value of the low 32 bits, signed, -2^31 to 2^31 - 1. */
  readonly s32min: number;
  readonly s32max: number;
}

const U64_MAX = (1n << 64n) - 1n;
const S64_MIN = -(1n << 63n);
const S64_MAX = (1n << 63n) - 1n;
const U32_MAX = 0xffff_ffff;

let nextSerial = 0;

/** An abstract 64-bit number. Made by `constant`, `fromUnsignedWidth`, `bounded` and the operations; never changed. */
export class Scalar implements ScalarFields {
  readonly value: bigint;
  readonly mask: bigint;
  readonly umin: bigint;
  readonly umax: bigint;
  readonly smin: bigint;
  readonly smax: bigint;
  readonly u32min: number;
  readonly u32max: number;
  readonly s32min: number;
  readonly s32max: number;
  /** A number of its own, for hashing by identity. */
  readonly serial: number;

  constructor(fields: ScalarFields) {
    this.value = fields.value;
    this.mask = fields.mask;
    this.umin = fields.umin;
    this.umax = fields.umax;
    this.smin = fields.smin;
    this.smax = fields.smax;
    this.u32min = fields.u32min;
    this.u32max = fields.u32max;
    this.s32min = fields.s32min;
    this.s32max = fields.s32max;
    this.serial = nextSerial++;
  }
}

/** Any 64-bit number. */
export const unknown: Scalar = new Scalar({
  value: 0n,
  mask: U64_MAX,
  umin: 0n,
  umax: U64_MAX,
  smin: S64_MIN,
  smax: S64_MAX,
  u32min: 0,
  u32max: U32_MAX,
  s32min: -0x8000_0000,
  s32max: 0x7fff_ffff,
});

function madeConstant(value: bigint): Scalar {
  const unsigned = BigInt.asUintN(64, value);
  const signed = BigInt.asIntN(64, value);
  const low = Number(BigInt.asUintN(32, value));
  return new Scalar({
    value: unsigned,
    mask: 0n,
    umin: unsigned,
    umax: unsigned,
    smin: signed,
    smax: signed,
    u32min: low,
    u32max: low,
    s32min: low | 0,
    s32max: low | 0,
  });
}

const KEPT = 1024;
const keptConstants: (Scalar | undefined)[] = new Array(KEPT).fill(undefined);

/** The number `value`, signed or unsigned: only its 64 low bits count. */
export function constant(value: bigint): Scalar {
  const slot = Number(BigInt.asUintN(10, value ^ (value >> 10n) ^ (value >> 32n)));
  const kept = keptConstants[slot];
  if (kept !== undefined && kept.value === BigInt.asUintN(64, value)) return kept;
  const made = madeConstant(value);
  keptConstants[slot] = made;
  return made;
}

const SMALLEST_KEPT = -64;
const smallConstants = Array.from({ length: 1024 }, (_, index) => constant(BigInt(index + SMALLEST_KEPT)));

/** The number `imm`, a 32-bit immediate (-2^31 to 2^31 - 1), sign-extended to 64 bits. */
export function immediate(imm: number): Scalar {
  return smallConstants[imm - SMALLEST_KEPT] ?? constant(BigInt(imm));
}

function unsignedBelow(bits: 8 | 16 | 32): Scalar {
  const max = (1 << (bits - 1)) * 2 - 1;
  const wide = (1n << BigInt(bits)) - 1n;
  return new Scalar({
    value: 0n,
    mask: wide,
    umin: 0n,
    umax: wide,
    smin: 0n,
    smax: wide,
    u32min: 0,
    u32max: bits === 32 ? U32_MAX : max,
    s32min: bits === 32 ? -0x8000_0000 : 0,
    s32max: bits === 32 ? 0x7fff_ffff : max,
  });
}

const byWidth: Readonly<Record<Width, Scalar>> = {
  1: unsignedBelow(8),
  2: unsignedBelow(16),
  4: unsignedBelow(32),
  8: unknown,
};

/** Any number that fits in `width` bytes, the rest zero: what an ordinary load of that width leaves. */
export function fromUnsignedWidth(width: Width): Scalar {
  return byWidth[width];
}

/** True when only one number is possible. */
export function isConst(s: Scalar): boolean {
  return s.mask === 0n;
}

/** The only possible number, unsigned (0 to 2^64 - 1), or null when there are several; `BigInt.asIntN(64, …)` for signed. */
export function constValue(s: Scalar): bigint | null {
  return s.mask === 0n ? s.value : null;
}

/** True when nothing about `s` contradicts that it's a single number; false for a number on a way that can't be taken. */
export function isExact(s: Scalar): boolean {
  return s.mask === 0n && s.umin === s.umax && s.smin === s.smax && s.u32min === s.u32max && s.s32min === s.s32max;
}

/** True when only one number is possible for the low 32 bits. */
export function isConst32(s: Scalar): boolean {
  return (s.mask & 0xffff_ffffn) === 0n;
}

/** The number of low bits that hold every number possible, 0 to 64: 8 for a byte. */
export function bitWidth(s: Scalar): number {
  return s.umax === 0n ? 0 : s.umax.toString(2).length;
}

/** True when the two say the same, bound for bound. */
export function equals(a: ScalarFields, b: ScalarFields): boolean {
  return (
    a === b ||
    (a.u32min === b.u32min &&
      a.u32max === b.u32max &&
      a.s32min === b.s32min &&
      a.s32max === b.s32max &&
      a.umin === b.umin &&
      a.umax === b.umax &&
      a.smin === b.smin &&
      a.smax === b.smax &&
      a.value === b.value &&
      a.mask === b.mask)
  );
}

/** True when every number that `inner` allows is allowed by `outer` too, judged as the kernel prunes: bound for bound. */
export function within(outer: Scalar, inner: Scalar): boolean {
  return (
    outer === inner ||
    (outer.umin <= inner.umin &&
      outer.umax >= inner.umax &&
      outer.smin <= inner.smin &&
      outer.smax >= inner.smax &&
      outer.u32min <= inner.u32min &&
      outer.u32max >= inner.u32max &&
      outer.s32min <= inner.s32min &&
      outer.s32max >= inner.s32max &&
      (inner.mask & ~outer.mask) === 0n &&
      (inner.value & ~outer.mask) === outer.value)
  );
}
