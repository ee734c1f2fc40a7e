// BTF records and line info against bytes written by hand from Documentation/bpf/btf.rst.

import { describe, expect, test } from "vitest";
import { InternalError } from "../../src/base/assert.ts";
import type { BtfType } from "../../src/bpf/btf.ts";
import { BtfBuilder } from "../../src/elfwriter/btf-encode.ts";
import { encodeBtfExt } from "../../src/elfwriter/btf-ext.ts";
import { mapDefinition, runConfigDefinition } from "../../src/elfwriter/map-btf.ts";
import { int, map, uint } from "./samples.ts";

/** The type section of what `build` makes as words, and its strings. */
function encode(build: (btf: BtfBuilder) => void): { words: number[]; strings: string } {
  const btf = new BtfBuilder();
  build(btf);
  const bytes = btf.finish();
  const view = new DataView(bytes.buffer);
  const typeBytes = view.getUint32(12, true);
  const words = Array.from({ length: typeBytes / 4 }, (_, i) => view.getUint32(24 + i * 4, true));
  return { words, strings: new TextDecoder().decode(bytes.subarray(24 + typeBytes)) };
}

test("the header and one int, byte for byte", () => {
  const btf = new BtfBuilder();
  expect(btf.type(int)).toBe(1);
  expect([...btf.finish()]).toEqual([
    ...[0x9f, 0xeb, 1, 0, 24, 0, 0, 0], // magic, version, flags, header size
    ...[0, 0, 0, 0, 16, 0, 0, 0], // types: offset, size
    ...[16, 0, 0, 0, 5, 0, 0, 0], // strings: offset, size
    ...[1, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 32, 0, 0, 1], // name 1, INT, 4 bytes, 32 bits signed
    ...[0, 0x69, 0x6e, 0x74, 0], // "", "int"
  ]);
});

const flagType: BtfType = { kind: "int", name: "bool", bytes: 1, signed: false, bool: true };
const KIND = (kind: number, vlen = 0): number => kind * 0x1000000 + vlen;

describe("records", () => {
  test.each<[string, BtfType, number[], string]>([
    ["unsigned int", uint(2), [1, KIND(1), 2, 16], "\0__u16\0"],
    ["bool", flagType, [1, KIND(1), 1, 0x04000008], "\0bool\0"],
    ["pointer to void", { kind: "pointer", to: { kind: "void" } }, [0, KIND(2), 0], "\0"],
    [
      "array",
      { kind: "array", element: uint(1), count: 6 },
      [1, KIND(1), 1, 8, 6, KIND(1), 4, 32, 0, KIND(3), 0, 1, 2, 6],
      "\0__u8\0__ARRAY_SIZE_TYPE__\0",
    ],
    ["typedef", { kind: "typedef", name: "port", to: uint(2) }, [6, KIND(1), 2, 16, 1, KIND(8), 1], "\0port\0__u16\0"],
    [
      "const volatile",
      { kind: "const", of: { kind: "volatile", of: uint(2) } },
      [1, KIND(1), 2, 16, 0, KIND(9), 1, 0, KIND(10), 2],
      "\0__u16\0",
    ],
    ["forward", { kind: "forward", name: "xdp_md" }, [1, KIND(7), 0], "\0xdp_md\0"],
    [
      "struct with padding",
      {
        kind: "struct",
        name: "s",
        bytes: 8,
        members: [
          { name: "a", type: uint(4), offsetBytes: 0 },
          { name: "b", type: uint(2), offsetBytes: 4 },
        ],
      },
      [3, KIND(1), 4, 32, 11, KIND(1), 2, 16, 17, KIND(4, 2), 8, 1, 1, 0, 9, 2, 32],
      "\0a\0__u32\0b\0__u16\0s\0",
    ],
    ["empty anonymous struct", { kind: "struct", name: null, bytes: 0, members: [] }, [0, KIND(4), 0], "\0"],
    [
      "function",
      { kind: "function", result: int, parameters: [{ name: "x", type: int }] },
      [3, KIND(1), 4, 0x01000020, 0, KIND(13, 1), 1, 1, 1],
      "\0x\0int\0",
    ],
  ])("%s", (_name, type, words, strings) => {
    expect(encode((btf) => btf.type(type))).toEqual({ words, strings });
  });

  test("FUNC has its linkage where others have a count", () => {
    const { words } = encode((btf) => btf.func("f", int, [], 1));
    expect(words.slice(-3)).toEqual([expect.any(Number), KIND(12, 1), 2]);
  });

  test("VAR and DATASEC", () => {
    const { words } = encode((btf) => {
      const a = btf.variable("a", int, 1);
      const b = btf.variable("b", int, 0);
      btf.section(".data", 12, [
        { variable: a, offsetBytes: 0, bytes: 4 },
        { variable: b, offsetBytes: 8, bytes: 4 },
      ]);
    });
    expect(words.slice(4)).toEqual([1, KIND(14), 1, 1, 7, KIND(14), 1, 0, 9, KIND(15, 2), 12, 2, 0, 4, 3, 8, 4]);
  });
});

