// Whether the kernel makes a map at all: sizes, numbers of entries and flags that each type demands. An object one of whose maps
// is refused doesn't load, whatever its programs do. Memory that the machine may lack isn't judged.
// Source: Linux 6.18: kernel/bpf/syscall.c (map_create, map_check_btf), the map_alloc_check and map_alloc functions of
// kernel/bpf/{arraymap,hashtab,lpm_trie,devmap,cpumap,queue_stack_maps,ringbuf,bloom_filter,stackmap}.c, net/xdp/xskmap.c.

import type { ImageMap, SpecialField } from "../bpf/image.ts";
import { mapFlags, mapKinds } from "../bpf/maps.ts";
import type { CallFault } from "./call-fault.ts";
import { otherMapTypes } from "./helper-maps.ts";

/** What is wrong with a map. */
export type MapFault = Extract<CallFault, { readonly kind: "mapCreation" }>;

/** Flags that maps.ts doesn't name. **Source:** include/uapi/linux/bpf.h, "flags for BPF_MAP_CREATE command". */
const flag = {
  ...mapFlags,
  numaNode: 1 << 2,
  rdonly: 1 << 3,
  wronly: 1 << 4,
  stackBuildId: 1 << 5,
  zeroSeed: 1 << 6,
  preserveElems: 1 << 11,
  innerMap: 1 << 12,
} as const;

const fileAccess = flag.rdonly | flag.wronly;
const programAccess = flag.rdonlyProg | flag.wronlyProg;
const access = fileAccess | programAccess;

/** **Source:** KMALLOC_MAX_SIZE on x86-64: an order-10 block of 4 KiB pages. */
const greatestBlock = 1 << 22;
/** **Source:** PCPU_MIN_UNIT_SIZE: what the values of one CPU may take. */
const greatestPerCpu = 32 << 10;
/** **Source:** sizeof(struct htab_elem). */
const hashEntryBytes = 48;
const pageBytes = 4096;
/** As many CPUs as x86-64 kernels can be built for (NR_CPUS); many are built for fewer. */
const mostCpus = 8192;
const u32Max = 0xffff_ffff;
const lpmPrefixBytes = 4;
const lpmDataBytes = 256;
/** **Source:** sizeof(struct lpm_trie_node). */
const lpmNodeBytes = 40;

type Why = MapFault["why"];
/** A rule: what is wrong, and whether it is. */
type Rule = readonly [Why, boolean];

/** Null when the kernel makes the map (memory permitting) or the type isn't known here; else the first rule it breaks. */
export function checkMap(map: ImageMap): MapFault | null {
  const why = firstBroken(rulesOf(map)) ?? firstBroken(fieldRules(map));
  return why === null ? null : { kind: "mapCreation", map, why };
}

function firstBroken(rules: readonly Rule[]): Why | null {
  return rules.find(([, broken]) => broken)?.[0] ?? null;
}

function rulesOf(map: ImageMap): readonly Rule[] {
  const common: Rule[] = [
    ["flags", (map.flags & fileAccess) === fileAccess],
    ["flags", (map.flags & programAccess) === programAccess],
  ];
  return [...common, ...typeRules(map)];
}

function typeRules(map: ImageMap): readonly Rule[] {
  const { type } = map;
  switch (type) {
    case mapKinds.array.number:
    case mapKinds.percpu_array.number:
      return arrayRules(map);
    case mapKinds.prog_array.number:
    case mapKinds.perf_event_array.number:
    case otherMapTypes.cgroupArray:
      return handleArrayRules(map);
    case mapKinds.array_of_maps.number:
      return [...handleArrayRules(map), ...innerRules(map)];
    case mapKinds.hash.number:
    case mapKinds.percpu_hash.number:
    case mapKinds.lru_hash.number:
    case mapKinds.lru_percpu_hash.number:
      return hashRules(map);
    case mapKinds.hash_of_maps.number:
      return [["valueSize", map.valueBytes !== 4], ...hashRules(map), ...innerRules(map)];
    case mapKinds.lpm_trie.number:
      return trieRules(map);
    case mapKinds.devmap.number:
    case mapKinds.devmap_hash.number:
      return deviceRules(map, type === mapKinds.devmap_hash.number);
    case mapKinds.cpumap.number:
      return cpuRules(map);
    case mapKinds.xskmap.number:
      return [...numbered(map), ["valueSize", map.valueBytes !== 4], only(map, flag.numaNode | fileAccess)];
    case mapKinds.queue.number:
    case mapKinds.stack.number:
      return queueRules(map);
    case mapKinds.ringbuf.number:
    case otherMapTypes.userRingbuf:
      return ringRules(map);
    case mapKinds.bloom_filter.number:
      return bloomRules(map);
    default:
      return [];
  }
}

