// Generated programs, compiled without and with passes and for every instruction-set level: each must pass the validator after
// every pass, load in the kernel, and do to every packet and map what the plainest compilation of the same text does. FC_SEED and
// FC_RUNS choose the first seed and how many; what fails is cut down to few statements before it is shown.

import { afterAll, beforeAll, expect, test } from "vitest";
import type { CompileOptions } from "../../src/compile.ts";
import { hex } from "../support/addresses.ts";
import type { KernelMap } from "../support/bpf.ts";
import { compileText, describeDiagnostics, objectFile, temporaryFolder } from "../support/compile.ts";
import { cutSamples, wholeFrames } from "../support/corpus.ts";
import { loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { eth, ip, packet, payload, udp } from "../support/packets.ts";
import { Random } from "../support/random.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";
import { DECLARATIONS, ProgramMaker } from "./random-program.ts";

const FIRST_SEED = Number(process.env.FC_SEED ?? 1);
const RUNS = Number(process.env.FC_RUNS ?? 25);

const PLAIN: Partial<CompileOptions> = { optimise: 0, cpu: "v3" };
const OTHERS: readonly Partial<CompileOptions>[] = [
  { optimise: 2, cpu: "v3" },
  { optimise: 2, cpu: "v1" },
  { optimise: 2, cpu: "v2" },
  { optimise: 2, cpu: "v4" },
  { optimise: 0, cpu: "v1" },
];

const nameOf = (options: Partial<CompileOptions>): string => `-O${options.optimise} --cpu ${options.cpu}`;

let folder = "";
let frames: Uint8Array[] = [];

function textOf(statements: readonly string[]): string {
  return `${DECLARATIONS}\n${statements.join("\n")}\n`;
}

/** What the kernel saw: one line a packet, then the maps. Throws when it doesn't compile or load. */
function behaviour(text: string, options: Partial<CompileOptions>): string[] {
  const result = compileText(text, { checkEachPass: true, ...options });
  if (result.output === null) throw new Error(`${nameOf(options)} refuses:\n${describeDiagnostics(result)}`);
  const object = loadObject(objectFile(result.output.object, "program.o", folder));
  try {
    const program = object.program();
    const lines = frames.map((frame) => {
      const { verdict, data } = program.run(frame);
      return `packet ${hex(frame)}: ${verdict}${Buffer.compare(data, frame) === 0 ? "" : ` ${hex(data)}`}`;
    });
    for (const [name, map] of object.maps) {
      if (name !== ".rodata" && map.maxEntries > 0 && !/^(xsk|ways)$/.test(name)) lines.push(...contents(name, map));
    }
    return lines;
  } finally {
    object.close();
  }
}

/** A map's entries, sorted; values of each CPU added up, since a test run may be moved to another. */
function contents(name: string, map: KernelMap): string[] {
  const lines = map.keys().map((key) => {
    if (!map.isPerCpu) return `${name}[${hex(key)}] = ${hex(map.lookup(key) ?? new Uint8Array(0))}`;
    const words: bigint[] = [];
    for (const value of map.lookupPerCpu(key) ?? []) {
      const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
      for (let i = 0; i + 8 <= value.length; i += 8)
        words[i / 8] = BigInt.asUintN(64, (words[i / 8] ?? 0n) + view.getBigUint64(i, true));
    }
    return words.some((w) => w !== 0n) ? `${name}[${hex(key)}] = ${words.join(" ")}` : "";
  });
  return lines.filter((line) => line !== "").sort();
}

/** The verifier gives up on what has too many ways through it; that is no fault of a single compilation. */
const TOO_MUCH = /BPF program is too large|jumps is too complex/;
let tooMuch = 0;

/** What is wrong with a program, or null. `only` looks at one other compilation. */
function faultOf(statements: readonly string[], others = OTHERS): string | null {
  const text = textOf(statements);
  let plain: string[] | null = null;
  for (const options of [PLAIN, ...others]) {
    try {
      const lines = behaviour(text, options);
      plain ??= lines;
      const at = lines.findIndex((line, i) => line !== plain?.[i]);
      if (at !== -1 || lines.length !== plain.length)
        return `${nameOf(options)} differs from ${nameOf(PLAIN)}:\n  ${plain[at]}\n  ${lines[at]}`;
    } catch (failure) {
      if (TOO_MUCH.test(String(failure))) {
        tooMuch++;
        return null;
      }
      return `${nameOf(options)}: ${String(failure instanceof Error ? (failure.stack ?? failure) : failure).slice(-1800)}`;
    }
  }
  return null;
}

/** Drops statements while the fault stays of its kind. */
function shrink(statements: readonly string[], fault: string): { statements: readonly string[]; fault: string } {
  const kind = (text: string): string =>
    /X\d{4}|InternalError[^\d]*|RangeError|TypeError|!read_ok|invalid [a-z ]+|differs/.exec(text)?.[0] ??
    text.slice(0, 12);
  let best = { statements, fault };
  for (let i = 0; i < best.statements.length && best.statements.length > 1; ) {
    const fewer = best.statements.filter((_, at) => at !== i);
    const left = faultOf(fewer);
    if (left !== null && kind(left) === kind(fault)) best = { statements: fewer, fault: left };
    else i++;
  }
  return best;
}

describeWith("generated programs", [kernelProblem()], () => {
  beforeAll(() => {
    folder = temporaryFolder();
    const own = [
      packet(eth({ type: 0x88b5 }), payload(12)),
      packet(eth(), ip(), udp({ dport: 9999 }), payload(12)),
      packet(eth(), ip(), udp({ sport: 9999, dport: 53 }), payload(12)),
    ];
    const whole = [...wholeFrames(60), ...own];
    const cut = cutSamples(whole.filter((_, i) => i % 12 === 0)).map((sample) => sample.frame);
    frames = [...whole, ...cut.filter((_, i) => i % 2 === 0), ...cutSamples(own).map((sample) => sample.frame)];
  });
  afterAll(closeAll);

  test(
    `${RUNS} programs from seed ${FIRST_SEED}`,
    () => {
      const faults: string[] = [];
      for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
        const random = new Random(seed * 7919);
        const statements = new ProgramMaker(random).statements(1 + random.below(6));
        const fault = faultOf(statements);
        if (fault === null) continue;
        const small = shrink(statements, fault);
        faults.push(`FC_SEED=${seed} FC_RUNS=1\n${small.statements.join("\n")}\n${small.fault}`);
        if (faults.length >= 5) break;
      }
      expect(faults.join("\n\n---\n\n")).toBe("");
      expect(tooMuch, "programs that the verifier doesn't follow to their end").toBeLessThanOrEqual(1 + RUNS / 5);
    },
    Math.max(120_000, RUNS * 10_000),
  );
});
