// `xdpc check FILE…`: asks the checker about every program of every file and tells the verdicts, a refusal with all that is needed
// to mend it. Rules are compiled first. Reading and telling only: what the kernel would say is src/checker's.

import { utf8 } from "../base/bytes.ts";
import { decode } from "../bpf/decode.ts";
import type { ProgramImage } from "../bpf/image.ts";
import { beyondKernel, type KernelReason, minimumKernel, type ProgramNeeds } from "../bpf/kernel.ts";
import { mapKindByNumber } from "../bpf/maps.ts";
import { checkProgram } from "../checker/check.ts";
import { lineAt, type ToldFault, type ToldStep, tellFault } from "../checker/messages.ts";
import type { Verdict } from "../checker/verdict.ts";
import { compile } from "../compile.ts";
import { linkObject } from "../elfwriter/link.ts";
import { linkFaultText } from "../elfwriter/link-fault.ts";
import { faultText } from "../elfwriter/object-file.ts";
import { readObject } from "../elfwriter/read.ts";
import type { CheckRequest } from "./check-options.ts";
import type { Manner } from "./command.ts";
import { CliFailure, EXIT } from "./failure.ts";
import { openDescriptorOf, openFileHost } from "./host.ts";
import { possibleCpus } from "./possible-cpus.ts";
import { readBinary } from "./read-binary.ts";
import type { Reporter } from "./report.ts";
import type { System } from "./system.ts";
import { withoutDevices } from "./warnings.ts";

/** What is told of one program; `--json` prints it as it stands. */
interface Told {
  readonly file: string;
  readonly program: string;
  readonly section: string;
  readonly verdict: Verdict;
  /** Why it isn't accepted; empty when it is. */
  readonly message: string;
  /** The refused instruction's slot, from 0. */
  readonly insn: number | null;
  /** The source line it was made from. */
  readonly line: number | null;
  readonly processed: number;
  readonly stackBytes: number;
  readonly minKernel: string | null;
  readonly ms: number;
}

/** A verdict with what only people are told. */
interface Answer {
  readonly told: Told;
  readonly fault: ToldFault | null;
  readonly reasons: readonly KernelReason[];
}

/** Steps of the way to a fault that are shown. */
const STEPS_SHOWN = 8;

/**
 * Checks and returns the exit code: 0, 1 for a refusal, 3 where only unknown verdicts spoil it, 2 when a file can't be checked; the
 * others are nevertheless.
 */
export function runCheck(
  request: CheckRequest & { readonly manner: Manner },
  system: System,
  reporter: Reporter,
): number {
  let worst: Verdict = "accept";
  let failed = false;
  for (const file of request.files) {
    try {
      const bytes = objectOf(file, request, system, reporter);
      if (bytes === null) worst = "reject";
      else {
        for (const answer of answersOf(file, bytes, request)) {
          const { verdict } = answer.told;
          if (verdict === "reject" || worst === "accept") worst = verdict;
          const text = request.manner.json ? JSON.stringify(answer.told) : inWords(answer);
          // Nobody reads any more: what is left needn't be checked.
          if (!system.write(1, utf8(`${text}\n`))) return exitCode(worst, failed);
        }
      }
    } catch (error) {
      if (!(error instanceof CliFailure)) throw error;
      reporter.info("failure", { message: error.message }, `xdpc: ${error.message}`);
      failed = true;
    }
  }
  return exitCode(worst, failed);
}

function exitCode(worst: Verdict, failed: boolean): number {
  if (failed) return EXIT.usage;
  return worst === "accept" ? EXIT.fine : worst === "reject" ? EXIT.diagnostics : EXIT.unknown;
}

const ELF_MAGIC = [0x7f, 0x45, 0x4c, 0x46];

/** A file's bytes where it is an object, else the object its rules make; null when they have faults, which are told. */
function objectOf(file: string, request: CheckRequest, system: System, reporter: Reporter): Uint8Array | null {
  const bytes = readBinary(file, system);
  if (ELF_MAGIC.every((byte, i) => bytes[i] === byte)) return bytes;
  if (/\.o$/.test(file)) throw new CliFailure(`${file} is not an object: it doesn't begin as an ELF file`);
  // A pipe is read once.
  const readStdin = (limitBytes: number): Uint8Array => bytes.subarray(0, limitBytes + 1);
  const host = openFileHost(openDescriptorOf(file) === null ? file : "-", request.importDirs, { ...system, readStdin });
  const { source, diagnostics } = host.main;
  // The checker's verdict is what is asked for: it isn't a fault of the compilation here.
  const options = { host, cpu: "v3", kernel: null, optimise: 2, defines: request.defines, verify: false } as const;
  const result = diagnostics.length > 0 ? { diagnostics, output: null } : compile(source, options);
  for (const diagnostic of withoutDevices(result.diagnostics)) reporter.diagnostic(diagnostic);
  return result.output?.object ?? null;
}

