// Programs that the kernel's verifier accepts, at random: arithmetic on numbers from the packet and a map's value, accesses of
// stack, packet and map at constant and at masked places, branches, bounded loops, local calls, atomic operations, all levels of
// the instruction set. Everything computed ends up in the map's value or the packet, so that comparing those compares registers.

import { encode, slotStarts } from "../../src/bpf/encode.ts";
import type { AluOp, AtomicOp, Insn, JumpOp, Operand, Reg, ResolvedInsn, Width } from "../../src/bpf/insn.ts";
import { aluOps, atomicOps, jumpOps, opNames } from "../../src/bpf/isa.ts";
import type { Random } from "../support/random.ts";

/** The size of the map's value: what programs work on, then what they leave at the end. */
export const valueBytes = 320;
/** How many bytes at its start programs work on, and how many of the packet. */
const workBytes = 128;
const packetBytes = 64;
/** The part of the stack that programs use: this many bytes below the frame pointer. */
const frameBytes = 64;
/** A loop's counter, below it. */
const counterOffset = -frameBytes - 8;

const alus = opNames(aluOps) as readonly AluOp[];
const conditions = opNames(jumpOps) as readonly JumpOp[];
const atomics = opNames(atomicOps) as readonly AtomicOp[];
const scalars = [0, 1, 2, 3, 4, 5] as const;

/** Numbers at which something happens. */
const edges = [
  0n,
  1n,
  2n,
  7n,
  31n,
  32n,
  33n,
  63n,
  64n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_0000_0000n,
  0xffff_ffff_7fff_ffffn,
  0xffff_ffff_8000_0000n,
  0xffff_ffff_ffff_ffffn,
];

/** A 64-bit number, often one near which something happens. */
export function interesting(random: Random): bigint {
  const raw = (BigInt(random.next()) << 32n) | BigInt(random.next());
  switch (random.below(4)) {
    case 0:
      return raw;
    case 1:
      return raw & 0xffff_ffffn;
    case 2:
      return BigInt.asUintN(64, random.pick(edges) + BigInt(random.below(5)) - 2n);
    default:
      return random.pick(edges);
  }
}

/** Bytes made of such numbers. */
export function interestingBytes(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length + 8);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < length; at += 8) view.setBigUint64(at, interesting(random), true);
  return bytes.slice(0, length);
}

/** A generated program. */
export interface RandomProgram {
  /** Encoded; the wide loads at `mapSlots` take the map: source 2 and the map's handle as immediate, to be filled in. */
  readonly code: Uint8Array;
  readonly mapSlots: readonly number[];
}

/** Makes a program of about `size` statements. */
export function randomProgram(random: Random, size: number): RandomProgram {
  return new Generator(random).program(size);
}

interface Patch {
  readonly index: number;
  readonly imm: number;
  readonly dst: Reg;
  readonly src: Reg;
  readonly width: Width;
}

class Generator {
  readonly #random: Random;
  readonly #insns: Insn<string>[] = [];
  readonly #labels = new Map<string, number>();
  readonly #maps: number[] = [];
  /** Instructions that the table has no form for, put into the bytes afterwards. */
  readonly #patches: Patch[] = [];
  #labelCount = 0;
  #inCallee = false;
  #loops = 0;
  readonly #callees: string[] = [];
  /** Those of them that are called: the verifier refuses code that nothing reaches. */
  readonly #called = new Set<string>();

  constructor(random: Random) {
    this.#random = random;
  }

  program(size: number): RandomProgram {
    const random = this.#random;
    const calleeCount = random.below(3);
    for (let i = 0; i < calleeCount; i++) this.#callees.push(`f${i}`);
    this.#prologue();
    this.#statements(size);
    this.#epilogue();
    for (const name of this.#called) this.#callee(name, 4 + random.below(1 + (size >> 1)));
    return this.#assemble();
  }

  #push(...insns: Insn<string>[]): void {
    this.#insns.push(...insns);
  }

