// When a state may be taken as covered by one that was walked before: every value is of the same kind and allows no more, where
// it matters, and the same ids are shared in the same way. Three degrees: as pruning needs it, within the ranges (loops that
// aren't done), and exactly the same (endless loops).
// Source: Linux kernel/bpf/verifier.c (states_equal, regsafe, stacksafe, refsafe, check_ids; 6.18).

import type { Path } from "./path.ts";
import { slotOfFrame } from "./path.ts";
import { equals, unknown, within } from "./scalar.ts";
import type { Frame, PointerValue, RegValue, ScalarValue, StackSlot, VerifierState } from "./state.ts";
import { isPointer, scalarValue, slotByte, stackByte } from "./state.ts";

/** How alike two states must be. */
export type Likeness = "covered" | "exact" | "inRange";

/** Where the ids of numbers linked by an addition begin, times its width. **Source:** BPF_ADD_CONST32, BPF_ADD_CONST64. */
const addedIds = 2 ** 31;

/** Which ids of the old state stand for which of the current one. */
class IdPairs {
  readonly #old: number[] = [];
  readonly #current: number[] = [];
  #count = 0;
  #temporary = 0;

  reset(): void {
    this.#count = 0;
    this.#temporary = 0;
  }

  /** Whether the two ids may stand for each other, given those seen before. */
  match(old: number, current: number): boolean {
    if (old === 0 || current === 0) return old === current;
    for (let i = 0; i < this.#count; i++) {
      if (this.#old[i] === old) return this.#current[i] === current;
      if (this.#current[i] === current) return false;
    }
    this.#old[this.#count] = old;
    this.#current[this.#count++] = current;
    return true;
  }

  /** The same for numbers: one without an old id may have any; one without a current id gets a fresh one. */
  matchScalars(old: ScalarValue, current: ScalarValue): boolean {
    if (old.id === 0) return true;
    const id = current.id === 0 ? --this.#temporary : current.id;
    if (old.linkedByAdd === 0) return this.match(old.id, id);
    // A link by addition is an id of its own besides that of what it is linked to.
    const added = old.linkedByAdd * addedIds;
    return this.match(old.id + added, id + added) && this.match(old.id, id);
  }
}

/** Compares states; keeps its working memory. */
export class Comparison {
  readonly #ids = new IdPairs();
  readonly #liveRegisters: Uint16Array;

  constructor(liveRegisters: Uint16Array) {
    this.#liveRegisters = liveRegisters;
  }

  /** True when what was found of `old` holds for `current`. */
  holds(old: Path, current: VerifierState, likeness: Likeness): boolean {
    const { frames } = old.state;
    if (frames.length !== current.frames.length) return false;
    this.#ids.reset();
    if (!this.#references(old.state, current)) return false;
    for (let i = 0; i < frames.length; i++) {
      const oldFrame = frames[i] as Frame;
      const frame = current.frames[i] as Frame;
      if (oldFrame.callsite !== frame.callsite) return false;
      const live = this.#liveRegisters[slotOfFrame(old, i)] as number;
      if (!this.#frame(oldFrame, frame, live, likeness)) return false;
    }
    return true;
  }

  #references(old: VerifierState, current: VerifierState): boolean {
    if (
      old.references.length !== current.references.length ||
      old.activeLocks !== current.activeLocks ||
      old.activePreemptLocks !== current.activePreemptLocks ||
      old.activeRcuLock !== current.activeRcuLock ||
      old.activeLockMap !== current.activeLockMap ||
      !this.#ids.match(old.activeIrqId, current.activeIrqId) ||
      !this.#ids.match(old.activeLockId, current.activeLockId)
    )
      return false;
    return old.references.every((reference, i) => {
      const other = current.references[i];
      return (
        other !== undefined &&
        this.#ids.match(reference.id, other.id) &&
        reference.kind === other.kind &&
        reference.map === other.map
      );
    });
  }

  #frame(old: Frame, current: Frame, live: number, likeness: Likeness): boolean {
    if (old.callbackDepth > current.callbackDepth) return false;
    for (let i = 0; i < 11; i++) {
      if ((live & (1 << i)) === 0) continue;
      const precise = (old.preciseRegs & (1 << i)) !== 0;
      if (!this.#value(old.regs[i] as RegValue, current.regs[i] as RegValue, precise, likeness)) return false;
    }
    return this.#stack(old, current, likeness);
  }

  #value(old: RegValue, current: RegValue, precise: boolean, likeness: Likeness): boolean {
    if (likeness === "exact") return this.#exact(old, current);
    if (old.kind === "unset") return likeness === "covered" || current.kind === "unset";
    if (old.kind !== current.kind) return false;
    if (old.kind === "scalar") return this.#scalar(old, current as ScalarValue, precise, likeness);
    return this.#pointer(old, current as PointerValue);
  }

  #scalar(old: ScalarValue, current: ScalarValue, precise: boolean, likeness: Likeness): boolean {
    if (!precise && likeness === "covered") return true;
    if (old.id !== 0 && old.linkedByAdd !== current.linkedByAdd) return false;
    if (old.linkedByAdd !== 0 && old.delta !== current.delta) return false;
    return this.#ids.matchScalars(old, current) && within(old.scalar, current.scalar);
  }

  #pointer(old: PointerValue, current: PointerValue): boolean {
    if (old.nullable !== current.nullable || old.flags !== current.flags) return false;
    switch (old.kind) {
      case "mapKey":
      case "mapValue":
      case "memory":
        return (
          samePlace(old, current) &&
          within(old.varOff, current.varOff) &&
          this.#ids.match(old.id, current.id) &&
          this.#ids.match(old.refId, current.refId)
        );
      case "packet":
      case "packetMeta":
        return (
          coversRange(old.range, current.range) &&
          old.off === current.off &&
          this.#ids.match(old.id, current.id) &&
          within(old.varOff, current.varOff)
        );
      default:
        return this.#exact(old, current);
    }
  }

