// Our programs beside the same in careful C, compiled by two clangs: first it is made sure that all three do the same to every packet of the
// corpus and write the same into their maps; then instructions are counted and nanoseconds taken. Runs in a network namespace of its own,
// where it makes a device, routes and neighbours so that packets can be forwarded. See compared.mjs.

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hex } from "../test/support/addresses.ts";
import { projectFolder } from "../test/support/cli.ts";
import { objectFile, objectOf, temporaryFolder } from "../test/support/compile.ts";
import { fullCorpus, shortCorpus } from "../test/support/corpus.ts";
import { RingReader } from "../test/support/events.ts";
import { type LoadedObject, loadObject } from "../test/support/libbpf.ts";
import { closeAll } from "../test/support/native.ts";
import { PAIRS, type Pair } from "./pairs.ts";

const CLANGS = ["clang-14", "clang-19"] as const;
const DEVICE = "out";
/** Runs of a program on a packet that are timed together, and rounds of all programs taking turns. */
const REPEAT = 2000;
const ROUNDS = 60;
const ROUNDS_ONCE = 2000;

interface Subject {
  readonly compiler: string;
  readonly object: LoadedObject;
  readonly run: (frame: Uint8Array, repeat: number) => { verdict: string; data: Uint8Array; durationNs: number };
  readonly instructions: number;
  readonly drain: () => void;
}

function makeNetwork(): number {
  const run = (...words: string[]): string => execFileSync(words[0] as string, words.slice(1), { encoding: "utf8" });
  run("ip", "link", "set", "lo", "up");
  run("ip", "link", "add", DEVICE, "type", "veth", "peer", "name", "far");
  for (const device of [DEVICE, "far"]) run("ip", "link", "set", device, "up");
  for (const key of [
    "ipv4.ip_forward",
    "ipv4.conf.all.forwarding",
    "ipv4.conf.lo.forwarding",
    "ipv6.conf.all.forwarding",
  ])
    run("sysctl", "-qw", `net.${key}=1`);
  run("ip", "address", "add", "10.99.0.1/24", "dev", DEVICE);
  run("ip", "-6", "address", "add", "fd99::1/64", "dev", DEVICE, "nodad");
  for (const [family, via] of [
    ["-4", "10.99.0.2"],
    ["-6", "fd99::2"],
  ] as const) {
    run("ip", family, "neigh", "add", via, "lladdr", "02:00:00:00:99:02", "dev", DEVICE, "nud", "permanent");
    run("ip", family, "route", "add", "default", "via", via, "dev", DEVICE);
  }
  const link = JSON.parse(run("ip", "-j", "link", "show", "dev", DEVICE)) as [{ ifindex: number }];
  return link[0].ifindex;
}

function compileC(clang: string, name: string, folder: string): string {
  const out = join(folder, `${name}-${clang}.o`);
  const machine = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
  const args = ["-target", "bpf", "-O2", "-g", "-mcpu=v3", "-Wall", "-Werror", `-I/usr/include/${machine}`];
  const source = join(projectFolder, "bench", "c", `${name}.c`);
  const result = spawnSync(clang, [...args, "-c", source, "-o", out], { encoding: "utf8" });
  if (result.status !== 0) throw new Error(`${clang} ${name}.c:\n${result.stderr}`);
  return out;
}

function subject(compiler: string, path: string, pair: Pair, device: number): Subject {
  const object = loadObject(path);
  pair.prepare?.(object, device);
  const name = object.programs.size > 1 ? pair.program : undefined;
  const program = object.program(name);
  const instructions = object.insnCounts.get(name ?? [...object.insnCounts.keys()][0] ?? "") ?? 0;
  const reader = pair.buffer === undefined ? null : new RingReader(object.map(pair.buffer));
  return {
    compiler,
    object,
    run: (frame, repeat) => program.run(frame, { repeat }),
    instructions,
    drain: () => reader?.take(),
  };
}

function subjectsOf(pair: Pair, folder: string, device: number): readonly Subject[] {
  const ours = objectFile(
    objectOf(pair.rules, { path: `${pair.name}.xdp`, checkEachPass: false }),
    `${pair.name}.o`,
    folder,
  );
  return [
    subject("xdpc", ours, pair, device),
    ...CLANGS.map((clang) => subject(clang, compileC(clang, pair.name, folder), pair, device)),
  ];
}

/** What a map holds, as sorted lines; values of per-CPU maps are summed as counters. */
function contentsOf(object: LoadedObject, name: string, how: "all" | "keys" | "sums"): string[] {
  const map = object.map(name);
  return map
    .entries()
    .map(([key, value]) => {
      if (how === "keys") return hex(key);
      if (how === "all") return `${hex(key)} ${hex(value)}`;
      const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
      const sums = Array.from({ length: map.valueSize / 8 }, () => 0n);
      for (let at = 0; at < value.byteLength; at += 8)
        sums[(at / 8) % sums.length] = (sums[(at / 8) % sums.length] ?? 0n) + view.getBigUint64(at, true);
      return sums.some((sum) => sum > 0n) ? `${hex(key)} ${sums.join(" ")}` : "";
    })
    .filter((line) => line !== "")
    .sort();
}

