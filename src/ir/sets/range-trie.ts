// The table of a set of ranges of up to 128-bit numbers: a trie whose nodes each look at a run of bits, as many as their ranges are worth,
// and leave out bits that all their ranges share. What a cell of a node holds is settled where at most two ranges meet it: the
// lookup then compares the number with these ranges themselves, so the bits left out need no comparison on the way. Ranges to words;
// knows no instructions (lower/set-table.ts makes those).

import { must } from "../../base/assert.ts";
import type { NumberRange } from "../hir.ts";
import { powerOfTwo } from "./bitmap-pool.ts";

/**
 * A range trie. A cell is 32 bits. A leaf has bit 31; in the bits below 30 the number of a range, and bit 30 says that the next one is
 * to be tried too. Another cell names a node: bits 0 to 5 say how far a 64-bit word of the number is shifted left, and bits 6 to 11
 * how far right after that, to give the cell's number in the node; bit 12 says that it is the low word; the bits from 13 are the node's
 * first cell, in steps of `step`.
 */
export interface RangeTrie {
  /** A power of two of cells. */
  readonly cells: Uint32Array;
  /** The root's cell, as if there were a node above it: what the lookup begins with. */
  readonly root: number;
  readonly step: number;
  /** The most nodes a lookup goes through, the root counted. */
  readonly depth: number;
  /** The ranges that leaves name, then ranges that hold nothing up to a power of two. */
  readonly ranges: readonly NumberRange[];
}

/** Bit 31: a leaf. */
export const LEAF = 0x80000000;
/** Bit 30: the range behind the one named is to be tried too. */
export const PAIR = 0x40000000;
/** Bit 12: the low word. */
export const LOW_WORD = 0x1000;
/** Where the node's first cell stands. */
export const FIRST_SHIFT = 13;

/** A range that no number is in. */
const NOTHING: NumberRange = { from: 1n, to: 0n };
/** Bits a node looks at. */
const LEAST_BITS = 3;
const MOST_BITS = 16;
/** A node whose ranges stay together looks at so many, to get on. */
const STUCK_BITS = 8;
/** Names of nodes have 18 bits. */
const MOST_STEPS = 2 ** 18;

interface Node {
  /** The first number of its block, and the bits that differ in the block. */
  readonly start: bigint;
  readonly bits: number;
  /** The ranges that meet it: from, up to and with `to`. */
  readonly from: number;
  readonly to: number;
  readonly level: number;
  /** The cell that names it; -1 for the root. */
  readonly cell: number;
}

/**
 * The trie of disjoint ascending ranges of numbers of `width` bits, 33 to 128; null where it would take over `mostBytes`.
 */
export function rangeTrie(ranges: readonly NumberRange[], width: number, mostBytes: number): RangeTrie | null {
  // Ranges for the leaves that hold nothing stand behind the others.
  const all = [...ranges];
  while (all.length === ranges.length || all.length < powerOfTwo(all.length)) all.push(NOTHING);
  const nothing = (LEAF | ranges.length) >>> 0;
  for (let step = 8; ; step *= 4) {
    const builder = new TrieBuilder(ranges, width, nothing, step);
    if (!builder.build(Math.min(mostBytes / 4, step * MOST_STEPS))) {
      if (step * MOST_STEPS * 4 >= mostBytes) return null;
      continue;
    }
    return { cells: builder.padded(), root: builder.root, step, depth: builder.depth, ranges: all };
  }
}

class TrieBuilder {
  root = 0;
  depth = 0;
  readonly #ranges: readonly NumberRange[];
  readonly #width: number;
  readonly #nothing: number;
  readonly #step: number;
  #cells = new Uint32Array(1 << 12);
  #used = 0;

  constructor(ranges: readonly NumberRange[], width: number, nothing: number, step: number) {
    this.#ranges = ranges;
    this.#width = width;
    this.#nothing = nothing;
    this.#step = step;
  }

