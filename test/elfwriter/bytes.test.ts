// Numbers in bytes: both orders, growing, bounds.

import { expect, test } from "vitest";
import { InternalError } from "../../src/base/assert.ts";
import { ByteReader, ByteWriter, utf8 } from "../../src/base/bytes.ts";

test("numbers lie in the order that was asked for", () => {
  const write = (order: "little" | "big") => [
    ...new ByteWriter(order, 1).u8(1).u16(0x0203).u32(0x04050607).u64(0x08090a0b0c0d0e0fn).finish(),
  ];
  expect(write("big")).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  expect(write("little")).toEqual([1, 3, 2, 7, 6, 5, 4, 15, 14, 13, 12, 11, 10, 9, 8]);
});

test("numbers wrap at their width, also negative ones", () => {
  expect([...new ByteWriter().u8(-1).u16(-2).u32(-3).u64(-4n).finish()]).toEqual([
    255, 254, 255, 253, 255, 255, 255, 252, 255, 255, 255, 255, 255, 255, 255,
  ]);
});

test("alignment, zeros and patches", () => {
  const writer = new ByteWriter().u8(1).align(4).u32(0).align(4).zeros(1);
  writer.patchU32(4, 0x01020304);
  expect([...writer.finish()]).toEqual([1, 0, 0, 0, 4, 3, 2, 1, 0]);
  expect(() => writer.patchU32(6, 0)).toThrow(InternalError);
});

test("what is finished doesn't change when writing goes on", () => {
  const writer = new ByteWriter("little", 64).u8(1);
  const first = writer.finish();
  writer.u8(2);
  expect([...first]).toEqual([1]);
  expect([...writer.finish()]).toEqual([1, 2]);
});

test("the reader reads windows in their own place", () => {
  const whole = Uint8Array.of(9, 1, 2, 3, 4, 5, 6, 7, 8, 9);
  const window = whole.subarray(1, 9);
  const big = new ByteReader(window, "big");
  expect([big.u8(0), big.u16(0), big.u32(0), big.u64(0)]).toEqual([1, 0x0102, 0x01020304, 0x0102030405060708n]);
  const little = new ByteReader(window);
  expect([little.u16(6), little.u32(4), little.i32(4)]).toEqual([0x0807, 0x08070605, 0x08070605]);
  expect(new ByteReader(Uint8Array.of(255, 255, 255, 255)).i32(0)).toBe(-1);
  expect([...little.slice(2, 3)]).toEqual([3, 4, 5]);
});

test.each([
  [0, 8, true],
  [8, 0, true],
  [0, 9, false],
  [7, 2, false],
  [9, 0, false],
  [-1, 1, false],
  [0, -1, false],
  [Number.NaN, 1, false],
  [2 ** 60, 2 ** 60, false],
  [Number.POSITIVE_INFINITY, 1, false],
])("covers(%d, %d) of 8 bytes is %s", (offset, count, expected) => {
  const reader = new ByteReader(new Uint8Array(8));
  expect(reader.covers(offset, count)).toBe(expected);
  if (!expected) expect(() => reader.slice(offset, count)).toThrow(InternalError);
});

test("text is UTF-8", () => {
  expect([...utf8("é€")]).toEqual([0xc3, 0xa9, 0xe2, 0x82, 0xac]);
});
