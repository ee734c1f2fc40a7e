// Tunnels: puts headers in front of a packet or frame, with their lengths and sums, and takes away what stands in front of the one that a
// tunnel carries. The link headers of a packet move along; how many there are is asked at run time. Knows no protocol: what announces
// what has been worked out from the declarations.
// Source: RFC 1071 (sums); RFC 768, RFC 6935 and 6936 (no UDP checksum: the packet inside has sums of its own).

import { must } from "../../base/assert.ts";
import { checksumField } from "../checksums.ts";
import type { Field, HExpr, Header, HStmt, Instance } from "../hir.ts";
import type { BlockId, ValueId } from "../ir.ts";
import { distanceTo } from "./beyond.ts";
import { fold } from "./checksum.ts";
import { composeHeader } from "./compose.ts";
import { fieldNumber, lowerNumber, lowerValue, pointerTo } from "./evaluate.ts";
import { cutTail, loadFront, moveHead, selectorOf, storeFront } from "./head.ts";
import type { Found, Lowering } from "./lowering.ts";
import { headerOf } from "./read-packet.ts";
import { isPieces } from "./value.ts";
import { storeNumber } from "./write-field.ts";

type Values = Map<Field, HExpr | ValueId>;

/** Puts a tunnel's headers in front. */
export function encapsulate(l: Lowering, statement: HStmt & { kind: "encap" }): void {
  const { builder } = l;
  const { headers, place, links } = statement;
  // All that is read of the packet is read before it moves.
  const values = headers.map(({ values }) => valuesOf(l, values));
  const { selector, told } = announced(l, statement);
  const whole = lowerNumber(l, { kind: "meta", name: "len", type: { kind: "int", bits: 32 }, span: statement.span });
  const length = l.resize(whole, "i64");
  const bytes = bytesIn(headers.flatMap(({ pieces }) => pieces));
  const where = builder.newBlock(["pkt", "i64"]);
  if (place === "frame") {
    moveHead(l, -bytes, bytes);
    builder.jump(where.id, [l.packet, length]);
  } else if (place === "copy") {
    const link = must(links[0], "what begins the packet");
    const { fixedBytes } = link.header;
    const copied = loadFront(l, link, pointerTo(l, link));
    moveHead(l, -bytes - fixedBytes, bytes + fixedBytes);
    storeFront(l, copied);
    storeNumber(l, l.packet, selectorOf(link), l.i32(statement.announces));
    builder.jump(where.id, [builder.offset(l.packet, fixedBytes), length]);
  } else {
    const starts = statement.elsewhere ? statement.inside.map((i) => i.instance) : [];
    forLinks(l, links, (row) => {
      const size = sizeOf(row);
      for (const start of starts) onlyBehind(l, start, size);
      moveLinks(l, row, -bytes, bytes, l.i32(statement.announces));
      const content = builder.binary("sub", "i64", length, builder.constant("i64", size));
      builder.jump(where.id, [builder.offset(l.packet, size), content]);
    });
  }
  l.goOn(where.id);
  l.lookAgain();
  const [start, found] = [must(where.params[0], "a place"), must(where.params[1], "a length")];
  const content = told === null ? found : withoutExcess(l, found, told);
  const [fits, short] = [l.block(), l.block()];
  builder.packetGuard(start, l.packetEnd, bytes, { target: fits, args: [] }, { target: short, args: [] });
  l.goOn(short);
  builder.ret(l.i32(l.verdict("aborted")));
  l.goOn(fits);
  let at = 0;
  for (const [i, { header, pieces, follower }] of headers.entries()) {
    const given = must(values[i], "values");
    const last = i === headers.length - 1;
    given.set(must(header.next?.fields[0], "a selector"), last ? selector : l.i32(must(follower, "what follows")));
    for (const field of header.fields.values()) {
      if (field.covers?.kind !== "length") continue;
      const ahead = field.covers.parts.includes("header") ? at : at + bytesIn(pieces);
      given.set(field, builder.binary("add", "i64", content, builder.constant("i64", bytes - ahead)));
    }
    const pointer = at === 0 ? start : builder.offset(start, at);
    for (const piece of pieces) {
      composeHeader(l, piece, at === 0 ? start : builder.offset(start, at), given);
      at += piece.fixedBytes;
    }
    sumHeader(l, header, pointer);
  }
  if (content !== found) {
    const [padded, behind] = [l.block(), l.block()];
    builder.branch("eq", "i64", content, found, { target: behind, args: [] }, { target: padded, args: [] });
    l.goOn(padded);
    cutTail(l, builder.binary("sub", "i64", content, found), behind);
  }
  l.lookAgain();
}

