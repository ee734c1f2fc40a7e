// Numbers that hold in several places at once: registers and spilled registers with one id. When a branch teaches something of
// one, it holds for all. At most six are followed; the others lose their id.
// Source: Linux kernel/bpf/verifier.c (collect_linked_regs, sync_linked_regs; 6.18).

import type { Linked, Path } from "./path.ts";
import { slotOfFrame } from "./path.ts";
import { linkedAdd } from "./scalar-alu.ts";
import type { RegValue, ScalarValue, VerifierState } from "./state.ts";
import { isSpill, scalarValue } from "./state.ts";

/** **Source:** LINKED_REGS_MAX. */
const mostLinked = 6;

/**
 * Adds to `linked` all places whose number has the id `id`, but for registers that aren't read any more; places beyond the sixth
 * lose it.
 */
export function collectLinked(path: Path, liveRegisters: Uint16Array, id: number, linked: Linked[]): void {
  const { state } = path;
  for (let number = state.frames.length - 1; number >= 0; number--) {
    const frame = state.frames[number];
    if (frame === undefined) continue;
    const live = liveRegisters[slotOfFrame(path, number)] as number;
    for (let index = 0; index < 10; index++) {
      if ((live & (1 << index)) === 0) continue;
      const value = frame.regs[index] as RegValue;
      if (value.kind !== "scalar" || value.id !== id) continue;
      if (linked.length < mostLinked) linked.push({ frame: number, isRegister: true, index });
      else frame.regs[index] = scalarValue(value.scalar);
    }
    for (let index = 0; index < frame.stack.length; index++) {
      const slot = frame.stack[index];
      if (slot === undefined || slot.value.kind !== "scalar" || slot.value.id !== id || !isSpill(slot)) continue;
      if (linked.length < mostLinked) linked.push({ frame: number, isRegister: false, index });
      else frame.stack[index] = { ...slot, value: scalarValue(slot.value.scalar) };
    }
  }
}

/** Gives all of `linked` that share `known`'s id what is known of it; `known` is the value of register `register` of the innermost frame. */
export function syncLinked(
  state: VerifierState,
  register: number,
  known: ScalarValue,
  linked: readonly Linked[],
): void {
  const innermost = state.frames.length - 1;
  for (const { frame: number, isRegister, index } of linked) {
    const frame = state.frames[number];
    if (frame === undefined) continue;
    if (isRegister) {
      if (number === innermost && index === register) continue;
      const value = frame.regs[index] as RegValue;
      if (value.kind === "scalar" && value.id === known.id) frame.regs[index] = learnt(value, known);
    } else {
      const slot = frame.stack[index];
      if (slot === undefined || slot.value.kind !== "scalar" || slot.value.id !== known.id) continue;
      frame.stack[index] = { ...slot, value: learnt(slot.value, known) };
    }
  }
}

/** What `value` is now that `known`, the same number or one a constant apart, is known. */
function learnt(value: ScalarValue, known: ScalarValue): ScalarValue {
  const bits = value.linkedByAdd | known.linkedByAdd;
  // A constant difference modulo 2^32 and one modulo 2^64 say nothing of each other.
  if (bits === (32 | 64)) return value;
  if (bits === 0 || value.delta === known.delta) return known;
  return { ...value, scalar: linkedAdd(known.scalar, value.delta - known.delta, bits as 32 | 64) };
}
