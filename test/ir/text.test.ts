// The text form and the validator: text read and printed again is the same text, and each shape rule has a program that
// breaks it.

import { expect, test } from "vitest";
import { Builder } from "../../src/ir/builder.ts";
import { parseIr } from "../../src/ir/parse.ts";
import { printIr } from "../../src/ir/print.ts";
import { validate } from "../../src/ir/validate.ts";
import { interpret, worldOf } from "./interpret.ts";

const everything = `fn everything {
  slot0: 8 align 8
  b0(v0: ctx):
    v1: pkt = ctxLoad v0 data
    v2: end = ctxLoad v0 data_end
    v3: i32 = ctxLoad v0 rx_queue_index
    v4: i32 = const 80
    v5: i64 = const 0xdeadbeef00
    packetGuard v1 + 14 <= v2, b1(v1, v4), b6(v4)
  b1(v6: pkt, v7: i32):
    v8: i32 = load packet 2 v6 + 12
    v9: i32 = bswap 2 v8
    v10: i64 = zext v9
    v11: i64 = add v10, v5
    v12: i32 = trunc v11
    v13: pkt = offset v6 + 14
    v14: pkt = offset v13 - 4
    v28: i64 = distance v6, v2
    v15: pkt = index v13 + v10
    v16: mem = slot 0
    store stack 8 v16 + 0 = v11
    v17: map = map ports
    v18: maybe = call map_lookup_elem(v17, v16)
    nullGuard v18, b2(), b3(v12)
  b2():
    atomicAdd 8 v18 + 8 = v10
    v19: mem = offset v18 + 4
    v20: i32 = load shared 4 v19 + 0
    v21: mem = global .rodata + 16
    v22: i32 = load rodata 1 v21 + 3
    branch ult i32 v20, v22, b3(v20), b6(v22)
  b3(v23: i32):
    switch i32 v23 { 6 => b4(v23), 0xdeadbeef => b5(), else => b6(v23) }
  b4(v24: i32):
    v25: i64 = call redirect_map(v17, v10, v5)
    return v25
  b5():
    v26: i32 = undef
    jump b6(v26)
  b6(v27: i32):
    return v27
}
`;

test("reading and printing gives the same text", () => {
  expect(printIr(parseIr(everything))).toBe(everything);
  expect(validate(parseIr(everything))).toEqual([]);
});

test("comments are skipped and a fault names its line", () => {
  expect(printIr(parseIr(everything.replaceAll(/$/gm, "  # note")))).toBe(everything);
  expect(() => parseIr("fn f {\n  b0(v0: ctx):\n    v1: i33 = const 1\n    return v1\n}")).toThrow(/line 3.*i33/);
});

const entry =
  "b0(v0: ctx): v1: pkt = ctxLoad v0 data v2: end = ctxLoad v0 data_end v3: i32 = const 0 v4: i64 = const 0";

