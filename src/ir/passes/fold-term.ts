// The folding rules for terminators: decided ones become jumps, and a comparison with a constant is moved towards the loaded
// bytes: the constant is swapped rather than the field, a field in the middle of a byte is masked rather than shifted.

import { evaluateCompare, maxOf, swapBytes } from "../arithmetic.ts";
import type { Compare, Edge, IntType, Terminator, ValueId } from "../ir.ts";
import { isPowerOfTwo } from "./fold-insn.ts";
import type { Folder } from "./folder.ts";
import type { Range } from "./ranges.ts";

type Branch = Extract<Terminator, { op: "branch" }>;
type Switch = Extract<Terminator, { op: "switch" }>;

const MIRRORED: Record<Compare, Compare> = {
  eq: "eq",
  ne: "ne",
  set: "set",
  ult: "ugt",
  ugt: "ult",
  ule: "uge",
  uge: "ule",
  slt: "sgt",
  sgt: "slt",
  sle: "sge",
  sge: "sle",
};

/** Applies the first rule that fits; null when none does. */
export function foldTerm(term: Terminator, f: Folder): Terminator | null {
  switch (term.op) {
    case "branch":
      return foldBranch(term, f);
    case "switch":
      return foldSwitch(term, f);
    case "packetGuard": {
      const at = f.place(term.base, term.bytes);
      return at.base === term.base ? null : { ...term, base: at.base, bytes: at.bytes };
    }
    case "return": {
      // Only the low 32 bits of a verdict count.
      const def = f.def(term.value);
      return def?.op === "trunc" || def?.op === "zext" ? { ...term, value: def.a } : null;
    }
    case "jump":
    case "nullGuard":
      return null;
  }
}

function jump(edge: Edge, from: Terminator): Terminator {
  return { op: "jump", edge, origin: from.origin };
}

function foldBranch(term: Branch, f: Folder): Terminator | null {
  const decided = decide(term.compare, term.type, term.a === term.b, f.range(term.a), f.range(term.b));
  if (decided !== null) return jump(decided ? term.then : term.else, term);
  if (f.constant(term.a) !== undefined) {
    return { ...term, compare: MIRRORED[term.compare], a: term.b, b: term.a };
  }
  const b = f.constant(term.b);
  if (b === undefined) return foldBoth(term, f);
  if (term.compare === "eq" || term.compare === "ne") return foldEquality(term, b, f);
  return term.compare === "set" ? foldSet(term, b, f) : foldOrder(term, b, f);
}

function decide(compare: Compare, type: IntType, same: boolean, a: Range, b: Range): boolean | null {
  if (a.min === a.max && b.min === b.max) return evaluateCompare(compare, type, a.min, b.min);
  const apart = a.max < b.min || b.max < a.min || (b.min === b.max && (b.min & ~a.bits) !== 0n);
  switch (compare) {
    case "eq":
      return same ? true : apart ? false : null;
    case "ne":
      return same ? false : apart ? true : null;
    case "ult":
      return same || a.min >= b.max ? false : a.max < b.min ? true : null;
    case "ule":
      return same || a.max <= b.min ? true : a.min > b.max ? false : null;
    case "ugt":
      return same || a.max <= b.min ? false : a.min > b.max ? true : null;
    case "uge":
      return same || a.min >= b.max ? true : a.max < b.min ? false : null;
    case "set":
      return (a.bits & b.bits) === 0n ? false : null;
    default:
      return same ? compare === "sle" || compare === "sge" : null;
  }
}

// Two values: swapped, or extended, alike.
function foldBoth(term: Branch, f: Folder): Terminator | null {
  const a = f.def(term.a);
  const b = f.def(term.b);
  if (a?.op === "zext" && b?.op === "zext" && !term.compare.startsWith("s")) {
    return { ...term, type: "i32", a: a.a, b: b.a };
  }
  const equality = term.compare === "eq" || term.compare === "ne";
  if (!equality || a?.op !== "bswap" || b?.op !== "bswap" || a.bytes !== b.bytes) return null;
  const fits = isWithin(f.range(a.a), a.bytes) && isWithin(f.range(b.a), b.bytes);
  return fits ? { ...term, a: a.a, b: b.a } : null;
}

