// Helpers that call functions of the program: what those get in r1 to r5, what they may return and how often they are walked.
// Source: Linux kernel/bpf/verifier.c (push_callback_call and the set_*_callback_state functions, 6.18).

import type { CallbackEntry, Env } from "./env.ts";
import type { CallFacts } from "./helper-arguments.ts";
import { visitableMaps } from "./helper-maps.ts";
import { isNull } from "./memory-buffers.ts";
import { constant, unknown } from "./scalar.ts";
import { currentFrame, type Frame, pointer, type RegValue, scalarValue, unset } from "./state.ts";
import { refuse } from "./verdict.ts";

const zero = constant(0n);
const anyValue = scalarValue(unknown);
/** A timer's callback has nobody to tell anything. */
const nobody = { resultMin: 0, resultMax: 0, async: true };
const goOnOrStop = { resultMin: 0, resultMax: 1, async: false };

/** Queues the walk of the function that the helper calls. */
export function callBack(env: Env, facts: CallFacts): void {
  const { helper } = facts.proto;
  const enter = (...values: ((caller: Frame) => RegValue)[]): void =>
    env.enterCallback(entryOf(facts.callback, values));
  switch (helper.name) {
    case "for_each_map_elem": {
      const { map } = facts;
      if (map === null || !visitableMaps.has(map.type)) {
        if (map !== null) refuse({ kind: "callbackMap", helper: helper.name, map });
        return;
      }
      enter(
        register(1),
        () => pointer("mapKey", zero, { map }),
        () => pointer("mapValue", zero, { map }),
        register(3),
      );
      return;
    }
    case "loop":
      loop(env, () => enter(() => anyValue, register(3)));
      return;
    case "user_ringbuf_drain":
      enter(() => pointer("dynptr", zero, { dynptrId: env.newId(), type: "local" }), register(3));
      return;
    case "find_vma":
      enter(register(1), () => pointer("object", zero, { type: "vm_area_struct" }), register(4));
      return;
    case "timer_set_callback": {
      const timer = currentFrame(env.state).regs[1];
      const map = timer?.kind === "mapValue" ? timer.map : null;
      const values = [
        () => pointer("mapHandle", zero, { map }),
        () => pointer("mapKey", zero, { map }),
        () => pointer("mapValue", zero, { map }),
      ];
      env.enterCallback({ ...entryOf(facts.callback, values), role: nobody });
    }
  }
}

function register(number: number): (caller: Frame) => RegValue {
  return ({ regs }) => regs[number] ?? unset;
}

function entryOf(subprogram: number, values: readonly ((caller: Frame) => RegValue)[]): CallbackEntry {
  return {
    subprogram,
    setArguments: (caller, callee) => {
      for (let at = 0; at < 5; at++) callee.regs[at + 1] = values[at]?.(caller) ?? unset;
    },
    role: goOnOrStop,
  };
}

/** The number of turns is known to matter; the callback is walked again until it was walked that often. */
function loop(env: Env, enter: () => void): void {
  const frame = currentFrame(env.state);
  const flags = frame.regs[4];
  if (flags !== undefined && isNull(flags)) env.markPrecise(4);
  const turns = frame.regs[1] ?? unset;
  // Any value will do as the argument of other helpers; here the kernel's own check gives up on what isn't a number.
  if (turns.kind !== "scalar")
    return refuse({ kind: "argument", helper: "loop", register: 1, value: turns, wants: "scalar" });
  env.markPrecise(1);
  if (BigInt(frame.callbackDepth) < turns.scalar.umax) enter();
  else frame.callbackDepth = 0;
}
