// Captures: files written by hand, byte for byte; all formats there and back in pieces of any size; damage of every kind ends in a
// CaptureFault and never in anything else; what tcpdump and Wireshark's tools write is read, and what we write they read alike.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { CapturedPacket } from "../../src/vm/pcap.ts";
import { CaptureFault, captureLimits } from "../../src/vm/pcap.ts";
import { CaptureReader, readCapture } from "../../src/vm/pcap-read.ts";
import { CaptureWriter, type CaptureWriterOptions } from "../../src/vm/pcap-write.ts";
import { describeWith, findTool, toolProblem } from "../support/requirements.ts";

const seed = process.env.FC_SEED === undefined ? {} : { seed: Number(process.env.FC_SEED) };
const runs = (count: number) => ({ numRuns: Math.ceil((count * Number(process.env.FC_RUNS ?? 100)) / 100), ...seed });

const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replace(/\s|\/\/.*/g, ""), "hex"));
const read = (bytes: Uint8Array): CapturedPacket[] => [...readCapture(bytes)];

function faultOf(bytes: Uint8Array): { packets: number; kind: string; offset: number } | null {
  let packets = 0;
  try {
    for (const _ of readCapture(bytes)) packets += 1;
    return null;
  } catch (error) {
    if (!(error instanceof CaptureFault)) throw error;
    return { packets, kind: error.kind, offset: error.offset };
  }
}

const littleMicro = `
  d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000
  01000000 02000000 03000000 3c000000 aabbcc
  02000000 3f420f00 00000000 00000000
`;
const bigNano = `
  a1b23c4d 0002 0004 00000000 00000000 00040000 00000001
  00000001 3b9ac9ff 00000002 00000002 0102
`;
const sectionLittle = "0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000";
const sectionBig = "0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c";
const interfaceLittle = "01000000 14000000 0100 0000 00000000 14000000";
/** Nanoseconds, a day later, with a name before and an end behind. */
const interfaceBig = `
  00000001 00000034 0001 0000 00000003
  0002 0003 65746800 0009 0001 09000000 000e 0008 0000000000015180 0000 0000 00000034
`;

describe("files by hand", () => {
  test("pcap, little-endian, microseconds", () => {
    expect(read(bytesOf(littleMicro))).toEqual([
      { bytes: bytesOf("aabbcc"), originalBytes: 60, timeNs: 1_000_002_000n, linkType: 1, interfaceIndex: 0 },
      { bytes: bytesOf(""), originalBytes: 0, timeNs: 2_999_999_000n, linkType: 1, interfaceIndex: 0 },
    ]);
  });

  test("pcap, big-endian, nanoseconds", () => {
    expect(read(bytesOf(bigNano))).toEqual([
      { bytes: bytesOf("0102"), originalBytes: 2, timeNs: 1_999_999_999n, linkType: 1, interfaceIndex: 0 },
    ]);
  });

  test("pcap: what stands above the link type is no part of it", () => {
    const file = bytesOf(bigNano);
    file[20] = 0xf4;
    expect(read(file)[0]?.linkType).toBe(1);
  });

  test("pcapng: both byte orders in one file, options, simple and obsolete packets, unknown blocks", () => {
    const file = bytesOf(`
      ${sectionLittle} ${interfaceLittle}
      06000000 24000000 00000000 00000000 01000000 02000000 2a000000 abcd0000 24000000
      00000bad 10000000 ffffffff 10000000
      03000000 14000000 04000000 01020304 14000000
      ${sectionBig} ${interfaceBig}
      00000006 0000002c 00000000 00000000 3b9aca01 00000003 00000003 01020300 0001 0000 0000 0000 0000002c
      00000002 00000024 0000 0000 00000001 00000000 00000001 00000001 07000000 00000024
      00000003 00000014 00000009 01020300 00000014
    `);
    const day = 86_400_000_000_000n;
    expect(read(file).map(({ bytes, ...rest }) => ({ ...rest, bytes: Buffer.from(bytes).toString("hex") }))).toEqual([
      { bytes: "abcd", originalBytes: 42, timeNs: 1000n, linkType: 1, interfaceIndex: 0 },
      { bytes: "01020304", originalBytes: 4, timeNs: 0n, linkType: 1, interfaceIndex: 0 },
      { bytes: "010203", originalBytes: 3, timeNs: day + 1_000_000_001n, linkType: 1, interfaceIndex: 0 },
      { bytes: "07", originalBytes: 1, timeNs: day + 2n ** 32n, linkType: 1, interfaceIndex: 0 },
      { bytes: "010203", originalBytes: 9, timeNs: 0n, linkType: 1, interfaceIndex: 0 },
    ]);
  });

  test("pcapng: a resolution of a power of two", () => {
    const file = bytesOf(`${sectionLittle}
      01000000 20000000 0100 0000 00000000 0900 0100 8a000000 0000 0000 20000000
      06000000 24000000 00000000 00000000 00060000 02000000 02000000 abcd0000 24000000`);
    expect(read(file)[0]?.timeNs).toBe(1_500_000_000n);
  });
});

