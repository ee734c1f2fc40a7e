// Captures of packets, read piece by piece and written: pcap with micro- and nanoseconds in both byte orders, and pcapng. Bytes in,
// frames out; knows no files. What is damaged is a fault with its place; a capture that stops in the middle gives what is whole.
// Source: draft-ietf-opsawg-pcap (pcap); draft-ietf-opsawg-pcapng (blocks 1, 2, 3, 6; options if_tsresol, if_tsoffset);
// https://www.tcpdump.org/linktypes.html.

import { ByteWriter } from "../base/bytes.ts";

/** LINKTYPE_ETHERNET. */
export const ETHERNET = 1;
/** Longer packets than any capture holds: a length beyond is damage. */
const MOST_FRAME_BYTES = 1 << 18;
const MOST_BLOCK_BYTES = 1 << 24;
const SECOND_NS = 1_000_000_000n;

/** A packet of a capture. */
export interface CapturedFrame {
  /** Its number in the capture, from 1. */
  readonly number: number;
  /** What was captured; valid only until the next piece is read. */
  readonly bytes: Uint8Array;
  /** Bytes it had on the wire: more where it was cut. */
  readonly originalBytes: number;
  /** When, in nanoseconds since 1970; 0 where the capture doesn't say. */
  readonly timestampNs: bigint;
  /** The interface it was captured on, from 0. */
  readonly interfaceId: number;
  /** LINKTYPE_* of that interface. */
  readonly linkType: number;
}

/** A capture that can't be read on. */
export class CaptureFault extends Error {
  override readonly name = "CaptureFault";
}

interface Interface {
  readonly linkType: number;
  readonly snapBytes: number;
  /** Units of a timestamp in a second. */
  readonly unitsPerSecond: bigint;
  readonly offsetSeconds: bigint;
}

type Format =
  | { readonly kind: "pcap"; readonly little: boolean; readonly nanoseconds: boolean; readonly linkType: number }
  | { readonly kind: "pcapng" };

/** Takes a capture in pieces and gives its frames. */
export class CaptureReader {
  #format: Format | null = null;
  /** What of the pieces so far isn't read yet. */
  #rest = new Uint8Array(0);
  /** The place of `#rest` in the capture. */
  #offset = 0;
  #little = true;
  #interfaces: Interface[] = [];
  #count = 0;

  /** Reads on with the next bytes; `each` gets the frames that are whole and says whether to go on. Throws CaptureFault. */
  push(piece: Uint8Array, each: (frame: CapturedFrame) => boolean): boolean {
    const bytes = this.#rest.length === 0 ? piece : joined(this.#rest, piece);
    let at = 0;
    let wanted = true;
    if (this.#format === null) {
      const header = readHeader(bytes);
      if (header === null) {
        this.#rest = bytes.slice();
        return true;
      }
      this.#format = header.format;
      at = header.bytes;
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    while (wanted && at < bytes.length) {
      const before: number = at;
      const taken: { readonly next: number; readonly frame: CapturedFrame | null } | null =
        this.#format.kind === "pcap" ? this.#record(view, bytes, at, this.#format) : this.#block(view, bytes, at);
      if (taken === null) break;
      at = taken.next;
      if (taken.frame !== null) wanted = each(taken.frame);
      if (at <= before) throw this.#fault(before, "a block without length");
    }
    this.#rest = bytes.slice(at);
    this.#offset += at;
    return wanted;
  }

  /** Call at the end: what is wrong with it, or null. Throws CaptureFault for what is no capture at all. */
  end(): string | null {
    if (this.#format === null) throw new CaptureFault(notACapture(this.#rest));
    return this.#rest.length === 0 ? null : `it ends in the middle of packet ${this.#count + 1}`;
  }

  #fault(at: number, what: string): CaptureFault {
    return new CaptureFault(`is damaged at byte ${this.#offset + at}: ${what}`);
  }

  #record(
    view: DataView,
    bytes: Uint8Array,
    at: number,
    { little, nanoseconds, linkType }: Format & { readonly kind: "pcap" },
  ): { readonly next: number; readonly frame: CapturedFrame } | null {
    if (at + 16 > bytes.length) return null;
    const captured = view.getUint32(at + 8, little);
    if (captured > MOST_FRAME_BYTES) throw this.#fault(at, `a packet of ${captured} bytes`);
    const next = at + 16 + captured;
    if (next > bytes.length) return null;
    const seconds = view.getUint32(at, little);
    const fraction = view.getUint32(at + 4, little);
    this.#count += 1;
    const frame = {
      number: this.#count,
      bytes: bytes.subarray(at + 16, next),
      originalBytes: view.getUint32(at + 12, little),
      timestampNs: BigInt(seconds) * SECOND_NS + BigInt(nanoseconds ? fraction : fraction * 1000),
      interfaceId: 0,
      linkType,
    };
    return { next, frame };
  }

