// Types of what a test expects of buffers of events and of queues: `Event { saddr: 10.0.0.1 } in events`, `events == 2`, `events.lost == 1`,
// `7 in free`, `free == 3`. Called by check-test-state.ts.

import type { Span } from "../base/source.ts";
import type * as ast from "../parser/ast.ts";
import { checkValue, checkValueAs, typed } from "./check-value.ts";
import { constantBytes } from "./constant-bytes.ts";
import type { Context } from "./context.ts";
import { mapOf } from "./declare.ts";
import type { MapSymbol } from "./hir.ts";
import type { HStateCond, HStateValue } from "./hir-test.ts";
import { lostOffset } from "./lost.ts";
import * as messages from "./messages.ts";
import { badExpectation } from "./messages-test.ts";
import { Scope } from "./scope.ts";
import { U64 } from "./types.ts";

/** Whether a map holds values without keys that a test can see. */
export function isSequence(map: MapSymbol): boolean {
  return map.role === "events" || (map.role === "queue" && map.mapKind !== "bloom_filter");
}

/** Types `VALUE in events`: some event so far was that, or the queue holds it now; null after a fault. */
export function checkHolds(ctx: Context, map: MapSymbol, expr: ast.Expr, span: Span): HStateCond | null {
  const value =
    map.value === null
      ? typed(ctx, checkValue(ctx, Scope.global, expr))
      : checkValueAs(ctx, Scope.global, expr, map.value);
  if (value.kind === "error") return null;
  const bytes = constantBytes(value);
  if (bytes !== null) return { kind: "holds", map, value: bytes, span };
  ctx.diagnostics.add(messages.notConstant(expr.span, "a value in a test"));
  return null;
}

/** The number that `events`, `events.lost` or a queue's name stands for; null where the expression is none of these. */
export function amountOf(ctx: Context, expr: ast.Expr): HStateValue | "fault" | null {
  const name = expr.kind === "member" ? expr.object : expr;
  if (name.kind !== "name") return null;
  const decl = ctx.names.get(name.name.text);
  const map = decl?.kind === "targetDecl" || decl?.kind === "mapDecl" ? mapOf(ctx, decl) : null;
  if (map === null || !isSequence(map)) return null;
  ctx.facts?.useDeclaration(name.span, decl);
  const { span } = expr;
  if (expr.kind !== "member") return { kind: "amount", map, lostAt: null, type: U64, span };
  if (map.role === "events" && expr.member.text === "lost") {
    if (ctx.eventBuffers.includes(map)) return { kind: "amount", map, lostAt: lostOffset(ctx, map), type: U64, span };
    ctx.diagnostics.add(badExpectation(span, `no rule sends events to \`${map.name}\``));
    return "fault";
  }
  const known = map.role === "events" ? ["lost"] : [];
  ctx.diagnostics.add(messages.unknownField(map.name, expr.member.text, expr.member.span, known, known[0] ?? null));
  return "fault";
}
