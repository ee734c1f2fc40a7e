// What is known at a place inside the code that reads a stage, and the same as arguments and parameters of blocks. Part of reading the
// packet (read-packet.ts); makes no code.

import { must } from "../../base/assert.ts";
import type { Header, Instance } from "../hir.ts";
import type { Edge, ValueId } from "../ir.ts";
import type { Found, Spot } from "./lowering.ts";

/** What is known at a place inside a stage's code: the headers found on the way there and what follows them. */
export interface Progress {
  readonly found: ReadonlyMap<Instance, Spot>;
  /** Extension headers found by the loop over them. */
  readonly extensions: ReadonlyMap<Instance, Found>;
  readonly selectors: readonly ValueId[] | null;
  readonly payload: Spot | null;
  readonly last: number;
  readonly stuck: boolean;
}

/** What is known before anything was read. */
export const NOTHING_FOUND: Progress = {
  found: new Map(),
  extensions: new Map(),
  selectors: null,
  payload: null,
  last: 0,
  stuck: false,
};

/** Where a header is to be read, and what goes before and follows. */
export interface Attempt {
  readonly owner: Instance | Header;
  readonly at: Spot;
  readonly before: Progress;
  /** Numbers that the code behind needs beside. */
  readonly numbers: readonly ValueId[];
  /** Where to go when it isn't there. */
  readonly failed: (before: Progress) => Edge;
  /** What tells this attempt from others to read the same where they go on elsewhere. */
  readonly mark?: string;
  /** Makes the code that follows where its fixed part is there. */
  readonly go: (spot: Spot, before: Progress, numbers: readonly ValueId[]) => void;
}

/** What a way knows, as the values of a block's parameters. Headers that no rule names are left out. */
export class PackedProgress {
  /** The same for what is packed into parameters of the same meaning. */
  readonly shape: string;
  readonly values: readonly ValueId[];
  readonly #progress: Progress;
  readonly #found: readonly Instance[];

  constructor(named: readonly Instance[], progress: Progress) {
    const { found, extensions, selectors, payload, last, stuck } = progress;
    this.#progress = progress;
    this.#found = named.filter((i) => found.has(i));
    const headers = this.#found.map((i) => named.indexOf(i)).join(",");
    this.shape = `${headers} ${extensions.size} ${selectors?.length} ${payload === null} ${last} ${stuck}`;
    this.values = [
      ...this.#found.flatMap((i) => argsOf(must(found.get(i), "a header"))),
      ...[...extensions.values()].flatMap((e) => [e.present, ...argsOf(e)]),
      ...(selectors ?? []),
      ...(payload === null ? [] : argsOf(payload)),
    ];
  }

  /** The same knowledge by the block's parameters. */
  unpack(params: readonly ValueId[]): Progress {
    const { extensions, selectors, payload } = this.#progress;
    const next = taking(params);
    const spot = (): Spot => ({ pointer: next(), beyond: { copied: next(), distance: next() } });
    return {
      ...this.#progress,
      found: new Map(this.#found.map((i) => [i, spot()])),
      extensions: new Map([...extensions.keys()].map((i) => [i, { present: next(), ...spot() }])),
      selectors: selectors?.map(next) ?? null,
      payload: payload === null ? null : spot(),
    };
  }
}

/** A spot as a block's arguments. */
export function argsOf({ pointer, beyond }: Spot): ValueId[] {
  return beyond === null ? [pointer] : [pointer, beyond.copied, beyond.distance];
}

/** Takes the values of a list one after the other. */
export function taking(values: readonly ValueId[]): () => ValueId {
  const rest = values.values();
  return () => must(rest.next().value, "one more value");
}
