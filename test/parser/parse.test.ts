// What each construct becomes, the language's traps, and what is said about mistakes. Expectations are written by hand.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { SourceFile, textOf } from "../../src/base/source.ts";
import type { Expr } from "../../src/parser/ast.ts";
import { formatExpr, formatFile } from "../../src/parser/format.ts";
import { parse } from "../../src/parser/parse.ts";
import { faultsOf, itemsOf, treeOf } from "./support.ts";

/** The expression `text` with every operator's operands in parentheses. */
function grouped(text: string): string {
  const [item] = parse(new SourceFile("t", `let x = ${text}`)).file.items;
  if (item?.kind !== "let") throw new Error("not a let");
  const group = (e: Expr): string => {
    switch (e.kind) {
      case "binary":
        return `(${group(e.left)} ${e.op} ${group(e.right)})`;
      case "not":
        return `(not ${group(e.operand)})`;
      case "range":
        return `(${group(e.from)}..${group(e.to)})`;
      case "cast":
        return `(${group(e.value)} as ${textOf(e.type.span)})`;
      case "member":
        return `${group(e.object)}.${e.member.text}`;
      default:
        return formatExpr(e);
    }
  };
  return group(item.value);
}

describe("operators", () => {
  it.each([
    ["a + b * c - d", "((a + (b * c)) - d)"],
    ["a * b / c % d", "(((a * b) / c) % d)"],
    ["a << b + c >> d", "((a << (b + c)) >> d)"],
    ["a & b << c", "(a & (b << c))"],
    ["a ^ b & c", "(a ^ (b & c))"],
    ["a | b ^ c", "(a | (b ^ c))"],
    ["a & 1 == 0", "((a & 1) == 0)"],
    ["a | b != c ^ d", "((a | b) != (c ^ d))"],
    ["not a == b", "(not (a == b))"],
    ["!a == b", "(not (a == b))"],
    ["not a and b", "((not a) and b)"],
    ["a or b and c or d", "((a or (b and c)) or d)"],
    ["a || b && c", "(a or (b and c))"],
    ["not not a", "(not (not a))"],
    ["a and not b or not c", "((a and (not b)) or (not c))"],
    ["a as u8 * b", "((a as u8) * b)"],
    ["a * b as u8", "(a * (b as u8))"],
    ["a.b as u8 as u16", "((a.b as u8) as u16)"],
    ["a in 1..b + 2", "(a in (1..(b + 2)))"],
    ["a exceeds l and b in s", "((a exceeds l) and (b in s))"],
    ["(a + b) * c", "((a + b) * c)"],
    ["a - b - c", "((a - b) - c)"],
    ["a - (b - c)", "(a - (b - c))"],
    ["a == (not b)", "(a == (not b))"],
    ["a or (b or c)", "(a or (b or c))"],
  ])("%s", (text, expected) => {
    expect(faultsOf(`let x = ${text}`)).toEqual([]);
    expect(grouped(text)).toBe(expected);
  });

  it.each([
    ["let x = a < b < c", "1:15 X0130 `<` and `<` can't follow each other"],
    ["let x = a == b != c", "1:16 X0130 `==` and `!=` can't follow each other"],
    ["let x = 1..2..3", "1:13 X0130 a range has two ends"],
    ["let x = a == not b", "1:14 X0131 `not` can't stand behind an operator that binds tighter"],
    ["let x = 1 + !b", "1:13 X0131 `!` can't stand behind an operator that binds tighter"],
  ])("%s is an error", (text, fault) => {
    expect(faultsOf(text)).toEqual([fault]);
  });
});

