// Each pass by example, text to text: what goes in, and what must come out (numbered anew, so that the text doesn't depend on
// how a pass counts).

import { expect, test } from "vitest";
import type { Pass } from "../../src/ir/ir.ts";
import { parseIr } from "../../src/ir/parse.ts";
import { cfg } from "../../src/ir/passes/cfg.ts";
import { cse } from "../../src/ir/passes/cse.ts";
import { dce } from "../../src/ir/passes/dce.ts";
import { fold } from "../../src/ir/passes/fold.ts";
import { guards } from "../../src/ir/passes/guards.ts";
import { simplifyParams } from "../../src/ir/passes/params.ts";
import { renumber } from "../../src/ir/passes/renumber.ts";
import { switches } from "../../src/ir/passes/switches.ts";
import { thread } from "../../src/ir/passes/thread.ts";
import { printIr } from "../../src/ir/print.ts";
import { validate } from "../../src/ir/validate.ts";

function expectPass(pass: Pass, before: string, after: string): void {
  const input = parseIr(`fn f { ${before} }`);
  expect(validate(input)).toEqual([]);
  const output = renumber(pass(input));
  expect(validate(output)).toEqual([]);
  expect(printIr(output)).toBe(printIr(renumber(parseIr(`fn f { ${after} }`))));
}

const both =
  (...passes: readonly Pass[]): Pass =>
  (fn) =>
    passes.reduce((now, pass) => pass(now), fn);
// What folding leaves behind is cleared away, so that expectations show what counts.
const foldAndClear = both(fold, cse, dce);

const head = "b0(v0: ctx): v1: pkt = ctxLoad v0 data v2: end = ctxLoad v0 data_end";
const guarded = `${head} packetGuard v1 + 64 <= v2, b1(), b9()`;
const exits = "b8(): v80: i32 = const 901 return v80 b9(): v90: i32 = const 902 return v90";

