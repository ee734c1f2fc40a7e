// Reading chevrotain's concrete syntax tree: children by name, places as our spans. Between grammar and build-ast; knows
// nothing of what the rules mean.

import type { CstElement, CstNode, IToken } from "chevrotain";
import type { SourceFile, Span } from "../base/source.ts";

/** The nodes of rule (or label) `name` below `node`, in the order of the text. */
export function nodes(node: CstNode, name: string): readonly CstNode[] {
  return (node.children[name] ?? []) as CstNode[];
}

/** The first node of rule `name` below `node`, if any. */
export function child(node: CstNode, name: string): CstNode | undefined {
  return node.children[name]?.[0] as CstNode | undefined;
}

/** The tokens of type (or label) `name` directly below `node`, in the order of the text. */
export function tokens(node: CstNode, name: string): readonly IToken[] {
  return (node.children[name] ?? []) as IToken[];
}

/** The first token of type `name` directly below `node`, if any. */
export function token(node: CstNode, name: string): IToken | undefined {
  return node.children[name]?.[0] as IToken | undefined;
}

/** The nodes below `node` under any of `names`, in the order of the text. */
export function nodesInOrder(node: CstNode, names: readonly string[]): readonly CstNode[] {
  const present = names.filter((name) => node.children[name] !== undefined);
  if (present.length === 1) return nodes(node, present[0] ?? "");
  return present.flatMap((name) => nodes(node, name)).sort((a, b) => startOf(a) - startOf(b));
}

/** The name of the only kind of child that `node` (an alternation) has. */
export function onlyChild(node: CstNode): { readonly name: string; readonly element: CstElement } | undefined {
  for (const name in node.children) {
    const element = node.children[name]?.[0];
    if (element !== undefined) return { name, element };
  }
  return undefined;
}

/** The span of a node; an empty node has an empty span at the file's start. */
export function nodeSpan(file: SourceFile, node: CstNode): Span {
  const start = startOf(node);
  const end = node.location?.endOffset;
  return end === undefined || Number.isNaN(end) ? { file, start, end: start } : { file, start, end: end + 1 };
}

/** The offset of a node's first character. */
export function startOf(node: CstNode): number {
  const start = node.location?.startOffset;
  return start === undefined || Number.isNaN(start) ? 0 : start;
}
