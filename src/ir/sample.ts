// What `sample` sends: a header and the packet's first bytes. The same through a ring buffer as through perf, so that one reader does
// for both. For ring buffers the record is put together in memory of this CPU's own, for it is too large for the stack.

import type { Span } from "../base/source.ts";
import type { MapSymbol } from "./hir.ts";
import { layoutOf } from "./layout.ts";
import { type Type, U32, U64 } from "./types.ts";

/** The most bytes of a packet in a sample: with the header they fit a per-CPU value (32 KiB) and a perf record (64 KiB). */
export const MOST_SAMPLED = 16_384;

/** What stands before the packet's bytes. */
export const SAMPLE_HEADER: Type & { kind: "struct" } = {
  kind: "struct",
  name: "xdpc_sample",
  fields: [
    { name: "time_ns", type: U64 },
    { name: "length", type: U32 },
    { name: "captured", type: U32 },
    { name: "ifindex", type: U32 },
    { name: "queue", type: U32 },
  ],
};

/** The header's size in bytes. */
export const SAMPLE_HEADER_BYTES = layoutOf(SAMPLE_HEADER).bytes;

/** Where a field of the header lies, in bytes. */
export function sampleOffset(field: "time_ns" | "length" | "captured" | "ifindex" | "queue"): number {
  return layoutOf(SAMPLE_HEADER).offsets[SAMPLE_HEADER.fields.findIndex((f) => f.name === field)] ?? 0;
}

/** The map of the memory in which samples for ring buffers are put together: one entry for each CPU. */
export const SAMPLE_MAP = "xdpc_sample";

/** That map, for samples of so many bytes of the packet. */
export function sampleMap(mostBytes: number, span: Span): MapSymbol {
  const data = { name: "data", type: { kind: "bytes", count: mostBytes } } as const;
  const value: Type = { kind: "struct", name: "xdpc_sample_memory", fields: [...SAMPLE_HEADER.fields, data] };
  const shape = { mapKind: "percpu_array", role: "map", key: U32, value, maxEntries: 1, flags: 0 } as const;
  return { kind: "map", name: SAMPLE_MAP, ...shape, pinned: false, span };
}
