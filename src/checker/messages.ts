// A refusal told to a person: the fault in words, the line it is in and the way there, by the conditions that decided it. The
// sentences for each kind of fault are in messages-memory.ts, messages-calls.ts and messages-engine.ts.

import type { ImageLine, ProgramImage } from "../bpf/image.ts";
import type { AccessFault } from "./access-fault.ts";
import type { CallFault } from "./call-fault.ts";
import { callWords } from "./messages-calls.ts";
import { engineWords } from "./messages-engine.ts";
import { memoryWords } from "./messages-memory.ts";
import type { Fault, FaultReport } from "./verdict.ts";
import type { FaultWords } from "./words.ts";

/** A conditional jump on the way to a fault, with the line it was made from. */
export interface ToldStep {
  readonly slot: number;
  readonly taken: boolean;
  /** Null without line info. */
  readonly line: ImageLine | null;
}

/** A refusal in words. */
export interface ToldFault extends FaultWords {
  /** The line of the refused instruction; null without line info, or when the program as a whole is refused. */
  readonly line: ImageLine | null;
  /** The conditions on the way there, oldest first. */
  readonly path: readonly ToldStep[];
  /** The lines of the calls that lead there, outermost first; null where one has none. */
  readonly calls: readonly (ImageLine | null)[];
}

/** Tells a refusal. */
export function tellFault(image: ProgramImage, report: FaultReport): ToldFault {
  return {
    ...faultWords(report.fault, (slot) => placeAt(image, slot)),
    line: report.slot === null ? null : lineAt(image, report.slot),
    path: report.path.map(({ slot, taken }) => ({ slot, taken, line: lineAt(image, slot) })),
    calls: report.callSites.map((slot) => lineAt(image, slot)),
  };
}

/** A fault in words, without its place; `place` names that of other instructions it speaks of. */
export function faultWords(
  fault: Fault,
  place: (slot: number) => string = (slot) => `instruction ${slot}`,
): FaultWords {
  if (isAccessFault(fault)) return memoryWords(fault, place);
  return isCallFault(fault) ? callWords(fault, place) : engineWords(fault);
}

function placeAt(image: ProgramImage, slot: number): string {
  const line = lineAt(image, slot);
  return line === null ? `instruction ${slot}` : `line ${line.line}`;
}

/** The source line that the instruction at `slot` was made from, or null without line info. */
export function lineAt(image: ProgramImage, slot: number): ImageLine | null {
  let from = 0;
  let to = image.lines.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((image.lines[middle] as ImageLine).slot <= slot) from = middle + 1;
    else to = middle;
  }
  return image.lines[from - 1] ?? null;
}

/** The kinds of faults of memory accesses. */
const accessKinds: Readonly<Record<AccessFault["kind"], true>> = {
  notAPointer: true,
  mayBeNull: true,
  outOfBounds: true,
  contextAccess: true,
  readOnly: true,
  writeOnly: true,
  stackContents: true,
  stackSpill: true,
  misaligned: true,
  movedPointer: true,
  variableStack: true,
  emptyBuffer: true,
  specialField: true,
  frozenArray: true,
  atomicTarget: true,
  forbiddenAccess: true,
  mixedPointers: true,
};

/** The kinds of faults of helper calls. */
const callKinds: Readonly<Record<CallFault["kind"], true>> = {
  unknownHelper: true,
  helperNotForXdp: true,
  needsGpl: true,
  argument: true,
  size: true,
  packetArgument: true,
  movedArgument: true,
  mapNotForHelper: true,
  readOnlyMap: true,
  noField: true,
  lock: true,
  section: true,
  iterator: true,
  callWithLock: true,
  unreleased: true,
  lockHeld: true,
  notAcquired: true,
  string: true,
  callbackMap: true,
  dynptr: true,
  kfuncNotForXdp: true,
  mapCreation: true,
};

function isAccessFault(fault: Fault): fault is AccessFault {
  return Object.hasOwn(accessKinds, fault.kind);
}

function isCallFault(fault: Fault): fault is CallFault {
  return Object.hasOwn(callKinds, fault.kind);
}
