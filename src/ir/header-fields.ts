// A header's fields from what was written: their places in bits, what covers them, what they hold at first. Part of building headers
// (headers.ts); knows nothing of edges, sizes or selectors.

import type * as ast from "../parser/ast.ts";
import { checkConstant } from "./check-value.ts";
import type { Context } from "./context.ts";
import { convert } from "./conversion.ts";
import { typeOf } from "./declare.ts";
import type { CoveredPart, Field, FieldCover, Header } from "./hir.ts";
import { layoutOf } from "./layout.ts";
import * as messages from "./messages.ts";
import { Scope } from "./scope.ts";
import { type Type, U8, U16, U32, U64 } from "./types.ts";

/** A bound that keeps programs within what the verifier can follow; generous against every protocol known. */
const MOST_FIXED_BYTES = 256;

/** Whether a checksum among these fields covers their header. */
export function isSummed(written: readonly ast.HeaderField[]): boolean {
  return written.some((f) => f.covers?.kind === "checksum" && f.covers.parts.some((p) => p.text === "header"));
}

/** Puts fields one behind the other into `header` (its fixed part, or a part that may be missing) and into `all`; gives their bytes. */
export function layFields(
  ctx: Context,
  header: Header,
  written: readonly ast.HeaderField[],
  summed: boolean,
  all: Map<string, Field>,
): number {
  const own: Field[] = [];
  const declare = (field: Field): void => {
    declareField(ctx, all, field);
    own.push(field);
  };
  let bit = 0;
  for (const one of written) {
    const place = placeOf(ctx, one, bit);
    if (place === null) continue;
    const { width, type } = place;
    const covered = coverage(one, type, summed);
    const initial = initialOf(ctx, one, type, width);
    const { text: name, span } = one.name;
    declare({ name, header, bitOffset: bit, bitWidth: width, type, covered, covers: coverOf(ctx, one), initial, span });
    if (one.bits.length > 0 && one.bits.length !== width)
      ctx.diagnostics.add(messages.badHeader(span, `${one.bits.length} bits are named, but \`${name}\` has ${width}`));
    for (const [i, { text, span: at }] of one.bits.slice(0, width).entries()) {
      const set = (initial >> BigInt(width - 1 - i)) & 1n;
      const bits = { bitOffset: bit + i, bitWidth: 1, type: U8 };
      declare({ name: text, header, ...bits, covered, covers: null, initial: set, span: at });
    }
    bit += width;
  }
  return bytesOf(ctx, header, own, bit);
}

/** The bytes of fields of `bits` bits in all, which must be whole ones, each read in one load. */
function bytesOf(ctx: Context, header: Header, fields: readonly Field[], bits: number): number {
  const { name, span } = header;
  if (bits % 8 !== 0) {
    const help = `add ${8 - (bits % 8)} reserved bits`;
    const extras = { label: `${bits} bits`, help };
    ctx.diagnostics.add(messages.badHeader(span, `the fields of \`${name}\` end inside a byte`, extras));
  }
  const whole = Math.ceil(bits / 8);
  for (const field of fields) {
    const asBytes = field.type.kind === "mac" || field.type.kind === "ipv6" || field.type.kind === "bytes";
    if (asBytes || bits % 8 !== 0) continue;
    const bytes = Math.ceil((field.bitOffset + field.bitWidth) / 8) - Math.floor(field.bitOffset / 8);
    const load = [1, 2, 4, 8].find((w) => w >= bytes) ?? 8;
    if (load <= whole) continue;
    const help = "declare it as several fields, such as one of 16 and one of 8 bits";
    const message = `a field of ${bytes} bytes is read as ${load}, but \`${name}\` has ${whole}`;
    ctx.diagnostics.add(messages.badHeader(field.span, message, { help }));
  }
  if (whole <= MOST_FIXED_BYTES) return whole;
  const message = `\`${name}\` has ${whole} fixed bytes; up to ${MOST_FIXED_BYTES} can be read`;
  ctx.diagnostics.add(messages.badHeader(span, message));
  return MOST_FIXED_BYTES;
}

/** What keeps a field from being assigned freely: sums and lengths that depend on it. */
function coverage(written: ast.HeaderField, type: Type, summed: boolean): Field["covered"] {
  if (written.covers?.kind === "checksum") return "sum";
  if (written.covers?.kind === "length") return "length";
  if (summed) return "summed";
  return type.kind === "ipv6" || type.kind === "ipv4" ? "address" : null;
}

const COVERED_PARTS: ReadonlySet<string> = new Set(["pseudo", "header", "payload"]);

/** What a sum or length is computed from, as far as it is known. */
function coverOf(ctx: Context, written: ast.HeaderField): FieldCover | null {
  if (written.covers === null) return null;
  const { kind, parts } = written.covers;
  for (const part of parts) {
    if (COVERED_PARTS.has(part.text)) continue;
    const help = `a ${kind} covers \`header\`, \`payload\` or \`pseudo\``;
    ctx.diagnostics.add(messages.badHeader(part.span, `\`${part.text}\` is no part that a ${kind} covers`, { help }));
  }
  const known = parts.map((p) => p.text).filter((p): p is CoveredPart => COVERED_PARTS.has(p));
  return { kind, parts: known, optional: written.optional };
}

/** What a field holds in a header that is made: what was written behind `=`, or zero. */
function initialOf(ctx: Context, written: ast.HeaderField, type: Type, width: number): bigint {
  if (written.initial === null) return 0n;
  const value = checkConstant(ctx, Scope.global, written.initial, "what a field holds at first");
  if (value === null) return 0n;
  if (value.type.kind === "untyped" && value.value >= 1n << BigInt(width)) {
    ctx.diagnostics.add(messages.doesNotFitField(written.initial.span, value.value, written.name.text, width));
    return 0n;
  }
  const converted = convert(ctx, value, type);
  return converted.kind === "const" ? converted.value : 0n;
}

/** Adds a field to its header; two of one name are a fault. */
function declareField(ctx: Context, fields: Map<string, Field>, field: Field): void {
  const first = fields.get(field.name);
  if (first !== undefined) ctx.diagnostics.add(messages.duplicateName(field.name, field.span, first.span));
  else fields.set(field.name, field);
}

/** The width in bits and type of a field at bit `bit`; null after a fault. */
function placeOf(
  ctx: Context,
  field: ast.HeaderField,
  bit: number,
): { readonly width: number; readonly type: Type } | null {
  if (field.width.kind === "bits") {
    const value = checkConstant(ctx, Scope.global, field.width.value, "a width");
    if (value === null) return null;
    const width = Number(value.value);
    if (width < 1 || width > 64 || (bit % 8) + width > 64) {
      ctx.diagnostics.add(messages.badHeader(field.width.value.span, "a field has 1 to 64 bits within eight bytes"));
      return null;
    }
    return { width, type: width <= 8 ? U8 : width <= 16 ? U16 : width <= 32 ? U32 : U64 };
  }
  const type = typeOf(ctx, field.width.type);
  if (type.kind === "error") return null;
  if (type.kind === "struct" || type.kind === "tuple" || type.kind === "bool") {
    ctx.diagnostics.add(
      messages.badHeader(field.width.type.span, "a header's field is an integer, an address or bytes"),
    );
    return null;
  }
  if (bit % 8 !== 0) {
    ctx.diagnostics.add(
      messages.badHeader(field.name.span, `\`${field.name.text}\` starts inside a byte`, {
        help: "give its width in bits, such as `: 16`",
      }),
    );
    return null;
  }
  return { width: layoutOf(type).bytes * 8, type };
}
