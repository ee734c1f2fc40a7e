// Programs that were wrong once: a header read anew on several ways to one place, steering fields of extension headers, layers that
// a declared header adds, subjects that differ from reading to reading, addresses at odd offsets in map entries.

import type { SmallProgram } from "./case.ts";

/** Regressions of reading, steering and evaluation. */
export const reviewedPrograms: readonly SmallProgram[] = [
  {
    name: "layer 4 proven on two ways",
    source:
      "counter by[u16]\nif (ip and tcp.dport == 80) or (ip6 and tcp.dport == 443) then { count by[tcp.sport] drop }\n",
    expect: (p) => {
      const hit = p.tcp !== undefined && ((p.ip && p.tcp.dport === 80) || (p.ip6 && p.tcp.dport === 443));
      return hit ? "drop" : "pass";
    },
  },
  {
    name: "a tag proven on two ways",
    source:
      "if (meta.len > 80 and vlan.id == 100) or (meta.len <= 80 and vlan.id != 100) then { if vlan.pcp < 9 then drop }\n",
    expect: (p) => {
      const tag = p.vlan[0];
      return tag !== undefined && p.frame.length > 80 === (tag.id === 100) ? "drop" : "pass";
    },
  },
  {
    name: "what an extension header led to is read anew",
    source: "if ip6 and not frag then { ip6.nexthdr = 44 if frag then drop }\n",
    expect: (p) => {
      if (p.ip6 === undefined || p.extensions.some((e) => e.protocol === 44)) return "pass";
      const frame = Uint8Array.from(p.frame);
      frame[p.ip6.offset + 6] = 44;
      return { verdict: p.frame.length >= p.ip6.offset + 48 ? "drop" : "pass", frame };
    },
  },
  {
    name: "a subject is evaluated once",
    source: "if random() % 2 in { 0, 1 } then drop\n",
    expect: () => "drop",
  },
  {
    name: "a switch's subject is evaluated once",
    source: "switch random() % 4 { 0..1 => drop; 2..3 => drop; else => pass }\n",
    expect: () => "drop",
  },
  {
    name: "opaque with a layer of the user's own before IP",
    source:
      "header pppoe on eth 0x8864 { ver : u8, code : u8, session : u16, len : u16, proto : u16 next proto }\nheader ipv4 on pppoe 0x21\nif opaque then drop\n",
    expect: (p) => (p.opaque ? "drop" : "pass"),
  },
  {
    name: "an address at an odd offset of an entry",
    source:
      "struct S { x : u8, a : mac, b : ipv6 }\nmap m : array<S>[1]\nm[0] = S { x: 1, a: eth.saddr }\nif m[0].a == eth.saddr and hash(m[0].a) == hash(eth.saddr) and m[0].a + 1 != 5 as mac then drop\n",
    expect: () => "drop",
  },
];
