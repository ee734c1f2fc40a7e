// IR to machine instructions over virtual registers. Works backwards, block by block in postorder: an instruction is emitted
// only when something behind it asked for its result in a register, so what folds into its users (constants, addresses,
// extensions) leaves nothing behind. Comes after the IR's passes and `rebase`, before `regalloc`; knows no real registers.
// A value keeps its number as its virtual register; fresh registers lie above.

import { assertNever, must } from "../base/assert.ts";
import { helperByName } from "../bpf/helpers.ts";
import type { AluOp } from "../bpf/insn.ts";
import type { CpuLevel } from "../bpf/isa.ts";
import { graphOf, useCounts, type Values, valuesOf } from "../ir/graph.ts";
import type {
  Block,
  Compare,
  CtxField,
  Edge,
  IntType,
  IrFunction,
  IrInsn,
  Origin,
  Terminator,
  ValueId,
} from "../ir/ir.ts";
import { flipped, isImm32, testForm, v1Flipped, v1Negated } from "./compare.ts";
import { Facts } from "./facts.ts";
import type { Base, Fixed, MBlock, MEdge, MFunction, MInsn, MOperand, MTerm, Value, VReg } from "./machine.ts";
import { inReversePostorder } from "./machine-graph.ts";
import { switchTests } from "./switch-tree.ts";

/** Offsets in struct xdp_md, all fields 4 bytes. **Source:** Linux include/uapi/linux/bpf.h, struct xdp_md. */
const ctxOffsets: Readonly<Record<CtxField, number>> = {
  data: 0,
  data_end: 4,
  data_meta: 8,
  ingress_ifindex: 12,
  rx_queue_index: 16,
  egress_ifindex: 20,
};

/** The function over virtual registers, for instruction-set level `cpu`. */
export function select(fn: IrFunction, cpu: CpuLevel): MFunction {
  return new Selector(fn, cpu).run();
}

function changesPacket(insn: IrInsn): boolean {
  if (insn.op === "store") return insn.space === "packet";
  // The copy behind a view may be made anew.
  if (insn.op === "view") return true;
  return insn.op === "call" && must(helperByName(insn.helper), `no helper ${insn.helper}`).changesPacket;
}

class Selector {
  readonly #fn: IrFunction;
  readonly #cpu: CpuLevel;
  readonly #values: Values;
  readonly #uses: Int32Array;
  readonly #facts: Facts;
  /** Nothing in the function writes to the packet: what was loaded from it can be loaded again. */
  readonly #packetIsConstant: boolean;
  /** 1 for values that something emitted wants in a register. */
  readonly #demanded: Uint8Array;
  /** 1 for blocks that were processed, so that which parameters they want is known. */
  readonly #done: Uint8Array;
  readonly #blocks: MBlock[] = [];
  #nextVReg: number;
  #nextBlock: number;
  /** The current block's instructions, last first. */
  #out: MInsn[] = [];
  /** What the instruction just made needs in front of it, last first. */
  #pending: MInsn[] = [];

  constructor(fn: IrFunction, cpu: CpuLevel) {
    this.#fn = fn;
    this.#cpu = cpu;
    this.#values = valuesOf(fn);
    this.#uses = useCounts(fn);
    this.#facts = new Facts(this.#values, this.#uses);
    this.#packetIsConstant = !fn.blocks.some((block) => block.insns.some(changesPacket));
    this.#demanded = new Uint8Array(fn.nextValue);
    this.#done = new Uint8Array(fn.nextBlock);
    this.#nextVReg = fn.nextValue;
    this.#nextBlock = fn.nextBlock;
  }

  run(): MFunction {
    const graph = graphOf(this.#fn);
    for (let i = graph.order.length - 1; i >= 0; i--) {
      this.#block(must(graph.blockOf[must(graph.order[i], "block")], "block"));
    }
    return {
      blocks: inReversePostorder(this.#blocks, graph.entry, this.#nextBlock),
      nextVReg: this.#nextVReg,
      nextBlock: this.#nextBlock,
    };
  }

  #block(block: Block): void {
    this.#out = [];
    const term = this.#term(block.term);
    this.#flush();
    for (let i = block.insns.length - 1; i >= 0; i--) {
      this.#insn(block.insns[i] as IrInsn);
      this.#flush();
    }
    this.#done[block.id] = 1;
    this.#blocks.push({ id: block.id, params: block.params.map((p) => p.id), insns: this.#out.reverse(), term });
  }

  // Values

  #fresh(): VReg {
    return this.#nextVReg++;
  }

