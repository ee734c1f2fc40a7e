// Arrays and per-CPU arrays: every entry exists, zeroed, from the start and nothing can be deleted. Memory is made when an entry
// is first touched, so an array of millions costs nothing. Data sections (.rodata, .data, .bss) are arrays of one entry.
// Source: Linux kernel/bpf/arraymap.c.

import type { ImageMap } from "../../bpf/image.ts";
import { errno } from "../errno.ts";
import type { Region } from "../memory.ts";
import type { MapHost } from "./map.ts";
import { indexOfKey, keyOfIndex, MachineMap, nextIndex, roundUp8, updateFlags } from "./map.ts";

const { noExist, exist, lock } = updateFlags;

/** A map of kind `array`. */
export class ArrayMap extends MachineMap {
  #values = new Map<number, Region>();

  constructor(image: ImageMap, host: MapHost) {
    super(image, "array", host);
    this.reset();
  }

  /** The memory of an entry, or null beyond the last. */
  at(index: number): Region | null {
    if (index >= this.image.maxEntries) return null;
    let value = this.#values.get(index);
    if (value === undefined) {
      value = this.newValue();
      this.#values.set(index, value);
    }
    return value;
  }

  override directValue(): Region | null {
    return this.image.maxEntries === 1 ? this.at(0) : null;
  }

  override lookup(key: Uint8Array): Region | null {
    return this.at(indexOfKey(key));
  }

  override update(key: Uint8Array, value: Uint8Array, flags: number): number {
    const memory = this.at(indexOfKey(key));
    const refused = arrayRefuses(flags, memory === null, this.hasSpinLock);
    if (memory === null || refused !== 0) return refused;
    this.copyIn(memory.bytes, value);
    return 0;
  }

  override *each(): Iterable<readonly [Uint8Array, Region]> {
    for (let index = 0; index < this.image.maxEntries; index++) yield [keyOfIndex(index), this.at(index)!];
  }

  override userNextKey(key: Uint8Array | null): Uint8Array | number {
    return nextIndex(key, this.image.maxEntries);
  }

  *keys(): Iterable<Uint8Array> {
    for (let index = 0; index < this.image.maxEntries; index++) yield keyOfIndex(index);
  }

  get size(): number {
    return this.image.maxEntries;
  }

  reset(): void {
    this.#values = new Map();
    if (this.image.data !== null) this.#values.set(0, this.newValue(new Uint8Array(this.image.data)));
  }
}

/** A map of kind `percpu_array`. */
export class PercpuArrayMap extends MachineMap {
  #values = new Map<number, readonly Region[]>();

  constructor(image: ImageMap, host: MapHost) {
    super(image, "percpu_array", host);
  }

  #at(index: number): readonly Region[] | null {
    if (index >= this.image.maxEntries) return null;
    let values = this.#values.get(index);
    if (values === undefined) {
      values = this.newPercpuValues();
      this.#values.set(index, values);
    }
    return values;
  }

  override get userValueBytes(): number {
    return roundUp8(this.image.valueBytes) * this.host.cpus;
  }

  override lookup(key: Uint8Array, cpu: number): Region | null {
    return this.#at(indexOfKey(key))?.[cpu] ?? null;
  }

  override lookupPercpu(key: Uint8Array, cpu: number): Region | null {
    return this.lookup(key, cpu);
  }

  override update(key: Uint8Array, value: Uint8Array, flags: number, cpu: number): number {
    const memory = this.lookup(key, cpu);
    const refused = arrayRefuses(flags, memory === null, this.hasSpinLock);
    if (memory === null || refused !== 0) return refused;
    this.copyIn(memory.bytes, value);
    return 0;
  }

  override *each(cpu: number): Iterable<readonly [Uint8Array, Region]> {
    for (let index = 0; index < this.image.maxEntries; index++) yield [keyOfIndex(index), this.#at(index)![cpu]!];
  }

  override userLookup(key: Uint8Array): Uint8Array | number {
    const values = this.#at(indexOfKey(key));
    return values === null ? -errno.ENOENT : joinPercpu(values);
  }

  override userUpdate(key: Uint8Array, value: Uint8Array, flags: number): number {
    if (flags > exist) return -errno.EINVAL;
    const values = this.#at(indexOfKey(key));
    if (values === null) return -errno.E2BIG;
    if (flags === noExist) return -errno.EEXIST;
    splitPercpu(values, value);
    return 0;
  }

  override userNextKey(key: Uint8Array | null): Uint8Array | number {
    return nextIndex(key, this.image.maxEntries);
  }

  *keys(): Iterable<Uint8Array> {
    for (let index = 0; index < this.image.maxEntries; index++) yield keyOfIndex(index);
  }

  get size(): number {
    return this.image.maxEntries;
  }

  reset(): void {
    this.#values = new Map();
  }
}

/** What an array answers to an update before it copies: 0 when nothing speaks against it. */
function arrayRefuses(flags: number, outside: boolean, hasSpinLock: boolean): number {
  if (flags > (exist | lock) || (flags & ~lock) > exist) return -errno.EINVAL;
  if (outside) return -errno.E2BIG;
  if ((flags & noExist) !== 0) return -errno.EEXIST;
  if ((flags & lock) !== 0 && !hasSpinLock) return -errno.EINVAL;
  return 0;
}

/** The values of all CPUs one after the other, each in whole 8 bytes, as user space gets them. */
export function joinPercpu(values: readonly Region[]): Uint8Array {
  const step = roundUp8(values[0]?.bytes.length ?? 0);
  const joined = new Uint8Array(step * values.length);
  for (const [cpu, value] of values.entries()) joined.set(whole(value), cpu * step);
  return joined;
}

/** The reverse of `joinPercpu`: the padding goes along, as in the kernel. */
export function splitPercpu(values: readonly Region[], joined: Uint8Array): void {
  const step = roundUp8(values[0]?.bytes.length ?? 0);
  for (const [cpu, value] of values.entries()) whole(value).set(joined.subarray(cpu * step, (cpu + 1) * step));
}

/** A per-CPU value with the padding that programs don't see. */
function whole(value: Region): Uint8Array {
  return new Uint8Array(value.bytes.buffer);
}
