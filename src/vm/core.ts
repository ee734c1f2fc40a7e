// The state of a run, shared by both executors and seen by helpers: frames, budget, what was asked for by calls. Everything an
// instruction can do besides arithmetic and flow ends here or in memory.ts. Part of the machine's core; knows no instructions.
//
// Choices where the kernel leaves a value open: registers but r1 (r1 and r2 for bare bytecode) and the stack are zero at the start, so is the
// frame of each local call, and r1 to r5 are zero after every call.

import { InternalError } from "../base/assert.ts";
import type { PathStretch } from "./fault.ts";
import { MachineFault } from "./fault.ts";
import type { HelperEnvironment, HelperTable, KfuncTable, TailTarget } from "./helper-call.ts";
import type { ContextValues } from "./memory.ts";
import { Memory, originLo, Region } from "./memory.ts";
import type { Program } from "./program.ts";
import { blockSlots, lineAt, stepsBehind } from "./program.ts";
import type { Clock, Redirect } from "./surroundings.ts";

/** The size of a frame's stack in bytes. **Source:** Linux include/linux/filter.h, MAX_BPF_STACK. */
export const stackBytes = 512;

/** The most frames at a time. **Source:** Linux include/linux/bpf_verifier.h, MAX_CALL_FRAMES. */
export const mostFrames = 8;

/** The most tail calls in a run. **Source:** Linux include/linux/bpf.h, MAX_TAIL_CALL_CNT. */
export const mostTailCalls = 33;

/** The place of may_goto's count among a frame's registers in memory, behind the pairs of r0 to r10. */
export const mayGotoPlace = 22;

/** A program with everything it names, ready in one machine. */
export interface LoadedProgram extends TailTarget {
  readonly program: Program;
  /** The addresses that wide loads give, by slot: int32 low and high half, or why there is none. */
  readonly wides: ReadonlyMap<number, WideAddress | string>;
  readonly interpreter: Executor;
  /** Null where the machine interprets. */
  readonly compiled: Executor | null;
}

/** The two halves of a value, int32 each. */
export interface WideAddress {
  readonly lo: number;
  readonly hi: number;
}

/** Runs functions of one program. */
export interface Executor {
  /**
   * Runs the function at `entry` in the core's current frame: r1 to r5 from `words` (as in `HelperEnvironment.words`), r0 into
   * `words[0]` and `words[1]`. Throws MachineFault.
   */
  call(entry: number, words: Int32Array): void;
}

/** Called before each instruction with its slot, the frame's depth (0 first) and r0 to r10; they may be read only. */
export type StepObserver = (slot: number, depth: number, registers: BigUint64Array) => void;

/** What a core is made of. */
export interface CoreOptions {
  readonly helpers: HelperTable;
  readonly kfuncs: KfuncTable;
  readonly cpu: number;
  readonly cpus: number;
  readonly clock: Clock;
  readonly seed: number;
  /** How often may_goto goes on in one frame before it jumps. */
  readonly mayGotoLimit: number;
}

/** The state of one machine while it runs. */
export class Core implements HelperEnvironment {
  readonly words = new Int32Array(12);
  readonly memory = new Memory();
  context: ContextValues | null = null;
  /** Changes only between runs. */
  cpu: number;
  readonly cpus: number;
  readonly clock: Clock;
  redirect: Redirect | null = null;
  readonly helpers: HelperTable;
  readonly kfuncs: KfuncTable;
  readonly mayGotoLimit: number;
  /** The frames' stacks; the current one is `frames[depth]`. */
  readonly frames: readonly Region[];
  /** Where compiled functions in several parts keep the registers of each frame: pairs of int32, r0 first, then may_goto's count. */
  readonly registerFiles: readonly Int32Array[] = Array.from(
    { length: mostFrames },
    () => new Int32Array(mayGotoPlace + 1),
  );
  /** The high half of the first frame's addresses; those of the next are one more each. */
  readonly framesHi: number;
  /** The high half of function addresses. */
  readonly codeHi: number;
  depth = 0;
  /** Instructions left of the budget, an int32: the whole block is taken off when it is entered. */
  left = 0;
  /** The slot of the instruction that may fault; set before whatever can. */
  slot = -1;
  /** The high half of what a compiled function returned. */
  hi = 0;
  /** The first slots of the blocks entered, or null when nobody asked. */
  path: number[] | null = null;
  observer: StepObserver | null = null;
  /** The program a tail call goes to; the executor takes it. */
  tail: LoadedProgram | null = null;
  traced: string[] = [];
  #current: LoadedProgram | null = null;
  /** From which entry of `path` on the slots are those of which program. */
  #stretches: { readonly from: number; readonly loaded: LoadedProgram }[] = [];
  #budget = 0;
  #tailCalls = 0;
  #random: number;

