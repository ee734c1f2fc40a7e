// What comparisons teach about pointers: that packet bytes lie before the end, that a pointer isn't null or is.
// Source: Linux kernel/bpf/verifier.c (is_pkt_ptr_branch_taken, try_match_pkt_pointers, find_good_pkt_pointers,
// mark_ptr_or_null_regs, mark_ptr_not_null_reg; 6.18).

import type { JumpOp } from "../bpf/insn.ts";
import type { Condition } from "./branch.ts";
import { isConst32 } from "./scalar.ts";
import type { PointerKind, PointerValue, RegValue, VerifierState } from "./state.ts";
import { currentFrame, isPointer, isSpill, pointerFlag, rangeAtEnd, rangeBeyondEnd, scalarValue } from "./state.ts";

/** **Source:** MAX_PACKET_OFF. */
const farthestInPacket = 0xffff;
const xskmap = 17;
const sockmap = 15;
const sockhash = 18;
/** Arrays and hashes of maps; other maps ignore the template of an inner one. */
const mapsOfMaps: ReadonlySet<number> = new Set([12, 13]);

/** `a OP b` as `b OP a`. */
const flipped: Readonly<Record<JumpOp, JumpOp>> = {
  eq: "eq",
  ne: "ne",
  set: "set",
  ge: "le",
  gt: "lt",
  le: "ge",
  lt: "gt",
  sge: "sle",
  sgt: "slt",
  sle: "sge",
  slt: "sgt",
};

function isPacketKind(value: RegValue): value is PointerValue {
  return value.kind === "packet" || value.kind === "packetMeta" || value.kind === "packetEnd";
}

/** Which way a comparison of two pointers into the packet goes, null when both; undefined when they aren't both that. */
export function packetBranchTaken(op: JumpOp, left: RegValue, right: RegValue): boolean | null | undefined {
  if (!isPacketKind(left) || !isPacketKind(right)) return undefined;
  if (right.kind === "packetEnd") return beyondEnd(op, left);
  return left.kind === "packetEnd" ? beyondEnd(flipped[op], right) : null;
}

function beyondEnd(op: JumpOp, { range }: PointerValue): boolean | null {
  if (range >= 0) return null;
  if (op === "le" || op === "gt") return range === rangeBeyondEnd ? op === "gt" : null;
  if (op === "lt" || op === "ge") return op === "ge";
  return null;
}

/** True for pointers that are certainly not null. */
export function isNotNull(pointer: PointerValue): boolean {
  if (pointer.nullable) return false;
  switch (pointer.kind) {
    case "socket":
    case "tcpSock":
    case "sockCommon":
    case "mapValue":
    case "mapKey":
    case "mapHandle":
      return true;
    case "memory":
      return (pointer.flags & pointerFlag.untrusted) === 0;
    case "object":
      return isTrusted(pointer);
    default:
      return false;
  }
}

function isTrusted({ flags, refId }: PointerValue): boolean {
  if ((flags & pointerFlag.untrusted) !== 0) return false;
  return refId !== 0 || (flags & (pointerFlag.trusted | pointerFlag.allocated)) !== 0;
}

/** Which way a comparison goes of which one operand at least is a pointer. */
export function pointerBranchTaken(op: JumpOp, bits: 32 | 64, left: RegValue, right: RegValue): boolean | null {
  const swap = !isConstant(right, bits);
  const constant = swap ? left : right;
  const other = swap ? right : left;
  if (constant.kind !== "scalar" || !isConstant(constant, bits)) return null;
  if (!isPointer(other) || !isNotNull(other)) return null;
  const value = bits === 64 ? constant.scalar.value : constant.scalar.value & 0xffff_ffffn;
  if (value !== 0n) return null;
  return op === "eq" ? false : op === "ne" ? true : null;
}

function isConstant(value: RegValue, bits: 32 | 64): boolean {
  return value.kind === "scalar" && (bits === 64 ? value.scalar.mask === 0n : isConst32(value.scalar));
}

/** Learns ranges from a comparison of a packet pointer with the end, or of metadata with the packet's start. True when it was one. */
export function comparePackets(
  { op, dst, src }: Condition,
  left: RegValue,
  right: RegValue,
  here: VerifierState,
  there: VerifierState,
): boolean {
  let comparison = op;
  let pointer = left;
  let register = dst;
  if (!isBounded(left, right)) {
    if (!isBounded(right, left)) return false;
    comparison = flipped[op];
    pointer = right;
    register = src;
  }
  // Now it reads: pointer OP end. `here` is the way on which that doesn't hold.
  const before = pointer as PointerValue;
  switch (comparison) {
    case "gt":
      extendRange(here, before, false);
      markEnd(there, register, rangeBeyondEnd);
      return true;
    case "ge":
      extendRange(here, before, true);
      markEnd(there, register, rangeAtEnd);
      return true;
    case "lt":
      extendRange(there, before, true);
      markEnd(here, register, rangeAtEnd);
      return true;
    case "le":
      extendRange(there, before, false);
      markEnd(here, register, rangeBeyondEnd);
      return true;
    default:
      return false;
  }
}

