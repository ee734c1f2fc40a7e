// Events that programs send, read as user space reads them: ring buffers through their mapped pages, perf buffers of every CPU. The
// formats are the kernel's; nothing here knows the compiler.
// Source: Linux include/uapi/linux/bpf.h (BPF_RINGBUF_*), kernel/bpf/ringbuf.c; include/uapi/linux/perf_event.h.

import { type KernelMap, possibleCpus } from "./bpf.ts";
import {
  addressOf,
  allocate,
  checked,
  closeFd,
  lastErrno,
  libc,
  memoryAt,
  onCloseAll,
  SystemError,
  syscall,
} from "./native.ts";

const mmapFunction = libc.func("void *mmap(void *at, size_t length, int protection, int flags, int fd, long offset)");
const munmapFunction = libc.func("int munmap(void *at, size_t length)");
const PAGE = 4096;
const PROTECTION = { read: 1, readWrite: 3 } as const;
const MAP_SHARED = 1;

function mapPages(fd: number, bytes: number, protection: number, offset: number): Uint8Array {
  const pointer: unknown = mmapFunction(null, bytes, protection, MAP_SHARED, fd, offset);
  if (pointer === null || addressOf(pointer) === 0xffff_ffff_ffff_ffffn)
    throw new SystemError("map a buffer's pages", lastErrno());
  onCloseAll(() => munmapFunction(pointer, bytes));
  return memoryAt(pointer, bytes);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Reads the records of a ring buffer: `take` gives those since the last call. */
export class RingReader {
  readonly #consumer: DataView;
  readonly #producer: DataView;
  readonly #data: Uint8Array;
  readonly #size: number;
  #at = 0;

  constructor(map: KernelMap) {
    this.#size = map.maxEntries;
    this.#consumer = viewOf(mapPages(map.fd, PAGE, PROTECTION.readWrite, 0));
    // The data pages follow twice, so that no record is parted.
    const rest = mapPages(map.fd, PAGE + 2 * this.#size, PROTECTION.read, PAGE);
    this.#producer = viewOf(rest.subarray(0, PAGE));
    this.#data = rest.subarray(PAGE);
  }

  take(): Uint8Array[] {
    const records: Uint8Array[] = [];
    const end = Number(this.#producer.getBigUint64(0, true));
    while (this.#at < end) {
      const start = this.#at % this.#size;
      const header = viewOf(this.#data).getUint32(start, true);
      const length = header & 0x3fff_ffff;
      if ((header & 0x8000_0000) !== 0) throw new Error("a record that is still being written");
      if ((header & 0x4000_0000) === 0) records.push(this.#data.slice(start + 8, start + 8 + length));
      this.#at += (length + 8 + 7) & ~7;
    }
    this.#consumer.setBigUint64(0, BigInt(this.#at), true);
    return records;
  }
}

const PERF = {
  attrBytes: 128,
  softwareType: 1,
  bpfOutput: 10n,
  sampleRaw: 1n << 10n,
  enable: 0x2400,
  closeOnExec: 8,
  sampleRecord: 9,
  headAt: 1024,
  tailAt: 1032,
} as const;
const SYSTEM_CALLS = process.arch === "arm64" ? { perfEventOpen: 241, ioctl: 29 } : { perfEventOpen: 298, ioctl: 16 };
const PERF_PAGES = 64;

/** Opens a perf buffer on every CPU and puts it into the map; `take` gives the raw samples since the last call. */
export class PerfReader {
  readonly #buffers: Uint8Array[] = [];

  constructor(map: KernelMap) {
    const attr = allocate(PERF.attrBytes);
    attr.view.setUint32(0, PERF.softwareType, true);
    attr.view.setUint32(4, PERF.attrBytes, true);
    attr.view.setBigUint64(8, PERF.bpfOutput, true);
    attr.view.setBigUint64(16, 1n, true);
    attr.view.setBigUint64(24, PERF.sampleRaw, true);
    attr.view.setUint32(48, 1, true);
    for (let cpu = 0; cpu < Math.min(possibleCpus(), map.maxEntries); cpu++) {
      const opened = syscall(SYSTEM_CALLS.perfEventOpen, attr.address, -1, cpu, -1, PERF.closeOnExec);
      const fd = checked("open a perf buffer", opened);
      onCloseAll(() => closeFd(fd));
      this.#buffers.push(mapPages(fd, (1 + PERF_PAGES) * PAGE, PROTECTION.readWrite, 0));
      const [key, value] = [new Uint8Array(4), new Uint8Array(4)];
      viewOf(key).setUint32(0, cpu, true);
      viewOf(value).setUint32(0, fd, true);
      map.update(key, value);
      checked("switch a perf buffer on", syscall(SYSTEM_CALLS.ioctl, fd, PERF.enable, 0));
    }
  }

  take(): Uint8Array[] {
    const samples: Uint8Array[] = [];
    for (const buffer of this.#buffers) {
      const control = viewOf(buffer);
      const data = buffer.subarray(PAGE);
      const head = control.getBigUint64(PERF.headAt, true);
      let at = control.getBigUint64(PERF.tailAt, true);
      while (at < head) {
        const byte = (i: number): number => data[(Number(at) + i) % data.length] ?? 0;
        const number = (from: number, bytes: number): number =>
          Array.from({ length: bytes }, (_, i) => byte(from + i) * 2 ** (8 * i)).reduce((a, b) => a + b);
        const length = number(6, 2);
        if (number(0, 4) === PERF.sampleRecord)
          samples.push(Uint8Array.from({ length: number(8, 4) }, (_, i) => byte(12 + i)));
        at += BigInt(length);
      }
      control.setBigUint64(PERF.tailAt, at, true);
    }
    return samples;
  }
}
