// Text to text: byte swaps move from the edges of a join behind it, but only where nothing else reads them and where a constant
// that is no swap's result can still be told apart.

import { expect, test } from "vitest";
import { parseIr } from "../../src/ir/parse.ts";
import { swaps } from "../../src/ir/passes/swaps.ts";
import { printIr } from "../../src/ir/print.ts";
import { validate } from "../../src/ir/validate.ts";

/** Two loads that meet: `first` and `second` are the arguments, `use` is the end of the join. */
function joined(lines: readonly string[], first: string, second: string, use: string): string {
  return `fn t {
  b0(v0: ctx):
    v1: pkt = ctxLoad v0 data
    v2: end = ctxLoad v0 data_end
    packetGuard v1 + 14 <= v2, b1(), b2()
  b1():
${lines.map((line) => `    ${line}`).join("\n")}
    jump b3(${first})
  b2():
    v20: i32 = const 4294967295
    v21: i32 = const 2048
    jump b3(${second})
  b3(v30: i32):
    ${use}
  b4():
    v40: i32 = const 1
    return v40
  b5():
    v41: i32 = const 2
    return v41
}
`;
}

const load = ["v10: i32 = load packet 2 v1 + 12", "v11: i32 = bswap 2 v10"];

function run(text: string): string {
  const fn = parseIr(text);
  expect(validate(fn)).toEqual([]);
  const after = swaps(fn);
  expect(validate(after)).toEqual([]);
  return printIr(after);
}

test("a swap on one edge and a constant on the other become one swap behind the join", () => {
  const text = run(joined(load, "v11", "v21", "v31: i32 = const 2048\n    branch eq i32 v30, v31, b4(), b5()"));
  expect(text).toMatch(/b3\((v\d+): i32\):\n\s+v30: i32 = bswap 2 \1/);
  expect(text).toContain("jump b3(v10)");
  expect(text).toMatch(/(v\d+): i32 = const 8\n\s+jump b3\(\1\)/);
});

test("what stands for nothing passes where it can be told apart", () => {
  const text = run(joined(load, "v11", "v20", "v31: i32 = const 2048\n    branch eq i32 v30, v31, b4(), b5()"));
  expect(text).toMatch(/b3\((v\d+): i32\):\n\s+v30: i32 = bswap 2 \1/);
});

test.each([
  [
    "it is compared with what the swap would leave of it",
    "v31: i32 = const 65535\n    branch eq i32 v30, v31, b4(), b5()",
  ],
  ["it is ordered", "v31: i32 = const 2048\n    branch ult i32 v30, v31, b4(), b5()"],
  ["it is returned", "return v30"],
])("what stands for nothing stays where %s", (_why, use) => {
  const text = joined(load, "v11", "v20", use);
  expect(run(text)).toBe(printIr(parseIr(text)));
});

test("a swap that others read stays", () => {
  const text = joined([...load, "v12: i32 = add v11, v11", "store packet 2 v1 + 0 = v12"], "v11", "v21", "return v30");
  expect(run(text)).toBe(printIr(parseIr(text)));
});
