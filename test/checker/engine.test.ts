// What the checker says of programs about encodings, shape, arithmetic, branches, loops, calls and limits: the table of
// engine-cases.ts, and what a report tells besides the verdict.

import { describe, expect, test } from "vitest";
import { checkProgram } from "../../src/checker/check.ts";
import { tellFault } from "../../src/checker/messages.ts";
import { type EngineCase, engineCases, engineImage } from "./engine-cases.ts";

const named = (name: string): EngineCase => {
  const found = engineCases.find((c) => c.name === name);
  if (found === undefined) throw new Error(`no case ${name}`);
  return found;
};

describe("verdicts", () => {
  for (const program of engineCases)
    test(program.name, () => {
      const report = checkProgram(engineImage(program));
      const fault = report.fault === null ? null : [report.fault.fault.kind, report.fault.slot];
      expect(fault).toEqual(program.refused);
      expect(report.verdict).toBe(program.refused === null ? "accept" : "reject");
      if (program.processed !== undefined) expect(report.processed).toBe(program.processed);
    });
});

describe("reports", () => {
  test("every refusal has words", () => {
    for (const program of engineCases) {
      const image = engineImage(program);
      const { fault } = checkProgram(image);
      if (fault === null) continue;
      const told = tellFault(image, fault);
      expect(told.message, program.name).toMatch(/^[^.]{10,}[^.]$/s);
      expect(told.message, program.name).not.toMatch(/undefined|NaN|\[object/);
    }
  });

  test("the way to a fault is told by the jumps that decided it", () => {
    const report = checkProgram(
      engineImage({
        name: "",
        text: "call bpf_get_prandom_u32\nif r0 == 1 goto one\nif r0 == 2 goto two\nr0 = 0\nexit\none:\nr0 = 1\nexit\ntwo:\nif r0 != 2 goto one\nr0 = r7\nexit",
        refused: null,
      }),
    );
    expect(report.fault?.fault).toEqual({ kind: "unsetRegister", register: 7 });
    expect(report.fault?.slot).toBe(8);
    expect(report.fault?.path).toEqual([
      { slot: 1, taken: false },
      { slot: 2, taken: true },
      { slot: 7, taken: false },
    ]);
    expect(report.fault?.registers[0]).toMatchObject({ kind: "scalar", scalar: { value: 2n, mask: 0n } });
  });

  test("calls on the way are told", () => {
    const report = checkProgram(engineImage(named("r6 isn't the callee's")));
    expect(report.fault?.callSites).toEqual([1]);
  });

  test("stack and visits are counted", () => {
    const report = checkProgram(engineImage(named("512 bytes of stack together")));
    expect(report.stackBytes).toBe(512);
    const loop = checkProgram(engineImage(named("a loop of ten rounds")));
    expect([...loop.visits]).toEqual([1, 10, 10, 1]);
  });

  test("gaps and unmodelled calls leave the verdict open, but a fault stands", () => {
    const image = engineImage(named("the smallest program"));
    expect(checkProgram({ ...image, gaps: ["a field"] })).toMatchObject({ verdict: "unknown", unknown: ["a field"] });
    const refused = engineImage(named("no result"));
    expect(checkProgram({ ...refused, gaps: ["a field"] }).verdict).toBe("reject");
  });

  test("a lower limit of instructions ends the walk", () => {
    const text = "r0 = 0\nagain:\nr0 += 1\nif r0 < 600000 goto again\nexit";
    const report = checkProgram(engineImage({ name: "", text, refused: null }), { processedLimit: 5000 });
    expect(report.fault?.fault).toEqual({ kind: "tooComplex", processed: 5001 });
  });

  test("the number of CPUs bounds their numbers", () => {
    const image = engineImage({
      name: "",
      text: "call bpf_get_smp_processor_id\nif r0 < 4 goto out\nr0 = r7\nout:\nr0 = 0\nexit",
      refused: null,
    });
    expect(checkProgram(image, { possibleCpus: 4 }).verdict).toBe("accept");
    expect(checkProgram(image, { possibleCpus: 5 }).verdict).toBe("reject");
  });
});
