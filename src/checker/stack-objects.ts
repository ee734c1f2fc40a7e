// Objects of the kernel's that live on the stack, dynptrs above all: what becomes of them when their bytes are overwritten.
// Below stack-access.ts, which asks before each store; helper-dynptrs.ts makes and uses them.
// Source: Linux kernel/bpf/verifier.c (destroy_if_dynptr_stack_slot, mark_reg_invalid, 6.18).

import type { Env } from "./env.ts";
import { unknown } from "./scalar.ts";
import {
  type Frame,
  invalidSlot,
  isPointer,
  isSpill,
  type LostPointer,
  type PointerValue,
  type RegValue,
  scalarValue,
  type VerifierState,
} from "./state.ts";
import { refuse } from "./verdict.ts";

/**
 * Replaces every pointer that `gone` picks, in registers and saved ones of all frames, by a number of which nothing is known:
 * what privileged programs keep of a pointer that isn't valid any more. `lost` tells of it later.
 */
export function invalidatePointers(
  state: VerifierState,
  lost: LostPointer,
  gone: (pointer: PointerValue) => boolean,
): void {
  const anyValue = { ...scalarValue(unknown), lost };
  const isGone = (value: RegValue): boolean => isPointer(value) && gone(value);
  for (const { regs, stack } of state.frames) {
    for (let r = 0; r < 10; r++) if (isGone(regs[r] as RegValue)) regs[r] = anyValue;
    for (let at = 0; at < stack.length; at++) {
      const slot = stack[at];
      if (slot !== undefined && isSpill(slot) && isGone(slot.value))
        stack[at] = { bytes: slot.bytes, value: anyValue, object: null };
    }
  }
}

/** Before slot `index` of a frame is written: a dynptr there is gone, with all pointers into it; one with a reference may not go. */
export function destroyDynptr(env: Env, frame: Frame, index: number, offset: number): void {
  const object = frame.stack[index]?.object ?? null;
  if (object === null || object.kind !== "dynptr") return;
  const top = object.first ? index : index + 1;
  if (object.type === "ringbuf") refuse({ kind: "stackSpill", register: 10, offset, bytes: 8, why: "dynptr" });
  frame.stack[top] = invalidSlot;
  frame.stack[top - 1] = invalidSlot;
  // Slices that kernel functions lent have flags and outlive their dynptr.
  invalidatePointers(
    env.state,
    { slot: env.slot, why: "overwritten" },
    ({ kind, flags, dynptrId }) => kind === "memory" && flags === 0 && dynptrId === object.id,
  );
  env.markStackWrite(frame.number, top);
  env.markStackWrite(frame.number, top - 1);
}
