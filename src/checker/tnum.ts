// Numbers of which some bits are known (tristate numbers): a value and a mask of the bits that aren't known. The bit-wise half
// of the abstract number in scalar.ts, whose scalars and drafts can be given as they are. All values are unsigned 64-bit;
// `value & mask` is always 0. Knows nothing of ranges.
// Source: Linux kernel/bpf/tnum.c (6.18); Vishwanathan et al., "Sound, Precise, and Fast Abstract Interpretation with Tristate
// Numbers", CGO 2022.

/** Bits of a 64-bit number: those known to be one, and those not known. The rest is zero. */
export interface Tnum {
  readonly value: bigint;
  readonly mask: bigint;
}

/** The low half of a 64-bit number. */
export const LOW_HALF = 0xffff_ffffn;

/** All 64 bits. */
export const ALL_BITS = 0xffff_ffff_ffff_ffffn;

/** `x` modulo 2^64. */
export function u64(x: bigint): bigint {
  return BigInt.asUintN(64, x);
}

/** The 64 low bits of `x` read as a signed number. */
export function s64(x: bigint): bigint {
  return BigInt.asIntN(64, x);
}

/** The number `value` (0 to 2^64 - 1), all bits known. */
export function tnumConst(value: bigint): Tnum {
  return { value, mask: 0n };
}

const masks: readonly bigint[] = Array.from({ length: 65 }, (_, bits) => (1n << BigInt(bits)) - 1n);

/** The least mask of the form 2^n - 1 that covers `x`. */
function smear(x: bigint): bigint {
  const high = Number(x >> 32n);
  const bits = high !== 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(Number(x));
  return masks[bits] ?? ALL_BITS;
}

/** The bits that all numbers from `min` to `max` (unsigned) share: their common beginning. */
export function tnumRange(min: bigint, max: bigint): Tnum {
  const mask = smear(min ^ max);
  return { value: min & ~mask, mask };
}

/** `a + b`. */
export function tnumAdd(a: Tnum, b: Tnum): Tnum {
  const values = u64(a.value + b.value);
  const carries = u64(values + a.mask + b.mask) ^ values;
  const mask = carries | a.mask | b.mask;
  return { value: values & ~mask, mask };
}

/** `a - b`. */
export function tnumSub(a: Tnum, b: Tnum): Tnum {
  const values = u64(a.value - b.value);
  const borrows = u64(values + a.mask) ^ u64(values - b.mask);
  const mask = borrows | a.mask | b.mask;
  return { value: values & ~mask, mask };
}

/** `-a`. */
export function tnumNeg(a: Tnum): Tnum {
  return tnumSub(tnumConst(0n), a);
}

/** `a & b`. */
export function tnumAnd(a: Tnum, b: Tnum): Tnum {
  const value = a.value & b.value;
  return { value, mask: (a.value | a.mask) & (b.value | b.mask) & ~value };
}

/** `a | b`. */
export function tnumOr(a: Tnum, b: Tnum): Tnum {
  const value = a.value | b.value;
  return { value, mask: (a.mask | b.mask) & ~value };
}

/** `a ^ b`. */
export function tnumXor(a: Tnum, b: Tnum): Tnum {
  const mask = a.mask | b.mask;
  return { value: (a.value ^ b.value) & ~mask, mask };
}

/** `a << shift`, 0 to 63. */
export function tnumShiftLeft(a: Tnum, shift: bigint): Tnum {
  return { value: u64(a.value << shift), mask: u64(a.mask << shift) };
}

/** `a >> shift` without sign, 0 to 63. */
export function tnumShiftRight(a: Tnum, shift: bigint): Tnum {
  return { value: a.value >> shift, mask: a.mask >> shift };
}

/** `a >> shift` with the sign of a number of `bits` bits; of 32 bits, the upper half of the result is zero. */
export function tnumShiftSigned(a: Tnum, shift: bigint, bits: 32 | 64): Tnum {
  return {
    value: BigInt.asUintN(bits, BigInt.asIntN(bits, a.value) >> shift),
    mask: BigInt.asUintN(bits, BigInt.asIntN(bits, a.mask) >> shift),
  };
}

