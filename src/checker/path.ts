// A way of the walk: the state together with where it is, the saved state it descends from and how it came from there. Saved
// states form a tree; `branches` counts what is still to be walked below each. Nothing here judges anything.
// Source: Linux include/linux/bpf_verifier.h (struct bpf_verifier_state, bpf_jmp_history_entry).

import type { VerifierState } from "./state.ts";
import { copyState } from "./state.ts";

/** A register or stack slot among those that share a number. */
export interface Linked {
  readonly frame: number;
  readonly isRegister: boolean;
  /** The register's number or the slot's. */
  readonly index: number;
}

/** Bits of `HistoryEntry.flags`. */
export const historyFlag = { stackAccess: 1, dstIsStack: 2, srcIsStack: 4 } as const;

/** One step of the way that straight-line backtracking couldn't guess, or that needs more than the instruction tells. */
export interface HistoryEntry {
  readonly slot: number;
  readonly previous: number;
  flags: number;
  /** With `stackAccess`: which frame's which slot. */
  frame: number;
  stackSlot: number;
  /** Values that became known together. */
  linked: readonly Linked[] | null;
}

/** A state on its way. */
export interface Path {
  state: VerifierState;
  parent: Checkpoint | null;
  /** The instruction about to be walked, and the one before. */
  slot: number;
  lastSlot: number;
  /** Where this path left its parent. */
  firstSlot: number;
  branches: number;
  depth: number;
  history: HistoryEntry[];
}

/** A state saved at a prune point. */
export interface Checkpoint extends Path {
  hits: number;
  misses: number;
  /** No longer compared with, kept only as a parent. */
  evicted: boolean;
  /** What can't matter any more has been forgotten. */
  cleaned: boolean;
  /** Older states in the same list. */
  older: Checkpoint | null;
}

/** A path that was found equal to a saved one inside a loop: marks go over it once the loop is known. */
export interface Backedge {
  readonly path: Path;
  readonly equal: Checkpoint;
}

/** A copy of a path that may be walked on its own. */
export function copyPath(path: Path): Path {
  return {
    state: copyState(path.state),
    parent: path.parent,
    slot: path.slot,
    lastSlot: path.lastSlot,
    firstSlot: path.firstSlot,
    branches: path.branches,
    depth: path.depth,
    history: path.history.slice(),
  };
}

/** True when two states were reached through the same calls. */
export function sameCallSites(a: VerifierState, b: VerifierState): boolean {
  if (a.frames.length !== b.frames.length) return false;
  for (let i = a.frames.length - 1; i >= 0; i--) if (a.frames[i]?.callsite !== b.frames[i]?.callsite) return false;
  return true;
}

/** The instruction a frame of a path is at: its call for outer frames. */
export function slotOfFrame(path: Path, frame: number): number {
  return path.state.frames[frame + 1]?.callsite ?? path.slot;
}
