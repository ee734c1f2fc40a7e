// The formatter's last step: pieces with their lines become text. Comments behind code stand in one column as long as their lines
// follow each other; the columns of hand-made tables of declarations are kept. Decides nothing about where lines end.

import { gapBefore, type Layout } from "./fmt-layout.ts";
import type { Comment, Piece, Pieces } from "./fmt-pieces.ts";

/** One line: code, a comment, or both. */
interface Line {
  readonly indent: number;
  readonly blankBefore: boolean;
  /** Its pieces, from `from` up to `to`; none for a line that is a comment. */
  readonly from: number;
  readonly to: number;
  comment: string | null;
  /** Spaces the author left before `comment`. */
  commentSpaces: number;
}

/** More spaces than this before a comment aren't a column. */
const WIDEST_GAP = 100;

/** Prints a file; lines end with "\n", the last one too. `keepSemicolons`: also those at a line's end. */
export function print(file: Pieces, layout: Layout, keepSemicolons: boolean): string {
  const lines = linesOf(file, layout);
  const extra = tableColumns(file.pieces, lines);
  const codes = lines.map((line) => codeOf(file.pieces, line, extra, keepSemicolons));
  let text = "";
  for (let i = 0; i < lines.length; ) {
    const run = runLength(lines, i);
    const width = commentColumn(lines.slice(i, i + run), codes.slice(i, i + run));
    for (const end = i + run; i < end; i++) {
      const [line, code] = [lines[i], codes[i] ?? ""];
      if (line === undefined) continue;
      if (line.blankBefore && text !== "") text += "\n";
      const comment = line.comment === null ? "" : code === "" ? line.comment : `  ${line.comment}`;
      const column = code === "" || line.comment === null ? code : code.padEnd(width);
      text += `${" ".repeat(line.indent)}${column}${comment}\n`;
    }
  }
  return text;
}

/** The width that the code of a run of lines is brought to, two spaces before its comments: the author's column where there is one. */
function commentColumn(lines: readonly Line[], codes: readonly string[]): number {
  const places = lines.map((line, i) => (codes[i] ?? "").length + line.commentSpaces);
  const isColumn = places.every((place) => place === places[0]);
  const isWide = lines.every(({ commentSpaces }) => commentSpaces >= 2 && commentSpaces <= WIDEST_GAP);
  return isColumn && isWide ? (places[0] ?? 0) - 2 : Math.max(...codes.map((code) => code.length));
}

/** How many lines from `i` on have their comments in one column; at least 1. */
function runLength(lines: readonly Line[], i: number): number {
  const first = lines[i];
  let count = 1;
  if (first === undefined || first.comment === null || first.from === first.to) return count;
  for (;;) {
    const next = lines[i + count];
    if (next === undefined || next.comment === null || next.from === next.to || next.blankBefore) return count;
    if (next.indent !== first.indent) return count;
    count += 1;
  }
}

