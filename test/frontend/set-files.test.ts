// Constant sets from files: how lines are read, what is said about bad ones, duplicates and empty sets, which files a compilation names,
// and that long ones take no longer than they must.

import { describe, expect, test } from "vitest";
import { SourceFile } from "../../src/base/source.ts";
import { readSetFile } from "../../src/set-file.ts";
import { compileText, describeDiagnostics } from "../support/compile.ts";

const rule: Readonly<Record<string, string>> = {
  "prefix<ipv4>": "ip.saddr",
  ipv4: "ip.saddr",
  "prefix<ipv6>": "ip6.saddr",
  ipv6: "ip6.saddr",
  mac: "eth.saddr",
  u8: "ip.ttl",
  u16: "meta.len as u16",
  u32: "meta.len",
  u64: "meta.now",
  "(ipv4, u16)": "(ip.saddr, ip.id)",
};

function compileSet(type: string, file: string): ReturnType<typeof compileText> {
  const source = `const set feed : ${type} from "feed.txt"\nif ${rule[type]} in feed then drop\n`;
  return compileText(source, { files: { "feed.txt": file } });
}

const toldOf = (type: string, file: string): string[] =>
  describeDiagnostics(compileSet(type, file))
    .split("\n")
    .filter((l) => l !== "");

describe("lines", () => {
  test.each([
    ["prefix<ipv4>", "10.0.0.0/8\n192.0.2.1\n198.51.100.0..198.51.100.9\n"],
    ["ipv4", "10.0.0.0/8"],
    ["prefix<ipv6>", "2001:db8::/32 # documentation\n::1\n\n\t fe80::1 .. fe80::9\n"],
    ["mac", "02:00:00:00:00:01\n02:00:00:00:00:02..02:00:00:00:00:09"],
    ["u8", "1\n0x10\n0b11\n"],
    ["u16", "22\n8000..8999\n64K# no: this is one too many\n".replace("64K", "32K")],
    ["u32", "1_000_000\n"],
    ["u64", "0xffffffffffffffff\n"],
    ["(ipv4, u16)", "(10.0.0.1, 80)\n10.0.0.1,443\n ( 10.0.0.2 , 0x50 ) # web\n"],
    ["u16", "\ufeff22\r\n# a comment\r\n  23  \r\n\r\n24"],
  ])("%s is read: %j", (type, file) => {
    expect(toldOf(type, file)).toEqual([]);
  });

  test.each([
    ["u16", "22\n70000\n", "feed.txt:2:1: error[X0006]"],
    ["u16", "22 # fine\n  80-90 # not fine\n", "feed.txt:2:3: error[X0006]"],
    ["u16", "90..80", "feed.txt:1:1: error[X0006]"],
    ["u16", "1..2..3", "feed.txt:1:1: error[X0006]"],
    ["u16", "..5", "feed.txt:1:1: error[X0006]"],
    ["u16", "22 23", "feed.txt:1:1: error[X0006]"],
    ["u16", "007", "feed.txt:1:1: error[X0104]"],
    ["u16", "10.0.0.1", "feed.txt:1:1: error[X0006]"],
    ["u64", "99999999999999999999999", "feed.txt:1:1: error[X0105]"],
    ["ipv4", "10.0.0.256", "feed.txt:1:8: error[X0106]"],
    ["ipv4", "10.0.0.1/33", "feed.txt:1:10: error[X0109]"],
    ["ipv4", "10.0.0.01", "feed.txt:1:8: error[X0106]"],
    ["ipv4", "10.0.0", "feed.txt:1:1: error[X0106]"],
    ["ipv4", "5", "feed.txt:1:1: error[X0006]"],
    ["ipv4", "2001:db8::1", "feed.txt:1:1: error[X0006]"],
    ["ipv4", "example.net", "feed.txt:1:1: error[X0006]"],
    ["ipv4", "10.0.0.1,80", "feed.txt:1:1: error[X0006]"],
    ["prefix<ipv6>", "2001:db8::/129", "feed.txt:1:12: error[X0109]"],
    ["prefix<ipv6>", "2001::db8::", "feed.txt:1:10: error[X0107]"],
    ["mac", "02-00-00-00-00-01", "feed.txt:1:1: error[X0108]"],
    ["(ipv4, u16)", "10.0.0.1", "feed.txt:1:1: error[X0006]"],
    ["(ipv4, u16)", "(10.0.0.1, 80", "feed.txt:1:1: error[X0006]"],
    ["(ipv4, u16)", "10.0.0.1,", "feed.txt:1:"],
    ["(ipv4, u16)", "10.0.0.1, 80, 90", "feed.txt:1:1: error[X0006]"],
    ["(ipv4, u16)", "10.0.0.0/8, 80", "feed.txt:1:1: error[X0006]"],
    ["(ipv4, u16)", "10.0.0.1, 70000", "feed.txt:1:1: error[X0006]"],
  ])("%s refuses %j", (type, file, where) => {
    const told = toldOf(type, file);
    expect(told).toHaveLength(1);
    expect(told[0]).toContain(where);
    expect(compileSet(type, file).output).toBeNull();
  });

  test("many bad lines are told as ten and the number of the others", () => {
    const told = toldOf("u16", `${"x y\n".repeat(500)}1\n`);
    expect(told).toHaveLength(11);
    expect(told[10]).toContain("feed.txt:11:1: error[X0006]: 490 more lines");
    expect(toldOf("u16", `${"10.0.0.1\n".repeat(500)}`)[10]).toContain("490 more lines");
  });

  test("a million elements are the most", () => {
    const { file, diagnostics } = readSetFile(new SourceFile("big.txt", "1\n".repeat(1_000_001)));
    expect(file.elements).toHaveLength(1_000_000);
    expect(diagnostics.map((d) => [d.code, d.primary?.span.start])).toEqual([["X0006", 2_000_000]]);
  });
});