describe("damage", () => {
  const packet = "06000000 24000000 00000000 00000000 01000000 02000000 2a000000 abcd0000 24000000";
  const one = (hex: string, replace: [string, string]): Uint8Array => {
    expect(hex).toContain(replace[0]);
    return bytesOf(hex.replace(...replace));
  };
  const good = `${sectionLittle} ${interfaceLittle} ${packet}`;

  test.each([
    ["nothing", new Uint8Array(0), { packets: 0, kind: "not-capture", offset: 0 }],
    ["another file", bytesOf("7f454c46 00000000"), { packets: 0, kind: "not-capture", offset: 0 }],
    [
      "an unknown version of pcap",
      one(littleMicro, ["0200 0400", "0300 0000"]),
      { packets: 0, kind: "version", offset: 4 },
    ],
    [
      "a packet of 4 GiB",
      one(littleMicro, ["03000000 3c", "ffffffff 3c"]),
      { packets: 0, kind: "record-length", offset: 32 },
    ],
    [
      "a section without byte order",
      one(good, ["4d3c2b1a", "4d3c2b1b"]),
      { packets: 0, kind: "byte-order", offset: 8 },
    ],
    [
      "an unknown version of pcapng",
      one(good, ["0100 0000 ffff", "0200 0000 ffff"]),
      { packets: 0, kind: "version", offset: 12 },
    ],
    [
      "a block of no bytes",
      one(good, ["06000000 24000000", "06000000 00000000"]),
      { packets: 0, kind: "block-length", offset: 52 },
    ],
    [
      "a block of 3 words and a byte",
      one(good, ["06000000 24000000", "06000000 0d000000"]),
      { packets: 0, kind: "block-length", offset: 52 },
    ],
    [
      "a block of 4 GiB",
      one(good, ["06000000 24000000", "06000000 fcffffff"]),
      { packets: 0, kind: "block-length", offset: 52 },
    ],
    [
      "a length that differs at the end",
      one(good, ["abcd0000 24", "abcd0000 28"]),
      { packets: 0, kind: "block-length", offset: 80 },
    ],
    [
      "a packet longer than its block",
      one(good, ["02000000 2a", "05000000 2a"]),
      { packets: 0, kind: "record-length", offset: 68 },
    ],
    ["a packet of no interface", bytesOf(`${sectionLittle} ${packet}`), { packets: 0, kind: "interface", offset: 36 }],
    [
      "an interface of an earlier section",
      bytesOf(`${good} ${sectionLittle} ${packet}`),
      { packets: 1, kind: "interface", offset: 120 },
    ],
    [
      "an option longer than its block",
      one(`${sectionBig} ${interfaceBig}`, ["0002 0003", "0002 0103"]),
      { packets: 0, kind: "block-length", offset: 44 },
    ],
    [
      "a resolution of two bytes",
      one(`${sectionBig} ${interfaceBig}`, ["0009 0001", "0009 0002"]),
      { packets: 0, kind: "resolution", offset: 52 },
    ],
  ])("%s", (_, file, fault) => {
    expect(faultOf(file)).toEqual(fault);
  });

  test("a cut anywhere but between packets is told, and the packets before it are given", () => {
    for (const [file, ends] of [
      [bytesOf(littleMicro), [24, 43, 59]],
      [bytesOf(good), [28, 48, 84]],
    ] as const)
      for (let length = 1; length <= file.length; length++) {
        const fault = faultOf(file.slice(0, length));
        if (ends.includes(length as never)) expect(fault, `${length}`).toBeNull();
        else {
          const kind = length < ends[0] && file[0] === 0xd4 ? "not-capture" : length < 4 ? "not-capture" : "cut";
          expect(fault?.kind, `${length}`).toBe(kind);
        }
      }
  });

  test("any bytes changed, any pieces: packets, or a fault", () => {
    const files = [littleMicro, bigNano, good, `${sectionBig} ${interfaceBig}`].map(bytesOf);
    let faults = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...files),
        fc.array(fc.tuple(fc.nat(200), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)), { maxLength: 4 }),
        (file, changes) => {
          const damaged = file.slice();
          for (const [at, value] of changes) if (at < damaged.length) damaged[at] = value;
          if (faultOf(damaged) !== null) faults += 1;
        },
      ),
      runs(2000),
    );
    expect(faults).toBeGreaterThan(100);
  });

  test("a packet of the most bytes is waited for, none of more", () => {
    const header = bytesOf(littleMicro).slice(0, 40);
    new DataView(header.buffer).setUint32(32, captureLimits.packetBytes, true);
    expect(faultOf(header)).toEqual({ packets: 0, kind: "cut", offset: 24 });
    new DataView(header.buffer).setUint32(32, captureLimits.packetBytes + 1, true);
    expect(faultOf(header)).toEqual({ packets: 0, kind: "record-length", offset: 32 });
  });
});

