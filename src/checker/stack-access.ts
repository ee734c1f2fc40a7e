// Loads from and stores to the stack: registers that are saved there and come back with all that is known of them, bytes known
// to be zero, bytes that hold whatever. Programs with the privileges assumed here may read bytes nobody wrote. Knows nothing of
// the instruction that asks (memory.ts) or of helpers (stack-buffers.ts for those).
// Source: Linux kernel/bpf/verifier.c (check_stack_access_within_bounds, check_stack_{read,write}_{fixed,var}_off, 6.18).

import type { Width } from "../bpf/insn.ts";
import type { Env } from "./env.ts";
import { fixedPart, maxVariableOffset, outOfBounds } from "./memory-regions.ts";
import { constant, isConst, type Scalar, unknown } from "./scalar.ts";
import { destroyDynptr } from "./stack-objects.ts";
import {
  allSlotBytes,
  currentFrame,
  type Frame,
  invalidSlot,
  isPointer,
  isSpill,
  linkedScalar,
  type PointerValue,
  type RegValue,
  type ScalarValue,
  type StackByte,
  type StackSlot,
  scalarValue,
  stackByte,
  unset,
} from "./state.ts";
import { refuse } from "./verdict.ts";

/** The deepest stack of one function in bytes. **Source:** include/linux/filter.h, MAX_BPF_STACK. */
export const maxStackBytes = 512;

const zero = constant(0n);
const zeroValue = scalarValue(zero);
const anyValue = scalarValue(unknown);

/** The stack slot (0 at the top) of the byte at `offset` from r10, which is negative. */
export function slotOfOffset(offset: number): number {
  return (-offset - 1) >> 3;
}

/** The frame a stack pointer points into. */
export function frameOf(env: Env, pointer: PointerValue): Frame {
  return env.state.frames[pointer.frame] as Frame;
}

/** Lowest and highest offset from r10 that an access may start at. */
export interface StackSpan {
  readonly from: number;
  readonly to: number;
}

/**
 * Refuses an access of `bytes` bytes at `off` (with the pointer's fixed offset in it) that may leave the 512 bytes of its
 * frame; makes the stack as deep as it needs and tells where the access may start.
 */
export function checkStackBounds(
  env: Env,
  register: number,
  pointer: PointerValue,
  off: number,
  bytes: number,
): StackSpan {
  const fixed = fixedPart(pointer);
  if (fixed !== null) {
    const at = fixed + off;
    if (at < -maxStackBytes || at > -1 || at + bytes > 0) outOfBounds(register, pointer, at, at, bytes, maxStackBytes);
    growStack(env, frameOf(env, pointer), -at);
    return { from: at, to: at };
  }
  const { smin, smax } = pointer.varOff;
  if (smax >= maxVariableOffset || smin <= -maxVariableOffset)
    outOfBounds(
      register,
      pointer,
      smin <= -maxVariableOffset ? null : Number(smin) + off,
      smax >= maxVariableOffset ? null : Number(smax) + off,
      bytes,
      maxStackBytes,
    );
  const from = Number(smin) + off;
  const to = Number(smax) + off;
  if (from < -maxStackBytes || from > -1 || to + bytes > 0)
    outOfBounds(register, pointer, from, to, bytes, maxStackBytes);
  growStack(env, frameOf(env, pointer), -from);
  return { from, to };
}

function growStack(env: Env, frame: Frame, bytes: number): void {
  const slots = (bytes + 7) >> 3;
  const { stack } = frame;
  if (stack.length >= slots) return;
  while (stack.length < slots) stack.push(invalidSlot);
  if ((env.stackDepth[frame.subprogram] ?? 0) < slots * 8) env.stackDepth[frame.subprogram] = slots * 8;
}

/** Bits of `bytes` bytes of a slot, the lowest-numbered one at bit 0. */
function part(bytes: number, low: number, count: number): number {
  return count === 8 ? bytes : (bytes >>> (low * 4)) & ((1 << (count * 4)) - 1);
}

function uniform(kind: StackByte, count: number): number {
  const all = allSlotBytes(kind);
  return count === 8 ? all : all & ((1 << (count * 4)) - 1);
}

/** Bytes `low` to `low` + `count` - 1 of a slot replaced by `kind`. */
function filled(bytes: number, low: number, count: number, kind: StackByte): number {
  if (count === 8) return allSlotBytes(kind);
  const mask = ((1 << (count * 4)) - 1) << (low * 4);
  return (bytes & ~mask) | (allSlotBytes(kind) & mask);
}

/** Bytes of a slot whose contents are given up: what was invalid stays so, the rest is whatever. */
export function scrubbed(bytes: number): number {
  let out = 0;
  for (let at = 0; at < 32; at += 4) if ((bytes >>> at) & 15) out |= stackByte.misc << at;
  return out;
}

