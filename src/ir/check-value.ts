// Types of values: from an expression of the syntax tree to a typed one. Constants are folded on the way, functions inlined,
// names resolved. Conditions are check-condition.ts's; the two call each other. A fault gives a diagnostic and an `error` value.

import { must } from "../base/assert.ts";
import type { Span } from "../base/source.ts";
import { nearest } from "../base/suggest.ts";
import type * as ast from "../parser/ast.ts";
import { checkCall } from "./check-call.ts";
import { checkCondition, isConditional } from "./check-condition.ts";
import { checkArithmetic, checkCast, checkStruct } from "./check-operator.ts";
import { checkPrefix, prefixOf } from "./check-prefix.ts";
import type { Context } from "./context.ts";
import { DECLARATION_WORDS } from "./context.ts";
import { convert, fits } from "./conversion.ts";
import { globalOf, mapOf, typeOf } from "./declare.ts";
import { holderOf } from "./header-graph.ts";
import { fieldOf, findHeader, headerAt, instanceAt } from "./header-lookup.ts";
import type { HExpr, Header, Instance, MetaName, Place } from "./hir.ts";
import { innerOf } from "./inner.ts";
import { layoutOf } from "./layout.ts";
import * as messages from "./messages.ts";
import { type Binding, Scope } from "./scope.ts";
import { BOOL, ERROR, IPV4, IPV6, MAC, type Type, U32, U64, UNTYPED } from "./types.ts";

const META: Readonly<Record<MetaName, Type>> = {
  len: U32,
  ingress_ifindex: U32,
  rx_queue_index: U32,
  egress_ifindex: U32,
  cpu: U32,
  now: U64,
};

/** The value that stands where a fault was reported. */
export function errorValue(span: Span): HExpr {
  return { kind: "error", type: ERROR, span };
}

/** Types an expression that is used as a value. */
export function checkValue(ctx: Context, scope: Scope, expr: ast.Expr): HExpr {
  const value = typeValue(ctx, scope, expr);
  ctx.facts?.value(expr, value);
  return value;
}

function typeValue(ctx: Context, scope: Scope, expr: ast.Expr): HExpr {
  const { span } = expr;
  const bound = expr.kind === "name" && scope.find(expr.name.text) !== null;
  if (!bound && isConditional(ctx, expr)) {
    return { kind: "condition", condition: checkCondition(ctx, scope, expr), type: BOOL, span };
  }
  switch (expr.kind) {
    case "number":
      return { kind: "const", value: expr.value, type: UNTYPED, span };
    case "duration":
      return { kind: "const", value: expr.nanoseconds, type: UNTYPED, span };
    case "bool":
      return { kind: "const", value: expr.value ? 1n : 0n, type: BOOL, span };
    case "address":
      return { kind: "const", value: expr.value, type: { ipv4: IPV4, ipv6: IPV6, mac: MAC }[expr.type], span };
    case "name":
      return checkName(ctx, scope, expr.name);
    case "member":
      return checkMember(ctx, scope, expr);
    case "index":
      return checkIndex(ctx, scope, expr);
    case "call":
      return checkCall(ctx, scope, expr);
    case "binary":
      return checkArithmetic(ctx, scope, expr);
    case "cast":
      return checkCast(ctx, scope, expr);
    case "tuple": {
      const elements = expr.elements.map((e) => typed(ctx, checkValue(ctx, scope, e)));
      if (elements.some((e) => e.kind === "error")) return errorValue(span);
      return { kind: "aggregate", elements, type: { kind: "tuple", elements: elements.map((e) => e.type) }, span };
    }
    case "structLiteral":
      return checkStruct(ctx, scope, expr);
    case "string":
      return fault(ctx, messages.notAValue(span, "a text", "texts are formats of `log` and names of files"));
    case "prefix":
      return fault(ctx, messages.notAValue(span, "a prefix", "test with it: `ip.saddr in 10.0.0.0/8`"));
    case "range":
      return fault(ctx, messages.notAValue(span, "a range", "test with it: `tcp.dport in 8000..8999`"));
    case "setLiteral":
      return fault(ctx, messages.notAValue(span, "a set", "test with it: `tcp.dport in { 80, 443 }`"));
    case "error":
      return errorValue(span);
    case "not":
      return errorValue(span);
  }
}

/** Types an expression that must be a constant; null (with a diagnostic) when it isn't. `what` names it in the message. */
export function checkConstant(
  ctx: Context,
  scope: Scope,
  expr: ast.Expr,
  what: string,
): (HExpr & { kind: "const" }) | null {
  const value = checkValue(ctx, scope, expr);
  if (value.kind === "const") return value;
  if (value.kind !== "error") ctx.diagnostics.add(messages.notConstant(expr.span, what));
  return null;
}

