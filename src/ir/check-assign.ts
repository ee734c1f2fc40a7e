// Types of assignments and swaps: to header fields, to globals, to map entries. Decides what a written `=` or `+=` does: a store, an
// atomic addition, a map update, or an update of an entry where there is one. Called by check-statement.ts.

import { must } from "../base/assert.ts";
import type { Span } from "../base/source.ts";
import type * as ast from "../parser/ast.ts";
import { arithmetic } from "./check-operator.ts";
import { checkValue, checkValueAs, instanceNamed } from "./check-value.ts";
import { sumsOver } from "./checksums.ts";
import type { Context } from "./context.ts";
import { convert, maxOf } from "./conversion.ts";
import { mapNamed } from "./declare.ts";
import { holderOf } from "./header-graph.ts";
import { fieldOf } from "./header-lookup.ts";
import {
  type ArithmeticOp,
  type Entry,
  type Field,
  type HExpr,
  type HStmt,
  instanceName,
  type Local,
  type MapSymbol,
  type Place,
  type SumUpdate,
} from "./hir.ts";
import { allHeaders } from "./inner.ts";
import { mayRead, mayWrite } from "./map-attributes.ts";
import * as messages from "./messages.ts";
import type { Scope } from "./scope.ts";
import { sameType } from "./types.ts";

/** Types an assignment; the statements it stands for. */
export function checkAssign(ctx: Context, scope: Scope, statement: ast.Stmt & { kind: "assign" }): readonly HStmt[] {
  const { target } = statement;
  const root = rootIndex(target);
  if (root !== null) return checkEntryAssign(ctx, scope, statement, root);
  const place = checkValue(ctx, scope, target);
  if (statement.orElse !== null && place.kind !== "error") {
    ctx.diagnostics.add(
      messages.cantAssign(target.span, "with `or`, only a map's entry", "take the fallback away: this can't fail"),
    );
    return [];
  }
  switch (place.kind) {
    case "error":
      checkValue(ctx, scope, statement.value);
      return [];
    case "field":
      return assignField(ctx, scope, statement, place);
    case "place":
      if (place.place.kind === "global" && place.place.symbol.section === ".rodata") {
        ctx.diagnostics.add(
          messages.cantAssign(
            target.span,
            `the config value \`${place.place.symbol.name}\``,
            "it is read-only once loaded; declare it with `var` to change it",
          ),
        );
        return [];
      }
      return assignPlace(ctx, scope, statement, place.place);
    case "local":
      ctx.diagnostics.add(
        messages.cantAssign(
          target.span,
          `\`${place.local.name}\``,
          "what `let` binds stays as it is; use a new `let`, or a `var`",
        ),
      );
      return [];
    default:
      ctx.diagnostics.add(messages.cantAssign(target.span, "this", "fields, globals and map entries can"));
      return [];
  }
}

/** `m[k]`, `m[k].f`, `m[k].f.g`: the innermost index of a map whose entry may be missing; null when the target is something else. */
function rootIndex(target: ast.Expr): (ast.Expr & { kind: "index" }) | null {
  let at = target;
  while (at.kind === "member") at = at.object;
  return at.kind === "index" && at.object.kind === "name" ? at : null;
}

