// The text of instructions: what is written by hand is what is printed and read, listings show labels and source lines, and
// printing and reading undo each other.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatInsn, printAsm } from "../../src/bpf/asm.ts";
import { parseAsm } from "../../src/bpf/asm-parse.ts";
import { disassemble } from "../../src/bpf/disasm.ts";
import { encode } from "../../src/bpf/encode.ts";
import type { ResolvedInsn } from "../../src/bpf/insn.ts";
import { insn, program, tries } from "./arbitraries.ts";

const texts: readonly (readonly [string, ResolvedInsn])[] = [
  ["r1 += r2", { kind: "alu", op: "add", bits: 64, dst: 1, src: { reg: 2 } }],
  ["w1 -= 9", { kind: "alu", op: "sub", bits: 32, dst: 1, src: { imm: 9 } }],
  ["r1 *= 0xa", { kind: "alu", op: "mul", bits: 64, dst: 1, src: { imm: 10 } }],
  ["r1 /= -0x10", { kind: "alu", op: "div", bits: 64, dst: 1, src: { imm: -16 } }],
  ["r1 s/= r2", { kind: "alu", op: "sdiv", bits: 64, dst: 1, src: { reg: 2 } }],
  ["w1 %= w2", { kind: "alu", op: "mod", bits: 32, dst: 1, src: { reg: 2 } }],
  ["w1 s%= 3", { kind: "alu", op: "smod", bits: 32, dst: 1, src: { imm: 3 } }],
  ["r1 |= r2", { kind: "alu", op: "or", bits: 64, dst: 1, src: { reg: 2 } }],
  ["r1 &= 0xffff", { kind: "alu", op: "and", bits: 64, dst: 1, src: { imm: 0xffff } }],
  ["r1 ^= -1", { kind: "alu", op: "xor", bits: 64, dst: 1, src: { imm: -1 } }],
  ["r1 <<= 0x20", { kind: "alu", op: "lsh", bits: 64, dst: 1, src: { imm: 32 } }],
  ["r1 >>= r10", { kind: "alu", op: "rsh", bits: 64, dst: 1, src: { reg: 10 } }],
  ["w1 s>>= 3", { kind: "alu", op: "arsh", bits: 32, dst: 1, src: { imm: 3 } }],
  ["w0 = 2", { kind: "alu", op: "mov", bits: 32, dst: 0, src: { imm: 2 } }],
  ["r2 = r10", { kind: "alu", op: "mov", bits: 64, dst: 2, src: { reg: 10 } }],
  ["r0 = -0x80000000", { kind: "alu", op: "mov", bits: 64, dst: 0, src: { imm: -0x80000000 } }],
  ["r3 = -r3", { kind: "neg", bits: 64, dst: 3 }],
  ["w3 = -w3", { kind: "neg", bits: 32, dst: 3 }],
  ["r1 = (s8)r2", { kind: "movsx", bits: 64, fromBits: 8, dst: 1, src: 2 }],
  ["w1 = (s16)w2", { kind: "movsx", bits: 32, fromBits: 16, dst: 1, src: 2 }],
  ["r1 = be16 r1", { kind: "endian", op: "be", bits: 16, dst: 1 }],
  ["r1 = le64 r1", { kind: "endian", op: "le", bits: 64, dst: 1 }],
  ["r1 = bswap32 r1", { kind: "endian", op: "bswap", bits: 32, dst: 1 }],
  ["r1 = *(u32 *)(r6 + 4)", { kind: "load", width: 4, signed: false, dst: 1, base: 6, offset: 4 }],
  ["r0 = *(u64 *)(r10 - 8)", { kind: "load", width: 8, signed: false, dst: 0, base: 10, offset: -8 }],
  ["r1 = *(u8 *)(r6 + 0)", { kind: "load", width: 1, signed: false, dst: 1, base: 6, offset: 0 }],
  ["r1 = *(s16 *)(r6 + 12)", { kind: "load", width: 2, signed: true, dst: 1, base: 6, offset: 12 }],
  ["*(u16 *)(r6 + 12) = r2", { kind: "store", width: 2, base: 6, offset: 12, src: { reg: 2 } }],
  ["*(u64 *)(r10 - 16) = 0", { kind: "store", width: 8, base: 10, offset: -16, src: { imm: 0 } }],
  ["lock *(u64 *)(r1 + 0) += r2", { kind: "atomic", op: "add", fetch: false, width: 8, base: 1, offset: 0, src: 2 }],
  ["lock *(u32 *)(r1 + 4) ^= w2", { kind: "atomic", op: "xor", fetch: false, width: 4, base: 1, offset: 4, src: 2 }],
  [
    "r2 = atomic_fetch_and((u64 *)(r1 - 8), r2)",
    { kind: "atomic", op: "and", fetch: true, width: 8, base: 1, offset: -8, src: 2 },
  ],
  [
    "w2 = atomic_fetch_add((u32 *)(r1 + 0), w2)",
    { kind: "atomic", op: "add", fetch: true, width: 4, base: 1, offset: 0, src: 2 },
  ],
  ["r2 = xchg_64(r1 + 0, r2)", { kind: "atomic", op: "xchg", fetch: true, width: 8, base: 1, offset: 0, src: 2 }],
  ["w2 = xchg32_32(r1 + 0, w2)", { kind: "atomic", op: "xchg", fetch: true, width: 4, base: 1, offset: 0, src: 2 }],
  [
    "r0 = cmpxchg_64(r1 + 8, r0, r2)",
    { kind: "atomic", op: "cmpxchg", fetch: true, width: 8, base: 1, offset: 8, src: 2 },
  ],
  [
    "w0 = cmpxchg32_32(r1 + 8, w0, w2)",
    { kind: "atomic", op: "cmpxchg", fetch: true, width: 4, base: 1, offset: 8, src: 2 },
  ],
  ["r1 = 0x123456789abcdef0 ll", { kind: "loadWide", dst: 1, value: { kind: "constant", value: 0x123456789abcdef0n } }],
  ["r1 = map[ports] ll", { kind: "loadWide", dst: 1, value: { kind: "map", map: "ports" } }],
  ["r1 = .rodata[8] ll", { kind: "loadWide", dst: 1, value: { kind: "data", section: ".rodata", offsetBytes: 8 } }],
  ["r1 = raw[2, 5, -1] ll", { kind: "loadWide", dst: 1, value: { kind: "raw", src: 2, imm: 5, immHigh: -1 } }],
  ["r0 = *(u16 *)skb[0xc]", { kind: "legacy", mode: "abs", width: 2, src: 0, imm: 12 }],
  ["r0 = *(u8 *)skb[r6 + 3]", { kind: "legacy", mode: "ind", width: 1, src: 6, imm: 3 }],
  ["goto +3", { kind: "jump", wide: false, target: 3 }],
  ["gotol -70000", { kind: "jump", wide: true, target: -70000 }],
  ["may_goto +1", { kind: "mayGoto", target: 1 }],
  ["if w2 != 0x50 goto +3", { kind: "branch", op: "ne", bits: 32, dst: 2, src: { imm: 0x50 }, target: 3 }],
  ["if r2 s>= r3 goto -3", { kind: "branch", op: "sge", bits: 64, dst: 2, src: { reg: 3 }, target: -3 }],
  ["if r2 & 1 goto +0", { kind: "branch", op: "set", bits: 64, dst: 2, src: { imm: 1 }, target: 0 }],
  ["if r2 <= 1 goto +0", { kind: "branch", op: "le", bits: 64, dst: 2, src: { imm: 1 }, target: 0 }],
  ["call bpf_map_lookup_elem", { kind: "call", callee: { kind: "helper", id: 1 } }],
  ["call bpf_redirect_map", { kind: "call", callee: { kind: "helper", id: 51 } }],
  ["call helper[9]", { kind: "call", callee: { kind: "helper", id: 9 } }],
  ["call +4", { kind: "call", callee: { kind: "local", target: 4 } }],
  ["call kfunc[123, 0]", { kind: "call", callee: { kind: "kfunc", btfId: 123, fdIndex: 0 } }],
  ["exit", { kind: "exit" }],
];

