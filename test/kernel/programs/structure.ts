// What a file holds: program blocks, sections, defaults, imports, comments and separators, and headers of the user's own that no
// library knows, read here by hand from the frame's bytes.

import { bigEndian, concat } from "../../support/addresses.ts";
import type { Reading } from "../../support/oracle.ts";
import { arp, eth, ip, ipv6, packet, payload, tcp, udp, vlan } from "../../support/packets.ts";
import { dropIf, member, rewritten, type SmallProgram, u16 } from "./case.ts";

/** Big-endian number of `size` bytes at `offset`, or undefined when they don't all fit. */
function numberAt(p: Reading, offset: number, size: number): number | undefined {
  if (offset + size > p.len) return undefined;
  return p.frame.subarray(offset, offset + size).reduce((value, byte) => value * 256 + byte, 0);
}

const MAGIC = 'header magic "our own" on eth 0x88b5, vlan 0x88b5, udp 9999 { tag : u32, port : u16 }\n';

/** Where `magic` starts: behind the link layer's type 0x88b5, or behind UDP with 9999 as one of its ports. */
function magicOffset(p: Reading): number | undefined {
  const type = p.vlan.at(-1)?.type ?? p.eth!.type;
  const link = 14 + 4 * p.vlan.length;
  const inUdp = p.udp !== undefined && (p.udp.dport === 9999 || p.udp.sport === 9999);
  const offset = type === 0x88b5 ? link : inUdp ? p.udp!.offset + 8 : undefined;
  return offset !== undefined && offset + 6 <= p.len ? offset : undefined;
}

const magicBytes = (tag: number, port: number): Uint8Array => concat(bigEndian(tag, 4), bigEndian(port, 2));
const magicFrames: readonly Uint8Array[] = [
  packet(eth({ type: 0x88b5 }), payload(magicBytes(0xcafe, 7)), payload(4)),
  packet(eth(), vlan({ type: 0x88b5 }), payload(magicBytes(0xcafe, 8))),
  packet(eth(), vlan(), vlan({ type: 0x88b5 }), payload(magicBytes(1, 7))),
  packet(eth(), ip(), udp({ dport: 9999 }), payload(magicBytes(0xcafe, 7))),
  packet(eth(), ipv6(), udp({ sport: 9999, dport: 1 }), payload(magicBytes(2, 7))),
  packet(eth(), ip(), udp({ dport: 9998 }), payload(magicBytes(0xcafe, 7))),
];

