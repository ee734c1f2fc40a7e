// The formatter: what becomes of each construct, written by hand; and that it never changes a file's meaning, never loses a
// comment and has nothing to do the second time, on every text of rules there is and on generated ones.

import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SourceFile } from "../../src/base/source.ts";
import { readObject } from "../../src/elfwriter/read.ts";
import { formatSource } from "../../src/parser/fmt.ts";
import { parse } from "../../src/parser/parse.ts";
import { DECLARATIONS, ProgramMaker } from "../property/random-program.ts";
import { compileText } from "../support/compile.ts";
import { Random } from "../support/random.ts";
import { readEbnf } from "./ebnf.ts";
import { sentences } from "./sentences.ts";
import { fcOptions, treeOf } from "./support.ts";

const root = new URL("../../", import.meta.url);

/** What is loaded of an object: all but its debug information, which tells source lines. */
function loadedPartsOf(bytes: Uint8Array): unknown {
  const { object } = readObject(bytes);
  if (object === undefined) throw new Error("not an object");
  return object.sections
    .filter(({ name }) => !/BTF|^\.(?:strtab|symtab|shstrtab)/.test(name))
    .map(({ name, bytes: content }) => [name, Buffer.from(content).toString("hex")]);
}

function hasErrors(text: string): boolean {
  return parse(new SourceFile("t", text)).diagnostics.some((d) => d.severity === "error");
}

function formatted(text: string): string {
  const { text: result, diagnostics } = formatSource(new SourceFile("t.xdp", text));
  if (result === null) throw new Error(diagnostics.map((d) => d.message).join("; "));
  return result;
}

/** The comments of a text without texts that hold a `#`. */
function commentsOf(text: string): string[] {
  return [...text.replace(/"(?:[^"\\\n]|\\.)*"/g, '""').matchAll(/#[^\r\n]*/g)].map(([comment]) => comment.trimEnd());
}

function expectKept(text: string): string {
  const once = formatted(text);
  expect(treeOf(parse(new SourceFile("t", once)).file)).toEqual(treeOf(parse(new SourceFile("t", text)).file));
  expect(commentsOf(once)).toEqual(commentsOf(text));
  expect(formatted(once)).toBe(once);
  expect(once).not.toMatch(/[ \t]\n|\n\n\n|^\n|\n\n$|\t/);
  return once;
}

