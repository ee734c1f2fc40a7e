// Where in the text a cursor stands, as completion asks it: what may be written there, told from the words before it and the brackets that
// are open, not from the syntax tree, since what is being typed doesn't parse yet. Pure; knows no names and no protocol.

import type { IToken } from "chevrotain";
import { SourceFile } from "../base/source.ts";
import { tokenize } from "../parser/lexer.ts";
import { sharedParser } from "../parser/parse.ts";
import { mapAttributeWords } from "../parser/tokens.ts";
import { type Braces, bracesKind, labelsBehind, type Open, openBrackets, valueBefore } from "./word-rows.ts";
import { WORDS } from "./words.ts";

/** What may be written at a cursor. */
export type CompletionPlace =
  /** Nothing that has a list: in a comment, a text, a number, or where a new name is declared. */
  | { readonly kind: "nothing" }
  /** Behind a dot: a part of what ends before it. `words` is that value, word by word (`inner`, `.`, `ip`). */
  | { readonly kind: "member"; readonly words: readonly string[]; readonly comparable: boolean }
  /** A statement; at file level a declaration too. `arm`: the patterns of a switch may stand here as well. */
  | { readonly kind: "statement"; readonly declarations: boolean; readonly armOf: readonly string[] | null }
  /** A value. `comparable`: a comparison, where absent headers are harmless. `bare`: a condition, where a header alone is a test. */
  | {
      readonly kind: "value";
      readonly comparable: boolean;
      readonly bare: boolean;
      readonly beside: readonly string[] | null;
    }
  /** The name of a declaration of these kinds. */
  | { readonly kind: "name"; readonly of: readonly NameWanted[]; readonly words: readonly string[] }
  | {
      readonly kind:
        | "type"
        | "mapKind"
        | "attribute"
        | "program"
        | "verdict"
        | "outcome"
        | "header"
        | "testStep"
        | "library";
    }
  /** Words of the grammar that fit here and nothing else does. */
  | { readonly kind: "words"; readonly words: readonly string[] }
  /** A field of that header, before its colon: in `encap` or a test's packet. */
  | { readonly kind: "headerField"; readonly header: string; readonly given: readonly string[] }
  /** A field of that struct, before its colon. */
  | { readonly kind: "structField"; readonly struct: string; readonly given: readonly string[] }
  /** A layer of a test's packet. */
  | { readonly kind: "layer" };

/** What a name at a place must be. */
export type NameWanted =
  | "target"
  | "devmap"
  | "counter"
  | "set"
  /** A set that lives in the object. */
  | "constantSet"
  | "map"
  | "limiter"
  | "events"
  | "programs"
  | "header"
  | "program"
  | "queue";

/** The place of a cursor, and where the word that is being typed begins. */
export interface Cursor {
  readonly place: CompletionPlace;
  readonly wordStart: number;
}

const NOTHING: CompletionPlace = { kind: "nothing" };
const OPERATORS = new Set([
  "and",
  "or",
  "&&",
  "||",
  "not",
  "!",
  "==",
  "!=",
  "<",
  "<=",
  ">",
  ">=",
  "in",
  "exceeds",
  "then",
  "=>",
]);
const CALCULATIONS = new Set(["*", "/", "%", "+", "-", "<<", ">>", "&", "^", "|", ".."]);
const COMPARISONS = new Set(["==", "!=", "<", "<=", ">", ">=", "in", "exceeds"]);
/** Behind these words stands the name of one thing. */
const NAMES: ReadonlyMap<string, readonly NameWanted[]> = new Map([
  ["redirect", ["target"]],
  ["flood", ["devmap"]],
  ["count", ["counter"]],
  ["insert", ["set", "queue"]],
  ["delete", ["set", "map"]],
  ["emit", ["events"]],
  ["sample", ["events"]],
  ["tail", ["programs"]],
  ["push", ["header"]],
  ["pop", ["header"]],
  ["encap", ["header"]],
  ["on", ["header"]],
  ["extends", ["header"]],
]);
/** Behind these words a new name is declared. */
const DECLARING = new Set(
  "set map counter limiter xskmap devmap devmap_hash cpumap ringbuf perf prog_array const config var struct fn header program for as".split(
    " ",
  ),
);

