// Programs of one object in the machine, with the state around them in the language's own terms: sets and maps filled, globals set,
// packets sent, conditions on what is there afterwards. Used by tests and by runs over captures; knows no files.

import { InternalError } from "../base/assert.ts";
import type { ProgramImage } from "../bpf/image.ts";
import { mapKindInfo } from "../bpf/maps.ts";
import type { CompileModel } from "../compile.ts";
import { linkObject } from "../elfwriter/link.ts";
import { linkFaultText } from "../elfwriter/link-fault.ts";
import { faultText } from "../elfwriter/object-file.ts";
import { readObject } from "../elfwriter/read.ts";
import { scalarBytes, scalarOf } from "../ir/constant-bytes.ts";
import type { GlobalSymbol, MapSymbol, MetaName } from "../ir/hir.ts";
import type { HFill, HStateCond, HStateValue, HTest } from "../ir/hir-test.ts";
import { layoutOf } from "../ir/layout.ts";
import { LOST_MAP } from "../ir/lost.ts";
import type { RunResult } from "../vm/machine.ts";
import { PerfEventArrayMap } from "../vm/maps/handle-maps.ts";
import type { MachineMap } from "../vm/maps/map.ts";
import { QueueStackMap } from "../vm/maps/queue-stack.ts";
import { RedirectMap } from "../vm/maps/redirect-maps.ts";
import { RingbufMap } from "../vm/maps/ringbuf.ts";
import type { NetworkDescription, NetworkDevice, NetworkNeighbour, NetworkRoute } from "../vm/network.ts";
import { StandardMachine } from "../vm/standard.ts";
import { compareNumbers } from "./header-values.ts";

/** The images of an object of ours; throws what linking has against it, which would be a bug. */
export function imagesOf(object: Uint8Array): readonly ProgramImage[] {
  const read = readObject(object);
  if (read.object === undefined) throw new InternalError(`our object: ${read.faults.map(faultText).join("; ")}`);
  const { images, faults } = linkObject(read.object);
  const [fault] = faults;
  if (fault !== undefined) throw new InternalError(`our object: ${linkFaultText(fault)}`);
  return images;
}

/** A compiled file: its programs and what is known of their source. */
export interface Compiled {
  readonly images: readonly ProgramImage[];
  readonly model: CompileModel;
}

/** What a session is made with. */
export interface SessionOptions {
  /** Where globals lie in their sections. */
  readonly offsetOf: (global: GlobalSymbol) => number;
  /** Config values for indexes of devices: with open targets each device has one. */
  readonly devices: readonly GlobalSymbol[];
  /** What route lookups find; nothing where it is left out. */
  readonly network?: NetworkDescription;
  /** CPUs that there are, at least 1. */
  readonly cpus: number;
  /** Maps of targets that nobody fills have an entry wherever a program looks; else none. */
  readonly openTargets: boolean;
  /** Whether many packets will come: then the program is worth compiling. */
  readonly many: boolean;
}

/** What surrounds the next packet. */
type Surroundings = Record<Exclude<MetaName, "len">, bigint>;

