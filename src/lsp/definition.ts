// Where a name was declared: in this file, in one it imports, or in the library. For an import that is the file itself, for a statement
// that the library defines (`forward`) its function.

import type { Analysis } from "../analyse.ts";
import type { SourceFile, Span } from "../base/source.ts";
import { declarationOf, nameAt } from "./names.ts";
import { wordIndexAt, wordsOf } from "./text.ts";

/** A way from a name to what declares it. */
export interface Definition {
  /** The name at the cursor. */
  readonly origin: Span;
  /** All of the declaration. */
  readonly whole: Span;
  /** The declaring name. */
  readonly name: Span;
}

/** The function that a statement of the library's stands for. */
const STATEMENTS: Readonly<Record<string, string>> = { FORWARD: "forward_packet" };

/** What declares the name at an offset of a source; null where nothing does. A declaring name leads to itself. */
export function definitionAt(analysis: Analysis, source: SourceFile, offset: number): Definition | null {
  const found = nameAt(analysis, source, offset);
  if (found === null) return ofStatement(analysis, source, offset);
  const { span, declared, meaning } = found;
  if (declared !== null) return { origin: span, whole: declared.whole, name: declared.name.span };
  if (meaning?.kind !== "file") return null;
  const start = { file: meaning.source, start: 0, end: 0 };
  return { origin: span, whole: start, name: start };
}

function ofStatement(analysis: Analysis, source: SourceFile, offset: number): Definition | null {
  const words = wordsOf(source);
  const word = words[wordIndexAt(words, offset)];
  const name = word === undefined || word.offset > offset ? undefined : STATEMENTS[word.type];
  const decl = name === undefined ? undefined : analysis.context.libraryFunctions.get(name);
  if (word === undefined || decl === undefined) return null;
  const declared = declarationOf(analysis, { kind: "declaration", decl }, decl.name.text);
  const origin = { file: source, start: word.offset, end: word.offset + word.text.length };
  return declared === null ? null : { origin, whole: declared.whole, name: declared.name.span };
}
