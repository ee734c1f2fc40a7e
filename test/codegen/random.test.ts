// Random IR functions, compiled at every instruction-set level, loaded into the kernel (so the verifier accepts them) and run on
// random packets; result, packet and map must be what the IR interpreter says.

import fc from "fast-check";
import { afterAll, afterEach, expect, test } from "vitest";
import { encode } from "../../src/bpf/encode.ts";
import type { CpuLevel } from "../../src/bpf/isa.ts";
import { generate } from "../../src/codegen/generate.ts";
import type { IrFunction } from "../../src/ir/ir.ts";
import { validate } from "../../src/ir/validate.ts";
import { interpret, region, type TestMap, worldOf } from "../ir/interpret.ts";
import { createMap, loadProgram, patchMapFds } from "../support/bpf.ts";
import { closeAll } from "../support/native.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";
import { packetBytes, randomIr, type Shape, table } from "./random-ir.ts";

const levels: readonly CpuLevel[] = ["v1", "v2", "v3", "v4"];

const settings = {
  numRuns: Number(process.env.FC_RUNS ?? 60),
  ...(process.env.FC_SEED === undefined ? {} : { seed: Number(process.env.FC_SEED) }),
};

const shapes = fc.record({
  seed: fc.integer(),
  variables: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 3, max: 24 })),
  statements: fc.integer({ min: 1, max: 40 }),
  calls: fc.boolean(),
});

const packets = fc.array(fc.uint8Array({ minLength: packetBytes, maxLength: 2 * packetBytes }), {
  minLength: 1,
  maxLength: 3,
});

function key(n: number): Uint8Array {
  return Uint8Array.of(n, 0, 0, 0);
}

function initial(n: number): Uint8Array {
  return Uint8Array.from({ length: table.valueBytes }, (_, i) => (17 * n + 31 * i + 5) & 0xff);
}

/** What a program left behind, as text that is easy to compare. */
interface Outcome {
  readonly result: number;
  readonly packet: string;
  readonly values: readonly string[];
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function expected(fn: IrFunction, packet: Uint8Array): Outcome {
  const entries = new Map(
    Array.from({ length: table.entries }, (_, n) => [hex(key(n)), region(`entry${n}`, initial(n))]),
  );
  const map: TestMap = { keyBytes: 4, valueBytes: table.valueBytes, entries };
  const zero = (): bigint => 0n;
  const world = worldOf(packet, {
    maps: { [table.name]: map },
    helpers: { ktime_get_ns: zero, get_smp_processor_id: zero },
  });
  const result = interpret(fn, world);
  return { result, packet: hex(world.packet.bytes), values: [...entries.values()].map((e) => hex(e.bytes)) };
}

function inKernel(fn: IrFunction, cpu: CpuLevel, packetList: readonly Uint8Array[]): Outcome[] | null {
  const code = generate(fn, { cpu });
  // Nested loops over 24 variables can need more stack than there is.
  if (code.kind === "stack") return null;
  if (code.kind !== "code") throw new Error(`no code: ${code.kind}`);
  const map = createMap({ type: "array", keySize: 4, valueSize: table.valueBytes, maxEntries: table.entries });
  const { bytes, relocations } = encode(code.insns);
  const program = loadProgram({ insns: patchMapFds(bytes, new Map(relocations.map((r) => [r.slot, map.fd]))) });
  const outcomes = packetList.map((packet): Outcome => {
    for (let n = 0; n < table.entries; n++) map.update(key(n), initial(n));
    const { returnValue, data } = program.run(packet);
    const values = Array.from({ length: table.entries }, (_, n) => hex(map.lookup(key(n)) ?? new Uint8Array()));
    return { result: returnValue, packet: hex(data), values };
  });
  program.close();
  map.close();
  return outcomes;
}

describeWith("random functions in the kernel", [kernelProblem()], () => {
  afterEach(() => closeAll());
  afterAll(() => closeAll());

  const same = (shape: Shape, packetList: readonly Uint8Array[]): void => {
    const fn = randomIr(shape);
    expect(validate(fn)).toEqual([]);
    const want = packetList.map((packet) => expected(fn, packet));
    for (const cpu of levels) {
      const got = inKernel(fn, cpu, packetList);
      if (got !== null) expect(got, cpu).toEqual(want);
    }
  };

  test("behave as the IR says", () => {
    fc.assert(fc.property(shapes, packets, same), settings);
  });

  test.each([2, 9, 13, 20])("with %i variables over calls and loops", (variables) => {
    const packet = Uint8Array.from({ length: packetBytes }, (_, i) => (i * 37 + 11) & 0xff);
    for (let seed = 0; seed < 4; seed++) same({ seed, variables, statements: 60, calls: true }, [packet]);
  });
});
