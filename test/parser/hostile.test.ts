// Whatever the text, parsing ends, soon, with a tree or diagnostics that have places and words of their own.

import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { renderDiagnostic } from "../../src/base/render.ts";
import { SourceFile } from "../../src/base/source.ts";
import { formatFile } from "../../src/parser/format.ts";
import { parse } from "../../src/parser/parse.ts";
import { fcOptions } from "./support.ts";

const folder = new URL("./samples/", import.meta.url);
const samples = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), "utf8"));
const MB = 1 << 20;

/** Parses `text` and checks what must hold of any result; gives the diagnostics' codes. */
function survives(text: string): string[] {
  const source = new SourceFile("hostile.xdp", text);
  const { file, diagnostics } = parse(source);
  expect(diagnostics.length).toBeLessThanOrEqual(102);
  for (const d of diagnostics) {
    expect(d.code).toMatch(/^X01\d\d$/);
    // Names of tokens and rules are ours, not the user's.
    expect(d.message + d.primary?.text + d.help).not.toMatch(
      /something else|undefined|\b(LEFT|RIGHT|MAP|OTHER|TARGET|ELSE)_[A-Z]+|\b(NAME|IDENTIFIER|LABEL|LITERAL|VERDICT)\b|[a-z](Stmt|Decl)\b/,
    );
    const places = [d.primary, ...d.secondary].map((label) => label?.span);
    for (const place of [...places, ...(d.fix?.edits.map((e) => e.span) ?? [])]) {
      if (place === undefined) throw new Error(`${d.code} has no place`);
      expect(place.file).toBe(source);
      expect(place.start).toBeGreaterThanOrEqual(0);
      expect(place.end).toBeGreaterThanOrEqual(place.start);
      expect(place.end).toBeLessThanOrEqual(text.length);
    }
  }
  for (const d of diagnostics.slice(0, 3)) expect(renderDiagnostic(d, { color: false }).length).toBeLessThan(5000);
  if (diagnostics.length === 0) formatFile(file);
  return diagnostics.map((d) => d.code);
}

describe("mutated samples", () => {
  const pieces = [
    ..."{ } ( ) [ ] , : ; . .. => = == + - * / < > << >> | & ^ ! # \" ' \\ @ \0 \n".split(" "),
    ..."if then else switch for let in or and not as drop pass set map header program test struct fn size next".split(
      " ",
    ),
    ..."0 1 10.0.0.256 ::1 aa:bb 5x \u{1f600} \ud800 é or\u00a0drop".split(" "),
  ];
  it("parse without a throw", () => {
    const mutation = fc.record({ at: fc.nat(), cut: fc.nat({ max: 12 }), piece: fc.constantFrom(...pieces, "") });
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        (sample, mutations) => {
          let text = sample;
          for (const { at, cut, piece } of mutations) {
            const from = at % (text.length + 1);
            text = text.slice(0, from) + piece + text.slice(from + cut);
          }
          survives(text);
        },
      ),
      fcOptions(3000),
    );
  }, 120_000);

  it("a mutation of one token gives few messages", () => {
    // No cascades: what is one slip must not look like many. How far that goes is a matter of taste, hence a fixed seed.
    fc.assert(
      fc.property(fc.constantFrom(...samples), fc.nat(), (sample, at) => {
        const words = [...sample.matchAll(/\w+|[^\s\w]/g)];
        const word = words[at % words.length] as RegExpExecArray;
        const text = sample.slice(0, word.index) + sample.slice(word.index + word[0].length);
        // A bracket or quote less can shift all that follows.
        fc.pre(!/[{}()[\]"#\\]/.test(word[0]));
        expect(survives(text).length, text).toBeLessThanOrEqual(2);
      }),
      { seed: 11, ...fcOptions(600) },
    );
  }, 60_000);
});

describe("prefixes", () => {
  it.each(samples.map((sample, i) => [i, sample] as const))("of sample %i parse without a throw", (_, sample) => {
    // Every prefix of the beginning, then steps, so that the work stays linear enough.
    for (let end = 0; end <= sample.length; end += end < 400 ? 1 : 7) survives(sample.slice(0, end));
  });
});

