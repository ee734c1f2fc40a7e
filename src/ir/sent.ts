// What rules send to user space: the types that each buffer of events gets, for those who tell its readers (BTF, a header for C).

import type { HModule, HStmt, MapSymbol } from "./hir.ts";
import { bodiesOf } from "./presence.ts";
import { SAMPLE_HEADER } from "./sample.ts";
import { sameType, type Type } from "./types.ts";

/** By buffer the types of its values in the order of the rules, each once; SAMPLE_HEADER for samples. */
export function sentTo(module: HModule): ReadonlyMap<MapSymbol, readonly Type[]> {
  const sent = new Map<MapSymbol, Type[]>();
  const open: HStmt[] = [];
  const add = (list: readonly HStmt[]): void => {
    for (const statement of list.toReversed()) open.push(statement);
  };
  for (const program of module.programs.toReversed()) add(program.body);
  for (let statement = open.pop(); statement !== undefined; statement = open.pop()) {
    for (const body of bodiesOf(statement).reverse()) add(body);
    if (statement.kind !== "emit" && statement.kind !== "sample") continue;
    const known = sent.get(statement.map) ?? [];
    const type = statement.kind === "emit" ? statement.value.type : SAMPLE_HEADER;
    if (!known.some((other) => sameType(other, type))) sent.set(statement.map, [...known, type]);
  }
  return sent;
}
