// A small mutable builder of IR functions: fresh values and blocks, one instruction per call, `finish` freezes the result.
// For `lower` and for tests. It looks nothing up and optimises nothing (repeated constants are left to the passes); it
// knows nothing of the language.

import { assert, must } from "../base/assert.ts";
import type {
  BinaryKind,
  Block,
  BlockId,
  Compare,
  CtxField,
  Edge,
  IntType,
  IrFunction,
  IrInsn,
  IrType,
  Origin,
  Param,
  Slot,
  Space,
  Terminator,
  ValueId,
} from "./ir.ts";

/** A block made by the builder and the values of its parameters. */
export interface NewBlock {
  readonly id: BlockId;
  readonly params: readonly ValueId[];
}

interface OpenBlock {
  readonly id: BlockId;
  readonly params: readonly Param[];
  readonly insns: IrInsn[];
  term: Terminator | null;
}

/** The value as an unsigned number of its type's width, which is how constants are kept. */
export function wrapConstant(type: IntType, value: bigint): bigint {
  return BigInt.asUintN(type === "i32" ? 32 : 64, value);
}

/** The type of a ctxLoad of `field`. */
export function ctxFieldType(field: CtxField): IrType {
  if (field === "data" || field === "data_meta") return "pkt";
  return field === "data_end" ? "end" : "i32";
}

/** Builds one function; instructions go to the current block, which is the entry at first. */
export class Builder {
  readonly name: string;
  /** The context: the entry's only parameter. */
  readonly context: ValueId;
  /** The entry block. */
  readonly entry: BlockId;
  readonly #blocks: OpenBlock[] = [];
  readonly #types: IrType[] = [];
  readonly #slots: Slot[] = [];
  #current: OpenBlock | null = null;
  #origin: Origin = null;

  constructor(name: string) {
    this.name = name;
    const entry = this.newBlock(["ctx"]);
    this.entry = entry.id;
    this.context = must(entry.params[0], "the entry's parameter");
    this.setBlock(entry.id);
  }

  /** The block that instructions go to; null when it has been terminated and no other was chosen. */
  get current(): BlockId | null {
    return this.#current === null ? null : this.#current.id;
  }

  /** The origin of what follows; null for code that belongs to no rule. */
  setOrigin(origin: Origin): void {
    this.#origin = origin;
  }

  /** The origin in force. */
  get origin(): Origin {
    return this.#origin;
  }

