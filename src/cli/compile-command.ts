// `xdpc FILE`: reads the rules, compiles them, says what there is to say and writes what was asked for. Nothing is written when
// there are errors. How files are read and written, and how things are said, is known by others.

import path from "node:path";
import { InternalError } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { SourceFile } from "../base/source.ts";
import { nearest } from "../base/suggest.ts";
import type { CompileHost, CompileOutput, PassEvent } from "../compile.ts";
import { compile } from "../compile.ts";
import { readObject } from "../elfwriter/read.ts";
import { libraryFiles, libraryHeaders } from "../library.ts";
import type { CompileRequest, Emit } from "./command.ts";
import { companionObject } from "./companion.ts";
import { CliFailure, EXIT } from "./failure.ts";
import { openFileHost, STDIN_PATH } from "./host.ts";
import { makeRule } from "./make-rule.ts";
import type { OutputFile } from "./output.ts";
import { writeOutputs } from "./output.ts";
import type { Reporter } from "./report.ts";
import { pathsOf } from "./report.ts";
import type { System } from "./system.ts";
import { applyWarningChoices, withoutDevices } from "./warnings.ts";

/** Compiles and returns the exit code. Throws CliFailure for faults of usage and of files. */
export function runCompile(request: CompileRequest, system: System, reporter: Reporter): number {
  if (request.file === null) return listPasses(system);
  const places = outputPlaces(request, request.file);
  if (request.companion !== null && samePlace(request.companion, [places.output, places.deps]))
    throw new CliFailure("--companion names the place of another result; give it one of its own");
  const host = openFileHost(request.file, request.importDirs, system);
  const seenPasses = new Set<string>();
  let ast = "";

  function observe(event: PassEvent): void {
    seenPasses.add(event.pass);
    if (request.verbose) reportPass(event, reporter);
    if (request.dumps.includes(event.pass)) reportDump(event, reporter);
    if (request.emit === "ast" && event.pass === "parse") ast = event.dump();
  }

  const { diagnostics, output, files } =
    host.main.diagnostics.length > 0
      ? { diagnostics: host.main.diagnostics, output: null, files: [host.main.source] }
      : compile(host.main.source, {
          host,
          cpu: request.cpu,
          kernel: request.kernel,
          optimise: request.optimise,
          defines: request.defines,
          verify: request.verify,
          observe,
        });
  // Who asks for the program at the other end knows what it is for.
  const told = request.companion === null ? diagnostics : withoutDevices(diagnostics);
  const said = applyWarningChoices(told, request.warnings);
  for (const diagnostic of said) reporter.diagnostic(diagnostic);
  if (said.some((d) => d.severity === "error")) return EXIT.diagnostics;
  if (output === null) throw new InternalError("the compiler gave neither an object nor an error");
  checkDumpNames(request.dumps, seenPasses);
  if (request.verbose) reportPrograms(output, reporter);
  const outputs: OutputFile[] = [];
  if (places.deps !== null) outputs.push(dependencyFile(places.output, places.deps, request, pathsOf(files)));
  if (request.companion !== null)
    outputs.push({ path: request.companion, bytes: companionObject(request.kernel), binary: true });
  outputs.push({ path: places.output, ...render(request.emit, output, ast) });
  writeOutputs(outputs, system, request.force);
  return EXIT.fine;
}

function render(emit: Emit, output: CompileOutput, ast: string): { bytes: Uint8Array; binary: boolean } {
  switch (emit) {
    case "obj":
      return { bytes: output.object, binary: true };
    case "btf":
      return { bytes: btfSection(output.object), binary: true };
    case "asm":
      return { bytes: utf8(output.asm()), binary: false };
    case "ir":
      return { bytes: utf8(output.ir()), binary: false };
    case "header":
      return { bytes: utf8(output.header()), binary: false };
    case "ast":
      return { bytes: utf8(ast), binary: false };
  }
}

function btfSection(object: Uint8Array): Uint8Array {
  const section = readObject(object).object?.sections.find((s) => s.name === ".BTF");
  if (section === undefined) throw new InternalError("the object has no section .BTF");
  return section.bytes;
}

// ------------------------------------------------------------------------------------------------------- where it all goes

