// The dependency file: its text by hand, against gcc's own for the same names, and read back by the real make.

import { spawnSync } from "node:child_process";
import { mkdirSync, utimesSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { escapeForMake, makeRule } from "../../src/cli/make-rule.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import { scratchFolder, writeFiles } from "./support.ts";

describe("makeRule", () => {
  test("names the target and what it is made from", () => {
    expect(makeRule("a.o", ["a.xdp", "b.xdp"], false)).toBe("a.o: a.xdp b.xdp\n");
  });

  test("adds an empty rule for every prerequisite but the main file", () => {
    expect(makeRule("a.o", ["a.xdp", "b.xdp", "c.xdp"], true)).toBe("a.o: a.xdp b.xdp c.xdp\nb.xdp:\nc.xdp:\n");
  });

  test("breaks lines before column 72", () => {
    const names = Array.from({ length: 12 }, (_, i) => `folder/file${i}.xdp`);
    const text = makeRule("out/a.o", names, false);
    const lines = text.trimEnd().split("\n");
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) expect(line.replace(/ \\$/, "").length).toBeLessThanOrEqual(72);
    expect(text.replace(/\\\n/g, "").split(/\s+/).slice(1, -1)).toEqual(names);
  });

  test.each([
    ["a b.xdp", "a\\ b.xdp"],
    ["a#b.xdp", "a\\#b.xdp"],
    ["a$b.xdp", "a$$b.xdp"],
    ["a\tb.xdp", "a\\\tb.xdp"],
    ["a\\ b.xdp", "a\\\\\\ b.xdp"],
    ["a\\b.xdp", "a\\b.xdp"],
    ["a:b.xdp", "a\\:b.xdp"],
    ["a'\"%b.xdp", "a'\"%b.xdp"],
  ])("writes %j as %j", (name, escaped) => {
    expect(escapeForMake(name)).toBe(escaped);
  });

  test("refuses what a makefile can't say", () => {
    expect(() => makeRule("a.o", ["a\nb.xdp"], false)).toThrow(RangeError);
    expect(() => makeRule("a\r.o", ["a.xdp"], false)).toThrow(RangeError);
  });
});

describeWith("the dependency file and gcc", [toolProblem("gcc")], () => {
  test("gcc writes the same for the same names", () => {
    const folder = scratchFolder();
    const headers = ["plain.h", "a b/h 1.h", "h#2.h", "h$3.h", "h\\ 5.h", "h\\\\6.h", "h%7.h", "h'8.h"];
    const source = headers.map((name) => `#include "${name}"\n`).join("");
    writeFiles(folder, { "m n.c": source, ...Object.fromEntries(headers.map((name) => [name, ""])) });
    const words = [
      "-nostdinc",
      "-I.",
      "-c",
      "m n.c",
      "-o",
      "o$ #.o",
      "-MD",
      "-MP",
      "-MF",
      "out.d",
      "-include",
      "/dev/null",
    ];
    const gcc = spawnSync("gcc", [...words.slice(0, -2), "-fsyntax-only"], { cwd: folder, encoding: "utf8" });
    expect(gcc.stderr).toBe("");
    const written = spawnSync("cat", ["out.d"], { cwd: folder, encoding: "utf8" }).stdout;
    // The one file gcc adds by itself.
    const without = written
      .replace(/ \/usr\/include\/stdc-predef\.h/, "")
      .replace(/\/usr\/include\/stdc-predef\.h:\n/, "");
    const words2 = (text: string): string[] =>
      text
        .replace(/\\\n/g, "")
        .split(/(?<!\\) |\n/)
        .filter((w) => w !== "");
    expect(words2(makeRule("o$ #.o", ["m n.c", ...headers], true))).toEqual(words2(without));
  });
});

describeWith("the dependency file and make", [toolProblem("make")], () => {
  // What make's own syntax can't express in a file name is left out: line breaks and NUL; `%` makes a pattern of a target; make looks
  // for `=` before it looks for the rule; a leading `~` is a home, `[*?` are wildcards, `()` archives, `;` starts a recipe.
  const part = fc.stringMatching(/^[a-z0-9 #$:\\'"&,+@^-]{1,12}$/).filter((name) => {
    // A backslash at the end of a name would quote what follows; C compilers have the same limit.
    return !/[\\]$/.test(name) && name.trim() === name && !/[\\]+[#:]/.test(name);
  });

  test("make rebuilds when one of the files is newer, whatever they are called", () => {
    const root = scratchFolder();
    let serial = 0;
    fc.assert(
      fc.property(fc.uniqueArray(part, { minLength: 2, maxLength: 4 }), (names) => {
        const folder = path.join(root, String(serial++));
        mkdirSync(folder);
        const [target = "", ...rest] = names.map((name) => `f${name}f`);
        writeFiles(folder, {
          ...Object.fromEntries(names.map((name) => [`f${name}f`, ""])),
          // The dependency file has no recipe: that is the makefile's, and make is up to date without one.
          "rule.d": `${makeRule(target, rest, true)}${escapeForMake(target)}:\n\ttouch it\n`,
        });
        const upToDate = (): boolean => {
          const { status, stderr } = spawnSync("make", ["-q", "-r", "-R", "-f", "rule.d", target], {
            cwd: folder,
            encoding: "utf8",
          });
          expect(stderr).toBe("");
          return status === 0;
        };
        for (const name of rest) utimesSync(path.join(folder, name), 1000, 1000);
        utimesSync(path.join(folder, target), 2000, 2000);
        expect(upToDate()).toBe(true);
        for (const name of rest) {
          utimesSync(path.join(folder, name), 3000, 3000);
          expect(upToDate()).toBe(false);
          utimesSync(path.join(folder, name), 1000, 1000);
        }
      }),
      { numRuns: Number(process.env.FC_RUNS ?? 60), seed: seedFromEnv() },
    );
  });
});

function seedFromEnv(): number | undefined {
  return process.env.FC_SEED === undefined ? undefined : Number(process.env.FC_SEED);
}
