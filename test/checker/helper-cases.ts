// Programs that call helpers, made systematically: every helper with every argument in turn given every kind of value, the other
// arguments being right. r6 holds the context, r7 what the helper needs besides, r9 the value in question.

import { type ArgKind, type Helper, helpers } from "../../src/bpf/helpers.ts";
import { type KfuncParameter, type KfuncProto, kfuncProtos } from "../../src/checker/kfunc-protos.ts";
import { lookup } from "./memory-cases.ts";

/** A kind of value a register can hold. */
export interface ValueCase {
  readonly name: string;
  /** Leaves the value in r9; may go to `out`. Null: the register is never set. */
  readonly setup: string | null;
  /** Gives back what was taken. */
  readonly release?: string;
}

const value = (map: string, keyBytes = 4): string => `${lookup(map, keyBytes)}
    if r0 == 0 goto out
    r9 = r0`;
const record = `r1 = map[ring] ll
    r2 = 16
    r3 = 0
    call bpf_ringbuf_reserve
    if r0 == 0 goto out
    r9 = r0`;
const discard = "r1 = r9\nr2 = 0\ncall bpf_ringbuf_discard";
const socket = (helper: string): string => `*(u64 *)(r10 - 264) = 0
    *(u32 *)(r10 - 256) = 0
    r1 = r6
    r2 = r10
    r2 += -264
    r3 = 12
    r4 = 0
    r5 = 0
    call ${helper}
    if r0 == 0 goto out
    r9 = r0`;
const releaseSocket = "r1 = r9\ncall bpf_sk_release";
const random = (mask: number): string => `call bpf_get_prandom_u32\nr9 = r0\nr9 &= ${mask}`;
const packet = (bytes: number): string => `r9 = *(u32 *)(r6 + 0)
    r8 = *(u32 *)(r6 + 4)
    r1 = r9
    r1 += ${bytes}
    if r1 > r8 goto out`;

/** Every kind of value. Stack bytes r10-128 to r10-1 are zero. */
export const valueCases: readonly ValueCase[] = [
  { name: "unset", setup: null },
  { name: "0", setup: "r9 = 0" },
  { name: "4", setup: "r9 = 4" },
  { name: "8", setup: "r9 = 8" },
  { name: "64", setup: "r9 = 64" },
  { name: "2^29", setup: "r9 = 536870912" },
  { name: "-1", setup: "r9 = -1" },
  { name: "any", setup: "call bpf_ktime_get_ns\nr9 = r0" },
  { name: "0..7", setup: random(7) },
  { name: "0..255", setup: random(255) },
  { name: "1..8", setup: `${random(7)}\nr9 += 1` },
  { name: "stack", setup: "r9 = r10\nr9 += -128" },
  { name: "stack, 8 bytes", setup: "r9 = r10\nr9 += -8" },
  { name: "stack, 4 bytes", setup: "r9 = r10\nr9 += -4" },
  { name: "stack, 6 bytes", setup: "r9 = r10\nr9 += -6" },
  { name: "stack's end", setup: "r9 = r10" },
  { name: "unwritten stack", setup: "r9 = r10\nr9 += -400" },
  { name: "deepest stack", setup: "r9 = r10\nr9 += -512" },
  { name: "below the stack", setup: "r9 = r10\nr9 += -520" },
  { name: "stack, variable", setup: `${random(8)}\nr1 = r10\nr1 += -64\nr1 += r9\nr9 = r1` },
  { name: "stack, saved pointer", setup: "*(u64 *)(r10 - 40) = r6\nr9 = r10\nr9 += -40" },
  { name: "packet", setup: packet(64) },
  { name: "packet, 4 bytes", setup: packet(4) },
  { name: "packet, unchecked", setup: "r9 = *(u32 *)(r6 + 0)" },
  { name: "packet end", setup: "r9 = *(u32 *)(r6 + 4)" },
  {
    name: "meta",
    setup: "r9 = *(u32 *)(r6 + 8)\nr8 = *(u32 *)(r6 + 0)\nr1 = r9\nr1 += 64\nif r1 > r8 goto out",
  },
  { name: "value of 8", setup: value("hash") },
  { name: "value of 64", setup: value("array") },
  { name: "value of 64, end", setup: `${value("array")}\nr9 += 58` },
  { name: "value or null", setup: `${lookup("hash")}\nr9 = r0` },
  { name: "read-only value", setup: value("readonly") },
  { name: "write-only value", setup: value("writeonly") },
  { name: "locked value", setup: value("locked") },
  { name: "lock", setup: `${value("locked")}\nr9 += 4` },
  { name: "timer's value", setup: value("timers") },
  { name: "timer", setup: `${value("timers")}\nr9 += 8` },
  { name: "devmap value", setup: value("dev") },
  { name: "data", setup: "r9 = .data[0] ll" },
  { name: "string", setup: "r9 = .ro[8] ll" },
  { name: "string without format", setup: "r9 = .ro[17] ll" },
  { name: "unterminated string", setup: "r9 = .ro[24] ll" },
  { name: "string, variable", setup: `${random(1)}\nr1 = .ro[8] ll\nr1 += r9\nr9 = r1` },
  { name: "context", setup: "r9 = r6" },
  { name: "context+4", setup: "r9 = r6\nr9 += 4" },
  { name: "record", setup: record, release: discard },
  { name: "record+8", setup: `${record}\nr9 += 8`, release: "r1 = r9\nr1 += -8\nr2 = 0\ncall bpf_ringbuf_discard" },
  { name: "record or null", setup: record.replace("if r0 == 0 goto out\n", "") },
  { name: "socket", setup: socket("bpf_sk_lookup_tcp"), release: releaseSocket },
  { name: "common socket", setup: socket("bpf_skc_lookup_tcp"), release: releaseSocket },
  { name: "socket or null", setup: socket("bpf_sk_lookup_tcp").replace("if r0 == 0 goto out\n", "") },
  {
    name: "TCP socket",
    setup: `${socket("bpf_skc_lookup_tcp")}\nr8 = r9\nr1 = r9\ncall bpf_skc_to_tcp_sock\nr9 = r8\nif r0 == 0 goto +1\nr9 = r0`,
    release: "r1 = r8\ncall bpf_sk_release",
  },
  { name: "xsk socket", setup: value("xsk") },
  { name: "task", setup: "call bpf_get_current_task_btf\nr9 = r0" },
  { name: "function", setup: "r9 = func[visit] ll" },
  {
    name: "dynptr",
    setup: `r1 = .data[0] ll
      r2 = 8
      r3 = 0
      r4 = r10
      r4 += -216
      call bpf_dynptr_from_mem
      r9 = r10
      r9 += -216`,
  },
  {
    name: "ring dynptr",
    setup: `r1 = map[ring] ll
      r2 = 8
      r3 = 0
      r4 = r10
      r4 += -216
      call bpf_ringbuf_reserve_dynptr
      r9 = r10
      r9 += -216`,
    release: "r1 = r10\nr1 += -216\nr2 = 0\ncall bpf_ringbuf_discard_dynptr",
  },
];

