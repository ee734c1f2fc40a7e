// Maps that packets are redirected to: devices (devmap, devmap_hash), CPUs (cpumap) and AF_XDP sockets (xskmap). The machine sends
// nothing: an entry is its value, and a redirect's result names it. Every interface index above 0 counts as a device that exists.
// An xskmap's value stands for a socket by the queue it is bound to, which is what programs can read of it.
// Source: Linux kernel/bpf/devmap.c, kernel/bpf/cpumap.c, net/xdp/xskmap.c.

import type { ImageMap } from "../../bpf/image.ts";
import type { MapKind } from "../../bpf/maps.ts";
import { errno } from "../errno.ts";
import { Region } from "../memory.ts";
import type { MapHost } from "./map.ts";
import { indexOfKey, keyOfIndex, MachineMap, nextIndex, updateFlags } from "./map.ts";

const { noExist, exist } = updateFlags;
/** The longest queue of a cpumap's entry, in packets. */
const mostQueued = 16384;

/** What the maps of this file have in common: entries by a number, that only user space changes. */
export abstract class RedirectMap extends MachineMap {
  protected readonly entries = new Map<number, Region>();

  /** The entry that a redirect to `key` finds: its value's bytes. */
  target(key: number): Uint8Array | null {
    return this.entries.get(key >>> 0)?.bytes ?? null;
  }

  /** The keys of all entries, rising: where a broadcast goes. */
  targets(): number[] {
    return [...this.entries.keys()].sort((a, b) => a - b);
  }

  override lookup(key: Uint8Array): Region | null {
    return this.entries.get(indexOfKey(key)) ?? null;
  }

  protected put(key: number, value: Uint8Array): void {
    const bytes = new Uint8Array(value.subarray(0, this.image.valueBytes));
    this.entries.set(key, new Region("mapValue", `value of map ${this.name}`, bytes, { map: this, readOnly: true }));
  }

  override delete(key: Uint8Array): number {
    const index = indexOfKey(key);
    if (index >= this.image.maxEntries) return -errno.EINVAL;
    this.entries.delete(index);
    return 0;
  }

  override userNextKey(key: Uint8Array | null): Uint8Array | number {
    return nextIndex(key, this.image.maxEntries);
  }

  *keys(): Iterable<Uint8Array> {
    for (const index of this.targets()) yield keyOfIndex(index);
  }

  get size(): number {
    return this.entries.size;
  }

  reset(): void {
    this.entries.clear();
  }
}

/** A map of kind `devmap` or `devmap_hash`: values are an interface index and perhaps a program's handle (4 bytes each). */
export class DeviceMap extends RedirectMap {
  readonly #byName: boolean;

  constructor(image: ImageMap, kind: "devmap" | "devmap_hash", host: MapHost) {
    super(image, kind, host);
    this.#byName = kind === "devmap_hash";
  }

  override update(key: Uint8Array, value: Uint8Array, flags: number): number {
    const index = indexOfKey(key);
    const ifindex = indexOfKey(value);
    const exists = this.entries.has(index);
    if (flags > exist) return -errno.EINVAL;
    if (this.#byName) {
      if (ifindex === 0) return -errno.EINVAL;
      if (exists && (flags & noExist) !== 0) return -errno.EEXIST;
    } else {
      if (index >= this.image.maxEntries) return -errno.E2BIG;
      if (flags === noExist) return -errno.EEXIST;
    }
    const program = programOf(value);
    if (ifindex === 0) {
      if (program > 0) return -errno.EINVAL;
      this.entries.delete(index);
      return 0;
    }
    if (program > 0 && this.host.programs.thing(program) === null) return -errno.EINVAL;
    if (this.#byName && !exists && this.entries.size >= this.image.maxEntries) return -errno.E2BIG;
    const kept = new Uint8Array(value);
    // The kernel gives a program's id back, and 0 for none however that was said.
    if (program <= 0) kept.fill(0, 4);
    this.put(index, kept);
    return 0;
  }

  override delete(key: Uint8Array): number {
    if (!this.#byName) return super.delete(key);
    return this.entries.delete(indexOfKey(key)) ? 0 : -errno.ENOENT;
  }

  override userNextKey(key: Uint8Array | null): Uint8Array | number {
    if (!this.#byName) return super.userNextKey(key);
    const keys = this.targets();
    const at = key === null ? -1 : keys.indexOf(indexOfKey(key));
    const next = keys[at + 1];
    return next === undefined ? -errno.ENOENT : keyOfIndex(next);
  }
}

/** A map of kind `cpumap`: values are a queue's length in packets and perhaps a program's handle; length 0 removes the entry. */
export class CpuMap extends RedirectMap {
  constructor(image: ImageMap, host: MapHost) {
    super(image, "cpumap", host);
  }

  override update(key: Uint8Array, value: Uint8Array, flags: number): number {
    const cpu = indexOfKey(key);
    const queued = indexOfKey(value);
    if (flags > exist) return -errno.EINVAL;
    if (cpu >= this.image.maxEntries) return -errno.E2BIG;
    if (flags === noExist) return -errno.EEXIST;
    if (queued > mostQueued) return -errno.EOVERFLOW;
    if (cpu >= this.host.cpus) return -errno.ENODEV;
    if (queued === 0) {
      this.entries.delete(cpu);
      return 0;
    }
    const program = programOf(value);
    if (program > 0 && this.host.programs.thing(program) === null) return -errno.EINVAL;
    this.put(cpu, value);
    return 0;
  }
}

/** A map of kind `xskmap`: values stand for sockets. */
export class SocketMap extends RedirectMap {
  constructor(image: ImageMap, host: MapHost) {
    super(image, "xskmap", host);
  }

  override update(key: Uint8Array, value: Uint8Array, flags: number): number {
    const index = indexOfKey(key);
    if (flags > exist) return -errno.EINVAL;
    if (index >= this.image.maxEntries) return -errno.E2BIG;
    const old = this.entries.get(index);
    if (old !== undefined && indexOfKey(old.bytes) === indexOfKey(value)) return 0;
    if (old !== undefined && flags === noExist) return -errno.EEXIST;
    if (old === undefined && flags === exist) return -errno.ENOENT;
    this.put(index, value);
    return 0;
  }

  override userLookup(): number {
    return -errno.EOPNOTSUPP;
  }
}

/** The kinds of this file. */
export const redirectKinds: ReadonlySet<MapKind> = new Set<MapKind>(["devmap", "devmap_hash", "cpumap", "xskmap"]);

/** The handle in the second half of a value, as a signed number; 0 where values have only one half. */
function programOf(value: Uint8Array): number {
  return value.length < 8 ? 0 : indexOfKey(value.subarray(4)) | 0;
}
