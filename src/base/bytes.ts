// Numbers in byte strings, both ways: a writer that grows and a reader that knows its bounds. Used wherever a binary format
// is made or read (ELF, BTF, instructions, packet captures). Knows no format.

import { assert } from "./assert.ts";

/** The order in which the bytes of a number lie. */
export type ByteOrder = "little" | "big";

const UTF8 = new TextEncoder();

/** `text` as UTF-8. */
export function utf8(text: string): Uint8Array {
  return UTF8.encode(text);
}

/** Collects bytes at its end; numbers are written in the order chosen at the start and wrap at their width. */
export class ByteWriter {
  readonly #little: boolean;
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(order: ByteOrder = "little", capacityBytes = 256) {
    this.#little = order === "little";
    this.#bytes = new Uint8Array(capacityBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** The bytes written so far. */
  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, value, this.#little);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, this.#little);
    return this;
  }

  /** Writes a 64-bit number; a `number` must be an integer that is exact (below 2^53). */
  u64(value: number | bigint): this {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), this.#little);
    return this;
  }

  bytes(source: Uint8Array): this {
    const at = this.#grow(source.length);
    this.#bytes.set(source, at);
    return this;
  }

  /** Writes `count` zero bytes. */
  zeros(count: number): this {
    this.#grow(count);
    return this;
  }

  /** Writes zero bytes until the length is a multiple of `alignment`. */
  align(alignment: number): this {
    return this.zeros((alignment - (this.#length % alignment)) % alignment);
  }

  /** Writes over four bytes at `offset`, which must have been written before. */
  patchU32(offset: number, value: number): void {
    assert(
      offset >= 0 && offset + 4 <= this.#length,
      `patch at ${offset} lies outside the ${this.#length} bytes written`,
    );
    this.#view.setUint32(offset, value, this.#little);
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #grow(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = needed;
    return at;
  }
}

/**
 * Reads numbers at any place of a byte string. Ask `covers` before reading what a stranger wrote: a read outside the bytes
 * is a bug of the caller and throws InternalError.
 */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #little: boolean;

  constructor(bytes: Uint8Array, order: ByteOrder = "little") {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#little = order === "little";
  }

  get length(): number {
    return this.bytes.length;
  }

  /** Whether `count` bytes lie at `offset`; any numbers may be asked about. */
  covers(offset: number, count: number): boolean {
    return offset >= 0 && count >= 0 && offset <= this.length && count <= this.length - offset;
  }

  u8(offset: number): number {
    return this.#view.getUint8(this.#check(offset, 1));
  }

  u16(offset: number): number {
    return this.#view.getUint16(this.#check(offset, 2), this.#little);
  }

  u32(offset: number): number {
    return this.#view.getUint32(this.#check(offset, 4), this.#little);
  }

  i32(offset: number): number {
    return this.#view.getInt32(this.#check(offset, 4), this.#little);
  }

  u64(offset: number): bigint {
    return this.#view.getBigUint64(this.#check(offset, 8), this.#little);
  }

  /** A window onto `count` bytes at `offset`: no copy. */
  slice(offset: number, count: number): Uint8Array {
    this.#check(offset, count);
    return this.bytes.subarray(offset, offset + count);
  }

  #check(offset: number, count: number): number {
    assert(this.covers(offset, count), `read of ${count} bytes at ${offset} outside ${this.length} bytes`);
    return offset;
  }
}