export const structurePrograms: readonly SmallProgram[] = [
  {
    name: "comments, separators, free layout",
    source:
      "# nothing but rules\nif tcp.dport == 80 then drop; if udp then tx # to the end; if ip then drop\n\n\nif\n  arp\nthen\n  aborted\n",
    expect: (p) =>
      p.tcp?.dport === 80 ? "drop" : p.udp !== undefined ? "tx" : p.arp !== undefined ? "aborted" : "pass",
  },
  {
    name: "CRLF line ends",
    source: "if tcp then drop\r\nif udp then tx\r\n",
    expect: (p) => (p.tcp ? "drop" : p.udp ? "tx" : "pass"),
  },
  {
    name: "a program block",
    source: "program only { if tcp then drop }\n",
    program: "only",
    expect: (p) => dropIf(p.tcp !== undefined),
  },
  {
    name: "the second of two programs, with its own default",
    source: "program first { drop }\nprogram second { default drop if udp then pass }\n",
    program: "second",
    expect: (p) => (p.udp !== undefined ? "pass" : "drop"),
  },
  {
    name: "a section of its own",
    source: 'program hello section "xdp_hello" { if arp then drop pass }\n',
    program: "hello",
    expect: (p) => dropIf(p.arp !== undefined),
  },
  {
    name: "multi-buffer",
    source: "program big frags { if tcp.dport == 80 then drop }\n",
    program: "big",
    expect: (p) => dropIf(p.tcp?.dport === 80),
  },
  {
    name: "programs share maps",
    source:
      "set ports : u16[16]\nprogram a { if tcp.dport in ports then drop }\nprogram b { if udp.dport in ports then drop }\n",
    program: "b",
    before: { ports: [member(u16(53))] },
    expect: (p) => dropIf(p.udp?.dport === 53),
  },
  {
    name: "another licence",
    source: 'license "Dual BSD/GPL"\nif tcp then drop\n',
    expect: (p) => dropIf(p.tcp !== undefined),
  },
  {
    name: "an import",
    source: 'import "common.xdp"\nguard()\nif is_web() then tx\n',
    files: { "common.xdp": "const WEB = 80\nfn is_web() = tcp.dport == WEB\nfn guard() { if udp then drop }\n" },
    expect: (p) => (p.udp !== undefined ? "drop" : p.tcp?.dport === 80 ? "tx" : "pass"),
  },
  {
    name: "an import of an import, reached twice",
    source: 'import "a.xdp"\nimport "b.xdp"\nif tcp.dport in ports and is_low() then drop\n',
    files: {
      "a.xdp": 'import "b.xdp"\nfn is_low() = tcp.dport < LIMIT\n',
      "b.xdp": "const LIMIT = 1024\nset ports : u16[16]\n",
    },
    before: { ports: [member(u16(80)), member(u16(8080))] },
    expect: (p) => dropIf(p.tcp?.dport === 80),
  },
  {
    name: "words are names after a dot and before a colon",
    source:
      "struct S { set : u32, map : u16 }\nmap m : array<S>[1]\nm[0] = S { set: meta.len, map: 3 }\nif eth.type == 0x0806 then drop\n",
    maps: ["m"],
    expect: (p, state) => {
      state.put("m", bigEndian(0, 4), concat(bigEndian(p.len, 4).reverse(), new Uint8Array([3, 0, 0, 0])));
      return dropIf(p.eth!.type === 0x0806);
    },
  },

  // Headers that the library doesn't have.
  {
    name: "a header of one's own, present",
    source: `${MAGIC}if magic then drop\n`,
    extra: magicFrames,
    expect: (p) => dropIf(magicOffset(p) !== undefined),
  },
  {
    name: "opaque asks for layer 4, not for what follows it",
    source: `${MAGIC}if opaque then drop\nif magic then tx\n`,
    extra: magicFrames,
    expect: (p) => (p.opaque ? "drop" : magicOffset(p) !== undefined ? "tx" : "pass"),
  },
  {
    name: "a header of one's own, its fields",
    source: `${MAGIC}if magic.tag == 0xcafe and magic.port == 7 then drop\nif magic.port != 7 then tx\n`,
    extra: magicFrames,
    expect: (p) => {
      const at = magicOffset(p);
      if (at === undefined) return "pass";
      const port = numberAt(p, at + 4, 2);
      if (numberAt(p, at, 4) === 0xcafe && port === 7) return "drop";
      return port !== 7 ? "tx" : "pass";
    },
  },
  {
    name: "a header of one's own, assigned to",
    source:
      'header magic "our own" on eth 0x88b5 { tag : u32, port : u16 }\nif magic then { magic.port += 1\n magic.tag = 0x01020304\n tx }\n',
    extra: magicFrames,
    expect: (p) => {
      if (p.eth!.type !== 0x88b5 || p.len < 20) return "pass";
      return rewritten("tx", p, [14, magicBytes(0x01020304, (numberAt(p, 18, 2)! + 1) & 0xffff)]);
    },
  },
  {
    name: "fields across bytes in a header of one's own",
    source:
      'header odd "odd" on eth 0x88b6 { a : 3, b : 11, c : 2, d : 24, e : u8 }\nif odd.a == 2 and odd.b > 100 then drop\nif odd.c == 1 then tx\nif odd.d == 0x464748 then aborted\n',
    expect: (p) => {
      const head = p.eth!.type === 0x88b6 && p.len >= 20 ? numberAt(p, 14, 2)! : undefined;
      if (head === undefined) return "pass";
      if (head >> 13 === 2 && ((head >> 2) & 0x7ff) > 100) return "drop";
      if ((head & 3) === 1) return "tx";
      return numberAt(p, 16, 3) === 0x464748 ? "aborted" : "pass";
    },
    extra: [
      packet(eth({ type: 0x88b6 }), payload(new Uint8Array([0x42, 0x30, 0x46, 0x47, 0x48, 0]))),
      packet(eth({ type: 0x88b6 }), payload(new Uint8Array([0x5f, 0xfd, 0x46, 0x47, 0x48, 0]))),
      packet(eth({ type: 0x88b6 }), payload(new Uint8Array([0x02, 0x30, 0x46, 0x47, 0x48, 0]))),
      packet(eth({ type: 0x88b6 }), payload(new Uint8Array([0x02, 0x31, 0x46, 0x47, 0x48, 0]))),
    ],
  },
  {
    name: "a header with a size and what follows it",
    source:
      'header tlv "type, length, value" on udp 12345 { kind : u8, len : u8, id : u16\n  size len * 2 + 4\n  next kind }\nheader leaf "end" on tlv 7 { value : u32 }\nif leaf.value == 5 then drop\nif tlv.kind == 7 and not leaf then tx\n',
    extra: [0, 1, 3, 200].flatMap((len) =>
      [7, 8].map((kind) =>
        packet(
          eth(),
          ip(),
          udp({ dport: 12345, sport: 1 }),
          payload(concat(new Uint8Array([kind, len, 0, 0]), new Uint8Array(len < 100 ? len * 2 : 0), bigEndian(5, 4))),
        ),
      ),
    ),
    expect: (p) => {
      if (p.udp === undefined || (p.udp.dport !== 12345 && p.udp.sport !== 12345)) return "pass";
      const at = p.udp.offset + 8;
      const kind = numberAt(p, at, 4) === undefined ? undefined : numberAt(p, at, 1);
      if (kind !== 7) return "pass";
      const value = numberAt(p, at + numberAt(p, at + 1, 1)! * 2 + 4, 4);
      return value === undefined ? "tx" : value === 5 ? "drop" : "pass";
    },
  },
  {
    name: "one more place for a header that exists",
    source: "header arp on eth 0x9100\nif arp.op == 2 then drop\nif arp then tx\n",
    extra: [packet(eth({ type: 0x9100 }), arp({ op: 2 })), packet(eth({ type: 0x9100 }), arp({ op: 1 }))],
    expect: (p) => {
      const op = p.arp?.op ?? (p.eth!.type === 0x9100 && p.len >= 42 ? numberAt(p, 20, 2) : undefined);
      return op === undefined ? "pass" : op === 2 ? "drop" : "tx";
    },
  },
  {
    name: "a further extension header of IPv6",
    source:
      'header mobility "Mobility" rfc 6275 extends ipv6 135 { nexthdr : u8, hdrlen : u8, rest : u8[6]\n  size hdrlen * 8 + 8\n  next nexthdr }\nif mobility and tcp.dport == 80 then drop\n',
    extra: [
      packet(eth(), ipv6({ nexthdr: 135 }), payload(new Uint8Array([6, 0, 0, 0, 0, 0, 0, 0])), tcp({ dport: 80 })),
      packet(eth(), ipv6({ nexthdr: 135 }), payload(new Uint8Array([6, 1, ...new Uint8Array(14)])), tcp({ dport: 80 })),
      packet(eth(), ipv6({ nexthdr: 135 }), payload(new Uint8Array([17, 0, 0, 0, 0, 0, 0, 0])), tcp({ dport: 80 })),
    ],
    expect: (p) => {
      // Only chains that begin with it are in the corpus with a TCP header behind it.
      if (p.ip6?.nexthdr !== 135) return "pass";
      const at = p.ip6.offset + 40;
      if (numberAt(p, at, 8) === undefined || numberAt(p, at, 1) !== 6) return "pass";
      const start = at + (numberAt(p, at + 1, 1)! + 1) * 8;
      const offset = numberAt(p, start + 12, 1);
      return dropIf(
        numberAt(p, start, 20) !== undefined &&
          offset !== undefined &&
          offset >> 4 >= 5 &&
          numberAt(p, start + 2, 2) === 80,
      );
    },
  },
];
