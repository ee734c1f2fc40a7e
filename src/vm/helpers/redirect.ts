// The helpers that choose where a packet goes (redirect, redirect_map) and what runs next (tail_call). They only note it: the
// verdict decides whether it counts.
// Source: Linux net/core/filter.c, bpf_xdp_redirect, bpf_xdp_redirect_map; include/linux/filter.h, __bpf_xdp_redirect_map;
// kernel/bpf/core.c (JMP_TAIL_CALL).

import { verdicts } from "../../bpf/verdicts.ts";
import type { HelperEnvironment } from "../helper-call.ts";
import { argIsNull, argU32, argU64, giveNumber } from "../helper-call.ts";
import { ProgramArrayMap } from "../maps/handle-maps.ts";
import { DeviceMap, RedirectMap } from "../maps/redirect-maps.ts";
import { argNumber, mapFor } from "./maps.ts";

/** Flags of redirect_map beyond the fallback verdict. **Source:** Linux include/uapi/linux/bpf.h. */
export const redirectFlags = { broadcast: 1 << 3, excludeIngress: 1 << 4 } as const;
const fallbackMask = verdicts.XDP_DROP | verdicts.XDP_PASS | verdicts.XDP_TX;

/** bpf_redirect: to an interface. */
export function redirect(env: HelperEnvironment): void {
  if (!argIsNull(env, 2)) return giveNumber(env, verdicts.XDP_ABORTED);
  env.redirect = { kind: "device", ifindex: argU32(env, 1), flags: 0n };
  giveNumber(env, verdicts.XDP_REDIRECT);
}

/** bpf_redirect_map: to an entry of a map; without one, the verdict in the flags. */
export function redirectMap(env: HelperEnvironment): void {
  const map = mapFor(env, 1, "redirect");
  const flags = argNumber(env, 3);
  const extra = map instanceof DeviceMap ? redirectFlags.broadcast | redirectFlags.excludeIngress : 0;
  if (flags > (fallbackMask | extra) || (flags & ~(fallbackMask | extra)) !== 0)
    return giveNumber(env, verdicts.XDP_ABORTED);
  const key = argU32(env, 2);
  const entry = map instanceof RedirectMap ? map.target(key) : null;
  if (entry === null && (flags & redirectFlags.broadcast) === 0) {
    env.redirect = null;
    return giveNumber(env, flags & fallbackMask);
  }
  env.redirect = { kind: "map", map, key, entry, flags: argU64(env, 3) };
  giveNumber(env, verdicts.XDP_REDIRECT);
}

/** bpf_tail_call: nothing happens when the entry is empty or too many were made. */
export function tailCall(env: HelperEnvironment): void {
  const map = mapFor(env, 2, "tailCall");
  const program = map instanceof ProgramArrayMap ? map.at(argU32(env, 3)) : null;
  if (program !== null) env.tailCall(program);
}
