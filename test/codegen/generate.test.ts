// IR in, instructions out, compared as text: what folds, what is compared how at each level, how registers and blocks are used.

import { describe, expect, test } from "vitest";
import { SourceFile } from "../../src/base/source.ts";
import { printAsm } from "../../src/bpf/asm.ts";
import { slotsOf } from "../../src/bpf/insn.ts";
import type { CpuLevel } from "../../src/bpf/isa.ts";
import { generate } from "../../src/codegen/generate.ts";
import { Builder } from "../../src/ir/builder.ts";
import type { Edge, IrFunction } from "../../src/ir/ir.ts";
import { parseIr } from "../../src/ir/parse.ts";

function codeOf(fn: IrFunction, cpu: CpuLevel = "v3") {
  const code = generate(fn, { cpu });
  if (code.kind !== "code") throw new Error(`no code: ${code.kind}`);
  return code;
}

function lines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

/** Compiles blocks of a function whose context is v0 and compares the instructions. */
function check(body: string, want: string, cpu: CpuLevel = "v3", slots = ""): void {
  const fn = parseIr(`fn f {\n${slots}\n${body}\n}`);
  expect(lines(printAsm({ insns: codeOf(fn, cpu).insns }))).toEqual(lines(want));
}

/** The code of a comparison of a loaded field with a constant. */
function comparison(compare: string, type: string, constant: string, cpu: CpuLevel): string[] {
  const width = type === "i64" ? 8 : 4;
  const fn = parseIr(`fn f {
    slot0: 8 align 8
    b0(v0: ctx):
      v1: mem = global .data + 0
      v2: ${type} = load shared ${width} v1 + 0
      v3: ${type} = const ${constant}
      branch ${compare} ${type} v2, v3, b1(), b2()
    b1():
      v4: i32 = const 1
      return v4
    b2():
      v5: i32 = const 2
      return v5
  }`);
  return lines(printAsm({ insns: codeOf(fn, cpu).insns })).slice(2, -5);
}

describe("folding", () => {
  test("a constant verdict is a 32-bit move", () => {
    check("b0(v0: ctx):\n v1: i32 = const 2\n return v1", "w0 = 2\nexit");
  });

  test.each([
    ["i64 = const 0xffffffff", "w0 = -1"],
    ["i64 = const 0xffffffff80000000", "r0 = -0x80000000"],
    ["i64 = const 0x123456789", "r0 = 0x123456789 ll"],
  ])("%s is made by %s", (constant, want) => {
    check(`b0(v0: ctx):\n v1: ${constant}\n return v1`, `${want}\nexit`);
  });

  test("addresses, constants and extensions fold into loads and stores", () => {
    check(
      `b0(v0: ctx):
        v1: mem = slot 0
        v2: mem = offset v1 + 4
        v3: i32 = const 7
        store stack 4 v1 + 0 = v3
        v4: i32 = ctxLoad v0 ingress_ifindex
        v5: i64 = zext v4
        v6: i32 = trunc v5
        store stack 4 v2 + 0 = v6
        v7: i64 = load stack 8 v1 + 0
        return v7`,
      `*(u32 *)(r10 - 8) = 7
       r1 = *(u32 *)(r1 + 12)
       *(u32 *)(r10 - 4) = r1
       r0 = *(u64 *)(r10 - 8)
       exit`,
      "v3",
      "slot0: 8 align 8",
    );
  });

  test("subtraction of a constant is an addition, powers of two are shifts and masks", () => {
    check(
      `b0(v0: ctx):
        v1: i32 = ctxLoad v0 ingress_ifindex
        v2: i32 = const 3
        v3: i32 = sub v1, v2
        v4: i32 = const 8
        v5: i32 = mul v3, v4
        v6: i32 = const 16
        v7: i32 = div v5, v6
        v8: i32 = const 4
        v9: i32 = mod v7, v8
        return v9`,
      `r0 = *(u32 *)(r1 + 12)
       w0 += -3
       w0 <<= 3
       w0 >>= 4
       w0 &= 3
       exit`,
    );
  });

  test("a call's result is returned where it is, its arguments are made in place", () => {
    check(
      `b0(v0: ctx):
        v1: i32 = ctxLoad v0 rx_queue_index
        v2: i64 = zext v1
        v3: map = map xsk
        v4: i64 = const 2
        v5: i64 = call redirect_map(v3, v2, v4)
        return v5`,
      `r2 = *(u32 *)(r1 + 16)
       r1 = map[xsk] ll
       w3 = 2
       call bpf_redirect_map
       exit`,
    );
  });

  test("an undefined argument of a parameter that is read is given a value: the verifier reads it on every path", () => {
    check(
      `b0(v0: ctx):
        v1: i32 = ctxLoad v0 ingress_ifindex
        v2: i32 = undef
        v3: i32 = const 5
        branch eq i32 v1, v3, b1(v2), b1(v1)
      b1(v4: i32):
        return v4`,
      `r0 = *(u32 *)(r1 + 12)
       if r0 != 5 goto L1
       w0 = 0
       L1:
       exit`,
    );
  });
});

