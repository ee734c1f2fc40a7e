// Statements: from typed statements to blocks. Keeps the environment right across branches: what a branch has read is forgotten
// where it joins others, and what several statements of a list need is read before the first of them.

import { assertNever, must } from "../../base/assert.ts";
import type { HExpr, HStmt, Instance } from "../hir.ts";
import type { BlockId, ValueId } from "../ir.ts";
import { parseFormat } from "../log-format.ts";
import { bodiesOf, changedInstances, movesPacketWithin } from "../presence.ts";
import { lowerCondition } from "./condition.ts";
import { lowerInSet } from "./constant-set.ts";
import { lowerNumber, lowerValue, placeAddress, settled } from "./evaluate.ts";
import { emit, sample, tail } from "./events.ts";
import { trim } from "./head.ts";
import type { Env, Found, Lowering } from "./lowering.ts";
import { count, lookup, onStack, orVerdict, remove, storeExpr, update } from "./map-access.ts";
import { popHeader, pushHeader } from "./push.ts";
import { put, take } from "./queue.ts";
import { readStages } from "./read-packet.ts";
import { flood, redirect, redirectDevice, returnVerdict } from "./redirect.ts";
import { decapsulate, encapsulate } from "./tunnel.ts";
import { isPieces } from "./value.ts";
import { forget, setField, swapFields } from "./write-field.ts";

/** A loop is unrolled when that makes no more statements than this. */
const MOST_UNROLLED = 32;

/**
 * Makes the code of a list of statements. `later` is the bit set of stages that what follows the list needs.
 * Returns false when no packet gets to the end (then there is no current block).
 */
export function lowerStatements(l: Lowering, statements: readonly HStmt[], later: number): boolean {
  const needs = statements.map((s) => l.plan.stagesOf(s));
  const after: number[] = new Array(statements.length);
  for (let i = statements.length - 1, mask = later; i >= 0; i--) {
    after[i] = mask;
    mask |= needs[i] ?? 0;
  }
  for (const [i, statement] of statements.entries()) {
    l.builder.setOrigin(statement.span);
    const behind = after[i] ?? 0;
    // Read once what this statement and a later one need, rather than in each.
    readStages(l, (needs[i] ?? 0) & behind);
    if (!lowerStatement(l, statement, behind)) return false;
  }
  return true;
}

function lowerStatement(l: Lowering, statement: HStmt, later: number): boolean {
  const { builder } = l;
  switch (statement.kind) {
    case "if":
      return lowerIf(l, statement, later);
    case "ifLet": {
      const [found, missing] = [l.block(), l.block()];
      const pointer = lookup(l, statement.entry.map, statement.key);
      builder.nullGuard(pointer, { target: found, args: [] }, { target: missing, args: [] });
      l.entries.set(statement.entry, pointer);
      return branches(l, later, [
        { block: found, env: l.env, body: statement.then },
        { block: missing, env: l.env, body: statement.else },
      ]);
    }
    case "ifTake": {
      const [found, empty] = [l.block(), l.block()];
      take(l, statement, found, empty);
      return branches(l, later, [
        { block: found, env: l.env, body: statement.then },
        { block: empty, env: l.env, body: statement.else },
      ]);
    }
    case "switch":
      return lowerSwitch(l, statement, later);
    case "for":
      return lowerFor(l, statement, later);
    case "let":
      l.locals.set(statement.local, lowerValue(l, statement.value));
      return true;
    case "setField":
      setField(l, statement);
      return true;
    case "swap":
      swapFields(l, statement);
      return true;
    case "store":
    case "add":
      writePlace(l, statement);
      return true;
    case "mapUpdate": {
      const one: HExpr = { kind: "const", value: 1n, type: { kind: "int", bits: 8 }, span: statement.span };
      const result = update(l, statement.map, statement.key, statement.value ?? one);
      orVerdict(l, result, statement.orElse);
      return true;
    }
    case "mapDelete":
      remove(l, statement.map, statement.key);
      return true;
    case "put":
      put(l, statement);
      return true;
    case "emit":
      emit(l, statement);
      return true;
    case "sample":
      sample(l, statement);
      return true;
    case "tail":
      tail(l, statement);
      return false;
    case "count":
      count(l, statement.map, statement.key);
      return true;
    case "log":
      log(l, statement);
      return true;
    case "verdict":
      returnVerdict(l, statement.verdict);
      return false;
    case "push":
      pushHeader(l, statement);
      return true;
    case "pop":
      popHeader(l, statement);
      return true;
    case "encap":
      encapsulate(l, statement);
      return true;
    case "decap":
      decapsulate(l, statement);
      return true;
    case "trim":
      trim(l, statement);
      return true;
    case "redirectDevice":
      redirectDevice(l, statement);
      return false;
    case "flood":
      flood(l, statement);
      return false;
    case "redirect":
      redirect(l, statement);
      return false;
    default:
      return assertNever(statement, "statement");
  }
}

