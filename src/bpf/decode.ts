// Bytes to instructions, for any bytes: our own, foreign objects', hostile ones. Whatever has no meaning in our instruction
// type becomes a fault with its slot, and what is decoded without a fault encodes to the same bytes again. Used by the
// disassembler, the checker and the VM; judges only the encoding, not what a program does.
// Source: RFC 9669; Linux kernel/bpf/verifier.c for which fields must be zero.

import type { Relocation } from "./encode.ts";
import { targetSlot } from "./encode.ts";
import type { Operand, Reg, ResolvedInsn, WideValue, Width } from "./insn.ts";
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
  lastRegister,
  loadWideOpcode,
  memoryModes,
  opNames,
  slotBytes,
  sourceRegister,
  widthCodes,
} from "./isa.ts";

/** Why a slot isn't an instruction of ours. Slots count from the start of the bytes. */
export type DecodeFault =
  /** The bytes end inside a slot: `bytes` of it are there. */
  | { readonly kind: "partialSlot"; readonly slot: number; readonly bytes: number }
  /** No instruction has this opcode. */
  | { readonly kind: "unknownOpcode"; readonly slot: number; readonly opcode: number }
  /** A field that chooses among variants of the opcode has a value that means nothing. */
  | { readonly kind: "unknownVariant"; readonly slot: number; readonly field: Field; readonly value: number }
  /** A field that must be zero isn't. */
  | { readonly kind: "reservedField"; readonly slot: number; readonly field: Field; readonly value: number }
  /** A register number above 10. */
  | { readonly kind: "badRegister"; readonly slot: number; readonly register: number }
  /** A 16-byte load whose second half is missing or isn't one; `slot` is that of the first half. */
  | { readonly kind: "brokenWideLoad"; readonly slot: number }
  /** A jump or local call outside the program. */
  | { readonly kind: "targetOutside"; readonly slot: number; readonly target: number }
  /** A jump or local call into the second half of a 16-byte load. */
  | { readonly kind: "targetInsideWideLoad"; readonly slot: number; readonly target: number };

/** The fields of a slot besides the opcode; `high…` those of a wide load's second half. */
export type Field = "dst" | "src" | "offset" | "imm" | "highSrc" | "highDst" | "highOffset";

/** One piece of a program: an instruction with the slot it starts at, or a slot that isn't one. */
export type DecodedPiece =
  | { readonly slot: number; readonly insn: ResolvedInsn }
  | { readonly slot: number; readonly insn: null; readonly bytes: Uint8Array };

/** The answer of `decode`. */
export type Decoded =
  | {
      readonly kind: "insns";
      readonly insns: readonly ResolvedInsn[];
      /** The slot at which each instruction starts; same length as `insns`. */
      readonly slotOf: readonly number[];
    }
  | { readonly kind: "faults"; readonly faults: readonly DecodeFault[] };

/** The answer of `decodePieces`: everything in order, and what is wrong with it. */
export interface DecodedPieces {
  readonly pieces: readonly DecodedPiece[];
  readonly faults: readonly DecodeFault[];
}

/**
 * Decodes bytes into instructions, or tells all faults when there is one. `relocations` give wide loads their symbols back
 * and say which calls leave the program; any number for a slot that has no such instruction is ignored. Never throws.
 */
export function decode(bytes: Uint8Array, relocations: readonly Relocation[] = []): Decoded {
  const { pieces, faults } = decodePieces(bytes, relocations);
  if (faults.length > 0) return { kind: "faults", faults };
  const insns: ResolvedInsn[] = [];
  const slotOf: number[] = [];
  for (const piece of pieces) {
    if (piece.insn === null) continue;
    insns.push(piece.insn);
    slotOf.push(piece.slot);
  }
  return { kind: "insns", insns, slotOf };
}

/** Decodes what can be decoded and keeps the rest as bytes, so that a listing can show both. Never throws. */
export function decodePieces(bytes: Uint8Array, relocations: readonly Relocation[] = []): DecodedPieces {
  const relocationAt = new Map(relocations.map((relocation) => [relocation.slot, relocation]));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const slots = Math.floor(bytes.byteLength / slotBytes);
  const pieces: DecodedPiece[] = [];
  const faults: DecodeFault[] = [];
  for (let slot = 0; slot < slots; ) {
    const decoded = decodeInsn(readSlot(view, slot), slot, slot + 1 < slots ? readSlot(view, slot + 1) : null);
    if (isFault(decoded)) {
      faults.push(decoded);
      pieces.push({ slot, insn: null, bytes: bytes.subarray(slot * slotBytes, (slot + 1) * slotBytes) });
      slot++;
    } else {
      pieces.push({ slot, insn: withSymbol(decoded, relocationAt.get(slot)) });
      slot += slotsOf(decoded);
    }
  }
  const rest = bytes.byteLength % slotBytes;
  if (rest !== 0) {
    faults.push({ kind: "partialSlot", slot: slots, bytes: rest });
    pieces.push({ slot: slots, insn: null, bytes: bytes.subarray(slots * slotBytes) });
  }
  const all = [...faults, ...targetFaults(pieces, slots, relocationAt)];
  return { pieces, faults: all.sort((a, b) => a.slot - b.slot) };
}