  #emit(insn: MInsn): void {
    this.#out.push(insn);
  }

  #flush(): void {
    for (const insn of this.#pending) this.#out.push(insn);
    this.#pending = [];
  }

  /** What can be made on the spot instead of being kept. */
  #fixed(v: ValueId): Fixed | null {
    const value = this.#facts.constant(v);
    if (value !== null) return { kind: "constant", value };
    const slot = this.#facts.slot(v);
    if (slot !== null) return { kind: "slot", ...slot };
    const def = this.#values.def[this.#facts.alias(v)];
    if (def?.op === "undef") return { kind: "undef" };
    if (def?.op === "map") return { kind: "wide", value: { kind: "map", map: def.map } };
    if (def?.op === "global" && this.#uses[def.id] === 1) {
      return { kind: "wide", value: { kind: "data", section: def.section, offsetBytes: def.offsetBytes } };
    }
    return null;
  }

  /** The value for a place that takes it from anywhere: an edge's or call's argument, the result. */
  #value(v: ValueId): Value {
    return this.#fixed(v) ?? this.#demand(v);
  }

  #demand(v: ValueId): VReg {
    const at = this.#facts.alias(v);
    this.#demanded[at] = 1;
    return at;
  }

  /** The value in a register; what is made on the spot goes in front of the instruction at hand. */
  #reg(v: ValueId, origin: Origin): VReg {
    const fixed = this.#fixed(v);
    if (fixed === null) return this.#demand(v);
    return this.#make(fixed.kind === "undef" ? { kind: "constant", value: 0n } : fixed, origin);
  }

  #make(value: Fixed, origin: Origin): VReg {
    const dst = this.#fresh();
    this.#pending.push({ kind: "make", dst, value, origin });
    return dst;
  }

  /** The operand as an immediate if a `bits`-bit operation can hold it, else in a register. */
  #operand(v: ValueId, bits: 32 | 64, origin: Origin): MOperand {
    const value = this.#facts.constant(v);
    if (value !== null) {
      const signed = BigInt.asIntN(bits, value);
      if (isImm32(signed)) return { imm: Number(signed) };
    }
    return { reg: this.#reg(v, origin) };
  }

  /** The address base + offset, with as much of it as possible in the offset. */
  #address(base: ValueId, offset: number, origin: Origin): { base: Base; offset: number } {
    const slot = this.#facts.slot(base);
    if (slot !== null) return { base: { slot: slot.slot }, offset: slot.offset + offset };
    const { root, bytes } = this.#root(base, offset);
    return { base: { reg: this.#reg(root, origin) }, offset: bytes };
  }

  /** Walks down a chain of constant offsets, but not past one that is in a register anyway (its base may end there). */
  #root(base: ValueId, offset: number): { root: ValueId; bytes: number } {
    let at = this.#facts.alias(base);
    let bytes = offset;
    for (;;) {
      const def = this.#values.def[at];
      if (def?.op !== "offset" || this.#demanded[at] === 1) return { root: at, bytes };
      const next = bytes + def.bytes;
      if (next < -32768 || next > 32767) return { root: at, bytes };
      bytes = next;
      at = this.#facts.alias(def.base);
    }
  }

  // Instructions

  #insn(insn: IrInsn): void {
    const { origin } = insn;
    switch (insn.op) {
      case "store": {
        const low = this.#facts.lowBits(insn.value, insn.width * 8);
        const src = this.#operand(low, insn.width === 8 ? 64 : 32, origin);
        this.#emit({ kind: "store", width: insn.width, ...this.#address(insn.base, insn.offset, origin), src, origin });
        return;
      }
      case "atomicAdd": {
        const src = this.#reg(this.#facts.lowBits(insn.value, insn.width * 8), origin);
        const address = this.#address(insn.base, insn.offset, origin);
        this.#emit({ kind: "atomicAdd", width: insn.width, ...address, src, origin });
        return;
      }
      case "call": {
        const helper = must(helperByName(insn.helper), `no helper ${insn.helper}`).id;
        const dst = this.#demanded[insn.id] === 1 ? insn.id : null;
        this.#emit({ kind: "call", helper, args: insn.args.map((arg) => this.#value(arg)), dst, origin });
        return;
      }
    }
    if (this.#demanded[insn.id] === 0) return;
    const dst = insn.id;
    switch (insn.op) {
      case "const":
      case "undef":
      case "slot":
      case "map":
      case "zext":
      case "view":
        // Always folded into their users.
        return;
      case "global":
        this.#emit({
          kind: "make",
          dst,
          value: { kind: "wide", value: { kind: "data", section: insn.section, offsetBytes: insn.offsetBytes } },
          origin,
        });
        return;
      case "binary":
        this.#binary(insn, origin);
        return;
      case "bswap":
        this.#emit({
          kind: "swap",
          bits: insn.bytes === 2 ? 16 : insn.bytes === 4 ? 32 : 64,
          dst,
          a: this.#reg(this.#facts.lowBits(insn.a, insn.bytes * 8), origin),
          origin,
        });
        return;
      case "trunc":
        this.#emit({ kind: "low", dst, a: this.#reg(this.#facts.lowBits(insn.a, 32), origin), origin });
        return;
      case "ctxLoad": {
        const base = { reg: this.#reg(insn.ctx, origin) };
        const again = insn.field !== "data" && insn.field !== "data_meta";
        this.#emit({ kind: "load", width: 4, dst, base, offset: ctxOffsets[insn.field], again, origin });
        return;
      }
      case "offset": {
        const { root, bytes } = this.#root(insn.base, insn.bytes);
        const a = this.#reg(root, origin);
        this.#emit({ kind: "alu", op: "add", bits: 64, dst, a, b: { imm: bytes }, origin });
        return;
      }
      case "index": {
        const a = this.#reg(insn.base, origin);
        this.#emit({ kind: "alu", op: "add", bits: 64, dst, a, b: this.#operand(insn.index, 64, origin), origin });
        return;
      }
      case "distance": {
        const a = this.#reg(insn.to, origin);
        this.#emit({ kind: "alu", op: "sub", bits: 64, dst, a, b: { reg: this.#reg(insn.from, origin) }, origin });
        return;
      }
      case "load":
        this.#emit({
          kind: "load",
          width: insn.width,
          dst,
          ...this.#address(insn.base, insn.offset, origin),
          again: insn.space === "packet" && this.#packetIsConstant,
          origin,
        });
        return;
      default:
        assertNever(insn, "instruction");
    }
  }

  #binary(insn: Extract<IrInsn, { op: "binary" }>, origin: Origin): void {
    const dst = insn.id;
    let bits: 32 | 64 = insn.type === "i32" ? 32 : 64;
    let a = insn.a;
    let b = insn.b;
    const commutes = insn.kind !== "sub" && insn.kind !== "div" && insn.kind !== "mod" && !insn.kind.startsWith("sh");
    if (commutes && this.#facts.constant(b) === null && this.#facts.constant(a) !== null) [a, b] = [b, a];
    const value = this.#facts.constant(b);
    const alu = (op: AluOp, right: MOperand): void =>
      this.#emit({ kind: "alu", op, bits, dst, a: this.#reg(a, origin), b: right, origin });
    if (value !== null) {
      const power = value > 0n && (value & (value - 1n)) === 0n ? value.toString(2).length - 1 : -1;
      switch (insn.kind) {
        case "shl":
        case "shr":
          alu(insn.kind === "shl" ? "lsh" : "rsh", { imm: Number(value & BigInt(bits - 1)) });
          return;
        case "sub": {
          const negated = BigInt.asIntN(bits, -value);
          if (isImm32(negated)) {
            alu("add", { imm: Number(negated) });
            return;
          }
          break;
        }
        case "mul":
          if (power >= 0) {
            alu("lsh", { imm: power });
            return;
          }
          break;
        case "div":
          if (value === 0n) this.#emit({ kind: "make", dst, value: { kind: "constant", value: 0n }, origin });
          else if (power >= 0) alu("rsh", { imm: power });
          else break;
          return;
        case "mod":
          if (value === 0n) {
            alu("or", { imm: 0 });
            return;
          }
          if (power >= 0) {
            // x mod 2^63 has a mask that no immediate holds; 2^31 and 2^32 are fine as 32-bit operations.
            const mask = value - 1n;
            if (mask === 0xffff_ffffn) this.#emit({ kind: "low", dst, a: this.#reg(a, origin), origin });
            else if (isImm32(mask)) alu("and", { imm: Number(mask) });
            else alu("and", { reg: this.#make({ kind: "constant", value: mask }, origin) });
            return;
          }
          break;
        case "and":
          if (bits === 64 && value === 0xffff_ffffn) {
            this.#emit({ kind: "low", dst, a: this.#reg(a, origin), origin });
            return;
          }
          // A 32-bit operation clears the upper half as the mask would.
          if (value < 1n << 32n && !isImm32(value)) bits = 32;
          break;
      }
      if (insn.kind === "sub" && bits === 64) {
        alu("sub", { reg: this.#reg(b, origin) });
        return;
      }
    }
    if (insn.kind === "sub" && this.#facts.constant(a) === 0n) {
      this.#emit({ kind: "neg", bits, dst, a: this.#reg(b, origin), origin });
      return;
    }
    const op = insn.kind === "shl" ? "lsh" : insn.kind === "shr" ? "rsh" : insn.kind;
    alu(op, this.#operand(b, bits, origin));
  }

  // Terminators

  #edge(edge: Edge): MEdge {
    const params = must(this.#paramsOf(edge.target), "target");
    // A processed block says which parameters it reads; along back edges all count as read.
    const known = this.#done[edge.target] === 1;
    const args = edge.args.map((arg, i): Value => {
      if (known && this.#demanded[params[i] as number] === 0) return { kind: "undef" };
      const value = this.#value(arg);
      // The verifier lets nobody copy or spill a register that was never written: a parameter that is read gets some value.
      return typeof value !== "number" && value.kind === "undef" ? { kind: "constant", value: 0n } : value;
    });
    if (!known) for (const param of params) this.#demanded[param] = 1;
    return { target: edge.target, args };
  }

  #paramTable: (readonly VReg[])[] | null = null;

  #paramsOf(id: number): readonly VReg[] | undefined {
    if (this.#paramTable === null) {
      this.#paramTable = [];
      for (const block of this.#fn.blocks) this.#paramTable[block.id] = block.params.map((p) => p.id);
    }
    return this.#paramTable[id];
  }

  #term(term: Terminator): MTerm {
    const { origin } = term;
    switch (term.op) {
      case "jump":
        return { kind: "jump", edge: this.#edge(term.edge), origin };
      case "return":
        return { kind: "return", value: this.#value(term.value), origin };
      case "nullGuard": {
        const edges = { yes: this.#edge(term.fail), no: this.#edge(term.ok) };
        return {
          kind: "branch",
          op: "eq",
          bits: 64,
          a: this.#reg(term.value, origin),
          b: { imm: 0 },
          ...edges,
          origin,
        };
      }
      case "packetGuard": {
        const edges = { yes: this.#edge(term.fail), no: this.#edge(term.ok) };
        const { root, bytes } = this.#root(term.base, term.bytes);
        let a = this.#reg(root, origin);
        const b = { reg: this.#reg(term.end, origin) };
        if (bytes !== 0) {
          const dst = this.#fresh();
          this.#pending.unshift({ kind: "alu", op: "add", bits: 64, dst, a, b: { imm: bytes }, origin });
          a = dst;
        }
        return { kind: "branch", op: "gt", bits: 64, a, b, ...edges, origin };
      }
      case "branch":
        return this.#compare(
          term.compare,
          term.type,
          term.a,
          term.b,
          this.#edge(term.then),
          this.#edge(term.else),
          origin,
        );
      case "switch":
        return this.#switch(term);
    }
  }

  #compare(
    written: Compare,
    type: IntType,
    left: ValueId,
    right: ValueId,
    whenTrue: MEdge,
    whenFalse: MEdge,
    origin: Origin,
  ): MTerm {
    let [compare, a, b, yes, no] = [written, left, right, whenTrue, whenFalse];
    if (this.#facts.constant(a) !== null && this.#facts.constant(b) === null) {
      [a, b] = [b, a];
      compare = flipped[compare];
    }
    // (x & y) compared with 0 needs no result of its own.
    const and = this.#values.def[this.#facts.alias(a)];
    if ((compare === "eq" || compare === "ne") && this.#facts.constant(b) === 0n && and?.op === "binary") {
      if (and.kind === "and" && this.#uses[and.id] === 1 && this.#uses[a] === 1) {
        if (compare === "eq") [yes, no] = [no, yes];
        compare = "set";
        [a, b] = this.#facts.constant(and.a) === null ? [and.a, and.b] : [and.b, and.a];
      }
    }
    return this.#test(compare, type, this.#reg(a, origin), { value: b }, yes, no, origin);
  }

  /** A branch on a register and a value or a constant. */
  #test(
    compare: Compare,
    type: IntType,
    a: VReg,
    b: { value: ValueId } | { constant: bigint },
    yes: MEdge,
    no: MEdge,
    origin: Origin,
  ): MTerm {
    const known = "constant" in b ? b.constant : this.#facts.constant(b.value);
    const registerOf = (): VReg =>
      "value" in b ? this.#reg(b.value, origin) : this.#make({ kind: "constant", value: b.constant }, origin);
    const form = testForm(compare, type, known, this.#cpu);
    const { bits } = form;
    let { op } = form;
    let left = a;
    let right: MOperand = form.imm === null ? { reg: registerOf() } : { imm: form.imm };
    if (form.signExtend) {
      if ("reg" in right) right = { reg: this.#signExtend(right.reg, origin) };
      left = this.#signExtend(a, origin);
    }
    if (this.#cpu === "v1" && v1Negated[op] !== undefined) {
      if ("reg" in right) [left, right, op] = [right.reg, { reg: left }, must(v1Flipped[op], op)];
      else [yes, no, op] = [no, yes, must(v1Negated[op], op)];
    }
    return { kind: "branch", op, bits, a: left, b: right, yes, no, origin };
  }

  #signExtend(a: VReg, origin: Origin): VReg {
    const shifted = this.#fresh();
    const dst = this.#fresh();
    const shift = { bits: 64, b: { imm: 32 }, origin } as const;
    // Last first; whatever made `a` is already pending and must stay in front of this.
    this.#pending.unshift(
      { kind: "alu", op: "arsh", dst, a: shifted, ...shift },
      { kind: "alu", op: "lsh", dst: shifted, a, ...shift },
    );
    return dst;
  }

  #switch(term: Extract<Terminator, { op: "switch" }>): MTerm {
    const { origin, type } = term;
    const a = this.#reg(term.value, origin);
    const max = type === "i32" ? (1n << 32n) - 1n : (1n << 64n) - 1n;
    const tests = switchTests(term.cases, term.default, max);
    // The tests' constants belong to the tests' own blocks: set aside what the value itself needs.
    const before = this.#pending;
    const edges = new Map<Edge, MEdge>();
    const edgeOf = (edge: Edge): MEdge => {
      const known = edges.get(edge) ?? this.#edge(edge);
      edges.set(edge, known);
      return known;
    };
    const ids = tests.map((_, i) => (i === 0 ? -1 : this.#nextBlock++));
    const target = (to: Edge | number): MEdge =>
      typeof to === "number" ? { target: must(ids[to], "test"), args: [] } : edgeOf(to);
    let root: MTerm | null = null;
    for (let i = tests.length - 1; i >= 0; i--) {
      const test = must(tests[i], "test");
      this.#pending = [];
      const made: MTerm =
        test.compare === null
          ? { kind: "jump", edge: target(test.yes), origin }
          : this.#test(test.compare, type, a, { constant: test.value }, target(test.yes), target(test.no), origin);
      if (i === 0) root = made;
      else this.#blocks.push({ id: must(ids[i], "test"), params: [], insns: this.#pending.reverse(), term: made });
    }
    this.#pending = [...this.#pending, ...before];
    return must(root, "a switch has a first test");
  }
}
