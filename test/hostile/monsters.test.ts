// Files that are monstrous rather than malformed: deep, long, wide or exponential. Each ends, in a time that its size excuses, in
// an object or in the diagnostic that says what is too much, at a place.

import { expect, test } from "vitest";
import { compileText, describeDiagnostics } from "../support/compile.ts";

const many = (count: number, make: (index: number) => string, between = "\n"): string =>
  Array.from({ length: count }, (_, index) => make(index)).join(between);
/** A row of declarations, the first given, each of the others made from its number. */
const row = (count: number, first: string, next: (index: number) => string): string =>
  many(count, (i) => (i === 0 ? first : next(i)));

/** What comes out: an object, or errors of which one has this code. */
type Outcome = "object" | `X${string}`;

const MONSTERS: readonly (readonly [name: string, outcome: Outcome, text: () => string])[] = [
  ["1 MB of brackets", "X0121", () => "(".repeat(1 << 20)],
  ["1 MB of brackets of all kinds", "X0121", () => "{[(".repeat(350_000)],
  ["500,000 brackets closed again", "X0135", () => `if ${"(".repeat(500_000)}tcp${")".repeat(500_000)} then drop`],
  ["a string of 1 MB without an end", "X0102", () => `log "${"a".repeat(1 << 20)}`],
  ["a section's name of 1 MB", "X0506", () => `program p section "${"a".repeat(1 << 20)}" { pass }`],
  ["10,000 ifs in each other", "X0135", () => `${"if tcp then { ".repeat(10_000)} drop ${"}".repeat(10_000)}`],
  ["10,000 ifs in each other without braces", "X0135", () => `${"if tcp then ".repeat(10_000)} drop`],
  ["100 ifs in each other", "object", () => `${"if tcp then { ".repeat(100)} drop ${"}".repeat(100)}`],
  ["100,000 times not", "X0135", () => `if ${"not ".repeat(100_000)} tcp then drop`],
  ["10,000 else ifs", "X0135", () => many(10_000, (i) => `if tcp.dport == ${i} then drop`, " else ")],
  ["500 else ifs", "object", () => many(500, (i) => `if tcp.dport == ${i * 3} then drop`, " else ")],
  ["20,000 times and", "X0135", () => `if ${many(20_000, (i) => `tcp.dport != ${i}`, " and ")} then drop`],
  ["400 times or", "object", () => `if ${many(400, (i) => `tcp.dport == ${i * 3}`, " or ")} then drop`],
  ["100,000 times plus", "X0135", () => `var x : u32\nx = ${many(100_000, () => "meta.len", " + ")}`],
  ["800 times plus", "object", () => `var x : u32\nx = ${many(800, () => "meta.len", " + ")}`],
  ["100,000 members", "X0135", () => `if a${".b".repeat(100_000)} == 3 then drop`],
  [
    "1,000 functions that call each other in a row",
    "object",
    () => `${row(1000, "fn f0() = tcp.syn", (i) => `fn f${i}() = f${i - 1}()`)}\nif f999() then drop`,
  ],
  [
    "1,000 block functions in a row",
    "object",
    () => `${row(1000, "fn f0() { drop }", (i) => `fn f${i}() { f${i - 1}() }`)}\nf999()`,
  ],
  [
    "functions that double",
    "X0602",
    () => `counter hits\n${row(40, "fn f0() { count hits }", (i) => `fn f${i}() { f${i - 1}() f${i - 1}() }`)}\nf39()`,
  ],
  [
    "expressions that double",
    "X0602",
    () =>
      `${row(40, "fn g0(x : u32) = x + 1", (i) => `fn g${i}(x : u32) = g${i - 1}(x) + g${i - 1}(x)`)}\nvar y : u32\ny = g39(meta.len)`,
  ],
  [
    "conditions that double",
    "X0602",
    () => `${row(40, "fn g0() = tcp.syn", (i) => `fn g${i}() = g${i - 1}() and g${i - 1}()`)}\nif g39() then drop`,
  ],
  [
    "arguments that double",
    "X0602",
    () => `fn d(x : u32) = x + x\nvar y : u32\ny = ${"d(".repeat(40)}meta.len${")".repeat(40)}`,
  ],
  [
    "constants that double",
    "object",
    () => `${row(60, "const C0 = 1", (i) => `const C${i} = C${i - 1} + C${i - 1}`)}\nvar y : u64\ny = C59`,
  ],
  [
    "sets that double",
    "X0602",
    () =>
      `${row(40, "const S0 = { 1, 2 }", (i) => `const S${i} = { S${i - 1}, S${i - 1} }`)}\nif tcp.dport in S39 then drop`,
  ],
  [
    "structs that double",
    "X0310",
    () =>
      `${row(40, "struct S0 { a : u64, b : u64 }", (i) => `struct S${i} { a : S${i - 1}, b : S${i - 1} }`)}\nmap m : hash<u32, S39>[10]\nif let e = m[1] then drop`,
  ],
  ["a loop of 4,294,967,296 turns", "X0606", () => "for i in 0..4294967295 { if tcp then drop }"],
  [
    "loops in loops in loops",
    "X0606",
    () => "for a in 0..99 { for b in 0..99 { for c in 0..99 { if tcp.dport == 5 then drop } } }",
  ],
  [
    "a set of 100,000 elements",
    "object",
    () => `if tcp.dport in { ${many(100_000, (i) => String(i % 65536), ", ")} } then drop`,
  ],
  [
    "a set of 4,000 addresses",
    "object",
    () => `if ip.saddr in { ${many(4000, (i) => `10.${i >> 8}.${i & 255}.7`, ", ")} } then drop`,
  ],
  ["20,000 constants", "object", () => `${many(20_000, (i) => `const C${i} = ${i}`)}\npass`],
  ["2,000 names that nothing is called", "X0202", () => many(2000, (i) => `if tcpp.dport == nosuch${i} then drop`)],
  [
    "a header of 3,000 bits",
    "X0208",
    () => `header h on eth 0x9000 { ${many(3000, (i) => `f${i} : 1`, ", ")} }\nif h.f3 then drop`,
  ],
  ["200 headers", "X0208", () => `${many(200, (i) => `header h${i} on eth ${0x9000 + i} { k : u8 }`)}\npass`],
  [
    "60 headers in a row",
    "X0208",
    () =>
      `${many(60, (i) => `header h${i} on ${i === 0 ? "eth 0x9000" : `h${i - 1} 1`} { k : u8 next k }`)}\nif h59 then drop`,
  ],
  [
    "16 headers of one kind in a row",
    "object",
    () => "header h on eth 0x9000, h 1 depth 16 { k : u8 next k }\nif h[15] then drop",
  ],
  ["2,000 maps", "object", () => `${many(2000, (i) => `set s${i} : u16[16]`)}\nif tcp.dport in s5 then drop`],
  [
    "100,000 rules",
    "X0602",
    () =>
      many(
        100_000,
        (i) => `if ${["tcp.dport", "udp.dport", "ip.id", "tcp.sport", "ip.ttl"][i % 5]} == ${i % 256} then drop`,
      ),
  ],
  [
    "2,000 rules on four fields",
    "object",
    () => many(2000, (i) => `if ${["tcp.dport", "udp.dport", "ip.id", "tcp.sport"][i % 4]} == ${i * 7} then drop`),
  ],
  ["NUL bytes", "X0101", () => "if tcp\0 then drop\0\0\0"],
  ["lines that end in CR LF", "object", () => "if tcp then drop\r\nif udp then tx\r\n"],
  ["a byte order mark", "object", () => "\ufeffif tcp then drop"],
  ["nothing", "X0207", () => ""],
  ["1 MB of blanks", "X0207", () => " ".repeat(1 << 20)],
  ["1 MB of comment", "X0207", () => "#".repeat(1 << 20)],
  ["1,048,576 lines", "X0207", () => "\n".repeat(1 << 20)],
  ["a name of 1 MB", "X0202", () => `if ${"a".repeat(1 << 20)} then drop`],
  ["a number of 262,144 digits", "X0105", () => `if tcp.dport == ${"9".repeat(1 << 18)} then drop`],
  ["a map's name of 300 letters", "X0209", () => `set ${"s".repeat(300)} : u16[4]\npass`],
];

