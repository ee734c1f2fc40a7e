// An image made ready to run: decoded once, cut into straight runs of instructions (blocks), its lines at hand. Both executors
// work from this, so they agree on what an instruction is, where the budget is asked and which slots a path is made of.
// Part of the machine's core; knows no addresses and runs nothing. Bytes that mean nothing stay in it as illegal instructions:
// they matter only when execution comes to them.

import type { DecodeFault } from "../bpf/decode.ts";
import { decodePieces, describeFault } from "../bpf/decode.ts";
import { targetSlot } from "../bpf/encode.ts";
import type { ImageLine, ProgramImage } from "../bpf/image.ts";
import type { Reg, ResolvedInsn, Width } from "../bpf/insn.ts";
import { slotsOf } from "../bpf/insn.ts";
import { insnClass, lastRegister, memoryModes, widthCodes } from "../bpf/isa.ts";

/** An instruction the machine runs: those of the table, the ordered loads and stores that came after RFC 9669, and what is none. */
export type VmInsn =
  | ResolvedInsn
  /** A load that later accesses can't overtake (BPF_LOAD_ACQ); on one CPU a plain load without sign. */
  | {
      readonly kind: "loadAcquire";
      readonly width: Width;
      readonly dst: Reg;
      readonly base: Reg;
      readonly offset: number;
    }
  /** A store that can't overtake earlier accesses (BPF_STORE_REL); on one CPU a plain store. */
  | {
      readonly kind: "storeRelease";
      readonly width: Width;
      readonly base: Reg;
      readonly offset: number;
      readonly src: Reg;
    }
  | { readonly kind: "illegal"; readonly why: string };

/** A program ready to run. All arrays are indexed by slot and as long as the code has slots. */
export interface Program {
  readonly image: ProgramImage;
  /** The instruction that starts at each slot; null for the second half of a wide load. */
  readonly insns: readonly (VmInsn | null)[];
  /** How many instructions the block that starts at a slot has; 0 where none starts. */
  readonly blockSteps: Uint32Array;
  /** The slots at which functions start: 0, the targets of local calls and the functions that wide loads name; rising. */
  readonly entries: readonly number[];
  /** What `blockSlots` found, by leader. */
  readonly blockCache: (readonly number[])[];
}

/** BPF_PSEUDO_* values of a wide load's source register. **Source:** include/uapi/linux/bpf.h; bpf/image.ts for the handles. */
export const wideSources = { map: 1, mapValue: 2, function: 4 } as const;

/** Immediates of the ordered accesses. **Source:** include/uapi/linux/bpf.h, BPF_LOAD_ACQ and BPF_STORE_REL (kernel 6.15). */
const orderedCodes = { loadAcquire: 0x100, storeRelease: 0x110 } as const;

/** Decodes an image and cuts it into blocks. Never throws: any bytes are a program. */
export function prepare(image: ProgramImage): Program {
  const slots = Math.ceil(image.code.length / 8);
  const { pieces, faults } = decodePieces(image.code);
  const whyNot = new Map<number, DecodeFault>();
  for (const fault of faults) if (!whyNot.has(fault.slot)) whyNot.set(fault.slot, fault);
  const insns: (VmInsn | null)[] = new Array(slots).fill(null);
  for (const piece of pieces) {
    if (piece.insn !== null) insns[piece.slot] = piece.insn;
    else insns[piece.slot] = orderedAccess(piece.bytes) ?? illegal(whyNot.get(piece.slot));
  }
  const entries = findEntries(insns);
  return { image, insns, blockSteps: cutBlocks(insns, entries), entries, blockCache: [] };
}

function illegal(fault: DecodeFault | undefined): VmInsn {
  return { kind: "illegal", why: fault === undefined ? "not an instruction" : describeFault(fault) };
}

/** The ordered load or store in a slot that the table doesn't know; null when it isn't one. */
function orderedAccess(bytes: Uint8Array): VmInsn | null {
  if (bytes.length < 8) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const opcode = view.getUint8(0);
  const width = ([1, 2, 4, 8] as const).find((w) => opcode === (insnClass.stx | memoryModes.atomic | widthCodes[w]));
  const dst = view.getUint8(1) & 0x0f;
  const src = view.getUint8(1) >> 4;
  if (width === undefined || dst > lastRegister || src > lastRegister) return null;
  const offset = view.getInt16(2, true);
  switch (view.getInt32(4, true)) {
    case orderedCodes.loadAcquire:
      return { kind: "loadAcquire", width, dst: dst as Reg, base: src as Reg, offset };
    case orderedCodes.storeRelease:
      return { kind: "storeRelease", width, base: dst as Reg, offset, src: src as Reg };
    default:
      return null;
  }
}

