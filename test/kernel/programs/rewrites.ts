// Writes to fields that checksums cover: the frame that must come out, with every sum that covers the field brought up to date.
// The expectation works by RFC 1624 on the frame's 16-bit words in network order; it shares nothing with the compiler.

import { bigEndian, ip4, ip6 } from "../../support/addresses.ts";
import type { Reading } from "../../support/oracle.ts";
import { eth, ip as ipLayer, packet, payload, tcp as tcpLayer, udp as udpLayer } from "../../support/packets.ts";
import type { Outcome, SmallProgram } from "./case.ts";

/** Bytes to write at an offset of the frame. */
type Patch = readonly [offset: number, bytes: Uint8Array];

/** Where a sum lies, and whether zero means that there is none. */
interface Sum {
  readonly offset: number;
  readonly optional?: boolean;
  /** How many of the patches it covers, from the first; all without it. */
  readonly only?: number;
}

const word = (frame: Uint8Array, offset: number): number => ((frame[offset] ?? 0) << 8) | (frame[offset + 1] ?? 0);

/** The frame with the patches written and the sums updated by what changed, in order. */
function patched(p: Reading, patches: readonly Patch[], sums: readonly Sum[]): Outcome {
  const frame = p.frame.slice();
  for (const [offset, bytes] of patches) frame.set(bytes, offset);
  for (const { offset, optional, only } of sums) {
    const old = word(p.frame, offset);
    if (optional === true && old === 0) continue;
    let total = 0xffff - old;
    for (const [start, bytes] of patches.slice(0, only)) {
      for (let at = start - (start % 2); at < start + bytes.length; at += 2) {
        total += 0xffff - word(p.frame, at) + word(frame, at);
      }
    }
    const fresh = 0xffff - (((total - 1) % 0xffff) + 1);
    frame.set(bigEndian(optional === true && fresh === 0 ? 0xffff : fresh, 2), offset);
  }
  return { verdict: "tx", frame };
}

/** The sums of layer 4 that cover the addresses. */
function carried(p: Reading): Sum[] {
  const sums: Sum[] = [];
  if (p.tcp) sums.push({ offset: p.tcp.offset + 16 });
  if (p.udp) sums.push({ offset: p.udp.offset + 6, optional: true });
  if (p.icmp6) sums.push({ offset: p.icmp6.offset + 2 });
  return sums;
}

const be = bigEndian;

/** UDP packets whose sum becomes zero or is zero: the rule about none. */
const udpSums = [0, 1, 0xffff, 0xfffe, 0x0100].map((check) =>
  packet(eth(), ipLayer({ saddr: "10.0.0.1", daddr: "10.0.0.2" }), udpLayer({ sport: 1, dport: 2, check }), payload(7)),
);
/** Every value of one word of the sum's neighbourhood: an update that must give zero is among them. */
const udpPorts = Array.from({ length: 64 }, (_, i) =>
  packet(eth(), ipLayer(), udpLayer({ sport: 0x1233 + i, dport: 9, check: (0xfff0 + i) & 0xffff }), payload(4)),
);
const tcpSums = [0, 0xffff, 0x1234].map((check) =>
  packet(eth(), ipLayer({ options: new Uint8Array(8) }), tcpLayer({ check, sport: 4, dport: 80 }), payload(3)),
);

