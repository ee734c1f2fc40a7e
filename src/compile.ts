// compile(source, options): the list of passes and nothing else. Source → tokens → AST → names, types, presence → IR →
// passes → BPF instructions → object. No file access: texts come through `options.host`, results go back as values, so
// it runs in a browser too.

import { frontHalf, type Step } from "./analyse.ts";
import { InternalError } from "./base/assert.ts";
import type { Diagnostic } from "./base/diagnostic.ts";
import { errorAt } from "./base/diagnostic.ts";
import type { SourceFile, Span } from "./base/source.ts";
import { printAsm } from "./bpf/asm.ts";
import { xdpMd } from "./bpf/context.ts";
import { slotsOf } from "./bpf/insn.ts";
import {
  beyondKernel,
  type CpuLevel,
  type KernelFeatureName,
  type KernelVersion,
  minimumKernel,
  type ProgramNeeds,
} from "./bpf/kernel.ts";
import type { BpfMap, BpfObject, BpfProgram } from "./bpf/object.ts";
import { generate } from "./codegen/generate.ts";
import { writeObject } from "./elfwriter/write.ts";
import { headerText } from "./emit-header.ts";
import { beyondMap, readsBeyond } from "./ir/beyond.ts";
import type { Context } from "./ir/context.ts";
import { deepestRules, longestRules } from "./ir/costs.ts";
import { eventTypes } from "./ir/event-types.ts";
import type { GlobalSymbol, Header, HModule, HProgram, MapSymbol } from "./ir/hir.ts";
import type { HFill, HTest } from "./ir/hir-test.ts";
import type { IrFunction } from "./ir/ir.ts";
import { btfInt, btfOf } from "./ir/layout.ts";
import { lintProgram } from "./ir/lints.ts";
import { DataPool } from "./ir/lower/data-pool.ts";
import { lowerProgram } from "./ir/lower/lower.ts";
import { planParsing } from "./ir/lower/parse-plan.ts";
import * as messages from "./ir/messages.ts";
import { optimise } from "./ir/passes/pipeline.ts";
import { printIr } from "./ir/print.ts";
import { type ProbedBlock, probe } from "./ir/probes.ts";
import { validate } from "./ir/validate.ts";
import { type LineCost, lineCosts } from "./line-costs.ts";
import { verifyObject } from "./verify.ts";

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
  /** Holds the IR to its rules after lowering and after every pass. For tests: it takes long, and what breaks a rule is a bug of ours. */
  readonly checkEachPass?: boolean;
  /** What a run sets up before its first packet: statements as in a test (`ports = { 80 }`), typed like those; see CompileModel.setUp. */
  readonly setUp?: readonly string[];
  /** Counts how often each rule is reached, in globals of the object's own: see CompileModel.probes. */
  readonly probes?: boolean;
  /** False: don't ask the checker whether the kernel would accept the programs. */
  readonly verify?: boolean;
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
  /** The text of `--emit header`: maps, globals and events for C and C++. */
  readonly header: () => string;
  readonly programs: readonly ProgramReport[];
  readonly model: CompileModel;
}

/** What those who run the programs need to know of their source. */
export interface CompileModel {
  readonly headers: readonly Header[];
  /** The config values that hold the indexes of devices which rules name. */
  readonly devices: readonly GlobalSymbol[];
  readonly tests: readonly HTest[];
  /** What the option `setUp` says. */
  readonly setUp: readonly HFill[];
  /** Where each global lies in its section, in bytes. */
  readonly offsetOf: (global: GlobalSymbol) => number;
  /** With the option `probes`: by program what counts how often its rules are reached. */
  readonly probes: ReadonlyMap<string, ProbedBlock>;
}

/** Figures of one program, for `-v`. */
export interface ProgramReport {
  readonly name: string;
  readonly section: string;
  /** 8-byte slots, as the kernel counts instructions. */
  readonly instructions: number;
  readonly stackBytes: number;
  /** The instructions that the kernel's verifier follows over all paths; null where that wasn't checked. */
  readonly processed: number | null;
  readonly minimumKernel: KernelVersion;
  /** What needs that kernel, with the source of each fact. */
  readonly reasons: readonly string[];
  /** What each line of the sources became. */
  readonly lines: () => readonly LineCost[];
}

