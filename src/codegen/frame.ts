// The stack frame: IR slots and spilled registers laid out below r10 on an occupancy map, one bit per position and 8-byte
// unit, so that what is never alive together shares memory. Slots smaller than a unit share one only in time, not in space:
// the verifier tracks units, and a spilled pointer must fill one. After `regalloc`; knows no instructions but those that
// touch the stack.

import { must } from "../base/assert.ts";
import type { Slot } from "../ir/ir.ts";
import type { Liveness } from "./liveness.ts";
import { type Base, type MFunction, type MInsn, mEdgesOf, type Value, type VReg } from "./machine.ts";
import type { Allocation } from "./regalloc.ts";

/** Bytes of a unit. */
const unitBytes = 8;
/** The machine's limit. **Source:** Linux include/linux/filter.h, MAX_BPF_STACK. */
export const maxStackBytes = 512;

/** Where everything lies; offsets are from r10, negative. */
export interface Frame {
  readonly slotOffset: ReadonlyMap<number, number>;
  readonly homeOffset: ReadonlyMap<VReg, number>;
  /** What is used, rounded up to 8 bytes; may be above the limit, then the offsets are good for the message only. */
  readonly bytes: number;
}

interface Item {
  readonly units: number;
  readonly segments: number[];
  readonly place: (offset: number) => void;
}

/** Lays out the frame. */
export function layFrame(allocation: Allocation, slots: readonly Slot[]): Frame {
  const { fn, live, memoryClass } = allocation;
  const slotOffset = new Map<number, number>();
  const homeOffset = new Map<VReg, number>();
  const items: Item[] = [];
  const lifetimes = slotLifetimes(fn, live);
  for (const slot of slots) {
    const segments = lifetimes.get(slot.id);
    if (segments === undefined) continue;
    const units = Math.ceil(slot.bytes / unitBytes);
    items.push({ units, segments, place: (offset) => slotOffset.set(slot.id, offset) });
  }
  const classes = new Map<number, VReg[]>();
  for (const [v, c] of memoryClass) classes.set(c, [...(classes.get(c) ?? []), v]);
  for (const members of classes.values()) {
    const segments = members.flatMap((v) => live.segments[v] as number[]);
    if (segments.length === 0) continue;
    const place = (offset: number): void => {
      for (const v of members) homeOffset.set(v, offset);
    };
    items.push({ units: 1, segments, place });
  }
  return { slotOffset, homeOffset, bytes: unitBytes * assignUnits(items, live.positions) };
}

/** Places the items, larger ones first; returns how many units are used. */
function assignUnits(items: Item[], positions: number): number {
  // 64 units fit the frame; a few more keep the answer exact for the message when it doesn't fit.
  const words: Int32Array[] = [];
  const word = (i: number): Int32Array => {
    words[i] ??= new Int32Array(positions);
    return words[i] as Int32Array;
  };
  let used = 0;
  const start = (item: Item): number => item.segments[0] ?? 0;
  items.sort((a, b) => b.units - a.units || start(a) - start(b));
  for (const item of items) {
    let first = 0;
    for (let run = 0, unit = 0; run < item.units; unit++) {
      if (unit >> 5 >= words.length || isFree(word(unit >> 5), 1 << (unit & 31), item.segments)) run++;
      else [run, first] = [0, unit + 1];
    }
    for (let unit = first; unit < first + item.units; unit++) take(word(unit >> 5), 1 << (unit & 31), item.segments);
    used = Math.max(used, first + item.units);
    item.place(-unitBytes * (first + item.units));
  }
  return used;
}

function isFree(word: Int32Array, bit: number, segments: readonly number[]): boolean {
  for (let i = 0; i < segments.length; i += 2) {
    const to = segments[i + 1] as number;
    for (let p = segments[i] as number; p <= to; p++) if (((word[p] as number) & bit) !== 0) return false;
  }
  return true;
}

function take(word: Int32Array, bit: number, segments: readonly number[]): void {
  for (let i = 0; i < segments.length; i += 2) {
    const to = segments[i + 1] as number;
    for (let p = segments[i] as number; p <= to; p++) word[p] = (word[p] as number) | bit;
  }
}

/** Live segments of the IR slots that are touched at all. */
function slotLifetimes(fn: MFunction, live: Liveness): Map<number, number[]> {
  const touches = new Map<number, { place: number; position: number }[]>();
  const escaped = new Set<number>();
  const touch = (slot: number, place: number, position: number): void => {
    const list = touches.get(slot) ?? [];
    if (list.length === 0) touches.set(slot, list);
    list.push({ place, position });
  };
  fn.blocks.forEach((block, place) => {
    let index = live.entryIndex[place] as number;
    for (const insn of block.insns) {
      index++;
      for (const slot of slotsIn(insn)) touch(slot, place, 2 * index + 1);
      // An address in a register can go anywhere.
      if (insn.kind === "make" && insn.value.kind === "slot") escaped.add(insn.value.slot);
    }
    const leave = (value: Value): void => {
      if (typeof value === "number" || value.kind !== "slot") return;
      touch(value.slot, place, 2 * index + 1);
      escaped.add(value.slot);
    };
    for (const edge of mEdgesOf(block.term)) edge.args.forEach(leave);
  });
  const lifetimes = new Map<number, number[]>();
  const walker = { touchedBy: new Int32Array(fn.blocks.length).fill(-1), until: new Int32Array(fn.blocks.length) };
  for (const [slot, list] of touches) {
    if (escaped.has(slot)) lifetimes.set(slot, [0, live.positions - 1]);
    else lifetimes.set(slot, regionOf(slot, list, live, walker));
  }
  return lifetimes;
}

function slotsIn(insn: MInsn): number[] {
  const of = (base: Base): number[] => ("slot" in base ? [base.slot] : []);
  switch (insn.kind) {
    case "load":
    case "store":
    case "atomicAdd":
      return of(insn.base);
    case "call":
      return insn.args.flatMap((arg) => (typeof arg !== "number" && arg.kind === "slot" ? [arg.slot] : []));
    case "make":
      return insn.value.kind === "slot" ? [insn.value.slot] : [];
    default:
      return [];
  }
}

/** From the first touch in reverse postorder to the last one on every way from there. */
function regionOf(
  slot: number,
  list: readonly { place: number; position: number }[],
  live: Liveness,
  walker: { touchedBy: Int32Array; until: Int32Array },
): number[] {
  const { touchedBy, until } = walker;
  // Touches were collected in order, so the first is the first of its block.
  const first = must(list[0], "touch");
  const touched: number[] = [];
  const work: number[] = [];
  const reach = (place: number, position: number): void => {
    if (touchedBy[place] !== slot) {
      touchedBy[place] = slot;
      until[place] = position;
      touched.push(place);
      if (place !== first.place) work.push(place);
    } else if ((until[place] as number) < position) until[place] = position;
  };
  for (const { place, position } of list) reach(place, position);
  for (let place = work.pop(); place !== undefined; place = work.pop()) {
    for (const pred of live.preds[place] as readonly number[]) reach(pred, 2 * (live.termIndex[pred] as number) + 1);
  }
  touched.sort((a, b) => a - b);
  return touched.flatMap((place) => [
    place === first.place ? first.position - 1 : 2 * (live.entryIndex[place] as number),
    until[place] as number,
  ]);
}
