// What libbpf makes of an object before the kernel sees it: the instructions of each program with everything resolved, and the
// maps that it created, as it and the kernel tell of them. The judge of the linker; shares nothing with it.
// Source: libbpf bpf/libbpf.h (bpf_program__insns); Linux include/uapi/linux/bpf.h, struct bpf_map_info.

import koffi from "koffi";
import { allocate, memoryAt, SYSCALL_BPF, syscall } from "./native.ts";

/** A program as libbpf handed it to the kernel. */
export interface JudgedProgram {
  readonly name: string;
  readonly section: string;
  /** With the descriptors of this process in the place of maps. */
  readonly insns: Uint8Array;
}

/** A map as the kernel holds it. */
export interface JudgedMap {
  readonly name: string;
  readonly fd: number;
  readonly type: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** The kernel knows the value's type. */
  readonly hasBtf: boolean;
}

/** An object that libbpf loaded; `fault` is errno when it couldn't open or load it. */
export type Judged =
  | { readonly programs: readonly JudgedProgram[]; readonly maps: readonly JudgedMap[]; readonly fault?: undefined }
  | { readonly fault: string; readonly programs?: undefined; readonly maps?: undefined };

type Pointer = object;

function bind() {
  const lib = koffi.load("libbpf.so.1");
  const proto = koffi.proto("int xdpc_link_printer(int level, const char *format, void *arguments)");
  return {
    proto,
    setPrint: lib.func("libbpf_set_print", "void *", [koffi.pointer(proto)]),
    openFile: lib.func("void *bpf_object__open_file(const char *path, void *options)"),
    load: lib.func("int bpf_object__load(void *object)"),
    close: lib.func("void bpf_object__close(void *object)"),
    nextProgram: lib.func("void *bpf_object__next_program(void *object, void *previous)"),
    programName: lib.func("const char *bpf_program__name(void *program)"),
    programSection: lib.func("const char *bpf_program__section_name(void *program)"),
    programType: lib.func("int bpf_program__type(void *program)"),
    setProgramType: lib.func("int bpf_program__set_type(void *program, int type)"),
    insns: lib.func("void *bpf_program__insns(void *program)"),
    insnCount: lib.func("size_t bpf_program__insn_cnt(void *program)"),
    nextMap: lib.func("void *bpf_object__next_map(void *object, void *previous)"),
    mapName: lib.func("const char *bpf_map__name(void *map)"),
    mapFd: lib.func("int bpf_map__fd(void *map)"),
    setPinPath: lib.func("int bpf_map__set_pin_path(void *map, const char *path)"),
  };
}

let bound: ReturnType<typeof bind> | undefined;
let said: string[] = [];

function library(): ReturnType<typeof bind> {
  if (bound !== undefined) return bound;
  bound = bind();
  const format = koffi
    .load("libc.so.6")
    .func("int vsnprintf(void *buffer, size_t size, const char *format, void *arguments)");
  const buffer = koffi.alloc("char", 4096);
  const bytes = memoryAt(buffer, 4096);
  const print = (level: number, text: string, values: unknown): number => {
    const length = format(buffer, 4096, text, values) as number;
    if (level === 0) said.push(new TextDecoder().decode(bytes.subarray(0, Math.min(length, 4095))));
    return length;
  };
  bound.setPrint(koffi.register(print, koffi.pointer(bound.proto)));
  return bound;
}

/** All of a list that libbpf walks. */
function* each(next: (previous: Pointer | null) => Pointer | null): Generator<Pointer> {
  for (let at = next(null); at !== null; at = next(at)) yield at;
}

/**
 * Opens and loads the object at `path` and gives what reached the kernel; programs of an unknown type become XDP. `use` runs
 * while the descriptors are open. Nothing stays loaded or pinned.
 */
export function judgeWithLibbpf<T>(path: string, use: (judged: Judged) => T): T {
  const lib = library();
  said = [];
  const object = lib.openFile(path, null) as Pointer | null;
  if (object === null) return use({ fault: `open: ${said.join("")}` });
  try {
    const programs = [...each((at) => lib.nextProgram(object, at) as Pointer | null)];
    const maps = [...each((at) => lib.nextMap(object, at) as Pointer | null)];
    for (const program of programs) if (lib.programType(program) === 0) lib.setProgramType(program, 6);
    for (const map of maps) lib.setPinPath(map, null);
    if ((lib.load(object) as number) < 0) return use({ fault: `load: ${said.join("")}` });
    return use({
      programs: programs.map((program) => ({
        name: lib.programName(program) as string,
        section: lib.programSection(program) as string,
        insns: memoryAt(lib.insns(program), Number(lib.insnCount(program)) * 8).slice(),
      })),
      maps: maps.map((map) => mapFacts(lib.mapFd(map) as number, lib.mapName(map) as string)),
    });
  } finally {
    lib.close(object);
  }
}

const attr = allocate(160);
const info = allocate(256);

function mapFacts(fd: number, name: string): JudgedMap {
  attr.bytes.fill(0);
  // What the kernel has nothing to say of, it leaves as it is.
  info.bytes.fill(0);
  attr.view.setUint32(0, fd, true);
  attr.view.setUint32(4, 88, true);
  attr.view.setBigUint64(8, info.address, true);
  if (syscall(SYSCALL_BPF, 15, attr.address, 16) < 0) throw new Error(`no information on map ${name}`);
  const word = (at: number): number => info.view.getUint32(at, true);
  return {
    name: /\.(rodata|data|bss|kconfig)(\..*)?$/.exec(name)?.[0] ?? name,
    fd,
    type: word(0),
    keyBytes: word(8),
    valueBytes: word(12),
    maxEntries: word(16),
    flags: word(20),
    hasBtf: word(72) !== 0,
  };
}
