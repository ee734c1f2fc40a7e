// One function of a program as JavaScript source. Where all jumps go forward the blocks stand in order inside nested labels, a
// jump being a `break` out of the right one: control flow the engine's optimiser understands. Otherwise, and where the nest would
// be too deep, the blocks are the cases of a switch in a loop. Part of the compiled executor; an instruction's source is emit-*.ts.

import { assertNever } from "../base/assert.ts";
import type { LoadedProgram } from "./core.ts";
import { emitAlu, emitCondition, literal } from "./emit-alu.ts";
import { emitAtomic, emitLoad, emitStore } from "./emit-memory.ts";
import type { VmInsn } from "./program.ts";
import { blockSlots, endsFlow, jumpTarget, slotCount } from "./program.ts";

/** The most labels nested: parsers recurse over them. */
const mostLabels = 500;

const argumentNames = [1, 2, 3, 4, 5].map((n) => `r${n},h${n}`).join(",");
const clearArguments = [1, 2, 3, 4, 5].map((n) => `r${n}=h${n}=0;`).join("");
const passArguments = [1, 2, 3, 4, 5].map((n) => `W[${2 * n}]=r${n};W[${2 * n + 1}]=h${n};`).join("");

interface Block {
  readonly leader: number;
  readonly slots: readonly number[];
}

/** Writes the function that starts at one slot. */
export class FunctionSource {
  readonly #loaded: LoadedProgram;
  readonly #entry: number;
  readonly #recordsPath: boolean;
  readonly #blocks: readonly Block[];
  readonly #framePointerKept: boolean;
  /** The slots that something jumps to, rising. */
  readonly #targets: readonly number[];
  readonly #nests: boolean;

  constructor(loaded: LoadedProgram, entry: number, recordsPath: boolean) {
    this.#loaded = loaded;
    this.#entry = entry;
    this.#recordsPath = recordsPath;
    this.#blocks = this.#reachableBlocks();
    const insns = this.#blocks.flatMap(({ slots }) => slots.map((slot) => [slot, this.#insn(slot)] as const));
    this.#framePointerKept = !insns.some(([, insn]) => writes(insn, 10));
    const jumps = insns.flatMap(([slot, insn]) => {
      const target = jumpTarget(insn, slot);
      return target === null || this.#startsNothing(target) ? [] : [[slot, target] as const];
    });
    this.#targets = [...new Set(jumps.map(([, target]) => target))].sort((a, b) => a - b);
    const first = this.#blocks[0]?.leader ?? entry;
    this.#nests =
      first === entry && jumps.every(([slot, target]) => target > slot) && this.#targets.length <= mostLabels;
  }

  /** The function's text: `function f<slot>(…) {…}`. */
  text(): string {
    const body =
      this.#blocks.length === 0 ? `C.badJump(${this.#entry});` : this.#nests ? this.#nested() : this.#looped();
    return [
      `function f${this.#entry}(${argumentNames}){`,
      "let r0=0,h0=0,r6=0,h6=0,r7=0,h7=0,r8=0,h8=0,r9=0,h9=0,t=0,g=Z,o=0,p=0,m=C.mayGotoLimit;",
      `let r10=FP,h10=C.framesHi+C.depth;const S=C.frames[C.depth].view;`,
      body,
      "}",
    ].join("\n");
  }

