// Whether a program's licence gives it what the kernel reserves for GPL-compatible ones: some helpers, and the kernel's objects.
// Source: Linux include/linux/license.h (license_is_gpl_compatible).

import type { Env } from "./env.ts";

const gplLicences: ReadonlySet<string> = new Set([
  "GPL",
  "GPL v2",
  "GPL and additional rights",
  "Dual BSD/GPL",
  "Dual MIT/GPL",
  "Dual MPL/GPL",
]);

/** True when the program's licence is GPL-compatible. */
export function gplCompatible(env: Env): boolean {
  return gplLicences.has(env.program.image.license);
}
