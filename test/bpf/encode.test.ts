// Every form of instruction against bytes written by hand from RFC 9669, before any test lets encoder and decoder agree
// with each other; then what the encoder must refuse.

import { describe, expect, test } from "vitest";
import { InternalError } from "../../src/base/assert.ts";
import { decode } from "../../src/bpf/decode.ts";
import { encode, slotStarts, targetSlot } from "../../src/bpf/encode.ts";
import type { ResolvedInsn } from "../../src/bpf/insn.ts";
import { aluOps, atomicOps, jumpOps, opNames } from "../../src/bpf/isa.ts";

const hex = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

/** opcode, src:dst, offset (2, low byte first), immediate (4, low byte first). */
const vectors: readonly (readonly [string, ResolvedInsn])[] = [
  // Section 4.1, class ALU64 (7): opcode = code | source | 7.
  ["07 03 00 00 05 00 00 00", { kind: "alu", op: "add", bits: 64, dst: 3, src: { imm: 5 } }],
  ["0f 43 00 00 00 00 00 00", { kind: "alu", op: "add", bits: 64, dst: 3, src: { reg: 4 } }],
  ["17 0a 00 00 f8 ff ff ff", { kind: "alu", op: "sub", bits: 64, dst: 10, src: { imm: -8 } }],
  ["1f 21 00 00 00 00 00 00", { kind: "alu", op: "sub", bits: 64, dst: 1, src: { reg: 2 } }],
  ["27 01 00 00 ff ff ff 7f", { kind: "alu", op: "mul", bits: 64, dst: 1, src: { imm: 0x7fffffff } }],
  ["2f 21 00 00 00 00 00 00", { kind: "alu", op: "mul", bits: 64, dst: 1, src: { reg: 2 } }],
  ["37 01 00 00 03 00 00 00", { kind: "alu", op: "div", bits: 64, dst: 1, src: { imm: 3 } }],
  ["3f 21 00 00 00 00 00 00", { kind: "alu", op: "div", bits: 64, dst: 1, src: { reg: 2 } }],
  ["37 01 01 00 03 00 00 00", { kind: "alu", op: "sdiv", bits: 64, dst: 1, src: { imm: 3 } }],
  ["3f 21 01 00 00 00 00 00", { kind: "alu", op: "sdiv", bits: 64, dst: 1, src: { reg: 2 } }],
  ["47 01 00 00 03 00 00 00", { kind: "alu", op: "or", bits: 64, dst: 1, src: { imm: 3 } }],
  ["4f 21 00 00 00 00 00 00", { kind: "alu", op: "or", bits: 64, dst: 1, src: { reg: 2 } }],
  ["57 01 00 00 ff 0f 00 00", { kind: "alu", op: "and", bits: 64, dst: 1, src: { imm: 0xfff } }],
  ["5f 21 00 00 00 00 00 00", { kind: "alu", op: "and", bits: 64, dst: 1, src: { reg: 2 } }],
  ["67 01 00 00 20 00 00 00", { kind: "alu", op: "lsh", bits: 64, dst: 1, src: { imm: 32 } }],
  ["6f 21 00 00 00 00 00 00", { kind: "alu", op: "lsh", bits: 64, dst: 1, src: { reg: 2 } }],
  ["77 01 00 00 20 00 00 00", { kind: "alu", op: "rsh", bits: 64, dst: 1, src: { imm: 32 } }],
  ["7f 21 00 00 00 00 00 00", { kind: "alu", op: "rsh", bits: 64, dst: 1, src: { reg: 2 } }],
  ["87 01 00 00 00 00 00 00", { kind: "neg", bits: 64, dst: 1 }],
  ["97 01 00 00 03 00 00 00", { kind: "alu", op: "mod", bits: 64, dst: 1, src: { imm: 3 } }],
  ["9f 21 00 00 00 00 00 00", { kind: "alu", op: "mod", bits: 64, dst: 1, src: { reg: 2 } }],
  ["97 01 01 00 03 00 00 00", { kind: "alu", op: "smod", bits: 64, dst: 1, src: { imm: 3 } }],
  ["9f 21 01 00 00 00 00 00", { kind: "alu", op: "smod", bits: 64, dst: 1, src: { reg: 2 } }],
  ["a7 01 00 00 ff ff ff ff", { kind: "alu", op: "xor", bits: 64, dst: 1, src: { imm: -1 } }],
  ["af 21 00 00 00 00 00 00", { kind: "alu", op: "xor", bits: 64, dst: 1, src: { reg: 2 } }],
  ["b7 00 00 00 02 00 00 00", { kind: "alu", op: "mov", bits: 64, dst: 0, src: { imm: 2 } }],
  ["bf a2 00 00 00 00 00 00", { kind: "alu", op: "mov", bits: 64, dst: 2, src: { reg: 10 } }],
  ["c7 01 00 00 3f 00 00 00", { kind: "alu", op: "arsh", bits: 64, dst: 1, src: { imm: 63 } }],
  ["cf 21 00 00 00 00 00 00", { kind: "alu", op: "arsh", bits: 64, dst: 1, src: { reg: 2 } }],
  // Class ALU (4): the same codes.
  ["04 03 00 00 05 00 00 00", { kind: "alu", op: "add", bits: 32, dst: 3, src: { imm: 5 } }],
  ["0c 43 00 00 00 00 00 00", { kind: "alu", op: "add", bits: 32, dst: 3, src: { reg: 4 } }],
  ["34 01 01 00 fd ff ff ff", { kind: "alu", op: "sdiv", bits: 32, dst: 1, src: { imm: -3 } }],
  ["9c 21 01 00 00 00 00 00", { kind: "alu", op: "smod", bits: 32, dst: 1, src: { reg: 2 } }],
  ["84 09 00 00 00 00 00 00", { kind: "neg", bits: 32, dst: 9 }],
  ["b4 00 00 00 00 00 00 80", { kind: "alu", op: "mov", bits: 32, dst: 0, src: { imm: -0x80000000 } }],
  ["bc 12 00 00 00 00 00 00", { kind: "alu", op: "mov", bits: 32, dst: 2, src: { reg: 1 } }],
  // Sign-extending moves: the offset field holds the width.
  ["bf 21 08 00 00 00 00 00", { kind: "movsx", bits: 64, fromBits: 8, dst: 1, src: 2 }],
  ["bf 21 10 00 00 00 00 00", { kind: "movsx", bits: 64, fromBits: 16, dst: 1, src: 2 }],
  ["bf 21 20 00 00 00 00 00", { kind: "movsx", bits: 64, fromBits: 32, dst: 1, src: 2 }],
  ["bc 21 08 00 00 00 00 00", { kind: "movsx", bits: 32, fromBits: 8, dst: 1, src: 2 }],
  ["bc 21 10 00 00 00 00 00", { kind: "movsx", bits: 32, fromBits: 16, dst: 1, src: 2 }],
  // Section 4.2, byte order: code 0xd0; ALU with source 0 is le, 8 is be; ALU64 swaps.
  ["d4 01 00 00 10 00 00 00", { kind: "endian", op: "le", bits: 16, dst: 1 }],
  ["d4 01 00 00 40 00 00 00", { kind: "endian", op: "le", bits: 64, dst: 1 }],
  ["dc 01 00 00 10 00 00 00", { kind: "endian", op: "be", bits: 16, dst: 1 }],
  ["dc 02 00 00 20 00 00 00", { kind: "endian", op: "be", bits: 32, dst: 2 }],
  ["d7 01 00 00 10 00 00 00", { kind: "endian", op: "bswap", bits: 16, dst: 1 }],
  ["d7 01 00 00 40 00 00 00", { kind: "endian", op: "bswap", bits: 64, dst: 1 }],
  // Section 4.3, jumps: class JMP (5) and JMP32 (6).
  ["05 00 ff ff 00 00 00 00", { kind: "jump", wide: false, target: -1 }],
  ["06 00 00 00 00 00 01 00", { kind: "jump", wide: true, target: 0x10000 }],
  ["15 01 03 00 50 00 00 00", { kind: "branch", op: "eq", bits: 64, dst: 1, src: { imm: 0x50 }, target: 3 }],
  ["1d 21 03 00 00 00 00 00", { kind: "branch", op: "eq", bits: 64, dst: 1, src: { reg: 2 }, target: 3 }],
  ["25 01 03 00 50 00 00 00", { kind: "branch", op: "gt", bits: 64, dst: 1, src: { imm: 0x50 }, target: 3 }],
  ["2d 21 03 00 00 00 00 00", { kind: "branch", op: "gt", bits: 64, dst: 1, src: { reg: 2 }, target: 3 }],
  ["35 01 03 00 50 00 00 00", { kind: "branch", op: "ge", bits: 64, dst: 1, src: { imm: 0x50 }, target: 3 }],
  ["45 01 03 00 50 00 00 00", { kind: "branch", op: "set", bits: 64, dst: 1, src: { imm: 0x50 }, target: 3 }],
  ["55 01 03 00 50 00 00 00", { kind: "branch", op: "ne", bits: 64, dst: 1, src: { imm: 0x50 }, target: 3 }],
  ["65 01 03 00 50 00 00 00", { kind: "branch", op: "sgt", bits: 64, dst: 1, src: { imm: 0x50 }, target: 3 }],
  ["75 01 03 00 50 00 00 00", { kind: "branch", op: "sge", bits: 64, dst: 1, src: { imm: 0x50 }, target: 3 }],
  ["a5 01 03 00 50 00 00 00", { kind: "branch", op: "lt", bits: 64, dst: 1, src: { imm: 0x50 }, target: 3 }],
  ["b5 01 03 00 50 00 00 00", { kind: "branch", op: "le", bits: 64, dst: 1, src: { imm: 0x50 }, target: 3 }],
  ["c5 01 03 00 50 00 00 00", { kind: "branch", op: "slt", bits: 64, dst: 1, src: { imm: 0x50 }, target: 3 }],
  ["d5 01 03 00 50 00 00 00", { kind: "branch", op: "sle", bits: 64, dst: 1, src: { imm: 0x50 }, target: 3 }],
  ["56 02 00 80 50 00 00 00", { kind: "branch", op: "ne", bits: 32, dst: 2, src: { imm: 0x50 }, target: -0x8000 }],
  ["de 21 ff 7f 00 00 00 00", { kind: "branch", op: "sle", bits: 32, dst: 1, src: { reg: 2 }, target: 0x7fff }],
  ["85 00 00 00 01 00 00 00", { kind: "call", callee: { kind: "helper", id: 1 } }],
  ["85 10 00 00 fe ff ff ff", { kind: "call", callee: { kind: "local", target: -2 } }],
  ["85 20 03 00 39 30 00 00", { kind: "call", callee: { kind: "kfunc", btfId: 12345, fdIndex: 3 } }],
  ["95 00 00 00 00 00 00 00", { kind: "exit" }],
  ["e5 00 02 00 00 00 00 00", { kind: "mayGoto", target: 2 }],
  // Section 5, loads and stores: mode | size | class; MEM 0x60, MEMSX 0x80, ATOMIC 0xc0; W 0, H 8, B 0x10, DW 0x18.
  ["71 61 17 00 00 00 00 00", { kind: "load", width: 1, signed: false, dst: 1, base: 6, offset: 23 }],
  ["69 61 0c 00 00 00 00 00", { kind: "load", width: 2, signed: false, dst: 1, base: 6, offset: 12 }],
  ["61 61 04 00 00 00 00 00", { kind: "load", width: 4, signed: false, dst: 1, base: 6, offset: 4 }],
  ["79 a1 f8 ff 00 00 00 00", { kind: "load", width: 8, signed: false, dst: 1, base: 10, offset: -8 }],
  ["91 61 00 00 00 00 00 00", { kind: "load", width: 1, signed: true, dst: 1, base: 6, offset: 0 }],
  ["89 61 00 00 00 00 00 00", { kind: "load", width: 2, signed: true, dst: 1, base: 6, offset: 0 }],
  ["81 61 00 00 00 00 00 00", { kind: "load", width: 4, signed: true, dst: 1, base: 6, offset: 0 }],
  ["72 0a ff ff 07 00 00 00", { kind: "store", width: 1, base: 10, offset: -1, src: { imm: 7 } }],
  ["6a 0a fe ff 07 00 00 00", { kind: "store", width: 2, base: 10, offset: -2, src: { imm: 7 } }],
  ["62 0a fc ff 07 00 00 00", { kind: "store", width: 4, base: 10, offset: -4, src: { imm: 7 } }],
  ["7a 0a f8 ff ff ff ff ff", { kind: "store", width: 8, base: 10, offset: -8, src: { imm: -1 } }],
  ["73 1a ff ff 00 00 00 00", { kind: "store", width: 1, base: 10, offset: -1, src: { reg: 1 } }],
  ["6b 1a fe ff 00 00 00 00", { kind: "store", width: 2, base: 10, offset: -2, src: { reg: 1 } }],
  ["63 1a fc ff 00 00 00 00", { kind: "store", width: 4, base: 10, offset: -4, src: { reg: 1 } }],
  ["7b 1a f8 ff 00 00 00 00", { kind: "store", width: 8, base: 10, offset: -8, src: { reg: 1 } }],
  // Section 5.3, atomics: the immediate names the operation, 1 fetches.
  ["c3 21 00 00 00 00 00 00", { kind: "atomic", op: "add", fetch: false, width: 4, base: 1, offset: 0, src: 2 }],
  ["db 21 08 00 00 00 00 00", { kind: "atomic", op: "add", fetch: false, width: 8, base: 1, offset: 8, src: 2 }],
  ["db 21 08 00 01 00 00 00", { kind: "atomic", op: "add", fetch: true, width: 8, base: 1, offset: 8, src: 2 }],
  ["db 21 08 00 40 00 00 00", { kind: "atomic", op: "or", fetch: false, width: 8, base: 1, offset: 8, src: 2 }],
  ["db 21 08 00 51 00 00 00", { kind: "atomic", op: "and", fetch: true, width: 8, base: 1, offset: 8, src: 2 }],
  ["c3 21 08 00 a0 00 00 00", { kind: "atomic", op: "xor", fetch: false, width: 4, base: 1, offset: 8, src: 2 }],
  ["db 21 08 00 e1 00 00 00", { kind: "atomic", op: "xchg", fetch: true, width: 8, base: 1, offset: 8, src: 2 }],
  ["c3 21 08 00 f1 00 00 00", { kind: "atomic", op: "cmpxchg", fetch: true, width: 4, base: 1, offset: 8, src: 2 }],
  // Section 5.4, 64-bit immediates: two slots, the second with nothing but the high half.
  [
    "18 01 00 00 78 56 34 12 00 00 00 00 f0 de bc 9a",
    { kind: "loadWide", dst: 1, value: { kind: "constant", value: 0x9abcdef012345678n } },
  ],
  [
    "18 21 00 00 05 00 00 00 00 00 00 00 10 00 00 00",
    { kind: "loadWide", dst: 1, value: { kind: "raw", src: 2, imm: 5, immHigh: 16 } },
  ],
  // Section 5.5, packet access of old.
  ["28 00 00 00 0c 00 00 00", { kind: "legacy", mode: "abs", width: 2, src: 0, imm: 12 }],
  ["30 00 00 00 0c 00 00 00", { kind: "legacy", mode: "abs", width: 1, src: 0, imm: 12 }],
  ["40 60 00 00 0c 00 00 00", { kind: "legacy", mode: "ind", width: 4, src: 6, imm: 12 }],
];

