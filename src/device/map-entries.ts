// What `xdpc map` does to a map: read an entry, set, add, delete, list all, load a file of them. Everything is read and understood before
// anything is written; what the kernel refuses is told in words, per kind. Knows no command line.
// Source: Linux kernel/bpf/syscall.c and the maps' own files for the error numbers of each kind.

import type { MapOutput } from "../value-codec.ts";
import { ValueError } from "../value-codec.ts";
import { ERRNO, errnoText } from "./errno.ts";
import { DeviceFailure } from "./failure.ts";
import { type KernelMap, UPDATE } from "./kernel-map.ts";
import { keyType, leadingKey, type MadeValue, madeValue, shownValue } from "./map-values.ts";
import type { PinHome } from "./pins.ts";
import { bytesOfText } from "./value-text.ts";

/** A map under the name it was asked for by. */
export interface OpenMap {
  readonly map: KernelMap;
  readonly name: string;
  readonly home: PinHome | null;
}

/** An entry by its types. */
export interface Entry {
  readonly key: MapOutput;
  readonly value: MapOutput;
}

const KEYLESS = new Set(["queue", "stack", "bloom_filter"]);
const DENSE = new Set(["array", "percpu_array"]);
/** Kinds that hold what user space can't write down. */
const WITHOUT_ENTRIES: Readonly<Record<string, string>> = {
  ringbuf: "a ring buffer has no entries: `xdpc capture` reads what `sample` puts in",
  perf_event_array: "its entries are buffers of readers, not values: `xdpc capture` is such a reader",
  xskmap: "its entries are AF_XDP sockets, which put themselves in when they are bound; the kernel doesn't show them",
};

/** Whether a map's keys alone say everything: a set of the rules, whose values are one byte that says nothing. */
export function isSet(map: KernelMap): boolean {
  const { info, kind } = map;
  return info.valueBytes === 1 && ["hash", "lru_hash", "lpm_trie"].includes(kind ?? "");
}

/** Whether its entries have keys. */
export function hasKeys(map: KernelMap): boolean {
  return !KEYLESS.has(map.kind ?? "");
}

function needEntries({ map, name }: OpenMap, doing: string): void {
  const why = WITHOUT_ENTRIES[map.kind ?? ""];
  if (why !== undefined) throw new DeviceFailure("kind", `can't ${doing} map ${name} of kind ${map.kind}`, [why]);
}

/**
 * The value at a key; of a queue or stack (key null) the next one, which stays; of a bloom filter whether it may hold the value that stands in
 * the key's place; null when there is none.
 */
export function getEntry(open: OpenMap, key: string | null, everyCpu: boolean): MapOutput | null {
  needEntries(open, "read");
  const { map } = open;
  if (map.kind === "bloom_filter") return mayHold(open, key);
  const values = map.lookup(key === null ? new Uint8Array(0) : keyBytes(open, key));
  if (typeof values === "number") throw refused(open, "read", values, key);
  return values === null ? null : shownValue(map, values, everyCpu);
}

function mayHold(open: OpenMap, value: string | null): MapOutput | null {
  const made = valueFor(open, value);
  const result = open.map.mayHold(made.bytes);
  if (typeof result === "number") throw refused(open, "ask", result, value);
  return result ? "may be there" : null;
}

/** Makes or replaces an entry; `mode` new: only where there is none. For sets `value` may be null. */
export function setEntry(open: OpenMap, key: string | null, value: string | null, mode: "any" | "new"): void {
  needEntries(open, "write to");
  const { map } = open;
  const bytes = key === null ? new Uint8Array(0) : keyBytes(open, key);
  const made = valueFor(open, value);
  try {
    const result = map.update(bytes, placed(map, made), hasKeys(map) ? UPDATE[mode] : UPDATE.any);
    if (result < 0) throw refused(open, "write to", result, key);
  } finally {
    made.release();
  }
}

/** A per-CPU value: what is written stands for all CPUs together, so one has it and the others zero. */
function placed(map: KernelMap, { bytes }: MadeValue): Uint8Array | readonly Uint8Array[] {
  if (!map.isPerCpu) return bytes;
  return Array.from({ length: map.parts }, (_, cpu) => (cpu === 0 ? bytes : new Uint8Array(bytes.length)));
}

