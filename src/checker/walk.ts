// The walk's working state: the program with what is known of its shape, the path being followed, those put aside, the saved
// states, and the services that instructions need while they are judged. The loop over instructions is explore.ts.
// Source: Linux kernel/bpf/verifier.c (struct bpf_verifier_env, push_stack, push_jmp_history; 6.18).

import type { CallbackEntry, Env, Program } from "./env.ts";
import type { Flow } from "./flow.ts";
import { leaveFunction } from "./leave.ts";
import { Loops } from "./loops.ts";
import type { Checkpoint, HistoryEntry, Linked, Path } from "./path.ts";
import { copyPath, historyFlag } from "./path.ts";
import { Precision } from "./precision.ts";
import { previousVisit, widen } from "./prune.ts";
import { immediate, unknown } from "./scalar.ts";
import { StackLiveness } from "./stack-liveness.ts";
import type { Frame, PointerValue, VerifierState } from "./state.ts";
import { currentFrame, newFrame, pointer, scalarValue } from "./state.ts";
import type { Structure } from "./structure.ts";
import { point } from "./structure.ts";
import { refuse } from "./verdict.ts";

/** **Source:** BPF_COMPLEXITY_LIMIT_JMP_SEQ. */
const mostPending = 8192;
/** **Source:** MAX_CALL_FRAMES. */
const mostFrames = 8;

/** How long a check may go on, and the machine it is for. */
export interface WalkLimits {
  /** The most instructions to walk, over all paths. */
  readonly processed: number;
  readonly possibleCpus: number;
  /** Called before each instruction with the state there, whose arrays are reused: then no path ends because another covered it. */
  readonly observe: ((slot: number, state: VerifierState) => void) | null;
}

/** Everything a check knows while it walks. */
export class Walk implements Env {
  readonly program: Program;
  readonly structure: Structure;
  readonly flow: Flow;
  readonly limits: WalkLimits;
  readonly liveness: StackLiveness;
  readonly precision: Precision;
  readonly loops: Loops;
  readonly pointerKindAt: Uint8Array;
  readonly stackDepth: Int32Array;
  readonly changesPacket: Uint8Array;
  /** Functions verified on their own that some walked instruction calls. */
  readonly calledGlobals = new Set<number>();
  /** Functions that run by themselves later, as timers do. */
  readonly asyncCallbacks = new Set<number>();
  /** How often each slot was walked. */
  readonly visits: Uint32Array;
  /** Saved states by instruction and call site, newest first. */
  readonly saved: (Checkpoint | null)[];
  /** Paths put aside; the last is walked next. */
  readonly pending: Path[] = [];
  path: Path;
  slot = 0;
  processed = 0;
  jumps = 0;
  processedAtSave = 0;
  jumpsAtSave = 0;
  savedCount = 0;
  evictedCount = 0;
  /** Registers and stack slots of the states saved in the current function. */
  keptValues = 0;
  totalStates = 0;
  peakStates = 0;
  /** Where the current call goes on when not behind itself; -1 for behind. */
  redirect = -1;
  #ids = 0;
  #entry: HistoryEntry | null = null;

  constructor(program: Program, structure: Structure, flow: Flow, limits: WalkLimits) {
    this.program = program;
    this.structure = structure;
    this.flow = flow;
    this.limits = limits;
    this.liveness = new StackLiveness(program, flow, (slot) => this.hasPoint(slot, point.callsCallback));
    this.precision = new Precision(program, structure.points);
    this.loops = new Loops(flow, this.precision);
    this.pointerKindAt = new Uint8Array(program.slots);
    this.stackDepth = new Int32Array(program.functions.length);
    this.changesPacket = structure.changesPacket;
    this.visits = new Uint32Array(program.slots);
    this.saved = new Array(program.slots).fill(null);
    this.path = startOf(0, 0);
  }

  get possibleCpus(): number {
    return this.limits.possibleCpus;
  }

  get state(): VerifierState {
    return this.path.state;
  }

  /** Bits of `point` at a slot. */
  hasPoint(slot: number, bit: number): boolean {
    return ((this.structure.points[slot] as number) & bit) !== 0;
  }

  newId(): number {
    return ++this.#ids;
  }

  /** Forgets the history entry of the instruction before. */
  beginInstruction(): void {
    this.#entry = null;
  }

  markPrecise(register: number): void {
    if (currentFrame(this.path.state).regs[register]?.kind === "scalar")
      this.precision.markRegister(this.path, register);
  }

  markSlotPrecise(frame: number, slotIndex: number): void {
    this.precision.markSlot(this.path, frame, slotIndex);
  }

  noteStackAccess(frame: number, slotIndex: number): void {
    const entry = this.noteHistory(historyFlag.stackAccess, null);
    entry.frame = frame;
    entry.stackSlot = slotIndex;
  }

