// Loads, stores and atomic operations, instruction by instruction: which registers they read and write, what kind of pointer
// they go through, what a load gives. Each kind of memory has a file of its own; this one knows the instructions' fields.
// Source: Linux kernel/bpf/verifier.c (check_mem_access, check_load_mem, check_store_reg, check_atomic, 6.18).

import type { Width } from "../bpf/insn.ts";
import { atomicFetch, atomicOps, insnClass, memoryModes } from "../bpf/isa.ts";
import { readContext, writeContext } from "./context-access.ts";
import type { Env } from "./env.ts";
import { gplCompatible } from "./helper-licence.ts";
import { checkMapValueAccess, frozenConstant, mapOf } from "./map-values.ts";
import { checkAligned, checkRegion, fixedPart, outOfBounds } from "./memory-regions.ts";
import { checkPacketAccess } from "./packet-access.ts";
import { checkWritable, readRegister, setRegister } from "./registers.ts";
import { fromUnsignedWidth, unknown } from "./scalar.ts";
import { coerce } from "./scalar-width.ts";
import { socketReadable } from "./socket-access.ts";
import { readStack, type Stored, storedUnknown, writeStack } from "./stack-access.ts";
import { linkedScalar, type PointerValue, pointerFlag, type RegValue, type ScalarValue, scalarValue } from "./state.ts";
import { refuse, unsupported } from "./verdict.ts";

const widthBySize: readonly Width[] = [4, 2, 1, 8];
const loadAcquire = 0x100;
const storeRelease = 0x110;
const rmwOps: ReadonlySet<number> = new Set(
  Object.values(atomicOps).flatMap(({ code, alwaysFetches }) =>
    alwaysFetches ? [code | atomicFetch] : [code, code | atomicFetch],
  ),
);
const cmpxchg = atomicOps.cmpxchg.code | atomicFetch;

function widthOf(opcode: number): Width {
  return widthBySize[(opcode >> 3) & 3] as Width;
}

const loaded: Readonly<Record<Width, ScalarValue>> = {
  1: scalarValue(fromUnsignedWidth(1)),
  2: scalarValue(fromUnsignedWidth(2)),
  4: scalarValue(fromUnsignedWidth(4)),
  8: scalarValue(unknown),
};

/** Any number of that many bytes. */
function anyLoaded(bytes: Width, signed: boolean): RegValue {
  return signed ? scalarValue(coerce(unknown, bytes, true)) : loaded[bytes];
}

/** LDX: `dst = *(size *)(src + off)`, plain or sign-extending. */
export function walkLoad(env: Env): void {
  const { program, slot } = env;
  const opcode = program.opcode[slot] as number;
  const base = program.src[slot] as number;
  const dst = program.dst[slot] as number;
  const value = readRegister(env, base);
  checkWritable(dst);
  const signed = (opcode & 0xe0) === memoryModes.memsx;
  const off = program.off[slot] as number;
  const result = load(env, base, value, off, widthOf(opcode), signed, true);
  notePointerKind(env, base, value as PointerValue);
  setRegister(env, dst, result as RegValue);
}

/** ST and STX: `*(size *)(dst + off) = src` or a constant. */
export function walkStore(env: Env): void {
  const { program, slot } = env;
  const opcode = program.opcode[slot] as number;
  const base = program.dst[slot] as number;
  let stored: Stored;
  if ((opcode & 7) === insnClass.stx) {
    const register = program.src[slot] as number;
    stored = { from: "register", register, value: readRegister(env, register) };
  } else stored = { from: "constant", imm: program.imm[slot] as number };
  const value = readRegister(env, base);
  store(env, base, value, program.off[slot] as number, widthOf(opcode), stored);
  notePointerKind(env, base, value as PointerValue);
}

/** STX with the atomic mode: read-modify-write, load-acquire, store-release. */
export function walkAtomic(env: Env): void {
  const { program, slot } = env;
  const imm = program.imm[slot] as number;
  const bytes = widthOf(program.opcode[slot] as number);
  const off = program.off[slot] as number;
  if (imm === loadAcquire) walkLoadAcquire(env, off, bytes);
  else if (imm === storeRelease) walkStoreRelease(env, off, bytes);
  else if (rmwOps.has(imm)) walkReadModifyWrite(env, imm, off, bytes);
  else refuse({ kind: "encoding", field: "atomic operation", value: imm });
}