describe("literals", () => {
  const literalValue = (text: string): unknown => itemsOf(`let x = ${text}`)[0]?.value;
  it.each([
    ["80", { kind: "number", value: "80n" }],
    ["0x50", { kind: "number", value: "80n" }],
    ["0XfF", { kind: "number", value: "255n" }],
    ["0b101", { kind: "number", value: "5n" }],
    ["1_000_000", { kind: "number", value: "1000000n" }],
    ["64K", { kind: "number", value: "65536n" }],
    ["2M", { kind: "number", value: "2097152n" }],
    ["1G", { kind: "number", value: "1073741824n" }],
    ["0", { kind: "number", value: "0n" }],
    ["18446744073709551615", { kind: "number", value: "18446744073709551615n" }],
    ["0x0000000000000000000001", { kind: "number", value: "1n" }],
    ["true", { kind: "bool", value: true }],
    ["100ms", { kind: "duration", nanoseconds: "100000000n" }],
    ["7ns", { kind: "duration", nanoseconds: "7n" }],
    ["7us", { kind: "duration", nanoseconds: "7000n" }],
    ["2s", { kind: "duration", nanoseconds: "2000000000n" }],
    ["5min", { kind: "duration", nanoseconds: "300000000000n" }],
    ["10.0.0.1", { kind: "address", type: "ipv4", value: "167772161n" }],
    ["10.0.0.0/8", { kind: "prefix", type: "ipv4", value: "167772160n", length: 8 }],
    ["0.0.0.0/0", { kind: "prefix", type: "ipv4", value: "0n", length: 0 }],
    ["aa:bb:cc:dd:ee:ff", { kind: "address", type: "mac", value: `${0xaabbccddeeffn}n` }],
    ["01:80:C2:00:00:0e", { kind: "address", type: "mac", value: `${0x0180c200000en}n` }],
    ["::", { kind: "address", type: "ipv6", value: "0n" }],
    ["::1", { kind: "address", type: "ipv6", value: "1n" }],
    ["fe80::", { kind: "address", type: "ipv6", value: `${0xfe80n << 112n}n` }],
    ["2001:db8::8:800:200c:417a", { kind: "address", type: "ipv6", value: `${0x20010db80000000000080800200c417an}n` }],
    ["1:2:3:4:5:6:7:8", { kind: "address", type: "ipv6", value: `${0x00010002000300040005000600070008n}n` }],
    ["1:2:3:4:5:6:7::", { kind: "address", type: "ipv6", value: `${0x00010002000300040005000600070000n}n` }],
    ["::ffff:192.0.2.1", { kind: "address", type: "ipv6", value: `${0xffffc0000201n}n` }],
    ["2001:db8::/32", { kind: "prefix", type: "ipv6", value: `${0x20010db8n << 96n}n`, length: 32 }],
    ["::/0", { kind: "prefix", type: "ipv6", value: "0n", length: 0 }],
    ['"a\\n\\t\\r\\"\\\\\\x41\\u{20ac}"', { kind: "string", value: 'a\n\t\r"\\A€' }],
    ['"# no comment"', { kind: "string", value: "# no comment" }],
  ])("%s", (text, expected) => {
    expect(literalValue(text)).toEqual(expected);
  });

  it("tells ranges from fractions and addresses", () => {
    const number = (value: string): object => ({ kind: "number", value });
    expect(literalValue("0..8")).toEqual({ kind: "range", from: number("0n"), to: number("8n") });
    expect(literalValue("8000 .. 8999")).toEqual({ kind: "range", from: number("8000n"), to: number("8999n") });
    expect(literalValue("10.0.0.1..10.0.0.9")).toMatchObject({
      from: { value: "167772161n" },
      to: { value: "167772169n" },
    });
    expect(literalValue("::1..::5")).toMatchObject({ from: { value: "1n" }, to: { value: "5n" } });
  });

  it("keeps a name's colon apart from an address", () => {
    expect(literalValue("Flow{bad:cafe,dport:80,s:10.0.0.1,x:::1}".replace("x:::1", "x: ::1"))).toMatchObject({
      fields: [{ name: "bad" }, { name: "dport" }, { name: "s" }, { name: "x", value: { value: "1n" } }],
    });
  });

  it.each([
    ["10.0.0.256", "1:16 X0106 256 is too large for a part of an IPv4 address"],
    ["10.0.0.300/8", "1:16 X0106 300 is too large for a part of an IPv4 address"],
    ["1.2.3", "1:9 X0106 an IPv4 address has four numbers"],
    ["1.2.3.4.5", "1:9 X0106 an IPv4 address has four numbers"],
    ["1.2.3.x4", "1:9 X0120"],
    ["1.2.3.4x", "1:15 X0106 `4x` isn't a number from 0 to 255"],
    ["010.0.0.1", "1:9 X0106 a part of an IPv4 address doesn't start with 0"],
    ["1.5", "1:9 X0104 a number has no fraction"],
    ["10.0.0.0/33", "1:18 X0109 an IPv4 prefix length is 0 to 32"],
    ["10.0.0.0/08", "1:18 X0109 an IPv4 prefix length is 0 to 32"],
    ["::/129", "1:12 X0109 an IPv6 prefix length is 0 to 128"],
    ["0755", "1:9 X0104 a number doesn't start with 0"],
    ["0x", "1:9 X0104 this hexadecimal number has no digits"],
    ["0xfg", "1:12 X0104 `g` isn't a hexadecimal digit"],
    ["0b12", "1:12 X0104 `2` isn't a binary digit"],
    ["1__0", "1:10 X0104 an underscore stands only between two digits"],
    ["10_", "1:11 X0104 an underscore stands only between two digits"],
    ["64k", "1:11 X0104 `k` isn't a suffix for a number"],
    ["10sec", "1:11 X0104 `sec` isn't a suffix for a number"],
    ["5x", "1:10 X0104 `x` isn't a suffix for a number"],
    ["18446744073709551616", "1:9 X0105 this number doesn't fit in 64 bits"],
    ["0x10000000000000000", "1:9 X0105 this number doesn't fit in 64 bits"],
    ["18446744073709551615K", "1:9 X0105 this number doesn't fit in 64 bits"],
    ["aa:bb:cc:dd:ee", "1:9 X0108 a MAC address has six pairs of digits"],
    ["aa:bb:cc:dd:ee:f", "1:24 X0108 `f` isn't a pair of hexadecimal digits"],
    ["aa:bb:cc:dd:ee:fg", "1:24 X0108 `fg` isn't a pair of hexadecimal digits"],
    ["aa:bb:cc:dd:ee:ff/24", "1:26 X0108 a MAC address has no prefix length"],
    ["01-80-c2-00-00-0e", "1:9 X0108 a MAC address is written with colons"],
    ["fe80::1::2", "1:16 X0107 an IPv6 address has `::` only once"],
    ["1:2:3:4:5:6:7:8:9", "1:9 X0107 an IPv6 address has eight groups"],
    ["12345::1", "1:9 X0107 `12345` isn't a group of an IPv6 address"],
    ["::1.2.3.400", "1:17 X0106 400 is too large for a part of an IPv4 address"],
    ["fe80::1:", "1:16 X0107 a group of this IPv6 address is empty"],
  ])("%s is one error", (text, fault) => {
    const faults = faultsOf(`let x = ${text}`);
    expect(faults).toHaveLength(1);
    if (!fault.endsWith("X0120")) expect(faults).toEqual([fault]);
  });
});

