// What every map of the machine can do, from both sides: programs (helpers, by the machine) and user space (bpf(2), by the
// public API). Bytes in, bytes out; failures are the kernel's: negative error numbers, never exceptions. A kind implements
// what it has; the rest answers as the kernel does for that kind. Knows nothing of addresses, packets or programs.
// Source: Linux kernel/bpf/syscall.c (bpf_map_update_value, bpf_map_copy_value); include/uapi/linux/bpf.h for the flags.

import type { ImageMap } from "../../bpf/image.ts";
import type { MapKind } from "../../bpf/maps.ts";
import { mapFlags } from "../../bpf/maps.ts";
import { errno } from "../errno.ts";
import type { TailTarget } from "../helper-call.ts";
import type { VmMap } from "../map.ts";
import { Region } from "../memory.ts";
import type { Handles } from "./handles.ts";

/** Flags of an update. **Source:** Linux include/uapi/linux/bpf.h, "flags for BPF_MAP_UPDATE_ELEM command". */
export const updateFlags = { any: 0, noExist: 1, exist: 2, lock: 4 } as const;

/** Facts of the machine that maps depend on. */
export interface MapHost {
  /** The number of possible CPUs, at least 1: per-CPU maps hold so many values. */
  readonly cpus: number;
  /** The programs that values of prog_arrays, devmaps and cpumaps can name. */
  readonly programs: Handles<TailTarget>;
  /** The maps that values of maps of maps can name. */
  readonly maps: Handles<MachineMap>;
}

/**
 * A map. Operations give 0 or a negative error number where they give no bytes. `flags` are the 64-bit flags as a number: only
 * small ones mean anything, all others are refused.
 *
 * A lookup's result is the value's own memory, not a copy; the same region as long as the entry lives. After an update that
 * replaces an entry or a deletion, what was looked up before stays readable and writable but belongs to no entry, and may
 * become the memory of the next one: as in the kernel.
 *
 * Keys and values given are copied by `new Uint8Array`, never by `slice`: on a Buffer of Node that would be no copy.
 */
export abstract class MachineMap implements VmMap {
  readonly image: ImageMap;
  readonly kind: MapKind;
  readonly host: MapHost;
  readonly handle: Region;

  constructor(image: ImageMap, kind: MapKind, host: MapHost) {
    this.image = image;
    this.kind = kind;
    this.host = host;
    this.handle = new Region("mapHandle", `map ${image.name}`, new Uint8Array(0), { map: this });
  }

  get name(): string {
    return this.image.name;
  }

  get type(): number {
    return this.image.type;
  }

  directValue(): Region | null {
    return null;
  }

  /** The number of bytes of a value as user space passes it. */
  get userValueBytes(): number {
    return this.image.valueBytes;
  }

  // Programs.

  /** bpf_map_lookup_elem on CPU `cpu`; null when there is no such entry. */
  lookup(_key: Uint8Array, _cpu: number): Region | null {
    return null;
  }

  /** bpf_map_update_elem on CPU `cpu`. */
  update(_key: Uint8Array, _value: Uint8Array, _flags: number, _cpu: number): number {
    return -errno.EINVAL;
  }

  /** bpf_map_delete_elem. */
  delete(_key: Uint8Array): number {
    return -errno.EINVAL;
  }

  /** bpf_map_push_elem. */
  push(_value: Uint8Array, _flags: number): number {
    return -errno.EOPNOTSUPP;
  }

  /** bpf_map_pop_elem: fills `value`, with zeros when there is none. */
  pop(_value: Uint8Array): number {
    return -errno.EOPNOTSUPP;
  }

  /** bpf_map_peek_elem: fills `value`; a bloom filter reads it instead. */
  peek(_value: Uint8Array): number {
    return -errno.EOPNOTSUPP;
  }

  /** bpf_map_lookup_percpu_elem: the value of any CPU. */
  lookupPercpu(_key: Uint8Array, _cpu: number): Region | null {
    return null;
  }

  /** Each entry as bpf_for_each_map_elem meets it on CPU `cpu`; null for kinds without. Entries may be deleted meanwhile. */
  each(_cpu: number): Iterable<readonly [key: Uint8Array, value: Region]> | null {
    return null;
  }

  // User space. What the system call judges itself (access, flags every kind refuses) comes before: see user-map.ts.