const anyPacket = fc.record({
  bytes: fc.uint8Array({ maxLength: 80 }),
  timeNs: fc.bigInt({ min: 0n, max: 4_294_967_295_999_999_999n }),
  longer: fc.nat(100),
});
const anyOptions: fc.Arbitrary<CaptureWriterOptions> = fc.record({
  format: fc.constantFrom("pcap", "pcapng"),
  resolution: fc.constantFrom("us", "ns"),
  order: fc.constantFrom("little", "big"),
  linkType: fc.constantFrom(1, 101),
});

describe("there and back", () => {
  test("every format, in pieces of any size", () => {
    fc.assert(
      fc.property(
        anyOptions,
        fc.array(anyPacket, { maxLength: 8 }),
        fc.integer({ min: 1, max: 90 }),
        (options, packets, size) => {
          const writer = new CaptureWriter(options);
          const whole = Buffer.concat([
            writer.begin(),
            ...packets.map(({ longer, ...packet }) =>
              writer.packet({ ...packet, originalBytes: packet.bytes.length + longer }),
            ),
          ]);
          const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, i) =>
            whole.subarray(i * size, (i + 1) * size),
          );
          // The pieces share one buffer that is overwritten each time, as a file's reader would do it.
          const buffer = new Uint8Array(size);
          const overwritten = function* (): Iterable<Uint8Array> {
            for (const piece of pieces) {
              buffer.set(piece);
              yield buffer.subarray(0, piece.length);
              buffer.fill(0xee);
            }
          };
          const tick = options.resolution === "us" ? 1000n : 1n;
          expect([...readCapture(overwritten())]).toEqual(
            packets.map(({ bytes, timeNs, longer }) => ({
              bytes,
              timeNs: (timeNs / tick) * tick,
              originalBytes: bytes.length + longer,
              linkType: options.linkType,
              interfaceIndex: 0,
            })),
          );
        },
      ),
      runs(300),
    );
  });

  test("a snapshot length cuts packets", () => {
    const writer = new CaptureWriter({ snapBytes: 2 });
    const file = Buffer.concat([writer.begin(), writer.packet({ bytes: Uint8Array.of(1, 2, 3), timeNs: 0n })]);
    expect(read(file)).toMatchObject([{ bytes: Uint8Array.of(1, 2), originalBytes: 3 }]);
  });

  test("a reader holds no more than the packet it waits for", () => {
    const writer = new CaptureWriter();
    const reader = new CaptureReader();
    const bytes = new Uint8Array(1000);
    let count = 0;
    for (const _ of reader.push(writer.begin())) count += 1;
    const before = process.memoryUsage().arrayBuffers;
    const record = writer.packet({ bytes, timeNs: 1n });
    for (let i = 0; i < 100_000; i++)
      for (const packet of reader.push(record)) count += packet.bytes.length > 0 ? 1 : 0;
    reader.end();
    expect(count).toBe(100_000);
    // 100 MB went through.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(60e6);
  });
});

describeWith("other tools", [toolProblem("tcpdump", "editcap", "capinfos")], () => {
  const folder = mkdtempSync(join(tmpdir(), "xdpc-pcap-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const run = (tool: string, ...args: string[]): string =>
    execFileSync(findTool(tool) ?? tool, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const packets = Array.from({ length: 5 }, (_, i) => ({
    bytes: Uint8Array.from({ length: 20 + i }, (_, j) => (j === 12 ? 0x88 : j === 13 ? 0xb5 : i * 16 + j)),
    timeNs: 1_700_000_000_123_456_789n + BigInt(i) * 1_000_000_001n,
  }));
  const written = (options: CaptureWriterOptions): string => {
    const writer = new CaptureWriter(options);
    const path = join(folder, `${Object.values(options).join("-")}.cap`);
    writeFileSync(path, Buffer.concat([writer.begin(), ...packets.map((packet) => writer.packet(packet))]));
    return path;
  };

  test.each([
    { format: "pcap", resolution: "us", order: "little" },
    { format: "pcap", resolution: "ns", order: "big" },
    { format: "pcapng", resolution: "us", order: "big" },
    { format: "pcapng", resolution: "ns", order: "little" },
  ] as const)("tcpdump reads %o", (options) => {
    const path = written(options);
    const lines = run("tcpdump", "-r", path, "-tt", "--time-stamp-precision=nano", "-nn").match(/^\d.*$/gm) ?? [];
    const digits = options.resolution === "us" ? "000" : "789";
    expect(lines.map((line) => line.slice(0, 20))).toEqual(
      packets.map((_, i) => `${1_700_000_000 + i}.123456${options.resolution === "us" ? digits : 789 + i}`),
    );
    expect(run("capinfos", "-c", "-M", path)).toMatch(/Number of packets: *5/);
  });

  test.each(["pcap", "nsecpcap", "pcapng"])("what editcap writes as %s is read", (format) => {
    const to = join(folder, `edited.${format}`);
    run("editcap", "-F", format, written({ format: "pcapng", resolution: "ns" }), to);
    const tick = format === "pcap" ? 1000n : 1n;
    expect(read(new Uint8Array(readFileSync(to))).map(({ bytes, timeNs }) => ({ bytes, timeNs }))).toEqual(
      packets.map(({ bytes, timeNs }) => ({ bytes, timeNs: (timeNs / tick) * tick })),
    );
  });
});
