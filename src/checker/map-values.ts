// Accesses to values of maps: their bounds, what the map's flags allow programs, members that only the kernel touches, and
// constants taken from read-only data.
// Source: Linux kernel/bpf/verifier.c (check_map_access, check_map_access_type, bpf_map_direct_read, 6.18); kernel/bpf/arraymap.c.

import type { ImageMap, SpecialField } from "../bpf/image.ts";
import { mapFlags, mapKinds } from "../bpf/maps.ts";
import { checkRegion } from "./memory-regions.ts";
import { constant } from "./scalar.ts";
import { type PointerValue, type RegValue, scalarValue } from "./state.ts";
import { refuse, unsupported } from "./verdict.ts";

const wronlyMeansNothing = new Set<number>([mapKinds.devmap.number, mapKinds.devmap_hash.number]);

/** The map a pointer of kind mapHandle, mapValue or mapKey belongs to. */
export function mapOf(pointer: PointerValue): ImageMap {
  return pointer.map as ImageMap;
}

/** True when programs may write values of the map: devmaps' values may only be read, whatever their flags. */
export function programsMayWrite(map: ImageMap): boolean {
  return (map.flags & mapFlags.rdonlyProg) === 0 && !wronlyMeansNothing.has(map.type);
}

/** True when programs may read values of the map. */
export function programsMayRead(map: ImageMap): boolean {
  return (map.flags & mapFlags.wronlyProg) === 0 || !programsMayWrite(map);
}

/** Who accesses a value: an instruction, or a helper that was given its address. */
export type MapAccessor = "instruction" | "helper";

/**
 * Refuses an access of `bytes` bytes at `off` (with the pointer's fixed offset in it) that leaves the value, that the map's
 * flags forbid or that touches a special member.
 */
export function checkMapValueAccess(
  register: number,
  pointer: PointerValue,
  off: number,
  bytes: number,
  write: boolean,
  zeroAllowed: boolean,
  accessor: MapAccessor,
): void {
  const map = mapOf(pointer);
  if (write && !programsMayWrite(map)) refuse({ kind: "readOnly", register, pointer });
  if (!write && !programsMayRead(map)) refuse({ kind: "writeOnly", register, pointer });
  checkRegion(register, pointer, off, bytes, map.valueBytes, zeroAllowed);
  for (const field of map.fields) checkField(register, pointer, off, bytes, field, accessor);
}

const pointerFields: ReadonlySet<SpecialField["kind"]> = new Set(["kptrUntrusted", "kptr", "kptrPercpu", "uptr"]);

function checkField(
  register: number,
  pointer: PointerValue,
  off: number,
  bytes: number,
  field: SpecialField,
  accessor: MapAccessor,
): void {
  const from = Number(pointer.varOff.smin) + off;
  const to = Number(pointer.varOff.umax) + off;
  if (from >= field.offsetBytes + field.bytes || field.offsetBytes >= to + bytes) return;
  const fault = { kind: "specialField", register, pointer, field, from, bytes } as const;
  if (!pointerFields.has(field.kind)) refuse(fault);
  if (accessor === "helper" || pointer.varOff.mask !== 0n || from !== field.offsetBytes || bytes !== 8) refuse(fault);
  unsupported("loads and stores of kernel pointers in map values");
}

/** The number at a constant place of frozen read-only data, or null when it isn't known when the program is loaded. */
export function frozenConstant(
  register: number,
  pointer: PointerValue,
  off: number,
  bytes: number,
  signed: boolean,
): RegValue | null {
  const map = mapOf(pointer);
  const { varOff } = pointer;
  if (varOff.mask !== 0n || !map.frozen || (map.flags & mapFlags.rdonlyProg) === 0) return null;
  if (map.type !== mapKinds.array.number) return null;
  if (map.maxEntries !== 1) refuse({ kind: "frozenArray", register, pointer });
  const at = off + Number(BigInt.asIntN(64, varOff.value));
  let value = 0n;
  for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(map.data?.[at + i] ?? 0);
  return scalarValue(constant(signed ? BigInt.asIntN(bytes * 8, value) : value));
}
