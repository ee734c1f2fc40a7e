// What `select` knows of IR values without looking at registers: which are the same register, which are constants or stack
// addresses, which bits matter. Pure questions about a function; nothing here emits anything.

import type { Values } from "../ir/graph.ts";
import type { ValueId } from "../ir/ir.ts";

/** Answers questions about the values of one function. */
export class Facts {
  readonly #values: Values;
  readonly #uses: Int32Array;

  /** `uses` counts each value's uses. */
  constructor(values: Values, uses: Int32Array) {
    this.#values = values;
    this.#uses = uses;
  }

  /** Follows what costs nothing: zext, view, trunc of a value below 2^32, offset 0. */
  alias(v: ValueId): ValueId {
    for (let at = v; ; ) {
      const def = this.#values.def[at];
      if (def === undefined) return at;
      if (def.op === "zext") at = def.a;
      else if (def.op === "view") at = def.base;
      else if (def.op === "trunc" && this.isClean(def.a, 4)) at = def.a;
      else if (def.op === "offset" && def.bytes === 0) at = def.base;
      else return at;
    }
  }

  /** Whether the upper 32 bits of the register are surely zero. */
  isClean(v: ValueId, depth: number): boolean {
    if (this.#values.type[v] === "i32") return true;
    const def = this.#values.def[v];
    if (def === undefined || depth === 0) return false;
    if (def.op === "zext") return true;
    if (def.op === "const") return def.value < 1n << 32n;
    // The packet's length.
    if (def.op === "distance")
      return this.#values.type[def.to] === "end" && this.#values.def[def.from]?.op === "ctxLoad";
    if (def.op !== "binary") return false;
    const amount = this.constant(def.b);
    switch (def.kind) {
      case "and":
        return this.isClean(def.a, depth - 1) || this.isClean(def.b, depth - 1);
      case "or":
      case "xor":
        return this.isClean(def.a, depth - 1) && this.isClean(def.b, depth - 1);
      case "div":
      case "mod":
        return this.isClean(def.a, depth - 1);
      case "shr":
        return (amount !== null && (amount & 63n) >= 32n) || this.isClean(def.a, depth - 1);
      default:
        return false;
    }
  }

  /** The value of a constant, as an unsigned number of its type's width; null for other values. */
  constant(v: ValueId): bigint | null {
    const def = this.#values.def[v];
    if (def === undefined) return null;
    if (def.op === "const") return def.value;
    if (def.op === "zext") return this.constant(def.a);
    if (def.op === "trunc") {
      const value = this.constant(def.a);
      return value === null ? null : BigInt.asUintN(32, value);
    }
    return null;
  }

  /** The stack address a value is, if it is one. */
  slot(v: ValueId): { slot: number; offset: number } | null {
    let offset = 0;
    for (let at = v; ; ) {
      const def = this.#values.def[at];
      if (def?.op === "slot") return { slot: def.slot, offset };
      if (def?.op !== "offset") return null;
      offset += def.bytes;
      at = def.base;
    }
  }

  /** A value whose low `bits` bits are those of v, found by dropping what only changes the bits above. */
  lowBits(v: ValueId, bits: number): ValueId {
    const mask = (1n << BigInt(bits)) - 1n;
    for (let at = v; ; ) {
      const def = this.#values.def[at];
      if (def?.op === "trunc" && bits <= 32) at = def.a;
      else if (def?.op === "zext" && bits <= 32) at = def.a;
      else if (def?.op === "binary" && def.kind === "and" && this.#uses[at] === 1) {
        const b = this.constant(def.b);
        const a = this.constant(def.a);
        if (b !== null && (b & mask) === mask) at = def.a;
        else if (a !== null && (a & mask) === mask) at = def.b;
        else return at;
      } else return at;
    }
  }
}
