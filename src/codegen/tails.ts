// Control flow made smaller before it is laid out: jumps through empty blocks go to their end, equal blocks become one
// (verdicts first of all: `w0 = 1; exit` exists once). Between `emit` and `layout`; changes no instruction but jumps.

import { must } from "../base/assert.ts";
import type { OpenBlock, OpenFunction, OpenTerm } from "./emit.ts";

/** The targets of a terminator. */
export function targetsOf(term: OpenTerm): readonly number[] {
  switch (term.kind) {
    case "jump":
      return [term.target];
    case "branch":
      return [term.yes, term.no];
    case "exit":
      return [];
  }
}

/** The same function without empty, equal and unreachable blocks; in reverse postorder. */
export function mergeTails(fn: OpenFunction): OpenFunction {
  const blockOf: (OpenBlock | undefined)[] = new Array(fn.nextBlock);
  for (const block of fn.blocks) blockOf[block.id] = block;
  const entry = must(fn.blocks[0], "entry").id;
  // What a jump to a block really reaches: settled for every block when it is processed, successors first.
  const reaches = Int32Array.from({ length: fn.nextBlock }, (_, id) => id);
  const canonical = new Map<string, number>();
  for (const block of postorderOf(blockOf, entry)) {
    const to = (id: number): number => {
      let at = id;
      while (reaches[at] !== at) at = reaches[at] as number;
      return at;
    };
    const term = redirect(block.term, to);
    blockOf[block.id] = { ...block, term };
    if (block.id === entry) continue;
    if (term.kind === "jump" && block.insns.length === 0) {
      // A block that jumps to itself stays.
      if (term.target !== block.id) reaches[block.id] = term.target;
      continue;
    }
    const key = keyOf(block, term);
    const same = canonical.get(key);
    if (same === undefined) canonical.set(key, block.id);
    else reaches[block.id] = same;
  }
  // Back edges were redirected before their targets were settled.
  for (const block of blockOf) {
    if (block === undefined) continue;
    const to = (id: number): number => {
      let at = id;
      while (reaches[at] !== at) at = reaches[at] as number;
      return at;
    };
    blockOf[block.id] = { ...block, term: redirect(block.term, to) };
  }
  return { ...fn, blocks: postorderOf(blockOf, entry).reverse() };
}

function redirect(term: OpenTerm, to: (id: number) => number): OpenTerm {
  switch (term.kind) {
    case "jump":
      return { ...term, target: to(term.target) };
    case "branch": {
      const [yes, no] = [to(term.yes), to(term.no)];
      if (yes === no) return { kind: "jump", target: yes, origin: term.origin };
      return { ...term, yes, no };
    }
    case "exit":
      return term;
  }
}

function keyOf(block: OpenBlock, term: OpenTerm): string {
  const text = (_key: string, value: unknown): unknown => (typeof value === "bigint" ? `${value}n` : value);
  const { origin: _, ...end } = term;
  return `${block.insns.map(({ insn }) => JSON.stringify(insn, text)).join()};${JSON.stringify(end)}`;
}

function postorderOf(blockOf: readonly (OpenBlock | undefined)[], entry: number): OpenBlock[] {
  const cursor = new Int32Array(blockOf.length).fill(-1);
  const stack = [entry];
  cursor[entry] = 0;
  const postorder: OpenBlock[] = [];
  while (stack.length > 0) {
    const id = stack[stack.length - 1] as number;
    const block = must(blockOf[id], `block ${id}`);
    const targets = targetsOf(block.term);
    // A branch goes on at its else side: in reverse, that side comes first.
    const target = targets[cursor[id] as number];
    if (target === undefined) {
      postorder.push(block);
      stack.pop();
      continue;
    }
    cursor[id] = (cursor[id] as number) + 1;
    if (cursor[target] === -1) {
      cursor[target] = 0;
      stack.push(target);
    }
  }
  return postorder;
}
