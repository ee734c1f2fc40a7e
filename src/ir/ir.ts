// The IR: typed SSA values in basic blocks, block parameters rather than phis. Between `lower` (which makes it) and the
// code generator's `select`. Guards are terminators and stay whole until `select`. Knows nothing of the language's AST,
// of registers or of ELF.
//
// Shape rules (validate.ts holds a function to them):
// - blocks[0] is the entry; it has exactly one parameter, the context (type "ctx"), and no predecessors.
// - A value is defined once (as a block parameter or an instruction's result) and its definition dominates every use.
// - An edge passes exactly as many arguments as its target has parameters, of the same types.
// - Integers are i32 or i64. An i32 is kept zero-extended in its 64-bit register, so `zext` costs nothing. Loads of 1, 2
//   and 4 bytes give an i32 (zero-extended), loads of 8 bytes an i64. Arithmetic wraps at its type's width. div and mod
//   are unsigned; x / 0 = 0 and x mod 0 = x, as in BPF. Shift counts are taken modulo the width.
// - Memory is raw: a load gives the bytes in the machine's (little-endian) order; `bswap` converts network order.
// - There is no value that is a condition: conditions exist only in `branch`; booleans are i32 0 or 1.
// - Every load and store through a "pkt" pointer is covered on every path by a packetGuard on the same pointer (or on one
//   it differs from by constant offsets), or by the size of a `view`. Every use of a "maybe" pointer as a base is dominated by the ok edge of a nullGuard.
// - `undef` stands for a value no path reads; it may be replaced by anything of its type.

import type { Span } from "../base/source.ts";

/** A value's number, unique in its function. */
export type ValueId = number;
/** A block's number, unique in its function. */
export type BlockId = number;

/** Integer types. */
export type IntType = "i32" | "i64";

/**
 * Types of values: integers; `ctx` the context pointer; `pkt` a pointer into packet data; `end` the packet's end
 * (data_end); `map` a map's handle, only an argument of calls; `maybe` a pointer to a map value or null; `mem` a pointer to a map's
 * value known not to be null, to a stack slot or to global data.
 */
export type IrType = IntType | "ctx" | "pkt" | "end" | "map" | "maybe" | "mem";

/** Where an instruction comes from: the rule whose line is shown beside it. null: made by the compiler for no rule. */
export type Origin = Span | null;

/** A block parameter. */
export interface Param {
  readonly id: ValueId;
  readonly type: IrType;
}

/** What memory a load or store touches: decides aliasing, guards and what may be merged. */
export type Space =
  /** The packet: between our own stores and calls that change packets, loads may be merged. */
  | "packet"
  /** A stack slot of ours (base: `slot`). */
  | "stack"
  /** A map's value or a mutable global: others may write it at any time, so every access stays as written. */
  | "shared"
  /** Read-only global data: loads may be merged. */
  | "rodata";

/** Two-operand integer operations. */
export type BinaryKind = "add" | "sub" | "mul" | "div" | "mod" | "and" | "or" | "xor" | "shl" | "shr";

/** Fields of struct xdp_md. **Source:** Linux include/uapi/linux/bpf.h, struct xdp_md. */
export type CtxField = "data" | "data_end" | "data_meta" | "ingress_ifindex" | "rx_queue_index" | "egress_ifindex";