function linesOf(file: Pieces, layout: Layout): Line[] {
  const { pieces } = file;
  const lines: Line[] = [];
  const addComments = (comments: readonly Comment[], indent: number, mayBeBlank: boolean): void => {
    for (const [i, { text, ownLine, blankBefore, spaces }] of comments.entries()) {
      const previous = lines.at(-1);
      if (!ownLine && i === 0 && previous !== undefined && previous.comment === null) {
        previous.comment = text;
        previous.commentSpaces = spaces;
      } else {
        const blank = blankBefore && (i > 0 || mayBeBlank);
        lines.push({ indent, blankBefore: blank, from: 0, to: 0, comment: text, commentSpaces: 0 });
      }
    }
  };
  for (let from = 0; from < pieces.length; ) {
    const piece = pieces[from];
    if (piece === undefined) break;
    let to = from + 1;
    while (to < pieces.length && layout.breaks[to] === 0) to += 1;
    const before = pieces[from - 1];
    const opens = before !== undefined && /^[{([]$/.test(before.text);
    addComments(piece.comments, layout.commentIndents[from] ?? 0, from > 0 && !opens);
    const indent = layout.indents[from] ?? 0;
    const blankBefore = (layout.breaks[from] ?? 0) > 1 || isBlankAtTop(piece, from);
    lines.push({ indent, blankBefore, from, to, comment: null, commentSpaces: 0 });
    from = to;
  }
  addComments(file.last, 0, true);
  return lines;
}

// The file's first piece has no break before it, but perhaps comments and a blank line.
function isBlankAtTop(piece: Piece, from: number): boolean {
  return from === 0 && piece.comments.length > 0 && piece.breaks > 1;
}

function codeOf(pieces: readonly Piece[], line: Line, extra: readonly number[], keepSemicolons: boolean): string {
  let code = "";
  for (let i = line.from; i < line.to; i++) {
    const piece = pieces[i];
    if (piece === undefined) break;
    const isLast = i === line.to - 1 && i > line.from;
    if (isLast && piece.text === ";" && piece.rule !== "arm" && !keepSemicolons) break;
    if (i > line.from) code += " ".repeat(gapBefore(pieces, i) + (extra[i] ?? 0));
    code += piece.text;
  }
  return code;
}

// --------------------------------------------------------------------------------------------------------------- tables

/** What stands in columns in hand-made tables, in the order of a line; each is looked for once, at the line's first item. */
const COLUMNS: readonly ((piece: Piece, i: number, line: Line) => boolean)[] = [
  (piece, i, line) => i === line.from + 1 && /^[A-Z_]+$/.test(piece.type) && piece.rule.endsWith("Decl"),
  (piece) =>
    piece.text === ":" && (piece.rule.endsWith("Decl") || piece.rule === "structField" || piece.rule === "headerField"),
  (piece) => piece.text === "{" && piece.rule === "structBody",
  (piece) => piece.text === "=>" && piece.rule === "arm",
  (piece) =>
    piece.text === "=" && (piece.rule.endsWith("Decl") || piece.rule === "letStmt" || piece.rule === "assignOrCall"),
];

/** Spaces to be added before pieces so that columns which the author made of neighbouring lines stay columns. */
function tableColumns(pieces: readonly Piece[], lines: readonly Line[]): number[] {
  const extra: number[] = [];
  const written = lines.map((line) => COLUMNS.map((isColumn) => columnIn(pieces, line, isColumn)));
  for (const column of COLUMNS.keys()) {
    // By line: the place of its piece in the line as printed so far, with the spaces that were written.
    const places = lines.map((line, i) => {
      const at = written[i]?.[column] ?? null;
      return at === null ? null : widthBefore(pieces, line, at, extra) + (pieces[at]?.spaces ?? 0);
    });
    for (const [i, place] of places.entries()) {
      const at = written[i]?.[column] ?? null;
      const spaces = at === null ? 0 : (pieces[at]?.spaces ?? 0);
      if (place === null || at === null || spaces < 2) continue;
      const agrees = (other: number): boolean =>
        places[other] === place &&
        lines[Math.max(i, other)]?.blankBefore === false &&
        lines[other]?.indent === lines[i]?.indent;
      if (agrees(i - 1) || agrees(i + 1)) extra[at] = spaces - gapBefore(pieces, at);
    }
  }
  return extra;
}

function columnIn(pieces: readonly Piece[], line: Line, isColumn: (typeof COLUMNS)[number]): number | null {
  for (let i = line.from + 1; i < line.to; i++) {
    const piece = pieces[i];
    if (piece === undefined || piece.starts !== null) return null;
    if (isColumn(piece, i, line)) return i;
    // Beyond these the line is prose of its own.
    if (piece.text === "{" || piece.text === ";") return null;
  }
  return null;
}

function widthBefore(pieces: readonly Piece[], line: Line, at: number, extra: readonly number[]): number {
  let width = 0;
  for (let i = line.from; i < at; i++) {
    if (i > line.from) width += gapBefore(pieces, i) + (extra[i] ?? 0);
    width += pieces[i]?.text.length ?? 0;
  }
  return width;
}
