// hash(a, b, …): mixes the words of its arguments into one 32-bit number, the same in every program and on every kernel.
// Part of evaluation (evaluate.ts).

import type { HExpr } from "../hir.ts";
import type { BinaryKind, ValueId } from "../ir.ts";
import { flatIds, lowerValue } from "./evaluate.ts";
import type { Lowering } from "./lowering.ts";
import type { Value } from "./value.ts";

/** Odd multipliers of Murmur3's finaliser: each bit of the input moves half of the output's. **Source:** A. Appleby, MurmurHash3. */
const MIX = [0x85ebca6b, 0xc2b2ae35] as const;
const STEP = 0x9e3779b1;

/** A 32-bit hash of values: the same values give the same hash in every program. */
export function hashOf(l: Lowering, args: readonly HExpr[]): ValueId {
  const { builder } = l;
  const i32 = (kind: BinaryKind, a: ValueId, b: number): ValueId => builder.binary(kind, "i32", a, l.i32(b));
  let hash = l.i32(0);
  for (const word of args.flatMap((a) => wordsOf(l, lowerValue(l, a)))) {
    hash = i32("mul", builder.binary("xor", "i32", hash, word), STEP);
    hash = builder.binary("xor", "i32", hash, i32("shr", hash, 15));
  }
  hash = i32("mul", hash, MIX[0]);
  hash = builder.binary("xor", "i32", hash, i32("shr", hash, 13));
  hash = i32("mul", hash, MIX[1]);
  return builder.binary("xor", "i32", hash, i32("shr", hash, 16));
}

function wordsOf(l: Lowering, value: Value): ValueId[] {
  const { builder } = l;
  const halves = (id: ValueId): ValueId[] =>
    builder.typeOf(id) === "i64"
      ? [builder.trunc(id), builder.trunc(builder.binary("shr", "i64", id, builder.constant("i64", 32)))]
      : [id];
  return flatIds(value).flatMap(halves);
}
