// Types of the network a test describes for `forward` and `fib_lookup`: `device[3] = MAC`, `route[PREFIX] = 3`, `neighbour[ADDRESS] =
// (3, MAC)`. Addresses become texts, as whoever looks routes up wants them. Called by check-test.ts.

import type { Span } from "../base/source.ts";
import type * as ast from "../parser/ast.ts";
import { checkConstant } from "./check-value.ts";
import { addressText } from "./constant-set.ts";
import type { Context } from "./context.ts";
import type { HNetworkStep } from "./hir-test.ts";
import { badFill } from "./messages-test.ts";
import { Scope } from "./scope.ts";

const WORDS = ["device", "route", "neighbour"] as const;
type Word = (typeof WORDS)[number];

const HELP: Readonly<Record<Word, string>> = {
  device: "write `device[3] = 02:00:00:00:00:03` or `device[3] = (02:00:00:00:00:03, 10.0.3.1/24)`",
  route: "write `route[10.0.9.0/24] = 3` (its device) or `route[0.0.0.0/0] = (3, 10.0.3.254)` (device and next hop)",
  neighbour: "write `neighbour[10.0.3.7] = (3, 02:00:00:00:00:07)`: its device and MAC address",
};

/** Whether a step describes the network: one of the three words, indexed, where nothing of the user's has that name. */
export function isNetworkStep(ctx: Context, target: ast.Expr): boolean {
  return wordOf(ctx, target) !== null;
}

function wordOf(ctx: Context, target: ast.Expr): Word | null {
  if (target.kind !== "index" || target.object.kind !== "name") return null;
  const { text } = target.object.name;
  return ctx.names.has(text) ? null : (WORDS.find((w) => w === text) ?? null);
}

/** Types such a step; null after a fault. */
export function checkNetworkStep(
  ctx: Context,
  step: { readonly target: ast.Expr; readonly value: ast.Expr; readonly span: Span },
): HNetworkStep | null {
  const { target, value, span } = step;
  const word = wordOf(ctx, target);
  if (word === null || target.kind !== "index") return null;
  const parts = value.kind === "tuple" ? value.elements : [value];
  const made = { device, route, neighbour }[word](ctx, target.index, parts);
  if (made === null) ctx.diagnostics.add(badFill(span, `this describes no ${word}`, HELP[word]));
  return made === null ? null : { kind: "network", part: made, span };
}

function device(ctx: Context, key: ast.Expr, parts: readonly ast.Expr[]): HNetworkStep["part"] | null {
  const ifindex = indexOf(ctx, key);
  const [mac, ...rest] = parts;
  const addresses = rest.map(prefixText);
  if (ifindex === null || mac?.kind !== "address" || mac.type !== "mac" || addresses.includes(null)) return null;
  return { kind: "device", ifindex, mac: macText(mac.value), addresses: addresses.filter((a) => a !== null) };
}

function route(ctx: Context, key: ast.Expr, parts: readonly ast.Expr[]): HNetworkStep["part"] | null {
  const to = prefixText(key);
  const [out, via, ...more] = parts;
  const ifindex = out === undefined ? null : indexOf(ctx, out);
  const hop = via === undefined ? undefined : ipText(via);
  if (to === null || ifindex === null || hop === null || more.length > 0) return null;
  return { kind: "route", to, ifindex, ...(hop === undefined ? {} : { via: hop }) };
}

function neighbour(ctx: Context, key: ast.Expr, parts: readonly ast.Expr[]): HNetworkStep["part"] | null {
  const address = ipText(key);
  const [out, mac, ...more] = parts;
  const ifindex = out === undefined ? null : indexOf(ctx, out);
  if (address === null || ifindex === null || more.length > 0) return null;
  return mac?.kind === "address" && mac.type === "mac"
    ? { kind: "neighbour", address, ifindex, mac: macText(mac.value) }
    : null;
}

/** A device's number, 1 to 2^31 - 1. */
function indexOf(ctx: Context, expr: ast.Expr): number | null {
  if (expr.kind !== "number" && expr.kind !== "name") return null;
  const value = checkConstant(ctx, Scope.global, expr, "a device's number")?.value ?? 0n;
  return value >= 1n && value < 1n << 31n ? Number(value) : null;
}

function prefixText(expr: ast.Expr): string | null {
  return expr.kind === "prefix" ? `${addressText(expr.value, expr.type)}/${expr.length}` : null;
}

function ipText(expr: ast.Expr): string | null {
  return expr.kind === "address" && expr.type !== "mac" ? addressText(expr.value, expr.type) : null;
}

function macText(value: bigint): string {
  return (value.toString(16).padStart(12, "0").match(/../g) ?? []).join(":");
}
