// A packet's buffer, laid out as a driver does: headroom, the packet, tailroom. One buffer is used for all packets of a machine
// and grows for bigger ones; what a packet has beyond its first buffer is kept beside. Part of the machine's core; how far a program may
// move head and tail is the helpers' business.
// Source: Linux net/bpf/test_run.c (bpf_prog_test_run_xdp: pages of 4096 bytes, XDP_PACKET_HEADROOM of 256).

import type { ContextValues } from "./memory.ts";
import { Region } from "./memory.ts";

/** Bytes before the packet. **Source:** Linux include/uapi/linux/bpf.h, XDP_PACKET_HEADROOM. */
export const headroomBytes = 256;

/** The bytes of a buffer that a packet can grow into, headroom included: a page of 4096 less struct skb_shared_info. */
export const bufferBytes: number = 4096 - 320;

const none = new Uint8Array(0);

/** What the machine knows of the packet being processed. */
export class Packet implements ContextValues {
  readonly packet = new Region("packet", "the packet", new Uint8Array(bufferBytes));
  dataMeta = headroomBytes;
  data = headroomBytes;
  dataEnd = headroomBytes;
  rest: Uint8Array = none;
  ingressIfindex = 0;
  rxQueueIndex = 0;
  egressIfindex: number | null = null;
  moved = false;
  /** Everything from here on, and the headroom, is zero unless something moved. */
  #cleanFrom = headroomBytes;

  /**
   * Puts a packet behind the headroom, with `meta` (0 to 255 bytes) before it; the rest of the buffer is zero. Only the first
   * `firstBuffer` bytes lie there, the others beyond the first buffer.
   */
  place(whole: Uint8Array, meta: Uint8Array | null = null, firstBuffer: number = whole.length): void {
    const { packet } = this;
    const bytes = firstBuffer < whole.length ? whole.subarray(0, firstBuffer) : whole;
    this.rest = firstBuffer < whole.length ? whole.slice(firstBuffer) : none;
    if (meta !== null && meta.length >= headroomBytes) throw new RangeError(`${meta.length} bytes of metadata`);
    const end = headroomBytes + bytes.length;
    let buffer = packet.bytes;
    if (buffer.length < end) buffer = new Uint8Array(end + bufferBytes);
    else if (this.moved) {
      buffer.fill(0, 0, headroomBytes);
      buffer.fill(0, end);
    } else if (this.#cleanFrom > end) buffer.fill(0, end, this.#cleanFrom);
    buffer.set(bytes, headroomBytes);
    this.dataMeta = headroomBytes - (meta?.length ?? 0);
    if (meta !== null) buffer.set(meta, this.dataMeta);
    this.data = headroomBytes;
    this.dataEnd = end;
    packet.setBytes(buffer, this.dataMeta, end);
    this.#cleanFrom = end;
    // Metadata is written to the headroom, which otherwise only programs that move the packet reach.
    this.moved = meta !== null;
  }

  /** The packet as it is now: a copy. */
  copy(): Uint8Array {
    const first = this.packet.bytes.slice(this.data, this.dataEnd);
    if (this.rest.length === 0) return first;
    const whole = new Uint8Array(first.length + this.rest.length);
    whole.set(first);
    whole.set(this.rest, first.length);
    return whole;
  }

  /** The metadata before it: a copy, empty when there is none. */
  copyMeta(): Uint8Array {
    return this.dataMeta === this.data ? none : this.packet.bytes.slice(this.dataMeta, this.data);
  }
}
