// The checker's one entry: what Linux's verifier says of a program, without a kernel. Judges the program's shape, walks all its
// paths and says accept, reject with the fault, or unknown with what isn't modelled.
// Source: Linux kernel/bpf/verifier.c (bpf_check; 6.18), for a privileged user and program type XDP.

import type { ProgramImage } from "../bpf/image.ts";
import { slotBytes } from "../bpf/isa.ts";
import { checkEncodings } from "./encoding.ts";
import { explore } from "./explore.ts";
import { findFlow } from "./flow.ts";
import { checkCallbacksCalled, checkKernelCalls, unknownKernelCalls } from "./kernel-calls.ts";
import { checkMap } from "./map-creation.ts";
import { mostSlots, readProgram } from "./program.ts";
import { checkStackDepth } from "./stack-depth.ts";
import { currentFrame, type VerifierState } from "./state.ts";
import { checkFunctions, findStructure } from "./structure.ts";
import { traceOf } from "./trace.ts";
import type { CheckReport, FaultReport } from "./verdict.ts";
import { refuse, Stop } from "./verdict.ts";
import { Walk } from "./walk.ts";

/** As many as usual kernels are built for. */
const mostCpus = 8192;

/** How to check. */
export interface CheckOptions {
  /** The most instructions to walk over all paths; the kernel's limit of a million unless given. */
  readonly processedLimit?: number;
  /**
   * Called before each instruction with the state there, which lasts no longer than the call. Then every path is walked to its end, also
   * where another covered it: for tests, and for programs without long loops.
   */
  readonly observe?: (slot: number, state: VerifierState) => void;
  /** How many CPUs the machine may have, which bounds what bpf_get_smp_processor_id returns; 8192 unless given. */
  readonly possibleCpus?: number;
}

/** Predicts the verifier's verdict on a program. Never throws but for bugs of its own. */
export function checkProgram(image: ProgramImage, options: CheckOptions = {}): CheckReport {
  let walk: Walk | null = null;
  let stackBytes = 0;
  try {
    for (const map of image.maps) {
      const fault = checkMap(map);
      if (fault !== null) refuse(fault);
    }
    const program = readProgram(image);
    checkFunctions(program);
    checkEncodings(program);
    const structure = findStructure(program);
    const flow = findFlow(program);
    walk = new Walk(program, structure, flow, {
      processed: options.processedLimit ?? mostSlots,
      possibleCpus: options.possibleCpus ?? mostCpus,
      observe: options.observe ?? null,
    });
    checkKernelCalls(walk);
    explore(walk);
    stackBytes = checkStackDepth(program, structure, walk.stackDepth, walk.asyncCallbacks);
    checkCallbacksCalled(walk);
  } catch (stop) {
    if (!(stop instanceof Stop)) throw stop;
    return { ...numbersOf(image, walk), stackBytes, ...outcome(stop, walk) };
  }
  const unknown = [...image.gaps, ...unknownKernelCalls(walk)];
  return {
    ...numbersOf(image, walk),
    stackBytes,
    verdict: unknown.length > 0 ? "unknown" : "accept",
    fault: null,
    unknown,
  };
}

function numbersOf(
  image: ProgramImage,
  walk: Walk | null,
): Pick<CheckReport, "processed" | "peakStates" | "totalStates" | "visits"> {
  return {
    processed: walk?.processed ?? 0,
    peakStates: walk?.peakStates ?? 0,
    totalStates: walk?.totalStates ?? 0,
    visits: walk?.visits ?? new Uint32Array(Math.floor(image.code.length / slotBytes)),
  };
}

function outcome(stop: Stop, walk: Walk | null): Pick<CheckReport, "verdict" | "fault" | "unknown"> {
  if (stop.fault === null) return { verdict: "unknown", fault: null, unknown: [stop.unsupported ?? ""] };
  return { verdict: "reject", fault: reportOf(stop, walk), unknown: [] };
}

function reportOf({ fault, slot }: Stop, walk: Walk | null): FaultReport | null {
  if (fault === null) return null;
  if (walk === null || slot !== null) return { fault, slot, path: [], registers: [], callSites: [] };
  return {
    fault,
    slot: walk.slot,
    path: traceOf(walk),
    registers: currentFrame(walk.state).regs.slice(),
    callSites: walk.state.frames.slice(1).map(({ callsite }) => callsite),
  };
}
