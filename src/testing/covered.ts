// What lengths and checksums of a packet ought to be: worked out from the headers' declarations (`length(…)`, `checksum(…)`), for making
// packets and for judging those that come out. Sums of 16 bits are the Internet's, of 32 bits CRC32c.
// Source: RFC 1071 (Internet checksum); RFC 9293 section 3.1, RFC 768, RFC 8200 section 8.1 (pseudo headers); RFC 9260 appendix A (CRC32c).

import { announcing } from "../ir/header-link.ts";
import type { Field, Header } from "../ir/hir.ts";
import { placeOf, readField, writeField } from "./header-values.ts";

/** A header at its place in a packet. */
export interface PlacedHeader {
  readonly header: Header;
  /** Where it starts, in bytes from the packet's first. */
  readonly at: number;
  /** Its whole size in bytes, with options. */
  readonly bytes: number;
}

/**
 * What `field` (one with `covers`) of the header `index` in `row` ought to hold, its packet's content ending at `end`. Null for a sum
 * over addresses where nothing carries them.
 */
export function rightValue(
  frame: Uint8Array,
  row: readonly PlacedHeader[],
  index: number,
  field: Field,
  end: number,
): bigint | null {
  const own = row[index];
  const { covers } = field;
  if (own === undefined || covers === null) return null;
  const from = covers.parts.includes("header") ? own.at : own.at + own.bytes;
  const to = covers.parts.includes("payload") ? end : own.at + own.bytes;
  if (covers.kind === "length") return BigInt.asUintN(field.bitWidth, BigInt(Math.max(0, to - from)));
  const covered = frame.slice(from, to);
  const place = placeOf(field, frame, own.at);
  if (place === null) return null;
  if (from === own.at) writeField(covered, place - own.at, field, 0n);
  if (field.bitWidth === 32) return crc32c(covered);
  const sum = new OnesSum();
  sum.add(covered);
  if (covers.parts.includes("pseudo")) {
    const carrier = carrierOf(row, index);
    if (carrier === null) return null;
    for (const address of addressesOf(carrier.header)) {
      const start = carrier.at + (address.bitOffset >> 3);
      sum.add(frame.subarray(start, start + (address.bitWidth >> 3)));
    }
    sum.addNumber(to - own.at);
    sum.addNumber(numberOf(frame, row, index));
  }
  const result = sum.result();
  return covers.optional && result === 0n ? 0xffffn : result;
}

/** The nearest header before, extension headers passed over: whose addresses a pseudo header has. */
function carrierOf(row: readonly PlacedHeader[], index: number): PlacedHeader | null {
  for (let i = index - 1; i >= 0; i--) {
    const one = row[i];
    if (one !== undefined && !one.header.extension) return one;
  }
  return null;
}

function addressesOf(header: Header): readonly Field[] {
  return [...header.fields.values()].filter((f) => f.type.kind === "ipv4" || f.type.kind === "ipv6");
}

/** The number that announces a header: what a selector before it holds, or where none does, as declared. */
function numberOf(frame: Uint8Array, row: readonly PlacedHeader[], index: number): number {
  const own = row[index];
  const before = row[index - 1];
  if (own === undefined || before === undefined) return 0;
  const values = announcing(before.header, own.header);
  const held = before.header.next?.fields.map((f) => readField(frame, before.at, f)) ?? [];
  return Number(held.find((v) => values.includes(v)) ?? values[0] ?? held[0] ?? 0n);
}

class OnesSum {
  #sum = 0;

  /** Adds bytes as 16-bit words, an odd one at the end filled up with zero. */
  add(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i += 2) this.#sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  }

  addNumber(value: number): void {
    this.#sum += (value >>> 16) + (value & 0xffff);
  }

  result(): bigint {
    let sum = this.#sum;
    while (sum > 0xffff) sum = Math.floor(sum / 0x10000) + (sum & 0xffff);
    return BigInt(sum ^ 0xffff);
  }
}

/** CRC32c as it is put into a packet: the register's bytes from the low end. */
function crc32c(bytes: Uint8Array): bigint {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  }
  crc = ~crc >>> 0;
  const swapped = ((crc & 0xff) << 24) | ((crc & 0xff00) << 8) | ((crc >>> 8) & 0xff00) | (crc >>> 24);
  return BigInt(swapped >>> 0);
}