function isWithin(range: Range, bytes: number): boolean {
  return range.bits >> BigInt(8 * bytes) === 0n;
}

function foldEquality(term: Branch, b: bigint, f: Folder): Terminator | null {
  const { type } = term;
  const against = (a: ValueId, constant: bigint, t: IntType = type): Terminator => ({
    ...term,
    type: t,
    a,
    b: f.makeConstant(t, constant),
  });
  const opened = openEquality(term.a, type, f);
  if (opened !== null) return against(opened.a(), opened.constant(b), opened.type);
  const and = f.binary(term.a, "and");
  if (and === null) return null;
  const { a, constant: mask } = and;
  if (b === 0n) {
    const set: Branch = { ...term, compare: "set", a, b: f.makeConstant(type, mask) };
    return term.compare === "ne" ? set : { ...set, then: term.else, else: term.then };
  }
  if (b === mask && isPowerOfTwo(mask)) {
    const set: Branch = { ...term, compare: "set", a, b: f.makeConstant(type, mask) };
    return term.compare === "eq" ? set : { ...set, then: term.else, else: term.then };
  }
  return null;
}

// A value that equals a constant exactly where a simpler one equals another constant.
interface Opened {
  readonly type: IntType;
  readonly a: () => ValueId;
  readonly constant: (c: bigint) => bigint;
}

// `a` and `constant` are only called when the rule is taken, as they make instructions. The constant is known to be possible:
// every bit of it can be set in `value`, else the branch was decided before.
function openEquality(value: ValueId, type: IntType, f: Folder): Opened | null {
  const def = f.def(value);
  if (def?.op === "zext") return { type: "i32", a: () => def.a, constant: (c) => c };
  if (def?.op === "bswap" && isWithin(f.range(def.a), def.bytes)) {
    return { type, a: () => def.a, constant: (c) => swapBytes(c, def.bytes) };
  }
  const add = f.binary(value, "add");
  if (add !== null) return { type, a: () => add.a, constant: (c) => c - add.constant };
  const xor = f.binary(value, "xor");
  if (xor !== null) return { type, a: () => xor.a, constant: (c) => c ^ xor.constant };
  const shr = f.binary(value, "shr");
  if (shr !== null) {
    const mask = (f.range(shr.a).bits >> shr.constant) << shr.constant;
    return { type, a: () => f.makeBinary("and", type, shr.a, mask), constant: (c) => c << shr.constant };
  }
  const shl = f.binary(value, "shl");
  if (shl !== null && f.range(shl.a).max << shl.constant <= maxOf(type)) {
    return { type, a: () => shl.a, constant: (c) => c >> shl.constant };
  }
  const and = f.binary(value, "and");
  if (and === null) return null;
  return openMasked(and.a, and.constant, type, f);
}

function openMasked(value: ValueId, mask: bigint, type: IntType, f: Folder): Opened | null {
  const def = f.def(value);
  if (def?.op === "bswap") {
    const low = mask & ((1n << BigInt(8 * def.bytes)) - 1n);
    const swapped = swapBytes(low, def.bytes);
    return {
      type,
      a: () => f.makeBinary("and", type, def.a, swapped),
      constant: (c) => swapBytes(c, def.bytes),
    };
  }
  const shr = f.binary(value, "shr");
  if (shr === null) return null;
  const moved = (mask << shr.constant) & maxOf(type);
  return { type, a: () => f.makeBinary("and", type, shr.a, moved), constant: (c) => c << shr.constant };
}

