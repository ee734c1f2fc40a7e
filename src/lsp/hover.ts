// What the word under the cursor means: names by what the checker made of them, fields with their place in the header, words of the
// language, numbers in other spellings, and at the word that begins a rule what the rule costs where somebody has counted. Pure.

import { type Hover, MarkupKind } from "vscode-languageserver-protocol";
import type { Analysis } from "../analyse.ts";
import { type Span, textOf } from "../base/source.ts";
import { addressText } from "../ir/constant-set.ts";
import type { Meaning } from "../ir/facts.ts";
import { typeName } from "../ir/types.ts";
import type * as ast from "../parser/ast.ts";
import type { Description } from "./describe.ts";
import { describeDeclaration, describeField, describeMap, describeStructField, markdownOf } from "./describe.ts";
import { rangeOf } from "./ranges.ts";
import { wordsOf } from "./text.ts";
import { isName, walk } from "./walk.ts";
import { META_FIELDS, WORDS } from "./words.ts";

/** The cost of the rule at a place in words, or null where nobody has counted. */
export type CostOf = (rule: Span) => string | null;

/** What to tell of the word at `offset` of the main file; null where there is nothing to tell. */
export function hover(analysis: Analysis, offset: number, costOf: CostOf): Hover | null {
  const { file, facts } = analysis;
  const reference = facts.referenceAt(file.source, offset);
  if (reference !== null) return told(reference.span, meaningText(analysis, reference.meaning, reference.span));
  const declared = declarationAt(analysis, offset);
  if (declared !== null) return declared;
  const word = wordsOf(file.source).find((w) => w.offset <= offset && offset <= w.offset + w.text.length);
  if (word === undefined) return null;
  const span = { file: file.source, start: word.offset, end: word.offset + word.text.length };
  if (word.type === "LITERAL" || word.type === "COLON_LITERAL") return told(span, literalText(analysis, span));
  const known = word.type === "IDENTIFIER" || word.type === "LABEL" ? undefined : WORDS.get(word.text);
  const cost = ruleStart(analysis, word.offset, costOf);
  if (known === undefined) return cost === null ? null : told(span, cost);
  const text = markdownOf({ code: known.form, text: known.text });
  return told(span, cost === null ? text : `${text}\n\n${cost}`);
}

function told(span: Span, value: string | null): Hover | null {
  return value === null ? null : { contents: { kind: MarkupKind.Markdown, value }, range: rangeOf(span) };
}

function meaningText(analysis: Analysis, meaning: Meaning, span: Span): string | null {
  const { context } = analysis;
  switch (meaning.kind) {
    case "declaration":
      return markdownOf(describeDeclaration(context, meaning.decl));
    case "field": {
      const { header } = meaning.field;
      const whole = header.part?.of ?? header;
      const like = whole.outer ?? whole;
      const decl = [...context.headers].find(([, h]) => h === like)?.[0] ?? null;
      return markdownOf(describeField(decl, meaning.field, writtenBefore(span) ?? header.alias ?? header.name));
    }
    case "structField":
      // What nobody declared is no structure of the user's: where its fields are is of no use.
      return meaning.decl === null
        ? markdownOf({ code: `${meaning.field.name} : ${typeName(meaning.field.type)}`, text: "" })
        : markdownOf(describeStructField(meaning.owner, meaning.field.name));
    case "binding":
      return bindingText(meaning, span);
    case "meta": {
      const field = META_FIELDS.get(meaning.name);
      return markdownOf({ code: `meta.${meaning.name} : ${typeName(meaning.type)}`, text: field?.text ?? "" });
    }
    case "builtin":
    case "type": {
      const word = WORDS.get(meaning.kind === "type" ? typeName(meaning.type) : meaning.name);
      return word === undefined ? null : markdownOf({ code: word.form, text: word.text });
    }
    case "file":
      return `\`${meaning.source.path}\``;
    case "device":
      return markdownOf({
        code: `config ${meaning.symbol.name} : u32`,
        text: `The index of the device \`${meaning.symbol.device ?? ""}\`, which a loader fills in; 0 counts as an empty entry.`,
      });
  }
}

const PARAMETER = "A parameter; the argument stands in its place at each call.";

function bindingText({ binding }: Meaning & { kind: "binding" }, span: Span): string {
  const name = span.file.text.slice(span.start, span.end);
  if (binding.kind === "local") return markdownOf({ code: `let ${name} : ${typeName(binding.local.type)}`, text: "" });
  if (binding.kind === "argument")
    return markdownOf({
      code: `${name} : ${typeName(binding.value.type)}`,
      text: PARAMETER,
    });
  const { map } = binding.kind === "map" ? binding : binding.entry;
  const type = map.value === null ? "" : ` : ${typeName(map.value)}`;
  const what =
    binding.kind === "map"
      ? describeMap(map)
      : `The entry itself of \`${map.name}\`: reading sees what others write, assigning writes it.`;
  return markdownOf({ code: `${name}${type}`, text: what });
}

