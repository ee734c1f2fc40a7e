// Formats of `log`: which conversions the kernel's trace_printk takes and which argument each wants. Read by the checker of
// statements (counts, types) and by the lowering (which arguments go by address).
// Source: Linux kernel/trace/bpf_trace.c and kernel/bpf/helpers.c, bpf_bprintf_prepare.

import type { Type } from "./types.ts";

/** A conversion in a format: `text` as written (`%u`, `%llx`, `%pI4`). */
export interface Conversion {
  readonly text: string;
  /** Where it starts in the format. */
  readonly at: number;
  /** `number` takes up to `bits` bits by value; the others take an address's bytes by pointer. */
  readonly takes:
    | { readonly kind: "number"; readonly bits: 32 | 64 }
    | { readonly kind: "ipv4" }
    | { readonly kind: "ipv6" };
}

/** The conversions of a format in order, or what is wrong with it. */
export function parseFormat(
  format: string,
): { readonly conversions: readonly Conversion[] } | { readonly error: string; readonly at: number } {
  const conversions: Conversion[] = [];
  for (let i = format.indexOf("%"); i !== -1; i = format.indexOf("%", i)) {
    if (format[i + 1] === "%") {
      i += 2;
      continue;
    }
    const match = /^%(?:[0 +-]?\d*(ll|l)?[diuxX]|p[iI]4|p[iI]6c?)/.exec(format.slice(i));
    if (match === null)
      return { error: `\`${format.slice(i, i + 3)}\` is no conversion that the kernel prints`, at: i };
    const text = match[0];
    if (text.includes("p")) conversions.push({ text, at: i, takes: { kind: text.includes("4") ? "ipv4" : "ipv6" } });
    else conversions.push({ text, at: i, takes: { kind: "number", bits: match[1] === undefined ? 32 : 64 } });
    i += text.length;
  }
  return { conversions };
}

/** True when a value of this type may stand for the conversion. */
export function accepts(conversion: Conversion, type: Type): boolean {
  const { takes } = conversion;
  if (takes.kind !== "number") return type.kind === takes.kind;
  if (type.kind === "int") return type.bits <= takes.bits;
  if (type.kind === "mac") return takes.bits === 64;
  return type.kind === "bool" || type.kind === "ipv4";
}

/** The conversion to write for a value of this type. */
export function conversionFor(type: Type): string {
  if (type.kind === "ipv4") return "%pI4";
  if (type.kind === "ipv6") return "%pI6c";
  if (type.kind === "mac") return "%llx";
  return type.kind === "int" && type.bits === 64 ? "%llu" : "%u";
}
