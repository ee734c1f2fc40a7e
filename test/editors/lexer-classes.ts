// What the compiler takes each token of a text for, as a reader would call it: from its lexer, and for words from the place where
// the parser took them (a keyword that stands where a name is wanted is a name). The measure for the TextMate grammar.

import type { CstElement, CstNode, IToken } from "chevrotain";
import { SourceFile } from "../../src/base/source.ts";
import { type LiteralPayload, tokenize } from "../../src/parser/lexer.ts";
import { createParser } from "../../src/parser/parse.ts";
import {
  contextualWordTypes,
  LiteralToken,
  NameToken,
  reservedWordTypes,
  StringToken,
} from "../../src/parser/tokens.ts";
import type { PieceClass } from "./textmate.ts";

/** A token of the compiler's with its class; UTF-16 offsets. */
export interface ClassedToken {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly class: PieceClass;
}

/** Where the parser names a token after the part it plays rather than after its type. */
const NAME_PARTS = new Set(["NAME", "IDENTIFIER", "LABEL", "mapKind", "per", "alias"]);

const parser = createParser();

/** The tokens of `text` with comments, in order; null when the text has faults. */
export function classedTokens(text: string): ClassedToken[] | null {
  const source = new SourceFile("test.xdp", text);
  const faults: unknown[] = [];
  const tokens = tokenize(parser.lexer, source, faults as never[]);
  const names = new Set<number>();
  parser.rules.parseFile(tokens, text, (item) => collectNames(item, names));
  if (faults.length > 0 || parser.rules.faults.length > 0) return null;
  const classed = tokens.map((token) => ({
    start: token.startOffset,
    end: token.startOffset + token.image.length,
    text: token.image,
    class: names.has(token.startOffset) ? ("name" as const) : classOfToken(token),
  }));
  return [...classed, ...comments(text, classed)].sort((a, b) => a.start - b.start);
}

function collectNames(node: CstNode, names: Set<number>): void {
  for (const [part, elements] of Object.entries(node.children)) {
    for (const element of elements) {
      if (!isToken(element)) collectNames(element, names);
      else if (NAME_PARTS.has(part)) names.add(element.startOffset);
    }
  }
}

function isToken(element: CstElement): element is IToken {
  return "image" in element;
}

function classOfToken(token: IToken): PieceClass {
  const type = token.tokenType;
  if (type === StringToken) return "string";
  if (type === LiteralToken) {
    const kind = (token.payload as LiteralPayload)?.kind;
    return kind === "address" || kind === "prefix" ? "address" : "number";
  }
  if (!/^[A-Za-z_]/.test(token.image)) return "sign";
  if (reservedWordTypes.has(token.image)) return "keyword";
  return contextualWordTypes.has(token.image) && type.name !== "IDENTIFIER" && type !== NameToken ? "keyword" : "name";
}

/** The lexer drops comments; they are what lies between two tokens from a `#` on. */
function comments(text: string, tokens: readonly ClassedToken[]): ClassedToken[] {
  const found: ClassedToken[] = [];
  let from = 0;
  for (const end of [...tokens, { start: text.length, end: text.length }]) {
    for (const match of text.slice(from, end.start).matchAll(/#[^\r\n]*/g)) {
      const start = from + match.index;
      found.push({ start, end: start + match[0].length, text: match[0], class: "comment" });
    }
    from = end.end;
  }
  return found;
}
