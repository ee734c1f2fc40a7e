// The stack of all functions on a chain of calls together: at most 512 bytes, each function's rounded up, and at most 256 below a
// function that makes tail calls. Judged after the walk, which finds each function's depth.
// Source: Linux kernel/bpf/verifier.c (check_max_stack_depth; 6.18).

import type { Program } from "./env.ts";
import { calleeOf, isFunctionAddress, isLocalCall } from "./program.ts";
import type { Structure } from "./structure.ts";
import { refuse } from "./verdict.ts";

/** **Source:** MAX_BPF_STACK. */
const mostBytes = 512;
const mostBelowTailCall = 256;
/** **Source:** MAX_CALL_FRAMES. */
const mostFrames = 8;
/** What a JIT rounds a function's stack to. */
const rounding = 16;

/** Refuses a program whose functions need too much stack together; gives the most that a chain of calls needs, in bytes. */
export function checkStackDepth(
  program: Program,
  structure: Structure,
  depths: Int32Array,
  asyncCallbacks: ReadonlySet<number>,
): number {
  let deepest = 0;
  const callees = program.functions.map(({ start, end }) => {
    const found: { readonly slot: number; readonly callee: number }[] = [];
    for (let slot = start; slot < end; slot++)
      if (isLocalCall(program, slot) || isFunctionAddress(program, slot)) {
        const callee = calleeOf(program, slot);
        // A callback that runs later has a stack of its own.
        if (isLocalCall(program, slot) || !asyncCallbacks.has(callee)) found.push({ slot, callee });
      }
    return found;
  });
  // The worst depth a function was entered with: entering it again with less finds nothing new.
  const worst = new Int32Array(program.functions.length * (mostFrames + 1)).fill(-1);
  const enter = (number: number, depth: number, frames: number, slot: number): void => {
    const hasTailCall = structure.hasTailCall[number] === 1;
    if (number > 0 && hasTailCall && depth >= mostBelowTailCall)
      refuse({ kind: "stackTooDeep", bytes: depth, limit: mostBelowTailCall, tailCall: true }, slot);
    const own = depths[number] as number;
    const total = depth + Math.ceil(own / rounding) * rounding;
    if (total > mostBytes) refuse({ kind: "stackTooDeep", bytes: total, limit: mostBytes, tailCall: false }, slot);
    deepest = Math.max(deepest, total);
    const key = number * (mostFrames + 1) + frames;
    if ((worst[key] as number) >= depth) return;
    worst[key] = depth;
    for (const call of callees[number] ?? []) {
      if (frames + 1 >= mostFrames) refuse({ kind: "callTooDeep", depth: frames + 2 }, call.slot);
      enter(call.callee, total, frames + 1, call.slot);
    }
  };
  for (const [number, { start }] of program.functions.entries())
    if (number === 0 || asyncCallbacks.has(number)) enter(number, 0, 0, start);
  return deepest;
}
