// Calls of helpers: the checker's verdicts are the kernel's, for every helper with every argument given every kind of value (a
// sample by default; all with CHECKER_SWEEP=1), and for programs about what calls do: references, locks, callbacks, packet
// pointers, maps in maps, dynptrs, tail calls.

import { afterAll, expect, test } from "vitest";
import { helpers } from "../../src/bpf/helpers.ts";
import { ImageLoader } from "../support/image-load.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";
import { callCases, callProgram, kernelCallCases } from "./helper-cases.ts";
import { effectCases } from "./helper-effects.ts";
import { type Answers, askBoth, difference } from "./memory-programs.ts";

const everything = process.env.CHECKER_SWEEP === "1";
const stride = everything ? 1 : 29;

/** A kernel object as memory: what the kernel says depends on its layout, which the checker doesn't know. */
function isObjectAsMemory({ ours }: Answers): boolean {
  return ours.verdict === "unknown" && ours.unknown.every((what) => what.endsWith("as a helper's memory"));
}

describeWith("helper calls as the kernel judges them", [kernelProblem()], () => {
  const loader = new ImageLoader();
  afterAll(() => loader.close());

  test("every argument of every helper", () => {
    let count = 0;
    const differ: string[] = [];
    for (const { name, text } of callCases()) {
      if (count++ % stride !== 0) continue;
      const answers = askBoth(loader, { text });
      if (isObjectAsMemory(answers)) continue;
      const found = difference({ text }, answers);
      if (found !== null) differ.push(`${name}: ${found}`);
    }
    expect(differ).toEqual([]);
  });

  test("every argument of the kernel functions that are modelled", () => {
    let count = 0;
    const differ: string[] = [];
    for (const { name, text } of kernelCallCases()) {
      if (count++ % stride !== 0) continue;
      const answers = askBoth(loader, { text });
      if (isObjectAsMemory(answers)) continue;
      const found = difference({ text }, answers);
      if (found !== null) differ.push(`${name}: ${found}`);
    }
    expect(differ).toEqual([]);
  });

  test("helpers that need a GPL-compatible licence", () => {
    for (const license of ["", "Proprietary", "Dual MIT/GPL", "GPL v2"]) {
      for (const helper of helpers) {
        const program = { text: callProgram(helper, -1, { name: "", setup: "r9 = 0" }), license };
        if (!everything && !helper.gplOnly && helper.id % 5 !== 0) continue;
        expect(difference(program, askBoth(loader, program))).toBeNull();
      }
    }
  });

  test("numbers of all helpers there are, and beyond", () => {
    for (let id = -1; id <= 215; id++) {
      if (helpers.some((helper) => helper.id === id)) continue;
      const program = { text: `call helper[${id}]\nr0 = 0\nexit` };
      expect(difference(program, askBoth(loader, program))).toBeNull();
    }
  });

  for (const [name, text] of Object.entries(effectCases)) {
    test(name, () => {
      const program = { text: text.replace(/^\s+/gm, "") };
      expect(difference(program, askBoth(loader, program))).toBeNull();
    });
  }
});
