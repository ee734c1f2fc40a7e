// The kinds of map an XDP program can use, one row each: what the kernel demands of keys and values, how `.maps` declares
// them and what a program may do with them. The type checker, code generator, VM, checker and ELF writer all read this
// table. Knows nothing of a particular map: that is object.ts.
// Source: Linux include/uapi/linux/bpf.h (enum bpf_map_type); the alloc_check functions in kernel/bpf/*map*.c and net/xdp/xskmap.c;
// check_map_func_compatibility in kernel/bpf/verifier.c.

import { InternalError } from "../base/assert.ts";

/** What a program may do with a map: each is one helper, or one family of helpers (`ringbuf`, `perf`). */
export type MapAccess =
  | "lookup"
  | "update"
  | "delete"
  | "push"
  | "pop"
  | "peek"
  | "redirect"
  | "tailCall"
  | "perf"
  | "ringbuf"
  | "lookupPercpu"
  | "forEach";

/**
 * Rules for a key: `any` bytes; `u32Index` an integer of 4 bytes below max_entries; `u32Handle` 4 bytes of any value that
 * name a slot (an interface index); `lpm` a struct of a u32 prefix length in bits followed by 1 to 256 bytes; `none` no key.
 */
export type KeyRule = "any" | "u32Index" | "u32Handle" | "lpm" | "none";

/**
 * Rules for a value: `any` the user's own type; `fixed` one of the sizes in `valueSizes`; `none` no value.
 */
export type ValueRule = "any" | "fixed" | "none";

/** How `.maps` tells a key or value: `type` a pointer to its BTF type (`key`, `value`); `size` a number (`key_size`, `value_size`); `nothing` no member. */
export type MapDeclaration = "type" | "size" | "nothing";

/** One row of the table. */
export interface MapKindInfo {
  /** The BPF_MAP_TYPE_* number. */
  readonly number: number;
  readonly key: KeyRule;
  readonly value: ValueRule;
  /** How `.maps` gives the key; with `size`, 4 bytes unless the key rule is `any`. */
  readonly keyDeclaredBy: MapDeclaration;
  /** How `.maps` gives the value. */
  readonly valueDeclaredBy: MapDeclaration;
  /** For value rule `fixed`: the sizes in bytes the kernel takes and since when, the richest first; else empty. */
  readonly valueSizes: readonly { readonly bytes: number; readonly since: string }[];
  /** What one entry of max_entries is: an entry, or a byte of a ring (then a power of two and a multiple of the page size). */
  readonly entryUnit: "entry" | "byte";
  /** Each CPU has its own value: user space sees one value per possible CPU, each padded to 8 bytes. */
  readonly perCpu: boolean;
  /** A full map drops its least recently used entries rather than refusing new ones. */
  readonly lru: boolean;
  /** All entries exist from the start, zeroed: a lookup below max_entries never fails and nothing can be deleted. */
  readonly dense: boolean;
  /** Values are other maps: the declaration needs a template of the inner map (`values`). */
  readonly ofMaps: boolean;
  /** BPF_F_* flags without which the kernel refuses the map. */
  readonly requiredFlags: number;
  /** BPF_F_* flags a declaration of ours may add. */
  readonly allowedFlags: number;
  /** What an XDP program may do with it. */
  readonly access: readonly MapAccess[];
  /** The first kernel release that has this kind for XDP programs. */
  readonly since: string;
  /** Where the facts of this row come from. */
  readonly source: string;
}

/**
 * Flags of map creation.
 *
 * **Source:** Linux include/uapi/linux/bpf.h, "flags for BPF_MAP_CREATE command".
 */
export const mapFlags = {
  noPrealloc: 1 << 0,
  noCommonLru: 1 << 1,
  numaNode: 1 << 2,
  rdonly: 1 << 3,
  wronly: 1 << 4,
  zeroSeed: 1 << 6,
  rdonlyProg: 1 << 7,
  wronlyProg: 1 << 8,
  mmapable: 1 << 10,
  preserveElems: 1 << 11,
  innerMap: 1 << 12,
} as const;

const { noPrealloc, noCommonLru, numaNode, rdonly, wronly, zeroSeed } = mapFlags;
const { rdonlyProg, wronlyProg, mmapable, preserveElems, innerMap } = mapFlags;
/** What user space may do with a map, and what programs may. */
const userAccess = rdonly | wronly;
const access = userAccess | rdonlyProg | wronlyProg;
const common = {
  entryUnit: "entry",
  perCpu: false,
  lru: false,
  dense: false,
  ofMaps: false,
  requiredFlags: 0,
} as const;
const ownTypes = {
  key: "any",
  value: "any",
  keyDeclaredBy: "type",
  valueDeclaredBy: "type",
  valueSizes: [],
} as const;
/** Values that hold a file descriptor (or a number standing for one) of 4 bytes, declared by sizes. */
const handle = (since: string) =>
  ({
    value: "fixed",
    keyDeclaredBy: "size",
    valueDeclaredBy: "size",
    valueSizes: [{ bytes: 4, since }],
  }) as const;
