// Rules that never match: an earlier rule ends every packet that they would match, or their own comparisons exclude each other. Looks at the
// rules of a program in order, as conjunctions of what fields may hold; what it doesn't understand it lets be. A lint: gives warnings
// only. Near linear in the number of rules: earlier rules are found by the fields they compare.

import type { Diagnostic } from "../base/diagnostic.ts";
import type { Span } from "../base/source.ts";
import type { Context } from "./context.ts";
import { HeaderGraph } from "./header-graph.ts";
import {
  type Field,
  type HCond,
  type HExpr,
  type HProgram,
  type HStmt,
  type Instance,
  movesPacket,
  type NumberRange,
} from "./hir.ts";
import { allHeaders } from "./inner.ts";
import { contradicts, neverMatches } from "./messages-lints.ts";
import { bodiesOf } from "./presence.ts";

/** Ways to match one rule; a rule with more isn't looked at. */
const MOST_WAYS = 16;
/** Fields that one way compares; of more, the subsets are too many. */
const MOST_FIELDS = 5;
/** Ranges of one comparison, and earlier rules with ranges that are compared one by one. */
const MOST_RANGES = 256;
const MOST_COMPARED = 64;
/** Rules told of; who has more has seen what is the matter. */
const MOST_TOLD = 100;

/** One way to match: what fields hold, and which headers are there besides theirs. */
interface Way {
  readonly fields: ReadonlyMap<string, Held>;
  readonly present: ReadonlySet<Instance>;
  /** All of the condition is in `fields` and `present`. */
  readonly whole: boolean;
}

interface Held {
  readonly instance: Instance;
  /** Ascending and disjoint. */
  readonly ranges: readonly NumberRange[];
}

/** An earlier rule that ends what it matches. */
interface Earlier {
  readonly way: Way;
  readonly span: Span;
}

/** Rules that compare the same fields: those with one value in each by these values, others in order. */
interface Group {
  readonly exact: Map<string, Earlier>;
  readonly others: Earlier[];
}

/** Warns of the rules of a program that never match. */
export function lintShadowed(ctx: Context, program: HProgram): void {
  new Shadows(ctx).look(program.body);
}

class Shadows {
  readonly #ctx: Context;
  readonly #functions: readonly Span[];
  readonly #ids = new Map<Instance, Map<Field, string>>();
  #groups = new Map<string, Group>();
  #graph: HeaderGraph | null = null;
  #fieldCount = 0;
  #told = 0;

  constructor(ctx: Context) {
    this.#ctx = ctx;
    this.#functions = [...ctx.names.values()].flatMap((decl) => (decl.kind === "fnDecl" ? [decl.span] : []));
  }

