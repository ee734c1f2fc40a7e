// Runs one test in the machine: fills, packets, expectations, in order on one state. Gives what failed first, with the packet and, where
// a program with probes is at hand, the way it took through the rules. Knows no files and no output formats.

import type { Span } from "../base/source.ts";
import { textOf } from "../base/source.ts";
import type { CompileModel } from "../compile.ts";
import { scalarOf } from "../ir/constant-bytes.ts";
import type { HStmt } from "../ir/hir.ts";
import type { HExpectation, HFate, HPacket, HStateCond, HStateValue, HTest } from "../ir/hir-test.ts";
import { layoutOf } from "../ir/layout.ts";
import type { ProbedBlock } from "../ir/probes.ts";
import { MachineFault } from "../vm/fault.ts";
import type { RunResult } from "../vm/machine.ts";
import { makePacket } from "./make-packet.ts";
import { differences, fateName, isFate } from "./match.ts";
import { type ReadPacket, readPacket } from "./read-packet.ts";
import { countsOf, type PathStep, pathOf } from "./rule-path.ts";
import { type Compiled, type Session, sessionFor } from "./session.ts";
import { fateText, formatValue } from "./show-packet.ts";

/** A test of a rule file. */
export type Test = HTest;

/** What came of a test. */
export interface TestResult {
  readonly test: HTest;
  /** The first thing that wasn't as expected; null: the test passed. */
  readonly failure: TestFailure | null;
  /** Packets sent. */
  readonly packets: number;
}

/** Why a test failed. */
export interface TestFailure {
  /** The expectation, or the packet whose run ended in a fault. */
  readonly span: Span;
  /** One line. */
  readonly message: string;
  /** Further lines: what differs, values that were compared. */
  readonly details: readonly string[];
  /** The packet that was sent last; null before the first. */
  readonly sent: SentPacket | null;
}

/** A packet of a test and what became of it. */
export interface SentPacket {
  /** Which of the test's packets, from 1. */
  readonly number: number;
  readonly before: ReadPacket;
  /** As it left; null where the run ended in a fault. */
  readonly after: ReadPacket | null;
  readonly fate: string;
  /** Its way through the rules, and the rules that would have sent it where it was expected; null without probes. */
  readonly path: readonly PathStep[] | null;
  readonly wanted: readonly Span[];
}

/** Runs a test. `probed` gives the same file compiled with probes, asked for only where something failed. */
export function runTest(test: HTest, compiled: Compiled, probed: () => Compiled | null): TestResult {
  const result = attempt(test, compiled);
  const { failure } = result;
  if (failure === null || failure.sent === null) return result;
  const again = probed();
  if (again === null) return result;
  const twin = again.model.tests.find((t) => t.title === test.title);
  const path = twin === undefined ? null : pathOfPacket(twin, again, failure.sent.number);
  if (path === null) return result;
  const { expectation } = failure;
  const astray = expectation?.kind === "expect" && failure.details.length === 0;
  const wanted = astray ? statementsWith(again, test.program, expectation.fate) : [];
  return { ...result, failure: { ...failure, sent: { ...failure.sent, path, wanted } } };
}

interface Attempt extends TestResult {
  readonly failure: (TestFailure & { readonly expectation: HExpectation | null }) | null;
}

interface Sent {
  readonly bytes: Uint8Array;
  readonly number: number;
  readonly result: RunResult;
}

function attempt(test: HTest, compiled: Compiled): Attempt {
  const session = sessionFor(test, compiled);
  const { headers } = compiled.model;
  let sent: Sent[] = [];
  let last: Sent | null = null;
  let packets = 0;
  let freshly = false;
  const fail = (
    expectation: HExpectation | null,
    span: Span,
    message: string,
    details: readonly string[],
    which: Sent | null,
  ): Attempt => {
    const shown: SentPacket | null =
      which === null
        ? null
        : {
            number: which.number,
            before: readPacket(headers, which.bytes),
            after: readPacket(headers, which.result.packet),
            fate: fateText(which.result),
            path: null,
            wanted: [],
          };
    return { test, packets, failure: { span, message, details, sent: shown, expectation } };
  };
  for (const step of test.steps) {
    switch (step.kind) {
      case "packet": {
        if (!freshly) sent = [];
        freshly = true;
        const bytes = makePacket(step.layers);
        for (let i = 0; i < step.times; i++) {
          packets += 1;
          const outcome = send(session, test.program, bytes, step, packets, headers);
          if ("failure" in outcome) return { test, packets, failure: { ...outcome.failure, expectation: null } };
          last = outcome;
          sent.push(last);
        }
        break;
      }
      case "expect": {
        freshly = false;
        const wrong = sent.find(({ result }) => !isFate(step.fate, result, session));
        if (wrong !== undefined) {
          const message = `expected ${fateName(step.fate, session)}, but it was: ${fateText(wrong.result)}`;
          return fail(step, step.span, message, [], wrong);
        }
        for (const one of step.packet === null ? [] : sent) {
          const details = differences(step.packet ?? [], readPacket(headers, one.result.packet));
          if (details.length > 0) return fail(step, step.span, "the packet left, but not as expected", details, one);
        }
        break;
      }
      case "expectState": {
        freshly = false;
        if (session.holds(step.condition)) break;
        const details = stateDetails(session, step.condition);
        return fail(step, step.span, `\`${textOf(step.condition.span)}\` doesn't hold`, details, last);
      }
      case "network":
        break;
      default:
        freshly = false;
        session.apply(step);
    }
  }
  return { test, packets, failure: null };
}

