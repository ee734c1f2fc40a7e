// Conditional jumps: whether both ways are possible, what each teaches about the operands, and the way that is put aside for
// later. The walk follows the way that falls through first. Packet bounds and null checks are branch-pointers.ts.
// Source: Linux kernel/bpf/verifier.c (check_cond_jmp_op, is_branch_taken; 6.18).

import type { JumpOp } from "../bpf/insn.ts";
import { insnClass, jumpOps, opNames, sourceRegister } from "../bpf/isa.ts";
import { reserved } from "./alu.ts";
import { comparePackets, learnNotNull, markNull, packetBranchTaken, pointerBranchTaken } from "./branch-pointers.ts";
import { collectLinked, syncLinked } from "./linked.ts";
import type { Linked, Path } from "./path.ts";
import { historyFlag } from "./path.ts";
import { readRegister } from "./registers.ts";
import { immediate } from "./scalar.ts";
import { branchTaken, refine, refineSelf } from "./scalar-branch.ts";
import type { RegValue, ScalarValue, VerifierState } from "./state.ts";
import { currentFrame, isPointer, scalarValue } from "./state.ts";
import { refuse } from "./verdict.ts";
import type { Walk } from "./walk.ts";

const opOfCode: (JumpOp | undefined)[] = [];
for (const op of opNames(jumpOps)) opOfCode[jumpOps[op].code >> 4] = op;

/** A conditional jump taken apart. */
export interface Condition {
  readonly op: JumpOp;
  readonly bits: 32 | 64;
  readonly dst: number;
  /** The register compared with, or -1 for the immediate. */
  readonly src: number;
  readonly imm: number;
}

/** Walks the conditional jump at `walk.slot` and gives the slot to go on at; another way may have been put aside. */
export function walkBranch(walk: Walk): number {
  const { program, slot } = walk;
  const condition = readCondition(walk);
  const { op, bits, dst, src, imm } = condition;
  const target = slot + (program.off[slot] as number) + 1;
  const left = readRegister(walk, dst);
  if (src >= 0) reserved("imm", imm);
  else reserved("src", program.src[slot] as number);
  const right: RegValue = src >= 0 ? readRegister(walk, src) : scalarValue(immediate(imm));
  noteStackOperands(walk, left, right);
  const taken = decide(op, bits, left, right);
  if (taken !== null) {
    if (left.kind === "scalar") walk.markPrecise(dst);
    if (src >= 0 && right.kind === "scalar") walk.markPrecise(src);
    return taken ? target : slot + 1;
  }
  fork(walk, condition, left, right, target);
  return slot + 1;
}

function readCondition({ program, slot }: Walk): Condition {
  const opcode = program.opcode[slot] as number;
  const op = opOfCode[(opcode & 0xf0) >> 4];
  if (op === undefined) return refuse({ kind: "encoding", field: "opcode", value: opcode });
  return {
    op,
    bits: (opcode & 7) === insnClass.jmp ? 64 : 32,
    dst: program.dst[slot] as number,
    src: (opcode & sourceRegister) !== 0 ? (program.src[slot] as number) : -1,
    imm: program.imm[slot] as number,
  };
}

/** Backtracking must not look for numbers where a stack pointer was compared. */
function noteStackOperands(walk: Walk, left: RegValue, right: RegValue): void {
  const flags =
    (left.kind === "stack" ? historyFlag.dstIsStack : 0) | (right.kind === "stack" ? historyFlag.srcIsStack : 0);
  if (flags !== 0) walk.noteHistory(flags, null);
}

/** True or false where only one way is possible, else null. */
function decide(op: JumpOp, bits: 32 | 64, left: RegValue, right: RegValue): boolean | null {
  if (left.kind === "scalar" && right.kind === "scalar") return branchTaken(op, bits, left.scalar, right.scalar);
  const packets = bits === 64 ? packetBranchTaken(op, left, right) : undefined;
  return packets === undefined ? pointerBranchTaken(op, bits, left, right) : packets;
}

function fork(walk: Walk, condition: Condition, left: RegValue, right: RegValue, target: number): void {
  const { bits, dst, src } = condition;
  const linked: Linked[] = [];
  if (src >= 0 && right.kind === "scalar" && right.id !== 0)
    collectLinked(walk.path, walk.flow.liveRegisters, right.id, linked);
  if (left.kind === "scalar" && left.id !== 0) collectLinked(walk.path, walk.flow.liveRegisters, left.id, linked);
  if (linked.length > 1) walk.noteHistory(0, linked);

  const other: Path = walk.push(target);
  const here = walk.state;
  const there = other.state;
  // Collecting may have taken an operand's id when too many share it.
  const leftNow = currentFrame(here).regs[dst] as RegValue;
  const rightNow = src >= 0 ? (currentFrame(here).regs[src] as RegValue) : right;
  if (leftNow.kind === "scalar" && rightNow.kind === "scalar") {
    learn(here, condition, false, leftNow, rightNow);
    learn(there, condition, true, leftNow, rightNow);
  }
  syncAll(here, condition, linked);
  syncAll(there, condition, linked);
  if (bits === 64 && (isPointer(left) || isPointer(right))) learnOfPointers(condition, left, right, here, there);
}

function learn(
  state: VerifierState,
  { op, bits, dst, src }: Condition,
  taken: boolean,
  left: ScalarValue,
  right: ScalarValue,
): void {
  const { regs } = currentFrame(state);
  if (src === dst) {
    const scalar = refineSelf(op, bits, taken, left.scalar);
    if (scalar !== left.scalar) regs[dst] = { ...left, scalar };
    return;
  }
  const refined = refine(op, bits, taken, left.scalar, right.scalar);
  if (refined.dst !== left.scalar) regs[dst] = { ...left, scalar: refined.dst };
  if (src >= 0 && refined.src !== right.scalar) regs[src] = { ...right, scalar: refined.src };
}

/** Passes on what was learnt of each operand to those that share its number, first of the second operand. */
function syncAll(state: VerifierState, { dst, src }: Condition, linked: readonly Linked[]): void {
  if (linked.length === 0) return;
  const { regs } = currentFrame(state);
  for (const register of [src, dst]) {
    const value = register < 0 ? undefined : regs[register];
    if (value?.kind === "scalar" && value.id !== 0) syncLinked(state, register, value, linked);
  }
}

/** What a 64-bit comparison teaches of pointers; most teach nothing, and a privileged program may make them all the same. */
function learnOfPointers(
  condition: Condition,
  left: RegValue,
  right: RegValue,
  here: VerifierState,
  there: VerifierState,
): void {
  const { op, dst, src, imm } = condition;
  if (src >= 0) {
    learnNotNull(condition, left, right, here, there);
    comparePackets(condition, left, right, here, there);
  } else if (imm === 0 && (op === "eq" || op === "ne") && isPointer(left) && left.nullable) {
    markNull(here, dst, op === "ne");
    markNull(there, dst, op === "eq");
  }
}
