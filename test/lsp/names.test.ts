// That the checker's facts leave no name out: every name in the syntax trees of the library, the examples and the manual's programs is
// declared there or known. A rename that missed one would break the rules it is made in.

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { analyse } from "../../src/analyse.ts";
import { SourceFile } from "../../src/base/source.ts";
import { declaredIn, filesOf, guess, nameAt } from "../../src/lsp/names.ts";
import { isName, walk } from "../../src/lsp/walk.ts";
import { memoryHost } from "../../src/memory-host.ts";
import type * as ast from "../../src/parser/ast.ts";
import { analysed } from "./analysed.ts";
import { ruleFiles } from "./broken.ts";

/** Words that the tree has as names and that mean what the language says: units, attributes, what a checksum covers, what tests set. */
const FIXED = new Set("meta device route neighbour hex zeros cut header payload pseudo".split(" "));

function isFixed(item: ast.Decl | ast.Stmt, name: ast.Name): boolean {
  if (item.kind === "mapDecl" && name === item.mapKind) return true;
  if (item.kind === "limiterDecl" && name === item.per) return true;
  if (
    (item.kind === "setDecl" || item.kind === "mapDecl" || item.kind === "targetDecl") &&
    item.attributes.includes(name)
  )
    return true;
  return item.kind !== "fnDecl" && FIXED.has(name.text);
}

const programs = [
  ...ruleFiles("examples/"),
  ...["language.md", "sets.md", "testing.md"].flatMap((file) => {
    const text = readFileSync(new URL(`../../docs/${file}`, import.meta.url), "utf8");
    return [...text.matchAll(/^```xdp\n([\s\S]*?)^```$/gm)].map(
      (found, i) => [`${file} ${i}`, found[1] ?? ""] as const,
    );
  }),
];

it("every name is known", () => {
  const host = memoryHost(Object.fromEntries(programs));
  const missing = new Set<string>();
  let seen = 0;
  for (const [path, text] of programs) {
    const analysis = analyse(new SourceFile(path, text), host);
    expect(analysis.fault).toBe(null);
    // Only lists that aren't beside the manual keep these from being without faults.
    for (const d of analysis.diagnostics) if (d.severity === "error") expect(d.code).toBe("X0005");
    for (const file of filesOf(analysis)) {
      const declared = declaredIn(file);
      const known = new Set(analysis.facts.referencesIn(file.source).map(({ span }) => span.start));
      for (const item of file.items) {
        walk(item, (node) => {
          if (!isName(node) || isFixed(item, node)) return;
          seen += 1;
          if (declared.has(node.span.start) || known.has(node.span.start)) return;
          const { line, column } = file.source.positionAt(node.span.start);
          missing.add(`${file.source.path}:${line}:${column} ${node.text}`);
        });
      }
    }
  }
  expect([...missing]).toEqual([]);
  expect(seen).toBeGreaterThan(5000);
});

it("what the checker didn't come to is told by its word, where that is enough", () => {
  const { analysis } = analysed("set a : u16[4]\ncounter count\nlet b = 1\nif b == a. tcp.dport x:a count b drop");
  const words = (name: string): (string | null)[] =>
    [...analysis.file.source.text.matchAll(new RegExp(`\\b${name}\\b`, "g"))].map(({ index }) => {
      const found = nameAt(analysis, analysis.file.source, index);
      return found === null ? null : (found.declared?.kind ?? found.meaning?.kind ?? null);
    });
  expect(words("b")).toEqual(["let", "let", "let"]);
  expect(words("dport")).toEqual(["field"]);
  expect(words("drop")).toEqual([null]);
  expect(guess(analysis, analysis.file, 0)).toBe(null);
});
