// The frames that programs are judged by: hand-picked ones for every rule of reading, random ones from pools of values that
// rules in the tests ask for, and each of them cut at every length from 14 bytes (the least a test run takes). Deterministic.

import { hex } from "./addresses.ts";
import { type Reading, read } from "./oracle.ts";
import {
  ah,
  arp,
  destination,
  eth,
  everyCut,
  fragment,
  hopByHop,
  icmp,
  icmp6,
  ip,
  ipv6,
  type Layer,
  packet,
  payload,
  routing,
  sctp,
  TCP_FLAGS,
  tcp,
  udp,
  vlan,
} from "./packets.ts";
import { Random } from "./random.ts";

const PORTS = [0, 22, 23, 53, 80, 443, 7999, 8000, 8080, 8500, 8999, 9000, 9999, 12345, 20480, 65535];
const ADDRESSES4 = [
  "10.0.0.1",
  "10.1.2.3",
  "10.255.255.255",
  "192.168.0.1",
  "192.168.1.77",
  "172.16.5.4",
  "8.8.8.8",
  "0.0.0.0",
];
const ADDRESSES6 = ["2001:db8::1", "2001:db8:1:2:3:4:5:6", "fe80::1", "ff02::1", "::1", "2001:db9::1", "::"];
const MACS = ["02:00:00:00:00:01", "aa:bb:cc:dd:ee:ff", "ff:ff:ff:ff:ff:ff", "01:80:c2:00:00:0e", "00:00:00:00:00:00"];
const FLAG_SETS = [0, 2, 16, 18, 17, 4, 20, 24, 41, 255, 194, 1];

