// The instruction set as one table: which bits stand for which operation, what it looks like as text and since which level
// it exists. encode, decode, asm, kernel.ts (and the checker and VM) read it, so a fact about an opcode is written once.
// Knows nothing of programs: an instruction's fields are insn.ts, their order in memory encode.ts.
// Source: RFC 9669, sections 3 to 5 and the opcode table of appendix A; Linux include/uapi/linux/bpf.h and bpf_common.h for
// what the RFC leaves to the kernel (may_goto, map pseudo values).

import type { AluOp, AtomicOp, JumpOp, Width } from "./insn.ts";

/** Levels of the instruction set as compilers name them (`-mcpu=`); each holds all of those before it. */
export const cpuLevels = ["v1", "v2", "v3", "v4"] as const;

/** A level of the instruction set. */
export type CpuLevel = (typeof cpuLevels)[number];

/** The three low bits of an opcode: what kind of instruction it is. **Source:** RFC 9669 section 3.1. */
export const insnClass = {
  ld: 0x00,
  ldx: 0x01,
  st: 0x02,
  stx: 0x03,
  alu: 0x04,
  jmp: 0x05,
  jmp32: 0x06,
  alu64: 0x07,
} as const;

/** The bit that says that the second operand is a register rather than the immediate. **Source:** RFC 9669 section 4. */
export const sourceRegister = 0x08;

/** One two-operand arithmetic operation. */
export interface AluRow {
  /** The four high bits of the opcode. */
  readonly code: number;
  /** The value of the offset field, which tells signed division from unsigned. */
  readonly offset: 0 | 1;
  /** As text: `dst SYMBOL src`. */
  readonly symbol: string;
  readonly level: CpuLevel;
}

/**
 * Arithmetic. The 32-bit forms count as v1 too: every kernel that has XDP runs them (compilers merely prefer not to make
 * them below v3, where nothing compares 32-bit values).
 *
 * **Source:** RFC 9669 section 4.1.
 */
export const aluOps = {
  add: { code: 0x00, offset: 0, symbol: "+=", level: "v1" },
  sub: { code: 0x10, offset: 0, symbol: "-=", level: "v1" },
  mul: { code: 0x20, offset: 0, symbol: "*=", level: "v1" },
  div: { code: 0x30, offset: 0, symbol: "/=", level: "v1" },
  sdiv: { code: 0x30, offset: 1, symbol: "s/=", level: "v4" },
  or: { code: 0x40, offset: 0, symbol: "|=", level: "v1" },
  and: { code: 0x50, offset: 0, symbol: "&=", level: "v1" },
  lsh: { code: 0x60, offset: 0, symbol: "<<=", level: "v1" },
  rsh: { code: 0x70, offset: 0, symbol: ">>=", level: "v1" },
  mod: { code: 0x90, offset: 0, symbol: "%=", level: "v1" },
  smod: { code: 0x90, offset: 1, symbol: "s%=", level: "v4" },
  xor: { code: 0xa0, offset: 0, symbol: "^=", level: "v1" },
  mov: { code: 0xb0, offset: 0, symbol: "=", level: "v1" },
  arsh: { code: 0xc0, offset: 0, symbol: "s>>=", level: "v1" },
} as const satisfies Record<AluOp, AluRow>;

/** Codes of the arithmetic operations that aren't two-operand ones. **Source:** RFC 9669 sections 4.1 and 4.2. */
export const aluUnary = { neg: 0x80, end: 0xd0 } as const;

/** One condition of a branch. */
export interface JumpRow {
  /** The four high bits of the opcode. */
  readonly code: number;
  /** As text: `if dst SYMBOL src goto …`. */
  readonly symbol: string;
  /** The level of the 64-bit form; the 32-bit form of every condition is v3. */
  readonly level: CpuLevel;
}

