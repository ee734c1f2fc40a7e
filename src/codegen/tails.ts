// Control flow made smaller before it is laid out: jumps through empty blocks go to their end, equal blocks become one
// (verdicts first of all: `w0 = 1; exit` exists once), and blocks that end alike share their end. Between `emit` and
// `layout`; changes no instruction but jumps.

import { must } from "../base/assert.ts";
import type { OpenBlock, OpenFunction, OpenTerm, Placed } from "./emit.ts";

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

/** The same function with as little code twice as jumps allow: no empty, equal, half equal or unreachable blocks; in reverse postorder. */
export function mergeTails(fn: OpenFunction): OpenFunction {
  return mergeEqual(shareEnds(mergeEqual(fn)));
}

function mergeEqual(fn: OpenFunction): OpenFunction {
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
  return `${block.insns.map(insnKey).join()};${termKey(term)}`;
}

function insnKey({ insn }: Placed): string {
  return JSON.stringify(insn, (_key, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
}

function termKey(term: OpenTerm): string {
  const { origin: _, ...end } = term;
  return JSON.stringify(end);
}

/** How long a common end may be: it bounds the depth of the search, and longer ones are rare. */
const longestEnd = 48;

/** A block whose last instructions may go to a block that others share. */
interface Candidate {
  readonly block: OpenBlock;
  /** The instructions' keys from the last to the first, as far as they are looked at. */
  readonly keys: readonly string[];
}

/**
 * Whether a cut before the last `common` instructions parts a call from the map that it is given. A call that several maps reach is slower
 * than one for each: the verifier puts a map's own function, or its code, in the place of the helper only where it knows the map.
 *
 * **Source:** Linux kernel/bpf/verifier.c, do_misc_fixups (map_ptr_poisoned).
 */
function partsMap({ insns }: OpenBlock, common: number): boolean {
  const cut = insns.length - common;
  if (!insns.slice(cut).some(({ insn }) => insn.kind === "call")) return false;
  for (let i = cut - 1; i >= 0; i--) {
    const insn = insns[i]?.insn;
    if (insn?.kind === "call") return false;
    if (insn?.kind === "loadWide" && insn.value.kind === "map") return true;
  }
  return false;
}

/** Moves what several blocks with the same terminator have in common at their end to one block. Each saves all of it but a jump. */
function shareEnds(fn: OpenFunction): OpenFunction {
  const groups = new Map<string, Candidate[]>();
  for (const block of fn.blocks) {
    if (block.insns.length === 0) continue;
    const key = termKey(block.term);
    const keys = block.insns.slice(-longestEnd).reverse().map(insnKey);
    const group = groups.get(key) ?? [];
    if (group.length === 0) groups.set(key, group);
    group.push({ block, keys });
  }
  const blocks = new Map(fn.blocks.map((block) => [block.id, block]));
  let nextBlock = fn.nextBlock;
  /** Merges the common end of blocks that agree in their last `common` instructions; returns what stands for them: if it may, one block. */
  const merge = (candidates: readonly Candidate[], common: number): readonly Candidate[] => {
    const parts = new Map<string, Candidate[]>();
    for (const candidate of candidates) {
      const key = candidate.keys[common] ?? "";
      const part = parts.get(key) ?? [];
      if (part.length === 0) parts.set(key, part);
      part.push(candidate);
    }
    // Longer common ends first; each leaves a block that stands for its part here.
    const left = [...parts].flatMap(([key, part]) =>
      key === "" || part.length === 1 ? part : merge(part, common + 1),
    );
    const first = must(left[0], "candidate");
    if (left.length === 1 || left.some(({ block }) => partsMap(block, common))) return left;
    const whole = left.find(({ block }) => block.insns.length === common && block.id !== fn.blocks[0]?.id);
    const id = whole?.block.id ?? nextBlock++;
    const tail: OpenBlock = { id, insns: first.block.insns.slice(-common), term: first.block.term };
    blocks.set(id, whole?.block ?? tail);
    for (const { block } of left) {
      if (block.id === id) continue;
      const { origin } = block.insns.at(-common) ?? block.term;
      blocks.set(block.id, {
        ...block,
        insns: block.insns.slice(0, -common),
        term: { kind: "jump", target: id, origin },
      });
    }
    return [whole ?? { block: tail, keys: first.keys.slice(0, common) }];
  };
  for (const group of groups.values()) {
    const parts = new Map<string, Candidate[]>();
    for (const candidate of group) {
      const key = must(candidate.keys[0], "last instruction");
      const part = parts.get(key) ?? [];
      if (part.length === 0) parts.set(key, part);
      part.push(candidate);
    }
    for (const part of parts.values()) if (part.length > 1) merge(part, 1);
  }
  return { ...fn, blocks: [...blocks.values()], nextBlock };
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
