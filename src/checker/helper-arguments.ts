// Arguments of helpers, one at a time: whether the register holds what the helper wants, and what the call as a whole learns from
// it (the map, the reference, the size of what comes back). What the call then does is helpers.ts.
// Source: Linux kernel/bpf/verifier.c (check_func_arg, check_reg_type, check_func_arg_reg_off, check_mem_size_reg, 6.18).

import type { ArgKind } from "../bpf/helpers.ts";
import type { ImageMap } from "../bpf/image.ts";
import { mapKinds } from "../bpf/maps.ts";
import type { Env } from "./env.ts";
import { dynptrArgument } from "./helper-dynptrs.ts";
import { checkFieldPointer, checkKernelPointer, walkLock } from "./helper-fields.ts";
import { otherMapTypes } from "./helper-maps.ts";
import type { ArgRule, HelperProto } from "./helper-protos.ts";
import { constantString } from "./helper-strings.ts";
import { mapOf } from "./map-values.ts";
import { type BufferUse, checkBuffer, isNull } from "./memory-buffers.ts";
import { checkAligned, fixedPart, maxVariableOffset } from "./memory-regions.ts";
import { readRegister } from "./registers.ts";
import type { RawBytes } from "./stack-buffers.ts";
import { constantKey } from "./stack-buffers.ts";
import {
  isPointer,
  type PointerKind,
  type PointerValue,
  pointerFlag,
  type RegValue,
  type ScalarValue,
  type StackObject,
} from "./state.ts";
import { refuse, unsupported } from "./verdict.ts";

/** What a call learns from its arguments; filled in as they are judged. */
export interface CallFacts {
  readonly proto: HelperProto;
  map: ImageMap | null;
  mapUid: number;
  /** The reference an argument depends on; 0 for none. */
  refId: number;
  /** The register whose reference is given back; 0 for none. */
  releasedRegister: number;
  /** Stack bytes that the call overwrites. */
  overwritten: RawBytes | null;
  /** The size of the memory the call returns, in bytes. */
  resultBytes: number;
  /** The greatest size of the memory it was given: some helpers return no more. */
  greatestSize: bigint;
  /** The key that was given, where it is constant and the map an array; else null. */
  key: bigint | null;
  /** The function that is called back; its number. */
  callback: number;
  /** The string that was given. */
  text: Uint8Array | null;
  /** The dynptr that was given. */
  dynptr: StackObject | null;
  /** Memory arguments whose size comes next: it is overwritten as a whole. */
  raw: boolean;
}

/** Nothing learnt yet. */
export function newCallFacts(proto: HelperProto): CallFacts {
  return {
    proto,
    map: null,
    mapUid: 0,
    refId: 0,
    releasedRegister: 0,
    overwritten: null,
    resultBytes: 0,
    greatestSize: 0n,
    key: null,
    callback: 0,
    text: null,
    dynptr: null,
    raw: false,
  };
}

const bufferKinds: readonly PointerKind[] = ["stack", "packet", "packetMeta", "mapKey", "mapValue", "memory", "object"];
const mapValueOnly: readonly PointerKind[] = ["mapValue"];
const anySocket: readonly PointerKind[] = ["sockCommon", "socket", "tcpSock", "xdpSock"];

/** The kinds of pointer that will do for each kind of argument; numbers are judged on their own. */
const pointerKinds: Readonly<Partial<Record<ArgKind, readonly PointerKind[]>>> = {
  map: ["mapHandle"],
  key: bufferKinds,
  value: bufferKinds,
  valueOut: bufferKinds,
  valueOrNull: bufferKinds,
  ctx: ["ctx"],
  memory: bufferKinds,
  memoryOut: bufferKinds,
  memoryInOut: bufferKinds,
  memoryOrNull: bufferKinds,
  memoryOrNullOut: bufferKinds,
  fixedMemory: bufferKinds,
  fixedMemoryOut: bufferKinds,
  fixedMemoryInOut: bufferKinds,
  string: mapValueOnly,
  stackOrNull: ["stack"],
  record: ["memory"],
  socket: [...anySocket, "object"],
  lock: ["mapValue", "object"],
  timer: mapValueOnly,
  dynptr: ["stack", "dynptr"],
  kptr: ["mapValue", "object"],
  btf: ["object"],
  function: ["function"],
};

const memoryArguments: ReadonlySet<ArgKind> = new Set([
  "memory",
  "memoryOut",
  "memoryInOut",
  "memoryOrNull",
  "memoryOrNullOut",
  "fixedMemory",
  "fixedMemoryOut",
  "fixedMemoryInOut",
]);

