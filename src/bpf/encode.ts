// Instructions to bytes: the one place that knows which field lies where in a slot. Comes after layout, before the ELF
// writer; little-endian only. Maps and data are left as holes with a list of what belongs in them; knows no symbol tables.
// Source: RFC 9669 section 3 (encoding) and 4 to 5 (fields an instruction doesn't use are zero).

import { assert, InternalError } from "../base/assert.ts";
import type { CallTarget, Operand, Reg, ResolvedInsn } from "./insn.ts";
import { slotsOf } from "./insn.ts";
import {
  aluOps,
  aluUnary,
  atomicFetch,
  atomicOps,
  callSources,
  insnClass,
  jumpCodes,
  jumpOps,
  loadWideOpcode,
  memoryModes,
  slotBytes,
  sourceRegister,
  widthCodes,
} from "./isa.ts";

/** A place whose value only the loader knows; `slot` counts from the start of the encoded instructions. */
export type Relocation =
  /** The wide load in `slot` gets the file descriptor of map `symbol`. */
  | { readonly slot: number; readonly kind: "map"; readonly symbol: string }
  /** The wide load in `slot` gets the address of byte `offsetBytes` of a data section; the offset is in its immediate. */
  | { readonly slot: number; readonly kind: "data"; readonly section: string; readonly offsetBytes: number }
  /** The call in `slot` goes to function `symbol`, which may lie in another section: met in foreign objects. */
  | { readonly slot: number; readonly kind: "call"; readonly symbol: string };

/** What `encode` makes: whole slots of 8 bytes, and their relocations in rising order of slots. */
export interface Encoded {
  readonly bytes: Uint8Array;
  readonly relocations: readonly Relocation[];
}

/** The slot at which each instruction starts, and as a last element the number of slots: `insns.length + 1` numbers. */
export function slotStarts(insns: readonly ResolvedInsn[]): number[] {
  const starts = [0];
  let slot = 0;
  for (const insn of insns) {
    slot += slotsOf(insn);
    starts.push(slot);
  }
  return starts;
}

/** The index of the instruction that starts at each slot, as the inverse of `slotStarts`; slots inside one are absent. */
export function indexOfSlot(starts: readonly number[]): Map<number, number> {
  return new Map(starts.map((slot, index) => [slot, index]));
}

/**
 * The slot that instruction `insn`, which starts at `slot`, jumps to or calls; null when it does neither. Offsets count from
 * the slot behind the jump.
 */
export function targetSlot(insn: ResolvedInsn, slot: number): number | null {
  switch (insn.kind) {
    case "jump":
    case "branch":
    case "mayGoto":
      return slot + 1 + insn.target;
    case "call":
      return insn.callee.kind === "local" ? slot + 1 + insn.callee.target : null;
    default:
      return null;
  }
}

/**
 * Encodes instructions, little-endian. Immediates are signed: -2^31 to 2^31 - 1 (a wide constant takes 64 bits of either
 * sign), offsets -2^15 to 2^15 - 1. Throws InternalError for what doesn't fit or has no encoding.
 */
export function encode(insns: readonly ResolvedInsn[]): Encoded {
  const slots = slotStarts(insns).at(-1) ?? 0;
  const bytes = new Uint8Array(slots * slotBytes);
  const writer = new SlotWriter(bytes);
  const relocations: Relocation[] = [];
  for (const insn of insns) {
    if (insn.kind === "loadWide") encodeLoadWide(insn, writer, relocations);
    else writer.put(fieldsOf(insn));
  }
  return { bytes, relocations };
}

/** The fields of a slot, zero unless given; `dst`, `src` are 0 to 15, `imm` and `offset` signed. */
interface Fields {
  readonly opcode: number;
  readonly dst?: number;
  readonly src?: number;
  readonly offset?: number;
  readonly imm?: number;
}

class SlotWriter {
  slot = 0;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer);
  }

  put({ opcode, dst = 0, src = 0, offset = 0, imm = 0 }: Fields): void {
    const at = this.slot * slotBytes;
    fits(dst, 0, 15, "destination register", this.slot);
    fits(src, 0, 15, "source register", this.slot);
    fits(offset, -0x8000, 0x7fff, "offset", this.slot);
    fits(imm, -0x8000_0000, 0x7fff_ffff, "immediate", this.slot);
    this.#view.setUint8(at, opcode);
    this.#view.setUint8(at + 1, dst | (src << 4));
    this.#view.setInt16(at + 2, offset, true);
    this.#view.setInt32(at + 4, imm, true);
    this.slot++;
  }
}

function fits(value: number, low: number, high: number, what: string, slot: number): void {
  if (!(Number.isInteger(value) && value >= low && value <= high))
    throw new InternalError(`${what} ${value} at slot ${slot} doesn't fit into ${low}..${high}`);
}

/** The bit that tells a register from an immediate, and the field the operand goes to. */
function operandFields(operand: Operand): { readonly bit: number; readonly src?: Reg; readonly imm?: number } {
  return "reg" in operand ? { bit: sourceRegister, src: operand.reg } : { bit: 0, imm: operand.imm };
}

