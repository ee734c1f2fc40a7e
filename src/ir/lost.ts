// Events that were lost, because a buffer was full or nobody read it: counted for each buffer in a map of the compiler's own, one entry
// with a number for each buffer by its name. A ring buffer tells nobody; perf tells its reader, and is counted all the same.

import type { Span } from "../base/source.ts";
import type { Context } from "./context.ts";
import type { MapSymbol } from "./hir.ts";
import * as messages from "./messages.ts";
import { type Type, U32, U64 } from "./types.ts";

/** The map of these numbers: one entry, for each CPU. */
export const LOST_MAP = "events_lost";
const NUMBER_BYTES = 8;

/** Where a buffer's number lies in the map's value, in bytes: the buffers stand in the order in which rules first use them. */
export function lostOffset(ctx: Context, buffer: MapSymbol): number {
  // A function that nothing calls sends nothing.
  if (ctx.attach === null) return 0;
  const known = ctx.eventBuffers.indexOf(buffer);
  return (known < 0 ? ctx.eventBuffers.push(buffer) - 1 : known) * NUMBER_BYTES;
}

/** That map; null where no rule sends an event, or, with a diagnostic, where something else has its name. */
export function lostMap(ctx: Context, span: Span): MapSymbol | null {
  if (ctx.eventBuffers.length === 0) return null;
  const taken = ctx.names.get(LOST_MAP);
  if (taken !== undefined) {
    const message = `\`${LOST_MAP}\` is the map that counts lost events`;
    ctx.diagnostics.add(messages.badMap(taken.name.span, message, { help: "give this another name" }));
    return null;
  }
  const fields = ctx.eventBuffers.map(({ name }) => ({ name, type: U64 }));
  const value: Type = { kind: "struct", name: "xdpc_lost", fields };
  const shape = { mapKind: "percpu_array", role: "map", key: U32, value, maxEntries: 1, flags: 0 } as const;
  return { kind: "map", name: LOST_MAP, ...shape, pinned: false, span };
}
