// The reference executor: one instruction after the other on registers of 64-bit integers, each meaning written once and plainly
// (alu.ts for arithmetic). Used where code can't be made at run time, where each step is to be watched, and as the measure for
// the compiled executor. Knows no helpers or maps; calls out through the core.

import { assertNever } from "../base/assert.ts";
import type { Operand, Width } from "../bpf/insn.ts";
import { aluResult, atomicResult, byteOrdered, conditionHolds } from "./alu.ts";
import type { Core, Executor, LoadedProgram } from "./core.ts";
import { framePointerLo } from "./core.ts";
import type { VmInsn } from "./program.ts";
import { slotCount } from "./program.ts";

/** The interpreter for one program. */
export class Interpreter implements Executor {
  readonly #core: Core;
  readonly #loaded: () => LoadedProgram;

  /** `loaded` gives the program this executor belongs to; asked at each call, so the two can be made together. */
  constructor(core: Core, loaded: () => LoadedProgram) {
    this.#core = core;
    this.#loaded = loaded;
  }

  call(entry: number, words: Int32Array): void {
    const frame = new Frame(this.#core, this.#loaded());
    for (let n = 1; n <= 5; n++) frame.registers[n] = joined(words[2 * n + 1] ?? 0, words[2 * n] ?? 0);
    frame.run(entry);
    give(words, 0, frame.registers[0] ?? 0n);
  }
}

/** The 64-bit value of two int32 halves. */
function joined(hi: number, lo: number): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}

function low(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}

function high(value: bigint): number {
  return Number(BigInt.asIntN(32, value >> 32n));
}

function give(words: Int32Array, n: number, value: bigint): void {
  words[2 * n] = low(value);
  words[2 * n + 1] = high(value);
}

/** A function being executed. */
class Frame {
  /** r0 to r10; what is stored is taken modulo 2^64. */
  readonly registers = new BigUint64Array(11);
  readonly #core: Core;
  readonly #loaded: LoadedProgram;
  #mayGotoLeft: number;

  constructor(core: Core, loaded: LoadedProgram) {
    this.#core = core;
    this.#loaded = loaded;
    this.#mayGotoLeft = core.mayGotoLimit;
    this.registers[10] = joined(core.frameHi, framePointerLo);
  }

  /** Runs from `entry` until the function's exit. */
  run(entry: number): void {
    const core = this.#core;
    const { insns, blockSteps } = this.#loaded.program;
    let slot = entry;
    for (;;) {
      const insn = insns[slot];
      if (insn == null) return core.badJump(slot);
      const block = blockSteps[slot] ?? 0;
      if (block > 0) {
        core.left -= block;
        if (core.left < 0) core.overBudget(slot, block);
        core.path?.push(slot);
      }
      core.slot = slot;
      core.observer?.(slot, core.depth, this.registers);
      const next = this.#step(insn, slot);
      if (next === null) return;
      slot = next;
    }
  }

  /** Does one instruction; gives the slot of the next one, or null at the function's end. */
  #step(insn: VmInsn, slot: number): number | null {
    const r = this.registers;
    const next = slot + slotCount(insn);
    switch (insn.kind) {
      case "alu":
        r[insn.dst] = aluResult(insn.op, insn.bits, r[insn.dst] ?? 0n, this.#operand(insn.src));
        return next;
      case "neg":
        r[insn.dst] = BigInt.asUintN(insn.bits, -(r[insn.dst] ?? 0n));
        return next;
      case "movsx":
        r[insn.dst] = BigInt.asUintN(insn.bits, BigInt.asIntN(insn.fromBits, r[insn.src] ?? 0n));
        return next;
      case "endian":
        r[insn.dst] = byteOrdered(insn.op, insn.bits, r[insn.dst] ?? 0n);
        return next;
      case "load": {
        const value = this.#load(this.#address(insn.base, insn.offset), insn.width, insn.signed);
        r[insn.dst] = insn.signed ? BigInt.asIntN(insn.width * 8, value) : value;
        return next;
      }
      case "loadAcquire":
        r[insn.dst] = this.#load(this.#address(insn.base, insn.offset), insn.width, false);
        return next;
      case "store":
        this.#store(this.#address(insn.base, insn.offset), insn.width, this.#operand(insn.src));
        return next;
      case "storeRelease":
        this.#store(this.#address(insn.base, insn.offset), insn.width, r[insn.src] ?? 0n);
        return next;
      case "atomic":
        this.#atomic(insn);
        return next;
      case "loadWide":
        r[insn.dst] = this.#wide(insn, slot);
        return next;
      case "jump":
        return slot + 1 + insn.target;
      case "branch": {
        const taken = conditionHolds(insn.op, insn.bits, r[insn.dst] ?? 0n, this.#operand(insn.src));
        return taken ? slot + 1 + insn.target : next;
      }
      case "mayGoto":
        return this.#mayGotoLeft-- <= 0 ? slot + 1 + insn.target : next;
      case "call":
        return this.#call(insn, slot) ? next : null;
      case "exit":
        return null;
      case "legacy":
        return this.#core.illegal("legacy packet access, which XDP doesn't have");
      case "illegal":
        return this.#core.illegal(insn.why);
      default:
        return assertNever(insn, "instruction");
    }
  }

  #operand(operand: Operand): bigint {
    return "reg" in operand ? (this.registers[operand.reg] ?? 0n) : BigInt.asUintN(64, BigInt(operand.imm));
  }

