// Calls between functions of the program and their ends: a static function is walked where it is called, a global one on its own
// and its call only by its BTF; callbacks come back to the call that made them.
// Source: Linux kernel/bpf/verifier.c (check_func_call, btf_check_func_arg_match, prepare_func_exit, check_return_code; 6.18).

import { unknownValue } from "./alu.ts";
import { checkCallbackResult, leaveFunction } from "./leave.ts";
import { checkMemoryArgument } from "./memory-buffers.ts";
import { clearPacketPointers } from "./packet.ts";
import { calleeOf } from "./program.ts";
import { checkReleased } from "./references.ts";
import { readRegister } from "./registers.ts";
import { immediate, unknown } from "./scalar.ts";
import type { Frame, PointerValue, RegValue } from "./state.ts";
import { currentFrame, pointer, scalarValue, unset } from "./state.ts";
import { refuse, unsupported } from "./verdict.ts";
import type { Walk } from "./walk.ts";

/** No instruction follows: the path ends. */
export const pathEnds = -1;

/** Walks a local call and gives the slot to go on at. */
export function walkLocalCall(walk: Walk): number {
  const number = calleeOf(walk.program, walk.slot);
  const callee = walk.program.functions[number];
  if (callee === undefined)
    return refuse({ kind: "jumpOutside", target: walk.slot + (walk.program.imm[walk.slot] ?? 0) + 1 });
  return callee.global ? callGlobal(walk, number) : enterStatic(walk, number, callee.start);
}

function enterStatic(walk: Walk, number: number, start: number): number {
  const caller = currentFrame(walk.state);
  const frame = walk.addFrame(walk.state, number, walk.slot);
  for (let register = 1; register <= 5; register++) frame.regs[register] = caller.regs[register] as RegValue;
  forgetCallerSaved(caller);
  walk.liveness.resetChain();
  return start;
}

function callGlobal(walk: Walk, number: number): number {
  if (walk.state.activeLocks > 0) refuse({ kind: "globalCallWithLock" });
  checkGlobalArguments(walk, number);
  if (walk.changesPacket[number] === 1) clearPacketPointers(walk);
  walk.calledGlobals.add(number);
  const caller = currentFrame(walk.state);
  forgetCallerSaved(caller);
  caller.regs[0] = unknownValue;
  return walk.slot + 1;
}

/** r0 to r5 are lost in a call. */
export function forgetCallerSaved({ regs }: Frame): void {
  for (let register = 0; register <= 5; register++) regs[register] = unset;
}

function checkGlobalArguments(walk: Walk, number: number): void {
  const info = walk.program.functions[number]?.info;
  const parameters = info?.parameters;
  if (parameters === null || parameters === undefined) return unsupported("a global function without BTF");
  if (parameters.length > 5) refuse({ kind: "globalFunction", function: number, why: "tooManyArguments" });
  if (info?.returnsScalar !== true) refuse({ kind: "globalFunction", function: number, why: "result" });
  for (const [index, parameter] of parameters.entries()) {
    const register = index + 1;
    const value = currentFrame(walk.state).regs[register] as RegValue;
    switch (parameter.kind) {
      case "scalar":
        if (value.kind !== "scalar") refuse({ kind: "functionArgument", register, value, wants: "number" });
        break;
      case "ctx":
        if (value.kind !== "ctx" || !isUnmoved(value))
          refuse({ kind: "functionArgument", register, value, wants: "context" });
        break;
      case "memory":
        checkMemoryArgument(walk, register, parameter.bytes);
        if (parameter.nonNull && value.kind !== "unset" && value.kind !== "scalar" && value.nullable)
          refuse({ kind: "functionArgument", register, value, wants: "notNull" });
        break;
      case "other":
        unsupported(`a global function's argument of type ${parameter.what}`);
    }
  }
}

function isUnmoved({ off, varOff }: PointerValue): boolean {
  return off === 0 && varOff.mask === 0n && varOff.value === 0n;
}

/** Sets the arguments of a function that is verified on its own: any that its parameters allow. */
export function setEntryArguments(walk: Walk, number: number): void {
  const frame = currentFrame(walk.state);
  const zero = immediate(0);
  if (number === 0) {
    frame.regs[1] = pointer("ctx", zero);
    return;
  }
  const info = walk.program.functions[number]?.info;
  if (info?.returnsScalar !== true) refuse({ kind: "globalFunction", function: number, why: "result" });
  for (const [index, parameter] of (info?.parameters ?? []).entries()) {
    switch (parameter.kind) {
      case "scalar":
        frame.regs[index + 1] = scalarValue(unknown);
        break;
      case "ctx":
        frame.regs[index + 1] = pointer("ctx", zero);
        break;
      case "memory": {
        const nullable = !parameter.nonNull;
        const id = nullable ? walk.newId() : 0;
        frame.regs[index + 1] = pointer("memory", zero, { bytes: parameter.bytes, nullable, id });
        break;
      }
      case "other":
        unsupported(`a global function's argument of type ${parameter.what}`);
    }
  }
}

/** Walks an exit: back to the caller, back to the call that made the callback, or the path's end. */
export function walkExit(walk: Walk): number {
  const { state } = walk;
  if (state.frames.length === 1) {
    checkReleased(walk, "exit");
    const value = readRegister(walk, 0);
    const { callback } = currentFrame(state);
    if (callback !== null) checkCallbackResult(walk, callback);
    else if (currentFrame(state).subprogram !== 0 && value.kind !== "scalar")
      refuse({ kind: "result", value, wants: "number" });
    return pathEnds;
  }
  walk.liveness.update(state);
  return leaveFunction(walk);
}
