// What a small program's test says: its text, the state it starts with, and a plain function that says what each packet should
// get, over the oracle's reading of it. State is modelled as bytes by key, as the kernel shows it.

import { bigEndian, hex, ip4, ip6, littleEndian, mac } from "../../support/addresses.ts";
import type { Verdict } from "../../support/bpf.ts";
import type { Reading } from "../../support/oracle.ts";

/** What a program should do with one packet: a verdict, and the frame it should leave when that isn't the frame it got. */
export type Outcome = Verdict | { readonly verdict: Verdict; readonly frame: Uint8Array };

/** The model of a program's state while packets run: what the expectation function reads and changes. */
export class State {
  readonly #maps = new Map<string, Map<string, Uint8Array>>();
  readonly #counters = new Map<string, Map<string, [packets: bigint, bytes: bigint]>>();
  readonly #globals = new Map<string, bigint>();

  /** The entries of a map by key in hexadecimal. */
  map(name: string): Map<string, Uint8Array> {
    return getOrAdd(this.#maps, name, () => new Map());
  }

  /** True when the map has that key. */
  has(name: string, key: Uint8Array): boolean {
    return this.map(name).has(hex(key));
  }

  /** The value at a key. */
  get(name: string, key: Uint8Array): Uint8Array | undefined {
    return this.map(name).get(hex(key));
  }

  /** Sets a key. */
  put(name: string, key: Uint8Array, value: Uint8Array): void {
    this.map(name).set(hex(key), value);
  }

  /** Removes a key. */
  remove(name: string, key: Uint8Array): void {
    this.map(name).delete(hex(key));
  }

  /** The unsigned number that a value of 1 to 8 bytes in host order stands for; 0 without an entry. */
  number(name: string, key: Uint8Array): bigint {
    return fromLittleEndian(this.get(name, key) ?? new Uint8Array(0));
  }

  /** Adds to the number at a key, wrapping at `size` bytes; makes the entry. */
  add(name: string, key: Uint8Array, amount: number | bigint, size: number): void {
    this.put(name, key, littleEndian(BigInt.asUintN(size * 8, this.number(name, key) + BigInt(amount)), size));
  }

  /** Counts a packet, as `count name` or `count name[key]` should. */
  count(name: string, packet: Reading, key: Uint8Array = new Uint8Array(0)): void {
    const entry = getOrAdd(
      getOrAdd(this.#counters, name, () => new Map()),
      trimmed(key),
      () => [0n, 0n],
    );
    entry[0] += 1n;
    entry[1] += BigInt(packet.len);
  }

  /** A counter's entries by trimmed key. */
  counter(name: string): ReadonlyMap<string, [packets: bigint, bytes: bigint]> {
    return this.#counters.get(name) ?? new Map();
  }

  /** A global variable's value; 0 until set. */
  global(name: string): bigint {
    return this.#globals.get(name) ?? 0n;
  }

  /** Sets a global variable. */
  setGlobal(name: string, value: bigint | number): void {
    this.#globals.set(name, BigInt(value));
  }

  /** The global variables that were set. */
  get globals(): ReadonlyMap<string, bigint> {
    return this.#globals;
  }
}

/** A map's initial entries. */
export type Entries = readonly (readonly [key: Uint8Array, value: Uint8Array])[];

/** One small program and what it should do. */
export interface SmallProgram {
  /** What it shows; unique. */
  readonly name: string;
  readonly source: string;
  /** Called once per packet, in order; changes `state` as the program should. */
  readonly expect: (packet: Reading, state: State) => Outcome;
  /** Entries to begin with. */
  readonly before?: Readonly<Record<string, Entries>>;
  /** xskmaps whose given entries hold an open AF_XDP socket, devmaps a device, cpumaps CPU 0. */
  readonly filled?: Readonly<Record<string, readonly number[]>>;
  /** Global variables with their initial values, compared after the run; `size` in bytes (host order). */
  readonly globals?: Readonly<Record<string, { readonly initial: bigint; readonly size: number }>>;
  /** `config` values to set before loading, as bytes. */
  readonly config?: Readonly<Record<string, Uint8Array>>;
  /** Counters: compared by the sum over CPUs. */
  readonly counters?: readonly string[];
  /** Maps whose entries are compared after the run; per-CPU ones as sums of 8-byte words. */
  readonly maps?: readonly string[];
  /** The program to run, when there are several. */
  readonly program?: string;
  /** Files that can be imported, by path. */
  readonly files?: Readonly<Record<string, string>>;
  /** Frames to add to the corpus. */
  readonly extra?: readonly Uint8Array[];
  /** The RX queue to run on, of a device with several; default queue 0 of loopback. */
  readonly queue?: number;
  /** Run on fewer packets: for programs whose state makes a long run dear. */
  readonly quick?: boolean;
}

/** A program that the compiler must refuse, at a place. */
export interface RefusedProgram {
  readonly name: string;
  /** The text; the fault's place is marked by « and » around what the diagnostic's span must touch. */
  readonly source: string;
  /** What the message, its notes or help must mention. */
  readonly says?: RegExp;
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}

/** A key in hexadecimal without the zeros at its end: the same whether a small integer is kept as itself or as an index. */
export function trimmed(key: Uint8Array): string {
  return hex(key).replace(/(00)+$/, "");
}

/** The number that bytes in host order stand for. */
export function fromLittleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let index = bytes.length - 1; index >= 0; index--) value = (value << 8n) | BigInt(bytes[index]!);
  return value;
}

/** Keys and values as the kernel keeps them: integers in host order, addresses in network order. */
export const u8 = (value: number): Uint8Array => littleEndian(value, 1);
export const u16 = (value: number): Uint8Array => littleEndian(value, 2);
export const u32 = (value: number): Uint8Array => littleEndian(value, 4);
export const u64 = (value: number | bigint): Uint8Array => littleEndian(value, 8);
export const addr4 = (value: number | string): Uint8Array =>
  bigEndian(typeof value === "string" ? ip4(value) : value, 4);
export const addr6 = (value: bigint | string): Uint8Array =>
  bigEndian(typeof value === "string" ? ip6(value) : value, 16);
export const addrMac = (value: number | string): Uint8Array =>
  bigEndian(typeof value === "string" ? mac(value) : value, 6);
export const zeros = (count: number): Uint8Array => new Uint8Array(count);

/** A set's entry: its key, and the one byte that says nothing. */
export const member = (key: Uint8Array): readonly [Uint8Array, Uint8Array] => [key, u8(1)];

/** `condition ? "drop" : "pass"`: what most small programs do. */
export const dropIf = (condition: boolean | undefined): Verdict => (condition === true ? "drop" : "pass");

/** The frame with the given bytes written at the given offsets, and a verdict. */
export function rewritten(
  verdict: Verdict,
  packet: Reading,
  ...patches: readonly (readonly [number, Uint8Array])[]
): Outcome {
  const frame = packet.frame.slice();
  for (const [offset, bytes] of patches) frame.set(bytes, offset);
  return { verdict, frame };
}
