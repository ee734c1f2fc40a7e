// Makes a map from its description, or says why the kernel would make none: the checks of bpf(BPF_MAP_CREATE) for all kinds XDP has a
// use for. What libbpf fills in beforehand (the size of a perf_event_array without one) is filled in here too. One class for each kind.
// Source: Linux kernel/bpf: the map_alloc_check and map_alloc functions of each kind; libbpf src/libbpf.c, bpf_object__create_map.

import { assertNever } from "../../base/assert.ts";
import type { ImageMap } from "../../bpf/image.ts";
import type { MapKind } from "../../bpf/maps.ts";
import { mapFlags, mapKindByNumber, mapKindInfo } from "../../bpf/maps.ts";
import { errno } from "../errno.ts";
import { ArrayMap, PercpuArrayMap } from "./array.ts";
import { BloomFilterMap } from "./bloom-filter.ts";
import { ArrayOfMaps, HashOfMaps, PerfEventArrayMap, ProgramArrayMap } from "./handle-maps.ts";
import { HashMap, PercpuHashMap } from "./hash.ts";
import { LpmTrieMap } from "./lpm-trie.ts";
import type { MachineMap, MapHost } from "./map.ts";
import { roundUp8 } from "./map.ts";
import { QueueStackMap } from "./queue-stack.ts";
import { CpuMap, DeviceMap, SocketMap } from "./redirect-maps.ts";
import { RingbufMap } from "./ringbuf.ts";

/** Why no map was made: a negative error number as the kernel gives it, and the reason in words. */
export interface MapRefusal {
  readonly errno: number;
  readonly reason: string;
}

/** Creation flags beyond those of bpf/maps.ts. **Source:** Linux include/uapi/linux/bpf.h. */
const flag = { ...mapFlags, numaNode: 1 << 2, zeroSeed: 1 << 6, preserveElems: 1 << 11, innerMap: 1 << 12 } as const;
const programAccess = flag.rdonlyProg | flag.wronlyProg;
/** Read-only or write-only for user space (BPF_F_RDONLY, BPF_F_WRONLY). */
const userAccess = (1 << 3) | (1 << 4);
const access = programAccess | userAccess;

/** The most bytes of a kernel allocation (KMALLOC_MAX_SIZE with pages of 4 KiB) and of a per-CPU one. */
const mostAllocatedBytes = 1 << 22;
const mostPercpuBytes = 32 << 10;
const pageBytes = 4096;
const mostLpmBytes = 256;
/** What a node of the trie leaves of an allocation. */
const mostLpmValueBytes = mostAllocatedBytes - mostLpmBytes - 40;
/** NR_CPUS of common kernels. */
const mostCpus = 8192;

const allowed: Readonly<Record<MapKind, number>> = {
  hash: flag.noPrealloc | flag.numaNode | flag.zeroSeed | access,
  percpu_hash: flag.noPrealloc | flag.numaNode | flag.zeroSeed | access,
  lru_hash: flag.noPrealloc | flag.noCommonLru | flag.numaNode | flag.zeroSeed | access,
  lru_percpu_hash: flag.noPrealloc | flag.noCommonLru | flag.numaNode | flag.zeroSeed | access,
  hash_of_maps: flag.noPrealloc | flag.numaNode | flag.zeroSeed | access,
  array: flag.numaNode | flag.mmapable | flag.innerMap | access,
  percpu_array: access,
  prog_array: flag.numaNode | userAccess,
  perf_event_array: flag.numaNode | flag.preserveElems | userAccess,
  array_of_maps: flag.numaNode | userAccess,
  lpm_trie: flag.noPrealloc | flag.numaNode | access,
  devmap: flag.numaNode | userAccess,
  devmap_hash: flag.numaNode | userAccess,
  cpumap: flag.numaNode,
  xskmap: flag.numaNode | userAccess,
  queue: flag.numaNode | access,
  stack: flag.numaNode | access,
  ringbuf: flag.numaNode,
  bloom_filter: flag.numaNode | flag.zeroSeed | access,
};

/** Makes the map that `image` describes, empty, or says why there can be none. */
export function createMap(image: ImageMap, host: MapHost): MachineMap | MapRefusal {
  const kind = mapKindByNumber(image.type);
  if (kind === null) return refuse(errno.EINVAL, `map type ${image.type} is none that XDP programs use`);
  const libbpfDefault = kind === "perf_event_array" && image.maxEntries === 0;
  const filled = libbpfDefault ? { ...image, maxEntries: host.cpus } : image;
  return refusal(filled, kind) ?? make(filled, kind, host);
}

function refuse(number: number, reason: string): MapRefusal {
  return { errno: -number, reason };
}