/** Judges argument `index` (from 0) of the call and adds what it tells to `facts`. */
export function checkArgument(env: Env, facts: CallFacts, index: number): void {
  const rule = facts.proto.args[index] as ArgRule;
  if (rule.kind === "extra") return;
  const register = index + 1;
  const value = readRegister(env, register);
  if (rule.kind === "scalar") return;
  const helper = facts.proto.helper.name;
  if ((value.kind === "packet" || value.kind === "packetMeta") && !facts.proto.packetAllowed)
    refuse({ kind: "packetArgument", helper, register });
  const adapted = adaptToMap(rule, facts);
  if (!(adapted.nullable && isNull(value))) {
    checkKind(adapted, helper, register, value);
    if (isPointer(value)) checkPlace(adapted, helper, register, value);
  }
  noteReference(facts, adapted, register, value);
  checkUse(env, facts, adapted, index, register, value);
}

/** Looking into a bloom filter reads the value rather than giving one; socket maps hold sockets. */
function adaptToMap(rule: ArgRule, { map, proto }: CallFacts): ArgRule {
  if (map === null || (rule.kind !== "value" && rule.kind !== "valueOut" && rule.kind !== "valueOrNull")) return rule;
  if (map.type === otherMapTypes.sockmap || map.type === otherMapTypes.sockhash)
    return rule.kind === "value" ? { ...rule, kind: "socket" } : rule;
  if (map.type === mapKinds.bloom_filter.number && proto.helper.name === "map_peek_elem")
    return { ...rule, kind: "value", write: false, raw: false };
  return rule;
}

function checkKind(rule: ArgRule, helper: string, register: number, value: RegValue): void {
  const fault = { kind: "argument", helper, register, value, wants: rule.kind } as const;
  const kinds = pointerKinds[rule.kind];
  if (kinds === undefined) {
    if (value.kind !== "scalar") refuse(fault);
    return;
  }
  if (!isPointer(value) || !kinds.includes(value.kind)) return refuse(fault);
  if (value.nullable && !rule.nullable) refuse(fault);
  let { flags } = value;
  if (rule.readOnly) flags &= ~pointerFlag.readOnly;
  if (memoryArguments.has(rule.kind)) flags &= ~(pointerFlag.packetSlice | pointerFlag.lentSlice);
  if (value.kind === "object") checkObjectKind(rule, helper, register, value, flags);
  else if (
    rule.kind === "record" ? flags !== pointerFlag.ringbuf : flags !== 0 && !(isBuffer(rule) && isRecord(value, flags))
  )
    refuse(fault);
}

function isBuffer(rule: ArgRule): boolean {
  return pointerKinds[rule.kind] === bufferKinds;
}

function isRecord(value: PointerValue, flags: number): boolean {
  return value.kind === "memory" && flags === pointerFlag.ringbuf;
}

/** Kernel types that begin with what all sockets have in common. */
const socketTypes: ReadonlySet<string> = new Set([
  "sock_common",
  "sock",
  "inet_sock",
  "tcp_sock",
  "tcp6_sock",
  "tcp_timewait_sock",
  "tcp_request_sock",
  "udp_sock",
  "udp6_sock",
  "unix_sock",
  "mptcp_sock",
]);

const rcuOrTrusted = pointerFlag.rcu | pointerFlag.trusted;

function checkObjectKind(rule: ArgRule, helper: string, register: number, value: PointerValue, flags: number): void {
  const fault = { kind: "argument", helper, register, value, wants: rule.kind } as const;
  if (isBuffer(rule)) {
    if (flags !== pointerFlag.trusted || !rule.readOnly) refuse(fault);
    return;
  }
  if (rule.kind === "lock" || rule.kind === "kptr") {
    if (flags !== pointerFlag.allocated) refuse(fault);
    return;
  }
  if (helper === "per_cpu_ptr" || helper === "this_cpu_ptr") {
    if ((flags & pointerFlag.percpu) === 0) refuse(fault);
    unsupported(`the kernel's per-CPU variables (bpf_${helper})`);
  }
  if (rule.kind === "socket") {
    if (helper === "skc_to_mptcp_sock" || (flags & ~pointerFlag.trusted) !== 0) refuse(fault);
    if (!socketTypes.has(value.type ?? "")) refuse(fault);
    return;
  }
  if ((flags & ~rcuOrTrusted) !== 0 || flags === rcuOrTrusted) refuse(fault);
  const wanted = helper.startsWith("cgrp_storage") ? "cgroup" : "task_struct";
  if (value.type !== wanted) refuse(fault);
}

/** Kinds that may be given with any offset, of which their bounds are judged instead. */
const movable: ReadonlySet<PointerKind> = new Set(["stack", "packet", "packetMeta", "mapKey", "mapValue", "memory"]);

function checkPlace(rule: ArgRule, helper: string, register: number, value: PointerValue): void {
  if (rule.kind === "dynptr" && rule.releases && value.kind === "stack") return;
  const free = !rule.releases && !value.nullable && movable.has(value.kind);
  if (free) return;
  const fixedAllowed = !rule.releases && value.kind === "object";
  if (value.off < 0 || (value.off !== 0 && !fixedAllowed) || fixedPart(value) !== 0)
    refuse({ kind: "movedArgument", helper, register, value });
}

