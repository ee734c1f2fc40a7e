// A map of a loaded object as the package's users see it: keys and values as bytes or, where BTF tells their types, as numbers, addresses
// and objects. What the kernel answers with an error number is an exception here. Part of the package's interface.

import type { ImageMap } from "./bpf/image.ts";
import type { MapKind } from "./bpf/maps.ts";
import type { Codec, MapInput, MapOutput } from "./value-codec.ts";
import { plainCodec, ValueError } from "./value-codec.ts";
import { errno } from "./vm/errno.ts";
import { PerfEventArrayMap } from "./vm/maps/handle-maps.ts";
import type { MachineMap } from "./vm/maps/map.ts";
import { roundUp8, updateFlags } from "./vm/maps/map.ts";
import { QueueStackMap } from "./vm/maps/queue-stack.ts";
import { RingbufMap } from "./vm/maps/ringbuf.ts";
import { UserMap } from "./vm/maps/user-map.ts";
import { MapError, type StandardMachine } from "./vm/standard.ts";

/** When an update goes ahead: always, only if the key is new, only if it exists. */
export type UpdateMode = "any" | "new" | "existing";

const flagsOf = { any: updateFlags.any, new: updateFlags.noExist, existing: updateFlags.exist } as const;

/** An event of a ring buffer or perf_event_array: what a program sent to user space. */
export interface MapEvent {
  /** The CPU whose buffer it is in; 0 for ring buffers, which have one for all. */
  readonly cpu: number;
  readonly bytes: Uint8Array;
}

/** How keys and values are read and written. */
export interface MapCodecs {
  readonly key: Codec;
  readonly value: Codec;
}

/** A map as user space works on it. Methods that a kind doesn't have throw MapError with the kernel's error number. */
export class ObjectMap {
  readonly #user: UserMap;
  readonly #machine: StandardMachine;
  readonly #codecs: MapCodecs;

  constructor(map: MachineMap, machine: StandardMachine, codecs: MapCodecs | null = null) {
    this.#user = new UserMap(map);
    this.#machine = machine;
    this.#codecs = codecs ?? { key: plainCodec(map.image.keyBytes), value: plainCodec(map.image.valueBytes) };
  }

  /** The map in the machine, with what programs see of it. */
  get inMachine(): MachineMap {
    return this.#user.map;
  }

  get name(): string {
    return this.inMachine.name;
  }

  /** The kind by the kernel's name: "hash", "lpm_trie". */
  get kind(): MapKind {
    return this.inMachine.kind;
  }

  /** Sizes, max_entries and flags. */
  get image(): ImageMap {
    return this.inMachine.image;
  }

  /** The number of entries; of values in a queue or stack, of records in a ring buffer. */
  get size(): number {
    return this.inMachine.size;
  }

  /** The value at `key` as bytes (a per-CPU map: every CPU's, each in whole 8 bytes); null when there is none. */
  get(key: MapInput): Uint8Array | null {
    const found = this.#user.lookup(this.#key(key));
    return typeof found === "number" ? this.#missing(found, "look up in") : found;
  }

  /** The value at `key` by its type (a per-CPU map: an array of every CPU's); null when there is none. */
  read(key: MapInput): MapOutput | null {
    const bytes = this.get(key);
    return bytes === null ? null : this.#decodeValue(bytes);
  }

  /**
   * Sets an entry. A per-CPU map gets the value on every CPU (`setPerCpu` tells them apart). In a prog_array the value is a program's
   * name, in a map of maps another map; in a devmap or cpumap it may be `{ ifindex, program }` or `{ queueSize, program }`. Throws
   * MapError, ValueError.
   */
  set(key: MapInput, value: MapInput | ObjectMap, mode: UpdateMode = "any"): void {
    const bytes = this.#valueBytes(value);
    const all = this.#isPerCpu ? repeated(bytes, this.#cpus) : bytes;
    this.#check(this.#user.update(this.#key(key), all, flagsOf[mode]), "update");
  }

