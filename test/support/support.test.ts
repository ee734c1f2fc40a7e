// The judges judged: the oracle on frames written byte by byte here, the packet builder against known bytes, checksums, and the
// kernel access on maps and programs small enough to know by heart.

import { afterAll, describe, expect, test } from "vitest";
import { hex, inPrefix4, inPrefix6, ip4, ip6, littleEndian, mac, unhex } from "./addresses.ts";
import { createMap, LoadError, loadProgram } from "./bpf.ts";
import { closeAll } from "./native.ts";
import { read } from "./oracle.ts";
import { arp, eth, internetChecksum, ip, packet, tcp, udp, vlan } from "./packets.ts";
import { describeWith, kernelProblem } from "./requirements.ts";

const ETH = "020000000002 020000000001";
const IPV4_TCP = "4500 0028 1234 0000 40 06 0000 0a000001 0a000002";
const TCP_80 = "9c40 0050 00000001 00000000 50 02 ffff 0000 0000";
const IPV6 = (next: string): string =>
  `6000 0000 0000 ${next} 40 20010db8000000000000000000000001 20010db8000000000000000000000002`;

describe("the oracle on frames written by hand", () => {
  test.each([
    ["IPv4 and TCP", `${ETH} 0800 ${IPV4_TCP} ${TCP_80}`, 80],
    ["the last byte of TCP is missing", `${ETH} 0800 ${IPV4_TCP} ${TCP_80.slice(0, -2)}`, undefined],
    ["options", `${ETH} 0800 46${IPV4_TCP.slice(2)} 01010101 ${TCP_80}`, 80],
    ["a header length below 5", `${ETH} 0800 44${IPV4_TCP.slice(2)} ${TCP_80}`, undefined],
    ["a later fragment", `${ETH} 0800 ${IPV4_TCP.replace("1234 0000", "1234 0001")} ${TCP_80}`, undefined],
    ["a first fragment", `${ETH} 0800 ${IPV4_TCP.replace("1234 0000", "1234 2000")} ${TCP_80}`, 80],
    ["a data offset below 5", `${ETH} 0800 ${IPV4_TCP} ${TCP_80.replace("50 02", "40 02")}`, undefined],
    ["one tag", `${ETH} 8100 0005 0800 ${IPV4_TCP} ${TCP_80}`, 80],
    ["two tags", `${ETH} 88a8 0005 8100 0006 0800 ${IPV4_TCP} ${TCP_80}`, 80],
    ["three tags", `${ETH} 8100 0005 8100 0006 8100 0007 0800 ${IPV4_TCP} ${TCP_80}`, undefined],
    ["IPv6", `${ETH} 86dd ${IPV6("06")} ${TCP_80}`, 80],
    ["hop-by-hop of 16 bytes", `${ETH} 86dd ${IPV6("00")} 0601000000000000 0000000000000000 ${TCP_80}`, 80],
    ["a fragment header, offset 0", `${ETH} 86dd ${IPV6("2c")} 0600000100000000 ${TCP_80}`, 80],
    ["a fragment header, offset 1", `${ETH} 86dd ${IPV6("2c")} 0600000800000000 ${TCP_80}`, undefined],
    [
      "an authentication header of 16 bytes",
      `${ETH} 86dd ${IPV6("33")} 06020000 00000100 00000001 aaaaaaaa ${TCP_80}`,
      80,
    ],
    ["an authentication header that says 8 bytes", `${ETH} 86dd ${IPV6("33")} 06000000 00000100 ${TCP_80}`, undefined],
    [
      "six extension headers",
      `${ETH} 86dd ${IPV6("3c")} ${"3c00000000000000".repeat(5)} 0600000000000000 ${TCP_80}`,
      80,
    ],
    [
      "seven extension headers",
      `${ETH} 86dd ${IPV6("3c")} ${"3c00000000000000".repeat(6)} 0600000000000000 ${TCP_80}`,
      undefined,
    ],
  ])("%s", (_, bytes, dport) => {
    expect(read(unhex(bytes)).tcp?.dport).toBe(dport);
  });

  test("fields", () => {
    const reading = read(unhex(`${ETH} 8100 b00a 86dd ${IPV6("06").replace("6000 0000", "6b9a bcde")} ${TCP_80}`));
    expect(reading.vlan).toEqual([{ offset: 14, pcp: 5, dei: 1, id: 10, type: 0x86dd }]);
    expect(reading.ip6).toMatchObject({ version: 6, dscp: 46, ecn: 1, flow: 0xabcde, saddr: ip6("2001:db8::1") });
    expect(reading.tcp).toMatchObject({ offset: 58, sport: 40000, syn: true, ack: false, window: 65535 });
  });

  test.each([
    ["ARP is not opaque", packet(eth(), arp()), false],
    ["TCP that is there is not", packet(eth(), ip(), tcp()), false],
    ["TCP that is cut is", packet(eth(), ip(), tcp()).slice(0, 50), true],
    ["an unknown protocol is not", packet(eth(), ip({ protocol: 89 })), false],
    ["a later fragment is", packet(eth(), ip({ fragOff: 5 }), udp()), true],
    ["a third tag is", packet(eth(), vlan(), vlan(), vlan(), ip(), udp()), true],
  ])("%s", (_, frame, opaque) => {
    expect(read(frame).opaque).toBe(opaque);
  });
});

