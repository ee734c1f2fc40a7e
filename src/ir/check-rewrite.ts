// Types of what changes the packet's head and end: headers pushed and popped behind the one that begins the packet, trimming. Called
// by check-statement.ts.

import type * as ast from "../parser/ast.ts";
import { edgeTo, linksOf } from "./check-tunnel.ts";
import { checkValue, checkValueAs, typed } from "./check-value.ts";
import type { Context } from "./context.ts";
import { convert, maxOf } from "./conversion.ts";
import { everyEdge } from "./header-link.ts";
import { headerAt } from "./header-lookup.ts";
import type { Field, Header, HStmt, Instance } from "./hir.ts";
import { innerOf } from "./inner.ts";
import * as messages from "./messages.ts";
import type { Scope } from "./scope.ts";
import { U32 } from "./types.ts";

/** Types `push HEADER value`: the value is that of the header's widest field besides the one that tells what follows. */
export function checkPush(ctx: Context, scope: Scope, statement: ast.Stmt & { kind: "push" }): readonly HStmt[] {
  const { span } = statement;
  const found = behindStart(ctx, statement.header, "pushed");
  const value = typed(ctx, checkValue(ctx, scope, statement.value));
  if (found === null || value.kind === "error") return [];
  const field = widestField(found.instance.header);
  if (field === null) {
    ctx.diagnostics.add(
      messages.cantPush(statement.header.span, statement.header.text, "pushed", "it has no field for a value"),
    );
    return [];
  }
  const most = (1n << BigInt(field.bitWidth)) - 1n;
  if (value.type.kind !== "bool" && maxOf(value) > most) {
    const known = value.kind === "const" ? value.value : null;
    ctx.diagnostics.add(messages.doesNotFitField(statement.value.span, known, field.name, field.bitWidth));
    return [];
  }
  const converted = convert(ctx, value, field.type);
  if (converted.kind === "error") return [];
  const { instance, links, announces, told } = found;
  const repeats = told === null ? null : { values: told.values, self: told.self, other: told.other };
  return [{ kind: "push", instance, links, announces, field, value: converted, repeats, span }];
}

/** Types `pop HEADER`. */
export function checkPop(ctx: Context, statement: ast.Stmt & { kind: "pop" }): readonly HStmt[] {
  const found = behindStart(ctx, statement.header, "popped");
  if (found === null) return [];
  const { instance, links, told } = found;
  const carried = told === null ? null : { self: told.self, followers: followersOf(ctx, instance, links) };
  return [{ kind: "pop", instance, links, carried, span: statement.span }];
}

/** Types `trim N`. */
export function checkTrim(ctx: Context, scope: Scope, statement: ast.Stmt & { kind: "trim" }): readonly HStmt[] {
  const bytes = checkValueAs(ctx, scope, statement.bytes, U32);
  return bytes.kind === "error" ? [] : [{ kind: "trim", bytes, span: statement.span }];
}

/** Where a header is pushed and popped, and how its selector tells what the link headers' told: null, the same way. */
interface Place {
  readonly instance: Instance;
  readonly links: readonly Instance[];
  readonly announces: bigint;
  readonly told: { readonly values: readonly bigint[]; readonly self: bigint; readonly other: bigint } | null;
}

/** The place of a header's first of a kind behind what begins the packet and its tags; null with a diagnostic. */
function behindStart(ctx: Context, name: ast.Name, done: "pushed" | "popped"): Place | null {
  const header = headerAt(ctx, name);
  const refuse = (why: string): null => {
    ctx.diagnostics.add(messages.cantPush(name.span, name.text, done, why));
    return null;
  };
  if (header === null) return refuse("it isn't a header");
  const edge = header.edges.find((e) => e.parent.edges.length === 0);
  const instance = header.instances[0];
  const root = edge?.parent;
  if (edge === undefined || instance === undefined || root === undefined)
    return refuse("it never stands right behind what begins the packet");
  const row = linksOf(header);
  if (row === null) return refuse(`\`${root.name}\` doesn't have one size and one field that tells what follows`);
  if (header.size !== null) return refuse("its size varies");
  const selector = header.next?.fields[0];
  if (selector === undefined || header.next?.fields.length !== 1)
    return refuse("it has no field that tells what follows");
  const { links, announces } = row;
  if (selector.bitWidth === root.next?.fields[0]?.bitWidth) return { instance, links, announces, told: null };
  const self = edgeTo(header, header.edges)?.values[0];
  const others = [...ctx.headers.values()].filter((h) => h !== header).flatMap(everyEdge);
  const [other, ...more] = new Set(others.filter((e) => e.parent === header).flatMap((e) => e.values));
  if (self === undefined || other === undefined || more.length > 0)
    return refuse(`its \`${selector.name}\` tells what follows in another way than \`${root.name}\` does`);
  return { instance, links, announces, told: { values: edge.values, self, other } };
}

/** The headers that may follow a popped one, and what announces each behind the link headers. */
function followersOf(
  ctx: Context,
  { header }: Instance,
  [root]: readonly Instance[],
): readonly { readonly instance: Instance; readonly announces: bigint }[] {
  return [...ctx.headers.values()].flatMap((follower) => {
    const announces = root === undefined ? undefined : edgeTo(root.header, follower.edges)?.values[0];
    const isInner = follower.innerEdges.some((e) => e.parent === header);
    const here = isInner ? innerOf(ctx, follower) : follower.edges.some((e) => e.parent === header) ? follower : null;
    const instance = follower === header ? undefined : here?.instances[0];
    return announces === undefined || instance === undefined ? [] : [{ instance, announces }];
  });
}

function widestField(header: Header): Field | null {
  const selector = header.next?.fields[0];
  const numbers = [...header.fields.values()].filter(
    (f) => f !== selector && f.covers === null && f.type.kind === "int",
  );
  return numbers.reduce<Field | null>(
    (widest, f) => (widest === null || f.bitWidth > widest.bitWidth ? f : widest),
    null,
  );
}
