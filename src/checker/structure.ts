// The shape of a program: each function ends, jumps stay inside their function, every instruction can be reached. Also finds
// where the walk must look for states it has seen (prune points) and record how it got there (jump points).
// Source: Linux kernel/bpf/verifier.c (check_subprogs, check_btf_func, check_cfg, visit_insn, push_insn).

import { helperById, helperByName } from "../bpf/helpers.ts";
import { insnClass, jumpCodes, memoryModes } from "../bpf/isa.ts";
import type { Program } from "./env.ts";
import { kfuncProtos } from "./kfunc-protos.ts";
import {
  calleeOf,
  hasFunctionInfo,
  isFunctionAddress,
  isHelperCall,
  isKernelCall,
  isLocalCall,
  jumpTarget,
  opcodes,
} from "./program.ts";
import { refuse } from "./verdict.ts";

/** Bits of `Structure.points`. */
export const point = {
  /** States are compared and saved here. */
  prune: 1,
  /** How the walk came here is recorded. */
  jump: 2,
  /** A state is saved whenever the walk comes here. */
  force: 4,
  /** A helper that calls a function of the program before it returns. */
  callsCallback: 8,
  /** An iterator's next. */
  iteratorNext: 16,
  /** may_goto. */
  mayGoto: 32,
} as const;

/** What is known of a program's shape. */
export interface Structure {
  /** Bits of `point` for each slot. */
  readonly points: Uint8Array;
  /** By function: 1 when it, or one it calls, changes the packet's bounds. */
  readonly changesPacket: Uint8Array;
  /** By function: 1 when it calls bpf_tail_call itself. */
  readonly hasTailCall: Uint8Array;
}

const tailCall = helperByName("tail_call")?.id;
const syncCallbackHelpers = new Set(
  (["for_each_map_elem", "find_vma", "loop", "user_ringbuf_drain"] as const).map((name) => helperByName(name)?.id),
);
const asyncCallbackHelper = helperByName("timer_set_callback")?.id;
/** Kernel functions that call one of the program: they return after it (sync) or let it run later. */
const syncCallbackKfunc = "bpf_rbtree_add_impl";
const asyncCallbackKfuncs = new Set([
  "bpf_wq_set_callback_impl",
  "bpf_task_work_schedule_signal",
  "bpf_task_work_schedule_resume",
]);

/** True for an instruction that isn't a call or exit but may go elsewhere. */
export function isJump(opcode: number): boolean {
  const kind = opcode & 7;
  if (kind !== insnClass.jmp && kind !== insnClass.jmp32) return false;
  const code = opcode & 0xf0;
  return code !== jumpCodes.exit && code !== jumpCodes.call;
}

/** True for a jump that also falls through. */
function isConditional(opcode: number): boolean {
  return isJump(opcode) && (opcode & 0xf0) !== jumpCodes.ja;
}

/** Judges jumps and ends of functions; to be called before encodings are judged, as the kernel does. */
export function checkFunctions(program: Program): void {
  const { functions, opcode, functionOf } = program;
  const withInfo = hasFunctionInfo(program.image);
  for (let slot = 0; slot < program.slots; slot++) {
    const code = opcode[slot] as number;
    const owner = functions[functionOf[slot] as number];
    if (owner === undefined) continue;
    if (isJump(code)) {
      const target = jumpTarget(program, slot);
      if (target < owner.start || target >= owner.end) refuse({ kind: "jumpOutside", target }, slot);
    }
    const ends = code === opcodes.exit || code === opcodes.jump || code === opcodes.jumpWide;
    if (slot === owner.end - 1 && !ends) refuse({ kind: "fallsThrough", functionStart: owner.start }, slot);
  }
  if (withInfo) {
    const named = program.image.functions;
    const same = named.length === functions.length && functions.every(({ start }, i) => named[i]?.startSlot === start);
    if (!same) refuse({ kind: "functionInfo" }, 0);
  }
  for (let slot = 0; slot < program.slots; slot++) {
    const number = functionOf[slot] as number;
    if (number === 0) continue;
    const allowed = withInfo && functions[number]?.info?.returnsScalar === true;
    if (!allowed && isTailCall(program, slot)) refuse({ kind: "tailCallInFunction" }, slot);
    if (!allowed && isLegacy(opcode[slot] as number)) refuse({ kind: "legacyAccess" }, slot);
  }
}

function isTailCall(program: Program, slot: number): boolean {
  return isHelperCall(program, slot) && program.imm[slot] === tailCall;
}

function isLegacy(opcode: number): boolean {
  const mode = opcode & 0xe0;
  return (opcode & 7) === insnClass.ld && (mode === memoryModes.abs || mode === memoryModes.ind);
}

