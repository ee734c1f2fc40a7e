// Fields that are there only where a bit of their header says so (GRE's key): those of one bit that stand together are a part, which is like
// a header of its own behind the fixed part. So being there, reading, writing and sums are what they are for headers. Part of building
// headers (headers.ts).

import { must } from "../base/assert.ts";
import type * as ast from "../parser/ast.ts";
import type { Context } from "./context.ts";
import { layFields } from "./header-fields.ts";
import { fieldOf } from "./header-lookup.ts";
import type { Field, HExpr, Header, Instance } from "./hir.ts";
import * as messages from "./messages.ts";
import { U32 } from "./types.ts";

/** Fields behind one another that one bit announces. */
interface Group {
  readonly flag: ast.Name;
  readonly fields: ast.HeaderField[];
}

/** The fields that are always there, and behind them those that may be missing. */
export function splitFields(
  ctx: Context,
  written: readonly ast.HeaderField[],
): { readonly fixed: readonly ast.HeaderField[]; readonly groups: readonly Group[] } {
  const fixed: ast.HeaderField[] = [];
  const groups: Group[] = [];
  for (const field of written) {
    const last = groups.at(-1);
    if (field.flag !== null) {
      if (last?.flag.text === field.flag.text) last.fields.push(field);
      else groups.push({ flag: field.flag, fields: [field] });
    } else if (last === undefined) fixed.push(field);
    else {
      const message = `\`${field.name.text}\` is always there, but stands behind what may be missing`;
      const help = "fields with `if` come last, as their header's bits say";
      ctx.diagnostics.add(messages.badHeader(field.name.span, message, { help }));
    }
  }
  return { fixed, groups };
}

/** The part of `header` that a bit announces; null with a diagnostic where there is no such bit. */
export function makePart(
  ctx: Context,
  header: Header,
  { flag: written, fields: own }: Group,
  summed: boolean,
  all: Map<string, Field>,
): Header | null {
  const flag = fieldOf(ctx, header, written);
  if (flag === null) return null;
  // The other fields name the same bit, each at a place of its own.
  for (const { flag: again } of own.slice(1)) if (again !== null) fieldOf(ctx, header, again);
  if (flag.header !== header || flag.bitWidth !== 1) {
    const message = `\`${written.text}\` is not a bit that is always there`;
    ctx.diagnostics.add(messages.badHeader(written.span, message, { help: "declare it as `: 1` before these fields" }));
    return null;
  }
  const fields = new Map<string, Field>();
  const part = {
    name: `${header.alias ?? header.name}.${flag.name}`,
    alias: null,
    title: header.title,
    span: written.span,
    library: header.library,
    fields,
    fixedBytes: 0,
    size: null,
    next: null,
    edges: [{ parent: header, values: [], when: null, span: written.span }],
    innerEdges: [],
    outer: null,
    extension: false,
    parts: [],
    part: { of: header, flag },
    instances: [] as readonly Instance[],
    self: null as unknown as Instance,
  };
  part.instances = header.instances.map(({ index }) => ({ header: part, index }));
  part.self = { header: part, index: -1 };
  part.fixedBytes = layFields(ctx, part, own, summed, all);
  for (const field of all.values()) if (field.header === part) fields.set(field.name, field);
  return part;
}

/** The size of a header whose fields may be missing, from its bits. */
export function sizeWithParts(header: Header): Header["size"] {
  const { span } = header;
  const number = (value: number): HExpr => ({ kind: "const", value: BigInt(value), type: U32, span });
  const binary = (op: "+" | "*", a: HExpr, b: HExpr): HExpr => ({ kind: "binary", op, a, b, type: U32, span });
  const bits = header.parts.map(({ part, fixedBytes }): { bytes: number; bit: HExpr } => {
    const { flag } = must(part, "a part");
    const value: HExpr = { kind: "field", instance: header.self, field: flag, type: flag.type, span };
    return { bytes: fixedBytes, bit: { kind: "cast", value, type: U32, span } };
  });
  // Parts of one size are counted before they are multiplied.
  const sums = [...new Set(bits.map((b) => b.bytes))].map((bytes) => {
    const [first, ...rest] = bits.filter((b) => b.bytes === bytes).map((b) => b.bit);
    const count = rest.reduce((sum, bit) => binary("+", sum, bit), must(first, "a bit"));
    return binary("*", count, number(bytes));
  });
  const [first, ...rest] = sums;
  const variable = rest.reduce((sum, one) => binary("+", sum, one), must(first, "a part"));
  return { bytes: binary("+", variable, number(header.fixedBytes)), min: header.fixedBytes };
}