/** Enough exits around an instruction for its jump to land on one, where the distance isn't a test of its own. */
function surrounded(insn: ResolvedInsn): ResolvedInsn[] {
  const exit: ResolvedInsn = { kind: "exit" };
  return [exit, exit, insn, exit, exit, exit, exit, exit];
}

describe("hand-written encodings", () => {
  test.each(vectors)("%s", (bytes, insn) => {
    expect(hex(encode([insn]).bytes)).toBe(bytes);
    expect(encode([insn]).relocations).toEqual([]);
  });

  test.each(vectors)("%s decodes", (bytes, insn) => {
    const far = (insn.kind === "branch" || insn.kind === "jump") && Math.abs(insn.target) > 3;
    const insns = far ? [insn] : surrounded(insn);
    const decoded = decode(encode(insns).bytes);
    if (far) expect(decoded).toMatchObject({ kind: "faults", faults: [{ kind: "targetOutside", slot: 0 }] });
    else expect(decoded).toMatchObject({ kind: "insns", insns });
    expect(bytes.split(" ").length % 8).toBe(0);
  });

  test("cover every operation of every table", () => {
    const seen = new Set(vectors.map(([, insn]) => `${insn.kind} ${"op" in insn ? insn.op : ""}`));
    for (const op of opNames(aluOps)) expect(seen).toContain(`alu ${op}`);
    for (const op of opNames(jumpOps)) expect(seen).toContain(`branch ${op}`);
    for (const op of opNames(atomicOps)) expect(seen).toContain(`atomic ${op}`);
  });
});

