// The golden files of this folder: diagnostics as they are drawn, and programs after lowering, after the last pass and as assembly.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { renderDiagnostic } from "../../src/base/render.ts";
import type { PassEvent } from "../../src/compile.ts";
import { compileText } from "../support/compile.ts";
import { goldenTests, readGolden } from "./golden.ts";

const FILES = { "loop.xdp": 'import "back.xdp"\n', "back.xdp": 'import "loop.xdp"\n' };

function made(input: string, word: string): string {
  switch (word) {
    case "text":
      return compileText(input, { files: FILES })
        .diagnostics.map((d) => renderDiagnostic(d, { color: false }))
        .join("\n\n");
    case "asm":
      return compileText(input).output?.asm() ?? "refused";
    case "ir":
      return compileText(input).output?.ir() ?? "refused";
    case "lowered": {
      let text = "refused";
      const keep = (event: PassEvent): void => {
        if (event.pass === "lower") text = event.dump();
      };
      compileText(input, { observe: keep });
      return text;
    }
    default:
      return `no such output: ${word}`;
  }
}

const FOLDER = import.meta.dirname;
const NAMES = readdirSync(FOLDER).filter((name) => name.endsWith(".md"));

describe.each(NAMES)("%s", (name) => goldenTests(join(FOLDER, name), made));

test("every code of names, types, presence, state, limits and warnings has a case", () => {
  const shown = NAMES.flatMap((name) => readGolden(join(FOLDER, name)))
    .flatMap((c) => [...(c.expected.get("text") ?? "").matchAll(/\[(X\d{4})\]/g)])
    .map(([, code]) => code);
  const codes = [
    ...["X0002", "X0003", "X0004", "X0201", "X0202", "X0203", "X0204", "X0205", "X0206", "X0207", "X0208"],
    ...["X0301", "X0302", "X0303", "X0304", "X0305", "X0306", "X0307", "X0308", "X0309", "X0310", "X0401", "X0402"],
    ...["X0501", "X0502", "X0503", "X0504", "X0505", "X0506", "X0507", "X0602", "X0603", "X0606", "X0701", "X0702"],
  ];
  expect(codes.filter((code) => !shown.includes(code))).toEqual([]);
});
