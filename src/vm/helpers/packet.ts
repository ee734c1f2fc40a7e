// The helpers that work on the packet: moving its head, tail and metadata, copying bytes in and out, checksums of differences.
// Limits are those of buffers of one page, as test runs and most drivers have it.
// Source: Linux net/core/filter.c (bpf_xdp_adjust_head and its neighbours, bpf_xdp_frags_increase_tail, bpf_xdp_frags_shrink_tail,
// bpf_xdp_copy_buf, bpf_csum_diff); net/bpf/test_run.c for the buffers behind the first; include/net/xdp.h (struct xdp_frame,
// xdp_metalen_invalid, xdp_data_hard_end); arch/x86/lib/csum-partial_64.c for csum_partial's exact results.

import { errno } from "../errno.ts";
import { MachineFault } from "../fault.ts";
import type { HelperEnvironment } from "../helper-call.ts";
import { argReadable, argS32, argU32, argWritable, giveNumber } from "../helper-call.ts";
import type { ContextValues } from "../memory.ts";

/** sizeof(struct xdp_frame): the kernel keeps it free at the buffer's start. */
const frameBytes = 40;
/** An Ethernet header: no packet gets shorter. */
const leastBytes = 14;
/** What the kernel keeps at the end of a page: struct skb_shared_info, aligned. */
const reservedBytes = 320;
const pageBytes = 4096;
const mostMetaBytes = 252;
const mostOffset = 0xffff;
const none = new Uint8Array(0);

/** The packet's context. Throws MachineFault in a run on bare memory, which has none. */
export function contextOf(env: HelperEnvironment): ContextValues {
  if (env.context === null) throw new MachineFault("helper", "there is no packet in this run");
  return env.context;
}

/** bpf_xdp_adjust_head. */
export function adjustHead(env: HelperEnvironment): void {
  const context = contextOf(env);
  const offset = argS32(env, 2);
  const metaBytes = context.data - context.dataMeta;
  const data = context.data + offset;
  if (data < frameBytes + metaBytes || data > context.dataEnd - leastBytes) return giveNumber(env, -errno.EINVAL);
  if (metaBytes > 0) context.packet.bytes.copyWithin(context.dataMeta + offset, context.dataMeta, context.data);
  context.dataMeta += offset;
  context.data = data;
  env.packetMoved();
  giveNumber(env, 0);
}

/** The packet's bytes, all buffers together. */
export function lengthOf(context: ContextValues): number {
  return context.dataEnd - context.data + context.rest.length;
}

/** The runs of memory that hold `length` bytes of the packet from `offset` on, each with its place among them: no copies. */
export function buffersAt(
  context: ContextValues,
  offset: number,
  length: number,
): { readonly bytes: Uint8Array; readonly at: number }[] {
  const first = context.dataEnd - context.data;
  const here = Math.max(0, Math.min(length, first - offset));
  const beyond = offset + here - first;
  return [
    { bytes: context.packet.bytes.subarray(context.data + offset, context.data + offset + here), at: 0 },
    { bytes: here < length ? context.rest.subarray(beyond, beyond + length - here) : none, at: here },
  ].filter(({ bytes }) => bytes.length > 0);
}

/** bpf_xdp_adjust_tail of a packet with several buffers: the last one grows, or goes when nothing is left of it. */
function adjustRest(env: HelperEnvironment, context: ContextValues, offset: number): void {
  const { rest } = context;
  if (offset >= 0) {
    const inLast = ((rest.length - 1) % pageBytes) + 1;
    if (offset > pageBytes - inLast) return giveNumber(env, -errno.EINVAL);
    context.rest = new Uint8Array(rest.length + offset);
    context.rest.set(rest);
    env.packetMoved();
    return giveNumber(env, 0);
  }
  // As in C, the least number is its own negative: then nothing is cut.
  const cut = -offset | 0;
  if (cut > lengthOf(context) - leastBytes) return giveNumber(env, -errno.EINVAL);
  const left = rest.length - Math.max(0, cut);
  context.rest = rest.slice(0, Math.max(0, left));
  if (left < 0) context.dataEnd += left;
  env.packetMoved();
  giveNumber(env, 0);
}

