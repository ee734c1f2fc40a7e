// Presence analysis: proves, as TypeScript proves that a value isn't null, that every header field read or written outside a
// comparison belongs to a header that is there. Walks the typed statements with what is known at each point; gives
// diagnostics only. Knows no protocol: what follows from what comes from the header graph.

import type { Context } from "./context.ts";
import { announcedBy, type HeaderGraph, parentsOf, steers, visitValue } from "./header-graph.ts";
import { type HCond, type HExpr, type HProgram, type HStmt, type Instance, instanceName, movesPacket } from "./hir.ts";
import * as messages from "./messages.ts";

/** What is known at a point: which headers are there and which aren't. */
interface Facts {
  readonly present: ReadonlySet<Instance>;
  readonly absent: ReadonlySet<Instance>;
  /** What else is there on each of the ways by which a packet may have come; empty where that is nothing on some way. */
  readonly ways: readonly ReadonlySet<Instance>[];
}

/** More ways than this aren't told apart. */
const MOST_WAYS = 8;

/**
 * Checks a program; faults go to ctx.diagnostics. The header that begins the packet needs no proof: a frame too short to hold it
 * isn't Ethernet at all, and the lowering ends the program with its default where one turns up.
 */
export function checkPresence(ctx: Context, program: HProgram, graph: HeaderGraph): void {
  const presence = new Presence(ctx, graph);
  presence.statements(program.body, presence.start);
}

class Presence {
  readonly #ctx: Context;
  readonly #graph: HeaderGraph;
  /** Places told already: inlined code comes by more than once. */
  readonly #told = new Set<string>();
  /** What is known of a packet that nobody has looked at. */
  readonly start: Facts;

  constructor(ctx: Context, graph: HeaderGraph) {
    this.#ctx = ctx;
    this.#graph = graph;
    const first = graph.instances.filter((i) => i.header.edges.length === 0);
    this.start = { present: new Set(first), absent: new Set(), ways: [] };
  }

  /** The facts behind a list of statements; null when no packet gets there. */
  statements(statements: readonly HStmt[], facts: Facts): Facts | null {
    const recorded = this.#ctx.facts;
    recorded?.enter(statements, facts);
    let at: Facts | null = facts;
    for (const statement of statements) {
      if (at === null) return null;
      const before: Facts = at;
      at = this.#statement(statement, before);
      recorded?.pass(statement.span, before, at);
    }
    return at;
  }

