// Which stack slots may still be read, learnt while walking: per chain of calls and instruction, the slots read and those surely
// written; from them, by data flow, the slots that matter before each instruction. Saved states forget the others. A set of
// slots is two 32-bit numbers. Knows only frames, call sites and flow.
// Source: Linux kernel/bpf/liveness.c (6.18).

import type { Program } from "./env.ts";
import type { Flow } from "./flow.ts";
import type { VerifierState } from "./state.ts";

/** The marks of one frame's slots at every instruction of a function; index = instruction within the function. */
class FrameMarks {
  readonly readLow: Int32Array;
  readonly readHigh: Int32Array;
  readonly writeLow: Int32Array;
  readonly writeHigh: Int32Array;
  /** Slots surely written by the instruction or after it within the function. */
  readonly writtenLow: Int32Array;
  readonly writtenHigh: Int32Array;
  readonly liveLow: Int32Array;
  readonly liveHigh: Int32Array;
  constructor(slots: number) {
    const all = new Int32Array(slots * 8);
    const part = (i: number): Int32Array => all.subarray(i * slots, (i + 1) * slots);
    this.readLow = part(0);
    this.readHigh = part(1);
    this.writeLow = part(2);
    this.writeHigh = part(3);
    this.writtenLow = part(4);
    this.writtenHigh = part(5);
    this.liveLow = part(6);
    this.liveHigh = part(7);
  }
}

/** A function as reached by one chain of call sites. */
class Instance {
  readonly subprogram: number;
  readonly start: number;
  readonly slots: number;
  /** Call sites from the outermost; their number is the frame the function runs in. */
  readonly callSites: readonly number[];
  readonly outer: Instance | null;
  readonly frames: (FrameMarks | null)[];
  readonly inner = new Map<number, Instance>();
  /** By instruction: 1 once its writes were recorded. */
  readonly seen: Uint8Array;
  updated = false;
  writesDropped = false;

  constructor(subprogram: number, start: number, slots: number, outer: Instance | null, callSite: number) {
    this.subprogram = subprogram;
    this.start = start;
    this.slots = slots;
    this.outer = outer;
    this.callSites = outer === null ? [] : [...outer.callSites, callSite];
    this.frames = new Array(this.callSites.length + 1).fill(null);
    this.seen = new Uint8Array(slots);
  }

  marks(frame: number): FrameMarks {
    let marks = this.frames[frame];
    if (marks === null || marks === undefined) {
      marks = new FrameMarks(this.slots);
      this.frames[frame] = marks;
    }
    return marks;
  }
}

/** Collects marks and answers which slots are live. One for a whole check. */
export class StackLiveness {
  readonly #program: Program;
  readonly #flow: Flow;
  readonly #callsCallback: (slot: number) => boolean;
  readonly #roots = new Map<number, Instance>();
  #current: Instance | null = null;
  readonly #writeLow = new Int32Array(8);
  readonly #writeHigh = new Int32Array(8);
  #anyWrite = false;

  constructor(program: Program, flow: Flow, callsCallback: (slot: number) => boolean) {
    this.#program = program;
    this.#flow = flow;
    this.#callsCallback = callsCallback;
  }

