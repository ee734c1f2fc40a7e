// Operators on values: arithmetic, `as`, and struct literals. Constants are folded as the target would compute them.

import type { Span } from "../base/source.ts";
import { nearest } from "../base/suggest.ts";
import type * as ast from "../parser/ast.ts";
import { checkValue, checkValueAs, errorValue, fault, typed } from "./check-value.ts";
import type { Context } from "./context.ts";
import { DECLARATION_WORDS } from "./context.ts";
import { foldBinary, unify } from "./conversion.ts";
import { typeOf } from "./declare.ts";
import type { ArithmeticOp, HExpr } from "./hir.ts";
import * as messages from "./messages.ts";
import type { Scope } from "./scope.ts";
import { elementsOf, isArithmetic, type Type, UNTYPED } from "./types.ts";

/** Types a two-operand arithmetic expression. */
export function checkArithmetic(ctx: Context, scope: Scope, expr: ast.Expr & { kind: "binary" }): HExpr {
  const a = checkValue(ctx, scope, expr.left);
  const b = checkValue(ctx, scope, expr.right);
  return arithmetic(ctx, expr.op as ArithmeticOp, a, b, expr.span);
}

/** The typed result of an arithmetic operator on two typed values. */
export function arithmetic(ctx: Context, op: ArithmeticOp, a: HExpr, b: HExpr, span: Span): HExpr {
  if (a.kind === "error" || b.kind === "error") return errorValue(span);
  for (const operand of [a, b]) {
    if (operand.type.kind === "ipv6") return fault(ctx, messages.notSupportedYet(operand.span, "wideArithmetic"));
    if (!isArithmetic(operand.type)) {
      return fault(
        ctx,
        messages.badOperator(operand.span, op, operand.type, "it works on integers, IPv4 and MAC addresses"),
      );
    }
  }
  if (a.kind === "const" && b.kind === "const" && a.type.kind === "untyped" && b.type.kind === "untyped") {
    return { kind: "const", value: foldBinary(op, a.value, b.value, 64), type: UNTYPED, span };
  }
  const shift = op === "<<" || op === ">>";
  const pair = shift ? { a: a.type.kind === "untyped" ? typed(ctx, a) : a, b: typed(ctx, b) } : unify(ctx, a, b);
  if (pair === null) return errorValue(span);
  const type = pair.a.type;
  if (pair.a.kind === "const" && pair.b.kind === "const") {
    const bits = type.kind === "mac" ? 48 : type.kind === "int" ? type.bits : 32;
    return { kind: "const", value: foldBinary(op, pair.a.value, pair.b.value, bits), type, span };
  }
  return { kind: "binary", op, a: pair.a, b: pair.b, type, span };
}

/** Types `x as T`. */
export function checkCast(ctx: Context, scope: Scope, expr: ast.Expr & { kind: "cast" }): HExpr {
  const target = typeOf(ctx, expr.type);
  const value = checkValue(ctx, scope, expr.value);
  if (value.kind === "error" || target.kind === "error") return errorValue(expr.span);
  if (!isArithmetic(target) || !(isArithmetic(value.type) || value.type.kind === "bool")) {
    return fault(
      ctx,
      messages.typeMismatch(expr.span, value.type, target, {
        help: "`as` changes between integers, IPv4 and MAC addresses",
      }),
    );
  }
  if (value.kind === "const") {
    const bits = target.kind === "int" ? target.bits : target.kind === "mac" ? 48 : 32;
    return { kind: "const", value: BigInt.asUintN(bits, value.value), type: target, span: expr.span };
  }
  return { kind: "cast", value, type: target, span: expr.span };
}

/** Types a struct literal; fields that aren't given are zero. */
export function checkStruct(ctx: Context, scope: Scope, expr: ast.Expr & { kind: "structLiteral" }): HExpr {
  const decl = ctx.find(expr.name.text, expr.name.span);
  if (decl === null) return errorValue(expr.span);
  if (decl.kind !== "structDecl") {
    return fault(
      ctx,
      messages.wrongKindOfName(
        expr.name.text,
        expr.name.span,
        DECLARATION_WORDS[decl.kind],
        "a struct",
        decl.name.span,
      ),
    );
  }
  const type = typeOf(ctx, { kind: "namedType", name: expr.name, span: expr.name.span });
  if (type.kind !== "struct") return errorValue(expr.span);
  const given = new Map<string, HExpr>();
  for (const init of expr.fields) {
    const field = type.fields.find((f) => f.name === init.name.text);
    ctx.facts?.useStructField(init.name.span, type, init.name.text, decl);
    if (field === undefined) {
      const known = type.fields.map((f) => f.name);
      ctx.diagnostics.add(
        messages.unknownField(type.name, init.name.text, init.name.span, known, nearest(init.name.text, known)),
      );
      checkValue(ctx, scope, init.value);
    } else if (given.has(field.name)) {
      ctx.diagnostics.add(messages.badMap(init.name.span, `\`${field.name}\` is given twice`));
    } else given.set(field.name, checkValueAs(ctx, scope, init.value, field.type));
  }
  const elements = type.fields.map((f) => given.get(f.name) ?? zero(f.type, expr.span));
  if (elements.some((e) => e.kind === "error")) return errorValue(expr.span);
  return { kind: "aggregate", elements, type, span: expr.span };
}

/** Zero of any type: what a field that isn't given gets. */
export function zero(type: Type, span: Span): HExpr {
  const elements = elementsOf(type);
  if (elements !== null) return { kind: "aggregate", elements: elements.map((e) => zero(e, span)), type, span };
  return { kind: "const", value: 0n, type, span };
}
