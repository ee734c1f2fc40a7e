// Every diagnostic has an explanation, and every explanation is true: its first program has the fault, its second has none.

import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { wrap } from "../../src/cli/explain-command.ts";
import { explanations } from "../../src/explain/entries.ts";
import type { Program } from "../../src/explain/explanation.ts";
import { projectRoot } from "./build.ts";
import { runHere, scratchFolder, writeFiles } from "./support.ts";

const folder = scratchFolder();
const cwd = process.cwd();
afterAll(() => process.chdir(cwd));
let serial = 0;

/** The codes of what is said about a program. */
function codesOf(program: Program): { code: number; said: string[] } {
  const inner = path.join(folder, String(serial++));
  writeFiles(inner, { ...program.files, "main.xdp": "" });
  process.chdir(inner);
  const stdin = Buffer.from(program.text, program.latin1 ? "latin1" : "utf8");
  const { code, stderr } = runHere(["--json", ...(program.options ?? []), "-", "-o", "-"], { stdin });
  const lines = stderr.split("\n").filter((line) => line !== "");
  return { code, said: lines.map((line) => JSON.parse(line) as Record<string, string>).map((d) => d.code ?? line(d)) };
}

function line(value: unknown): string {
  return JSON.stringify(value);
}

/** All codes that the sources speak of as strings. */
function usedCodes(): ReadonlySet<string> {
  const codes = new Set<string>();
  const visit = (place: string): void => {
    for (const entry of readdirSync(place, { withFileTypes: true })) {
      const inner = path.join(place, entry.name);
      if (entry.isDirectory()) {
        if (entry.name !== "explain") visit(inner);
      } else for (const match of readFileSync(inner, "utf8").matchAll(/"(X0\d{3})"/g)) codes.add(match[1] ?? "");
    }
  };
  visit(path.join(projectRoot, "src"));
  return codes;
}

describe("the table", () => {
  test("has an entry for every code in the sources, and none besides", () => {
    expect(explanations.map((e) => e.code)).toEqual([...usedCodes()].sort());
  });

  test("has each name once, fit for -W", () => {
    expect(new Set(explanations.map((e) => e.slug)).size).toBe(explanations.length);
    // `no-` and `error` mean something to -W; for errors, which it doesn't take, a name may begin so.
    const words = explanations.filter((e) => e.severity === "warning").map((e) => e.slug);
    for (const slug of words) expect(slug).toMatch(/^(?!no-|error)[a-z0-9]+(-[a-z0-9]+)*$/);
  });

  test("explains little without an example", () => {
    const without = explanations.filter((e) => e.wrong === null).map((e) => e.code);
    expect(without).toEqual(["X0136", "X0603", "X0604", "X0607", "X0608", "X0609", "X0704"]);
    for (const e of explanations) expect(e.right === null).toBe(e.wrong === null);
  });
});

describe.each(explanations.filter((e) => e.wrong !== null))("$code $slug", ({ code, severity, wrong, right }) => {
  test("is what the first program has", () => {
    const result = codesOf(wrong!);
    // What follows from the fault may be said too.
    expect(result.said).toContain(code);
    expect(result.code).toBe(severity === "error" ? 1 : 0);
  });

  test("is not what the second program has", () => {
    // Short programs let fragments by, and know nothing of devices; these lints have entries of their own.
    const { code: exit, said } = codesOf(right!);
    const aside = ["X0705", "X0707"].filter((c) => c !== code);
    expect({ exit, said: said.filter((c) => !aside.includes(c)) }).toEqual({ exit: 0, said: [] });
  });
});

describe("xdpc explain", () => {
  test("prints prose and both programs", () => {
    const { code, stdout, stderr } = runHere(["explain", "x0401"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^error\[X0401\] maybe-absent: /);
    expect(stdout).toContain("    count by_port[tcp.dport]\n");
    expect(stdout).toContain("    if tcp then count by_port[tcp.dport]\n");
    for (const text of stdout.split("\n")) expect(text.length).toBeLessThanOrEqual(100);
    expect(runHere(["explain", "maybe-absent"]).stdout).toBe(stdout);
    expect(runHere(["explain", "error[X0401]"]).stdout).toBe(stdout);
  });

  test("lists all", () => {
    const lines = runHere(["explain"]).stdout.trimEnd().split("\n");
    expect(lines.map((text) => text.slice(0, 5))).toEqual(explanations.map((e) => e.code));
  });

  test("wraps paragraphs and leaves long words whole", () => {
    expect(wrap("aa bb cc\n\ndd", 5)).toBe("aa bb\ncc\n\ndd");
    expect(wrap("aaaaaaaa b", 5)).toBe("aaaaaaaa\nb");
  });
});
