// The programs that are compared with C: our rules, the C file in bench/c that means the same, what both find in their maps, the packets that
// they are timed with, and the maps in which both must have written the same. Used by bench/compared.ts.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { bigEndian, concat, ip4, littleEndian } from "../test/support/addresses.ts";
import { projectFolder } from "../test/support/cli.ts";
import type { LoadedObject } from "../test/support/libbpf.ts";
import { eth, icmp, icmp6, ip, ipv6, packet, payload, tcp, udp, vlan } from "../test/support/packets.ts";

/** A program in both languages. */
export interface Pair {
  readonly name: string;
  /** What it does, for the table. */
  readonly what: string;
  readonly rules: string;
  /** The program in the rules' object and in C's, where there are several. */
  readonly program?: string;
  readonly prepare?: (object: LoadedObject, device: number) => void;
  /** The maps to compare afterwards; values hold times and aren't compared where `keys` is told. */
  readonly maps?: Readonly<Record<string, "all" | "keys" | "sums">>;
  /** Packets to be timed with; none: the program isn't timed. */
  readonly frames: readonly Uint8Array[];
  /** A second run on what the first left of a packet would be another: each run is timed by itself. */
  readonly once?: true;
  /** The buffer of events that fills up. */
  readonly buffer?: string;
}

