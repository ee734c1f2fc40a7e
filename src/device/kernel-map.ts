// A map in the kernel: its entries as bytes and, where the kernel holds BTF for it, by their types (addresses as text, structs as objects:
// value-codec.ts). Per-CPU maps give one value for each possible CPU. Lookups go by descriptor; who found it, by pin or id, is
// pins.ts's business.
//
// Use: `const map = KernelMap.fromPin(path)`, then `map.read(key)`, `map.entries()`, `map.codecs.key.encode("10.0.0.1")`, `map.close()`.
// Calls return what is asked for, null where there is no such entry, or a negative error number where the kernel refuses.
// Source: Linux include/uapi/linux/bpf.h (BPF_MAP_*_ELEM); kernel/bpf/syscall.c (bpf_map_value_size).

import { readFileSync } from "node:fs";
import type { MapKind } from "../bpf/maps.ts";
import { mapKindByNumber } from "../bpf/maps.ts";
import type { DecodedBtf } from "../elfwriter/btf-decode.ts";
import { decodeBtf } from "../elfwriter/btf-decode.ts";
import type { MapCodecs } from "../object-map.ts";
import type { Codec } from "../value-codec.ts";
import { btfCodec, plainCodec } from "../value-codec.ts";
import { BPF, bpfCall, btfBytes, type MapInfo, mapInfo, openById, openPin } from "./bpf-call.ts";
import { ERRNO } from "./errno.ts";
import { allocate, closeFd, type NativeMemory, withMemory } from "./native.ts";

/** When an update goes ahead: always, only if the key is new, only if it exists. **Source:** BPF_ANY, BPF_NOEXIST, BPF_EXIST. */
export const UPDATE = { any: 0, new: 1, existing: 2 } as const;

const PER_CPU = new Set<MapKind>(["percpu_hash", "percpu_array", "lru_percpu_hash"]);

/** The number of possible CPUs, which a per-CPU value has parts for. */
export function possibleCpus(): number {
  const last = readFileSync("/sys/devices/system/cpu/possible", "utf8").trim().split(/[-,]/).at(-1);
  return Number(last) + 1;
}

let cpus: number | null = null;

/** Entries read with one call. */
const BATCH_ENTRIES = 1024;
const MOST_BATCH_ENTRIES = 1 << 20;

/** The BTF that the kernel holds under an id; null where there is none or it can't be read. */
export function kernelBtf(id: number): DecodedBtf | null {
  const bytes = id === 0 ? null : btfBytes(id);
  if (bytes === null) return null;
  const decoded = decodeBtf(bytes, 0);
  return "btf" in decoded ? decoded.btf : null;
}

/** A map in the kernel. */
export class KernelMap {
  readonly fd: number;
  readonly info: MapInfo;
  /** The kind by the kernel's name ("lru_hash"); null for one that XDP programs can't use. */
  readonly kind: MapKind | null;
  readonly isPerCpu: boolean;
  /** How many CPUs a per-CPU value has parts for; 1 for other kinds. */
  readonly parts: number;
  readonly #key: NativeMemory;
  readonly #nextKey: NativeMemory;
  readonly #value: NativeMemory;
  #btf: DecodedBtf | null | undefined;
  #codecs: MapCodecs | undefined;

  /** Takes the descriptor over. */
  constructor(fd: number, info: MapInfo) {
    this.fd = fd;
    this.info = info;
    this.kind = mapKindByNumber(info.type);
    this.isPerCpu = this.kind !== null && PER_CPU.has(this.kind);
    cpus ??= possibleCpus();
    this.parts = this.isPerCpu ? cpus : 1;
    this.#key = allocate(info.keyBytes);
    this.#nextKey = allocate(info.keyBytes);
    this.#value = allocate(this.#step * this.parts);
  }

  /** The map of a descriptor, which it takes over, or an error number; then the descriptor is closed. */
  static fromFd(fd: number): KernelMap | number {
    if (fd < 0) return fd;
    const info = mapInfo(fd);
    if (typeof info !== "number") return new KernelMap(fd, info);
    closeFd(fd);
    return info;
  }

  /** The map that is pinned at a path, or an error number. */
  static fromPin(path: string): KernelMap | number {
    return KernelMap.fromFd(openPin(path));
  }