/** As `scrubbed`, but zeros stay zeros: the bytes beside a narrow spill. */
function loosened(bytes: number): number {
  let out = 0;
  for (let at = 0; at < 32; at += 4) {
    const kind = (bytes >>> at) & 15;
    out |= (kind === stackByte.invalid || kind === stackByte.zero ? kind : stackByte.misc) << at;
  }
  return out;
}

/** True when bytes hold an object of the kernel's (dynptr, iterator, interrupt flag): kinds 4 and up. */
function holdsObject(bits: number): boolean {
  return (bits & 0x4444_4444) !== 0;
}

/** True when a byte is what is left of a register whose rest was overwritten: kind 1, without bit 1. */
function holdsRemains(bits: number): boolean {
  return (bits & ~(bits >>> 1) & 0x1111_1111) !== 0;
}

/** True when a slot's contents vanish with any write into it: its last byte tells. */
function isSpecial(slot: StackSlot): boolean {
  const last = slot.bytes >>> 28;
  return last === stackByte.spill || last >= stackByte.dynptr;
}

/** The number of bytes of a spill, from byte 7 down. */
function spillBytes(bytes: number): number {
  let count = 0;
  while (count < 8 && ((bytes >>> (28 - count * 4)) & 15) === stackByte.spill) count++;
  return count;
}

/** True when the value fits in `bytes` bytes. */
function fits(scalar: Scalar, bytes: number): boolean {
  return bytes === 8 || scalar.umax < 1n << BigInt(bytes * 8);
}

/**
 * What a load of `bytes` bytes at `offset` gives, before it is cut to its width; null when only whether it may be read was
 * asked (`wanted` false: atomic operations).
 */
export function readStack(
  env: Env,
  register: number,
  pointer: PointerValue,
  off: number,
  bytes: Width,
  wanted: boolean,
): RegValue | null {
  const span = checkStackBounds(env, register, pointer, off, bytes);
  if (isConst(pointer.varOff)) return readFixed(env, register, frameOf(env, pointer), span.from, bytes, wanted);
  if (!wanted) refuse({ kind: "variableStack", register, pointer, bytes });
  return readVariable(env, register, pointer, span, bytes);
}

function readFixed(
  env: Env,
  register: number,
  frame: Frame,
  offset: number,
  bytes: Width,
  wanted: boolean,
): RegValue | null {
  const index = slotOfOffset(offset);
  const slot = frame.stack[index] ?? invalidSlot;
  env.markStackRead(frame.number, index);
  const high = (-offset - 1) & 7;
  const bits = part(slot.bytes, high - bytes + 1, bytes);
  if (!isSpill(slot)) {
    if (holdsObject(bits) || holdsRemains(bits)) refuse({ kind: "stackContents", register, offset, bytes });
    if (!wanted) return null;
    return bits === uniform(stackByte.zero, bytes) ? zeroValue : anyValue;
  }
  const { value } = slot;
  const spilled = spillBytes(slot.bytes);
  if (bytes === 8 && spilled === 8) {
    env.noteStackAccess(frame.number, index);
    return value;
  }
  if (value.kind !== "scalar") return refuse({ kind: "stackSpill", register, offset, bytes, why: "partialFill" });
  if (!wanted) return null;
  if (bytes <= spilled && high === 7) {
    env.noteStackAccess(frame.number, index);
    return fits(value.scalar, bytes) ? value : unlinked(value);
  }
  if (holdsObject(bits)) refuse({ kind: "stackContents", register, offset, bytes });
  if (bits === uniform(stackByte.spill, bytes) && isZero(value)) {
    env.noteStackAccess(frame.number, index);
    return zeroValue;
  }
  return bits === uniform(stackByte.zero, bytes) ? zeroValue : anyValue;
}

/** The same number without its link to others; what `+=` linked is told by the id, so it goes with it. */
function unlinked(value: ScalarValue): ScalarValue {
  return value.id === 0 && !value.linkedByAdd ? value : linkedScalar(value.scalar, 0);
}

function isZero(value: RegValue): boolean {
  return value.kind === "scalar" && value.scalar.mask === 0n && value.scalar.value === 0n;
}

/** True when a byte of this kind in this slot may be read where registers aren't brought back. */
export function readableByte(slot: StackSlot, kind: number): boolean {
  return kind === stackByte.misc || kind === stackByte.zero || kind === stackByte.invalid || isSpill(slot);
}

function readVariable(env: Env, register: number, pointer: PointerValue, span: StackSpan, bytes: number): RegValue {
  const frame = frameOf(env, pointer);
  let zeros = true;
  for (let offset = span.from; offset < span.to + bytes; offset++) {
    const index = slotOfOffset(offset);
    const slot = frame.stack[index] ?? invalidSlot;
    const kind = (slot.bytes >>> (((-offset - 1) & 7) * 4)) & 15;
    if (!readableByte(slot, kind)) refuse({ kind: "stackContents", register, offset, bytes });
    if (kind !== stackByte.zero) zeros = false;
    env.markStackRead(frame.number, index);
  }
  return zeros ? zeroValue : anyValue;
}

