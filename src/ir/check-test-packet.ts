// Types of a test's packets: layers are headers with values for their fields, texts and bytes. Checks that each header can follow the
// one before it; putting the bytes together is for whoever runs the test. Called by check-test.ts.

import { utf8 } from "../base/bytes.ts";
import { nearest } from "../base/suggest.ts";
import type * as ast from "../parser/ast.ts";
import { checkConstant, checkValueAs } from "./check-value.ts";
import { checkSet } from "./constant-set.ts";
import type { Context } from "./context.ts";
import { announcing, placesOf } from "./header-link.ts";
import { fieldOf, findHeader, headerAt, instanceAt, selectorValues } from "./header-lookup.ts";
import type { Field, Header } from "./hir.ts";
import type { HFieldValue, HLayer } from "./hir-test.ts";
import * as messages from "./messages.ts";
import { badPacket, neverFollows } from "./messages-test.ts";
import { Scope } from "./scope.ts";

/** The longest frame a test makes. */
const MOST_BYTES = 65_535;
/** Layers that aren't headers, unless a header has the name. */
const BUILT_IN = ["hex", "zeros", "cut"];

/** Types the layers of a packet; `pattern`: of one that is expected. Null after a fault. */
export function checkLayers(ctx: Context, written: readonly ast.Expr[], pattern: boolean): readonly HLayer[] | null {
  const layers: HLayer[] = [];
  let good = true;
  for (const [i, expr] of written.entries()) {
    const layer = layerOf(ctx, expr, pattern);
    if (layer === null) {
      good = false;
      continue;
    }
    if (good && !standsHere(ctx, layers, layer, i === written.length - 1)) good = false;
    layers.push(layer);
  }
  return good ? layers : null;
}

function standsHere(ctx: Context, before: readonly HLayer[], layer: HLayer, last: boolean): boolean {
  const fault = (...given: Parameters<typeof badPacket>): false => {
    ctx.diagnostics.add(badPacket(...given));
    return false;
  };
  const previous = before.at(-1);
  if (layer.kind === "cut") {
    if (last && previous !== undefined) return true;
    return fault(layer.span, "`cut` stands at a packet's end", { help: "write it last: `eth / ip / tcp / cut(40)`" });
  }
  if (layer.kind === "bytes") return true;
  const name = nameOf(layer.header);
  if (previous?.kind === "bytes") {
    return fault(layer.span, `\`${name}\` stands behind bytes`, {
      label: "a header follows a header",
      help: 'write the whole packet as headers, or all of it as `hex("…")`',
    });
  }
  if (previous?.kind === "header") {
    if (announcing(previous.header, layer.header).length > 0) return true;
    const places = placesOf(layer.header).map(nameOf);
    ctx.diagnostics.add(neverFollows(layer.span, name, nameOf(previous.header), places));
    return false;
  }
  if (layer.header.edges.length === 0) return true;
  const roots = [...ctx.headers.values()].filter((h) => h.edges.length === 0 && h.next !== null).map(nameOf);
  return fault(layer.span, `a packet doesn't begin with \`${name}\``, {
    ...(roots[0] === undefined ? {} : { help: `begin it with its first header: \`${roots[0]} / …\`` }),
  });
}

function nameOf(header: Header): string {
  return header.alias ?? header.name;
}

function layerOf(ctx: Context, expr: ast.Expr, pattern: boolean): HLayer | null {
  switch (expr.kind) {
    case "string":
      return { kind: "bytes", bytes: utf8(expr.value), span: expr.span };
    case "name":
      return headerLayer(ctx, expr.name, [], [], pattern, expr);
    case "call":
      if (BUILT_IN.includes(expr.callee.text) && findHeader(ctx, expr.callee.text) === null)
        return builtIn(ctx, expr, pattern);
      return headerLayer(ctx, expr.callee, expr.args, expr.fields, pattern, expr);
    case "error":
      return null;
    default:
      ctx.diagnostics.add(badPacket(expr.span, "a layer is a header, a text or bytes"));
      return null;
  }
}

function builtIn(ctx: Context, expr: ast.Expr & { kind: "call" }, pattern: boolean): HLayer | null {
  const { callee, args, span } = expr;
  const only = args.length === 1 && expr.fields.length === 0 ? args[0] : undefined;
  if (only === undefined) {
    const example = { hex: '"00 11 22"', zeros: "100", cut: "40" }[callee.text];
    ctx.diagnostics.add(
      messages.wrongCount(span, `\`${callee.text}\``, `one value: \`${callee.text}(${example})\``, args.length),
    );
    return null;
  }
  if (callee.text === "hex") {
    const bytes = hexBytes(ctx, only);
    return bytes === null ? null : { kind: "bytes", bytes, span };
  }
  if (callee.text === "cut" && pattern) {
    ctx.diagnostics.add(badPacket(span, "what is expected can't be cut", { help: "compare `meta.len` in a rule" }));
    return null;
  }
  const count = checkConstant(ctx, Scope.global, only, "a number of bytes");
  if (count === null) return null;
  if (count.value > BigInt(MOST_BYTES)) {
    ctx.diagnostics.add(badPacket(only.span, `a packet has up to ${MOST_BYTES} bytes`));
    return null;
  }
  const bytes = Number(count.value);
  return callee.text === "cut" ? { kind: "cut", bytes, span } : { kind: "bytes", bytes: new Uint8Array(bytes), span };
}

