// Formatting for an editor: what xdpc fmt would do, as the fewest edits, so that cursors, folds and marks elsewhere stay. A range or a typed
// sign formats in the midst of work: what can't be parsed is left alone and the sound text around it still formatted. The style is one for
// all; an editor's tab size isn't asked.

import type { Position, Range, TextEdit } from "vscode-languageserver-protocol";
import { SourceFile } from "../base/source.ts";
import type * as ast from "../parser/ast.ts";
import { formatSource } from "../parser/fmt.ts";
import { lineAt, lineStart, lineText, offsetAt, rangeOf } from "./ranges.ts";
import { bracketPairs, commentsOf, wordIndexAt, wordsOf } from "./text.ts";

/** What is typed to have the text around it formatted. */
export const TYPED_SIGNS = ["}", "\n"] as const;

const STEP = 4;

/** A change of the text between two words. */
interface Change {
  readonly start: number;
  readonly end: number;
  readonly newText: string;
}

/** The edits that format a whole file; none when it has syntax errors, as its diagnostics say. */
export function formatDocument(source: SourceFile): TextEdit[] {
  return editsOf(source, changesOf(source, 0, source.text.length) ?? []);
}

/** The edits that format the lines a range touches, as far as what surrounds them can be parsed. */
export function formatRange(file: ast.File, range: Range): TextEdit[] {
  const { source } = file;
  const first = offsetAt(source, range.start);
  const last = offsetAt(source, range.end);
  // A selection that ends at a line's start doesn't mean that line.
  const endLine = lineAt(source, Math.max(first, range.end.character === 0 ? last - 1 : last));
  const start = lineStart(source, lineAt(source, first));
  const end = lineStart(source, endLine) + lineText(source, endLine).length;
  const changes = soundChanges(file, start, end) ?? [];
  return editsOf(
    source,
    changes.filter((change) => change.start >= start && change.end <= end),
  );
}

/**
 * The edits behind a typed sign, which stands before `position`: a closing brace formats what it closes, a line break the line it ends, and
 * indents the one it begins. Nothing else of the text changes.
 */
export function formatOnType(file: ast.File, position: Position, typed: string): TextEdit[] {
  const { source } = file;
  if (typed === "}") return editsOf(source, behindBrace(file, offsetAt(source, position)));
  if (typed === "\n") return editsOf(source, behindLineBreak(file, position.line));
  return [];
}

function behindBrace(file: ast.File, offset: number): readonly Change[] {
  const { source } = file;
  const close = offset - 1;
  const pair = bracketPairs(source).find((candidate) => candidate.close === close && source.text[close] === "}");
  if (pair === undefined) return [];
  const openLine = lineAt(source, pair.open);
  const start = lineStart(source, openLine);
  const changes = soundChanges(file, start, offset);
  if (changes !== null) return changes.filter((change) => change.start >= start && change.end <= close);
  // Broken text around: the brace goes below the line that opened it.
  const line = lineAt(source, close);
  const isFirst = /^[ \t]*\}/.test(lineText(source, line));
  return isFirst && line > openLine ? indented(source, line, indentOf(lineText(source, openLine))) : [];
}

function behindLineBreak(file: ast.File, line: number): readonly Change[] {
  const { source } = file;
  if (line === 0) return [];
  const [start, end] = [lineStart(source, line - 1), lineStart(source, line)];
  const ended = soundChanges(file, start, end) ?? [];
  const textEnd = start + lineText(source, line - 1).length;
  const before = ended.filter((change) => change.start >= start && change.end <= textEnd);
  // Edits above must not have moved what the new line hangs on: its indentation is worked out from the text as it will be.
  const ofEnded = before.find((change) => change.start === start && /^[ \t]*$/.test(change.newText));
  const shift = ofEnded === undefined ? 0 : ofEnded.newText.length - (ofEnded.end - ofEnded.start);
  return [...before, ...indented(source, line, indentOfNewLine(source, line, shift))];
}

