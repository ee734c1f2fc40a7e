// Diagnostics for people and for programs: one drawing in the manner of compilers that show the source, one plain object
// for JSON. Lines are cut to a width around what is marked; columns are counted as terminals draw them. Knows only
// diagnostics and source text, no codes and no phases.

import type { Diagnostic, Label, Severity } from "./diagnostic.ts";
import type { SourceFile, Span } from "./source.ts";

/** How a diagnostic is drawn. */
export interface RenderOptions {
  /** Whether to use ANSI colours. */
  readonly color: boolean;
  /** The number of columns that source lines may take, gutter included; 100 unless given, at least 40. */
  readonly width?: number;
}

/** A diagnostic as a plain object: what `--json` prints, one per line. Lines and columns count from 1, ends are exclusive. */
export interface JsonDiagnostic {
  readonly code: string;
  readonly severity: Severity;
  readonly message: string;
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
  readonly endLine: number | null;
  readonly endColumn: number | null;
  readonly label: string | null;
  readonly secondary: readonly (JsonPlace & { readonly label: string })[];
  readonly notes: readonly string[];
  readonly help: string | null;
  readonly fix: {
    readonly title: string;
    readonly edits: readonly (JsonPlace & { readonly newText: string })[];
  } | null;
}

/** A place in a file as JSON has it. */
export interface JsonPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

/** Turns a diagnostic into the object that is printed as JSON; its keys and their meaning are stable. */
export function diagnosticToJson(d: Diagnostic): JsonDiagnostic {
  const place = d.primary === null ? null : jsonPlace(d.primary.span);
  return {
    code: d.code,
    severity: d.severity,
    message: d.message,
    file: place?.file ?? null,
    line: place?.line ?? null,
    column: place?.column ?? null,
    endLine: place?.endLine ?? null,
    endColumn: place?.endColumn ?? null,
    label: d.primary === null || d.primary.text === "" ? null : d.primary.text,
    secondary: d.secondary.map((label) => ({ ...jsonPlace(label.span), label: label.text })),
    notes: d.notes,
    help: d.help,
    fix:
      d.fix === null
        ? null
        : { title: d.fix.title, edits: d.fix.edits.map((e) => ({ ...jsonPlace(e.span), newText: e.newText })) },
  };
}

function jsonPlace(span: Span): JsonPlace {
  const start = span.file.positionAt(span.start);
  const end = span.file.positionAt(span.end);
  return { file: span.file.path, line: start.line, column: start.column, endLine: end.line, endColumn: end.column };
}

/** Draws a diagnostic over several lines, without a line break at the end. */
export function renderDiagnostic(d: Diagnostic, options: RenderOptions): string {
  const paint = options.color ? colored : plain;
  const width = Math.max(40, options.width ?? 100);
  const lines = [`${paint(d.severity, `${d.severity}[${d.code}]`)}${paint("bold", `: ${d.message}`)}`];
  const groups = groupByFile(d);
  const gutter = gutterWidth(groups);
  for (const [i, group] of groups.entries()) {
    const { line, column } = group.file.positionAt(group.anchor.start);
    const arrow = i === 0 ? "-->" : ":::";
    lines.push(`${" ".repeat(gutter)}${paint("gutter", arrow)} ${group.file.path}:${line}:${column}`);
    lines.push(...drawGroup(group, gutter, width, d.severity, paint));
  }
  const indent = " ".repeat(gutter + 1);
  const trailer = (word: string, text: string): void => {
    const [first = "", ...rest] = text.split("\n");
    lines.push(`${indent}${paint("gutter", "=")} ${paint("bold", `${word}:`)} ${first}`);
    for (const more of rest) lines.push(`${indent}  ${" ".repeat(word.length + 2)}${more}`);
  };
  if (groups.length > 0 && (d.notes.length > 0 || d.help !== null)) lines.push(`${indent}${paint("gutter", "|")}`);
  for (const note of d.notes) trailer("note", note);
  if (d.help !== null) trailer("help", d.help);
  if (d.fix !== null) lines.push(...drawFix(d.fix, gutter, width, paint));
  return lines.join("\n");
}

