// `xdpc check` as a command: exit codes, several files of which some can't be checked, standard input, what reaches a terminal,
// and the lines of --json. What the verdicts are is test/checker's.

import { mkdirSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { cpusOfList } from "../../src/cli/possible-cpus.ts";
import { run } from "../../src/cli/run.ts";
import { writeObject } from "../../src/elfwriter/write.ts";
import * as sample from "../elfwriter/samples.ts";
import { runHere, scratchFolder, writeFiles } from "./support.ts";

const folder = scratchFolder();
const at = (name: string): string => path.join(folder, name);

/** An object whose one program is refused: it reads a register that was never set. */
function refused(): Uint8Array {
  const name = "xdp_bad";
  return writeObject({
    ...sample.objectWithGlobals(),
    maps: [],
    data: [],
    programs: [sample.program(name, [sample.copy(0, 5), sample.exit])],
  });
}

mkdirSync(at("folder"));
writeFiles(folder, {
  "good.xdp": "if tcp then drop\npass\n",
  "bad.xdp": "nonsense here\n",
  "text.o": "not an object\n",
  "empty.xdp": "",
  "refused.o": refused(),
});

test.each([
  [["good.xdp"], 0, 1, ""],
  [["refused.o"], 1, 1, ""],
  [["bad.xdp"], 1, 0, "X0121"],
  [["bad.xdp", "good.xdp"], 1, 1, "X0121"],
  [["folder", "good.xdp"], 2, 1, "is a directory"],
  [["text.o", "good.xdp", "refused.o"], 2, 2, "is not an object"],
  [["missing.o", "good.xdp"], 2, 1, "no such file"],
])("%j ends with %i and %i verdicts", (files, code, verdicts, said) => {
  const { code: got, stdout, stderr } = runHere(["check", "--json", ...files.map(at)]);
  expect(stdout.split("\n").filter((line) => line !== "")).toHaveLength(verdicts);
  expect(stderr).toContain(said);
  expect(got).toBe(code);
});

test("a line of --json has what it promises, in order", () => {
  const { stdout } = runHere(["check", "--json", at("refused.o")]);
  const told = JSON.parse(stdout) as Record<string, unknown>;
  expect(Object.keys(told).join(" ")).toBe(
    "file program section verdict message insn line processed stackBytes minKernel ms",
  );
  expect(told).toMatchObject({ program: "xdp_bad", section: "xdp", verdict: "reject", insn: 0, processed: 1 });
});

test.each([
  ["rules", "if tcp then drop\npass\n", 0],
  ["an object", refused(), 1],
])("standard input may be %s", (_what, stdin, code) => {
  const { code: got, stdout } = runHere(["check", "--json", "-"], { stdin });
  expect(JSON.parse(stdout)).toMatchObject({ file: "-", verdict: code === 0 ? "accept" : "reject" });
  expect(got).toBe(code);
});

test("names in objects can't send anything to a terminal", () => {
  const bytes = refused();
  const start = Buffer.from(bytes).indexOf("xdp_bad");
  expect(start).toBeGreaterThan(0);
  for (let i = start; i >= 0; i = Buffer.from(bytes).indexOf("xdp_bad")) bytes[i + 3] = 0x1b;
  writeFiles(folder, { "escape.o": bytes });
  const { stdout } = runHere(["check", at("escape.o")]);
  expect(stdout).toContain("xdp\\x1bbad");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  expect(stdout).not.toMatch(/[\0-\x09\x0b-\x1f]/);
});

test("nothing more is checked when nobody reads", () => {
  let writes = 0;
  const write = (fd: 1 | 2): boolean => {
    if (fd === 1) writes++;
    return false;
  };
  const system = { env: {}, readStdin: () => new Uint8Array(), write, isTerminal: () => false };
  expect(run(["check", at("good.xdp"), at("refused.o")], system)).toBe(0);
  expect(writes).toBe(1);
});

test.each([
  ["0-3\n", 4],
  ["0", 1],
  ["0-1,4-7", 8],
  ["", undefined],
  ["all", undefined],
])("the list of CPUs %j says %s", (list, cpus) => {
  expect(cpusOfList(list)).toBe(cpus);
});
