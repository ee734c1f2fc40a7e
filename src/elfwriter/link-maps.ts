// The maps of an object as a loader would create them: those of `.maps`, and one array of one entry for each data section. Decides
// sizes, flags and what the kernel learns of their types; a map is made when the first program asks for it, and all programs of
// an object get the same value. Knows no instructions.
// Source: libbpf src/libbpf.c (bpf_object__init_internal_map, bpf_object__create_map, adjust_ringbuf_sz); Linux
// kernel/bpf/syscall.c (map_check_btf) and the map_check_btf functions of kernel/bpf/*map*.c.

import type { ImageMap, SpecialField } from "../bpf/image.ts";
import { mapFlags, mapKinds } from "../bpf/maps.ts";
import { type DecodedBtf, skipModifiers } from "./btf-decode.ts";
import { btfLinkage } from "./btf-format.ts";
import { sectionType, symbolType } from "./elf-format.ts";
import { LinkRefusal } from "./link-fault.ts";
import { FieldSearch } from "./link-fields.ts";
import type { ObjectFile, ObjectMap, ObjectSection } from "./object-file.ts";

const maxSizeBytes = 0xffff_ffff;
const maxDataBytes = 1 << 26;
const pageBytes = 4096;

const { hash, array, percpu_hash, percpu_array, lru_hash, lru_percpu_hash, lpm_trie, bloom_filter } = mapKinds;
const arrays: ReadonlySet<number> = new Set([array.number, percpu_array.number]);
/** Maps whose BTF libbpf or the kernel does without: what they hold are handles. */
const untyped: ReadonlySet<number> = new Set(
  [
    mapKinds.perf_event_array,
    mapKinds.array_of_maps,
    mapKinds.hash_of_maps,
    mapKinds.devmap,
    mapKinds.devmap_hash,
    mapKinds.cpumap,
    mapKinds.xskmap,
    mapKinds.queue,
    mapKinds.stack,
    mapKinds.ringbuf,
  ].map(({ number }) => number),
);
const timed = [hash.number, lru_hash.number, array.number];
const pointed = [...timed, percpu_hash.number, lru_percpu_hash.number, percpu_array.number];
/** The types of map that may hold each kind of special member; a map of another type is created without BTF. */
const fieldMaps: Readonly<Record<SpecialField["kind"], readonly number[]>> = {
  spinLock: [hash.number, array.number],
  resSpinLock: [hash.number, array.number],
  timer: timed,
  workqueue: timed,
  taskWork: timed,
  kptrUntrusted: pointed,
  kptr: pointed,
  kptrPercpu: pointed,
  refcount: pointed,
  uptr: [],
  listHead: timed,
  rbRoot: timed,
  listNode: [],
  rbNode: [],
};

/** Whether a section is one that programs' global variables lie in. **Source:** libbpf, bpf_object__elf_collect. */
export function isDataSection({ name, type }: Pick<ObjectSection, "name" | "type">): boolean {
  if (type === sectionType.nobits) return /^\.bss(\.|$)/.test(name);
  return type === sectionType.progbits && /^\.(data|rodata)(\.|$)/.test(name);
}

/** A data section's map. `writable`: not `.rodata`; `shared`: it has variables that user space may map into its memory. */
export function dataMap(options: {
  readonly name: string;
  readonly bytes: number;
  readonly data: Uint8Array | null;
  readonly shared: boolean;
  readonly fields: readonly SpecialField[];
  readonly hasBtf: boolean;
}): ImageMap {
  const { name, bytes, data, shared, fields, hasBtf } = options;
  const frozen = /^\.rodata(\.|$)/.test(name);
  const flags = (frozen ? mapFlags.rdonlyProg : 0) | (shared ? mapFlags.mmapable : 0);
  const shape = { type: array.number, keyBytes: 4, valueBytes: bytes, maxEntries: 1, inner: null };
  return { name, ...shape, flags, frozen, data, fields, hasBtf };
}

/** The size of a ring buffer as libbpf makes it: a power of two pages. */
export function ringBytes(maxEntries: number): number {
  if (maxEntries === 0) return 0;
  for (let bytes = pageBytes; bytes <= maxSizeBytes; bytes *= 2) if (bytes >= maxEntries) return bytes;
  return maxEntries;
}

/** The maps of one object. */
export class MapTable {
  /** As libbpf has it. */
  readonly #btf: DecodedBtf | null;
  /** As the kernel has it. */
  readonly #kernelBtf: DecodedBtf | null;
  readonly #search: FieldSearch | null;
  readonly #byOffset = new Map<bigint, ObjectMap>();
  readonly #made = new Map<ObjectMap | ObjectSection, ImageMap>();
  readonly #dataTypes = new Map<string, number>();
  #dataBytes = 0;

