// Random instructions and programs for property tests, and how often to try: FC_SEED and FC_RUNS in the environment override.

import fc from "fast-check";
import { slotStarts } from "../../src/bpf/encode.ts";
import type { AluOp, AtomicOp, JumpOp, Operand, Reg, ResolvedInsn, WideValue } from "../../src/bpf/insn.ts";
import { aluOps, atomicOps, jumpOps, opNames } from "../../src/bpf/isa.ts";

/** Parameters for `fc.assert`: `runs` tries unless the environment says otherwise. */
export function tries(runs: number): { numRuns: number; seed?: number } {
  const { FC_SEED, FC_RUNS } = process.env;
  return { numRuns: FC_RUNS === undefined ? runs : Number(FC_RUNS), ...(FC_SEED && { seed: Number(FC_SEED) }) };
}

const reg = fc.integer({ min: 0, max: 10 }) as fc.Arbitrary<Reg>;
const i32 = fc.oneof(
  fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
  fc.constantFrom(0, 1, -1, 9, 10, -9, -10, 0x7fff_ffff, -0x8000_0000),
);
const i16 = fc.oneof(fc.integer({ min: -0x8000, max: 0x7fff }), fc.constantFrom(0, -1, 0x7fff, -0x8000));
const bits = fc.constantFrom(32 as const, 64 as const);
const operand: fc.Arbitrary<Operand> = fc.oneof(fc.record({ reg }), fc.record({ imm: i32 }));
const symbol = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,15}$/);

const constantValue: fc.Arbitrary<WideValue> = fc.record({
  kind: fc.constant("constant" as const),
  value: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
});
const symbolValue: fc.Arbitrary<WideValue> = fc.oneof(
  fc.record({ kind: fc.constant("map" as const), map: symbol }),
  fc.record({
    kind: fc.constant("data" as const),
    section: fc.constantFrom(".rodata", ".data", ".bss"),
    offsetBytes: fc.integer({ min: 0, max: 0x7fff_ffff }),
  }),
);
const rawValue: fc.Arbitrary<WideValue> = fc.record({
  kind: fc.constant("raw" as const),
  src: fc.integer({ min: 1, max: 15 }),
  imm: i32,
  immHigh: i32,
});

/** Which forms of instruction a test can deal with. */
export interface InsnChoice {
  /** Wide loads of maps and data, and of raw values. Default true. */
  readonly symbols?: boolean;
  /** Instructions that assemblers have no text for, or read otherwise than we do: LD_ABS, LD_IND, kfunc calls. Default true. */
  readonly odd?: boolean;
}

/** One instruction; jumps and local calls have offset 0, for `program` to fill in. */
export function insn({ symbols = true, odd = true }: InsnChoice = {}): fc.Arbitrary<ResolvedInsn> {
  const kind = <K extends ResolvedInsn["kind"]>(name: K) => fc.constant(name);
  const plain = <T>(value: T) => fc.constant(value);
  const all: fc.Arbitrary<ResolvedInsn>[] = [
    fc.record({ kind: kind("alu"), op: fc.constantFrom<AluOp[]>(...opNames(aluOps)), bits, dst: reg, src: operand }),
    fc.record({ kind: kind("neg"), bits, dst: reg }),
    fc.record({
      kind: kind("movsx"),
      bits: plain(64 as const),
      fromBits: fc.constantFrom(8 as const, 16 as const, 32 as const),
      dst: reg,
      src: reg,
    }),
    fc.record({
      kind: kind("movsx"),
      bits: plain(32 as const),
      fromBits: fc.constantFrom(8 as const, 16 as const),
      dst: reg,
      src: reg,
    }),
    fc.record({
      kind: kind("endian"),
      op: fc.constantFrom("le" as const, "be" as const, "bswap" as const),
      bits: fc.constantFrom(16 as const, 32 as const, 64 as const),
      dst: reg,
    }),
    fc.record({
      kind: kind("load"),
      width: fc.constantFrom(1 as const, 2 as const, 4 as const, 8 as const),
      signed: plain(false),
      dst: reg,
      base: reg,
      offset: i16,
    }),
    fc.record({
      kind: kind("load"),
      width: fc.constantFrom(1 as const, 2 as const, 4 as const),
      signed: plain(true),
      dst: reg,
      base: reg,
      offset: i16,
    }),
    fc.record({
      kind: kind("store"),
      width: fc.constantFrom(1 as const, 2 as const, 4 as const, 8 as const),
      base: reg,
      offset: i16,
      src: operand,
    }),
    fc
      .record({
        kind: kind("atomic"),
        op: fc.constantFrom<AtomicOp[]>(...opNames(atomicOps)),
        fetch: fc.boolean(),
        width: fc.constantFrom(4 as const, 8 as const),
        base: reg,
        offset: i16,
        src: reg,
      })
      .map((insn) => ({ ...insn, fetch: insn.fetch || atomicOps[insn.op].alwaysFetches })),
    fc.record({
      kind: kind("loadWide"),
      dst: reg,
      value: symbols ? fc.oneof(constantValue, symbolValue, rawValue) : constantValue,
    }),
    fc.record({ kind: kind("jump"), wide: fc.boolean(), target: plain(0) }),
    fc.record({
      kind: kind("branch"),
      op: fc.constantFrom<JumpOp[]>(...opNames(jumpOps)),
      bits,
      dst: reg,
      src: operand,
      target: plain(0),
    }),
    fc.record({ kind: kind("mayGoto"), target: plain(0) }),
    fc.record({
      kind: kind("call"),
      callee: fc.record({ kind: plain("helper" as const), id: fc.integer({ min: 1, max: 300 }) }),
    }),
    fc.record({ kind: kind("call"), callee: fc.record({ kind: plain("local" as const), target: plain(0) }) }),
    fc.record({ kind: kind("exit") }),
  ];
  if (odd) {
    all.push(
      fc.record({
        kind: kind("call"),
        callee: fc.record({ kind: plain("kfunc" as const), btfId: i32, fdIndex: i16 }),
      }),
      fc.record({
        kind: kind("legacy"),
        mode: plain("abs" as const),
        width: fc.constantFrom(1 as const, 2 as const, 4 as const),
        src: plain(0 as const),
        imm: i32,
      }),
      fc.record({
        kind: kind("legacy"),
        mode: plain("ind" as const),
        width: fc.constantFrom(1 as const, 2 as const, 4 as const),
        src: reg,
        imm: i32,
      }),
    );
  }
  return fc.oneof(...all);
}

/** A program of 1 to `maxLength` instructions whose jumps and local calls all go to instructions of it. */
export function program(maxLength: number, choice?: InsnChoice): fc.Arbitrary<readonly ResolvedInsn[]> {
  const piece = fc.tuple(insn(choice), fc.nat());
  return fc.array(piece, { minLength: 1, maxLength }).map((pieces) => {
    const starts = slotStarts(pieces.map(([insn]) => insn));
    return pieces.map(([insn, wish], index) => {
      const offset = (starts[wish % pieces.length] ?? 0) - (starts[index] ?? 0) - 1;
      if (insn.kind === "jump" || insn.kind === "branch" || insn.kind === "mayGoto") return { ...insn, target: offset };
      if (insn.kind === "call" && insn.callee.kind === "local")
        return { kind: "call", callee: { kind: "local", target: offset } };
      return insn;
    });
  });
}
