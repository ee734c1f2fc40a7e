// The folding rules for single instructions: what can be computed now, what is the identity, what is cheaper. Each rule looks
// at one instruction and the definitions of its operands; `fold` applies them until none fits.

import { bitsOf, evaluateBinary, swapBytes } from "../arithmetic.ts";
import type { IrInsn, ValueId } from "../ir.ts";
import type { Definition, Folder } from "./folder.ts";

/** What a rule makes of an instruction: another value, another instruction for the same value, or null for neither. */
export type Folded = { readonly value: ValueId } | { readonly insn: IrInsn } | null;

/** Applies the first rule that fits. */
export function foldInsn(insn: IrInsn, f: Folder): Folded {
  switch (insn.op) {
    case "binary":
      return foldBinary(insn, f);
    case "bswap":
      return foldSwap(insn, f);
    case "zext": {
      const constant = f.constant(insn.a);
      if (constant !== undefined) return constantInsn(insn, constant);
      const inner = f.def(insn.a);
      return inner?.op === "trunc" && f.range(inner.a).max <= 0xffff_ffffn ? { value: inner.a } : null;
    }
    case "trunc": {
      const constant = f.constant(insn.a);
      if (constant !== undefined) return constantInsn(insn, BigInt.asUintN(32, constant));
      const inner = f.def(insn.a);
      return inner?.op === "zext" ? { value: inner.a } : null;
    }
    case "offset": {
      const at = f.place(insn.base, insn.bytes);
      if (at.bytes === 0 && f.type(at.base) === insn.type) return { value: at.base };
      return at.base === insn.base ? null : { insn: { ...insn, ...at } };
    }
    case "index": {
      const constant = f.constant(insn.index);
      if (constant === undefined || constant > 0x7000n) return null;
      return {
        insn: {
          op: "offset",
          id: insn.id,
          type: insn.type,
          base: insn.base,
          bytes: Number(constant),
          origin: insn.origin,
        },
      };
    }
    case "load":
    case "atomicAdd": {
      const at = f.place(insn.base, insn.offset);
      return at.base === insn.base ? null : { insn: { ...insn, base: at.base, offset: at.bytes } };
    }
    case "store": {
      const at = f.place(insn.base, insn.offset);
      if (at.base !== insn.base) return { insn: { ...insn, base: at.base, offset: at.bytes } };
      const value = lowBytes(insn.value, insn.width, f);
      return value === insn.value ? null : { insn: { ...insn, value } };
    }
    default:
      return null;
  }
}

/** A simpler value with the same low `width` bytes (below 8 bytes of either type). */
function lowBytes(value: ValueId, width: number, f: Folder): ValueId {
  if (width === 8) return value;
  const mask = (1n << BigInt(8 * width)) - 1n;
  for (let at = value; ; ) {
    const def = f.def(at);
    const and = f.binary(at, "and");
    if (and !== null && (and.constant & mask) === mask) at = and.a;
    else if (def?.op === "zext" || def?.op === "trunc") at = def.a;
    else return at;
  }
}

function constantInsn(insn: Definition, value: bigint): Folded {
  if (insn.type !== "i32" && insn.type !== "i64") return null;
  return { insn: { op: "const", id: insn.id, type: insn.type, value, origin: insn.origin } };
}

function foldSwap(insn: Extract<IrInsn, { op: "bswap" }>, f: Folder): Folded {
  const constant = f.constant(insn.a);
  if (constant !== undefined) return constantInsn(insn, swapBytes(constant, insn.bytes));
  const mask = (1n << BigInt(8 * insn.bytes)) - 1n;
  const inner = f.def(insn.a);
  if (inner?.op === "bswap" && inner.bytes === insn.bytes && (f.range(inner.a).bits & ~mask) === 0n) {
    return { value: inner.a };
  }
  // Only the low bytes count.
  const and = f.binary(insn.a, "and");
  if (and !== null && (and.constant & mask) === mask) return { insn: { ...insn, a: and.a } };
  return null;
}

