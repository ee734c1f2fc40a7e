// Types of what a rule does to a packet besides a verdict: redirects with their fallback, and log lines with their formats. Called by
// check-statement.ts.

import { must } from "../base/assert.ts";
import type * as ast from "../parser/ast.ts";
import { checkValue, checkValueAs, typed } from "./check-value.ts";
import type { Context } from "./context.ts";
import { mapNamed } from "./declare.ts";
import type { HStmt, VerdictName } from "./hir.ts";
import { accepts, conversionFor, parseFormat } from "./log-format.ts";
import * as messages from "./messages.ts";
import type { Scope } from "./scope.ts";
import { typeName, U32 } from "./types.ts";

/** Arguments that trace_vprintk takes. **Source:** Linux include/linux/bpf.h, MAX_BPRINTF_VARARGS. */
const MOST_LOG_ARGS = 12;
/** More values than these go to the kernel in an array, which holds numbers, not pointers to addresses. */
const MOST_DIRECT = 3;

/** Types a redirect. */
export function checkRedirect(ctx: Context, scope: Scope, statement: ast.RedirectStmt): readonly HStmt[] {
  const { span, target } = statement;
  const orElse: VerdictName | null = statement.orElse?.verdict ?? null;
  if (target.kind === "device") {
    ctx.diagnostics.add(messages.notSupportedYet(span, "redirectDevice", "use a devmap of one entry"));
    return [];
  }
  if (ctx.attach === "devmap") {
    ctx.diagnostics.add(
      messages.badVerdict(
        span,
        "a devmap program can't redirect",
        "it can `pass` and `drop`; everything else drops the packet",
      ),
    );
    return [];
  }
  const map = mapNamed(
    ctx,
    target.map,
    "target",
    "a map of redirect targets",
    "declare it with `xskmap`, `devmap`, `devmap_hash` or `cpumap`",
  );
  if (map === null) return [];
  if (target.key === null) {
    if (map.mapKind === "xskmap") return [{ kind: "redirect", map, key: null, orElse, span }];
    ctx.diagnostics.add(
      messages.badMap(target.map.span, `to which entry of \`${map.name}\`?`, {
        help: `write \`redirect ${map.name}[key]\``,
      }),
    );
    return [];
  }
  const key = checkValueAs(ctx, scope, target.key, U32);
  return key.kind === "error" ? [] : [{ kind: "redirect", map, key, orElse, span }];
}

/** Types a log line: its format's conversions against its values. */
export function checkLog(ctx: Context, scope: Scope, statement: ast.Stmt & { kind: "log" }): readonly HStmt[] {
  const { format, span } = statement;
  const parsed = parseFormat(format.value);
  const args = statement.args.map((a) => typed(ctx, checkValue(ctx, scope, a)));
  if ("error" in parsed) {
    ctx.diagnostics.add(
      messages.badFormat(
        format.span,
        parsed.error,
        "numbers print with %u, %d, %x (64 bits: %llu), addresses with %pI4, %pI6c; a percent sign is %%",
      ),
    );
    return [];
  }
  if (format.value.includes("\0")) {
    ctx.diagnostics.add(messages.badFormat(format.span, "a format can't hold a zero byte"));
    return [];
  }
  if (args.some((a) => a.kind === "error")) return [];
  if (parsed.conversions.length !== args.length || args.length > MOST_LOG_ARGS) {
    ctx.diagnostics.add(
      messages.wrongCount(
        format.span,
        "this format",
        `${parsed.conversions.length} value${parsed.conversions.length === 1 ? "" : "s"} (at most ${MOST_LOG_ARGS})`,
        args.length,
      ),
    );
    return [];
  }
  for (const [i, conversion] of parsed.conversions.entries()) {
    const arg = must(args[i], "an argument");
    if (args.length > MOST_DIRECT && conversion.takes.kind !== "number") {
      ctx.diagnostics.add(
        messages.badFormat(
          arg.span,
          `an address prints only in a log of up to ${MOST_DIRECT} values, this one has ${args.length}`,
          "make two logs of it",
        ),
      );
      return [];
    }
    if (accepts(conversion, arg.type)) continue;
    const better = conversionFor(arg.type);
    ctx.diagnostics.add(
      messages.badFormat(
        arg.span,
        `\`${conversion.text}\` can't print a ${typeName(arg.type)}`,
        `write \`${better}\` in the format`,
      ),
    );
    return [];
  }
  return [{ kind: "log", format: format.value, args, span }];
}
