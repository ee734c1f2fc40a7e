// Where the formatter's lines end and how far they are indented. The author's line breaks stay where a line may sensibly end;
// braces are opened and closed alike; a line that is too long is broken at its outermost joint that fits. Each decision looks
// only at what the result keeps, so that formatting the result changes nothing. Knows nothing of spaces on a line beyond widths.

import type { Piece, Pieces } from "./fmt-pieces.ts";
import { bracketOf } from "./fmt-pieces.ts";
import { spaceBefore } from "./fmt-space.ts";

/** Columns a line should stay within; comments don't count. */
export const LINE_WIDTH = 120;
const STEP = 4;
/** More spaces than this between two items aren't a table's. */
const WIDEST_GAP = 40;

/** What stands where. */
export interface Layout {
  /** By piece: line breaks before it: 0, 1, or 2 for a blank line. */
  readonly breaks: readonly number[];
  /** By piece: columns before its line. */
  readonly indents: readonly number[];
  /** By piece: columns before the comments above it. */
  readonly commentIndents: readonly number[];
}

/** Lays out a file. `asWritten`: every line break of the author's stays, wherever it is. */
export function layOut(file: Pieces, asWritten: boolean): Layout {
  return new LayoutMaker(file.pieces, asWritten).layout();
}

/** Spaces before piece `i` when it doesn't begin a line; between two items of a list as many as were written. */
export function gapBefore(pieces: readonly Piece[], i: number): number {
  const piece = pieces[i];
  if (piece === undefined || !spaceBefore(pieces, i)) return 0;
  const before = pieces[i - 1];
  if (piece.starts !== "item" || before?.text === "{" || isHead(piece)) return 1;
  if (piece.spaces > 0 && piece.spaces <= WIDEST_GAP) return piece.spaces;
  return before?.text === ";" || before?.text === "," ? 1 : 2;
}

// A program's first word is a declaration's and stands alone; nothing else starts an item in the middle of another.
function isHead(piece: Piece): boolean {
  return piece.owner === -1;
}

/** Braces whose content is a list of items with lines of their own. */
const BODIES = new Set(["block", "programBody", "testBody", "switchBody", "structBody", "headerBody"]);
/** Those in which each item gets a line of its own when they don't fit on one. */
const STATEMENTS = new Set(["block", "programBody", "testBody", "switchBody"]);

/** Words that open a part of a declaration or statement, by their token types. */
const CLAUSES = new Set(
  "RFC ON EXTENDS DEPTH BURST PER WITH SECTION PRIORITY CHAIN FRAGS FROM TIMES WHEN MIN OR_FALLBACK OPTIONAL".split(
    " ",
  ),
);

class LayoutMaker {
  readonly #pieces: readonly Piece[];
  readonly #asWritten: boolean;
  readonly #breaks: number[];
  readonly #indents: number[] = [];
  readonly #commentIndents: number[] = [];
  /** By opening bracket: its partner. */
  readonly #close = new Map<number, number>();

  constructor(pieces: readonly Piece[], asWritten: boolean) {
    this.#pieces = pieces;
    this.#asWritten = asWritten;
    for (const [i, piece] of pieces.entries()) {
      if (bracketOf(piece.text, piece.rule) === "close") this.#close.set(piece.open, i);
    }
    this.#breaks = pieces.map((piece, i) => this.#authorsBreak(piece, i));
  }

  layout(): Layout {
    this.#balance();
    for (let start = 0; start < this.#pieces.length; ) {
      const indent = this.#indentOf(start);
      const end = this.#endOfLine(start, indent);
      for (let i = start; i < end; i++) this.#indents[i] = indent;
      start = end;
    }
    return { breaks: this.#breaks, indents: this.#indents, commentIndents: this.#commentIndents };
  }

  // ------------------------------------------------------------------------------------------------------------- breaks

  #authorsBreak(piece: Piece, i: number): number {
    if (i === 0) return 0;
    if (piece.comments.length > 0) return piece.breaks > 1 && this.#mayBeBlank(piece, i) ? 2 : 1;
    if (piece.breaks === 0) return 0;
    if (piece.text === ";" || !(this.#asWritten || this.#isJoint(piece, i))) return 0;
    return piece.breaks > 1 && this.#mayBeBlank(piece, i) ? 2 : 1;
  }

  #mayBeBlank(piece: Piece, i: number): boolean {
    if (bracketOf(piece.text, piece.rule) === "close") return false;
    const before = this.#pieces[i - 1];
    // Behind a comment there is no opening bracket to cling to.
    const atOpening =
      piece.comments.length === 0 && before !== undefined && bracketOf(before.text, before.rule) === "open";
    return !atOpening && (piece.starts === "item" || before?.text === ",");
  }

  /** Whether a line may end before the piece where its author ended one. */
  #isJoint(piece: Piece, i: number): boolean {
    const before = this.#pieces[i - 1];
    if (before === undefined) return false;
    if (this.#jointLevel(piece, before) !== null) return true;
    if (before.text === "{" || before.text === "(" || piece.text === "}" || piece.text === ")") return true;
    if (piece.type === "THEN") return true;
    return before.rule === "expression" && before.type !== "NOT";
  }

  /** How far out the joint before a piece is, within its brackets; null: a line isn't broken here. */
  #jointLevel(piece: Piece, before: Piece): number | null {
    if (before.text === "(" || before.text === "{" || before.text === "[") return before.text === "[" ? null : 80;
    if (piece.text === ")" || piece.text === "}" || piece.text === "]") return null;
    if (piece.starts === "item") return 0;
    if (piece.type === "ELSE" || piece.type === "ELSE_BEFORE_IF") return 5;
    if (piece.starts === "body") return 10;
    if (piece.rule === "expression" && piece.type !== "NOT" && piece.text !== "..") return operatorLevel(piece.text);
    if (piece.text === "/" && (piece.rule === "layers" || piece.rule === "encapStmt")) return 35;
    if (piece.starts === "layers") return before.rule === "testStep" ? null : 34;
    if (before.text === ",") return piece.rule === "type" || before.rule === "type" ? 90 : 50;
    if (CLAUSES.has(piece.type) && piece.rule !== "suffix") return 40;
    if (before.text === "=" || before.text === "=>") return 5000;
    return null;
  }

