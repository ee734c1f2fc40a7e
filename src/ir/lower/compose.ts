// A header written whole: its fields put together into words as wide as can be, so that a new header costs a few stores. Values that
// aren't given are what the declaration says. Knows no protocol.

import { must } from "../../base/assert.ts";
import type { Field, HExpr, Header } from "../hir.ts";
import type { ValueId } from "../ir.ts";
import { lowerNumber } from "./evaluate.ts";
import type { Lowering } from "./lowering.ts";
import { storeExpr } from "./map-access.ts";
import { isPieces } from "./value.ts";

/** Fields that share bytes: none of them begins before the first byte or ends behind the last. */
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
  let fixed = 0n;
  let whole: ValueId | null = null;
  for (const field of word.fields) {
    const shift = (word.start + word.bytes) * 8 - (field.bitOffset + field.bitWidth);
    const value = values.get(field);
    if (value === undefined) fixed |= field.initial << BigInt(shift);
    else if (typeof value === "object" && value.kind === "const") fixed |= value.value << BigInt(shift);
    else {
      const number = l.resize(typeof value === "object" ? lowerNumber(l, value) : value, type);
      const mask = builder.constant(type, (1n << BigInt(field.bitWidth)) - 1n);
      const cut = field.bitWidth === word.bytes * 8 ? number : builder.binary("and", type, number, mask);
      const moved = shift === 0 ? cut : builder.binary("shl", type, cut, builder.constant(type, shift));
      whole = whole === null ? moved : builder.binary("or", type, whole, moved);
    }
  }
  const constant = builder.constant(type, fixed);
  const all = whole === null ? constant : fixed === 0n ? whole : builder.binary("or", type, whole, constant);
  builder.store("packet", word.bytes, pointer, word.start, word.bytes === 1 ? all : builder.bswap(word.bytes, all));
}

/** The words a header is written in: at each place the smallest that parts no field. */
function wordsOf(header: Header): Word[] {
  // Named bits lie inside fields of their own.
  const fields = [...header.fields.values()].filter(
    (field, _, all) => !all.some((other) => other !== field && holds(other, field)),
  );
  const words: Word[] = [];
  let at = 0;
  for (let i = 0; i < fields.length; ) {
    const first = must(fields[i], "a field");
    if (isPieces(first.type)) {
      words.push({ start: at, bytes: 1, fields: [first] });
      at += first.bitWidth / 8;
      i++;
      continue;
    }
    let end = i;
    const bytes = ([1, 2, 4, 8] as const).find((size) => {
      const last = (at + size) * 8;
      end = i;
      while (end < fields.length && fieldEnd(fields[end]) <= last) end++;
      return end > i && fieldEnd(fields[end - 1]) === last;
    });
    words.push({ start: at, bytes: must(bytes, "a word that parts no field"), fields: fields.slice(i, end) });
    at += must(bytes, "a size");
    i = end;
  }
  return words;
}

function fieldEnd(field: Field | undefined): number {
  return field === undefined ? 0 : field.bitOffset + field.bitWidth;
}

function holds(outer: Field, inner: Field): boolean {
  const inside = outer.bitOffset <= inner.bitOffset && fieldEnd(inner) <= fieldEnd(outer);
  return inside && outer.bitWidth > inner.bitWidth;
}
