// Which few constants a block parameter can be: a presence flag is 0 or 1, so one that isn't 0 is 1. An optimistic
// propagation over parameters; a set that grows past the limit is given up.

import type { Values } from "../graph.ts";
import type { IrFunction, ValueId } from "../ir.ts";
import { eachEdge } from "./edit.ts";
import type { Domains } from "./facts.ts";

const DOMAIN_LIMIT = 4;

/** The parameters that are one of a few constants on every path. */
export function domainsOf(fn: IrFunction, values: Values): Domains {
  const domains = new Map<ValueId, Set<bigint> | null>();
  const readers = new Map<ValueId, ValueId[]>();
  const queue: ValueId[] = [];
  const paramsOf = new Map(fn.blocks.map((b) => [b.id, b.params]));
  for (const block of fn.blocks) {
    for (const p of block.params) domains.set(p.id, p.type === "i32" || p.type === "i64" ? new Set() : null);
  }
  // Adds what flows into a parameter; says whether that changed anything.
  const grow = (param: ValueId, from: Iterable<bigint> | null): boolean => {
    const set = domains.get(param);
    if (set === undefined || set === null) return false;
    const before = set.size;
    for (const c of from ?? []) set.add(c);
    if (from !== null && set.size <= DOMAIN_LIMIT) return set.size > before;
    domains.set(param, null);
    return true;
  };
  eachEdge(fn, (edge) => {
    paramsOf.get(edge.target)?.forEach((param, i) => {
      const arg = edge.args[i] as ValueId;
      const def = values.def[arg];
      if (domains.has(arg)) {
        const list = readers.get(arg);
        if (list === undefined) readers.set(arg, [param.id]);
        else list.push(param.id);
        if (domains.get(arg) === null && grow(param.id, null)) queue.push(param.id);
      } else if (def?.op === "const") {
        if (grow(param.id, [def.value])) queue.push(param.id);
      } else if (def?.op !== "undef" && grow(param.id, null)) queue.push(param.id);
    });
  });
  for (let p = queue.pop(); p !== undefined; p = queue.pop()) {
    const from = domains.get(p) ?? null;
    for (const reader of readers.get(p) ?? []) if (grow(reader, from)) queue.push(reader);
  }
  const result = new Map<ValueId, ReadonlySet<bigint>>();
  for (const [value, set] of domains) if (set !== null && set.size > 0) result.set(value, set);
  return result;
}
