// Places as the protocol counts them (line and character from 0, UTF-16 units, every kind of line end) to places as the compiler does
// (offsets) and back. Knows nothing of what stands there.

import type { Position, Range } from "vscode-languageserver-protocol";
import type { SourceFile, Span } from "../base/source.ts";

const lineStarts = new WeakMap<SourceFile, readonly number[]>();

/**
 * The offsets at which a text's lines start, for an editor: a lone carriage return ends a line there too.
 * **Source:** Language Server Protocol 3.17, "Text Documents": '\n', '\r\n' and '\r' end lines.
 */
function startsOf(source: SourceFile): readonly number[] {
  const known = lineStarts.get(source);
  if (known !== undefined) return known;
  const starts = [0];
  for (const found of source.text.matchAll(/\r\n|\n|\r/g)) starts.push(found.index + found[0].length);
  lineStarts.set(source, starts);
  return starts;
}

/** The number of lines; at least 1. */
export function lineCount(source: SourceFile): number {
  return startsOf(source).length;
}

/** The text of a line (from 0) without its end; empty beyond the last. */
export function lineText(source: SourceFile, line: number): string {
  const starts = startsOf(source);
  const start = starts[line];
  return start === undefined ? "" : source.text.slice(start, starts[line + 1]).replace(/[\r\n]+$/, "");
}

/** The offset at which a line (from 0) starts; the text's end for one past the last. */
export function lineStart(source: SourceFile, line: number): number {
  return startsOf(source)[line] ?? source.text.length;
}

/** The line (from 0) that holds `offset`, which is clamped to the text. */
export function lineAt(source: SourceFile, offset: number): number {
  const starts = startsOf(source);
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The position of an offset, which is clamped to the text. */
export function positionAt(source: SourceFile, offset: number): Position {
  const at = Math.max(0, Math.min(offset, source.text.length));
  const line = lineAt(source, at);
  return { line, character: at - lineStart(source, line) };
}

/** The offset of a position; one behind its line's end is at that end, one behind the last line at the text's. */
export function offsetAt(source: SourceFile, position: Position): number {
  if (position.line < 0) return 0;
  const start = lineStart(source, position.line);
  const length = lineText(source, position.line).length;
  return start + Math.max(0, Math.min(position.character, length));
}

/** The range of a span in its own file. */
export function rangeOf({ file, start, end }: Span): Range {
  return { start: positionAt(file, start), end: positionAt(file, Math.max(start, end)) };
}
