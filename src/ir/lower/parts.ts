// Parts of headers that are there only where a bit says so: whether they are, and where, worked out from the bits before them. A header
// with such parts is there only where all that its bits announce lies whole in the packet. Knows no protocol.

import { must } from "../../base/assert.ts";
import type { Header, Instance } from "../hir.ts";
import type { Edge, IrType, ValueId } from "../ir.ts";
import { copyHeader, distanceTo } from "./beyond.ts";
import { edge } from "./edge.ts";
import { fieldNumber, lowerNumber } from "./evaluate.ts";
import { partsOf } from "./header-size.ts";
import type { Lowering, Spot, StageResult } from "./lowering.ts";
import { headerOf } from "./read-packet.ts";

/** Goes on where a header at a place is there whole; `size` is what varies of its size. */
export function isWhole(l: Lowering, header: Header, place: Spot, size: ValueId, failed: Edge): void {
  const { builder } = l;
  const ok = l.block();
  const varies = l.resize(size, "i64");
  const { fixed } = partsOf(must(header.size, "a size").bytes);
  if (l.copies === null)
    builder.packetGuard(builder.index(place.pointer, varies), l.packetEnd, fixed, edge(ok), failed);
  else {
    const start = distanceTo(l, { present: l.i32(1), ...place });
    const end = builder.binary(
      "add",
      "i64",
      builder.binary("add", "i64", start, varies),
      builder.constant("i64", fixed),
    );
    const meta = { kind: "meta", name: "len", type: { kind: "int", bits: 32 }, span: header.span } as const;
    const length = l.resize(lowerNumber(l, meta), "i64");
    builder.branch("uge", "i64", length, end, edge(ok), failed);
  }
  l.goOn(ok);
}

/** Finds a part: a stage of its own. */
export function readPart(l: Lowering, instance: Instance): StageResult {
  const { builder } = l;
  const { header, index } = instance;
  const { of, flag } = must(header.part, "a part");
  const found = headerOf(l, must(of.instances[index], "the header of a part"));
  const types: readonly IrType[] = l.copies === null ? ["pkt"] : ["pkt", "i32", "i64"];
  const join = builder.newBlock(["i32", ...types]);
  const nowhere = types.map((type) => (type === "i32" ? l.i32(0) : builder.undef(type)));
  const absent: Edge = { target: join.id, args: [l.i32(0), ...nowhere] };
  const [there, announced] = [l.block(), l.block()];
  builder.branch("eq", "i32", found.present, l.i32(1), edge(there), absent);
  l.goOn(there);
  builder.branch("eq", "i32", fieldNumber(l, found.pointer, flag), l.i32(1), edge(announced), absent);
  l.goOn(announced);
  const before = bytesBefore(l, header, found.pointer);
  const here = l.block();
  if (l.copies === null) {
    const start = before === null ? found.pointer : builder.index(found.pointer, before);
    const pointer = builder.offset(start, of.fixedBytes);
    builder.packetGuard(pointer, l.packetEnd, header.fixedBytes, edge(here), absent);
    l.goOn(here);
    builder.jump(join.id, [l.i32(1), pointer]);
  } else {
    const start = builder.binary("add", "i64", distanceTo(l, found), builder.constant("i64", of.fixedBytes));
    const distance = before === null ? start : builder.binary("add", "i64", start, before);
    const pointer = copyHeader(l, instance, distance, absent);
    builder.jump(here);
    l.goOn(here);
    builder.jump(join.id, [l.i32(1), pointer, l.i32(1), distance]);
  }
  l.goOn(join.id);
  const [present, pointer, copied, distance] = join.params;
  const place = {
    pointer: must(pointer, "a place"),
    beyond: copied === undefined || distance === undefined ? null : { copied, distance },
  };
  const headers = new Map([[instance, { present: must(present, "a flag"), ...place }]]);
  return { headers, selectors: [], payload: place, last: null, stuck: null };
}

/** The bytes of the parts that stand before one, an i64; null where none can. */
function bytesBefore(l: Lowering, part: Header, pointer: ValueId): ValueId | null {
  const { builder } = l;
  const { parts } = must(part.part, "a part").of;
  let sum: ValueId | null = null;
  for (const { part: before, fixedBytes } of parts.slice(0, parts.indexOf(part))) {
    const bit = l.resize(fieldNumber(l, pointer, must(before, "a part").flag), "i64");
    const bytes = builder.binary("mul", "i64", bit, builder.constant("i64", fixedBytes));
    sum = sum === null ? bytes : builder.binary("add", "i64", sum, bytes);
  }
  return sum;
}