/** Types an expression whose value goes to a place of type `target`, converting it. */
export function checkValueAs(ctx: Context, scope: Scope, expr: ast.Expr, target: Type): HExpr {
  if (target.kind === "prefix") {
    const prefix = prefixOf(ctx, scope, expr);
    if (prefix !== null) return checkPrefix(ctx, prefix, target);
  }
  return convert(ctx, checkValue(ctx, scope, expr), target);
}

/** An untyped constant as the smallest type that is usual for it: u32, or u64 when it needs that. */
export function typed(ctx: Context, value: HExpr): HExpr {
  if (value.type.kind !== "untyped") return value;
  return convert(ctx, value, value.kind === "const" && !fits(value.value, U32) ? U64 : U32);
}

/** Reports a fault and gives the value that stands for it. */
export function fault(ctx: Context, diagnostic: Parameters<Context["diagnostics"]["add"]>[0]): HExpr {
  ctx.diagnostics.add(diagnostic);
  return errorValue(must(diagnostic.primary, "a place").span);
}

// ---------------------------------------------------------------------------------------------------------------- names

function checkName(ctx: Context, scope: Scope, name: ast.Name): HExpr {
  const { span } = name;
  const own = scope.self?.fields.get(name.text);
  if (own !== undefined) {
    ctx.facts?.use(span, { kind: "field", field: own });
    const field: HExpr = { kind: "field", instance: own.header.self, field: own, type: own.type, span };
    // Sizes are computed wider than the fields they come from: `hdrlen * 8` of a u8 must not wrap.
    return own.type.kind === "int" && own.type.bits < 32 ? { kind: "cast", value: field, type: U32, span } : field;
  }
  const binding = scope.find(name.text);
  if (binding !== null) return valueOfBinding(ctx, binding, name);
  const decl = ctx.find(name.text, span, scope.names());
  if (decl === null) return errorValue(span);
  switch (decl.kind) {
    case "constDecl": {
      return { ...constantOf(ctx, decl, span), span };
    }
    case "configDecl":
    case "varDecl": {
      const symbol = globalOf(ctx, decl);
      return { kind: "place", place: { kind: "global", symbol, type: symbol.type }, type: symbol.type, span };
    }
    case "headerDecl": {
      const header = findHeader(ctx, name.text);
      const first = header === null ? undefined : [...header.fields.keys()][0];
      return fault(
        ctx,
        messages.notAValue(
          span,
          `the header \`${name.text}\``,
          first === undefined ? undefined : `name one of its fields: \`${name.text}.${first}\``,
        ),
      );
    }
    default: {
      const help: Partial<Record<typeof decl.kind, string>> = {
        fnDecl: `call it: \`${name.text}()\``,
        setDecl: `test with it: \`x in ${name.text}\``,
        constSetDecl: `test with it: \`x in ${name.text}\``,
        mapDecl: `read an entry: \`if let entry = ${name.text}[key] then …\``,
      };
      return fault(
        ctx,
        messages.wrongKindOfName(
          name.text,
          span,
          DECLARATION_WORDS[decl.kind],
          "a value",
          decl.name.span,
          help[decl.kind],
        ),
      );
    }
  }
}

/** The value of a constant, worked out at its first use; `use` is where. */
function constantOf(ctx: Context, decl: ast.ConstDecl, use: Span): HExpr {
  const known = ctx.constants.get(decl);
  if (known !== undefined) return known;
  if (ctx.busy.has(decl)) return fault(ctx, messages.recursion(decl.name.text, use, "constant"));
  ctx.busy.add(decl);
  const given = ctx.defines.get(decl.name.text) ?? decl.value;
  const raw = checkValue(ctx, Scope.global, given);
  ctx.busy.delete(decl);
  let value = decl.type === null ? raw : convert(ctx, raw, typeOf(ctx, decl.type));
  if (value.kind !== "const" && value.kind !== "error")
    value = fault(ctx, messages.notConstant(given.span, `the value of \`${decl.name.text}\``));
  ctx.constants.set(decl, value);
  return value;
}

