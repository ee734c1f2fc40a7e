// Types of `encap` and `decap`: which headers a tunnel is made of, what each announces, where they go, what may lie inside. All of it comes
// from the declarations' edges; protocols aren't known by name. Called by check-statement.ts.

import { must } from "../base/assert.ts";
import type { Span } from "../base/source.ts";
import type * as ast from "../parser/ast.ts";
import { checkValue } from "./check-value.ts";
import { checksumField } from "./checksums.ts";
import type { Context } from "./context.ts";
import { convert, foldBinary, maxOf } from "./conversion.ts";
import { fieldOf, headerAt } from "./header-lookup.ts";
import type { Field, HExpr, Header, HeaderEdge, HStmt, Instance } from "./hir.ts";
import type { Encap } from "./hir-tunnel.ts";
import { innerOf } from "./inner.ts";
import * as messages from "./messages.ts";
import { cantEncap, needsAddress } from "./messages-tunnel.ts";
import type { Scope } from "./scope.ts";
import { scalarBits } from "./types.ts";

/** Types `encap ip { … } / udp { … } / vxlan { … }`. */
export function checkEncap(ctx: Context, scope: Scope, statement: ast.Stmt & { kind: "encap" }): readonly HStmt[] {
  const { span } = statement;
  const typedHeaders = statement.headers.map((written) => newHeader(ctx, scope, written));
  const headers = typedHeaders.flatMap((h) => h ?? []);
  const [first, last] = [headers[0], headers.at(-1)];
  if (headers.length < typedHeaders.length || first === undefined || last === undefined) return [];
  const followers = headers.map(({ header }, i): bigint | null => {
    const next = headers[i + 1];
    return next === undefined ? null : (edgeTo(header, next.header.edges)?.values[0] ?? null);
  });
  for (const [i, follower] of followers.entries()) {
    const [before, after] = [headers[i], headers[i + 1]];
    if (before === undefined || after === undefined || follower !== null) continue;
    ctx.diagnostics.add(
      cantEncap(after.span, `\`${nameOf(after.header)}\` never follows \`${nameOf(before.header)}\``, {
        label: "hangs on other headers",
      }),
    );
    return [];
  }
  const place = placeOf(ctx, first, last);
  if (place === null) return [];
  const made = headers.map((one, i) => ({ ...one, follower: followers[i] ?? null }));
  return [{ kind: "encap", headers: made, ...place, span }];
}

/** Types `decap`. */
export function checkDecap(ctx: Context, statement: ast.Stmt & { kind: "decap" }): readonly HStmt[] {
  const { span } = statement;
  const carried = [...ctx.headers.values()].filter((h) => h.innerEdges.length > 0);
  const frames: Instance[] = [];
  const packets: { instance: Instance; announces: bigint }[] = [];
  let links: readonly Instance[] = [];
  for (const header of carried) {
    const instance = innerOf(ctx, header)?.instances[0];
    if (instance === undefined) continue;
    if (header.edges.length === 0) frames.push(instance);
    else {
      const row = linksOf(header);
      // Packets of one kind decide where packets begin; others that begin elsewhere stay in their tunnels.
      if (row === null || (links.length > 0 && !sameRow(links, row.links))) continue;
      links = row.links;
      packets.push({ instance, announces: row.announces });
    }
  }
  if (frames.length + packets.length > 0) return [{ kind: "decap", frames, packets, links, span }];
  ctx.diagnostics.add(cantEncap(span, "no header is declared `inner` to another: there is no tunnel to open"));
  return [];
}

// -------------------------------------------------------------------------------------------------------- where they go