  #insn(slot: number): VmInsn {
    return this.#loaded.program.insns[slot] ?? { kind: "illegal", why: "no instruction" };
  }

  #startsNothing(slot: number): boolean {
    return this.#loaded.program.insns[slot] == null;
  }

  /** The blocks that execution can come to from the entry, by rising slot. */
  #reachableBlocks(): Block[] {
    const found = new Map<number, Block>();
    const work = [this.#entry];
    for (let leader = work.pop(); leader !== undefined; leader = work.pop()) {
      if (found.has(leader) || this.#startsNothing(leader)) continue;
      const slots = blockSlots(this.#loaded.program, leader);
      found.set(leader, { leader, slots });
      const last = slots.at(-1) ?? leader;
      const insn = this.#insn(last);
      const target = jumpTarget(insn, last);
      if (target !== null) work.push(target);
      if (!endsFlow(insn)) work.push(last + slotCount(insn));
    }
    return [...found.values()].sort((a, b) => a.leader - b.leader);
  }

  #nested(): string {
    const lines = [
      [...this.#targets]
        .reverse()
        .map((target) => `B${target}:{`)
        .join(""),
    ];
    const labelled = new Set(this.#targets);
    for (const [index, block] of this.#blocks.entries())
      lines.push((labelled.has(block.leader) ? "}" : "") + this.#block(block, this.#blocks[index + 1]?.leader ?? null));
    return lines.join("\n");
  }

  #looped(): string {
    const lines = [`let b=${this.#entry};L:for(;;)switch(b){`];
    for (const [index, block] of this.#blocks.entries())
      lines.push(`case ${block.leader}:${this.#block(block, this.#blocks[index + 1]?.leader ?? null)}`);
    lines.push("default:C.badJump(b);}");
    return lines.join("\n");
  }

  /** A block's statements; `following` is the leader of the block whose text comes next. */
  #block({ leader, slots }: Block, following: number | null): string {
    const count = slots.length;
    const parts = [`if((C.left-=${count})<0)C.overBudget(${leader},${count});`];
    if (this.#recordsPath) parts.push(`C.path.push(${leader});`);
    for (const slot of slots) parts.push(this.#statement(this.#insn(slot), slot));
    const last = slots.at(-1) ?? leader;
    const insn = this.#insn(last);
    const next = last + slotCount(insn);
    if (!endsFlow(insn) && next !== following) parts.push(this.#goto(next, last));
    return parts.join("");
  }

  /** Goes to a slot from the instruction at `from`. */
  #goto(target: number, from: number): string {
    if (this.#startsNothing(target)) return `{C.slot=${from};C.badJump(${target});}`;
    return this.#nests ? `break B${target};` : `{b=${target};continue L;}`;
  }

  #statement(insn: VmInsn, slot: number): string {
    switch (insn.kind) {
      case "alu":
      case "neg":
      case "movsx":
      case "endian":
        return emitAlu(insn);
      case "load":
        return emitLoad(insn, slot, this.#framePointerKept);
      case "loadAcquire":
        return emitLoad({ ...insn, signed: false }, slot, this.#framePointerKept);
      case "store":
        return emitStore(insn, slot, this.#framePointerKept);
      case "storeRelease":
        return emitStore({ ...insn, src: { reg: insn.src } }, slot, this.#framePointerKept);
      case "atomic":
        return emitAtomic(insn, slot);
      case "loadWide":
        return this.#wide(insn, slot);
      case "jump":
        return this.#goto(slot + 1 + insn.target, slot);
      case "branch":
        return `if(${emitCondition(insn.op, insn.bits, insn.dst, insn.src)})${this.#goto(slot + 1 + insn.target, slot)}`;
      case "mayGoto":
        return `if(m--<=0)${this.#goto(slot + 1 + insn.target, slot)}`;
      case "call":
        return this.#call(insn, slot);
      case "exit":
        return "C.hi=h0;return r0;";
      case "legacy":
        return this.#illegal("legacy packet access, which XDP doesn't have", slot);
      case "illegal":
        return this.#illegal(insn.why, slot);
      default:
        return assertNever(insn, "instruction");
    }
  }

  #illegal(why: string, slot: number): string {
    return `C.slot=${slot};C.illegal(${JSON.stringify(why)});`;
  }

  #wide(insn: Extract<VmInsn, { kind: "loadWide" }>, slot: number): string {
    const { dst, value } = insn;
    if (value.kind === "constant") {
      const lo = Number(BigInt.asIntN(32, value.value));
      const hi = Number(BigInt.asIntN(32, value.value >> 32n));
      return `r${dst}=${literal(lo)};h${dst}=${literal(hi)};`;
    }
    const address = this.#loaded.wides.get(slot);
    if (address === undefined || typeof address === "string") return this.#illegal(address ?? "no 64-bit value", slot);
    return `r${dst}=${literal(address.lo)};h${dst}=${literal(address.hi)};`;
  }

  #call(insn: Extract<VmInsn, { kind: "call" }>, slot: number): string {
    const { callee } = insn;
    if (callee.kind === "local") {
      const target = slot + 1 + callee.target;
      const isEntry = this.#loaded.program.entries.includes(target);
      const call = isEntry ? `r0=f${target}(${argumentNames});` : `C.badJump(${target});`;
      return `C.slot=${slot};C.enter();${call}h0=C.hi;C.leave();${clearArguments}`;
    }
    const call = callee.kind === "helper" ? `C.callHelper(${callee.id});` : `C.callKfunc(${callee.btfId});`;
    const tail = "if(C.tail!==null){C.runTail();C.hi=W[1];return W[0];}";
    return `C.slot=${slot};${passArguments}${call}${tail}r0=W[0];h0=W[1];${clearArguments}`;
  }
}

/** True when `insn` writes register `reg`. */
function writes(insn: VmInsn, reg: number): boolean {
  switch (insn.kind) {
    case "alu":
    case "neg":
    case "movsx":
    case "endian":
    case "load":
    case "loadAcquire":
    case "loadWide":
      return insn.dst === reg;
    case "atomic":
      return insn.fetch && insn.op !== "cmpxchg" && insn.src === reg;
    default:
      return false;
  }
}
