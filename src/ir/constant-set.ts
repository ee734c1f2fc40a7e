// Constant sets: from what was written after `in`, in a `const set` or in its file, to merged ranges of numbers. Values, ranges
// and prefixes of one type, or tuples of values; duplicates and host bits are warnings. How a set is looked up is the lowering's.

import type { Span } from "../base/source.ts";
import type * as ast from "../parser/ast.ts";
import { checkConstant, checkValue } from "./check-value.ts";
import type { Context } from "./context.ts";
import { DECLARATION_WORDS } from "./context.ts";
import { convert } from "./conversion.ts";
import { typeOf } from "./declare.ts";
import { headerAt, selectorValues } from "./header-lookup.ts";
import type { ConstantSet, HExpr, NumberRange, SetElement } from "./hir.ts";
import * as messages from "./messages.ts";
import * as setMessages from "./messages-sets.ts";
import { Scope } from "./scope.ts";
import { FileTyper } from "./set-elements.ts";
import type { SetFile } from "./set-file.ts";
import { type Covered, mergeRanges } from "./sets/merge.ts";
import { MOST_TRIE_BYTES, trieOf } from "./sets/trie-of.ts";
import { elementsOf, sameType, scalarBits, type Type, typeName } from "./types.ts";

/** Up to this many elements are kept as they were written, beside the merged ranges. */
const FEW = 16;
/** Up to this many elements that add nothing are told one by one. */
const MOST_TOLD = 3;

/** What a set is made of: an expression, or all lines of a file. */
type Item = { readonly kind: "expr"; readonly expr: ast.Expr } | { readonly kind: "file"; readonly file: SetFile };

/** The set an expression names or writes, for members of type `type`; null after a fault. */
export function checkSet(ctx: Context, scope: Scope, expr: ast.Expr, type: Type): ConstantSet | null {
  const decl = expr.kind === "name" && scope.find(expr.name.text) === null ? ctx.names.get(expr.name.text) : undefined;
  ctx.facts?.useDeclaration(expr.span, decl);
  const set = decl?.kind === "constSetDecl" ? setOf(ctx, decl, type) : writtenSet(ctx, scope, expr, type);
  ctx.facts?.set(expr, set);
  return set;
}

function writtenSet(ctx: Context, scope: Scope, expr: ast.Expr, type: Type): ConstantSet | null {
  const items = expand(ctx, scope, expr);
  return items === null ? null : makeSet(ctx, scope, items, type, null);
}

/** The type of a `const set`'s members; null where none is written, the error type after a fault. */
export function memberType(ctx: Context, decl: ast.ConstSetDecl): Type | null {
  const { element } = decl;
  if (element === null) return null;
  const type = typeOf(ctx, element.kind === "prefixType" ? element.of : element);
  if (element.kind !== "prefixType" || type.kind === "ipv4" || type.kind === "ipv6") return type;
  if (type.kind !== "error") ctx.diagnostics.add(setMessages.badPrefixType(element.span, typeName(type)));
  return { kind: "error" };
}

/** The set a `const set` declares, for members of type `type`; made once for each type. null after a fault. */
export function setOf(ctx: Context, decl: ast.ConstSetDecl, type: Type): ConstantSet | null {
  const known = ctx.constantSets.get(decl) ?? new Map<string, ConstantSet | null>();
  ctx.constantSets.set(decl, known);
  const name = typeName(type);
  const found = known.get(name);
  if (found !== undefined) return found;
  const before = ctx.diagnostics.all.length;
  const items = expandDecl(ctx, Scope.global, decl, decl.name.span);
  const set = items === null ? null : makeSet(ctx, Scope.global, items, type, null);
  const empty = set !== null && (set.kind === "ranges" ? set.ranges : set.tuples).length === 0;
  if (empty && ctx.diagnostics.all.length === before && ctx.setFiles.get(decl)?.faulty !== true)
    ctx.diagnostics.add(setMessages.emptySet(decl.name.span, decl.name.text));
  known.set(name, set);
  ctx.facts?.set(decl, set);
  return set;
}

/** The set of an arm's patterns; names of headers stand for the selector's values where the subject is a selector. */
export function checkPatterns(
  ctx: Context,
  scope: Scope,
  patterns: readonly ast.Expr[],
  subject: HExpr,
): ConstantSet | null {
  const [only] = patterns;
  const decl = only?.kind === "name" && scope.find(only.name.text) === null ? ctx.names.get(only.name.text) : undefined;
  if (patterns.length === 1 && only !== undefined && decl?.kind === "constSetDecl") {
    const type = memberType(ctx, decl);
    if (type === null || type.kind === "error" || sameType(type, subject.type))
      return checkSet(ctx, scope, only, subject.type);
    ctx.diagnostics.add(messages.typeMismatch(only.span, type, subject.type));
    return null;
  }
  const items: Item[] = [];
  for (const pattern of patterns) for (const one of expand(ctx, scope, pattern) ?? []) items.push(one);
  return makeSet(ctx, scope, items, subject.type, subject);
}

