// Iterators over numbers (bpf_iter_num, what bpf_for makes): eight bytes of stack that are made, asked for the next number any
// number of times and destroyed. The walk takes both ways at each question: that there is a next number, and that there is none.
// Source: Linux kernel/bpf/verifier.c (process_iter_arg, process_iter_next_call, mark_stack_slots_iter, 6.18).

import type { Env } from "./env.ts";
import { fixedPart } from "./memory-regions.ts";
import { acquireReference, releaseIfHeld } from "./references.ts";
import { constant } from "./scalar.ts";
import { maxStackBytes, storedUnknown, writeStack } from "./stack-access.ts";
import {
  allSlotBytes,
  currentFrame,
  type Frame,
  invalidSlot,
  type PointerValue,
  pointer,
  pointerFlag,
  type RegValue,
  type StackObject,
  type StackSlot,
  scalarValue,
  slotByte,
  stackByte,
  unset,
  type VerifierState,
} from "./state.ts";
import { refuse } from "./verdict.ts";

const zero = constant(0n);
const iteratorBytes = allSlotBytes(stackByte.iterator);
/** The numbers are ints. */
const numberBytes = 4;

/** Where an iterator is: its frame's number and slot. */
interface Place {
  readonly frame: number;
  readonly slot: number;
}

/** The slot a pointer points to; refused where it is none. */
function placeOf(name: string, register: number, value: RegValue): Place {
  if (value.kind !== "stack") return refuse({ kind: "iterator", name, register, value, why: "place" });
  const fixed = fixedPart(value);
  const offset = fixed === null ? 1 : fixed + value.off;
  // The kernel's division takes the frame's end, offset 0, for the topmost slot.
  if (offset % 8 !== 0 || offset > 0 || offset < -maxStackBytes)
    refuse({ kind: "iterator", name, register, value, why: "place" });
  return { frame: value.frame, slot: Math.max(0, -offset / 8 - 1) };
}

function slotAt(state: VerifierState, { frame, slot }: Place): StackSlot {
  return (state.frames[frame] as Frame).stack[slot] ?? invalidSlot;
}

function put(state: VerifierState, { frame, slot }: Place, there: StackSlot): void {
  (state.frames[frame] as Frame).stack[slot] = there;
}

/** bpf_iter_num_new: an iterator where there is none. */
export function makeIterator(env: Env, name: string, register: number, value: RegValue): void {
  const place = placeOf(name, register, value);
  const before = slotAt(env.state, place);
  for (let at = 0; at < 8; at++)
    if (slotByte(before, at) === stackByte.iterator)
      refuse({ kind: "iterator", name, register, value, why: "alreadyThere" });
  const target = value as PointerValue;
  writeStack(env, register, target, target.off, 8, storedUnknown);
  const object: StackObject = {
    kind: "iterator",
    type: "num",
    first: true,
    id: 0,
    refId: acquireReference(env),
    readOnly: false,
    drained: false,
    depth: 0,
  };
  put(env.state, place, { bytes: iteratorBytes, value: unset, object });
  env.markStackWrite(place.frame, place.slot);
}

/** The iterator that `value` points to; refused where there is none. */
export function iteratorAt(env: Env, name: string, register: number, value: RegValue): StackObject {
  const place = placeOf(name, register, value);
  const { bytes, object } = slotAt(env.state, place);
  if (bytes !== iteratorBytes || object?.kind !== "iterator")
    return refuse({ kind: "iterator", name, register, value, why: "notThere" });
  env.markStackRead(place.frame, place.slot);
  return object;
}

/** bpf_iter_num_destroy, once its argument is judged. */
export function destroyIterator(env: Env, name: string, value: RegValue, object: StackObject): void {
  const place = placeOf(name, 1, value);
  releaseIfHeld(env, object.refId);
  put(env.state, place, invalidSlot);
  env.markStackWrite(place.frame, place.slot);
}

/**
 * bpf_iter_num_next, after the call has left r0 to r5: queues the way on which there is a next number and takes the one on which
 * there is none, for good.
 */
export function nextOfIterator(env: Env, name: string, value: RegValue, object: StackObject): void {
  const place = placeOf(name, 1, value);
  const found = pointer("memory", zero, {
    bytes: numberBytes,
    flags: pointerFlag.readOnly,
    refId: object.refId,
    id: env.newId(),
  });
  if (!object.drained)
    env.pushTurn((state) => {
      put(state, place, { bytes: iteratorBytes, value: unset, object: { ...object, depth: object.depth + 1 } });
      currentFrame(state).regs[0] = found;
    });
  put(env.state, place, { bytes: iteratorBytes, value: unset, object: { ...object, drained: true } });
  currentFrame(env.state).regs[0] = scalarValue(zero);
}
