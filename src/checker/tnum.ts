// Numbers of which some bits are known (tristate numbers): a value and a mask of the bits that aren't known. The bit-wise half
// of the abstract number in scalar.ts. All values are unsigned 64-bit; `value & mask` is always 0.
// Source: Linux kernel/bpf/tnum.c (6.18); Vishwanathan et al., "Sound, Precise, and Fast Abstract Interpretation with Tristate
// Numbers", CGO 2022.

/** Bits of a 64-bit number: those known to be one, and those not known. The rest is zero. */
export interface Tnum {
  readonly value: bigint;
  readonly mask: bigint;
}