/** Instructions: those with `id` define that value. */
export type IrInsn =
  | {
      readonly op: "const";
      readonly id: ValueId;
      readonly type: IntType;
      readonly value: bigint;
      readonly origin: Origin;
    }
  | { readonly op: "undef"; readonly id: ValueId; readonly type: IrType; readonly origin: Origin }
  | {
      readonly op: "binary";
      readonly kind: BinaryKind;
      readonly id: ValueId;
      readonly type: IntType;
      readonly a: ValueId;
      readonly b: ValueId;
      readonly origin: Origin;
    }
  /** Reverses the low `bytes` bytes of `a` and zeroes those above (2, 4: i32; 8: i64). */
  | {
      readonly op: "bswap";
      readonly id: ValueId;
      readonly type: IntType;
      readonly bytes: 2 | 4 | 8;
      readonly a: ValueId;
      readonly origin: Origin;
    }
  /** i32 to i64, zero-extending. */
  | { readonly op: "zext"; readonly id: ValueId; readonly type: "i64"; readonly a: ValueId; readonly origin: Origin }
  /** i64 to i32, the low 32 bits. */
  | { readonly op: "trunc"; readonly id: ValueId; readonly type: "i32"; readonly a: ValueId; readonly origin: Origin }
  /** Reads a context field: data gives "pkt", data_end gives "end", the others i32. */
  | {
      readonly op: "ctxLoad";
      readonly id: ValueId;
      readonly type: IrType;
      readonly ctx: ValueId;
      readonly field: CtxField;
      readonly origin: Origin;
    }
  /** `base` + a constant; same type as base (pkt or mem). */
  | {
      readonly op: "offset";
      readonly id: ValueId;
      readonly type: "pkt" | "mem";
      readonly base: ValueId;
      readonly bytes: number;
      readonly origin: Origin;
    }
  /** `base` + a variable i64, whose range the lowering keeps below 2^15 for packets; same type as base. */
  | {
      readonly op: "index";
      readonly id: ValueId;
      readonly type: "pkt" | "mem";
      readonly base: ValueId;
      readonly index: ValueId;
      readonly origin: Origin;
    }
  /**
   * `base` as a packet pointer: a copy of `bytes` packet bytes that a helper has just made in memory of ours. The packet's loads and
   * stores may use it; what is stored there reaches the packet only by a helper too.
   */
  | {
      readonly op: "view";
      readonly id: ValueId;
      readonly type: "pkt";
      readonly base: ValueId;
      readonly bytes: number;
      readonly origin: Origin;
    }
  /** The `width` bytes at base + offset. */
  | {
      readonly op: "load";
      readonly id: ValueId;
      readonly type: IntType;
      readonly space: Space;
      readonly width: 1 | 2 | 4 | 8;
      readonly base: ValueId;
      readonly offset: number;
      readonly origin: Origin;
    }
  /** Writes the low `width` bytes of value at base + offset. */
  | {
      readonly op: "store";
      readonly space: Space;
      readonly width: 1 | 2 | 4 | 8;
      readonly base: ValueId;
      readonly offset: number;
      readonly value: ValueId;
      readonly origin: Origin;
    }
  /** Adds atomically to the 4- or 8-byte place at base + offset; the old value is not fetched. */
  | {
      readonly op: "atomicAdd";
      readonly width: 4 | 8;
      readonly base: ValueId;
      readonly offset: number;
      readonly value: ValueId;
      readonly origin: Origin;
    }
  /** The bytes between two packet places: `to` (an "end" or "pkt") minus `from` (a "pkt"). */
  | {
      readonly op: "distance";
      readonly id: ValueId;
      readonly type: "i64";
      readonly from: ValueId;
      readonly to: ValueId;
      readonly origin: Origin;
    }
  /** The address of a stack slot. */
  | { readonly op: "slot"; readonly id: ValueId; readonly type: "mem"; readonly slot: number; readonly origin: Origin }
  /** The handle of a map. */
  | { readonly op: "map"; readonly id: ValueId; readonly type: "map"; readonly map: string; readonly origin: Origin }
  /** The address of a byte of a global data section. */
  | {
      readonly op: "global";
      readonly id: ValueId;
      readonly type: "mem";
      readonly section: ".rodata" | ".data" | ".bss";
      readonly offsetBytes: number;
      readonly origin: Origin;
    }
  /**
   * Calls a helper (a name of the helper table, without `bpf_`) with up to five arguments. `type` is the result's: "maybe"
   * for map_lookup_elem, i64 otherwise; `id` is always defined, though often unused.
   */
  | {
      readonly op: "call";
      readonly id: ValueId;
      readonly type: "i64" | "maybe";
      readonly helper: string;
      readonly args: readonly ValueId[];
      readonly origin: Origin;
    };

/** A jump to `target` with the values of its parameters. */
export interface Edge {
  readonly target: BlockId;
  readonly args: readonly ValueId[];
}

/** Comparisons of a branch; u unsigned, s signed; `set` is (a & b) != 0. */
export type Compare = "eq" | "ne" | "ult" | "ule" | "ugt" | "uge" | "slt" | "sle" | "sgt" | "sge" | "set";

