// What compiled programs call for when a pair of int32 isn't enough of a plain expression: wide products, divisions, and memory
// accesses that aren't inside one region at first sight. The run-time half of compile.ts; every function leaves the high half of its
// result in `core.hi` or in the memory's `valueHi`.

import type { AtomicOp, Width } from "../bpf/insn.ts";
import { aluResult, atomicResult } from "./alu.ts";
import type { Core } from "./core.ts";
import type { Memory } from "./memory.ts";

/** The high 32 bits of the 64-bit product of two unsigned 32-bit numbers. */
export function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const other = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + (middle >>> 16) + (other >>> 16)) | 0;
}

/** The bytes of an int32 in reverse. */
export function swap32(x: number): number {
  return (x << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | (x >>> 24);
}

/** An operation on pairs that divides; gives the low half. */
export type Division = (core: Core, al: number, ah: number, bl: number, bh: number) => number;

/** 64-bit division and remainder. Numbers that fit into 32 bits are divided as such, all others as bigint. */
export const divisions: Readonly<Record<"div" | "mod" | "sdiv" | "smod", Division>> = {
  div(core, al, ah, bl, bh) {
    if ((ah | bh) !== 0) return wide(core, "div", al, ah, bl, bh);
    core.hi = 0;
    return bl === 0 ? 0 : ((al >>> 0) / (bl >>> 0)) | 0;
  },
  mod(core, al, ah, bl, bh) {
    if ((ah | bh) !== 0) return wide(core, "mod", al, ah, bl, bh);
    core.hi = 0;
    return bl === 0 ? al : ((al >>> 0) % (bl >>> 0)) | 0;
  },
  sdiv: (core, al, ah, bl, bh) => wide(core, "sdiv", al, ah, bl, bh),
  smod: (core, al, ah, bl, bh) => wide(core, "smod", al, ah, bl, bh),
};

function wide(core: Core, op: "div" | "mod" | "sdiv" | "smod", al: number, ah: number, bl: number, bh: number): number {
  const result = aluResult(op, 64, joined(al, ah), joined(bl, bh));
  core.hi = Number(BigInt.asIntN(32, result >> 32n));
  return Number(BigInt.asIntN(32, result));
}

function joined(lo: number, hi: number): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}

/** The high half of address (lo, hi) + offset; the low half is `(lo + offset) | 0`. */
function carriedHi(lo: number, hi: number, offset: number): number {
  return (hi + Math.floor(((lo >>> 0) + offset) / 2 ** 32)) | 0;
}

/** Loads from (lo, hi) + offset into `memory.valueLo` and `valueHi`: any access, the context's fields too. Throws MachineFault. */
export function loadSlowly(
  memory: Memory,
  lo: number,
  hi: number,
  offset: number,
  width: Width,
  signed: boolean,
): void {
  const addressLo = (lo + offset) | 0;
  const addressHi = carriedHi(lo, hi, offset);
  const region = memory.regionAt(addressHi);
  if (region.kind === "context") return memory.loadContext(addressLo, width, signed);
  const at = memory.resolve(addressHi, addressLo, width, "read");
  const { view } = region;
  switch (width) {
    case 1:
      memory.valueLo = signed ? view.getInt8(at) : view.getUint8(at);
      break;
    case 2:
      memory.valueLo = signed ? view.getInt16(at, true) : view.getUint16(at, true);
      break;
    default:
      memory.valueLo = view.getInt32(at, true);
  }
  if (width === 8) memory.valueHi = view.getInt32(at + 4, true);
  else memory.valueHi = signed ? memory.valueLo >> 31 : 0;
}

/** Stores a value at (lo, hi) + offset. Throws MachineFault. */
export function storeSlowly(
  memory: Memory,
  lo: number,
  hi: number,
  offset: number,
  width: Width,
  valueLo: number,
  valueHi: number,
): void {
  const addressLo = (lo + offset) | 0;
  const addressHi = carriedHi(lo, hi, offset);
  const at = memory.resolve(addressHi, addressLo, width, "write");
  const { view } = memory.regionAt(addressHi);
  switch (width) {
    case 1:
      return view.setInt8(at, valueLo);
    case 2:
      return view.setInt16(at, valueLo, true);
    case 4:
      return view.setInt32(at, valueLo, true);
    case 8:
      view.setInt32(at, valueLo, true);
      return view.setInt32(at + 4, valueHi, true);
  }
}

/**
 * Does an atomic operation at (lo, hi) + offset and leaves the old value in `memory.valueLo` and `valueHi`; (expectedLo,
 * expectedHi) is r0, for cmpxchg. Throws MachineFault.
 */
export function atomic(
  memory: Memory,
  op: AtomicOp,
  width: 4 | 8,
  lo: number,
  hi: number,
  offset: number,
  sourceLo: number,
  sourceHi: number,
  expectedLo: number,
  expectedHi: number,
): void {
  const addressLo = (lo + offset) | 0;
  const addressHi = carriedHi(lo, hi, offset);
  const at = memory.resolve(addressHi, addressLo, width, "write");
  const { view } = memory.regionAt(addressHi);
  const oldLo = view.getInt32(at, true);
  const oldHi = width === 8 ? view.getInt32(at + 4, true) : 0;
  memory.valueLo = oldLo;
  memory.valueHi = oldHi;
  switch (op) {
    case "add": {
      const sum = (oldLo >>> 0) + (sourceLo >>> 0);
      view.setInt32(at, sum | 0, true);
      if (width === 8) view.setInt32(at + 4, (oldHi + sourceHi + (sum > 0xffff_ffff ? 1 : 0)) | 0, true);
      return;
    }
    case "cmpxchg":
      if (oldLo !== expectedLo || (width === 8 && oldHi !== expectedHi)) return;
      view.setInt32(at, sourceLo, true);
      if (width === 8) view.setInt32(at + 4, sourceHi, true);
      return;
    default:
      // The rest works on each half alone.
      view.setInt32(at, half(op, oldLo, sourceLo), true);
      if (width === 8) view.setInt32(at + 4, half(op, oldHi, sourceHi), true);
  }
}

function half(op: "or" | "and" | "xor" | "xchg", old: number, source: number): number {
  return Number(BigInt.asIntN(32, atomicResult(op, BigInt(old), BigInt(source), 0n)));
}
