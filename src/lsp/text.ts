// A text as words, signs and comments, whatever its grammar: what features need that must work on half-typed text. Knows no rules.

import type { IToken } from "chevrotain";
import type { SourceFile } from "../base/source.ts";
import { tokenize } from "../parser/lexer.ts";
import { sharedParser } from "../parser/parse.ts";

/** A word, sign, literal or text as it stands in a source. */
export interface Word {
  readonly text: string;
  readonly offset: number;
  /** The name of its token type (parser/tokens.ts): the part that its neighbours give it. */
  readonly type: string;
}

/** A comment from its `#` up to the line's end, without white space there. */
export interface CommentText {
  readonly text: string;
  readonly offset: number;
}

const known = new WeakMap<SourceFile, readonly Word[]>();

/** The words of a text in their order; comments aren't among them. Kept with the source. */
export function wordsOf(source: SourceFile): readonly Word[] {
  const before = known.get(source);
  if (before !== undefined) return before;
  const words = tokenize(sharedParser().lexer, source, []).map(
    (token: IToken): Word => ({ text: token.image, offset: token.startOffset, type: token.tokenType.name }),
  );
  known.set(source, words);
  return words;
}

/** The index of the first word that ends behind `offset`; the number of words when none does. */
export function wordIndexAt(words: readonly Word[], offset: number): number {
  let low = 0;
  let high = words.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const word = words[middle];
    if (word !== undefined && word.offset + word.text.length <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The comments of a text in their order. */
export function commentsOf(source: SourceFile): CommentText[] {
  const comments: CommentText[] = [];
  let at = 0;
  const read = (end: number): void => {
    for (const found of source.text.slice(at, end).matchAll(/#[^\r\n]*/g)) {
      comments.push({ text: found[0].trimEnd(), offset: at + found.index });
    }
  };
  for (const { text, offset } of wordsOf(source)) {
    read(offset);
    at = offset + text.length;
  }
  read(source.text.length);
  return comments;
}

/** An opening bracket and its partner, by their offsets. */
export interface BracketPair {
  readonly open: number;
  readonly close: number;
}

const PARTNERS: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };

/**
 * The pairs of brackets, in the order in which they close. A brace that closes takes with it what is still open inside; a bracket
 * without a partner has none.
 */
export function bracketPairs(source: SourceFile): BracketPair[] {
  const pairs: BracketPair[] = [];
  const open: { text: string; offset: number }[] = [];
  for (const { text, offset } of wordsOf(source)) {
    if (text === "(" || text === "[" || text === "{") open.push({ text, offset });
    const partner = PARTNERS[text];
    if (partner === undefined) continue;
    const at = open.findLastIndex((bracket) => bracket.text === partner);
    // A round or square bracket doesn't reach out of the braces around it.
    if (at === -1 || (partner !== "{" && open.slice(at).some((bracket) => bracket.text === "{"))) continue;
    pairs.push({ open: open[at]?.offset ?? 0, close: offset });
    open.length = at;
  }
  return pairs;
}
