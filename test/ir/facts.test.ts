// What the checker records for an editor: what names stand for, the types that constants take, what is proven where, names in force. And
// that recording changes nothing of what is said.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Analysis, analyse } from "../../src/analyse.ts";
import { SourceFile, textOf } from "../../src/base/source.ts";
import { compile } from "../../src/compile.ts";
import { declaredAt, type Meaning } from "../../src/ir/facts.ts";
import { instanceName } from "../../src/ir/hir.ts";
import { typeName } from "../../src/ir/types.ts";
import { memoryHost } from "../../src/memory-host.ts";
import type * as ast from "../../src/parser/ast.ts";

function analysed(text: string, files: Readonly<Record<string, string>> = {}): Analysis {
  const analysis = analyse(new SourceFile("x.xdp", text), memoryHost(files));
  expect(analysis.fault).toBeNull();
  return analysis;
}

function shown(meaning: Meaning): string {
  const at = declaredAt(meaning);
  const place =
    at === null ? "" : `@${at.file.path}${at.file.path.startsWith("<") ? "" : `:${at.file.positionAt(at.start).line}`}`;
  switch (meaning.kind) {
    case "declaration":
      return `${meaning.decl.kind}${place}`;
    case "field":
      return `${meaning.field.header.name}.${meaning.field.name}${place}`;
    case "structField":
      return `${typeName(meaning.owner)}.${meaning.field.name}${place}`;
    case "binding":
      return `${meaning.binding.kind}${place}`;
    case "meta":
      return `meta.${meaning.name}`;
    case "builtin":
      return `builtin ${meaning.name}`;
    case "type":
      return `type ${typeName(meaning.type)}`;
    case "file":
      return meaning.source.path;
    case "device":
      return `device ${meaning.symbol.device}`;
  }
}

/** Every name of the main file with what it stands for, in order. */
function references({ facts, file }: Analysis): string[] {
  return facts.referencesIn(file.source).map(({ span, meaning }) => `${textOf(span)} ${shown(meaning)}`);
}

describe("names", () => {
  const CASES: readonly (readonly [text: string, expected: readonly string[]])[] = [
    ["if ip.saddr in { 10.0.0.1 } then pass", ["ip headerDecl@<std>/ipv4.xdp", "saddr ipv4.saddr@<std>/ipv4.xdp"]],
    [
      "set s : u16[4]\nif tcp.dport in s then pass",
      [
        "u16 type u16",
        expect.stringMatching(/^tcp headerDecl@<std>\/tcp.xdp/),
        expect.stringMatching(/^dport tcp.dport@<std>\/tcp.xdp/),
        "s setDecl@x.xdp:1",
      ] as never,
    ],
    ["let n = meta.len\nif n == 5 then drop", ["meta builtin meta", "len meta.len", "n local@x.xdp:1"]],
    [
      "struct S { a : u32 }\nmap m : array<S>[1]\nm[0].a += 1",
      ["u32 type u32", "S structDecl@x.xdp:1", "m mapDecl@x.xdp:2", "a S.a@x.xdp:1"],
    ],
    ["fn f(p : u16) = p == 1\nif f(2) then drop", ["u16 type u16", "p argument@x.xdp:1", "f fnDecl@x.xdp:1"]],
    ["fn unused(p : u16) { for i in 0..1 { let q = p } }\npass", ["u16 type u16", "p local@x.xdp:1"]],
    [
      "const A = 1\nconst B = A\nif meta.cpu == B then drop",
      ["A constDecl@x.xdp:1", "meta builtin meta", "cpu meta.cpu", "B constDecl@x.xdp:2"],
    ],
    [
      "map m : hash<u32, u64>[4]\nif let v = m[meta.cpu] then v += hash(random())",
      [
        "u32 type u32",
        "u64 type u64",
        "m mapDecl@x.xdp:1",
        "meta builtin meta",
        "cpu meta.cpu",
        "v entry@x.xdp:2",
        "hash builtin hash",
        "random builtin random",
      ],
    ],
    [
      "if opaque then drop\nif inner.ip then pass",
      ["opaque builtin opaque", "inner builtin inner", "ip headerDecl@<std>/ipv4.xdp"],
    ],
    ['import "c.xdp"\nif f() then drop', ['"c.xdp" c.xdp', "f fnDecl@c.xdp:1"]],
    [
      'program p { pass }\nprogram q { drop }\ntest "t" for q { packet eth(type: arp)  expect drop }',
      [
        "q programDecl@x.xdp:2",
        expect.stringMatching(/^eth headerDecl/),
        expect.stringMatching(/^type eth.type/),
        expect.stringMatching(/^arp headerDecl/),
      ] as never,
    ],
  ];
  test.each(CASES)("%s", (text, expected) => {
    expect(references(analysed(text, { "c.xdp": "fn f() = ip\n" }))).toEqual(expected);
  });

  test("are found at a place, and right behind it", () => {
    const { facts, file } = analysed("counter hits\ncount hits\n");
    expect(facts.referenceAt(file.source, 18)).toBeNull();
    for (const offset of [19, 21, 23])
      expect(textOf(facts.referenceAt(file.source, offset)?.span ?? file.span)).toBe("hits");
    expect(facts.referenceAt(file.source, 24)).toBeNull();
  });
});

