// Tests of the language run in the machine: what passes, what fails and what is said then.

import { describe, expect, test } from "vitest";
import { runTest, type TestResult } from "../../src/testing/run-test.ts";
import { type Compiled, imagesOf } from "../../src/testing/session.ts";
import { compileText, describeDiagnostics } from "../support/compile.ts";
import { said } from "./support.ts";

function compiled(text: string, probes = false): Compiled {
  const result = compileText(text, { probes });
  if (result.output === null) throw new Error(`doesn't compile:\n${describeDiagnostics(result)}\n${text}`);
  return { images: imagesOf(result.output.object), model: result.output.model };
}

/** Runs the only test of a text. */
function run(text: string): TestResult {
  const program = compiled(text);
  const [only] = program.model.tests;
  if (only === undefined) throw new Error("no test");
  return runTest(only, program, () => compiled(text, true));
}

/** What a test fails with: its message and details; null when it passes. */
function failureOf(rules: string, steps: string, head = '"t"'): string | null {
  const { failure } = run(`${rules}\ntest ${head} {\n${steps}\n}`);
  return failure === null ? null : [failure.message, ...failure.details].join("; ");
}

describe("verdicts and redirects", () => {
  const TARGETS = "xskmap xsk[64]\ndevmap ways[8]\ndevmap_hash far[8]\ncpumap cpus[4]\n";
  const CASES: readonly (readonly [rules: string, steps: string, failure: string | null])[] = [
    ["pass", "packet eth\nexpect pass", null],
    ["drop", "packet eth\nexpect drop", null],
    ["aborted", "packet eth\nexpect aborted", null],
    ["tx", "packet eth\nexpect tx", null],
    ["drop", "packet eth\nexpect pass", "expected pass, but it was: drop"],
    ["redirect xsk", "packet eth\nexpect redirect xsk", null],
    ["redirect xsk", "meta.rx_queue_index = 5\npacket eth\nexpect redirect xsk", null],
    ["redirect xsk", "meta.rx_queue_index = 5\npacket eth\nexpect redirect xsk[5]", null],
    ["redirect xsk[4]", "packet eth\nexpect redirect xsk", "expected redirect xsk[0], but it was: redirect xsk[4]"],
    ["redirect xsk", "meta.rx_queue_index = 64\npacket eth\nexpect pass", null],
    ["redirect xsk", "xsk = {}\npacket eth\nexpect pass", null],
    [
      "redirect xsk or drop",
      "xsk = { 1..3 }\npacket eth\nexpect drop\nmeta.rx_queue_index = 3\npacket eth\nexpect redirect xsk",
      null,
    ],
    ["redirect ways[3] or drop", "packet eth\nexpect redirect ways[3]", null],
    ["redirect ways[3] or drop", "ways[2] = 7\npacket eth\nexpect drop", null],
    ["redirect ways[3] or drop", "ways[3] = 7\npacket eth\nexpect redirect ways[3]", null],
    ["redirect ways[8] or drop", "packet eth\nexpect drop", null],
    ["redirect far[99999] or drop", "packet eth\nexpect redirect far[99999]", null],
    ["redirect far[99999] or drop", "far = { 1 }\npacket eth\nexpect drop", null],
    ["redirect cpus[2] or drop", "packet eth\nexpect redirect cpus[2]", null],
    ["redirect cpus[2] or drop", "cpus = { 2 }\npacket eth\nexpect redirect cpus[2]", null],
    [
      "redirect ways[1]",
      "packet eth\nexpect redirect far[1]",
      "expected redirect far[1], but it was: redirect ways[1]",
    ],
    ["redirect ways[1]", "packet eth\nexpect tx", "expected tx, but it was: redirect ways[1]"],
  ];
  test.each(CASES)("%s | %s", (rules, steps, failure) => {
    expect(failureOf(`${TARGETS}${rules}`, steps)).toBe(failure);
  });

  const DEVICES: readonly (readonly [rules: string, steps: string, failure: string | null])[] = [
    ['redirect dev "eth1" or drop', 'packet eth\nexpect redirect dev "eth1"', null],
    ['redirect dev "eth1" or drop', "ifindex_eth1 = 0\npacket eth\nexpect drop", null],
    ['redirect dev "eth1" or drop', "ifindex_eth1 = 7\npacket eth\nexpect redirect dev 7", null],
    [
      'if arp then redirect dev "a"\nredirect dev "b"',
      'packet eth / arp\nexpect redirect dev "a"\npacket eth\nexpect redirect dev "b"',
      null,
    ],
    [
      'if arp then redirect dev "a"\nredirect dev "b"',
      'packet eth\nexpect redirect dev "a"',
      "expected redirect to device 101, but it was: redirect to device 102",
    ],
    ["flood ways", "packet eth\nexpect flood ways", null],
    ["flood ways", "packet eth\nexpect flood far", "expected flood far, but it was: flood ways"],
    ["flood ways", "packet eth\nexpect redirect ways[0]", "expected redirect ways[0], but it was: flood ways"],
    ["flood ways", "packet eth\nexpect forward", "expected forward, but it was: flood ways"],
  ];
  test.each(DEVICES)("%s | %s", (rules, steps, failure) => {
    expect(failureOf(`${TARGETS}${rules}`, steps)).toBe(failure);
  });

  const NETWORK = `device[1] = (02:00:00:00:00:01, 10.0.1.1/24, 2001:db8:1::1/64)
device[3] = (02:00:00:00:00:03, 10.0.3.1/24)
route[10.0.9.0/24] = (3, 10.0.3.254)
route[2001:db8:9::/48] = (3, 2001:db8:3::fe)
neighbour[10.0.3.254] = (3, 02:00:00:00:00:fe)
neighbour[2001:db8:3::fe] = (3, 02:00:00:00:00:fe)
`;
  const ROUTED: readonly (readonly [steps: string, failure: string | null])[] = [
    [
      "packet eth / ip(saddr: 10.0.1.7, daddr: 10.0.9.9, ttl: 5) / udp\nexpect forward eth(saddr: 02:00:00:00:00:03, daddr: 02:00:00:00:00:fe) / ip(ttl: 4) / udp",
      null,
    ],
    ["packet eth / ip(saddr: 10.0.1.7, daddr: 10.0.9.9) / udp\nexpect redirect dev 3", null],
    [
      "packet eth / ip6(saddr: 2001:db8:1::7, daddr: 2001:db8:9::9) / udp\nexpect forward eth / ip6(hop_limit: 63)",
      null,
    ],
    ["packet eth / ip(saddr: 10.0.1.7, daddr: 10.0.9.9, ttl: 1) / udp\nexpect pass", null],
    ["packet eth / ip(saddr: 10.0.1.7, daddr: 10.0.1.1) / udp\nexpect pass", null],
    ["packet eth / ip(saddr: 10.0.1.7, daddr: 10.0.3.77) / udp\nexpect pass", null],
    ["packet eth / ip(saddr: 10.0.1.7, daddr: 8.8.8.8) / udp\nexpect forward", "expected forward, but it was: pass"],
  ];
  test.each(ROUTED)("forward | %s", (steps, failure) => {
    expect(failureOf("forward", NETWORK + steps)).toBe(failure);
  });

  test.each([
    ["device[0] = 02:00:00:00:00:01", "device"],
    ["device[2] = 10.0.0.1/24", "device"],
    ["route[10.0.0.1] = 3", "route"],
    ["route[10.0.0.0/8] = (3, 4)", "route"],
    ["neighbour[10.0.0.1] = 3", "neighbour"],
  ])("%s is refused", (step, word) => {
    expect(said(`pass\ntest "t" { ${step} packet eth expect pass }`)).toEqual([`X0804 this describes no ${word}`]);
  });
});

