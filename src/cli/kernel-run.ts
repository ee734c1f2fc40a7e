// Tests in the kernel: each is run in a fresh load of the object by BPF_PROG_TEST_RUN, through bpftool, in step with the machine, and the
// two are compared: verdict, packet, maps. What the kernel's test run can't do isn't run, and it is said why. Everything is pinned below
// one folder of bpffs that goes away again, also after a failure.
// Source: Linux net/bpf/test_run.c (bpf_prog_test_run_xdp); bpftool-prog(8), bpftool-map(8), bpftool(8) for batch files.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { verdictByNumber } from "../bpf/verdicts.ts";
import { readObject } from "../elfwriter/read.ts";
import { type KernelMapState, type KernelStep, kernelPlan } from "../testing/kernel-plan.ts";
import type { Test } from "../testing/run-test.ts";
import type { Compiled } from "../testing/session.ts";
import { CliFailure } from "./failure.ts";

/** Where file systems of BPF objects are mounted. */
const BPFFS = "/sys/fs/bpf";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

function ignore(): void {}

/** What the kernel said to a test. */
export interface KernelResult {
  /** Where kernel and machine differ, a line for each. */
  readonly differences: readonly string[];
  /** Why it wasn't run; null: it was. */
  readonly skipped: string | null;
}

/** Runs tests in this kernel. `close` must be called in the end. */
export class KernelRunner {
  readonly #folder: string;
  readonly #pins: string;
  readonly #pinnedCpu: boolean;
  #serial = 0;

  private constructor(folder: string, pins: string, pinnedCpu: boolean) {
    this.#folder = folder;
    this.#pins = pins;
    this.#pinnedCpu = pinnedCpu;
  }

  /** Throws CliFailure where tests can't be run in the kernel at all. */
  static open(): KernelRunner {
    const version = run("bpftool", ["version"]);
    if (version === null) throw new CliFailure("--kernel-run needs bpftool, which isn't on the path");
    if (process.getuid?.() !== 0) throw new CliFailure("--kernel-run needs to be root (it loads programs)");
    const folder = mkdtempSync(path.join(tmpdir(), "xdpc-kernel-run-"));
    const pins = path.join(BPFFS, path.basename(folder));
    try {
      mkdirSync(pins);
    } catch {
      rmSync(folder, { recursive: true, force: true });
      throw new CliFailure(`--kernel-run needs a BPF file system at ${BPFFS}: mount -t bpf bpf ${BPFFS}`);
    }
    // While a signal has a listener it doesn't end the process: what was made can be taken away first.
    for (const signal of SIGNALS) process.on(signal, ignore);
    return new KernelRunner(folder, pins, run("taskset", ["-c", "0", "true"])?.status === 0);
  }

