// Values: from typed expressions to SSA values. Header fields are read where they stand in the packet, in network order and
// swapped to numbers; passes undo the swaps that aren't needed. Assumes that presence has been proven or tested.

import { InternalError, must } from "../../base/assert.ts";
import type { ArithmeticOp, Field, HExpr, Instance, Place } from "../hir.ts";
import type { BinaryKind, IntType, Space, ValueId } from "../ir.ts";
import { layoutOf } from "../layout.ts";
import { elementsOf, type Type } from "../types.ts";
import { alignedPieces } from "./aligned.ts";
import { lowerCondition } from "./condition.ts";
import { fibLookup } from "./fib-lookup.ts";
import { hashOf } from "./hash.ts";
import type { Found, Lowering } from "./lowering.ts";
import { lookup } from "./map-access.ts";
import { headerOf } from "./read-packet.ts";
import {
  constantPieces,
  intTypeOf,
  isPieces,
  macPieces,
  numberOf,
  type Piece,
  pieceSizes,
  type Value,
} from "./value.ts";

const BINARY: Readonly<Record<ArithmeticOp, BinaryKind>> = {
  "*": "mul",
  "/": "div",
  "%": "mod",
  "+": "add",
  "-": "sub",
  "<<": "shl",
  ">>": "shr",
  "&": "and",
  "^": "xor",
  "|": "or",
};

/**
 * Where a header begins: its own place inside its `size` and `when`, else where the stage found it. That it is there has been
 * proven, but the proof may be older than this reading of the stage (another way read it before a join), and the header that begins the
 * packet needs none: so it is tested, and where it is absent the program ends with its default. Where the flag is known the passes
 * take the test away.
 */
export function pointerTo(l: Lowering, instance: Instance): ValueId {
  return instance.index === -1 ? must(l.self, "the header's own place") : placeOf(l, instance).pointer;
}

/** The same with all that is known of the place: for what is to be written. */
export function placeOf(l: Lowering, instance: Instance): Found {
  const found = headerOf(l, instance);
  const [there, absent] = [l.block(), l.block()];
  l.builder.branch("eq", "i32", found.present, l.i32(1), { target: there, args: [] }, { target: absent, args: [] });
  l.goOn(absent);
  l.builder.ret(l.i32(l.verdict(l.program.default)));
  l.goOn(there);
  return found;
}

/** A value that is read more than once: one that could differ from reading to reading is evaluated now. */
export function settled(l: Lowering, value: HExpr): HExpr {
  if (isStable(value)) return value;
  const local = { name: "value", type: value.type };
  l.locals.set(local, lowerValue(l, value));
  return { kind: "local", local, type: value.type, span: value.span };
}

/** True for what gives the same each time: constants, names, fields, and what is computed from them. */
function isStable(value: HExpr): boolean {
  switch (value.kind) {
    case "const":
    case "local":
    case "field":
      return true;
    case "meta":
      return value.name !== "now";
    case "binary":
      return isStable(value.a) && isStable(value.b);
    case "cast":
    case "element":
      return isStable(value.value);
    case "aggregate":
      return value.elements.every(isStable);
    case "hash":
      return value.args.every(isStable);
    case "fibLookup":
    case "place":
    case "condition":
    case "random":
    case "error":
      return false;
  }
}

/** Evaluates a number: i32 for up to 32 bits, i64 above (MAC addresses included). */
export function lowerNumber(l: Lowering, expr: HExpr): ValueId {
  if (expr.kind === "const" && !isPieces(expr.type)) return l.builder.constant(intTypeOf(expr.type), expr.value);
  if (expr.kind === "const" && expr.type.kind === "mac") return l.builder.constant("i64", expr.value);
  return numberOf(l, lowerValue(l, expr), expr.type);
}