/** Conditions. **Source:** RFC 9669 section 4.3. */
export const jumpOps = {
  eq: { code: 0x10, symbol: "==", level: "v1" },
  gt: { code: 0x20, symbol: ">", level: "v1" },
  ge: { code: 0x30, symbol: ">=", level: "v1" },
  set: { code: 0x40, symbol: "&", level: "v1" },
  ne: { code: 0x50, symbol: "!=", level: "v1" },
  sgt: { code: 0x60, symbol: "s>", level: "v1" },
  sge: { code: 0x70, symbol: "s>=", level: "v1" },
  lt: { code: 0xa0, symbol: "<", level: "v2" },
  le: { code: 0xb0, symbol: "<=", level: "v2" },
  slt: { code: 0xc0, symbol: "s<", level: "v2" },
  sle: { code: 0xd0, symbol: "s<=", level: "v2" },
} as const satisfies Record<JumpOp, JumpRow>;

/** Codes of the jumps that aren't conditions. **Source:** RFC 9669 section 4.3; bpf.h for `cond` (BPF_JCOND). */
export const jumpCodes = { ja: 0x00, call: 0x80, exit: 0x90, cond: 0xe0 } as const;

/** What the source register field of a call says. **Source:** RFC 9669 section 4.3; bpf.h, BPF_PSEUDO_CALL and KFUNC_CALL. */
export const callSources = { helper: 0, local: 1, kfunc: 2 } as const;

/** How memory is named: the three high bits of a load or store. **Source:** RFC 9669 section 5. */
export const memoryModes = { imm: 0x00, abs: 0x20, ind: 0x40, mem: 0x60, memsx: 0x80, atomic: 0xc0 } as const;

/** The size bits of loads and stores by width in bytes. **Source:** RFC 9669 section 5. */
export const widthCodes = { 4: 0x00, 2: 0x08, 1: 0x10, 8: 0x18 } as const satisfies Record<Width, number>;

/** One atomic operation. */
export interface AtomicRow {
  /** The value of the immediate, without the fetch bit. */
  readonly code: number;
  /** As text: `lock *(u64 *)(…) SYMBOL src`; null for those that always fetch and are written as a call. */
  readonly symbol: string | null;
  /** It has no form that doesn't fetch. */
  readonly alwaysFetches: boolean;
  /** The level of the form that doesn't fetch, or of the only form; every fetching form is v3. */
  readonly level: CpuLevel;
}

/** Atomic operations. **Source:** RFC 9669 section 5.3. */
export const atomicOps = {
  add: { code: 0x00, symbol: "+=", alwaysFetches: false, level: "v1" },
  or: { code: 0x40, symbol: "|=", alwaysFetches: false, level: "v3" },
  and: { code: 0x50, symbol: "&=", alwaysFetches: false, level: "v3" },
  xor: { code: 0xa0, symbol: "^=", alwaysFetches: false, level: "v3" },
  xchg: { code: 0xe0, symbol: null, alwaysFetches: true, level: "v3" },
  cmpxchg: { code: 0xf0, symbol: null, alwaysFetches: true, level: "v3" },
} as const satisfies Record<AtomicOp, AtomicRow>;

/** The bit of an atomic operation's immediate that asks for the old value. **Source:** RFC 9669 section 5.3. */
export const atomicFetch = 0x01;

/** The opcode of the only instruction of two slots, the 64-bit immediate load. **Source:** RFC 9669 section 5.4. */
export const loadWideOpcode = insnClass.ld | memoryModes.imm | widthCodes[8];

/** The highest register number. **Source:** RFC 9669 section 2.3 (r0 to r9 and the frame pointer r10). */
export const lastRegister = 10;

/** The size of a slot, the unit that jumps count in, in bytes. **Source:** RFC 9669 section 3. */
export const slotBytes = 8;

/** The keys of a table of operations, with their literal types. */
export function opNames<T extends object>(table: T): readonly (keyof T & string)[] {
  return Object.keys(table) as (keyof T & string)[];
}

/** -1, 0 or 1 as `a` is below, at or above `b`. */
export function compareLevels(a: CpuLevel, b: CpuLevel): number {
  return Math.sign(cpuLevels.indexOf(a) - cpuLevels.indexOf(b));
}
