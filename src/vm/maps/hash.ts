// Hash maps: plain, per CPU, least recently used, and both. Iteration is in the order of insertion (the kernel's is that of its hash,
// which has a random seed). An LRU map drops exactly the entry whose use is longest ago: a use is a program's lookup or anyone's
// update, not user space's lookup. The kernel only comes close to that, as each CPU keeps its own lists.
// Source: Linux kernel/bpf/hashtab.c; kernel/bpf/bpf_lru_list.c for what counts as a use.

import type { ImageMap } from "../../bpf/image.ts";
import type { MapKind } from "../../bpf/maps.ts";
import { mapFlags } from "../../bpf/maps.ts";
import { errno } from "../errno.ts";
import type { Region } from "../memory.ts";
import { joinPercpu, splitPercpu } from "./array.ts";
import { KeyTable } from "./key-table.ts";
import type { MapHost } from "./map.ts";
import { MachineMap, roundUp8, updateFlags } from "./map.ts";

const { noExist, exist, lock } = updateFlags;

/** A map of kind `hash` or `lru_hash`. */
export class HashMap extends MachineMap {
  readonly #lru: boolean;
  readonly #prealloc: boolean;
  #entries = new KeyTable<Region>();
  /** Memory of deleted entries, last in, first out: the next new entries get it. */
  #free: Region[] = [];
  /** A preallocated map's spare memory: what a replaced entry leaves is what the next replacement takes. */
  #spare: Region | null = null;

  constructor(image: ImageMap, kind: MapKind, host: MapHost) {
    super(image, kind, host);
    this.#lru = kind === "lru_hash";
    this.#prealloc = (image.flags & mapFlags.noPrealloc) === 0;
  }

