// Presence: bare headers as tests, comparisons on absent headers, negation, narrowing by conditions, early verdicts and functions,
// fragments, tags, extension headers, and `opaque`.

import { ports } from "../../support/oracle.ts";
import { dropIf, type SmallProgram } from "./case.ts";

const EXTENSION_NAMES = [
  ["hopopts", 0],
  ["routing", 43],
  ["frag", 44],
  ["ah", 51],
  ["dstopts", 60],
] as const;

const HEADERS = ["arp", "ip", "ip6", "tcp", "udp", "icmp", "icmp6", "sctp"] as const;

export const presencePrograms: readonly SmallProgram[] = [
  ...HEADERS.map(
    (header): SmallProgram => ({
      name: `bare ${header}`,
      source: `if ${header} then drop\n`,
      expect: (p) => dropIf(p[header] !== undefined),
    }),
  ),
  { name: "bare eth", source: "if eth then drop\n", expect: () => "drop" },
  { name: "bare vlan", source: "if vlan then drop\n", expect: (p) => dropIf(p.vlan.length > 0) },
  { name: "bare vlan[1]", source: "if vlan[1] then drop\n", expect: (p) => dropIf(p.vlan.length > 1) },
  {
    name: "one tag exactly",
    source: "if vlan and not vlan[1] then drop\n",
    expect: (p) => dropIf(p.vlan.length === 1),
  },
  ...EXTENSION_NAMES.map(
    ([name, number]): SmallProgram => ({
      name: `bare ${name}`,
      source: `if ${name} then drop\n`,
      expect: (p) => dropIf(p.extensions.some((extension) => extension.protocol === number)),
    }),
  ),
  { name: "not of a bare header", source: "if not ip then drop\n", expect: (p) => dropIf(p.ip === undefined) },
  {
    name: "unequal is false without the header",
    source: "if tcp.dport != 22 then drop\n",
    expect: (p) => dropIf(p.tcp !== undefined && p.tcp.dport !== 22),
  },
  {
    name: "not of a comparison is plain negation",
    source: "if not (tcp.dport == 22) then drop\n",
    expect: (p) => dropIf(!(p.tcp?.dport === 22)),
  },
  {
    name: "not of unequal",
    source: "if not (tcp.dport != 22) then drop\n",
    expect: (p) => dropIf(!(p.tcp !== undefined && p.tcp.dport !== 22)),
  },
  {
    name: "not of in",
    source: "if not (udp.dport in { 53, 443 }) then drop\n",
    expect: (p) => dropIf(!(p.udp !== undefined && [53, 443].includes(p.udp.dport))),
  },
  {
    name: "not without parentheses binds looser than a comparison",
    source: "if not tcp.dport == 80 then drop\n",
    expect: (p) => dropIf(!(p.tcp?.dport === 80)),
  },
  {
    name: "a comparison of two absent headers' fields",
    source: "if tcp.dport == udp.dport then drop\n",
    expect: () => "pass",
  },
  {
    name: "one header's fields with each other",
    source: "if tcp.dport == tcp.sport then drop\nif ip.saddr > ip.daddr then tx\n",
    expect: (p) => {
      if (p.tcp !== undefined && p.tcp.dport === p.tcp.sport) return "drop";
      return p.ip !== undefined && p.ip.saddr > p.ip.daddr ? "tx" : "pass";
    },
  },
  {
    name: "a bare one-bit field",
    source: "if tcp.syn then drop\n",
    expect: (p) => dropIf(p.tcp?.syn),
  },
  {
    name: "not of a bare one-bit field holds without the header",
    source: "if not tcp.syn then drop\n",
    expect: (p) => dropIf(p.tcp?.syn !== true),
  },
  {
    name: "or over families",
    source: "if tcp.dport == 80 or udp.dport == 53 then drop\n",
    expect: (p) => dropIf(p.tcp?.dport === 80 || p.udp?.dport === 53),
  },
  {
    name: "and over layers",
    source: "if ip.ttl == 64 and tcp.dport == 80 and vlan then drop\n",
    expect: (p) => dropIf(p.ip?.ttl === 64 && p.tcp?.dport === 80 && p.vlan.length > 0),
  },
  {
    name: "and binds tighter than or",
    source: "if tcp.syn or udp and ip.ttl == 64 then drop\n",
    expect: (p) => dropIf(p.tcp?.syn || (p.udp !== undefined && p.ip?.ttl === 64)),
  },
  {
    name: "accepted spellings of not, and, or",
    source: "if !(tcp.dport == 80) && ip || arp then drop\n",
    expect: (p) => dropIf((!(p.tcp?.dport === 80) && p.ip !== undefined) || p.arp !== undefined),
  },
  {
    name: "narrowing by then",
    source: "if tcp then { if tcp.dport + 1 == 81 then drop }\n",
    expect: (p) => dropIf(p.tcp?.dport === 80),
  },
  {
    name: "narrowing by else",
    source: "if not udp then pass else { let port = udp.dport\n if port == 53 then drop }\n",
    expect: (p) => dropIf(p.udp?.dport === 53),
  },
  {
    name: "narrowing by an early verdict",
    source: "if not ip then pass\nlet from = ip.saddr\nif from == 10.0.0.1 then drop\n",
    expect: (p) => dropIf(p.ip?.saddr === 0x0a000001),
  },
  {
    name: "narrowing by a comparison's truth",
    source: "if tcp.dport == 80 then { let flags = tcp.flags\n if flags == 2 then drop }\n",
    expect: (p) => dropIf(p.tcp?.dport === 80 && p.tcp.flags === 2),
  },
  {
    name: "narrowing by and within one condition",
    source: "if tcp and tcp.dport * 2 == 160 then drop\n",
    expect: (p) => dropIf(p.tcp?.dport === 80),
  },
  {
    name: "narrowing by or of negations and an early verdict",
    source: "if not ip or not udp then pass\nlet sum = ip.ttl + 0\nif udp.dport == 53 and sum == 64 then drop\n",
    expect: (p) => dropIf(p.ip?.ttl === 64 && p.udp?.dport === 53),
  },
  {
    name: "narrowing by a function's early verdict",
    source: "fn only_tcp() { if not tcp then pass }\nonly_tcp()\nlet port = tcp.dport\nif port == 443 then drop\n",
    expect: (p) => dropIf(p.tcp?.dport === 443),
  },
  {
    name: "narrowing by a function used as a condition",
    source:
      "fn is_web() = tcp and tcp.dport == 80\nif is_web() then { let flags = tcp.flags\n if flags == 2 then drop }\n",
    expect: (p) => dropIf(p.tcp?.dport === 80 && p.tcp.flags === 2),
  },
  {
    name: "narrowing by the arms of a switch",
    source: "if ip then switch ip.protocol { tcp, udp => pass; icmp => drop; else => tx }\n",
    expect: (p) => {
      if (p.ip === undefined || [6, 17].includes(p.ip.protocol)) return "pass";
      return p.ip.protocol === 1 ? "drop" : "tx";
    },
  },
  {
    name: "a header proves its only parent",
    source:
      "if icmp then { let ttl = ip.ttl\n if ttl == 64 then drop }\nif vlan[1] then { let outer = vlan.id\n if outer == 100 then tx }\n",
    expect: (p) => {
      if (p.icmp !== undefined && p.ip?.ttl === 64) return "drop";
      return p.vlan.length === 2 && p.vlan[0]?.id === 100 ? "tx" : "pass";
    },
  },
  {
    name: "both families behind one port rule",
    source: "if tcp.dport in { 22, 80 } then { if ip then drop else tx }\n",
    expect: (p) => {
      if (p.tcp === undefined || ![22, 80].includes(p.tcp.dport)) return "pass";
      return p.ip === undefined ? "tx" : "drop";
    },
  },
  {
    name: "a protocol number without its header",
    source: "if ip.protocol == tcp and not tcp then drop\n",
    expect: (p) => dropIf(p.ip?.protocol === 6 && p.tcp === undefined),
  },
  {
    name: "names of following headers stand for numbers",
    source: "if ip.protocol == udp then drop\nif ip6.nexthdr == icmp6 then tx\nif eth.type == arp then aborted\n",
    expect: (p) => {
      if (p.ip?.protocol === 17) return "drop";
      if (p.ip6?.nexthdr === 58) return "tx";
      return p.eth?.type === 0x0806 ? "aborted" : "pass";
    },
  },
  {
    name: "later fragments have no layer 4",
    source: "if ip.frag_off != 0 and tcp then aborted\nif ip.mf and udp then drop\nif frag and tcp then tx\n",
    expect: (p) => {
      if (p.ip?.mf === 1 && p.udp !== undefined) return "drop";
      const fragmented = p.extensions.some((extension) => extension.protocol === 44);
      return fragmented && p.tcp !== undefined ? "tx" : "pass";
    },
  },
  { name: "opaque", source: "if opaque then drop\n", expect: (p) => dropIf(p.opaque) },
  {
    name: "a closed filter",
    source: "if opaque then drop\nif tcp.dport == 23 then drop\n",
    expect: (p) => dropIf(p.opaque || p.tcp?.dport === 23),
  },
  {
    name: "not opaque",
    source: "if not opaque and ip then drop\n",
    expect: (p) => dropIf(!p.opaque && p.ip !== undefined),
  },
  {
    name: "any port-carrying protocol",
    source: "if tcp.dport == 80 or udp.dport == 80 or sctp.dport == 80 then drop\n",
    expect: (p) => dropIf(ports(p)?.dport === 80),
  },
  {
    name: "default drop lets only what is named by",
    source: "default drop\nif arp then pass\nif tcp.dport == 22 then pass\nif icmp or icmp6 then pass\n",
    expect: (p) =>
      p.arp !== undefined || p.tcp?.dport === 22 || p.icmp !== undefined || p.icmp6 !== undefined ? "pass" : "drop",
  },
];
