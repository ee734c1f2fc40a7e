// The C library, through koffi: system calls, their error numbers, memory that the kernel may be given the address of. One place for everything
// unsafe; the files above speak bytes and numbers. koffi is an optional package and only loaded by the commands that work on devices.
//
// How to use the room: `await openNative()` once, at the start of a command; after that everything here is synchronous. Failing calls
// give a negative error number (`-ERRNO.ENOENT`), as the kernel does; nothing throws for what the kernel refuses.

import type Koffi from "koffi";
import { DeviceFailure } from "./failure.ts";

type KoffiModule = typeof Koffi;
type CFunction = (...values: unknown[]) => unknown;

interface Native {
  readonly koffi: KoffiModule;
  readonly libc: ReturnType<KoffiModule["load"]>;
  readonly syscall: CFunction;
}

let opened: Native | null = null;

/** **Source:** Linux arch/x86/entry/syscalls/syscall_64.tbl; include/uapi/asm-generic/unistd.h (arm64, riscv64). */
const SYSTEM_CALLS = {
  x64: { bpf: 321, close: 3, renameat2: 316 },
  arm64: { bpf: 280, close: 57, renameat2: 276 },
  riscv64: { bpf: 280, close: 57, renameat2: 276 },
} as const;

/** The system calls that this room makes by number. */
export type SystemCall = keyof (typeof SYSTEM_CALLS)["x64"];

/** Loads koffi and the C library; again does nothing. Throws DeviceFailure where that can't be. */
export async function openNative(): Promise<void> {
  if (opened !== null) return;
  if (process.platform !== "linux")
    throw new DeviceFailure("no-linux", `XDP is Linux's; this is ${process.platform}`, [
      "compile here (xdpc FILE) and attach on the Linux machine",
    ]);
  if (!(process.arch in SYSTEM_CALLS))
    throw new DeviceFailure("no-linux", `the device commands don't know the system calls of ${process.arch}`, [
      `attach the object with xdp-loader, ip or bpftool; known are ${Object.keys(SYSTEM_CALLS).join(", ")}`,
    ]);
  const koffi = await loadKoffi();
  const libc = koffi.load("libc.so.6");
  const syscall = libc.func("long syscall(long number, uint64 a, uint64 b, uint64 c, uint64 d, uint64 e, uint64 f)");
  opened = { koffi, libc, syscall };
}

async function loadKoffi(): Promise<KoffiModule> {
  let loaded: { readonly default?: KoffiModule };
  try {
    loaded = await import("koffi");
  } catch (error) {
    const said = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw new DeviceFailure("no-koffi", "the package koffi, by which xdpc calls the kernel, can't be loaded", [
      "install it beside xdpc: npm install koffi (or npm install -g koffi where xdpc is installed globally)",
      `Node said: ${said}`,
    ]);
  }
  return loaded.default ?? (loaded as unknown as KoffiModule);
}

function native(): Native {
  if (opened === null) throw new Error("openNative() comes first");
  return opened;
}

/** koffi itself, for libraries that a file binds on its own. */
export function koffiModule(): KoffiModule {
  return native().koffi;
}

/** Binds a function of the C library by its prototype. */
export function libcFunction(prototype: string): CFunction {
  return native().libc.func(prototype) as CFunction;
}

/** errno of the last call by a function that was bound with koffi. */
export function lastErrno(): number {
  return native().koffi.errno();
}

/** A system call with up to six integers or addresses; a negative result is an error number. */
export function systemCall(name: SystemCall, ...values: readonly (number | bigint)[]): number {
  const numbers = SYSTEM_CALLS[process.arch as keyof typeof SYSTEM_CALLS];
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = values;
  const result = Number(native().syscall(numbers[name], a, b, c, d, e, f));
  return result < 0 ? -lastErrno() : result;
}

/** Closes a descriptor; closing one that isn't open is no fault. */
export function closeFd(fd: number): void {
  if (fd >= 0) systemCall("close", fd);
}

/** Calls `body` with a descriptor and closes it afterwards. */
export function withFd<T>(fd: number, body: (fd: number) => T): T {
  try {
    return body(fd);
  } finally {
    closeFd(fd);
  }
}

/** Memory outside JavaScript's heap: an address that stays, and a view of the same bytes. `free` ends both. */
export interface NativeMemory {
  readonly address: bigint;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly free: () => void;
}

/** Allocates zeroed memory, at least 8 bytes; it must be freed. */
export function allocate(sizeBytes: number): NativeMemory {
  const { koffi } = native();
  const size = Math.max(sizeBytes, 8);
  const pointer: unknown = koffi.alloc("uint8", size);
  const buffer = koffi.view(pointer, size);
  const bytes = new Uint8Array(buffer);
  bytes.fill(0);
  return { address: koffi.address(pointer), bytes, view: new DataView(buffer), free: () => koffi.free(pointer) };
}

/** Calls `body` with memory for each of the given sizes (or byte contents) and frees it all afterwards. */
export function withMemory<const W extends readonly (number | Uint8Array)[], T>(
  wanted: W,
  body: (...memory: { [K in keyof W]: NativeMemory }) => T,
): T {
  const all: NativeMemory[] = [];
  try {
    for (const one of wanted) {
      const memory = allocate(typeof one === "number" ? one : one.length);
      all.push(memory);
      if (typeof one !== "number") memory.bytes.set(one);
    }
    return body(...(all as { [K in keyof W]: NativeMemory }));
  } finally {
    for (const memory of all) memory.free();
  }
}

/** The bytes at an address that C gave; they live as long as C says. */
export function memoryAt(pointer: unknown, sizeBytes: number): Uint8Array {
  return new Uint8Array(native().koffi.view(pointer, sizeBytes));
}

/** A text as C wants it: UTF-8 with a zero behind it. */
export function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

/** The text in a field of fixed size, up to its zero. */
export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