/** Refuses unreachable instructions and jumps into wide loads; gives the points. */
export function findStructure(program: Program): Structure {
  const reached = reachable(program);
  for (let slot = 0; slot < program.slots; slot++) {
    if (reached[slot] === 0) refuse({ kind: "unreachable" }, slot);
    if (program.opcode[slot] !== opcodes.loadWide) continue;
    if (reached[slot + 1] === 1) refuse({ kind: "jumpIntoWideLoad", target: slot + 1 }, slot);
    slot++;
  }
  return { points: findPoints(program), changesPacket: packetChanges(program), hasTailCall: tailCalls(program) };
}

/** The slots control can come to from the entry, through jumps, calls and addresses of functions. */
function reachable(program: Program): Uint8Array {
  const reached = new Uint8Array(program.slots);
  const pending = [0];
  reached[0] = 1;
  const visit = (from: number, target: number): void => {
    if (target < 0 || target >= program.slots) refuse({ kind: "jumpOutside", target }, from);
    if (reached[target] === 1) return;
    reached[target] = 1;
    pending.push(target);
  };
  for (let slot = pending.pop(); slot !== undefined; slot = pending.pop()) {
    const opcode = program.opcode[slot] as number;
    if (opcode === opcodes.exit || (opcode & 0xf7) === 0x96) continue;
    if (isJump(opcode)) {
      visit(slot, jumpTarget(program, slot));
      if (isConditional(opcode)) visit(slot, slot + 1);
      continue;
    }
    visit(slot, slot + (opcode === opcodes.loadWide ? 2 : 1));
    if (isLocalCall(program, slot) || isFunctionAddress(program, slot))
      visit(slot, slot + (program.imm[slot] as number) + 1);
  }
  return reached;
}

function findPoints(program: Program): Uint8Array {
  const points = new Uint8Array(program.slots);
  const mark = (slot: number, bits: number): void => {
    points[slot] = (points[slot] as number) | bits;
  };
  for (let slot = 0; slot < program.slots; slot++) {
    const opcode = program.opcode[slot] as number;
    if (isJump(opcode)) {
      mark(jumpTarget(program, slot), point.prune | point.jump);
      if (isConditional(opcode)) mark(slot, point.prune);
      if (opcode === opcodes.mayGoto) mark(slot, point.force | point.mayGoto);
    } else if ((opcode & 0xf0) === jumpCodes.call && (opcode & 7) === insnClass.jmp) {
      mark(slot + 1, point.prune | point.jump);
      if (isLocalCall(program, slot)) markCallee(slot);
      mark(slot, callPoints(program, slot));
    } else if (opcode === opcodes.loadWide) {
      if (isFunctionAddress(program, slot)) {
        mark(slot + 2, point.prune | point.jump);
        markCallee(slot);
      }
      slot++;
    }
  }
  return points;

  function markCallee(slot: number): void {
    mark(slot, point.prune);
    mark(slot + (program.imm[slot] as number) + 1, point.prune | point.jump);
  }
}

/** Points that a call of a helper or kernel function has by what it calls. */
function callPoints(program: Program, slot: number): number {
  const sync = point.callsCallback | point.force | point.prune | point.jump;
  const imm = program.imm[slot] as number;
  if (isHelperCall(program, slot)) {
    if (imm === asyncCallbackHelper) return point.prune;
    return syncCallbackHelpers.has(imm) ? sync : 0;
  }
  if (program.src[slot] !== 2) return 0;
  const name = program.image.kfuncs[imm] ?? "";
  if (asyncCallbackKfuncs.has(name)) return point.prune;
  if (name === syncCallbackKfunc) return sync;
  return /^bpf_iter_\w+_next$/.test(name) ? point.iteratorNext | point.force | point.prune : 0;
}

/** Which functions change the packet's bounds, through those they call or take the address of too. */
function packetChanges(program: Program): Uint8Array {
  const changes = new Uint8Array(program.functions.length);
  const edges: { readonly caller: number; readonly callee: number }[] = [];
  for (let slot = 0; slot < program.slots; slot++) {
    const caller = program.functionOf[slot] as number;
    if (changesPacketAt(program, slot)) changes[caller] = 1;
    if (isLocalCall(program, slot) || isFunctionAddress(program, slot))
      edges.push({ caller, callee: calleeOf(program, slot) });
  }
  for (let changed = true; changed; ) {
    changed = false;
    for (const { caller, callee } of edges) {
      if (changes[caller] === 1 || changes[callee] !== 1) continue;
      changes[caller] = 1;
      changed = true;
    }
  }
  return changes;
}

function changesPacketAt(program: Program, slot: number): boolean {
  if (isHelperCall(program, slot)) return helperById(program.imm[slot] as number)?.changesPacket === true;
  return isKernelCall(program, slot) && isPacketKfunc(program, slot);
}

function isPacketKfunc(program: Program, slot: number): boolean {
  return kfuncProtos.get(program.image.kfuncs[program.imm[slot] as number] ?? "")?.changesPacket === true;
}

function tailCalls(program: Program): Uint8Array {
  const has = new Uint8Array(program.functions.length);
  for (let slot = 0; slot < program.slots; slot++)
    if (isTailCall(program, slot)) has[program.functionOf[slot] as number] = 1;
  return has;
}
