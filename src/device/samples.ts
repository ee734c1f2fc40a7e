// Samples of packets that rules sent to user space, read through libbpf from a ring buffer or from perf's buffers. What a sample holds is
// the compiler's (ir/sample.ts): a head with time, lengths, device and queue, and the packet's first bytes.
// Source: libbpf src/libbpf.h (ring_buffer, perf_buffer, 1.0 and later).

import type Koffi from "koffi";
import { SAMPLE_HEADER_BYTES, sampleOffset } from "../ir/sample.ts";
import { DeviceFailure } from "./failure.ts";
import type { KernelMap } from "./kernel-map.ts";
import { libbpf } from "./libbpf.ts";
import { koffiModule, memoryAt } from "./native.ts";

/** One sample. */
export interface Sample {
  /** Nanoseconds since the machine started, without suspended time. */
  readonly timeNs: bigint;
  /** The packet's length. */
  readonly length: number;
  readonly ifindex: number;
  readonly queue: number;
  /** The packet's first bytes. */
  readonly bytes: Uint8Array;
}

/** A reader of a buffer. */
export interface SampleReader {
  /** Waits up to so many milliseconds, and hands over what has come. Returns a negative error number where the kernel refuses. */
  poll(milliseconds: number): number;
  /** Records that weren't samples, and those that perf says were lost. */
  readonly counts: { strange: number; lost: number };
  close(): void;
}

/** Pages of each CPU's perf buffer: 256 KiB. */
const PERF_PAGES = 64;

/** Reads the buffer `map`; each sample goes to `take`. Throws DeviceFailure where it is no buffer. */
export function readSamples(map: KernelMap, take: (sample: Sample) => void): SampleReader {
  const counts = { strange: 0, lost: 0 };
  const handle = (data: unknown, size: number | bigint): void => {
    const sample = sampleIn(memoryAt(data, Number(size)));
    if (sample === null) counts.strange += 1;
    else take(sample);
  };
  if (map.kind === "ringbuf") return ringReader(map, handle, counts);
  if (map.kind === "perf_event_array") return perfReader(map, handle, counts);
  throw new DeviceFailure(
    "kind",
    `map ${map.info.name} is of kind ${map.kind}: packets come through a ringbuf or perf`,
  );
}

/** The sample in a record, which perf may have padded; null for what is none. */
function sampleIn(record: Uint8Array): Sample | null {
  if (record.length < SAMPLE_HEADER_BYTES) return null;
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const captured = view.getUint32(sampleOffset("captured"), true);
  const length = view.getUint32(sampleOffset("length"), true);
  if (captured > record.length - SAMPLE_HEADER_BYTES || captured > length) return null;
  return {
    timeNs: view.getBigUint64(sampleOffset("time_ns"), true),
    length,
    ifindex: view.getUint32(sampleOffset("ifindex"), true),
    queue: view.getUint32(sampleOffset("queue"), true),
    // The record's memory is the kernel's again when the callback is over.
    bytes: record.slice(SAMPLE_HEADER_BYTES, SAMPLE_HEADER_BYTES + captured),
  };
}

type Handle = (data: unknown, size: number | bigint) => void;

function ringReader(map: KernelMap, handle: Handle, counts: SampleReader["counts"]): SampleReader {
  const koffi = koffiModule();
  const { raw } = libbpf();
  const type = koffi.proto("int xdpc_ring_sample(void *context, void *data, size_t size)");
  const callback = koffi.register((_context: unknown, data: unknown, size: number | bigint) => {
    handle(data, size);
    return 0;
  }, koffi.pointer(type));
  const ring: unknown = raw.func("ring_buffer__new", "void *", ["int", koffi.pointer(type), "void *", "void *"])(
    map.fd,
    callback,
    null,
    null,
  );
  return reader(
    koffi,
    ring,
    raw.func("int ring_buffer__poll(void *ring, int timeout)"),
    raw.func("void ring_buffer__free(void *ring)"),
    [callback],
    counts,
  );
}

function perfReader(map: KernelMap, handle: Handle, counts: SampleReader["counts"]): SampleReader {
  const koffi = koffiModule();
  const { raw } = libbpf();
  const sampleType = koffi.proto("void xdpc_perf_sample(void *context, int cpu, void *data, uint32 size)");
  const lostType = koffi.proto("void xdpc_perf_lost(void *context, int cpu, uint64 count)");
  const onSample = koffi.register(
    (_context: unknown, _cpu: number, data: unknown, size: number) => handle(data, size),
    koffi.pointer(sampleType),
  );
  const onLost = koffi.register((_context: unknown, _cpu: number, count: number | bigint) => {
    counts.lost += Number(count);
  }, koffi.pointer(lostType));
  const create = raw.func("perf_buffer__new", "void *", [
    "int",
    "size_t",
    koffi.pointer(sampleType),
    koffi.pointer(lostType),
    "void *",
    "void *",
  ]);
  const buffer: unknown = create(map.fd, PERF_PAGES, onSample, onLost, null, null);
  return reader(
    koffi,
    buffer,
    raw.func("int perf_buffer__poll(void *buffer, int timeout)"),
    raw.func("void perf_buffer__free(void *buffer)"),
    [onSample, onLost],
    counts,
  );
}

type Registered = ReturnType<typeof Koffi.register>;

function reader(
  koffi: typeof Koffi,
  handle: unknown,
  poll: (handle: unknown, timeout: number) => number,
  free: (handle: unknown) => void,
  callbacks: readonly Registered[],
  counts: SampleReader["counts"],
): SampleReader {
  const release = (): void => {
    for (const callback of callbacks) koffi.unregister(callback);
  };
  if (handle === null) {
    release();
    throw new DeviceFailure("kernel", "the buffer can't be read: libbpf refuses it", ["run it as root (sudo)"]);
  }
  return {
    poll: (milliseconds) => poll(handle, milliseconds),
    counts,
    close: () => {
      free(handle);
      release();
    },
  };
}
