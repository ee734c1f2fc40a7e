// The table of a set of 32-bit numbers: three looks whatever its size. The upper 16 bits choose a page; a page has a bitmap with a bit
// for each of its 256 cells (full or empty) and says where its mixed cells stand in one array shared by all pages; a mixed cell is
// a bitmap of its 256 numbers. Pages are laid over each other so that their mixed cells don't meet; each entry of the array says whose it
// is. Equal pages and equal bitmaps are kept once. Ranges to bytes; knows no instructions (lower/set-table.ts makes those).

import { InternalError } from "../../base/assert.ts";
import type { NumberRange } from "../hir.ts";
import { BitmapPool, EMPTY, FULL, powerOfTwo, setBits } from "./bitmap-pool.ts";

/** A paged table. All numbers are little-endian. */
export interface PagedTable {
  /**
   * How wide an entry of `pages` is. 2: the number of the page's bitmap. 4: in the low half the page's place, in the high half the number
   * of its bitmap. 8: the same with 32 bits each.
   */
  readonly pageBytes: 2 | 4 | 8;
  /** 65,536 entries, by the upper 16 bits of the number. */
  readonly pages: Uint8Array;
  /**
   * A power of two of entries as wide as those of `pages`: in the low half the place of the page it belongs to, in the high half the number
   * of the cell's bitmap. A page's cell c stands at (place + c) modulo their count. null: no cell is mixed (2 bytes).
   */
  readonly cells: Uint8Array | null;
  /** Bitmaps of 256 bits, a power of two of them. */
  readonly bitmaps: Uint8Array;
}

/** Pages with this many mixed cells get a run of their own. */
const CROWDED = 48;
/** Places tried for a page before the array grows. */
const MOST_TRIES = 2000;

interface Page {
  readonly bitmap: number;
  /** Its mixed cells, ascending, and their bitmaps. */
  readonly cells: readonly (readonly [cell: number, bitmap: number])[];
  place: number;
}

/** The table of disjoint ascending ranges of 32-bit numbers. */
export function pagedTable(ranges: readonly NumberRange[]): PagedTable {
  const pool = new BitmapPool();
  const pages: Page[] = [];
  const byPage = pagesOf(ranges, pool, pages);
  const mixed = pages.filter((page) => page.cells.length > 0);
  if (mixed.length === 0 && pool.count <= 0x10000) {
    const numbers = Uint16Array.from(byPage, (page) => (pages[page] as Page).bitmap);
    return { pageBytes: 2, pages: new Uint8Array(numbers.buffer), cells: null, bitmaps: pool.bytes() };
  }
  const { owners, bitmaps } = layOver(mixed);
  const wide = owners.length > 0x10000 || pool.count > 0x10000;
  const [nobody, nowhere] = unusedPlaces(mixed, wide ? 2 ** 32 : 0x10000);
  const pairs = wide ? widePairs : narrowPairs;
  return {
    pageBytes: wide ? 8 : 4,
    pages: pairs(byPage.length, (i) => {
      const page = pages[byPage[i] as number] as Page;
      return [page.cells.length > 0 ? page.place : nowhere, page.bitmap];
    }),
    cells: pairs(owners.length, (i) => {
      const owner = owners[i] as number;
      return owner < 0 ? [nobody, EMPTY] : [owner, bitmaps[i] as number];
    }),
    bitmaps: pool.bytes(),
  };
}

