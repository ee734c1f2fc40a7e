// Reads the ELF part of an object file: sections, symbols, relocations. Trusts nothing: each offset and count is held
// against the bytes that are there before anything is made of it. What the sections mean is read.ts's matter.
// Source: ELF gABI, "Object Files".

import { ByteReader } from "../base/bytes.ts";
import { elfHeader, elfSize, sectionNumber, sectionType, symbolVisibility } from "./elf-format.ts";
import type { ObjectFault, ObjectFaultKind, ObjectRelocation, ObjectSection, ObjectSymbol } from "./object-file.ts";
import { StringTableReader } from "./strtab.ts";

/** The file as ELF sees it. */
export interface ElfFile {
  readonly sections: readonly ObjectSection[];
  readonly symbols: readonly ObjectSymbol[];
  readonly relocations: ReadonlyMap<number, readonly ObjectRelocation[]>;
}

/** A fault on its way to readElf, which catches it: it never leaves this file. */
class Refusal extends Error {
  readonly fault: ObjectFault;

  constructor(what: ObjectFaultKind, offset: number) {
    super(what);
    this.fault = { what, offset };
  }
}

/** Reads `bytes`; the fault is the first one found. */
export function readElf(bytes: Uint8Array): { elf: ElfFile } | { fault: ObjectFault } {
  const reader = new ByteReader(bytes);
  try {
    const sections = readSections(reader);
    const symbols = readSymbols(sections);
    return { elf: { sections, symbols, relocations: readRelocations(sections, symbols) } };
  } catch (error) {
    if (error instanceof Refusal) return { fault: error.fault };
    throw error;
  }
}

function readSections(reader: ByteReader): ObjectSection[] {
  if (!reader.covers(0, 4) || reader.u32(0) !== elfHeader.magic) throw new Refusal("not-elf", 0);
  if (!reader.covers(0, elfSize.header)) throw new Refusal("header-cut", reader.length);
  if (reader.u8(4) !== elfHeader.class64) throw new Refusal("elf-class", 4);
  if (reader.u8(5) !== elfHeader.dataLittle) throw new Refusal("elf-byte-order", 5);
  if (reader.u16(16) !== elfHeader.typeRelocatable) throw new Refusal("elf-type", 16);
  if (reader.u16(18) !== elfHeader.machineBpf) throw new Refusal("elf-machine", 18);
  const start = Number(reader.u64(40));
  const count = reader.u16(60);
  const namesNumber = reader.u16(62);
  const sizeIsKnown = count === 0 || reader.u16(58) === elfSize.sectionHeader;
  if (!sizeIsKnown || !reader.covers(start, count * elfSize.sectionHeader)) throw new Refusal("section-headers", 40);

  const headers = Array.from({ length: count }, (_, number) => readHeader(reader, start, number));
  refuseOverlaps(headers);
  const namesHeader = headers[namesNumber];
  if (namesHeader === undefined) {
    if (count > 0) throw new Refusal("section-names", 62);
    return [];
  }
  const names = new StringTableReader(namesHeader.bytes);
  return headers.map(({ nameOffset, place, ...section }) => {
    const name = section.number === 0 ? "" : names.at(nameOffset);
    if (name === null) throw new Refusal("section-names", place);
    return { ...section, name };
  });
}

interface RawHeader extends Omit<ObjectSection, "name"> {
  readonly nameOffset: number;
  /** The header's own place in the file. */
  readonly place: number;
}

function readHeader(reader: ByteReader, start: number, number: number): RawHeader {
  const place = start + number * elfSize.sectionHeader;
  const type = reader.u32(place + 4);
  const offset = Number(reader.u64(place + 24));
  const size = reader.u64(place + 32);
  const stored = type === sectionType.null || type === sectionType.nobits ? 0 : Number(size);
  if (stored > 0 && !reader.covers(offset, stored)) throw new Refusal("section-outside", place);
  return {
    number,
    type,
    flags: reader.u64(place + 8),
    offset,
    size,
    bytes: stored > 0 ? reader.slice(offset, stored) : new Uint8Array(0),
    link: reader.u32(place + 40),
    info: reader.u32(place + 44),
    nameOffset: reader.u32(place),
    place,
  };
}

/** Sections that share bytes would let a small file claim endless contents. */
function refuseOverlaps(headers: readonly RawHeader[]): void {
  let end = 0;
  for (const header of headers.filter((h) => h.bytes.length > 0).sort((a, b) => a.offset - b.offset)) {
    if (header.offset < end) throw new Refusal("sections-overlap", header.place);
    end = header.offset + header.bytes.length;
  }
}

function readSymbols(sections: readonly ObjectSection[]): ObjectSymbol[] {
  const tables = sections.filter((section) => section.type === sectionType.symtab);
  const table = tables[0];
  if (table === undefined) return [];
  if (tables.length > 1) throw new Refusal("symbol-table", tables[1]?.offset ?? 0);
  const strings = sections[table.link];
  if (table.bytes.length % elfSize.symbol !== 0 || strings?.type !== sectionType.strtab) {
    throw new Refusal("symbol-table", table.offset);
  }
  const reader = new ByteReader(table.bytes);
  const names = new StringTableReader(strings.bytes);
  return Array.from({ length: table.bytes.length / elfSize.symbol }, (_, index) => {
    const at = index * elfSize.symbol;
    const ownName = names.at(reader.u32(at));
    if (ownName === null) throw new Refusal("symbol-name", table.offset + at);
    const info = reader.u8(at + 4);
    const visibility = reader.u8(at + 5) & 3;
    const number = reader.u16(at + 6);
    const isReal = number !== sectionNumber.undefined && number < sectionNumber.reserved;
    const section = isReal ? sections[number] : null;
    if (section === undefined) throw new Refusal("symbol-section", table.offset + at);
    return {
      name: ownName,
      type: info & 15,
      binding: info >> 4,
      hidden: visibility === symbolVisibility.hidden || visibility === symbolVisibility.internal,
      section,
      value: reader.u64(at + 8),
      size: reader.u64(at + 16),
    };
  });
}

function readRelocations(
  sections: readonly ObjectSection[],
  symbols: readonly ObjectSymbol[],
): Map<number, ObjectRelocation[]> {
  const bySection = new Map<number, ObjectRelocation[]>();
  for (const table of sections.filter((section) => section.type === sectionType.rel)) {
    if (table.bytes.length % elfSize.rel !== 0) throw new Refusal("relocation-table", table.offset);
    const target = sections[table.info];
    if (target === undefined || target.number === 0) throw new Refusal("relocation-target", table.offset);
    const list = bySection.get(target.number) ?? [];
    bySection.set(target.number, list);
    const reader = new ByteReader(table.bytes);
    for (let at = 0; at < table.bytes.length; at += elfSize.rel) {
      const offset = Number(reader.u64(at));
      if (offset >= target.bytes.length) throw new Refusal("relocation-offset", table.offset + at);
      const symbol = symbols[reader.u32(at + 12)];
      if (symbol === undefined) throw new Refusal("relocation-symbol", table.offset + at);
      list.push({ offset, symbol, type: reader.u32(at + 8) });
    }
  }
  for (const list of bySection.values()) list.sort((a, b) => a.offset - b.offset);
  return bySection;
}
