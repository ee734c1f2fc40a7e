// Common subexpressions: value numbering over the dominator tree. A pure instruction that a dominating one already did is
// dropped; so are loads of packet and read-only data nobody can have written meanwhile, and loads of what was just stored
// to a stack slot or the packet. Accesses to shared memory are never merged: others may write it at any time.

import { changesPacket, isPure, writesMemory } from "../effects.ts";
import { type Graph, graphOf, type Values, valuesOf, walkDominators } from "../graph.ts";
import { type Block, type BlockId, type IrFunction, type IrInsn, mapOperands, type Pass, type ValueId } from "../ir.ts";
import { type Places, placesOf } from "../known-bytes.ts";
import { printInsn } from "../print.ts";
import { keepReachable, renameTerm } from "./edit.ts";

/** Drops what a dominating instruction computed already. */
export const cse: Pass = (fn) => {
  const graph = graphOf(fn);
  return new Numbering(keepReachable(fn, graph), graph).run();
};

/** So many known places are looked at to see whether they survive a store. */
const RECENT = 32;

function writesPacket(insn: IrInsn): boolean {
  // A view is made where a helper has just filled its copy anew.
  return (insn.op === "store" && insn.space === "packet") || insn.op === "view" || movesPacket(insn);
}

function writesStack(insn: IrInsn): boolean {
  return (insn.op === "store" && insn.space === "stack") || (insn.op === "call" && writesMemory(insn.helper));
}

function movesPacket(insn: IrInsn): boolean {
  return insn.op === "call" && changesPacket(insn.helper);
}

// Numbers for the states of one kind of memory: where the number is the same, nothing was written in between. A join of
// different states, and a loop's header, is a state of its own.
class Memory {
  readonly #isWrite: (insn: IrInsn) => boolean;
  readonly #atEntry: Int32Array;
  readonly #firstWrite: Int32Array;
  #writes = 0;
  /** The number at the place the walk has reached. */
  state = 0;

  constructor(graph: Graph, isWrite: (insn: IrInsn) => boolean) {
    this.#isWrite = isWrite;
    this.#atEntry = new Int32Array(graph.fn.nextBlock);
    this.#firstWrite = new Int32Array(graph.fn.nextBlock);
    const atExit = new Int32Array(graph.fn.nextBlock).fill(-1);
    let next = 1;
    for (const id of graph.order) {
      const preds = graph.preds[id] as readonly BlockId[];
      const states = preds.map((p) => atExit[p] as number);
      const first = states[0];
      const entry = first !== undefined && first !== -1 && states.every((s) => s === first) ? first : next++;
      const writes = (graph.blockOf[id] as Block).insns.filter(isWrite).length;
      this.#atEntry[id] = entry;
      this.#firstWrite[id] = next;
      atExit[id] = writes === 0 ? entry : next + writes - 1;
      next += writes;
    }
  }

  enter(block: BlockId): void {
    this.state = this.#atEntry[block] as number;
    this.#writes = this.#firstWrite[block] as number;
  }

  step(insn: IrInsn): void {
    if (this.#isWrite(insn)) this.state = this.#writes++;
  }
}

// A place in memory whose contents are known, and the memory's state it was known in.
interface Known {
  readonly value: ValueId;
  readonly state: number;
}

class Numbering {
  readonly #fn: IrFunction;
  readonly #graph: Graph;
  readonly #values: Values;
  readonly #places: Places;
  readonly #replacement = new Map<ValueId, ValueId>();
  readonly #available = new Map<string, ValueId>();
  readonly #loads = new Map<string, Known>();
  readonly #undo: (() => void)[] = [];
  readonly #recent: string[] = [];
  // What the memory is in: the packet's contents, the stack's, and where the packet lies.
  readonly #packet: Memory;
  readonly #stack: Memory;
  readonly #position: Memory;
  #changed = false;

  constructor(fn: IrFunction, graph: Graph) {
    this.#fn = fn;
    this.#graph = graph;
    this.#values = valuesOf(fn);
    this.#places = placesOf(graph);
    this.#packet = new Memory(graph, writesPacket);
    this.#stack = new Memory(graph, writesStack);
    this.#position = new Memory(graph, movesPacket);
  }