describe("state", () => {
  const CASES: readonly (readonly [rules: string, steps: string, failure: string | null])[] = [
    // Each packet sees what those before left.
    [
      "counter hits\ncount hits",
      "packet eth times 3\nexpect hits == 3\npacket eth\nexpect hits == 4 and hits.bytes == 56",
      null,
    ],
    ["counter hits\ncount hits", "packet eth\nexpect hits == 2", "`hits == 2` doesn't hold; hits is 1"],
    [
      "counter by[u16]\nif tcp then count by[tcp.dport]",
      "packet eth / ip / tcp(dport: 7)\nexpect by[7] == 1 and by[8] == 0",
      null,
    ],
    [
      "counter from[ipv4]\nif ip then count from[ip.saddr]",
      "packet eth / ip(saddr: 1.2.3.4)\nexpect from[1.2.3.4].packets == 1\nexpect from[1.2.3.5] == 0",
      "`from[1.2.3.5] == 0` doesn't hold; from[1.2.3.5] is not there",
    ],
    ["counter hits\ncount hits", "meta.cpu = 0\npacket eth\nmeta.cpu = 2\npacket eth\nexpect hits == 2", null],
    ["var seen : u64 = 5\nseen += 2", "packet eth\nexpect seen == 7\nseen = 100\npacket eth\nexpect seen == 102", null],
    [
      "var last : ipv4\nif ip then last = ip.saddr",
      "packet eth / ip(saddr: 9.8.7.6)\nexpect last == 9.8.7.6 and last > 9.8.7.5",
      null,
    ],
    [
      "config limit : u32 = 3\nif meta.len > limit then drop",
      "packet eth\nexpect drop\nlimit = 14\npacket eth\nexpect pass",
      null,
    ],
    [
      "set s : (ipv4, u16)[4]\nif ip and tcp then { if (ip.saddr, tcp.dport) in s then drop }",
      "s = { (1.1.1.1, 80) }\npacket eth / ip(saddr: 1.1.1.1) / tcp(dport: 80)\nexpect drop\nexpect (1.1.1.1, 80) in s and not (1.1.1.1, 81) in s",
      null,
    ],
    [
      "set s : u16[4]\nif tcp then { insert s tcp.dport }",
      "packet eth / ip / tcp(dport: 9)\nexpect 9 in s\ns = {}\nexpect 9 in s",
      "`9 in s` doesn't hold; 9 in s: it isn't there",
    ],
    [
      "set s : u16[2]\nif tcp then { insert s tcp.dport or drop }",
      "s = { 1, 2 }\npacket eth / ip / tcp(dport: 9)\nexpect drop\npacket eth / ip / tcp(dport: 2)\nexpect pass",
      null,
    ],
    [
      "struct S { n : u32, a : ipv4 }\nmap m : hash<u16, S>[4]\nif tcp then { if let e = m[tcp.dport] then { e.n += 1 } }",
      "m[5] = S { n: 41, a: 1.2.3.4 }\npacket eth / ip / tcp(dport: 5)\nexpect m[5].n == 42 and m[5].a == 1.2.3.4\nexpect m[5] == S { n: 42, a: 1.2.3.4 }\nexpect m[5] != S { n: 41, a: 1.2.3.4 }\nexpect not m[6].n == 0\nm = {}\nexpect not 5 in m",
      null,
    ],
    ["map a : array<u32>[4]\na[2] += 1", "a[2] = 7\npacket eth\nexpect a[2] == 8 and a[3] == 0", null],
    [
      "map a : percpu_array<u64>[4]\na[2] += 1",
      "a[2] = 7\nmeta.cpu = 3\npacket eth\nexpect a[2] == 8\nmeta.cpu = 0\nexpect a[2] == 7",
      null,
    ],
    [
      "map m : lru_hash<u16, u64>[64]\nif tcp then m[tcp.dport] = meta.now",
      "meta.now = 5s\npacket eth / ip / tcp(dport: 1)\nexpect m[1] == 5s",
      null,
    ],
  ];
  test.each(CASES)("%s | %s", (rules, steps, failure) => {
    expect(failureOf(rules, steps)).toBe(failure);
  });
});