/** The header as it is written before the dot that stands before `span`: `vlan[1]`, `inner.ip`. */
function writtenBefore(span: Span): string | null {
  const line = span.file.text.slice(span.file.text.lastIndexOf("\n", span.start) + 1, span.start);
  return /((?:inner\s*\.\s*)?[A-Za-z_]\w*(?:\[\d+\])?)\s*\.\s*$/.exec(line)?.[1]?.replace(/\s/g, "") ?? null;
}

/** The name that is declared at `offset`. */
function declarationAt(analysis: Analysis, offset: number): Hover | null {
  const { file, context, facts } = analysis;
  for (const item of file.items) {
    if (offset < item.span.start || offset > item.span.end) continue;
    const name = "name" in item && isName(item.name as ast.Name) ? (item.name as ast.Name) : null;
    if (name !== null && holds(name.span, offset)) {
      const decl = context.names.get(name.text);
      if (decl !== undefined && item.kind.endsWith("Decl"))
        return told(name.span, markdownOf(describeDeclaration(context, decl)));
    }
    if (item.kind === "headerDecl") {
      const header = context.headers.get(item);
      const field = [...(header?.fields.values() ?? [])].find(
        (f) => f.span.file === file.source && holds(f.span, offset),
      );
      if (field !== undefined)
        return told(field.span, markdownOf(describeField(item, field, header?.alias ?? item.name.text)));
    }
    if (item.kind === "structDecl") {
      const type = context.structs.get(item);
      const field = item.fields.find((f) => holds(f.name.span, offset));
      if (type !== undefined && field !== undefined)
        return told(field.name.span, markdownOf(describeStructField(type, field.name.text)));
    }
    if (item.kind === "fnDecl") {
      const param = item.params.find((p) => holds(p.name.span, offset));
      if (param !== undefined) return told(param.name.span, markdownOf({ code: textOf(param.span), text: PARAMETER }));
    }
    let bound: Hover | null = null;
    walk(item, (node) => {
      if (!isName(node) || !holds(node.span, offset)) return;
      const binding = facts.bindings.get(node);
      if (binding !== undefined) bound = told(node.span, bindingText({ kind: "binding", binding }, node.span));
    });
    if (bound !== null) return bound;
  }
  return null;
}

function holds(span: Span, offset: number): boolean {
  return span.start <= offset && offset <= span.end;
}

/** A number or address in other spellings. */
function literalText(analysis: Analysis, span: Span): string | null {
  let found: ast.Expr | null = null;
  for (const item of analysis.file.items) {
    if (item.span.end < span.start || item.span.start > span.end) continue;
    walk(item, (node) => {
      if (node.span.start === span.start && node.span.end === span.end && "kind" in node) found = node as ast.Expr;
    });
  }
  const literal = found as ast.Expr | null;
  if (literal === null) return null;
  const settled = analysis.facts.settled.get(literal.span) ?? analysis.facts.values.get(literal)?.type;
  switch (literal.kind) {
    case "number": {
      const { value } = literal;
      const rows: Description = {
        code: settled === undefined || settled.kind === "untyped" ? `${value}` : `${value} : ${typeName(settled)}`,
        text: `Decimal ${value.toLocaleString("en-US")}, hexadecimal 0x${value.toString(16)}${value < 1n << 32n ? `, as an address ${addressText(value, "ipv4")}` : ""}.`,
      };
      return markdownOf(rows);
    }
    case "duration":
      return markdownOf({
        code: `${literal.nanoseconds} : u64`,
        text: `${literal.nanoseconds.toLocaleString("en-US")} nanoseconds.`,
      });
    case "prefix": {
      const bits = literal.type === "ipv4" ? 32n : 128n;
      const size = 1n << (bits - BigInt(literal.length));
      const first = (literal.value / size) * size;
      const range = `${addressText(first, literal.type)} to ${addressText(first + size - 1n, literal.type)}`;
      return markdownOf({
        code: `${addressText(first, literal.type)}/${literal.length}`,
        text: `${range}: ${size.toLocaleString("en-US")} address${size === 1n ? "" : "es"}.`,
      });
    }
    case "address":
      if (literal.type === "mac")
        return markdownOf({
          code: `0x${literal.value.toString(16).padStart(12, "0")} : mac`,
          text: macText(literal.value),
        });
      return markdownOf({
        code: `${addressText(literal.value, literal.type)} : ${literal.type}`,
        text: `As a number ${literal.value.toLocaleString("en-US")}.`,
      });
    default:
      return null;
  }
}

/** **Source:** IEEE 802, section 8.2.2: the lowest two bits of the first byte. */
function macText(value: bigint): string {
  const first = value >> 40n;
  const kind =
    value === 0xffff_ffff_ffffn
      ? "The broadcast address"
      : (first & 1n) === 1n
        ? "A group address"
        : "The address of one station";
  return `${kind}, ${(first & 2n) === 2n ? "administered locally" : "given by a manufacturer"}.`;
}

/** The cost of the rule whose first word stands at `offset`. */
function ruleStart(analysis: Analysis, offset: number, costOf: CostOf): string | null {
  for (const item of analysis.file.items) {
    const rules = item.kind === "programDecl" ? item.body : [item];
    const rule = rules.find((r) => r.span.start === offset && !r.kind.endsWith("Decl"));
    if (rule !== undefined) return costOf(rule.span);
  }
  return null;
}