interface Branch {
  readonly block: BlockId;
  readonly env: Env;
  readonly body: readonly HStmt[];
}

/** Lowers the bodies of branches and joins those that go on. */
function branches(l: Lowering, later: number, list: readonly Branch[]): boolean {
  const first = must(list[0], "a branch").env;
  let kept: Env = new Map([...first].filter(([stage, found]) => list.every((b) => b.env.get(stage) === found)));
  const { pinned, packet, packetEnd } = l;
  let moved = false;
  let join: BlockId | null = null;
  const ends: { readonly env: Env; readonly pinned: Places }[] = [];
  for (const branch of list) {
    l.goOn(branch.block);
    l.env = branch.env;
    l.pinned = pinned;
    l.packet = packet;
    l.packetEnd = packetEnd;
    if (!lowerStatements(l, branch.body, later)) continue;
    // What a branch read is forgotten; what it made stale is forgotten too.
    kept = new Map([...kept].filter(([stage, result]) => l.env.get(stage) === result));
    ends.push({ env: l.env, pinned: l.pinned });
    moved ||= l.packet !== packet;
    join ??= l.block();
    l.builder.jump(join);
  }
  if (join === null) return false;
  l.goOn(join);
  if (moved) {
    l.lookAgain();
    return true;
  }
  l.packet = packet;
  l.packetEnd = packetEnd;
  l.env = kept;
  // Where a branch changed what steers the reading, what all found in the same place stays found all the same.
  l.pinned = ends.every((e) => e.pinned === pinned) ? pinned : ends.map(allFound).reduce(commonEntries);
  return true;
}

type Places = ReadonlyMap<Instance, Found>;

/** Every header whose place is known at the end of a branch, pinned or by its stage. */
function allFound({ env, pinned }: { readonly env: Env; readonly pinned: Places }): Places {
  return new Map([...[...env.values()].flatMap((result) => [...result.headers]), ...pinned]);
}

function commonEntries(a: Places, b: Places): Places {
  return new Map([...a].filter(([instance, found]) => b.get(instance) === found));
}

/** `else if` chains are followed in a loop: every `then` that goes on jumps to one join behind the chain. */
function lowerIf(l: Lowering, statement: HStmt & { kind: "if" }, later: number): boolean {
  const list: Branch[] = [];
  let at = statement;
  for (;;) {
    const [yes, no] = [l.block(), l.block()];
    l.builder.setOrigin(at.condition.span);
    // Read once, before its parts go different ways, what the condition and what follows it need.
    readStages(l, l.plan.stagesOfCondition(at.condition) & (stagesOfAll(l, at.then) | stagesOfAll(l, at.else) | later));
    const { whenTrue, whenFalse } = lowerCondition(l, at.condition, yes, no);
    list.push({ block: yes, env: whenTrue, body: at.then });
    const only = at.else[0];
    if (at.else.length === 1 && only?.kind === "if") {
      l.goOn(no);
      l.env = whenFalse;
      readStages(l, l.plan.stagesOf(only) & later);
      at = only;
    } else {
      list.push({ block: no, env: whenFalse, body: at.else });
      return branches(l, later, list);
    }
  }
}

function stagesOfAll(l: Lowering, statements: readonly HStmt[]): number {
  return statements.reduce((mask, statement) => mask | l.plan.stagesOf(statement), 0);
}

/** An arm of more single values is looked up as a set. */
const MOST_CASES = 256;

function lowerSwitch(l: Lowering, statement: HStmt & { kind: "switch" }, later: number): boolean {
  const { arms } = statement;
  const subject = settled(l, statement.subject);
  const list: Branch[] = arms.map((arm) => ({ block: l.block(), env: l.env, body: arm.body }));
  const otherwise = l.block();
  const blockOf = (i: number): BlockId => must(list[i], "an arm").block;
  const sets = arms.map((arm) => arm.set);
  const singles = sets.every(
    (set) => set.kind === "ranges" && set.ranges.length <= MOST_CASES && set.ranges.every((r) => r.from === r.to),
  );
  if (singles && !isPieces(subject.type) && arms.length > 0) {
    const number = lowerNumber(l, subject);
    const seen = new Set<bigint>();
    const cases = sets.flatMap((set, i) => {
      const values = set.kind === "ranges" ? set.ranges.map((r) => r.from) : [];
      const fresh = values.filter((v) => !seen.has(v));
      for (const v of fresh) seen.add(v);
      return fresh.map((value) => ({ value, edge: { target: blockOf(i), args: [] } }));
    });
    l.builder.switchOn(l.builder.typeOf(number) === "i64" ? "i64" : "i32", number, cases, {
      target: otherwise,
      args: [],
    });
  } else {
    for (const [i, set] of sets.entries()) {
      const next = l.block();
      lowerInSet(l, subject, set, blockOf(i), next);
      l.goOn(next);
    }
    l.builder.jump(otherwise);
  }
  return branches(l, later, [...list, { block: otherwise, env: l.env, body: statement.else }]);
}

