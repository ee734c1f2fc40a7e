// Types of statements: names resolved to maps and fields, functions inlined, assignments turned into what they do. Gives the
// typed statements that presence analysis and lowering read. A statement with a fault gives a diagnostic and is left out.

import { must } from "../base/assert.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import type * as ast from "../parser/ast.ts";
import { checkFlood, checkLog, checkRedirect, mayRedirect, noteDevice } from "./check-action.ts";
import { checkAssign, checkSwap } from "./check-assign.ts";
import { bindCall } from "./check-call.ts";
import { checkCondition } from "./check-condition.ts";
import { checkEmit, checkSample, checkTail } from "./check-events.ts";
import { checkCount, checkDelete, checkIfLet, checkInsert } from "./check-map.ts";
import { checkPop, checkPush, checkTrim } from "./check-rewrite.ts";
import { checkDecap, checkEncap } from "./check-tunnel.ts";
import { checkConstant, checkValue, typed } from "./check-value.ts";
import { checkPatterns } from "./constant-set.ts";
import type { Context } from "./context.ts";
import type { HStmt, Local } from "./hir.ts";
import * as messages from "./messages.ts";
import { type Binding, Scope } from "./scope.ts";
import { U32 } from "./types.ts";
import { TEST_WORK, workOf } from "./work.ts";

/**
 * Steps that the turns of a loop may take in all. The verifier follows every turn for each way there that it can't merge with another,
 * and gives up after a million instructions or 8,192 tests that are still open.
 * **Source:** Linux kernel/bpf/verifier.c, BPF_COMPLEXITY_LIMIT_INSNS and BPF_COMPLEXITY_LIMIT_JMP_SEQ.
 */
const MOST_LOOP_WORK = 1024n * TEST_WORK;

/** Types a list of statements; names bound by `let` are known to those behind it. */
export function checkStatements(ctx: Context, scope: Scope, statements: readonly ast.Stmt[]): HStmt[] {
  const result: HStmt[] = [];
  let inner = scope;
  for (const statement of statements) {
    if (!ctx.unfold(statement.span)) return result;
    if (statement.kind === "let") {
      const value = typed(ctx, checkValue(ctx, inner, statement.value));
      const local: Local = { name: statement.name.text, type: value.type };
      const binding: Binding = { kind: "local", local, declared: statement.name };
      const before = inner;
      inner = inner.with(local.name, binding);
      ctx.facts?.bind(binding);
      ctx.facts?.scopes(statement, before, inner);
      if (value.kind !== "error") result.push({ kind: "let", local, value, span: statement.span });
    } else {
      ctx.facts?.scopes(statement, inner, inner);
      for (const made of checkStatement(ctx, inner, statement)) result.push(made);
    }
  }
  return result;
}

function checkBlock(ctx: Context, scope: Scope, block: ast.BlockBody | null): HStmt[] {
  if (block === null) return [];
  const made = checkStatements(ctx, scope, block.statements);
  ctx.facts?.block(block, scope, made);
  return made;
}