describe("one instruction", () => {
  const offset = (target: number) => (target < 0 ? `${target}` : `+${target}`);
  test.each(texts)("%s prints", (text, instruction) => {
    expect(formatInsn(instruction, offset)).toBe(text);
  });
  test.each(texts)("%s reads", (text, instruction) => {
    expect(parseAsm(text)).toMatchObject({ kind: "insns", insns: [instruction] });
  });

  test.each([
    ["  r1   =  *(u32 *)(r6 + 0x4)  ", "r1 = *(u32 *)(r6 + 4)"],
    ["w1 = 5 ; five", "w1 = 5"],
    ["r1 = *(u8 *)(r6) // first", "r1 = *(u8 *)(r6 + 0)"],
    ["*(u32 *)(r6 + 4) = w1", "*(u32 *)(r6 + 4) = r1"],
    ["call 6", "call bpf_trace_printk"],
    ["r1 = -1 ll", "r1 = -0x1 ll"],
  ])("%j is another way to write %j", (other, canonical) => {
    const parsed = parseAsm(other);
    expect(parsed.kind).toBe("insns");
    if (parsed.kind === "insns") expect(parsed.insns.map((each) => formatInsn(each, offset))).toEqual([canonical]);
  });
});

describe("what can't be read", () => {
  test.each([
    ["r1 += ", "no instruction: r1 +="],
    ["frobnicate", "no instruction: frobnicate"],
    ["r11 = 1", "no instruction: r11 = 1"],
    ["r1 = r11", "no instruction: r1 = r11"],
    ["r1 = r100", "no instruction: r1 = r100"],
    ["r1 += w2", "r1 and w2 are of different widths"],
    ["if w1 == r2 goto +1", "w1 and r2 are of different widths"],
    ["r1 = -r2", "a negation works on one register"],
    ["r1 = be16 r2", "a byte swap works on one register"],
    ["w1 = (s32)w2", "a sign extension must widen"],
    ["r1 = *(s64 *)(r2 + 0)", "there is no sign-extending load of 64 bits"],
    ["r1 = *(u24 *)(r2 + 0)", "no instruction: r1 = *(u24 *)(r2 + 0)"],
    [
      "r3 = atomic_fetch_add((u64 *)(r1 + 0), r2)",
      "an atomic operation gives the old value to its own source register",
    ],
    ["lock *(u16 *)(r1 + 0) += r2", "no instruction: lock *(u16 *)(r1 + 0) += r2"],
    ["r1 = something ll", "no 64-bit value: something"],
    ["goto nowhere", "no label nowhere"],
    ["call bpf_no_such_helper", "no label bpf_no_such_helper"],
  ])("%s", (text, message) => {
    expect(parseAsm(`exit\n${text}\nexit`)).toEqual({ kind: "errors", errors: [{ line: 2, message }] });
  });

  test("is all told", () => {
    expect(parseAsm("a:\nbad\na:\nexit\nworse")).toEqual({
      kind: "errors",
      errors: [
        { line: 2, message: "no instruction: bad" },
        { line: 3, message: "label a stands here a second time" },
        { line: 5, message: "no instruction: worse" },
      ],
    });
  });

  test("never throws", () => {
    const piece = fc.constantFrom(
      ..."r1 w2 = += *(u32 *)( ) + - 0x 5 ll goto if call lock : ; L1 map[ ] skb[ s8 exit".split(" "),
      "\n",
      " ",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => void parseAsm(pieces.join(""))),
      tries(3000),
    );
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => void parseAsm(text)),
      tries(1000),
    );
  });
});

