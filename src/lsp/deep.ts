// What only a whole compilation knows of a document: what its rules cost in instructions, whether the kernel's verifier takes it, how its
// tests end. A job and its results are plain values, since they go to a worker thread and come from it (deep-schedule.ts, stdio.ts).
// Knows no threads.

import type * as base from "../base/diagnostic.ts";
import { SourceFile, type Span } from "../base/source.ts";
import type { KernelVersion } from "../bpf/kernel.ts";
import { type CompileHost, type CompileOutput, compile } from "../compile.ts";
import { libraryFiles, libraryHeaders } from "../library.ts";
import { runTest } from "../testing/run-test.ts";
import { imagesOf } from "../testing/session.ts";
import { lineAt } from "./ranges.ts";
import type { Analysed } from "./workspace.ts";

/** A document to be compiled, with all that it reads: every text once, and what names which. */
export interface DeepJob {
  readonly path: string;
  /** The texts of the document and of what it imports, by path. */
  readonly texts: readonly (readonly [path: string, text: string])[];
  /** What each name written in a file stands for: a path, or why it can't be read. */
  readonly reads: readonly DeepRead[];
}

/** One name of a file in a file. */
export interface DeepRead {
  readonly from: string;
  readonly written: string;
  readonly found: { readonly path: string } | { readonly error: string };
}

/** The results of compiling a document and running its tests. Lines count from 0. */
export interface DeepResult {
  readonly diagnostics: readonly DeepDiagnostic[];
  readonly programs: readonly DeepProgram[];
  readonly tests: readonly DeepTest[];
  /** A fault of ours, for the log; null where all went well. */
  readonly fault: string | null;
}

/** A diagnostic whose places name their files by path. */
export interface DeepDiagnostic extends Omit<base.Diagnostic, "primary" | "secondary" | "fix"> {
  readonly primary: DeepLabel | null;
  readonly secondary: readonly DeepLabel[];
}

interface DeepLabel {
  readonly path: string;
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** What is known of one compiled program. */
export interface DeepProgram {
  readonly name: string;
  /** 8-byte slots, as the kernel counts instructions. */
  readonly instructions: number;
  readonly stackBytes: number;
  /** The instructions that the kernel's verifier follows over all paths; null where that isn't known. */
  readonly processed: number | null;
  readonly minimumKernel: KernelVersion;
  readonly reasons: readonly string[];
  /** What each line of each file costs, by path and line. */
  readonly lines: readonly DeepLine[];
}

/** What one line of rules became. */
export interface DeepLine {
  readonly path: string;
  readonly line: number;
  readonly instructions: number;
  /** How many of the steps of the kernel's verifier are spent on it; null where that isn't known. */
  readonly processed: number | null;
}

/** How a test ended. */
export interface DeepTest {
  readonly title: string;
  /** The line of the test's title. */
  readonly line: number;
  /** Why it failed; null: it passed. */
  readonly failure: { readonly message: string; readonly line: number } | null;
}

/** The job for a document. */
export function deepJob({ source, analysis, reads }: Analysed): DeepJob {
  const own = analysis.followed.files.filter((file) => libraryFiles.get(file.path.slice("<std>/".length)) !== file);
  return {
    path: source.path,
    texts: own.map((file) => [file.path, file.text] as const),
    reads: reads.map(({ from, written, found }) => ({
      from: from.path,
      written,
      found: typeof found === "string" ? { error: found } : { path: found.path },
    })),
  };
}

/** Compiles a document and runs its tests; never throws. Takes as long as that takes. */
export function runDeep(job: DeepJob): DeepResult {
  const nothing = { diagnostics: [], programs: [], tests: [], fault: null };
  const sources = new Map(job.texts.map(([path, text]) => [path, new SourceFile(path, text)]));
  const main = sources.get(job.path);
  if (main === undefined) return nothing;
  let diagnostics: readonly DeepDiagnostic[] = [];
  let programs: readonly DeepProgram[] = [];
  try {
    const settings = { cpu: "v3", kernel: null, optimise: 2, defines: new Map() } as const;
    const result = compile(main, { host: hostOf(job, sources), ...settings });
    diagnostics = result.diagnostics.map(plain);
    const { output } = result;
    if (output === null) return { ...nothing, diagnostics };
    programs = output.programs.map((report) => ({
      ...report,
      lines: report.lines().map(({ file, line, ...cost }) => ({ path: file, line: line - 1, ...cost })),
    }));
    return { diagnostics, programs, tests: testsOf(output), fault: null };
  } catch (error) {
    const fault = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { ...nothing, diagnostics, programs, fault };
  }
}

function testsOf(output: CompileOutput): readonly DeepTest[] {
  const { tests } = output.model;
  if (tests.length === 0) return [];
  const compiled = { images: imagesOf(output.object), model: output.model };
  return tests.map((test) => {
    const { failure } = runTest(test, compiled, () => null);
    const line = lineAt(test.span.file, test.span.start);
    if (failure === null) return { title: test.title, line, failure };
    const message = [failure.message, ...failure.details].join("\n");
    return { title: test.title, line, failure: { message, line: lineAt(failure.span.file, failure.span.start) } };
  });
}

function hostOf(job: DeepJob, sources: ReadonlyMap<string, SourceFile>): CompileHost {
  const reads = new Map(job.reads.map(({ from, written, found }) => [`${from}\0${written}`, found]));
  return {
    library: (name) => libraryFiles.get(name) ?? null,
    libraryHeaders,
    read(written, from) {
      const found = reads.get(`${from.path}\0${written}`) ?? { error: "no such file or directory" };
      if ("error" in found) return found;
      const source = sources.get(found.path);
      return source === undefined ? { error: "no such file or directory" } : { source };
    },
  };
}

function plain({ primary, secondary, fix: _, ...rest }: base.Diagnostic): DeepDiagnostic {
  const label = ({ span, text }: base.Label): DeepLabel => ({
    path: span.file.path,
    start: span.start,
    end: span.end,
    text,
  });
  return { ...rest, primary: primary === null ? null : label(primary), secondary: secondary.map(label) };
}

/** The diagnostics of a result, at their places in the texts of the analysis whose job it was. */
export function deepDiagnostics(result: DeepResult, { source, analysis }: Analysed): readonly base.Diagnostic[] {
  const files = new Map(analysis.followed.files.map((file) => [file.path, file]));
  const label = ({ path, start, end, text }: DeepLabel): base.Label => {
    const span: Span = { file: files.get(path) ?? source, start, end };
    return { span, text };
  };
  return result.diagnostics.map((d) => ({
    ...d,
    primary: d.primary === null ? null : label(d.primary),
    secondary: d.secondary.map(label),
    fix: null,
  }));
}