  /** The type of a value made by this builder. */
  typeOf(value: ValueId): IrType {
    return must(this.#types[value], `type of v${value}`);
  }

  /** Makes a block with parameters of these types; it doesn't become the current one. */
  newBlock(types: readonly IrType[] = []): NewBlock {
    const params = types.map((type) => ({ id: this.#fresh(type), type }));
    const block: OpenBlock = { id: this.#blocks.length, params, insns: [], term: null };
    this.#blocks.push(block);
    return { id: block.id, params: params.map((p) => p.id) };
  }

  /** Makes `block`, which must not be terminated yet, the current one. */
  setBlock(block: BlockId): void {
    const open = must(this.#blocks[block], `block b${block}`);
    assert(open.term === null, `b${block} is terminated already`);
    this.#current = open;
  }

  /** Reserves a stack slot; `align` is 1, 2, 4 or 8. */
  newSlot(bytes: number, align: 1 | 2 | 4 | 8): number {
    this.#slots.push({ id: this.#slots.length, bytes, align });
    return this.#slots.length - 1;
  }

  /** A constant, wrapped to its type. */
  constant(type: IntType, value: bigint | number): ValueId {
    const id = this.#fresh(type);
    return this.#push({ op: "const", id, type, value: wrapConstant(type, BigInt(value)), origin: this.#origin }, id);
  }

  /** A value that no path reads. */
  undef(type: IrType): ValueId {
    const id = this.#fresh(type);
    return this.#push({ op: "undef", id, type, origin: this.#origin }, id);
  }

  /** Two-operand arithmetic at `type`'s width. */
  binary(kind: BinaryKind, type: IntType, a: ValueId, b: ValueId): ValueId {
    const id = this.#fresh(type);
    return this.#push({ op: "binary", kind, id, type, a, b, origin: this.#origin }, id);
  }

  /** Reverses the low `bytes` bytes of `a`; 2 and 4 give an i32, 8 an i64. */
  bswap(bytes: 2 | 4 | 8, a: ValueId): ValueId {
    const type: IntType = bytes === 8 ? "i64" : "i32";
    const id = this.#fresh(type);
    return this.#push({ op: "bswap", id, type, bytes, a, origin: this.#origin }, id);
  }

  /** i32 to i64. */
  zext(a: ValueId): ValueId {
    const id = this.#fresh("i64");
    return this.#push({ op: "zext", id, type: "i64", a, origin: this.#origin }, id);
  }

  /** i64 to i32. */
  trunc(a: ValueId): ValueId {
    const id = this.#fresh("i32");
    return this.#push({ op: "trunc", id, type: "i32", a, origin: this.#origin }, id);
  }

  /** Reads a field of the context. */
  ctxLoad(field: CtxField): ValueId {
    const type = ctxFieldType(field);
    const id = this.#fresh(type);
    return this.#push({ op: "ctxLoad", id, type, ctx: this.context, field, origin: this.#origin }, id);
  }

  /** base + a constant number of bytes. */
  offset(base: ValueId, bytes: number): ValueId {
    const type = this.#pointerType(base);
    const id = this.#fresh(type);
    return this.#push({ op: "offset", id, type, base, bytes, origin: this.#origin }, id);
  }

  /** base + a variable i64. */
  index(base: ValueId, index: ValueId): ValueId {
    const type = this.#pointerType(base);
    const id = this.#fresh(type);
    return this.#push({ op: "index", id, type, base, index, origin: this.#origin }, id);
  }

  /** `base` as a packet pointer to a copy of `bytes` packet bytes that has just been made there. */
  view(base: ValueId, bytes: number): ValueId {
    const id = this.#fresh("pkt");
    return this.#push({ op: "view", id, type: "pkt", base, bytes, origin: this.#origin }, id);
  }

  /** `to` - `from` in bytes, as an i64; each is a packet pointer or the packet's end. */
  distance(from: ValueId, to: ValueId): ValueId {
    const id = this.#fresh("i64");
    return this.#push({ op: "distance", id, type: "i64", from, to, origin: this.#origin }, id);
  }

  /** The `width` bytes at base + offset in machine order: an i32, for 8 bytes an i64. */
  load(space: Space, width: 1 | 2 | 4 | 8, base: ValueId, offset = 0): ValueId {
    const type: IntType = width === 8 ? "i64" : "i32";
    const id = this.#fresh(type);
    return this.#push({ op: "load", id, type, space, width, base, offset, origin: this.#origin }, id);
  }

  /** Writes the low `width` bytes of `value` to base + offset. */
  store(space: Space, width: 1 | 2 | 4 | 8, base: ValueId, offset: number, value: ValueId): void {
    this.#open().insns.push({ op: "store", space, width, base, offset, value, origin: this.#origin });
  }

  /** Adds `value` atomically to the place at base + offset. */
  atomicAdd(width: 4 | 8, base: ValueId, offset: number, value: ValueId): void {
    this.#open().insns.push({ op: "atomicAdd", width, base, offset, value, origin: this.#origin });
  }

  /** The address of a stack slot. */
  slot(slot: number): ValueId {
    const id = this.#fresh("mem");
    return this.#push({ op: "slot", id, type: "mem", slot, origin: this.#origin }, id);
  }

  /** The handle of a map. */
  map(map: string): ValueId {
    const id = this.#fresh("map");
    return this.#push({ op: "map", id, type: "map", map, origin: this.#origin }, id);
  }

  /** The address of byte `offsetBytes` of a global data section. */
  global(section: ".rodata" | ".data" | ".bss", offsetBytes: number): ValueId {
    const id = this.#fresh("mem");
    return this.#push({ op: "global", id, type: "mem", section, offsetBytes, origin: this.#origin }, id);
  }

  /** Calls a helper (its name without `bpf_`); map_lookup_elem gives a "maybe", the others an i64. */
  call(helper: string, args: readonly ValueId[]): ValueId {
    const type = helper === "map_lookup_elem" ? "maybe" : "i64";
    const id = this.#fresh(type);
    return this.#push({ op: "call", id, type, helper, args: [...args], origin: this.#origin }, id);
  }

  /** Ends the block with a jump. */
  jump(target: BlockId, args: readonly ValueId[] = []): void {
    this.terminate({ op: "jump", edge: { target, args: [...args] }, origin: this.#origin });
  }

  /** Ends the block with a comparison of two integers of `type`. */
  branch(compare: Compare, type: IntType, a: ValueId, b: ValueId, then: Edge, otherwise: Edge): void {
    this.terminate({ op: "branch", compare, type, a, b, then, else: otherwise, origin: this.#origin });
  }

  /** Ends the block with a switch over distinct constants, which are wrapped to `type`. */
  switchOn(
    type: IntType,
    value: ValueId,
    cases: readonly { readonly value: bigint | number; readonly edge: Edge }[],
    otherwise: Edge,
  ): void {
    const wrapped = cases.map((c) => ({ value: wrapConstant(type, BigInt(c.value)), edge: c.edge }));
    this.terminate({ op: "switch", type, value, cases: wrapped, default: otherwise, origin: this.#origin });
  }

  /** Ends the block with a check that [base, base + bytes) lies in the packet. */
  packetGuard(base: ValueId, end: ValueId, bytes: number, ok: Edge, fail: Edge): void {
    this.terminate({ op: "packetGuard", base, end, bytes, ok, fail, origin: this.#origin });
  }

  /** Ends the block with a check that a "maybe" pointer isn't null. */
  nullGuard(value: ValueId, ok: Edge, fail: Edge): void {
    this.terminate({ op: "nullGuard", value, ok, fail, origin: this.#origin });
  }

  /** Ends the block with the program's result. */
  ret(value: ValueId): void {
    this.terminate({ op: "return", value, origin: this.#origin });
  }

  /** Ends the current block; there is none until the next setBlock. */
  terminate(term: Terminator): void {
    this.#open().term = term;
    this.#current = null;
  }

  /** The function; throws InternalError when a block has no end. */
  finish(): IrFunction {
    const blocks: Block[] = this.#blocks.map((b) => ({
      id: b.id,
      params: b.params,
      insns: b.insns,
      term: must(b.term, `b${b.id} of ${this.name} isn't terminated`),
    }));
    return {
      name: this.name,
      blocks,
      slots: this.#slots,
      nextValue: this.#types.length,
      nextBlock: this.#blocks.length,
    };
  }

  #fresh(type: IrType): ValueId {
    this.#types.push(type);
    return this.#types.length - 1;
  }

  #push(insn: IrInsn, id: ValueId): ValueId {
    this.#open().insns.push(insn);
    return id;
  }

  #open(): OpenBlock {
    return must(this.#current, `${this.name}: no block to append to`);
  }

  #pointerType(base: ValueId): "pkt" | "mem" {
    return this.typeOf(base) === "pkt" ? "pkt" : "mem";
  }
}
