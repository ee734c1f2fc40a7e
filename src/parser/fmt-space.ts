// The formatter's table of spaces: whether two tokens on one line have one between them. Looks at the tokens and the grammar
// rules they stand in, at nothing else.

import { bracketOf, type Piece } from "./fmt-pieces.ts";

/** Parentheses that belong to the name before them. */
const CALLS = new Set(["arguments", "fnDecl", "covers"]);
/** Colons that belong to the name before them (`saddr: 10.0.0.1`); others stand apart (`saddr : ipv4`). */
const LABELS = new Set(["fieldInit", "argument", "programEntry"]);

/** Whether a space stands before piece `i` when it follows its predecessor on the same line. */
export function spaceBefore(pieces: readonly Piece[], i: number): boolean {
  const [before, after] = [pieces[i - 1], pieces[i]];
  if (before === undefined || after === undefined) return false;
  const [a, b] = [before.text, after.text];
  if (b === "," || b === ";" || b === ")" || b === "]" || b === "[" || b === ".") return false;
  if (a === "(" || a === "[" || a === ".") return false;
  if (a === "{" && b === "}") return false;
  if (isRange(before) || isRange(after)) return false;
  if (isTypeBracket(after) || (isTypeBracket(before) && a === "<")) return false;
  if (b === "(") return !CALLS.has(after.rule);
  if (b === ":") return !LABELS.has(after.rule);
  if (isRate(after)) return !isPlainRate(before);
  if (isRate(before)) return !isPlainRate(pieces[i - 2]);
  return true;
}

function isRange(piece: Piece): boolean {
  return piece.text === ".." && piece.rule === "expression";
}

function isTypeBracket(piece: Piece): boolean {
  return (piece.text === "<" || piece.text === ">") && bracketOf(piece.text, piece.rule) !== null;
}

function isRate(piece: Piece): boolean {
  return piece.text === "/" && piece.rule === "limiterDecl";
}

// Between a number and its unit no space (`1000/s`); behind an address a slash would make a prefix of it.
function isPlainRate(piece: Piece | undefined): boolean {
  return piece !== undefined && (piece.text === ")" || /^[0-9][0-9A-Za-z_]*$/.test(piece.text));
}
