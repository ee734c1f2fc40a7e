// Jump threading: where the way into a block decides how it ends (an argument is a constant, a dominating branch said so, a
// guard was proven), the edge goes to a copy of the block that ends in a jump. A copy is shared by all edges that bring the
// same knowledge, so chains of joins collapse in one walk: "no header" three joins deep goes straight to its end. Copies make
// values with several definitions; `repairSsa` puts that right.

import { must } from "../../base/assert.ts";
import { evaluateBinary, swapBytes } from "../arithmetic.ts";
import { isRemovable } from "../effects.ts";
import {
  blockAt,
  type DomTree,
  dominators,
  type Graph,
  graphOf,
  type Values,
  valuesOf,
  walkDominators,
} from "../graph.ts";
import {
  type Block,
  type BlockId,
  type Edge,
  edgesOf,
  type IrFunction,
  type IrInsn,
  mapTerm,
  operandsOf,
  type Pass,
  type Terminator,
  termOperandsOf,
  type ValueId,
} from "../ir.ts";
import { type Places, placesOf } from "../known-bytes.ts";
import { TestChains } from "./chains.ts";
import { domainsOf } from "./domains.ts";
import { sameEdge, sharedValues } from "./edit.ts";
import { type Alias, type Domains, Facts } from "./facts.ts";
import { simplifyParams } from "./params.ts";
import { repairSsa } from "./repair.ts";

/** Blocks with more instructions than this (constants not counted) are not copied. */
const COPY_LIMIT = 8;
/** Copies of one block. */
const COPIES_LIMIT = 24;
/** Equalities a copy knows of beside its own parameters. */
const INHERITED_LIMIT = 48;
/** Blocks that only jump and are looked through in search of one that is decided. */
const LOOK_THROUGH = 6;
/** A value tested against more constants than this isn't worth a copy of what follows for each of them. */
const CONSTANTS_LIMIT = 16;

/** Redirects edges past blocks whose end they decide. */
export const thread: Pass = (fn) => {
  const threaded = new Threader(fn).run();
  return threaded === fn ? fn : simplified(repairSsa(threaded));
};

/** Without parameters that don't vary: each of two that follow one another may be seen only when the other is gone. */
function simplified(fn: IrFunction): IrFunction {
  let now = simplifyParams(fn);
  for (let next = simplifyParams(now); next !== now; next = simplifyParams(now)) now = next;
  return now;
}

// A block as seen from one edge: which edge it takes, and what is known after that.
interface Seen {
  readonly outcome: number;
  readonly constants: ReadonlyMap<ValueId, bigint>;
}

/** Values that are known to be constants, by rising number. */
type Known = readonly (readonly [ValueId, bigint])[];

class Threader {
  readonly #fn: IrFunction;
  readonly #graph: Graph;
  readonly #tree: DomTree;
  readonly #values: Values;
  readonly #places: Places;
  readonly #domains: Domains;
  readonly #lastNeeded: Int32Array;
  readonly #tested: ReadonlyMap<ValueId, ReadonlySet<bigint>>;
  readonly #shared: ReadonlySet<ValueId>;
  readonly #chains: TestChains;
  readonly #isHeader: Uint8Array;
  readonly #copies = new Map<string, BlockId | null>();
  /** Where a block that is stepped over leads. */
  readonly #beyond = new Map<string, Edge>();
  /** 1: small enough to copy, 2: not, 0: not looked at yet. */
  readonly #copyable: Uint8Array;
  readonly #copyCount: Int32Array;
  readonly #made: Block[] = [];
  readonly #unfinished: { readonly block: Block; readonly copy: BlockId; readonly out: Edge; readonly env: Facts }[] =
    [];
  #nextBlock: BlockId;
  #room: number;

  constructor(fn: IrFunction) {
    this.#fn = fn;
    this.#graph = graphOf(fn);
    this.#tree = dominators(this.#graph);
    this.#values = valuesOf(fn);
    this.#places = placesOf(this.#graph);
    this.#domains = domainsOf(fn, this.#values);
    this.#lastNeeded = lastNeeded(this.#graph, this.#values);
    this.#tested = testedConstants(fn, this.#values);
    this.#shared = sharedValues(fn);
    this.#chains = new TestChains(this.#graph, this.#values, this.#shared);
    this.#isHeader = headersOf(this.#graph);
    this.#copyable = new Uint8Array(fn.nextBlock);
    this.#copyCount = new Int32Array(fn.nextBlock);
    this.#nextBlock = fn.nextBlock;
    this.#room = 4 * fn.blocks.length + 1000;
  }