/** What is stored: a register's value, an instruction's constant, or something unknown (atomic operations, helpers). */
export type Stored =
  | { readonly from: "register"; readonly register: number; readonly value: RegValue }
  | { readonly from: "constant"; readonly imm: number }
  | { readonly from: "unknown" };

/** Something of which nothing is known. */
export const storedUnknown: Stored = { from: "unknown" };

/** A store of `bytes` bytes at `off`. */
export function writeStack(
  env: Env,
  register: number,
  pointer: PointerValue,
  off: number,
  bytes: Width,
  stored: Stored,
): void {
  const span = checkStackBounds(env, register, pointer, off, bytes);
  if (isConst(pointer.varOff)) writeFixed(env, frameOf(env, pointer), span.from, bytes, stored);
  else writeVariable(env, frameOf(env, pointer), span, bytes, stored);
}

function storesZero(stored: Stored): boolean {
  return stored.from === "register" ? isZero(stored.value) : stored.from === "constant" && stored.imm === 0;
}

function writeFixed(env: Env, frame: Frame, offset: number, bytes: Width, stored: Stored): void {
  const index = slotOfOffset(offset);
  const { stack } = frame;
  destroyDynptr(env, frame, index, offset);
  const slot = stack[index] ?? invalidSlot;
  const high = (-offset - 1) & 7;
  if (high === 7 && bytes === 8) env.markStackWrite(frame.number, index);
  if (high === 7) {
    if (stored.from === "constant") {
      spill(env, frame, index, scalarValue(constant(BigInt(stored.imm))), bytes);
      return;
    }
    if (stored.from === "register" && stored.value.kind === "scalar") {
      spillScalar(env, frame, index, stored.register, stored.value, bytes);
      return;
    }
  }
  if (stored.from === "register" && isPointer(stored.value) && stored.value.kind !== "dynptr") {
    const { register, value } = stored;
    if (bytes !== 8) refuse({ kind: "stackSpill", register, offset, bytes, why: "partOfPointer" });
    if (value.kind === "stack" && frame !== currentFrame(env.state))
      refuse({ kind: "stackSpill", register, offset, bytes, why: "callersStack" });
    spill(env, frame, index, value, 8);
    return;
  }
  const before = isSpecial(slot) ? scrubbed(slot.bytes) : slot.bytes;
  let kind: StackByte = stackByte.misc;
  if (storesZero(stored)) {
    if (stored.from === "register") env.markPrecise(stored.register);
    kind = stackByte.zero;
  }
  stack[index] = { bytes: filled(before, high - bytes + 1, bytes, kind), value: unset, object: null };
}

function spillScalar(env: Env, frame: Frame, index: number, register: number, value: ScalarValue, bytes: number): void {
  if (!fits(value.scalar, bytes)) {
    spill(env, frame, index, unlinked(value), bytes);
    return;
  }
  // The register gets an id, so that what is learnt of the one is learnt of the other; one linked by an addition starts anew.
  let linked = value;
  if (linked.linkedByAdd) linked = linkedScalar(linked.scalar, 0);
  if (linked.id === 0 && !isConst(linked.scalar)) linked = linkedScalar(linked.scalar, env.newId());
  if (linked !== value) currentFrame(env.state).regs[register] = linked;
  spill(env, frame, index, linked, bytes);
}

function spill(env: Env, frame: Frame, index: number, value: RegValue, bytes: number): void {
  const slot = frame.stack[index] ?? invalidSlot;
  const beside = bytes === 8 ? 0 : loosened(slot.bytes);
  frame.stack[index] = { bytes: filled(beside, 8 - bytes, bytes, stackByte.spill), value, object: null };
  env.noteStackAccess(frame.number, index);
}

function writeVariable(env: Env, frame: Frame, span: StackSpan, bytes: number, stored: Stored): void {
  const { stack } = frame;
  const end = span.to + bytes;
  for (let offset = span.from; offset < end; offset++) destroyDynptr(env, frame, slotOfOffset(offset), offset);
  const writesZero = storesZero(stored);
  let reliesOnZero = false;
  for (let offset = span.from; offset < end; offset++) {
    const index = slotOfOffset(offset);
    const slot = stack[index] ?? invalidSlot;
    const at = (-offset - 1) & 7;
    const kind = (slot.bytes >>> (at * 4)) & 15;
    if (writesZero && kind === stackByte.spill && isSpill(slot) && isZero(slot.value)) {
      reliesOnZero = true;
      continue;
    }
    const before = isSpecial(slot) ? scrubbed(slot.bytes) : slot.bytes;
    const stays = writesZero && ((before >>> (at * 4)) & 15) === stackByte.zero;
    if (stays) reliesOnZero = true;
    stack[index] = {
      bytes: filled(before, at, 1, stays ? stackByte.zero : stackByte.misc),
      value: unset,
      object: null,
    };
  }
  if (reliesOnZero && stored.from === "register") env.markPrecise(stored.register);
}
