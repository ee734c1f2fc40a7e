// Going to definitions: every kind of name, from uses in rules, functions, tests and declarations, into imports and the library, and from
// statements that are still being typed.

import { describe, expect, it } from "vitest";
import { textOf } from "../../src/base/source.ts";
import { definitionAt } from "../../src/lsp/definition.ts";
import { rangeOf } from "../../src/lsp/ranges.ts";
import { analysed } from "./analysed.ts";

describe("in one file: from the cursor to what is in brackets", () => {
  it.each<readonly [what: string, text: string]>([
    ["a set", "set ⟦a⟧ : u16[4]\nif tcp.dport in ‸a then drop"],
    ["a set, from right behind its name", "set ⟦a⟧ : u16[4]\nif tcp.dport in a‸ then drop"],
    ["a map", "map ⟦m⟧ : hash<u16, u32>[4]\nif tcp then ‸m[tcp.dport] = 1"],
    ["a counter", "counter a, ⟦b⟧\ncount ‸b"],
    ["a limiter", "limiter ⟦l⟧[4] : 5/s\nif 0 exceeds ‸l then drop"],
    ["a target", "xskmap ⟦x⟧[4]\nredirect ‸x"],
    ["a constant", "const ⟦A⟧ = 5\nif tcp.dport == ‸A then drop"],
    ["a constant of a constant", "const ⟦A⟧ = 5\nconst B = ‸A\nif tcp.dport == B then drop"],
    ["a constant set", "const set ⟦s⟧ : u16 = { 1 }\nif tcp.dport in ‸s then drop"],
    [
      "a constant set in another",
      "const set ⟦s⟧ : u16 = { 1 }\nconst set r : u16 = { ‸s, 5 }\nif tcp.dport in r then drop",
    ],
    ["a config", "config ⟦c⟧ : u32 = 1\nif meta.len > ‸c then drop"],
    ["a variable", "var ⟦v⟧ : u64\n‸v += 1"],
    ["a struct in a type", "struct ⟦S⟧ { a : u16 }\nmap m : hash<‸S, u8>[4]\npass"],
    ["a struct in a literal", "struct ⟦S⟧ { a : u16 }\nmap m : hash<S, u8>[4]\nif tcp then m[‸S { a: tcp.dport }] = 1"],
    [
      "a struct's field in a literal",
      "struct S { ⟦a⟧ : u16 }\nmap m : hash<S, u8>[4]\nif tcp then m[S { ‸a: tcp.dport }] = 1",
    ],
    [
      "a struct's field behind a dot",
      "struct S { x : u8, ⟦a⟧ : u64 }\nmap m : array<S>[4]\nif let e = m[0] then e.‸a = 1",
    ],
    ["a function", "fn ⟦f⟧(a : u16) = a == 1\nif ‸f(tcp.dport) then drop"],
    ["a function for its effects", "fn ⟦f⟧() { drop }\n‸f()"],
    ["a parameter of a value", "fn f(⟦a⟧ : u16) = ‸a == 1\nif f(tcp.dport) then drop"],
    ["a parameter of statements", "fn f(⟦a⟧ : u16) { if ‸a == 1 then drop }\nif tcp then f(tcp.dport)"],
    ["a parameter of a function that nobody calls", "fn f(⟦a⟧ : u16) { if ‸a == 1 then drop }\npass"],
    ["a let", "let ⟦a⟧ = meta.len\nif ‸a > 5 then drop"],
    ["the later of two lets", "let a = meta.len\nlet ⟦a⟧ = a + 1\nif ‸a > 5 then drop"],
    ["the earlier of two lets", "let ⟦a⟧ = meta.len\nlet a = ‸a + 1\nif a > 5 then drop"],
    ["an entry", "map m : hash<u16, u64>[4]\nif tcp then if let ⟦e⟧ = m[tcp.dport] then ‸e += 1"],
    ["a loop's name", "map m : array<u64>[8]\nfor ⟦i⟧ in 0..7 { m[‸i] += 1 }"],
    ["a program from its test", 'program ⟦p⟧ { pass }\nprogram q { pass }\ntest "t" for ‸p { packet eth expect pass }'],
    [
      "a map from a test",
      'set ⟦a⟧ : u16[4]\nif tcp.dport in a then drop\ntest "t" { ‸a = { 5 } packet eth expect pass }',
    ],
    ["a header of one's own", "header ⟦h⟧ on udp 9 { a : u8 }\nif ‸h.a == 1 then drop"],
    ["its field", "header h on udp 9 { ⟦a⟧ : u8 }\nif h.‸a == 1 then drop"],
    ["its bit", "header h on udp 9 { f : u8 { ⟦a⟧, b, c, d, e, g, i, j } }\nif h.‸a then drop"],
    ["its alias", "header hh as ⟦h⟧ on udp 9 { a : u8 }\nif ‸h.a == 1 then drop"],
    ["a field in the size", "header h on udp 9 { ⟦n⟧ : u8 size ‸n & 15 + 1 }\nif h then drop"],
    [
      "a field that tells what follows",
      "header h on udp 9 { ⟦n⟧ : u8 next ‸n }\nheader g on h 1 { a : u8 }\nif g then drop",
    ],
    [
      "a header that another hangs on",
      "header ⟦h⟧ on udp 9 { n : u8 next n }\nheader g on ‸h 1 { a : u8 }\nif g then drop",
    ],
    [
      "a field in a test's packet",
      'header h on udp 9 { ⟦a⟧ : u8 }\nif h.a == 1 then drop\ntest "t" { packet eth / ip / udp / h(‸a: 1) expect drop }',
    ],
    ["itself", "set ⟦‸a⟧ : u16[4]\npass"],
  ])("%s", (_what, text) => {
    const { analysis, offsets, source, ranges } = analysed(text);
    expect(analysis.diagnostics.filter((d) => d.severity === "error").map((d) => d.message)).toEqual([]);
    const found = definitionAt(analysis, source, offsets[0] ?? 0);
    expect(found === null ? null : rangeOf(found.name)).toEqual(ranges[0]);
  });
});