/** What a fault means, in a few words for a listing or a message. */
export function describeFault(fault: DecodeFault): string {
  switch (fault.kind) {
    case "partialSlot":
      return `only ${fault.bytes} of 8 bytes`;
    case "unknownOpcode":
      return `unknown opcode 0x${fault.opcode.toString(16).padStart(2, "0")}`;
    case "unknownVariant":
      return `unknown value ${fault.value} in field ${fault.field}`;
    case "reservedField":
      return `reserved field ${fault.field} is ${fault.value}`;
    case "badRegister":
      return `no register r${fault.register}`;
    case "brokenWideLoad":
      return "16-byte load without its second half";
    case "targetOutside":
      return `target ${fault.target} outside the program`;
    case "targetInsideWideLoad":
      return `target ${fault.target} inside a 16-byte load`;
  }
}

interface Slot {
  readonly opcode: number;
  readonly dst: number;
  readonly src: number;
  readonly offset: number;
  readonly imm: number;
}

function readSlot(view: DataView, slot: number): Slot {
  const at = slot * slotBytes;
  const registers = view.getUint8(at + 1);
  return {
    opcode: view.getUint8(at),
    dst: registers & 0x0f,
    src: registers >> 4,
    offset: view.getInt16(at + 2, true),
    imm: view.getInt32(at + 4, true),
  };
}

const widthOfCode = new Map<number, Width>([1, 2, 4, 8].map((w) => [widthCodes[w as Width], w as Width]));
const aluOfCode = new Map(opNames(aluOps).map((op) => [aluOps[op].code | (aluOps[op].offset << 8), op]));
const jumpOfCode = new Map<number, keyof typeof jumpOps>(opNames(jumpOps).map((op) => [jumpOps[op].code, op]));
const atomicOfCode = new Map<number, keyof typeof atomicOps>(opNames(atomicOps).map((op) => [atomicOps[op].code, op]));

/** Kinds of instruction are told from faults by name, so the two unions must not share one. */
const faultKinds = new Set<string>([
  "unknownOpcode",
  "unknownVariant",
  "reservedField",
  "badRegister",
  "brokenWideLoad",
] satisfies DecodeFault["kind"][]);

function isFault(value: ResolvedInsn | DecodeFault): value is DecodeFault {
  return faultKinds.has(value.kind);
}

/** The instruction in `s`, or the first thing wrong with it. `next` is the slot behind it, if there is one. */
function decodeInsn(s: Slot, slot: number, next: Slot | null): ResolvedInsn | DecodeFault {
  switch (s.opcode & 0x07) {
    case insnClass.alu:
    case insnClass.alu64:
      return decodeAlu(s, slot);
    case insnClass.jmp:
    case insnClass.jmp32:
      return decodeJump(s, slot);
    case insnClass.ld:
      return s.opcode === loadWideOpcode ? decodeLoadWide(s, slot, next) : decodeLegacy(s, slot);
    default:
      return decodeMemory(s, slot);
  }
}

/** The first fault among: fields named in `zero` that aren't zero, registers named in `regs` above 10; null when fine. */
function check(s: Slot, slot: number, zero: readonly ("dst" | "src" | "offset" | "imm")[]): DecodeFault | null {
  for (const field of zero) if (s[field] !== 0) return { kind: "reservedField", slot, field, value: s[field] };
  for (const register of [s.dst, s.src]) if (register > lastRegister) return { kind: "badRegister", slot, register };
  return null;
}

function unknown(s: Slot, slot: number): DecodeFault {
  return { kind: "unknownOpcode", slot, opcode: s.opcode };
}

function variant(s: Slot, slot: number, field: "dst" | "src" | "offset" | "imm"): DecodeFault {
  return { kind: "unknownVariant", slot, field, value: s[field] };
}

