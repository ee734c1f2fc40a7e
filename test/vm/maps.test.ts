// What the kernel leaves to chance and the machine has decided, and what can be said without a kernel: the order of LRU maps and of
// keys, ring buffers with records still open, events, bloom filters, per-CPU values, captured by hand.

import { describe, expect, test } from "vitest";
import type { ImageMap } from "../../src/bpf/image.ts";
import { isMapKind, mapFlags, mapKinds } from "../../src/bpf/maps.ts";
import { BloomFilterMap, jhash } from "../../src/vm/maps/bloom-filter.ts";
import { createMap } from "../../src/vm/maps/create.ts";
import { PerfEventArrayMap } from "../../src/vm/maps/handle-maps.ts";
import { Handles } from "../../src/vm/maps/handles.ts";
import type { MachineMap, MapHost } from "../../src/vm/maps/map.ts";
import type { RingbufMap } from "../../src/vm/maps/ringbuf.ts";
import { UserMap } from "../../src/vm/maps/user-map.ts";
import { closeAll } from "../support/native.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";
import { createRaw, imageMap, madeMap } from "./kernel-maps.ts";

const host: MapHost = { cpus: 2, programs: new Handles(), maps: new Handles() };
const u32 = (n: number): Uint8Array => new Uint8Array(new Uint32Array([n]).buffer);

function made(image: ImageMap): MachineMap {
  const map = createMap(image, host);
  if ("errno" in map) throw new Error(map.reason);
  return map;
}

const keysOf = (map: MachineMap): number[] => [...map.keys()].map((key) => new Uint32Array(key.buffer)[0] ?? -1);

describe("least recently used", () => {
  test.each(["lru_hash", "lru_percpu_hash"] as const)("%s drops what was used longest ago", (kind) => {
    const map = made(imageMap({ kind, keyBytes: 4, valueBytes: 4, maxEntries: 3 }));
    const user = new UserMap(map);
    for (const key of [1, 2, 3]) expect(map.update(u32(key), u32(key), 0, 0)).toBe(0);
    map.lookup(u32(1), 0);
    map.update(u32(4), u32(4), 0, 0);
    expect(keysOf(map)).toEqual([3, 1, 4]);
    // User space's look is no use.
    user.lookup(u32(3));
    map.update(u32(5), u32(5), 0, 0);
    expect(keysOf(map)).toEqual([1, 4, 5]);
    map.update(u32(1), u32(9), 0, 0);
    map.update(u32(6), u32(6), 0, 0);
    expect(keysOf(map)).toEqual([5, 1, 6]);
    // A refused update drops nothing.
    expect(map.update(u32(7), u32(7), 2, 0)).toBe(-2);
    expect(map.update(u32(5), u32(7), 1, 0)).toBe(-17);
    expect(keysOf(map)).toEqual([5, 1, 6]);
  });

  test("a hash map keeps its keys in the order in which they came", () => {
    const map = made(imageMap({ kind: "hash", keyBytes: 4, valueBytes: 4, maxEntries: 5 }));
    for (const key of [3, 1, 2]) map.update(u32(key), u32(0), 0, 0);
    map.update(u32(3), u32(1), 0, 0);
    expect(keysOf(map)).toEqual([3, 1, 2]);
    const user = new UserMap(map);
    const walk: number[] = [];
    for (let key = user.nextKey(null); typeof key !== "number"; key = user.nextKey(key)) {
      walk.push(new Uint32Array(key.slice().buffer)[0] ?? -1);
      // An entry that goes away while it is walked over doesn't end the walk wrongly: it begins anew, as in the kernel.
      if (walk.length === 2) map.delete(u32(1));
      if (walk.length > 5) break;
    }
    expect(walk).toEqual([3, 1, 3, 2]);
  });
});

describe("ring buffers", () => {
  const ring = (): RingbufMap =>
    made(imageMap({ kind: "ringbuf", keyBytes: 0, valueBytes: 0, maxEntries: 4096 })) as RingbufMap;

  test("a record that is still open holds those behind it back", () => {
    const map = ring();
    const first = map.reserve(8);
    expect(map.output(Uint8Array.of(1, 2, 3))).toBe(0);
    const third = map.reserve(4);
    expect(map.drain()).toEqual([]);
    first?.bytes.set([9], 0);
    expect(map.commit(first!, "submitted")).toBe(true);
    expect(map.commit(first!, "submitted")).toBe(false);
    expect(map.drain().map((bytes) => [...bytes])).toEqual([
      [9, 0, 0, 0, 0, 0, 0, 0],
      [1, 2, 3],
    ]);
    expect(map.commit(third!, "discarded")).toBe(true);
    expect(map.drain()).toEqual([]);
    expect(map.query(0)).toBe(0);
  });

  test("space comes back when the reader has passed", () => {
    const map = ring();
    let count = 0;
    while (map.output(new Uint8Array(100)) === 0) count += 1;
    expect(count).toBe(Math.floor(4095 / 112));
    expect(map.output(new Uint8Array(0))).toBe(0);
    expect(map.drain()).toHaveLength(count + 1);
    expect(map.output(new Uint8Array(4080))).toBe(0);
    expect(map.output(new Uint8Array(0))).toBe(-11);
  });
});

