// An independent reading of a frame by the language's stated rules: which headers are there, where, and with what field values.
// Written from the language description and the RFCs for judging the compiler, so it shares no code with it. A header is
// there when its fixed part fits whole and its own length field is sane; cut options don't make it absent, but what follows
// then doesn't fit. Source: RFC 791, 768, 9293, 792, 4443, 826, 8200, 4302, 9260, IEEE 802.1Q.

/** Where a header stands in the frame. */
export interface Place {
  readonly offset: number;
}

export interface EthReading extends Place {
  readonly daddr: number;
  readonly saddr: number;
  readonly type: number;
}

export interface VlanReading extends Place {
  readonly pcp: number;
  readonly dei: number;
  readonly id: number;
  readonly type: number;
}

export interface ArpReading extends Place {
  readonly htype: number;
  readonly ptype: number;
  readonly hlen: number;
  readonly plen: number;
  readonly op: number;
  readonly sha: number;
  readonly spa: number;
  readonly tha: number;
  readonly tpa: number;
}

export interface IpReading extends Place {
  readonly version: number;
  readonly ihl: number;
  readonly dscp: number;
  readonly ecn: number;
  readonly totLen: number;
  readonly id: number;
  readonly reserved: number;
  readonly df: number;
  readonly mf: number;
  readonly fragOff: number;
  readonly ttl: number;
  readonly protocol: number;
  readonly check: number;
  readonly saddr: number;
  readonly daddr: number;
}

export interface Ip6Reading extends Place {
  readonly version: number;
  readonly dscp: number;
  readonly ecn: number;
  readonly flow: number;
  readonly payloadLen: number;
  readonly nexthdr: number;
  readonly hopLimit: number;
  readonly saddr: bigint;
  readonly daddr: bigint;
}

/** An IPv6 extension header: its own number, and the number of what follows. */
export interface ExtensionReading extends Place {
  readonly protocol: number;
  readonly nexthdr: number;
}

export interface TcpReading extends Place {
  readonly sport: number;
  readonly dport: number;
  readonly seq: number;
  readonly ackSeq: number;
  readonly doff: number;
  readonly flags: number;
  readonly cwr: boolean;
  readonly ece: boolean;
  readonly urg: boolean;
  readonly ack: boolean;
  readonly psh: boolean;
  readonly rst: boolean;
  readonly syn: boolean;
  readonly fin: boolean;
  readonly window: number;
  readonly check: number;
  readonly urgPtr: number;
}

export interface UdpReading extends Place {
  readonly sport: number;
  readonly dport: number;
  readonly length: number;
  readonly check: number;
}

export interface IcmpReading extends Place {
  readonly type: number;
  readonly code: number;
  readonly check: number;
}

export interface SctpReading extends Place {
  readonly sport: number;
  readonly dport: number;
  readonly vtag: number;
  readonly check: number;
}

/** What is known of a frame. A header that isn't there is undefined, so `p.tcp?.dport === 80` is false without TCP. */
export interface Reading {
  readonly frame: Uint8Array;
  /** Bytes of the frame. */
  readonly len: number;
  readonly eth: EthReading | undefined;
  /** Up to two tags, outermost first. */
  readonly vlan: readonly VlanReading[];
  readonly arp: ArpReading | undefined;
  readonly ip: IpReading | undefined;
  readonly ip6: Ip6Reading | undefined;
  readonly extensions: readonly ExtensionReading[];
  readonly tcp: TcpReading | undefined;
  readonly udp: UdpReading | undefined;
  readonly icmp: IcmpReading | undefined;
  readonly icmp6: IcmpReading | undefined;
  readonly sctp: SctpReading | undefined;
  /** The number that names layer 4, and where it would start; undefined when none is announced or it can't be reached. */
  readonly layer4: { readonly protocol: number; readonly offset: number } | undefined;
  /** True when a layer 4 is announced but can't be read: cut, malformed, a later fragment, or beyond a depth limit. */
  readonly opaque: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Draft = Mutable<Omit<Reading, "vlan" | "extensions">> & { vlan: VlanReading[]; extensions: ExtensionReading[] };

const ETHER_TYPE = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, serviceVlan: 0x88a8, ipv6: 0x86dd } as const;
const PROTOCOL = {
  hopByHop: 0,
  icmp: 1,
  tcp: 6,
  udp: 17,
  routing: 43,
  fragment: 44,
  ah: 51,
  icmp6: 58,
  options: 60,
  sctp: 132,
};
const MAX_TAGS = 2;
const MAX_EXTENSIONS = 6;
/** Bytes of the part of a header that must fit whole for it to be there. */
const FIXED_SIZE = {
  eth: 14,
  vlan: 4,
  arp: 28,
  ip: 20,
  ip6: 40,
  extension: 8,
  ah: 12,
  tcp: 20,
  udp: 8,
  icmp: 8,

  sctp: 12,
} as const;