  #statement(statement: HStmt, facts: Facts): Facts | null {
    switch (statement.kind) {
      case "if":
        return this.#if(statement, facts);
      case "ifLet":
        this.#need(statement.key, facts);
        return this.#join(this.statements(statement.then, facts), this.statements(statement.else, facts));
      case "ifTake":
        return this.#join(this.statements(statement.then, facts), this.statements(statement.else, facts));
      case "switch": {
        this.#need(statement.subject, facts);
        let after = this.statements(statement.else, facts);
        for (const arm of statement.arms) after = this.#join(after, this.statements(arm.body, facts));
        return after;
      }
      case "for": {
        const start = this.#withoutChanged(statement.body, facts);
        const after = this.statements(statement.body, start);
        // The body runs at least once.
        return after;
      }
      case "let":
        this.#need(statement.value, facts);
        return facts;
      case "setField":
        this.#need(statement.value, facts);
        this.#needInstance(statement.instance, facts, statement.span);
        return steers(statement.field) ? this.#without(statement.instance, facts) : facts;
      case "swap": {
        this.#needInstance(statement.instanceA, facts, statement.span);
        this.#needInstance(statement.instanceB, facts, statement.span);
        const a = steers(statement.a) ? this.#without(statement.instanceA, facts) : facts;
        return steers(statement.b) ? this.#without(statement.instanceB, a) : a;
      }
      case "push":
        this.#need(statement.value, facts);
        return this.start;
      case "pop":
        this.#needInstance(statement.instance, facts, statement.span);
        return this.start;
      case "encap":
        for (const { values } of statement.headers) for (const value of values.values()) this.#need(value, facts);
        if (statement.place === "packet") this.#needOneOf(statement.inside, facts, statement.span);
        return this.start;
      case "decap": {
        const frames = statement.frames.map((instance) => ({ instance }));
        this.#needOneOf([...statement.packets, ...frames], facts, statement.span);
        return this.start;
      }
      case "trim":
        this.#need(statement.bytes, facts);
        return this.start;
      case "store":
      case "add":
      case "put":
      case "emit":
        this.#need(statement.value, facts);
        return facts;
      case "sample":
        return facts;
      case "mapUpdate":
        this.#need(statement.key, facts);
        if (statement.value !== null) this.#need(statement.value, facts);
        return facts;
      case "mapDelete":
        this.#need(statement.key, facts);
        return facts;
      case "count":
        if (statement.key !== null) this.#need(statement.key, facts);
        return facts;
      case "log":
        for (const arg of statement.args) this.#need(arg, facts);
        return facts;
      case "verdict":
      case "flood":
        return null;
      case "redirectDevice":
        this.#need(statement.ifindex, facts);
        return null;
      case "tail":
        this.#need(statement.index, facts);
        return null;
      case "redirect":
        if (statement.key !== null) this.#need(statement.key, facts);
        return null;
    }
  }

  /** `else if` chains are followed in a loop. */
  #if(statement: HStmt & { kind: "if" }, facts: Facts): Facts | null {
    let after: Facts | null = null;
    let at: HStmt & { kind: "if" } = statement;
    let known = facts;
    for (;;) {
      const [whenTrue, whenFalse] = this.#condition(at.condition, known);
      after = this.#join(after, this.statements(at.then, whenTrue));
      const only = at.else[0];
      if (at.else.length === 1 && only?.kind === "if") {
        at = only;
        known = whenFalse;
      } else return this.#join(after, this.statements(at.else, whenFalse));
    }
  }

  /** The facts where a condition holds and where it doesn't. */
  #condition(condition: HCond, facts: Facts): [whenTrue: Facts, whenFalse: Facts] {
    switch (condition.kind) {
      case "present":
        return [this.#with(facts, [condition.instance]), this.#withAbsent(facts, condition.instance)];
      case "not": {
        const [whenTrue, whenFalse] = this.#condition(condition.operand, facts);
        return [whenFalse, whenTrue];
      }
      case "and":
      case "or":
        return this.#junction(condition, facts);
      default: {
        // A comparison that holds proves the headers whose fields it reads.
        const read = new Set<Instance>();
        const values =
          condition.kind === "compare"
            ? [condition.a, condition.b]
            : condition.kind === "inMap" || condition.kind === "exceeds"
              ? [condition.key]
              : condition.kind === "inSet" || condition.kind === "truth"
                ? [condition.value]
                : [];
        for (const value of values) visitValue(value, (instance) => read.add(instance));
        for (const part of announcedBy(condition)) read.add(part);
        return [this.#with(facts, read), facts];
      }
    }
  }

  #junction(condition: HCond & { kind: "and" | "or" }, facts: Facts): [Facts, Facts] {
    const parts: HCond[] = [];
    let left: HCond = condition;
    while (left.kind === condition.kind) {
      parts.push(left.b);
      left = left.a;
    }
    let [whenTrue, whenFalse] = this.#condition(left, facts);
    for (const part of parts.reverse()) {
      if (condition.kind === "and") {
        const [t, f] = this.#condition(part, whenTrue);
        whenFalse = this.#join(whenFalse, f) ?? whenFalse;
        whenTrue = t;
      } else {
        const [t, f] = this.#condition(part, whenFalse);
        whenTrue = this.#join(whenTrue, t) ?? whenTrue;
        whenFalse = f;
      }
    }
    return [whenTrue, whenFalse];
  }

  #join(a: Facts | null, b: Facts | null): Facts | null {
    if (a === null) return b;
    if (b === null || a === b) return a;
    const present = intersect(a.present, b.present);
    return { present, absent: intersect(a.absent, b.absent), ways: waysOf([a, b], present) };
  }

  #with(facts: Facts, instances: Iterable<Instance>): Facts {
    const present = new Set(facts.present);
    for (const instance of instances) for (const implied of this.#graph.impliedBy(instance)) present.add(implied);
    if (present.size === facts.present.size) return facts;
    return this.#close({ ...facts, present });
  }

  #withAbsent(facts: Facts, instance: Instance): Facts {
    const absent = new Set(facts.absent).add(instance);
    // What hangs only on absent headers is absent too.
    for (const child of this.#graph.behind(instance)) {
      if (parentsOf(child).every((p) => absent.has(p))) absent.add(child);
    }
    return this.#close({ ...facts, absent });
  }

  /** A header that is there came by one of its parents: when all but one are absent, by that one. */
  #close(facts: Facts): Facts {
    let present = facts.present;
    for (const instance of facts.present) {
      const possible = parentsOf(instance).filter((p) => !facts.absent.has(p));
      const only = possible[0];
      if (possible.length === 1 && only !== undefined && !present.has(only)) {
        present = new Set([...present, ...this.#graph.impliedBy(only)]);
      }
    }
    return present === facts.present ? facts : this.#close({ ...facts, present });
  }

  /** What stays known when a field of `instance` that steers the reading changes. */
  #without(instance: Instance, facts: Facts): Facts {
    const behind = this.#graph.behind(instance);
    const keep = (set: ReadonlySet<Instance>): Set<Instance> => new Set([...set].filter((i) => !behind.has(i)));
    const ways = facts.ways.map(keep);
    return {
      present: keep(facts.present),
      absent: keep(facts.absent),
      ways: ways.some((way) => way.size === 0) ? [] : ways,
    };
  }

  /** What is known at each turn of a loop: nothing its body may change. */
  #withoutChanged(body: readonly HStmt[], facts: Facts): Facts {
    let result = movesPacketWithin(body) ? this.start : facts;
    for (const instance of changedInstances(body)) result = this.#without(instance, result);
    return result;
  }

  #need(value: HExpr, facts: Facts): void {
    visitValue(value, (instance, _field, at) => this.#needInstance(instance, facts, at.span));
  }

  /** One of `starts` must be there: a header that is there and can only be found by way of them proves it. */
  #needOneOf(starts: readonly { readonly instance: Instance }[], facts: Facts, span: HExpr["span"]): void {
    const known = new Map(starts.map(({ instance }): [Instance, boolean] => [instance, true]));
    const behind = (instance: Instance): boolean => {
      const found = known.get(instance);
      if (found !== undefined) return found;
      const parents = parentsOf(instance);
      const result = parents.length > 0 && parents.every(behind);
      known.set(instance, result);
      return result;
    };
    const first = starts[0]?.instance;
    const proven =
      [...facts.present].some(behind) || (facts.ways.length > 0 && facts.ways.every((way) => [...way].some(behind)));
    if (first !== undefined && !proven) this.#needInstance(first, facts, span);
  }

  #needInstance(instance: Instance, facts: Facts, span: HExpr["span"]): void {
    if (facts.present.has(instance)) return;
    const key = `${span.file.path}:${span.start}:${instanceName(instance)}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    const name = instanceName(instance);
    this.#ctx.diagnostics.add(
      facts.absent.has(instance) ? messages.isAbsent(span, name) : messages.mayBeAbsent(span, name),
    );
  }
}

/** What is there on the ways that lead to several points, besides what is there on all of them. */
function waysOf(points: readonly Facts[], common: ReadonlySet<Instance>): readonly ReadonlySet<Instance>[] {
  const ways = points.flatMap(({ present, ways }) => {
    const more = [...present].filter((i) => !common.has(i));
    return ways.length === 0 ? [new Set(more)] : ways.map((way) => new Set([...way, ...more]));
  });
  return ways.length > MOST_WAYS || ways.some((way) => way.size === 0) ? [] : ways;
}

function intersect(a: ReadonlySet<Instance>, b: ReadonlySet<Instance>): ReadonlySet<Instance> {
  return new Set([...a].filter((i) => b.has(i)));
}

/** The instances of which the statements change a field that steers the reading. */
export function changedInstances(statements: readonly HStmt[]): Set<Instance> {
  const changed = new Set<Instance>();
  const open: (readonly HStmt[])[] = [statements];
  for (let list = open.pop(); list !== undefined; list = open.pop()) {
    for (const statement of list) {
      if (statement.kind === "setField" && steers(statement.field)) changed.add(statement.instance);
      if (statement.kind === "swap") {
        if (steers(statement.a)) changed.add(statement.instanceA);
        if (steers(statement.b)) changed.add(statement.instanceB);
      }
      open.push(...bodiesOf(statement));
    }
  }
  return changed;
}

/** Whether any of the statements, at any depth, moves the packet's head or end. */
export function movesPacketWithin(statements: readonly HStmt[]): boolean {
  const open: (readonly HStmt[])[] = [statements];
  for (let list = open.pop(); list !== undefined; list = open.pop()) {
    for (const statement of list) {
      if (movesPacket(statement)) return true;
      open.push(...bodiesOf(statement));
    }
  }
  return false;
}

/** The lists of statements inside a statement. */
export function bodiesOf(statement: HStmt): (readonly HStmt[])[] {
  switch (statement.kind) {
    case "if":
    case "ifLet":
    case "ifTake":
      return [statement.then, statement.else];
    case "switch":
      return [...statement.arms.map((a) => a.body), statement.else];
    case "for":
      return [statement.body];
    default:
      return [];
  }
}
