// lower: one typed program to its IR. The entry of this folder; what it makes is correct and plain, the passes make it good.

import { Builder } from "../builder.ts";
import type { HProgram } from "../hir.ts";
import type { IrFunction } from "../ir.ts";
import type { DataPool } from "./data-pool.ts";
import { Lowering } from "./lowering.ts";
import type { ParsePlan } from "./parse-plan.ts";
import { returnVerdict } from "./redirect.ts";
import { lowerStatements } from "./statement.ts";

/** Lowers a program by the plan of how its packets are read; globals and texts it uses are placed in `data`. */
export function lowerProgram(program: HProgram, plan: ParsePlan, data: DataPool): IrFunction {
  const builder = new Builder(program.name);
  const l = new Lowering(builder, program, plan, data);
  if (lowerStatements(l, program.body, 0)) {
    builder.setOrigin(program.body.at(-1)?.span ?? null);
    returnVerdict(l, program.default);
  }
  if (l.copies !== null) data.needCopies(l.copies.bytes);
  return builder.finish();
}
