// A test as a list of what the kernel is asked to do, with what the machine says must come of it: entries to set, packets to send with
// their verdict and bytes, maps to look at in the end. Leaves out what a test run of the kernel can't do. Knows no kernel, no tools.

import { helpers } from "../bpf/helpers.ts";
import type { ProgramImage } from "../bpf/image.ts";
import { mapKindInfo } from "../bpf/maps.ts";
import type { VerdictName } from "../bpf/verdicts.ts";
import type { HFill, HTest } from "../ir/hir-test.ts";
import { MachineFault } from "../vm/fault.ts";
import type { MachineMap } from "../vm/maps/map.ts";
import { RedirectMap } from "../vm/maps/redirect-maps.ts";
import { makePacket } from "./make-packet.ts";
import { type Compiled, type Session, sessionFor } from "./session.ts";

/** Something to do in the kernel. Keys and values have the map's sizes; those of per-CPU maps are one CPU's. */
export type KernelStep =
  | { readonly kind: "set"; readonly map: string; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: "delete"; readonly map: string; readonly key: Uint8Array }
  | {
      readonly kind: "send";
      readonly number: number;
      readonly packet: Uint8Array;
      readonly verdict: VerdictName;
      readonly after: Uint8Array;
    };

/** What a map must hold in the end. `whole`: and nothing else. */
export interface KernelMapState {
  readonly map: string;
  readonly whole: boolean;
  readonly entries: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[];
}

/** What to do, in order, and what must be there then; or why it can't be done. */
export type KernelPlan =
  | {
      readonly steps: readonly KernelStep[];
      readonly maps: readonly KernelMapState[];
      /** Values of read-only data, to be set in the object before it is loaded; null: as it is. */
      readonly rodata: Uint8Array | null;
    }
  | { readonly skipped: string };

/** Loopback: the device that every network namespace has. */
const LOOPBACK = 1;
const SHORTEST = 14;
/** Packets of one test that are sent one by one. */
const MOST_PACKETS = 500;
/** Entries of a dense map that are all looked at; of a larger one those that the machine changed. */
const MOST_DENSE = 256;
/** Devices put into a devmap that the test doesn't fill. */
const MOST_DEVICES = 64;

/** Helpers whose results the kernel and the machine needn't share. */
const UNLIKE: readonly (readonly [RegExp, string])[] = [
  [/^ktime_|^jiffies/, "reads the clock"],
  [/random|prandom/, "uses random numbers"],
  [/smp_processor_id|numa_node/, "asks for the CPU"],
  [/^fib_lookup|^check_mtu/, "asks for routes"],
  [/^sk_|^skc_/, "asks for sockets"],
];

/** Plans a test by running it in the machine with the state that a kernel can have. */
export function kernelPlan(test: HTest, compiled: Compiled): KernelPlan {
  const image = compiled.images.find((i) => i.name === test.program);
  if (image === undefined) return { skipped: "the program isn't in the object" };
  const reason = reasonAgainst(test, image);
  if (reason !== null) return { skipped: reason };
  const session = sessionFor(test, compiled, false);
  const steps: KernelStep[] = [];
  let rodata: Uint8Array | null = null;
  let packets = 0;
  const put = (map: MachineMap, key: Uint8Array, value: Uint8Array): void => {
    map.userUpdate(key, value, 0);
    steps.push({ kind: "set", map: map.name, key, value });
  };
  for (const map of session.machine.maps.values()) {
    if (map.kind !== "devmap") continue;
    for (let key = 0; key < Math.min(MOST_DEVICES, map.image.maxEntries); key++)
      put(map, bytesOf(key, 4), bytesOf(LOOPBACK, map.userValueBytes));
  }
  for (const step of test.steps) {
    switch (step.kind) {
      case "expect":
      case "expectState":
      case "network":
        break;
      case "packet": {
        const packet = makePacket(step.layers);
        if (packet.length < SHORTEST)
          return { skipped: `a packet of ${packet.length} bytes (it takes ${SHORTEST} and more)` };
        for (let i = 0; i < step.times; i++) {
          packets += 1;
          if (packets > MOST_PACKETS) return { skipped: `more than ${MOST_PACKETS} packets` };
          try {
            const { verdict, packet: after } = session.send(test.program, packet);
            steps.push({ kind: "send", number: packets, packet, verdict, after });
          } catch (error) {
            if (error instanceof MachineFault) return { skipped: "the program fails in the machine" };
            throw error;
          }
        }
        break;
      }
      case "fillProgram":
        return { skipped: "it fills a map of programs" };
      case "meta":
        return { skipped: `it sets \`meta.${step.name}\`` };
      case "global": {
        session.apply(step);
        const map = session.machine.maps.get(step.symbol.section);
        const bytes = map?.directValue()?.bytes.slice();
        if (map === undefined || bytes === undefined) break;
        if (step.symbol.section === ".rodata") {
          if (packets > 0) return { skipped: "it changes a `config` after a packet" };
          rodata = bytes;
        } else steps.push({ kind: "set", map: map.name, key: bytesOf(0, 4), value: bytes });
        break;
      }
      default:
        if (step.kind === "fillMap" && step.map.role === "queue") return { skipped: "it fills a queue" };
        fill(session, step, steps);
    }
  }
  return { steps, maps: [...session.machine.maps.values()].flatMap(stateOf), rodata };
}