  run(): IrFunction {
    const rewritten = new Map<BlockId, Block>();
    const marks: number[] = [];
    const enter = (id: BlockId): void => {
      marks.push(this.#undo.length);
      for (const memory of [this.#packet, this.#stack, this.#position]) memory.enter(id);
      rewritten.set(id, this.#block(this.#graph.blockOf[id] as Block));
    };
    walkDominators(this.#graph, enter, () => {
      const mark = marks.pop() as number;
      while (this.#undo.length > mark) this.#undo.pop()?.();
    });
    if (!this.#changed) return this.#fn;
    // Arguments of back edges may name values that were replaced after the block was rewritten.
    const use = (v: ValueId): ValueId => this.#replacement.get(v) ?? v;
    const blocks = this.#fn.blocks.map((b) => {
      const block = rewritten.get(b.id) as Block;
      const term = renameTerm(block.term, use);
      return term === block.term ? block : { ...block, term };
    });
    return { ...this.#fn, blocks };
  }

  #block(block: Block): Block {
    const use = (v: ValueId): ValueId => this.#replacement.get(v) ?? v;
    const insns: IrInsn[] = [];
    let changed = false;
    for (const old of block.insns) {
      const insn = mapOperands(old, use);
      changed ||= insn !== old;
      if ("id" in insn) {
        const same = this.#find(insn);
        if (same !== undefined) {
          this.#replacement.set(insn.id, same);
          this.#changed = true;
          changed = true;
          continue;
        }
      }
      this.#effect(insn);
      insns.push(insn);
    }
    const term = renameTerm(block.term, use);
    return changed || term !== block.term ? { ...block, insns, term } : block;
  }

  // The value that already holds what `insn` computes; otherwise remembers `insn` for later ones.
  #find(insn: Extract<IrInsn, { readonly id: ValueId }>): ValueId | undefined {
    if (insn.op === "load") return this.#findLoad(insn);
    if (insn.op === "undef") return undefined;
    if (!isPure(insn) && insn.op !== "ctxLoad") return undefined;
    if (insn.op === "offset" && this.#places.offset[insn.id] === 0) {
      const root = this.#rootOf(insn.id);
      if (this.#values.type[root] === insn.type) return root;
    }
    const key = this.#keyOf(insn);
    const old = this.#available.get(key);
    if (old !== undefined) return old;
    this.#set(this.#available, key, insn.id);
    return undefined;
  }

  #keyOf(insn: Extract<IrInsn, { readonly id: ValueId }>): string {
    if (insn.op === "offset") {
      return `${this.#rootOf(insn.id)}+${this.#places.offset[insn.id]}`;
    }
    if (insn.op === "binary" && isCommutative(insn.kind) && insn.b < insn.a) {
      return printInsn({ ...insn, id: 0, a: insn.b, b: insn.a });
    }
    const key = printInsn({ ...insn, id: 0 });
    // The packet's pointers are read again once a call has moved it.
    return insn.op === "ctxLoad" && !isPure(insn) ? `${key} @${this.#position.state}` : key;
  }

  #findLoad(insn: Extract<IrInsn, { op: "load" }>): ValueId | undefined {
    if (insn.space === "shared") return undefined;
    const key = this.#placeKey(insn.base, insn.offset, insn.width, insn.space);
    const state = insn.space === "packet" ? this.#packet.state : insn.space === "stack" ? this.#stack.state : 0;
    const old = this.#loads.get(key);
    if (old !== undefined && old.state === state && this.#values.type[old.value] === insn.type) return old.value;
    this.#set(this.#loads, key, { value: insn.id, state });
    return undefined;
  }

  #rootOf(pointer: ValueId): ValueId {
    const root = this.#places.root[pointer] as number;
    return this.#replacement.get(root) ?? root;
  }

  #placeKey(base: ValueId, offset: number, width: number, space: string): string {
    return `${space} ${width} ${this.#rootOf(base)}+${(this.#places.offset[base] as number) + offset}`;
  }

  #effect(insn: IrInsn): void {
    const kept = insn.op === "store" ? this.#survivors(insn) : [];
    for (const memory of [this.#packet, this.#stack, this.#position]) memory.step(insn);
    if (insn.op !== "store" || (insn.space !== "packet" && insn.space !== "stack")) return;
    const { state } = insn.space === "packet" ? this.#packet : this.#stack;
    for (const [key, value] of kept) this.#set(this.#loads, key, { value, state });
    // What was stored is what a load of the same width gives, if the value has no bytes beyond it.
    const type = insn.width === 8 ? "i64" : "i32";
    const exact = insn.width >= 4 || this.#fits(insn.value, insn.width);
    if (exact && this.#values.type[insn.value] === type) {
      this.#set(this.#loads, this.#placeKey(insn.base, insn.offset, insn.width, insn.space), {
        value: insn.value,
        state,
      });
    }
  }

  #fits(value: ValueId, width: number): boolean {
    const def = this.#values.def[value];
    if (def?.op === "load" || (def?.op === "bswap" && def.bytes <= width))
      return def.op === "bswap" || def.width <= width;
    return def?.op === "const" && def.value < 1n << BigInt(8 * width);
  }

  // Loads of the block that a store can't touch: same root, other bytes; another slot.
  #survivors(store: Extract<IrInsn, { op: "store" }>): [string, ValueId][] {
    const root = this.#rootOf(store.base);
    const from = (this.#places.offset[store.base] as number) + store.offset;
    const { state } = store.space === "packet" ? this.#packet : this.#stack;
    const kept: [string, ValueId][] = [];
    for (const key of this.#recent.slice(-RECENT)) {
      const known = this.#loads.get(key);
      if (known === undefined || known.state !== state) continue;
      const [space, width, place] = key.split(" ") as [string, string, string];
      if (space !== store.space) continue;
      const [otherRoot, offset] = place.split("+").map(Number) as [number, number];
      const apart = otherRoot === root && (offset + Number(width) <= from || from + store.width <= offset);
      const otherSlot =
        otherRoot !== root && this.#values.def[otherRoot]?.op === "slot" && this.#values.def[root]?.op === "slot";
      if (apart || otherSlot) kept.push([key, known.value]);
    }
    return kept;
  }

  #set<V>(map: Map<string, V>, key: string, value: V): void {
    const old = map.get(key);
    map.set(key, value);
    if ((map as unknown) === this.#loads) this.#recent.push(key);
    this.#undo.push(() => {
      if (old === undefined) map.delete(key);
      else map.set(key, old);
      if ((map as unknown) === this.#loads) this.#recent.pop();
    });
  }
}

function isCommutative(kind: string): boolean {
  return kind === "add" || kind === "mul" || kind === "and" || kind === "or" || kind === "xor";
}