describe("a listing", () => {
  const source = `xdp_ports:
; if tcp.dport in ports then redirect xsk
    r6 = r1
    r1 = map[ports] ll
    call bpf_map_lookup_elem
    if r0 == 0 goto L2
    call helper_function
    goto L1
; second line
; third line
L1:
    exit
L2:
    w0 = 2
    gotol L1
helper_function:
    exit
`;

  const names = new Set(["xdp_ports", "helper_function"]);
  const read = (text: string) => {
    const parsed = parseAsm(text);
    if (parsed.kind === "errors") throw new Error(JSON.stringify(parsed.errors));
    return parsed;
  };

  test("is printed with labels, function names and source lines", () => {
    const { insns, labels } = read(source);
    const functions = new Map([...labels].filter(([name]) => names.has(name)).map(([name, index]) => [index, name]));
    const lines = [
      { insnIndex: 0, text: "  if tcp.dport in ports then redirect xsk" },
      { insnIndex: 6, text: "second line" },
      { insnIndex: 6, text: "third line" },
    ];
    // A line stands behind the label of its instruction.
    const moved = source.replace("; second line\n; third line\nL1:\n", "L1:\n; second line\n; third line\n");
    expect(printAsm({ insns, functions, lines })).toBe(moved);
  });

  test("jumps over wide loads by their slots", () => {
    const { insns } = read("goto L\nr1 = 1 ll\nL: exit");
    expect(insns[0]).toEqual({ kind: "jump", wide: false, target: 2 });
    expect(read("L: r1 = 1 ll\ngoto L").insns[1]).toEqual({ kind: "jump", wide: false, target: -3 });
  });

  test("shows a target that is no instruction as an offset", () => {
    expect(printAsm({ insns: [{ kind: "jump", wide: false, target: 7 }] })).toBe("    goto +7\n");
  });

  test("of no instructions is empty", () => {
    expect(printAsm({ insns: [] })).toBe("");
  });
});