/** The bytes of headers and parts of headers, one behind the other. */
function bytesIn(pieces: readonly Header[]): number {
  return pieces.reduce((sum, { fixedBytes }) => sum + fixedBytes, 0);
}

/** Takes away what stands in front of what a tunnel carries. */
export function decapsulate(l: Lowering, statement: HStmt & { kind: "decap" }): void {
  const { builder } = l;
  const { frames, packets, links } = statement;
  const done = l.block();
  const found = builder.newBlock(l.copies === null ? ["pkt", "i32"] : ["i64", "i32"]);
  for (const instance of [...frames, ...packets.map((p) => p.instance), ...links]) headerOf(l, instance);
  for (const frame of frames) {
    const next = l.block();
    const { env, pinned, packet, packetEnd } = l;
    const place = goWhere(l, frame, next);
    moveHead(l, { delta: distanceTo(l, place) }, frame.header.fixedBytes);
    builder.jump(done);
    Object.assign(l, { env, pinned, packet, packetEnd });
    l.goOn(next);
  }
  for (const { instance, announces } of packets) {
    const next = l.block();
    const place = goWhere(l, instance, next);
    builder.jump(found.id, [l.copies === null ? place.pointer : distanceTo(l, place), l.i32(announces)]);
    l.goOn(next);
  }
  builder.ret(l.i32(l.verdict(l.program.default)));
  if (packets.length > 0) {
    l.goOn(found.id);
    const [place, announces] = [must(found.params[0], "a packet"), must(found.params[1], "its selector")];
    const distance = l.copies === null ? builder.distance(l.packet, place) : place;
    forLinks(l, links, (row) => {
      const delta = builder.binary("sub", "i64", distance, builder.constant("i64", sizeOf(row)));
      moveLinks(l, row, { delta }, 0, announces);
      builder.jump(done);
    });
  }
  l.goOn(done);
  l.lookAgain();
}

/** Goes on where a header is there, else in `next`; gives its place. */
export function goWhere(l: Lowering, instance: Instance, next: BlockId): Found {
  const found = headerOf(l, instance);
  const there = l.block();
  l.builder.branch("eq", "i32", found.present, l.i32(1), { target: there, args: [] }, { target: next, args: [] });
  l.goOn(there);
  return found;
}

/** Does `make` for as many of the link headers as are there; each time with what was known before. */
export function forLinks(l: Lowering, links: readonly Instance[], make: (row: readonly Instance[]) => void): void {
  const { env, pinned, packet, packetEnd } = l;
  for (let count = links.length; count > 0; count--) {
    const next = count > 1 ? l.block() : null;
    if (next !== null) goWhere(l, must(links[count - 1], "a header"), next);
    make(links.slice(0, count));
    Object.assign(l, { env, pinned, packet, packetEnd });
    if (next !== null) l.goOn(next);
  }
}

/** The bytes of headers in a row, each of one size. */
export function sizeOf(row: readonly Instance[]): number {
  return row.reduce((sum, { header }) => sum + header.fixedBytes, 0);
}

/** Moves the packet's first byte, with the link headers; the last of them announces something else from then on. */
export function moveLinks(
  l: Lowering,
  row: readonly Instance[],
  by: number | { readonly delta: ValueId },
  room: number,
  announces: ValueId,
): void {
  const pieces = row.flatMap((instance) => loadFront(l, instance, pointerTo(l, instance)));
  const size = sizeOf(row);
  moveHead(l, by, size + room);
  storeFront(l, pieces);
  const last = must(row.at(-1), "a link header");
  const place = size - last.header.fixedBytes;
  storeNumber(l, place === 0 ? l.packet : l.builder.offset(l.packet, place), selectorOf(last), announces);
}

/** Ends the program with its default where a header is there but not `bytes` behind the packet's first. */
export function onlyBehind(l: Lowering, instance: Instance, bytes: number): void {
  const { builder } = l;
  const found = headerOf(l, instance);
  const [there, on, off] = [l.block(), l.block(), l.block()];
  builder.branch("eq", "i32", found.present, l.i32(1), { target: there, args: [] }, { target: on, args: [] });
  l.goOn(there);
  const [distance, wanted] = [distanceTo(l, found), builder.constant("i64", bytes)];
  builder.branch("eq", "i64", distance, wanted, { target: on, args: [] }, { target: off, args: [] });
  l.goOn(off);
  builder.ret(l.i32(l.verdict(l.program.default)));
  l.goOn(on);
}

/** How long a packet says that it is, an i64, and the least of these lengths that is sensible. */
interface Told {
  readonly bytes: ValueId;
  readonly least: ValueId;
}

/**
 * The number at which the last new header announces what lies inside, and how long that says it is: null for a frame, and where no
 * header tells. A packet that has nothing of what may lie inside gets the program's default.
 */
