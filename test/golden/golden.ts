// Golden files: Markdown that holds inputs and what is expected of them side by side, so that a change of either is read as a
// user would read it. A case is a heading and fenced blocks: `xdp` the input (more with a name are files to import), then what is
// expected under a name of its own. UPDATE_GOLDEN=1 rewrites what is expected; CI never sets it.

import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";

/** One case of a golden file. */
export interface GoldenCase {
  readonly title: string;
  readonly input: string;
  /** Expected texts by the fence's word, in the order of the file. */
  readonly expected: ReadonlyMap<string, string>;
}

const FENCE = /^```(\S+)\n([\s\S]*?)^```$/gm;

/** Reads a golden file into its cases; text outside headings and fences is for people. */
export function readGolden(path: string): GoldenCase[] {
  const [, ...sections] = readFileSync(path, "utf8").split(/^## /m);
  return sections.map((section) => {
    const blocks = [...section.matchAll(FENCE)].map(([, word, text]) => [word!, text!] as const);
    return {
      title: section.slice(0, section.indexOf("\n")).trim(),
      input: blocks.find(([word]) => word === "xdp")?.[1] ?? "",
      expected: new Map(blocks.filter(([word]) => word !== "xdp")),
    };
  });
}

/** A test for each case of the file: `make` gives the texts for the words that the case holds. */
export function goldenTests(path: string, make: (input: string, word: string) => string): void {
  const cases = readGolden(path);
  if (process.env.UPDATE_GOLDEN === "1") {
    const text = readFileSync(path, "utf8");
    let input = "";
    const fresh = text.replace(FENCE, (block, word: string, body: string) => {
      if (word !== "xdp") return `\`\`\`${word}\n${make(input, word).trimEnd()}\n\`\`\``;
      input = body;
      return block;
    });
    writeFileSync(path, fresh);
  }
  test.each((process.env.UPDATE_GOLDEN === "1" ? readGolden(path) : cases).map((c) => [c.title, c] as const))(
    "%s",
    (_, { input, expected }) => {
      expect(expected.size).toBeGreaterThan(0);
      for (const [word, text] of expected) expect(make(input, word).trimEnd(), word).toBe(text.trimEnd());
    },
  );
}
