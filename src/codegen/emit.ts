// Machine instructions with a place for every virtual register -> BPF instructions in blocks with open jumps. Edges' copies
// become instructions at the end of their block or blocks of their own. Between `frame` and `layout`; decides nothing about
// registers or the order of blocks.

import { must } from "../base/assert.ts";
import type { Insn, JumpOp, Operand, Reg } from "../bpf/insn.ts";
import type { Origin } from "../ir/ir.ts";
import type { Frame } from "./frame.ts";
import {
  type Base,
  defOf,
  type Fixed,
  isCommutative,
  type MBlock,
  type MEdge,
  type MInsn,
  type MOperand,
  type Value,
  type VReg,
} from "./machine.ts";
import { type Copy, type CopyContext, type Location, sequentialise } from "./parallel-copy.ts";
import type { Allocation } from "./regalloc.ts";

/** An instruction that isn't a jump, with the rule it comes from. */
export interface Placed {
  readonly insn: Insn<never>;
  readonly origin: Origin;
}

/** How a block of BPF instructions ends; targets are block ids. */
export type OpenTerm =
  | { readonly kind: "jump"; readonly target: number; readonly origin: Origin }
  | {
      readonly kind: "branch";
      readonly op: JumpOp;
      readonly bits: 32 | 64;
      readonly dst: Reg;
      readonly src: Operand;
      readonly yes: number;
      readonly no: number;
      readonly origin: Origin;
    }
  | { readonly kind: "exit"; readonly origin: Origin };

/** A basic block of BPF instructions. */
export interface OpenBlock {
  readonly id: number;
  readonly insns: readonly Placed[];
  readonly term: OpenTerm;
}

/** A function in blocks, the entry first. */
export interface OpenFunction {
  readonly blocks: readonly OpenBlock[];
  readonly nextBlock: number;
  /** Stack bytes with what the copies took besides the frame. */
  readonly stackBytes: number;
}

/** Puts real registers and stack offsets into the instructions. */
export function emit(allocation: Allocation, frame: Frame): OpenFunction {
  return new Emitter(allocation, frame).run();
}

class Emitter {
  readonly #allocation: Allocation;
  readonly #frame: Frame;
  readonly #blocks: OpenBlock[] = [];
  #nextBlock: number;
  #stackBytes: number;
  #out: Placed[] = [];

  constructor(allocation: Allocation, frame: Frame) {
    this.#allocation = allocation;
    this.#frame = frame;
    this.#nextBlock = allocation.fn.nextBlock;
    this.#stackBytes = frame.bytes;
  }