  /** False where more than `mostCells` cells would be needed. */
  build(mostCells: number): boolean {
    const whole: Node = { start: 0n, bits: this.#width, from: 0, to: this.#ranges.length - 1, level: 1, cell: -1 };
    const waiting = [whole];
    for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
      for (const child of this.#node(node).reverse()) waiting.push(child);
      if (this.#used > mostCells) return false;
    }
    return true;
  }

  /** The cells, with empty leaves up to a power of two. */
  padded(): Uint32Array {
    const cells = new Uint32Array(powerOfTwo(this.#used)).fill(this.#nothing);
    cells.set(this.#cells.subarray(0, this.#used));
    return cells;
  }

  #node(node: Node): Node[] {
    const { start, bits } = this.#narrowed(node);
    const count = node.to - node.from + 1;
    const wanted = Math.min(MOST_BITS, Math.max(LEAST_BITS, Math.ceil(Math.log2(count)) + 1));
    const spread = this.#spread(start, bits, node, this.#fitting(bits, wanted));
    const stuck = wanted < STUCK_BITS && spread.most * 2 > count;
    const { width, first, last } = stuck ? this.#spread(start, bits, node, this.#fitting(bits, STUCK_BITS)) : spread;
    const at = this.#take(2 ** width);
    this.depth = Math.max(this.depth, node.level);
    const name = this.#nameOf(bits, width, at);
    if (node.cell < 0) this.root = name;
    else this.#cells[node.cell] = name;
    const children: Node[] = [];
    const cellBits = bits - width;
    for (let cell = 0; cell < first.length; cell++) {
      const [from, to] = [first[cell] as number, last[cell] as number];
      if (from < 0) this.#cells[at + cell] = this.#nothing;
      else if (to - from < 2) this.#cells[at + cell] = (LEAF | (to > from ? PAIR : 0) | from) >>> 0;
      else
        children.push({
          start: start + (BigInt(cell) << BigInt(cellBits)),
          bits: cellBits,
          from,
          to,
          level: node.level + 1,
          cell: at + cell,
        });
    }
    return children;
  }

  /** The least block that holds all ranges of a node, where they lie inside the node's own. */
  #narrowed(node: Node): { readonly start: bigint; readonly bits: number } {
    const low = must(this.#ranges[node.from], "a range").from;
    const high = must(this.#ranges[node.to], "a range").to;
    if (low < node.start || high >= node.start + (1n << BigInt(node.bits))) return node;
    const bits = (low ^ high).toString(2).length;
    return { start: (low >> BigInt(bits)) << BigInt(bits), bits };
  }

  /** As many of the wanted bits as the block has, in one 64-bit word of the number. */
  #fitting(bits: number, wanted: number): number {
    const inWord = bits > 64 ? bits - 64 : bits;
    return Math.min(wanted, inWord);
  }

  /** Which ranges meet each cell: the first and last, -1 for none; and the most that meet one. */
  #spread(
    start: bigint,
    bits: number,
    node: Node,
    width: number,
  ): { readonly width: number; readonly first: Int32Array; readonly last: Int32Array; readonly most: number } {
    const cells = 2 ** width;
    const first = new Int32Array(cells).fill(-1);
    const last = new Int32Array(cells).fill(-1);
    const shift = BigInt(bits - width);
    const end = start + (1n << BigInt(bits)) - 1n;
    let most = 0;
    for (let i = node.from; i <= node.to; i++) {
      const { from, to } = must(this.#ranges[i], "a range");
      const low = Number(((from < start ? start : from) - start) >> shift);
      const high = Number(((to > end ? end : to) - start) >> shift);
      if ((first[low] as number) < 0) first[low] = i;
      last[low] = i;
      most = Math.max(most, i - (first[low] as number) + 1);
      if (high > low) {
        first.fill(i, low + 1, high + 1);
        last.fill(i, low + 1, high + 1);
      }
    }
    return { width, first, last, most };
  }

  /** How a cell names the node whose block has `bits` bits and that looks at the uppermost `width` of them. */
  #nameOf(bits: number, width: number, at: number): number {
    const low = this.#width > 64 && bits <= 64;
    const inWord = this.#width > 64 && !low ? bits - 64 : bits;
    const left = 64 - inWord;
    const right = 64 - width;
    return (left | (right << 6) | (low ? LOW_WORD : 0) | ((at / this.#step) << FIRST_SHIFT)) >>> 0;
  }

  #take(count: number): number {
    const at = this.#used;
    this.#used += Math.ceil(count / this.#step) * this.#step;
    if (this.#used > this.#cells.length) {
      const larger = new Uint32Array(powerOfTwo(this.#used));
      larger.set(this.#cells);
      this.#cells = larger;
    }
    this.#cells.fill(this.#nothing, at, this.#used);
    return at;
  }
}
