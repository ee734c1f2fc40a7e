// The open documents, what is on the disk beside them, and the analysis of each. An analysis is made when somebody asks for it and kept
// until a text that it read has changed; open texts come before the disk. Knows no connection and no features.
//
// For features: `analysed(uri)` is a document with its tree, its typed form and its facts (src/ir/facts.ts); offsets and positions are
// ranges.ts's; `uriOf(source)` gives any file of an analysis back to the editor, the library's too.

import type { Range, TextDocumentContentChangeEvent } from "vscode-languageserver-protocol";
import { type Analysis, analyse } from "../analyse.ts";
import { SourceFile, type Span } from "../base/source.ts";
import type { CompileHost } from "../compile.ts";
import { libraryFiles, libraryHeaders } from "../library.ts";
import { offsetAt } from "./ranges.ts";
import { folderOf, keyOf, libraryUri, pathOf, resolve } from "./uris.ts";

/** What the server asks of the machine it runs on; a browser may answer with errors. */
export interface FileAccess {
  /** The text of a file, the same string as long as it hasn't changed; `error` says why not, as CompileHost.read does. */
  read(uri: string): { readonly text: string } | { readonly error: string };
  /** The rule files (`.xdp`) in a folder and below it, at most `limit`. */
  ruleFiles(folder: string, limit: number): readonly string[];
  /** Where the library's file of that name (`eth.xdp`) is on the disk, as a URI; null where it is nowhere. */
  libraryUri(name: string): string | null;
}

/** A document as the editor has it. */
export interface OpenDocument {
  readonly uri: string;
  readonly version: number;
  readonly source: SourceFile;
}

/** A file with all that is known of it. */
export interface Analysed {
  readonly uri: string;
  /** The editor's version; null for a file that isn't open. */
  readonly version: number | null;
  readonly source: SourceFile;
  readonly analysis: Analysis;
  /** What was asked for on the way, and the answers. */
  readonly reads: readonly Read[];
}

/** A name of a file in a file: what it stands for, or why it can't be read. */
export interface Read {
  readonly from: SourceFile;
  readonly written: string;
  readonly found: SourceFile | string;
  /** The URIs at which it was looked for. */
  readonly tried: readonly string[];
}

/** Analyses of files that aren't open, kept for the next search. */
const MOST_KEPT = 64;
/** Rule files looked for in the editor's folders. */
const MOST_FILES = 1000;

/** All documents of one editor. */
export class Workspace {
  readonly #files: FileAccess;
  readonly #open = new Map<string, OpenDocument>();
  readonly #closed = new Map<string, { readonly text: string; readonly source: SourceFile }>();
  readonly #kept = new Map<string, Analysed>();
  readonly #uris = new WeakMap<SourceFile, string>();
  /** The editor's folders, as URIs that end in a slash. */
  folders: readonly string[] = [];
  /** Where imports are looked for besides the folder of the file that names them, as URIs that end in a slash. */
  importFolders: readonly string[] = [];

  constructor(files: FileAccess) {
    this.#files = files;
    for (const [name, source] of libraryFiles) this.#uris.set(source, files.libraryUri(name) ?? libraryUri(name));
  }

  // ------------------------------------------------------------------------------------------------------------ documents

  /** The open documents. */
  documents(): readonly OpenDocument[] {
    return [...this.#open.values()];
  }

  document(uri: string): OpenDocument | null {
    return this.#open.get(keyOf(uri)) ?? null;
  }

  open(uri: string, version: number, text: string): void {
    this.#setOpen(uri, version, text);
  }

  /** Changes a document, step by step as the editor tells; what isn't open stays so. */
  change(uri: string, version: number, changes: readonly TextDocumentContentChangeEvent[]): void {
    const document = this.document(uri);
    if (document === null) return;
    let { source } = document;
    for (const change of changes) {
      // Some editors send a range of null with a text as a whole.
      const text = "range" in change && change.range !== null ? edited(source, change) : change.text;
      source = new SourceFile(source.path, text);
    }
    this.#setOpen(document.uri, version, source.text);
  }

  close(uri: string): void {
    this.#open.delete(keyOf(uri));
    this.#kept.delete(keyOf(uri));
  }

  #setOpen(uri: string, version: number, text: string): void {
    const source = new SourceFile(pathOf(uri), text);
    this.#uris.set(source, uri);
    this.#open.set(keyOf(uri), { uri, version, source });
  }