describe("comparisons", () => {
  test.each<[string, string, string, CpuLevel, string[]]>([
    ["eq", "i32", "80", "v1", ["if r1 == 0x50 goto L1"]],
    ["eq", "i32", "0xfffffff0", "v3", ["if w1 == -0x10 goto L1"]],
    ["eq", "i32", "0xfffffff0", "v2", ["w2 = -0x10", "if r1 == r2 goto L1"]],
    ["eq", "i64", "0xfffffffffffffff0", "v2", ["if r1 == -0x10 goto L1"]],
    ["ult", "i32", "0x80000000", "v2", ["if r1 <= 0x7fffffff goto L1"]],
    ["ult", "i32", "5", "v2", ["if r1 < 5 goto L1"]],
    ["ult", "i32", "5", "v1", ["if r1 >= 5 goto L1"]],
    ["set", "i32", "0x80000000", "v1", ["if r1 & -0x80000000 goto L1"]],
    ["slt", "i32", "5", "v3", ["if w1 s< 5 goto L1"]],
    ["slt", "i32", "5", "v2", ["r1 <<= 0x20", "r1 s>>= 0x20", "if r1 s< 5 goto L1"]],
  ])("%s %s with %s at %s", (compare, type, constant, cpu, want) => {
    const got = comparison(compare, type, constant, cpu);
    // Which side falls through is the layout's choice: the sense may be turned.
    const senses: Record<string, string> = { "==": "!=", "<": ">=", "<=": ">", "s<": "s>=", ">=": "<" };
    const turned = want.map((line) =>
      line.replace(/ (==|s<|<=|<|>=) (.*goto)/, (_, op, rest) => ` ${senses[op]} ${rest}`),
    );
    expect([want, turned]).toContainEqual(got);
  });

  test("a masked field is tested without a result of its own", () => {
    check(
      `b0(v0: ctx):
        v1: i32 = ctxLoad v0 ingress_ifindex
        v2: i32 = const 12
        v3: i32 = and v1, v2
        v4: i32 = const 0
        branch ne i32 v3, v4, b1(), b2()
      b1():
        v5: i32 = const 1
        return v5
      b2():
        v6: i32 = const 2
        return v6`,
      `r1 = *(u32 *)(r1 + 12)
       if r1 & 0xc goto L1
       w0 = 2
       exit
       L1:
       w0 = 1
       exit`,
    );
  });
});

describe("packets", () => {
  test("guards add to one pointer, fields are read behind it", () => {
    check(
      `b0(v0: ctx):
        v1: pkt = ctxLoad v0 data
        v2: end = ctxLoad v0 data_end
        packetGuard v1 + 14 <= v2, b1(), b3()
      b1():
        v3: i32 = load packet 2 v1 + 12
        v4: i32 = const 8
        branch eq i32 v3, v4, b2(), b3()
      b2():
        packetGuard v1 + 34 <= v2, b4(), b3()
      b4():
        v5: i32 = load packet 1 v1 + 23
        return v5
      b3():
        v6: i32 = const 2
        return v6`,
      `r2 = *(u32 *)(r1 + 0)
       r1 = *(u32 *)(r1 + 4)
       r2 += 0xe
       if r2 > r1 goto L1
       r3 = *(u16 *)(r2 - 2)
       if r3 != 8 goto L1
       r2 += 0x14
       if r2 > r1 goto L1
       r0 = *(u8 *)(r2 - 11)
       exit
       L1:
       w0 = 2
       exit`,
    );
  });

  test("a pointer that is read where its guard fails isn't the one compared", () => {
    const fn = parseIr(`fn f {
      b0(v0: ctx):
        v1: pkt = ctxLoad v0 data
        v2: end = ctxLoad v0 data_end
        packetGuard v1 + 14 <= v2, b1(), b9()
      b1():
        packetGuard v1 + 34 <= v2, b2(), b3()
      b2():
        v3: i32 = load packet 4 v1 + 26
        return v3
      b3():
        v4: i32 = load packet 2 v1 + 12
        return v4
      b9():
        v5: i32 = const 2
        return v5
    }`);
    const text = lines(printAsm({ insns: codeOf(fn).insns }));
    const compared = text.filter((line) => / > /.test(line)).map((line) => /if (r\d)/.exec(line)?.[1]);
    const read = text.find((line) => line.includes("(u16 *)"));
    expect(read).toBeDefined();
    expect(read).not.toContain(`(${compared[1]} `);
  });
});

