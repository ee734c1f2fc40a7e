// The order of blocks and their jumps: chains of blocks that fall through, chosen so that as few jumps as possible are left, branch
// senses turned where that saves one. Between `tails` and `reach`, which makes far jumps possible; blocks are still named by
// number in the result.

import { must } from "../base/assert.ts";
import type { Insn, JumpOp, Operand } from "../bpf/insn.ts";
import type { CpuLevel } from "../bpf/isa.ts";
import type { Origin } from "../ir/ir.ts";
import type { OpenBlock, OpenFunction, OpenTerm } from "./emit.ts";
import { targetsOf } from "./tails.ts";

/** Instructions in their final order; jumps name blocks. */
export interface Laid {
  readonly insns: { readonly insn: Insn<number>; readonly origin: Origin }[];
  /** The index in `insns` at which each block starts. */
  readonly starts: Map<number, number>;
}

type Branch = Extract<OpenTerm, { kind: "branch" }>;

const inverse: Partial<Record<JumpOp, JumpOp>> = {
  eq: "ne",
  ne: "eq",
  gt: "le",
  le: "gt",
  ge: "lt",
  lt: "ge",
  sgt: "sle",
  sle: "sgt",
  sge: "slt",
  slt: "sge",
};

/** For v1, which has no "less": the same comparison of swapped operands. */
const swapped: Partial<Record<JumpOp, JumpOp>> = { lt: "gt", le: "ge", slt: "sgt", sle: "sge" };

/** The branch that is taken exactly when `branch` isn't, or null when this level has none. */
function inverted(branch: Branch, cpu: CpuLevel): { op: JumpOp; dst: Branch["dst"]; src: Operand } | null {
  const op = inverse[branch.op];
  if (op === undefined) return null;
  const other = swapped[op];
  if (cpu !== "v1" || other === undefined) return { op, dst: branch.dst, src: branch.src };
  return "reg" in branch.src && branch.src.reg !== 10
    ? { op: other, dst: branch.src.reg, src: { reg: branch.dst } }
    : null;
}

/** Orders the blocks and writes the jumps. */
export function layOut(fn: OpenFunction, cpu: CpuLevel): Laid {
  const order = new Chains(fn, cpu).order();
  const insns: Laid["insns"] = [];
  const starts = new Map<number, number>();
  const exits = new Set(fn.blocks.filter((b) => b.insns.length === 0 && b.term.kind === "exit").map((b) => b.id));
  order.forEach((block, i) => {
    starts.set(block.id, insns.length);
    for (const placed of block.insns) insns.push(placed);
    const next = order[i + 1]?.id;
    const { term } = block;
    const { origin } = term;
    const push = (insn: Insn<number>): void => {
      insns.push({ insn, origin });
    };
    // An exit is as short as a jump to one.
    const go = (target: number): void =>
      push(exits.has(target) ? { kind: "exit" } : { kind: "jump", wide: false, target });
    switch (term.kind) {
      case "exit":
        push({ kind: "exit" });
        return;
      case "jump":
        if (term.target !== next) go(term.target);
        return;
      case "branch": {
        const turned = term.yes === next ? inverted(term, cpu) : null;
        const { op, dst, src } = turned ?? term;
        const target = turned === null ? term.yes : term.no;
        push({ kind: "branch", op, bits: term.bits, dst, src, target });
        if (turned === null && term.no !== next) go(term.no);
        return;
      }
    }
  });
  return { insns, starts };
}

/** How many blocks may be paired anew to find room for one more. */
const longestShift = 32;

/**
 * Pairs each block with the one to stand behind it; every block has at most one in front. Each pair saves a jump, so this is a
 * matching: a greedy one that prefers straight ways, then improved. Ways forward in reverse postorder come first, because
 * they can't close a ring; then those back.
 */
class Chains {
  readonly #fn: OpenFunction;
  readonly #behind = new Map<number, number>();
  readonly #front = new Map<number, number>();
  readonly #blockOf = new Map<number, OpenBlock>();
  readonly #place = new Map<number, number>();
  /** By block id: the blocks that may stand behind it and save a jump, the best first. */
  readonly #candidates = new Map<number, readonly number[]>();

