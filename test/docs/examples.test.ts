// Every example of the documentation compiles, and every example of a fault has that fault. Blocks fenced as `xdp` are whole
// programs; `xdp-error CODE …` names the codes the block must give; `xdp-syntax` shows syntax alone, of names that stand elsewhere.
// Other fences are left alone, but one that begins with xdp and means nothing fails, so that no example is skipped by a slip
// of the pen. Also: links lead to files, and what is shown as the compiler's output is that.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { renderDiagnostic } from "../../src/base/render.ts";
import { UNSUPPORTED } from "../../src/ir/messages.ts";
import { passNames } from "../../src/ir/passes/pipeline.ts";
import { compileText, describeDiagnostics } from "../support/compile.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
/** Codes that are reserved, but that no rule can bring about. */
const NEVER_GIVEN: ReadonlySet<string> = new Set();
const FOLDERS = ["", "docs", "grammar"];

/** The files that examples name. */
const FILES = {
  "feed.txt": "192.0.2.0/24\n198.51.100.7 # one address\n",
  "hosts.txt": "(192.0.2.1, 80)\n192.0.2.2, 443\n",
};

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

const textOf = (path: string): string => readFileSync(join(root, path), "utf8");

/** Codes of the lexer and the parser: behind such a fault, others may follow from it. */
const isSyntax = (code: string): boolean => code.startsWith("X01");

describe.each(documents)("%s", (path) => {
  const examples = examplesOf(textOf(path));
  test("has only fences that mean something", () => {
    for (const { fence, line } of examples)
      expect(fence, `line ${line}`).toMatch(/^(xdp|xdp-syntax|xdp-error X\d{4}( X\d{4})*)$/);
  });
  for (const { line, fence, text } of examples) {
    test(`line ${line}: ${fence}`, () => {
      const result = compileText(text, { files: FILES });
      const said = describeDiagnostics(result);
      // Short examples let fragments by: X0705 says so. X0707 is about the devices at work.
      const codes = [...new Set(result.diagnostics.map((d) => d.code))].filter((c) => !/^X070[57]$/.test(c)).sort();
      const [kind, ...wanted] = fence.split(" ");
      if (kind === "xdp-syntax") expect(codes.filter(isSyntax), said).toEqual([]);
      else if (wanted.some(isSyntax)) expect(codes.filter(isSyntax), said).toEqual(wanted.sort());
      else expect(codes, said).toEqual(wanted.sort());
      if (kind === "xdp") expect(result.output).not.toBeNull();
    });
  }
  test("links to files that exist", () => {
    const links = [...textOf(path).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map((m) => m[1] ?? "");
    const local = links.filter((link) => !/^https?:/.test(link));
    expect(local.filter((link) => !existsSync(join(root, dirname(path), link)))).toEqual([]);
  });
  test("links to headings that exist", () => {
    const heads = [...textOf(path).matchAll(/^#+ (.*)$/gm)].map((m) => slug(m[1] ?? ""));
    const links = [...textOf(path).matchAll(/\]\(#([^)]*)\)/g)].map((m) => m[1] ?? "");
    expect(links.filter((link) => !heads.includes(link))).toEqual([]);
  });
});

/** A heading's anchor as GitHub makes it. */
function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w -]/g, "")
    .replaceAll(" ", "-");
}

test("the README's message is what the compiler draws", () => {
  const readme = textOf("README.md");
  const example = examplesOf(readme).find((e) => e.fence === "xdp-error X0401");
  const { diagnostics } = compileText(example?.text ?? "", { path: "count.xdp" });
  expect(diagnostics).toHaveLength(1);
  for (const diagnostic of diagnostics) {
    const drawn = renderDiagnostic(diagnostic, { color: false }).trimEnd();
    expect(readme).toContain(`$ npx xdpc count.xdp\n${drawn}\n\`\`\``);
  }
});

test("the README's example is the example", () => {
  const rules = textOf("examples/ports.xdp")
    .replace(/^#.*\n/gm, "")
    .replace(/\ntest [\s\S]*$/, "");
  expect(examplesOf(textOf("README.md"))[0]?.text).toBe(rules);
});

test("the README's instruction counts are today's", () => {
  const [program] = compileText(textOf("examples/ports.xdp"), { path: "ports.xdp" }).output?.programs ?? [];
  const told = [...textOf("README.md").matchAll(/(?:section xdp: |the example above \| )(\d+)/g)].map((m) =>
    Number(m[1]),
  );
  expect(told).toEqual([program?.instructions, program?.instructions]);
});

test("the architecture tells every pass", () => {
  const told = [...textOf("ARCHITECTURE.md").matchAll(/^\| `([a-z]+)` \| /gm)].map((m) => m[1]);
  expect(told.sort()).toEqual([...passNames].sort());
});

test("the manual tells every code of what isn't supported", () => {
  const told = [...textOf("docs/language.md").matchAll(/^\| (X09\d\d) \| /gm)].map((m) => m[1] ?? "");
  const given = Object.values(UNSUPPORTED).map(([code]) => code);
  expect(told.filter((code) => !(given as readonly string[]).includes(code))).toEqual([]);
  expect(given.filter((code) => !told.includes(code) && !NEVER_GIVEN.has(code))).toEqual([]);
});

test("the manual and the README have examples", () => {
  const count = (path: string): number => examplesOf(readFileSync(join(root, path), "utf8")).length;
  expect(count("docs/language.md")).toBeGreaterThan(20);
  expect(count("README.md")).toBeGreaterThan(1);
});
