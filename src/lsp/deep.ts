// What only a whole compilation knows of a document: what its rules cost in instructions, whether the kernel's verifier takes it, how its
// tests end. Plain values, since they come from a worker thread. Knows no threads.

import type { KernelVersion } from "../bpf/kernel.ts";

/** The results of compiling a document and running its tests. Lines count from 0. */
export interface DeepResult {
  readonly programs: readonly DeepProgram[];
  readonly tests: readonly DeepTest[];
}

/** What is known of one compiled program. */
export interface DeepProgram {
  readonly name: string;
  /** 8-byte slots, as the kernel counts instructions. */
  readonly instructions: number;
  readonly stackBytes: number;
  /** The instructions that the kernel's verifier follows over all paths; null where that isn't known. */
  readonly processed: number | null;
  readonly minimumKernel: KernelVersion;
  readonly reasons: readonly string[];
  /** What each line of each file costs, by path and line. */
  readonly lines: readonly DeepLine[];
}

/** What one line of rules became. */
export interface DeepLine {
  readonly path: string;
  readonly line: number;
  readonly instructions: number;
  /** How many of the steps of the kernel's verifier are spent on it; null where that isn't known. */
  readonly processed: number | null;
}

/** How a test ended. */
export interface DeepTest {
  readonly title: string;
  /** The line of the test's title. */
  readonly line: number;
  /** Why it failed; null: it passed. */
  readonly failure: { readonly message: string; readonly line: number } | null;
}
