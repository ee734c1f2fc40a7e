// Builds frames from layers: `packet(eth(), vlan({ id: 5 }), ip({ ttl: 1 }), tcp({ dport: 80 }), payload(10))`. Types, next
// headers, lengths and checksums follow from what comes behind unless given, and every field may be given, wrong ones too.
// Source: RFC 791, 768, 9293, 792, 4443, 826, 8200, 4302, 9260, IEEE 802.1Q.

import { concat, ip4, ip6, mac } from "./addresses.ts";

/** One layer of a frame: how it is announced by the layer before, and its bytes once what follows is known. */
export interface Layer {
  /** The EtherType that announces it, if it has one. */
  readonly etherType?: number;
  /** The IP protocol or next-header number that announces it, if it has one. */
  readonly protocol?: number;
  /** Whether this layer holds the addresses of a pseudo-header: IPv4 or IPv6. */
  readonly pseudo?: (length: number, protocol: number) => Uint8Array;
  /** This layer's bytes without what follows; `above` are the layers before it, outermost first. */
  readonly build: (next: Layer | undefined, rest: Uint8Array, above: readonly Layer[]) => Uint8Array;
}

/** A frame from its layers, outermost first. */
export function packet(...layers: readonly Layer[]): Uint8Array {
  let rest = new Uint8Array(0);
  for (let index = layers.length - 1; index >= 0; index--) {
    rest = new Uint8Array(concat(layers[index]!.build(layers[index + 1], rest, layers.slice(0, index)), rest));
  }
  return rest;
}

/** A field list, written big-endian bit by bit: pairs of value and width in bits, the widths a multiple of 8 in all. */
function bits(...fields: readonly (readonly [value: number | bigint, width: number])[]): Uint8Array {
  let all = 0n;
  let total = 0;
  for (const [value, width] of fields) {
    all = (all << BigInt(width)) | (BigInt(value) & ((1n << BigInt(width)) - 1n));
    total += width;
  }
  const out = new Uint8Array(total / 8);
  for (let index = out.length - 1; index >= 0; index--) {
    out[index] = Number(all & 0xffn);
    all >>= 8n;
  }
  return out;
}