/** Evaluates a value. */
export function lowerValue(l: Lowering, expr: HExpr): Value {
  const { type } = expr;
  const { builder } = l;
  if (isPieces(type)) return { kind: "pieces", pieces: lowerPieces(l, expr, 8) };
  switch (expr.kind) {
    case "const":
      return { kind: "number", id: builder.constant(intTypeOf(type), expr.value) };
    case "field":
      return { kind: "number", id: fieldNumber(l, pointerTo(l, expr.instance), expr.field) };
    case "meta":
      return { kind: "number", id: metaValue(l, expr.name) };
    case "local":
      return l.local(expr.local);
    case "place":
      return readPlace(l, expr.place);
    case "binary":
      return { kind: "number", id: lowerBinary(l, expr) };
    case "cast":
      return { kind: "number", id: castTo(l, lowerNumber(l, expr.value), expr.value.type, type) };
    case "aggregate":
      return { kind: "aggregate", elements: expr.elements.map((e) => lowerValue(l, e)) };
    case "element": {
      const value = lowerValue(l, expr.value);
      if (value.kind !== "aggregate") throw new InternalError("an element of something that has none");
      return must(value.elements[expr.index], "an element");
    }
    case "condition":
      return { kind: "number", id: conditionValue(l, expr) };
    case "random":
      return { kind: "number", id: builder.trunc(builder.call("get_prandom_u32", [])) };
    case "hash":
      return { kind: "number", id: hashOf(l, expr.args) };
    case "fibLookup":
      return fibLookup(l, expr);
    case "error":
      throw new InternalError("a value with a fault");
  }
}

/** Evaluates an address or byte run into pieces of at most `most` bytes. */
export function lowerPieces(l: Lowering, expr: HExpr, most: 1 | 2 | 4 | 8): Piece[] {
  const { type } = expr;
  const { bytes } = layoutOf(type);
  const sizes = pieceSizes(bytes, most);
  switch (expr.kind) {
    case "const":
      return constantPieces(l, expr.value, bytes, sizes);
    case "field": {
      const start = expr.field.bitOffset / 8;
      return loadPieces(l, "packet", pointerTo(l, expr.instance), start, sizes);
    }
    case "place": {
      const value = readPlace(l, expr.place, most);
      if (value.kind === "pieces") return [...value.pieces];
      break;
    }
    case "local": {
      const value = l.local(expr.local);
      if (value.kind === "pieces") return [...value.pieces];
      break;
    }
    case "element": {
      const value = lowerValue(l, expr.value);
      const element = value.kind === "aggregate" ? value.elements[expr.index] : undefined;
      if (element?.kind === "pieces") return [...element.pieces];
      break;
    }
    case "binary":
      return macPieces(l, lowerBinary(l, expr));
    case "cast":
      return macPieces(l, castTo(l, lowerNumber(l, expr.value), expr.value.type, type));
    default:
      break;
  }
  throw new InternalError(`no pieces for a ${expr.kind} of type ${type.kind}`);
}

/** Loads consecutive pieces of memory. */
export function loadPieces(
  l: Lowering,
  space: Space,
  base: ValueId,
  start: number,
  sizes: readonly (1 | 2 | 4 | 8)[],
): Piece[] {
  let at = start;
  return sizes.map((bytes) => {
    const value = l.builder.load(space, bytes, base, at);
    at += bytes;
    return { bytes, value };
  });
}

/** The load that covers a field of up to eight bytes: its width, where it starts, and how far the field is from its low end. */
export function coverField(field: Field): {
  readonly width: 1 | 2 | 4 | 8;
  readonly start: number;
  readonly shift: number;
} {
  const first = Math.floor(field.bitOffset / 8);
  const end = Math.ceil((field.bitOffset + field.bitWidth) / 8);
  const width = ([1, 2, 4, 8] as const).find((w) => w >= end - first) ?? 8;
  // A wider load than the field may begin earlier, so as not to leave the header.
  const start = Math.max(0, Math.min(first, field.header.fixedBytes - width));
  if (start + width > field.header.fixedBytes && width > 1)
    throw new InternalError(`${field.name} can't be read in one load`);
  return { width, start, shift: (start + width) * 8 - (field.bitOffset + field.bitWidth) };
}