function walkReadModifyWrite(env: Env, imm: number, off: number, bytes: Width): void {
  const { program, slot } = env;
  const base = program.dst[slot] as number;
  const source = program.src[slot] as number;
  if (bytes < 4) refuse({ kind: "encoding", field: "size of the atomic operation", value: bytes });
  readRegister(env, source);
  const pointer = readRegister(env, base);
  if (imm === cmpxchg) readRegister(env, 0);
  checkAtomicTarget(base, pointer);
  const fetches = (imm & atomicFetch) !== 0;
  const result = imm === cmpxchg ? 0 : source;
  let target = pointer;
  if (fetches) {
    checkWritable(result);
    // The old value arrives before the access is judged: an address in the same register is none any more.
    setRegister(env, result, loaded[8]);
    if (result === base) target = loaded[8];
  }
  checkStrictAlignment(base, target, off, bytes);
  // What may not be written at all is refused before a load that may not be modelled; only the stack changes with a store.
  if (target.kind !== "stack") store(env, base, target, off, bytes, storedUnknown);
  load(env, base, target, off, bytes, false, false);
  if (fetches) setRegister(env, result, load(env, base, target, off, bytes, false, true) as RegValue);
  if (target.kind === "stack") store(env, base, target, off, bytes, storedUnknown);
}

function walkLoadAcquire(env: Env, off: number, bytes: Width): void {
  const { program, slot } = env;
  const base = program.src[slot] as number;
  const dst = program.dst[slot] as number;
  const pointer = readRegister(env, base);
  checkWritable(dst);
  checkStrictAlignment(base, pointer, off, bytes);
  const result = load(env, base, pointer, off, bytes, false, true) as RegValue;
  notePointerKind(env, base, pointer as PointerValue);
  setRegister(env, dst, result);
  // Judged after the load: where the address's own register took the value, it is the value's kind that counts.
  checkAtomicTarget(base, base === dst ? result : pointer);
}

function walkStoreRelease(env: Env, off: number, bytes: Width): void {
  const { program, slot } = env;
  const base = program.dst[slot] as number;
  const register = program.src[slot] as number;
  const stored: Stored = { from: "register", register, value: readRegister(env, register) };
  const pointer = readRegister(env, base);
  checkStrictAlignment(base, pointer, off, bytes);
  store(env, base, pointer, off, bytes, stored);
  notePointerKind(env, base, pointer as PointerValue);
  checkAtomicTarget(base, pointer);
}

/** Refuses kinds of memory that have no atomic operations. */
function checkAtomicTarget(register: number, value: RegValue): void {
  switch (value.kind) {
    case "ctx":
    case "packet":
    case "packetMeta":
    case "socket":
    case "sockCommon":
    case "tcpSock":
    case "xdpSock":
      if (!value.nullable) refuse({ kind: "atomicTarget", register, pointer: value });
  }
}

/** Atomic operations are aligned wherever they go; the packet's first byte counts as two beyond a multiple. */
function checkStrictAlignment(register: number, value: RegValue, off: number, bytes: Width): void {
  if (value.kind === "unset" || value.kind === "scalar") return;
  const shift = value.kind === "packet" || value.kind === "packetMeta" ? 2 : 0;
  checkAligned(register, value, off + shift, bytes);
}

/** What a load gives; null when only whether it is allowed was asked. */
function load(
  env: Env,
  register: number,
  value: RegValue,
  insnOff: number,
  bytes: Width,
  signed: boolean,
  wanted: boolean,
): RegValue | null {
  if (value.kind === "unset" || value.kind === "scalar") return refuse({ kind: "notAPointer", register, value });
  if (value.kind === "stack") {
    checkAligned(register, value, insnOff, bytes);
    const result = readStack(env, register, value, insnOff + value.off, bytes, wanted);
    return result === null ? null : narrowed(result, bytes, signed);
  }
  if (value.nullable) refuse({ kind: "mayBeNull", register, pointer: value });
  const off = insnOff + value.off;
  switch (value.kind) {
    case "packet":
    case "packetMeta":
      checkPacketAccess(register, value, off, bytes, false);
      return anyLoaded(bytes, signed);
    case "mapValue":
      checkMapValueAccess(register, value, off, bytes, false, false, "instruction");
      return (wanted ? frozenConstant(register, value, off, bytes, signed) : null) ?? anyLoaded(bytes, signed);
    case "mapKey":
      checkRegion(register, value, off, bytes, mapOf(value).keyBytes, false);
      return anyLoaded(bytes, signed);
    case "memory":
      if ((value.flags & readOnlyUntrusted) !== readOnlyUntrusted)
        checkRegion(register, value, off, bytes, value.bytes, false);
      return anyLoaded(bytes, signed);
    case "ctx":
      return readContext(register, value, off, bytes, signed, env.program.image.attach);
    case "socket":
    case "sockCommon":
    case "xdpSock":
      if (value.varOff.smin < 0n) outOfBounds(register, value, null, off, bytes, 0);
      if (!socketReadable(value.kind, off, bytes)) forbidden(register, value, false, off, bytes);
      return anyLoaded(bytes, signed);
    case "object":
      checkObjectAccess(env, register, value, off, bytes, false);
      return unsupported(`reading the kernel's struct ${value.type ?? ""}`);
    case "mapHandle":
      if (off < 0) outOfBounds(register, value, off, off, bytes, 0);
      return unsupported("reading the kernel's own description of a map");
    case "tcpSock":
      return unsupported("reading TCP sockets");
    default:
      return forbidden(register, value, false, off, bytes);
  }
}