describe("while it is typed", () => {
  it.each<readonly [what: string, text: string]>([
    ["a condition without its then", "set ⟦a⟧ : u16[4]\nif tcp.dport in ‸a\n"],
    ["behind another fault", "set ⟦a⟧ : u16[4]\nif nothing == 5 and tcp.dport in ‸a then drop"],
    ["an index of a map that isn't there", "set ⟦a⟧ : u16[4]\nnothing[‸a] = 5"],
    ["a local name", "let ⟦a⟧ = 5\nif ‸a =="],
    ["a parameter", "fn f(⟦a⟧ : u16) { if ‸a == }\nset a : u16[4]\n"],
    ["a name in a block that doesn't end", "counter ⟦a⟧\nif tcp then { count ‸a"],
  ])("%s", (_what, text) => {
    const { analysis, offsets, source, ranges } = analysed(text);
    const found = definitionAt(analysis, source, offsets[0] ?? 0);
    expect(found === null ? null : rangeOf(found.name)).toEqual(ranges[0]);
  });
});

describe("elsewhere", () => {
  const at = (text: string, files: Readonly<Record<string, string>> = {}): string | null => {
    const { analysis, offsets, source } = analysed(text, files);
    const found = definitionAt(analysis, source, offsets[0] ?? 0);
    return found === null ? null : `${found.name.file.path} ${textOf(found.name)}`;
  };
  it.each<readonly [what: string, text: string, where: string | null]>([
    ["a header of the library", "if ‸tcp then drop", "<std>/tcp.xdp tcp"],
    ["its alias", "if ‸ip then drop", "<std>/ipv4.xdp ip"],
    ["its name", "if ‸ipv4 then drop", "<std>/ipv4.xdp ipv4"],
    ["its field", "if tcp.‸dport == 1 then drop", "<std>/tcp.xdp dport"],
    ["its bit", "if tcp.‸syn then drop", "<std>/tcp.xdp syn"],
    ["a field in a tunnel", "if inner.tcp.‸dport == 1 then drop", "<std>/tcp.xdp dport"],
    ["a header in a tunnel", "if inner.‸tcp.dport == 1 then drop", "<std>/tcp.xdp tcp"],
    ["a second tag", "if ‸vlan[1].id == 1 then drop", "<std>/vlan.xdp vlan"],
    ["a header for its selector's value", "if ip.protocol == ‸tcp then drop", "<std>/tcp.xdp tcp"],
    ["a header in a test", 'pass test "t" { packet eth / ‸ip expect pass }', "<std>/ipv4.xdp ip"],
    ["the statement forward", "‸forward or drop", "<std>/forward.xdp forward_packet"],
    ["an imported function", 'import "c.xdp"\nif ‸web() then drop', "c.xdp web"],
    ["an import of an import", 'import "b.xdp"\nif ‸web() then drop', "c.xdp web"],
    ["an imported file", 'import ‸"c.xdp"\npass', "c.xdp "],
    ["a library file", "import std.‸forward\npass", "<std>/forward.xdp "],
    ["a field of a half-typed statement", "if tcp.‸dport", "<std>/tcp.xdp dport"],
    ["a builtin", "if ‸meta.len > 1 then drop", null],
    ["a builtin's field", "if meta.‸len > 1 then drop", null],
    ["a type", "var a : ‸u32\npass", null],
    ["a keyword", "‸if tcp then drop", null],
    ["a number", "if tcp.dport == ‸80 then drop", null],
    ["a comment", "# ‸tcp\npass", null],
    ["a text", 'log "‸tcp"', null],
    ["nothing", "‸", null],
  ])("%s", (_what, text, where) => {
    const files = { "c.xdp": "fn web() = tcp.dport == 80\n", "b.xdp": 'import "c.xdp"\n' };
    expect(at(text, files)).toBe(where);
  });

  it("from an imported file into the one it imports", () => {
    const { analysis } = analysed('import "b.xdp"\npass', {
      "c.xdp": "const WEB = 80\n",
      "b.xdp": 'import "c.xdp"\nfn web() = tcp.dport == WEB',
    });
    const b = analysis.followed.files.find((file) => file.path === "b.xdp");
    if (b === undefined) throw new Error("b.xdp wasn't read");
    const found = definitionAt(analysis, b, b.text.indexOf("WEB"));
    expect(found?.name.file.path).toBe("c.xdp");
    expect(found === null ? null : textOf(found.whole)).toBe("const WEB = 80");
  });
});
