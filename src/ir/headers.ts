// Protocol headers from their declarations: fields and their places, fixed size, selector, edges of the graph. Two steps,
// because headers name each other: all are made first, then their edges and own expressions are filled in. Knows no
// protocol: whatever is true of IPv4 stands in the library.

import { must } from "../base/assert.ts";
import type { Span } from "../base/source.ts";
import { nearest } from "../base/suggest.ts";
import type * as ast from "../parser/ast.ts";
import { checkCondition } from "./check-condition.ts";
import { checkConstant, checkValue, typed } from "./check-value.ts";
import type { Context } from "./context.ts";
import { maxOf } from "./conversion.ts";
import { isSummed, layFields } from "./header-fields.ts";
import { visitCondition, visitDeep } from "./header-graph.ts";
import { fieldOf, headerAt } from "./header-lookup.ts";
import { makePart, sizeWithParts, splitFields } from "./header-parts.ts";
import { type Field, type HCond, type Header, type Instance, instanceName, NO_SELECTOR } from "./hir.ts";
import * as messages from "./messages.ts";
import { Scope } from "./scope.ts";

/** A bound that keeps programs within what the verifier can follow; generous against every protocol known. */
const MOST_DEPTH = 16;
/**
 * The verifier follows a packet pointer through 65,535 bytes of variable distance in all. **Source:** Linux kernel/bpf/verifier.c,
 * MAX_PACKET_OFF.
 */
const MOST_BYTES = 4096;

/** Headers of a file and the library together: what is known of each is carried along every way through a program. */
const MOST_HEADERS = 128;
/** Headers that may stand one behind the other, each in its own stage of the reading. */
const MOST_NESTED = 24;

/** Makes every header of the given declarations and joins them into the graph. */
export function buildHeaders(
  ctx: Context,
  declarations: readonly { readonly decl: ast.HeaderDecl; readonly library: boolean }[],
): void {
  // A library header that the user declares anew is gone, and so are its places.
  const shadowed = ({ decl }: { readonly decl: ast.HeaderDecl }): boolean =>
    decl.body !== null && ctx.names.get(decl.name.text) !== decl;
  const withBody = declarations.filter((d) => d.decl.body !== null && !shadowed(d));
  for (const { decl, library } of withBody) {
    if (ctx.headers.size === MOST_HEADERS)
      ctx.diagnostics.add(messages.badHeader(decl.name.span, `there are more than ${MOST_HEADERS} headers`));
    if (ctx.headers.size >= MOST_HEADERS) break;
    ctx.headers.set(decl, makeHeader(ctx, decl, library));
  }
  for (const { decl } of declarations.filter((d) => !shadowed(d))) {
    const header = ctx.headers.get(decl) ?? headerToExtend(ctx, decl);
    if (header !== null) addEdges(ctx, header, decl);
  }
  for (const { decl } of withBody) {
    const header = ctx.headers.get(decl);
    if (header !== undefined) finishHeader(ctx, header, must(decl.body, "a body"));
  }
  const headers = [...ctx.headers.values()];
  for (const header of headers) dropForeignTunnels(header);
  for (const header of headers) checkGraph(ctx, header);
  checkNesting(ctx, headers);
  ctx.headersBuilt = true;
}

function headerToExtend(ctx: Context, decl: ast.HeaderDecl): Header | null {
  const header = headerAt(ctx, decl.name);
  if (header === null) {
    const known = [...ctx.headers.values()].map((h) => h.name);
    ctx.diagnostics.add(messages.unknownName(decl.name.text, decl.name.span, nearest(decl.name.text, known)));
  }
  return header;
}

/** What the library hangs into a tunnel that the user declares anew, without a selector: the user's has nothing inside. */
function dropForeignTunnels(header: Header): void {
  const stay = header.innerEdges.filter((e) => e.parent.library || e.parent.next !== null || !header.library);
  header.innerEdges.splice(0, header.innerEdges.length, ...stay);
}

/** The graph is free of circles here: how many headers stand before each is counted once. */
export function checkNesting(ctx: Context, headers: readonly Header[]): void {
  const before = new Map<Header, number>();
  const count = (header: Header): number => {
    const known = before.get(header);
    if (known !== undefined) return known;
    const parents = header.edges.map((e) => e.parent).filter((p) => p !== header);
    const result = parents.length === 0 ? 0 : 1 + Math.max(...parents.map(count));
    before.set(header, result);
    if (result === MOST_NESTED) {
      ctx.diagnostics.add(
        messages.badHeader(header.span, `\`${header.name}\` stands behind ${MOST_NESTED} other headers`, {
          label: "deeper than packets are read",
          help: "a header that repeats has a `depth` instead",
        }),
      );
    }
    return result;
  };
  for (const header of headers) count(header);
}

