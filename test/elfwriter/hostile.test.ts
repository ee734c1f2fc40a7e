// Files that wish us ill: thousands of random changes to our objects and to clang's, and files built to cost much. The reader
// and the disassembler answer with an object or faults, in time, and never throw.

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { ByteWriter } from "../../src/base/bytes.ts";
import { printBtf } from "../../src/elfwriter/btf-print.ts";
import { disassembleObject } from "../../src/elfwriter/disasm-object.ts";
import { ElfBuilder, type SectionSpec } from "../../src/elfwriter/elf.ts";
import { readObject } from "../../src/elfwriter/read.ts";
import { writeObject } from "../../src/elfwriter/write.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import * as sample from "./samples.ts";
import { compileC, richC, Scratch } from "./tools.ts";

const scratch = new Scratch();
afterAll(() => scratch.remove());

const runs = Number(process.env.FC_RUNS ?? 3000);
const parameters = { numRuns: runs, ...(process.env.FC_SEED ? { seed: Number(process.env.FC_SEED) } : {}) };

function ours(): Uint8Array {
  const maps = sample.oneMapOfEachKind();
  const globals = sample.objectWithGlobals();
  const program = sample.program("xdp_main", [...sample.touch(maps), sample.move(0, 2), sample.exit], {
    runConfig: { priority: 1, chainOn: [] },
  });
  return writeObject({ ...globals, maps, programs: [program, ...globals.programs] });
}

/** Reads everything that can be read; the values only have to be there. */
function useAll(bytes: Uint8Array): "object" | "faults" {
  const { object, faults } = readObject(bytes);
  const listing = disassembleObject(bytes);
  if (object === undefined) {
    expect(faults.length).toBeGreaterThan(0);
    expect(listing.faults).toEqual(faults);
    return "faults";
  }
  expect(typeof listing.text).toBe("string");
  if (object.btf) printBtf(object.btf);
  return "object";
}

test("a function that begins behind its section's end", () => {
  const bytes = ours();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { object } = readObject(bytes);
  const table = object?.sections.find((section) => section.name === ".symtab");
  if (table === undefined) throw new Error("no symbols");
  const symbols = Array.from({ length: Number(table.size) / 24 }, (_, i) => table.offset + 24 * i);
  const functions = symbols.filter((at) => (bytes[at + 4]! & 15) === 2);
  expect(functions.length).toBeGreaterThan(0);
  // The last of its section, without a size: it reaches to the section's end, which lies before it.
  for (const at of functions) {
    view.setBigUint64(at + 8, 1n << 40n, true);
    view.setBigUint64(at + 16, 0n, true);
  }
  expect(readObject(bytes).faults?.map(({ what }) => what)).toContain("function-range");
});

/** A change of a file: a word at a place (numbers that hurt more often than others), a cut, or a block copied elsewhere. */
type Change = (bytes: Uint8Array) => Uint8Array;
const place = fc.integer({ min: 0, max: 0x7fffffff });
const nasty = fc.oneof(
  fc.constantFrom(
    0,
    1,
    2,
    7,
    8,
    0x7f,
    0x80,
    0xff,
    0x100,
    0xffff,
    0x10000,
    0x7fffffff,
    0x80000000,
    0xfffffff8,
    0xffffffff,
  ),
  fc.integer({ min: 0, max: 0xffffffff }),
);
const changes: fc.Arbitrary<Change>[] = [
  fc.tuple(place, nasty, fc.constantFrom(1, 2, 4, 8)).map(
    ([at, value, width]): Change =>
      (bytes) => {
        const out = bytes.slice();
        const view = new DataView(out.buffer);
        const start = at % Math.max(1, out.length - 8);
        if (width === 1) view.setUint8(start, value);
        else if (width === 2) view.setUint16(start & ~1, value, true);
        else if (width === 4) view.setUint32(start & ~3, value, true);
        else view.setBigUint64(start & ~7, BigInt(value) << 20n, true);
        return out;
      },
  ),
  place.map(
    (at): Change =>
      (bytes) =>
        bytes.slice(0, at % bytes.length),
  ),
  fc.tuple(place, place, fc.integer({ min: 1, max: 256 })).map(
    ([from, to, length]): Change =>
      (bytes) => {
        const out = bytes.slice();
        const start = from % bytes.length;
        out.set(bytes.subarray(start, Math.min(start + length, bytes.length - (to % bytes.length))), to % bytes.length);
        return out;
      },
  ),
];

