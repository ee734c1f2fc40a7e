// What an editor may fold: everything between brackets over several lines, blocks of comments, lists of imports, and what stands
// between `# region` and `# endregion`. Works on words and brackets, so that half-typed text keeps its folds.

import { type FoldingRange, FoldingRangeKind } from "vscode-languageserver-protocol";
import type { SourceFile } from "../base/source.ts";
import { lineAt, lineCount, lineText } from "./ranges.ts";
import { bracketPairs, wordsOf } from "./text.ts";

/** The folds of a file, in the order of their first lines; at most `limit`, the outermost first. Lines count from 0. */
export function foldingRanges(source: SourceFile, limit = Number.MAX_SAFE_INTEGER): FoldingRange[] {
  const found = [...bracketFolds(source), ...importFolds(source), ...commentFolds(source)];
  found.sort((a, b) => a.startLine - b.startLine || b.endLine - a.endLine);
  // Editors fold lines: of several folds that begin on one, the widest counts.
  const folds = found.filter((fold, i) => fold.startLine !== found[i - 1]?.startLine);
  return folds.length <= limit ? folds : outermost(folds, limit);
}

function bracketFolds(source: SourceFile): FoldingRange[] {
  return bracketPairs(source).flatMap(({ open, close }) => {
    const startLine = lineAt(source, open);
    const closeLine = lineAt(source, close);
    // A closing bracket at the beginning of its line stays in sight, and so does an `else` behind it.
    const endLine = /^[ \t]*[)\]}]/.test(lineText(source, closeLine)) ? closeLine - 1 : closeLine;
    return endLine > startLine ? [{ startLine, endLine }] : [];
  });
}

function importFolds(source: SourceFile): FoldingRange[] {
  const folds: FoldingRange[] = [];
  let [start, end] = [-1, -1];
  const finish = (): void => {
    if (end > start) folds.push({ startLine: start, endLine: end, kind: FoldingRangeKind.Imports });
  };
  let last = "";
  for (const { text, offset } of wordsOf(source)) {
    if (text === "import") {
      const line = lineAt(source, offset);
      // What follows the import before it on its line has ended the list.
      if (start === -1) start = line;
      end = line;
    } else if (start !== -1 && last !== "import" && !isPartOfImport(text, last)) {
      finish();
      start = -1;
      end = -1;
    }
    last = text;
  }
  finish();
  return folds;
}

// `import "…"`, `import std.bridge`, with any number of semicolons behind.
function isPartOfImport(text: string, last: string): boolean {
  return text === "." || text === ";" || last === ".";
}

function commentFolds(source: SourceFile): FoldingRange[] {
  const folds: FoldingRange[] = [];
  const regions: number[] = [];
  const count = lineCount(source);
  let start = -1;
  for (let line = 0; line <= count; line++) {
    const comment = line === count ? undefined : /^[ \t]*#(.*)$/.exec(lineText(source, line))?.[1];
    const marker = comment === undefined ? null : (/^\s*(end)?region\b/.exec(comment) ?? null);
    if (comment !== undefined && marker === null) {
      if (start === -1) start = line;
      continue;
    }
    if (start !== -1 && line - 1 > start) {
      folds.push({ startLine: start, endLine: line - 1, kind: FoldingRangeKind.Comment });
    }
    start = -1;
    if (marker === null) continue;
    if (marker[1] === undefined) regions.push(line);
    else {
      const startLine = regions.pop();
      if (startLine !== undefined) folds.push({ startLine, endLine: line, kind: FoldingRangeKind.Region });
    }
  }
  return folds;
}

/** The folds that lie in the fewest others, `limit` of them, in the order of the text. */
function outermost(folds: readonly FoldingRange[], limit: number): FoldingRange[] {
  const ends: number[] = [];
  const depths = folds.map(({ startLine, endLine }) => {
    while ((ends.at(-1) ?? Number.POSITIVE_INFINITY) < startLine) ends.pop();
    ends.push(endLine);
    return ends.length;
  });
  const kept = new Set([...folds.keys()].sort((a, b) => (depths[a] ?? 0) - (depths[b] ?? 0) || a - b).slice(0, limit));
  return folds.filter((_, i) => kept.has(i));
}
