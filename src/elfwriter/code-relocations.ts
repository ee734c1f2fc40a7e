// What the instructions of a code section mean by their symbols: turns ELF relocations into those of src/bpf, by map, data
// section or function name, as decoding takes them. Knows the relocations of clang's objects as well as of ours.
// Source: Documentation/bpf/llvm_reloc.rst; libbpf src/libbpf.c (bpf_program__record_reloc).

import { ByteReader } from "../base/bytes.ts";
import type { Relocation } from "../bpf/encode.ts";
import { loadWideOpcode, slotBytes } from "../bpf/isa.ts";
import { relocationType, sectionFlag, symbolType } from "./elf-format.ts";
import type { CodeSection, ObjectFile, ObjectRelocation } from "./object-file.ts";

/**
 * The relocations of each code section that `decode` and `disassemble` understand, in rising order of slots. A place in a data
 * section is told as that section and an offset, whether the symbol is a variable's or the section's own; a variable of the
 * kernel as if it were a section of that name.
 */
export function bpfRelocations(object: ObjectFile): ReadonlyMap<CodeSection, readonly Relocation[]> {
  const functions = functionNames(object);
  return new Map(object.code.map((code) => [code, sectionRelocations(code, functions)]));
}

function sectionRelocations(code: CodeSection, functions: FunctionNames): Relocation[] {
  const reader = new ByteReader(code.section.bytes);
  return code.relocations.flatMap((relocation) => {
    if (relocation.offset % slotBytes !== 0 || !reader.covers(relocation.offset, slotBytes)) return [];
    const imm = reader.i32(relocation.offset + 4);
    const isWide = reader.u8(relocation.offset) === loadWideOpcode;
    const meant = isWide ? wide(relocation, imm) : call(relocation, imm, functions);
    return meant === null ? [] : [meant];
  });
}

function wide({ offset, symbol, type }: ObjectRelocation, imm: number): Relocation | null {
  const slot = offset / slotBytes;
  if (type !== relocationType.wide) return null;
  const { section } = symbol;
  if (section === null) return symbol.name === "" ? null : { slot, kind: "data", section: symbol.name, offsetBytes: 0 };
  if (section.name === ".maps" || section.name === "maps") {
    return symbol.type === symbolType.section ? null : { slot, kind: "map", symbol: symbol.name };
  }
  if ((section.flags & BigInt(sectionFlag.exec)) !== 0n) return null;
  return { slot, kind: "data", section: section.name, offsetBytes: Number(symbol.value) + imm };
}

function call({ offset, symbol, type }: ObjectRelocation, imm: number, functions: FunctionNames): Relocation | null {
  const slot = offset / slotBytes;
  if (type !== relocationType.call) return null;
  if (symbol.type !== symbolType.section)
    return symbol.name === "" ? null : { slot, kind: "call", symbol: symbol.name };
  const target = Number(symbol.value) / slotBytes + imm + 1;
  const name = symbol.section === null ? undefined : functions.get(symbol.section.number)?.get(target);
  return { slot, kind: "call", symbol: name ?? `${symbol.section?.name ?? "?"}+${target}` };
}

/** Names of functions by section number and starting slot. */
type FunctionNames = ReadonlyMap<number, ReadonlyMap<number, string>>;

function functionNames(object: ObjectFile): FunctionNames {
  return new Map(
    object.code.map((code) => [code.section.number, new Map(code.functions.map((f) => [f.startSlot, f.name]))]),
  );
}