describe("blocks", () => {
  test("equal ends are shared", () => {
    const arm = (id: number, at: number): string => `b${id}():
        v${at}: mem = slot 0
        v${at + 1}: i32 = const ${id}
        store stack 4 v${at} + 0 = v${at + 1}
        v${at + 2}: map = map m
        v${at + 3}: i64 = call map_delete_elem(v${at + 2}, v${at})
        jump b9()`;
    const fn = parseIr(`fn f {
      slot0: 4 align 4
      b0(v0: ctx):
        v1: i32 = ctxLoad v0 ingress_ifindex
        v2: i32 = const 1
        branch eq i32 v1, v2, b1(), b2()
      ${arm(1, 10)}
      ${arm(2, 20)}
      b9():
        v3: i32 = const 2
        return v3
    }`);
    const text = lines(printAsm({ insns: codeOf(fn).insns }));
    expect(text.filter((line) => line.startsWith("call"))).toHaveLength(1);
    expect(text.filter((line) => line === "exit")).toHaveLength(1);
  });

  test("a long switch is a tree: no path has more than a few tests", () => {
    const b = new Builder("f");
    const value = b.ctxLoad("ingress_ifindex");
    const block = (verdict: number): Edge => {
      const { id } = b.newBlock();
      return { target: id, args: [verdict] };
    };
    const edges = [1, 2].map(block);
    const plain = edges.map((edge): Edge => ({ target: edge.target, args: [] }));
    const cases = Array.from({ length: 1000 }, (_, i) => ({ value: BigInt(3 * i), edge: plain[i % 2] as Edge }));
    const otherwise: Edge = { target: b.newBlock().id, args: [] };
    b.switchOn("i32", value, cases, otherwise);
    for (const [i, target] of [...plain, otherwise].entries()) {
      b.setBlock(target.target);
      b.ret(b.constant("i32", i));
    }
    const { insns } = codeOf(b.finish());
    /** The longest way through the tests from here; it is a tree, so the recursion is as deep as that. */
    const depth = (i: number): number => {
      const insn = insns[i];
      if (insn?.kind === "branch") return 1 + Math.max(depth(i + 1), depth(i + 1 + insn.target));
      if (insn?.kind === "jump") return depth(i + 1 + insn.target);
      return insn?.kind === "exit" ? 0 : depth(i + 1);
    };
    expect(depth(0)).toBeLessThanOrEqual(13);
    expect(insns.length).toBeLessThan(1700);
  });

  test("line info names each rule's line once where it begins", () => {
    const file = new SourceFile("rules.xdp", "first\nsecond\n");
    const b = new Builder("f");
    b.setOrigin({ file, start: 6, end: 12 });
    const value = b.ctxLoad("ingress_ifindex");
    b.setOrigin(null);
    const sum = b.binary("add", "i32", value, b.constant("i32", 1));
    b.setOrigin({ file, start: 0, end: 5 });
    b.ret(b.binary("mul", "i32", sum, sum));
    expect(codeOf(b.finish()).lines).toEqual([
      { insnIndex: 0, file: "rules.xdp", text: "second", line: 2, column: 1 },
      { insnIndex: 2, file: "rules.xdp", text: "first", line: 1, column: 1 },
    ]);
  });
});