function valueFor(open: OpenMap, value: string | null): MadeValue {
  if (value === null) {
    if (isSet(open.map)) return { bytes: Uint8Array.of(1), release: () => undefined };
    throw new DeviceFailure("usage", `map ${open.name} has values: give one behind the key`);
  }
  try {
    return madeValue(open.map, open.home, value);
  } catch (error) {
    if (error instanceof ValueError)
      throw new DeviceFailure("value", `"${value}" is no value of map ${open.name}: ${error.message}`);
    throw error;
  }
}

function keyBytes(open: OpenMap, text: string): Uint8Array {
  try {
    return bytesOfText(text, keyType(open.map));
  } catch (error) {
    if (error instanceof ValueError)
      throw new DeviceFailure("value", `"${text}" is no key of map ${open.name}: ${error.message}`);
    throw error;
  }
}

/** Removes an entry; false when there was none. Of a queue or stack (key null) takes the next value, which is given back. */
export function deleteEntry(open: OpenMap, key: string | null): boolean | MapOutput {
  needEntries(open, "delete from");
  const { map, name } = open;
  if (key === null) {
    const taken = map.take();
    if (typeof taken === "number") throw refused(open, "take from", taken, null);
    return taken === null ? false : shownValue(map, taken, false);
  }
  if (DENSE.has(map.kind ?? ""))
    throw new DeviceFailure("kind", `the entries of map ${name} can't be deleted: an array has all of them, always`, [
      `xdpc map ${name} set ${key} VALUE`,
    ]);
  const result = map.delete(keyBytes(open, key));
  if (result === -ERRNO.ENOENT) return false;
  if (result < 0) throw refused(open, "delete from", result, key);
  return true;
}

/** All entries, in the kernel's order. */
export function allEntries(open: OpenMap, everyCpu: boolean): readonly Entry[] {
  needEntries(open, "list");
  const { map, name } = open;
  if (!hasKeys(map))
    throw new DeviceFailure(
      "kind",
      `the values of map ${name} can't be listed: the kernel shows of a ${map.kind} ${map.kind === "bloom_filter" ? "nothing" : "only the next"}`,
      map.kind === "bloom_filter" ? [] : [`xdpc map ${name} get`],
    );
  const entries = map.entries();
  if (entries === null)
    throw new DeviceFailure(
      "kind",
      `the kernel doesn't list the entries of a map of kind ${map.kind ?? map.info.type}`,
    );
  return entries.map(([key, values]) => ({
    key: map.codecs.key.decode(key),
    value: shownValue(map, values, everyCpu),
  }));
}

/** What loading a file did. */
export interface Loaded {
  readonly set: number;
  readonly removed: number;
}

/**
 * Sets an entry for each line of `text`: `KEY` for sets, `KEY VALUE` for other maps, `VALUE` for queues and the like; `#` begins a comment.
 * `only` removes the entries that no line names. All lines are understood before the first is written, and a full map is seen beforehand;
 * what fails nevertheless says at which line. Throws DeviceFailure.
 */
export function loadEntries(open: OpenMap, text: string, file: string, only: boolean): Loaded {
  needEntries(open, "load");
  const { map, name } = open;
  if (only && !hasKeys(map))
    throw new DeviceFailure("kind", `a ${map.kind} has no keys by which entries could be left out`);
  const lines = readLines(open, text, file);
  try {
    const before = hasKeys(map) ? (map.keys() ?? []) : [];
    const given = new Set(lines.map((line) => hexOf(line.key)));
    const stale = only && !DENSE.has(map.kind ?? "") ? before.filter((key) => !given.has(hexOf(key))) : [];
    const known = new Set(before.map(hexOf));
    const added = [...given].filter((key) => !known.has(key)).length;
    const lossless = map.kind !== null && !map.kind.startsWith("lru") && hasKeys(map) && !DENSE.has(map.kind);
    if (lossless && before.length - stale.length + added > map.info.maxEntries)
      throw new DeviceFailure(
        "full",
        `map ${name} takes ${map.info.maxEntries} entries; with ${file} it would have ${before.length - stale.length + added}`,
        ["nothing was written", "make it larger in the rules and attach them with --replace"],
      );
    // What goes makes room for what comes; a packet in between misses an entry that is to go anyway.
    for (const key of stale) map.delete(key);
    for (const line of lines) {
      const result = map.update(line.key, placed(map, line.made), UPDATE.any);
      if (result < 0) throw refused(open, `write line ${line.number} of ${file} to`, result, null);
    }
    return { set: lines.length, removed: stale.length };
  } finally {
    for (const { made } of lines) made.release();
  }
}

