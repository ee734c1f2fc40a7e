// String tables, both ways: zero-terminated strings behind one another, the empty one at 0. ELF's .strtab and BTF's string
// section have this same form. Knows nothing of what the strings name.

import { assert } from "../base/assert.ts";
import { ByteWriter, utf8 } from "../base/bytes.ts";

/**
 * Collects strings and gives each its offset; equal strings share one.
 *
 * **Source:** ELF gABI, "String Table"; Linux Documentation/bpf/btf.rst, "String Encoding".
 */
export class StringTableBuilder {
  readonly #offsets = new Map<string, number>([["", 0]]);
  readonly #writer = new ByteWriter().u8(0);

  /** The offset of `text` in the table in bytes; it may not contain a zero, which would cut it short. */
  add(text: string): number {
    const known = this.#offsets.get(text);
    if (known !== undefined) return known;
    assert(!text.includes("\0"), `string ${JSON.stringify(text)} contains a zero byte`);
    const offset = this.#writer.length;
    this.#writer.bytes(utf8(text)).u8(0);
    this.#offsets.set(text, offset);
    return offset;
  }

  /** The table's bytes. */
  finish(): Uint8Array {
    return this.#writer.finish();
  }
}

const DECODER = new TextDecoder();

/**
 * Reads strings of a table by offset. Strings may share their ends, so a hostile table could make a reader decode the same
 * bytes again and again; the whole of what is decoded is therefore bounded by a small multiple of the table's size.
 */
export class StringTableReader {
  readonly #bytes: Uint8Array;
  readonly #known = new Map<number, string>();
  #budgetBytes: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#budgetBytes = 8 * bytes.length + 4096;
  }

  /** The string at `offset`, invalid UTF-8 replaced; null when it lies outside, doesn't end, or the bound is used up. */
  at(offset: number): string | null {
    const known = this.#known.get(offset);
    if (known !== undefined) return known;
    if (offset < 0 || offset >= this.#bytes.length || this.#budgetBytes <= 0) return null;
    const end = this.#bytes.indexOf(0, offset);
    this.#budgetBytes -= (end < 0 ? this.#bytes.length : end) - offset + 1;
    if (end < 0) return null;
    const text = DECODER.decode(this.#bytes.subarray(offset, end));
    this.#known.set(offset, text);
    return text;
  }
}
