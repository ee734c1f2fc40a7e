// What each word is: a table of texts with the tokens they have, names in tests and tunnels among them, tokens of a part, what changes
// between two lists, and that any text has tokens in order that are words.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { analyse } from "../../src/analyse.ts";
import { SourceFile } from "../../src/base/source.ts";
import { LEGEND, semanticTokens, tokensDelta } from "../../src/lsp/semantic-tokens.ts";
import { memoryHost } from "../../src/memory-host.ts";
import { fcOptions } from "../parser/support.ts";
import { analysed } from "./analysed.ts";
import { eachPrefix, editedExample, ruleFiles } from "./broken.ts";

/** Tokens as `word type modifiers`. */
function read(source: SourceFile, data: readonly number[]): string[] {
  const lines = source.text.split(/\r\n|\n|\r/);
  const found: string[] = [];
  let [line, character] = [0, 0];
  for (let i = 0; i < data.length; i += 5) {
    const [lines_, characters = 0, length = 0, type = -1, bits = 0] = data.slice(i, i + 5);
    if (lines_ === undefined || lines_ < 0 || characters < 0) throw new Error("tokens out of order");
    line += lines_;
    character = lines_ === 0 ? character + characters : characters;
    const modifiers = LEGEND.tokenModifiers.filter((_, bit) => ((bits >> bit) & 1) === 1);
    const text = (lines[line] ?? "").slice(character, character + length);
    found.push([text, LEGEND.tokenTypes[type], ...modifiers].join(" "));
  }
  return found;
}

function tokensOf(text: string): string[] {
  const { analysis, source } = analysed(text);
  return read(source, semanticTokens(analysis));
}

describe("the tokens of", () => {
  it.each<readonly [what: string, text: string, tokens: readonly string[]]>([
    ["nothing", "", []],
    ["only what the editor's grammar knows", 'if 5 == 5 then drop # set\nlog "set"', ["log keyword"]],
    [
      "a set and a header's field",
      "set a : u16[4] lru\nif tcp.dport in a then drop",
      [
        "set keyword",
        "a variable declaration static",
        "u16 type defaultLibrary",
        "lru keyword",
        "tcp class defaultLibrary",
        "dport property defaultLibrary",
        "a variable static",
      ],
    ],
    [
      "a map and a struct",
      "struct S { ipv4 : ipv4 }\nmap m : hash<S, u64>[4]\nif ip then m[S { ipv4: ip.saddr }] += 1",
      [
        "struct keyword",
        "S struct declaration",
        "ipv4 property declaration",
        "ipv4 type defaultLibrary",
        "map keyword",
        "m variable declaration static",
        "hash type defaultLibrary",
        "S struct",
        "u64 type defaultLibrary",
        "ip class defaultLibrary",
        "m variable static modification",
        "S struct",
        "ipv4 property",
        "ip class defaultLibrary",
        "saddr property defaultLibrary",
      ],
    ],
    [
      "names that are keywords elsewhere",
      "var count : u32\nset next : u16[4]\ncount = count + 1\nif tcp.dport in next then drop",
      [
        "var keyword",
        "count variable declaration static",
        "u32 type defaultLibrary",
        "set keyword",
        "next variable declaration static",
        "u16 type defaultLibrary",
        "count variable static modification",
        "count variable static",
        "tcp class defaultLibrary",
        "dport property defaultLibrary",
        "next variable static",
      ],
    ],
    [
      "constants, functions, parameters, locals",
      "const A = 5\nfn f(a : u16) = a == A\nlet b = meta.len\nif f(tcp.dport) and b > 1 then drop",
      [
        "const keyword",
        "A variable declaration readonly static",
        "fn keyword",
        "f function declaration",
        "a parameter declaration",
        "u16 type defaultLibrary",
        "a parameter",
        "A variable readonly static",
        "b variable declaration readonly",
        "meta variable defaultLibrary",
        "len property readonly defaultLibrary",
        "f function",
        "tcp class defaultLibrary",
        "dport property defaultLibrary",
        "b variable readonly",
      ],
    ],
    [
      "a header's declaration",
      'header h as k "t" rfc 5 on udp 9 { a : 4, b : 4 c : u16 checksum(header, payload) optional size a * 4 min 4 next c }\nif k then drop',
      [
        "header keyword",
        "h class declaration",
        "k class declaration",
        "rfc keyword",
        "on keyword",
        "udp class defaultLibrary",
        "a property declaration",
        "b property declaration",
        "c property declaration",
        "u16 type defaultLibrary",
        "checksum keyword",
        "header keyword",
        "payload keyword",
        "optional keyword",
        "size keyword",
        "a property",
        "min keyword",
        "next keyword",
        "c property",
        "k class",
      ],
    ],
    [
      "a limiter",
      "limiter l[4] : 5/s burst 2 per ipv4\nif ip.saddr exceeds l then drop",
      [
        "limiter keyword",
        "l variable declaration static",
        "s keyword",
        "burst keyword",
        "per keyword",
        "ipv4 type defaultLibrary",
        "ip class defaultLibrary",
        "saddr property defaultLibrary",
        "l variable static",
      ],
    ],
    [
      "tunnels and tests",
      'program p { if inner.ip then decap }\ntest "t" for p with meta.now = 1s { packet eth / ip(ttl: 1) / hex("00") times 2 expect pass }',
      [
        "program keyword",
        "p namespace declaration",
        "inner keyword",
        "ip class defaultLibrary",
        "decap keyword",
        "test keyword",
        "p namespace",
        "with keyword",
        "meta variable defaultLibrary",
        "now property readonly defaultLibrary modification",
        "packet keyword",
        "eth class defaultLibrary",
        "ip class defaultLibrary",
        "ttl property defaultLibrary",
        "hex function defaultLibrary",
        "times keyword",
        "expect keyword",
      ],
    ],
    [
      "half a statement",
      "set a : u16[4]\nlet b = 1\nif tcp.dport in a and b == ",
      [
        "set keyword",
        "a variable declaration static",
        "u16 type defaultLibrary",
        "b variable declaration readonly",
        "tcp class defaultLibrary",
        "dport property defaultLibrary",
        "a variable static",
        "b variable readonly",
      ],
    ],
    [
      "a statement behind a fault",
      "set a : u16[4]\nif nothing and tcp.dport in a then count b",
      [
        "set keyword",
        "a variable declaration static",
        "u16 type defaultLibrary",
        "tcp class defaultLibrary",
        "dport property defaultLibrary",
        "a variable static",
        "count keyword",
      ],
    ],
  ])("%s", (_what, text, tokens) => {
    expect(tokensOf(text)).toEqual(tokens);
  });

  it("a part are those of the whole", () => {
    const { analysis, source, offsets } = analysed("counter a\n‸count a\ncount a‸\ncount a\n");
    expect(read(source, semanticTokens(analysis, offsets[0], offsets[1]))).toEqual([
      "count keyword",
      "a variable static modification",
      "count keyword",
      "a variable static modification",
    ]);
  });
});

