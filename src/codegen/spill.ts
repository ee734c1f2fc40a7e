// Moves virtual registers to memory: each becomes a home (a virtual register that lives on the stack, stored once behind its
// definition) and short-lived children that are loaded from it; what can be made again is made again instead. A child lives
// first as long as control flow runs straight and no call comes; if that is still too long, within its block; at last for one
// instruction. Called by `regalloc` between two attempts; knows nothing of real registers.

import { must } from "../base/assert.ts";
import { holds, type Liveness } from "./liveness.ts";
import {
  defOf,
  type Fixed,
  forEachUse,
  type MBlock,
  type MEdge,
  type MFunction,
  type MInsn,
  type MTerm,
  mapUses,
  mEdgesOf,
  type Value,
  type VReg,
} from "./machine.ts";

/** What is known of spilled registers from round to round. */
export interface SpillState {
  /** Registers that live on the stack. */
  readonly inMemory: Set<VReg>;
  /** The home a child was loaded from or stored to. */
  readonly homeOf: Map<VReg, VReg>;
  /** How often a child's ancestors were spilled: 0 (not in the map) for the program's own registers. */
  readonly level: Map<VReg, number>;
}

/** A register of this level lives for one instruction and must have a register. */
export const unspillable = 3;

/** The function with `spilled` registers in memory; `state` is brought up to date. */
export function spill(fn: MFunction, live: Liveness, spilled: ReadonlySet<VReg>, state: SpillState): MFunction {
  return new Spiller(fn, live, spilled, state).run();
}

type Again =
  | { readonly kind: "fixed"; readonly value: Fixed }
  | { readonly kind: "load"; readonly insn: Extract<MInsn, { kind: "load" }> };

class Spiller {
  readonly #fn: MFunction;
  readonly #live: Liveness;
  readonly #spilled: ReadonlySet<VReg>;
  readonly #state: SpillState;
  /** How to make a spilled register again, for those that need no memory. */
  readonly #again = new Map<VReg, Again>();
  #nextVReg: number;
  #current = new Map<VReg, VReg>();
  #out: MInsn[] = [];

  constructor(fn: MFunction, live: Liveness, spilled: ReadonlySet<VReg>, state: SpillState) {
    this.#fn = fn;
    this.#live = live;
    this.#spilled = spilled;
    this.#state = state;
    this.#nextVReg = fn.nextVReg;
  }

  run(): MFunction {
    this.#findAgain();
    const ends: Map<VReg, VReg>[] = [];
    const blocks = this.#fn.blocks.map((block, place) => {
      this.#current = this.#inherited(place, ends);
      const made = this.#block(block);
      ends.push(this.#current);
      return made;
    });
    return { ...this.#fn, blocks, nextVReg: this.#nextVReg };
  }

  /** Children that are still there at the block's start, because it has one predecessor and no call came since. */
  #inherited(place: number, ends: readonly Map<VReg, VReg>[]): Map<VReg, VReg> {
    const preds = this.#live.preds[place] as readonly number[];
    const end = preds.length === 1 ? ends[preds[0] as number] : undefined;
    const start = 2 * (this.#live.entryIndex[place] as number);
    const kept = new Map<VReg, VReg>();
    for (const [v, child] of end ?? []) {
      if (this.#levelOf(v) === 0 && holds(this.#live.segments[v] as number[], start)) kept.set(v, child);
    }
    return kept;
  }

  #levelOf(v: VReg): number {
    return this.#state.level.get(v) ?? 0;
  }