  run(): IrFunction {
    const facts = this.#newFacts();
    const terms = new Map<BlockId, Terminator>();
    // Down the dominator tree with facts that hold in the whole subtree; `marks` are what to go back to.
    const marks: number[] = [];
    const enter = (id: BlockId): void => {
      marks.push(facts.mark());
      this.#learnEntry(id, facts);
      const term = this.#threadTerm(blockAt(this.#graph, id), facts);
      if (term !== null) terms.set(id, term);
    };
    walkDominators(this.#graph, enter, () => facts.forget(marks.pop() as number));
    this.#finishCopies();
    if (terms.size === 0) return this.#fn;
    const blocks = this.#fn.blocks.map((b) => {
      const term = terms.get(b.id);
      return term === undefined ? b : { ...b, term };
    });
    return { ...this.#fn, blocks: [...blocks, ...this.#made], nextBlock: this.#nextBlock };
  }

  #newFacts(): Facts {
    return new Facts(this.#values, this.#places, this.#domains);
  }

  // A block with one way in knows what that way says.
  #learnEntry(id: BlockId, facts: Facts): void {
    const preds = this.#graph.preds[id] as readonly BlockId[];
    const pred = preds[0];
    if (preds.length !== 1 || pred === undefined) return;
    const { term } = blockAt(this.#graph, pred);
    const edges = edgesOf(term);
    const which = edges.findIndex((e) => e.target === id);
    facts.learn(term, which);
    this.#learnArgs(blockAt(this.#graph, id), edges[which] as Edge, facts);
  }

