// The end of a called function: what it gives back, and where its caller goes on. A callback goes back to the call that made it,
// which then decides whether there is another round.
// Source: Linux kernel/bpf/verifier.c (prepare_func_exit; 6.18).

import { previousVisit, widen } from "./prune.ts";
import type { CallbackRole, Frame, RegValue } from "./state.ts";
import { currentFrame } from "./state.ts";
import { refuse } from "./verdict.ts";
import type { Walk } from "./walk.ts";

/** Refuses what a callback may not return: no number, or one outside of its range. */
export function checkCallbackResult(walk: Walk, { resultMin, resultMax }: CallbackRole): void {
  const value = currentFrame(walk.state).regs[0] as RegValue;
  if (value.kind !== "scalar") return refuse({ kind: "result", value, wants: "number" });
  walk.markPrecise(0);
  if (value.scalar.smin < BigInt(resultMin) || value.scalar.smax > BigInt(resultMax))
    refuse({ kind: "result", value, wants: { min: resultMin, max: resultMax } });
}

/** Takes the innermost frame away and gives the slot to go on at. Not for the outermost frame. */
export function leaveFunction(walk: Walk): number {
  const { state } = walk;
  const callee = currentFrame(state);
  const result = callee.regs[0] as RegValue;
  if (result.kind === "stack") refuse({ kind: "result", value: result, wants: "noStackPointer" });
  const caller = state.frames[state.frames.length - 2] as Frame;
  if (callee.callback === null) {
    caller.regs[0] = result;
    state.frames.pop();
    return callee.callsite + 1;
  }
  checkCallbackResult(walk, callee.callback);
  state.frames.pop();
  const before = previousVisit(walk, walk.path, callee.callsite);
  if (before !== null) widen(before, state);
  return callee.callsite;
}
