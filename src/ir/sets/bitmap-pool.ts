// Bitmaps of 256 bits, equal ones kept once: the leaves of paged tables. Number 0 is empty, number 1 is full.

/** A bitmap of 256 bits in eight words; bit i is bit i % 32 of word i / 32. */
export type Bitmap = Uint32Array;

/** Bytes of one bitmap. */
export const BITMAP_BYTES = 32;

/** The bitmap that holds none. */
export const EMPTY = 0;
/** The bitmap that holds all. */
export const FULL = 1;

/** Collects bitmaps and numbers them from 0 in the order they come. */
export class BitmapPool {
  readonly #numbers = new Map<string, number>();
  readonly #bitmaps: Bitmap[] = [];

  constructor() {
    this.add(new Uint32Array(8));
    this.add(new Uint32Array(8).fill(0xffffffff));
  }

  /** How many there are. */
  get count(): number {
    return this.#bitmaps.length;
  }

  /** The number of a bitmap, which isn't changed afterwards. */
  add(bitmap: Bitmap): number {
    const key = String.fromCharCode(...new Uint16Array(bitmap.buffer, bitmap.byteOffset, 16));
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.#bitmaps.length);
    this.#bitmaps.push(bitmap);
    return this.#bitmaps.length - 1;
  }

  /** All of them one after the other, padded with empty ones to a power of two. */
  bytes(): Uint8Array {
    const view = new DataView(new ArrayBuffer(powerOfTwo(this.#bitmaps.length) * BITMAP_BYTES));
    for (const [i, bitmap] of this.#bitmaps.entries())
      for (let word = 0; word < 8; word++) view.setUint32(i * BITMAP_BYTES + 4 * word, bitmap[word] as number, true);
    return new Uint8Array(view.buffer);
  }
}

/** Sets the bits from `from` to `to`, both among them. */
export function setBits(bitmap: Bitmap, from: number, to: number): void {
  for (let word = from >> 5; word <= to >> 5; word++) {
    const low = word === from >> 5 ? from & 31 : 0;
    const high = word === to >> 5 ? to & 31 : 31;
    const bits = high - low === 31 ? 0xffffffff : ((1 << (high - low + 1)) - 1) << low;
    bitmap[word] = ((bitmap[word] as number) | bits) >>> 0;
  }
}

/** The least power of two that isn't below `n`. */
export function powerOfTwo(n: number): number {
  let power = 1;
  while (power < n) power *= 2;
  return power;
}
