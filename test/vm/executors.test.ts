// One meaning, two executors: random programs of every kind, from orderly ones to noise, give the same result or the same fault with
// both: r0, packet, map, instructions counted, path, place and words of the fault. fast-check prints its seed on failure.

import fc from "fast-check";
import { expect, test } from "vitest";
import { encode } from "../../src/bpf/encode.ts";
import type { ProgramImage } from "../../src/bpf/image.ts";
import type { HelperTable } from "../../src/vm/helper-call.ts";
import { argU64, giveU64 } from "../../src/vm/helper-call.ts";
import { Machine } from "../../src/vm/machine.ts";
import { bareImage } from "../../src/vm/program.ts";
import { program, tries } from "../bpf/arbitraries.ts";
import { Random } from "../support/random.ts";
import { interestingBytes, randomProgram, valueBytes } from "./random-program.ts";
import type { ExecutorName, Outcome } from "./support.ts";
import { executors, OneValue, oneValueMap, outcomeOf } from "./support.ts";

/** Any helper the noise calls: a mixture of its arguments. */
const helpers: HelperTable = new Map(
  Array.from({ length: 300 }, (_, id) => [
    id,
    (env) => giveU64(env, (argU64(env, 1) * 3n) ^ argU64(env, 2) ^ BigInt(id)),
  ]),
);

interface Finding {
  readonly outcomes: readonly Outcome[];
  readonly value: Uint8Array;
}

/** Runs some packets one after the other on a machine of its own. */
function runAll(
  image: ProgramImage,
  executor: ExecutorName,
  packets: readonly Uint8Array[],
  seed: number,
  piece = 350,
): Finding {
  const map = new OneValue(oneValueMap(valueBytes));
  map.value.bytes.set(interestingBytes(new Random(seed), valueBytes));
  const machine = new Machine(image, {
    executor,
    createMap: () => map,
    helpers,
    budget: 3000,
    mayGotoLimit: 20,
    piece,
  });
  return {
    outcomes: packets.map((packet) => outcomeOf(machine, packet, { ingressIfindex: 3, rxQueueIndex: 1 })),
    value: map.value.bytes,
  };
}

function expectSame(image: ProgramImage, packets: readonly Uint8Array[], seed: number): void {
  const [first, second] = executors.map((executor) => runAll(image, executor, packets, seed));
  expect(second).toEqual(first);
  // In pieces: of one to a few instructions, so that all registers pass through memory again and again.
  expect(runAll(image, "compiled", packets, seed, 1 + (seed % 7))).toEqual(first);
}

const packet = fc.uint8Array({ minLength: 0, maxLength: 100 });

test("noise", () => {
  let faults = 0;
  fc.assert(
    fc.property(
      program(40, { symbols: false }),
      fc.array(packet, { minLength: 1, maxLength: 3 }),
      fc.nat(),
      (insns, packets, seed) => {
        const image = { ...bareImage(encode(insns).bytes), maps: [oneValueMap(valueBytes)] };
        const { outcomes } = runAll(image, "interpreter", packets, 1);
        faults += outcomes.filter(({ kind }) => kind === "fault").length;
        expectSame(image, packets, seed);
      },
    ),
    tries(500),
  );
  expect(faults).toBeGreaterThan(0);
});

test("bytes", () => {
  const slots = fc.uint8Array({ minLength: 0, maxLength: 200 });
  fc.assert(
    fc.property(slots, packet, fc.nat(), (code, bytes, seed) => expectSame(bareImage(code), [bytes], seed)),
    tries(300),
  );
});

/** A program that the verifier accepts. */
function orderly(seed: number): { readonly code: Uint8Array; readonly packets: readonly Uint8Array[] } {
  const random = new Random(seed);
  const { code } = randomProgram(random, 5 + random.below(60));
  const packets = Array.from({ length: 3 }, () => interestingBytes(random, 60 + random.below(20)));
  return { code, packets };
}

test("orderly programs", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const { code, packets } = orderly(seed);
      expectSame({ ...bareImage(code), maps: [oneValueMap(valueBytes)] }, packets, seed);
    }),
    tries(150),
  );
});

test("orderly programs with a few fields changed", () => {
  const change = fc.record({
    slot: fc.nat(),
    byte: fc.integer({ min: 0, max: 7 }),
    value: fc.integer({ min: 0, max: 255 }),
  });
  fc.assert(
    fc.property(fc.nat(), fc.array(change, { minLength: 1, maxLength: 4 }), (seed, changes) => {
      const { code, packets } = orderly(seed);
      for (const { slot, byte, value } of changes) code[8 * (slot % (code.length / 8)) + byte] = value;
      expectSame({ ...bareImage(code), maps: [oneValueMap(valueBytes)] }, packets, seed);
    }),
    tries(300),
  );
});

test("an observed run is the same run", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const { code, packets } = orderly(seed);
      const image = { ...bareImage(code), maps: [oneValueMap(valueBytes)] };
      const slots: number[] = [];
      const map = new OneValue(oneValueMap(valueBytes));
      const machine = new Machine(image, { createMap: () => map });
      const plain = machine.run(packets[0] ?? new Uint8Array(64), { path: true });
      map.value.bytes.fill(0);
      const watched = machine.run(packets[0] ?? new Uint8Array(64), {
        path: true,
        observe: (slot) => slots.push(slot),
      });
      expect(watched.path).toEqual([{ program: "bytecode", slots: Uint32Array.from(slots) }]);
      expect(watched.steps).toBe(slots.length);
      expect(plain.path?.[0]?.slots.length).toBe(plain.steps);
    }),
    tries(50),
  );
});
