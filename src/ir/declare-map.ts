// Maps from their declarations: kinds, keys, values, sizes, the words behind them. One map each, worked out when first needed;
// declare.ts remembers it. What a kind demands is the table's (bpf/maps.ts).

import type { Span } from "../base/source.ts";
import { nearest } from "../base/suggest.ts";
import { type MapKind, mapKindInfo } from "../bpf/maps.ts";
import type * as ast from "../parser/ast.ts";
import { checkConstant } from "./check-value.ts";
import { type Context, DECLARATION_WORDS, type NamedDecl } from "./context.ts";
import { mapOf, typeOf } from "./declare.ts";
import type { MapSymbol } from "./hir.ts";
import { layoutOf } from "./layout.ts";
import { LIMITER_VALUE, limitOf } from "./limiter.ts";
import { type Attributes, attributesOf, NO_ATTRIBUTES } from "./map-attributes.ts";
import * as messages from "./messages.ts";
import { badPrefixType } from "./messages-sets.ts";
import { Scope } from "./scope.ts";
import { withPrograms } from "./static-programs.ts";
import { ERROR, scalarBits, type Type, typeName, U8, U32, U64 } from "./types.ts";

/** What each kind that `map` declares has between its angle brackets. */
const TYPED_KINDS: Readonly<Partial<Record<MapKind, "key, value" | "value" | "key, map" | "map">>> = {
  hash: "key, value",
  percpu_hash: "key, value",
  lru_hash: "key, value",
  lru_percpu_hash: "key, value",
  lpm_trie: "key, value",
  array: "value",
  percpu_array: "value",
  queue: "value",
  stack: "value",
  bloom_filter: "value",
  hash_of_maps: "key, map",
  array_of_maps: "map",
};
const TYPES_WANTED = {
  "key, value": "two types, the key's and the value's",
  value: "one type, the value's",
  "key, map": "the key's type and the name of a map like those it holds",
  map: "the name of a map like those it holds",
} as const;
/** The kinds that are declared by their own word, as the kernel calls them. */
const WORD_KINDS: ReadonlySet<string> = new Set<MapKind>([
  "devmap",
  "devmap_hash",
  "cpumap",
  "xskmap",
  "ringbuf",
  "perf_event_array",
  "prog_array",
]);
/** The kernel refuses keys over this size. **Source:** Linux kernel/bpf/hashtab.c, htab_map_alloc_check (MAX_BPF_STACK). */
const MOST_KEY_BYTES = 512;
/** Entries of a counter whose keys are too many for an array. */
const COUNTER_ENTRIES = 65536;
const MOST_ENTRIES = 2 ** 32 - 1;
/** A ring buffer is whole pages. **Source:** Linux kernel/bpf/ringbuf.c, ringbuf_map_alloc. */
const PAGE_BYTES = 4096;

/** The packets and bytes of a counter. */
export const COUNTER_VALUE: Type = {
  kind: "struct",
  name: "xdpc_counter",
  fields: [
    { name: "packets", type: U64 },
    { name: "bytes", type: U64 },
  ],
};

/** The map a declaration makes, or null when it makes none or has a fault, which is told. */
export function makeMap(ctx: Context, decl: NamedDecl): MapSymbol | null {
  switch (decl.kind) {
    case "setDecl":
      return makeSet(ctx, decl);
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
      const kind = decl.mapKind === "perf" ? "perf_event_array" : decl.mapKind;
      const map = makeByWord(ctx, decl, kind, decl.mapKind, decl.size, decl.attributes);
      return map === null || decl.programs === null ? map : withPrograms(ctx, map, decl.programs);
    }
    case "limiterDecl": {
      const key = decl.key === null ? U32 : keyType(ctx, decl.key);
      const maxEntries = sizeOf(ctx, decl.size);
      const limit = limitOf(ctx, decl);
      if (key === null || maxEntries === null || limit === null) return null;
      return { ...symbol(decl, "lru_hash", "limiter", key, LIMITER_VALUE, maxEntries, NO_ATTRIBUTES), limit };
    }
    default:
      return null;
  }
}