describe("characters", () => {
  it.each([
    ["\ufeffpass", []],
    ["pass\r\n", []],
    ["pass # comment\r\n# another", []],
    ["pass\0", ["1:5 X0101 unexpected NUL byte"]],
    ["if a @ then pass", ["1:6 X0101 unexpected character `@`"]],
    ["if a ≠ b then pass", ["1:6 X0101 unexpected character `≠`"]],
    ["größe = 1", ["1:1 X0112 `größe` has letters that a name can't have"]],
    ['log "abc\npass', ["1:5 X0102 this string has no closing quote"]],
    ['log "abc\\', ["1:5 X0102 this string has no closing quote"]],
    ['log "a\\q"', ["1:7 X0103 `\\q` isn't an escape"]],
    ['log "a\\x4"', ["1:7 X0103 `\\x` isn't an escape"]],
    ['log "a\\u{110000}"', ["1:7 X0103 `\\u{110000}` isn't an escape"]],
    ['log "a\u0001"', ["1:7 X0113 a string can't hold U+0001 as it is"]],
    ["log 'abc'", ["1:5 X0111 a string stands in double quotes"]],
    ["pass // over", ["1:6 X0110 a comment starts with `#`"]],
    ["/* a\n b */ pass", ["1:1 X0110 a comment starts with `#`"]],
    ["“x”", ["1:1 X0101 unexpected character `“`", "1:3 X0101 unexpected character `”`"]],
  ])("%j", (text, faults) => {
    expect(faultsOf(text).filter((f) => !f.includes("X0121"))).toEqual(faults);
  });
});

