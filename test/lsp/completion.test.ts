// Completion, hover, signature help and inlay hints on marked texts (the cursor is `▮`), and on every prefix of every example.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { analyse } from "../../src/analyse.ts";
import { SourceFile } from "../../src/base/source.ts";
import { complete } from "../../src/lsp/completion.ts";
import { hover } from "../../src/lsp/hover.ts";
import { inlayHints } from "../../src/lsp/inlay-hints.ts";
import { signatureHelp } from "../../src/lsp/signature-help.ts";
import { memoryHost } from "../../src/memory-host.ts";

const FILES = { "feed.txt": "10.0.0.0/8\n192.0.2.7\n" };

function at(marked: string) {
  const offset = marked.indexOf("▮");
  const analysis = analyse(new SourceFile("rules.xdp", marked.replace("▮", "")), memoryHost(FILES));
  expect(analysis.fault).toBeNull();
  return { analysis, offset };
}

const OPTIONS = { snippets: true, libraryNames: ["gre", "vxlan"] };

function items(marked: string) {
  const { analysis, offset } = at(marked);
  return complete(analysis, offset, OPTIONS);
}

function labels(marked: string): string[] {
  return items(marked)
    .sort((a, b) => ((a.sortText ?? a.label) < (b.sortText ?? b.label) ? -1 : 1))
    .map((item) => item.label);
}

function hovered(marked: string): string {
  const { analysis, offset } = at(marked);
  const found = hover(analysis, offset, () => null);
  return found === null ? "" : (found.contents as { value: string }).value;
}

describe("completion", () => {
  it("gives a header's fields in their order, with their widths", () => {
    const found = items("if tcp.▮");
    expect(found.slice(0, 3).map((i) => `${i.label} ${i.detail}`)).toEqual(["sport u16", "dport u16", "seq u32"]);
    expect(found.map((i) => i.label)).toContain("syn");
  });

  it("replaces the word that is being typed", () => {
    const [first] = items("if tcp.dp▮");
    expect(first?.textEdit).toMatchObject({
      range: { start: { line: 0, character: 7 }, end: { line: 0, character: 9 } },
    });
  });

  it("works in the middle of a file whose rest parses", () => {
    expect(labels("set s : u16[8]\nif tcp.▮ then drop\nif udp then pass\n")).toContain("dport");
    expect(labels("program p {\n  if ip then {\n    let x = ip.▮\n  }\n  pass\n}\n")).toContain("ttl");
  });

  it.each([
    ["if inner.ip.▮", "saddr"],
    ["if vlan[1].▮", "pcp"],
    ["if meta.▮", "rx_queue_index"],
    ["struct S { a : u8, b : u16 }\nmap m : hash<u8, S>[8]\nif let e = m[1] then { e.▮ }", "b"],
    ["struct S { a : u8, b : u16 }\nmap m : array<S>[8]\nif m[1].▮", "b"],
    ["if ip then { let hop = fib_lookup(ip.saddr, ip.daddr, 0, ip.tot_len)\n if hop.▮ }", "ifindex"],
    ["xskmap xsk[4]\ndevmap ports[4]\nif tcp then redirect ▮", "xsk"],
    ["set a : u16[4]\nif tcp.dport in ▮", "a"],
    ["const WEB = { 80, 443 }\nif tcp.dport in ▮", "WEB"],
    ["limiter l[4] : 10/s per ipv4\nif ip.saddr exceeds ▮", "l"],
    ["counter hits\nif tcp then count ▮", "hits"],
    ["fn web() = tcp.dport == 80\nif ▮", "web"],
    ["fn guard() { if opaque then drop }\n▮", "guard"],
    ["let mine = 5\nif tcp.dport == ▮", "mine"],
    ["fn f(port : u16) {\n if ▮\n}", "port"],
    ["switch eth.type { ▮ }", "arp"],
    ["if eth.type == ▮", "ipv6"],
    ["struct E { a : u8 }\nringbuf events[4096]\nif ip then emit events E { ▮", "a"],
    ["encap ip { ▮", "daddr"],
    ['test "t" {\n  packet eth / ip(▮', "saddr"],
    ["import std.▮", "vxlan"],
    ["if ▮", "vxlan"],
    ["program p ▮", "frags"],
  ])("%s offers %s", (marked, label) => {
    expect(labels(marked)).toContain(label);
  });

  it("offers only what fits", () => {
    const text = "xskmap xsk[4]\ncounter hits\nset s : u16[4]\nconst C = { 1 }\n";
    expect(labels(`${text}if tcp then count ▮`)).toEqual(["hits"]);
    expect(labels(`${text}if tcp then insert ▮`)).toEqual(["s"]);
    expect(labels(`${text}if tcp.dport in ▮`)).toEqual(["C", "s"]);
    expect(labels(`${text}if tcp then redirect ▮`)).toEqual(["xsk", "dev"]);
    expect(labels("# comment ▮")).toEqual([]);
  });

  it("says what is proven, what may be absent and what is absent", () => {
    const find = (marked: string, label: string) => items(marked).find((i) => i.label === label);
    expect(find("if tcp then {\n let x = ▮\n}", "tcp")).toMatchObject({ sortText: "1tcp" });
    expect(find("if not tcp then {\n let x = ▮\n}", "tcp")).toMatchObject({
      labelDetails: { description: "absent here" },
    });
    expect(find("if ip then {\n let x = ▮\n}", "tcp")).toMatchObject({
      labelDetails: { description: "may be absent: if tcp then …" },
    });
    expect(find("counter c[u16]\nif ip then count c[tcp.▮]", "dport")).toMatchObject({
      labelDetails: { description: "may be absent: if tcp then …" },
    });
    expect(find("if tcp.▮", "dport")?.labelDetails).toBeUndefined();
    expect(labels("if not ip then pass\nlet x = ▮").indexOf("ip")).toBeLessThan(3);
  });

  it("inserts snippets where the editor takes them", () => {
    const { analysis, offset } = at("▮");
    const find = (snippets: boolean) =>
      complete(analysis, offset, { ...OPTIONS, snippets }).find((i) => i.label === "set");
    expect(find(true)).toMatchObject({
      insertTextFormat: 2,
      textEdit: { newText: "set ${1:name} : ${2:ipv4}[${3:1024}]" },
    });
    expect(find(false)).toMatchObject({ textEdit: { newText: "set" } });
  });
});

