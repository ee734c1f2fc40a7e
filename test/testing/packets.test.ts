// Packets as tests write them: bytes by hand first, then against the test support's own builder, then taken apart again.

import { describe, expect, test } from "vitest";
import { readPacket, wrongValue } from "../../src/testing/read-packet.ts";
import * as by from "../support/packets.ts";
import { frameOf, hex, modelOf, said } from "./support.ts";

describe("bytes by hand", () => {
  test("TCP over IPv4: selectors, lengths, checksums, defaults", () => {
    expect(hex(frameOf("eth / ip(saddr: 10.0.0.1, daddr: 10.0.0.2) / tcp(sport: 1, dport: 80, syn: 1)"))).toBe(
      [
        "000000000000000000000000" + "0800",
        // 45 00 0028 0000 0000 40 06: ones' complement sum of the words is 26ce without the check.
        "45000028" + "00000000" + "4006" + "66ce" + "0a000001" + "0a000002",
        "00010050" + "00000000" + "00000000" + "5002" + "0000" + "9b8f" + "0000",
      ].join(""),
    );
  });

  test("a payload of odd length, UDP", () => {
    expect(hex(frameOf('eth / ip / udp(dport: 53) / "abc"')).slice(28)).toBe(
      "4500001f" + "00000000" + "4011" + "7acf" + "00000000" + "00000000" + "00000035" + "000b" + "3b41" + "616263",
    );
  });

  test("two tags and what a selector given otherwise does", () => {
    expect(hex(frameOf("eth / vlan(pcp: 7, id: 5) / vlan(id: 4095) / arp(op: 2, sha: 02:00:00:00:00:01)"))).toBe(
      "000000000000" +
        "000000000000" +
        "8100" +
        "e0058100" +
        "0fff0806" +
        "0001080006040002" +
        "020000000001" +
        "00000000" +
        "000000000000" +
        "00000000",
    );
    expect(hex(frameOf("eth(type: 0x88a8) / vlan(type: 1) / ip")).slice(24, 36)).toBe("88a800000001");
  });

  test("options: the size follows from the bytes, or the bytes from the size", () => {
    expect(hex(frameOf('eth / ip(hex("94040000")) / icmp')).slice(28, 84)).toBe(
      "46000020" + "00000000" + "4001e5d9" + "0000000000000000" + "94040000" + "0000ffff",
    );
    expect(hex(frameOf("eth / ip(ihl: 7) / icmp")).slice(28, 36)).toBe("47000024");
    const tcp = hex(frameOf('eth / ip / tcp(hex("020405b401"))')).slice(68);
    // 0006 + 001c + 7000 + 0204 + 05b4 + 0100 = 78da: the number, the length, the words.
    expect(tcp).toBe("00000000" + "00000000" + "00000000" + "7000" + "0000" + "8725" + "0000" + "020405b401000000");
    expect(hex(frameOf("eth / ip(ihl: 4) / udp")).slice(28, 36)).toBe("4400001c");
  });

  test("fields that bits announce", () => {
    // The sum: b000 + 0800 + 5 + 9 + 6162 = 11970, folded 1971.
    expect(hex(frameOf('eth / ip / gre(c: 1, key: 5, seq: 9, type: 0x0800) / "ab"')).slice(68)).toBe(
      "b0000800" + "e68e0000" + "00000005" + "00000009" + "6162",
    );
    expect(hex(frameOf("eth / ip / gre(k: 1) / ip")).slice(68, 86)).toBe("2000080000000000" + "45");
    expect(hex(frameOf("eth / ip / gre(k: 0, key: 7) / ip")).slice(68, 78)).toBe("00000800" + "45");
  });

  test("extension headers: the upper layer's number, not the chain's, in the sum", () => {
    const plain = frameOf("eth / ip6(saddr: 2001:db8::1, daddr: 2001:db8::2) / udp(dport: 9)");
    const chained = frameOf("eth / ip6(saddr: 2001:db8::1, daddr: 2001:db8::2) / hopopts / dstopts / udp(dport: 9)");
    expect(hex(chained).slice(108, 112)).toBe("3c00");
    expect(hex(chained).slice(-16)).toBe(hex(plain).slice(-16));
    expect(hex(chained).slice(36, 40)).toBe("0018");
  });

  test("bytes as they are, cut, zeros", () => {
    expect(hex(frameOf('hex("00 11:22.33 44")'))).toBe("0011223344");
    expect(hex(frameOf('"ab" / zeros(3)'))).toBe("6162000000");
    expect(frameOf("eth / ip / tcp / cut(40)").length).toBe(40);
    expect(hex(frameOf("eth / ip / tcp / cut(18)")).slice(28)).toBe("45000028");
  });
});

const SAME: readonly (readonly [string, Uint8Array])[] = [
  [
    'eth(saddr: 02:00:00:00:00:01) / ip(ttl: 1, id: 7) / tcp(dport: 80, ack: 1) / "hello"',
    by.packet(
      by.eth({ saddr: "02:00:00:00:00:01", daddr: 0 }),
      by.ip({ ttl: 1, id: 7, saddr: "0.0.0.0", daddr: "0.0.0.0" }),
      by.tcp({ sport: 0, dport: 80, flags: by.TCP_FLAGS.ack, window: 0, seq: 0, ackSeq: 0 }),
      { build: () => new TextEncoder().encode("hello") },
    ),
  ],
];

