// The code generator's list of steps: IR in, BPF instructions with resolved jumps and line info out. What can't be expressed
// (too much stack, too many instructions) comes back as a value; the caller words the message.

import type { ResolvedInsn } from "../bpf/insn.ts";
import { slotsOf } from "../bpf/insn.ts";
import type { CpuLevel } from "../bpf/isa.ts";
import type { InsnLine } from "../bpf/object.ts";
import type { IrFunction } from "../ir/ir.ts";
import { emit } from "./emit.ts";
import { layFrame, maxStackBytes } from "./frame.ts";
import { layOut } from "./layout.ts";
import { linesOf } from "./lineinfo.ts";
import { resolveJumps } from "./reach.ts";
import { rebase } from "./rebase.ts";
import { allocate } from "./regalloc.ts";
import { select } from "./select.ts";
import { mergeTails } from "./tails.ts";

/** What code to make. */
export interface GenerateOptions {
  /** The newest instructions that may be used. */
  readonly cpu: CpuLevel;
}

/** A program's code, or why there is none. */
export type Generated =
  | {
      readonly kind: "code";
      readonly insns: readonly ResolvedInsn[];
      /** Rising; the first entry at 0; empty when the IR has no origins. */
      readonly lines: readonly InsnLine[];
      /** Bytes of stack in use, a multiple of 8, at most 512. */
      readonly stackBytes: number;
    }
  /** It would take `bytes` of the 512 bytes of stack. */
  | { readonly kind: "stack"; readonly bytes: number }
  /** It would take `slots` instructions; the kernel takes 1,000,000, or a jump can't reach that far. */
  | { readonly kind: "size"; readonly slots: number };

/** The kernel's limit for privileged programs. **Source:** Linux include/linux/bpf.h, BPF_COMPLEXITY_LIMIT_INSNS. */
const maxSlots = 1_000_000;

/** Generates a function's code. The function must hold to the IR's shape rules. */
export function generate(fn: IrFunction, options: GenerateOptions): Generated {
  const allocation = allocate(select(rebase(fn), options.cpu));
  const frame = layFrame(allocation, fn.slots);
  const open = emit(allocation, frame);
  if (open.stackBytes > maxStackBytes) return { kind: "stack", bytes: open.stackBytes };
  const laid = layOut(mergeTails(open), options.cpu);
  const slots = laid.insns.reduce((sum, { insn }) => sum + slotsOf(insn), 0);
  const reached = slots > maxSlots ? null : resolveJumps(laid, options.cpu);
  if (reached === null) return { kind: "size", slots };
  return { kind: "code", insns: reached.insns, lines: linesOf(reached.origins), stackBytes: open.stackBytes };
}
