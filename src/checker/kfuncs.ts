// Calls of kernel functions (kfuncs): the functions around dynptrs of packets and the simplest locks are modelled; of the others it
// is only known whether XDP programs may call them at all.
// Source: Linux kernel/bpf/verifier.c (check_kfunc_call, check_kfunc_args, check_special_kfunc, 6.18).

import type { ArgKind } from "../bpf/helpers.ts";
import type { Env } from "./env.ts";
import { madeDynptr, makeDynptr } from "./helper-dynptrs.ts";
import { destroyIterator, iteratorAt, makeIterator, nextOfIterator } from "./kfunc-iterators.ts";
import { type KfuncParameter, type KfuncProto, kfuncProtos, kfuncStanding } from "./kfunc-protos.ts";
import { checkBuffer, isNull } from "./memory-buffers.ts";
import { fixedPart, maxVariableOffset } from "./memory-regions.ts";
import { clearPacketPointers } from "./packet.ts";
import { acquireReference, heldLock, releaseIfHeld } from "./references.ts";
import { constant, unknown } from "./scalar.ts";
import {
  currentFrame,
  isPointer,
  type PointerKind,
  type PointerValue,
  pointer,
  pointerFlag,
  type RegValue,
  type ScalarValue,
  type StackObject,
  scalarValue,
  unset,
} from "./state.ts";
import { refuse, unsupported } from "./verdict.ts";

const zero = constant(0n);
const anyValue = scalarValue(unknown);

/** What a call learns from its arguments. */
interface KfuncFacts {
  readonly name: string;
  readonly proto: KfuncProto;
  dynptr: StackObject | null;
  iterator: StackObject | null;
  size: number;
}

/** A call of the kernel function whose index in the image's list is the instruction's immediate. */
export function walkKfuncCall(env: Env): void {
  const name = env.program.image.kfuncs[env.program.imm[env.slot] as number];
  // The kernel has no such function either; it only bears a number without one where the call can't be reached.
  if (name === undefined) return refuse({ kind: "kfuncNotForXdp", name: "(without a name)" });
  const proto = kfuncProtos.get(name);
  if (proto === undefined && kfuncStanding(name) === "notForXdp") refuse({ kind: "kfuncNotForXdp", name });
  if (env.state.activeLocks > 0 && !lockTolerant.test(name))
    refuse({ kind: "callWithLock", helper: name, acquiredAt: heldLock(env)?.slot ?? -1 });
  if (proto === undefined) return unsupported(`the kernel function ${name}`);
  const facts: KfuncFacts = { name, proto, dynptr: null, iterator: null, size: 0 };
  proto.parameters.forEach((parameter, index) => {
    checkParameter(env, facts, parameter, index + 1);
  });
  changeSections(env, name);
  const { regs } = currentFrame(env.state);
  const first = regs[1] ?? unset;
  const { iterator } = facts;
  if (name === "bpf_iter_num_destroy" && iterator !== null) destroyIterator(env, name, first, iterator);
  if (proto.releases === true && !releaseIfHeld(env, (first as PointerValue).refId))
    refuse({ kind: "notAcquired", helper: name, register: 1, value: first });
  for (let register = 0; register <= 5; register++) regs[register] = unset;
  if (proto.result === "next" && iterator !== null) nextOfIterator(env, name, first, iterator);
  else regs[0] = resultOf(env, facts);
  if (proto.changesPacket === true) clearPacketPointers(env);
}

const lockTolerant = /^bpf_(list_|rbtree_|iter_num_|res_spin_|arena_|stream_)/;

/** Parameters in the words of helpers' arguments, for faults. */
const asArgument: Readonly<Record<KfuncParameter, ArgKind>> = {
  ctx: "ctx",
  scalar: "scalar",
  dynptr: "dynptr",
  newDynptr: "dynptr",
  bufferOrNull: "memoryOrNull",
  constantSize: "constSize",
  iterator: "dynptr",
  newIterator: "dynptr",
  object: "btf",
  ignored: "extra",
};

const movable: ReadonlySet<PointerKind> = new Set(["stack", "packet", "packetMeta", "mapKey", "mapValue", "memory"]);

function checkParameter(env: Env, facts: KfuncFacts, parameter: KfuncParameter, register: number): void {
  const value = currentFrame(env.state).regs[register] ?? unset;
  const helper = facts.name;
  const fault = { kind: "argument", helper, register, value, wants: asArgument[parameter] } as const;
  switch (parameter) {
    case "scalar":
      if (value.kind !== "scalar") refuse(fault);
      return;
    case "ctx":
      if (value.kind !== "ctx") return refuse(fault);
      checkUnmoved(helper, register, value);
      return;
    case "dynptr":
      if (value.kind !== "stack" && value.kind !== "dynptr") return refuse(fault);
      checkUnmoved(helper, register, value);
      facts.dynptr = madeDynptr(env, helper, register, value, false);
      return;
    case "newDynptr":
      if (value.kind !== "stack" && value.kind !== "dynptr") return refuse(fault);
      checkUnmoved(helper, register, value);
      makeDynptr(
        env,
        helper,
        register,
        value,
        facts.proto.makes ?? facts.dynptr?.type ?? "local",
        facts.dynptr?.refId ?? 0,
      );
      return;
    case "newIterator":
      makeIterator(env, helper, register, value);
      return;
    case "iterator":
      facts.iterator = iteratorAt(env, helper, register, value);
      return;
    case "object":
      checkObject(facts, register, value);
      return;
    case "ignored":
      return;
    case "bufferOrNull":
      checkOptionalBuffer(env, facts, register, value);
      return;
    case "constantSize":
      // Judged with its memory.
      return;
  }
}

