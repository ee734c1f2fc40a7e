// Constant sets: from what was written after `in` (or in a `const set`) to merged ranges of numbers. Values, ranges and
// prefixes of one type; duplicates and host bits are warnings. Small sets only so far: they become code.

import type { Span } from "../base/source.ts";
import type * as ast from "../parser/ast.ts";
import { checkConstant, checkValue } from "./check-value.ts";
import type { Context } from "./context.ts";
import { DECLARATION_WORDS } from "./context.ts";
import { convert } from "./conversion.ts";
import { typeOf } from "./declare.ts";
import { findHeader, selectorValues } from "./header-lookup.ts";
import type { ConstantSet, HExpr, NumberRange, SetElement } from "./hir.ts";
import * as messages from "./messages.ts";
import type { Scope } from "./scope.ts";
import { elementsOf, scalarBits, type Type, typeName } from "./types.ts";

/** How many elements a set in the code may have. */
const MOST_ELEMENTS = 4096;

/** The set an expression names or writes, for members of type `type`; null after a fault. */
export function checkSet(ctx: Context, scope: Scope, expr: ast.Expr, type: Type): ConstantSet | null {
  const elements = expand(ctx, scope, expr);
  if (elements === null) return null;
  if (elements.length > MOST_ELEMENTS) {
    ctx.diagnostics.add(messages.notSupportedYet(expr.span, "bigSet", "use a `set` that user space fills"));
    return null;
  }
  if (elementsOf(type) !== null) return tupleSet(ctx, scope, elements, type);
  return rangeSet(ctx, scope, elements, type, null);
}

/** The set of an arm's patterns; names of headers stand for the selector's values where the subject is a selector. */
export function checkPatterns(
  ctx: Context,
  scope: Scope,
  patterns: readonly ast.Expr[],
  subject: HExpr,
): ConstantSet | null {
  const elements: ast.Expr[] = [];
  for (const pattern of patterns) for (const one of expand(ctx, scope, pattern) ?? []) elements.push(one);
  if (elementsOf(subject.type) !== null) return tupleSet(ctx, scope, elements, subject.type);
  return rangeSet(ctx, scope, elements, subject.type, subject);
}

/** The elements behind literals and names of constants. */
function expand(ctx: Context, scope: Scope, expr: ast.Expr): ast.Expr[] | null {
  if (expr.kind === "error") return null;
  if (expr.kind === "setLiteral") {
    const all: ast.Expr[] = [];
    for (const element of expr.elements) {
      // Constants in constants double as functions in functions do; an element is little beside a statement.
      if (!ctx.unfold(element.span, 0.1)) return null;
      for (const one of expand(ctx, scope, element) ?? []) all.push(one);
    }
    return all;
  }
  if (expr.kind === "name" && scope.find(expr.name.text) === null) {
    const decl = ctx.names.get(expr.name.text);
    if (decl?.kind === "constSetDecl") {
      if (decl.source.kind === "file") {
        ctx.diagnostics.add(
          messages.notSupportedYet(decl.source.path.span, "fileSet", "write the elements between braces"),
        );
        return null;
      }
      if (decl.element?.kind !== "prefixType" && decl.element !== null) typeOf(ctx, decl.element);
      return expandConst(ctx, scope, decl, decl.source.value, expr.span);
    }
    if (decl?.kind === "constDecl") {
      const value = ctx.defines.get(decl.name.text) ?? decl.value;
      if (value.kind === "setLiteral" || value.kind === "prefix" || value.kind === "range" || value.kind === "name") {
        return expandConst(ctx, scope, decl, value, expr.span);
      }
    }
  }
  return [expr];
}

function expandConst(
  ctx: Context,
  scope: Scope,
  decl: ast.ConstDecl | ast.ConstSetDecl,
  value: ast.Expr,
  use: Span,
): ast.Expr[] | null {
  if (ctx.busy.has(decl)) {
    ctx.diagnostics.add(messages.recursion(decl.name.text, use, "constant"));
    return null;
  }
  ctx.busy.add(decl);
  const elements = expand(ctx, scope, value);
  ctx.busy.delete(decl);
  return elements;
}

function tupleSet(ctx: Context, scope: Scope, elements: readonly ast.Expr[], type: Type): ConstantSet | null {
  const tuples: bigint[][] = [];
  for (const element of elements) {
    const value = convert(ctx, checkValue(ctx, scope, element), type);
    if (value.kind === "error") return null;
    const flat = flatten(value);
    if (flat === null) {
      ctx.diagnostics.add(messages.notConstant(element.span, "an element of a set"));
      return null;
    }
    tuples.push(flat);
  }
  return { kind: "tuples", tuples };
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
  elements: readonly ast.Expr[],
  type: Type,
  subject: HExpr | null,
): ConstantSet | null {
  const written: (SetElement & { readonly span: Span })[] = [];
  for (const element of elements) {
    const one = elementOf(ctx, scope, element, type, subject);
    if (one === null) return null;
    for (const e of one) written.push({ ...e, span: element.span });
  }
  const bits = scalarBits(type) ?? 64;
  const sorted = written
    .map((e) => ({ ...rangeOf(e, bits), span: e.span }))
    .sort((x, y) => (x.from < y.from ? -1 : x.from > y.from ? 1 : y.to > x.to ? 1 : -1));
  const merged: { from: bigint; to: bigint; span: Span }[] = [];
  for (const range of sorted) {
    const last = merged[merged.length - 1];
    if (last !== undefined && range.to <= last.to) {
      const [later, earlier] = range.span.start >= last.span.start ? [range.span, last.span] : [last.span, range.span];
      ctx.diagnostics.add(messages.duplicateElement(later, earlier));
    } else if (last !== undefined && range.from <= last.to + 1n) last.to = range.to;
    else merged.push({ ...range });
  }
  const ranges: NumberRange[] = merged.map(({ from, to }) => ({ from, to }));
  return { kind: "ranges", ranges, written: written.map(({ span: _span, ...e }) => e) };
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
    const header = findHeader(ctx, expr.name.text);
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
