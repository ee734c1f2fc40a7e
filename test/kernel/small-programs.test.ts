// Small programs of the whole language, compiled, loaded into the kernel and run on the packet corpus: every packet's verdict and
// frame, and the state at the end, must be what a plain function over an independent reading of the packet says.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CompileOptions } from "../../src/compile.ts";
import { concat, hex, littleEndian } from "../support/addresses.ts";
import { type KernelMap, loadProgram, MAP_TYPE, programInfo } from "../support/bpf.ts";
import { compileText, objectFile, objectOf, temporaryFolder } from "../support/compile.ts";
import { cutSamples, fullCorpus, type Sample, shortCorpus } from "../support/corpus.ts";
import { attachXdp, type LoadedObject, loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createPeerNetns, createVeth, netnsProblem, type VethEnd } from "../support/netns.ts";
import { describeWith } from "../support/requirements.ts";
import { openXdpSocket, type XdpSocket } from "../support/sockets.ts";
import { actionPrograms } from "./programs/actions.ts";
import { fromLittleEndian, type SmallProgram, State, trimmed } from "./programs/case.ts";
import { fieldPrograms } from "./programs/fields.ts";
import { headPrograms } from "./programs/heads.ts";
import { mapPrograms } from "./programs/maps.ts";
import { mplsPrograms } from "./programs/mpls.ts";
import { presencePrograms } from "./programs/presence.ts";
import { refusedPrograms } from "./programs/refused.ts";
import { reviewedPrograms } from "./programs/reviewed.ts";
import { rewritePrograms } from "./programs/rewrites.ts";
import { statePrograms } from "./programs/state.ts";
import { structurePrograms } from "./programs/structure.ts";
import { tunnelPrograms } from "./programs/tunnels.ts";
import { valuePrograms } from "./programs/values.ts";

const programs: readonly SmallProgram[] = [
  ...fieldPrograms,
  ...presencePrograms,
  ...valuePrograms,
  ...statePrograms,
  ...mapPrograms,
  ...actionPrograms,
  ...rewritePrograms,
  ...headPrograms,
  ...structurePrograms,
  ...tunnelPrograms,
  ...mplsPrograms,
  ...reviewedPrograms,
];

const byName = programs.map((program) => [program.name, program] as const);

/** Other ways to compile, each with every program but on fewer packets. */
const VARIANTS: readonly { readonly name: string; readonly options: Partial<CompileOptions> }[] = [
  { name: "unoptimised", options: { optimise: 0 } },
  { name: "cpu v1", options: { cpu: "v1" } },
  { name: "cpu v4", options: { cpu: "v4" } },
];

