// The kernel's bpf(2) for tests: maps, programs from instruction bytes, and BPF_PROG_TEST_RUN, which runs an XDP program on
// one frame in about 2 µs. Whole objects are loaded by libbpf.ts. Shares nothing with the compiler: what it judges.
// Source: Linux include/uapi/linux/bpf.h (union bpf_attr), net/bpf/test_run.c.

import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import {
  allocate,
  checked,
  closeFd,
  ERRNO,
  lastErrno,
  onCloseAll,
  SYSCALL_BPF,
  SystemError,
  syscall,
} from "./native.ts";

const COMMAND = {
  mapCreate: 0,
  mapLookup: 1,
  mapUpdate: 2,
  mapDelete: 3,
  mapGetNextKey: 4,
  progLoad: 5,
  progTestRun: 10,
  getInfo: 15,
  mapLookupAndDelete: 21,
} as const;

/** Map types by the kernel's names in lower case. **Source:** enum bpf_map_type. */
export const MAP_TYPE = {
  hash: 1,
  array: 2,
  prog_array: 3,
  perf_event_array: 4,
  percpu_hash: 5,
  percpu_array: 6,
  lru_hash: 9,
  lru_percpu_hash: 10,
  lpm_trie: 11,
  array_of_maps: 12,
  hash_of_maps: 13,
  devmap: 14,
  cpumap: 16,
  xskmap: 17,
  queue: 22,
  stack: 23,
  devmap_hash: 25,
  ringbuf: 27,
  bloom_filter: 30,
} as const;

/** The name of a map type, as in `MAP_TYPE`. */
export type MapTypeName = keyof typeof MAP_TYPE;

const PER_CPU_TYPES = new Set<number>([MAP_TYPE.percpu_hash, MAP_TYPE.percpu_array, MAP_TYPE.lru_percpu_hash]);

/** XDP verdicts by number. **Source:** enum xdp_action. */
export const VERDICTS = ["aborted", "drop", "pass", "tx", "redirect"] as const;

/** An XDP verdict as the language writes it. */
export type Verdict = (typeof VERDICTS)[number];

const attr = allocate(160);
const keyMemory = allocate(1024);
const nextKeyMemory = allocate(1024);
const valueMemory = allocate(1 << 20);
const packetIn = allocate(1 << 16);
const packetOut = allocate(1 << 17);
const contextIn = allocate(64);
const contextOut = allocate(64);
const logMemory = { current: allocate(1 << 20) };

function bpf(command: number, sizeBytes: number): number {
  return syscall(SYSCALL_BPF, command, attr.address, sizeBytes);
}

function resetAttr(): DataView {
  attr.bytes.fill(0);
  return attr.view;
}

/** The number of possible CPUs: a per-CPU map's lookup gives one value for each. */
export function possibleCpus(): number {
  const file = "/sys/devices/system/cpu/possible";
  if (!existsSync(file)) return availableParallelism();
  const last = readFileSync(file, "utf8").trim().split(/[-,]/).at(-1);
  return Number(last) + 1;
}

const cpuCount = possibleCpus();

/** A map in the kernel. Keys and values are raw bytes in memory order; per-CPU maps use the `PerCpu` functions. */
export class KernelMap {
  readonly fd: number;
  readonly name: string;
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  /** Closes the descriptor; also done by `closeAll`. */
  readonly close: () => void;

  constructor(
    fd: number,
    facts: { name: string; type: number; keySize: number; valueSize: number; maxEntries: number },
    close: () => void,
  ) {
    this.fd = fd;
    this.name = facts.name;
    this.type = facts.type;
    this.keySize = facts.keySize;
    this.valueSize = facts.valueSize;
    this.maxEntries = facts.maxEntries;
    this.close = close;
  }

  /** True for the types whose values exist once per CPU. */
  get isPerCpu(): boolean {
    return PER_CPU_TYPES.has(this.type);
  }

