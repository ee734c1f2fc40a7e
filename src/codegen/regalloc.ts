// Register allocation: classes of virtual registers (see `coalesce`) are given r0 to r9 on an occupancy map, one bit per
// position and register. A class's free registers are found by scanning its own positions once, so the whole costs the sum
// of the live ranges' lengths: linear for programs of any length, where an interference graph or sorted interval lists are
// not. Why not linear scan: with exact holes and classes known beforehand nothing has to be split at arbitrary positions, so
// there are no moves to repair edges, and in programs that need no more than the ten registers there is no code at all that
// the allocator made. SSA gives the order: classes by their start, those that live across calls (r6 to r9 only) first.
// Where no register is free: move one neighbour elsewhere, or dissolve a class, or spill the cheapest and begin again.

import { assert, InternalError, must } from "../base/assert.ts";
import type { Reg } from "../bpf/insn.ts";
import { affinitiesOf, coalesce } from "./coalesce.ts";
import { holds, type Liveness, livenessOf } from "./liveness.ts";
import { defOf, forEachUse, type MFunction, type MInsn, mEdgesOf, type Value, type VReg } from "./machine.ts";
import { type SpillState, spill, unspillable } from "./spill.ts";

/** A function with a place for every virtual register. */
export interface Allocation {
  /** With the spills and reloads it took. */
  readonly fn: MFunction;
  readonly live: Liveness;
  /** The register of each virtual register; -1 for those in memory or never read. */
  readonly register: Int8Array;
  /** The virtual registers that live on the stack, each with the number of its class: a class shares one place. */
  readonly memoryClass: ReadonlyMap<VReg, number>;
  /** Which registers hold something at each position, as bits. */
  readonly busy: Uint16Array;
}

const callerSaved = 0b00_0011_1111;
const allRegisters = 0b11_1111_1111;

/** Gives every virtual register a place. */
export function allocate(input: MFunction): Allocation {
  let fn = input;
  const state: SpillState = { inMemory: new Set(), homeOf: new Map(), level: new Map() };
  // Each round spills something, and what a spill makes is shorter than what it replaces; three levels deep it ends.
  for (let round = 0; round < 200; round++) {
    const live = livenessOf(fn);
    const colouring = new Colouring(fn, live, state);
    const spilled = colouring.run();
    if (spilled.size === 0) return colouring.result();
    fn = spill(fn, live, spilled, state);
  }
  throw new InternalError("register allocation doesn't end");
}

class Colouring {
  readonly #fn: MFunction;
  readonly #live: Liveness;
  readonly #state: SpillState;
  readonly #classOf: Int32Array;
  readonly #members: VReg[][];
  readonly #register: Int8Array;
  readonly #busy: Uint16Array;
  /** By register: the class that holds it at each position. */
  readonly #owner: Int32Array[];
  /** By class: the registers its positions rule out because of calls. */
  readonly #forbidden: Uint16Array;
  /** By virtual register and real register: how many copies that register would save. */
  readonly #hints = new Map<VReg, Uint8Array>();
  readonly #spilled = new Set<VReg>();
  #costs: Int32Array | null = null;

  constructor(fn: MFunction, live: Liveness, state: SpillState) {
    this.#fn = fn;
    this.#live = live;
    this.#state = state;
    const group = (v: VReg): number => (state.inMemory.has(v) ? 1 : 0);
    const { classOf, members } = coalesce(fn, live, affinitiesOf(fn, live), group);
    this.#classOf = classOf;
    this.#members = members;
    this.#register = new Int8Array(fn.nextVReg).fill(-1);
    this.#busy = new Uint16Array(live.positions);
    this.#owner = Array.from({ length: 10 }, () => new Int32Array(live.positions));
    this.#forbidden = new Uint16Array(fn.nextVReg);
    this.#blockCalls();
    this.#findHints();
  }

