// Packet pointers that walk: `p += 14; if p > end goto fail` and then loads at p - 2, rather than a copy of the pointer for
// every guard and every header. Two steps. First sums take over: where a base is read behind a guard (or behind a sum that is
// needed as a value) only at constant offsets, the sum becomes the base, so it is made in place. Then biases: each pointer may be
// kept some bytes further on than the IR says, chosen so that most of the remaining additions are additions of 0.
// IR to IR, the first step of code generation; the result keeps the IR's meaning but is for `select` only (validate.ts
// doesn't follow negative offsets). Knows no registers.

import { must } from "../base/assert.ts";
import { type DomTree, dominators, type Graph, graphOf, type Values, valuesOf } from "../ir/graph.ts";
import {
  type Block,
  type BlockId,
  type Edge,
  edgesOf,
  type IrFunction,
  type IrInsn,
  mapTerm,
  type Origin,
  operandsOf,
  type Terminator,
  termOperandsOf,
  type ValueId,
} from "../ir/ir.ts";
import { chooseBiases, type Relation } from "./bias.ts";

/**
 * A place where base + delta is read. `load` (stores too), `guard`, `offset` and `index` take any delta; `fixed` wants the
 * pointer itself.
 */
interface Use {
  readonly kind: "load" | "guard" | "offset" | "index" | "fixed";
  readonly block: BlockId;
  /** The offset's or index's own value. */
  readonly value: ValueId | null;
  base: ValueId;
  delta: number;
  /** An offset that took over as a base: made at its block's end. */
  atEnd: boolean;
}

/** An edge's argument that is a packet pointer. */
interface Argument {
  readonly block: BlockId;
  readonly target: BlockId;
  readonly place: number;
  readonly arg: ValueId;
  readonly param: ValueId;
}