describe("symbols", () => {
  const insns: ResolvedInsn[] = [
    { kind: "alu", op: "mov", bits: 64, dst: 6, src: { reg: 1 } },
    { kind: "loadWide", dst: 1, value: { kind: "map", map: "ports" } },
    { kind: "loadWide", dst: 2, value: { kind: "data", section: ".rodata", offsetBytes: 24 } },
    { kind: "exit" },
  ];

  test("leave holes and name what belongs in them", () => {
    const { bytes, relocations } = encode(insns);
    expect(hex(bytes)).toBe(
      "bf 16 00 00 00 00 00 00 " +
        "18 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 " +
        "18 02 00 00 18 00 00 00 00 00 00 00 00 00 00 00 " +
        "95 00 00 00 00 00 00 00",
    );
    expect(relocations).toEqual([
      { slot: 1, kind: "map", symbol: "ports" },
      { slot: 3, kind: "data", section: ".rodata", offsetBytes: 24 },
    ]);
  });

  test("come back with their relocations", () => {
    const { bytes, relocations } = encode(insns);
    expect(decode(bytes, relocations)).toEqual({ kind: "insns", insns, slotOf: [0, 1, 3, 5] });
  });
});

describe("slots", () => {
  const wide: ResolvedInsn = { kind: "loadWide", dst: 1, value: { kind: "constant", value: 1n } };

  test("count two for a wide load", () => {
    expect(slotStarts([])).toEqual([0]);
    expect(slotStarts([wide, { kind: "exit" }, wide])).toEqual([0, 2, 3, 5]);
  });

  test("of targets count from behind the jump", () => {
    expect(targetSlot({ kind: "jump", wide: false, target: 0 }, 4)).toBe(5);
    expect(targetSlot({ kind: "jump", wide: true, target: -5 }, 4)).toBe(0);
    expect(targetSlot({ kind: "call", callee: { kind: "local", target: 2 } }, 0)).toBe(3);
    expect(targetSlot({ kind: "call", callee: { kind: "helper", id: 2 } }, 0)).toBeNull();
    expect(targetSlot({ kind: "exit" }, 0)).toBeNull();
  });
});

