// Whether a packet is as expected: its headers against a pattern's layers, its fate against the one that was named. Says what differs, a
// line for each. Works by the declarations; knows nothing of protocols.

import type { GlobalSymbol, NumberRange } from "../ir/hir.ts";
import type { HFate, HLayer } from "../ir/hir-test.ts";
import type { RunResult } from "../vm/machine.ts";
import { placeOf, readField } from "./header-values.ts";
import { type ReadPacket, wrongValue } from "./read-packet.ts";
import type { Session } from "./session.ts";
import { fieldNumber, isFlood } from "./show-packet.ts";

/** Whether a packet went where it was to go, given the state it met. */
export function isFate(fate: HFate, result: RunResult, session: Session): boolean {
  const { redirect, verdict } = result;
  if (fate.kind === "verdict") return verdict === `XDP_${fate.verdict.toUpperCase()}`;
  if (verdict !== "XDP_REDIRECT" || redirect === null) return false;
  switch (fate.kind) {
    case "device":
      if (redirect.kind !== "device") return false;
      return fate.device === null || BigInt(redirect.ifindex) === indexOf(fate.device, session);
    case "flood":
      return redirect.kind === "map" && isFlood(result) && redirect.map.name === fate.map.name;
    case "redirect":
      if (redirect.kind !== "map" || isFlood(result)) return false;
      return redirect.map.name === fate.map.name && redirect.key === Number(fate.key ?? session.rxQueueIndex);
  }
}

function indexOf(device: GlobalSymbol | bigint, session: Session): bigint {
  return typeof device === "bigint" ? device : session.numberIn(device);
}

/** A fate in the words of the expectation. */
export function fateName(fate: HFate, session: Session): string {
  switch (fate.kind) {
    case "verdict":
      return fate.verdict;
    case "flood":
      return `flood ${fate.map.name}`;
    case "redirect":
      return `redirect ${fate.map.name}[${fate.key ?? session.rxQueueIndex}]`;
    case "device":
      return fate.device === null ? "forward" : `redirect to device ${indexOf(fate.device, session)}`;
  }
}

/** What of a packet isn't as the pattern says; empty when it matches. */
export function differences(pattern: readonly HLayer[], packet: ReadPacket): readonly string[] {
  const found: string[] = [];
  let at = 0;
  for (const [i, layer] of pattern.entries()) {
    if (layer.kind === "cut") continue;
    if (layer.kind === "bytes") {
      const wanted = joined(pattern.slice(i));
      const rest = packet.bytes.subarray(at);
      if (!same(wanted, rest))
        found.push(`${rest.length} bytes follow: ${hex(rest)}, not the ${wanted.length} expected: ${hex(wanted)}`);
      return found;
    }
    const placed = packet.headers[i];
    const name = layer.header.alias ?? layer.header.name;
    if (placed?.header !== layer.header) {
      const is =
        placed === undefined ? "nothing that could be read" : `\`${placed.header.alias ?? placed.header.name}\``;
      found.push(`where \`${name}\` was expected is ${is}`);
      return found;
    }
    at = placed.at + placed.bytes;
    for (const { field, ranges } of layer.fields) {
      const place = placeOf(field, packet.bytes, placed.at);
      if (place === null) {
        found.push(`${name} has no ${field.name}`);
        continue;
      }
      const value = readField(packet.bytes, place, field);
      if (ranges.some((r) => value >= r.from && value <= r.to)) continue;
      const wanted = ranges.map((r) => rangeText(packet, field, r)).join(", ");
      found.push(`${name}.${field.name} is ${fieldNumber(packet, field, value)}, not ${wanted}`);
    }
    if (layer.extra !== null) {
      const options = packet.bytes.subarray(placed.at + layer.header.fixedBytes, at);
      if (!same(options, layer.extra))
        found.push(`behind the fields of ${name} is ${hex(options)}, not ${hex(layer.extra)}`);
    }
    for (const field of layer.header.fields.values()) {
      if (field.covers === null || layer.fields.some((f) => f.field === field)) continue;
      const right = wrongValue(packet, i, field);
      if (right === null) continue;
      const place = placeOf(field, packet.bytes, placed.at) ?? placed.at;
      const held = fieldNumber(packet, field, readField(packet.bytes, place, field));
      found.push(`${name}.${field.name} is ${held}, but ${fieldNumber(packet, field, right)} would be right`);
    }
  }
  return found;
}

function rangeText(packet: ReadPacket, field: Parameters<typeof fieldNumber>[1], range: NumberRange): string {
  const from = fieldNumber(packet, field, range.from);
  return range.from === range.to ? from : `${from}..${fieldNumber(packet, field, range.to)}`;
}

function joined(layers: readonly HLayer[]): Uint8Array {
  return Uint8Array.from(layers.flatMap((l) => (l.kind === "bytes" ? [...l.bytes] : [])));
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function hex(bytes: Uint8Array): string {
  if (bytes.length === 0) return "none";
  const text = Array.from(bytes.subarray(0, 32), (b) => b.toString(16).padStart(2, "0")).join(" ");
  return bytes.length > 32 ? `${text} …` : text;
}
