// Small programs that compute with r6 to r8, made from a seed, and a walk along the kernel's log of one of them: what the log
// says of a register after each instruction is held against what the scalar domain says. For scalar-kernel.test.ts.

import { encode, slotStarts } from "../../src/bpf/encode.ts";
import type { AluOp, JumpOp, Reg, ResolvedInsn, Width } from "../../src/bpf/insn.ts";
import { slotsOf } from "../../src/bpf/insn.ts";
import { aluOps, jumpOps, opNames } from "../../src/bpf/isa.ts";
import { constant, equals, immediate, type Scalar, unknown } from "../../src/checker/scalar.ts";
import { alu, forked, linkedAdd, neg, pointerAdd, pointerSub, zext32 } from "../../src/checker/scalar-alu.ts";
import { branchTaken, refine, refineSelf } from "../../src/checker/scalar-branch.ts";
import { kernelText } from "../../src/checker/scalar-text.ts";
import { coerce, endian, movsx } from "../../src/checker/scalar-width.ts";
import type { Random } from "../support/random.ts";

/** The registers that programs compute with; r9 is a packet pointer when a program has one. */
const registers = [6, 7, 8] as const;
type Used = (typeof registers)[number] | 9;

const aluNames = opNames(aluOps);
const jumpNames = opNames(jumpOps);
const shifts: readonly AluOp[] = ["lsh", "rsh", "arsh"];
const divisions: readonly AluOp[] = ["div", "mod", "sdiv", "smod"];

const edges = [0, 1, 2, 7, 8, 15, 16, 31, 32, 63, 64, 255, 256, 0x7fff, 0x8000, 0xffff, 0x7fffffff];

function anyImm(random: Random): number {
  const edge = random.pick(edges);
  switch (random.below(6)) {
    case 0:
      return random.next() | 0;
    case 1:
      return -edge | 0;
    case 2:
      return (edge ^ -1) | 0;
    case 3:
      return (1 << random.below(32)) | 0;
    case 4:
      return (-1 << random.below(32)) | 0;
    default:
      return edge;
  }
}

function anyWide(random: Random): bigint {
  const bit = 1n << BigInt(random.below(64));
  const low = BigInt(random.next());
  const value = random.pick([bit, bit - 1n, -bit, (low << 32n) | BigInt(random.next()), low, low << 31n, bit ^ low]);
  return BigInt.asUintN(64, value);
}

