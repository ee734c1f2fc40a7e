// Arithmetic and conditions as JavaScript source, on registers that are pairs of int32 variables: r<n> the low half, h<n> the high
// one. Part of the compiled executor; the meaning is alu.ts, and a test holds the two against each other. JavaScript's own
// optimiser removes what constant high halves make superfluous, so nothing here tracks them.

import type { AluOp, JumpOp, Operand } from "../bpf/insn.ts";
import type { VmInsn } from "./program.ts";

/** Source text of a value's two halves: variables or literals, free of side effects. */
export interface Halves {
  readonly lo: string;
  readonly hi: string;
  /** The value of the low half when it is a literal, else null. */
  readonly literal: number | null;
}

/** The halves of an operand; an immediate is sign-extended. */
export function halves(operand: Operand): Halves {
  if ("reg" in operand) return { lo: `r${operand.reg}`, hi: `h${operand.reg}`, literal: null };
  return { lo: literal(operand.imm), hi: operand.imm < 0 ? literal(-1) : "0", literal: operand.imm };
}

/** An int32 as source text, in parentheses where a sign could meet an operator. */
export function literal(value: number): string {
  return value < 0 ? `(${value})` : String(value);
}

/** A low or high half as an unsigned number. */
function unsigned(half: string): string {
  return /^\(?-?\d+\)?$/.test(half) ? String(Number(half.replace(/[()]/g, "")) >>> 0) : `(${half}>>>0)`;
}

/** The statement for an instruction of arithmetic; `t` and `u` are free variables. */
export function emitAlu(insn: Extract<VmInsn, { kind: "alu" | "neg" | "movsx" | "endian" }>): string {
  const r = `r${insn.dst}`;
  const h = `h${insn.dst}`;
  switch (insn.kind) {
    case "alu":
      return insn.bits === 32 ? `${r}=${alu32(insn.op, r, insn.src)};${h}=0;` : alu64(insn.op, r, h, halves(insn.src));
    case "neg":
      return insn.bits === 32 ? `${r}=(-${r})|0;${h}=0;` : `${h}=(~${h}+(${r}===0?1:0))|0;${r}=(-${r})|0;`;
    case "movsx": {
      const shift = 32 - insn.fromBits;
      const value = shift === 0 ? `r${insn.src}` : `(r${insn.src}<<${shift})>>${shift}`;
      return `${r}=${value};${h}=${insn.bits === 64 ? `${r}>>31` : "0"};`;
    }
    case "endian":
      return emitByteOrder(insn.op, insn.bits, r, h);
  }
}

function emitByteOrder(op: "le" | "be" | "bswap", bits: 16 | 32 | 64, r: string, h: string): string {
  const swaps = op !== "le";
  switch (bits) {
    case 16:
      return swaps ? `${r}=((${r}&255)<<8)|((${r}>>>8)&255);${h}=0;` : `${r}=${r}&65535;${h}=0;`;
    case 32:
      return swaps ? `${r}=swap32(${r});${h}=0;` : `${h}=0;`;
    case 64:
      return swaps ? `t=swap32(${r});${r}=swap32(${h});${h}=t;` : "";
  }
}

/** The low half of a 32-bit operation's result as an int32 expression. */
function alu32(op: AluOp, r: string, operand: Operand): string {
  const s = halves(operand).lo;
  switch (op) {
    case "add":
      return `(${r}+${s})|0`;
    case "sub":
      return `(${r}-${s})|0`;
    case "mul":
      return `Math.imul(${r},${s})`;
    case "div":
      return `${s}===0?0:((${r}>>>0)/${unsigned(s)})|0`;
    case "mod":
      return `${s}===0?${r}:((${r}>>>0)%${unsigned(s)})|0`;
    case "sdiv":
      return `${s}===0?0:(${r}/${s})|0`;
    case "smod":
      return `${s}===0?${r}:(${r}%${s})|0`;
    case "or":
      return `${r}|${s}`;
    case "and":
      return `${r}&${s}`;
    case "xor":
      return `${r}^${s}`;
    // JavaScript takes shift distances modulo 32 itself.
    case "lsh":
      return `${r}<<${s}`;
    case "rsh":
      return `(${r}>>>${s})|0`;
    case "arsh":
      return `${r}>>${s}`;
    case "mov":
      return s;
  }
}