/** One packet per rule of reading, each TCP to port 80 where it can be, so that a port rule tells them apart. */
function chosen(): Uint8Array[] {
  const web = (): Layer[] => [tcp({ dport: 80 }), payload(4)];
  const tags = (...tpids: number[]): Layer[] =>
    tpids.map((tpid, index) => vlan({ id: 100 + index, pcp: index + 1, tpid }));
  const nothing = new Uint8Array(0);
  const frames: Uint8Array[] = [];
  const add = (...layers: Layer[]): void => {
    frames.push(packet(...layers));
  };

  // Layer 4 over both families, and each of its own length rules.
  for (const network of [(): Layer => ip(), (): Layer => ipv6()]) {
    add(eth(), network(), ...web());
    for (const dport of PORTS) add(eth(), network(), tcp({ dport, sport: 80 }));
    for (const dport of [53, 80, 443, 9999]) add(eth(), network(), udp({ dport }), payload(6));
    for (const flags of FLAG_SETS) add(eth(), network(), tcp({ flags, dport: 443 }));
    for (const doff of [0, 4, 5, 6, 15]) add(eth(), network(), tcp({ doff }), payload(8));
    add(eth(), network(), tcp({ options: new Uint8Array(40).fill(1) }), payload(3));
    add(eth(), network(), sctp({ dport: 80 }), payload(4));
    for (const type of [0, 3, 8, 128, 129, 135]) {
      add(eth(), network(), icmp({ type, code: 1 }), payload(8));
      add(eth(), network(), icmp6({ type }), payload(8));
    }
    add(eth(), network(), payload(24, { protocol: 47 }));
    add(eth(), network(), payload(24, { protocol: 89 }));
    add(eth(), network(), payload(0, { protocol: 59 }));
    for (const tpids of [
      [0x8100],
      [0x88a8],
      [0x88a8, 0x8100],
      [0x8100, 0x8100],
      [0x88a8, 0x88a8],
      [0x88a8, 0x8100, 0x8100],
    ]) {
      add(eth(), ...tags(...tpids), network(), ...web());
    }
    add(eth(), ...tags(0x8100), network(), udp({ dport: 53 }), payload(4));
  }

  // IPv4: options, header lengths, fragments, versions, padding.
  for (let words = 1; words <= 10; words++) add(eth(), ip({ options: new Uint8Array(words * 4).fill(1) }), ...web());
  for (const ihl of [0, 1, 4, 5, 6, 10, 15]) add(eth(), ip({ ihl }), ...web(), payload(30));
  add(eth(), ip({ ihl: 4, options: nothing }), udp({ dport: 53 }), payload(10));
  for (const fields of [
    { mf: 1 },
    { fragOff: 1 },
    { fragOff: 1, mf: 1 },
    { fragOff: 0x1fff },
    { df: 1 },
    { reserved: 1 },
    { fragOff: 256 },
  ]) {
    add(eth(), ip(fields), ...web());
    add(eth(), ip(fields), udp({ dport: 53 }), payload(4));
  }
  for (const version of [0, 6, 15]) add(eth(), ip({ version }), ...web());
  for (const totLen of [0, 20, 30, 1500]) add(eth(), ip({ totLen }), ...web());
  for (const ttl of [0, 1, 2, 255]) add(eth(), ip({ ttl }), ...web());
  for (const dscp of [0, 46, 63]) add(eth(), ip({ dscp, ecn: dscp & 3 }), ...web());
  for (const saddr of ADDRESSES4) add(eth(), ip({ saddr, daddr: "10.0.0.2" }), ...web());
  for (const daddr of ADDRESSES4) add(eth(), ip({ daddr, saddr: "172.16.0.9" }), udp({ dport: 443 }));
  add(eth(), ip(), ip({ saddr: "192.168.7.7" }), ...web());
  add(eth(), ip(), ipv6(), ...web());

  // IPv6: every extension header, chains up to and over the limit, fragments, odd lengths.
  const links: (() => Layer)[] = [() => hopByHop(), () => routing(), () => fragment(), () => destination(), () => ah()];
  for (const link of links) add(eth(), ipv6(), link(), ...web());
  for (const units of [1, 2, 5]) {
    add(eth(), ipv6(), hopByHop({ units }), ...web());
    add(eth(), ipv6(), routing({ units }), destination({ units: 1 }), udp({ dport: 53 }), payload(4));
  }
  for (let count = 2; count <= 8; count++) {
    add(eth(), ipv6(), ...Array.from({ length: count }, () => destination()), ...web());
    add(eth(), ipv6(), ...Array.from({ length: count }, (_, index) => links[index % links.length]!()), ...web());
  }
  add(eth(), ...tags(0x88a8, 0x8100), ipv6(), ...Array.from({ length: 6 }, () => ah({ icvWords: 0 })), ...web());
  for (const fields of [{ more: 1 }, { offset: 1 }, { offset: 1, more: 1 }, { offset: 0x1fff }, { reserved: 255 }]) {
    add(eth(), ipv6(), fragment(fields), ...web());
    add(eth(), ipv6(), hopByHop(), fragment(fields), destination(), udp({ dport: 53 }), payload(4));
  }
  add(eth(), ipv6(), fragment(), fragment({ offset: 2 }), ...web());
  for (const len of [0, 1, 2, 4, 255]) add(eth(), ipv6(), ah({ len }), ...web(), payload(20));
  for (const len of [1, 2, 255]) add(eth(), ipv6(), destination({ len }), ...web(), payload(20));
  for (const nexthdr of [0, 1, 4, 6, 17, 41, 43, 44, 50, 51, 58, 59, 60, 132, 135, 255]) {
    add(eth(), ipv6({ nexthdr }), ...web(), payload(16));
    add(eth(), ipv6(), hopByHop({ nexthdr }), ...web(), payload(16));
  }
  for (const saddr of ADDRESSES6) add(eth(), ipv6({ saddr }), ...web());
  for (const daddr of ADDRESSES6) add(eth(), ipv6({ daddr }), udp({ dport: 443 }));
  for (const version of [0, 4]) add(eth(), ipv6({ version }), ...web());
  add(eth(), ipv6({ flow: 0xabcde, dscp: 46, ecn: 1, hopLimit: 1 }), ...web());
  add(eth(), ipv6({ flow: 0xfffff, dscp: 63, ecn: 3, hopLimit: 255 }), icmp6({ type: 135 }), payload(20));

  // Other network layers, and types that say one thing while the bytes are another.
  for (const op of [1, 2, 3, 256]) add(eth({ daddr: "ff:ff:ff:ff:ff:ff" }), arp({ op }));
  add(eth(), ...tags(0x8100, 0x8100), arp({ op: 2, spa: "192.168.1.77", sha: "aa:bb:cc:dd:ee:ff" }));
  add(eth(), arp({ htype: 6, ptype: 0x86dd, hlen: 8, plen: 16 }), payload(18));
  for (const type of [0, 46, 0x0800, 0x0806, 0x0008, 0x8100, 0x88a8, 0x86dd, 0x88b5, 0x88b6, 0x9100, 0xffff]) {
    add(eth({ type }), payload(40));
    add(eth(), vlan({ type, id: 4095, pcp: 7, dei: 1 }), payload(40));
  }
  add(eth({ type: 0x0800 }), ipv6(), ...web());
  add(eth({ type: 0x86dd }), ip(), ...web());
  for (const daddr of MACS)
    for (const saddr of MACS.slice(0, 2)) add(eth({ daddr, saddr }), ip(), udp({ dport: 53 }), payload(2));
  return frames;
}