/** How a block ends. */
export type Terminator =
  | { readonly op: "jump"; readonly edge: Edge; readonly origin: Origin }
  /** Compares two integers of the same type (`type`). */
  | {
      readonly op: "branch";
      readonly compare: Compare;
      readonly type: IntType;
      readonly a: ValueId;
      readonly b: ValueId;
      readonly then: Edge;
      readonly else: Edge;
      readonly origin: Origin;
    }
  /** Goes to the case whose value equals `value` (cases are distinct), else to `default`. Becomes a search tree in select. */
  | {
      readonly op: "switch";
      readonly type: IntType;
      readonly value: ValueId;
      readonly cases: readonly { readonly value: bigint; readonly edge: Edge }[];
      readonly default: Edge;
      readonly origin: Origin;
    }
  /** ok where base + bytes <= end: the packet's bytes [base, base + bytes) may then be touched. */
  | {
      readonly op: "packetGuard";
      readonly base: ValueId;
      readonly end: ValueId;
      readonly bytes: number;
      readonly ok: Edge;
      readonly fail: Edge;
      readonly origin: Origin;
    }
  /** ok where the "maybe" pointer is not null: it may then be used as a base. */
  | {
      readonly op: "nullGuard";
      readonly value: ValueId;
      readonly ok: Edge;
      readonly fail: Edge;
      readonly origin: Origin;
    }
  /** Ends the program with an XDP verdict (i32 or i64; a call's i64 result may be returned as it is). */
  | { readonly op: "return"; readonly value: ValueId; readonly origin: Origin };

/** A basic block. */
export interface Block {
  readonly id: BlockId;
  readonly params: readonly Param[];
  readonly insns: readonly IrInsn[];
  readonly term: Terminator;
}

/** A place on the stack; lifetimes are found from the uses of its address, so slots may share memory. */
export interface Slot {
  readonly id: number;
  readonly bytes: number;
  /** 1, 2, 4 or 8. */
  readonly align: number;
}

/** One program's code. Immutable: passes return a new one (unchanged parts may be shared). */
export interface IrFunction {
  readonly name: string;
  readonly blocks: readonly Block[];
  readonly slots: readonly Slot[];
  /** Above every ValueId in use: where a pass takes fresh numbers from. */
  readonly nextValue: ValueId;
  /** Above every BlockId in use. */
  readonly nextBlock: BlockId;
}

/** A transformation of one function. */
export type Pass = (fn: IrFunction) => IrFunction;

/** The value an instruction defines, or null. */
export function resultOf(insn: IrInsn): Param | null {
  return insn.op === "store" || insn.op === "atomicAdd" ? null : { id: insn.id, type: insn.type };
}

/** The values an instruction reads, in order. */
export function operandsOf(insn: IrInsn): readonly ValueId[] {
  switch (insn.op) {
    case "const":
    case "undef":
    case "slot":
    case "map":
    case "global":
      return [];
    case "binary":
      return [insn.a, insn.b];
    case "bswap":
    case "zext":
    case "trunc":
      return [insn.a];
    case "ctxLoad":
      return [insn.ctx];
    case "offset":
    case "view":
    case "load":
      return [insn.base];
    case "index":
      return [insn.base, insn.index];
    case "distance":
      return [insn.from, insn.to];
    case "store":
    case "atomicAdd":
      return [insn.base, insn.value];
    case "call":
      return insn.args;
  }
}

/** The edges out of a terminator, in order (then before else, ok before fail, cases before default). */
export function edgesOf(term: Terminator): readonly Edge[] {
  switch (term.op) {
    case "jump":
      return [term.edge];
    case "branch":
      return [term.then, term.else];
    case "switch":
      return [...term.cases.map((c) => c.edge), term.default];
    case "packetGuard":
    case "nullGuard":
      return [term.ok, term.fail];
    case "return":
      return [];
  }
}

/** The values a terminator itself reads, without its edges' arguments. */
export function termOperandsOf(term: Terminator): readonly ValueId[] {
  switch (term.op) {
    case "jump":
      return [];
    case "branch":
      return [term.a, term.b];
    case "switch":
    case "return":
    case "nullGuard":
      return [term.value];
    case "packetGuard":
      return [term.base, term.end];
  }
}

/** Calls `see` with every value an instruction reads, in order: `operandsOf` without making a list. */
export function eachOperand(insn: IrInsn, see: (value: ValueId) => void): void {
  switch (insn.op) {
    case "const":
    case "undef":
    case "slot":
    case "map":
    case "global":
      return;
    case "binary":
      see(insn.a);
      see(insn.b);
      return;
    case "bswap":
    case "zext":
    case "trunc":
      see(insn.a);
      return;
    case "ctxLoad":
      see(insn.ctx);
      return;
    case "offset":
    case "view":
    case "load":
      see(insn.base);
      return;
    case "index":
      see(insn.base);
      see(insn.index);
      return;
    case "distance":
      see(insn.from);
      see(insn.to);
      return;
    case "store":
    case "atomicAdd":
      see(insn.base);
      see(insn.value);
      return;
    case "call":
      for (const arg of insn.args) see(arg);
  }
}

