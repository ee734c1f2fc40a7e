// Packet pointers that walk with their guards: `p += 14; if p > end goto fail` and then loads at p - 2, rather than a copy of the
// pointer for every guard. Where a base is read behind its guard only at constant offsets, the guarded sum takes over as base:
// the copy vanishes, and the next guard adds to it in place. IR to IR, the first step of code generation; the result keeps the
// IR's meaning but is for `select` only (validate.ts doesn't follow negative offsets). Knows no registers.

import { must } from "../base/assert.ts";
import { type DomTree, dominators, type Graph, graphOf, type Values, valuesOf } from "../ir/graph.ts";
import {
  type Block,
  type BlockId,
  edgesOf,
  type IrFunction,
  type IrInsn,
  mapTerm,
  operandsOf,
  type Terminator,
  termOperandsOf,
  type ValueId,
} from "../ir/ir.ts";

/**
 * A place where base + delta is read. `load` (stores too), `guard`, `offset` take any delta; `index` too, when its result's uses
 * do (they then take the difference); `fixed` wants the pointer itself.
 */
interface Use {
  readonly kind: "load" | "guard" | "offset" | "index" | "fixed";
  readonly block: BlockId;
  /** The instruction's place in its block; -1 for the terminator or an instruction of ours. */
  readonly index: number;
  /** The offset's or index's own value. */
  readonly value: ValueId | null;
  base: ValueId;
  delta: number;
}

/** Work allowed for one base: guards times uses or blocks; a base with more stays as it is. */
const budget = 20_000_000;

/** The function with its packet pointers rebased. */
export function rebase(fn: IrFunction): IrFunction {
  if (!fn.blocks.some((block) => block.term.op === "packetGuard")) return fn;
  return new Rebaser(fn).run();
}

class Rebaser {
  readonly #fn: IrFunction;
  readonly #graph: Graph;
  readonly #dom: DomTree;
  readonly #values: Values;
  readonly #uses = new Map<ValueId, Use[]>();
  readonly #useAt = new Map<BlockId, Map<number, Use>>();
  /** Offsets of ours, at the ends of blocks. */
  readonly #added = new Map<BlockId, Use[]>();
  /** The use that is an offset's own instruction, by the offset's value. */
  readonly #offsetOf = new Map<ValueId, Use>();
  /** How often an offset is read as a value. */
  readonly #fixedReads = new Map<ValueId, number>();
  /** Arguments that are replaced. */
  readonly #edgeArgs = new Map<BlockId, { target: BlockId; place: number; value: ValueId }[]>();
  #nextValue: number;

  constructor(fn: IrFunction) {
    this.#fn = fn;
    this.#graph = graphOf(fn);
    this.#dom = dominators(this.#graph);
    this.#values = valuesOf(fn);
    this.#nextValue = fn.nextValue;
  }

