// The outline of a file: its declarations, with the fields of structs and headers below them. Looks at the syntax tree alone; what couldn't
// be parsed isn't in it.

import { type DocumentSymbol, type Range, type SymbolInformation, SymbolKind } from "vscode-languageserver-protocol";
import type { Span } from "../base/source.ts";
import { textOf } from "../base/source.ts";
import type * as ast from "../parser/ast.ts";
import { rangeOf } from "./ranges.ts";

/** Longer details are cut: the outline shows them behind the name, on one line. */
const LONGEST_DETAIL = 80;

/** What editors show before a declaration's name. */
export const SYMBOL_KINDS: Readonly<Record<NamedDecl["kind"], SymbolKind>> = {
  setDecl: SymbolKind.Array,
  mapDecl: SymbolKind.Array,
  counterDecl: SymbolKind.Array,
  limiterDecl: SymbolKind.Array,
  targetDecl: SymbolKind.Array,
  constDecl: SymbolKind.Constant,
  constSetDecl: SymbolKind.Constant,
  configDecl: SymbolKind.Variable,
  varDecl: SymbolKind.Variable,
  structDecl: SymbolKind.Struct,
  headerDecl: SymbolKind.Class,
  fnDecl: SymbolKind.Function,
  programDecl: SymbolKind.Module,
};

/** A declaration that has a name of its own. */
export type NamedDecl = Extract<ast.Decl, { readonly name: ast.Name }>;

/** Whether an item of a file declares a name. */
export function isNamedDecl(item: ast.Decl | ast.Stmt): item is NamedDecl {
  return item.kind in SYMBOL_KINDS;
}

/** The outline of a file, in the order of its text. */
export function documentSymbols(file: ast.File): DocumentSymbol[] {
  return file.items.flatMap((item) => symbolOf(item) ?? []);
}

/** The outline as a list, for editors that know no trees: each part with the name of what it is part of. */
export function flatSymbols(symbols: readonly DocumentSymbol[], uri: string): SymbolInformation[] {
  const open = symbols.map((symbol) => ({ symbol, containerName: "" })).toReversed();
  const flat: SymbolInformation[] = [];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { symbol, containerName } = next;
    const { name, kind, range, children = [] } = symbol;
    const place = { name, kind, location: { uri, range } };
    flat.push(containerName === "" ? place : { ...place, containerName });
    open.push(...children.map((child) => ({ symbol: child, containerName: name })).toReversed());
  }
  return flat;
}

function symbolOf(item: ast.Decl | ast.Stmt): DocumentSymbol | null {
  if (isNamedDecl(item)) return symbol(item.name, item.span, SYMBOL_KINDS[item.kind], detailOf(item), childrenOf(item));
  if (item.kind === "testDecl") {
    const { title, program, span } = item;
    const name = title.value.trim() === "" ? "test" : title.value;
    return symbol(
      { text: name, span: title.span },
      span,
      SymbolKind.Event,
      program === null ? "" : `for ${program.text}`,
    );
  }
  return null;
}

/** The text between a declaration's name and its body, on one line. */
function detailOf(item: NamedDecl): string {
  const { name, span } = item;
  // Sets of many thousands are declarations too: only their beginning can be shown.
  const start = Math.max(span.start, name.span.end);
  const whole = textOf({ ...span, start, end: Math.min(span.end, start + 20 * LONGEST_DETAIL) });
  const head = item.kind === "constDecl" || item.kind === "constSetDecl" ? whole : whole.replace(/\{[\s\S]*$/, "");
  const line = head
    .replace(/#[^\r\n]*/g, " ")
    .replace(/\s+/g, " ")
    .replace(/^ ?[:=] ?/, "")
    .trim();
  return line.length <= LONGEST_DETAIL ? line : `${line.slice(0, LONGEST_DETAIL - 1)}…`;
}

function childrenOf(item: NamedDecl): DocumentSymbol[] {
  if (item.kind === "structDecl") {
    return item.fields.flatMap((f) => symbol(f.name, f.span, SymbolKind.Field, textOf(f.type.span)) ?? []);
  }
  if (item.kind !== "headerDecl" || item.body === null) return [];
  return item.body.fields.flatMap((field) => {
    const { name, width, span } = field;
    const detail = width.kind === "bits" ? `${textOf(width.value.span)} bits` : textOf(width.type.span);
    const bits = field.bits.flatMap((bit) => symbol(bit, bit.span, SymbolKind.Field, "1 bit") ?? []);
    return symbol(name, span, SymbolKind.Field, detail, bits) ?? [];
  });
}

// A name that is still to be typed is no symbol: editors refuse those without one.
function symbol(
  name: ast.Name,
  span: Span,
  kind: SymbolKind,
  detail: string,
  children: DocumentSymbol[] = [],
): DocumentSymbol | null {
  if (name.text === "") return null;
  const selectionRange = rangeOf(name.span);
  const range = covering(rangeOf(span), selectionRange);
  return { name: name.text, detail, kind, range, selectionRange, children };
}

/** The first range, widened so that it holds the second, as the protocol demands. */
function covering(range: Range, inner: Range): Range {
  const start = before(inner.start, range.start) ? inner.start : range.start;
  const end = before(range.end, inner.end) ? inner.end : range.end;
  return { start, end };
}

function before(a: Range["start"], b: Range["start"]): boolean {
  return a.line < b.line || (a.line === b.line && a.character < b.character);
}
