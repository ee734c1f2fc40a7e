// Maps whose values stand for other things: programs (prog_array), readers of events (perf_event_array), maps (array_of_maps,
// hash_of_maps). User space writes and reads handles of 4 bytes; programs get at the things through tail calls, outputs, lookups.
// Source: Linux kernel/bpf/arraymap.c (fd_array), kernel/bpf/hashtab.c (fd_htab), kernel/bpf/map_in_map.c.

import type { ImageMap } from "../../bpf/image.ts";
import { errno } from "../errno.ts";
import type { TailTarget } from "../helper-call.ts";
import type { Region } from "../memory.ts";
import { existenceRefuses } from "./hash.ts";
import { KeyTable } from "./key-table.ts";
import type { MapHost } from "./map.ts";
import { indexOfKey, keyOfIndex, MachineMap, nextIndex, updateFlags } from "./map.ts";

/** Creation flag of an inner array whose size may differ from the template's. **Source:** bpf.h, BPF_F_INNER_MAP. */
const anyInnerSize = 1 << 12;

/** An array of handles. */
abstract class HandleArray<Thing> extends MachineMap {
  protected readonly things = new Map<number, Thing>();

  /** The thing a handle stands for, or a negative error number. */
  protected abstract resolve(handle: number): Thing | number;

  /** The handle that reading an entry gives. */
  protected abstract handleOf(thing: Thing): number;

  /** The thing at an index; null for an empty entry. */
  at(index: number): Thing | null {
    return this.things.get(index >>> 0) ?? null;
  }

  override userLookup(key: Uint8Array): Uint8Array | number {
    const thing = this.at(indexOfKey(key));
    return thing === null ? -errno.ENOENT : keyOfIndex(this.handleOf(thing));
  }

  override userUpdate(key: Uint8Array, value: Uint8Array, flags: number): number {
    if (flags !== updateFlags.any) return -errno.EINVAL;
    const index = indexOfKey(key);
    if (index >= this.image.maxEntries) return -errno.E2BIG;
    const thing = this.resolve(indexOfKey(value));
    if (typeof thing === "number") return thing;
    this.things.set(index, thing);
    return 0;
  }

  override delete(key: Uint8Array): number {
    const index = indexOfKey(key);
    if (index >= this.image.maxEntries) return -errno.E2BIG;
    return this.things.delete(index) ? 0 : -errno.ENOENT;
  }

  override userNextKey(key: Uint8Array | null): Uint8Array | number {
    return nextIndex(key, this.image.maxEntries);
  }

  *keys(): Iterable<Uint8Array> {
    for (const index of [...this.things.keys()].sort((a, b) => a - b)) yield keyOfIndex(index);
  }

  get size(): number {
    return this.things.size;
  }

  reset(): void {
    this.things.clear();
  }
}

/** A map of kind `prog_array`: what tail calls go to. */
export class ProgramArrayMap extends HandleArray<TailTarget> {
  constructor(image: ImageMap, host: MapHost) {
    super(image, "prog_array", host);
  }

  protected resolve(handle: number): TailTarget | number {
    return this.host.programs.thing(handle) ?? -errno.EBADF;
  }

  protected handleOf(program: TailTarget): number {
    return this.host.programs.numberOf(program);
  }
}

/** An event as a reader gets it, without the padding that the kernel's buffer adds. */
export interface PerfEvent {
  readonly cpu: number;
  readonly bytes: Uint8Array;
}

/**
 * A map of kind `perf_event_array`. Entry n is the reader of CPU n's events; unlike in the kernel, where user space opens them first,
 * every CPU's is open from the start, and deleting an entry closes it.
 */
export class PerfEventArrayMap extends HandleArray<number> {
  #events: PerfEvent[] = [];

  constructor(image: ImageMap, host: MapHost) {
    super(image, "perf_event_array", host);
    this.reset();
  }

  /** What bpf_perf_event_output does once its flags are taken apart: `index` is the entry. */
  output(index: number, cpu: number, bytes: Uint8Array): number {
    if (index >= this.image.maxEntries) return -errno.E2BIG;
    if (!this.things.has(index)) return -errno.ENOENT;
    if (index !== cpu) return -errno.EOPNOTSUPP;
    this.#events.push({ cpu, bytes });
    return 0;
  }

