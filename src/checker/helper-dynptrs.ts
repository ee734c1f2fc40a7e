// Dynptrs: 16 bytes of stack that stand for memory whose size is known only when the program runs. Helpers make them from a
// map's value or a ring buffer, read and write through them, lend slices of them and give them back.
// Source: Linux kernel/bpf/verifier.c (process_dynptr_func, mark_stack_slots_dynptr, unmark_stack_slots_dynptr, 6.18).

import type { HelperName } from "../bpf/helpers.ts";
import type { Env } from "./env.ts";
import { fixedPart } from "./memory-regions.ts";
import { acquireReference, releaseIfHeld } from "./references.ts";
import { frameOf, maxStackBytes, storedUnknown, writeStack } from "./stack-access.ts";
import { destroyDynptr } from "./stack-objects.ts";
import {
  allSlotBytes,
  type Frame,
  invalidSlot,
  type PointerValue,
  type StackObject,
  type StackSlot,
  stackByte,
  unset,
} from "./state.ts";
import { refuse } from "./verdict.ts";

/** The helpers that make a dynptr, and of what. */
const makers: Readonly<Partial<Record<HelperName, string>>> = {
  dynptr_from_mem: "local",
  ringbuf_reserve_dynptr: "ringbuf",
};

const dynptrBytes = allSlotBytes(stackByte.dynptr);

/**
 * Judges a dynptr argument of a helper: makes the dynptr where the helper does, else gives the one that is there. `releases`: it
 * is given back by `releaseDynptr` once all arguments are judged.
 */
export function dynptrArgument(
  env: Env,
  helper: string,
  register: number,
  value: PointerValue,
  releases: boolean,
): StackObject {
  const type = makers[helper as HelperName];
  if (type !== undefined) return makeDynptr(env, helper, register, value, type, 0);
  return madeDynptr(env, helper, register, value, releases);
}

/** The dynptr a pointer points to; refused where there is none, or none that may be given back. */
export function madeDynptr(
  env: Env,
  helper: string,
  register: number,
  value: PointerValue,
  releases: boolean,
): StackObject {
  const fault = { kind: "dynptr", helper, register, value } as const;
  if (value.kind === "dynptr") {
    if (releases) refuse({ ...fault, why: "constant" });
    return described(value);
  }
  const there = dynptrAt(env, helper, register, value);
  if (there === null) return refuse({ ...fault, why: releases ? "notAcquired" : "uninitialised" });
  if (releases && there.refId === 0) refuse({ ...fault, why: "notAcquired" });
  return there;
}

/** A dynptr that a callback was given. */
function described(value: PointerValue): StackObject {
  return {
    kind: "dynptr",
    type: value.type ?? "local",
    first: true,
    id: value.dynptrId,
    refId: value.refId,
    readOnly: false,
    drained: false,
    depth: 0,
  };
}

/** The slot with the dynptr's lower half, for a pointer to 16 aligned bytes of stack. */
function slotFor(helper: string, register: number, value: PointerValue): number {
  const fault = { kind: "dynptr", helper, register, value, why: "place" } as const;
  const fixed = fixedPart(value);
  if (fixed === null) return refuse(fault);
  const offset = fixed + value.off;
  if (offset % 8 !== 0 || offset > -16 || offset < -maxStackBytes) refuse(fault);
  return -offset / 8 - 1;
}

function dynptrAt(env: Env, helper: string, register: number, value: PointerValue): StackObject | null {
  const frame = frameOf(env, value);
  const index = slotFor(helper, register, value);
  const lower = frame.stack[index];
  const upper = frame.stack[index - 1];
  if (lower?.object?.kind !== "dynptr" || !lower.object.first) return null;
  if (lower.bytes !== dynptrBytes || upper?.bytes !== dynptrBytes) return null;
  env.markStackRead(frame.number, index);
  env.markStackRead(frame.number, index - 1);
  return lower.object;
}

/**
 * Makes a dynptr of type `type` where the pointer points to. `sharedRef`: the reference of the dynptr it is a copy of, or 0 for
 * one of its own where the type has any.
 */
export function makeDynptr(
  env: Env,
  helper: string,
  register: number,
  value: PointerValue,
  type: string,
  sharedRef: number,
): StackObject {
  const fault = { kind: "dynptr", helper, register, value } as const;
  if (value.kind === "dynptr") refuse({ ...fault, why: "constant" });
  const index = slotFor(helper, register, value);
  const frame = frameOf(env, value);
  writeStack(env, register, value, value.off, 8, storedUnknown);
  writeStack(env, register, value, value.off + 8, 8, storedUnknown);
  const offset = -8 * (index + 1);
  destroyDynptr(env, frame, index, offset);
  destroyDynptr(env, frame, index - 1, offset + 8);
  const id = env.newId();
  const refId = type !== "ringbuf" ? 0 : sharedRef !== 0 ? sharedRef : acquireReference(env);
  const object: StackObject = {
    kind: "dynptr",
    type,
    first: true,
    id,
    refId,
    readOnly: false,
    drained: false,
    depth: 0,
  };
  frame.stack[index] = slotWith(object);
  frame.stack[index - 1] = slotWith({ ...object, first: false });
  env.markStackWrite(frame.number, index);
  env.markStackWrite(frame.number, index - 1);
  return object;
}

function slotWith(object: StackObject): StackSlot {
  return { bytes: dynptrBytes, value: unset, object };
}

/** Gives back a dynptr's memory: it, its copies and all slices of it are gone. */
export function releaseDynptr(env: Env, value: PointerValue, object: StackObject): void {
  releaseIfHeld(env, object.refId);
  const frame: Frame = frameOf(env, value);
  for (let index = 1; index < frame.stack.length; index++) {
    const there = frame.stack[index]?.object;
    if (there?.kind !== "dynptr" || !there.first || there.refId !== object.refId) continue;
    frame.stack[index] = invalidSlot;
    frame.stack[index - 1] = invalidSlot;
    env.markStackWrite(frame.number, index);
    env.markStackWrite(frame.number, index - 1);
  }
}