// Body of b1 before and after folding; b8 and b9 return.
const folds: readonly (readonly [string, string, string])[] = [
  [
    "the constant is swapped, not the field",
    "v3: i32 = load packet 2 v1 + 12 v4: i32 = bswap 2 v3 v5: i32 = const 0x0800 branch eq i32 v4, v5, b8(), b9()",
    "v3: i32 = load packet 2 v1 + 12 v5: i32 = const 8 branch eq i32 v3, v5, b8(), b9()",
  ],
  [
    "an 8-byte constant as well",
    "v3: i64 = load packet 8 v1 + 0 v4: i64 = bswap 8 v3 v5: i64 = const 0x0102 branch ne i64 v4, v5, b8(), b9()",
    "v3: i64 = load packet 8 v1 + 0 v5: i64 = const 0x0201000000000000 branch ne i64 v3, v5, b8(), b9()",
  ],
  [
    "two swapped fields are compared as they lie",
    `v3: i32 = load packet 2 v1 + 0 v4: i32 = bswap 2 v3 v5: i32 = load packet 2 v1 + 2 v6: i32 = bswap 2 v5
     branch eq i32 v4, v6, b8(), b9()`,
    "v3: i32 = load packet 2 v1 + 0 v5: i32 = load packet 2 v1 + 2 branch eq i32 v3, v5, b8(), b9()",
  ],
  [
    "a swapped field keeps its order for comparisons of size",
    "v3: i32 = load packet 2 v1 + 0 v4: i32 = bswap 2 v3 v5: i32 = const 1024 branch ult i32 v4, v5, b8(), b9()",
    "v3: i32 = load packet 2 v1 + 0 v4: i32 = bswap 2 v3 v5: i32 = const 1024 branch ult i32 v4, v5, b8(), b9()",
  ],
  [
    "a fragment offset is a test of bits as they lie",
    `v3: i32 = load packet 2 v1 + 20 v4: i32 = bswap 2 v3 v5: i32 = const 0x1fff v6: i32 = and v4, v5 v7: i32 = const 0
     branch eq i32 v6, v7, b8(), b9()`,
    "v3: i32 = load packet 2 v1 + 20 v5: i32 = const 0xff1f branch set i32 v3, v5, b9(), b8()",
  ],
  [
    "a field in the middle of swapped bytes is masked in place",
    `v3: i32 = load packet 2 v1 + 14 v4: i32 = bswap 2 v3 v5: i32 = const 0x0fff v6: i32 = and v4, v5 v7: i32 = const 100
     branch eq i32 v6, v7, b8(), b9()`,
    `v3: i32 = load packet 2 v1 + 14 v5: i32 = const 0xff0f v6: i32 = and v3, v5 v7: i32 = const 0x6400
     branch eq i32 v6, v7, b8(), b9()`,
  ],
  [
    "a nibble is compared in its place",
    `v3: i32 = load packet 1 v1 + 14 v4: i32 = const 4 v5: i32 = shr v3, v4 v6: i32 = const 6
     branch eq i32 v5, v6, b8(), b9()`,
    "v3: i32 = load packet 1 v1 + 14 v4: i32 = const 0xf0 v5: i32 = and v3, v4 v6: i32 = const 0x60 branch eq i32 v5, v6, b8(), b9()",
  ],
  [
    "one bit is a test",
    `v3: i32 = load packet 1 v1 + 47 v4: i32 = const 1 v5: i32 = shr v3, v4 v6: i32 = and v5, v4
     branch eq i32 v6, v4, b8(), b9()`,
    "v3: i32 = load packet 1 v1 + 47 v4: i32 = const 2 branch set i32 v3, v4, b8(), b9()",
  ],
  [
    "a mask that covers the load vanishes",
    `v3: i32 = load packet 1 v1 + 0 v4: i32 = const 0xff v5: i32 = and v3, v4 v6: i32 = const 7
     branch eq i32 v5, v6, b8(), b9()`,
    "v3: i32 = load packet 1 v1 + 0 v6: i32 = const 7 branch eq i32 v3, v6, b8(), b9()",
  ],
  [
    "a comparison that no byte passes is decided",
    "v3: i32 = load packet 1 v1 + 0 v4: i32 = const 0x100 branch eq i32 v3, v4, b8(), b9()",
    "jump b9()",
  ],
  [
    "a length in words is compared in words",
    `v3: i32 = load packet 1 v1 + 14 v4: i32 = const 15 v5: i32 = and v3, v4 v6: i32 = const 4 v7: i32 = mul v5, v6
     v8: i32 = const 20 branch ult i32 v7, v8, b9(), b8()`,
    "v3: i32 = load packet 1 v1 + 14 v4: i32 = const 15 v5: i32 = and v3, v4 v6: i32 = const 5 branch ult i32 v5, v6, b9(), b8()",
  ],
  [
    "powers of two are shifts and masks",
    `v3: i32 = load packet 4 v1 + 0 v4: i32 = const 8 v5: i32 = mul v3, v4 v6: i32 = div v3, v4 v7: i32 = mod v3, v4
     v11: i32 = xor v5, v6 v12: i32 = xor v11, v7 return v12`,
    `v3: i32 = load packet 4 v1 + 0 v4: i32 = const 3 v5: i32 = shl v3, v4 v6: i32 = shr v3, v4 v8: i32 = const 7
     v7: i32 = and v3, v8 v11: i32 = xor v5, v6 v12: i32 = xor v11, v7 return v12`,
  ],
  [
    "division by zero is zero, and modulo zero the dividend",
    `v3: i32 = load packet 4 v1 + 0 v4: i32 = const 0 v5: i32 = div v3, v4 v6: i32 = mod v3, v4 v7: i32 = or v5, v6 return v7`,
    "v3: i32 = load packet 4 v1 + 0 return v3",
  ],
  [
    "a switch over a swapped field swaps its cases",
    `v3: i32 = load packet 2 v1 + 12 v4: i32 = bswap 2 v3 switch i32 v4 { 0x0800 => b8(), 0x86dd => b8(), 0x10000 => b8(),
     else => b9() }`,
    "v3: i32 = load packet 2 v1 + 12 switch i32 v3 { 8 => b8(), 0xdd86 => b8(), else => b9() }",
  ],
  [
    "a switch with one case is a branch",
    "v3: i32 = load packet 1 v1 + 12 switch i32 v3 { 6 => b8(), else => b9() }",
    "v3: i32 = load packet 1 v1 + 12 v4: i32 = const 6 branch eq i32 v3, v4, b8(), b9()",
  ],
  [
    "offsets add up and go into the access",
    "v3: pkt = offset v1 + 14 v4: pkt = offset v3 + 20 v5: i32 = load packet 2 v4 + 2 return v5",
    "v5: i32 = load packet 2 v1 + 36 return v5",
  ],
  [
    "swapping twice is nothing",
    "v3: i32 = load packet 2 v1 + 0 v4: i32 = bswap 2 v3 v5: i32 = bswap 2 v4 return v5",
    "v3: i32 = load packet 2 v1 + 0 return v3",
  ],
  [
    "extending and cutting cancel",
    "v3: i32 = load packet 4 v1 + 0 v4: i64 = zext v3 v5: i32 = trunc v4 return v5",
    "v3: i32 = load packet 4 v1 + 0 return v3",
  ],
];