  /** Takes the events so far. */
  drain(): PerfEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  protected resolve(handle: number): number {
    return handle >>> 0;
  }

  protected handleOf(handle: number): number {
    return handle;
  }

  override userLookup(): number {
    return -errno.ENOTSUPP;
  }

  override userUpdate(key: Uint8Array, value: Uint8Array, flags: number): number {
    if (flags !== updateFlags.any) return -errno.EINVAL;
    const index = indexOfKey(key);
    if (index >= this.image.maxEntries) return -errno.E2BIG;
    this.things.set(index, indexOfKey(value));
    return 0;
  }

  override reset(): void {
    super.reset();
    this.#events = [];
    for (let cpu = 0; cpu < Math.min(this.host.cpus, this.image.maxEntries); cpu++) this.things.set(cpu, 0);
  }
}

/** A map of kind `array_of_maps`. */
export class ArrayOfMaps extends HandleArray<MachineMap> {
  constructor(image: ImageMap, host: MapHost) {
    super(image, "array_of_maps", host);
  }

  override lookup(key: Uint8Array): Region | null {
    return this.at(indexOfKey(key))?.handle ?? null;
  }

  protected resolve(handle: number): MachineMap | number {
    return innerMap(this, handle);
  }

  protected handleOf(map: MachineMap): number {
    return this.host.maps.numberOf(map);
  }
}

/** A map of kind `hash_of_maps`. */
export class HashOfMaps extends MachineMap {
  readonly #maps = new KeyTable<MachineMap>();

  constructor(image: ImageMap, host: MapHost) {
    super(image, "hash_of_maps", host);
  }

  override lookup(key: Uint8Array): Region | null {
    return this.#maps.get(key)?.handle ?? null;
  }

  override userLookup(key: Uint8Array): Uint8Array | number {
    const map = this.#maps.get(key);
    return map === undefined ? -errno.ENOENT : keyOfIndex(this.host.maps.numberOf(map));
  }

  override userUpdate(key: Uint8Array, value: Uint8Array, flags: number): number {
    const map = innerMap(this, indexOfKey(value));
    if (typeof map === "number") return map;
    if (flags > updateFlags.exist) return -errno.EINVAL;
    const old = this.#maps.get(key);
    const refused = existenceRefuses(flags, old !== undefined);
    if (refused !== 0) return refused;
    if (old === undefined && this.#maps.size >= this.image.maxEntries) return -errno.E2BIG;
    this.#maps.set(key, map);
    return 0;
  }

  override delete(key: Uint8Array): number {
    return this.#maps.delete(key) ? 0 : -errno.ENOENT;
  }

  override userNextKey(key: Uint8Array | null): Uint8Array | number {
    return this.#maps.keyAfter(key)?.slice() ?? -errno.ENOENT;
  }

  *keys(): Iterable<Uint8Array> {
    for (const [key] of this.#maps.entries()) yield key.slice();
  }

  get size(): number {
    return this.#maps.size;
  }

  reset(): void {
    this.#maps.clear();
  }
}

/** The map with this handle, if it may be an inner map of `outer`; else a negative error number. */
function innerMap(outer: MachineMap, handle: number): MachineMap | number {
  const map = outer.host.maps.thing(handle);
  if (map === null) return -errno.EBADF;
  const template = outer.image.inner;
  return template !== null && fitsTemplate(map.image, template) ? map : -errno.EINVAL;
}

/** Whether a map is like the template of the inner maps: the kernel compares all but names and, for most kinds, sizes. */
export function fitsTemplate(image: ImageMap, template: ImageMap): boolean {
  const sameSize = image.maxEntries === template.maxEntries || !sizeMatters(template);
  return (
    sameSize &&
    image.type === template.type &&
    image.keyBytes === template.keyBytes &&
    image.valueBytes === template.valueBytes &&
    image.flags === template.flags &&
    JSON.stringify(image.fields) === JSON.stringify(template.fields)
  );
}

/** Arrays are addressed without asking the inner map for its size (unless its flags say it may differ), and so are xskmaps. */
function sizeMatters(template: ImageMap): boolean {
  const array = 2;
  const xskmap = 17;
  if (template.type === array) return (template.flags & anyInnerSize) === 0;
  return template.type === xskmap;
}
