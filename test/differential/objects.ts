// Where real programs come from: everything our compiler makes of its examples, tests' programs and generated texts, the XDP objects
// Debian ships, and the C programs beside this file as two clangs compile them. Compiled C is kept in a cache outside the tree.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CompileOptions } from "../../src/compile.ts";
import { linkObject } from "../../src/elfwriter/link.ts";
import { readObject } from "../../src/elfwriter/read.ts";
import { actionPrograms } from "../kernel/programs/actions.ts";
import type { SmallProgram } from "../kernel/programs/case.ts";
import { fieldPrograms } from "../kernel/programs/fields.ts";
import { presencePrograms } from "../kernel/programs/presence.ts";
import { reviewedPrograms } from "../kernel/programs/reviewed.ts";
import { statePrograms } from "../kernel/programs/state.ts";
import { structurePrograms } from "../kernel/programs/structure.ts";
import { valuePrograms } from "../kernel/programs/values.ts";
import { DECLARATIONS, ProgramMaker } from "../property/random-program.ts";
import { compileText } from "../support/compile.ts";
import { Random } from "../support/random.ts";
import { findTool } from "../support/requirements.ts";
import type { Candidate, Corpus } from "./candidate.ts";

const ROOT = process.env.XDPC_ROOT ?? fileURLToPath(new URL("../..", import.meta.url));
const CACHE = join(ROOT, "node_modules/.cache/xdpc");
const SOURCES = join(ROOT, "test/differential/c");
const BENCH = join(ROOT, "bench/c");
/** Where Debian's xdp-tools and libxdp put their objects. */
const DEBIAN = ["/usr/lib/x86_64-linux-gnu/bpf", "/usr/lib/aarch64-linux-gnu/bpf", "/usr/lib/bpf"];

/** A whole object, with the programs in it. */
export interface ObjectCase {
  readonly corpus: Corpus;
  readonly name: string;
  readonly bytes: Uint8Array;
  /** The file, where there is one. */
  readonly path: string | null;
  readonly candidates: readonly Candidate[];
}

/** Reads and links an object; throws with the faults when it can't be: all objects here are good ones. */
export function objectCase(corpus: Corpus, name: string, bytes: Uint8Array, path: string | null = null): ObjectCase {
  const read = readObject(bytes);
  if (read.object === undefined) throw new Error(`${name}: ${JSON.stringify(read.faults)}`);
  const { images, faults } = linkObject(read.object);
  if (faults.length > 0) throw new Error(`${name}: ${JSON.stringify(faults)}`);
  const candidates = images.map((image) => ({ corpus, name: `${name} ${image.name}`, image }));
  return { corpus, name, bytes, path, candidates };
}

/** A level of optimisation and of the instruction set to compile for. */
export type Way = Pick<CompileOptions, "optimise" | "cpu">;

/** The ways our compiler compiles. */
export const ownWays: readonly Way[] = (["v1", "v2", "v3", "v4"] as const).flatMap((cpu) => [
  { optimise: 0, cpu },
  { optimise: 2, cpu },
]);

const PROGRAMS: readonly SmallProgram[] = [
  ...actionPrograms,
  ...fieldPrograms,
  ...presencePrograms,
  ...reviewedPrograms,
  ...statePrograms,
  ...structurePrograms,
  ...valuePrograms,
];

interface OwnText {
  readonly name: string;
  readonly text: string;
  readonly files?: Readonly<Record<string, string>>;
}

function ownTexts(random: number, seed: number): OwnText[] {
  const examples = readdirSync(join(ROOT, "examples"))
    .filter((name) => name.endsWith(".xdp"))
    .sort()
    .map((name) => ({ name, text: readFileSync(join(ROOT, "examples", name), "utf8") }));
  const small = PROGRAMS.map(({ name, source, files }) => ({
    name,
    text: source,
    ...(files === undefined ? {} : { files }),
  }));
  const generated = Array.from({ length: random }, (_, index) => {
    const maker = new ProgramMaker(new Random(seed + index * 7919));
    const statements = maker.statements(1 + (index % 6));
    return { name: `generated ${seed + index}`, text: `${DECLARATIONS}\n${statements.join("\n")}\n` };
  });
  return [...examples, ...small, ...generated];
}