describe("what becomes of it", () => {
  it.each<readonly [what: string, text: string, result: string]>([
    ["nothing", "", ""],
    ["only comments", "\n\n  # a\n\n\n#b  \n", "# a\n\n#b\n"],
    ["signs to words", "if a&&!b||!(c) then drop", "if a and not b or not (c) then drop\n"],
    [
      "tight text",
      "set a:u16[4]  if tcp.dport in{80,443..445}then{count h;drop}",
      "set a : u16[4]  if tcp.dport in { 80, 443..445 } then { count h; drop }\n",
    ],
    ["needless semicolons", "a = 1;\n;b = 2; ; # c\nif x then { ;pass; }", "a = 1\nb = 2  # c\nif x then { pass }\n"],
    [
      "semicolons between arms",
      "switch x {\n1=>a=2;\n(1,2)=>drop;\n}",
      "switch x {\n    1 => a = 2;\n    (1, 2) => drop\n}\n",
    ],
    [
      "blank lines",
      "\n\na = 1\n\n\n\nb = 2\nif x then {\n\n  c = 1\n\n\n  d = 1\n\n}\n\n",
      "a = 1\n\nb = 2\nif x then {\n    c = 1\n\n    d = 1\n}\n",
    ],
    [
      "an if's parts",
      "if a then\ncount x\nelse if b\nthen {\ndrop }\nelse\n{ pass }",
      "if a then\n    count x\nelse if b\nthen {\n    drop\n}\nelse { pass }\n",
    ],
    ["a block that has a line break", "if a then { b = 1\n c = 2 }", "if a then {\n    b = 1\n    c = 2\n}\n"],
    [
      "labels and types",
      "struct S{a:u8 b :u16}\nx = S{a:1,b : 2}\npush vlan f(a:1)",
      "struct S { a : u8 b : u16 }\nx = S { a: 1, b: 2 }\npush vlan f(a: 1)\n",
    ],
    [
      "type brackets",
      "map m :hash < u32,prefix < ipv4 > > [ 4 ]\nif a<b then pass",
      "map m : hash<u32, prefix<ipv4>>[4]\nif a < b then pass\n",
    ],
    [
      "slashes",
      "limiter l[4]:1000 / s burst 5\nlimiter k[4]:RATE/s\nx = a/b",
      "limiter l[4] : 1000/s burst 5\nlimiter k[4] : RATE / s\nx = a / b\n",
    ],
    [
      "a table",
      "set   a  : u8[4]\nmap   bb : array<u8>[4]\nset  lone : u8[4]",
      "set   a  : u8[4]\nmap   bb : array<u8>[4]\nset lone : u8[4]\n",
    ],
    ["comments in a column of the author's", "a = 1     # x\nbb = 22   # y", "a = 1     # x\nbb = 22   # y\n"],
    ["comments in no column", "a=1 # x\nbb = 22# y\n\nc = 1# z", "a = 1    # x\nbb = 22  # y\n\nc = 1  # z\n"],
    [
      "a comment that parts",
      "if a # why\n and b then # what\n{ drop # so\n}# end",
      "if a  # why\n        and b then  # what\n{\n    drop  # so\n}  # end\n",
    ],
    [
      "comments before what closes",
      "if a then {\n drop\n # last\n}\nconst set s : u8 = { 1,\n 2 # two\n}",
      "if a then {\n    drop\n    # last\n}\nconst set s : u8 = {\n    1,\n    2  # two\n}\n",
    ],
    ["line breaks inside", "x = a\n+ b.\nc[\n1]", "x = a\n    + b.c[1]\n"],
    ["a byte order mark", "\ufeffpass", "pass\n"],
    ["CRLF", "a = 1\r\nif b then {\r\npass }", "a = 1\r\nif b then {\r\n    pass\r\n}\r\n"],
    ["a lone CR behind a comment", "# a\rpass", "# a\npass\n"],
  ])("%s", (_what, text, result) => {
    expect(formatted(text)).toBe(result);
    expect(formatted(result)).toBe(result);
  });

  const name = (n: number): string => `a_name_of_twenty_${n}`;
  const names = (count: number): string[] => Array.from({ length: count }, (_, i) => name(i + 10));

  it("breaks long lines at their outermost joint", () => {
    expect(formatted(`if ${names(8).join(" and ")} then drop`)).toBe(
      `if ${names(5).join(" and ")}\n        and ${names(8).slice(5).join(" and ")} then drop\n`,
    );
    expect(
      formatted(
        `if x then { ${names(6)
          .map((n) => `count ${n}`)
          .join("; ")} }`,
      ),
    ).toBe(
      `if x then {\n${names(6)
        .map((n) => `    count ${n}\n`)
        .join("")}}\n`,
    );
    const values = Array.from({ length: 40 }, (_, i) => `${1000 + i}`);
    expect(formatted(`const set s : u16 = {${values.join(",")}}`)).toBe(
      `const set s : u16 = {\n    ${values.slice(0, 19).join(", ")},\n    ${values.slice(19, 38).join(", ")},\n    ${values.slice(38).join(", ")}\n}\n`,
    );
  });

  it("leaves no line too long that could be shorter", () => {
    const text = `test "t" with ${names(9)
      .map((n) => `${n} = 1`)
      .join(", ")} { packet ${names(9)
      .map((n) => `${n}(x: 1)`)
      .join(" / ")} expect pass }`;
    for (const line of expectKept(text).split("\n")) expect(line.length).toBeLessThanOrEqual(120);
  });

  it("leaves faulty files alone and says why", () => {
    const { text, diagnostics } = formatSource(new SourceFile("t", "if a thne drop\n"));
    expect(text).toBeNull();
    expect(diagnostics.map((d) => d.code)).toEqual(["X0125"]);
  });
});