  constructor(fn: OpenFunction, cpu: CpuLevel) {
    this.#fn = fn;
    const wanted = new Map<number, number>();
    fn.blocks.forEach((block, place) => {
      this.#blockOf.set(block.id, block);
      this.#place.set(block.id, place);
      for (const to of targetsOf(block.term)) wanted.set(to, (wanted.get(to) ?? 0) + 1);
    });
    // What only this block reaches first: shared ends (verdicts, failures) stand aside.
    const shared = (to: number): number => Number((wanted.get(to) ?? 0) > 1);
    for (const block of fn.blocks) {
      this.#candidates.set(
        block.id,
        candidatesOf(block, cpu).toSorted((a, b) => shared(a) - shared(b)),
      );
    }
  }

  order(): OpenBlock[] {
    this.#pairForward();
    for (const block of this.#fn.blocks) if (!this.#behind.has(block.id)) this.#shift(block.id);
    this.#pairBack();
    const order: OpenBlock[] = [];
    for (const { id } of this.#fn.blocks) {
      if (this.#front.has(id)) continue;
      for (let at: number | undefined = id; at !== undefined; at = this.#behind.get(at)) {
        order.push(must(this.#blockOf.get(at), "block"));
      }
    }
    return order;
  }

  #join(from: number, to: number): void {
    this.#behind.set(from, to);
    this.#front.set(to, from);
  }

  #forward(from: number): readonly number[] {
    const place = this.#place.get(from) as number;
    return (this.#candidates.get(from) ?? []).filter((to) => (this.#place.get(to) as number) > place);
  }

  #pairForward(): void {
    const wanted = new Map<number, number>();
    for (const candidates of this.#candidates.values()) {
      for (const to of candidates) wanted.set(to, (wanted.get(to) ?? 0) + 1);
    }
    // First what has only one way to go and no competitor, then all in order.
    for (const pass of [0, 1]) {
      for (const { id } of this.#fn.blocks) {
        if (this.#behind.has(id)) continue;
        const forward = this.#forward(id);
        if (pass === 0 && (forward.length !== 1 || wanted.get(forward[0] as number) !== 1)) continue;
        const to = forward.find((candidate) => !this.#front.has(candidate));
        if (to !== undefined) this.#join(id, to);
      }
    }
  }

  /** Finds a place for a block that got none: it takes one whose holder has another way to go, and so on. */
  #shift(start: number): void {
    for (const first of this.#forward(start)) {
      const pairs: [number, number][] = [[start, first]];
      let to = first;
      while (pairs.length <= longestShift) {
        const holder = this.#front.get(to);
        if (holder === undefined) {
          for (const [from, target] of pairs) this.#join(from, target);
          return;
        }
        const held = to;
        const other = this.#forward(holder).find((candidate) => candidate !== held);
        if (other === undefined || pairs.some(([from]) => from === holder)) break;
        pairs.push([holder, other]);
        to = other;
      }
    }
  }

  /** Pairs what is left along back edges, unless that closes a ring; the entry has nothing in front. */
  #pairBack(): void {
    const entry = this.#fn.blocks[0]?.id;
    const otherEnd = new Map<number, number>();
    for (const { id } of this.#fn.blocks) {
      if (this.#front.has(id)) continue;
      let last = id;
      for (let at = this.#behind.get(id); at !== undefined; at = this.#behind.get(at)) last = at;
      otherEnd.set(id, last);
      otherEnd.set(last, id);
    }
    for (const { id } of this.#fn.blocks) {
      if (this.#behind.has(id)) continue;
      const head = otherEnd.get(id) as number;
      const to = this.#candidates.get(id)?.find((x) => x !== entry && !this.#front.has(x) && x !== head);
      if (to === undefined) continue;
      const tail = otherEnd.get(to) as number;
      this.#join(id, to);
      otherEnd.set(head, tail);
      otherEnd.set(tail, head);
    }
  }
}

function candidatesOf(block: OpenBlock, cpu: CpuLevel): readonly number[] {
  const { term } = block;
  if (term.kind === "exit") return [];
  if (term.kind === "jump") return [term.target];
  return inverted(term, cpu) === null ? [term.no] : [term.no, term.yes];
}