describe("limits", () => {
  test("too much stack is told with its size", () => {
    const b = new Builder("f");
    const slots = [400, 200].map((bytes) => b.slot(b.newSlot(bytes, 8)));
    const value = b.ctxLoad("ingress_ifindex");
    for (const slot of slots) b.store("stack", 4, slot, 0, value);
    let sum = value;
    for (const slot of slots) sum = b.binary("add", "i32", sum, b.load("stack", 4, slot, 0));
    b.ret(sum);
    expect(generate(b.finish(), { cpu: "v3" })).toEqual({ kind: "stack", bytes: 600 });
  });

  test("slots that are never alive together share memory", () => {
    const b = new Builder("f");
    const value = b.ctxLoad("ingress_ifindex");
    let sum = value;
    for (let i = 0; i < 20; i++) {
      const slot = b.slot(b.newSlot(64, 8));
      b.store("stack", 4, slot, 8, sum);
      sum = b.binary("add", "i32", b.load("stack", 4, slot, 8), value);
    }
    b.ret(sum);
    expect(codeOf(b.finish()).stackBytes).toBe(64);
  });

  /** So many rules that jumps to the shared verdicts don't reach. */
  function long(rules: number): IrFunction {
    const b = new Builder("long");
    const fields = (["ingress_ifindex", "rx_queue_index"] as const).map((field) => b.ctxLoad(field));
    const verdicts = [b.newBlock(["i32"]), b.newBlock(["i32"])];
    for (let i = 0; i < rules; i++) {
      const next = b.newBlock();
      const value = fields[i % 2] as number;
      const edge: Edge = { target: (verdicts[i % 2] as { id: number }).id, args: [value] };
      b.branch("eq", "i32", value, b.constant("i32", i), edge, { target: next.id, args: [] });
      b.setBlock(next.id);
    }
    b.ret(b.constant("i32", 2));
    for (const [i, verdict] of verdicts.entries()) {
      b.setBlock(verdict.id);
      const [param] = verdict.params as [number];
      b.ret(b.binary("mul", "i32", b.binary("add", "i32", param, b.constant("i32", i)), param));
    }
    return b.finish();
  }

  test.each<CpuLevel>(["v3", "v4"])("jumps reach in 70,000 instructions at %s", (cpu) => {
    const { insns } = codeOf(long(70_000), cpu);
    expect(insns.length).toBeGreaterThan(70_000);
    expect(insns.length).toBeLessThan(71_000);
    const slots = [0];
    for (const insn of insns) slots.push((slots.at(-1) as number) + slotsOf(insn));
    const indexAt = new Map(slots.map((slot, i) => [slot, i]));
    /** What the program gives, followed instruction by instruction. */
    const run = (fields: readonly number[]): number => {
      const regs = new Array<number>(11).fill(0);
      const operand = (o: { reg: number } | { imm: number }): number => ("reg" in o ? (regs[o.reg] as number) : o.imm);
      for (let i = 0; ; ) {
        const insn = insns[i];
        i++;
        switch (insn?.kind) {
          case "load":
            regs[insn.dst] = fields[(insn.offset - 12) / 4] as number;
            break;
          case "alu": {
            const [a, b] = [regs[insn.dst] as number, operand(insn.src)];
            regs[insn.dst] = insn.op === "mov" ? b : insn.op === "add" ? a + b : Math.imul(a, b);
            break;
          }
          case "jump":
          case "branch": {
            if (insn.kind === "jump" || (regs[insn.dst] === operand(insn.src)) === (insn.op === "eq")) {
              expect(insn.kind === "jump" && insn.wide ? 0 : Math.abs(insn.target)).toBeLessThan(32768);
              i = indexAt.get((slots[i] as number) + insn.target) as number;
            }
            break;
          }
          case "exit":
            return regs[0] as number;
          default:
            throw new Error(`unexpected ${insn?.kind}`);
        }
      }
    };
    for (const [first, second] of [
      [0, 5],
      [4, 1],
      [1, 69_999],
      [60_002, 60_000],
      [3, 2],
      [69_998, 0],
    ] as const) {
      const even = first % 2 === 0 ? first : Number.POSITIVE_INFINITY;
      const odd = second % 2 === 1 ? second : Number.POSITIVE_INFINITY;
      const want = even === odd ? 2 : even < odd ? Math.imul(first, first) : Math.imul(second + 1, second);
      expect(run([first, second])).toBe(want);
    }
  });
});
