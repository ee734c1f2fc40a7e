// Facts about control flow within each function that the walk reads but never changes: an order for data-flow analyses, loops
// (strongly connected components) and the registers that matter before each instruction. Calls count as straight on.
// Source: Linux kernel/bpf/verifier.c (compute_postorder, compute_scc, compute_live_registers), liveness.c (bpf_insn_successors).

import { helperById } from "../bpf/helpers.ts";
import { aluOps, aluUnary, atomicFetch, insnClass, jumpCodes, memoryModes, sourceRegister } from "../bpf/isa.ts";
import type { Program } from "./env.ts";
import { kfuncProtos } from "./kfunc-protos.ts";
import { isHelperCall, isKernelCall, jumpTarget, opcodes } from "./program.ts";
import { isJump } from "./structure.ts";

/** What the walk needs to know of the flow. */
export interface Flow {
  /** The slots of each function, each after those it leads to where loops allow; functions one after the other. */
  readonly postorder: Int32Array;
  /** Where each function begins in `postorder`, and its length at the end. */
  readonly postorderStart: Int32Array;
  /** By slot: the number of the loop it is in, from 1; 0 for none. */
  readonly loopOf: Int32Array;
  /** By slot: bit r set when register r may be read before it is written, from here on. */
  readonly liveRegisters: Uint16Array;
  /** By slot: the slot control falls through to, or -1. */
  readonly next: Int32Array;
  /** By slot: the slot it jumps to, or -1. */
  readonly target: Int32Array;
}

/** Computes all facts. */
export function findFlow(program: Program): Flow {
  const { slots } = program;
  const next = new Int32Array(slots).fill(-1);
  const target = new Int32Array(slots).fill(-1);
  for (let slot = 0; slot < slots; slot++) {
    const opcode = program.opcode[slot] as number;
    const jump = isJump(opcode);
    if (jump) target[slot] = jumpTarget(program, slot);
    const stops = (opcode & 0xf7) === (opcodes.exit & 0xf7) || (jump && (opcode & 0xf0) === jumpCodes.ja);
    const after = slot + (opcode === opcodes.loadWide ? 2 : 1);
    if (!stops && after < slots) next[slot] = after;
  }
  const { postorder, postorderStart } = findPostorder(program, next, target);
  const liveRegisters = findLiveRegisters(program, postorder, next, target);
  return { postorder, postorderStart, loopOf: findLoops(slots, next, target), liveRegisters, next, target };
}

function findPostorder(program: Program, next: Int32Array, target: Int32Array) {
  const postorder = new Int32Array(program.slots);
  const postorderStart = new Int32Array(program.functions.length + 1);
  const state = new Uint8Array(program.slots);
  let count = 0;
  for (const [index, { start }] of program.functions.entries()) {
    postorderStart[index] = count;
    const stack = [start];
    // Seen from the beginning: a jump back to a function's start doesn't come before it.
    state[start] = 1;
    while (stack.length > 0) {
      const top = stack[stack.length - 1] as number;
      if (state[top] === 2) {
        postorder[count++] = top;
        stack.pop();
        continue;
      }
      for (const successor of [next[top] as number, target[top] as number]) {
        if (successor < 0 || state[successor] !== 0) continue;
        stack.push(successor);
        state[successor] = 1;
      }
      state[top] = 2;
    }
  }
  postorderStart[program.functions.length] = count;
  return { postorder: postorder.subarray(0, count), postorderStart };
}

/** Tarjan's algorithm without recursion; a component counts when it has two members or an edge to itself. */
function findLoops(slots: number, next: Int32Array, target: Int32Array): Int32Array {
  const loopOf = new Int32Array(slots);
  const offStack = 0x7fff_ffff;
  const order = new Int32Array(slots);
  const low = new Int32Array(slots);
  const members: number[] = [];
  let nextOrder = 1;
  let nextLoop = 1;
  for (let root = 0; root < slots; root++) {
    if (order[root] !== 0) continue;
    const way = [root];
    while (way.length > 0) {
      const at = way[way.length - 1] as number;
      if (order[at] === 0) {
        order[at] = low[at] = nextOrder++;
        members.push(at);
      }
      const successors = [next[at] as number, target[at] as number];
      const fresh = successors.find((successor) => successor >= 0 && order[successor] === 0);
      for (const successor of successors)
        if (successor >= 0 && order[successor] !== 0) low[at] = Math.min(low[at] as number, low[successor] as number);
      if (fresh !== undefined) {
        way.push(fresh);
        continue;
      }
      way.pop();
      if ((low[at] as number) < (order[at] as number)) continue;
      const loop = members[members.length - 1] !== at || successors.includes(at);
      for (let member = -1; member !== at; ) {
        member = members.pop() as number;
        low[member] = offStack;
        if (loop) loopOf[member] = nextLoop;
      }
      if (loop) nextLoop++;
    }
  }
  return loopOf;
}