/** Reads a field as a number. */
export function fieldNumber(l: Lowering, pointer: ValueId, field: Field): ValueId {
  const { builder } = l;
  const { width, start, shift } = coverField(field);
  const raw = builder.load("packet", width, pointer, start);
  const whole = width === 1 ? raw : builder.bswap(width, raw);
  const type: IntType = width === 8 ? "i64" : "i32";
  const shifted = shift === 0 ? whole : builder.binary("shr", type, whole, builder.constant(type, shift));
  const covered = shift + field.bitWidth === width * 8;
  const masked = covered
    ? shifted
    : builder.binary("and", type, shifted, builder.constant(type, (1n << BigInt(field.bitWidth)) - 1n));
  return l.resize(masked, intTypeOf(field.type));
}

function metaValue(l: Lowering, name: (HExpr & { kind: "meta" })["name"]): ValueId {
  const { builder } = l;
  switch (name) {
    case "len":
      // In a frags program data_end is the first fragment's end.
      if (l.program.frags) return builder.trunc(builder.call("xdp_get_buff_len", [builder.context]));
      return builder.trunc(builder.distance(l.packet, l.packetEnd));
    case "cpu":
      return builder.trunc(builder.call("get_smp_processor_id", []));
    case "now":
      return builder.call("ktime_get_ns", []);
    default:
      return builder.ctxLoad(name);
  }
}

function lowerBinary(l: Lowering, expr: HExpr & { kind: "binary" }): ValueId {
  const { builder } = l;
  const type = intTypeOf(expr.type);
  // A chain such as a + b + c + … is a left-deep tree: followed in a loop.
  const parts: (HExpr & { kind: "binary" })[] = [];
  let left: HExpr = expr;
  while (left.kind === "binary" && intTypeOf(left.type) === type) {
    parts.push(left);
    left = left.a;
  }
  let result = l.resize(lowerNumber(l, left), type);
  for (const part of parts.reverse()) {
    const b = l.resize(lowerNumber(l, part.b), type);
    result = wrapTo(l, builder.binary(BINARY[part.op], type, result, b), part.op, part.type);
  }
  return result;
}

/** Cuts a result to the type's width where the operation may have left it. */
function wrapTo(l: Lowering, value: ValueId, op: ArithmeticOp, type: Type): ValueId {
  const bits = type.kind === "int" ? type.bits : type.kind === "mac" ? 48 : 32;
  if (bits === 32 || bits === 64 || !["*", "+", "-", "<<"].includes(op)) return value;
  return maskTo(l, value, bits);
}

function maskTo(l: Lowering, value: ValueId, bits: number): ValueId {
  const type = l.builder.typeOf(value) === "i64" ? "i64" : "i32";
  return l.builder.binary("and", type, value, l.builder.constant(type, (1n << BigInt(bits)) - 1n));
}

function castTo(l: Lowering, value: ValueId, from: Type, to: Type): ValueId {
  const bits = (t: Type): number => (t.kind === "int" ? t.bits : t.kind === "bool" ? 8 : t.kind === "mac" ? 48 : 32);
  const sized = l.resize(value, intTypeOf(to));
  if (bits(to) >= bits(from) || bits(to) === 32 || bits(to) === 64) return sized;
  return maskTo(l, sized, bits(to));
}

function conditionValue(l: Lowering, expr: HExpr & { kind: "condition" }): ValueId {
  const [yes, no] = [l.block(), l.block()];
  const join = l.builder.newBlock(["i32"]);
  const env = l.env;
  lowerCondition(l, expr.condition, yes, no);
  for (const [block, result] of [
    [yes, 1],
    [no, 0],
  ] as const) {
    l.goOn(block);
    l.builder.jump(join.id, [l.i32(result)]);
  }
  l.goOn(join.id);
  l.env = env;
  return must(join.params[0], "the condition's value");
}

// --------------------------------------------------------------------------------------------------------------- places

