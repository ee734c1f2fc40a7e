// The kernel's helper functions that XDP programs may call, one row each: number, arguments, result, since which kernel. The
// type checker, code generator, disassembler, VM and checker read this table. Knows nothing of instructions or maps.
// Source: Linux include/uapi/linux/bpf.h (___BPF_FUNC_MAPPER) for numbers; struct bpf_func_proto of each helper for arguments,
// result and licence; bpf_helper_changes_pkt_data in net/core/filter.c.

/**
 * What an argument must be.
 *
 * - `map`: a map's handle; `key`, `value`: as many readable bytes as the map's key or value has; `valueOut`: bytes for a value
 *   that the call writes; `valueOrNull`: a value or 0
 * - `ctx`: the program's context
 * - `memory`: readable bytes; `memoryOut`: bytes that the call writes; `memoryInOut`: readable bytes that it also writes;
 *   `memoryOrNull`, `memoryOrNullOut`: the same or 0. The size of all five is the next argument. What the call writes ends in `Out`
 * - `size`: that size, above 0; `sizeOrZero`: that size, 0 allowed
 * - `fixedMemory`, `fixedMemoryOut`, `fixedMemoryInOut`: bytes whose number is the helper's own
 * - `constSize`: a constant, the size of the memory the call returns
 * - `string`: a zero-terminated string in a read-only map; `stackOrNull`: stack bytes for a callback, or 0
 * - `record`: what ringbuf_reserve gave; `socket`: a socket; `lock`, `timer`, `dynptr`, `kptr`: such an object; `btf`: a kernel
 *   object; `function`: a function of the program
 * - `scalar`: any integer; `extra`: any integer or nothing, the register needn't be set (what a format asks for)
 */
export type ArgKind =
  | "map"
  | "key"
  | "value"
  | "valueOut"
  | "valueOrNull"
  | "ctx"
  | "memory"
  | "memoryOut"
  | "memoryInOut"
  | "memoryOrNull"
  | "memoryOrNullOut"
  | "size"
  | "sizeOrZero"
  | "fixedMemory"
  | "fixedMemoryOut"
  | "fixedMemoryInOut"
  | "constSize"
  | "string"
  | "stackOrNull"
  | "record"
  | "socket"
  | "lock"
  | "timer"
  | "dynptr"
  | "kptr"
  | "btf"
  | "function"
  | "scalar"
  | "extra";

/**
 * What r0 holds after the call.
 *
 * - `scalar`: an unsigned 64-bit number; `status`: a signed one, negative for an error
 * - `verdict`: an XDP verdict: XDP_REDIRECT, or on failure what the flags say
 * - `valueOrNull`: a pointer to a map's value, or 0; `memoryOrNull`: to as many bytes as argument `constSize` says, or 0
 * - `socketOrNull`, `btfOrNull`, `btf`: kernel objects
 * - `nothing`: r0 may not be read; `never`: the same, and the call comes back only when it failed
 */
export type ResultKind =
  | "scalar"
  | "status"
  | "verdict"
  | "valueOrNull"
  | "memoryOrNull"
  | "socketOrNull"
  | "btfOrNull"
  | "btf"
  | "nothing"
  | "never";

/** One row of the table. */
export interface Helper {
  /** The helper's name without `bpf_`. */
  readonly name: string;
  /** The immediate of the call instruction. */
  readonly id: number;
  /** Its arguments in r1 and up, at most five. */
  readonly args: readonly ArgKind[];
  readonly result: ResultKind;
  /** Only programs with a GPL-compatible licence may call it. */
  readonly gplOnly: boolean;
  /** Pointers to packet data are invalid after the call: data, data_end and data_meta must be read again. */
  readonly changesPacket: boolean;
  /** The first kernel release in which an XDP program may call it. */
  readonly since: string;
  /** The kernel function that grants it to XDP programs. */
  readonly source: string;
}

type Trait = "gpl" | "changesPacket";
type Row = readonly [
  id: number,
  since: string,
  args: readonly ArgKind[],
  result: ResultKind,
  traits?: readonly Trait[],
];

