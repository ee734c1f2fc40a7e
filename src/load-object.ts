// An object file in the machine: read, linked, its maps made, ready for packets. The package's way to run what it or anyone compiled.
// Knows no files: bytes in, results out.

import type { ImageMap, ProgramImage } from "./bpf/image.ts";
import { skipModifiers } from "./elfwriter/btf-decode.ts";
import { linkObject } from "./elfwriter/link.ts";
import { linkFaultText } from "./elfwriter/link-fault.ts";
import { ringBytes } from "./elfwriter/link-maps.ts";
import type { ObjectMap as DeclaredMap, ObjectFile } from "./elfwriter/object-file.ts";
import { faultText } from "./elfwriter/object-file.ts";
import { readObject } from "./elfwriter/read.ts";
import { type MapCodecs, ObjectMap } from "./object-map.ts";
import type { Codec, MapInput, MapOutput } from "./value-codec.ts";
import { btfCodec, plainCodec, ValueError } from "./value-codec.ts";
import { type Destination, destinationOf } from "./vm/destination.ts";
import type { RunOptions, RunResult } from "./vm/machine.ts";
import type { MachineMap } from "./vm/maps/map.ts";
import { StandardMachine, type StandardOptions } from "./vm/standard.ts";
import type { Clock } from "./vm/surroundings.ts";

/** An object that can't be loaded; `reasons` says why, one sentence each. */
export class ObjectError extends Error {
  override readonly name = "ObjectError";
  readonly reasons: readonly string[];

  constructor(reasons: readonly string[]) {
    super(reasons.join("; "));
    this.reasons = reasons;
  }
}

/** A program of a loaded object. */
export type ObjectProgram = Pick<ProgramImage, "name" | "section" | "attach" | "frags" | "license">;

/** What a run gave, and where the packet goes. */
export interface PacketResult extends Omit<RunResult, "redirect"> {
  /** Where the packet goes when the verdict is XDP_REDIRECT; null otherwise, and when no entry says. */
  readonly redirect: Destination | null;
}

/**
 * Loads an object file (ELF for BPF, little-endian): all of its XDP programs into one machine, so that they share maps and can call each
 * other by tail calls. Programs that aren't XDP are left out. Throws ObjectError when the file can't be read, holds no XDP program or
 * one that can't be linked; MapError when a map can't be made.
 */
export function loadObject(bytes: Uint8Array, options: StandardOptions = {}): LoadedObject {
  const read = readObject(bytes);
  if (read.object === undefined) throw new ObjectError(read.faults.map(faultText));
  const { images, faults } = linkObject(read.object);
  if (faults.length > 0)
    throw new ObjectError(
      faults.map((fault) => `${fault.program ?? "the object"} can't be loaded: ${linkFaultText(fault)}`),
    );
  if (images.length === 0) throw new ObjectError(["there is no XDP program in the object"]);
  return new LoadedObject(read.object, images, options);
}

/** A variable of a data section. */
interface Variable {
  readonly map: MachineMap;
  readonly offsetBytes: number;
  readonly codec: Codec;
}

/** An object in a machine. */
export class LoadedObject {
  /** The machine that runs its programs. */
  readonly machine: StandardMachine;
  readonly programs: readonly ObjectProgram[];
  /** The maps by name: those of `.maps`, used or not, and the data sections that programs use (".rodata"). */
  readonly maps: ReadonlyMap<string, ObjectMap>;
  readonly #variables = new Map<string, Variable>();

  constructor(object: ObjectFile, images: readonly ProgramImage[], options: StandardOptions) {
    const machine = new StandardMachine(images, options);
    this.machine = machine;
    this.programs = images.map(({ name, section, attach, frags, license }) => ({
      name,
      section,
      attach,
      frags,
      license,
    }));
    const declared = new Map(object.maps.map((map) => [map.name, map]));
    const maps = new Map<string, ObjectMap>();
    for (const [name, map] of machine.maps)
      maps.set(name, new ObjectMap(map, machine, codecsOf(object, declared.get(name) ?? null, map.image)));
    for (const map of object.maps) {
      const image = maps.has(map.name) ? null : imageOfUnused(map);
      if (image !== null)
        maps.set(map.name, new ObjectMap(machine.createMap(image), machine, codecsOf(object, map, image)));
    }
    this.maps = maps;
    this.#findVariables(object);
  }

