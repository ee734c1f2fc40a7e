// Reads captures, both formats, in either byte order, as their bytes come: nothing is held but the packet being read, so that a file may
// have any size. Trusts nothing: a length that can't be right ends the reading with a CaptureFault.
// Source: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.

import type { CapturedPacket, CaptureFaultKind } from "./pcap.ts";
import { CaptureFault, captureLimits, pcapFormat, pcapngFormat } from "./pcap.ts";

const nsPerSecond = 1_000_000_000n;

/** The packets of a capture, given whole or in pieces of any size. Throws CaptureFault where it can't be read on. */
export function* readCapture(bytes: Uint8Array | Iterable<Uint8Array>): Generator<CapturedPacket, void, undefined> {
  const reader = new CaptureReader();
  if (bytes instanceof Uint8Array) yield* reader.push(bytes);
  else for (const piece of bytes) yield* reader.push(piece);
  reader.end();
}

/** A format's reader: takes what it can from a window. */
interface Format {
  /** The next whole unit at the window's start: its packet, null for a unit without one, or undefined when more bytes are needed. */
  next(window: Window): CapturedPacket | null | undefined;
}

/** Takes a capture's bytes as they come. */
export class CaptureReader {
  readonly #window = new Window();
  #format: Format | null = null;

  /** Takes the next bytes and gives the packets that are complete now. The bytes may be overwritten after the last packet was taken. */
  *push(bytes: Uint8Array): Generator<CapturedPacket, void, undefined> {
    this.#window.add(bytes);
    try {
      this.#format ??= recognise(this.#window);
      while (this.#format !== null) {
        const packet = this.#format.next(this.#window);
        if (packet === undefined) return;
        if (packet !== null) yield packet;
      }
    } finally {
      this.#window.keep();
    }
  }