/** Granted to XDP by name. */
const packetRows = {
  redirect: [23, "4.14", ["scalar", "scalar"], "verdict"],
  perf_event_output: [25, "4.8", ["ctx", "map", "scalar", "memory", "sizeOrZero"], "status", ["gpl"]],
  csum_diff: [28, "4.16", ["memoryOrNull", "sizeOrZero", "memoryOrNull", "sizeOrZero", "scalar"], "status"],
  xdp_adjust_head: [44, "4.10", ["ctx", "scalar"], "status", ["changesPacket"]],
  redirect_map: [51, "4.14", ["map", "scalar", "scalar"], "verdict"],
  xdp_adjust_meta: [54, "4.15", ["ctx", "scalar"], "status", ["changesPacket"]],
  xdp_adjust_tail: [65, "4.18", ["ctx", "scalar"], "status", ["changesPacket"]],
  fib_lookup: [69, "4.18", ["ctx", "memoryInOut", "size", "scalar"], "status", ["gpl"]],
  sk_lookup_tcp: [84, "5.0", ["ctx", "memory", "sizeOrZero", "scalar", "scalar"], "socketOrNull"],
  sk_lookup_udp: [85, "5.0", ["ctx", "memory", "sizeOrZero", "scalar", "scalar"], "socketOrNull"],
  sk_release: [86, "5.0", ["socket"], "status"],
  skc_lookup_tcp: [99, "5.2", ["ctx", "memory", "sizeOrZero", "scalar", "scalar"], "socketOrNull"],
  tcp_check_syncookie: [100, "5.2", ["socket", "memory", "size", "memory", "size"], "status", ["gpl"]],
  tcp_gen_syncookie: [110, "5.4", ["socket", "memory", "size", "memory", "size"], "status", ["gpl"]],
  check_mtu: [163, "5.12", ["ctx", "scalar", "fixedMemoryInOut", "scalar", "scalar"], "status", ["gpl"]],
  xdp_get_buff_len: [188, "5.18", ["ctx"], "scalar"],
  xdp_load_bytes: [189, "5.18", ["ctx", "scalar", "memoryOut", "size"], "status"],
  xdp_store_bytes: [190, "5.18", ["ctx", "scalar", "memory", "size"], "status"],
  tcp_raw_gen_syncookie_ipv4: [204, "6.0", ["fixedMemory", "memory", "sizeOrZero"], "status", ["gpl"]],
  tcp_raw_gen_syncookie_ipv6: [205, "6.0", ["fixedMemory", "memory", "sizeOrZero"], "status", ["gpl"]],
  tcp_raw_check_syncookie_ipv4: [206, "6.0", ["fixedMemory", "fixedMemory"], "status", ["gpl"]],
  tcp_raw_check_syncookie_ipv6: [207, "6.0", ["fixedMemory", "fixedMemory"], "status", ["gpl"]],
} as const satisfies Record<string, Row>;

/** Granted to all programs that deal with packets or sockets. */
const socketRows = {
  skc_to_tcp6_sock: [136, "5.9", ["socket"], "btfOrNull"],
  skc_to_tcp_sock: [137, "5.9", ["socket"], "btfOrNull"],
  skc_to_tcp_timewait_sock: [138, "5.9", ["socket"], "btfOrNull"],
  skc_to_tcp_request_sock: [139, "5.9", ["socket"], "btfOrNull"],
  skc_to_udp6_sock: [140, "5.9", ["socket"], "btfOrNull"],
  ktime_get_coarse_ns: [160, "5.11", [], "scalar"],
  skc_to_unix_sock: [178, "5.16", ["socket"], "btfOrNull"],
  skc_to_mptcp_sock: [196, "5.19", ["socket"], "btfOrNull"],
} as const satisfies Record<string, Row>;

