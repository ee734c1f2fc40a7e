// The way to an instruction, read back from the records that paths and saved states keep: which conditional jumps were taken.
// For explanations only.

import type { Path } from "./path.ts";
import type { PathStep } from "./verdict.ts";
import type { Walk } from "./walk.ts";

/** The longest way that is read back. */
const longest = 200_000;

/** The conditional jumps on the way to where the walk stands, oldest first. */
export function traceOf(walk: Walk): PathStep[] {
  const { flow } = walk;
  const steps: PathStep[] = [];
  let following = walk.slot;
  for (const slot of slotsBack(walk.path)) {
    const target = flow.target[slot] as number;
    const next = flow.next[slot] as number;
    if (target >= 0 && next >= 0 && target !== next && (following === target || following === next))
      steps.push({ slot, taken: following === target });
    following = slot;
  }
  return steps.reverse();
}

/** The instructions walked before the one a path is at, newest first. */
function* slotsBack(path: Path): Generator<number> {
  let at: Path = path;
  let slot = path.slot;
  let remaining = at.history.length;
  for (let count = 0; count < longest; count++) {
    const entry = remaining > 0 ? at.history[remaining - 1] : undefined;
    const atStart = slot === at.firstSlot && (remaining === 0 || (remaining === 1 && entry?.slot === slot));
    if (atStart) {
      if (at.parent === null) return;
      slot = at.parent.lastSlot;
      at = at.parent;
      remaining = at.history.length;
      if (slot < 0) return;
    } else if (entry !== undefined && entry.slot === slot) {
      slot = entry.previous;
      remaining--;
    } else slot--;
    if (slot < 0) return;
    yield slot;
  }
}