function alu64(op: AluOp, r: string, h: string, s: Halves): string {
  switch (op) {
    case "add":
      return `t=(${r}+${s.lo})|0;${h}=(${h}+${s.hi}+((t>>>0)<${unsigned(s.lo)}?1:0))|0;${r}=t;`;
    case "sub":
      return `${h}=(${h}-${s.hi}-((${r}>>>0)<${unsigned(s.lo)}?1:0))|0;${r}=(${r}-${s.lo})|0;`;
    case "mul":
      return `t=(mulHigh(${r},${s.lo})+Math.imul(${h},${s.lo})+Math.imul(${r},${s.hi}))|0;${r}=Math.imul(${r},${s.lo});${h}=t;`;
    case "div":
    case "mod":
    case "sdiv":
    case "smod":
      return `${r}=${op}(C,${r},${h},${s.lo},${s.hi});${h}=C.hi;`;
    case "or":
      return `${r}=${r}|${s.lo};${h}=${h}|${s.hi};`;
    case "and":
      return `${r}=${r}&${s.lo};${h}=${h}&${s.hi};`;
    case "xor":
      return `${r}=${r}^${s.lo};${h}=${h}^${s.hi};`;
    case "mov":
      return `${r}=${s.lo};${h}=${s.hi};`;
    case "lsh":
    case "rsh":
    case "arsh":
      return shift64(op, r, h, s);
  }
}

/** 64-bit shifts: of less than 32 and of more are different movements between the halves. */
function shift64(op: "lsh" | "rsh" | "arsh", r: string, h: string, s: Halves): string {
  const short = (by: string, rest: string): string =>
    op === "lsh"
      ? `${h}=(${h}<<${by})|(${r}>>>${rest});${r}=${r}<<${by};`
      : `${r}=(${r}>>>${by})|(${h}<<${rest});${h}=${op === "rsh" ? `(${h}>>>${by})|0` : `${h}>>${by}`};`;
  const long = (by: string): string => {
    if (op === "lsh") return `${h}=${r}<<${by};${r}=0;`;
    return op === "rsh" ? `${r}=(${h}>>>${by})|0;${h}=0;` : `${r}=${h}>>${by};${h}=${h}>>31;`;
  };
  if (s.literal === null) return `t=${s.lo}&63;if(t>31){${long("t")}}else if(t!==0){${short("t", "(32-t)")}}`;
  const by = s.literal & 63;
  if (by === 0) return "";
  return by < 32 ? short(String(by), String(32 - by)) : long(String(by - 32));
}

/** A condition as an expression without side effects. */
export function emitCondition(op: JumpOp, bits: 32 | 64, dst: number, operand: Operand): string {
  const r = `r${dst}`;
  const h = `h${dst}`;
  const { lo, hi } = halves(operand);
  const symbol = {
    eq: "===",
    ne: "!==",
    gt: ">",
    ge: ">=",
    lt: "<",
    le: "<=",
    sgt: ">",
    sge: ">=",
    slt: "<",
    sle: "<=",
  };
  if (op === "set") return bits === 32 ? `(${r}&${lo})!==0` : `((${r}&${lo})|(${h}&${hi}))!==0`;
  const sign = symbol[op];
  if (op === "eq") return bits === 32 ? `${r}===${lo}` : `${r}===${lo}&&${h}===${hi}`;
  if (op === "ne") return bits === 32 ? `${r}!==${lo}` : `${r}!==${lo}||${h}!==${hi}`;
  const signed = op.startsWith("s");
  const low = `(${r}>>>0)${sign}${unsigned(lo)}`;
  if (bits === 32) return signed ? `${r}${sign}${lo}` : low;
  return `${h}===${hi}?${low}:${signed ? `${h}${sign}${hi}` : `(${h}>>>0)${sign}${unsigned(hi)}`}`;
}
