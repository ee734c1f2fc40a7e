// An edge between blocks that hands nothing over: by far the most.

import type { BlockId, Edge } from "../ir.ts";

/** An edge without arguments. */
export function edge(target: BlockId): Edge {
  return { target, args: [] };
}
