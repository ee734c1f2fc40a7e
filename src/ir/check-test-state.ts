// Types of what a test sets up and expects of the state: sets and maps to fill, globals, conditions on entries and counters. Keys and
// values become bytes here. Called by check-test.ts; packets are check-test-packet.ts's.

import type { Span } from "../base/source.ts";
import { nearest } from "../base/suggest.ts";
import type * as ast from "../parser/ast.ts";
import { amountOf, checkHolds, isSequence } from "./check-test-queue.ts";
import { checkConstant, checkValue, checkValueAs, typed } from "./check-value.ts";
import { constantBytes, keyBytes, scalarBytes } from "./constant-bytes.ts";
import { type Context, DECLARATION_WORDS } from "./context.ts";
import { convert } from "./conversion.ts";
import { globalOf, mapOf } from "./declare.ts";
import type { CompareOp, MapSymbol, MetaName } from "./hir.ts";
import type { HFill, HStateCond, HStateValue } from "./hir-test.ts";
import { layoutOf } from "./layout.ts";
import * as messages from "./messages.ts";
import { badExpectation, badFill } from "./messages-test.ts";
import { Scope } from "./scope.ts";
import { isOrdered, sameType, type Type, U32, U64 } from "./types.ts";

/** What surrounds a packet and can be set; its length can't: the packet has it. */
const SETTABLE: Readonly<Record<Exclude<MetaName, "len">, Type>> = {
  ingress_ifindex: U32,
  rx_queue_index: U32,
  egress_ifindex: U32,
  cpu: U32,
  now: U64,
};
/** More than anybody writes down as ranges. */
const MOST_FILLED = 65_536;

const GLOBAL = Scope.global;

/** Types `ports = { 80 }`, `flows[key] = value`, `threshold = 5`, `meta.now = 1s`; null after a fault. */
export function checkFill(ctx: Context, step: { target: ast.Expr; value: ast.Expr; span: Span }): HFill | null {
  const { target, value, span } = step;
  if (target.kind === "member" && target.object.kind === "name" && target.object.name.text === "meta")
    return metaFill(ctx, target.member, value, span);
  if (target.kind === "index" && target.object.kind === "name") {
    const decl = ctx.find(target.object.name.text, target.object.span);
    const map = decl === null ? null : filledMap(ctx, decl, target.object.name);
    return map === null ? null : entryFill(ctx, map, target, value, span);
  }
  if (target.kind !== "name") {
    ctx.diagnostics.add(badFill(target.span, "a test sets whole entries", "write `flows[key] = Stats { packets: 1 }`"));
    return null;
  }
  const device = ctx.devices.get(target.name.text);
  if (device !== undefined) {
    ctx.facts?.use(target.span, { kind: "device", symbol: device });
    const bytes = bytesOf(ctx, checkValueAs(ctx, GLOBAL, value, device.type), value.span);
    return bytes === null ? null : { kind: "global", symbol: device, value: bytes, span };
  }
  if (Object.hasOwn(SETTABLE, target.name.text) && !ctx.names.has(target.name.text)) {
    const written = `meta.${target.name.text}`;
    ctx.diagnostics.add(messages.unknownName(target.name.text, target.span, written));
    return null;
  }
  const decl = ctx.find(target.name.text, target.span, ["meta", ...ctx.devices.keys()]);
  if (decl === null) return null;
  if (decl.kind === "configDecl" || decl.kind === "varDecl") {
    const symbol = globalOf(ctx, decl);
    if (symbol.type.kind === "error") return null;
    const bytes = bytesOf(ctx, checkValueAs(ctx, GLOBAL, value, symbol.type), value.span);
    return bytes === null ? null : { kind: "global", symbol, value: bytes, span };
  }
  const map = filledMap(ctx, decl, target.name);
  return map === null ? null : wholeFill(ctx, map, value, span);
}

function metaFill(ctx: Context, member: ast.Name, value: ast.Expr, span: Span): HFill | null {
  const type = Object.hasOwn(SETTABLE, member.text) ? SETTABLE[member.text as keyof typeof SETTABLE] : undefined;
  if (type !== undefined) ctx.facts?.use(member.span, { kind: "meta", name: member.text as MetaName, type });
  if (type === undefined) {
    const known = Object.keys(SETTABLE);
    ctx.diagnostics.add(
      member.text === "len"
        ? badFill(member.span, "a packet's length is that of its bytes", "add bytes to the packet: `/ zeros(100)`")
        : messages.unknownField("meta", member.text, member.span, known, nearest(member.text, known)),
    );
    return null;
  }
  const constant = checkConstant(ctx, GLOBAL, value, `\`meta.${member.text}\``);
  const number = constant === null ? null : convert(ctx, constant, type);
  return number?.kind === "const" ? { kind: "meta", name: member.text as MetaName, value: number.value, span } : null;
}

