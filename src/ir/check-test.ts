// Tests of the language, typed: which program each tests, what its steps set up, send and expect. Called by check-module.ts once the
// programs are typed; a step with a fault gives a diagnostic and is left out.

import { nearest } from "../base/suggest.ts";
import type * as ast from "../parser/ast.ts";
import { checkNetworkStep, isNetworkStep } from "./check-test-network.ts";
import { checkLayers } from "./check-test-packet.ts";
import { checkFill, checkStateCondition } from "./check-test-state.ts";
import { checkConstant } from "./check-value.ts";
import type { Context } from "./context.ts";
import { mapNamed } from "./declare.ts";
import type { HProgram } from "./hir.ts";
import type { HExpectation, HFate, HFill, HTest, HTestStep } from "./hir-test.ts";
import * as messages from "./messages.ts";
import { badExpectation, badFill, expectsNothing, whichProgram } from "./messages-test.ts";
import { Scope } from "./scope.ts";

/** A packet is sent at most so often in one step. */
const MOST_TIMES = 1_000_000;

/** Types the tests of the main file. */
export function checkTests(ctx: Context, tests: readonly ast.TestDecl[], programs: readonly HProgram[]): HTest[] {
  const titles = new Map<string, ast.TestDecl>();
  return tests.flatMap((test) => {
    const title = test.title.value;
    const first = titles.get(title);
    if (first !== undefined) ctx.diagnostics.add(messages.duplicateName(title, test.title.span, first.title.span));
    else titles.set(title, test);
    const program = programOf(ctx, test, programs);
    // What a test says is looked at even where it isn't known of which program.
    ctx.attach = program?.attach ?? null;
    const steps = stepsOf(ctx, test);
    return program === null ? [] : [{ title, program: program.name, steps, span: test.title.span }];
  });
}

function programOf(ctx: Context, test: ast.TestDecl, programs: readonly HProgram[]): HProgram | null {
  const names = programs.map((p) => p.name);
  if (test.program === null) {
    if (programs.length === 1) return programs[0] ?? null;
    ctx.diagnostics.add(whichProgram(test.title.span, names));
    return null;
  }
  const { text, span } = test.program;
  const found = programs.find((p) => p.name === text);
  if (found !== undefined) ctx.facts?.useDeclaration(span, ctx.names.get(text));
  if (found === undefined) ctx.diagnostics.add(messages.unknownName(text, span, nearest(text, names)));
  return found ?? null;
}

function stepsOf(ctx: Context, test: ast.TestDecl): HTestStep[] {
  const steps: HTestStep[] = [];
  for (const setting of test.settings) {
    const made = checkFill(ctx, setting);
    if (made === null) continue;
    if (made.kind === "meta" || made.kind === "global") steps.push(made);
    else ctx.diagnostics.add(badFill(setting.span, "maps are filled inside the test", "move it between the braces"));
  }
  let packets = 0;
  for (const step of test.steps) {
    if (step.kind === "packet") packets += 1;
    const made = stepOf(ctx, step, packets > 0);
    if (made !== null) steps.push(made);
  }
  if (!test.steps.some((s) => s.kind === "expect" || s.kind === "expectState" || s.kind === "error"))
    ctx.diagnostics.add(expectsNothing(test.title.span));
  return steps;
}

function stepOf(ctx: Context, step: ast.TestStep, sent: boolean): HTestStep | null {
  const { span } = step;
  switch (step.kind) {
    case "error":
      return null;
    case "fill":
      return isNetworkStep(ctx, step.target) ? checkNetworkStep(ctx, step) : checkFill(ctx, step);
    case "packet": {
      const layers = checkLayers(ctx, step.layers, false);
      const times = step.times === null ? 1 : timesOf(ctx, step.times);
      return layers === null || times === null ? null : { kind: "packet", layers, times, span };
    }
    case "expect": {
      if (!sent)
        ctx.diagnostics.add(
          badExpectation(span, "no packet has been sent yet", "write `packet eth / ip / …` before it"),
        );
      return expectOf(ctx, step);
    }
    case "expectState": {
      const condition = checkStateCondition(ctx, step.condition);
      return condition === null ? null : { kind: "expectState", condition, span };
    }
  }
}

/** Types steps that may only set something up. */
export function checkFills(ctx: Context, steps: readonly ast.TestStep[]): HFill[] {
  return steps.flatMap((step) => {
    if (step.kind === "fill") {
      const made = checkFill(ctx, step);
      return made === null ? [] : [made];
    }
    if (step.kind !== "error")
      ctx.diagnostics.add(badFill(step.span, "this sets nothing up", "write `ports = { 80 }` or `flows[key] = value`"));
    return [];
  });
}

function timesOf(ctx: Context, expr: ast.Expr): number | null {
  const value = checkConstant(ctx, Scope.global, expr, "how often a packet is sent");
  if (value === null) return null;
  if (value.value >= 1n && value.value <= BigInt(MOST_TIMES)) return Number(value.value);
  ctx.diagnostics.add(messages.badSize(expr.span, `a packet is sent 1 to ${MOST_TIMES} times`));
  return null;
}

function expectOf(ctx: Context, step: ast.TestStep & { kind: "expect" }): HExpectation | null {
  const fate = fateOf(ctx, step.action);
  const packet = step.layers.length === 0 ? null : checkLayers(ctx, step.layers, true);
  if (fate === null || (packet === null && step.layers.length > 0)) return null;
  return { kind: "expect", fate, packet, span: step.span };
}

function fateOf(ctx: Context, action: ast.Stmt): HFate | null {
  const fault = (...given: Parameters<typeof badExpectation>): null => {
    ctx.diagnostics.add(badExpectation(...given));
    return null;
  };
  if ("orElse" in action && action.orElse !== null) {
    return fault(
      action.orElse.span,
      "an expectation has no fallback",
      "expect what happens: the action, or the verdict",
    );
  }
  switch (action.kind) {
    case "verdict":
      return { kind: "verdict", verdict: action.verdict.verdict };
    case "redirect": {
      const { target } = action;
      if (target.kind === "device") return deviceOf(ctx, target.name);
      const map = mapNamed(ctx, target.map, ["target"], "a map of redirect targets");
      if (map === null) return null;
      if (target.key === null) {
        if (map.mapKind === "xskmap") return { kind: "redirect", map, key: null };
        return fault(
          target.map.span,
          `to which entry of \`${map.name}\`?`,
          `write \`expect redirect ${map.name}[key]\``,
        );
      }
      const key = checkConstant(ctx, Scope.global, target.key, "the key of an expected redirect");
      return key === null ? null : { kind: "redirect", map, key: key.value };
    }
    case "flood": {
      const map = mapNamed(ctx, action.map, ["target"], "a map of devices");
      return map === null ? null : { kind: "flood", map };
    }
    case "forward":
      return { kind: "device", device: null };
    case "tail":
      return fault(action.span, "a tail call is no end", "expect what the program it leads to decides");
    default:
      return fault(action.span, "this can't be expected");
  }
}

/** The device an expectation names: as a rule does, or by number. */
function deviceOf(ctx: Context, expr: ast.Expr): HFate | null {
  if (expr.kind !== "string") {
    const index = checkConstant(ctx, Scope.global, expr, "the device of an expected redirect");
    return index === null ? null : { kind: "device", device: index.value };
  }
  const device = [...ctx.devices.values()].find((d) => d.device === expr.value);
  if (device !== undefined) return { kind: "device", device };
  ctx.diagnostics.add(badExpectation(expr.span, `no rule redirects to "${expr.value}"`));
  return null;
}
