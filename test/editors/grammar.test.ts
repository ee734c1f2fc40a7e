// The TextMate grammar: scopes of marked texts; against the compiler's own lexer over all rules there are, examples, library, manuals
// and random sentences; words on their own; texts that would keep a careless regular expression busy.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import type { IGrammar } from "vscode-textmate";
import { contextualWordTypes, reservedWordTypes } from "../../src/parser/tokens.ts";
import { readEbnf } from "../parser/ebnf.ts";
import { sentences } from "../parser/sentences.ts";
import { fcOptions } from "../parser/support.ts";
import { classedTokens } from "./lexer-classes.ts";
import { classOf, loadGrammar, piecesOf, scopesAt } from "./textmate.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
let grammar: IGrammar;

beforeAll(async () => {
  grammar = await loadGrammar();
});

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

function rulesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".xdp"))
    .map((name) => `${folder}/${name}`)
    .sort();
}

/** Rules shown in a manual that have no fault. */
function shownIn(path: string): string[] {
  return [...read(path).matchAll(/^```xdp(?:-syntax)?\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? "");
}

const MANUALS = ["README.md", "docs/language.md", "grammar/README.md"];

/** A token that the grammar takes for something else than the compiler does. */
interface Disagreement {
  readonly line: number;
  readonly text: string;
  readonly grammar: string;
  readonly compiler: string;
}

function disagreements(text: string): Disagreement[] | "faulty" {
  const tokens = classedTokens(text);
  if (tokens === null) return "faulty";
  const pieces = piecesOf(grammar, text);
  return tokens.flatMap((token) => {
    const classes = new Set(
      pieces.filter((p) => p.start < token.end && token.start < p.end).map((p) => classOf(p.scopes)),
    );
    if (classes.size === 1 && classes.has(token.class)) return [];
    const line = text.slice(0, token.start).split("\n").length;
    return [{ line, text: token.text, grammar: [...classes].join("+"), compiler: token.class }];
  });
}

describe("marked texts", () => {
  const blocks = read("test/editors/marked.txt")
    .split(/^== (.*)$/m)
    .slice(1);
  const cases = blocks.flatMap((name, i) => (i % 2 === 0 ? [[name, blocks[i + 1] ?? ""] as const] : []));

  test.each(cases)("%s", (_name, block) => {
    const lines = block.split("\n").slice(1);
    const text = lines.filter((line) => !isMark(line)).join("\n");
    const pieces = piecesOf(grammar, text);
    let lineStart = 0;
    let next = 0;
    let marks = 0;
    for (const line of lines) {
      if (!isMark(line)) {
        lineStart = next;
        next += line.length + 1;
        continue;
      }
      marks += 1;
      const from = lineStart + line.indexOf("^");
      const to = lineStart + line.lastIndexOf("^") + 1;
      const wanted = line.slice(line.lastIndexOf("^") + 1).trim();
      const marked = text.slice(from, to);
      for (let at = from; at < to; at++) {
        const scopes = scopesAt(pieces, at);
        expect(
          scopes.some((scope) => scope === wanted || scope.startsWith(`${wanted}.`)),
          `${marked}: ${scopes.join(" ")}, not ${wanted}`,
        ).toBe(true);
      }
    }
    expect(marks).toBeGreaterThan(0);
  });

  function isMark(line: string): boolean {
    return /^ *\^+ [a-z]/.test(line);
  }
});

describe("agrees with the compiler's lexer and parser", () => {
  test.each([...rulesIn("examples"), ...rulesIn("stdlib"), ...rulesIn("test/parser/samples")])("%s", (path) => {
    const text = read(path);
    expect(disagreements(text)).toEqual([]);
  });

  test.each(MANUALS)("%s", (path) => {
    for (const text of shownIn(path)) expect([text, disagreements(text)]).toEqual([text, []]);
  });

  // Random sentences are full of keywords where names are wanted, which a grammar by neighbours can't all tell; but what is a
  // literal, a string or a reserved word is so everywhere.
  test("on random sentences, in all but a keyword's use as a name", () => {
    const wordUses = new Set(["keyword", "name"]);
    const rules = readEbnf(read("grammar/xdp.ebnf"));
    fc.assert(
      fc.property(sentences(rules, "file", 9), (words) => {
        const text = words.join(" ");
        const found = disagreements(text);
        // Whether the parser takes every sentence is for its own tests.
        fc.pre(found !== "faulty");
        const wrong = found.filter(
          (d) => !contextualWordTypes.has(d.text) && !(wordUses.has(d.grammar) && wordUses.has(d.compiler)),
        );
        expect(wrong).toEqual([]);
      }),
      fcOptions(300),
    );
  });
});

describe("every word of the language", () => {
  const words = [...reservedWordTypes.keys(), ...contextualWordTypes.keys()];
  // Never keywords alone: their neighbours make them so.
  const NEEDS: Readonly<Record<string, readonly [string, string]>> = {
    dev: ["redirect ", ' "eth0"'],
    length: ["a : u16 ", "(payload)"],
    checksum: ["a : u16 ", "(header)"],
  };

  test.each(words)("%s is a keyword where it can be one", (word) => {
    const [before, after] = NEEDS[word] ?? ["", " x"];
    const pieces = piecesOf(grammar, before + word + after);
    const found = classOf(scopesAt(pieces, before.length));
    expect(found).toBe(word === "true" || word === "false" ? "number" : "keyword");
  });

  test.each(words)("%s is a name behind a dot and before a colon", (word) => {
    for (const [before, after] of [
      ["if x.", " == 1 then pass"],
      ["if x . ", " == 1 then pass"],
      ["header h on udp 9 { ", " : u8 }"],
      ["struct S { a : u8, ", ": u8 }"],
    ] as const) {
      const pieces = piecesOf(grammar, before + word + after);
      expect([before, classOf(scopesAt(pieces, before.length))]).toEqual([before, "name"]);
    }
  });

  test.each([...contextualWordTypes.keys()])("%s is a name where it's assigned to or has members", (word) => {
    for (const after of [" = 1", " += 1", "[3] = 1", ".a = 1", " <<= 2"]) {
      expect([after, classOf(scopesAt(piecesOf(grammar, word + after), 0))]).toEqual([after, "name"]);
    }
  });
});

describe("hostile texts", () => {
  // Half of what a line may be long for VS Code to colour it; what takes time in proportion takes some 100 ms.
  const LENGTH = 10_000;
  const LIMIT_MS = 4000;
  const repeat = (piece: string): string => piece.repeat(Math.ceil(LENGTH / piece.length)).slice(0, LENGTH);
  const pieces = [
    "a",
    "f",
    "0",
    "_",
    " ",
    "\t",
    ":",
    ".",
    "-",
    "\\",
    '"',
    "'",
    "/",
    "#",
    "{",
    "(",
    "[",
    "<",
    "=",
    "é",
    "\u{1f600}",
  ];
  const runs = [
    ...pieces,
    ...[
      "a ",
      "a:",
      "a.",
      "a,",
      "a[",
      "a[1],",
      "0.",
      "0-",
      "ff-",
      "ff:",
      "f:f",
      "::",
      ":0",
      "1_",
      "1.2.3.4",
      "1.2.3.4/",
      "/*",
      "*/",
    ],
    ...[
      '\\"',
      '"\\',
      "%l",
      "%p",
      "counter a,",
      "counter a[",
      "set a:",
      "map a : b<",
      "fn f(",
      "struct s {",
      "packet ",
      "redirect dev ",
    ],
    ...[
      "if ",
      "or drop ",
      "= = ",
      "a\t=",
      "0x",
      "0xf_",
      "..",
      ". ",
      "a . ",
      "for a in ",
      "import a.",
      "as ",
      "per ",
      "a{",
      "a { b",
    ],
  ];

  test.each(runs.map((run) => [JSON.stringify(run), run] as const))("a line of %s takes no time", (_name, run) => {
    for (const line of [repeat(run), `counter ${repeat(run)}!`, `"${repeat(run)}`, `map m : hash<${repeat(run)}`]) {
      expect(grammar.tokenizeLine(line, null, LIMIT_MS).stoppedEarly).toBe(false);
    }
  });

  test("any text is split into pieces that cover it", () => {
    const word = fc.constantFrom(
      ...runs,
      ...reservedWordTypes.keys(),
      ...contextualWordTypes.keys(),
      "\n",
      "\r\n",
      " ",
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(word, fc.string({ maxLength: 6, unit: "binary" })), { maxLength: 60 }), (parts) => {
        const text = parts.join("");
        let covered = "";
        for (const { start, end } of piecesOf(grammar, text)) covered += text.slice(start, end);
        expect(covered).toBe(text.replaceAll(/\r?(?:\n|$)/g, ""));
      }),
      fcOptions(300),
    );
  });
});
