// The package's public interface: compile rules, read objects, run them on packets, draw messages, all without files, so that it
// runs in a browser too. What isn't exported here may change without notice.

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
export type { LoadedObject, ObjectProgram, PacketResult } from "./load-object.ts";
export { loadObject, ObjectError } from "./load-object.ts";
export { memoryHost } from "./memory-host.ts";
export type { MapEvent, ObjectMap, UpdateMode } from "./object-map.ts";
export type { MapInput, MapOutput } from "./value-codec.ts";
export { ValueError } from "./value-codec.ts";
export type { Destination } from "./vm/destination.ts";
export type { FaultKind } from "./vm/fault.ts";
export { MachineFault } from "./vm/fault.ts";
export type { RunOptions, RunResult } from "./vm/machine.ts";
export type { NetworkDescription, NetworkDevice, NetworkNeighbour, NetworkRoute } from "./vm/network.ts";
export { NetworkError } from "./vm/network.ts";
export type { CapturedPacket, CaptureFaultKind } from "./vm/pcap.ts";
export { CaptureFault } from "./vm/pcap.ts";
export { CaptureReader, readCapture } from "./vm/pcap-read.ts";
export type { CaptureWriterOptions } from "./vm/pcap-write.ts";
export { CaptureWriter } from "./vm/pcap-write.ts";
export type { StandardOptions as MachineOptions } from "./vm/standard.ts";
export { MapError, StandardMachine as Machine } from "./vm/standard.ts";
