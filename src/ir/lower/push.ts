// Headers put in and taken out behind what begins the packet and its tags, which move along. What a header says of its follower is said
// anew where selectors say it differently (an EtherType, the last entry of a label stack). Knows no protocol: what announces what has been
// worked out from the declarations.

import { must } from "../../base/assert.ts";
import type { Field, HExpr, HStmt, Instance } from "../hir.ts";
import type { ValueId } from "../ir.ts";
import { composeHeader } from "./compose.ts";
import { fieldNumber, lowerNumber, pointerTo } from "./evaluate.ts";
import { selectorOf } from "./head.ts";
import type { Lowering } from "./lowering.ts";
import { headerOf } from "./read-packet.ts";
import { returnVerdict } from "./redirect.ts";
import { forLinks, goWhere, moveLinks, onlyBehind, sizeOf } from "./tunnel.ts";

/** Puts a header in behind the link headers. */
export function pushHeader(l: Lowering, statement: HStmt & { kind: "push" }): void {
  const { builder } = l;
  const { instance, links, announces, field, value } = statement;
  const { header } = instance;
  const number = lowerNumber(l, value);
  for (const link of links) headerOf(l, link);
  const done = l.block();
  forLinks(l, links, (row) => {
    const follows = said(l, statement, must(row.at(-1), "a link header"));
    const size = sizeOf(row);
    moveLinks(l, row, -header.fixedBytes, header.fixedBytes, l.i32(announces));
    const values = new Map<Field, HExpr | ValueId>([
      [field, number],
      [selectorOf(instance), follows],
    ]);
    composeHeader(l, header, builder.offset(l.packet, size), values);
    builder.jump(done);
  });
  l.goOn(done);
  l.lookAgain();
}

/** What the new header's selector says: what the last link header's has said of the same follower. */
function said(l: Lowering, { repeats }: HStmt & { kind: "push" }, link: Instance): ValueId {
  const { builder } = l;
  const old = fieldNumber(l, pointerTo(l, link), selectorOf(link));
  if (repeats === null) return old;
  const chosen = builder.newBlock(["i32"]);
  const own = { target: chosen.id, args: [l.i32(repeats.self)] };
  for (const value of repeats.values) {
    const next = l.block();
    builder.branch("eq", "i32", old, l.i32(value), own, { target: next, args: [] });
    l.goOn(next);
  }
  builder.jump(chosen.id, [l.i32(repeats.other)]);
  l.goOn(chosen.id);
  return must(chosen.params[0], "a selector");
}

/** Takes the header out that follows the link headers. */
export function popHeader(l: Lowering, statement: HStmt & { kind: "pop" }): void {
  const { builder } = l;
  const { instance, links, carried } = statement;
  const { header } = instance;
  for (const one of [instance, ...links, ...(carried?.followers.map((f) => f.instance) ?? [])]) headerOf(l, one);
  const done = l.block();
  forLinks(l, links, (row) => {
    const size = sizeOf(row);
    if (carried !== null) onlyBehind(l, instance, size);
    const follows = fieldNumber(l, pointerTo(l, instance), selectorOf(instance));
    const announces = carried === null ? follows : toldBy(l, carried, follows, must(row.at(-1), "a link header"));
    moveLinks(l, row, header.fixedBytes, 0, announces);
    builder.jump(done);
  });
  l.goOn(done);
  l.lookAgain();
}

/** What the last link header's selector says once the header behind it is gone, whose own says `follows`. */
function toldBy(
  l: Lowering,
  { self, followers }: NonNullable<(HStmt & { kind: "pop" })["carried"]>,
  follows: ValueId,
  link: Instance,
): ValueId {
  const { builder } = l;
  const chosen = builder.newBlock(["i32"]);
  const [again, last] = [l.block(), l.block()];
  builder.branch("eq", "i32", follows, l.i32(self), { target: again, args: [] }, { target: last, args: [] });
  l.goOn(again);
  builder.jump(chosen.id, [fieldNumber(l, pointerTo(l, link), selectorOf(link))]);
  l.goOn(last);
  for (const { instance, announces } of followers) {
    const next = l.block();
    goWhere(l, instance, next);
    builder.jump(chosen.id, [l.i32(announces)]);
    l.goOn(next);
  }
  returnVerdict(l, "aborted");
  l.goOn(chosen.id);
  return must(chosen.params[0], "a selector");
}
