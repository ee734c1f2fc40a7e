// What runs on the devices and what it has counted, read from the kernel: programs, pins, maps, and the counters of rules with the lines they are
// counted at. Reading only; how it is shown is the command's.

import { mapKindByNumber } from "../bpf/maps.ts";
import { bootTimeMs } from "./clock.ts";
import { type Attached, attachedTo, findDevice, readableHome } from "./devices.ts";
import { errnoText } from "./errno.ts";
import { KernelMap } from "./kernel-map.ts";
import { allDevices, type Device } from "./netlink.ts";
import { allHomes, type PinHome } from "./pins.ts";
import { linesOfCounter, linesOfProgram, type ProgramLines, type SourceLine } from "./rule-lines.ts";
import { countedRules, type RuleEntry, type RuleStatus, readRuleTable } from "./rule-table.ts";
import { showValue } from "./show-value.ts";

/** What is known of a device. */
export interface DeviceStatus {
  readonly device: string;
  readonly index: number | null;
  readonly programs: readonly ProgramStatus[];
  /** Pins of a program that isn't attached any more. */
  readonly stale: string | null;
}

/** A program on a device. */
export interface ProgramStatus {
  readonly mode: Attached["mode"];
  readonly id: number;
  /** By the object where it is ours, else as the kernel keeps it; null where the kernel doesn't tell. */
  readonly name: string | null;
  readonly tag: string | null;
  readonly loaded: Date | null;
  /** How often it ran and for how long in all, where kernel.bpf_stats_enabled is 1. */
  readonly runs: { readonly count: bigint; readonly timeNs: bigint } | null;
  /** Its pins, where xdpc attached it. */
  readonly folder: string | null;
  /** What was attached, as a path. */
  readonly file: string | null;
  readonly maps: readonly MapStatus[];
  readonly counters: readonly CounterStatus[];
  /** How often each rule was reached and held, where it was attached with that; null else. */
  readonly rules: readonly RuleStatus[] | null;
  /** Whether counters can't be told from other maps, since the kernel tells their types to CAP_SYS_ADMIN only. */
  readonly hidden: boolean;
}

/** A map of a program that xdpc attached. */
export interface MapStatus {
  readonly name: string;
  readonly kind: string;
  readonly maxEntries: number;
}

/** Packets and bytes. */
export interface Tally {
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** A counter of the rules, summed over CPUs. */
export interface CounterStatus {
  readonly name: string;
  /** Where rules count with it. */
  readonly lines: readonly SourceLine[];
  readonly total: Tally;
  /** The entries of a counter with keys, the most packets first; null for one without. */
  readonly entries: readonly (Tally & { readonly key: string })[] | null;
  /** Entries that aren't among them. */
  readonly more: number;
  /** Why it couldn't be read; null: it could. */
  readonly fault: string | null;
}

/** Reads the status, again and again where that is wanted: what doesn't change of a program is asked for once. */
export class StatusReader {
  readonly #lines = new Map<number, ProgramLines>();
  readonly #tables = new Map<number, readonly RuleEntry[] | null>();
  readonly #rows: number;

  /** `rows`: how many entries of a counter with keys are told. */
  constructor(rows: number) {
    this.#rows = rows;
  }