const hashAccess = ["lookup", "update", "delete", "forEach"] as const;
const percpuHashAccess = ["lookup", "update", "delete", "lookupPercpu", "forEach"] as const;

/** The table, keyed by the kernel's name (as bpftool and `/sys` spell it). */
export const mapKinds = {
  hash: {
    ...common,
    ...ownTypes,
    number: 1,
    allowedFlags: noPrealloc | numaNode | zeroSeed | access,
    access: hashAccess,
    since: "4.8",
    source: "kernel/bpf/hashtab.c, htab_map_alloc_check; XDP itself is of 4.8",
  },
  array: {
    ...common,
    ...ownTypes,
    number: 2,
    key: "u32Index",
    dense: true,
    allowedFlags: numaNode | mmapable | innerMap | access,
    access: ["lookup", "update", "forEach"],
    since: "4.8",
    source: "kernel/bpf/arraymap.c, array_map_alloc_check, array_map_check_btf (the key is an int of 32 bits)",
  },
  prog_array: {
    ...common,
    ...handle("4.8"),
    number: 3,
    key: "u32Index",
    allowedFlags: numaNode | userAccess,
    access: ["tailCall"],
    since: "4.8",
    source: "kernel/bpf/arraymap.c, fd_array_map_alloc_check",
  },
  perf_event_array: {
    ...common,
    ...handle("4.8"),
    number: 4,
    key: "u32Index",
    allowedFlags: numaNode | preserveElems | userAccess,
    access: ["perf"],
    since: "4.8",
    source: "kernel/bpf/arraymap.c, fd_array_map_alloc_check; net/core/filter.c, xdp_func_proto (4.8)",
  },
  percpu_hash: {
    ...common,
    ...ownTypes,
    number: 5,
    perCpu: true,
    allowedFlags: noPrealloc | zeroSeed | access,
    access: percpuHashAccess,
    since: "4.8",
    source: "kernel/bpf/hashtab.c, htab_map_alloc_check (added in 4.6)",
  },
  percpu_array: {
    ...common,
    ...ownTypes,
    number: 6,
    key: "u32Index",
    perCpu: true,
    dense: true,
    allowedFlags: access,
    access: ["lookup", "update", "lookupPercpu", "forEach"],
    since: "4.8",
    source: "kernel/bpf/arraymap.c, array_map_alloc_check (added in 4.6)",
  },
  hash_of_maps: {
    ...common,
    ...handle("4.12"),
    number: 13,
    key: "any",
    ofMaps: true,
    allowedFlags: noPrealloc | numaNode | zeroSeed | userAccess,
    access: ["lookup"],
    since: "4.12",
    source: "kernel/bpf/hashtab.c, fd_htab_map_alloc_check",
  },
  array_of_maps: {
    ...common,
    ...handle("4.12"),
    number: 12,
    key: "u32Index",
    ofMaps: true,
    allowedFlags: numaNode | userAccess,
    access: ["lookup"],
    since: "4.12",
    source: "kernel/bpf/arraymap.c, array_of_maps_map_ops",
  },
  lru_hash: {
    ...common,
    ...ownTypes,
    number: 9,
    lru: true,
    allowedFlags: noCommonLru | numaNode | zeroSeed | access,
    access: hashAccess,
    since: "4.10",
    source: "kernel/bpf/hashtab.c, htab_map_alloc_check (LRU refuses BPF_F_NO_PREALLOC)",
  },
  lru_percpu_hash: {
    ...common,
    ...ownTypes,
    number: 10,
    perCpu: true,
    lru: true,
    allowedFlags: noCommonLru | zeroSeed | access,
    access: percpuHashAccess,
    since: "4.10",
    source: "kernel/bpf/hashtab.c, htab_map_alloc_check (LRU refuses BPF_F_NO_PREALLOC)",
  },
  lpm_trie: {
    ...common,
    ...ownTypes,
    number: 11,
    key: "lpm",
    requiredFlags: noPrealloc,
    allowedFlags: noPrealloc | numaNode | access,
    access: ["lookup", "update", "delete"],
    since: "4.11",
    source: "kernel/bpf/lpm_trie.c, trie_alloc, trie_check_btf (the key is a struct)",
  },
  devmap: {
    ...common,
    number: 14,
    key: "u32Index",
    value: "fixed",
    keyDeclaredBy: "size",
    valueDeclaredBy: "size",
    valueSizes: [
      { bytes: 8, since: "5.8" },
      { bytes: 4, since: "4.14" },
    ],
    allowedFlags: numaNode | userAccess,
    access: ["lookup", "redirect"],
    since: "4.14",
    source: "kernel/bpf/devmap.c, dev_map_init_map; struct bpf_devmap_val in include/uapi/linux/bpf.h",
  },
  devmap_hash: {
    ...common,
    number: 25,
    key: "u32Handle",
    value: "fixed",
    keyDeclaredBy: "size",
    valueDeclaredBy: "size",
    valueSizes: [
      { bytes: 8, since: "5.8" },
      { bytes: 4, since: "5.4" },
    ],
    allowedFlags: numaNode | userAccess,
    access: ["lookup", "redirect"],
    since: "5.4",
    source: "kernel/bpf/devmap.c, dev_map_init_map; struct bpf_devmap_val in include/uapi/linux/bpf.h",
  },
  cpumap: {
    ...common,
    number: 16,
    key: "u32Index",
    value: "fixed",
    keyDeclaredBy: "size",
    valueDeclaredBy: "size",
    valueSizes: [
      { bytes: 8, since: "5.9" },
      { bytes: 4, since: "4.15" },
    ],
    allowedFlags: numaNode,
    access: ["redirect"],
    since: "4.15",
    source: "kernel/bpf/cpumap.c, cpu_map_alloc; struct bpf_cpumap_val in include/uapi/linux/bpf.h",
  },
  xskmap: {
    ...common,
    ...handle("4.18"),
    number: 17,
    key: "u32Index",
    allowedFlags: numaNode | userAccess,
    access: ["lookup", "redirect"],
    since: "4.18",
    source: "net/xdp/xskmap.c, xsk_map_alloc",
  },
  queue: {
    ...common,
    number: 22,
    key: "none",
    value: "any",
    keyDeclaredBy: "nothing",
    valueDeclaredBy: "size",
    valueSizes: [],
    allowedFlags: numaNode | access,
    access: ["push", "pop", "peek"],
    since: "4.20",
    source: "kernel/bpf/queue_stack_maps.c, queue_stack_map_alloc_check (key_size must be 0)",
  },
  stack: {
    ...common,
    number: 23,
    key: "none",
    value: "any",
    keyDeclaredBy: "nothing",
    valueDeclaredBy: "size",
    valueSizes: [],
    allowedFlags: numaNode | access,
    access: ["push", "pop", "peek"],
    since: "4.20",
    source: "kernel/bpf/queue_stack_maps.c, queue_stack_map_alloc_check (key_size must be 0)",
  },
  ringbuf: {
    ...common,
    number: 27,
    key: "none",
    value: "none",
    keyDeclaredBy: "nothing",
    valueDeclaredBy: "nothing",
    valueSizes: [],
    entryUnit: "byte",
    allowedFlags: numaNode,
    access: ["ringbuf"],
    since: "5.8",
    source: "kernel/bpf/ringbuf.c, ringbuf_map_alloc (key_size and value_size must be 0)",
  },
  bloom_filter: {
    ...common,
    number: 30,
    key: "none",
    value: "any",
    keyDeclaredBy: "nothing",
    valueDeclaredBy: "type",
    valueSizes: [],
    allowedFlags: numaNode | zeroSeed | access,
    access: ["push", "peek"],
    since: "5.16",
    source: "kernel/bpf/bloom_filter.c, bloom_map_alloc, bloom_map_check_btf (keyless)",
  },
} as const satisfies Record<string, MapKindInfo>;

