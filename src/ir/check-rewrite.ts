// Types of what changes the packet's head and end: headers pushed and popped behind the one that begins the packet, trimming. Called
// by check-statement.ts.

import type * as ast from "../parser/ast.ts";
import { checkValue, checkValueAs, typed } from "./check-value.ts";
import type { Context } from "./context.ts";
import { convert, maxOf } from "./conversion.ts";
import { headerAt } from "./header-lookup.ts";
import type { Field, Header, HeaderEdge, HStmt, Instance } from "./hir.ts";
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
  const announces = found.edge.values[0];
  if (field === null || announces === undefined) {
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
  return [{ kind: "push", instance: found.instance, parent: found.parent, announces, field, value: converted, span }];
}

/** Types `pop HEADER`. */
export function checkPop(ctx: Context, statement: ast.Stmt & { kind: "pop" }): readonly HStmt[] {
  const found = behindStart(ctx, statement.header, "popped");
  return found === null ? [] : [{ kind: "pop", instance: found.instance, parent: found.parent, span: statement.span }];
}

/** Types `trim N`. */
export function checkTrim(ctx: Context, scope: Scope, statement: ast.Stmt & { kind: "trim" }): readonly HStmt[] {
  const bytes = checkValueAs(ctx, scope, statement.bytes, U32);
  return bytes.kind === "error" ? [] : [{ kind: "trim", bytes, span: statement.span }];
}

/** The first of a header's kind and what begins the packet right before it; null with a diagnostic. */
function behindStart(
  ctx: Context,
  name: ast.Name,
  done: "pushed" | "popped",
): { readonly instance: Instance; readonly parent: Instance; readonly edge: HeaderEdge } | null {
  const header = headerAt(ctx, name);
  const refuse = (why: string): null => {
    ctx.diagnostics.add(messages.cantPush(name.span, name.text, done, why));
    return null;
  };
  if (header === null) return refuse("it isn't a header");
  const edge = header.edges.find((e) => e.parent.edges.length === 0);
  const instance = header.instances[0];
  const parent = edge?.parent.instances[0];
  if (edge === undefined || instance === undefined || parent === undefined)
    return refuse("it never stands right behind what begins the packet");
  if (parent.header.size !== null || parent.header.next?.fields.length !== 1)
    return refuse(`\`${parent.header.name}\` doesn't have one size and one field that tells what follows`);
  if (header.size !== null) return refuse("its size varies");
  if (header.next?.fields.length !== 1) return refuse("it has no field that tells what follows");
  return { instance, parent, edge };
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