  run(): OpenFunction {
    this.#allocation.fn.blocks.forEach((block, place) => {
      this.#block(block, place);
    });
    return { blocks: this.#blocks, nextBlock: this.#nextBlock, stackBytes: this.#stackBytes };
  }

  #block(block: MBlock, place: number): void {
    const { live } = this.#allocation;
    this.#out = [];
    let index = live.entryIndex[place] as number;
    if (index === 0) {
      const context = this.#location(must(block.params[0], "context"));
      if (context !== null) this.#push(this.#copies([{ to: context, from: 1 }], 0), null);
    }
    for (const insn of block.insns) this.#insn(insn, ++index);
    const edges: OpenBlock[] = [];
    const term = this.#term(block, place, edges);
    this.#blocks.push({ id: block.id, insns: this.#out, term }, ...edges);
  }

  #term(block: MBlock, place: number, edges: OpenBlock[]): OpenTerm {
    const { term } = block;
    const { origin } = term;
    switch (term.kind) {
      case "return": {
        const from = this.#source(term.value);
        this.#push(this.#copies([{ to: 0, from }], 0), origin);
        return { kind: "exit", origin };
      }
      case "jump":
        this.#push(this.#edgeCopies(term.edge, place), origin);
        return { kind: "jump", target: term.edge.target, origin };
      case "branch": {
        const open = (edge: MEdge): number => {
          const insns = this.#edgeCopies(edge, place).map((insn) => ({ insn, origin }));
          if (insns.length === 0) return edge.target;
          const id = this.#nextBlock++;
          edges.push({ id, insns, term: { kind: "jump", target: edge.target, origin } });
          return id;
        };
        const { op, bits } = term;
        const [dst, src] = [this.#reg(term.a), this.#operand(term.b)];
        return { kind: "branch", op, bits, dst, src, yes: open(term.yes), no: open(term.no), origin };
      }
    }
  }

  #edgeCopies(edge: MEdge, place: number): Insn<never>[] {
    if (edge.args.length === 0) return [];
    const { fn, live, busy } = this.#allocation;
    const target = live.placeOf[edge.target] as number;
    const params = must(fn.blocks[target], "target").params;
    const copies: Copy[] = [];
    edge.args.forEach((arg, i) => {
      const to = this.#location(must(params[i], "parameter"));
      // A parameter nobody reads has no place.
      if (to !== null && !isUndef(arg)) copies.push({ to, from: this.#source(arg) });
    });
    const taken =
      (busy[2 * (live.termIndex[place] as number)] as number) |
      (busy[2 * (live.entryIndex[target] as number)] as number);
    return this.#copies(copies, 0b11_1111_1111 & ~taken);
  }

  #insn(insn: MInsn, index: number): void {
    const { live, busy } = this.#allocation;
    const dst = defOf(insn);
    if (dst !== null && insn.kind !== "call" && (live.segments[dst] as number[]).length === 0) return;
    const push = (...insns: Insn<never>[]): void => this.#push(insns, insn.origin);
    switch (insn.kind) {
      case "alu":
        this.#alu(insn);
        return;
      case "low":
        push({ kind: "alu", op: "mov", bits: 32, dst: this.#reg(insn.dst), src: { reg: this.#reg(insn.a) } });
        return;
      case "neg":
      case "swap": {
        const to = this.#reg(insn.dst);
        const from = this.#reg(insn.a);
        if (to !== from) push({ kind: "alu", op: "mov", bits: 64, dst: to, src: { reg: from } });
        if (insn.kind === "neg") push({ kind: "neg", bits: insn.bits, dst: to });
        else push({ kind: "endian", op: "be", bits: insn.bits, dst: to });
        return;
      }
      case "make":
        push(...this.#make(this.#reg(insn.dst), insn.value));
        return;
      case "load":
        push({
          kind: "load",
          width: insn.width,
          signed: false,
          dst: this.#reg(insn.dst),
          ...this.#address(insn.base, insn.offset),
        });
        return;
      case "store": {
        const src = this.#operand(insn.src);
        push({ kind: "store", width: insn.width, ...this.#address(insn.base, insn.offset), src });
        return;
      }
      case "atomicAdd": {
        const address = this.#address(insn.base, insn.offset);
        push({ kind: "atomic", op: "add", fetch: false, width: insn.width, ...address, src: this.#reg(insn.src) });
        return;
      }
      case "spill": {
        // A home nobody reads has no place: what was spilled turned out to fit its first child's register.
        const to = this.#location(insn.home);
        if (to !== null) push(...this.#copies([{ to, from: this.#reg(insn.src) }], 0));
        return;
      }
      case "reload":
        push(...this.#copies([{ to: this.#reg(insn.dst), from: this.#home(insn.home) }], 0));
        return;
      case "call": {
        const copies = insn.args.map((arg, i): Copy => ({ to: i + 1, from: this.#source(arg) }));
        push(...this.#copies(copies, 0b11_1111_1111 & ~(busy[2 * index] as number)));
        push({ kind: "call", callee: { kind: "helper", id: insn.helper } });
        const to = insn.dst === null ? null : this.#location(insn.dst);
        if (to !== null) push(...this.#copies([{ to, from: 0 }], 0));
        return;
      }
    }
  }

  #alu(insn: Extract<MInsn, { kind: "alu" }>): void {
    const { op, bits, origin } = insn;
    const dst = this.#reg(insn.dst);
    const a = this.#reg(insn.a);
    let src = this.#operand(insn.b);
    if (dst !== a) {
      if (isCommutative(op) && "reg" in src && src.reg === dst) src = { reg: a };
      else this.#push([{ kind: "alu", op: "mov", bits: 64, dst, src: { reg: a } }], origin);
    }
    // Adding 0 is how the steps before ask for a copy.
    const isCopy = op === "add" && bits === 64 && "imm" in src && src.imm === 0;
    if (!isCopy) this.#push([{ kind: "alu", op, bits, dst, src }], origin);
  }

  #push(insns: readonly Insn<never>[], origin: Origin): void {
    for (const insn of insns) this.#out.push({ insn, origin });
  }

  // Places

  #reg(v: VReg): Reg {
    const reg = this.#allocation.register[v] as number;
    return must(reg < 0 ? null : (reg as Reg), `v${v} has no register`);
  }

  #home(v: VReg): Location {
    return must(this.#frame.homeOffset.get(v), `v${v} has no place on the stack`);
  }

  /** Where a virtual register lives; null when nobody reads it. */
  #location(v: VReg): Location | null {
    const reg = this.#allocation.register[v] as number;
    return reg >= 0 ? reg : (this.#frame.homeOffset.get(v) ?? null);
  }

  #source(value: Value): Location | Fixed {
    return typeof value === "number" ? must(this.#location(value), `v${value} has no place`) : value;
  }

  #operand(operand: MOperand): Operand {
    return "reg" in operand ? { reg: this.#reg(operand.reg) } : operand;
  }

  #address(base: Base, offset: number): { base: Reg; offset: number } {
    if ("reg" in base) return { base: this.#reg(base.reg), offset };
    return { base: 10, offset: this.#slot(base.slot) + offset };
  }

  #slot(slot: number): number {
    return must(this.#frame.slotOffset.get(slot), `slot ${slot} has no place`);
  }

  #copies(copies: readonly Copy[], scratch: number): Insn<never>[] {
    const context: CopyContext = {
      scratch,
      make: (reg, value) => this.#make(reg, value),
      spare: (n) => {
        const offset = -this.#frame.bytes - 8 * (n + 1);
        this.#stackBytes = Math.max(this.#stackBytes, -offset);
        return offset;
      },
    };
    return sequentialise(copies, context);
  }

  #make(dst: Reg, value: Fixed): Insn<never>[] {
    switch (value.kind) {
      case "constant":
        return [loadConstant(dst, value.value)];
      case "slot":
        return [
          { kind: "alu", op: "mov", bits: 64, dst, src: { reg: 10 } },
          { kind: "alu", op: "add", bits: 64, dst, src: { imm: this.#slot(value.slot) + value.offset } },
        ];
      case "wide":
        return [{ kind: "loadWide", dst, value: value.value }];
      case "undef":
        return [];
    }
  }
}

/** The shortest way to a constant: a 32-bit move clears the upper half, a 64-bit one sign-extends, else 16 bytes. */
function loadConstant(dst: Reg, value: bigint): Insn<never> {
  const unsigned = BigInt.asUintN(64, value);
  const imm = Number(BigInt.asIntN(32, unsigned));
  if (unsigned < 1n << 32n) return { kind: "alu", op: "mov", bits: 32, dst, src: { imm } };
  if (BigInt.asIntN(64, unsigned) === BigInt(imm)) return { kind: "alu", op: "mov", bits: 64, dst, src: { imm } };
  return { kind: "loadWide", dst, value: { kind: "constant", value: unsigned } };
}

function isUndef(value: Value): boolean {
  return typeof value !== "number" && value.kind === "undef";
}
