// What the machine's tests share: programs from assembly text, a map that is only its first value, and a run by either executor
// brought to one comparable form.

import { parseAsm } from "../../src/bpf/asm-parse.ts";
import { encode } from "../../src/bpf/encode.ts";
import type { ImageMap, ProgramImage } from "../../src/bpf/image.ts";
import { MachineFault } from "../../src/vm/fault.ts";
import type { MachineOptions, RunOptions } from "../../src/vm/machine.ts";
import { Machine } from "../../src/vm/machine.ts";
import type { VmMap } from "../../src/vm/map.ts";
import { Region } from "../../src/vm/memory.ts";
import { bareImage } from "../../src/vm/program.ts";

/** Both executors, for `test.each`. */
export const executors = ["interpreter", "compiled"] as const;

/** The name of an executor. */
export type ExecutorName = (typeof executors)[number];

/** Instruction bytes of a program in assembly; throws with the lines that can't be read. */
export function assemble(text: string): Uint8Array {
  const parsed = parseAsm(text);
  if (parsed.kind === "errors") throw new Error(parsed.errors.map((e) => `${e.line}: ${e.message}`).join("\n"));
  return encode(parsed.insns).bytes;
}

/** An image of a program in assembly, without maps. */
export function assembled(text: string, name = "bytecode"): ProgramImage {
  return bareImage(assemble(text), name);
}

/** One raw slot. */
export function slot(opcode: number, dst: number, src: number, offset: number, imm: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, opcode);
  view.setUint8(1, dst | (src << 4));
  view.setInt16(2, offset, true);
  view.setInt32(4, imm, true);
  return bytes;
}

/** Pieces of code one after the other. */
export function joined(...pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** The description of an array of one value. */
export function oneValueMap(valueBytes: number, name = "values"): ImageMap {
  return {
    name,
    type: 2,
    keyBytes: 4,
    valueBytes,
    maxEntries: 1,
    flags: 0,
    frozen: false,
    data: null,
    fields: [],
    hasBtf: false,
    inner: null,
  };
}

/** A map of the machine that has nothing but a first value. */
export class OneValue implements VmMap {
  readonly name: string;
  readonly type = 2;
  readonly handle: Region;
  readonly value: Region;

  constructor(image: ImageMap, readOnly = false) {
    this.name = image.name;
    this.handle = new Region("mapHandle", `map ${image.name}`, new Uint8Array(0), { map: this });
    const bytes = new Uint8Array(image.valueBytes);
    this.value = new Region("mapValue", `the value of map ${image.name}`, bytes, { map: this, readOnly });
  }

  directValue(): Region {
    return this.value;
  }
}

/** What a run came to, without what may differ between two equal runs: comparable with `toEqual`. */
export type Outcome =
  | {
      readonly kind: "result";
      readonly r0: bigint;
      readonly packet: Uint8Array;
      readonly steps: number;
      readonly path: readonly number[];
    }
  | {
      readonly kind: "fault";
      readonly fault: string;
      readonly message: string;
      readonly slot: number;
      readonly steps: number;
      readonly path: readonly number[];
    };

/** Runs a packet and gives the result or the fault, with the path. */
export function outcomeOf(machine: Machine, packet: Uint8Array, options: RunOptions = {}): Outcome {
  try {
    const { r0, packet: after, steps, path } = machine.run(packet, { ...options, path: true });
    return { kind: "result", r0, packet: after, steps, path: slotsOf(path) };
  } catch (error) {
    if (!(error instanceof MachineFault)) throw error;
    const { kind, message, slot, steps, path } = error;
    return { kind: "fault", fault: kind, message, slot, steps, path: slotsOf(path) };
  }
}

function slotsOf(path: readonly { readonly slots: Uint32Array }[] | null): number[] {
  return (path ?? []).flatMap(({ slots }) => [...slots]);
}

/** Runs assembly on a buffer: r1 its address, r2 its length; r0 unsigned. */
export function r0Of(
  text: string,
  executor: ExecutorName,
  memory: Uint8Array = new Uint8Array(0),
  options: MachineOptions = {},
): bigint {
  return new Machine(assembled(text), { executor, ...options }).runOn(memory);
}

/** The fault that a run ends in; throws when it doesn't. */
export function faultOf(run: () => unknown): MachineFault {
  try {
    run();
  } catch (error) {
    if (error instanceof MachineFault) return error;
    throw error;
  }
  throw new Error("the run ended without a fault");
}
