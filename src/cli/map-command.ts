// `xdpc map`: finds the map, lets src/device work on it, and says what came of it: a line an entry, or a JSON object a line.

import { readFileSync } from "node:fs";
import { utf8 } from "../base/bytes.ts";
import { DeviceFailure } from "../device/failure.ts";
import { findMap, listMaps } from "../device/find-map.ts";
import {
  allEntries,
  deleteEntry,
  type Entry,
  getEntry,
  hasKeys,
  isSet,
  loadEntries,
  type OpenMap,
  setEntry,
} from "../device/map-entries.ts";
import { needCapabilities } from "../device/privilege.ts";
import { showValue } from "../device/show-value.ts";
import { jsonOfValue } from "../device/value-text.ts";
import type { MapOutput } from "../value-codec.ts";
import type { Manner } from "./command.ts";
import { describeSystemError, EXIT } from "./failure.ts";
import type { MapRequest } from "./map-options.ts";
import type { Reporter } from "./report.ts";
import type { System } from "./system.ts";

/** Exit code of `get` and `del` where there is no such entry. */
const NO_ENTRY = 1;

type Asked = MapRequest & { readonly manner: Manner };

/** Does what was asked for and returns the exit code. Throws DeviceFailure. */
export function runMap(request: Asked, system: System, reporter: Reporter): number {
  const write = (line: string): void => void system.write(1, utf8(`${line}\n`));
  const place = { device: request.device, folder: request.pin };
  if (request.name === null) return writeList(request, write);
  const { map, found } = findMap(request.name, place);
  try {
    return perform(request, { map, name: request.name, home: found?.home ?? null }, write, reporter);
  } finally {
    map.close();
  }
}

function perform(request: Asked, open: OpenMap, write: (line: string) => void, reporter: Reporter): number {
  const { action, key, value, perCpu, manner } = request;
  switch (action) {
    case "get": {
      const there = getEntry(open, needKey(request, open), perCpu);
      if (there === null) return absent(request, write);
      if (isSet(open.map) && !manner.json) {
        write(`map ${open.name} has ${key}`);
        return EXIT.fine;
      }
      write(
        manner.json
          ? JSON.stringify({ type: "entry", ...(key === null ? {} : { key }), value: jsonOfValue(there) })
          : showValue(there),
      );
      return EXIT.fine;
    }
    case "set":
    case "add": {
      const keyless = !hasKeys(open.map);
      if (keyless && value !== null)
        throw new DeviceFailure("usage", `a ${open.map.kind} has values without keys: give one word`);
      setEntry(open, keyless ? null : key, keyless ? key : value, action === "add" ? "new" : "any");
      return EXIT.fine;
    }
    case "del": {
      const result = deleteEntry(open, needKey(request, open));
      if (result === false) return absent(request, write);
      if (result !== true)
        write(manner.json ? JSON.stringify({ type: "entry", value: jsonOfValue(result) }) : showValue(result));
      return EXIT.fine;
    }
    case "dump": {
      const set = isSet(open.map);
      const entries = allEntries(open, perCpu);
      const shown =
        request.zeros || entries.length <= FEW ? entries : entries.filter(({ value }) => !isZero(open.map, value));
      for (const entry of shown) write(entryLine(entry, set, manner.json));
      if (shown.length < entries.length) {
        const left = entries.length - shown.length;
        reporter.info("zeros", { left }, `xdpc: ${left} entries that are zero aren't shown (--zeros shows them)`);
      }
      return EXIT.fine;
    }
    case "load": {
      const file = key ?? "-";
      const { set, removed } = loadEntries(open, textOfFile(file), file, request.only);
      const words = `${open.name}: ${counted(set)} set${request.only ? `, ${counted(removed)} removed` : ""}`;
      write(manner.json ? JSON.stringify({ type: "load", map: open.name, set, removed }) : words);
      return EXIT.fine;
    }
  }
}

/** The key of `get` and `del`; maps without keys have none, a bloom filter is asked for a value in its place. */
function needKey({ action, key, name }: Asked, { map }: OpenMap): string | null {
  const wanted = hasKeys(map) || map.kind === "bloom_filter";
  if (wanted && key === null) throw new DeviceFailure("usage", `xdpc map ${name} ${action} needs a KEY`);
  if (!wanted && key !== null)
    throw new DeviceFailure("usage", `a ${map.kind} has no keys: xdpc map ${name} ${action}`);
  return key;
}

function absent({ manner, key, name }: Asked, write: (line: string) => void): number {
  if (manner.json) write(JSON.stringify({ type: "absent", map: name, key }));
  else write(key === null ? `map ${name} is empty` : `map ${name} has no entry ${key}`);
  return NO_ENTRY;
}

function entryLine({ key, value }: Entry, set: boolean, json: boolean): string {
  if (json) return JSON.stringify({ type: "entry", key: jsonOfValue(key), value: jsonOfValue(value) });
  return set && isOne(value) ? showValue(key) : `${showValue(key)} ${showValue(value)}`;
}

/** Arrays of more entries than this are shown without those that are zero. */
const FEW = 256;

/** Whether an entry of an array, which has all of them always, was never written to. */
function isZero(map: OpenMap["map"], value: MapOutput): boolean {
  if (map.kind !== "array" && map.kind !== "percpu_array") return false;
  const leaves = (part: MapOutput): readonly MapOutput[] =>
    typeof part !== "object" || part instanceof Uint8Array ? [part] : Object.values(part).flatMap(leaves);
  return leaves(value).every((leaf) => leaf === 0 || leaf === 0n || leaf === false);
}

function isOne(value: MapOutput): boolean {
  return value === 1 || value === true;
}

function counted(entries: number): string {
  return `${entries} ${entries === 1 ? "entry" : "entries"}`;
}

function textOfFile(file: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file === "-" ? 0 : file);
  } catch (error) {
    throw new DeviceFailure("no-file", `${file} can't be read: ${describeSystemError(error)}`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new DeviceFailure("no-file", `${file} is not text in UTF-8`);
  }
}

function writeList(request: Asked, write: (line: string) => void): number {
  needCapabilities("read maps", ["CAP_BPF"]);
  const rows = listMaps({ device: request.device, folder: request.pin }).map((named) => {
    const map = named.open();
    try {
      return {
        device: named.device,
        name: named.name,
        kind: map.kind ?? `type ${map.info.type}`,
        maxEntries: map.info.maxEntries,
        id: map.info.id,
        ours: named.home !== null,
      };
    } finally {
      map.close();
    }
  });
  if (request.manner.json) for (const row of rows) write(JSON.stringify({ type: "map", ...row }));
  else if (rows.length === 0) write("there are no maps: no device has a program");
  else {
    const table = [
      ["device", "map", "kind", "max entries"],
      ...rows.map((r) => [r.device, r.name, r.kind, String(r.maxEntries)]),
    ];
    const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((cells) => cells[column]?.length ?? 0)));
    for (const cells of table)
      write(cells.map((cell, i) => (i === 3 ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0))).join("  "));
  }
  return EXIT.fine;
}
