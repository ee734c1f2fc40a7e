// `xdpc test FILE…`: compiles each file, runs its tests and tells what came of them. The tests run in the machine; with --kernel-run a
// second time in the kernel, and the two must agree. How a test runs is src/testing's, how results look test-output.ts's.

import { utf8 } from "../base/bytes.ts";
import { runTest } from "../testing/run-test.ts";
import type { Manner } from "./command.ts";
import { compileToRun, type Runnable } from "./compile-for-run.ts";
import { CliFailure, EXIT } from "./failure.ts";
import { KernelRunner } from "./kernel-run.ts";
import type { Reporter } from "./report.ts";
import type { TestRequest } from "./run-options.ts";
import type { System } from "./system.ts";
import { wantsColor } from "./terminal.ts";
import {
  jsonText,
  junitText,
  paintOf,
  passed,
  prettyFile,
  prettySummary,
  type ToldFile,
  type ToldResult,
  tapText,
} from "./test-output.ts";

/** Runs the tests and returns the exit code. Throws CliFailure for faults of usage and of files. */
export function runTests(
  request: TestRequest & { readonly manner: Manner },
  system: System,
  reporter: Reporter,
): number {
  const start = performance.now();
  const runnables: Runnable[] = [];
  let faulty = false;
  for (const file of request.files) {
    const runnable = compileToRun(file, request, [], system, reporter);
    if (runnable === null) faulty = true;
    else runnables.push(runnable);
  }
  const kernel = request.kernelRun ? KernelRunner.open() : null;
  const { json } = request.manner;
  const pretty = request.format === "pretty" && !json;
  const paint = paintOf(pretty && wantsColor(request.manner.color, system, 1));
  const told: ToldFile[] = [];
  try {
    for (const runnable of runnables) {
      const file = { path: runnable.path, results: resultsOf(runnable, request, kernel) };
      if (file.results.length === 0) continue;
      told.push(file);
      if (pretty) system.write(1, utf8(`${prettyFile(file, paint, request.verbose)}\n`));
    }
  } finally {
    kernel?.close();
  }
  const results = told.flatMap((f) => f.results);
  if (results.length === 0 && !faulty) {
    const where = request.files.length === 1 ? request.files[0] : "these files";
    throw new CliFailure(
      request.filter === null
        ? `there are no tests in ${where}`
        : `no test in ${where} has "${request.filter}" in its title`,
    );
  }
  if (json) system.write(1, utf8(jsonText(told)));
  else if (request.format === "tap") system.write(1, utf8(tapText(told)));
  else if (request.format === "junit") system.write(1, utf8(junitText(told)));
  else if (results.length > 0)
    system.write(1, utf8(prettySummary(told, paint, request.verbose ? performance.now() - start : null)));
  return faulty || !results.every(passed) ? EXIT.diagnostics : EXIT.fine;
}

function resultsOf(runnable: Runnable, request: TestRequest, kernel: KernelRunner | null): readonly ToldResult[] {
  const { compiled, object, probed } = runnable;
  const { filter } = request;
  return compiled.model.tests
    .filter((test) => filter === null || test.title.includes(filter))
    .map((test) => {
      const start = performance.now();
      const result = runTest(test, compiled, probed);
      const asked = kernel?.compare(test, compiled, object) ?? { differences: [], skipped: null };
      return {
        ...result,
        milliseconds: performance.now() - start,
        kernel: asked.differences,
        notInKernel: asked.skipped,
      };
    });
}
