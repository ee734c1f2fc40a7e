// Queues, stacks and bloom filters: values put in, taken out as copies on the stack, asked for.

import { must } from "../../base/assert.ts";
import type { HExpr, HStmt, MapSymbol } from "../hir.ts";
import type { BlockId, ValueId } from "../ir.ts";
import { layoutOf } from "../layout.ts";
import { edge } from "./edge.ts";
import { readMemory } from "./evaluate.ts";
import type { Lowering } from "./lowering.ts";
import { onStack, orVerdict } from "./map-access.ts";

/** Puts a value in. */
export function put(l: Lowering, statement: HStmt & { kind: "put" }): void {
  const { builder } = l;
  const address = onStack(l, statement.value);
  const handle = builder.map(statement.map.name);
  orVerdict(l, builder.call("map_push_elem", [handle, address, builder.constant("i64", 0)]), statement.orElse);
}

/** Takes or looks at the next value: goes to `found`, where the name is bound to it, or to `empty`. */
export function take(l: Lowering, statement: HStmt & { kind: "ifTake" }, found: BlockId, empty: BlockId): void {
  const { builder } = l;
  const type = must(statement.map.value, "a value's type");
  const address = builder.slot(builder.newSlot(layoutOf(type).bytes, 8));
  const helper = statement.remove ? "map_pop_elem" : "map_peek_elem";
  const status = builder.call(helper, [builder.map(statement.map.name), address]);
  const got = l.block();
  builder.branch("eq", "i64", status, builder.constant("i64", 0), edge(got), edge(empty));
  l.goOn(got);
  l.locals.set(statement.local, readMemory(l, "stack", address, 0, type));
  builder.jump(found);
}

/** Whether a bloom filter may hold a value: 0 where it may. */
export function askFilter(l: Lowering, map: MapSymbol, value: HExpr): ValueId {
  return l.builder.call("map_peek_elem", [l.builder.map(map.name), onStack(l, value)]);
}
