// Text to instructions: reads what asm.ts prints (and LLVM's assembler prints alike), so that tests and people can write
// programs as text. One instruction or label a line; comments begin with `;`, `#` or `//`. Knows no objects or files.

import { slotStarts } from "./encode.ts";
import { helperByName } from "./helpers.ts";
import type {
  AluOp,
  AtomicOp,
  CallTarget,
  Insn,
  JumpOp,
  Operand,
  Reg,
  ResolvedInsn,
  WideValue,
  Width,
} from "./insn.ts";
import { aluOps, atomicOps, jumpOps, opNames } from "./isa.ts";

/** A line that couldn't be read; `line` counts from 1. */
export interface AsmError {
  readonly line: number;
  readonly message: string;
}

/** The answer of `parseAsm`: instructions, or all errors when there is one. */
export type ParsedAsm =
  | {
      readonly kind: "insns";
      readonly insns: readonly ResolvedInsn[];
      /** The index of the instruction behind each label; `insns.length` for one at the end. */
      readonly labels: ReadonlyMap<string, number>;
    }
  | { readonly kind: "errors"; readonly errors: readonly AsmError[] };

/** The target of a jump as it stands in the text: a label, or an offset in slots. */
type TextTarget = { readonly label: string } | { readonly offset: number };

/** Reads a program; jumps go to labels or, with a sign, over so many slots (`goto +3`). Never throws. */
export function parseAsm(text: string): ParsedAsm {
  const errors: AsmError[] = [];
  const labels = new Map<string, number>();
  const read: { readonly insn: Insn<TextTarget>; readonly line: number }[] = [];
  for (const [index, whole] of text.split(/\r?\n/).entries()) {
    const line = index + 1;
    let rest = stripComment(whole).trim();
    const label = /^([A-Za-z_.$][\w.$]*):\s*(.*)$/.exec(rest);
    if (label !== null) {
      const name = label[1] ?? "";
      if (labels.has(name)) errors.push({ line, message: `label ${name} stands here a second time` });
      labels.set(name, read.length);
      rest = label[2] ?? "";
    }
    if (rest === "") continue;
    const insn = parseInsn(rest);
    if (typeof insn === "string") errors.push({ line, message: insn });
    else read.push({ insn, line });
  }
  const insns = resolve(read, labels, errors);
  return errors.length > 0 ? { kind: "errors", errors } : { kind: "insns", insns, labels };
}

