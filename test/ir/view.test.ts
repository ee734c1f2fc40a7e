// Views: copies of packet bytes that are read like the packet. What is known of them, and that no load is taken for one of another copy.

import { expect, test } from "vitest";
import { parseIr } from "../../src/ir/parse.ts";
import { cse } from "../../src/ir/passes/cse.ts";
import { printIr } from "../../src/ir/print.ts";
import { validate } from "../../src/ir/validate.ts";

/** A function that makes a copy, looks at it, fills it anew and looks again; `first` and `second` read. */
function twice(first: string, second: string): string {
  return `fn f {
  slot0: 4 align 4
  b0(v0: ctx):
    v1: mem = slot 0
    v2: i32 = const 0
    store stack 4 v1 + 0 = v2
    v3: map = map m
    v4: maybe = call map_lookup_elem(v3, v1)
    nullGuard v4, b1(), b2()
  b1():
    v5: i64 = const 14
    v6: i64 = call xdp_load_bytes(v0, v5, v4, v5)
    v7: pkt = view v4, 14
    v8: i32 = load packet ${first}
    v9: i32 = load packet 1 v7 + 13
    v10: i32 = load packet 1 v7 + 13
    v11: i64 = call xdp_load_bytes(v0, v6, v4, v5)
    v12: pkt = view v4, 14
    v13: i32 = load packet ${second}
    v14: i32 = binary
    return v14
  b2():
    return v2
}
`.replace("v14: i32 = binary", "v15: i32 = xor v8, v13\n    v16: i32 = xor v9, v10\n    v14: i32 = or v15, v16");
}

test("are written and read back", () => {
  const text = printIr(parseIr(twice("2 v7 + 12", "2 v12 + 12")));
  expect(text).toContain("v7: pkt = view v4, 14");
  expect(printIr(parseIr(text))).toBe(text);
});

test("hold the bytes they say and no more", () => {
  expect(validate(parseIr(twice("2 v7 + 12", "2 v12 + 12")))).toEqual([]);
  expect(validate(parseIr(twice("2 v7 + 13", "2 v12 + 12"))).join()).toMatch(/only 14 bytes/);
});

test("of one place are told apart, loads of one view are not", () => {
  const text = printIr(cse(parseIr(twice("2 v7 + 12", "2 v12 + 12"))));
  expect(text.match(/load packet 2/g)).toHaveLength(2);
  expect(text.match(/load packet 1/g)).toHaveLength(1);
});