/** Reads a frame. */
export function read(frame: Uint8Array): Reading {
  const draft: Draft = {
    frame,
    len: frame.length,
    eth: undefined,
    vlan: [],
    arp: undefined,
    ip: undefined,
    ip6: undefined,
    extensions: [],
    tcp: undefined,
    udp: undefined,
    icmp: undefined,
    icmp6: undefined,
    sctp: undefined,
    layer4: undefined,
    opaque: false,
  };
  readLink(draft);
  return draft;
}

/** Big-endian number of up to six bytes. */
function number(frame: Uint8Array, offset: number, size: number): number {
  let value = 0;
  for (let index = 0; index < size; index++) value = value * 256 + frame[offset + index]!;
  return value;
}

function number128(frame: Uint8Array, offset: number): bigint {
  let value = 0n;
  for (let index = 0; index < 16; index++) value = (value << 8n) | BigInt(frame[offset + index]!);
  return value;
}

function fits(draft: Draft, offset: number, size: number): boolean {
  return offset + size <= draft.len;
}

function readLink(draft: Draft): void {
  const { frame } = draft;
  if (!fits(draft, 0, FIXED_SIZE.eth)) return;
  draft.eth = { offset: 0, daddr: number(frame, 0, 6), saddr: number(frame, 6, 6), type: number(frame, 12, 2) };
  let type = draft.eth.type;
  let offset: number = FIXED_SIZE.eth;
  while (type === ETHER_TYPE.vlan || type === ETHER_TYPE.serviceVlan) {
    if (draft.vlan.length === MAX_TAGS || !fits(draft, offset, FIXED_SIZE.vlan)) {
      draft.opaque = true;
      return;
    }
    const control = number(frame, offset, 2);
    type = number(frame, offset + 2, 2);
    draft.vlan.push({ offset, pcp: control >> 13, dei: (control >> 12) & 1, id: control & 0xfff, type });
    offset += FIXED_SIZE.vlan;
  }
  if (type === ETHER_TYPE.arp) readArp(draft, offset);
  else if (type === ETHER_TYPE.ipv4) readIp(draft, offset);
  else if (type === ETHER_TYPE.ipv6) readIp6(draft, offset);
}

function readArp(draft: Draft, offset: number): void {
  const { frame } = draft;
  if (!fits(draft, offset, FIXED_SIZE.arp)) return;
  draft.arp = {
    offset,
    htype: number(frame, offset, 2),
    ptype: number(frame, offset + 2, 2),
    hlen: number(frame, offset + 4, 1),
    plen: number(frame, offset + 5, 1),
    op: number(frame, offset + 6, 2),
    sha: number(frame, offset + 8, 6),
    spa: number(frame, offset + 14, 4),
    tha: number(frame, offset + 18, 6),
    tpa: number(frame, offset + 24, 4),
  };
}

function readIp(draft: Draft, offset: number): void {
  const { frame } = draft;
  draft.opaque = true; // until layer 4 is read, or turns out not to be announced
  if (!fits(draft, offset, FIXED_SIZE.ip)) return;
  const first = frame[offset]!;
  const ihl = first & 15;
  if (ihl < 5) return;
  const service = frame[offset + 1]!;
  const fragmentation = number(frame, offset + 6, 2);
  draft.ip = {
    offset,
    version: first >> 4,
    ihl,
    dscp: service >> 2,
    ecn: service & 3,
    totLen: number(frame, offset + 2, 2),
    id: number(frame, offset + 4, 2),
    reserved: fragmentation >> 15,
    df: (fragmentation >> 14) & 1,
    mf: (fragmentation >> 13) & 1,
    fragOff: fragmentation & 0x1fff,
    ttl: frame[offset + 8]!,
    protocol: frame[offset + 9]!,
    check: number(frame, offset + 10, 2),
    saddr: number(frame, offset + 12, 4),
    daddr: number(frame, offset + 16, 4),
  };
  if (draft.ip.fragOff !== 0) return;
  readLayer4(draft, draft.ip.protocol, offset + ihl * 4, 4);
}