  /** Removes everything that was made, pins and files. */
  close(): void {
    rmSync(this.#pins, { recursive: true, force: true });
    rmSync(this.#folder, { recursive: true, force: true });
    for (const signal of SIGNALS) process.off(signal, ignore);
  }

  /** Runs a test in a fresh load of the object and compares it with the machine's run. */
  compare(test: Test, compiled: Compiled, object: Uint8Array): KernelResult {
    const pinned = readObject(object).object?.maps.find((m) => m.pinned);
    if (pinned !== undefined)
      return { differences: [], skipped: `\`${pinned.name}\` is pinned: loading it would share it` };
    const plan = kernelPlan(test, compiled);
    if ("skipped" in plan) return { differences: [], skipped: plan.skipped };
    this.#serial += 1;
    const pins = path.join(this.#pins, `${this.#serial}`);
    mkdirSync(pins);
    try {
      return this.#run(test, plan.steps, plan.maps, patched(object, plan.rodata), pins);
    } finally {
      rmSync(pins, { recursive: true, force: true });
    }
  }

  #run(
    test: Test,
    steps: readonly KernelStep[],
    maps: readonly KernelMapState[],
    object: Uint8Array,
    pins: string,
  ): KernelResult {
    const file = path.join(this.#folder, "t.o");
    writeFileSync(file, object);
    const sections = readObject(object).object?.code.map((c) => c.section.name) ?? [];
    const type = sections.every((s) => /^\.text$|^xdp(\.frags)?(\/(devmap|cpumap))?$/.test(s)) ? "" : " type xdp";
    const pinOf = (map: string): string => `${pins}/m/${(map.startsWith(".") ? `t${map}` : map).replaceAll(".", "_")}`;
    const lines = [`prog loadall ${file} ${pins}/p${type} pinmaps ${pins}/m`];
    const sent: (KernelStep & { kind: "send" })[] = [];
    for (const step of steps) {
      switch (step.kind) {
        case "set":
          lines.push(`map update pinned ${pinOf(step.map)} key hex ${hex(step.key)} value hex ${hex(step.value)}`);
          break;
        case "delete":
          lines.push(`map delete pinned ${pinOf(step.map)} key hex ${hex(step.key)}`);
          break;
        case "send": {
          const place = path.join(this.#folder, `${sent.length}`);
          writeFileSync(`${place}.in`, step.packet);
          rmSync(`${place}.out`, { force: true });
          lines.push(`prog run pinned ${pins}/p/${test.program} data_in ${place}.in data_out ${place}.out repeat 1`);
          sent.push(step);
        }
      }
    }
    const first = lines.length;
    const asked: { map: KernelMapState; key: Uint8Array | null }[] = [];
    for (const map of maps) {
      if (map.whole) asked.push({ map, key: null });
      else for (const { key } of map.entries) asked.push({ map, key });
    }
    for (const { map, key } of asked) {
      lines.push(
        key === null ? `map dump pinned ${pinOf(map.map)}` : `map lookup pinned ${pinOf(map.map)} key hex ${hex(key)}`,
      );
    }
    const batch = path.join(this.#folder, "batch");
    writeFileSync(batch, `${lines.join("\n")}\n`);
    const words = ["-j", "batch", "file", batch];
    const done = this.#pinnedCpu ? run("taskset", ["-c", "0", "bpftool", ...words]) : run("bpftool", words);
    const outputs = outputsOf(done?.stdout ?? "");
    const broken = outputs.find((o) => errorOf(o) !== null);
    if (broken !== undefined || outputs.length < lines.length) {
      const at = outputs.length === 0 ? 0 : outputs.length - 1;
      const what = (lines[at] ?? "").split(" ").slice(0, 2).join(" ");
      const said = (broken === undefined ? null : errorOf(broken)) ?? done?.stderr.trim() ?? "";
      return at === 0
        ? { differences: [`it doesn't load: ${said.split("\n").slice(-1)[0]}`], skipped: null }
        : { differences: [], skipped: `bpftool ${what}: ${said.split("\n")[0]}` };
    }
    const differences: string[] = [];
    let number = 0;
    for (const [i, line] of lines.entries()) {
      if (!line.startsWith("prog run")) continue;
      const step = sent[number];
      const place = path.join(this.#folder, `${number}`);
      number += 1;
      if (step !== undefined) differences.push(...packetDifferences(step, outputs[i], readFileSync(`${place}.out`)));
    }
    for (const [i, { map, key }] of asked.entries()) differences.push(...mapDifferences(map, key, outputs[first + i]));
    return { differences, skipped: null };
  }
}

/** The object with other bytes in its .rodata. */
function patched(object: Uint8Array, rodata: Uint8Array | null): Uint8Array {
  const section = readObject(object).object?.sections.find((s) => s.name === ".rodata");
  if (rodata === null || section === undefined) return object;
  const copy = object.slice();
  copy.set(rodata, section.offset);
  return copy;
}

function run(program: string, words: readonly string[]): { status: number; stdout: string; stderr: string } | null {
  // Not imported at the top: a start-up snapshot can't hold the module.
  const { spawnSync } = process.getBuiltinModule("node:child_process");
  const result = spawnSync(program, words, { encoding: "utf8", maxBuffer: 1 << 28 });
  if (result.error !== undefined && "code" in result.error && result.error.code === "ENOENT") return null;
  // A terminal's Ctrl-C goes to the child as well; that is how it is heard of here.
  if (result.signal === "SIGINT" || result.signal === "SIGTERM") throw new CliFailure("interrupted");
  return { status: result.status ?? -1, stdout: result.stdout, stderr: result.stderr };
}

/** What each command of a batch said; the list ends with the one that failed. */
function outputsOf(text: string): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) ? parsed.map((one: unknown) => (one as { output?: unknown }).output ?? null) : [];
  } catch {
    return [];
  }
}

function errorOf(output: unknown): string | null {
  const said = typeof output === "object" && output !== null && "error" in output ? output.error : null;
  return typeof said === "string" ? said : null;
}

function packetDifferences(step: KernelStep & { kind: "send" }, output: unknown, after: Uint8Array): readonly string[] {
  const retval = (output as { retval?: number } | null)?.retval ?? -1;
  const verdict = verdictByNumber(retval) ?? `${retval}`;
  const differences: string[] = [];
  if (verdict !== step.verdict) differences.push(`packet ${step.number}: kernel ${verdict}, machine ${step.verdict}`);
  if (hex(after) !== hex(step.after))
    differences.push(`packet ${step.number} leaves as`, `  kernel   ${hex(after)}`, `  machine  ${hex(step.after)}`);
  return differences;
}

interface DumpedEntry {
  readonly key?: readonly string[];
  readonly value?: readonly string[];
  readonly values?: readonly { readonly cpu: number; readonly value: readonly string[] }[];
}

function mapDifferences(map: KernelMapState, key: Uint8Array | null, output: unknown): readonly string[] {
  const dumped = (Array.isArray(output) ? output : [output]) as readonly DumpedEntry[];
  const kernel = new Map(dumped.map((entry) => [joined(entry.key), joined(entry.value ?? entry.values?.[0]?.value)]));
  const machine = new Map(
    map.entries.filter((e) => key === null || hex(e.key) === hex(key)).map((e) => [hex(e.key), hex(e.value)]),
  );
  const differences: string[] = [];
  for (const one of new Set([...kernel.keys(), ...machine.keys()])) {
    const [k, m] = [kernel.get(one), machine.get(one)];
    if (k !== m) differences.push(`map ${map.map}, key ${one}: kernel ${k ?? "nothing"}, machine ${m ?? "nothing"}`);
  }
  return differences;
}

function joined(bytes: readonly string[] | undefined): string {
  return (bytes ?? []).map((b) => b.replace(/^0x/, "")).join(" ");
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join(" ");
}
