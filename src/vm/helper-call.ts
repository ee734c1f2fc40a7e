// How a program calls out: five arguments in, r0 back, and the surroundings a helper may look at and change. One signature for
// helpers and kernel functions, so that both executors call them alike. The functions themselves are helpers/*.
//
// 64-bit values travel as two int32 in `words`, the registers' own form in the compiled executor: no bigint is made in a call
// that doesn't need one. `words[2 * n]` is the low half of r<n>, `words[2 * n + 1]` its high half; n is 1 to 5 for arguments, 0
// for the result, which is 0 unless the helper sets it.

import { MachineFault } from "./fault.ts";
import type { VmMap } from "./map.ts";
import type { ContextValues, Memory, Region } from "./memory.ts";
import { originLo } from "./memory.ts";
import type { Clock, Redirect } from "./surroundings.ts";

/** A helper or kernel function: reads its arguments from `env.words`, leaves its result there; throws MachineFault for arguments it can't take. */
export type HelperFunction = (env: HelperEnvironment) => void;

/** Helpers by number, as in bpf/helpers.ts. */
export type HelperTable = ReadonlyMap<number, HelperFunction>;

/** Kernel functions by name. */
export type KfuncTable = ReadonlyMap<string, HelperFunction>;

/** What helpers see of the machine. One object for each machine, valid during a run. */
export interface HelperEnvironment {
  /** Registers r0 to r5 as 12 int32; shared by all calls, so a helper reads its arguments before it calls `invoke`. */
  readonly words: Int32Array;
  readonly memory: Memory;
  /** The packet and what xdp_md says of it; null for raw bytecode. After changing `data`, `dataEnd` or `dataMeta`, call `packetMoved`. */
  readonly context: ContextValues | null;
  /** Takes over the context's changed places: bounds follow, and pointers from before are no longer valid. */
  packetMoved(): void;
  /** The number of the CPU the program runs on. */
  readonly cpu: number;
  /** How many CPUs there are: the size of per-CPU maps. */
  readonly cpus: number;
  readonly clock: Clock;
  /** The next pseudo-random number, unsigned 32 bits; the sequence follows from the machine's seed. */
  random(): number;
  /** Takes a line of trace_printk, without line break. */
  trace(line: string): void;
  /** Where redirect and redirect_map say the packet is to go; the run's result shows it when the verdict is XDP_REDIRECT. */
  redirect: Redirect | null;
  /**
   * Calls the function of the program whose address (from a wide load of a function) is (hi, lo), with r1 to r5 from `args` (int32
   * pairs as in `words`: `args[2]` is the low half of r1), and leaves r0 in `args[0]`, `args[1]`. For loop, for_each_map_elem. Throws MachineFault.
   */
  invoke(hi: number, lo: number, args: Int32Array): void;
  /**
   * Asks for a tail call to the program that entry `program` of a prog_array stands for. False when 33 were made already in this
   * run; true means that the program won't come back to the instruction behind the call.
   */
  tailCall(program: TailTarget): boolean;
}

/** A program as a prog_array holds it: made by `Machine.program`, opaque to maps and helpers. */
export interface TailTarget {
  /** The program's name. */
  readonly name: string;
}

/** Argument `n` (1 to 5) as a number of 32 bits, unsigned: the high half is ignored. */
export function argU32(env: HelperEnvironment, n: number): number {
  return (env.words[2 * n] ?? 0) >>> 0;
}

/** Argument `n` as a signed number of 32 bits. */
export function argS32(env: HelperEnvironment, n: number): number {
  return env.words[2 * n] ?? 0;
}

/** Argument `n` as an unsigned number of 64 bits. */
export function argU64(env: HelperEnvironment, n: number): bigint {
  const lo = (env.words[2 * n] ?? 0) >>> 0;
  const hi = (env.words[2 * n + 1] ?? 0) >>> 0;
  return (BigInt(hi) << 32n) | BigInt(lo);
}

/** True when argument `n` is 0 in all 64 bits. */
export function argIsNull(env: HelperEnvironment, n: number): boolean {
  return env.words[2 * n] === 0 && env.words[2 * n + 1] === 0;
}

/** The `bytes` bytes that argument `n` points to, for reading: no copy. Throws MachineFault. */
export function argReadable(env: HelperEnvironment, n: number, bytes: number): Uint8Array {
  return env.memory.readable(env.words[2 * n + 1] ?? 0, env.words[2 * n] ?? 0, bytes);
}

/** The same for writing. */
export function argWritable(env: HelperEnvironment, n: number, bytes: number): Uint8Array {
  return env.memory.writable(env.words[2 * n + 1] ?? 0, env.words[2 * n] ?? 0, bytes);
}

/** The region that argument `n` points into, of kind `none` when it is no address. */
export function argRegion(env: HelperEnvironment, n: number): Region {
  return env.memory.regionAt(env.words[2 * n + 1] ?? 0);
}

/** The map whose handle argument `n` is. Throws MachineFault when it is none. */
export function argMap(env: HelperEnvironment, n: number): VmMap {
  const region = argRegion(env, n);
  if (region.kind !== "mapHandle" || region.map === null)
    throw new MachineFault("helper", `argument ${n} isn't a map but ${region.label}`);
  return region.map;
}

/** Sets r0 to a number of -2^53 to 2^53, as a signed value of 64 bits: 0 and negative error numbers above all. */
export function giveNumber(env: HelperEnvironment, value: number): void {
  env.words[0] = value | 0;
  env.words[1] = Math.floor(value / 2 ** 32) | 0;
}

/** Sets r0 to the low 64 bits of `value`. */
export function giveU64(env: HelperEnvironment, value: bigint): void {
  env.words[0] = Number(BigInt.asIntN(32, value));
  env.words[1] = Number(BigInt.asIntN(32, value >> 32n));
}

/** Sets r0 to the address of byte `index` of `region`, or to null. */
export function giveAddress(env: HelperEnvironment, region: Region | null, index = 0): void {
  env.words[0] = region === null ? 0 : originLo + index;
  env.words[1] = region === null ? 0 : env.memory.addressOf(region);
}
