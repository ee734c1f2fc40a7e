// `xdpc test --kernel-run`: kernel and machine agree on programs that use much of the language, the tests' own expectations hold in both,
// and a disagreement is told.

import { existsSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { KernelRunner } from "../../src/cli/kernel-run.ts";
import { imagesOf } from "../../src/testing/session.ts";
import { compileText } from "../support/compile.ts";
import { describeWith, kernelProblem, toolProblem } from "../support/requirements.ts";
import { runHere, scratchFolder } from "./support.ts";

const RULES = `struct Flow { saddr : ipv4, dport : u16 }
set ports : u16[16]
set blocked : ipv4[64] lru
map flows : hash<Flow, u64>[16]
map sizes : array<u64>[8]
map mine : percpu_array<u64>[4]
counter hits, by_port[u16]
devmap ways[8]
config limit : u32 = 1000
var seen : u64 = 3
var last : ipv4

if opaque then drop
seen += 1
count hits
if ip then { last = ip.saddr  if ip.saddr in blocked then drop }
if meta.len > limit then aborted
if ip and tcp then {
    count by_port[tcp.dport]
    let flow = Flow { saddr: ip.saddr, dport: tcp.dport }
    if let n = flows[flow] then n += 1 else flows[flow] = 1
    sizes[3] += meta.len as u64
    mine[1] += 1
}
if tcp.dport in ports then redirect ways[tcp.dport & 7] or drop
if icmp.type == 8 then { swap eth.saddr, eth.daddr  ip.ttl -= 1  tx }
if vlan.id == 7 then { vlan.pcp = 3  tx }

test "much of the language" {
    ports = { 80, 443, 8000..8003 }
    blocked = { 192.0.2.1 }
    flows[Flow { saddr: 10.0.0.9, dport: 22 }] = 41
    seen = 100
    limit = 500
    sizes[3] = 7
    mine[1] = 5
    packet eth / ip(saddr: 192.0.2.1) / udp
    expect drop
    packet eth / ip(saddr: 10.0.0.9) / tcp(dport: 22) times 3
    expect pass
    packet eth / vlan(id: 7) / ip6 / hopopts / tcp(dport: 22)
    expect tx eth / vlan(pcp: 3)
    packet eth / ip / tcp(dport: 80)
    expect redirect ways[0]
    packet eth / ip(ttl: 9) / icmp(type: 8) / "payload"
    expect tx eth / ip(ttl: 8) / icmp
    packet eth / ip / udp / zeros(600)
    expect aborted
    expect flows[Flow { saddr: 10.0.0.9, dport: 22 }] == 44 and seen == 108 and mine[1] == 9
    expect sizes[3] == 223 and by_port[22] == 3 and hits == 8 and last == 0.0.0.0
    blocked = {}
    packet eth / ip(saddr: 192.0.2.1) / udp
    expect pass
}
`;

describeWith("in the kernel", [kernelProblem(), toolProblem("bpftool")], () => {
  const folder = scratchFolder();
  const pins = (): string[] => readdirSync("/sys/fs/bpf").filter((name) => name.startsWith("xdpc-kernel-run-"));

  test("both agree, and nothing stays behind", () => {
    const before = pins();
    const file = path.join(folder, "much.xdp");
    writeFileSync(file, RULES);
    const { code, stdout, stderr } = runHere(["test", file, "--kernel-run", "-v"]);
    expect(stdout + stderr).not.toContain("not in the kernel");
    expect([code, stderr]).toEqual([0, ""]);
    expect(pins()).toEqual(before);
  });

  test("a disagreement is told: verdict, packet, map", () => {
    const compiled = (text: string) => {
      const { output } = compileText(text);
      if (output === null) throw new Error("doesn't compile");
      return { images: imagesOf(output.object), model: output.model, object: output.object };
    };
    const steps = 'test "t" { packet eth / ip / udp packet eth / arp expect pass }';
    const machine = compiled(`counter hits\nif ip then { count hits ip.ttl = 9 }\npass\n${steps}`);
    const kernel = compiled(`counter hits\nif arp then drop\nif ip then ip.ttl = 8\npass\n${steps}`);
    const runner = KernelRunner.open();
    try {
      const [only] = machine.model.tests;
      if (only === undefined) throw new Error("no test");
      const { differences, skipped } = runner.compare(only, machine, kernel.object);
      expect(skipped).toBe(null);
      expect(differences.filter((d) => !d.startsWith("  "))).toEqual([
        "packet 1 leaves as",
        "packet 2: kernel XDP_DROP, machine XDP_PASS",
        expect.stringMatching(/^map hits, key 00 00 00 00: kernel 00.*, machine 01 00/),
      ]);
      expect(runner.compare(only, machine, machine.object)).toEqual({ differences: [], skipped: null });
      const broken = machine.object.slice();
      broken.fill(0, 0x40, 0x48);
      expect(runner.compare(only, machine, broken).differences[0]).toMatch(/^it doesn't load: /);
    } finally {
      runner.close();
    }
  });

  test("what can't be test-run is skipped with its reason", () => {
    const CASES: readonly (readonly [string, string])[] = [
      ['program d devmap { drop }\ntest "t" { packet eth expect drop }', "a program of a devmap can't be test-run"],
      ['drop\ntest "t" { packet hex("00") expect drop }', "a packet of 1 bytes (it takes 14 and more)"],
      ['drop\ntest "t" with meta.now = 1s { packet eth expect drop }', "it sets `meta.now`"],
      ['if meta.now > 5 then drop\ntest "t" { packet eth expect pass }', "the program reads the clock"],
      [
        'map m : array<u32>[1] pinned\nm[0] = 1\ntest "t" { packet eth expect pass }',
        "`m` is pinned: loading it would share it",
      ],
    ];
    for (const [text, reason] of CASES) {
      const { code, stdout } = runHere(["test", "-", "--kernel-run", "-v"], { stdin: text });
      expect([code, stdout]).toEqual([0, expect.stringContaining(`not in the kernel: ${reason}`)]);
    }
    expect(existsSync("/sys/fs/bpf/m")).toBe(false);
  });
});
