// The machine's address space. A 64-bit address is a region's number in its high half and a place in that region in its low
// half, so that arithmetic on pointers is arithmetic on numbers, and yet no pointer can walk from one object into the next:
// every access looks its region up and is checked against it. Part of the machine's core; knows no instructions and no maps.
//
// Every region begins at the low half `originLo`, not at 0, and is shorter than 2^30 bytes: a pointer a bit before or behind
// its region keeps the same high half, and an access whose 16-bit offset carries into the high half is out of every region.

import { InternalError } from "../base/assert.ts";
import type { ContextFieldName } from "../bpf/context.ts";
import { contextBytes, contextFieldAt } from "../bpf/context.ts";
import { MachineFault } from "./fault.ts";
import type { VmMap } from "./map.ts";

/** The high half of the address of region 0, which is no region; that of region n is n more. Unlikely in a number by chance. */
export const regionTag = 0x5d00_0000;

/** The low half of the address of a region's byte 0. */
export const originLo = 0x4000_0000;

/** The most bytes a region can have. */
export const mostRegionBytes = 0x3fff_0000;

/**
 * What a region holds. `mapHandle` stands for a map and `code` for the program's instructions (low half: `originLo` + slot):
 * nothing can be read or written there. `context` is struct xdp_md: read field by field by `Memory.loadContext`, not as bytes.
 */
export type RegionKind =
  | "none"
  | "stack"
  | "packet"
  | "context"
  | "mapValue"
  | "mapHandle"
  | "record"
  | "buffer"
  | "code";

/**
 * A run of bytes that programs may touch. Whoever owns the bytes makes the region once and keeps it (a map: one for each value),
 * and gives it an address by `Memory.addressOf` when a program is to see it.
 */
export class Region {
  readonly kind: RegionKind;
  /** For messages: "value of map ports", "stack of frame 0". */
  readonly label: string;
  /** The map behind a `mapValue`, `mapHandle` or `record`; else null. */
  readonly map: VmMap | null;
  /** All bytes; only `readBytes` of them from `start` on may be touched. */
  bytes: Uint8Array;
  view: DataView;
  /** The first accessible byte, an index into `bytes`: above 0 only in a packet, whose headroom comes before. */
  start = 0;
  /** How many bytes from `start` on may be read. */
  readBytes: number;
  /** How many may be written: `readBytes`, or 0 for a region programs only read. */
  writeBytes: number;
  /** Its number in the table of the memory that gave it an address last; only meaningful when that table agrees. */
  index = 0;

  constructor(kind: RegionKind, label: string, bytes: Uint8Array, options: { map?: VmMap; readOnly?: boolean } = {}) {
    if (bytes.length > mostRegionBytes) throw new InternalError(`a region of ${bytes.length} bytes`);
    this.kind = kind;
    this.label = label;
    this.map = options.map ?? null;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.readBytes = bytes.length;
    this.writeBytes = options.readOnly === true ? 0 : bytes.length;
  }

  /** Gives the region other bytes, of which `[start, end)` may be touched: a packet's buffer and what of it is the packet. */
  setBytes(bytes: Uint8Array, start: number, end: number): void {
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    this.setBounds(start, end);
  }

  /** Changes which bytes may be touched to `[start, end)`, indices into `bytes`. */
  setBounds(start: number, end: number): void {
    if (!(start >= 0 && start <= end && end <= this.bytes.length))
      throw new InternalError(`bounds ${start}..${end} of ${this.label} of ${this.bytes.length} bytes`);
    this.start = start;
    this.readBytes = end - start;
    this.writeBytes = end - start;
  }
}

/** What struct xdp_md shows; byte places are indices into the packet region's `bytes`. */
export interface ContextValues {
  /** The packet's region. */
  readonly packet: Region;
  /** The first byte of metadata; `data` when there is none. Equals `packet.start`. */
  dataMeta: number;
  /** The packet's first byte. */
  data: number;
  /** Behind the last byte of the first buffer: the packet's last, unless there are more buffers. */
  dataEnd: number;
  /** The packet's bytes beyond the first buffer, which programs reach by helpers only. */
  rest: Uint8Array;
  ingressIfindex: number;
  rxQueueIndex: number;
  /** Null unless the program is an entry of a devmap: then a read of the field is a fault. */
  egressIfindex: number | null;
  /** True once head, tail or metadata were moved: then bytes around the packet may have been written. */
  moved: boolean;
}

/** The context's fields by their place, as `loadContext` is asked for each packet several times. */
const fieldAt: readonly (ContextFieldName | null)[] = Array.from({ length: contextBytes }, (_, at) =>
  contextFieldAt(at),
);

const nowhere = new Region("none", "no memory", new Uint8Array(0));

/** The regions that programs can reach, by number. One for each machine; what a run adds is forgotten at the next one. */
export class Memory {
  /** By number; the executors index it with `high half - regionTag`. Entry 0, and entries not valid now, hold no memory. */
  readonly regions: Region[] = [nowhere];
  /** What loads from a `context` region show; null for raw bytecode, which has none. */
  context: ContextValues | null = null;
  /** The low half of the value that `loadContext` gave last. */
  valueLo = 0;
  /** Its high half. */
  valueHi = 0;
  #permanent = 1;
  /** How many entries are in use; those behind are kept, so that the table needn't grow again in each run. */
  #used = 1;