  // ------------------------------------------------------------------------------------------------------------- analyses

  /** A file with all that is known of it, open or on the disk; null where there is none. Takes as long as typing the file does. */
  analysed(uri: string): Analysed | null {
    const key = keyOf(uri);
    const kept = this.#kept.get(key);
    const source = this.#sourceOf(uri);
    if (typeof source === "string") return null;
    const document = this.document(uri);
    if (kept !== undefined && kept.source === source && this.#isFresh(kept)) return kept;
    const reads: Read[] = [];
    const analysis = analyse(source, this.#hostFor(reads));
    const analysed = { uri: document?.uri ?? uri, version: document?.version ?? null, source, analysis, reads };
    this.#kept.delete(key);
    this.#kept.set(key, analysed);
    for (const [old] of this.#kept) {
      if (this.#kept.size <= MOST_KEPT) break;
      if (!this.#open.has(old)) this.#kept.delete(old);
    }
    return analysed;
  }

  /** The analyses of the open documents. */
  analyses(): readonly Analysed[] {
    return this.documents().flatMap((document) => this.analysed(document.uri) ?? []);
  }

  /** The URIs of all rule files: open ones and those in the editor's folders. */
  ruleFiles(): readonly string[] {
    const found = new Map(this.documents().map((document) => [keyOf(document.uri), document.uri]));
    for (const folder of this.folders) {
      for (const uri of this.#files.ruleFiles(folder, MOST_FILES)) {
        if (!found.has(keyOf(uri))) found.set(keyOf(uri), uri);
      }
    }
    return [...found.values()];
  }

  /** The URI of a file that an analysis has read. */
  uriOf(source: SourceFile): string {
    return this.#uris.get(source) ?? source.path;
  }

  /** Whether a span is in a file of the library. */
  isLibrary(span: Span): boolean {
    return span.file.path.startsWith("<");
  }

  /** A host for compilations: imports are found as the editor sees them. */
  host(): CompileHost {
    return this.#hostFor([]);
  }

  #isFresh({ reads }: Analysed): boolean {
    return reads.every(({ tried, found }) => this.#find(tried) === found);
  }

  #hostFor(reads: Read[]): CompileHost {
    return {
      library: (name) => libraryFiles.get(name) ?? null,
      libraryHeaders,
      read: (written, from) => {
        const tried = this.#foldersFor(from).flatMap((folder) => resolve(folder, written) ?? []);
        const found = this.#find(tried);
        reads.push({ from, written, found, tried });
        return typeof found === "string" ? { error: found } : { source: found };
      },
    };
  }

  /** The first of these that can be read, or why the first can't. */
  #find(uris: readonly string[]): SourceFile | string {
    let error: string | null = null;
    for (const uri of uris) {
      const found = this.#sourceOf(uri);
      if (typeof found !== "string") return found;
      error ??= found;
    }
    return error ?? "the file that names it isn't saved anywhere";
  }

  #foldersFor(from: SourceFile): readonly string[] {
    const own = folderOf(this.uriOf(from));
    return [...(own === null ? this.folders.slice(0, 1) : [own]), ...this.importFolders];
  }

  /** The text a URI names, as one object as long as it doesn't change; or why there is none. */
  #sourceOf(uri: string): SourceFile | string {
    const open = this.document(uri);
    if (open !== null) return open.source;
    const found = this.#files.read(uri);
    if ("error" in found) return found.error;
    const key = keyOf(uri);
    const known = this.#closed.get(key);
    if (known !== undefined && known.text === found.text) return known.source;
    const source = new SourceFile(pathOf(uri), found.text);
    this.#uris.set(source, uri);
    this.#closed.set(key, { text: found.text, source });
    return source;
  }
}

function edited(source: SourceFile, change: { readonly range: Range; readonly text: string }): string {
  const { text } = source;
  const [a, b] = [offsetAt(source, change.range.start), offsetAt(source, change.range.end)];
  return text.slice(0, Math.min(a, b)) + change.text + text.slice(Math.max(a, b));
}
