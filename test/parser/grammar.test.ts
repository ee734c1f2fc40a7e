// grammar/xdp.ebnf is normative: it and the parser have the same rules with the same structure, and the parser accepts
// what can be derived from it.

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SourceFile } from "../../src/base/source.ts";
import { formatFile } from "../../src/parser/format.ts";
import { createParser, parse } from "../../src/parser/parse.ts";
import * as t from "../../src/parser/tokens.ts";
import { type Ebnf, readEbnf, spell, wordsOf } from "./ebnf.ts";
import { sentences } from "./sentences.ts";
import { fcOptions, treeOf } from "./support.ts";

const ebnf = readEbnf(readFileSync(new URL("../../grammar/xdp.ebnf", import.meta.url), "utf8"));

/** The parts of chevrotain's grammar objects that matter here. */
interface Gast {
  readonly constructor: { readonly name: string };
  readonly definition?: readonly Gast[];
  readonly terminalType?: { readonly name: string; readonly LABEL?: string };
  readonly nonTerminalName?: string;
  readonly separator?: { readonly name: string; readonly LABEL?: string };
}

function word(type: { readonly name: string; readonly LABEL?: string } | undefined): Ebnf {
  if (type === undefined) throw new Error("no token type");
  const isWord = type.LABEL !== undefined && type.LABEL !== type.name;
  return isWord ? { kind: "word", name: type.LABEL ?? "" } : { kind: "class", name: type.name };
}

function fromGast(g: Gast): Ebnf {
  // A reference also offers the definition of what it refers to.
  const parts = g.constructor.name === "NonTerminal" ? [] : (g.definition ?? []).map(fromGast);
  const inner: Ebnf = { kind: "seq", parts };
  switch (g.constructor.name) {
    case "Terminal":
      return word(g.terminalType);
    case "NonTerminal":
      return { kind: "rule", name: g.nonTerminalName ?? "" };
    case "Option":
      return { kind: "option", part: inner };
    case "Repetition":
      return { kind: "repeat", part: inner };
    case "RepetitionMandatoryWithSeparator":
      return {
        kind: "seq",
        parts: [inner, { kind: "repeat", part: { kind: "seq", parts: [word(g.separator), inner] } }],
      };
    case "RepetitionWithSeparator": {
      const more: Ebnf = { kind: "repeat", part: { kind: "seq", parts: [word(g.separator), inner] } };
      return { kind: "option", part: { kind: "seq", parts: [inner, more] } };
    }
    case "Alternation":
      return { kind: "alt", parts: (g.definition ?? []).map(fromGast) };
    case "Alternative":
    case "Rule":
      return inner;
    default:
      throw new Error(`unknown part ${g.constructor.name}`);
  }
}

describe("the grammar", () => {
  const parser = createParser({ skipValidations: false });
  const productions = parser.rules.getGAstProductions() as unknown as Record<string, Gast>;

  it("passes chevrotain's validations", () => {
    expect(Object.keys(productions).length).toBeGreaterThan(60);
  });

  const rules = [...ebnf].filter(([name]) => /^[a-z]/.test(name));

  it("has the rules of the EBNF and no other but the one that recovery uses", () => {
    const names = Object.keys(productions).filter((name) => name !== "skipped");
    expect(names.sort()).toEqual(rules.map(([name]) => name).sort());
  });

  it.each(rules)("has the EBNF's structure in %s", (name, rule) => {
    const production = productions[name];
    if (production === undefined) throw new Error(`the parser has no rule ${name}`);
    expect(spell(fromGast(production))).toBe(spell(rule));
  });

  it("knows the words of each class", () => {
    const typed = (type: unknown): string[] =>
      [...t.reservedWordTypes, ...t.contextualWordTypes].filter(([, of]) => of === type).map(([text]) => text);
    expect(wordsOf(ebnf, "RESERVED").sort()).toEqual([...t.reservedWordTypes.keys()].sort());
    expect(wordsOf(ebnf, "VERDICT").sort()).toEqual(typed(t.VerdictToken).sort());
    expect(wordsOf(ebnf, "COVERS").sort()).toEqual(typed(t.Covers).sort());
    expect(wordsOf(ebnf, "MAP_ATTRIBUTE").sort()).toEqual(typed(t.MapAttributeToken).sort());
    expect(wordsOf(ebnf, "TARGET_KIND").sort()).toEqual(
      [...typed(t.OtherTargetKind), ...typed(t.DevmapWord), ...typed(t.CpumapWord)].sort(),
    );
  });

  it("uses every word that the tokens define", () => {
    const used = new Set<string>();
    const walk = (e: Ebnf): void => {
      if (e.kind === "word") used.add(e.name);
      else if (e.kind === "seq" || e.kind === "alt") e.parts.forEach(walk);
      else if (e.kind === "option" || e.kind === "repeat") walk(e.part);
    };
    for (const rule of ebnf.values()) walk(rule);
    for (const text of [...t.reservedWordTypes.keys(), ...t.contextualWordTypes.keys()]) expect(used).toContain(text);
  });
});

/** Codes of what the grammar allows and the checks behind it refuse; see the end of the EBNF. */
const refusedLater = /^X01(27|3[0-9]|4[0-4])$/;

describe("sentences derived from the EBNF", () => {
  it.each([
    ["file", 7, 300],
    ["statement", 9, 300],
    ["declaration", 8, 300],
  ] as const)("are accepted: %s", (start, depth, runs) => {
    fc.assert(
      fc.property(sentences(ebnf, start, depth), fc.infiniteStream(fc.constantFrom(" ", " ", "\n")), (words, gaps) => {
        const text = words.map((w) => w + (gaps.next().value ?? " ")).join("");
        const { diagnostics } = parse(new SourceFile("sentence.xdp", text));
        const refused = diagnostics.filter((d) => !refusedLater.test(d.code)).map((d) => `${d.code} ${d.message}`);
        expect(refused, text).toEqual([]);
      }),
      fcOptions(runs),
    );
  });

  it("print and parse to the same tree", () => {
    fc.assert(
      fc.property(sentences(ebnf, "file", 8), (words) => {
        const first = parse(new SourceFile("sentence.xdp", words.join(" ")));
        fc.pre(first.diagnostics.every((d) => !/X013[0157]|X014|X0138/.test(d.code)));
        const printed = formatFile(first.file);
        const second = parse(new SourceFile("printed.xdp", printed));
        expect(treeOf(second.file), printed).toEqual(treeOf(first.file));
        expect(formatFile(second.file)).toBe(printed);
      }),
      fcOptions(400),
    );
  });
});
