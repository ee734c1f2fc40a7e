// Broken texts for tests of the editor's features: beginnings of the examples, and examples after random edits as fingers make them.

import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";

const root = new URL("../../", import.meta.url);

/** The rule files of a folder and its sub-folders, as `[path, text]`; the path is from the project's folder. */
export function ruleFiles(
  folder: "examples/" | "stdlib/" | "test/parser/samples/",
): (readonly [path: string, text: string])[] {
  return readdirSync(new URL(folder, root), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".xdp"))
    .sort()
    .map((file) => [`${folder}${file}`, readFileSync(new URL(`${folder}${file}`, root), "utf8")] as const);
}

/**
 * Beginnings of every example: one every `step` characters, each time at other places than a step of another number would, and always
 * the whole. `XDPC_EVERY_PREFIX=1` gives every one.
 */
export function* eachPrefix(step: number): Generator<string> {
  const stride = process.env.XDPC_EVERY_PREFIX === "1" ? 1 : step;
  for (const [, text] of ruleFiles("examples/")) {
    for (let end = 0; end < text.length; end += stride) yield text.slice(0, end);
    yield text;
  }
}

const TYPED = [
  "",
  " ",
  "\n",
  "\r",
  "\r\n",
  "{",
  "}",
  "(",
  ")",
  '"',
  "#",
  ".",
  ":",
  ",",
  "|",
  "if ",
  "then ",
  "fn ",
  "ip.",
  "\u{1f600}",
  "\ud800",
  "\0",
];

/** An example after a few edits: something typed in the place of something else. */
export function editedExample(): fc.Arbitrary<string> {
  const texts = ruleFiles("examples/").map(([, text]) => text);
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    cut: fc.nat(40),
    typed: fc.constantFrom(...TYPED),
  });
  return fc.tuple(fc.constantFrom(...texts), fc.array(edit, { minLength: 1, maxLength: 4 })).map(([text, edits]) =>
    edits.reduce((before, { at, cut, typed }) => {
      const start = Math.floor(at * before.length);
      return before.slice(0, start) + typed + before.slice(start + cut);
    }, text),
  );
}
