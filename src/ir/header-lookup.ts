// Questions about headers that are built: which one a name stands for, its fields, the values that announce it, what depends on a
// field. Building them is headers.ts's.

import type { Span } from "../base/source.ts";
import { nearest } from "../base/suggest.ts";
import type * as ast from "../parser/ast.ts";
import type { Context } from "./context.ts";
import type { Field, HExpr, Header, Instance } from "./hir.ts";
import { innerOf } from "./inner.ts";
import * as messages from "./messages.ts";

/** The header a name stands for, by name or alias; null when it names something else. */
export function findHeader(ctx: Context, name: string): Header | null {
  const decl = ctx.names.get(name);
  return decl?.kind === "headerDecl" ? (ctx.headers.get(decl) ?? null) : null;
}

/** The header a name in the text stands for; null when it names something else. */
export function headerAt(ctx: Context, name: ast.Name): Header | null {
  const header = findHeader(ctx, name.text);
  if (header !== null) ctx.facts?.useDeclaration(name.span, ctx.names.get(name.text));
  return header;
}

/** The header at place `index` in a row of its kind, or null when packets aren't read that far. */
export function instanceAt(header: Header, index: number): Instance | null {
  return header.instances[index] ?? null;
}

/** A field by name, or null with a diagnostic. */
export function fieldOf(ctx: Context, header: Header, name: ast.Name): Field | null {
  const field = header.fields.get(name.text);
  if (field !== undefined) {
    ctx.facts?.use(name.span, { kind: "field", field });
    return field;
  }
  const known = [...header.fields.keys()];
  ctx.diagnostics.add(
    messages.unknownField(header.alias ?? header.name, name.text, name.span, known, nearest(name.text, known)),
  );
  return null;
}

/** The values of `selector` (a field that tells the next header) that announce `header`; null with a diagnostic. */
export function selectorValues(ctx: Context, selector: HExpr, header: Header, span: Span): readonly bigint[] | null {
  if (selector.kind === "field") {
    const parent = selector.field.header;
    if (parent.next?.fields.includes(selector.field)) {
      const base = parent.extension ? parent.edges.map((e) => e.parent) : [parent];
      // Inside a tunnel the header behind a selector is inside too.
      const edges = base.flatMap((b) => (b.outer === null ? header.edges : (innerOf(ctx, header)?.edges ?? [])));
      const values = edges.filter((e) => base.includes(e.parent)).flatMap((e) => e.values);
      if (values.length > 0) return [...new Set(values)].sort((a, b) => (a < b ? -1 : 1));
      ctx.diagnostics.add(
        messages.badHeader(span, `\`${header.name}\` never follows \`${parent.alias ?? parent.name}\``),
      );
      return null;
    }
  }
  ctx.diagnostics.add(
    messages.notAValue(
      span,
      `the header \`${header.name}\``,
      "its name stands for a value only beside a field that tells the next header",
    ),
  );
  return null;
}
