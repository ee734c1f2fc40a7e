// Instructions to text, in the style of the kernel's verifier log and llvm-objdump: `r1 = *(u32 *)(r6 + 4)`. The one printer
// behind `--emit asm` and the disassembler; asm-parse.ts reads the same text. Knows no bytes, objects or files.
// Source: the notation of Linux kernel/bpf/disasm.c and of LLVM's BPF assembler.

import { indexOfSlot, slotStarts, targetSlot } from "./encode.ts";
import { helperById } from "./helpers.ts";
import type { Insn, Operand, Reg, ResolvedInsn, WideValue } from "./insn.ts";
import { aluOps, atomicOps, jumpOps } from "./isa.ts";
import type { InsnLine } from "./object.ts";

/** What `printAsm` prints. */
export interface AsmListing {
  readonly insns: readonly ResolvedInsn[];
  /** Source lines, each shown as `; text` before the instruction it begins at. */
  readonly lines?: readonly Pick<InsnLine, "insnIndex" | "text">[];
  /** Names of functions by the index of their first instruction: printed as labels and as the targets of calls. */
  readonly functions?: ReadonlyMap<number, string>;
  /** Names of functions that are called without being here (relocated calls), by the index of the call. */
  readonly callees?: ReadonlyMap<number, string>;
  /** Text to print in place of the instruction at an index: what a disassembler found there is no instruction. */
  readonly instead?: ReadonlyMap<number, string>;
}

/**
 * Prints a program, one instruction a line and indented, jump targets as labels `L1:`, `L2:` … in the order of the code. A target
 * that is no instruction of the program is written as a slot offset (`goto +3`).
 */
export function printAsm(listing: AsmListing): string {
  const { insns, lines = [], functions = new Map(), callees = new Map(), instead = new Map() } = listing;
  const labels = labelsOf(insns, functions, callees);
  const starts = slotStarts(insns);
  const indexOf = indexOfSlot(starts);
  const linesAt = new Map<number, string[]>();
  for (const { insnIndex, text } of lines) linesAt.set(insnIndex, [...(linesAt.get(insnIndex) ?? []), text]);

  const out: string[] = [];
  for (const [index, insn] of insns.entries()) {
    const label = labels.get(index);
    if (label !== undefined) out.push(`${label}:`);
    for (const text of linesAt.get(index) ?? []) out.push(`; ${text.trim()}`);
    const target = targetSlot(insn, starts[index] ?? 0);
    const targetIndex = target === null ? undefined : indexOf.get(target);
    const targetLabel = targetIndex === undefined ? undefined : labels.get(targetIndex);
    const callee = callees.get(index);
    const text = instead.get(index) ?? formatInsn(insn, (offset) => callee ?? targetLabel ?? formatOffset(offset));
    out.push(`    ${text}`);
  }
  return out.map((line) => `${line}\n`).join("");
}

/** The labels of a program by instruction index: function names, and `L1`, `L2` … for whatever else is jumped to. */
function labelsOf(
  insns: readonly ResolvedInsn[],
  functions: ReadonlyMap<number, string>,
  callees: ReadonlyMap<number, string>,
): Map<number, string> {
  const starts = slotStarts(insns);
  const indexOf = indexOfSlot(starts.slice(0, -1));
  const targets = new Set<number>();
  for (const [index, insn] of insns.entries()) {
    const slot = callees.has(index) ? null : targetSlot(insn, starts[index] ?? 0);
    const target = slot === null ? undefined : indexOf.get(slot);
    if (target !== undefined) targets.add(target);
  }
  const labels = new Map(functions);
  let next = 1;
  for (const target of [...targets].sort((a, b) => a - b)) if (!labels.has(target)) labels.set(target, `L${next++}`);
  return labels;
}