/** Where the new headers go and what may lie inside; null with a diagnostic. */
function placeOf(ctx: Context, first: NewHeader, last: NewHeader): Omit<Encap, "headers"> | null {
  const carried = [...ctx.headers.values()].flatMap((header) => {
    const [announces, instance] = [edgeTo(last.header, header.innerEdges)?.values[0], header.instances[0]];
    return announces === undefined || instance === undefined ? [] : [{ header, instance, announces }];
  });
  const frames = carried.filter(({ header }) => header.edges.length === 0);
  const packets = carried.filter(({ header }) => header.edges.length > 0);
  const name = nameOf(last.header);
  const refuse = (span: Span, message: string, help?: string): null => {
    ctx.diagnostics.add(cantEncap(span, message, help === undefined ? {} : { help }));
    return null;
  };
  if (carried.length === 0) {
    const help =
      "what it may carry is declared: `header ip on inner gre 0x0800`; a tunnel ends with the header that carries the rest";
    return refuse(last.span, `nothing is declared that \`${name}\` carries`, help);
  }
  const isFrame = first.header.edges.length === 0;
  if (isFrame || packets.length === 0) {
    const inside = frames.map(({ instance, announces }) => ({ instance, announces }));
    const root = frames[0]?.header;
    if (root === undefined) return refuse(last.span, `\`${name}\` doesn't carry whole frames`);
    if (isFrame) return { inside, place: "frame", links: [], announces: 0n, elsewhere: false };
    const announces = edgeTo(root, first.header.edges)?.values[0];
    if (announces === undefined || !isLink(root))
      return refuse(first.span, `\`${nameOf(first.header)}\` never follows \`${nameOf(root)}\``);
    return { inside, place: "copy", links: root.instances.slice(0, 1), announces, elsewhere: false };
  }
  const own = linksOf(first.header);
  if (own === null)
    return refuse(
      first.span,
      `\`${nameOf(first.header)}\` doesn't stand right behind what begins a packet and its tags`,
    );
  const rows = packets.map(({ header, instance, announces }) => ({ instance, announces, row: linksOf(header) }));
  const inside = rows.filter(({ row }) => row !== null && sameRow(row.links, own.links));
  if (inside.length === 0) return refuse(last.span, `what \`${name}\` carries doesn't begin where a packet does`);
  return {
    inside: inside.map(({ instance, announces }) => ({ instance, announces })),
    place: "packet",
    links: own.links,
    announces: own.announces,
    elsewhere: inside.some(({ row }) => row?.elsewhere === true),
  };
}

function sameRow(a: readonly Instance[], b: readonly Instance[]): boolean {
  return a.length === b.length && a.every((instance, i) => instance === b[i]);
}

/**
 * The headers that stand in front of a packet that begins with `header`: what begins the frame and one kind of tag that may follow it, all at
 * the same value; null where that isn't so.
 */
export function linksOf(
  header: Header,
): { readonly links: readonly Instance[]; readonly announces: bigint; readonly elsewhere: boolean } | null {
  const edge = header.edges.find((e) => e.parent.edges.length === 0);
  const announces = edge?.values[0];
  if (edge === undefined || announces === undefined || !isLink(edge.parent)) return null;
  const root = edge.parent;
  const others = header.edges.filter((e) => e.parent !== root && e.parent !== header);
  const isTag = (e: HeaderEdge): boolean =>
    isLink(e.parent) && e.values[0] === announces && e.parent.edges.every((up) => [root, e.parent].includes(up.parent));
  const tag = others.find(isTag);
  const links = [...root.instances.slice(0, 1), ...(tag?.parent.instances ?? [])];
  return { links, announces, elsewhere: others.some((e) => e.parent !== tag?.parent) };
}

/** Whether a header has one size and one field that tells what follows. */
function isLink(header: Header): boolean {
  return header.size === null && header.next?.fields.length === 1 && header.next.when === null;
}

/** A header's place on `parent`. */
export function edgeTo(parent: Header, edges: readonly HeaderEdge[]): HeaderEdge | undefined {
  return edges.find((e) => e.parent === parent);
}

function nameOf(header: Header): string {
  return header.alias ?? header.name;
}

// ----------------------------------------------------------------------------------------------------------- new headers

interface NewHeader {
  readonly header: Header;
  /** Its fixed part and behind it the parts that are made. */
  readonly pieces: readonly Header[];
  readonly values: ReadonlyMap<Field, HExpr>;
  readonly span: Span;
}

/** A header with the values of its fields; null with a diagnostic. */
function newHeader(ctx: Context, scope: Scope, written: ast.NewHeader): NewHeader | null {
  const { span } = written.name;
  const { text } = written.name;
  const header = headerAt(ctx, written.name);
  const refuse = (at: Span, message: string, help?: string): null => {
    ctx.diagnostics.add(cantEncap(at, message, help === undefined ? {} : { help }));
    return null;
  };
  if (header === null) {
    if (ctx.find(text, span) === null) return null;
    return refuse(span, `\`${text}\` isn't a header`);
  }
  if (header.next === null || header.extension)
    return refuse(span, `\`${text}\` carries nothing: it can't be part of a tunnel`);
  const values = new Map<Field, HExpr>();
  let good = true;
  for (const init of written.fields) {
    const value = fieldValue(ctx, scope, header, init);
    if (value === null) good = false;
    else if (values.has(value.field)) good = refuse(init.name.span, `\`${value.field.name}\` is given twice`) !== null;
    else values.set(value.field, value.value);
  }
  if (!good) return null;
  const parts = header.parts.filter((part) => isMade(part, values));
  const pieces = [header, ...parts];
  const stray = [...values.keys()].find((f) => !pieces.includes(f.header));
  if (stray !== undefined) {
    const { flag } = must(stray.header.part, "a part");
    return refuse(span, `\`${stray.name}\` is there only where \`${flag.name}\` is 1`, `leave \`${flag.name}\` out`);
  }
  const fields = [...header.fields.values()].filter((f) => pieces.includes(f.header));
  const sum = checksumField(header);
  if (sum !== null && sum.covers?.optional !== true && fields.includes(sum)) {
    const plain = sum.bitWidth === 16 && sum.bitOffset % 16 === 0 && sum.covers?.parts.every((p) => p === "header");
    if (!plain)
      return refuse(span, `\`${text}.${sum.name}\` covers more than the header: it can't be made for a new one`);
  }
  const missing = fields.filter((f) => isAddress(f) && !values.has(f)).map((f) => f.name);
  if (missing.length > 0) {
    ctx.diagnostics.add(needsAddress(span, text, missing));
    return null;
  }
  const size = header.size === null ? BigInt(header.fixedBytes) : sizeWith(header.size.bytes, values);
  if (size === null)
    return refuse(span, `the size of \`${text}\` must be known`, "give the fields that tell it constants");
  const bytes = pieces.reduce((all, { fixedBytes }) => all + fixedBytes, 0);
  if (size !== BigInt(bytes)) {
    const help = "nothing can be put between a header's fields and what follows";
    return refuse(span, `with these fields a \`${text}\` header has ${size} bytes, not ${bytes}`, help);
  }
  return { header, pieces, values, span };
}

