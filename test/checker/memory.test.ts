// Loads, stores and atomic operations: the checker's verdicts are the kernel's, for every kind of pointer with every kind of
// access at every class of offset, and for random sequences on the stack. A sample by default; all with CHECKER_SWEEP=1, more
// random programs with CHECKER_RUNS.

import { afterAll, expect, test } from "vitest";
import { ImageLoader } from "../support/image-load.ts";
import { Random } from "../support/random.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";
import { accessCases, accessProgram, pointerCases } from "./memory-cases.ts";
import { askBoth, difference } from "./memory-programs.ts";
import { stackProgram } from "./memory-stack-cases.ts";

const everything = process.env.CHECKER_SWEEP === "1";
const stackRuns = Number(process.env.CHECKER_RUNS ?? 300);
const seed = Number(process.env.CHECKER_SEED ?? 7);
/** Prime to the numbers of accesses and offsets, so that the sample has all of both. */
const stride = everything ? 1 : 11;

describeWith("memory accesses as the kernel judges them", [kernelProblem()], () => {
  const loader = new ImageLoader();
  afterAll(() => loader.close());

  for (const pointer of pointerCases) {
    test(pointer.name, () => {
      let count = 0;
      for (const access of accessCases) {
        for (const offset of pointer.offsets) {
          if (count++ % stride !== 0) continue;
          const program = { text: accessProgram(pointer, access, offset) };
          expect(difference(program, askBoth(loader, program))).toBeNull();
        }
      }
    });
  }

  for (const attach of ["device", "devmap", "cpumap"] as const) {
    test(`the context of a program for a ${attach}`, () => {
      for (const offset of [0, 4, 8, 12, 16, 20, 24]) {
        const program = { text: `r0 = *(u32 *)(r1 + ${offset})\nr0 = 0\nexit`, attach };
        expect(difference(program, askBoth(loader, program))).toBeNull();
      }
    });
  }

  test(`the stack, at random (seed ${seed})`, () => {
    const random = new Random(seed);
    let accepted = 0;
    for (let run = 0; run < stackRuns; run++) {
      const program = { text: stackProgram(random) };
      const answers = askBoth(loader, program);
      expect(difference(program, answers)).toBeNull();
      if (answers.kernel.verdict === "accept") accepted++;
    }
    expect(accepted).toBeGreaterThan(stackRuns / 10);
  });
});
