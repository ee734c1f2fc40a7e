// Edits that an editor offers where something is wrong: the compiler's own fixes, and those that need a look at the rules around (proof
// that a header is there, an entry bound before it is read, what isn't declared yet, what adds nothing). Pure: analysis in, edits out.

import { type CodeAction, CodeActionKind, type Range, type TextEdit } from "vscode-languageserver-protocol";
import type * as base from "../base/diagnostic.ts";
import { type Span, textOf } from "../base/source.ts";
import { declarationEdit, missingDeclaration } from "./missing-declaration.ts";
import { lineStart, lineText, offsetAt, positionAt, rangeOf } from "./ranges.ts";
import { type Place, placeAt } from "./statement-at.ts";
import type { Analysed } from "./workspace.ts";

/** One offered edit of the document. */
interface Offer {
  readonly title: string;
  readonly edits: readonly { readonly span: Span; readonly newText: string }[];
  /** The one most people want. */
  readonly preferred: boolean;
}

/**
 * The edits for what is wrong in `range`; `show` makes the protocol's diagnostic of one of ours, `uriOf` the URI of a file. `only`: the
 * kinds that the editor wants; undefined: all.
 */
export function codeActions(
  document: Analysed,
  range: Range,
  only: readonly string[] | undefined,
  show: (diagnostic: base.Diagnostic) => NonNullable<CodeAction["diagnostics"]>[number],
): CodeAction[] {
  if (only !== undefined && !only.some(isQuickFix)) return [];
  const { source } = document;
  const [start, end] = [offsetAt(source, range.start), offsetAt(source, range.end)];
  const touched = document.analysis.diagnostics.filter(({ primary }) => {
    if (primary === null || primary.span.file !== source) return false;
    return primary.span.start <= end && start <= primary.span.end;
  });
  return touched.flatMap((diagnostic) =>
    offersFor(document, diagnostic)
      .filter(({ edits }) => edits.every(({ span }) => span.file === source))
      .map(
        ({ title, edits, preferred }): CodeAction => ({
          title,
          kind: CodeActionKind.QuickFix,
          diagnostics: [show(diagnostic)],
          isPreferred: preferred,
          edit: { changes: { [document.uri]: edits.map(editOf) } },
        }),
      ),
  );
}

/** Kinds are hierarchical; the empty one is above all. */
function isQuickFix(kind: string): boolean {
  return kind === CodeActionKind.Empty || `${CodeActionKind.QuickFix}.`.startsWith(`${kind}.`);
}

function editOf({ span, newText }: Offer["edits"][number]): TextEdit {
  return { range: rangeOf(span), newText };
}

function offersFor(document: Analysed, diagnostic: base.Diagnostic): Offer[] {
  const { fix } = diagnostic;
  const own = fix === null ? [] : [{ title: sentence(fix.title), edits: fix.edits, preferred: true }];
  return [...own, ...(MORE[diagnostic.code]?.(document, diagnostic) ?? [])];
}

function sentence(title: string): string {
  return title.slice(0, 1).toUpperCase() + title.slice(1);
}

/** What is offered beside a diagnostic's own fix, by its code. */
const MORE: Readonly<Partial<Record<string, (document: Analysed, diagnostic: base.Diagnostic) => Offer[]>>> = {
  X0202: declareMissing,
  X0401: proveHeader,
  X0502: bindEntry,
  X0702: removeElement,
  X0705: closeForOpaque,
  X0708: removeRule,
};

// ------------------------------------------------------------------------------------------------------------ presence

/** The header that a diagnostic says may be absent; its message is the only place that names it. */
function absentHeader(diagnostic: base.Diagnostic): string | null {
  return /^(\S+) may be absent here$/.exec(diagnostic.message)?.[1] ?? null;
}

/** `if tcp then { … }` around the statement, for all headers that it lacks; or a verdict before it. */
function proveHeader(document: Analysed, diagnostic: base.Diagnostic): Offer[] {
  const name = absentHeader(diagnostic);
  const span = diagnostic.primary?.span;
  const place = span === undefined ? null : placeAt(document.analysis.file, span);
  if (name === null || place === null) return [];
  const { statement } = place;
  const lacking = document.analysis.diagnostics.flatMap((other) => {
    const at = other.primary?.span;
    const inside = at?.file === document.source && statement.span.start <= at.start && at.end <= statement.span.end;
    return inside && other.code === "X0401" ? (absentHeader(other) ?? []) : [];
  });
  const names = [...new Set(lacking)];
  const condition = (names.length === 0 ? [name] : names).join(" and ");
  const offers: Offer[] = [];
  // What `let` binds wouldn't be known behind the braces.
  if (statement.kind !== "let") offers.push(wrapped(place, `if ${condition} then `, true));
  const before = beforeLine(place, `if not (${condition}) then ${place.fallback}`.replace(/\((\S+)\)/, "$1"));
  if (before !== null)
    offers.push({
      title: `End with \`${place.fallback}\` before it where ${name} is absent`,
      edits: [before],
      preferred: offers.length === 0,
    });
  return offers;
}

