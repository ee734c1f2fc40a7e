// What a look into a constant set costs: nanoseconds above parsing alone (the same field compared with one constant), beside a hash
// map and the kernel's LPM trie with the same members, all in one run: BPF_PROG_TEST_RUN repeats a packet inside the kernel, programs
// take turns, the quickest round of each packet counts, and packets are averaged. Also bytes per element and the time to compile.
// Run by bench/sets.mjs, which bundles it; prints the table of docs/sets.md. Needs root and clang.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { bigEndian, concat, littleEndian } from "../test/support/addresses.ts";
import { objectFile, objectOf } from "../test/support/compile.ts";
import { type LoadedObject, loadObject } from "../test/support/libbpf.ts";
import { closeAll } from "../test/support/native.ts";
import { eth, ip, ipv6, packet, tcp } from "../test/support/packets.ts";
import { Random } from "../test/support/random.ts";

const words = process.argv.slice(2);
const given = words.filter((word) => /^[0-9]+$/.test(word)).map(Number);
const sizes = given.length > 0 ? given : [100, 1000, 10_000, 100_000];
/** Kinds whose names begin with one of these words; all where there are none. */
const wanted = words.filter((word) => !/^[0-9]+$/.test(word));
const FRAMES = 8;
const REPEAT = 20_000;
const ROUNDS = 6;

const random = new Random(99);

function bits(count: number): bigint {
  let value = 0n;
  for (let i = 0; i < count; i += 32) value = (value << 32n) | BigInt(random.next());
  return value & ((1n << BigInt(count)) - 1n);
}

const dotted = (v: bigint): string => [24n, 16n, 8n, 0n].map((s) => (v >> s) & 255n).join(".");
const grouped = (v: bigint): string =>
  Array.from({ length: 8 }, (_, i) => ((v >> BigInt(112 - 16 * i)) & 0xffffn).toString(16)).join(":");
const paired = (v: bigint): string =>
  Array.from({ length: 6 }, (_, i) => ((v >> BigInt(40 - 8 * i)) & 0xffn).toString(16).padStart(2, "0")).join(":");

/** A member or a prefix; `key` is the member as a map's key. */
interface Element {
  readonly text: string;
  readonly value: bigint;
  readonly length: number;
  readonly second: bigint;
}

interface Kind {
  readonly name: string;
  readonly type: string;
  /** The field, and a constant that it is compared with for parsing alone. */
  readonly field: string;
  readonly parse: string;
  readonly make: (size: number) => Element;
  readonly frame: (value: bigint, second: bigint) => Uint8Array;
  readonly bits: number;
  /** The key type of a hash map, and a key; null where the set holds prefixes. */
  readonly key: ((value: bigint, second: bigint) => Uint8Array) | null;
  /** The header's offset for the LPM trie in C, or null. */
  readonly lpm: "ipv4" | "ipv6" | null;
  readonly most: number;
}

const element = (text: string, value: bigint, length: number, second = 0n): Element => ({
  text,
  value,
  length,
  second,
});
const frame4 = (value: bigint, port: bigint): Uint8Array =>
  packet(eth(), ip({ saddr: dotted(value) }), tcp({ dport: Number(port) }));
const frame6 = (value: bigint, port: bigint): Uint8Array =>
  packet(eth(), ipv6({ saddr: grouped(value) }), tcp({ dport: Number(port) }));
const cut = (value: bigint, width: number, length: number): bigint =>
  (value >> BigInt(width - length)) << BigInt(width - length);

function prefix4(length: number): Element {
  const value = cut(bits(32), 32, length);
  return element(`${dotted(value)}/${length}`, value, length);
}

function prefix6(length: number): Element {
  const value = cut(((0x2000n + bits(12)) << 112n) | bits(112), 128, length);
  return element(`${grouped(value)}/${length}`, value, length);
}

const tcpPort = { bits: 16, parse: "tcp.dport == 7", lpm: null } as const;

