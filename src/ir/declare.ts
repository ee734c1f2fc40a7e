// What declarations mean: types that are written, maps with their keys, values and limits, globals with their first values.
// Each is worked out once, when first needed, and remembered in the context.

import type { Span } from "../base/source.ts";
import { nearest } from "../base/suggest.ts";
import { type MapKind, mapFlags, mapKindInfo } from "../bpf/maps.ts";
import type * as ast from "../parser/ast.ts";
import { checkConstant, checkValueAs } from "./check-value.ts";
import { type Context, DECLARATION_WORDS, type NamedDecl } from "./context.ts";
import type { GlobalSymbol, MapSymbol } from "./hir.ts";
import { layoutOf } from "./layout.ts";
import * as messages from "./messages.ts";
import { Scope } from "./scope.ts";
import { BUILTIN_TYPES, ERROR, type StructField, scalarBits, type Type, typeName, U8, U64 } from "./types.ts";

/** The kinds that `map` declares and this compiler builds. */
const MAP_KINDS: ReadonlySet<string> = new Set([
  "hash",
  "array",
  "percpu_hash",
  "percpu_array",
  "lru_hash",
  "lru_percpu_hash",
]);
/** The kernel refuses keys over this size. **Source:** Linux kernel/bpf/hashtab.c, htab_map_alloc_check (MAX_BPF_STACK). */
const MOST_KEY_BYTES = 512;
/** Entries of a counter whose keys are too many for an array. */
const COUNTER_ENTRIES = 65536;
const MOST_ENTRIES = 2 ** 32 - 1;
/** Structs are built on the stack of 512 bytes; larger ones can only be read, which nothing needs. */
const MOST_STRUCT_BYTES = 4096;

/** The packets and bytes of a counter. */
export const COUNTER_VALUE: Type = {
  kind: "struct",
  name: "xdpc_counter",
  fields: [
    { name: "packets", type: U64 },
    { name: "bytes", type: U64 },
  ],
};

