// A program to ask both the kernel and the checker about, with a name that tells where it comes from. What corpora, mutators and
// the runner share.

import type { ProgramImage } from "../../src/bpf/image.ts";

/** A program to judge. */
export interface Candidate {
  /** The row of the table it counts in. */
  readonly corpus: Corpus;
  /** Where it comes from; for generated ones, the seed and what was changed. */
  readonly name: string;
  readonly image: ProgramImage;
}

/** The rows of the agreement table, in its order. */
export const corpora = [
  "own programs",
  "Debian's objects",
  "C programs",
  "mutants",
  "mutants of kernel tests",
  "random programs",
  "random calls",
  "kernel tests",
] as const;

/** A row of the agreement table. */
export type Corpus = (typeof corpora)[number];