function* answersOf(file: string, bytes: Uint8Array, request: CheckRequest): Generator<Answer> {
  const { object, faults } = readObject(bytes);
  if (object === undefined) throw new CliFailure(`can't check ${file}: ${faults.map(faultText).join("; ")}`);
  const linked = linkObject(object);
  for (const fault of linked.faults) {
    const program = fault.program ?? "";
    const none = { insn: null, line: null, processed: 0, stackBytes: 0, minKernel: null, ms: 0 };
    const message = `can't be loaded: ${linkFaultText(fault)}`;
    const told = { file, program, section: fault.section ?? "", verdict: "reject", message, ...none } as const;
    yield { told, fault: null, reasons: [] };
  }
  if (linked.images.length === 0 && linked.faults.length === 0) {
    const others = linked.others.map((o) => `${o.name} is ${o.reason}`).join("; ");
    throw new CliFailure(`${file} has no XDP program${others === "" ? "" : ` (${others})`}`);
  }
  for (const image of linked.images) yield answer(file, image, request);
}

function answer(file: string, image: ProgramImage, request: CheckRequest): Answer {
  const start = performance.now();
  const report = checkProgram(image, { possibleCpus: possibleCpus() });
  const ms = Math.round((performance.now() - start) * 1000) / 1000;
  const needs = needsOf(image);
  const minKernel = needs === null ? null : minimumKernel(needs).minimum;
  const reasons = needs === null || request.kernel === null ? [] : beyondKernel(needs, request.kernel);
  const fault = report.fault === null ? null : tellFault(image, report.fault);
  const tooOld = report.verdict !== "reject" && reasons.length > 0;
  const message =
    fault !== null
      ? fault.message
      : tooOld
        ? `needs Linux ${reasons[0]?.kernel} for ${reasons[0]?.what}, not just ${request.kernel}`
        : report.unknown.map((what) => `not modelled: ${what}`).join("; ");
  const insn = report.fault?.slot ?? null;
  const told: Told = {
    file,
    program: image.name,
    section: image.section,
    verdict: tooOld ? "reject" : report.verdict,
    message,
    insn,
    line: insn === null ? null : (lineAt(image, insn)?.line ?? null),
    processed: report.processed,
    stackBytes: report.stackBytes,
    minKernel,
    ms,
  };
  return { told, fault, reasons: tooOld ? reasons : [] };
}

/** What a program needs of a kernel; null where its bytes are no instructions. */
function needsOf(image: ProgramImage): ProgramNeeds | null {
  const decoded = decode(image.code);
  if (decoded.kind !== "insns") return null;
  const maps = image.maps.flatMap(({ name, type, valueBytes, data }) => {
    const kind = mapKindByNumber(type);
    return kind === null || data !== null ? [] : [{ name, kind, valueBytes }];
  });
  const features = image.maps.some((map) => map.data !== null) ? (["globalData"] as const) : [];
  // The section's name is any loader's; what the program is attached to says what it needs.
  const frags = image.frags ? "xdp.frags" : "xdp";
  const section = image.attach === "device" ? frags : `${frags}/${image.attach}`;
  return { insns: decoded.insns, maps, section, features, kernelFunctions: image.kfuncs };
}

// --------------------------------------------------------------------------------------------------------------- for people

function inWords({ told, fault, reasons }: Answer): string {
  const { file, program, section, verdict, message, processed, stackBytes, minKernel } = told;
  const name = program === "" ? file : `${file}: program ${program} (${section})`;
  const figures = [`${processed} instructions followed`, `${stackBytes} bytes of stack`];
  if (minKernel !== null) figures.push(`Linux ${minKernel} or later`);
  const head = `${name}: ${verdict}${verdict === "accept" ? "" : `: ${message}`}`;
  if (verdict === "accept") return printable(`${head}, ${figures.join(", ")}`);
  const lines = [head, ...reasons.slice(1).map((r) => `  and Linux ${r.kernel} for ${r.what} (${r.source})`)];
  if (fault !== null) lines.push(...faultLines(fault, told.insn));
  return lines.map(printable).join("\n");
}

/** Names and lines of a stranger's file reach a terminal: control characters are shown, not sent. */
function printable(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return line.replace(/[\0-\x1f\x7f-\x9f]/g, (c) =>
    c === "\t" ? " " : `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

function faultLines(fault: ToldFault, insn: number | null): string[] {
  const lines: string[] = [];
  const { line, calls, known, help } = fault;
  if (line !== null) {
    const number = String(line.line);
    lines.push(`  ${" ".repeat(number.length)}--> ${line.file}:${number}`, `   ${number} | ${line.text.trimEnd()}`);
  } else if (insn !== null) lines.push(`  --> instruction ${insn}`);
  for (const call of calls)
    if (call !== null) lines.push(`  called from ${call.file}:${call.line}: ${call.text.trim()}`);
  for (const what of known) lines.push(`  = ${what}`);
  lines.push(...wayLines(fault.path));
  if (help !== null) lines.push(`  = help: ${help}`);
  return lines;
}

/** The conditions on the way, one line for each source line in a row, the last ones of many. */
function wayLines(path: readonly ToldStep[]): string[] {
  const steps: string[] = [];
  for (const { slot, taken, line } of path) {
    const where = line === null ? `instruction ${slot}` : `line ${line.line}: ${line.text.trim()}`;
    const step = `${where}  (instruction ${slot}: ${taken ? "jumps" : "goes on"})`;
    if (steps.at(-1) !== step) steps.push(step);
  }
  if (steps.length === 0) return [];
  const shown = steps.slice(-STEPS_SHOWN);
  const left = steps.length - shown.length;
  const before = left === 0 ? [] : [`      … ${left} conditions before`];
  return ["  = the way there:", ...before, ...shown.map((step) => `      ${step}`)];
}