/** True when `limit` bounds `pointer`: the end bounds the packet, the packet's untouched start the metadata. */
function isBounded(pointer: RegValue, limit: RegValue): boolean {
  if (pointer.kind === "packet") return limit.kind === "packetEnd";
  return pointer.kind === "packetMeta" && limit.kind === "packet" && isPacketStart(limit);
}

function isPacketStart({ id, off, varOff }: PointerValue): boolean {
  return id === 0 && off === 0 && varOff.mask === 0n && varOff.value === 0n;
}

/** All pointers with the same variable part may reach as far as `pointer`; one byte farther when it lies strictly before. */
function extendRange(state: VerifierState, pointer: PointerValue, strictly: boolean): void {
  const { off, varOff, kind, id } = pointer;
  if (off < 0 || (off === 0 && strictly)) return;
  if (varOff.umax > BigInt(farthestInPacket) || Number(varOff.umax) + off > farthestInPacket) return;
  const range = strictly ? off + 1 : off;
  changePointers(state, (value) =>
    value.kind === kind && value.id === id && value.range < range ? { ...value, range } : value,
  );
}

function markEnd(state: VerifierState, register: number, range: number): void {
  const { regs } = currentFrame(state);
  const value = regs[register];
  if (value !== undefined && value.kind === "packet") regs[register] = { ...value, range };
}

/** Replaces pointers wherever they are: in registers and on the stack of all frames. */
export function changePointers(state: VerifierState, change: (pointer: PointerValue) => RegValue): void {
  for (const frame of state.frames) {
    const { regs, stack } = frame;
    for (let i = 0; i < regs.length; i++) {
      const value = regs[i] as RegValue;
      if (!isPointer(value)) continue;
      const changed = change(value);
      if (changed !== value) regs[i] = changed;
    }
    for (let i = 0; i < stack.length; i++) {
      const slot = stack[i];
      if (slot === undefined || !isPointer(slot.value) || !isSpill(slot)) continue;
      const changed = change(slot.value);
      if (changed !== slot.value) stack[i] = { ...slot, value: changed };
    }
  }
}

/** After a null check of the pointer in `register`: it and all that share its id are null, or aren't. */
export function markNull(state: VerifierState, register: number, isNull: boolean): void {
  const checked = currentFrame(state).regs[register];
  if (checked === undefined || !isPointer(checked)) return;
  const { id, refId } = checked;
  if (isNull && refId !== 0 && refId === id)
    state.references = state.references.filter((reference) => reference.kind !== "object" || reference.id !== id);
  changePointers(state, (value) => {
    if (!value.nullable || value.id !== id) return value;
    // Such pointers can't have been moved; the kernel leaves one that has been.
    if (value.varOff.smin !== 0n || value.varOff.smax !== 0n || value.varOff.mask !== 0n) return value;
    if (isNull) return scalarValue(value.varOff);
    return notNull(value);
  });
}

/** The pointer once it is known not to be null. Values of some maps are then something else. */
function notNull(pointer: PointerValue): PointerValue {
  const certain = withoutNull(pointer);
  return mayHoldLock(certain) ? certain : { ...certain, id: 0 };
}

function withoutNull(pointer: PointerValue): PointerValue {
  const { map } = pointer;
  if (pointer.kind !== "mapValue" || map === null) return { ...pointer, nullable: false };
  if (map.inner !== null && mapsOfMaps.has(map.type)) {
    const timed = map.inner.fields.some(({ kind }) => kind === "timer" || kind === "workqueue" || kind === "taskWork");
    const mapUid = timed ? pointer.id : pointer.mapUid;
    return { ...pointer, nullable: false, kind: "mapHandle", map: map.inner, mapUid };
  }
  const socket: PointerKind | null =
    map.type === xskmap ? "xdpSock" : map.type === sockmap || map.type === sockhash ? "socket" : null;
  return { ...pointer, nullable: false, kind: socket ?? "mapValue" };
}

function mayHoldLock({ kind, map }: PointerValue): boolean {
  return (
    kind === "mapValue" && map !== null && map.fields.some((f) => f.kind === "spinLock" || f.kind === "resSpinLock")
  );
}

/** Two pointers found equal, of which one may be null and the other can't: neither is. */
export function learnNotNull(
  { op, dst, src }: Condition,
  left: RegValue,
  right: RegValue,
  here: VerifierState,
  there: VerifierState,
): void {
  if (!isPointer(left) || !isPointer(right) || left.nullable === right.nullable) return;
  if (left.kind === "object" || right.kind === "object") return;
  const equal = op === "eq" ? there : op === "ne" ? here : null;
  if (equal === null) return;
  const { regs } = currentFrame(equal);
  const register = right.nullable ? src : dst;
  const value = regs[register];
  if (value !== undefined && isPointer(value)) regs[register] = withoutNull(value);
}
