// Writes to header fields: one field, or two that change places. What hangs on a selector or a size that changes is read anew
// afterwards. Checksums are checksum.ts's.

import { must } from "../../base/assert.ts";
import { steers } from "../header-graph.ts";
import type { Field, HStmt, Instance } from "../hir.ts";
import type { ValueId } from "../ir.ts";
import { writeBack } from "./beyond.ts";
import { changedBy, keepSums } from "./checksum.ts";
import { coverField, loadPieces, lowerNumber, placeOf, settled } from "./evaluate.ts";
import type { Lowering } from "./lowering.ts";
import { storeExpr } from "./map-access.ts";
import { isPieces, pieceSizes } from "./value.ts";

/**
 * What hangs on a header whose selector or size has changed must be read anew; the headers up to it stay where they are. Which
 * extension headers come before a changed one isn't known, so of those only itself stays.
 */
export function forget(l: Lowering, instance: Instance): void {
  const changed = placeInPlan(l, instance);
  const stays = (other: Instance): boolean => {
    const place = placeInPlan(l, other);
    if (other === instance || place.stage !== changed.stage) return place.stage <= changed.stage;
    return place.member < changed.member || (place.member === changed.member && !other.header.extension);
  };
  const pinned = new Map(l.pinned);
  for (const result of l.env.values()) {
    for (const [other, found] of result.headers) if (!pinned.has(other)) pinned.set(other, found);
  }
  l.pinned = new Map([...pinned].filter(([other]) => stays(other)));
  l.env = new Map([...l.env].filter(([stage]) => stage.id < changed.stage));
}

/** The stage of a header and its member's number there; an extension header has its base's. */
function placeInPlan(l: Lowering, instance: Instance): { readonly stage: number; readonly member: number } {
  const stage = must(l.plan.stageOf.get(instance), "a planned header");
  const member = stage.members.findIndex((m) => m.instance === instance || m.extensions.includes(instance.header));
  return { stage: stage.id, member };
}

/** Writes a field and keeps the checksums that cover it right. */
export function setField(l: Lowering, statement: HStmt & { kind: "setField" }): void {
  const { instance, field, value, sums } = statement;
  const place = placeOf(l, instance);
  const { pointer } = place;
  const changed = changedBy(pointer, field);
  if (isPieces(field.type)) {
    const bound = settled(l, value);
    keepSums(l, sums, changed, () => storeExpr(l, "packet", pointer, field.bitOffset / 8, bound));
  } else {
    const number = lowerNumber(l, value);
    keepSums(l, sums, changed, () => storeNumber(l, pointer, field, number));
  }
  writeBack(l, place, changed.start, changed.end);
  if (steers(field)) forget(l, instance);
}

/** Writes a field whose value is a number; bits of its bytes that belong to others stay. */
export function storeNumber(l: Lowering, pointer: ValueId, field: Field, number: ValueId): void {
  const { builder } = l;
  const { width, start, shift } = coverField(field);
  const type = width === 8 ? "i64" : "i32";
  const whole = shift === 0 && field.bitWidth === width * 8;
  let stored = l.resize(number, type);
  if (!whole) {
    // Only the field's bits change: the bits beside it are read and put back.
    const mask = ((1n << BigInt(field.bitWidth)) - 1n) << BigInt(shift);
    const others = ((1n << BigInt(8 * width)) - 1n) ^ mask;
    const raw = builder.load("packet", width, pointer, start);
    const old = width === 1 ? raw : builder.bswap(width, raw);
    const moved = shift === 0 ? stored : builder.binary("shl", type, stored, builder.constant(type, shift));
    const kept = builder.binary("and", type, old, builder.constant(type, others));
    stored = builder.binary("or", type, kept, builder.binary("and", type, moved, builder.constant(type, mask)));
  }
  builder.store("packet", width, pointer, start, width === 1 ? stored : builder.bswap(width, stored));
}

/** Exchanges two fields that no sum notices. */
export function swapFields(l: Lowering, statement: HStmt & { kind: "swap" }): void {
  const { a, b, instanceA, instanceB } = statement;
  const [placeA, placeB] = [placeOf(l, instanceA), placeOf(l, instanceB)];
  const [pointerA, pointerB] = [placeA.pointer, placeB.pointer];
  const sizes = pieceSizes(a.bitWidth / 8, 8);
  const [startA, startB] = [a.bitOffset / 8, b.bitOffset / 8];
  const [fromA, fromB] = [
    loadPieces(l, "packet", pointerA, startA, sizes),
    loadPieces(l, "packet", pointerB, startB, sizes),
  ];
  let at = 0;
  for (const [i, size] of sizes.entries()) {
    l.builder.store("packet", size, pointerA, startA + at, must(fromB[i], "a piece").value);
    l.builder.store("packet", size, pointerB, startB + at, must(fromA[i], "a piece").value);
    at += size;
  }
  writeBack(l, placeA, startA, startA + at);
  writeBack(l, placeB, startB, startB + at);
  if (steers(a)) forget(l, instanceA);
  if (steers(b)) forget(l, instanceB);
}
