// The fast executor: a program becomes JavaScript source, one function for each of its own, registers as pairs of int32 variables, and
// the engine's optimiser does the rest. Same meaning as interpret.ts, which a property test holds it to. Every memory access is
// still checked; the source holds only numbers and fixed words, never text of the program's. Where making code at run time is
// forbidden (a page's content security policy), `canCompile` says so and the machine interprets.

import type { Core, Executor, LoadedProgram } from "./core.ts";
import { framePointerLo } from "./core.ts";
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

/** The functions of a program by the slot they start at. */
type CompiledProgram = ReadonlyMap<number, CompiledFunction>;

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
  #plain: CompiledProgram | null = null;
  #recording: CompiledProgram | null = null;

  /** `loaded` gives the program this executor belongs to; asked when it is first run. */
  constructor(core: Core, loaded: () => LoadedProgram) {
    this.#core = core;
    this.#loaded = loaded;
  }

  call(entry: number, words: Int32Array): void {
    const program = this.#core.path === null ? this.#plainProgram() : this.#recordingProgram();
    const compiled = program.get(entry);
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
    this.#plain ??= compileProgram(this.#core, this.#loaded(), false);
    return this.#plain;
  }

  #recordingProgram(): CompiledProgram {
    this.#recording ??= compileProgram(this.#core, this.#loaded(), true);
    return this.#recording;
  }
}

/** The source text of a program: a function body that returns its functions as [slot, function] pairs. */
export function programSource(loaded: LoadedProgram, recordsPath: boolean): string {
  const { entries } = loaded.program;
  const functions = entries.map((entry) => new FunctionSource(loaded, entry, recordsPath).text());
  return [
    '"use strict";',
    "const {memory:M,words:W}=C,T=M.regions,Z=T[0];",
    `const at=(h)=>{const i=(h-${regionTag})|0;return i>=0&&i<T.length?T[i]:Z;};`,
    ...functions,
    `return [${entries.map((entry) => `[${entry},f${entry}]`).join(",")}];`,
  ].join("\n");
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

function compileProgram(core: Core, loaded: LoadedProgram, recordsPath: boolean): CompiledProgram {
  const make = new Function("C", ...Object.keys(runtime), programSource(loaded, recordsPath));
  const functions: unknown = make(core, ...Object.values(runtime));
  return new Map(functions as [number, CompiledFunction][]);
}
