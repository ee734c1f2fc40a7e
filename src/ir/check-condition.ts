// Types of conditions: comparisons, membership, presence, and what joins them. A comparison on a field of an absent header
// is false; that is the lowering's business, here only the operands get one type. Calls check-value.ts and is called by it.

import { type Span, textOf } from "../base/source.ts";
import type * as ast from "../parser/ast.ts";
import { bindCall } from "./check-call.ts";
import { checkValue, instanceNamed, typed } from "./check-value.ts";
import { checkSet, memberType } from "./constant-set.ts";
import type { Context } from "./context.ts";
import { DECLARATION_WORDS } from "./context.ts";
import { convert, unify } from "./conversion.ts";
import { mapNamed, mapOf } from "./declare.ts";
import { findHeader, headerAt, selectorValues } from "./header-lookup.ts";
import type { CompareOp, HCond, HExpr, MapSymbol } from "./hir.ts";
import * as messages from "./messages.ts";
import type { Scope } from "./scope.ts";
import { isOrdered } from "./types.ts";

const COMPARISONS: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">="]);
const CONDITION_OPS: ReadonlySet<string> = new Set([...COMPARISONS, "in", "exceeds", "and", "or"]);

/** True for expressions that are conditions by their form; what is only used as one (a bool, a one-bit field) is a value. */
export function isConditional(ctx: Context, expr: ast.Expr): boolean {
  const called = new Set<ast.FnDecl>();
  for (let at = expr; ; ) {
    if (at.kind === "not" || isOpaque(ctx, at)) return true;
    if (at.kind === "binary") return CONDITION_OPS.has(at.op);
    if (at.kind !== "call") return at !== expr && isPresence(ctx, at);
    const decl = ctx.names.get(at.callee.text);
    if (decl?.kind !== "fnDecl" || decl.body.kind !== "expr" || called.has(decl)) return false;
    called.add(decl);
    at = decl.body.value;
  }
}

/** True for a bare header name or `opaque`, seen from a place without local names. */
function isPresence(ctx: Context, expr: ast.Expr): boolean {
  if (expr.kind === "name")
    return findHeader(ctx, expr.name.text) !== null || (expr.name.text === "opaque" && !ctx.names.has("opaque"));
  const header = expr.kind === "index" ? expr.object : expr;
  if (header.kind === "member") return isInnerHeader(ctx, header);
  return expr.kind === "index" && header.kind === "name" && findHeader(ctx, header.name.text) !== null;
}

/** `inner.ip` */
function isInnerHeader(ctx: Context, { object, member }: ast.Expr & { kind: "member" }): boolean {
  const inner = object.kind === "name" && object.name.text === "inner" && !ctx.names.has("inner");
  return inner && findHeader(ctx, member.text) !== null;
}

function isOpaque(ctx: Context, expr: ast.Expr): boolean {
  return expr.kind === "name" && expr.name.text === "opaque" && !ctx.names.has("opaque");
}

/** Types an expression that is used as a condition; after a fault it is the constant false. */
export function checkCondition(ctx: Context, scope: Scope, expr: ast.Expr): HCond {
  const { span } = expr;
  const never: HCond = { kind: "constant", value: false, span };
  switch (expr.kind) {
    case "not":
      return { kind: "not", operand: checkCondition(ctx, scope, expr.operand), span };
    case "binary":
      if (expr.op === "and" || expr.op === "or") return checkJunction(ctx, scope, expr);
      if (COMPARISONS.has(expr.op)) return checkComparison(ctx, scope, expr);
      if (expr.op === "in") return checkMembership(ctx, scope, expr);
      if (expr.op === "exceeds") return checkExceeds(ctx, scope, expr) ?? never;
      break;
    case "call": {
      if (!isConditional(ctx, expr)) break;
      const call = bindCall(ctx, scope, expr);
      if (call === null || call.fn.body.kind !== "expr") return never;
      return { ...checkCondition(ctx, call.scope, call.fn.body.value), span };
    }
    case "name":
      if (expr.name.text === "opaque" && scope.find("opaque") === null && !ctx.names.has("opaque")) {
        ctx.facts?.use(span, { kind: "builtin", name: "opaque" });
        return { kind: "opaque", span };
      }
      break;
    default:
      break;
  }
  const before = ctx.diagnostics.all.length;
  const instance = instanceNamed(ctx, scope, expr);
  if (instance !== null) return { kind: "present", instance, span };
  if (ctx.diagnostics.all.length > before) return never;
  const value = checkValue(ctx, scope, expr);
  return truthOf(ctx, value) ?? never;
}

/** A value as a condition: a bool, a constant, or a one-bit field. */
function truthOf(ctx: Context, value: HExpr): HCond | null {
  if (value.kind === "error") return null;
  if (value.kind === "condition") return value.condition;
  if (value.type.kind === "bool" || (value.kind === "field" && value.field.bitWidth === 1)) {
    if (value.kind === "const") return { kind: "constant", value: value.value !== 0n, span: value.span };
    return { kind: "truth", value, span: value.span };
  }
  ctx.diagnostics.add(messages.notACondition(value.span, value.type));
  return null;
}

/** `a and b and c …` is a left-deep tree that may be long: its operands are collected in a loop. */
function checkJunction(ctx: Context, scope: Scope, expr: ast.Expr & { kind: "binary" }): HCond {
  const kind = expr.op === "and" ? "and" : "or";
  const rights: (ast.Expr & { kind: "binary" })[] = [];
  let left: ast.Expr = expr;
  while (left.kind === "binary" && left.op === kind) {
    rights.push(left);
    left = left.left;
  }
  let result = checkCondition(ctx, scope, left);
  for (const part of rights.reverse()) {
    result = { kind, a: result, b: checkCondition(ctx, scope, part.right), span: part.span };
  }
  return result;
}