describe("what surrounds a packet", () => {
  const CASES: readonly (readonly [rules: string, head: string, steps: string])[] = [
    [
      "if meta.ingress_ifindex == 1 and meta.rx_queue_index == 0 and meta.now == 0 and meta.cpu == 0 then drop",
      '"t"',
      "packet eth\nexpect drop",
    ],
    ["if meta.ingress_ifindex == 4 then drop", '"t" with meta.ingress_ifindex = 4', "packet eth\nexpect drop"],
    ["if meta.now >= 3min then drop", '"t" with meta.now = 3min', "packet eth\nexpect drop"],
    ["if meta.cpu == 3 then drop", '"t" with meta.cpu = 3', "packet eth\nexpect drop"],
    ["if meta.len == 114 then drop", '"t"', "packet eth / zeros(100)\nexpect drop"],
    [
      "program d devmap { if meta.egress_ifindex == 9 then drop }",
      '"t" with meta.egress_ifindex = 9',
      "packet eth\nexpect drop",
    ],
    ["program a { pass }\nprogram b { drop }", '"t" for b', "packet eth\nexpect drop"],
    ['program own section "mine" { tx }', '"t"', "packet eth\nexpect tx"],
  ];
  test.each(CASES)("%s | %s", (rules, head, steps) => {
    expect(failureOf(rules, steps, head)).toBe(null);
  });
});