/** Makes programs; targets of branches are given as numbers from 0 and placed behind the program's end. */
export class ProgramMaker {
  readonly #random: Random;
  #body: ResolvedInsn[] = [];
  #exits = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  #register(): Reg {
    return this.#random.pick(registers);
  }

  #arithmetic(): ResolvedInsn {
    const random = this.#random;
    const dst = this.#register();
    const bits = random.pick([32, 64] as const);
    const op = random.chance(35)
      ? random.pick(["and", "add", "or", "lsh", "rsh", "arsh"] as const)
      : random.pick(aluNames);
    const isShift = shifts.includes(op);
    if (op === "mov" && (bits === 64 || random.chance(40))) {
      return { kind: "loadWide", dst, value: { kind: "constant", value: anyWide(random) } };
    }
    // A move between registers would link them: the kernel then refines both at once.
    if (op === "mov") return { kind: "alu", op, bits, dst, src: { reg: dst } };
    if (divisions.includes(op) && random.chance(80)) return this.#mask();
    if (random.chance(isShift ? 15 : 50)) return { kind: "alu", op, bits, dst, src: { reg: this.#register() } };
    const imm = isShift ? random.below(bits) : anyImm(random);
    return { kind: "alu", op, bits, dst, src: { imm: imm === 0 && divisions.includes(op) ? 1 : imm } };
  }

  #mask(): ResolvedInsn {
    const random = this.#random;
    const imm = random.chance(50) ? random.pick([1, 3, 7, 15, 28, 60, 255, 0xff0, 0xffff]) : anyImm(random);
    return { kind: "alu", op: "and", bits: random.pick([32, 64] as const), dst: this.#register(), src: { imm } };
  }

  #unary(): ResolvedInsn {
    const random = this.#random;
    const dst = this.#register();
    if (random.chance(30)) return { kind: "neg", bits: random.pick([32, 64] as const), dst };
    if (random.chance(10)) {
      return { kind: "endian", op: random.pick(["le", "be", "bswap"] as const), bits: random.pick([16, 32, 64]), dst };
    }
    const bits = random.pick([32, 64] as const);
    const fromBits = bits === 64 ? random.pick([8, 16, 32] as const) : random.pick([8, 16] as const);
    return { kind: "movsx", bits, fromBits, dst, src: dst };
  }

  /** A number that goes through the stack in a width of fewer bytes. */
  #throughStack(): ResolvedInsn[] {
    const random = this.#random;
    const reg = this.#register();
    const width: Width = random.pick([1, 2, 4] as const);
    return [
      { kind: "store", width, base: 10, offset: -8, src: { reg } },
      { kind: "load", width, signed: random.chance(50), dst: reg, base: 10, offset: -8 },
    ];
  }

  /** A sign spread over all bits and combined: the kernel may follow 0 and -1 apart. */
  #spread(): ResolvedInsn[] {
    const random = this.#random;
    const dst = this.#register();
    const bits = random.pick([32, 64] as const);
    const op = random.pick(["and", "or", "xor"] as const);
    const src = random.chance(70) ? { imm: anyImm(random) } : { reg: this.#register() };
    return [
      { kind: "alu", op: "arsh", bits, dst, src: { imm: bits - 1 } },
      { kind: "alu", op, bits: random.pick([32, 64] as const), dst, src },
    ];
  }

  /** Branches on one register by numbers close to each other: narrow ranges, and ways that can't be taken. */
  #close(): ResolvedInsn[] {
    const dst = this.#register();
    const near = anyImm(this.#random);
    return Array.from({ length: 2 + this.#random.below(3) }, () => {
      const imm = (near + this.#random.below(7) - 3) | 0;
      return { ...this.#branch(), dst, src: { imm } } as ResolvedInsn;
    });
  }

  #branch(): ResolvedInsn {
    const random = this.#random;
    const src = random.chance(60) ? { imm: anyImm(random) } : { reg: this.#register() };
    return {
      kind: "branch",
      op: random.pick(jumpNames),
      bits: random.pick([32, 64] as const),
      dst: this.#register(),
      src,
      target: this.#exits++,
    };
  }

  /** r9 is moved by numbers cut to what a packet may hold; a linked copy of r6 learns with it. */
  #ending(): void {
    const random = this.#random;
    for (const reg of registers) {
      this.#body.push({ kind: "alu", op: "and", bits: 64, dst: reg, src: { imm: random.pick([0xff, 0xffff, 0x3fc]) } });
      if (random.chance(30)) this.#body.push({ kind: "neg", bits: 64, dst: reg });
      const op = random.pick(["add", "sub"] as const);
      this.#body.push({ kind: "alu", op, bits: 64, dst: 9, src: { reg } });
    }
  }

  #linked(): void {
    const random = this.#random;
    const delta = random.pick([1, 2, 255, 4096, 0x7fffffff, random.below(0x7fffffff)]);
    this.#body.push({ kind: "alu", op: "mov", bits: 64, dst: 7, src: { reg: 6 } });
    this.#body.push({ kind: "alu", op: "add", bits: 64, dst: 7, src: { imm: delta } });
    this.#body.push({ ...this.#branch(), dst: 6, src: { imm: anyImm(random) } } as ResolvedInsn);
  }

  /** A program of about `length` instructions. */
  make(length: number): ResolvedInsn[] {
    this.#body = [{ kind: "load", width: 4, signed: false, dst: 9, base: 1, offset: 0 }];
    this.#exits = 0;
    for (const dst of registers) {
      this.#body.push({ kind: "call", callee: { kind: "helper", id: 5 } });
      this.#body.push({ kind: "alu", op: "mov", bits: 64, dst, src: { imm: 0 } });
      this.#body.push({ kind: "alu", op: "add", bits: 64, dst, src: { reg: 0 } });
    }
    const random = this.#random;
    for (let made = 0; made < length; made++) {
      const kind = random.below(100);
      if (kind < 45) this.#body.push(this.#arithmetic());
      else if (kind < 55) this.#body.push(this.#mask());
      else if (kind < 63) this.#body.push(this.#unary());
      else if (kind < 69) this.#body.push(...this.#throughStack());
      else if (kind < 72) this.#body.push(...this.#spread());
      else if (kind < 77) this.#body.push(...this.#close());
      else this.#body.push(this.#branch());
    }
    if (random.chance(30)) this.#linked();
    else if (random.chance(40)) this.#ending();
    // What is read keeps r7 alive: the kernel lets only live registers learn from those they are linked to.
    const exit: ResolvedInsn[] = [{ kind: "alu", op: "mov", bits: 64, dst: 0, src: { reg: 7 } }, { kind: "exit" }];
    const starts = slotStarts(this.#body);
    const end = starts[this.#body.length] ?? 0;
    const placed = this.#body.map((insn, index): ResolvedInsn => {
      if (insn.kind !== "branch") return insn;
      return { ...insn, target: end + 2 * (insn.target + 1) - (starts[index] ?? 0) - 1 };
    });
    return [...placed, ...exit, ...Array.from({ length: this.#exits }, () => exit).flat()];
  }
}

/** The bytes of a program. */
export function bytesOf(program: readonly ResolvedInsn[]): Uint8Array {
  return encode(program).bytes;
}

interface State {
  readonly values: Map<Used, Scalar>;
  /** The number stored on the stack, the value before it was cut. */
  stored: Scalar;
  storedWidth: Width;
  /** r7 is r6 and this much, until either changes. */
  link: number | null;
}

function copyOf(state: State): State {
  return { ...state, values: new Map(state.values) };
}

interface Pending {
  readonly from: number;
  readonly slot: number;
  readonly state: State;
}

/** The states that a log line shows: `R6=scalar(umax=255,var_off=(0x0; 0xff)) R7=4`. */
function shownRegisters(text: string): Map<number, string> {
  const shown = new Map<number, string>();
  const start = /R(\d+)(?:_[rwDP]+)?=/g;
  for (let match = start.exec(text); match !== null; match = start.exec(text)) {
    let end = start.lastIndex;
    for (let depth = 0; end < text.length && (depth > 0 || text[end] !== " "); end++) {
      if (text[end] === "(") depth++;
      if (text[end] === ")") depth--;
    }
    shown.set(Number(match[1]), text.slice(start.lastIndex, end));
    start.lastIndex = end;
  }
  return shown;
}

/** A register's text without what isn't its value: precision, ids and, of a packet pointer, its fixed parts. */
function valuePart(text: string): string {
  return text
    .replace(/^P/, "")
    .replace(/^pkt\(/, "scalar(")
    .replace(/(\(|,)(?:id=\d+(?:[+-]\d+)?|off=-?\w+|r=\w+)(?=,|\))/g, "$1")
    .replace(/(\(|,)(?:id=\d+(?:[+-]\d+)?|off=-?\w+|r=\w+)(?=,|\))/g, "$1")
    .replace(/\(,+/, "(")
    .replace(/,,+/g, ",")
    .replace(/,\)$/, ")");
}

/** What went through a walk: how many register states were compared, and the first difference. */
export interface Walk {
  readonly compared: number;
  readonly difference: string | null;
}

/** Walks along the log of `program` at level 2 and compares each register state that it shows. */
export function walk(program: readonly ResolvedInsn[], log: string): Walk {
  return new Walker(program).run(log);
}

class Walker {
  readonly #bySlot = new Map<number, ResolvedInsn>();
  readonly #pending: Pending[] = [];
  #state: State = { values: new Map(), stored: unknown, storedWidth: 8, link: null };
  #slot = 0;
  #compared = 0;

  constructor(program: readonly ResolvedInsn[]) {
    const starts = slotStarts(program);
    program.forEach((insn, index) => {
      this.#bySlot.set(starts[index] ?? 0, insn);
    });
  }

  run(log: string): Walk {
    for (const line of log.split("\n")) {
      const problem = this.#line(line);
      if (problem !== null) return { compared: this.#compared, difference: problem };
    }
    return { compared: this.#compared, difference: null };
  }

  #line(line: string): string | null {
    const from = /^from (\d+) to (\d+)(?: \([a-z ]+\))?: (.*)$/.exec(line);
    if (from !== null) return this.#pop(Number(from[1]), Number(from[2]), from[3] ?? "");
    const event = /^(\d+): \([0-9a-f]{2}\) ([^;]*)(?:; (.*))?$/.exec(line);
    if (event === null) return null;
    const slot = Number(event[1]);
    if (slot !== this.#slot) return `the kernel is at ${slot}, not at ${this.#slot}: ${line}`;
    const before = copyOf(this.#state);
    this.#step(slot);
    const problem = this.#compare(event[3] ?? "");
    return problem === null ? null : `${line}\n${problem}\nbefore: ${this.#show(before)}`;
  }

  #pop(from: number, to: number, shown: string): string | null {
    const top = this.#pending.pop();
    if (top === undefined || top.from !== from || top.slot !== to) {
      return `the kernel goes on from ${from} to ${to}, we from ${top?.from} to ${top?.slot}`;
    }
    this.#state = top.state;
    this.#slot = to;
    const problem = this.#compare(shown);
    return problem === null ? null : `from ${from} to ${to}: ${shown}\n${problem}`;
  }

  #show(state: State): string {
    return [...state.values].map(([reg, value]) => `r${reg}=${kernelText(value)}`).join(" ");
  }

  #compare(text: string): string | null {
    for (const [reg, shown] of shownRegisters(text)) {
      const value = this.#state.values.get(reg as Used);
      if (value === undefined) continue;
      this.#compared++;
      const theirs = valuePart(shown);
      const ours = kernelText(value);
      if (reg === 9 && value.mask === 0n) continue;
      if (theirs !== ours) return `r${reg}\n  kernel: ${theirs}\n  ours:   ${ours}`;
    }
    return null;
  }

  #set(reg: Reg, value: Scalar): void {
    if (reg === 6 || reg === 7) this.#state.link = null;
    this.#state.values.set(reg as Used, value);
  }

  #get(reg: Reg): Scalar {
    return this.#state.values.get(reg as Used) ?? unknown;
  }

  #operand(src: { readonly reg: Reg } | { readonly imm: number }): Scalar {
    return "reg" in src ? this.#get(src.reg) : immediate(src.imm);
  }

  #step(slot: number): void {
    const insn = this.#bySlot.get(slot);
    if (insn === undefined) return;
    this.#slot = slot + slotsOf(insn);
    switch (insn.kind) {
      case "alu":
        return this.#alu(insn, slot);
      case "neg":
        return this.#set(insn.dst, neg(insn.bits, this.#get(insn.dst)));
      case "movsx":
        return this.#set(insn.dst, movsx(insn.bits, insn.fromBits, this.#get(insn.src)));
      case "endian":
        return this.#set(insn.dst, endian(insn.op, insn.bits, this.#get(insn.dst)));
      case "loadWide":
        return this.#set(insn.dst, constant(insn.value.kind === "constant" ? insn.value.value : 0n));
      case "store":
        if ("reg" in insn.src) this.#state.stored = this.#get(insn.src.reg);
        this.#state.storedWidth = insn.width;
        return;
      case "load":
        if (insn.base === 10) this.#set(insn.dst, coerce(this.#state.stored, insn.width, insn.signed));
        else this.#set(insn.dst, constant(0n));
        return;
      case "branch":
        return this.#branch(insn, slot);
      default:
        return;
    }
  }

  #alu(insn: ResolvedInsn & { kind: "alu" }, slot: number): void {
    const { op, bits, dst } = insn;
    const a = this.#get(dst);
    const b = this.#operand(insn.src);
    if (dst === 9) {
      if (b.mask !== 0n) this.#set(9, op === "add" ? pointerAdd(a, b) : pointerSub(a, b));
      return;
    }
    if (dst === 7 && op === "mov" && bits === 64 && "reg" in insn.src && insn.src.reg === 6) {
      this.#set(dst, b);
      this.#state.link = 0;
      return;
    }
    if (op === "mov" && bits === 32 && "reg" in insn.src) return this.#set(dst, zext32(b));
    const fork = forked(op, a, b);
    if (fork === null) {
      const link = this.#state.link;
      this.#set(dst, alu(op, bits, a, b));
      if (link === 0 && dst === 7 && "imm" in insn.src) this.#state.link = insn.src.imm;
      return;
    }
    const later = copyOf(this.#state);
    later.values.set(dst as Used, fork.later);
    this.#pending.push({ from: slot, slot, state: later });
    const same = "reg" in insn.src && insn.src.reg === dst;
    this.#set(dst, alu(op, bits, fork.first, same ? fork.first : b));
  }

  #branch(insn: ResolvedInsn & { kind: "branch" }, slot: number): void {
    const { op, bits, dst, src } = insn;
    const a = this.#get(dst);
    const b = this.#operand(src);
    const target = slot + 1 + insn.target;
    const decision = branchTaken(op, bits, a, b);
    if (decision !== null) {
      if (decision) this.#slot = target;
      return;
    }
    const taken = copyOf(this.#state);
    learn(taken, insn, true);
    this.#pending.push({ from: slot, slot: target, state: taken });
    learn(this.#state, insn, false);
  }
}

function learn(state: State, insn: ResolvedInsn & { kind: "branch" }, taken: boolean): void {
  const dst = insn.dst as Used;
  const a = state.values.get(dst) ?? unknown;
  if ("reg" in insn.src && insn.src.reg === insn.dst) {
    state.values.set(dst, refineSelf(insn.op as JumpOp, insn.bits, taken, a));
    return;
  }
  const b = "reg" in insn.src ? (state.values.get(insn.src.reg as Used) ?? unknown) : immediate(insn.src.imm);
  const refined = refine(insn.op, insn.bits, taken, a, b);
  state.values.set(dst, refined.dst);
  if ("reg" in insn.src) state.values.set(insn.src.reg as Used, refined.src);
  if (state.link !== null && dst === 6 && !equals(a, refined.dst)) {
    state.values.set(7, linkedAdd(refined.dst, state.link));
  }
}