/** The kernel's objects are taken while they surely live: acquired, trusted or in a read-side critical section. */
function checkObject({ name, proto }: KfuncFacts, register: number, value: RegValue): void {
  const fault = { kind: "argument", helper: name, register, value, wants: "btf" } as const;
  if (value.kind !== "object" || value.nullable || value.type !== proto.object) return refuse(fault);
  const { flags, refId } = value;
  if ((flags & ~lively) !== 0 || (refId === 0 && (flags & lively) === 0)) refuse(fault);
  if (proto.releases === true && refId === 0) refuse({ kind: "notAcquired", helper: name, register, value });
  if (fixedPart(value) !== 0 || value.off < 0 || (value.off !== 0 && proto.releases === true))
    refuse({ kind: "movedArgument", helper: name, register, value });
  if (value.off !== 0) unsupported("members of the kernel's objects");
}

const lively = pointerFlag.trusted | pointerFlag.rcu;

function checkUnmoved(helper: string, register: number, value: PointerValue): void {
  if (movable.has(value.kind) && !value.nullable) return;
  if (value.off !== 0 || fixedPart(value) !== 0) refuse({ kind: "movedArgument", helper, register, value });
}

function checkOptionalBuffer(env: Env, facts: KfuncFacts, register: number, value: RegValue): void {
  const helper = facts.name;
  const size = currentFrame(env.state).regs[register + 1] ?? unset;
  const { regs } = currentFrame(env.state);
  if (size.kind !== "scalar")
    return refuse({ kind: "argument", helper, register: register + 1, value: size, wants: "constSize" });
  if (isPointer(value)) checkUnmoved(helper, register, value);
  if (!isNull(value)) {
    checkSizedBuffer(env, helper, register, value, size);
    regs[register] = value;
  }
  if (size.scalar.mask !== 0n)
    refuse({ kind: "size", helper, register: register + 1, value: size, why: "notConstant" });
  facts.size = Number(BigInt.asUintN(32, size.scalar.value));
}

function checkSizedBuffer(env: Env, helper: string, register: number, value: RegValue, size: ScalarValue): void {
  const { scalar } = size;
  const fault = { kind: "size", helper, register: register + 1, value: size } as const;
  if (scalar.smin < 0n) refuse({ ...fault, why: "negative" });
  if (scalar.umax >= maxVariableOffset) refuse({ ...fault, why: "unbounded" });
  const there = isPointer(value) && value.nullable ? { ...value, nullable: false } : value;
  const bytes = Number(scalar.umax);
  checkBuffer(env, register, there, bytes, { write: false, zeroAllowed: true, raw: false });
  env.markPrecise(register + 1);
  checkBuffer(env, register, there, bytes, { write: true, zeroAllowed: true, raw: false });
}

/** Read-side critical sections and sections without preemption: entered once, or counted. */
function changeSections({ state }: Env, name: string): void {
  const unmatched = { kind: "section", name } as const;
  switch (name) {
    case "bpf_rcu_read_lock":
      if (state.activeRcuLock !== 0) refuse(unmatched);
      state.activeRcuLock = 1;
      return;
    case "bpf_rcu_read_unlock":
      if (state.activeRcuLock === 0) refuse(unmatched);
      state.activeRcuLock = 0;
      return;
    case "bpf_preempt_disable":
      state.activePreemptLocks++;
      return;
    case "bpf_preempt_enable":
      if (state.activePreemptLocks === 0) refuse(unmatched);
      state.activePreemptLocks--;
  }
}

function resultOf(env: Env, { proto, dynptr, size }: KfuncFacts): RegValue {
  switch (proto.result) {
    case "nothing":
    case "next":
      return unset;
    case "scalar":
      return anyValue;
    case "acquired": {
      const id = acquireReference(env);
      return pointer("object", zero, { nullable: true, id, refId: id, type: proto.object ?? null });
    }
    case "slice":
    case "writableSlice": {
      const readOnly = proto.result === "slice" ? pointerFlag.readOnly : 0;
      const origin = dynptr?.type === "xdp" ? pointerFlag.packetSlice : pointerFlag.lentSlice;
      return pointer("memory", zero, {
        nullable: true,
        id: env.newId(),
        flags: readOnly | origin,
        bytes: size,
        dynptrId: dynptr?.id ?? 0,
      });
    }
  }
}