/** A header's own expressions are evaluated while it is being read: they know no other header. `foreign` is what else they name. */
function onlyOwnFields(ctx: Context, header: Header, foreign: readonly string[], span: Span): boolean {
  const what = foreign[0];
  if (what === undefined) return true;
  ctx.diagnostics.add(
    messages.badHeader(span, `\`${header.name}\` can't be read by way of \`${what}\``, {
      help: `only the fields of \`${header.name}\` itself tell its size and what follows`,
    }),
  );
  return false;
}

function foreignNames(header: Header, found: string[]): (instance: Instance) => void {
  return (instance) => {
    if (instance !== header.self) found.push(instanceName(instance));
  };
}

type Draft = { -readonly [K in keyof Header]: Header[K] };

function makeHeader(ctx: Context, decl: ast.HeaderDecl, library: boolean): Header {
  const body = must(decl.body, "a header's body");
  const fields = new Map<string, Field>();
  const depth = decl.depth === null ? 1 : depthOf(ctx, decl.depth);
  const header = {
    name: decl.name.text,
    alias: decl.alias?.text ?? null,
    title: decl.title?.value ?? decl.name.text,
    span: decl.name.span,
    library,
    fields,
    fixedBytes: 0,
    size: null,
    next: null,
    edges: [],
    innerEdges: [],
    outer: null,
    extension: decl.extension,
    instances: [],
    self: null,
    parts: [],
    part: null,
  } as unknown as Draft;
  header.instances = Array.from({ length: depth }, (_, index) => ({ header, index }));
  header.self = { header, index: -1 };
  const { fixed, groups } = splitFields(ctx, body.fields);
  const summed = isSummed(body.fields);
  header.fixedBytes = layFields(ctx, header, fixed, summed, fields);
  header.parts = groups.flatMap((group) => makePart(ctx, header, group, summed, fields) ?? []);
  return header;
}

function depthOf(ctx: Context, expr: ast.Expr): number {
  const value = checkConstant(ctx, Scope.global, expr, "the depth");
  if (value === null) return 1;
  if (value.value >= 1n && value.value <= BigInt(MOST_DEPTH)) return Number(value.value);
  ctx.diagnostics.add(messages.badHeader(expr.span, `a depth is 1 to ${MOST_DEPTH}`));
  return 1;
}

function addEdges(ctx: Context, header: Header, decl: ast.HeaderDecl): void {
  for (const edge of decl.edges) {
    const parent = headerAt(ctx, edge.parent);
    if (parent === null) {
      const known = [...ctx.headers.values()].flatMap((h) => (h.alias === null ? [h.name] : [h.name, h.alias]));
      ctx.diagnostics.add(messages.unknownName(edge.parent.text, edge.parent.span, nearest(edge.parent.text, known)));
      continue;
    }
    if (edge.values.length === 0) {
      ctx.diagnostics.add(
        messages.badHeader(
          edge.span,
          `at which value of \`${parent.name}\`'s selector does \`${header.name}\` follow?`,
          { help: `write it: \`on ${parent.name} 0x88b5\`` },
        ),
      );
      continue;
    }
    const values: bigint[] = [];
    for (const written of edge.values) {
      const value = checkConstant(ctx, Scope.global, written, "a selector's value");
      if (value !== null) values.push(value.value);
    }
    if (values.includes(BigInt(NO_SELECTOR))) {
      ctx.diagnostics.add(
        messages.badHeader(edge.span, `${NO_SELECTOR} is kept for "nothing follows"`, {
          label: "can't be a selector's value",
        }),
      );
      continue;
    }
    for (const other of ctx.headers.values()) {
      const clash = [...other.edges, ...other.innerEdges].find(
        (e) =>
          e.parent === parent && e.values.some((v) => values.includes(v)) && (e.when === null || edge.when === null),
      );
      if (clash !== undefined && other !== header) {
        ctx.diagnostics.add(
          messages.badHeader(edge.span, `\`${other.name}\` follows \`${parent.name}\` at this value already`, {
            label: "taken",
            secondary: [{ span: clash.span, text: `\`${other.name}\` hangs here` }],
          }),
        );
      }
    }
    const when = edge.when === null ? null : conditionOf(ctx, header, edge.when);
    (edge.inner ? header.innerEdges : header.edges).push({ parent, values, when, span: edge.span });
  }
}

