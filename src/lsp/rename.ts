// Renaming what the text declares, in every file that sees it. A new name is tried first: the edited texts are analysed again, and where a
// name then stands for something else than before, or the text has new errors, nothing is renamed and the reason told. So what
// shadows or clashes is found by the checker's own rules, not by a second set of them.

import type { Range, TextEdit } from "vscode-languageserver-protocol";
import { type Analysis, analyse } from "../analyse.ts";
import { SourceFile, type Span, textOf } from "../base/source.ts";
import type { CompileHost } from "../compile.ts";
import { declaredAt, type Meaning } from "../ir/facts.ts";
import { contextualWordTypes, reservedWordTypes } from "../parser/tokens.ts";
import { type Declared, declarationOf, filesOf, isLibrary, type NameAt, nameAt } from "./names.ts";
import { lineAt, rangeOf } from "./ranges.ts";
import { wordIndexAt, wordsOf } from "./text.ts";
import { type Use, usesOf } from "./uses.ts";

/** Why something can't be renamed, for people. */
export interface Refusal {
  readonly refused: string;
}

/** What may be renamed at an offset of the analysis's main file, with its present name; null where there is no name at all. */
export function prepareRename(
  analysis: Analysis,
  offset: number,
): { readonly range: Range; readonly placeholder: string } | Refusal | null {
  const { source } = analysis.file;
  const found = nameAt(analysis, source, offset);
  if (found === null) return unknownWord(source, offset);
  const target = renamable(found);
  return "refused" in target ? target : { range: rangeOf(found.span), placeholder: textOf(found.span) };
}

/**
 * The edits that give what stands at an offset of the first analysis's main file another name, by file. The analyses are of all files that
 * see the one it is declared in; `host` is what they were made with.
 */
export function rename(
  analyses: readonly Analysis[],
  offset: number,
  newName: string,
  host: CompileHost,
): ReadonlyMap<SourceFile, readonly TextEdit[]> | Refusal | null {
  const analysis = analyses[0];
  if (analysis === undefined) return null;
  const found = nameAt(analysis, analysis.file.source, offset);
  if (found === null) return unknownWord(analysis.file.source, offset);
  const target = renamable(found);
  if ("refused" in target) return target;
  const oldName = target.name.text;
  if (newName === oldName) return new Map();
  const fault = nameFault(newName, target);
  if (fault !== null) return { refused: fault };
  const uses = usesOf(analyses, target, "own");
  if (uses.some((use) => isLibrary(use.span.file))) return { refused: `the library uses \`${oldName}\` itself` };
  const refusal = tried(analyses, uses, oldName, newName, host);
  return refusal ?? editsOf(uses, newName);
}

function editsOf(uses: readonly Use[], newText: string): ReadonlyMap<SourceFile, readonly TextEdit[]> {
  const edits = new Map<SourceFile, TextEdit[]>();
  for (const { span } of uses) {
    const list = edits.get(span.file) ?? [];
    list.push({ range: rangeOf(span), newText });
    edits.set(span.file, list);
  }
  return edits;
}

// --------------------------------------------------------------------------------------------------------------- what may be

function renamable({ declared, meaning, span }: NameAt): Declared | Refusal {
  const text = textOf(span);
  if (declared === null) {
    if (meaning?.kind === "file") return { refused: "a file's name isn't changed here" };
    if (meaning?.kind === "device") return { refused: `\`${text}\` is made of the device's name in \`redirect dev\`` };
    return { refused: `\`${text}\` is part of the language and can't be renamed` };
  }
  if (isLibrary(declared.name.span.file)) {
    return { refused: `\`${text}\` is declared by the library (${declared.name.span.file.path}) and can't be renamed` };
  }
  return declared;
}

function unknownWord(source: SourceFile, offset: number): Refusal | null {
  const words = wordsOf(source);
  const at = wordIndexAt(words, offset);
  const word = [words[at], words[at - 1]].find(
    (w) => w !== undefined && w.offset <= offset && offset <= w.offset + w.text.length && /^[A-Za-z_]/.test(w.text),
  );
  if (word === undefined) return null;
  const isKeyword = reservedWordTypes.has(word.text) || contextualWordTypes.has(word.text);
  if (isKeyword) return { refused: `\`${word.text}\` is part of the language and can't be renamed` };
  return { refused: `nobody knows what \`${word.text}\` stands for here` };
}

/** What is wrong with a name by itself; null when nothing is. */
function nameFault(name: string, { kind }: Declared): string | null {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    return `\`${name}\` is no name: names are made of the letters a to z, digits and \`_\`, and don't begin with a digit`;
  }
  // Behind a dot and before a colon every word is a name.
  const isLabel = kind === "structField" || kind === "field";
  return !isLabel && reservedWordTypes.has(name) ? `\`${name}\` is a reserved word` : null;
}

