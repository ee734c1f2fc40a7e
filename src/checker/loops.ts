// Loops while they are walked: which saved state entered one, and the paths that came round and were found equal to a saved
// state although not all of the loop was known yet. When the entry is done, what mattered is sent round those paths; until
// then saved states inside count as unfinished. A loop is one of flow.ts, reached by one chain of calls.
// Source: Linux kernel/bpf/verifier.c (maybe_enter_scc, maybe_exit_scc, add_scc_backedge, incomplete_read_marks; 6.18).

import type { Flow } from "./flow.ts";
import type { Backedge, Checkpoint, Path } from "./path.ts";
import { slotOfFrame } from "./path.ts";
import type { Precision } from "./precision.ts";

interface Visit {
  entry: Checkpoint | null;
  backedges: Backedge[];
}

/** The loops being walked. One for a whole check. */
export class Loops {
  readonly #flow: Flow;
  readonly #precision: Precision;
  readonly #visits = new Map<string, Visit>();
  /** Paths kept for all loops together. */
  backedgeCount = 0;

  constructor(flow: Flow, precision: Precision) {
    this.#flow = flow;
    this.#precision = precision;
  }

  /** The outermost loop that the path is in, by call chain; null outside of loops. */
  #key(path: Path): string | null {
    const { loopOf } = this.#flow;
    const last = path.state.frames.length - 1;
    let key = "";
    for (let frame = 0; frame <= last; frame++) {
      const slot = slotOfFrame(path, frame);
      const loop = loopOf[slot] as number;
      if (loop !== 0) return `${key}${loop}`;
      key += `${slot},`;
    }
    return null;
  }

  /** A state is saved: it may be the entry of a loop. */
  enter(checkpoint: Checkpoint): void {
    const key = this.#key(checkpoint);
    if (key === null) return;
    const visit = this.#visits.get(key);
    if (visit === undefined) this.#visits.set(key, { entry: checkpoint, backedges: [] });
    else visit.entry ??= checkpoint;
  }

  /** Everything below a path was walked: if it entered a loop, the loop is done. */
  exit(path: Path): void {
    const key = this.#key(path);
    if (key === null) return;
    const visit = this.#visits.get(key);
    if (visit === undefined || visit.entry !== path) return;
    visit.entry = null;
    this.backedgeCount -= visit.backedges.length;
    const { backedges } = visit;
    if (backedges.length > 0) this.#precision.propagateLoop(backedges);
    visit.backedges = [];
  }

  /** A path was found equal to `equal` inside a loop that isn't done. */
  addBackedge(path: Path, equal: Checkpoint): void {
    const key = this.#key(equal);
    const visit = key === null ? undefined : this.#visits.get(key);
    if (visit === undefined) return;
    // The newest first, as marks are sent in that order.
    visit.backedges.unshift({ path, equal });
    this.backedgeCount++;
  }

  /** True when what mattered below a saved state may not be known yet. */
  isUnfinished(path: Path): boolean {
    if (this.backedgeCount === 0) return false;
    const key = this.#key(path);
    if (key === null) return false;
    return (this.#visits.get(key)?.backedges.length ?? 0) > 0;
  }

  /** Forgets all loops: another function begins to be verified. */
  reset(): void {
    this.#visits.clear();
    this.backedgeCount = 0;
  }
}