  /** The map with an id, or an error number. */
  static fromId(id: number): KernelMap | number {
    return KernelMap.fromFd(openById("map", id));
  }

  /** Ends the use of the map; what is pinned or used by programs lives on. */
  close(): void {
    for (const memory of [this.#key, this.#nextKey, this.#value]) memory.free();
    closeFd(this.fd);
  }

  /** The BTF that the map's types are of; null without. */
  get btf(): DecodedBtf | null {
    if (this.#btf === undefined) this.#btf = kernelBtf(this.info.btfId);
    return this.#btf;
  }

  /** How keys and (one CPU's) values are read and written: by BTF where it has types of the right size, else plainly. */
  get codecs(): MapCodecs {
    this.#codecs ??= {
      key: this.#codec(this.info.keyType, this.info.keyBytes),
      value: this.#codec(this.info.valueType, this.info.valueBytes),
    };
    return this.#codecs;
  }

  #codec(type: number, bytes: number): Codec {
    const typed = this.btf === null || type === 0 ? null : btfCodec(this.btf, type);
    return typed === null || typed.bytes !== bytes ? plainCodec(bytes) : typed;
  }

  /** Bytes between the values of two CPUs. */
  get #step(): number {
    return this.isPerCpu ? (this.info.valueBytes + 7) & ~7 : this.info.valueBytes;
  }

  /**
   * The value at `key`: each CPU's for a per-CPU map, else one. null where there is none; a negative error number where the map can't be
   * read so.
   */
  lookup(key: Uint8Array): readonly Uint8Array[] | null | number {
    return this.#read(BPF.mapLookup, key);
  }

  /** Takes the next value out of a queue or stack (an empty key), or an entry out of a hash; null when there is none. */
  take(key: Uint8Array = new Uint8Array(0)): readonly Uint8Array[] | null | number {
    return this.#read(BPF.mapLookupAndDelete, key);
  }

