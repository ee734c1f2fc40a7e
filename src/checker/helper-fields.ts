// Arguments that must point to a member of a map's value that the kernel keeps: spin locks, timers, kernel pointers.
// Source: Linux kernel/bpf/verifier.c (process_spin_lock, check_map_field_pointer, process_kptr_func, 6.18).

import type { SpecialField } from "../bpf/image.ts";
import type { Env } from "./env.ts";
import { mapOf } from "./map-values.ts";
import { fixedPart } from "./memory-regions.ts";
import { releaseLock, takeLock } from "./references.ts";
import type { PointerValue } from "./state.ts";
import { refuse, unsupported } from "./verdict.ts";

/** Refuses a pointer into a map's value that isn't exactly to its member of kind `kind`. */
export function checkFieldPointer(
  helper: string,
  register: number,
  pointer: PointerValue,
  kind: SpecialField["kind"],
): void {
  const map = mapOf(pointer);
  const fault = { kind: "noField", helper, register, value: pointer, map } as const;
  const fixed = fixedPart(pointer);
  if (fixed === null) return refuse({ ...fault, why: "variableOffset" });
  if (!map.hasBtf) refuse({ ...fault, why: "noBtf" });
  const field = map.fields.find((each) => each.kind === kind);
  if (field === undefined) return refuse({ ...fault, why: "noSuchField" });
  if (field.offsetBytes !== fixed + pointer.off) refuse({ ...fault, why: "wrongOffset" });
}

/** `spin_lock` and `spin_unlock` of the lock that `pointer` points to. */
export function walkLock(env: Env, helper: string, register: number, pointer: PointerValue): void {
  if (pointer.kind !== "mapValue") unsupported("spin locks in objects the program allocated");
  checkFieldPointer(helper, register, pointer, "spinLock");
  if (helper === "spin_lock") takeLock(env, pointer.id, mapOf(pointer));
  else releaseLock(env, pointer.id, mapOf(pointer));
}

const kernelPointers: readonly SpecialField["kind"][] = ["kptrUntrusted", "kptr", "kptrPercpu"];

/** The destination of `kptr_xchg`: refused where it surely isn't one; what it does isn't modelled. */
export function checkKernelPointer(helper: string, register: number, pointer: PointerValue): never {
  if (pointer.kind !== "mapValue") return unsupported("kernel pointers in objects the program allocated");
  const map = mapOf(pointer);
  const fault = { kind: "noField", helper, register, value: pointer, map } as const;
  if (!map.hasBtf) refuse({ ...fault, why: "noBtf" });
  const fixed = fixedPart(pointer);
  if (fixed === null) refuse({ ...fault, why: "variableOffset" });
  const fields = map.fields.filter(({ kind }) => kernelPointers.includes(kind));
  if (fields.length === 0) refuse({ ...fault, why: "noSuchField" });
  const field = fields.find(({ offsetBytes }) => offsetBytes === fixed + pointer.off);
  if (field === undefined || field.kind === "kptrUntrusted") refuse({ ...fault, why: "wrongOffset" });
  return unsupported("kernel pointers in map values (bpf_kptr_xchg)");
}
