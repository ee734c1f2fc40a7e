// Helpers against the kernel's: small programs that call one helper with arguments from a map's value, in BPF_PROG_TEST_RUN and in the
// machine; r0, the packet and the map afterwards must be equal. Arguments are random (FC_SEED, FC_RUNS) and lean to the edges.

import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { must } from "../../src/base/assert.ts";
import type { ImageMap, ProgramImage } from "../../src/bpf/image.ts";
import { mapFlags } from "../../src/bpf/maps.ts";
import type { MachineMap } from "../../src/vm/maps/map.ts";
import { UserMap } from "../../src/vm/maps/user-map.ts";
import { StandardMachine } from "../../src/vm/standard.ts";
import { LoadError } from "../support/bpf.ts";
import { closeAll } from "../support/native.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";
import type { RawMap } from "./kernel-maps.ts";
import { createRaw, imageMap, loadImage, madeMap, programImage } from "./kernel-maps.ts";

afterAll(closeAll);

const seed = process.env.FC_SEED === undefined ? undefined : Number(process.env.FC_SEED);
const scale = Number(process.env.FC_RUNS ?? 100) / 100;
const runs = (count: number) => ({ numRuns: Math.ceil(count * scale), ...(seed === undefined ? {} : { seed }) });

const first = new Uint8Array(4);
const valueBytes = 256;
/** The map that holds arguments and takes results. */
const box = imageMap({ kind: "array", name: "box", keyBytes: 4, valueBytes, maxEntries: 1 });

/** Begins a program: r6 the context, r9 the box's value. */
const opening = `
    r6 = r1
    *(u32 *)(r10 - 4) = 0
    r1 = map[box] ll
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r9 = r0
`;
const closing = `
out:
    r0 = 2
    exit
`;

interface Pair {
  readonly machine: StandardMachine;
  /** Runs both and compares; gives the box and packet afterwards. */
  readonly run: (
    boxed: Uint8Array,
    packet?: Uint8Array,
    firstBuffer?: number,
  ) => { box: Uint8Array; packet: Uint8Array; r0: number };
  readonly ours: (name: string) => MachineMap;
  readonly theirs: (name: string) => RawMap;
  readonly close: () => void;
}

/** A program in both. */
function pair(
  image: ProgramImage,
  options: { readonly fill?: (map: UserMap | RawMap, name: string) => void } = {},
): Pair {
  const machine = new StandardMachine(image, { cpus: 2 });
  const raws = image.maps.map((map) => {
    const our = must(machine.maps.get(map.name), map.name);
    const raw = madeMap(createRaw(map, our.userValueBytes));
    if (map.data !== null) expect(raw.update(first, map.data)).toBe(0);
    if (map.frozen) expect(raw.freeze()).toBe(0);
    options.fill?.(raw, map.name);
    options.fill?.(new UserMap(our), map.name);
    return raw;
  });
  const close = (): void => {
    for (const raw of raws) raw.close();
  };
  const loaded = ((): ReturnType<typeof loadImage> => {
    try {
      return loadImage(
        image,
        raws.map((raw) => raw.fd),
      );
    } catch (error) {
      close();
      throw error;
    }
  })();
  const theirs = (name: string): RawMap => must(raws[image.maps.findIndex((map) => map.name === name)], name);
  const ours = (name: string): MachineMap => must(machine.maps.get(name), name);
  return {
    machine,
    ours,
    theirs,
    run: (boxed, packet = new Uint8Array(64), firstBuffer) => {
      const full = new Uint8Array(valueBytes);
      full.set(boxed);
      expect(theirs("box").update(first, full)).toBe(0);
      expect(new UserMap(ours("box")).update(first, full)).toBe(0);
      const split = firstBuffer === undefined ? {} : { firstBuffer };
      const kernel = loaded.run(packet, split);
      const our = machine.run(packet, { ingressIfindex: 1, ...split });
      // A test run gives back the metadata before the packet too.
      const whole = Uint8Array.of(...our.meta, ...our.packet);
      const ourBox = new UserMap(ours("box")).lookup(first) as Uint8Array;
      const seen = (r0: number, data: Uint8Array, value: Uint8Array | number): string =>
        `r0 ${r0}\nbox ${Buffer.from(value as Uint8Array).toString("hex")}\npacket ${Buffer.from(data).toString("hex")}`;
      expect(seen(Number(our.r0 & 0xffffffffn), whole, ourBox)).toBe(
        seen(kernel.returnValue, kernel.data, theirs("box").lookup(first)),
      );
      return { box: ourBox, packet: our.packet, r0: kernel.returnValue };
    },
    close: () => {
      loaded.close();
      close();
    },
  };
}

