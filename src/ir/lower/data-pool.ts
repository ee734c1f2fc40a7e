// The global data of an object while its programs are lowered: where each global lies, and the format strings that `log` needs.
// Gives the sections in the end. One pool for all programs of a file, so that equal strings are kept once.

import { must } from "../../base/assert.ts";
import type { DataSection, DataVariable } from "../../bpf/object.ts";
import type { GlobalSymbol } from "../hir.ts";
import { btfInt, btfOf, layoutOf, roundUp } from "../layout.ts";
import { swapBytes } from "./value.ts";

type SectionName = DataSection["name"];

const SECTIONS: readonly SectionName[] = [".rodata", ".data", ".bss"];

interface Piece {
  readonly variable: DataVariable;
  readonly bytes: Uint8Array;
}

/** Collects the variables of `.rodata`, `.data` and `.bss`. */
export class DataPool {
  readonly #pieces = new Map<SectionName, Piece[]>(SECTIONS.map((s) => [s, []]));
  readonly #sizes = new Map<SectionName, number>();
  readonly #globals = new Map<GlobalSymbol, number>();
  readonly #strings = new Map<string, { readonly offsetBytes: number; readonly bytes: number }>();
  readonly #made = new Map<object, unknown>();
  readonly #tables = new Map<number, { readonly bytes: Uint8Array; readonly offsetBytes: number }[]>();
  #tableCount = 0;
  /** The most bytes that a program's copies of headers beyond the first buffer take. */
  copiedBytes = 0;

  constructor(globals: readonly GlobalSymbol[]) {
    for (const global of globals) {
      const { bytes, align } = layoutOf(global.type);
      const addressed = global.type.kind === "ipv4" || global.type.kind === "ipv6" || global.type.kind === "mac";
      const number = addressed ? swapBytes(global.value, bytes) : global.value;
      const content = Uint8Array.from({ length: bytes }, (_, i) => Number((number >> BigInt(8 * i)) & 0xffn));
      const at = this.#append(global.section, content, align, (offsetBytes) => ({
        name: global.name,
        type: btfOf(global.type, global.name),
        offsetBytes,
        local: false,
      }));
      this.#globals.set(global, at);
    }
  }

  /** Notes how many bytes one program's copies of headers beyond the first buffer take: programs share the memory for them. */
  needCopies(bytes: number): void {
    this.copiedBytes = Math.max(this.copiedBytes, bytes);
  }

  /** Where a global lies in its section, in bytes. */
  offsetOf(global: GlobalSymbol): number {
    return must(this.#globals.get(global), `a place for ${global.name}`);
  }

  /** The place of a text in `.rodata`, with its closing zero counted. */
  string(text: string): { readonly offsetBytes: number; readonly bytes: number } {
    const known = this.#strings.get(text);
    if (known !== undefined) return known;
    const content = new Uint8Array([...new TextEncoder().encode(text), 0]);
    const name = `xdpc_fmt_${this.#strings.size}`;
    const type = { kind: "array", element: btfInt(8), count: content.length } as const;
    const offsetBytes = this.#append(".rodata", content, 1, (at) => ({ name, type, offsetBytes: at, local: true }));
    const place = { offsetBytes, bytes: content.length };
    this.#strings.set(text, place);
    return place;
  }

  /** What `make` made for `key`, made once: so that programs share what they look up in one set. */
  once<T>(key: object, make: () => T): T {
    const known = this.#made.get(key);
    if (known !== undefined) return known as T;
    const made = make();
    this.#made.set(key, made);
    return made;
  }

  /** The place of a table in `.rodata`, in bytes, aligned to 8. Equal tables are kept once. */
  table(bytes: Uint8Array): number {
    const sum = checkOf(bytes);
    const alike = this.#tables.get(sum) ?? [];
    const known = alike.find((t) => t.bytes.length === bytes.length && t.bytes.every((byte, i) => byte === bytes[i]));
    if (known !== undefined) return known.offsetBytes;
    const name = `xdpc_table_${this.#tableCount++}`;
    const type = { kind: "array", element: btfInt(8), count: bytes.length } as const;
    const offsetBytes = this.#append(".rodata", bytes, 8, (at) => ({ name, type, offsetBytes: at, local: true }));
    this.#tables.set(sum, [...alike, { bytes, offsetBytes }]);
    return offsetBytes;
  }

  /** The sections that have anything in them. */
  sections(): DataSection[] {
    return SECTIONS.flatMap((name) => {
      const pieces = must(this.#pieces.get(name), "a section");
      if (pieces.length === 0) return [];
      const bytes = new Uint8Array(this.#sizes.get(name) ?? 0);
      for (const piece of pieces) bytes.set(piece.bytes, piece.variable.offsetBytes);
      return [{ name, bytes, variables: pieces.map((p) => p.variable) }];
    });
  }

  #append(
    section: SectionName,
    bytes: Uint8Array,
    align: number,
    variable: (offsetBytes: number) => DataVariable,
  ): number {
    const at = roundUp(this.#sizes.get(section) ?? 0, align);
    must(this.#pieces.get(section), "a section").push({ variable: variable(at), bytes });
    this.#sizes.set(section, at + bytes.length);
    return at;
  }
}

/** A sum that differs for most tables that differ. */
function checkOf(bytes: Uint8Array): number {
  let sum = bytes.length;
  for (const byte of bytes) sum = (Math.imul(sum, 31) + byte) | 0;
  return sum;
}