/** Where a place lies: its base pointer and offset. An array's element is looked up; `missing` is where to go if that fails. */
export function placeAddress(
  l: Lowering,
  place: Place,
  missing: number | null,
): { readonly base: ValueId; readonly offset: number; readonly space: Space } {
  switch (place.kind) {
    case "entry":
      return { base: must(l.entries.get(place.entry), "a bound entry"), offset: place.offsetBytes, space: "shared" };
    case "global": {
      const { section } = place.symbol;
      return {
        base: l.builder.global(section, l.data.offsetOf(place.symbol)),
        offset: 0,
        space: section === ".rodata" ? "rodata" : "shared",
      };
    }
    case "element": {
      const key = { kind: "const", value: place.index, type: { kind: "int", bits: 32 }, span: place.map.span } as const;
      const pointer = lookup(l, place.map, key);
      const ok = l.block();
      l.builder.nullGuard(
        pointer,
        { target: ok, args: [] },
        { target: must(missing, "a way on for a missing element"), args: [] },
      );
      l.goOn(ok);
      return { base: pointer, offset: place.offsetBytes, space: "shared" };
    }
  }
}

/** Reads a place; an array's element that isn't there (which can't be) reads as zero. */
export function readPlace(l: Lowering, place: Place, most: 1 | 2 | 4 | 8 = 8): Value {
  const { builder } = l;
  if (place.kind !== "element") {
    const { base, offset, space } = placeAddress(l, place, null);
    return readMemory(l, space, base, offset, place.type, most);
  }
  const missing = l.block();
  const { base, offset, space } = placeAddress(l, place, missing);
  const value = readMemory(l, space, base, offset, place.type, most);
  const ids = flatIds(value);
  const join = builder.newBlock(ids.map((id) => builder.typeOf(id)));
  builder.jump(join.id, ids);
  l.goOn(missing);
  builder.jump(
    join.id,
    ids.map((id) => builder.constant(builder.typeOf(id) === "i64" ? "i64" : "i32", 0)),
  );
  l.goOn(join.id);
  return withIds(value, [...join.params]);
}

/** The numbers a value is made of, in order. */
export function flatIds(value: Value): ValueId[] {
  if (value.kind === "number") return [value.id];
  if (value.kind === "pieces") return value.pieces.map((p) => p.value);
  return value.elements.flatMap(flatIds);
}

function withIds(value: Value, ids: ValueId[]): Value {
  const next = (): ValueId => must(ids.shift(), "a value");
  if (value.kind === "number") return { kind: "number", id: next() };
  if (value.kind === "pieces") return { kind: "pieces", pieces: value.pieces.map((p) => ({ ...p, value: next() })) };
  return { kind: "aggregate", elements: value.elements.map((e) => withIds(e, ids)) };
}

/** Reads a value of a type from memory in its C layout. */
export function readMemory(
  l: Lowering,
  space: Space,
  base: ValueId,
  offset: number,
  type: Type,
  most: 1 | 2 | 4 | 8 = 8,
): Value {
  const { builder } = l;
  const layout = layoutOf(type);
  const elements = elementsOf(type);
  if (elements !== null) {
    return {
      kind: "aggregate",
      elements: elements.map((e, i) =>
        readMemory(l, space, base, offset + must(layout.offsets[i], "an offset"), e, most),
      ),
    };
  }
  if (isPieces(type))
    return {
      kind: "pieces",
      pieces: (space === "stack" ? alignedPieces : loadPieces)(l, space, base, offset, pieceSizes(layout.bytes, most)),
    };
  const width = layout.bytes as 1 | 2 | 4 | 8;
  const raw = builder.load(space, width, base, offset);
  return { kind: "number", id: type.kind === "ipv4" ? builder.bswap(4, raw) : raw };
}

/** The greatest access that is aligned at an offset from an 8-aligned base, and not over `most`. */
export function alignedTo(offset: number, most: 1 | 2 | 4 | 8): 1 | 2 | 4 | 8 {
  return ([8, 4, 2, 1] as const).find((a) => a <= most && offset % a === 0) ?? 1;
}
