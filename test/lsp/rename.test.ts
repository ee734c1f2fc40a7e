// Renaming: what changes, in which files, and what is refused and why. The examples after a rename compile to the same objects.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { analyse } from "../../src/analyse.ts";
import { SourceFile } from "../../src/base/source.ts";
import { compile } from "../../src/compile.ts";
import { readObject } from "../../src/elfwriter/read.ts";
import { declaredIn } from "../../src/lsp/names.ts";
import { prepareRename, rename } from "../../src/lsp/rename.ts";
import { memoryHost } from "../../src/memory-host.ts";
import { fcOptions } from "../parser/support.ts";
import { analysed } from "./analysed.ts";
import { editedExample, ruleFiles } from "./broken.ts";
import { applied, marked } from "./marked.ts";

/** The text after a rename at its cursor, or why there is none. */
function renamed(text: string, newName: string): string {
  const { analysis, offsets, source, host } = analysed(text);
  const result = rename([analysis], offsets[0] ?? 0, newName, host);
  if (result === null) return "nothing";
  if ("refused" in result) return `refused: ${result.refused}`;
  return applied(source, result.get(source) ?? []);
}

describe("the new text of", () => {
  it.each<readonly [what: string, text: string, expected: string]>([
    [
      "a set",
      "set a : u16[4]\nif tcp.dport in ‸a then insert a 5",
      "set new : u16[4]\nif tcp.dport in new then insert new 5",
    ],
    ["a map, at its declaration", "map ‸m : array<u64>[4]\nm[0] += 1", "map new : array<u64>[4]\nnew[0] += 1"],
    ["a counter", "counter a, b\ncount ‸b\ncount a", "counter a, new\ncount new\ncount a"],
    [
      "a constant",
      "const A = 5\nconst B = ‸A\nif tcp.dport == A then drop",
      "const new = 5\nconst B = new\nif tcp.dport == new then drop",
    ],
    [
      "a struct",
      "struct S { a : u16 }\nmap m : hash<S, u8>[4]\nif tcp then m[‸S { a: tcp.dport }] = 1",
      "struct new { a : u16 }\nmap m : hash<new, u8>[4]\nif tcp then m[new { a: tcp.dport }] = 1",
    ],
    [
      "a struct's field",
      "struct S { a : u64, b : u8 }\nmap m : array<S>[4]\nm[0] = S { ‸a: 1 }\nif let e = m[0] then e.a += 1",
      "struct S { new : u64, b : u8 }\nmap m : array<S>[4]\nm[0] = S { new: 1 }\nif let e = m[0] then e.new += 1",
    ],
    [
      "a function and not its namesakes",
      "fn a(b : u16) = b == 1\nset b : u16[4]\nif ‸a(tcp.dport) then drop",
      "fn new(b : u16) = b == 1\nset b : u16[4]\nif new(tcp.dport) then drop",
    ],
    [
      "a parameter and not its namesakes",
      "fn a(b : u16) = ‸b == 1\nset b : u16[4]\nif a(tcp.dport) or tcp.dport in b then drop",
      "fn a(new : u16) = new == 1\nset b : u16[4]\nif a(tcp.dport) or tcp.dport in b then drop",
    ],
    [
      "a let",
      "let a = meta.len\nlet b = ‸a + 1\nlet a = b\nif a > 1 then drop",
      "let new = meta.len\nlet b = new + 1\nlet a = b\nif a > 1 then drop",
    ],
    [
      "a loop's name",
      "map m : array<u64>[8]\nfor i in 0..7 { m[‸i] += 1 }",
      "map m : array<u64>[8]\nfor new in 0..7 { m[new] += 1 }",
    ],
    [
      "a header",
      "header h on udp 9 { a : u8 }\nif ‸h.a == 1 then drop",
      "header new on udp 9 { a : u8 }\nif new.a == 1 then drop",
    ],
    [
      "a header and not its alias",
      "header hh as h on udp 9 { a : u8 }\nif ‸hh.a == 1 and h.a == 1 then drop",
      "header new as h on udp 9 { a : u8 }\nif new.a == 1 and h.a == 1 then drop",
    ],
    [
      "an alias",
      "header hh as h on udp 9 { a : u8 }\nif hh.a == 1 and ‸h.a == 1 then drop",
      "header hh as new on udp 9 { a : u8 }\nif hh.a == 1 and new.a == 1 then drop",
    ],
    [
      "a header's field",
      "header h on udp 9 { a : u8 size ‸a & 7 + 1 next a }\nif h.a == 1 then drop",
      "header h on udp 9 { new : u8 size new & 7 + 1 next new }\nif h.new == 1 then drop",
    ],
    [
      "a program",
      'program a { pass }\nprogram b { pass }\ntest "t" for ‸a { packet eth expect pass }',
      'program new { pass }\nprogram b { pass }\ntest "t" for new { packet eth expect pass }',
    ],
    [
      "a map that its test fills",
      'set a : u16[4]\nif tcp.dport in ‸a then drop\ntest "t" { a = { 1 } packet eth expect pass expect 5 in a }',
      'set new : u16[4]\nif tcp.dport in new then drop\ntest "t" { new = { 1 } packet eth expect pass expect 5 in new }',
    ],
    [
      "what a half-typed rule uses",
      "set a : u16[4]\nif tcp.dport in ‸a then drop\nif udp.dport in a and ",
      "set new : u16[4]\nif tcp.dport in new then drop\nif udp.dport in new and ",
    ],
    [
      "what stands behind a fault",
      "set a : u16[4]\nif tcp.dport in ‸a then drop\nif nothing and udp.dport in a then drop",
      "set new : u16[4]\nif tcp.dport in new then drop\nif nothing and udp.dport in new then drop",
    ],
  ])("%s", (_what, text, expected) => {
    expect(renamed(text, "new")).toBe(expected);
  });

  it("something that gets the name it has", () => {
    expect(renamed("set ‸a : u16[4]\npass", "a")).toBe("set a : u16[4]\npass");
  });

  it("a field that gets a reserved word's name", () => {
    expect(renamed("header h on udp 9 { ‸a : u8 }\nif h.a == 1 then drop", "drop")).toBe(
      "header h on udp 9 { drop : u8 }\nif h.drop == 1 then drop",
    );
  });

  it("a map that gets a name which is a keyword elsewhere", () => {
    expect(renamed("set ‸a : u16[4]\nif tcp.dport in a then insert a 5", "next")).toBe(
      "set next : u16[4]\nif tcp.dport in next then insert next 5",
    );
  });
});

