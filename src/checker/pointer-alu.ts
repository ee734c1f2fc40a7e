// Arithmetic on a pointer and a number: which pointers may be moved, how far, and what is known of them afterwards. A certain
// number goes into the fixed offset, any other into the variable one, which makes packet pointers forget their range.
// Source: Linux kernel/bpf/verifier.c (adjust_ptr_min_max_vals, check_reg_sane_offset; 6.18).

import type { AluOp } from "../bpf/insn.ts";
import type { Env } from "./env.ts";
import type { Scalar } from "./scalar.ts";
import { isExact, unknown } from "./scalar.ts";
import { pointerAdd, pointerSub } from "./scalar-alu.ts";
import type { PointerKind, PointerValue, RegValue, ScalarValue } from "./state.ts";
import { scalarValue } from "./state.ts";
import { refuse } from "./verdict.ts";

/** **Source:** BPF_MAX_VAR_OFF. */
const farthest = 1n << 29n;
const farthestNumber = 1 << 29;
const leastNumber = -(1n << 63n);

const movable: ReadonlySet<PointerKind> = new Set([
  "ctx",
  "mapValue",
  "mapKey",
  "stack",
  "packetMeta",
  "packet",
  "object",
  "memory",
  "function",
  "dynptr",
] as const);

/**
 * `pointer OP number`, or `number OP pointer` when `reversed`. Refuses what the kernel does; a difference of halves is a
 * number of which nothing is known.
 */
export function movePointer(
  env: Env,
  op: AluOp,
  bits: 32 | 64,
  pointer: RegValue,
  number: ScalarValue,
  reversed: boolean,
): RegValue {
  const register = env.program.dst[env.slot] as number;
  const { scalar } = number;
  const known = scalar.mask === 0n;
  const contradictory = scalar.smin > scalar.smax || scalar.umin > scalar.umax;
  if (contradictory || (known && (scalar.smin !== scalar.smax || scalar.umin !== scalar.umax))) return anything;
  if (bits === 32) {
    if (op === "sub") return anything;
    refuse({ kind: "pointerArithmetic", register, value: pointer, why: "thirtyTwoBits" });
  }
  const base = pointer as PointerValue;
  if (base.nullable) refuse({ kind: "pointerArithmetic", register, value: base, why: "mayBeNull" });
  const handleStays = base.kind === "mapHandle" && known && scalar.smin === 0n && op === "add";
  if (!movable.has(base.kind) && !handleStays)
    refuse({ kind: "pointerArithmetic", register, value: base, why: "kind" });
  if (op !== "add" && op !== "sub") refuse({ kind: "pointerArithmetic", register, value: base, why: "operation" });
  checkFar(register, base, scalar, number.delta);
  checkFar(register, base, base.varOff, base.off);
  const moved = op === "add" ? added(env, base, scalar) : subtracted(env, base, scalar, reversed);
  checkFar(register, base, moved.varOff, moved.off);
  return moved;
}

const anything: ScalarValue = scalarValue(unknown);

function added(env: Env, base: PointerValue, scalar: Scalar): PointerValue {
  const off = fixedOffset(base.off, scalar, 1n);
  if (off !== null) return { ...base, off };
  const varOff = pointerAdd(base.varOff, scalar);
  if (!inPacket(base)) return { ...base, varOff };
  return { ...base, varOff, id: env.newId(), range: 0 };
}

function subtracted(env: Env, base: PointerValue, scalar: Scalar, reversed: boolean): PointerValue {
  const register = env.program.dst[env.slot] as number;
  if (reversed) refuse({ kind: "pointerArithmetic", register, value: base, why: "subtractFromNumber" });
  if (base.kind === "stack") refuse({ kind: "pointerArithmetic", register, value: base, why: "subtractFromStack" });
  const off = fixedOffset(base.off, scalar, -1n);
  if (off !== null) return { ...base, off };
  const varOff = pointerSub(base.varOff, scalar);
  if (!inPacket(base)) return { ...base, varOff };
  // Going back by a number that isn't negative leaves what was known to be inside inside.
  return { ...base, varOff, id: env.newId(), range: scalar.smin < 0n ? 0 : base.range };
}

/** The fixed offset moved by a certain number, or null when it isn't certain or leaves 32 bits. */
function fixedOffset(off: number, scalar: Scalar, sign: bigint): number | null {
  if (!isExact(scalar) && scalar.mask !== 0n) return null;
  const sum = BigInt(off) + sign * scalar.smin;
  return BigInt.asIntN(32, sum) === sum ? Number(sum) : null;
}

function inPacket({ kind }: PointerValue): boolean {
  return kind === "packet" || kind === "packetMeta";
}

function checkFar(register: number, value: PointerValue, scalar: Scalar, off: number): void {
  const signed = BigInt.asIntN(64, scalar.value);
  const tooFar =
    (scalar.mask === 0n && (signed >= farthest || signed <= -farthest)) ||
    off >= farthestNumber ||
    off <= -farthestNumber;
  if (tooFar) refuse({ kind: "pointerArithmetic", register, value, why: "tooFar" });
  if (scalar.smin === leastNumber) refuse({ kind: "pointerArithmetic", register, value, why: "unbounded" });
  if (scalar.smin >= farthest || scalar.smin <= -farthest)
    refuse({ kind: "pointerArithmetic", register, value, why: "tooFar" });
}
