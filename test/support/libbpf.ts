// Whole objects through libbpf, as a loader would: programs and maps by name, globals by name, and libbpf's own messages
// (the verifier's log among them) in the error. Nothing here reads the object itself, so it can't share our mistakes.
// Source: libbpf 1.1 bpf/libbpf.h, bpf/btf.h.

import koffi from "koffi";
import { KernelMap, KernelProgram, LoadError } from "./bpf.ts";
import { checked, lastErrno, libc, memoryAt, onCloseAll } from "./native.ts";
import type { VethEnd } from "./netns.ts";

type Pointer = object;

function bind() {
  const lib = koffi.load("libbpf.so.1");
  const printer = koffi.proto("int xdpc_test_printer(int level, const char *format, void *arguments)");
  return {
    printer,
    setPrint: lib.func("libbpf_set_print", "void *", [koffi.pointer(printer)]),
    openFile: lib.func("void *bpf_object__open_file(const char *path, void *options)"),
    load: lib.func("int bpf_object__load(void *object)"),
    close: lib.func("void bpf_object__close(void *object)"),
    nextProgram: lib.func("void *bpf_object__next_program(void *object, void *previous)"),
    programName: lib.func("const char *bpf_program__name(void *program)"),
    programSection: lib.func("const char *bpf_program__section_name(void *program)"),
    programFd: lib.func("int bpf_program__fd(void *program)"),
    programType: lib.func("int bpf_program__type(void *program)"),
    setProgramType: lib.func("int bpf_program__set_type(void *program, int type)"),
    programInsnCount: lib.func("size_t bpf_program__insn_cnt(void *program)"),
    nextMap: lib.func("void *bpf_object__next_map(void *object, void *previous)"),
    mapName: lib.func("const char *bpf_map__name(void *map)"),
    mapFd: lib.func("int bpf_map__fd(void *map)"),
    mapType: lib.func("int bpf_map__type(void *map)"),
    mapKeySize: lib.func("uint32 bpf_map__key_size(void *map)"),
    mapValueSize: lib.func("uint32 bpf_map__value_size(void *map)"),
    mapMaxEntries: lib.func("uint32 bpf_map__max_entries(void *map)"),
    mapSetPinPath: lib.func("int bpf_map__set_pin_path(void *map, const char *path)"),
    mapInitialValue: lib.func("void *bpf_map__initial_value(void *map, _Out_ size_t *size)"),
    objectBtf: lib.func("void *bpf_object__btf(void *object)"),
    btfFind: lib.func("int btf__find_by_name_kind(void *btf, const char *name, uint32 kind)"),
    btfType: lib.func("void *btf__type_by_id(void *btf, uint32 id)"),
    attach: lib.func("int bpf_xdp_attach(int ifindex, int fd, uint32 flags, void *options)"),
    btfName: lib.func("const char *btf__name_by_offset(void *btf, uint32 offset)"),
  };
}

const log: string[] = [];
let bound: ReturnType<typeof bind> | undefined;

/** libbpf with its messages caught; bound at first use, so that this file can be imported where libbpf is missing. */
function library(): ReturnType<typeof bind> {
  if (bound !== undefined) return bound;
  bound = bind();
  const format = libc.func("int vsnprintf(void *buffer, size_t size, const char *format, void *arguments)");
  const sizeBytes = 1 << 24;
  const buffer = koffi.alloc("char", sizeBytes);
  const bytes = memoryAt(buffer, sizeBytes);
  const print = (level: number, text: string, values: unknown): number => {
    if (level > 1) return 0;
    const length = format(buffer, sizeBytes, text, values) as number;
    log.push(new TextDecoder().decode(bytes.subarray(0, Math.min(length, sizeBytes - 1))));
    return length;
  };
  bound.setPrint(koffi.register(print, koffi.pointer(bound.printer)));
  return bound;
}