/** Bytes of little-endian numbers at offsets. */
function boxOf(...parts: readonly (readonly [offset: number, value: number | bigint | Uint8Array])[]): Uint8Array {
  const bytes = new Uint8Array(valueBytes);
  const view = new DataView(bytes.buffer);
  for (const [offset, value] of parts)
    if (value instanceof Uint8Array) bytes.set(value, offset);
    else view.setBigUint64(offset, BigInt.asUintN(64, BigInt(value)), true);
  return bytes;
}

const edges = fc.oneof(
  fc.integer({ min: -8, max: 8 }),
  fc.integer({ min: -300, max: 300 }),
  fc.integer({ min: -4200, max: 4200 }),
  fc.constantFrom(-0x80000000, 0x7fffffff, -216, -215, -217, -252, -256, 3500, 3520, 3456),
);

describeWith("helpers and the kernel's", [kernelProblem()], () => {
  test("adjust_head, adjust_tail, adjust_meta, get_buff_len: any sequence", () => {
    // box: 8 steps of { which, delta, result, length } of 8 bytes each, 4 bytes of metadata's length after the result.
    const step = (i: number): string => `
    r2 = *(s32 *)(r9 + ${i * 32 + 8})
    r1 = r6
    r3 = *(u32 *)(r9 + ${i * 32})
    if r3 == 1 goto tail${i}
    if r3 == 2 goto meta${i}
    call bpf_xdp_adjust_head
    goto done${i}
tail${i}:
    call bpf_xdp_adjust_tail
    goto done${i}
meta${i}:
    call bpf_xdp_adjust_meta
done${i}:
    *(u64 *)(r9 + ${i * 32 + 16}) = r0
    r1 = r6
    call bpf_xdp_get_buff_len
    *(u32 *)(r9 + ${i * 32 + 24}) = r0
    r1 = *(u32 *)(r6 + 0)
    r2 = *(u32 *)(r6 + 8)
    r3 = r1
    r3 -= r2
    *(u32 *)(r9 + ${i * 32 + 28}) = r3
    r3 = *(u32 *)(r6 + 4)
    r4 = r1
    r4 += 14
    if r4 > r3 goto next${i}
    *(u32 *)(r1 + 3) = ${0x01010101 * (i + 1)}
next${i}:
    r4 = r2
    r4 += 4
    if r4 > r1 goto after${i}
    *(u32 *)(r2 + 0) = ${(0x11111111 * (i + 1)) | 0}
after${i}:
`;
    const count = 8;
    const text = opening + Array.from({ length: count }, (_, i) => step(i)).join("") + closing;
    const both = pair(programImage(text, [box]));
    const one = fc.record({ which: fc.integer({ min: 0, max: 2 }), delta: edges, four: fc.boolean() });
    fc.assert(
      fc.property(
        fc.array(one, { minLength: count, maxLength: count }),
        fc.oneof(fc.constantFrom(14, 15, 60, 64, 1500, 3519, 3520), fc.integer({ min: 14, max: 3520 })),
        (steps, length) => {
          const parts = steps.flatMap(({ which, delta, four }, i) => [
            [i * 32, which] as const,
            [i * 32 + 8, which === 2 && four ? delta & ~3 : delta] as const,
          ]);
          both.run(
            boxOf(...parts),
            Uint8Array.from({ length }, (_, i) => i),
          );
        },
      ),
      runs(500),
    );
    both.close();
  });

  test.each(["load", "store"])("xdp_%s_bytes", (what) => {
    const text = `${opening}
    r1 = r6
    r2 = *(u32 *)(r9 + 0)
    r3 = r9
    r3 += 64
    r4 = *(u32 *)(r9 + 8)
    r4 &= 127
    r4 += 1
    call bpf_xdp_${what}_bytes
    *(u64 *)(r9 + 16) = r0
${closing}`;
    const both = pair(programImage(text, [box]));
    const offset = fc.oneof(fc.integer({ min: 0, max: 130 }), fc.constantFrom(0xffff, 0x10000, 0xffffffff, 0x80000000));
    fc.assert(
      fc.property(offset, fc.integer({ min: 0, max: 127 }), fc.integer({ min: 14, max: 200 }), (at, length, packet) => {
        const filling = Uint8Array.from({ length: 128 }, (_, i) => 255 - i);
        both.run(
          boxOf([0, at], [8, length], [64, filling]),
          Uint8Array.from({ length: packet }, (_, i) => i),
        );
      }),
      runs(200),
    );
    both.close();
  });

  test("a packet of several buffers: any sequence of adjust_head, adjust_tail, load_bytes, store_bytes", () => {
    // box: 6 steps of { which, number, result and the packet's length, the first buffer's length and what was loaded } of 8 bytes each.
    const step = (i: number): string => `
    r2 = *(s32 *)(r9 + ${i * 32 + 8})
    r1 = r6
    r3 = *(u32 *)(r9 + ${i * 32})
    if r3 == 1 goto tail${i}
    if r3 == 2 goto load${i}
    if r3 == 3 goto store${i}
    call bpf_xdp_adjust_head
    goto done${i}
tail${i}:
    call bpf_xdp_adjust_tail
    goto done${i}
load${i}:
    r3 = r9
    r3 += ${i * 32 + 24}
    r4 = 8
    call bpf_xdp_load_bytes
    goto done${i}
store${i}:
    r3 = r9
    r3 += 192
    r4 = 7
    call bpf_xdp_store_bytes
done${i}:
    *(u32 *)(r9 + ${i * 32 + 16}) = r0
    r1 = r6
    call bpf_xdp_get_buff_len
    r1 = *(u32 *)(r6 + 0)
    r2 = *(u32 *)(r6 + 4)
    r2 -= r1
    r2 <<= 16
    r0 += r2
    *(u32 *)(r9 + ${i * 32 + 20}) = r0
`;
    const count = 6;
    const text = opening + Array.from({ length: count }, (_, i) => step(i)).join("") + closing;
    const both = pair({ ...programImage(text, [box]), frags: true });
    const near = fc.integer({ min: -20, max: 20 });
    const one = fc.record({ which: fc.integer({ min: 0, max: 3 }), number: fc.oneof(edges, near, near) });
    const sizes = fc.oneof(
      fc.integer({ min: 14, max: 100 }),
      fc.constantFrom(3520, 3521, 4096, 4110, 7616, 9000, 12288, 60000),
      fc.integer({ min: 14, max: 60000 }),
    );
    const splits = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 3520 }), fc.constant(3520));
    fc.assert(
      fc.property(
        fc.array(one, { minLength: count, maxLength: count }),
        sizes,
        splits,
        fc.boolean(),
        (steps, length, split, atSplit) => {
          const parts = steps.flatMap(({ which, number }, i) => {
            const about = which >= 2 && atSplit ? Math.abs(number % 24) + Math.max(0, split - 12) : number;
            return [[i * 32, which] as const, [i * 32 + 8, about] as const];
          });
          const stored = [192, Uint8Array.of(0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7)] as const;
          const bytes = Uint8Array.from({ length }, (_, i) => i * 7);
          both.run(boxOf(...parts, stored), bytes, Math.min(split, length));
        },
      ),
      runs(400),
    );
    both.close();
  });

  test("csum_diff", () => {
    const text = `${opening}
    r1 = r9
    r1 += 64
    r2 = *(u32 *)(r9 + 0)
    r2 &= 127
    if r2 > 96 goto out
    r3 = r9
    r3 += 160
    r4 = *(u32 *)(r9 + 8)
    r4 &= 127
    if r4 > 96 goto out
    r5 = *(u32 *)(r9 + 16)
    call bpf_csum_diff
    *(u64 *)(r9 + 24) = r0
${closing}`;
    const both = pair(programImage(text, [box]));
    const size = fc.oneof(
      { weight: 5, arbitrary: fc.integer({ min: 0, max: 24 }).map((n) => n * 4) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 96 }) },
    );
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 96, maxLength: 96 }),
      fc
        .array(fc.constantFrom(0, 0xff, 0x80, 1), { minLength: 96, maxLength: 96 })
        .map((list) => Uint8Array.from(list)),
      fc.constantFrom(new Uint8Array(96), new Uint8Array(96).fill(255)),
    );
    const seeds = fc.oneof(fc.constantFrom(0, 1, 0xffff, 0x10000, 0xffff0000, 0xffffffff), fc.nat(0xffffffff));
    fc.assert(
      fc.property(size, size, bytes, bytes, seeds, (from, to, fromBytes, toBytes, start) => {
        both.run(boxOf([0, from], [8, to], [16, start], [64, fromBytes], [160, toBytes]));
      }),
      runs(500),
    );
    both.close();
  });

  test.each(["strtol", "strtoul"])("%s", (what) => {
    const text = `${opening}
    *(u64 *)(r10 - 16) = 7
    r1 = r9
    r1 += 64
    r2 = *(u32 *)(r9 + 0)
    r2 &= 127
    if r2 == 0 goto out
    r3 = *(u64 *)(r9 + 8)
    r4 = r10
    r4 += -16
    call bpf_${what}
    *(u64 *)(r9 + 16) = r0
    r1 = *(u64 *)(r10 - 16)
    *(u64 *)(r9 + 24) = r1
${closing}`;
    const both = pair(programImage(text, [box]));
    const digits = fc.string({ unit: fc.constantFrom(..."0123456789abcdefxX7Ff zZ"), maxLength: 24 });
    const numbers = fc.oneof(
      fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
      fc.bigInt({ min: 0n, max: 2n ** 65n }).map((n) => `0x${n.toString(16)}`),
      fc.bigInt({ min: 0n, max: 2n ** 65n }).map((n) => `0${n.toString(8)}`),
      fc.constantFrom(
        ...["0x", "0X", "0xg", "-0x10", "- 1", "--1", "+1", "", "0", "-0", "08", "0b1", "9".repeat(70), "0".repeat(70)],
        ...["18446744073709551615", "18446744073709551616", "9223372036854775807", "9223372036854775808"],
        ...["-9223372036854775808", "-9223372036854775809", "-18446744073709551615"],
      ),
      digits,
    );
    const spaces = fc.constantFrom("", " ", "\t\n", "\v\f\r ", "\u00a0", "   -");
    const flags = fc.oneof(
      fc.constantFrom(0, 8, 10, 16),
      fc.constantFrom(2, 1, 36, 31, 32, 0x100, 2 ** 32, 2 ** 32 + 10),
    );
    fc.assert(
      fc.property(
        spaces,
        numbers,
        fc.constantFrom("", "\0", "z", " 1"),
        fc.nat(80),
        flags,
        (space, n, end, cut, base) => {
          const text = Buffer.from(space + n + end, "latin1").subarray(0, 128);
          const length = cut < 70 ? Math.min(127, text.length) : Math.min(127, cut);
          both.run(boxOf([0, length], [8, base], [64, text]));
        },
      ),
      runs(500),
    );
    both.close();
  });

  test("strncmp", () => {
    for (const constant of ["abc", "", "a", "\xff\x80"]) {
      const text = `${opening}
    r1 = r9
    r1 += 64
    r2 = *(u32 *)(r9 + 0)
    r2 &= 31
    if r2 == 0 goto out
    r3 = .rodata[0] ll
    call bpf_strncmp
    *(u64 *)(r9 + 16) = r0
${closing}`;
      const both = pair(programImage(text, [box, rodata(Buffer.from(`${constant}\0`, "latin1"))]));
      for (const other of ["abc", "abd", "abb", "ab", "abcd", "", "a", "\xff\x80", "\xff", "\x7f"])
        for (const length of [1, 2, 3, 4, 5]) both.run(boxOf([0, length], [64, Buffer.from(`${other}\0x`, "latin1")]));
      both.close();
    }
  });

  test("snprintf: formats, refusals, texts", () => {
    const spec = fc
      .tuple(
        fc.string({ unit: fc.constantFrom(..."0+- "), maxLength: 3 }),
        fc.constantFrom("", "1", "5", "12", "40"),
        fc.constantFrom(
          ...[
            "d",
            "i",
            "u",
            "x",
            "X",
            "ld",
            "lu",
            "lx",
            "lX",
            "lld",
            "llu",
            "llx",
            "llX",
            "li",
            "lli",
            "c",
            "px",
            "ps",
            "pB",
          ],
          ...[
            "s",
            "pks",
            "pus",
            "pI4",
            "pi4",
            "pI6",
            "pi6",
            "pI6c",
            "q",
            "hd",
            "lc",
            "#x",
            ".3d",
            "p",
            "",
            "pI5",
            "pz",
            "lllx",
          ],
        ),
      )
      .map(([flags, width, letters]) => `%${flags}${width}${letters}`);
    const plain = fc.constantFrom("", " ", "a", "=", "%%", "\n", "\t", ", ", "\x01", "\x7f", "é", "x1");
    const format = fc.array(fc.oneof(spec, spec, plain), { minLength: 1, maxLength: 6 }).map((parts) => parts.join(""));
    let made = 0;
    let refused = 0;
    fc.assert(
      fc.property(
        format,
        fc.array(
          fc.oneof(
            fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
            fc.constantFrom(0n, 65n, 255n, 2n ** 31n, 2n ** 63n, 2n ** 64n - 1n),
          ),
          { minLength: 5, maxLength: 5 },
        ),
        fc.constantFrom(0, 1, 10, 100),
        (text, args, room) => {
          // Hashed pointers differ at each boot; addresses differ between the machines: those are tested by hand.
          if (/%[0+\- ]*\d*p([KS]|[^a-zA-Z0-9]|$)/.test(text)) return;
          // Text that was ready beforehand isn't skipped where there is no room: what follows reads other arguments.
          if (room < 100 && /%[0+\- ]*\d*p[iIBku]/.test(text)) return;
          const used = text.replaceAll("%%", "").split("%").length - 1;
          const isAddress = text
            .replaceAll("%%", "")
            .split("%")
            .slice(1)
            .map((part) => /^[0+\- ]*\d*(s|p[IikuIB])/.test(part));
          const numbers = args.map((arg, i) => (isAddress[i] === true ? 0n : arg));
          const both = ((): Pair | null => {
            try {
              return pair(snprintfProgram(text, room, Math.min(5, used)));
            } catch (error) {
              // The verifier refuses what the helper would; the machine must give an error then.
              if (!(error instanceof LoadError) || !/fmt|format|Invalid/i.test(error.log)) throw error;
              return null;
            }
          })();
          if (both === null) {
            refused += 1;
            expect(ownSnprintf(text, room, Math.min(5, used))).toBeLessThan(0n);
            return;
          }
          made += 1;
          both.run(boxOf(...numbers.map((arg, i) => [i * 8, arg] as const)));
          both.close();
        },
      ),
      runs(120),
    );
    expect(made).toBeGreaterThan(20 * Math.min(1, scale));
    expect(refused).toBeGreaterThan(20 * Math.min(1, scale));
  });

  test("redirect", () => {
    const text = `${opening}
    r1 = *(u64 *)(r9 + 0)
    r2 = *(u64 *)(r9 + 8)
    call bpf_redirect
    *(u64 *)(r9 + 16) = r0
    exit
${closing}`;
    const both = pair(programImage(text, [box]));
    for (const ifindex of [0, 1, 0xffffffff])
      for (const flags of [0, 1, 8, 2 ** 32]) both.run(boxOf([0, ifindex], [8, flags]));
    both.close();
  });

  test.each(["devmap", "devmap_hash", "cpumap", "xskmap"] as const)("redirect_map to a %s", (kind) => {
    const text = `${opening}
    r1 = map[m] ll
    r2 = *(u64 *)(r9 + 0)
    r3 = *(u64 *)(r9 + 8)
    call bpf_redirect_map
    *(u64 *)(r9 + 16) = r0
${closing}`;
    const map = imageMap({ kind, keyBytes: 4, valueBytes: 4, maxEntries: 4 });
    const fill = (target: UserMap | RawMap, name: string): void => {
      if (name !== "m" || kind === "xskmap") return;
      // Interface 1 is the loopback device; a cpumap's value is the length of the queue.
      const value = new Uint8Array([kind === "cpumap" ? 64 : 1, 0, 0, 0]);
      expect(target.update(new Uint8Array([1, 0, 0, 0]), value)).toBe(0);
    };
    const both = pair(programImage(text, [box, map]), { fill });
    const key = fc.constantFrom(0, 1, 2, 4, 2 ** 32, 2 ** 32 + 1);
    const flags = fc.oneof(fc.nat(40), fc.constantFrom(2 ** 32, 2 ** 32 + 3, 2 ** 53));
    fc.assert(
      fc.property(key, flags, (index, bits) => {
        both.run(boxOf([0, index], [8, bits]));
      }),
      runs(150),
    );
    both.close();
  });

  test("perf_event_output without a reader", () => {
    const text = `${opening}
    r1 = r6
    r2 = map[m] ll
    r3 = *(u64 *)(r9 + 0)
    r4 = r9
    r5 = *(u64 *)(r9 + 8)
    r5 &= 63
    call bpf_perf_event_output
    *(u64 *)(r9 + 16) = r0
${closing}`;
    const map = imageMap({ kind: "perf_event_array", keyBytes: 4, valueBytes: 4, maxEntries: 2 });
    const both = pair(programImage(text, [box, map]));
    for (const cpu of [0, 1]) both.ours("m").userDelete(new Uint8Array([cpu, 0, 0, 0]));
    const index = fc.constantFrom(0n, 1n, 2n, 0xffffffffn, 0xfffffffen);
    const length = fc.constantFrom(0n, 1n, 63n, 64n, 65n, 0xfffffn, 0x100000n, 2n ** 31n);
    fc.assert(
      fc.property(index, length, fc.nat(63), (entry, packet, size) => {
        both.run(boxOf([0, entry | (packet << 32n)], [8, size]));
      }),
      runs(100),
    );
    both.close();
  });

  test("ringbuf: what fits, and where the positions are", () => {
    const query = [0, 1, 2, 3, 4].map(
      (what) => `
    r1 = map[m] ll
    r2 = ${what}
    call bpf_ringbuf_query
    *(u64 *)(r9 + ${64 + what * 8}) = r0`,
    );
    const reserve = (bytes: number): string => `
reserve${bytes}:
    r1 = map[m] ll
    r2 = ${bytes}
    r3 = *(u64 *)(r9 + 16)
    call bpf_ringbuf_reserve
    *(u64 *)(r9 + 32) = 0
    if r0 == 0 goto query
    *(u64 *)(r9 + 32) = 1
    r1 = r0
    r2 = 0
    r3 = *(u32 *)(r9 + 8)
    if r3 == 1 goto discard${bytes}
    call bpf_ringbuf_submit
    goto query
discard${bytes}:
    call bpf_ringbuf_discard
    goto query
`;
    const sizes = [1, 8, 100, 1000, 4080, 4088, 4089, 8176];
    const text = `${opening}
    r1 = *(u32 *)(r9 + 0)
    ${sizes.map((bytes) => `if r1 == ${bytes} goto reserve${bytes}`).join("\n    ")}
    r1 = map[m] ll
    r2 = r9
    r3 = *(u32 *)(r9 + 8)
    r3 &= 127
    r4 = *(u64 *)(r9 + 16)
    call bpf_ringbuf_output
    *(u64 *)(r9 + 32) = r0
    goto query
${sizes.map(reserve).join("")}
query:
${query.join("")}
${closing}`;
    const map = imageMap({ kind: "ringbuf", keyBytes: 0, valueBytes: 0, maxEntries: 8192 });
    const program = programImage(text, [box, map]);
    const one = fc.tuple(fc.constantFrom(0, ...sizes), fc.nat(127), fc.constantFrom(0, 0, 0, 1, 2, 3, 4, 2 ** 32));
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 20, size: "max" }), (calls) => {
        const both = pair(program);
        for (const [which, length, flags] of calls) both.run(boxOf([0, which], [8, length], [16, flags]));
        both.close();
      }),
      runs(25),
    );
  });
});

