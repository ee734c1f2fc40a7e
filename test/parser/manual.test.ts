// The manual's syntax part: its examples parse, its mistakes are the mistakes they claim to be, its table of codes is whole.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { SourceFile } from "../../src/base/source.ts";
import { parse } from "../../src/parser/parse.ts";

const manual = readFileSync(new URL("../../grammar/README.md", import.meta.url), "utf8");
const blocks = [...manual.matchAll(/^```(xdp[^\n]*)\n([\s\S]*?)^```$/gm)].map((m) => [m[1] ?? "", m[2] ?? ""] as const);

function codesOf(text: string): string[] {
  return parse(new SourceFile("example.xdp", text)).diagnostics.map((d) => d.code);
}

describe("the manual", () => {
  it("has examples of each kind", () => {
    for (const kind of ["xdp", "xdp-syntax", "xdp-error"]) {
      expect(blocks.filter(([info]) => info.split(" ")[0] === kind).length).toBeGreaterThan(1);
    }
  });

  it.each(blocks)("%s: %j", (info, text) => {
    const [kind, code] = info.split(" ");
    expect(codesOf(text)).toEqual(kind === "xdp-error" ? [code] : []);
  });

  it("lists every code that the messages use", () => {
    const sources = ["messages.ts", "syntax-messages.ts"].map((name) =>
      readFileSync(new URL(`../../src/parser/${name}`, import.meta.url), "utf8"),
    );
    const used = new Set(sources.join("\n").match(/(?<=")X01\d\d(?=")/g));
    const listed = manual.slice(manual.indexOf("## Messages"));
    expect(used.size).toBeGreaterThan(30);
    for (const code of used) expect(listed).toContain(code);
  });
});