/** A statement put into braces behind `head`. */
function wrapped(place: Place, head: string, preferred: boolean, inner = textOf(place.statement.span)): Offer {
  const { span } = place.statement;
  const text = inner.includes("\n") ? `${head}{\n${inner}\n}` : `${head}{ ${inner} }`;
  // Without braces around it an `else` that follows would belong to the new `if`.
  const newText = place.bare ? `{ ${text} }` : text;
  return { title: `Put it into \`${head.trim()} { … }\``, edits: [{ span, newText }], preferred };
}

/** A line of its own before the line a statement begins on; null where the statement doesn't begin its line. */
function beforeLine({ statement, bare }: Place, text: string): Offer["edits"][number] | null {
  const { file, start } = statement.span;
  const { line, character } = positionAt(file, start);
  const indent = lineText(file, line).slice(0, character);
  if (bare || indent.trim() !== "") return null;
  const at = lineStart(file, line);
  return { span: { file, start: at, end: at }, newText: `${indent}${text}\n` };
}

// ----------------------------------------------------------------------------------------------------------- the others

/** `if let entry = m[k] then { … }` around a statement that reads `m[k]`. */
function bindEntry(document: Analysed, diagnostic: base.Diagnostic): Offer[] {
  const span = diagnostic.primary?.span;
  const place = span === undefined ? null : placeAt(document.analysis.file, span);
  if (span === undefined || place === null || place.statement.kind === "let") return [];
  const { start } = place.statement.span;
  const text = textOf(place.statement.span);
  const inner = `${text.slice(0, span.start - start)}entry${text.slice(span.end - start)}`;
  return [wrapped(place, `if let entry = ${textOf(span)} then `, true, inner)];
}

/** An element of a set with the comma that parts it from the others. */
function removeElement(_document: Analysed, diagnostic: base.Diagnostic): Offer[] {
  const span = diagnostic.primary?.span;
  if (span === undefined) return [];
  const { file } = span;
  const before = /,\s*$/.exec(file.text.slice(0, span.start))?.[0].length ?? 0;
  const after = before > 0 ? 0 : (/^\s*,\s*/.exec(file.text.slice(span.end))?.[0].length ?? 0);
  // In a set's file an element is a line.
  if (before + after === 0) return [];
  const all = { file, start: span.start - before, end: span.end + after };
  return [{ title: "Remove it", edits: [{ span: all, newText: "" }], preferred: true }];
}

/** `if opaque then drop` before the rule that lets packets by. */
function closeForOpaque(document: Analysed, diagnostic: base.Diagnostic): Offer[] {
  const span = diagnostic.primary?.span;
  const place = span === undefined ? null : placeAt(document.analysis.file, span);
  const edit = place === null ? null : beforeLine(place, "if opaque then drop");
  return edit === null ? [] : [{ title: "Close the filter: `if opaque then drop`", edits: [edit], preferred: true }];
}

/** A rule that never matches, with its line where it has it alone. */
function removeRule(document: Analysed, diagnostic: base.Diagnostic): Offer[] {
  const at = diagnostic.primary?.span;
  const place = at === undefined ? null : placeAt(document.analysis.file, at);
  // What stands behind `else` is still wanted.
  if (place === null || place.bare || place.statement.kind !== "if" || place.statement.else !== null) return [];
  const { file, start, end } = place.statement.span;
  const alone =
    /(?:^|\n)[ \t]*$/.test(file.text.slice(0, start)) && /^[ \t;]*(?:#[^\n]*)?(?:\r?\n|$)/.exec(file.text.slice(end));
  const span = alone
    ? { file, start: lineStart(file, positionAt(file, start).line), end: end + alone[0].length }
    : { file, start, end };
  return [{ title: "Remove the rule", edits: [{ span, newText: "" }], preferred: true }];
}

/** A declaration of the name that isn't declared, as its use wants it. */
function declareMissing(document: Analysed, diagnostic: base.Diagnostic): Offer[] {
  const span = diagnostic.primary?.span;
  if (span === undefined) return [];
  const written = missingDeclaration(document.analysis, span);
  if (written === null) return [];
  const edit = declarationEdit(document.analysis.file, written);
  return [{ title: `Declare it: \`${written}\``, edits: [edit], preferred: diagnostic.fix === null }];
}
