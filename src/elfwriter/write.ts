// A BpfObject to the bytes of an object file that every loader takes: the last step of compiling. Decides which sections and
// symbols there are; the formats themselves lie in elf.ts, btf-encode.ts, btf-ext.ts and map-btf.ts. The same object gives
// the same bytes. Knows nothing of the language.
// Source: libbpf src/libbpf.c (bpf_object__elf_collect); LLVM's BPF relocations (Documentation/bpf/llvm_reloc.rst).

import { assert } from "../base/assert.ts";
import { ByteWriter, utf8 } from "../base/bytes.ts";
import { type BtfStruct, btfSize } from "../bpf/btf.ts";
import { encode, type Relocation, slotStarts } from "../bpf/encode.ts";
import { slotBytes } from "../bpf/isa.ts";
import type { BpfMap, BpfObject, BpfProgram, DataSection } from "../bpf/object.ts";
import { BtfBuilder } from "./btf-encode.ts";
import { encodeBtfExt, type FuncInfo, type LineInfo, type SectionInfo } from "./btf-ext.ts";
import { btfLinkage } from "./btf-format.ts";
import { ElfBuilder, type SectionSpec, type SymbolSpec } from "./elf.ts";
import { relocationType, sectionFlag, sectionType, symbolBinding, symbolType } from "./elf-format.ts";
import { lineStart, lineText } from "./line-text.ts";
import { mapDefinition, programSlotBytes, runConfigDefinition } from "./map-btf.ts";

/**
 * The object file. Throws InternalError for an object that no loader would take (names that aren't C identifiers, line info
 * that doesn't start at 0 or doesn't rise, a map without a type that its kind needs, calls of local functions).
 */
export function writeObject(object: BpfObject): Uint8Array {
  return new ObjectWriter().write(object);
}

/** A variable that exists for the sake of its type. */
interface Definition {
  readonly name: string;
  readonly type: BtfStruct;
  /** Bytes that belong to the variable behind those of its type. */
  readonly extraBytes?: number;
}

class ObjectWriter {
  readonly #elf = new ElfBuilder();
  readonly #btf = new BtfBuilder();
  /** What relocations refer to, by name: maps by their own, data by its section's. */
  #maps: ReadonlyMap<string, SymbolSpec> = new Map();
  readonly #data = new Map<string, SymbolSpec>();
  readonly #programs = new Map<string, SymbolSpec>();
  readonly #lineTexts = new Map<string, number>();