/** What a test can fill; the rest begins empty, limiters full. */
const FILLED: ReadonlySet<MapSymbol["role"]> = new Set(["set", "map", "target", "programs", "queue"]);

function filledMap(ctx: Context, decl: NonNullable<ReturnType<Context["find"]>>, name: ast.Name): MapSymbol | null {
  const before = ctx.diagnostics.all.length;
  const map = mapOf(ctx, decl);
  if (map !== null && FILLED.has(map.role)) return map;
  if (ctx.diagnostics.all.length > before) return null;
  if (map !== null)
    ctx.diagnostics.add(
      map.role === "counter"
        ? badFill(name.span, "a counter starts at zero", `expect its count: \`expect ${name.text} == 1\``)
        : badFill(name.span, `\`${name.text}\` can't be filled by a test`),
    );
  else if (!/^(set|map|counter|target|limiter)Decl$/.test(decl.kind)) {
    const wanted = "a set, a map, a `config` or a `var`";
    ctx.diagnostics.add(
      messages.wrongKindOfName(name.text, name.span, DECLARATION_WORDS[decl.kind], wanted, decl.name.span),
    );
  }
  return null;
}

function keyTypeOf(map: MapSymbol): Type | null {
  return map.role === "target" ? U32 : map.key;
}

/** An entry's value: a set's says nothing; a target's stands for a device, socket or CPU. */
function valueTypeOf(map: MapSymbol): Type | null {
  return map.role === "target" ? U32 : map.role === "set" ? null : map.value;
}

function entryFill(
  ctx: Context,
  map: MapSymbol,
  target: ast.Expr & { kind: "index" },
  value: ast.Expr,
  span: Span,
): HFill | null {
  if (map.role === "programs") return programFill(ctx, map, target.index, value, span);
  const keyType = keyTypeOf(map);
  const valueType = valueTypeOf(map);
  if (keyType === null || valueType === null) {
    ctx.diagnostics.add(
      badFill(target.span, `\`${map.name}\` has no entries with values`, `fill it: \`${map.name} = { … }\``),
    );
    return null;
  }
  const key = checkKey(ctx, map, keyType, target.index);
  const bytes = bytesOf(ctx, checkValueAs(ctx, GLOBAL, value, valueType), value.span);
  return key === null || bytes === null ? null : { kind: "fillEntry", map, key, value: bytes, span };
}

/** `stages[2] = NAME`: a program of this file. */
function programFill(ctx: Context, map: MapSymbol, index: ast.Expr, value: ast.Expr, span: Span): HFill | null {
  const key = checkKey(ctx, map, U32, index);
  const decl = value.kind === "name" ? ctx.find(value.name.text, value.span) : null;
  if (key === null || (value.kind === "name" && decl === null)) return null;
  if (decl?.kind === "programDecl") return { kind: "fillProgram", map, key, program: decl.name.text, span };
  ctx.diagnostics.add(badFill(value.span, `\`${map.name}\` holds programs`, "name a program of this file"));
  return null;
}

function checkKey(ctx: Context, map: MapSymbol, type: Type, expr: ast.Expr): Uint8Array | null {
  const value = checkValueAs(ctx, GLOBAL, expr, type);
  if (value.kind === "error") return null;
  const dense = map.mapKind === "array" || map.mapKind === "percpu_array" || map.mapKind === "prog_array";
  if (dense && value.kind === "const" && value.value >= BigInt(map.maxEntries)) {
    ctx.diagnostics.add(
      messages.badMap(expr.span, `\`${map.name}\` has ${map.maxEntries} entries: 0 to ${map.maxEntries - 1}`),
    );
    return null;
  }
  const bytes = keyBytes(map, value);
  if (bytes === null) ctx.diagnostics.add(messages.notConstant(expr.span, "a key in a test"));
  return bytes;
}

function bytesOf(ctx: Context, value: ReturnType<typeof checkValue>, span: Span): Uint8Array | null {
  if (value.kind === "error") return null;
  const bytes = constantBytes(value);
  if (bytes === null) ctx.diagnostics.add(messages.notConstant(span, "a value in a test"));
  return bytes;
}

