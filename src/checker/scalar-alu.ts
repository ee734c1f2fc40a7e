// Arithmetic on abstract numbers: what each instruction can leave, as precisely as the kernel's verifier and no more so.
// Pure functions of immutable scalars. Knows nothing of pointers; an operation that the kernel refuses (a shift by a constant
// beyond the width) is the caller's to refuse.
// Source: Linux kernel/bpf/verifier.c (adjust_scalar_min_max_vals and coerce_*, 6.18).

import type { AluOp, Width } from "../bpf/insn.ts";
import { fromUnsignedWidth, type Scalar, unknown } from "./scalar.ts";

/** `a OP b` in `bits` bits; a 32-bit result has zeros above. `mov` gives `b` (64) or its low half (32). */
export function alu(_op: AluOp, bits: 32 | 64, _a: Scalar, _b: Scalar): Scalar {
  return bits === 64 ? unknown : fromUnsignedWidth(4);
}

/** `-a` in `bits` bits. */
export function neg(bits: 32 | 64, _a: Scalar): Scalar {
  return bits === 64 ? unknown : fromUnsignedWidth(4);
}

/** The low `fromBits` of `a`, sign-extended to `bits`; zeros above those. */
export function movsx(bits: 32 | 64, _fromBits: 8 | 16 | 32, _a: Scalar): Scalar {
  return bits === 64 ? unknown : fromUnsignedWidth(4);
}

/** The low 32 bits of `a` with zeros above: a 32-bit move, and what every 32-bit operation leaves. */
export function zext32(_a: Scalar): Scalar {
  return fromUnsignedWidth(4);
}

/** `a` in another byte order (see `Insn`, kind endian), on a little-endian machine. */
export function endian(_op: "le" | "be" | "bswap", _bits: 16 | 32 | 64, _a: Scalar): Scalar {
  return unknown;
}

/** The low `width` bytes of `a`, extended to 64 bits by zeros or by the sign: what a narrow store and load leave. */
export function coerce(_a: Scalar, width: Width, signed: boolean): Scalar {
  return signed ? unknown : fromUnsignedWidth(width);
}

/** The variable offset of a pointer at variable offset `offset` after `added` is added to it (64 bits). */
export function pointerAdd(_offset: Scalar, _added: Scalar): Scalar {
  return unknown;
}

/** The variable offset of a pointer at variable offset `offset` after `taken` is taken from it (64 bits). */
export function pointerSub(_offset: Scalar, _taken: Scalar): Scalar {
  return unknown;
}
