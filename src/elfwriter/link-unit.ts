// One function of an object, looked through once: which of its instructions need what from a loader (a map, another function,
// something of the kernel's) and what could not be known. Programs are put together from these (link.ts), so a function that
// a thousand programs call is read once. Leaves the object's bytes alone.
// Source: libbpf src/libbpf.c (bpf_program__record_reloc, bpf_object__reloc_code, bpf_object__relocate_data).

import { ByteReader } from "../base/bytes.ts";
import type { ImageLine, ImageMap } from "../bpf/image.ts";
import { callSources, loadWideOpcode, slotBytes } from "../bpf/isa.ts";
import { symbolBinding, symbolType } from "./elf-format.ts";
import { CoreGaps } from "./link-core.ts";
import { type Externs, isExtern } from "./link-externs.ts";
import { LinkRefusal } from "./link-fault.ts";
import type { Prototype, Prototypes } from "./link-functions.ts";
import { isDataSection, type MapTable } from "./link-maps.ts";
import type { CodeSection, ObjectFile, ObjectFunction, ObjectRelocation, ObjectSymbol } from "./object-file.ts";

/** What an instruction gets; `slot` counts from the function's start. */
export type Patch =
  /** A 16-byte load gets a map's handle (`offset` null) or the address of a byte of its first value. */
  | { readonly slot: number; readonly kind: "map"; readonly map: ImageMap; readonly offset: number | null }
  /** A call, or a 16-byte load of a function's address, gets the distance to `target`. */
  | { readonly slot: number; readonly kind: "function"; readonly target: ObjectFunction; readonly address: boolean }
  | { readonly slot: number; readonly kind: "kfunc"; readonly name: string };

/** A function, ready to be placed. */
export interface Unit {
  readonly fn: ObjectFunction;
  readonly bytes: Uint8Array;
  /** Rising by slot. */
  readonly patches: readonly Patch[];
  /** One sentence each. */
  readonly gaps: readonly string[];
  /** Slots count from the function's start. */
  readonly lines: readonly ImageLine[];
  readonly hasFuncInfo: boolean;
  /** Null without func_info. */
  readonly prototype: Prototype | null;
  /** Global by its prototype, and not hidden. */
  readonly global: boolean;
}

/** BPF_PSEUDO_FUNC in a 16-byte load. */
const functionSource = 4;
/** JMP | CALL | K. */
const callOpcode = 0x85;
/** Gaps told for one function: enough to understand, not a copy of a hostile file. */
const mostGaps = 50;

/** Looks through an object's functions, each once. */
export class Units {
  readonly #coreGaps: CoreGaps | null;
  readonly #maps: MapTable;
  readonly #externs: Externs;
  readonly #prototypes: Prototypes | null;
  readonly #text: CodeSection | null;
  readonly #hidden: ReadonlySet<string>;
  readonly #known = new Map<ObjectFunction, Unit | LinkRefusal>();

  constructor(object: ObjectFile, maps: MapTable, externs: Externs, prototypes: Prototypes | null) {
    this.#coreGaps = object.btf === null ? null : new CoreGaps(object.btf);
    this.#maps = maps;
    this.#externs = externs;
    this.#prototypes = prototypes;
    this.#text = object.code.find(({ section }) => section.name === ".text") ?? null;
    const hidden = object.symbols.filter((s) => s.hidden && s.type === symbolType.func && s.section !== null);
    this.#hidden = new Set(hidden.map((s) => `${s.section?.number} ${s.value}`));
  }

  /** The unit of a function of `code`. Throws LinkRefusal, with a slot from the function's start, when it can't be resolved. */
  of(code: CodeSection, fn: ObjectFunction): Unit {
    const known = this.#known.get(fn) ?? this.#tryRead(code, fn);
    this.#known.set(fn, known);
    if (known instanceof LinkRefusal) throw known;
    return known;
  }