describe("names", () => {
  it("any word is a name after a dot and before a colon", () => {
    expect(itemsOf("if a.in == b.if and c.then.drop == 1 then x.count = 1")).toHaveLength(1);
    expect(itemsOf("header h on eth 1 { if : 4, then : 4, next : u8, size : u8, length : u8, in : u8 }")).toHaveLength(
      1,
    );
    expect(itemsOf("x = S { drop: 1, next: 2 }")).toHaveLength(1);
  });

  it.each([
    "size",
    "next",
    "length",
    "type",
    "id",
    "hash",
    "set",
    "count",
    "header",
    "lru",
    "on",
    "with",
    "inner",
    "dev",
  ])("%s can name a variable, a map and a function", (word) => {
    const text = `var ${word} : u32\nmap m${word} : hash<u8, ${word}>[4]\n${word} = ${word} + 1\n${word}[1] = 2\n${word}.x += 1\nlet ${word} = ${word}(${word})\nfn ${word}() = 1\nfor ${word} in 0..3 {}`;
    expect(itemsOf(text)).toHaveLength(8);
  });

  it("header names that are words of the language stay usable", () => {
    expect(itemsOf("if vlan then pass")[0]).toMatchObject({ condition: { kind: "name", name: "vlan" } });
    expect(itemsOf("if inner.ip.saddr == 1.2.3.4 then pass")).toHaveLength(1);
    expect(itemsOf("redirect dev")[0]).toMatchObject({ target: { kind: "map", map: "dev", key: null } });
    expect(itemsOf('redirect dev "eth1"')[0]).toMatchObject({ target: { kind: "device" } });
  });

  it.each(["if", "then", "drop", "in", "not", "true"])("%s can't be declared", (word) => {
    expect(faultsOf(`set ${word} : u16[4]`)).toEqual([
      `1:5 X0127 \`${word}\` is a word of the language and can't be a name here`,
    ]);
  });
});

