// The order of blocks and their jumps: chains of blocks that fall through, chosen so that as few jumps as possible are left, branch
// senses turned where that saves one. Between `tails` and `reach`, which makes far jumps possible; blocks are still named by
// number in the result.

import { must } from "../base/assert.ts";
import type { Insn, JumpOp, Operand } from "../bpf/insn.ts";
import type { CpuLevel } from "../bpf/isa.ts";
import type { Origin } from "../ir/ir.ts";
import type { OpenBlock, OpenFunction, OpenTerm } from "./emit.ts";

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
    insns.push(...block.insns);
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

/** Pairs each block with the one to stand behind it; every block has at most one in front. */
class Chains {
  readonly #fn: OpenFunction;
  readonly #cpu: CpuLevel;
  readonly #behind = new Map<number, number>();
  readonly #front = new Map<number, number>();
  readonly #blockOf = new Map<number, OpenBlock>();

  constructor(fn: OpenFunction, cpu: CpuLevel) {
    this.#fn = fn;
    this.#cpu = cpu;
    for (const block of fn.blocks) this.#blockOf.set(block.id, block);
  }

  order(): OpenBlock[] {
    const heads = this.#pair();
    const order: OpenBlock[] = [];
    for (const head of heads) {
      for (let at: number | undefined = head; at !== undefined; at = this.#behind.get(at)) {
        order.push(must(this.#blockOf.get(at), "block"));
      }
    }
    return order;
  }

  /** The blocks that may stand behind this one and save a jump, the best first. */
  #candidates(block: OpenBlock): readonly number[] {
    const { term } = block;
    if (term.kind === "exit") return [];
    if (term.kind === "jump") return [term.target];
    return inverted(term, this.#cpu) === null ? [term.no] : [term.no, term.yes];
  }

  #pair(): number[] {
    const entry = must(this.#fn.blocks[0], "entry").id;
    const preds = new Map<number, number>();
    for (const block of this.#fn.blocks) {
      for (const target of this.#candidates(block)) preds.set(target, (preds.get(target) ?? 0) + 1);
    }
    const chains = new ChainEnds(this.#behind, this.#front);
    const free = (from: number, to: number): boolean =>
      to !== entry && !this.#front.has(to) && !chains.wouldClose(from, to);
    // First what has only one way to go and nobody competes for, then all in order.
    for (const pass of [0, 1]) {
      for (const block of this.#fn.blocks) {
        if (this.#behind.has(block.id)) continue;
        const candidates = this.#candidates(block);
        if (pass === 0 && (candidates.length !== 1 || preds.get(candidates[0] as number) !== 1)) continue;
        const to = candidates.find((candidate) => free(block.id, candidate));
        if (to !== undefined) chains.join(block.id, to);
      }
    }
    // A block that got nothing takes the place of one that has another way to go.
    for (const block of this.#fn.blocks) {
      if (this.#behind.has(block.id)) continue;
      for (const to of this.#candidates(block)) {
        const holder = this.#front.get(to);
        if (to === entry || holder === undefined) continue;
        const other = this.#candidates(must(this.#blockOf.get(holder), "block")).find(
          (candidate) => candidate !== to && candidate !== entry && !this.#front.has(candidate),
        );
        if (other === undefined) continue;
        chains.part(holder, to);
        if (free(holder, other)) {
          chains.join(holder, other);
          if (free(block.id, to)) {
            chains.join(block.id, to);
            break;
          }
          chains.part(holder, other);
        }
        chains.join(holder, to);
      }
    }
    return this.#fn.blocks.map((b) => b.id).filter((id) => !this.#front.has(id));
  }
}

/** Joins and parts chains; knows whether a join would make a ring. */
class ChainEnds {
  readonly #behind: Map<number, number>;
  readonly #front: Map<number, number>;
  /** The other end of the chain for its first and last block. */
  readonly #otherEnd = new Map<number, number>();

  constructor(behind: Map<number, number>, front: Map<number, number>) {
    this.#behind = behind;
    this.#front = front;
  }

  wouldClose(from: number, to: number): boolean {
    return (this.#otherEnd.get(from) ?? from) === to;
  }

  join(from: number, to: number): void {
    const head = this.#otherEnd.get(from) ?? from;
    const tail = this.#otherEnd.get(to) ?? to;
    this.#behind.set(from, to);
    this.#front.set(to, from);
    this.#otherEnd.set(head, tail);
    this.#otherEnd.set(tail, head);
  }

  part(from: number, to: number): void {
    this.#behind.delete(from);
    this.#front.delete(to);
    let head = from;
    for (let at = this.#front.get(head); at !== undefined; at = this.#front.get(head)) head = at;
    let tail = to;
    for (let at = this.#behind.get(tail); at !== undefined; at = this.#behind.get(tail)) tail = at;
    this.#otherEnd.set(head, from);
    this.#otherEnd.set(from, head);
    this.#otherEnd.set(tail, to);
    this.#otherEnd.set(to, tail);
  }
}
