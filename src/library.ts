// The library as source files. Every run gets the same SourceFile values, so that whoever parses one can keep what it made
// of it (the start-up snapshot holds them parsed). Knows nothing of folders.

import { SourceFile } from "./base/source.ts";
import { libraryTexts } from "./cli/package-files.ts";

/** The library's files by name (`eth.xdp`); each has a path that no file on a disk has: `<std>/eth.xdp`. */
export const libraryFiles: ReadonlyMap<string, SourceFile> = new Map(
  Array.from(libraryTexts, ([name, text]) => [name, new SourceFile(`<std>/${name}`, text)]),
);

/** The names of the library's files that declare headers; those are known in every rule file. */
export const libraryHeaders: readonly string[] = Array.from(libraryTexts)
  .filter(([, text]) => /^[ \t]*header[ \t]/m.test(text))
  .map(([name]) => name);
