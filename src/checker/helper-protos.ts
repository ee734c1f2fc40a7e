// Helpers as the verifier judges them: for each argument which pointers will do and what the helper does with the memory. Made
// from the table of helpers, with what only the verifier asks for in tables of its own. Read by helper-arguments.ts.
// Source: Linux struct bpf_func_proto of each helper, 6.18 (kernel/bpf/helpers.c, net/core/filter.c, kernel/trace/bpf_trace.c).

import { type ArgKind, type Helper, type HelperName, helperById } from "../bpf/helpers.ts";

/** An argument as the verifier judges it; `kind` tells what it is, the rest what is done with it. */
export interface ArgRule {
  readonly kind: ArgKind;
  /** 0 will do (PTR_MAYBE_NULL). */
  readonly nullable: boolean;
  /** The helper promises not to write there (MEM_RDONLY), so read-only memory will do. */
  readonly readOnly: boolean;
  /** The helper writes there (MEM_WRITE). */
  readonly write: boolean;
  /** All of it is overwritten without being read (MEM_UNINIT). */
  readonly raw: boolean;
  /** Memory whose size is the helper's own: in bytes; else 0. */
  readonly fixedBytes: number;
  /** The memory must be aligned to its size (MEM_ALIGNED). */
  readonly aligned: boolean;
  /** The argument's reference is given back (OBJ_RELEASE). */
  readonly releases: boolean;
}

/** A helper as the verifier judges it. */
export interface HelperProto {
  readonly helper: Helper;
  readonly args: readonly ArgRule[];
  /** Pointers to packet data will do as memory. */
  readonly packetAllowed: boolean;
}

const packetAllowed: ReadonlySet<HelperName> = new Set([
  "map_lookup_elem",
  "map_update_elem",
  "map_delete_elem",
  "map_push_elem",
  "map_lookup_percpu_elem",
  "csum_diff",
  "sk_lookup_tcp",
  "sk_lookup_udp",
  "skc_lookup_tcp",
  "tcp_check_syncookie",
  "tcp_gen_syncookie",
  "tcp_raw_gen_syncookie_ipv4",
  "tcp_raw_gen_syncookie_ipv6",
  "tcp_raw_check_syncookie_ipv4",
  "tcp_raw_check_syncookie_ipv6",
] satisfies HelperName[]);

const ipv4HeaderBytes = 20;
const ipv6HeaderBytes = 40;
const tcpHeaderBytes = 20;

/** Sizes of the memory of arguments whose size is the helper's own, in the order of those arguments, in bytes. */
const fixedBytes: Readonly<Partial<Record<HelperName, readonly number[]>>> = {
  check_mtu: [4],
  strtol: [8],
  strtoul: [8],
  tcp_raw_gen_syncookie_ipv4: [ipv4HeaderBytes],
  tcp_raw_gen_syncookie_ipv6: [ipv6HeaderBytes],
  tcp_raw_check_syncookie_ipv4: [ipv4HeaderBytes, tcpHeaderBytes],
  tcp_raw_check_syncookie_ipv6: [ipv6HeaderBytes, tcpHeaderBytes],
};

const releasing: ReadonlySet<HelperName> = new Set([
  "sk_release",
  "ringbuf_submit",
  "ringbuf_discard",
  "ringbuf_submit_dynptr",
  "ringbuf_discard_dynptr",
] satisfies HelperName[]);

type Traits = Partial<Omit<ArgRule, "kind" | "fixedBytes">>;

const traits: Readonly<Partial<Record<ArgKind, Traits>>> = {
  valueOut: { write: true, raw: true },
  valueOrNull: { nullable: true },
  memory: { readOnly: true },
  memoryOut: { write: true, raw: true },
  memoryInOut: { write: true },
  memoryOrNull: { nullable: true, readOnly: true },
  memoryOrNullOut: { nullable: true, write: true },
  fixedMemory: { readOnly: true },
  fixedMemoryOut: { write: true, raw: true, aligned: true },
  fixedMemoryInOut: { write: true, aligned: true },
  stackOrNull: { nullable: true },
};

function protoOf(helper: Helper): HelperProto {
  const sizes = [...(fixedBytes[helper.name as HelperName] ?? [])];
  const released = releasing.has(helper.name as HelperName);
  const args = helper.args.map((kind, at): ArgRule => {
    const fixed = kind === "fixedMemory" || kind === "fixedMemoryOut" || kind === "fixedMemoryInOut";
    return {
      kind,
      nullable: false,
      readOnly: false,
      write: false,
      raw: false,
      aligned: false,
      ...traits[kind],
      fixedBytes: fixed ? (sizes.shift() ?? 0) : 0,
      releases: at === 0 && released,
    };
  });
  return { helper, args, packetAllowed: packetAllowed.has(helper.name as HelperName) };
}

const protos = new Map<number, HelperProto>();

/** The helper with this number as the verifier judges it, or null when XDP programs may call none with it. */
export function helperProto(id: number): HelperProto | null {
  const known = protos.get(id);
  if (known !== undefined) return known;
  const helper = helperById(id);
  if (helper === null) return null;
  const proto = protoOf(helper);
  protos.set(id, proto);
  return proto;
}

/** The number behind the last helper of any kind. **Source:** include/uapi/linux/bpf.h, __BPF_FUNC_MAX_ID (6.18). */
export const helperNumberEnd = 212;
