// Thousands of damaged files: each ends in diagnostics with a place, or in an object that the kernel takes. Never a crash, never a
// bug of ours told as one, never a hang. FC_RUNS and FC_SEED choose how many and from where; a full hunt is 10,000.

import { afterAll, expect, test } from "vitest";
import { compileText, describeDiagnostics, objectFile, temporaryFolder } from "../support/compile.ts";
import { loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { Random } from "../support/random.ts";
import { kernelProblem } from "../support/requirements.ts";
import { malformed } from "./mutate.ts";

const FIRST_SEED = Number(process.env.FC_SEED ?? 1);
const RUNS = Number(process.env.FC_RUNS ?? 800);
const SLOW_MS = 10_000;
/** One object in so many is loaded. */
const LOADED = 3;
/** What the kernel refuses for want of memory or by a limit that no compiler can know. */
const NOT_OURS = /errno 12\b|errno 7\b|can't allocate|Cannot allocate|too large|too complex/;

const kernel = kernelProblem() === null;
afterAll(closeAll);

let objects = 0;

function faultOf(text: string, folder: string): string | null {
  const start = performance.now();
  const result = compileText(text, { checkEachPass: true });
  const took = performance.now() - start;
  if (took > SLOW_MS) return `took ${took.toFixed(0)} ms`;
  if (result.output === null) {
    if (!result.diagnostics.some((d) => d.severity === "error")) return "neither an object nor an error";
    const nowhere = result.diagnostics.find((d) => d.primary === null);
    if (nowhere !== undefined) return `no place: ${describeDiagnostics(result)}`;
    for (const { primary } of result.diagnostics) {
      const { start: from, end, file } = primary!.span;
      if (from > end || end > file.text.length || from < 0) return `a place outside the file: ${from} to ${end}`;
    }
    return null;
  }
  objects++;
  if (!kernel || objects % LOADED !== 0) return null;
  try {
    loadObject(objectFile(result.output.object, "hostile.o", folder)).close();
    return null;
  } catch (failure) {
    return NOT_OURS.test(String(failure)) ? null : `doesn't load: ${String(failure).slice(-900)}`;
  }
}

test(
  `${RUNS} malformed files from seed ${FIRST_SEED}`,
  () => {
    const folder = temporaryFolder();
    const faults: string[] = [];
    for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS && faults.length < 8; seed++) {
      const text = malformed(new Random(seed * 104729));
      try {
        const fault = faultOf(text, folder);
        if (fault !== null) faults.push(`FC_SEED=${seed} FC_RUNS=1: ${fault}\n${text}`);
      } catch (failure) {
        const stack = failure instanceof Error ? (failure.stack ?? "").slice(0, 500) : String(failure);
        faults.push(`FC_SEED=${seed} FC_RUNS=1: ${stack}\n${text}`);
      }
    }
    expect(faults.join("\n\n---\n\n")).toBe("");
    // The damage must leave some programs whole, or nothing behind the parser is tried.
    expect(objects).toBeGreaterThan(RUNS / 50);
  },
  Math.max(60_000, RUNS * 200),
);
