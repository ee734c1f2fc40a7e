// The walk itself: one instruction after the other, depth first, the way that falls through before the one that jumps, until a
// path ends or is covered by a state walked before. Each instruction's meaning is in its own file.
// Source: Linux kernel/bpf/verifier.c (do_check, do_check_insn, do_check_common, update_branch_counts, pop_stack; 6.18).

import { insnClass, jumpCodes, memoryModes, sourceRegister } from "../bpf/isa.ts";
import { reserved, walkAlu } from "./alu.ts";
import { walkBranch } from "./branch.ts";
import { pathEnds, setEntryArguments, walkExit, walkLocalCall } from "./calls.ts";
import { walkHelperCall } from "./helpers.ts";
import { walkKfuncCall } from "./kfuncs.ts";
import { walkAtomic, walkLoad, walkStore } from "./memory.ts";
import type { Path } from "./path.ts";
import { opcodes } from "./program.ts";
import { Pruning } from "./prune.ts";
import { point } from "./structure.ts";
import { refuse } from "./verdict.ts";
import { startOf, type Walk } from "./walk.ts";
import { walkWideLoad } from "./wide-load.ts";

/** Walks the entry function and then each global function that is called, until nothing is left. Stops with a fault. */
export function explore(walk: Walk): void {
  const pruning = new Pruning(walk);
  exploreFunction(walk, pruning, 0);
  const done = new Set<number>();
  for (let found = true; found; ) {
    found = false;
    for (let number = 1; number < walk.program.functions.length; number++) {
      if (!walk.calledGlobals.has(number) || done.has(number)) continue;
      exploreFunction(walk, pruning, number);
      done.add(number);
      found = true;
    }
  }
}

function exploreFunction(walk: Walk, pruning: Pruning, number: number): void {
  const start = walk.program.functions[number]?.start ?? 0;
  walk.saved.fill(null);
  walk.savedCount = 0;
  walk.evictedCount = 0;
  walk.keptValues = 0;
  walk.loops.reset();
  walk.liveness.resetChain();
  walk.path = startOf(number, start);
  walk.slot = start;
  setEntryArguments(walk, number);
  const { points } = walk.structure;
  for (;;) {
    const { path, slot } = walk;
    walk.beginInstruction();
    path.slot = slot;
    if (++walk.processed > walk.limits.processed) refuse({ kind: "tooComplex", processed: walk.processed });
    walk.visits[slot] = (walk.visits[slot] as number) + 1;
    const bits = points[slot] as number;
    let next = pathEnds;
    const { observe } = walk.limits;
    observe?.(slot, path.state);
    if (observe !== null || (bits & point.prune) === 0 || !pruning.visit()) {
      if ((bits & point.jump) !== 0) walk.noteHistory(0, null);
      walk.liveness.begin(path.state);
      next = step(walk, slot);
      walk.liveness.commit(slot);
    }
    if (next !== pathEnds) {
      path.lastSlot = slot;
      walk.slot = next;
      continue;
    }
    finish(walk, path);
    walk.liveness.update(path.state);
    const pending = walk.pending.pop();
    if (pending === undefined) return;
    walk.path = pending;
    walk.slot = pending.slot;
  }
}

/** A path is done, and with it all saved states that only led to it. */
function finish(walk: Walk, path: Path): void {
  for (let at: Path | null = path; at !== null; at = at.parent) {
    at.branches--;
    if (at.branches > 0) return;
    walk.loops.exit(at);
  }
}

/** Walks one instruction and gives the slot to go on at. */
function step(walk: Walk, slot: number): number {
  const { program } = walk;
  const opcode = program.opcode[slot] as number;
  switch (opcode & 7) {
    case insnClass.alu:
    case insnClass.alu64:
      walkAlu(walk);
      return slot + 1;
    case insnClass.ldx:
      walkLoad(walk);
      return slot + 1;
    case insnClass.stx:
      if ((opcode & 0xe0) === memoryModes.atomic) walkAtomic(walk);
      else {
        reserved("imm", program.imm[slot] as number);
        walkStore(walk);
      }
      return slot + 1;
    case insnClass.st:
      reserved("src", program.src[slot] as number);
      walkStore(walk);
      return slot + 1;
    case insnClass.ld:
      if (opcode !== opcodes.loadWide) refuse({ kind: "legacyAccess" });
      walkWideLoad(walk);
      return slot + 2;
    default:
      walk.jumps++;
      return stepJump(walk, slot, opcode);
  }
}

function stepJump(walk: Walk, slot: number, opcode: number): number {
  const { program } = walk;
  const src = program.src[slot] as number;
  const dst = program.dst[slot] as number;
  const off = program.off[slot] as number;
  const imm = program.imm[slot] as number;
  switch (opcode & 0xf0) {
    case jumpCodes.call:
      return stepCall(walk, slot, src);
    case jumpCodes.ja: {
      const wide = opcode === opcodes.jumpWide;
      reserved("src", src);
      reserved("dst", dst);
      reserved(wide ? "off" : "imm", wide ? off : imm);
      return slot + (wide ? imm : off) + 1;
    }
    case jumpCodes.exit:
      reserved("imm", imm);
      reserved("src", src);
      reserved("dst", dst);
      return walkExit(walk);
    case jumpCodes.cond:
      return stepMayGoto(walk, slot);
    default:
      return walkBranch(walk);
  }
}

function stepCall(walk: Walk, slot: number, src: number): number {
  const { program } = walk;
  reserved("opcode", (program.opcode[slot] as number) & sourceRegister);
  if (src !== 2) reserved("off", program.off[slot] as number);
  if (src > 2) refuse({ kind: "encoding", field: "src", value: src });
  reserved("dst", program.dst[slot] as number);
  if (src === 1) return walkLocalCall(walk);
  walk.redirect = -1;
  if (src === 2) walkKfuncCall(walk);
  else walkHelperCall(walk);
  return walk.redirect < 0 ? slot + 1 : walk.redirect;
}

/** may_goto: it jumps at some time, so the jump is followed now and the loop's next round put aside. */
function stepMayGoto(walk: Walk, slot: number): number {
  const { program } = walk;
  reserved("src", program.src[slot] as number);
  reserved("dst", program.dst[slot] as number);
  reserved("imm", program.imm[slot] as number);
  const off = program.off[slot] as number;
  walk.pushTurn((state) => {
    state.mayGotoDepth++;
  });
  return slot + off + 1;
}
