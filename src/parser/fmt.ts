// The formatter for people: tidy spaces, indentation and line breaks, words for signs; comments, blank lines and the author's
// grouping stay. What it gives is parsed again and held against the original, so that it can't change what a file means. The
// canonical printer of trees (format.ts) is another thing: it keeps nothing but the tree.

import { InternalError } from "../base/assert.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { SourceFile } from "../base/source.ts";
import { layOut } from "./fmt-layout.ts";
import { readPieces } from "./fmt-pieces.ts";
import { print } from "./fmt-print.ts";
import { formatFile } from "./format.ts";
import { tokenize } from "./lexer.ts";
import { parse, sharedParser } from "./parse.ts";

/** What formatting gives: the whole new text, or null and the faults that stand in its way. */
export interface Formatted {
  readonly text: string | null;
  /** Errors of the syntax; empty when there is a text. */
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Formats a file. Lines end as its first one does (LF or CRLF), the last one too; a byte order mark goes. Formatting the result
 * again changes nothing. A file with syntax errors isn't formatted. Never throws on any text.
 */
export function formatSource(source: SourceFile): Formatted {
  const before = parse(source);
  const errors = before.diagnostics.filter((d) => d.severity === "error");
  if (errors.length > 0) return { text: null, diagnostics: errors };
  const tree = formatFile(before.file);
  const crlf = /^[^\n]*\r\n/.test(source.text);
  // The second manner leaves every line and semicolon where it is: for what means something else when it is joined.
  for (const asWritten of [false, true]) {
    const pieces = readPieces(source, asWritten);
    const text = print(pieces, layOut(pieces, asWritten), asWritten);
    if (saysTheSame(source, tree, new SourceFile(source.path, text))) {
      return { text: crlf ? text.replaceAll("\n", "\r\n") : text, diagnostics: [] };
    }
  }
  throw new InternalError("the formatted text isn't what it was made of");
}

function saysTheSame(source: SourceFile, tree: string, result: SourceFile): boolean {
  const [left, right] = [meaningOf(source), meaningOf(result)];
  if (left.length !== right.length || left.some((word, i) => word !== right[i])) return false;
  const { file, diagnostics } = parse(result);
  return diagnostics.every((d) => d.severity !== "error") && formatFile(file) === tree;
}

const WORDS: ReadonlyMap<string, string> = new Map([
  ["&&", "and"],
  ["||", "or"],
  ["!", "not"],
]);

/** Tokens and comments in their order, signs as words, without semicolons. */
function meaningOf(source: SourceFile): string[] {
  const words: string[] = [];
  let at = 0;
  const addComments = (end: number): void => {
    for (const [comment] of source.text.slice(at, end).matchAll(/#[^\r\n]*/g)) words.push(comment.trimEnd());
  };
  for (const token of tokenize(sharedParser().lexer, source, [])) {
    addComments(token.startOffset);
    at = token.startOffset + token.image.length;
    if (token.image !== ";") words.push(WORDS.get(token.image) ?? token.image);
  }
  addComments(source.text.length);
  return words;
}