test("constants have the types they are compared with or stored as", () => {
  const { facts } = analysed("var v : u64\nif tcp.dport == 80 and ip.ttl in { 1, 2 } then v = 7\n");
  const types = [...facts.settled].map(([span, type]) => `${textOf(span)} ${typeName(type)}`).sort();
  expect(types).toEqual(expect.arrayContaining(["1 u8", "2 u8", "7 u64", "80 u16"]));
});

function statements(list: readonly (ast.Stmt | ast.Decl)[]): ast.Stmt[] {
  return list.filter((item): item is ast.Stmt => !item.kind.endsWith("Decl"));
}

const names = (
  proven: { readonly present: ReadonlySet<Parameters<typeof instanceName>[0]> } | null,
): string[] | null => (proven === null ? null : [...proven.present].map(instanceName).sort());

describe("what is proven", () => {
  test("before and behind statements, and where blocks start", () => {
    const { facts, file } = analysed("if not tcp then pass\nif ip then { drop } else count c\ncounter c\npass\n");
    const [first, second, third] = statements(file.items);
    if (first?.kind !== "if" || second?.kind !== "if" || third === undefined) throw new Error("not as written");
    expect(names(facts.provenBefore(first.span))).toEqual(["eth"]);
    expect(names(facts.provenAtStart(first.then))).toEqual(["eth"]);
    expect(names(facts.provenAfter(first.span))).toEqual(["eth", "tcp"]);
    expect(names(facts.provenAtStart(second.then))).toEqual(["eth", "ip", "tcp"]);
    expect(names(second.else === null ? null : facts.provenAtStart(second.else))).toEqual(["eth", "ip6", "tcp"]);
    expect(facts.provenAfter(second.then.statements[0]?.span ?? first.span)).toBeNull();
    expect(names(facts.provenBefore(third.span))).toEqual(["eth", "ip6", "tcp"]);
  });

  test("in a function what every call proves", () => {
    const { facts, file } = analysed("counter c\nfn f() { count c }\nif ip and tcp then f()\nif tcp then f()\n");
    const fn = file.items.find((item) => item.kind === "fnDecl");
    if (fn?.body.kind !== "block") throw new Error("not as written");
    expect(names(facts.provenAtStart(fn.body.block))).toEqual(["eth", "tcp"]);
    expect(facts.calls.get(fn)).toBe(2);
  });
});

test("names in force before and behind a statement", () => {
  const { facts, file } = analysed("let a = 1\nfor i in 0..3 { let b = i }\npass\n");
  const [first, loop] = statements(file.items);
  if (first === undefined || loop?.kind !== "for") throw new Error("not as written");
  expect(facts.scopesAt(first)?.before.names()).toEqual([]);
  expect(facts.scopesAt(first)?.after.names()).toEqual(["a"]);
  expect(facts.scopeOf(loop.body)?.names()).toEqual(["i", "a"]);
});

describe("recording changes nothing of what is said", () => {
  const root = new URL("../../", import.meta.url);
  const golden = readFileSync(new URL("test/golden/diagnostics.md", root), "utf8");
  const texts = [...golden.matchAll(/```xdp\n([\s\S]*?)```/g)].map((found) => found[1] ?? "");
  for (const file of readdirSync(new URL("examples/", root)))
    if (file.endsWith(".xdp")) texts.push(readFileSync(new URL(`examples/${file}`, root), "utf8"));

  test("by the compiler's front half", () => {
    expect(texts.length).toBeGreaterThan(20);
    for (const text of texts) {
      const told = (list: readonly { readonly code: string; readonly message: string }[]): string[] =>
        list.map((d) => `${d.code} ${d.message}`);
      const source = (): SourceFile => new SourceFile("x.xdp", text);
      const options = {
        host: memoryHost(),
        cpu: "v3",
        kernel: null,
        optimise: 0,
        defines: new Map(),
        verify: false,
      } as const;
      const plain = told(compile(source(), options).diagnostics).filter((line) => !/^X060[34578]/.test(line));
      expect(told(analyse(source(), memoryHost()).diagnostics), text).toEqual(plain);
    }
  });
});