/** Granted to every program. */
const baseRows = {
  map_lookup_elem: [1, "4.8", ["map", "key"], "valueOrNull"],
  map_update_elem: [2, "4.8", ["map", "key", "value", "scalar"], "status"],
  map_delete_elem: [3, "4.8", ["map", "key"], "status"],
  ktime_get_ns: [5, "4.8", [], "scalar"],
  trace_printk: [6, "4.8", ["memory", "size", "extra", "extra", "extra"], "status", ["gpl"]],
  get_prandom_u32: [7, "4.8", [], "scalar"],
  get_smp_processor_id: [8, "4.8", [], "scalar"],
  // From 6.13 (commit 1a4607ffba35, also in older stable releases) the verifier drops packet pointers after it; some later
  // ones keep them, as a call that failed changed nothing. A program for all of them reads the pointers again.
  tail_call: [12, "4.8", ["ctx", "map", "scalar"], "never", ["changesPacket"]],
  get_current_pid_tgid: [14, "6.10", [], "scalar"],
  get_current_uid_gid: [15, "6.16", [], "scalar"],
  get_current_comm: [16, "6.16", ["memoryOut", "size"], "status"],
  get_cgroup_classid: [17, "6.16", [], "scalar"],
  perf_event_read: [22, "6.16", ["map", "scalar"], "scalar", ["gpl"]],
  get_current_task: [35, "5.8", [], "scalar", ["gpl"]],
  current_task_under_cgroup: [37, "6.16", ["map", "scalar"], "status"],
  get_numa_node_id: [42, "4.10", [], "scalar"],
  perf_event_read_value: [55, "6.16", ["map", "scalar", "memoryOut", "size"], "status", ["gpl"]],
  get_current_cgroup_id: [80, "6.4", [], "scalar"],
  map_push_elem: [87, "4.20", ["map", "value", "scalar"], "status"],
  map_pop_elem: [88, "4.20", ["map", "valueOut"], "status"],
  // On a bloom filter the value is read instead: it is what is looked for.
  map_peek_elem: [89, "4.20", ["map", "valueOut"], "status"],
  spin_lock: [93, "5.1", ["lock"], "nothing"],
  spin_unlock: [94, "5.1", ["lock"], "nothing"],
  strtol: [105, "6.1", ["memory", "size", "scalar", "fixedMemoryOut"], "status"],
  strtoul: [106, "6.1", ["memory", "size", "scalar", "fixedMemoryOut"], "status"],
  send_signal: [109, "6.16", ["scalar"], "status"],
  probe_read_user: [112, "5.8", ["memoryOut", "sizeOrZero", "scalar"], "status", ["gpl"]],
  probe_read_kernel: [113, "5.8", ["memoryOut", "sizeOrZero", "scalar"], "status", ["gpl"]],
  probe_read_user_str: [114, "5.8", ["memoryOut", "sizeOrZero", "scalar"], "status", ["gpl"]],
  probe_read_kernel_str: [115, "5.8", ["memoryOut", "sizeOrZero", "scalar"], "status", ["gpl"]],
  send_signal_thread: [117, "6.16", ["scalar"], "status"],
  jiffies64: [118, "5.6", [], "scalar"],
  get_ns_current_pid_tgid: [120, "6.10", ["scalar", "scalar", "memoryOut", "size"], "status"],
  get_current_ancestor_cgroup_id: [123, "6.4", ["scalar"], "scalar"],
  ktime_get_boot_ns: [125, "5.8", [], "scalar"],
  ringbuf_output: [130, "5.8", ["map", "memory", "sizeOrZero", "scalar"], "status"],
  ringbuf_reserve: [131, "5.8", ["map", "constSize", "scalar"], "memoryOrNull"],
  ringbuf_submit: [132, "5.8", ["record", "scalar"], "nothing"],
  ringbuf_discard: [133, "5.8", ["record", "scalar"], "nothing"],
  ringbuf_query: [134, "5.8", ["map", "scalar"], "scalar"],
  get_task_stack: [141, "6.16", ["btf", "memoryOut", "sizeOrZero", "scalar"], "status"],
  snprintf_btf: [149, "5.10", ["memoryOut", "size", "memory", "size", "scalar"], "status"],
  per_cpu_ptr: [153, "5.10", ["btf", "scalar"], "btfOrNull"],
  this_cpu_ptr: [154, "5.10", ["btf"], "btf"],
  task_storage_get: [156, "6.16", ["map", "btf", "valueOrNull", "scalar"], "valueOrNull"],
  task_storage_delete: [157, "6.16", ["map", "btf"], "status"],
  get_current_task_btf: [158, "5.15", [], "btf", ["gpl"]],
  for_each_map_elem: [164, "5.13", ["map", "function", "stackOrNull", "scalar"], "status"],
  snprintf: [165, "5.13", ["memoryOrNullOut", "sizeOrZero", "string", "memoryOrNull", "sizeOrZero"], "status", ["gpl"]],
  timer_init: [169, "5.15", ["timer", "map", "scalar"], "status", ["gpl"]],
  timer_set_callback: [170, "5.15", ["timer", "function"], "status", ["gpl"]],
  timer_start: [171, "5.15", ["timer", "scalar", "scalar"], "status", ["gpl"]],
  timer_cancel: [172, "5.15", ["timer"], "status", ["gpl"]],
  task_pt_regs: [175, "5.15", ["btf"], "btf", ["gpl"]],
  get_branch_snapshot: [176, "6.16", ["memoryOut", "sizeOrZero", "extra"], "status", ["gpl"]],
  trace_vprintk: [177, "5.16", ["memory", "size", "memoryOrNull", "sizeOrZero"], "status", ["gpl"]],
  find_vma: [180, "6.16", ["btf", "scalar", "function", "stackOrNull", "scalar"], "status"],
  loop: [181, "5.17", ["scalar", "function", "stackOrNull", "scalar"], "status"],
  strncmp: [182, "5.17", ["memory", "size", "string"], "status"],
  kptr_xchg: [194, "5.19", ["kptr", "btf"], "btfOrNull"],
  map_lookup_percpu_elem: [195, "5.19", ["map", "key", "scalar"], "valueOrNull"],
  dynptr_from_mem: [197, "5.19", ["memoryInOut", "sizeOrZero", "scalar", "dynptr"], "status"],
  ringbuf_reserve_dynptr: [198, "5.19", ["map", "scalar", "scalar", "dynptr"], "status"],
  ringbuf_submit_dynptr: [199, "5.19", ["dynptr", "scalar"], "nothing"],
  ringbuf_discard_dynptr: [200, "5.19", ["dynptr", "scalar"], "nothing"],
  dynptr_read: [201, "5.19", ["memoryOut", "sizeOrZero", "dynptr", "scalar", "scalar"], "status"],
  dynptr_write: [202, "5.19", ["dynptr", "scalar", "memory", "sizeOrZero", "scalar"], "status"],
  dynptr_data: [203, "5.19", ["dynptr", "scalar", "constSize"], "memoryOrNull"],
  ktime_get_tai_ns: [208, "6.1", [], "scalar"],
  user_ringbuf_drain: [209, "6.1", ["map", "function", "stackOrNull", "scalar"], "status"],
  cgrp_storage_get: [210, "6.2", ["map", "btf", "valueOrNull", "scalar"], "valueOrNull"],
  cgrp_storage_delete: [211, "6.2", ["map", "btf"], "status"],
} as const satisfies Record<string, Row>;

