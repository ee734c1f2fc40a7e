// What the machine's core needs to know of a map: that it has a handle and perhaps bytes a program addresses directly. The
// kinds of map, with lookups and updates, are maps/*; this file is the seam between them and the core.

import type { Region } from "./memory.ts";

/** A map of the machine. `maps/create.ts` makes it from an `ImageMap`; helpers get back at the class of its kind by `type`. */
export interface VmMap {
  readonly name: string;
  /** The BPF_MAP_TYPE_* number. */
  readonly type: number;
  /** A region of kind `mapHandle` without bytes and with `map` this map: what a wide load of the map gives the address of. */
  readonly handle: Region;
  /** The region of the first value, which wide loads address directly (global data); null for kinds without it. */
  directValue(): Region | null;
}
