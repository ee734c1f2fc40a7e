// Tunnels: what `inner.` names, what changes inside and in the sums around it, and headers put in front and taken away. What lies inside a
// packet is found here by the RFCs (2003, 2473, 2784, 2890, 4213, 7348, 8926) and read by the same oracle as every packet.

import { bigEndian, concat, ip4 } from "../../support/addresses.ts";
import { type Reading, read } from "../../support/oracle.ts";
import { eth, ip, ipv6, type Layer, packet, payload, tcp, udp, vlan } from "../../support/packets.ts";
import { type Outcome, type SmallProgram, u32 } from "./case.ts";

const be = bigEndian;
const word = (frame: Uint8Array, at: number): number => ((frame[at] ?? 0) << 8) | (frame[at + 1] ?? 0);

/** What a tunnel carries: where it begins, whether it's a frame, and its reading; places in the packet are `shift` further. */
export interface Inside {
  readonly at: number;
  readonly isFrame: boolean;
  readonly reading: Reading;
  readonly shift: number;
}

/** What begins at a place as a packet of an EtherType. */
export function packetInside(frame: Uint8Array, at: number, type: number): Inside | undefined {
  const reading = read(concat(new Uint8Array(12), be(type, 2), frame.slice(at)));
  if (type === 0x0800 ? reading.ip === undefined : reading.ip6 === undefined) return undefined;
  return { at, isFrame: false, reading, shift: at - 14 };
}

function byType(frame: Uint8Array, at: number, type: number): Inside | undefined {
  if (type === 0x0800 || type === 0x86dd) return packetInside(frame, at, type);
  if (type !== 0x6558 || at + 14 > frame.length) return undefined;
  return { at, isFrame: true, reading: read(frame.slice(at)), shift: at };
}

/** What the packet carries in a tunnel, if it does. */
function inside(p: Reading): Inside | undefined {
  const { frame, layer4 } = p;
  if (layer4 === undefined) return undefined;
  const { protocol, offset } = layer4;
  if (protocol === 4) return packetInside(frame, offset, 0x0800);
  if (protocol === 41) return packetInside(frame, offset, 0x86dd);
  if (protocol === 47) {
    const flags = word(frame, offset);
    if (offset + 4 > frame.length || (flags & 0x4007) !== 0) return undefined;
    const optional = [0x8000, 0x2000, 0x1000].filter((bit) => (flags & bit) !== 0).length;
    return byType(frame, offset + 4 + 4 * optional, word(frame, offset + 2));
  }
  if (p.udp === undefined) return undefined;
  const port = [p.udp.dport, p.udp.sport].find((one) => one === 4789 || one === 6081);
  const at = p.udp.offset + 8;
  if (port === undefined || at + 8 > frame.length) return undefined;
  const first = frame[at] ?? 0;
  if (port === 4789) return (first & 8) === 0 ? undefined : byType(frame, at + 8, 0x6558);
  return first >> 6 !== 0 ? undefined : byType(frame, at + 8 + 4 * (first & 0x3f), word(frame, at + 2));
}

/** The frame with bytes written at places, and then each sum brought up to date by what changed in the words it covers. */
export function rewritten(
  p: Reading,
  at: number,
  bytes: Uint8Array,
  sums: readonly { readonly at: number; readonly from: number; readonly optional?: boolean }[],
): Outcome {
  const frame = p.frame.slice();
  frame.set(bytes, at);
  for (const sum of sums) {
    const old = word(p.frame, sum.at);
    if (sum.optional === true && old === 0) continue;
    let total = 0xffff - old;
    for (let i = sum.from; i < frame.length; i += 2) {
      if (i !== sum.at) total += 0xffff - word(p.frame, i) + word(frame, i);
    }
    const fresh = 0xffff - (((total - 1) % 0xffff) + 1);
    frame.set(be(sum.optional === true && fresh === 0 ? 0xffff : fresh, 2), sum.at);
  }
  return { verdict: "tx", frame };
}

