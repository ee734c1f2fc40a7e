// Objects with the tables of large constant sets, through the loaders that users have: bpftool, ip in both modes, xdp-loader.

import { afterAll, beforeAll, expect, test } from "vitest";
import { objectFile, objectOf } from "../support/compile.ts";
import { loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createPeerNetns, createVeth, type Netns, netnsProblem } from "../support/netns.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import { dotted, grouped, paired } from "./set-cases.ts";

const many = (count: number, line: (i: bigint) => string): string =>
  Array.from({ length: count }, (_, i) => line(BigInt(Math.imul(i, 0x9e3779b1) >>> 0))).join("\n");

const files = {
  "v4.txt": many(100_000, (i) => `${dotted(i & 0xffffff00n)}/24`),
  "v6.txt": many(20_000, (i) => `${grouped((0x2001n << 112n) | (i << 80n))}/48`),
  "hosts.txt": many(5000, (i) => grouped((0x2001n << 112n) | i)),
  "macs.txt": many(5000, (i) => paired(i)),
  "tuples.txt": many(5000, (i) => `${dotted(i)}, ${i & 0xffffn}`),
  "ports.txt": many(2000, (i) => String(i >> 16n)),
};

/** The same with fewer elements. */
const fewer = Object.fromEntries(
  Object.entries(files).map(([name, text]) => [name, text.split("\n").slice(0, 300).join("\n")]),
);

const source = `config limit : u32 = 9
const set v4 : prefix<ipv4> from "v4.txt"
const set v6 : prefix<ipv6> from "v6.txt"
const set hosts : ipv6 from "hosts.txt"
const set macs : mac from "macs.txt"
const set pairs : (ipv4, u16) from "tuples.txt"
const set ports : u16 from "ports.txt"
counter hits
if ip.saddr in v4 and meta.len > limit then drop
if ip6.saddr in v6 or ip6.daddr in hosts then drop
if eth.saddr in macs then { count hits drop }
if (ip.daddr, tcp.dport) in pairs then drop
if udp.dport in ports then drop
`;

/** Members that aren't fields: what is named, computed, kept in maps and globals. */
const members = [
  "if ip and tcp then { let k = (ip.daddr, tcp.dport) if k in pairs then drop }",
  "if (ip.saddr & 0xffffff00) in v4 then drop",
  "let m = eth.saddr if m in macs then drop",
  "if (eth.saddr & ff:ff:ff:00:00:00) in macs then drop",
  "if ip6 then { let a = ip6.saddr if a in hosts or a in v6 then drop }",
  "struct S { a : ipv6, m : mac, p : u16, v : ipv4 }\nmap s : hash<u32, S>[8]\nif let e = s[1] then { if e.a in hosts or e.a in v6 or e.m in macs or e.v in v4 or e.p in ports or (e.v, e.p) in pairs then drop }",
  "var a : ipv6\nvar m : mac\nif a in hosts or a in v6 or m in macs then drop",
  "if hash(ip.saddr) as u16 in ports or random() as u16 in ports then drop",
  "if ip.ttl in ports then drop",
  "if ip and tcp then switch (ip.daddr, tcp.dport) { pairs => drop; else => pass }",
  "for i in 0..3 { if i as u16 in ports then drop }",
  "fn bad(a : ipv4) { if a in v4 then drop }\nif ip then { bad(ip.saddr) bad(ip.daddr) }",
];
const sets = source
  .split("\n")
  .filter((line) => line.startsWith("const set"))
  .join("\n");

describeWith("loaders of objects with tables", [netnsProblem(), toolProblem("bpftool", "xdp-loader")], () => {
  let netns: Netns;
  let path = "";
  beforeAll(async () => {
    netns = await createNetns();
    createVeth({ netns, device: "veth0" }, { netns: await createPeerNetns(netns), device: "veth0" });
    path = objectFile(objectOf(source, { files, checkEachPass: false }), "sets.o");
  });
  afterAll(closeAll);

  test.each(members)("%s", (rules) => {
    for (const options of [{}, { optimise: 0 as const }, { cpu: "v1" as const }])
      loadObject(objectFile(objectOf(`${sets}\n${rules}\n`, { files: fewer, ...options }))).close();
  });

  test("bpftool loads and pins it", () => {
    netns.run("bpftool", "prog", "loadall", path, "/sys/fs/bpf/xdpc_sets");
    try {
      expect(netns.run("bpftool", "prog", "show", "pinned", "/sys/fs/bpf/xdpc_sets/xdp_rules")).toContain("xdp");
    } finally {
      netns.run("rm", "-rf", "/sys/fs/bpf/xdpc_sets");
    }
  });

  test.each(["xdpgeneric", "xdpdrv"])("ip attaches it (%s)", (mode) => {
    netns.run("ip", "link", "set", "dev", "veth0", mode, "obj", path, "sec", "xdp");
    const shown = netns.run("ip", "-d", "link", "show", "dev", "veth0");
    netns.run("ip", "link", "set", "dev", "veth0", mode, "off");
    expect(shown).toMatch(/prog\/xdp id \d+/);
  });

  test.each(["skb", "native"])("xdp-loader attaches it in %s mode", (mode) => {
    netns.run("xdp-loader", "load", "-m", mode, "-s", "xdp", "veth0", path);
    const status = netns.run("xdp-loader", "status", "veth0");
    netns.run("xdp-loader", "unload", "-a", "veth0");
    expect(status).toContain("xdp_rules");
  });
});
