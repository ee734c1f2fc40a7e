// Captures: bytes by hand in every format, in pieces of every size, damaged at every place; and held against other readers and writers.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { ByteWriter } from "../../src/base/bytes.ts";
import { CaptureFault, CaptureReader, captureHeader, writeFrame } from "../../src/testing/capture.ts";
import { temporaryFolder } from "../support/compile.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";

interface Frame {
  readonly number: number;
  readonly bytes: string;
  readonly original: number;
  readonly ns: bigint;
  readonly on: number;
  readonly link: number;
}

/** Reads a capture in pieces of `size` bytes. */
function read(bytes: Uint8Array, size = bytes.length || 1): { frames: Frame[]; end: string | null } {
  const reader = new CaptureReader();
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    reader.push(bytes.slice(at, at + size), (f) => {
      frames.push({
        number: f.number,
        bytes: Buffer.from(f.bytes).toString("hex"),
        original: f.originalBytes,
        ns: f.timestampNs,
        on: f.interfaceId,
        link: f.linkType,
      });
      return true;
    });
  }
  return { frames, end: reader.end() };
}

type Order = "little" | "big";

function pcap(
  order: Order,
  magic: number,
  records: readonly (readonly [sec: number, frac: number, bytes: readonly number[], original: number])[],
  link = 1,
): Uint8Array {
  const w = new ByteWriter(order).u32(magic).u16(2).u16(4).u32(0).u32(0).u32(65535).u32(link);
  for (const [sec, frac, bytes, original] of records)
    w.u32(sec).u32(frac).u32(bytes.length).u32(original).bytes(Uint8Array.from(bytes));
  return w.finish();
}

function block(order: Order, type: number, body: (w: ByteWriter) => void): Uint8Array {
  const inner = new ByteWriter(order);
  body(inner);
  inner.align(4);
  const bytes = inner.finish();
  return new ByteWriter(order)
    .u32(type)
    .u32(bytes.length + 12)
    .bytes(bytes)
    .u32(bytes.length + 12)
    .finish();
}

const section = (order: Order): Uint8Array =>
  block(order, 0x0a0d0d0a, (w) => w.u32(0x1a2b3c4d).u16(1).u16(0).u32(0xffffffff).u32(0xffffffff));
const description = (
  order: Order,
  link: number,
  snap: number,
  options: (w: ByteWriter) => void = () => {},
): Uint8Array =>
  block(order, 1, (w) => {
    w.u16(link).u16(0).u32(snap);
    options(w);
  });
const enhanced = (order: Order, on: number, units: bigint, bytes: readonly number[], original: number): Uint8Array =>
  block(order, 6, (w) =>
    w
      .u32(on)
      .u32(Number(units >> 32n))
      .u32(Number(units & 0xffffffffn))
      .u32(bytes.length)
      .u32(original)
      .bytes(Uint8Array.from(bytes)),
  );
const concat = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((p) => [...p]));

const EXPECTED: readonly Frame[] = [
  { number: 1, bytes: "010203", original: 3, ns: 5_000_007_000n, on: 0, link: 1 },
  { number: 2, bytes: "ff", original: 60, ns: 6_999_999_000n, on: 0, link: 1 },
];