function readIp6(draft: Draft, offset: number): void {
  const { frame } = draft;
  draft.opaque = true;
  if (!fits(draft, offset, FIXED_SIZE.ip6)) return;
  const word = number(frame, offset, 4);
  draft.ip6 = {
    offset,
    version: word >>> 28,
    dscp: (word >>> 22) & 0x3f,
    ecn: (word >>> 20) & 3,
    flow: word & 0xfffff,
    payloadLen: number(frame, offset + 4, 2),
    nexthdr: frame[offset + 6]!,
    hopLimit: frame[offset + 7]!,
    saddr: number128(frame, offset + 8),
    daddr: number128(frame, offset + 24),
  };
  let protocol = draft.ip6.nexthdr;
  let at = offset + FIXED_SIZE.ip6;
  for (;;) {
    const size = extensionSize(frame, protocol, at);
    if (size === "none") break;
    if (size === "absent" || draft.extensions.length === MAX_EXTENSIONS) return;
    draft.extensions.push({ offset: at, protocol, nexthdr: frame[at]! });
    const isLaterFragment = protocol === PROTOCOL.fragment && number(frame, at + 2, 2) >> 3 !== 0;
    if (isLaterFragment) return;
    protocol = frame[at]!;
    at += size;
  }
  readLayer4(draft, protocol, at, 6);
}

/** Bytes of the extension header `protocol` at `offset`; "none" when that number is no extension header. */
function extensionSize(frame: Uint8Array, protocol: number, offset: number): number | "none" | "absent" {
  switch (protocol) {
    case PROTOCOL.hopByHop:
    case PROTOCOL.routing:
    case PROTOCOL.options:
      return offset + FIXED_SIZE.extension <= frame.length ? (frame[offset + 1]! + 1) * 8 : "absent";
    case PROTOCOL.fragment:
      return offset + FIXED_SIZE.extension <= frame.length ? 8 : "absent";
    case PROTOCOL.ah: {
      const size = offset + FIXED_SIZE.ah <= frame.length ? (frame[offset + 1]! + 2) * 4 : 0;
      return size >= FIXED_SIZE.ah ? size : "absent";
    }
    default:
      return "none";
  }
}

function readLayer4(draft: Draft, protocol: number, offset: number, family: 4 | 6): void {
  const { frame } = draft;
  draft.layer4 = { protocol, offset };
  if (protocol === PROTOCOL.tcp) {
    if (!fits(draft, offset, FIXED_SIZE.tcp) || frame[offset + 12]! >> 4 < 5) return;
    draft.tcp = tcpAt(frame, offset);
  } else if (protocol === PROTOCOL.udp) {
    if (!fits(draft, offset, FIXED_SIZE.udp)) return;
    draft.udp = {
      offset,
      sport: number(frame, offset, 2),
      dport: number(frame, offset + 2, 2),
      length: number(frame, offset + 4, 2),
      check: number(frame, offset + 6, 2),
    };
  } else if (protocol === PROTOCOL.sctp) {
    if (!fits(draft, offset, FIXED_SIZE.sctp)) return;
    draft.sctp = {
      offset,
      sport: number(frame, offset, 2),
      dport: number(frame, offset + 2, 2),
      vtag: number(frame, offset + 4, 4),
      check: number(frame, offset + 8, 4),
    };
  } else if (protocol === (family === 4 ? PROTOCOL.icmp : PROTOCOL.icmp6)) {
    if (!fits(draft, offset, FIXED_SIZE.icmp)) return;
    const reading = {
      offset,
      type: frame[offset]!,
      code: frame[offset + 1]!,
      check: number(frame, offset + 2, 2),
    };
    if (family === 4) draft.icmp = reading;
    else draft.icmp6 = reading;
  }
  draft.opaque = false;
}

function tcpAt(frame: Uint8Array, offset: number): TcpReading {
  const flags = frame[offset + 13]!;
  return {
    offset,
    sport: number(frame, offset, 2),
    dport: number(frame, offset + 2, 2),
    seq: number(frame, offset + 4, 4),
    ackSeq: number(frame, offset + 8, 4),
    doff: frame[offset + 12]! >> 4,
    flags,
    cwr: (flags & 0x80) !== 0,
    ece: (flags & 0x40) !== 0,
    urg: (flags & 0x20) !== 0,
    ack: (flags & 0x10) !== 0,
    psh: (flags & 0x08) !== 0,
    rst: (flags & 0x04) !== 0,
    syn: (flags & 0x02) !== 0,
    fin: (flags & 0x01) !== 0,
    window: number(frame, offset + 14, 2),
    check: number(frame, offset + 16, 2),
    urgPtr: number(frame, offset + 18, 2),
  };
}

/** The first header that carries ports, as `(p) => ports(p)?.dport`: TCP, UDP or SCTP. */
export function ports(reading: Reading): { readonly sport: number; readonly dport: number } | undefined {
  return reading.tcp ?? reading.udp ?? reading.sctp;
}
