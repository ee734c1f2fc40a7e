// Folds: what may be folded, what stays in sight, and that half-typed text keeps them.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SourceFile } from "../../src/base/source.ts";
import { foldingRanges } from "../../src/lsp/folding.ts";
import { fcOptions } from "../parser/support.ts";
import { eachPrefix, editedExample } from "./broken.ts";

function foldsOf(text: string): string[] {
  return foldingRanges(new SourceFile("t.xdp", text)).map(
    ({ startLine, endLine, kind }) => `${startLine}-${endLine}${kind === undefined ? "" : ` ${kind}`}`,
  );
}

describe("folds of", () => {
  it.each<readonly [what: string, text: string, folds: readonly string[]]>([
    ["nothing", "", []],
    ["one line", "if a then { drop }", []],
    ["a block", "if a then {\n    drop\n}\n", ["0-1"]],
    ["a block that closes behind code", "if a then {\n    count b\n    drop }\n", ["0-2"]],
    ["if and else", "if a then {\n  drop\n} else {\n  pass\n}", ["0-1", "2-3"]],
    ["nested blocks", "program p {\n  if a then {\n    drop\n  }\n}\n", ["0-3", "1-2"]],
    ["an empty block", "if a then {\n}", []],
    ["two on a line", "f(a, {\n  b\n}, [\n c\n])", ["0-3", "2-3"]],
    ["a set", "const A = {\n  1,\n  2\n}", ["0-2"]],
    ["comments", "# a\n# b\n\n# c\n#d\n  # e\npass # f\n# g", ["0-1 comment", "3-5 comment"]],
    ["a region", "# region filters\npass\n#endregion\n# x", ["0-2 region"]],
    ["nested regions", "#region\n#region\n#endregion\n#endregion\n#endregion", ["0-3 region", "1-2 region"]],
    [
      "a region among comments",
      "# a\n# b\n# region\n# c\n# d\n# endregion",
      ["0-1 comment", "2-5 region", "3-4 comment"],
    ],
    ["imports", 'import "a"\nimport std.bridge;\n# c\nimport "b"\nset a : u8[1]\nimport "c"', ["0-3 imports"]],
    ["an open block", "if a then {\n  drop\n", []],
    ["a block in an open one", "if a then {\nif b then {\n  drop\n}\n", ["1-2"]],
    ["brackets that don't match", "if a then {\n f(b\n drop\n}\n", ["0-2"]],
    ["a brace in a text", 'log "{"\ncount a\nlog "}"', []],
    ["CRLF", "if a then {\r\n    drop\r\n}\r\n", ["0-1"]],
  ])("%s", (_what, text, folds) => {
    expect(foldsOf(text)).toEqual(folds);
  });

  it("at most so many, the outermost first", () => {
    const text = "program p {\n  if a then {\n    drop\n  }\n}\nprogram q {\n  drop\n}\n";
    const source = new SourceFile("t.xdp", text);
    expect(foldingRanges(source, 2).map((f) => f.startLine)).toEqual([0, 5]);
    expect(foldingRanges(source, 0)).toEqual([]);
  });
});

describe("any text", () => {
  it("takes no longer for what is never closed", () => {
    const many = 50_000;
    const start = performance.now();
    for (const text of [
      "(".repeat(many) + "]".repeat(many),
      `[{${"(".repeat(many)}${"]".repeat(many)}`,
      "{".repeat(many) + ")".repeat(many),
    ]) {
      expect(foldsOf(`${text}\n`)).toEqual([]);
    }
    expect(performance.now() - start).toBeLessThan(20_000);
  });

  const check = (text: string): void => {
    const lines = text.split(/\r\n|\n|\r/).length;
    const folds = foldingRanges(new SourceFile("t.xdp", text));
    for (const [i, { startLine, endLine }] of folds.entries()) {
      if (startLine < 0 || endLine <= startLine || endLine >= lines)
        throw new Error(`${startLine}-${endLine} of ${lines}`);
      if (startLine <= (folds[i - 1]?.startLine ?? -1)) throw new Error("not in order");
    }
  };
  it("every prefix of every example", () => {
    for (const text of eachPrefix(23)) check(text);
  });
  it("after random edits", () => {
    fc.assert(fc.property(editedExample(), check), fcOptions(100));
  });
});