describe("the packet builder", () => {
  test("the checksum of RFC 1071, section 3", () => {
    expect(internetChecksum(unhex("0001 f203 f4f5 f6f7"))).toBe(0xffff - 0xddf2);
  });
  test("bytes as they are on the wire", () => {
    const frame = packet(eth(), ip({ id: 1, ttl: 1 }), udp({ sport: 1, dport: 2, check: 0 }));
    expect(hex(frame)).toBe(
      "020000000002020000000001" + "0800" + "4500001c000100000111a5ce0a0000010a000002" + "0001000200080000",
    );
  });
  test("addresses", () => {
    expect([mac("aa:bb:cc:dd:ee:ff"), ip4("255.0.0.1"), ip6("::ffff:1")]).toEqual([
      0xaabbccddeeff,
      0xff000001,
      0xffff0001n,
    ]);
    expect([inPrefix4(ip4("172.31.0.1"), "172.16.0.0/12"), inPrefix6(ip6("febf::1"), "fe80::/10")]).toEqual([
      true,
      true,
    ]);
    expect([inPrefix4(ip4("172.32.0.1"), "172.16.0.0/12"), inPrefix6(ip6("fec0::1"), "fe80::/10")]).toEqual([
      false,
      false,
    ]);
  });
});

describeWith("kernel access", [kernelProblem()], () => {
  afterAll(closeAll);

  test("maps: create, update, look up, iterate, delete, clear", () => {
    const map = createMap({ type: "hash", keySize: 2, valueSize: 4, maxEntries: 3 });
    for (const key of [1, 2, 3]) map.update(littleEndian(key, 2), littleEndian(key * 10, 4));
    expect(() => map.update(littleEndian(4, 2), littleEndian(0, 4))).toThrow(/errno 7/);
    expect(map.lookup(littleEndian(2, 2))).toEqual(littleEndian(20, 4));
    expect([map.delete(littleEndian(2, 2)), map.delete(littleEndian(2, 2)), map.lookup(littleEndian(2, 2))]).toEqual([
      true,
      false,
      null,
    ]);
    expect(
      map
        .entries()
        .map(([key]) => hex(key))
        .sort(),
    ).toEqual(["0100", "0300"]);
    map.clear();
    expect(map.keys()).toEqual([]);
  });

  test("per-CPU maps", () => {
    const map = createMap({ type: "percpu_array", keySize: 4, valueSize: 4, maxEntries: 1 });
    map.update(littleEndian(0, 4), littleEndian(7, 4));
    const values = map.lookupPerCpu(littleEndian(0, 4))!;
    expect(new Set(values.map(hex))).toEqual(new Set(["07000000"]));
    expect(map.entries()[0]?.[1].length).toBe(4 * values.length);
  });

  test("a program runs, and a bad one is refused with the verifier's log", () => {
    const program = loadProgram({ insns: unhex("b7000000 01000000 95000000 00000000") });
    const frame = packet(eth(), ip(), tcp());
    expect(program.run(frame)).toMatchObject({ verdict: "drop", data: frame });
    expect(() => program.run(frame.slice(0, 13))).toThrow(/errno 22/);
    expect(() => loadProgram({ insns: unhex("95000000 00000000") })).toThrow(LoadError);
    expect(() => loadProgram({ insns: unhex("95000000 00000000") })).toThrow(/R0 !read_ok/);
  });
});
