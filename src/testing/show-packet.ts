// Packets and what becomes of them as text: headers with their fields, by their declarations, wrong lengths and sums pointed out; verdicts
// and redirects in the words of the rules. Wording and layout only.

import { textOf } from "../base/source.ts";
import { announcing, everyEdge } from "../ir/header-link.ts";
import type { Field, Header } from "../ir/hir.ts";
import type { Type } from "../ir/types.ts";
import type { RunResult } from "../vm/machine.ts";
import { RedirectMap } from "../vm/maps/redirect-maps.ts";
import { partBytes, placeOf, readField } from "./header-values.ts";
import { type ReadPacket, wrongValue } from "./read-packet.ts";

/** Bytes of payload that are shown. */
const MOST_SHOWN = 48;

/** A packet as lines: one for each header, one for what it carries. Fields that are zero and say nothing are left out. */
export function showPacket(packet: ReadPacket): readonly string[] {
  const names = packet.headers.map((p) => nameOf(p.header));
  if (packet.cut !== null) names.push(nameOf(packet.cut));
  const width = Math.max(4, ...names.map((n) => n.length));
  const line = (name: string, text: string): string => `${name.padEnd(width)}  ${text}`;
  const lines = packet.headers.map(({ header, at, bytes }, i) => {
    const texts = [...header.fields.values()]
      .filter((field) => !isPartOfAnother(header, field))
      .flatMap((field) => {
        const place = placeOf(field, packet.bytes, at);
        if (place === null) return [];
        const value = readField(packet.bytes, place, field);
        const wrong = wrongValue(packet, i, field);
        if (value === 0n && wrong === null && place === at && !isTelling(header, field)) return [];
        const right = wrong === null ? "" : ` (wrong: ${fieldNumber(packet, field, wrong)} would be right)`;
        return [`${field.name} ${fieldText(packet, field, value, packet.headers[i + 1]?.header ?? null)}${right}`];
      });
    const declared = header.fixedBytes + partBytes(header.parts, packet.bytes, at);
    const options = packet.bytes.subarray(at + declared, at + bytes);
    if (options.length > 0) texts.push(`+ ${hexText(options)}`);
    return line(nameOf(header), texts.join(", "));
  });
  const rest = packet.bytes.subarray(packet.payloadAt);
  if (packet.cut !== null) lines.push(line(nameOf(packet.cut), `cut or malformed: ${hexText(rest)}`));
  else if (rest.length > 0) lines.push(line("data", `${rest.length} bytes: ${payloadText(rest)}`));
  return lines;
}

function nameOf(header: Header): string {
  return header.alias ?? header.name;
}

/** A named bit of a field that is shown whole. */
function isPartOfAnother(header: Header, field: Field): boolean {
  if (field.bitWidth !== 1) return false;
  return [...header.fields.values()].some(
    (f) =>
      f.header === field.header &&
      f !== field &&
      f.bitWidth > 1 &&
      f.bitOffset <= field.bitOffset &&
      field.bitOffset < f.bitOffset + f.bitWidth,
  );
}

/** Shown even where it is zero: addresses and what tells the next header. */
function isTelling(header: Header, field: Field): boolean {
  return field.type.kind !== "int" || (header.next?.fields.includes(field) ?? false);
}

function fieldText(packet: ReadPacket, field: Field, value: bigint, next: Header | null): string {
  const { header } = field;
  const isSelector = header.next?.fields.includes(field) ?? false;
  const announces = isSelector && next !== null && announcing(header, next).includes(value);
  const bits = [...header.fields.values()].filter(
    (f) =>
      f.header === field.header &&
      f !== field &&
      f.bitWidth === 1 &&
      field.bitWidth > 1 &&
      f.bitOffset >= field.bitOffset &&
      f.bitOffset < field.bitOffset + field.bitWidth,
  );
  const set = bits
    .filter((f) => (value >> BigInt(field.bitOffset + field.bitWidth - 1 - f.bitOffset)) & 1n)
    .map((f) => f.name);
  if (bits.length > 0) return set.length > 0 ? set.join("+") : "none";
  return announces ? `${fieldNumber(packet, field, value)} (${nameOf(next)})` : fieldNumber(packet, field, value);
}