test("events go to the reader of the CPU they come from", () => {
  const map = made(
    imageMap({ kind: "perf_event_array", keyBytes: 4, valueBytes: 4, maxEntries: 0 }),
  ) as PerfEventArrayMap;
  expect(map).toBeInstanceOf(PerfEventArrayMap);
  expect(map.image.maxEntries).toBe(2);
  const bytes = Uint8Array.of(1);
  expect([map.output(1, 1, bytes), map.output(0, 1, bytes), map.output(2, 1, bytes)]).toEqual([0, -95, -7]);
  expect(map.userDelete(u32(1))).toBe(0);
  expect(map.output(1, 1, bytes)).toBe(-2);
  expect(map.drain()).toEqual([{ cpu: 1, bytes }]);
  expect(map.drain()).toEqual([]);
});

test("program flags decide what programs may touch", () => {
  const of = (flags: number) =>
    made(imageMap({ kind: "array", keyBytes: 4, valueBytes: 8, maxEntries: 1, flags })).lookup(u32(0), 0);
  const bytes = (flags: number) => [of(flags)?.readBytes, of(flags)?.writeBytes];
  expect([bytes(0), bytes(mapFlags.rdonlyProg), bytes(mapFlags.wronlyProg)]).toEqual([
    [8, 8],
    [8, 0],
    [0, 8],
  ]);
});

test("every kind can be made, and emptied", () => {
  for (const kind of Object.keys(mapKinds).filter(isMapKind)) {
    const row = mapKinds[kind];
    const map = made(
      imageMap({
        kind,
        keyBytes: row.key === "none" ? 0 : row.key === "lpm" ? 8 : 4,
        valueBytes: row.value === "none" ? 0 : 4,
        maxEntries: 4096,
        flags: row.requiredFlags,
        inner: row.ofMaps ? imageMap({ kind: "array", keyBytes: 4, valueBytes: 4, maxEntries: 1 }) : null,
      }),
    );
    expect([map.kind, map.type]).toEqual([kind, row.number]);
    const before = [...map.keys()].length;
    new UserMap(map).update(row.key === "none" ? new Uint8Array(0) : new Uint8Array(map.image.keyBytes), u32(1));
    map.reset();
    expect([...map.keys()].length).toBe(before);
  }
});

test("the hash is Jenkins' lookup3", () => {
  // hashlittle of lookup3.c: hashlittle("", 0, 0) is deadbeef, hashlittle("Four score and seven years ago", 30, 0) is 17770551.
  expect((jhash(new Uint8Array(0), 0) >>> 0).toString(16)).toBe("deadbeef");
  expect((jhash(new TextEncoder().encode("Four score and seven years ago"), 0) >>> 0).toString(16)).toBe("17770551");
});

describeWith("bloom filters with a known seed", [kernelProblem()], () => {
  test.each([
    [4, 1000, 0],
    [7, 40, 3],
    [12, 100, 1],
    [13, 64, 15],
    [32, 2, 0],
  ])(
    "values of %i bytes, %i of them, %i hashes: the same answers, right or wrong",
    (valueBytes, maxEntries, hashes) => {
      const zeroSeed = 1 << 6;
      const image = imageMap({ kind: "bloom_filter", keyBytes: 0, valueBytes, maxEntries, flags: zeroSeed });
      const our = new UserMap(new BloomFilterMap(image, host, hashes));
      const raw = madeMap(createRaw(image, valueBytes, { extra: hashes }));
      const value = (n: number): Uint8Array =>
        Uint8Array.from({ length: valueBytes }, (_, i) => (n * (i + 3)) >> (i % 8));
      const none = new Uint8Array(0);
      for (let n = 0; n < maxEntries * 2; n++) {
        expect([our.update(none, value(n)), our.update(none, value(n), 1)]).toEqual([
          raw.update(none, value(n)),
          raw.update(none, value(n), 1),
        ]);
      }
      const answers = (map: typeof our | typeof raw): string =>
        Array.from({ length: 3000 }, (_, n) => (typeof map.lookup(value(n)) === "number" ? "0" : "1")).join("");
      expect(answers(our)).toBe(answers(raw));
      expect([our.delete(none), our.nextKey(none), our.take(none)]).toEqual([
        raw.delete(none),
        raw.nextKey(none),
        raw.take(none),
      ]);
      closeAll();
    },
  );
});
