// The declaration that a use of an unknown name asks for: `count hits` wants a counter, `x in blocked` a set of x's type. Asks the
// checker for types; gives text in the language.

import type { Analysis } from "../analyse.ts";
import type { Span } from "../base/source.ts";
import { checkValue, typed } from "../ir/check-value.ts";
import { type Type, typeName } from "../ir/types.ts";
import type * as ast from "../parser/ast.ts";
import { inForceAt } from "./at.ts";
import { walk } from "./walk.ts";

/** Sizes that are usual and cost little. */
const ENTRIES = 1024;
const LIMITED = 65536;

/** The declaration that the unknown name at `span` wants; null where its use doesn't tell. */
export function missingDeclaration(analysis: Analysis, span: Span): string | null {
  const { file } = analysis;
  let found: string | null = null;
  for (const item of file.items) {
    if (item.span.start > span.start || span.end > item.span.end) continue;
    walk(item, (node) => {
      found ??= declarationFor(analysis, node as ast.Stmt | ast.Expr | ast.IfLet, span);
    });
  }
  return found;
}

function declarationFor(analysis: Analysis, node: ast.Stmt | ast.Expr | ast.IfLet, span: Span): string | null {
  const named = (expr: ast.Expr): string | null => (expr.kind === "name" ? asName(expr.name) : null);
  const asName = (name: ast.Name): string | null => (name.span.start === span.start ? name.text : null);
  const typeOf = (expr: ast.Expr): string | null => typeText(analysis, expr);
  const sized = (word: string, name: string | null, size: number | string): string | null =>
    name === null ? null : `${word} ${name}[${size}]`;
  const set = (name: string | null, key: ast.Expr): string | null => {
    const type = name === null ? null : typeOf(key);
    return type === null ? null : `set ${name} : ${type}[${ENTRIES}]`;
  };
  const hash = (target: ast.Expr, value: string | null): string | null => {
    if (target.kind !== "index") return null;
    const name = named(target.object);
    const key = name === null ? null : typeOf(target.index);
    return key === null || value === null ? null : `map ${name} : hash<${key}, ${value}>[${ENTRIES}]`;
  };
  switch (node.kind) {
    case "count": {
      const name = named(node.counter.kind === "index" ? node.counter.object : node.counter);
      if (name === null) return null;
      const key = node.counter.kind === "index" ? typeOf(node.counter.index) : null;
      return key === null ? `counter ${name}` : `counter ${name}[${key}]`;
    }
    case "insert":
    case "delete":
      return set(asName(node.map), node.key);
    case "binary":
      if (node.op === "in") return set(named(node.right), node.left);
      if (node.op === "exceeds") {
        const name = named(node.right);
        const key = name === null ? null : typeOf(node.left);
        return key === null ? null : `limiter ${name}[${LIMITED}] : 1000/s burst 200 per ${key}`;
      }
      return null;
    case "assign":
      return hash(node.target, node.target.kind === "index" ? typeOf(node.value) : null);
    case "ifLet":
      return hash(node.value, "u64");
    case "redirect":
      if (node.target.kind !== "map") return null;
      return sized(node.target.key === null ? "xskmap" : "devmap", asName(node.target.map), 64);
    case "flood":
      return sized("devmap", asName(node.map), 64);
    case "tail":
      return sized("prog_array", asName(node.map), 8);
    case "emit":
    case "sample":
      return sized("ringbuf", asName(node.map), "256K");
    default:
      return null;
  }
}

/** The type of an expression as a declaration writes it; null where it has none. */
function typeText(analysis: Analysis, expr: ast.Expr): string | null {
  const { context, facts } = analysis;
  const known = facts.values.get(expr) ?? checkValue(context, inForceAt(analysis, expr.span.start + 1).scope, expr);
  const { type } = typed(context, known);
  return writable(type) ? typeName(type) : null;
}

function writable(type: Type): boolean {
  if (type.kind === "tuple") return type.elements.every(writable);
  return type.kind !== "error" && type.kind !== "untyped" && !(type.kind === "struct" && type.name === "fib_lookup");
}

/** The edit that puts a declaration behind the last one before the rules, or before everything but the comment at the top. */
export function declarationEdit(file: ast.File, text: string): { readonly span: Span; readonly newText: string } {
  const { source } = file;
  const first = file.items.findIndex((item) => !item.kind.endsWith("Decl") || STARTS_RULES.has(item.kind));
  const before = first === -1 ? file.items : file.items.slice(0, first);
  const last = before.at(-1);
  if (last !== undefined) {
    const lineEnd = /[\r\n]/.exec(source.text.slice(last.span.end));
    const at = lineEnd === null ? source.text.length : last.span.end + lineEnd.index;
    return { span: { file: source, start: at, end: at }, newText: `\n${text}` };
  }
  const at = topOf(source.text);
  return { span: { file: source, start: at, end: at }, newText: `${text}\n` };
}

/** Declarations that hold rules: others stand before them. */
const STARTS_RULES: ReadonlySet<string> = new Set(["programDecl", "fnDecl", "testDecl"]);

/** Where a text goes on behind the comment at its top and the empty line below that. */
function topOf(text: string): number {
  return /^(?:#[^\r\n]*(?:\r\n|\r|\n))+(?:[ \t]*(?:\r\n|\r|\n))/.exec(text)?.[0].length ?? 0;
}
