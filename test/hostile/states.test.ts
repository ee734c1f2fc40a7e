// A program made to be expensive to check: eight functions with full stacks and 120,000 places where a state is saved. The kernel
// refuses it for its stack in the end; the checker may not take gigabytes before it knows.

import { expect, test } from "vitest";
import type { ImageFunction, ProgramImage } from "../../src/bpf/image.ts";
import { checkProgram } from "../../src/checker/check.ts";

type Insn = readonly [opcode: number, registers: number, offset: number, imm: number];

const PLACES = 120_000;
const CALLS = 7;
const END: readonly Insn[] = [
  [0xb7, 0, 0, 0],
  [0x95, 0, 0, 0],
];

function encoded(insns: readonly Insn[]): Uint8Array {
  const bytes = new Uint8Array(insns.length * 8);
  const view = new DataView(bytes.buffer);
  insns.forEach(([opcode, registers, offset, imm], i) => {
    view.setUint8(i * 8, opcode);
    view.setUint8(i * 8 + 1, registers);
    view.setInt16(i * 8 + 2, offset, true);
    view.setInt32(i * 8 + 4, imm, true);
  });
  return bytes;
}

function monster(): ProgramImage {
  const insns: Insn[] = [];
  const functions: ImageFunction[] = [];
  for (let depth = 0; depth <= CALLS; depth++) {
    const startSlot = insns.length;
    for (let i = 1; i <= 64; i++) insns.push([0xb7, 3, 0, i], [0x7b, 0x3a, -8 * i, 0]);
    if (depth < CALLS) insns.push([0x85, 0x10, 0, END.length]);
    else {
      insns.push([0xb7, 0, 0, 7]);
      for (let i = 0; i < PLACES; i++) {
        insns.push([0x15, 0, 0, i], [0x15, 0, 0, i]);
        for (let r = 3; r < 9; r++) insns.push([0xb7, r, 0, i]);
      }
    }
    insns.push(...END);
    const slots = insns.length - startSlot;
    functions.push({ name: `f${depth}`, startSlot, slots, global: false, parameters: null, returnsScalar: true });
  }
  const none = { maps: [], kfuncs: [], lines: [], gaps: [] };
  return {
    name: "monster",
    section: "xdp",
    attach: "device",
    frags: false,
    license: "GPL",
    code: encoded(insns),
    functions,
    ...none,
  };
}

test("states are kept within bounds", { timeout: 60_000 }, () => {
  const before = process.memoryUsage().heapUsed;
  const { verdict, unknown, totalStates } = checkProgram(monster());
  expect([verdict, unknown]).toEqual(["unknown", ["a walk with more saved states than are kept in memory"]]);
  expect(totalStates).toBeGreaterThan(30_000);
  expect((process.memoryUsage().heapUsed - before) / 2 ** 20).toBeLessThan(600);
});
