// Which numbers the verdict depended on: from a register whose exact value mattered back along the way it came, through saved
// states to where the value was made, marking it in each. Only marked numbers are compared exactly when states are. Knows how
// instructions move values, not what they compute.
// Source: Linux kernel/bpf/verifier.c (mark_chain_precision, backtrack_insn, propagate_precision; 6.18).

import { helperByName } from "../bpf/helpers.ts";
import { aluOps, aluUnary, atomicFetch, insnClass, jumpCodes, memoryModes, sourceRegister } from "../bpf/isa.ts";
import type { Program } from "./env.ts";
import { atomicImmediates } from "./flow.ts";
import type { Checkpoint, HistoryEntry, Path } from "./path.ts";
import { historyFlag } from "./path.ts";
import { calleeOf, isHelperCall, isLocalCall, opcodes } from "./program.ts";
import type { Frame, VerifierState } from "./state.ts";
import { isScalarSpill } from "./state.ts";
import { point } from "./structure.ts";

const mostFrames = 8;
const tailCall = helperByName("tail_call")?.id;
/** r1 to r5. */
const argumentRegisters = 0x3e;
/** How often marks are sent round a loop before all its numbers are marked. **Source:** MAX_BACKEDGE_ITERS. */
const mostRounds = 64;

/** What one step back says: go on, or that the way can't be followed. */
const step = { onward: 0, lost: 1 } as const;

/** Marks what values depend on. One for a whole check; its sets are reused. */
export class Precision {
  readonly #program: Program;
  readonly #points: Uint8Array;
  /** Registers and stack slots still to be found, by frame. */
  readonly #registers = new Int32Array(mostFrames);
  readonly #slotsLow = new Int32Array(mostFrames);
  readonly #slotsHigh = new Int32Array(mostFrames);
  #frame = 0;
  #changed = false;

  constructor(program: Program, points: Uint8Array) {
    this.#program = program;
    this.#points = points;
  }

  /** A number in a register of the innermost frame mattered. */
  markRegister(path: Path, register: number): void {
    this.#frame = path.state.frames.length - 1;
    this.#setRegister(this.#frame, register);
    this.#follow(path);
  }

  /** A number spilled in a stack slot mattered. */
  markSlot(path: Path, frame: number, index: number): void {
    this.#frame = path.state.frames.length - 1;
    this.#setSlot(frame, index);
    this.#follow(path);
  }

  /** What mattered in a saved state matters on the path that was found equal to it. True when that marked anything new. */
  propagate(equal: VerifierState, path: Path): boolean {
    this.#frame = path.state.frames.length - 1;
    for (let number = equal.frames.length - 1; number >= 0; number--) {
      const frame = equal.frames[number] as Frame;
      this.#registers[number] = (this.#registers[number] as number) | frame.preciseRegs;
      this.#slotsLow[number] = (this.#slotsLow[number] as number) | frame.preciseSlotsLow;
      this.#slotsHigh[number] = (this.#slotsHigh[number] as number) | frame.preciseSlotsHigh;
    }
    this.#changed = false;
    this.#follow(path);
    return this.#changed;
  }

  /** Sends marks round a loop until nothing changes. */
  propagateLoop(backedges: readonly { readonly path: Path; readonly equal: Checkpoint }[]): void {
    for (let round = 0; ; round++) {
      if (round >= mostRounds) {
        for (const { path } of backedges) markAll(path.parent);
        return;
      }
      let changed = false;
      for (const { path, equal } of backedges) if (this.propagate(equal.state, path)) changed = true;
      if (!changed) return;
    }
  }

