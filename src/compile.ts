// compile(source, options): the list of passes and nothing else. Source → tokens → AST → names, types, presence → IR →
// passes → BPF instructions → object. No file access: texts come through `options.host`, results go back as values, so
// it runs in a browser too.

import { InternalError } from "./base/assert.ts";
import type { Diagnostic } from "./base/diagnostic.ts";
import type { SourceFile } from "./base/source.ts";
import type { CpuLevel, KernelVersion } from "./bpf/kernel.ts";

/** How the compiler gets the texts a file names: the command line reads files, a test or a browser has a table. */
export interface CompileHost {
  /** The library's file of that name (`eth.xdp`, `bridge.xdp`), or null. */
  library(name: string): SourceFile | null;
  /** Names of all library files that declare headers; they are known in every file without an import. */
  readonly libraryHeaders: readonly string[];
  /**
   * The text `path` (as written) names in the file `from`. `error` says why not, for people: "no such file", "is a directory",
   * "is not a regular file", "is over 16 MiB", "is not UTF-8". The path of the SourceFile is the resolved one: equal paths are one file.
   */
  read(path: string, from: SourceFile): { readonly source: SourceFile } | { readonly error: string };
}

/** What may be asked of the compiler. */
export interface CompileOptions {
  readonly host: CompileHost;
  readonly cpu: CpuLevel;
  /** Refuse what an older kernel than this lacks; null: no floor. */
  readonly kernel: KernelVersion | null;
  readonly optimise: 0 | 2;
  /** `-D NAME=VALUE`: replaces the values of consts; the value is an expression of the language. */
  readonly defines: ReadonlyMap<string, string>;
  /** Called with a pass's name and what it made: the IR as text, and how long it took in milliseconds. */
  readonly observe?: (event: PassEvent) => void;
}

/** One pass has run. `dump` makes the text of its result (IR, assembly, AST); it is called only when wanted. */
export interface PassEvent {
  readonly pass: string;
  /** The program it worked on, or null for a pass over the whole file. */
  readonly program: string | null;
  readonly milliseconds: number;
  readonly dump: () => string;
}

/** What the compiler found and made. */
export interface CompileResult {
  readonly diagnostics: readonly Diagnostic[];
  /** null when there are errors. */
  readonly output: CompileOutput | null;
  /** Every file that was read, the main one first, in the order of reading: for `-MD` and the editor. */
  readonly files: readonly SourceFile[];
}

/** A compiled object and what may be shown of it. */
export interface CompileOutput {
  readonly object: Uint8Array;
  /** The text of `--emit asm`: instructions with the rules' lines. */
  readonly asm: () => string;
  /** The text of `--emit ir`: the IR after the last pass. */
  readonly ir: () => string;
  readonly programs: readonly ProgramReport[];
}

/** Figures of one program, for `-v`. */
export interface ProgramReport {
  readonly name: string;
  readonly section: string;
  /** 8-byte slots, as the kernel counts instructions. */
  readonly instructions: number;
  readonly stackBytes: number;
  readonly minimumKernel: KernelVersion;
  /** What needs that kernel, with the source of each fact. */
  readonly reasons: readonly string[];
}

/** Compiles a rule file. User faults come back as diagnostics; an InternalError is a bug of ours. */
export function compile(source: SourceFile, options: CompileOptions): CompileResult {
  throw new InternalError(`compile is being built: ${source.path} ${options.cpu}`);
}
