// Which rule files see a file: those that import it, at once or by way of others. What is declared in a file may be used in any of them, so
// references and renames ask all. Looks at words alone: analysing every file of a folder to find a few would take too long.

import { SourceFile } from "../base/source.ts";
import { wordsOf } from "./text.ts";
import { pathOf } from "./uris.ts";
import type { Analysed, Workspace } from "./workspace.ts";

/** A rule file as the editor has it or as it is on the disk. */
export interface RuleFile {
  readonly uri: string;
  readonly source: SourceFile;
}

/** All rule files that the editor knows of, by path; `from` is any of its files. */
export function ruleFilesOf(workspace: Workspace, from: SourceFile | null): ReadonlyMap<string, RuleFile> {
  const host = workspace.host();
  const files = new Map<string, RuleFile>();
  for (const uri of workspace.ruleFiles()) {
    const open = workspace.document(uri);
    const found = open ?? host.read(pathOf(uri), from ?? new SourceFile(pathOf(uri), ""));
    if (!("error" in found)) files.set(found.source.path, { uri, source: found.source });
  }
  return files;
}

/** The analyses of a file and of all files in the editor's folders that see it; its own first. */
export function seenBy(workspace: Workspace, analysed: Analysed): readonly Analysed[] {
  const host = workspace.host();
  const files = ruleFilesOf(workspace, analysed.source);
  const direct = new Map<string, readonly string[]>();
  for (const { source } of files.values()) {
    const paths = importedPaths(source).flatMap((path) => {
      const found = host.read(path, source);
      return "error" in found ? [] : [found.source.path];
    });
    for (const path of paths) direct.set(path, [...(direct.get(path) ?? []), source.path]);
  }
  const seen = new Set([analysed.source.path]);
  for (const path of seen) for (const importer of direct.get(path) ?? []) seen.add(importer);
  const others = [...seen].slice(1).flatMap((path) => {
    const uri = files.get(path)?.uri;
    return uri === undefined ? [] : (workspace.analysed(uri) ?? []);
  });
  return [analysed, ...others];
}

/** What a text imports by path, as written. */
function importedPaths(source: SourceFile): readonly string[] {
  if (!/\bimport\b/.test(source.text)) return [];
  const words = wordsOf(source);
  return words.flatMap((word, i) =>
    word.type === "STRING" && words[i - 1]?.text === "import" ? [word.text.slice(1, -1)] : [],
  );
}
