// Where each virtual register is live, as segments of positions, exact with holes. Every block entry, instruction and
// terminator has an index; it reads at position 2·index and writes at 2·index + 1. Found register by register, walking from the
// uses up to the one definition, so the work is the size of the answer. Serves `coalesce`, `regalloc`, `spill` and `frame`.

import {
  defOf,
  forEachUse,
  isCommutative,
  type MBlock,
  type MFunction,
  type MInsn,
  mEdgesOf,
  type Value,
  type VReg,
} from "./machine.ts";

/** The numbering of a function's positions; blocks by their place in `fn.blocks`. */
export interface Numbering {
  /** The index of a block's entry; its instructions follow, then its terminator. */
  readonly entryIndex: Int32Array;
  readonly termIndex: Int32Array;
  /** One more than the highest position. */
  readonly positions: number;
  /** The place in `fn.blocks` of the block with this id. */
  readonly placeOf: Int32Array;
  /** The predecessors' places, one entry per edge. */
  readonly preds: readonly (readonly number[])[];
}

/** What is known of every virtual register. */
export interface Liveness extends Numbering {
  /** Pairs [from, to] of positions, both inclusive, rising, not touching; empty for a register nobody reads. */
  readonly segments: readonly (readonly number[])[];
  /** The position from which the register holds its value; -1 without a definition. */
  readonly defPosition: Int32Array;
  readonly useCount: Int32Array;
}

/** Numbers the positions and finds the predecessors. */
export function numberPositions(fn: MFunction): Numbering {
  const count = fn.blocks.length;
  const entryIndex = new Int32Array(count);
  const termIndex = new Int32Array(count);
  const placeOf = new Int32Array(fn.nextBlock).fill(-1);
  const preds: number[][] = Array.from({ length: count }, () => []);
  let index = 0;
  fn.blocks.forEach((block, place) => {
    placeOf[block.id] = place;
    entryIndex[place] = index;
    index += block.insns.length + 1;
    termIndex[place] = index++;
  });
  fn.blocks.forEach((block, place) => {
    for (const edge of mEdgesOf(block.term)) (preds[placeOf[edge.target] as number] as number[]).push(place);
  });
  return { entryIndex, termIndex, positions: 2 * index, placeOf, preds };
}

/** The position at which `insn` (with this index) reads its second operand: late where dst must not share its register. */
export function secondReadPosition(insn: Extract<MInsn, { kind: "alu" }>, index: number): number {
  const late = "reg" in insn.b && insn.b.reg !== insn.a && !isCommutative(insn.op);
  return late ? 2 * index + 1 : 2 * index;
}

/** The live segments of all virtual registers. */
export function livenessOf(fn: MFunction): Liveness {
  const numbering = numberPositions(fn);
  const uses = new UseLists(fn, numbering);
  return { ...numbering, ...walk(fn, numbering, uses) };
}

/** Every read of a register, as linked lists in flat arrays. */
class UseLists {
  readonly head: Int32Array;
  readonly count: Int32Array;
  readonly next: number[] = [];
  readonly position: number[] = [];
  readonly place: number[] = [];
  readonly defPosition: Int32Array;
  readonly defPlace: Int32Array;

  constructor(fn: MFunction, numbering: Numbering) {
    this.head = new Int32Array(fn.nextVReg).fill(-1);
    this.count = new Int32Array(fn.nextVReg);
    this.defPosition = new Int32Array(fn.nextVReg).fill(-1);
    this.defPlace = new Int32Array(fn.nextVReg).fill(-1);
    fn.blocks.forEach((block, place) => {
      this.#block(block, place, numbering.entryIndex[place] as number);
    });
  }

