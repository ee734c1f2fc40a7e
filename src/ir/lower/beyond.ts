// Headers that don't lie whole in the first buffer of a packet that has several: a copy is made by a helper where the guard of direct
// access fails, and what is written to the copy is written back. The code that reads and writes headers is the same for both, for
// an instruction may reach the packet on one way and the copy on another. Programs that take no such packets have none of this.
// Source: Linux net/core/filter.c, bpf_xdp_load_bytes and bpf_xdp_store_bytes (both refuse what lies beyond the packet's end).

import { must } from "../../base/assert.ts";
import { BEYOND_MAP } from "../beyond.ts";
import type { Header, Instance } from "../hir.ts";
import type { Edge, ValueId } from "../ir.ts";
import { edge } from "./edge.ts";
import type { Found, Lowering } from "./lowering.ts";

/** Copies lie at multiples of this. */
const ALIGN = 8;

/** Where the copies of one program's headers lie in the memory for them. */
export class Copies {
  readonly #places = new Map<Instance | Header, number>();
  /** The bytes of all copies. */
  bytes = 0;

  /** The place of a header's copy, in bytes; an extension header has one for its instance and one to look at in passing. */
  placeOf(owner: Instance | Header): number {
    const known = this.#places.get(owner);
    if (known !== undefined) return known;
    const place = this.bytes;
    const { fixedBytes } = "header" in owner ? owner.header : owner;
    this.#places.set(owner, place);
    this.bytes += Math.ceil(fixedBytes / ALIGN) * ALIGN;
    return place;
  }
}

/**
 * Copies a header's fixed bytes from `distance` bytes (an i64) behind the packet's first, wherever its buffers end, and goes on where
 * the packet has them; elsewhere `failed`. Gives the copy as a packet pointer.
 */
export function copyHeader(l: Lowering, owner: Instance | Header, distance: ValueId, failed: Edge): ValueId {
  const { builder } = l;
  const { fixedBytes } = "header" in owner ? owner.header : owner;
  const key = builder.slot(builder.newSlot(4, 4));
  builder.store("stack", 4, key, 0, l.i32(0));
  const memory = builder.call("map_lookup_elem", [builder.map(BEYOND_MAP), key]);
  const found = l.block();
  builder.nullGuard(memory, edge(found), failed);
  l.goOn(found);
  const copy = builder.offset(memory, must(l.copies, "places for copies").placeOf(owner));
  const size = builder.constant("i64", fixedBytes);
  const status = builder.call("xdp_load_bytes", [builder.context, distance, copy, size]);
  const copied = l.block();
  builder.branch("eq", "i64", status, builder.constant("i64", 0), edge(copied), failed);
  l.goOn(copied);
  return builder.view(copy, fixedBytes);
}

/** Brings the bytes `start` to `end` (exclusive) of a header that have just been written to the packet, where they were written to a copy. */
export function writeBack(l: Lowering, { pointer, beyond }: Found, start: number, end: number): void {
  if (beyond === null) return;
  const { builder } = l;
  const [back, behind] = [l.block(), l.block()];
  builder.branch("eq", "i32", beyond.copied, l.i32(1), edge(back), edge(behind));
  l.goOn(back);
  const at = builder.binary("add", "i64", beyond.distance, builder.constant("i64", start));
  const size = builder.constant("i64", end - start);
  builder.call("xdp_store_bytes", [builder.context, at, builder.offset(pointer, start), size]);
  builder.jump(behind);
  l.goOn(behind);
}

/** The bytes from the packet's first to a header's, an i64. */
export function distanceTo(l: Lowering, { pointer, beyond }: Found): ValueId {
  const { builder } = l;
  if (beyond === null) return builder.distance(l.packet, pointer);
  const [here, behind] = [l.block(), builder.newBlock(["i64"])];
  const far: Edge = { target: behind.id, args: [beyond.distance] };
  builder.branch("eq", "i32", beyond.copied, l.i32(1), far, edge(here));
  l.goOn(here);
  builder.jump(behind.id, [builder.distance(l.packet, pointer)]);
  l.goOn(behind.id);
  return must(behind.params[0], "a distance");
}
