// What instructions do beside giving a result: which may be merged, dropped or moved, and what a call leaves intact. One
// place for the passes and the validator; the facts about helpers come from the helper table.

import { helperByName } from "../bpf/helpers.ts";
import type { IrInsn } from "./ir.ts";

/** Helpers whose only effect is their result: an unused call may be dropped (it is still never merged or moved). */
const RESULT_ONLY: ReadonlySet<string> = new Set([
  "ktime_get_ns",
  "ktime_get_boot_ns",
  "ktime_get_coarse_ns",
  "ktime_get_tai_ns",
  "jiffies64",
  "get_prandom_u32",
  "get_smp_processor_id",
  "get_numa_node_id",
  "csum_diff",
]);

/** Whether a call invalidates packet pointers and what was known of the packet; true for helpers the table doesn't know. */
export function changesPacket(helper: string): boolean {
  return helperByName(helper)?.changesPacket ?? true;
}

/** Whether a call may write memory through one of its arguments (a stack slot, say). */
export function writesMemory(helper: string): boolean {
  const row = helperByName(helper);
  return row === null || row.args.some((arg) => arg.endsWith("Out"));
}

/** Whether the instruction's result depends on its operands alone, so that it may be computed anywhere they are known. */
export function isPure(insn: IrInsn): boolean {
  switch (insn.op) {
    case "const":
    case "undef":
    case "binary":
    case "bswap":
    case "zext":
    case "trunc":
    case "offset":
    case "index":
    case "distance":
    case "slot":
    case "map":
    case "global":
      return true;
    case "ctxLoad":
      // data, data_end and data_meta are read again after a call that moves the packet.
      return insn.field !== "data" && insn.field !== "data_end" && insn.field !== "data_meta";
    // A view stands for the copy as it is where the view is made.
    case "view":
    case "load":
    case "store":
    case "atomicAdd":
    case "call":
      return false;
  }
}

/** Whether the instruction may be dropped when nothing reads its result. */
export function isRemovable(insn: IrInsn): boolean {
  if (insn.op === "store" || insn.op === "atomicAdd") return false;
  return insn.op !== "call" || RESULT_ONLY.has(insn.helper);
}