/** The elements behind literals and names of constants. */
function expand(ctx: Context, scope: Scope, expr: ast.Expr): Item[] | null {
  if (expr.kind === "error") return null;
  if (expr.kind === "setLiteral") {
    const all: Item[] = [];
    for (const element of expr.elements) {
      // Constants in constants double as functions in functions do; an element is little beside a statement.
      if (!ctx.unfold(element.span, element.kind === "name" ? 0.1 : 0.01)) return null;
      for (const one of expand(ctx, scope, element) ?? []) all.push(one);
    }
    return all;
  }
  if (expr.kind === "name" && scope.find(expr.name.text) === null) {
    const decl = ctx.names.get(expr.name.text);
    if (decl?.kind !== "headerDecl") ctx.facts?.useDeclaration(expr.span, decl);
    if (decl?.kind === "constSetDecl") {
      memberType(ctx, decl);
      return expandDecl(ctx, scope, decl, expr.span);
    }
    if (decl?.kind === "constDecl") {
      const value = ctx.defines.get(decl.name.text) ?? decl.value;
      if (value.kind === "setLiteral" || value.kind === "prefix" || value.kind === "range" || value.kind === "name") {
        return expandConst(ctx, scope, decl, value, expr.span);
      }
    }
  }
  return [{ kind: "expr", expr }];
}

function expandDecl(ctx: Context, scope: Scope, decl: ast.ConstSetDecl, use: Span): Item[] | null {
  if (decl.source.kind === "literal") return expandConst(ctx, scope, decl, decl.source.value, use);
  const file = ctx.setFiles.get(decl);
  return file === undefined ? null : [{ kind: "file", file }];
}

function expandConst(
  ctx: Context,
  scope: Scope,
  decl: ast.ConstDecl | ast.ConstSetDecl,
  value: ast.Expr,
  use: Span,
): Item[] | null {
  if (ctx.busy.has(decl)) {
    ctx.diagnostics.add(messages.recursion(decl.name.text, use, "constant"));
    return null;
  }
  ctx.busy.add(decl);
  const elements = expand(ctx, scope, value);
  ctx.busy.delete(decl);
  return elements;
}

function makeSet(
  ctx: Context,
  scope: Scope,
  items: readonly Item[],
  type: Type,
  subject: HExpr | null,
): ConstantSet | null {
  return elementsOf(type) !== null ? tupleSet(ctx, scope, items, type) : rangeSet(ctx, scope, items, type, subject);
}

function tupleSet(ctx: Context, scope: Scope, items: readonly Item[], type: Type): ConstantSet | null {
  const tuples: (readonly bigint[])[] = [];
  const first = new Map<string, Span>();
  const covered: Covered[] = [];
  const take = (tuple: readonly bigint[], span: Span): void => {
    const key = tuple.join();
    const earlier = first.get(key);
    if (earlier !== undefined) covered.push({ later: span, earlier });
    else {
      first.set(key, span);
      tuples.push(tuple);
    }
  };
  for (const item of items) {
    if (item.kind === "file") {
      new FileTyper(ctx, item.file).tuples(type, take);
      continue;
    }
    const value = convert(ctx, checkValue(ctx, scope, item.expr), type);
    if (value.kind === "error") return null;
    const flat = flatten(value);
    if (flat === null) {
      ctx.diagnostics.add(messages.notConstant(item.expr.span, "an element of a set"));
      return null;
    }
    take(flat, item.expr.span);
  }
  tellCovered(ctx, covered);
  return { kind: "tuples", tuples };
}

function tellCovered(ctx: Context, covered: readonly Covered[]): void {
  if (covered.length <= MOST_TOLD) {
    for (const { later, earlier } of covered) ctx.diagnostics.add(setMessages.duplicateElement(later, earlier));
    return;
  }
  const grouped = setMessages.duplicateElements(covered);
  if (grouped !== null) ctx.diagnostics.add(grouped);
}

function flatten(value: HExpr): bigint[] | null {
  if (value.kind === "const") return [value.value];
  if (value.kind !== "aggregate") return null;
  const all: bigint[] = [];
  for (const element of value.elements) {
    const part = flatten(element);
    if (part === null) return null;
    all.push(...part);
  }
  return all;
}

