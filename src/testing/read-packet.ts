// A packet's headers as the language reads them: each where the one before announces it and it fits whole. For showing packets, for
// comparing them with what a test expects and for telling whether lengths and sums are right. Works from the declarations alone.

import { carriersOf, everyEdge } from "../ir/header-link.ts";
import type { Field, Header } from "../ir/hir.ts";
import { type PlacedHeader, rightValue } from "./covered.ts";
import { leadsOn, ownCondition, placeOf, readField, sizeOf } from "./header-values.ts";

/** Frames up to this size may be filled up behind their content. **Source:** IEEE Std 802.3, 4A.2.3.2.4 (64 bytes with the FCS). */
const SHORTEST_FRAME = 60;

/** A packet taken apart. */
export interface ReadPacket {
  /** The headers it was read by. */
  readonly declared: readonly Header[];
  readonly bytes: Uint8Array;
  readonly headers: readonly PlacedHeader[];
  /** Where the last header ends: what follows it is payload. */
  readonly payloadAt: number;
  /** A header that was announced behind the last one and isn't whole; null: none. */
  readonly cut: Header | null;
}

/** Takes a packet apart by the declarations in `headers`. */
export function readPacket(headers: readonly Header[], bytes: Uint8Array): ReadPacket {
  const row: PlacedHeader[] = [];
  let at = 0;
  let next = headers.find((h) => h.edges.length === 0 && h.next !== null) ?? null;
  while (next !== null) {
    const size: number = at + next.fixedBytes <= bytes.length ? sizeOf(next, bytes, at) : -1;
    const isCut = next.parts.length > 0 && at + size > bytes.length;
    if (size < (next.size?.min ?? next.fixedBytes) || size === 0 || isCut)
      return { declared: headers, bytes, headers: row, payloadAt: at, cut: next };
    const placed: PlacedHeader = { header: next, at, bytes: size };
    row.push(placed);
    at += size;
    next = followerOf(headers, row, placed, bytes);
  }
  return { declared: headers, bytes, headers: row, payloadAt: Math.min(at, bytes.length), cut: null };
}

function followerOf(
  headers: readonly Header[],
  row: readonly PlacedHeader[],
  placed: PlacedHeader,
  bytes: Uint8Array,
): Header | null {
  const { header, at } = placed;
  if (header.next === null || !leadsOn(header, bytes, at)) return null;
  const end = at + placed.bytes;
  const carriers = carriersOf(header).filter((c) => c === header || row.some((p) => p.header === c));
  for (const selector of header.next.fields) {
    const value = readField(bytes, at, selector);
    const found = headers.find(
      (h) =>
        h.outer === null &&
        everyEdge(h).some(
          (e) =>
            carriers.includes(e.parent) &&
            e.values.includes(value) &&
            (e.when === null || (end + h.fixedBytes <= bytes.length && ownCondition(e.when, bytes, end))),
        ),
    );
    if (found !== undefined) return found;
  }
  return null;
}

/** The number of the first header inside a tunnel; one beyond the last where there is none. */
export function firstInside({ headers }: ReadPacket): number {
  const found = headers.findIndex(({ header }, i) => {
    const before = headers[i - 1]?.header;
    return before !== undefined && header.innerEdges.some((e) => e.parent === before);
  });
  return found === -1 ? headers.length : found;
}

/** Where the content of the header `index` in the packet ends: as the lengths of it and of those around it say, at most the packet's end. */
function endOf(packet: ReadPacket, index: number): number {
  let end = packet.bytes.length;
  for (const placed of packet.headers.slice(0, index + 1)) {
    for (const field of placed.header.fields.values()) {
      if (field.covers?.kind !== "length" || !field.covers.parts.includes("payload")) continue;
      const at = placeOf(field, packet.bytes, placed.at);
      if (at === null) continue;
      const from = placed.at + (field.covers.parts.includes("header") ? 0 : placed.bytes);
      end = Math.min(end, from + Number(readField(packet.bytes, at, field)));
    }
  }
  return end;
}

/** What a length or checksum of the header `index` ought to hold where it holds something else; null where it is right or can't be told. */
export function wrongValue(packet: ReadPacket, index: number, field: Field): bigint | null {
  const placed = packet.headers[index];
  if (placed === undefined || field.covers === null) return null;
  const at = placeOf(field, packet.bytes, placed.at);
  if (at === null) return null;
  const held = readField(packet.bytes, at, field);
  if (field.covers.kind === "checksum") {
    if (field.covers.optional && held === 0n) return null;
    const right = rightValue(packet.bytes, packet.headers, index, field, endOf(packet, index));
    return right === null || right === held ? null : right;
  }
  const outer = index === 0 ? packet.bytes.length : endOf(packet, index - 1);
  const right = rightValue(packet.bytes, packet.headers, index, field, outer);
  // A short frame may be filled up behind what it carries.
  const filled =
    packet.bytes.length <= SHORTEST_FRAME && right !== null && held < right && held >= leastLength(placed, field);
  return right === null || right === held || filled ? null : right;
}

function leastLength(placed: PlacedHeader, field: Field): bigint {
  return field.covers?.parts.includes("header") ? BigInt(placed.bytes) : 0n;
}
