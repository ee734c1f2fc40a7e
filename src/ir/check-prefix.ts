// Prefixes as keys of a trie: from `10.0.0.0/8`, or the name of a constant that stands for it, to a typed value. Prefixes in constant
// sets are ranges and constant-set.ts's.

import { textOf } from "../base/source.ts";
import type * as ast from "../parser/ast.ts";
import { addressText } from "./constant-set.ts";
import type { Context } from "./context.ts";
import { prefixValue } from "./conversion.ts";
import type { HExpr } from "./hir.ts";
import * as messages from "./messages.ts";
import type { Scope } from "./scope.ts";
import { ERROR, type Type } from "./types.ts";

/** The prefix that an expression writes or names; null for anything else. */
export function prefixOf(ctx: Context, scope: Scope, expr: ast.Expr): (ast.Expr & { kind: "prefix" }) | null {
  if (expr.kind === "prefix") return expr;
  if (expr.kind !== "name" || scope.find(expr.name.text) !== null) return null;
  const decl = ctx.names.get(expr.name.text);
  if (decl?.kind !== "constDecl") return null;
  const value = ctx.defines.get(decl.name.text) ?? decl.value;
  return value.kind === "prefix" ? { ...value, span: expr.span } : null;
}

/** A prefix as a value of type `target`; bits behind its length are cleared, with a warning. */
export function checkPrefix(
  ctx: Context,
  prefix: ast.Expr & { kind: "prefix" },
  target: Type & { kind: "prefix" },
): HExpr {
  const { span } = prefix;
  const type: Type = { kind: prefix.type };
  if (prefix.type !== target.of) {
    ctx.diagnostics.add(messages.typeMismatch(span, type, target, { label: `an ${prefix.type} prefix` }));
    return { kind: "error", type: ERROR, span };
  }
  const bits = prefix.type === "ipv4" ? 32 : 128;
  const value = prefix.value & ~((1n << BigInt(bits - prefix.length)) - 1n);
  if (value !== prefix.value)
    ctx.diagnostics.add(messages.hostBits(span, textOf(span), `${addressText(value, prefix.type)}/${prefix.length}`));
  return prefixValue({ kind: "const", value, type, span }, prefix.length, target);
}