/** The bits that `a` and `b` share: every number that one of them allows. */
export function tnumUnion(a: Tnum, b: Tnum): Tnum {
  const mask = (a.value ^ b.value) | a.mask | b.mask;
  return { value: a.value & b.value & ~mask, mask };
}

/** Numbers that both allow. Where one says 0 and the other 1, the result says 1: the caller must notice a contradiction. */
export function tnumIntersect(a: Tnum, b: Tnum): Tnum {
  const mask = a.mask & b.mask;
  return { value: (a.value | b.value) & ~mask, mask };
}

/**
 * `a * b` by long multiplication: one step per bit of `a`, a bit that isn't known giving the union of both outcomes.
 */
export function tnumMul(a: Tnum, b: Tnum): Tnum {
  if (a.mask === 0n && b.mask === 0n) return tnumConst(u64(a.value * b.value));
  let { value, mask } = a;
  let addend: Tnum = b;
  let sum: Tnum = tnumConst(0n);
  while ((value | mask) !== 0n) {
    if ((value & 1n) === 1n) sum = tnumAdd(sum, addend);
    else if ((mask & 1n) === 1n) sum = tnumUnion(sum, tnumAdd(sum, addend));
    value >>= 1n;
    mask >>= 1n;
    addend = tnumShiftLeft(addend, 1n);
  }
  return sum;
}

/** The low `bits` of `a`, zeros above. */
export function tnumLow(a: Tnum, bits: number): Tnum {
  return { value: BigInt.asUintN(bits, a.value), mask: BigInt.asUintN(bits, a.mask) };
}

/** `a` with its low 32 bits replaced by those of `low` (whose upper half is zero). */
export function tnumWithLow32(a: Tnum, low: Tnum): Tnum {
  return {
    value: (a.value & ~LOW_HALF) | low.value,
    mask: (a.mask & ~LOW_HALF) | low.mask,
  };
}

/** The least number above `x` that `a` allows; the greatest that it allows when there is none. `x` is 0 to 2^64 - 1. */
export function tnumNext(a: Tnum, x: bigint): bigint {
  const greatest = a.value | a.mask;
  if (x >= greatest) return greatest;
  if (x < a.value) return a.value;
  // Count up among the bits that vary: those that don't are filled with ones, so that a carry runs through them; so are all
  // below the highest bit in which `x` goes astray, for there the count starts again from zero.
  const distance = x - a.value;
  const filled = distance | ~a.mask | smear(distance & ~a.mask);
  return a.value | (u64(filled + 1n) & a.mask);
}

/** `a` with the order of its `bytes` low bytes reversed; zeros above. */
export function tnumSwapped(a: Tnum, bytes: 2 | 4 | 8): Tnum {
  return { value: swapped(a.value, bytes), mask: swapped(a.mask, bytes) };
}

function swapped(x: bigint, bytes: number): bigint {
  let result = 0n;
  for (let index = 0n; index < BigInt(bytes); index++) result = (result << 8n) | ((x >> (8n * index)) & 0xffn);
  return result;
}

/** False when some bit is known to differ. */
export function tnumOverlaps(a: Tnum, b: Tnum): boolean {
  return ((a.value ^ b.value) & ~(a.mask | b.mask)) === 0n;
}

/** True when every number that `inner` allows is allowed by `outer`. */
export function tnumWithin(outer: Tnum, inner: Tnum): boolean {
  return (inner.mask & ~outer.mask) === 0n && (inner.value & ~outer.mask) === outer.value;
}

/** True when every number allowed is a multiple of `bytes`, a power of two. */
export function tnumAligned(a: Tnum, bytes: number): boolean {
  return ((a.value | a.mask) & BigInt(bytes - 1)) === 0n;
}
