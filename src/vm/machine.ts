// The machine as others use it: programs and maps in, packets through, verdicts out; or bare bytecode on a buffer. Ties the core
// together: prepares and links the images, chooses the executor, sets up each run. Knows no kinds of maps and no helpers by
// name: those come in through the options (`standard.ts` has the full set).

import type { ImageMap, ProgramImage } from "../bpf/image.ts";
import type { VerdictName } from "../bpf/verdicts.ts";
import { verdictByNumber } from "../bpf/verdicts.ts";
import { CompiledExecutor, canCompile, defaultPiece } from "./compile.ts";
import type { LoadedProgram, StepObserver } from "./core.ts";
import { Core } from "./core.ts";
import type { PathStretch } from "./fault.ts";
import type { HelperTable, KfuncTable, TailTarget } from "./helper-call.ts";
import { Interpreter } from "./interpret.ts";
import { wideAddresses } from "./link.ts";
import type { VmMap } from "./map.ts";
import { originLo, Region } from "./memory.ts";
import { bufferBytes, headroomBytes, Packet } from "./packet.ts";
import { prepare } from "./program.ts";
import type { Clock, Redirect } from "./surroundings.ts";

/** What a machine is made with; all of it optional. */
export interface MachineOptions {
  /** `compiled` makes JavaScript of the program and falls back to the interpreter where making code is forbidden. Default compiled. */
  readonly executor?: "compiled" | "interpreter";
  /** The most instructions compiled as one JavaScript function, at least 1; a longer function is compiled piecewise. Default 350. */
  readonly piece?: number;
  /** The most instructions of a run, 1 to 2^31 - 1; more is a fault. Default 50 million. */
  readonly budget?: number;
  /** How often may_goto goes on in one frame before it jumps. Default 8,388,608, the kernel's BPF_MAX_LOOPS. */
  readonly mayGotoLimit?: number;
  /** The CPU that programs run on, from 0. Default 0. */
  readonly cpu?: number;
  /** How many CPUs there are. Default 1. */
  readonly cpus?: number;
  /** Where the pseudo-random numbers begin. Default 0. */
  readonly seed?: number;
  /** The time at the start; `machine.clock` can be moved later. Default 0 everywhere. */
  readonly clock?: Partial<Clock>;
  /** Makes the maps. Without it a program that uses maps can't be loaded. */
  readonly createMap?: (image: ImageMap) => VmMap;
  readonly helpers?: HelperTable;
  readonly kfuncs?: KfuncTable;
}

/** What a packet comes with. */
export interface RunOptions {
  /** The program's name; default the first image. */
  readonly program?: string;
  /** The CPU this run is on; default the machine's. */
  readonly cpu?: number;
  readonly ingressIfindex?: number;
  readonly rxQueueIndex?: number;
  /** Readable in programs of devmap entries only: where null, reading it is a fault. Default null. */
  readonly egressIfindex?: number | null;
  /** Metadata before the packet. Default none. */
  readonly meta?: Uint8Array;
  /**
   * How many of the packet's bytes lie in its first buffer, from 0; only for programs that take packets of several buffers. Default
   * for those as many as a page holds, for others all.
   */
  readonly firstBuffer?: number;
  /** Whether to record the path. Default false. */
  readonly path?: boolean;
  /** Called before each instruction; the interpreter runs then, whatever the machine's executor is. */
  readonly observe?: StepObserver;
}

/** What a run gave. */
export interface RunResult {
  /** The verdict as the kernel takes it: by the low 32 bits of r0, XDP_ABORTED for unknown numbers. */
  readonly verdict: VerdictName;
  /** r0, unsigned. */
  readonly r0: bigint;
  /** The packet after the run, from its head to its tail as they are then: a copy. */
  readonly packet: Uint8Array;
  /** The metadata before it: a copy. */
  readonly meta: Uint8Array;
  /** Where it goes, when the verdict is XDP_REDIRECT and a helper said where; else null. */
  readonly redirect: Redirect | null;
  /** Lines of trace_printk. */
  readonly trace: readonly string[];
  /** Instructions executed. */
  readonly steps: number;
  /** The slots executed, in order, in stretches of one program each, when asked for; else null. */
  readonly path: readonly PathStretch[] | null;
}

