// What r0 holds after a helper: a number and its range, a pointer into the map that was given, a socket, a kernel object.
// Source: Linux kernel/bpf/verifier.c (the second half of check_helper_call, do_refine_retval_range, 6.18).

import type { HelperName } from "../bpf/helpers.ts";
import type { ImageMap } from "../bpf/image.ts";
import type { Env } from "./env.ts";
import type { CallFacts } from "./helper-arguments.ts";
import { acquireReference } from "./references.ts";
import { constant, type Scalar, unknown } from "./scalar.ts";
import { refine } from "./scalar-branch.ts";
import {
  type PointerKind,
  type PointerValue,
  pointer,
  pointerFlag,
  type RegValue,
  scalarValue,
  unset,
} from "./state.ts";
import { unsupported } from "./verdict.ts";

const zero = constant(0n);
const anyValue = scalarValue(unknown);

/** **Source:** include/linux/err.h, MAX_ERRNO. */
const greatestError = 4095n;

function between(from: bigint, to: bigint): Scalar {
  const below = refine("sle", 64, true, unknown, constant(to)).dst;
  const inside = refine("sge", 64, true, below, constant(from)).dst;
  const low = refine("sle", 32, true, inside, constant(to)).dst;
  return refine("sge", 32, true, low, constant(from)).dst;
}

/** Helpers that return how many bytes they wrote, or an error. */
const lengthReturning: ReadonlySet<string> = new Set([
  "get_task_stack",
  "probe_read_kernel_str",
  "probe_read_user_str",
] satisfies HelperName[]);

/** The kernel type that a helper's result points to. */
const objectTypes: Readonly<Partial<Record<HelperName, string>>> = {
  skc_to_tcp6_sock: "tcp6_sock",
  skc_to_tcp_sock: "tcp_sock",
  skc_to_tcp_timewait_sock: "tcp_timewait_sock",
  skc_to_tcp_request_sock: "tcp_request_sock",
  skc_to_udp6_sock: "udp6_sock",
  skc_to_unix_sock: "unix_sock",
  skc_to_mptcp_sock: "mptcp_sock",
  get_current_task_btf: "task_struct",
  task_pt_regs: "pt_regs",
};

/** The helpers whose result is a socket that many kinds have in common. */
const commonSocket: HelperName = "skc_lookup_tcp";

/** The value of r0 after the call; may acquire a reference. */
export function resultOf(env: Env, facts: CallFacts): RegValue {
  const { helper } = facts.proto;
  switch (helper.result) {
    case "nothing":
    case "never":
      return unset;
    case "scalar":
    case "status":
    case "verdict":
      if (helper.name === "get_smp_processor_id") return scalarValue(between(0n, BigInt(env.possibleCpus) - 1n));
      if (lengthReturning.has(helper.name)) return scalarValue(between(-greatestError, facts.greatestSize));
      return anyValue;
    case "valueOrNull":
      return valueResult(env, facts, facts.map as ImageMap);
    case "memoryOrNull":
      return memoryResult(env, facts);
    case "socketOrNull": {
      const id = acquireReference(env);
      return nullable(helper.name === commonSocket ? "sockCommon" : "socket", id, { refId: id });
    }
    case "btfOrNull":
    case "btf":
      return objectResult(env, facts);
  }
}

function nullable(kind: PointerKind, id: number, more: Partial<PointerValue>): PointerValue {
  return { ...pointer(kind, zero, more), nullable: true, id };
}

/** A pointer to a map's value: by far the most frequent result, so made in one go. */
function toValue(map: ImageMap, mapUid: number, id: number, mayBeNull: boolean): PointerValue {
  return {
    kind: "mapValue",
    nullable: mayBeNull,
    flags: 0,
    off: 0,
    varOff: zero,
    id,
    refId: 0,
    range: 0,
    map,
    mapUid,
    frame: 0,
    bytes: 0,
    dynptrId: 0,
    subprogram: 0,
    type: null,
  };
}

function valueResult(env: Env, facts: CallFacts, map: ImageMap): RegValue {
  const { key, mapUid } = facts;
  // An array has a value for every key below its number of entries, so a constant key of these always finds one.
  if (facts.proto.helper.name === "map_lookup_elem" && key !== null && key >= 0n && key < BigInt(map.maxEntries)) {
    const locked = map.fields.some(({ kind }) => kind === "spinLock" || kind === "resSpinLock");
    return toValue(map, mapUid, locked ? env.newId() : 0, false);
  }
  const found = toValue(map, mapUid, env.newId(), true);
  if (facts.proto.helper.name !== "map_lookup_elem" || !isSocketMap(map)) return found;
  const id = acquireReference(env);
  return { ...found, id, refId: id };
}

function isSocketMap({ type }: ImageMap): boolean {
  return type === 15 || type === 18;
}

function memoryResult(env: Env, facts: CallFacts): RegValue {
  const bytes = facts.resultBytes;
  if (facts.proto.helper.name === "ringbuf_reserve") {
    const id = acquireReference(env);
    return nullable("memory", id, { bytes, refId: id, flags: pointerFlag.ringbuf });
  }
  const { dynptr } = facts;
  return nullable("memory", env.newId(), { bytes, refId: dynptr?.refId ?? 0, dynptrId: dynptr?.id ?? 0 });
}

function objectResult(env: Env, facts: CallFacts): RegValue {
  const { helper } = facts.proto;
  const type = objectTypes[helper.name as HelperName];
  if (type === undefined) return unsupported(`the result of bpf_${helper.name}`);
  if (helper.result === "btf")
    return pointer("object", zero, { type, flags: helper.name === "get_current_task_btf" ? pointerFlag.trusted : 0 });
  return nullable("object", env.newId(), { type, refId: facts.refId });
}
