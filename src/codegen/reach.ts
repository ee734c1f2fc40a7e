// Jumps to offsets. A 16-bit offset reaches 32,767 slots: in longer programs a far jump goes by islands, groups of jumps
// (or copies of a short way out) placed between blocks every few thousand slots. From v4 on a plain jump has 32 bits, so one island
// is enough. The last step before the instructions are done.

import { must } from "../base/assert.ts";
import { type Insn, type ResolvedInsn, slotsOf } from "../bpf/insn.ts";
import type { CpuLevel } from "../bpf/isa.ts";
import type { Origin } from "../ir/ir.ts";
import type { Laid } from "./layout.ts";

/** Instructions with their offsets and origins. */
export interface Reached {
  readonly insns: readonly ResolvedInsn[];
  readonly origins: readonly Origin[];
}

type Item = Laid["insns"][number];

const farthest = 32767;

/** The instructions with resolved jumps; null when a jump can't reach its target even by islands. */
export function resolveJumps(laid: Laid, cpu: CpuLevel): Reached | null {
  const direct = resolve(laid);
  if (direct !== null) return direct;
  for (const reach of [24000, 16000, 8000]) {
    const resolved = resolve(withIslands(laid, cpu, reach));
    if (resolved !== null) return resolved;
  }
  return null;
}

function slotPositions(insns: readonly Item[]): Int32Array {
  const slots = new Int32Array(insns.length + 1);
  insns.forEach(({ insn }, i) => {
    slots[i + 1] = (slots[i] as number) + slotsOf(insn);
  });
  return slots;
}

function resolve(laid: Laid): Reached | null {
  const slots = slotPositions(laid.insns);
  const insns: ResolvedInsn[] = [];
  for (let i = 0; i < laid.insns.length; i++) {
    const { insn } = laid.insns[i] as Item;
    if (insn.kind !== "jump" && insn.kind !== "branch") {
      insns.push(insn as Insn<never>);
      continue;
    }
    const start = must(laid.starts.get(insn.target), `no block ${insn.target}`);
    const offset = (slots[start] as number) - (slots[i + 1] as number);
    const wide = insn.kind === "jump" && insn.wide;
    if (!wide && (offset > farthest || offset < -farthest - 1)) return null;
    insns.push({ ...insn, target: offset });
  }
  return { insns, origins: laid.insns.map((item) => item.origin) };
}

/** The same code with islands, so that no jump is longer than `reach` before the islands are counted. */
function withIslands(laid: Laid, cpu: CpuLevel, reach: number): Laid {
  const slots = slotPositions(laid.insns);
  const places = islandPlaces(laid, slots, reach >> 2);
  const startSlot = (label: number): number => slots[must(laid.starts.get(label), `no block ${label}`)] as number;
  const islands = places.map((): { label: number; body: Item[] }[] => []);
  const placeSlot = places.map((index) => slots[index] as number);
  const known = new Map<string, number>();
  let nextLabel = 0;
  for (const label of laid.starts.keys()) nextLabel = Math.max(nextLabel, label + 1);
  /** The label to jump to from `from` in order to get to `label`: itself when near, else the last island on the way within reach. */
  const route = (from: number, label: number, origin: Origin): number => {
    const to = startSlot(label);
    if (Math.abs(to - from) <= reach) return label;
    const island = lastWithin(placeSlot, from, to, reach);
    const key = `${island}:${label}`;
    const there = known.get(key);
    if (there !== undefined) return there;
    const made = nextLabel++;
    known.set(key, made);
    const wayOut = shortExit(laid, label);
    // Each hop goes on from its island; there are few, so the recursion is as deep as the way has islands.
    const jump = (): Item => {
      const wide = cpu === "v4";
      const target = wide ? label : route(must(placeSlot[island], "island"), label, origin);
      return { insn: { kind: "jump", wide, target }, origin };
    };
    must(islands[island], "island").push({ label: made, body: wayOut ?? [jump()] });
    return made;
  };
  const routed = laid.insns.map((item, i): Item => {
    const { insn, origin } = item;
    if (insn.kind !== "jump" && insn.kind !== "branch") return item;
    const from = slots[i] as number;
    if (insn.kind === "jump" && cpu === "v4") {
      return { insn: { ...insn, wide: Math.abs(startSlot(insn.target) - from) > reach }, origin };
    }
    return { insn: { ...insn, target: route(from, insn.target, origin) }, origin };
  });
  return splice(laid, routed, places, islands, nextLabel);
}

/** Indices of instructions in front of which an island may stand: block starts, about `spacing` slots apart. */
function islandPlaces(laid: Laid, slots: Int32Array, spacing: number): number[] {
  const starts = [...laid.starts.values()].sort((a, b) => a - b);
  const places: number[] = [];
  let last = 0;
  for (let i = 0; i < starts.length; i++) {
    const at = starts[i] as number;
    const following = starts[i + 1] ?? laid.insns.length;
    // The last start before the spacing is used up; a block longer than that gets one in front of it.
    if ((slots[following] as number) - last < spacing || at === 0) continue;
    places.push(at);
    last = slots[at] as number;
  }
  return places;
}

function lastWithin(placeSlot: readonly number[], from: number, to: number, reach: number): number {
  let best = -1;
  placeSlot.forEach((at, i) => {
    if (to > from ? at > from && at - from <= reach : at < from && from - at <= reach) {
      if (best === -1 || to > from) best = i;
    }
  });
  return must(best === -1 ? null : best, "no island within reach");
}

/** The block's code when it is no more than a constant and an exit: copied rather than jumped to. */
function shortExit(laid: Laid, label: number): Item[] | null {
  const start = must(laid.starts.get(label), `no block ${label}`);
  const body = laid.insns.slice(start, start + 2);
  const [first, second] = body;
  if (first?.insn.kind === "exit") return [first];
  return first?.insn.kind === "alu" && second?.insn.kind === "exit" ? body : null;
}

function splice(
  laid: Laid,
  routed: readonly Item[],
  places: readonly number[],
  islands: readonly (readonly { label: number; body: Item[] }[])[],
  firstFree: number,
): Laid {
  const insns: Item[] = [];
  const starts = new Map<number, number>();
  const labelsAt = new Map<number, number[]>();
  for (const [label, index] of laid.starts) labelsAt.set(index, [...(labelsAt.get(index) ?? []), label]);
  let next = 0;
  let label = firstFree;
  for (let i = 0; i <= routed.length; i++) {
    if (next < places.length && places[next] === i) {
      const island = must(islands[next++], "island");
      const before = insns.at(-1);
      const falls = before?.insn.kind !== "jump" && before?.insn.kind !== "exit";
      if (island.length > 0 && falls) {
        insns.push({ insn: { kind: "jump", wide: false, target: label }, origin: before?.origin ?? null });
      }
      for (const { label: name, body } of island) {
        starts.set(name, insns.length);
        insns.push(...body);
      }
      if (island.length > 0 && falls) starts.set(label++, insns.length);
    }
    for (const name of labelsAt.get(i) ?? []) starts.set(name, insns.length);
    const item = routed[i];
    if (item !== undefined) insns.push(item);
  }
  return { insns, starts };
}
