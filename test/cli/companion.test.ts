// `--companion`: the object it writes, when the note about veths is given, and that results don't take each other's places. That a veth
// receives with it is tested with traffic (test/kernel/companion.test.ts).

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { checkProgram } from "../../src/checker/check.ts";
import { imagesOf } from "../../src/testing/session.ts";
import { runHere, scratchFolder, writeFiles } from "./support.ts";

const folder = scratchFolder();
const FORWARD = "forward\n";
let serial = 0;

/** Compiles `text` in a folder of its own, where also `pass.o` goes. */
function compiled(text: string, words: readonly string[]) {
  const inner = path.join(folder, String(serial++));
  writeFiles(inner, { "rules.xdp": text });
  const at = (name: string): string => path.join(inner, name);
  const result = runHere([...words.map((word) => word.replace(/^@/, `${inner}/`)), at("rules.xdp")]);
  return { ...result, at };
}

describe("the object", () => {
  test.each([
    [[], ["xdp.frags", "xdp"]],
    [
      ["--kernel", "5.18"],
      ["xdp.frags", "xdp"],
    ],
    [["--kernel", "5.15"], ["xdp"]],
  ])("with %j has the sections %j", (words, sections) => {
    const { code, at } = compiled("pass\n", ["--companion", "@pass.o", ...words]);
    expect(code).toBe(0);
    expect(existsSync(at("rules.o"))).toBe(true);
    const images = imagesOf(readFileSync(at("pass.o")));
    expect(images.map(({ section }) => section)).toEqual(sections);
    for (const image of images) {
      expect([image.frags, image.code.length, checkProgram(image).verdict]).toEqual([
        image.section === "xdp.frags",
        2 * 8,
        "accept",
      ]);
    }
  });

  test("is not written where the rules have faults", () => {
    const { code, at } = compiled("drop if\n", ["--companion", "@pass.o"]);
    expect([code, existsSync(at("pass.o"))]).toEqual([1, false]);
  });

  test("goes nowhere another result goes", () => {
    for (const words of [
      ["--companion", "@rules.o"],
      ["--companion", "@a/../rules.o"],
      ["--companion", "@d", "-MD", "-MF", "@d"],
      ["--companion", "-", "-o", "-"],
    ]) {
      const { code, stderr } = compiled("pass\n", words);
      expect([code, stderr]).toEqual([2, expect.stringContaining("the place of another result")]);
    }
    expect(compiled("pass\n", ["--companion", ""]).stderr).toContain("empty");
  });
});

describe("the note", () => {
  test.each<[string[], number, boolean]>([
    [[], 0, true],
    [["-Werror"], 0, true],
    [["-Wno-veth-peer"], 0, false],
    [["-Wno-X0707", "-Wveth-peer"], 0, true],
    [["--companion", "@pass.o"], 0, false],
  ])("with %j", (words, code, told) => {
    const result = compiled(FORWARD, words);
    expect([result.code, result.stderr.includes("note[X0707]")]).toEqual([code, told]);
  });

  test("is no error to be made", () => {
    const { code, stderr } = compiled(FORWARD, ["-Werror=veth-peer"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("X0707 is a note")]);
  });

  test("is nothing to those who only run the rules", () => {
    const file = path.join(folder, "run.xdp");
    writeFileSync(file, `${FORWARD}test "t" { packet eth expect pass }\n`);
    for (const words of [["test"], ["check"]]) {
      const { code, stderr } = runHere([...words, file]);
      expect([code, stderr]).toEqual([0, expect.not.stringContaining("X0707")]);
    }
  });

  test("is explained", () => {
    expect(runHere(["explain", "note[X0707]"]).stdout).toContain("Switch it off with -Wno-veth-peer.");
  });
});
