// How often each rule of an attached program is reached and holds: the program adds to globals of its own, and which is whose is kept beside its
// pins, as JSON in a map of one entry, so that the counts are understood without the rules' file.

import path from "node:path";
import { BPF, bpfCall, pin } from "./bpf-call.ts";
import { KernelMap } from "./kernel-map.ts";
import type { PinHome } from "./pins.ts";

/** A rule and the places of its counts: offsets in bytes of 64-bit numbers in .bss, whose sums say how often. */
export interface RuleEntry {
  readonly file: string;
  readonly line: number;
  readonly text: string;
  /** How deep it stands in others. */
  readonly depth: number;
  readonly reached: readonly number[];
  /** null for a rule without a condition. */
  readonly held: readonly number[] | null;
}

/** A rule with its counts. */
export interface RuleStatus extends Omit<RuleEntry, "reached" | "held"> {
  readonly reached: bigint;
  readonly held: bigint | null;
}

const ARRAY = 2;

/** Keeps the table in a folder of pins that is being made. Returns 0 or an error number. */
export function keepRuleTable(folder: string, table: readonly RuleEntry[]): number {
  const bytes = new TextEncoder().encode(JSON.stringify(table));
  const valueBytes = (bytes.length + 8) & ~7;
  const fd = bpfCall(BPF.mapCreate, (attr) => {
    attr.setUint32(0, ARRAY, true);
    attr.setUint32(4, 4, true);
    attr.setUint32(8, valueBytes, true);
    attr.setUint32(12, 1, true);
    for (const [i, letter] of [..."xdpc_rule_table"].entries()) attr.setUint8(28 + i, letter.charCodeAt(0));
  });
  if (fd < 0) return fd;
  const result = pin(fd, path.join(folder, "rules"));
  const map = KernelMap.fromFd(fd);
  if (typeof map === "number") return map;
  try {
    const value = new Uint8Array(valueBytes);
    value.set(bytes);
    return result < 0 ? result : map.update(new Uint8Array(4), value);
  } finally {
    map.close();
  }
}

/** The table of an attached program; null where its rules aren't counted. */
export function readRuleTable(home: PinHome): readonly RuleEntry[] | null {
  const bytes = firstValue(KernelMap.fromPin(path.join(home.folder, "rules")));
  if (bytes === null) return null;
  const end = bytes.indexOf(0);
  return JSON.parse(new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end))) as RuleEntry[];
}

/** The rules with their counts now; null where they can't be read. */
export function countedRules(home: PinHome, table: readonly RuleEntry[]): readonly RuleStatus[] | null {
  const bytes = firstValue(KernelMap.fromPin(home.mapPath(".bss")));
  if (bytes === null) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sum = (offsets: readonly number[]): bigint =>
    offsets.reduce((all, offset) => all + view.getBigUint64(offset, true), 0n);
  return table.map((rule) => ({
    ...rule,
    reached: sum(rule.reached),
    held: rule.held === null ? null : sum(rule.held),
  }));
}

/** The value of a map of one entry; closes the map. */
function firstValue(map: KernelMap | number): Uint8Array | null {
  if (typeof map === "number") return null;
  try {
    const found = map.lookup(new Uint8Array(4));
    return found === null || typeof found === "number" ? null : (found[0] ?? null);
  } finally {
    map.close();
  }
}
