// Calls: the two builtin functions, and the user's own, which are inlined. An expression function gets its arguments in its
// parameters' places; a block function binds them first.

import { must } from "../base/assert.ts";
import type * as ast from "../parser/ast.ts";
import { checkValue, checkValueAs, errorValue, fault, typed } from "./check-value.ts";
import type { Context } from "./context.ts";
import { DECLARATION_WORDS } from "./context.ts";
import { typeOf } from "./declare.ts";
import type { HExpr, Local } from "./hir.ts";
import * as messages from "./messages.ts";
import { type Binding, Scope } from "./scope.ts";
import { FIB_RESULT, IPV4, U8, U16, U32 } from "./types.ts";

function isBuiltin(name: string): name is "random" | "hash" | "fib_lookup" {
  return name === "random" || name === "hash" || name === "fib_lookup";
}

/** Types a call that is used as a value. */
export function checkCall(ctx: Context, scope: Scope, expr: ast.Expr & { kind: "call" }): HExpr {
  const { callee, span } = expr;
  const decl = ctx.names.get(callee.text);
  if (decl === undefined && isBuiltin(callee.text)) ctx.facts?.use(callee.span, { kind: "builtin", name: callee.text });
  if (decl === undefined && callee.text === "random") {
    if (expr.args.length > 0) return fault(ctx, messages.wrongCount(span, "`random`", "nothing", expr.args.length));
    return { kind: "random", type: U32, span };
  }
  if (decl === undefined && callee.text === "hash") {
    if (expr.args.length === 0) return fault(ctx, messages.wrongCount(span, "`hash`", "at least one value", 0));
    const args = expr.args.map((a) => typed(ctx, checkValue(ctx, scope, a)));
    if (args.some((a) => a.kind === "error")) return errorValue(span);
    return { kind: "hash", args, type: U32, span };
  }
  if (decl === undefined && callee.text === "fib_lookup") return checkFibLookup(ctx, scope, expr);
  const call = bindCall(ctx, scope, expr);
  if (call === null) return errorValue(span);
  if (call.fn.body.kind !== "expr") {
    return fault(
      ctx,
      messages.notAValue(
        span,
        `\`${callee.text}\` has a body of statements: it`,
        "call it as a statement, or define it with `=`",
      ),
    );
  }
  const value = checkValue(ctx, call.scope, call.fn.body.value);
  return value.kind === "error" ? errorValue(span) : { ...value, span };
}

/** `fib_lookup(saddr, daddr, tos, length)`: the addresses tell the family, the length what the way must be able to carry. */
function checkFibLookup(ctx: Context, scope: Scope, expr: ast.Expr & { kind: "call" }): HExpr {
  const { args, span } = expr;
  const [saddr, daddr, tos, length] = args;
  if (args.length !== 4 || !saddr || !daddr || !tos || !length) {
    const wanted = "two addresses, the traffic class and the packet's length";
    return fault(ctx, messages.wrongCount(span, "`fib_lookup`", wanted, args.length));
  }
  const from = typed(ctx, checkValue(ctx, scope, saddr));
  if (from.kind === "error") return from;
  if (from.type.kind !== "ipv4" && from.type.kind !== "ipv6") {
    return fault(
      ctx,
      messages.typeMismatch(saddr.span, from.type, IPV4, { label: "routes are found for IP addresses" }),
    );
  }
  const to = checkValueAs(ctx, scope, daddr, from.type);
  const typeOfService = checkValueAs(ctx, scope, tos, U8);
  const bytes = checkValueAs(ctx, scope, length, U16);
  if ([to, typeOfService, bytes].some((arg) => arg.kind === "error")) return errorValue(span);
  return { kind: "fibLookup", args: [from, to, typeOfService, bytes], type: FIB_RESULT, span };
}

/** Finds the function of a call and binds its parameters: expression functions get the arguments in their place. */
export function bindCall(
  ctx: Context,
  scope: Scope,
  expr: ast.Expr & { kind: "call" },
): {
  readonly fn: ast.FnDecl;
  readonly scope: Scope;
  readonly lets: readonly { readonly local: Local; readonly value: HExpr }[];
} | null {
  const { callee, span } = expr;
  const decl = ctx.find(callee.text, callee.span, ["random", "hash", "fib_lookup"]);
  if (decl === null) return null;
  if (decl.kind !== "fnDecl") {
    ctx.diagnostics.add(
      messages.wrongKindOfName(callee.text, callee.span, DECLARATION_WORDS[decl.kind], "a function", decl.name.span),
    );
    return null;
  }
  ctx.called.add(decl);
  if (scope.inlining.includes(decl)) {
    ctx.diagnostics.add(messages.recursion(callee.text, callee.span, "function"));
    return null;
  }
  if (expr.args.length !== decl.params.length) {
    const wanted =
      decl.params.length === 0 ? "nothing" : `${decl.params.length} value${decl.params.length === 1 ? "" : "s"}`;
    ctx.diagnostics.add(messages.wrongCount(span, `\`${callee.text}\``, wanted, expr.args.length));
    return null;
  }
  if (!ctx.unfold(span)) return null;
  ctx.facts?.call(decl);
  const bindings = new Map<string, Binding>();
  const lets: { local: Local; value: HExpr }[] = [];
  for (const [i, param] of decl.params.entries()) {
    const type = typeOf(ctx, param.type);
    const value = checkValueAs(ctx, scope, must(expr.args[i], "an argument"), type);
    const declared = param.name;
    const local = { name: declared.text, type };
    const binding: Binding =
      decl.body.kind === "expr" ? { kind: "argument", value, declared } : { kind: "local", local, declared };
    if (binding.kind === "local") lets.push({ local, value });
    bindings.set(declared.text, binding);
    ctx.facts?.bind(binding);
  }
  return { fn: decl, scope: Scope.ofFunction(decl, bindings, scope), lets };
}