function makeSet(ctx: Context, decl: ast.SetDecl): MapSymbol | null {
  const key = keyType(ctx, decl.element, true);
  const trie = key?.kind === "prefix";
  const lru = decl.attributes.find((word) => word.text === "lru");
  if (trie && lru !== undefined) {
    ctx.diagnostics.add(messages.badMap(lru.span, "a set of prefixes can't be `lru`", { help: "take it away" }));
    return null;
  }
  const kind = trie ? "lpm_trie" : lru === undefined ? "hash" : "lru_hash";
  const attributes = attributesOf(ctx, kind, decl.attributes);
  const maxEntries = sizeOf(ctx, decl.size);
  if (key === null || maxEntries === null || attributes === null) return null;
  return symbol(decl, kind, "set", key, U8, maxEntries, attributes);
}

function makeTypedMap(ctx: Context, decl: ast.MapDecl): MapSymbol | null {
  const kind = decl.mapKind.text;
  if (WORD_KINDS.has(kind) && decl.types.length === 0)
    return makeByWord(ctx, decl, kind as MapKind, kind, decl.size, decl.attributes);
  const form = Object.hasOwn(TYPED_KINDS, kind) ? TYPED_KINDS[kind as MapKind] : undefined;
  if (form === undefined) {
    const known = [...Object.keys(TYPED_KINDS), ...WORD_KINDS];
    ctx.diagnostics.add(
      WORD_KINDS.has(kind)
        ? messages.badMap(decl.mapKind.span, `a map of kind ${kind} has no types`, { help: "take them away" })
        : messages.unknownName(kind, decl.mapKind.span, nearest(kind, known)),
    );
    return null;
  }
  const mapKind = kind as MapKind;
  if (decl.types.length !== form.split(",").length) {
    ctx.diagnostics.add(messages.wrongCount(decl.mapKind.span, `\`${kind}\``, TYPES_WANTED[form], decl.types.length));
    return null;
  }
  const lru = decl.attributes.find((word) => word.text === "lru");
  if (lru !== undefined) {
    const help = "write `lru_hash` or `lru_percpu_hash` as its kind";
    ctx.diagnostics.add(messages.badMap(lru.span, "a map's kind says whether it is LRU", { help }));
    return null;
  }
  const attributes = attributesOf(ctx, mapKind, decl.attributes);
  const keyed = form.startsWith("key");
  const [first, second] = decl.types;
  const keyExpr = keyed ? first : undefined;
  const valueExpr = keyed ? second : first;
  const key = keyExpr === undefined ? U32 : keyType(ctx, keyExpr, mapKind === "lpm_trie");
  if (mapKind === "lpm_trie" && key !== null && key.kind !== "prefix") {
    const help = "write `prefix<ipv4>` or `prefix<ipv6>`";
    ctx.diagnostics.add(messages.badMap(first?.span ?? decl.span, "the keys of an lpm_trie are prefixes", { help }));
    return null;
  }
  const maxEntries = sizeOf(ctx, decl.size);
  if (form.endsWith("map")) {
    const inner = valueExpr === undefined ? null : templateOf(ctx, decl, valueExpr);
    if (key === null || inner === null || maxEntries === null || attributes === null) return null;
    return { ...symbol(decl, mapKind, "maps", key, null, maxEntries, attributes), inner };
  }
  const value = valueExpr === undefined ? ERROR : typeOf(ctx, valueExpr);
  if (key === null || value.kind === "error" || maxEntries === null || attributes === null) return null;
  const queued = mapKindInfo(mapKind).key === "none";
  return symbol(decl, mapKind, queued ? "queue" : "map", queued ? null : key, value, maxEntries, attributes);
}

