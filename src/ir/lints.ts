// Lints: what is no fault of the language but seldom what was meant. Looks at a whole typed program; gives warnings only.

import type { Context } from "./context.ts";
import { visitCondition } from "./header-graph.ts";
import { type HCond, type HProgram, type HStmt, instanceName } from "./hir.ts";
import { lintShadowed } from "./lint-shadow.ts";
import { type ParsePlan, TRANSPORT_LAYER } from "./lower/parse-plan.ts";
import * as messages from "./messages.ts";

/** Looks a program over; warnings go to ctx.diagnostics. */
export function lintProgram(ctx: Context, program: HProgram, plan: ParsePlan): void {
  lintShadowed(ctx, program);
  const last = program.body.at(-1);
  const closed = program.default !== "pass" || (last?.kind === "verdict" && last.verdict !== "pass");
  if (closed || plan.usesOpaque) return;
  for (const statement of program.body) {
    if (statement.kind !== "if" || !statement.then.some(isDrop)) continue;
    const header = transportIn(statement.condition, plan);
    if (header === null) continue;
    ctx.diagnostics.add(messages.letsFragmentsBy(statement.condition.span, header));
    return;
  }
}

function isDrop(statement: HStmt): boolean {
  return statement.kind === "verdict" && statement.verdict === "drop";
}

/** The first header of the transport layer that a condition reads, by name; null for none. */
function transportIn(condition: HCond, plan: ParsePlan): string | null {
  let found: string | null = null;
  visitCondition(condition, {
    field: (instance) => {
      // What a tunnel carries isn't what `opaque` asks about.
      if (instance.header.outer === null && plan.stageOf.get(instance)?.layer === TRANSPORT_LAYER)
        found ??= instanceName(instance);
    },
  });
  return found;
}
