// Which rules decided over a packet, from the counts of a program with probes: the statements in the order they were reached, which
// branch each took, and the values of what it asked. Also the table of how often each rule was reached and taken.

import { type Span, textOf } from "../base/source.ts";
import { visitCondition, visitDeep } from "../ir/header-graph.ts";
import type { Field, HCond, HExpr, HStmt, Instance, MetaName } from "../ir/hir.ts";
import { instanceName } from "../ir/hir.ts";
import type { ProbedBlock, ProbedStmt } from "../ir/probes.ts";
import { readField } from "./header-values.ts";
import { firstInside, type ReadPacket } from "./read-packet.ts";
import type { Session } from "./session.ts";
import { fieldNumber } from "./show-packet.ts";

/** A statement that a packet reached. */
export interface PathStep {
  readonly span: Span;
  readonly depth: number;
  readonly kind: HStmt["kind"];
  /** What it decided: an `if` held or not, an arm of a `switch` was taken; null for what decides nothing. */
  readonly took: "yes" | "no" | "arm" | "else" | null;
  /** The first line of the arm that was taken. */
  readonly arm: Span | null;
  /** What it asked for: `tcp.dport = 443`, `no tcp`. */
  readonly facts: readonly string[];
}

/** Reads a probe's count. */
export type Count = (block: ProbedStmt | ProbedBlock) => number;

/** Counts as a session has them now, less what `before` says. */
export function countsOf(session: Session): Count {
  return (at) => session.countOf("entered" in at ? at.entered : at.reached);
}

/** The way of one packet; `count` gives what its run added to each probe. */
export function pathOf(
  rules: ProbedBlock,
  count: Count,
  packet: ReadPacket,
  meta: Readonly<Partial<Record<MetaName, bigint>>>,
): PathStep[] {
  const steps: PathStep[] = [];
  const walk = (block: ProbedBlock, depth: number): void => {
    for (const probed of block.statements) {
      // An `else if` chain is followed in a loop: it may be long.
      for (let at: ProbedStmt | null = probed; at !== null; ) {
        if (count(at) === 0) return;
        const taken: ProbedStmt["branches"][number] | undefined = at.branches.find((b) => count(b.block) > 0);
        steps.push(stepOf(at, depth, taken, packet, meta));
        const only: ProbedStmt | undefined = taken?.block.statements[0];
        if (taken?.what === "else" && taken.block.statements.length === 1 && only?.reached === taken.block.entered)
          at = only;
        else {
          if (taken !== undefined) walk(taken.block, depth + 1);
          at = null;
        }
      }
    }
  };
  if (count(rules) > 0) walk(rules, 0);
  return steps;
}

function stepOf(
  probed: ProbedStmt,
  depth: number,
  taken: ProbedStmt["branches"][number] | undefined,
  packet: ReadPacket,
  meta: Readonly<Partial<Record<MetaName, bigint>>>,
): PathStep {
  const { statement, span, asks } = probed;
  const facts = asks === null ? [] : factsOf(asks, packet, meta);
  const isIf = statement.kind === "if" || statement.kind === "ifLet";
  const took = isIf
    ? taken?.what === "then"
      ? "yes"
      : "no"
    : taken?.what === "arm" || taken?.what === "else"
      ? taken.what
      : null;
  return { span, depth, kind: statement.kind, took, arm: taken?.what === "arm" ? taken.span : null, facts };
}

/** The fields a condition or value reads, with what the packet has in them. */
function factsOf(asks: HCond | HExpr, packet: ReadPacket, meta: Readonly<Partial<Record<MetaName, bigint>>>): string[] {
  const facts = new Set<string>();
  const visitor = {
    field: (instance: Instance, field: Field) => {
      const placed = placeOf(instance, packet);
      const name = instanceName(instance);
      facts.add(
        placed === null
          ? `no ${name}`
          : `${name}.${field.name} = ${fieldNumber(packet, field, readField(packet.bytes, placed, field))}`,
      );
    },
    present: (instance: Instance) => {
      facts.add(
        placeOf(instance, packet) === null ? `no ${instanceName(instance)}` : `${instanceName(instance)} is there`,
      );
    },
  };
  if (isCondition(asks)) visitCondition(asks, visitor);
  else visitDeep(asks, visitor);
  // A chain of `and` is walked from its end.
  const all = new Set([...facts].reverse());
  for (const name of metaNames(textOf(asks.span))) {
    const value = meta[name];
    if (value !== undefined) all.add(`meta.${name} = ${value}`);
  }
  return [...all];
}