function wholeFill(ctx: Context, map: MapSymbol, value: ast.Expr, span: Span): HFill | null {
  // What a queue holds are values; the others' elements are keys.
  const queued = map.role === "queue";
  const keyType = queued ? map.value : keyTypeOf(map);
  const named = map.role === "map" && !(value.kind === "setLiteral" && value.elements.length === 0);
  if (keyType === null || value.kind !== "setLiteral" || named) {
    const help = map.role === "map" ? `write \`${map.name}[key] = value\`` : `write \`${map.name} = { … }\``;
    ctx.diagnostics.add(badFill(value.span, `\`${map.name}\` can't be filled with this`, help));
    return null;
  }
  const entries: { key: Uint8Array; value: Uint8Array }[] = [];
  const content = map.role === "set" ? Uint8Array.of(1) : new Uint8Array();
  const add = (key: Uint8Array): void => {
    entries.push(queued ? { key: new Uint8Array(), value: key } : { key, value: content });
  };
  for (const element of value.elements) {
    if (element.kind !== "range") {
      const key = queued
        ? bytesOf(ctx, checkValueAs(ctx, GLOBAL, element, keyType), element.span)
        : checkKey(ctx, map, keyType, element);
      if (key === null) return null;
      add(key);
      continue;
    }
    const from = checkRangeEnd(ctx, element.from, keyType);
    const to = checkRangeEnd(ctx, element.to, keyType);
    if (from === null || to === null) return null;
    if (from > to || to - from >= BigInt(MOST_FILLED)) {
      ctx.diagnostics.add(
        from > to
          ? messages.badRange(element.span, from, to)
          : badFill(element.span, `a test fills up to ${MOST_FILLED} entries with a range`),
      );
      return null;
    }
    for (let one = from; one <= to; one++) add(scalarBytes(keyType, one));
  }
  if (entries.length > map.maxEntries && !map.mapKind.startsWith("lru")) {
    ctx.diagnostics.add(
      badFill(value.span, `\`${map.name}\` holds ${map.maxEntries} entries, these are ${entries.length}`),
    );
    return null;
  }
  return { kind: "fillMap", map, entries, span };
}

function checkRangeEnd(ctx: Context, expr: ast.Expr, type: Type): bigint | null {
  const value = checkConstant(ctx, GLOBAL, expr, "an end of a range");
  const converted = value === null ? null : convert(ctx, value, type);
  return converted?.kind === "const" ? converted.value : null;
}

// ----------------------------------------------------------------------------------------------------------- conditions

const COMPARISONS: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">="]);

const EXPECTED_WORDS = ["pass", "drop", "tx", "aborted", "redirect", "flood", "forward"];

/** Types a condition on the state; null after a fault. */
export function checkStateCondition(ctx: Context, expr: ast.Expr): HStateCond | null {
  const { span } = expr;
  if (expr.kind === "not") {
    const operand = checkStateCondition(ctx, expr.operand);
    return operand === null ? null : { kind: "not", operand, span };
  }
  if (expr.kind === "binary" && (expr.op === "and" || expr.op === "or")) {
    const a = checkStateCondition(ctx, expr.left);
    const b = checkStateCondition(ctx, expr.right);
    return a === null || b === null ? null : { kind: expr.op, a, b, span };
  }
  if (expr.kind === "binary" && expr.op === "in") return checkHas(ctx, expr);
  if (expr.kind === "binary" && COMPARISONS.has(expr.op)) return checkStateComparison(ctx, expr);
  if (expr.kind === "name" && !ctx.names.has(expr.name.text)) {
    const { text } = expr.name;
    ctx.diagnostics.add(messages.unknownName(text, span, nearest(text, [...EXPECTED_WORDS, ...ctx.names.keys()])));
  } else if (expr.kind !== "error") {
    ctx.diagnostics.add(
      badExpectation(span, "this can't be expected", "expect a verdict, or compare: `expect hits == 1`"),
    );
  }
  return null;
}

function checkHas(ctx: Context, expr: ast.Expr & { kind: "binary" }): HStateCond | null {
  const { left, right, span } = expr;
  const decl = right.kind === "name" ? ctx.find(right.name.text, right.span) : null;
  if (decl === null && right.kind === "name") return null;
  const map = decl === null ? null : mapOf(ctx, decl);
  if (map !== null && isSequence(map)) return checkHolds(ctx, map, left, span);
  if (map === null || map.key === null || map.role === "counter" || map.role === "target") {
    ctx.diagnostics.add(badExpectation(right.span, "this has no keys to be found", "name a set or a map"));
    return null;
  }
  const key = checkKey(ctx, map, map.key, left);
  return key === null ? null : { kind: "has", map, key, span };
}

type Side = HStateValue | { readonly kind: "constant"; readonly value: ReturnType<typeof checkValue> };

function checkStateComparison(ctx: Context, expr: ast.Expr & { kind: "binary" }): HStateCond | null {
  const { span } = expr;
  const op = expr.op as CompareOp;
  const left = sideOf(ctx, expr.left);
  const right = sideOf(ctx, expr.right);
  if (left === null || right === null) return null;
  const a = settle(ctx, left, right);
  const b = settle(ctx, right, left);
  if (a === null || b === null) return null;
  const numbers = a.type.kind === "int" && b.type.kind === "int";
  if (!numbers && !sameType(a.type, b.type)) {
    ctx.diagnostics.add(messages.typeMismatch(expr.right.span, b.type, a.type));
    return null;
  }
  if (op !== "==" && op !== "!=" && !isOrdered(a.type)) {
    ctx.diagnostics.add(messages.badOperator(span, op, a.type, "only integers and addresses are ordered"));
    return null;
  }
  return { kind: "compare", op, a, b, span };
}