/** A program that only passes: native XDP on a device makes its receive queues known to test runs. */
const PASS_PROGRAM = new Uint8Array([0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);
const QUEUES = 4;
/** The kernel gives up at a million; small programs have to stay far from it. */
const MOST_VERIFIED = 100_000;
const MOST_FAULTS_SHOWN = 3;

test("there are enough programs, each with a name of its own", () => {
  expect(programs.length).toBeGreaterThanOrEqual(150);
  expect(new Set(programs.map((program) => program.name)).size).toBe(programs.length);
});

describeWith("small programs in the kernel", [netnsProblem()], () => {
  let corpus: Sample[] = [];
  let quickCorpus: Sample[] = [];
  let sparseCorpus: Sample[] = [];
  let device: VethEnd;
  let socket: XdpSocket;
  let folder = "";

  beforeAll(async () => {
    folder = temporaryFolder();
    corpus = fullCorpus();
    quickCorpus = shortCorpus();
    sparseCorpus = quickCorpus.filter((_, index) => index % 4 === 0);
    const first = await createNetns();
    const second = await createPeerNetns(first);
    [device] = createVeth({ netns: first, device: "veth0" }, { netns: second, device: "veth0" }, { queues: QUEUES });
    attachXdp(device, loadProgram({ insns: PASS_PROGRAM }).fd);
    socket = openXdpSocket(device, 0);
  });
  afterAll(closeAll);

  /** Puts a socket, a device or a CPU into the given entries of a redirect map. */
  function fill(map: KernelMap, keys: readonly number[]): void {
    for (const key of keys) {
      const word = map.type === MAP_TYPE.xskmap ? socket.fd : map.type === MAP_TYPE.cpumap ? 64 : device.ifindex;
      const value = concat(littleEndian(word, 4), new Uint8Array(map.valueSize - 4));
      device.netns.enter(() => map.update(littleEndian(key, 4), value));
    }
  }

  function prepare(program: SmallProgram, object: LoadedObject): State {
    const state = new State();
    for (const [name, entries] of Object.entries(program.before ?? {})) {
      for (const [key, value] of entries) {
        object.map(name).update(key, value);
        state.put(name, key, value);
      }
    }
    for (const [name, keys] of Object.entries(program.filled ?? {})) fill(object.map(name), keys);
    for (const [name, { initial, size }] of Object.entries(program.globals ?? {})) {
      expect(hex(object.readGlobal(name)), `${name} at the start`).toBe(hex(littleEndian(initial, size)));
      state.setGlobal(name, initial);
    }
    return state;
  }

  function runAll(program: SmallProgram, object: LoadedObject, state: State, usual: readonly Sample[]): string[] {
    const kernel = object.program(program.program);
    const samples = [...usual, ...cutSamples(program.extra ?? [])];
    const options = program.queue === undefined ? {} : { ingress: { ifindex: device.ifindex, queue: program.queue } };
    const faults: string[] = [];
    for (const { frame, reading } of samples) {
      const outcome = program.expect(reading, state);
      const [verdict, wanted] = typeof outcome === "string" ? [outcome, frame] : [outcome.verdict, outcome.frame];
      const result = kernel.run(frame, options);
      const same = Buffer.compare(result.data, wanted) === 0;
      if (result.verdict === verdict && same) continue;
      faults.push(
        `packet ${hex(frame)} (${frame.length} bytes): want ${verdict}, got ${result.verdict}` +
          (same ? "" : `\n  want frame ${hex(wanted)}\n  got frame  ${hex(result.data)}`),
      );
      // State may differ from here on: one fault is enough to show.
      if (faults.length >= MOST_FAULTS_SHOWN) break;
    }
    return faults;
  }

  function judge(program: SmallProgram, options: Partial<CompileOptions>, usual: readonly Sample[]): void {
    const files = program.files ?? {};
    const path = objectFile(objectOf(program.source, { files, ...options }), "program.o", folder);
    const object = loadObject(path, { globals: program.config ?? {} });
    try {
      const { verifiedInsns } = programInfo(object.program(program.program).fd);
      expect(verifiedInsns, "instructions that the verifier went through").toBeLessThan(MOST_VERIFIED);
      const state = prepare(program, object);
      const run = (): string[] => runAll(program, object, state, usual);
      const faults = program.queue === undefined ? run() : device.netns.enter(run);
      expect(faults.join("\n"), program.source).toBe("");
      for (const name of program.maps ?? []) {
        expect(entriesInKernel(object.map(name)), `map ${name}`).toEqual(entriesInModel(state, object.map(name)));
      }
      for (const name of program.counters ?? []) {
        expect(counterInKernel(object.map(name)), `counter ${name}`).toEqual(Object.fromEntries(state.counter(name)));
      }
      for (const [name, { size }] of Object.entries(program.globals ?? {})) {
        const wanted = BigInt.asUintN(size * 8, state.global(name));
        expect(fromLittleEndian(object.readGlobal(name)), `variable ${name}`).toBe(wanted);
      }
    } finally {
      object.close();
    }
  }

  test.each(byName)("%s", (_, program) => {
    judge(program, {}, program.quick === true ? quickCorpus : corpus);
  });

  describe.each(VARIANTS.map(({ name, options }) => [name, options] as const))("%s", (_, options) => {
    test.each(byName)("%s", (_, program) => {
      judge(program, options, sparseCorpus);
    });
  });
});

/** A map's entries as hexadecimal text; of per-CPU maps the sum over CPUs; of arrays only the elements that aren't zero. */
function entriesInKernel(map: KernelMap): Record<string, string> {
  const entries: Record<string, string> = {};
  for (const [key, value] of map.entries()) {
    const shown = map.isPerCpu ? hex(littleEndian(sumOfWords(value, 0, map.valueSize), 8)) : hex(value);
    if (!isArray(map) || /[^0]/.test(shown)) entries[hex(key)] = shown;
  }
  return entries;
}

function entriesInModel(state: State, map: KernelMap): Record<string, string> {
  const entries = [...state.map(map.name)].map(([key, value]): [string, string] => [key, hex(value)]);
  return Object.fromEntries(entries.filter(([, value]) => !isArray(map) || /[^0]/.test(value)));
}

/** A counter's packets and bytes, summed over CPUs, by trimmed key. */
function counterInKernel(map: KernelMap): Record<string, [bigint, bigint]> {
  const counts: Record<string, [bigint, bigint]> = {};
  for (const [key, value] of map.entries()) {
    const packets = sumOfWords(value, 0, map.valueSize);
    const bytes = sumOfWords(value, 8, map.valueSize);
    if (packets !== 0n || bytes !== 0n) counts[trimmed(key)] = [packets, bytes];
  }
  return counts;
}

function sumOfWords(bytes: Uint8Array, first: number, step: number): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let sum = 0n;
  for (let offset = first; offset + 8 <= bytes.length; offset += step) sum += view.getBigUint64(offset, true);
  return BigInt.asUintN(64, sum);
}

function isArray(map: KernelMap): boolean {
  return map.type === MAP_TYPE.array || map.type === MAP_TYPE.percpu_array;
}

test.each(refusedPrograms.map((program) => [program.name, program] as const))("refused: %s", (_, program) => {
  const start = program.source.indexOf("«");
  const end = program.source.indexOf("»") - 1;
  const result = compileText(program.source.replace(/[«»]/g, ""));
  expect(result.output, "must not compile").toBeNull();
  const errors = result.diagnostics.filter((diagnostic) => diagnostic.severity === "error");
  const touching = errors.filter(
    ({ primary }) => primary !== null && primary.span.start <= end && primary.span.end >= start,
  );
  expect(
    touching.length,
    JSON.stringify(errors.map(({ code, message, primary }) => [code, message, primary?.span.start])),
  ).toBeGreaterThan(0);
  const words = touching.flatMap(({ message, notes, help, primary }) => [
    message,
    ...notes,
    help ?? "",
    primary?.text ?? "",
  ]);
  expect(words.join("\n")).toMatch(program.says ?? /./);
});
