// Loads, stores and atomic operations as JavaScript source. An access that lies wholly in one region is a few comparisons and one
// access of its DataView, which checks again; all else (the context, carries, faults) is a call. Part of the compiled executor.

import type { Operand, Width } from "../bpf/insn.ts";
import { stackBytes } from "./core.ts";
import { halves } from "./emit-alu.ts";
import { originLo } from "./memory.ts";
import type { VmInsn } from "./program.ts";

/** A load, as a plain one or one with order. */
interface LoadLike {
  readonly width: Width;
  readonly signed: boolean;
  readonly dst: number;
  readonly base: number;
  readonly offset: number;
}

/** Reads `width` bytes at index `at` of DataView `view` into register `dst`. */
function readView({ width, signed, dst }: LoadLike, view: string, at: string): string {
  const r = `r${dst}`;
  const h = `h${dst}`;
  const high = signed ? `${h}=${r}>>31;` : `${h}=0;`;
  switch (width) {
    case 1:
      return `${r}=${view}.get${signed ? "Int8" : "Uint8"}(${at});${high}`;
    case 2:
      return `${r}=${view}.get${signed ? "Int16" : "Uint16"}(${at},true);${high}`;
    case 4:
      return `${r}=${view}.getInt32(${at},true);${high}`;
    case 8:
      return `${r}=${view}.getInt32(${at},true);${h}=${view}.getInt32(${at}+4,true);`;
  }
}

function writeView(width: Width, source: Operand, view: string, at: string): string {
  const { lo, hi } = halves(source);
  const little = width === 1 ? "" : ",true";
  if (width !== 8) return `${view}.setInt${width * 8}(${at},${lo}${little});`;
  return `${view}.setInt32(${at},${lo},true);${view}.setInt32(${at}+4,${hi},true);`;
}

/** The index of an access through the frame pointer in the frame's bytes, when it lies in the frame; else null. */
function frameIndex(base: number, offset: number, width: Width, framePointerKept: boolean): number | null {
  const index = stackBytes + offset;
  return framePointerKept && base === 10 && index >= 0 && index + width <= stackBytes ? index : null;
}

/** Finds the region of r<base> + offset: `g` it, `o` the index in its bytes, `p` the index from its accessible start. */
function findRegion(base: number, offset: number): string {
  return `g=at(h${base});o=(r${base}+${offset - originLo})|0;p=(o-g.start)|0;`;
}

/** A load. `framePointerKept` when the function never writes r10. */
export function emitLoad(load: LoadLike, slot: number, framePointerKept: boolean): string {
  const { width, signed, dst, base, offset } = load;
  const index = frameIndex(base, offset, width, framePointerKept);
  if (index !== null) return readView(load, "S", String(index));
  return `${findRegion(base, offset)}if(p>=0&&p<=g.readBytes-${width}){${readView(load, "g.view", "o")}}else{C.slot=${slot};load(M,r${base},h${base},${offset},${width},${signed});r${dst}=M.valueLo;h${dst}=M.valueHi;}`;
}

/** A store. */
export function emitStore(
  store: { readonly width: Width; readonly base: number; readonly offset: number; readonly src: Operand },
  slot: number,
  framePointerKept: boolean,
): string {
  const { width, base, offset, src } = store;
  const index = frameIndex(base, offset, width, framePointerKept);
  if (index !== null) return writeView(width, src, "S", String(index));
  const { lo, hi } = halves(src);
  return `${findRegion(base, offset)}if(p>=0&&p<=g.writeBytes-${width}){${writeView(width, src, "g.view", "o")}}else{C.slot=${slot};store(M,r${base},h${base},${offset},${width},${lo},${hi});}`;
}

/** An atomic operation. */
export function emitAtomic(insn: Extract<VmInsn, { kind: "atomic" }>, slot: number): string {
  const { op, width, base, offset, src } = insn;
  const call = `C.slot=${slot};atomic(M,"${op}",${width},r${base},h${base},${offset},r${src},h${src},r0,h0);`;
  const to = op === "cmpxchg" ? 0 : insn.fetch ? src : null;
  return to === null ? call : `${call}r${to}=M.valueLo;h${to}=M.valueHi;`;
}
