// Makes a disagreement small: takes instructions out while kernel and checker still disagree in the same way. Used by the report, so
// that a cause can be read in a few lines.

import type { ProgramImage } from "../../src/bpf/image.ts";
import { isBranch, type Slot, secondHalves, slotsOfCode, splice, withCode } from "./code.ts";

/** Jump by 0: does nothing, and can't make anything unreachable. */
const NOTHING: Slot = { opcode: 0x05, dst: 0, src: 0, offset: 0, imm: 0 };

/**
 * The smallest image found for which `holds` still does. Deletes ever shorter runs of instructions, and turns branches into
 * jumps, until nothing more goes or `milliseconds` are over.
 */
export function minimise(
  image: ProgramImage,
  holds: (image: ProgramImage) => boolean,
  milliseconds: number,
): ProgramImage {
  const until = performance.now() + milliseconds;
  let best = image;
  const attempt = (smaller: ProgramImage): boolean => {
    if (smaller.code.length === 0 || !holds(smaller)) return false;
    best = smaller;
    return true;
  };
  for (let shorter = true; shorter && performance.now() < until; ) {
    shorter = false;
    for (let run = Math.max(1, best.code.length >> 4); run >= 1 && performance.now() < until; run >>= 1) {
      for (let start = 0; start * 8 < best.code.length && performance.now() < until; ) {
        const slots = slotsOfCode(best.code);
        const second = secondHalves(slots);
        if (second[start]) {
          start++;
          continue;
        }
        let end = Math.min(slots.length, start + run);
        if (second[end]) end++;
        if (end - start < slots.length && attempt(splice(best, start, end, []))) shorter = true;
        else start = end;
      }
    }
    for (let at = 0; at * 8 < best.code.length && performance.now() < until; at++) {
      const slots = slotsOfCode(best.code);
      if (secondHalves(slots)[at] || !isBranch(slots[at]!)) continue;
      for (const instead of [NOTHING, { ...NOTHING, offset: slots[at]!.offset }]) {
        const changed = slots.slice();
        changed[at] = instead;
        if (attempt(withCode(best, changed))) {
          shorter = true;
          break;
        }
      }
    }
  }
  return best;
}
