// The end of every compilation: what the kernel's verifier would say of the programs that were made. A refusal for size, stack or
// complexity is the user's to mend and names the rules that cost most; any other one would be a fault of the code generator, told
// as such. Knows nothing of how programs are made.

import { InternalError } from "./base/assert.ts";
import { type Diagnostic, errorAt, type Label, noteAt } from "./base/diagnostic.ts";
import type { SourceFile, Span } from "./base/source.ts";
import type { ProgramImage } from "./bpf/image.ts";
import type { BpfObject } from "./bpf/object.ts";
import { checkProgram } from "./checker/check.ts";
import { lineAt, tellFault } from "./checker/messages.ts";
import type { CheckReport, FaultReport } from "./checker/verdict.ts";
import { linkFaultText } from "./elfwriter/link-fault.ts";
import { linkOwn } from "./elfwriter/link-own.ts";
import { badSize, tooMuchStack } from "./ir/messages.ts";

/** A program's verdict. */
export interface ProgramVerdict {
  readonly program: string;
  readonly report: CheckReport;
  /** Why it can't be loaded, or that nobody knows; null where it is accepted. */
  readonly diagnostic: Diagnostic | null;
}

/** How many of the costliest lines a message names. */
const LINES_NAMED = 3;

/**
 * Checks the programs of an object of ours. `spanOf` gives the place of a program or map, `files` are the texts its lines are in. Throws an
 * InternalError where the kernel would refuse what the compiler should never have made.
 */
export function verifyObject(
  object: BpfObject,
  spanOf: (name: string) => Span,
  files: readonly SourceFile[],
): ProgramVerdict[] {
  const { images, faults } = linkOwn(object);
  const fault = faults[0];
  if (fault !== undefined) throw new InternalError(`the object can't be loaded: ${linkFaultText(fault)}`);
  return images.map((image) => {
    const report = checkProgram(image);
    return { program: image.name, report, diagnostic: diagnosticOf(image, report, spanOf, files) };
  });
}

function diagnosticOf(
  image: ProgramImage,
  report: CheckReport,
  spanOf: (name: string) => Span,
  files: readonly SourceFile[],
): Diagnostic | null {
  const span = spanOf(image.name);
  if (report.verdict === "unknown") {
    const why = `not modelled: ${report.unknown.join("; ")}`;
    return noteAt(span, "X0608", `whether the kernel accepts program \`${image.name}\` isn't known`, { notes: [why] });
  }
  if (report.fault === null) return null;
  const { fault } = report.fault;
  // Sizes are the rules' matter; all else of a map is the compiler's.
  if (fault.kind === "mapCreation" && fault.why === "tooBig")
    return badSize(
      spanOf(fault.map.name),
      `map \`${fault.map.name}\` is bigger than the kernel makes it: ${fault.map.maxEntries} entries`,
    );
  switch (fault.kind) {
    case "tooComplex":
    case "tooManyBranches":
      return errorAt(
        span,
        "X0607",
        fault.kind === "tooComplex"
          ? `program \`${image.name}\` is too complex: the kernel's verifier gives up after following a million instructions`
          : `program \`${image.name}\` is too complex: the kernel's verifier gives up with ${fault.pending} branches still to follow`,
        {
          secondary: costliest(image, report.visits, files),
          help: "put values that rules compare with into a set or a map, test what few packets have first, or part the program with `tail`",
        },
      );
    case "stackTooDeep":
      return tooMuchStack(span, image.name, fault.bytes, fault.limit, []);
    default:
      throw new InternalError(`the kernel would refuse program ${image.name}: ${refusal(image, report.fault)}`);
  }
}

function refusal(image: ProgramImage, report: FaultReport): string {
  const { message, known, line } = tellFault(image, report);
  const place = line === null ? "" : ` (${line.file}:${line.line}: ${line.text.trim()})`;
  return `${[message, ...known].join("; ")}${place}`;
}

/** The lines most of the verifier's steps were spent on, with their share. */
function costliest(image: ProgramImage, visits: Uint32Array, files: readonly SourceFile[]): Label[] {
  const cost = new Map<string, { readonly span: Span; steps: number }>();
  let all = 0;
  for (const [slot, steps] of visits.entries()) {
    if (steps === 0) continue;
    all += steps;
    const line = lineAt(image, slot);
    const file = files.find((f) => f.path === line?.file);
    if (line === null || file === undefined) continue;
    const key = `${line.line} ${line.file}`;
    const known = cost.get(key);
    if (known === undefined) cost.set(key, { span: lineSpan(file, line.line), steps });
    else known.steps += steps;
  }
  const most = [...cost.values()].sort((a, b) => b.steps - a.steps).slice(0, LINES_NAMED);
  return most.map(({ span, steps }) => ({ span, text: `${Math.round((100 * steps) / all)} % of what it followed` }));
}

function lineSpan(file: SourceFile, line: number): Span {
  const start = file.lineStart(line);
  const text = file.lineText(line);
  const indent = text.length - text.trimStart().length;
  return { file, start: start + indent, end: start + text.trimEnd().length };
}
