// The context an XDP program gets in r1, field by field: what it may read there and what it gets. The lowering, code generator,
// VM and checker read this table. Knows nothing of the packet itself.
// Source: Linux include/uapi/linux/bpf.h, struct xdp_md; net/core/filter.c, xdp_is_valid_access and xdp_convert_ctx_access.

import type { BtfType } from "./btf.ts";

/** What reading a field gives: a pointer to the packet's first byte, behind its last one, to its metadata, or a number. */
export type ContextYield = "packet" | "packetEnd" | "packetMeta" | "scalar";

/** One field. Every field is read by a 4-byte load at exactly its offset; XDP programs write none. */
export interface ContextField {
  /** In bytes from the context pointer. */
  readonly offset: number;
  /** In bytes. The loaded pointers have 64 bits nevertheless: the kernel rewrites the load. */
  readonly width: 4;
  readonly yields: ContextYield;
  /** Readable only in programs for devmap entries (attach type BPF_XDP_DEVMAP). */
  readonly devmapOnly: boolean;
  /** The first kernel release that has it. */
  readonly since: string;
  readonly source: string;
}

const plain = { width: 4, devmapOnly: false, source: "include/uapi/linux/bpf.h, struct xdp_md" } as const;

/** The fields by their names in struct xdp_md. */
export const contextFields = {
  data: { ...plain, offset: 0, yields: "packet", since: "4.8" },
  data_end: { ...plain, offset: 4, yields: "packetEnd", since: "4.8" },
  data_meta: { ...plain, offset: 8, yields: "packetMeta", since: "4.15" },
  ingress_ifindex: { ...plain, offset: 12, yields: "scalar", since: "4.16" },
  rx_queue_index: { ...plain, offset: 16, yields: "scalar", since: "4.16" },
  egress_ifindex: {
    ...plain,
    offset: 20,
    yields: "scalar",
    devmapOnly: true,
    since: "5.8",
    source: "net/core/filter.c, xdp_is_valid_access (expected_attach_type must be BPF_XDP_DEVMAP)",
  },
} as const satisfies Record<string, ContextField>;

/** The name of a field of struct xdp_md. */
export type ContextFieldName = keyof typeof contextFields;

/** The size of struct xdp_md in bytes. */
export const contextBytes = 24;

/** The field at an offset in bytes, or null when none starts there. */
export function contextFieldAt(offset: number): ContextFieldName | null {
  for (const [name, field] of Object.entries(contextFields))
    if (field.offset === offset) return name as ContextFieldName;
  return null;
}

const unsignedInt: BtfType = { kind: "int", name: "unsigned int", bytes: 4, signed: false, bool: false };

/**
 * struct xdp_md as BTF, for the prototypes of programs. Whole rather than only named: the kernel lets extension and tracing
 * programs (freplace, fentry) attach to a program only if its argument points to a struct of that name, and a forward
 * declaration isn't one.
 *
 * **Source:** Linux kernel/bpf/btf.c, btf_is_prog_ctx_type.
 */
export const xdpMd: BtfType = {
  kind: "struct",
  name: "xdp_md",
  bytes: contextBytes,
  members: Object.entries(contextFields).map(([name, { offset }]) => ({
    name,
    type: { kind: "typedef", name: "__u32", to: unsignedInt },
    offsetBytes: offset,
  })),
};