  #exact(old: RegValue, current: RegValue): boolean {
    if (old === current && old.kind === "unset") return true;
    if (old.kind !== current.kind) return false;
    if (old.kind === "scalar") {
      const other = current as ScalarValue;
      if (old.delta !== other.delta || old.linkedByAdd !== other.linkedByAdd) return false;
      return equals(old.scalar, other.scalar) && this.#ids.match(old.id, other.id);
    }
    if (!isPointer(old)) return true;
    const other = current as PointerValue;
    return (
      old.nullable === other.nullable &&
      old.flags === other.flags &&
      samePlace(old, other) &&
      equals(old.varOff, other.varOff) &&
      this.#ids.match(old.id, other.id) &&
      this.#ids.match(old.refId, other.refId)
    );
  }

  #stack(old: Frame, current: Frame, likeness: Likeness): boolean {
    for (let i = 0; i < old.stack.length; i++) {
      const slot = old.stack[i] as StackSlot;
      const other = current.stack[i];
      if (likeness !== "covered" && (other === undefined || slot.bytes !== other.bytes)) return false;
      // Bytes that hold anything, or nothing, are covered by whatever is there now.
      if (isAnything(slot.bytes)) continue;
      if (other === undefined) return false;
      const precise = ((i < 32 ? old.preciseSlotsLow : old.preciseSlotsHigh) & (1 << (i & 31))) !== 0;
      if (!this.#slot(slot, other, precise, likeness)) return false;
    }
    return true;
  }

  #slot(old: StackSlot, current: StackSlot, precise: boolean, likeness: Likeness): boolean {
    const oldScalar = wholeScalar(old);
    const scalar = oldScalar === null ? null : wholeScalar(current);
    if (oldScalar !== null && scalar !== null) return this.#value(oldScalar, scalar, precise, likeness);
    for (let byte = 0; byte < 8; byte++) {
      const kind = slotByte(old, byte);
      if (kind === stackByte.invalid || kind === stackByte.misc) continue;
      if (kind !== slotByte(current, byte)) return false;
    }
    switch (slotByte(old, 7)) {
      case stackByte.spill:
        return this.#value(old.value, current.value, precise, likeness);
      case stackByte.dynptr:
        return (
          old.object?.type === current.object?.type &&
          old.object?.first === current.object?.first &&
          this.#ids.match(old.object?.refId ?? 0, current.object?.refId ?? 0)
        );
      case stackByte.iterator:
        return (
          old.object?.type === current.object?.type &&
          old.object?.drained === current.object?.drained &&
          this.#ids.match(old.object?.refId ?? 0, current.object?.refId ?? 0)
        );
      case stackByte.irqFlag:
        return this.#ids.match(old.object?.refId ?? 0, current.object?.refId ?? 0);
      default:
        return true;
    }
  }
}

const allSpill = 0x11111111;
const anyScalar = scalarValue(unknown);

/** True when all bytes hold anything or nothing: kinds 0 and 2 only. */
function isAnything(bytes: number): boolean {
  return (bytes & 0xdddddddd) === 0;
}

/** The number in a slot taken as one of eight bytes: a spilled one, or any where the bytes hold anything; null for others. */
function wholeScalar(slot: StackSlot): ScalarValue | null {
  if (slot.bytes === allSpill) return slot.value.kind === "scalar" ? slot.value : null;
  return isAnything(slot.bytes) ? anyScalar : null;
}

/** Whether packet bytes known to be there before are known now. At or beyond the end is no number of bytes. */
function coversRange(old: number, current: number): boolean {
  return old < 0 || current < 0 ? old === current : old <= current;
}

/** The same object at the same fixed offset. */
function samePlace(a: PointerValue, b: PointerValue): boolean {
  return (
    a.off === b.off &&
    a.range === b.range &&
    a.map === b.map &&
    a.mapUid === b.mapUid &&
    a.frame === b.frame &&
    a.bytes === b.bytes &&
    a.dynptrId === b.dynptrId &&
    a.subprogram === b.subprogram &&
    a.type === b.type
  );
}

/** True when the innermost frames' registers are the very same, ids included: then the walk may be going in circles. */
export function mayLoop(old: VerifierState, current: VerifierState): boolean {
  const innermost = current.frames.length - 1;
  if (old.frames.length - 1 !== innermost) return false;
  const before = (old.frames[innermost] as Frame).regs;
  const now = (current.frames[innermost] as Frame).regs;
  for (let i = 0; i < 11; i++) if (!identical(before[i] as RegValue, now[i] as RegValue)) return false;
  return true;
}

function identical(a: RegValue, b: RegValue): boolean {
  if (a === b) return true;
  if (a.kind !== b.kind) return false;
  if (a.kind === "scalar") {
    const other = b as ScalarValue;
    return (
      a.id === other.id &&
      a.delta === other.delta &&
      a.linkedByAdd === other.linkedByAdd &&
      equals(a.scalar, other.scalar)
    );
  }
  if (!isPointer(a)) return true;
  const other = b as PointerValue;
  return (
    a.nullable === other.nullable &&
    a.flags === other.flags &&
    a.id === other.id &&
    a.refId === other.refId &&
    samePlace(a, other) &&
    equals(a.varOff, other.varOff)
  );
}
