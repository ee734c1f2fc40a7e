// The kernel's maps by raw bpf(2), for comparing: every call gives its bytes or a negative errno, like our own UserMap. And a small
// program that does to a map what a packet says, so that the program's side can be compared too.
// Source: Linux include/uapi/linux/bpf.h, union bpf_attr.

import { must } from "../../src/base/assert.ts";
import { parseAsm } from "../../src/bpf/asm-parse.ts";
import { encode } from "../../src/bpf/encode.ts";
import type { ImageMap, ProgramImage } from "../../src/bpf/image.ts";
import type { MapAccess, MapKind } from "../../src/bpf/maps.ts";
import { mapKindInfo } from "../../src/bpf/maps.ts";
import { loadProgram } from "../support/bpf.ts";
import { allocate, closeFd, lastErrno, onCloseAll, SYSCALL_BPF, syscall } from "../support/native.ts";

const attr = allocate(160);
const keyMemory = allocate(512);
const valueMemory = allocate(1 << 16);

function bpf(command: number): number {
  const result = syscall(SYSCALL_BPF, command, attr.address, 72);
  return result < 0 ? -lastErrno() : result;
}

/** A description of a map for tests; what isn't given is none of it. */
export function imageMap(
  facts: Pick<ImageMap, "keyBytes" | "valueBytes" | "maxEntries"> & Partial<ImageMap> & { readonly kind: MapKind },
): ImageMap {
  const { kind, ...rest } = facts;
  const type = mapKindInfo(kind).number;
  return { name: "m", flags: 0, frozen: false, data: null, fields: [], hasBtf: false, inner: null, ...rest, type };
}

/** The system calls on a kernel's map; as `UserMap`. */
export class RawMap {
  readonly fd: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly close: () => void;

  constructor(fd: number, keyBytes: number, valueBytes: number) {
    this.fd = fd;
    this.keyBytes = keyBytes;
    this.valueBytes = valueBytes;
    this.close = onCloseAll(() => closeFd(fd));
  }

  #element(key: Uint8Array | null, value: Uint8Array | null, flags: number): void {
    attr.bytes.fill(0);
    attr.view.setUint32(0, this.fd, true);
    if (key !== null && key.length > 0) {
      keyMemory.bytes.set(key);
      attr.view.setBigUint64(8, keyMemory.address, true);
    }
    if (value !== null) valueMemory.bytes.set(value);
    attr.view.setBigUint64(16, valueMemory.address, true);
    attr.view.setBigUint64(24, BigInt(flags), true);
  }

  lookup(key: Uint8Array, flags = 0): Uint8Array | number {
    const bloom = this.keyBytes === 0 && key.length > 0;
    this.#element(bloom ? null : key, bloom ? key : null, flags);
    const result = bpf(1);
    return result < 0 ? result : valueMemory.bytes.slice(0, this.valueBytes);
  }

  update(key: Uint8Array, value: Uint8Array, flags = 0): number {
    this.#element(key, value, flags);
    return bpf(2);
  }

  delete(key: Uint8Array): number {
    this.#element(key, null, 0);
    attr.view.setBigUint64(16, 0n, true);
    return bpf(3);
  }

  nextKey(key: Uint8Array | null): Uint8Array | number {
    this.#element(key, null, 0);
    const result = bpf(4);
    return result < 0 ? result : valueMemory.bytes.slice(0, this.keyBytes);
  }

  take(key: Uint8Array, flags = 0): Uint8Array | number {
    this.#element(key, null, flags);
    const result = bpf(21);
    return result < 0 ? result : valueMemory.bytes.slice(0, this.valueBytes);
  }

  freeze(): number {
    attr.bytes.fill(0);
    attr.view.setUint32(0, this.fd, true);
    return syscall(SYSCALL_BPF, 22, attr.address, 4) < 0 ? -lastErrno() : 0;
  }
}

/** Creates the map in the kernel: its descriptor, or a negative errno. `userValueBytes` is what a lookup gives. */
export function createRaw(
  image: ImageMap,
  userValueBytes: number,
  options: { readonly innerFd?: number; readonly extra?: number } = {},
): RawMap | number {
  attr.bytes.fill(0);
  attr.view.setUint32(0, image.type, true);
  attr.view.setUint32(4, image.keyBytes, true);
  attr.view.setUint32(8, image.valueBytes, true);
  attr.view.setUint32(12, image.maxEntries, true);
  attr.view.setUint32(16, image.flags, true);
  attr.view.setUint32(20, options.innerFd ?? 0, true);
  attr.view.setBigUint64(64, BigInt(options.extra ?? 0), true);
  const fd = bpf(0);
  return fd < 0 ? fd : new RawMap(fd, image.keyBytes, userValueBytes);
}

/** Where a request to the program lies in its packet, and how long the packet is. */
export const request = { operation: 16, cpu: 20, result: 24, flags: 32, key: 40, value: 64, packetBytes: 128 } as const;

/** What can be asked of the program, by number. */
export const operations = ["lookup", "update", "delete", "push", "pop", "peek", "lookupPercpu"] as const;

/** What can be asked of the program. */
export type Operation = (typeof operations)[number];

/** The operations the verifier lets a program do to a kind. */
export function operationsOf(kind: MapKind): Operation[] {
  const access: readonly MapAccess[] = mapKindInfo(kind).access;
  return operations.filter((operation) => access.includes(operation));
}