describe("printing and reading undo each other", () => {
  test("for single instructions", () => {
    fc.assert(
      fc.property(insn(), (instruction) => {
        expect(parseAsm(printAsm({ insns: [instruction] }))).toMatchObject({ kind: "insns", insns: [instruction] });
      }),
      tries(2000),
    );
  });

  test("for programs with jumps", () => {
    fc.assert(
      fc.property(program(30), (insns) => {
        expect(parseAsm(printAsm({ insns }))).toMatchObject({ kind: "insns", insns });
      }),
      tries(1000),
    );
  });
});

describe("a disassembly", () => {
  test("gives symbols, names and lines back", () => {
    const insns: ResolvedInsn[] = [
      { kind: "loadWide", dst: 1, value: { kind: "map", map: "ports" } },
      { kind: "loadWide", dst: 2, value: { kind: "data", section: ".bss", offsetBytes: 4 } },
      { kind: "call", callee: { kind: "local", target: -1 } },
      { kind: "exit" },
    ];
    const { bytes, relocations } = encode(insns);
    const { text, faults } = disassemble({
      bytes,
      relocations: [...relocations, { slot: 4, kind: "call", symbol: "elsewhere" }],
      functions: [{ slot: 0, name: "prog" }],
      lines: [
        { slot: 0, text: "count hits" },
        { slot: 4, text: "drop" },
        { slot: 99, text: "never shown" },
      ],
    });
    expect(faults).toEqual([]);
    expect(text).toBe(
      ["prog:", "; count hits", "    r1 = map[ports] ll", "    r2 = .bss[4] ll", "; drop", "    call elsewhere"]
        .concat(["    exit", ""])
        .join("\n"),
    );
  });

  test("shows what is no instruction as bytes", () => {
    const bytes = Uint8Array.of(0xb7, 0, 0, 0, 2, 0, 0, 0, 0xff, 1, 2, 3, 4, 5, 6, 7, 0x95, 0, 0, 0, 0, 0, 0, 0, 9);
    const { text, faults } = disassemble({ bytes });
    expect(text).toBe(
      "    r0 = 2\n" +
        "    .bytes ff 01 02 03 04 05 06 07  ; unknown opcode 0xff\n" +
        "    exit\n" +
        "    .bytes 09  ; only 1 of 8 bytes\n",
    );
    expect(faults.map(({ kind }) => kind)).toEqual(["unknownOpcode", "partialSlot"]);
  });

  test("of any bytes never throws", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void disassemble({ bytes })),
      tries(2000),
    );
  });

  test("of a sound program reads back to it", () => {
    fc.assert(
      fc.property(program(30), (insns) => {
        const { bytes, relocations } = encode(insns);
        expect(parseAsm(disassemble({ bytes, relocations }).text)).toMatchObject({ kind: "insns", insns });
      }),
      tries(500),
    );
  });
});
