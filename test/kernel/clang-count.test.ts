// Our instructions against clang's for the same programs in careful C (bench/c). First each C program is itself checked against
// the oracle on the packet corpus, so that it means the same; then ours must be no longer than the better of two clangs,
// and a tenth shorter where headers are parsed.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { concat, hex, littleEndian } from "../support/addresses.ts";
import type { Verdict } from "../support/bpf.ts";
import { projectFolder } from "../support/cli.ts";
import { objectFile, objectOf, temporaryFolder } from "../support/compile.ts";
import { fullCorpus, type Sample, shortCorpus } from "../support/corpus.ts";
import { type LoadedObject, loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import type { Reading } from "../support/oracle.ts";
import { describeWith, findTool, kernelProblem } from "../support/requirements.ts";

const CLANGS = ["clang-14", "clang-19"];

interface Pair {
  /** The C file in bench/c, and how its program and ours are called. */
  readonly name: string;
  readonly rules: string;
  readonly path: string;
  /** The most instructions ours may have, as a share of clang's better result. */
  readonly share: number;
  /** The shortest careful C known for this meaning; what is written in bench/c may be longer. */
  readonly tightest: number;
  readonly expect: (packet: Reading) => Verdict | { readonly verdict: Verdict; readonly frame: Uint8Array };
  readonly prepare?: (object: LoadedObject) => void;
  readonly corpus?: () => Sample[];
}

const example = (name: string): string => readFileSync(join(projectFolder, "examples", name), "utf8");

const PAIRS: readonly Pair[] = [
  {
    name: "ports",
    rules: example("ports.xdp"),
    path: "examples/ports.xdp",
    share: 0.9,
    tightest: 186,
    // No socket is in the map: the lookup shows in `ports` being asked, the verdict is the fallback. Redirects: see traffic.
    expect: () => "pass",
    prepare: (object) => object.map("ports").update(littleEndian(80, 2), new Uint8Array([1])),
  },
  {
    name: "hello",
    rules: example("hello.xdp"),
    path: "examples/hello.xdp",
    share: 1,
    tightest: Number.POSITIVE_INFINITY,
    expect: () => "pass",
    corpus: () => shortCorpus().slice(0, 100),
  },
  {
    name: "counter",
    rules: "counter by_proto[u8]\nif ip then count by_proto[ip.protocol]\nif ip6 then count by_proto[ip6.nexthdr]\n",
    path: "counter.xdp",
    share: 0.9,
    tightest: 50,
    expect: () => "pass",
  },
  {
    name: "reflect",
    rules: "if udp then { swap eth.saddr, eth.daddr tx }\n",
    path: "reflect.xdp",
    share: 0.9,
    tightest: 211,
    expect: ({ udp, frame }) =>
      udp === undefined
        ? "pass"
        : { verdict: "tx", frame: concat(frame.subarray(6, 12), frame.subarray(0, 6), frame.subarray(12)) },
  },
];

/** Why a clang can't compile for BPF here, or null. */
function clangProblem(): string | null {
  const missing = CLANGS.filter((clang) => findTool(clang) === null);
  return missing.length === 0 ? null : `${missing.join(", ")} not installed`;
}

function compileC(clang: string, name: string, folder: string): string {
  const out = join(folder, `${name}-${clang}.o`);
  const machine = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
  const args = ["-target", "bpf", "-O2", "-g", "-mcpu=v3", "-Wall", "-Werror", `-I/usr/include/${machine}`];
  const source = join(projectFolder, "bench", "c", `${name}.c`);
  const result = spawnSync(clang, [...args, "-c", source, "-o", out], { encoding: "utf8", timeout: 60_000 });
  if (result.status !== 0) throw new Error(`${clang} ${name}.c:\n${result.stderr}`);
  return out;
}

/** Runs the corpus and gives the first packets that don't get what the oracle says, and the counter's sums if there is one. */
function judge(object: LoadedObject, pair: Pair, corpus: readonly Sample[]): { faults: string[]; counts: string } {
  const faults: string[] = [];
  const program = object.program();
  for (const { frame, reading } of corpus) {
    const outcome = pair.expect(reading);
    const [verdict, wanted] = typeof outcome === "string" ? [outcome, frame] : [outcome.verdict, outcome.frame];
    const result = program.run(frame);
    if (result.verdict === verdict && Buffer.compare(result.data, wanted) === 0) continue;
    faults.push(`${hex(frame)}: want ${verdict} ${hex(wanted)}, got ${result.verdict} ${hex(result.data)}`);
    if (faults.length === 3) break;
  }
  return { faults, counts: object.maps.has("by_proto") ? countsOf(object) : "" };
}

function countsOf(object: LoadedObject): string {
  const map = object.map("by_proto");
  const lines: string[] = [];
  for (const [key, value] of map.entries()) {
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    let packets = 0n;
    let bytes = 0n;
    for (let at = 0; at + 16 <= value.length; at += map.valueSize) {
      packets += view.getBigUint64(at, true);
      bytes += view.getBigUint64(at + 8, true);
    }
    if (packets > 0n) lines.push(`${key[0]}: ${packets} ${bytes}`);
  }
  return lines.sort().join("\n");
}

/** The counts a packet list should give, by the oracle. */
function expectedCounts(corpus: readonly Sample[]): string {
  const counts = new Map<number, [number, number]>();
  for (const { reading } of corpus) {
    const protocol = reading.ip?.protocol ?? reading.ip6?.nexthdr;
    if (protocol === undefined) continue;
    const [packets, bytes] = counts.get(protocol) ?? [0, 0];
    counts.set(protocol, [packets + 1, bytes + reading.len]);
  }
  return [...counts]
    .map(([protocol, [packets, bytes]]) => `${protocol}: ${packets} ${bytes}`)
    .sort()
    .join("\n");
}

describeWith("instructions against clang", [kernelProblem(), clangProblem()], () => {
  const folder = temporaryFolder();
  afterAll(closeAll);
  const all = fullCorpus();

  test.each(PAIRS.map((pair) => [pair.name, pair] as const))("%s", (name, pair) => {
    const corpus = pair.corpus?.() ?? all;
    const check = (what: string, path: string): number => {
      const object = loadObject(path);
      pair.prepare?.(object);
      const { faults, counts } = judge(object, pair, corpus);
      expect(faults, `${what}: ${name} against the oracle`).toEqual([]);
      if (object.maps.has("by_proto")) expect(counts, `${what}: counts`).toBe(expectedCounts(corpus));
      const [insns] = object.insnCounts.values();
      object.close();
      return insns!;
    };
    const clang = CLANGS.map((compiler) => check(compiler, compileC(compiler, name, folder)));
    const ours = check("xdpc", objectFile(objectOf(pair.rules, { path: pair.path }), `${name}.o`, folder));
    const best = Math.min(...clang, pair.tightest);
    process.stdout.write(
      `${name}: xdpc ${ours}, clang-14 ${clang[0]}, clang-19 ${clang[1]}, tightest C ${pair.tightest}\n`,
    );
    expect(ours, `${name}: at most ${pair.share} of ${best}`).toBeLessThanOrEqual(Math.floor(best * pair.share));
  });
});