function checkEntryAssign(
  ctx: Context,
  scope: Scope,
  statement: ast.Stmt & { kind: "assign" },
  root: ast.Expr & { kind: "index" },
): readonly HStmt[] {
  const { span, target } = statement;
  if (instanceNamed(ctx, scope, root) !== null) {
    const place = checkValue(ctx, scope, target);
    return place.kind === "field" ? assignField(ctx, scope, statement, place) : [];
  }
  const map =
    root.object.kind === "name"
      ? mapNamed(ctx, root.object.name, ["map"], "a map", "put a key into a set with `insert`", scope)
      : null;
  if (map === null || map.key === null || map.value === null || !mayWrite(ctx, map, root.object.span)) return [];
  const key = checkValueAs(ctx, scope, root.index, map.key);
  if (key.kind === "error") return [];
  const dense = map.mapKind === "array" || map.mapKind === "percpu_array";
  if (dense && key.kind === "const") {
    const place = checkValue(ctx, scope, target);
    return place.kind === "place" ? assignPlace(ctx, scope, statement, place.place) : [];
  }
  if (statement.op === "=" && target === root) {
    const value = checkValueAs(ctx, scope, statement.value, map.value);
    return value.kind === "error"
      ? []
      : [{ kind: "mapUpdate", map, key, value, orElse: statement.orElse?.verdict ?? null, span }];
  }
  if (statement.orElse !== null) {
    ctx.diagnostics.add(
      messages.cantAssign(target.span, "with `or`, only a whole entry", "write `if let entry = … then … else …`"),
    );
    return [];
  }
  // An update where there is an entry: bind it, then assign to the bound place.
  const entry: Entry = { name: map.name, map };
  const bound = scope.with(" entry", { kind: "entry", entry });
  const place = checkValue(ctx, bound, onEntry(target, root));
  if (place.kind !== "place") return [];
  const then = assignPlace(ctx, scope, statement, place.place);
  return then.length === 0 ? [] : [{ kind: "ifLet", entry, key, then, else: [], span }];
}

/** The target with the map's entry replaced by the bound name. */
function onEntry(target: ast.Expr, root: ast.Expr): ast.Expr {
  if (target === root) return { kind: "name", name: { text: " entry", span: root.span }, span: root.span };
  if (target.kind !== "member") return target;
  return { ...target, object: onEntry(target.object, root) };
}

function assignPlace(
  ctx: Context,
  scope: Scope,
  statement: ast.Stmt & { kind: "assign" },
  place: Place,
): readonly HStmt[] {
  const { span, op } = statement;
  const map = place.kind === "entry" ? place.entry.map : place.kind === "element" ? place.map : null;
  if (map !== null && !(mayWrite(ctx, map, statement.target.span) && (op === "=" || mayRead(ctx, map, span))))
    return [];
  if (op === "=") {
    const value = checkValueAs(ctx, scope, statement.value, place.type);
    return value.kind === "error" ? [] : [{ kind: "store", place, value, span }];
  }
  const { type } = place;
  const amount = checkValue(ctx, scope, statement.value);
  if (amount.kind === "error") return [];
  if ((op === "+=" || op === "-=") && type.kind === "int") {
    const value = convert(ctx, amount, type);
    if (value.kind === "error") return [];
    const shared = place.kind === "global" || !isPerCpu(place.kind === "entry" ? place.entry.map : place.map);
    if (shared && type.bits < 32) {
      ctx.diagnostics.add(messages.narrowIncrement(statement.target.span, type));
      return [];
    }
    if (shared || op === "+=") {
      const added = op === "+=" ? value : arithmetic(ctx, "-", { kind: "const", value: 0n, type, span }, value, span);
      return [{ kind: "add", place, value: added, span }];
    }
  }
  const value = arithmetic(
    ctx,
    op.slice(0, -1) as ArithmeticOp,
    { kind: "place", place, type, span: statement.target.span },
    amount,
    span,
  );
  const converted = convert(ctx, value, type);
  return converted.kind === "error" ? [] : [{ kind: "store", place, value: converted, span }];
}

function isPerCpu(map: MapSymbol): boolean {
  return map.mapKind.startsWith("percpu") || map.mapKind === "lru_percpu_hash";
}

function assignField(
  ctx: Context,
  scope: Scope,
  statement: ast.Stmt & { kind: "assign" },
  target: HExpr & { kind: "field" },
): readonly HStmt[] {
  const { span } = statement;
  const { instance, field } = target;
  const sums = sumsOf(ctx, target, statement.target.span);
  if (sums === null) return [];
  const read: HExpr = { ...target, span: statement.target.span };
  const raw = checkValue(ctx, scope, statement.value);
  const value =
    statement.op === "=" ? raw : arithmetic(ctx, statement.op.slice(0, -1) as ArithmeticOp, read, raw, span);
  const widened =
    value.type.kind === "bool" && field.bitWidth === 1
      ? ({ kind: "cast", value, type: field.type, span: value.span } as const)
      : value;
  const most = (1n << BigInt(field.bitWidth)) - 1n;
  const narrow = field.type.kind === "int" && field.bitWidth < field.type.bits;
  if (narrow && widened.kind !== "error" && widened.type.kind !== "bool" && maxOf(widened) > most) {
    const known = widened.kind === "const" ? widened.value : null;
    ctx.diagnostics.add(messages.doesNotFitField(statement.value.span, known, field.name, field.bitWidth));
    return [];
  }
  const converted = convert(ctx, widened, field.type);
  if (converted.kind === "error") return [];
  return [{ kind: "setField", instance, field, value: converted, sums, span }];
}