  /** BPF_MAP_LOOKUP_ELEM: a copy, special fields zeroed, per-CPU values one after the other in steps of 8 bytes. */
  userLookup(key: Uint8Array): Uint8Array | number {
    const value = this.lookupQuietly(key);
    return value === null ? -errno.ENOENT : this.copyOut(value.bytes);
  }

  /** BPF_MAP_UPDATE_ELEM. */
  userUpdate(key: Uint8Array, value: Uint8Array, flags: number): number {
    return this.update(key, value, flags, 0);
  }

  /** BPF_MAP_DELETE_ELEM. */
  userDelete(key: Uint8Array): number {
    return this.delete(key);
  }

  /** BPF_MAP_LOOKUP_AND_DELETE_ELEM. */
  userTake(_key: Uint8Array): Uint8Array | number {
    return -errno.ENOTSUPP;
  }

  /** BPF_MAP_GET_NEXT_KEY: the first key after `key`, or of all when it is null or not in the map. */
  abstract userNextKey(key: Uint8Array | null): Uint8Array | number;

  /** All keys in the order of `userNextKey`. */
  abstract keys(): Iterable<Uint8Array>;

  /** The number of entries. */
  abstract get size(): number;

  /** Forgets all entries: the map as it was created. */
  abstract reset(): void;

  // For the kinds.

  /** A lookup that doesn't count as a use. */
  protected lookupQuietly(key: Uint8Array): Region | null {
    return this.lookup(key, 0);
  }

  /** Whether values hold a spin lock: only then BPF_F_LOCK is allowed. */
  get hasSpinLock(): boolean {
    return this.image.fields.some((field) => field.kind === "spinLock");
  }

  /** Memory for one value, zeroed; programs may touch of it what the map's flags allow. */
  protected newValue(bytes = new Uint8Array(this.image.valueBytes)): Region {
    const readOnly = (this.image.flags & mapFlags.rdonlyProg) !== 0;
    const region = new Region("mapValue", `value of map ${this.name}`, bytes, { map: this, readOnly });
    if ((this.image.flags & mapFlags.wronlyProg) !== 0) region.readBytes = 0;
    return region;
  }

  /** Memory for one value of each CPU: whole 8 bytes, of which programs see the value's. */
  protected newPercpuValues(): Region[] {
    const { valueBytes } = this.image;
    return Array.from({ length: this.host.cpus }, () =>
      this.newValue(new Uint8Array(roundUp8(valueBytes)).subarray(0, valueBytes)),
    );
  }

  /** Copies a value into its memory, all but the members that programs can't touch. */
  protected copyIn(memory: Uint8Array, value: Uint8Array): void {
    const fields = this.image.fields;
    if (fields.length === 0) {
      memory.set(value.length === memory.length ? value : value.subarray(0, memory.length));
      return;
    }
    let at = 0;
    for (const { offsetBytes, bytes } of fields) {
      memory.set(value.subarray(at, offsetBytes), at);
      at = offsetBytes + bytes;
    }
    memory.set(value.subarray(at, memory.length), at);
  }

  /** A copy of a value for user space. */
  protected copyOut(memory: Uint8Array): Uint8Array {
    const copy = memory.slice();
    for (const { offsetBytes, bytes } of this.image.fields) copy.fill(0, offsetBytes, offsetBytes + bytes);
    return copy;
  }
}

/** The 4 bytes of a key as a number. */
export function indexOfKey(key: Uint8Array): number {
  return (key[0]! | (key[1]! << 8) | (key[2]! << 16) | (key[3]! << 24)) >>> 0;
}

/** A number as a key of 4 bytes. */
export function keyOfIndex(index: number): Uint8Array {
  return new Uint8Array([index, index >>> 8, index >>> 16, index >>> 24]);
}

/** The next index after a key, as arrays count: 0 after null or what is no index, an error after the last. */
export function nextIndex(key: Uint8Array | null, maxEntries: number): Uint8Array | number {
  const index = key === null ? 0xffffffff : indexOfKey(key);
  if (index >= maxEntries) return keyOfIndex(0);
  return index === maxEntries - 1 ? -errno.ENOENT : keyOfIndex(index + 1);
}

/** `bytes` rounded up to a multiple of 8: the step of per-CPU values. */
export function roundUp8(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
