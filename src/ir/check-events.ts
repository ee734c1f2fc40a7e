// Types of what sends events to user space, and of `tail`, which goes on in another program. Called by check-statement.ts.

import type * as ast from "../parser/ast.ts";
import { checkConstant, checkValue, checkValueAs, typed } from "./check-value.ts";
import type { Context } from "./context.ts";
import { mapNamed } from "./declare.ts";
import type { HStmt, MapSymbol } from "./hir.ts";
import { lostOffset } from "./lost.ts";
import * as messages from "./messages.ts";
import { unlikePrograms } from "./messages-loading.ts";
import { MOST_SAMPLED } from "./sample.ts";
import type { Scope } from "./scope.ts";
import { U32 } from "./types.ts";

/** Types `emit events Event { … }`. */
export function checkEmit(ctx: Context, scope: Scope, statement: ast.Stmt & { kind: "emit" }): readonly HStmt[] {
  const map = bufferNamed(ctx, statement.map);
  const value = typed(ctx, checkValue(ctx, scope, statement.value));
  if (map === null || value.kind === "error") return [];
  const { orElse, span } = statement;
  return [{ kind: "emit", map, lostAt: lostOffset(ctx, map), value, orElse: orElse?.verdict ?? null, span }];
}

/** Types `sample events max 96`. */
export function checkSample(ctx: Context, scope: Scope, statement: ast.Stmt & { kind: "sample" }): readonly HStmt[] {
  const { span, max } = statement;
  const map = bufferNamed(ctx, statement.map);
  const most = max === null ? undefined : checkConstant(ctx, scope, max, "the size of a sample");
  if (map === null || most === null) return [];
  const bytes = most?.value ?? BigInt(MOST_SAMPLED);
  if (bytes < 1n || bytes > BigInt(MOST_SAMPLED)) {
    ctx.diagnostics.add(messages.badSize(max?.span ?? span, `a sample has 1 to ${MOST_SAMPLED} bytes of the packet`));
    return [];
  }
  if (map.mapKind === "ringbuf") ctx.sampledBytes = Math.max(ctx.sampledBytes, Number(bytes));
  const orElse = statement.orElse?.verdict ?? null;
  return [{ kind: "sample", map, lostAt: lostOffset(ctx, map), most: Number(bytes), orElse, span }];
}

function bufferNamed(ctx: Context, name: ast.Name): MapSymbol | null {
  return mapNamed(ctx, name, ["events"], "a buffer of events", "declare it: `ringbuf events[256K]` or `perf events`");
}

/** Types `tail stages[2] or drop`. */
export function checkTail(ctx: Context, scope: Scope, statement: ast.Stmt & { kind: "tail" }): readonly HStmt[] {
  const { span } = statement;
  const help = "declare it: `prog_array stages[8]`";
  const map = mapNamed(ctx, statement.map, ["programs"], "a map of programs", help);
  const index = checkValueAs(ctx, scope, statement.index, U32);
  if (map === null || index.kind === "error") return [];
  if (index.kind === "const" && index.value >= BigInt(map.maxEntries)) {
    const entries = `\`${map.name}\` has ${map.maxEntries} entries: 0 to ${map.maxEntries - 1}`;
    ctx.diagnostics.add(messages.badMap(statement.index.span, entries));
    return [];
  }
  if (ctx.attach !== null && !fitsOthers(ctx, map)) {
    ctx.diagnostics.add(unlikePrograms(statement.map.span, map.name));
    return [];
  }
  return [{ kind: "tail", map, index, orElse: statement.orElse?.verdict ?? null, span }];
}

/** Whether the program is like all others that use the map of programs: the kernel refuses to load it else. */
function fitsOthers(ctx: Context, map: MapSymbol): boolean {
  const { attach, frags } = ctx;
  const first = ctx.tails.get(map) ?? { attach, frags };
  ctx.tails.set(map, first);
  return first.attach === attach && first.frags === frags;
}