/** Work allowed for one base: its sums times its uses or the blocks; a base with more stays as it is. */
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
  /** By block and place (the number of instructions for the terminator): the use there. */
  readonly #useAt = new Map<BlockId, Map<number, Use>>();
  /** Sums made at the ends of blocks. */
  readonly #atEnd = new Map<BlockId, Use[]>();
  readonly #arguments: Argument[] = [];
  /** Pointers that something reads exactly as they are. */
  readonly #exact = new Set<ValueId>();
  /** Offsets read by an instruction of their own block: they can't wait for its end. */
  readonly #early = new Set<ValueId>();
  /** The blocks that define sums of ours. */
  readonly #homes = new Map<ValueId, BlockId>();
  /** By sum: the pointer it is the same as, since nothing is added any more. */
  readonly #aliases = new Map<ValueId, ValueId>();
  /** By the first of them: the names of one register. */
  readonly #names = new Map<ValueId, ValueId[]>();
  #biases: ReadonlyMap<ValueId, number> = new Map();
  /** Work left for #isReadAfterFailure. */
  #budget = budget;
  #nextValue: number;

  constructor(fn: IrFunction) {
    this.#fn = fn;
    this.#graph = graphOf(fn);
    this.#dom = dominators(this.#graph);
    this.#values = valuesOf(fn);
    this.#nextValue = fn.nextValue;
  }

  run(): IrFunction {
    for (const id of this.#graph.order) this.#collect(must(this.#graph.blockOf[id], "block"));
    this.#dropUnneeded();
    const work = [...this.#uses.keys()];
    // Grows while it is walked: a sum that took over is a base itself.
    for (let i = 0; i < work.length; i++) work.push(...this.#walk(work[i] as ValueId));
    this.#biases = chooseBiases(this.#relations(), (v) => this.#isMovable(v));
    this.#findAliases();
    return { ...this.#fn, blocks: this.#fn.blocks.map((block) => this.#rebuilt(block)), nextValue: this.#nextValue };
  }

  // What there is

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

  #add(use: Use, place: number): void {
    const list = this.#uses.get(use.base) ?? [];
    if (list.length === 0) this.#uses.set(use.base, list);
    list.push(use);
    if (use.kind === "fixed") return;
    const row = this.#useAt.get(use.block) ?? new Map<number, Use>();
    this.#useAt.set(use.block, row.set(place, use));
  }

  #collect(block: Block): void {
    const add = (kind: Use["kind"], place: number, value: ValueId | null, base: ValueId, more: number): void => {
      const root = this.#rootOf(base);
      const use = { kind, block: block.id, value, base: root.base, delta: root.delta + more, atEnd: false };
      this.#add(use, place);
    };
    const fixed = (v: ValueId): void => {
      if (!this.#isPacket(v)) return;
      this.#add({ kind: "fixed", block: block.id, value: null, base: v, delta: 0, atEnd: false }, -1);
    };
    const exact = (v: ValueId): void => {
      if (!this.#isPacket(v)) return;
      fixed(v);
      this.#exact.add(v);
      if (this.#values.block[v] === block.id) this.#early.add(v);
    };
    block.insns.forEach((insn, place) => {
      if ((insn.op === "load" || insn.op === "store") && this.#isPacket(insn.base)) {
        add("load", place, null, insn.base, insn.offset);
      } else if (insn.op === "offset" && this.#isPacket(insn.base)) add("offset", place, insn.id, insn.id, 0);
      else if (insn.op === "index" && this.#isPacket(insn.base)) add("index", place, insn.id, insn.base, 0);
      else operandsOf(insn).forEach(exact);
    });
    const { term } = block;
    if (term.op === "packetGuard") add("guard", block.insns.length, null, term.base, term.bytes);
    else termOperandsOf(term).forEach(exact);
    for (const edge of edgesOf(term)) {
      const { params } = must(this.#graph.blockOf[edge.target], "block");
      edge.args.forEach((arg, place) => {
        if (!this.#isPacket(arg)) return;
        fixed(arg);
        const param = must(params[place], "parameter").id;
        if (this.#values.def[arg]?.op === "undef") return;
        this.#arguments.push({ block: block.id, target: edge.target, place, arg, param });
      });
    }
  }

  /** Forgets offsets that only fold into their users. */
  #dropUnneeded(): void {
    for (const [base, uses] of this.#uses) {
      const needed = uses.filter((use) => use.kind !== "offset" || this.#uses.has(must(use.value, "offset")));
      this.#uses.set(base, needed);
    }
  }

  // Sums that take over

  /** Lets sums take over from `root` where that helps; returns them. */
  #walk(root: ValueId): ValueId[] {
    const uses = this.#uses.get(root) ?? [];
    const points = uses.filter((use) => use.kind === "guard" || use.kind === "offset");
    if (points.length * Math.max(uses.length, this.#graph.order.length) > budget) return [];
    points.sort((a, b) => this.#position(a.block) - this.#position(b.block) || Number(b.kind < a.kind));
    const made: ValueId[] = [];
    for (const point of points) {
      if (point.base !== root || point.delta === 0) continue;
      const sum = point.kind === "guard" ? this.#guardTakesOver(root, point) : this.#offsetTakesOver(root, point);
      if (sum !== null) made.push(sum);
    }
    return made;
  }

  #position(block: BlockId): number {
    return this.#graph.position[block] as number;
  }

  #guardTakesOver(root: ValueId, guard: Use): ValueId | null {
    const { term } = must(this.#graph.blockOf[guard.block], "block");
    if (term.op !== "packetGuard") return null;
    const region = term.ok.target;
    if ((this.#graph.preds[region] as readonly BlockId[]).length !== 1) return null;
    const moved = this.#movedBehind(root, guard, [region], (block) => this.#dom.dominates(region, block));
    if (moved.length === 0) return null;
    const sum = this.#nextValue++;
    const definition: Use = { ...guard, kind: "offset", value: sum, atEnd: true };
    must(this.#uses.get(root), "uses").push(definition);
    this.#homes.set(sum, guard.block);
    this.#sumAtEnd(definition);
    this.#takeOver(root, sum, guard.delta, [guard, ...moved]);
    return sum;
  }

  #offsetTakesOver(root: ValueId, offset: Use): ValueId | null {
    const sum = must(offset.value, "offset");
    if (offset.atEnd || this.#early.has(sum)) return null;
    const { block } = offset;
    const behind = (other: BlockId): boolean => other !== block && this.#dom.dominates(block, other);
    const moved = this.#movedBehind(root, offset, this.#graph.succs[block] as readonly BlockId[], behind);
    if (moved.length === 0) return null;
    offset.atEnd = true;
    this.#sumAtEnd(offset);
    this.#takeOver(root, sum, offset.delta, moved);
    return sum;
  }

  /** The uses of root that may move to a sum: all behind it, or where root stays alive only those that cost an addition. */
  #movedBehind(root: ValueId, point: Use, starts: readonly BlockId[], isBehind: (block: BlockId) => boolean): Use[] {
    const uses = must(this.#uses.get(root), "uses");
    const behind = uses.filter((use) => use !== point && use.kind !== "fixed" && isBehind(use.block));
    if (behind.length === 0) return behind;
    const moving = new Set(behind);
    const others = uses.filter((use) => use !== point && !moving.has(use));
    if (!this.#isLiveAt(root, others, starts)) return behind;
    return behind.filter((use) => use.kind === "guard" || use.kind === "offset");
  }

  #takeOver(root: ValueId, sum: ValueId, bytes: number, moved: readonly Use[]): void {
    const gone = new Set(moved);
    this.#uses.set(
      root,
      must(this.#uses.get(root), "uses").filter((use) => !gone.has(use)),
    );
    for (const use of moved) {
      use.base = sum;
      use.delta -= bytes;
    }
    this.#uses.set(sum, [...(this.#uses.get(sum) ?? []), ...moved]);
  }

  #sumAtEnd(use: Use): void {
    const list = this.#atEnd.get(use.block) ?? [];
    if (list.length === 0) this.#atEnd.set(use.block, list);
    list.push(use);
  }

  /** Whether one of the uses is reached from the start of one of the blocks without passing the root's definition. */
  #isLiveAt(root: ValueId, uses: readonly Use[], blocks: readonly BlockId[]): boolean {
    const live = this.#liveBlocks(root, uses);
    return blocks.some((block) => live.has(block));
  }

  #liveBlocks(root: ValueId, uses: readonly Use[]): ReadonlySet<BlockId> {
    const home = this.#homes.get(root) ?? this.#values.block[root] ?? -1;
    const seen = new Set<BlockId>();
    const work: BlockId[] = [];
    const reach = (id: BlockId): void => {
      if (id === home || seen.has(id)) return;
      seen.add(id);
      work.push(id);
    };
    for (const use of uses) reach(use.block);
    for (let at = work.pop(); at !== undefined; at = work.pop()) {
      for (const pred of this.#graph.preds[at] as readonly BlockId[]) reach(pred);
    }
    return seen;
  }

  // Biases

  #isMovable(v: ValueId): boolean {
    if (this.#exact.has(v)) return false;
    const op = this.#values.def[v]?.op;
    // A parameter or a sum of ours has no instruction.
    return op === undefined || op === "offset" || op === "index";
  }

  #relations(): Relation[] {
    const relations: Relation[] = [];
    for (const [base, uses] of this.#uses) {
      for (const { kind, value, delta } of uses) {
        if (kind === "guard") relations.push({ from: base, to: null, distance: delta, joins: false });
        else if (kind === "offset" || kind === "index")
          relations.push({ from: base, to: value, distance: delta, joins: false });
      }
    }
    for (const { arg, param } of this.#arguments) relations.push({ from: arg, to: param, distance: 0, joins: true });
    return relations;
  }

  #bias(v: ValueId): number {
    return this.#biases.get(v) ?? 0;
  }

  // The new function

  #rebuilt(block: Block): Block {
    const row = this.#useAt.get(block.id);
    const insns: IrInsn[] = [];
    block.insns.forEach((insn, place) => {
      const use = row?.get(place);
      if (use === undefined) insns.push(insn);
      else if (!use.atEnd && (use.kind !== "offset" || this.#uses.has(must(use.value, "offset")))) {
        this.#pushMoved(insns, insn, use);
      }
    });
    const { origin } = block.term;
    for (const use of this.#atEnd.get(block.id) ?? []) {
      const sum = must(use.value, "sum");
      this.#pushSum(insns, sum, use.base, use.delta + this.#bias(sum) - this.#bias(use.base), origin);
    }
    const term = this.#withArguments(block, insns);
    const guard = row?.get(block.insns.length);
    if (guard === undefined || term.op !== "packetGuard") return { ...block, insns, term };
    const bytes = guard.delta - this.#bias(guard.base);
    let base = guard.base;
    if (bytes === 0 && this.#isReadAfterFailure(base, term.fail)) {
      base = this.#nextValue++;
      this.#pushCopy(insns, base, guard.base, origin);
    }
    return { ...block, insns, term: { ...term, base, bytes } };
  }

  /**
   * Whether the register that a guard compares is read where it fails. The verifier marks that register as beyond the end and
   * forgets what was known of its range, so then a copy must be compared.
   * **Source:** Linux kernel/bpf/verifier.c, mark_pkt_end.
   */
  #isReadAfterFailure(compared: ValueId, fail: Edge): boolean {
    const names = this.#names.get(this.#aliasRoot(compared)) ?? [compared];
    this.#budget -= names.length * this.#graph.order.length;
    if (this.#budget < 0 || fail.args.some((arg) => names.includes(arg))) return true;
    return names.some((v) => this.#liveBlocks(v, this.#uses.get(v) ?? []).has(fail.target));
  }

  #aliasRoot(v: ValueId): ValueId {
    let root = v;
    for (let at = this.#aliases.get(root); at !== undefined; at = this.#aliases.get(root)) root = at;
    return root;
  }

  /** Finds the sums to which nothing is added any more: names of one register. */
  #findAliases(): void {
    for (const uses of this.#uses.values()) {
      for (const { kind, value, base, delta } of uses) {
        if (kind !== "offset" || value === null) continue;
        if (delta + this.#bias(value) - this.#bias(base) === 0) this.#aliases.set(value, base);
      }
    }
    for (const v of this.#aliases.keys()) {
      const root = this.#aliasRoot(v);
      const names = this.#names.get(root) ?? [root];
      names.push(v);
      this.#names.set(root, names);
    }
  }

  #pushMoved(insns: IrInsn[], insn: IrInsn, use: Use): void {
    const delta = use.delta - this.#bias(use.base);
    if (insn.op === "load" || insn.op === "store") insns.push({ ...insn, base: use.base, offset: delta });
    else if (insn.op === "offset") insns.push({ ...insn, base: use.base, bytes: delta + this.#bias(insn.id) });
    else if (insn.op === "index") {
      const rest = delta + this.#bias(insn.id);
      const id = rest === 0 ? insn.id : this.#nextValue++;
      insns.push({ ...insn, base: use.base, id });
      if (rest !== 0) this.#pushSum(insns, insn.id, id, rest, insn.origin);
    }
  }

  /** An `index` by a constant stays a base of its own in `select`; an `offset` would fold back into its users. */
  #pushSum(insns: IrInsn[], id: ValueId, base: ValueId, bytes: number, origin: Origin): void {
    if (bytes === 0) {
      insns.push({ op: "offset", id, type: "pkt", base, bytes, origin });
      return;
    }
    this.#pushIndex(insns, id, base, bytes, origin);
  }

  #pushCopy(insns: IrInsn[], id: ValueId, base: ValueId, origin: Origin): void {
    this.#pushIndex(insns, id, base, 0, origin);
  }

  #pushIndex(insns: IrInsn[], id: ValueId, base: ValueId, bytes: number, origin: Origin): void {
    const index = this.#nextValue++;
    insns.push({ op: "const", id: index, type: "i64", value: BigInt.asUintN(64, BigInt(bytes)), origin });
    insns.push({ op: "index", id, type: "pkt", base, index, origin });
  }

  /** The terminator, with arguments brought to their parameters' biases by instructions at the block's end. */
  #withArguments(block: Block, insns: IrInsn[]): Terminator {
    const same = (v: ValueId): ValueId => v;
    return mapTerm(block.term, same, (edge) => {
      const { params } = must(this.#graph.blockOf[edge.target], "block");
      const args = edge.args.map((arg, place) => {
        const param = must(params[place], "parameter").id;
        const bytes = this.#bias(param) - this.#bias(arg);
        if (!this.#isPacket(arg) || bytes === 0 || this.#values.def[arg]?.op === "undef") return arg;
        const id = this.#nextValue++;
        this.#pushSum(insns, id, arg, bytes, block.term.origin);
        return id;
      });
      return { ...edge, args };
    });
  }
}