function send(
  session: Session,
  program: string,
  bytes: Uint8Array,
  step: HPacket,
  number: number,
  headers: CompileModel["headers"],
): Sent | { readonly failure: TestFailure } {
  try {
    return { bytes, number, result: session.send(program, bytes) };
  } catch (error) {
    if (!(error instanceof MachineFault)) throw error;
    const before = readPacket(headers, bytes);
    const sent = { number, before, after: null, fate: "a fault", path: null, wanted: [] };
    return { failure: { span: step.span, message: `the program failed: ${error.message}`, details: [], sent } };
  }
}

/** The way of the packet `number`, in a program with probes that gets the same test. */
function pathOfPacket(test: HTest, compiled: Compiled, number: number): readonly PathStep[] | null {
  const rules = compiled.model.probes.get(test.program);
  if (rules === undefined) return null;
  const session = sessionFor(test, compiled);
  const count = countsOf(session);
  const meta: Record<string, bigint> = {
    ingress_ifindex: 1n,
    rx_queue_index: 0n,
    egress_ifindex: 0n,
    cpu: 0n,
    now: 0n,
  };
  let packets = 0;
  for (const step of test.steps) {
    if (step.kind === "meta") meta[step.name] = step.value;
    if (step.kind === "expect" || step.kind === "expectState" || step.kind === "network") continue;
    if (step.kind !== "packet") {
      session.apply(step);
      continue;
    }
    const bytes = makePacket(step.layers);
    for (let i = 0; i < step.times; i++) {
      packets += 1;
      if (packets === number) forgetProbes(session, rules);
      try {
        session.send(test.program, bytes);
      } catch (error) {
        if (!(error instanceof MachineFault)) throw error;
      }
      if (packets !== number) continue;
      const packet = readPacket(compiled.model.headers, bytes);
      return pathOf(rules, count, packet, { ...meta, len: BigInt(bytes.length) });
    }
  }
  return null;
}

function forgetProbes(session: Session, rules: ProbedBlock): void {
  const open = [rules];
  for (let block = open.pop(); block !== undefined; block = open.pop()) {
    session.forgetProbe(block.entered);
    for (const { reached, branches } of block.statements) {
      session.forgetProbe(reached);
      open.push(...branches.map((b) => b.block));
    }
  }
}

/** The rules that do what was expected: the `if`s and arms, or where there is none the statements. */
function statementsWith(compiled: Compiled, program: string, fate: HFate): readonly Span[] {
  const rules = compiled.model.probes.get(program);
  const found: Span[] = [];
  const open: { readonly block: ProbedBlock; readonly of: Span | null }[] =
    rules === undefined ? [] : [{ block: rules, of: null }];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const { statement, span, branches } of at.block.statements) {
      open.push(...branches.map(({ what, block, span: arm }) => ({ block, of: what === "arm" ? arm : span })));
      if (doesSo(statement, fate)) found.push(at.of ?? span);
    }
  }
  return found.sort((a, b) => (a.file === b.file ? a.start - b.start : 0));
}

function doesSo(statement: HStmt, fate: HFate): boolean {
  switch (fate.kind) {
    case "verdict":
      return statement.kind === "verdict" && statement.verdict === fate.verdict;
    case "redirect":
      return statement.kind === "redirect" && statement.map.name === fate.map.name;
    case "flood":
      return statement.kind === "flood" && statement.map.name === fate.map.name;
    case "device":
      return statement.kind === "redirectDevice";
  }
}

/** What the parts of a condition that don't hold compare. */
function stateDetails(session: Session, condition: HStateCond): readonly string[] {
  const details = new Set<string>();
  const visit = (at: HStateCond): void => {
    switch (at.kind) {
      case "and":
      case "or":
        visit(at.a);
        visit(at.b);
        return;
      case "not":
        visit(at.operand);
        return;
      case "has":
      case "holds":
        details.add(`${textOf(at.span)}: ${session.holds(at) ? "it is there" : "it isn't there"}`);
        return;
      case "compare":
        for (const side of [at.a, at.b])
          if (side.kind !== "bytes") details.add(`${textOf(side.span)} is ${valueText(session, side)}`);
    }
  };
  visit(condition);
  return [...details];
}

function valueText(session: Session, value: HStateValue): string {
  const bytes = session.bytesOf(value);
  if (bytes === null) return "not there";
  if (layoutOf(value.type).offsets.length === 0) return formatValue(value.type, scalarOf(value.type, bytes));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join(" ");
}
