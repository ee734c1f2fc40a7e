// Which helpers go with which kinds of map: some kinds are only for certain helpers, some helpers only for certain kinds.
// Source: Linux kernel/bpf/verifier.c (check_map_func_compatibility, record_func_map, 6.18); include/uapi/linux/bpf.h.

import type { HelperName } from "../bpf/helpers.ts";
import type { ImageMap } from "../bpf/image.ts";
import { mapKinds } from "../bpf/maps.ts";
import { programsMayWrite } from "./map-values.ts";
import { refuse } from "./verdict.ts";

/** Kinds of map that XDP has little use for, but that a program may name. **Source:** enum bpf_map_type. */
export const otherMapTypes = {
  stackTrace: 7,
  cgroupArray: 8,
  sockmap: 15,
  sockhash: 18,
  cgroupStorage: 19,
  reuseportSockarray: 20,
  percpuCgroupStorage: 21,
  skStorage: 24,
  structOps: 26,
  inodeStorage: 28,
  taskStorage: 29,
  userRingbuf: 31,
  cgrpStorage: 32,
  arena: 33,
} as const;

const perf = ["perf_event_read", "perf_event_output", "perf_event_read_value"] as const;
const ring = [
  "ringbuf_output",
  "ringbuf_reserve",
  "ringbuf_query",
  "ringbuf_reserve_dynptr",
  "ringbuf_submit_dynptr",
  "ringbuf_discard_dynptr",
] as const;
const queue = ["map_peek_elem", "map_pop_elem", "map_push_elem"] as const;
const redirectable = ["redirect_map", "map_lookup_elem"] as const;
const sockets = ["map_lookup_elem", "map_update_elem", "map_delete_elem"] as const;

/** By type: the only helpers that take such a map. Types that aren't here go with any helper that doesn't ask for another. */
const helpersOfMap: ReadonlyMap<number, readonly HelperName[]> = new Map<number, readonly HelperName[]>([
  [mapKinds.prog_array.number, ["tail_call"]],
  [mapKinds.perf_event_array.number, perf],
  [mapKinds.ringbuf.number, ring],
  [otherMapTypes.userRingbuf, ["user_ringbuf_drain"]],
  [otherMapTypes.stackTrace, []],
  [otherMapTypes.cgroupArray, ["current_task_under_cgroup"]],
  [otherMapTypes.cgroupStorage, []],
  [otherMapTypes.percpuCgroupStorage, []],
  [mapKinds.devmap.number, redirectable],
  [mapKinds.devmap_hash.number, redirectable],
  [mapKinds.cpumap.number, ["redirect_map"]],
  [mapKinds.xskmap.number, redirectable],
  [mapKinds.array_of_maps.number, ["map_lookup_elem"]],
  [mapKinds.hash_of_maps.number, ["map_lookup_elem"]],
  [otherMapTypes.sockmap, sockets],
  [otherMapTypes.sockhash, sockets],
  [otherMapTypes.reuseportSockarray, []],
  [mapKinds.queue.number, queue],
  [mapKinds.stack.number, queue],
  [otherMapTypes.skStorage, ["kptr_xchg"]],
  [otherMapTypes.inodeStorage, ["kptr_xchg"]],
  [otherMapTypes.taskStorage, ["task_storage_get", "task_storage_delete", "kptr_xchg"]],
  [otherMapTypes.cgrpStorage, ["cgrp_storage_get", "cgrp_storage_delete", "kptr_xchg"]],
  [mapKinds.bloom_filter.number, ["map_peek_elem", "map_push_elem"]],
]);

const perCpuArrays = [mapKinds.percpu_array.number, mapKinds.percpu_hash.number, mapKinds.lru_percpu_hash.number];
const queues = [mapKinds.queue.number, mapKinds.stack.number];
const redirects = [mapKinds.devmap.number, mapKinds.devmap_hash.number, mapKinds.cpumap.number, mapKinds.xskmap.number];
const each = (names: readonly HelperName[], types: readonly number[]): [HelperName, readonly number[]][] =>
  names.map((name) => [name, types]);

/** By helper: the only types it takes. Helpers that aren't here take any that doesn't ask for others. */
const mapsOfHelper: ReadonlyMap<string, readonly number[]> = new Map<string, readonly number[]>([
  ["tail_call", [mapKinds.prog_array.number]],
  ...each(perf, [mapKinds.perf_event_array.number]),
  ...each(ring, [mapKinds.ringbuf.number]),
  ["user_ringbuf_drain", [otherMapTypes.userRingbuf]],
  ["current_task_under_cgroup", [otherMapTypes.cgroupArray]],
  ["redirect_map", redirects],
  ["map_pop_elem", queues],
  ["map_peek_elem", [...queues, mapKinds.bloom_filter.number]],
  ["map_push_elem", [...queues, mapKinds.bloom_filter.number]],
  ["map_lookup_percpu_elem", perCpuArrays],
  ...each(["task_storage_get", "task_storage_delete"], [otherMapTypes.taskStorage]),
  ...each(["cgrp_storage_get", "cgrp_storage_delete"], [otherMapTypes.cgrpStorage]),
]);

const writing: ReadonlySet<string> = new Set([
  "map_delete_elem",
  "map_update_elem",
  "map_push_elem",
  "map_pop_elem",
] satisfies HelperName[]);

/** Refuses a helper (named without `bpf_`) that doesn't go with the map, or that would change a map programs may only read. */
export function checkMapForHelper(helper: string, map: ImageMap): void {
  if (writing.has(helper) && !programsMayWrite(map)) refuse({ kind: "readOnlyMap", helper, map });
  const allowed = helpersOfMap.get(map.type);
  const wanted = mapsOfHelper.get(helper);
  if (
    (allowed !== undefined && !allowed.some((name) => name === helper)) ||
    (wanted !== undefined && !wanted.includes(map.type))
  )
    refuse({ kind: "mapNotForHelper", helper, map });
}

/** The kinds whose entries a callback can visit (`bpf_for_each_map_elem`). */
export const visitableMaps: ReadonlySet<number> = new Set([
  mapKinds.hash.number,
  mapKinds.array.number,
  mapKinds.percpu_hash.number,
  mapKinds.percpu_array.number,
  mapKinds.lru_hash.number,
  mapKinds.lru_percpu_hash.number,
]);