test.each(SAME)("the same as another builder makes: %s", (written, frame) => {
  expect(hex(frameOf(written))).toBe(hex(frame));
});

describe("read again", () => {
  const { headers } = modelOf("pass");
  const WRITTEN = [
    "eth",
    "eth / arp",
    "eth / ip / tcp",
    'eth / ip(hex("01010101")) / udp / "x"',
    "eth / vlan / vlan / ip6 / icmp6",
    "eth / ip6 / hopopts / routing / frag / udp",
    "eth / ip6 / ah / tcp",
    "eth / ip / sctp / zeros(5)",
    "eth / ip / icmp / zeros(1400)",
  ];
  test.each(WRITTEN)("%s", (written) => {
    const packet = readPacket(headers, frameOf(written));
    const names = packet.headers.map((p) => p.header.alias ?? p.header.name);
    expect(names.join(" ")).toBe(
      written
        .replace(/\([^)]*\)+/g, "")
        .replace(/ \/ ("x"|zeros)/, "")
        .replaceAll(" / ", " "),
    );
    for (const [i, placed] of packet.headers.entries()) {
      for (const field of placed.header.fields.values()) expect(wrongValue(packet, i, field), field.name).toBe(null);
    }
  });

  test("a byte changed anywhere behind IPv4's addresses is noticed by a sum", () => {
    const frame = frameOf('eth / ip(saddr: 1.2.3.4) / udp(dport: 5) / "payload"');
    for (let at = 26; at < frame.length; at++) {
      const changed = Uint8Array.from(frame);
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      const packet = readPacket(headers, changed);
      const wrong = packet.headers.flatMap((p, i) =>
        [...p.header.fields.values()].filter((f) => wrongValue(packet, i, f) !== null),
      );
      expect(wrong.length, `byte ${at}`).toBeGreaterThan(0);
    }
  });

  test("a short frame may be filled up; a long one whose length is short is wrong", () => {
    const length = (frame: Uint8Array): bigint | null => {
      const packet = readPacket(headers, frame);
      const field = packet.headers[1]?.header.fields.get("tot_len");
      if (field === undefined) throw new Error("no tot_len");
      return wrongValue(packet, 1, field);
    };
    const frame = frameOf("eth / ip / udp");
    expect(length(Uint8Array.of(...frame, ...new Uint8Array(18)))).toBe(null);
    expect(length(Uint8Array.of(...frame, ...new Uint8Array(19)))).toBe(47n);
    expect(length(frame.slice(0, -1))).toBe(27n);
  });
});

test("a header of one's own, with a default, a length and a sum", () => {
  const declared = `header magic on eth 0x88b5 { version : 4 = 3, words : 4, len : u16 length(header, payload), sum : u16 checksum(header, payload), kind : u8 = 9
    size words * 4 min 8  next kind }
  header deep on magic 7 { x : u16 }`;

  // 3200 + 0800 + 0009 = 3a09; 3200 + 0a00 + 0007 + 1234 = 4e3b.
  expect(hex(frameOf("eth / magic", declared)).slice(24)).toBe("88b5" + "32" + "0008" + "c5f6" + "09" + "0000");
  expect(hex(frameOf("eth / magic / deep(x: 0x1234)", declared)).slice(24)).toBe(
    "88b5" + "32" + "000a" + "b1c4" + "07" + "0000" + "1234",
  );
});

describe("what can't be a packet", () => {
  const CASES: readonly (readonly [string, string])[] = [
    ["ip / tcp", "X0803 a packet doesn't begin with `ip`"],
    ["eth / tcp", "X0802 `tcp` never follows `eth`"],
    ["eth / ip / eth", "X0802 `eth` never follows `ip`"],
    ['eth / "a" / ip', "X0803 `ip` stands behind bytes"],
    ["eth / cut(3) / ip", "X0803 `cut` stands at a packet's end"],
    ["cut(3)", "X0803 `cut` stands at a packet's end"],
    ['hex("0")', "X0803 bytes are written as pairs of hex digits"],
    ["hex(12)", "X0803 bytes are written as pairs of hex digits"],
    ["zeros(70000)", "X0803 a packet has up to 65535 bytes"],
    ["zeros()", "X0305 `zeros` takes one value: `zeros(100)`, but 0 are given"],
    ["eth / tpc", "X0202 nothing is called `tpc`"],
    ["eth / ip(ttl: 300)", "X0302 300 doesn't fit u8"],
    ["eth / ip(ihl: 16)", "X0302 16 doesn't fit the 4 bits of `ihl`"],
    ["eth / ip(tll: 3)", "X0203 `ip` has no field `tll`"],
    ["eth / ip(saddr: 80)", "X0301 this is an integer, but an IPv4 address is needed"],
    ["eth / ip(ttl: meta.len)", "X0304"],
    ["eth / udp_map", "X0803 `udp_map` is no header"],
    ['eth / ip / udp("x")', "X0803 a `udp` header has its fields and nothing behind them"],
    ["eth / ip(64)", "X0803 a field's value has the field's name before it"],
  ];
  test.each(CASES)("%s: %s", (written, message) => {
    const first = said(`set udp_map : u16[4]\npass\ntest "t" { packet ${written}\n expect pass }`)[0];
    if (message.length > 5) expect(first).toBe(message);
    else expect(first).toMatch(/^X0/);
  });
});