/** bpf_xdp_adjust_tail: what is gained is zero. */
export function adjustTail(env: HelperEnvironment): void {
  const context = contextOf(env);
  const offset = argS32(env, 2);
  if (context.rest.length > 0) return adjustRest(env, context, offset);
  const { bytes } = context.packet;
  const pageEnd = Math.ceil((context.dataEnd + reservedBytes) / pageBytes) * pageBytes;
  const hardEnd = Math.min(bytes.length, pageEnd - reservedBytes);
  const dataEnd = context.dataEnd + offset;
  if (dataEnd > hardEnd || dataEnd < context.data + leastBytes) return giveNumber(env, -errno.EINVAL);
  if (offset > 0) bytes.fill(0, context.dataEnd, dataEnd);
  context.dataEnd = dataEnd;
  env.packetMoved();
  giveNumber(env, 0);
}

/** bpf_xdp_adjust_meta. */
export function adjustMeta(env: HelperEnvironment): void {
  const context = contextOf(env);
  const meta = context.dataMeta + argS32(env, 2);
  if (meta < frameBytes || meta > context.data) return giveNumber(env, -errno.EINVAL);
  const metaBytes = context.data - meta;
  if (metaBytes % 4 !== 0 || metaBytes > mostMetaBytes) return giveNumber(env, -errno.EACCES);
  context.dataMeta = meta;
  env.packetMoved();
  giveNumber(env, 0);
}

/** bpf_xdp_get_buff_len. */
export function getBuffLen(env: HelperEnvironment): void {
  const context = contextOf(env);
  giveNumber(env, lengthOf(context));
}

/** The packet's bytes that offset and length (arguments 2 and 4) name, or a negative error number. */
function packetBytes(env: HelperEnvironment): ReturnType<typeof buffersAt> | number {
  const context = contextOf(env);
  const offset = argU32(env, 2);
  const length = argU32(env, 4);
  if (offset > mostOffset || length > mostOffset) return -errno.EFAULT;
  return offset + length > lengthOf(context) ? -errno.EINVAL : buffersAt(context, offset, length);
}

/** bpf_xdp_load_bytes. */
export function loadBytes(env: HelperEnvironment): void {
  const target = argWritable(env, 3, argU32(env, 4));
  const source = packetBytes(env);
  if (typeof source === "number") return giveNumber(env, source);
  for (const { bytes, at } of source) target.set(bytes, at);
  giveNumber(env, 0);
}

/** bpf_xdp_store_bytes. */
export function storeBytes(env: HelperEnvironment): void {
  const source = argReadable(env, 3, argU32(env, 4));
  const target = packetBytes(env);
  if (typeof target === "number") return giveNumber(env, target);
  for (const { bytes, at } of target) bytes.set(source.subarray(at, at + bytes.length));
  giveNumber(env, 0);
}

/** bpf_csum_diff as kernels since 6.13 have it: 16 bits, not complemented, of any number of bytes (before: 32 bits, whole words). */
export function csumDiff(env: HelperEnvironment): void {
  const fromBytes = argU32(env, 2);
  const toBytes = argU32(env, 4);
  const from = fromBytes === 0 ? null : argReadable(env, 1, fromBytes);
  const to = toBytes === 0 ? null : argReadable(env, 3, toBytes);
  const seed = argU32(env, 5);
  let sum = seed;
  if (from !== null && to !== null) sum = addOnes(partialSum(to, seed), ~partialSum(from, 0) >>> 0);
  else if (to !== null) sum = partialSum(to, seed);
  else if (from !== null) sum = ~partialSum(from, ~seed >>> 0) >>> 0;
  const swapped = ((sum >>> 16) | (sum << 16)) >>> 0;
  giveNumber(env, ((sum + swapped) >>> 0) >>> 16);
}

/** The ones' complement sum of words of 32 bits (the last one filled up with zeros) and `seed`: 0 only when all are. */
function partialSum(bytes: Uint8Array, seed: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const whole = bytes.length & ~3;
  let sum = seed;
  for (let at = 0; at < whole; at += 4) sum += view.getUint32(at, true);
  for (let at = whole; at < bytes.length; at++) sum += bytes[at]! * 2 ** (8 * (at - whole));
  return sum === 0 ? 0 : ((sum - 1) % 0xffffffff) + 1;
}

/** a + b with the carry added, in 32 bits. */
function addOnes(a: number, b: number): number {
  const sum = a + b;
  return sum > 0xffffffff ? sum - 0xffffffff : sum;
}