  /** Braces open and close alike; a body with a line break inside has its content on lines of its own. */
  #balance(): void {
    const broken = new Set<number>();
    for (const [i, piece] of this.#pieces.entries()) {
      if (this.#breaks[i] === 0) continue;
      for (let at = piece.open; at !== -1 && !broken.has(at); at = this.#pieces[at]?.open ?? -1) {
        const opening = this.#pieces[at];
        const forced = this.#close.get(at) === i && piece.comments.length > 0;
        if (at === i - 1 || forced || isBody(opening)) broken.add(at);
      }
    }
    for (const [open, close] of this.#close) {
      if (broken.has(open)) this.#openUp(open);
      else if (this.#breaks[close] !== 0) this.#breaks[close] = 0;
    }
  }

  #openUp(open: number): void {
    const close = this.#close.get(open);
    if (close === undefined || close === open + 1) return;
    for (const i of [open + 1, close]) this.#breaks[i] = Math.max(this.#breaks[i] ?? 0, 1);
  }

  // -------------------------------------------------------------------------------------------------------------- widths

  /** The first piece behind the line that begins with piece `start`; breaks it where it gets too wide. */
  #endOfLine(start: number, indent: number): number {
    let width = indent;
    let best: { at: number; level: number } | null = null;
    for (let i = start; i < this.#pieces.length; i++) {
      const [before, piece] = [this.#pieces[i - 1], this.#pieces[i]];
      if (piece === undefined) break;
      if (i > start && before !== undefined) {
        if (this.#breaks[i] !== 0) return i;
        const joint = this.#asWritten ? null : this.#jointLevel(piece, before);
        if (joint !== null) {
          // A body's opening counts as a joint of what it is the body of.
          const level = isBody(before) ? (piece.depth - 1) * 100 + 15 : piece.depth * 100 + joint;
          if (width > LINE_WIDTH) return this.#breakAt(best?.at ?? i, start);
          if (best === null || level <= best.level) best = { at: i, level };
        }
        width += gapBefore(this.#pieces, i);
      }
      width += piece.text.length;
      if (width > LINE_WIDTH && best !== null) return this.#breakAt(best.at, start);
    }
    return this.#pieces.length;
  }

  /** Breaks the line that begins with `start` before piece `at`, or opens the outermost brace on it that holds that place. */
  #breakAt(at: number, start: number): number {
    let brace = -1;
    for (let open = this.#pieces[at]?.open ?? -1; open >= start; open = this.#pieces[open]?.open ?? -1) {
      if (this.#breaks[open + 1] === 0 && (this.#pieces[open]?.text === "{" || open === at - 1)) brace = open;
    }
    if (brace === -1) {
      this.#breaks[at] = 1;
      return at;
    }
    this.#openUp(brace);
    if (STATEMENTS.has(this.#pieces[brace]?.rule ?? "")) {
      const close = this.#close.get(brace) ?? brace;
      for (let i = brace + 2; i < close; i++) {
        const piece = this.#pieces[i];
        if (piece?.starts === "item" && piece.open === brace) this.#breaks[i] = Math.max(this.#breaks[i] ?? 0, 1);
      }
    }
    return brace + 1;
  }

  // -------------------------------------------------------------------------------------------------------- indentation

  #indentOf(i: number): number {
    const piece = this.#pieces[i];
    if (piece === undefined) return 0;
    const isClose = bracketOf(piece.text, piece.rule) === "close";
    const indent = isClose ? this.#baseOf(piece.open) : this.#indentInside(piece);
    this.#commentIndents[i] = isClose ? indent + STEP : indent;
    return indent;
  }

  #indentInside(piece: Piece): number {
    const { open, owner, outer, starts, type } = piece;
    if (starts === "body") return this.#indentAt(outer) + STEP;
    if (starts === "item" || owner === -1) return open === -1 ? 0 : this.#baseOf(open) + STEP;
    if (type === "THEN" || type === "ELSE" || type === "ELSE_BEFORE_IF") return this.#indentAt(owner);
    // Only a comment before it puts a body's brace on a line of its own.
    if (isBody(piece)) return this.#indentAt(owner);
    if (open >= owner) return this.#baseOf(open) + STEP;
    // A condition that goes on is told apart from the body below it.
    const isHead = ["if", "switch", "for"].includes(this.#pieces[owner]?.text ?? "");
    return this.#indentAt(owner) + (isHead ? 2 * STEP : STEP);
  }

  /** Where the closing partner of an opening bracket stands when it begins a line. */
  #baseOf(open: number): number {
    const opening = this.#pieces[open];
    return this.#indentAt(opening !== undefined && isBody(opening) ? opening.owner : open);
  }

  #indentAt(i: number): number {
    return this.#indents[i] ?? 0;
  }
}

function isBody(piece: Piece | undefined): boolean {
  return piece !== undefined && piece.text === "{" && BODIES.has(piece.rule);
}

function operatorLevel(text: string): number {
  if (text === "or") return 20;
  if (text === "and") return 21;
  return /^(?:[=!<>]=|[<>]|in|exceeds)$/.test(text) ? 60 : 70;
}