  /** Bytes that one lookup fills: each CPU's value is rounded up to 8 bytes. */
  get #lookupSize(): number {
    return this.isPerCpu ? ((this.valueSize + 7) & ~7) * cpuCount : this.valueSize;
  }

  #element(key: Uint8Array): DataView {
    if (key.length !== this.keySize) {
      throw new RangeError(`map ${this.name}: key of ${key.length} bytes, want ${this.keySize}`);
    }
    keyMemory.bytes.set(key);
    const view = resetAttr();
    view.setUint32(0, this.fd, true);
    // A map without keys wants none, not an empty one.
    if (this.keySize > 0) view.setBigUint64(8, keyMemory.address, true);
    return view;
  }

  /** Takes the next value of a queue or stack; null when it is empty. */
  pop(): Uint8Array | null {
    this.#element(new Uint8Array(0)).setBigUint64(16, valueMemory.address, true);
    if (bpf(COMMAND.mapLookupAndDelete, 32) >= 0) return valueMemory.bytes.slice(0, this.valueSize);
    if (lastErrno() === ERRNO.noent) return null;
    throw new SystemError(`take from map ${this.name}`, lastErrno());
  }

  #raw(key: Uint8Array): Uint8Array | null {
    const view = this.#element(key);
    view.setBigUint64(16, valueMemory.address, true);
    if (bpf(COMMAND.mapLookup, 32) < 0) {
      if (lastErrno() === ERRNO.noent) return null;
      throw new SystemError(`look up in map ${this.name}`, lastErrno());
    }
    return valueMemory.bytes.slice(0, this.#lookupSize);
  }

  /** The value at `key`, or null; for a per-CPU map use `lookupPerCpu`. */
  lookup(key: Uint8Array): Uint8Array | null {
    if (this.isPerCpu) throw new TypeError(`map ${this.name} is per CPU: use lookupPerCpu`);
    return this.#raw(key);
  }

  /** The value of each possible CPU at `key`, or null. */
  lookupPerCpu(key: Uint8Array): Uint8Array[] | null {
    const raw = this.#raw(key);
    if (raw === null) return null;
    const step = (this.valueSize + 7) & ~7;
    return Array.from({ length: cpuCount }, (_, cpu) => raw.slice(cpu * step, cpu * step + this.valueSize));
  }

  /** Sets `key` to `value` (a per-CPU map: on every CPU). `flags`: 0 any, 1 new only, 2 existing only. */
  update(key: Uint8Array, value: Uint8Array, flags = 0): void {
    if (value.length !== this.valueSize) {
      throw new RangeError(`map ${this.name}: value of ${value.length} bytes, want ${this.valueSize}`);
    }
    const view = this.#element(key);
    const step = this.isPerCpu ? (this.valueSize + 7) & ~7 : this.valueSize;
    for (let offset = 0; offset < this.#lookupSize; offset += step) {
      valueMemory.bytes.fill(0, offset, offset + step);
      valueMemory.bytes.set(value, offset);
    }
    view.setBigUint64(16, valueMemory.address, true);
    view.setBigUint64(24, BigInt(flags), true);
    checked(`update map ${this.name}`, bpf(COMMAND.mapUpdate, 32));
  }

  /** Removes `key`; false when it wasn't there. */
  delete(key: Uint8Array): boolean {
    this.#element(key);
    if (bpf(COMMAND.mapDelete, 32) >= 0) return true;
    if (lastErrno() === ERRNO.noent) return false;
    throw new SystemError(`delete from map ${this.name}`, lastErrno());
  }

  /** All keys, in the kernel's order. */
  keys(): Uint8Array[] {
    const keys: Uint8Array[] = [];
    let previous: Uint8Array | null = null;
    for (;;) {
      const view = resetAttr();
      view.setUint32(0, this.fd, true);
      if (previous !== null) {
        keyMemory.bytes.set(previous);
        view.setBigUint64(8, keyMemory.address, true);
      }
      view.setBigUint64(16, nextKeyMemory.address, true);
      if (bpf(COMMAND.mapGetNextKey, 32) < 0) {
        if (lastErrno() === ERRNO.noent) return keys;
        throw new SystemError(`iterate map ${this.name}`, lastErrno());
      }
      previous = nextKeyMemory.bytes.slice(0, this.keySize);
      keys.push(previous);
    }
  }

  /** All entries; values of per-CPU maps are the CPUs' values one after the other. */
  entries(): [key: Uint8Array, value: Uint8Array][] {
    const entries: [Uint8Array, Uint8Array][] = [];
    for (const key of this.keys()) {
      const value = this.#raw(key);
      if (value === null) continue;
      const step = (this.valueSize + 7) & ~7;
      entries.push([key, this.isPerCpu && step !== this.valueSize ? squeeze(value, step, this.valueSize) : value]);
    }
    return entries;
  }

  /** Empties a map: deletes every key, or zeroes every value of an array. */
  clear(): void {
    const isArray = this.type === MAP_TYPE.array || this.type === MAP_TYPE.percpu_array;
    const zero = new Uint8Array(this.valueSize);
    for (const key of this.keys()) {
      if (isArray) this.update(key, zero);
      else this.delete(key);
    }
  }
}

