// Formatting in an editor: the edits come to what the formatter makes, touch nothing that is well already, and in the midst of half-typed
// text change only what can be understood.

import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SourceFile } from "../../src/base/source.ts";
import { formatDocument, formatOnType, formatRange } from "../../src/lsp/formatting.ts";
import { formatSource } from "../../src/parser/fmt.ts";
import { fcOptions } from "../parser/support.ts";
import { applied, marked, treeOf } from "./marked.ts";

const root = new URL("../../", import.meta.url);

describe("a whole file", () => {
  it.each<readonly [what: string, text: string, edits: readonly string[]]>([
    ["a space", "if a  then drop\n", [" "]],
    ["nothing to do", "if a then drop\n", []],
    ["indentation only", "if a then {\n  drop\n  # b\n}\n", ["    ", "    "]],
    ["signs to words", "if a && !b then drop\n", ["and", "not", " "]],
    ["a semicolon", "count a;\n\n\n\ncount b\n", ["", "\n\n"]],
    ["no line end", "drop", ["\n"]],
    ["trailing spaces", "count a   \npass  # a \n", ["", ""]],
    ["CRLF", "if a then {\r\n  drop \r\n}\r\n", ["    ", ""]],
  ])("%s", (_what, text, edits) => {
    const source = new SourceFile("t", text);
    const made = formatDocument(source);
    expect(applied(source, made)).toBe(formatSource(source).text);
    expect(made.map((edit) => edit.newText)).toEqual(edits);
  });

  it("changes one indentation and nothing else", () => {
    const { source, ranges } = marked("if arp then {\n⟦  ⟧count a\n    count b\n}\n# x\n");
    expect(formatDocument(source)).toEqual([{ range: ranges[0], newText: "    " }]);
  });

  it("leaves a faulty file", () => {
    expect(formatDocument(new SourceFile("t", "if a thne  drop\n"))).toEqual([]);
  });

  const texts = ["examples/", "stdlib/", "test/parser/samples/"].flatMap((folder) =>
    readdirSync(new URL(folder, root), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".xdp"))
      .map((file) => [`${folder}${file}`, readFileSync(new URL(`${folder}${file}`, root), "utf8")] as const),
  );
  it.each(texts)("%s", (_name, text) => {
    for (const untidy of [
      text,
      text.replace(/ +/g, " "),
      text.replace(/\n/g, "\r\n\r\n"),
      text.replace(/^/gm, "\t "),
    ]) {
      const source = new SourceFile("t", untidy);
      const wanted = formatSource(source).text;
      const edits = formatDocument(source);
      expect(applied(source, edits)).toBe(wanted ?? untidy);
      if (wanted === untidy) expect(edits).toEqual([]);
    }
  });
});

describe("a range", () => {
  it.each<readonly [what: string, text: string, result: string]>([
    ["one line", "count  a\n‸count  b‸\ncount  c\n", "count  a\ncount b\ncount  c\n"],
    ["part of a line", "count  a\ncou‸nt  ‸b\ncount  c\n", "count  a\ncount b\ncount  c\n"],
    ["up to the next line's start", "count  a\n‸count  b\n‸count  c\n", "count  a\ncount b\ncount  c\n"],
    ["its indentation", "if a then {\n count  a\n‸ count  b‸\n}\n", "if a then {\n count  a\n    count b\n}\n"],
    ["white space at its end", "count a  \n‸count  b  ‸\n\n\n\ncount c\n", "count a  \ncount b\n\n\n\ncount c\n"],
    ["broken text elsewhere", "if if\n\n‸count  b‸\n\nlet = 4\n", "if if\n\ncount b\n\nlet = 4\n"],
    ["broken text inside", "‸count  b\n\nlet = 4‸\n", "count  b\n\nlet = 4\n"],
    ["a comment", "‸   #  x‸\ncount a\n", "#  x\ncount a\n"],
    ["nothing", "‸‸", ""],
  ])("%s", (_what, text, result) => {
    const { source, positions } = marked(text);
    const [start = { line: 0, character: 0 }, end = start] = positions;
    expect(applied(source, formatRange(treeOf(source), { start, end }))).toBe(result);
  });

  it("of all lines is the whole", () => {
    const { source } = marked("if a then {\n  drop\n  # b\n}\n\n\n\npass");
    const range = { start: { line: 0, character: 0 }, end: { line: 7, character: 4 } };
    expect(applied(source, formatRange(treeOf(source), range))).toBe("if a then {\n    drop\n    # b\n}\n\npass\n");
  });
});

