// Every field of every library header, each in a program of its own: equal, unequal and ordered comparisons, by the oracle's
// value of that field. A comparison with a field of an absent header is false, also `!=`.

import { ip4, ip6, mac } from "../../support/addresses.ts";
import type { Reading } from "../../support/oracle.ts";
import type { SmallProgram } from "./case.ts";

type Value = number | bigint;

/** A field: its name in the language, the oracle's value, a value that some packets have, another, and how to write both. */
type Row = readonly [
  field: string,
  value: (p: Reading) => Value | undefined,
  some: Value,
  other: Value,
  written?: readonly [some: string, other: string],
];

const ROWS: readonly Row[] = [
  [
    "eth.daddr",
    (p) => p.eth?.daddr,
    mac("ff:ff:ff:ff:ff:ff"),
    mac("02:00:00:00:00:02"),
    ["ff:ff:ff:ff:ff:ff", "02:00:00:00:00:02"],
  ],
  [
    "eth.saddr",
    (p) => p.eth?.saddr,
    mac("aa:bb:cc:dd:ee:ff"),
    mac("02:00:00:00:00:01"),
    ["aa:bb:cc:dd:ee:ff", "02:00:00:00:00:01"],
  ],
  ["eth.type", (p) => p.eth?.type, 0x86dd, 0x0806],
  ["vlan.pcp", (p) => p.vlan[0]?.pcp, 1, 5],
  ["vlan.dei", (p) => p.vlan[0]?.dei, 1, 0],
  ["vlan.id", (p) => p.vlan[0]?.id, 100, 2000],
  ["vlan.type", (p) => p.vlan[0]?.type, 0x0800, 0x8100],
  ["vlan[0].id", (p) => p.vlan[0]?.id, 4095, 100],
  ["vlan[1].id", (p) => p.vlan[1]?.id, 101, 2000],
  ["vlan[1].pcp", (p) => p.vlan[1]?.pcp, 2, 0],
  ["vlan[1].type", (p) => p.vlan[1]?.type, 0x86dd, 0x0800],
  ["arp.htype", (p) => p.arp?.htype, 6, 1],
  ["arp.ptype", (p) => p.arp?.ptype, 0x0800, 0x86dd],
  ["arp.hlen", (p) => p.arp?.hlen, 6, 8],
  ["arp.plen", (p) => p.arp?.plen, 16, 4],
  ["arp.op", (p) => p.arp?.op, 2, 1],
  [
    "arp.sha",
    (p) => p.arp?.sha,
    mac("aa:bb:cc:dd:ee:ff"),
    mac("02:00:00:00:00:01"),
    ["aa:bb:cc:dd:ee:ff", "02:00:00:00:00:01"],
  ],
  ["arp.spa", (p) => p.arp?.spa, ip4("192.168.1.77"), ip4("10.0.0.1"), ["192.168.1.77", "10.0.0.1"]],
  ["arp.tha", (p) => p.arp?.tha, mac("00:00:00:00:00:00"), 1, ["00:00:00:00:00:00", "00:00:00:00:00:01"]],
  ["arp.tpa", (p) => p.arp?.tpa, ip4("10.0.0.2"), ip4("10.0.0.3"), ["10.0.0.2", "10.0.0.3"]],
  ["ip.version", (p) => p.ip?.version, 6, 4],
  ["ip.ihl", (p) => p.ip?.ihl, 6, 5],
  ["ip.dscp", (p) => p.ip?.dscp, 46, 0],
  ["ip.ecn", (p) => p.ip?.ecn, 2, 0],
  ["ip.tot_len", (p) => p.ip?.totLen, 1500, 44],
  ["ip.id", (p) => p.ip?.id, 0x1234, 0x3412],
  ["ip.reserved", (p) => p.ip?.reserved, 1, 0],
  ["ip.df", (p) => p.ip?.df, 1, 0],
  ["ip.mf", (p) => p.ip?.mf, 1, 0],
  ["ip.frag_off", (p) => p.ip?.fragOff, 0x1fff, 0],
  ["ip.ttl", (p) => p.ip?.ttl, 1, 64],
  ["ip.protocol", (p) => p.ip?.protocol, 17, 6],
  ["ip.check", (p) => p.ip?.check, 0, 0x1234],
  ["ip.saddr", (p) => p.ip?.saddr, ip4("192.168.1.77"), ip4("10.0.0.1"), ["192.168.1.77", "10.0.0.1"]],
  ["ip.daddr", (p) => p.ip?.daddr, ip4("8.8.8.8"), ip4("10.0.0.2"), ["8.8.8.8", "10.0.0.2"]],
  ["ip6.version", (p) => p.ip6?.version, 4, 6],
  ["ip6.dscp", (p) => p.ip6?.dscp, 46, 0],
  ["ip6.ecn", (p) => p.ip6?.ecn, 1, 0],
  ["ip6.flowlabel", (p) => p.ip6?.flow, 0xabcde, 0],
  ["ip6.payload_len", (p) => p.ip6?.payloadLen, 24, 20],
  ["ip6.nexthdr", (p) => p.ip6?.nexthdr, 58, 6],
  ["ip6.hop_limit", (p) => p.ip6?.hopLimit, 255, 64],
  ["ip6.saddr", (p) => p.ip6?.saddr, ip6("fe80::1"), ip6("2001:db8::1"), ["fe80::1", "2001:db8::1"]],
  ["ip6.daddr", (p) => p.ip6?.daddr, ip6("ff02::1"), ip6("2001:db8::2"), ["ff02::1", "2001:db8::2"]],
  ["tcp.sport", (p) => p.tcp?.sport, 443, 40000],
  ["tcp.dport", (p) => p.tcp?.dport, 22, 80],
  ["tcp.seq", (p) => p.tcp?.seq, 0x01020304, 0x04030201],
  ["tcp.ack_seq", (p) => p.tcp?.ackSeq, 0, 1],
  ["tcp.doff", (p) => p.tcp?.doff, 15, 5],
  ["tcp.flags", (p) => p.tcp?.flags, 18, 2],
  ["tcp.window", (p) => p.tcp?.window, 65535, 1],
  ["tcp.urg_ptr", (p) => p.tcp?.urgPtr, 0, 1],
  ["udp.sport", (p) => p.udp?.sport, 40000, 53],
  ["udp.dport", (p) => p.udp?.dport, 53, 9999],
  ["udp.length", (p) => p.udp?.length, 14, 8],
  ["icmp.type", (p) => p.icmp?.type, 8, 0],
  ["icmp.code", (p) => p.icmp?.code, 1, 0],
  ["icmp6.type", (p) => p.icmp6?.type, 128, 135],
  ["icmp6.code", (p) => p.icmp6?.code, 1, 0],
  ["sctp.sport", (p) => p.sctp?.sport, 5000, 80],
  ["sctp.dport", (p) => p.sctp?.dport, 80, 38412],
  ["sctp.vtag", (p) => p.sctp?.vtag, 7, 8],
];

/** One program per field: `==` drops, `!=` with `>` sends back, `<=` of the rest aborts. */
export const fieldPrograms: readonly SmallProgram[] = ROWS.map(([field, value, some, other, written]) => {
  const [a, b] = written ?? [String(some), String(other)];
  return {
    name: `field ${field}`,
    source: `if ${field} == ${a} then drop\nif ${field} != ${b} and ${field} > ${a} then tx\nif ${field} <= ${b} then aborted\n`,
    expect: (packet) => {
      const found = value(packet);
      if (found === undefined) return "pass";
      if (found === some) return "drop";
      if (found !== other && found > some) return "tx";
      return found <= other ? "aborted" : "pass";
    },
  };
});