/** Programs with their state, from the state an object has when it is loaded. */
export class Session {
  readonly machine: StandardMachine;
  /** Events by their buffers, as far as they have been read. */
  readonly #events = new Map<string, Uint8Array[]>();
  readonly #options: SessionOptions;
  readonly #around: Surroundings = {
    ingress_ifindex: 1n,
    rx_queue_index: 0n,
    egress_ifindex: 0n,
    cpu: 0n,
    now: 0n,
  };
  readonly #attach: ReadonlyMap<string, ProgramImage["attach"]>;

  constructor(images: readonly ProgramImage[], options: SessionOptions) {
    this.#options = options;
    this.#attach = new Map(images.map((image) => [image.name, image.attach]));
    this.machine = new StandardMachine(images, {
      cpus: options.cpus,
      executor: options.many ? "compiled" : "interpreter",
      ...(options.network === undefined ? {} : { network: options.network }),
    });
    if (!options.openTargets) return;
    for (const map of this.machine.maps.values()) if (map instanceof RedirectMap) openTargets(map);
    for (const [i, device] of options.devices.entries())
      this.#globalBytes(device)?.set(scalarBytes(device.type, BigInt(FIRST_DEVICE + i)));
  }

  /** Does what a step of a test says about the state. */
  apply(fill: HFill): void {
    switch (fill.kind) {
      case "meta":
        if (fill.name !== "len") this.#around[fill.name] = fill.value;
        return;
      case "global":
        this.#globalBytes(fill.symbol)?.set(fill.value);
        return;
      case "fillMap": {
        const map = this.machine.maps.get(fill.map.name);
        if (map === undefined) return;
        clear(map);
        for (const { key, value } of fill.entries) this.#put(map, key, value);
        return;
      }
      case "fillProgram": {
        const handle = this.machine.programHandle(fill.program);
        if (handle !== null)
          this.machine.maps
            .get(fill.map.name)
            ?.userUpdate(fill.key, scalarBytes({ kind: "int", bits: 32 }, BigInt(handle)), 0);
        return;
      }
      case "fillEntry": {
        const map = this.machine.maps.get(fill.map.name);
        if (map === undefined) return;
        if (map instanceof RedirectMap) closeTargets(map);
        this.#put(map, fill.key, fill.value);
      }
    }
  }

  /** Says what surrounds the next packets. */
  surround(name: keyof Surroundings, value: bigint): void {
    this.#around[name] = value;
  }

  /** Runs a program on a packet. Throws MachineFault. */
  send(program: string, packet: Uint8Array): RunResult {
    const { ingress_ifindex, rx_queue_index, egress_ifindex, cpu, now } = this.#around;
    this.machine.clock.monotonicNs = now;
    this.machine.clock.bootNs = now;
    return this.machine.run(packet, {
      program,
      cpu: Number(cpu),
      ingressIfindex: Number(ingress_ifindex),
      rxQueueIndex: Number(rx_queue_index),
      egressIfindex: this.#attach.get(program) === "devmap" ? Number(egress_ifindex) : null,
    });
  }

  /** The receive queue of the next packet. */
  get rxQueueIndex(): number {
    return Number(this.#around.rx_queue_index);
  }

  /** Whether a condition on the state holds. */
  holds(condition: HStateCond): boolean {
    switch (condition.kind) {
      case "not":
        return !this.holds(condition.operand);
      case "and":
        return this.holds(condition.a) && this.holds(condition.b);
      case "or":
        return this.holds(condition.a) || this.holds(condition.b);
      case "holds": {
        const { value } = condition;
        // Through perf an event may be padded behind its end.
        const perf = condition.map.mapKind === "perf_event_array";
        return this.#held(condition.map).some(
          (held) => (perf || held.length === value.length) && value.every((byte, i) => byte === held[i]),
        );
      }
      case "has":
        return this.#entry(condition.map, condition.key) !== null;
      case "compare": {
        const a = this.bytesOf(condition.a);
        const b = this.bytesOf(condition.b);
        if (a === null || b === null) return false;
        if (layoutOf(condition.a.type).offsets.length > 0 || condition.a.type.kind === "bytes") {
          const same = a.length === b.length && a.every((byte, i) => byte === b[i]);
          return same === (condition.op === "==");
        }
        return compareNumbers(condition.op, scalarOf(condition.a.type, a), scalarOf(condition.b.type, b));
      }
    }
  }

  /** The bytes a value has now; null for an entry that isn't there. */
  bytesOf(value: HStateValue): Uint8Array | null {
    if (value.kind === "bytes") return value.bytes;
    if (value.kind === "global") return this.#globalBytes(value.symbol) ?? null;
    if (value.kind === "amount") return scalarBytes(value.type, this.#amount(value.map, value.lostAt));
    const { bytes } = layoutOf(value.type);
    const entry = this.#entry(value.map, value.key);
    if (entry === null) return null;
    const perCpu = mapKindInfo(value.map.mapKind).perCpu;
    const step = perCpu ? entry.length / this.#options.cpus : entry.length;
    if (!value.sum) {
      const from = (perCpu ? Number(this.#around.cpu) * step : 0) + value.offsetBytes;
      return entry.subarray(from, from + bytes);
    }
    let sum = 0n;
    for (let at = 0; at < entry.length; at += step)
      sum += scalarOf(value.type, entry.subarray(at + value.offsetBytes, at + value.offsetBytes + bytes));
    return Uint8Array.from({ length: bytes }, (_, i) => Number((sum >> BigInt(8 * i)) & 0xffn));
  }

  /** The number a global holds. */
  numberIn(symbol: GlobalSymbol): bigint {
    return scalarOf(symbol.type, this.#globalBytes(symbol) ?? new Uint8Array());
  }

  /** How often a probe was passed since `forgetProbe`, or since the start. */
  countOf(probe: GlobalSymbol): number {
    const bytes = this.#globalBytes(probe);
    return bytes === undefined ? 0 : Number(scalarOf(probe.type, bytes));
  }

  /** Sets a probe's count to zero. */
  forgetProbe(probe: GlobalSymbol): void {
    this.#globalBytes(probe)?.fill(0);
  }

  /** The events that a buffer got, all read by now, or what a queue or a stack holds. */
  #held(symbol: MapSymbol): readonly Uint8Array[] {
    const map = this.machine.maps.get(symbol.name);
    if (map instanceof QueueStackMap) return map.values();
    const read = this.#events.get(symbol.name) ?? [];
    if (map instanceof RingbufMap) read.push(...map.drain());
    if (map instanceof PerfEventArrayMap) read.push(...map.drain().map(({ bytes }) => bytes));
    this.#events.set(symbol.name, read);
    return read;
  }

  #amount(symbol: MapSymbol, lostAt: number | null): bigint {
    if (lostAt === null) return BigInt(this.#held(symbol).length);
    const numbers = this.machine.maps.get(LOST_MAP)?.userLookup(new Uint8Array(4));
    if (!(numbers instanceof Uint8Array)) return 0n;
    const view = new DataView(numbers.buffer, numbers.byteOffset, numbers.byteLength);
    const step = numbers.length / this.#options.cpus;
    let sum = 0n;
    for (let at = lostAt; at < numbers.length; at += step) sum += view.getBigUint64(at, true);
    return sum;
  }

  #entry(symbol: MapSymbol, key: Uint8Array): Uint8Array | null {
    const found = this.machine.maps.get(symbol.name)?.userLookup(key);
    return found instanceof Uint8Array ? found : null;
  }

  #globalBytes(symbol: GlobalSymbol): Uint8Array | undefined {
    const at = this.#options.offsetOf(symbol);
    const section = this.machine.maps.get(symbol.section)?.directValue()?.bytes;
    return section?.subarray(at, at + layoutOf(symbol.type).bytes);
  }

  #put(map: MachineMap, key: Uint8Array, value: Uint8Array): void {
    const step = mapKindInfo(map.kind).perCpu ? map.userValueBytes / this.#options.cpus : map.userValueBytes;
    const whole = new Uint8Array(map.userValueBytes);
    // A target whose value nobody gave: something that isn't nothing.
    const one = value.length > 0 ? value.subarray(0, step) : Uint8Array.of(1);
    for (let at = 0; at < whole.length; at += step) whole.set(one, at);
    map.userUpdate(key, whole, 0);
  }
}

