// What stands in the text only for those who know: types of `let` and `const`, sizes of constant sets, what a number means where an address is
// meant, and how it lies in memory in network order. Drawn between the words, only for the lines that are asked for. Pure.

import { type InlayHint, InlayHintKind } from "vscode-languageserver-protocol";
import type { Analysis } from "../analyse.ts";
import { textOf } from "../base/source.ts";
import { addressText } from "../ir/constant-set.ts";
import type { Type } from "../ir/types.ts";
import { typeName } from "../ir/types.ts";
import type * as ast from "../parser/ast.ts";
import { sizeOfSet, sizesOfConstant } from "./describe.ts";
import { positionAt } from "./ranges.ts";
import { isName, walk } from "./walk.ts";

/** Sets written out with fewer elements than this need nobody to count them. */
const COUNTED_FROM = 8;

/** The hints between two offsets of the main file. */
export function inlayHints(analysis: Analysis, from: number, to: number): InlayHint[] {
  const hints: InlayHint[] = [];
  for (const item of analysis.file.items) {
    if (item.span.end < from || item.span.start > to) continue;
    walk(item, (node) => {
      if (node.span.end < from || node.span.start > to || isName(node)) return;
      const hint = hintFor(analysis, node as ast.Expr | ast.Stmt | ast.Decl);
      if (hint !== null) hints.push(hint);
    });
  }
  return hints.sort((a, b) => a.position.line - b.position.line || a.position.character - b.position.character);
}

function hintFor(analysis: Analysis, node: ast.Expr | ast.Stmt | ast.Decl): InlayHint | null {
  const { facts } = analysis;
  switch (node.kind) {
    case "let": {
      const binding = facts.bindings.get(node.name);
      if (binding?.kind !== "local" || node.name.text === "") return null;
      return typeHint(analysis, node.name, binding.local.type);
    }
    case "constDecl": {
      if (node.type !== null || node.name.text === "") return null;
      if (node.value.kind === "setLiteral") {
        const [size] = sizesOfConstant(analysis.context, node);
        return size === undefined ? null : hint(analysis, node.name.span.end, ` ${size}`, undefined);
      }
      const value = analysis.context.constants.get(node);
      return value === undefined ? null : typeHint(analysis, node.name, value.type);
    }
    case "constSetDecl": {
      const set = facts.sets.get(node) ?? [...(analysis.context.constantSets.get(node)?.values() ?? [])][0];
      const end = node.element?.span.end ?? node.name.span.end;
      return set === undefined || set === null ? null : hint(analysis, end, ` ${sizeOfSet(set)}`, undefined);
    }
    case "setLiteral":
      return node.elements.length < COUNTED_FROM ? null : sizeHint(analysis, node.span.end, node);
    case "number":
      return numberHint(analysis, node);
    default:
      return null;
  }
}

function typeHint(analysis: Analysis, name: ast.Name, type: Type): InlayHint | null {
  if (type.kind === "error" || type.kind === "untyped") return null;
  return { ...hint(analysis, name.span.end, ` : ${typeName(type)}`, undefined), kind: InlayHintKind.Type };
}

function sizeHint(analysis: Analysis, at: number, expr: ast.Expr): InlayHint | null {
  const set = analysis.facts.sets.get(expr);
  return set === undefined ? null : hint(analysis, at, ` ${sizeOfSet(set)}`, undefined);
}

function numberHint(analysis: Analysis, node: ast.Expr & { kind: "number" }): InlayHint | null {
  const type = analysis.facts.settled.get(node.span) ?? analysis.facts.values.get(node)?.type;
  const written = textOf(node.span);
  if (type?.kind === "ipv4") return hint(analysis, node.span.end, ` = ${addressText(node.value, "ipv4")}`, undefined);
  const plain = /^[0-9_]+$/.test(written);
  if (plain || node.value < 10n) return null;
  const network = networkText(node.value, type);
  return hint(analysis, node.span.end, ` = ${node.value.toLocaleString("en-US")}`, network);
}

/** How a number lies in the packet: the bytes in network order, for the tooltip. */
function networkText(value: bigint, type: Type | undefined): string | undefined {
  if (type?.kind !== "int" || type.bits === 8) return undefined;
  const bytes =
    value
      .toString(16)
      .padStart(type.bits / 4, "0")
      .match(/../g) ?? [];
  return `In the packet, in network order: ${bytes.join(" ")}. In a map, in this machine's: ${[...bytes].reverse().join(" ")} on a little-endian one.`;
}

function hint(analysis: Analysis, at: number, label: string, tooltip: string | undefined): InlayHint {
  const position = positionAt(analysis.file.source, at);
  return { position, label, paddingLeft: false, ...(tooltip === undefined ? {} : { tooltip }) };
}
