// What declarations mean: types that are written, maps with their keys, values and limits, globals with their first values.
// Each is worked out once, when first needed, and remembered in the context.

import type { Span } from "../base/source.ts";
import { nearest } from "../base/suggest.ts";
import type * as ast from "../parser/ast.ts";
import { checkConstant, checkValueAs } from "./check-value.ts";
import { type Context, DECLARATION_WORDS, type NamedDecl } from "./context.ts";
import { makeMap } from "./declare-map.ts";
import type { GlobalSymbol, MapSymbol } from "./hir.ts";
import { layoutOf } from "./layout.ts";
import * as messages from "./messages.ts";
import { Scope } from "./scope.ts";
import { BUILTIN_TYPES, ERROR, type StructField, scalarBits, type Type } from "./types.ts";

/** Structs are built on the stack of 512 bytes; larger ones can only be read, which nothing needs. */
const MOST_STRUCT_BYTES = 4096;

/** The type a written type stands for; after a fault the error type. */
export function typeOf(ctx: Context, expr: ast.TypeExpr): Type {
  switch (expr.kind) {
    case "error":
      return ERROR;
    case "namedType":
      return namedType(ctx, expr.name);
    case "prefixType":
      ctx.diagnostics.add(messages.prefixOutOfPlace(expr.span));
      return ERROR;
    case "tupleType": {
      const elements = expr.elements.map((e) => typeOf(ctx, e));
      return elements.some((e) => e.kind === "error") ? ERROR : { kind: "tuple", elements };
    }
    case "arrayType": {
      const element = typeOf(ctx, expr.element);
      const count = checkConstant(ctx, Scope.global, expr.count, "the number of elements");
      if (element.kind === "error" || count === null) return ERROR;
      if (element.kind !== "int" || element.bits !== 8) {
        ctx.diagnostics.add(messages.badSize(expr.span, "only arrays of u8 can be held", "use a struct, or u8"));
        return ERROR;
      }
      if (count.value < 1n || count.value > 256n) {
        ctx.diagnostics.add(messages.badSize(expr.count.span, "an array has 1 to 256 elements"));
        return ERROR;
      }
      return { kind: "bytes", count: Number(count.value) };
    }
  }
}

function namedType(ctx: Context, name: ast.Name): Type {
  const builtin = BUILTIN_TYPES.get(name.text);
  const decl = ctx.names.get(name.text);
  // `ipv4` and `ipv6` name a type here and a header elsewhere.
  if (builtin !== undefined) {
    ctx.facts?.use(name.span, { kind: "type", type: builtin });
    return builtin;
  }
  if (name !== decl?.name) ctx.facts?.useDeclaration(name.span, decl);
  if (decl === undefined) {
    const structs = [...ctx.names].filter(([, d]) => d.kind === "structDecl").map(([n]) => n);
    ctx.diagnostics.add(
      messages.unknownName(name.text, name.span, nearest(name.text, [...BUILTIN_TYPES.keys(), ...structs])),
    );
    return ERROR;
  }
  if (decl.kind !== "structDecl") {
    ctx.diagnostics.add(
      messages.wrongKindOfName(name.text, name.span, DECLARATION_WORDS[decl.kind], "a type", decl.name.span),
    );
    return ERROR;
  }
  const known = ctx.structs.get(decl);
  if (known !== undefined) return known;
  if (ctx.busy.has(decl)) {
    ctx.diagnostics.add(messages.recursion(name.text, name.span, "struct"));
    return ERROR;
  }
  ctx.busy.add(decl);
  const type = structType(ctx, decl);
  ctx.busy.delete(decl);
  ctx.structs.set(decl, type);
  return type;
}

