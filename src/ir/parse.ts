// Reads the IR's text form (print.ts writes it): for pass tests and for looking at dumps again. It checks the syntax only;
// validate.ts checks the meaning. Its faults are plain errors with a line number: no user of the language sees them.

import { InternalError } from "../base/assert.ts";
import { wrapConstant } from "./builder.ts";
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
  Param,
  Slot,
  Space,
  Terminator,
  ValueId,
} from "./ir.ts";

const INT_TYPES: readonly IntType[] = ["i32", "i64"];
const TYPES: readonly IrType[] = [...INT_TYPES, "ctx", "pkt", "end", "map", "maybe", "mem"];
const SPACES: readonly Space[] = ["packet", "stack", "shared", "rodata"];
const SECTIONS = [".rodata", ".data", ".bss"] as const;
const BINARY: readonly BinaryKind[] = ["add", "sub", "mul", "div", "mod", "and", "or", "xor", "shl", "shr"];
const COMPARES: readonly Compare[] = ["eq", "ne", "ult", "ule", "ugt", "uge", "slt", "sle", "sgt", "sge", "set"];
const FIELDS: readonly CtxField[] = [
  "data",
  "data_end",
  "data_meta",
  "ingress_ifindex",
  "rx_queue_index",
  "egress_ifindex",
];
const TOKEN = /[A-Za-z_.][\w.]*|0x[0-9a-fA-F]+|\d+|<=|=>|[(){}:,=+-]/y;

/** Reads one function; throws InternalError with the line of the first fault. `nextValue` and `nextBlock` follow the numbers used. */
export function parseIr(text: string): IrFunction {
  return new Reader(text).fn();
}

class Reader {
  readonly #tokens: { readonly text: string; readonly line: number }[] = [];
  #at = 0;
  #maxValue = -1;
  #maxBlock = -1;

