// The helpers that send events to user space: perf_event_output with the packet's bytes behind the program's, and ring buffers.
// Source: Linux net/core/filter.c, bpf_xdp_event_output; kernel/trace/bpf_trace.c, __bpf_perf_event_output; kernel/bpf/ringbuf.c.

import { errno } from "../errno.ts";
import { MachineFault } from "../fault.ts";
import type { HelperEnvironment } from "../helper-call.ts";
import { argIsNull, argReadable, argRegion, argU64, giveAddress, giveNumber } from "../helper-call.ts";
import { PerfEventArrayMap } from "../maps/handle-maps.ts";
import { RingbufMap } from "../maps/ringbuf.ts";
import { originLo } from "../memory.ts";
import { argNumber, mapFor } from "./maps.ts";
import { buffersAt, contextOf, lengthOf } from "./packet.ts";

/** Flags of perf_event_output: the entry (all ones: this CPU's) and how many bytes of the packet to append. */
const indexMask = 0xffffffffn;
const lengthMask = 0xfffff00000000n;
const wakeupFlags = 3;

/** bpf_perf_event_output. */
export function perfEventOutput(env: HelperEnvironment): void {
  const context = contextOf(env);
  const map = mapFor(env, 2, "perf");
  const flags = argU64(env, 3);
  const meta = argReadable(env, 4, argNumber(env, 5));
  if ((flags & ~(indexMask | lengthMask)) !== 0n) return giveNumber(env, -errno.EINVAL);
  const packetBytes = Number((flags & lengthMask) >> 32n);
  if (packetBytes > lengthOf(context)) return giveNumber(env, -errno.EFAULT);
  const bytes = new Uint8Array(meta.length + packetBytes);
  bytes.set(meta);
  for (const { bytes: part, at } of buffersAt(context, 0, packetBytes)) bytes.set(part, meta.length + at);
  const index = (flags & indexMask) === indexMask ? env.cpu : Number(flags & indexMask);
  if (map instanceof PerfEventArrayMap) giveNumber(env, map.output(index, env.cpu, bytes));
}

/** bpf_ringbuf_output. */
export function ringbufOutput(env: HelperEnvironment): void {
  const map = ringFor(env);
  const data = argReadable(env, 2, argNumber(env, 3));
  const flags = argNumber(env, 4);
  giveNumber(env, flags > wakeupFlags ? -errno.EINVAL : map.output(data));
}

/** bpf_ringbuf_reserve. */
export function ringbufReserve(env: HelperEnvironment): void {
  const map = ringFor(env);
  const bytes = argNumber(env, 2);
  giveAddress(env, argIsNull(env, 3) ? map.reserve(bytes) : null);
}

/** bpf_ringbuf_submit. */
export function ringbufSubmit(env: HelperEnvironment): void {
  commit(env, "submitted");
}

/** bpf_ringbuf_discard. */
export function ringbufDiscard(env: HelperEnvironment): void {
  commit(env, "discarded");
}

function commit(env: HelperEnvironment, how: "submitted" | "discarded"): void {
  const region = argRegion(env, 1);
  const ring = region.map;
  if (env.words[2] !== originLo || !(ring instanceof RingbufMap) || !ring.commit(region, how))
    throw new MachineFault("helper", `argument 1 isn't a reserved record but ${region.label}`);
  env.memory.revoke(region);
}

/** bpf_ringbuf_query. */
export function ringbufQuery(env: HelperEnvironment): void {
  giveNumber(env, ringFor(env).query(argNumber(env, 2)));
}

function ringFor(env: HelperEnvironment): RingbufMap {
  const map = mapFor(env, 1, "ringbuf");
  if (!(map instanceof RingbufMap)) throw new MachineFault("helper", `map ${map.name} isn't a ring buffer`);
  return map;
}
