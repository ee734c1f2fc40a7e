// What each word of a file is, for colours that no pattern can give: headers, fields, maps, constants, functions and locals are all words,
// and most keywords are names elsewhere. Reserved words, literals and comments are left to the editor's own grammar.

import type { SemanticTokensEdit, SemanticTokensLegend } from "vscode-languageserver-protocol";
import type { Analysis } from "../analyse.ts";
import type { Span } from "../base/source.ts";
import { declaredAt, type Meaning } from "../ir/facts.ts";
import type * as ast from "../parser/ast.ts";
import { contextualWordTypes } from "../parser/tokens.ts";
import { type Declared, declarationOf, declaredIn, guess, isLibrary } from "./names.ts";
import { positionAt } from "./ranges.ts";
import { wordIndexAt, wordsOf } from "./text.ts";
import { isName, walk } from "./walk.ts";
import { writtenNames } from "./writes.ts";

/** Kinds of tokens and what may be added to them; all are of the protocol's standard set, so that every theme knows them. */
export const LEGEND = {
  tokenTypes: ["class", "struct", "type", "function", "parameter", "variable", "property", "namespace", "keyword"],
  tokenModifiers: ["declaration", "readonly", "static", "defaultLibrary", "modification"],
} as const satisfies SemanticTokensLegend;

type TokenType = (typeof LEGEND.tokenTypes)[number];
type Modifier = (typeof LEGEND.tokenModifiers)[number];

interface Style {
  readonly type: TokenType;
  readonly modifiers: readonly Modifier[];
}

function style(type: TokenType, ...modifiers: Modifier[]): Style {
  return { type, modifiers };
}

/** Maps and globals live as long as the program (`static`); what nobody can assign to is `readonly`. */
const STYLES: Readonly<Record<Declared["kind"], Style>> = {
  setDecl: style("variable", "static"),
  mapDecl: style("variable", "static"),
  counterDecl: style("variable", "static"),
  limiterDecl: style("variable", "static"),
  targetDecl: style("variable", "static"),
  constDecl: style("variable", "static", "readonly"),
  constSetDecl: style("variable", "static", "readonly"),
  configDecl: style("variable", "static", "readonly"),
  varDecl: style("variable", "static"),
  structDecl: style("struct"),
  headerDecl: style("class"),
  alias: style("class"),
  field: style("property"),
  bit: style("property"),
  structField: style("property"),
  fnDecl: style("function"),
  programDecl: style("namespace"),
  parameter: style("parameter"),
  let: style("variable", "readonly"),
  loop: style("variable", "readonly"),
  entry: style("variable"),
};

/** Functions that only tests' packets know. */
const PACKET_FUNCTIONS: ReadonlySet<string> = new Set(["hex", "zeros", "cut"]);
/** What only tests set. */
const TEST_VALUES: ReadonlySet<string> = new Set(["meta", "device", "route", "neighbour"]);
const KEYWORD = style("keyword");

/**
 * The tokens of an analysis's main file, or of the part from `start` to `end`: five numbers each, as the protocol wants them (lines and
 * characters since the token before, length, type, bits of modifiers).
 */
export function semanticTokens(analysis: Analysis, start = 0, end = Number.POSITIVE_INFINITY): number[] {
  const { file } = analysis;
  const { source } = file;
  const words = wordsOf(source);
  const styler = new Styler(analysis);
  const data: number[] = [];
  let [line, character] = [0, 0];
  for (let i = wordIndexAt(words, start); i < words.length; i++) {
    const word = words[i];
    if (word === undefined || word.offset >= end) break;
    const found = /^[A-Za-z_]/.test(word.text) ? styler.styleOf(i) : null;
    if (found === null) continue;
    const at = positionAt(source, word.offset);
    const bits = found.modifiers.reduce((sum, modifier) => sum | (1 << LEGEND.tokenModifiers.indexOf(modifier)), 0);
    const sinceLine = at.line - line;
    data.push(sinceLine, sinceLine === 0 ? at.character - character : at.character);
    data.push(word.text.length, LEGEND.tokenTypes.indexOf(found.type), bits);
    [line, character] = [at.line, at.character];
  }
  return data;
}

/** What changes one list of tokens into another: at most one edit. */
export function tokensDelta(before: readonly number[], after: readonly number[]): SemanticTokensEdit[] {
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start < most && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < most - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1;
  const deleteCount = before.length - start - end;
  const data = after.slice(start, after.length - end);
  return deleteCount === 0 && data.length === 0 ? [] : [{ start, deleteCount, data }];
}