// --------------------------------------------------------------------------------------------------------------- colour

type Style = Severity | "bold" | "gutter" | "secondary" | "added";
type Paint = (style: Style, text: string) => string;

const sgr: Readonly<Record<Style, string>> = {
  error: "1;31",
  warning: "1;33",
  note: "1;36",
  bold: "1",
  gutter: "1;34",
  secondary: "1;34",
  added: "32",
};

function colored(style: Style, text: string): string {
  return text === "" ? "" : `\u001b[${sgr[style]}m${text}\u001b[0m`;
}

function plain(_style: Style, text: string): string {
  return text;
}

// --------------------------------------------------------------------------------------------------------------- groups

interface Mark {
  readonly label: Label;
  readonly primary: boolean;
}

interface Group {
  readonly file: SourceFile;
  readonly anchor: Span;
  readonly marks: Mark[];
}

/** The marks of each file, the primary's file first. */
function groupByFile(d: Diagnostic): Group[] {
  const marks: Mark[] = d.primary === null ? [] : [{ label: d.primary, primary: true }];
  for (const label of d.secondary) marks.push({ label, primary: false });
  const groups: Group[] = [];
  for (const mark of marks) {
    const { file } = mark.label.span;
    const group = groups.find((g) => g.file === file);
    if (group === undefined) groups.push({ file, anchor: mark.label.span, marks: [mark] });
    else group.marks.push(mark);
  }
  return groups;
}

function gutterWidth(groups: readonly Group[]): number {
  const ends = groups.flatMap((g) => g.marks.map((m) => g.file.positionAt(m.label.span.end).line));
  return String(Math.max(1, ...ends)).length;
}

/** A part of one line that is marked. Offsets are into the line's text. */
interface Piece {
  readonly line: number;
  readonly start: number;
  readonly end: number;
  readonly mark: Mark;
  /** The label's text; empty where another line of the same span carries it. */
  readonly text: string;
}

/** A span over several lines is marked where it starts and where it ends; its label stands at the end. */
function piecesOf(file: SourceFile, mark: Mark): Piece[] {
  const start = file.positionAt(mark.label.span.start);
  let end = file.positionAt(mark.label.span.end);
  // A span that takes a line break with it ends on the line before.
  if (end.line > start.line && end.column === 1) {
    const line = end.line - 1;
    end = { line, column: file.lineText(line).length + 1 };
  }
  const { text } = mark.label;
  if (start.line === end.line) {
    return [{ line: start.line, start: start.column - 1, end: end.column - 1, mark, text }];
  }
  const last = file.lineText(end.line);
  return [
    { line: start.line, start: start.column - 1, end: file.lineText(start.line).length, mark, text: "" },
    { line: end.line, start: last.length - last.trimStart().length, end: end.column - 1, mark, text },
  ];
}

function drawGroup(group: Group, gutter: number, width: number, severity: Severity, paint: Paint): string[] {
  const pieces = group.marks.flatMap((mark) => piecesOf(group.file, mark));
  const numbers = [...new Set(pieces.map((p) => p.line))].sort((a, b) => a - b);
  const bar = `${" ".repeat(gutter + 1)}${paint("gutter", "|")}`;
  const lines = [bar];
  let previous = 0;
  for (const number of numbers) {
    if (previous !== 0 && number === previous + 2)
      lines.push(...drawLine(group.file, previous + 1, [], gutter, width, severity, paint));
    else if (previous !== 0 && number > previous + 1) lines.push(paint("gutter", "..."));
    const here = pieces.filter((p) => p.line === number);
    lines.push(...drawLine(group.file, number, here, gutter, width, severity, paint));
    previous = number;
  }
  return lines;
}

// ---------------------------------------------------------------------------------------------------------------- lines

const TAB = 4;
const CUT = "…";

