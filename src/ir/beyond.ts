// Where headers beyond a packet's first buffer are copied to: memory of this CPU's own, one entry with a place for each header. The
// stack wouldn't do, for it is read and written at aligned places only, and headers' fields lie anywhere.

import type { Span } from "../base/source.ts";
import type { MapSymbol } from "./hir.ts";
import type { IrFunction } from "./ir.ts";
import { U32 } from "./types.ts";

/** The map of that memory: one entry for each CPU. */
export const BEYOND_MAP = "xdpc_beyond";

/** That map, for copies of so many bytes in all. */
export function beyondMap(bytes: number, span: Span): MapSymbol {
  const value = { kind: "bytes", count: bytes } as const;
  const shape = { mapKind: "percpu_array", role: "map", key: U32, value, maxEntries: 1, flags: 0 } as const;
  return { kind: "map", name: BEYOND_MAP, ...shape, pinned: false, span };
}

/** Whether a program copies headers there. */
export function readsBeyond(fn: IrFunction): boolean {
  return fn.blocks.some((block) => block.insns.some((insn) => insn.op === "map" && insn.map === BEYOND_MAP));
}
