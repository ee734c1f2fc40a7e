// What a comparison of two abstract numbers decides, and what each of its two ways teaches about them.
// Pure functions of immutable scalars; the same object comes back when nothing was learnt. Knows nothing of pointers, of
// equal ids or of the other registers that share a value.
// Source: Linux kernel/bpf/verifier.c (is_scalar_branch_taken, regs_refine_cond_op, reg_bounds_sanity_check, 6.18).

import type { JumpOp } from "../bpf/insn.ts";
import type { Scalar } from "./scalar.ts";

/** Both operands of a branch after it went one way. */
export interface Refined {
  readonly dst: Scalar;
  readonly src: Scalar;
}

/** Whether `if a OP b` jumps: always (true), never (false) or it depends (null). `bits` 32 compares the low halves. */
export function branchTaken(_op: JumpOp, _bits: 32 | 64, _a: Scalar, _b: Scalar): boolean | null {
  return null;
}

/**
 * What both operands are once `if a OP b` jumped (`taken`) or didn't. Null: it can't go that way; only to be asked where
 * `branchTaken` gave null.
 */
export function refine(_op: JumpOp, _bits: 32 | 64, _taken: boolean, a: Scalar, b: Scalar): Refined | null {
  return { dst: a, src: b };
}