function foldSet(term: Branch, mask: bigint, f: Folder): Terminator | null {
  const { bits } = f.range(term.a);
  const make = (a: ValueId, constant: bigint, type: IntType = term.type): Terminator => ({
    ...term,
    type,
    a,
    b: f.makeConstant(type, constant),
  });
  if ((bits & ~mask) === 0n) return { ...term, compare: "ne", b: f.makeConstant(term.type, 0n) };
  if ((mask & ~bits) !== 0n) return make(term.a, mask & bits);
  const def = f.def(term.a);
  if (def?.op === "zext") return make(def.a, mask, "i32");
  if (def?.op === "bswap") return make(def.a, swapBytes(mask, def.bytes));
  const and = f.binary(term.a, "and");
  if (and !== null) return make(and.a, mask & and.constant);
  const shr = f.binary(term.a, "shr");
  if (shr !== null) return make(shr.a, (mask << shr.constant) & maxOf(term.type));
  return null;
}

function foldOrder(term: Branch, b: bigint, f: Folder): Terminator | null {
  const { compare, type } = term;
  const against = (how: Compare, a: ValueId, constant: bigint, t: IntType = type): Terminator => ({
    ...term,
    compare: how,
    type: t,
    a,
    b: f.makeConstant(t, constant),
  });
  if (compare.startsWith("s")) return null;
  if ((compare === "ult" && b === 1n) || (compare === "ule" && b === 0n)) return against("eq", term.a, 0n);
  if ((compare === "uge" && b === 1n) || (compare === "ugt" && b === 0n)) return against("ne", term.a, 0n);
  const def = f.def(term.a);
  if (def?.op === "zext" && b <= 0xffff_ffffn) return against(compare, def.a, b, "i32");
  // x >> s < c where x < c << s; the same for the other three, with their bound moved to "below" and "at least".
  const strict = compare === "ult" || compare === "uge";
  const bound = strict ? b : b + 1n;
  const how: Compare = compare === "ult" || compare === "ule" ? "ult" : "uge";
  const shr = f.binary(term.a, "shr");
  if (shr !== null && bound << shr.constant <= maxOf(type)) return against(how, shr.a, bound << shr.constant);
  const shl = f.binary(term.a, "shl");
  if (shl !== null && f.range(shl.a).max << shl.constant <= maxOf(type)) {
    const unit = 1n << shl.constant;
    return against(how, shl.a, (bound + unit - 1n) / unit);
  }
  return null;
}

function foldSwitch(term: Switch, f: Folder): Terminator | null {
  const constant = f.constant(term.value);
  if (constant !== undefined) return jump(term.cases.find((c) => c.value === constant)?.edge ?? term.default, term);
  const { min, max, bits } = f.range(term.value);
  const possible = term.cases.filter((c) => c.value >= min && c.value <= max && (c.value & ~bits) === 0n);
  if (possible.length < term.cases.length) return { ...term, cases: possible };
  const [only] = term.cases;
  if (only === undefined) return jump(term.default, term);
  if (term.cases.length === 1) {
    return {
      op: "branch",
      compare: "eq",
      type: term.type,
      a: term.value,
      b: f.makeConstant(term.type, only.value),
      then: only.edge,
      else: term.default,
      origin: term.origin,
    };
  }
  const def = f.def(term.value);
  const opened =
    def?.op === "bswap" || def?.op === "zext" ? openEquality(term.value, term.type, f) : openSwitched(term, f);
  if (opened === null) return null;
  const cases = term.cases.map((c) => ({ value: opened.constant(c.value), edge: c.edge }));
  return { ...term, type: opened.type, value: opened.a(), cases };
}

// A switch over swapped bytes behind a mask; shifts stay, for small dense cases make the better tree.
function openSwitched(term: Switch, f: Folder): Opened | null {
  const and = f.binary(term.value, "and");
  return and !== null && f.def(and.a)?.op === "bswap" ? openMasked(and.a, and.constant, term.type, f) : null;
}
