// What the package itself carries: its version and the library's texts. Run from source they are read from the folders beside
// src/; the build puts a module with the same exports and the texts inside the bundle in this one's place (scripts/build.mjs), so
// that a start of the compiler reads no library file.

import { readdirSync, readFileSync } from "node:fs";

const ROOT = new URL("../../", import.meta.url);

/** The package's version, as in package.json. */
export const packageVersion: string = (
  JSON.parse(readFileSync(new URL("package.json", ROOT), "utf8")) as { version: string }
).version;

/** The library: file name (`eth.xdp`) to text, sorted by name. */
export const libraryTexts: ReadonlyMap<string, string> = new Map(
  readdirSync(new URL("stdlib/", ROOT))
    .filter((name) => name.endsWith(".xdp"))
    .sort()
    .map((name) => [name, readFileSync(new URL(`stdlib/${name}`, ROOT), "utf8")]),
);
