// The headers inside tunnels. What `inner.` names is a second graph beside that of the outer packet: each header has a twin that hangs on
// the twins of what it hangs on, and where its declaration says `inner`, on the outer header itself. Everything behind (presence, sums,
// reading) takes twins for headers like others. Made when a rule first says `inner.`; knows no protocol.

import { must } from "../base/assert.ts";
import type { Context } from "./context.ts";
import { checkNesting } from "./headers.ts";
import type { Field, Header, HeaderEdge, Instance } from "./hir.ts";

/** The header inside a tunnel that is like `header`; null where no tunnel leads to one. */
export function innerOf(ctx: Context, header: Header): Header | null {
  if (!ctx.headersBuilt) return null;
  if (ctx.innerHeaders === null) {
    ctx.innerHeaders = makeTwins([...ctx.headers.values()]);
    checkNesting(ctx, [...ctx.innerHeaders.values()]);
  }
  return ctx.innerHeaders.get(header) ?? null;
}

/** The headers of the outer packet and those inside tunnels, as far as rules name any. */
export function allHeaders(ctx: Context): readonly Header[] {
  const whole = [...ctx.headers.values(), ...(ctx.innerHeaders?.values() ?? [])];
  return whole.flatMap((header) => [header, ...header.parts]);
}

function makeTwins(headers: readonly Header[]): ReadonlyMap<Header, Header> {
  const reached = new Set<Header>(headers.filter((h) => h.innerEdges.length > 0));
  // What hangs on a header that a tunnel may carry may be in it too.
  for (let before = -1; before !== reached.size; ) {
    before = reached.size;
    for (const h of headers) if (h.edges.some((e) => reached.has(e.parent))) reached.add(h);
  }
  const twins = new Map([...reached].map((header) => [header, twinOf(header)]));
  for (const [header, twin] of twins) {
    const plain = header.edges.flatMap((edge): HeaderEdge[] => {
      const parent = twins.get(edge.parent);
      return parent === undefined ? [] : [{ ...edge, parent }];
    });
    twin.edges.push(...header.innerEdges, ...plain);
  }
  return twins;
}

type Draft = { -readonly [K in keyof Header]: Header[K] };

function twinOf(header: Header, part: Header["part"] = null): Header {
  const fields = new Map<string, Field>();
  const name = `inner.${header.name}`;
  const alias = header.alias === null ? null : `inner.${header.alias}`;
  const twin: Draft = { ...header, name, alias, fields, edges: [], innerEdges: [], outer: header, part };
  twin.instances = header.instances.map(({ index }): Instance => ({ header: twin, index }));
  for (const [key, field] of header.fields) fields.set(key, { ...field, header: twin });
  twin.parts = header.parts.map((own) => {
    const flag = must(fields.get(must(own.part, "a part's header").flag.name), "a part's bit");
    const made = twinOf(own, { of: twin, flag });
    made.edges.push(...own.edges.map((edge) => ({ ...edge, parent: twin })));
    for (const [key, field] of made.fields) fields.set(key, field);
    return made;
  });
  // Its size and `when` stay as they are: they speak of "this header", wherever it is.
  if (header.next !== null)
    twin.next = { ...header.next, fields: header.next.fields.map((f) => fields.get(f.name) ?? f) };
  return twin;
}