function property(original: Uint8Array): void {
  const seen = { object: 0, faults: 0 };
  const oneChange = fc.oneof(
    { weight: 12, arbitrary: changes[0]! },
    { weight: 1, arbitrary: changes[1]! },
    { weight: 3, arbitrary: changes[2]! },
  );
  fc.assert(
    fc.property(fc.array(oneChange, { minLength: 1, maxLength: 4 }), (list) => {
      seen[useAll(list.reduce((bytes, change) => (bytes.length > 16 ? change(bytes) : bytes), original))]++;
    }),
    parameters,
  );
  // Both answers must have been tried, or the changes are too mild or too wild to mean anything.
  if (runs >= 1000) expect(Math.min(seen.object, seen.faults)).toBeGreaterThan(runs / 50);
}

test("our object, changed at random", { timeout: 60_000 }, () => {
  expect(useAll(ours())).toBe("object");
  property(ours());
});

describeWith("clang's object", [toolProblem("clang-19")], () => {
  test("changed at random", { timeout: 60_000 }, () => {
    const original = readFileSync(compileC(scratch, "clang-19", "rich", richC));
    expect(useAll(original)).toBe("object");
    property(new Uint8Array(original));
  });
});

test("random bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 512 }), (bytes) => useAll(bytes) === "faults"),
    parameters,
  );
});