function squeeze(bytes: Uint8Array, step: number, size: number): Uint8Array {
  const out = new Uint8Array((bytes.length / step) * size);
  for (let from = 0, to = 0; from < bytes.length; from += step, to += size) {
    out.set(bytes.subarray(from, from + size), to);
  }
  return out;
}

/** Creates a map; closed by its `close` or by `closeAll`. */
export function createMap(options: {
  type: MapTypeName | number;
  name?: string;
  keySize: number;
  valueSize: number;
  maxEntries: number;
  flags?: number;
  innerMapFd?: number;
}): KernelMap {
  const type = typeof options.type === "number" ? options.type : MAP_TYPE[options.type];
  const name = options.name ?? "test_map";
  const view = resetAttr();
  view.setUint32(0, type, true);
  view.setUint32(4, options.keySize, true);
  view.setUint32(8, options.valueSize, true);
  view.setUint32(12, options.maxEntries, true);
  view.setUint32(16, options.flags ?? 0, true);
  view.setUint32(20, options.innerMapFd ?? 0, true);
  attr.bytes.set(new TextEncoder().encode(name.slice(0, 15)), 28);
  const fd = checked(`create map ${name}`, bpf(COMMAND.mapCreate, 72));
  return new KernelMap(
    fd,
    { ...options, name, type },
    onCloseAll(() => closeFd(fd)),
  );
}

/** The verifier (or the loader before it) refused a program; `log` is what it said. */
export class LoadError extends Error {
  readonly log: string;
  readonly errno: number;
  constructor(what: string, errno: number, log: string) {
    super(`${new SystemError(what, errno).message}\n${log}`);
    this.log = log;
    this.errno = errno;
  }
}

/** What one run of a program did. */
export interface RunResult {
  /** The program's return value as a name; "unknown" outside 0 to 4 (see `returnValue`). */
  readonly verdict: Verdict | "unknown";
  readonly returnValue: number;
  /** The frame after the program ran: a copy. */
  readonly data: Uint8Array;
  /** Mean nanoseconds of one run. */
  readonly durationNs: number;
}

/** What a frame to test with may say besides its bytes. */
export interface RunOptions {
  /** Interface index and RX queue that `struct xdp_md` shows; the queue must exist and the interface be in this network
   * namespace with XDP on. Without it the kernel shows the loopback device (index 1), queue 0. */
  readonly ingress?: { readonly ifindex: number; readonly queue: number };
  /** How often to run (for timing); the frame isn't restored between runs. */
  readonly repeat?: number;
  /** How many of the frame's bytes lie in the first buffer: for programs that take several; default as many as fit a page. */
  readonly firstBuffer?: number;
}

/** A loaded program. */
export class KernelProgram {
  readonly fd: number;
  readonly name: string;
  /** Closes the descriptor; also done by `closeAll`. */
  readonly close: () => void;

  constructor(fd: number, name: string, close: () => void) {
    this.fd = fd;
    this.name = name;
    this.close = close;
  }

  /**
   * Runs the program on one frame with BPF_PROG_TEST_RUN. The kernel refuses frames under 14 bytes (EINVAL) and programs for
   * devmap and cpumap entries (EINVAL too): those are tested by traffic. A redirect is only returned, not carried out.
   */
  run(data: Uint8Array, options: RunOptions = {}): RunResult {
    packetIn.bytes.set(data);
    const view = resetAttr();
    view.setUint32(0, this.fd, true);
    view.setUint32(8, data.length, true);
    view.setUint32(12, packetOut.bytes.length, true);
    view.setBigUint64(16, packetIn.address, true);
    view.setBigUint64(24, packetOut.address, true);
    view.setUint32(32, options.repeat ?? 1, true);
    if (options.ingress !== undefined || options.firstBuffer !== undefined) {
      contextIn.bytes.fill(0);
      contextIn.view.setUint32(4, options.firstBuffer ?? data.length, true);
      contextIn.view.setUint32(12, options.ingress?.ifindex ?? 0, true);
      contextIn.view.setUint32(16, options.ingress?.queue ?? 0, true);
      view.setUint32(40, 24, true);
      view.setUint32(44, 24, true);
      view.setBigUint64(48, contextIn.address, true);
      view.setBigUint64(56, contextOut.address, true);
    }
    if (bpf(COMMAND.progTestRun, 80) < 0) {
      throw new SystemError(`test run of ${this.name} with ${data.length} bytes`, lastErrno());
    }
    const returnValue = view.getUint32(4, true);
    return {
      returnValue,
      verdict: VERDICTS[returnValue] ?? "unknown",
      data: packetOut.bytes.slice(0, view.getUint32(12, true)),
      durationNs: view.getUint32(36, true),
    };
  }
}

