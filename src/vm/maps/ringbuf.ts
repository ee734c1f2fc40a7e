// Ring buffers: records that programs reserve, fill and submit (or discard) and a reader takes in order. Space is counted as in the
// kernel: 8 bytes of header and the record in whole 8 bytes, until the reader has passed it. Records have memory of their own
// here, so a record can't be overrun into the next one.
// Source: Linux kernel/bpf/ringbuf.c (__bpf_ringbuf_reserve, bpf_ringbuf_commit, bpf_ringbuf_query).

import type { ImageMap } from "../../bpf/image.ts";
import { errno } from "../errno.ts";
import { Region } from "../memory.ts";
import type { MapHost } from "./map.ts";
import { MachineMap } from "./map.ts";

/** What bpf_ringbuf_query can be asked. **Source:** Linux include/uapi/linux/bpf.h, BPF_RB_AVAIL_DATA and those after it. */
export const ringbufQueries = { availableBytes: 0, ringBytes: 1, consumerPosition: 2, producerPosition: 3 } as const;

const headerBytes = 8;
/** The longest record the kernel takes. */
const mostRecordBytes = 0x3fffffff;

interface RingRecord {
  readonly region: Region;
  readonly spaceBytes: number;
  state: "busy" | "submitted" | "discarded";
}

/** A map of kind `ringbuf`; `maxEntries` is its size in bytes. */
export class RingbufMap extends MachineMap {
  /** Not yet passed by the reader, in the order of reservation. */
  #records: RingRecord[] = [];
  #producer = 0;
  #consumer = 0;
  /** Records by their memory: what submit and discard get is an address. */
  readonly #byRegion = new Map<Region, RingRecord>();

  constructor(image: ImageMap, host: MapHost) {
    super(image, "ringbuf", host);
  }

  /** Memory for a record of `bytes` bytes, zeroed; null when there is no room. */
  reserve(bytes: number): Region | null {
    const spaceBytes = Math.ceil((bytes + headerBytes) / 8) * 8;
    if (bytes > mostRecordBytes || spaceBytes > this.image.maxEntries) return null;
    if (this.#producer + spaceBytes - this.#consumer > this.image.maxEntries - 1) return null;
    const region = new Region("record", `record of map ${this.name}`, new Uint8Array(bytes), { map: this });
    const record: RingRecord = { region, spaceBytes, state: "busy" };
    this.#records.push(record);
    this.#byRegion.set(region, record);
    this.#producer += spaceBytes;
    return region;
  }

  /** Ends a reservation; false when `region` isn't one that is still open. */
  commit(region: Region, how: "submitted" | "discarded"): boolean {
    const record = this.#byRegion.get(region);
    if (record === undefined) return false;
    record.state = how;
    this.#byRegion.delete(region);
    return true;
  }

  /** bpf_ringbuf_output. */
  output(data: Uint8Array): number {
    const region = this.reserve(data.length);
    if (region === null) return -errno.EAGAIN;
    region.bytes.set(data);
    this.commit(region, "submitted");
    return 0;
  }

  /** bpf_ringbuf_query: 0 for a question it doesn't know. */
  query(what: number): number {
    switch (what) {
      case ringbufQueries.availableBytes:
        return this.#producer - this.#consumer;
      case ringbufQueries.ringBytes:
        return this.image.maxEntries;
      case ringbufQueries.consumerPosition:
        return this.#consumer;
      case ringbufQueries.producerPosition:
        return this.#producer;
      default:
        return 0;
    }
  }

  /** The reader's turn: takes all submitted records up to the first that is still open and frees their space. */
  drain(): Uint8Array[] {
    const taken: Uint8Array[] = [];
    let count = 0;
    for (const record of this.#records) {
      if (record.state === "busy") break;
      if (record.state === "submitted") taken.push(record.region.bytes);
      this.#consumer += record.spaceBytes;
      count += 1;
    }
    this.#records.splice(0, count);
    return taken;
  }

  override lookup(): null {
    return null;
  }

  override update(): number {
    return -errno.ENOTSUPP;
  }

  override delete(): number {
    return -errno.ENOTSUPP;
  }

  override userLookup(): number {
    return -errno.ENOTSUPP;
  }

  override userNextKey(): number {
    return -errno.ENOTSUPP;
  }

  keys(): Iterable<Uint8Array> {
    return [];
  }

  /** The number of records the reader hasn't passed, open and discarded ones among them. */
  get size(): number {
    return this.#records.length;
  }

  reset(): void {
    this.#records = [];
    this.#byRegion.clear();
    this.#producer = 0;
    this.#consumer = 0;
  }
}