  #block(block: MBlock, place: number, entryIndex: number): void {
    let index = entryIndex;
    const read = (v: VReg): void => this.#read(v, place, 2 * index);
    const readAny = (value: Value): void => {
      if (typeof value === "number") read(value);
    };
    const define = (v: VReg, position: number): void => {
      this.defPosition[v] = position;
      this.defPlace[v] = place;
    };
    for (const param of block.params) define(param, 2 * index);
    for (const insn of block.insns) {
      index++;
      if (insn.kind === "alu") {
        read(insn.a);
        if ("reg" in insn.b) this.#read(insn.b.reg, place, secondReadPosition(insn, index));
      } else forEachUse(insn, read);
      if (insn.kind === "call") insn.args.forEach(readAny);
      if (insn.kind === "reload") read(insn.home);
      if (insn.kind === "spill") define(insn.home, 2 * index + 1);
      const dst = defOf(insn);
      // A call's result is copied out of r0 behind the call's own write of r0 to r5.
      if (dst !== null) define(dst, insn.kind === "call" ? 2 * index + 2 : 2 * index + 1);
    }
    index++;
    const { term } = block;
    if (term.kind === "return") readAny(term.value);
    if (term.kind === "branch") {
      read(term.a);
      if ("reg" in term.b) read(term.b.reg);
    }
    for (const edge of mEdgesOf(term)) edge.args.forEach(readAny);
  }

  #read(v: VReg, place: number, position: number): void {
    this.count[v] = (this.count[v] as number) + 1;
    this.next.push(this.head[v] as number);
    this.position.push(position);
    this.place.push(place);
    this.head[v] = this.next.length - 1;
  }
}

function walk(
  fn: MFunction,
  numbering: Numbering,
  uses: UseLists,
): { segments: number[][]; defPosition: Int32Array; useCount: Int32Array } {
  const { entryIndex, termIndex, preds } = numbering;
  const segments: number[][] = new Array(fn.nextVReg);
  // For the register at hand: the blocks touched, how far it is live in each, and where it is live at the entry.
  const touchedBy = new Int32Array(fn.blocks.length).fill(-1);
  const liveUntil = new Int32Array(fn.blocks.length);
  const liveInOf = new Int32Array(fn.blocks.length).fill(-1);
  const none: number[] = [];
  for (let v = 0; v < fn.nextVReg; v++) {
    segments[v] = none;
    const defPlace = uses.defPlace[v] as number;
    if (uses.head[v] === -1 || defPlace === -1) continue;
    const defPosition = uses.defPosition[v] as number;
    const touched: number[] = [];
    const work: number[] = [];
    const reach = (place: number, until: number): void => {
      if (touchedBy[place] !== v) {
        touchedBy[place] = v;
        liveUntil[place] = until;
        touched.push(place);
      } else if ((liveUntil[place] as number) < until) liveUntil[place] = until;
    };
    for (let use = uses.head[v] as number; use !== -1; use = uses.next[use] as number) {
      const place = uses.place[use] as number;
      const position = uses.position[use] as number;
      reach(place, position);
      if (place !== defPlace && liveInOf[place] !== v) {
        liveInOf[place] = v;
        work.push(place);
      }
    }
    for (let place = work.pop(); place !== undefined; place = work.pop()) {
      for (const pred of preds[place] as readonly number[]) {
        reach(pred, 2 * (termIndex[pred] as number) + 1);
        if (pred !== defPlace && liveInOf[pred] !== v) {
          liveInOf[pred] = v;
          work.push(pred);
        }
      }
    }
    touched.sort((a, b) => a - b);
    const pairs: number[] = [];
    for (const place of touched) {
      const from = place === defPlace ? defPosition : 2 * (entryIndex[place] as number);
      const to = liveUntil[place] as number;
      if (pairs.length > 0 && (pairs[pairs.length - 1] as number) + 1 === from) pairs[pairs.length - 1] = to;
      else pairs.push(from, to);
    }
    segments[v] = pairs;
  }
  return { segments, defPosition: uses.defPosition, useCount: uses.count };
}

/** Whether the segments hold this position. */
export function holds(segments: readonly number[], position: number): boolean {
  let low = 0;
  let high = segments.length >> 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((segments[2 * middle + 1] as number) < position) low = middle + 1;
    else high = middle;
  }
  return low < segments.length >> 1 && (segments[2 * low] as number) <= position;
}
