// How the status of devices is told: for people as tables, for programs as JSON. Text only; what is so is src/device's.

import path from "node:path";
import { pinsAreHidden } from "../device/pins.ts";
import type { RuleStatus } from "../device/rule-table.ts";
import type { CounterStatus, DeviceStatus, ProgramStatus, Tally } from "../device/status.ts";
import type { Paint } from "./test-output.ts";

/** Packets and bits a second, by device, counter and key ("" for a whole counter). */
export type Rates = ReadonlyMap<string, { readonly packets: number; readonly bits: number }>;

/** One reading. */
interface Reading {
  readonly devices: readonly DeviceStatus[];
  readonly atMs: number;
}

/** What was counted a second between two readings. */
export function ratesSince(before: Reading, now: Reading): Rates {
  const seconds = Math.max((now.atMs - before.atMs) / 1000, 0.001);
  const earlier = new Map<string, Tally>();
  eachTally(before.devices, (place, tally) => earlier.set(place, tally));
  const rates = new Map<string, { packets: number; bits: number }>();
  eachTally(now.devices, (place, { packets, bytes }) => {
    const was = earlier.get(place);
    // A key that wasn't shown before may have been there: its rate isn't known. A counter that fell was made anew.
    if (was === undefined || packets < was.packets) return;
    rates.set(place, {
      packets: Number(packets - was.packets) / seconds,
      bits: (Number(bytes - was.bytes) * 8) / seconds,
    });
  });
  return rates;
}

function eachTally(devices: readonly DeviceStatus[], each: (place: string, tally: Tally) => void): void {
  for (const device of devices)
    for (const program of device.programs)
      for (const counter of program.counters) {
        each(placeOf(device, program, counter), counter.total);
        for (const entry of counter.entries ?? []) each(placeOf(device, program, counter, entry.key), entry);
      }
}

function placeOf(device: DeviceStatus, program: ProgramStatus, counter: CounterStatus, key = ""): string {
  return `${device.device} ${program.mode} ${counter.name} ${key}`;
}

// -------------------------------------------------------------------------------------------------------------- for people

/** The status as people read it. `asked`: the device that was asked for, null for all. */
export function statusText(
  devices: readonly DeviceStatus[],
  rates: Rates | null,
  paint: Paint,
  asked: string | null,
): string {
  const blocks = devices.map((device) => deviceLines(device, rates, paint));
  if (blocks.length === 0) return "no device has an XDP program here\n";
  if (asked !== null && devices[0]?.programs.length === 0 && devices[0].stale === null)
    return `${asked}: no XDP program is attached\n`;
  return `${blocks.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

function deviceLines(device: DeviceStatus, rates: Rates | null, paint: Paint): readonly string[] {
  const lines: string[] = [];
  for (const program of device.programs) {
    const name =
      program.name === null ? `program ${program.id}` : program.name === "" ? "(without a name)" : program.name;
    const facts = [`id ${program.id}`, ...(program.tag === null ? [] : [`tag ${program.tag}`]), program.mode];
    lines.push(`${paint.strong(`${device.device}: ${name}`)} (${facts.join(", ")})${loadedText(program)}`);
    if (program.runs !== null) {
      const { count, timeNs } = program.runs;
      lines.push(`  ran ${grouped(count)} times, ${timeNs / count} ns each`);
    }
    if (program.folder === null) {
      lines.push(
        program.tag === null
          ? "  the kernel tells more to root (sudo), or with CAP_SYS_ADMIN"
          : pinsAreHidden()
            ? "  whether xdpc attached it can't be told: /sys/fs/bpf isn't seen here (`ip netns exec` hides it: nsenter --net=/run/netns/NAME doesn't)"
            : "  xdpc didn't attach it: its maps aren't shown",
      );
      continue;
    }
    lines.push(`  pinned below ${program.folder}`);
    if (program.maps.length > 0)
      lines.push(`  maps: ${program.maps.map((map) => `${map.name} (${map.kind}, ${map.maxEntries})`).join(", ")}`);
    if (program.hidden)
      lines.push("  counters aren't shown: the kernel tells the maps' types to root (CAP_SYS_ADMIN) only");
    if (program.counters.length > 0) lines.push("", ...counterLines(device, program, rates, paint));
    if (program.rules !== null) lines.push("", ...ruleLines(program.rules, paint));
  }
  if (device.stale !== null) {
    lines.push(
      `${paint.strong(`${device.device}:`)} pins of a program that isn't attached any more, below ${device.stale}`,
      `  xdpc detach ${device.device} removes them`,
    );
  }
  if (lines.length === 0) lines.push(`${device.device}: no XDP program is attached`);
  return lines;
}

