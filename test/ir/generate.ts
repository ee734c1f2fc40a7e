// Random valid IR for property tests: structured control flow (branches, switches, guards, counted loops) over packet loads,
// arithmetic, presence flags with `undef` pointers, stack keys, map calls, shared counters. Every program ends, and passes the
// validator.

import fc from "fast-check";
import { Builder } from "../../src/ir/builder.ts";
import type { BinaryKind, BlockId, Compare, IntType, IrFunction, IrType, ValueId } from "../../src/ir/ir.ts";

/** Runs per property and seed, from FC_RUNS and FC_SEED. */
export function runs(usual: number): { numRuns: number; seed?: number } {
  const seed = process.env.FC_SEED;
  const numRuns = Number(process.env.FC_RUNS ?? usual);
  return seed === undefined ? { numRuns } : { numRuns, seed: Number(seed) };
}

/** A random program as a list of choices; shrinks by dropping and zeroing choices. */
export const programs: fc.Arbitrary<IrFunction> = fc
  .array(fc.nat({ max: 0xffff }), { minLength: 10, maxLength: 220 })
  .map((choices) => new Generator(choices).make());

/** Packets of 0 to 48 bytes, with bytes that programs compare with among them. */
export const packets: fc.Arbitrary<Uint8Array> = fc.uint8Array({ maxLength: 48 }).map((bytes) => bytes.map(soften));

// Few different bytes, so that equal values happen.
function soften(byte: number): number {
  return byte % 3 === 0 ? byte : byte % 4;
}

interface Known {
  readonly pointer: ValueId;
  readonly bytes: number;
}

interface Flag {
  readonly flag: ValueId;
  readonly pointer: ValueId;
  readonly bytes: number;
}

// What may be used at a place.
interface Scope {
  readonly i32: ValueId[];
  readonly i64: ValueId[];
  readonly packet: Known[];
  readonly flags: Flag[];
}

const KINDS: readonly BinaryKind[] = ["add", "sub", "mul", "div", "mod", "and", "or", "xor", "shl", "shr"];
const COMPARES: readonly Compare[] = [
  "eq",
  "ne",
  "ult",
  "ule",
  "ugt",
  "uge",
  "slt",
  "sle",
  "sgt",
  "sge",
  "set",
  "eq",
  "ne",
  "eq",
];
const CONSTANTS = [0n, 1n, 2n, 3n, 6n, 8n, 0xffn, 0x100n, 0x0800n, 0xff00n, 0xffffn, 0x8000_0000n, 0xffff_ffffn];

class Generator {
  readonly #choices: readonly number[];
  readonly #b = new Builder("random");
  readonly #data: ValueId;
  readonly #end: ValueId;
  readonly #slot: ValueId;
  readonly #exits: BlockId[] = [];
  #at = 0;

  constructor(choices: readonly number[]) {
    this.#choices = choices;
    this.#data = this.#b.ctxLoad("data");
    this.#end = this.#b.ctxLoad("data_end");
    this.#slot = this.#b.slot(this.#b.newSlot(8, 8));
    for (let verdict = 0; verdict < 3; verdict++) {
      const exit = this.#b.newBlock().id;
      const back = this.#b.current ?? 0;
      this.#b.setBlock(exit);
      this.#b.ret(this.#b.constant("i32", verdict));
      this.#b.setBlock(back);
      this.#exits.push(exit);
    }
  }

  make(): IrFunction {
    const b = this.#b;
    const scope: Scope = { i32: [b.ctxLoad("rx_queue_index")], i64: [b.constant("i64", 1)], packet: [], flags: [] };
    while (this.#at < this.#choices.length && b.current !== null) this.#statement(scope, 3);
    if (b.current !== null) b.ret(this.#pick(scope.i32));
    return b.finish();
  }

  #next(limit: number): number {
    return (this.#choices[this.#at++] ?? 0) % limit;
  }

  #pick<T>(list: readonly T[]): T {
    // Mostly what was made last: programs whose parts have to do with each other.
    const i = this.#next(2) === 0 ? list.length - 1 - this.#next(Math.min(3, list.length)) : this.#next(list.length);
    return list[i] as T;
  }

  #exit(): BlockId {
    return this.#exits[this.#next(3)] as BlockId;
  }

