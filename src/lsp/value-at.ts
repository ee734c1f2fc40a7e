// What a value written word by word (`inner.ip`, `vlan[1]`, `hop`) is, resolved from the checker's names where the text around it doesn't
// parse yet. Follows the order in which the checker looks names up: local names, then declarations. Knows no positions.

import type { Context } from "../ir/context.ts";
import type { Header, Instance, MapSymbol } from "../ir/hir.ts";
import type { Scope } from "../ir/scope.ts";
import type { Type } from "../ir/types.ts";
import type * as ast from "../parser/ast.ts";

/** What words stand for. */
export type Meant =
  | {
      readonly kind: "header";
      readonly header: Header;
      readonly decl: ast.HeaderDecl;
      readonly instance: Instance | null;
    }
  | { readonly kind: "inner" }
  | { readonly kind: "meta" }
  | { readonly kind: "value"; readonly type: Type }
  | { readonly kind: "map"; readonly map: MapSymbol };

/** Finds what `words` (names, dots, brackets with what is in them) stand for; null where nobody knows. */
export function meantBy(ctx: Context, scope: Scope, words: readonly string[]): Meant | null {
  const [first, ...rest] = words;
  if (first === undefined) return null;
  let meant = nameMeant(ctx, scope, first);
  for (let i = 0; meant !== null && i < rest.length; i++) {
    if (rest[i] === ".") {
      const member = rest[i + 1];
      meant = member === undefined ? null : memberMeant(ctx, meant, member);
      i++;
    } else if (rest[i] === "[") {
      const close = closing(rest, i);
      meant = elementMeant(meant, rest.slice(i + 1, close));
      i = close;
    } else return null;
  }
  return meant;
}

function closing(words: readonly string[], open: number): number {
  let depth = 0;
  for (let i = open; i < words.length; i++) {
    if (words[i] === "[") depth++;
    else if (words[i] === "]" && --depth === 0) return i;
  }
  return words.length;
}

function nameMeant(ctx: Context, scope: Scope, name: string): Meant | null {
  const bound = scope.find(name);
  if (bound !== null) {
    if (bound.kind === "local") return { kind: "value", type: bound.local.type };
    if (bound.kind === "map") return { kind: "map", map: bound.map };
    if (bound.kind === "argument") return { kind: "value", type: bound.value.type };
    return bound.entry.map.value === null ? null : { kind: "value", type: bound.entry.map.value };
  }
  const decl = ctx.names.get(name);
  if (decl === undefined) return name === "inner" || name === "meta" ? { kind: name } : null;
  if (decl.kind === "headerDecl") return headerMeant(ctx, decl);
  const global = ctx.globals.get(decl);
  if (global !== undefined) return { kind: "value", type: global.type };
  const map = ctx.maps.get(decl);
  return map === undefined ? null : { kind: "map", map };
}

function headerMeant(ctx: Context, decl: ast.HeaderDecl): Meant | null {
  const header = ctx.headers.get(decl);
  return header === undefined ? null : { kind: "header", header, decl, instance: header.instances[0] ?? null };
}

function memberMeant(ctx: Context, owner: Meant, member: string): Meant | null {
  if (owner.kind === "inner") {
    const decl = ctx.names.get(member);
    const header = decl?.kind === "headerDecl" ? headerMeant(ctx, decl) : null;
    // The instance inside a tunnel is another than the one outside, of which nothing is known here.
    return header?.kind === "header" ? { ...header, instance: null } : null;
  }
  if (owner.kind === "header") {
    const field = owner.header.fields.get(member);
    return field === undefined ? null : { kind: "value", type: field.type };
  }
  if (owner.kind !== "value" || owner.type.kind !== "struct") return null;
  const field = owner.type.fields.find((f) => f.name === member);
  return field === undefined ? null : { kind: "value", type: field.type };
}

function elementMeant(owner: Meant, index: readonly string[]): Meant | null {
  if (owner.kind === "header") {
    const at = Number(index.join(""));
    return { ...owner, instance: owner.header.instances[at] ?? null };
  }
  if (owner.kind !== "map" || owner.map.value === null) return null;
  return { kind: "value", type: owner.map.value };
}