function stripComment(line: string): string {
  const at = line.search(/;|#|\/\//);
  return at === -1 ? line : line.slice(0, at);
}

function resolve(
  read: readonly { readonly insn: Insn<TextTarget>; readonly line: number }[],
  labels: ReadonlyMap<string, number>,
  errors: AsmError[],
): ResolvedInsn[] {
  // Slots depend only on the kinds of instruction, not on their targets.
  const starts = slotStarts(read.map(({ insn }) => mapTarget(insn, () => 0)));
  return read.map(({ insn, line }, index) =>
    mapTarget(insn, (target) => {
      if ("offset" in target) return target.offset;
      const to = labels.get(target.label);
      if (to === undefined) errors.push({ line, message: `no label ${target.label}` });
      return (starts[to ?? 0] ?? 0) - (starts[index] ?? 0) - 1;
    }),
  );
}

function mapTarget<A, B>(insn: Insn<A>, f: (target: A) => B): Insn<B> {
  switch (insn.kind) {
    case "jump":
    case "branch":
    case "mayGoto":
      return { ...insn, target: f(insn.target) };
    case "call":
      return insn.callee.kind === "local"
        ? { kind: "call", callee: { kind: "local", target: f(insn.callee.target) } }
        : { kind: "call", callee: insn.callee };
    default:
      return insn;
  }
}

/** A way an instruction may be written: the whole line, and what it means; a string is an error. */
interface Form {
  readonly pattern: RegExp;
  readonly build: (groups: Groups) => Insn<TextTarget> | string;
}

/** Named parts of a line; reading one that the pattern doesn't have gives "". */
class Groups {
  readonly #groups: Readonly<Record<string, string | undefined>>;

  constructor(groups: Readonly<Record<string, string | undefined>>) {
    this.#groups = groups;
  }

  text(name: string): string {
    return this.#groups[name] ?? "";
  }

  reg(name: string): Reg {
    return Number(this.text(name).slice(1)) as Reg;
  }

  /** 64 for a register written `r…`, 32 for `w…`. */
  bits(name: string): 32 | 64 {
    return this.text(name).startsWith("w") ? 32 : 64;
  }

  int(name: string): number {
    return integer(this.text(name));
  }

  /** An offset with its sign apart, as in `r1 - 8`; 0 when it isn't written. */
  offset(): number {
    const value = this.text("off") === "" ? 0 : this.int("off");
    return this.text("sign") === "-" ? -value : value;
  }

  operand(name: string): Operand {
    return /^[rw]/.test(this.text(name)) ? { reg: this.reg(name) } : { imm: this.int(name) };
  }

  target(): TextTarget {
    const text = this.text("target");
    return /^[+-]/.test(text) ? { offset: integer(text) } : { label: text };
  }
}

function integer(text: string): number {
  const value = Number(text.replace(/^[+-]/, ""));
  return text.startsWith("-") ? 0 - value : value;
}

const number = "-?(?:0x[0-9a-fA-F]+|\\d+)";
const register = (name: string, letters = "rw") => `(?<${name}>[${letters}](?:10|\\d))`;
const source = `(?<src>[rw](?:10|\\d)|${number})`;
const place = `\\(?${register("base", "r")}(?: (?<sign>[+-]) (?<off>0x[0-9a-fA-F]+|\\d+))?\\)?`;
const target = "(?<target>[+-](?:0x[0-9a-fA-F]+|\\d+)|[A-Za-z_.$][\\w.$]*)";
const alternatives = (symbols: readonly string[]) =>
  `(?<op>${[...symbols]
    .sort((a, b) => b.length - a.length)
    .map(quote)
    .join("|")})`;
const line = (pattern: string) => new RegExp(`^${pattern}$`);

function quote(text: string): string {
  return text.replace(/[|&^*+/%<>=!]/g, "\\$&");
}

/** The operation of a table whose symbol is `symbol`; patterns only let known symbols through. */
function opOf<Op extends string>(table: Readonly<Record<Op, { readonly symbol: string | null }>>, symbol: string): Op {
  return opNames(table).find((op) => table[op].symbol === symbol) as Op;
}

const fetchOps = opNames(atomicOps).filter((op) => !atomicOps[op].alwaysFetches);

/** Tried in this order; the first whose pattern matches decides. */
const forms: readonly Form[] = [
  { pattern: line("exit"), build: () => ({ kind: "exit" }) },
  { pattern: line(`goto ${target}`), build: (g) => ({ kind: "jump", wide: false, target: g.target() }) },
  { pattern: line(`gotol ${target}`), build: (g) => ({ kind: "jump", wide: true, target: g.target() }) },
  { pattern: line(`may_goto ${target}`), build: (g) => ({ kind: "mayGoto", target: g.target() }) },
  {
    pattern: line(
      `if ${register("dst")} ${alternatives(Object.values(jumpOps).map((r) => r.symbol))} ${source} goto ${target}`,
    ),
    build: (g) => {
      const op: JumpOp = opOf(jumpOps, g.text("op"));
      return sameBits(g, {
        kind: "branch",
        op,
        bits: g.bits("dst"),
        dst: g.reg("dst"),
        src: g.operand("src"),
        target: g.target(),
      });
    },
  },
  {
    pattern: line("call (?<callee>\\S.*)"),
    build: (g) => {
      const callee = parseCallee(g.text("callee"));
      return typeof callee === "string" ? callee : { kind: "call", callee };
    },
  },
  {
    pattern: line(`\\*\\(u(?<size>8|16|32|64) \\*\\)${place} = ${source}`),
    build: (g) => ({ kind: "store", width: width(g), base: g.reg("base"), offset: g.offset(), src: g.operand("src") }),
  },
  {
    pattern: line(
      `lock \\*\\(u(?<size>32|64) \\*\\)${place} ${alternatives(fetchOps.map((op) => atomicOps[op].symbol ?? ""))} ${register("src")}`,
    ),
    build: (g) => atomic(g, opOf(atomicOps, g.text("op")), false, g.text("size") === "64" ? 8 : 4),
  },
  {
    pattern: line(
      `${register("dst")} = atomic_fetch_(?<op>${fetchOps.join("|")})\\(\\(u(?<size>32|64) \\*\\)${place}, ${register("src")}\\)`,
    ),
    build: (g) => {
      if (g.text("dst") !== g.text("src")) return "an atomic operation gives the old value to its own source register";
      return atomic(g, g.text("op") as AtomicOp, true, g.text("size") === "64" ? 8 : 4);
    },
  },
  {
    pattern: line(`${register("dst")} = xchg(?:_64|(?<narrow>32_32))\\(${place}, ${register("src")}\\)`),
    build: (g) => {
      if (g.text("dst") !== g.text("src")) return "xchg gives the old value to its own source register";
      return atomic(g, "xchg", true, g.text("narrow") === "" ? 8 : 4);
    },
  },
  {
    pattern: line(`[rw]0 = cmpxchg(?:_64|(?<narrow>32_32))\\(${place}, [rw]0, ${register("src")}\\)`),
    build: (g) => atomic(g, "cmpxchg", true, g.text("narrow") === "" ? 8 : 4),
  },
  {
    pattern: line(`r0 = \\*\\(u(?<size>8|16|32) \\*\\)skb\\[(?<imm>${number})\\]`),
    build: (g) => ({ kind: "legacy", mode: "abs", width: width(g) as 1 | 2 | 4, src: 0, imm: g.int("imm") }),
  },
  {
    pattern: line(`r0 = \\*\\(u(?<size>8|16|32) \\*\\)skb\\[${place}\\]`),
    build: (g) => ({ kind: "legacy", mode: "ind", width: width(g) as 1 | 2 | 4, src: g.reg("base"), imm: g.offset() }),
  },
  {
    pattern: line(`${register("dst")} = \\*\\((?<sx>[us])(?<size>8|16|32|64) \\*\\)${place}`),
    build: (g) => {
      const signed = g.text("sx") === "s";
      if (signed && g.text("size") === "64") return "there is no sign-extending load of 64 bits";
      return { kind: "load", width: width(g), signed, dst: g.reg("dst"), base: g.reg("base"), offset: g.offset() };
    },
  },
  {
    pattern: line(`${register("dst", "r")} = (?<value>\\S.*) ll`),
    build: (g) => {
      const value = parseWide(g.text("value"));
      return typeof value === "string" ? value : { kind: "loadWide", dst: g.reg("dst"), value };
    },
  },
  {
    pattern: line(`${register("dst", "r")} = (?<op>le|be|bswap)(?<size>16|32|64) ${register("src", "r")}`),
    build: (g) => {
      if (g.text("dst") !== g.text("src")) return "a byte swap works on one register";
      const op = g.text("op") as "le" | "be" | "bswap";
      return { kind: "endian", op, bits: g.int("size") as 16 | 32 | 64, dst: g.reg("dst") };
    },
  },
  {
    pattern: line(`${register("dst")} = -${register("src")}`),
    build: (g) => {
      if (g.text("dst") !== g.text("src")) return "a negation works on one register";
      return { kind: "neg", bits: g.bits("dst"), dst: g.reg("dst") };
    },
  },
  {
    pattern: line(`${register("dst")} = \\(s(?<size>8|16|32)\\)\\s*${register("src")}`),
    build: (g) => {
      const bits = g.bits("dst");
      const fromBits = g.int("size") as 8 | 16 | 32;
      if (fromBits === bits) return "a sign extension must widen";
      return sameBits(g, { kind: "movsx", bits, fromBits, dst: g.reg("dst"), src: g.reg("src") });
    },
  },
  {
    pattern: line(`${register("dst")} ${alternatives(Object.values(aluOps).map((r) => r.symbol))} ${source}`),
    build: (g) => {
      const op: AluOp = opOf(aluOps, g.text("op"));
      return sameBits(g, { kind: "alu", op, bits: g.bits("dst"), dst: g.reg("dst"), src: g.operand("src") });
    },
  },
];

function parseInsn(text: string): Insn<TextTarget> | string {
  const normal = text.replace(/\s+/g, " ");
  for (const { pattern, build } of forms) {
    const match = pattern.exec(normal);
    if (match === null) continue;
    return build(new Groups(match.groups ?? {}));
  }
  return `no instruction: ${text}`;
}

/** The instruction, or an error when its source register is of another width than its destination. */
function sameBits(g: Groups, insn: Insn<TextTarget>): Insn<TextTarget> | string {
  const mixed = /^[rw]/.test(g.text("src")) && g.bits("src") !== g.bits("dst");
  return mixed ? `${g.text("dst")} and ${g.text("src")} are of different widths` : insn;
}

function width(g: Groups): Width {
  return (g.int("size") / 8) as Width;
}

function atomic(g: Groups, op: AtomicOp, fetch: boolean, bytes: 4 | 8): Insn<TextTarget> {
  return { kind: "atomic", op, fetch, width: bytes, base: g.reg("base"), offset: g.offset(), src: g.reg("src") };
}

function parseCallee(text: string): CallTarget<TextTarget> | string {
  const kfunc = /^kfunc\[(-?\d+), (-?\d+)\]$/.exec(text);
  if (kfunc !== null) return { kind: "kfunc", btfId: Number(kfunc[1]), fdIndex: Number(kfunc[2]) };
  const byId = /^(?:helper\[)?(-?(?:0x[0-9a-fA-F]+|\d+))\]?$/.exec(text);
  if (byId !== null) return { kind: "helper", id: integer(byId[1] ?? "") };
  if (/^[+-]/.test(text)) return { kind: "local", target: { offset: integer(text) } };
  if (!text.startsWith("bpf_")) return { kind: "local", target: { label: text } };
  const helper = helperByName(text.slice("bpf_".length));
  return helper === null ? { kind: "local", target: { label: text } } : { kind: "helper", id: helper.id };
}

function parseWide(text: string): WideValue | string {
  if (new RegExp(`^${number}$`).test(text)) {
    const magnitude = BigInt(text.replace(/^-/, ""));
    return { kind: "constant", value: text.startsWith("-") ? -magnitude : magnitude };
  }
  const raw = /^raw\[(\d+), (-?\d+), (-?\d+)\]$/.exec(text);
  if (raw !== null) return { kind: "raw", src: Number(raw[1]), imm: Number(raw[2]), immHigh: Number(raw[3]) };
  const map = /^map\[([^\]]+)\]$/.exec(text);
  if (map !== null) return { kind: "map", map: map[1] ?? "" };
  const data = /^(\.[\w.]+)\[(\d+)\]$/.exec(text);
  if (data !== null) return { kind: "data", section: data[1] ?? "", offsetBytes: Number(data[2]) };
  return `no 64-bit value: ${text}`;
}
