// What the checker knows at one point of one path: registers, stack frames, references and locks. Values are immutable and
// shared freely; a state's arrays are its own and are written in place, so copying a state copies arrays of references.
// Everything else in this room reads and writes these types; the file knows no instruction and no rule.
// Source: Linux include/linux/bpf_verifier.h (struct bpf_reg_state, bpf_func_state, bpf_verifier_state) for what is tracked.

import type { ImageMap } from "../bpf/image.ts";
import type { Scalar } from "./scalar.ts";

/** What a register or a spilled register holds. */
export type RegValue = Unset | ScalarValue | PointerValue;

/** Never written, or lost in a call: may not be read. */
export interface Unset {
  readonly kind: "unset";
}

/**
 * A number. Registers with the same `id` (above 0) hold the same number, or numbers a constant apart: value - `delta` is
 * equal among them. `linkedByAdd` is 0 for a value that was copied as it was (then delta is 0), else the width in bits of the
 * addition or subtraction that made the delta: of 32 bits, the sum was cut off (the kernel's BPF_ADD_CONST32 and 64 in the id).
 */
export interface ScalarValue {
  readonly kind: "scalar";
  readonly scalar: Scalar;
  readonly id: number;
  readonly linkedByAdd: 0 | 32 | 64;
  readonly delta: number;
  /** Set where it was a pointer until a call took it away. For words only: decides nothing, is never compared, and copies lack it. */
  readonly lost?: LostPointer;
}

/** The instruction that made a pointer a number, and why. */
export interface LostPointer {
  readonly slot: number;
  readonly why: "packetChanged" | "released" | "overwritten";
}

/**
 * What a pointer points to.
 *
 * - `ctx`: the program's context (xdp_md)
 * - `stack`: end of the stack of frame `frame` (offsets are negative)
 * - `packet`, `packetMeta`, `packetEnd`: data, data_meta, data_end
 * - `mapHandle`: the map itself; `mapValue`: a value of it, `mapKey`: a key (for_each callbacks)
 * - `memory`: `bytes` bytes (a ring buffer's record, a dynptr slice, a global function's argument)
 * - `socket`, `sockCommon`, `tcpSock`, `xdpSock`: sockets; `object`: any other kernel object, by its BTF name `type`
 * - `function`: a function of the program
 * - `dynptr`: a dynptr handed to a callback
 */
export type PointerKind =
  | "ctx"
  | "stack"
  | "packet"
  | "packetMeta"
  | "packetEnd"
  | "mapHandle"
  | "mapValue"
  | "mapKey"
  | "memory"
  | "socket"
  | "sockCommon"
  | "tcpSock"
  | "xdpSock"
  | "object"
  | "function"
  | "dynptr";

/** Bits of `PointerValue.flags`. **Source:** Linux include/linux/bpf.h, enum bpf_type_flag. */
export const pointerFlag = {
  /** MEM_RDONLY. */
  readOnly: 1,
  /** MEM_RINGBUF: a record that must be submitted or discarded, and only its start may be. */
  ringbuf: 2,
  /** PTR_UNTRUSTED. */
  untrusted: 4,
  /** PTR_TRUSTED. */
  trusted: 8,
  /** MEM_RCU. */
  rcu: 16,
  /** MEM_ALLOC. */
  allocated: 32,
  /** MEM_PERCPU. */
  percpu: 64,
  /** DYNPTR_TYPE_XDP: memory that is a slice of the packet, gone when the packet changes. */
  packetSlice: 128,
  /** NON_OWN_REF. */
  nonOwning: 256,
  /** DYNPTR_TYPE_LOCAL or _RINGBUF: memory that a kernel function lent out of a dynptr that isn't the packet's. */
  lentSlice: 512,
} as const;

/**
 * A pointer. The address is the base + `off` + a number in `varOff`. All kinds have all fields (0, null, false where they
 * mean nothing), so that values have one shape.
 */
export interface PointerValue {
  readonly kind: PointerKind;
  /** May be 0 instead (PTR_MAYBE_NULL); then no arithmetic. */
  readonly nullable: boolean;
  /** Bits of `pointerFlag`. */
  readonly flags: number;
  /** In bytes, 32 bits signed. */
  readonly off: number;
  readonly varOff: Scalar;
  /** Packet: shared variable part; nullable: shared null check; 0 for none. */
  readonly id: number;
  /** The reference this pointer keeps alive or depends on; 0 for none. */
  readonly refId: number;
  /** Packet kinds: bytes from the base + varOff known to lie before packetEnd; negative values as `rangeBeyond…`. */
  readonly range: number;
  /** mapHandle, mapValue, mapKey. */
  readonly map: ImageMap | null;
  /** Tells inner maps of different lookups apart; 0 for a map that isn't inner. */
  readonly mapUid: number;
  /** stack: which frame. */
  readonly frame: number;
  /** memory: its size in bytes. */
  readonly bytes: number;
  /** memory: the dynptr it is a slice of; dynptr: its own id. */
  readonly dynptrId: number;
  /** function: its number in `Program.functions`. */
  readonly subprogram: number;
  /** object: the kernel's type name; dynptr: "local", "ringbuf", "xdp". */
  readonly type: string | null;
}

