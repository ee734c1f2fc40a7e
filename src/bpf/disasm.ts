// An object's program section as text: decodes the bytes, gives symbols and source lines back to them and prints them with
// asm.ts. Slots that are no instructions of ours are shown as bytes, so any object can be looked at. Reads no ELF: the
// sections' parts come from elfwriter's reader.

import { printAsm } from "./asm.ts";
import type { DecodedPiece, DecodeFault } from "./decode.ts";
import { decodePieces, describeFault } from "./decode.ts";
import type { Relocation } from "./encode.ts";
import type { ResolvedInsn } from "./insn.ts";

/** A program section (or one function of it), everything counted in slots from the start of `bytes`. */
export interface DisasmInput {
  readonly bytes: Uint8Array;
  readonly relocations?: readonly Relocation[];
  /** Source lines by the slot they begin at. */
  readonly lines?: readonly { readonly slot: number; readonly text: string }[];
  /** Functions by the slot they begin at. */
  readonly functions?: readonly { readonly slot: number; readonly name: string }[];
}

/** The text of a listing and what couldn't be decoded in it (empty for a sound program). */
export interface Disassembly {
  readonly text: string;
  readonly faults: readonly DecodeFault[];
}

/** Disassembles any bytes; never throws. Where everything decodes, the text reads back with `parseAsm`. */
export function disassemble(input: DisasmInput): Disassembly {
  const { bytes, relocations = [], lines = [], functions = [] } = input;
  const { pieces, faults } = decodePieces(bytes, relocations);
  const indexOf = new Map(pieces.map((piece, index) => [piece.slot, index]));
  const callees = new Map<number, string>();
  for (const relocation of relocations) {
    const index = indexOf.get(relocation.slot);
    if (relocation.kind === "call" && index !== undefined) callees.set(index, relocation.symbol);
  }
  const faultAt = new Map(faults.map((fault) => [fault.slot, fault]));
  const text = printAsm({
    insns: pieces.map((piece) => piece.insn ?? placeholder),
    lines: lines.flatMap(({ slot, text }) => ifDefined(indexOf.get(slot), (insnIndex) => ({ insnIndex, text }))),
    functions: new Map(functions.flatMap(({ slot, name }) => ifDefined(indexOf.get(slot), (i) => [i, name] as const))),
    callees,
    instead: new Map(
      pieces.flatMap((piece, i) =>
        piece.insn === null ? [[i, describe(piece, faultAt.get(piece.slot))] as const] : [],
      ),
    ),
  });
  return { text, faults };
}

/** Takes the one slot that a piece without an instruction takes, so that those behind it keep their slots. */
const placeholder: ResolvedInsn = { kind: "exit" };

function describe(piece: Extract<DecodedPiece, { insn: null }>, fault: DecodeFault | undefined): string {
  const hex = [...piece.bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return `.bytes ${hex}  ; ${fault === undefined ? "not an instruction" : describeFault(fault)}`;
}

function ifDefined<T, R>(value: T | undefined, f: (value: T) => R): R[] {
  return value === undefined ? [] : [f(value)];
}
