// What checking a program comes to, as data: a verdict, and for a refusal the fault with what is known where it happened. The
// walk stops by throwing a `Stop`, made only here. Words are made elsewhere (messages.ts), from these.

import type { AccessFault } from "./access-fault.ts";
import type { CallFault } from "./call-fault.ts";
import type { EngineFault } from "./engine-fault.ts";
import type { RegValue } from "./state.ts";

/** accept and reject are what the kernel would say; unknown: it depends on something the checker doesn't model. */
export type Verdict = "accept" | "reject" | "unknown";

/** Why a program is refused. Each room's faults are a union of its own file, told apart by `kind`. */
export type Fault = EngineFault | AccessFault | CallFault;

/** A branch taken on the way to a fault. */
export interface PathStep {
  readonly slot: number;
  /** True where a jump was taken, false where it fell through. */
  readonly taken: boolean;
}

/** A refusal with the place and what was known there. */
export interface FaultReport {
  readonly fault: Fault;
  /** The instruction that was refused; null when the program as a whole is. */
  readonly slot: number | null;
  /** The conditional jumps and calls from the program's start to it, oldest first. */
  readonly path: readonly PathStep[];
  /** r0 to r10 before the instruction, in the current frame; empty before the walk began. */
  readonly registers: readonly RegValue[];
  /** Call sites of the frames, outermost first. */
  readonly callSites: readonly number[];
}

/** The answer of `checkProgram`. */
export interface CheckReport {
  readonly verdict: Verdict;
  /** For `reject`. */
  readonly fault: FaultReport | null;
  /** For `unknown`: each feature or gap, in words that follow "not modelled: ". */
  readonly unknown: readonly string[];
  /** Instructions walked over all paths, as the kernel counts them ("processed N insns"). */
  readonly processed: number;
  /** The deepest combined stack in bytes, as the kernel rounds it. */
  readonly stackBytes: number;
  /** States kept for pruning, at most and in all. */
  readonly peakStates: number;
  readonly totalStates: number;
  /** How often each slot was walked; same length as the program has slots. */
  readonly visits: Uint32Array;
}

/** Thrown to end a walk; nothing but `checkProgram` catches it. */
export class Stop {
  /** Why the program is refused, or null when something isn't modelled. */
  readonly fault: Fault | null;
  /** What isn't modelled, or null. */
  readonly unsupported: string | null;
  /** The instruction, where it isn't the one being walked. */
  readonly slot: number | null;
  constructor(fault: Fault | null, unsupported: string | null, slot: number | null) {
    this.fault = fault;
    this.unsupported = unsupported;
    this.slot = slot;
  }
}

/** Ends the walk: the kernel refuses the instruction being walked, or before any walk the one at `slot`. */
export function refuse(fault: Fault, slot: number | null = null): never {
  throw new Stop(fault, null, slot);
}

/** Ends the walk: what comes isn't modelled; `what` follows "not modelled: ". */
export function unsupported(what: string): never {
  throw new Stop(null, what, null);
}
