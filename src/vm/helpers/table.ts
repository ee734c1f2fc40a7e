// The machine's helpers by number: one row for each that it has, and for each other helper that XDP programs may call a fault that names
// it. Kernel functions likewise: the machine has none. Knows what helpers are called, not what they do.

import type { HelperName } from "../../bpf/helpers.ts";
import { helpers } from "../../bpf/helpers.ts";
import { MachineFault } from "../fault.ts";
import type { HelperFunction, HelperTable } from "../helper-call.ts";
import { Network } from "../network.ts";
import { checkMtu, fibLookup, noSocket } from "./fib.ts";
import * as maps from "./maps.ts";
import * as output from "./output.ts";
import * as packet from "./packet.ts";
import * as redirect from "./redirect.ts";
import * as surroundings from "./surroundings.ts";
import * as text from "./text.ts";

/** The helpers the machine has. */
function rows(network: Network): Readonly<Partial<Record<HelperName, HelperFunction>>> {
  return {
    map_lookup_elem: maps.mapLookup,
    map_update_elem: maps.mapUpdate,
    map_delete_elem: maps.mapDelete,
    map_push_elem: maps.mapPush,
    map_pop_elem: maps.mapPop,
    map_peek_elem: maps.mapPeek,
    map_lookup_percpu_elem: maps.mapLookupPercpu,
    for_each_map_elem: maps.forEachMapElem,
    spin_lock: maps.spinLock,
    spin_unlock: maps.spinLock,
    redirect: redirect.redirect,
    redirect_map: redirect.redirectMap,
    tail_call: redirect.tailCall,
    xdp_adjust_head: packet.adjustHead,
    xdp_adjust_tail: packet.adjustTail,
    xdp_adjust_meta: packet.adjustMeta,
    xdp_get_buff_len: packet.getBuffLen,
    xdp_load_bytes: packet.loadBytes,
    xdp_store_bytes: packet.storeBytes,
    csum_diff: packet.csumDiff,
    fib_lookup: fibLookup(network),
    check_mtu: checkMtu(network),
    sk_lookup_tcp: noSocket,
    sk_lookup_udp: noSocket,
    skc_lookup_tcp: noSocket,
    perf_event_output: output.perfEventOutput,
    ringbuf_output: output.ringbufOutput,
    ringbuf_reserve: output.ringbufReserve,
    ringbuf_submit: output.ringbufSubmit,
    ringbuf_discard: output.ringbufDiscard,
    ringbuf_query: output.ringbufQuery,
    trace_printk: text.tracePrintk,
    trace_vprintk: text.traceVprintk,
    snprintf: text.snprintf,
    strtol: text.strtol,
    strtoul: text.strtoul,
    strncmp: text.strncmp,
    loop: surroundings.loop,
    ktime_get_ns: surroundings.monotonic,
    ktime_get_coarse_ns: surroundings.monotonic,
    ktime_get_boot_ns: surroundings.boot,
    ktime_get_tai_ns: surroundings.tai,
    jiffies64: surroundings.jiffies,
    get_prandom_u32: surroundings.random,
    get_smp_processor_id: surroundings.cpu,
    get_numa_node_id: surroundings.zero,
    get_current_pid_tgid: surroundings.zero,
    get_current_uid_gid: surroundings.zero,
    get_current_task: surroundings.zero,
    get_cgroup_classid: surroundings.zero,
    get_current_comm: surroundings.comm,
    get_current_cgroup_id: surroundings.cgroup,
    get_current_ancestor_cgroup_id: surroundings.ancestorCgroup,
    probe_read_kernel: surroundings.probeReadKernel,
    probe_read_kernel_str: surroundings.probeReadKernelString,
    probe_read_user: surroundings.probeFails,
    probe_read_user_str: surroundings.probeFails,
  };
}

/** The names of the helpers the machine has, without `bpf_`. */
export const implementedHelpers: readonly string[] = Object.keys(rows(new Network())).sort();

/** All helpers XDP programs may call; those the machine doesn't have throw MachineFault when called. */
export function helperTable(network: Network): HelperTable {
  const known = rows(network) as Readonly<Record<string, HelperFunction | undefined>>;
  return new Map(helpers.map(({ id, name }) => [id, known[name] ?? missing(name)]));
}

function missing(name: string): HelperFunction {
  return () => {
    throw new MachineFault("helper", `the machine doesn't have helper bpf_${name}`);
  };
}
