// Sets for sets.test.ts: lines as they stand in a file, and by hand what numbers they mean.

import { Random } from "../support/random.ts";

/** A scalar type that a set's members are made of. */
export type Part = "u8" | "u16" | "u32" | "u64" | "ipv4" | "ipv6" | "mac";

/** A set: its type as it is written, the parts of a member, the lines and the numbers they mean (tuples: the parts joined). */
export interface SetCase {
  readonly name: string;
  readonly type: string;
  readonly parts: readonly Part[];
  readonly lines: readonly string[];
  readonly ranges: readonly (readonly [from: bigint, to: bigint])[];
}

interface Line {
  readonly text: string;
  readonly from: bigint;
  readonly to: bigint;
}

/** Four numbers with dots. */
export const dotted = (value: bigint): string => [24n, 16n, 8n, 0n].map((s) => (value >> s) & 255n).join(".");
/** Eight groups with colons. */
export const grouped = (value: bigint): string =>
  Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16)).join(":");
/** Six pairs with colons. */
export const paired = (value: bigint): string =>
  Array.from({ length: 6 }, (_, i) => ((value >> BigInt(40 - 8 * i)) & 0xffn).toString(16).padStart(2, "0")).join(":");

const write = { ipv4: dotted, ipv6: grouped, mac: paired, u8: String, u16: String, u32: String, u64: String } as const;
const BITS = { ipv4: 32, ipv6: 128, mac: 48, u8: 8, u16: 16, u32: 32, u64: 64 } as const;

/** A prefix of an address type; bits behind its length are cleared. */
export function prefix(type: "ipv4" | "ipv6", value: bigint, length: number): Line {
  const free = (1n << BigInt(BITS[type] - length)) - 1n;
  const from = value & ~free;
  return { text: `${write[type](from)}/${length}`, from, to: from | free };
}

/** A single value. */
export function single(type: Part, value: bigint): Line {
  return { text: write[type](value), from: value, to: value };
}

/** An inclusive range. */
export function range(type: Part, from: bigint, to: bigint): Line {
  return { text: `${write[type](from)}..${write[type](to)}`, from, to };
}

function many(count: number, line: (i: number) => Line): Line[] {
  return Array.from({ length: count }, (_, i) => line(i));
}

function scalars(name: string, part: Part, lines: readonly Line[], type: string = part): SetCase {
  return {
    name,
    type,
    parts: [part],
    lines: lines.map((line) => line.text),
    ranges: lines.map((line) => [line.from, line.to] as const),
  };
}

const random = new Random(20260101);
/** A random number of so many bits. */
export function bits(count: number): bigint {
  let value = 0n;
  for (let i = 0; i < count; i += 32) value = (value << 32n) | BigInt(random.next());
  return value & ((1n << BigInt(count)) - 1n);
}

const prefix4 = (name: string, lines: readonly Line[]): SetCase => scalars(name, "ipv4", lines, "prefix<ipv4>");