/** Range of a packetEnd-compared pointer known to be at or beyond the end: `pkt > end` and `pkt >= end`. */
export const rangeBeyondEnd = -2;
/** As above where pkt may also be equal to the end. */
export const rangeAtEnd = -1;

/** What one byte of the stack holds; four bits each in `StackSlot.bytes`. */
export const stackByte = {
  invalid: 0,
  /** Part of `StackSlot.value`. */
  spill: 1,
  misc: 2,
  zero: 3,
  dynptr: 4,
  iterator: 5,
  irqFlag: 6,
} as const;

/** A kind of byte. */
export type StackByte = (typeof stackByte)[keyof typeof stackByte];

/**
 * Eight bytes of stack. `bytes` has the kind of byte i in bits 4i to 4i+3, as a signed 32-bit number; byte 0 is the one at the
 * highest address and byte 7 that at the lowest (slot s, byte i: r10 - 8s - 1 - i), so a store of 4 bytes at r10 - 8 writes
 * bytes 7 to 4. `value` is the spilled register when byte 7 is `spill`: then all eight are, or for a narrower scalar only the
 * upper ones by number. For dynptrs and iterators `object` describes them. Else `value` is `unset` and `object` null.
 */
export interface StackSlot {
  readonly bytes: number;
  readonly value: RegValue;
  /** A dynptr or iterator in this slot; null for none. */
  readonly object: StackObject | null;
}

/** A dynptr or iterator on the stack; the same value in each of its slots but for `first`. */
export interface StackObject {
  readonly kind: "dynptr" | "iterator";
  /** "local", "ringbuf", "xdp"; "num", … */
  readonly type: string;
  readonly first: boolean;
  readonly id: number;
  readonly refId: number;
  readonly readOnly: boolean;
  /** Iterators: active, or drained (next gave null). */
  readonly drained: boolean;
  /** Iterators: how often next was called on this path. */
  readonly depth: number;
}

/** One function being executed. */
export interface Frame {
  /** 0 for the entry function. */
  readonly number: number;
  /** Its function in `Program.functions`. */
  readonly subprogram: number;
  /** The slot of the call that made it; -1 for frame 0 (and for async callbacks). */
  readonly callsite: number;
  /** r0 to r10; written in place. */
  readonly regs: RegValue[];
  /** Slot i is the bytes r10 - 8(i+1) … r10 - 8i - 1; its length x 8 is the stack used so far. Written in place. */
  readonly stack: StackSlot[];
  /** It is a callback called by a helper; the range its result must have. */
  readonly callback: CallbackRole | null;
  /** How many async callbacks, each set by the one before, led to this one. */
  readonly asyncEntries: number;
  /** How often the callback of the frame above was entered on this path. */
  callbackDepth: number;
  /** Precision marks, only set in saved states: bit r for register r. */
  preciseRegs: number;
  /** Bit i: the scalar spilled in stack slot i (0 to 31). */
  preciseSlotsLow: number;
  /** Bit i: the scalar spilled in stack slot 32 + i. */
  preciseSlotsHigh: number;
}

/** A frame's part as callback. */
export interface CallbackRole {
  readonly resultMin: number;
  readonly resultMax: number;
  readonly async: boolean;
}

/** Something that must be given back before the program ends. */
export interface Reference {
  /** `object`: an acquired pointer; `lock`: a held spin lock; `resLock`, `irq`: as the kernel has them. */
  readonly kind: "object" | "lock" | "resLock" | "resLockIrq" | "irq";
  /** The reference's id; for locks the id of the register that was locked. */
  readonly id: number;
  /** Where it was acquired. */
  readonly slot: number;
  /** Locks: the map the lock is in (identity), or null. */
  readonly map: ImageMap | null;
}

/** The state before an instruction. */
export interface VerifierState {
  /** Call depth grows to the end; the last is being executed. */
  readonly frames: Frame[];
  /** In the order acquired; replaced, never written in place. */
  references: readonly Reference[];
  /** Number of held spin locks. */
  activeLocks: number;
  activePreemptLocks: number;
  activeRcuLock: number;
  activeIrqId: number;
  activeLockId: number;
  activeLockMap: ImageMap | null;
  /** Set once may_goto or a callback needs them. */
  mayGotoDepth: number;
  callbackUnrollDepth: number;
}

/** The frame being executed. */
export function currentFrame(state: VerifierState): Frame {
  return state.frames[state.frames.length - 1] as Frame;
}

/** The value that may not be read. */
export const unset: Unset = { kind: "unset" };

