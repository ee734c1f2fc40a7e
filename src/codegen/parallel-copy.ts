// Copies that happen at once (an edge's arguments, a call's arguments) as instructions one after the other: a place is
// written only when nobody has to read it any more, cycles are broken through a free place. Part of `emit`; knows registers
// and stack offsets, nothing of blocks.

import type { Insn, Reg } from "../bpf/insn.ts";
import type { Fixed } from "./machine.ts";

/** Where a value lies: a register (0 to 9) or an 8-byte place on the stack (a negative offset from r10). */
export type Location = number;

/** One copy; `from` a place or something made on the spot. */
export interface Copy {
  readonly to: Location;
  readonly from: Location | Fixed;
}

/** What the instructions may use besides the copies' own places. */
export interface CopyContext {
  /** Registers that hold nothing needed while the copies are made or after them, as bits; the copies' own are taken out here. */
  readonly scratch: number;
  /** The instructions that put a fixed value into a register. */
  readonly make: (reg: Reg, value: Fixed) => Insn<never>[];
  /** An 8-byte place of the frame that nothing else uses: the n-th such place. */
  readonly spare: (n: number) => number;
}

const isReg = (place: Location): place is Reg => place >= 0;

/** The copies in an order that keeps their meaning; those that change nothing are dropped. */
export function sequentialise(copies: readonly Copy[], context: CopyContext): Insn<never>[] {
  const out: Insn<never>[] = [];
  const moves = new Map<Location, Location>();
  const fixed: { to: Location; from: Fixed }[] = [];
  let scratch = context.scratch;
  for (const { to, from } of copies) {
    if (isReg(to)) scratch &= ~(1 << to);
    if (typeof from !== "number") {
      if (from.kind !== "undef") fixed.push({ to, from });
      continue;
    }
    if (isReg(from)) scratch &= ~(1 << from);
    if (to !== from) moves.set(to, from);
  }
  const free: number[] = [];
  for (let r = 0; r < 10; r++) if ((scratch & (1 << r)) !== 0) free.push(r);
  const readers = new Map<Location, number>();
  for (const from of moves.values()) readers.set(from, (readers.get(from) ?? 0) + 1);
  const isIdle = (place: Location): boolean => isReg(place) && (readers.get(place) ?? 0) === 0;
  // A register that is still to be written and that nobody reads any more serves until then, whether it holds anything or not.
  const idle = (): Reg | null =>
    ((free[0] ?? [...moves.keys()].find(isIdle) ?? fixed.find(({ to }) => isIdle(to))?.to) as Reg | undefined) ?? null;
  const mover = new Mover(out, context, idle);
  const ready = [...moves.keys()].filter((to) => !readers.has(to));
  while (moves.size > 0) {
    const to = ready.pop();
    if (to === undefined) {
      // Only cycles are left: one member's old value moves to a free place, its reader reads it there.
      const [first, from] = moves.entries().next().value as [Location, Location];
      const place = free.length > 1 ? (free.pop() as number) : context.spare(1);
      mover.move(place, from);
      moves.set(first, place);
      readers.set(from, (readers.get(from) as number) - 1);
      if (readers.get(from) === 0) ready.push(from);
      continue;
    }
    const from = moves.get(to);
    if (from === undefined) continue;
    mover.move(to, from);
    moves.delete(to);
    const left = (readers.get(from) ?? 0) - 1;
    readers.set(from, left);
    if (left === 0 && moves.has(from)) ready.push(from);
  }
  // Registers last: until then they may be idle.
  fixed.sort((a, b) => Number(isReg(a.to)) - Number(isReg(b.to)));
  for (let next = fixed.shift(); next !== undefined; next = fixed.shift()) mover.put(next.to, next.from);
  return out;
}

class Mover {
  readonly #out: Insn<never>[];
  readonly #context: CopyContext;
  readonly #idle: () => Reg | null;

  constructor(out: Insn<never>[], context: CopyContext, idle: () => Reg | null) {
    this.#out = out;
    this.#context = context;
    this.#idle = idle;
  }

  move(to: Location, from: Location): void {
    if (isReg(to) && isReg(from)) this.#out.push({ kind: "alu", op: "mov", bits: 64, dst: to, src: { reg: from } });
    else if (isReg(to)) this.#load(to, from);
    else if (isReg(from)) this.#store(to, from);
    else {
      this.#through((reg) => {
        this.#load(reg, from);
        this.#store(to, reg);
      });
    }
  }

  put(to: Location, from: Fixed): void {
    if (isReg(to)) {
      this.#out.push(...this.#context.make(to, from));
      return;
    }
    if (from.kind === "constant") {
      const value = BigInt.asIntN(64, from.value);
      if (value === BigInt.asIntN(32, value)) {
        this.#out.push({ kind: "store", width: 8, base: 10, offset: to, src: { imm: Number(value) } });
        return;
      }
    }
    this.#through((reg) => {
      this.#out.push(...this.#context.make(reg, from));
      this.#store(to, reg);
    });
  }

  #load(to: Reg, from: Location): void {
    this.#out.push({ kind: "load", width: 8, signed: false, dst: to, base: 10, offset: from });
  }

  #store(to: Location, from: Reg): void {
    this.#out.push({ kind: "store", width: 8, base: 10, offset: to, src: { reg: from } });
  }

  /** With a register for a moment: an idle one, or r0 (which then holds a value) with it kept on the stack meanwhile. */
  #through(use: (reg: Reg) => void): void {
    const reg = this.#idle();
    if (reg !== null) {
      use(reg);
      return;
    }
    this.#store(this.#context.spare(0), 0);
    use(0);
    this.#load(0, this.#context.spare(0));
  }
}