  /** Records how the walk came to the current instruction, or more about it. */
  noteHistory(flags: number, linked: readonly Linked[] | null): HistoryEntry {
    const known = this.#entry;
    if (known !== null) {
      known.flags |= flags;
      known.linked = linked;
      return known;
    }
    const { path } = this;
    const entry: HistoryEntry = { slot: this.slot, previous: path.lastSlot, flags, frame: 0, stackSlot: 0, linked };
    path.history.push(entry);
    this.#entry = entry;
    return entry;
  }

  markStackRead(frame: number, slotIndex: number): void {
    this.liveness.read(this.path.state, this.slot, frame, slotIndex);
  }

  markStackWrite(frame: number, slotIndex: number): void {
    this.liveness.write(frame, slotIndex);
  }

  /** Puts a copy of the path aside, to go on at `slot`. */
  push(slot: number): Path {
    const copy = copyPath(this.path);
    copy.slot = slot;
    copy.lastSlot = this.slot;
    this.#putAside(copy);
    if (copy.parent !== null) copy.parent.branches++;
    return copy;
  }

  pushBranch(slot: number, change: (state: VerifierState) => void): void {
    change(this.push(slot).state);
  }

  pushTurn(change: (state: VerifierState) => void): void {
    // The state saved last is that of this very visit.
    const { parent } = this.path;
    const before = parent === null ? null : previousVisit(this, parent, this.slot);
    const { state } = this.push(this.slot + 1);
    change(state);
    if (before !== null) widen(before, state);
  }

  enterCallback(entry: CallbackEntry): void {
    const callee = this.program.functions[entry.subprogram];
    if (callee === undefined) return refuse({ kind: "callbackFunction", why: "noBtf" });
    const caller = currentFrame(this.path.state);
    if (entry.role.async) return this.#enterAsync(entry, caller, callee.start);
    const path = this.push(callee.start);
    const { state } = path;
    const frame = this.addFrame(state, entry.subprogram, this.slot, entry.role);
    entry.setArguments(caller, frame);
    state.callbackUnrollDepth++;
    (state.frames[state.frames.length - 2] as Frame).callbackDepth++;
    caller.callbackDepth = 0;
  }

  /** It begins on a stack of its own, whatever the state is now. */
  #enterAsync(entry: CallbackEntry, caller: Frame, start: number): void {
    this.asyncCallbacks.add(entry.subprogram);
    const path = startOf(entry.subprogram, start, entry.role, caller.asyncEntries + 1);
    path.firstSlot = 0;
    path.lastSlot = this.slot;
    entry.setArguments(caller, currentFrame(path.state));
    this.#putAside(path);
  }

  #putAside(path: Path): void {
    this.pending.push(path);
    if (this.pending.length > mostPending) refuse({ kind: "tooManyBranches", pending: this.pending.length });
  }

  returnFromTailCall(): void {
    const { state } = this;
    this.liveness.update(state);
    const callee = currentFrame(state);
    callee.regs[0] = scalarValue(unknown);
    this.redirect = leaveFunction(this);
  }

  /** A new frame on top of `state`. */
  addFrame(state: VerifierState, subprogram: number, callSite: number, role: Frame["callback"] = null): Frame {
    const number = state.frames.length;
    if (number >= mostFrames) refuse({ kind: "callTooDeep", depth: number + 1 });
    const frame = newFrame(number, subprogram, callSite, role);
    frame.regs[10] = framePointer(number);
    state.frames.push(frame);
    return frame;
  }

  /** The list of saved states that the current path is compared with at `slot`. */
  bucket(slot: number): number {
    return bucketOf(slot, currentFrame(this.path.state).callsite, this.program.slots);
  }

  /** Counts the states kept, for the report. */
  updatePeak(): void {
    const kept = this.savedCount + this.evictedCount + this.loops.backedgeCount;
    if (kept > this.peakStates) this.peakStates = kept;
  }
}

/** r10 of frame `frame`. */
function framePointer(frame: number): PointerValue {
  return pointer("stack", immediate(0), { frame });
}

/** Where states of an instruction reached from a call site are kept. */
export function bucketOf(slot: number, callSite: number, slots: number): number {
  return ((slot ^ callSite) >>> 0) % slots;
}

/** A path at the beginning of a function, with nothing but the frame pointer set. */
export function startOf(subprogram: number, slot: number, role: Frame["callback"] = null, asyncEntries = 0): Path {
  const frame = newFrame(0, subprogram, -1, role, asyncEntries);
  frame.regs[10] = framePointer(0);
  return {
    state: {
      frames: [frame],
      references: [],
      activeLocks: 0,
      activePreemptLocks: 0,
      activeRcuLock: 0,
      activeIrqId: 0,
      activeLockId: 0,
      activeLockMap: null,
      mayGotoDepth: 0,
      callbackUnrollDepth: 0,
    },
    parent: null,
    slot,
    lastSlot: -1,
    firstSlot: slot,
    branches: 1,
    depth: 0,
    history: [],
  };
}
