// Chains of equality tests on one value, as long rule lists make them: "10.0.0.1? else 10.0.0.2? else …". Who comes to the middle
// of one knowing the value's constant can be told at once where the chain ends, without a walk over the rest of it. Asked by jump
// threading; changes nothing.

import type { Graph, Values } from "../graph.ts";
import type { Block, BlockId, Edge, ValueId } from "../ir.ts";

/** One equality test: where it goes when `value` is `constant`, and when not. */
interface Test {
  readonly value: ValueId;
  readonly constant: bigint;
  readonly hit: Edge;
  readonly miss: Edge;
}

/** Tests that follow each other by their `miss` edges. */
interface Chain {
  readonly value: ValueId;
  /** Where each constant's tests stand in the chain, rising, and where they go. */
  readonly hits: Map<bigint, { readonly place: number; readonly edge: Edge }[]>;
  /** Where the last test goes when it fails too. */
  end: Edge;
}

/** A function's chains, found when they are asked for. */
export class TestChains {
  readonly #graph: Graph;
  readonly #values: Values;
  readonly #shared: ReadonlySet<ValueId>;
  readonly #placeOf = new Map<BlockId, { readonly chain: Chain; readonly place: number }>();

  /** `shared` are the values read outside the block that defines them. */
  constructor(graph: Graph, values: Values, shared: ReadonlySet<ValueId>) {
    this.#graph = graph;
    this.#values = values;
    this.#shared = shared;
  }

  /** Where an edge to `block` gets to in the end if `constantOf` knows the value that is tested there; null where it doesn't. */
  skip(block: Block, constantOf: (value: ValueId) => bigint | undefined): Edge | null {
    const test = this.#testOf(block);
    const constant = test === null ? undefined : constantOf(test.value);
    if (constant === undefined) return null;
    if (!this.#placeOf.has(block.id)) this.#follow(block);
    const at = this.#placeOf.get(block.id);
    if (at === undefined) return null;
    const hit = at.chain.hits.get(constant)?.find(({ place }) => place >= at.place);
    return hit?.edge ?? at.chain.end;
  }

  // Walks down the misses, as far as they aren't part of another chain.
  #follow(first: Block): void {
    let test = this.#testOf(first);
    if (test === null) return;
    const chain: Chain = { value: test.value, hits: new Map(), end: test.miss };
    let block: Block | undefined = first;
    for (let place = 0; block !== undefined && test?.value === chain.value; place++) {
      this.#placeOf.set(block.id, { chain, place });
      const hits = chain.hits.get(test.constant);
      if (hits === undefined) chain.hits.set(test.constant, [{ place, edge: test.hit }]);
      else hits.push({ place, edge: test.hit });
      chain.end = test.miss;
      block = this.#graph.blockOf[test.miss.target];
      test = block === undefined || this.#placeOf.has(block.id) ? null : this.#testOf(block);
    }
  }

  // The test that a block consists of; null when it does anything else that counts, or passes on a constant of its own.
  #testOf(block: Block): Test | null {
    const { term } = block;
    if (term.op !== "branch" || (term.compare !== "eq" && term.compare !== "ne") || block.params.length > 0)
      return null;
    const constant = this.#values.def[term.b];
    if (constant?.op !== "const" || this.#values.block[term.a] === block.id) return null;
    for (const insn of block.insns) if (insn.op !== "const" || this.#shared.has(insn.id)) return null;
    const own = (v: ValueId): boolean => this.#values.block[v] === block.id;
    if (term.then.args.some(own) || term.else.args.some(own)) return null;
    const [hit, miss] = term.compare === "eq" ? [term.then, term.else] : [term.else, term.then];
    return { value: term.a, constant: constant.value, hit, miss };
  }
}
