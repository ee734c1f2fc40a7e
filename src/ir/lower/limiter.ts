// Limiters: a token bucket for each key as one time, up to which the packets that were let through have used it (see ../limiter.ts).
// Packets add their interval atomically, so none is forgotten; two CPUs that look at the same moment may both let one through, and
// where the bucket has been idle, one of two such packets may go uncounted.

import { must } from "../../base/assert.ts";
import type { HCond } from "../hir.ts";
import type { BlockId } from "../ir.ts";
import { LIMITER_SHIFT } from "../limiter.ts";
import { edge } from "./edge.ts";
import type { Lowering } from "./lowering.ts";
import { onStack } from "./map-access.ts";

/** Goes to `yes` where the packet is one too many; else counts it and goes to `no`. */
export function exceeds(l: Lowering, condition: HCond & { kind: "exceeds" }, yes: BlockId, no: BlockId): void {
  const { builder } = l;
  const { map } = condition;
  const limit = must(map.limit, "a limiter's numbers");
  const interval = builder.constant("i64", limit.interval);
  const key = onStack(l, condition.key);
  const shift = builder.constant("i64", LIMITER_SHIFT);
  const now = builder.binary("shl", "i64", builder.call("ktime_get_ns", []), shift);
  const pointer = builder.call("map_lookup_elem", [builder.map(map.name), key]);
  const [found, fresh, idle, busy, fits] = [l.block(), l.block(), l.block(), l.block(), l.block()];
  builder.nullGuard(pointer, edge(found), edge(fresh));
  l.goOn(found);
  const used = builder.load("shared", 8, pointer, 0);
  builder.branch("ule", "i64", used, now, edge(idle), edge(busy));
  l.goOn(busy);
  const ahead = builder.binary("sub", "i64", used, now);
  builder.branch("ugt", "i64", ahead, builder.constant("i64", limit.tolerance), edge(yes), edge(fits));
  l.goOn(fits);
  builder.atomicAdd(8, pointer, 0, interval);
  builder.jump(no);
  l.goOn(idle);
  builder.store("shared", 8, pointer, 0, builder.binary("add", "i64", now, interval));
  builder.jump(no);
  l.goOn(fresh);
  const value = builder.slot(builder.newSlot(8, 8));
  builder.store("stack", 8, value, 0, builder.binary("add", "i64", now, interval));
  builder.call("map_update_elem", [builder.map(map.name), key, value, builder.constant("i64", 0)]);
  builder.jump(no);
}
