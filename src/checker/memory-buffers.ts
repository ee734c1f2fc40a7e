// Memory handed to helpers, kernel functions and global functions by its address: any kind that holds bytes, as many as the
// callee takes. What an instruction may access itself is memory.ts.
// Source: Linux kernel/bpf/verifier.c (check_helper_mem_access, check_mem_reg, 6.18).

import { mapKinds } from "../bpf/maps.ts";
import type { Env } from "./env.ts";
import { checkMapValueAccess, mapOf } from "./map-values.ts";
import { checkObjectAccess } from "./memory.ts";
import { checkRegion } from "./memory-regions.ts";
import { checkPacketAccess } from "./packet-access.ts";
import { readRegister } from "./registers.ts";
import { checkStackBuffer, type RawBytes } from "./stack-buffers.ts";
import { isPointer, pointerFlag, type RegValue } from "./state.ts";
import { refuse, unsupported } from "./verdict.ts";

/** How a callee uses memory it is given. */
export interface BufferUse {
  /** It writes there. */
  readonly write: boolean;
  /** 0 bytes will do. */
  readonly zeroAllowed: boolean;
  /** It overwrites all of it without reading. */
  readonly raw: boolean;
}

/** True for the number 0: a null pointer. */
export function isNull(value: RegValue): boolean {
  return value.kind === "scalar" && value.scalar.mask === 0n && value.scalar.value === 0n;
}

/**
 * Refuses `register` unless its value points to `bytes` bytes that may be used so; the stack bytes that are still to be marked
 * as overwritten, or null. Whether it may be null is judged before.
 */
export function checkBuffer(
  env: Env,
  register: number,
  value: RegValue,
  bytes: number,
  use: BufferUse,
): RawBytes | null {
  if (!isPointer(value)) {
    if (!(use.zeroAllowed && bytes === 0 && isNull(value))) refuse({ kind: "notAPointer", register, value });
    return null;
  }
  const { off } = value;
  switch (value.kind) {
    case "packet":
    case "packetMeta":
      checkPacketAccess(register, value, off, bytes, use.zeroAllowed);
      return null;
    case "stack":
      return checkStackBuffer(env, register, value, off, bytes, use.write, use.zeroAllowed, use.raw);
    case "mapValue":
      checkMapValueAccess(register, value, off, bytes, use.write, use.zeroAllowed, "helper");
      return null;
    case "mapKey":
      if (use.write) refuse({ kind: "readOnly", register, pointer: value });
      checkRegion(register, value, off, bytes, mapOf(value).keyBytes, false);
      return null;
    case "memory":
      if (use.write && (value.flags & pointerFlag.readOnly) !== 0)
        refuse({ kind: "readOnly", register, pointer: value });
      checkRegion(register, value, off, bytes, value.bytes, use.zeroAllowed);
      return null;
    case "object":
      checkObjectAccess(env, register, value, off, bytes, false);
      return unsupported(`the kernel's struct ${value.type ?? ""} as a helper's memory`);
    default:
      return refuse({ kind: "forbiddenAccess", register, pointer: value, write: use.write, offset: off, bytes });
  }
}

const readUse: BufferUse = { write: false, zeroAllowed: true, raw: false };
const writeUse: BufferUse = { write: true, zeroAllowed: true, raw: false };

/** Refuses `register` unless it points to `bytes` bytes that may be read and written, or is null or may be null. */
export function checkMemoryArgument(env: Env, register: number, bytes: number): void {
  const value = readRegister(env, register);
  if (isNull(value)) return;
  const there = assumedThere(register, value);
  checkBuffer(env, register, there, bytes, readUse);
  checkBuffer(env, register, there, bytes, writeUse);
}

const holdsOthers: ReadonlySet<number> = new Set([
  mapKinds.array_of_maps.number,
  mapKinds.hash_of_maps.number,
  mapKinds.xskmap.number,
]);

/** The pointer as if it had been tested for null. */
function assumedThere(register: number, value: RegValue): RegValue {
  if (!isPointer(value) || !value.nullable) return value;
  // What a lookup in these gives is a map or a socket once it isn't null: no bytes.
  if (value.kind === "mapValue" && holdsOthers.has(mapOf(value).type))
    refuse({ kind: "forbiddenAccess", register, pointer: value, write: false, offset: value.off, bytes: 0 });
  return { ...value, nullable: false };
}
