// Marked texts with their analyses, for tests of features that need to know what names stand for.

import { type Analysis, analyse } from "../../src/analyse.ts";
import type { SourceFile } from "../../src/base/source.ts";
import type { CompileHost } from "../../src/compile.ts";
import { memoryHost } from "../../src/memory-host.ts";
import { type Marked, marked } from "./marked.ts";

/** A marked text, analysed; imports are found in `files`. */
export interface AnalysedText extends Marked {
  readonly analysis: Analysis;
  readonly host: CompileHost;
}

/** Analyses a marked text. */
export function analysed(
  withMarks: string,
  files: Readonly<Record<string, string>> = {},
  path = "test.xdp",
): AnalysedText {
  const marks = marked(withMarks, path);
  const host = memoryHost(files);
  const analysis = analyse(marks.source, host);
  if (analysis.fault !== null) throw analysis.fault;
  return { ...marks, analysis, host };
}

/** The file of an analysis by its path. */
export function sourceOf(analysis: Analysis, path: string): SourceFile {
  const found = analysis.followed.files.find((file) => file.path === path);
  if (found === undefined) throw new Error(`${path} wasn't read`);
  return found;
}
