// What lies around a program and isn't memory: time and where a packet is sent. Settable from outside, so that a run can be
// repeated exactly. Part of the machine's core; helpers read and change it.

import type { VmMap } from "./map.ts";

/** The clocks that helpers read, in nanoseconds. They stand still unless someone moves them. */
export interface Clock {
  /** CLOCK_MONOTONIC (ktime_get_ns, ktime_get_coarse_ns); jiffies64 follows it. */
  monotonicNs: bigint;
  /** CLOCK_BOOTTIME. */
  bootNs: bigint;
  /** CLOCK_TAI. */
  taiNs: bigint;
}

/** Where a packet is redirected. */
export type Redirect =
  /** bpf_redirect: to the device with this index. */
  | { readonly kind: "device"; readonly ifindex: number; readonly flags: bigint }
  /** bpf_redirect_map: to entry `key` of the map; `entry` is its value's bytes; with BPF_F_BROADCAST to all, and `key` means nothing. */
  | {
      readonly kind: "map";
      readonly map: VmMap;
      readonly key: number;
      readonly entry: Uint8Array | null;
      readonly flags: bigint;
    };