  override lookup(key: Uint8Array): Region | null {
    const value = this.#entries.get(key);
    if (value === undefined) return null;
    if (this.#lru) this.#entries.renew(key);
    return value;
  }

  protected override lookupQuietly(key: Uint8Array): Region | null {
    return this.#entries.get(key) ?? null;
  }

  override update(key: Uint8Array, value: Uint8Array, flags: number): number {
    if (this.#lru ? flags > exist : hashRefuses(flags)) return -errno.EINVAL;
    if ((flags & lock) !== 0 && !this.hasSpinLock) return -errno.EINVAL;
    const old = this.#entries.get(key);
    const refused = existenceRefuses(flags & ~lock, old !== undefined);
    if (refused !== 0) return refused;
    if (old !== undefined && (flags & lock) !== 0) {
      this.copyIn(old.bytes, value);
      return 0;
    }
    if (old === undefined && this.#entries.size >= this.image.maxEntries) {
      if (!this.#lru) return -errno.E2BIG;
      this.#evict();
    }
    const memory = this.#allocate(old);
    this.copyIn(memory.bytes, value);
    this.#entries.set(key, memory);
    if (this.#lru) this.#entries.renew(key);
    return 0;
  }

  #allocate(replaced: Region | undefined): Region {
    if (replaced === undefined) return this.#free.pop() ?? this.newValue();
    let memory: Region;
    if (this.#prealloc && !this.#lru) {
      memory = this.#spare ?? this.newValue();
      this.#spare = replaced;
    } else {
      memory = this.#free.pop() ?? this.newValue();
      this.#free.push(replaced);
    }
    return memory;
  }

  #evict(): void {
    const oldest = this.#entries.first();
    if (oldest !== null) this.delete(oldest[0]);
  }

  override delete(key: Uint8Array): number {
    const memory = this.#entries.get(key);
    if (memory === undefined) return -errno.ENOENT;
    this.#entries.delete(key);
    this.#free.push(memory);
    return 0;
  }

  override *each(): Iterable<readonly [Uint8Array, Region]> {
    // A list, because callbacks may add entries or renew them, and would meet them for ever.
    for (const [key, value] of [...this.#entries.entries()])
      if (this.#entries.get(key) !== undefined) yield [key, value];
  }

  override userTake(key: Uint8Array): Uint8Array | number {
    const value = this.userLookup(key);
    if (typeof value !== "number") this.delete(key);
    return value;
  }

  override userNextKey(key: Uint8Array | null): Uint8Array | number {
    return this.#entries.keyAfter(key)?.slice() ?? -errno.ENOENT;
  }

  *keys(): Iterable<Uint8Array> {
    for (const [key] of this.#entries.entries()) yield key.slice();
  }

  get size(): number {
    return this.#entries.size;
  }

  reset(): void {
    this.#entries.clear();
    this.#free = [];
    this.#spare = null;
  }
}

/** A map of kind `percpu_hash` or `lru_percpu_hash`: entries are changed in place. */
export class PercpuHashMap extends MachineMap {
  readonly #lru: boolean;
  readonly #entries = new KeyTable<Region[]>();
  #free: Region[][] = [];

  constructor(image: ImageMap, kind: MapKind, host: MapHost) {
    super(image, kind, host);
    this.#lru = kind === "lru_percpu_hash";
  }

  override get userValueBytes(): number {
    return roundUp8(this.image.valueBytes) * this.host.cpus;
  }

  override lookup(key: Uint8Array, cpu: number): Region | null {
    const values = this.#entries.get(key);
    if (values === undefined) return null;
    if (this.#lru) this.#entries.renew(key);
    return values[cpu] ?? null;
  }

  override lookupPercpu(key: Uint8Array, cpu: number): Region | null {
    return cpu >= this.host.cpus ? null : this.lookup(key, cpu);
  }

  override update(key: Uint8Array, value: Uint8Array, flags: number, cpu: number): number {
    return this.#update(key, flags, (values, isNew) => {
      for (const [at, memory] of values.entries())
        if (at === cpu) this.copyIn(memory.bytes, value);
        else if (isNew) memory.bytes.fill(0);
    });
  }

  override userUpdate(key: Uint8Array, value: Uint8Array, flags: number): number {
    return this.#update(key, flags, (values) => splitPercpu(values, value));
  }

  #update(key: Uint8Array, flags: number, fill: (values: Region[], isNew: boolean) => void): number {
    if (flags > exist) return -errno.EINVAL;
    const old = this.#entries.get(key);
    const refused = existenceRefuses(flags, old !== undefined);
    if (refused !== 0) return refused;
    if (old !== undefined) {
      fill(old, false);
    } else {
      if (this.#entries.size >= this.image.maxEntries) {
        if (!this.#lru) return -errno.E2BIG;
        const oldest = this.#entries.first();
        if (oldest !== null) this.delete(oldest[0]);
      }
      const values = this.#free.pop() ?? this.newPercpuValues();
      fill(values, true);
      this.#entries.set(key, values);
    }
    if (this.#lru) this.#entries.renew(key);
    return 0;
  }

  override delete(key: Uint8Array): number {
    const values = this.#entries.get(key);
    if (values === undefined) return -errno.ENOENT;
    this.#entries.delete(key);
    this.#free.push(values);
    return 0;
  }

  override *each(cpu: number): Iterable<readonly [Uint8Array, Region]> {
    for (const [key, values] of [...this.#entries.entries()])
      if (this.#entries.get(key) !== undefined) yield [key, values[cpu]!];
  }

  override userLookup(key: Uint8Array): Uint8Array | number {
    const values = this.#entries.get(key);
    return values === undefined ? -errno.ENOENT : joinPercpu(values);
  }

  override userTake(key: Uint8Array): Uint8Array | number {
    const value = this.userLookup(key);
    if (typeof value !== "number") this.delete(key);
    return value;
  }

  override userNextKey(key: Uint8Array | null): Uint8Array | number {
    return this.#entries.keyAfter(key)?.slice() ?? -errno.ENOENT;
  }

  *keys(): Iterable<Uint8Array> {
    for (const [key] of this.#entries.entries()) yield key.slice();
  }

  get size(): number {
    return this.#entries.size;
  }

  reset(): void {
    this.#entries.clear();
    this.#free = [];
  }
}

function hashRefuses(flags: number): boolean {
  return flags > (exist | lock) || (flags & ~lock) > exist;
}

/** What BPF_NOEXIST and BPF_EXIST say to an update of an entry that exists or doesn't. */
export function existenceRefuses(flags: number, exists: boolean): number {
  if (exists && flags === noExist) return -errno.EEXIST;
  if (!exists && flags === exist) return -errno.ENOENT;
  return 0;
}
