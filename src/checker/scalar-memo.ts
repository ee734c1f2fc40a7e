// A small memory of results of operations on scalars, by the identity of the operands: programs are walked along many paths that
// compute the same things, and an exact result costs a hundred times what finding it again does. Forgets what collides.
// Sound because scalars never change. Knows no operation.

import type { Scalar } from "./scalar.ts";

const SLOTS = 8192;

function slotOf(key: number, a: Scalar, b: Scalar): number {
  const hash = Math.imul(a.serial, 0x9e37_79b1) ^ Math.imul(b.serial, 0x85eb_ca6b) ^ Math.imul(key, 0xc2b2_ae35);
  return (hash ^ (hash >>> 15)) & (SLOTS - 1);
}

/** Results by an operation's number and two operands; holds the last one of each slot. */
export class Memo<Result> {
  readonly #keys = new Int32Array(SLOTS).fill(-1);
  readonly #first: (Scalar | undefined)[] = new Array(SLOTS).fill(undefined);
  readonly #second: (Scalar | undefined)[] = new Array(SLOTS).fill(undefined);
  readonly #results: (Result | undefined)[] = new Array(SLOTS).fill(undefined);

  /** The result put for these operands, or undefined when there was none or it was forgotten. `key` is 0 or more. */
  get(key: number, a: Scalar, b: Scalar): Result | undefined {
    const slot = slotOf(key, a, b);
    return this.#keys[slot] === key && this.#first[slot] === a && this.#second[slot] === b
      ? this.#results[slot]
      : undefined;
  }

  /** Remembers and returns `result`. */
  put(key: number, a: Scalar, b: Scalar, result: Result): Result {
    const slot = slotOf(key, a, b);
    this.#keys[slot] = key;
    this.#first[slot] = a;
    this.#second[slot] = b;
    this.#results[slot] = result;
    return result;
  }
}
