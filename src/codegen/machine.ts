// The machine form between `select` and `emit`: BPF instructions over virtual registers, in blocks whose parameters are
// virtual registers too. Every virtual register has one definition (SSA), also after spilling. Two-address ties are still open:
// `dst = a op b` names three registers, the allocator makes dst and a the same where it can. Knows nothing of packets or rules.

import type { AluOp, JumpOp, WideValue, Width } from "../bpf/insn.ts";
import type { Origin } from "../ir/ir.ts";

/** A virtual register's number, unique in its function. */
export type VReg = number;

/** A value that is made anew wherever it's wanted rather than kept: it costs one or two instructions and reads no register. */
export type Fixed =
  /** A number; 0 <= value < 2^64. */
  | { readonly kind: "constant"; readonly value: bigint }
  /** The address of byte `offset` of a stack slot. */
  | { readonly kind: "slot"; readonly slot: number; readonly offset: number }
  /** A map's handle or the address of global data. */
  | { readonly kind: "wide"; readonly value: WideValue }
  /** Nothing: a copy of it is dropped. */
  | { readonly kind: "undef" };

/** What a copy reads: a virtual register (wherever it lives, memory included) or something made on the spot. */
export type Value = VReg | Fixed;

/** The second operand of an instruction: a register or a 32-bit immediate, sign-extended in 64-bit operations. */
export type MOperand = { readonly reg: VReg } | { readonly imm: number };

/** Where a load or store goes: an address in a register or a stack slot. */
export type Base = { readonly reg: VReg } | { readonly slot: number };

/** Instructions over virtual registers. */
export type MInsn =
  /** dst = a op b; never "mov". */
  | {
      readonly kind: "alu";
      readonly op: AluOp;
      readonly bits: 32 | 64;
      readonly dst: VReg;
      readonly a: VReg;
      readonly b: MOperand;
      readonly origin: Origin;
    }
  /** dst = the low 32 bits of a. */
  | { readonly kind: "low"; readonly dst: VReg; readonly a: VReg; readonly origin: Origin }
  | { readonly kind: "neg"; readonly bits: 32 | 64; readonly dst: VReg; readonly a: VReg; readonly origin: Origin }
  /** dst = the low `bits` of a, reversed. */
  | {
      readonly kind: "swap";
      readonly bits: 16 | 32 | 64;
      readonly dst: VReg;
      readonly a: VReg;
      readonly origin: Origin;
    }
  | { readonly kind: "make"; readonly dst: VReg; readonly value: Fixed; readonly origin: Origin }
  /** `again`: whenever its base is alive, the same load gives the same value, so it may be done again. */
  | {
      readonly kind: "load";
      readonly width: Width;
      readonly dst: VReg;
      readonly base: Base;
      readonly offset: number;
      readonly again: boolean;
      readonly origin: Origin;
    }
  | {
      readonly kind: "store";
      readonly width: Width;
      readonly base: Base;
      readonly offset: number;
      readonly src: MOperand;
      readonly origin: Origin;
    }
  | {
      readonly kind: "atomicAdd";
      readonly width: 4 | 8;
      readonly base: Base;
      readonly offset: number;
      readonly src: VReg;
      readonly origin: Origin;
    }
  /** dst is null when nobody reads the result. */
  | {
      readonly kind: "call";
      readonly helper: number;
      readonly args: readonly Value[];
      readonly dst: VReg | null;
      readonly origin: Origin;
    }
  /** Copies src to the memory home of virtual register `home`. Made by `spill`. */
  | { readonly kind: "spill"; readonly home: VReg; readonly src: VReg; readonly origin: Origin }
  /** Copies from the memory home of virtual register `home` to dst. Made by `spill`. */
  | { readonly kind: "reload"; readonly home: VReg; readonly dst: VReg; readonly origin: Origin };

/** A jump to a block with the values of its parameters. */
export interface MEdge {
  readonly target: number;
  readonly args: readonly Value[];
}

/** How a block ends. */
export type MTerm =
  | { readonly kind: "jump"; readonly edge: MEdge; readonly origin: Origin }
  | {
      readonly kind: "branch";
      readonly op: JumpOp;
      readonly bits: 32 | 64;
      readonly a: VReg;
      readonly b: MOperand;
      readonly yes: MEdge;
      readonly no: MEdge;
      readonly origin: Origin;
    }
  | { readonly kind: "return"; readonly value: Value; readonly origin: Origin };

/** A basic block. */
export interface MBlock {
  readonly id: number;
  readonly params: readonly VReg[];
  readonly insns: readonly MInsn[];
  readonly term: MTerm;
}

/** One function. Blocks stand in reverse postorder, the entry first and all reachable; its one parameter arrives in r1. */
export interface MFunction {
  readonly blocks: readonly MBlock[];
  readonly nextVReg: number;
  /** Above every block id. */
  readonly nextBlock: number;
}

/** The register an instruction defines, or null. */
export function defOf(insn: MInsn): VReg | null {
  switch (insn.kind) {
    case "store":
    case "atomicAdd":
    case "spill":
      return null;
    default:
      return insn.dst;
  }
}

/** Calls f with each register an instruction needs in a register (a call's arguments may lie anywhere: not these). */
export function forEachUse(insn: MInsn, f: (v: VReg) => void): void {
  switch (insn.kind) {
    case "alu":
      f(insn.a);
      if ("reg" in insn.b) f(insn.b.reg);
      return;
    case "low":
    case "neg":
    case "swap":
      f(insn.a);
      return;
    case "load":
      if ("reg" in insn.base) f(insn.base.reg);
      return;
    case "store":
      if ("reg" in insn.base) f(insn.base.reg);
      if ("reg" in insn.src) f(insn.src.reg);
      return;
    case "atomicAdd":
      if ("reg" in insn.base) f(insn.base.reg);
      f(insn.src);
      return;
    case "spill":
      f(insn.src);
      return;
    case "make":
    case "call":
    case "reload":
      return;
  }
}

/** The same instruction with its register operands (not a call's arguments) replaced. */
export function mapUses(insn: MInsn, f: (v: VReg) => VReg): MInsn {
  const operand = (o: MOperand): MOperand => ("reg" in o ? { reg: f(o.reg) } : o);
  const base = (b: Base): Base => ("reg" in b ? { reg: f(b.reg) } : b);
  switch (insn.kind) {
    case "alu":
      return { ...insn, a: f(insn.a), b: operand(insn.b) };
    case "low":
    case "neg":
    case "swap":
      return { ...insn, a: f(insn.a) };
    case "load":
      return { ...insn, base: base(insn.base) };
    case "store":
      return { ...insn, base: base(insn.base), src: operand(insn.src) };
    case "atomicAdd":
      return { ...insn, base: base(insn.base), src: f(insn.src) };
    case "spill":
      return { ...insn, src: f(insn.src) };
    case "make":
    case "call":
    case "reload":
      return insn;
  }
}

/** The edges out of a terminator. */
export function mEdgesOf(term: MTerm): readonly MEdge[] {
  switch (term.kind) {
    case "jump":
      return [term.edge];
    case "branch":
      return [term.yes, term.no];
    case "return":
      return [];
  }
}

/** Whether `a op b` equals `b op a`. */
export function isCommutative(op: AluOp): boolean {
  return op === "add" || op === "mul" || op === "and" || op === "or" || op === "xor";
}
