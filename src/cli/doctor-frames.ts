// The frames without which nobody reaches a machine: what resolves its addresses, and how a connection to a port of it begins. For
// `xdpc doctor`, which runs a program on them. Bytes only; which program, and what becomes of them, is known by others.
// Source: RFC 826 (ARP), RFC 4861 section 4 (neighbour discovery), RFC 9293 (TCP), RFC 1071 (sums).

import type { ManagementFacts } from "../device/doctor-facts.ts";
import type { OwnAddress } from "../device/doctor-gather.ts";

/** A frame to this machine. */
export interface ManagementFrame extends Pick<ManagementFacts, "what" | "frame" | "family" | "mend"> {
  readonly bytes: Uint8Array;
}

const BROADCAST = Uint8Array.of(255, 255, 255, 255, 255, 255);
const NEIGHBOUR_MAC = Uint8Array.of(0x02, 0, 0, 0, 0, 0x01);
/** Where nothing is known of the device: the addresses for documentation. */
const EXAMPLE = {
  mac: Uint8Array.of(0x02, 0, 0, 0, 0, 0x02),
  IPv4: Uint8Array.of(192, 0, 2, 1),
  IPv6: Uint8Array.of(0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
} as const;

/** The frames for a device with this MAC address and these addresses, for each family and port. */
export function managementFrames(
  mac: Uint8Array | null,
  addresses: readonly OwnAddress[],
  ports: readonly number[],
): readonly ManagementFrame[] {
  const own = mac ?? EXAMPLE.mac;
  const first = (family: "IPv4" | "IPv6"): Uint8Array =>
    addresses.find((one) => one.family === family)?.bytes ?? EXAMPLE[family];
  const arp = { what: "arp", family: "IPv4", mend: "if arp then pass" } as const;
  const nd = { what: "nd", family: "IPv6", mend: "if icmp6.type in { 135, 136 } then pass" } as const;
  const [ip, ip6] = [first("IPv4"), first("IPv6")];
  const frames: ManagementFrame[] = [
    { ...arp, frame: "an ARP request", bytes: arpFrame(1, own, ip) },
    { ...arp, frame: "an ARP reply", bytes: arpFrame(2, own, ip) },
    { ...nd, frame: "a neighbour solicitation", bytes: neighbourFrame(135, own, ip6) },
    { ...nd, frame: "a neighbour advertisement", bytes: neighbourFrame(136, own, ip6) },
  ];
  for (const port of ports) {
    const what = { what: "port", mend: `if tcp.dport == ${port} then pass` } as const;
    for (const family of ["IPv4", "IPv6"] as const) {
      const address = first(family);
      const over = `to TCP port ${port} over ${family}`;
      frames.push(
        { ...what, family, frame: `a connection ${over}`, bytes: tcpFrame(own, address, port, 0x02) },
        { ...what, family, frame: `an open connection ${over}`, bytes: tcpFrame(own, address, port, 0x10) },
      );
    }
  }
  return frames;
}

/** Another machine of the same network. */
function neighbour(address: Uint8Array): Uint8Array {
  const other = address.slice();
  other[other.length - 1] = (other.at(-1) ?? 0) ^ 3;
  return other;
}

function arpFrame(operation: 1 | 2, mac: Uint8Array, address: Uint8Array): Uint8Array {
  const to = operation === 1 ? BROADCAST : mac;
  const target = operation === 1 ? new Uint8Array(6) : mac;
  const fixed = [0, 1, 8, 0, 6, 4, 0, operation];
  const body = [...fixed, ...NEIGHBOUR_MAC, ...neighbour(address), ...target, ...address];
  return padded([...to, ...NEIGHBOUR_MAC, 0x08, 0x06, ...body]);
}

function neighbourFrame(type: 135 | 136, mac: Uint8Array, address: Uint8Array): Uint8Array {
  const from = neighbour(address);
  const solicited = [0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, ...address.slice(13)];
  const to = type === 135 ? solicited : [...address];
  const toMac = type === 135 ? [0x33, 0x33, ...solicited.slice(12)] : [...mac];
  // The address that is asked for, or the neighbour's; then the link-layer address: the source's, or the target's.
  const subject = type === 135 ? address : from;
  const message = [type, 0, 0, 0, type === 135 ? 0 : 0x60, 0, 0, 0, ...subject, type - 134, 1, ...NEIGHBOUR_MAC];
  return ipv6Frame(toMac, from, to, 58, 255, message, 2);
}

function tcpFrame(mac: Uint8Array, address: Uint8Array, port: number, flags: number): Uint8Array {
  const from = neighbour(address);
  const acknowledged = flags === 0x10 ? [0, 0, 0, 1] : [0, 0, 0, 0];
  const segment = [0xc0, 0, port >> 8, port & 255, 0, 0, 0, 1, ...acknowledged, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0];
  if (address.length === 16) return ipv6Frame([...mac], from, [...address], 6, 64, segment, 16);
  setSum(segment, 16, [...from, ...address, 0, 6, 0, segment.length]);
  const header = [0x45, 0, 0, 20 + segment.length, 0, 1, 0x40, 0, 64, 6, 0, 0, ...from, ...address];
  setSum(header, 10, []);
  return padded([...mac, ...NEIGHBOUR_MAC, 0x08, 0x00, ...header, ...segment]);
}

function ipv6Frame(
  toMac: readonly number[],
  from: Uint8Array,
  to: readonly number[],
  protocol: number,
  hopLimit: number,
  message: number[],
  sumAt: number,
): Uint8Array {
  setSum(message, sumAt, [...from, ...to, 0, 0, 0, message.length, 0, 0, 0, protocol]);
  const header = [0x60, 0, 0, 0, 0, message.length, protocol, hopLimit, ...from, ...to];
  return padded([...toMac, ...NEIGHBOUR_MAC, 0x86, 0xdd, ...header, ...message]);
}

/** Puts the Internet checksum of `bytes` and `pseudo` into two bytes that are zero. */
function setSum(bytes: number[], at: number, pseudo: readonly number[]): void {
  const all = [...pseudo, ...bytes];
  let sum = 0;
  for (let i = 0; i < all.length; i += 2) sum += ((all[i] ?? 0) << 8) | (all[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  bytes[at] = (~sum >> 8) & 255;
  bytes[at + 1] = ~sum & 255;
}

/** Frames have at least 60 bytes. */
function padded(bytes: readonly number[]): Uint8Array {
  return Uint8Array.from({ length: Math.max(60, bytes.length) }, (_, i) => bytes[i] ?? 0);
}
