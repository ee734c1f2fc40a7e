// The kernel's helper functions that XDP programs may call, one row each: number, arguments, result, since which kernel. The
// type checker, code generator, disassembler, VM and checker read this table. Knows nothing of instructions or maps.
// Source: Linux include/uapi/linux/bpf.h (___BPF_FUNC_MAPPER); net/core/filter.c (xdp_func_proto); kernel/bpf/helpers.c
// (bpf_base_func_proto).

/**
 * What an argument must be: `map` a map's handle; `key`, `value` pointers to as many readable bytes as the map's key or value has
 * (`valueOut`: written); `ctx` the program's context; `memory` readable bytes, `memoryOut` bytes that the call fills,
 * `memoryOrNull` readable bytes or 0 (the size of all three is the next argument); `fixedMemory`, `fixedMemoryOut` the same
 * with a size of the helper's own; `size` that size, above 0; `sizeOrZero` that size, 0 allowed; `constSize` a constant size of the
 * memory the call returns; `string` a zero-terminated string in read-only map memory; `record` what ringbuf_reserve gave;
 * `socket` a socket pointer; `lock`, `timer`, `dynptr`, `kptr` pointers to such an object; `function` a program's own function;
 * `btf` a pointer to a kernel object; `scalar` any integer.
 */
export type ArgKind =
  | "map"
  | "key"
  | "value"
  | "valueOut"
  | "ctx"
  | "memory"
  | "memoryOut"
  | "memoryOrNull"
  | "fixedMemory"
  | "fixedMemoryOut"
  | "size"
  | "sizeOrZero"
  | "constSize"
  | "string"
  | "record"
  | "socket"
  | "lock"
  | "timer"
  | "dynptr"
  | "kptr"
  | "function"
  | "btf"
  | "scalar";

/**
 * What r0 holds after the call: `scalar` an unsigned 64-bit number; `status` a signed number, negative for an error; `verdict`
 * an XDP verdict (for redirect: XDP_REDIRECT, or the lower bits of flags on failure); `valueOrNull` a pointer to a map's value or 0;
 * `memoryOrNull` a pointer to as many bytes as the `constSize` argument says, or 0; `socketOrNull`, `btfOrNull`, `btf` kernel
 * objects; `nothing` undefined (r0 reads as 0); `never` doesn't come back on success.
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
  /** Pointers to packet data are invalid after the call and data, data_end and data_meta must be read again. */
  readonly changesPacket: boolean;
  /** The first kernel release in which an XDP program may call it. */
  readonly since: string;
  /** Where the facts come from. */
  readonly source: string;
}

type Row = readonly [
  id: number,
  since: string,
  args: readonly ArgKind[],
  result: ResultKind,
  traits?: readonly ("gpl" | "changesPacket")[],
];

const rows = {
  map_lookup_elem: [1, "4.8", ["map", "key"], "valueOrNull"],
  map_update_elem: [2, "4.8", ["map", "key", "value", "scalar"], "status"],
  map_delete_elem: [3, "4.8", ["map", "key"], "status"],
  ktime_get_ns: [5, "4.8", [], "scalar"],
  trace_printk: [6, "4.8", ["memory", "size", "scalar", "scalar", "scalar"], "status", ["gpl"]],
  get_prandom_u32: [7, "4.8", [], "scalar"],
  get_smp_processor_id: [8, "4.8", [], "scalar"],
  tail_call: [12, "4.8", ["ctx", "map", "scalar"], "never"],
  redirect: [23, "4.14", ["scalar", "scalar"], "verdict"],
  perf_event_output: [25, "4.8", ["ctx", "map", "scalar", "memory", "sizeOrZero"], "status", ["gpl"]],
  csum_diff: [28, "4.16", ["memoryOrNull", "sizeOrZero", "memoryOrNull", "sizeOrZero", "scalar"], "status"],
  xdp_adjust_head: [44, "4.10", ["ctx", "scalar"], "status", ["changesPacket"]],
  redirect_map: [51, "4.14", ["map", "scalar", "scalar"], "verdict"],
} as const satisfies Record<string, Row>;

const uapi = "include/uapi/linux/bpf.h";

/** Every helper an XDP program may call, by number. */
export const helpers: readonly Helper[] = Object.entries<Row>(rows).map(
  ([name, [id, since, args, result, traits = []]]) => ({
    name,
    id,
    args,
    result,
    gplOnly: traits.includes("gpl"),
    changesPacket: traits.includes("changesPacket"),
    since,
    source: uapi,
  }),
);

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
