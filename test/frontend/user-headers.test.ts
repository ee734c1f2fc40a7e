// Headers that users define work like the library's: made by hand here for each kind of place and form, compiled, loaded, and run on
// packets laid out by hand and cut at every length; what must come out is worked out from the bytes by a few lines of each test.

import { afterAll, expect, test } from "vitest";
import { concat, hex, unhex } from "../support/addresses.ts";
import { compileText, objectFile, objectOf, temporaryFolder } from "../support/compile.ts";
import { loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { eth, ip, ipv6, packet, payload, tcp, udp, vlan } from "../support/packets.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";

const frame = (type: number, bytes: string): Uint8Array => packet(eth({ type }), payload(unhex(bytes)));
const over = (ports: { sport: number; dport: number }, bytes: string): Uint8Array =>
  packet(eth(), ip(), udp(ports), payload(unhex(bytes)));

interface HeaderCase {
  readonly name: string;
  readonly source: string;
  /** Whole frames; each is cut at every length. `until`: from this length on the frame gets `then`, below it `pass`. */
  readonly frames: readonly { readonly frame: Uint8Array; readonly then: string; readonly until: number }[];
}

const CASES: readonly HeaderCase[] = [
  {
    name: "on an EtherType",
    source:
      "header magic on eth 0x88b5, vlan 0x88b5 { tag : u32, port : u16 }\nif magic.port == 0x1234 then drop\nif magic then tx",
    frames: [
      { frame: frame(0x88b5, "00000000 1234 ffff"), then: "drop", until: 20 },
      { frame: frame(0x88b5, "00000000 1235 ffff"), then: "tx", until: 20 },
      { frame: frame(0x88b6, "00000000 1234 ffff"), then: "pass", until: 0 },
      { frame: packet(eth(), vlan({ type: 0x88b5 }), payload(unhex("00000000 1234"))), then: "drop", until: 24 },
    ],
  },
  {
    name: "on a UDP port, either way",
    source: "header app on udp 9999 { kind : u8, len : u8 }\nif app.kind == 7 then drop\nif app then tx",
    frames: [
      { frame: over({ sport: 5, dport: 9999 }, "0700"), then: "drop", until: 44 },
      { frame: over({ sport: 9999, dport: 5 }, "0700"), then: "drop", until: 44 },
      { frame: over({ sport: 9999, dport: 9999 }, "0800"), then: "tx", until: 44 },
      { frame: over({ sport: 9998, dport: 9997 }, "0700"), then: "pass", until: 0 },
    ],
  },
  {
    name: "on an EtherType and a UDP port at once",
    source: "header both on eth 0x88b5, udp 9999 { tag : u32 }\nif both.tag == 0xaabbccdd then drop",
    frames: [
      { frame: frame(0x88b5, "aabbccdd"), then: "drop", until: 18 },
      { frame: over({ sport: 1, dport: 9999 }, "aabbccdd"), then: "drop", until: 46 },
    ],
  },
  {
    name: "three in a chain, the middle one with a size of its own and a condition",
    source: `header a on eth 0x9000 { kind : u8, lo : 4, hi : 4 next kind }
      header b on a 1 2 { next_id : u16, words : u8, flags : u8 size words * 4 min 8 next next_id when flags != 0xff }
      header c on b 0x0102, a 9 { x : u64 }
      if c.x == 5 then drop
      if b then tx
      if a then aborted`,
    frames: [
      // a (2) b (8, then 12) c (8)
      { frame: frame(0x9000, "01 23 0102 02 00 00000000 0000000000000005"), then: "drop", until: 32 },
      { frame: frame(0x9000, "02 23 0102 03 00 00000000 00000000 0000000000000005"), then: "drop", until: 36 },
      { frame: frame(0x9000, "09 23 0000000000000005"), then: "drop", until: 24 },
    ].map((f) => ({ ...f, then: "drop" })),
  },
  {
    name: "one that repeats up to its depth",
    source:
      "header lab on eth 0x8847, lab 0 depth 3 { id : 20, tc : 3, s : 1, ttl : u8 next s }\nif lab[2].id == 3 then drop\nif lab[1] then tx\nif lab.s then aborted",
    frames: [
      { frame: frame(0x8847, "00001040 00002040 00003140"), then: "drop", until: 26 },
      { frame: frame(0x8847, "00001040 00002140 00003140"), then: "tx", until: 22 },
      { frame: frame(0x8847, "00001140 00003140"), then: "aborted", until: 18 },
      { frame: frame(0x8847, "00001040 00002040 00003040 00003140"), then: "drop", until: 26 },
    ],
  },
  {
    name: "an extension header of one's own on IPv6",
    source:
      "header mine extends ipv6 135 { nexthdr : u8, words : u8, what : u16 size words * 4 + 4 next nexthdr }\nif tcp.dport == 80 then drop\nif mine.what == 0xbeef then tx",
    frames: [
      {
        frame: concat(packet(eth(), ipv6({ nexthdr: 135 })), unhex("06 00 0000"), packet(tcp({ dport: 80, check: 0 }))),
        then: "drop",
        until: 78,
      },
      {
        frame: concat(
          packet(eth(), ipv6({ nexthdr: 135 })),
          unhex("06 02 0000 00000000 00000000"),
          packet(tcp({ dport: 80, check: 0 })),
        ),
        then: "drop",
        until: 86,
      },
      { frame: concat(packet(eth(), ipv6({ nexthdr: 135 })), unhex("3b 00 beef")), then: "tx", until: 58 },
    ],
  },
  {
    name: "the first of a packet besides Ethernet isn't met, but what hangs on Ethernet still is",
    source:
      "header q on eth 0x9001 { z : u8, a : 24, b : 48, c : 56, d : 40 }\nif q.a == 0x010203 and q.b == 0x0405060708 and q.c == 9 and q.d == 10 then drop",
    frames: [
      {
        frame: frame(
          0x9001,
          "ff 010203 000405060708 00000000000009 000000000a".replace("000405060708", "000405060708"),
        ),
        then: "drop",
        until: 36,
      },
    ],
  },
  {
    name: "fields of odd widths, compared and assigned",
    source:
      "header w on eth 0x9002 { a : 3, b : 60, c : 1, d : 64, e : 5, f : 33, g : 26 }\nif w.b == 3 and w.d == 0xffffffffffffffff and w.f == 1 then { w.c = 1 w.f = 7 drop }",
    frames: [{ frame: frame(0x9002, "0000000000000006 ffffffffffffffff 0000000004000000"), then: "drop", until: 38 }],
  },
];

/** For the chain: what comes before the last header is whole gets the verdict of what is there. */
function chainVerdict(bytes: Uint8Array): string {
  const body = bytes.subarray(14);
  if (body.length < 2) return "pass";
  const isC = (at: number): boolean => body.length >= at + 8 && hex(body.subarray(at, at + 8)) === "0000000000000005";
  if (body[0] === 9) return isC(2) ? "drop" : "aborted";
  if (body.length < 6 || body[4]! * 4 < 8) return "aborted";
  const c = 2 + body[4]! * 4;
  return isC(c) ? "drop" : "tx";
}

describeWith("headers of one's own in the kernel", [kernelProblem()], () => {
  afterAll(closeAll);
  const folder = temporaryFolder();

  test.each(CASES.flatMap((c) => ([0, 2] as const).map((level) => [`${c.name} (-O${level})`, level, c] as const)))(
    "%s",
    (_, optimise, { source, frames, name }) => {
      const object = loadObject(objectFile(objectOf(source, { optimise, checkEachPass: true }), "h.o", folder));
      try {
        for (const { frame: whole, then, until } of frames) {
          for (let length = 14; length <= whole.length; length++) {
            const bytes = whole.slice(0, length);
            const got = object.program().run(bytes).verdict;
            let wanted = length >= until ? then : "pass";
            if (name.startsWith("three")) wanted = chainVerdict(bytes);
            if (name.startsWith("one that repeats") && length < until) wanted = length >= 22 ? "tx" : "pass";
            expect(got, `${length} bytes of ${hex(whole)}`).toBe(wanted);
          }
        }
      } finally {
        object.close();
      }
    },
  );

  test("what was assigned stands in its bits only", () => {
    const object = loadObject(objectFile(objectOf(CASES.at(-1)!.source), "w.o", folder));
    const { data } = object.program().run(frame(0x9002, "0000000000000006 ffffffffffffffff 0000000004000000"));
    expect(hex(data.subarray(14))).toBe("0000000000000007" + "ffffffffffffffff" + "000000001c000000");
    object.close();
  });
});

test.each([
  ["a root beside Ethernet", "header raw { kind : u8 next kind }\nif raw.kind == 3 then drop"],
  ["a field of three bytes in a header of three", "header q on eth 0x9000 { a : 24 }\nif q.a == 3 then drop"],
  ["a size that another header tells", "header q on eth 0x9000 { l : u8 size ip.ttl next l }\nif q then drop"],
  ["a circle", "header a on b 1 { k : u8 next k }\nheader b on a 1 { k : u8 next k }\nif a then drop"],
  ["a parent without a selector", "header a on tcp 80 { k : u8 }\nif a then drop"],
])("%s is told or works", (_, source) => {
  const { diagnostics, output } = compileText(source);
  if (output === null) expect(diagnostics.every((d) => d.code === "X0208" && d.primary !== null)).toBe(true);
});
