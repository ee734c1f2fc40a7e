// When the machine was started, by which the kernel's times since boot become times of day. Suspended time counts, as it does in the kernel's times
// of loading.

import { readFileSync } from "node:fs";

/** Milliseconds since 1970 at which this machine booted, to some 10 ms. */
export function bootTimeMs(): number {
  return Date.now() - Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000;
}
