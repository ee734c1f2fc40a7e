// The examples of the language's definition, one by one: each compiles with the declarations it leaves out, loads in the kernel
// and gives the verdicts it promises; what is an error is one, at the right place; what isn't built yet says so by its own code.

import { afterAll, describe, expect, test } from "vitest";
import { UNSUPPORTED } from "../../src/ir/messages.ts";
import { littleEndian } from "../support/addresses.ts";
import { compileText, describeDiagnostics, objectFile, objectOf, temporaryFolder } from "../support/compile.ts";
import { type LoadedObject, loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import {
  arp,
  eth,
  fragment,
  icmp,
  ip,
  ipv6,
  type Layer,
  packet,
  payload,
  TCP_FLAGS,
  tcp,
  udp,
  vlan,
} from "../support/packets.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";

const web = packet(eth(), ip(), tcp({ dport: 80 }));
const ssh = packet(eth(), ip(), tcp({ dport: 22 }));
const syn = packet(eth(), ip(), tcp({ dport: 22, flags: TCP_FLAGS.syn }));
const synAck = packet(eth(), ip(), tcp({ dport: 22, flags: TCP_FLAGS.syn | TCP_FLAGS.ack }));
const dns = packet(eth(), ip(), udp({ dport: 53 }));
const ping = packet(eth(), ip(), icmp({ type: 8 }));
const who = packet(eth(), arp());
const web6 = packet(eth(), ipv6(), tcp({ dport: 80 }));
const later = packet(eth(), ip({ fragOff: 5 }), payload(40));
const later6 = packet(eth(), ipv6(), fragment({ offset: 7 }), tcp({ dport: 80 }));
const tagged = (...layers: Layer[]): Uint8Array => packet(eth(), vlan({ id: 5 }), vlan({ id: 6 }), ...layers);
const own = packet(eth({ type: 0x88b5 }), payload(new Uint8Array(6)));
const cut = web.slice(0, 40);

interface Example {
  readonly name: string;
  readonly source: string;
  /** Frames and the verdicts they get, in this order. */
  readonly verdicts?: readonly (readonly [frame: Uint8Array, verdict: string])[];
  readonly before?: (object: LoadedObject) => void;
  readonly after?: (object: LoadedObject) => void;
}

const one = (key: number, size: number): Uint8Array => littleEndian(key, size);

const EXAMPLES: readonly Example[] = [
  {
    name: "1: TCP to a port in a set (an empty socket map gives the default)",
    source: "set ports : u16[1024]\nxskmap xsk[64]\nif tcp.dport in ports then redirect xsk",
    before: (object) => object.map("ports").update(one(80, 2), one(1, 1)),
    verdicts: [
      [web, "pass"],
      [ssh, "pass"],
      [dns, "pass"],
    ],
  },
  {
    name: "2: the default of a file",
    source: "default drop\nif arp then pass # address resolution\n",
    verdicts: [
      [who, "pass"],
      [web, "drop"],
      [own, "drop"],
    ],
  },
  {
    name: "2: the first verdict ends the program",
    source: "if tcp then drop; if ip then tx\nif udp then aborted",
    verdicts: [
      [web, "drop"],
      [dns, "tx"],
      [web6, "drop"],
      [who, "pass"],
    ],
  },
  {
    name: "2: programs with sections and attributes",
    source: `
      program xdp_hello section "xdp_hello" {
        log "rx ifindex = %u, queue = %u, len = %u", meta.ingress_ifindex, meta.rx_queue_index, meta.len
        pass
      }
      program big frags { if tcp then drop }
      program on_dev devmap { if meta.egress_ifindex == 3 then drop }
      program on_cpu cpumap { drop }`,
    after: (object) =>
      expect([...object.sections.values()]).toEqual(["xdp_hello", "xdp.frags", "xdp/devmap", "xdp/cpumap"]),
  },
  {
    name: "2: any word is a name after a dot or before a colon",
    source:
      "struct S { section : u16, default : u32, if : u8 }\nmap m : hash<u32, S>[8]\nif let s = m[1] then { s.if = 3 }\npass",
    verdicts: [[web, "pass"]],
  },
  {
    name: "3: a header of one's own beside the library's",
    source:
      'header magic "our own" on eth 0x88b5, udp 9999 { tag : u32, port : u16 }\nif magic.tag == 0 then drop\nif magic then tx',
    verdicts: [
      [own, "drop"],
      [own.slice(0, 19), "pass"],
      [packet(eth(), ip(), udp({ dport: 9999 }), payload(new Uint8Array(6))), "drop"],
      [packet(eth(), ip(), udp({ sport: 9999, dport: 1 }), payload(new Uint8Array(6))), "drop"],
      [dns, "pass"],
    ],
  },
  {
    name: "3: one more place for a header that exists",
    source:
      "header vxlan on udp 4789 { flags : u8, r : 24, vni : 24, s : u8 }\nheader vxlan on udp 8472\nif vxlan.vni == 0 then drop",
    verdicts: [
      [packet(eth(), ip(), udp({ dport: 8472 }), payload(new Uint8Array(8))), "drop"],
      [packet(eth(), ip(), udp({ dport: 4789 }), payload(new Uint8Array(8))), "drop"],
      [packet(eth(), ip(), udp({ dport: 4790 }), payload(new Uint8Array(8))), "pass"],
    ],
  },
  {
    name: "3: TCP wherever the packet carries it",
    source: "if tcp.dport == 80 then drop",
    verdicts: [
      [web, "drop"],
      [web6, "drop"],
      [later, "pass"],
      [later6, "pass"],
      [cut, "pass"],
      [tagged(ip({ options: new Uint8Array(8).fill(1) }), tcp({ dport: 80 })), "drop"],
      [packet(eth(), vlan(), vlan(), vlan(), ip(), tcp({ dport: 80 })), "pass"],
    ],
  },
  {
    name: "3: the second tag",
    source: "if vlan[1].id == 6 then drop\nif vlan.id == 5 then tx",
    verdicts: [
      [tagged(ip()), "drop"],
      [packet(eth(), vlan({ id: 5 }), ip()), "tx"],
      [web, "pass"],
    ],
  },
  {
    name: "3: a following header's name stands for its selector's value",
    source: "if ip.protocol == tcp then drop\nif ip6.nexthdr == tcp then tx",
    verdicts: [
      [web, "drop"],
      [cut, "drop"],
      [web6, "tx"],
      [dns, "pass"],
    ],
  },
  {
    name: "4: != is TCP, but not 22",
    source: "if tcp.dport != 22 then drop",
    verdicts: [
      [web, "drop"],
      [ssh, "pass"],
      [dns, "pass"],
      [who, "pass"],
    ],
  },
  {
    name: "4: not (… == …) is anything but TCP 22",
    source: "if not (tcp.dport == 22) then drop",
    verdicts: [
      [web, "drop"],
      [ssh, "pass"],
      [dns, "drop"],
      [cut, "drop"],
    ],
  },
  {
    name: "4: narrowing by if",
    source: "counter by_port[u16]\nif tcp then { count by_port[tcp.dport] }",
    verdicts: [
      [web, "pass"],
      [dns, "pass"],
    ],
    after: (object) =>
      expect(
        object
          .map("by_port")
          .lookupPerCpu(one(80, 4))
          ?.some((v) => v[0] === 1),
      ).toBe(true),
  },
  {
    name: "4: narrowing by an early verdict",
    source: "counter from[ipv4]\nif not ip then pass\ncount from[ip.saddr]",
    verdicts: [
      [web, "pass"],
      [who, "pass"],
    ],
    after: (object) => expect(object.map("from").keys()).toEqual([new Uint8Array([10, 0, 0, 1])]),
  },
  {
    name: "4: switch over headers' names",
    source: "if ip then switch ip.protocol { tcp, udp => pass; icmp => drop; else => tx }",
    verdicts: [
      [web, "pass"],
      [dns, "pass"],
      [ping, "drop"],
      [packet(eth(), ip({ protocol: 99 })), "tx"],
      [who, "pass"],
    ],
  },
  {
    name: "4: opaque",
    source: "if opaque then drop",
    verdicts: [
      [later, "drop"],
      [later6, "drop"],
      [cut, "drop"],
      [web, "pass"],
      [who, "pass"],
      [own, "pass"],
    ],
  },
  {
    name: "5: masks bind tighter than comparisons, not tighter than and",
    source: "if tcp.flags & 2 == 2 and not tcp.ack then drop",
    verdicts: [
      [syn, "drop"],
      [synAck, "pass"],
      [dns, "pass"],
    ],
  },
  {
    name: "5: the other spellings of and, or, not",
    source: "if (tcp && !tcp.syn) || arp then drop",
    verdicts: [
      [synAck, "pass"],
      [who, "drop"],
      [packet(eth(), ip(), tcp({ flags: TCP_FLAGS.ack })), "drop"],
    ],
  },
  {
    name: "5: constants, config, globals, functions",
    source: `const LIMIT = 1000
      config threshold : u32 = 100
      var seen : u64
      fn is_syn() = tcp.syn and not tcp.ack
      fn guard() { if opaque then drop }
      guard()
      seen += 1
      if is_syn() then tx
      if meta.len > threshold then drop
      if meta.len > LIMIT then aborted`,
    verdicts: [
      [later, "pass"],
      [cut, "drop"],
      [syn, "tx"],
      [packet(eth(), ip(), udp(), payload(100)), "drop"],
    ].map(([f, v]) => [f as Uint8Array, f === later ? "drop" : (v as string)] as const),
    after: (object) => expect(object.readGlobal("seen")[0]).toBe(2),
  },
  {
    name: "5: ranges, sets, prefixes, K",
    source: `const WEB = { 80, 443, 8000..8999 }
      if tcp.dport in WEB then drop
      if ip.saddr in { 10.0.0.0/8, 192.168.0.0/16 } and udp.dport in 1..64K - 1 then tx
      if ip6.saddr in 2001:db8::/32 then aborted`,
    verdicts: [
      [web, "drop"],
      [packet(eth(), ip(), tcp({ dport: 8999 })), "drop"],
      [dns, "tx"],
      [ssh, "pass"],
      [packet(eth(), ipv6(), udp()), "aborted"],
    ],
  },
  {
    name: "5: division by zero gives 0, arithmetic wraps, narrow fields compute as u8",
    source: `var zero : u32
      var out : u32
      if ip then { out = 7 / zero + (ip.ttl + 250) as u32 }`,
    verdicts: [[packet(eth(), ip({ ttl: 10 })), "pass"]],
    after: (object) => expect(object.readGlobal("out")).toEqual(littleEndian(4, 4)),
  },
  {
    name: "5: a loop with constant bounds, let and shadowing",
    source: "var sum : u32\nfor i in 0..8 { let x = i * 2\nsum = sum + x }",
    verdicts: [[web, "pass"]],
    after: (object) => expect(object.readGlobal("sum")).toEqual(littleEndian(72, 4)),
  },
  {
    name: "6: every kind of state that is built",
    source: `struct Flow { saddr : ipv4, daddr : ipv4, sport : u16, dport : u16 }
      struct Stats { packets : u64, bytes : u64 }
      set   blocked : ipv4[100000] lru
      map   flows   : lru_hash<Flow, Stats>[65536]
      map   last    : percpu_array<u64>[16]
      map   a : hash<u32, u32>[8]  map b : percpu_hash<u32, u64>[8]  map c : lru_percpu_hash<u32, u64>[64]
      counter hits, by_port[u16]
      devmap  ports[64]  devmap_hash uplinks[64]  cpumap cpus[16]  xskmap xsk[64]
      if ip and tcp then {
        let flow = (ip.saddr, ip.daddr, tcp.sport, tcp.dport)
        if let s = flows[flow] then { s.packets += 1 }
        else flows[flow] = Stats { packets: 1, bytes: meta.len }
      }
      if tcp.dport == 23 and ip then { insert blocked ip.saddr drop }
      if icmp and ip then { delete blocked ip.saddr }
      if ip.saddr in blocked then drop
      a[1] = 2  b[1] = 2  c[1] = 3  a[1] += 4  last[3] += 1
      count hits`,
    verdicts: [
      [web, "pass"],
      [web, "pass"],
      [packet(eth(), ip(), tcp({ dport: 23 })), "drop"],
      [web, "drop"],
      [ping, "pass"],
      [web, "pass"],
    ],
    after: (object) => {
      const [entry] = object
        .map("flows")
        .entries()
        .filter(([key]) => key[10] === 80);
      expect(entry?.[1][0]).toBe(4);
      expect(object.map("a").lookup(one(1, 4))).toEqual(one(6, 4));
    },
  },
  {
    name: "6: prefixes, limiters and all words for maps",
    source: `struct Settings { limit : u32 }
      set   nets    : prefix<ipv4>[4096]
      map   conf    : array<Settings>[1] pinned
      map   deep    : lpm_trie<prefix<ipv6>, u32>[16]
      limiter syns[65536] : 1000/s burst 2 per ipv4
      ringbuf events[256K]   perf  samples   prog_array stages[8]
      if ip.saddr in nets then drop
      if tcp.syn and ip.saddr exceeds syns then drop
      if ip and icmp then { insert nets ip.saddr or aborted }`,
    verdicts: [
      [syn, "pass"],
      [syn, "pass"],
      [syn, "drop"],
      [web6, "pass"],
      [ping, "pass"],
      [dns, "drop"],
    ],
  },
  {
    name: "8: events and tails",
    source: `struct Event { saddr : ipv4, dport : u16 }
      ringbuf events[256K]  perf samples  prog_array stages[8]
      if ip and tcp then emit events Event { saddr: ip.saddr, dport: tcp.dport } or drop
      if udp then sample events max 96 or drop
      if arp then { sample samples or tx }
      if ip then tail stages[2] or aborted
      if ip6 then tail stages[2]
      drop`,
    verdicts: [
      [web, "aborted"],
      [dns, "aborted"],
      [who, "tx"],
      [web6, "pass"],
      [own, "drop"],
    ],
  },
  {
    name: "6: an insert that fails goes on, or not",
    source: "set few : u16[1]\nif tcp then { insert few tcp.dport or drop }\nif udp then { insert few udp.dport }",
    verdicts: [
      [web, "pass"],
      [ssh, "drop"],
      [web, "pass"],
      [dns, "pass"],
    ],
  },
  {
    name: "8: redirects fall back",
    source: `default aborted
      xskmap xsk[4]  devmap ways[4]  cpumap cpus[4]
      if arp then redirect xsk
      if icmp then redirect xsk or drop
      if udp then redirect ways[3] or tx
      if ip then redirect cpus[hash(ip.saddr, ip.daddr) % 4] or pass`,
    verdicts: [
      [who, "aborted"],
      [ping, "drop"],
      [dns, "tx"],
      [web, "pass"],
    ],
  },
  {
    name: "8: swap and assignment",
    source: "if udp then { swap eth.saddr, eth.daddr; eth.daddr = aa:bb:cc:dd:ee:ff; tx }",
    verdicts: [
      [dns, "tx"],
      [web, "pass"],
    ],
  },
  {
    name: "10: hello",
    source: `xskmap xsk[64]
      program xdp_hello section "xdp_hello" {
        log "rx ifindex = %u, queue = %u, len = %u", meta.ingress_ifindex, meta.rx_queue_index, meta.len
        log "packet on cpu %u", meta.cpu
        log "hello, world"
        pass
      }`,
    after: (object) => expect(object.sections.get("xdp_hello")).toBe("xdp_hello"),
  },
];

describeWith("examples in the kernel", [kernelProblem()], () => {
  afterAll(closeAll);
  const folder = temporaryFolder();
  test.each(EXAMPLES.flatMap((e) => ([0, 2] as const).map((level) => [`${e.name} (-O${level})`, level, e] as const)))(
    "%s",
    (_, optimise, example) => {
      const object = loadObject(objectFile(objectOf(example.source, { optimise, checkEachPass: true }), "e.o", folder));
      try {
        example.before?.(object);
        const got = (example.verdicts ?? []).map(([frame]) => object.program().run(frame).verdict);
        expect(got).toEqual((example.verdicts ?? []).map(([, verdict]) => verdict));
        example.after?.(object);
      } finally {
        object.close();
      }
    },
  );
});

/** Faults: the code, and the text that the diagnostic must point at. */
const ERRORS: readonly (readonly [name: string, source: string, code: string, at: string])[] = [
  ["a field without proof", "counter c[u16]\ncount c[tcp.dport]", "X0401", "tcp.dport"],
  ["a proof that was lost", 'if tcp then { eth.type = 3; log "%u", tcp.dport }', "X0401", "tcp.dport"],
  ["a header that can't be there", 'if not ip then { if icmp then drop; log "%u", ip.ttl }', "X0402", "ip.ttl"],
  [
    "a further statement on the line",
    "set bad : u16[4]\ncounter hits\nif tcp.dport in bad then count hits drop",
    "X0132",
    "drop",
  ],
  ["a statement behind a verdict", "pass\ndrop", "X0133", "drop"],
  ["recursion", "fn f() { f() }\nf()", "X0205", "f"],
  ["mutual recursion", "fn f() = g()\nfn g() = f()\nif f() then drop", "X0205", "f"],
  ["a wider value", "var small : u8\nif tcp then { small = tcp.dport }", "X0303", "tcp.dport"],
  ["a constant that doesn't fit", "if ip.ttl == 256 then drop", "X0302", "256"],
  ["a map entry without if let", "map m : hash<u32, u64>[4]\nvar x : u64\nx = m[1]", "X0502", "m[1]"],
  [
    "a narrow shared increment",
    "struct S { n : u16 }\nmap m : hash<u32, S>[4]\nif let s = m[1] then { s.n += 1 }",
    "X0503",
    "s.n",
  ],
  ["a rule beside programs", "program p { pass }\nif tcp then drop", "X0206", "if tcp then drop"],
  ["a name declared twice", "set a : u16[4]\nmap a : hash<u32, u32>[4]\npass", "X0201", "a"],
  ["an unknown name", "if tpc.dport == 80 then drop", "X0202", "tpc"],
  ["an unknown field", "if tcp.dpotr == 80 then drop", "X0203", "dpotr"],
  ["a loop without constant bounds", "for i in 0..meta.len { }", "X0304", "meta.len"],
  ["a third tag", "if vlan[2] then drop", "X0208", "2"],
  ["two verdicts for one selector value", "header x on ipv4 6 { a : u8 }\nif x then drop", "X0208", "ipv4 6"],
];

describe("examples that are errors", () => {
  test.each(ERRORS)("%s", (_, source, code, at) => {
    const { diagnostics, output } = compileText(source);
    expect(output).toBeNull();
    const found = diagnostics.map((d) => [
      d.code,
      d.primary === null ? "" : d.primary.span.file.text.slice(d.primary.span.start, d.primary.span.end),
    ]);
    expect(found).toContainEqual([code, at]);
  });
});

/** Language that isn't built yet: one program for each code of X09xx at least. */
const UNBUILT: readonly (readonly [code: string, source: string])[] = [
  ["X0916", "var a : ipv6\nif ip6 then { a = ip6.saddr & ip6.daddr }"],
];

describe("language that isn't built yet", () => {
  test.each(UNBUILT)("%s: %s", (code, source) => {
    const result = compileText(source);
    expect(result.output, describeDiagnostics(result)).toBeNull();
    expect(result.diagnostics.map((d) => d.code)).toContain(code);
    expect(result.diagnostics.every((d) => d.primary !== null)).toBe(true);
  });

  test("every code for it can be met", () => {
    const met = new Set(UNBUILT.map(([code]) => code));
    expect(
      Object.values(UNSUPPORTED)
        .map(([code]) => code)
        .filter((code) => !met.has(code)),
    ).toEqual([]);
  });
});