function loadedText({ loaded, file }: ProgramStatus): string {
  const parts: string[] = [];
  if (loaded !== null) parts.push(`loaded ${timeText(loaded)}`);
  if (file !== null) parts.push(`from ${file}`);
  return parts.length === 0 ? "" : `, ${parts.join(" ")}`;
}

/** A time in this machine's zone. */
function timeText(date: Date): string {
  const two = (n: number): string => String(n).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

interface Row {
  readonly cells: readonly string[];
  readonly dim: boolean;
}

const LONGEST_KEY = 48;
const LONGEST_PLACE = 72;

function counterLines(
  device: DeviceStatus,
  program: ProgramStatus,
  rates: Rates | null,
  paint: Paint,
): readonly string[] {
  const rows: Row[] = [];
  const hasKeys = program.counters.some((counter) => counter.entries !== null);
  const cellsOf = (tally: Tally, place: string): readonly string[] => {
    const rate = rates?.get(place);
    const now = rates === null ? [] : rate === undefined ? ["", ""] : [ratePackets(rate.packets), rateBits(rate.bits)];
    return [grouped(tally.packets), grouped(tally.bytes), ...now];
  };
  for (const counter of program.counters) {
    const place = placesText(counter);
    const key = counter.entries === null ? "" : `all ${counter.entries.length + counter.more}`;
    if (counter.fault !== null) {
      rows.push({ cells: [counter.name, ...(hasKeys ? [""] : []), counter.fault], dim: false });
      continue;
    }
    rows.push({
      cells: [
        counter.name,
        ...(hasKeys ? [key] : []),
        ...cellsOf(counter.total, placeOf(device, program, counter)),
        place,
      ],
      dim: counter.total.packets === 0n,
    });
    for (const entry of counter.entries ?? []) {
      rows.push({
        cells: ["", shortened(entry.key, LONGEST_KEY), ...cellsOf(entry, placeOf(device, program, counter, entry.key))],
        dim: false,
      });
    }
    if (counter.more > 0) rows.push({ cells: ["", `… ${counter.more} more`], dim: true });
  }
  const head = ["counter", ...(hasKeys ? ["key"] : []), "packets", "bytes"];
  if (rates !== null) head.push("packets/s", "bit/s");
  head.push("counted at");
  const firstNumber = hasKeys ? 2 : 1;
  const isNumber = (column: number): boolean => column >= firstNumber && column < head.length - 1;
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map(({ cells }) => (column < head.length - 1 ? (cells[column]?.length ?? 0) : 0))),
  );
  const drawn = (cells: readonly string[]): string =>
    `  ${cells.map((cell, i) => (isNumber(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(i < head.length - 1 ? (widths[i] ?? 0) : 0))).join("  ")}`.trimEnd();
  return [paint.dim(drawn(head)), ...rows.map(({ cells, dim }) => (dim ? paint.dim(drawn(cells)) : drawn(cells)))];
}

const LONGEST_RULE = 60;

