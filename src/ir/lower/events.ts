// Events for user space, and going on in another program. A value is sent from the stack. A sample is a header and the packet's first
// bytes: perf appends them to the header itself, for a ring buffer they are copied behind it in this CPU's own memory; both reach bytes
// beyond the first buffer of a packet that has several.
// Source: Linux net/core/filter.c, bpf_xdp_event_output and bpf_xdp_load_bytes; kernel/bpf/ringbuf.c, bpf_ringbuf_output.

import type { HStmt } from "../hir.ts";
import type { ValueId } from "../ir.ts";
import { layoutOf } from "../layout.ts";
import { LOST_MAP } from "../lost.ts";
import { SAMPLE_HEADER_BYTES, SAMPLE_MAP, sampleOffset } from "../sample.ts";
import { U32 } from "../types.ts";
import { edge } from "./edge.ts";
import { lowerNumber } from "./evaluate.ts";
import type { Lowering } from "./lowering.ts";
import { onStack } from "./map-access.ts";
import { returnVerdict } from "./redirect.ts";

/** This CPU's buffer. **Source:** Linux include/uapi/linux/bpf.h, BPF_F_CURRENT_CPU; the packet's bytes to append stand above it. */
const CURRENT_CPU = 0xffff_ffffn;
const APPEND_SHIFT = 32;
/** The kernel gives no shorter frame; an answer to the verifier, which wants sizes above 0. */
const LEAST_FRAME = 14;

/** Sends a value. */
export function emit(l: Lowering, statement: HStmt & { kind: "emit" }): void {
  const { builder } = l;
  const address = onStack(l, statement.value);
  const size = builder.constant("i64", layoutOf(statement.value.type).bytes);
  const buffer = builder.map(statement.map.name);
  const result =
    statement.map.mapKind === "ringbuf"
      ? builder.call("ringbuf_output", [buffer, address, size, builder.constant("i64", 0)])
      : builder.call("perf_event_output", [
          builder.context,
          buffer,
          builder.constant("i64", CURRENT_CPU),
          address,
          size,
        ]);
  orLost(l, result, statement);
}

/** Sends the packet's first bytes. */
export function sample(l: Lowering, statement: HStmt & { kind: "sample" }): void {
  const { builder } = l;
  const { most, span } = statement;
  const length = lowerNumber(l, { kind: "meta", name: "len", type: U32, span });
  const [whole, cut, behind] = [l.block(), l.block(), l.block()];
  const taken = builder.newBlock(["i32"]);
  const enough = l.block();
  builder.branch("uge", "i32", length, l.i32(LEAST_FRAME), edge(enough), edge(behind));
  l.goOn(enough);
  builder.branch("ule", "i32", length, l.i32(most), edge(whole), edge(cut));
  l.goOn(whole);
  builder.jump(taken.id, [length]);
  l.goOn(cut);
  builder.jump(taken.id, [l.i32(most)]);
  l.goOn(taken.id);
  const [captured] = taken.params;
  const result =
    statement.map.mapKind === "ringbuf"
      ? throughRing(l, statement, length, captured as ValueId, behind)
      : throughPerf(l, statement, length, captured as ValueId);
  orLost(l, result, statement);
  builder.jump(behind);
  l.goOn(behind);
}

/** Counts the event where it couldn't be sent, and ends with the verdict that is there for that. */
function orLost(l: Lowering, result: ValueId, statement: HStmt & { kind: "emit" | "sample" }): void {
  const { builder } = l;
  const [sent, lost, counted, told] = [l.block(), l.block(), l.block(), l.block()];
  builder.branch("eq", "i64", result, builder.constant("i64", 0), edge(sent), edge(lost));
  l.goOn(lost);
  const key = builder.slot(builder.newSlot(4, 4));
  builder.store("stack", 4, key, 0, l.i32(0));
  const numbers = builder.call("map_lookup_elem", [builder.map(LOST_MAP), key]);
  builder.nullGuard(numbers, edge(counted), edge(told));
  l.goOn(counted);
  // The entry is this CPU's own: nothing comes between.
  const before = builder.load("shared", 8, numbers, statement.lostAt);
  builder.store(
    "shared",
    8,
    numbers,
    statement.lostAt,
    builder.binary("add", "i64", before, builder.constant("i64", 1)),
  );
  builder.jump(told);
  l.goOn(told);
  if (statement.orElse === null) builder.jump(sent);
  else returnVerdict(l, statement.orElse);
  l.goOn(sent);
}

function throughPerf(l: Lowering, { map }: HStmt & { kind: "sample" }, length: ValueId, captured: ValueId): ValueId {
  const { builder } = l;
  const header = builder.slot(builder.newSlot(SAMPLE_HEADER_BYTES, 8));
  storeHeader(l, "stack", header, length, captured);
  const wide = builder.binary("shl", "i64", l.resize(captured, "i64"), builder.constant("i64", APPEND_SHIFT));
  const flags = builder.binary("or", "i64", wide, builder.constant("i64", CURRENT_CPU));
  const size = builder.constant("i64", SAMPLE_HEADER_BYTES);
  return builder.call("perf_event_output", [builder.context, builder.map(map.name), flags, header, size]);
}

/** `missing`: where to go on without this CPU's memory, which is always there. */
function throughRing(
  l: Lowering,
  { map }: HStmt & { kind: "sample" },
  length: ValueId,
  captured: ValueId,
  missing: number,
): ValueId {
  const { builder } = l;
  const key = builder.slot(builder.newSlot(4, 4));
  builder.store("stack", 4, key, 0, l.i32(0));
  const record = builder.call("map_lookup_elem", [builder.map(SAMPLE_MAP), key]);
  const found = l.block();
  builder.nullGuard(record, edge(found), edge(missing));
  l.goOn(found);
  storeHeader(l, "shared", record, length, captured);
  const size = l.resize(captured, "i64");
  const bytes = builder.offset(record, SAMPLE_HEADER_BYTES);
  const [zero, header] = [builder.constant("i64", 0), builder.constant("i64", SAMPLE_HEADER_BYTES)];
  builder.call("xdp_load_bytes", [builder.context, zero, bytes, size]);
  const whole = builder.binary("add", "i64", size, header);
  return builder.call("ringbuf_output", [builder.map(map.name), record, whole, zero]);
}

function storeHeader(
  l: Lowering,
  space: "stack" | "shared",
  header: ValueId,
  length: ValueId,
  captured: ValueId,
): void {
  const { builder } = l;
  builder.store(space, 8, header, sampleOffset("time_ns"), builder.call("ktime_get_ns", []));
  builder.store(space, 4, header, sampleOffset("length"), length);
  builder.store(space, 4, header, sampleOffset("captured"), captured);
  builder.store(space, 4, header, sampleOffset("ifindex"), builder.ctxLoad("ingress_ifindex"));
  builder.store(space, 4, header, sampleOffset("queue"), builder.ctxLoad("rx_queue_index"));
}

/** Goes on in another program; what is behind happens only where there is none. */
export function tail(l: Lowering, statement: HStmt & { kind: "tail" }): void {
  const { builder } = l;
  const index = l.resize(lowerNumber(l, statement.index), "i64");
  builder.call("tail_call", [builder.context, builder.map(statement.map.name), index]);
  returnVerdict(l, statement.orElse ?? l.program.default);
}
