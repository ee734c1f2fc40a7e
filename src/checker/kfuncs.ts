// Calls of kernel functions (kfuncs): none is modelled but for what is certain, that some don't exist for XDP programs.
// Source: Linux net/core/xdp.c, net/core/filter.c, kernel/bpf/helpers.c (BTF_KFUNCS_START, 6.18).

import type { Env } from "./env.ts";
import { unsupported } from "./verdict.ts";

/** A call of the kernel function whose index in the image's list is the instruction's immediate. */
export function walkKfuncCall(env: Env): void {
  const name = env.program.image.kfuncs[env.program.imm[env.slot] as number];
  return unsupported(name === undefined ? "a kernel function without a name" : `the kernel function ${name}`);
}