test.each(folds)("fold: %s", (_name, before, after) => {
  expectPass(foldAndClear, `${guarded} b1(): ${before} ${exits}`, `${guarded} b1(): ${after} ${exits}`);
});

test("cse: packet loads are shared until the packet is written", () => {
  expectPass(
    cse,
    `${guarded} b1(): v3: i32 = load packet 2 v1 + 0 v4: i32 = load packet 2 v1 + 0 v5: i32 = load packet 1 v1 + 4
     store packet 1 v1 + 1 = v3 v6: i32 = load packet 2 v1 + 0 v7: i32 = load packet 1 v1 + 4
     v10: i32 = add v3, v4 v11: i32 = add v10, v5 v12: i32 = add v11, v6 v13: i32 = add v12, v7 return v13 ${exits}`,
    `${guarded} b1(): v3: i32 = load packet 2 v1 + 0 v5: i32 = load packet 1 v1 + 4
     store packet 1 v1 + 1 = v3 v6: i32 = load packet 2 v1 + 0
     v10: i32 = add v3, v3 v11: i32 = add v10, v5 v12: i32 = add v11, v6 v13: i32 = add v12, v5 return v13 ${exits}`,
  );
});

test("cse: shared memory is read as often as written, and the packet is read again after it moved", () => {
  const kept = `${guarded} b1(): v3: mem = global .data + 0 v4: i32 = load shared 4 v3 + 0 v5: i32 = load shared 4 v3 + 0
    v6: i32 = sub v4, v5 v7: i64 = const 0 v8: i64 = call xdp_adjust_head(v0, v7) v10: pkt = ctxLoad v0 data
    v11: end = ctxLoad v0 data_end packetGuard v10 + 4 <= v11, b2(), b9() b2(): v12: i32 = load packet 4 v10 + 0
    v13: i32 = add v12, v6 return v13 ${exits}`;
  expectPass(cse, kept, kept);
});

test("cse: what was stored to a slot is not loaded again", () => {
  expectPass(
    cse,
    `slot0: 8 align 8 ${guarded} b1(): v3: i32 = load packet 4 v1 + 0 v4: mem = slot 0 store stack 4 v4 + 0 = v3
     store stack 4 v4 + 4 = v3 v5: i32 = load stack 4 v4 + 0 return v5 ${exits}`,
    `slot0: 8 align 8 ${guarded} b1(): v3: i32 = load packet 4 v1 + 0 v4: mem = slot 0 store stack 4 v4 + 0 = v3
     store stack 4 v4 + 4 = v3 return v3 ${exits}`,
  );
});

test("dce: a slot that is only written goes, one that is passed to a call stays", () => {
  const kept = `v6: mem = slot 1 store stack 4 v6 + 0 = v3 v7: map = map m v8: i64 = call map_delete_elem(v7, v6) return v3`;
  expectPass(
    dce,
    `slot0: 4 align 4 slot1: 4 align 4 ${guarded} b1(): v3: i32 = load packet 4 v1 + 0 v4: mem = slot 0
     store stack 4 v4 + 0 = v3 ${kept} ${exits}`,
    `slot1: 4 align 4 ${guarded} b1(): v3: i32 = load packet 4 v1 + 0 ${kept} ${exits}`,
  );
});

test("dce: a parameter that only feeds itself goes", () => {
  expectPass(
    dce,
    `${guarded} b1(): v3: i32 = const 0 jump b2(v3) b2(v4: i32): v5: i32 = add v4, v4 v6: i32 = load packet 1 v1 + 0
     v7: i32 = const 9 branch eq i32 v6, v7, b2(v5), b8() ${exits}`,
    `${guarded} b1(): jump b2() b2(): v6: i32 = load packet 1 v1 + 0 v7: i32 = const 9 branch eq i32 v6, v7, b2(), b8() ${exits}`,
  );
});

test("params: the same constant, or pointer plus distance, on every edge", () => {
  expectPass(
    both(simplifyParams, dce),
    `${guarded} b1(): v3: i32 = load packet 1 v1 + 0 v4: i32 = const 7 v5: i32 = const 7 v6: pkt = offset v1 + 14
     branch eq i32 v3, v4, b2(), b3() b2(): v7: pkt = offset v1 + 14 jump b4(v4, v7) b3(): jump b4(v5, v6)
     b4(v10: i32, v11: pkt): v12: i32 = load packet 1 v11 + 0 v13: i32 = add v12, v10 return v13 ${exits}`,
    `${guarded} b1(): v3: i32 = load packet 1 v1 + 0 v4: i32 = const 7 branch eq i32 v3, v4, b2(), b3() b2(): jump b4()
     b3(): jump b4() b4(): v10: i32 = const 7 v11: pkt = offset v1 + 14 v12: i32 = load packet 1 v11 + 0
     v13: i32 = add v12, v10 return v13 ${exits}`,
  );
});

