// Source text and places in it. A span is a half-open range of UTF-16 offsets in one file; lines and columns are
// computed only when something is shown. The lowest layer: it may know nothing of tokens or rules.

/** A place in a text as people count it: both from 1; the column counts UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** One source text with its name. `path` is shown to people and written to line info; it need not exist on a disk. */
export class SourceFile {
  readonly path: string;
  readonly text: string;
  #lineStarts: number[] | undefined;

  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
  }

  /** The number of lines; a text that ends in a line break has an empty last line. */
  get lineCount(): number {
    return this.#starts().length;
  }

  /** The line and column of `offset`, which is clamped to the text. */
  positionAt(offset: number): Position {
    const starts = this.#starts();
    const at = Math.max(0, Math.min(offset, this.text.length));
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= at) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: at - (starts[low] ?? 0) + 1 };
  }

  /** The offset at which a line (counted from 1) starts; the text's end for a line past the last. */
  lineStart(line: number): number {
    return this.#starts()[line - 1] ?? this.text.length;
  }

  /** The text of a line (counted from 1) without its line break. */
  lineText(line: number): string {
    const start = this.lineStart(line);
    const end = this.#starts()[line] ?? this.text.length + 1;
    return this.text.slice(start, end - 1).replace(/\r$/, "");
  }

  #starts(): number[] {
    if (this.#lineStarts === undefined) {
      const starts = [0];
      for (let i = this.text.indexOf("\n"); i !== -1; i = this.text.indexOf("\n", i + 1)) starts.push(i + 1);
      this.#lineStarts = starts;
    }
    return this.#lineStarts;
  }
}

/** A half-open range [start, end) of UTF-16 offsets in `file`. */
export interface Span {
  readonly file: SourceFile;
  readonly start: number;
  readonly end: number;
}

/** The smallest span that holds both; both must lie in the same file (else the first is returned). */
export function cover(a: Span, b: Span): Span {
  if (a.file !== b.file) return a;
  return { file: a.file, start: Math.min(a.start, b.start), end: Math.max(a.end, b.end) };
}

/** The source text a span covers. */
export function textOf(span: Span): string {
  return span.file.text.slice(span.start, span.end);
}
