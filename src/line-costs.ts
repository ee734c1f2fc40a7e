// What each line of rules became: instructions, and steps of the kernel's verifier. From the lines that the code generator gives its
// instructions and the checker's count of visits. Beside the list of passes (compile.ts); for editors.

import { slotsOf } from "./bpf/insn.ts";
import type { BpfProgram } from "./bpf/object.ts";

/** What one line of a file costs. Code that several lines share counts for one of them. */
export interface LineCost {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** 8-byte slots, as the kernel counts instructions. */
  readonly instructions: number;
  /** The steps that the kernel's verifier takes on them over all paths; null where that wasn't checked. */
  readonly processed: number | null;
}

/** The lines a program comes from, in order of file and line. `visits`: by slot how often the verifier follows it; null: not checked. */
export function lineCosts(program: BpfProgram, visits: Uint32Array | null): readonly LineCost[] {
  const costs = new Map<string, { file: string; line: number; instructions: number; processed: number }>();
  let slot = 0;
  let at = -1;
  for (const [index, insn] of program.insns.entries()) {
    while ((program.lines[at + 1]?.insnIndex ?? Number.POSITIVE_INFINITY) <= index) at += 1;
    const place = program.lines[at];
    const slots = slotsOf(insn);
    if (place !== undefined) {
      const { file, line } = place;
      const key = `${line} ${file}`;
      const cost = costs.get(key) ?? { file, line, instructions: 0, processed: 0 };
      cost.instructions += slots;
      cost.processed += visits?.[slot] ?? 0;
      costs.set(key, cost);
    }
    slot += slots;
  }
  return [...costs.values()]
    .map((cost) => (visits === null ? { ...cost, processed: null } : cost))
    .sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1));
}
