// Writes captures, both formats, in either byte order: the file's beginning, then a piece for each packet, so that nothing is held. What
// it writes, tcpdump and Wireshark read.
// Source: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.

import type { ByteOrder } from "../base/bytes.ts";
import { ByteWriter } from "../base/bytes.ts";
import { linkTypeEthernet, pcapFormat, pcapngFormat } from "./pcap.ts";

/** How a capture is written; all of it optional. */
export interface CaptureWriterOptions {
  /** Default pcap. */
  readonly format?: "pcap" | "pcapng";
  /** Default ns. */
  readonly resolution?: "us" | "ns";
  /** Default little. */
  readonly order?: ByteOrder;
  /** LINKTYPE_*. Default Ethernet. */
  readonly linkType?: number;
  /** The most bytes of a packet that are written. Default 262,144. */
  readonly snapBytes?: number;
}

const defaultSnapBytes = 262_144;
const nsPerSecond = 1_000_000_000n;

/** Makes the pieces of one capture; written one after the other they are the file. */
export class CaptureWriter {
  readonly #pcapng: boolean;
  readonly #nsPerTick: bigint;
  readonly #order: ByteOrder;
  readonly #linkType: number;
  readonly #snapBytes: number;

  constructor(options: CaptureWriterOptions = {}) {
    this.#pcapng = options.format === "pcapng";
    this.#nsPerTick = options.resolution === "us" ? 1000n : 1n;
    this.#order = options.order ?? "little";
    this.#linkType = options.linkType ?? linkTypeEthernet;
    this.#snapBytes = options.snapBytes ?? defaultSnapBytes;
  }

  /** What stands before the first packet. */
  begin(): Uint8Array {
    return this.#pcapng ? this.#sectionAndInterface() : this.#pcapHeader();
  }

  /**
   * A packet's record. `timeNs` counts from 1970, from 0 up to what the format holds (pcap: 2^32 s); fractions of a tick are cut off.
   * `originalBytes` is its length on the wire, if that was more.
   */
  packet(packet: { readonly bytes: Uint8Array; readonly timeNs: bigint; readonly originalBytes?: number }): Uint8Array {
    const bytes = packet.bytes.subarray(0, this.#snapBytes);
    const original = Math.max(packet.originalBytes ?? 0, packet.bytes.length);
    return this.#pcapng
      ? this.#enhancedPacket(bytes, packet.timeNs, original)
      : this.#record(bytes, packet.timeNs, original);
  }

  #writer(bytes: number): ByteWriter {
    return new ByteWriter(this.#order, bytes);
  }

  #pcapHeader(): Uint8Array {
    const { magicMicroseconds, magicNanoseconds, major, minor, headerBytes } = pcapFormat;
    const header = this.#writer(headerBytes).u32(this.#nsPerTick === 1n ? magicNanoseconds : magicMicroseconds);
    return header.u16(major).u16(minor).zeros(8).u32(this.#snapBytes).u32(this.#linkType).finish();
  }

  #record(bytes: Uint8Array, timeNs: bigint, original: number): Uint8Array {
    const record = this.#writer(pcapFormat.recordHeaderBytes + bytes.length);
    record.u32(Number(timeNs / nsPerSecond)).u32(Number((timeNs % nsPerSecond) / this.#nsPerTick));
    return record.u32(bytes.length).u32(original).bytes(bytes).finish();
  }

  #sectionAndInterface(): Uint8Array {
    const { sectionHeader, byteOrderMagic, major, interfaceDescription, optionTimeResolution } = pcapngFormat;
    const out = this.#writer(64);
    // The section's length isn't known while it is written: all ones.
    out.u32(sectionHeader).u32(28).u32(byteOrderMagic).u16(major).u16(0).u64(0xffff_ffff_ffff_ffffn).u32(28);
    const exponent = this.#nsPerTick === 1n ? 9 : 6;
    out.u32(interfaceDescription).u32(32).u16(this.#linkType).u16(0).u32(this.#snapBytes);
    out.u16(optionTimeResolution).u16(1).u8(exponent).zeros(3).u32(pcapngFormat.optionEnd).u32(32);
    return out.finish();
  }

  #enhancedPacket(bytes: Uint8Array, timeNs: bigint, original: number): Uint8Array {
    const padded = Math.ceil(bytes.length / 4) * 4;
    const length = 32 + padded;
    const ticks = timeNs / this.#nsPerTick;
    const out = this.#writer(length).u32(pcapngFormat.enhancedPacket).u32(length).u32(0);
    out.u32(Number(ticks >> 32n)).u32(Number(ticks & 0xffff_ffffn));
    out
      .u32(bytes.length)
      .u32(original)
      .bytes(bytes)
      .zeros(padded - bytes.length);
    return out.u32(length).finish();
  }
}