/** Runs the corpus and the timed packets through all; gives the first differences from ours, and how often each verdict was. */
function differences(
  pair: Pair,
  subjects: readonly Subject[],
  corpus: readonly Uint8Array[],
): { faults: string[]; verdicts: Map<string, number> } {
  const faults: string[] = [];
  const verdicts = new Map<string, number>();
  const [ours, ...others] = subjects;
  const frames = [...pair.frames, ...corpus];
  for (const frame of frames) {
    const wanted = (ours as Subject).run(frame, 1);
    verdicts.set(wanted.verdict, (verdicts.get(wanted.verdict) ?? 0) + 1);
    for (const other of others) {
      const got = other.run(frame, 1);
      const gone = wanted.verdict === "drop" || wanted.verdict === "aborted";
      if (got.verdict === wanted.verdict && (gone || Buffer.compare(got.data, wanted.data) === 0)) continue;
      if (faults.length < 3)
        faults.push(
          `${pair.name}: ${hex(frame)}\n  xdpc ${wanted.verdict} ${hex(wanted.data)}\n  ${other.compiler} ${got.verdict} ${hex(got.data)}`,
        );
    }
  }
  for (const [name, how] of Object.entries(pair.maps ?? {})) {
    const wanted = contentsOf((ours as Subject).object, name, how);
    for (const other of others) {
      const got = contentsOf(other.object, name, how);
      const missing = wanted.filter((line) => !got.includes(line)).slice(0, 2);
      const more = got.filter((line) => !wanted.includes(line)).slice(0, 2);
      if (missing.length + more.length > 0)
        faults.push(`${pair.name}: map ${name}: ${other.compiler} lacks ${missing.join(", ")}; has ${more.join(", ")}`);
    }
  }
  return { faults, verdicts };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

/** Nanoseconds a packet for each subject above those of an empty program, and the median over the rounds of ours to theirs. */
function time(pair: Pair, subjects: readonly Subject[], empty: Subject): { ns: number[]; ratios: number[] } {
  const repeat = pair.once ? 1 : REPEAT;
  const rounds = pair.once ? ROUNDS_ONCE : ROUNDS;
  const all = [empty, ...subjects];
  const sums = all.map((): number[] => []);
  // What a packet costs is the median over the rounds; a round's time is the sum of its packets'.
  const perFrame = pair.frames.map(() => all.map((): number[] => []));
  for (let round = 0; round < rounds; round++) {
    const total = all.map(() => 0);
    for (const [f, frame] of pair.frames.entries()) {
      for (let turn = 0; turn < all.length; turn++) {
        // Another begins each round: whoever comes first finds cold caches.
        const i = (turn + round) % all.length;
        const one = all[i] as Subject;
        const { durationNs } = one.run(frame, repeat);
        one.drain();
        perFrame[f]?.[i]?.push(durationNs);
        total[i] = (total[i] ?? 0) + durationNs;
      }
    }
    for (const [i, ns] of total.entries()) (sums[i] as number[]).push(ns);
  }
  const frames = pair.frames.length;
  const cost = all.map((_, i) => perFrame.reduce((sum, of) => sum + median(of[i] ?? []), 0) / frames);
  const base = cost[0] ?? 0;
  const ns = cost.slice(1).map((value) => value - base);
  const baseSum = median(sums[0] ?? []);
  const ratios = CLANGS.map((_, c) =>
    median((sums[1] ?? []).map((ours, round) => (ours - baseSum) / Math.max(1, (sums[2 + c]?.[round] ?? 0) - baseSum))),
  );
  return { ns, ratios };
}

function main(): void {
  const words = process.argv.slice(2);
  const checkOnly = words.includes("--check");
  // What a program writes to the trace pipe for every packet is the same for a hundred.
  const all = (words.includes("--short") ? shortCorpus() : fullCorpus()).map(({ frame }) => frame);
  const names = words.filter((word) => !word.startsWith("-"));
  const device = makeNetwork();
  const folder = temporaryFolder();
  const empty = subject(
    "empty",
    objectFile(objectOf("pass\n"), "empty.o", folder),
    { name: "", what: "", rules: "", frames: [] },
    device,
  );
  let failed = false;
  const shown = (ns: number | undefined): string => (ns ?? 0).toFixed(1);
  if (!checkOnly) {
    const model = /^model name\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? process.arch;
    console.log(`${model}, Linux ${execFileSync("uname", ["-r"], { encoding: "utf8" }).trim()}\n`);
    console.log(
      "| program | xdpc | clang 14 | clang 19 | xdpc, ns | clang 14, ns | clang 19, ns | ours to 14 | ours to 19 |",
    );
    console.log("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
  }
  for (const pair of PAIRS.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const checked = subjectsOf(pair, folder, device);
    const corpus = pair.name === "hello" ? all.slice(0, 100) : all;
    const { faults, verdicts } = differences(pair, checked, corpus);
    for (const fault of faults) console.error(fault);
    failed ||= faults.length > 0;
    for (const { object } of checked) object.close();
    if (checkOnly || faults.length > 0) {
      const told = [...verdicts].map(([verdict, count]) => `${verdict} ${count}`).join(", ");
      console.log(`${pair.name}: ${faults.length > 0 ? "DIFFERS" : "equal"} (${told})`);
      continue;
    }
    const subjects = subjectsOf(pair, folder, device);
    const counts = subjects.map(({ instructions }) => instructions);
    const cells = [pair.what, ...counts.map(String)];
    if (pair.frames.length > 0) {
      const { ns, ratios } = time(pair, subjects, empty);
      cells.push(...ns.map(shown), ...ratios.map((ratio) => ratio.toFixed(2)));
    } else cells.push("", "", "", "", "");
    console.log(`| ${cells.join(" | ")} |`);
    for (const { object } of subjects) object.close();
  }
  closeAll();
  process.exitCode = failed ? 1 : 0;
}

main();