  /** Sets an entry of a per-CPU map, one value for each CPU. */
  setPerCpu(key: MapInput, values: readonly MapInput[], mode: UpdateMode = "any"): void {
    if (!this.#isPerCpu || values.length !== this.#cpus)
      throw new ValueError(`map ${this.name} doesn't hold ${values.length} values a key`);
    const step = roundUp8(this.image.valueBytes);
    const all = new Uint8Array(step * values.length);
    for (const [cpu, value] of values.entries()) all.set(this.#codecs.value.encode(value), cpu * step);
    this.#check(this.#user.update(this.#key(key), all, flagsOf[mode]), "update");
  }

  /** Removes an entry; false when there was none. */
  delete(key: MapInput): boolean {
    const result = this.#user.delete(this.#key(key));
    if (result === -errno.ENOENT) return false;
    this.#check(result, "delete from");
    return true;
  }

  /** Removes every entry, or zeroes those of arrays: the map as it was created. */
  clear(): void {
    this.inMachine.reset();
  }

  /** All keys as bytes, in the map's order. */
  *keys(): Iterable<Uint8Array> {
    yield* this.inMachine.keys();
  }

  /** All entries as bytes. */
  *entries(): Iterable<readonly [key: Uint8Array, value: Uint8Array]> {
    for (const key of this.keys()) {
      const value = this.get(key);
      if (value !== null) yield [key, value];
    }
  }

  /** All entries by their types. */
  *readEntries(): Iterable<readonly [key: MapOutput, value: MapOutput]> {
    for (const [key, value] of this.entries()) yield [this.#codecs.key.decode(key), this.#decodeValue(value)];
  }

  /** Adds a value to a queue, stack or bloom filter; `force` makes room in a full queue or stack. */
  push(value: MapInput, options: { readonly force?: boolean } = {}): void {
    const flags = options.force === true ? updateFlags.exist : updateFlags.any;
    this.#check(this.#user.update(new Uint8Array(0), this.#codecs.value.encode(value), flags), "push to");
  }

  /** Takes the next value of a queue or stack; null when it is empty. */
  pop(): Uint8Array | null {
    const taken = this.#user.take(new Uint8Array(0));
    return typeof taken === "number" ? this.#missing(taken, "pop from") : taken;
  }

  /** The values of a queue or stack in the order in which they would be popped. */
  values(): Uint8Array[] {
    if (!(this.inMachine instanceof QueueStackMap)) throw this.#error(-errno.EOPNOTSUPP, "list");
    return this.inMachine.values();
  }

  /** Whether a bloom filter may hold a value. */
  mayHave(value: MapInput): boolean {
    const found = this.#user.lookup(this.#codecs.value.encode(value));
    return typeof found === "number" ? this.#missing(found, "ask") !== null : true;
  }

  /** Takes the events that programs sent since the last call: records of a ring buffer, samples of a perf_event_array. */
  events(): MapEvent[] {
    const map = this.inMachine;
    if (map instanceof PerfEventArrayMap) return map.drain();
    if (map instanceof RingbufMap) return map.drain().map((bytes) => ({ cpu: 0, bytes }));
    throw this.#error(-errno.EOPNOTSUPP, "take events from");
  }

  /** A new map like the template of this map's inner maps. Throws MapError when this isn't a map of maps. */
  createInner(options: { readonly maxEntries?: number } = {}): ObjectMap {
    const template = this.image.inner;
    if (template === null) throw this.#error(-errno.EINVAL, "make an inner map for");
    const image = { ...template, maxEntries: options.maxEntries ?? template.maxEntries };
    return new ObjectMap(this.#machine.createMap(image), this.#machine);
  }

  /** The inner map at `key` of a map of maps; null when there is none. */
  inner(key: MapInput): ObjectMap | null {
    const handle = this.get(key);
    const map = handle === null ? null : this.#machine.mapOf(new DataView(handle.buffer).getUint32(0, true));
    return map === null ? null : new ObjectMap(map, this.#machine);
  }

  get #isPerCpu(): boolean {
    return this.#user.valueBytes !== this.image.valueBytes || this.kind.includes("percpu");
  }

  get #cpus(): number {
    return this.inMachine.host.cpus;
  }

  #key(key: MapInput): Uint8Array {
    return this.#codecs.key.encode(key);
  }

  #valueBytes(value: MapInput | ObjectMap): Uint8Array {
    if (value instanceof ObjectMap) return plainCodec(4).encode(this.#machine.mapHandle(value.inMachine));
    if (value instanceof Uint8Array) return this.#codecs.value.encode(value);
    switch (this.kind) {
      case "prog_array":
        return plainCodec(4).encode(typeof value === "string" ? this.#program(value) : value);
      case "devmap":
      case "devmap_hash":
        return this.#redirectValue(value, "ifindex");
      case "cpumap":
        return this.#redirectValue(value, "queueSize");
      default:
        return this.#codecs.value.encode(value);
    }
  }

  /** A value of a number and perhaps a program. */
  #redirectValue(value: MapInput, what: "ifindex" | "queueSize"): Uint8Array {
    const parts = typeof value === "object" && !(value instanceof Uint8Array) ? value : { [what]: value };
    const { [what]: number = 0, program = 0, ...more } = parts as Readonly<Record<string, MapInput>>;
    const [unknown] = Object.keys(more);
    if (unknown !== undefined) throw new ValueError(`values of map ${this.name} have no member ${unknown}`);
    const handle = typeof program === "string" ? this.#program(program) : program;
    const bytes = Uint8Array.of(...plainCodec(4).encode(number), ...plainCodec(4).encode(handle));
    if (handle !== 0 && this.image.valueBytes < 8) throw new ValueError(`values of map ${this.name} have no program`);
    return bytes.subarray(0, this.image.valueBytes);
  }

  #program(name: string): number {
    const handle = this.#machine.programHandle(name);
    if (handle === null) throw new ValueError(`there is no program ${name}`);
    return handle;
  }

  #decodeValue(bytes: Uint8Array): MapOutput {
    const { value } = this.#codecs;
    if (!this.#isPerCpu) return value.decode(bytes);
    const step = roundUp8(value.bytes);
    return Array.from({ length: this.#cpus }, (_, cpu) =>
      value.decode(bytes.subarray(cpu * step, cpu * step + value.bytes)),
    );
  }

  #check(result: number, doing: string): void {
    if (result < 0) throw this.#error(result, doing);
  }

  #missing(result: number, doing: string): null {
    if (result === -errno.ENOENT) return null;
    throw this.#error(result, doing);
  }

  #error(number: number, doing: string): MapError {
    return new MapError(`can't ${doing} map ${this.name} of kind ${this.kind}`, number);
  }
}

function repeated(value: Uint8Array, times: number): Uint8Array {
  const step = roundUp8(value.length);
  const all = new Uint8Array(step * times);
  for (let i = 0; i < times; i++) all.set(value, i * step);
  return all;
}