/** Fills `pages` with the distinct pages and gives, for each upper half, the index of its own. */
function pagesOf(ranges: readonly NumberRange[], pool: BitmapPool, pages: Page[]): Uint32Array {
  const byPage = new Uint32Array(0x10000);
  const known = new Map<string, number>();
  const intern = (bitmap: number, cells: Page["cells"]): number => {
    const key = `${bitmap};${cells.join(";")}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    known.set(key, pages.length);
    pages.push({ bitmap, cells, place: -1 });
    return pages.length - 1;
  };
  intern(EMPTY, []);
  const full = intern(FULL, []);
  let open = -1;
  let parts: [from: number, to: number][] = [];
  const close = (): void => {
    if (open >= 0) byPage[open] = intern(...pageOf(parts, pool));
    open = -1;
    parts = [];
  };
  const add = (page: number, from: number, to: number): void => {
    if (page !== open) close();
    open = page;
    parts.push([from, to]);
  };
  for (const range of ranges) {
    const [from, to] = [Number(range.from), Number(range.to)];
    const [first, last] = [Math.floor(from / 0x10000), Math.floor(to / 0x10000)];
    if (first === last) {
      add(first, from % 0x10000, to % 0x10000);
      continue;
    }
    add(first, from % 0x10000, 0xffff);
    close();
    byPage.fill(full, first + 1, last);
    add(last, 0, to % 0x10000);
  }
  close();
  return byPage;
}

/** A page's bitmap and mixed cells, from the disjoint ascending parts of it that are in the set. */
function pageOf(parts: readonly (readonly [from: number, to: number])[], pool: BitmapPool): [number, Page["cells"]] {
  const whole = new Uint32Array(8);
  const cells: [cell: number, bitmap: Uint32Array][] = [];
  const mixed = (cell: number, from: number, to: number): void => {
    let last = cells.at(-1);
    if (last === undefined || last[0] !== cell) {
      last = [cell, new Uint32Array(8)];
      cells.push(last);
    }
    setBits(last[1], from, to);
  };
  for (const [from, to] of parts) {
    let [first, last] = [from >> 8, to >> 8];
    if (first === last && to - from < 255) {
      mixed(first, from & 255, to & 255);
      continue;
    }
    if ((from & 255) !== 0) mixed(first++, from & 255, 255);
    if ((to & 255) !== 255) last--;
    if (first <= last) setBits(whole, first, last);
    if ((to & 255) !== 255) mixed(last + 1, 0, to & 255);
  }
  return [pool.add(whole), cells.map(([cell, bitmap]) => [cell, pool.add(bitmap)])];
}

/** Gives every page a place of its own such that no two mixed cells meet, the fullest pages first. */
function layOver(pages: readonly Page[]): { owners: Int32Array; bitmaps: Uint32Array } {
  const order = [...pages].sort((a, b) => b.cells.length - a.cells.length);
  const count = pages.reduce((sum, page) => sum + page.cells.length, 0);
  for (let size = powerOfTwo(Math.max(256, Math.ceil(count * 1.15))); size <= 2 ** 28; size *= 2) {
    const owners = new Int32Array(size).fill(-1);
    const bitmaps = new Uint32Array(size);
    if (placeAll(order, owners, bitmaps)) return { owners, bitmaps };
  }
  throw new InternalError("no room for the pages of a table");
}

function placeAll(order: readonly Page[], owners: Int32Array, bitmaps: Uint32Array): boolean {
  const mask = owners.length - 1;
  const taken = new Uint8Array(owners.length);
  const random = randomNumbers();
  let run = 0;
  const fits = (page: Page, place: number): boolean =>
    taken[place] === 0 && page.cells.every(([cell]) => owners[(place + cell) & mask] === -1);
  const find = (page: Page): number => {
    if (page.cells.length >= CROWDED) {
      for (; run < owners.length; run += 256) if (fits(page, run)) return run;
      return -1;
    }
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const place = random() & mask;
      if (fits(page, place)) return place;
    }
    return -1;
  };
  for (const page of order) {
    const place = find(page);
    if (place < 0) return false;
    page.place = place;
    taken[place] = 1;
    for (const [cell, bitmap] of page.cells) {
      owners[(place + cell) & mask] = place;
      bitmaps[(place + cell) & mask] = bitmap;
    }
  }
  return true;
}

/** Two places that no page has: one for entries of nobody, one for pages without mixed cells. */
function unusedPlaces(pages: readonly Page[], limit: number): [number, number] {
  const used = new Set(pages.map((page) => page.place));
  const unused: number[] = [];
  for (let place = limit - 1; unused.length < 2; place--) if (!used.has(place)) unused.push(place);
  return unused as [number, number];
}

/** Numbers that look random and are the same each time: a linear congruence, its upper bits. */
function randomNumbers(): () => number {
  let state = 0x2545f491;
  return () => {
    state = (Math.imul(state, 0x5851f42d) + 0x14057b7f) | 0;
    return (state ^ (state >>> 15)) >>> 0;
  };
}

type Pairs = (count: number, pair: (i: number) => readonly [low: number, high: number]) => Uint8Array;

const narrowPairs: Pairs = (count, pair) => {
  const view = new DataView(new ArrayBuffer(count * 4));
  for (let i = 0; i < count; i++) {
    const [low, high] = pair(i);
    view.setUint16(i * 4, low, true);
    view.setUint16(i * 4 + 2, high, true);
  }
  return new Uint8Array(view.buffer);
};

const widePairs: Pairs = (count, pair) => {
  const view = new DataView(new ArrayBuffer(count * 8));
  for (let i = 0; i < count; i++) {
    const [low, high] = pair(i);
    view.setUint32(i * 8, low, true);
    view.setUint32(i * 8 + 4, high, true);
  }
  return new Uint8Array(view.buffer);
};