function announced(
  l: Lowering,
  { inside, place }: HStmt & { kind: "encap" },
): { readonly selector: ValueId; readonly told: Told | null } {
  const { builder } = l;
  if (place !== "packet") return { selector: l.i32(must(inside[0], "what lies inside").announces), told: null };
  const isTold = inside.some(({ instance }) => ownLength(instance.header) !== null);
  const chosen = builder.newBlock(isTold ? ["i32", "i64", "i64"] : ["i32"]);
  for (const { instance } of inside) headerOf(l, instance);
  for (const { instance, announces } of inside) {
    const next = l.block();
    const { pointer } = goWhere(l, instance, next);
    const told = isTold ? toldBy(l, instance.header, pointer) : null;
    builder.jump(chosen.id, [l.i32(announces), ...(told === null ? [] : [told.bytes, told.least])]);
    l.goOn(next);
  }
  builder.ret(l.i32(l.verdict(l.program.default)));
  l.goOn(chosen.id);
  const [selector, bytes, least] = chosen.params;
  const told = bytes === undefined || least === undefined ? null : { bytes, least };
  return { selector: must(selector, "a selector"), told };
}

/** What a header says of its packet's length; no length is sensible where it says nothing. */
function toldBy(l: Lowering, header: Header, pointer: ValueId): Told {
  const { builder } = l;
  const own = ownLength(header);
  if (own === null) return { bytes: builder.constant("i64", 0), least: builder.constant("i64", 1) };
  const value = l.resize(fieldNumber(l, pointer, own.field), "i64");
  const bytes = own.ahead === 0 ? value : builder.binary("add", "i64", value, builder.constant("i64", own.ahead));
  // Where the header itself isn't counted, zero says nothing. Source: RFC 2675 (packets of more than 64 KiB).
  return { bytes, least: builder.constant("i64", header.fixedBytes + (own.ahead === 0 ? 0 : 1)) };
}

/**
 * The bytes of a packet, of which `found` are there, without what lies behind it: what fills up a short frame belongs to the frame and
 * not into a tunnel.
 */
function withoutExcess(l: Lowering, found: ValueId, told: Told): ValueId {
  const { builder } = l;
  const [more, chosen] = [l.block(), builder.newBlock(["i64"])];
  const as = { target: chosen.id, args: [found] };
  builder.branch("ugt", "i64", found, told.bytes, { target: more, args: [] }, as);
  l.goOn(more);
  builder.branch("uge", "i64", told.bytes, told.least, { target: chosen.id, args: [told.bytes] }, as);
  l.goOn(chosen.id);
  return must(chosen.params[0], "a length");
}

/** The field by which a header tells where its packet ends, and how many bytes in front of what it counts belong to the packet. */
function ownLength(header: Header): { readonly field: Field; readonly ahead: number } | null {
  for (const field of header.fields.values()) {
    if (field.covers?.kind !== "length" || !field.covers.parts.includes("payload")) continue;
    if (field.covers.parts.includes("header")) return { field, ahead: 0 };
    if (header.size === null) return { field, ahead: header.fixedBytes };
  }
  return null;
}

/** The values of fields, as they are now. */
function valuesOf(l: Lowering, values: ReadonlyMap<Field, HExpr>): Values {
  const result: Values = new Map();
  for (const [field, value] of values) {
    if (value.kind === "const") result.set(field, value);
    else if (isPieces(field.type)) {
      const local = { name: field.name, type: value.type };
      l.locals.set(local, lowerValue(l, value));
      result.set(field, { kind: "local", local, type: value.type, span: value.span });
    } else result.set(field, lowerNumber(l, value));
  }
  return result;
}

/** Fills in the sum over a header that has just been written, its own field zero. */
function sumHeader(l: Lowering, header: Header, pointer: ValueId): void {
  const { builder } = l;
  const field = checksumField(header);
  if (field === null || field.header !== header || field.covers?.optional === true) return;
  let total = builder.constant("i64", 0);
  for (let at = 0; at < header.fixedBytes; ) {
    const width = header.fixedBytes - at >= 4 ? 4 : header.fixedBytes - at >= 2 ? 2 : 1;
    total = builder.binary("add", "i64", total, l.resize(builder.load("packet", width, pointer, at), "i64"));
    at += width;
  }
  // At most 64 words of 32 bits: 38 bits, then 23, 17 and 16.
  const sum = builder.trunc(fold(l, fold(l, fold(l, total, "i64"), "i64"), "i64"));
  builder.store("packet", 2, pointer, field.bitOffset / 8, builder.binary("xor", "i32", sum, l.i32(0xffff)));
}