  #instance(state: VerifierState, frame: number): Instance {
    const first = state.frames[0]?.subprogram ?? 0;
    let instance: Instance | undefined = this.#roots.get(first);
    if (instance === undefined) {
      const { start, end } = this.#program.functions[first] as { start: number; end: number };
      instance = new Instance(first, start, end - start, null, -1);
      this.#roots.set(first, instance);
    }
    for (let i = 1; i <= frame; i++) {
      const { callsite, subprogram } = state.frames[i] as { callsite: number; subprogram: number };
      // The same site may call different callbacks.
      const key = callsite * 256 + subprogram;
      let inner: Instance | undefined = instance.inner.get(key);
      if (inner === undefined) {
        const { start, end } = this.#program.functions[subprogram] as { start: number; end: number };
        inner = new Instance(subprogram, start, end - start, instance, callsite);
        instance.inner.set(key, inner);
      }
      instance = inner;
    }
    return instance;
  }

  /** The chain of calls changed: marks go elsewhere from now on. */
  resetChain(): void {
    this.#current = null;
  }

  /** Begins an instruction. */
  begin(state: VerifierState): void {
    if (this.#current === null) this.#current = this.#instance(state, state.frames.length - 1);
  }

  /** The instruction at `slot` may read stack slot `index` of `frame`. */
  read(state: VerifierState, slot: number, frame: number, index: number): void {
    const instance = this.#current ?? this.#instance(state, state.frames.length - 1);
    this.#current = instance;
    const low = index < 32 ? 1 << index : 0;
    const high = index < 32 ? 0 : 1 << (index - 32);
    addReads(instance, frame, slot - instance.start, low, high);
  }

  /** The current instruction overwrites stack slot `index` of `frame` whole. */
  write(frame: number, index: number): void {
    this.#anyWrite = true;
    if (index < 32) this.#writeLow[frame] = (this.#writeLow[frame] as number) | (1 << index);
    else this.#writeHigh[frame] = (this.#writeHigh[frame] as number) | (1 << (index - 32));
  }

  /** Ends the instruction at `slot`: its writes are those of every time it was walked. */
  commit(slot: number): void {
    const instance = this.#current;
    if (instance !== null) {
      const at = slot - instance.start;
      const seen = instance.seen[at] === 1;
      if (this.#anyWrite || seen)
        for (let frame = 0; frame < instance.frames.length; frame++)
          addWrites(instance, frame, at, this.#writeLow[frame] as number, this.#writeHigh[frame] as number, seen);
      instance.seen[at] = 1;
    }
    if (this.#anyWrite) {
      this.#writeLow.fill(0);
      this.#writeHigh.fill(0);
      this.#anyWrite = false;
    }
  }

  /** Brings the answers for all functions on the current chain up to date: after a path's end and before a function's exit. */
  update(state: VerifierState): void {
    this.#current = null;
    let instance: Instance | null = this.#instance(state, state.frames.length - 1);
    for (; instance !== null; instance = instance.outer) {
      if (!instance.updated) continue;
      this.#propagate(instance);
      instance.updated = false;
      instance.writesDropped = false;
    }
  }

  #propagate(instance: Instance): void {
    if (instance.writesDropped)
      for (const marks of instance.frames) {
        marks?.writtenLow.fill(0);
        marks?.writtenHigh.fill(0);
      }
    for (let changed = true; changed; ) {
      changed = false;
      for (const marks of instance.frames) if (marks !== null && this.#pass(instance, marks)) changed = true;
    }
    if (instance.outer !== null) propagateOut(instance, instance.outer);
  }

  /** One pass of the data flow over a frame's marks; true when anything changed. */
  #pass(instance: Instance, marks: FrameMarks): boolean {
    const { postorder, postorderStart, next, target } = this.#flow;
    const { start } = instance;
    const end = postorderStart[instance.subprogram + 1] as number;
    let changed = false;
    for (let i = postorderStart[instance.subprogram] as number; i < end; i++) {
      const slot = postorder[i] as number;
      const falls = next[slot] as number;
      const jumps = target[slot] as number;
      if (falls < 0 && jumps < 0) continue;
      const at = slot - start;
      let afterLow = 0;
      let afterHigh = 0;
      let writtenLow = -1;
      let writtenHigh = -1;
      if (falls >= 0) {
        afterLow |= marks.liveLow[falls - start] as number;
        afterHigh |= marks.liveHigh[falls - start] as number;
        writtenLow &= marks.writtenLow[falls - start] as number;
        writtenHigh &= marks.writtenHigh[falls - start] as number;
      }
      if (jumps >= 0) {
        afterLow |= marks.liveLow[jumps - start] as number;
        afterHigh |= marks.liveHigh[jumps - start] as number;
        writtenLow &= marks.writtenLow[jumps - start] as number;
        writtenHigh &= marks.writtenHigh[jumps - start] as number;
      }
      const low = (afterLow & ~(marks.writeLow[at] as number)) | (marks.readLow[at] as number);
      const high = (afterHigh & ~(marks.writeHigh[at] as number)) | (marks.readHigh[at] as number);
      writtenLow |= marks.writeLow[at] as number;
      writtenHigh |= marks.writeHigh[at] as number;
      if (
        low === marks.liveLow[at] &&
        high === marks.liveHigh[at] &&
        writtenLow === marks.writtenLow[at] &&
        writtenHigh === marks.writtenHigh[at]
      )
        continue;
      marks.liveLow[at] = low;
      marks.liveHigh[at] = high;
      marks.writtenLow[at] = writtenLow;
      marks.writtenHigh[at] = writtenHigh;
      changed = true;
    }
    return changed;
  }

  /**
   * Tells for a state saved at `slot` whether stack slot `index` of `frame` may be read later: in the function it is in, or in
   * one of those between it and the frame, once control is back there.
   */
  query(state: VerifierState, slot: number): (frame: number, index: number) => boolean {
    const instances: Instance[] = [];
    for (let i: Instance | null = this.#instance(state, state.frames.length - 1); i !== null; i = i.outer)
      instances.unshift(i);
    const last = instances.length - 1;
    return (frame, index) => {
      if (liveAt(instances[last] as Instance, slot, frame, index)) return true;
      for (let i = frame; i < last; i++) {
        const callSite = (state.frames[i + 1] as { callsite: number }).callsite;
        const at = this.#callsCallback(callSite) ? callSite : callSite + 1;
        if (liveAt(instances[i] as Instance, at, frame, index)) return true;
      }
      return false;
    };
  }
}

function addReads(instance: Instance, frame: number, at: number, low: number, high: number): void {
  const marks = instance.marks(frame);
  const newLow = (marks.readLow[at] as number) | low;
  const newHigh = (marks.readHigh[at] as number) | high;
  if (newLow === marks.readLow[at] && newHigh === marks.readHigh[at]) return;
  if ((newLow & ~(marks.liveLow[at] as number)) !== 0 || (newHigh & ~(marks.liveHigh[at] as number)) !== 0)
    instance.updated = true;
  marks.readLow[at] = newLow;
  marks.readHigh[at] = newHigh;
}

/** What a function reads and surely writes of its callers' stacks counts as read and written by the call. */
function propagateOut(instance: Instance, outer: Instance): void {
  const at = (instance.callSites[instance.callSites.length - 1] as number) - outer.start;
  const seen = outer.seen[at] === 1;
  for (let frame = 0; frame < outer.frames.length; frame++) {
    const inner = instance.frames[frame];
    if (inner === null || inner === undefined) {
      addWrites(outer, frame, at, 0, 0, seen);
      continue;
    }
    addReads(outer, frame, at, inner.liveLow[0] as number, inner.liveHigh[0] as number);
    addWrites(outer, frame, at, inner.writtenLow[0] as number, inner.writtenHigh[0] as number, seen);
  }
  outer.seen[at] = 1;
}

/** Records writes at an instruction: the first time as they are, later what all times have in common. */
function addWrites(instance: Instance, frame: number, at: number, low: number, high: number, seen: boolean): void {
  if (low === 0 && high === 0 && (!seen || instance.frames[frame] === null)) return;
  const marks = instance.marks(frame);
  const oldLow = marks.writeLow[at] as number;
  const oldHigh = marks.writeHigh[at] as number;
  const newLow = seen ? low & oldLow : low;
  const newHigh = seen ? high & oldHigh : high;
  if (newLow === oldLow && newHigh === oldHigh) return;
  marks.writeLow[at] = newLow;
  marks.writeHigh[at] = newHigh;
  instance.updated = true;
  if ((oldLow & ~newLow) !== 0 || (oldHigh & ~newHigh) !== 0) instance.writesDropped = true;
}

function liveAt(instance: Instance, slot: number, frame: number, index: number): boolean {
  const marks = instance.frames[frame];
  if (marks === null || marks === undefined) return false;
  const at = slot - instance.start;
  const mask = index < 32 ? (marks.liveLow[at] as number) : (marks.liveHigh[at] as number);
  return (mask & (1 << (index & 31))) !== 0;
}