/** Every map of the tests, as a value. */
export const mapCases: readonly ValueCase[] = [
  ...["hash", "hash16", "array", "percpu", "percpuhash", "lru", "lpm", "progs", "perf", "ring", "queue", "stackmap"],
  ...["bloom", "dev", "devhash", "cpus", "xsk", "outer", "outerhash", "readonly", "writeonly", "locked", "timers"],
].map((name) => ({ name: `map ${name}`, setup: `r9 = map[${name}] ll` }));

/** The map that goes with a helper, where it isn't any. */
const mapOf: Readonly<Record<string, string>> = {
  tail_call: "progs",
  perf_event_read: "perf",
  perf_event_output: "perf",
  perf_event_read_value: "perf",
  redirect_map: "dev",
  map_push_elem: "queue",
  map_pop_elem: "queue",
  map_peek_elem: "queue",
  ringbuf_output: "ring",
  ringbuf_reserve: "ring",
  ringbuf_query: "ring",
  ringbuf_reserve_dynptr: "ring",
  map_lookup_percpu_elem: "percpu",
  timer_init: "timers",
};

/** What a right argument of each kind looks like; R is the register. */
const right: Readonly<Partial<Record<ArgKind, string>>> = {
  key: "R = r10\nR += -64",
  value: "R = r10\nR += -128",
  valueOut: "R = r10\nR += -128",
  valueOrNull: "R = 0",
  ctx: "R = r6",
  memory: "R = r10\nR += -128",
  memoryOut: "R = r10\nR += -128",
  memoryInOut: "R = r10\nR += -128",
  memoryOrNull: "R = r10\nR += -128",
  memoryOrNullOut: "R = r10\nR += -128",
  fixedMemory: "R = r10\nR += -128",
  fixedMemoryOut: "R = r10\nR += -128",
  fixedMemoryInOut: "R = r10\nR += -128",
  size: "R = 8",
  sizeOrZero: "R = 8",
  constSize: "R = 8",
  string: "R = .ro[14] ll",
  stackOrNull: "R = 0",
  scalar: "R = 0",
  extra: "R = 0",
  function: "R = func[visit] ll",
};

/** What a helper needs in r7, what must come before and after it. */
interface Needs {
  readonly before?: string;
  readonly after?: string;
}