/** Why the kernel refuses a map; null when it doesn't. */
function refusal(image: ImageMap, kind: MapKind): MapRefusal | null {
  const { keyBytes, valueBytes, maxEntries, flags } = image;
  const row = mapKindInfo(kind);
  // The one kind that looks at this first.
  if (kind === "bloom_filter" && valueBytes > mostAllocatedBytes) return tooBig(image, kind);
  const unknown = flags & ~allowed[kind];
  if (unknown !== 0) return refuse(errno.EINVAL, `flags 0x${(unknown >>> 0).toString(16)} aren't for this type`);
  if ((flags & programAccess) === programAccess)
    return refuse(errno.EINVAL, "BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG exclude each other");
  if ((flags & userAccess) === userAccess)
    return refuse(errno.EINVAL, "BPF_F_RDONLY and BPF_F_WRONLY exclude each other");
  if (row.lru && (flags & flag.noPrealloc) !== 0) return refuse(errno.ENOTSUPP, "LRU maps are always preallocated");
  const manyNodes = row.perCpu || (flags & flag.noCommonLru) !== 0;
  if (manyNodes && (flags & flag.numaNode) !== 0) return refuse(errno.EINVAL, "per-CPU memory has no node of its own");
  if (maxEntries === 0) return refuse(errno.EINVAL, "max_entries is 0");
  if ((flags & row.requiredFlags) !== row.requiredFlags) return refuse(errno.EINVAL, "BPF_F_NO_PREALLOC is required");
  const keyFits = { any: keyBytes > 0, u32Index: keyBytes === 4, u32Handle: keyBytes === 4, none: keyBytes === 0 };
  const lpmFits = keyBytes > 4 && keyBytes <= 4 + mostLpmBytes;
  if (!(row.key === "lpm" ? lpmFits : keyFits[row.key])) return refuse(errno.EINVAL, `a key has ${keyBytes} bytes`);
  const valueFits = {
    any: valueBytes > 0,
    fixed: row.valueSizes.some(({ bytes }) => bytes === valueBytes),
    none: valueBytes === 0,
  };
  if (!valueFits[row.value]) return refuse(errno.EINVAL, `a value has ${valueBytes} bytes`);
  return tooBig(image, kind) ?? refusalOfKind(image, kind);
}

function tooBig({ keyBytes, valueBytes, maxEntries }: ImageMap, kind: MapKind): MapRefusal | null {
  const row = mapKindInfo(kind);
  const reason = `a value has ${valueBytes} bytes`;
  if (row.perCpu && roundUp8(valueBytes) > mostPercpuBytes) return refuse(errno.E2BIG, reason);
  // Arrays may be larger in the kernel, as far as its memory goes; a region of the machine's may not.
  if (kind === "lpm_trie" && valueBytes > mostLpmValueBytes) return refuse(errno.EINVAL, reason);
  if (valueBytes > (kind === "array" ? 1 << 28 : mostAllocatedBytes)) return refuse(errno.E2BIG, reason);
  if (row.key === "any" && keyBytes + valueBytes >= mostAllocatedBytes - 64)
    return refuse(errno.E2BIG, `key and value have ${keyBytes + valueBytes} bytes`);
  if ((kind === "queue" || kind === "stack") && maxEntries >= Math.floor(0xffffffff / valueBytes))
    return refuse(errno.E2BIG, `${maxEntries} values of ${valueBytes} bytes`);
  if (kind === "cpumap" && maxEntries > mostCpus) return refuse(errno.E2BIG, `${maxEntries} CPUs`);
  return null;
}

function refusalOfKind({ maxEntries, inner }: ImageMap, kind: MapKind): MapRefusal | null {
  if (kind === "ringbuf" && (maxEntries % pageBytes !== 0 || !Number.isInteger(Math.log2(maxEntries))))
    return refuse(errno.EINVAL, `${maxEntries} bytes aren't a power of two and whole pages`);
  if (!mapKindInfo(kind).ofMaps) return null;
  if (inner === null) return refuse(errno.EBADF, "there is no template of its inner maps");
  const innerKind = mapKindByNumber(inner.type);
  if (innerKind === null) return refuse(errno.EINVAL, `inner map type ${inner.type} is none that XDP programs use`);
  if (mapKindInfo(innerKind).ofMaps) return refuse(errno.EINVAL, "inner maps can't be maps of maps");
  if (innerKind === "prog_array") return refuse(errno.ENOTSUPP, "inner maps can't be prog_arrays");
  const refused = refusal(inner, innerKind);
  return refused === null ? null : { errno: refused.errno, reason: `inner map: ${refused.reason}` };
}

function make(image: ImageMap, kind: MapKind, host: MapHost): MachineMap {
  switch (kind) {
    case "hash":
    case "lru_hash":
      return new HashMap(image, kind, host);
    case "percpu_hash":
    case "lru_percpu_hash":
      return new PercpuHashMap(image, kind, host);
    case "array":
      return new ArrayMap(image, host);
    case "percpu_array":
      return new PercpuArrayMap(image, host);
    case "lpm_trie":
      return new LpmTrieMap(image, host);
    case "prog_array":
      return new ProgramArrayMap(image, host);
    case "perf_event_array":
      return new PerfEventArrayMap(image, host);
    case "array_of_maps":
      return new ArrayOfMaps(image, host);
    case "hash_of_maps":
      return new HashOfMaps(image, host);
    case "devmap":
    case "devmap_hash":
      return new DeviceMap(image, kind, host);
    case "cpumap":
      return new CpuMap(image, host);
    case "xskmap":
      return new SocketMap(image, host);
    case "queue":
    case "stack":
      return new QueueStackMap(image, kind, host);
    case "ringbuf":
      return new RingbufMap(image, host);
    case "bloom_filter":
      return new BloomFilterMap(image, host);
    default:
      return assertNever(kind, "map kind");
  }
}
