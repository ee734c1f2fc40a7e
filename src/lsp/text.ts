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

const PARTNERS: Readonly<Record<string, string>> = { ")": "(", "]": "[" };

/** What is open inside one brace. */
interface Level {
  /** The brace's offset; -1 outside of all. */
  readonly brace: number;
  readonly open: { readonly text: string; readonly offset: number }[];
  /** How many of each bracket are open: a search for one that isn't there could take long for each of many. */
  readonly counts: Record<string, number>;
}

/**
 * The pairs of brackets, in the order in which they close. A brace that closes takes with it what is still open inside; no other bracket
 * reaches out of the braces around it; one without a partner has none.
 */
export function bracketPairs(source: SourceFile): BracketPair[] {
  const pairs: BracketPair[] = [];
  const levels: Level[] = [{ brace: -1, open: [], counts: {} }];
  for (const { text, offset } of wordsOf(source)) {
    const level = levels.at(-1);
    if (level === undefined) break;
    if (text === "{") levels.push({ brace: offset, open: [], counts: {} });
    else if (text === "}") {
      if (levels.length === 1) continue;
      levels.pop();
      pairs.push({ open: level.brace, close: offset });
    } else if (text === "(" || text === "[") {
      level.open.push({ text, offset });
      level.counts[text] = (level.counts[text] ?? 0) + 1;
    } else {
      const partner = PARTNERS[text];
      if (partner === undefined || (level.counts[partner] ?? 0) === 0) continue;
      for (let last = level.open.pop(); last !== undefined; last = level.open.pop()) {
        level.counts[last.text] = (level.counts[last.text] ?? 0) - 1;
        if (last.text !== partner) continue;
        pairs.push({ open: last.offset, close: offset });
        break;
      }
    }
  }
  return pairs;
}