const takeRecord = record.replaceAll("r9", "r7");
const takeSocket = socket("bpf_sk_lookup_tcp").replaceAll("r9", "r7");
const giveSocket = releaseSocket.replaceAll("r9", "r7");
const lock = `${value("locked")}\nr9 += 4`.replaceAll("r9", "r7");
const timer = `${value("timers")}\nr9 += 8`.replaceAll("r9", "r7");
const makeDynptr = (valueCases.find(({ name }) => name === "dynptr")?.setup ?? "")
  .replaceAll("r9", "r7")
  .replaceAll("216", "248");
const reserveDynptr = (valueCases.find(({ name }) => name === "ring dynptr")?.setup ?? "")
  .replaceAll("r9", "r7")
  .replaceAll("216", "248");
const task = "call bpf_get_current_task_btf\nr7 = r0";

function needsOf(helper: Helper): Needs {
  const first = helper.args[0];
  switch (helper.name) {
    case "ringbuf_submit":
    case "ringbuf_discard":
      return { before: takeRecord };
    case "sk_release":
      return { before: takeSocket };
    case "spin_lock":
      return { before: lock, after: "r1 = r7\ncall bpf_spin_unlock" };
    case "spin_unlock":
      return { before: `${lock}\nr1 = r7\ncall bpf_spin_lock` };
    case "ringbuf_reserve":
      return { after: "if r0 == 0 goto +3\nr1 = r0\nr2 = 0\ncall bpf_ringbuf_discard" };
    case "sk_lookup_tcp":
    case "sk_lookup_udp":
    case "skc_lookup_tcp":
      return { after: "if r0 == 0 goto +2\nr1 = r0\ncall bpf_sk_release" };
    case "dynptr_from_mem":
      return { before: "r7 = r10\nr7 += -248" };
    case "ringbuf_reserve_dynptr":
      return { before: "r7 = r10\nr7 += -248", after: "r1 = r10\nr1 += -248\nr2 = 0\ncall bpf_ringbuf_submit_dynptr" };
    case "ringbuf_submit_dynptr":
    case "ringbuf_discard_dynptr":
      return { before: reserveDynptr };
    case "dynptr_read":
    case "dynptr_write":
    case "dynptr_data":
      return { before: makeDynptr };
  }
  if (first === "socket") return { before: takeSocket, after: giveSocket };
  if (first === "timer") return { before: timer };
  if (helper.args.includes("btf")) return { before: task };
  if (helper.name === "kptr_xchg") return { before: "r7 = .data[0] ll" };
  return {};
}

const zeroStack = Array.from({ length: 16 }, (_, at) => `*(u64 *)(r10 - ${128 - at * 8}) = 0`).join("\n");

/** A program that calls `helper` with argument `index` (from 0; -1 for none) being `value`. */
export function callProgram(helper: Helper, index: number, varied: ValueCase): string {
  const { before = "", after = "" } = needsOf(helper);
  const set = helper.args
    .map((kind, at) => {
      const register = `r${at + 1}`;
      if (at === index) return varied.setup === null ? "" : `${register} = r9`;
      const text = kind === "map" ? `R = map[${mapOf[helper.name] ?? "hash"}] ll` : (right[kind] ?? "R = r7");
      return text.replaceAll("R", register);
    })
    .join("\n");
  // Nothing set before may pass for an argument that is left out.
  const scratch = varied.setup === null ? "call bpf_get_numa_node_id" : "";
  const taken = helper.name === "ringbuf_submit" || helper.name === "ringbuf_discard" || helper.name === "sk_release";
  const dynptrTaken = helper.name.endsWith("it_dynptr") || helper.name.endsWith("card_dynptr");
  const release = taken || dynptrTaken ? "" : (varied.release ?? "");
  const usesFunction = set.includes("func[") || (varied.setup ?? "").includes("func[");
  const callback = usesFunction ? "visit: r0 = 0\nexit" : "";
  return `r6 = r1
    ${zeroStack}
    ${before}
    ${varied.setup ?? ""}
    ${scratch}
    ${set}
    call helper[${helper.id}]
    ${after}
    ${release}
    out: r0 = 0
    exit
    ${callback}`.replace(/^\s+/gm, "");
}

/** All of them. */
export function* callCases(): Generator<{ readonly name: string; readonly text: string }> {
  for (const helper of helpers) {
    yield { name: helper.name, text: callProgram(helper, -1, { name: "", setup: "r9 = 0" }) };
    for (let index = 0; index < helper.args.length; index++) {
      const kinds = helper.args[index] === "map" ? [...valueCases, ...mapCases] : valueCases;
      for (const each of kinds)
        yield { name: `${helper.name} r${index + 1}=${each.name}`, text: callProgram(helper, index, each) };
    }
  }
}

