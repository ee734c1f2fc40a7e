// Queues and stacks: values without keys, pushed, popped and peeked. A full one refuses a value, or with BPF_EXIST drops its oldest.
// Source: Linux kernel/bpf/queue_stack_maps.c.

import type { ImageMap } from "../../bpf/image.ts";
import { errno } from "../errno.ts";
import type { MapHost } from "./map.ts";
import { MachineMap, updateFlags } from "./map.ts";

/** A map of kind `queue` or `stack`. */
export class QueueStackMap extends MachineMap {
  /** From the oldest to the newest; places before `#oldest` are empty. */
  #values: Uint8Array[] = [];
  #oldest = 0;

  constructor(image: ImageMap, kind: "queue" | "stack", host: MapHost) {
    super(image, kind, host);
  }

  override push(value: Uint8Array, flags: number): number {
    if (flags > updateFlags.exist || (flags & updateFlags.noExist) !== 0) return -errno.EINVAL;
    if (this.size >= this.image.maxEntries) {
      if ((flags & updateFlags.exist) === 0) return -errno.E2BIG;
      this.#dropOldest();
    }
    this.#values.push(new Uint8Array(value.subarray(0, this.image.valueBytes)));
    return 0;
  }

  override pop(value: Uint8Array): number {
    const result = this.peek(value);
    if (result !== 0) return result;
    if (this.kind === "queue") this.#dropOldest();
    else this.#values.pop();
    return 0;
  }

  override peek(value: Uint8Array): number {
    const found =
      this.size === 0 ? undefined : this.kind === "queue" ? this.#values[this.#oldest] : this.#values.at(-1);
    if (found === undefined) {
      value.fill(0);
      return -errno.ENOENT;
    }
    value.set(found);
    return 0;
  }

  #dropOldest(): void {
    this.#oldest += 1;
    // Shifting at each pop would cost as much as the queue is long.
    if (this.#oldest < 1024 && this.#oldest < this.#values.length) return;
    this.#values.splice(0, this.#oldest);
    this.#oldest = 0;
  }

  override userLookup(): Uint8Array | number {
    const value = new Uint8Array(this.image.valueBytes);
    const result = this.peek(value);
    return result === 0 ? value : result;
  }

  override userUpdate(_key: Uint8Array, value: Uint8Array, flags: number): number {
    return this.push(value, flags);
  }

  override userTake(): Uint8Array | number {
    const value = new Uint8Array(this.image.valueBytes);
    const result = this.pop(value);
    return result === 0 ? value : result;
  }

  override userNextKey(): Uint8Array | number {
    return -errno.EINVAL;
  }

  keys(): Iterable<Uint8Array> {
    return [];
  }

  /** The values in the order in which they would be popped: copies. */
  values(): Uint8Array[] {
    const values = this.#values.slice(this.#oldest).map((value) => value.slice());
    return this.kind === "queue" ? values : values.reverse();
  }

  get size(): number {
    return this.#values.length - this.#oldest;
  }

  reset(): void {
    this.#values = [];
    this.#oldest = 0;
  }
}
