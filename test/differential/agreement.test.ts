// A small, seeded part of the checker's proof: each corpus in a sample, kernel and checker asked about each program. Nothing that the
// kernel refuses may be accepted, and agreement stays above the goal. The whole proof is bench/agreement.mjs. XDPC_SEED
// chooses another sample.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { LoadError } from "../support/bpf.ts";
import { ImageLoader } from "../support/image-load.ts";
import { loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";
import { Agreement, agreementOf, causeOf, compare, tableOf } from "./agreement.ts";
import type { Candidate } from "./candidate.ts";
import { judgeByChecker } from "./checker.ts";
import { MutantSource, randomProgram } from "./corpora.ts";
import { kernelTests, kernelTestsProblem } from "./kernel-tests.ts";
import { isKnown } from "./known.ts";
import { clangObjects, clangProblem, debianObjects, type ObjectCase, ownObjects } from "./objects.ts";

const seed = Number(process.env.XDPC_SEED ?? 1);

/** Programs of more bytes than this are left to the whole proof: they cost seconds each. */
const mostBytes = 200_000;

/** Milliseconds that a part may take on a slow machine, where nothing is compiled yet. */
const patience = 240_000;

function debianProblem(): string | null {
  return debianObjects().length === 0 ? "xdp-tools not installed" : null;
}

describeWith("the checker and the kernel", [kernelProblem(), clangProblem(), debianProblem()], () => {
  const loader = new ImageLoader();
  const folder = mkdtempSync(join(process.env.XDPC_TEST_TMP ?? tmpdir(), "xdpc-agreement-"));
  const objects: ObjectCase[] = [];
  const bases: Candidate[] = [];

  afterAll(() => {
    loader.close();
    closeAll();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Asks both about each candidate; `goal` is the share, 0 to 1, that must agree. */
  function prove(candidates: Iterable<Candidate>, goal: number): void {
    const agreement = new Agreement();
    for (const candidate of candidates) agreement.add(candidate.corpus, compare(candidate, judgeByChecker, loader));
    const rows = agreement.rows();
    const tell = agreement.disagreements.map((comparison) => {
      const { relation, candidate } = comparison;
      return `${relation}: ${candidate.name}: ${causeOf(comparison)}`;
    });
    const fatal = agreement.disagreements
      .filter((comparison) => comparison.relation === "falseAccept" || comparison.relation === "crash")
      .filter((comparison) => !isKnown(comparison))
      .map(({ candidate, kernel }) => `${candidate.name}: ${kernel.reason}`);
    expect(fatal, "accepted what the kernel refuses").toEqual([]);
    for (const row of rows)
      expect(agreementOf(row), `${tableOf(rows)}\n${tell.join("\n")}`).toBeGreaterThanOrEqual(goal);
  }

  test(
    "real programs",
    () => {
      objects.push(...ownObjects({ random: 6, seed, every: false, share: 10 }));
      objects.push(...debianObjects());
      objects.push(...clangObjects({ seed, every: false }));
      bases.push(...objects.flatMap(({ candidates }) => candidates));
      expect(bases.length).toBeGreaterThan(90);
      prove(bases, 0.94);
    },
    patience,
  );

  test(
    "an image's verdict is that of the object it comes from",
    () => {
      const differ: string[] = [];
      for (const { corpus, name, bytes, path, candidates } of objects) {
        if (corpus === "own programs" || candidates.length === 0) continue;
        const file = path ?? join(folder, "object.o");
        if (path === null) writeFileSync(file, bytes);
        const images = candidates.every(({ image }) => loader.judge(image).verdict === "accept");
        let whole = true;
        try {
          loadObject(file).close();
        } catch (failure) {
          if (!(failure instanceof LoadError)) throw failure;
          whole = false;
        }
        if (whole !== images) differ.push(`${name}: libbpf ${whole}, images ${images}`);
      }
      expect(differ).toEqual([]);
    },
    patience,
  );

  test(
    "mutants",
    () => {
      const source = new MutantSource(bases, loader);
      prove(
        Array.from({ length: 700 }, (_, index) => source.mutant(seed, index)),
        0.99,
      );
    },
    patience,
  );

  test(
    "random programs",
    () => {
      prove(
        Array.from({ length: 400 }, (_, index) => randomProgram("random programs", seed, index)),
        0.99,
      );
    },
    patience,
  );

  test(
    "calls of all helpers and of kernel functions",
    () => {
      prove(
        Array.from({ length: 200 }, (_, index) => randomProgram("random calls", seed, index)),
        0.9,
      );
    },
    patience,
  );
});

describeWith("programs that the proof has found", [kernelProblem()], () => {
  const loader = new ImageLoader();
  afterAll(() => loader.close());

  test.each([
    ["a jump to the function's own start", "1501ffff00000000 b700000000000000 9500000000000000", "reject"],
    [
      "the same behind a read of the stack",
      "1501ffff00000000 71a0e3ff00000000 b400000000000000 9500000000000000",
      "reject",
    ],
    [
      "half a pointer added to the packet",
      "6112000000000000 bc23000000000000 0f32000000000000 b700000000000000 9500000000000000",
      "accept",
    ],
  ])("%s", (name, hex, verdict) => {
    const code = new Uint8Array(Buffer.from(hex.replaceAll(" ", ""), "hex"));
    const image = { ...randomProgram("random programs", 1, 0).image, maps: [], functions: [], code };
    expect(loader.judge(image).verdict, "the kernel").toBe(verdict);
    expect(judgeByChecker({ ...image, name }).verdict, "the checker").toBe(verdict);
  });
});

describeWith("the checker and the kernel's own tests", [kernelProblem(), kernelTestsProblem()], () => {
  const loader = new ImageLoader();
  afterAll(() => loader.close());

  test(
    "a third of them, and mutants",
    () => {
      const tests = kernelTests().filter(({ image }) => image.code.length <= mostBytes);
      expect(tests.length).toBeGreaterThan(1300);
      const agreement = new Agreement();
      for (const candidate of tests.filter((_, index) => index % 3 === seed % 3))
        agreement.add("kernel tests", compare(candidate, judgeByChecker, loader));
      const source = new MutantSource(tests, loader);
      for (let index = 0; index < 500; index++) {
        const mutant = source.mutant(seed, index, "mutants of kernel tests");
        agreement.add(mutant.corpus, compare(mutant, judgeByChecker, loader));
      }
      const wrong = agreement.disagreements.filter((comparison) => !isKnown(comparison));
      const fatal = wrong.filter(({ relation }) => relation === "falseAccept" || relation === "crash");
      expect(fatal.map(({ candidate, kernel }) => `${candidate.name}: ${kernel.reason}`)).toEqual([]);
      const rows = agreement.rows();
      const tell = agreement.disagreements.map((comparison) => `${comparison.relation}: ${causeOf(comparison)}`);
      for (const row of rows)
        expect(agreementOf(row), `${tableOf(rows)}\n${tell.join("\n")}`).toBeGreaterThanOrEqual(0.95);
    },
    patience,
  );
});