function hexBytes(ctx: Context, expr: ast.Expr): Uint8Array | null {
  const digits = expr.kind === "string" ? expr.value.replace(/[\s:.]+/g, "") : null;
  if (digits !== null && /^(?:[0-9a-fA-F]{2})*$/.test(digits)) {
    return Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
      Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
    );
  }
  ctx.diagnostics.add(
    badPacket(expr.span, "bytes are written as pairs of hex digits", { help: 'for example `hex("08 00 45 00")`' }),
  );
  return null;
}

function headerLayer(
  ctx: Context,
  name: ast.Name,
  args: readonly ast.Expr[],
  inits: readonly ast.FieldInit[],
  pattern: boolean,
  expr: ast.Expr,
): HLayer | null {
  const header = headerAt(ctx, name);
  if (header === null) {
    const known = [...ctx.headers.values()].flatMap((h) => (h.alias === null ? [h.name] : [h.name, h.alias]));
    ctx.diagnostics.add(
      ctx.names.has(name.text)
        ? badPacket(name.span, `\`${name.text}\` is no header`, { label: "a packet is made of headers and bytes" })
        : messages.unknownName(name.text, name.span, nearest(name.text, [...known, ...BUILT_IN])),
    );
    return null;
  }
  const fields: HFieldValue[] = [];
  let good = true;
  for (const init of inits) {
    const value = fieldValue(ctx, header, init, pattern);
    if (value === null) good = false;
    else fields.push(value);
  }
  let extra: Uint8Array | null = null;
  for (const arg of args) {
    const bytes = extraBytes(ctx, header, arg);
    if (bytes === null) good = false;
    else extra = Uint8Array.of(...(extra ?? []), ...bytes);
  }
  return good ? { kind: "header", header, fields, extra, span: expr.span } : null;
}

/** Bytes between a header's fixed fields and what follows: its options. */
function extraBytes(ctx: Context, header: Header, arg: ast.Expr): Uint8Array | null {
  if (header.size === null || header.parts.length > 0) {
    ctx.diagnostics.add(
      badPacket(arg.span, `a \`${nameOf(header)}\` header has its fields and nothing behind them`, {
        help: "name a field: `ip(ttl: 1)`; what the packet carries stands behind `/`",
      }),
    );
    return null;
  }
  if (arg.kind === "string") return utf8(arg.value);
  if (arg.kind === "call" && arg.callee.text === "hex" && arg.args[0] !== undefined && arg.args.length === 1)
    return hexBytes(ctx, arg.args[0]);
  ctx.diagnostics.add(
    badPacket(arg.span, "a field's value has the field's name before it", {
      help: 'write `ttl: 1` for a field, `hex("…")` for bytes behind the fields',
    }),
  );
  return null;
}

function fieldValue(ctx: Context, header: Header, init: ast.FieldInit, pattern: boolean): HFieldValue | null {
  const field = fieldOf(ctx, header, init.name);
  if (field === null) return null;
  const { value, span } = init;
  if (value.kind === "name") {
    const follower = headerAt(ctx, value.name);
    const instance = instanceAt(header, 0);
    if (follower !== null && instance !== null) {
      const selector = { kind: "field", instance, field, type: field.type, span: value.span } as const;
      const values = selectorValues(ctx, selector, follower, value.span);
      if (values === null) return null;
      return { field, ranges: values.slice(0, pattern ? undefined : 1).map((v) => ({ from: v, to: v })), span };
    }
  }
  if (pattern && (value.kind === "setLiteral" || value.kind === "range" || value.kind === "prefix")) {
    const set = checkSet(ctx, Scope.global, value, field.type);
    return set?.kind === "ranges" ? { field, ranges: set.ranges, span } : null;
  }
  const number = numberFor(ctx, field, value);
  return number === null ? null : { field, ranges: [{ from: number, to: number }], span };
}

/** The number a field is given; null after a fault. */
function numberFor(ctx: Context, field: Field, expr: ast.Expr): bigint | null {
  if (field.bitWidth === 1 && expr.kind === "bool") return expr.value ? 1n : 0n;
  if (field.type.kind === "bytes") {
    const bytes =
      expr.kind === "call" && expr.callee.text === "hex" && expr.args[0] ? hexBytes(ctx, expr.args[0]) : null;
    if (bytes !== null && bytes.length === field.type.count)
      return bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
    ctx.diagnostics.add(
      badPacket(expr.span, `\`${field.name}\` takes ${field.type.count} bytes`, {
        help: `write them as \`hex("${"00".repeat(field.type.count)}")\``,
      }),
    );
    return null;
  }
  const value = checkValueAs(ctx, Scope.global, expr, field.type);
  if (value.kind === "error") return null;
  if (value.kind !== "const") {
    ctx.diagnostics.add(messages.notConstant(expr.span, `the value of \`${field.name}\``));
    return null;
  }
  if (value.value >= 1n << BigInt(field.bitWidth)) {
    ctx.diagnostics.add(messages.doesNotFitField(expr.span, value.value, field.name, field.bitWidth));
    return null;
  }
  return value.value;
}