  constructor(options: CoreOptions) {
    this.helpers = options.helpers;
    this.kfuncs = options.kfuncs;
    this.cpu = options.cpu;
    this.cpus = options.cpus;
    this.clock = options.clock;
    this.mayGotoLimit = options.mayGotoLimit;
    this.#random = options.seed | 0;
    this.frames = Array.from(
      { length: mostFrames },
      (_, i) => new Region("stack", `stack of frame ${i}`, new Uint8Array(stackBytes)),
    );
    const highs = this.frames.map((frame) => this.memory.addPermanent(frame));
    this.framesHi = highs[0] ?? 0;
    this.codeHi = this.memory.addPermanent(new Region("code", "the program's instructions", new Uint8Array(0)));
  }

  /** Runs a program from its first instruction with r1 and r2 in `words`; r0 is there afterwards. Throws MachineFault with its place. */
  start(loaded: LoadedProgram, budget: number, path: boolean): void {
    this.depth = 0;
    this.frames[0]?.bytes.fill(0);
    this.#budget = budget;
    this.left = budget;
    this.slot = -1;
    this.path = path ? [] : null;
    this.#stretches = [];
    this.tail = null;
    this.#tailCalls = 0;
    this.redirect = null;
    if (this.traced.length > 0) this.traced = [];
    this.#switchTo(loaded);
    try {
      this.#executorOf(loaded).call(0, this.words);
    } catch (error) {
      if (error instanceof MachineFault) this.#locate(error);
      throw error;
    }
  }

