// Repeatable random numbers for generated packets: the same seed gives the same corpus on every machine.

/** The seed of this run: XDPC_SEED, or a fixed one, so that a run without it is the same every time. */
export const corpusSeed = Number(process.env.XDPC_SEED ?? 20240229);

/** A generator of repeatable random numbers (mulberry32). */
export class Random {
  #state: number;
  constructor(seed: number = corpusSeed) {
    this.#state = seed >>> 0;
  }

  /** The next 32 bits, unsigned. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let value = this.#state;
    value = Math.imul(value ^ (value >>> 15), value | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return (value ^ (value >>> 14)) >>> 0;
  }

  /** A whole number from 0 to `bound` - 1. */
  below(bound: number): number {
    return Math.floor((this.next() / 2 ** 32) * bound);
  }

  /** One of the items. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** True `percent` times in a hundred. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
}
