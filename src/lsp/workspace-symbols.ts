// Declarations looked for by a part of their names, in all rule files that the editor knows of.

import type { SymbolKind } from "vscode-languageserver-protocol";
import type { Span } from "../base/source.ts";
import type * as ast from "../parser/ast.ts";
import { isNamedDecl, SYMBOL_KINDS } from "./document-symbols.ts";

/** A declaration that was found. */
export interface FoundSymbol {
  readonly name: string;
  readonly kind: SymbolKind;
  readonly span: Span;
}

/** More than this nobody reads. */
const MOST_FOUND = 500;

/**
 * The declarations whose names have the query's letters in its order, capitals or not: those that begin with it first, then those
 * that hold it as it stands.
 */
export function workspaceSymbols(files: readonly ast.File[], query: string): FoundSymbol[] {
  const wanted = query.trim().toLowerCase();
  const found: { readonly rank: number; readonly symbol: FoundSymbol }[] = [];
  for (const item of files.flatMap((file) => file.items)) {
    if (!isNamedDecl(item)) continue;
    for (const name of namesOf(item)) {
      const rank = rankOf(name.text.toLowerCase(), wanted);
      if (name.text === "" || rank === null) continue;
      found.push({ rank, symbol: { name: name.text, kind: SYMBOL_KINDS[item.kind], span: name.span } });
    }
  }
  found.sort((a, b) => a.rank - b.rank || (a.symbol.name < b.symbol.name ? -1 : 1));
  return found.slice(0, MOST_FOUND).map(({ symbol }) => symbol);
}

function namesOf(item: ast.Decl & { readonly name: ast.Name }): readonly ast.Name[] {
  if (item.kind !== "headerDecl") return [item.name];
  if (item.body === null) return [];
  return item.alias === null ? [item.name] : [item.name, item.alias];
}

function rankOf(name: string, wanted: string): number | null {
  const at = name.indexOf(wanted);
  if (at === 0) return name.length === wanted.length ? 0 : 1;
  if (at > 0) return 2;
  let from = 0;
  for (const letter of wanted) {
    from = name.indexOf(letter, from) + 1;
    if (from === 0) return null;
  }
  return 3;
}