/** Where a global variable stands: section and bytes in it. */
export interface GlobalPlace {
  readonly section: string;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/** An object that libbpf loaded: everything of it by name. */
export interface LoadedObject {
  readonly programs: ReadonlyMap<string, KernelProgram>;
  /** Section of each program. */
  readonly sections: ReadonlyMap<string, string>;
  /** Instruction slots of each program before loading. */
  readonly insnCounts: ReadonlyMap<string, number>;
  /** User maps by name, and the global data sections as ".rodata", ".data", ".bss". */
  readonly maps: ReadonlyMap<string, KernelMap>;
  readonly globals: ReadonlyMap<string, GlobalPlace>;
  /** What libbpf said (information and warnings). */
  readonly log: string;
  /** The program of that name, or the only one. Throws when there is no such program. */
  program(name?: string): KernelProgram;
  /** The map of that name. Throws when there is none. */
  map(name: string): KernelMap;
  /** The current bytes of a global variable. */
  readGlobal(name: string): Uint8Array;
  /** Overwrites a global variable of `.data` or `.bss`. */
  writeGlobal(name: string, bytes: Uint8Array): void;
  /** Unloads everything; also done by `closeAll`. */
  close(): void;
}

const BTF_KIND_DATASEC = 15;

/** Reads the variables of the data sections from the object's BTF, through libbpf. */
function findGlobals(lib: ReturnType<typeof bind>, object: Pointer): Map<string, GlobalPlace> {
  const globals = new Map<string, GlobalPlace>();
  const btf = lib.objectBtf(object) as Pointer | null;
  if (btf === null) return globals;
  for (const section of [".rodata", ".data", ".bss"]) {
    const id = lib.btfFind(btf, section, BTF_KIND_DATASEC) as number;
    if (id < 0) continue;
    const pointer = lib.btfType(btf, id) as Pointer;
    const count = (koffi.decode(pointer, 4, "uint32") as number) & 0xffff;
    for (let index = 0; index < count; index++) {
      const at = 12 + index * 12;
      const variable = lib.btfType(btf, koffi.decode(pointer, at, "uint32")) as Pointer;
      const name = lib.btfName(btf, koffi.decode(variable, 0, "uint32")) as string;
      const offsetBytes = koffi.decode(pointer, at + 4, "uint32") as number;
      const sizeBytes = koffi.decode(pointer, at + 8, "uint32") as number;
      globals.set(name, { section, offsetBytes, sizeBytes });
    }
  }
  return globals;
}

/** libbpf calls a data map "prefix.rodata": the part from the dot is what the section is called. */
function mapKey(name: string): string {
  return /\.(rodata|data|bss)$/.exec(name)?.[0] ?? name;
}

/**
 * Loads the object file at `path` with libbpf. Programs in a section libbpf doesn't know are loaded as XDP. `globals` sets
 * variables (a `config`, say) before loading; `unpinned` (default true) drops the pin paths so that nothing stays in bpffs.
 * Throws `LoadError` with libbpf's and the verifier's messages. Programs for devmap and cpumap entries load but can't be
 * run by `KernelProgram.run`.
 */
export function loadObject(
  path: string,
  options: { globals?: Readonly<Record<string, Uint8Array>>; unpinned?: boolean } = {},
): LoadedObject {
  const lib = library();
  log.length = 0;
  const object = lib.openFile(path, null) as Pointer | null;
  if (object === null) throw new LoadError(`open ${path}`, lastErrno(), log.join(""));
  try {
    return loadOpened(lib, object, path, options);
  } catch (failure) {
    lib.close(object);
    throw failure;
  }
}

function loadOpened(
  lib: ReturnType<typeof bind>,
  object: Pointer,
  path: string,
  options: { globals?: Readonly<Record<string, Uint8Array>>; unpinned?: boolean },
): LoadedObject {
  const programPointers: Pointer[] = [];
  for (let at: Pointer | null = null; ; ) {
    at = lib.nextProgram(object, at) as Pointer | null;
    if (at === null) break;
    programPointers.push(at);
    if (lib.programType(at) === 0) lib.setProgramType(at, 6);
  }
  const mapPointers: Pointer[] = [];
  for (let at: Pointer | null = null; ; ) {
    at = lib.nextMap(object, at) as Pointer | null;
    if (at === null) break;
    mapPointers.push(at);
    if (options.unpinned !== false) lib.mapSetPinPath(at, null);
  }
  const globals = findGlobals(lib, object);
  for (const [name, bytes] of Object.entries(options.globals ?? {})) {
    const place = globals.get(name);
    if (place === undefined || place.sizeBytes !== bytes.length) {
      throw new RangeError(`no global ${name} of ${bytes.length} bytes in ${path}`);
    }
    const map = mapPointers.find((pointer) => mapKey(lib.mapName(pointer) as string) === place.section);
    const size = [0];
    memoryAt(lib.mapInitialValue(map, size), size[0] ?? 0).set(bytes, place.offsetBytes);
  }
  if ((lib.load(object) as number) < 0) throw new LoadError(`load ${path}`, lastErrno(), log.join(""));

  const close = onCloseAll(() => lib.close(object));
  const keep = (): void => {};
  const programs = new Map<string, KernelProgram>();
  const sections = new Map<string, string>();
  const insnCounts = new Map<string, number>();
  for (const pointer of programPointers) {
    const name = lib.programName(pointer) as string;
    programs.set(name, new KernelProgram(lib.programFd(pointer) as number, name, keep));
    sections.set(name, lib.programSection(pointer) as string);
    insnCounts.set(name, Number(lib.programInsnCount(pointer)));
  }
  const maps = new Map<string, KernelMap>();
  for (const pointer of mapPointers) {
    const name = mapKey(lib.mapName(pointer) as string);
    const facts = {
      name,
      type: lib.mapType(pointer) as number,
      keySize: lib.mapKeySize(pointer) as number,
      valueSize: lib.mapValueSize(pointer) as number,
      maxEntries: lib.mapMaxEntries(pointer) as number,
    };
    maps.set(name, new KernelMap(lib.mapFd(pointer) as number, facts, keep));
  }
  const map = (name: string): KernelMap => {
    const found = maps.get(name);
    if (found === undefined) throw new RangeError(`no map ${name} in ${path}: ${[...maps.keys()].join(", ")}`);
    return found;
  };
  const place = (name: string): GlobalPlace => {
    const found = globals.get(name);
    if (found === undefined) throw new RangeError(`no global ${name} in ${path}: ${[...globals.keys()].join(", ")}`);
    return found;
  };
  return {
    programs,
    sections,
    insnCounts,
    maps,
    globals,
    log: log.join(""),
    program(name) {
      const found = name === undefined ? [...programs.values()][0] : programs.get(name);
      if (found === undefined) throw new RangeError(`no program ${name} in ${path}`);
      return found;
    },
    map,
    readGlobal(name) {
      const { section, offsetBytes, sizeBytes } = place(name);
      return map(section)
        .lookup(new Uint8Array(4))!
        .slice(offsetBytes, offsetBytes + sizeBytes);
    },
    writeGlobal(name, bytes) {
      const { section, offsetBytes } = place(name);
      const whole = map(section).lookup(new Uint8Array(4))!;
      whole.set(bytes, offsetBytes);
      map(section).update(new Uint8Array(4), whole);
    },
    close,
  };
}

/** How a program is attached: in the driver, or in the kernel's generic path behind it. */
export type AttachMode = "native" | "generic";

/** Attaches a program to one end of a veth pair (fd -1 detaches). It goes when the device goes. */
export function attachXdp(end: VethEnd, programFd: number, mode: AttachMode = "native"): void {
  const flags = mode === "native" ? 4 : 2;
  end.netns.enter(() => {
    const result = library().attach(end.ifindex, programFd, flags, null) as number;
    checked(`attach to ${end.device} (${mode}): ${log.join("")}`, result);
  });
}
