// When a value may go where another type stands: constants that fit, narrower integers, values that provably fit. Also the
// arithmetic of constants, which is the target's: modulo the width, x / 0 = 0. Knows nothing of names.

import type { Context } from "./context.ts";
import type { ArithmeticOp, HExpr } from "./hir.ts";
import * as messages from "./messages.ts";
import { ERROR, elementsOf, sameType, scalarBits, type Type } from "./types.ts";

/** True when the constant is a value of the type. */
export function fits(value: bigint, type: Type): boolean {
  return value >= 0n && value <= maxOfType(type);
}

/** The greatest number of a scalar type. */
export function maxOfType(type: Type): bigint {
  if (type.kind === "bool") return 1n;
  return (1n << BigInt(scalarBits(type) ?? 64)) - 1n;
}

/** An upper bound of a value's number, as far as its form tells. */
export function maxOf(value: HExpr): bigint {
  const whole = maxOfType(value.type);
  switch (value.kind) {
    case "const":
      return value.value;
    case "field":
      return (1n << BigInt(value.field.bitWidth)) - 1n;
    case "cast":
      return min(whole, maxOf(value.value));
    case "binary": {
      const a = maxOf(value.a);
      const b = maxOf(value.b);
      switch (value.op) {
        case "&":
          return min(a, b);
        case "%":
          return value.b.kind === "const" && b > 0n ? min(a, b - 1n) : a;
        case "/":
          return value.b.kind === "const" && b > 0n ? a / b : a;
        case ">>":
          return value.b.kind === "const" ? a >> b : a;
        case "+":
          return a + b <= whole ? a + b : whole;
        case "*":
          return a * b <= whole ? a * b : whole;
        case "|":
        case "^":
          return allOnes(a > b ? a : b);
        default:
          return whole;
      }
    }
    default:
      return whole;
  }
}