  #address(base: number, offset: number): bigint {
    return BigInt.asUintN(64, (this.registers[base] ?? 0n) + BigInt(offset));
  }

  #load(address: bigint, width: Width, signed: boolean): bigint {
    const { memory } = this.#core;
    const region = memory.regionAt(high(address));
    if (region.kind === "context") {
      memory.loadContext(low(address), width, signed);
      return joined(memory.valueHi, memory.valueLo);
    }
    const at = memory.resolve(high(address), low(address), width, "read");
    switch (width) {
      case 1:
        return BigInt(region.view.getUint8(at));
      case 2:
        return BigInt(region.view.getUint16(at, true));
      case 4:
        return BigInt(region.view.getUint32(at, true));
      case 8:
        return region.view.getBigUint64(at, true);
    }
  }

  #store(address: bigint, width: Width, value: bigint): void {
    const { memory } = this.#core;
    const { view } = memory.regionAt(high(address));
    const at = memory.resolve(high(address), low(address), width, "write");
    switch (width) {
      case 1:
        return view.setUint8(at, low(value));
      case 2:
        return view.setUint16(at, low(value), true);
      case 4:
        return view.setUint32(at, low(value), true);
      case 8:
        return view.setBigUint64(at, value, true);
    }
  }

  #atomic(insn: Extract<VmInsn, { kind: "atomic" }>): void {
    const r = this.registers;
    const address = this.#address(insn.base, insn.offset);
    this.#core.memory.resolve(high(address), low(address), insn.width, "write");
    const old = this.#load(address, insn.width, false);
    const cut = (value: bigint | undefined): bigint => BigInt.asUintN(insn.width * 8, value ?? 0n);
    this.#store(address, insn.width, atomicResult(insn.op, old, cut(r[insn.src]), cut(r[0])));
    if (insn.op === "cmpxchg") r[0] = old;
    else if (insn.fetch) r[insn.src] = old;
  }

  #wide(insn: Extract<VmInsn, { kind: "loadWide" }>, slot: number): bigint {
    if (insn.value.kind === "constant") return insn.value.value;
    const address = this.#loaded.wides.get(slot);
    if (address === undefined || typeof address === "string") return this.#core.illegal(address ?? "no 64-bit value");
    return joined(address.hi, address.lo);
  }

  /** False when a tail call took the function's place. */
  #call(insn: Extract<VmInsn, { kind: "call" }>, slot: number): boolean {
    const core = this.#core;
    const { callee } = insn;
    const r = this.registers;
    if (callee.kind === "local") {
      core.enter();
      const frame = new Frame(core, this.#loaded);
      frame.registers.set(r.subarray(1, 6), 1);
      frame.run(slot + 1 + callee.target);
      core.leave();
      r[0] = frame.registers[0] ?? 0n;
    } else {
      for (let n = 1; n <= 5; n++) give(core.words, n, r[n] ?? 0n);
      if (callee.kind === "helper") core.callHelper(callee.id);
      else core.callKfunc(callee.btfId);
      const gone = core.tail !== null;
      if (gone) core.runTail();
      r[0] = joined(core.words[1] ?? 0, core.words[0] ?? 0);
      if (gone) return false;
    }
    r.fill(0n, 1, 6);
    return true;
  }
}