function isCondition(asks: HCond | HExpr): asks is HCond {
  return !("type" in asks);
}

function metaNames(text: string): readonly MetaName[] {
  return [...text.matchAll(/\bmeta\.(\w+)/g)].map((match) => match[1] as MetaName);
}

function placeOf(instance: Instance, packet: ReadPacket): number | null {
  // A name means the outer packet, or with `inner` the one inside.
  const { outer } = instance.header;
  const border = firstInside(packet);
  const row = outer === null ? packet.headers.slice(0, border) : packet.headers.slice(border);
  return row.filter((p) => p.header === (outer ?? instance.header))[instance.index]?.at ?? null;
}

/** How often a rule was reached and, for one with branches, which it took. */
export interface RuleCount {
  readonly span: Span;
  readonly depth: number;
  readonly kind: HStmt["kind"];
  readonly reached: number;
  /** For an `if`: how often it held. For others null. */
  readonly held: number | null;
}

/** The table of all rules and arms, in the order they are reached; a function's statements are counted over all its calls. */
export function ruleCounts(rules: ProbedBlock, count: Count): RuleCount[] {
  const sum = (probes: readonly Probe[]): number => probes.reduce((all, probe) => all + count(probe), 0);
  return ruleProbes(rules).map(({ reached, held, ...row }) => ({
    ...row,
    reached: sum(reached),
    held: held === null ? null : sum(held),
  }));
}

/** What counts: a block that was begun, or a statement that was reached. */
export type Probe = ProbedBlock | ProbedStmt;

/** A row of the table of rules, with the probes whose sums say how often it was reached and held. */
export interface RuleProbes extends Omit<RuleCount, "reached" | "held"> {
  readonly reached: readonly Probe[];
  readonly held: readonly Probe[] | null;
}

/** The table of `ruleCounts` as probes, for those who read the counts elsewhere. */
export function ruleProbes(rules: ProbedBlock): RuleProbes[] {
  const table = new Map<string, RuleProbes>();
  const note = (span: Span, row: Omit<RuleProbes, "span">): void => {
    const key = `${span.file.path}:${span.start}:${span.end}`;
    const known = table.get(key);
    const held = row.held === null ? null : [...(known?.held ?? []), ...row.held];
    table.set(key, { ...row, span, reached: [...(known?.reached ?? []), ...row.reached], held });
  };
  const add = (probed: ProbedStmt, depth: number): void => {
    const then = probed.branches.find((b) => b.what === "then");
    const held = then === undefined ? null : [then.block];
    note(probed.span, { depth, kind: probed.statement.kind, reached: [probed], held });
  };
  const walk = (block: ProbedBlock, depth: number): void => {
    for (const probed of block.statements) {
      for (let at: ProbedStmt | null = probed; at !== null; ) {
        add(at, depth);
        let next: ProbedStmt | null = null;
        for (const branch of at.branches) {
          if (branch.what === "arm")
            note(branch.span, { depth: depth + 1, kind: at.statement.kind, reached: [branch.block], held: null });
          const only: ProbedStmt | undefined = branch.block.statements[0];
          if (
            branch.what === "else" &&
            branch.block.statements.length === 1 &&
            only?.reached === branch.block.entered &&
            (only.statement.kind === "if" || only.statement.kind === "ifLet")
          )
            next = only;
          else walk(branch.block, depth + 1);
        }
        at = next;
      }
    }
  };
  walk(rules, 0);
  return [...table.values()];
}
