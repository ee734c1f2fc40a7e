// The fast executor: a program becomes JavaScript source, a function for each of its own, registers as pairs of int32 variables, and
// the engine's optimiser does the rest. Same meaning as interpret.ts, which a property test holds it to. Every memory access is
// still checked; the source holds only numbers and fixed words, never text of the program's. Where making code at run time is
// forbidden (a page's content security policy), `canCompile` says so and the machine interprets.

import { must } from "../base/assert.ts";
import type { Core, Executor, LoadedProgram } from "./core.ts";
import { framePointerLo, mayGotoPlace } from "./core.ts";
import { FunctionSource } from "./emit-function.ts";
import { regionTag } from "./memory.ts";
import { atomic, divisions, loadSlowly, mulHigh, storeSlowly, swap32 } from "./pairs.ts";

/** A compiled function: r1 to r5 as pairs in, r0's low half out, its high half in `core.hi`. */
type CompiledFunction = (
  r1: number,
  h1: number,
  r2: number,
  h2: number,
  r3: number,
  h3: number,
  r4: number,
  h4: number,
  r5: number,
  h5: number,
) => number;

/** A chunk of a long function: the leader to begin with and the registers in; the leader to go on with out, -1 at the end. */
type CompiledChunk = (leader: number, registers: Int32Array) => number;

/** The functions of a program by the slot they start at; one that wasn't called yet makes itself. */
type CompiledProgram = CompiledFunction[];

/** The most instructions in one JavaScript function: V8 doesn't optimise those of more than 60 kB of its bytecode. */
export const defaultPiece = 350;

let allowed: boolean | null = null;

/** True where JavaScript may be made from text. Asked once. */
export function canCompile(): boolean {
  if (allowed === null) {
    try {
      allowed = new Function("return true")() === true;
    } catch {
      allowed = false;
    }
  }
  return allowed;
}

/** The compiled form of one program, made at its first run: once as it is, once with its path recorded. */
export class CompiledExecutor implements Executor {
  readonly #core: Core;
  readonly #loaded: () => LoadedProgram;
  readonly #piece: number;
  #plain: CompiledProgram | null = null;
  #recording: CompiledProgram | null = null;

  /** `loaded` gives the program this executor belongs to; asked when it is first run. `piece`: the most instructions in one function. */
  constructor(core: Core, loaded: () => LoadedProgram, piece: number) {
    this.#core = core;
    this.#loaded = loaded;
    this.#piece = piece;
  }

  call(entry: number, words: Int32Array): void {
    const program = this.#core.path === null ? this.#plainProgram() : this.#recordingProgram();
    const compiled = program[entry];
    if (compiled === undefined) this.#core.badJump(entry);
    const w = words as unknown as readonly number[] & { readonly length: 12 };
    words[0] = compiled(
      w[2] ?? 0,
      w[3] ?? 0,
      w[4] ?? 0,
      w[5] ?? 0,
      w[6] ?? 0,
      w[7] ?? 0,
      w[8] ?? 0,
      w[9] ?? 0,
      w[10] ?? 0,
      w[11] ?? 0,
    );
    words[1] = this.#core.hi;
  }

  #plainProgram(): CompiledProgram {
    this.#plain ??= compileProgram(this.#core, this.#loaded(), false, this.#piece);
    return this.#plain;
  }

  #recordingProgram(): CompiledProgram {
    this.#recording ??= compileProgram(this.#core, this.#loaded(), true, this.#piece);
    return this.#recording;
  }
}

/** Names that generated source uses for what it calls, in the order of its parameters. */
const runtime = {
  mulHigh,
  swap32,
  ...divisions,
  load: loadSlowly,
  store: storeSlowly,
  atomic,
  /** r10's low half in every frame. */
  FP: framePointerLo,
};

const prelude = [
  '"use strict";',
  "const {memory:M,words:W}=C,T=M.regions,Z=T[0];",
  `const at=(h)=>{const i=(h-${regionTag})|0;return i>=0&&i<T.length?T[i]:Z;};`,
].join("\n");

/** Makes programs: each function, and each chunk of a long one, when it is first needed. */
function compileProgram(core: Core, loaded: LoadedProgram, recordsPath: boolean, piece: number): CompiledProgram {
  const functions: CompiledProgram = [];
  const evaluate = (source: string): unknown =>
    new Function("C", "F", ...Object.keys(runtime), `${prelude}return ${source}`)(
      core,
      functions,
      ...Object.values(runtime),
    );
  for (const entry of loaded.program.entries)
    functions[entry] = (...args) => {
      const source = new FunctionSource(loaded, entry, recordsPath, piece);
      const made =
        source.chunks === 1 ? (evaluate(source.whole()) as CompiledFunction) : inChunks(core, source, entry, evaluate);
      functions[entry] = made;
      return made(...args);
    };
  return functions;
}

/** A long function: goes from chunk to chunk, with the registers in the array of the frame it runs in. */
function inChunks(
  core: Core,
  source: FunctionSource,
  entry: number,
  evaluate: (source: string) => unknown,
): CompiledFunction {
  const chunkOf = new Map<number, number>();
  for (let i = 0; i < source.chunks; i++) for (const leader of source.leadersOf(i)) chunkOf.set(leader, i);
  const chunks: (CompiledChunk | undefined)[] = new Array(source.chunks).fill(undefined);
  return (...args) => {
    const registers = must(core.registerFiles[core.depth], "a frame without registers");
    registers.fill(0);
    registers.set(args, 2);
    registers[20] = framePointerLo;
    registers[21] = core.frameHi;
    registers[mayGotoPlace] = core.mayGotoLimit;
    for (let leader = entry; leader >= 0; ) {
      const index = chunkOf.get(leader) ?? 0;
      let chunk = chunks[index];
      if (chunk === undefined) {
        chunk = evaluate(source.chunk(index)) as CompiledChunk;
        chunks[index] = chunk;
      }
      leader = chunk(leader, registers);
    }
    core.hi = registers[1] ?? 0;
    return registers[0] ?? 0;
  };
}