describe("every text of rules", () => {
  const files = (folder: string): string[] =>
    readdirSync(new URL(folder, root), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".xdp"))
      .map((file) => `${folder}${file}`);
  const blocks = ["docs/", "grammar/"].flatMap((folder) =>
    readdirSync(new URL(folder, root))
      .filter((file) => file.endsWith(".md"))
      .flatMap((file) => {
        const text = readFileSync(new URL(`${folder}${file}`, root), "utf8");
        const found = [...text.matchAll(/^```xdp[^\n]*\n([\s\S]*?)^```$/gm)];
        return found.map((match, i) => [`${folder}${file} ${i}`, match[1] ?? ""] as const);
      }),
  );
  const texts = [...files("examples/"), ...files("stdlib/"), ...files("test/parser/samples/")].map(
    (file) => [file, readFileSync(new URL(file, root), "utf8")] as const,
  );

  it("is found", () => {
    expect([texts.length > 20, blocks.length > 20]).toEqual([true, true]);
  });

  it.each([...texts, ...blocks])("%s", (_name, text) => {
    if (hasErrors(text)) expect(formatSource(new SourceFile("t", text)).text).toBeNull();
    else {
      expectKept(text);
      // On one line as far as comments allow, with nothing where nothing need be, and with far too much everywhere.
      expectKept(text.replace(/ +/g, " ").replace(/^ | $/gm, ""));
      expectKept(text.replace(/^/gm, "\t \t").replace(/\n/g, "\n\n\n"));
    }
  });
});

describe("generated", () => {
  const seeds = Array.from(
    { length: Number(process.env.FC_RUNS ?? 6) },
    (_, i) => Number(process.env.FC_SEED ?? 1) + i,
  );
  it.each(seeds)("program of seed %i: the same instructions", (seed) => {
    const maker = new ProgramMaker(new Random(seed));
    const text = `${DECLARATIONS}\n${maker.statements(8).join("\n")}\n`;
    const [left, right] = [codeOf(text), codeOf(expectKept(text))];
    expect(right).toEqual(left);
  });

  function codeOf(text: string): unknown {
    const { output, diagnostics } = compileText(text, { optimise: 0 });
    return output === null ? diagnostics.map((d) => d.code) : loadedPartsOf(output.object);
  }

  // A sentence's tokens with all that may stand between two: spaces, line breaks, comments, blank lines.
  const rules = readEbnf(readFileSync(new URL("grammar/xdp.ebnf", root), "utf8"));
  const glue = fc.array(
    fc.constantFrom(" ", " ", " ", "  ", "\n", "\n", "\n\n", "\n\n\n", " # c1\n", "\n# c2\n", "\n\n#c3\n\n", "\t"),
    {
      minLength: 1,
      maxLength: 60,
    },
  );

  it("sentences of the grammar", () => {
    let understood = 0;
    fc.assert(
      fc.property(sentences(rules, "file", 8), glue, (words, between) => {
        const text = words.map((word, i) => word + (between[i % between.length] ?? " ")).join("");
        if (hasErrors(text)) return;
        expectKept(text);
        understood += 1;
      }),
      fcOptions(150),
    );
    expect(understood).toBeGreaterThan(50);
  });

  it("any text at all", () => {
    const words = fc.constantFrom(
      ...'if a then { } ; # \n pass drop else ( ) [ ] , : . 1 "x" and or set switch => &&'.split(" "),
      "\n",
      "\r\n",
      "\0",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.array(words).map((list) => list.join(" ")),
        ),
        (text) => {
          const { text: result } = formatSource(new SourceFile("t", text));
          if (result !== null) expectKept(text);
        },
      ),
      fcOptions(300),
    );
  });

  it("names that every JavaScript object has stay names", () => {
    for (const name of ["constructor", "toString", "__proto__", "hasOwnProperty"])
      expect(formatted(`count   ${name}`)).toBe(`count ${name}\n`);
  });

  it("many lines, one long line and deep nesting in reasonable time", () => {
    const many = "if tcp.dport == 80 and ip.saddr in { 10.0.0.0/8, 192.168.0.0/16 } then drop # why\n".repeat(2000);
    const long = `const set s : u32 = { ${Array.from({ length: 20_000 }, (_, i) => i).join(",")} }`;
    const deep = `x = ${"(".repeat(40)}1${")".repeat(40)}\n${"if a then { ".repeat(40)}pass${" }".repeat(40)}`;
    for (const text of [many, long, deep]) {
      const start = performance.now();
      formatted(text);
      expect(performance.now() - start).toBeLessThan(10_000);
    }
    expectKept(deep);
  });
});