/** Tells what the words of one file are. */
class Styler {
  readonly #analysis: Analysis;
  readonly #file: ast.File;
  readonly #declared: ReadonlyMap<number, Declared>;
  readonly #meanings: ReadonlyMap<number, Meaning>;
  readonly #written: ReadonlySet<number>;
  /** Where the tree has a name. */
  readonly #names = new Set<number>();
  /** Where words stand that the tree has as names but that nobody gave: units, attributes, a map's kind. */
  readonly #fixed = new Map<number, Style>();
  /** By where something is declared: what its uses look like. */
  readonly #styles = new Map<Span, Style>();
  /** What couldn't be parsed, in order. */
  readonly #faulty: { readonly start: number; readonly end: number }[] = [];

  constructor(analysis: Analysis) {
    const { file, facts } = analysis;
    this.#analysis = analysis;
    this.#file = file;
    this.#declared = declaredIn(file);
    this.#meanings = new Map(facts.referencesIn(file.source).map((r) => [r.span.start, r.meaning]));
    this.#written = writtenNames(file);
    for (const item of file.items) {
      for (const name of fixedWords(item)) this.#fixed.set(name.span.start, KEYWORD);
      if (item.kind === "mapDecl") this.#fixed.set(item.mapKind.span.start, style("type", "defaultLibrary"));
      walk(item, (node) => {
        if (isName(node)) this.#names.add(node.span.start);
        else if (node.kind === "name") this.#names.add(node.span.start);
        else if (node.kind === "prefixType") this.#fixed.set(node.span.start, style("type", "defaultLibrary"));
        else if (node.kind === "error") this.#faulty.push({ start: node.span.start, end: node.span.end });
      });
    }
  }

  styleOf(index: number): Style | null {
    const words = wordsOf(this.#file.source);
    const word = words[index];
    if (word === undefined) return null;
    const { offset, text } = word;
    const known = this.#known(offset, text);
    if (known !== null) return this.#written.has(offset) ? add(known, "modification") : known;
    const fixed = this.#fixed.get(offset);
    if (fixed !== undefined) return fixed;
    const isFaulty = this.#faulty.some(({ start, end }) => start <= offset && offset < end);
    if (!this.#names.has(offset) && !isFaulty) return contextualWordTypes.has(text) ? KEYWORD : null;
    if (PACKET_FUNCTIONS.has(text) && words[index + 1]?.text === "(") return style("function", "defaultLibrary");
    const meant = guess(this.#analysis, this.#file, index);
    if (meant !== null) return this.#declaredStyle(meant);
    if (words[index - 1]?.text === ".") return style("property");
    return TEST_VALUES.has(text) && !isFaulty ? style("variable", "defaultLibrary") : null;
  }

  #known(offset: number, text: string): Style | null {
    const declared = this.#declared.get(offset);
    if (declared !== undefined) return add(STYLES[declared.kind], "declaration");
    const meaning = this.#meanings.get(offset);
    return meaning === undefined ? null : this.#meaningStyle(meaning, text);
  }

  #declaredStyle(declared: Declared): Style {
    const found = STYLES[declared.kind];
    return isLibrary(declared.name.span.file) ? add(found, "defaultLibrary") : found;
  }

  #meaningStyle(meaning: Meaning, text: string): Style | null {
    const at = declaredAt(meaning);
    const known = at === null ? undefined : this.#styles.get(at);
    if (known !== undefined) return known;
    const declared = at === null ? null : declarationOf(this.#analysis, meaning, text);
    if (at !== null && declared !== null) {
      const found = this.#declaredStyle(declared);
      this.#styles.set(at, found);
      return found;
    }
    switch (meaning.kind) {
      case "field":
      case "structField":
        return style("property", "defaultLibrary");
      case "meta":
        return style("property", "readonly", "defaultLibrary");
      case "builtin":
        return meaning.name === "inner"
          ? KEYWORD
          : style(VALUES.has(meaning.name) ? "variable" : "function", "defaultLibrary");
      case "type":
        return style("type", "defaultLibrary");
      case "device":
        return style("variable", "static", "readonly");
      default:
        return null;
    }
  }
}

const VALUES: ReadonlySet<string> = new Set(["meta", "opaque"]);

function add({ type, modifiers }: Style, modifier: Modifier): Style {
  return { type, modifiers: [...modifiers, modifier] };
}

/** The words of a declaration that the tree has as names though they mean what the language says. */
function fixedWords(item: ast.Decl | ast.Stmt): readonly ast.Name[] {
  switch (item.kind) {
    case "limiterDecl":
      return [item.per];
    case "setDecl":
    case "mapDecl":
    case "targetDecl":
      return item.attributes;
    case "headerDecl":
      return (item.body?.fields ?? []).flatMap((field) => field.covers?.parts ?? []);
    default:
      return [];
  }
}
