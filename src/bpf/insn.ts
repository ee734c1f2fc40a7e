// One BPF instruction as a value. The target of a jump is a type parameter: a label while code is being laid out, a slot
// offset once it is encoded, so an unresolved jump can't reach the encoder. Knows nothing of programs, ELF or the IR.
// Source: RFC 9669 (BPF ISA); Linux include/uapi/linux/bpf.h.

/** A register: r0 result, r1 to r5 arguments (lost in calls), r6 to r9 kept in calls, r10 the frame pointer (read only). */
export type Reg = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10;

/** The size of a memory access in bytes. */
export type Width = 1 | 2 | 4 | 8;

/** Two-operand arithmetic, all modulo 2^bits. div, mod are unsigned and give 0, dst for a zero divisor; sdiv, smod need v4. */
export type AluOp =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "sdiv"
  | "mod"
  | "smod"
  | "or"
  | "and"
  | "xor"
  | "lsh"
  | "rsh"
  | "arsh"
  | "mov";

/** Conditions of a branch: `j` + the kernel's names, s for signed; `set` is (dst & src) != 0. lt, le, slt, sle need v2. */
export type JumpOp = "eq" | "ne" | "gt" | "ge" | "lt" | "le" | "sgt" | "sge" | "slt" | "sle" | "set";

/** Atomic read-modify-write operations; all but a plain 4- or 8-byte add need v3. xchg and cmpxchg always fetch. */
export type AtomicOp = "add" | "or" | "and" | "xor" | "xchg" | "cmpxchg";

/** A register or a 32-bit immediate (sign-extended where the operation has 64 bits). */
export type Operand = { readonly reg: Reg } | { readonly imm: number };

/** What a 16-byte load puts into its register. Symbols are resolved by relocations when the object is loaded. */
export type WideValue =
  | { readonly kind: "constant"; readonly value: bigint }
  /** The address (file descriptor before loading) of the map named `map`. */
  | { readonly kind: "map"; readonly map: string }
  /** The address of byte `offsetBytes` of global data section `section` (".rodata", ".data", ".bss"). */
  | { readonly kind: "data"; readonly section: string; readonly offsetBytes: number }
  /** Any other src_reg form met in a foreign object, kept as found: raw src_reg and both immediates. */
  | { readonly kind: "raw"; readonly src: number; readonly imm: number; readonly immHigh: number };

/** What a call instruction calls. */
export type CallTarget<Target> =
  | { readonly kind: "helper"; readonly id: number }
  | { readonly kind: "local"; readonly target: Target }
  | { readonly kind: "kfunc"; readonly btfId: number; readonly fdIndex: number };

/** An instruction; it takes one 8-byte slot, `loadWide` takes two. */
export type Insn<Target> =
  | { readonly kind: "alu"; readonly op: AluOp; readonly bits: 32 | 64; readonly dst: Reg; readonly src: Operand }
  /** Two's-complement negation of dst. */
  | { readonly kind: "neg"; readonly bits: 32 | 64; readonly dst: Reg }
  /** dst = the low `fromBits` of src, sign-extended to `bits` (v4). */
  | {
      readonly kind: "movsx";
      readonly bits: 32 | 64;
      readonly fromBits: 8 | 16 | 32;
      readonly dst: Reg;
      readonly src: Reg;
    }
  /** Byte order: `le` and `be` convert host to that order and zero the bits above `bits`; `bswap` always swaps (v4). */
  | { readonly kind: "endian"; readonly op: "le" | "be" | "bswap"; readonly bits: 16 | 32 | 64; readonly dst: Reg }
  | {
      readonly kind: "load";
      readonly width: Width;
      readonly signed: boolean;
      readonly dst: Reg;
      readonly base: Reg;
      readonly offset: number;
    }
  | {
      readonly kind: "store";
      readonly width: Width;
      readonly base: Reg;
      readonly offset: number;
      readonly src: Operand;
    }
  | {
      readonly kind: "atomic";
      readonly op: AtomicOp;
      readonly fetch: boolean;
      readonly width: 4 | 8;
      readonly base: Reg;
      readonly offset: number;
      readonly src: Reg;
    }
  | { readonly kind: "loadWide"; readonly dst: Reg; readonly value: WideValue }
  /** Legacy packet access (LD_ABS, LD_IND): never made by us, met in foreign objects; XDP refuses it. */
  | {
      readonly kind: "legacy";
      readonly mode: "abs" | "ind";
      readonly width: 1 | 2 | 4;
      readonly src: Reg;
      readonly imm: number;
    }
  /** `wide` is gotol (v4): a 32-bit offset. */
  | { readonly kind: "jump"; readonly wide: boolean; readonly target: Target }
  | {
      readonly kind: "branch";
      readonly op: JumpOp;
      readonly bits: 32 | 64;
      readonly dst: Reg;
      readonly src: Operand;
      readonly target: Target;
    }
  /** may_goto (JCOND, 6.9 and later): met in foreign objects. */
  | { readonly kind: "mayGoto"; readonly target: Target }
  | { readonly kind: "call"; readonly callee: CallTarget<Target> }
  | { readonly kind: "exit" };

/** An instruction whose jumps are resolved: slots relative to the slot behind the jump, as BPF encodes them. */
export type ResolvedInsn = Insn<number>;

/** The 8-byte slots an instruction takes: 2 for `loadWide`, else 1. */
export function slotsOf(insn: Insn<unknown>): 1 | 2 {
  return insn.kind === "loadWide" ? 2 : 1;
}