  constructor(text: string) {
    text.split("\n").forEach((raw, i) => {
      const line = raw.replace(/#.*$/, "");
      let at = 0;
      while (at < line.length) {
        if (/\s/.test(line.charAt(at))) {
          at++;
          continue;
        }
        TOKEN.lastIndex = at;
        const match = TOKEN.exec(line);
        if (match === null) throw new InternalError(`IR text, line ${i + 1}: unexpected "${line.slice(at)}"`);
        this.#tokens.push({ text: match[0], line: i + 1 });
        at = TOKEN.lastIndex;
      }
    });
  }

  fn(): IrFunction {
    this.#expect("fn");
    const name = this.#word();
    this.#expect("{");
    const slots: Slot[] = [];
    while (/^slot\d+$/.test(this.#peek())) slots.push(this.#slot());
    const blocks: Block[] = [];
    while (this.#peek() !== "}") blocks.push(this.#block());
    this.#expect("}");
    if (this.#at < this.#tokens.length) this.#fail("nothing after the function");
    return { name, blocks, slots, nextValue: this.#maxValue + 1, nextBlock: this.#maxBlock + 1 };
  }

  #slot(): Slot {
    const id = Number(this.#word().slice(4));
    this.#expect(":");
    const bytes = this.#int();
    this.#expect("align");
    return { id, bytes, align: this.#int() };
  }

  #block(): Block {
    const id = this.#blockId();
    this.#expect("(");
    const params: Param[] = this.#list(")", () => {
      const param = this.#value();
      this.#expect(":");
      return { id: param, type: this.#oneOf(TYPES) };
    });
    this.#expect(":");
    const insns: IrInsn[] = [];
    for (;;) {
      const insn = this.#insn();
      if (insn === null) break;
      insns.push(insn);
    }
    return { id, params, insns, term: this.#term() };
  }

  #insn(): IrInsn | null {
    if (this.#take("store")) {
      const space = this.#oneOf(SPACES);
      const width = this.#oneOfInts([1, 2, 4, 8] as const);
      const { base, bytes: offset } = this.#address();
      this.#expect("=");
      return { op: "store", space, width, base, offset, value: this.#value(), origin: null };
    }
    if (this.#take("atomicAdd")) {
      const width = this.#oneOfInts([4, 8] as const);
      const { base, bytes: offset } = this.#address();
      this.#expect("=");
      return { op: "atomicAdd", width, base, offset, value: this.#value(), origin: null };
    }
    if (!/^v\d+$/.test(this.#peek())) return null;
    const id = this.#value();
    this.#expect(":");
    const type = this.#oneOf(TYPES);
    this.#expect("=");
    return this.#definition(id, type);
  }

  #definition(id: ValueId, type: IrType): IrInsn {
    const word = this.#word();
    const origin = null;
    switch (word) {
      case "const": {
        const int = this.#check(INT_TYPES, type);
        return { op: "const", id, type: int, value: wrapConstant(int, this.#number()), origin };
      }
      case "undef":
        return { op: "undef", id, type, origin };
      case "bswap": {
        const bytes = this.#oneOfInts([2, 4, 8] as const);
        return { op: "bswap", id, type: this.#check(INT_TYPES, type), bytes, a: this.#value(), origin };
      }
      case "zext":
        return { op: "zext", id, type: this.#check(["i64"] as const, type), a: this.#value(), origin };
      case "trunc":
        return { op: "trunc", id, type: this.#check(["i32"] as const, type), a: this.#value(), origin };
      case "ctxLoad": {
        const ctx = this.#value();
        return { op: "ctxLoad", id, type, ctx, field: this.#oneOf(FIELDS), origin };
      }
      case "offset":
        return { op: "offset", id, type: this.#check(["pkt", "mem"] as const, type), ...this.#address(), origin };
      case "index": {
        const base = this.#value();
        this.#expect("+");
        const index = this.#value();
        return { op: "index", id, type: this.#check(["pkt", "mem"] as const, type), base, index, origin };
      }
      case "view": {
        const base = this.#value();
        this.#expect(",");
        return { op: "view", id, type: this.#check(["pkt"] as const, type), base, bytes: this.#int(), origin };
      }
      case "distance": {
        const from = this.#value();
        this.#expect(",");
        return { op: "distance", id, type: this.#check(["i64"] as const, type), from, to: this.#value(), origin };
      }
      case "load": {
        const space = this.#oneOf(SPACES);
        const width = this.#oneOfInts([1, 2, 4, 8] as const);
        const { base, bytes: offset } = this.#address();
        return { op: "load", id, type: this.#check(INT_TYPES, type), space, width, base, offset, origin };
      }
      case "slot":
        return { op: "slot", id, type: this.#check(["mem"] as const, type), slot: this.#int(), origin };
      case "map":
        return { op: "map", id, type: this.#check(["map"] as const, type), map: this.#word(), origin };
      case "global": {
        const section = this.#oneOf(SECTIONS);
        this.#expect("+");
        const offsetBytes = this.#int();
        return { op: "global", id, type: this.#check(["mem"] as const, type), section, offsetBytes, origin };
      }
      case "call": {
        const helper = this.#word();
        this.#expect("(");
        const args = this.#list(")", () => this.#value());
        return { op: "call", id, type: this.#check(["i64", "maybe"] as const, type), helper, args, origin };
      }
      default: {
        const kind = this.#check(BINARY, word);
        const a = this.#value();
        this.#expect(",");
        return { op: "binary", kind, id, type: this.#check(INT_TYPES, type), a, b: this.#value(), origin };
      }
    }
  }

  #term(): Terminator {
    const origin = null;
    const word = this.#word();
    switch (word) {
      case "jump":
        return { op: "jump", edge: this.#edge(), origin };
      case "branch": {
        const compare = this.#oneOf(COMPARES);
        const type = this.#oneOf(INT_TYPES);
        const a = this.#value();
        this.#expect(",");
        const b = this.#value();
        this.#expect(",");
        const then = this.#edge();
        this.#expect(",");
        return { op: "branch", compare, type, a, b, then, else: this.#edge(), origin };
      }
      case "switch": {
        const type = this.#oneOf(INT_TYPES);
        const value = this.#value();
        const cases: { value: bigint; edge: Edge }[] = [];
        this.#expect("{");
        while (!this.#take("else")) {
          const constant = wrapConstant(type, this.#number());
          this.#expect("=>");
          cases.push({ value: constant, edge: this.#edge() });
          this.#expect(",");
        }
        this.#expect("=>");
        const otherwise = this.#edge();
        this.#expect("}");
        return { op: "switch", type, value, cases, default: otherwise, origin };
      }
      case "packetGuard": {
        const { base, bytes } = this.#address();
        this.#expect("<=");
        const end = this.#value();
        return { op: "packetGuard", base, end, bytes, ...this.#okAndFail(), origin };
      }
      case "nullGuard": {
        const value = this.#value();
        return { op: "nullGuard", value, ...this.#okAndFail(), origin };
      }
      case "return":
        return { op: "return", value: this.#value(), origin };
      default:
        return this.#fail("a terminator");
    }
  }

  #okAndFail(): { ok: Edge; fail: Edge } {
    this.#expect(",");
    const ok = this.#edge();
    this.#expect(",");
    return { ok, fail: this.#edge() };
  }

  #edge(): Edge {
    const target = this.#blockId();
    this.#expect("(");
    return { target, args: this.#list(")", () => this.#value()) };
  }

  #address(): { base: ValueId; bytes: number } {
    const base = this.#value();
    if (this.#take("-")) return { base, bytes: -this.#int() };
    this.#expect("+");
    return { base, bytes: this.#int() };
  }

  #list<T>(close: string, item: () => T): T[] {
    const items: T[] = [];
    while (!this.#take(close)) {
      if (items.length > 0) this.#expect(",");
      items.push(item());
    }
    return items;
  }

  #value(): ValueId {
    const id = this.#numbered("v");
    this.#maxValue = Math.max(this.#maxValue, id);
    return id;
  }

  #blockId(): BlockId {
    const id = this.#numbered("b");
    this.#maxBlock = Math.max(this.#maxBlock, id);
    return id;
  }

  #numbered(letter: string): number {
    const text = this.#peek();
    if (text[0] !== letter || !/^\d+$/.test(text.slice(1))) this.#fail(`${letter}N`);
    this.#at++;
    return Number(text.slice(1));
  }

  #int(): number {
    return Number(this.#number());
  }

  #number(): bigint {
    if (this.#take("-")) return -this.#number();
    const text = this.#peek();
    if (!/^\d/.test(text)) this.#fail("a number");
    this.#at++;
    return BigInt(text);
  }

  #word(): string {
    const text = this.#peek();
    if (!/^[A-Za-z_.]/.test(text)) this.#fail("a word");
    this.#at++;
    return text;
  }

  #oneOf<const T extends string>(words: readonly T[]): T {
    return this.#check(words, this.#word());
  }

  #check<const T extends string>(words: readonly T[], word: string): T {
    const found = words.find((w) => w === word);
    if (found === undefined) {
      this.#at--;
      return this.#fail(`one of ${words.join(" ")}`);
    }
    return found;
  }

  #oneOfInts<const T extends number>(numbers: readonly T[]): T {
    const value = this.#int();
    return numbers.find((n) => n === value) ?? this.#fail(`one of ${numbers.join(" ")}`);
  }

  #peek(): string {
    return this.#tokens[this.#at]?.text ?? "end of text";
  }

  #take(text: string): boolean {
    if (this.#tokens[this.#at]?.text !== text) return false;
    this.#at++;
    return true;
  }

  #expect(text: string): void {
    if (!this.#take(text)) this.#fail(`"${text}"`);
  }

  #fail(expected: string): never {
    const line = this.#tokens[this.#at]?.line ?? this.#tokens.at(-1)?.line ?? 1;
    throw new InternalError(`IR text, line ${line}: expected ${expected}, found "${this.#peek()}"`);
  }
}
