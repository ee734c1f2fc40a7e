// Keeps checksums right across a write to the packet: what is written is compared with what was there, and the difference goes into
// each sum that covers it. Sums of 16-bit words don't depend on byte order, so words are taken as they lie in the packet.
// Source: RFC 1624, equation 3 (HC' = ~(~HC + ~m + m')); RFC 768 and RFC 8200, section 8.1 (a UDP checksum of zero is none).

import { must } from "../../base/assert.ts";
import type { Field, SumUpdate } from "../hir.ts";
import type { BlockId, IntType, ValueId } from "../ir.ts";
import { writeBack } from "./beyond.ts";
import type { Found, Lowering } from "./lowering.ts";
import { headerOf } from "./read-packet.ts";

/** The bytes `start` to `end` (exclusive) that a write changes, counted from a header's first at `pointer`; the header has `limit` bytes. */
export interface Changed {
  readonly pointer: ValueId;
  readonly start: number;
  readonly end: number;
  readonly limit: number;
}

/** The bytes a field lies in, for `keepSums`. */
export function changedBy(pointer: ValueId, field: Field): Changed {
  const start = Math.floor(field.bitOffset / 8);
  const end = Math.ceil((field.bitOffset + field.bitWidth) / 8);
  return { pointer, start, end, limit: field.header.fixedBytes };
}

/** Does `write`, which changes the bytes of `changed` and no others, and brings `sums` up to date: inner ones must come first. */
export function keepSums(l: Lowering, sums: readonly SumUpdate[], changed: Changed, write: () => void): void {
  if (sums.length === 0) return write();
  // Before the write: a selector that it changes would lead elsewhere.
  const places = sums.map((sum) => headerOf(l, sum.instance));
  const words = wordsOf(changed);
  const type: IntType = words.some((w) => w.bytes === 4) ? "i64" : "i32";
  const load = (w: Word): ValueId => l.resize(l.builder.load("packet", w.bytes, changed.pointer, w.start), type);
  const before = words.map(load);
  write();
  let change = l.builder.constant(type, 0);
  for (const [i, word] of words.entries()) {
    const ones = l.builder.constant(type, (1n << BigInt(8 * word.bytes)) - 1n);
    const gone = l.builder.binary("xor", type, must(before[i], "a word"), ones);
    change = l.builder.binary("add", type, change, l.builder.binary("add", type, gone, load(word)));
  }
  // Folded once, so that each sum adds a number of little more than 16 bits.
  const written = type === "i64" ? l.builder.trunc(fold(l, fold(l, change, "i64"), "i64")) : change;
  // What a sum over the payload sees besides: the inner sums that changed.
  let all = written;
  for (const [i, sum] of sums.entries()) {
    const place = must(places[i], "a header");
    const [there, behind] = [l.block(), l.builder.newBlock(["i32"])];
    const skip = { target: behind.id, args: [all] };
    l.builder.branch("eq", "i32", place.present, l.i32(1), { target: there, args: [] }, skip);
    l.goOn(there);
    const difference = sum.over === "payload" ? all : written;
    const outer = sums.slice(i + 1).some((other) => other.over === "payload");
    update(l, place, sum.field, difference, outer ? all : null, behind.id);
    l.goOn(behind.id);
    all = must(behind.params[0], "the difference");
  }
}

interface Word {
  readonly start: number;
  readonly bytes: 1 | 2 | 4;
}

/** The 16-bit words of the header that hold the bytes, two at a time where they are many; a header's last odd byte stands beside a zero. */
function wordsOf({ start, end, limit }: Changed): Word[] {
  const words: Word[] = [];
  for (let at = start - (start % 2); at < end; ) {
    const bytes = end - start > 2 && end - at > 2 && at + 4 <= limit ? 4 : at + 2 <= limit ? 2 : 1;
    words.push({ start: at, bytes });
    at += bytes;
  }
  return words;
}

/** Adds a difference to a header's sum and goes to `behind`, which takes `all` with the sum's own change added where it is given. */
function update(
  l: Lowering,
  place: Found,
  field: Field,
  difference: ValueId,
  all: ValueId | null,
  behind: BlockId,
): void {
  const { builder } = l;
  const { pointer } = place;
  const offset = field.bitOffset / 8;
  const ones = l.i32(0xffff);
  const before = all ?? difference;
  const old = builder.load("packet", 2, pointer, offset);
  if (field.covers?.optional) {
    const sum = l.block();
    builder.branch("ne", "i32", old, l.i32(0), { target: sum, args: [] }, { target: behind, args: [before] });
    l.goOn(sum);
  }
  const gone = builder.binary("xor", "i32", old, ones);
  const total = fold(l, fold(l, builder.binary("add", "i32", gone, difference), "i32"), "i32");
  let fresh = builder.binary("xor", "i32", total, ones);
  if (field.covers?.optional) {
    // Zero would say that there is none; all ones is the same number in ones' complement.
    const [zero, stored] = [l.block(), builder.newBlock(["i32"])];
    const asIs = { target: stored.id, args: [fresh] };
    builder.branch("eq", "i32", fresh, l.i32(0), { target: zero, args: [] }, asIs);
    l.goOn(zero);
    builder.jump(stored.id, [ones]);
    l.goOn(stored.id);
    fresh = must(stored.params[0], "the checksum");
  }
  builder.store("packet", 2, pointer, offset, fresh);
  writeBack(l, place, offset, offset + 2);
  if (all === null) return builder.jump(behind, [before]);
  builder.jump(behind, [fold(l, builder.binary("add", "i32", all, builder.binary("add", "i32", gone, fresh)), "i32")]);
}

/** Adds the carry above 16 bits to the lower 16. */
export function fold(l: Lowering, value: ValueId, type: IntType): ValueId {
  const { builder } = l;
  const high = builder.binary("shr", type, value, builder.constant(type, 16));
  return builder.binary("add", type, builder.binary("and", type, value, builder.constant(type, 0xffff)), high);
}