// Body after `entry`, and the sentence that the validator must say.
const broken: readonly (readonly [string, string, RegExp])[] = [
  ["unguarded load", "v5: i32 = load packet 1 v1 + 0 return v5", /only 0 bytes from v1/],
  [
    "load on the failing side",
    "packetGuard v1 + 14 <= v2, b1(), b2() b1(): return v3 b2(): v5: i32 = load packet 1 v1 + 0 return v5",
    /b2: .*only 0 bytes/,
  ],
  [
    "one byte too far",
    "packetGuard v1 + 14 <= v2, b1(), b2() b1(): v5: i32 = load packet 2 v1 + 13 return v5 b2(): return v3",
    /only 14 bytes/,
  ],
  [
    "guard on one of two paths",
    `branch eq i32 v3, v3, b1(), b2() b1(): packetGuard v1 + 14 <= v2, b2(), b3() b2(): v5: i32 = load packet 1 v1 + 0
     return v5 b3(): return v3`,
    /only 0 bytes/,
  ],
  [
    "a variable index makes a new root",
    `packetGuard v1 + 64 <= v2, b1(), b2() b1(): v5: pkt = index v1 + v4 v6: i32 = load packet 1 v5 + 0 return v6
     b2(): return v3`,
    /only 0 bytes from v5/,
  ],
  [
    "bytes before the root",
    `packetGuard v1 + 64 <= v2, b1(), b2() b1(): v5: pkt = offset v1 + 4 v6: i32 = load packet 1 v5 - 5 return v6
     b2(): return v3`,
    /before the start/,
  ],
  [
    "a call that moves the packet",
    `packetGuard v1 + 64 <= v2, b1(), b2() b1(): v5: i64 = call xdp_adjust_head(v0, v3) v6: i32 = load packet 1 v1 + 0
     return v6 b2(): return v3`,
    /only 0 bytes/,
  ],
  [
    "a pointer that grows in a loop",
    `packetGuard v1 + 64 <= v2, b1(v1), b2() b1(v5: pkt): v6: i32 = load packet 1 v5 + 0 v7: pkt = offset v5 + 1
     branch eq i32 v6, v3, b1(v7), b2() b2(): return v3`,
    /only 0 bytes/,
  ],
  [
    "a pointer that may be null",
    "v5: map = map m v6: maybe = call map_lookup_elem(v5, v0) v7: i32 = load shared 4 v6 + 0 return v7",
    /may be null/,
  ],
  [
    "a pointer known to be null",
    `v5: map = map m v6: maybe = call map_lookup_elem(v5, v0) nullGuard v6, b1(), b2() b1(): return v3
     b2(): atomicAdd 8 v6 + 0 = v4 return v3`,
    /b2: .*may be null/,
  ],
  ["operand types", "v5: i32 = add v3, v4 return v5", /operand types/],
  ["argument types", "jump b1(v4) b1(v5: i32): return v5", /v4 of type i64 for v5 of type i32/],
  ["argument count", "jump b1() b1(v5: i32): return v5", /0 arguments for b1/],
  ["missing block", "jump b7()", /no block b7/],
  ["use before definition", "v5: i32 = add v6, v3 v6: i32 = add v3, v3 return v5", /v6 doesn't dominate/],
  [
    "use on another path",
    "branch eq i32 v3, v3, b1(), b2() b1(): v5: i32 = add v3, v3 jump b2() b2(): return v5",
    /v5 doesn't dominate/,
  ],
  ["defined twice", "v3: i32 = const 1 return v3", /v3 is defined twice/],
  ["defined nowhere", "return v99", /v99 is defined nowhere/],
  ["the entry is a target", "jump b0(v0)", /entry has predecessors/],
  ["a case twice", "switch i32 v3 { 1 => b1(), 1 => b1(), else => b1() } b1(): return v3", /a case twice/],
  ["a result that is no number", "return v1", /must return an integer/],
  ["no such slot", "v5: mem = slot 1 return v3", /no such slot/],
  ["outside a slot", "v5: mem = slot 0 store stack 4 v5 + 8 = v3 return v3", /outside slot0/],
  ["unaligned in a slot", "v5: mem = slot 0 store stack 4 v5 + 2 = v3 return v3", /not aligned/],
];

test.each(broken)("the validator refuses: %s", (_name, body, message) => {
  const problems = validate(parseIr(`fn f { slot0: 8 align 8 ${entry} ${body} }`));
  expect(problems.join("\n")).toMatch(message);
});

// The same shapes done right.
const right: readonly (readonly [string, string])[] = [
  [
    "guards on both paths to a join",
    `branch eq i32 v3, v3, b1(), b2() b1(): packetGuard v1 + 14 <= v2, b3(), b4() b2(): packetGuard v1 + 20 <= v2, b3(), b4()
     b3(): v5: i32 = load packet 2 v1 + 12 return v5 b4(): return v3`,
  ],
  [
    "through a parameter, undef on the other edge",
    `v8: pkt = undef packetGuard v1 + 14 <= v2, b1(), b2(v8) b1(): v5: pkt = offset v1 + 4 jump b2(v5)
     b2(v6: pkt): v7: i32 = load packet 2 v6 + 8 return v7`,
  ],
  [
    "a pointer that a loop carries round",
    `packetGuard v1 + 64 <= v2, b1(v1), b2() b1(v5: pkt): v6: i32 = load packet 1 v5 + 63
     branch eq i32 v6, v3, b1(v5), b2() b2(): return v3`,
  ],
  [
    "a pointer that shrinks in a loop but is guarded in it",
    `packetGuard v1 + 9 <= v2, b1(v1), b2() b1(v5: pkt): packetGuard v5 + 1 <= v2, b3(), b2()
     b3(): v6: i32 = load packet 1 v5 + 0 v7: pkt = offset v5 + 1 branch eq i32 v6, v3, b1(v7), b2() b2(): return v3`,
  ],
  [
    "not null by a guard on each path",
    `v5: map = map m v6: maybe = call map_lookup_elem(v5, v0) branch eq i32 v3, v3, b1(), b2()
     b1(): nullGuard v6, b3(), b4() b2(): nullGuard v6, b3(), b4() b3(): atomicAdd 8 v6 + 0 = v4 return v3 b4(): return v3`,
  ],
];

test.each(right)("the validator accepts: %s", (_name, body) => {
  expect(validate(parseIr(`fn f { slot0: 8 align 8 ${entry} ${body} }`))).toEqual([]);
});

test("a loop bounded only by a count needs a guard inside", () => {
  const loop = `fn f { ${entry} v5: i64 = const 1 jump b1(v4) b1(v6: i64): v7: pkt = index v1 + v6
    packetGuard v7 + 1 <= v2, b2(), b3() b2(): v8: i32 = load packet 1 v7 + 0 v9: i64 = add v6, v5
    branch eq i32 v8, v3, b3(), b1(v9) b3(): return v3 }`;
  expect(validate(parseIr(loop))).toEqual([]);
  expect(interpret(parseIr(loop), worldOf([1, 2, 3, 0]))).toBe(0);
});

test("a function of 200,000 blocks is checked without recursion and in time", () => {
  const b = new Builder("long");
  const data = b.ctxLoad("data");
  const end = b.ctxLoad("data_end");
  const verdict = b.constant("i32", 1);
  const fail = b.newBlock(["i32"]).id;
  const start = b.newBlock().id;
  b.packetGuard(data, end, 64, { target: start, args: [] }, { target: fail, args: [verdict] });
  b.setBlock(start);
  for (let i = 0; i < 100_000; i++) {
    const next = b.newBlock().id;
    const side = b.newBlock().id;
    const c = b.constant("i32", i);
    const field = b.load("packet", 4, data, i % 60);
    b.branch("eq", "i32", field, c, { target: side, args: [] }, { target: next, args: [] });
    b.setBlock(side);
    b.jump(i % 2 === 0 ? fail : next, i % 2 === 0 ? [c] : []);
    b.setBlock(next);
  }
  b.jump(fail, [verdict]);
  b.setBlock(fail);
  b.ret(verdict);
  // Processor time, for the machine may be busy; quadratic work would take minutes.
  const before = process.cpuUsage();
  expect(validate(b.finish())).toEqual([]);
  expect(process.cpuUsage(before).user / 1e6).toBeLessThan(20);
}, 60_000);
