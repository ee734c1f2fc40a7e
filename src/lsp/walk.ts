// A walk over a syntax tree that knows no kind of node: whatever has a span is one. For questions about places, which need every node
// and the meaning of none. Never recurses, since chains of operators are as deep as they are long.

import { SourceFile, type Span } from "../base/source.ts";
import type { Decl, Name, Stmt, TestStep } from "../parser/ast.ts";

/** Any part of a syntax tree that covers some text. */
export interface Node {
  readonly kind?: string;
  readonly span: Span;
}

/** Calls `visit` with every node at or below `root`; parents come before their children, otherwise in no certain order. */
export function walk(root: Decl | Stmt | TestStep, visit: (node: Node) => void): void {
  const open: object[] = [root];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (Array.isArray(next)) {
      for (const value of next) if (typeof value === "object" && value !== null) open.push(value);
      continue;
    }
    if (isNode(next)) visit(next);
    // Objects of the tree have no inherited keys; this is twice as fast as asking for their entries.
    for (const key in next) {
      const value = (next as Readonly<Record<string, unknown>>)[key];
      if (typeof value === "object" && value !== null && key !== "span" && !(value instanceof SourceFile))
        open.push(value);
    }
  }
}

/** Whether a node is a name: a word with its place. */
export function isName(node: Node): node is Name {
  return "text" in node && node.kind === undefined;
}

function isNode(value: object): value is Node {
  return "span" in value;
}
