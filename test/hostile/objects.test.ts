// Thousands of damaged object files, ours, clang's and Debian's: each ends in faults with words or in images that keep their
// promises. Never a crash, a hang, or memory without end. FC_RUNS and FC_SEED choose how many and from where.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { ImageMap, ProgramImage } from "../../src/bpf/image.ts";
import { checkProgram } from "../../src/checker/check.ts";
import { tellFault } from "../../src/checker/messages.ts";
import { linkObject } from "../../src/elfwriter/link.ts";
import { linkFaultText } from "../../src/elfwriter/link-fault.ts";
import { faultText } from "../../src/elfwriter/object-file.ts";
import { readObject } from "../../src/elfwriter/read.ts";
import { writeObject } from "../../src/elfwriter/write.ts";
import { linkSamples } from "../elfwriter/link-samples.ts";
import * as sample from "../elfwriter/samples.ts";
import { compileC, richC, Scratch } from "../elfwriter/tools.ts";
import { Random } from "../support/random.ts";
import { findTool } from "../support/requirements.ts";
import { damagedObject, sectionsOf } from "./damage-object.ts";

const FIRST_SEED = Number(process.env.FC_SEED ?? 1);
const RUNS = Number(process.env.FC_RUNS ?? 1000);
const PROCESSED_LIMIT = 20_000;
const SLOW_MS = 5000;
const MOST_BYTES = 600 * 2 ** 20;

const scratch = new Scratch();
afterAll(() => scratch.remove());

/** What became of a file: every step that a stranger's file goes through. Throws when a promise is broken. */
function exercise(bytes: Uint8Array): "faults" | "images" {
  const { object, faults } = readObject(bytes);
  if (object === undefined) {
    if (faults.length === 0) throw new Error("neither an object nor a fault");
    for (const fault of faults) wordsOf(faultText(fault));
    return "faults";
  }
  const { images, faults: linkFaults, others } = linkObject(object);
  for (const fault of linkFaults) wordsOf(linkFaultText(fault));
  for (const { reason } of others) wordsOf(reason);
  for (const image of images) {
    checkImage(image);
    judge(image);
  }
  return images.length > 0 ? "images" : "faults";
}