/** The type a written type stands for; after a fault the error type. */
export function typeOf(ctx: Context, expr: ast.TypeExpr): Type {
  switch (expr.kind) {
    case "error":
      return ERROR;
    case "namedType":
      return namedType(ctx, expr.name);
    case "prefixType":
      ctx.diagnostics.add(messages.notSupportedYet(expr.span, "prefixType"));
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
  if (builtin !== undefined) return builtin;
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

function makeMap(ctx: Context, decl: NamedDecl): MapSymbol | null {
  switch (decl.kind) {
    case "setDecl": {
      const attributes = attributesOf(ctx, decl.attributes);
      const key = keyType(ctx, decl.element);
      const maxEntries = sizeOf(ctx, decl.size);
      if (key === null || maxEntries === null || attributes === null) return null;
      const mapKind = attributes.lru ? "lru_hash" : "hash";
      if (!takesFlags(ctx, mapKind, attributes, decl.attributes)) return null;
      return symbol(decl, mapKind, "set", key, U8, maxEntries, attributes);
    }
    case "mapDecl":
      return makeTypedMap(ctx, decl);
    case "counterDecl": {
      if (decl.key === null) return symbol(decl, "percpu_array", "counter", null, COUNTER_VALUE, 1, NO_ATTRIBUTES);
      const key = keyType(ctx, decl.key);
      if (key === null) return null;
      const bits = key.kind === "int" || key.kind === "bool" ? (scalarBits(key) ?? 64) : 64;
      if (bits <= 16) return symbol(decl, "percpu_array", "counter", key, COUNTER_VALUE, 2 ** bits, NO_ATTRIBUTES);
      return symbol(decl, "lru_percpu_hash", "counter", key, COUNTER_VALUE, COUNTER_ENTRIES, NO_ATTRIBUTES);
    }
    case "targetDecl": {
      if (decl.mapKind === "ringbuf" || decl.mapKind === "perf" || decl.mapKind === "prog_array") {
        ctx.diagnostics.add(messages.notSupportedYet(decl.name.span, "mapKind"));
        return null;
      }
      const attributes = attributesOf(ctx, decl.attributes);
      if (decl.size === null) {
        ctx.diagnostics.add(
          messages.badSize(
            decl.name.span,
            `how many entries has \`${decl.name.text}\`?`,
            `write \`${decl.mapKind} ${decl.name.text}[64]\``,
          ),
        );
        return null;
      }
      const maxEntries = sizeOf(ctx, decl.size);
      if (maxEntries === null || attributes === null) return null;
      return symbol(decl, decl.mapKind, "target", null, null, maxEntries, attributes);
    }
    case "limiterDecl":
      ctx.diagnostics.add(messages.notSupportedYet(decl.name.span, "exceeds"));
      return null;
    default:
      return null;
  }
}

function makeTypedMap(ctx: Context, decl: ast.MapDecl): MapSymbol | null {
  const kind = decl.mapKind.text;
  if (!MAP_KINDS.has(kind)) {
    const unbuilt = [
      "lpm_trie",
      "queue",
      "stack",
      "bloom_filter",
      "array_of_maps",
      "hash_of_maps",
      "ringbuf",
      "prog_array",
      "perf_event_array",
    ];
    if (unbuilt.includes(kind)) ctx.diagnostics.add(messages.notSupportedYet(decl.mapKind.span, "mapKind"));
    else ctx.diagnostics.add(messages.unknownName(kind, decl.mapKind.span, nearest(kind, MAP_KINDS)));
    return null;
  }
  const attributes = attributesOf(ctx, decl.attributes);
  const dense = kind === "array" || kind === "percpu_array";
  const wanted = dense ? 1 : 2;
  if (decl.types.length !== wanted) {
    ctx.diagnostics.add(
      messages.wrongCount(
        decl.mapKind.span,
        `\`${kind}\``,
        dense ? "one type, the value's" : "two types, the key's and the value's",
        decl.types.length,
      ),
    );
    return null;
  }
  const [first, second] = decl.types;
  const key = dense || first === undefined ? ({ kind: "int", bits: 32 } as const) : keyType(ctx, first);
  const valueExpr = dense ? first : second;
  const value = valueExpr === undefined ? ERROR : typeOf(ctx, valueExpr);
  const maxEntries = sizeOf(ctx, decl.size);
  if (key === null || value.kind === "error" || maxEntries === null || attributes === null) return null;
  if (attributes.lru) {
    ctx.diagnostics.add(
      messages.badMap(decl.name.span, "a map's kind says whether it is LRU", {
        help: "write `lru_hash` or `lru_percpu_hash` as its kind",
      }),
    );
    return null;
  }
  return symbol(decl, kind as MapKind, "map", key, value, maxEntries, attributes);
}

interface Attributes {
  readonly lru: boolean;
  readonly pinned: boolean;
  readonly flags: number;
}

const NO_ATTRIBUTES: Attributes = { lru: false, pinned: false, flags: 0 };

function symbol(
  decl: NamedDecl,
  mapKind: MapKind,
  role: MapSymbol["role"],
  key: Type | null,
  value: Type | null,
  maxEntries: number,
  attributes: Attributes,
): MapSymbol {
  const flags = attributes.flags | mapKindInfo(mapKind).requiredFlags;
  return {
    kind: "map",
    name: decl.name.text,
    mapKind,
    role,
    key,
    value,
    maxEntries,
    flags,
    pinned: attributes.pinned,
    span: decl.name.span,
  };
}

function attributesOf(ctx: Context, words: readonly ast.MapAttribute[]): Attributes | null {
  let result = NO_ATTRIBUTES;
  for (const word of words) {
    if (word.text === "lru") result = { ...result, lru: true };
    else if (word.text === "pinned") result = { ...result, pinned: true };
    else if (word.text === "no_prealloc") result = { ...result, flags: result.flags | mapFlags.noPrealloc };
    else {
      ctx.diagnostics.add(messages.notSupportedYet(word.span, "mapFlag", "`lru`, `pinned` and `no_prealloc` are"));
      return null;
    }
  }
  return result;
}

/** Whether maps of this kind may have these flags; a diagnostic where not. */
function takesFlags(ctx: Context, kind: MapKind, attributes: Attributes, words: readonly ast.MapAttribute[]): boolean {
  const word = words.find((w) => w.text === "no_prealloc");
  if (word === undefined || (attributes.flags & ~mapKindInfo(kind).allowedFlags) === 0) return true;
  ctx.diagnostics.add(
    messages.badMap(word.span, `a map of kind ${kind} can't be \`${word.text}\``, { help: "take it away" }),
  );
  return false;
}

function sizeOf(ctx: Context, expr: ast.Expr): number | null {
  const value = checkConstant(ctx, Scope.global, expr, "a map's size");
  if (value === null) return null;
  if (value.value >= 1n && value.value <= BigInt(MOST_ENTRIES)) return Number(value.value);
  ctx.diagnostics.add(messages.badSize(expr.span, `a map has 1 to ${MOST_ENTRIES} entries`));
  return null;
}

function keyType(ctx: Context, expr: ast.TypeExpr): Type | null {
  const type = typeOf(ctx, expr);
  if (type.kind === "error") return null;
  const { bytes } = layoutOf(type);
  if (bytes <= MOST_KEY_BYTES) return type;
  ctx.diagnostics.add(
    messages.badSize(expr.span, `a key has up to ${MOST_KEY_BYTES} bytes, ${typeName(type)} has ${bytes}`),
  );
  return null;
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

/** The map a name stands for, of the given role (null: any that has keys); null with a diagnostic. */
export function mapNamed(
  ctx: Context,
  name: ast.Name,
  role: MapSymbol["role"] | null,
  wanted: string,
  help?: string,
): MapSymbol | null {
  const decl = ctx.find(name.text, name.span);
  if (decl === null) return null;
  const before = ctx.diagnostics.all.length;
  const map = mapOf(ctx, decl);
  if (map === null && (ctx.diagnostics.all.length > before || /^(set|map|counter|target|limiter)Decl$/.test(decl.kind)))
    return null;
  if (map === null || (role === null ? map.key === null || map.role === "counter" : map.role !== role)) {
    ctx.diagnostics.add(
      messages.wrongKindOfName(name.text, name.span, DECLARATION_WORDS[decl.kind], wanted, decl.name.span, help),
    );
    return null;
  }
  return map;
}