  write(object: BpfObject): Uint8Array {
    const bySection = new Map<string, BpfProgram[]>();
    for (const program of object.programs) {
      const list = bySection.get(program.section);
      if (list) list.push(program);
      else bySection.set(program.section, [program]);
    }
    const code = [...bySection].map(([name, programs]) => this.#code(name, programs));
    this.#section(
      "license",
      sectionType.progbits,
      sectionFlag.alloc | sectionFlag.write,
      1,
      utf8(`${object.license}\0`),
    );
    this.#maps = this.#definitionSection(
      ".maps",
      object.maps.map((map) => ({ name: map.name, type: mapDefinition(map), extraBytes: programSlotBytes(map) })),
    );
    for (const map of object.maps) this.#fillPrograms(map);
    for (const data of object.data) this.#dataSection(data);
    this.#runConfigSection(object);
    for (const type of object.types ?? []) this.#btf.type(type);
    for (const { section, relocations } of code) this.#relocate(section, relocations);
    const ext = encodeBtfExt(code.map((c) => c.info));
    this.#section(".BTF", sectionType.progbits, 0, 4, this.#btf.finish());
    this.#section(".BTF.ext", sectionType.progbits, 0, 4, ext);
    return this.#elf.finish();
  }

  /** A relocation for each program that a map holds from the start, at its place behind the map's definition. */
  #fillPrograms(map: BpfMap): void {
    for (const { index, program } of map.programs ?? []) {
      const place = this.#maps.get(map.name);
      const symbol = this.#programs.get(program);
      assert(
        place !== undefined && symbol !== undefined,
        `map ${map.name} holds ${program}, which the object doesn't have`,
      );
      const offset = place.value + place.size - programSlotBytes(map) + index * slotBytes;
      this.#elf.relocation(place.section, { offset, symbol, type: relocationType.absolute64 });
    }
  }

  /** A code section with its programs behind one another. */
  #code(name: string, programs: readonly BpfProgram[]) {
    const code = new ByteWriter();
    const relocations: Relocation[] = [];
    const funcs: FuncInfo[] = [];
    const lines: LineInfo[] = [];
    const symbols: Omit<SymbolSpec, "section">[] = [];
    for (const program of programs) {
      refuseLocalCalls(program);
      const start = code.length;
      const encoded = encode(program.insns);
      code.bytes(encoded.bytes);
      for (const r of encoded.relocations) relocations.push({ ...r, slot: start / slotBytes + r.slot });
      const type = this.#btf.func(program.name, program.result, program.parameters, btfLinkage.global);
      funcs.push({ offsetBytes: start, type });
      for (const line of this.#lines(program, start)) lines.push(line);
      const size = encoded.bytes.length;
      symbols.push({ name: program.name, value: start, size, binding: symbolBinding.global, type: symbolType.func });
    }
    const flags = sectionFlag.alloc | sectionFlag.exec;
    const section = this.#section(name, sectionType.progbits, flags, 8, code.finish());
    for (const symbol of symbols) this.#programs.set(symbol.name, this.#elf.symbol({ ...symbol, section }));
    const info: SectionInfo = { nameOffset: this.#btf.text(name), funcs, lines };
    return { section, relocations, info };
  }

  #lines(program: BpfProgram, startBytes: number): LineInfo[] {
    assert(
      program.lines.length === 0 || program.lines[0]?.insnIndex === 0,
      `line info of ${program.name} doesn't start at 0`,
    );
    const starts = slotStarts(program.insns);
    return program.lines.map((line) => {
      const slot = starts[line.insnIndex];
      assert(
        slot !== undefined && line.insnIndex < program.insns.length,
        `line info of ${program.name} lies outside it`,
      );
      return {
        offsetBytes: startBytes + slot * slotBytes,
        fileOffset: this.#lineText(line.file),
        textOffset: this.#lineText(line.text),
        line: line.line,
        column: line.column,
      };
    });
  }

  /** The place of a line's text in .BTF. Cutting comes first: thousands of instructions can come from one endless line. */
  #lineText(text: string): number {
    const start = lineStart(text);
    const known = this.#lineTexts.get(start);
    if (known !== undefined) return known;
    const offset = this.#btf.text(lineText(start));
    this.#lineTexts.set(start, offset);
    return offset;
  }

  /** `.rodata`, `.data` or `.bss`; relocations go against the section's own symbol, with the offset in the instruction. */
  #dataSection(data: DataSection): void {
    if (data.bytes.length === 0) return;
    assert(data.name !== ".bss" || data.bytes.every((byte) => byte === 0), ".bss can't hold anything but zeros");
    const type = data.name === ".bss" ? sectionType.nobits : sectionType.progbits;
    const flags = data.name === ".rodata" ? sectionFlag.alloc : sectionFlag.alloc | sectionFlag.write;
    const section = this.#section(data.name, type, flags, 8, data.bytes);
    const whole = { name: "", section, value: 0, size: 0, binding: symbolBinding.local, type: symbolType.section };
    this.#data.set(data.name, this.#elf.symbol(whole));
    const rising = [...data.variables].sort((a, b) => a.offsetBytes - b.offsetBytes);
    const variables = rising.map(({ name, type: valueType, offsetBytes, local }) => {
      const bytes = btfSize(valueType);
      this.#variableSymbol(name, section, offsetBytes, bytes, local);
      const variable = this.#btf.variable(name, valueType, local ? btfLinkage.static : btfLinkage.global);
      return { variable, offsetBytes, bytes };
    });
    if (variables.length > 0) this.#btf.section(data.name, data.bytes.length, variables);
  }

  /** `.xdp_run_config`: only libxdp looks at it, at the types as with `.maps`; the linker wants real bytes all the same. */
  #runConfigSection(object: BpfObject): void {
    const definitions = object.programs.flatMap(({ name, runConfig }) =>
      runConfig === null ? [] : [{ name: `_${name}`, type: runConfigDefinition(runConfig) }],
    );
    this.#definitionSection(".xdp_run_config", definitions);
  }

  /** A section of variables whose types say everything and whose bytes are zeros; none for no variables. */
  #definitionSection(name: string, definitions: readonly Definition[]): Map<string, SymbolSpec> {
    const symbols = new Map<string, SymbolSpec>();
    if (definitions.length === 0) return symbols;
    const sizeOf = ({ type, extraBytes = 0 }: Definition): number => type.bytes + extraBytes;
    const bytes = definitions.reduce((sum, definition) => sum + sizeOf(definition), 0);
    const flags = sectionFlag.alloc | sectionFlag.write;
    const section = this.#section(name, sectionType.progbits, flags, 8, new Uint8Array(bytes));
    let offset = 0;
    const variables = definitions.map((definition) => {
      const { name: variableName, type } = definition;
      const size = sizeOf(definition);
      assert(!symbols.has(variableName), `two definitions of ${variableName} in ${name}`);
      symbols.set(variableName, this.#variableSymbol(variableName, section, offset, size, false));
      const variable = this.#btf.variable(variableName, type, btfLinkage.global);
      const place = { variable, offsetBytes: offset, bytes: size };
      offset += size;
      return place;
    });
    this.#btf.section(name, bytes, variables);
    return symbols;
  }

  #relocate(section: SectionSpec, relocations: readonly Relocation[]): void {
    for (const relocation of relocations) {
      assert(relocation.kind !== "call", "an object of ours has no calls that leave their program");
      const { kind } = relocation;
      const symbol = kind === "map" ? this.#maps.get(relocation.symbol) : this.#data.get(relocation.section);
      assert(symbol !== undefined, `an instruction refers to a ${kind} symbol that the object doesn't have`);
      this.#elf.relocation(section, { offset: relocation.slot * slotBytes, symbol, type: relocationType.wide });
    }
  }

  #section(name: string, type: number, flags: number, align: number, bytes: Uint8Array): SectionSpec {
    return this.#elf.section({ name, type, flags, align, bytes });
  }

  #variableSymbol(name: string, section: SectionSpec, value: number, size: number, local: boolean): SymbolSpec {
    const binding = local ? symbolBinding.local : symbolBinding.global;
    return this.#elf.symbol({ name, section, value, size, binding, type: symbolType.object });
  }
}

/** A called function needs a symbol and a type, and BpfProgram has none to give: the language's functions are inlined. */
function refuseLocalCalls(program: BpfProgram): void {
  for (const insn of program.insns) {
    assert(insn.kind !== "call" || insn.callee.kind !== "local", `${program.name} calls a local function`);
  }
}