test("params: a pointer that a loop only hands round", () => {
  const loop = (param: string, arg: string, base: string): string =>
    `${guarded} b1(): v3: i32 = const 0 jump b2(v3${arg === "" ? "" : ", v1"}) b2(v4: i32${param}): v6: i32 = load packet 1 ${base} + 3
     v7: i32 = add v4, v6 v8: i32 = const 40 branch ult i32 v7, v8, b2(v7${arg}), b8() ${exits}`;
  expectPass(simplifyParams, loop(", v5: pkt", ", v5", "v5"), loop("", "", "v1"));
});

test("cfg: empty blocks, straight lines and identical ends", () => {
  expectPass(
    both(cfg, dce, cfg, dce),
    `${guarded} b1(): v3: i32 = load packet 1 v1 + 0 jump b2() b2(): v4: i32 = const 7 branch eq i32 v3, v4, b3(), b4()
     b3(): jump b5() b5(): v5: i32 = const 902 return v5 b4(): v6: i32 = const 902 return v6 ${exits}`,
    "b0(v0: ctx): v1: i32 = const 902 return v1",
  );
});

test("cfg: the same body written twice is one", () => {
  expectPass(
    cfg,
    `${guarded} b1(): v3: i32 = load packet 1 v1 + 0 switch i32 v3 { 0 => b2(), 60 => b3(), else => b8() }
     b2(): v4: i32 = load packet 1 v1 + 1 v5: i32 = const 6 branch eq i32 v4, v5, b8(), b9()
     b3(): v6: i32 = load packet 1 v1 + 1 v7: i32 = const 6 branch eq i32 v6, v7, b8(), b9() ${exits}`,
    `${guarded} b1(): v3: i32 = load packet 1 v1 + 0 switch i32 v3 { 0 => b2(), 60 => b2(), else => b8() }
     b2(): v4: i32 = load packet 1 v1 + 1 v5: i32 = const 6 branch eq i32 v4, v5, b8(), b9() ${exits}`,
  );
});

test("thread: a flag that control flow knows is never tested", () => {
  expectPass(
    both(thread, cfg, dce, cfg),
    `${head} v3: i32 = const 0 v4: i32 = const 1 v5: pkt = undef packetGuard v1 + 14 <= v2, b1(), b2(v3, v5)
     b1(): v6: pkt = offset v1 + 12 jump b2(v4, v6)
     b2(v7: i32, v8: pkt): branch ne i32 v7, v3, b3(), b9() b3(): v10: i32 = load packet 2 v8 + 0 return v10 ${exits}`,
    `${head} packetGuard v1 + 14 <= v2, b1(), b9() b1(): v6: pkt = offset v1 + 12 v10: i32 = load packet 2 v6 + 0 return v10
     b9(): v90: i32 = const 902 return v90`,
  );
});

test("thread: absence three joins deep goes straight to its end", () => {
  const join = (at: number, flag: string, next: string): string =>
    `b${at}(v${at}0: i32): branch ne i32 v${at}0, v3, b${at + 1}(), ${next} b${at + 1}(): packetGuard v1 + ${flag} <= v2, ${next.replace(/\(.*/, "(v4)")}, ${next}`;
  expectPass(
    both(thread, cfg, thread, cfg, dce, cfg),
    `${head} v3: i32 = const 0 v4: i32 = const 1 packetGuard v1 + 14 <= v2, b10(v4), b10(v3)
     ${join(10, "34", "b20(v3)")} ${join(20, "54", "b30(v3)")} ${join(30, "64", "b40(v3)")}
     b40(v400: i32): branch ne i32 v400, v3, b41(), b9() b41(): v41: i32 = const 903 return v41 ${exits}`,
    `${head} packetGuard v1 + 14 <= v2, b1(), b9() b1(): packetGuard v1 + 34 <= v2, b2(), b9()
     b2(): packetGuard v1 + 54 <= v2, b3(), b9() b3(): packetGuard v1 + 64 <= v2, b4(), b9()
     b4(): v41: i32 = const 903 return v41 b9(): v90: i32 = const 902 return v90`,
  );
});