  #child(v: VReg): VReg {
    const child = this.#nextVReg++;
    this.#state.level.set(child, this.#levelOf(v) + 1);
    const home = this.#state.homeOf.get(v);
    if (home !== undefined) this.#state.homeOf.set(child, home);
    return child;
  }

  /** Constants, addresses and context fields need no memory; a context field only where the context is at hand anyway. */
  #findAgain(): void {
    const loads = new Map<VReg, Extract<MInsn, { kind: "load" }>>();
    for (const block of this.#fn.blocks) {
      for (const insn of block.insns) {
        const dst = defOf(insn);
        if (dst === null || !this.#spilled.has(dst)) continue;
        if (insn.kind === "make") this.#again.set(dst, { kind: "fixed", value: insn.value });
        if (insn.kind === "load" && insn.again && "reg" in insn.base) {
          if (!this.#spilled.has(insn.base.reg) && !this.#state.inMemory.has(insn.base.reg)) loads.set(dst, insn);
        }
      }
    }
    if (loads.size === 0) return;
    this.#fn.blocks.forEach((block, place) => {
      let index = this.#live.entryIndex[place] as number;
      const check = (v: VReg): void => {
        const base = loads.get(v)?.base;
        if (base === undefined || !("reg" in base)) return;
        if (!holds(this.#live.segments[base.reg] as number[], 2 * index)) loads.delete(v);
      };
      const checkAny = (value: Value): void => {
        if (typeof value === "number") check(value);
      };
      for (const insn of block.insns) {
        index++;
        forEachUse(insn, check);
        if (insn.kind === "call") insn.args.forEach(checkAny);
      }
      index++;
      const { term } = block;
      if (term.kind === "return") checkAny(term.value);
      if (term.kind === "branch") {
        check(term.a);
        if ("reg" in term.b) check(term.b.reg);
      }
      // A block may have any number of parameters, and each would need a register for a moment: from memory none does.
      for (const edge of mEdgesOf(term)) {
        for (const arg of edge.args) if (typeof arg === "number") loads.delete(arg);
      }
    });
    for (const [v, insn] of loads) this.#again.set(v, { kind: "load", insn });
  }

  #block(block: MBlock): MBlock {
    this.#out = [];
    for (const param of block.params) {
      if (!this.#spilled.has(param)) continue;
      this.#state.inMemory.add(param);
      this.#state.homeOf.set(param, param);
    }
    for (const insn of block.insns) this.#insn(insn);
    const term = this.#term(block.term);
    return { ...block, insns: this.#out, term };
  }

  #insn(insn: MInsn): void {
    const dst = defOf(insn);
    const moved = dst !== null && this.#spilled.has(dst);
    if (moved && (this.#again.has(dst) || insn.kind === "reload")) return;
    let made = mapUses(insn, (v) => this.#use(v, insn.origin));
    if (made.kind === "call") made = { ...made, args: made.args.map((arg) => this.#anywhere(arg, insn.origin)) };
    this.#forgetShortLived();
    if (made.kind === "call") this.#current.clear();
    if (!moved) {
      this.#out.push(made);
      return;
    }
    let home = this.#state.homeOf.get(dst);
    const fresh = home === undefined;
    if (home === undefined) {
      home = this.#nextVReg++;
      this.#state.inMemory.add(home);
      this.#state.homeOf.set(dst, home);
    }
    const child = this.#child(dst);
    this.#out.push({ ...made, dst: child } as MInsn);
    // A child that was stored already has its `spill` next in line.
    if (fresh) this.#out.push({ kind: "spill", home, src: child, origin: insn.origin });
    if (!fresh || this.#levelOf(dst) < unspillable - 1) this.#current.set(dst, child);
  }

  #term(term: MTerm): MTerm {
    const { origin } = term;
    const edge = (e: MEdge): MEdge => ({ ...e, args: e.args.map((arg) => this.#anywhere(arg, origin)) });
    switch (term.kind) {
      case "jump":
        return { ...term, edge: edge(term.edge) };
      case "return":
        return { ...term, value: this.#anywhere(term.value, origin) };
      case "branch": {
        const a = this.#use(term.a, origin);
        const b = "reg" in term.b ? { reg: this.#use(term.b.reg, origin) } : term.b;
        return { ...term, a, b, yes: edge(term.yes), no: edge(term.no) };
      }
    }
  }

  /** The register to read instead of v, loaded now unless a child is at hand. */
  #use(v: VReg, origin: MInsn["origin"]): VReg {
    if (!this.#spilled.has(v)) return v;
    const known = this.#current.get(v);
    if (known !== undefined) return known;
    const again = this.#again.get(v);
    const child = this.#child(v);
    this.#current.set(v, child);
    if (again === undefined) {
      const home = must(this.#state.homeOf.get(v), `v${v} has no home`);
      this.#out.push({ kind: "reload", home, dst: child, origin });
    } else if (again.kind === "fixed") this.#out.push({ kind: "make", dst: child, value: again.value, origin });
    else this.#out.push({ ...again.insn, dst: child, origin });
    return child;
  }

  /** What to read instead of a value that may lie anywhere. */
  #anywhere(value: Value, origin: MInsn["origin"]): Value {
    if (typeof value !== "number" || !this.#spilled.has(value)) return value;
    const known = this.#current.get(value);
    if (known !== undefined) return known;
    const again = this.#again.get(value);
    if (again?.kind === "fixed") return again.value;
    if (again?.kind === "load") return this.#use(value, origin);
    return must(this.#state.homeOf.get(value), `v${value} has no home`);
  }

  #forgetShortLived(): void {
    for (const v of this.#current.keys()) if (this.#levelOf(v) >= unspillable - 1) this.#current.delete(v);
  }
}
