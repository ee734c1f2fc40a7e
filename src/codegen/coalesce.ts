// Joins virtual registers that a copy would connect (block parameters and their arguments, both ends of a two-address
// tie) into classes that can share one register, because their members are never live together. Between `liveness` and
// `regalloc`, which may dissolve a class again. Knows nothing of real registers.
// A class grows to its end before the next is begun: its positions are marked once, so that a candidate's test costs only its
// own length.

import { holds, type Liveness } from "./liveness.ts";
import { isCommutative, type MFunction, mEdgesOf, type VReg } from "./machine.ts";

/** Registers that would save a copy by being the same. */
export interface Affinity {
  readonly a: VReg;
  readonly b: VReg;
  /** Where one begins: if the other is live there too, they can't be joined. */
  readonly position: number;
  readonly kind: "edge" | "tie";
}

/** All copies that joining could save. */
export function affinitiesOf(fn: MFunction, live: Liveness): Affinity[] {
  const found: Affinity[] = [];
  fn.blocks.forEach((block, place) => {
    let index = live.entryIndex[place] as number;
    for (const insn of block.insns) {
      index++;
      if (insn.kind !== "alu" && insn.kind !== "neg" && insn.kind !== "swap") continue;
      const position = 2 * index + 1;
      found.push({ a: insn.dst, b: insn.a, position, kind: "tie" });
      if (insn.kind === "alu" && "reg" in insn.b && isCommutative(insn.op)) {
        found.push({ a: insn.dst, b: insn.b.reg, position, kind: "tie" });
      }
    }
    for (const edge of mEdgesOf(block.term)) {
      const target = live.placeOf[edge.target] as number;
      const params = fn.blocks[target]?.params ?? [];
      edge.args.forEach((arg, i) => {
        const param = params[i];
        if (typeof arg !== "number" || param === undefined) return;
        found.push({ a: param, b: arg, position: 2 * (live.entryIndex[target] as number), kind: "edge" });
      });
    }
  });
  return found;
}

/** Classes of registers: the members of the class of each register that has live segments. */
export interface Classes {
  /** The class's number by register. */
  readonly classOf: Int32Array;
  /** The members by class number; empty for numbers not in use. */
  readonly members: VReg[][];
}

/** Joins what can be joined; `group` says which registers may be joined with each other (-1: with none). */
export function coalesce(
  fn: MFunction,
  live: Liveness,
  affinities: readonly Affinity[],
  group: (v: VReg) => number,
): Classes {
  const classOf = Int32Array.from({ length: fn.nextVReg }, (_, v) => v);
  const members: VReg[][] = Array.from({ length: fn.nextVReg }, (_, v) => [v]);
  const mark = new Int32Array(live.positions).fill(-1);
  const state = { live, classOf, members, mark, session: 0 };
  // A copy on an edge may also cost a jump: those first.
  for (const kind of ["edge", "tie"] as const) {
    const usable = affinities.filter((x) => {
      if (x.kind !== kind || group(x.a) !== group(x.b) || group(x.a) === -1) return false;
      return (live.segments[x.a] as number[]).length > 0 && (live.segments[x.b] as number[]).length > 0;
    });
    const partners: Affinity[][] = [];
    for (const x of usable) {
      partners[x.a] ??= [];
      partners[x.b] ??= [];
      (partners[x.a] as Affinity[]).push(x);
      (partners[x.b] as Affinity[]).push(x);
    }
    const begun = new Uint8Array(fn.nextVReg);
    for (const x of usable) {
      const seed = classOf[x.a] as number;
      if (begun[seed] === 0) grow(state, seed, partners, begun);
    }
  }
  return { classOf, members };
}

interface State {
  readonly live: Liveness;
  readonly classOf: Int32Array;
  readonly members: VReg[][];
  readonly mark: Int32Array;
  session: number;
}

function grow(
  state: State,
  seed: number,
  partners: readonly (readonly Affinity[] | undefined)[],
  begun: Uint8Array,
): void {
  const { live, classOf, members, mark } = state;
  const session = state.session++;
  begun[seed] = 1;
  const own = members[seed] as VReg[];
  for (const v of own) occupy(live.segments[v] as number[], mark, session);
  // `own` grows while it is walked.
  for (let i = 0; i < own.length; i++) {
    for (const x of partners[own[i] as VReg] ?? []) {
      const other = x.a === own[i] ? x.b : x.a;
      const candidate = classOf[other] as number;
      if (candidate === seed || begun[candidate] === 1) continue;
      // The cheap test first: the register that was there before lives on.
      const earlier = x.b;
      if (holds(live.segments[earlier] as number[], x.position)) continue;
      const joining = members[candidate] as VReg[];
      if (joining.some((v) => overlaps(live.segments[v] as number[], mark, session))) continue;
      for (const v of joining) {
        occupy(live.segments[v] as number[], mark, session);
        classOf[v] = seed;
        own.push(v);
      }
      members[candidate] = [];
    }
  }
}

function occupy(segments: readonly number[], mark: Int32Array, session: number): void {
  for (let i = 0; i < segments.length; i += 2) mark.fill(session, segments[i], (segments[i + 1] as number) + 1);
}

function overlaps(segments: readonly number[], mark: Int32Array, session: number): boolean {
  for (let i = 0; i < segments.length; i += 2) {
    for (let p = segments[i] as number; p <= (segments[i + 1] as number); p++) if (mark[p] === session) return true;
  }
  return false;
}