function valueOfBinding(ctx: Context, binding: Binding, name: ast.Name): HExpr {
  const { span } = name;
  ctx.facts?.use(span, { kind: "binding", binding });
  switch (binding.kind) {
    case "local":
      if (binding.local.type.kind === "error") return errorValue(span);
      return { kind: "local", local: binding.local, type: binding.local.type, span };
    case "argument":
      // Each use of the parameter is a copy of the argument, whatever that has grown to.
      return ctx.unfold(span, sizeOf(binding.value)) ? { ...binding.value, span } : errorValue(span);
    case "map":
      return fault(
        ctx,
        messages.notAValue(
          span,
          `the map \`${name.text}\``,
          `read an entry: \`if let entry = ${name.text}[key] then …\``,
        ),
      );
    case "entry": {
      const type = binding.entry.map.value;
      if (type === null) return fault(ctx, messages.notAValue(span, `an entry of \`${binding.entry.map.name}\``));
      return { kind: "place", place: { kind: "entry", entry: binding.entry, offsetBytes: 0, type }, type, span };
    }
  }
}

const sizes = new WeakMap<HExpr, number>();

/** How many operations a value is made of, shared parts counted each time. */
function sizeOf(value: HExpr): number {
  const known = sizes.get(value);
  if (known !== undefined) return known;
  const parts: readonly HExpr[] =
    value.kind === "binary"
      ? [value.a, value.b]
      : value.kind === "cast" || value.kind === "element"
        ? [value.value]
        : value.kind === "aggregate"
          ? value.elements
          : value.kind === "hash"
            ? value.args
            : [];
  const size = parts.reduce((sum, part) => sum + sizeOf(part), 1);
  sizes.set(value, size);
  return size;
}

/** Whether an expression is the `inner` that stands before the headers inside a tunnel. */
function isInner(ctx: Context, scope: Scope, expr: ast.Expr): boolean {
  return expr.kind === "name" && expr.name.text === "inner" && scope.find("inner") === null && !ctx.names.has("inner");
}

/** The header an expression names (`tcp`, `inner.tcp`), or null when it names something else; a diagnostic where no tunnel leads to it. */
function headerNamed(ctx: Context, scope: Scope, expr: ast.Expr): Header | null {
  if (expr.kind === "name") return scope.find(expr.name.text) === null ? headerAt(ctx, expr.name) : null;
  if (expr.kind !== "member" || !isInner(ctx, scope, expr.object)) return null;
  ctx.facts?.use(expr.object.span, { kind: "builtin", name: "inner" });
  const { text, span } = expr.member;
  const outer = headerAt(ctx, expr.member);
  if (outer === null) {
    const known = [...ctx.headers.values()].flatMap((h) => (h.alias === null ? [h.name] : [h.name, h.alias]));
    ctx.diagnostics.add(messages.unknownName(text, span, nearest(text, known)));
    return null;
  }
  const inner = innerOf(ctx, outer);
  if (inner === null) {
    const help = ctx.headersBuilt ? undefined : "only its own fields tell a header's size and what follows";
    ctx.diagnostics.add(
      messages.badHeader(expr.span, `no tunnel leads to \`${text}\``, {
        help: help ?? `say where: \`header ${text} on inner gre 0x88b5\``,
      }),
    );
  }
  return inner;
}

/** The header instance an expression names (`tcp`, `vlan[1]`, `inner.ip`), or null when it names something else. */
export function instanceNamed(ctx: Context, scope: Scope, expr: ast.Expr): Instance | null {
  if (expr.kind === "name" && scope.self?.fields.has(expr.name.text)) return null;
  if (expr.kind === "name" || expr.kind === "member") {
    const header = headerNamed(ctx, scope, expr);
    return header === null ? null : instanceAt(header, 0);
  }
  if (expr.kind !== "index") return null;
  const header = headerNamed(ctx, scope, expr.object);
  if (header === null) return null;
  const index = checkConstant(ctx, scope, expr.index, "which of the headers in a row");
  if (index === null) return null;
  const instance = instanceAt(header, Number(index.value));
  if (instance === null) {
    const most = header.instances.length;
    ctx.diagnostics.add(
      messages.badHeader(
        expr.index.span,
        `a packet is read up to ${most} \`${header.name}\` header${most === 1 ? "" : "s"}`,
        {
          label: `0 to ${most - 1}`,
        },
      ),
    );
  }
  return instance;
}

