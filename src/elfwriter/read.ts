// Reads any BPF object file, ours, clang's or a hostile one, into an ObjectFile: never throws, never believes a count, costs
// in proportion to the file's size. Puts together what elf-read, btf-decode, btf-ext-read and map-read find.
// Knows no instructions.

import { decodeBtf } from "./btf-decode.ts";
import { decodeBtfExt } from "./btf-ext-read.ts";
import { sectionFlag, sectionType, symbolBinding, symbolType } from "./elf-format.ts";
import { type ElfFile, readElf } from "./elf-read.ts";
import { readMaps } from "./map-read.ts";
import type {
  CodeSection,
  ObjectFault,
  ObjectFaultKind,
  ObjectFunction,
  ObjectSection,
  ObjectSymbol,
  ReadResult,
} from "./object-file.ts";
import { StringTableReader } from "./strtab.ts";

/** Bytes of an instruction slot. */
const slotBytes = 8;

/** Reads a BPF object file; 64-bit little-endian ones only, others are refused with a fault. */
export function readObject(bytes: Uint8Array): ReadResult {
  const read = readElf(bytes);
  if ("fault" in read) return { faults: [read.fault] };
  const { elf } = read;
  const faults: ObjectFault[] = [];
  const fault = (what: ObjectFaultKind, offset: number): void => {
    faults.push({ what, offset });
  };

  const btfSection = named(elf, ".BTF");
  const extSection = named(elf, ".BTF.ext");
  const btfRead = btfSection ? decodeBtf(btfSection.bytes, btfSection.offset) : null;
  if (btfRead && "fault" in btfRead) faults.push(btfRead.fault);
  const btf = btfRead && "btf" in btfRead ? btfRead.btf : null;

  const extRead = extSection && btf ? decodeBtfExt(extSection.bytes, btf, extSection.offset) : null;
  if (extRead && "fault" in extRead) faults.push(extRead.fault);
  const ext = extRead && "ext" in extRead ? extRead.ext : null;

  const symbols = functionSymbols(elf.symbols);
  const funcInfo = new Map(ext?.funcs);
  const lines = new Map(ext?.lines);
  const cores = new Map(ext?.cores);
  const code = elf.sections.filter(isCode).map((section): CodeSection => {
    // .BTF.ext tells sections by name, so only the first one of a name can have what it says.
    const parts = {
      funcInfo: sorted(take(funcInfo, section.name)),
      lines: sorted(take(lines, section.name)),
      coreRelocations: sorted(take(cores, section.name)),
    };
    return readCode(elf, section, symbols.get(section) ?? [], parts, fault);
  });
  if (funcInfo.size > 0 || lines.size > 0) fault("btf-ext-section", extSection?.offset ?? 0);
  const maps = readMaps(elf.sections, elf.symbols, elf.relocations, btf);
  if (maps === null) fault("map-definition", (named(elf, ".maps") ?? btfSection)?.offset ?? 0);
  const licenseSection = named(elf, "license");
  const license = licenseSection ? new StringTableReader(licenseSection.bytes).at(0) : null;
  if (licenseSection && license === null) fault("license", licenseSection.offset);

  if (faults.length > 0) return { faults };
  return { object: { ...elf, code, maps: maps ?? [], license, btf } };
}

type AddFault = (what: ObjectFaultKind, offset: number) => void;

/** The first section of this name; loaders take the first or last, none writes two. */
function named(elf: ElfFile, name: string): ObjectSection | undefined {
  return elf.sections.find((section) => section.name === name);
}

function isCode(section: ObjectSection): boolean {
  return section.type === sectionType.progbits && (section.flags & BigInt(sectionFlag.exec)) !== 0n;
}

function readCode(
  elf: ElfFile,
  section: ObjectSection,
  symbols: readonly ObjectSymbol[],
  parts: Pick<CodeSection, "funcInfo" | "lines" | "coreRelocations">,
  fault: AddFault,
): CodeSection {
  if (section.bytes.length % slotBytes !== 0) fault("code-size", section.offset);
  const relocations = elf.relocations.get(section.number) ?? [];
  const astray = relocations.find(({ offset }) => offset % slotBytes !== 0);
  if (astray !== undefined) fault("code-relocation", section.offset + astray.offset);
  for (const list of [parts.funcInfo, parts.lines, parts.coreRelocations]) {
    const last = list.at(-1);
    if (last !== undefined && last.offsetBytes >= section.bytes.length) fault("btf-ext-record", section.offset);
  }
  return { section, functions: readFunctions(symbols, section, fault), relocations, ...parts };
}

/** Removes what `map` has for `key` and returns it. */
function take<T>(map: Map<string, readonly T[]>, key: string): readonly T[] {
  const list = map.get(key) ?? [];
  map.delete(key);
  return list;
}

/** The symbols of functions by their section. */
function functionSymbols(symbols: readonly ObjectSymbol[]): Map<ObjectSection, ObjectSymbol[]> {
  const bySection = new Map<ObjectSection, ObjectSymbol[]>();
  for (const symbol of symbols) {
    if (symbol.section === null || symbol.type !== symbolType.func) continue;
    const list = bySection.get(symbol.section);
    if (list) list.push(symbol);
    else bySection.set(symbol.section, [symbol]);
  }
  return bySection;
}

function sorted<T extends { readonly offsetBytes: number }>(list: readonly T[]): T[] {
  return [...list].sort((a, b) => a.offsetBytes - b.offsetBytes);
}

/** The functions of a section; one without a size, as assemblers leave them, reaches to the next or to the section's end. */
function readFunctions(symbols: readonly ObjectSymbol[], section: ObjectSection, fault: AddFault): ObjectFunction[] {
  const ours = [...symbols].sort((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : 0));
  const sectionEnd = BigInt(section.bytes.length);
  const functions: ObjectFunction[] = [];
  for (const [index, symbol] of ours.entries()) {
    const next = ours[index + 1]?.value ?? sectionEnd;
    const end = symbol.size === 0n ? next : symbol.value + symbol.size;
    if (
      end > sectionEnd ||
      symbol.value > sectionEnd ||
      symbol.value % BigInt(slotBytes) !== 0n ||
      end % BigInt(slotBytes) !== 0n
    ) {
      fault("function-range", section.offset);
      return [];
    }
    if (end > next || end === symbol.value) {
      fault("functions-overlap", section.offset);
      return [];
    }
    const startSlot = Number(symbol.value) / slotBytes;
    const global = symbol.binding !== symbolBinding.local;
    functions.push({ name: symbol.name, startSlot, slots: Number(end) / slotBytes - startSlot, global });
  }
  return functions;
}