describe("packets that leave", () => {
  const SWAP =
    "if eth then swap eth.saddr, eth.daddr\nif udp then { swap udp.sport, udp.dport }\nif ip then ip.ttl -= 1\ntx";
  const SENT = 'packet eth(saddr: 02:00:00:00:00:01) / ip(ttl: 9) / udp(sport: 5, dport: 6) / "abc"\n';
  const CASES: readonly (readonly [expected: string, failure: string | null])[] = [
    ["tx", null],
    ["tx eth", null],
    ['tx eth(daddr: 02:00:00:00:00:01) / ip(ttl: 8) / udp(sport: 6, dport: 5) / "abc"', null],
    ["tx eth / ip(ttl: 1..8, saddr: 0.0.0.0/8) / udp(dport: { 5, 7 })", null],
    ["tx eth / ip(ttl: 9)", "the packet left, but not as expected; ip.ttl is 8, not 9"],
    ["tx eth / ip(ttl: { 1, 3..5 })", "the packet left, but not as expected; ip.ttl is 8, not 1, 3..5"],
    ["tx eth / arp", "the packet left, but not as expected; where `arp` was expected is `ip`"],
    [
      'tx eth / ip / udp / "abd"',
      "the packet left, but not as expected; 3 bytes follow: 61 62 63, not the 3 expected: 61 62 64",
    ],
    [
      'tx eth / ip / udp / "ab"',
      "the packet left, but not as expected; 3 bytes follow: 61 62 63, not the 2 expected: 61 62",
    ],
    ["tx eth / ip(protocol: udp)", null],
    ["tx eth(type: 0x0800, saddr: 00:00:00:00:00:00)", null],
  ];
  test.each(CASES)("%s", (expected, failure) => {
    expect(failureOf(SWAP, `${SENT}expect ${expected}`)).toBe(failure);
  });

  test("a sum that isn't right is noticed, unless it is expected", () => {
    const packet = "packet eth / ip(check: 0x1234) / udp\n";
    expect(failureOf("pass", `${packet}expect pass eth / ip`)).toBe(
      "the packet left, but not as expected; ip.check is 0x1234, but 0x7ad2 would be right",
    );
    expect(failureOf("pass", `${packet}expect pass eth / ip(check: 0x1234) / udp`)).toBe(null);
    expect(failureOf("pass", "packet eth / ip / udp(check: 0)\nexpect pass eth / ip / udp")).toBe(null);
  });

  test("bytes alone are the whole packet", () => {
    expect(
      failureOf(
        "pass",
        'packet hex("00112233445566778899aabbccddeeff")\nexpect pass hex("00112233445566778899aabbccddeeff")',
      ),
    ).toBe(null);
    expect(failureOf("pass", 'packet hex("0011")\nexpect pass hex("0012")')).toMatch(/2 bytes follow: 00 11, not/);
  });
});