  #learnArgs(block: Block, edge: Edge, facts: Facts): void {
    block.params.forEach((param, i) => {
      const constant = facts.constant(edge.args[i] as ValueId);
      if (constant !== undefined) facts.learnEqual(param.id, constant);
    });
  }

  // The block's new end, or null where nothing changes.
  #threadTerm(block: Block, facts: Facts): Terminator | null {
    const decided = facts.decide(block.term);
    if (decided !== -1) {
      const edge = edgesOf(block.term)[decided] as Edge;
      return { op: "jump", edge: this.#fromEdge(block.term, decided, edge, facts), origin: block.term.origin };
    }
    const edges = edgesOf(block.term);
    const redirected = edges.map((edge, which) => this.#fromEdge(block.term, which, edge, facts));
    if (redirected.every((edge, which) => edge === edges[which])) return null;
    let which = 0;
    return mapTerm(
      block.term,
      (v) => v,
      () => redirected[which++] as Edge,
    );
  }

  #fromEdge(term: Terminator, which: number, edge: Edge, facts: Facts): Edge {
    const mark = facts.mark();
    facts.learn(term, which);
    const redirected = this.#redirect(edge, facts, LOOK_THROUGH);
    facts.forget(mark);
    return redirected;
  }

  // Where an edge should go, given what is known on it; the same edge where nothing better is found. Decided blocks that
  // compute nothing others read are stepped over; the first other one is copied, where it is decided too.
  #redirect(start: Edge, given: Facts, patience: number): Edge {
    let edge = start;
    let facts = given;
    const passed: string[] = [];
    for (;;) {
      const block = blockAt(this.#graph, edge.target);
      if (!this.#mayCopy(block)) break;
      const skipped = this.#chains.skip(block, (v) => facts.constant(v));
      if (skipped !== null) {
        edge = skipped;
        continue;
      }
      const seen = this.#look(block, edge, facts);
      if (seen.outcome === -1) break;
      const known = this.#knownAfter(block, seen, facts);
      const key = `${block.id} ${seen.outcome} ${known.map(([v, c]) => `${v}=${c}`).join(" ")}`;
      const out = edgesOf(block.term)[seen.outcome] as Edge;
      const over = this.#stepOver(block, edge, out);
      if (over === null) {
        edge = this.#toCopy(block, edge, out, key, known, seen.outcome, patience);
        break;
      }
      const beyond = this.#beyond.get(key);
      if (beyond !== undefined) {
        edge = beyond;
        break;
      }
      if (!this.#takeRoom(block)) break;
      // Without parameters, where this leads depends on what the key says alone.
      if (block.params.length === 0) passed.push(key);
      facts = this.#factsAfter(block, seen.outcome, known);
      edge = over;
    }
    for (const key of passed) this.#beyond.set(key, edge);
    return edge;
  }

  // The way on from a block that decides itself for `out` if nothing it computes is read elsewhere or passed on.
  #stepOver(block: Block, edge: Edge, out: Edge): Edge | null {
    if (!this.#isHollow(block)) return null;
    const args: ValueId[] = [];
    for (const arg of out.args) {
      const param = block.params.findIndex((p) => p.id === arg);
      if (param === -1 && this.#values.block[arg] === block.id) return null;
      args.push(param === -1 ? arg : (edge.args[param] as ValueId));
    }
    return { target: out.target, args };
  }

  #isHollow(block: Block): boolean {
    if (block.params.some((p) => this.#shared.has(p.id))) return false;
    return block.insns.every((insn) => isRemovable(insn) && "id" in insn && !this.#shared.has(insn.id));
  }

  #factsAfter(block: Block, outcome: number, known: Known): Facts {
    const facts = this.#newFacts();
    for (const [value, constant] of known) facts.learnEqual(value, constant);
    facts.learn(block.term, outcome);
    return facts;
  }

  #takeRoom(block: Block): boolean {
    if ((this.#copyCount[block.id] as number) >= COPIES_LIMIT || this.#room <= 0) return false;
    this.#room--;
    this.#copyCount[block.id] = (this.#copyCount[block.id] as number) + 1;
    return true;
  }

  #toCopy(block: Block, edge: Edge, out: Edge, key: string, known: Known, outcome: number, patience: number): Edge {
    const isJump = block.term.op === "jump";
    if (isJump && patience === 0) return edge;
    const old = this.#copies.get(key);
    if (old !== undefined) return old === null ? edge : { target: old, args: edge.args };
    if (!this.#takeRoom(block)) return edge;
    this.#copies.set(key, null);
    const env = this.#factsAfter(block, outcome, known);
    if (!isJump) {
      const copy = this.#newCopy(key);
      this.#unfinished.push({ block, copy, out, env });
      return { target: copy, args: edge.args };
    }
    // A block that only jumps is worth a copy only when the copy jumps elsewhere.
    const next = this.#redirect(out, env, patience - 1);
    if (sameEdge(next, out)) return edge;
    const copy = this.#newCopy(key);
    this.#finishCopy(block, copy, next);
    return { target: copy, args: edge.args };
  }

  #newCopy(key: string): BlockId {
    const id = this.#nextBlock++;
    this.#copies.set(key, id);
    return id;
  }

  #finishCopy(block: Block, copy: BlockId, edge: Edge): void {
    this.#made.push({ ...block, id: copy, term: { op: "jump", edge, origin: block.term.origin } });
  }

  // Where copies of decided blocks go on to; a list rather than recursion, for chains are as long as rule lists.
  #finishCopies(): void {
    for (let next = this.#unfinished.pop(); next !== undefined; next = this.#unfinished.pop()) {
      this.#finishCopy(next.block, next.copy, this.#redirect(next.out, next.env, LOOK_THROUGH));
    }
  }

  #mayCopy(block: Block): boolean {
    const known = this.#copyable[block.id] as number;
    if (known !== 0) return known === 1;
    let cost = 0;
    for (const insn of block.insns) if (insn.op !== "const" && insn.op !== "undef") cost++;
    const may = cost <= COPY_LIMIT && block.term.op !== "return" && this.#isHeader[block.id] !== 1;
    this.#copyable[block.id] = may ? 1 : 2;
    return may;
  }

  #look(block: Block, edge: Edge, facts: Facts): Seen {
    const args = new Map<ValueId, ValueId>();
    const constants = new Map<ValueId, bigint>();
    block.params.forEach((param, i) => {
      const arg = edge.args[i] as ValueId;
      args.set(param.id, arg);
      const constant = facts.constant(arg);
      if (constant !== undefined) constants.set(param.id, constant);
    });
    const alias: Alias = (v) => args.get(v) ?? v;
    const defined = new Set<ValueId>();
    const constantOf = (v: ValueId): bigint | undefined => {
      const constant = constants.get(v);
      return constant !== undefined || defined.has(v) ? constant : facts.constant(alias(v));
    };
    for (const insn of block.insns) {
      // `facts` know those.
      if (insn.op === "const") continue;
      const constant = evaluate(insn, constantOf);
      if (constant !== undefined && "id" in insn) constants.set(insn.id, constant);
      else if ("id" in insn) defined.add(insn.id);
    }
    if (block.term.op === "jump") return { outcome: 0, constants };
    // An argument that is itself computed in this block can't be: it would be a loop's header.
    return { outcome: facts.decide(block.term, alias, constantOf), constants };
  }

  // What a copy knows: its own constants and the equalities on the way to it that matter somewhere, by value number.
  #knownAfter(block: Block, seen: Seen, facts: Facts): Known {
    const known: (readonly [ValueId, bigint])[] = [];
    const after = this.#graph.position[block.id] as number;
    const matters = (value: ValueId): boolean =>
      (this.#lastNeeded[value] as number) > after && (this.#tested.get(value)?.size ?? 0) <= CONSTANTS_LIMIT;
    for (const [value, constant] of seen.constants) {
      if (matters(value)) known.push([value, constant]);
    }
    const room = known.length + INHERITED_LIMIT;
    for (const [value, constant] of facts.equalities) {
      const home = this.#values.block[value] as BlockId;
      if (home === block.id || !matters(value) || !this.#tree.dominates(home, block.id)) continue;
      if (known.length === room) break;
      known.push([value, constant]);
    }
    return known.sort((x, y) => x[0] - y[0]);
  }
}