  /** Adds a region that keeps its address over runs. Only before the first run. Returns the high half of its addresses. */
  addPermanent(region: Region): number {
    if (this.#used !== this.#permanent) throw new InternalError("a permanent region added in a run");
    const high = this.#append(region);
    this.#permanent = this.#used;
    return high;
  }

  /** Forgets the addresses given since the last call: the start of a run. */
  beginRun(): void {
    while (this.#used > this.#permanent) this.regions[--this.#used] = nowhere;
  }

  /**
   * The high half of `region`'s addresses, an int32; byte i has the low half `originLo + i`. A region that has no address yet in
   * this run gets one, and keeps it to the run's end: two look-ups of a value give equal pointers.
   */
  addressOf(region: Region): number {
    if (this.regions[region.index] === region) return regionTag + region.index;
    return this.#append(region);
  }

  /** Takes a region's address away: pointers to it are no longer valid (a released record; a packet that moved). */
  revoke(region: Region): void {
    if (this.regions[region.index] === region) this.regions[region.index] = nowhere;
  }

  /** The region with this high half; one without bytes, of kind `none`, when there is none. Never throws. */
  regionAt(hi: number): Region {
    return this.regions[hi - regionTag] ?? nowhere;
  }

  #append(region: Region): number {
    region.index = this.#used;
    this.regions[this.#used++] = region;
    return regionTag + region.index;
  }

  /**
   * Checks an access of `bytes` bytes at the address (hi, lo), both int32, and gives the index of its first byte in the bytes of
   * `regionAt(hi)`. Throws MachineFault. An access of no bytes must still be inside or at the end.
   */
  resolve(hi: number, lo: number, bytes: number, access: "read" | "write"): number {
    const region = this.regionAt(hi);
    const index = (lo >>> 0) - originLo;
    const limit = access === "read" ? region.readBytes : region.writeBytes;
    const place = index - region.start;
    if (place >= 0 && place + bytes <= limit && region !== nowhere) return index;
    throw accessFault(region, hi, lo, place, bytes, access);
  }

  /** The `bytes` bytes at (hi, lo) for reading: no copy. Throws MachineFault. */
  readable(hi: number, lo: number, bytes: number): Uint8Array {
    const index = this.resolve(hi, lo, bytes, "read");
    return this.regionAt(hi).bytes.subarray(index, index + bytes);
  }

  /** The `bytes` bytes at (hi, lo) for writing: no copy. Throws MachineFault. */
  writable(hi: number, lo: number, bytes: number): Uint8Array {
    const index = this.resolve(hi, lo, bytes, "write");
    return this.regionAt(hi).bytes.subarray(index, index + bytes);
  }

  /**
   * Loads `bytes` bytes at low half `lo` of the context into `valueLo` and `valueHi`: a whole field of struct xdp_md. The three
   * packet fields have 4 bytes there and give 64-bit pointers, as the kernel rewrites the load. Throws MachineFault.
   */
  loadContext(lo: number, bytes: number, signed: boolean): void {
    const context = this.context;
    const offset = (lo >>> 0) - originLo;
    const field = bytes === 4 && !signed ? (fieldAt[offset] ?? null) : null;
    if (field === null || context === null)
      throw new MachineFault("context", `no field of struct xdp_md is ${bytes} bytes at offset ${offset}`);
    switch (field) {
      case "data":
        return this.#giveAddress(context.packet, context.data);
      case "data_end":
        return this.#giveAddress(context.packet, context.dataEnd);
      case "data_meta":
        return this.#giveAddress(context.packet, context.dataMeta);
      case "ingress_ifindex":
        return this.#giveNumber(context.ingressIfindex);
      case "rx_queue_index":
        return this.#giveNumber(context.rxQueueIndex);
      case "egress_ifindex":
        if (context.egressIfindex === null)
          throw new MachineFault("context", "only programs of devmap entries can read egress_ifindex");
        return this.#giveNumber(context.egressIfindex);
    }
  }

  #giveAddress(region: Region, index: number): void {
    this.valueHi = this.addressOf(region);
    this.valueLo = originLo + index;
  }

  #giveNumber(value: number): void {
    this.valueHi = 0;
    this.valueLo = value | 0;
  }
}

/** An address as text: "0x5d00000240000000". */
export function formatAddress(hi: number, lo: number): string {
  return `0x${(BigInt.asUintN(32, BigInt(hi)) * 2n ** 32n + BigInt.asUintN(32, BigInt(lo))).toString(16)}`;
}

function accessFault(
  region: Region,
  hi: number,
  lo: number,
  place: number,
  bytes: number,
  access: "read" | "write",
): MachineFault {
  const what = `${access} of ${bytes} byte${bytes === 1 ? "" : "s"}`;
  if (region.kind === "none") {
    const address = hi === 0 && lo === 0 ? "null" : formatAddress(hi, lo);
    return new MachineFault("badAddress", `${what} at ${address}, which is no valid address`);
  }
  if (region.kind === "context") return new MachineFault("context", `${what} of the context as plain memory`);
  if (access === "write" && region.writeBytes === 0 && region.readBytes > 0)
    return new MachineFault("readOnly", `${what} at ${region.label}, which is read only`);
  return new MachineFault(
    "outOfBounds",
    `${what} at offset ${place} of ${region.label}, which has ${region.readBytes}`,
  );
}