function structType(ctx: Context, decl: ast.StructDecl): Type {
  const fields: StructField[] = [];
  for (const field of decl.fields) {
    const type = typeOf(ctx, field.type);
    if (fields.some((f) => f.name === field.name.text)) {
      const first = decl.fields.find((f) => f.name.text === field.name.text);
      ctx.diagnostics.add(messages.duplicateName(field.name.text, field.name.span, first?.name.span ?? decl.span));
    } else if (type.kind !== "error") fields.push({ name: field.name.text, type });
  }
  if (fields.length === 0) {
    if (decl.fields.length === 0)
      ctx.diagnostics.add(messages.badSize(decl.name.span, `struct \`${decl.name.text}\` has no fields`));
    return ERROR;
  }
  const type: Type = { kind: "struct", name: decl.name.text, fields };
  const { bytes } = layoutOf(type);
  if (bytes <= MOST_STRUCT_BYTES) return type;
  ctx.diagnostics.add(
    messages.badSize(
      decl.name.span,
      `struct \`${decl.name.text}\` has ${bytes} bytes; up to ${MOST_STRUCT_BYTES} can be held`,
    ),
  );
  return ERROR;
}

/** The map a declaration makes, or null when it makes none or has a fault. */
export function mapOf(ctx: Context, decl: NamedDecl): MapSymbol | null {
  const known = ctx.maps.get(decl);
  if (known !== undefined) return known;
  const made = makeMap(ctx, decl);
  if (made !== null) ctx.maps.set(decl, made);
  return made;
}

/** The global a `config` or `var` makes. */
export function globalOf(ctx: Context, decl: ast.ConfigDecl | ast.VarDecl): GlobalSymbol {
  const known = ctx.globals.get(decl);
  if (known !== undefined) return known;
  const type = scalarType(ctx, typeOf(ctx, decl.type), decl.type.span);
  const value = decl.value === null ? null : checkValueAs(ctx, Scope.global, decl.value, type);
  if (value !== null && value.kind !== "const" && value.kind !== "error") {
    ctx.diagnostics.add(messages.notConstant(value.span, `the first value of \`${decl.name.text}\``));
  }
  const first = value?.kind === "const" ? value.value : 0n;
  const section = decl.kind === "configDecl" ? ".rodata" : first === 0n ? ".bss" : ".data";
  const made: GlobalSymbol = {
    kind: "global",
    name: decl.name.text,
    type,
    section,
    value: first,
    span: decl.name.span,
  };
  ctx.globals.set(decl, made);
  return made;
}

function scalarType(ctx: Context, type: Type, span: Span): Type {
  if (type.kind === "error" || scalarBits(type) !== null) return type;
  ctx.diagnostics.add(
    messages.badSize(span, "a global is an integer, a bool or an address", "use a map of one entry for more"),
  );
  return ERROR;
}

/**
 * The map a name stands for, of one of the given roles (null: any that has keys); null with a diagnostic. `scope`: where maps that
 * `if let` bound may be meant.
 */
export function mapNamed(
  ctx: Context,
  name: ast.Name,
  roles: readonly MapSymbol["role"][] | null,
  wanted: string,
  help?: string,
  scope: Scope = Scope.global,
): MapSymbol | null {
  const takes = (map: MapSymbol): boolean =>
    roles === null ? map.key !== null && (map.role === "set" || map.role === "map") : roles.includes(map.role);
  const bound = scope.find(name.text);
  if (bound?.kind === "map" && takes(bound.map)) {
    ctx.facts?.use(name.span, { kind: "binding", binding: bound });
    return bound.map;
  }
  const decl = ctx.find(name.text, name.span, scope.names());
  if (decl === null) return null;
  const before = ctx.diagnostics.all.length;
  const map = mapOf(ctx, decl);
  if (map === null && (ctx.diagnostics.all.length > before || /^(set|map|counter|target|limiter)Decl$/.test(decl.kind)))
    return null;
  if (map === null || !takes(map)) {
    ctx.diagnostics.add(
      messages.wrongKindOfName(name.text, name.span, DECLARATION_WORDS[decl.kind], wanted, decl.name.span, help),
    );
    return null;
  }
  return map;
}