  #tell(diagnostic: Diagnostic): void {
    this.#told += 1;
    this.#ctx.diagnostics.add(diagnostic);
  }

  look(statements: readonly HStmt[]): void {
    for (const statement of statements) {
      if (this.#told === MOST_TOLD) return;
      if (statement.kind === "if") this.#rule(statement);
      // What fields hold from here on isn't what earlier rules saw.
      if (changesPacket(statement)) this.#groups = new Map();
    }
  }

  #rule(rule: HStmt & { kind: "if" }): void {
    const ways = this.#waysOf(rule.condition);
    if (ways === null) return;
    const { span } = rule.condition;
    const own = !this.#functions.some((f) => f.file === span.file && f.start <= span.start && span.end <= f.end);
    if (own && ways.length > 0) {
      if (ways.every(isEmpty)) this.#tell(contradicts(span));
      else {
        const by = ways.filter((way) => !isEmpty(way)).map((way) => this.#coverOf(way));
        const first = by[0];
        if (first && by.every((one) => one !== null))
          this.#tell(neverMatches(span, [...new Set(by.map((one) => one?.span ?? first.span))]));
      }
    }
    if (!ends(rule.then)) return;
    for (const way of ways) if (way.whole && !isEmpty(way)) this.#keep({ way, span });
  }

  #keep(earlier: Earlier): void {
    const { fields, present } = earlier.way;
    const names = [...fields.keys()].sort();
    if (names.length > MOST_FIELDS) return;
    const key = names.join();
    const group = this.#groups.get(key) ?? { exact: new Map<string, Earlier>(), others: [] };
    this.#groups.set(key, group);
    const point = present.size === 0 && names.length > 0 ? pointOf(names, fields) : null;
    if (point === null) {
      if (group.others.length < MOST_COMPARED) group.others.push(earlier);
    } else if (!group.exact.has(point)) group.exact.set(point, earlier);
  }

  /** An earlier rule that matches whatever `way` does; null where none is known. */
  #coverOf(way: Way): Earlier | null {
    const names = [...way.fields.keys()].sort();
    for (const subset of subsets(names)) {
      const group = this.#groups.get(subset.join());
      if (group === undefined) continue;
      const point = pointOf(subset, way.fields);
      const found =
        (point === null ? undefined : group.exact.get(point)) ?? group.others.find((one) => this.#covers(one.way, way));
      if (found !== undefined) return found;
    }
    return null;
  }

  #covers(earlier: Way, later: Way): boolean {
    for (const [name, { ranges }] of earlier.fields) {
      const held = later.fields.get(name);
      if (held === undefined || !within(held.ranges, ranges)) return false;
    }
    if (earlier.present.size === 0) return true;
    this.#graph ??= new HeaderGraph(allHeaders(this.#ctx));
    const there = new Set<Instance>();
    for (const instance of [...later.present, ...[...later.fields.values()].map((held) => held.instance)])
      for (const implied of this.#graph.impliedBy(instance)) there.add(implied);
    return [...earlier.present].every((instance) => there.has(instance));
  }

  // ---------------------------------------------------------------------------------------------------------- conditions

  /** The ways in which a condition may hold; null where they are too many. */
  #waysOf(condition: HCond): readonly Way[] | null {
    const ways: Way[] = [];
    for (const part of partsOf(condition, "or")) {
      if (ways.length === MOST_WAYS) return null;
      ways.push(this.#wayOf(part));
    }
    return ways;
  }

  #wayOf(condition: HCond): Way {
    const fields = new Map<string, Held>();
    const present = new Set<Instance>();
    let whole = true;
    for (const part of partsOf(condition, "and")) {
      if (part.kind === "present") {
        present.add(part.instance);
        continue;
      }
      const found = comparedField(part);
      if (found === null || found.ranges.length > MOST_RANGES) {
        whole = false;
        continue;
      }
      const { instance } = found;
      const name = this.#nameOf(instance, found.field);
      const known = fields.get(name);
      const ranges = known === undefined ? found.ranges : intersection(known.ranges, found.ranges);
      fields.set(name, { instance, ranges });
    }
    const own = [...fields.values()].map((held) => held.instance);
    for (const instance of own) present.delete(instance);
    return { fields, present, whole };
  }

  #nameOf(instance: Instance, field: Field): string {
    const names = this.#ids.get(instance) ?? new Map<Field, string>();
    this.#ids.set(instance, names);
    const name = names.get(field) ?? String(this.#fieldCount++);
    names.set(field, name);
    return name;
  }
}

/** The operands of a chain of one operator, left-deep as it is parsed. */
function partsOf(condition: HCond, kind: "and" | "or"): HCond[] {
  const parts: HCond[] = [];
  let at = condition;
  while (at.kind === kind) {
    parts.push(at.b);
    at = at.a;
  }
  parts.push(at);
  return parts.reverse();
}

/** What a comparison says that a field holds; null where it isn't one of a field with constants. */
function comparedField(condition: HCond): (Held & { readonly field: Field }) | null {
  switch (condition.kind) {
    case "compare": {
      const { a, b } = condition;
      if (b.kind === "const") return heldBy(a, (max) => rangesFor(condition.op, b.value, max));
      return null;
    }
    case "inSet": {
      const { set, negated, value } = condition;
      // An empty set has been told of where it is declared, and may be filled before the next build.
      if (set.kind !== "ranges" || set.ranges.length === 0) return null;
      return heldBy(value, (max) => (negated ? complement(set.ranges, max) : set.ranges));
    }
    case "truth":
      return heldBy(condition.value, (max) => [{ from: 1n, to: max }]);
    default:
      return null;
  }
}