/** More packets than these are worth compiling the program to JavaScript. */
const MANY_PACKETS = 2_000;

/** Devices that rules name have indexes from here on, where nobody says otherwise. */
const FIRST_DEVICE = 101;

/** A session for a test: as many CPUs as it speaks of, targets open. */
export function sessionFor(test: HTest, compiled: Compiled, openTargets = true): Session {
  let cpus = 1;
  let packets = 0;
  for (const step of test.steps) {
    if (step.kind === "packet") packets += step.times;
    if (step.kind === "meta" && step.name === "cpu") cpus = Math.max(cpus, Number(step.value) + 1);
    if (step.kind === "fillMap" && step.map.mapKind === "cpumap")
      for (const { key } of step.entries) cpus = Math.max(cpus, Number(scalarOf({ kind: "int", bits: 32 }, key)) + 1);
    if (step.kind === "fillEntry" && step.map.mapKind === "cpumap")
      cpus = Math.max(cpus, Number(scalarOf({ kind: "int", bits: 32 }, step.key)) + 1);
  }
  const { offsetOf, devices } = compiled.model;
  const network = networkOf(test);
  return new Session(compiled.images, { offsetOf, devices, network, cpus, openTargets, many: packets > MANY_PACKETS });
}

/** What a test says of the network; the devices it speaks of, and the one that packets come in by, forward. */
function networkOf(test: HTest): NetworkDescription {
  const devices = new Map<number, NetworkDevice>([[1, { ifindex: 1 }]]);
  const routes: NetworkRoute[] = [];
  const neighbours: NetworkNeighbour[] = [];
  for (const step of test.steps) {
    if (step.kind === "meta" && step.name === "ingress_ifindex" && !devices.has(Number(step.value)))
      devices.set(Number(step.value), { ifindex: Number(step.value) });
    if (step.kind !== "network") continue;
    const { part } = step;
    if (part.kind !== "device" && !devices.has(part.ifindex)) devices.set(part.ifindex, { ifindex: part.ifindex });
    if (part.kind === "device") devices.set(part.ifindex, part);
    else if (part.kind === "route") routes.push(part);
    else neighbours.push(part);
  }
  return { devices: [...devices.values()], routes, neighbours };
}

function clear(map: MachineMap): void {
  if (map instanceof RedirectMap) closeTargets(map);
  if (mapKindInfo(map.kind).key === "none") map.reset();
  for (const key of [...map.keys()]) map.userDelete(key);
}

/** Every key leads somewhere: `target` answers for keys that have no entry. */
export function openTargets(map: RedirectMap): void {
  const bounded = map.kind !== "devmap_hash";
  const entry = new Uint8Array(map.image.valueBytes);
  entry[0] = 1;
  map.target = (key) => (bounded && key >= map.image.maxEntries ? null : entry);
}

/** Only what is filled in is there. */
function closeTargets(map: RedirectMap): void {
  map.target = (key) => RedirectMap.prototype.target.call(map, key);
}
