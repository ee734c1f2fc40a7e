// Copies between stack places need a register for a moment. It may be one that is about to be written, but its old value is never
// saved unless there surely is one: the verifier refuses to read a register that nothing has written.

import fc from "fast-check";
import { expect, test } from "vitest";
import type { Insn } from "../../src/bpf/insn.ts";
import { type Copy, sequentialise } from "../../src/codegen/parallel-copy.ts";

const SPARE = -512;

/** Runs the instructions on registers and stack places that hold names; reading one that holds nothing throws. */
function run(insns: readonly Insn<never>[], start: ReadonlyMap<number, string>): Map<number, string> {
  const state = new Map(start);
  const read = (place: number): string => {
    const value = state.get(place);
    if (value === undefined) throw new Error(`reads ${place >= 0 ? `r${place}` : place}, which holds nothing`);
    return value;
  };
  for (const insn of insns) {
    if (insn.kind === "load") state.set(insn.dst, read(insn.offset));
    else if (insn.kind === "store" && "reg" in insn.src) state.set(insn.offset, read(insn.src.reg));
    else if (insn.kind === "store" && "imm" in insn.src) state.set(insn.offset, `#${insn.src.imm}`);
    else if (insn.kind === "alu" && "reg" in insn.src) state.set(insn.dst, read(insn.src.reg));
    else if (insn.kind === "alu" && "imm" in insn.src) state.set(insn.dst, `#${insn.src.imm}`);
    else throw new Error(`unexpected ${insn.kind}`);
  }
  return state;
}

const place = fc.oneof(
  fc.integer({ min: 0, max: 9 }),
  fc.integer({ min: 1, max: 6 }).map((n) => -8 * n),
);
const seed = process.env.FC_SEED === undefined ? {} : { seed: Number(process.env.FC_SEED) };

test("every copy arrives, nothing is read that holds nothing, nothing else changes", () => {
  const copies = fc.uniqueArray(
    fc.record({ to: place, from: fc.oneof(place, fc.constant({ kind: "constant", value: 7n } as const)) }),
    { selector: (copy) => copy.to, maxLength: 12 },
  );
  fc.assert(
    fc.property(copies, fc.uniqueArray(place), fc.integer({ min: 0, max: 1023 }), (list, others, scratchBits) => {
      const sources = list.flatMap(({ from }) => (typeof from === "number" ? [from] : []));
      const targets = list.map(({ to }) => to);
      // Live: what is copied, and others that aren't written. Registers that hold nothing may be scratch or not.
      const kept = others.filter((p) => !targets.includes(p));
      const start = new Map([...sources, ...kept].map((p): [number, string] => [p, `v${p}`]));
      for (let r = 0; r < 10; r++)
        if (!start.has(r) && !targets.includes(r) && (scratchBits & (1 << r)) === 0) start.set(r, `v${r}`);
      let scratch = 0;
      for (let r = 0; r < 10; r++) if (!start.has(r)) scratch |= 1 << r;
      const insns = sequentialise(list as readonly Copy[], {
        scratch,
        make: (reg, value) => [
          {
            kind: "alu",
            op: "mov",
            bits: 32,
            dst: reg,
            src: { imm: value.kind === "constant" ? Number(value.value) : 0 },
          },
        ],
        spare: (n) => SPARE - 8 * n,
      });
      const end = run(insns, start);
      for (const { to, from } of list) expect(end.get(to)).toBe(typeof from === "number" ? start.get(from) : "#7");
      for (const [p, value] of start) if (!targets.includes(p)) expect(end.get(p)).toBe(value);
    }),
    { numRuns: Number(process.env.FC_RUNS ?? 3000), ...seed },
  );
});
