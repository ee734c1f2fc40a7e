// The machine with everything in it: all map kinds, all helpers that it has, a network to route in. What the public API calls `Machine`,
// and what tests of rules and captures run on. The core stays free of maps and helpers; this file is where they meet.

import type { ImageMap, ProgramImage } from "../bpf/image.ts";
import { errnoName } from "./errno.ts";
import { helperTable } from "./helpers/table.ts";
import { Machine, type MachineOptions } from "./machine.ts";
import { createMap } from "./maps/create.ts";
import { Handles } from "./maps/handles.ts";
import type { MachineMap, MapHost } from "./maps/map.ts";
import { Network, type NetworkDescription } from "./network.ts";
import { bareImage } from "./program.ts";

/** What a standard machine is made with; all of it optional. */
export interface StandardOptions extends Omit<MachineOptions, "createMap" | "helpers" | "kfuncs"> {
  /** Interfaces, routes and neighbours for fib_lookup and check_mtu. Default none: every lookup fails with ENODEV. */
  readonly network?: NetworkDescription;
}

/** A map that no kernel would make either; `errno` is negative, as the kernel gives it. */
export class MapError extends Error {
  override readonly name = "MapError";
  readonly errno: number;

  constructor(message: string, errno: number) {
    super(`${message} (${errnoName(errno)})`);
    this.errno = errno;
  }
}

/** A machine with all maps and helpers. */
export class StandardMachine extends Machine {
  /** Its maps, by name. */
  declare readonly maps: ReadonlyMap<string, MachineMap>;
  readonly #host: MapHost;

  /**
   * Loads programs, or bare bytecode (instructions of 8 bytes, without maps), which is one program called "bytecode". Throws
   * MapError for a map that can't be made, NetworkError for an address that can't be read.
   */
  constructor(programs: Uint8Array | ProgramImage | readonly ProgramImage[], options: StandardOptions = {}) {
    const { network, ...rest } = options;
    const host: MapHost = { cpus: options.cpus ?? 1, programs: new Handles(), maps: new Handles() };
    super(programs instanceof Uint8Array ? bareImage(programs) : programs, {
      ...rest,
      createMap: (image) => made(image, host),
      helpers: helperTable(new Network(network)),
    });
    this.#host = host;
    for (const map of this.maps.values()) this.#fillPrograms(map);
  }

  /** What a loader puts into a map of programs, as far as the programs are in the machine. Throws MapError. */
  #fillPrograms(map: MachineMap): void {
    for (const { index, program } of map.image.programs ?? []) {
      const handle = this.programHandle(program);
      if (handle === null) continue;
      const result = map.userUpdate(wordOf(index), wordOf(handle), 0);
      if (result < 0) throw new MapError(`map ${map.name}: program ${program} at ${index}`, result);
    }
  }

  /** The number that stands for a program in values of prog_arrays, devmaps and cpumaps; null when there is no such program. */
  programHandle(name: string): number | null {
    const program = this.program(name);
    return program === null ? null : this.#host.programs.numberOf(program);
  }

  /** The program that such a number stands for. */
  programOf(handle: number): string | null {
    return this.#host.programs.thing(handle)?.name ?? null;
  }

  /** The number that stands for a map in values of maps of maps. */
  mapHandle(map: MachineMap): number {
    return this.#host.maps.numberOf(map);
  }

  /** The map that such a number stands for. */
  mapOf(handle: number): MachineMap | null {
    return this.#host.maps.thing(handle);
  }

  /** A new map for this machine, such as the inner one of a map of maps. Throws MapError. */
  createMap(image: ImageMap): MachineMap {
    return made(image, this.#host);
  }
}

function wordOf(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function made(image: ImageMap, host: MapHost): MachineMap {
  const map = createMap(image, host);
  if ("errno" in map) throw new MapError(`map ${image.name}: ${map.reason}`, map.errno);
  return map;
}
