// At a prune point: has a state been walked from here that covers the current one? Then the path ends. If not, is the state
// worth saving? How often states are saved, and which are thrown away again, decides how much has to be walked twice: the
// verifier's own rules of thumb, since its limits count what they lead to.
// Source: Linux kernel/bpf/verifier.c (is_state_visited, clean_live_states, find_prev_entry, widen_imprecise_scalars; 6.18).

import { unknownValue } from "./alu.ts";
import { Comparison, mayLoop } from "./equal.ts";
import type { Checkpoint, Path } from "./path.ts";
import { copyPath, sameCallSites, slotOfFrame } from "./path.ts";
import type { Frame, PointerValue, RegValue, StackSlot, VerifierState } from "./state.ts";
import { copyState, currentFrame, invalidSlot, isSpill, slotByte, stackByte, unset } from "./state.ts";
import { point } from "./structure.ts";
import { refuse, unsupported } from "./verdict.ts";
import { bucketOf, type Walk } from "./walk.ts";

/** A history this long is cut by saving the state. */
const longHistory = 40;

/**
 * The most registers and stack slots that saved states may have together, some 300 MB. A state is saved every eight instructions at
 * most, so within a million of them only programs get there whose functions use more stack together than any kernel allows.
 */
const mostKept = 20_000_000;

/** Prunes the walk's paths. One for a whole check. */
export class Pruning {
  readonly #walk: Walk;
  readonly #comparison: Comparison;

  constructor(walk: Walk) {
    this.#walk = walk;
    this.#comparison = new Comparison(walk.flow.liveRegisters);
  }

  /** True when the current path ends here because it is covered; else the state may have been saved. */
  visit(): boolean {
    const walk = this.#walk;
    const { path, slot } = walk;
    const forced = walk.hasPoint(slot, point.force) || path.history.length > longHistory;
    const jumps = walk.jumps - walk.jumpsAtSave;
    const processed = walk.processed - walk.processedAtSave;
    let save = forced || (jumps >= 2 && processed >= 8);
    const bucket = walk.bucket(slot);
    this.#cleanFinished(bucket);
    let newer: Checkpoint | null = null;
    for (let old = walk.saved[bucket] ?? null; old !== null; ) {
      const older: Checkpoint | null = old.older;
      if (old.slot === slot) {
        const covered = old.branches > 0 ? this.#coveredInLoop(old) : this.#covered(old);
        if (covered !== null) {
          this.#hit(old, covered);
          return true;
        }
        // Inside a loop iterations differ: save one now and then only.
        if (old.branches > 0 && !forced && jumps < 20 && processed < 100) save = false;
        if (this.#missed(old, save)) {
          this.#evict(bucket, newer, old);
          old = older;
          continue;
        }
      }
      newer = old;
      old = older;
    }
    if (save) this.#save(bucket);
    return false;
  }

  /** Whether a state all of whose paths were walked covers the current one: "loop" if a loop around it isn't done; null if not. */
  #covered(old: Checkpoint): "done" | "loop" | null {
    const loop = this.#walk.loops.isUnfinished(old);
    const holds = this.#comparison.holds(old, this.#walk.state, loop ? "inRange" : "covered");
    return holds ? (loop ? "loop" : "done") : null;
  }

  /** The same for a state that the current path comes from. Refuses when the walk goes in circles. */
  #coveredInLoop(old: Checkpoint): "done" | "loop" | null {
    const walk = this.#walk;
    const { state, slot } = walk;
    // Another entry into an async callback is no other round of a loop.
    const frame = currentFrame(old.state);
    if (frame.callback?.async === true && frame.asyncEntries !== currentFrame(state).asyncEntries) return null;
    const inRange = (): boolean => this.#comparison.holds(old, state, "inRange");
    if (walk.hasPoint(slot, point.iteratorNext)) return inRange() && isIteratorActive(state) ? "loop" : null;
    if (walk.hasPoint(slot, point.mayGoto) && old.state.mayGotoDepth !== state.mayGotoDepth && inRange()) return "loop";
    if (walk.hasPoint(slot, point.callsCallback)) return inRange() ? "done" : null;
    if (
      mayLoop(old.state, state) &&
      this.#comparison.holds(old, state, "exact") &&
      !iteratorsMoved(old.state, state) &&
      old.state.mayGotoDepth === state.mayGotoDepth &&
      old.state.callbackUnrollDepth === state.callbackUnrollDepth
    )
      refuse({ kind: "endlessLoop", at: slot });
    return null;
  }

  #hit(old: Checkpoint, how: "done" | "loop"): void {
    const walk = this.#walk;
    old.hits++;
    if (walk.hasPoint(walk.slot, point.jump)) walk.noteHistory(0, null);
    walk.precision.propagate(old.state, walk.path);
    if (how === "loop") {
      walk.loops.addBackedge(copyPath(walk.path), old);
      walk.updatePeak();
    }
  }

  /** Counts a comparison in vain; true when the state isn't worth keeping. */
  #missed(old: Checkpoint, saving: boolean): boolean {
    if (saving) old.misses++;
    const patience = this.#walk.hasPoint(this.#walk.slot, point.force) && old.branches > 0 ? 64 : 3;
    return old.misses > old.hits * patience + patience;
  }

  #evict(bucket: number, newer: Checkpoint | null, old: Checkpoint): void {
    const walk = this.#walk;
    if (newer === null) walk.saved[bucket] = old.older;
    else newer.older = old.older;
    old.evicted = true;
    walk.savedCount--;
    if (old.branches > 0 || walk.loops.isUnfinished(old)) walk.evictedCount++;
  }

  #save(bucket: number): void {
    const walk = this.#walk;
    const { path, slot } = walk;
    walk.totalStates++;
    walk.savedCount++;
    for (const { regs, stack } of path.state.frames) walk.keptValues += regs.length + stack.length;
    if (walk.keptValues > mostKept) unsupported("a walk with more saved states than are kept in memory");
    walk.updatePeak();
    walk.jumpsAtSave = walk.jumps;
    walk.processedAtSave = walk.processed;
    const checkpoint: Checkpoint = {
      state: copyState(path.state),
      parent: path.parent,
      slot,
      lastSlot: path.lastSlot,
      firstSlot: path.firstSlot,
      branches: path.branches,
      depth: path.depth,
      history: path.history,
      hits: 0,
      misses: 0,
      evicted: false,
      cleaned: false,
      older: walk.saved[bucket] ?? null,
    };
    walk.loops.enter(checkpoint);
    path.parent = checkpoint;
    path.firstSlot = slot;
    path.depth = checkpoint.depth + 1;
    path.history = [];
    walk.saved[bucket] = checkpoint;
  }

  /** States whose paths are all walked forget what can't matter: registers and stack slots that aren't read any more. */
  #cleanFinished(bucket: number): void {
    const walk = this.#walk;
    for (let old = walk.saved[bucket] ?? null; old !== null; old = old.older) {
      if (old.branches > 0 || old.cleaned || old.slot !== walk.slot || !sameCallSites(old.state, walk.state)) continue;
      if (walk.loops.isUnfinished(old)) continue;
      old.cleaned = true;
      this.#clean(old);
    }
  }

  #clean(old: Checkpoint): void {
    const isLive = this.#walk.liveness.query(old.state, old.slot);
    for (const frame of old.state.frames) {
      const live = this.#walk.flow.liveRegisters[slotOfFrame(old, frame.number)] as number;
      frame.preciseRegs &= live;
      for (let i = 0; i < 10; i++) if ((live & (1 << i)) === 0) frame.regs[i] = unset;
      for (let i = 0; i < frame.stack.length; i++) {
        if (isLive(frame.number, i)) continue;
        frame.stack[i] = invalidSlot;
        if (i < 32) frame.preciseSlotsLow &= ~(1 << i);
        else frame.preciseSlotsHigh &= ~(1 << (i - 32));
      }
    }
  }
}

