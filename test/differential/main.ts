// The whole proof as a program: builds the corpora, asks kernel and checker, prints and writes the table, keeps what they disagree on.
// Run by bench/agreement.mjs, which says what can be set.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ImageLoader } from "../support/image-load.ts";
import { Agreement, compare, tableOf } from "./agreement.ts";
import type { Candidate } from "./candidate.ts";
import { judgeByChecker } from "./checker.ts";
import { MutantSource, randomProgram } from "./corpora.ts";
import { kernelTests } from "./kernel-tests.ts";
import { clangObjects, debianObjects, ownObjects } from "./objects.ts";
import { report, savedCandidate } from "./report.ts";

const number = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise);

const seed = number("XDPC_SEED", 1);
const mutants = number("XDPC_MUTANTS", 20_000);
const kernelMutants = number("XDPC_KERNEL_MUTANTS", 10_000);
const random = number("XDPC_RANDOM", 5000);
const calls = number("XDPC_CALLS", 2000);
const changes = number("XDPC_CHANGES", 1);
const generated = number("XDPC_GENERATED", 100);
const every = process.env.XDPC_EVERY === "1";
const only = process.env.XDPC_CORPORA?.split(",") ?? null;
const folder = process.env.XDPC_CASES ?? "/tmp/diff/cases";
const limits = {
  causes: number("XDPC_CAUSES", 60),
  perCause: number("XDPC_PER_CAUSE", 3000),
  filesPerCause: 5,
};

const loader = new ImageLoader();
const agreement = new Agreement();
const wants = (corpus: string): boolean => only === null || only.includes(corpus);

function judge(candidate: Candidate): void {
  const comparison = compare(candidate, judgeByChecker, loader);
  agreement.add(candidate.corpus, comparison);
  const slow = process.env.XDPC_SLOW;
  if (slow !== undefined && comparison !== null && comparison.opinion.milliseconds > Number(slow))
    console.error(
      `slow: ${candidate.name}: ${comparison.opinion.milliseconds.toFixed(0)} ms for ${comparison.opinion.processed}, kernel ${(comparison.kernel.verificationMicroseconds ?? 0) / 1000} ms for ${comparison.kernel.processed}`,
    );
}

function stage(title: string, run: () => void): void {
  const start = performance.now();
  run();
  console.error(`${title}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

const again = process.argv.slice(2);
if (again.length > 0) {
  for (const path of again) {
    const comparison = compare(savedCandidate(path, readFileSync(path, "utf8")), judgeByChecker, loader);
    if (comparison === null) continue;
    const { kernel, opinion, relation } = comparison;
    console.log(
      `${path}: ${relation}: kernel ${kernel.verdict} ${kernel.reason} (${kernel.processed}), checker ${opinion.verdict} ${opinion.why} at ${opinion.slot} (${opinion.processed})`,
    );
  }
  loader.close();
} else {
  const bases: Candidate[] = [];
  const objects = (title: string, make: () => { candidates: readonly Candidate[] }[]): void =>
    stage(title, () => bases.push(...make().flatMap(({ candidates }) => candidates)));
  const needsBases = wants("real") || wants("mutants");
  if (needsBases) {
    objects("compiling rules", () => ownObjects({ random: generated, seed, every }));
    objects("Debian's objects", debianObjects);
    objects("compiling C", () => clangObjects({ seed, every }));
  }
  if (wants("real")) stage("real programs", () => bases.forEach(judge));
  if (wants("mutants"))
    stage("mutants", () => {
      const source = new MutantSource(bases, loader);
      for (let index = 0; index < mutants; index++) judge(source.mutant(seed, index, "mutants", changes));
    });
  if (wants("random"))
    stage("random programs", () => {
      for (let index = 0; index < random; index++) judge(randomProgram("random programs", seed, index));
    });
  if (wants("calls"))
    stage("random calls", () => {
      for (let index = 0; index < calls; index++) judge(randomProgram("random calls", seed, index));
    });
  const tests = wants("kernel") || wants("kernel-mutants") ? kernelTests() : [];
  if (wants("kernel")) stage("kernel tests", () => tests.forEach(judge));
  if (wants("kernel-mutants"))
    stage("mutants of kernel tests", () => {
      const source = new MutantSource(tests, loader);
      for (let index = 0; index < kernelMutants; index++)
        judge(source.mutant(seed, index, "mutants of kernel tests", changes));
    });

  const table = tableOf(agreement.rows());
  console.log(`\nseed ${seed}\n\n${table}\n`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "table.md"), `${table}\n`);
  stage("report", () => {
    const text = report(agreement.disagreements, { judge: judgeByChecker, loader, folder, limits });
    writeFileSync(
      process.env.XDPC_REPORT ?? join(folder, "REPORT.md"),
      `# Disagreements, seed ${seed}\n\n${table}\n\n${text}\n`,
    );
    console.log(text.split("\n## ")[0]);
  });
  loader.close();
}
