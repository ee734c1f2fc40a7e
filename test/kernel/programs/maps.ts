// Maps of every kind over the corpus: prefixes, queues, filters, limiters, events; each packet also cut at every length. What goes
// through maps in the kernel only, or comes out of buffers, is in test/kernel/maps.test.ts.

import { concat, ip4 } from "../../support/addresses.ts";
import type { Reading } from "../../support/oracle.ts";
import { addr4, addr6, dropIf, member, type SmallProgram, type State, u8, u32 } from "./case.ts";

const v4 = (length: number, address: string): Uint8Array => concat(u32(length), addr4(address));
const v6 = (length: number, address: string): Uint8Array => concat(u32(length), addr6(address));
const inside = (address: number, length: number, prefix: string): boolean =>
  length === 0 || address >>> (32 - length) === ip4(prefix) >>> (32 - length);

const sourceIn = (p: Reading, length: number, prefix: string): boolean =>
  p.ip !== undefined && inside(p.ip.saddr, length, prefix);

function remember(state: State, p: Reading): void {
  if (p.ip !== undefined) state.put("nets", concat(u32(32), addr4(p.ip.saddr)), u8(1));
}

export const mapPrograms: readonly SmallProgram[] = [
  {
    name: "a set of IPv4 prefixes",
    source: "set nets : prefix<ipv4>[64]\nif ip.saddr in nets then drop\n",
    before: { nets: [member(v4(8, "10.0.0.0")), member(v4(32, "192.168.1.77"))] },
    expect: (p) => dropIf(sourceIn(p, 8, "10.0.0.0") || sourceIn(p, 32, "192.168.1.77")),
  },
  {
    name: "not in a set of prefixes",
    source: "set nets : prefix<ipv4>[64]\nif ip and not (ip.saddr in nets) then drop\n",
    before: { nets: [member(v4(8, "10.0.0.0"))] },
    expect: (p) => dropIf(p.ip !== undefined && !sourceIn(p, 8, "10.0.0.0")),
  },
  {
    name: "the longest prefix's value",
    source:
      "map marks : lpm_trie<prefix<ipv4>, u32>[64]\nif ip then { if let m = marks[ip.saddr] then { if m == 1 then drop  tx } }\n",
    before: {
      marks: [
        [v4(0, "0.0.0.0"), u32(2)],
        [v4(8, "10.0.0.0"), u32(1)],
        [v4(32, "10.0.0.1"), u32(3)],
      ],
    },
    expect: (p) => {
      if (p.ip === undefined) return "pass";
      if (sourceIn(p, 32, "10.0.0.1")) return "tx";
      return sourceIn(p, 8, "10.0.0.0") ? "drop" : "tx";
    },
  },
  {
    name: "a set of IPv6 prefixes",
    source: "set nets : prefix<ipv6>[64]\nif ip6.saddr in nets then drop\n",
    before: { nets: [member(v6(32, "2001:db8::"))] },
    expect: (p) => dropIf(p.ip6 !== undefined && p.ip6.saddr >> 96n === 0x20010db8n),
  },
  {
    name: "an address put in as the prefix of all its bits",
    source:
      "set nets : prefix<ipv4>[4096]\nif tcp and ip then insert nets ip.saddr\nif udp and ip then delete nets ip.saddr\n",
    maps: ["nets"],
    expect: (p, state) => {
      if (p.tcp !== undefined) remember(state, p);
      if (p.udp !== undefined && p.ip !== undefined) state.remove("nets", concat(u32(32), addr4(p.ip.saddr)));
      return "pass";
    },
  },
  {
    name: "a queue between two rules",
    source:
      "map q : queue<(ipv4, u16)>[4]\nif ip and tcp then insert q (ip.saddr, tcp.dport) or aborted\nif let one = pop(q) then drop\n",
    expect: (p) => dropIf(p.ip !== undefined && p.tcp !== undefined),
  },
  {
    name: "a limiter that is never exceeded leaves all packets",
    source: "limiter much[65536] : 100000000/s burst 1000000 per ipv4\nif ip.saddr exceeds much then drop\n",
    expect: () => "pass",
  },
  {
    name: "a limiter that lets one packet an hour through",
    source:
      "limiter few[1] : 1/h burst 1\nif tcp and 0 exceeds few then drop\nif not (tcp and 0 exceeds few) then pass\ntx\n",
    expect: (p, state) => {
      if (p.tcp === undefined) return "pass";
      if (state.global("asked") === 0n) {
        state.setGlobal("asked", 1n);
        return "tx";
      }
      return "drop";
    },
  },
  {
    name: "an empty entry of a map of programs",
    source:
      "prog_array stages[4]\ndefault tx\nif udp then tail stages[meta.rx_queue_index]\nif ip then tail stages[3] or drop\npass\n",
    expect: (p) => (p.udp !== undefined ? "tx" : p.ip !== undefined ? "drop" : "pass"),
  },
  {
    name: "headers are still known behind events",
    source:
      "ringbuf events[4K]\nperf samples\nif ip and tcp then { emit events ip.saddr  sample events max 32  emit samples ip.daddr  sample samples max 32\nif tcp.dport == 80 then drop }\n",
    expect: (p) => dropIf(p.ip !== undefined && p.tcp?.dport === 80),
  },
];