/** A constant takes the other side's type. */
function settle(ctx: Context, side: Side, other: Side): HStateValue | null {
  if (side.kind !== "constant") return side;
  const { value } = side;
  const made = other.kind === "constant" ? typed(ctx, value) : convert(ctx, value, other.type);
  const bytes = bytesOf(ctx, made, value.span);
  return bytes === null ? null : { kind: "bytes", bytes, type: made.type, span: value.span };
}

function sideOf(ctx: Context, expr: ast.Expr): Side | null {
  const amount = amountOf(ctx, expr);
  if (amount !== null) return amount === "fault" ? null : amount;
  const entry = entryOf(ctx, expr);
  if (entry === "fault") return null;
  if (entry !== null) {
    // A counter by itself is its packets.
    const { map, key, offsetBytes } = entry;
    const type = map.role === "counter" && entry.type.kind === "struct" ? U64 : entry.type;
    return { kind: "entry", map, key, offsetBytes, sum: map.role === "counter", type, span: expr.span };
  }
  if (expr.kind === "name") {
    const decl = ctx.names.get(expr.name.text);
    if (decl?.kind === "configDecl" || decl?.kind === "varDecl") {
      ctx.facts?.useDeclaration(expr.span, decl);
      const symbol = globalOf(ctx, decl);
      return symbol.type.kind === "error" ? null : { kind: "global", symbol, type: symbol.type, span: expr.span };
    }
  }
  const value = checkValue(ctx, GLOBAL, expr);
  if (value.kind === "error") return null;
  if (value.kind !== "const" && value.kind !== "aggregate") {
    const help = "header fields are expected behind the verdict: `expect pass eth / ip(ttl: 63)`";
    ctx.diagnostics.add(badExpectation(expr.span, "only the state can be compared here", help));
    return null;
  }
  return { kind: "constant", value };
}

interface EntryPart {
  readonly map: MapSymbol;
  readonly key: Uint8Array;
  readonly offsetBytes: number;
  readonly type: Type;
}

/** The entry, or the part of one, that an expression names; null when it names something else. */
function entryOf(ctx: Context, expr: ast.Expr): EntryPart | "fault" | null {
  if (expr.kind === "member") {
    const owner = entryOf(ctx, expr.object);
    if (owner === null || owner === "fault") return owner;
    if (owner.type.kind !== "struct") {
      ctx.diagnostics.add(messages.hasNoFields(expr.object.span, owner.type));
      return "fault";
    }
    const { fields } = owner.type;
    ctx.facts?.useStructField(expr.member.span, owner.type, expr.member.text, ctx.names.get(owner.type.name));
    const index = fields.findIndex((f) => f.name === expr.member.text);
    const field = fields[index];
    if (field === undefined) {
      const known = fields.map((f) => f.name);
      const near = nearest(expr.member.text, known);
      const name = owner.map.role === "counter" ? owner.map.name : owner.type.name;
      ctx.diagnostics.add(messages.unknownField(name, expr.member.text, expr.member.span, known, near));
      return "fault";
    }
    const inside = layoutOf(owner.type).offsets[index] ?? 0;
    return { ...owner, offsetBytes: owner.offsetBytes + inside, type: field.type };
  }
  const name = expr.kind === "index" ? expr.object : expr;
  if (name.kind !== "name") return null;
  const decl = ctx.names.get(name.name.text);
  const before = ctx.diagnostics.all.length;
  const map = decl === undefined ? null : mapOf(ctx, decl);
  if (map === null) return ctx.diagnostics.all.length > before ? "fault" : null;
  if (map.value === null || map.role === "set") return null;
  ctx.facts?.useDeclaration(name.span, decl);
  if (expr.kind === "name") {
    if (map.key !== null || map.role !== "counter") {
      ctx.diagnostics.add(badExpectation(expr.span, `which entry of \`${map.name}\`?`, `write \`${map.name}[key]\``));
      return "fault";
    }
    return { map, key: new Uint8Array(4), offsetBytes: 0, type: map.value };
  }
  if (expr.kind !== "index" || map.key === null) {
    ctx.diagnostics.add(badExpectation(expr.span, `\`${map.name}\` is a single counter`, `write \`${map.name}\``));
    return "fault";
  }
  const key = checkKey(ctx, map, map.key, expr.index);
  return key === null ? "fault" : { map, key, offsetBytes: 0, type: map.value };
}