/** The Internet checksum of the pieces laid end to end. **Source:** RFC 1071. */
export function internetChecksum(...pieces: readonly Uint8Array[]): number {
  const bytes = concat(...pieces);
  let sum = 0;
  for (let index = 0; index < bytes.length; index += 2) sum += (bytes[index]! << 8) | (bytes[index + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function pseudoHeader(above: readonly Layer[], length: number, protocol: number): Uint8Array {
  const holder = above.findLast((layer) => layer.pseudo !== undefined);
  return holder?.pseudo?.(length, protocol) ?? new Uint8Array(0);
}

type Mac = string | number;
const macNumber = (value: Mac): number => (typeof value === "string" ? mac(value) : value);

/** Ethernet II. */
export function eth(fields: { daddr?: Mac; saddr?: Mac; type?: number } = {}): Layer {
  return {
    build: (next) =>
      bits(
        [macNumber(fields.daddr ?? "02:00:00:00:00:02"), 48],
        [macNumber(fields.saddr ?? "02:00:00:00:00:01"), 48],
        [fields.type ?? next?.etherType ?? 0x88b5, 16],
      ),
  };
}

/** A VLAN tag; `tpid` is the EtherType that announces it. */
export function vlan(fields: { id?: number; pcp?: number; dei?: number; type?: number; tpid?: number } = {}): Layer {
  return {
    etherType: fields.tpid ?? 0x8100,
    build: (next) =>
      bits(
        [fields.pcp ?? 0, 3],
        [fields.dei ?? 0, 1],
        [fields.id ?? 1, 12],
        [fields.type ?? next?.etherType ?? 0x88b5, 16],
      ),
  };
}

/** ARP for IPv4 over Ethernet. */
export function arp(
  fields: {
    htype?: number;
    ptype?: number;
    hlen?: number;
    plen?: number;
    op?: number;
    sha?: Mac;
    spa?: string;
    tha?: Mac;
    tpa?: string;
  } = {},
): Layer {
  return {
    etherType: 0x0806,
    build: () =>
      bits(
        [fields.htype ?? 1, 16],
        [fields.ptype ?? 0x0800, 16],
        [fields.hlen ?? 6, 8],
        [fields.plen ?? 4, 8],
        [fields.op ?? 1, 16],
        [macNumber(fields.sha ?? "02:00:00:00:00:01"), 48],
        [ip4(fields.spa ?? "10.0.0.1"), 32],
        [macNumber(fields.tha ?? 0), 48],
        [ip4(fields.tpa ?? "10.0.0.2"), 32],
      ),
  };
}

/** Fields of an IPv4 header; `options` are raw bytes (padded to four), `fragOff` is in units of 8 bytes. */
export interface IpFields {
  version?: number;
  ihl?: number;
  dscp?: number;
  ecn?: number;
  totLen?: number;
  id?: number;
  reserved?: number;
  df?: number;
  mf?: number;
  fragOff?: number;
  ttl?: number;
  protocol?: number;
  check?: number;
  saddr?: string;
  daddr?: string;
  options?: Uint8Array;
}

/** IPv4. */
export function ip(fields: IpFields = {}): Layer {
  const saddr = ip4(fields.saddr ?? "10.0.0.1");
  const daddr = ip4(fields.daddr ?? "10.0.0.2");
  const options = new Uint8Array(((fields.options?.length ?? 0) + 3) & ~3);
  options.set(fields.options ?? []);
  return {
    etherType: 0x0800,
    protocol: 4,
    pseudo: (length, protocol) => bits([saddr, 32], [daddr, 32], [0, 8], [protocol, 8], [length, 16]),
    build: (next, rest) => {
      const withCheck = (check: number): Uint8Array =>
        concat(
          bits(
            [fields.version ?? 4, 4],
            [fields.ihl ?? 5 + options.length / 4, 4],
            [fields.dscp ?? 0, 6],
            [fields.ecn ?? 0, 2],
            [fields.totLen ?? 20 + options.length + rest.length, 16],
            [fields.id ?? 0x1234, 16],
            [fields.reserved ?? 0, 1],
            [fields.df ?? 0, 1],
            [fields.mf ?? 0, 1],
            [fields.fragOff ?? 0, 13],
            [fields.ttl ?? 64, 8],
            [fields.protocol ?? next?.protocol ?? 253, 8],
            [check, 16],
            [saddr, 32],
            [daddr, 32],
          ),
          options,
        );
      return withCheck(fields.check ?? internetChecksum(withCheck(0)));
    },
  };
}

/** IPv6; extension headers are layers of their own behind it. */
export function ipv6(
  fields: {
    version?: number;
    dscp?: number;
    ecn?: number;
    flow?: number;
    payloadLen?: number;
    nexthdr?: number;
    hopLimit?: number;
    saddr?: string;
    daddr?: string;
  } = {},
): Layer {
  const saddr = ip6(fields.saddr ?? "2001:db8::1");
  const daddr = ip6(fields.daddr ?? "2001:db8::2");
  return {
    etherType: 0x86dd,
    protocol: 41,
    pseudo: (length, protocol) => bits([saddr, 128], [daddr, 128], [length, 32], [protocol, 32]),
    build: (next, rest) =>
      bits(
        [fields.version ?? 6, 4],
        [fields.dscp ?? 0, 6],
        [fields.ecn ?? 0, 2],
        [fields.flow ?? 0, 20],
        [fields.payloadLen ?? rest.length, 16],
        [fields.nexthdr ?? next?.protocol ?? 59, 8],
        [fields.hopLimit ?? 64, 8],
        [saddr, 128],
        [daddr, 128],
      ),
  };
}

/** Fields of an extension header in 8-octet units: `units` more than the first 8 bytes are there, `len` is what it says. */
export interface ExtensionFields {
  nexthdr?: number;
  units?: number;
  len?: number;
}

function extension(protocol: number, fields: ExtensionFields): Layer {
  return {
    protocol,
    build: (next) => {
      const units = fields.units ?? 0;
      const body = new Uint8Array(8 + 8 * units);
      body[0] = fields.nexthdr ?? next?.protocol ?? 59;
      body[1] = fields.len ?? units;
      if (protocol !== 43) {
        body[2] = 1; // PadN over the rest
        body[3] = Math.min(body.length - 4, 255);
      }
      return body;
    },
  };
}

/** Hop-by-hop options (0). */
export const hopByHop = (fields: ExtensionFields = {}): Layer => extension(0, fields);

/** Routing header (43), type 0 with no segments left. */
export const routing = (fields: ExtensionFields = {}): Layer => extension(43, fields);

/** Destination options (60). */
export const destination = (fields: ExtensionFields = {}): Layer => extension(60, fields);

/** Fragment header (44); `offset` in units of 8 bytes. */
export function fragment(
  fields: { nexthdr?: number; reserved?: number; offset?: number; more?: number; id?: number } = {},
): Layer {
  return {
    protocol: 44,
    build: (next) =>
      bits(
        [fields.nexthdr ?? next?.protocol ?? 59, 8],
        [fields.reserved ?? 0, 8],
        [fields.offset ?? 0, 13],
        [0, 2],
        [fields.more ?? 0, 1],
        [fields.id ?? 0xabcd1234, 32],
      ),
  };
}

/** Authentication header (51): 12 bytes and `icvWords` words of check value; `len` is what it says, in words less 2. */
export function ah(fields: { nexthdr?: number; icvWords?: number; len?: number } = {}): Layer {
  return {
    protocol: 51,
    build: (next) => {
      const icvWords = fields.icvWords ?? 3;
      return concat(
        bits(
          [fields.nexthdr ?? next?.protocol ?? 59, 8],
          [fields.len ?? 1 + icvWords, 8],
          [0, 16],
          [0x100, 32],
          [1, 32],
        ),
        new Uint8Array(4 * icvWords).fill(0xa5),
      );
    },
  };
}

/** TCP flags by their names, as bits of byte 13. */
export const TCP_FLAGS = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ece: 64, cwr: 128 } as const;

/** TCP; `options` are raw bytes (padded to four), `flags` the whole byte. */
export function tcp(
  fields: {
    sport?: number;
    dport?: number;
    seq?: number;
    ackSeq?: number;
    doff?: number;
    flags?: number;
    window?: number;
    check?: number;
    urgPtr?: number;
    options?: Uint8Array;
  } = {},
): Layer {
  const options = new Uint8Array(((fields.options?.length ?? 0) + 3) & ~3);
  options.set(fields.options ?? []);
  return {
    protocol: 6,
    build: (_next, rest, above) => {
      const withCheck = (check: number): Uint8Array =>
        concat(
          bits(
            [fields.sport ?? 40000, 16],
            [fields.dport ?? 80, 16],
            [fields.seq ?? 0x01020304, 32],
            [fields.ackSeq ?? 0, 32],
            [fields.doff ?? 5 + options.length / 4, 4],
            [0, 4],
            [fields.flags ?? TCP_FLAGS.syn, 8],
            [fields.window ?? 65535, 16],
            [check, 16],
            [fields.urgPtr ?? 0, 16],
          ),
          options,
        );
      const zero = withCheck(0);
      const pseudo = pseudoHeader(above, zero.length + rest.length, 6);
      return withCheck(fields.check ?? internetChecksum(pseudo, zero, rest));
    },
  };
}

/** UDP; `check: 0` means none. */
export function udp(fields: { sport?: number; dport?: number; length?: number; check?: number } = {}): Layer {
  return {
    protocol: 17,
    build: (_next, rest, above) => {
      const length = fields.length ?? 8 + rest.length;
      const withCheck = (check: number): Uint8Array =>
        bits([fields.sport ?? 40000, 16], [fields.dport ?? 53, 16], [length, 16], [check, 16]);
      const pseudo = pseudoHeader(above, 8 + rest.length, 17);
      return withCheck(fields.check ?? (internetChecksum(pseudo, withCheck(0), rest) || 0xffff));
    },
  };
}

/** Fields of ICMP and ICMPv6: `rest` is the 32-bit word behind the checksum. */
export interface IcmpFields {
  type?: number;
  code?: number;
  check?: number;
  rest?: number;
}

function icmpLayer(protocol: number, fields: IcmpFields, type: number): Layer {
  return {
    protocol,
    build: (_next, rest, above) => {
      const withCheck = (check: number): Uint8Array =>
        bits([fields.type ?? type, 8], [fields.code ?? 0, 8], [check, 16], [fields.rest ?? 0x00010001, 32]);
      const pseudo = protocol === 58 ? pseudoHeader(above, 8 + rest.length, 58) : new Uint8Array(0);
      return withCheck(fields.check ?? internetChecksum(pseudo, withCheck(0), rest));
    },
  };
}

/** ICMP (echo request unless told). */
export const icmp = (fields: IcmpFields = {}): Layer => icmpLayer(1, fields, 8);

/** ICMPv6 (echo request unless told). */
export const icmp6 = (fields: IcmpFields = {}): Layer => icmpLayer(58, fields, 128);

/** SCTP's common header; the checksum isn't computed. */
export function sctp(fields: { sport?: number; dport?: number; vtag?: number; check?: number } = {}): Layer {
  return {
    protocol: 132,
    build: () =>
      bits([fields.sport ?? 5000, 16], [fields.dport ?? 38412, 16], [fields.vtag ?? 7, 32], [fields.check ?? 0, 32]),
  };
}

/** Raw bytes, or that many bytes counting up from 0x40. `as` announces them to the layer before. */
export function payload(
  content: number | Uint8Array | string,
  as: { etherType?: number; protocol?: number } = {},
): Layer {
  const bytes =
    typeof content === "number"
      ? Uint8Array.from({ length: content }, (_, index) => (0x40 + index) & 0xff)
      : typeof content === "string"
        ? new TextEncoder().encode(content)
        : content;
  return { ...as, build: () => bytes };
}

/** The frame cut at every length from `least` (14 is the least that a test run takes) to whole. */
export function everyCut(frame: Uint8Array, least = 14): Uint8Array[] {
  const cuts: Uint8Array[] = [];
  for (let length = least; length <= frame.length; length++) cuts.push(frame.slice(0, length));
  return cuts;
}
