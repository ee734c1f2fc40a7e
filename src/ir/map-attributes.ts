// The words behind a map's size: whether it is pinned, and the kernel's flags by their names. Which kinds take which is the table's
// (bpf/maps.ts).

import type { Span } from "../base/source.ts";
import { type MapKind, mapFlags, mapKindInfo } from "../bpf/maps.ts";
import type * as ast from "../parser/ast.ts";
import type { Context } from "./context.ts";
import type { MapSymbol } from "./hir.ts";
import * as messages from "./messages.ts";

/** What the words say. */
export interface Attributes {
  readonly pinned: boolean;
  /** BPF_F_* flags. */
  readonly flags: number;
}

/** No words at all. */
export const NO_ATTRIBUTES: Attributes = { pinned: false, flags: 0 };

const FLAGS: Readonly<Partial<Record<string, number>>> = {
  no_prealloc: mapFlags.noPrealloc,
  no_common_lru: mapFlags.noCommonLru,
  numa_node: mapFlags.numaNode,
  rdonly: mapFlags.rdonly,
  wronly: mapFlags.wronly,
  zero_seed: mapFlags.zeroSeed,
  rdonly_prog: mapFlags.rdonlyProg,
  wronly_prog: mapFlags.wronlyProg,
  mmapable: mapFlags.mmapable,
  preserve_elems: mapFlags.preserveElems,
  inner_map: mapFlags.innerMap,
};

/** What the words behind a map of this kind say; null with a diagnostic where the kind doesn't take one. `lru` is the kind's matter. */
export function attributesOf(ctx: Context, kind: MapKind, words: readonly ast.MapAttribute[]): Attributes | null {
  const row = mapKindInfo(kind);
  // An element of an array is a value like any other, which rules read and write.
  const allowed = row.allowedFlags & ~(row.dense ? mapFlags.wronlyProg : 0);
  let result = NO_ATTRIBUTES;
  for (const word of words) {
    const flag = FLAGS[word.text];
    if (word.text === "pinned") result = { ...result, pinned: true };
    else if (flag !== undefined && (allowed & flag) !== 0) result = { ...result, flags: result.flags | flag };
    else if (flag !== undefined || (word.text === "lru" && kind !== "lru_hash")) {
      const message = `a map of kind ${kind} can't be \`${word.text}\``;
      ctx.diagnostics.add(messages.badMap(word.span, message, { help: "take it away" }));
      return null;
    }
  }
  const both = words.filter((word) =>
    OPPOSITES.some((pair) => pair.every((name) => words.some((w) => w.text === name)) && pair.includes(word.text)),
  );
  const [first, second] = both;
  if (first === undefined || second === undefined) return result;
  const message = `a map can't be both \`${first.text}\` and \`${second.text}\``;
  ctx.diagnostics.add(messages.badMap(second.span, message, { help: "take one of them away" }));
  return null;
}

/** **Source:** Linux kernel/bpf/syscall.c, bpf_map_flags_access_ok. */
const OPPOSITES: readonly (readonly string[])[] = [
  ["rdonly_prog", "wronly_prog"],
  ["rdonly", "wronly"],
];

/** Whether rules may change what a map holds; a diagnostic where not. */
export function mayWrite(ctx: Context, map: MapSymbol, span: Span): boolean {
  if ((map.flags & mapFlags.rdonlyProg) === 0) return true;
  ctx.diagnostics.add(messages.badMap(span, `\`${map.name}\` is \`rdonly_prog\`: rules may only read it`));
  return false;
}

/** Whether rules may see what a map holds; a diagnostic where not. */
export function mayRead(ctx: Context, map: MapSymbol, span: Span): boolean {
  if ((map.flags & mapFlags.wronlyProg) === 0) return true;
  ctx.diagnostics.add(messages.badMap(span, `\`${map.name}\` is \`wronly_prog\`: rules may only write it`));
  return false;
}