describe("a failure", () => {
  const RULES = `set ports : u16[8]
fn guard() { if opaque then drop }
guard()
if tcp.dport in ports then drop
else if tcp.dport == 9 then { if ip.ttl < 3 then aborted }
else if udp then tx
switch_it()
fn switch_it() { if ip then switch ip.protocol { icmp => drop; tcp, udp => { pass } else => aborted } }`;

  test("tells the way through the rules and the rules that would have done it", () => {
    const { failure } = run(`${RULES}\ntest "t" { packet eth / ip(ttl: 7) / tcp(dport: 9) expect drop }`);
    expect(failure?.message).toBe("expected drop, but it was: pass");
    const text = (span: { file: { text: string }; start: number; end: number }): string =>
      span.file.text.slice(span.start, span.end).split("\n")[0]?.slice(0, 34) ?? "";
    expect(failure?.sent?.path?.map((s) => [s.depth, text(s.span), s.took, s.facts.join(", ")])).toEqual([
      [0, "if opaque then drop", "no", ""],
      [0, "if tcp.dport in ports then drop", "no", "tcp.dport = 9"],
      [0, "if tcp.dport == 9 then { if ip.ttl", "yes", "tcp.dport = 9"],
      [1, "if ip.ttl < 3 then aborted", "no", "ip.ttl = 7"],
      [0, "if ip then switch ip.protocol { ic", "yes", "ip is there"],
      [1, "switch ip.protocol { icmp => drop;", "arm", "ip.protocol = 6"],
      [2, "pass", null, ""],
    ]);
    expect(failure?.sent?.wanted.map(text)).toEqual([
      "if opaque then drop",
      "if tcp.dport in ports then drop",
      "icmp => drop",
    ]);
  });

  test("is told of the packet that failed, not of the last", () => {
    const { failure, packets } = run(
      `${RULES}\ntest "t" { ports = { 4 } packet eth / ip / tcp(dport: 5) packet eth / ip / tcp(dport: 4) packet eth / ip / tcp(dport: 6) expect pass }`,
    );
    expect([failure?.sent?.number, packets]).toEqual([2, 3]);
    expect(failure?.sent?.path?.at(-1)?.kind).toBe("verdict");
    expect(failure?.sent?.path?.length).toBe(3);
  });

  test("of the state after several packets shows the last packet's way alone", () => {
    const { failure } = run(
      `counter hits\nif arp then count hits\ntest "t" { packet eth / arp packet eth expect hits == 2 }`,
    );
    expect(failure?.sent?.number).toBe(2);
    expect(failure?.sent?.path?.map((s) => s.took)).toEqual(["no"]);
  });
});