/** Words for a person: something, not endless, nothing that a terminal obeys. */
function wordsOf(text: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  if (text.length < 8 || text.length > 400 || /[\0-\x1f]|undefined|NaN|\[object/.test(text))
    throw new Error(`bad words: ${text}`);
}

/** The checker's verdict, which comes with words for what is refused and what isn't known. */
function judge(image: ProgramImage): void {
  const { verdict, fault, unknown, processed } = checkProgram(image, { processedLimit: PROCESSED_LIMIT });
  promise(processed <= PROCESSED_LIMIT + 1, "the checker keeps its limit");
  promise((verdict === "reject") === (fault !== null), "a refusal has a fault");
  promise((verdict === "unknown") === unknown.length > 0, "what isn't known is named");
  for (const what of unknown) wordsOf(what);
  if (fault === null) return;
  const { message, known, help } = tellFault(image, fault);
  for (const words of [message, ...known, ...(help === null ? [] : [help])]) wordsOf(words);
}

function promise(holds: boolean, what: string): void {
  if (!holds) throw new Error(`broken promise: ${what}`);
}

function checkImage({ code, functions, lines, maps, gaps, kfuncs }: ProgramImage): void {
  let end = 0;
  for (const { startSlot, slots } of functions) {
    promise(startSlot === end && slots > 0, "functions cover the code");
    end += slots;
  }
  promise(code.length === end * 8, "functions cover the code");
  let last = -1;
  for (const { slot } of lines) {
    promise(slot > last && slot < end, "lines rise and lie in the code");
    last = slot;
  }
  for (const gap of gaps) wordsOf(gap);
  promise(new Set(kfuncs).size === kfuncs.length && new Set(maps).size === maps.length, "names are numbered once");
  for (const map of maps) checkMap(map);
}

function checkMap({ keyBytes, valueBytes, maxEntries, flags, data, fields, hasBtf, inner }: ImageMap): void {
  for (const number of [keyBytes, valueBytes, maxEntries, flags])
    promise(Number.isInteger(number) && number >= 0 && number < 2 ** 32, "sizes are of 32 bits");
  promise(data === null || data.length === valueBytes, "a data map's bytes are its value");
  promise(hasBtf || fields.length === 0, "no special members without types");
  let end = 0;
  for (const { offsetBytes, bytes } of fields) {
    promise(offsetBytes >= end && offsetBytes + bytes <= valueBytes, "special members rise and lie in the value");
    end = offsetBytes + bytes;
  }
  if (inner !== null) checkMap(inner);
}

/** Valid files: ours, and where there are tools and packages, clang's and Debian's. */
function originals(): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const maps = sample.oneMapOfEachKind();
  const program = sample.program("xdp_main", [...sample.touch(maps), sample.move(0, 2), sample.exit], {
    runConfig: { priority: 1, chainOn: [] },
  });
  const globals = sample.objectWithGlobals();
  files.set("ours", writeObject({ ...globals, maps, programs: [program, ...globals.programs] }));
  const sources = Object.entries({ ...linkSamples, rich: { source: richC } });
  for (const clang of ["clang-14", "clang-19"]) {
    if (findTool(clang) === null) continue;
    for (const [name, { source }] of clang === "clang-19" ? sources : sources.slice(-3)) {
      const path = compileC(scratch, clang, "original", source, "-Wno-everything");
      files.set(`${clang}: ${name}`, new Uint8Array(readFileSync(path)));
    }
  }
  for (const folder of ["/usr/lib/x86_64-linux-gnu/bpf", "/usr/lib/aarch64-linux-gnu/bpf", "/usr/lib/bpf"]) {
    if (!existsSync(folder)) continue;
    for (const name of readdirSync(folder).filter((file) => file.endsWith(".o")))
      files.set(name, new Uint8Array(readFileSync(join(folder, name))));
  }
  return files;
}

test(`${RUNS} damaged objects from seed ${FIRST_SEED}`, { timeout: 30_000 + RUNS * 100 }, () => {
  const files = [...originals()].map(([name, bytes]) => ({ name, bytes, places: sectionsOf(bytes) }));
  for (const { bytes } of files) exercise(bytes);
  const seen = { faults: 0, images: 0 };
  const failures: string[] = [];
  const fail = (seed: number, name: string, bytes: Uint8Array, why: string): void => {
    const path = join(tmpdir(), `xdpc-hostile-${seed}.o`);
    writeFileSync(path, bytes);
    failures.push(`FC_SEED=${seed} FC_RUNS=1, ${name}, kept as ${path}: ${why}`);
  };
  for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS && failures.length < 8; seed++) {
    const random = new Random(seed * 104729);
    const { name, bytes, places } = random.pick(files);
    const damaged = damagedObject(random, bytes, places);
    const start = performance.now();
    try {
      seen[exercise(damaged)]++;
    } catch (failure) {
      fail(seed, name, damaged, failure instanceof Error ? (failure.stack ?? failure.message) : String(failure));
    }
    const took = performance.now() - start;
    if (took > SLOW_MS) fail(seed, name, damaged, `took ${took.toFixed(0)} ms`);
    const { heapUsed, external } = process.memoryUsage();
    if (heapUsed + external > MOST_BYTES) fail(seed, name, damaged, `${heapUsed + external} bytes in use`);
  }
  expect(failures.join("\n\n")).toBe("");
  // Both answers must have been tried, or the damage is too mild or too wild to mean anything.
  if (RUNS >= 500) expect(Math.min(seen.faults, seen.images)).toBeGreaterThan(RUNS / 10);
});