/** The name of a helper XDP programs may call, without `bpf_`. */
export type HelperName = keyof typeof packetRows | keyof typeof socketRows | keyof typeof baseRows;

function fromRows(rows: Readonly<Record<string, Row>>, source: string): Helper[] {
  return Object.entries(rows).map(([name, [id, since, args, result, traits = []]]) => ({
    name,
    id,
    args,
    result,
    gplOnly: traits.includes("gpl"),
    changesPacket: traits.includes("changesPacket"),
    since,
    source,
  }));
}

/**
 * Every helper an XDP program may call on a kernel of 6.18, by rising number. Helpers that may sleep are left out: no XDP
 * program may. Some need a kernel option of their own (cgroups, SYN cookies, multipath TCP, perf events).
 */
export const helpers: readonly Helper[] = [
  ...fromRows(packetRows, "net/core/filter.c, xdp_func_proto"),
  ...fromRows(socketRows, "net/core/filter.c, bpf_sk_base_func_proto"),
  ...fromRows(baseRows, "kernel/bpf/helpers.c, bpf_base_func_proto"),
].sort((a, b) => a.id - b.id);

const byName = new Map(helpers.map((helper) => [helper.name, helper]));
const byId = new Map(helpers.map((helper) => [helper.id, helper]));

/** The helper called `name` (without `bpf_`), or null when XDP programs have none of that name. */
export function helperByName(name: string): Helper | null {
  return byName.get(name) ?? null;
}

/** The helper with this number, or null when XDP programs may call none with it. */
export function helperById(id: number): Helper | null {
  return byId.get(id) ?? null;
}