/** A random frame: mostly sane layers with values from the pools, now and then a field that lies. */
function randomFrame(random: Random): Uint8Array {
  const layers: Layer[] = [eth({ saddr: random.pick(MACS), daddr: random.pick(MACS) })];
  for (let tags = random.pick([0, 0, 0, 1, 1, 2, 3]); tags > 0; tags--) {
    layers.push(
      vlan({ id: random.below(4096), pcp: random.below(8), dei: random.below(2), tpid: random.pick([0x8100, 0x88a8]) }),
    );
  }
  if (random.chance(5)) return packet(...layers, arp({ op: 1 + random.below(3), spa: random.pick(ADDRESSES4) }));
  const lies = random.chance(15);
  if (random.chance(50)) {
    const fragmented = random.chance(20);
    layers.push(
      ip({
        saddr: random.pick(ADDRESSES4),
        daddr: random.pick(ADDRESSES4),
        ttl: random.below(256),
        dscp: random.below(64),
        ecn: random.below(4),
        id: random.below(65536),
        df: random.below(2),
        mf: fragmented ? random.below(2) : 0,
        fragOff: fragmented ? random.pick([0, 1, 185, 8191]) : 0,
        options: new Uint8Array(random.pick([0, 0, 0, 4, 8, 40])).fill(1),
        ...(lies ? { ihl: random.below(16) } : {}),
      }),
    );
  } else {
    layers.push(
      ipv6({
        saddr: random.pick(ADDRESSES6),
        daddr: random.pick(ADDRESSES6),
        hopLimit: random.below(256),
        dscp: random.below(64),
        ecn: random.below(4),
        flow: random.below(1 << 20),
      }),
    );
    for (let count = random.pick([0, 0, 0, 1, 2, 3, 6, 7]); count > 0; count--) {
      const units = random.pick([0, 0, 1, 2]);
      const fields = lies ? { units, len: random.below(4) } : { units };
      layers.push(
        random.pick([
          () => hopByHop(fields),
          () => routing(fields),
          () => destination(fields),
          () => fragment({ offset: random.pick([0, 0, 0, 7]), more: random.below(2), reserved: lies ? 9 : 0 }),
          () => ah({ icvWords: random.below(4), ...(lies ? { len: random.below(5) } : {}) }),
        ])(),
      );
    }
  }
  const dport = random.pick(PORTS);
  const sport = random.pick(PORTS);
  layers.push(
    random.pick([
      () => tcp({ dport, sport, flags: random.below(256), window: random.below(65536), seq: random.next() }),
      () => tcp({ dport, sport, flags: TCP_FLAGS.syn, doff: lies ? random.below(16) : 5 }),
      () => udp({ dport, sport }),
      () => sctp({ dport, sport }),
      () => icmp({ type: random.pick([0, 3, 8, 11]), code: random.below(4) }),
      () => icmp6({ type: random.pick([1, 128, 129, 133, 135]), code: random.below(4) }),
    ])(),
    payload(random.below(12)),
  );
  return packet(...layers);
}

/** A frame with its reading. */
export interface Sample {
  readonly frame: Uint8Array;
  readonly reading: Reading;
}

/** The frames, each once, as samples. */
function samples(frames: readonly Uint8Array[]): Sample[] {
  const known = new Map<string, Uint8Array>();
  for (const frame of frames) known.set(hex(frame), frame);
  return Array.from(known.values(), (frame) => ({ frame, reading: read(frame) }));
}

/** Whole frames only: the hand-picked ones and `randomCount` random ones. */
export function wholeFrames(randomCount = 150): Uint8Array[] {
  const random = new Random();
  return [...chosen(), ...Array.from({ length: randomCount }, () => randomFrame(random))];
}

/** The whole corpus: every frame, and every frame cut at every length from 14 on. */
export function fullCorpus(): Sample[] {
  return cutSamples(wholeFrames());
}

/** These frames, and each of them cut at every length from 14 on. */
export function cutSamples(frames: readonly Uint8Array[]): Sample[] {
  return samples(frames.flatMap((frame) => everyCut(frame)));
}

/** Whole frames, and the cuts of each tenth: for programs whose state makes a long run dear. */
export function shortCorpus(): Sample[] {
  const whole = wholeFrames(60);
  return samples([...whole, ...whole.filter((_, index) => index % 10 === 0).flatMap((frame) => everyCut(frame))]);
}