/** The checksums that an assignment to a field changes; null with a diagnostic where it can't be assigned. */
function sumsOf(ctx: Context, target: HExpr & { kind: "field" }, span: Span): readonly SumUpdate[] | null {
  const { instance, field } = target;
  const name = `${instanceName(instance)}.${field.name}`;
  if (field.covers !== null) {
    const help = `every change of what it covers keeps this ${field.covers.kind} right`;
    ctx.diagnostics.add(messages.cantAssign(span, `the ${field.covers.kind} \`${name}\``, help));
    return null;
  }
  const affected = sumsOver(instance, field, allHeaders(ctx));
  if ("sums" in affected) return affected.sums;
  const { broken } = affected;
  ctx.diagnostics.add(messages.cantKeepSum(span, name, `${instanceName(broken.instance)}.${broken.field.name}`));
  return null;
}

/** Types a `swap` of two fields. */
export function checkSwap(ctx: Context, scope: Scope, statement: ast.Stmt & { kind: "swap" }): readonly HStmt[] {
  const a = swapField(ctx, scope, statement.a);
  const b = swapField(ctx, scope, statement.b);
  if (a === null || b === null) return [];
  const whole = (f: Field): boolean => f.bitOffset % 8 === 0 && f.bitWidth % 8 === 0;
  if (
    !sameType(a.field.type, b.field.type) ||
    a.field.bitWidth !== b.field.bitWidth ||
    !whole(a.field) ||
    !whole(b.field)
  ) {
    ctx.diagnostics.add(
      messages.typeMismatch(statement.b.span, b.field.type, a.field.type, {
        label: "`swap` takes two whole fields of one type",
      }),
    );
    return [];
  }
  // The sum of a header doesn't change when two of its 16-bit words change places.
  const sumStays =
    a.instance === b.instance && a.field.bitOffset % 16 === b.field.bitOffset % 16 && a.field.bitWidth % 16 === 0;
  const sums = [a, b].map((one) => (sumStays && one.field.covers === null ? [] : sumsOf(ctx, one, one.span)));
  const [sumsA, sumsB] = sums;
  if (!sumsA || !sumsB) return [];
  const { span } = statement;
  if (sumsA.length === 0 && sumsB.length === 0)
    return [{ kind: "swap", instanceA: a.instance, a: a.field, instanceB: b.instance, b: b.field, span }];
  // Two assignments, each of which keeps the sums right.
  const [oldA, oldB] = [a, b].map((one): Local => ({ name: one.field.name, type: one.field.type }));
  const read = (local: Local): HExpr => ({ kind: "local", local, type: local.type, span });
  return [
    { kind: "let", local: must(oldA, "a value"), value: a, span },
    { kind: "let", local: must(oldB, "a value"), value: b, span },
    { kind: "setField", instance: a.instance, field: a.field, value: read(must(oldB, "a value")), sums: sumsA, span },
    { kind: "setField", instance: b.instance, field: b.field, value: read(must(oldA, "a value")), sums: sumsB, span },
  ];
}

function swapField(ctx: Context, scope: Scope, expr: ast.Expr): (HExpr & { kind: "field" }) | null {
  const instance = expr.kind === "member" ? instanceNamed(ctx, scope, expr.object) : null;
  if (instance === null || expr.kind !== "member") {
    ctx.diagnostics.add(messages.notAValue(expr.span, "this", "`swap` takes two fields: `swap eth.saddr, eth.daddr`"));
    return null;
  }
  const field = fieldOf(ctx, instance.header, expr.member);
  if (field === null) return null;
  return { kind: "field", instance: holderOf(instance, field), field, type: field.type, span: expr.span };
}