  /** A run that someone watches is interpreted, whatever the machine prefers. */
  #executorOf(loaded: LoadedProgram): Executor {
    return this.observer === null ? (loaded.compiled ?? loaded.interpreter) : loaded.interpreter;
  }

  #switchTo(loaded: LoadedProgram): void {
    this.#current = loaded;
    if (this.path !== null) this.#stretches.push({ from: this.path.length, loaded });
  }

  /** The path of the run so far, in stretches of one program each; null when nobody asked. */
  pathTaken(steps: number): PathStretch[] | null {
    const { path } = this;
    if (path === null) return null;
    const taken: PathStretch[] = [];
    let left = steps;
    for (const [i, { from, loaded }] of this.#stretches.entries()) {
      const slots = slotsOf(loaded.program, path, from, this.#stretches[i + 1]?.from ?? path.length, left);
      left -= slots.length;
      if (slots.length > 0) taken.push({ program: loaded.name, slots });
    }
    return taken;
  }

  /** Instructions executed since `start`. */
  get steps(): number {
    return this.#budget - this.left;
  }

  #locate(fault: MachineFault): void {
    const current = this.#current;
    if (current === null || fault.program !== null) return;
    const { program } = current;
    const behind = fault.kind === "budget" ? 0 : stepsBehind(program, this.slot);
    fault.locate({
      program: current.name,
      slot: this.slot,
      line: lineAt(program.image, this.slot),
      steps: this.steps - behind,
    });
    fault.path = this.pathTaken(fault.steps);
  }

  /** Ends the run: the block of `steps` instructions at `slot` is more than what is left. */
  overBudget(slot: number, steps: number): never {
    this.left += steps;
    this.slot = slot;
    throw new MachineFault("budget", `the budget of ${this.#budget} instructions is used up`);
  }

  /** Ends the run: execution came to `slot`, which is no instruction's first slot. */
  badJump(slot: number): never {
    throw new MachineFault("jump", `execution goes to slot ${slot}, where no instruction starts`);
  }

  /** Ends the run at an instruction without a meaning. */
  illegal(why: string): never {
    throw new MachineFault("instruction", why);
  }

  /** Opens a frame for a called function. Throws MachineFault when there are too many. */
  enter(): void {
    if (this.depth + 1 >= mostFrames) throw new MachineFault("callDepth", `more than ${mostFrames} frames`);
    this.depth++;
    this.frames[this.depth]?.bytes.fill(0);
  }

  /** Closes the current frame. */
  leave(): void {
    this.depth--;
  }

  /** Calls helper `id` with the arguments in `words`; its result is there afterwards, 0 if it left none. */
  callHelper(id: number): void {
    const helper = this.helpers.get(id);
    if (helper === undefined) throw new MachineFault("helper", `the machine has no helper ${id}`);
    this.words[0] = 0;
    this.words[1] = 0;
    helper(this);
  }

  /** Calls the kernel function that entry `index` of the program's `kfuncs` names. */
  callKfunc(index: number): void {
    const name = this.#current?.program.image.kfuncs[index];
    const kfunc = name === undefined ? undefined : this.kfuncs.get(name);
    if (kfunc === undefined)
      throw new MachineFault("helper", `the machine has no kernel function ${name ?? `number ${index}`}`);
    this.words[0] = 0;
    this.words[1] = 0;
    kfunc(this);
  }

  invoke(hi: number, lo: number, args: Int32Array): void {
    const current = this.#current;
    const slot = lo - originLo;
    if (current === null || hi !== this.codeHi || !current.program.entries.includes(slot))
      throw new MachineFault("helper", "the function to call back isn't one of the program's");
    const behind = this.slot;
    this.enter();
    this.#executorOf(current).call(slot, args);
    this.leave();
    this.slot = behind;
  }

  tailCall(target: TailTarget): boolean {
    if (this.#tailCalls >= mostTailCalls) return false;
    if (!("interpreter" in target)) throw new InternalError(`tail call to ${target.name}, which isn't loaded`);
    this.#tailCalls++;
    this.tail = target as LoadedProgram;
    return true;
  }

  /** Runs the program of an accepted tail call in place of the current function, r1 as the call had it; r0 in `words`. */
  runTail(): void {
    const before = this.#current;
    const target = this.tail;
    if (target === null) throw new InternalError("no tail call was asked for");
    this.tail = null;
    this.#switchTo(target);
    this.frames[this.depth]?.bytes.fill(0);
    this.words.fill(0, 4);
    this.#executorOf(target).call(0, this.words);
    if (before !== null) this.#switchTo(before);
  }

  packetMoved(): void {
    const context = this.context;
    if (context === null) throw new InternalError("there is no packet to move");
    context.moved = true;
    this.memory.revoke(context.packet);
    context.packet.setBounds(context.dataMeta, context.dataEnd);
  }

  trace(line: string): void {
    this.traced.push(line);
  }

  /** Sets the state of the pseudo-random numbers. */
  reseed(seed: number): void {
    this.#random = seed | 0;
  }

  // mulberry32: 32 bits of state, every seed good.
  random(): number {
    this.#random = (this.#random + 0x6d2b79f5) | 0;
    let value = this.#random;
    value = Math.imul(value ^ (value >>> 15), value | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return (value ^ (value >>> 14)) >>> 0;
  }

  /** The high half of the current frame's addresses; its end, where r10 points, has the low half `originLo + stackBytes`. */
  get frameHi(): number {
    return this.framesHi + this.depth;
  }
}

/** The first `most` slots of the blocks whose leaders stand at `[from, to)` of a path. */
function slotsOf(program: Program, path: readonly number[], from: number, to: number, most: number): Uint32Array {
  let count = 0;
  for (let i = from; i < to; i++) count += program.blockSteps[path[i] ?? 0] ?? 0;
  const slots = new Uint32Array(Math.min(count, most));
  let at = 0;
  for (let i = from; i < to; i++) for (const slot of blockSlots(program, path[i] ?? 0)) slots[at++] = slot;
  return slots;
}

/** r10's low half: the end of the frame's stack. */
export const framePointerLo: number = originLo + stackBytes;