test("thread: a comparison made above is not made again", () => {
  expectPass(
    both(thread, cfg, dce),
    `${guarded} b1(): v3: i32 = load packet 1 v1 + 0 v4: i32 = const 5 branch ult i32 v3, v4, b2(), b3()
     b2(): store packet 1 v1 + 1 = v4 jump b4() b3(): store packet 1 v1 + 2 = v4 jump b4()
     b4(): branch uge i32 v3, v4, b8(), b9() ${exits}`,
    `${guarded} b1(): v3: i32 = load packet 1 v1 + 0 v4: i32 = const 5 branch ult i32 v3, v4, b2(), b3()
     b2(): store packet 1 v1 + 1 = v4 jump b9() b3(): store packet 1 v1 + 2 = v4 v80: i32 = const 901 return v80
     b9(): v90: i32 = const 902 return v90`,
  );
});

test("guards: one check for all that fails alike, variable lengths included", () => {
  const between = `v3: i32 = load packet 1 v1 + 14 v4: i32 = const 15 v5: i32 = and v3, v4 v6: i32 = const 5
    branch ult i32 v5, v6, b9(), b3() b3(): v7: i32 = const 2 v8: i32 = shl v5, v7 v9: i64 = zext v8
    v10: pkt = offset v1 + 14 v11: pkt = index v10 + v9 packetGuard v11 + 20 <= v2, b4(), b9()
    b4(): v12: i32 = load packet 2 v11 + 2 return v12 ${exits}`;
  expectPass(
    both(guards, cfg),
    `${head} packetGuard v1 + 14 <= v2, b1(), b9() b1(): v20: i32 = load packet 2 v1 + 12 v21: i32 = const 8
     branch eq i32 v20, v21, b2(), b9() b2(): packetGuard v1 + 34 <= v2, b5(), b9() b5(): ${between}`,
    `${head} packetGuard v1 + 54 <= v2, b1(), b9() b1(): v20: i32 = load packet 2 v1 + 12 v21: i32 = const 8
     branch eq i32 v20, v21, b5(), b9() b5(): ${between}`,
  );
});

test("guards: the least of two paths counts, an effect or another end keeps a guard as it is", () => {
  const other = "b8(): v80: i32 = const 901 return v80";
  const rest = `b9(): v90: i32 = const 902 return v90 ${other}`;
  expectPass(
    guards,
    `${head} packetGuard v1 + 14 <= v2, b1(), b9() b1(): v3: i32 = load packet 1 v1 + 0 v4: i32 = const 1
     branch eq i32 v3, v4, b2(), b3() b2(): packetGuard v1 + 40 <= v2, b8(), b9()
     b3(): packetGuard v1 + 60 <= v2, b8(), b9() ${rest}`,
    `${head} packetGuard v1 + 40 <= v2, b1(), b9() b1(): v3: i32 = load packet 1 v1 + 0 v4: i32 = const 1
     branch eq i32 v3, v4, b2(), b3() b2(): jump b8() b3(): packetGuard v1 + 60 <= v2, b8(), b9() ${rest}`,
  );
  const effect = `${head} packetGuard v1 + 14 <= v2, b1(), b9() b1(): v3: i32 = const 1 store packet 1 v1 + 0 = v3
    packetGuard v1 + 40 <= v2, b8(), b9() ${rest}`;
  expectPass(guards, effect, effect);
  const elsewhere = `${head} packetGuard v1 + 14 <= v2, b1(), b9() b1(): packetGuard v1 + 40 <= v2, b9(), b8() ${rest}`;
  expectPass(guards, elsewhere, elsewhere);
});

test("switches: four tests of one value in a row, constants of their own allowed", () => {
  const tests = (n: number): string =>
    Array.from({ length: n }, (_, i) => {
      const at = 10 + i;
      const next = i === n - 1 ? "b9()" : `b${at + 1}()`;
      return `b${at}(): v${at}: i32 = const ${i * 3} branch eq i32 v3, v${at}, b8(), ${next}`;
    }).join(" ");
  const start = `${guarded} b1(): v3: i32 = load packet 1 v1 + 0 v4: i32 = const 200`;
  expectPass(
    both(switches, dce),
    `${start} branch eq i32 v3, v4, b8(), b10() ${tests(3)} ${exits}`,
    `${guarded} b1(): v3: i32 = load packet 1 v1 + 0
     switch i32 v3 { 200 => b8(), 0 => b8(), 3 => b8(), 6 => b8(), else => b9() } ${exits}`,
  );
  const short = `${start} branch eq i32 v3, v4, b8(), b10() ${tests(2)} ${exits}`;
  expectPass(switches, short, short);
});
