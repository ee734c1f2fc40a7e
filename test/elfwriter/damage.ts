// Breaks object files on purpose, byte by byte: finds sections, symbols and BTF records with a few lines of its own, so that
// it shares no mistake with the reader or the writer.

/** A file being damaged: every method changes `bytes` in place. */
export class Patient {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes.slice();
    this.view = new DataView(this.bytes.buffer);
  }

  /** The place of a section's header. */
  header(name: string): number {
    const start = Number(this.view.getBigUint64(40, true));
    const count = this.view.getUint16(60, true);
    const names = this.offset(start + this.view.getUint16(62, true) * 64);
    for (let i = 0; i < count; i++) {
      const at = start + i * 64;
      if (this.#string(names + this.view.getUint32(at, true)) === name) return at;
    }
    throw new Error(`no section ${name}`);
  }

  /** The place of a section's contents, by its name or its header's place. */
  offset(section: string | number): number {
    const header = typeof section === "string" ? this.header(section) : section;
    return Number(this.view.getBigUint64(header + 24, true));
  }

  size(name: string): number {
    return Number(this.view.getBigUint64(this.header(name) + 32, true));
  }

  /** The place of a symbol's entry. */
  symbol(name: string): number {
    const table = this.offset(".symtab");
    const names = this.offset(".strtab");
    for (let at = table; at < table + this.size(".symtab"); at += 24) {
      if (this.#string(names + this.view.getUint32(at, true)) === name) return at;
    }
    throw new Error(`no symbol ${name}`);
  }

  /** The place of the `index`-th BTF record of a kind (and a name). */
  record(kind: number, name: string | null = null, index = 0): number {
    const btf = this.offset(".BTF");
    const types = btf + 24;
    const end = types + this.view.getUint32(btf + 12, true);
    const strings = btf + 24 + this.view.getUint32(btf + 16, true);
    let left = index;
    for (let at = types; at < end; ) {
      const info = this.view.getUint32(at + 4, true);
      const itsKind = info >>> 24;
      const itsName = this.#string(strings + this.view.getUint32(at, true));
      if (itsKind === kind && (name === null || itsName === name) && left-- === 0) return at;
      const vlen = info & 0xffff;
      const extra: Record<number, number> = { 1: 4, 3: 12, 4: vlen * 12, 13: vlen * 8, 14: 4, 15: vlen * 12 };
      at += 12 + (extra[itsKind] ?? 0);
    }
    throw new Error(`no BTF record of kind ${kind}`);
  }

  /** The place of the `index`-th line record. */
  line(index: number): number {
    const ext = this.offset(".BTF.ext");
    return ext + 24 + this.view.getUint32(ext + 16, true) + 12 + index * 16;
  }

  /** The place of the first function record. */
  func(): number {
    return this.offset(".BTF.ext") + 24 + 12;
  }

  /** Writes another text over the one in a section's bytes; it may be shorter, then zeros follow. */
  replace(section: string, text: string, other: string): void {
    const start = this.offset(section);
    const end = start + this.size(section);
    const sought = Buffer.from(`\0${text}\0`);
    const at = Buffer.from(this.bytes.buffer).subarray(0, end).indexOf(sought, start);
    if (at < 0 || other.length > text.length) throw new Error(`no place for ${other}`);
    this.bytes.fill(0, at + 1, at + 1 + text.length);
    this.bytes.set(new TextEncoder().encode(other), at + 1);
  }

  u8(at: number, value: number): void {
    this.view.setUint8(at, value);
  }

  u32(at: number, value: number): void {
    this.view.setUint32(at, value, true);
  }

  u64(at: number, value: number): void {
    this.view.setBigUint64(at, BigInt(value), true);
  }

  #string(at: number): string {
    return new TextDecoder().decode(this.bytes.subarray(at, this.bytes.indexOf(0, at)));
  }
}