/** A source line as terminals draw it. */
interface DrawnLine {
  readonly text: string;
  /** The first and one past the last column of a part of the line, given by its offsets. */
  columns(start: number, end: number): { readonly from: number; readonly to: number };
}

/** Expands tabs, spells out control characters and cuts the line to `room` columns around offsets [from, to). */
function drawSource(source: string, from: number, to: number, room: number): DrawnLine {
  // Lines of megabytes are common in hostile input: only what can be shown is looked at.
  const first = source.length > room ? Math.max(0, from - (room >> 1)) : 0;
  const cells: { text: string; width: number; offset: number }[] = [];
  let column = 0;
  let offset = first;
  const budget = room - 2;
  let cutEnd = false;
  const firstCut = first > 0;
  const least = Math.min(to, from + (room >> 1));
  for (const character of source.slice(first, first + 4 * room)) {
    const cell = drawCharacter(character, column);
    if (column + cell.width > budget && offset >= least) {
      cutEnd = true;
      break;
    }
    if (column + cell.width > 2 * room) {
      cutEnd = true;
      break;
    }
    cells.push({ ...cell, offset });
    column += cell.width;
    offset += character.length;
  }
  cutEnd ||= offset < source.length;
  const lead = firstCut ? 1 : 0;
  const columnOf = (at: number): number => {
    if (at <= first && firstCut && at < first) return 0;
    let sum = lead;
    for (const cell of cells) {
      if (cell.offset >= at) return sum;
      sum += cell.width;
    }
    return at >= offset ? sum + Math.min(1, Math.max(0, at - offset)) * (cutEnd ? 1 : 0) : sum;
  };
  return {
    text: (firstCut ? CUT : "") + cells.map((c) => c.text).join("") + (cutEnd ? CUT : ""),
    columns: (start, end) => ({ from: columnOf(start), to: columnOf(end) }),
  };
}

function drawCharacter(character: string, column: number): { text: string; width: number } {
  if (character === "\t") {
    const width = TAB - (column % TAB);
    return { text: " ".repeat(width), width };
  }
  const code = character.codePointAt(0) ?? 0;
  // Control characters, direction marks and lone surrogates must not reach a terminal.
  if (
    code < 0x20 ||
    (code >= 0x7f && code < 0xa0) ||
    /[\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]/u.test(character)
  ) {
    return { text: "\ufffd", width: 1 };
  }
  return { text: character, width: characterWidth(code) };
}

/** How many columns terminals give a character: 0 for combining marks, 2 for East Asian wide ones and emoji. */
function characterWidth(code: number): number {
  if (code < 0x300) return 1;
  if (/^\p{Mn}$/u.test(String.fromCodePoint(code)) || (code >= 0xfe00 && code <= 0xfe0f)) return 0;
  const wide =
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0x303e) ||
    (code >= 0x3041 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x1f300 && code <= 0x1faff) ||
    (code >= 0x20000 && code <= 0x3fffd);
  return wide ? 2 : 1;
}