/** A field's number as people write it: addresses as such, sums and what the declarations have in hex in hex, other numbers plain. */
export function fieldNumber(packet: ReadPacket, field: Field, value: bigint): string {
  const hex = field.covers?.kind === "checksum" || isHexSelector(packet, field);
  if (field.type.kind === "int" && hex) return `0x${value.toString(16).padStart(Math.ceil(field.bitWidth / 4), "0")}`;
  return formatValue(field.type, value);
}

/** A selector whose values the headers that hang on it write in hex. */
function isHexSelector(packet: ReadPacket, field: Field): boolean {
  if (field.header.next?.fields.includes(field) !== true) return false;
  const edges = packet.declared.flatMap((h) => everyEdge(h).filter((e) => e.parent === field.header));
  return edges.some((edge) => /\b0x/i.test(textOf(edge.span)));
}

/** A scalar's number as people write it. */
export function formatValue(type: Type, value: bigint): string {
  switch (type.kind) {
    case "ipv4":
      return [24n, 16n, 8n, 0n].map((s) => (value >> s) & 255n).join(".");
    case "mac":
      return (value.toString(16).padStart(12, "0").match(/../g) ?? []).join(":");
    case "ipv6":
      return ipv6Text(value);
    case "bool":
      return value === 0n ? "false" : "true";
    case "bytes":
      return value.toString(16).padStart(type.count * 2, "0");
    default:
      return `${value}`;
  }
}

/** **Source:** RFC 5952, section 4: the longest run of two zeros and more is left out. */
function ipv6Text(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => (value >> BigInt(112 - 16 * i)) & 0xffffn);
  let best = { from: 0, length: 0 };
  for (let from = 0; from < 8; from++) {
    let length = 0;
    while (from + length < 8 && groups[from + length] === 0n) length += 1;
    if (length > best.length) best = { from, length };
  }
  const text = (part: readonly bigint[]): string => part.map((g) => g.toString(16)).join(":");
  if (best.length < 2) return text(groups);
  return `${text(groups.slice(0, best.from))}::${text(groups.slice(best.from + best.length))}`;
}

function hexText(bytes: Uint8Array): string {
  const shown = Array.from(bytes.subarray(0, MOST_SHOWN), (b) => b.toString(16).padStart(2, "0")).join(" ");
  return bytes.length > MOST_SHOWN ? `${shown} …` : shown;
}

function payloadText(bytes: Uint8Array): string {
  const printable = bytes.every((b) => b >= 0x20 && b < 0x7f);
  if (!printable || bytes.length === 0) return bytes.every((b) => b === 0) ? "all zero" : hexText(bytes);
  const text = new TextDecoder().decode(bytes.subarray(0, MOST_SHOWN));
  return `${JSON.stringify(text)}${bytes.length > MOST_SHOWN ? " …" : ""}`;
}

/** What became of a packet, as an expectation would say it: `redirect xsk[3]`. */
export function fateText(result: RunResult): string {
  if (result.verdict !== "XDP_REDIRECT") return result.verdict.slice("XDP_".length).toLowerCase();
  const { redirect } = result;
  if (redirect === null) return "redirect to nowhere";
  if (redirect.kind === "device") return `redirect to device ${redirect.ifindex}`;
  if (isFlood(result)) return `flood ${redirect.map.name}`;
  return `redirect ${redirect.map.name}[${redirect.key}]`;
}

/** BPF_F_BROADCAST. **Source:** Linux include/uapi/linux/bpf.h. */
const BROADCAST = 1n << 3n;

/** Whether a packet goes to all devices of a map. */
export function isFlood(result: RunResult): boolean {
  const { redirect } = result;
  return redirect?.kind === "map" && redirect.map instanceof RedirectMap && (redirect.flags & BROADCAST) !== 0n;
}