/** What a right argument of a kernel function looks like. Dynptrs of the packet are at r10-216 and, to be made, r10-248. */
const rightForKernel: Readonly<Record<KfuncParameter, string>> = {
  ctx: "R = r6",
  scalar: "R = 0",
  dynptr: "R = r10\nR += -216",
  newDynptr: "R = r10\nR += -248",
  bufferOrNull: "R = 0",
  constantSize: "R = 8",
  iterator: "R = r10\nR += -216",
  newIterator: "R = r10\nR += -248",
  object: "R = r7",
  ignored: "R = 0",
};

const endIterator = (at: number): string => `r1 = r10\nr1 += -${at}\ncall kernel bpf_iter_num_destroy`;

/** What comes before and after a call of a kernel function. */
function kernelNeeds(name: string, proto: KfuncProto): Needs {
  switch (name) {
    case "bpf_rcu_read_unlock":
    case "bpf_preempt_enable":
      return { before: `call kernel ${name.replace("unlock", "lock").replace("enable", "disable")}` };
    case "bpf_rcu_read_lock":
    case "bpf_preempt_disable":
      return { after: `call kernel ${name.replace("lock", "unlock").replace("disable", "enable")}` };
    case "bpf_iter_num_new":
      return { after: endIterator(248) };
    case "bpf_iter_num_next":
    case "bpf_iter_num_destroy":
      return {
        before: "r1 = r10\nr1 += -216\nr2 = 0\nr3 = 9\ncall kernel bpf_iter_num_new",
        after: name === "bpf_iter_num_next" ? endIterator(216) : "",
      };
  }
  const giveBack = (get: string, put: string): Needs => ({
    before: `r1 = 1\ncall kernel ${get}\nif r0 == 0 goto out\nr7 = r0`,
    after: name === put ? "" : `r8 = r0\nr1 = r7\ncall kernel ${put}\nr0 = r8`,
  });
  const drop = (put: string): string => `if r0 == 0 goto +2\nr1 = r0\ncall kernel ${put}`;
  switch (name) {
    case "bpf_task_from_pid":
    case "bpf_task_from_vpid":
      return { after: drop("bpf_task_release") };
    case "bpf_task_acquire":
    case "bpf_task_release": {
      const needs = giveBack("bpf_task_from_pid", "bpf_task_release");
      return name === "bpf_task_release" ? needs : { ...needs, after: `${needs.after}\n${drop("bpf_task_release")}` };
    }
    case "bpf_lookup_system_key":
      return { after: drop("bpf_key_put") };
    case "bpf_key_put":
      return giveBack("bpf_lookup_system_key", "bpf_key_put");
  }
  if (!proto.parameters.includes("dynptr")) return {};
  return { before: "r1 = r6\nr2 = 0\nr3 = r10\nr3 += -216\ncall kernel bpf_dynptr_from_xdp" };
}

/** A program that calls a modelled kernel function with argument `index` (from 0; -1 for none) being `value`. */
export function kernelCallProgram(name: string, proto: KfuncProto, index: number, varied: ValueCase): string {
  const set = proto.parameters
    .map((parameter, at) => {
      const register = `r${at + 1}`;
      if (at === index) return varied.setup === null ? "" : `${register} = r9`;
      return rightForKernel[parameter].replaceAll("R", register);
    })
    .join("\n");
  const usesFunction = (varied.setup ?? "").includes("func[");
  const { before = "", after = "" } = kernelNeeds(name, proto);
  return `r6 = r1
    ${zeroStack}
    ${varied.name.includes("dynptr") ? "" : before}
    ${varied.setup ?? ""}
    ${varied.name.includes("dynptr") ? before.replaceAll("216", "232") : ""}
    ${varied.setup === null ? "call bpf_get_numa_node_id" : ""}
    ${set}
    call kernel ${name}
    ${after}
    ${varied.release ?? ""}
    out: r0 = 0
    exit
    ${usesFunction ? "visit: r0 = 0\nexit" : ""}`.replace(/^\s+/gm, "");
}

/** All of them. */
export function* kernelCallCases(): Generator<{ readonly name: string; readonly text: string }> {
  for (const [name, proto] of kfuncProtos) {
    yield { name, text: kernelCallProgram(name, proto, -1, { name: "", setup: "r9 = 0" }) };
    for (let index = 0; index < proto.parameters.length; index++)
      for (const each of valueCases)
        yield { name: `${name} r${index + 1}=${each.name}`, text: kernelCallProgram(name, proto, index, each) };
  }
}