function drawLine(
  file: SourceFile,
  number: number,
  pieces: readonly Piece[],
  gutter: number,
  width: number,
  severity: Severity,
  paint: Paint,
): string[] {
  const source = file.lineText(number);
  const main = pieces.find((p) => p.mark.primary) ?? pieces[0];
  const drawn = drawSource(source, main?.start ?? 0, main?.end ?? 0, width - gutter - 3);
  const head = paint("gutter", `${String(number).padStart(gutter)} |`);
  const lines = [`${head}${drawn.text === "" ? "" : ` ${drawn.text}`}`];
  const bar = `${" ".repeat(gutter + 1)}${paint("gutter", "|")}`;
  const placed = pieces
    .map((piece) => {
      const { from, to } = drawn.columns(piece.start, Math.max(piece.end, piece.start));
      return { piece, from, to: Math.max(to, from + 1) };
    })
    .sort((a, b) => a.from - b.from || a.to - b.to);
  if (placed.length === 0) return lines;
  const style = (piece: Piece): Style => (piece.mark.primary ? severity : "secondary");
  // The signs, with the primary's drawn over the others'.
  const signs: { sign: string; style: Style }[] = [];
  for (const over of [false, true]) {
    for (const { piece, from, to } of placed.filter((p) => p.piece.mark.primary === over)) {
      for (let i = from; i < to; i++) signs[i] = { sign: over ? "^" : "-", style: style(piece) };
    }
  }
  const last = placed.findLast((p) => p.piece.text !== "");
  const inline = last !== undefined && placed.every((p) => p === last || p.to <= last.to) ? last : undefined;
  const tail = inline === undefined ? "" : ` ${paint(style(inline.piece), inline.piece.text)}`;
  lines.push(`${bar} ${drawSigns(signs, paint)}${tail}`);
  // The other labels hang below, the rightmost first.
  const hanging = placed.filter((p) => p.piece.text !== "" && p !== inline).reverse();
  for (const [i, { piece, from }] of hanging.entries()) {
    const rest = hanging.slice(i + 1);
    const verticals = (upTo: number): string => {
      let row = "";
      let column = 0;
      for (const other of [...rest].reverse()) {
        if (other.from >= upTo || other.from < column) continue;
        row += `${" ".repeat(other.from - column)}${paint(style(other.piece), "|")}`;
        column = other.from + 1;
      }
      return row + " ".repeat(Math.max(0, upTo - column));
    };
    if (i === 0) lines.push(`${bar} ${verticals(from)}${paint(style(piece), "|")}`);
    lines.push(`${bar} ${verticals(from)}${paint(style(piece), piece.text)}`);
  }
  return lines;
}

function drawSigns(signs: readonly ({ sign: string; style: Style } | undefined)[], paint: Paint): string {
  let row = "";
  let run = "";
  let style: Style | null = null;
  for (let i = 0; i <= signs.length; i++) {
    const cell = signs[i];
    if (cell?.style !== style || i === signs.length) {
      row += style === null ? run : paint(style, run);
      run = "";
      style = cell?.style ?? null;
    }
    if (i < signs.length) run += cell?.sign ?? " ";
  }
  return row;
}

// ------------------------------------------------------------------------------------------------------------------ fix

/** Shows the first lines a fix changes, as they will be. */
function drawFix(fix: NonNullable<Diagnostic["fix"]>, gutter: number, width: number, paint: Paint): string[] {
  const [first] = fix.edits;
  const indent = " ".repeat(gutter + 1);
  const title = `${indent}${paint("gutter", "=")} ${paint("bold", "fix:")} ${fix.title}`;
  if (first === undefined) return [title];
  const { file } = first.span;
  const edits = fix.edits.filter((e) => e.span.file === file).toSorted((a, b) => a.span.start - b.span.start);
  const startLine = file.positionAt(edits[0]?.span.start ?? 0).line;
  const endLine = file.positionAt(edits.at(-1)?.span.end ?? 0).line;
  if (endLine - startLine > 5) return [title];
  const from = file.lineStart(startLine);
  const to = file.lineStart(endLine) + file.lineText(endLine).length;
  // Very long lines say nothing in a preview, and a fix that repeats them costs more than it tells.
  if (to - from > 10 * width) return [title];
  let text = "";
  let at = from;
  for (const edit of edits) {
    text += file.text.slice(at, edit.span.start) + edit.newText;
    at = Math.max(at, edit.span.end);
  }
  text += file.text.slice(at, to);
  const lines = [title, `${indent}${paint("gutter", "|")}`];
  const changedAt = (edits[0]?.span.start ?? from) - from;
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const focus = i === 0 ? changedAt : 0;
    const drawn = drawSource(line, focus, focus, width - gutter - 3);
    const number = String(startLine + i).padStart(gutter);
    lines.push(`${paint("gutter", number)} ${paint("added", `+ ${drawn.text}`)}`);
  }
  return lines;
}
