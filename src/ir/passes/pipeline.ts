// The list of passes, in order, on one screen. `optimise` runs it; names are what `--dump` takes. What a pass does is in its
// own file; this one knows only the order and how often.

import { keepGraph } from "../graph.ts";
import type { IrFunction, Pass } from "../ir.ts";
import { cfg } from "./cfg.ts";
import { cse } from "./cse.ts";
import { dce } from "./dce.ts";
import { fold } from "./fold.ts";
import { guards } from "./guards.ts";
import { renumber } from "./renumber.ts";
import { swaps } from "./swaps.ts";
import { switches } from "./switches.ts";
import { thread } from "./thread.ts";

/** 0: only what the code generator needs; 2: everything. */
export type OptimisationLevel = 0 | 2;

interface Step {
  readonly name: string;
  readonly pass: Pass;
}

/** Passes that are repeated until none changes anything, at most `rounds` times (fewer in big functions). */
interface Group {
  readonly rounds: number;
  readonly steps: readonly Step[];
}

const step = (name: string, pass: Pass): Step => ({ name, pass });

const tidy: readonly Step[] = [step("cfg", cfg), step("dce", dce)];
const simplify: readonly Step[] = [
  step("swaps", swaps),
  step("fold", fold),
  step("cse", cse),
  step("thread", thread),
  ...tidy,
];

const LEVELS: Readonly<Record<OptimisationLevel, readonly Group[]>> = {
  0: [{ rounds: 1, steps: [step("renumber", renumber)] }],
  2: [
    { rounds: 8, steps: simplify },
    { rounds: 1, steps: [step("renumber", renumber)] },
    // Merged guards leave tests decided and blocks empty, but nothing to fold or to number anew.
    { rounds: 4, steps: [step("guards", guards), step("thread", thread), ...tidy] },
    { rounds: 1, steps: [step("switches", switches), step("fold", fold), step("cse", cse), ...tidy] },
    { rounds: 1, steps: [step("renumber", renumber)] },
  ],
};

/**
 * Rounds by a function's blocks: what later rounds find in big ones is a few places, each at the price of the whole.
 * (10,000 rules, about 60,000 blocks: the same code after two rounds as after eight, 1 % more after one.)
 */
function roundsIn(group: Group, blocks: number): number {
  return Math.min(group.rounds, blocks > 100_000 ? 1 : blocks > 10_000 ? 2 : group.rounds);
}

/** The names of all passes, for `--dump`. */
export const passNames: readonly string[] = [
  ...new Set(Object.values(LEVELS).flatMap((groups) => groups.flatMap((g) => g.steps.map((s) => s.name)))),
];

/** Called after each pass with its name and what it made. */
export type PassObserver = (pass: string, fn: IrFunction) => void;

/** Runs the passes of a level over a function. */
export function optimise(fn: IrFunction, level: OptimisationLevel, observer: PassObserver = () => {}): IrFunction {
  let now = fn;
  const settled = new Map<Pass, IrFunction>();
  for (const group of LEVELS[level]) {
    const rounds = roundsIn(group, now.blocks.length);
    for (let round = 0; round < rounds; round++) {
      const before = now;
      for (const { name, pass } of group.steps) {
        // Functions don't change: a pass that found nothing in this very one need not look again.
        if (settled.get(pass) === now) continue;
        const next = pass(now);
        if (next === now) settled.set(pass, now);
        now = keepGraph(now, next);
        observer(name, now);
      }
      if (now === before) break;
    }
  }
  return now;
}
