// Imports: follows them from the main file, once for each file, and tells circles and files that can't be had; reads the files of constant
// sets on the way. Gives the files of a compilation in order. Between the parser and the type checker; reads no files itself but asks the host.

import { must } from "./base/assert.ts";
import type { Diagnostic, Label } from "./base/diagnostic.ts";
import type { SourceFile, Span } from "./base/source.ts";
import type { CompileHost } from "./compile.ts";
import type { Sources } from "./ir/check-module.ts";
import * as messages from "./ir/messages.ts";
import { cantReadSet } from "./ir/messages-sets.ts";
import type { SetFile } from "./ir/set-file.ts";
import type * as ast from "./parser/ast.ts";
import { type ReadSet, readSetFile } from "./set-file.ts";

/** Imports may nest this deep; a longer chain has lost its way. */
const MOST_DEPTH = 64;

/** What makes rules speak of tunnels, whatever the tunnel. */
const TUNNEL_WORDS = ["inner", "encap", "decap"];

const wordsOfTunnels = new WeakMap<SourceFile, readonly string[] | null>();

/**
 * The words by which a rule file asks for a library file that tells of a tunnel: its headers' names among them. Who doesn't say any of them
 * gets rules that don't look for tunnels. null: the file tells of none and belongs to all.
 */
function tunnelWords(source: SourceFile): readonly string[] | null {
  const known = wordsOfTunnels.get(source);
  if (known !== undefined) return known;
  const places = source.text.match(/^header\b[^{\n]*\binner\b[^\n]*/gm) ?? [];
  const tells = places.length > 0;
  const own = [...source.text.matchAll(/^header[ ]+(\w+)[^{\n]*\{/gm)].flatMap((found) => found[1] ?? []);
  // What is only guessed from the first bits of what is carried isn't looked for unless the tunnel is named: each guess makes packets of
  // all tunnels dearer to read.
  const guessed = places.every((place) => /\bwhen\b/.test(place));
  const words = !tells ? null : guessed ? own : [...TUNNEL_WORDS, ...own];
  wordsOfTunnels.set(source, words);
  return words;
}

/** What following the imports gave. */
export interface Followed {
  readonly sources: Sources;
  /** Every file read, the main one first. */
  readonly files: readonly SourceFile[];
  /** What names another file, by its place: imports and the files of sets. */
  readonly links: readonly { readonly span: Span; readonly source: SourceFile }[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Follows the imports of `main`. `parse` parses a file; its diagnostics are collected here. */
export function followImports(
  main: ast.File,
  host: CompileHost,
  parse: (source: SourceFile) => { readonly file: ast.File; readonly diagnostics: readonly Diagnostic[] },
): Followed {
  const diagnostics: Diagnostic[] = [];
  const imported: ast.File[] = [];
  const library: ast.File[] = [];
  const files: SourceFile[] = [main.source];
  const links: { span: Span; source: SourceFile }[] = [];
  const done = new Set<SourceFile>([main.source]);
  const setFiles = new Map<ast.ConstSetDecl, SetFile>();
  const readSets = new Map<SourceFile, ReadSet>();

  const take = (
    source: SourceFile,
    list: ast.File[],
    way: readonly (ast.ImportDecl & { kind: "importDecl" })[],
  ): void => {
    if (done.has(source)) return;
    done.add(source);
    files.push(source);
    const parsed = parse(source);
    diagnostics.push(...parsed.diagnostics);
    list.push(parsed.file);
    follow(parsed.file, list, way);
  };

  const readSet = (decl: ast.ConstSetDecl, from: SourceFile): void => {
    if (decl.source.kind !== "file") return;
    const { path } = decl.source;
    const found = host.read(path.value, from);
    if ("error" in found) {
      diagnostics.push(cantReadSet(path.span, path.value, found.error));
      return;
    }
    links.push({ span: path.span, source: found.source });
    const known = readSets.get(found.source) ?? readSetFile(found.source);
    if (!readSets.has(found.source)) diagnostics.push(...known.diagnostics);
    readSets.set(found.source, known);
    if (!files.includes(found.source)) files.push(found.source);
    setFiles.set(decl, known.file);
  };

  const follow = (file: ast.File, list: ast.File[], way: readonly ast.ImportDecl[]): void => {
    for (const name of file.implies) take(must(host.library(`${name}.xdp`), `the library's ${name}`), library, way);
    for (const item of file.items) {
      if (item.kind === "constSetDecl") readSet(item, file.source);
      if (item.kind !== "importDecl") continue;
      const { target } = item;
      if (target.kind === "library") {
        const name = target.words
          .slice(1)
          .map((w) => w.text)
          .join("/");
        const source = target.words[0]?.text === "std" ? host.library(`${name}.xdp`) : null;
        if (source === null) diagnostics.push(messages.unknownLibrary(target.span, name));
        else {
          links.push({ span: target.span, source });
          take(source, library, [...way, item]);
        }
        continue;
      }
      const found = host.read(target.path.value, file.source);
      if ("error" in found) {
        diagnostics.push(messages.badImport(target.path.span, target.path.value, found.error));
        continue;
      }
      links.push({ span: target.path.span, source: found.source });
      const circle =
        found.source === main.source
          ? 0
          : found.source === file.source
            ? way.length
            : way.findIndex((i) => i.span.file === found.source);
      if (circle >= 0) {
        const chain = way.slice(circle).map((i): Label => ({ span: i.span, text: "imported from here" }));
        diagnostics.push(messages.importCycle(item.span, target.path.value, chain));
      } else if (way.length >= MOST_DEPTH) {
        diagnostics.push(
          messages.badImport(target.path.span, target.path.value, `imports nest over ${MOST_DEPTH} deep`),
        );
      } else take(found.source, list, [...way, item]);
    }
  };

  const tunnels: SourceFile[] = [];
  for (const name of host.libraryHeaders) {
    const source = host.library(name);
    if (source === null) continue;
    if (tunnelWords(source) === null) take(source, library, []);
    else tunnels.push(source);
  }
  follow(main, imported, []);
  const users = [main, ...imported];
  const asked = (source: SourceFile): boolean =>
    tunnelWords(source)?.some((word) => users.some((file) => file.words.has(word))) === true;
  // What one tunnel's file hangs on another's headers needs that file too.
  const neededBy = (source: SourceFile): boolean =>
    tunnelWords(source)?.some((w) => !TUNNEL_WORDS.includes(w) && library.some((file) => file.words.has(w))) === true;
  for (let rest = tunnels; ; ) {
    const taken = rest.filter((source) => asked(source) || neededBy(source));
    if (taken.length === 0) break;
    for (const source of taken) take(source, library, []);
    rest = rest.filter((source) => !taken.includes(source));
  }
  return {
    sources: { main, imported, library, setFiles },
    files: [main.source, ...files.filter((f) => f !== main.source)],
    links,
    diagnostics,
  };
}