/** The last state saved at `slot` on the way to `path`: that of the iteration before. */
export function previousVisit(walk: Walk, path: Path, slot: number): Checkpoint | null {
  const bucket = bucketOf(slot, currentFrame(path.state).callsite, walk.program.slots);
  for (let old = walk.saved[bucket] ?? null; old !== null; old = old.older)
    if (old.slot === slot && old.branches > 0 && sameCallSites(old.state, path.state) && old.depth < path.depth)
      return old;
  return null;
}

/** Numbers that changed since the iteration before and didn't matter there become unknown, so that iterations grow alike. */
export function widen(old: Checkpoint, state: VerifierState): void {
  for (const [number, before] of old.state.frames.entries()) {
    const frame = state.frames[number];
    if (frame === undefined) continue;
    for (let i = 0; i < 11; i++)
      if (changed(before.regs[i], frame.regs[i]) && (before.preciseRegs & (1 << i)) === 0) frame.regs[i] = unknownValue;
    const slots = Math.min(before.stack.length, frame.stack.length);
    for (let i = 0; i < slots; i++) {
      const slot = before.stack[i] as StackSlot;
      const now = frame.stack[i] as StackSlot;
      const precise = ((i < 32 ? before.preciseSlotsLow : before.preciseSlotsHigh) & (1 << (i & 31))) !== 0;
      if (!precise && isSpill(slot) && isSpill(now) && changed(slot.value, now.value))
        frame.stack[i] = { ...now, value: unknownValue };
    }
  }
}

/** True for two numbers that aren't exactly alike but for their ids. */
function changed(before: RegValue | undefined, now: RegValue | undefined): boolean {
  if (before?.kind !== "scalar" || now?.kind !== "scalar") return false;
  const a = before.scalar;
  const b = now.scalar;
  if (before.delta !== now.delta || (before.id === 0) !== (now.id === 0)) return true;
  if (a === b) return false;
  return (
    a.value !== b.value ||
    a.mask !== b.mask ||
    a.umin !== b.umin ||
    a.umax !== b.umax ||
    a.smin !== b.smin ||
    a.smax !== b.smax ||
    a.u32min !== b.u32min ||
    a.u32max !== b.u32max ||
    a.s32min !== b.s32min ||
    a.s32max !== b.s32max
  );
}

/** True when the iterator that r1 points to has not ended. */
function isIteratorActive(state: VerifierState): boolean {
  const r1 = currentFrame(state).regs[1] as PointerValue;
  const index = -(r1.off + Number(BigInt.asIntN(64, r1.varOff.value)) + 1) >> 3;
  return state.frames[r1.frame]?.stack[index]?.object?.drained === false;
}

/** True when an iterator that hasn't ended took another step since. */
function iteratorsMoved(old: VerifierState, state: VerifierState): boolean {
  return old.frames.some((frame: Frame, number) =>
    frame.stack.some((slot, index) => {
      if (slotByte(slot, 0) !== stackByte.iterator || slot.object === null || slot.object.drained) return false;
      return state.frames[number]?.stack[index]?.object?.depth !== slot.object.depth;
    }),
  );
}
