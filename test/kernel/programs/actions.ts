// Verdicts and actions: every verdict, redirects with and without entries, field assignment and swap with the frame that must
// come out, log.

import { bigEndian, mac } from "../../support/addresses.ts";
import { eth, ip as ipLayer, packet, tcp as tcpLayer } from "../../support/packets.ts";
import type { Outcome, SmallProgram } from "./case.ts";
import { addrMac, rewritten } from "./case.ts";

const exchanged = (frame: Uint8Array): Uint8Array =>
  new Uint8Array([...frame.subarray(6, 12), ...frame.subarray(0, 6), ...frame.subarray(12)]);

const be16 = (value: number): Uint8Array => bigEndian(value, 2);

export const actionPrograms: readonly SmallProgram[] = [
  ...(["pass", "drop", "tx", "aborted"] as const).map(
    (verdict): SmallProgram => ({ name: `verdict ${verdict}`, source: `${verdict}\n`, expect: () => verdict }),
  ),
  ...(["pass", "drop", "tx", "aborted"] as const).map(
    (verdict): SmallProgram => ({
      name: `default ${verdict}`,
      source: `default ${verdict}\nif tcp then drop\nif udp then pass\n`,
      expect: (p) => (p.tcp !== undefined ? "drop" : p.udp !== undefined ? "pass" : verdict),
    }),
  ),

  // Redirects. An empty entry gives the fallback, without one the program's default.
  {
    name: "the first example",
    source: "set ports : u16[1024]\nxskmap xsk[64]\n\nif tcp.dport in ports then redirect xsk\n",
    before: { ports: [[new Uint8Array([0x50, 0]), new Uint8Array([1])]] },
    filled: { xsk: [0] },
    expect: (p) => (p.tcp?.dport === 80 ? "redirect" : "pass"),
  },
  {
    name: "the first example without a socket",
    source: "set ports : u16[1024]\nxskmap xsk[64]\n\nif tcp.dport in ports then redirect xsk\n",
    before: { ports: [[new Uint8Array([0x50, 0]), new Uint8Array([1])]] },
    expect: () => "pass",
  },
  {
    name: "an empty entry gives the default",
    source: "default drop\nxskmap xsk[4]\nif tcp then redirect xsk\npass\n",
    expect: (p) => (p.tcp !== undefined ? "drop" : "pass"),
  },
  ...(["pass", "drop", "tx", "aborted"] as const).map(
    (verdict): SmallProgram => ({
      name: `redirect or ${verdict}`,
      source: `xskmap xsk[4]\nif udp then redirect xsk or ${verdict}\nif tcp then redirect xsk[1] or ${verdict}\n`,
      filled: { xsk: [0] },
      expect: (p) => (p.udp !== undefined ? "redirect" : p.tcp !== undefined ? verdict : "pass"),
    }),
  ),
  {
    name: "redirect by RX queue",
    source: "xskmap xsk[64]\nif tcp then redirect xsk or drop\n",
    filled: { xsk: [3] },
    queue: 3,
    expect: (p) => (p.tcp !== undefined ? "redirect" : "pass"),
  },
  {
    name: "redirect from a queue without a socket",
    source: "xskmap xsk[64]\nif tcp then redirect xsk or drop\n",
    filled: { xsk: [3] },
    queue: 2,
    expect: (p) => (p.tcp !== undefined ? "drop" : "pass"),
  },
  {
    name: "redirect by a computed index, out of the map too",
    source: "xskmap xsk[4]\nif ip then redirect xsk[ip.ttl] or tx\n",
    filled: { xsk: [1, 2] },
    expect: (p) => (p.ip === undefined ? "pass" : [1, 2].includes(p.ip.ttl) ? "redirect" : "tx"),
  },
  {
    name: "redirect to a device",
    source: "devmap ports[64]\nif tcp then redirect ports[3]\nif udp then redirect ports[4] or drop\n",
    filled: { ports: [3] },
    expect: (p) => (p.tcp !== undefined ? "redirect" : p.udp !== undefined ? "drop" : "pass"),
  },
  {
    name: "redirect to a device by any number",
    source: "devmap_hash uplinks[8]\nif vlan then redirect uplinks[vlan.id] or drop\n",
    filled: { uplinks: [100, 4095] },
    expect: (p) => (p.vlan[0] === undefined ? "pass" : [100, 4095].includes(p.vlan[0].id) ? "redirect" : "drop"),
  },
  {
    name: "redirect to a CPU",
    source: "cpumap cpus[4]\nif tcp then redirect cpus[0]\nif udp then redirect cpus[1] or drop\n",
    filled: { cpus: [0] },
    expect: (p) => (p.tcp !== undefined ? "redirect" : p.udp !== undefined ? "drop" : "pass"),
  },
  {
    name: "redirect by a hash",
    source: "cpumap cpus[4]\nif ip then redirect cpus[hash(ip.saddr, ip.daddr) % 1] or drop\n",
    filled: { cpus: [0] },
    expect: (p) => (p.ip !== undefined ? "redirect" : "pass"),
  },

  // Rewriting.
  {
    name: "swap the MACs of UDP",
    source: "if udp then { swap eth.saddr, eth.daddr tx }\n",
    expect: (p): Outcome => (p.udp === undefined ? "pass" : { verdict: "tx", frame: exchanged(p.frame) }),
  },
  {
    name: "swap and go on",
    source: "if not eth then pass\nswap eth.saddr, eth.daddr\nif eth.daddr == aa:bb:cc:dd:ee:ff then drop\ntx\n",
    expect: (p) => ({ verdict: p.eth!.saddr === mac("aa:bb:cc:dd:ee:ff") ? "drop" : "tx", frame: exchanged(p.frame) }),
  },
  {
    name: "swap of addresses in ARP",
    source: "if arp then { swap arp.sha, arp.tha swap arp.spa, arp.tpa arp.op = 2 tx }\n",
    expect: (p) => {
      if (p.arp === undefined) return "pass";
      const at = p.arp.offset;
      return rewritten(
        "tx",
        p,
        [at + 8, p.frame.slice(at + 18, at + 28)],
        [at + 18, p.frame.slice(at + 8, at + 18)],
        [at + 6, be16(2)],
      );
    },
  },
  {
    name: "assign a constant MAC",
    source: "if eth then { eth.daddr = aa:bb:cc:dd:ee:ff tx }\n",
    expect: (p) => rewritten("tx", p, [0, addrMac("aa:bb:cc:dd:ee:ff")]),
  },
  {
    name: "assign one field from another",
    source: "if arp then { eth.daddr = arp.sha\n tx }\n",
    expect: (p) => (p.arp === undefined ? "pass" : rewritten("tx", p, [0, addrMac(p.arp.sha)])),
  },
  {
    name: "assign part of a byte pair",
    source: "if vlan then { vlan.id = 7 tx }\n",
    expect: (p) => {
      const tag = p.vlan[0];
      return tag === undefined ? "pass" : rewritten("tx", p, [tag.offset, be16((tag.pcp << 13) | (tag.dei << 12) | 7)]);
    },
  },
  {
    name: "assign the upper bits",
    source: "if vlan then { vlan.pcp = 5\n vlan.dei = 1 tx }\n",
    expect: (p) => {
      const tag = p.vlan[0];
      return tag === undefined ? "pass" : rewritten("tx", p, [tag.offset, be16((5 << 13) | 0x1000 | tag.id)]);
    },
  },
  {
    name: "assign into the second tag",
    source: "if vlan[1] then { vlan[1].id = vlan.id\n tx }\n",
    expect: (p) => {
      const [outer, tag] = p.vlan;
      return outer === undefined || tag === undefined
        ? "pass"
        : rewritten("tx", p, [tag.offset, be16((tag.pcp << 13) | (tag.dei << 12) | outer.id)]);
    },
  },
  {
    name: "count a hop limit down",
    source: "if ip6 then { ip6.hop_limit -= 1\n if ip6.hop_limit == 0 then drop\n tx }\n",
    expect: (p) => {
      if (p.ip6 === undefined) return "pass";
      const left = (p.ip6.hopLimit - 1) & 255;
      return rewritten(left === 0 ? "drop" : "tx", p, [p.ip6.offset + 7, new Uint8Array([left])]);
    },
  },
  {
    name: "assign fields that cross bytes",
    source: "if ip6 then { ip6.dscp = 46\n ip6.flowlabel = 0x12345\n tx }\n",
    expect: (p) => {
      if (p.ip6 === undefined) return "pass";
      const word = (BigInt(p.ip6.version) << 28n) | (46n << 22n) | (BigInt(p.ip6.ecn) << 20n) | 0x12345n;
      return rewritten("tx", p, [p.ip6.offset, bigEndian(word, 4)]);
    },
  },
  {
    name: "assign a computed value",
    source: "if arp then { arp.op = arp.op + 255\n tx }\n",
    expect: (p) =>
      p.arp === undefined ? "pass" : rewritten("tx", p, [p.arp.offset + 6, be16((p.arp.op + 255) & 0xffff)]),
  },
  {
    name: "a changed selector ends what was proven",
    source: "if ip and vlan and not vlan[1] then {\n  vlan.type = 0x88b5\n  if ip then drop\n  tx\n}\n",
    expect: (p) =>
      p.ip === undefined || p.vlan.length !== 1 ? "pass" : rewritten("tx", p, [p.vlan[0]!.offset + 2, be16(0x88b5)]),
  },
  {
    name: "a changed selector can make a header appear",
    source: "if eth.type == 0x88b5 then {\n  eth.type = 0x0806\n  if arp then drop\n  tx\n}\n",
    expect: (p) => (p.eth!.type !== 0x88b5 ? "pass" : rewritten(p.len >= 42 ? "drop" : "tx", p, [12, be16(0x0806)])),
  },

  // Log, and what a program is told beside the frame.
  {
    name: "log goes on",
    source:
      'if tcp.dport == 12345 then log "port %u of %u bytes", tcp.dport, meta.len\nif tcp.dport == 12345 then drop\n',
    extra: [packet(eth(), ipLayer(), tcpLayer({ dport: 12345 }))],
    quick: true,
    expect: (p) => (p.tcp?.dport === 12345 ? "drop" : "pass"),
  },
  {
    name: "the RX queue and the device",
    source: "if meta.rx_queue_index == 2 and meta.ingress_ifindex != 0 then drop\n",
    queue: 2,
    expect: () => "drop",
  },
  {
    name: "the frame's length",
    source: "if meta.len < 60 then drop\nif meta.len % 2 == 1 then tx\n",
    expect: (p) => (p.len < 60 ? "drop" : p.len % 2 === 1 ? "tx" : "pass"),
  },
  {
    name: "the CPU is one of few, time goes on",
    source: "if meta.cpu < 4096 and meta.now > 0 then drop\n",
    expect: () => "drop",
  },
];