function checkStatement(ctx: Context, scope: Scope, statement: ast.Stmt): readonly HStmt[] {
  const { span } = statement;
  const fault = (diagnostic: Diagnostic): [] => {
    ctx.diagnostics.add(diagnostic);
    return [];
  };
  switch (statement.kind) {
    case "error":
    case "let":
      return [];
    case "if":
      return checkIf(ctx, scope, statement);
    case "switch":
      return checkSwitch(ctx, scope, statement);
    case "for": {
      const from = checkConstant(ctx, scope, statement.from, "the start of a loop");
      const to = checkConstant(ctx, scope, statement.to, "the end of a loop");
      if (from === null || to === null) return [];
      if (from.value > to.value) return fault(messages.badRange(span, from.value, to.value));
      if (to.value >= 1n << 32n) return fault(messages.doesNotFit(statement.to.span, to.value, U32, (1n << 32n) - 1n));
      const local: Local = { name: statement.name.text, type: U32 };
      const binding: Binding = { kind: "local", local, declared: statement.name };
      ctx.facts?.bind(binding);
      const body = checkBlock(ctx, scope.with(local.name, binding), statement.body);
      const loop = { kind: "for", local, from: from.value, to: to.value, body, span } as const;
      if (workOf([loop]) > MOST_LOOP_WORK) return fault(messages.tooMuchLooping(span, to.value - from.value + 1n));
      return [loop];
    }
    case "assign":
      return checkAssign(ctx, scope, statement);
    case "verdict": {
      const { verdict } = statement.verdict;
      if (ctx.attach !== null && ctx.attach !== "xdp" && verdict === "tx") {
        return fault(
          messages.badVerdict(
            span,
            `a ${ctx.attach} program can't answer \`tx\``,
            "it can `pass` and `drop`; everything else drops the packet",
          ),
        );
      }
      return [{ kind: "verdict", verdict, span }];
    }
    case "redirect":
      return checkRedirect(ctx, scope, statement);
    case "log":
      return checkLog(ctx, scope, statement);
    case "count":
      return checkCount(ctx, scope, statement);
    case "insert":
      return checkInsert(ctx, scope, statement);
    case "delete":
      return checkDelete(ctx, scope, statement);
    case "swap":
      return checkSwap(ctx, scope, statement);
    case "callStmt": {
      if (statement.call.kind !== "call")
        return fault(
          messages.notAValue(span, "this", "a statement starts with a word such as `if`, `count` or `drop`"),
        );
      const call = bindCall(ctx, scope, statement.call);
      if (call === null) return [];
      if (call.fn.body.kind === "expr")
        return fault(
          messages.badMap(span, `\`${call.fn.name.text}\` only gives a value: as a statement it does nothing`, {
            help: `use it: \`if ${call.fn.name.text}(…) then …\``,
          }),
        );
      const lets = call.lets
        .filter((l) => l.value.kind !== "error")
        .map((l): HStmt => ({ kind: "let", local: l.local, value: l.value, span }));
      return [...lets, ...checkBlock(ctx, call.scope, call.fn.body.block)];
    }
    case "flood":
      return checkFlood(ctx, statement);
    case "forward": {
      // What the library's function doesn't forward is the stack's.
      const { body } = must(ctx.libraryFunctions.get("forward_packet"), "the library's forwarding");
      if (body.kind === "expr" || !mayRedirect(ctx, span)) return [];
      noteDevice(ctx, span);
      const verdict = statement.orElse?.verdict ?? "pass";
      return [...checkBlock(ctx, Scope.global, body.block), { kind: "verdict", verdict, span }];
    }
    case "tail":
      return checkTail(ctx, scope, statement);
    case "emit":
      return checkEmit(ctx, scope, statement);
    case "sample":
      return checkSample(ctx, scope, statement);
    case "push":
      return checkPush(ctx, scope, statement);
    case "pop":
      return checkPop(ctx, statement);
    case "trim":
      return checkTrim(ctx, scope, statement);
    case "encap":
      return checkEncap(ctx, scope, statement);
    case "decap":
      return checkDecap(ctx, statement);
  }
}

// ------------------------------------------------------------------------------------------------------------ branching

function checkIf(ctx: Context, scope: Scope, statement: ast.IfStmt): readonly HStmt[] {
  // `else if` chains may be long: they are followed in a loop and built from the last back.
  const parts: { statement: ast.IfStmt; make: (rest: readonly HStmt[]) => readonly HStmt[] }[] = [];
  let rest: readonly HStmt[] = [];
  for (let at: ast.IfStmt | null = statement; at !== null; ) {
    const current: ast.IfStmt = at;
    parts.push({ statement: current, make: checkOneIf(ctx, scope, current) });
    const only: ast.Stmt | undefined = current.else?.statements[0];
    if (current.else !== null && current.else.statements.length === 1 && only?.kind === "if") at = only;
    else {
      rest = checkBlock(ctx, scope, current.else);
      at = null;
    }
  }
  for (const part of parts.reverse()) rest = part.make(rest);
  return rest;
}

function checkOneIf(ctx: Context, scope: Scope, statement: ast.IfStmt): (rest: readonly HStmt[]) => readonly HStmt[] {
  const { span, condition } = statement;
  if (condition.kind !== "ifLet") {
    const typedCondition = checkCondition(ctx, scope, condition);
    const then = checkBlock(ctx, scope, statement.then);
    return (rest) => [{ kind: "if", condition: typedCondition, then, else: rest, span }];
  }
  const bound = checkIfLet(ctx, scope, condition);
  const then = checkBlock(ctx, bound?.scope ?? scope, statement.then);
  return (rest) => (bound === null ? [] : [{ ...bound.asks, then, else: rest, span }]);
}

function checkSwitch(ctx: Context, scope: Scope, statement: ast.SwitchStmt): readonly HStmt[] {
  const subject = typed(ctx, checkValue(ctx, scope, statement.subject));
  const arms = statement.arms.map((arm) => ({
    set: subject.kind === "error" ? null : checkPatterns(ctx, scope, arm.patterns, subject),
    body: checkBlock(ctx, scope, arm.body),
    span: arm.span,
  }));
  const otherwise = checkBlock(ctx, scope, statement.else);
  if (subject.kind === "error") return [];
  const good = arms.flatMap((arm) => (arm.set === null ? [] : [{ ...arm, set: arm.set }]));
  return [{ kind: "switch", subject, arms: good, else: otherwise, span: statement.span }];
}