function noteReference(facts: CallFacts, rule: ArgRule, register: number, value: RegValue): void {
  const helper = facts.proto.helper.name;
  if (rule.releases) {
    if (rule.kind !== "dynptr" && !(isPointer(value) && value.refId !== 0) && !isNull(value))
      refuse({ kind: "notAcquired", helper, register, value });
    facts.releasedRegister = register;
  }
  if (!isPointer(value) || value.refId === 0 || rule.kind === "kptr") return;
  if (facts.refId !== 0) refuse({ kind: "argument", helper, register, value, wants: rule.kind });
  facts.refId = value.refId;
}

function useOf(rule: ArgRule, zeroAllowed: boolean, raw: boolean): BufferUse {
  return { write: rule.write, zeroAllowed, raw };
}

function checkUse(env: Env, facts: CallFacts, rule: ArgRule, index: number, register: number, value: RegValue): void {
  const { helper } = facts.proto;
  switch (rule.kind) {
    case "map": {
      const handle = value as PointerValue;
      const map = mapOf(handle);
      // The second map of a call is that of a timer: it must be the very map the timer is in.
      if (facts.map !== null && (facts.map !== map || facts.mapUid !== handle.mapUid))
        refuse({ kind: "argument", helper: helper.name, register, value, wants: "map" });
      facts.map = map;
      facts.mapUid = handle.mapUid;
      return;
    }
    case "key": {
      const map = facts.map as ImageMap;
      checkBuffer(env, register, value, map.keyBytes, useOf(rule, false, false));
      if (map.type === mapKinds.array.number || map.type === mapKinds.percpu_array.number)
        facts.key = constantKey(env, value, map.keyBytes);
      return;
    }
    case "value":
    case "valueOut":
    case "valueOrNull":
      if (rule.nullable && isNull(value)) return;
      facts.overwritten =
        checkBuffer(env, register, value, (facts.map as ImageMap).valueBytes, useOf(rule, false, rule.raw)) ??
        facts.overwritten;
      return;
    case "memory":
    case "memoryOut":
    case "memoryInOut":
    case "memoryOrNull":
    case "memoryOrNullOut":
      facts.raw = rule.raw;
      return;
    case "fixedMemory":
    case "fixedMemoryOut":
    case "fixedMemoryInOut":
      facts.overwritten =
        checkBuffer(env, register, value, rule.fixedBytes, useOf(rule, false, rule.raw)) ?? facts.overwritten;
      if (rule.aligned && isPointer(value)) checkAligned(register, value, 0, rule.fixedBytes);
      return;
    case "size":
    case "sizeOrZero":
      checkSize(env, facts, rule, index, register, value as ScalarValue);
      return;
    case "constSize": {
      const { scalar } = value as ScalarValue;
      if (scalar.mask !== 0n) refuse({ kind: "size", helper: helper.name, register, value, why: "notConstant" });
      facts.resultBytes = Number(BigInt.asUintN(32, scalar.value));
      env.markPrecise(register);
      return;
    }
    case "string":
      facts.text = constantString(helper.name, register, value as PointerValue);
      return;
    case "lock":
      walkLock(env, helper.name, register, value as PointerValue);
      return;
    case "timer":
      checkFieldPointer(helper.name, register, value as PointerValue, "timer");
      facts.map = mapOf(value as PointerValue);
      facts.mapUid = (value as PointerValue).mapUid;
      return;
    case "kptr":
      return checkKernelPointer(helper.name, register, value as PointerValue);
    case "function":
      facts.callback = (value as PointerValue).subprogram;
      return;
    case "dynptr":
      facts.dynptr = dynptrArgument(env, helper.name, register, value as PointerValue, rule.releases);
  }
}

function checkSize(
  env: Env,
  facts: CallFacts,
  rule: ArgRule,
  index: number,
  register: number,
  value: ScalarValue,
): void {
  const { scalar } = value;
  const zeroAllowed = rule.kind === "sizeOrZero";
  const fault = { kind: "size", helper: facts.proto.helper.name, register, value } as const;
  facts.greatestSize = scalar.umax;
  if (scalar.smin < 0n) refuse({ ...fault, why: "negative" });
  if (scalar.umin === 0n && !zeroAllowed) refuse({ ...fault, why: "zero" });
  if (scalar.umax >= maxVariableOffset) refuse({ ...fault, why: "unbounded" });
  const memory = facts.proto.args[index - 1] as ArgRule;
  const use = useOf(memory, zeroAllowed, facts.raw && scalar.mask === 0n);
  const overwritten = checkBuffer(env, register - 1, readRegister(env, register - 1), Number(scalar.umax), use);
  facts.overwritten = overwritten ?? facts.overwritten;
  env.markPrecise(register);
}