  /** All devices that have a program, or pins of one. */
  all(): readonly DeviceStatus[] {
    const devices = allDevices();
    const found = devices.filter((device) => device.xdp.length > 0).map((device) => this.#read(device, null));
    for (const { device, home } of allHomes()) {
      const id = home.programId;
      // Shown already, perhaps under a name that the device has got since.
      if (found.some((one) => one.device === device || one.programs.some((program) => program.id === id))) continue;
      const index = devices.find((one) => one.name === device)?.index ?? null;
      found.push({ device, index, programs: [], stale: home.folder });
    }
    return found;
  }

  /** One device. Throws DeviceFailure where there is none of that name. */
  one(name: string, folder: string | null): DeviceStatus {
    return this.#read(findDevice(name), folder);
  }

  #read(device: Device, folder: string | null): DeviceStatus {
    const programs = attachedTo(device, folder);
    // What is left of a program that isn't attached any more.
    const home = programs.some((one) => one.home !== null) ? null : readableHome(device.name, folder);
    return {
      device: device.name,
      index: device.index,
      programs: programs.map((one) => this.#program(one)),
      stale: home?.folder ?? null,
    };
  }

  #program({ mode, id, info, home }: Attached): ProgramStatus {
    const maps = home === null ? [] : openMaps(home);
    try {
      const counters = maps.filter(([, map]) => isCounter(map));
      return {
        mode,
        id,
        name: home?.record?.program ?? info?.name ?? null,
        tag: info?.tag ?? null,
        loaded: info === null ? null : new Date(bootTimeMs() + Number(info.loadedNs / 1_000_000n)),
        runs: info === null || info.runCount === 0n ? null : { count: info.runCount, timeNs: info.runTimeNs },
        folder: home?.folder ?? null,
        file: home?.record?.file ?? null,
        maps: maps.map(([name, map]) => ({
          name,
          kind: mapKindByNumber(map.info.type) ?? `type ${map.info.type}`,
          maxEntries: map.info.maxEntries,
        })),
        hidden: maps.some(([, map]) => map.info.btfId !== 0 && map.btf === null),
        rules: home === null ? null : this.#rules(id, home),
        counters: counters.map(([name, map]) => this.#counter(id, name, map)),
      };
    } finally {
      for (const [, map] of maps) map.close();
    }
  }

  #rules(program: number, home: PinHome): readonly RuleStatus[] | null {
    let table = this.#tables.get(program);
    if (table === undefined) {
      table = readRuleTable(home);
      this.#tables.set(program, table);
    }
    return table === null ? null : countedRules(home, table);
  }

  #counter(program: number, name: string, map: KernelMap): CounterStatus {
    let lines = this.#lines.get(program);
    if (lines === undefined) {
      lines = linesOfProgram(program);
      this.#lines.set(program, lines);
    }
    const { entries, fault } = readCounter(map);
    const total = { packets: 0n, bytes: 0n };
    for (const entry of entries) {
      total.packets += entry.packets;
      total.bytes += entry.bytes;
    }
    const isKeyed = !(map.kind === "percpu_array" && map.info.maxEntries === 1);
    entries.sort((a, b) => (a.packets === b.packets ? 0 : a.packets < b.packets ? 1 : -1));
    const shown = entries.slice(0, this.#rows);
    const keyOf = (key: Uint8Array): string => showValue(map.codecs.key.decode(key));
    return {
      name,
      lines: linesOfCounter(lines, name, map.info.id),
      total,
      entries: isKeyed ? shown.map(({ key, packets, bytes }) => ({ key: keyOf(key), packets, bytes })) : null,
      more: isKeyed ? entries.length - shown.length : 0,
      fault,
    };
  }
}

/** The maps that can be opened. */
function openMaps(home: PinHome): readonly (readonly [string, KernelMap])[] {
  return home
    .maps()
    .filter((name) => !name.startsWith("."))
    .flatMap((name) => {
      const map = KernelMap.fromPin(home.mapPath(name));
      return typeof map === "number" ? [] : [[name, map] as const];
    });
}

/** Whether a map is one that rules count with: for each CPU two 64-bit numbers, `packets` and `bytes`. */
function isCounter(map: KernelMap): boolean {
  if (!map.isPerCpu || map.info.valueBytes !== 16 || map.btf === null) return false;
  const type = map.btf.types[map.info.valueType];
  return type?.kind === "struct" && type.members.map((member) => member.name).join() === "packets,bytes";
}

interface Entry {
  readonly key: Uint8Array;
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** The entries that have counted anything. */
function readCounter(map: KernelMap): { readonly entries: Entry[]; readonly fault: string | null } {
  const entries: Entry[] = [];
  const result = map.eachEntry((key, values) => {
    const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
    let packets = 0n;
    let bytes = 0n;
    for (let cpu = 0; cpu < map.parts; cpu++) {
      packets += view.getBigUint64(cpu * map.stepBytes, true);
      bytes += view.getBigUint64(cpu * map.stepBytes + 8, true);
    }
    if (packets > 0n) entries.push({ key: key.slice(), packets, bytes });
  });
  return { entries, fault: result < 0 ? errnoText(result) : null };
}