/** The second operand, as the opcode's source bit says; the field of the other form is checked by the caller. */
function operand(s: Slot): Operand {
  return (s.opcode & sourceRegister) !== 0 ? { reg: s.src as Reg } : { imm: s.imm };
}

function unusedBySource(s: Slot): "src" | "imm" {
  return (s.opcode & sourceRegister) !== 0 ? "imm" : "src";
}

function decodeAlu(s: Slot, slot: number): ResolvedInsn | DecodeFault {
  const bits = (s.opcode & 0x07) === insnClass.alu64 ? 64 : 32;
  const code = s.opcode & 0xf0;
  const dst = s.dst as Reg;
  const fromRegister = (s.opcode & sourceRegister) !== 0;
  if (code === aluUnary.neg) {
    if (fromRegister) return unknown(s, slot);
    return check(s, slot, ["src", "offset", "imm"]) ?? { kind: "neg", bits, dst };
  }
  if (code === aluUnary.end) {
    if (bits === 64 && fromRegister) return unknown(s, slot);
    if (s.imm !== 16 && s.imm !== 32 && s.imm !== 64) return variant(s, slot, "imm");
    const op = bits === 64 ? "bswap" : fromRegister ? "be" : "le";
    return check(s, slot, ["src", "offset"]) ?? { kind: "endian", op, bits: s.imm, dst };
  }
  if (code === aluOps.mov.code && fromRegister && s.offset !== 0) {
    const fromBits = s.offset;
    if (!(fromBits === 8 || fromBits === 16 || (fromBits === 32 && bits === 64))) return variant(s, slot, "offset");
    return check(s, slot, ["imm"]) ?? { kind: "movsx", bits, fromBits, dst, src: s.src as Reg };
  }
  if (!aluOfCode.has(code)) return unknown(s, slot);
  const signedRow = aluOfCode.get(code | 0x100);
  const op = s.offset === 0 ? aluOfCode.get(code) : s.offset === 1 ? signedRow : undefined;
  if (op === undefined) {
    if (signedRow !== undefined) return variant(s, slot, "offset");
    return { kind: "reservedField", slot, field: "offset", value: s.offset };
  }
  return check(s, slot, [unusedBySource(s)]) ?? { kind: "alu", op, bits, dst, src: operand(s) };
}

function decodeJump(s: Slot, slot: number): ResolvedInsn | DecodeFault {
  const bits = (s.opcode & 0x07) === insnClass.jmp ? 64 : 32;
  const code = s.opcode & 0xf0;
  const op = jumpOfCode.get(code);
  if (op !== undefined) {
    const src = operand(s);
    const fault = check(s, slot, [unusedBySource(s)]);
    return fault ?? { kind: "branch", op, bits, dst: s.dst as Reg, src, target: s.offset };
  }
  if ((s.opcode & sourceRegister) !== 0) return unknown(s, slot);
  if (code === jumpCodes.ja) {
    const fault = check(s, slot, ["dst", "src", bits === 64 ? "imm" : "offset"]);
    return fault ?? { kind: "jump", wide: bits === 32, target: bits === 32 ? s.imm : s.offset };
  }
  if (bits === 32) return unknown(s, slot);
  switch (code) {
    case jumpCodes.cond:
      if (s.src !== 0) return variant(s, slot, "src");
      return check(s, slot, ["dst", "imm"]) ?? { kind: "mayGoto", target: s.offset };
    case jumpCodes.exit:
      return check(s, slot, ["dst", "src", "offset", "imm"]) ?? { kind: "exit" };
    case jumpCodes.call:
      return decodeCall(s, slot);
    default:
      return unknown(s, slot);
  }
}

function decodeCall(s: Slot, slot: number): ResolvedInsn | DecodeFault {
  switch (s.src) {
    case callSources.helper:
      return check(s, slot, ["dst", "offset"]) ?? { kind: "call", callee: { kind: "helper", id: s.imm } };
    case callSources.local:
      return check(s, slot, ["dst", "offset"]) ?? { kind: "call", callee: { kind: "local", target: s.imm } };
    case callSources.kfunc:
      return check(s, slot, ["dst"]) ?? { kind: "call", callee: { kind: "kfunc", btfId: s.imm, fdIndex: s.offset } };
    default:
      return variant(s, slot, "src");
  }
}