/** A number without links to others. */
export function scalarValue(scalar: Scalar): ScalarValue {
  return { kind: "scalar", scalar, id: 0, linkedByAdd: 0, delta: 0 };
}

/** The number with id and delta set. */
export function linkedScalar(scalar: Scalar, id: number, linkedByAdd: 0 | 32 | 64 = 0, delta = 0): ScalarValue {
  return { kind: "scalar", scalar, id, linkedByAdd, delta };
}

/** A pointer of `kind` at offset 0; `zero` is the constant scalar 0; `more` overrides fields. */
export function pointer(kind: PointerKind, zero: Scalar, more: Partial<PointerValue> = {}): PointerValue {
  return {
    kind: more.kind ?? kind,
    nullable: more.nullable ?? false,
    flags: more.flags ?? 0,
    off: more.off ?? 0,
    varOff: more.varOff ?? zero,
    id: more.id ?? 0,
    refId: more.refId ?? 0,
    range: more.range ?? 0,
    map: more.map ?? null,
    mapUid: more.mapUid ?? 0,
    frame: more.frame ?? 0,
    bytes: more.bytes ?? 0,
    dynptrId: more.dynptrId ?? 0,
    subprogram: more.subprogram ?? 0,
    type: more.type ?? null,
  };
}

/** True for pointers. */
export function isPointer(value: RegValue): value is PointerValue {
  return value.kind !== "unset" && value.kind !== "scalar";
}

/** The kind of byte `index` (0 to 7) of a slot. */
export function slotByte(slot: StackSlot, index: number): StackByte {
  return ((slot.bytes >>> (index * 4)) & 15) as StackByte;
}

/** `bytes` of a slot with the kind of byte `index` replaced. */
export function withSlotByte(bytes: number, index: number, kind: StackByte): number {
  const shift = index * 4;
  return (bytes & ~(15 << shift)) | (kind << shift);
}

/** `bytes` of a slot whose eight bytes are all of one kind. */
export function allSlotBytes(kind: StackByte): number {
  return Math.imul(kind, 0x11111111);
}

/** A slot nothing was written to. */
export const invalidSlot: StackSlot = { bytes: 0, value: unset, object: null };
/** A slot of eight known zero bytes. */
export const zeroSlot: StackSlot = { bytes: allSlotBytes(stackByte.zero), value: unset, object: null };
/** A slot of eight bytes of whatever. */
export const miscSlot: StackSlot = { bytes: allSlotBytes(stackByte.misc), value: unset, object: null };

/** A slot that holds the whole of `value`. */
export function spilledSlot(value: RegValue): StackSlot {
  return { bytes: allSlotBytes(stackByte.spill), value, object: null };
}

/** True when the slot holds a spilled register, whole or in part: its last byte tells. */
export function isSpill(slot: StackSlot): boolean {
  return slot.bytes >>> 28 === stackByte.spill;
}

/** True when the slot holds a scalar spilled in part or whole. */
export function isScalarSpill(slot: StackSlot): boolean {
  return slot.bytes >>> 28 === stackByte.spill && slot.value.kind === "scalar";
}

/** A frame with nothing set. */
export function newFrame(
  number: number,
  subprogram: number,
  callsite: number,
  callback: CallbackRole | null = null,
  asyncEntries = 0,
): Frame {
  return {
    number,
    subprogram,
    callsite,
    asyncEntries,
    regs: [unset, unset, unset, unset, unset, unset, unset, unset, unset, unset, unset],
    stack: [],
    callback,
    callbackDepth: 0,
    preciseRegs: 0,
    preciseSlotsLow: 0,
    preciseSlotsHigh: 0,
  };
}

/** A copy whose arrays are its own, without precision marks. */
export function copyFrame(frame: Frame): Frame {
  return {
    number: frame.number,
    subprogram: frame.subprogram,
    callsite: frame.callsite,
    regs: frame.regs.slice(),
    stack: frame.stack.slice(),
    callback: frame.callback,
    asyncEntries: frame.asyncEntries,
    callbackDepth: frame.callbackDepth,
    preciseRegs: 0,
    preciseSlotsLow: 0,
    preciseSlotsHigh: 0,
  };
}

/** A copy that shares nothing that is written in place. */
export function copyState(state: VerifierState): VerifierState {
  const frames: Frame[] = [];
  for (const frame of state.frames) frames.push(copyFrame(frame));
  return {
    frames,
    references: state.references,
    activeLocks: state.activeLocks,
    activePreemptLocks: state.activePreemptLocks,
    activeRcuLock: state.activeRcuLock,
    activeIrqId: state.activeIrqId,
    activeLockId: state.activeLockId,
    activeLockMap: state.activeLockMap,
    mayGotoDepth: state.mayGotoDepth,
    callbackUnrollDepth: state.callbackUnrollDepth,
  };
}