/** Finds what may be written at `offset` of `text`. Never throws. */
export function cursorAt(text: string, offset: number): Cursor {
  const before = text.slice(0, offset);
  const word = /[A-Za-z_][A-Za-z0-9_]*$/.exec(before)?.[0] ?? "";
  const wordStart = offset - word.length;
  const line = before.slice(before.lastIndexOf("\n") + 1);
  const tokens = tokenize(sharedParser().lexer, new SourceFile("", before.slice(0, wordStart)), []);
  const last = tokens.at(-1);
  if (inCommentOrText(line) || digitsBefore(before, wordStart)) return { place: NOTHING, wordStart };
  if (last !== undefined && last.startOffset + last.image.length > wordStart) return { place: NOTHING, wordStart };
  return {
    place: placeBehind(
      tokens.map((token) => token.image),
      tokens,
      text,
    ),
    wordStart,
  };
}

/** Whether a line's end lies in a comment or an open text. */
function inCommentOrText(line: string): boolean {
  let open = false;
  for (let i = 0; i < line.length; i++) {
    if (open && line[i] === "\\") i++;
    else if (line[i] === '"') open = !open;
    else if (line[i] === "#" && !open) return true;
  }
  return open;
}

/** Whether a number ends right before the word that is being typed, or at the cursor. */
function digitsBefore(before: string, wordStart: number): boolean {
  return /[0-9]$/.test(before.slice(0, wordStart));
}

function placeBehind(words: readonly string[], tokens: readonly IToken[], text: string): CompletionPlace {
  const last = words.at(-1);
  const before = words.at(-2);
  const open = openBrackets(words);
  const inner = open.at(-1) ?? null;
  if (last === undefined) return { kind: "statement", declarations: true, armOf: null };
  if (last === ".") {
    if (importing(words)) return { kind: "library" };
    return { kind: "member", words: valueBefore(words, words.length - 1), comparable: comparable(words) };
  }
  const braces = inner?.bracket === "{" ? bracesKind(words, inner.at) : null;
  if (braces?.kind === "struct" || braces?.kind === "encap") {
    if (last === "{" || last === ",") {
      const given = labelsBehind(words, inner?.at ?? 0);
      if (braces.kind === "encap") return { kind: "headerField", header: braces.name, given };
      return { kind: "structField", struct: braces.name, given };
    }
  }
  if (braces?.kind === "declaration") return inDeclaration(words, braces.name);
  if (braces?.kind === "test" || (inner?.bracket === "(" && testCall(words, open))) {
    const step = inTest(words, open, inner);
    if (step !== null) return step;
  }
  return ordinary(words, tokens, text, last, before, open, braces);
}

