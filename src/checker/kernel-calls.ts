// Kernel functions and functions' addresses as the kernel looks at them before any walk and after it, where none has to come by: which
// it can resolve. What a call that is reached does is kfuncs.ts.
// Source: Linux kernel/bpf/verifier.c (add_kfunc_call, jit_subprogs; 6.18).

import type { Program } from "./env.ts";
import { gplCompatible } from "./helper-licence.ts";
import { kfuncProtos } from "./kfunc-protos.ts";
import { isFunctionAddress, isKernelCall, opcodes } from "./program.ts";
import { refuse } from "./verdict.ts";
import type { Walk } from "./walk.ts";

/** Refuses calls of kernel functions that the kernel doesn't take even where they can't be reached. */
export function checkKernelCalls(walk: Walk): void {
  const { program } = walk;
  for (let slot = 0; slot < program.slots; slot++) {
    if (!isKernelCall(program, slot)) continue;
    const off = program.off[slot] as number;
    if (off !== 0) refuse({ kind: "encoding", field: "off", value: off }, slot);
    // One without a name is a weak one that the kernel hasn't: it may stay where it can't be reached.
    const name = nameAt(program, slot);
    if (name === undefined) continue;
    if (!gplCompatible(walk)) refuse({ kind: "kernelCallNeedsGpl" }, slot);
    // What hardware tells of a packet is only for programs bound to their device.
    if (name.startsWith("bpf_xdp_metadata_")) refuse({ kind: "kfuncNotForXdp", name }, slot);
  }
}

/**
 * Refuses a walked load of a function's address where the walk never came into the function. The kernel removes such a function, and the
 * address then means what follows what was removed: it must be another function's start (jit_subprogs, which has nothing to do
 * where only the entry function is left).
 */
export function checkCallbacksCalled({ program, visits }: Walk): void {
  const { slots, opcode, functions } = program;
  if (functions.filter(({ start }) => visits[start] !== 0).length <= 1) return;
  const isDead = (slot: number): boolean =>
    visits[slot] === 0 && !(slot > 0 && opcode[slot - 1] === opcodes.loadWide && visits[slot - 1] !== 0);
  const starts = new Set(functions.map(({ start }) => start));
  for (let slot = 0; slot < slots; slot++) {
    if (isDead(slot) || !isFunctionAddress(program, slot)) continue;
    const start = slot + 1 + (program.imm[slot] as number);
    let target = start;
    while (target < slots && isDead(target)) {
      let first = target;
      while (isDead(first - 1)) first--;
      let end = target;
      while (end < slots && isDead(end)) end++;
      target += end - first;
    }
    if (!starts.has(target)) refuse({ kind: "functionNeverCalled", start }, slot);
  }
}

/** Kernel functions that are called only where no walk came: whether the kernel has them isn't known. */
export function unknownKernelCalls({ program, visits }: Walk): string[] {
  const names = new Set<string>();
  for (let slot = 0; slot < program.slots; slot++) {
    const name = visits[slot] === 0 && isKernelCall(program, slot) ? nameAt(program, slot) : undefined;
    if (name !== undefined && !kfuncProtos.has(name)) names.add(`the kernel function ${name}`);
  }
  return [...names];
}

function nameAt(program: Program, slot: number): string | undefined {
  return program.image.kfuncs[program.imm[slot] as number];
}