function checkMember(ctx: Context, scope: Scope, expr: ast.Expr & { kind: "member" }): HExpr {
  const { object, member, span } = expr;
  if (object.kind === "error") return errorValue(span);
  if (object.kind === "name" && object.name.text === "meta" && scope.find("meta") === null && !ctx.names.has("meta")) {
    const type = Object.hasOwn(META, member.text) ? META[member.text as MetaName] : undefined;
    ctx.facts?.use(object.span, { kind: "builtin", name: "meta" });
    if (type === undefined) {
      const known = Object.keys(META);
      return fault(ctx, messages.unknownField("meta", member.text, member.span, known, nearest(member.text, known)));
    }
    ctx.facts?.use(member.span, { kind: "meta", name: member.text as MetaName, type });
    const elsewhere = ctx.attach !== null && ctx.attach !== "devmap";
    if (member.text === "egress_ifindex" && elsewhere) return fault(ctx, messages.onlyInDevmap(span));
    return { kind: "meta", name: member.text as MetaName, type, span };
  }
  if (isInner(ctx, scope, object)) {
    const found = ctx.diagnostics.all.length;
    const header = headerNamed(ctx, scope, expr);
    if (header === null || ctx.diagnostics.all.length > found) return errorValue(span);
    const name = header.alias ?? header.name;
    const first = [...header.fields.keys()][0];
    const help = first === undefined ? undefined : `name one of its fields: \`${name}.${first}\``;
    return fault(ctx, messages.notAValue(span, `the header \`${name}\``, help));
  }
  const before = ctx.diagnostics.all.length;
  const instance = instanceNamed(ctx, scope, object);
  if (instance !== null) {
    const field = fieldOf(ctx, instance.header, member);
    if (field === null) return errorValue(span);
    return { kind: "field", instance: holderOf(instance, field), field, type: field.type, span };
  }
  if (ctx.diagnostics.all.length > before) return errorValue(span);
  const value = checkValue(ctx, scope, object);
  if (value.kind === "error") return value;
  if (value.type.kind !== "struct") {
    return fault(ctx, messages.hasNoFields(object.span, value.type));
  }
  const index = value.type.fields.findIndex((f) => f.name === member.text);
  ctx.facts?.useStructField(member.span, value.type, member.text, ctx.names.get(value.type.name));
  const field = value.type.fields[index];
  if (field === undefined) {
    const known = value.type.fields.map((f) => f.name);
    return fault(
      ctx,
      messages.unknownField(value.type.name, member.text, member.span, known, nearest(member.text, known)),
    );
  }
  if (value.kind === "place") {
    const place = memberPlace(value.place, value.type, index, field.type);
    return { kind: "place", place, type: field.type, span };
  }
  return { kind: "element", value, index, type: field.type, span };
}

function memberPlace(place: Place, owner: Type, index: number, type: Type): Place {
  if (place.kind === "global") return place;
  const inside = must(layoutOf(owner).offsets[index], "a field's offset");
  return { ...place, offsetBytes: place.offsetBytes + inside, type };
}

function checkIndex(ctx: Context, scope: Scope, expr: ast.Expr & { kind: "index" }): HExpr {
  const { object, span } = expr;
  if (object.kind !== "name")
    return fault(ctx, messages.notAValue(span, "an element of this", "only maps have entries"));
  const before = ctx.diagnostics.all.length;
  const instance = instanceNamed(ctx, scope, object);
  if (instance !== null) {
    return fault(ctx, messages.notAValue(span, `the header \`${object.name.text}\``, "name one of its fields"));
  }
  const bound = scope.find(object.name.text);
  if (bound?.kind === "map") ctx.facts?.use(object.span, { kind: "binding", binding: bound });
  const decl = bound?.kind === "map" ? null : ctx.find(object.name.text, object.span, scope.names());
  if ((decl === null && bound?.kind !== "map") || ctx.diagnostics.all.length > before) return errorValue(span);
  const map = bound?.kind === "map" ? bound.map : decl === null ? null : mapOf(ctx, decl);
  if (map === null || map.role !== "map" || map.value === null) {
    return fault(
      ctx,
      messages.wrongKindOfName(
        object.name.text,
        object.span,
        decl === null ? "a set" : DECLARATION_WORDS[decl.kind],
        "a map",
        decl?.name.span ?? null,
      ),
    );
  }
  const index = checkValue(ctx, scope, expr.index);
  if (index.kind === "error") return index;
  if (map.mapKind !== "array" && map.mapKind !== "percpu_array")
    return fault(ctx, messages.needsIfLet(span, map.name, textOfIndex(expr)));
  if (index.kind !== "const") return fault(ctx, messages.needsIfLet(span, map.name, textOfIndex(expr)));
  if (index.value >= BigInt(map.maxEntries)) {
    return fault(
      ctx,
      messages.badMap(expr.index.span, `\`${map.name}\` has ${map.maxEntries} entries: 0 to ${map.maxEntries - 1}`),
    );
  }
  return {
    kind: "place",
    place: { kind: "element", map, index: index.value, offsetBytes: 0, type: map.value },
    type: map.value,
    span,
  };
}

function textOfIndex(expr: ast.Expr): string {
  return expr.span.file.text.slice(expr.span.start, expr.span.end);
}
