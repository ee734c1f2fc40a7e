// Instructions as bytes that can be edited: slots with their fields, and deleting or inserting one with every jump, call and
// function moved along. What mutators and the minimiser share; independent of the encoder and decoder that are judged with them.
// Source: RFC 9669 sections 3 and 4.3.

import type { ImageFunction, ProgramImage } from "../../src/bpf/image.ts";

/** One 8-byte slot. */
export interface Slot {
  opcode: number;
  dst: number;
  src: number;
  offset: number;
  imm: number;
}

/** The opcode of a load of 16 bytes, which takes two slots. */
export const WIDE = 0x18;

/** Takes code apart; copies. */
export function slotsOfCode(code: Uint8Array): Slot[] {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  return Array.from({ length: code.length >> 3 }, (_, slot) => {
    const registers = view.getUint8(slot * 8 + 1);
    return {
      opcode: view.getUint8(slot * 8),
      dst: registers & 15,
      src: registers >> 4,
      offset: view.getInt16(slot * 8 + 2, true),
      imm: view.getInt32(slot * 8 + 4, true),
    };
  });
}

/** Puts code together; fields are cut to their width. */
export function codeOfSlots(slots: readonly Slot[]): Uint8Array {
  const code = new Uint8Array(slots.length * 8);
  const view = new DataView(code.buffer);
  for (const [slot, { opcode, dst, src, offset, imm }] of slots.entries()) {
    view.setUint8(slot * 8, opcode);
    view.setUint8(slot * 8 + 1, (dst & 15) | ((src & 15) << 4));
    view.setInt16(slot * 8 + 2, offset, true);
    view.setInt32(slot * 8 + 4, imm, true);
  }
  return code;
}

/** For each slot: true for the second half of a wide load. */
export function secondHalves(slots: readonly Slot[]): boolean[] {
  const second = slots.map(() => false);
  for (let slot = 0; slot < slots.length; slot++)
    if (slots[slot]!.opcode === WIDE && slot + 1 < slots.length) second[++slot] = true;
  return second;
}

/** True for conditional jumps and may_goto; not for `ja`, calls and exit. */
export function isBranch({ opcode }: Slot): boolean {
  const kind = opcode & 7;
  if (kind !== 5 && kind !== 6) return false;
  const code = opcode & 0xf0;
  return code !== 0x00 && code !== 0x80 && code !== 0x90;
}

/** True for jumps that don't ask. */
export function isJump({ opcode }: Slot): boolean {
  return opcode === 0x05 || opcode === 0x06;
}

/** True for calls of any kind. */
export function isCall({ opcode }: Slot): boolean {
  return opcode === 0x85;
}

/** How far a jump, a local call or a function's address reaches, from the slot behind it; null for everything else. */
export function distanceOf(slot: Slot): number | null {
  if (isBranch(slot) || slot.opcode === 0x05) return slot.offset;
  if (slot.opcode === 0x06 || (slot.opcode === 0x85 && slot.src === 1)) return slot.imm;
  if (slot.opcode === WIDE && slot.src === 4) return slot.imm;
  return null;
}

/** The same with another distance. */
export function withDistance(slot: Slot, distance: number): Slot {
  return isBranch(slot) || slot.opcode === 0x05 ? { ...slot, offset: distance } : { ...slot, imm: distance };
}

/** An image with other code; functions as given. */
export function withCode(
  image: ProgramImage,
  slots: readonly Slot[],
  functions: readonly ImageFunction[] = image.functions,
): ProgramImage {
  return { ...image, code: codeOfSlots(slots), functions, lines: [] };
}

/**
 * Replaces slots `start` to `end` (exclusive) by `fresh`. Jumps elsewhere keep their targets; those into the replaced part go to
 * its start, those to its start stay there. Functions move along.
 */
export function splice(image: ProgramImage, start: number, end: number, fresh: readonly Slot[]): ProgramImage {
  const slots = slotsOfCode(image.code);
  const second = secondHalves(slots);
  const moved = (slot: number): number =>
    slot <= start ? slot : slot < end ? start : slot - (end - start) + fresh.length;
  const kept = (slot: Slot, at: number): Slot => {
    const distance = second[at] ? null : distanceOf(slot);
    if (distance === null) return slot;
    return withDistance(slot, moved(at + 1 + distance) - moved(at) - 1);
  };
  const before = slots.slice(0, start).map((slot, at) => kept(slot, at));
  const after = slots.slice(end).map((slot, at) => kept(slot, end + at));
  // What stood behind the replaced part moves by a constant; what stands before it doesn't move at all.
  const all = [...before, ...fresh, ...after];
  const functions = image.functions.map((fn, index): ImageFunction => {
    const startSlot = moved(fn.startSlot);
    const next = image.functions[index + 1];
    return { ...fn, startSlot, slots: (next === undefined ? all.length : moved(next.startSlot)) - startSlot };
  });
  return withCode(
    image,
    all,
    functions.filter(({ slots }) => slots > 0),
  );
}