// ------------------------------------------------------------------------------------------------------------------ the trial

/** Why the new name won't do; null when everything still stands for what it did. */
function tried(
  analyses: readonly Analysis[],
  uses: readonly Use[],
  oldName: string,
  newName: string,
  host: CompileHost,
): Refusal | null {
  const edited = new Map<string, Edited>();
  for (const { span } of uses) {
    const { path } = span.file;
    if (!edited.has(path)) {
      const starts = uses.filter((use) => use.span.file.path === path).map((use) => use.span.start);
      edited.set(path, new Edited(span.file, starts, oldName, newName));
    }
  }
  const overlay: CompileHost = {
    ...host,
    read(path, from) {
      const found = host.read(path, edited.get(from.path)?.before ?? from);
      return "error" in found ? found : { source: edited.get(found.source.path)?.after ?? found.source };
    },
  };
  for (const before of analyses) {
    const { source } = before.file;
    const after = analyse(edited.get(source.path)?.after ?? source, overlay);
    const refusal = newError(before, after, newName) ?? otherMeaning(before, after, edited, newName);
    if (refusal !== null) return { refused: refusal };
  }
  return null;
}

/** A file with its new text, and where its old places are in it. */
class Edited {
  readonly before: SourceFile;
  readonly after: SourceFile;
  readonly #starts: readonly number[];
  readonly #growth: number;

  constructor(before: SourceFile, starts: readonly number[], oldName: string, newName: string) {
    this.before = before;
    this.#starts = starts.toSorted((a, b) => a - b);
    this.#growth = newName.length - oldName.length;
    let text = "";
    let at = 0;
    for (const start of this.#starts) {
      text += before.text.slice(at, start) + newName;
      at = start + oldName.length;
    }
    this.after = new SourceFile(before.path, text + before.text.slice(at));
  }

  /** The new offset of what began at `offset`. */
  moved(offset: number): number {
    let [low, high] = [0, this.#starts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#starts[middle] ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    return offset + low * this.#growth;
  }
}

function newError(before: Analysis, after: Analysis, newName: string): string | null {
  const counts = new Map<string, number>();
  for (const d of before.diagnostics) if (d.severity === "error") counts.set(d.code, (counts.get(d.code) ?? 0) + 1);
  for (const { code, severity, message, primary } of after.diagnostics) {
    if (severity !== "error") continue;
    const left = (counts.get(code) ?? 0) - 1;
    counts.set(code, left);
    if (left < 0) return `\`${newName}\` won't do${primary === null ? "" : ` in ${placeOf(primary.span)}`}: ${message}`;
  }
  return null;
}

function otherMeaning(
  before: Analysis,
  after: Analysis,
  edited: ReadonlyMap<string, Edited>,
  newName: string,
): string | null {
  const moved = ({ file, start }: Span): number => edited.get(file.path)?.moved(start) ?? start;
  for (const file of filesOf(before)) {
    const { source } = file;
    if (isLibrary(source)) continue;
    const later = filesOf(after).find((candidate) => candidate.source.path === source.path);
    if (later === undefined) continue;
    const now = new Map(after.facts.referencesIn(later.source).map((r) => [r.span.start, r.meaning]));
    for (const { span, meaning } of before.facts.referencesIn(source)) {
      const found = now.get(moved(span));
      if (found !== undefined && meaningKey(found, ({ start }) => start) === meaningKey(meaning, moved)) continue;
      const taken = found === undefined ? null : nameOf(after, found, newName);
      const because = taken === null ? "" : `, for ${taken} has that name`;
      return `\`${textOf(span)}\` in ${placeOf(span)} would stand for something else${because}`;
    }
  }
  return null;
}

/** What tells two meanings apart: where they were declared, or what they are. */
function meaningKey(meaning: Meaning, offsetOf: (span: Span) => number): string {
  const at = declaredAt(meaning);
  if (at !== null) return `${at.file.path}:${offsetOf(at)}`;
  if (meaning.kind === "builtin" || meaning.kind === "meta") return `${meaning.kind} ${meaning.name}`;
  return meaning.kind === "file" ? `file ${meaning.source.path}` : meaning.kind;
}

function nameOf(after: Analysis, meaning: Meaning, newName: string): string | null {
  const declared = declarationOf(after, meaning, newName);
  if (declared === null) return meaning.kind === "builtin" ? "a part of the language" : null;
  return declared.name.text === newName ? `what ${placeOf(declared.name.span)} declares` : null;
}

function placeOf({ file, start }: Span): string {
  return `line ${lineAt(file, start) + 1} of ${file.path.slice(file.path.lastIndexOf("/") + 1)}`;
}