  run(): IrFunction {
    this.#collect();
    const work = [...this.#uses.keys()];
    // Grows while it is walked: a guarded sum is a base itself.
    for (let i = 0; i < work.length; i++) work.push(...this.#walkGuards(work[i] as ValueId));
    for (const block of this.#fn.blocks) {
      block.params.forEach((param, i) => {
        if (param.type === "pkt") this.#advanceParam(block, param.id, i);
      });
    }
    const blocks = this.#fn.blocks.map((block) => this.#rebuilt(block));
    return { ...this.#fn, blocks, nextValue: this.#nextValue };
  }

  #isPacket(v: ValueId): boolean {
    return this.#values.type[v] === "pkt";
  }

  /** The base that is no constant offset of another, and the distance to it. */
  #rootOf(v: ValueId): { base: ValueId; delta: number } {
    let delta = 0;
    for (let at = v; ; ) {
      const def = this.#values.def[at];
      if (def?.op !== "offset") return { base: at, delta };
      delta += def.bytes;
      at = def.base;
    }
  }

  #collect(): void {
    const movable = this.#movableIndexes();
    const needed = this.#neededOffsets(movable);
    const add = (use: Use): void => {
      const list = this.#uses.get(use.base) ?? [];
      if (list.length === 0) this.#uses.set(use.base, list);
      list.push(use);
      if (use.kind === "fixed") return;
      if (use.kind === "offset" && use.value !== null) this.#offsetOf.set(use.value, use);
      const row = this.#useAt.get(use.block) ?? new Map<number, Use>();
      this.#useAt.set(use.block, row.set(use.index, use));
    };
    for (const id of this.#graph.order) {
      const block = must(this.#graph.blockOf[id], "block");
      const fixed = (v: ValueId): void => {
        // An offset's own instruction is the use of its base.
        if (!this.#isPacket(v) || this.#values.def[v]?.op === "offset") return;
        add({ kind: "fixed", block: id, index: -1, value: null, base: v, delta: 0 });
      };
      block.insns.forEach((insn, index) => {
        if ((insn.op === "load" || insn.op === "store") && this.#isPacket(insn.base)) {
          const { base, delta } = this.#rootOf(insn.base);
          add({ kind: "load", block: id, index, value: null, base, delta: delta + insn.offset });
        } else if (insn.op === "offset" && this.#isPacket(insn.base)) {
          if (needed.has(insn.id)) add({ kind: "offset", block: id, index, value: insn.id, ...this.#rootOf(insn.id) });
        } else if (insn.op === "index" && movable.has(insn.id)) {
          add({ kind: "index", block: id, index, value: insn.id, ...this.#rootOf(insn.base) });
        } else operandsOf(insn).forEach(fixed);
      });
      const { term } = block;
      if (term.op === "packetGuard") {
        const { base, delta } = this.#rootOf(term.base);
        add({ kind: "guard", block: id, index: -1, value: null, base, delta: delta + term.bytes });
      } else termOperandsOf(term).forEach(fixed);
      for (const edge of edgesOf(term)) edge.args.forEach(fixed);
    }
    // An index of base + delta is the index of base, moved.
    for (const list of [...this.#uses.values()])
      for (const use of list) if (use.kind === "index") this.#moveIndex(use, 0);
  }

  /** Indexes whose results are read only where a constant can be added for nothing. */
  #movableIndexes(): Set<ValueId> {
    const movable = new Set<ValueId>();
    for (const block of this.#fn.blocks) {
      for (const insn of block.insns) if (insn.op === "index" && insn.type === "pkt") movable.add(insn.id);
    }
    const pin = (v: ValueId): void => {
      movable.delete(v);
    };
    for (const block of this.#fn.blocks) {
      for (const insn of block.insns) {
        if (insn.op === "offset" || insn.op === "load") continue;
        if (insn.op === "store") pin(insn.value);
        else if (insn.op === "index") pin(insn.index);
        else operandsOf(insn).forEach(pin);
      }
      if (block.term.op !== "packetGuard") termOperandsOf(block.term).forEach(pin);
      for (const edge of edgesOf(block.term)) edge.args.forEach(pin);
    }
    // The base of an index that can't take a delta must be exact itself.
    for (const block of this.#fn.blocks) {
      for (const insn of block.insns) if (insn.op === "index" && !movable.has(insn.id)) pin(insn.base);
    }
    return movable;
  }

  /** Offsets that something reads as a value; the others fold into their users. */
  #neededOffsets(movable: ReadonlySet<ValueId>): Set<ValueId> {
    const needed = new Set<ValueId>();
    const need = (v: ValueId): void => {
      if (this.#values.def[v]?.op !== "offset") return;
      needed.add(v);
      this.#fixedReads.set(v, (this.#fixedReads.get(v) ?? 0) + 1);
    };
    for (const block of this.#fn.blocks) {
      for (const insn of block.insns) {
        if (insn.op === "load" || insn.op === "store" || insn.op === "offset") continue;
        if (insn.op !== "index" || !movable.has(insn.id)) operandsOf(insn).forEach(need);
      }
      if (block.term.op !== "packetGuard") termOperandsOf(block.term).forEach(need);
      for (const edge of edgesOf(block.term)) edge.args.forEach(need);
    }
    return needed;
  }

  /** Makes an index exact in its base: its result lies by `use.delta - delta` lower, which its readers add. */
  #moveIndex(use: Use, delta: number): void {
    const by = use.delta - delta;
    use.delta = delta;
    if (by === 0) return;
    for (const reader of this.#uses.get(must(use.value, "index")) ?? []) {
      if (reader.kind === "index") this.#moveIndex({ ...reader, delta: by }, 0);
      else reader.delta += by;
    }
  }

  /** Lets guarded sums take over from `root`; returns them. */
  #walkGuards(root: ValueId): ValueId[] {
    const uses = this.#uses.get(root) ?? [];
    const guards = uses.filter((use) => use.kind === "guard");
    if (guards.length * Math.max(uses.length, this.#graph.order.length) > budget) return [];
    guards.sort((a, b) => this.#position(a.block) - this.#position(b.block));
    const made: ValueId[] = [];
    for (const guard of guards) {
      if (guard.base !== root || guard.delta === 0) continue;
      const sum = this.#takeOver(root, guard);
      if (sum !== null) made.push(sum);
    }
    return made;
  }

  #position(block: BlockId): number {
    return this.#graph.position[block] as number;
  }

  #takeOver(root: ValueId, guard: Use): ValueId | null {
    const { term } = must(this.#graph.blockOf[guard.block], "block");
    if (term.op !== "packetGuard" || (this.#graph.preds[term.ok.target] as readonly BlockId[]).length !== 1)
      return null;
    const region = term.ok.target;
    const uses = must(this.#uses.get(root), "uses");
    const behind = uses.filter((use) => use.kind !== "fixed" && this.#dom.dominates(region, use.block));
    if (behind.length === 0) return null;
    const moving = new Set(behind);
    const others = uses.filter((use) => use !== guard && !moving.has(use));
    let moved = behind;
    if (this.#isLiveAt(root, others, region)) {
      // The root stays in its register anyway; only guards gain by another base.
      moved = behind.filter((use) => use.kind === "guard");
      if (moved.length === 0) return null;
    }
    const sum = this.#nextValue++;
    const bytes = guard.delta;
    const gone = new Set(moved).add(guard);
    const definition: Use = { kind: "offset", block: guard.block, index: -1, value: sum, base: root, delta: bytes };
    this.#uses.set(root, [...uses.filter((use) => !gone.has(use)), definition]);
    this.#addAtEnd(definition);
    for (const use of gone) {
      use.base = sum;
      use.delta -= bytes;
      if (use.kind === "index") this.#moveIndex(use, 0);
    }
    this.#uses.set(sum, [...gone]);
    return sum;
  }

  /**
   * A parameter that is only read through one guarded sum becomes that sum: what the arguments' own offsets swallow, or make
   * vanish, is saved.
   */
  #advanceParam(block: Block, param: ValueId, place: number): void {
    const uses = this.#uses.get(param) ?? [];
    const [definition] = uses;
    if (uses.length !== 1 || definition === undefined || definition.kind !== "offset" || definition.index !== -1)
      return;
    const bytes = definition.delta;
    let cost = 0;
    const preds = new Set(this.#graph.preds[block.id] as readonly BlockId[]);
    const steps: (() => void)[] = [];
    for (const pred of preds) {
      for (const edge of edgesOf(must(this.#graph.blockOf[pred], "block").term)) {
        if (edge.target !== block.id) continue;
        const arg = must(edge.args[place], "argument");
        if (this.#values.def[arg]?.op === "undef") continue;
        const own = this.#offsetOf.get(arg);
        if (own !== undefined && this.#fixedReads.get(arg) === 1) {
          cost += Number(own.delta + bytes !== 0) - Number(own.delta !== 0);
          steps.push(() => {
            own.delta += bytes;
          });
        } else {
          cost++;
          steps.push(() => {
            const value = this.#nextValue++;
            this.#addAtEnd({ kind: "offset", block: pred, index: -1, value, base: arg, delta: bytes });
            const others = this.#edgeArgs.get(pred) ?? [];
            this.#edgeArgs.set(pred, [...others, { target: block.id, place, value }]);
          });
        }
      }
    }
    if (cost >= 1) return;
    for (const step of steps) step();
    const sum = must(definition.value, "sum");
    const left = must(this.#added.get(definition.block), "sum").filter((use) => use !== definition);
    this.#added.set(definition.block, left);
    const readers = this.#uses.get(sum) ?? [];
    for (const use of readers) use.base = param;
    this.#uses.set(param, readers);
    this.#uses.delete(sum);
  }

  #addAtEnd(use: Use): void {
    this.#added.set(use.block, [...(this.#added.get(use.block) ?? []), use]);
  }

  /** Whether one of the uses is reached from the start of `block` without passing the root's definition. */
  #isLiveAt(root: ValueId, uses: readonly Use[], block: BlockId): boolean {
    const home = this.#values.block[root] as number;
    const seen = new Set<BlockId>();
    const work: BlockId[] = [];
    const reach = (id: BlockId): void => {
      if (id === home || seen.has(id)) return;
      seen.add(id);
      work.push(id);
    };
    for (const use of uses) reach(use.block);
    for (let at = work.pop(); at !== undefined; at = work.pop()) {
      if (at === block) return true;
      for (const pred of this.#graph.preds[at] as readonly BlockId[]) reach(pred);
    }
    return false;
  }

  #rebuilt(block: Block): Block {
    const row = this.#useAt.get(block.id) ?? new Map<number, Use>();
    const insns = block.insns.map((insn, i): IrInsn => {
      const use = row.get(i);
      if (use === undefined) return insn;
      if (insn.op === "load" || insn.op === "store") return { ...insn, base: use.base, offset: use.delta };
      if (insn.op === "offset") return { ...insn, base: use.base, bytes: use.delta };
      if (insn.op === "index") return { ...insn, base: use.base };
      return insn;
    });
    const term = this.#withArgs(block);
    const { origin } = term;
    for (const { value, base, delta } of this.#added.get(block.id) ?? []) {
      // An `index` stays a base of its own in `select`; an `offset` would fold back into its users.
      const index = this.#nextValue++;
      insns.push({ op: "const", id: index, type: "i64", value: BigInt.asUintN(64, BigInt(delta)), origin });
      insns.push({ op: "index", id: must(value, "sum"), type: "pkt", base, index, origin });
    }
    const guard = row.get(-1);
    if (guard === undefined || term.op !== "packetGuard") return { ...block, insns, term };
    return { ...block, insns, term: { ...term, base: guard.base, bytes: guard.delta } };
  }

  #withArgs(block: Block): Terminator {
    const own = this.#edgeArgs.get(block.id);
    if (own === undefined) return block.term;
    const same = (v: ValueId): ValueId => v;
    return mapTerm(block.term, same, (edge) => {
      const args = edge.args.map((arg, i) => own.find((x) => x.target === edge.target && x.place === i)?.value ?? arg);
      return { ...edge, args };
    });
  }
}
