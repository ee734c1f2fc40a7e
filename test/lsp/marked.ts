// Texts with marks for tests of the editor's features: `‸` is a cursor, `⟦…⟧` a range that is expected. None of these signs is in the
// language.

import type { Position, Range } from "vscode-languageserver-protocol";
import { SourceFile } from "../../src/base/source.ts";
import { positionAt, rangeOf } from "../../src/lsp/ranges.ts";
import { parse } from "../../src/parser/parse.ts";

/** A marked text without its marks, and where they were. */
export interface Marked {
  readonly text: string;
  readonly source: SourceFile;
  /** Offsets of the cursors, in order. */
  readonly offsets: readonly number[];
  /** The first cursor's position; the text's start where there is none. */
  readonly position: Position;
  readonly positions: readonly Position[];
  /** The ranges in brackets, in the order in which they begin. */
  readonly ranges: readonly Range[];
}

/** Takes the marks out of a text. */
export function marked(withMarks: string, path = "test.xdp"): Marked {
  let text = "";
  const offsets: number[] = [];
  const spans: { start: number; end: number }[] = [];
  const open: { start: number; end: number }[] = [];
  for (const character of withMarks) {
    if (character === "‸") offsets.push(text.length);
    else if (character === "⟦") {
      const span = { start: text.length, end: text.length };
      spans.push(span);
      open.push(span);
    } else if (character === "⟧") {
      const span = open.pop();
      if (span === undefined) throw new Error("a range's end without its start");
      span.end = text.length;
    } else text += character;
  }
  const source = new SourceFile(path, text);
  const positions = offsets.map((offset) => positionAt(source, offset));
  const ranges = spans.map((span) => rangeOf({ file: source, ...span }));
  return { text, source, offsets, position: positions[0] ?? { line: 0, character: 0 }, positions, ranges };
}

/** The syntax tree of a source. */
export function treeOf(source: SourceFile): ReturnType<typeof parse>["file"] {
  return parse(source).file;
}

/** The text of a range. */
export function textIn(source: SourceFile, range: Range): string {
  const at = (position: Position): number => offsetIn(source, position);
  return source.text.slice(at(range.start), at(range.end));
}

/** An offset reckoned anew from the text alone, so that a fault in ranges.ts can't hide behind itself. */
function offsetIn(source: SourceFile, { line, character }: Position): number {
  const lines = source.text.split(/(?<=\r\n|\n|\r(?!\n))/);
  return lines.slice(0, line).reduce((sum, text) => sum + text.length, 0) + character;
}

/** A text after edits, which must not overlap. */
export function applied(
  source: SourceFile,
  edits: readonly { readonly range: Range; readonly newText: string }[],
): string {
  const changes = edits
    .map(({ range, newText }) => ({ start: offsetIn(source, range.start), end: offsetIn(source, range.end), newText }))
    .sort((a, b) => a.start - b.start || a.end - b.end);
  let text = "";
  let at = 0;
  for (const change of changes) {
    if (change.start < at || change.end < change.start) throw new Error("edits overlap");
    text += source.text.slice(at, change.start) + change.newText;
    at = change.end;
  }
  return text + source.text.slice(at);
}
