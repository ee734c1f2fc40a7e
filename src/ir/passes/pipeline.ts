// The list of passes, in order. (Interim list until all passes are there.)

import type { IrFunction, Pass } from "../ir.ts";
import { cfg } from "./cfg.ts";
import { cse } from "./cse.ts";
import { dce } from "./dce.ts";
import { thread } from "./thread.ts";

const passes: readonly (readonly [string, Pass])[] = [
  ["cse", cse],
  ["thread", thread],
  ["dce", dce],
  ["cfg", cfg],
  ["cse2", cse],
  ["thread2", thread],
  ["dce2", dce],
  ["cfg2", cfg],
];

export function optimise(fn: IrFunction, level: 0 | 2, observe?: (pass: string, fn: IrFunction) => void): IrFunction {
  let at = fn;
  if (level === 0) return fn;
  for (const [name, pass] of passes) {
    at = pass(at);
    observe?.(name, at);
  }
  return at;
}
