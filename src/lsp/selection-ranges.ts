// What "expand selection" selects step by step around a place: word, inside of a text or of brackets, expression, statement, block,
// declaration, file. Every node of the syntax tree is a step, and so is every pair of brackets, parsed or not.

import type { Position, SelectionRange } from "vscode-languageserver-protocol";
import type { Span } from "../base/source.ts";
import type * as ast from "../parser/ast.ts";
import { lineAt, lineStart, lineText, offsetAt, rangeOf } from "./ranges.ts";
import { bracketPairs, commentsOf, wordIndexAt, wordsOf } from "./text.ts";
import { walk } from "./walk.ts";

/** For each position the ranges around it, the innermost first. */
export function selectionRanges(file: ast.File, positions: readonly Position[]): SelectionRange[] {
  return positions.map((position) => {
    const offset = offsetAt(file.source, position);
    const chain = someOf(nested(stepsAround(file, offset)));
    let parent: SelectionRange | undefined;
    for (const step of chain.reverse()) {
      const range = rangeOf({ file: file.source, ...step });
      parent = parent === undefined ? { range } : { range, parent };
    }
    return parent ?? { range: { start: position, end: position } };
  });
}

/** The most steps that are told: an answer nests as deep as they do, and readers of JSON have bounds (Emacs' 2,048). */
const MOST_STEPS = 200;

/** The innermost steps, and the whole file as the last. */
function someOf(chain: readonly Step[]): Step[] {
  return chain.length <= MOST_STEPS ? [...chain] : [...chain.slice(0, MOST_STEPS - 1), ...chain.slice(-1)];
}

type Step = Pick<Span, "start" | "end">;

/** Everything that may be a step around `offset`, in no order. */
function stepsAround(file: ast.File, offset: number): Step[] {
  const { source } = file;
  const steps: Step[] = [{ start: 0, end: source.text.length }];
  const add = (start: number, end: number): void => {
    if (start <= offset && offset <= end && start < end) steps.push({ start, end });
  };
  const words = wordsOf(source);
  const at = wordIndexAt(words, offset);
  const touching = [words[at], words[at - 1]].filter(
    (word) => word !== undefined && word.offset <= offset && offset <= word.offset + word.text.length,
  );
  // Between a name and a sign the name is meant.
  const word = touching.find((candidate) => /^[\w"]/.test(candidate?.text ?? "")) ?? touching[0];
  if (word !== undefined) {
    const end = word.offset + word.text.length;
    add(word.offset, end);
    if (word.type === "STRING" && offset > word.offset && offset < end) add(word.offset + 1, end - 1);
  }
  for (const { open, close } of bracketPairs(source)) {
    add(open, close + 1);
    if (offset > open && offset <= close) {
      const inside = source.text.slice(open + 1, close);
      const start = open + 1 + (inside.length - inside.trimStart().length);
      add(start, start + inside.trim().length);
    }
  }
  for (const comment of commentsOf(source)) add(comment.offset, comment.offset + comment.text.length);
  addCommentBlock(file, offset, add);
  for (const item of file.items) {
    if (item.span.start > offset || item.span.end < offset) continue;
    walk(item, ({ span }) => add(span.start, span.end));
  }
  return steps;
}

/** The lines of comments that follow each other around a place. */
function addCommentBlock(file: ast.File, offset: number, add: (start: number, end: number) => void): void {
  const { source } = file;
  const isComment = (line: number): boolean => /^[ \t]*#/.test(lineText(source, line));
  const line = lineAt(source, offset);
  if (!isComment(line)) return;
  let [first, last] = [line, line];
  while (first > 0 && isComment(first - 1)) first -= 1;
  while (isComment(last + 1)) last += 1;
  const start = lineStart(source, first) + lineText(source, first).search(/#/);
  add(start, lineStart(source, last) + lineText(source, last).trimEnd().length);
}

/**
 * The steps from the smallest on, each inside the next. An operation's span begins inside the parentheses of its first operand: what
 * overlaps with a smaller step is widened to hold it.
 */
function nested(steps: Step[]): Step[] {
  steps.sort((a, b) => a.end - a.start - (b.end - b.start) || a.start - b.start);
  const chain: Step[] = [];
  for (const step of steps) {
    const inner = chain.at(-1) ?? step;
    const wide = { start: Math.min(step.start, inner.start), end: Math.max(step.end, inner.end) };
    if (chain.length === 0 || wide.start < inner.start || wide.end > inner.end) chain.push(wide);
  }
  return chain;
}
