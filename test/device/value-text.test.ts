// Keys and values as people write them, where rules have no type for them: the signed numbers of C. All else is tried in maps.test.ts, on maps.

import { describe, expect, test } from "vitest";
import { bytesOfText } from "../../src/device/value-text.ts";
import { type DecodedBtf, decodeBtf } from "../../src/elfwriter/btf-decode.ts";
import { btfCodec } from "../../src/value-codec.ts";

/** BTF by hand: `int` of 4 bytes with a sign, `unsigned` without, and a struct of both. */
function handMadeBtf(): DecodedBtf {
  const strings = new TextEncoder().encode("\0int\0unsigned\0pair\0low\0high\0");
  const int = [1, 1 << 24, 4, (1 << 24) | 32];
  const unsigned = [5, 1 << 24, 4, 32];
  const pair = [14, (4 << 24) | 2, 8, 19, 1, 0, 23, 2, 32];
  const types = Uint32Array.from([...int, ...unsigned, ...pair]);
  const header = Uint32Array.from([0x0001eb9f, 24, 0, types.byteLength, types.byteLength, strings.length]);
  const decoded = decodeBtf(Uint8Array.from([...bytesOf(header), ...bytesOf(types), ...strings]), 0);
  if ("fault" in decoded) throw new Error(JSON.stringify(decoded.fault));
  return decoded.btf;
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer);
}

describe("negative numbers", () => {
  const btf = handMadeBtf();
  const written = (text: string, type: number): string => {
    const codec = btfCodec(btf, type);
    if (codec === null) throw new Error("the type has no size");
    return Buffer.from(bytesOfText(text, { btf, type, codec })).toString("hex");
  };

  test.each([
    ["-1", 1, "ffffffff"],
    ["-2147483648", 1, "00000080"],
    ["-0x10", 1, "f0ffffff"],
    ["-1K", 1, "00fcffff"],
    ["-0", 1, "00000000"],
    ["-7,5", 3, "f9ffffff05000000"],
    ["{ high: 5, low: -7 }", 3, "f9ffffff05000000"],
  ] as const)("%s for type %i", (text, type, hex) => {
    expect(written(text, type)).toBe(hex);
  });

  test.each([
    ["-2147483649", 1, "-2147483649 doesn't fit into 32 bits"],
    ["-1", 2, "-1 is negative, and its type has no sign"],
    ["5,-7", 3, "-7 is negative, and its type has no sign"],
    ["--1", 1, '"--1" is neither a number nor an address'],
    ["-", 1, '"-" is neither a number nor an address'],
  ] as const)("%s is none of type %i", (text, type, why) => {
    expect(() => written(text, type)).toThrow(why);
  });
});