/** Instructions of one slot. */
type NarrowInsn = Exclude<ResolvedInsn, { kind: "loadWide" }>;

/** The opcode and fields of an instruction of one slot. */
function fieldsOf(insn: NarrowInsn): Fields {
  switch (insn.kind) {
    case "alu": {
      const { bit, ...source } = operandFields(insn.src);
      const row = aluOps[insn.op];
      return { opcode: aluClass(insn.bits) | row.code | bit, dst: insn.dst, offset: row.offset, ...source };
    }
    case "neg":
      return { opcode: aluClass(insn.bits) | aluUnary.neg, dst: insn.dst };
    case "movsx":
      assert(insn.fromBits < insn.bits, `movsx from ${insn.fromBits} to ${insn.bits} bits has no encoding`);
      return {
        opcode: aluClass(insn.bits) | aluOps.mov.code | sourceRegister,
        dst: insn.dst,
        src: insn.src,
        offset: insn.fromBits,
      };
    case "endian": {
      const opcode =
        aluUnary.end |
        (insn.op === "bswap" ? insnClass.alu64 : insnClass.alu) |
        (insn.op === "be" ? sourceRegister : 0);
      return { opcode, dst: insn.dst, imm: insn.bits };
    }
    case "load": {
      assert(!(insn.signed && insn.width === 8), "a signed load of 8 bytes has no encoding");
      const opcode = insnClass.ldx | (insn.signed ? memoryModes.memsx : memoryModes.mem) | widthCodes[insn.width];
      return { opcode, dst: insn.dst, src: insn.base, offset: insn.offset };
    }
    case "store": {
      const { bit, ...source } = operandFields(insn.src);
      const opcode = (bit === 0 ? insnClass.st : insnClass.stx) | memoryModes.mem | widthCodes[insn.width];
      return { opcode, dst: insn.base, offset: insn.offset, ...source };
    }
    case "atomic": {
      const row = atomicOps[insn.op];
      assert(insn.fetch || !row.alwaysFetches, `atomic ${insn.op} without fetch has no encoding`);
      const opcode = insnClass.stx | memoryModes.atomic | widthCodes[insn.width];
      const imm = row.code | (insn.fetch ? atomicFetch : 0);
      return { opcode, dst: insn.base, src: insn.src, offset: insn.offset, imm };
    }
    case "legacy":
      assert(insn.mode === "ind" || insn.src === 0, "a legacy absolute load has no source register");
      return {
        opcode: insnClass.ld | memoryModes[insn.mode] | widthCodes[insn.width],
        src: insn.src,
        imm: insn.imm,
      };
    case "jump":
      return insn.wide
        ? { opcode: insnClass.jmp32 | jumpCodes.ja, imm: insn.target }
        : { opcode: insnClass.jmp | jumpCodes.ja, offset: insn.target };
    case "branch": {
      const { bit, ...source } = operandFields(insn.src);
      const opcode = (insn.bits === 64 ? insnClass.jmp : insnClass.jmp32) | jumpOps[insn.op].code | bit;
      return { opcode, dst: insn.dst, offset: insn.target, ...source };
    }
    case "mayGoto":
      return { opcode: insnClass.jmp | jumpCodes.cond, offset: insn.target };
    case "call":
      return { opcode: insnClass.jmp | jumpCodes.call, ...calleeFields(insn.callee) };
    case "exit":
      return { opcode: insnClass.jmp | jumpCodes.exit };
  }
}

function calleeFields(callee: CallTarget<number>): Partial<Fields> {
  const src = callSources[callee.kind];
  switch (callee.kind) {
    case "helper":
      return { src, imm: callee.id };
    case "local":
      return { src, imm: callee.target };
    case "kfunc":
      return { src, imm: callee.btfId, offset: callee.fdIndex };
  }
}

function aluClass(bits: 32 | 64): number {
  return bits === 64 ? insnClass.alu64 : insnClass.alu;
}

function encodeLoadWide(
  insn: Extract<ResolvedInsn, { kind: "loadWide" }>,
  writer: SlotWriter,
  relocations: Relocation[],
): void {
  const { value, dst } = insn;
  const slot = writer.slot;
  let src = 0;
  let low = 0;
  let high = 0;
  switch (value.kind) {
    case "constant":
      assert(value.value >= -(1n << 63n) && value.value < 1n << 64n, `constant ${value.value} has more than 64 bits`);
      low = Number(BigInt.asIntN(32, value.value));
      high = Number(BigInt.asIntN(32, value.value >> 32n));
      break;
    case "map":
      relocations.push({ slot, kind: "map", symbol: value.map });
      break;
    case "data":
      // The loader adds the symbol's own offset (0 for a section symbol) to what the immediate holds.
      relocations.push({ slot, kind: "data", section: value.section, offsetBytes: value.offsetBytes });
      low = value.offsetBytes;
      break;
    case "raw":
      assert(value.src !== 0, "a wide load of source 0 is a constant");
      src = value.src;
      low = value.imm;
      high = value.immHigh;
      break;
  }
  writer.put({ opcode: loadWideOpcode, dst, src, imm: low });
  writer.put({ opcode: 0, imm: high });
}
