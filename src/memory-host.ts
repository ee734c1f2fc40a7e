// A host over texts in memory, with the library: for tests, editors and browsers.

import { SourceFile } from "./base/source.ts";
import type { CompileHost } from "./compile.ts";
import { libraryFiles, libraryHeaders } from "./library.ts";

/** A host whose imports are found in `files`: paths relative to the importing file's folder, with `/`, to texts. */
export function memoryHost(files: Readonly<Record<string, string>> = {}): CompileHost {
  const sources = new Map(Object.entries(files).map(([path, text]) => [path, new SourceFile(path, text)]));
  return {
    library: (name) => libraryFiles.get(name) ?? null,
    libraryHeaders,
    read(path, from) {
      // The importing file may be the one the caller made: by its path it is one of ours all the same.
      const resolved = join(from.path, path);
      if (resolved === from.path) return { source: from };
      const source = sources.get(resolved);
      return source === undefined ? { error: "no such file or directory" } : { source };
    },
  };
}

function join(from: string, written: string): string {
  const parts = written.startsWith("/") ? [] : from.split("/").slice(0, -1);
  const root = written.startsWith("/") || from.startsWith("/") ? "/" : "";
  const result: string[] = [];
  for (const part of [...parts, ...written.split("/")]) {
    if (part === "..") {
      if (result.length > 0 && result.at(-1) !== "..") result.pop();
      else if (root === "") result.push("..");
    } else if (part !== "" && part !== ".") result.push(part);
  }
  return root + result.join("/");
}
