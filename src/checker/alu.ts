// Arithmetic and moves: which fields an instruction may have, what it does to numbers and which registers stay linked (known to
// hold the same number, or one a constant apart). Arithmetic on pointers is pointer-alu.ts, the numbers are scalar-alu.ts.
// Source: Linux kernel/bpf/verifier.c (check_alu_op, adjust_reg_min_max_vals, maybe_fork_scalars; 6.18).

import type { AluOp } from "../bpf/insn.ts";
import { aluOps, aluUnary, insnClass, opNames, sourceRegister } from "../bpf/isa.ts";
import type { Env } from "./env.ts";
import { movePointer } from "./pointer-alu.ts";
import { checkWritable, readRegister, setRegister } from "./registers.ts";
import type { Scalar } from "./scalar.ts";
import { bitWidth, constant, immediate, isConst, isConst32, unknown } from "./scalar.ts";
import { alu, forked, neg, zext32 } from "./scalar-alu.ts";
import { endian, fitsSigned, movsx } from "./scalar-width.ts";
import type { RegValue, ScalarValue } from "./state.ts";
import { currentFrame, isPointer, linkedScalar, scalarValue } from "./state.ts";
import { refuse, unsupported } from "./verdict.ts";

const opOfCode: (AluOp | undefined)[] = [];
for (const op of opNames(aluOps)) if (aluOps[op].offset === 0) opOfCode[aluOps[op].code >> 4] = op;

/** A number of which nothing is known. */
export const unknownValue: ScalarValue = scalarValue(unknown);
/** What is left of a pointer that 32 bits of were copied. */
const unknownHalf = scalarValue(zext32(unknown));

/** The offset of a move that casts between address spaces (arenas). */
const addressSpaceCast = 1;
const leastDelta = -0x8000_0000;

/** Walks the ALU or ALU64 instruction at `env.slot`. */
export function walkAlu(env: Env): void {
  const { program, slot } = env;
  const code = (program.opcode[slot] as number) & 0xf0;
  if (code === aluUnary.end || code === aluUnary.neg) walkUnary(env, code);
  else if (code === aluOps.mov.code) walkMove(env);
  else walkBinary(env, code);
}

/** Refuses a field that should be zero. */
export function reserved(field: string, value: number): void {
  if (value !== 0) refuse({ kind: "encoding", field, value });
}

function walkUnary(env: Env, code: number): void {
  const { program, slot } = env;
  const opcode = program.opcode[slot] as number;
  const dst = program.dst[slot] as number;
  const imm = program.imm[slot] as number;
  const wide = (opcode & 7) === insnClass.alu64;
  reserved("src", program.src[slot] as number);
  reserved("off", program.off[slot] as number);
  if (code === aluUnary.neg) {
    reserved("opcode", opcode & sourceRegister);
    reserved("imm", imm);
  } else {
    if (imm !== 16 && imm !== 32 && imm !== 64) refuse({ kind: "encoding", field: "imm", value: imm });
    if (wide) reserved("opcode", opcode & sourceRegister);
  }
  const value = readRegister(env, dst);
  checkWritable(dst);
  if (value.kind !== "scalar") setRegister(env, dst, unknownValue);
  else if (code === aluUnary.neg) setRegister(env, dst, scalarValue(neg(wide ? 64 : 32, value.scalar)));
  else {
    const op = wide ? "bswap" : (opcode & sourceRegister) !== 0 ? "be" : "le";
    setRegister(env, dst, scalarValue(endian(op, imm as 16 | 32 | 64, value.scalar)));
  }
}

function walkMove(env: Env): void {
  const { program, slot } = env;
  const opcode = program.opcode[slot] as number;
  const dst = program.dst[slot] as number;
  const src = program.src[slot] as number;
  const off = program.off[slot] as number;
  const imm = program.imm[slot] as number;
  const wide = (opcode & 7) === insnClass.alu64;
  if ((opcode & sourceRegister) === 0) {
    reserved("src", src);
    reserved("off", off);
    checkWritable(dst);
    setRegister(env, dst, scalarValue(wide || imm >= 0 ? immediate(imm) : constant(BigInt(imm >>> 0))));
    return;
  }
  if (wide && off === addressSpaceCast) {
    if (imm !== 1 && imm !== 1 << 16) refuse({ kind: "encoding", field: "imm", value: imm });
    refuse({ kind: "encoding", field: "off", value: off });
  }
  if (off !== 0 && off !== 8 && off !== 16 && !(wide && off === 32))
    refuse({ kind: "encoding", field: "off", value: off });
  reserved("imm", imm);
  const value = readRegister(env, src);
  checkWritable(dst);
  if (value.kind !== "scalar") {
    // Half a pointer, or one whose sign is extended, is a number.
    setRegister(env, dst, !wide ? unknownHalf : off === 0 ? value : unknownValue);
    return;
  }
  const same = wide ? off === 0 || fits(value, off) : off === 0 ? bitWidth(value.scalar) <= 32 : fits(value, off);
  const moved = same ? withId(env, src, value) : value;
  if (wide && off === 0) {
    setRegister(env, dst, moved);
    return;
  }
  const scalar = off === 0 ? zext32(value.scalar) : movsx(wide ? 64 : 32, off as 8 | 16 | 32, value.scalar);
  setRegister(env, dst, same ? { ...moved, scalar } : scalarValue(scalar));
}