/** The sum of the UDP or GRE header around what is inside. */
function around(p: Reading): { at: number; from: number; optional: boolean }[] {
  if (p.udp !== undefined) return [{ at: p.udp.offset + 6, from: p.udp.offset, optional: true }];
  const found = gre(p);
  return found?.check === undefined ? [] : [{ at: found.check, from: found.at, optional: false }];
}

/** A GRE header that is there whole, and the places of what its bits announce. **Source:** RFC 2784, section 2.1; RFC 2890, section 2. */
export function gre(p: Reading): { at: number; check?: number; key?: number; seq?: number } | undefined {
  const { frame, layer4 } = p;
  if (layer4?.protocol !== 47 || layer4.offset + 4 > frame.length) return undefined;
  let end = layer4.offset + 4;
  const found: { at: number; check?: number; key?: number; seq?: number } = { at: layer4.offset };
  for (const [bit, name] of [
    [0x80, "check"],
    [0x20, "key"],
    [0x10, "seq"],
  ] as const) {
    if (((frame[found.at] ?? 0) & bit) === 0) continue;
    found[name] = end;
    end += 4;
  }
  return end > frame.length ? undefined : found;
}

const word32 = (frame: Uint8Array, at: number): number => word(frame, at) * 65536 + word(frame, at + 2);

/** The bytes in front of what a link header carries, with another type at their end. */
function links(p: Reading, type: number): Uint8Array {
  const front = p.frame.slice(0, 14 + 4 * p.vlan.length);
  front.set(be(type, 2), front.length - 2);
  return front;
}

/** A frame's IP packet, without what lies behind it where its length says something sensible. **Source:** RFC 791; RFC 8200; RFC 2675 (zero). */
export function unpadded(p: Reading): Uint8Array {
  const content = p.frame.slice(14 + 4 * p.vlan.length);
  const told = word(content, p.ip ? 2 : 4);
  if (told < (p.ip ? 20 : 1)) return content;
  return content.slice(0, p.ip ? told : 40 + told);
}

/** The frame with layers put in front of its packet, which goes without what fills up its frame. */
function around3(p: Reading, type: number, protocol: number, ...layers: Layer[]): Outcome {
  const content = unpadded(p);
  return { verdict: "tx", frame: concat(links(p, type), packet(...layers, payload(content, { protocol }))) };
}

/** What opening a tunnel leaves. */
function opened(p: Reading): Outcome {
  const found = inside(p);
  if (found === undefined) return "pass";
  const rest = p.frame.slice(found.at);
  return { verdict: "tx", frame: found.isFrame ? rest : concat(links(p, found.reading.ip ? 0x0800 : 0x86dd), rest) };
}

const mac1 = be(0x020000000001, 6);
const mac2 = be(0x020000000002, 6);
const greHeader = (type: number, flags = 0, ...words: number[]): Layer =>
  payload(concat(be(flags, 2), be(type, 2), ...words.map((w) => be(w, 4))), { protocol: 47 });
const vxlanHeader = (vni: number, flags = 8): Layer => payload(concat(be(flags, 1), be(0, 3), be(vni, 3), be(0, 1)));
const geneveHeader = (type: number, vni: number, options = 0): Layer =>
  payload(concat(be(options, 1), be(0, 1), be(type, 2), be(vni, 3), be(0, 1), new Uint8Array(4 * options)));

const web = (): Layer[] => [tcp({ dport: 80, sport: 5 }), payload(5)];
const asked = (): Layer[] => [udp({ dport: 53, sport: 6 }), payload(4)];
const in4 = (protocol: number): Layer => ip({ saddr: "10.0.0.1", daddr: "10.0.0.9", protocol });
const inner4 = (): Layer => ip({ saddr: "10.9.0.1", daddr: "10.9.0.2", ttl: 3 });