function ordinary(
  words: readonly string[],
  tokens: readonly IToken[],
  text: string,
  last: string,
  before: string | undefined,
  open: readonly Open[],
  braces: Braces | null,
): CompletionPlace {
  const inner = open.at(-1) ?? null;
  const declarations = open.length === 0;
  if (last === "import") return { kind: "words", words: ["std"] };
  if (last === "default" || last === "chain") return { kind: "verdict" };
  if (before === "for" && braces === null && titleBefore(words)) return { kind: "nothing" };
  if (last === "for" && titleBefore(words.slice(0, -1))) return { kind: "name", of: ["program"], words: [] };
  const wanted = NAMES.get(last);
  if (wanted !== undefined && startsStatement(words, words.length - 1)) {
    return { kind: "name", of: wanted, words: last === "redirect" ? ["dev"] : [] };
  }
  if (last === "exceeds") return { kind: "name", of: ["limiter"], words: [] };
  if (last === "in") return { kind: "name", of: ["set", "constantSet", "map", "queue"], words: [] };
  if (last === "as" && before !== undefined && !headerBefore(words)) return { kind: "type" };
  if (last === "per") return { kind: "type" };
  if (last === "inner" && declaresHeader(words)) return { kind: "name", of: ["header"], words: [] };
  if (last === "const") return { kind: "words", words: ["set"] };
  if (DECLARING.has(last) && startsStatement(words, words.length - 1)) return NOTHING;
  if (last === ":" && inner?.bracket !== "{") return typeBehindColon(words);
  if ((last === "<" || last === ",") && inTypeArguments(words)) return { kind: "type" };
  if (last === "[" && counterBefore(words)) return { kind: "type" };
  if (last === "(" && words.at(-3) === "fn") return NOTHING;
  if (last === "let") return NOTHING;
  if ((last === "]" || mapAttributeWords.includes(last)) && !onNewLine(tokens, text)) {
    const declared = declarationOfLine(words, tokens, text);
    if (declared === "set" || declared === "map" || WORDS.get(declared ?? "")?.places.includes("mapKind"))
      return { kind: "attribute" };
    if (declared === "limiter") return NOTHING;
  }
  if (programHead(words)) return { kind: "program" };
  if (last === "or" && fallbackBefore(words, tokens, text)) return { kind: "verdict" };
  if (last === "{" || last === "}" || last === ";" || last === "then" || last === "else" || last === "=>") {
    const arms = braces?.kind === "switch" && last !== "=>" ? switchSubject(words, inner?.at ?? 0) : null;
    return { kind: "statement", declarations: declarations && last !== "then" && last !== "else", armOf: arms };
  }
  if (OPERATORS.has(last) || CALCULATIONS.has(last) || ["if", "switch", "(", "[", ",", "=", "let"].includes(last)) {
    return {
      kind: "value",
      comparable: comparable(words),
      bare: ["if", "and", "or", "not", "!", "&&", "||", "("].includes(last),
      beside: last === "==" || last === "!=" ? valueBefore(words, words.length - 1) : null,
    };
  }
  return behindComplete(words, tokens, text, declarations, braces, inner);
}

/** Behind something complete: an operator, or on a new line what comes next. */
function behindComplete(
  words: readonly string[],
  tokens: readonly IToken[],
  text: string,
  declarations: boolean,
  braces: Braces | null,
  inner: Open | null,
): CompletionPlace {
  const last = tokens.at(-1);
  if (last === undefined) return NOTHING;
  const fresh = onNewLine(tokens, text);
  if (fresh || inner?.bracket === "{") {
    const condition = openCondition(words);
    if (condition && !fresh) return { kind: "words", words: ["then", "and", "or", "in", "exceeds"] };
    const arms = braces?.kind === "switch" ? switchSubject(words, inner?.at ?? 0) : null;
    if (!condition) return { kind: "statement", declarations, armOf: arms };
  }
  if (openCondition(words)) return { kind: "words", words: ["then", "and", "or", "in", "exceeds", "as"] };
  return { kind: "statement", declarations, armOf: null };
}