describe("refused is", () => {
  it.each<readonly [what: string, text: string, newName: string, why: RegExp]>([
    ["a name of the library", "if ‸tcp then drop", "x", /`tcp` is declared by the library/],
    ["a field of the library", "if tcp.‸dport == 1 then drop", "x", /`dport` is declared by the library/],
    ["meta", "if ‸meta.len > 1 then drop", "x", /`meta` is part of the language/],
    ["what meta has", "if meta.‸len > 1 then drop", "x", /`len` is part of the language/],
    ["a type", "var a : ‸u32\npass", "x", /`u32` is part of the language/],
    ["a keyword", "‸if tcp then drop", "x", /`if` is part of the language/],
    ["a keyword that is a name elsewhere", "counter a\n‸count a", "x", /`count` is part of the language/],
    ["a name that nobody knows", "if ‸foo then drop", "x", /nobody knows what `foo` stands for/],
    ["an import", "import ‸std.forward\npass", "x", /a file's name/],
    [
      "a device's config",
      'redirect dev "eth1"\ntest "t" { ‸ifindex_eth1 = 0 packet eth expect pass }',
      "x",
      /made of the device's name/,
    ],
    ["an empty name", "set ‸a : u16[4]\npass", "", /is no name/],
    ["a name with a dash", "set ‸a : u16[4]\npass", "a-b", /is no name/],
    ["a name with a letter of another script", "set ‸a : u16[4]\npass", "größe", /is no name/],
    ["a reserved word", "set ‸a : u16[4]\npass", "drop", /`drop` is a reserved word/],
    ["a reserved word for a local", "let ‸a = 1\nif a == 1 then drop", "in", /`in` is a reserved word/],
    ["a name that is taken", "set ‸a : u16[4]\ncounter b\npass", "b", /`b` won't do in line 2 of test.xdp: .*b/],
    ["a field's name that is taken", "struct S { ‸a : u8, b : u8 }\npass", "b", /won't do/],
    [
      "a name that would hide a header in use",
      "set ‸a : u16[4]\nif tcp.dport in a then drop",
      "tcp",
      /`tcp` in line 2 of test.xdp would stand for something else|won't do/,
    ],
    [
      "a local that would hide a map",
      "set b : u16[4]\nlet ‸a = 5\nif tcp.dport in b then drop",
      "b",
      /`b` in line 3 of test.xdp would stand for something else, for what line 2 of test.xdp declares has that name|won't do/,
    ],
    [
      "a constant that a local would hide",
      "const ‸A = 5\nlet b = meta.len\nif b > A then drop",
      "b",
      /`A` in line 3 of test.xdp would stand for something else, for what line 2/,
    ],
    [
      "a let that would hide another",
      "let a = meta.len\nlet ‸b = a + 1\nif a > b then drop",
      "a",
      /`a` in line 3 of test.xdp would stand for something else, for what line 2 of test.xdp declares has that name/,
    ],
    [
      "a let that another would hide",
      "let ‸a = meta.len\nlet b = 2\nif a > b then drop",
      "b",
      /`a` in line 3 of test.xdp would stand for something else, for what line 2 of test.xdp declares has that name/,
    ],
    [
      "a parameter that would hide a constant",
      "const A = 5\nfn f(‸a : u16) = a == A\nif f(tcp.dport) then drop",
      "A",
      /`A` in line 2 of test.xdp would stand for something else/,
    ],
    ["a name that would be a keyword there", "var ‸a : u64\nlet b = 1\na = b", "let", /reserved/],
    [
      "a builtin's name in use",
      "set ‸a : u16[4]\nif tcp.dport in a and meta.len > 4 then drop",
      "meta",
      /would stand for something else|won't do/,
    ],
  ])("%s", (_what, text, newName, why) => {
    const result = renamed(text, newName);
    expect(result).toMatch(/^refused: /);
    expect(result).toMatch(why);
  });

  it("no place without a name", () => {
    for (const text of ["‸", "if tcp ‸ then drop", "# a ‸b", 'log "a‸b"', "if tcp.dport == ‸80 then drop"]) {
      expect([text, renamed(text, "x")]).toEqual([text, "nothing"]);
    }
  });
});

describe("before a rename", () => {
  it("the name's range is told", () => {
    const { analysis, offsets, ranges } = analysed("set abc : u16[4]\nif tcp.dport in ⟦a‸bc⟧ then drop");
    expect(prepareRename(analysis, offsets[0] ?? 0)).toEqual({ range: ranges[0], placeholder: "abc" });
  });
  it("what can't be renamed is told", () => {
    const { analysis, offsets } = analysed("if ‸tcp then drop");
    expect(prepareRename(analysis, offsets[0] ?? 0)).toEqual({
      refused: "`tcp` is declared by the library (<std>/tcp.xdp) and can't be renamed",
    });
  });
});

describe("files that import each other", () => {
  const files = {
    "common.xdp": "const WEB = 80\nfn web() = tcp.dport == WEB\n",
    "a.xdp": 'import "common.xdp"\nif web() then drop\n',
    "b.xdp": 'import "common.xdp"\nset seen : u16[4]\nif tcp.dport == WEB or web() then drop\n',
  };
  const result = (at: keyof typeof files, name: string, newName: string): Record<string, string> | string => {
    const host = memoryHost(files);
    const order = [at, ...Object.keys(files).filter((path) => path !== at)] as (keyof typeof files)[];
    // One object for each file, as the server keeps them.
    const analyses = order.map((path) => {
      const found = host.read(path, new SourceFile("", ""));
      if ("error" in found) throw new Error(found.error);
      return analyse(found.source, host);
    });
    const edits = rename(analyses, files[at].indexOf(name), newName, host);
    if (edits === null || "refused" in edits) return edits?.refused ?? "nothing";
    return Object.fromEntries([...edits].map(([source, list]) => [source.path, applied(source, list)]));
  };

  it("are changed together, wherever the cursor is", () => {
    const expected = {
      "common.xdp": "const WEB = 80\nfn is_web() = tcp.dport == WEB\n",
      "a.xdp": 'import "common.xdp"\nif is_web() then drop\n',
      "b.xdp": 'import "common.xdp"\nset seen : u16[4]\nif tcp.dport == WEB or is_web() then drop\n',
    };
    expect(result("common.xdp", "web()", "is_web")).toEqual(expected);
    expect(result("a.xdp", "web()", "is_web")).toEqual(expected);
  });
  it("and not those that don't use it", () => {
    expect(Object.keys(result("common.xdp", "WEB", "HTTP"))).toEqual(["common.xdp", "b.xdp"]);
  });
  it("are refused together", () => {
    expect(result("common.xdp", "web()", "seen")).toMatch(/`seen` won't do in line 2 of .*\.xdp/);
  });
});

// ------------------------------------------------------------------------------------------------------------------ properties

/** What is loaded of an object. Its debug information tells source columns and names. */
function loadedPartsOf(bytes: Uint8Array): unknown {
  const { object } = readObject(bytes);
  if (object === undefined) throw new Error("not an object");
  return object.sections
    .filter(({ name }) => !/BTF|^\.(?:strtab|symtab|shstrtab)/.test(name))
    .map(({ name, bytes: content }) => [name, Buffer.from(content).toString("hex")]);
}

describe("the examples", () => {
  const examples = ruleFiles("examples/").filter(([path]) => !path.includes("makefile"));
  const texts = Object.fromEntries(examples);
  const host = memoryHost(texts);
  const objectOf = (path: string, text: string): Uint8Array => {
    const { output, diagnostics } = compile(new SourceFile(path, text), {
      host,
      cpu: "v3",
      kernel: null,
      optimise: 0,
      defines: new Map(),
      verify: false,
    });
    if (output === null) throw new Error(`${path}: ${diagnostics.map((d) => d.message).join("; ")}`);
    return output.object;
  };

  it.each(examples)(
    "%s: names inside rules, functions, constants and structs' fields may be called anything",
    (path, text) => {
      const source = new SourceFile(path, text);
      const analysis = analyse(source, host);
      const before = loadedPartsOf(objectOf(path, text));
      let now = text;
      let count = 0;
      for (const [which, { kind, name }] of [...declaredIn(analysis.file).values()].entries()) {
        // Names of maps, globals and programs are part of the object; the word `inner`, whatever it names, asks for the tunnels' headers.
        if (name.text === "inner" || /^(?:set|map|counter|limiter|target|config|var|program)Decl$/.test(kind)) continue;
        const at = analyse(new SourceFile(path, now), host);
        const declared = [...declaredIn(at.file).values()][which];
        if (declared === undefined) throw new Error("a name is gone");
        const edits = rename([at], declared.name.span.start, `renamed_${count}`, host);
        if (edits === null || "refused" in edits) throw new Error(`${declared.name.text}: ${edits?.refused}`);
        now = applied(at.file.source, edits.get(at.file.source) ?? []);
        count += 1;
        if (count >= 8) break;
      }
      if (count > 0) expect(now).not.toBe(text);
      expect(loadedPartsOf(objectOf(path, now))).toEqual(before);
    },
  );

  it.each(examples)("%s: a name that is taken, a keyword or a header's is refused or means the same", (path, text) => {
    const source = new SourceFile(path, text);
    const analysis = analyse(source, host);
    const all = [...declaredIn(analysis.file).values()];
    // Names of maps, globals and programs are part of the object; the tunnels' words ask for more headers.
    const own = all.filter(({ kind }) => !/^(?:set|map|counter|limiter|target|config|var|program)Decl$/.test(kind));
    if (own.length === 0) return;
    const words = [
      "meta",
      "opaque",
      "hash",
      "random",
      "u16",
      "ipv4",
      "ip",
      "tcp",
      "eth",
      "count",
      "set",
      "next",
      "size",
      "dev",
    ];
    const names = [...new Set([...all.map(({ name }) => name.text), ...words])].filter((name) => name !== "inner");
    const before = loadedPartsOf(objectOf(path, text));
    fc.assert(
      fc.property(fc.constantFrom(...own), fc.constantFrom(...names), ({ name }, newName) => {
        if (name.text === "inner") return;
        const edits = rename([analysis], name.span.start, newName, host);
        if (edits === null || "refused" in edits) return;
        expect(loadedPartsOf(objectOf(path, applied(source, edits.get(source) ?? [])))).toEqual(before);
      }),
      fcOptions(3),
    );
  });

  it.each(examples)("%s: a rename of anything and back gives the text as it was", (path, text) => {
    const count = declaredIn(analyse(new SourceFile(path, text), host).file).size;
    if (count === 0) return;
    fc.assert(
      fc.property(fc.nat(count - 1), fc.constantFrom("zz", "a_much_longer_name", "_1"), (which, newName) => {
        const analysis = analyse(new SourceFile(path, text), host);
        const declared = [...declaredIn(analysis.file).values()][which];
        if (declared === undefined) throw new Error("no name");
        const there = rename([analysis], declared.name.span.start, newName, host);
        if (there === null || "refused" in there) throw new Error(`${declared.name.text}: ${there?.refused}`);
        const source = new SourceFile(path, applied(analysis.file.source, there.get(analysis.file.source) ?? []));
        expect(source.text).not.toBe(text);
        const middle = analyse(source, host);
        // Names before it may have moved it: it is the same one in order.
        const same = [...declaredIn(middle.file).values()][which];
        const back = rename([middle], same?.name.span.start ?? 0, declared.name.text, host);
        if (back === null || "refused" in back) throw new Error(`back to ${declared.name.text}: ${back?.refused}`);
        expect(applied(source, back.get(source) ?? [])).toBe(text);
      }),
      fcOptions(2),
    );
  });
});

it("any place of any text is renamed or refused, and never made worse", () => {
  fc.assert(
    fc.property(editedExample(), fc.double({ min: 0, max: 1, noNaN: true }), (text, place) => {
      const { source } = marked(text.replace(/[‸⟦⟧]/g, ""));
      const host = memoryHost();
      const analysis = analyse(source, host);
      expect(analysis.fault).toBe(null);
      const edits = rename([analysis], Math.floor(place * text.length), "renamed", host);
      if (edits === null || "refused" in edits) return;
      const after = analyse(new SourceFile(source.path, applied(source, edits.get(source) ?? [])), host);
      const errors = (a: typeof after): number => a.diagnostics.filter((d) => d.severity === "error").length;
      expect(errors(after)).toBeLessThanOrEqual(errors(analysis));
    }),
    fcOptions(60),
  );
});
