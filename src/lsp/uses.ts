// Where something is used: the places of a declaration's name in all files of one or more analyses. For references, highlights, rename.

import type { Analysis } from "../analyse.ts";
import { type Span, textOf } from "../base/source.ts";
import { declaredAt, type Meaning } from "../ir/facts.ts";
import type * as ast from "../parser/ast.ts";
import { type Declared, declaredIn, filesOf, guess, keyOf } from "./names.ts";
import { wordsOf } from "./text.ts";
import { writtenNames } from "./writes.ts";

/** A place where a name stands. */
export interface Use {
  readonly span: Span;
  readonly declares: boolean;
  /** Whether what it stands for is changed there, or gets its value there. */
  readonly writes: boolean;
}

/** A header's two names mean the same thing; for a rename each is its own. */
export type Spelling = "any" | "own";

/**
 * Every place of `declared` in the files of the analyses, each once, in the order of files and texts. `only`: in this file alone.
 */
export function usesOf(
  analyses: readonly Analysis[],
  declared: Declared,
  spelling: Spelling = "any",
  only: ast.File | null = null,
): Use[] {
  const found = new Map<string, Use>();
  const add = (use: Use): void => {
    const key = keyOf(use.span);
    if (!found.has(key)) found.set(key, use);
  };
  const names = spelling === "any" ? spellingsOf(declared) : [declared.name];
  const words = new Set(names.map((name) => name.text));
  for (const analysis of analyses) {
    for (const file of only === null ? filesOf(analysis) : [only]) {
      const written = writtenNames(file);
      for (const name of names) {
        if (name.span.file.path === file.source.path)
          add({ span: name.span, declares: true, writes: isValue(declared) });
      }
      const known = new Set<number>();
      for (const { span, meaning } of analysis.facts.referencesIn(file.source)) {
        known.add(span.start);
        if (!leadsTo(meaning, declared)) continue;
        if (words.has(textOf(span))) add({ span, declares: false, writes: written.has(span.start) });
      }
      // What stands behind a fault or is still being typed.
      for (const [index, { text, offset }] of wordsOf(file.source).entries()) {
        if (!words.has(text) || known.has(offset) || declaredIn(file).has(offset)) continue;
        const meant = guess(analysis, file, index);
        if (meant === null || !names.some((name) => keyOf(name.span) === keyOf(meant.name.span))) continue;
        const span = { file: file.source, start: offset, end: offset + text.length };
        add({ span, declares: false, writes: written.has(offset) });
      }
    }
  }
  return [...found.values()];
}

function spellingsOf({ name, kind, decl }: Declared): readonly ast.Name[] {
  if ((kind !== "headerDecl" && kind !== "alias") || decl?.kind !== "headerDecl") return [name];
  return decl.alias === null ? [decl.name] : [decl.name, decl.alias];
}

function leadsTo(meaning: Meaning, { name, kind, decl }: Declared): boolean {
  const at = declaredAt(meaning);
  // A header's meaning is its declaration's first name, whichever was written.
  const { start, file } = (kind === "alias" ? (decl?.name ?? name) : name).span;
  return at !== null && at.start === start && at.file.path === file.path;
}

/** Whether a declaration gives its name a value, as `let` does. */
function isValue({ kind }: Declared): boolean {
  return ["let", "entry", "loop", "constDecl", "constSetDecl", "configDecl", "varDecl"].includes(kind);
}