const v4: readonly SetCase[] = [
  prefix4("nothing but 0.0.0.0/0", [prefix("ipv4", 0n, 0)]),
  ...[1, 5, 33, 100, 1000, 10_000, 100_000].map((n) =>
    prefix4(
      `${n} random IPv4 prefixes`,
      many(n, () => prefix("ipv4", bits(32), 8 + random.below(25))).filter((p) => n <= 100 || p.to - p.from < 65536n),
    ),
  ),
  scalars(
    "10,000 random IPv4 addresses",
    "ipv4",
    many(10_000, () => single("ipv4", bits(32))),
  ),
  scalars(
    "100,000 random IPv4 addresses",
    "ipv4",
    many(100_000, () => single("ipv4", bits(32))),
  ),
  scalars(
    "100,000 random IPv4 ranges",
    "ipv4",
    many(100_000, () => {
      const from = bits(32);
      const to = from + bits(14);
      return range("ipv4", from, to > 0xffffffffn ? 0xffffffffn : to);
    }),
  ),
  prefix4(
    "all /17 of one parity",
    many(65536, (i) => prefix("ipv4", BigInt(i) << 16n, 17)),
  ),
  prefix4(
    "every second /24 of a /8, and of others",
    many(32768, (i) => prefix("ipv4", (10n << 24n) + (BigInt(i) << 9n), 24)),
  ),
  prefix4(
    "nests from /1 to /32",
    many(32, (i) => prefix("ipv4", ~(1n << BigInt(31 - i)) & 0xffffffffn, i + 1)).concat(
      many(200, (i) => prefix("ipv4", (bits(8) << 24n) | 0x800000n, 9 + (i % 24))),
    ),
  ),
  scalars("all but a few addresses", "ipv4", [
    ...many(3000, (i) => range("ipv4", BigInt(i) * 1431655n + 1n, BigInt(i + 1) * 1431655n - 1n)),
  ]),
  scalars(
    "every second address of a /16",
    "ipv4",
    many(32768, (i) => single("ipv4", 0xc0a80000n + 2n * BigInt(i))),
  ),
  scalars("the first and last addresses", "ipv4", [
    ...many(40, (i) => single("ipv4", BigInt(i * 3))),
    ...many(40, (i) => single("ipv4", 0xffffffffn - BigInt(i * 3))),
  ]),
  scalars(
    "1,000 ranges of u32",
    "u32",
    many(1000, (i) => range("u32", BigInt(i) * 4_000_000n + bits(16), BigInt(i) * 4_000_000n + 70_000n + bits(21))),
  ),
  scalars(
    "many mixed cells a page",
    "u32",
    many(30_000, (i) => single("u32", (BigInt(i % 600) << 16n) + (bits(16) | 1n))),
  ),
];

const small: readonly SetCase[] = [
  scalars(
    "100 u8",
    "u8",
    many(100, (i) => single("u8", BigInt((i * 37) % 256))),
  ),
  scalars(
    "1,000 ports",
    "u16",
    many(1000, () => single("u16", bits(16))),
  ),
  scalars(
    "10,000 ports and ranges",
    "u16",
    many(10_000, (i) => {
      const from = bits(16);
      const to = from + bits(3);
      return i % 2 ? single("u16", from) : range("u16", from, to > 65535n ? 65535n : to);
    }),
  ),
  scalars(
    "every second port",
    "u16",
    many(32768, (i) => single("u16", BigInt(2 * i))),
  ),
];

/** Prefixes of lengths that lists have, some in the same larger one. */
function prefixes6(count: number, lengths: readonly number[]): Line[] {
  return many(count, (i) => {
    const start = i % 3 === 0 ? 0x20010db8n << 96n : (0x2000n + bits(12)) << 112n;
    return prefix("ipv6", start | bits(i % 3 === 0 ? 96 : 112), random.pick(lengths));
  });
}

const prefix6 = (name: string, lines: readonly Line[]): SetCase => scalars(name, "ipv6", lines, "prefix<ipv6>");
const ONE = 1n << 128n;

