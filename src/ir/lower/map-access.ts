// Maps from a program's side: keys and values laid out on the stack (padding zeroed), lookups, updates, deletes, counters.
// Knows layouts and helpers; which statements may do what with a map has been checked.

import { InternalError, must } from "../../base/assert.ts";
import type { HExpr, MapSymbol, VerdictName } from "../hir.ts";
import type { BlockId, Space, ValueId } from "../ir.ts";
import { layoutOf } from "../layout.ts";
import { elementsOf, type Type } from "../types.ts";
import { edge } from "./edge.ts";
import { alignedTo, lowerNumber, lowerPieces, lowerValue } from "./evaluate.ts";
import type { Lowering } from "./lowering.ts";
import { returnVerdict } from "./redirect.ts";
import { isPieces, macPieces, numberOf, pieceSizes, type Value, widen } from "./value.ts";

const U32: Type = { kind: "int", bits: 32 };

/** Makes a place on the stack that holds `value` in its C layout and gives its address. */
export function onStack(l: Lowering, value: HExpr): ValueId {
  const layout = layoutOf(value.type);
  const slot = l.builder.newSlot(layout.bytes, stackAlign(layout.bytes, layout.align));
  const address = l.builder.slot(slot);
  zeroPadding(l, address, value.type);
  storeExpr(l, "stack", address, 0, value);
  return address;
}

/** Bytes of a stack slot are written in as wide pieces as its alignment allows. */
function stackAlign(bytes: number, align: number): 1 | 2 | 4 | 8 {
  if (bytes >= 8) return 8;
  if (bytes >= 4) return 4;
  return align >= 2 || bytes >= 2 ? 2 : 1;
}

/** Zeroes what no element of the type covers: others compare keys as bytes. */
function zeroPadding(l: Lowering, base: ValueId, type: Type): void {
  const covered = new Uint8Array(layoutOf(type).bytes);
  cover(type, 0, covered);
  for (let at = 0; at < covered.length; ) {
    if (covered[at] === 1) {
      at++;
      continue;
    }
    let end = at;
    while (end < covered.length && covered[end] === 0) end++;
    const size = ([8, 4, 2, 1] as const).find((s) => at % s === 0 && at + s <= end) ?? 1;
    l.builder.store("stack", size, base, at, l.builder.constant(size === 8 ? "i64" : "i32", 0));
    at += size;
  }
}

function cover(type: Type, at: number, covered: Uint8Array): void {
  const layout = layoutOf(type);
  const elements = elementsOf(type);
  if (elements === null) covered.fill(1, at, at + layout.bytes);
  else
    for (const [i, element] of elements.entries()) cover(element, at + must(layout.offsets[i], "an offset"), covered);
}

/** Stores an expression's value in its C layout; addresses straight from where they are. */
export function storeExpr(l: Lowering, space: Space, base: ValueId, offset: number, value: HExpr): void {
  const elements = elementsOf(value.type);
  if (elements !== null && value.kind === "aggregate") {
    const { offsets } = layoutOf(value.type);
    for (const [i, element] of value.elements.entries())
      storeExpr(l, space, base, offset + must(offsets[i], "an offset"), element);
  } else if (elements === null && isPieces(value.type)) {
    const most = space === "packet" ? 8 : alignedTo(offset, 8);
    storePieces(l, space, base, offset, { kind: "pieces", pieces: lowerPieces(l, value, most) }, value.type);
  } else storeValue(l, space, base, offset, lowerValue(l, value), value.type);
}

/** Stores a value of a type in its C layout. */
export function storeValue(l: Lowering, space: Space, base: ValueId, offset: number, value: Value, type: Type): void {
  const elements = elementsOf(type);
  if (elements !== null) {
    if (value.kind !== "aggregate") throw new InternalError("an aggregate that isn't one");
    const { offsets } = layoutOf(type);
    for (const [i, element] of elements.entries()) {
      storeValue(
        l,
        space,
        base,
        offset + must(offsets[i], "an offset"),
        must(value.elements[i], "an element"),
        element,
      );
    }
  } else if (isPieces(type)) storePieces(l, space, base, offset, value, type);
  else {
    const number = numberOf(l, value, type);
    const width = layoutOf(type).bytes as 1 | 2 | 4 | 8;
    l.builder.store(space, width, base, offset, type.kind === "ipv4" ? l.builder.bswap(4, number) : number);
  }
}

