// The system's libbpf: opens an object, takes what is to be changed before loading (variables, maps that exist already, pin paths), loads it,
// and gives descriptors. What the verifier said comes back as text. libbpf's own messages are switched off: its callback takes a C
// va_list, and everything it would say is asked of our own reader and linker beforehand (prepare.ts).
// Source: libbpf 1.x src/libbpf.h; its soname is stable since 2022.

import type Koffi from "koffi";
import { DeviceFailure } from "./failure.ts";
import { allocate, cString, koffiModule, lastErrno, memoryAt, type NativeMemory, textOf } from "./native.ts";

/** Sonames in the order of trial; 0 lacks what is needed here. */
const SONAMES = ["libbpf.so.1", "libbpf.so"];

type Library = ReturnType<typeof bind>;

let bound: Library | null = null;

/** libbpf, bound at its first use. Throws DeviceFailure where it isn't installed. */
export function libbpf(): Library {
  bound ??= bind(loadLibrary());
  return bound;
}

function loadLibrary(): ReturnType<typeof Koffi.load> {
  const said: string[] = [];
  for (const name of SONAMES) {
    try {
      return koffiModule().load(name);
    } catch (error) {
      said.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new DeviceFailure("no-libbpf", "libbpf 1, which loads objects, isn't installed", [
    "Debian, Ubuntu: apt install libbpf1; Fedora: dnf install libbpf; Arch: pacman -S libbpf; Alpine: apk add libbpf",
    `the system said: ${said[0]}`,
  ]);
}

function bind(lib: ReturnType<typeof Koffi.load>) {
  const silence = lib.func("void *libbpf_set_print(void *print)");
  silence(null);
  return {
    openMemory: lib.func("void *bpf_object__open_mem(const void *bytes, size_t size, uint64 options)"),
    load: lib.func("int bpf_object__load(void *object)"),
    close: lib.func("void bpf_object__close(void *object)"),
    nextProgram: lib.func("void *bpf_object__next_program(void *object, void *previous)"),
    programName: lib.func("const char *bpf_program__name(void *program)"),
    programSection: lib.func("const char *bpf_program__section_name(void *program)"),
    programFd: lib.func("int bpf_program__fd(void *program)"),
    setProgramType: lib.func("int bpf_program__set_type(void *program, int type)"),
    setAutoload: lib.func("int bpf_program__set_autoload(void *program, bool load)"),
    setProgramDevice: lib.func("void bpf_program__set_ifindex(void *program, uint32 index)"),
    setMapDevice: lib.func("int bpf_map__set_ifindex(void *map, uint32 index)"),
    nextMap: lib.func("void *bpf_object__next_map(void *object, void *previous)"),
    mapName: lib.func("const char *bpf_map__name(void *map)"),
    mapFd: lib.func("int bpf_map__fd(void *map)"),
    mapType: lib.func("int bpf_map__type(void *map)"),
    mapFlags: lib.func("uint32 bpf_map__map_flags(void *map)"),
    mapKeySize: lib.func("uint32 bpf_map__key_size(void *map)"),
    mapValueSize: lib.func("uint32 bpf_map__value_size(void *map)"),
    mapMaxEntries: lib.func("uint32 bpf_map__max_entries(void *map)"),
    mapReuseFd: lib.func("int bpf_map__reuse_fd(void *map, int fd)"),
    mapSetPinPath: lib.func("int bpf_map__set_pin_path(void *map, const char *path)"),
    mapPinPath: lib.func("const char *bpf_map__get_pin_path(void *map)"),
    mapIsInternal: lib.func("bool bpf_map__is_internal(void *map)"),
    mapInitialValue: lib.func("void *bpf_map__initial_value(void *map, _Out_ size_t *size)"),
    raw: lib,
  };
}

/** A program of an object that isn't loaded yet, or is. */
export interface ObjectProgram {
  readonly name: string;
  readonly section: string;
  /** Whether it is loaded with the others; all are unless told. */
  setAutoload(load: boolean): void;
  /** Makes it an XDP program where libbpf doesn't know its section. */
  setXdp(): void;
  /** After loading: its descriptor, closed with the object; negative when it wasn't loaded. */
  readonly fd: number;
}

/** A map of an object that isn't loaded yet, or is. */
export interface ObjectMapHandle {
  /** Its name in the object; data sections are called ".rodata", ".data", ".bss". */
  readonly name: string;
  /** Whether it holds a data section. */
  readonly internal: boolean;
  readonly type: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** Where libbpf pins it (or finds it pinned) by its name when it loads; null for maps that aren't declared so. */
  readonly pinPath: string | null;
  setPinPath(path: string | null): void;
  /** Before loading: this map instead of a new one. Returns 0 or an error number. */
  reuse(fd: number): number;
  /** Before loading: the first bytes of a data section, to be written to. */
  readonly initialValue: Uint8Array | null;
  /** After loading: its descriptor, closed with the object. */
  readonly fd: number;
}

/** An object in libbpf's hands. */
export interface LibbpfObject {
  readonly programs: readonly ObjectProgram[];
  readonly maps: readonly ObjectMapHandle[];
  /** Before loading: programs and maps go into the hardware of a device. */
  offloadTo(index: number): void;
  /** Creates the maps and loads the programs. `result` is 0 or an error number; `log` what the verifier (or BTF's check) said. */
  load(): { readonly result: number; readonly log: string };
  /** Closes all descriptors: what is pinned or attached lives on. */
  close(): void;
}

const LOG_BYTES = 1 << 24;
/** struct bpf_object_open_opts, and where its fields are. */
const OPEN = { bytes: 80, name: 8, log: 56, logBytes: 64 } as const;
const PROGRAM_TYPE_XDP = 6;

/** Opens an object file from memory. `name` is the start of its data sections' names in the kernel. A negative result is an error number. */
export function openObject(bytes: Uint8Array, name: string): LibbpfObject | number {
  const lib = libbpf();
  const held: NativeMemory[] = [];
  const keep = (memory: NativeMemory): NativeMemory => {
    held.push(memory);
    return memory;
  };
  const release = (): void => {
    for (const memory of held) memory.free();
  };
  const log = keep(allocate(LOG_BYTES));
  const shown = cString(name);
  const nameMemory = keep(allocate(shown.length));
  nameMemory.bytes.set(shown);
  const options = keep(allocate(OPEN.bytes));
  options.view.setBigUint64(0, BigInt(OPEN.bytes), true);
  options.view.setBigUint64(OPEN.name, nameMemory.address, true);
  options.view.setBigUint64(OPEN.log, log.address, true);
  options.view.setBigUint64(OPEN.logBytes, BigInt(LOG_BYTES), true);
  const object: unknown = lib.openMemory(bytes, bytes.length, options.address);
  if (object === null) {
    const result = -lastErrno();
    release();
    return result;
  }
  const programs = listOf(lib.nextProgram, object);
  const maps = listOf(lib.nextMap, object);
  return {
    programs: programs.map((handle) => programOf(lib, handle)),
    maps: maps.map((handle) => mapOf(lib, handle)),
    offloadTo: (index) => {
      for (const handle of programs) lib.setProgramDevice(handle, index);
      for (const handle of maps) lib.setMapDevice(handle, index);
    },
    load: () => {
      log.bytes[0] = 0;
      const result = lib.load(object) as number;
      return { result, log: result < 0 ? textOf(log.bytes) : "" };
    },
    close: () => {
      lib.close(object);
      release();
    },
  };
}

function listOf(next: Library["nextMap"], object: unknown): readonly unknown[] {
  const all: unknown[] = [];
  for (let at: unknown = next(object, null); at !== null; at = next(object, at)) all.push(at);
  return all;
}

function programOf(lib: Library, handle: unknown): ObjectProgram {
  return {
    name: lib.programName(handle) as string,
    section: lib.programSection(handle) as string,
    setAutoload: (load) => void lib.setAutoload(handle, load),
    setXdp: () => void lib.setProgramType(handle, PROGRAM_TYPE_XDP),
    get fd() {
      return lib.programFd(handle) as number;
    },
  };
}

/** libbpf calls a data section's map "prefix.rodata": the part from the dot is the section's name. */
function sectionName(name: string): string {
  const dot = name.indexOf(".");
  return dot < 0 ? name : name.slice(dot);
}

function mapOf(lib: Library, handle: unknown): ObjectMapHandle {
  const internal = lib.mapIsInternal(handle) as boolean;
  const name = lib.mapName(handle) as string;
  return {
    name: internal ? sectionName(name) : name,
    internal,
    get type() {
      return lib.mapType(handle) as number;
    },
    get keyBytes() {
      return lib.mapKeySize(handle) as number;
    },
    get valueBytes() {
      return lib.mapValueSize(handle) as number;
    },
    get maxEntries() {
      return lib.mapMaxEntries(handle) as number;
    },
    get flags() {
      return lib.mapFlags(handle) as number;
    },
    get pinPath() {
      return lib.mapPinPath(handle) as string | null;
    },
    setPinPath: (path) => void lib.mapSetPinPath(handle, path),
    reuse: (fd) => lib.mapReuseFd(handle, fd) as number,
    get initialValue() {
      const size = [0];
      const pointer: unknown = lib.mapInitialValue(handle, size);
      return pointer === null ? null : memoryAt(pointer, size[0] ?? 0);
    },
    get fd() {
      return lib.mapFd(handle) as number;
    },
  };
}
