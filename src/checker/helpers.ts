// Calls of helpers as a whole: whether XDP programs may make this one now, its arguments in order, what it does to the state, what
// it leaves in r0. Arguments and results have files of their own.
// Source: Linux kernel/bpf/verifier.c (check_helper_call and its callers in do_check, 6.18).

import type { Env } from "./env.ts";
import { type CallFacts, checkArgument, newCallFacts } from "./helper-arguments.ts";
import { callBack } from "./helper-callbacks.ts";
import { releaseDynptr } from "./helper-dynptrs.ts";
import { gplCompatible } from "./helper-licence.ts";
import { checkMapForHelper } from "./helper-maps.ts";
import { helperNumberEnd, helperProto } from "./helper-protos.ts";
import { resultOf } from "./helper-results.ts";
import { checkFormat } from "./helper-strings.ts";
import { isNull } from "./memory-buffers.ts";
import { clearPacketPointers } from "./packet.ts";
import { checkReleased, heldLock, releaseIfHeld } from "./references.ts";
import { overwrite } from "./stack-buffers.ts";
import { currentFrame, type PointerValue, type ScalarValue, unset } from "./state.ts";
import { refuse } from "./verdict.ts";

const spinUnlock = 94;

/** A call of the helper in the instruction's immediate. */
export function walkHelperCall(env: Env): void {
  const id = env.program.imm[env.slot] as number;
  const proto = helperProto(id);
  if (env.state.activeLocks > 0 && id !== spinUnlock)
    refuse({ kind: "callWithLock", helper: proto?.helper.name ?? null, acquiredAt: heldLock(env)?.slot ?? -1 });
  if (proto === null)
    return refuse({ kind: id < 0 || id >= helperNumberEnd ? "unknownHelper" : "helperNotForXdp", id });
  if (proto.helper.gplOnly && !gplCompatible(env)) refuse({ kind: "needsGpl", id, licence: env.program.image.license });
  const facts = newCallFacts(proto);
  for (let index = 0; index < proto.args.length; index++) checkArgument(env, facts, index);
  if (facts.map !== null) checkMapForHelper(proto.helper.name, facts.map);
  if (facts.overwritten !== null) overwrite(env, facts.overwritten);
  if (facts.releasedRegister !== 0) release(env, facts);
  act(env, facts);
  finish(env, facts);
}

function release(env: Env, facts: CallFacts): void {
  const register = facts.releasedRegister;
  const value = currentFrame(env.state).regs[register] as PointerValue;
  if (facts.dynptr !== null) releaseDynptr(env, value, facts.dynptr);
  else if (!(facts.refId !== 0 ? releaseIfHeld(env, facts.refId) : isNull(value)))
    refuse({ kind: "notAcquired", helper: facts.proto.helper.name, register, value });
}

/** What single helpers do or demand besides. */
function act(env: Env, facts: CallFacts): void {
  const { regs } = currentFrame(env.state);
  const { map } = facts;
  const { helper } = facts.proto;
  switch (helper.name) {
    case "tail_call": {
      checkReleased(env, "tailCall");
      const index = regs[3];
      // A constant index is compiled in, so it matters exactly.
      if (index?.kind === "scalar" && index.scalar.mask === 0n && index.scalar.value < BigInt(map?.maxEntries ?? 0))
        env.markPrecise(3);
      return;
    }
    case "snprintf":
      checkFormat(helper.name, 3, facts.text ?? new Uint8Array(), regs[5] as ScalarValue);
      return;
    case "dynptr_from_mem": {
      const value = regs[1];
      if (value !== undefined && value.kind !== "mapValue")
        refuse({ kind: "dynptr", helper: helper.name, register: 1, value, why: "memory" });
      return;
    }
    case "for_each_map_elem":
    case "loop":
    case "find_vma":
    case "user_ringbuf_drain":
    case "timer_set_callback":
      callBack(env, facts);
  }
}

/** After the call: r1 to r5 are lost, r0 has the result. */
function finish(env: Env, facts: CallFacts): void {
  const { helper } = facts.proto;
  const { regs } = currentFrame(env.state);
  const result = resultOf(env, facts);
  regs[0] = result;
  for (let register = 1; register <= 5; register++) regs[register] = unset;
  if (helper.name === "tail_call") afterTailCall(env);
  else if (helper.changesPacket) clearPacketPointers(env);
}

/**
 * A tail call that fails changes nothing, and the program goes on. One that succeeds ends the function: at the outermost level
 * the program, else the caller goes on with any result and without packet pointers.
 */
function afterTailCall(env: Env): void {
  if (currentFrame(env.state).number === 0) return;
  env.pushBranch(env.slot + 1, () => {});
  clearPacketPointers(env);
  env.returnFromTailCall();
}
