// Every example of the documentation compiles, and every example of a fault has that fault. Blocks fenced as `xdp` are whole
// programs; `xdp-error CODE …` names all the codes the block must give. Other fences (console, text) are left alone, but
// a fence that begins with xdp and means nothing fails, so that no example is skipped by a slip of the pen.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { compileText, describeDiagnostics } from "../support/compile.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const FOLDERS = ["", "docs", "grammar"];

interface Example {
  readonly line: number;
  /** The words behind the three backticks. */
  readonly fence: string;
  readonly text: string;
}

function examplesOf(markdown: string): Example[] {
  const examples: Example[] = [];
  let open: { line: number; fence: string; lines: string[] } | null = null;
  for (const [i, line] of markdown.split("\n").entries()) {
    const fence = /^\s*```(.*)$/.exec(line)?.[1]?.trim();
    if (fence === undefined) open?.lines.push(line);
    else if (open === null) open = { line: i + 1, fence, lines: [] };
    else {
      if (open.fence.startsWith("xdp")) examples.push({ ...open, text: `${open.lines.join("\n")}\n` });
      open = null;
    }
  }
  expect(open, "every fence is closed").toBeNull();
  return examples;
}

const documents = FOLDERS.flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(folder, name)),
);

describe.each(documents)("%s", (path) => {
  const examples = examplesOf(readFileSync(join(root, path), "utf8"));
  test("has its examples closed and named", () => {
    for (const { fence, line } of examples) expect(fence, `line ${line}`).toMatch(/^(xdp|xdp-error X\d{4}( X\d{4})*)$/);
  });
  for (const { line, fence, text } of examples) {
    test(`line ${line}: ${fence}`, () => {
      const result = compileText(text);
      const codes = [...new Set(result.diagnostics.map((d) => d.code))].sort();
      expect(codes, describeDiagnostics(result)).toEqual(fence.split(" ").slice(1).sort());
      expect(result.output !== null).toBe(fence === "xdp");
    });
  }
});

test("the manual and the README have examples", () => {
  const count = (path: string): number => examplesOf(readFileSync(join(root, path), "utf8")).length;
  expect(count("docs/language.md")).toBeGreaterThan(20);
  expect(count("README.md")).toBeGreaterThan(1);
});
