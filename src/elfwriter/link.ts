// From an object file that was read to programs as the kernel gets them: what libbpf does between opening an object and loading it.
// Finds the XDP programs, appends the functions that each reaches, resolves maps, data and calls, and says what only a running
// kernel could resolve. Costs in proportion to the file and to what comes out, which is bounded; knows nothing of what
// instructions do.
// Source: libbpf src/libbpf.c (bpf_object__relocate, bpf_object__reloc_code, reloc_prog_func_and_line_info).

import type { ImageFunction, ImageLine, ImageMap, ProgramImage } from "../bpf/image.ts";
import { callSources, slotBytes } from "../bpf/isa.ts";
import { kernelBtf } from "./link-btf.ts";
import { Externs } from "./link-externs.ts";
import { type LinkFault, type LinkFaultKind, LinkRefusal } from "./link-fault.ts";
import { Prototypes } from "./link-functions.ts";
import { MapTable } from "./link-maps.ts";
import { programRole } from "./link-sections.ts";
import { type Unit, Units } from "./link-unit.ts";
import type { CodeSection, ObjectFile, ObjectFunction, ObjectMap } from "./object-file.ts";

/** A program that isn't XDP. */
export interface OtherProgram {
  readonly name: string;
  readonly section: string;
  /** Why, in words that follow "is ". */
  readonly reason: string;
}

/**
 * What an object holds. Each of its programs is in one of the lists, in the order of sections and of places in them. Programs
 * without a fault are given beside those with one, although libbpf opens no object with a relocation that it can't resolve.
 */
export interface LinkResult {
  /** Maps that several programs use are the same value in each. */
  readonly images: readonly ProgramImage[];
  /** Programs of XDP that no loader could load, or one fault for all of them. */
  readonly faults: readonly LinkFault[];
  readonly others: readonly OtherProgram[];
}

/** Instructions of all images of an object. */
const mostSlots = 2_000_000;
/** A program counts as at least so many: one of a single instruction takes memory too. */
const programSlots = 40;
/** Gaps told for one program. */
const mostGaps = 50;
const mapSource = 1;
const mapValueSource = 2;
const functionSource = 4;

/**
 * Makes an object's XDP programs loadable. Functions of `.text` are never programs, only parts of them. Never throws: what
 * can't be resolved is a fault.
 */
export function linkObject(object: ObjectFile): LinkResult {
  const whole = wholeFault(object);
  if (whole !== null) return { images: [], faults: [whole], others: [] };
  const images: ProgramImage[] = [];
  const faults: LinkFault[] = [];
  const others: OtherProgram[] = [];
  const linker = new Linker(object);
  for (const code of object.code) {
    if (code.section.name === ".text") continue;
    const types = new Map(code.funcInfo.map(({ offsetBytes, type }) => [offsetBytes, type]));
    for (const fn of code.functions) {
      const [name, section] = [fn.name, code.section.name];
      const role = programRole(section, object.btf, types.get(fn.startSlot * slotBytes) ?? null);
      if (!role.xdp) {
        others.push({ name, section, reason: role.reason });
        continue;
      }
      const linked = linker.link(code, fn);
      if ("fault" in linked) faults.push(linked.fault);
      else {
        const { attach, frags } = role;
        images.push({ name, section, attach, frags, license: object.license ?? "", ...linked.parts });
      }
    }
  }
  return { images, faults, others };
}

/** What keeps every program of an object from being loaded. */
function wholeFault(object: ObjectFile): LinkFault | null {
  const fault = (what: LinkFaultKind, subject = ""): LinkFault => {
    return { what, program: null, section: null, subject, place: null };
  };
  if (object.sections.some(({ name, bytes }) => name === "maps" && bytes.length > 0)) return fault("maps-legacy");
  const held = object.maps.flatMap((map) => map.programs ?? []);
  const missing = held.length === 0 ? undefined : missingProgram(object, held);
  if (missing !== undefined) return fault("map-program", missing);
  const described = object.btf?.types.some((type) => type.kind === "section" && type.name === ".maps") ?? false;
  const declared = object.sections.some(({ name, size }) => name === ".maps" && size > 0n);
  return declared && !described ? fault("maps-without-btf") : null;
}

/** The first of the programs that maps hold which isn't there, or is only a function of others. */
function missingProgram(object: ObjectFile, held: NonNullable<ObjectMap["programs"]>): string | undefined {
  const entries = object.code.filter(({ section }) => section.name !== ".text").flatMap((code) => code.functions);
  const names = new Set(entries.map(({ name }) => name));
  return held.find(({ program }) => !names.has(program))?.program;
}

type LinkedParts = Omit<ProgramImage, "name" | "section" | "attach" | "frags" | "license">;

/** A function at its place in an image. */
interface Placed {
  readonly unit: Unit;
  readonly startSlot: number;
}

class Linker {
  readonly #units: Units;
  #slots = 0;

  constructor(object: ObjectFile) {
    const btf = kernelBtf(object);
    const maps = new MapTable(object, btf);
    const prototypes = btf === null ? null : new Prototypes(btf);
    this.#units = new Units(object, maps, new Externs(object.btf, maps), prototypes);
  }