/** A read-only data section of one value. */
function rodata(data: Uint8Array): ImageMap {
  const { rdonlyProg } = mapFlags;
  const facts = { keyBytes: 4, valueBytes: data.length, maxEntries: 1, flags: rdonlyProg, frozen: true };
  return imageMap({ kind: "array", name: ".rodata", ...facts, data: new Uint8Array(data) });
}

function snprintfProgram(format: string, room: number, args: number): ProgramImage {
  const text = `${opening}
    r1 = r9
    r1 += 64
    ${room === 0 ? "r1 = 0" : ""}
    r2 = ${room}
    r3 = .rodata[0] ll
    r4 = r9
    ${args === 0 ? "r4 = 0" : ""}
    r5 = ${args * 8}
    call bpf_snprintf
    *(u64 *)(r9 + 48) = r0
${closing}`;
  return programImage(text, [box, rodata(new TextEncoder().encode(`${format}\0`))]);
}

/** What the machine's snprintf gives where the kernel doesn't load the program. */
function ownSnprintf(format: string, room: number, args: number): bigint {
  const machine = new StandardMachine(snprintfProgram(format, room, args));
  machine.run(new Uint8Array(64));
  const value = new UserMap(must(machine.maps.get("box"), "box")).lookup(first) as Uint8Array;
  return new DataView(value.buffer).getBigInt64(48, true);
}