/** The columns before a line that has just begun; `shift`: how far the line before it moves. */
function indentOfNewLine(source: SourceFile, line: number, shift: number): number {
  const words = wordsOf(source);
  const start = lineStart(source, line);
  const open: number[] = [];
  for (const word of words) {
    if (word.offset >= start) break;
    if ("([{".includes(word.text)) open.push(word.offset);
    else if (")]}".includes(word.text)) open.pop();
  }
  const shifted = (at: number): number => indentOf(lineText(source, at)) + (at === line - 1 ? shift : 0);
  const opening = open.at(-1);
  const base = opening === undefined ? 0 : shifted(lineAt(source, opening));
  if (/^[ \t]*[)\]}]/.test(lineText(source, line))) return base;
  const inside = opening === undefined ? 0 : base + STEP;
  const last = words[wordIndexAt(words, start) - 1];
  const isBodyNext = /^(?:then|else|=>)$/.test(last?.text ?? "") && (last?.offset ?? 0) >= lineStart(source, line - 1);
  return isBodyNext ? shifted(line - 1) + STEP : inside;
}

function indented(source: SourceFile, line: number, columns: number): Change[] {
  const start = lineStart(source, line);
  const present = /^[ \t]*/.exec(lineText(source, line))?.[0] ?? "";
  const newText = " ".repeat(columns);
  return present === newText ? [] : [{ start, end: start + present.length, newText }];
}

/** The columns before a line's first sign; a tab reaches to the next multiple of the step. */
function indentOf(text: string): number {
  let columns = 0;
  for (const character of text) {
    if (character === " ") columns += 1;
    else if (character === "\t") columns += STEP - (columns % STEP);
    else break;
  }
  return columns;
}

// ------------------------------------------------------------------------------------------------------------- sound text

/** Items on either side that are formatted with a place: tables and columns of comments seldom reach farther. */
const MOST_AROUND = 40;

/**
 * The changes that format the items at [start, end), with their neighbours up to the next blank lines: items of a file stand for
 * themselves, and nothing beyond a blank line has a say in where a column is. null when they can't be parsed.
 */
function soundChanges({ source, items }: ast.File, start: number, end: number): readonly Change[] | null {
  if (start === 0 && end === source.text.length) return changesOf(source, start, end);
  const own = itemsAt(items, start, end);
  const alone = wholeLines(source, items, own, start, end);
  const around = wholeLines(source, items, withNeighbours(source, items, own), start, end);
  return changesOf(source, around.start, around.end) ?? changesOf(source, alone.start, alone.end);
}

/** Items from `first` up to `last`, which isn't one of them. */
interface Items {
  readonly first: number;
  readonly last: number;
}

function itemsAt(items: ast.File["items"], start: number, end: number): Items {
  const first = items.findIndex(({ span }) => span.end >= start);
  if (first === -1) return { first: items.length, last: items.length };
  const behind = items.findIndex(({ span }) => span.start > end);
  return { first, last: behind === -1 ? items.length : Math.max(first, behind) };
}

function withNeighbours(source: SourceFile, items: ast.File["items"], own: Items): Items {
  let { first, last } = own;
  const isBlankBetween = (before: number): boolean => {
    const [a, b] = [items[before], items[before + 1]];
    if (a === undefined || b === undefined) return true;
    return /\n[ \t\r]*\n/.test(source.text.slice(a.span.end, b.span.start));
  };
  while (first > 0 && own.first - first < MOST_AROUND && !isBlankBetween(first - 1)) first -= 1;
  while (last < items.length && last - own.last < MOST_AROUND && !isBlankBetween(last - 1)) last += 1;
  return { first, last };
}