function reasonAgainst(test: HTest, image: ProgramImage): string | null {
  if (image.attach !== "device") return `a program of a ${image.attach} can't be test-run`;
  for (const step of test.steps) if (step.kind === "meta") return `it sets \`meta.${step.name}\``;
  const view = new DataView(image.code.buffer, image.code.byteOffset, image.code.byteLength);
  for (let at = 0; at < view.byteLength; at += 8) {
    // A call of a helper by number. **Source:** RFC 9669, section 4.3.
    if (view.getUint8(at) !== 0x85 || view.getUint8(at + 1) >> 4 !== 0) continue;
    const name = helpers.find((h) => h.id === view.getInt32(at + 4, true))?.name ?? "";
    const unlike = UNLIKE.find(([pattern]) => pattern.test(name));
    if (unlike !== undefined) return `the program ${unlike[1]}`;
  }
  return null;
}

/** Fills a map on both sides. Sockets and CPUs can't be made for a test: such maps stay empty; a device is the loopback. */
function fill(session: Session, step: HFill & { readonly kind: "fillMap" | "fillEntry" }, steps: KernelStep[]): void {
  const map = session.machine.maps.get(step.map.name);
  if (map === undefined || map.kind === "xskmap" || map.kind === "cpumap") return;
  const isDevices = map instanceof RedirectMap;
  const given = step.kind === "fillMap" ? step.entries : [step];
  const entries = given.map(({ key, value }) => ({ key, value: isDevices ? bytesOf(LOOPBACK, 4) : value }));
  if (step.kind === "fillMap")
    for (const key of map.keys()) steps.push({ kind: "delete", map: map.name, key: key.slice() });
  session.apply(step.kind === "fillMap" ? { ...step, entries } : { ...step, value: entries[0]?.value ?? step.value });
  for (const { key, value } of entries) {
    const whole = new Uint8Array(map.image.valueBytes);
    whole.set(value);
    steps.push({ kind: "set", map: map.name, key, value: whole });
  }
}

function stateOf(map: MachineMap): readonly KernelMapState[] {
  if (map instanceof RedirectMap || map.image.frozen) return [];
  const info = mapKindInfo(map.kind);
  if (!info.access.includes("lookup") || info.ofMaps || map.kind === "bloom_filter") return [];
  const whole = !info.dense || map.image.maxEntries <= MOST_DENSE;
  const entries: { key: Uint8Array; value: Uint8Array }[] = [];
  for (const key of map.keys()) {
    const found = map.userLookup(key);
    if (!(found instanceof Uint8Array)) continue;
    const value = found.subarray(0, map.image.valueBytes);
    if (whole || value.some((b) => b !== 0)) entries.push({ key: key.slice(), value });
  }
  return [{ map: map.name, whole, entries }];
}

function bytesOf(number: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i < 4 ? (number >>> (8 * i)) & 0xff : 0));
}
