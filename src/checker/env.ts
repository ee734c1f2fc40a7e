// What the engine offers to those who judge one instruction (memory, helpers, arithmetic): the program, the state, and the
// services that keep the record of the walk. Implemented by explore.ts.

import type { ImageFunction, ProgramImage } from "../bpf/image.ts";
import type { CallbackRole, Frame, VerifierState } from "./state.ts";

/** The program taken apart once: one entry a slot in each array. */
export interface Program {
  readonly image: ProgramImage;
  readonly slots: number;
  readonly opcode: Uint8Array;
  readonly dst: Uint8Array;
  readonly src: Uint8Array;
  readonly off: Int16Array;
  readonly imm: Int32Array;
  /** By start slot, first is the entry. Those of the image, plus the start of every local callee. */
  readonly functions: readonly ProgramFunction[];
  /** The function each slot belongs to. */
  readonly functionOf: Uint16Array;
}

/** A function as the verifier sees it. */
export interface ProgramFunction {
  readonly start: number;
  /** The slot behind its last. */
  readonly end: number;
  /** What the image says of it; null where it says nothing. */
  readonly info: ImageFunction | null;
  readonly global: boolean;
}

/** How a callback's frame begins; see `Env.enterCallback`. */
export interface CallbackEntry {
  /** The callback's function. */
  readonly subprogram: number;
  /** Sets r1 to r5 of the new frame; r0 and r6 to r9 stay unset. */
  readonly setArguments: (caller: Frame, callee: Frame) => void;
  readonly role: CallbackRole;
}

/** Engine services. All marks refer to the instruction being walked, `slot`. */
export interface Env {
  readonly program: Program;
  /** The state before the current instruction, written in place by whoever walks it. */
  readonly state: VerifierState;
  /** The instruction being walked. */
  readonly slot: number;
  /** One byte a slot, 0 at first, for the memory room: the kinds of pointer already used there (save_aux_ptr_type). */
  readonly pointerKindAt: Uint8Array;
  /** The deepest stack use in bytes of each function so far: memory accesses raise it. */
  readonly stackDepth: Int32Array;
  /** Functions that change packet data, by number; known before the walk. */
  readonly changesPacket: Uint8Array;
  /** How many CPUs the machine may have: what bpf_get_smp_processor_id returns is below. */
  readonly possibleCpus: number;
  /** A new number for ids of registers and references, from 1. */
  newId(): number;
  /** The value of `register` in the current frame matters exactly: mark where it came from (mark_chain_precision). */
  markPrecise(register: number): void;
  /** The same for a scalar spilled in a stack slot of frame `frame`. */
  markSlotPrecise(frame: number, slotIndex: number): void;
  /**
   * The current instruction spills to or fills from one stack slot at a constant offset (INSN_F_STACK_ACCESS): backtracking
   * needs to know, as the address isn't always based on r10.
   */
  noteStackAccess(frame: number, slotIndex: number): void;
  /** The current instruction may read stack slot `slotIndex` of frame `frame` (stack liveness). */
  markStackRead(frame: number, slotIndex: number): void;
  /** The current instruction surely overwrites all eight bytes of the slot. */
  markStackWrite(frame: number, slotIndex: number): void;
  /**
   * Queues the frame of a callback that a helper calls zero or more times, as a branch to be walked later; the current path
   * goes on as if it was not called. An async one runs by itself later, on a stack of its own. To be called with the
   * arguments in r1 to r5 still there.
   */
  enterCallback(entry: CallbackEntry): void;
  /** Queues a copy of the current state as a branch to `slot`, after which `change` may alter that copy. */
  pushBranch(slot: number, change: (state: VerifierState) => void): void;
  /**
   * Queues another turn of the loop that the current instruction drives (an iterator's next): a branch to the next slot, altered
   * by `change`, in which numbers that changed since the turn before and didn't matter there are unknown.
   */
  pushTurn(change: (state: VerifierState) => void): void;
  /**
   * Ends the current function (not the outermost) as a tail call does that succeeds: the caller goes on behind its call with any
   * number in r0 (prepare_func_exit). The state is the caller's afterwards.
   */
  returnFromTailCall(): void;
}

// The signatures the engine expects of the memory and helper room; each walks the whole instruction at env.slot but for the
// encoding's reserved fields, which the engine has judged, and leaves the state as after it or throws a `Stop`.
//
//   memory.ts:     walkLoad(env: Env): void      LDX, MEM and MEMSX (BPF_LDX)
//                  walkStore(env: Env): void     ST and STX, MEM
//                  walkAtomic(env: Env): void    STX, ATOMIC
//   helpers.ts:    walkHelperCall(env: Env): void
//   kfuncs.ts:     walkKfuncCall(env: Env): void
//   references.ts: checkReleased(env: Env, exiting: "exit" | "callback" | "tailCall" | "legacy"): void    (check_resource_leak)
//                  releaseReferenceId(env: Env, id: number): void
//   packet.ts:     clearPacketPointers(env: Env): void    (clear_all_pkt_pointers)
//   memory-buffers.ts: checkMemoryArgument(env: Env, register: number, bytes: number): void   (check_mem_reg, for global functions)