interface Line {
  readonly number: number;
  readonly key: Uint8Array;
  readonly made: MadeValue;
}

/** Faulty lines shown at most. */
const MOST_FAULTS = 10;

function readLines(open: OpenMap, text: string, file: string): readonly Line[] {
  const lines: Line[] = [];
  const faults: string[] = [];
  for (const [at, written] of text.split(/\r\n|\n|\r/).entries()) {
    const content = written.replace(/#.*$/, "").trim();
    if (content === "") continue;
    try {
      lines.push({ number: at + 1, ...readLine(open, content) });
    } catch (error) {
      if (!(error instanceof ValueError) && !(error instanceof DeviceFailure)) throw error;
      faults.push(`${file}:${at + 1}: ${error.message}`);
    }
  }
  if (faults.length === 0) return lines;
  for (const { made } of lines) made.release();
  const more = faults.length > MOST_FAULTS ? [`and ${faults.length - MOST_FAULTS} more`] : [];
  throw new DeviceFailure(
    "value",
    `${faults.length === 1 ? "a line" : `${faults.length} lines`} of ${file} can't be put into map ${open.name}; nothing was written`,
    [...faults.slice(0, MOST_FAULTS), ...more],
  );
}

function readLine(open: OpenMap, content: string): { readonly key: Uint8Array; readonly made: MadeValue } {
  if (!hasKeys(open.map)) return { key: new Uint8Array(0), made: valueFor(open, content) };
  const { bytes, rest } = leadingKey(open.map, content);
  const value = rest.replace(/^[:=]\s*/, "");
  return { key: bytes, made: valueFor(open, value === "" ? null : value) };
}

function hexOf(key: Uint8Array): string {
  return Buffer.from(key).toString("latin1");
}

function refused({ map, name }: OpenMap, doing: string, result: number, key: string | null): DeviceFailure {
  const at = key === null ? "" : ` at ${key}`;
  switch (-result) {
    case ERRNO.E2BIG:
      return DENSE.has(map.kind ?? "") || map.kind === "devmap" || map.kind === "prog_array" || map.kind === "cpumap"
        ? new DeviceFailure(
            "value",
            `map ${name} has entries 0 to ${map.info.maxEntries - 1}${key === null ? "" : `, not ${key}`}`,
          )
        : new DeviceFailure("full", `map ${name} is full: it holds ${map.info.maxEntries} entries`, [
            `delete some (xdpc map ${name} del${hasKeys(map) ? " KEY" : ""}), or make it larger in the rules and attach them with --replace`,
            ...(map.kind === "hash" || map.kind === "percpu_hash"
              ? ["with `lru` in the rules the entries used least recently make room by themselves"]
              : []),
          ]);
    case ERRNO.ENOSPC:
      return new DeviceFailure("full", `map ${name} is full: it holds ${map.info.maxEntries} entries`);
    case ERRNO.EEXIST:
      return new DeviceFailure("exists", `map ${name} has an entry${at} already`, [`xdpc map ${name} set replaces it`]);
    case ERRNO.EPERM:
      // The kernel writes to no frozen map, whoever asks.
      if (name === ".rodata" || map.info.name.endsWith(".rodata"))
        return new DeviceFailure(
          "kind",
          `map ${name} holds configs and texts, which are fixed while the program runs`,
          ["xdpc attach FILE IFACE --replace --set NAME=VALUE gives them other values and keeps the other maps"],
        );
      return new DeviceFailure("no-privilege", `may not ${doing} map ${name}`, [
        "rules may have declared it rdonly or wronly for user space; else run it as root (sudo)",
      ]);
    case ERRNO.EINVAL:
    case ERRNO.ENODEV:
      return new DeviceFailure(
        "value",
        `the kernel refuses to ${doing} map ${name}${at}: ${errnoText(result)}`,
        hintFor(map),
      );
    default:
      return new DeviceFailure("kernel", `can't ${doing} map ${name}${at}: ${errnoText(result)}`);
  }
}

function hintFor(map: KernelMap): readonly string[] {
  switch (map.kind) {
    case "prog_array":
      return ["all programs of such a map must agree in their section and in frags"];
    case "devmap":
    case "devmap_hash":
      return ["the device must have an XDP transmit path: a veth needs a program or GRO on its peer"];
    case "array_of_maps":
    case "hash_of_maps":
      return ["an inner map must be like the one that the rules name: kind, key, value and flags"];
    default:
      return [];
  }
}