  result(): Allocation {
    const memoryClass = new Map<VReg, number>();
    for (const v of this.#state.inMemory) memoryClass.set(v, this.#classOf[v] as number);
    return { fn: this.#fn, live: this.#live, register: this.#register, memoryClass, busy: this.#busy };
  }

  /** Gives registers to all classes; returns the virtual registers that must go to memory first. */
  run(): ReadonlySet<VReg> {
    const order: number[] = [];
    const start = new Int32Array(this.#fn.nextVReg);
    const rank = new Uint8Array(this.#fn.nextVReg);
    this.#members.forEach((members, c) => {
      const first = members[0];
      if (first === undefined || this.#state.inMemory.has(first) || !this.#isLive(first)) return;
      this.#rate(c, start, rank);
      order.push(c);
    });
    order.sort((a, b) => (rank[a] as number) - (rank[b] as number) || (start[a] as number) - (start[b] as number));
    for (const c of order) {
      // What a dissolved class leaves is placed at once, before others take the room.
      const work = [c];
      for (let at = work.pop(); at !== undefined; at = work.pop()) {
        if ((this.#members[at] as VReg[]).length > 0) this.#place(at, work);
      }
    }
    return this.#spilled;
  }

  #isLive(v: VReg): boolean {
    return (this.#live.segments[v] as number[]).length > 0;
  }

  #rate(c: number, start: Int32Array, rank: Uint8Array): void {
    let from = Number.MAX_SAFE_INTEGER;
    let mask = 0;
    let hinted = false;
    for (const v of this.#members[c] as VReg[]) {
      mask |= this.#busyOver(v);
      from = Math.min(from, this.#live.segments[v]?.[0] ?? from);
      hinted ||= this.#hints.has(v);
    }
    start[c] = from;
    this.#forbidden[c] = mask & callerSaved;
    rank[c] = mask !== 0 ? 0 : hinted ? 1 : 2;
  }

  #blockCalls(): void {
    this.#fn.blocks.forEach((block, place) => {
      let index = this.#live.entryIndex[place] as number;
      for (const insn of block.insns) {
        index++;
        if (insn.kind === "call") this.#busy[2 * index + 1] = callerSaved;
      }
    });
  }

  #findHints(): void {
    const hint = (value: Value | null, reg: number): void => {
      if (typeof value !== "number") return;
      const row = this.#hints.get(value) ?? new Uint8Array(10);
      row[reg] = (row[reg] as number) + 1;
      this.#hints.set(value, row);
    };
    const entry = must(this.#fn.blocks[0], "entry");
    hint(must(entry.params[0], "context"), 1);
    for (const block of this.#fn.blocks) {
      for (const insn of block.insns) {
        if (insn.kind !== "call") continue;
        hint(insn.dst, 0);
        insn.args.forEach((arg, i) => {
          hint(arg, i + 1);
        });
      }
      if (block.term.kind === "return") hint(block.term.value, 0);
    }
  }

  #busyOver(v: VReg): number {
    const segments = this.#live.segments[v] as number[];
    let mask = 0;
    for (let i = 0; i < segments.length; i += 2) {
      const to = segments[i + 1] as number;
      for (let p = segments[i] as number; p <= to; p++) mask |= this.#busy[p] as number;
    }
    return mask;
  }

  #place(c: number, work: number[]): void {
    const members = this.#members[c] as VReg[];
    let taken = 0;
    for (const v of members) taken |= this.#busyOver(v);
    const free = allRegisters & ~taken;
    if (free !== 0) {
      this.#assign(c, this.#choose(c, free));
      return;
    }
    if (this.#moveNeighbour(c)) return;
    if (members.length > 1) {
      for (const part of this.#dissolve(c).reverse()) work.push(part);
      return;
    }
    this.#spillCheapest(c, work);
  }

  /** The free register that saves most copies; else the first one, those that calls don't touch last. */
  #choose(c: number, free: number): Reg {
    const saved = new Uint32Array(10);
    for (const v of this.#members[c] as VReg[]) {
      this.#hints.get(v)?.forEach((n, r) => {
        saved[r] = (saved[r] as number) + n;
      });
    }
    let best = -1;
    for (const r of [1, 2, 3, 4, 5, 0, 6, 7, 8, 9]) {
      if ((free & (1 << r)) !== 0 && (best === -1 || (saved[r] as number) > (saved[best] as number))) best = r;
    }
    return best as Reg;
  }

  #assign(c: number, reg: Reg): void {
    const owner = this.#owner[reg] as Int32Array;
    const bit = 1 << reg;
    for (const v of this.#members[c] as VReg[]) {
      this.#register[v] = reg;
      const segments = this.#live.segments[v] as number[];
      for (let i = 0; i < segments.length; i += 2) {
        const to = segments[i + 1] as number;
        for (let p = segments[i] as number; p <= to; p++) {
          this.#busy[p] = (this.#busy[p] as number) | bit;
          owner[p] = c;
        }
      }
    }
  }

  #release(c: number): void {
    for (const v of this.#members[c] as VReg[]) {
      const bit = 1 << (this.#register[v] as number);
      this.#register[v] = -1;
      const segments = this.#live.segments[v] as number[];
      for (let i = 0; i < segments.length; i += 2) {
        const to = segments[i + 1] as number;
        for (let p = segments[i] as number; p <= to; p++) this.#busy[p] = (this.#busy[p] as number) & ~bit;
      }
    }
  }

  /** The classes that hold `reg` where c is live. */
  #holders(c: number, reg: number): number[] {
    const owner = this.#owner[reg] as Int32Array;
    const bit = 1 << reg;
    const found = new Set<number>();
    for (const v of this.#members[c] as VReg[]) {
      const segments = this.#live.segments[v] as number[];
      for (let i = 0; i < segments.length; i += 2) {
        const to = segments[i + 1] as number;
        for (let p = segments[i] as number; p <= to; p++) {
          if (((this.#busy[p] as number) & bit) !== 0) found.add(owner[p] as number);
        }
      }
    }
    return [...found];
  }

  /** Makes room for c by giving the one class in its way another register. */
  #moveNeighbour(c: number): boolean {
    for (let reg = 9; reg >= 0; reg--) {
      if ((this.#forbiddenFor(c) & (1 << reg)) !== 0) continue;
      const holders = this.#holders(c, reg);
      const holder = holders[0];
      if (holders.length !== 1 || holder === undefined) continue;
      let taken = 0;
      for (const v of this.#members[holder] as VReg[]) taken |= this.#busyOver(v);
      const free = allRegisters & ~taken;
      if (free === 0) continue;
      this.#release(holder);
      this.#assign(holder, this.#choose(holder, free));
      this.#assign(c, reg as Reg);
      return true;
    }
    return false;
  }

  #forbiddenFor(c: number): number {
    return this.#forbidden[c] as number;
  }

  /** Breaks a class into its members. */
  #dissolve(c: number): number[] {
    const members = this.#members[c] as VReg[];
    this.#members[c] = [];
    const crossing = this.#forbidden[c] as number;
    for (const v of members) {
      this.#members[v] = [v];
      this.#classOf[v] = v;
      this.#forbidden[v] = crossing === 0 ? 0 : this.#callsOver(v);
    }
    return members;
  }

  #callsOver(v: VReg): number {
    const segments = this.#live.segments[v] as number[];
    for (let i = 0; i < segments.length; i += 2) {
      const to = segments[i + 1] as number;
      for (let p = segments[i] as number; p <= to; p++) {
        // At a call's write no class holds r0 to r5: all six bits together are the call's.
        if (((this.#busy[p] as number) & callerSaved) === callerSaved && this.#isCall(p)) return callerSaved;
      }
    }
    return 0;
  }

  #callPositions: Uint8Array | null = null;

  #isCall(position: number): boolean {
    if (this.#callPositions === null) {
      this.#callPositions = new Uint8Array(this.#live.positions);
      this.#fn.blocks.forEach((block, place) => {
        let index = this.#live.entryIndex[place] as number;
        for (const insn of block.insns) {
          index++;
          if (insn.kind === "call") (this.#callPositions as Uint8Array)[2 * index + 1] = 1;
        }
      });
    }
    return this.#callPositions[position] === 1;
  }

  /** Sends c, or what stands in its way in one register, to memory: whichever costs least. */
  #spillCheapest(c: number, work: number[]): void {
    let cheapest = this.#cost(c);
    let length = this.#length(c);
    let victims: number[] | null = null;
    let room: Reg = 0;
    for (let reg = 9; reg >= 0; reg--) {
      if ((this.#forbiddenFor(c) & (1 << reg)) !== 0) continue;
      const holders = this.#holders(c, reg);
      const cost = holders.reduce((sum, h) => sum + this.#cost(h), 0);
      const total = holders.reduce((sum, h) => sum + this.#length(h), 0);
      if (cost < cheapest || (cost === cheapest && total > length && cost !== Number.POSITIVE_INFINITY)) {
        [cheapest, length, victims, room] = [cost, total, holders, reg as Reg];
      }
    }
    assert(cheapest !== Number.POSITIVE_INFINITY, "more registers needed at one place than there are");
    if (victims === null) {
      this.#toMemory(c);
      return;
    }
    for (const victim of victims) {
      this.#release(victim);
      if ((this.#members[victim] as VReg[]).length > 1) for (const part of this.#dissolve(victim)) work.push(part);
      else this.#toMemory(victim);
    }
    this.#assign(c, room);
  }

  #toMemory(c: number): void {
    for (const v of this.#members[c] as VReg[]) this.#spilled.add(v);
    this.#members[c] = [];
  }

  #length(c: number): number {
    let sum = 0;
    for (const v of this.#members[c] as VReg[]) {
      const segments = this.#live.segments[v] as number[];
      for (let i = 0; i < segments.length; i += 2) sum += (segments[i + 1] as number) - (segments[i] as number) + 1;
    }
    return sum;
  }

  /** Instructions that memory would cost: one store (none for what is stored already or made again), one load for each run of uses. */
  #cost(c: number): number {
    this.#costs ??= spillCosts(this.#fn, this.#live, this.#state);
    let sum = 0;
    const members = this.#members[c] as VReg[];
    for (const v of members) {
      if ((this.#state.level.get(v) ?? 0) < unspillable) sum += this.#costs[v] as number;
      // A class that must go is dissolved first, which is no worse for its unspillable members.
      else if (members.length === 1) return Number.POSITIVE_INFINITY;
    }
    return sum;
  }
}

/** Whether a load can be done again wherever its result is read: roughly, for spill.ts checks each place. */
function outlives(live: Liveness, insn: Extract<MInsn, { kind: "load" }>): boolean {
  if (!insn.again || !("reg" in insn.base)) return false;
  const base = live.segments[insn.base.reg] as number[];
  const own = live.segments[insn.dst] as number[];
  return own.length > 0 && holds(base, own[own.length - 1] as number) && holds(base, own[own.length - 2] as number);
}

/** What sending each register to memory would cost in instructions; a run is a stretch of straight control flow without a call. */
function spillCosts(fn: MFunction, live: Liveness, state: SpillState): Int32Array {
  const costs = new Int32Array(fn.nextVReg);
  const lastRun = new Int32Array(fn.nextVReg).fill(-1);
  const runAtEnd = new Int32Array(fn.blocks.length);
  let runs = 0;
  fn.blocks.forEach((block, place) => {
    const preds = live.preds[place] as readonly number[];
    const pred = preds[0];
    let run = preds.length === 1 && pred !== undefined && pred < place ? (runAtEnd[pred] as number) : runs++;
    const read = (v: VReg): void => {
      if (lastRun[v] === run) return;
      lastRun[v] = run;
      costs[v] = (costs[v] as number) + 1;
    };
    const readAny = (value: Value): void => {
      if (typeof value === "number") read(value);
    };
    for (const insn of block.insns) {
      forEachUse(insn, read);
      if (insn.kind === "call") {
        insn.args.forEach(readAny);
        run = runs++;
      }
      const dst = defOf(insn);
      if (dst === null) continue;
      lastRun[dst] = run;
      const again = insn.kind === "make" || insn.kind === "reload" || (insn.kind === "load" && outlives(live, insn));
      if (!again && !state.homeOf.has(dst)) costs[dst] = (costs[dst] as number) + 1;
      // Its own instruction goes away.
      if (again) costs[dst] = (costs[dst] as number) - 1;
    }
    const { term } = block;
    if (term.kind === "return") readAny(term.value);
    if (term.kind === "branch") {
      read(term.a);
      if ("reg" in term.b) read(term.b.reg);
    }
    for (const edge of mEdgesOf(term)) edge.args.forEach(readAny);
    runAtEnd[place] = run;
  });
  return costs;
}