/** Tunnels of every kind; each is cut at every length by whoever runs them. */
const tunnelled: readonly Uint8Array[] = [
  packet(eth(), in4(4), inner4(), ...web()),
  packet(eth(), in4(4), ip({ saddr: "10.9.0.1", options: new Uint8Array(8) }), ...asked()),
  packet(eth(), vlan({ id: 7 }), in4(41), ipv6({ hopLimit: 1 }), ...web()),
  packet(eth(), ipv6(), inner4(), ...web()),
  packet(eth(), vlan({ id: 7, tpid: 0x88a8 }), vlan({ id: 8 }), ipv6(), ipv6(), ...asked()),
  packet(eth(), in4(47), greHeader(0x0800), inner4(), ...web()),
  packet(eth(), in4(47), greHeader(0x0800, 0x2000, 77), inner4(), ...web()),
  packet(eth(), in4(47), greHeader(0x86dd, 0xb000, 0xabcd0000, 77, 1), ipv6(), ...asked()),
  packet(eth(), in4(47), greHeader(0x0800, 1), inner4(), ...web()),
  packet(eth(), ipv6(), greHeader(0x0800, 0x8000, 0x12340000), inner4(), ...web()),
  packet(eth(), in4(47), greHeader(0x0800, 0xa000, 0x45670000, 9), inner4(), ...asked()),
  packet(eth(), in4(47), greHeader(0x88b5, 0x3000, 77, 1)),
  packet(eth(), in4(47), greHeader(0x6558, 0x2000, 5), eth({ type: 0x0800 }), inner4(), ...web()),
  packet(eth(), in4(17), udp({ dport: 4789 }), vxlanHeader(5), eth(), inner4(), ...web()),
  packet(eth(), in4(17), udp({ dport: 4789, check: 0 }), vxlanHeader(5), eth(), vlan({ id: 5 }), inner4(), ...asked()),
  packet(eth(), in4(17), udp({ dport: 4789 }), vxlanHeader(5, 0), eth(), inner4(), ...web()),
  packet(eth(), ipv6(), udp({ dport: 6081 }), geneveHeader(0x0800, 9, 2), inner4(), ...web()),
  packet(eth(), in4(17), udp({ dport: 6081 }), geneveHeader(0x6558, 9), eth(), ipv6({ hopLimit: 2 }), ...asked()),
  packet(eth(), in4(4), inner4(), in4(4), inner4(), ...web()),
  packet(eth(), ip({ fragOff: 5, protocol: 4 }), inner4(), ...web()),
];

/** Packets with something behind them: what fills up a short frame, a trailer; and lengths that say nothing sensible. */
const padded: readonly Uint8Array[] = [
  concat(packet(eth(), ip(), ...asked()), new Uint8Array(14)),
  concat(packet(eth(), vlan({ id: 7 }), ip(), tcp({ dport: 80, sport: 5 })), new Uint8Array(2).fill(0xaa)),
  concat(packet(eth(), ipv6(), ...asked()), new Uint8Array(5).fill(0xbb)),
  concat(packet(eth(), vlan({ id: 7 }), ipv6(), tcp({ dport: 80, sport: 5 })), new Uint8Array(1)),
  ...[0, 1, 19, 20, 21, 27, 28, 40, 0xffff].map((totLen) => packet(eth(), ip({ totLen }), ...web())),
  ...[0, 1, 7, 8, 19, 0xffff].map((payloadLen) => packet(eth(), ipv6({ payloadLen }), ...web())),
  concat(packet(eth(), ip({ options: new Uint8Array(40).fill(1) }), ...web()), new Uint8Array(300)),
];