  /** The unit of a function that others call. */
  ofText(fn: ObjectFunction): Unit {
    if (this.#text === null) throw new LinkRefusal("call-section");
    return this.of(this.#text, fn);
  }

  #tryRead(code: CodeSection, fn: ObjectFunction): Unit | LinkRefusal {
    try {
      return this.#read(code, fn);
    } catch (error) {
      if (error instanceof LinkRefusal) return error;
      throw error;
    }
  }

  #read(code: CodeSection, fn: ObjectFunction): Unit {
    const [start, end] = [fn.startSlot * slotBytes, (fn.startSlot + fn.slots) * slotBytes];
    const bytes = code.section.bytes.subarray(start, end);
    const gaps = new Set<string>();
    const patches = this.#patches(code, fn, new ByteReader(bytes), gaps);
    for (const core of within(code.coreRelocations, start, end)) {
      const gap = this.#coreGaps?.of(core) ?? null;
      if (gap !== null && gaps.size < mostGaps) gaps.add(gap);
    }
    const infos = within(code.funcInfo, start, end);
    const info = infos.find(({ offsetBytes }) => offsetBytes === start);
    const prototype = info === undefined ? null : (this.#prototypes?.of(info.type) ?? null);
    if (info !== undefined && prototype === null && this.#prototypes !== null)
      throw new LinkRefusal("function-type", fn.name);
    const global = prototype?.global === true && !this.#hidden.has(`${code.section.number} ${start}`);
    const hasFuncInfo = infos.length > 0;
    return { fn, bytes, patches, gaps: [...gaps], lines: linesOf(code, start, end), hasFuncInfo, prototype, global };
  }

  #patches(code: CodeSection, fn: ObjectFunction, reader: ByteReader, gaps: Set<string>): Patch[] {
    const patches: Patch[] = [];
    const start = fn.startSlot * slotBytes;
    const relocations = within(code.relocations, start, start + reader.length);
    let next = 0;
    for (let slot = 0; slot * slotBytes < reader.length; slot++) {
      const relocation = relocations[next]?.offset === start + slot * slotBytes ? relocations[next] : undefined;
      if (relocation !== undefined) {
        next++;
        if (relocations[next]?.offset === relocation.offset) throw new LinkRefusal("relocation-twice", "", slot);
        const patch = this.#relocated(reader, slot, relocation, gaps);
        if (patch !== null) patches.push(patch);
      } else if (isLocalCall(reader, slot)) {
        patches.push(this.#ownCall(code, fn, reader, slot));
      } else if (isWide(reader, slot) && sourceOf(reader, slot) === functionSource) {
        throw new LinkRefusal("function-address", "", slot);
      }
    }
    return patches;
  }

  /** A call without a relocation: of a static function in the same section. */
  #ownCall(code: CodeSection, fn: ObjectFunction, reader: ByteReader, slot: number): Patch {
    if (code !== this.#text) throw new LinkRefusal("call-section", "", slot);
    const target = fn.startSlot + slot + 1 + reader.i32(slot * slotBytes + 4);
    return this.#function(slot, target, false);
  }

  #relocated(reader: ByteReader, slot: number, { symbol }: ObjectRelocation, gaps: Set<string>): Patch | null {
    const wide = isWide(reader, slot);
    const isCall = reader.u8(slot * slotBytes) === callOpcode;
    if (!wide && !isCall) throw new LinkRefusal("relocation-instruction", nameOf(symbol), slot);
    if (wide && (slot + 2) * slotBytes > reader.length) throw new LinkRefusal("relocation-cut", nameOf(symbol), slot);
    if (isExtern(symbol)) {
      const meant = isCall ? this.#externs.call(symbol, slot) : this.#externs.load(symbol, slot);
      if (meant.gap !== null && gaps.size < mostGaps) gaps.add(meant.gap);
      return meant.patch;
    }
    const imm = reader.i32(slot * slotBytes + 4);
    if (isCall) return this.#calledBySymbol(reader, slot, symbol, imm);
    const { section } = symbol;
    if (section === null) throw new LinkRefusal("relocation-section", nameOf(symbol), slot);
    if (section === this.#text?.section && isFunctionSymbol(symbol)) {
      const place = Number(symbol.value) + imm;
      if (place % slotBytes !== 0) throw new LinkRefusal("relocation-offset", ".text", slot);
      return this.#function(slot, place / slotBytes, true);
    }
    if (isDataSection(section)) return this.#data(symbol, slot, imm);
    if (section.name !== ".maps") throw new LinkRefusal("relocation-section", nameOf(symbol), slot);
    const map = this.#maps.at(symbol.value);
    if (map === null) throw new LinkRefusal("map-unknown", nameOf(symbol), slot);
    return { slot, kind: "map", map, offset: null };
  }

  #calledBySymbol(reader: ByteReader, slot: number, symbol: ObjectSymbol, imm: number): Patch | null {
    if (sourceOf(reader, slot) !== callSources.local) throw new LinkRefusal("relocation-call", nameOf(symbol), slot);
    if (symbol.section === null || symbol.section !== this.#text?.section)
      throw new LinkRefusal("call-section", nameOf(symbol), slot);
    if (symbol.value % BigInt(slotBytes) !== 0n) throw new LinkRefusal("relocation-offset", ".text", slot);
    // With other fields set it isn't a call for libbpf, and none for the kernel either.
    if (!isLocalCall(reader, slot)) return null;
    return this.#function(slot, Number(symbol.value) / slotBytes + imm + 1, false);
  }

  #data(symbol: ObjectSymbol, slot: number, imm: number): Patch {
    const { section } = symbol;
    if (section === null) throw new LinkRefusal("relocation-section", nameOf(symbol), slot);
    const offset = Number(symbol.value) + imm;
    if (symbol.value > 0xffff_ffffn) throw new LinkRefusal("relocation-offset", section.name, slot);
    return { slot, kind: "map", map: this.#maps.ofSection(section), offset };
  }

  /** The function around slot `target` of `.text`: like libbpf, a call into its middle is one of its start. */
  #function(slot: number, target: number, address: boolean): Patch {
    const functions = this.#text?.functions ?? [];
    let [low, high] = [0, functions.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((functions[middle]?.startSlot ?? 0) <= target) low = middle + 1;
      else high = middle;
    }
    const found = functions[low - 1];
    if (found === undefined || target >= found.startSlot + found.slots)
      throw new LinkRefusal(this.#text === null ? "call-section" : "call-target", "", slot);
    return { slot, kind: "function", target: found, address };
  }
}

function isWide(reader: ByteReader, slot: number): boolean {
  return reader.u8(slot * slotBytes) === loadWideOpcode;
}

function sourceOf(reader: ByteReader, slot: number): number {
  return reader.u8(slot * slotBytes + 1) >> 4;
}

/** A call of a program's own function, with nothing in the fields that must be zero. */
function isLocalCall(reader: ByteReader, slot: number): boolean {
  const at = slot * slotBytes;
  return reader.u8(at) === callOpcode && reader.u8(at + 1) === callSources.local << 4 && reader.u16(at + 2) === 0;
}

/** A symbol that can name a function of `.text`: the section's own for static ones, else the function's. */
function isFunctionSymbol({ type, binding }: ObjectSymbol): boolean {
  if (type === symbolType.section) return binding === symbolBinding.local;
  return type === symbolType.func && binding !== symbolBinding.local;
}

function nameOf({ name, section }: ObjectSymbol): string {
  return name === "" ? (section?.name ?? "") : name;
}

/** The entries of a list rising by offset that lie from `start` to before `end`. */
function within<T extends { readonly offsetBytes: number } | { readonly offset: number }>(
  list: readonly T[],
  start: number,
  end: number,
): readonly T[] {
  const place = (entry: T): number => ("offset" in entry ? entry.offset : entry.offsetBytes);
  const from = (least: number): number => {
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const entry = list[middle];
      if (entry !== undefined && place(entry) < least) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return list.slice(from(start), from(end));
}

/** One line for each slot: of several for one instruction the last counts, and those between instructions don't. */
function linesOf(code: CodeSection, start: number, end: number): ImageLine[] {
  const lines: ImageLine[] = [];
  for (const { offsetBytes, file, text, line, column } of within(code.lines, start, end)) {
    if (offsetBytes % slotBytes !== 0) continue;
    const slot = (offsetBytes - start) / slotBytes;
    if (lines.at(-1)?.slot === slot) lines.pop();
    lines.push({ slot, file, text, line, column });
  }
  return lines;
}
