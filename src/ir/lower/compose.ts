// A header written whole: its fields put together into words as wide as can be, so that a new header costs a few stores. Values that
// aren't given are what the declaration says. Knows no protocol.

import { must } from "../../base/assert.ts";
import type { Field, HExpr, Header } from "../hir.ts";
import type { IntType, ValueId } from "../ir.ts";
import { lowerNumber } from "./evaluate.ts";
import type { Lowering } from "./lowering.ts";
import { storeExpr } from "./map-access.ts";
import { isPieces } from "./value.ts";

/** Fields that share bytes. */
interface Word {
  readonly start: number;
  readonly bytes: 1 | 2 | 4 | 8;
  readonly fields: readonly Field[];
}

/** Writes a header's fixed part at `pointer`; the packet must have been tested for as many bytes. */
export function composeHeader(
  l: Lowering,
  header: Header,
  pointer: ValueId,
  values: ReadonlyMap<Field, HExpr | ValueId>,
): void {
  for (const word of wordsOf(header)) {
    const only = must(word.fields[0], "a field");
    if (isPieces(only.type)) {
      const value = values.get(only);
      const expr: HExpr =
        typeof value === "object" ? value : { kind: "const", value: only.initial, type: only.type, span: only.span };
      storeExpr(l, "packet", pointer, word.start, expr);
    } else storeWord(l, word, pointer, values);
  }
}

function storeWord(l: Lowering, word: Word, pointer: ValueId, values: ReadonlyMap<Field, HExpr | ValueId>): void {
  const { builder } = l;
  const type = word.bytes === 8 ? "i64" : "i32";
  const all1 = (1n << BigInt(word.bytes * 8)) - 1n;
  let fixed = 0n;
  let whole: ValueId | null = null;
  for (const field of word.fields) {
    // Less than zero where the field goes on behind the word.
    const shift = (word.start + word.bytes) * 8 - (field.bitOffset + field.bitWidth);
    const moved = (value: bigint): bigint => (shift < 0 ? value >> BigInt(-shift) : value << BigInt(shift)) & all1;
    const value = values.get(field);
    if (value === undefined) fixed |= moved(field.initial);
    else if (typeof value === "object" && value.kind === "const") fixed |= moved(value.value);
    else {
      const number = typeof value === "object" ? lowerNumber(l, value) : value;
      const part = placed(l, number, field, shift, type, word.bytes);
      whole = whole === null ? part : builder.binary("or", type, whole, part);
    }
  }
  const constant = builder.constant(type, fixed);
  const all = whole === null ? constant : fixed === 0n ? whole : builder.binary("or", type, whole, constant);
  builder.store("packet", word.bytes, pointer, word.start, word.bytes === 1 ? all : builder.bswap(word.bytes, all));
}

/** A field's number where it stands in its word. */
function placed(l: Lowering, number: ValueId, field: Field, shift: number, type: IntType, bytes: number): ValueId {
  const { builder } = l;
  const own = builder.typeOf(number) === "i64" ? "i64" : "i32";
  const high = shift < 0 ? builder.binary("shr", own, number, builder.constant(own, -shift)) : number;
  const resized = l.resize(high, type);
  const bits = Math.min(field.bitWidth + Math.min(shift, 0), bytes * 8);
  const mask = builder.constant(type, (1n << BigInt(bits)) - 1n);
  const cut = bits === bytes * 8 ? resized : builder.binary("and", type, resized, mask);
  return shift <= 0 ? cut : builder.binary("shl", type, cut, builder.constant(type, shift));
}

/** The words a header is written in: such that part no field, small ones first; where there are none of that kind, single bytes. */
function wordsOf(header: Header): Word[] {
  // Named bits lie inside fields of their own.
  const own = [...header.fields.values()].filter((field) => field.header === header);
  const fields = own.filter((field) => !own.some((other) => other !== field && holds(other, field)));
  const known = new Map<number, Word[] | null>();
  const from = (first: number): Word[] | null => {
    const before = known.get(first);
    if (before !== undefined) return before;
    const found = wordsFrom(fields, first, from);
    known.set(first, found);
    return found;
  };
  return from(0) ?? bytesOf(header, fields);
}

/** The words from the field `first` on, which begins a byte; `rest` are those from a later one. */
function wordsFrom(fields: readonly Field[], first: number, rest: (first: number) => Word[] | null): Word[] | null {
  const field = fields[first];
  if (field === undefined) return [];
  const start = field.bitOffset / 8;
  if (isPieces(field.type)) {
    const behind = rest(first + 1);
    return behind === null ? null : [{ start, bytes: 1, fields: [field] }, ...behind];
  }
  for (const bytes of [1, 2, 4, 8] as const) {
    const last = (start + bytes) * 8;
    let end = first;
    while (end < fields.length && fieldEnd(fields[end]) <= last) end++;
    const taken = fields.slice(first, end);
    if (taken.length === 0 || fieldEnd(taken.at(-1)) !== last || taken.some((f) => isPieces(f.type))) continue;
    const behind = rest(end);
    if (behind !== null) return [{ start, bytes, fields: taken }, ...behind];
  }
  return null;
}

/** Every byte for itself, with the fields that have a part in it. */
function bytesOf(header: Header, fields: readonly Field[]): Word[] {
  return Array.from({ length: header.fixedBytes }, (_, start): Word[] => {
    const here = fields.filter((f) => f.bitOffset < (start + 1) * 8 && fieldEnd(f) > start * 8);
    const only = here[0];
    if (only === undefined || !isPieces(only.type)) return [{ start, bytes: 1, fields: here }];
    return only.bitOffset === start * 8 ? [{ start, bytes: 1, fields: here }] : [];
  }).flat();
}

function fieldEnd(field: Field | undefined): number {
  return field === undefined ? 0 : field.bitOffset + field.bitWidth;
}

function holds(outer: Field, inner: Field): boolean {
  const inside = outer.bitOffset <= inner.bitOffset && fieldEnd(inner) <= fieldEnd(outer);
  return inside && outer.bitWidth > inner.bitWidth;
}
