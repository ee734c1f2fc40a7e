// The engine against the kernel: the table of engine-cases.ts, with the number of instructions walked, and every opcode with
// every field set or not, where the walk comes and where it doesn't.

import { afterAll, expect, test } from "vitest";
import type { ProgramImage } from "../../src/bpf/image.ts";
import { checkProgram } from "../../src/checker/check.ts";
import { possibleCpus } from "../support/bpf.ts";
import { ImageLoader } from "../support/image-load.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";
import { engineCases, engineImage } from "./engine-cases.ts";
import { imageOf } from "./memory-programs.ts";

describeWith("the engine as the kernel walks", [kernelProblem()], () => {
  const loader = new ImageLoader();
  afterAll(() => loader.close());

  /** Both answers as text: equal when they agree. */
  const answers = (image: ProgramImage): readonly [ours: string, kernel: string] => {
    const ours = checkProgram(image, { possibleCpus: possibleCpus() });
    const kernel = loader.judge(image);
    const counted = ours.processed > 0 && kernel.processed !== null && kernel.verdict === "accept";
    const tail = (processed: number | null): string => (counted ? ` after ${processed}` : "");
    return [`${ours.verdict}${tail(ours.processed)}`, `${kernel.verdict}${tail(kernel.processed)}`];
  };

  for (const program of engineCases)
    test(program.name, () => {
      const [ours, kernel] = answers(engineImage(program));
      expect(ours).toBe(kernel);
    });

  const template = imageOf({ text: "r0 = 2\nr2 = r10\n*(u64 *)(r10 - 8) = r0\nr3 = 1\nr0 += 1\nexit" });
  const dead = imageOf({ text: "r0 = 2\nif r0 == 2 goto +1\nr0 += 1\nexit" });

  const places = [
    [template, 4],
    [dead, 2],
  ] as const;
  const fieldValues = [
    [0, 0],
    [1, 0],
    [-8, 0],
    [0, 1],
    [0, 16],
    [0, 64],
  ] as const;

  test("every opcode with every field", () => {
    const differences: string[] = [];
    for (let opcode = 0; opcode < 256; opcode++)
      for (const registers of [0x00, 0x20, 0x32, 0x0a, 0xb0])
        for (const [off, imm] of fieldValues)
          for (const [image, slot] of places) {
            if (slot === 2 && registers > 0x20) continue;
            const code = image.code.slice();
            const view = new DataView(code.buffer);
            view.setUint8(slot * 8, opcode);
            view.setUint8(slot * 8 + 1, registers);
            view.setInt16(slot * 8 + 2, off, true);
            view.setInt32(slot * 8 + 4, imm, true);
            const [ours, kernel] = answers({ ...image, code });
            // Symbols of the kernel are not resolved here.
            if (ours === kernel || ours.startsWith("unknown")) continue;
            const what = [opcode, registers, off, imm].map((n) => n.toString(16)).join(" ");
            differences.push(`${what} at ${slot}: ours ${ours}, kernel ${kernel}`);
          }
    expect(differences).toEqual([]);
  });
});
