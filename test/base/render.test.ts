// Drawn diagnostics, line by line as a person sees them; and the object that is printed as JSON.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Diagnostic, errorAt, type Label, noteAt, warningAt } from "../../src/base/diagnostic.ts";
import { diagnosticToJson, renderDiagnostic } from "../../src/base/render.ts";
import { SourceFile, type Span } from "../../src/base/source.ts";

/** The span of the `nth` occurrence of `part` in `file`. */
function spanOf(file: SourceFile, part: string, nth = 0): Span {
  let start = file.text.indexOf(part);
  for (; nth > 0; nth--) start = file.text.indexOf(part, start + 1);
  if (start === -1) throw new Error(`no ${part}`);
  return { file, start, end: start + part.length };
}

function drawn(d: Diagnostic, width?: number): string[] {
  return renderDiagnostic(d, { color: false, ...(width === undefined ? {} : { width }) }).split("\n");
}

const rules = new SourceFile(
  "rules.xdp",
  "set ports : u16[1024]\n\nif tcp.dport in ports then drop\ncount by_port[tcp.dport]\n",
);

describe("drawing", () => {
  it("shows one place with its label, notes, help and fix", () => {
    const d = errorAt(spanOf(rules, "tcp.dport", 1), "X0401", "tcp may be absent here", {
      label: "needs the header",
      notes: ["a field can only be read where its header is present"],
      help: "put it behind a test",
      fix: {
        title: "test for tcp",
        edits: [{ span: { ...spanOf(rules, "count"), end: spanOf(rules, "count").start }, newText: "if tcp then " }],
      },
    });
    expect(drawn(d)).toEqual([
      "error[X0401]: tcp may be absent here",
      " --> rules.xdp:4:15",
      "  |",
      "4 | count by_port[tcp.dport]",
      "  |               ^^^^^^^^^ needs the header",
      "  |",
      "  = note: a field can only be read where its header is present",
      "  = help: put it behind a test",
      "  = fix: test for tcp",
      "  |",
      "4 + if tcp then count by_port[tcp.dport]",
    ]);
  });

  it("shows places of one line together, the rest of the lines between them cut out", () => {
    const d = warningAt(spanOf(rules, "drop"), "X0701", "a warning", {
      label: "here",
      secondary: [
        { span: spanOf(rules, "tcp.dport"), text: "the field" },
        { span: spanOf(rules, "ports"), text: "the set" },
      ],
    });
    expect(drawn(d)).toEqual([
      "warning[X0701]: a warning",
      " --> rules.xdp:3:28",
      "  |",
      "1 | set ports : u16[1024]",
      "  |     ----- the set",
      "2 |",
      "3 | if tcp.dport in ports then drop",
      "  |    ---------               ^^^^ here",
      "  |    |",
      "  |    the field",
    ]);
  });

  it("hangs several labels below each other", () => {
    const file = new SourceFile("a.xdp", "a + bb * ccc");
    const d = noteAt(spanOf(file, "a"), "X0001", "m", {
      label: "first",
      secondary: [
        { span: spanOf(file, "bb"), text: "second" },
        { span: spanOf(file, "ccc"), text: "third" },
      ],
    });
    expect(drawn(d)).toEqual([
      "note[X0001]: m",
      " --> a.xdp:1:1",
      "  |",
      "1 | a + bb * ccc",
      "  | ^   --   --- third",
      "  | |   |",
      "  | |   second",
      "  | first",
    ]);
  });

  it("marks a span over several lines where it starts and where it ends", () => {
    const file = new SourceFile("a.xdp", "if a then {\n    x = 1\n    y = 2\n    z = 3\n}\n");
    const d = errorAt({ file, start: 10, end: file.text.length - 1 }, "X0001", "m", { label: "this block" });
    expect(drawn(d)).toEqual([
      "error[X0001]: m",
      " --> a.xdp:1:11",
      "  |",
      "1 | if a then {",
      "  |           ^",
      "...",
      "5 | }",
      "  | ^ this block",
    ]);
  });

  it("names each file", () => {
    const other = new SourceFile("lib/other.xdp", "\n\nheader magic on udp 9999\n");
    const d = errorAt(spanOf(rules, "ports"), "X0201", "two of a name", {
      label: "the second",
      secondary: [{ span: spanOf(other, "magic"), text: "the first" }],
    });
    expect(drawn(d)).toEqual([
      "error[X0201]: two of a name",
      " --> rules.xdp:1:5",
      "  |",
      "1 | set ports : u16[1024]",
      "  |     ^^^^^ the second",
      " ::: lib/other.xdp:3:8",
      "  |",
      "3 | header magic on udp 9999",
      "  |        ----- the first",
    ]);
  });

  it("points behind the last character", () => {
    const file = new SourceFile("a.xdp", "let x =");
    expect(drawn(errorAt({ file, start: 7, end: 7 }, "X0120", "m", { label: "value missing" })).slice(3)).toEqual([
      "1 | let x =",
      "  |        ^ value missing",
    ]);
    const empty = new SourceFile("e.xdp", "");
    expect(drawn(errorAt({ file: empty, start: 0, end: 0 }, "X0120", "m"))).toEqual([
      "error[X0120]: m",
      " --> e.xdp:1:1",
      "  |",
      "1 |",
      "  | ^",
    ]);
  });

  it("counts columns as terminals do", () => {
    const file = new SourceFile("a.xdp", '\tlog "日本é\u0301\u{1f600}" x');
    expect(drawn(errorAt(spanOf(file, "x"), "X0001", "m")).slice(3)).toEqual([
      '1 |     log "日本é\u0301\u{1f600}" x',
      `  | ${" ".repeat(18)}^`,
    ]);
  });

  it("lets no control character reach the terminal", () => {
    const file = new SourceFile("a.xdp", "a\u001b[31m\u202e b\r\n");
    const text = renderDiagnostic(errorAt(spanOf(file, "b"), "X0001", "m"), { color: false });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for.
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    expect(text.split("\n")[3]).toBe("1 | a\ufffd[31m\ufffd b");
  });

  it("cuts long lines around what is marked", () => {
    const file = new SourceFile("a.xdp", `${"a".repeat(500)} HERE ${"b".repeat(500)}`);
    const [, , , source = "", marks = ""] = drawn(errorAt(spanOf(file, "HERE"), "X0001", "m", { label: "it" }), 60);
    expect(source.length).toBeLessThanOrEqual(60);
    expect(source.startsWith("1 | …aaa")).toBe(true);
    expect(source.endsWith("b…")).toBe(true);
    expect(source.slice(marks.indexOf("^"), marks.lastIndexOf("^") + 1)).toBe("HERE");
  });

  it("stays quick and short on lines of megabytes", () => {
    const file = new SourceFile("a.xdp", "(".repeat(1 << 20));
    const d = errorAt({ file, start: 5, end: file.text.length }, "X0001", "m", { label: "all of it" });
    const start = performance.now();
    expect(renderDiagnostic(d, { color: true }).length).toBeLessThan(2000);
    expect(performance.now() - start).toBeLessThan(500);
  });

  it("colours only when asked", () => {
    const d = errorAt(spanOf(rules, "ports"), "X0001", "m", { label: "l" });
    const colored = renderDiagnostic(d, { color: true });
    expect(colored).toContain("\u001b[1;31merror[X0001]\u001b[0m");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is removed.
    expect(colored.replace(/\u001b\[[0-9;]*m/g, "")).toBe(renderDiagnostic(d, { color: false }));
  });

  it("keeps the lines of a note apart", () => {
    const d = errorAt(spanOf(rules, "ports"), "X0001", "m", { notes: ["one\ntwo"] });
    expect(drawn(d).slice(-2)).toEqual(["  = note: one", "          two"]);
  });

  it("draws a diagnostic without a place", () => {
    const d: Diagnostic = { ...errorAt(spanOf(rules, "ports"), "X0001", "no file"), primary: null };
    expect(drawn(d)).toEqual(["error[X0001]: no file"]);
  });
});

describe("any diagnostic", () => {
  const text = fc.array(fc.constantFrom("a", "(", "\t", "\n", "\r\n", "日", "\u{1f600}", " ", "\ud800", "\u0301"), {
    maxLength: 80,
  });
  const place = fc.tuple(fc.nat({ max: 90 }), fc.nat({ max: 90 }));
  it("is drawn with every label and marks below text", () => {
    fc.assert(
      fc.property(
        text,
        place,
        fc.array(place, { maxLength: 4 }),
        fc.integer({ min: 40, max: 120 }),
        (parts, first, more, width) => {
          const file = new SourceFile("a.xdp", parts.join(""));
          const label = ([a, b]: [number, number], i: number): Label => {
            const at = Math.min(a, file.text.length);
            return { span: { file, start: at, end: Math.min(at + b, file.text.length) }, text: `label${i}` };
          };
          const primary = label(first, 0);
          const d: Diagnostic = {
            ...errorAt(primary.span, "X0001", "m"),
            primary,
            secondary: more.map((p, i) => label(p, i + 1)),
          };
          const lines = drawn(d, width);
          for (let i = 0; i <= more.length; i++) expect(lines.some((line) => line.includes(`label${i}`))).toBe(true);
          expect(lines.some((line) => line.includes("^"))).toBe(true);
          expect(JSON.parse(JSON.stringify(diagnosticToJson(d)))).toEqual(diagnosticToJson(d));
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("JSON", () => {
  it("has all there is to say, with lines and columns from 1", () => {
    const d = errorAt(spanOf(rules, "tcp.dport"), "X0401", "m", {
      label: "l",
      secondary: [{ span: spanOf(rules, "ports"), text: "s" }],
      notes: ["n"],
      help: "h",
      fix: { title: "t", edits: [{ span: spanOf(rules, "drop"), newText: "pass" }] },
    });
    expect(diagnosticToJson(d)).toEqual({
      code: "X0401",
      severity: "error",
      message: "m",
      file: "rules.xdp",
      line: 3,
      column: 4,
      endLine: 3,
      endColumn: 13,
      label: "l",
      secondary: [{ file: "rules.xdp", line: 1, column: 5, endLine: 1, endColumn: 10, label: "s" }],
      notes: ["n"],
      help: "h",
      fix: {
        title: "t",
        edits: [{ file: "rules.xdp", line: 3, column: 28, endLine: 3, endColumn: 32, newText: "pass" }],
      },
    });
  });

  it("has nulls where there is nothing to say", () => {
    const d: Diagnostic = { ...errorAt(spanOf(rules, "ports"), "X0001", "m"), primary: null };
    expect(diagnosticToJson(d)).toEqual({
      code: "X0001",
      severity: "error",
      message: "m",
      file: null,
      line: null,
      column: null,
      endLine: null,
      endColumn: null,
      label: null,
      secondary: [],
      notes: [],
      help: null,
      fix: null,
    });
  });
});
