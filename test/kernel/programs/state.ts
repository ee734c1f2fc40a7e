// State: sets and maps of every kind this compiler has, `if let`, assignment, insert and delete, atomic and per-CPU additions,
// counters. Keys and values are compared as the kernel shows them: integers in host order, addresses in network order.

import { concat, ip4 } from "../../support/addresses.ts";
import type { Reading } from "../../support/oracle.ts";
import {
  addr4,
  addr6,
  addrMac,
  dropIf,
  member,
  type SmallProgram,
  type State,
  u8,
  u16,
  u32,
  u64,
  zeros,
} from "./case.ts";

const flowKey = (p: Reading): Uint8Array =>
  concat(addr4(p.ip!.saddr), addr4(p.ip!.daddr), u16(p.tcp!.sport), u16(p.tcp!.dport));

const dropMember = (state: State, set: string, key: Uint8Array | undefined) =>
  dropIf(key !== undefined && state.has(set, key));

const FLOWS =
  "struct Flow { saddr : ipv4, daddr : ipv4, sport : u16, dport : u16 }\nstruct Stats { packets : u64, bytes : u64 }\n";

export const statePrograms: readonly SmallProgram[] = [
  {
    name: "a set of ports, filled",
    source: "set ports : u16[1024]\nif tcp.dport in ports then drop\n",
    before: { ports: [member(u16(80)), member(u16(443)), member(u16(0x5000))] },
    expect: (p, state) => dropMember(state, "ports", p.tcp && u16(p.tcp.dport)),
  },
  {
    name: "an empty set",
    source: "set ports : u16[1024]\nif tcp.dport in ports then drop\n",
    expect: () => "pass",
  },
  {
    name: "not in a set",
    source: "set ports : u16[16]\nif tcp and not (tcp.dport in ports) then drop\n",
    before: { ports: [member(u16(80))] },
    expect: (p) => dropIf(p.tcp !== undefined && p.tcp.dport !== 80),
  },
  {
    name: "a set of bytes",
    source: "set hops : u8[16]\nif ip.ttl in hops then drop\n",
    before: { hops: [member(u8(1)), member(u8(64))] },
    expect: (p, state) => dropMember(state, "hops", p.ip && u8(p.ip.ttl)),
  },
  {
    name: "a set of 32-bit numbers",
    source: "set seqs : u32[16]\nif tcp.seq in seqs then drop\n",
    before: { seqs: [member(u32(0x01020304))] },
    expect: (p, state) => dropMember(state, "seqs", p.tcp && u32(p.tcp.seq)),
  },
  {
    name: "a set of IPv4 addresses is in network order",
    source: "set blocked : ipv4[100] lru\nif ip.saddr in blocked then drop\n",
    before: { blocked: [member(addr4("10.0.0.1")), member(addr4("192.168.1.77"))] },
    expect: (p, state) => dropMember(state, "blocked", p.ip && addr4(p.ip.saddr)),
  },
  {
    name: "a set of IPv6 addresses",
    source: "set blocked : ipv6[100]\nif ip6.saddr in blocked then drop\n",
    before: { blocked: [member(addr6("2001:db8::1")), member(addr6("fe80::1"))] },
    expect: (p, state) => dropMember(state, "blocked", p.ip6 && addr6(p.ip6.saddr)),
  },
  {
    name: "a set of MACs",
    source: "set known : mac[100]\nif eth.saddr in known then drop\n",
    before: { known: [member(addrMac("aa:bb:cc:dd:ee:ff"))] },
    expect: (p, state) => dropMember(state, "known", addrMac(p.eth!.saddr)),
  },
  {
    name: "a set of pairs with padding",
    source: "set pairs : (ipv4, u16)[100]\nif (ip.saddr, tcp.dport) in pairs then drop\n",
    before: { pairs: [member(concat(addr4("10.0.0.1"), u16(80), zeros(2)))] },
    expect: (p, state) =>
      dropMember(state, "pairs", p.ip && p.tcp && concat(addr4(p.ip.saddr), u16(p.tcp.dport), zeros(2))),
  },
  {
    name: "a set of tuples with padding inside",
    source:
      "set tuples : (u8, u32, u16)[100]\nif ip and tcp then { if (ip.ttl, tcp.seq, tcp.dport) in tuples then drop }\n",
    before: { tuples: [member(concat(u8(64), zeros(3), u32(0x01020304), u16(80), zeros(2)))] },
    expect: (p, state) =>
      dropMember(
        state,
        "tuples",
        p.ip && p.tcp && concat(u8(p.ip.ttl), zeros(3), u32(p.tcp.seq), u16(p.tcp.dport), zeros(2)),
      ),
  },
  {
    name: "insert and find",
    source:
      "set blocked : ipv4[1000]\nif ip.saddr in blocked then drop\nif tcp.dport == 23 and ip then insert blocked ip.saddr\n",
    maps: ["blocked"],
    expect: (p, state) => {
      if (p.ip === undefined) return "pass";
      if (state.has("blocked", addr4(p.ip.saddr))) return "drop";
      if (p.tcp?.dport === 23) state.put("blocked", addr4(p.ip.saddr), u8(1));
      return "pass";
    },
  },
  {
    name: "insert, delete",
    source:
      "set blocked : ipv4[1000]\nif tcp.dport == 23 and ip then { insert blocked ip.saddr drop }\nif icmp and ip then { delete blocked ip.saddr }\nif ip.saddr in blocked then tx\n",
    maps: ["blocked"],
    expect: (p, state) => {
      if (p.tcp?.dport === 23 && p.ip !== undefined) {
        state.put("blocked", addr4(p.ip.saddr), u8(1));
        return "drop";
      }
      if (p.icmp !== undefined && p.ip !== undefined) state.remove("blocked", addr4(p.ip.saddr));
      return p.ip !== undefined && state.has("blocked", addr4(p.ip.saddr)) ? "tx" : "pass";
    },
  },
  {
    name: "insert into a full set goes on",
    source: "set few : u16[2]\nif tcp then insert few tcp.dport\nif tcp.dport in few then drop\n",
    before: { few: [member(u16(1)), member(u16(2))] },
    maps: ["few"],
    expect: () => "pass",
  },
  {
    name: "insert into a full set, or drop",
    source: "set few : u16[2]\nif tcp then insert few tcp.dport or drop\n",
    before: { few: [member(u16(80)), member(u16(2))] },
    maps: ["few"],
    expect: (p) => dropIf(p.tcp !== undefined && p.tcp.dport !== 80),
  },
  {
    name: "a hash map's entry by if let",
    source:
      "map limits : hash<u16, u32>[100]\nif tcp then { if let limit = limits[tcp.dport] then { if meta.len > limit then drop } }\n",
    before: {
      limits: [
        [u16(80), u32(60)],
        [u16(443), u32(0)],
      ],
    },
    expect: (p, state) => {
      const limit = p.tcp && state.get("limits", u16(p.tcp.dport));
      return dropIf(limit !== undefined && BigInt(p.len) > state.number("limits", u16(p.tcp!.dport)));
    },
  },
  {
    name: "if let with else",
    source:
      "map limits : hash<u8, u32>[100]\nif ip then { if let limit = limits[ip.protocol] then { if limit == 7 then drop else tx } else aborted }\n",
    before: {
      limits: [
        [u8(6), u32(7)],
        [u8(17), u32(8)],
      ],
    },
    expect: (p) => {
      if (p.ip === undefined) return "pass";
      return p.ip.protocol === 6 ? "drop" : p.ip.protocol === 17 ? "tx" : "aborted";
    },
  },
  {
    name: "an entry changes in place",
    source:
      "map seen : hash<u16, u64>[100]\nif tcp then { if let n = seen[tcp.dport] then { n += 1\n if n > 5 then drop } }\n",
    before: {
      seen: [
        [u16(80), u64(0)],
        [u16(22), u64(100)],
      ],
    },
    maps: ["seen"],
    expect: (p, state) => {
      const key = p.tcp && u16(p.tcp.dport);
      if (key === undefined || !state.has("seen", key)) return "pass";
      state.add("seen", key, 1, 8);
      return dropIf(state.number("seen", key) > 5n);
    },
  },
  {
    name: "addition where there is an entry",
    source: "map hits : hash<u16, u32>[100]\nif tcp then hits[tcp.dport] += 3\n",
    before: { hits: [[u16(80), u32(0xfffffff0)]] },
    maps: ["hits"],
    expect: (p, state) => {
      if (p.tcp?.dport === 80) state.add("hits", u16(80), 3, 4);
      return "pass";
    },
  },
  {
    name: "assignment makes an entry",
    source: "map last : hash<u16, u32>[100]\nif udp then last[udp.dport] = meta.len\n",
    maps: ["last"],
    expect: (p, state) => {
      if (p.udp !== undefined) state.put("last", u16(p.udp.dport), u32(p.len));
      return "pass";
    },
  },
  {
    name: "flows by struct key with struct values",
    source: `${FLOWS}map flows : hash<Flow, Stats>[4096]\nif ip and tcp then {\n  let flow = (ip.saddr, ip.daddr, tcp.sport, tcp.dport)\n  if let s = flows[flow] then { s.packets += 1\n s.bytes += meta.len }\n  else flows[flow] = Stats { packets: 1, bytes: meta.len }\n}\n`,
    maps: ["flows"],
    expect: (p, state) => {
      if (p.ip === undefined || p.tcp === undefined) return "pass";
      const old = state.get("flows", flowKey(p));
      const view = old && new DataView(old.buffer, old.byteOffset);
      const [packets, bytes] = [view?.getBigUint64(0, true) ?? 0n, view?.getBigUint64(8, true) ?? 0n];
      state.put("flows", flowKey(p), concat(u64(packets + 1n), u64(bytes + BigInt(p.len))));
      return "pass";
    },
  },
  {
    name: "flows in an LRU map, by struct literal",
    source: `${FLOWS}map flows : lru_hash<Flow, Stats>[65536]\nif ip and tcp then {\n  let flow = Flow { saddr: ip.saddr, daddr: ip.daddr, sport: tcp.sport, dport: tcp.dport }\n  if let s = flows[flow] then drop\n  flows[flow] = Stats { packets: 1, bytes: meta.len }\n}\n`,
    maps: ["flows"],
    expect: (p, state) => {
      if (p.ip === undefined || p.tcp === undefined) return "pass";
      if (state.has("flows", flowKey(p))) return "drop";
      state.put("flows", flowKey(p), concat(u64(1), u64(p.len)));
      return "pass";
    },
  },
  {
    name: "a struct with padding is zeroed",
    source:
      "struct Odd { a : u8, b : u32, c : u16 }\nmap odd : hash<u8, Odd>[300]\nif ip then odd[ip.ttl] = Odd { a: ip.protocol, b: meta.len, c: ip.id }\n",
    maps: ["odd"],
    expect: (p, state) => {
      if (p.ip === undefined) return "pass";
      const value = concat(u8(p.ip.protocol), zeros(3), u32(p.len), u16(p.ip.id), zeros(2));
      state.put("odd", u8(p.ip.ttl), value);
      return "pass";
    },
  },
  {
    name: "an address as a value",
    source:
      "map from : hash<u16, ipv4>[100]\nif ip and udp then { if let a = from[udp.dport] then { if a == ip.saddr then drop } else from[udp.dport] = ip.saddr }\n",
    maps: ["from"],
    expect: (p, state) => {
      if (p.ip === undefined || p.udp === undefined) return "pass";
      const key = u16(p.udp.dport);
      const known = state.get("from", key);
      if (known === undefined) state.put("from", key, addr4(p.ip.saddr));
      return dropIf(known !== undefined && Buffer.from(known).equals(addr4(p.ip.saddr)));
    },
  },
  {
    name: "a MAC learned and compared",
    source:
      "map seen : hash<ipv4, mac>[100]\nif arp then seen[arp.spa] = arp.sha\nif ip then { if let m = seen[ip.saddr] then { if m != eth.saddr then drop } }\n",
    maps: ["seen"],
    before: { seen: [[addr4("10.0.0.1"), addrMac("aa:bb:cc:dd:ee:ff")]] },
    expect: (p, state) => {
      if (p.arp !== undefined) state.put("seen", addr4(p.arp.spa), addrMac(p.arp.sha));
      const known = p.ip && state.get("seen", addr4(p.ip.saddr));
      return dropIf(known !== undefined && !Buffer.from(known).equals(addrMac(p.eth!.saddr)));
    },
  },
  {
    name: "an IPv6 key and value",
    source:
      "map peers : hash<ipv6, ipv6>[100]\nif ip6 then { if let peer = peers[ip6.saddr] then { if peer == ip6.daddr then drop } else peers[ip6.saddr] = ip6.daddr }\n",
    maps: ["peers"],
    expect: (p, state) => {
      if (p.ip6 === undefined) return "pass";
      const key = addr6(p.ip6.saddr);
      const known = state.get("peers", key);
      if (known === undefined) state.put("peers", key, addr6(p.ip6.daddr));
      return dropIf(known !== undefined && Buffer.from(known).equals(addr6(p.ip6.daddr)));
    },
  },
  {
    name: "delete from a map",
    source:
      "map last : hash<u16, u32>[100]\nif udp then { if meta.len % 2 == 0 then last[udp.dport] = meta.len else delete last udp.dport }\n",
    maps: ["last"],
    expect: (p, state) => {
      if (p.udp === undefined) return "pass";
      if (p.len % 2 === 0) state.put("last", u16(p.udp.dport), u32(p.len));
      else state.remove("last", u16(p.udp.dport));
      return "pass";
    },
  },
  {
    name: "an array by constant index",
    source: "map conf : array<u32>[4]\nif meta.len > conf[2] then drop\n",
    before: { conf: [[u32(2), u32(70)]] },
    expect: (p) => dropIf(p.len > 70),
  },
  {
    name: "an array of structs by constant index",
    source:
      "struct Settings { on : u8, least : u32 }\nmap conf : array<Settings>[1]\nif conf[0].on == 1 and meta.len >= conf[0].least then drop\n",
    before: { conf: [[u32(0), concat(u8(1), zeros(3), u32(50))]] },
    expect: (p) => dropIf(p.len >= 50),
  },
  {
    name: "an array by computed index",
    source: "map by_ttl : array<u64>[64]\nif ip then { if let n = by_ttl[ip.ttl] then { n += 1 } else drop }\n",
    maps: ["by_ttl"],
    expect: (p, state) => {
      if (p.ip === undefined) return "pass";
      if (p.ip.ttl >= 64) return "drop";
      state.add("by_ttl", u32(p.ip.ttl), 1, 8);
      return "pass";
    },
  },
  {
    name: "assignment to an array's element",
    source: "map last : array<u32>[4]\nlast[1] = meta.len\nif tcp then last[3] += 1\n",
    maps: ["last"],
    expect: (p, state) => {
      state.put("last", u32(1), u32(p.len));
      if (p.tcp !== undefined) state.add("last", u32(3), 1, 4);
      return "pass";
    },
  },
  {
    name: "a per-CPU array",
    source: "map sums : percpu_array<u64>[16]\nsums[3] += meta.len\nif tcp then sums[4] += 1\n",
    maps: ["sums"],
    expect: (p, state) => {
      state.add("sums", u32(3), p.len, 8);
      if (p.tcp !== undefined) state.add("sums", u32(4), 1, 8);
      return "pass";
    },
  },
  ...(["percpu_hash", "lru_percpu_hash"] as const).map(
    (kind): SmallProgram => ({
      name: `a ${kind}`,
      source: `map sums : ${kind}<u16, u64>[1024]\nif tcp then { if let n = sums[tcp.dport] then { n += 1 } else sums[tcp.dport] = 1 }\n`,
      maps: ["sums"],
      expect: (p, state) => {
        if (p.tcp !== undefined) state.add("sums", u16(p.tcp.dport), 1, 8);
        return "pass";
      },
    }),
  ),
  {
    name: "one counter",
    source: "counter hits\nif tcp then count hits\n",
    counters: ["hits"],
    expect: (p, state) => {
      if (p.tcp !== undefined) state.count("hits", p);
      return "pass";
    },
  },
  {
    name: "a counter before a verdict",
    source: "counter dropped\nset bad : ipv4[16]\nif ip.saddr in bad then { count dropped drop }\n",
    before: { bad: [member(addr4("10.1.2.3"))] },
    counters: ["dropped"],
    expect: (p, state) => {
      if (p.ip?.saddr !== ip4("10.1.2.3")) return "pass";
      state.count("dropped", p);
      return "drop";
    },
  },
  {
    name: "two counters in one declaration",
    source: "counter all, by_port[u16]\ncount all\nif tcp then { count by_port[tcp.dport] }\n",
    counters: ["all", "by_port"],
    expect: (p, state) => {
      state.count("all", p);
      if (p.tcp !== undefined) state.count("by_port", p, u16(p.tcp.dport));
      return "pass";
    },
  },
  {
    name: "a counter by protocol over both families",
    source: "counter by_proto[u8]\nif ip then count by_proto[ip.protocol]\nif ip6 then count by_proto[ip6.nexthdr]\n",
    counters: ["by_proto"],
    expect: (p, state) => {
      const protocol = p.ip?.protocol ?? p.ip6?.nexthdr;
      if (protocol !== undefined) state.count("by_proto", p, u8(protocol));
      return "pass";
    },
  },
  {
    name: "a counter by address",
    source: "counter from[ipv4]\nif not ip then pass\ncount from[ip.saddr]\n",
    counters: ["from"],
    expect: (p, state) => {
      if (p.ip !== undefined) state.count("from", p, addr4(p.ip.saddr));
      return "pass";
    },
  },
  {
    name: "a map and a set in one rule list",
    source:
      "set allow : ipv4[16]\nmap quota : hash<ipv4, u64>[16]\nif not ip then pass\nif ip.saddr in allow then pass\nif let left = quota[ip.saddr] then { if left > 0 then { left -= 1\n pass } }\ndrop\n",
    before: { allow: [member(addr4("8.8.8.8"))], quota: [[addr4("10.0.0.1"), u64(500)]] },
    maps: ["quota"],
    expect: (p, state) => {
      if (p.ip === undefined || p.ip.saddr === ip4("8.8.8.8")) return "pass";
      const key = addr4(p.ip.saddr);
      if (state.number("quota", key) === 0n) return "drop";
      state.add("quota", key, -1, 8);
      return "pass";
    },
  },
];
