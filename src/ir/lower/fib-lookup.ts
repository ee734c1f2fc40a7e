// The kernel's routing decision: fills the helper's struct on the stack, asks, and reads the answer. The struct stays the same for
// both families. Knows nothing of the headers the addresses come from.
// Source: Linux include/uapi/linux/bpf.h, struct bpf_fib_lookup; net/core/filter.c, bpf_ipv4_fib_lookup and bpf_ipv6_fib_lookup.

import type { HExpr } from "../hir.ts";
import { loadPieces, lowerNumber, lowerPieces } from "./evaluate.ts";
import type { Lowering } from "./lowering.ts";
import type { Value } from "./value.ts";

/** The struct's size and the offsets of its members, in bytes. */
const BYTES = 64;
const AT = { family: 0, length: 6, ifindex: 8, tos: 12, saddr: 16, daddr: 32, smac: 52, dmac: 58 } as const;
/** AF_INET and AF_INET6. **Source:** Linux include/linux/socket.h. */
const FAMILY = { ipv4: 2, ipv6: 10 } as const;

/** Asks for the route of a packet from `saddr` to `daddr` that came in by the packet's device; a value of type FIB_RESULT. */
export function fibLookup(l: Lowering, expr: HExpr & { kind: "fibLookup" }): Value {
  const { builder } = l;
  const [saddr, daddr, tos, length] = expr.args;
  const wide = saddr.type.kind === "ipv6";
  const addresses = wide
    ? [lowerPieces(l, saddr, 8), lowerPieces(l, daddr, 8)]
    : [saddr, daddr].map((a) => [{ bytes: 4 as const, value: builder.bswap(4, lowerNumber(l, a)) }]);
  const [tosNumber, lengthNumber] = [lowerNumber(l, tos), lowerNumber(l, length)];
  const params = builder.slot(builder.newSlot(BYTES, 8));
  for (let at = 0; at < BYTES; at += 8) builder.store("stack", 8, params, at, builder.constant("i64", 0));
  builder.store("stack", 1, params, AT.family, l.i32(wide ? FAMILY.ipv6 : FAMILY.ipv4));
  builder.store("stack", 2, params, AT.length, lengthNumber);
  builder.store("stack", 4, params, AT.ifindex, builder.ctxLoad("ingress_ifindex"));
  // For IPv6 the word is the header's first: version, traffic class, flow label, in network order.
  const tosWord = wide ? builder.bswap(4, builder.binary("shl", "i32", tosNumber, l.i32(20))) : tosNumber;
  builder.store("stack", wide ? 4 : 1, params, AT.tos, tosWord);
  for (const [i, start] of [AT.saddr, AT.daddr].entries()) {
    let at: number = start;
    for (const piece of addresses[i] ?? []) {
      builder.store("stack", piece.bytes, params, at, piece.value);
      at += piece.bytes;
    }
  }
  const flags = builder.constant("i64", 0);
  const result = builder.call("fib_lookup", [builder.context, params, builder.constant("i64", BYTES), flags]);
  return {
    kind: "aggregate",
    elements: [
      { kind: "number", id: l.resize(result, "i32") },
      { kind: "number", id: builder.load("stack", 4, params, AT.ifindex) },
      { kind: "pieces", pieces: loadPieces(l, "stack", params, AT.smac, [4, 2]) },
      // At an even place that isn't a multiple of four: the stack is read aligned.
      { kind: "pieces", pieces: loadPieces(l, "stack", params, AT.dmac, [2, 2, 2]) },
    ],
  };
}