/** Whether a part of a new header is made: its bit is given, or one of its fields is, which sets the bit. */
function isMade(part: Header, values: Map<Field, HExpr>): boolean {
  const { flag } = must(part.part, "a part");
  const given = values.get(flag);
  if (given !== undefined) return given.kind === "const" && given.value === 1n;
  const [first] = [...part.fields.values()].filter((f) => values.has(f));
  if (first === undefined) return false;
  values.set(flag, { kind: "const", value: 1n, type: flag.type, span: first.span });
  return true;
}

function isAddress(field: Field): boolean {
  return field.type.kind === "ipv4" || field.type.kind === "ipv6" || field.type.kind === "mac";
}

function fieldValue(
  ctx: Context,
  scope: Scope,
  header: Header,
  init: ast.FieldInit,
): { readonly field: Field; readonly value: HExpr } | null {
  const field = fieldOf(ctx, header, init.name);
  const raw = checkValue(ctx, scope, init.value);
  if (field === null || raw.kind === "error") return null;
  const { span, text } = init.name;
  const refuse = (message: string, help?: string): null => {
    ctx.diagnostics.add(cantEncap(span, message, help === undefined ? {} : { help }));
    return null;
  };
  if (field.covers !== null) return refuse(`\`${text}\` is worked out: a ${field.covers.kind} can't be given`);
  if (field === header.next?.fields[0]) return refuse(`\`${text}\` tells what follows: it is set by what does`);
  const outer = [...header.fields.values()].find((f) => f.bitWidth > field.bitWidth && holds(f, field));
  if (outer !== undefined) return refuse(`\`${text}\` is part of \`${outer.name}\``, "give the whole field");
  const value: HExpr =
    raw.type.kind === "bool" && field.bitWidth === 1
      ? raw.kind === "const"
        ? { ...raw, type: field.type }
        : { kind: "cast", value: raw, type: field.type, span: raw.span }
      : raw;
  const most = (1n << BigInt(field.bitWidth)) - 1n;
  const narrow = field.type.kind === "int" && field.bitWidth < field.type.bits;
  if (narrow && value.type.kind !== "bool" && raw.type.kind !== "bool" && maxOf(value) > most) {
    const known = value.kind === "const" ? value.value : null;
    ctx.diagnostics.add(messages.doesNotFitField(init.value.span, known, field.name, field.bitWidth));
    return null;
  }
  const converted = convert(ctx, value, field.type);
  return converted.kind === "error" ? null : { field, value: converted };
}

function holds(outer: Field, inner: Field): boolean {
  if (outer.header !== inner.header) return false;
  return outer.bitOffset <= inner.bitOffset && inner.bitOffset + inner.bitWidth <= outer.bitOffset + outer.bitWidth;
}

/** What a header's size comes to with these values of its fields; null where it isn't known. */
function sizeWith(size: HExpr, values: ReadonlyMap<Field, HExpr>): bigint | null {
  switch (size.kind) {
    case "const":
      return size.value;
    case "field": {
      const given = values.get(size.field);
      if (given === undefined) return size.field.initial;
      return given.kind === "const" ? given.value : null;
    }
    case "cast":
      return sizeWith(size.value, values);
    case "binary": {
      const [a, b] = [sizeWith(size.a, values), sizeWith(size.b, values)];
      return a === null || b === null ? null : foldBinary(size.op, a, b, scalarBits(size.type) ?? 64);
    }
    default:
      return null;
  }
}
