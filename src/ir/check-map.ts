// Types of what rules do with their own state: `count`, `insert`, `delete`, and what `if let` binds: an entry of a map, an inner map,
// the next value of a queue or stack. Assignments to entries are check-assign.ts's. Called by check-statement.ts.

import type { Diagnostic } from "../base/diagnostic.ts";
import type * as ast from "../parser/ast.ts";
import { checkValueAs } from "./check-value.ts";
import type { Context } from "./context.ts";
import { mapNamed } from "./declare.ts";
import type { Entry, HStmt, Local, MapSymbol } from "./hir.ts";
import { mayRead, mayWrite } from "./map-attributes.ts";
import * as messages from "./messages.ts";
import type { Binding, Scope } from "./scope.ts";
import { typeName } from "./types.ts";

/** Types `count hits` and `count by_port[key]`. */
export function checkCount(ctx: Context, scope: Scope, statement: ast.Stmt & { kind: "count" }): readonly HStmt[] {
  const { span, counter: target } = statement;
  const name = target.kind === "index" ? target.object : target;
  if (name.kind !== "name") return fault(ctx, messages.notAValue(target.span, "this", "name a counter: `count hits`"));
  const map = mapNamed(ctx, name.name, ["counter"], "a counter");
  if (map === null) return [];
  if (target.kind === "index" && map.key !== null) {
    const key = checkValueAs(ctx, scope, target.index, map.key);
    return key.kind === "error" ? [] : [{ kind: "count", map, key, span }];
  }
  if (target.kind === "index") {
    const help = `write \`count ${map.name}\``;
    return fault(ctx, messages.badMap(target.span, `\`${map.name}\` is a single counter`, { help }));
  }
  if (map.key !== null) {
    const help = `write \`count ${map.name}[key]\``;
    return fault(ctx, messages.badMap(target.span, `\`${map.name}\` counts per ${typeName(map.key)}`, { help }));
  }
  return [{ kind: "count", map, key: null, span }];
}

/** Types `insert s key` and, for queues, stacks and bloom filters, `insert q value`. */
export function checkInsert(ctx: Context, scope: Scope, statement: ast.Stmt & { kind: "insert" }): readonly HStmt[] {
  const { span } = statement;
  const orElse = statement.orElse?.verdict ?? null;
  const help = "assign to a map's entry instead: `m[key] = value`";
  const map = mapNamed(ctx, statement.map, ["set", "queue"], "a set, queue, stack or bloom filter", help, scope);
  if (map === null || !mayWrite(ctx, map, statement.map.span)) return [];
  if (map.role === "queue") {
    if (map.value === null) return [];
    const value = checkValueAs(ctx, scope, statement.key, map.value);
    return value.kind === "error" ? [] : [{ kind: "put", map, value, orElse, span }];
  }
  if (map.key === null) return [];
  const key = checkValueAs(ctx, scope, statement.key, map.key);
  return key.kind === "error" ? [] : [{ kind: "mapUpdate", map, key, value: null, orElse, span }];
}

/** Types `delete m key`. */
export function checkDelete(ctx: Context, scope: Scope, statement: ast.Stmt & { kind: "delete" }): readonly HStmt[] {
  const { span } = statement;
  const map = mapNamed(ctx, statement.map, null, "a set or a map", undefined, scope);
  if (map === null || map.key === null || !mayWrite(ctx, map, statement.map.span)) return [];
  if (isDense(map)) {
    const message = `entries of an ${map.mapKind} can't be deleted`;
    return fault(ctx, messages.badMap(statement.map.span, message, { help: "assign zero, or use a hash" }));
  }
  const key = checkValueAs(ctx, scope, statement.key, map.key);
  return key.kind === "error" ? [] : [{ kind: "mapDelete", map, key, span }];
}

/** What an `if let` asks, and the scope of its body. */
interface Bound {
  readonly asks:
    | Pick<HStmt & { kind: "ifLet" }, "kind" | "entry" | "key">
    | Pick<HStmt & { kind: "ifTake" }, "kind" | "map" | "local" | "remove">;
  readonly scope: Scope;
}

/** Types what `if let` binds; null with a diagnostic. */
export function checkIfLet(ctx: Context, scope: Scope, condition: ast.IfLet): Bound | null {
  const { value: target, name } = condition;
  if (target.kind === "call" && (target.callee.text === "pop" || target.callee.text === "peek"))
    return checkTake(ctx, scope, name, target);
  if (target.kind !== "index" || target.object.kind !== "name") {
    if (target.kind !== "error")
      ctx.diagnostics.add(
        messages.notAValue(target.span, "this", "`if let` binds a map's entry: `if let s = flows[key] then …`"),
      );
    return null;
  }
  const map = mapNamed(ctx, target.object.name, ["map", "maps"], "a map", undefined, scope);
  if (map === null || map.key === null || !mayRead(ctx, map, target.object.span)) return null;
  const key = checkValueAs(ctx, scope, target.index, map.key);
  const entry: Entry = { name: name.text, map };
  const inner: MapSymbol | null = map.inner === undefined ? null : { ...map.inner, via: entry };
  const binding: Binding =
    inner === null ? { kind: "entry", entry, declared: name } : { kind: "map", map: inner, declared: name };
  ctx.facts?.bind(binding);
  if (key.kind === "error") return null;
  return { asks: { kind: "ifLet", entry, key }, scope: scope.with(name.text, binding) };
}

/** `pop(q)` and `peek(q)`: a copy of the next value of a queue or stack. */
function checkTake(ctx: Context, scope: Scope, name: ast.Name, call: ast.Expr & { kind: "call" }): Bound | null {
  const [only] = call.args;
  const { text } = call.callee;
  ctx.facts?.use(call.callee.span, { kind: "builtin", name: text === "pop" ? "pop" : "peek" });
  if (only?.kind !== "name" || call.args.length !== 1 || call.fields.length > 0) {
    const help = `name a queue or stack: \`if let next = ${text}(waiting) then …\``;
    ctx.diagnostics.add(messages.notAValue(call.span, "this", help));
    return null;
  }
  const map = mapNamed(ctx, only.name, ["queue"], "a queue or a stack");
  if (map === null || map.value === null) return null;
  if (map.mapKind === "bloom_filter") {
    const help = `ask whether it holds a value: \`value in ${map.name}\``;
    ctx.diagnostics.add(messages.badMap(only.span, "a bloom filter doesn't give back what it holds", { help }));
    return null;
  }
  if (!mayRead(ctx, map, only.span) || (text === "pop" && !mayWrite(ctx, map, only.span))) return null;
  const local: Local = { name: name.text, type: map.value };
  const asks = { kind: "ifTake", map, local, remove: text === "pop" } as const;
  const binding: Binding = { kind: "local", local, declared: name };
  ctx.facts?.bind(binding);
  return { asks, scope: scope.with(name.text, binding) };
}

/** True for maps all of whose entries are always there. */
function isDense(map: MapSymbol): boolean {
  return map.mapKind === "array" || map.mapKind === "percpu_array";
}

function fault(ctx: Context, diagnostic: Diagnostic): [] {
  ctx.diagnostics.add(diagnostic);
  return [];
}