function finishHeader(ctx: Context, header: Header, body: ast.HeaderBody): void {
  const scope = Scope.ofHeader(header);
  if (header.parts.length > 0) header.size = sizeWithParts(header);
  if (header.parts.length > 0 && body.size !== null) {
    const help = "its size is that of its fields, as its bits say";
    ctx.diagnostics.add(
      messages.badHeader(body.size.span, `\`${header.name}\` has fields that may be missing`, { help }),
    );
  } else if (body.size !== null) {
    const bytes = typed(ctx, checkValue(ctx, scope, body.size.bytes));
    const min = body.size.min === null ? null : checkConstant(ctx, scope, body.size.min, "the least size");
    const least = Math.max(header.fixedBytes, min === null ? 0 : Number(min.value));
    const foreign: string[] = [];
    const note = foreignNames(header, foreign);
    visitDeep(bytes, { field: note, present: note, opaque: () => foreign.push("opaque") });
    if (!onlyOwnFields(ctx, header, foreign, body.size.bytes.span)) header.size = null;
    else if (bytes.kind !== "error" && maxOf(bytes) <= BigInt(MOST_BYTES)) header.size = { bytes, min: least };
    else if (bytes.kind !== "error") {
      ctx.diagnostics.add(
        messages.badHeader(body.size.bytes.span, `a \`${header.name}\` header could have ${maxOf(bytes)} bytes`, {
          label: `up to ${MOST_BYTES} can be read`,
          help: "mask the field that tells the size, such as `(len & 0x3ff) * 4`",
        }),
      );
    }
  }
  if (body.next !== null) {
    const fields = body.next.fields.map((name) => fieldOf(ctx, header, name)).filter((f) => f !== null);
    for (const field of fields) {
      if (field.header !== header) {
        const message = `\`${field.name}\` may be missing: it can't tell what follows`;
        ctx.diagnostics.add(messages.badHeader(body.next.span, message));
      }
      if (field.bitWidth > 32) ctx.diagnostics.add(messages.badHeader(body.next.span, "a selector has up to 32 bits"));
      for (const child of ctx.headers.values()) {
        for (const edge of [...child.edges, ...child.innerEdges]) {
          const wide = edge.values.find((v) => v >= 1n << BigInt(field.bitWidth));
          if (edge.parent === header && wide !== undefined) {
            ctx.diagnostics.add(
              messages.badHeader(edge.span, `${wide} doesn't fit \`${header.name}.${field.name}\``, {
                label: `${field.bitWidth} bits`,
              }),
            );
          }
        }
      }
    }
    header.next = {
      fields: fields.filter((field) => field.header === header),
      depth: body.next.depth === null ? 1 : depthOf(ctx, body.next.depth),
      when: body.next.when === null ? null : conditionOf(ctx, header, body.next.when),
    };
  }
}

/** A condition on a header's own fields; null with a diagnostic. */
function conditionOf(ctx: Context, header: Header, written: ast.Expr): HCond | null {
  const condition = checkCondition(ctx, Scope.ofHeader(header), written);
  const foreign: string[] = [];
  const note = foreignNames(header, foreign);
  visitCondition(condition, { field: note, present: note, opaque: () => foreign.push("opaque") });
  return onlyOwnFields(ctx, header, foreign, condition.span) ? condition : null;
}

/** Every parent must tell what follows; only a header with a `depth` may follow itself, and no two may follow each other in a circle. */
function checkGraph(ctx: Context, header: Header): void {
  const seen = new Set<Header>();
  const open: Header[] = header.edges.map((e) => e.parent).filter((p) => p !== header);
  while (open.length > 0) {
    const parent = must(open.pop(), "a parent");
    if (parent === header) {
      ctx.diagnostics.add(
        messages.badHeader(header.span, `\`${header.name}\` follows itself by way of others`, {
          help: "break the circle; a header that may repeat has a `depth`",
        }),
      );
      // What comes after must be able to follow the edges to their end.
      header.edges.length = 0;
      return;
    }
    if (seen.has(parent)) continue;
    seen.add(parent);
    open.push(...parent.edges.map((e) => e.parent).filter((p) => p !== parent));
  }
  for (const edge of [...header.edges, ...header.innerEdges]) {
    if (edge.parent.next !== null || edge.parent === header) continue;
    const parent = edge.parent.alias ?? edge.parent.name;
    ctx.diagnostics.add(
      messages.badHeader(edge.span, `nothing in \`${parent}\` tells what follows it`, {
        label: `\`${parent}\` has no \`next\``,
        help: `a header hangs on one with a \`next\`; to read behind \`${parent}\`, declare a header of your own in its place`,
      }),
    );
  }
  const self = header.edges.find((e) => e.parent === header);
  if (self === undefined && header.instances.length > 1) {
    ctx.diagnostics.add(
      messages.badHeader(header.span, `\`${header.name}\` has a depth but never follows itself`, {
        help: `add the value at which it does: \`on …, ${header.name} VALUE depth ${header.instances.length}\``,
      }),
    );
  }
  if (self !== undefined && header.instances.length === 1) {
    ctx.diagnostics.add(
      messages.badHeader(self.span, `\`${header.name}\` may follow itself without end`, {
        help: "say how often: `depth 2` behind the places it hangs on",
      }),
    );
  }
}