describe.each(["little", "big"] as const)("%s-endian", (order) => {
  const files: readonly (readonly [string, Uint8Array])[] = [
    [
      "pcap, microseconds",
      pcap(order, 0xa1b2c3d4, [
        [5, 7, [1, 2, 3], 3],
        [6, 999_999, [255], 60],
      ]),
    ],
    [
      "pcap, nanoseconds",
      pcap(order, 0xa1b23c4d, [
        [5, 7000, [1, 2, 3], 3],
        [6, 999_999_000, [255], 60],
      ]),
    ],
    [
      "pcapng",
      concat(
        section(order),
        description(order, 1, 0),
        enhanced(order, 0, 5_000_007n, [1, 2, 3], 3),
        enhanced(order, 0, 6_999_999n, [255], 60),
      ),
    ],
    [
      "pcapng, nanoseconds by an option, another option before, blocks between",
      concat(
        section(order),
        description(order, 1, 0, (w) =>
          w
            .u16(2)
            .u16(3)
            .bytes(Uint8Array.of(97, 98, 99, 0))
            .u16(9)
            .u16(1)
            .bytes(Uint8Array.of(9, 0, 0, 0))
            .u32(0),
        ),
        block(order, 5, (w) => w.u32(0).u32(0).u32(0)),
        enhanced(order, 0, 5_000_007_000n, [1, 2, 3], 3),
        block(order, 0xbad, (w) => w.u32(1)),
        enhanced(order, 0, 6_999_999_000n, [255], 60),
      ),
    ],
    [
      "pcapng, units of 2^-20 s and an offset",
      concat(
        section(order),
        description(order, 1, 0, (w) =>
          w
            .u16(9)
            .u16(1)
            .bytes(Uint8Array.of(0x80 | 20, 0, 0, 0))
            .u16(14)
            .u16(8)
            .u64(4n),
        ),
        enhanced(order, 0, 1n << 20n, [1, 2, 3], 3),
      ),
    ],
  ];

  test.each(files.slice(0, 4))("%s, in pieces of every size", (_what, bytes) => {
    for (let size = 1; size <= bytes.length; size++) expect(read(bytes, size)).toEqual({ frames: EXPECTED, end: null });
  });

  test("time in other units", () => {
    expect(read(files[4]?.[1] ?? new Uint8Array()).frames[0]?.ns).toBe(5_000_000_000n);
  });

  test("interfaces of their own kinds, sections that begin anew, simple and old packets", () => {
    const simple = block(order, 3, (w) => w.u32(9).bytes(Uint8Array.of(1, 2, 3, 4)));
    const old = block(order, 2, (w) => w.u16(1).u16(0).u32(0).u32(8).u32(1).u32(1).bytes(Uint8Array.of(7)));
    const other = order === "little" ? "big" : "little";
    const bytes = concat(
      section(order),
      description(order, 1, 4),
      description(order, 113, 0),
      simple,
      old,
      section(other),
      description(other, 1, 0),
      enhanced(other, 0, 1n, [9], 1),
    );
    expect(read(bytes, 3).frames).toEqual([
      { number: 1, bytes: "01020304", original: 9, ns: 0n, on: 0, link: 1 },
      { number: 2, bytes: "07", original: 1, ns: 8000n, on: 1, link: 113 },
      { number: 3, bytes: "09", original: 1, ns: 1000n, on: 0, link: 1 },
    ]);
  });

  test("one that stops anywhere gives what is whole, and says so", () => {
    for (const [, bytes] of files.slice(0, 3)) {
      for (let length = bytes.length - 1; length >= 24; length--) {
        const { frames, end } = read(bytes.slice(0, length));
        expect(frames).toEqual(EXPECTED.slice(0, frames.length));
        if (frames.length === 2) throw new Error("both from a part");
        if (end !== null) expect(end).toBe(`it ends in the middle of packet ${frames.length + 1}`);
      }
    }
  });
});

