// Types of what a rule does to a packet besides a verdict: redirects with their fallback, and log lines with their formats. Called by
// check-statement.ts.

import { must } from "../base/assert.ts";
import type { Span } from "../base/source.ts";
import type * as ast from "../parser/ast.ts";
import { checkValue, checkValueAs, typed } from "./check-value.ts";
import type { Context } from "./context.ts";
import { mapNamed } from "./declare.ts";
import type { GlobalSymbol, HExpr, HStmt, VerdictName } from "./hir.ts";
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
  if (!mayRedirect(ctx, span)) return [];
  if (target.kind === "device") {
    const ifindex = checkDevice(ctx, scope, target.name);
    noteDevice(ctx, span);
    return ifindex === null ? [] : [{ kind: "redirectDevice", ifindex, orElse, span }];
  }
  const map = mapNamed(
    ctx,
    target.map,
    ["target"],
    "a map of redirect targets",
    "declare it with `xskmap`, `devmap`, `devmap_hash` or `cpumap`",
  );
  if (map === null) return [];
  if (map.mapKind === "devmap" || map.mapKind === "devmap_hash") noteDevice(ctx, span);
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

/** Whether the program may redirect; false with a diagnostic: the kernel takes a redirect behind a redirect for an error. */
export function mayRedirect(ctx: Context, span: Span): boolean {
  if (ctx.attach !== "devmap") return true;
  const help = "it can `pass` and `drop`; everything else drops the packet";
  ctx.diagnostics.add(messages.badVerdict(span, "a devmap program can't redirect", help));
  return false;
}

/** Remembers where a program first sends packets out of another device, in a rule of the user's. */
export function noteDevice(ctx: Context, span: Span): void {
  // A function that nothing calls, and the library's, whose callers are told of themselves, send nothing.
  if (ctx.attach !== null && !span.file.path.startsWith("<std>/")) ctx.toDevice ??= span;
}

/** The index of a device: a number, or for a name a config value that a loader fills. */
function checkDevice(ctx: Context, scope: Scope, device: ast.Expr): HExpr | null {
  if (device.kind !== "string") {
    const index = checkValueAs(ctx, scope, device, U32);
    return index.kind === "error" ? null : index;
  }
  const { span } = device;
  const name = device.value;
  // **Source:** Linux net/core/dev.c, dev_valid_name.
  if (!/^[^\s/:]{1,15}$/.test(name) || name === "." || name === "..") {
    ctx.diagnostics.add(messages.badDevice(span, `no device can be called "${name}"`));
    return null;
  }
  const config = `ifindex_${name.replace(/[^A-Za-z0-9_]/g, "_")}`;
  const known = ctx.devices.get(config);
  const taken = ctx.names.get(config);
  if (taken !== undefined || (known !== undefined && known.device !== name)) {
    ctx.diagnostics.add(
      messages.badDevice(span, `the index of "${name}" would be called \`${config}\`, as something else is`),
    );
    return null;
  }
  const symbol: GlobalSymbol = known ?? {
    kind: "global",
    name: config,
    type: U32,
    section: ".rodata",
    value: 0n,
    device: name,
    span,
  };
  ctx.devices.set(config, symbol);
  return { kind: "place", place: { kind: "global", symbol, type: U32 }, type: U32, span };
}

/** Types a `flood`: its map must be one of devices. */
export function checkFlood(ctx: Context, statement: ast.Stmt & { kind: "flood" }): readonly HStmt[] {
  const { span } = statement;
  if (!mayRedirect(ctx, span)) return [];
  const map = mapNamed(ctx, statement.map, ["target"], "a map of devices", "declare it with `devmap` or `devmap_hash`");
  if (map === null) return [];
  if (map.mapKind !== "devmap" && map.mapKind !== "devmap_hash") {
    ctx.diagnostics.add(
      messages.badMap(
        statement.map.span,
        `packets can't be flooded to \`${map.name}\`, which is a map of kind ${map.mapKind}`,
        {
          help: "declare it with `devmap` or `devmap_hash`",
        },
      ),
    );
    return [];
  }
  if (statement.orElse !== null) {
    ctx.diagnostics.add(
      messages.badVerdict(
        statement.orElse.span,
        "`flood` has no fallback",
        "the kernel sends what it can and never says that there was no device",
      ),
    );
    return [];
  }
  noteDevice(ctx, span);
  return [{ kind: "flood", map, span }];
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