describe("the rest of the language", () => {
  test("prefixes, limiters on the test's clock, programs of a map", () => {
    const rules = `set nets : prefix<ipv4>[16]
limiter syns[64] : 10/s burst 5 per ipv4
prog_array stages[4]
program main {
  if opaque then drop
  if ip.saddr in nets then drop
  if tcp.syn and ip.saddr exceeds syns then aborted
  if udp.dport == 1 then tail stages[2] or tx
}
program last { if udp then drop }`;
    const steps = (text: string): string | null => failureOf(rules, text, '"t" for main');
    expect(
      steps(
        "nets = { 10.0.0.0/8, 192.0.2.7 } packet eth / ip(saddr: 10.9.9.9) expect drop packet eth / ip(saddr: 192.0.2.8) expect pass",
      ),
    ).toBe(null);
    expect(
      steps(`packet eth / ip / tcp(syn: 1) times 5 expect pass
        packet eth / ip / tcp(syn: 1) times 3 expect aborted
        meta.now = 100ms
        packet eth / ip / tcp(syn: 1) expect pass
        packet eth / ip / tcp(syn: 1) expect aborted`),
    ).toBe(null);
    expect(
      steps("packet eth / ip / udp(dport: 1) expect tx stages[2] = last packet eth / ip / udp(dport: 1) expect drop"),
    ).toBe(null);
  });

  test("events: what was sent, how many, how many were lost", () => {
    const rules = `struct Event { saddr : ipv4, dport : u16 }
ringbuf events[4K]
ringbuf silent[4K]
perf samples
if ip and udp.dport > 1000 then emit events Event { saddr: ip.saddr, dport: udp.dport }
else if ip and udp then emit samples (ip.saddr, udp.dport)
if tcp then sample samples max 20`;
    const steps = (text: string): string | null => failureOf(rules, text);
    const packet = "packet eth / ip(saddr: 10.0.0.1) / udp(dport: 2000)";
    expect(steps(`${packet} expect Event { saddr: 10.0.0.1, dport: 2000 } in events and events == 1`)).toBe(null);
    expect(steps(`expect events == 0 ${packet} times 3 expect events == 3 and events.lost == 0 and silent == 0`)).toBe(
      null,
    );
    expect(steps(`${packet} expect not (Event { saddr: 10.0.0.1 } in events)`)).toBe(null);
    // What was read before counts on; the buffer has room for (8 + 8) bytes 255 times.
    expect(steps(`${packet} expect events == 1 ${packet} times 300 expect events == 256 and events.lost == 45`)).toBe(
      null,
    );
    expect(
      steps(
        `packet eth / ip(saddr: 10.0.0.2) / udp(dport: 7) packet eth / ip / tcp
        expect (10.0.0.2, 7) in samples and samples == 2 and samples.lost == 0 and events == 0`,
      ),
    ).toBe(null);
    expect(steps(`${packet} expect events == 2`)).toMatch(/doesn't hold/);
    expect(steps(`${packet} expect Event { saddr: 10.0.0.2, dport: 2000 } in events`)).toMatch(/doesn't hold/);
    const [failed] = [run(`${rules}\ntest "t" { ${packet} expect events == 2 }`).failure];
    expect(failed?.details).toContain("events is 1");
  });

  test("queues and stacks: filled, and what they hold", () => {
    const rules = `map free : queue<u16>[4]
map last : stack<ipv4>[4]
map seen : bloom_filter<u16>[100]
if ip and udp then {
  insert last ip.saddr or drop
  if let port = pop(free) then { if port == 7 then tx }
  else aborted
}
if tcp.dport in seen then drop`;
    const steps = (text: string): string | null => failureOf(rules, text);
    const packet = (n: number): string => `packet eth / ip(saddr: 10.0.0.${n}) / udp`;
    expect(
      steps(`${packet(1)} expect aborted free = { 7, 8..9 } expect free == 3 and 9 in free
        ${packet(2)} expect tx ${packet(3)} expect pass expect free == 1 and not 7 in free and last == 3
        expect 10.0.0.1 in last and not 10.0.0.4 in last
        ${packet(4)} expect pass ${packet(5)} expect drop expect last == 4
        last = {} expect last == 0 free = { 7 } ${packet(6)} expect tx expect 10.0.0.6 in last`),
    ).toBe(null);
    expect(
      steps("seen = { 80 } packet eth / ip / tcp(dport: 80) expect drop packet eth / ip / tcp(dport: 81) expect pass"),
    ).toBe(null);
  });

  test("packets in tunnels: made, matched, and told apart in a way", () => {
    const rules =
      "if opaque then drop\nif vxlan.vni == 7 and inner.tcp.dport == 80 then drop\nif tcp.dport == 80 then aborted";
    const inside = "packet eth / ip / udp / vxlan(vni: 7) / eth / ip(saddr: 10.0.0.1) / tcp(dport: 80)\n";
    expect(
      failureOf(rules, `${inside}expect drop eth / ip / udp(dport: 4789) / vxlan / eth / ip(saddr: 10.0.0.1) / tcp`),
    ).toBe(null);
    const { failure } = run(
      `${rules}\ntest "t" { packet eth / ip / udp / vxlan(vni: 8) / eth / ip / tcp(dport: 80) expect drop }`,
    );
    expect(failure?.sent?.path?.map((s) => s.facts)).toEqual([
      [],
      ["vxlan.vni = 8", "inner.tcp.dport = 80"],
      ["no tcp"],
    ]);
  });
});

test("an echo: addresses swapped, the type changed, every sum right", () => {
  const rules = `program responder {
    if icmp.type == 8 and ip then { swap eth.saddr, eth.daddr  swap ip.saddr, ip.daddr  icmp.type = 0  tx }
}`;
  const steps = `packet eth(saddr: 02:00:00:00:00:01) / ip(saddr: 10.0.0.1, daddr: 10.0.0.2) / icmp(type: 8, rest: 0x12340001) / "abcdefg"
expect tx eth(daddr: 02:00:00:00:00:01) / ip(saddr: 10.0.0.2, daddr: 10.0.0.1) / icmp(type: 0, rest: 0x12340001) / "abcdefg"`;
  expect(failureOf(rules, steps, '"echo" for responder with meta.rx_queue_index = 3')).toBe(null);
});

test("a chain of 900 else-ifs is followed", () => {
  const chain = Array.from({ length: 900 }, (_, i) => `if tcp.dport == ${i + 1} then drop`).join("\nelse ");
  const { failure } = run(`if opaque then drop\n${chain}\ntest "t" { packet eth / ip / tcp(dport: 899) expect pass }`);
  expect(failure?.sent?.path?.at(-2)?.took).toBe("yes");
}, 60_000);
