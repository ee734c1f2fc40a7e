// Random IR functions that hold to the shape rules, end, and read nothing undefined: variables that are assigned, joined
// after branches and carried through loops, with enough of them alive to run out of registers; packet, stack and map memory.

import { Builder } from "../../src/ir/builder.ts";
import type { BinaryKind, Compare, Edge, IntType, IrFunction, ValueId } from "../../src/ir/ir.ts";

/** The map that generated programs use: an array of `entries` values of `valueBytes`, keyed by u32. */
export const table = { name: "table", entries: 4, valueBytes: 16 } as const;
/** Bytes of packet that generated programs may touch. */
export const packetBytes = 64;

/** How a program shall look. */
export interface Shape {
  readonly seed: number;
  /** Variables alive all the time. */
  readonly variables: number;
  readonly statements: number;
  /** Whether helpers are called (their results matter only for map lookups). */
  readonly calls: boolean;
}

const kinds: readonly BinaryKind[] = ["add", "sub", "mul", "div", "mod", "and", "or", "xor", "shl", "shr"];
const compares: readonly Compare[] = ["eq", "ne", "ult", "ule", "ugt", "uge", "slt", "sle", "sgt", "sge", "set"];
const constants = [
  0n,
  1n,
  2n,
  3n,
  5n,
  8n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_fff0n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  0xffff_ffff_8000_0000n,
  0xffff_ffff_ffff_ffffn,
  0x1234_5678_9abc_def0n,
];

interface Variable {
  readonly type: IntType;
  value: ValueId;
}

/** A function of this shape; the same for the same shape. */
export function randomIr(shape: Shape): IrFunction {
  return new Maker(shape).run();
}

class Maker {
  readonly #b = new Builder("random");
  readonly #shape: Shape;
  readonly #slot: number;
  readonly #key: number;
  #state: number;
  #variables: Variable[] = [];
  #data = 0;
  #end = 0;
  /** Where guards that fail go. */
  #short = 0;
  #left: number;

  constructor(shape: Shape) {
    this.#shape = shape;
    this.#state = shape.seed | 0;
    this.#left = shape.statements;
    this.#slot = this.#b.newSlot(24, 8);
    this.#key = this.#b.newSlot(4, 4);
  }

