// Every pass keeps the meaning of every program and the shape rules: random programs run on random packets before and after
// each pass, with the same result, packet, calls and shared accesses.

import fc from "fast-check";
import { expect, test } from "vitest";
import type { IrFunction, Pass } from "../../src/ir/ir.ts";
import { parseIr } from "../../src/ir/parse.ts";
import { cfg } from "../../src/ir/passes/cfg.ts";
import { cse } from "../../src/ir/passes/cse.ts";
import { dce } from "../../src/ir/passes/dce.ts";
import { fold } from "../../src/ir/passes/fold.ts";
import { guards } from "../../src/ir/passes/guards.ts";
import { simplifyParams } from "../../src/ir/passes/params.ts";
import { optimise } from "../../src/ir/passes/pipeline.ts";
import { renumber } from "../../src/ir/passes/renumber.ts";
import { swaps } from "../../src/ir/passes/swaps.ts";
import { switches } from "../../src/ir/passes/switches.ts";
import { thread } from "../../src/ir/passes/thread.ts";
import { printIr } from "../../src/ir/print.ts";
import { validate } from "../../src/ir/validate.ts";
import { packets, programs, runs } from "./generate.ts";
import { interpret, region, type World, worldOf } from "./interpret.ts";

function world(packet: Uint8Array): World {
  const entries = new Map([
    ["00000000", region("m[0]", new Uint8Array(16).fill(1))],
    ["01000000", region("m[1]", new Uint8Array(16).fill(2))],
    ["06000000", region("m[6]", new Uint8Array(16))],
  ]);
  return worldOf(packet, { maps: { m: { keyBytes: 4, valueBytes: 16, entries } } });
}

function outcome(fn: IrFunction, packet: Uint8Array): unknown {
  const into = world(packet);
  const result = interpret(fn, into);
  return { result, packet: [...into.packet.bytes], trace: into.trace };
}

function expectSame(before: IrFunction, after: IrFunction, samples: readonly Uint8Array[]): void {
  if (after === before) return;
  expect(validate(after), printIr(after)).toEqual([]);
  for (const packet of samples) expect(outcome(after, packet), printIr(after)).toEqual(outcome(before, packet));
}

const samples = fc.array(packets, { minLength: 6, maxLength: 6 });

test("generated programs are valid, end, and survive the text form", () => {
  fc.assert(
    fc.property(programs, samples, (fn, list) => {
      expect(validate(fn), printIr(fn)).toEqual([]);
      for (const packet of list) outcome(fn, packet);
      expect(printIr(parseIr(printIr(fn)))).toBe(printIr(fn));
    }),
    runs(300),
  );
});

const passes: readonly (readonly [string, Pass])[] = [
  ["params", simplifyParams],
  ["thread", thread],
  ["dce", dce],
  ["cfg", cfg],
  ["cse", cse],
  ["fold", fold],
  ["guards", guards],
  ["cfg, cse, guards", (fn) => guards(cse(cfg(cse(fn))))],
  ["switches", switches],
  ["swaps", swaps],
  ["renumber", renumber],
  ["fold, cse, dce", (fn) => dce(cse(fold(fn)))],
  ["thread, cfg, dce", (fn) => dce(cfg(thread(fn)))],
];

test.each(passes)("%s keeps meaning and shape", (_name, pass) => {
  fc.assert(
    fc.property(programs, samples, (fn, list) => {
      let now = fn;
      for (let round = 0; round < 3; round++) {
        const next = pass(now);
        expectSame(now, next, list);
        now = next;
      }
    }),
    runs(300),
  );
});

test("the whole list keeps meaning and shape after each of its passes", () => {
  fc.assert(
    fc.property(programs, samples, (fn, list) => {
      let now = fn;
      optimise(fn, 2, (_name, next) => {
        expectSame(now, next, list);
        now = next;
      });
      expectSame(fn, optimise(fn, 0), list);
    }),
    runs(300),
  );
});

test("running the list again changes little: it is at most one round from its fixed point", () => {
  // Recorded as a share, for the bound on rounds may end a group early; it must not fall.
  let settled = 0;
  let all = 0;
  fc.assert(
    fc.property(programs, (fn) => {
      const once = optimise(fn, 2);
      all++;
      if (printIr(optimise(once, 2)) === printIr(once)) settled++;
      expect(optimise(once, 2).blocks.length).toBeLessThanOrEqual(once.blocks.length);
    }),
    runs(200),
  );
  expect(settled / all).toBeGreaterThan(0.9);
});