describe("random text", () => {
  it("bytes read as UTF-8", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        survives(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
      }),
      fcOptions(1000),
    );
  });

  it("words and signs in any order", () => {
    const tokens = `if then else switch for let in or and not as drop pass redirect count insert set map counter limiter
      const config var struct header fn import license default program test packet expect size next on { } ( ) [ ] , : ;
      . .. => = += == < > * / - ! a b tcp 5 10.0.0.1 "s" \n`.split(/ +/);
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...tokens), { maxLength: 60 }), (words) => {
        survives(words.join(" "));
      }),
      fcOptions(2000),
    );
  }, 60_000);
});

describe("huge text", () => {
  const rule = (i: number): string =>
    `if ip.saddr == 10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255} and tcp.dport == ${i & 65535} then drop`;
  const chain = (links: number): string => `if a then b()\n${"else if a then b()\n".repeat(links)}`;

  it.each<readonly [string, string]>([
    ...[..."([{}])"].map((c) => [`1 MB of ${c}`, c.repeat(MB)] as const),
    ["1 MB of parentheses in an expression", `let x = ${"(".repeat(MB)}`],
    ["1 MB of braces in an expression", `let x = ${"{".repeat(MB)}`],
    ["blocks", "if a then {".repeat(100_000)],
    ["nested ifs on one line", "if a then ".repeat(10_000)],
    ["nested ifs on many lines", "if a then\n".repeat(10_000)],
    ["nots", `let x = ${"not ".repeat(MB / 4)}a`],
    ["a long sum", `let x = a${" + a".repeat(100_000)}`],
    ["a long else-if chain", chain(10_000)],
    ["members", `let x = a${".a".repeat(100_000)}`],
    ["indexes", `let x = ${"a[".repeat(100_000)}`],
    ["calls", `let x = ${"f(".repeat(100_000)}`],
    ["types", `var x : ${"prefix<".repeat(100_000)}`],
    ["tuple types", `var x : ${"(".repeat(100_000)}`],
    ["array types", `var x : u8${"[1]".repeat(100_000)}`],
    ["switches", "switch a { ".repeat(50_000)],
    ["arms", "switch a { b => ".repeat(50_000)],
    ["programs", "program a { ".repeat(50_000)],
    ["an open string", `log "${"a\\n".repeat(MB / 3)}`],
    ["digits", `let x = ${"9".repeat(MB)}`],
    ["colons", `let x = ${":".repeat(MB)}`],
    ["groups", `let x = ${"a:".repeat(MB / 2)}`],
    ["dots", `let x = ${"1.".repeat(MB / 2)}1`],
    ["junk", "@ ".repeat(MB / 2)],
    ["NUL bytes", "\0".repeat(MB)],
    ["words", "a ".repeat(MB / 2)],
    ["lines of words", "a\n".repeat(MB / 2)],
    ["elses", "else ".repeat(MB / 5)],
    ["comments of another kind", "/*".repeat(MB / 2)],
    ["pairs with dashes", "aa-".repeat(MB / 3)],
  ])(
    "%s ends in diagnostics",
    (_, text) => {
      expect(survives(text).length).toBeGreaterThan(0);
    },
    30_000,
  );

  it.each([
    ["a string of 1 MB", `log "${"a".repeat(MB)}"`],
    ["a comment of 1 MB", `#${"#".repeat(MB)}`],
    ["a word of 1 MB", `var ${"a".repeat(MB)} : u8`],
    ["1 MB of semicolons", ";".repeat(MB)],
    ["a set of 100,000 numbers", `let x = {${"1,".repeat(100_000)}}`],
    ["20,000 rules", Array.from({ length: 20_000 }, (_, i) => rule(i)).join("\n")],
    ["an else-if chain of 900", chain(900)],
    ["a sum of 900", `let x = a${" + a".repeat(900)}`],
    ["parentheses 120 deep", `let x = ${"(".repeat(120)}1${")".repeat(120)}`],
    ["blocks 60 deep", `${"if a then { ".repeat(60)}pass${" }".repeat(60)}`],
  ])(
    "%s is fine",
    (_, text) => {
      expect(survives(text)).toEqual([]);
    },
    30_000,
  );

  it("takes time in proportion to the text", () => {
    const time = (rules: number): number => {
      const text = Array.from({ length: rules }, (_, i) => rule(i)).join("\n");
      const start = process.cpuUsage();
      parse(new SourceFile("t", text));
      return process.cpuUsage(start).user;
    };
    time(2000);
    const small = Math.min(time(4000), time(4000));
    // Eight times the rules; a square law would take 64 times as long.
    expect(time(32_000)).toBeLessThan(30 * small);
  }, 60_000);
});
