// What a path through the control flow tells of values: equal to a constant, different from one, a comparison that held or
// failed, bytes proven or missing. Learnt from edges and forgotten in reverse order, so that a walk over the dominator tree pays
// for each fact once. Jump threading and folding decide terminators with it.

import { evaluateCompare } from "../arithmetic.ts";
import type { Values } from "../graph.ts";
import type { Compare, Terminator, ValueId } from "../ir.ts";
import type { Places } from "../known-bytes.ts";

/** The few constants a value can be, where that is known: more than one, at most `DOMAIN_LIMIT`. */
export type Domains = ReadonlyMap<ValueId, ReadonlySet<bigint>>;

/** A comparison and its opposite: every comparison is one of the keys or the negation of one. */
const NEGATED: Partial<Record<Compare, Compare>> = { ne: "eq", uge: "ult", ugt: "ule", sge: "slt", sgt: "sle" };

/** Where a value stands for another one while a block is looked at from one of its edges. */
export type Alias = (value: ValueId) => ValueId;

const same: Alias = (value) => value;

/** Facts with an undo log. */
export class Facts {
  readonly #values: Values;
  readonly #places: Places;
  readonly #domains: Domains;
  readonly #equal = new Map<ValueId, bigint>();
  readonly #unequal = new Map<ValueId, Set<bigint>>();
  readonly #held = new Map<string, boolean>();
  readonly #null = new Map<ValueId, boolean>();
  readonly #proven = new Map<ValueId, number>();
  readonly #missing = new Map<ValueId, number>();
  readonly #undo: (() => void)[] = [];

  constructor(values: Values, places: Places, domains: Domains) {
    this.#values = values;
    this.#places = places;
    this.#domains = domains;
  }

  /** The values known to equal a constant, oldest first (constants themselves not counted). */
  get equalities(): ReadonlyMap<ValueId, bigint> {
    return this.#equal;
  }

  /** A point to go back to. */
  mark(): number {
    return this.#undo.length;
  }

