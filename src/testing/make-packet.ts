// A packet from its layers: fields by name, selectors that announce the next header, sizes, lengths and checksums filled in unless the
// test gives them. Everything it knows of a protocol is the header's declaration.

import { visitValue } from "../ir/header-graph.ts";
import { announcing } from "../ir/header-link.ts";
import type { Field, Header } from "../ir/hir.ts";
import type { HLayer } from "../ir/hir-test.ts";
import { type PlacedHeader, rightValue } from "./covered.ts";
import { partBytes, placeOf, readField, sizeOf, writeField } from "./header-values.ts";

/** Selectors and sizes are tried up to this number of values. */
const MOST_TRIED = 1 << 16;

type HeaderLayer = HLayer & { readonly kind: "header" };

/** The bytes of a packet with these layers (none of a pattern). */
export function makePacket(layers: readonly HLayer[]): Uint8Array {
  const pieces: Uint8Array[] = [];
  const row: (PlacedHeader & { readonly layer: HeaderLayer })[] = [];
  let at = 0;
  for (const [i, layer] of layers.entries()) {
    if (layer.kind === "cut") continue;
    const next = layers[i + 1];
    const piece =
      layer.kind === "bytes" ? layer.bytes : headerBytes(layer, next?.kind === "header" ? next.header : null);
    if (layer.kind === "header") row.push({ header: layer.header, at, bytes: piece.length, layer });
    pieces.push(piece);
    at += piece.length;
  }
  const frame = new Uint8Array(at);
  at = 0;
  for (const piece of pieces) {
    frame.set(piece, at);
    at += piece.length;
  }
  // From the innermost: what covers a payload must find it finished. Lengths come before the sums that cover them.
  for (let i = row.length - 1; i >= 0; i--) {
    const placed = row[i];
    if (placed === undefined) continue;
    for (const kind of ["length", "checksum"] as const) {
      for (const field of placed.header.fields.values()) {
        if (field.covers?.kind !== kind || isGiven(placed.layer, field)) continue;
        const [value, at] = [rightValue(frame, row, i, field, frame.length), placeOf(field, frame, placed.at)];
        if (value !== null && at !== null) writeField(frame, at, field, value);
      }
    }
  }
  const last = layers.at(-1);
  return last?.kind === "cut" ? frame.slice(0, last.bytes) : frame;
}

function isGiven(layer: HeaderLayer, field: Field): boolean {
  return layer.fields.some(({ field: given }) => overlap(given, field));
}

function overlap(a: Field, b: Field): boolean {
  if (a.header !== b.header) return false;
  return a.bitOffset < b.bitOffset + b.bitWidth && b.bitOffset < a.bitOffset + a.bitWidth;
}

/** One header with its options; lengths and sums are still open. */
function headerBytes(layer: HeaderLayer, next: Header | null): Uint8Array {
  const { header } = layer;
  const extra = layer.extra?.length ?? 0;
  const start = new Uint8Array(header.fixedBytes);
  const fill = (bytes: Uint8Array): Uint8Array => {
    const write = (field: Field, value: bigint): void => {
      const at = placeOf(field, bytes, 0);
      if (at !== null && at < bytes.length) writeField(bytes, at, field, value);
    };
    for (const field of header.fields.values()) if (field.initial !== 0n) write(field, field.initial);
    // A field that a bit announces sets that bit, unless it is given too.
    for (const { field } of layer.fields) if (field.header.part !== null) write(field.header.part.flag, 1n);
    for (const { field, ranges } of layer.fields) write(field, ranges[0]?.from ?? 0n);
    return bytes;
  };
  fill(start);
  const fixed = fill(new Uint8Array(header.fixedBytes + partBytes(header.parts, start, 0) + extra));
  if (layer.extra !== null) fixed.set(layer.extra, header.fixedBytes);
  if (next !== null) announce(layer, next, fixed);
  settleSize(layer, fixed);
  const said = sizeOf(header, fixed, 0);
  if (said <= fixed.length) return fixed;
  const whole = new Uint8Array(said);
  whole.set(fixed);
  return whole;
}

/** Sets a selector to what announces the next header, unless one that is given does already or all are given otherwise. */
function announce(layer: HeaderLayer, next: Header, bytes: Uint8Array): void {
  const selectors = layer.header.next?.fields ?? [];
  const values = announcing(layer.header, next);
  const value = values[0];
  if (value === undefined) return;
  if (selectors.some((s) => isGiven(layer, s) && values.includes(readField(bytes, 0, s)))) return;
  const free = selectors.find((s) => !isGiven(layer, s));
  if (free !== undefined) writeField(bytes, 0, free, value);
}

/** Gives the field that tells the size the least number that covers the fixed fields and what stands behind them. */
function settleSize(layer: HeaderLayer, bytes: Uint8Array): void {
  const { header } = layer;
  if (header.size === null || header.parts.length > 0) return;
  const fields: Field[] = [];
  visitValue(header.size.bytes, (_instance, field) => fields.push(field));
  const free = fields.find((f) => !isGiven(layer, f));
  if (free === undefined) return;
  const wanted = Math.max(bytes.length, header.size.min);
  let best: { readonly value: bigint; readonly size: number } | null = null;
  const most = Math.min(MOST_TRIED, 2 ** free.bitWidth);
  for (let value = 0n; value < BigInt(most); value++) {
    writeField(bytes, 0, free, value);
    const size = sizeOf(header, bytes, 0);
    if (size === wanted) return;
    if (size > wanted && (best === null || size < best.size)) best = { value, size };
  }
  writeField(bytes, 0, free, best?.value ?? 0n);
}