  #label(): string {
    return `l${this.#labelCount++}`;
  }

  #place(label: string): void {
    this.#labels.set(label, this.#insns.length);
  }

  /** r7 = the map's value, which is 320 bytes. */
  #loadMap(): void {
    this.#maps.push(this.#insns.length);
    this.#push({ kind: "loadWide", dst: 7, value: { kind: "raw", src: 2, imm: 0, immHigh: 0 } });
  }

  /** r6 the context, r7 the map's value, r8 the packet of at least 64 bytes; r9 is free; r0 to r5 and the frame hold numbers. */
  #prologue(): void {
    const enough = this.#label();
    this.#push({ kind: "alu", op: "mov", bits: 64, dst: 6, src: { reg: 1 } });
    this.#loadMap();
    this.#push(
      { kind: "load", width: 4, signed: false, dst: 8, base: 6, offset: 0 },
      { kind: "load", width: 4, signed: false, dst: 9, base: 6, offset: 4 },
      { kind: "alu", op: "mov", bits: 64, dst: 0, src: { reg: 8 } },
      { kind: "alu", op: "add", bits: 64, dst: 0, src: { imm: packetBytes } },
      { kind: "branch", op: "le", bits: 64, dst: 0, src: { reg: 9 }, target: enough },
      { kind: "alu", op: "mov", bits: 32, dst: 0, src: { imm: 1 } },
      { kind: "exit" },
    );
    this.#place(enough);
    this.#fillFrame();
    for (const dst of scalars) this.#loadScalar(dst);
  }

  #fillFrame(): void {
    for (let offset = -frameBytes; offset < 0; offset += 8) {
      if (this.#random.chance(50)) this.#push({ kind: "store", width: 8, base: 10, offset, src: { imm: this.#imm() } });
      else {
        this.#push(
          { kind: "load", width: 8, signed: false, dst: 0, base: 7, offset: this.#random.below(workBytes / 8) * 8 },
          { kind: "store", width: 8, base: 10, offset, src: { reg: 0 } },
        );
      }
    }
  }

  /** Gives `dst` a number. */
  #loadScalar(dst: Reg): void {
    const random = this.#random;
    if (random.chance(15)) {
      this.#push({ kind: "loadWide", dst, value: { kind: "constant", value: interesting(random) } });
      return;
    }
    const width = random.pick([1, 2, 4, 8, 8, 8] as const);
    const signed = width !== 8 && random.chance(50);
    const fromMap = this.#inCallee || random.chance(50);
    const room = fromMap ? workBytes : packetBytes;
    const offset = this.#offset(room, width, fromMap ? random.chance(50) : false);
    this.#push({ kind: "load", width, signed, dst, base: fromMap ? 7 : 8, offset });
  }

  /** The place of an access of `width` bytes within `room` bytes. */
  #offset(room: number, width: Width, aligned: boolean): number {
    return aligned ? this.#random.below(room / width) * width : this.#random.below(room - width + 1);
  }

  #imm(): number {
    return Number(BigInt.asIntN(32, interesting(this.#random)));
  }

  #operand(): Operand {
    return this.#random.chance(50) ? { reg: this.#random.pick(scalars) } : { imm: this.#imm() };
  }

  #statements(count: number): void {
    for (let left = count; left > 0; left--) this.#statement(left);
  }

  #statement(left: number): void {
    const random = this.#random;
    const kind = random.below(100);
    if (kind < 45) this.#arithmetic();
    else if (kind < 60) this.#access();
    else if (kind < 68) this.#maskedAccess();
    else if (kind < 78) this.#atomic();
    else if (kind < 90) this.#branch(left);
    else if (kind < 93) this.#loop(left);
    else if (kind < 97) this.#callOne();
    else this.#loadScalar(random.pick(scalars));
  }

  #arithmetic(): void {
    const random = this.#random;
    const dst = random.pick(scalars);
    const bits = random.pick([32, 64] as const);
    switch (random.below(12)) {
      case 0:
        this.#push({ kind: "neg", bits, dst });
        return;
      case 1: {
        const fromBits = random.pick(bits === 64 ? ([8, 16, 32] as const) : ([8, 16] as const));
        this.#push({ kind: "movsx", bits, fromBits, dst, src: random.pick(scalars) });
        return;
      }
      case 2:
        this.#push({
          kind: "endian",
          op: random.pick(["le", "be", "bswap"] as const),
          bits: random.pick([16, 32, 64] as const),
          dst,
        });
        return;
      default: {
        const op = random.pick(alus);
        let src = this.#operand();
        if ("imm" in src) {
          // The verifier refuses constant shifts beyond the width and constant divisors of 0.
          if (op === "lsh" || op === "rsh" || op === "arsh") src = { imm: random.below(bits) };
          if ((op === "div" || op === "mod" || op === "sdiv" || op === "smod") && src.imm === 0) src = { imm: -1 };
        }
        this.#push({ kind: "alu", op, bits, dst, src });
      }
    }
  }

  /** A load or store at a constant place. */
  #access(): void {
    const random = this.#random;
    const width = random.pick([1, 2, 4, 8] as const);
    const space = random.below(this.#inCallee ? 2 : 3);
    const [base, room, bias]: [Reg, number, number] =
      space === 0 ? [10, frameBytes, -frameBytes] : space === 1 ? [7, workBytes, 0] : [8, packetBytes, 0];
    const offset = bias + this.#offset(room, width, space === 0 || random.chance(60));
    this.#anyAccess(width, base, offset, space !== 2 && offset % width === 0);
  }

  #anyAccess(width: Width, base: Reg, offset: number, orderable: boolean): void {
    const random = this.#random;
    const reg = random.pick(scalars);
    const ordered = orderable && random.chance(15);
    if (ordered && random.chance(50)) this.#patch({ imm: 0x100, dst: reg, src: base, width }, offset);
    else if (ordered) this.#patch({ imm: 0x110, dst: base, src: reg, width }, offset);
    else if (random.chance(50)) {
      const signed = width !== 8 && random.chance(40);
      this.#push({ kind: "load", width, signed, dst: reg, base, offset });
    } else this.#push({ kind: "store", width, base, offset, src: this.#operand() });
  }

  #patch(patch: Omit<Patch, "index">, offset: number): void {
    this.#patches.push({ ...patch, index: this.#insns.length });
    this.#push({ kind: "atomic", op: "add", fetch: false, width: 8, base: 0, offset, src: 0 });
  }

  /** A load or store at a place that a number gives, masked to fit: base + (number & mask) in r9, or in r8 where that is free. */
  #maskedAccess(): void {
    const random = this.#random;
    const width = random.pick([1, 2, 4, 8] as const);
    const index = random.pick(scalars);
    const toStack = random.chance(40);
    const room = toStack ? frameBytes : workBytes;
    const mask = (room - 1) & ~(width - 1);
    this.#push(
      { kind: "alu", op: "mov", bits: random.pick([32, 64] as const), dst: 9, src: { reg: index } },
      { kind: "alu", op: "and", bits: random.pick([32, 64] as const), dst: 9, src: { imm: mask } },
    );
    const bias = toStack ? -frameBytes : 0;
    if (toStack && this.#inCallee) {
      // The other way round Linux 6.18 takes the sum for a pointer into the first function's frame: it keeps the number's frame.
      this.#push(
        { kind: "alu", op: "mov", bits: 64, dst: 8, src: { reg: 10 } },
        { kind: "alu", op: "add", bits: 64, dst: 8, src: { reg: 9 } },
      );
      this.#anyAccess(width, 8, bias, false);
      return;
    }
    this.#push({ kind: "alu", op: "add", bits: 64, dst: 9, src: { reg: toStack ? 10 : 7 } });
    this.#anyAccess(width, 9, bias, false);
  }

  #atomic(): void {
    const random = this.#random;
    const op = random.pick(atomics);
    const width = random.pick([4, 8] as const);
    const toStack = random.chance(50);
    const room = toStack ? frameBytes : workBytes;
    const offset = random.below(room / width) * width - (toStack ? frameBytes : 0);
    const fetch = atomicOps[op].alwaysFetches || random.chance(50);
    const base: Reg = toStack ? 10 : 7;
    if (toStack && fetch) {
      // Linux 6.18 knows the old value where the slot held a constant, but forgets the slot when it asks what that rests on, and
      // then takes a path with another constant for one it has seen. An operation that gives no value makes the slot unknown.
      const plain = random.pick(["add", "or", "and", "xor"] as const);
      this.#push({ kind: "atomic", op: plain, fetch: false, width, base, offset, src: random.pick(scalars) });
    }
    this.#push({ kind: "atomic", op, fetch, width, base, offset, src: random.pick(scalars) });
    // Linux 6.18 doesn't clear r0's high half when a 32-bit exchange succeeds and the verifier left the path before r0 was
    // read as 64 bits (it joined one seen before); RFC 9669 section 5.3 wants it cleared. A read at once hides that.
    if (op === "cmpxchg" && width === 4) this.#push({ kind: "alu", op: "mov", bits: 64, dst: 9, src: { reg: 0 } });
  }

  /** if … { some } else { some }, or only the first. */
  #branch(left: number): void {
    const random = this.#random;
    const other = this.#label();
    const end = this.#label();
    this.#push({
      kind: "branch",
      op: random.pick(conditions),
      bits: random.pick([32, 64] as const),
      dst: random.pick(scalars),
      src: this.#operand(),
      target: other,
    });
    this.#statements(Math.min(left - 1, 1 + random.below(4)));
    const both = random.chance(40);
    if (both) this.#push({ kind: "jump", wide: random.chance(50), target: end });
    this.#place(other);
    if (both) this.#statements(Math.min(left - 1, 1 + random.below(3)));
    this.#place(end);
  }

  /** A loop of a few turns, its counter on the stack; one in a program, and none in another. */
  #loop(left: number): void {
    const random = this.#random;
    if (this.#loops > 0 || this.#inCallee) return;
    this.#loops++;
    const head = this.#label();
    const out = this.#label();
    const mayGoto = random.chance(30);
    this.#push({ kind: "store", width: 8, base: 10, offset: counterOffset, src: { imm: 1 + random.below(4) } });
    this.#place(head);
    if (mayGoto) this.#push({ kind: "mayGoto", target: out });
    this.#statements(Math.min(left - 1, 1 + random.below(4)));
    this.#push(
      { kind: "load", width: 8, signed: false, dst: 9, base: 10, offset: counterOffset },
      { kind: "alu", op: "sub", bits: 64, dst: 9, src: { imm: 1 } },
      { kind: "store", width: 8, base: 10, offset: counterOffset, src: { reg: 9 } },
      { kind: "branch", op: "ne", bits: 64, dst: 9, src: { imm: 0 }, target: head },
    );
    this.#place(out);
  }

  #callOne(): void {
    if (this.#callees.length === 0 || this.#inCallee) return this.#arithmetic();
    const name = this.#random.pick(this.#callees);
    this.#called.add(name);
    this.#push({ kind: "call", callee: { kind: "local", target: name } });
    for (const dst of scalars) if (dst !== 0) this.#loadScalar(dst);
  }

  /** Leaves r0 to r5 and the frame in the map's value, and gives r0 mixed with r1. */
  #epilogue(): void {
    for (const reg of scalars)
      this.#push({ kind: "store", width: 8, base: 7, offset: workBytes + 8 * reg, src: { reg } });
    this.#push({ kind: "alu", op: "xor", bits: 64, dst: 0, src: { reg: 1 } });
    for (let i = 0; i < frameBytes / 8; i++)
      this.#push(
        { kind: "load", width: 8, signed: false, dst: 1, base: 10, offset: -frameBytes + 8 * i },
        { kind: "store", width: 8, base: 7, offset: workBytes + 64 + 8 * i, src: { reg: 1 } },
      );
    this.#push({ kind: "exit" });
  }

  /** A function of five numbers that gives a number; it uses r6, r8 and r9 too, which its caller must get back. */
  #callee(name: string, size: number): void {
    this.#inCallee = true;
    this.#place(name);
    this.#push({ kind: "alu", op: "mov", bits: 64, dst: 6, src: { reg: 1 } });
    this.#loadMap();
    this.#fillFrame();
    this.#push({ kind: "alu", op: "mov", bits: 64, dst: 0, src: { reg: 6 } });
    this.#statements(size);
    this.#push(
      { kind: "alu", op: "xor", bits: 64, dst: 0, src: { reg: 6 } },
      { kind: "load", width: 8, signed: false, dst: 1, base: 10, offset: -8 },
      { kind: "alu", op: "add", bits: 64, dst: 0, src: { reg: 1 } },
      { kind: "exit" },
    );
    this.#inCallee = false;
  }

  #assemble(): RandomProgram {
    const insns = this.#insns;
    const starts = slotStarts(insns.map((insn) => resolve(insn, () => 0)));
    const slotOf = (index: number): number => starts[index] ?? 0;
    const resolved = insns.map((insn, index) =>
      resolve(insn, (label) => slotOf(this.#labels.get(label) ?? 0) - slotOf(index) - 1),
    );
    const code = encode(resolved).bytes;
    const view = new DataView(code.buffer);
    const widthBits = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 } as const;
    for (const { index, imm, dst, src, width } of this.#patches) {
      const at = 8 * slotOf(index);
      code[at] = 0xc3 | widthBits[width];
      code[at + 1] = dst | (src << 4);
      view.setInt32(at + 4, imm, true);
    }
    return { code, mapSlots: this.#maps.map(slotOf) };
  }
}

function resolve(insn: Insn<string>, target: (label: string) => number): ResolvedInsn {
  switch (insn.kind) {
    case "jump":
    case "branch":
    case "mayGoto":
      return { ...insn, target: target(insn.target) };
    case "call":
      return insn.callee.kind === "local"
        ? { kind: "call", callee: { kind: "local", target: target(insn.callee.target) } }
        : { kind: "call", callee: insn.callee };
    default:
      return insn;
  }
}