describe("what is no capture", () => {
  const CASES: readonly (readonly [string, Uint8Array, string])[] = [
    ["nothing", new Uint8Array(), "is empty"],
    ["too little", Uint8Array.of(0xd4, 0xc3), "is no pcap or pcapng capture"],
    ["text", new TextEncoder().encode("if tcp then drop"), "is no pcap or pcapng capture"],
    ["gzip", Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0), "is compressed; unpack it first (gunzip)"],
    [
      "a length beyond sense",
      pcap("little", 0xa1b2c3d4, [[0, 0, [], 0]]).map((b, i) => (i === 34 ? 0x10 : b)),
      "is damaged at byte 24: a packet of 1048576 bytes",
    ],
    [
      "a block of no length",
      concat(section("little"), Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
      "is damaged at byte 28: a block of 0 bytes",
    ],
    [
      "a block with two lengths",
      concat(
        section("little"),
        description("little", 1, 0).map((b, i) => (i === 16 ? 24 : b)),
      ),
      "is damaged at byte 28: a block with two lengths",
    ],
    [
      "a packet of no interface",
      concat(section("little"), enhanced("little", 0, 0n, [1], 1)),
      "is damaged at byte 28: a packet of interface 0, which isn't described",
    ],
    [
      "a packet beyond its block",
      concat(
        section("little"),
        description("little", 1, 0),
        enhanced("little", 0, 0n, [1], 1).map((b, i) => (i === 20 ? 9 : b)),
      ),
      "is damaged at byte 48: a packet of 9 bytes in a block of 36",
    ],
    [
      "a section without order",
      section("little").map((b, i) => (i === 8 ? 0 : b)),
      "is damaged at byte 0: a section without byte order",
    ],
  ];
  test.each(CASES)("%s", (_what, bytes, message) => {
    expect(() => read(bytes)).toThrow(new CaptureFault(message));
  });

  test("no damage of one byte does worse than a fault", () => {
    for (const bytes of [
      pcap("little", 0xa1b2c3d4, [
        [5, 7, [1, 2, 3], 3],
        [6, 9, [255], 60],
      ]),
      concat(
        section("big"),
        description("big", 1, 0, (w) =>
          w
            .u16(9)
            .u16(1)
            .bytes(Uint8Array.of(9, 0, 0, 0))
            .u32(0),
        ),
        enhanced("big", 0, 5n, [1, 2, 3], 3),
      ),
    ]) {
      for (let at = 0; at < bytes.length; at++) {
        for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
          try {
            expect(
              read(
                bytes.map((b, i) => (i === at ? value : b)),
                5,
              ).frames.length,
            ).toBeLessThan(3);
          } catch (error) {
            expect(error).toBeInstanceOf(CaptureFault);
          }
        }
      }
    }
  });
});

test("what is written is read again", () => {
  const writer = new ByteWriter("little", 64).bytes(captureHeader());
  writeFrame(writer, Uint8Array.of(1, 2, 3), 1_700_000_000_123_456_789n);
  writeFrame(writer, new Uint8Array(1500), 0n);
  expect(read(writer.finish(), 100).frames.map((f) => [f.bytes.length / 2, f.ns])).toEqual([
    [3, 1_700_000_000_123_456_789n],
    [1500, 0n],
  ]);
});

describeWith("with other tools", [toolProblem("tcpdump", "editcap", "tshark")], () => {
  const folder = temporaryFolder();
  const ours = path.join(folder, "ours.pcap");

  test("others read what we write, and we what they make of it", () => {
    const writer = new ByteWriter("little", 64).bytes(captureHeader());
    const frames = Array.from({ length: 20 }, (_, i) =>
      Uint8Array.from({ length: 60 + i }, (_, k) => (k === 12 ? 0x88 : k === 13 ? 0xb5 : i)),
    );
    for (const [i, frame] of frames.entries())
      writeFrame(writer, frame, 1_700_000_000_000_000_000n + BigInt(i) * 1_000_001n);
    writeFileSync(ours, writer.finish());
    const lines = execFileSync("tcpdump", ["--nano", "-tt", "-nr", ours], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    })
      .split("\n")
      .filter((line) => /^\d/.test(line));
    expect(lines.length).toBe(20);
    expect(lines[3]).toMatch(/^1700000000\.003000003 /);
    for (const format of ["pcapng", "pcap", "nsecpcap"]) {
      const theirs = path.join(folder, `theirs.${format}`);
      execFileSync("editcap", ["-F", format, ours, theirs]);
      const { frames: found, end } = read(readFileSync(theirs), 1000);
      expect(end).toBe(null);
      expect(found.map((f) => f.bytes)).toEqual(frames.map((f) => Buffer.from(f).toString("hex")));
      const exact = format !== "pcap";
      expect(found[3]?.ns).toBe(exact ? 1_700_000_000_003_000_003n : 1_700_000_000_003_000_000n);
    }
  });
});
