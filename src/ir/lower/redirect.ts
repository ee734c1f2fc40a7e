// Ends of a program: verdicts, and redirects to entries of maps, to devices, to all devices of a map. Every redirect has its
// fallback: an entry that is empty never decides more than the policy allows.

import type { HStmt, VerdictName } from "../hir.ts";
import { lowerNumber } from "./evaluate.ts";
import type { Lowering } from "./lowering.ts";

/**
 * To every device of the map but the one the packet came in by.
 *
 * **Source:** Linux include/uapi/linux/bpf.h, BPF_F_BROADCAST and BPF_F_EXCLUDE_INGRESS.
 */
const FLOOD_FLAGS = (1 << 3) | (1 << 4);

/** Ends the program with a verdict. */
export function returnVerdict(l: Lowering, verdict: VerdictName): void {
  l.builder.ret(l.i32(l.verdict(verdict)));
}

/** Ends it with a redirect to an entry of a map. */
export function redirect(l: Lowering, statement: HStmt & { kind: "redirect" }): void {
  const { builder } = l;
  const key = statement.key === null ? builder.ctxLoad("rx_queue_index") : lowerNumber(l, statement.key);
  // The helper returns the verdict in its flags' low bits when the entry is empty.
  const fallback = builder.constant("i64", l.verdict(statement.orElse ?? l.program.default));
  builder.ret(builder.call("redirect_map", [builder.map(statement.map.name), l.resize(key, "i64"), fallback]));
}

/** Ends it with a redirect to the device of that index; none has index 0. */
export function redirectDevice(l: Lowering, statement: HStmt & { kind: "redirectDevice" }): void {
  const { builder } = l;
  const ifindex = lowerNumber(l, statement.ifindex);
  const [known, unknown] = [l.block(), l.block()];
  builder.branch("ne", "i32", ifindex, l.i32(0), { target: known, args: [] }, { target: unknown, args: [] });
  l.goOn(unknown);
  returnVerdict(l, statement.orElse ?? l.program.default);
  l.goOn(known);
  builder.ret(builder.call("redirect", [l.resize(ifindex, "i64"), builder.constant("i64", 0)]));
}

/** Ends it with a copy to every device of a map but the one the packet came in by. */
export function flood(l: Lowering, statement: HStmt & { kind: "flood" }): void {
  const { builder } = l;
  const [none, flags] = [builder.constant("i64", 0), builder.constant("i64", FLOOD_FLAGS)];
  builder.ret(builder.call("redirect_map", [builder.map(statement.map.name), none, flags]));
}