describe("behind a brace", () => {
  it.each<readonly [what: string, text: string, result: string]>([
    [
      "its block",
      "count  x\nif a then {\n count  b\n  }‸\ncount  y\n",
      "count  x\nif a then {\n    count b\n}\ncount  y\n",
    ],
    ["on one line", "if a then {count b;drop}‸", "if a then { count b; drop }"],
    ["with faults above", "if if\nif a then {\n count  b\n  }‸", "if if\nif a then {\n    count b\n}"],
    ["with faults inside", "if a then {\n if\n   }‸", "if a then {\n if\n}"],
    ["with a fault around", "if a then {\nif b then {\n  count c\n  }‸", "if a then {\nif b then {\n  count c\n}"],
    ["in a comment", "if a then {\n #  }‸\n}", "if a then {\n #  }\n}"],
    ["in a text", 'log  "}‸"', 'log  "}"'],
    ["without a partner", "count  a }‸", "count  a }"],
    ["of a declaration", "struct S {\na : u8,\n  b : u16\n  }‸", "struct S {\n    a : u8,\n    b : u16\n}"],
  ])("%s", (_what, text, result) => {
    const { source, position } = marked(text);
    expect(applied(source, formatOnType(treeOf(source), position, "}"))).toBe(result);
  });
});

describe("behind a line break", () => {
  it.each<readonly [what: string, text: string, result: string]>([
    ["the ended line", "count  x\nif  a then drop\n‸\ncount  y", "count  x\nif a then drop\n\ncount  y"],
    ["spaces at its end", "drop  \n‸", "drop\n"],
    ["inside a block", "if a then {\n‸\n}", "if a then {\n    \n}"],
    ["inside an open block", "if a then {\n‸", "if a then {\n    "],
    ["before a closing brace", "if a then {\n    drop\n    ‸}", "if a then {\n    drop\n}"],
    ["behind then", "if a then\n‸", "if a then\n    "],
    ["behind then's body", "if a then\n    drop\n    ‸", "if a then\n    drop\n"],
    ["behind an arrow", "switch x {\n    1 =>\n‸", "switch x {\n    1 =>\n        "],
    ["in a set", "const A = {\n‸", "const A = {\n    "],
    ["behind a line that moves", "if a then {\n  if b then {\n‸\n}\n}", "if a then {\n    if b then {\n        \n}\n}"],
    ["the rest of a split line", "if a then {\n    count b\n  ‸count c\n}", "if a then {\n    count b\n    count c\n}"],
    ["at the file's start", "‸drop", "drop"],
    ["in a comment", "# a\n‸", "# a\n"],
    ["CRLF", "if a then {\r\n‸\r\n}", "if a then {\r\n    \r\n}"],
  ])("%s", (_what, text, result) => {
    const { source, position } = marked(text);
    expect(applied(source, formatOnType(treeOf(source), position, "\n"))).toBe(result);
  });
});

describe("any text", () => {
  const example = readFileSync(new URL("examples/firewall.xdp", root), "utf8");

  it("has edits that apply and keep its words", { timeout: 600_000 }, () => {
    const words = (text: string): string =>
      text
        .replace(/&&/g, "and")
        .replace(/\|\|/g, "or")
        .replace(/!(?!=)/g, "not")
        .replace(/[\s;]+/g, "");
    fc.assert(
      fc.property(
        fc.nat(example.length),
        fc.nat(example.length),
        fc.nat(60),
        fc.constantFrom("}", "\n", "{", "if ", "("),
        (at, other, cut, typed) => {
          const text = example.slice(0, at) + typed + example.slice(at + cut);
          const source = new SourceFile("t", text);
          const file = treeOf(source);
          const marks = marked(`${text.slice(0, at + typed.length)}‸${text.slice(at + typed.length)}`);
          const [from, to] = [Math.min(at, other, text.length), Math.min(Math.max(at, other), text.length)];
          const range = marked(`${text.slice(0, from)}‸${text.slice(from, to)}‸${text.slice(to)}`).positions;
          for (const edits of [
            formatDocument(source),
            formatOnType(file, marks.position, typed),
            formatRange(file, { start: range[0] ?? marks.position, end: range[1] ?? marks.position }),
          ]) {
            expect(words(applied(source, edits))).toBe(words(text));
          }
        },
      ),
      fcOptions(60),
    );
  });
});