  /** Says that no more bytes come. Throws CaptureFault when the capture ends in the middle of something. */
  end(): void {
    if (this.#format === null) throw this.#window.fault("not-capture", 0);
    if (this.#window.length > 0) throw this.#window.fault("cut", 0);
  }
}

/** The bytes not yet read, and where they lie in the file. */
class Window {
  #bytes: Uint8Array = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  #start = 0;
  #fileOffset = 0;
  little = true;

  get length(): number {
    return this.#bytes.length - this.#start;
  }

  /** Puts bytes behind what is left. */
  add(bytes: Uint8Array): void {
    if (this.length === 0) {
      this.#bytes = bytes;
    } else {
      const joined = new Uint8Array(this.length + bytes.length);
      joined.set(this.#bytes.subarray(this.#start));
      joined.set(bytes, this.length);
      this.#bytes = joined;
    }
    this.#start = 0;
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
  }

  /** Makes what is left our own: the caller may use its buffer again. */
  keep(): void {
    this.#bytes = new Uint8Array(this.#bytes.subarray(this.#start));
    this.#view = new DataView(this.#bytes.buffer);
    this.#start = 0;
  }

  take(count: number): void {
    this.#start += count;
    this.#fileOffset += count;
  }

  u16(at: number): number {
    return this.#view.getUint16(this.#start + at, this.little);
  }

  u32(at: number): number {
    return this.#view.getUint32(this.#start + at, this.little);
  }

  u64(at: number): bigint {
    return this.#view.getBigUint64(this.#start + at, this.little);
  }

  i64(at: number): bigint {
    return this.#view.getBigInt64(this.#start + at, this.little);
  }

  u8(at: number): number {
    return this.#view.getUint8(this.#start + at);
  }

  copy(at: number, count: number): Uint8Array {
    // Not slice: on a Buffer of Node that would be no copy.
    return new Uint8Array(this.#bytes.subarray(this.#start + at, this.#start + at + count));
  }

  fault(kind: CaptureFaultKind, at: number): CaptureFault {
    return new CaptureFault(kind, this.#fileOffset + at);
  }
}

/** The format, by the first bytes; null when there are too few of them. */
function recognise(window: Window): Format | null {
  if (window.length < 4) return null;
  window.little = true;
  if (window.u32(0) === pcapngFormat.sectionHeader) return new Pcapng();
  for (const little of [true, false]) {
    window.little = little;
    const magic = window.u32(0);
    if (magic !== pcapFormat.magicMicroseconds && magic !== pcapFormat.magicNanoseconds) continue;
    if (window.length < pcapFormat.headerBytes) return null;
    return new Pcap(window, magic === pcapFormat.magicNanoseconds);
  }
  throw window.fault("not-capture", 0);
}

class Pcap implements Format {
  readonly #linkType: number;
  readonly #nsPerTick: bigint;

  constructor(window: Window, nanoseconds: boolean) {
    if (window.u16(4) !== pcapFormat.major) throw window.fault("version", 4);
    this.#linkType = window.u32(20) & pcapFormat.linkTypeMask;
    this.#nsPerTick = nanoseconds ? 1n : 1000n;
    window.take(pcapFormat.headerBytes);
  }

  next(window: Window): CapturedPacket | undefined {
    const header = pcapFormat.recordHeaderBytes;
    if (window.length < header) return undefined;
    const captured = window.u32(8);
    const original = window.u32(12);
    if (captured > captureLimits.packetBytes) throw window.fault("record-length", 8);
    if (window.length < header + captured) return undefined;
    const timeNs = BigInt(window.u32(0)) * nsPerSecond + BigInt(window.u32(4)) * this.#nsPerTick;
    const bytes = window.copy(header, captured);
    window.take(header + captured);
    // Some writers leave the original length out.
    const originalBytes = Math.max(original, captured);
    return { bytes, originalBytes, timeNs, linkType: this.#linkType, interfaceIndex: 0 };
  }
}

/** An interface of a pcapng section. */
interface Interface {
  readonly linkType: number;
  /** 0: no limit. */
  readonly snapBytes: number;
  readonly ticksPerSecond: bigint;
  readonly offsetNs: bigint;
}

class Pcapng implements Format {
  #interfaces: Interface[] = [];

  next(window: Window): CapturedPacket | null | undefined {
    if (window.length < pcapngFormat.frameBytes) return undefined;
    const isSection = window.u32(0) === pcapngFormat.sectionHeader;
    if (isSection) {
      window.little = true;
      if (window.u32(8) !== pcapngFormat.byteOrderMagic) window.little = false;
      if (window.u32(8) !== pcapngFormat.byteOrderMagic) throw window.fault("byte-order", 8);
    }
    const length = window.u32(4);
    const least = pcapngFormat.frameBytes + (isSection ? 16 : 0);
    if (length < least || length % 4 !== 0 || length > captureLimits.blockBytes) throw window.fault("block-length", 4);
    if (window.length < length) return undefined;
    if (window.u32(length - 4) !== length) throw window.fault("block-length", length - 4);
    const packet = this.#block(window, length - 4);
    window.take(length);
    return packet;
  }

  /** A block whose content ends at `end`. */
  #block(window: Window, end: number): CapturedPacket | null {
    switch (window.u32(0)) {
      case pcapngFormat.sectionHeader:
        if (window.u16(12) !== pcapngFormat.major) throw window.fault("version", 12);
        this.#interfaces = [];
        return null;
      case pcapngFormat.interfaceDescription:
        this.#interfaces.push(interfaceOf(window, end));
        return null;
      case pcapngFormat.enhancedPacket:
        if (end < 28) throw window.fault("block-length", 4);
        return this.#packet(window, end, window.u32(8));
      case pcapngFormat.packet:
        if (end < 28) throw window.fault("block-length", 4);
        return this.#packet(window, end, window.u16(8));
      case pcapngFormat.simplePacket:
        return this.#simplePacket(window, end);
      default:
        return null;
    }
  }

  #interface(window: Window, index: number): Interface {
    const found = this.#interfaces[index];
    if (found === undefined) throw window.fault("interface", 8);
    return found;
  }

  #packet(window: Window, end: number, interfaceIndex: number): CapturedPacket {
    const { linkType, ticksPerSecond, offsetNs } = this.#interface(window, interfaceIndex);
    const captured = window.u32(20);
    if (captured > end - 28) throw window.fault("record-length", 20);
    const ticks = (BigInt(window.u32(12)) << 32n) | BigInt(window.u32(16));
    const timeNs = (ticks * nsPerSecond) / ticksPerSecond + offsetNs;
    const originalBytes = Math.max(window.u32(24), captured);
    return { bytes: window.copy(28, captured), originalBytes, timeNs, linkType, interfaceIndex };
  }

  #simplePacket(window: Window, end: number): CapturedPacket {
    if (end < 12) throw window.fault("block-length", 4);
    const { linkType, snapBytes } = this.#interface(window, 0);
    const originalBytes = window.u32(8);
    const captured = snapBytes === 0 ? originalBytes : Math.min(originalBytes, snapBytes);
    if (captured > end - 12) throw window.fault("record-length", 8);
    return { bytes: window.copy(12, captured), originalBytes, timeNs: 0n, linkType, interfaceIndex: 0 };
  }
}

function interfaceOf(window: Window, end: number): Interface {
  if (end < 16) throw window.fault("block-length", 4);
  let ticksPerSecond = 1_000_000n;
  let offsetNs = 0n;
  for (let at = 16; at + 4 <= end; ) {
    const [code, length] = [window.u16(at), window.u16(at + 2)];
    if (code === pcapngFormat.optionEnd) break;
    if (at + 4 + length > end) throw window.fault("block-length", at);
    if (code === pcapngFormat.optionTimeResolution) ticksPerSecond = resolutionOf(window, at, length);
    if (code === pcapngFormat.optionTimeOffset && length === 8) offsetNs = window.i64(at + 4) * nsPerSecond;
    at += 4 + Math.ceil(length / 4) * 4;
  }
  return { linkType: window.u16(8), snapBytes: window.u32(12), ticksPerSecond, offsetNs };
}

/** A power of ten, or with the highest bit a power of two. */
function resolutionOf(window: Window, at: number, length: number): bigint {
  if (length !== 1) throw window.fault("resolution", at);
  const value = window.u8(at + 4);
  const exponent = BigInt(value & 0x7f);
  return value >= 0x80 ? 2n ** exponent : 10n ** exponent;
}