const kinds: readonly Kind[] = [
  {
    name: "IPv4 prefixes /16 to /24",
    type: "prefix<ipv4>",
    field: "ip.saddr",
    parse: "ip.saddr == 192.0.2.77",
    make: () => prefix4(random.pick([16, 18, 20, 22, 23, 24, 24, 24, 24])),
    frame: (v) => frame4(v, 80n),
    bits: 32,
    key: null,
    lpm: "ipv4",
    most: 1e6,
  },
  {
    name: "IPv4 prefixes /20 to /32",
    type: "prefix<ipv4>",
    field: "ip.saddr",
    parse: "ip.saddr == 192.0.2.77",
    make: () => prefix4(random.pick([20, 22, 24, 24, 26, 28, 29, 30, 32, 32, 32])),
    frame: (v) => frame4(v, 80n),
    bits: 32,
    key: null,
    lpm: "ipv4",
    most: 1e6,
  },
  {
    name: "IPv4 addresses",
    type: "ipv4",
    field: "ip.saddr",
    parse: "ip.saddr == 192.0.2.77",
    make: () => prefix4(32),
    frame: (v) => frame4(v, 80n),
    bits: 32,
    key: (v) => bigEndian(v, 4),
    lpm: null,
    most: 1e6,
  },
  {
    // Nothing stays in the caches that the table doesn't fit into.
    name: "u32, another number each time",
    type: "u32",
    field: "random()",
    parse: "random() == 77",
    make: () => {
      const value = bits(32);
      return element(String(value), value, 32);
    },
    frame: (v) => frame4(v, 80n),
    bits: 32,
    key: (v) => littleEndian(v, 4),
    lpm: null,
    most: 1e6,
  },
  {
    ...tcpPort,
    name: "ports",
    type: "u16",
    field: "tcp.dport",
    make: () => {
      const value = bits(16);
      return element(String(value), value, 16);
    },
    frame: (v) => frame4(0x0a000001n, v),
    key: (v) => littleEndian(v, 2),
    most: 10_000,
  },
  {
    name: "IPv6 prefixes /32 to /64",
    type: "prefix<ipv6>",
    field: "ip6.saddr",
    parse: "ip6.saddr == 2001:db8::77",
    make: () => prefix6(random.pick([32, 36, 40, 44, 48, 48, 48, 56, 64])),
    frame: (v) => frame6(v, 80n),
    bits: 128,
    key: null,
    lpm: "ipv6",
    most: 1e6,
  },
  {
    name: "IPv6 prefixes /32 to /128",
    type: "prefix<ipv6>",
    field: "ip6.saddr",
    parse: "ip6.saddr == 2001:db8::77",
    make: () => prefix6(random.pick([32, 48, 64, 96, 128])),
    frame: (v) => frame6(v, 80n),
    bits: 128,
    key: null,
    lpm: "ipv6",
    most: 1e6,
  },
  {
    name: "IPv6 addresses",
    type: "ipv6",
    field: "ip6.saddr",
    parse: "ip6.saddr == 2001:db8::77",
    make: () => prefix6(128),
    frame: (v) => frame6(v, 80n),
    bits: 128,
    key: (v) => bigEndian(v, 16),
    lpm: null,
    most: 1e6,
  },
  {
    name: "MAC addresses",
    type: "mac",
    field: "eth.saddr",
    parse: "eth.saddr == 02:00:00:00:00:77",
    make: () => {
      const value = bits(48);
      return element(paired(value), value, 48);
    },
    frame: (v) => packet(eth({ saddr: paired(v) }), ip(), tcp()),
    bits: 48,
    key: (v) => bigEndian(v, 6),
    lpm: null,
    most: 1e6,
  },
  {
    name: "tuples (ipv4, u16)",
    type: "(ipv4, u16)",
    field: "(ip.saddr, tcp.dport)",
    parse: "(ip.saddr, tcp.dport) == (192.0.2.77, 7)",
    make: () => {
      const [value, port] = [bits(32), bits(16)];
      return element(`${dotted(value)}, ${port}`, value, 32, port);
    },
    frame: frame4,
    bits: 32,
    key: (v, port) => concat(bigEndian(v, 4), littleEndian(port, 2), new Uint8Array(2)),
    lpm: null,
    most: 1e6,
  },
  {
    name: "tuples (ipv6, u16)",
    type: "(ipv6, u16)",
    field: "(ip6.saddr, tcp.dport)",
    parse: "(ip6.saddr, tcp.dport) == (2001:db8::77, 7)",
    make: () => {
      const { value } = prefix6(128);
      const port = bits(16);
      return element(`${grouped(value)}, ${port}`, value, 128, port);
    },
    frame: frame6,
    bits: 128,
    key: (v, port) => concat(bigEndian(v, 16), littleEndian(port, 2), new Uint8Array(2)),
    lpm: null,
    most: 1e6,
  },
];

const folder = mkdtempSync(path.join(tmpdir(), "xdpc-sets-"));

