// Accesses to a run of bytes of known length (map values, keys, records, arguments of global functions) and the alignment of any
// access: the arithmetic of offsets that all kinds of memory share. Knows nothing of instructions; memory.ts asks it for loads
// and stores, memory-buffers.ts for what helpers touch.
// Source: Linux kernel/bpf/verifier.c (check_mem_region_access, check_ptr_alignment, __check_ptr_off_reg, 6.18).

import type { PointerValue } from "./state.ts";
import { refuse } from "./verdict.ts";

/** Offsets of this many bytes and more count as unbounded. **Source:** include/linux/bpf_verifier.h, BPF_MAX_VAR_OFF. */
export const maxVariableOffset = 1n << 29n;

/** The only value of a pointer's variable part, in bytes, or null when it varies. Constants are small: arithmetic sees to that. */
export function fixedPart(pointer: PointerValue): number | null {
  return pointer.varOff.mask === 0n ? Number(BigInt.asIntN(64, pointer.varOff.value)) : null;
}

/**
 * Refuses an access of `bytes` bytes at `off` (with the pointer's fixed offset in it) that may leave the `limit` bytes the
 * pointer points to. `zeroAllowed`: an access of 0 bytes is one.
 */
export function checkRegion(
  register: number,
  pointer: PointerValue,
  off: number,
  bytes: number,
  limit: number,
  zeroAllowed: boolean,
): void {
  const { varOff } = pointer;
  if (varOff.mask === 0n && varOff.value === 0n) {
    if (off < 0 || !(bytes > 0 || zeroAllowed) || off + bytes > limit)
      outOfBounds(register, pointer, off, off, bytes, limit);
    return;
  }
  const from = varOff.smin + BigInt(off);
  const to = varOff.umax + BigInt(off);
  if (varOff.umax >= maxVariableOffset) outOfBounds(register, pointer, bounded(from), null, bytes, limit);
  if (from < 0n || !(bytes > 0 || zeroAllowed) || to + BigInt(bytes) > BigInt(limit))
    outOfBounds(register, pointer, bounded(from), Number(to), bytes, limit);
}

function bounded(from: bigint): number | null {
  return from <= -maxVariableOffset || from >= maxVariableOffset ? null : Number(from);
}

/** Ends the walk: bytes from `from` (lowest) or `to` (highest, null for no bound) on aren't all below `limit`. */
export function outOfBounds(
  register: number,
  pointer: PointerValue,
  from: number | null,
  to: number | null,
  bytes: number,
  limit: number,
): never {
  return refuse({ kind: "outOfBounds", register, pointer, from, to, bytes, limit });
}

/** Refuses an access at `off` from the pointer (its own fixed offset not in it) that isn't surely a multiple of `bytes`. */
export function checkAligned(register: number, pointer: PointerValue, off: number, bytes: number): void {
  const low = bytes - 1;
  if (low === 0) return;
  const { varOff } = pointer;
  const offset = pointer.off + off;
  if (varOff.mask === 0n && varOff.value === 0n ? (offset & low) === 0 : aligned(pointer, offset, BigInt(low))) return;
  refuse({ kind: "misaligned", register, pointer, offset, bytes });
}

function aligned(pointer: PointerValue, offset: number, low: bigint): boolean {
  const { varOff } = pointer;
  return (varOff.mask & low) === 0n && ((varOff.value + BigInt(offset)) & low) === 0n;
}

/** Refuses a pointer that was moved: some kinds may only be used as they were given (or, `fixedAllowed`, a constant further). */
export function checkUnmoved(register: number, pointer: PointerValue, fixedAllowed = false): void {
  const { off, varOff } = pointer;
  if (off < 0 || (off !== 0 && !fixedAllowed) || varOff.mask !== 0n || varOff.value !== 0n)
    refuse({ kind: "movedPointer", register, pointer });
}
