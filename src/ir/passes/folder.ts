// The workbench of `fold`: definitions and ranges of all values, and a place to put new instructions. The rules for
// instructions and terminators are in their own files and ask here.

import { maxOf } from "../arithmetic.ts";
import { wrapConstant } from "../builder.ts";
import type { Graph, Values } from "../graph.ts";
import { valuesOf } from "../graph.ts";
import type { BinaryKind, IntType, IrInsn, IrType, Origin, ValueId } from "../ir.ts";
import { exactly, type Range, rangeOfInsn, rangesOf } from "./ranges.ts";

/** An instruction that defines a value. */
export type Definition = Extract<IrInsn, { readonly id: ValueId }>;

/** Definitions, ranges and replacements while a function is folded, and the instructions of the block at hand. */
export class Folder {
  readonly #defs: (IrInsn | undefined)[];
  readonly #types: (IrType | undefined)[];
  readonly #ranges: (Range | undefined)[];
  readonly #replacement = new Map<ValueId, ValueId>();
  #out: IrInsn[] = [];
  #nextValue: ValueId;
  /** The origin given to new instructions. */
  origin: Origin = null;

  constructor(graph: Graph) {
    const values: Values = valuesOf(graph.fn);
    this.#defs = [...values.def];
    this.#types = [...values.type];
    this.#ranges = rangesOf(graph, values);
    this.#nextValue = graph.fn.nextValue;
  }

  get nextValue(): ValueId {
    return this.#nextValue;
  }

  /** What stands for a value now. */
  use(value: ValueId): ValueId {
    return this.#replacement.get(value) ?? value;
  }

  /** Whether a value was replaced by another. */
  get replaced(): boolean {
    return this.#replacement.size > 0;
  }

  /** Starts a block's list of instructions. */
  start(): void {
    this.#out = [];
  }

  /** The instructions put so far. */
  finish(): IrInsn[] {
    return this.#out;
  }

  /** The definition of a value; undefined for a parameter. */
  def(value: ValueId): IrInsn | undefined {
    return this.#defs[value];
  }

  /** The definition of a value if it is a binary operation of this kind with a constant on the right. */
  binary(value: ValueId, kind: BinaryKind): { readonly a: ValueId; readonly constant: bigint } | null {
    const def = this.#defs[value];
    if (def?.op !== "binary" || def.kind !== kind) return null;
    const constant = this.constant(def.b);
    return constant === undefined ? null : { a: def.a, constant };
  }

  /** The constant that a value is, if it is one. */
  constant(value: ValueId): bigint | undefined {
    const def = this.#defs[value];
    return def?.op === "const" ? def.value : undefined;
  }

  /** The type of a value. */
  type(value: ValueId): IrType | undefined {
    return this.#types[value];
  }

  /** The range of an integer. */
  range(value: ValueId): Range {
    const max = maxOf(this.#types[value] === "i32" ? "i32" : "i64");
    return this.#ranges[value] ?? { min: 0n, max, bits: max };
  }

  /** Appends an instruction. */
  put(insn: IrInsn): void {
    this.#out.push(insn);
    if (!("id" in insn)) return;
    this.#defs[insn.id] = insn;
    this.#types[insn.id] = insn.type;
    // The range found for the old instruction holds for the value still; the new one may tell more.
    const range = rangeOfInsn(insn, (v) => this.range(v));
    if (range !== null && insn.op !== "undef") this.#ranges[insn.id] = tighter(this.#ranges[insn.id], range);
  }

  /** Lets `other` stand for `value`. */
  replace(value: ValueId, other: ValueId): void {
    this.#replacement.set(value, other);
  }

  /** A new constant. */
  makeConstant(type: IntType, value: bigint): ValueId {
    const id = this.#nextValue++;
    const wrapped = wrapConstant(type, value);
    this.#ranges[id] = exactly(wrapped);
    this.put({ op: "const", id, type, value: wrapped, origin: this.origin });
    return id;
  }

  /** A new operation with a constant. */
  makeBinary(kind: BinaryKind, type: IntType, a: ValueId, constant: bigint): ValueId {
    const b = this.makeConstant(type, constant);
    const id = this.#nextValue++;
    this.put({ op: "binary", kind, id, type, a, b, origin: this.origin });
    return id;
  }

  /** A new pointer. */
  makeOffset(type: "pkt" | "mem", base: ValueId, bytes: number): ValueId {
    const id = this.#nextValue++;
    this.put({ op: "offset", id, type, base, bytes, origin: this.origin });
    return id;
  }

  /** base + bytes with the constants of a chain of offsets added up, where the sum fits an instruction's 16 bits. */
  place(base: ValueId, bytes: number): { readonly base: ValueId; readonly bytes: number } {
    let at = { base, bytes };
    for (let def = this.#defs[at.base]; def?.op === "offset"; def = this.#defs[at.base]) {
      const sum = at.bytes + def.bytes;
      if (sum < -0x8000 || sum > 0x7000) break;
      at = { base: def.base, bytes: sum };
    }
    return at;
  }
}

function tighter(a: Range | undefined, b: Range): Range {
  if (a === undefined) return b;
  return { min: a.min > b.min ? a.min : b.min, max: a.max < b.max ? a.max : b.max, bits: a.bits & b.bits };
}
