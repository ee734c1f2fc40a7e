// What happens to pointers into the packet when the packet changes: all of them are gone. Called after helpers that change it
// and calls of global functions that may. Accesses to the packet are packet-access.ts.
// Source: Linux kernel/bpf/verifier.c (clear_all_pkt_pointers, 6.18).

import type { Env } from "./env.ts";
import { invalidatePointers } from "./stack-objects.ts";
import { pointerFlag } from "./state.ts";

/** Makes every pointer to the packet, its end, its metadata and slices of it a number of which nothing is known. */
export function clearPacketPointers(env: Env): void {
  invalidatePointers(
    env.state,
    { slot: env.slot, why: "packetChanged" },
    ({ kind, flags }) =>
      kind === "packet" ||
      kind === "packetEnd" ||
      kind === "packetMeta" ||
      (kind === "memory" && (flags & pointerFlag.packetSlice) !== 0),
  );
}
