// Builds an ELF file for BPF from sections, symbols and relocations: lays them out, numbers them, and orders local symbols
// first. Knows the file format only, not what the sections mean; that is write.ts.
// Source: ELF gABI, "Object Files" (sections, symbol table, relocation).

import { assert } from "../base/assert.ts";
import { ByteWriter } from "../base/bytes.ts";
import { elfHeader, elfSize, sectionFlag, sectionType, symbolBinding } from "./elf-format.ts";
import { StringTableBuilder } from "./strtab.ts";

/** A section to be written; `bytes` of a NOBITS section aren't stored, only their number. */
export interface SectionSpec {
  readonly name: string;
  /** One of `sectionType`. */
  readonly type: number;
  /** A sum of `sectionFlag`. */
  readonly flags: number;
  /** A power of two. */
  readonly align: number;
  readonly bytes: Uint8Array;
}

/** A symbol to be written; `value` is an offset into `section` in bytes. */
export interface SymbolSpec {
  readonly name: string;
  readonly section: SectionSpec;
  readonly value: number;
  readonly size: number;
  /** One of `symbolBinding`. */
  readonly binding: number;
  /** One of `symbolType`. */
  readonly type: number;
}

/** A relocation: the place is `offset` bytes into the section it is added to. */
export interface RelocationSpec {
  readonly offset: number;
  readonly symbol: SymbolSpec;
  /** One of `relocationType`. */
  readonly type: number;
}

interface NumberedSection extends SectionSpec {
  readonly link: number;
  readonly info: number;
  readonly entrySize: number;
}

/** Collects the parts of a file; sections are numbered in the order they are added, from 1. */
export class ElfBuilder {
  readonly #sections: SectionSpec[] = [];
  readonly #symbols: SymbolSpec[] = [];
  readonly #relocations = new Map<SectionSpec, RelocationSpec[]>();

  section(spec: SectionSpec): SectionSpec {
    this.#sections.push(spec);
    return spec;
  }

  symbol(spec: SymbolSpec): SymbolSpec {
    this.#symbols.push(spec);
    return spec;
  }

  /** Adds a relocation to `.rel` + the name of `section`, which appears with its first one. */
  relocation(section: SectionSpec, spec: RelocationSpec): void {
    const list = this.#relocations.get(section);
    if (list) list.push(spec);
    else this.#relocations.set(section, [spec]);
  }

  /** The whole file: header, sections, relocation sections, .symtab, .strtab (also the section names), section headers. */
  finish(): Uint8Array {
    const strings = new StringTableBuilder();
    const isLocal = (symbol: SymbolSpec): boolean => symbol.binding === symbolBinding.local;
    const symbols = [...this.#symbols.filter(isLocal), ...this.#symbols.filter((symbol) => !isLocal(symbol))];
    const symbolNumber = new Map(symbols.map((symbol, index) => [symbol, index + 1]));
    const sectionNumber = new Map(this.#sections.map((section, index) => [section, index + 1]));
    const symtabNumber = this.#sections.length + this.#relocations.size + 1;
    const numberOf = <K>(numbers: Map<K, number>, key: K): number => {
      const number = numbers.get(key);
      assert(number !== undefined, "a symbol or section is used that was never added");
      return number;
    };

    const plain = { link: 0, info: 0, entrySize: 0 };
    const all: NumberedSection[] = this.#sections.map((section) => ({ ...section, ...plain }));
    for (const [section, list] of this.#relocations) {
      const out = new ByteWriter();
      for (const r of [...list].sort((a, b) => a.offset - b.offset)) {
        out.u64(r.offset).u32(r.type).u32(numberOf(symbolNumber, r.symbol));
      }
      all.push({
        name: `.rel${section.name}`,
        type: sectionType.rel,
        flags: sectionFlag.infoLink,
        align: 8,
        bytes: out.finish(),
        link: symtabNumber,
        info: numberOf(sectionNumber, section),
        entrySize: elfSize.rel,
      });
    }

    const symtab = new ByteWriter().zeros(elfSize.symbol);
    for (const symbol of symbols) {
      symtab.u32(strings.add(symbol.name));
      symtab.u8((symbol.binding << 4) | symbol.type).u8(0);
      symtab.u16(numberOf(sectionNumber, symbol.section));
      symtab.u64(symbol.value).u64(symbol.size);
    }
    all.push({
      name: ".symtab",
      type: sectionType.symtab,
      flags: 0,
      align: 8,
      bytes: symtab.finish(),
      link: symtabNumber + 1,
      info: symbols.filter(isLocal).length + 1,
      entrySize: elfSize.symbol,
    });
    const names = [...all.map((section) => section.name), ".strtab"].map((name) => strings.add(name));
    const strtab = { name: ".strtab", type: sectionType.strtab, flags: 0, align: 1, bytes: strings.finish(), ...plain };
    return layOut([...all, strtab], names);
  }
}

/** Writes the file; `nameOffsets` are the section names' places in the last section, the string table. */
function layOut(sections: readonly NumberedSection[], nameOffsets: readonly number[]): Uint8Array {
  const body = new ByteWriter("little", 4096).zeros(elfSize.header);
  const headers = new ByteWriter().zeros(elfSize.sectionHeader);
  sections.forEach((section, index) => {
    body.align(section.align);
    headers
      .u32(nameOffsets[index] ?? 0)
      .u32(section.type)
      .u64(section.flags)
      .u64(0);
    headers.u64(body.length).u64(section.bytes.length).u32(section.link).u32(section.info);
    headers.u64(section.align).u64(section.entrySize);
    if (section.type !== sectionType.nobits) body.bytes(section.bytes);
  });
  body.align(8);
  const file = new ByteWriter("little", body.length + headers.length);
  file.u32(elfHeader.magic).u8(elfHeader.class64).u8(elfHeader.dataLittle).u8(elfHeader.version).zeros(9);
  file.u16(elfHeader.typeRelocatable).u16(elfHeader.machineBpf).u32(elfHeader.version);
  file.u64(0).u64(0).u64(body.length).u32(0);
  file
    .u16(elfSize.header)
    .u16(0)
    .u16(0)
    .u16(elfSize.sectionHeader)
    .u16(sections.length + 1)
    .u16(sections.length);
  file.bytes(body.finish().subarray(elfSize.header)).bytes(headers.finish());
  return file.finish();
}