function evaluate(insn: IrInsn, constantOf: (v: ValueId) => bigint | undefined): bigint | undefined {
  switch (insn.op) {
    case "binary": {
      const a = constantOf(insn.a);
      const b = constantOf(insn.b);
      return a === undefined || b === undefined ? undefined : evaluateBinary(insn.kind, insn.type, a, b);
    }
    case "bswap": {
      const a = constantOf(insn.a);
      return a === undefined ? undefined : swapBytes(a, insn.bytes);
    }
    case "zext":
      return constantOf(insn.a);
    case "trunc": {
      const a = constantOf(insn.a);
      return a === undefined ? undefined : BigInt.asUintN(32, a);
    }
    default:
      return undefined;
  }
}

// The constants that each value is compared with.
function testedConstants(fn: IrFunction, values: Values): Map<ValueId, Set<bigint>> {
  const tested = new Map<ValueId, Set<bigint>>();
  const add = (value: ValueId, constant: bigint): void => {
    const set = tested.get(value);
    if (set === undefined) tested.set(value, new Set([constant]));
    else set.add(constant);
  };
  for (const { term } of fn.blocks) {
    if (term.op === "switch") for (const c of term.cases) add(term.value, c.value);
    else if (term.op === "branch") {
      const constant = values.def[term.b];
      if (constant?.op === "const") add(term.a, constant.value);
    }
  }
  return tested;
}

// By value, the place in the graph's order of the last terminator that it can decide, -1 where there is none: values that
// are compared, what they are computed from, what is passed to them. All of a loop counts as its end.
function lastNeeded(graph: Graph, values: Values): Int32Array {
  const last = new Int32Array(graph.fn.nextValue).fill(-1);
  const ends = loopEnds(graph);
  const passed = new Map<ValueId, ValueId[]>();
  for (const id of graph.order) {
    for (const edge of edgesOf(blockAt(graph, id).term)) {
      blockAt(graph, edge.target).params.forEach((param, i) => {
        const list = passed.get(param.id);
        if (list === undefined) passed.set(param.id, [edge.args[i] as ValueId]);
        else list.push(edge.args[i] as ValueId);
      });
    }
  }
  const work: ValueId[] = [];
  for (let i = graph.order.length - 1; i >= 0; i--) {
    const { term } = blockAt(graph, graph.order[i] as BlockId);
    if (term.op !== "branch" && term.op !== "switch") continue;
    const end = ends[i] as number;
    const need = (v: ValueId): void => {
      if ((last[v] as number) >= end) return;
      last[v] = end;
      work.push(v);
    };
    termOperandsOf(term).forEach(need);
    for (let v = work.pop(); v !== undefined; v = work.pop()) {
      const def = values.def[v];
      if (def === undefined) passed.get(v)?.forEach(need);
      else if (def.op === "binary" || def.op === "bswap" || def.op === "zext" || def.op === "trunc") {
        operandsOf(def).forEach(need);
      }
    }
  }
  return last;
}

// By place in the order: the end of the outermost loop around it; the place itself outside of loops.
function loopEnds(graph: Graph): Int32Array {
  const ends = Int32Array.from(graph.order, (_, i) => i);
  graph.order.forEach((id, i) => {
    for (const succ of graph.succs[id] as readonly BlockId[]) {
      const header = graph.position[succ] as number;
      if (header <= i) ends[header] = Math.max(ends[header] as number, i);
    }
  });
  let end = -1;
  for (let i = 0; i < ends.length; i++) {
    end = Math.max(end, ends[i] as number);
    ends[i] = end;
  }
  return ends;
}

function headersOf(graph: Graph): Uint8Array {
  const headers = new Uint8Array(graph.fn.nextBlock);
  for (const id of graph.order) {
    for (const pred of must(graph.preds[id], "predecessors")) {
      if ((graph.position[pred] as number) >= (graph.position[id] as number)) headers[id] = 1;
    }
  }
  return headers;
}
