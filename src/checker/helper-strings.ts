// Strings that helpers read when the program is loaded: zero-terminated ones in read-only data, and the formats of snprintf.
// Source: Linux kernel/bpf/verifier.c (check_reg_const_str, check_bpf_snprintf_call, 6.18); kernel/bpf/helpers.c
// (bpf_bprintf_prepare, 6.18).

import { mapFlags, mapKinds } from "../bpf/maps.ts";
import { checkMapValueAccess, mapOf } from "./map-values.ts";
import { fixedPart } from "./memory-regions.ts";
import type { PointerValue, ScalarValue } from "./state.ts";
import { refuse } from "./verdict.ts";

/** Refuses a pointer that isn't to a zero-terminated string at a constant place of frozen data; else the string's bytes. */
export function constantString(helper: string, register: number, pointer: PointerValue): Uint8Array {
  const map = mapOf(pointer);
  const fault = { kind: "string", helper, register } as const;
  if (!map.frozen || (map.flags & mapFlags.rdonlyProg) === 0) refuse({ ...fault, why: "notReadOnly" });
  const fixed = fixedPart(pointer);
  if (fixed === null) return refuse({ ...fault, why: "variableOffset" });
  if (map.type !== mapKinds.array.number) refuse({ ...fault, why: "notArray" });
  checkMapValueAccess(register, pointer, pointer.off, map.valueBytes - pointer.off, false, false, "helper");
  if (map.maxEntries !== 1) refuse({ ...fault, why: "notArray" });
  const data = map.data ?? new Uint8Array(map.valueBytes);
  const start = pointer.off + fixed;
  let end = start;
  while (end < map.valueBytes && (data[end] ?? 0) !== 0) end++;
  if (end >= map.valueBytes) refuse({ ...fault, why: "unterminated" });
  return data.slice(start, end);
}

/** Refuses a format of snprintf that asks for more than `dataSize` bytes of arguments, 8 each, or for what it can't print. */
export function checkFormat(helper: string, register: number, format: Uint8Array, dataSize: ScalarValue): void {
  const bytes = Number(dataSize.scalar.value);
  if (bytes % 8 !== 0) refuse({ kind: "string", helper, register, why: "dataSize" });
  if (!isFormat(format, bytes / 8)) refuse({ kind: "string", helper, register, why: "format" });
}

const isSpace = (c: number): boolean => c === 0x20 || (c >= 9 && c <= 13);
const isPrint = (c: number): boolean => c >= 0x20 && c < 0x7f;
const isAlnum = (c: number): boolean => /[0-9A-Za-z]/.test(String.fromCharCode(c));
const isPunct = (c: number): boolean => isPrint(c) && c !== 0x20 && !isAlnum(c);
/** What may follow a specifier that is complete: the end, white space or punctuation. */
const ends = (c: number): boolean => c === 0 || isSpace(c) || isPunct(c);

/** True when the kernel can print the format with this many arguments. */
export function isFormat(format: Uint8Array, argumentCount: number): boolean {
  const at = (i: number): number => format[i] ?? 0;
  const is = (i: number, letters: string): boolean => at(i) !== 0 && letters.includes(String.fromCharCode(at(i)));
  let used = 0;
  for (let i = 0; i < format.length; i++) {
    const c = at(i);
    // Bytes from 0x80 on pass as plain text.
    if (c < 0x80 && !isPrint(c) && !isSpace(c)) return false;
    if (c !== 0x25) continue;
    if (at(i + 1) === 0x25) {
      i++;
      continue;
    }
    if (used >= argumentCount) return false;
    used++;
    i++;
    if (at(i) >= 0x80) return false;
    while (is(i, "0+- ")) i++;
    if (is(i, "123456789")) while (is(i, "0123456789")) i++;
    if (is(i, "p")) {
      if (ends(at(i + 1))) continue;
      if (is(i + 1, "ku") && is(i + 2, "s")) {
        i += 2;
        if (!ends(at(i + 1))) return false;
      } else if (is(i + 1, "KxsSB")) i++;
      else if (is(i + 1, "iI") && is(i + 2, "46")) i += 2;
      else return false;
    } else if (is(i, "s")) {
      if (!ends(at(i + 1))) return false;
    } else if (!is(i, "c")) {
      if (is(i, "l")) i++;
      if (is(i, "l")) i++;
      if (!is(i, "iduxX")) return false;
    }
  }
  return true;
}