describe("what is found in them", () => {
  test("a few duplicates are told one by one, with both places", () => {
    const { diagnostics } = compileSet("prefix<ipv4>", "10.1.0.0/16\n10.0.0.0/8\n192.0.2.1\n192.0.2.1\n");
    expect(
      diagnostics.map((d) => [d.code, d.primary?.span.file.path, d.primary?.span.start, d.secondary[0]?.span.start]),
    ).toEqual([
      ["X0702", "feed.txt", 12, 0],
      ["X0702", "feed.txt", 33, 23],
    ]);
  });

  test("many are told once, with some places", () => {
    const { diagnostics } = compileSet("u16", `${"7\n".repeat(1000)}`);
    expect(diagnostics.map((d) => [d.code, d.message, d.notes])).toEqual([
      ["X0702", "999 elements are in the set already", ["so do feed.txt:3:1, feed.txt:4:1, feed.txt:5:1 and 995 more"]],
    ]);
  });

  test("duplicate tuples", () => {
    expect(toldOf("(ipv4, u16)", "10.0.0.1, 80\n(10.0.0.1, 80)\n")).toEqual([
      "feed.txt:2:1: warning[X0702]: this is in the set already",
    ]);
  });

  test("bits behind a prefix", () => {
    expect(toldOf("prefix<ipv4>", "10.0.0.1/8\n")).toEqual([
      "feed.txt:1:1: warning[X0701]: the prefix 10.0.0.1/8 has bits set behind its length",
    ]);
    const many = Array.from({ length: 50 }, (_, i) => `10.${i}.0.1/16`).join("\n");
    expect(toldOf("prefix<ipv4>", many)).toEqual([
      "feed.txt:1:1: warning[X0701]: 50 prefixes have bits set behind their length",
    ]);
  });

  test.each(["", "# nothing\n\n", "\ufeff"])("an empty set: %j", (file) => {
    expect(toldOf("ipv4", file)).toEqual(["rules.xdp:1:11: warning[X0706]: `feed` has no elements"]);
  });

  test("a set is looked at though no rule names it", () => {
    const result = compileText('const set feed : u16 from "feed.txt"\npass\n', { files: { "feed.txt": "x\n" } });
    expect(result.diagnostics.map((d) => d.code)).toEqual(["X0006"]);
  });
});

describe("the file", () => {
  test("is one of the compilation's, once, also where no rule names it", () => {
    const source = `const set a : u16 from "feed.txt"
const set b : u32 from "feed.txt"
if tcp.dport in a or meta.len in b then drop`;
    const { files, output } = compileText(source, { files: { "feed.txt": "1\n", "other.txt": "2\n" } });
    expect(output).not.toBeNull();
    expect(files.map((f) => f.path).filter((path) => path.endsWith(".txt"))).toEqual(["feed.txt"]);
    expect(files[0]?.path).toBe("rules.xdp");
  });

  test("may be named by an imported file", () => {
    const files = { "lists.xdp": 'const set feed : ipv4 from "feed.txt"\n', "feed.txt": "10.0.0.1\n" };
    const result = compileText('import "lists.xdp"\nif ip.saddr in feed then drop\n', { files });
    expect(describeDiagnostics(result)).toBe("");
    expect(result.files.map((f) => f.path)).toEqual(expect.arrayContaining(["lists.xdp", "feed.txt"]));
  });

  test("that isn't there is an error at its name", () => {
    const result = compileText('const set feed : ipv4 from "feed.txt"\nif ip.saddr in feed then drop\n');
    expect(describeDiagnostics(result)).toBe('rules.xdp:1:28: error[X0005]: can\'t read "feed.txt": no such file');
  });
});