/** A program that does to map 0 what a packet asks: see `request`. Keys of up to 24 and values of up to 64 bytes, in whole 4. */
export function operatorProgram(image: ImageMap, kind: MapKind): ProgramImage {
  const bodies = operationsOf(kind).map(
    (operation) => `${label(operation)}:\n${body(operation, image)}    goto store\n`,
  );
  const jumps = operationsOf(kind).map((name) => `if r9 == ${operations.indexOf(name)} goto ${label(name)}`);
  const text = `
    r6 = r1
    r7 = *(u32 *)(r6 + 0)
    r8 = *(u32 *)(r6 + 4)
    r1 = r7
    r1 += ${request.packetBytes}
    if r1 > r8 goto out
    call bpf_get_smp_processor_id
    *(u32 *)(r7 + ${request.cpu}) = r0
    ${copy(24, "r7", request.key, "r10", -24)}
    ${copy(64, "r7", request.value, "r10", -88)}
    r9 = *(u32 *)(r7 + ${request.operation})
    ${jumps.join("\n")}
    r0 = 99
    goto store
${bodies.join("")}
store:
    *(u64 *)(r7 + ${request.result}) = r0
out:
    r0 = 2
    exit
`;
  return programImage(text, [image]);
}

function label(operation: Operation): string {
  return `do_${operation}`;
}

function body(operation: Operation, { valueBytes }: ImageMap): string {
  const map = "    r1 = map[m] ll\n";
  const key = "    r2 = r10\n    r2 += -24\n";
  const value = (register: string): string => `    ${register} = r10\n    ${register} += -88\n`;
  const flags = (register: string): string => `    ${register} = *(u64 *)(r7 + ${request.flags})\n`;
  const found = `
    if r0 == 0 goto store
    ${copy(valueBytes, "r0", 0, "r7", request.value)}
    r0 = 1
`;
  const copiedOut = copy(valueBytes, "r10", -88, "r7", request.value);
  switch (operation) {
    case "lookup":
      return `${map}${key}    call bpf_map_lookup_elem\n${found}`;
    case "lookupPercpu":
      return `${map}${key}    r3 = *(u32 *)(r7 + ${request.flags})\n    call bpf_map_lookup_percpu_elem\n${found}`;
    case "update":
      return `${map}${key}${value("r3")}${flags("r4")}    call bpf_map_update_elem\n`;
    case "delete":
      return `${map}${key}    call bpf_map_delete_elem\n`;
    case "push":
      return `${map}${value("r2")}${flags("r3")}    call bpf_map_push_elem\n`;
    case "pop":
      return `${map}${value("r2")}    call bpf_map_pop_elem\n${copiedOut}\n`;
    case "peek":
      return `${map}${value("r2")}    call bpf_map_peek_elem\n${copiedOut}\n`;
  }
}

/** Instructions that copy bytes through r1, 4 at a time. */
function copy(bytes: number, from: string, fromOffset: number, to: string, toOffset: number): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes; at += 4) {
    lines.push(`r1 = *(u32 *)(${place(from, fromOffset + at)})`);
    lines.push(`*(u32 *)(${place(to, toOffset + at)}) = r1`);
  }
  return lines.join("\n    ");
}

function place(register: string, offset: number): string {
  return offset < 0 ? `${register} - ${-offset}` : `${register} + ${offset}`;
}

/** Assembles a program; `map[NAME]` is the map of that name, `.rodata[N]` the place in the first value of the map called `.rodata`. */
export function programImage(text: string, maps: readonly ImageMap[], license = "GPL"): ProgramImage {
  const parsed = parseAsm(text);
  if (parsed.kind === "errors") throw new Error(parsed.errors.map((e) => `${e.line}: ${e.message}`).join("\n"));
  const { bytes, relocations } = encode(parsed.insns);
  const view = new DataView(bytes.buffer);
  for (const relocation of relocations) {
    if (relocation.kind === "call") throw new Error("a call of a function elsewhere");
    const isMap = relocation.kind === "map";
    const name = isMap ? relocation.symbol : relocation.section;
    const at = relocation.slot * 8;
    view.setUint8(at + 1, (view.getUint8(at + 1) & 0x0f) | (isMap ? 0x10 : 0x20));
    view.setInt32(
      at + 4,
      maps.findIndex((map) => map.name === name),
      true,
    );
    view.setInt32(at + 12, isMap ? 0 : relocation.offsetBytes, true);
  }
  return {
    name: "test",
    section: "xdp",
    attach: "device",
    frags: false,
    license,
    code: bytes,
    maps,
    kfuncs: [],
    functions: [],
    lines: [],
    gaps: [],
  };
}

/** Loads an image into the kernel; `fds` are its maps' descriptors. */
export function loadImage(image: ProgramImage, fds: readonly number[]): ReturnType<typeof loadProgram> {
  const insns = image.code.slice();
  const view = new DataView(insns.buffer);
  for (let slot = 0; slot < insns.length / 8; slot++) {
    if (view.getUint8(slot * 8) !== 0x18) continue;
    const source = view.getUint8(slot * 8 + 1) >> 4;
    if (source === 1 || source === 2)
      view.setInt32(slot * 8 + 4, must(fds[view.getInt32(slot * 8 + 4, true)], "a descriptor for each map"), true);
    slot++;
  }
  return loadProgram({ insns, license: image.license, multiBuffer: image.frags });
}

/** The descriptor of a map or, when it couldn't be made, an error. */
export function madeMap(map: RawMap | number): RawMap {
  if (typeof map === "number") throw new Error(`the kernel made no map: errno ${-map}`);
  return map;
}
