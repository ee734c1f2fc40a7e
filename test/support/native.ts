// The C library as seen from tests: system calls, errno and memory that C may keep pointers to, through koffi. One place
// for everything unsafe; the files above it speak bytes and numbers. Knows nothing of BPF, packets or the compiler.

import koffi from "koffi";

/** libc, for functions that single files need. */
export const libc = koffi.load("libc.so.6");

const syscallFunction = libc.func(
  "long syscall(long number, uint64 a, uint64 b, uint64 c, uint64 d, uint64 e, uint64 f)",
);
const strerrorFunction = libc.func("const char *strerror(int number)");
const closeFunction = libc.func("int close(int fd)");

/** A failed system call: what was tried, and errno. */
export class SystemError extends Error {
  readonly errno: number;
  constructor(what: string, errno: number) {
    super(`${what}: ${strerrorFunction(errno) as string} (errno ${errno})`);
    this.errno = errno;
  }
}

/** errno values that tests tell apart (Linux, all architectures Node runs on). */
export const ERRNO = { perm: 1, noent: 2, again: 11, exist: 17, inval: 22, nosys: 38, opnotsupp: 95 } as const;

/** errno of the last call through koffi. */
export function lastErrno(): number {
  return koffi.errno();
}

/** Throws a `SystemError` for a negative result, else gives the result back. */
export function checked(what: string, result: number): number {
  if (result < 0) throw new SystemError(what, lastErrno());
  return result;
}

/** syscall(2) with up to six integer arguments; -1 on failure, then see `lastErrno`. */
export function syscall(number: number, ...args: readonly (number | bigint)[]): number {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = args;
  return Number(syscallFunction(number, a, b, c, d, e, f));
}

/** The number of the system call that `syscall` takes, for this machine's architecture. */
export const SYSCALL_BPF = process.arch === "arm64" ? 280 : 321;

/** Memory outside JavaScript's heap: a stable address, and a view of the same bytes. */
export interface NativeMemory {
  readonly address: bigint;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Allocates zeroed memory that is never freed before the process ends (tests are short, buffers are reused). */
export function allocate(sizeBytes: number): NativeMemory {
  const pointer = koffi.alloc("uint8", Math.max(sizeBytes, 8));
  const buffer = koffi.view(pointer, Math.max(sizeBytes, 8));
  const bytes = new Uint8Array(buffer);
  bytes.fill(0);
  return { address: koffi.address(pointer), bytes, view: new DataView(buffer) };
}

/** The memory at an address that C gave us, as bytes that stay connected to it. */
export function memoryAt(pointer: unknown, sizeBytes: number): Uint8Array {
  return new Uint8Array(koffi.view(pointer, sizeBytes));
}

/** The address a pointer from C stands for. */
export function addressOf(pointer: unknown): bigint {
  return koffi.address(pointer);
}

const open = new Set<() => void>();

/** Remembers how to close something; the result closes it once and forgets it. */
export function onCloseAll(close: () => void): () => void {
  const once = (): void => {
    if (open.delete(once)) close();
  };
  open.add(once);
  return once;
}

/** Closes everything still open, newest first: `afterAll(closeAll)` in each file that opens something. */
export function closeAll(): void {
  const failures: unknown[] = [];
  for (const close of [...open].reverse()) {
    try {
      close();
    } catch (failure) {
      failures.push(failure);
    }
  }
  if (failures.length > 0) throw failures[0];
}

process.on("exit", closeAll);

/** Closes a file descriptor. */
export function closeFd(fd: number): void {
  closeFunction(fd);
}
