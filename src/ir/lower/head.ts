// Changes of the packet's head and end: moving its first byte, with what begins it, and cutting. After any of them everything is read again. The kernel may refuse (no room, too short): then the
// program ends with XDP_ABORTED.
// Source: Linux net/core/filter.c, bpf_xdp_adjust_head and bpf_xdp_adjust_tail.

import { must } from "../../base/assert.ts";
import type { Field, HStmt, Instance } from "../hir.ts";
import type { BlockId, ValueId } from "../ir.ts";
import { loadPieces, lowerNumber } from "./evaluate.ts";
import type { Lowering } from "./lowering.ts";
import { returnVerdict } from "./redirect.ts";
import { type Piece, pieceSizes } from "./value.ts";

/** Cuts what lies behind so many bytes of the packet; a packet that isn't longer stays as it is. */
export function trim(l: Lowering, statement: HStmt & { kind: "trim" }): void {
  const { builder } = l;
  const kept = l.resize(lowerNumber(l, statement.bytes), "i64");
  const length = l.resize(
    lowerNumber(l, { kind: "meta", name: "len", type: { kind: "int", bits: 32 }, span: statement.span }),
    "i64",
  );
  const [longer, behind] = [l.block(), l.block()];
  builder.branch("ugt", "i64", length, kept, { target: longer, args: [] }, { target: behind, args: [] });
  l.goOn(longer);
  cutTail(l, builder.binary("sub", "i64", kept, length), behind);
  l.lookAgain();
}

/** Moves the packet's end by `delta` bytes, an i64 below zero, and goes on in `behind`. */
export function cutTail(l: Lowering, delta: ValueId, behind: BlockId): void {
  const cut = l.block();
  orAborted(l, l.builder.call("xdp_adjust_tail", [l.builder.context, delta]), cut);
  l.builder.jump(behind);
  l.goOn(behind);
}

/** The field of a header that tells what follows it. */
export function selectorOf(instance: Instance): Field {
  return must(instance.header.next?.fields[0], "a selector");
}

/** The bytes of what begins the packet. */
export function loadFront(l: Lowering, parent: Instance, pointer: ValueId): Piece[] {
  return loadPieces(l, "packet", pointer, 0, pieceSizes(parent.header.fixedBytes, 8));
}

export function storeFront(l: Lowering, pieces: readonly Piece[]): void {
  let at = 0;
  for (const { bytes, value } of pieces) {
    l.builder.store("packet", bytes, l.packet, at, value);
    at += bytes;
  }
}

/** Moves the packet's first byte by `delta` and goes on where `needed` bytes can be written from there. */
export function moveHead(l: Lowering, by: number | { readonly delta: ValueId }, needed: number): void {
  const { builder } = l;
  const delta = typeof by === "number" ? builder.constant("i64", by) : by.delta;
  const [moved, roomy, short] = [l.block(), l.block(), l.block()];
  orAborted(l, builder.call("xdp_adjust_head", [builder.context, delta]), moved);
  l.lookAgain();
  builder.packetGuard(l.packet, l.packetEnd, needed, { target: roomy, args: [] }, { target: short, args: [] });
  l.goOn(short);
  returnVerdict(l, "aborted");
  l.goOn(roomy);
}

/** Goes on in `next` where a helper succeeded, else ends the program. */
function orAborted(l: Lowering, status: ValueId, next: number): void {
  const failed = l.block();
  const none = l.builder.constant("i64", 0);
  l.builder.branch("eq", "i64", status, none, { target: next, args: [] }, { target: failed, args: [] });
  l.goOn(failed);
  returnVerdict(l, "aborted");
  l.goOn(next);
}
