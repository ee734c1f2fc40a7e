// Stack bytes handed to helpers: which of them must hold something, and what is left of what was known once a helper may have
// written there. Instructions' own accesses are stack-access.ts.
// Source: Linux kernel/bpf/verifier.c (check_stack_range_initialized and the raw mode of check_helper_call, 6.18).

import type { Env } from "./env.ts";
import { isConst, unknown } from "./scalar.ts";
import { checkStackBounds, frameOf, readableByte, scrubbed, slotOfOffset } from "./stack-access.ts";
import { destroyDynptr } from "./stack-objects.ts";
import {
  type Frame,
  invalidSlot,
  isScalarSpill,
  isSpill,
  type PointerValue,
  type RegValue,
  type StackByte,
  scalarValue,
  stackByte,
  unset,
  withSlotByte,
} from "./state.ts";
import { refuse } from "./verdict.ts";

const anyValue = scalarValue(unknown);

/** Stack bytes that a call overwrites without reading them first, at a constant offset. */
export interface RawBytes {
  readonly register: number;
  readonly frame: number;
  /** From r10; negative. */
  readonly offset: number;
  readonly bytes: number;
}

/**
 * Judges `bytes` bytes at `off` (with the pointer's fixed offset in it) that a helper reads or, with `write`, writes. Where the
 * helper overwrites all of them (`raw`) and the place is constant, nothing is marked yet: the answer goes to `overwrite` when
 * the call's other arguments are judged. Else null.
 */
export function checkStackBuffer(
  env: Env,
  register: number,
  pointer: PointerValue,
  off: number,
  bytes: number,
  write: boolean,
  zeroAllowed: boolean,
  raw: boolean,
): RawBytes | null {
  if (bytes === 0 && !zeroAllowed) refuse({ kind: "emptyBuffer", register, pointer });
  const span = checkStackBounds(env, register, pointer, off, bytes);
  const frame = frameOf(env, pointer);
  if (raw && isConst(pointer.varOff)) {
    for (let offset = span.from; offset < span.from + bytes; offset++)
      if (byteAt(frame, offset) === stackByte.dynptr) refuse({ kind: "stackContents", register, offset, bytes });
    return bytes === 0 ? null : { register, frame: frame.number, offset: span.from, bytes };
  }
  for (let offset = span.from; offset < span.to + bytes; offset++)
    checkByte(env, register, frame, offset, bytes, write);
  return null;
}

function byteAt(frame: Frame, offset: number): number {
  return ((frame.stack[slotOfOffset(offset)] ?? invalidSlot).bytes >>> (((-offset - 1) & 7) * 4)) & 15;
}

function checkByte(env: Env, register: number, frame: Frame, offset: number, bytes: number, write: boolean): void {
  const index = slotOfOffset(offset);
  const slot = frame.stack[index] ?? invalidSlot;
  const at = (-offset - 1) & 7;
  const kind = (slot.bytes >>> (at * 4)) & 15;
  env.markStackRead(frame.number, index);
  if (kind === stackByte.misc) return;
  if (!readableByte(slot, kind)) refuse({ kind: "stackContents", register, offset, bytes });
  if (!write) return;
  if (kind === stackByte.zero || kind === stackByte.invalid)
    frame.stack[index] = {
      bytes: withSlotByte(slot.bytes, at, stackByte.misc),
      value: slot.value,
      object: slot.object,
    };
  else frame.stack[index] = { bytes: scrubbed(slot.bytes), value: anyValue, object: null };
}

/** Marks bytes that a call has overwritten: they hold whatever. */
export function overwrite(env: Env, raw: RawBytes): void {
  const frame = env.state.frames[raw.frame] as Frame;
  for (let offset = raw.offset; offset < raw.offset + raw.bytes; offset++) {
    const index = slotOfOffset(offset);
    destroyDynptr(env, frame, index, offset);
    const slot = frame.stack[index] ?? invalidSlot;
    const special = isSpill(slot) || slot.bytes >>> 28 >= stackByte.dynptr;
    const before = special ? scrubbed(slot.bytes) : slot.bytes;
    frame.stack[index] = { bytes: withSlotByte(before, (-offset - 1) & 7, stackByte.misc), value: unset, object: null };
  }
}

/**
 * The constant that a key of `bytes` bytes on the stack holds, or null: zeros, or a saved number of just that size. Marks it as
 * one that matters.
 */
export function constantKey(env: Env, key: RegValue, bytes: number): bigint | null {
  if (key.kind !== "stack" || !isConst(key.varOff)) return null;
  const offset = key.off + Number(BigInt.asIntN(64, key.varOff.value));
  const index = slotOfOffset(offset);
  const slot = frameOf(env, key).stack[index] ?? invalidSlot;
  const high = (-offset - 1) & 7;
  if (runOf(slot.bytes, high, stackByte.zero) >= bytes) return 0n;
  if (!isScalarSpill(slot) || runOf(slot.bytes, high, stackByte.spill) !== bytes) return null;
  const { value } = slot;
  if (value.kind !== "scalar" || value.scalar.mask !== 0n) return null;
  env.markSlotPrecise(key.frame, index);
  return value.scalar.value;
}

/** How many bytes from byte `high` of a slot down are of one kind. */
function runOf(bytes: number, high: number, kind: StackByte): number {
  let count = 0;
  while (count <= high && ((bytes >>> ((high - count) * 4)) & 15) === kind) count++;
  return count;
}