  get clock(): Clock {
    return this.machine.clock;
  }

  /** The map called `name`. Throws RangeError when there is none. */
  map(name: string): ObjectMap {
    const map = this.maps.get(name);
    if (map === undefined)
      throw new RangeError(`the object has no map ${name}, but ${[...this.maps.keys()].join(", ")}`);
    return map;
  }

  /** The names of global variables (`var`, `config` and those of C) that programs use. */
  get variables(): readonly string[] {
    return [...this.#variables.keys()];
  }

  /** A global variable's value. Throws RangeError when there is none of that name. */
  getGlobal(name: string): MapOutput {
    const { codec, ...place } = this.#variable(name);
    return codec.decode(memoryOf(place, codec.bytes));
  }

  /** Sets a global variable, read-only ones too: as a loader does before it loads. Throws RangeError, ValueError. */
  setGlobal(name: string, value: MapInput): void {
    const { codec, ...place } = this.#variable(name);
    memoryOf(place, codec.bytes).set(codec.encode(value));
  }

  /** Runs a program (default: the first) on a packet. Throws MachineFault when it does what it may not. */
  run(packet: Uint8Array, options: RunOptions = {}): PacketResult {
    const result = this.machine.run(packet, options);
    return { ...result, redirect: destinationOf(result.redirect, this.machine, options.ingressIfindex) };
  }

  #variable(name: string): Variable {
    const found = this.#variables.get(name);
    if (found === undefined) throw new RangeError(`no program of the object uses a variable ${name}`);
    return found;
  }

  #findVariables(object: ObjectFile): void {
    const { btf } = object;
    // Clang leaves the places out of BTF: the symbols have them.
    const places = new Map<string, bigint>();
    for (const { section, name, value } of object.symbols)
      if (section !== null) places.set(`${section.name} ${name}`, value);
    for (const type of btf?.types ?? []) {
      if (btf === null || type.kind !== "section") continue;
      const map = this.machine.maps.get(type.name);
      if (map === undefined) continue;
      for (const { variable, ...placed } of type.variables) {
        const declared = btf.types[variable];
        const codec = declared?.kind === "variable" ? btfCodec(btf, declared.type) : null;
        if (declared?.kind !== "variable" || codec === null) continue;
        const offsetBytes = Number(places.get(`${type.name} ${declared.name}`) ?? placed.offsetBytes);
        if (offsetBytes + codec.bytes <= map.image.valueBytes)
          this.#variables.set(declared.name, { map, offsetBytes, codec });
      }
    }
  }
}

function memoryOf({ map, offsetBytes }: Omit<Variable, "codec">, bytes: number): Uint8Array {
  const region = map.directValue();
  if (region === null) throw new ValueError(`map ${map.name} has no first value`);
  return region.bytes.subarray(offsetBytes, offsetBytes + bytes);
}

/** How a map's keys and values are read: by BTF where it has types of the right size, else plainly. */
function codecsOf(object: ObjectFile, declared: DeclaredMap | null, image: ImageMap): MapCodecs {
  const codec = (type: number | null, bytes: number): Codec => {
    if (object.btf === null || type === null || skipModifiers(object.btf, type) === null) return plainCodec(bytes);
    const typed = btfCodec(object.btf, type);
    return typed === null || typed.bytes !== bytes ? plainCodec(bytes) : typed;
  };
  return {
    key: codec(declared?.keyType ?? null, image.keyBytes),
    value: codec(declared?.valueType ?? null, image.valueBytes),
  };
}

/** A declared map that no program uses; null when it says too little to be made. */
function imageOfUnused(map: DeclaredMap): ImageMap | null {
  if (map.type === null || map.kind === null) return null;
  const inner = map.inner === null ? null : imageOfUnused(map.inner);
  return {
    name: map.name,
    type: map.type,
    keyBytes: map.keyBytes ?? 0,
    valueBytes: map.valueBytes ?? 0,
    maxEntries: map.kind === "ringbuf" ? ringBytes(map.maxEntries ?? 0) : (map.maxEntries ?? 0),
    flags: map.flags,
    frozen: false,
    data: null,
    fields: [],
    hasBtf: false,
    inner,
  };
}
