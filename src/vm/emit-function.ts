// One function of a program as JavaScript source. Where all jumps go forward the blocks stand in order inside nested labels, a
// jump being a `break` out of the right one: control flow the engine's optimiser understands. Otherwise, and where the nest would
// be too deep, the blocks are the cases of a switch in a loop. Engines don't optimise long functions, so a long one is cut into
// chunks that hand the registers on in memory. Part of the compiled executor; an instruction's source is emit-*.ts.

import { assertNever } from "../base/assert.ts";
import type { LoadedProgram } from "./core.ts";
import { mayGotoPlace } from "./core.ts";
import { emitAlu, emitCondition, literal } from "./emit-alu.ts";
import { emitAtomic, emitLoad, emitStore } from "./emit-memory.ts";
import type { VmInsn } from "./program.ts";
import { blockSlots, endsFlow, jumpTarget, slotCount } from "./program.ts";

/** The most labels nested: parsers recurse over them. */
const mostLabels = 500;

const argumentNames = [1, 2, 3, 4, 5].map((n) => `r${n},h${n}`).join(",");
const clearArguments = [1, 2, 3, 4, 5].map((n) => `r${n}=h${n}=0;`).join("");
const passArguments = [1, 2, 3, 4, 5].map((n) => `W[${2 * n}]=r${n};W[${2 * n + 1}]=h${n};`).join("");

const registerNames = Array.from({ length: 11 }, (_, n) => [`r${n}`, `h${n}`]).flat();
/** The variables that a chunk takes from the frame's registers and leaves there; r10 only where it is written. */
const kept = [...registerNames.slice(0, 20), "m"];

const placeOf = (name: string): number => (name === "m" ? mayGotoPlace : registerNames.indexOf(name));

/** A straight run of instructions with one entry. */
interface Block {
  readonly leader: number;
  readonly slots: readonly number[];
  /** The instructions of the whole block when this is its start, 0 when it was cut and this is a later part. */
  readonly steps: number;
}

/** How jumps and exits are written. */
type Form = "nested" | "looped" | "chunk";

/** Writes the function that starts at one slot. */
export class FunctionSource {
  readonly #loaded: LoadedProgram;
  readonly #entry: number;
  readonly #recordsPath: boolean;
  readonly #blocks: readonly Block[];
  readonly #framePointerKept: boolean;
  /** The slots that something jumps to, rising. */
  readonly #targets: readonly number[];
  readonly #forward: boolean;
  /** The blocks of each chunk; one chunk for a function that stays whole. */
  readonly #chunks: readonly (readonly Block[])[];
  /** The leaders of the chunk being written. */
  #inside: ReadonlySet<number> = new Set();
  #form: Form = "looped";

  /** `most`: instructions in one piece. */
  constructor(loaded: LoadedProgram, entry: number, recordsPath: boolean, most: number) {
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
    this.#forward = first === entry && jumps.every(([slot, target]) => target > slot);
    this.#chunks = insns.length <= most ? [this.#blocks] : cutIntoChunks(this.#blocks, most);
  }

  /** How many chunks there are: 1 for a function that stays whole. */
  get chunks(): number {
    return this.#chunks.length;
  }

  /** The leaders of a chunk's blocks: where it can be entered. */
  leadersOf(chunk: number): readonly number[] {
    return (this.#chunks[chunk] ?? []).map(({ leader }) => leader);
  }

  /** The text of a function that stays whole: a function expression of r1 to r5 as pairs; gives r0's low half, the high half in `C.hi`. */
  whole(): string {
    this.#form = this.#forward && this.#targets.length <= mostLabels ? "nested" : "looped";
    const lines = [
      `(${argumentNames})=>{`,
      "let r0=0,h0=0,r6=0,h6=0,r7=0,h7=0,r8=0,h8=0,r9=0,h9=0,t=0,g=Z,o=0,p=0,m=C.mayGotoLimit;",
      "let r10=FP,h10=C.framesHi+C.depth;const S=C.frames[C.depth].view;",
    ];
    if (this.#blocks.length === 0) lines.push(`C.badJump(${this.#entry});`);
    else if (this.#form === "nested") lines.push(this.#nested());
    else lines.push(`let b=${this.#entry};`, this.#looped(this.#blocks));
    return [...lines, "}"].join("\n");
  }

  /**
   * The text of a chunk: a function expression of the leader to begin with and the registers' array; gives the leader to go on
   * with in another chunk, or -1 after the exit, all registers stored.
   */
  chunk(index: number): string {
    this.#form = "chunk";
    this.#inside = new Set(this.leadersOf(index));
    const names = this.#framePointerKept ? kept : [...kept, "r10", "h10"];
    return [
      "(b,R)=>{",
      `let t=0,g=Z,o=0,p=0,${names.map((name) => `${name}=R[${placeOf(name)}]`).join(",")};`,
      this.#framePointerKept ? "const r10=FP,h10=C.framesHi+C.depth;" : "",
      "const S=C.frames[C.depth].view;",
      `X:{${this.#looped(this.#chunks[index] ?? [])}}`,
      `${names.map((name) => `R[${placeOf(name)}]=${name};`).join("")}return b;`,
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
      found.set(leader, { leader, slots, steps: slots.length });
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

  #looped(blocks: readonly Block[]): string {
    const lines = ["L:for(;;)switch(b){"];
    for (const [index, block] of blocks.entries())
      lines.push(`case ${block.leader}:${this.#block(block, blocks[index + 1]?.leader ?? null)}`);
    lines.push("default:C.badJump(b);}");
    return lines.join("\n");
  }

  /** A block's statements; `following` is the leader of the block whose text comes next. */
  #block({ leader, slots, steps }: Block, following: number | null): string {
    const parts: string[] = [];
    if (steps > 0) parts.push(`if((C.left-=${steps})<0)C.overBudget(${leader},${steps});`);
    if (steps > 0 && this.#recordsPath) parts.push(`C.path.push(${leader});`);
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
    if (this.#form === "nested") return `break B${target};`;
    const leaves = this.#form === "chunk" && !this.#inside.has(target);
    return `{b=${target};${leaves ? "break X" : "continue L"};}`;
  }

  /** Leaves the function with r0. */
  #exit(): string {
    return this.#form === "chunk" ? "b=-1;break X;" : "C.hi=h0;return r0;";
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
        return this.#exit();
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
      const call = isEntry ? `r0=F[${target}](${argumentNames});` : `C.badJump(${target});`;
      return `C.slot=${slot};C.enter();${call}h0=C.hi;C.leave();${clearArguments}`;
    }
    const call = callee.kind === "helper" ? `C.callHelper(${callee.id});` : `C.callKfunc(${callee.btfId});`;
    const tail = `if(C.tail!==null){C.runTail();r0=W[0];h0=W[1];${this.#exit()}}`;
    return `C.slot=${slot};${passArguments}${call}${tail}r0=W[0];h0=W[1];${clearArguments}`;
  }
}

/** Blocks in chunks of at most `most` instructions, in order; a longer block is cut into parts. */
function cutIntoChunks(blocks: readonly Block[], most: number): Block[][] {
  const chunks: Block[][] = [];
  let room = 0;
  for (const { leader, slots, steps } of blocks) {
    for (let from = 0; from < slots.length; from += most) {
      const part = slots.slice(from, from + most);
      if (part.length > room) {
        chunks.push([]);
        room = most;
      }
      chunks.at(-1)?.push({ leader: part[0] ?? leader, slots: part, steps: from === 0 ? steps : 0 });
      room -= part.length;
    }
  }
  return chunks;
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