describe("traps", () => {
  it("else belongs to the nearest if", () => {
    expect(itemsOf("if a then if b then pass else drop")[0]).toMatchObject({
      else: null,
      then: { braces: false, statements: [{ kind: "if", else: { statements: [{ verdict: { verdict: "drop" } }] } }] },
    });
    expect(itemsOf("if a then { if b then pass } else drop")[0]).toMatchObject({
      then: { braces: true, statements: [{ kind: "if", else: null }] },
      else: { statements: [{ verdict: { verdict: "drop" } }] },
    });
  });

  it("else if nests to the right", () => {
    expect(itemsOf("if a then pass else if b then drop else tx")[0]).toMatchObject({
      else: { braces: false, statements: [{ kind: "if", else: { statements: [{ verdict: { verdict: "tx" } }] } }] },
    });
  });

  it.each([
    ["if x in bad then count hits drop", "1:29 X0132"],
    ["if x in bad then count hits; drop", "1:30 X0132"],
    ["if x then count a count b", "1:19 X0132"],
    ["if x then drop else count hits pass", "1:32 X0132"],
    ["if x then if y then count hits drop", "1:32 X0132"],
    ["if x then redirect xsk drop", "1:24 X0132"],
    ["if x then a = 1 b = 2", "1:17 X0132"],
    ["program p { if x then guard() drop }", "1:31 X0132"],
    ["fn f() { if x then guard() drop }", "1:28 X0132"],
    ["switch x { 1 => { if x then guard() drop } }", "1:37 X0132"],
  ])("%s: the further statement is an error", (text, fault) => {
    const faults = faultsOf(text);
    expect(faults).toEqual([`${fault} this statement isn't part of the \`if\` before it`]);
  });

  it.each([
    "if x then drop  pass",
    "if x then { count hits } drop",
    "if x then count hits\ndrop",
    "if x then count hits else pass drop",
    "if x then count hits set y : u16[4]",
  ])("%s is fine", (text) => {
    expect(faultsOf(text)).toEqual([]);
  });

  it("offers braces, or the fallback, as the repair", () => {
    const fixed = (text: string): string => {
      const fix = parse(new SourceFile("t", text)).diagnostics[0]?.fix;
      let result = text;
      for (const e of (fix?.edits ?? []).toReversed())
        result = result.slice(0, e.span.start) + e.newText + result.slice(e.span.end);
      return result;
    };
    expect(fixed("if x in bad then count hits drop")).toBe("if x in bad then { count hits drop }");
    expect(fixed("if x then redirect xsk drop")).toBe("if x then redirect xsk or drop");
    expect(fixed("if a thne drop")).toBe("if a then drop");
    expect(fixed("if a = b then drop")).toBe("if a == b then drop");
    expect(fixed("if a { drop }")).toBe("if a then { drop }");
    expect(fixed("if a then pass; else drop")).toBe("if a then pass else drop");
    expect(fixed("set a : u16")).toBe("set a : u16[1024]");
    expect(fixed("let x = 64k")).toBe("let x = 64K");
    expect(fixed("pass // x")).toBe("pass # x");
  });

  it("warns of indentation that misleads", () => {
    expect(faultsOf("if x then\n    count hits\n    drop")).toEqual([
      "3:5 X0134 this statement looks as if it belonged to the `if` above",
    ]);
    expect(faultsOf("if x then\n    count hits\ndrop")).toEqual([]);
  });

  it.each([
    ["pass\ncount hits", "2:1"],
    ["pass drop", "1:6"],
    ["redirect xsk or drop\ndrop", "2:1"],
    ["if x then { forward drop }", "1:21"],
    ["program p { tx; default drop\n pass }", "2:2"],
    ["pass\nset x : u8[1]\npass", "3:1"],
    ["fn f() { tail t[1] pass }", "1:20"],
  ])("%s: nothing follows a verdict", (text, place) => {
    expect(faultsOf(text)).toEqual([`${place} X0133 this statement is never reached`]);
  });

  it("a switch's arm is one statement or a block, and a name may be its subject", () => {
    expect(itemsOf("switch x { tcp, udp => pass; icmp => drop; else => tx }")[0]).toMatchObject({
      subject: { name: "x" },
      arms: [{ patterns: [{ name: "tcp" }, { name: "udp" }] }, { patterns: [{ name: "icmp" }] }],
      else: { statements: [{ verdict: { verdict: "tx" } }] },
    });
    expect(itemsOf("switch x { 1 => if y then drop else => tx }")[0]).toMatchObject({
      arms: [{ body: { statements: [{ kind: "if", else: null }] } }],
      else: { braces: false },
    });
    expect(itemsOf("switch x { 1 => count a 2 => { count b drop } 3..5 => a = 1 else => {} }")[0]).toMatchObject({
      arms: [{}, {}, { patterns: [{ kind: "range" }] }],
    });
    expect(itemsOf("switch x {}")[0]).toMatchObject({ subject: { kind: "name" }, arms: [] });
    expect(faultsOf("switch x { tcp => count hits drop; udp => pass }")).toEqual([
      "1:30 X0122 an arm of a switch is one statement or a block",
    ]);
    expect(faultsOf("switch x { else => pass; 1 => drop }")).toEqual(["1:26 X0142 `else` is a switch's last arm"]);
  });

  it("a struct literal needs a label or emptiness behind its brace", () => {
    expect(itemsOf("x = S { a: 1, }")[0]).toMatchObject({ value: { kind: "structLiteral" } });
    expect(itemsOf("x = S {}")[0]).toMatchObject({ value: { kind: "structLiteral", fields: [] } });
    expect(itemsOf("for i in 0..N {}")[0]).toMatchObject({ to: { kind: "name", name: "N" } });
    expect(itemsOf("for i in 0..f(a) {}")[0]).toMatchObject({ to: { kind: "call" } });
    expect(itemsOf("switch f(a) {}")[0]).toMatchObject({ subject: { kind: "call" } });
  });

  it("or before a verdict is a fallback, else an operator", () => {
    const drop = { verdict: "drop" };
    expect(itemsOf("m[k] = a or drop")[0]).toMatchObject({ orElse: drop, value: { kind: "name" } });
    expect(itemsOf("m[k] = a || b or drop")[0]).toMatchObject({ orElse: drop, value: { op: "or" } });
    expect(itemsOf("insert m k || drop")[0]).toMatchObject({ orElse: drop });
    expect(itemsOf("redirect xsk[a or b] or drop")[0]).toMatchObject({ orElse: drop });
    expect(faultsOf("if a or drop then pass")).toEqual(["1:6 X0126 `or drop` can't stand here"]);
  });

  it("several declarations share a line", () => {
    expect(
      itemsOf("devmap ports[64]  devmap_hash uplinks[64]  cpumap cpus[16]  xskmap xsk[64]").map((i) => i.mapKind),
    ).toEqual(["devmap", "devmap_hash", "cpumap", "xskmap"]);
    expect(itemsOf("set a : u8[4] lru pinned guard()").map((i) => i.kind)).toEqual(["setDecl", "callStmt"]);
    expect(itemsOf("ringbuf events[256K]   perf  samples   prog_array stages[8]")).toHaveLength(3);
  });

  it("a map of programs may say what it holds", () => {
    const listOf = (text: string) => {
      const [item, ...rest] = itemsOf(text);
      expect(rest).toEqual([]);
      const entries = item!.programs as { index: { value?: string; name?: string } | null; program: string }[];
      const words = item!.attributes as string[];
      return [...words, ...entries.map((e) => `${e.index?.value ?? e.index?.name ?? ""}:${e.program}`)];
    };
    expect(listOf("prog_array s[8] = { a, b }")).toEqual([":a", ":b"]);
    expect(listOf("prog_array s[8] = { 3: a, b, LAST: c, }")).toEqual(["3n:a", ":b", "LAST:c"]);
    expect(listOf("prog_array s[8] pinned rdonly = { a }")).toEqual(["pinned", "rdonly", ":a"]);
    expect(listOf("prog_array pinned pinned = { count, pinned: lru }")).toEqual(["pinned", ":count", "pinned:lru"]);
    expect(listOf("prog_array s[8] = {}")).toEqual([]);
    expect(itemsOf("prog_array s[8]\npinned = 3").map((i) => i.kind)).toEqual(["targetDecl", "assign"]);
    expect(faultsOf("prog_array s[8] = a")[0]).toMatch(/X01/);
    expect(faultsOf("prog_array s[8] = { 3 }")[0]).toMatch(/X01/);
  });

  it("an index or arguments may stand on the next line", () => {
    expect(itemsOf("count hits\n[x]")).toHaveLength(1);
    expect(itemsOf("redirect ports\n[1]")).toHaveLength(1);
    expect(itemsOf('log "x"\n, a')).toHaveLength(1);
  });

  it("a header's edges end where a statement starts", () => {
    expect(itemsOf("header h on udp 8472 PORT\nx.y = 1")[0]).toMatchObject({
      edges: [{ values: [{ value: "8472n" }, { name: "PORT" }] }],
    });
    expect(itemsOf("header h on udp 8472 guard()").map((i) => i.kind)).toEqual(["headerDecl", "callStmt"]);
    expect(itemsOf("header h on eth 1\nm[1] = 2")).toHaveLength(2);
  });

  it("an expectation's layers end where the next step starts", () => {
    const [test] = itemsOf(
      'test "t" { expect pass ports = { 80 } packet eth expect tx eth / ip m[1] = 2 expect drop eth }',
    );
    expect(test).toMatchObject({
      steps: [
        { kind: "expect", layers: [] },
        { kind: "fill" },
        { kind: "packet" },
        { kind: "expect", layers: [{}, {}] },
        { kind: "fill" },
        { kind: "expect", layers: [{ name: "eth" }] },
      ],
    });
  });

  it("types' brackets close two at a time", () => {
    expect(itemsOf("map q : queue<prefix<ipv4>>[4]")[0]).toMatchObject({ types: [{ kind: "prefixType" }] });
    expect(itemsOf("const set s : prefix<ipv4>= { 10.0.0.0/8 }")[0]).toMatchObject({ element: { kind: "prefixType" } });
    expect(itemsOf("let x = prefix < 3 >> 1")[0]).toMatchObject({ value: { op: "<", right: { op: ">>" } } });
    expect(itemsOf("set m : u8[6][1024]")[0]).toMatchObject({
      element: { kind: "arrayType" },
      size: { value: "1024n" },
    });
  });

  it("program attributes come in any order", () => {
    const [program] = itemsOf(
      'program p chain pass, tx frags priority 10 cpumap section "x" devmap { default drop pass }',
    );
    expect(program).toMatchObject({
      attributes: ["chain", "frags", "priority", "cpumap", "section", "devmap"].map((kind) => ({ kind })),
      body: [{ kind: "defaultDecl" }, { kind: "verdict" }],
    });
  });
});

