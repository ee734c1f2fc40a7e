// What VS Code is told of the language besides its colours: when lines indent, what a word is, and the compiler's messages as tasks'
// problems. The regular expressions are JavaScript's there as here.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { renderDiagnostic } from "../../src/base/render.ts";
import { compileText } from "../support/compile.ts";

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../editors/vscode/${name}`, import.meta.url), "utf8"));

interface Configuration {
  readonly wordPattern: string;
  readonly indentationRules: Readonly<
    Record<"increaseIndentPattern" | "decreaseIndentPattern" | "indentNextLinePattern", string>
  >;
  readonly onEnterRules: readonly { readonly beforeText: string; readonly afterText: string }[];
  readonly folding: { readonly markers: { readonly start: string; readonly end: string } };
}

const configuration = read("language-configuration.json") as Configuration;
const rules = configuration.indentationRules;

test.each([
  ["if tcp then {", "more"],
  ["program outside frags {   # the first", "more"],
  ["const BOGONS = {", "more"],
  ["    answers(", "more"],
  ["if tcp then", "one"],
  ["} else", "one"],
  ["    else   # otherwise", "one"],
  ["    1..5 =>", "one"],
  ["if tcp then drop", "same"],
  ["if x then { drop }", "same"],
  ['log "{"', "same"],
  ['log "then', "same"],
  ["# if then", "same"],
  ["# {", "same"],
  ["count then_some", "same"],
  ["x = y #{", "same"],
])("behind %j: %s", (line, wanted) => {
  const more = new RegExp(rules.increaseIndentPattern).test(line);
  const one = new RegExp(rules.indentNextLinePattern).test(line);
  expect([more, one]).toEqual([wanted === "more", wanted === "one"]);
});

test.each([
  ["}", true],
  ["    } else {", true],
  ["  ])", true],
  ["if x then { }", false],
  ["# }", false],
])("%j goes back: %s", (line, wanted) => {
  expect(new RegExp(rules.decreaseIndentPattern).test(line)).toBe(wanted);
});

test("comments go on, regions fold", () => {
  const [rule] = configuration.onEnterRules;
  expect(new RegExp(rule?.beforeText ?? "").test("    # a comment that")).toBe(true);
  expect(new RegExp(rule?.beforeText ?? "").test("drop # a comment that")).toBe(false);
  const { start, end } = configuration.folding.markers;
  expect([new RegExp(start).test("# region bogons"), new RegExp(end).test("  #endregion")]).toEqual([true, true]);
  expect(new RegExp(start).test("# regional")).toBe(false);
});

test("words are names, numbers and addresses as a whole, fields apart from their header", () => {
  const words = (text: string): string[] => text.match(new RegExp(configuration.wordPattern, "g")) ?? [];
  expect(words("if tcp.dport in { 80, 0x1f } and ip.saddr != 10.0.0.1")).toEqual([
    "if",
    "tcp",
    "dport",
    "in",
    "80",
    "0x1f",
    "and",
    "ip",
    "saddr",
    "10.0.0.1",
  ]);
  expect(words("eth.saddr == 01:80:c2:00:00:0e")).toEqual(["eth", "saddr", "01:80:c2:00:00:0e"]);
  expect(words("8000..8999")).toEqual(["8000", "8999"]);
});

test("hostile lines take no time", () => {
  const patterns = [configuration.wordPattern, ...Object.values(rules)].map((pattern) => new RegExp(pattern));
  for (const run of ['"', '"\\', "{ ", "{  ", "then ", "=> ", "# ", "a:", "aa:", "1.", "\\", '""', " "]) {
    const line = `${run.repeat(20_000)}!`;
    const started = performance.now();
    for (const pattern of patterns) pattern.test(line);
    expect(performance.now() - started, JSON.stringify(run)).toBeLessThan(2000);
  }
});

test("the problem matcher reads the compiler's messages", () => {
  const { contributes } = read("package.json") as {
    contributes: {
      problemPatterns: [{ patterns: [Record<string, string | number>, Record<string, string | number>] }];
    };
  };
  const [first, second] = contributes.problemPatterns[0].patterns;
  const { diagnostics } = compileText("counter hits\ncount nothing\n", { path: "rules/a b.xdp" });
  expect(diagnostics.length).toBeGreaterThan(0);
  for (const diagnostic of diagnostics) {
    const [head = "", place = ""] = renderDiagnostic(diagnostic, { color: false }).split("\n");
    const said = new RegExp(String(first.regexp)).exec(head);
    expect(said?.[Number(first.severity)]).toBe(diagnostic.severity);
    expect(said?.[Number(first.code)]).toBe(diagnostic.code);
    expect(said?.[Number(first.message)]).toBe(diagnostic.message);
    const where = new RegExp(String(second.regexp)).exec(place);
    expect([second.file, second.line, second.column].map((group) => where?.[Number(group)])).toEqual([
      "rules/a b.xdp",
      "2",
      "7",
    ]);
  }
});