/** Calls `see` with every edge out of a terminator, in the order of `edgesOf`. */
export function eachEdgeOf(term: Terminator, see: (edge: Edge) => void): void {
  switch (term.op) {
    case "jump":
      see(term.edge);
      return;
    case "branch":
      see(term.then);
      see(term.else);
      return;
    case "switch":
      for (const c of term.cases) see(c.edge);
      see(term.default);
      return;
    case "packetGuard":
    case "nullGuard":
      see(term.ok);
      see(term.fail);
      return;
    case "return":
      return;
  }
}

/** Calls `see` with every value a terminator reads, then with its edges' arguments. */
export function eachTermValue(term: Terminator, see: (value: ValueId) => void): void {
  switch (term.op) {
    case "jump":
      break;
    case "branch":
      see(term.a);
      see(term.b);
      break;
    case "switch":
    case "return":
    case "nullGuard":
      see(term.value);
      break;
    case "packetGuard":
      see(term.base);
      see(term.end);
      break;
  }
  eachEdgeOf(term, (edge) => {
    for (const arg of edge.args) see(arg);
  });
}

/** The same instruction with its operands replaced; itself where none changes. */
export function mapOperands(insn: IrInsn, f: (value: ValueId) => ValueId): IrInsn {
  switch (insn.op) {
    case "const":
    case "undef":
    case "slot":
    case "map":
    case "global":
      return insn;
    case "binary": {
      const a = f(insn.a);
      const b = f(insn.b);
      return a === insn.a && b === insn.b ? insn : { ...insn, a, b };
    }
    case "bswap":
    case "zext":
    case "trunc": {
      const a = f(insn.a);
      return a === insn.a ? insn : { ...insn, a };
    }
    case "ctxLoad": {
      const ctx = f(insn.ctx);
      return ctx === insn.ctx ? insn : { ...insn, ctx };
    }
    case "offset":
    case "view":
    case "load": {
      const base = f(insn.base);
      return base === insn.base ? insn : { ...insn, base };
    }
    case "index": {
      const base = f(insn.base);
      const index = f(insn.index);
      return base === insn.base && index === insn.index ? insn : { ...insn, base, index };
    }
    case "distance": {
      const from = f(insn.from);
      const to = f(insn.to);
      return from === insn.from && to === insn.to ? insn : { ...insn, from, to };
    }
    case "store":
    case "atomicAdd": {
      const base = f(insn.base);
      const value = f(insn.value);
      return base === insn.base && value === insn.value ? insn : { ...insn, base, value };
    }
    case "call": {
      const args = mapValues(insn.args, f);
      return args === insn.args ? insn : { ...insn, args };
    }
  }
}

/** A list of values with each replaced; itself where none changes. */
export function mapValues(list: readonly ValueId[], f: (value: ValueId) => ValueId): readonly ValueId[] {
  let changed = false;
  const mapped = list.map((v) => {
    const now = f(v);
    changed ||= now !== v;
    return now;
  });
  return changed ? mapped : list;
}

/** The same terminator with its own operands replaced by `value` and its edges by `edge`; itself where none changes. */
export function mapTerm(term: Terminator, value: (v: ValueId) => ValueId, edge: (e: Edge) => Edge): Terminator {
  switch (term.op) {
    case "jump": {
      const to = edge(term.edge);
      return to === term.edge ? term : { ...term, edge: to };
    }
    case "branch": {
      const a = value(term.a);
      const b = value(term.b);
      const yes = edge(term.then);
      const no = edge(term.else);
      if (a === term.a && b === term.b && yes === term.then && no === term.else) return term;
      return { ...term, a, b, then: yes, else: no };
    }
    case "switch": {
      const tested = value(term.value);
      let changed = tested !== term.value;
      const cases = term.cases.map((c) => {
        const to = edge(c.edge);
        changed ||= to !== c.edge;
        return to === c.edge ? c : { value: c.value, edge: to };
      });
      const otherwise = edge(term.default);
      return changed || otherwise !== term.default ? { ...term, value: tested, cases, default: otherwise } : term;
    }
    case "packetGuard": {
      const base = value(term.base);
      const end = value(term.end);
      const ok = edge(term.ok);
      const fail = edge(term.fail);
      if (base === term.base && end === term.end && ok === term.ok && fail === term.fail) return term;
      return { ...term, base, end, ok, fail };
    }
    case "nullGuard": {
      const tested = value(term.value);
      const ok = edge(term.ok);
      const fail = edge(term.fail);
      return tested === term.value && ok === term.ok && fail === term.fail
        ? term
        : { ...term, value: tested, ok, fail };
    }
    case "return": {
      const verdict = value(term.value);
      return verdict === term.value ? term : { ...term, value: verdict };
    }
  }
}
