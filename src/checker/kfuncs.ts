// Calls of kernel functions (kfuncs): none is modelled but for what is certain, that some don't exist for XDP programs.
// Source: Linux net/core/xdp.c, net/core/filter.c, kernel/bpf/helpers.c (BTF_KFUNCS_START, 6.18).

import type { Env } from "./env.ts";
import { isCallable } from "./kfunc-names.ts";
import { refuse, unsupported } from "./verdict.ts";

/** A call of the kernel function whose index in the image's list is the instruction's immediate. */
export function walkKfuncCall(env: Env): void {
  const index = env.program.imm[env.slot] as number;
  const name = env.program.image.kfuncs[index];
  if (name === undefined) return refuse({ kind: "noSuchKernelFunction", index });
  if (!isCallable(name)) return refuse({ kind: "kfuncNotForXdp", name });
  return unsupported(`the kernel function ${name}`);
}