describe("faults", () => {
  it.each([
    ["if a thne drop", ["1:6 X0125 expected `then`, found `thne`"]],
    ["if a drop", ["1:6 X0120 expected `then`, found `drop`"]],
    ["if a { drop }", ["1:6 X0120 expected `then`, found `{`"]],
    ["if a: drop", ["1:5 X0120 expected `then`, found `:`"]],
    ["if a = 1 then drop", ["1:6 X0122 expected a comparison, found an assignment"]],
    ["dorp", ["1:1 X0121 `dorp` doesn't start a statement"]],
    ["coutn hits", ["1:1 X0121 `coutn` doesn't start a statement"]],
    ["set x : u16[10] lur", ["1:17 X0121 `lur` doesn't start a statement"]],
    ["x == 5", ["1:3 X0120 expected an assignment, found a comparison"]],
    ["ip.ttl", ["1:7 X0120 expected an assignment or a call, found the end of the file"]],
    ["default accept", ["1:9 X0125 expected `pass`, `drop`, `tx` or `aborted`, found `accept`"]],
    ["if a then pass; else drop", ["1:17 X0128 this `else` belongs to no `if`"]],
    ["} pass", ["1:1 X0124 this `}` closes nothing"]],
    ["{ pass }", ["1:1 X0121 a block can't stand alone"]],
    ["let x = (1 + 2\nlet y = 3", ["2:1 X0123 expected `,` or `)`, found `let`"]],
    ["if a then {\n count b\n", ["1:11 X0123 this `{` is never closed"]],
    ["program p {\n if a then {\n pass\n}\nset x : u8[1]", ["1:11 X0123 this `{` is never closed"]],
    ["program p {\n set x : u8[1]\n pass }", ["2:2 X0129 a declaration can't stand inside braces"]],
    ["let x = -1", ["1:9 X0122 there are no negative numbers"]],
    ["let x = 1 +", ["1:12 X0122 expected a value, found the end of the file"]],
    ["set ports u16[4]", ["1:11 X0120 expected `:`, found `u16`"]],
    ["set 5 : u8[4]", ["1:5 X0127 expected a name, found `5`"]],
    ["set ports : u16", ["1:13 X0137 the set `ports` has no size"]],
    ["program p frag { pass }", ["1:11 X0125 expected `{` or an attribute, found `frag`"]],
    ["for i in 5 { x = i }", ["1:10 X0141 `for` counts over a range"]],
    ["f(x) = 3", ["1:1 X0139 nothing can be assigned to this"]],
    ["x as u8 = 3", ["1:1 X0139 nothing can be assigned to this"]],
    ['const x from "f"', ["1:14 X0144 only a set of constants can come from a file"]],
    ["var x : list<u8>", ["1:9 X0143 `list` takes no type in `<` and `>`"]],
    ["header h on eth 1 { size 4 size 5 }", ["1:28 X0138 a header has only one `size`"]],
    ["foo : 5", ["1:1 X0121 `foo :` doesn't start a statement or a declaration"]],
    ['test "t" { packet eth expct pass }', ["1:23 X0121 `expct` doesn't start a step of a test"]],
  ])("%j", (text, faults) => {
    expect(faultsOf(text)).toEqual(faults);
  });

  it("several faults give several messages and no echoes", () => {
    const text = [
      "set ports u16[1024]",
      "if tcp.dport in ports thne pass",
      "count hits",
      "program p {",
      "    if a b then drop",
      "    dorp",
      "    count x[",
      "}",
      "struct S { a : u8, b u8, c : u16 }",
      "header h on eth 1 { a : , b : 4",
      "  c 5",
      "  d : u8 }",
      "switch x { 1 = pass; 2 => drop }",
      'test "t" { packet',
      "expect pass }",
      "pass",
    ].join("\n");
    expect(faultsOf(text)).toEqual([
      "1:11 X0120 expected `:`, found `u16`",
      "2:23 X0125 expected `then`, found `thne`",
      "5:10 X0120 expected `then`, found `b`",
      "6:5 X0121 `dorp` doesn't start a statement",
      "8:1 X0122 expected a value, found `}`",
      "9:20 X0121 expected a field such as `saddr : ipv4`, found `b`",
      "10:25 X0120 expected a number of bits or a type, found `,`",
      "11:3 X0121 expected a field, `size` or `next`, found `c`",
      "13:14 X0120 expected `=>`, found `=`",
      "15:1 X0120 expected a header's name, found `expect`",
    ]);
  });

  it("keeps what it understood", () => {
    const { file } = parse(new SourceFile("t", "set a u8\nprogram p {\n dorp\n pass\n}\nset b : u8[1]"));
    expect(file.items.map((i) => i.kind)).toEqual(["error", "programDecl", "setDecl"]);
    const program = file.items[1];
    expect(program?.kind === "programDecl" && program.body.map((s) => s.kind)).toEqual(["error", "verdict"]);
  });
});