describe("what changes", () => {
  it("makes one list of the other", () => {
    const numbers = fc.array(fc.nat(3), { maxLength: 12 });
    fc.assert(
      fc.property(numbers, numbers, numbers, numbers, (head, before, after, tail) => {
        const [a, b] = [
          [...head, ...before, ...tail],
          [...head, ...after, ...tail],
        ];
        const edits = tokensDelta(a, b);
        expect(edits.length).toBeLessThanOrEqual(1);
        const made = [...a];
        for (const { start, deleteCount, data } of edits) made.splice(start, deleteCount, ...(data ?? []));
        expect(made).toEqual(b);
        if (edits.length > 0) expect(a).not.toEqual(b);
        for (const edit of edits) expect(edit.deleteCount).toBeLessThanOrEqual(before.length);
      }),
      fcOptions(300),
    );
  });
});

describe("any text", () => {
  const check = (text: string): number => {
    const source = new SourceFile("t.xdp", text);
    const analysis = analyse(source, memoryHost());
    expect(analysis.fault).toBe(null);
    const tokens = read(source, semanticTokens(analysis));
    for (const token of tokens) expect(token).toMatch(/^[A-Za-z_][^ ]* [a-z]+/);
    return tokens.length;
  };
  it("every prefix of every example", () => {
    let most = 0;
    for (const text of eachPrefix(211)) most = Math.max(most, check(text));
    expect(most).toBeGreaterThan(300);
  });
  it("after random edits", () => {
    fc.assert(
      fc.property(editedExample(), (text) => void check(text)),
      fcOptions(40),
    );
  });
  it("every word of the examples that is no reserved word has one", () => {
    for (const [path, text] of ruleFiles("examples/")) {
      if (path.includes("makefile")) continue;
      const source = new SourceFile(path, text);
      const tokens = read(source, semanticTokens(analyse(source, memoryHost())));
      const words = text
        .replace(/"[^"\n]*"/g, "")
        .replace(/#.*/g, "")
        .matchAll(/(?<![\w:.])[A-Za-z_]\w*(?![\w:]*::)|(?<=[a-z]\.)[A-Za-z_]\w*/g);
      const reserved = /^(?:if|then|else|switch|for|let|as|in|exceeds|and|or|not|true|false|pass|drop|tx|aborted)$/;
      const wanted = [...words]
        .map(([word]) => word)
        .filter((word) => !reserved.test(word) && !/^[0-9a-f]+$/.test(word));
      const have = tokens.map((token) => token.split(" ")[0] ?? "");
      const missing = wanted.filter((word) => !have.includes(word));
      expect([path, missing]).toEqual([path, []]);
    }
  });
});
