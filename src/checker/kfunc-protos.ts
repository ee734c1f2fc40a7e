// Kernel functions (kfuncs) by name: those whose calls are modelled, with their arguments; those XDP programs may call that aren't
// modelled; those no XDP program may call. Read by kfuncs.ts.
// Source: Linux 6.18: BTF_KFUNCS_START lists in kernel/bpf/helpers.c, net/core/filter.c, net/core/xdp.c, net/netfilter/; each
// function's C prototype, whose parameters' names tell the verifier what they are (__uninit, __opt, __szk, __k, __ign).

/**
 * A parameter: the context, a number, a dynptr that is there (`dynptr`) or that is made (`newDynptr`), memory whose size is the
 * next parameter and that may be null (`bufferOrNull`), that size, a constant (`constantSize`), an iterator over numbers that is
 * there (`iterator`) or that is made (`newIterator`), a kernel object (of type `object`), anything (`ignored`).
 */
export type KfuncParameter =
  | "ctx"
  | "scalar"
  | "dynptr"
  | "newDynptr"
  | "bufferOrNull"
  | "constantSize"
  | "iterator"
  | "newIterator"
  | "object"
  | "ignored";

/** A kernel function whose calls are modelled. */
export interface KfuncProto {
  readonly parameters: readonly KfuncParameter[];
  /**
   * r0: a number, nothing, or a slice of the dynptr that may only be read (`slice`) or also written (`writableSlice`), or null;
   * the iterator's next number, or null (`next`); a kernel object that must be given back (of type `object`), or null (`acquired`).
   */
  readonly result: "scalar" | "nothing" | "slice" | "writableSlice" | "next" | "acquired";
  /** The kernel type of an object that is taken or given. */
  readonly object?: string;
  /** The object that is taken is given back, so that it must have been acquired. */
  readonly releases?: boolean;
  /** The kind of dynptr that is made; null for that of the dynptr that is given (copies). */
  readonly makes?: string;
  /** Pointers to packet data are invalid after the call. */
  readonly changesPacket?: boolean;
}

/** The modelled functions by name. */
export const kfuncProtos: ReadonlyMap<string, KfuncProto> = new Map<string, KfuncProto>([
  ["bpf_dynptr_from_xdp", { parameters: ["ctx", "scalar", "newDynptr"], result: "scalar", makes: "xdp" }],
  ["bpf_dynptr_slice", { parameters: ["dynptr", "scalar", "bufferOrNull", "constantSize"], result: "slice" }],
  [
    "bpf_dynptr_slice_rdwr",
    { parameters: ["dynptr", "scalar", "bufferOrNull", "constantSize"], result: "writableSlice" },
  ],
  ["bpf_dynptr_adjust", { parameters: ["dynptr", "scalar", "scalar"], result: "scalar" }],
  ["bpf_dynptr_is_null", { parameters: ["dynptr"], result: "scalar" }],
  ["bpf_dynptr_is_rdonly", { parameters: ["dynptr"], result: "scalar" }],
  ["bpf_dynptr_size", { parameters: ["dynptr"], result: "scalar" }],
  ["bpf_dynptr_clone", { parameters: ["dynptr", "newDynptr"], result: "scalar" }],
  ["bpf_dynptr_copy", { parameters: ["dynptr", "scalar", "dynptr", "scalar", "scalar"], result: "scalar" }],
  ["bpf_dynptr_memset", { parameters: ["dynptr", "scalar", "scalar", "scalar"], result: "scalar" }],
  ["bpf_xdp_pull_data", { parameters: ["ctx", "scalar"], result: "scalar", changesPacket: true }],
  ["bpf_iter_num_new", { parameters: ["newIterator", "scalar", "scalar"], result: "scalar" }],
  ["bpf_iter_num_next", { parameters: ["iterator"], result: "next" }],
  ["bpf_iter_num_destroy", { parameters: ["iterator"], result: "nothing" }],
  ["bpf_task_from_pid", { parameters: ["scalar"], result: "acquired", object: "task_struct" }],
  ["bpf_task_from_vpid", { parameters: ["scalar"], result: "acquired", object: "task_struct" }],
  ["bpf_task_acquire", { parameters: ["object"], result: "acquired", object: "task_struct" }],
  ["bpf_task_release", { parameters: ["object"], result: "nothing", object: "task_struct", releases: true }],
  ["bpf_lookup_system_key", { parameters: ["scalar"], result: "acquired", object: "bpf_key" }],
  ["bpf_key_put", { parameters: ["object"], result: "nothing", object: "bpf_key", releases: true }],
  ["bpf_strcmp", { parameters: ["ignored", "ignored"], result: "scalar" }],
  ["bpf_strcasecmp", { parameters: ["ignored", "ignored"], result: "scalar" }],
  ["bpf_strlen", { parameters: ["ignored"], result: "scalar" }],
  ["bpf_strnlen", { parameters: ["ignored", "scalar"], result: "scalar" }],
  ["bpf_strchr", { parameters: ["ignored", "scalar"], result: "scalar" }],
  ["bpf_strchrnul", { parameters: ["ignored", "scalar"], result: "scalar" }],
  ["bpf_strrchr", { parameters: ["ignored", "scalar"], result: "scalar" }],
  ["bpf_strnchr", { parameters: ["ignored", "scalar", "scalar"], result: "scalar" }],
  ["bpf_strspn", { parameters: ["ignored", "ignored"], result: "scalar" }],
  ["bpf_strcspn", { parameters: ["ignored", "ignored"], result: "scalar" }],
  ["bpf_strstr", { parameters: ["ignored", "ignored"], result: "scalar" }],
  ["bpf_strnstr", { parameters: ["ignored", "ignored", "scalar"], result: "scalar" }],
  ["bpf_rcu_read_lock", { parameters: [], result: "nothing" }],
  ["bpf_rcu_read_unlock", { parameters: [], result: "nothing" }],
  ["bpf_preempt_disable", { parameters: [], result: "nothing" }],
  ["bpf_preempt_enable", { parameters: [], result: "nothing" }],
]);

