// MPLS: label stacks behind Ethernet, tags, IP, GRE and UDP, what they carry, and entries put in and taken out. Stacks are found here by the
// RFCs (3032, 4023, 5462, 7510); what is carried is read by the same oracle as every packet.

import { bigEndian, concat, ip4 } from "../../support/addresses.ts";
import type { Reading } from "../../support/oracle.ts";
import { eth, ip, ipv6, type Layer, packet, payload, tcp, udp, vlan } from "../../support/packets.ts";
import { type Outcome, type SmallProgram, u32 } from "./case.ts";
import { gre, type Inside, packetInside, rewritten, unpadded } from "./tunnels.ts";

const be = bigEndian;
const word = (frame: Uint8Array, at: number): number => ((frame[at] ?? 0) << 8) | (frame[at + 1] ?? 0);
const isMpls = (type: number): boolean => type === 0x8847 || type === 0x8848;
/** Entries that are read. */
const DEPTH = 3;

interface Entry {
  readonly at: number;
  readonly label: number;
  readonly bos: number;
  readonly ttl: number;
}

/** The label stack: its entries as far as they are read, and what follows the last where that says that it is. */
interface Stack {
  readonly entries: readonly Entry[];
  readonly inside: Inside | undefined;
  /** Whether it stands right behind Ethernet and its tags. */
  readonly isFirst: boolean;
}

function startOf(p: Reading): { readonly at: number; readonly isFirst: boolean } | undefined {
  const link = 14 + 4 * p.vlan.length;
  if (isMpls(word(p.frame, link - 2))) return { at: link, isFirst: true };
  if (p.layer4?.protocol === 137) return { at: p.layer4.offset, isFirst: false };
  const tunnel = gre(p);
  if (tunnel !== undefined) {
    if (!isMpls(word(p.frame, tunnel.at + 2)) || (word(p.frame, tunnel.at) & 0x4007) !== 0) return undefined;
    const optional = [tunnel.check, tunnel.key, tunnel.seq].filter((place) => place !== undefined).length;
    return { at: tunnel.at + 4 + 4 * optional, isFirst: false };
  }
  if (p.udp === undefined || ![p.udp.dport, p.udp.sport].includes(6635)) return undefined;
  return { at: p.udp.offset + 8, isFirst: false };
}

function stack(p: Reading): Stack | undefined {
  const start = startOf(p);
  if (start === undefined) return undefined;
  const entries: Entry[] = [];
  let { at } = start;
  while (entries.length < DEPTH && at + 4 <= p.len && entries.at(-1)?.bos !== 1) {
    const [high, low] = [word(p.frame, at), word(p.frame, at + 2)];
    entries.push({ at, label: high * 16 + (low >> 12), bos: (low >> 8) & 1, ttl: low & 0xff });
    at += 4;
  }
  if (entries.length === 0) return undefined;
  const version = entries.at(-1)?.bos === 1 ? (p.frame[at] ?? 0) >> 4 : 0;
  const inside =
    version === 4 || version === 6 ? packetInside(p.frame, at, version === 4 ? 0x0800 : 0x86dd) : undefined;
  return { entries, inside, isFirst: start.isFirst };
}

const entry = (label: number, bos: number, ttl = 64): Layer => payload(be((label << 12) | (bos << 8) | ttl, 4));
const web = (): Layer[] => [tcp({ dport: 80, sport: 5 }), payload(5)];
const inner4 = (): Layer => ip({ saddr: "10.9.0.1", ttl: 3 });
const link = (type = 0x8847): Layer => eth({ type });
const greTo = (flags: number, ...words: number[]): Layer =>
  payload(concat(be(flags, 2), be(0x8847, 2), ...words.map((w) => be(w, 4))), { protocol: 47 });

const labelled: readonly Uint8Array[] = [
  packet(link(), entry(100, 1), inner4(), ...web()),
  packet(link(0x8848), entry(100, 1), ipv6({ hopLimit: 3 }), ...web()),
  packet(link(), entry(7, 0), entry(100, 1, 1), inner4(), udp({ dport: 53 })),
  packet(eth(), vlan({ id: 5, type: 0x8847 }), entry(7, 0), entry(8, 0), entry(100, 1), inner4(), ...web()),
  packet(link(), entry(7, 0), entry(8, 0), entry(9, 0), entry(100, 1), inner4(), ...web()),
  packet(link(), entry(100, 1), payload(Uint8Array.of(0, 0, 0, 0)), payload(60)),
  packet(link(), entry(100, 1), payload(Uint8Array.of(0x43, 0, 0, 0)), payload(60)),
  packet(eth(), ip({ protocol: 137 }), entry(100, 1), inner4(), ...web()),
  packet(eth(), vlan({ id: 5 }), ipv6({ nexthdr: 137 }), entry(100, 1), ipv6(), ...web()),
  packet(eth(), ip({ protocol: 47 }), greTo(0x2000, 77), entry(100, 1), inner4(), ...web()),
  packet(eth(), ip({ protocol: 47 }), greTo(1), entry(100, 1), inner4(), ...web()),
  packet(eth(), ip(), udp({ dport: 6635 }), entry(7, 0), entry(100, 1), inner4(), ...web()),
  packet(eth(), vlan({ id: 1 }), vlan({ id: 2 }), ip(), udp({ sport: 6635 }), entry(100, 1), ipv6(), ...web()),
];

/** The frame with what stands behind Ethernet and its tags put in another way. */
function behindLinks(p: Reading, type: number, added: Uint8Array, taken = 0): Outcome {
  const size = 14 + 4 * p.vlan.length;
  const front = concat(p.frame.slice(0, size - 2), be(type, 2));
  return { verdict: "tx", frame: concat(front, added, p.frame.slice(size + taken)) };
}