  /** Forgets what was learnt since `mark`. */
  forget(mark: number): void {
    while (this.#undo.length > mark) this.#undo.pop()?.();
  }

  /** The constant that a value is known to be. */
  constant(value: ValueId): bigint | undefined {
    const def = this.#values.def[value];
    return def?.op === "const" ? def.value : this.#equal.get(value);
  }

  /** Learns that a value is a constant. */
  learnEqual(value: ValueId, constant: bigint): void {
    if (this.#values.def[value]?.op === "const") return;
    this.#set(this.#equal, value, constant);
  }

  /** Learns what taking edge `which` (its index in edgesOf) out of a block that ends in `term` says. */
  learn(term: Terminator, which: number): void {
    switch (term.op) {
      case "branch":
        this.#learnBranch(term, which === 0);
        return;
      case "switch": {
        const taken = term.cases[which];
        if (taken !== undefined) this.learnEqual(term.value, taken.value);
        else for (const c of term.cases) this.#learnUnequal(term.value, c.value);
        return;
      }
      case "packetGuard": {
        const root = this.#places.root[term.base] as number;
        const bytes = (this.#places.offset[term.base] as number) + term.bytes;
        if (which === 0) this.#set(this.#proven, root, Math.max(bytes, this.#proven.get(root) ?? bytes));
        else this.#set(this.#missing, root, Math.min(bytes, this.#missing.get(root) ?? bytes));
        return;
      }
      case "nullGuard":
        this.#set(this.#null, term.value, which !== 0);
        return;
      case "jump":
      case "return":
        return;
    }
  }

  /** The index of the edge that `term` must take, or -1; operands are looked up as `alias` says. */
  decide(term: Terminator, alias: Alias = same, constantOf = (v: ValueId) => this.constant(alias(v))): number {
    switch (term.op) {
      case "branch": {
        const holds = this.#holds(term, alias, constantOf);
        return holds === undefined ? -1 : holds ? 0 : 1;
      }
      case "switch": {
        const constant = constantOf(term.value);
        if (constant === undefined) return this.#decideDefault(term, alias);
        const which = term.cases.findIndex((c) => c.value === constant);
        return which === -1 ? term.cases.length : which;
      }
      case "packetGuard": {
        const through = alias(this.#places.root[term.base] as number);
        const root = this.#places.root[through] as number;
        const { offset } = this.#places;
        const bytes = (offset[term.base] as number) + (offset[through] as number) + term.bytes;
        if (bytes <= (this.#proven.get(root) ?? Number.NEGATIVE_INFINITY)) return 0;
        return bytes >= (this.#missing.get(root) ?? Number.POSITIVE_INFINITY) ? 1 : -1;
      }
      case "nullGuard": {
        const isNull = this.#null.get(alias(term.value));
        return isNull === undefined ? -1 : isNull ? 1 : 0;
      }
      case "jump":
      case "return":
        return -1;
    }
  }

  #holds(
    term: Extract<Terminator, { op: "branch" }>,
    alias: Alias,
    constantOf: (v: ValueId) => bigint | undefined,
  ): boolean | undefined {
    const a = constantOf(term.a);
    const b = constantOf(term.b);
    if (a !== undefined && b !== undefined) return evaluateCompare(term.compare, term.type, a, b);
    if (term.compare === "eq" || term.compare === "ne") {
      const excluded =
        b !== undefined ? this.#excludes(alias(term.a), b) : a !== undefined && this.#excludes(alias(term.b), a);
      if (excluded) return term.compare === "ne";
    }
    if (this.#held.size === 0) return undefined;
    const { key, negated } = this.#keyOf(term.compare, alias(term.a), alias(term.b));
    const held = this.#held.get(key);
    return held === undefined ? undefined : held !== negated;
  }

  #decideDefault(term: Extract<Terminator, { op: "switch" }>, alias: Alias): number {
    const value = alias(term.value);
    const domain = this.#domains.get(value);
    const unequal = this.#unequal.get(value);
    if (unequal === undefined && domain === undefined) return -1;
    return term.cases.every((c) => this.#excludes(value, c.value)) ? term.cases.length : -1;
  }

  #excludes(value: ValueId, constant: bigint): boolean {
    const domain = this.#domains.get(value);
    if (domain !== undefined && !domain.has(constant)) return true;
    return this.#unequal.get(value)?.has(constant) ?? false;
  }

  #learnBranch(term: Extract<Terminator, { op: "branch" }>, holds: boolean): void {
    if (term.compare === "eq" || term.compare === "ne") {
      const a = this.constant(term.a);
      const b = this.constant(term.b);
      const equal = (term.compare === "eq") === holds;
      if ((a === undefined) !== (b === undefined)) {
        const value = a === undefined ? term.a : term.b;
        const constant = (a ?? b) as bigint;
        if (equal) this.learnEqual(value, constant);
        else this.#learnUnequal(value, constant);
        return;
      }
    }
    const { key, negated } = this.#keyOf(term.compare, term.a, term.b);
    this.#set(this.#held, key, holds !== negated);
  }

  #learnUnequal(value: ValueId, constant: bigint): void {
    let set = this.#unequal.get(value);
    if (set?.has(constant)) return;
    if (set === undefined) {
      set = new Set();
      this.#unequal.set(value, set);
    }
    const excluded = set;
    excluded.add(constant);
    this.#undo.push(() => excluded.delete(constant));
    const domain = this.#domains.get(value);
    if (domain === undefined || this.#equal.has(value)) return;
    const rest = [...domain].filter((c) => !excluded.has(c));
    if (rest.length === 1) this.learnEqual(value, rest[0] as bigint);
  }

  // Equal constants have one name here, whichever instruction made them.
  #keyOf(compare: Compare, a: ValueId, b: ValueId): { readonly key: string; readonly negated: boolean } {
    const opposite = NEGATED[compare];
    const positive = opposite ?? compare;
    const name = (v: ValueId): string => {
      const def = this.#values.def[v];
      return def?.op === "const" ? `#${def.value}` : `v${v}`;
    };
    const names = [name(a), name(b)];
    if (positive === "eq" || positive === "set") names.sort();
    return { key: `${positive} ${names.join(" ")}`, negated: opposite !== undefined };
  }

  #set<K, V>(map: Map<K, V>, key: K, value: V): void {
    const old = map.get(key);
    map.set(key, value);
    this.#undo.push(() => {
      if (old === undefined) map.delete(key);
      else map.set(key, old);
    });
  }
}