test.each(MONSTERS)(
  "%s: %s",
  (_, outcome, text) => {
    const start = performance.now();
    const result = compileText(text());
    const took = performance.now() - start;
    if (outcome === "object") expect(result.output, describeDiagnostics(result).slice(0, 500)).not.toBeNull();
    else {
      expect(result.output).toBeNull();
      expect(result.diagnostics.map((d) => d.code)).toContain(outcome);
    }
    expect(result.diagnostics.every((d) => d.primary !== null)).toBe(true);
    expect(took).toBeLessThan(20_000);
  },
  60_000,
);

test("a long message doesn't hold the whole long name", () => {
  const { diagnostics } = compileText(`if ${"a".repeat(1 << 20)} then drop`);
  expect(diagnostics[0]!.message.length).toBeLessThan(1000);
});

const IMPORTS: readonly (readonly [name: string, files: Record<string, string>, main: string, code: string])[] = [
  ["of a file that isn't there", {}, 'import "nosuch.xdp"\npass', "X0002"],
  ["in a circle of one", { "a.xdp": 'import "a.xdp"\n' }, 'import "a.xdp"\npass', "X0003"],
  [
    "in a circle of three",
    { "a.xdp": 'import "b.xdp"\n', "b.xdp": 'import "c.xdp"\n', "c.xdp": 'import "a.xdp"\n' },
    'import "a.xdp"\npass',
    "X0003",
  ],
  [
    "one behind another, 500 deep",
    Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`f${i}.xdp`, `import "f${i + 1}.xdp"\n`])),
    'import "f0.xdp"\npass',
    "X0002",
  ],
  ["of a file with faults", { "a.xdp": "fn f( = 3\n" }, 'import "a.xdp"\npass', "X0121"],
  ["of an unknown part of the library", {}, "import std.nosuch\npass", "X0004"],
  ["from nowhere", {}, 'import ""\npass', "X0002"],
];

test.each(IMPORTS)("an import %s", (_, files, main, code) => {
  const result = compileText(main, { files });
  expect(result.output).toBeNull();
  if (code !== "X0121") expect(result.diagnostics.map((d) => d.code)).toContain(code);
  expect(result.diagnostics.every((d) => d.primary !== null)).toBe(true);
});

test("an import of one file by two others, and twice by one", () => {
  const files = { "a.xdp": 'import "c.xdp"\n', "b.xdp": 'import "c.xdp"\nimport "c.xdp"\n', "c.xdp": "const N = 80\n" };
  const result = compileText('import "a.xdp"\nimport "b.xdp"\nif tcp.dport == N then drop', { files });
  expect(describeDiagnostics(result)).not.toContain("error");
  expect(result.output).not.toBeNull();
});