describe("numbering", () => {
  test("equal types are one, by value and not by identity", () => {
    const btf = new BtfBuilder();
    const pointer = (): BtfType => ({ kind: "pointer", to: { ...uint(4) } as BtfType });
    expect(btf.type(pointer())).toBe(2);
    expect(btf.type(pointer())).toBe(2);
    expect(btf.type(uint(4))).toBe(1);
  });

  test("structs of one name and different members stay two", () => {
    const btf = new BtfBuilder();
    const struct = (bytes: 2 | 4): BtfType => ({
      kind: "struct",
      name: "s",
      bytes,
      members: [{ name: "a", type: uint(bytes), offsetBytes: 0 }],
    });
    expect(btf.type(struct(2))).not.toBe(btf.type(struct(4)));
  });

  test("a signed and an unsigned int of one name stay two", () => {
    const btf = new BtfBuilder();
    expect(btf.type(int)).not.toBe(btf.type({ ...int, signed: false } as BtfType));
  });
});

describe("what the kernel would refuse is our bug", () => {
  const refused: [string, (btf: BtfBuilder) => void][] = [
    ["a hyphen", (btf) => btf.variable("a-b", int, 1)],
    ["a digit first", (btf) => btf.type({ kind: "typedef", name: "1a", to: int })],
    ["an empty name", (btf) => btf.func("", int, [], 1)],
    ["128 characters", (btf) => btf.variable("a".repeat(128), int, 1)],
    ["an unnamed parameter", (btf) => btf.func("f", int, [{ name: "", type: int }], 1)],
    [
      "a dot in a member",
      (btf) => btf.type({ kind: "struct", name: "s", bytes: 4, members: [{ name: "a.b", type: int, offsetBytes: 0 }] }),
    ],
    [
      "a member outside its struct",
      (btf) => btf.type({ kind: "struct", name: "s", bytes: 4, members: [{ name: "a", type: int, offsetBytes: 1 }] }),
    ],
    [
      "overlapping variables",
      (btf) => {
        const a = btf.variable("a", int, 1);
        btf.section(".data", 8, [
          { variable: a, offsetBytes: 0, bytes: 4 },
          { variable: a, offsetBytes: 3, bytes: 4 },
        ]);
      },
    ],
    [
      "a variable outside its section",
      (btf) => btf.section(".data", 4, [{ variable: btf.variable("a", int, 1), offsetBytes: 1, bytes: 4 }]),
    ],
    ["a zero in a string", (btf) => btf.text("a\0b")],
  ];
  test.each(refused)("%s", (_name, build) => {
    expect(() => encode(build)).toThrow(InternalError);
  });

  test("127 characters are fine", () => {
    expect(() => encode((btf) => btf.variable("a".repeat(127), int, 1))).not.toThrow();
  });
});