/** Beginnings of names of functions that XDP programs may call, or might where modules bring them: not modelled. */
const notModelled: readonly string[] = [
  "bpf_iter_bits_",
  "bpf_iter_task_",
  "bpf_iter_css_new",
  "bpf_iter_css_next",
  "bpf_iter_css_destroy",
  "bpf_iter_css_task_",
  "bpf_cast_to_kern_ctx",
  "bpf_rdonly_cast",
  "bpf_obj_",
  "bpf_percpu_obj_",
  "bpf_refcount_acquire",
  "bpf_list_",
  "bpf_rbtree_",
  "bpf_task_get_cgroup1",
  "bpf_task_under_cgroup",
  "bpf_task_work_",
  "bpf_cgroup_",
  "bpf_throw",
  "bpf_wq_",
  "bpf_res_spin_",
  "bpf_local_irq_",
  "bpf_map_sum_elem_count",
  "bpf_get_kmem_cache",
  "bpf_probe_read_",
  "bpf_send_signal_task",
  "bpf_stream_",
  "bpf_crypto_encrypt",
  "bpf_crypto_decrypt",
  "bpf_verify_pkcs7_signature",
  "bpf_modify_return_test_tp",
  "bpf_xdp_ct_",
  "bpf_skb_ct_",
  "bpf_ct_",
  "bpf_xdp_get_xfrm_state",
  "bpf_xdp_xfrm_state_release",
  "bpf_xdp_flow_lookup",
];

/** Beginnings of names of functions that may sleep, which no XDP program may, or that only programs of one device may call. */
const neverAllowed: readonly string[] = [
  "__bpf_trap",
  "bpf_arena_",
  "bpf_copy_from_user_",
  "bpf_iter_dmabuf_",
  "bpf_iter_kmem_cache_",
  "bpf_lookup_user_key",
  "bpf_xdp_metadata_rx_",
];

/** What is known of a kernel function: that it isn't modelled, or that XDP programs can't call it (most of the kernel's). */
export function kfuncStanding(name: string): "notModelled" | "notForXdp" {
  const begins = (beginning: string): boolean => name.startsWith(beginning);
  return !neverAllowed.some(begins) && notModelled.some(begins) ? "notModelled" : "notForXdp";
}
