// The scalar domain against the verifier of the running kernel: programs made from a seed compute with unknown numbers, the
// kernel's log tells what it knows of each register after each instruction, and every range and known bit must be the same.
// FC_SEED and FC_RUNS choose the first seed and how many programs.

import { expect, test } from "vitest";
import { LoadError, loadProgram } from "../support/bpf.ts";
import { Random } from "../support/random.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";
import { bytesOf, ProgramMaker, walk } from "./scalar-programs.ts";

const FIRST_SEED = Number(process.env.FC_SEED ?? 1);
const RUNS = Number(process.env.FC_RUNS ?? 400);

function kernelLog(insns: Uint8Array): string {
  try {
    const program = loadProgram({ insns, logLevel: 2 });
    program.close();
    return program.log;
  } catch (error) {
    if (error instanceof LoadError) return error.log;
    throw error;
  }
}

describeWith("scalars as the kernel sees them", [kernelProblem()], () => {
  test(
    `${RUNS} programs`,
    () => {
      let compared = 0;
      const differences: string[] = [];
      for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS && differences.length < 5; seed++) {
        const random = new Random(seed);
        const program = new ProgramMaker(random).make(6 + random.below(30));
        const result = walk(program, kernelLog(bytesOf(program)));
        compared += result.compared;
        if (result.difference !== null) differences.push(`FC_SEED=${seed} FC_RUNS=1\n${result.difference}`);
      }
      expect(differences.join("\n\n")).toBe("");
      expect(compared).toBeGreaterThan(RUNS * 20);
    },
    Math.max(60_000, RUNS * 100),
  );
});