function fits(value: ScalarValue, bits: number): boolean {
  return fitsSigned(value.scalar, bits as 8 | 16 | 32);
}

/**
 * The value of register `register`, about to be copied, with an id that tells its copies belong together: what is later learnt of
 * one holds for all. Constants need none. A value linked by an addition starts anew: only one step is followed.
 */
export function withId(env: Env, register: number, value: ScalarValue): ScalarValue {
  let known = value;
  if (known.linkedByAdd !== 0) known = scalarValue(known.scalar);
  if (known.id === 0 && known.scalar.mask !== 0n) known = linkedScalar(known.scalar, env.newId());
  if (known !== value) setRegister(env, register, known);
  return known;
}

function walkBinary(env: Env, code: number): void {
  const { program, slot } = env;
  const opcode = program.opcode[slot] as number;
  const dst = program.dst[slot] as number;
  const src = program.src[slot] as number;
  const off = program.off[slot] as number;
  const imm = program.imm[slot] as number;
  const bits = (opcode & 7) === insnClass.alu64 ? 64 : 32;
  const fromRegister = (opcode & sourceRegister) !== 0;
  const op = opOfCode[code >> 4];
  if (op === undefined) return refuse({ kind: "encoding", field: "opcode", value: opcode });
  const divides = op === "div" || op === "mod";
  if (off !== 0 && !(off === 1 && divides)) refuse({ kind: "encoding", field: "off", value: off });
  if (fromRegister) reserved("imm", imm);
  else reserved("src", src);
  const operand: RegValue = fromRegister ? readRegister(env, src) : scalarValue(immediate(imm));
  const value = readRegister(env, dst);
  if (!fromRegister) {
    if (divides && imm === 0) refuse({ kind: "divisionByZero" });
    const shifts = op === "lsh" || op === "rsh" || op === "arsh";
    if (shifts && (imm < 0 || imm >= bits)) refuse({ kind: "shiftTooFar", amount: imm, bits });
  }
  checkWritable(dst);
  if (isPointer(value) || isPointer(operand)) {
    setRegister(env, dst, combinePointers(env, op, bits, value, operand, fromRegister));
    return;
  }
  if (value.kind !== "scalar" || operand.kind !== "scalar") return unsupported("arithmetic on what is no number");
  const selfAdd = fromRegister && src === dst;
  setRegister(env, dst, combineNumbers(env, op, bits, dst, value, operand.scalar, selfAdd));
}

function combineNumbers(
  env: Env,
  op: AluOp,
  bits: 32 | 64,
  dst: number,
  value: ScalarValue,
  operand: Scalar,
  selfAdd: boolean,
): ScalarValue {
  let scalar = value.scalar;
  const fork = forked(op, scalar, operand);
  if (fork !== null) {
    env.pushBranch(env.slot, (state) => {
      currentFrame(state).regs[dst] = { ...value, scalar: fork.later };
    });
    scalar = fork.first;
  }
  const result = alu(op, bits, scalar, operand);
  const delta = value.id === 0 || value.linkedByAdd !== 0 || selfAdd ? null : deltaOf(op, bits, value.scalar, operand);
  return delta === null ? scalarValue(result) : linkedScalar(result, value.id, bits, delta);
}

/** How far a number is from what it was, when that can be followed: a constant of 32 bits added or subtracted. */
function deltaOf(op: AluOp, bits: 32 | 64, before: Scalar, operand: Scalar): number | null {
  if (op !== "add" && op !== "sub") return null;
  if (bits === 32) {
    // The upper half must have been zero, as it is afterwards.
    if (!isConst32(operand) || before.umax > 0xffff_ffffn) return null;
  } else if (!isConst(operand) || BigInt.asIntN(32, operand.value) !== BigInt.asIntN(64, operand.value)) return null;
  const added = Number(BigInt.asIntN(32, operand.value));
  if (op === "add") return added;
  return added === leastDelta ? null : -added;
}

/** An operation of which at least one operand is a pointer. */
function combinePointers(
  env: Env,
  op: AluOp,
  bits: 32 | 64,
  value: RegValue,
  operand: RegValue,
  fromRegister: boolean,
): RegValue {
  const { program, slot } = env;
  const dst = program.dst[slot] as number;
  if (isPointer(value) && isPointer(operand)) {
    if (op === "sub") return unknownValue;
    return refuse({ kind: "pointerArithmetic", register: dst, value, why: "twoPointers" });
  }
  if (isPointer(operand)) {
    env.markPrecise(dst);
    return movePointer(env, op, bits, operand, value as ScalarValue, true);
  }
  if (fromRegister) env.markPrecise(program.src[slot] as number);
  return movePointer(env, op, bits, value as Exclude<typeof value, ScalarValue>, operand as ScalarValue, false);
}