function only(map: ImageMap, allowed: number): Rule {
  return ["flags", (map.flags & ~allowed) !== 0];
}

/** Keys of 4 bytes, at least one entry. */
function numbered(map: ImageMap): readonly Rule[] {
  return [
    ["entries", map.maxEntries === 0],
    ["keySize", map.keyBytes !== 4],
  ];
}

function roundUp8(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

function arrayRules(map: ImageMap): readonly Rule[] {
  const perCpu = map.type === mapKinds.percpu_array.number;
  const plain = map.type === mapKinds.array.number;
  const perf = map.type === mapKinds.perf_event_array.number;
  return [
    // Loaders give an array of perf events without a size as many entries as there are CPUs.
    ["entries", map.maxEntries === 0 && !perf],
    ["keySize", map.keyBytes !== 4],
    ["valueSize", map.valueBytes === 0],
    only(map, flag.numaNode | flag.mmapable | access | flag.preserveElems | flag.innerMap),
    ["flags", perCpu && (map.flags & flag.numaNode) !== 0],
    ["flags", !plain && (map.flags & (flag.mmapable | flag.innerMap)) !== 0],
    ["flags", !perf && (map.flags & flag.preserveElems) !== 0],
    ["tooBig", map.valueBytes > 0x7fff_ffff],
    ["tooBig", perCpu && roundUp8(map.valueBytes) > greatestPerCpu],
  ];
}

function handleArrayRules(map: ImageMap): readonly Rule[] {
  return [["valueSize", map.valueBytes !== 4], ["flags", (map.flags & programAccess) !== 0], ...arrayRules(map)];
}

function hashRules(map: ImageMap): readonly Rule[] {
  const perCpu = map.type === mapKinds.percpu_hash.number || map.type === mapKinds.lru_percpu_hash.number;
  const lru = map.type === mapKinds.lru_hash.number || map.type === mapKinds.lru_percpu_hash.number;
  const ownLists = (map.flags & flag.noCommonLru) !== 0;
  const numa = (map.flags & flag.numaNode) !== 0;
  return [
    only(map, flag.noPrealloc | flag.noCommonLru | flag.numaNode | access | flag.zeroSeed),
    ["flags", !lru && ownLists],
    ["flags", lru && (map.flags & flag.noPrealloc) !== 0],
    ["flags", numa && (perCpu || ownLists)],
    ["entries", map.maxEntries === 0],
    ["keySize", map.keyBytes === 0],
    ["valueSize", map.valueBytes === 0],
    ["tooBig", map.keyBytes + map.valueBytes >= greatestBlock - hashEntryBytes],
    ["tooBig", perCpu && roundUp8(map.valueBytes) > greatestPerCpu],
    ["tooBig", map.maxEntries > 2 ** 31],
  ];
}

function trieRules(map: ImageMap): readonly Rule[] {
  return [
    ["entries", map.maxEntries === 0],
    ["noPrealloc", (map.flags & flag.noPrealloc) === 0],
    only(map, flag.noPrealloc | flag.numaNode | access),
    ["keySize", map.keyBytes < lpmPrefixBytes + 1 || map.keyBytes > lpmPrefixBytes + lpmDataBytes],
    ["valueSize", map.valueBytes < 1 || map.valueBytes > greatestBlock - lpmDataBytes - lpmNodeBytes],
  ];
}

function deviceRules(map: ImageMap, hashed: boolean): readonly Rule[] {
  return [
    ...numbered(map),
    ["valueSize", map.valueBytes !== 4 && map.valueBytes !== 8],
    only(map, flag.numaNode | fileAccess),
    ["tooBig", hashed && map.maxEntries > 2 ** 31],
  ];
}

function cpuRules(map: ImageMap): readonly Rule[] {
  return [
    ...numbered(map),
    ["valueSize", map.valueBytes !== 4 && map.valueBytes !== 8],
    only(map, flag.numaNode),
    ["tooBig", map.maxEntries > mostCpus],
  ];
}

function queueRules(map: ImageMap): readonly Rule[] {
  return [
    ["entries", map.maxEntries === 0],
    ["keySize", map.keyBytes !== 0],
    ["valueSize", map.valueBytes === 0],
    only(map, flag.numaNode | access),
    ["tooBig", map.valueBytes > greatestBlock],
    ["tooBig", map.maxEntries >= Math.floor(u32Max / map.valueBytes)],
  ];
}

function ringRules(map: ImageMap): readonly Rule[] {
  const powerOfTwo = map.maxEntries !== 0 && Number.isInteger(Math.log2(map.maxEntries));
  return [
    only(map, flag.numaNode),
    ["keySize", map.keyBytes !== 0],
    ["valueSize", map.valueBytes !== 0],
    ["ringSize", !powerOfTwo || map.maxEntries % pageBytes !== 0],
  ];
}

function bloomRules(map: ImageMap): readonly Rule[] {
  return [
    ["tooBig", map.valueBytes > greatestBlock],
    ["keySize", map.keyBytes !== 0],
    ["valueSize", map.valueBytes === 0],
    ["entries", map.maxEntries === 0],
    only(map, flag.numaNode | flag.zeroSeed | access),
  ];
}

/** Types that can't be inside another map: maps of maps, and those bound to the programs that use them. */
const notInner: ReadonlySet<number> = new Set([
  mapKinds.array_of_maps.number,
  mapKinds.hash_of_maps.number,
  mapKinds.prog_array.number,
  otherMapTypes.cgroupStorage,
  otherMapTypes.percpuCgroupStorage,
  otherMapTypes.structOps,
]);

function innerRules({ inner }: ImageMap): readonly Rule[] {
  if (inner === null) return [["noInner", true]];
  return [
    ["inner", notInner.has(inner.type)],
    ["inner", checkMap(inner) !== null],
  ];
}

const {
  hash,
  array,
  lru_hash: lru,
  percpu_hash: perCpuHash,
  lru_percpu_hash: lruPerCpu,
  percpu_array: perCpuArray,
} = mapKinds;
const storages = [
  otherMapTypes.skStorage,
  otherMapTypes.inodeStorage,
  otherMapTypes.taskStorage,
  otherMapTypes.cgrpStorage,
];
const lockable = [hash.number, array.number, otherMapTypes.cgroupStorage, ...storages];
const timed = [hash.number, lru.number, array.number];
const pointing: readonly number[] = [
  ...[hash, perCpuHash, lru, lruPerCpu, array, perCpuArray].map(({ number }) => number),
  ...storages,
];

/** The types whose values may have each kind of special member. */
const homes: Readonly<Record<SpecialField["kind"], readonly number[]>> = {
  spinLock: lockable,
  resSpinLock: lockable,
  timer: timed,
  workqueue: timed,
  taskWork: timed,
  kptrUntrusted: pointing,
  kptr: pointing,
  kptrPercpu: pointing,
  refcount: pointing,
  uptr: [otherMapTypes.taskStorage],
  listHead: timed,
  rbRoot: timed,
  listNode: [],
  rbNode: [],
};

function fieldRules(map: ImageMap): readonly Rule[] {
  if (!map.hasBtf || map.fields.length === 0) return [];
  return [
    ["fieldsReadOnly", (map.flags & programAccess) !== 0],
    ["fields", map.fields.some(({ kind }) => !homes[kind].includes(map.type))],
  ];
}
