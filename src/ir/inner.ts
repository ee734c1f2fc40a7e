// The headers inside tunnels. What `inner.` names is a second graph beside that of the outer packet: each header has a twin that hangs on
// the twins of what it hangs on, and where its declaration says `inner`, on the outer header itself. Everything behind (presence, sums,
// reading) takes twins for headers like others. Made when a rule first says `inner.`; knows no protocol.

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
  return [...ctx.headers.values(), ...(ctx.innerHeaders?.values() ?? [])];
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

function twinOf(header: Header): Header {
  const fields = new Map<string, Field>();
  const name = `inner.${header.name}`;
  const alias = header.alias === null ? null : `inner.${header.alias}`;
  const twin: Draft = { ...header, name, alias, fields, edges: [], innerEdges: [], outer: header };
  twin.instances = header.instances.map(({ index }): Instance => ({ header: twin, index }));
  for (const [key, field] of header.fields) fields.set(key, { ...field, header: twin });
  // Its size and `when` stay as they are: they speak of "this header", wherever it is.
  if (header.next !== null)
    twin.next = { ...header.next, fields: header.next.fields.map((f) => fields.get(f.name) ?? f) };
  return twin;
}
