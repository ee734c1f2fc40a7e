// The other places of a name, and which of them write. In the texts the places are in brackets, those that write with `!` behind.

import { describe, expect, it } from "vitest";
import { DocumentHighlightKind } from "vscode-languageserver-protocol";
import { highlightsAt } from "../../src/lsp/highlights.ts";
import { analysed } from "./analysed.ts";

/** A text in which the highlights are shown as they are expected to be written. */
function shown(text: string): string {
  const { analysis, offsets, source } = analysed(text);
  const found = highlightsAt(analysis, offsets[0] ?? 0);
  const lines = source.text.split("\n");
  for (const { range, kind } of found.toSorted((a, b) => b.range.start.character - a.range.start.character)) {
    const { line, character } = range.start;
    const old = lines[line] ?? "";
    const mark = kind === DocumentHighlightKind.Write ? "!" : kind === DocumentHighlightKind.Text ? "?" : "";
    lines[line] =
      `${old.slice(0, character)}⟦${old.slice(character, range.end.character)}⟧${mark}${old.slice(range.end.character)}`;
  }
  return lines.join("\n");
}

describe("the places of", () => {
  it.each<readonly [what: string, text: string, expected: string]>([
    [
      "a set",
      "set ‸a : u16[4]\nif tcp.dport in a then insert a 5",
      "set ⟦a⟧ : u16[4]\nif tcp.dport in ⟦a⟧ then insert ⟦a⟧! 5",
    ],
    [
      "a map",
      "map m : array<u64>[4]\nm[0] += 1\nif let e = ‸m[1] then e = 1",
      "map ⟦m⟧ : array<u64>[4]\n⟦m⟧![0] += 1\nif let e = ⟦m⟧[1] then e = 1",
    ],
    [
      "an entry",
      "map m : array<u64>[4]\nif let e = m[1] then { ‸e = e + 1 }",
      "map m : array<u64>[4]\nif let ⟦e⟧! = m[1] then { ⟦e⟧! = ⟦e⟧ + 1 }",
    ],
    ["a counter", "counter a\ncount ‸a", "counter ⟦a⟧\ncount ⟦a⟧!"],
    [
      "a let",
      "let a = meta.len\nif ‸a > 1 and a < 5 then drop",
      "let ⟦a⟧! = meta.len\nif ⟦a⟧ > 1 and ⟦a⟧ < 5 then drop",
    ],
    [
      "one of two lets",
      "let a = meta.len\nlet a = ‸a + 1\nif a > 5 then drop",
      "let ⟦a⟧! = meta.len\nlet a = ⟦a⟧ + 1\nif a > 5 then drop",
    ],
    [
      "a field",
      "if tcp.‸dport == 1 then { tcp.dport = 2 swap tcp.sport, tcp.dport }\nif udp.dport == 1 then drop",
      "if tcp.⟦dport⟧ == 1 then { tcp.⟦dport⟧! = 2 swap tcp.sport, tcp.⟦dport⟧! }\nif udp.dport == 1 then drop",
    ],
    ["a header by both names", "if ‸ip and ipv4.ttl == 1 then drop", "if ⟦ip⟧ and ⟦ipv4⟧.ttl == 1 then drop"],
    [
      "a parameter",
      "fn f(a : u16) = ‸a == 1 or a == 2\nset b : u16[4]\nif f(tcp.dport) or f(udp.dport) then drop",
      "fn f(⟦a⟧ : u16) = ⟦a⟧ == 1 or ⟦a⟧ == 2\nset b : u16[4]\nif f(tcp.dport) or f(udp.dport) then drop",
    ],
    [
      "a map in a test",
      'set a : u16[4]\nif tcp.dport in a then drop\ntest "t" { ‸a = { 1 } packet eth expect pass expect 5 in a }',
      'set ⟦a⟧ : u16[4]\nif tcp.dport in ⟦a⟧ then drop\ntest "t" { ⟦a⟧! = { 1 } packet eth expect pass expect 5 in ⟦a⟧ }',
    ],
    [
      "what a test sets",
      'config c : u32 = 1\nif meta.len > c then drop\ntest "t" with ‸c = 5 { packet eth expect pass }',
      'config ⟦c⟧! : u32 = 1\nif meta.len > ⟦c⟧ then drop\ntest "t" with ⟦c⟧! = 5 { packet eth expect pass }',
    ],
    [
      "what is half typed",
      "set a : u16[4]\nif tcp.dport in ‸a then drop\nif udp.dport in a",
      "set ⟦a⟧ : u16[4]\nif tcp.dport in ⟦a⟧ then drop\nif udp.dport in ⟦a⟧",
    ],
    [
      "what is behind a fault",
      "set a : u16[4]\nif nothing and udp.dport in ‸a then drop",
      "set ⟦a⟧ : u16[4]\nif nothing and udp.dport in ⟦a⟧ then drop",
    ],
    [
      "not of a local name that hides it",
      "set a : u16[4]\nfn f(a : u16) { if a == then drop }\nif tcp.dport in ‸a then drop",
      "set ⟦a⟧ : u16[4]\nfn f(a : u16) { if a == then drop }\nif tcp.dport in ⟦a⟧ then drop",
    ],
    ["a builtin", "if ‸meta.len > 1 then drop", "if ⟦meta⟧?.len > 1 then drop"],
    ["nothing", "if tcp ‸ then drop", "if tcp  then drop"],
  ])("%s", (_what, text, expected) => {
    expect(shown(text)).toBe(expected);
  });
});
