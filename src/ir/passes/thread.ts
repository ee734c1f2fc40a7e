// Jump threading: where the way into a block decides how it ends (an argument is a constant, a dominating branch said so, a
// guard was proven), the edge goes to a copy of the block that ends in a jump. A copy is shared by all edges that bring the
// same knowledge, so chains of joins collapse in one walk: "no header" three joins deep goes straight to its end. Copies make
// values with several definitions; `repairSsa` puts that right.

import { must } from "../../base/assert.ts";
import { evaluateBinary, swapBytes } from "../arithmetic.ts";
import { blockAt, type DomTree, dominators, type Graph, graphOf, type Values, valuesOf } from "../graph.ts";
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
import { domainsOf } from "./domains.ts";
import { eachEdge, sameEdge } from "./edit.ts";
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

/** Redirects edges past blocks whose end they decide. */
export const thread: Pass = (fn) => {
  const threaded = new Threader(fn).run();
  return threaded === fn ? fn : simplifyParams(repairSsa(threaded));
};

// A block as seen from one edge: which edge it takes, and what is known after that.
interface Seen {
  readonly outcome: number;
  readonly constants: ReadonlyMap<ValueId, bigint>;
}

class Threader {
  readonly #fn: IrFunction;
  readonly #graph: Graph;
  readonly #tree: DomTree;
  readonly #values: Values;
  readonly #places: Places;
  readonly #domains: Domains;
  readonly #relevant: Uint8Array;
  readonly #isHeader: Uint8Array;
  readonly #copies = new Map<string, BlockId | null>();
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
    this.#relevant = relevantValues(fn, this.#values);
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
    const stack: { readonly block: BlockId; readonly next: number; readonly mark: number }[] = [];
    const enter = (id: BlockId): void => {
      const mark = facts.mark();
      this.#learnEntry(id, facts);
      const term = this.#threadTerm(blockAt(this.#graph, id), facts);
      if (term !== null) terms.set(id, term);
      stack.push({ block: id, next: 0, mark });
    };
    enter(this.#graph.entry);
    for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
      const child = (this.#tree.children[top.block] as readonly BlockId[])[top.next];
      if (child === undefined) {
        facts.forget(top.mark);
        continue;
      }
      stack.push({ ...top, next: top.next + 1 });
      enter(child);
    }
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

  // Where an edge should go, given what is known on it; the same edge where nothing better is found.
  #redirect(edge: Edge, facts: Facts, patience: number): Edge {
    const block = blockAt(this.#graph, edge.target);
    if (!this.#mayCopy(block)) return edge;
    const seen = this.#look(block, edge, facts);
    if (seen.outcome === -1) return edge;
    if (block.term.op === "jump" && patience === 0) return edge;
    const known = this.#knownAfter(block, seen, facts);
    const key = `${block.id} ${seen.outcome} ${known.map(([v, c]) => `${v}=${c}`).join(" ")}`;
    const old = this.#copies.get(key);
    if (old !== undefined) return old === null ? edge : { target: old, args: edge.args };
    if ((this.#copyCount[block.id] as number) >= COPIES_LIMIT || this.#room <= 0) return edge;
    this.#copies.set(key, null);
    const env = this.#newFacts();
    for (const [value, constant] of known) env.learnEqual(value, constant);
    const out = edgesOf(block.term)[seen.outcome] as Edge;
    if (block.term.op !== "jump") {
      env.learn(block.term, seen.outcome);
      const copy = this.#newCopy(block, key);
      this.#unfinished.push({ block, copy, out, env });
      return { target: copy, args: edge.args };
    }
    // A block that only jumps is worth a copy only when the copy jumps elsewhere.
    const next = this.#redirect(out, env, patience - 1);
    if (sameEdge(next, out)) return edge;
    const copy = this.#newCopy(block, key);
    this.#finishCopy(block, copy, next);
    return { target: copy, args: edge.args };
  }

  #newCopy(block: Block, key: string): BlockId {
    const id = this.#nextBlock++;
    this.#room--;
    this.#copyCount[block.id] = (this.#copyCount[block.id] as number) + 1;
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
      if (constants.has(v)) return constants.get(v);
      return defined.has(v) ? undefined : facts.constant(alias(v));
    };
    for (const insn of block.insns) {
      const constant = evaluate(insn, constantOf);
      if (constant !== undefined && "id" in insn) constants.set(insn.id, constant);
      else if ("id" in insn) defined.add(insn.id);
    }
    if (block.term.op === "jump") return { outcome: 0, constants };
    // An argument that is itself computed in this block can't be: it would be a loop's header.
    return { outcome: facts.decide(block.term, alias, constantOf), constants };
  }

  // What a copy knows: its own constants and the equalities on the way to it that matter somewhere, by value number.
  #knownAfter(block: Block, seen: Seen, facts: Facts): (readonly [ValueId, bigint])[] {
    const known: (readonly [ValueId, bigint])[] = [];
    for (const [value, constant] of seen.constants) {
      if (this.#relevant[value] === 1 && this.#values.def[value]?.op !== "const") known.push([value, constant]);
    }
    const room = known.length + INHERITED_LIMIT;
    for (const [value, constant] of facts.equalities) {
      const home = this.#values.block[value] as BlockId;
      if (this.#relevant[value] !== 1 || home === block.id || !this.#tree.dominates(home, block.id)) continue;
      if (known.length === room) break;
      known.push([value, constant]);
    }
    return known.sort((x, y) => x[0] - y[0]);
  }
}

function evaluate(insn: IrInsn, constantOf: (v: ValueId) => bigint | undefined): bigint | undefined {
  switch (insn.op) {
    case "const":
      return insn.value;
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

// The values that can decide a terminator: compared ones, what they are computed from, what is passed to them.
function relevantValues(fn: IrFunction, values: Values): Uint8Array {
  const relevant = new Uint8Array(fn.nextValue);
  const work: ValueId[] = [];
  const need = (v: ValueId): void => {
    if (relevant[v] === 1) return;
    relevant[v] = 1;
    work.push(v);
  };
  const passed = new Map<ValueId, ValueId[]>();
  const paramsOf = new Map(fn.blocks.map((b) => [b.id, b.params]));
  eachEdge(fn, (edge) => {
    paramsOf.get(edge.target)?.forEach((param, i) => {
      const list = passed.get(param.id);
      if (list === undefined) passed.set(param.id, [edge.args[i] as ValueId]);
      else list.push(edge.args[i] as ValueId);
    });
  });
  for (const { term } of fn.blocks) {
    if (term.op === "branch" || term.op === "switch") termOperandsOf(term).forEach(need);
  }
  for (let v = work.pop(); v !== undefined; v = work.pop()) {
    const def = values.def[v];
    if (def === undefined) (passed.get(v) ?? []).forEach(need);
    else if (def.op === "binary" || def.op === "bswap" || def.op === "zext" || def.op === "trunc") {
      operandsOf(def).forEach(need);
    }
  }
  return relevant;
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
