// The outline: every kind of declaration with its detail and children, ranges that hold each other, and something sensible while a
// declaration is typed.

import { describe, expect, it } from "vitest";
import type { DocumentSymbol, Position, Range } from "vscode-languageserver-protocol";
import { SymbolKind } from "vscode-languageserver-protocol";
import { SourceFile } from "../../src/base/source.ts";
import { documentSymbols, flatSymbols } from "../../src/lsp/document-symbols.ts";
import { eachPrefix } from "./broken.ts";
import { marked, textIn, treeOf } from "./marked.ts";

function outline(symbols: readonly DocumentSymbol[]): string[] {
  return symbols.flatMap((s) => {
    const kind = Object.entries(SymbolKind).find(([, value]) => value === s.kind)?.[0];
    return [`${kind} ${s.name} | ${s.detail ?? ""}`, ...outline(s.children ?? []).map((line) => `  ${line}`)];
  });
}

describe("the outline of", () => {
  it.each<readonly [what: string, text: string, lines: readonly string[]]>([
    ["nothing", "", []],
    ["rules", "default drop\nif arp then pass", []],
    ["a set", "set  a : ipv4[4]  lru", ["Array a | ipv4[4] lru"]],
    ["a map", "map m : hash<ipv4,\n  u64>[4]", ["Array m | hash<ipv4, u64>[4]"]],
    ["counters", "counter a, b[u16]", ["Array a | ", "Array b | [u16]"]],
    ["a limiter", "limiter l[4] : 5/s burst 2 per ipv4", ["Array l | [4] : 5/s burst 2 per ipv4"]],
    ["targets", "xskmap x[64] devmap d[2]", ["Array x | [64]", "Array d | [2]"]],
    [
      "constants",
      "const A = 5 # five\nconst set s : u16 = { 1, 2 }",
      ["Constant A | 5", "Constant s | u16 = { 1, 2 }"],
    ],
    ["globals", "config c : u32 = 1\nvar v : u64", ["Variable c | u32 = 1", "Variable v | u64"]],
    ["a struct", "struct S { a : u8, b : (u8, u16) }", ["Struct S | ", "  Field a | u8", "  Field b | (u8, u16)"]],
    [
      "a header",
      'header h as k "t" rfc 5 on udp 9 { a : 4, b : 4 f : u8 { x, y } size a * 4 }',
      [
        'Class h | as k "t" rfc 5 on udp 9',
        "  Field a | 4 bits",
        "  Field b | 4 bits",
        "  Field f | u8",
        "    Field x | 1 bit",
        "    Field y | 1 bit",
      ],
    ],
    ["functions", "fn f(a : u8) = a == 1\nfn g() { drop }", ["Function f | (a : u8) = a == 1", "Function g | ()"]],
    ["programs", "program p frags { drop }", ["Module p | frags"]],
    ["tests", 'test "t" for p { expect pass }\ntest " " { }', ["Event t | for p", "Event test | "]],
    ["a long declaration", `const A = ${"1 + ".repeat(40)}1`, [`Constant A | ${"1 + ".repeat(40).slice(0, 79)}…`]],
    ["half a declaration", "set\nmap m :\nset a : u8[4]", ["Array a | u8[4]"]],
    ["a declaration behind a fault", "if if\nset a : u8[4]", ["Array a | u8[4]"]],
  ])("%s", (_what, text, lines) => {
    expect(outline(documentSymbols(treeOf(marked(text).source)))).toEqual(lines);
  });

  it("parts as a list, for editors without trees", () => {
    const { source, ranges } = marked("struct S { ⟦a : u8⟧ }\ncounter b");
    const flat = flatSymbols(documentSymbols(treeOf(source)), "file:///t.xdp");
    expect(flat.map((s) => [s.name, s.containerName])).toEqual([
      ["S", undefined],
      ["a", "S"],
      ["b", undefined],
    ]);
    expect(flat[1]?.location).toEqual({ uri: "file:///t.xdp", range: ranges[0] });
  });

  it("declarations with their places", () => {
    const { source, ranges } = marked("pass\n⟦set ⟦a⟧ : u8[4]⟧\n");
    const [symbol] = documentSymbols(treeOf(source));
    expect([symbol?.range, symbol?.selectionRange]).toEqual(ranges);
  });
});

describe("every prefix of every example", () => {
  const holds = (a: Range, b: Range): boolean => atMost(a.start, b.start) && atMost(b.end, a.end);
  const atMost = (a: Position, b: Position): boolean =>
    a.line < b.line || (a.line === b.line && a.character <= b.character);
  const check = (source: SourceFile, symbols: readonly DocumentSymbol[], within: Range | null): void => {
    for (const s of symbols) {
      if (s.name.trim() === "") throw new Error("a symbol without a name");
      if (!holds(s.range, s.selectionRange)) throw new Error(`${s.name} lies outside of itself`);
      if (within !== null && !holds(within, s.range)) throw new Error(`${s.name} lies outside of its parent`);
      if (s.kind !== SymbolKind.Event && textIn(source, s.selectionRange) !== s.name)
        throw new Error(`${s.name} isn't there`);
      check(source, s.children ?? [], s.range);
    }
  };

  it("has an outline that holds together", () => {
    let most = 0;
    for (const text of eachPrefix(37)) {
      const source = new SourceFile("t.xdp", text);
      const symbols = documentSymbols(treeOf(source));
      check(source, symbols, null);
      most = Math.max(most, symbols.length);
    }
    expect(most).toBeGreaterThan(10);
  });
});