describe("completion behind `expect`", () => {
  it("offers all that a test may expect", () => {
    const found = labels('counter hits\nif tcp then count hits\ntest "t" {\n  packet eth\n  expect ▮\n}');
    expect(found).toEqual(expect.arrayContaining(["pass", "drop", "redirect", "hits"]));
  });
});

describe("hover", () => {
  it.each([
    ["if tcp.d▮port == 80 then drop", ["tcp.dport : u16", "Bytes 2 to 3", "RFC 9293"]],
    ["if tcp.s▮yn then drop", ["tcp.syn : 1 bit", "Bit 6 (from the highest) of byte 13"]],
    ["if t▮cp then drop", ["header tcp", "Follows", "RFC 9293"]],
    [
      "# the ports we serve\nset ports : u16[8]\nif tcp.dport in po▮rts then drop",
      ["the ports we serve", "type `hash`", "8 entries"],
    ],
    ["set po▮rts : u16[8] lru", ["lru_hash", "forgotten"]],
    ['const set feed : prefix<ipv4> from "feed.txt"\nif ip.saddr in fe▮ed then drop', ["1 value and 1 range"]],
    ["if meta.l▮en > 5 then drop", ["meta.len : u32", "length in bytes"]],
    ["▮if tcp then drop", ["if CONDITION then"]],
    ["if tcp.dport == 0x5▮0 then drop", ["80 : u16", "0x50"]],
    ["if ip.saddr in 10.1.▮0.0/16 then drop", ["10.1.0.0 to 10.1.255.255", "65,536 addresses"]],
    ["if eth.daddr == ff:ff:ff:ff:ff▮:ff then drop", ["broadcast"]],
    ["if ip then { let x▮ = ip.ttl\nif x == 1 then drop }", ["let x : u8"]],
    ["if ip then { let x = ip.ttl\nif x▮ == 1 then drop }", ["let x : u8"]],
    ["# serves\nfn web(p : u16) = p == 80\nif we▮b(tcp.dport) then drop", ["fn web(p : u16) = p == 80", "serves"]],
    ["if inner.ip.tt▮l == 1 then drop", ["inner.ip.ttl : u8", "Byte 8"]],
    ["struct S { a : u8, po▮rt : u16 }\npass", ["port : u16", "Bytes 2 to 3 of `S`"]],
    [
      "struct S { a : u8, port : u16 }\nmap m : hash<ipv4, S>[4]\nif ip then { if let s = m[ip.saddr] then { if s.a▮ == 1 then drop } }",
      ["a : u8", "Byte 0 of `S`"],
    ],
    ["fn f(no▮w : u16) = now == 1\npass", ["now : u16", "parameter"]],
    ["if vlan[1].i▮d == 1 then drop", ["vlan[1].id"]],
    // RFC 2890: the key follows the first four bytes, behind the checksum's four where that is there.
    [
      "if gre.ke▮y == 1 then drop",
      ["gre.key : u32", "Bytes 4 to 7", "only where `k` is set, 4 bytes further on where `c` is", "RFC 2784"],
    ],
    [
      "if gre.se▮q == 1 then drop",
      ["Bytes 4 to 7", "4 bytes further on where `c` is, 4 bytes further on where `k` is"],
    ],
    ["if gre.ty▮pe == 1 then drop", ["Bytes 2 to 3 of the Generic Routing Encapsulation header."]],
    ["const P▮ = { 1, 3..4, 9 }\nif tcp.dport in P then drop", ["2 values and 1 range"]],
    ["limiter l[4] : 10/s per ip▮v4", ["network byte order"]],
    ["if op▮aque then drop", ["can't be read"]],
  ])("%s", (marked, parts) => {
    const text = hovered(marked);
    for (const part of parts) expect(text).toContain(part);
  });

  it("tells a rule's cost at its first word", () => {
    const { analysis } = at("if tcp then drop▮");
    const found = hover(analysis, 1, (rule) => `costs ${rule.end - rule.start}`);
    expect(found?.contents).toMatchObject({ value: expect.stringContaining("costs 16") });
  });
});