function rangeSet(
  ctx: Context,
  scope: Scope,
  items: readonly Item[],
  type: Type,
  subject: HExpr | null,
): ConstantSet | null {
  const bits = scalarBits(type) ?? 64;
  const written: (NumberRange & { readonly span: Span })[] = [];
  const few: SetElement[] = [];
  const take = (element: SetElement, span: Span): void => {
    if (few.length <= FEW) few.push(element);
    const { from, to } = rangeOf(element, bits);
    written.push({ from, to, span });
  };
  for (const item of items) {
    if (item.kind === "file") {
      new FileTyper(ctx, item.file).elements(type, take);
      continue;
    }
    const one = elementOf(ctx, scope, item.expr, type, subject);
    if (one === null) return null;
    for (const e of one) take(e, item.expr.span);
  }
  const { ranges, covered } = mergeRanges(written);
  tellCovered(ctx, covered);
  if (bits > 32 && ranges.length > FEW && ranges.some((r) => r.from !== r.to) && trieOf(ranges, bits) === null) {
    const [last] = written.slice(-1);
    if (last !== undefined) ctx.diagnostics.add(setMessages.setTooLarge(last.span, MOST_TRIE_BYTES));
    return null;
  }
  return { kind: "ranges", ranges, written: few.length > FEW ? null : few };
}

function rangeOf(element: SetElement, bits: number): NumberRange {
  switch (element.kind) {
    case "value":
      return { from: element.value, to: element.value };
    case "range":
      return element;
    case "prefix":
      return { from: element.value, to: element.value | ((1n << BigInt(bits - element.length)) - 1n) };
  }
}

function elementOf(ctx: Context, scope: Scope, expr: ast.Expr, type: Type, subject: HExpr | null): SetElement[] | null {
  if (expr.kind === "prefix") {
    if (type.kind !== expr.type) {
      ctx.diagnostics.add(
        messages.typeMismatch(expr.span, { kind: expr.type }, type, { label: `an ${expr.type} prefix` }),
      );
      return null;
    }
    const bits = expr.type === "ipv4" ? 32 : 128;
    const free = (1n << BigInt(bits - expr.length)) - 1n;
    const value = expr.value & ~free;
    if (value !== expr.value)
      ctx.diagnostics.add(
        messages.hostBits(expr.span, text(expr.span), `${addressText(value, expr.type)}/${expr.length}`),
      );
    return [{ kind: "prefix", value, length: expr.length }];
  }
  if (expr.kind === "range") {
    const from = checkConstant(ctx, scope, expr.from, "the start of a range");
    const to = checkConstant(ctx, scope, expr.to, "the end of a range");
    if (from === null || to === null) return null;
    const low = convert(ctx, from, type);
    const high = convert(ctx, to, type);
    if (low.kind !== "const" || high.kind !== "const") return null;
    if (low.value > high.value) {
      ctx.diagnostics.add(messages.badRange(expr.span, low.value, high.value));
      return null;
    }
    return [{ kind: "range", from: low.value, to: high.value }];
  }
  if (expr.kind === "name" && subject !== null && scope.find(expr.name.text) === null) {
    const header = headerAt(ctx, expr.name);
    if (header !== null)
      return selectorValues(ctx, subject, header, expr.span)?.map((value) => ({ kind: "value", value })) ?? null;
    const decl = ctx.names.get(expr.name.text);
    if (decl !== undefined && decl.kind !== "constDecl") {
      ctx.diagnostics.add(
        messages.wrongKindOfName(expr.name.text, expr.span, DECLARATION_WORDS[decl.kind], "a constant", decl.name.span),
      );
      return null;
    }
  }
  const found = checkValue(ctx, scope, expr);
  if (found.kind === "error") return null;
  if (elementsOf(found.type) !== null) return mismatch(ctx, found, type);
  const value = found.kind === "const" ? found : checkConstant(ctx, scope, expr, "an element of a set");
  if (value === null) return null;
  const converted =
    value.type.kind === "untyped" && (type.kind === "ipv4" || type.kind === "mac")
      ? mismatch(ctx, value, type)
      : convert(ctx, value, type);
  return converted !== null && converted.kind === "const" ? [{ kind: "value", value: converted.value }] : null;
}

function mismatch(ctx: Context, value: HExpr, type: Type): null {
  ctx.diagnostics.add(messages.typeMismatch(value.span, value.type, type, { help: `write it as ${typeName(type)}` }));
  return null;
}

function text(span: Span): string {
  return span.file.text.slice(span.start, span.end);
}

/** An address as people write it; IPv6 without compression. */
export function addressText(value: bigint, type: "ipv4" | "ipv6"): string {
  if (type === "ipv4") return [24n, 16n, 8n, 0n].map((s) => ((value >> s) & 255n).toString()).join(".");
  return Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16))
    .join(":")
    .replace(/(^|:)0(:0)+(:|$)/, "::");
}
