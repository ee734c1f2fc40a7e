// What the grammar allows and a reader would misread: a statement that seems to belong to an `if` and doesn't, and one
// that is never reached. Works on the finished tree and its places; knows nothing of names or types.

import type { Diagnostic } from "../base/diagnostic.ts";
import type { SourceFile, Span } from "../base/source.ts";
import type * as ast from "./ast.ts";
import * as messages from "./messages.ts";

type Item = ast.Decl | ast.Stmt;

/** Looks through every list of statements in `file` and adds what it finds to `diagnostics`. */
export function checkStatements(file: ast.File, diagnostics: Diagnostic[]): void {
  // A stack of our own: the tree may be deep, and the order doesn't matter since diagnostics are sorted.
  const lists: (readonly Item[])[] = [file.items];
  for (let list = lists.pop(); list !== undefined; list = lists.pop()) {
    checkList(file.source, list, diagnostics);
    for (const item of list) {
      const below = bodiesOf(item);
      if (below.length > 0) lists.push(...below);
    }
  }
}

function checkList(source: SourceFile, list: readonly Item[], diagnostics: Diagnostic[]): void {
  let verdict: Span | null = null;
  // A verdict that was meant to belong to the `if` before it ends nothing.
  let strayed = false;
  for (const [i, item] of list.entries()) {
    if (!isStatement(item)) continue;
    if (verdict !== null) {
      diagnostics.push(messages.afterVerdict(item.span, verdict));
      return;
    }
    const next = list[i + 1];
    if (endsProgram(item) && !strayed) verdict = item.span;
    const before = diagnostics.length;
    if (next !== undefined && isStatement(next) && next.kind !== "error")
      checkNeighbours(source, item, next, diagnostics);
    strayed = diagnostics.slice(before).some((d) => d.severity === "error");
  }
}

function checkNeighbours(source: SourceFile, item: ast.Stmt, next: ast.Stmt, diagnostics: Diagnostic[]): void {
  const open = openEnd(item);
  if (open === null || open.body.kind === "error") return;
  const { body, keyword } = open;
  const bodyEnd = source.positionAt(body.span.end);
  const nextStart = source.positionAt(next.span.start);
  if (bodyEnd.line === nextStart.line) {
    if (body.kind === "verdict") return;
    const fallback = endsProgram(body) && next.kind === "verdict";
    diagnostics.push(messages.furtherStatement(next.span, body.span, keyword, fallback));
    return;
  }
  const bodyStart = source.positionAt(body.span.start);
  const owner = source.positionAt(item.span.start);
  if (bodyStart.line > owner.line && bodyStart.column === nextStart.column && bodyStart.column > owner.column) {
    if (/^\s*$/.test(source.lineText(bodyStart.line).slice(0, bodyStart.column - 1))) {
      diagnostics.push(messages.misleadingIndentation(next.span, body.span, keyword));
    }
  }
}

/** The last statement of the innermost body without braces at the end of `statement`, with the word it belongs to. */
function openEnd(statement: ast.Stmt): { readonly body: ast.Stmt; readonly keyword: Span } | null {
  let found: { body: ast.Stmt; keyword: Span } | null = null;
  let at: ast.Stmt = statement;
  while (at.kind === "if") {
    const block: ast.BlockBody = at.else ?? at.then;
    const [only] = block.statements;
    if (block.braces || only === undefined) return null;
    found = { body: only, keyword: { ...at.span, end: at.span.start + 2 } };
    at = only;
  }
  return found;
}

function isStatement(item: Item): item is ast.Stmt {
  return !item.kind.endsWith("Decl");
}

function endsProgram(statement: ast.Stmt): boolean {
  switch (statement.kind) {
    case "verdict":
    case "redirect":
    case "flood":
    case "forward":
    case "tail":
      return true;
    default:
      return false;
  }
}

function bodiesOf(item: Item): (readonly Item[])[] {
  switch (item.kind) {
    case "if":
      return item.else === null ? [item.then.statements] : [item.then.statements, item.else.statements];
    case "switch":
      return [...item.arms.map((arm) => arm.body.statements), item.else?.statements ?? []];
    case "for":
      return [item.body.statements];
    case "fnDecl":
      return item.body.kind === "block" ? [item.body.block.statements] : [];
    case "programDecl":
      return [item.body];
    default:
      return [];
  }
}
