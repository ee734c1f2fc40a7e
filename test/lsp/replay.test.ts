// Half-typed text: the beginnings of every example as an editor would send them, keystroke by keystroke, and examples after random edits, each
// through every request the server answers. Nothing may throw or take long. XDPC_EVERY_PREFIX=1 takes every beginning, FC_RUNS more edits.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { offsetAt, positionAt } from "../../src/lsp/ranges.ts";
import { ruleFiles } from "./broken.ts";
import { askEverything, sessionOf } from "./session.ts";

const EVERY = process.env.XDPC_EVERY_PREFIX === "1";
/** Beginnings of one example that are asked about in a usual run; the edits between are all made. */
const BEGINNINGS = EVERY ? Number.POSITIVE_INFINITY : 12;
/** No answer about a small file may take this long, on a machine with other things to do. */
const PATIENCE_MILLISECONDS = 5000;

describe("the beginnings of an example", () => {
  test.each(ruleFiles("examples/"))("%s", { timeout: EVERY ? 3_600_000 : 60_000 }, async (path, text) => {
    const session = sessionOf();
    const { workspace } = session;
    const uri = `file:///rules/${path}`;
    workspace.open(uri, 0, "");
    const stride = Math.max(1, Math.floor(text.length / BEGINNINGS));
    let at = 0;
    // Another place for each file, the same in each run.
    let next = (text.length * 7919) % stride;
    while (at < text.length) {
      const end = Math.min(text.length, EVERY ? at + 1 : next);
      // Typed in pieces of a few characters, at the end of what is there.
      const step = Math.max(1, Math.ceil((end - at) / 8));
      for (let from = at; from < end; from += step) {
        const source = workspace.document(uri)?.source;
        if (source === undefined) throw new Error("the document is gone");
        const position = positionAt(source, from);
        const piece = text.slice(from, Math.min(end, from + step));
        workspace.change(uri, end, [{ range: { start: position, end: position }, text: piece }]);
      }
      at = end;
      next = at + stride;
      expect(workspace.document(uri)?.source.text).toBe(text.slice(0, at));
      const start = performance.now();
      await askEverything(session, uri, EVERY ? [at] : [at, Math.floor(at / 2), Math.max(0, at - 3)]);
      expect(performance.now() - start, `${path}, the first ${at} characters`).toBeLessThan(PATIENCE_MILLISECONDS);
    }
    expect(workspace.document(uri)?.source.text).toBe(text);
  });
});

const TYPED = [
  "",
  " ",
  "\n",
  "\r\n",
  "{",
  "}",
  "(",
  ")",
  "[",
  "]",
  '"',
  "#",
  ".",
  ":",
  ",",
  ";",
  "=",
  "if ",
  "then ",
  "else ",
  "let x = ",
  "fn f(a : u16) = ",
  "ip.",
  "inner.",
  "meta.",
  "tcp",
  "in ",
  "{ 1, ",
  "count ",
  'test "" { packet eth / ',
  "expect ",
  "header h on eth 1 { a : 4",
  "struct S { a : ",
  "map m : hash<",
  "for i in 0..",
  "switch ",
  "encap ip { ",
  "\u{1f600}",
  "\ud800",
  "\0",
  "constructor ",
  "__proto__ ",
];

const MONSTERS: Readonly<Record<string, string>> = {
  "brackets that are never closed": `if ${"(".repeat(5000)}`,
  "ifs in ifs": `${"if ip then ".repeat(3000)}drop`,
  "blocks in blocks, half": "if ip then { ".repeat(3000),
  "a chain of else": `if ip then drop ${"else if tcp then drop ".repeat(2000)}`,
  "a long condition": `if ${"ip and ".repeat(10_000)}ip then drop`,
  "a long sum": `if ip.ttl == 1${" + 1".repeat(10_000)} then drop`,
  nots: `if ${"not ".repeat(10_000)}ip then drop`,
  "fields of fields": `if ip${".a".repeat(5000)} then drop`,
  "functions in functions": `${Array.from({ length: 500 }, (_, i) => `fn f${i}() = ${i > 0 ? `f${i - 1}()` : "ip"}`).join("\n")}\nif f499() then drop`,
  "structs in structs": Array.from(
    { length: 500 },
    (_, i) => `struct S${i} { a : ${i > 0 ? `S${i - 1}` : "u8"} }`,
  ).join("\n"),
  "brackets that don't fit": "}{)(][".repeat(1000),
  quotes: '"'.repeat(5001),
  layers: `test "" { packet ${"eth / ".repeat(2000)}`,
  "names that every object has":
    "if meta.constructor then drop\nif ip.__proto__ == 1 then drop\ncount toString\nmap m : constructor<u8>[1]\nredirect valueOf\nmeta.__proto__ = 1\n",
};

test.each(Object.entries(MONSTERS))("%s", async (_name, text) => {
  const session = sessionOf();
  const uri = "file:///rules/monster.xdp";
  session.workspace.open(uri, 1, text);
  const start = performance.now();
  await askEverything(session, uri, [0, Math.floor(text.length / 2), text.length]);
  expect(performance.now() - start).toBeLessThan(30_000);
});

test("examples after random edits", { timeout: 300_000 }, async () => {
  const texts = ruleFiles("examples/");
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    cut: fc.oneof({ arbitrary: fc.nat(3), weight: 3 }, { arbitrary: fc.nat(200), weight: 1 }),
    typed: fc.constantFrom(...TYPED),
  });
  const place = fc.double({ min: 0, max: 1, noNaN: true });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...texts),
      fc.array(edit, { minLength: 1, maxLength: 6 }),
      fc.array(place, { minLength: 1, maxLength: 2 }),
      async ([path, text], edits, places) => {
        const session = sessionOf();
        const { workspace } = session;
        const uri = `file:///rules/${path}`;
        workspace.open(uri, 0, text);
        for (const [i, { at, cut, typed }] of edits.entries()) {
          const source = workspace.document(uri)?.source;
          if (source === undefined) throw new Error("the document is gone");
          const from = Math.floor(at * source.text.length);
          const [start, end] = [positionAt(source, from), positionAt(source, from + cut)];
          workspace.change(uri, i + 1, [{ range: { start, end }, text: typed }]);
          // A place between \r and \n is none to an editor.
          const expected =
            source.text.slice(0, offsetAt(source, start)) + typed + source.text.slice(offsetAt(source, end));
          expect(workspace.document(uri)?.source.text).toBe(expected);
        }
        const length = workspace.document(uri)?.source.text.length ?? 0;
        const started = performance.now();
        await askEverything(
          session,
          uri,
          places.map((at) => Math.floor(at * length)),
        );
        expect(performance.now() - started, workspace.document(uri)?.source.text).toBeLessThan(PATIENCE_MILLISECONDS);
      },
    ),
    {
      numRuns: Number(process.env.FC_RUNS ?? 60),
      ...(process.env.FC_SEED === undefined ? {} : { seed: Number(process.env.FC_SEED) }),
    },
  );
});