/** The same parsing and an LPM trie in C, and in a second program parsing alone. */
function lpmObject(family: "ipv4" | "ipv6", size: number): LoadedObject {
  const [header, offset, bytes, type] = family === "ipv4" ? [20, 12, 4, 0x0800] : [40, 8, 16, 0x86dd];
  const source = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
struct key { __u32 length; unsigned char address[${bytes}]; };
struct { __uint(type, BPF_MAP_TYPE_LPM_TRIE); __uint(max_entries, ${size}); __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct key); __type(value, __u8); } nets SEC(".maps");
static __always_inline unsigned char *address(struct xdp_md *ctx) {
  unsigned char *p = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  if (p + 14 + ${header} > end || *(__u16 *)(p + 12) != bpf_htons(${type})) return 0;
  return p + 14 + ${offset};
}
SEC("xdp") int lookup(struct xdp_md *ctx) {
  struct key key = { ${bytes * 8} };
  unsigned char *a = address(ctx);
  if (!a) return XDP_PASS;
  __builtin_memcpy(key.address, a, ${bytes});
  return bpf_map_lookup_elem(&nets, &key) ? XDP_DROP : XDP_PASS;
}
SEC("xdp") int alone(struct xdp_md *ctx) {
  unsigned char *a = address(ctx);
  return a && *(__u32 *)a == 0x4d0200c0 ? XDP_DROP : XDP_PASS;
}
char _license[] SEC("license") = "GPL";
`;
  const [c, o] = [path.join(folder, "lpm.c"), path.join(folder, "lpm.o")];
  writeFileSync(c, source);
  const include = ["-I", "/usr/include/x86_64-linux-gnu"];
  execFileSync(process.env.CLANG ?? "clang-19", ["-O2", "-g", "-target", "bpf", ...include, "-c", c, "-o", o]);
  return loadObject(o);
}

/** Nanoseconds a packet for each runner: the quickest of the rounds, averaged over the frames. */
function measure(runners: readonly ((frame: Uint8Array) => number)[], frames: readonly Uint8Array[]): number[] {
  const best = runners.map(() => frames.map(() => Number.POSITIVE_INFINITY));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [f, frame] of frames.entries()) {
      for (const [r, run] of runners.entries()) {
        const row = best[r] as number[];
        row[f] = Math.min(row[f] as number, run(frame));
      }
    }
  }
  return best.map((row) => row.reduce((sum, ns) => sum + ns, 0) / row.length);
}

function runner(object: LoadedObject, name?: string): (frame: Uint8Array) => number {
  const program = object.program(name);
  // The kernel tells whole nanoseconds a packet.
  return (frame) => program.run(frame, { repeat: REPEAT }).durationNs;
}

const shown = (ns: number | null): string => (ns === null ? "" : ns.toFixed(1));

function bench(kind: Kind, size: number): void {
  const elements: Element[] = [];
  const texts = new Set<string>();
  while (elements.length < size) {
    const one = kind.make(size);
    if (!texts.has(one.text)) elements.push(one);
    texts.add(one.text);
  }
  const file = elements.map((e) => e.text).join("\n");
  const start = performance.now();
  const bytes = objectOf(
    `const set members : ${kind.type} from "members.txt"\nif ${kind.field} in members then drop\n`,
    {
      files: { "members.txt": file },
      checkEachPass: false,
    },
  );
  const compiled = performance.now() - start;
  const table = loadObject(objectFile(bytes));
  const parse = loadObject(objectFile(objectOf(`if ${kind.parse} then drop\n`)));
  const runners = [runner(parse), runner(table)];
  if (kind.key !== null) {
    const hash = loadObject(
      objectFile(objectOf(`set members : ${kind.type}[${size}]\nif ${kind.field} in members then drop\n`)),
    );
    const map = hash.map("members");
    for (const e of elements) map.update(kind.key(e.value, e.second), new Uint8Array(map.valueSize).fill(1));
    runners.push(runner(hash));
  }
  if (kind.lpm !== null) {
    const lpm = lpmObject(kind.lpm, size);
    const map = lpm.map("nets");
    for (const e of elements)
      map.update(concat(littleEndian(e.length, 4), bigEndian(e.value, kind.bits / 8)), Uint8Array.of(1));
    runners.push(runner(lpm, "alone"), runner(lpm, "lookup"));
  }
  const frames = Array.from({ length: FRAMES }, (_, i) => {
    const e = random.pick(elements);
    // Half are members, half are near members.
    const value = i % 2 ? e.value : e.value ^ (1n << BigInt(random.below(kind.bits)));
    return kind.frame(value, e.second || 80n);
  });
  const [base = 0, own = 0, ...others] = measure(runners, frames);
  const hash = kind.key === null ? null : (others[0] ?? 0) - base;
  const lpm = kind.lpm === null ? null : (others[1] ?? 0) - (others[0] ?? 0);
  const rodata = table.maps.get(".rodata")?.valueSize ?? 0;
  const perElement = rodata === 0 ? "code" : (rodata / size).toFixed(rodata / size < 100 ? 1 : 0);
  const count = size.toLocaleString("en-US");
  console.log(
    `| ${kind.name} | ${count} | ${shown(own - base)} | ${shown(hash)} | ${shown(lpm)} | ${perElement} | ${(compiled / 1000).toFixed(2)} |`,
  );
  closeAll();
}

try {
  console.log("| members | how many | set, ns | hash map, ns | LPM trie, ns | bytes each | compiled in s |");
  console.log("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
  for (const kind of kinds) {
    if (wanted.length > 0 && !wanted.some((word) => kind.name.startsWith(word))) continue;
    for (const size of sizes) if (size <= kind.most) bench(kind, size);
  }
} finally {
  closeAll();
  rmSync(folder, { recursive: true, force: true });
}
