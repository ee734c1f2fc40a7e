// The package's public interface: compile rules, read objects, draw messages, all without files, so that it runs in a browser
// too. What isn't exported here may change without notice.

export type { Diagnostic, Fix, Label, Severity } from "./base/diagnostic.ts";
export type { JsonDiagnostic, JsonPlace, RenderOptions } from "./base/render.ts";
export { diagnosticToJson, renderDiagnostic } from "./base/render.ts";
export type { Position, Span } from "./base/source.ts";
export { SourceFile } from "./base/source.ts";
export type { CpuLevel } from "./bpf/isa.ts";
export type { KernelVersion } from "./bpf/kernel.ts";
export type { CompileHost, CompileOptions, CompileOutput, CompileResult, PassEvent, ProgramReport } from "./compile.ts";
export { compile } from "./compile.ts";
export { disassembleObject } from "./elfwriter/disasm-object.ts";
export type { ObjectFile, ReadResult } from "./elfwriter/object-file.ts";
export { readObject } from "./elfwriter/read.ts";
export { memoryHost } from "./memory-host.ts";