/** The lines that hold a range and items, and every other item that has a part of them. */
function wholeLines(
  source: SourceFile,
  items: ast.File["items"],
  { first, last }: Items,
  start: number,
  end: number,
): { readonly start: number; readonly end: number } {
  const lineEnd = (offset: number): number => {
    const line = lineAt(source, offset);
    return lineStart(source, line) + lineText(source, line).length;
  };
  let from = lineStart(source, lineAt(source, Math.min(start, items[first]?.span.start ?? start)));
  let to = lineEnd(Math.max(end, items[last - 1]?.span.end ?? end));
  // A list (`counter a, b`) is an item for each name.
  const isCut = (text: string): boolean => /,\s*$/.test(text);
  for (let i = first - 1; i >= 0; i--) {
    const { span } = items[i] as ast.Stmt;
    if (span.end <= from && !isCut(source.text.slice(span.end, from))) break;
    from = lineStart(source, lineAt(source, Math.min(from, span.start)));
  }
  for (let i = last; i < items.length; i++) {
    const { span } = items[i] as ast.Stmt;
    if (span.start >= to && !isCut(source.text.slice(items[i - 1]?.span.end ?? to, span.start))) break;
    to = lineEnd(Math.max(to, span.end));
  }
  return { start: from, end: to };
}

// ------------------------------------------------------------------------------------------------------------------- edits

/** One word or comment, as the formatter may print it. */
interface Element {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** What the text from `from` to `to` needs to be formatted, in order; null when it has syntax errors. */
function changesOf(source: SourceFile, from: number, to: number): Change[] | null {
  const isWhole = from === 0 && to === source.text.length;
  const part = isWhole ? source : new SourceFile(source.path, source.text.slice(from, to));
  const { text } = formatSource(part);
  if (text === null) return null;
  const formatted = new SourceFile(source.path, text);
  const [before, after] = [elementsOf(part), elementsOf(formatted)];
  const changes: Change[] = [];
  const change = (start: number, end: number, newText: string): void => {
    if (part.text.slice(start, end) !== newText) changes.push({ start: from + start, end: from + end, newText });
  };
  let [oldEnd, newEnd] = [0, 0];
  // Between the same words there is white space, and semicolons that go with it.
  const compare = (oldStart: number, newStart: number): void => {
    const [old, made] = [part.text.slice(oldEnd, oldStart), text.slice(newEnd, newStart)];
    if (old === made) return;
    const [oldBreak, newBreak] = [old.lastIndexOf("\n") + 1, made.lastIndexOf("\n") + 1];
    if (oldBreak === 0 || newBreak === 0) return change(oldEnd, oldStart, made);
    // Spaces behind the one, line ends, and indentation before the other are changes of their own.
    const [oldFirst, newFirst] = [old.search(/\r?\n/), made.search(/\r?\n/)];
    change(oldEnd, oldEnd + oldFirst, made.slice(0, newFirst));
    change(oldEnd + oldFirst, oldEnd + oldBreak, made.slice(newFirst, newBreak));
    change(oldEnd + oldBreak, oldStart, made.slice(newBreak));
  };
  let j = 0;
  for (const element of before) {
    const made = after[j];
    if (element.text === ";" && made?.text !== ";") continue;
    if (made === undefined) break;
    if (j > 0 || from === 0) compare(element.start, made.start);
    else {
      // What stands before a part's first word but on its line.
      const indent = /[ \t]*$/.exec(part.text.slice(0, element.start))?.[0].length ?? 0;
      change(element.start - indent, element.start, "");
    }
    change(element.start, element.end, made.text);
    oldEnd = element.end;
    newEnd = made.end;
    j += 1;
  }
  if (isWhole) compare(part.text.length, text.length);
  else change(oldEnd, part.text.length, "");
  return changes;
}

function elementsOf(source: SourceFile): Element[] {
  const words = wordsOf(source).map(({ text, offset }) => ({ text, start: offset, end: offset + text.length }));
  const comments = commentsOf(source).map(({ text, offset }) => ({ text, start: offset, end: offset + text.length }));
  return [...words, ...comments].sort((a, b) => a.start - b.start);
}

function editsOf(source: SourceFile, changes: readonly Change[]): TextEdit[] {
  return changes.map(({ start, end, newText }) => ({ range: rangeOf({ file: source, start, end }), newText }));
}
