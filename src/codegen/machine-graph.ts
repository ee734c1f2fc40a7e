// The shape of a machine function: predecessors and an order of blocks. Found without recursion. Serves every step from
// `select` to `emit`; changes no block.

import { must } from "../base/assert.ts";
import { type MBlock, mEdgesOf } from "./machine.ts";

/** The blocks reachable from `entry`, each after its predecessors except along back edges; the first edge's side comes first. */
export function inReversePostorder(blocks: readonly MBlock[], entry: number, nextBlock: number): MBlock[] {
  const blockOf: (MBlock | undefined)[] = new Array(nextBlock);
  for (const block of blocks) blockOf[block.id] = block;
  const cursor = new Int32Array(nextBlock).fill(-1);
  const stack: number[] = [entry];
  const postorder: MBlock[] = [];
  cursor[entry] = 0;
  while (stack.length > 0) {
    const id = stack[stack.length - 1] as number;
    const block = must(blockOf[id], `block ${id}`);
    const edges = mEdgesOf(block.term);
    const edge = edges[edges.length - 1 - (cursor[id] as number)];
    if (edge === undefined) {
      postorder.push(block);
      stack.pop();
      continue;
    }
    cursor[id] = (cursor[id] as number) + 1;
    if (cursor[edge.target] === -1) {
      cursor[edge.target] = 0;
      stack.push(edge.target);
    }
  }
  return postorder.reverse();
}