function storePieces(l: Lowering, space: Space, base: ValueId, offset: number, value: Value, type: Type): void {
  const pieces = value.kind === "pieces" ? value.pieces : macPieces(l, numberOf(l, value, type));
  let at = offset;
  for (const piece of pieces) {
    // Only the packet may be written unaligned.
    const fits = space === "packet" ? piece.bytes : Math.min(piece.bytes, alignedTo(at, 8));
    for (const part of widen(l, [piece], pieceSizes(piece.bytes, fits as 1 | 2 | 4 | 8))) {
      l.builder.store(space, part.bytes, base, at, part.value);
      at += part.bytes;
    }
  }
}

/** What a helper takes for a map: the object's own, or the inner map that was found. */
function handleOf(l: Lowering, map: MapSymbol): ValueId {
  return map.via === undefined ? l.builder.map(map.name) : must(l.entries.get(map.via), "a bound map");
}

/** Ends the program with a verdict where a helper failed; without one it goes on all the same. */
export function orVerdict(l: Lowering, status: ValueId, verdict: VerdictName | null): void {
  if (verdict === null) return;
  const [done, failed] = [l.block(), l.block()];
  l.builder.branch("eq", "i64", status, l.builder.constant("i64", 0), edge(done), edge(failed));
  l.goOn(failed);
  returnVerdict(l, verdict);
  l.goOn(done);
}

/** Looks an entry up: a pointer to its value, or null. */
export function lookup(l: Lowering, map: MapSymbol, key: HExpr): ValueId {
  const address = onStack(l, keyFor(map, key));
  return l.builder.call("map_lookup_elem", [handleOf(l, map), address]);
}

/** Arrays are indexed by four bytes, whatever integer the key was. */
function keyFor(map: MapSymbol, key: HExpr): HExpr {
  const indexed = map.mapKind === "array" || map.mapKind === "percpu_array";
  if (!indexed || (key.type.kind === "int" && key.type.bits === 32)) return key;
  return key.kind === "const" ? { ...key, type: U32 } : { kind: "cast", value: key, type: U32, span: key.span };
}

/** Writes an entry, new or not; gives the helper's result: 0 or a negative error. */
export function update(l: Lowering, map: MapSymbol, key: HExpr, value: HExpr): ValueId {
  const { builder } = l;
  const keyAddress = onStack(l, keyFor(map, key));
  const valueAddress = onStack(l, value);
  return builder.call("map_update_elem", [handleOf(l, map), keyAddress, valueAddress, builder.constant("i64", 0)]);
}

/** Deletes an entry where there is one. */
export function remove(l: Lowering, map: MapSymbol, key: HExpr): void {
  const address = onStack(l, key);
  l.builder.call("map_delete_elem", [handleOf(l, map), address]);
}

/** Counts the packet: one packet and its bytes, in this CPU's own entry. */
export function count(l: Lowering, map: MapSymbol, key: HExpr | null): void {
  const { builder } = l;
  const zero: HExpr = { kind: "const", value: 0n, type: U32, span: map.span };
  const index = key ?? zero;
  const pointer = lookup(l, map, index);
  const [found, after] = [l.block(), l.block()];
  const missing: BlockId = map.mapKind === "percpu_array" ? after : l.block();
  builder.nullGuard(pointer, { target: found, args: [] }, { target: missing, args: [] });
  l.goOn(found);
  const length = packetLength(l);
  for (const [offset, amount] of [
    [0, builder.constant("i64", 1)],
    [8, length],
  ] as const) {
    const sum = builder.binary("add", "i64", builder.load("shared", 8, pointer, offset), amount);
    builder.store("shared", 8, pointer, offset, sum);
  }
  builder.jump(after);
  if (missing !== after) {
    l.goOn(missing);
    const first = builder.newSlot(16, 8);
    const address = builder.slot(first);
    builder.store("stack", 8, address, 0, builder.constant("i64", 1));
    builder.store("stack", 8, address, 8, packetLength(l));
    const keyAddress = onStack(l, index);
    builder.call("map_update_elem", [builder.map(map.name), keyAddress, address, builder.constant("i64", 0)]);
    builder.jump(after);
  }
  l.goOn(after);
}

function packetLength(l: Lowering): ValueId {
  const length: HExpr = { kind: "meta", name: "len", type: U32, span: l.program.span };
  return l.resize(lowerNumber(l, length), "i64");
}