  #setRegister(frame: number, register: number): void {
    this.#registers[frame] = (this.#registers[frame] as number) | (1 << register);
  }

  #clearRegister(register: number): void {
    this.#registers[this.#frame] = (this.#registers[this.#frame] as number) & ~(1 << register);
  }

  #hasRegister(register: number): boolean {
    return ((this.#registers[this.#frame] as number) & (1 << register)) !== 0;
  }

  #setSlot(frame: number, index: number): void {
    const set = index < 32 ? this.#slotsLow : this.#slotsHigh;
    set[frame] = (set[frame] as number) | (1 << (index & 31));
  }

  #takeSlot(frame: number, index: number): boolean {
    const set = index < 32 ? this.#slotsLow : this.#slotsHigh;
    const bit = 1 << (index & 31);
    if (((set[frame] as number) & bit) === 0) return false;
    set[frame] = (set[frame] as number) & ~bit;
    return true;
  }

  #hasSlot(frame: number, index: number): boolean {
    const set = index < 32 ? this.#slotsLow : this.#slotsHigh;
    return ((set[frame] as number) & (1 << (index & 31))) !== 0;
  }

  #isEmpty(): boolean {
    for (let i = 0; i <= this.#frame; i++)
      if (((this.#registers[i] as number) | (this.#slotsLow[i] as number) | (this.#slotsHigh[i] as number)) !== 0)
        return false;
    return true;
  }

  #giveUp(path: Path): void {
    markAll(path.parent);
    this.#registers.fill(0);
    this.#slotsLow.fill(0);
    this.#slotsHigh.fill(0);
  }

  /** Goes back from the end of `path` until everything was found. Nothing is marked in the path itself: it isn't compared with. */
  #follow(path: Path): void {
    if (this.#isEmpty()) return;
    let at: Path = path;
    let last = path.slot;
    let first = path.firstSlot;
    let following = -1;
    let skip = true;
    for (;;) {
      if (last < 0) return this.#atFunctionEntry(at, path);
      let remaining = at.history.length;
      for (let slot = last; ; ) {
        if (skip) skip = false;
        else {
          const entry = remaining > 0 ? at.history[remaining - 1] : undefined;
          const known = entry !== undefined && entry.slot === slot ? entry : null;
          if (this.#back(slot, following, known) === step.lost) return this.#giveUp(path);
        }
        if (this.#isEmpty()) return;
        following = slot;
        if (slot === at.firstSlot && (remaining === 0 || (remaining === 1 && at.history[0]?.slot === slot))) break;
        const entry = remaining > 0 ? at.history[remaining - 1] : undefined;
        if (entry !== undefined && entry.slot === slot) {
          slot = entry.previous;
          remaining--;
        } else slot--;
        if (slot < 0) return this.#giveUp(path);
      }
      const parent = at.parent;
      if (parent === null) break;
      this.#markIn(parent.state);
      if (this.#isEmpty()) return;
      following = first;
      at = parent;
      last = parent.lastSlot;
      first = parent.firstSlot;
    }
    this.#giveUp(path);
  }

  /** The way ends at the entry of a function verified on its own: its arguments are what is left. */
  #atFunctionEntry(at: Path, path: Path): void {
    const frame = at.state.frames[0] as Frame;
    const left = this.#registers[0] as number;
    const onlyArguments =
      at.state.frames.length === 1 &&
      frame.subprogram > 0 &&
      (left & ~argumentRegisters) === 0 &&
      this.#slotsLow[0] === 0 &&
      this.#slotsHigh[0] === 0;
    if (!onlyArguments) return this.#giveUp(path);
    for (let register = 1; register <= 5; register++)
      if ((left & (1 << register)) !== 0 && frame.regs[register]?.kind === "scalar") {
        frame.preciseRegs |= 1 << register;
        this.#changed = true;
      }
    this.#registers[0] = 0;
  }

  /** Marks in a saved state what is being looked for; what was marked before needs no further search. */
  #markIn(state: VerifierState): void {
    for (let number = this.#frame; number >= 0; number--) {
      const frame = state.frames[number];
      if (frame === undefined) continue;
      let registers = this.#registers[number] as number;
      for (let register = 0; registers >>> register !== 0; register++) {
        const bit = 1 << register;
        if ((registers & bit) === 0) continue;
        if (frame.regs[register]?.kind !== "scalar" || (frame.preciseRegs & bit) !== 0) registers &= ~bit;
        else {
          frame.preciseRegs |= bit;
          this.#changed = true;
        }
      }
      this.#registers[number] = registers;
      this.#slotsLow[number] = this.#markSlots(frame, this.#slotsLow[number] as number, 0);
      this.#slotsHigh[number] = this.#markSlots(frame, this.#slotsHigh[number] as number, 32);
    }
  }

  #markSlots(frame: Frame, wanted: number, offset: number): number {
    if (wanted === 0) return 0;
    const marked = offset === 0 ? frame.preciseSlotsLow : frame.preciseSlotsHigh;
    let fresh = 0;
    for (let i = 0; i < 32; i++) {
      const bit = 1 << i;
      if ((wanted & bit) === 0) continue;
      const slot = frame.stack[offset + i];
      if (slot !== undefined && isScalarSpill(slot) && (marked & bit) === 0) fresh |= bit;
    }
    if (fresh !== 0) this.#changed = true;
    if (offset === 0) frame.preciseSlotsLow |= fresh;
    else frame.preciseSlotsHigh |= fresh;
    return fresh;
  }

  /** Values that became known together matter together. */
  #syncLinked(entry: HistoryEntry | null): void {
    const linked = entry?.linked;
    if (linked === null || linked === undefined) return;
    const wanted = linked.some(({ frame, isRegister, index }) =>
      isRegister ? ((this.#registers[frame] as number) & (1 << index)) !== 0 : this.#hasSlot(frame, index),
    );
    if (!wanted) return;
    for (const { frame, isRegister, index } of linked)
      if (isRegister) this.#setRegister(frame, index);
      else this.#setSlot(frame, index);
  }

  /** Goes back over one instruction; `following` is the one walked after it. */
  #back(slot: number, following: number, entry: HistoryEntry | null): number {
    const program = this.#program;
    const opcode = program.opcode[slot] as number;
    if (opcode === 0) return step.onward;
    this.#syncLinked(entry);
    const result = this.#backOver(slot, following, entry, opcode);
    if (result === step.onward) this.#syncLinked(entry);
    return result;
  }

  #backOver(slot: number, following: number, entry: HistoryEntry | null, opcode: number): number {
    const program = this.#program;
    const dst = program.dst[slot] as number;
    const src = program.src[slot] as number;
    switch (opcode & 7) {
      case insnClass.alu:
      case insnClass.alu64:
        this.#backOverAlu(opcode, dst, src);
        return step.onward;
      case insnClass.ldx:
        this.#backOverLoad(dst, entry);
        return step.onward;
      case insnClass.stx: {
        const loaded = loadedByAtomic(opcode, program.imm[slot] as number, dst, src);
        if (loaded < 0) return this.#backOverStore(dst, src, entry);
        this.#backOverLoad(loaded, entry);
        return step.onward;
      }
      case insnClass.st:
        return this.#backOverStore(dst, -1, entry);
      case insnClass.ld:
        if (!this.#hasRegister(dst)) return step.onward;
        this.#clearRegister(dst);
        return opcode === opcodes.loadWide ? step.onward : step.lost;
      default:
        return this.#backOverJump(slot, following, entry, opcode, dst, src);
    }
  }

  #backOverAlu(opcode: number, dst: number, src: number): void {
    if (!this.#hasRegister(dst)) return;
    const code = opcode & 0xf0;
    if (code === aluUnary.end || code === aluUnary.neg) return;
    const fromRegister = (opcode & sourceRegister) !== 0;
    if (code === aluOps.mov.code) this.#clearRegister(dst);
    if (fromRegister && src !== 10) this.#setRegister(this.#frame, src);
  }

  #backOverLoad(dst: number, entry: HistoryEntry | null): void {
    if (!this.#hasRegister(dst)) return;
    this.#clearRegister(dst);
    if (entry !== null && (entry.flags & historyFlag.stackAccess) !== 0) this.#setSlot(entry.frame, entry.stackSlot);
  }

  #backOverStore(dst: number, src: number, entry: HistoryEntry | null): number {
    // The base isn't a number: a difference of pointers was being followed.
    if (this.#hasRegister(dst)) return step.lost;
    if (entry === null || (entry.flags & historyFlag.stackAccess) === 0) return step.onward;
    if (this.#takeSlot(entry.frame, entry.stackSlot) && src >= 0) this.#setRegister(this.#frame, src);
    return step.onward;
  }

  #backOverJump(
    slot: number,
    following: number,
    entry: HistoryEntry | null,
    opcode: number,
    dst: number,
    src: number,
  ): number {
    const code = opcode & 0xf0;
    if (code === jumpCodes.call) return this.#backOverCall(slot, following);
    if (code === jumpCodes.exit) return this.#backIntoFunction(following);
    if ((opcode & sourceRegister) === 0) return step.onward;
    if (!this.#hasRegister(dst) && !this.#hasRegister(src)) return step.onward;
    const flags = entry === null ? 0 : entry.flags;
    if ((flags & historyFlag.srcIsStack) === 0) this.#setRegister(this.#frame, src);
    if ((flags & historyFlag.dstIsStack) === 0) this.#setRegister(this.#frame, dst);
    return step.onward;
  }

  #backOverCall(slot: number, following: number): number {
    const program = this.#program;
    const registers = this.#registers[this.#frame] as number;
    if (isLocalCall(program, slot)) {
      if (program.functions[calleeOf(program, slot)]?.global === true) {
        if ((registers & argumentRegisters) !== 0) return step.lost;
        this.#clearRegister(0);
        return step.onward;
      }
      // Back from the function's beginning to its caller: its arguments are the caller's registers.
      if (!this.#onlyArgumentsWanted()) return step.lost;
      this.#registers[this.#frame] = 0;
      this.#frame--;
      this.#registers[this.#frame] = (this.#registers[this.#frame] as number) | registers;
      return step.onward;
    }
    if (this.#callsCallback(slot) && slot !== following - 1) {
      if (!this.#onlyArgumentsWanted()) return step.lost;
      this.#registers[this.#frame] = 0;
      this.#frame--;
      return step.onward;
    }
    this.#clearRegister(0);
    if ((registers & argumentRegisters) !== 0) return step.lost;
    // A tail call that succeeded returned to the caller: its function is gone back into.
    if (slot + 1 !== following && isHelperCall(program, slot) && program.imm[slot] === tailCall) {
      if (this.#frame === mostFrames - 1) return step.lost;
      this.#frame++;
    }
    return step.onward;
  }

  #onlyArgumentsWanted(): boolean {
    const frame = this.#frame;
    if (frame === 0) return false;
    const others = (this.#registers[frame] as number) & ~argumentRegisters;
    return others === 0 && this.#slotsLow[frame] === 0 && this.#slotsHigh[frame] === 0;
  }

  /** Back from the instruction after a call into the function that returned there. */
  #backIntoFunction(following: number): number {
    if (following >= 0 && this.#callsCallback(following))
      this.#registers[this.#frame] = (this.#registers[this.#frame] as number) & ~argumentRegisters;
    const registers = this.#registers[this.#frame] as number;
    if ((registers & argumentRegisters) !== 0 || this.#frame === mostFrames - 1) return step.lost;
    const resultWanted = following >= 1 && isLocalCall(this.#program, following - 1) && (registers & 1) !== 0;
    this.#clearRegister(0);
    this.#frame++;
    if (resultWanted) this.#setRegister(this.#frame, 0);
    return step.onward;
  }

  #callsCallback(slot: number): boolean {
    return ((this.#points[slot] as number) & point.callsCallback) !== 0;
  }
}

/** The register that an atomic operation loads from memory; -1 for those that load nothing, and for plain stores. */
function loadedByAtomic(opcode: number, imm: number, dst: number, src: number): number {
  if ((opcode & 0xe0) !== memoryModes.atomic) return -1;
  if (imm === atomicImmediates.loadAcquire) return dst;
  if ((imm & atomicFetch) === 0) return -1;
  return imm === atomicImmediates.compareExchange ? 0 : src;
}

/** Marks every number in a saved state and all those before it. */
function markAll(from: Checkpoint | null): void {
  for (let at = from; at !== null; at = at.parent)
    for (const frame of at.state.frames) {
      for (let register = 0; register < 10; register++)
        if (frame.regs[register]?.kind === "scalar") frame.preciseRegs |= 1 << register;
      for (const [index, slot] of frame.stack.entries())
        if (isScalarSpill(slot)) {
          if (index < 32) frame.preciseSlotsLow |= 1 << index;
          else frame.preciseSlotsHigh |= 1 << (index - 32);
        }
    }
}