export const rewritePrograms: readonly SmallProgram[] = [
  {
    name: "one hop less",
    source: "if ip.ttl > 1 then { ip.ttl -= 1 tx }\n",
    expect: (p) =>
      p.ip && p.ip.ttl > 1
        ? patched(p, [[p.ip.offset + 8, be(p.ip.ttl - 1, 1)]], [{ offset: p.ip.offset + 10 }])
        : "pass",
    extra: tcpSums,
  },
  {
    name: "a mark in IPv4",
    source: "if ip then { ip.dscp = 46 tx }\n",
    expect: (p) =>
      p.ip ? patched(p, [[p.ip.offset + 1, be((46 << 2) | p.ip.ecn, 1)]], [{ offset: p.ip.offset + 10 }]) : "pass",
  },
  {
    name: "no fragments, please",
    source: "if ip then { ip.df = 1 tx }\n",
    expect: (p) =>
      p.ip
        ? patched(p, [[p.ip.offset + 6, be((p.frame[p.ip.offset + 6] ?? 0) | 0x40, 1)]], [{ offset: p.ip.offset + 10 }])
        : "pass",
  },
  {
    name: "another source address",
    source: "if ip then { ip.saddr = 192.0.2.77 tx }\n",
    expect: (p) =>
      p.ip
        ? patched(p, [[p.ip.offset + 12, be(ip4("192.0.2.77"), 4)]], [{ offset: p.ip.offset + 10 }, ...carried(p)])
        : "pass",
    extra: [...udpSums, ...tcpSums],
  },
  {
    name: "another IPv6 destination",
    source: "if ip6 then { ip6.daddr = 2001:db8::1234 tx }\n",
    expect: (p) => (p.ip6 ? patched(p, [[p.ip6.offset + 24, be(ip6("2001:db8::1234"), 16)]], carried(p)) : "pass"),
  },
  {
    name: "another TCP port",
    source: "if tcp.dport != 8080 then { tcp.dport = 8080 tx }\n",
    expect: (p) =>
      p.tcp && p.tcp.dport !== 8080
        ? patched(p, [[p.tcp.offset + 2, be(8080, 2)]], [{ offset: p.tcp.offset + 16 }])
        : "pass",
    extra: tcpSums,
  },
  {
    name: "another UDP port",
    source: "if udp then { udp.sport = 4660 tx }\n",
    expect: (p) =>
      p.udp ? patched(p, [[p.udp.offset, be(4660, 2)]], [{ offset: p.udp.offset + 6, optional: true }]) : "pass",
    extra: [...udpSums, ...udpPorts],
  },
  {
    name: "a flag of TCP",
    source: "if tcp then { tcp.ece = 1 tx }\n",
    expect: (p) =>
      p.tcp ? patched(p, [[p.tcp.offset + 13, be(p.tcp.flags | 0x40, 1)]], [{ offset: p.tcp.offset + 16 }]) : "pass",
  },
  {
    name: "an echo reply",
    source: "if icmp.type == 8 then { icmp.type = 0 swap ip.saddr, ip.daddr swap eth.saddr, eth.daddr tx }\n",
    expect: (p) => {
      if (p.icmp?.type !== 8 || !p.ip) return "pass";
      const { frame } = p;
      const at = p.ip.offset;
      const answer = patched(p, [[p.icmp.offset, be(0, 1)]], [{ offset: p.icmp.offset + 2 }]);
      if (typeof answer === "string") return answer;
      answer.frame.set(frame.subarray(at + 12, at + 16), at + 16);
      answer.frame.set(frame.subarray(at + 16, at + 20), at + 12);
      answer.frame.set(frame.subarray(0, 6), 6);
      answer.frame.set(frame.subarray(6, 12), 0);
      return answer;
    },
  },
  {
    name: "address and port together",
    source: "if tcp and ip then { ip.daddr = 10.9.8.7 tcp.dport = 443 tx }\n",
    expect: (p) =>
      p.tcp && p.ip
        ? patched(
            p,
            [
              [p.ip.offset + 16, be(ip4("10.9.8.7"), 4)],
              [p.tcp.offset + 2, be(443, 2)],
            ],
            // The address alone is in IPv4's sum.
            [{ offset: p.tcp.offset + 16 }, { offset: p.ip.offset + 10, only: 1 }],
          )
        : "pass",
    extra: tcpSums,
  },
  {
    name: "what UDP carries",
    source:
      "header ask on udp 5300 { id : u16, kind : u8, rest : u8, who : ipv4 }\nif ask then { ask.kind = 9 ask.who = 10.1.1.1 tx }\n",
    expect: (p) => {
      const at = (p.udp?.offset ?? 0) + 8;
      if (!p.udp || (p.udp.dport !== 5300 && p.udp.sport !== 5300) || p.len < at + 8) return "pass";
      const patches: Patch[] = [
        [at + 2, be(9, 1)],
        [at + 4, be(ip4("10.1.1.1"), 4)],
      ];
      return patched(p, patches, [{ offset: p.udp.offset + 6, optional: true }]);
    },
    extra: [
      packet(eth(), ipLayer(), udpLayer({ sport: 9, dport: 5300 }), payload(11)),
      packet(eth(), ipLayer(), udpLayer({ sport: 5300, dport: 53, check: 0 }), payload(12)),
    ],
  },
  {
    name: "fields of two headers change places",
    source: "if udp and ip then { swap ip.id, udp.dport tx }\n",
    expect: (p) => {
      if (!p.udp || !p.ip) return "pass";
      const moved = patched(p, [[p.ip.offset + 4, be(p.udp.dport, 2)]], [{ offset: p.ip.offset + 10 }]);
      const other = patched(p, [[p.udp.offset + 2, be(p.ip.id, 2)]], [{ offset: p.udp.offset + 6, optional: true }]);
      if (typeof moved === "string" || typeof other === "string") return "pass";
      moved.frame.set(other.frame.subarray(p.udp.offset, p.udp.offset + 8), p.udp.offset);
      return moved;
    },
    extra: udpSums,
  },
];
