// How a run ends that can't go on: a program touched what it may not, met an instruction that means nothing or ran too long.
// The real kernel's verifier refuses such programs beforehand; the machine runs anything, so it must be able to say it. Part
// of the machine's core; knows nothing of what was being executed until the executor fills in the place.

import type { ImageLine } from "../bpf/image.ts";

/**
 * Why a run ended.
 *
 * - `badAddress`: no region has this address (null, a number taken for a pointer, a pointer kept from before the packet moved)
 * - `outOfBounds`: the region is known, but the bytes aren't all inside it
 * - `readOnly`: a store to what programs may only read
 * - `context`: an access of struct xdp_md that XDP doesn't have
 * - `instruction`: a slot that isn't an instruction, or an instruction the machine can't give a meaning
 * - `jump`: execution left the program or went into the middle of an instruction
 * - `helper`: a helper or kernel function that isn't there, or arguments it can't take
 * - `callDepth`: more than 8 frames
 * - `budget`: more instructions than the budget allows
 */
export type FaultKind =
  | "badAddress"
  | "outOfBounds"
  | "readOnly"
  | "context"
  | "instruction"
  | "jump"
  | "helper"
  | "callDepth"
  | "budget";

/** A part of a run's path in which one program ran: tail calls begin another. */
export interface PathStretch {
  /** The name of the program (the image). */
  readonly program: string;
  /** The slots executed, in order, from the start of that image's code. */
  readonly slots: Uint32Array;
}

/** A run that can't go on. Memory and helpers throw it with kind and message; `Machine.run` adds the place before it leaves. */
export class MachineFault extends Error {
  override readonly name = "MachineFault";
  readonly kind: FaultKind;
  /** What happened, without the place. */
  readonly reason: string;
  /** The name of the program (the image), once known. */
  program: string | null = null;
  /** The slot of the instruction that was being executed, from the start of the image's code; -1 while unknown. */
  slot = -1;
  /** The source line of that slot; null without line info. */
  line: ImageLine | null = null;
  /** Instructions executed, the faulty one included; 0 while unknown. */
  steps = 0;
  /** The path to the fault, where the run was asked for it; else null. */
  path: readonly PathStretch[] | null = null;

  constructor(kind: FaultKind, reason: string) {
    super(reason);
    this.kind = kind;
    this.reason = reason;
  }

  /** Says where it happened, in the fields and in `message`. */
  locate(place: { program: string; slot: number; line: ImageLine | null; steps: number }): void {
    this.program = place.program;
    this.slot = place.slot;
    this.line = place.line;
    this.steps = place.steps;
    const where = place.line === null ? "" : ` (${place.line.file}:${place.line.line})`;
    this.message = `${place.program}: instruction ${place.slot}${where}: ${this.reason}`;
  }
}