describe("signature help", () => {
  it.each([
    ["fn f(a : u16, b : ipv4) = a == 1\nif f(▮", "f(a : u16, b : ipv4) @0"],
    ["fn f(a : u16, b : ipv4) = a == 1\nif f(tcp.dport, ▮", "f(a : u16, b : ipv4) @1"],
    ["fn f(a : u16, b : ipv4) = a == 1\nif f((1 + 2), ▮)", "f(a : u16, b : ipv4) @1"],
    ["if hash(ip.saddr, ip.daddr, ▮", "hash(value, …) @1"],
    ["let h = fib_lookup(ip.saddr, ▮", "fib_lookup(saddr : ipv4 or ipv6, daddr, tos : u8, length : u16) @1"],
    ["fn f(▮", "none"],
    ["if (tcp.dport == ▮", "none"],
    ["if f(1) ▮", "none"],
  ])("%s", (marked, wanted) => {
    const { analysis, offset } = at(marked);
    const help = signatureHelp(analysis, offset);
    expect(help === null ? "none" : `${help.signatures[0]?.label} @${help.activeParameter}`).toBe(wanted);
  });
});

describe("inlay hints", () => {
  it("tells types, sizes and numbers", () => {
    const text = [
      "const LIMIT = 64K",
      'const set feed : prefix<ipv4> from "feed.txt"',
      "if ip then {",
      "  let t = ip.ttl",
      "  if t == 1 and ip.saddr in feed then drop",
      "}",
      "if tcp.dport == 0x1f90 then drop",
      "if udp.dport in { 1, 3, 5, 7, 9, 11, 13, 15..20 } then drop",
      "const BOGONS = { 10.0.0.0/8, 127.0.0.0/8, 1.1.1.1 }",
      "if ip.saddr in BOGONS then drop",
    ].join("\n");
    const { analysis } = at(`${text}▮`);
    const hints = inlayHints(analysis, 0, text.length).map(
      (h) => `${h.position.line}:${h.position.character}${h.label}`,
    );
    expect(hints).toEqual([
      "0:17 = 65,536",
      "1:29 1 value and 1 range",
      "3:7 : u8",
      "6:22 = 8,080",
      "7:49 7 values and 1 range",
      "8:12 1 value and 2 ranges",
    ]);
    expect(inlayHints(analysis, text.indexOf("if tcp"), text.length)).toHaveLength(3);
  });
});

describe("half-typed text", () => {
  const examples = readdirSync("examples").filter((name) => name.endsWith(".xdp"));
  it.each(examples)("%s, cut at many places", (name) => {
    const text = readFileSync(`examples/${name}`, "utf8");
    for (let cut = 0; cut <= text.length; cut += 89) {
      const analysis = analyse(new SourceFile("rules.xdp", text.slice(0, cut)), memoryHost(FILES));
      complete(analysis, cut, OPTIONS);
      hover(analysis, Math.max(0, cut - 3), () => null);
      signatureHelp(analysis, cut);
      inlayHints(analysis, 0, cut);
    }
  });
});