describe("what doesn't fit is our own bug", () => {
  const bad: readonly (readonly [string, ResolvedInsn])[] = [
    ["immediate above", { kind: "alu", op: "mov", bits: 64, dst: 0, src: { imm: 0x80000000 } }],
    ["immediate below", { kind: "alu", op: "mov", bits: 64, dst: 0, src: { imm: -0x80000001 } }],
    ["broken immediate", { kind: "alu", op: "mov", bits: 64, dst: 0, src: { imm: 0.5 } }],
    ["immediate that is no number", { kind: "alu", op: "mov", bits: 32, dst: 0, src: { imm: Number.NaN } }],
    ["load offset", { kind: "load", width: 1, signed: false, dst: 0, base: 1, offset: 0x8000 }],
    ["store offset", { kind: "store", width: 1, base: 1, offset: -0x8001, src: { imm: 0 } }],
    ["jump too far", { kind: "jump", wide: false, target: 0x8000 }],
    ["branch too far", { kind: "branch", op: "eq", bits: 64, dst: 0, src: { imm: 0 }, target: -0x8001 }],
    ["wide jump too far", { kind: "jump", wide: true, target: 2 ** 31 }],
    ["signed load of 8 bytes", { kind: "load", width: 8, signed: true, dst: 0, base: 1, offset: 0 }],
    ["32-bit sign extension from 32", { kind: "movsx", bits: 32, fromBits: 32, dst: 0, src: 1 }],
    ["xchg without fetch", { kind: "atomic", op: "xchg", fetch: false, width: 8, base: 1, offset: 0, src: 2 }],
    ["constant of 65 bits", { kind: "loadWide", dst: 0, value: { kind: "constant", value: 1n << 64n } }],
    [
      "negative constant of 65 bits",
      { kind: "loadWide", dst: 0, value: { kind: "constant", value: -(1n << 63n) - 1n } },
    ],
    ["raw load of source 0", { kind: "loadWide", dst: 0, value: { kind: "raw", src: 0, imm: 0, immHigh: 0 } }],
    ["data offset", { kind: "loadWide", dst: 0, value: { kind: "data", section: ".data", offsetBytes: 2 ** 31 } }],
    ["absolute packet load with a source", { kind: "legacy", mode: "abs", width: 1, src: 3, imm: 0 }],
  ];
  test.each(bad)("%s", (_what, insn) => {
    expect(() => encode([{ kind: "exit" }, insn])).toThrow(InternalError);
  });

  test("and a negative constant is its two's complement", () => {
    const minusOne: ResolvedInsn = { kind: "loadWide", dst: 1, value: { kind: "constant", value: -2n } };
    expect(hex(encode([minusOne]).bytes)).toBe("18 01 00 00 fe ff ff ff 00 00 00 00 ff ff ff ff");
  });
});