export const mplsPrograms: readonly SmallProgram[] = [
  {
    name: "labels and what they carry",
    source: "if mpls.label == 100 and inner.tcp.dport == 80 then drop\nif mpls then tx\n",
    expect: (p) => {
      const found = stack(p);
      const first = found?.entries[0];
      if (first?.label === 100 && found?.inside?.reading.tcp?.dport === 80) return "drop";
      return first === undefined ? "pass" : "tx";
    },
    extra: labelled,
    quick: true,
  },
  {
    name: "labels in a row",
    source:
      "counter labels[u32]\nif mpls[1].label == 100 and mpls[1].ttl == 1 then tx\nif mpls then count labels[mpls.label]\nif mpls[2].bos then drop\n",
    expect: (p, state) => {
      const [first, second, third] = stack(p)?.entries ?? [];
      if (second?.label === 100 && second.ttl === 1) return "tx";
      if (first !== undefined) state.count("labels", p, u32(first.label));
      return third?.bos === 1 ? "drop" : "pass";
    },
    counters: ["labels"],
    extra: labelled,
    quick: true,
  },
  {
    name: "an address behind labels is no outer one",
    source:
      "if ip.saddr == 10.9.0.1 then aborted\nif inner.ip.saddr == 10.9.0.1 then drop\nif inner.ip6 and mpls then tx\n",
    expect: (p) => {
      if (p.ip?.saddr === ip4("10.9.0.1")) return "aborted";
      const found = stack(p);
      if (found === undefined) return "pass";
      if (found.inside?.reading.ip?.saddr === ip4("10.9.0.1")) return "drop";
      return found.inside?.reading.ip6 ? "tx" : "pass";
    },
    extra: labelled,
    quick: true,
  },
  {
    name: "another label, one hop less",
    source: "if mpls.ttl > 1 then { mpls.ttl -= 1 mpls.label = 0xabcde mpls.tc = 5 tx }\n",
    expect: (p) => {
      const first = stack(p)?.entries[0];
      if (first === undefined || first.ttl < 2) return "pass";
      const fresh = ((0xabcde << 12) | (5 << 9) | (first.bos << 8) | (first.ttl - 1)) >>> 0;
      const sums = p.udp ? [{ at: p.udp.offset + 6, from: p.udp.offset, optional: true }] : [];
      return rewritten(p, first.at, be(fresh, 4), sums);
    },
    extra: labelled,
    quick: true,
  },
  {
    name: "a label pushed",
    source: "push mpls 16\nif mpls[1] then tx\ntx\n",
    expect: (p) => {
      const before = word(p.frame, 12 + 4 * p.vlan.length);
      return behindLinks(p, 0x8847, be((16 << 12) | ((isMpls(before) ? 0 : 1) << 8) | 255, 4));
    },
    extra: labelled,
    quick: true,
  },
  {
    name: "a label popped",
    source: "if mpls then { pop mpls tx }\n",
    expect: (p) => {
      const found = stack(p);
      const first = found?.entries[0];
      if (found === undefined || first === undefined) return "pass";
      if (!found.isFirst) return "pass";
      const carried = found.inside === undefined ? null : found.inside.reading.ip ? 0x0800 : 0x86dd;
      const type = first.bos === 0 ? word(p.frame, first.at - 2) : carried;
      return type === null ? "aborted" : behindLinks(p, type, new Uint8Array(), 4);
    },
    extra: labelled,
    quick: true,
  },
  {
    name: "packets put behind labels, and out again",
    source:
      "if ip.ttl == 3 then { encap mpls { label: 5, tc: 1 } / mpls { label: 6, ttl: ip.ttl } if mpls[1].label == 6 and inner.ip then { decap } tx }\nif ip or ip6 then { encap mpls { label: 5, ttl: 9 } / mpls { label: 6 } drop }\n",
    expect: (p) => {
      const links = p.frame.slice(0, 14 + 4 * p.vlan.length);
      if (p.ip?.ttl === 3) return { verdict: "tx", frame: concat(links, unpadded(p)) };
      if (!(p.ip ?? p.ip6)) return "pass";
      const made = behindLinks(
        { ...p, frame: concat(links, unpadded(p)) },
        0x8847,
        concat(be((5 << 12) | 9, 4), be((6 << 12) | 0x1ff, 4)),
      );
      return typeof made === "string" ? made : { ...made, verdict: "drop" };
    },
    extra: [...labelled, packet(eth(), inner4(), ...web()), packet(eth(), vlan({ id: 3 }), inner4(), ...web())],
    quick: true,
  },
  {
    name: "labels taken away as a whole",
    source: "if mpls and (inner.ip or inner.ip6) then { decap tx }\n",
    expect: (p) => {
      const found = stack(p);
      if (found?.inside === undefined) return "pass";
      const size = 14 + 4 * p.vlan.length;
      return behindLinks(p, found.inside.reading.ip ? 0x0800 : 0x86dd, new Uint8Array(), found.inside.at - size);
    },
    extra: labelled,
    quick: true,
  },
  {
    name: "labels in UDP",
    source:
      "if ip then { encap ip6 { saddr: 2001:db8::1, daddr: 2001:db8::2 } / udp { sport: 7 } / mpls { label: 99, ttl: 1 } tx }\n",
    expect: (p) => {
      if (!p.ip) return "pass";
      const content = unpadded(p);
      const layers = [ipv6(), udp({ sport: 7, dport: 6635, check: 0 }), entry(99, 1, 1), payload(content)];
      const front = p.frame.slice(0, 14 + 4 * p.vlan.length);
      front.set(be(0x86dd, 2), front.length - 2);
      return { verdict: "tx", frame: concat(front, packet(...layers)) };
    },
    extra: labelled,
    quick: true,
  },
];
