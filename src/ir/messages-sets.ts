// What is said about constant sets: their files, their lines, what merging found. Beside messages.ts, which words the rest.

import { type Diagnostic, errorAt, warningAt } from "../base/diagnostic.ts";
import { type Span, textOf } from "../base/source.ts";

const count = (n: number): string => n.toLocaleString("en-US");

export function cantReadSet(span: Span, path: string, why: string): Diagnostic {
  return errorAt(span, "X0005", `can't read "${path}": ${why}`, { label: why });
}

export function badSetLine(span: Span, why: string): Diagnostic {
  return errorAt(span, "X0006", "this line is no element of a set", {
    label: why,
    help: "write one number, address, prefix, range or tuple a line; `#` begins a comment",
  });
}

/** Faults of one kind beyond those told one by one. */
export function moreBadLines(first: Span, more: number): Diagnostic {
  return errorAt(first, "X0006", `${count(more)} more ${more === 1 ? "line is" : "lines are"} no element of the set`, {
    label: more === 1 ? "" : "the first of these",
  });
}

export function tooManyLines(span: Span, most: number): Diagnostic {
  return errorAt(span, "X0006", `the file has over ${count(most)} elements`, { label: "this one is too many" });
}

export function badPrefixType(span: Span, of: string): Diagnostic {
  return errorAt(span, "X0310", `there are no prefixes of ${of}`, { label: "prefix<ipv4> or prefix<ipv6>" });
}

export function emptySet(span: Span, name: string): Diagnostic {
  return warningAt(span, "X0706", `\`${name}\` has no elements`, { label: "nothing is in this set" });
}

/** One element that others cover. */
export function duplicateElement(span: Span, first: Span): Diagnostic {
  return warningAt(span, "X0702", "this is in the set already", {
    label: "adds nothing",
    secondary: [{ span: first, text: "covered here" }],
  });
}

/** Many elements that others cover: told once, at the first, with a few of the places. */
export function duplicateElements(of: readonly { readonly later: Span; readonly earlier: Span }[]): Diagnostic | null {
  const [first] = of;
  if (first === undefined) return null;
  const places = of.slice(1, 4).map(({ later }) => placeOf(later));
  const rest = of.length - 1 - places.length;
  return warningAt(first.later, "X0702", `${count(of.length)} elements are in the set already`, {
    label: "adds nothing",
    secondary: [{ span: first.earlier, text: "covered here" }],
    notes: [`so do ${places.join(", ")}${rest > 0 ? ` and ${count(rest)} more` : ""}`],
  });
}

/** Many prefixes with bits behind their length. */
export function manyHostBits(of: readonly Span[]): Diagnostic | null {
  const [first] = of;
  if (first === undefined) return null;
  const places = of.slice(1, 4).map(placeOf);
  const rest = of.length - 1 - places.length;
  const label = "only the leading bits count";
  if (of.length === 1)
    return warningAt(first, "X0701", `the prefix ${textOf(first)} has bits set behind its length`, { label });
  return warningAt(first, "X0701", `${count(of.length)} prefixes have bits set behind their length`, {
    label,
    notes: [`also ${places.join(", ")}${rest > 0 ? ` and ${count(rest)} more` : ""}`],
  });
}

export function setTooLarge(last: Span, mostBytes: number): Diagnostic {
  return errorAt(last, "X0609", `this set needs a table of over ${mostBytes / 2 ** 20} MiB`, {
    label: "the last of its elements",
    help: "use a `set` that user space fills",
  });
}

function placeOf(span: Span): string {
  const { line, column } = span.file.positionAt(span.start);
  return `${span.file.path}:${line}:${column}`;
}