  /** `kernelBtf`: what the kernel takes of the object's types. */
  constructor(object: ObjectFile, kernelBtf: DecodedBtf | null) {
    this.#btf = object.btf;
    this.#kernelBtf = kernelBtf;
    this.#search = kernelBtf === null ? null : new FieldSearch(kernelBtf);
    const byName = new Map(object.maps.map((map) => [map.name, map]));
    for (const { section, type, name, value } of object.symbols) {
      const map = section?.name === ".maps" && type === symbolType.object ? byName.get(name) : undefined;
      if (map !== undefined && !this.#byOffset.has(value)) this.#byOffset.set(value, map);
    }
    for (const [number, type] of object.btf?.types.entries() ?? [])
      if (type.kind === "section" && !this.#dataTypes.has(type.name)) this.#dataTypes.set(type.name, number);
  }

  /** The map of `.maps` that begins at byte `offset` of it; null when none does. */
  at(offset: bigint): ImageMap | null {
    const map = this.#byOffset.get(offset);
    return map === undefined ? null : this.#declared(map);
  }

  /** The map of a data section. */
  ofSection(section: ObjectSection): ImageMap {
    const known = this.#made.get(section);
    if (known !== undefined) return known;
    const bytes = Number(section.size);
    this.#dataBytes += section.type === sectionType.nobits ? bytes : 0;
    if (bytes > maxDataBytes || this.#dataBytes > maxDataBytes) throw new LinkRefusal("data-size", section.name);
    const data = section.type === sectionType.nobits ? new Uint8Array(bytes) : section.bytes;
    const number = this.#dataTypes.get(section.name);
    const fields = number === undefined ? [] : (this.#search?.of(number, bytes, section.name) ?? []);
    const shared = number !== undefined && this.#hasGlobals(number);
    const parts = { name: section.name, bytes, data, shared };
    const bare = dataMap({ ...parts, fields: [], hasBtf: false });
    const isTyped = this.#kernelBtf !== null && number !== undefined;
    const hasBtf = isTyped && this.#allowed(bare.type, bare.flags, fields);
    const made = hasBtf ? dataMap({ ...parts, fields, hasBtf }) : bare;
    this.#made.set(section, made);
    return made;
  }

  /** The map of the kernel's configuration, of `bytes` bytes that only a kernel knows: not frozen, so that nothing is assumed of them. */
  configuration(bytes: number): ImageMap {
    const map = dataMap({ name: ".kconfig", bytes, data: null, shared: false, fields: [], hasBtf: false });
    return { ...map, flags: mapFlags.rdonlyProg };
  }

  #hasGlobals(number: number): boolean {
    const section = this.#btf?.types[number];
    if (section?.kind !== "section") return false;
    return section.variables.some(({ variable }) => {
      const type = this.#btf?.types[variable];
      return type?.kind === "variable" && type.linkage !== btfLinkage.static;
    });
  }

  #declared(map: ObjectMap): ImageMap {
    const known = this.#made.get(map);
    if (known !== undefined) return known;
    const inner = map.inner === null ? null : this.#declared(map.inner);
    const { type, name } = map;
    if (type === null) throw new LinkRefusal("map-type", name);
    const keyBytes = this.#size(map, map.keyType, map.keyBytes);
    const valueBytes = this.#size(map, map.valueType, map.valueBytes);
    const maxEntries = type === mapKinds.ringbuf.number ? ringBytes(map.maxEntries ?? 0) : (map.maxEntries ?? 0);
    const fields = map.valueType === null ? [] : (this.#search?.of(map.valueType, valueBytes, name) ?? []);
    const hasBtf = this.#takesBtf(map, type) && this.#allowed(type, map.flags, fields);
    const flags = map.flags >>> 0;
    const shape = { name, type, keyBytes, valueBytes, maxEntries, flags };
    const programs = map.programs === undefined ? {} : { programs: map.programs };
    const made = { ...shape, frozen: false, data: null, fields: hasBtf ? fields : [], hasBtf, inner, ...programs };
    this.#made.set(map, made);
    return made;
  }

  #size(map: ObjectMap, type: number | null, bytes: number | null): number {
    if (bytes === null && type === null) return 0;
    if (bytes === null || bytes > maxSizeBytes) throw new LinkRefusal("map-size", map.name);
    return bytes;
  }

  /** Whether the kernel takes the types of key and value; libbpf tries again without when it doesn't. */
  #takesBtf(map: ObjectMap, type: number): boolean {
    const btf = this.#kernelBtf;
    if (btf === null || map.valueType === null || untyped.has(type)) return false;
    if (map.keyType === null) return type === bloom_filter.number;
    const key = skipModifiers(btf, map.keyType);
    if (arrays.has(type)) return key?.kind === "int" && key.bits === 32 && key.bitOffset === 0;
    if (type === lpm_trie.number) return key?.kind === "struct";
    return type !== bloom_filter.number;
  }

  #allowed(type: number, flags: number, fields: readonly SpecialField[]): boolean {
    const guarded = mapFlags.rdonlyProg | mapFlags.wronlyProg;
    if (fields.length > 0 && (flags & guarded) !== 0) return false;
    return fields.every(({ kind }) => fieldMaps[kind].includes(type));
  }
}