/** How many statements a loop makes when it and the loops in it are unrolled. */
function unrolledSize(loop: HStmt & { kind: "for" }): bigint {
  let size = 0n;
  const open: (readonly HStmt[])[] = [loop.body];
  for (let list = open.pop(); list !== undefined; list = open.pop()) {
    for (const statement of list) {
      size += statement.kind === "for" ? unrolledSize(statement) : 1n;
      if (size > MOST_UNROLLED) return size;
      if (statement.kind !== "for") open.push(...bodiesOf(statement));
    }
  }
  return size * (loop.to - loop.from + 1n);
}

function lowerFor(l: Lowering, statement: HStmt & { kind: "for" }, later: number): boolean {
  const { builder } = l;
  const { from, to, local, body } = statement;
  // What the turns read is read once before them.
  if (from < to && !movesPacketWithin(body)) readStages(l, l.plan.stagesOf(statement));
  if (unrolledSize(statement) <= MOST_UNROLLED) {
    for (let i = from; i <= to; i++) {
      l.locals.set(local, { kind: "number", id: l.i32(i) });
      if (!lowerStatements(l, body, later)) return false;
    }
    return true;
  }
  // What the body changes isn't known at the top of a later turn.
  for (const instance of changedInstances(body)) forget(l, instance);
  const moves = movesPacketWithin(body);
  const head = builder.newBlock(["i32"]);
  builder.jump(head.id, [l.i32(from)]);
  l.goOn(head.id);
  if (moves) l.lookAgain();
  const { env, pinned } = l;
  const turn = must(head.params[0], "the turn");
  l.locals.set(local, { kind: "number", id: turn });
  const goesOn = lowerStatements(l, body, later);
  if (!goesOn) return false;
  const [again, out] = [l.block(), l.block()];
  builder.branch("ult", "i32", turn, l.i32(to), { target: again, args: [] }, { target: out, args: [] });
  l.goOn(again);
  builder.jump(head.id, [builder.binary("add", "i32", turn, l.i32(1))]);
  l.goOn(out);
  l.env = env;
  l.pinned = pinned;
  if (moves) l.lookAgain();
  return true;
}

// --------------------------------------------------------------------------------------------------------------- places

function writePlace(l: Lowering, statement: HStmt & { kind: "store" | "add" }): void {
  const { builder } = l;
  const { place, value } = statement;
  // The value first: looking an element up would end what it may read by.
  const atomic = statement.kind === "add";
  const amount = atomic ? lowerNumber(l, value) : null;
  const bound = atomic ? value : settled(l, value);
  const after = l.block();
  const { base, offset } = placeAddress(l, place, after);
  if (amount === null) storeExpr(l, "shared", base, offset, bound);
  else {
    const width =
      place.type.kind === "int" && place.type.bits === 64
        ? 8
        : place.type.kind === "int" && place.type.bits < 32
          ? null
          : 4;
    const map = place.kind === "entry" ? place.entry.map : place.kind === "element" ? place.map : null;
    const own = map !== null && (map.mapKind.startsWith("percpu") || map.mapKind === "lru_percpu_hash");
    const plain = (place.type.kind === "int" ? place.type.bits / 8 : 4) as 1 | 2 | 4 | 8;
    if (own || width === null) {
      const type = plain === 8 ? "i64" : "i32";
      builder.store(
        "shared",
        plain,
        base,
        offset,
        builder.binary("add", type, builder.load("shared", plain, base, offset), amount),
      );
    } else builder.atomicAdd(width, base, offset, amount);
  }
  builder.jump(after);
  l.goOn(after);
}

// ------------------------------------------------------------------------------------------------------------------ log

/** trace_printk takes three values, trace_vprintk (from 5.16) up to twelve in an array. */
const MOST_DIRECT = 3;

function log(l: Lowering, statement: HStmt & { kind: "log" }): void {
  const { builder } = l;
  const parsed = parseFormat(statement.format);
  const conversions = "error" in parsed ? [] : parsed.conversions;
  const args = statement.args.map((arg, i): ValueId => {
    const takes = conversions[i]?.takes.kind;
    return takes === "ipv4" || takes === "ipv6" ? onStack(l, arg) : l.resize(lowerNumber(l, arg), "i64");
  });
  const text = l.data.string(statement.format);
  const format = builder.global(".rodata", text.offsetBytes);
  const size = builder.constant("i64", text.bytes);
  if (args.length <= MOST_DIRECT) {
    builder.call("trace_printk", [format, size, ...args]);
    return;
  }
  const array = builder.slot(builder.newSlot(8 * args.length, 8));
  for (const [i, arg] of args.entries()) builder.store("stack", 8, array, 8 * i, arg);
  builder.call("trace_vprintk", [format, size, array, builder.constant("i64", 8 * args.length)]);
}