  #read(command: number, key: Uint8Array): readonly Uint8Array[] | null | number {
    const result = this.#element(command, key, true, 0);
    if (result === -ERRNO.ENOENT) return null;
    if (result < 0) return result;
    return this.#parted(this.#value.bytes.slice());
  }

  /** Sets an entry: one value for every CPU, or one that all get. Returns 0 or an error number (E2BIG: full). */
  update(key: Uint8Array, values: Uint8Array | readonly Uint8Array[], flags: number = UPDATE.any): number {
    this.#value.bytes.fill(0);
    for (let cpu = 0; cpu < this.parts; cpu++) {
      const one = values instanceof Uint8Array ? values : values[cpu];
      if (one !== undefined) this.#value.bytes.set(one, cpu * this.#step);
    }
    return this.#element(BPF.mapUpdate, key, true, flags);
  }

  /** Whether a bloom filter may hold a value; an error number where it isn't one. */
  mayHold(value: Uint8Array): boolean | number {
    this.#value.bytes.set(value);
    const result = this.#element(BPF.mapLookup, new Uint8Array(0), true, 0);
    return result === -ERRNO.ENOENT ? false : result < 0 ? result : true;
  }

  /** Removes an entry. Returns 0 or an error number (ENOENT: there is none). */
  delete(key: Uint8Array): number {
    return this.#element(BPF.mapDelete, key, false, 0);
  }

  /** All keys, in the kernel's order, until `limit`; null where the kind has none that can be walked. */
  keys(limit = Number.POSITIVE_INFINITY): readonly Uint8Array[] | null {
    const keys: Uint8Array[] = [];
    const seen = new Set<string>();
    while (keys.length < limit) {
      const result = bpfCall(BPF.mapGetNextKey, (attr) => {
        attr.setUint32(0, this.fd, true);
        const previous = keys.at(-1);
        if (previous !== undefined) {
          this.#key.bytes.set(previous);
          attr.setBigUint64(8, this.#key.address, true);
        }
        attr.setBigUint64(16, this.#nextKey.address, true);
      });
      if (result === -ERRNO.ENOENT) return keys;
      if (result < 0) return keys.length === 0 ? null : keys;
      const key = this.#nextKey.bytes.slice(0, this.info.keyBytes);
      // A key that vanishes meanwhile makes the kernel begin again: then it has been seen.
      const shown = Buffer.from(key).toString("latin1");
      if (seen.has(shown)) return keys;
      seen.add(shown);
      keys.push(key);
    }
    return keys;
  }

  /** All entries with the values of each CPU; those that vanish meanwhile are left out. null where there are none to walk. */
  entries(): readonly (readonly [Uint8Array, readonly Uint8Array[]])[] | null {
    const all: (readonly [Uint8Array, readonly Uint8Array[]])[] = [];
    const batched = this.eachEntry((key, values) => all.push([key.slice(), this.#parted(values.slice())]));
    return batched < 0 ? null : all;
  }

  /**
   * Gives every entry to `each`: its key, and its values as they lie in memory (a per-CPU map: each CPU's at a multiple of `stepBytes`). Both are
   * only valid during the call. Many entries are read with one call where the kernel can (5.6, per-CPU arrays 5.13). Returns 0 or an error
   * number.
   */
  eachEntry(each: (key: Uint8Array, values: Uint8Array) => void): number {
    const result = this.#eachInBatches(each);
    if (result !== -ERRNO.EINVAL && result !== -ERRNO.ENOTSUPP && result !== -ERRNO.EOPNOTSUPP) return result;
    const keys = this.keys();
    if (keys === null) return result;
    for (const key of keys) {
      if (this.#element(BPF.mapLookup, key, true, 0) === 0) each(key, this.#value.bytes);
    }
    return 0;
  }

  #eachInBatches(each: (key: Uint8Array, values: Uint8Array) => void): number {
    const { keyBytes } = this.info;
    const valueBytes = this.#step * this.parts;
    if (keyBytes === 0) return -ERRNO.EINVAL;
    for (let room = BATCH_ENTRIES; ; room *= 2) {
      const result = withMemory([room * keyBytes, room * valueBytes, Math.max(keyBytes, 8)], (keys, values, place) => {
        for (let isFirst = true; ; isFirst = false) {
          let count = 0;
          const done = bpfCall(
            BPF.mapLookupBatch,
            (attr) => {
              if (!isFirst) attr.setBigUint64(0, place.address, true);
              attr.setBigUint64(8, place.address, true);
              attr.setBigUint64(16, keys.address, true);
              attr.setBigUint64(24, values.address, true);
              attr.setUint32(32, room, true);
              attr.setUint32(36, this.fd, true);
            },
            (attr) => {
              count = attr.getUint32(32, true);
            },
          );
          const isEnd = done === -ERRNO.ENOENT;
          if (done < 0 && !isEnd) return { done, isFirst };
          for (let i = 0; i < count; i++)
            each(
              keys.bytes.subarray(i * keyBytes, (i + 1) * keyBytes),
              values.bytes.subarray(i * valueBytes, (i + 1) * valueBytes),
            );
          if (isEnd) return { done: 0, isFirst };
        }
      });
      // A hash gives a bucket at once: where one has more than there is room for, more room is needed, from the start.
      if (result.done !== -ERRNO.ENOSPC || !result.isFirst || room > MOST_BATCH_ENTRIES) return result.done;
    }
  }

  /** The bytes between one CPU's value and the next one's. */
  get stepBytes(): number {
    return this.#step;
  }

  #parted(values: Uint8Array): readonly Uint8Array[] {
    const step = this.#step;
    return Array.from({ length: this.parts }, (_, cpu) =>
      values.subarray(cpu * step, cpu * step + this.info.valueBytes),
    );
  }

  #element(command: number, key: Uint8Array, hasValue: boolean, flags: number): number {
    if (key.length !== this.info.keyBytes) throw new RangeError(`a key of ${key.length} bytes for ${this.info.name}`);
    this.#key.bytes.set(key);
    return bpfCall(command, (attr) => {
      attr.setUint32(0, this.fd, true);
      // A map without keys wants none, not an empty one.
      if (this.info.keyBytes > 0) attr.setBigUint64(8, this.#key.address, true);
      if (hasValue) attr.setBigUint64(16, this.#value.address, true);
      attr.setBigUint64(24, BigInt(flags), true);
    });
  }
}