function findEntries(insns: readonly (VmInsn | null)[]): number[] {
  const entries = new Set([0]);
  for (const [slot, insn] of insns.entries()) {
    const target = insn === null ? null : functionNamedBy(insn, slot);
    if (target !== null && target >= 0 && target < insns.length) entries.add(target);
  }
  return [...entries].sort((a, b) => a - b);
}

/** The slot of the function that a local call calls or a wide load gives the address of; null for other instructions. */
export function functionNamedBy(insn: VmInsn, slot: number): number | null {
  if (insn.kind === "call" && insn.callee.kind === "local") return slot + 1 + insn.callee.target;
  if (insn.kind === "loadWide" && insn.value.kind === "raw" && insn.value.src === wideSources.function)
    return slot + 1 + insn.value.imm;
  return null;
}

/** The slot that a jump goes to; null for instructions that don't jump. */
export function jumpTarget(insn: VmInsn, slot: number): number | null {
  return insn.kind === "jump" || insn.kind === "branch" || insn.kind === "mayGoto" ? targetSlot(insn, slot) : null;
}

/** True where execution never goes on with the next instruction. */
export function endsFlow(insn: VmInsn): boolean {
  return insn.kind === "jump" || insn.kind === "exit" || insn.kind === "illegal" || insn.kind === "legacy";
}

/** The slots an instruction takes: 2 for a wide load, else 1. */
export function slotCount(insn: VmInsn): 1 | 2 {
  return insn.kind === "loadWide" ? slotsOf(insn) : 1;
}

/**
 * Blocks end at jumps, exits and calls, and before their targets. A call ends one so that the instructions counted so far are
 * all executed when something inside the call faults.
 */
function cutBlocks(insns: readonly (VmInsn | null)[], entries: readonly number[]): Uint32Array {
  const leaders = new Uint8Array(insns.length + 2);
  for (const entry of entries) leaders[entry] = 1;
  for (const [slot, insn] of insns.entries()) {
    if (insn === null) continue;
    const target = jumpTarget(insn, slot);
    if (target !== null && target >= 0 && target < insns.length) leaders[target] = 1;
    if (target !== null || insn.kind === "call" || endsFlow(insn)) leaders[slot + 1] = 1;
  }
  const steps = new Uint32Array(insns.length);
  let leader = -1;
  for (const [slot, insn] of insns.entries()) {
    if (leaders[slot] === 1 && insn !== null) leader = slot;
    if (insn !== null && leader >= 0) steps[leader] = (steps[leader] ?? 0) + 1;
  }
  return steps;
}

/** The slots of the block that starts at `leader`, in order. */
export function blockSlots(program: Program, leader: number): readonly number[] {
  const known = program.blockCache[leader];
  if (known !== undefined) return known;
  const slots: number[] = [];
  const count = program.blockSteps[leader] ?? 0;
  for (let slot = leader; slots.length < count; slot++) if (program.insns[slot] != null) slots.push(slot);
  program.blockCache[leader] = slots;
  return slots;
}

/** How many instructions of the block around `slot` come behind it. */
export function stepsBehind(program: Program, slot: number): number {
  let leader = slot;
  while (leader > 0 && program.blockSteps[leader] === 0) leader--;
  const slots = blockSlots(program, leader);
  const at = slots.indexOf(slot);
  return at === -1 ? 0 : slots.length - 1 - at;
}

/** The source line of the instruction at `slot`; null where nothing is known. */
export function lineAt(image: ProgramImage, slot: number): ImageLine | null {
  let low = 0;
  let high = image.lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((image.lines[middle]?.slot ?? 0) <= slot) low = middle + 1;
    else high = middle;
  }
  return image.lines[low - 1] ?? null;
}

/** An image of bare bytecode: no maps, names or lines. */
export function bareImage(code: Uint8Array, name = "bytecode"): ProgramImage {
  return {
    name,
    section: "xdp",
    attach: "device",
    frags: false,
    license: "GPL",
    code,
    maps: [],
    kfuncs: [],
    functions: [],
    lines: [],
    gaps: [],
  };
}
