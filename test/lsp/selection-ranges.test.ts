// Expanding a selection: the steps at a place, written out by hand, and on any text ranges that hold each other.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SelectionRange } from "vscode-languageserver-protocol";
import { SourceFile } from "../../src/base/source.ts";
import { offsetAt, positionAt } from "../../src/lsp/ranges.ts";
import { selectionRanges } from "../../src/lsp/selection-ranges.ts";
import { fcOptions } from "../parser/support.ts";
import { editedExample } from "./broken.ts";
import { marked, textIn, treeOf } from "./marked.ts";

function stepsAt(text: string): string[] {
  const { source, position } = marked(text);
  const steps: string[] = [];
  for (
    let at: SelectionRange | undefined = selectionRanges(treeOf(source), [position])[0];
    at !== undefined;
    at = at.parent
  ) {
    steps.push(textIn(source, at.range));
  }
  return steps;
}

describe("the steps", () => {
  it("don't nest without bound; the last is the file", () => {
    const steps = stepsAt(`x = ${"(".repeat(3000)}a‸${")".repeat(3000)}`);
    expect(steps.length).toBeLessThanOrEqual(200);
    expect(steps[0]).toBe("a");
    expect(steps.at(-1)).toHaveLength(6005);
  });

  it.each<readonly [what: string, text: string, steps: readonly string[]]>([
    [
      "from a field",
      "if tcp.d‸port == 80 and arp then { drop }\npass",
      [
        "dport",
        "tcp.dport",
        "tcp.dport == 80",
        "tcp.dport == 80 and arp",
        "if tcp.dport == 80 and arp then { drop }",
        "if tcp.dport == 80 and arp then { drop }\npass",
      ],
    ],
    ["at a word's end", "count a‸", ["a", "count a"]],
    ["between a name and a dot", "x = tcp‸.dport", ["tcp", "tcp.dport", "x = tcp.dport"]],
    [
      "inside braces",
      "if a then { count b; dr‸op }",
      ["drop", "count b; drop", "{ count b; drop }", "if a then { count b; drop }"],
    ],
    ["inside parentheses", "x = (a + ‸b) * c", ["b", "a + b", "(a + b)", "(a + b) * c", "x = (a + b) * c"]],
    ["inside a text", 'log "hel‸lo"', ["hello", '"hello"', 'log "hello"']],
    ["inside a comment", "pass\n  # a ‸b\n  # c\n", ["# a b", "# a b\n  # c", "pass\n  # a b\n  # c\n"]],
    ["in half-typed text", "f(a, g(b, ‸c), ", ["c", "b, c", "(b, c)", "f(a, g(b, c),", "f(a, g(b, c), "]],
    ["of an empty file", "‸", [""]],
  ])("%s", (_what, text, steps) => {
    expect(stepsAt(text)).toEqual(steps);
  });

  it("for several places at once", () => {
    const { source, positions } = marked("count ‸a\ncount ‸b");
    const ranges = selectionRanges(treeOf(source), positions);
    expect(ranges.map((r) => textIn(source, r.range))).toEqual(["a", "b"]);
  });
});

it("any place of any text has ranges that hold it and each other", () => {
  fc.assert(
    fc.property(
      editedExample(),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 5 }),
      (text, places) => {
        const source = new SourceFile("t.xdp", text);
        const offsets = places.map((place) => Math.floor(place * text.length));
        const positions = offsets.map((offset) => positionAt(source, offset));
        for (const [i, chain] of selectionRanges(treeOf(source), positions).entries()) {
          let inner = { start: offsetAt(source, positions[i] ?? { line: 0, character: 0 }), end: -1 };
          inner.end = inner.start;
          for (let at: SelectionRange | undefined = chain; at !== undefined; at = at.parent) {
            const step = { start: offsetAt(source, at.range.start), end: offsetAt(source, at.range.end) };
            expect([step.start <= inner.start, step.end >= inner.end]).toEqual([true, true]);
            inner = step;
          }
          expect(inner).toEqual({ start: 0, end: text.length });
        }
      },
    ),
    fcOptions(60),
  );
});