  #block(
    view: DataView,
    bytes: Uint8Array,
    at: number,
  ): { readonly next: number; readonly frame: CapturedFrame | null } | null {
    if (at + 12 > bytes.length) return null;
    const isSection = view.getUint32(at) === SECTION_HEADER;
    if (isSection) {
      const magic = view.getUint32(at + 8, true);
      if (magic !== 0x1a2b3c4d && magic !== 0x4d3c2b1a) throw this.#fault(at, "a section without byte order");
      this.#little = magic === 0x1a2b3c4d;
    }
    const length = view.getUint32(at + 4, this.#little);
    if (length < 12 || length % 4 !== 0 || length > MOST_BLOCK_BYTES)
      throw this.#fault(at, `a block of ${length} bytes`);
    const next = at + length;
    if (next > bytes.length) return null;
    if (view.getUint32(next - 4, this.#little) !== length) throw this.#fault(at, "a block with two lengths");
    if (isSection) {
      this.#interfaces = [];
      return { next, frame: null };
    }
    const type = view.getUint32(at, this.#little);
    if (type === 1) {
      this.#interfaces.push(this.#interface(view, at, length));
      return { next, frame: null };
    }
    const frame = type === 6 || type === 2 || type === 3 ? this.#frame(view, bytes, at, length, type) : null;
    return { next, frame };
  }

  #interface(view: DataView, at: number, length: number): Interface {
    const little = this.#little;
    if (length < 20) throw this.#fault(at, `an interface of ${length} bytes`);
    let unitsPerSecond = 1_000_000n;
    let offsetSeconds = 0n;
    for (let option = at + 16; option + 4 <= at + length - 4; ) {
      const code = view.getUint16(option, little);
      const bytes = view.getUint16(option + 2, little);
      if (code === 0 || option + 4 + bytes > at + length - 4) break;
      if (code === 9 && bytes === 1) {
        const resolution = view.getUint8(option + 4);
        unitsPerSecond = resolution & 0x80 ? 1n << BigInt(resolution & 0x7f) : 10n ** BigInt(resolution);
      } else if (code === 14 && bytes === 8) offsetSeconds = view.getBigInt64(option + 4, little);
      option += 4 + Math.ceil(bytes / 4) * 4;
    }
    const snapBytes = view.getUint32(at + 12, little);
    return { linkType: view.getUint16(at + 8, little), snapBytes, unitsPerSecond, offsetSeconds };
  }

  #frame(view: DataView, bytes: Uint8Array, at: number, length: number, type: 2 | 3 | 6): CapturedFrame {
    const little = this.#little;
    const simple = type === 3;
    const head = simple ? 12 : 28;
    if (length < head + 4) throw this.#fault(at, `a packet's block of ${length} bytes`);
    const interfaceId = simple ? 0 : type === 6 ? view.getUint32(at + 8, little) : view.getUint16(at + 8, little);
    const from = this.#interfaces[interfaceId];
    if (from === undefined) throw this.#fault(at, `a packet of interface ${interfaceId}, which isn't described`);
    const originalBytes = view.getUint32(at + (simple ? 8 : 24), little);
    const most = length - head - 4;
    const snapped = from.snapBytes === 0 ? originalBytes : Math.min(from.snapBytes, originalBytes);
    const captured = simple ? Math.min(most, snapped) : view.getUint32(at + 20, little);
    if (captured > most) throw this.#fault(at, `a packet of ${captured} bytes in a block of ${length}`);
    let timestampNs = 0n;
    if (!simple) {
      const units = (BigInt(view.getUint32(at + 12, little)) << 32n) | BigInt(view.getUint32(at + 16, little));
      timestampNs = (units * SECOND_NS) / from.unitsPerSecond + from.offsetSeconds * SECOND_NS;
    }
    this.#count += 1;
    return {
      number: this.#count,
      bytes: bytes.subarray(at + head, at + head + captured),
      originalBytes,
      timestampNs,
      interfaceId,
      linkType: from.linkType,
    };
  }
}

/** The type of a section header block, the same in both byte orders. */
const SECTION_HEADER = 0x0a0d0d0a;

/** The format and what of the file it took; null while there are too few bytes to tell. */
function readHeader(bytes: Uint8Array): { readonly format: Format; readonly bytes: number } | null {
  if (bytes.length < 4) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0);
  if (magic === SECTION_HEADER) return { format: { kind: "pcapng" }, bytes: 0 };
  const found = MAGICS.get(magic);
  if (found === undefined) throw new CaptureFault(notACapture(bytes));
  if (bytes.length < 24) return null;
  return { format: { kind: "pcap", ...found, linkType: view.getUint32(20, found.little) & 0xffff }, bytes: 24 };
}

const MAGICS: ReadonlyMap<number, { readonly little: boolean; readonly nanoseconds: boolean }> = new Map([
  [0xa1b2c3d4, { little: false, nanoseconds: false }],
  [0xd4c3b2a1, { little: true, nanoseconds: false }],
  [0xa1b23c4d, { little: false, nanoseconds: true }],
  [0x4d3cb2a1, { little: true, nanoseconds: true }],
]);

function notACapture(bytes: Uint8Array): string {
  if (bytes.length === 0) return "is empty";
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return "is compressed; unpack it first (gunzip)";
  if (bytes[0] === 0x28 && bytes[1] === 0xb5) return "is compressed; unpack it first (zstd -d)";
  return "is no pcap or pcapng capture";
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** The header of a capture of Ethernet frames with nanoseconds, little-endian. */
export function captureHeader(): Uint8Array {
  const writer = new ByteWriter("little", 24);
  return writer.u32(0xa1b23c4d).u16(2).u16(4).u32(0).u32(0).u32(MOST_FRAME_BYTES).u32(ETHERNET).finish();
}

/** Adds a frame's record to what will be such a capture. */
export function writeFrame(writer: ByteWriter, bytes: Uint8Array, timestampNs: bigint): void {
  writer.u32(Number((timestampNs / SECOND_NS) & 0xffff_ffffn)).u32(Number(timestampNs % SECOND_NS));
  writer.u32(bytes.length).u32(bytes.length).bytes(bytes);
}
