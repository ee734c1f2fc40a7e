// What the form of a header's size tells before any packet is read: its constant part and its least value. Part of reading the packet
// (read-packet.ts); makes no code.

import { InternalError } from "../../base/assert.ts";
import { maxOf } from "../conversion.ts";
import type { HExpr } from "../hir.ts";

/** A size as what its fields say and a number that is added to it. */
export function partsOf(bytes: HExpr): { readonly variable: HExpr; readonly fixed: number } {
  if (bytes.kind !== "binary" || bytes.op !== "+" || bytes.b.kind !== "const") return { variable: bytes, fixed: 0 };
  // In a narrow type the sum might begin anew at zero: then its bound is less than that of its parts.
  const exact = maxOf(bytes) === maxOf(bytes.a) + bytes.b.value;
  return exact ? { variable: bytes.a, fixed: Number(bytes.b.value) } : { variable: bytes, fixed: 0 };
}

/** A lower bound of a size, as far as its form tells. */
export function minOf(value: HExpr): bigint {
  switch (value.kind) {
    case "const":
      return value.value;
    case "cast":
      return minOf(value.value);
    case "binary": {
      const exact = maxOf(value.a) <= 0xffffn && maxOf(value.b) <= 0xffffn;
      if (value.op === "+" && exact) return minOf(value.a) + minOf(value.b);
      if (value.op === "*" && exact) return minOf(value.a) * minOf(value.b);
      return 0n;
    }
    case "error":
      throw new InternalError("a size with a fault");
    default:
      return 0n;
  }
}