describe(".BTF.ext", () => {
  test("function and line records, byte for byte", () => {
    const bytes = encodeBtfExt([
      {
        nameOffset: 7,
        funcs: [{ offsetBytes: 0, type: 3 }],
        lines: [
          { offsetBytes: 0, fileOffset: 11, textOffset: 12, line: 2, column: 5 },
          { offsetBytes: 24, fileOffset: 11, textOffset: 13, line: 1, column: 1 },
        ],
      },
    ]);
    const view = new DataView(bytes.buffer);
    expect([...bytes.subarray(0, 4)]).toEqual([0x9f, 0xeb, 1, 0]);
    expect(Array.from({ length: bytes.length / 4 - 1 }, (_, i) => view.getUint32(4 + i * 4, true))).toEqual([
      ...[24, 0, 20, 20, 44], // header size, functions, lines
      ...[8, 7, 1, 0, 3], // record size, section, count, (offset, type)
      ...[16, 7, 2, 0, 11, 12, 2 * 1024 + 5, 24, 11, 13, 1024 + 1],
    ]);
  });

  test("lines and columns are clamped, not wrapped", () => {
    const at = { offsetBytes: 0, fileOffset: 0, textOffset: 0 };
    const lineColumn = (line: number, column: number): number => {
      const bytes = encodeBtfExt([{ nameOffset: 1, funcs: [], lines: [{ ...at, line, column }] }]);
      return new DataView(bytes.buffer).getUint32(bytes.length - 4, true);
    };
    expect(lineColumn(9, 1023)).toBe(9 * 1024 + 1023);
    expect(lineColumn(9, 1024)).toBe(9 * 1024 + 1023);
    expect(lineColumn(5_000_000, 1)).toBe(0x3fffff * 1024 + 1);
  });

  test("lines that don't rise are our bug", () => {
    const line = { offsetBytes: 8, fileOffset: 0, textOffset: 0, line: 1, column: 1 };
    expect(() => encodeBtfExt([{ nameOffset: 1, funcs: [], lines: [line, line] }])).toThrow(InternalError);
  });
});

describe("definitions of maps", () => {
  /** Each member with what it says: the length of the array, or the type. */
  const said = (definition: BtfType): unknown[] =>
    definition.kind !== "struct"
      ? []
      : definition.members.map((m) => {
          const target = m.type.kind === "pointer" ? m.type.to : null;
          return [m.name, target?.kind === "array" ? target.count : target, m.offsetBytes];
        });

  test("typed: pointers to the types", () => {
    expect(
      said(mapDefinition(map("m", "hash", { key: uint(2), value: uint(8), maxEntries: 1024, flags: 1, pinned: true }))),
    ).toEqual([
      ["type", 1, 0],
      ["max_entries", 1024, 8],
      ["map_flags", 1, 16],
      ["pinning", 1, 24],
      ["key", uint(2), 32],
      ["value", uint(8), 40],
    ]);
  });

  test("sized: numbers, from the kind's row or from a type", () => {
    const sizes = (m: ReturnType<typeof map>) => said(mapDefinition(m)).slice(-2);
    expect(sizes(map("m", "xskmap"))).toEqual([
      ["key_size", 4, 16],
      ["value_size", 4, 24],
    ]);
    expect(sizes(map("m", "devmap"))).toEqual([
      ["key_size", 4, 16],
      ["value_size", 8, 24],
    ]);
    expect(sizes(map("m", "devmap", { value: uint(4) }))).toEqual([
      ["key_size", 4, 16],
      ["value_size", 4, 24],
    ]);
    expect(sizes(map("m", "queue", { value: uint(8) }))).toEqual([
      ["max_entries", 64, 8],
      ["value_size", 8, 16],
    ]);
    expect(sizes(map("m", "ringbuf"))).toEqual([
      ["type", 27, 0],
      ["max_entries", 64, 8],
    ]);
  });

  test("a trie gets its flag without being asked", () => {
    expect(said(mapDefinition(map("m", "lpm_trie", { key: uint(8), value: uint(1) })))).toContainEqual([
      "map_flags",
      1,
      16,
    ]);
  });

  test("a missing type and a map of maps are our bugs", () => {
    expect(() => mapDefinition(map("m", "hash", { key: uint(4) }))).toThrow(InternalError);
    expect(() => mapDefinition(map("m", "array_of_maps"))).toThrow(InternalError);
  });

  test("run configuration: passing on is always said, libxdp would do it unasked", () => {
    expect(said(runConfigDefinition({ priority: 7, chainOn: ["XDP_TX", "XDP_DROP"] }))).toEqual([
      ["priority", 7, 0],
      ["XDP_DROP", 1, 8],
      ["XDP_PASS", 0, 16],
      ["XDP_TX", 1, 24],
    ]);
    expect(said(runConfigDefinition({ priority: 0, chainOn: ["XDP_PASS"] }))).toEqual([
      ["priority", 0, 0],
      ["XDP_PASS", 1, 8],
    ]);
  });
});