/** The least number of ones alone that isn't below `value`. */
function allOnes(value: bigint): bigint {
  return (1n << BigInt(value.toString(2).length)) - 1n;
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** The value as one of type `target`, or an error value with a diagnostic where that could lose bits or makes no sense. */
export function convert(ctx: Context, value: HExpr, target: Type): HExpr {
  if (value.type.kind === "error" || target.kind === "error") return { kind: "error", type: ERROR, span: value.span };
  if (sameType(value.type, target)) return value;
  const fail = (diagnostic: Parameters<Context["diagnostics"]["add"]>[0]): HExpr => {
    ctx.diagnostics.add(diagnostic);
    return { kind: "error", type: ERROR, span: value.span };
  };
  // An address is the prefix of all its bits.
  if (target.kind === "prefix") {
    if (value.type.kind !== target.of) return fail(messages.typeMismatch(value.span, value.type, target));
    return prefixValue(value, target.of === "ipv4" ? 32 : 128, target);
  }
  if (value.kind === "aggregate") {
    const targets = elementsOf(target);
    if (
      targets === null ||
      targets.length !== value.elements.length ||
      (target.kind !== "tuple" && value.type.kind !== "tuple")
    ) {
      return fail(messages.typeMismatch(value.span, value.type, target));
    }
    const elements = value.elements.map((e, i) => convert(ctx, e, targets[i] ?? ERROR));
    if (elements.some((e) => e.kind === "error")) return { kind: "error", type: ERROR, span: value.span };
    return { ...value, elements, type: target };
  }
  if (elementsOf(target) !== null) {
    const own = elementsOf(value.type);
    const same =
      own !== null &&
      own.length === elementsOf(target)?.length &&
      own.every((t, i) => sameType(t, elementsOf(target)?.[i] ?? ERROR));
    return same ? { ...value, type: target } : fail(messages.typeMismatch(value.span, value.type, target));
  }
  // A named bit is a u8 to arithmetic and as good as a bool elsewhere.
  if (target.kind === "bool" && value.kind === "field" && value.field.bitWidth === 1)
    return { kind: "cast", value, type: target, span: value.span };
  const integer = target.kind === "int" || target.kind === "untyped";
  if (value.type.kind === "untyped") {
    if (target.kind !== "int") return fail(messages.typeMismatch(value.span, value.type, target));
    if (value.kind === "const" && !fits(value.value, target)) {
      return fail(messages.doesNotFit(value.span, value.value, target, maxOfType(target)));
    }
    ctx.facts?.settle(value.span, target);
    return { ...value, type: target };
  }
  if (value.type.kind === "int" && integer) {
    if (value.kind === "const") {
      if (!fits(value.value, target))
        return fail(messages.doesNotFit(value.span, value.value, target, maxOfType(target)));
      return { ...value, type: target };
    }
    if (maxOf(value) > maxOfType(target)) return fail(messages.mayNotFit(value.span, value.type, target));
    return { kind: "cast", value, type: target, span: value.span };
  }
  return fail(messages.typeMismatch(value.span, value.type, target));
}

/** A value of a prefix type: the first `length` bits of an address. */
export function prefixValue(address: HExpr, length: number, type: Type): HExpr {
  const { span } = address;
  const bits: HExpr = { kind: "const", value: BigInt(length), type: { kind: "int", bits: 32 }, span };
  return { kind: "aggregate", elements: [bits, address], type, span };
}

/** Brings two operands of an operator to one type: constants take the other's, the narrower integer is widened. */
export function unify(ctx: Context, a: HExpr, b: HExpr): { readonly a: HExpr; readonly b: HExpr } | null {
  if (a.kind === "error" || b.kind === "error") return null;
  if (sameType(a.type, b.type)) return { a, b };
  const numeric = (t: Type): boolean =>
    t.kind === "int" || t.kind === "ipv4" || t.kind === "mac" || t.kind === "untyped";
  let type: Type;
  if (b.type.kind === "untyped" && numeric(a.type)) type = a.type;
  else if (a.type.kind === "untyped" && numeric(b.type)) type = b.type;
  else if (a.type.kind === "int" && b.type.kind === "int") type = a.type.bits >= b.type.bits ? a.type : b.type;
  else if (a.type.kind === "tuple" || a.type.kind === "struct" || b.type.kind === "tuple") {
    const converted = convert(ctx, b, a.type);
    return converted.kind === "error" ? null : { a, b: converted };
  } else {
    ctx.diagnostics.add(messages.typeMismatch(b.span, b.type, a.type));
    return null;
  }
  const bring = (value: HExpr): HExpr => {
    if (sameType(value.type, type)) return value;
    // A number written beside an address or a MAC is one of those: masks and comparisons read naturally.
    if (value.kind === "const" && value.type.kind === "untyped") {
      if (fits(value.value, type)) {
        ctx.facts?.settle(value.span, type);
        return { ...value, type };
      }
      ctx.diagnostics.add(messages.doesNotFit(value.span, value.value, type, maxOfType(type)));
      return { kind: "error", type: ERROR, span: value.span };
    }
    return convert(ctx, value, type);
  };
  const pair = { a: bring(a), b: bring(b) };
  return pair.a.kind === "error" || pair.b.kind === "error" ? null : pair;
}

/** Arithmetic on constants modulo 2^bits; division by zero gives 0, x % 0 gives x, shift counts are taken modulo 32 or 64. */
export function foldBinary(op: ArithmeticOp, a: bigint, b: bigint, bits: number): bigint {
  const count = b & (bits > 32 ? 63n : 31n);
  const wrap = (value: bigint): bigint => BigInt.asUintN(bits, value);
  switch (op) {
    case "*":
      return wrap(a * b);
    case "/":
      return b === 0n ? 0n : a / b;
    case "%":
      return b === 0n ? a : a % b;
    case "+":
      return wrap(a + b);
    case "-":
      return wrap(a - b);
    case "<<":
      return wrap(a << count);
    case ">>":
      return a >> count;
    case "&":
      return a & b;
    case "^":
      return a ^ b;
    case "|":
      return a | b;
  }
}