function heldBy(
  value: HExpr,
  ranges: (max: bigint) => readonly NumberRange[],
): (Held & { readonly field: Field }) | null {
  if (value.kind !== "field" || value.type.kind === "bytes") return null;
  const max = (1n << BigInt(value.field.bitWidth)) - 1n;
  return { instance: value.instance, field: value.field, ranges: intersection(ranges(max), [{ from: 0n, to: max }]) };
}

function rangesFor(op: string, value: bigint, max: bigint): readonly NumberRange[] {
  switch (op) {
    case "==":
      return [{ from: value, to: value }];
    case "!=":
      return complement([{ from: value, to: value }], max);
    case "<":
      return value === 0n ? [] : [{ from: 0n, to: value - 1n }];
    case "<=":
      return [{ from: 0n, to: value }];
    case ">":
      return [{ from: value + 1n, to: max }];
    default:
      return [{ from: value, to: max }];
  }
}

// -------------------------------------------------------------------------------------------------------------- ranges

function complement(ranges: readonly NumberRange[], max: bigint): readonly NumberRange[] {
  const result: NumberRange[] = [];
  let next = 0n;
  for (const { from, to } of ranges) {
    if (from > next) result.push({ from: next, to: from - 1n });
    next = to + 1n;
  }
  if (next <= max) result.push({ from: next, to: max });
  return result;
}

function intersection(a: readonly NumberRange[], b: readonly NumberRange[]): readonly NumberRange[] {
  const result: NumberRange[] = [];
  for (let i = 0, j = 0; ; ) {
    const [x, y] = [a[i], b[j]];
    if (x === undefined || y === undefined) return result;
    const from = x.from > y.from ? x.from : y.from;
    const to = x.to < y.to ? x.to : y.to;
    if (from <= to) result.push({ from, to });
    if (x.to < y.to) i += 1;
    else j += 1;
  }
}

/** Whether all of `inner` lies in `outer`; both ascending and disjoint, `outer` without ranges that touch. */
function within(inner: readonly NumberRange[], outer: readonly NumberRange[]): boolean {
  let j = 0;
  for (const { from, to } of inner) {
    while ((outer[j]?.to ?? to) < from) j += 1;
    const around = outer[j];
    if (around === undefined || around.from > from || to > around.to) return false;
  }
  return true;
}

function isEmpty(way: Way): boolean {
  return [...way.fields.values()].some(({ ranges }) => ranges.length === 0);
}

/** The one value of each of these fields; null where one may hold several. */
function pointOf(names: readonly string[], fields: Way["fields"]): string | null {
  const values: bigint[] = [];
  for (const name of names) {
    const [only, more] = fields.get(name)?.ranges ?? [];
    if (only === undefined || more !== undefined || only.from !== only.to) return null;
    values.push(only.from);
  }
  return values.join();
}

/** The subsets of some names, in order; of many names only the single ones and all. */
function subsets(names: readonly string[]): readonly (readonly string[])[] {
  if (names.length > MOST_FIELDS) return [[], ...names.map((name) => [name])];
  const all: string[][] = [];
  for (let bits = 0; bits < 1 << names.length; bits++) all.push(names.filter((_, i) => (bits >> i) & 1));
  return all;
}

// ---------------------------------------------------------------------------------------------------------- statements

const ENDINGS: ReadonlySet<HStmt["kind"]> = new Set(["verdict", "redirect", "redirectDevice", "flood", "tail"]);

/** Whether no packet gets past these statements. */
function ends(statements: readonly HStmt[]): boolean {
  const last = statements.at(-1);
  if (last === undefined) return false;
  if (last.kind === "if" || last.kind === "ifLet" || last.kind === "ifTake") return ends(last.then) && ends(last.else);
  return ENDINGS.has(last.kind);
}

/** Whether a statement changes bytes of the packet, at any depth. */
function changesPacket(statement: HStmt): boolean {
  const open: HStmt[] = [statement];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next.kind === "setField" || next.kind === "swap" || movesPacket(next)) return true;
    for (const body of bodiesOf(next)) for (const inner of body) open.push(inner);
  }
  return false;
}