function foldBinary(insn: Extract<IrInsn, { op: "binary" }>, f: Folder): Folded {
  const { kind, type } = insn;
  const range = f.range(insn.id);
  if (range.min === range.max) return constantInsn(insn, range.min);
  const a = f.constant(insn.a);
  const b = f.constant(insn.b);
  if (a !== undefined && b !== undefined) return constantInsn(insn, evaluateBinary(kind, type, a, b));
  if (a !== undefined && (kind === "add" || kind === "mul" || kind === "and" || kind === "or" || kind === "xor")) {
    return { insn: { ...insn, a: insn.b, b: insn.a } };
  }
  if (insn.a === insn.b) {
    if (kind === "and" || kind === "or") return { value: insn.a };
    if (kind === "xor" || kind === "sub") return constantInsn(insn, 0n);
  }
  return b === undefined ? null : foldWithConstant(insn, b, f);
}

function foldWithConstant(insn: Extract<IrInsn, { op: "binary" }>, b: bigint, f: Folder): Folded {
  const { kind, type } = insn;
  const width = BigInt(bitsOf(type));
  const make = (k: typeof kind, x: ValueId, constant: bigint): Folded => ({
    insn: { ...insn, kind: k, a: x, b: f.makeConstant(type, constant) },
  });
  switch (kind) {
    case "add": {
      if (b === 0n) return { value: insn.a };
      const inner = f.binary(insn.a, "add");
      return inner === null ? null : make("add", inner.a, inner.constant + b);
    }
    case "sub": {
      if (b === 0n) return { value: insn.a };
      const inner = f.binary(insn.a, "add");
      return inner === null ? null : make("add", inner.a, inner.constant - b);
    }
    case "or":
    case "xor":
      return b === 0n ? { value: insn.a } : null;
    case "mul": {
      if (b === 0n) return constantInsn(insn, 0n);
      if (b === 1n) return { value: insn.a };
      return isPowerOfTwo(b) ? make("shl", insn.a, log2(b)) : null;
    }
    case "div":
      if (b === 0n) return constantInsn(insn, 0n);
      if (b === 1n) return { value: insn.a };
      return isPowerOfTwo(b) ? make("shr", insn.a, log2(b)) : null;
    case "mod":
      if (b === 0n || f.range(insn.a).max < b) return { value: insn.a };
      return isPowerOfTwo(b) ? make("and", insn.a, b - 1n) : null;
    case "and": {
      const { bits } = f.range(insn.a);
      if ((bits & ~b) === 0n) return { value: insn.a };
      const inner = f.binary(insn.a, "and");
      if (inner !== null) return make("and", inner.a, inner.constant & b);
      const def = f.def(insn.a);
      if (def?.op !== "zext") return null;
      const narrow = f.makeBinary("and", "i32", def.a, b & 0xffff_ffffn);
      return { insn: { op: "zext", id: insn.id, type: "i64", a: narrow, origin: insn.origin } };
    }
    case "shl":
    case "shr": {
      if (b >= width) return make(kind, insn.a, b % width);
      if (b === 0n) return { value: insn.a };
      const inner = f.binary(insn.a, kind);
      if (inner !== null && inner.constant < width) {
        return inner.constant + b < width ? make(kind, inner.a, inner.constant + b) : constantInsn(insn, 0n);
      }
      // (x >> s) << s keeps the upper bits; a field that is multiplied by its unit (ihl * 4 after >> 2) is that.
      const opposite = f.binary(insn.a, kind === "shl" ? "shr" : "shl");
      if (opposite === null || opposite.constant !== b) return null;
      const all = (1n << width) - 1n;
      return make("and", opposite.a, kind === "shl" ? (all << b) & all : all >> b);
    }
  }
}

/** Whether `value` is 1, 2, 4, … */
export function isPowerOfTwo(value: bigint): boolean {
  return value > 0n && (value & (value - 1n)) === 0n;
}

function log2(value: bigint): bigint {
  return BigInt(value.toString(2).length - 1);
}