function checkComparison(ctx: Context, scope: Scope, expr: ast.Expr & { kind: "binary" }): HCond {
  const { span } = expr;
  const op = expr.op as CompareOp;
  const never: HCond = { kind: "constant", value: false, span };
  const bySelector = compareWithHeader(ctx, scope, expr);
  if (bySelector !== null) return bySelector;
  const a = checkValue(ctx, scope, expr.left);
  const b = checkValue(ctx, scope, expr.right);
  // A one-bit field may be compared with true and false as with 1 and 0.
  const pair = unify(ctx, boolAsInt(a, b), boolAsInt(b, a));
  if (pair === null) return never;
  const equality = op === "==" || op === "!=";
  if (!equality && !isOrdered(pair.a.type)) {
    ctx.diagnostics.add(messages.badOperator(span, op, pair.a.type, "only integers and addresses are ordered"));
    return never;
  }
  if (pair.a.type.kind === "untyped")
    return { kind: "compare", op, a: typed(ctx, pair.a), b: typed(ctx, pair.b), span };
  return { kind: "compare", op, a: pair.a, b: pair.b, span };
}

function boolAsInt(value: HExpr, other: HExpr): HExpr {
  if (value.kind === "const" && value.type.kind === "bool" && other.kind === "field" && other.field.bitWidth === 1) {
    return { ...value, type: other.type };
  }
  return value;
}

/** `ip.protocol == tcp`: the name of a following header stands for its selector values. */
function compareWithHeader(ctx: Context, scope: Scope, expr: ast.Expr & { kind: "binary" }): HCond | null {
  if ((expr.op !== "==" && expr.op !== "!=") || expr.right.kind !== "name" || scope.find(expr.right.name.text) !== null)
    return null;
  const header = headerAt(ctx, expr.right.name);
  if (header === null) return null;
  const value = checkValue(ctx, scope, expr.left);
  if (value.kind === "error") return { kind: "constant", value: false, span: expr.span };
  const values = selectorValues(ctx, value, header, expr.right.span);
  if (values === null) return { kind: "constant", value: false, span: expr.span };
  const ranges = values.map((v) => ({ from: v, to: v }));
  const written = values.map((v) => ({ kind: "value" as const, value: v }));
  return { kind: "inSet", value, set: { kind: "ranges", ranges, written }, negated: expr.op === "!=", span: expr.span };
}

function checkMembership(ctx: Context, scope: Scope, expr: ast.Expr & { kind: "binary" }): HCond {
  const { span, right } = expr;
  const never: HCond = { kind: "constant", value: false, span };
  const bound = right.kind === "name" ? scope.find(right.name.text) : null;
  const value = typed(ctx, checkValue(ctx, scope, expr.left));
  if (bound?.kind === "map") {
    ctx.facts?.use(right.span, { kind: "binding", binding: bound });
    return hasKey(ctx, value, bound.map, span) ?? never;
  }
  if (right.kind === "name" && bound === null) {
    const decl = ctx.find(right.name.text, right.span);
    if (decl === null) return never;
    if (decl.kind === "setDecl" || decl.kind === "mapDecl") {
      const map = mapOf(ctx, decl);
      return map === null ? never : (hasKey(ctx, value, map, span) ?? never);
    }
    if (decl.kind !== "constSetDecl" && decl.kind !== "constDecl") {
      ctx.diagnostics.add(
        messages.wrongKindOfName(right.name.text, right.span, DECLARATION_WORDS[decl.kind], "a set", decl.name.span),
      );
      return never;
    }
  }
  if (value.kind === "error") return never;
  const decl =
    right.kind === "name" && scope.find(right.name.text) === null ? ctx.names.get(right.name.text) : undefined;
  const type = decl?.kind === "constSetDecl" ? memberType(ctx, decl) : null;
  const member = type === null ? value : convert(ctx, value, type);
  if (member.kind === "error") return never;
  const set = checkSet(ctx, scope, right, member.type);
  return set === null ? never : { kind: "inSet", value: member, set, negated: false, span };
}

/** Whether a map has a key, or a bloom filter may hold a value; null with a diagnostic. */
function hasKey(ctx: Context, value: HExpr, map: MapSymbol, span: Span): HCond | null {
  const type = map.mapKind === "bloom_filter" ? map.value : map.key;
  if (type === null || (map.mapKind !== "bloom_filter" && map.role === "queue")) {
    const help = "read the next one: `if let next = peek(…) then …`";
    ctx.diagnostics.add(messages.badMap(span, `a ${map.mapKind} doesn't know what it holds`, { help }));
    return null;
  }
  const key = convert(ctx, value, type);
  return key.kind === "error" ? null : { kind: "inMap", key, map, span };
}

/** `ip.saddr exceeds syns` */
function checkExceeds(ctx: Context, scope: Scope, expr: ast.Expr & { kind: "binary" }): HCond | null {
  const { span, left, right } = expr;
  const name = right.kind === "name" ? right.name : { text: textOf(right.span), span: right.span };
  const help = "declare one: `limiter syns[65536] : 1000/s burst 200 per ipv4`";
  const map = right.kind === "error" ? null : mapNamed(ctx, name, ["limiter"], "a limiter", help);
  const value = checkValue(ctx, scope, left);
  if (map === null || map.key === null) return null;
  const key = convert(ctx, value, map.key);
  return key.kind === "error" ? null : { kind: "exceeds", key, map, span };
}