function decodeMemory(s: Slot, slot: number): ResolvedInsn | DecodeFault {
  const width = widthOfCode.get(s.opcode & 0x18);
  if (width === undefined) return unknown(s, slot);
  const mode = s.opcode & 0xe0;
  const { offset } = s;
  const dst = s.dst as Reg;
  const src = s.src as Reg;
  switch (s.opcode & 0x07) {
    case insnClass.ldx: {
      const signed = mode === memoryModes.memsx;
      if (mode !== memoryModes.mem && !(signed && width !== 8)) return unknown(s, slot);
      return check(s, slot, ["imm"]) ?? { kind: "load", width, signed, dst, base: src, offset };
    }
    case insnClass.st:
      if (mode !== memoryModes.mem) return unknown(s, slot);
      return check(s, slot, ["src"]) ?? { kind: "store", width, base: dst, offset, src: { imm: s.imm } };
    default:
      if (mode === memoryModes.mem)
        return check(s, slot, ["imm"]) ?? { kind: "store", width, base: dst, offset, src: { reg: src } };
      if (mode !== memoryModes.atomic || (width !== 4 && width !== 8)) return unknown(s, slot);
      return decodeAtomic(s, slot, width);
  }
}

function decodeAtomic(s: Slot, slot: number, width: 4 | 8): ResolvedInsn | DecodeFault {
  const fetch = (s.imm & atomicFetch) !== 0;
  const op = atomicOfCode.get(s.imm & ~atomicFetch);
  if (op === undefined || (atomicOps[op].alwaysFetches && !fetch)) return variant(s, slot, "imm");
  const fault = check(s, slot, []);
  return fault ?? { kind: "atomic", op, fetch, width, base: s.dst as Reg, offset: s.offset, src: s.src as Reg };
}

function decodeLegacy(s: Slot, slot: number): ResolvedInsn | DecodeFault {
  const width = widthOfCode.get(s.opcode & 0x18);
  const modeBits = s.opcode & 0xe0;
  const mode = modeBits === memoryModes.abs ? "abs" : modeBits === memoryModes.ind ? "ind" : null;
  if (mode === null || width === undefined || width === 8) return unknown(s, slot);
  const fault = check(s, slot, mode === "abs" ? ["dst", "src", "offset"] : ["dst", "offset"]);
  return fault ?? { kind: "legacy", mode, width, src: s.src as Reg, imm: s.imm };
}

function decodeLoadWide(s: Slot, slot: number, next: Slot | null): ResolvedInsn | DecodeFault {
  if (s.offset !== 0) return { kind: "reservedField", slot, field: "offset", value: s.offset };
  if (s.dst > lastRegister) return { kind: "badRegister", slot, register: s.dst };
  if (next === null || next.opcode !== 0) return { kind: "brokenWideLoad", slot };
  if (next.dst !== 0) return { kind: "reservedField", slot, field: "highDst", value: next.dst };
  if (next.src !== 0) return { kind: "reservedField", slot, field: "highSrc", value: next.src };
  if (next.offset !== 0) return { kind: "reservedField", slot, field: "highOffset", value: next.offset };
  const value: WideValue =
    s.src === 0
      ? { kind: "constant", value: BigInt.asUintN(32, BigInt(s.imm)) | (BigInt.asUintN(32, BigInt(next.imm)) << 32n) }
      : { kind: "raw", src: s.src, imm: s.imm, immHigh: next.imm };
  return { kind: "loadWide", dst: s.dst as Reg, value };
}

/** The same instruction with the symbol that a relocation names, where the relocation fits it. */
function withSymbol(insn: ResolvedInsn, relocation: Relocation | undefined): ResolvedInsn {
  if (relocation === undefined || insn.kind !== "loadWide") return insn;
  switch (relocation.kind) {
    case "map":
      return { ...insn, value: { kind: "map", map: relocation.symbol } };
    case "data":
      return { ...insn, value: { kind: "data", section: relocation.section, offsetBytes: relocation.offsetBytes } };
    case "call":
      return insn;
  }
}

function targetFaults(
  pieces: readonly DecodedPiece[],
  slots: number,
  relocationAt: ReadonlyMap<number, Relocation>,
): DecodeFault[] {
  const starts = new Set(pieces.map((piece) => piece.slot));
  const faults: DecodeFault[] = [];
  for (const { slot, insn } of pieces) {
    if (insn === null) continue;
    // A call with a relocation goes wherever the linker puts its function.
    if (insn.kind === "call" && relocationAt.get(slot)?.kind === "call") continue;
    const target = targetSlot(insn, slot);
    if (target === null) continue;
    if (target < 0 || target >= slots) faults.push({ kind: "targetOutside", slot, target });
    else if (!starts.has(target)) faults.push({ kind: "targetInsideWideLoad", slot, target });
  }
  return faults;
}