/** Compiles a rule file. User faults come back as diagnostics; an InternalError is a bug of ours. */
export function compile(source: SourceFile, options: CompileOptions): CompileResult {
  const step = stepper(options);
  const { ctx, followed, module, setUp } = frontHalf(source, options, step);
  const failed = { diagnostics: ctx.diagnostics.all, output: null, files: followed.files };
  if (ctx.diagnostics.hasErrors) return failed;

  const probed = options.probes === true ? module.programs.map((p, i) => probe(p, `xdpc_${i}_`)) : [];
  const data = new DataPool([...module.globals, ...probed.flatMap((p) => p.symbols)]);
  const sources = probed.length > 0 ? probed.map((p) => p.program) : module.programs;
  const compiled = sources.map((program) => compileProgram(program, module, data, options, ctx, step));
  const programs = compiled.filter((c) => c !== null);
  if (ctx.diagnostics.hasErrors || programs.length !== compiled.length) return failed;

  const copies = programs.some((p) => readsBeyond(p.fn)) ? [beyondMap(data.copiedBytes, fileSpan(source))] : [];
  const made: BpfObject = {
    license: module.license,
    programs: programs.map((p) => p.program),
    maps: [...module.maps, ...copies].map(mapOf),
    data: data.sections(),
    types: eventTypes(module),
  };
  const placed = [...module.programs, ...module.maps];
  const spanOf = (name: string): Span => placed.find((one) => one.name === name)?.span ?? fileSpan(source);
  const verdicts =
    options.verify === false ? [] : step("check", null, () => verifyObject(made, spanOf, followed.files));
  for (const { diagnostic } of verdicts) if (diagnostic !== null) ctx.diagnostics.add(diagnostic);
  if (ctx.diagnostics.hasErrors) return failed;
  const object = step("object", null, () => writeObject(made));
  const reports = programs.map(({ program, stackBytes, needs }): ProgramReport => {
    const { minimum, reasons } = minimumKernel(needs);
    const verdict = verdicts.find((v) => v.program === program.name) ?? null;
    return {
      name: program.name,
      section: program.section,
      instructions: program.insns.reduce((sum, insn) => sum + slotsOf(insn), 0),
      stackBytes,
      processed: verdict?.report.processed ?? null,
      minimumKernel: minimum as KernelVersion,
      reasons: reasons.map((r) => `Linux ${r.kernel} for ${r.what} (${r.source})`),
      lines: () => lineCosts(program, verdict?.report.visits ?? null),
    };
  });
  const asm = (): string => programs.map(({ program }) => asmText(program)).join("\n");
  const ir = (): string => programs.map(({ fn }) => printIr(fn)).join("\n");
  const header = (): string => headerText(module, source.path, (global) => data.offsetOf(global));
  const model: CompileModel = {
    headers: module.headers.filter((header) => header.outer === null),
    devices: module.globals.filter((g) => g.device !== undefined),
    tests: module.tests,
    setUp,
    offsetOf: (global) => data.offsetOf(global),
    probes: new Map(probed.map((p) => [p.program.name, p.rules])),
  };
  return {
    diagnostics: ctx.diagnostics.all,
    output: { object, asm, ir, header, programs: reports, model },
    files: followed.files,
  };
}

function fileSpan(file: SourceFile): Span {
  return { file, start: 0, end: file.text.length };
}

/** Runs a pass and tells the observer, if there is one. */
function stepper(options: CompileOptions): Step {
  const { observe } = options;
  if (observe === undefined) return (_pass, _program, run) => run();
  return (pass, program, run, dump) => {
    const start = performance.now();
    const result = run();
    observe({ pass, program, milliseconds: performance.now() - start, dump: () => dump?.(result) ?? "" });
    return result;
  };
}

interface CompiledProgram {
  readonly program: BpfProgram;
  readonly fn: IrFunction;
  readonly stackBytes: number;
  readonly needs: ProgramNeeds;
}

