// A program taken apart once: its fields in flat arrays, its functions as the verifier finds them (the entry and every target
// of a local call or function address). The first thing a check does; what doesn't hold together already here is refused.
// Source: Linux kernel/bpf/verifier.c (add_subprog_and_kfunc, check_btf_func), kernel/bpf/syscall.c (bpf_prog_load).

import type { ProgramImage } from "../bpf/image.ts";
import { slotBytes } from "../bpf/isa.ts";
import type { Program, ProgramFunction } from "./env.ts";
import { refuse } from "./verdict.ts";

/** The most instructions a privileged program may have. **Source:** BPF_COMPLEXITY_LIMIT_INSNS. */
export const mostSlots = 1_000_000;
/** **Source:** BPF_MAX_SUBPROGS. */
const mostFunctions = 256;

/** Opcodes that several files look for. */
export const opcodes = { loadWide: 0x18, call: 0x85, exit: 0x95, jump: 0x05, jumpWide: 0x06, mayGoto: 0xe5 } as const;

/** Values of a wide load's source field. **Source:** bpf.h, BPF_PSEUDO_*. */
export const wideSource = {
  constant: 0,
  map: 1,
  mapValue: 2,
  kernelSymbol: 3,
  function: 4,
  mapIndex: 5,
  mapIndexValue: 6,
};

/** True when the slot holds a local call. */
export function isLocalCall(program: Program, slot: number): boolean {
  return program.opcode[slot] === opcodes.call && program.src[slot] === 1;
}

/** True when the slot begins a wide load of a function's address. */
export function isFunctionAddress(program: Program, slot: number): boolean {
  return program.opcode[slot] === opcodes.loadWide && program.src[slot] === wideSource.function;
}

/** True when the slot holds a call of a helper. */
export function isHelperCall(program: Program, slot: number): boolean {
  return program.opcode[slot] === opcodes.call && program.src[slot] === 0;
}

/** True when the slot holds a call of a kernel function. */
export function isKernelCall(program: Program, slot: number): boolean {
  return program.opcode[slot] === opcodes.call && program.src[slot] === 2;
}

/** Where a jump at `slot` goes; any number for what isn't one. */
export function jumpTarget(program: Program, slot: number): number {
  const by = program.opcode[slot] === opcodes.jumpWide ? program.imm[slot] : program.off[slot];
  return slot + (by as number) + 1;
}

/** The number of the function that starts at `slot`, or -1. */
export function functionStartingAt(program: Program, slot: number): number {
  if (slot < 0 || slot >= program.slots) return -1;
  const index = program.functionOf[slot] as number;
  return program.functions[index]?.start === slot ? index : -1;
}

/** The number of the function that a local call or function address at `slot` names. */
export function calleeOf(program: Program, slot: number): number {
  return functionStartingAt(program, slot + (program.imm[slot] as number) + 1);
}

/** True when the program comes with BTF for its functions: then some are global, and callbacks are allowed. */
export function hasFunctionInfo(image: ProgramImage): boolean {
  return image.functions.some(({ parameters }) => parameters !== null);
}

/** Takes an image apart. Stops with a refusal for sizes and call targets that can't be. */
export function readProgram(image: ProgramImage): Program {
  const slots = Math.floor(image.code.length / slotBytes);
  if (slots === 0) refuse({ kind: "empty" });
  if (slots > mostSlots) refuse({ kind: "tooLong", slots });
  const view = new DataView(image.code.buffer, image.code.byteOffset, image.code.byteLength);
  const opcode = new Uint8Array(slots);
  const dst = new Uint8Array(slots);
  const src = new Uint8Array(slots);
  const off = new Int16Array(slots);
  const imm = new Int32Array(slots);
  for (let slot = 0; slot < slots; slot++) {
    const at = slot * slotBytes;
    opcode[slot] = view.getUint8(at);
    const registers = view.getUint8(at + 1);
    dst[slot] = registers & 15;
    src[slot] = registers >> 4;
    off[slot] = view.getInt16(at + 2, true);
    imm[slot] = view.getInt32(at + 4, true);
  }
  const starts = functionStarts(opcode, src, imm);
  const functions = starts.map((start, index): ProgramFunction => {
    const info = image.functions.find(({ startSlot }) => startSlot === start) ?? null;
    const global = index > 0 && info !== null && info.global && hasFunctionInfo(image);
    return { start, end: starts[index + 1] ?? slots, info, global };
  });
  const functionOf = new Uint16Array(slots);
  for (const [index, { start, end }] of functions.entries()) functionOf.fill(index, start, end);
  return { image, slots, opcode, dst, src, off, imm, functions, functionOf };
}

/** The entry and the targets of calls, in order. The second halves of wide loads are looked at too, as the kernel does. */
function functionStarts(opcode: Uint8Array, src: Uint8Array, imm: Int32Array): number[] {
  const starts = new Set([0]);
  for (let slot = 0; slot < opcode.length; slot++) {
    const local = opcode[slot] === opcodes.call && src[slot] === 1;
    const address = opcode[slot] === opcodes.loadWide && src[slot] === wideSource.function;
    if (!local && !address) continue;
    const target = slot + (imm[slot] as number) + 1;
    if (target < 0 || target >= opcode.length) refuse({ kind: "jumpOutside", target }, slot);
    starts.add(target);
    if (starts.size > mostFunctions) refuse({ kind: "tooManyFunctions", count: starts.size }, slot);
  }
  return [...starts].sort((a, b) => a - b);
}