/** Whether a line ends behind the last word. */
function onNewLine(tokens: readonly IToken[], text: string): boolean {
  const last = tokens.at(-1);
  return last !== undefined && /^[ \t]*(#.*)?[\r\n]/.test(text.slice(last.startOffset + last.image.length));
}

function inDeclaration(words: readonly string[], kind: string): CompletionPlace {
  const last = words.at(-1);
  if (last === ":") return { kind: "type" };
  if (kind === "struct") return NOTHING;
  if (last === "(" || (last === "," && words.lastIndexOf("(") > words.lastIndexOf(")"))) {
    return { kind: "words", words: ["pseudo", "header", "payload"] };
  }
  if (last === "next" || last === "size" || last === "when") return NOTHING;
  return { kind: "header" };
}

/** Whether the open parenthesis is a layer's in a test: `packet eth / ip(`. */
function testCall(words: readonly string[], open: readonly Open[]): boolean {
  return open.length > 1 && open.slice(0, -1).some((o) => o.bracket === "{" && bracesKind(words, o.at).kind === "test");
}

function inTest(words: readonly string[], open: readonly Open[], inner: Open | null): CompletionPlace | null {
  const last = words.at(-1);
  if (inner?.bracket === "(") {
    const header = words[inner.at - 1] ?? "";
    if (last === "(" || last === ",") return { kind: "headerField", header, given: labelsBehind(words, inner.at) };
    return null;
  }
  if (last === "packet" || (last === "/" && inner?.bracket === "{")) return { kind: "layer" };
  if (last === "expect") return { kind: "outcome" };
  if (last === "=" || CALCULATIONS.has(last ?? "") || OPERATORS.has(last ?? "")) return null;
  return open.length > 0 ? { kind: "testStep" } : null;
}

function importing(words: readonly string[]): boolean {
  return words.at(-2) === "std" && words.at(-3) === "import";
}

/** Whether the word at `at` begins a statement or declaration, rather than being a name. */
function startsStatement(words: readonly string[], at: number): boolean {
  return words[at - 1] !== "." && WORDS.has(words[at] ?? "");
}

function titleBefore(words: readonly string[]): boolean {
  return (words.at(-1) ?? "").startsWith('"') && words.at(-2) === "test";
}

function headerBefore(words: readonly string[]): boolean {
  return words.at(-3) === "header";
}

function declaresHeader(words: readonly string[]): boolean {
  const on = Math.max(words.lastIndexOf("on"), words.lastIndexOf("extends"));
  return on >= 0 && words.lastIndexOf("header") < on && !words.slice(on).includes("{");
}

function typeBehindColon(words: readonly string[]): CompletionPlace {
  return words.at(-3) === "map" ? { kind: "mapKind" } : { kind: "type" };
}

function inTypeArguments(words: readonly string[]): boolean {
  const open = words.lastIndexOf("<");
  if (open < 0 || words[open - 2] !== ":") return words.at(-1) === "<" && words.at(-2) === "prefix";
  return words.at(-1) === "<" ? words[open - 4] === "map" || words[open - 1] === "prefix" : words[open - 4] === "map";
}

function counterBefore(words: readonly string[]): boolean {
  for (let i = words.length - 2; i >= 0; i--) {
    if (words[i] === "counter") return true;
    if (!/^[A-Za-z_,[\]]/.test(words[i] ?? "")) return false;
    if (WORDS.get(words[i] ?? "")?.places.includes("statement")) return false;
  }
  return false;
}

/** The first word of the line on which the last token stands. */
function declarationOfLine(words: readonly string[], tokens: readonly IToken[], text: string): string | null {
  const last = tokens.at(-1);
  if (last === undefined) return null;
  const start = text.lastIndexOf("\n", last.startOffset) + 1;
  const first = tokens.findIndex((token) => token.startOffset >= start);
  return words[first] ?? null;
}

function programHead(words: readonly string[]): boolean {
  for (let i = words.length - 1; i >= 0 && i > words.length - 12; i--) {
    if (words[i] === "program") return i < words.length - 1 && words[i - 1] !== ".";
    if (words[i] === "{" || words[i] === "}") return false;
  }
  return false;
}

/** Whether the `or` that ends the words is a fallback's: on the line of a statement that can fail. */
function fallbackBefore(words: readonly string[], tokens: readonly IToken[], text: string): boolean {
  const first = declarationOfLine(words, tokens, text);
  const statements = ["redirect", "insert", "emit", "sample", "tail", "forward", "flood"];
  const from = Math.max(
    words.lastIndexOf("then"),
    words.lastIndexOf("{"),
    words.lastIndexOf("else"),
    words.lastIndexOf("=>"),
  );
  return statements.includes(words[from + 1] ?? "") || statements.includes(first ?? "");
}

/** Whether an `if`, `for` or `switch` is open before its `then` or brace. */
function openCondition(words: readonly string[]): boolean {
  return words.lastIndexOf("if") > Math.max(words.lastIndexOf("then"), words.lastIndexOf("{"));
}

function switchSubject(words: readonly string[], at: number): readonly string[] | null {
  const start = words.lastIndexOf("switch", at);
  return start < 0 ? null : words.slice(start + 1, at);
}

/** Whether the value being written is an operand of a comparison or a bare condition, where an absent header only makes it false. */
function comparable(words: readonly string[]): boolean {
  for (let i = words.length - 1; i >= 0; i--) {
    const word = words[i] ?? "";
    if (word === "if" || COMPARISONS.has(word) || word === "and" || word === "or" || word === "not")
      return words.lastIndexOf("then") < i;
    if (["then", "{", "}", "else", "=>", "count", "insert", "let", "log"].includes(word)) return false;
  }
  return false;
}