/** XDP attach types that a program is loaded for. **Source:** enum bpf_attach_type. */
export const EXPECTED_ATTACH = { device: 37, devmap: 33, cpumap: 35 } as const;

/**
 * Loads an XDP program from encoded instructions (8 bytes each, little endian). Map descriptors must already stand in the
 * instructions (16-byte loads with src_reg 1): see `patchMapFds`. Throws `LoadError` with the verifier's log.
 */
export function loadProgram(options: {
  insns: Uint8Array;
  name?: string;
  license?: string;
  attach?: keyof typeof EXPECTED_ATTACH;
  multiBuffer?: boolean;
  /** What the verifier logs: 1 (default) the path that fails, 2 every path with the registers, 4 numbers only. */
  logLevel?: 1 | 2 | 4;
}): KernelProgram & { readonly log: string } {
  const name = options.name ?? "test_program";
  const insns = allocate(options.insns.length);
  insns.bytes.set(options.insns);
  const license = allocate(64);
  license.bytes.set(new TextEncoder().encode(options.license ?? "GPL"));
  const log = logMemory.current;
  log.bytes[0] = 0;
  const view = resetAttr();
  view.setUint32(0, 6, true);
  view.setUint32(4, options.insns.length / 8, true);
  view.setBigUint64(8, insns.address, true);
  view.setBigUint64(16, license.address, true);
  view.setUint32(24, options.logLevel ?? 1, true);
  view.setUint32(28, log.bytes.length, true);
  view.setBigUint64(32, log.address, true);
  view.setUint32(44, options.multiBuffer === true ? 1 << 5 : 0, true);
  attr.bytes.set(new TextEncoder().encode(name.slice(0, 15)), 48);
  view.setUint32(68, EXPECTED_ATTACH[options.attach ?? "device"], true);
  const fd = bpf(COMMAND.progLoad, 144);
  const errno = lastErrno();
  const text = new TextDecoder().decode(log.bytes.subarray(0, log.bytes.indexOf(0)));
  if (fd < 0) throw new LoadError(`load program ${name}`, errno, text);
  const program = new KernelProgram(
    fd,
    name,
    onCloseAll(() => closeFd(fd)),
  );
  return Object.assign(program, { log: text });
}

/** Puts map descriptors into encoded instructions: `fds[slot]` goes into the 16-byte load that starts at that slot. */
export function patchMapFds(insns: Uint8Array, fds: ReadonlyMap<number, number>): Uint8Array {
  const out = insns.slice();
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  for (const [slot, fd] of fds) {
    if (view.getUint8(slot * 8) !== 0x18) throw new RangeError(`slot ${slot} isn't a 16-byte load`);
    view.setUint8(slot * 8 + 1, (view.getUint8(slot * 8 + 1) & 0x0f) | 0x10);
    view.setInt32(slot * 8 + 4, fd, true);
    view.setInt32(slot * 8 + 12, 0, true);
  }
  return out;
}

/** Facts about a loaded program: its tag, sizes, and how many instructions the kernel holds after rewriting. */
export function programInfo(fd: number): { readonly translatedBytes: number; readonly verifiedInsns: number } {
  const info = allocate(256);
  const view = resetAttr();
  view.setUint32(0, fd, true);
  view.setUint32(4, 256, true);
  view.setBigUint64(8, info.address, true);
  checked("program info", bpf(COMMAND.getInfo, 16));
  return { translatedBytes: info.view.getUint32(20, true), verifiedInsns: info.view.getUint32(216, true) };
}