/** Seconds of CPU time that `body` takes: other work on the machine doesn't count. */
function seconds(body: () => void): number {
  const start = process.cpuUsage();
  body();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

interface Part {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly flags?: number;
}

function elf(...parts: Part[]): Uint8Array {
  const builder = new ElfBuilder();
  for (const { name, bytes, flags = 0 } of parts) builder.section({ name, type: 1, flags, align: 8, bytes });
  return builder.finish();
}

function btf(types: ByteWriter, strings: Uint8Array): Uint8Array {
  const out = new ByteWriter("little", 1 << 20);
  out.u16(0xeb9f).u8(1).u8(0).u32(24).u32(0).u32(types.length).u32(types.length).u32(strings.length);
  return out.bytes(types.finish()).bytes(strings).finish();
}

const noStrings = new Uint8Array(1);

/** Files of about a megabyte; each would cost a careless reader a square of that. */
const expensive: Record<string, () => Uint8Array> = {
  "a megabyte of bytes that are no instructions": () =>
    elf({ name: "xdp", flags: 6, bytes: new Uint8Array(1 << 20).fill(0xff) }),
  "a megabyte of instructions that jump to each other": () => {
    const code = new ByteWriter("little", 1 << 20);
    for (let i = 0; i < 1 << 17; i++)
      code
        .u8(0x05)
        .u8(0)
        .u16((i * 7919) & 0x7fff)
        .u32(0);
    return elf({ name: "xdp", flags: 6, bytes: code.finish() });
  },
  "four megabytes of calls that lead nowhere": () => {
    const code = new ByteWriter("little", 1 << 22);
    for (let i = 0; i < 1 << 19; i++) code.u16(0x1085).u16(0).u32(0x7fffffff);
    return elf({ name: "xdp", flags: 6, bytes: code.finish() });
  },
  "a chain of 80,000 types": () => {
    const types = new ByteWriter("little", 1 << 20);
    for (let i = 2; i <= 80_000; i++)
      types
        .u32(0)
        .u32(10 << 24)
        .u32(i);
    types
      .u32(0)
      .u32(10 << 24)
      .u32(0);
    return elf({ name: ".BTF", bytes: btf(types, noStrings) });
  },
  "a ring of 80,000 types": () => {
    const types = new ByteWriter("little", 1 << 20);
    for (let i = 2; i <= 80_000; i++)
      types
        .u32(0)
        .u32(10 << 24)
        .u32(i);
    types
      .u32(0)
      .u32(10 << 24)
      .u32(1);
    return elf({ name: ".BTF", bytes: btf(types, noStrings) });
  },
  "80,000 names in one long string": () => {
    const types = new ByteWriter("little", 1 << 20);
    for (let i = 1; i <= 80_000; i++)
      types
        .u32(i)
        .u32(7 << 24)
        .u32(0);
    return elf({ name: ".BTF", bytes: btf(types, new Uint8Array(1 << 20).fill(0x61, 1, (1 << 20) - 1)) });
  },
  "30,000 maps of one definition with 30,000 members": () => {
    const types = new ByteWriter("little", 1 << 20);
    types
      .u32(0)
      .u32((4 << 24) | 30_000)
      .u32(8);
    for (let i = 0; i < 30_000; i++) types.u32(0).u32(0).u32(0);
    types
      .u32(0)
      .u32(14 << 24)
      .u32(1)
      .u32(1);
    types
      .u32(1)
      .u32((15 << 24) | 30_000)
      .u32(8);
    for (let i = 0; i < 30_000; i++) types.u32(2).u32(0).u32(0);
    const strings = new TextEncoder().encode("\0.maps\0");
    return elf({ name: ".maps", bytes: new Uint8Array(8) }, { name: ".BTF", bytes: btf(types, strings) });
  },
  "60,000 lines for one instruction": () => {
    const strings = new TextEncoder().encode(`\0xdp\0${"x".repeat(500_000)}\0`);
    const ext = new ByteWriter("little", 1 << 20);
    ext
      .u16(0xeb9f)
      .u8(1)
      .u8(0)
      .u32(24)
      .u32(0)
      .u32(0)
      .u32(0)
      .u32(12 + 60_000 * 16);
    ext.u32(16).u32(1).u32(60_000);
    for (let i = 0; i < 60_000; i++) ext.u32(0).u32(5).u32(5).u32(1024);
    const code = Uint8Array.of(0x95, 0, 0, 0, 0, 0, 0, 0);
    return elf(
      { name: "xdp", flags: 6, bytes: code },
      { name: ".BTF", bytes: btf(new ByteWriter(), strings) },
      { name: ".BTF.ext", bytes: ext.finish() },
    );
  },
  "60,000 lines of half a megabyte each, of one text": () => {
    const strings = new TextEncoder().encode(`\0xdp\0${"x".repeat(500_000)}\0`);
    const ext = new ByteWriter("little", 1 << 20);
    ext
      .u16(0xeb9f)
      .u8(1)
      .u8(0)
      .u32(24)
      .u32(0)
      .u32(0)
      .u32(0)
      .u32(12 + 60_000 * 16);
    ext.u32(16).u32(1).u32(60_000);
    for (let i = 0; i < 60_000; i++)
      ext
        .u32(i * 8)
        .u32(0)
        .u32(5)
        .u32((i + 1) * 1024);
    const code = new ByteWriter("little", 1 << 20);
    for (let i = 0; i < 60_000; i++) code.u32(0x95).u32(0);
    return elf(
      { name: "xdp", flags: 6, bytes: code.finish() },
      { name: ".BTF", bytes: btf(new ByteWriter(), strings) },
      { name: ".BTF.ext", bytes: ext.finish() },
    );
  },
  "10,000 code sections of one name, 20,000 functions, 30,000 lines": () => {
    const ext = new ByteWriter("little", 1 << 20);
    ext
      .u16(0xeb9f)
      .u8(1)
      .u8(0)
      .u32(24)
      .u32(0)
      .u32(0)
      .u32(0)
      .u32(12 + 30_000 * 16);
    ext.u32(16).u32(1).u32(30_000);
    for (let i = 0; i < 30_000; i++) ext.u32(0).u32(0).u32(0).u32(1024);
    const builder = new ElfBuilder();
    const bytes = Uint8Array.of(0x85, 0x10, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);
    const first = { name: "xdp", type: 1, flags: 6, align: 8, bytes: new Uint8Array(20_000 * 8) };
    const section = builder.section(first);
    for (let i = 1; i < 10_000; i++)
      builder.relocation(builder.section({ ...first, bytes }), { offset: 0, symbol: whole(section), type: 10 });
    for (let i = 0; i < 20_000; i++)
      builder.symbol({ name: `f${i}`, section, value: i * 8, size: 8, binding: 1, type: 2 });
    builder.section({
      name: ".BTF",
      type: 1,
      flags: 0,
      align: 4,
      bytes: btf(new ByteWriter(), new TextEncoder().encode("\0xdp\0")),
    });
    builder.section({ name: ".BTF.ext", type: 1, flags: 0, align: 4, bytes: ext.finish() });
    return builder.finish();

    function whole(target: SectionSpec) {
      return builder.symbol({ name: "", section: target, value: 0, size: 0, binding: 0, type: 3 });
    }
  },
};

test.each(Object.keys(expensive))("%s", { timeout: 60_000 }, (name) => {
  const bytes = expensive[name]?.() ?? new Uint8Array();
  expect(seconds(() => useAll(bytes))).toBeLessThan(10);
});