export const tunnelPrograms: readonly SmallProgram[] = [
  {
    name: "an address inside",
    source: "if inner.ip.saddr == 10.9.0.1 then drop\n",
    expect: (p) => (inside(p)?.reading.ip?.saddr === ip4("10.9.0.1") ? "drop" : "pass"),
    extra: tunnelled,
    quick: true,
  },
  {
    name: "a port inside isn't one outside",
    source: "if tcp.dport == 80 then drop\nif inner.tcp.dport == 80 then tx\n",
    expect: (p) => (p.tcp?.dport === 80 ? "drop" : inside(p)?.reading.tcp?.dport === 80 ? "tx" : "pass"),
    extra: tunnelled,
    quick: true,
  },
  {
    name: "tags and networks inside",
    source: "if inner.vlan.id == 5 then drop\nif vxlan.vni == 5 then tx\nif geneve.vni == 9 and inner.ip6 then drop\n",
    expect: (p) => {
      const found = inside(p);
      if (found?.reading.vlan[0]?.id === 5) return "drop";
      const at = (p.udp?.offset ?? 0) + 8;
      const port = [p.udp?.dport, p.udp?.sport].find((one) => one === 4789 || one === 6081);
      if (port === undefined || at + 8 > p.len) return "pass";
      const vni = word(p.frame, at + 4) * 256 + (p.frame[at + 6] ?? 0);
      if (port === 4789) return vni === 5 ? "tx" : "pass";
      return vni === 9 && found?.reading.ip6 ? "drop" : "pass";
    },
    extra: tunnelled,
    quick: true,
  },
  {
    name: "one hop less inside",
    source: "if inner.ip.ttl > 1 then { inner.ip.ttl -= 1 tx }\n",
    expect: (p) => {
      const found = inside(p);
      const header = found?.reading.ip;
      if (found === undefined || header === undefined || header.ttl < 2) return "pass";
      const at = header.offset + found.shift;
      return rewritten(p, at + 8, be(header.ttl - 1, 1), [{ at: at + 10, from: at }, ...around(p)]);
    },
    extra: tunnelled,
    quick: true,
  },
  {
    name: "another port inside",
    source: "if inner.tcp then { inner.tcp.dport = 8080 tx }\n",
    expect: (p) => {
      const found = inside(p);
      const header = found?.reading.tcp;
      if (found === undefined || header === undefined) return "pass";
      const at = header.offset + found.shift;
      return rewritten(p, at + 2, be(8080, 2), [{ at: at + 16, from: at }, ...around(p)]);
    },
    extra: tunnelled,
    quick: true,
  },
  {
    name: "a packet opened",
    source: "if inner.ip or inner.ip6 then { decap tx }\n",
    expect: (p) => {
      const found = inside(p);
      return found?.reading.ip || found?.reading.ip6 ? opened(p) : "pass";
    },
    extra: tunnelled,
    quick: true,
  },
  {
    name: "IP in IP opened and read again",
    source:
      "if ip.protocol == 4 and inner.ip then { decap }\nif tcp.dport == 80 then tx\nif udp.dport == 53 then drop\n",
    expect: (p) => {
      const isOne = p.ip?.protocol === 4 && p.layer4?.protocol === 4 && inside(p) !== undefined;
      const result = isOne ? opened(p) : p.frame;
      const frame = typeof result === "object" && "frame" in result ? result.frame : p.frame;
      const after = read(frame);
      const ports = [after.udp?.dport, after.tcp?.dport];
      return { verdict: ports[1] === 80 ? "tx" : ports[0] === 53 ? "drop" : "pass", frame };
    },
    extra: tunnelled,
    quick: true,
  },
  {
    name: "a frame opened",
    source: "if inner.eth then { decap tx }\n",
    expect: (p) => (inside(p)?.isFrame ? opened(p) : "pass"),
    extra: tunnelled,
    quick: true,
  },
  {
    name: "IPv4 in IPv4",
    source: "if ip then { encap ip { saddr: 10.0.0.1, daddr: ip.daddr, df: 1 } tx }\n",
    expect: (p) =>
      p.ip ? around3(p, 0x0800, 4, ip({ saddr: "10.0.0.1", daddr: text(p.ip.daddr), id: 0, df: 1 })) : "pass",
    extra: [...tunnelled, ...padded],
  },
  {
    name: "either in IPv4",
    source: "if ip or ip6 then { encap ip { saddr: 10.0.0.1, daddr: 10.0.0.2, ttl: 9 } tx }\n",
    expect: (p) =>
      (p.ip ?? p.ip6)
        ? around3(p, 0x0800, p.ip ? 4 : 41, ip({ saddr: "10.0.0.1", daddr: "10.0.0.2", id: 0, ttl: 9 }))
        : "pass",
    extra: [...tunnelled, ...padded],
  },
  {
    name: "TCP in IPv6",
    source: "if tcp then { encap ip6 { saddr: 2001:db8::7, daddr: 2001:db8::8, flowlabel: tcp.sport } tx }\n",
    expect: (p) =>
      p.tcp
        ? around3(p, 0x86dd, p.ip ? 4 : 41, ipv6({ saddr: "2001:db8::7", daddr: "2001:db8::8", flow: p.tcp.sport }))
        : "pass",
    extra: [...tunnelled, ...padded],
  },
  {
    name: "IPv6 in IPv6 keeps its addresses",
    source: "if ip6 then { encap ip6 { saddr: ip6.daddr, daddr: ip6.saddr, hop_limit: ip6.hop_limit } tx }\n",
    expect: (p) => {
      if (!p.ip6) return "pass";
      const made = around3(p, 0x86dd, 41, ipv6({ hopLimit: p.ip6.hopLimit }));
      if (typeof made === "string") return made;
      const at = p.ip6.offset;
      made.frame.set(p.frame.subarray(at + 24, at + 40), at + 8);
      made.frame.set(p.frame.subarray(at + 8, at + 24), at + 24);
      return made;
    },
    extra: [...tunnelled, ...padded],
  },
  {
    name: "IPv4 in GRE",
    source: "if ip or ip6 then { encap ip { saddr: 10.0.0.1, daddr: 10.0.0.2 } / gre {} tx }\n",
    expect: (p) =>
      (p.ip ?? p.ip6)
        ? around3(p, 0x0800, 0, ip({ saddr: "10.0.0.1", daddr: "10.0.0.2", id: 0 }), greHeader(p.ip ? 0x0800 : 0x86dd))
        : "pass",
    extra: [...tunnelled, ...padded],
    quick: true,
  },
  {
    name: "packets in GENEVE",
    source:
      "if ip then { encap ip6 { saddr: 2001:db8::1, daddr: 2001:db8::2 } / udp { sport: ip.id } / geneve { vni: 70000 } tx }\n",
    expect: (p) =>
      p.ip
        ? around3(p, 0x86dd, 0, ipv6(), udp({ sport: p.ip.id, dport: 6081, check: 0 }), geneveHeader(0x0800, 70000))
        : "pass",
    extra: [...tunnelled, ...padded],
    quick: true,
  },
  {
    name: "frames in VXLAN",
    source:
      "encap eth { daddr: 02:00:00:00:00:02, saddr: 02:00:00:00:00:01 } / ip { saddr: 10.0.0.1, daddr: 10.0.0.2 } / udp { sport: 4660 } / vxlan { vni: meta.len & 0xffffff } tx\n",
    expect: (p) => ({
      verdict: "tx",
      frame: concat(mac2, mac1, be(0x0800, 2), vxlanAround(p.frame, p.len)),
    }),
    extra: tunnelled,
    quick: true,
  },
  {
    name: "frames in VXLAN with the front copied",
    source:
      "if ip then { encap ip { saddr: 10.0.0.1, daddr: 10.0.0.2 } / udp { sport: 4660 } / vxlan { vni: 66051 } tx }\n",
    expect: (p) =>
      p.ip
        ? { verdict: "tx", frame: concat(p.frame.slice(0, 12), be(0x0800, 2), vxlanAround(p.frame, 66051)) }
        : "pass",
    extra: [...tunnelled, ...padded],
    quick: true,
  },
  {
    name: "GRE's key and sequence number",
    source:
      "counter keys[u32]\nif gre.seq == 1 and gre.key == 77 then drop\nif gre.k then count keys[gre.key]\nif gre then tx\n",
    expect: (p, state) => {
      const found = gre(p);
      if (found === undefined) return "pass";
      const [key, seq] = [found.key, found.seq].map((at) => (at === undefined ? undefined : word32(p.frame, at)));
      if (seq === 1 && key === 77) return "drop";
      if (key !== undefined) state.count("keys", p, u32(key));
      return "tx";
    },
    counters: ["keys"],
    extra: tunnelled,
    quick: true,
  },
  {
    name: "another key and the checksum over it",
    source: "if gre.key > 0 then { gre.key = 0x12345678 tx }\nif gre.c then { gre.reserved1 = 7 drop }\n",
    expect: (p) => {
      const found = gre(p);
      if (found?.key !== undefined && word32(p.frame, found.key) > 0)
        return rewritten(p, found.key, be(0x12345678, 4), around(p));
      if (found?.check === undefined) return "pass";
      const changed = rewritten(p, found.check + 2, be(7, 2), around(p));
      return typeof changed === "string" ? changed : { ...changed, verdict: "drop" };
    },
    extra: tunnelled,
    quick: true,
  },
  {
    name: "a bit of GRE that changes what follows",
    source: "if gre.k then { gre.k = 0 if inner.ip then drop if gre.k then aborted tx }\n",
    expect: (p) => {
      const found = gre(p);
      if (found?.key === undefined) return "pass";
      const changed = rewritten(p, found.at, be((p.frame[found.at] ?? 0) & ~0x20, 1), around(p));
      if (typeof changed === "string") return changed;
      return { ...changed, verdict: inside(read(changed.frame))?.reading.ip ? "drop" : "tx" };
    },
    extra: tunnelled,
    quick: true,
  },
  {
    name: "IPv4 in GRE with a key and a sequence number",
    source:
      "if ip or ip6 then { encap ip { saddr: 10.0.0.1, daddr: 10.0.0.2 } / gre { seq: meta.len, key: 0xabcdef } tx }\n",
    expect: (p) => {
      if (!(p.ip ?? p.ip6)) return "pass";
      const header = greHeader(p.ip ? 0x0800 : 0x86dd, 0x3000, 0xabcdef, p.len);
      return around3(p, 0x0800, 0, ip({ saddr: "10.0.0.1", daddr: "10.0.0.2", id: 0 }), header);
    },
    extra: [...tunnelled, ...padded],
    quick: true,
  },
  {
    name: "frames in GRE with a key, and out again",
    source:
      "encap eth { daddr: eth.saddr, saddr: eth.daddr } / ip { saddr: 10.0.0.1, daddr: 10.0.0.2 } / gre { key: 5 }\nif gre.key == 5 and inner.eth then { decap }\nif gre.key == 5 then aborted\nif udp.dport == 53 then drop\n",
    expect: (p) =>
      gre(p) !== undefined && word32(p.frame, gre(p)?.key ?? -9) === 5
        ? "aborted"
        : p.udp?.dport === 53
          ? "drop"
          : "pass",
    extra: tunnelled,
    quick: true,
  },
  {
    name: "parts of all sizes in a header of our own",
    source:
      "header mine on eth 0x88b5, vlan 0x88b5 {\n flags : u8 { p, q, r, s, x4, x5, x6, x7 }, kind : u8\n a : u8 if p, b : 24 if p, c : 16 if p, d : u8 if p\n e : u64 if q\n f : 4 if s, g : 12 if s\n next kind\n}\nheader leaf on mine 7 { v : u8 }\n" +
      "if mine.b == 0x020304 then drop\nif mine.e == 0x1112131415161718 then { mine.e += 1 tx }\nif mine.g > 0x2ff and leaf.v == 9 then { mine.g = 0 tx }\nif mine.s and mine.f == 15 then aborted\n",
    expect: (p) => {
      const at = 14 + 4 * p.vlan.length;
      const flags = p.frame[at] ?? 0;
      if (word(p.frame, at - 2) !== 0x88b5 || at + 2 > p.len) return "pass";
      const [hasP, hasQ, hasS] = [0x80, 0x40, 0x10].map((bit) => (flags & bit) !== 0);
      const e = at + 2 + (hasP ? 7 : 0);
      const f = e + (hasQ ? 8 : 0);
      const end = f + (hasS ? 2 : 0);
      if (end > p.len) return "pass";
      if (hasP && word32(p.frame, at + 2) % 0x1000000 === 0x020304) return "drop";
      if (hasQ && word32(p.frame, e) === 0x11121314 && word32(p.frame, e + 4) === 0x15161718)
        return rewritten(p, e + 7, be(0x19, 1), []);
      const g = word(p.frame, f) & 0xfff;
      if (hasS && g > 0x2ff && p.frame[at + 1] === 7 && p.frame[end] === 9)
        return rewritten(p, f, be(word(p.frame, f) & 0xf000, 2), []);
      return hasS && word(p.frame, f) >> 12 === 15 ? "aborted" : "pass";
    },
    extra: [
      [0x80, 7, 1, 2, 3, 4, 5, 6, 7],
      [0x80, 7, 1, 2, 3, 5, 5, 6, 7, 9],
      [0xc0, 7, 1, 2, 3, 5, 5, 6, 7, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18],
      [0x50, 7, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x19, 0xf3, 0x00, 9],
      [0xd0, 7, 1, 2, 3, 5, 5, 6, 7, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x19, 0xf2, 0xff, 9],
      [0x10, 7, 0xaa, 0xbb, 9],
      [0x10, 8, 0xaa, 0xbb, 9],
      [0x20, 7, 9],
    ].flatMap((bytes) => [
      packet(eth({ type: 0x88b5 }), payload(Uint8Array.from(bytes))),
      packet(eth(), vlan({ id: 3, type: 0x88b5 }), payload(Uint8Array.from(bytes))),
    ]),
    quick: true,
  },
  {
    name: "frames in GRE",
    source: "encap eth { daddr: eth.saddr, saddr: eth.daddr } / ip { saddr: 10.0.0.1, daddr: 10.0.0.2 } / gre {} tx\n",
    expect: (p) => {
      const layers = [ip({ saddr: "10.0.0.1", daddr: "10.0.0.2", id: 0 }), greHeader(0x6558), payload(p.frame)];
      const { frame } = p;
      return { verdict: "tx", frame: concat(frame.slice(6, 12), frame.slice(0, 6), be(0x0800, 2), packet(...layers)) };
    },
    quick: true,
  },
  {
    name: "in and out again",
    source:
      "if ip then { encap ip { saddr: 10.0.0.1, daddr: 10.0.0.2 } if inner.ip then { decap } }\nif tcp.dport == 80 then tx\n",
    expect: (p) => {
      const frame = p.ip ? concat(p.frame.slice(0, 14 + 4 * p.vlan.length), unpadded(p)) : p.frame;
      return { verdict: read(frame).tcp?.dport === 80 ? "tx" : "pass", frame };
    },
    extra: [...tunnelled, ...padded],
    quick: true,
  },
  {
    name: "a new header of odd fields",
    source:
      "header odd on eth 0x9999, vlan 0x9999 { a : 3, b : 13 = 17, c : 8, d : 24, what : u16 next what }\nheader ip on inner odd 8\nif ip then { encap odd { c: ip.ttl, d: ip.id } tx }\n",
    expect: (p) =>
      p.ip
        ? {
            verdict: "tx",
            frame: concat(links(p, 0x9999), concat(be(17, 2), be(p.ip.ttl, 1), be(p.ip.id, 3), be(8, 2)), unpadded(p)),
          }
        : "pass",
    quick: true,
  },
];

/** An address as text. */
function text(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join(".");
}

/** IPv4, UDP and VXLAN around a frame. */
function vxlanAround(frame: Uint8Array, vni: number): Uint8Array {
  const outer = ip({ saddr: "10.0.0.1", daddr: "10.0.0.2", id: 0 });
  return packet(outer, udp({ sport: 4660, dport: 4789, check: 0 }), vxlanHeader(vni), payload(frame));
}