describe("samples", () => {
  const folder = new URL("./samples/", import.meta.url);
  it.each(readdirSync(folder))("%s parses, prints and parses again", (name) => {
    const text = readFileSync(new URL(name, folder), "utf8");
    expect(faultsOf(text)).toEqual([]);
    const first = parse(new SourceFile(name, text)).file;
    const printed = formatFile(first);
    expect(faultsOf(printed)).toEqual([]);
    expect(treeOf(parse(new SourceFile(name, printed)).file)).toEqual(treeOf(first));
  });

  it("gives each node the place it covers", () => {
    const text = "if tcp.dport in ports then redirect xsk or drop else { count hits[1] }";
    const [rule] = parse(new SourceFile("t", text)).file.items;
    if (rule?.kind !== "if" || rule.condition.kind !== "binary") throw new Error("not a rule");
    expect(textOf(rule.span)).toBe(text);
    expect(textOf(rule.condition.span)).toBe("tcp.dport in ports");
    expect(textOf(rule.condition.left.span)).toBe("tcp.dport");
    expect(textOf(rule.then.span)).toBe("redirect xsk or drop");
    expect(textOf(rule.then.statements[0]!.span)).toBe("redirect xsk or drop");
    expect(textOf(rule.else!.span)).toBe("{ count hits[1] }");
    const count = rule.else!.statements[0]!;
    expect(count.kind === "count" && textOf(count.counter.span)).toBe("hits[1]");
  });
});

describe("canonical text", () => {
  it.each([
    ["if a&&!b||c then{pass;}else drop", "if a and not b or c then {\n  pass\n} else drop\n"],
    ["if a then pass else if b then drop else tx", "if a then pass\nelse if b then drop\nelse tx\n"],
    ["x=(1+2)*3-(4-5)", "x = (1 + 2) * 3 - (4 - 5)\n"],
    ["let x=0x1F+64K", "let x = 0x1F + 64K\n"],
    ["counter a,b[u16]", "counter a\ncounter b[u16]\n"],
    ["switch x{1,2=>pass;else=>drop}", "switch x {\n  1, 2 => pass;\n  else => drop\n}\n"],
    ["limiter s[4]:1000/s burst 5 per ipv4", "limiter s[4] : 1000/s burst 5 per ipv4\n"],
    ['log "a\\x41\\n"', 'log "aA\\n"\n'],
  ])("%j", (text, printed) => {
    expect(formatFile(parse(new SourceFile("t", text)).file)).toBe(printed);
  });
});
