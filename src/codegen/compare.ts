// How a comparison becomes a conditional jump: operation, width, immediate or register, for each instruction-set level. Tables
// and rules for `select`; knows no registers.
// An i32 stands zero-extended in its register, so a 64-bit jump compares it as well, with an immediate below 2^31; only
// above that, and for signed comparisons, 32-bit jumps (v3) or a register are needed.

import type { JumpOp } from "../bpf/insn.ts";
import type { CpuLevel } from "../bpf/isa.ts";
import type { Compare, IntType } from "../ir/ir.ts";

const jumpOps: Readonly<Record<Compare, JumpOp>> = {
  eq: "eq",
  ne: "ne",
  ult: "lt",
  ule: "le",
  ugt: "gt",
  uge: "ge",
  slt: "slt",
  sle: "sle",
  sgt: "sgt",
  sge: "sge",
  set: "set",
};

/** The comparison that holds for (b, a) where the key holds for (a, b). */
export const flipped: Readonly<Record<Compare, Compare>> = {
  eq: "eq",
  ne: "ne",
  ult: "ugt",
  ule: "uge",
  ugt: "ult",
  uge: "ule",
  slt: "sgt",
  sle: "sge",
  sgt: "slt",
  sge: "sle",
  set: "set",
};

/** For the comparisons that v1 lacks: the one that holds exactly where the key doesn't. */
export const v1Negated: Partial<Record<JumpOp, JumpOp>> = { lt: "ge", le: "gt", slt: "sge", sle: "sgt" };
/** For the comparisons that v1 lacks: the one that holds for (b, a) where the key holds for (a, b). */
export const v1Flipped: Partial<Record<JumpOp, JumpOp>> = { lt: "gt", le: "ge", slt: "sgt", sle: "sge" };

const isSigned = (compare: Compare): boolean => compare.startsWith("s") && compare !== "set";

/** Whether a signed value fits an immediate. */
export const isImm32 = (value: bigint): boolean => value === BigInt.asIntN(32, value);

/** The low 32 bits as an immediate. */
const toImm = (value: bigint): number => Number(BigInt.asIntN(32, value));

/** A conditional jump's form. */
export interface TestForm {
  readonly op: JumpOp;
  readonly bits: 32 | 64;
  /** null: the second operand has to be in a register. */
  readonly imm: number | null;
  /** Both registers must first be sign-extended from 32 bits. */
  readonly signExtend: boolean;
}

/** The form of a comparison with a constant (`known`, unsigned in its type's width) or with a register (null). */
export function testForm(compare: Compare, type: IntType, known: bigint | null, cpu: CpuLevel): TestForm {
  const form: TestForm = { op: jumpOps[compare], bits: 64, imm: null, signExtend: false };
  const has32 = cpu === "v3" || cpu === "v4";
  if (type === "i32" && isSigned(compare)) {
    const imm = known === null ? null : toImm(known);
    return has32 ? { ...form, bits: 32, imm } : { ...form, imm, signExtend: true };
  }
  if (known === null) return form;
  const signed = BigInt.asIntN(64, known);
  if (isImm32(signed)) return { ...form, imm: Number(signed) };
  if (type === "i64") return form;
  if (known === 0x8000_0000n && compare === "uge") return { ...form, op: "gt", imm: 0x7fff_ffff };
  if (known === 0x8000_0000n && compare === "ult") return { ...form, op: "le", imm: 0x7fff_ffff };
  // The mask's extension meets the register's zeros.
  if (compare === "set") return { ...form, imm: toImm(known) };
  return has32 ? { ...form, bits: 32, imm: toImm(known) } : form;
}