describe("uses", () => {
  const files = { "ports.txt": Array.from({ length: 200 }, (_, i) => `${i * 7}\n`).join("") };
  test.each([
    'const set p : u16 from "ports.txt"\nconst all = { p, 60000..60100 }\nif tcp.dport in all then drop',
    'const set p from "ports.txt"\nif tcp.dport in p and udp.dport in p then drop',
    'const set p : u16 from "ports.txt"\nif tcp then switch tcp.dport { p => drop; 65000 => tx; else => pass }',
    'const set p : u16 from "ports.txt"\nconst set q : u16 = { p, 65000 }\nif not (tcp.dport in q) then pass',
    'const set p : u16 from "ports.txt"\nfn bad(x : u16) = x in p\nif bad(tcp.dport) or bad(udp.sport) then drop',
    'const set p : u32 from "ports.txt"\nif tcp.dport in p then drop',
  ])("%s", (source) => {
    const result = compileText(source, { files });
    expect(result.output, describeDiagnostics(result)).not.toBeNull();
  });

  test.each([
    ['const set p : u16 from "ports.txt"\nif ip.saddr in p then drop', "X0301"],
    ["const set p : u8 = { 1, 2 }\nif tcp.dport in p then drop", "X0303"],
    ['const set p : u16 from "ports.txt"\nif ip then switch ip.ttl { p => drop; else => pass }', "X0301"],
    ['const set p : prefix<u16> from "ports.txt"\nif tcp.dport in p then drop', "X0310"],
  ])("%s: %s", (source, code) => {
    const result = compileText(source, { files });
    expect(result.output).toBeNull();
    expect(result.diagnostics.map((d) => d.code)).toContain(code);
  });

  test("two programs share one table", () => {
    const one = (rules: string): number =>
      compileText(`const set p : u16 from "ports.txt"\n${rules}`, { files }).output?.object.length ?? 0;
    const single = one("program a { if tcp.dport in p then drop }");
    const both = one("program a { if tcp.dport in p then drop }\nprogram b { if udp.dport in p then drop }");
    expect(both - single).toBeLessThan(4096);
  });
});

describe("size", () => {
  const list = (n: number): string =>
    Array.from({ length: n }, (_, i) => {
      const value = Math.imul(i, 0x9e3779b1) >>> 0;
      return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.0/24`;
    }).join("\n");

  test("100,000 prefixes compile in seconds, to the same bytes each time", () => {
    const file = list(100_000);
    const start = performance.now();
    const first = compileSet("prefix<ipv4>", file).output?.object;
    expect(performance.now() - start).toBeLessThan(15_000);
    const second = compileSet("prefix<ipv4>", file).output?.object;
    expect(first).toBeDefined();
    expect(Buffer.compare(first!, second!)).toBe(0);
    expect(first!.length).toBeLessThan(4_000_000);
  });

  test("a table that would be far too large is refused", () => {
    // All addresses but some points that stand close together three by three, far from the next three.
    const points = Array.from(
      { length: 12_000 },
      (_, i) => (BigInt(Math.imul(i, 0x9e3779b1) >>> 0) << 96n) | (BigInt(i) << 60n),
    )
      .flatMap((x) => [x + 3n, x + 9n, x + 14n])
      .sort((a, b) => (a < b ? -1 : 1));
    const shown = (v: bigint): string =>
      Array.from({ length: 8 }, (_, i) => ((v >> BigInt(112 - 16 * i)) & 0xffffn).toString(16)).join(":");
    const lines = points.slice(1).map((to, i) => `${shown((points[i] as bigint) + 1n)}..${shown(to - 1n)}`);
    const { diagnostics, output } = compileSet("ipv6", lines.join("\n"));
    expect(output).toBeNull();
    expect(diagnostics.map((d) => [d.code, d.primary?.span.file.path])).toEqual([["X0609", "feed.txt"]]);
  });

  test("100,000 numbers between braces", () => {
    const source = `if meta.len in { ${Array.from({ length: 100_000 }, (_, i) => 2 * i).join(", ")} } then drop`;
    expect(compileText(source, { checkEachPass: false }).output).not.toBeNull();
  });
});