  run(): IrFunction {
    const b = this.#b;
    this.#data = b.ctxLoad("data");
    this.#end = b.ctxLoad("data_end");
    const ok = b.newBlock();
    const short = b.newBlock();
    this.#short = short.id;
    b.packetGuard(this.#data, this.#end, packetBytes, { target: ok.id, args: [] }, { target: short.id, args: [] });
    b.setBlock(short.id);
    b.ret(b.constant("i32", 77));
    b.setBlock(ok.id);
    const slot = b.slot(this.#slot);
    for (let i = 0; i < 3; i++) b.store("stack", 8, slot, 8 * i, b.load("packet", 8, this.#data, 8 * i));
    for (let i = 0; i < this.#shape.variables; i++) {
      const width = this.#pick([1, 2, 4, 8] as const);
      const value = b.load("packet", width, this.#data, this.#below(packetBytes - width + 1));
      this.#variables.push({ type: width === 8 ? "i64" : "i32", value });
    }
    this.#statements(0);
    let sum = b.constant("i64", 0);
    for (const v of this.#variables) {
      sum = b.binary("mul", "i64", sum, b.constant("i64", 0x9e37_79b1n));
      sum = b.binary("xor", "i64", sum, v.type === "i64" ? v.value : b.zext(v.value));
    }
    sum = b.binary("xor", "i64", sum, b.binary("shr", "i64", sum, b.constant("i64", 32)));
    b.ret(this.#chance(2) ? b.trunc(sum) : sum);
    return b.finish();
  }

  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  #below(n: number): number {
    return this.#next() % n;
  }

  #chance(oneIn: number): boolean {
    return this.#below(oneIn) === 0;
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)] as T;
  }

  /** Statements until the budget is gone or this block is long enough. */
  #statements(depth: number): void {
    for (let i = depth === 0 ? Number.POSITIVE_INFINITY : 1 + this.#below(5); i > 0 && this.#left > 0; i--) {
      this.#left--;
      const dice = this.#below(22);
      if (dice < 11) this.#assign();
      else if (dice < 13) this.#stack();
      else if (dice < 14) this.#packetStore();
      else if (dice < 16) this.#shape.calls ? this.#call() : this.#assign();
      else if (depth > 3) this.#assign();
      else if (dice < 18) this.#branch(depth);
      else if (dice < 19) this.#switch(depth);
      else if (dice < 20) this.#loop(depth);
      else this.#walk();
    }
  }

  /** A pointer that walks through the packet: guard after guard, fields read behind each, two ways joined at a parameter. */
  #walk(): void {
    const b = this.#b;
    let place = this.#data;
    if (this.#chance(2)) {
      const index = b.binary("and", "i64", this.#operand("i64"), b.constant("i64", 60));
      place = b.index(this.#chance(2) ? b.offset(place, 14) : place, index);
    }
    const arms: { end: number; values: ValueId[]; pointer: ValueId }[] = [];
    let known = 0;
    const guard = (pointer: ValueId, bytes: number): void => {
      const ok = b.newBlock();
      if (this.#chance(3)) {
        b.packetGuard(pointer, this.#end, bytes, { target: ok.id, args: [] }, { target: this.#short, args: [] });
        b.setBlock(ok.id);
        return;
      }
      // Where it fails the pointer is still good for what was known before.
      const failed = b.newBlock(["pkt"]);
      const handed = this.#chance(2) ? pointer : b.offset(pointer, this.#below(30));
      b.packetGuard(pointer, this.#end, bytes, { target: ok.id, args: [] }, { target: failed.id, args: [handed] });
      b.setBlock(failed.id);
      const before = this.#values();
      if (known > 0 && this.#chance(2)) read(place, known);
      if (known > 0 && handed === place && this.#chance(2)) read(failed.params[0] as ValueId, known);
      arms.push({ end: failed.id, values: this.#values(), pointer: failed.params[0] as ValueId });
      this.#set(before);
      b.setBlock(ok.id);
    };
    const read = (pointer: ValueId, limit: number): void => {
      const width = this.#pick([1, 2, 4] as const);
      const at = this.#below(limit - width + 1);
      if (this.#chance(2)) this.#assignTo(b.load("packet", width, pointer, at));
      else this.#assignTo(b.load("packet", width, b.offset(pointer, at), 0));
    };
    for (let i = this.#below(4); i > 0; i--) {
      const bytes = known + 4 + this.#below(20);
      guard(place, bytes);
      known = bytes;
      for (let n = this.#below(3); n > 0; n--) read(place, known);
      if (this.#shape.calls && this.#chance(5)) b.call("ktime_get_ns", []);
    }
    if (this.#chance(2)) {
      const join = b.newBlock(["pkt"]);
      const [left, right] = [b.newBlock(), b.newBlock()];
      const edge = (target: number): Edge => ({ target, args: [] });
      b.branch("ugt", "i32", this.#operand("i32"), this.#operand("i32"), edge(left.id), edge(right.id));
      b.setBlock(left.id);
      const [first, second] = [this.#below(40), this.#below(40)];
      b.jump(join.id, [b.offset(place, first)]);
      b.setBlock(right.id);
      if (this.#chance(2)) guard(place, known + 4);
      b.jump(join.id, [this.#chance(2) ? place : b.offset(place, second)]);
      b.setBlock(join.id);
      const pointer = join.params[0] as ValueId;
      guard(pointer, 8);
      read(pointer, 8);
      if (this.#chance(2)) {
        guard(pointer, 20);
        read(pointer, 20);
      }
      if (known > 0 && this.#chance(2)) read(place, known);
    }
    // All ways come together, each with a pointer of its own.
    const types = this.#variables.map((v) => v.type);
    const last = b.newBlock(["pkt", ...types]);
    arms.push({ end: b.current as number, values: this.#values(), pointer: b.offset(place, known) });
    for (const arm of arms) {
      if (b.current !== arm.end) b.setBlock(arm.end);
      b.jump(last.id, [arm.pointer, ...arm.values]);
    }
    b.setBlock(last.id);
    const [pointer, ...values] = last.params as [ValueId, ...ValueId[]];
    this.#set(values);
    if (this.#chance(2)) return;
    const ok = b.newBlock();
    b.packetGuard(pointer, this.#end, 6, { target: ok.id, args: [] }, { target: this.#short, args: [] });
    b.setBlock(ok.id);
    read(pointer, 6);
  }

  #operand(type: IntType): ValueId {
    if (this.#chance(3)) return this.#b.constant(type, this.#pick(constants));
    const v = this.#pick(this.#variables);
    if (v.type === type) return v.value;
    return type === "i64" ? this.#b.zext(v.value) : this.#b.trunc(v.value);
  }

  #assign(): void {
    const b = this.#b;
    const to = this.#pick(this.#variables);
    const { type } = to;
    switch (this.#below(8)) {
      case 0: {
        const bytes = type === "i64" ? 8 : this.#pick([2, 4] as const);
        to.value = b.bswap(bytes, this.#operand(bytes === 8 ? "i64" : "i32"));
        return;
      }
      case 1: {
        const width = type === "i64" ? 8 : this.#pick([1, 2, 4] as const);
        const index = b.binary("and", "i64", this.#operand("i64"), b.constant("i64", 31));
        const place = b.index(b.offset(this.#data, this.#below(16)), index);
        const at = this.#below(9);
        const ok = b.newBlock();
        b.packetGuard(place, this.#end, at + width, { target: ok.id, args: [] }, { target: this.#short, args: [] });
        b.setBlock(ok.id);
        to.value = b.load("packet", width, place, at);
        return;
      }
      default:
        to.value = b.binary(this.#pick(kinds), type, this.#operand(type), this.#operand(type));
    }
  }

  #stack(): void {
    const b = this.#b;
    const width = this.#pick([1, 2, 4, 8] as const);
    const at = width * this.#below(24 / width);
    const slot = b.slot(this.#slot);
    if (this.#chance(2)) b.store("stack", width, slot, at, this.#operand(width === 8 ? "i64" : "i32"));
    else this.#assignTo(b.load("stack", width, b.offset(slot, at), 0));
  }

  #assignTo(value: ValueId): void {
    const to = this.#pick(this.#variables);
    const type = this.#b.typeOf(value);
    if (to.type === type) to.value = value;
    else to.value = type === "i64" ? this.#b.trunc(value) : this.#b.zext(value);
  }

  #packetStore(): void {
    const width = this.#pick([1, 2, 4, 8] as const);
    const at = this.#below(packetBytes - width + 1);
    this.#b.store("packet", width, this.#data, at, this.#operand(width === 8 ? "i64" : "i32"));
  }

  #call(): void {
    const b = this.#b;
    if (this.#chance(3)) {
      b.call(this.#pick(["ktime_get_ns", "get_smp_processor_id"]), []);
      return;
    }
    const key = b.slot(this.#key);
    const known = this.#chance(2);
    b.store("stack", 4, key, 0, known ? b.constant("i32", this.#below(6)) : this.#operand("i32"));
    const found = b.call("map_lookup_elem", [b.map(table.name), key]);
    const before = this.#variables.map((v) => v.value);
    const ok = b.newBlock();
    const fail = b.newBlock();
    b.nullGuard(found, { target: ok.id, args: [] }, { target: fail.id, args: [] });
    b.setBlock(ok.id);
    const width = this.#pick([1, 2, 4, 8] as const);
    const at = width * this.#below(table.valueBytes / width);
    if (this.#chance(3)) b.store("shared", width, found, at, this.#operand(width === 8 ? "i64" : "i32"));
    else if (this.#chance(2)) b.atomicAdd(8, found, 8 * this.#below(2), this.#operand("i64"));
    this.#assignTo(b.load("shared", width, found, at));
    const arms = [{ end: b.current as number, values: this.#values() }];
    this.#set(before);
    b.setBlock(fail.id);
    if (this.#chance(2)) this.#assign();
    arms.push({ end: b.current as number, values: this.#values() });
    this.#join(arms);
  }

  #values(): ValueId[] {
    return this.#variables.map((v) => v.value);
  }

  #set(values: readonly ValueId[]): void {
    this.#variables.forEach((v, i) => {
      v.value = values[i] as ValueId;
    });
  }

  /** Ends each arm with a jump to a new block; variables that differ become its parameters. */
  #join(arms: readonly { end: number; values: readonly ValueId[] }[]): void {
    const b = this.#b;
    const differs = this.#variables.map((_, i) => arms.some((arm) => arm.values[i] !== arms[0]?.values[i]));
    const types = this.#variables.filter((_, i) => differs[i]).map((v) => v.type);
    const join = b.newBlock(types);
    for (const arm of arms) {
      if (b.current !== arm.end) b.setBlock(arm.end);
      b.jump(
        join.id,
        arm.values.filter((_, i) => differs[i]),
      );
    }
    let next = 0;
    this.#set((arms[0]?.values ?? []).map((value, i) => (differs[i] ? (join.params[next++] as ValueId) : value)));
    b.setBlock(join.id);
  }

  /** The arms' bodies, each from the same state; returns where each ended. */
  #arms(starts: readonly number[], depth: number): { end: number; values: ValueId[] }[] {
    const before = this.#values();
    return starts.map((start) => {
      this.#set(before);
      this.#b.setBlock(start);
      this.#statements(depth + 1);
      return { end: this.#b.current as number, values: this.#values() };
    });
  }

  #branch(depth: number): void {
    const b = this.#b;
    const type = this.#pick(["i32", "i64"] as const);
    const edges = [b.newBlock(), b.newBlock()].map((block): Edge => ({ target: block.id, args: [] }));
    const [yes, no] = edges as [Edge, Edge];
    b.branch(this.#pick(compares), type, this.#operand(type), this.#operand(type), yes, no);
    if (this.#chance(8)) {
      b.setBlock(yes.target);
      b.ret(this.#operand("i32"));
      b.setBlock(no.target);
      return;
    }
    this.#join(this.#arms([yes.target, no.target], depth));
  }

  #switch(depth: number): void {
    const b = this.#b;
    const type = this.#pick(["i32", "i64"] as const);
    const arms = [b.newBlock(), b.newBlock(), b.newBlock()].map((block): Edge => ({ target: block.id, args: [] }));
    const from = this.#pick([0n, 0n, 250n, 0x7fff_fffen]);
    const count = 1 + this.#below(12);
    const value = b.binary("and", type, this.#operand(type), b.constant(type, 15));
    const moved = b.binary("add", type, value, b.constant(type, from));
    const cases: { value: bigint; edge: Edge }[] = [];
    for (let i = 0; i < count; i++) {
      const at = from + BigInt(this.#below(16));
      if (!cases.some((c) => c.value === at)) cases.push({ value: at, edge: this.#pick(arms) });
    }
    b.switchOn(type, moved, cases, arms[0] as Edge);
    this.#join(
      this.#arms(
        arms.map((arm) => arm.target),
        depth,
      ),
    );
  }

  #loop(depth: number): void {
    const b = this.#b;
    const head = b.newBlock(["i32", ...this.#variables.map((v) => v.type)]);
    b.jump(head.id, [b.constant("i32", 0), ...this.#values()]);
    b.setBlock(head.id);
    const [counter, ...params] = head.params as [ValueId, ...ValueId[]];
    this.#set(params);
    const body = b.newBlock();
    const done = b.newBlock();
    const bound = b.constant("i32", 1 + this.#below(4));
    b.branch("ult", "i32", counter, bound, { target: body.id, args: [] }, { target: done.id, args: [] });
    b.setBlock(body.id);
    this.#statements(Math.max(depth + 1, 3));
    b.jump(head.id, [b.binary("add", "i32", counter, b.constant("i32", 1)), ...this.#values()]);
    this.#set(params);
    b.setBlock(done.id);
  }
}