const verdictNames = [0, 1, 2, 3, 4].map(verdictByNumber);
const defaultBudget = 50_000_000;
const kernelMayGotoLimit = 8 * 1024 * 1024;

/** Programs with their maps, ready to run packets. State between runs is that of the maps, the clock and the random numbers. */
export class Machine {
  readonly clock: Clock;
  /**
   * The maps by name. Images that use the same `ImageMap`, or maps of the same name and description without data of their own,
   * share one; of several maps of one name the first is here.
   */
  readonly maps: ReadonlyMap<string, VmMap>;
  readonly #core: Core;
  readonly #packet = new Packet();
  readonly #budget: number;
  readonly #cpu: number;
  readonly #contextHi: number;
  readonly #programs: LoadedProgram[] = [];

  /** Loads the images. Throws TypeError when one uses maps and no `createMap` is given, RangeError for a budget out of range. */
  constructor(images: ProgramImage | readonly ProgramImage[], options: MachineOptions = {}) {
    const list = "code" in images ? [images] : images;
    this.clock = { monotonicNs: 0n, bootNs: 0n, taiNs: 0n, ...options.clock };
    this.#budget = options.budget ?? defaultBudget;
    if (!(this.#budget >= 1 && this.#budget < 2 ** 31))
      throw new RangeError(`a budget of ${this.#budget} instructions`);
    this.#cpu = options.cpu ?? 0;
    const core = new Core({
      helpers: options.helpers ?? new Map(),
      kfuncs: options.kfuncs ?? new Map(),
      cpu: options.cpu ?? 0,
      cpus: options.cpus ?? 1,
      clock: this.clock,
      seed: options.seed ?? 0,
      mayGotoLimit: options.mayGotoLimit ?? kernelMayGotoLimit,
    });
    this.#core = core;
    const context = new Region("context", "the context", new Uint8Array(0));
    this.#contextHi = core.memory.addPermanent(context);
    const maker = new MapMaker(options.createMap);
    const piece = options.executor !== "interpreter" && canCompile() ? (options.piece ?? defaultPiece) : null;
    for (const image of list) {
      const own = image.maps.map((map) => maker.map(map));
      this.#programs.push(load(core, image, own, piece));
    }
    this.maps = maker.byName;
  }

  /** The program called `name`, for an entry of a prog_array; null when there is none. */
  program(name: string): TailTarget | null {
    return this.#programs.find((loaded) => loaded.name === name) ?? null;
  }

  /** Sets where the pseudo-random numbers go on. */
  reseed(seed: number): void {
    this.#core.reseed(seed);
  }

  /**
   * Runs a program on a packet. Throws MachineFault when the program does what it may not, RangeError for a program that isn't
   * there, more than 255 bytes of metadata, or several buffers for a program that takes one.
   */
  run(packet: Uint8Array, options: RunOptions = {}): RunResult {
    const core = this.#core;
    const place = this.#packet;
    core.cpu = options.cpu ?? this.#cpu;
    core.memory.beginRun();
    place.place(packet, options.meta ?? null, this.#firstBuffer(packet, options));
    place.ingressIfindex = options.ingressIfindex ?? 0;
    place.rxQueueIndex = options.rxQueueIndex ?? 0;
    place.egressIfindex = options.egressIfindex ?? null;
    core.context = place;
    core.memory.context = place;
    core.words.fill(0);
    core.words[2] = originLo;
    core.words[3] = this.#contextHi;
    this.#start(options);
    const { words } = core;
    const verdict = verdictNames[(words[0] ?? 0) >>> 0] ?? "XDP_ABORTED";
    return {
      verdict,
      r0: unsigned(words[1] ?? 0, words[0] ?? 0),
      packet: place.copy(),
      meta: place.copyMeta(),
      redirect: verdict === "XDP_REDIRECT" ? core.redirect : null,
      trace: core.traced,
      steps: core.steps,
      path: core.pathTaken(core.steps),
    };
  }

  /**
   * Runs a program on a buffer instead of a packet: r1 is its address and r2 its length. The program reads and writes `memory`
   * itself. Gives r0, unsigned. Throws MachineFault.
   */
  runOn(memory: Uint8Array, options: Pick<RunOptions, "program" | "path" | "observe"> = {}): bigint {
    const core = this.#core;
    core.memory.beginRun();
    core.context = null;
    core.memory.context = null;
    core.words.fill(0);
    core.words[2] = originLo;
    core.words[3] = core.memory.addressOf(new Region("buffer", "the memory given", memory));
    core.words[4] = memory.length;
    this.#start(options);
    return unsigned(core.words[1] ?? 0, core.words[0] ?? 0);
  }

  /** The region an address of the last run lies in, for those who look at registers. */
  regionAt(address: bigint): Region {
    return this.#core.memory.regionAt(Number(BigInt.asIntN(32, address >> 32n)));
  }

  /** The bytes of a packet that lie in its first buffer. */
  #firstBuffer(packet: Uint8Array, options: RunOptions): number {
    const { frags, name } = this.#chosen(options.program).program.image;
    const { firstBuffer = frags ? bufferBytes - headroomBytes : packet.length } = options;
    if (!frags && firstBuffer < packet.length) throw new RangeError(`${name} takes packets of one buffer only`);
    if (!(Number.isInteger(firstBuffer) && firstBuffer >= 0))
      throw new RangeError(`${firstBuffer} bytes in the first buffer`);
    return Math.min(firstBuffer, packet.length);
  }

  #chosen(name: string | undefined): LoadedProgram {
    const loaded = name === undefined ? this.#programs[0] : this.#programs.find((one) => one.name === name);
    if (loaded === undefined) throw new RangeError(`no program ${name ?? "at all"} in the machine`);
    return loaded;
  }

  #start(options: Pick<RunOptions, "program" | "path" | "observe">): void {
    const core = this.#core;
    const loaded = this.#chosen(options.program);
    core.observer = options.observe ?? null;
    core.start(loaded, this.#budget, options.path === true);
  }
}

/** The 64-bit value of two int32 halves. */
function unsigned(hi: number, lo: number): bigint {
  return hi === 0 ? BigInt(lo >>> 0) : (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}

/** Makes each map once. */
class MapMaker {
  readonly byName = new Map<string, VmMap>();
  readonly #made = new Map<ImageMap, VmMap>();
  readonly #create: MachineOptions["createMap"];

  constructor(create: MachineOptions["createMap"]) {
    this.#create = create;
  }

  map(image: ImageMap): VmMap {
    const known = this.#made.get(image) ?? this.#shared(image);
    if (known !== undefined) return known;
    if (this.#create === undefined) throw new TypeError(`map ${image.name}: the machine has no way to make maps`);
    const map = this.#create(image);
    this.#made.set(image, map);
    if (!this.byName.has(image.name)) this.byName.set(image.name, map);
    return map;
  }

  #shared(image: ImageMap): VmMap | undefined {
    if (image.data !== null) return undefined;
    for (const [other, map] of this.#made) if (other.name === image.name && sameDescription(other, image)) return map;
    return undefined;
  }
}

function sameDescription(a: ImageMap, b: ImageMap): boolean {
  const { type, keyBytes, valueBytes, maxEntries, flags } = a;
  return (
    a.data === null &&
    type === b.type &&
    keyBytes === b.keyBytes &&
    valueBytes === b.valueBytes &&
    maxEntries === b.maxEntries &&
    flags === b.flags
  );
}

function load(core: Core, image: ProgramImage, maps: readonly VmMap[], piece: number | null): LoadedProgram {
  const program = prepare(image);
  const own = (): LoadedProgram => loaded;
  const loaded: LoadedProgram = {
    name: image.name,
    program,
    wides: wideAddresses(core, program, maps),
    interpreter: new Interpreter(core, own),
    compiled: piece === null ? null : new CompiledExecutor(core, own, piece),
  };
  return loaded;
}

/** Runs bare bytecode once: `code` on `memory` (r1 its address, r2 its length). Gives r0, unsigned. Throws MachineFault. */
export function runBytecode(image: ProgramImage, memory: Uint8Array, options: MachineOptions = {}): bigint {
  return new Machine(image, options).runOn(memory);
}