const wide: readonly SetCase[] = [
  prefix6("nothing but ::/0", [prefix("ipv6", 0n, 0)]),
  ...[5, 9, 100, 10_000, 100_000].map((n) =>
    prefix6(`${n} IPv6 prefixes of up to 64 bits`, prefixes6(n, [28, 32, 40, 44, 48, 56, 64])),
  ),
  ...[9, 1000, 10_000].map((n) =>
    prefix6(`${n} IPv6 prefixes of all lengths`, prefixes6(n, [20, 32, 48, 64, 65, 80, 96, 127, 128])),
  ),
  prefix6(
    "IPv6 nests",
    many(128, (i) => prefix("ipv6", (1n << BigInt(127 - i)) ^ (ONE - 1n), i + 1)).filter((_, i) => i % 2 === 1),
  ),
  prefix6(
    "every second nested block of an IPv6 address",
    many(63, (i) => prefix("ipv6", 1n << BigInt(2 * i), 128 - 2 * i)),
  ),
  scalars(
    "10,000 IPv6 addresses",
    "ipv6",
    many(10_000, () => single("ipv6", bits(128))),
  ),
  scalars(
    "IPv6 addresses in a row",
    "ipv6",
    many(3000, (i) => single("ipv6", (0xfe80n << 112n) + BigInt(3 * i))),
  ),
  scalars(
    "10,000 IPv6 ranges",
    "ipv6",
    many(10_000, (i) => {
      const from = bits(128);
      const to = from + bits(i % 100);
      return range("ipv6", from, to >= ONE ? ONE - 1n : to);
    }),
  ),
  scalars(
    "IPv6 ranges with gaps of one",
    "ipv6",
    many(2000, (i) => range("ipv6", (BigInt(i) << 117n) + 1n, (BigInt(i + 1) << 117n) - 1n)).filter((r) => r.to < ONE),
  ),
  scalars("three wide IPv6 ranges close to each other", "ipv6", [
    range("ipv6", 5n, (1n << 70n) - 2n),
    range("ipv6", 1n << 70n, (1n << 70n) + 3n),
    range("ipv6", (1n << 70n) + 5n, ONE - 9n),
    ...many(10, (i) => single("ipv6", ONE - 1n - 2n * BigInt(i % 4))),
  ]),
  ...[9, 40, 1000, 100_000].map((n) =>
    scalars(
      `${n} u64`,
      "u64",
      many(n, () => single("u64", bits(64))),
    ),
  ),
  scalars(
    "u64 one apart",
    "u64",
    many(500, (i) => single("u64", 2n * BigInt(i))),
  ),
  scalars(
    "u64 that differ above",
    "u64",
    many(3000, (i) => single("u64", BigInt(i) << 48n)),
  ),
  scalars(
    "10,000 ranges of u64",
    "u64",
    many(10_000, () => {
      const from = bits(63);
      return range("u64", from, from + bits(40));
    }),
  ),
  scalars(
    "10,000 MAC addresses",
    "mac",
    many(10_000, (i) => single("mac", ((i % 2 ? 0x525400n : bits(24)) << 24n) | bits(24))),
  ),
  scalars(
    "MAC ranges",
    "mac",
    many(200, (i) => range("mac", (BigInt(i) << 38n) + bits(20), (BigInt(i) << 38n) + (1n << 30n) + bits(24))),
  ),
];

function tuples(name: string, parts: readonly Part[], count: number, value: (i: number) => readonly bigint[]): SetCase {
  const rows = many(count, (i) => {
    const numbers = value(i);
    const text = numbers.map((n, part) => write[parts[part]!](n)).join(", ");
    const whole = numbers.reduce((sum, n, part) => (sum << BigInt(BITS[parts[part]!])) | n, 0n);
    return { text: i % 2 ? text : `(${text})`, from: whole, to: whole };
  });
  return {
    name,
    type: `(${parts.join(", ")})`,
    parts,
    lines: rows.map((r) => r.text),
    ranges: rows.map((r) => [r.from, r.to] as const),
  };
}

const aggregates: readonly SetCase[] = [
  ...[3, 9, 1000, 10_000, 100_000].map((n) =>
    tuples(`${n} of (ipv4, u16)`, ["ipv4", "u16"], n, () => [bits(32), bits(16)]),
  ),
  tuples("1,000 of (u16, u8)", ["u16", "u8"], 1000, () => [bits(16), bits(8)]),
  tuples("10,000 of (ipv6, u16)", ["ipv6", "u16"], 10_000, (i) => [(0x20010db8n << 96n) + BigInt(i), bits(16)]),
  tuples("1,000 of (ipv4, ipv4, u16, u16, u8)", ["ipv4", "ipv4", "u16", "u16", "u8"], 1000, () => [
    bits(32),
    bits(32),
    bits(16),
    bits(16),
    6n,
  ]),
  tuples("1,000 of (mac, u16)", ["mac", "u16"], 1000, () => [bits(48), bits(12)]),
  tuples("1,000 of (u8, mac, ipv6)", ["u8", "mac", "ipv6"], 1000, () => [bits(8), bits(48), bits(128)]),
];

/** All sets. */
export const setCases: readonly SetCase[] = [...v4, ...small, ...wide, ...aggregates];