/**
 * What our compiler makes: examples, the programs of the tests, and `random` generated ones. Each is compiled in one of the
 * `ways`, in turn, or in all of them when `every`. Texts that this compiler refuses are left out.
 */
export function ownObjects(options: { random: number; seed: number; every: boolean; share?: number }): ObjectCase[] {
  const cases: ObjectCase[] = [];
  const texts = ownTexts(options.random, options.seed);
  for (const [index, { name, text, files }] of texts.entries()) {
    if (options.share !== undefined && index % options.share !== options.seed % options.share) continue;
    const ways = options.every ? ownWays : [ownWays[index % ownWays.length]!];
    for (const way of ways) {
      const settings = { ...way, checkEachPass: false, ...(files === undefined ? {} : { files }) };
      const { output } = compileText(text, settings);
      if (output === null) continue;
      cases.push(objectCase("own programs", `${name} -O${way.optimise} ${way.cpu}`, output.object));
    }
  }
  return cases;
}

/** The XDP objects that Debian's packages installed; those for other program types have no candidates. */
export function debianObjects(): ObjectCase[] {
  const folder = DEBIAN.find((path) => existsSync(path));
  if (folder === undefined) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".o"))
    .sort()
    .map((name) => objectCase("Debian's objects", name, readFileSync(join(folder, name)), join(folder, name)));
}

/** Why C can't be compiled here, or null. */
export function clangProblem(): string | null {
  const missing = ["clang-14", "clang-19"].filter((clang) => findTool(clang) === null);
  return missing.length === 0 ? null : `${missing.join(", ")} not installed`;
}

/** A compiler with its flags. */
export interface ClangWay {
  readonly clang: string;
  readonly level: string;
  readonly cpu: string;
}

/** All ways C is compiled; clang-14 has no v4. */
export const clangWays: readonly ClangWay[] = (
  [
    ["clang-14", ["v1", "v2", "v3"]],
    ["clang-19", ["v1", "v2", "v3", "v4"]],
  ] as const
).flatMap(([clang, cpus]) => cpus.flatMap((cpu) => ["-O1", "-O2"].map((level) => ({ clang, level, cpu }))));

function compileC(source: string, { clang, level, cpu }: ClangWay): Uint8Array | null {
  const machine = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
  const fetch = cpu === "v3" || cpu === "v4" ? ["-DFETCH"] : [];
  const args = ["-target", "bpf", level, "-g", `-mcpu=${cpu}`, "-w", `-I/usr/include/${machine}`, ...fetch];
  const headers = [join(SOURCES, "xdp.h"), join(BENCH, "parse.h")].map((path) => readFileSync(path));
  const hash = createHash("sha256").update(readFileSync(source)).update(args.join(" ")).update(clang);
  for (const header of headers) hash.update(header);
  const out = join(CACHE, "c", `${hash.digest("hex").slice(0, 24)}.o`);
  if (!existsSync(out)) {
    mkdirSync(join(CACHE, "c"), { recursive: true });
    const half = `${out}.${process.pid}`;
    const { status } = spawnSync(clang, [...args, "-c", source, "-o", half], { encoding: "utf8", timeout: 60_000 });
    if (status !== 0) return null;
    renameSync(half, out);
  }
  return readFileSync(out);
}

/** The C programs, each compiled in one of the ways in turn (starting at `seed`), or in all of them when `every`. */
export function clangObjects(options: { seed: number; every: boolean; share?: number }): ObjectCase[] {
  const sources = [SOURCES, BENCH].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith(".c"))
      .sort()
      .map((name) => join(folder, name)),
  );
  return sources.flatMap((source, index) => {
    if (options.share !== undefined && index % options.share !== options.seed % options.share) return [];
    const ways = options.every ? clangWays : [clangWays[(index * 5 + options.seed) % clangWays.length]!];
    return ways.flatMap((way) => {
      const bytes = compileC(source, way);
      const name = `${source.replace(/^.*\//, "")} ${way.clang} ${way.level} ${way.cpu}`;
      return bytes === null ? [] : [objectCase("C programs", name, bytes)];
    });
  });
}