/** A kind of map by the kernel's own name, lower case without `BPF_MAP_TYPE_`. */
export type MapKind = keyof typeof mapKinds;

/** The row of `kind`. */
export function mapKindInfo(kind: MapKind): MapKindInfo {
  return mapKinds[kind];
}

/** True when `name` is the kernel's name of a kind in the table. */
export function isMapKind(name: string): name is MapKind {
  return Object.hasOwn(mapKinds, name);
}

/** The kind with this BPF_MAP_TYPE_* number, or null when XDP has no use for it. */
export function mapKindByNumber(number: number): MapKind | null {
  for (const kind of Object.keys(mapKinds)) if (isMapKind(kind) && mapKinds[kind].number === number) return kind;
  return null;
}

/** The size in bytes of the keys of a kind whose key rule fixes it: 4 for indices and handles, 0 for none; null when the key's type decides. */
export function fixedKeyBytes(kind: MapKind): number | null {
  switch (mapKindInfo(kind).key) {
    case "u32Index":
    case "u32Handle":
      return 4;
    case "none":
      return 0;
    case "any":
    case "lpm":
      return null;
  }
}

/**
 * The size in bytes of the values of a kind whose value rule is `fixed` (the richest one, or the smallest, which every kernel
 * that has the kind takes), 0 for `none`; null when the value's type decides.
 */
export function fixedValueBytes(kind: MapKind, which: "richest" | "smallest" = "richest"): number | null {
  const row = mapKindInfo(kind);
  if (row.value === "any") return null;
  if (row.value === "none") return 0;
  const size = which === "richest" ? row.valueSizes[0] : row.valueSizes.at(-1);
  if (size === undefined) throw new InternalError(`map kind ${kind} has a fixed value without a size`);
  return size.bytes;
}