/** The map that a map of maps names for its inner ones: they are like it. */
function templateOf(ctx: Context, decl: ast.MapDecl, expr: ast.TypeExpr): MapSymbol | null {
  const help = "declare a map like those it will hold and give its name";
  if (expr.kind !== "namedType") {
    if (expr.kind !== "error")
      ctx.diagnostics.add(messages.badMap(expr.span, `\`${decl.mapKind.text}\` holds maps, not values`, { help }));
    return null;
  }
  const inner = ctx.find(expr.name.text, expr.span);
  if (inner === null) return null;
  const before = ctx.diagnostics.all.length;
  const map = inner === decl ? null : mapOf(ctx, inner);
  if (map !== null && (map.role === "set" || map.role === "map")) return map;
  if (ctx.diagnostics.all.length === before)
    ctx.diagnostics.add(
      messages.wrongKindOfName(
        expr.name.text,
        expr.span,
        inner === decl ? "this map itself" : DECLARATION_WORDS[inner.kind],
        "a set or a map with keys and values",
        inner.name.span,
        help,
      ),
    );
  return null;
}

/** Maps declared by their kind's word: targets of redirects, buffers of events, programs to go on with. */
function makeByWord(
  ctx: Context,
  decl: ast.TargetDecl | ast.MapDecl,
  kind: MapKind,
  word: string,
  size: ast.Expr | null,
  words: readonly ast.MapAttribute[],
): MapSymbol | null {
  const attributes = attributesOf(ctx, kind, words);
  const role =
    kind === "prog_array" ? "programs" : kind === "ringbuf" || kind === "perf_event_array" ? "events" : "target";
  // Without a size the loader makes one buffer for each CPU.
  if (size === null && kind === "perf_event_array")
    return attributes === null ? null : symbol(decl, kind, role, null, null, 0, attributes);
  if (size === null) {
    const { text } = decl.name;
    const help = `write \`${word} ${text}[${kind === "ringbuf" ? "256K" : "64"}]\``;
    const asked = kind === "ringbuf" ? "bytes" : "entries";
    ctx.diagnostics.add(messages.badSize(decl.name.span, `how many ${asked} has \`${text}\`?`, help));
    return null;
  }
  const maxEntries = sizeOf(ctx, size);
  if (maxEntries === null || attributes === null) return null;
  if (kind === "ringbuf" && !isRingSize(maxEntries)) {
    const help = `write \`${word} ${decl.name.text}[256K]\``;
    const most = `a ring buffer has a power of two bytes, at least ${PAGE_BYTES}`;
    ctx.diagnostics.add(messages.badSize(size.span, most, help));
    return null;
  }
  return symbol(decl, kind, role, null, null, maxEntries, attributes);
}

function isRingSize(bytes: number): boolean {
  return bytes >= PAGE_BYTES && Number.isInteger(Math.log2(bytes));
}

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
  const { text: name, span } = decl.name;
  return { kind: "map", name, mapKind, role, key, value, maxEntries, flags, pinned: attributes.pinned, span };
}

function sizeOf(ctx: Context, expr: ast.Expr): number | null {
  const value = checkConstant(ctx, Scope.global, expr, "a map's size");
  if (value === null) return null;
  if (value.value >= 1n && value.value <= BigInt(MOST_ENTRIES)) return Number(value.value);
  ctx.diagnostics.add(messages.badSize(expr.span, `a map has 1 to ${MOST_ENTRIES} entries`));
  return null;
}

/** A key's type; `prefixes`: where the map may be a trie. */
function keyType(ctx: Context, expr: ast.TypeExpr, prefixes = false): Type | null {
  if (expr.kind === "prefixType" && prefixes) return prefixType(ctx, expr.of, expr.span);
  const type = typeOf(ctx, expr);
  if (type.kind === "error") return null;
  const { bytes } = layoutOf(type);
  if (bytes <= MOST_KEY_BYTES) return type;
  ctx.diagnostics.add(
    messages.badSize(expr.span, `a key has up to ${MOST_KEY_BYTES} bytes, ${typeName(type)} has ${bytes}`),
  );
  return null;
}

function prefixType(ctx: Context, of: ast.TypeExpr, span: Span): Type | null {
  const type = typeOf(ctx, of);
  if (type.kind === "ipv4" || type.kind === "ipv6") return { kind: "prefix", of: type.kind };
  if (type.kind !== "error") ctx.diagnostics.add(badPrefixType(span, typeName(type)));
  return null;
}