  #constant(type: IntType): ValueId {
    return this.#b.constant(type, CONSTANTS[this.#next(CONSTANTS.length)] as bigint);
  }

  #int(scope: Scope, type: IntType): ValueId {
    if (this.#next(3) === 0) return this.#constant(type);
    return this.#pick(type === "i32" ? scope.i32 : scope.i64);
  }

  #statement(scope: Scope, depth: number): void {
    const b = this.#b;
    switch (this.#next(depth > 0 ? 17 : 9)) {
      case 0:
      case 1:
      case 2:
        this.#load(scope);
        return;
      case 3:
        scope.i32.push(
          b.binary(KINDS[this.#next(10)] as BinaryKind, "i32", this.#int(scope, "i32"), this.#int(scope, "i32")),
        );
        return;
      case 4:
        scope.i64.push(
          b.binary(KINDS[this.#next(10)] as BinaryKind, "i64", this.#int(scope, "i64"), this.#int(scope, "i64")),
        );
        return;
      case 5:
        scope.i32.push(b.bswap(this.#next(2) === 0 ? 2 : 4, this.#int(scope, "i32")));
        return;
      case 6:
        if (this.#next(2) === 0) scope.i64.push(b.zext(this.#int(scope, "i32")));
        else scope.i32.push(b.trunc(this.#int(scope, "i64")));
        return;
      case 7:
        this.#store(scope);
        return;
      case 8:
        this.#map(scope);
        return;
      case 9:
      case 10:
        this.#guard(scope);
        return;
      case 11:
        this.#header(scope, depth);
        return;
      case 12:
        this.#flag(scope, depth);
        return;
      case 13:
      case 14:
        this.#branch(scope, depth);
        return;
      case 15:
        this.#switch(scope, depth);
        return;
      default:
        this.#loop(scope, depth);
        return;
    }
  }

  #load(scope: Scope): void {
    if (scope.packet.length === 0) {
      this.#guard(scope);
      return;
    }
    const { pointer, bytes } = this.#pick(scope.packet);
    const width = ([1, 2, 4, 8] as const)[this.#next(4)] ?? 1;
    if (bytes < width) return;
    const loaded = this.#b.load("packet", width, pointer, this.#next(bytes - width + 1));
    (width === 8 ? scope.i64 : scope.i32).push(loaded);
  }

  #store(scope: Scope): void {
    const b = this.#b;
    if (this.#next(2) === 0 && scope.packet.length > 0) {
      const { pointer, bytes } = this.#pick(scope.packet);
      const width = ([1, 2, 4] as const)[this.#next(3)] ?? 1;
      if (bytes >= width) b.store("packet", width, pointer, this.#next(bytes - width + 1), this.#int(scope, "i32"));
      return;
    }
    b.store("stack", 4, this.#slot, 0, this.#int(scope, "i32"));
    b.store("stack", 2, this.#slot, 4, this.#int(scope, "i32"));
    if (this.#next(2) === 0) scope.i32.push(b.load("stack", 4, this.#slot, 0));
  }

  #map(scope: Scope): void {
    const b = this.#b;
    b.store("stack", 4, this.#slot, 0, this.#int(scope, "i32"));
    const entry = b.call("map_lookup_elem", [b.map("m"), this.#slot]);
    const found = b.newBlock().id;
    const join = b.newBlock(["i32"]);
    const none = this.#constant("i32");
    b.nullGuard(entry, { target: found, args: [] }, { target: join.id, args: [none] });
    b.setBlock(found);
    b.atomicAdd(8, entry, 0, this.#int(scope, "i64"));
    const value = b.load("shared", 4, entry, 0);
    if (this.#next(2) === 0) b.store("shared", 4, entry, 8, value);
    b.jump(join.id, [value]);
    b.setBlock(join.id);
    scope.i32.push(join.params[0] as ValueId);
  }

  #guard(scope: Scope): void {
    const b = this.#b;
    const known = scope.packet.length > 0 && this.#next(2) === 0 ? this.#pick(scope.packet) : null;
    let base = known === null ? this.#data : known.pointer;
    if (known !== null && this.#next(3) === 0) {
      // A variable distance, as a header's length field gives.
      const three = b.constant("i32", 7);
      const small = b.binary("and", "i32", this.#int(scope, "i32"), three);
      const minimum = this.#next(3);
      const length = b.binary("add", "i32", small, b.constant("i32", minimum));
      base = b.index(base, b.zext(length));
    } else if (this.#next(2) === 0) base = b.offset(base, this.#next(8));
    const bytes = 1 + this.#next(16);
    const ok = b.newBlock().id;
    b.packetGuard(base, this.#end, bytes, { target: ok, args: [] }, { target: this.#exit(), args: [] });
    b.setBlock(ok);
    scope.packet.push({ pointer: base, bytes });
  }

  // As the lowering computes presence: a flag, a selector and a pointer that is undefined where the flag is 0.
  #header(scope: Scope, depth: number): void {
    const b = this.#b;
    const join = b.newBlock(["i32", "i32", "pkt"]);
    const test = b.newBlock().id;
    const found = b.newBlock().id;
    const zero = b.constant("i32", 0);
    const none = b.constant("i32", 0x10000);
    const nowhere = b.undef("pkt");
    const absent = { target: join.id, args: [zero, none, nowhere] };
    if (scope.flags.length > 0 && this.#next(2) === 0) {
      const parent = this.#pick(scope.flags);
      b.branch("ne", "i32", parent.flag, zero, { target: test, args: [] }, absent);
    } else b.branch("eq", "i32", this.#int(scope, "i32"), this.#int(scope, "i32"), { target: test, args: [] }, absent);
    b.setBlock(test);
    const base = scope.packet.length > 0 && this.#next(2) === 0 ? this.#pick(scope.packet).pointer : this.#data;
    const at = b.offset(base, this.#next(8));
    const bytes = 1 + this.#next(8);
    b.packetGuard(at, this.#end, bytes, { target: found, args: [] }, absent);
    b.setBlock(found);
    const selector = b.load("packet", 1, at, this.#next(bytes));
    b.jump(join.id, [b.constant("i32", 1), selector, at]);
    b.setBlock(join.id);
    const [flag, selected, pointer] = join.params as readonly [ValueId, ValueId, ValueId];
    scope.flags.push({ flag, pointer, bytes });
    scope.i32.push(flag, selected);
    if (depth > 1 && this.#next(3) === 0) this.#flag(scope, depth - 1);
  }

  #flag(scope: Scope, depth: number): void {
    const b = this.#b;
    if (scope.flags.length === 0) {
      this.#header(scope, depth);
      return;
    }
    const { flag, pointer, bytes } = this.#pick(scope.flags);
    const present = b.newBlock().id;
    const after = b.newBlock().id;
    b.branch("ne", "i32", flag, b.constant("i32", 0), { target: present, args: [] }, { target: after, args: [] });
    b.setBlock(present);
    const inner: Scope = { ...copyOf(scope), packet: [...scope.packet, { pointer, bytes }] };
    this.#load(inner);
    this.#body(inner, depth - 1);
    if (b.current !== null) b.jump(after);
    b.setBlock(after);
  }

  #body(scope: Scope, depth: number): void {
    const count = this.#next(3);
    for (let i = 0; i < count && this.#b.current !== null; i++) this.#statement(scope, depth);
    if (this.#b.current !== null && this.#next(4) === 0) this.#b.jump(this.#exit());
  }

  #branch(scope: Scope, depth: number): void {
    const b = this.#b;
    const type: IntType = this.#next(4) === 0 ? "i64" : "i32";
    const left = b.newBlock().id;
    const right = b.newBlock().id;
    const join = b.newBlock(["i32"]);
    const compare = COMPARES[this.#next(COMPARES.length)] as Compare;
    b.branch(
      compare,
      type,
      this.#int(scope, type),
      this.#int(scope, type),
      { target: left, args: [] },
      { target: right, args: [] },
    );
    for (const side of [left, right]) {
      b.setBlock(side);
      const inner = copyOf(scope);
      this.#body(inner, depth - 1);
      if (b.current !== null) b.jump(join.id, [this.#int(inner, "i32")]);
    }
    b.setBlock(join.id);
    scope.i32.push(join.params[0] as ValueId);
  }

  #switch(scope: Scope, depth: number): void {
    const b = this.#b;
    const join = b.newBlock(["i32"]);
    const value = this.#pick(scope.i32);
    const count = 1 + this.#next(4);
    const arms = Array.from({ length: count }, () => b.newBlock().id);
    const cases = arms.map((target, i) => ({
      value: CONSTANTS[(i * 3 + 1) % 13] as bigint,
      edge: { target, args: [] },
    }));
    b.switchOn("i32", value, cases, { target: join.id, args: [value] });
    for (const arm of arms) {
      b.setBlock(arm);
      const inner = copyOf(scope);
      this.#body(inner, depth - 1);
      if (b.current !== null) b.jump(join.id, [this.#int(inner, "i32")]);
    }
    b.setBlock(join.id);
    scope.i32.push(join.params[0] as ValueId);
  }

  // Counts up to a constant and walks a pointer, with a guard inside.
  #loop(scope: Scope, depth: number): void {
    const b = this.#b;
    const types: IrType[] = ["i32", "i32", "pkt"];
    const head = b.newBlock(types);
    const body = b.newBlock().id;
    const after = b.newBlock(["i32"]);
    const start = b.offset(this.#data, this.#next(4));
    b.jump(head.id, [b.constant("i32", 0), this.#int(scope, "i32"), start]);
    b.setBlock(head.id);
    const [count, carried, pointer] = head.params as readonly [ValueId, ValueId, ValueId];
    const limit = b.constant("i32", 1 + this.#next(4));
    b.branch("ult", "i32", count, limit, { target: body, args: [] }, { target: after.id, args: [carried] });
    b.setBlock(body);
    const inner = copyOf(scope);
    inner.i32.push(count, carried);
    const ok = b.newBlock().id;
    const bytes = 1 + this.#next(6);
    b.packetGuard(pointer, this.#end, bytes, { target: ok, args: [] }, { target: after.id, args: [count] });
    b.setBlock(ok);
    inner.packet.push({ pointer, bytes });
    this.#load(inner);
    this.#body(inner, depth - 1);
    if (b.current !== null) {
      const more = b.binary("add", "i32", count, b.constant("i32", 1));
      b.jump(head.id, [more, this.#int(inner, "i32"), b.offset(pointer, this.#next(3))]);
    }
    b.setBlock(after.id);
    scope.i32.push(after.params[0] as ValueId);
  }
}

function copyOf(scope: Scope): Scope {
  return { i32: [...scope.i32], i64: [...scope.i64], packet: [...scope.packet], flags: [...scope.flags] };
}