  link(code: CodeSection, fn: ObjectFunction): { readonly parts: LinkedParts } | { readonly fault: LinkFault } {
    let inside = fn;
    try {
      const placed = this.#place(code, fn, (next) => {
        inside = next;
      });
      inside = fn;
      return { parts: assemble(placed) };
    } catch (error) {
      if (!(error instanceof LinkRefusal)) throw error;
      const { what, subject, slot } = error;
      const place = slot === null ? null : { function: inside.name, slot };
      return { fault: { what, program: fn.name, section: code.section.name, subject, place } };
    }
  }

  /**
   * The functions a program reaches, in libbpf's order: each is appended where it is first called, and what it calls itself
   * comes before what its caller calls next. The stack is our own: calls may be as deep as the file is long.
   */
  #place(code: CodeSection, fn: ObjectFunction, enter: (fn: ObjectFunction) => void): Map<ObjectFunction, Placed> {
    enter(fn);
    const main = this.#units.of(code, fn);
    const placed = new Map([[fn, { unit: main, startSlot: 0 }]]);
    let slots = fn.slots;
    this.#count(Math.max(fn.slots, programSlots));
    const stack = [{ unit: main, next: 0 }];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const patch = top.unit.patches[top.next++];
      if (patch === undefined) stack.pop();
      else if (patch.kind === "function" && !placed.has(patch.target)) {
        enter(patch.target);
        const unit = this.#units.ofText(patch.target);
        refuseMissingInfo(main, unit);
        this.#count(unit.fn.slots);
        placed.set(patch.target, { unit, startSlot: slots });
        slots += unit.fn.slots;
        stack.push({ unit, next: 0 });
      }
    }
    return placed;
  }

  /** Many small programs that call the same big functions would make a small file endless. */
  #count(slots: number): void {
    this.#slots += slots;
    if (this.#slots > mostSlots) throw new LinkRefusal("image-size");
  }
}

/** Where a program has func_info or line_info, libbpf wants it for each function that it calls. */
function refuseMissingInfo(main: Unit, unit: Unit): void {
  if (main.hasFuncInfo && !unit.hasFuncInfo) throw new LinkRefusal("function-info", unit.fn.name);
  if (main.lines.length > 0 && unit.lines.length === 0) throw new LinkRefusal("line-info", unit.fn.name);
}

function assemble(placed: ReadonlyMap<ObjectFunction, Placed>): LinkedParts {
  const units = [...placed.values()];
  const last = units.at(-1);
  const slots = last === undefined ? 0 : last.startSlot + last.unit.fn.slots;
  const code = new Uint8Array(slots * slotBytes);
  const patcher = new Patcher(code);
  const functions: ImageFunction[] = [];
  const lines: ImageLine[] = [];
  const gaps = new Set<string>();
  const known = units[0]?.unit.hasFuncInfo === true;
  for (const { unit, startSlot } of units) {
    code.set(unit.bytes, startSlot * slotBytes);
    for (const patch of unit.patches) {
      const at = startSlot + patch.slot;
      if (patch.kind === "map") patcher.map(at, patch.map, patch.offset);
      else if (patch.kind === "kfunc") patcher.kfunc(at, patch.name);
      else patcher.distance(at, (placed.get(patch.target)?.startSlot ?? 0) - at - 1, patch.address);
    }
    functions.push(imageFunction(unit, startSlot, known));
    for (const line of unit.lines) lines.push(startSlot === 0 ? line : { ...line, slot: startSlot + line.slot });
    for (const gap of unit.gaps) if (gaps.size < mostGaps) gaps.add(gap);
  }
  return { code, maps: patcher.maps, kfuncs: patcher.kfuncs, functions, lines, gaps: [...gaps] };
}

/** Without func_info for the program itself, libbpf passes none on: then nothing is known of any function. */
function imageFunction({ fn, prototype, global }: Unit, startSlot: number, known: boolean): ImageFunction {
  return {
    name: fn.name,
    startSlot,
    slots: fn.slots,
    global: known && global,
    parameters: known ? (prototype?.parameters ?? null) : null,
    returnsScalar: known ? (prototype?.returnsScalar ?? true) : true,
  };
}

/** Writes handles and distances into code, and numbers maps and kernel functions in the order of their first use. */
export class Patcher {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #maps = new Map<ImageMap, number>();
  readonly #kfuncs = new Map<string, number>();

  constructor(code: Uint8Array) {
    this.#bytes = code;
    this.#view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  }

  get maps(): readonly ImageMap[] {
    return [...this.#maps.keys()];
  }

  get kfuncs(): readonly string[] {
    return [...this.#kfuncs.keys()];
  }

  /** The 16-byte load at `slot` gets `map`, or with an offset the address of a byte of its first value. */
  map(slot: number, map: ImageMap, offset: number | null): void {
    this.#patch(slot, offset === null ? mapSource : mapValueSource, numbered(this.#maps, map));
    if (offset !== null) this.#view.setInt32((slot + 1) * slotBytes + 4, offset, true);
  }

  /** The call at `slot` gets a kernel function. */
  kfunc(slot: number, name: string): void {
    this.#patch(slot, callSources.kfunc, numbered(this.#kfuncs, name));
    this.#view.setInt16(slot * slotBytes + 2, 0, true);
  }

  /** The call at `slot`, or with `address` the 16-byte load there, gets the distance to a function. */
  distance(slot: number, distance: number, address: boolean): void {
    this.#patch(slot, address ? functionSource : callSources.local, distance);
  }

  /** Sets the source register and the immediate of an instruction; the destination register stays. */
  #patch(slot: number, source: number, imm: number): void {
    const at = slot * slotBytes;
    this.#bytes[at + 1] = ((this.#bytes[at + 1] ?? 0) & 0x0f) | (source << 4);
    this.#view.setInt32(at + 4, imm, true);
  }
}

function numbered<T>(numbers: Map<T, number>, value: T): number {
  const known = numbers.get(value);
  if (known !== undefined) return known;
  const number = numbers.size;
  numbers.set(value, number);
  return number;
}