/** One instruction as text without indentation; `formatTarget` words the target of a jump or local call. */
export function formatInsn<Target>(insn: Insn<Target>, formatTarget: (target: Target) => string): string {
  switch (insn.kind) {
    case "alu":
      return `${reg(insn.dst, insn.bits)} ${aluOps[insn.op].symbol} ${operand(insn.src, insn.bits)}`;
    case "neg":
      return `${reg(insn.dst, insn.bits)} = -${reg(insn.dst, insn.bits)}`;
    case "movsx":
      return `${reg(insn.dst, insn.bits)} = (s${insn.fromBits})${reg(insn.src, insn.bits)}`;
    case "endian":
      return `r${insn.dst} = ${insn.op}${insn.bits} r${insn.dst}`;
    case "load":
      return `r${insn.dst} = *(${insn.signed ? "s" : "u"}${insn.width * 8} *)(${address(insn.base, insn.offset)})`;
    case "store":
      return `*(u${insn.width * 8} *)(${address(insn.base, insn.offset)}) = ${operand(insn.src, 64)}`;
    case "atomic":
      return formatAtomic(insn);
    case "loadWide":
      return `r${insn.dst} = ${wideValue(insn.value)} ll`;
    case "legacy": {
      const place = insn.mode === "abs" ? immediate(insn.imm) : `r${insn.src} ${signed(insn.imm)}`;
      return `r0 = *(u${insn.width * 8} *)skb[${place}]`;
    }
    case "jump":
      return `${insn.wide ? "gotol" : "goto"} ${formatTarget(insn.target)}`;
    case "branch": {
      const { symbol } = jumpOps[insn.op];
      const condition = `${reg(insn.dst, insn.bits)} ${symbol} ${operand(insn.src, insn.bits)}`;
      return `if ${condition} goto ${formatTarget(insn.target)}`;
    }
    case "mayGoto":
      return `may_goto ${formatTarget(insn.target)}`;
    case "call":
      switch (insn.callee.kind) {
        case "helper":
          return `call ${helperName(insn.callee.id)}`;
        case "local":
          return `call ${formatTarget(insn.callee.target)}`;
        case "kfunc":
          return `call kfunc[${insn.callee.btfId}, ${insn.callee.fdIndex}]`;
      }
      break;
    case "exit":
      return "exit";
  }
}

/** A slot offset of a jump as text: `+3`, `-2`. */
export function formatOffset(offset: number): string {
  return offset < 0 ? `${offset}` : `+${offset}`;
}

/** `bpf_` and the helper's name, or `helper[ID]` for one that XDP programs don't have. */
function helperName(id: number): string {
  const helper = helperById(id);
  return helper === null ? `helper[${id}]` : `bpf_${helper.name}`;
}

function formatAtomic(insn: Extract<Insn<never>, { kind: "atomic" }>): string {
  const bits = insn.width === 8 ? 64 : 32;
  const place = address(insn.base, insn.offset);
  const src = reg(insn.src, bits);
  const { symbol } = atomicOps[insn.op];
  if (!insn.fetch) return `lock *(u${bits} *)(${place}) ${symbol} ${src}`;
  if (symbol !== null) return `${src} = atomic_fetch_${insn.op}((u${bits} *)(${place}), ${src})`;
  const name = `${insn.op}${bits === 64 ? "_64" : "32_32"}`;
  if (insn.op === "xchg") return `${src} = ${name}(${place}, ${src})`;
  const result = reg(0, bits);
  return `${result} = ${name}(${place}, ${result}, ${src})`;
}

function wideValue(value: WideValue): string {
  switch (value.kind) {
    case "constant":
      return value.value < 0n ? `-0x${(-value.value).toString(16)}` : `0x${value.value.toString(16)}`;
    case "map":
      return `map[${value.map}]`;
    case "data":
      return `${value.section}[${value.offsetBytes}]`;
    case "raw":
      return `raw[${value.src}, ${value.imm}, ${value.immHigh}]`;
  }
}

/** Registers of 32-bit operations are called w0 to w10, as in LLVM. */
function reg(register: Reg, bits: 32 | 64): string {
  return `${bits === 64 ? "r" : "w"}${register}`;
}

function operand(value: Operand, bits: 32 | 64): string {
  return "reg" in value ? reg(value.reg, bits) : immediate(value.imm);
}

/** Up to 9 in decimal, above in hexadecimal, where ports and masks are easier to tell. */
function immediate(value: number): string {
  const magnitude = Math.abs(value);
  const digits = magnitude < 10 ? magnitude.toString() : `0x${magnitude.toString(16)}`;
  return value < 0 ? `-${digits}` : digits;
}

function address(base: Reg, offset: number): string {
  return `r${base} ${signed(offset)}`;
}

function signed(offset: number): string {
  return offset < 0 ? `- ${-offset}` : `+ ${offset}`;
}
