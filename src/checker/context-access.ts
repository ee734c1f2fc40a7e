// Reads of the context (struct xdp_md): whole fields only, three of which give pointers. Nothing in it may be written.
// Source: Linux net/core/filter.c (xdp_is_valid_access, 6.18); kernel/bpf/verifier.c (check_mem_access, PTR_TO_CTX).

import { type ContextYield, contextBytes, contextFieldAt, contextFields } from "../bpf/context.ts";
import type { AttachPoint } from "../bpf/image.ts";
import { checkUnmoved } from "./memory-regions.ts";
import { constant, fromUnsignedWidth, unknown } from "./scalar.ts";
import { coerce } from "./scalar-width.ts";
import { type PointerKind, type PointerValue, pointer as pointerTo, type RegValue, scalarValue } from "./state.ts";
import { refuse } from "./verdict.ts";

const zero = constant(0n);

const pointerKinds: Readonly<Record<Exclude<ContextYield, "scalar">, PointerKind>> = {
  packet: "packet",
  packetEnd: "packetEnd",
  packetMeta: "packetMeta",
};

/** What a load of `bytes` bytes at `offset` from the context gives. */
export function readContext(
  register: number,
  context: PointerValue,
  offset: number,
  bytes: number,
  signed: boolean,
  attach: AttachPoint,
): RegValue {
  checkUnmoved(register, context);
  const fault = { kind: "contextAccess", register, offset, bytes, write: false, signed } as const;
  if (offset < 0 || offset >= contextBytes || bytes !== 4) refuse(fault);
  const name = contextFieldAt(offset);
  if (name === null) return refuse(fault);
  const { yields, devmapOnly } = contextFields[name];
  if (devmapOnly && attach !== "devmap") refuse(fault);
  if (yields === "scalar") return scalarValue(signed ? coerce(unknown, 4, true) : fromUnsignedWidth(4));
  // The kernel makes a 64-bit load of it, which has no sign to extend.
  if (signed) refuse(fault);
  return pointerTo(pointerKinds[yields], zero);
}

/** A store to the context: refused, whatever it is. */
export function writeContext(register: number, context: PointerValue, offset: number, bytes: number): never {
  checkUnmoved(register, context);
  return refuse({ kind: "contextAccess", register, offset, bytes, write: true, signed: false });
}
