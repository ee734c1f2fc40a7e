// Which names of a file are written where they stand: fields and variables that are assigned to, sets and maps that are filled. From the
// shape of statements alone, since every statement says by itself what it changes.

import type * as ast from "../parser/ast.ts";
import { type Node, walk } from "./walk.ts";

const known = new WeakMap<ast.File, ReadonlySet<number>>();

/** The offsets of names that a statement or a test's step changes. */
export function writtenNames(file: ast.File): ReadonlySet<number> {
  const before = known.get(file);
  if (before !== undefined) return before;
  const found = new Set<number>();
  const add = (target: ast.Expr): void => {
    const name = changedName(target);
    if (name !== null) found.add(name.span.start);
  };
  for (const item of file.items) {
    walk(item, (node) => {
      for (const target of targetsOf(node)) add(target);
      const name = changedByName(node);
      if (name !== null) found.add(name.span.start);
    });
  }
  known.set(file, found);
  return found;
}

function targetsOf(node: Node): readonly ast.Expr[] {
  const part = node as ast.Stmt | ast.TestStep;
  switch (part.kind) {
    case "assign":
    case "fill":
      return [part.target];
    case "swap":
      return [part.a, part.b];
    case "count":
      return [part.counter];
    default:
      // A test's settings have no kind of their own.
      return "target" in node && "value" in node && node.kind === undefined ? [node.target as ast.Expr] : [];
  }
}

function changedByName(node: Node): ast.Name | null {
  const part = node as ast.Stmt;
  switch (part.kind) {
    case "insert":
    case "delete":
      return part.map;
    case "push":
    case "pop":
      return part.header;
    default:
      return null;
  }
}

/** Of `x` and `x[k]` that is `x`, of `x.f` it is `f`. */
function changedName(target: ast.Expr): ast.Name | null {
  let at = target;
  while (at.kind === "index") at = at.object;
  if (at.kind === "name") return at.name;
  return at.kind === "member" ? at.member : null;
}
