// The statement around a place, with what an edit must know of its surroundings. Looks at the syntax tree alone.

import type { Span } from "../base/source.ts";
import type * as ast from "../parser/ast.ts";

/** A statement and where it stands. */
export interface Place {
  readonly statement: ast.Stmt;
  /** It is the body of an `if`, an `else` or an arm, without braces. */
  readonly bare: boolean;
  /** The verdict of packets that no rule decides. */
  readonly fallback: ast.Verdict["verdict"];
}

/** The innermost statement that holds `span`; null where none does. */
export function placeAt(file: ast.File, span: Span): Place | null {
  if (span.file !== file.source) return null;
  let fallback: Place["fallback"] = file.items.findLast((i) => i.kind === "defaultDecl")?.verdict.verdict ?? "pass";
  let found: Place | null = null;
  let open: { readonly statements: readonly ast.Stmt[]; readonly bare: boolean }[] = [
    { statements: file.items.filter(isStatement), bare: false },
  ];
  for (const item of file.items) {
    if (!holds(item.span, span)) continue;
    if (item.kind === "programDecl") {
      fallback = item.body.findLast((i) => i.kind === "defaultDecl")?.verdict.verdict ?? fallback;
      open = [{ statements: item.body.filter((i) => i.kind !== "defaultDecl"), bare: false }];
    } else if (item.kind === "fnDecl" && item.body.kind === "block") open = [listOf(item.body.block)];
  }
  while (open.length > 0) {
    const lists = open;
    open = [];
    for (const { statements, bare } of lists) {
      const statement = statements.find((s) => holds(s.span, span));
      if (statement === undefined) continue;
      found = { statement, bare, fallback };
      open = blocksOf(statement).map(listOf);
    }
  }
  return found;
}

function listOf({ statements, braces }: ast.BlockBody): { statements: readonly ast.Stmt[]; bare: boolean } {
  return { statements, bare: !braces };
}

/** Whether an item of a file is a statement, also one that couldn't be parsed. */
export function isStatement(item: ast.Decl | ast.Stmt): item is ast.Stmt {
  return !item.kind.endsWith("Decl");
}

function holds(outer: Span, inner: Span): boolean {
  return outer.start <= inner.start && inner.end <= outer.end;
}

/** The blocks right inside a statement. */
export function blocksOf(statement: ast.Stmt): readonly ast.BlockBody[] {
  switch (statement.kind) {
    case "if":
      return statement.else === null ? [statement.then] : [statement.then, statement.else];
    case "switch":
      return [...statement.arms.map((arm) => arm.body), ...(statement.else === null ? [] : [statement.else])];
    case "for":
      return [statement.body];
    default:
      return [];
  }
}