const readOnlyUntrusted = pointerFlag.readOnly | pointerFlag.untrusted;

function narrowed(value: RegValue, bytes: Width, signed: boolean): RegValue {
  if (bytes === 8 || value.kind !== "scalar") return value;
  const scalar = coerce(value.scalar, bytes, signed);
  return scalar === value.scalar ? value : linkedScalar(scalar, value.id, value.linkedByAdd, value.delta);
}

/** Refuses what no kernel object allows, whatever its layout. */
export function checkObjectAccess(
  env: Env,
  register: number,
  value: PointerValue,
  off: number,
  bytes: number,
  write: boolean,
): void {
  if (!gplCompatible(env)) forbidden(register, value, write, off, bytes);
  if (off < 0) outOfBounds(register, value, off, off, bytes, 0);
  if (fixedPart(value) !== 0) refuse({ kind: "movedPointer", register, pointer: value });
  if (write || (value.flags & pointerFlag.percpu) !== 0) forbidden(register, value, write, off, bytes);
}

function store(env: Env, register: number, value: RegValue, insnOff: number, bytes: Width, stored: Stored): void {
  if (value.kind === "unset" || value.kind === "scalar") refuse({ kind: "notAPointer", register, value });
  if (value.kind === "stack") {
    checkAligned(register, value, insnOff, bytes);
    writeStack(env, register, value, insnOff + value.off, bytes, stored);
    return;
  }
  if (value.nullable) refuse({ kind: "mayBeNull", register, pointer: value });
  const off = insnOff + value.off;
  switch (value.kind) {
    case "packet":
    case "packetMeta":
      checkPacketAccess(register, value, off, bytes, false);
      return;
    case "mapValue":
      checkMapValueAccess(register, value, off, bytes, true, false, "instruction");
      return;
    case "memory":
      if ((value.flags & pointerFlag.readOnly) !== 0) refuse({ kind: "readOnly", register, pointer: value });
      checkRegion(register, value, off, bytes, value.bytes, false);
      return;
    case "ctx":
      return writeContext(register, value, off, bytes);
    case "mapKey":
    case "mapHandle":
    case "socket":
    case "sockCommon":
    case "tcpSock":
    case "xdpSock":
      return refuse({ kind: "readOnly", register, pointer: value });
    case "object":
      if ((value.flags & pointerFlag.allocated) !== 0) unsupported("writing objects the program allocated");
      return refuse({ kind: "readOnly", register, pointer: value });
    default:
      return forbidden(register, value, true, off, bytes);
  }
}

function forbidden(register: number, pointer: PointerValue, write: boolean, offset: number, bytes: number): never {
  return refuse({ kind: "forbiddenAccess", register, pointer, write, offset, bytes });
}

/** Numbers of kinds of pointer whose accesses the kernel compiles in ways of their own; all others are 1. */
const accessKinds: Readonly<Partial<Record<PointerValue["kind"], number>>> = {
  ctx: 2,
  socket: 3,
  sockCommon: 4,
  tcpSock: 5,
  xdpSock: 6,
  object: 7,
};

/**
 * Remembers through what kind of pointer an instruction went: the kernel makes different machine code of accesses to the
 * context and to sockets, so on all paths it must be the same.
 */
function notePointerKind(env: Env, register: number, pointer: PointerValue): void {
  const kind = accessKinds[pointer.kind] ?? 1;
  const before = env.pointerKindAt[env.slot] ?? 0;
  if (before === 0) env.pointerKindAt[env.slot] = kind;
  else if (before !== kind) refuse({ kind: "mixedPointers", register, pointer });
}