const EXTENSIONS: Readonly<Record<Emit, string>> = { obj: ".o", btf: ".btf", asm: "", ir: "", ast: "", header: "" };

function outputPlaces(request: CompileRequest, file: string): { output: string; deps: string | null } {
  const output = request.output ?? defaultOutput(request, file);
  if (request.deps === null) return { output, deps: null };
  if (request.deps.file !== null) return { output, deps: request.deps.file };
  if (output === "-") throw new CliFailure("-MD needs -MF FILE when the result goes to standard output");
  return { output, deps: withExtension(output, ".d") };
}

function samePlace(place: string, others: readonly (string | null)[]): boolean {
  return others.some(
    (other) =>
      other !== null &&
      (other === "-" || place === "-" ? other === place : path.resolve(other) === path.resolve(place)),
  );
}

function defaultOutput(request: CompileRequest, file: string): string {
  const extension = EXTENSIONS[request.emit];
  if (extension === "" || file === "-") return "-";
  const output = withExtension(file, extension);
  if (output === file) throw new CliFailure(`the result would replace ${file} itself; name another place with -o`);
  return output;
}

function withExtension(file: string, extension: string): string {
  const { dir, name } = path.parse(file);
  return dir === "" ? `${name}${extension}` : `${dir === path.sep ? "" : dir}${path.sep}${name}${extension}`;
}

function dependencyFile(target: string, place: string, request: CompileRequest, paths: readonly string[]): OutputFile {
  // The library's files are part of the compiler and standard input is no file: neither can be newer than the object.
  const files = paths.filter((p) => p !== STDIN_PATH && !p.startsWith("<std>/"));
  try {
    const rule = makeRule(target, files, request.deps?.phony === true);
    return { path: place, bytes: utf8(rule), binary: false };
  } catch (error) {
    if (error instanceof RangeError) throw new CliFailure(error.message);
    throw error;
  }
}

// --------------------------------------------------------------------------------------------------- passes, for -v and --dump

function reportPass(event: PassEvent, reporter: Reporter): void {
  const { pass, program, milliseconds } = event;
  const name = program === null ? pass : `${pass} (${program})`;
  reporter.info("pass", { pass, program, milliseconds }, `${milliseconds.toFixed(2).padStart(9)} ms  ${name}`);
}

function reportDump(event: PassEvent, reporter: Reporter): void {
  const text = event.dump();
  const { pass, program } = event;
  const heading = program === null ? `# after ${pass}` : `# ${program} after ${pass}`;
  reporter.info("dump", { pass, program, text }, `${heading}\n${text}`);
}

function reportPrograms(output: CompileOutput, reporter: Reporter): void {
  for (const program of output.programs) {
    const lines = [
      `program ${program.name} in section ${program.section}: ${program.instructions} instructions, ${program.stackBytes} bytes of stack`,
      ...(program.processed === null ? [] : [`  the kernel's verifier follows ${program.processed} instructions`]),
      `  needs Linux ${program.minimumKernel} or later`,
      ...program.reasons.map((reason) => `    ${reason}`),
    ];
    reporter.info("program", { ...program }, lines.join("\n"));
  }
}

function checkDumpNames(wanted: readonly string[], known: ReadonlySet<string>): void {
  for (const name of wanted) {
    if (known.has(name)) continue;
    const guess = nearest(name, known);
    const hint = guess === null ? "" : `; did you mean ${guess}?`;
    throw new CliFailure(`no pass is named "${name}"${hint} The passes: ${[...known].join(", ")}`);
  }
}

// The passes are what runs: the shortest program goes through all of them.
function listPasses(system: System): number {
  const names = new Set<string>();
  const host: CompileHost = {
    library: (name) => libraryFiles.get(name) ?? null,
    libraryHeaders,
    read: () => ({ error: "there are no files" }),
  };
  compile(new SourceFile("list.xdp", "if tcp then drop\n"), {
    host,
    cpu: "v3",
    kernel: null,
    optimise: 2,
    defines: new Map(),
    observe: ({ pass }) => names.add(pass),
  });
  system.write(1, utf8(`${[...names].join("\n")}\n`));
  return EXIT.fine;
}
