// How much the verifier has to follow in a list of statements: a measure for what is refused before it gets there (loops). Knows
// nothing of blocks or instructions.

import type { HCond, HStmt } from "./hir.ts";
import { bodiesOf } from "./presence.ts";

/** What a test counts against other statements: it opens one more way through the program. */
export const TEST_WORK = 16n;

/** The tests of a set with many elements: a search, or a look into a table. */
const MANY = 16;

/** The steps of statements: each one, the turns of loops multiplied; the single tests of a condition count `TEST_WORK` each. */
export function workOf(statements: readonly HStmt[]): bigint {
  let steps = 0n;
  const open: (readonly HStmt[])[] = [statements];
  for (let list = open.pop(); list !== undefined; list = open.pop()) {
    for (const statement of list) {
      if (statement.kind === "for") {
        const turn = workOf(statement.body);
        steps += (turn === 0n ? 1n : turn) * (statement.to - statement.from + 1n);
        continue;
      }
      if (statement.kind === "if") steps += TEST_WORK * testsOf(statement.condition);
      else if (statement.kind === "switch") steps += TEST_WORK * BigInt(statement.arms.length);
      else if (["ifLet", "ifTake", "count", "emit", "sample"].includes(statement.kind)) steps += TEST_WORK;
      else steps += 1n;
      for (const body of bodiesOf(statement)) open.push(body);
    }
  }
  return steps;
}

function testsOf(condition: HCond): bigint {
  let tests = 0n;
  const open = [condition];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (at.kind === "and" || at.kind === "or") open.push(at.a, at.b);
    else if (at.kind === "not") open.push(at.operand);
    else tests += at.kind === "inSet" && at.set.kind === "ranges" ? BigInt(at.set.written?.length ?? MANY) : 1n;
  }
  return tests;
}