/** The table of rules, as `xdpc run` has it. */
function ruleLines(rules: readonly RuleStatus[], paint: Paint): readonly string[] {
  const cells = rules.map(({ file, line, text, depth, reached, held }) => ({
    place: `${path.basename(file)}:${line}`,
    text: shortened("  ".repeat(depth) + text, LONGEST_RULE),
    reached: grouped(reached),
    held: held === null ? "" : grouped(held),
  }));
  const width = (title: string, of: (row: (typeof cells)[number]) => string): number =>
    Math.max(title.length, ...cells.map((row) => of(row).length));
  const [place, text] = [width("", (row) => row.place), width("rule", (row) => row.text)];
  const [reached, held] = [width("reached", (row) => row.reached), width("held", (row) => row.held)];
  const drawn = (a: string, b: string, c: string, d: string): string =>
    `  ${a.padEnd(place)}  ${b.padEnd(text)}  ${c.padStart(reached)}  ${d.padStart(held)}`.trimEnd();
  return [
    paint.dim(drawn("", "rule", "reached", "held")),
    ...cells.map((row, i) => {
      const line = drawn(row.place, row.text, row.reached, row.held);
      return rules[i]?.reached === 0n ? paint.dim(line) : line;
    }),
  ];
}

/** Where rules count: `fw.xdp:7: if ip.saddr in blocked then …` for one place, `fw.xdp:7, 10` for several. */
function placesText({ lines }: CounterStatus): string {
  const [first, ...more] = lines;
  if (first === undefined) return "";
  const start = `${path.basename(first.file)}:${first.line}`;
  if (more.length === 0) return shortened(`${start}: ${first.text}`, LONGEST_PLACE);
  const rest = more.map(({ file, line }) => (file === first.file ? String(line) : `${path.basename(file)}:${line}`));
  return shortened([start, ...rest].join(", "), LONGEST_PLACE);
}

function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

function grouped(number: bigint): string {
  return number.toLocaleString("en-US");
}

function ratePackets(rate: number): string {
  return rate < 10 && rate > 0 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en-US");
}

function rateBits(rate: number): string {
  for (const [size, unit] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    if (rate >= size) return `${(rate / size).toFixed(1)}${unit}`;
  }
  return String(Math.round(rate));
}

// ------------------------------------------------------------------------------------------------------------ for programs

/** One JSON object with `type` "status" a device; counts are numbers, or texts beyond 2⁵³. */
export function statusJson(devices: readonly DeviceStatus[], rates: Rates | null): string {
  return devices
    .map((device) => {
      const programs = device.programs.map(({ runs, loaded, counters, rules, ...rest }) => ({
        ...rest,
        loaded: loaded?.toISOString() ?? null,
        runs: runs === null ? null : { count: numberOf(runs.count), timeNs: numberOf(runs.timeNs) },
        rules:
          rules?.map(({ reached, held, ...rule }) => ({
            ...rule,
            reached: numberOf(reached),
            held: held === null ? null : numberOf(held),
          })) ?? null,
        counters: counters.map(({ name, lines, total, entries, more, fault }) => ({
          name,
          lines,
          ...tallyOf(total),
          ...rateOf(rates, `${device.device} ${rest.mode} ${name} `),
          entries:
            entries?.map((entry) => ({
              key: entry.key,
              ...tallyOf(entry),
              ...rateOf(rates, `${device.device} ${rest.mode} ${name} ${entry.key}`),
            })) ?? null,
          more,
          fault,
        })),
      }));
      return `${JSON.stringify({ type: "status", device: device.device, index: device.index, programs, stale: device.stale })}\n`;
    })
    .join("");
}

function tallyOf({ packets, bytes }: Tally): { readonly packets: number | string; readonly bytes: number | string } {
  return { packets: numberOf(packets), bytes: numberOf(bytes) };
}

function rateOf(rates: Rates | null, place: string): Readonly<Record<string, number>> {
  const rate = rates?.get(place);
  return rate === undefined ? {} : { packetsPerSecond: rate.packets, bitsPerSecond: rate.bits };
}

function numberOf(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value);
}