/** One program from its typed form to instructions; null when it can't be, with a diagnostic. */
function compileProgram(
  program: HProgram,
  module: HModule,
  data: DataPool,
  options: CompileOptions,
  ctx: Context,
  step: Step,
): CompiledProgram | null {
  const plan = planParsing(program.body, module.headers);
  lintProgram(ctx, program, plan);
  const lowered = step("lower", program.name, () => lowerProgram(program, plan, data), printIr);
  if (options.checkEachPass === true) check(lowered, "lower");
  let last = performance.now();
  const fn = optimise(lowered, options.optimise, (pass, result) => {
    if (options.checkEachPass === true) check(result, pass);
    const now = performance.now();
    options.observe?.({ pass, program: program.name, milliseconds: now - last, dump: () => printIr(result) });
    last = performance.now();
  });
  const code = step(
    "generate",
    program.name,
    () => generate(fn, { cpu: options.cpu }),
    (g) => (g.kind === "code" ? printAsm(g) : ""),
  );
  if (code.kind === "stack") {
    ctx.diagnostics.add(messages.tooMuchStack(program.span, program.name, code.bytes, 512, deepestRules(fn)));
    return null;
  }
  if (code.kind === "size") {
    ctx.diagnostics.add(
      errorAt(program.span, "X0604", `program \`${program.name}\` is too long: ${code.slots} instructions`, {
        secondary: longestRules(fn),
        help: "the kernel takes 1,000,000; put values that differ into a set or map",
      }),
    );
    return null;
  }
  const needs: ProgramNeeds = {
    ...needsOf(fn),
    insns: code.insns,
    maps: module.maps.map((m) => ({ name: m.name, kind: m.mapKind })),
    section: program.section,
  };
  if (options.kernel !== null) {
    for (const reason of beyondKernel(needs, options.kernel)) {
      ctx.diagnostics.add(messages.needsKernel(program.span, program.name, options.kernel, reason));
    }
  }
  const made: BpfProgram = {
    name: program.name,
    section: program.section,
    insns: code.insns,
    lines: code.lines,
    result: { kind: "int", name: "int", bytes: 4, signed: true, bool: false },
    parameters: [{ name: "ctx", type: { kind: "pointer", to: xdpMd } }],
    runConfig: program.runConfig,
  };
  return { program: made, fn, stackBytes: code.stackBytes, needs };
}

/** **Source:** Linux include/uapi/linux/bpf.h, BPF_F_BROADCAST. */
const BROADCAST = 1n << 3n;

/** What the IR tells of a program's needs and its instructions no longer do. */
function needsOf(fn: IrFunction): Pick<ProgramNeeds, "features" | "contextFields"> {
  const insns = fn.blocks.flatMap((block) => block.insns);
  const contextFields = new Set(insns.flatMap((insn) => (insn.op === "ctxLoad" ? [insn.field] : [])));
  const redirects = insns.flatMap((insn) => (insn.op === "call" && insn.helper === "redirect_map" ? [insn] : []));
  const features: KernelFeatureName[] = redirects.length > 0 ? ["redirectFallback"] : [];
  const constants = new Map(insns.flatMap((insn) => (insn.op === "const" ? [[insn.id, insn.value] as const] : [])));
  const floods = redirects.some(({ args }) => ((constants.get(args[2] ?? -1) ?? 0n) & BROADCAST) !== 0n);
  if (floods) features.push("broadcast");
  return { features, contextFields: [...contextFields] };
}

/** Between passes the IR's rules must hold; a breach is a bug of the pass. */
function check(fn: IrFunction, pass: string): void {
  const problems = validate(fn);
  if (problems.length > 0) throw new InternalError(`after ${pass}: ${problems.slice(0, 3).join("; ")}`);
}

function mapOf(map: MapSymbol): BpfMap {
  const { name, mapKind, maxEntries, flags, pinned } = map;
  const indexed = mapKind === "array" || mapKind === "percpu_array";
  const key = indexed ? btfInt(32) : map.key === null ? null : btfOf(map.key, `${name}_key`);
  const value = map.value === null ? null : btfOf(map.value, `${name}_value`);
  const inner = map.inner === undefined ? null : mapOf(map.inner);
  const parts = inner === null ? {} : { inner };
  const programs =
    map.programs === undefined ? {} : { programs: map.programs.map(({ index, program }) => ({ index, program })) };
  return { name, kind: mapKind, key, value, maxEntries, flags, pinned, ...parts, ...programs };
}

function asmText(program: BpfProgram): string {
  return `${program.name}:  # section ${program.section}\n${printAsm(program)}`;
}