function findLiveRegisters(program: Program, postorder: Int32Array, next: Int32Array, target: Int32Array): Uint16Array {
  const { slots } = program;
  const live = new Uint16Array(slots);
  const use = new Uint16Array(slots);
  const keep = new Uint16Array(slots);
  for (let slot = 0; slot < slots; slot++) {
    const { reads, writes } = registersOf(program, slot);
    use[slot] = reads;
    keep[slot] = ~writes;
  }
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = 0; i < postorder.length; i++) {
      const slot = postorder[i] as number;
      const falls = next[slot] as number;
      const jumps = target[slot] as number;
      const after = (falls < 0 ? 0 : (live[falls] as number)) | (jumps < 0 ? 0 : (live[jumps] as number));
      const before = (after & (keep[slot] as number)) | (use[slot] as number);
      if (before === live[slot]) continue;
      live[slot] = before;
      changed = true;
    }
  }
  return live;
}

const everyRegister = 0xffff;
/** r0 to r5. */
const callerSaved = 0x3f;
const load = memoryModes;

/** Which registers an instruction reads and writes, as bits. */
function registersOf(program: Program, slot: number): { reads: number; writes: number } {
  const opcode = program.opcode[slot] as number;
  const dst = 1 << (program.dst[slot] as number);
  const src = 1 << (program.src[slot] as number);
  const code = opcode & 0xf0;
  const mode = opcode & 0xe0;
  const fromRegister = (opcode & sourceRegister) !== 0;
  switch (opcode & 7) {
    case insnClass.ld:
      return opcode === opcodes.loadWide ? { reads: 0, writes: dst } : { reads: everyRegister, writes: 0 };
    case insnClass.ldx:
      return { reads: src, writes: dst };
    case insnClass.st:
      return mode === load.mem ? { reads: dst, writes: 0 } : { reads: everyRegister, writes: 0 };
    case insnClass.stx:
      if (mode === load.mem) return { reads: dst | src, writes: 0 };
      return mode === load.atomic
        ? atomicRegisters(program.imm[slot] as number, dst, src)
        : { reads: everyRegister, writes: 0 };
    case insnClass.alu:
    case insnClass.alu64:
      if (code === aluUnary.end) return { reads: dst, writes: dst };
      if (code === aluOps.mov.code) return { reads: fromRegister ? src : 0, writes: dst };
      return { reads: fromRegister ? dst | src : dst, writes: dst };
    default:
      return jumpRegisters(program, slot, dst, fromRegister ? src : 0);
  }
}

/** Immediates of the atomic loads and stores of 6.15 (BPF_LOAD_ACQ, BPF_STORE_REL) and of compare-and-exchange. */
export const atomicImmediates = { compareExchange: 0xf1, loadAcquire: 0x100, storeRelease: 0x110 } as const;

function atomicRegisters(imm: number, dst: number, src: number): { reads: number; writes: number } {
  switch (imm) {
    case atomicImmediates.compareExchange:
      return { reads: 1 | dst | src, writes: 1 };
    case atomicImmediates.loadAcquire:
      return { reads: src, writes: dst };
    case atomicImmediates.storeRelease:
      return { reads: dst | src, writes: 0 };
    default:
      return { reads: dst | src, writes: (imm & atomicFetch) !== 0 ? src : 0 };
  }
}

function jumpRegisters(program: Program, slot: number, dst: number, src: number): { reads: number; writes: number } {
  const code = (program.opcode[slot] as number) & 0xf0;
  switch (code) {
    case jumpCodes.ja:
    case jumpCodes.cond:
      return { reads: 0, writes: 0 };
    case jumpCodes.exit:
      return { reads: 1, writes: 0 };
    case jumpCodes.call:
      return { reads: argumentsOf(program, slot), writes: callerSaved };
    default:
      return { reads: dst | src, writes: 0 };
  }
}

/** The arguments that a call reads: as many as a known callee has, else all five. */
function argumentsOf(program: Program, slot: number): number {
  const count = argumentCount(program, slot);
  return count === null ? callerSaved & ~1 : ((1 << count) - 1) << 1;
}

function argumentCount(program: Program, slot: number): number | null {
  const imm = program.imm[slot] as number;
  if (isKernelCall(program, slot)) {
    const proto = kfuncProtos.get(program.image.kfuncs[imm] ?? "");
    return proto === undefined ? null : proto.parameters.length;
  }
  const helper = isHelperCall(program, slot) ? helperById(imm) : null;
  return helper === null ? null : helper.args.filter((kind) => kind !== "extra").length;
}
