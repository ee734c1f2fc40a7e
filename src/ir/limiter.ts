// Limiters: from `1000/s burst 200` to the numbers of a token bucket, which is kept as one: the time up to which the packets that were
// let through have used it. A packet uses it for one interval more; it goes through where that time isn't further ahead of now than the
// burst allows. So nothing is lost by rounding, however often or seldom packets come, and the long idle bucket is simply behind now.

import type * as ast from "../parser/ast.ts";
import { checkConstant } from "./check-value.ts";
import type { Context } from "./context.ts";
import * as messages from "./messages.ts";
import { Scope } from "./scope.ts";
import { type Type, U64 } from "./types.ts";

/** Times are in sixteenths of a nanosecond: the interval of 100 million a second is off by less than 1 %. */
export const LIMITER_SHIFT = 4;

/** What a limiter's map keeps for a key. */
export const LIMITER_VALUE: Type = {
  kind: "struct",
  name: "xdpc_limiter",
  fields: [{ name: "used_until_ns16", type: U64 }],
};

/** A limiter's numbers, in sixteenths of a nanosecond. */
export interface Limit {
  /** The time that each packet uses. */
  readonly interval: bigint;
  /** How far ahead of now the used time may be for one more packet: the burst's other packets. */
  readonly tolerance: bigint;
}

const UNITS: Readonly<Partial<Record<string, bigint>>> = {
  us: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  min: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
const MOST_PER_SECOND = 100_000_000n;
/** Beside a time of 2^57 (a century of up-time would be 2^66 sixteenths) sums stay far below 2^64. */
const MOST_TOLERANCE = 1n << 60n;
/** Without `burst`: what comes in 10 ms. */
const BURST_TIME = 10_000_000n;

/** The numbers of a limiter's declaration; null with a diagnostic. */
export function limitOf(ctx: Context, decl: ast.LimiterDecl): Limit | null {
  const unit = UNITS[decl.per.text];
  if (unit === undefined) {
    const known = Object.keys(UNITS).join(", ");
    ctx.diagnostics.add(
      messages.badMap(decl.per.span, `\`${decl.per.text}\` is no unit of time`, {
        help: `write one of ${known}: \`1000/s\``,
      }),
    );
    return null;
  }
  const rate = checkConstant(ctx, Scope.global, decl.rate, "a limiter's rate");
  const burst = decl.burst === null ? undefined : checkConstant(ctx, Scope.global, decl.burst, "a limiter's burst");
  if (rate === null || burst === null) return null;
  if (rate.value < 1n || rate.value * 1_000_000_000n > MOST_PER_SECOND * unit) {
    ctx.diagnostics.add(
      messages.badSize(decl.rate.span, `a limiter lets 1 to ${MOST_PER_SECOND} packets a second through`),
    );
    return null;
  }
  const sixteenths = unit << BigInt(LIMITER_SHIFT);
  const interval = (sixteenths + rate.value / 2n) / rate.value;
  const usual = (BURST_TIME * rate.value) / unit;
  const packets = burst?.value ?? (usual > 0n ? usual : 1n);
  const tolerance = (packets - 1n) * interval;
  if (packets >= 1n && tolerance <= MOST_TOLERANCE) return { interval, tolerance };
  ctx.diagnostics.add(
    messages.badSize(
      decl.burst?.span ?? decl.span,
      packets < 1n ? "a burst is at least one packet" : "so large a burst would take more than two years to use up",
    ),
  );
  return null;
}