const example = (name: string): string =>
  readFileSync(join(projectFolder, "examples", `${name}.xdp`), "utf8").replace(/\ntest "[\s\S]*$/, "\n");
const rulesOf = (name: string): string => readFileSync(join(projectFolder, "bench/c", `${name}.xdp`), "utf8");

const web = packet(
  eth(),
  ip({ saddr: "10.0.0.1", daddr: "192.168.1.77" }),
  tcp({ sport: 9999, dport: 80 }),
  payload(26),
);
const dns = packet(eth(), ip({ saddr: "8.8.8.8", daddr: "10.0.0.1" }), udp({ sport: 12345, dport: 53 }), payload(32));
const web6 = packet(eth(), ipv6(), tcp({ dport: 80 }), payload(20));
const tagged = packet(eth(), vlan({ id: 100 }), ip(), udp({ dport: 9999 }), payload(18));
const ping = packet(eth(), ip(), icmp({ type: 8 }), payload(56));
const ping6 = packet(eth(), ipv6(), icmp6({ type: 128 }), payload(56));
const mixed = [web, dns, web6, tagged, ping];

const u16 = (value: number): Uint8Array => littleEndian(value, 2);
const u32 = (value: number): Uint8Array => littleEndian(value, 4);
const one = new Uint8Array([1]);
const addr4 = (text: string): Uint8Array => bigEndian(ip4(text), 4);
const mac = (text: string): Uint8Array => Uint8Array.from(text.split(":"), (part) => Number.parseInt(part, 16));
const service = (addr: string, port: number, protocol: number): Uint8Array =>
  concat(addr4(addr), u16(port), new Uint8Array([protocol, 0]));

/** All of them. */
export const PAIRS: readonly Pair[] = [
  {
    name: "ports",
    what: "`ports`: a set of ports, to AF_XDP",
    rules: example("ports"),
    prepare: (object) => object.map("ports").update(u16(80), one),
    frames: mixed,
  },
  { name: "hello", what: "`hello`: three lines of log", rules: example("hello"), frames: [] },
  {
    name: "counter",
    what: "a counter per protocol",
    rules: "counter by_proto[u8]\nif ip then count by_proto[ip.protocol]\nif ip6 then count by_proto[ip6.nexthdr]\n",
    maps: { by_proto: "sums" },
    frames: mixed,
  },
  {
    name: "reflect",
    what: "UDP back, MACs exchanged",
    rules: "if udp then { swap eth.saddr, eth.daddr tx }\n",
    frames: [dns, tagged, packet(eth(), ipv6(), udp()), web],
  },
  {
    name: "icmp_echo",
    what: "pings answered, both IP versions",
    rules: rulesOf("icmp_echo"),
    frames: [ping, ping6, web],
    once: true,
  },
  {
    name: "port_patch",
    what: "ports counted down, sums kept",
    rules: rulesOf("port_patch"),
    frames: [web, dns, web6, tagged],
  },
  { name: "vlan_swap", what: "a VLAN tag popped or pushed", rules: rulesOf("vlan_swap"), frames: [web, tagged] },
  {
    name: "forward",
    what: "`forward`: a router",
    rules: example("forward"),
    frames: [web, dns, web6, ping],
    once: true,
  },
  {
    name: "firewall",
    what: "`firewall`, outside, without its limiter",
    rules: example("firewall")
      .replace(/\n.*exceeds syns.*/, "")
      .replace(/\nlimiter.*/, "")
      .replace("too_many, ", ""),
    program: "outside",
    prepare: (object) => {
      const now = littleEndian(process.hrtime.bigint(), 8);
      object.map("allowed").update(concat(u32(8), addr4("8.0.0.0")), one);
      const flow = (inner: string, outer: string, a: number, b: number, protocol: number): Uint8Array =>
        concat(addr4(inner), addr4(outer), u16(a), u16(b), new Uint8Array([protocol, 0, 0, 0]));
      object.map("flows").update(flow("10.0.0.1", "8.8.8.8", 53, 12345, 17), now);
      object.map("flows").update(flow("10.0.0.1", "8.8.8.8", 9999, 80, 6), now);
    },
    maps: {
      unreadable: "sums",
      bogus: "sums",
      returning: "sums",
      opened: "sums",
      helping: "sums",
      refused: "sums",
      flows: "keys",
    },
    frames: [
      packet(eth(), ip({ saddr: "8.8.8.8", daddr: "10.0.0.1" }), udp({ sport: 12345, dport: 53 }), payload(32)),
      packet(
        eth(),
        ip({ saddr: "8.8.8.8", daddr: "10.0.0.1" }),
        tcp({ sport: 80, dport: 9999, flags: 16 }),
        payload(20),
      ),
      packet(eth(), ip({ saddr: "8.8.4.4", daddr: "10.0.0.1" }), tcp({ sport: 4000, dport: 443, flags: 2 })),
      web,
      web6,
    ],
  },
  {
    name: "dnat",
    what: "`dnat`: servers behind an address",
    rules: example("dnat"),
    prepare: (object) => {
      for (const [addr, port, protocol, server, at] of [
        ["10.0.0.1", 80, 6, "10.1.2.3", 8080],
        ["10.0.0.1", 53, 17, "10.1.2.3", 5353],
        ["192.168.1.77", 80, 6, "10.1.2.3", 8081],
        ["8.8.8.8", 53, 17, "172.16.5.4", 53],
      ] as const) {
        object.map("virtual").update(addr4(addr), one);
        object.map("services").update(service(addr, port, protocol), concat(addr4(server), u16(at), u16(0)));
        object.map("servers").update(service(server, at, protocol), concat(addr4(addr), u16(port), u16(0)));
      }
      object.map("servers").update(service("10.0.0.1", 80, 6), concat(addr4("192.168.0.1"), u16(8000), u16(0)));
    },
    maps: { there: "sums", back: "sums" },
    frames: [
      web,
      dns,
      packet(eth(), ip({ saddr: "10.1.2.3", daddr: "8.8.8.8" }), tcp({ sport: 8080, dport: 4000 }), payload(20)),
      packet(eth(), ip({ saddr: "10.0.0.9", daddr: "8.8.8.8" }), tcp({ sport: 80, dport: 4000 }), payload(20)),
    ],
    once: true,
  },
  {
    name: "balancer",
    what: "`balancer`: to servers, inside IP in IP",
    rules: example("balancer"),
    program: "balancer",
    prepare: (object) => {
      object.map("local").update(u32(0), addr4("10.9.9.9"));
      for (const [number, [addr, port, protocol]] of (
        [
          ["192.168.1.77", 80, 6],
          ["10.0.0.1", 53, 17],
          ["10.0.0.1", 80, 6],
          ["10.1.2.3", 9999, 17],
        ] as const
      ).entries()) {
        object.map("services").update(service(addr, port, protocol), new Uint8Array([number]));
        // Some places stay empty.
        for (let place = 0; place < 240; place++)
          object.map("ring").update(u32(number * 256 + place), addr4(`10.8.${number}.${place + 1}`));
      }
    },
    maps: { begun: "sums", known: "sums", nobody: "sums", flows: "all" },
    frames: [web, packet(eth(), ip({ saddr: "8.8.8.8", daddr: "10.0.0.1" }), udp({ dport: 53 }), payload(30)), dns],
    once: true,
  },
  {
    name: "bridge",
    what: "`bridge`: learning, VLANs, port states",
    rules: example("bridge"),
    program: "bridge_in",
    prepare: (object, device) => {
      object.map("states").update(u32(1), new Uint8Array([3]));
      object.map("ports").update(u32(7), concat(u32(device), u32(0)));
      object.map("own").update(mac("00:00:00:00:00:02"), one);
      for (const vid of [100, 5]) object.map("members").update(concat(u32(1), u16(vid), u16(0)), one);
      const place = concat(u32(7), u32(0), littleEndian(process.hrtime.bigint(), 8));
      for (const address of ["aa:bb:cc:dd:ee:ff", "02:00:00:00:00:02"])
        for (const vid of [0, 100]) object.map("table").update(concat(u16(vid), mac(address)), place);
    },
    maps: { table: "keys" },
    frames: [
      packet(eth({ daddr: "aa:bb:cc:dd:ee:ff", saddr: "02:00:00:00:00:01" }), ip(), udp(), payload(20)),
      packet(
        eth({ daddr: "aa:bb:cc:dd:ee:ff", saddr: "02:00:00:00:00:01" }),
        vlan({ id: 100 }),
        ip(),
        udp(),
        payload(20),
      ),
      packet(eth({ daddr: "ff:ff:ff:ff:ff:ff", saddr: "02:00:00:00:00:01" }), ip(), udp(), payload(20)),
    ],
  },
  {
    name: "cpu_spread",
    what: "`cpu_spread`: flows to CPUs",
    rules: example("cpu_spread"),
    prepare: (object) => {
      object.map("used").update(u32(0), u32(5));
      for (let i = 0; i < 5; i++) object.map("chosen").update(u32(i), u32(i === 3 ? 70 : i * 3));
    },
    maps: { by_cpu: "sums", here: "sums" },
    frames: mixed,
  },
  {
    name: "capture",
    what: "`capture`: 96 bytes of chosen packets",
    rules: example("capture"),
    prepare: (object) => {
      for (const port of [53, 8080]) object.map("ports").update(u16(port), one);
    },
    maps: { matched: "sums", events_lost: "sums" },
    frames: [dns, web, web6],
    buffer: "samples",
  },
];
