// Which maps can be made, and what handles do in maps: against the kernel's bpf(2). Creation with random sizes and flags for every kind
// must be refused alike, with the same error; then sequences of system calls on maps of devices, CPUs, programs and maps, where a
// handle here is a file descriptor there, and on maps closed for reading or writing.

import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import type { ImageMap } from "../../src/bpf/image.ts";
import { isMapKind, type MapKind, mapFlags, mapKindInfo, mapKinds } from "../../src/bpf/maps.ts";
import { createMap } from "../../src/vm/maps/create.ts";
import { Handles } from "../../src/vm/maps/handles.ts";
import type { MachineMap, MapHost } from "../../src/vm/maps/map.ts";
import { UserMap } from "../../src/vm/maps/user-map.ts";
import { loadProgram, possibleCpus } from "../support/bpf.ts";
import { closeAll } from "../support/native.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";
import type { RawMap } from "./kernel-maps.ts";
import { createRaw, imageMap, madeMap } from "./kernel-maps.ts";
import { assemble } from "./support.ts";

afterAll(closeAll);

const seed = process.env.FC_SEED === undefined ? {} : { seed: Number(process.env.FC_SEED) };
const runs = (count: number) => ({ numRuns: Math.ceil((count * Number(process.env.FC_RUNS ?? 100)) / 100), ...seed });

function hostOf(): MapHost {
  return { cpus: possibleCpus(), programs: new Handles(), maps: new Handles() };
}

function ours(image: ImageMap, host: MapHost): MachineMap {
  const map = createMap(image, host);
  if ("errno" in map) throw new Error(`no map: ${map.reason}`);
  return map;
}

const u32 = (...numbers: number[]): Uint8Array => new Uint8Array(new Uint32Array(numbers).buffer);
const shown = (result: Uint8Array | number): string =>
  typeof result === "number" ? `${result}` : Buffer.from(result).toString("hex");

const kinds = Object.keys(mapKinds).filter(isMapKind);

describeWith("maps that can be made", [kernelProblem()], () => {
  test.each(kinds)("%s: sizes and flags", (kind) => {
    const row = mapKindInfo(kind);
    const template = imageMap({ kind: "array", keyBytes: 4, valueBytes: 8, maxEntries: 2 });
    const inner = row.ofMaps ? madeMap(createRaw(template, 8)) : null;
    const sizes = fc.constantFrom(0, 1, 3, 4, 5, 8, 12, 260, 261);
    // Mostly what the kind wants, so that one thing at a time is wrong.
    const rightKey = row.key === "lpm" ? 8 : row.key === "none" ? 0 : 4;
    const rightValue = row.valueSizes[0]?.bytes ?? (row.value === "none" ? 0 : 8);
    const keyBytes = fc.oneof(fc.constantFrom(rightKey), sizes);
    const valueBytes = fc.oneof(
      fc.constantFrom(rightValue),
      fc.oneof(sizes, fc.constantFrom(32761, 32768, 32769, 1 << 22, (1 << 22) + 1)),
    );
    const maxEntries = fc.constantFrom(0, 1, 2, 1000, 4096, 5000, 8192, 8193);
    const bit = fc.integer({ min: 0, max: 12 }).map((n) => 1 << n);
    const flags = fc.oneof(
      fc.constant(0),
      bit,
      fc.tuple(bit, bit).map(([a, b]) => a | b),
    );
    let made = 0;
    let refused = 0;
    fc.assert(
      fc.property(keyBytes, valueBytes, maxEntries, flags, (keySize, valueSize, entries, extra) => {
        // The kernel has to find the memory: no gigabytes.
        fc.pre(valueSize < 30000 || entries < 3);
        const image = imageMap({
          kind,
          keyBytes: keySize,
          valueBytes: valueSize,
          maxEntries: entries,
          flags: extra | (row.requiredFlags * (entries % 2)),
          inner: row.ofMaps ? template : null,
        });
        // How many CPUs a kernel can have at most is its own affair.
        fc.pre(kind !== "cpumap" || entries <= 2);
        // libbpf gives a perf_event_array its size, and so do we.
        fc.pre(kind !== "perf_event_array" || entries > 0);
        const raw = createRaw(image, 8, inner === null ? {} : { innerFd: inner.fd });
        const our = createMap(image, hostOf());
        const kernel = typeof raw === "number" ? raw : 0;
        if (typeof raw === "number") refused += 1;
        else {
          made += 1;
          raw.close();
        }
        expect("errno" in our ? our.errno : 0, "errno" in our ? our.reason : "made").toBe(kernel);
      }),
      // One that can be made and one that can't come first: what is drawn may be all of one sort for a kind that is choosy.
      {
        ...runs(80),
        examples: [
          [rightKey, rightValue, kind === "ringbuf" ? 4096 : 1, 0],
          kind === "perf_event_array" ? [3, rightValue, 1, 0] : [rightKey, rightValue, 0, 0],
        ],
      },
    );
    inner?.close();
    expect(Math.min(made, refused)).toBeGreaterThan(0);
  });
});

interface Handled {
  readonly our: number;
  readonly kernel: number;
}

describeWith("handles in maps", [kernelProblem()], () => {
  /** Steps of system calls on a map of 4-byte keys; values are a number of `values` as each side knows it. */
  function compare(
    image: ImageMap,
    values: readonly (readonly Handled[])[],
    options: {
      readonly host?: MapHost;
      readonly innerFd?: number;
      readonly readable?: boolean;
      readonly count?: number;
    } = {},
  ): void {
    const step = fc.record({
      operation: fc.constantFrom("update", "update", "update", "delete", "lookup", "nextKey", "take"),
      key: fc.constantFrom(0, 1, 2, 3, 4, 0xffffffff),
      value: fc.nat(values.length - 1),
      flags: fc.oneof({ weight: 5, arbitrary: fc.constantFrom(0, 1, 2) }, fc.constantFrom(3, 4, 8, 2 ** 32)),
    });
    const hashed = image.type === mapKinds.devmap_hash.number || image.type === mapKinds.hash_of_maps.number;
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 30, size: "max" }), (steps) => {
        const user = new UserMap(ours(image, options.host ?? hostOf()));
        const raw = madeMap(
          createRaw(image, image.valueBytes, options.innerFd === undefined ? {} : { innerFd: options.innerFd }),
        );
        try {
          for (const [at, { operation, key, value, flags }] of steps.entries()) {
            const chosen = values[value] ?? [];
            const on = (map: UserMap | RawMap, who: keyof Handled): string => {
              switch (operation) {
                case "update":
                  return shown(map.update(u32(key), u32(...chosen.map((part) => part[who])), flags));
                case "delete":
                  return shown(map.delete(u32(key)));
                case "take":
                  return shown(map.take(u32(key)));
                case "nextKey":
                  return hashed ? "" : shown(map.nextKey(u32(key)));
                default: {
                  const found = map.lookup(u32(key));
                  // What stands for the same thing has other numbers there.
                  return options.readable === true || typeof found === "number" ? shown(found) : "found";
                }
              }
            };
            const what = `${at}: ${operation} ${key} ${value} ${flags}: `;
            expect(what + on(user, "our")).toBe(what + on(raw, "kernel"));
          }
        } finally {
          raw.close();
        }
      }),
      runs(options.count ?? 60),
    );
  }

  const number = (n: number): Handled => ({ our: n, kernel: n });
  const ifindexes = [0, 1].map(number);

  test.each(["devmap", "devmap_hash"] as const)("%s", (kind) => {
    compare(
      imageMap({ kind, keyBytes: 4, valueBytes: 4, maxEntries: 2 }),
      ifindexes.map((n) => [n]),
      { readable: true },
    );
  });

  test.each(["devmap", "devmap_hash", "cpumap"] as const)("%s with programs", (kind) => {
    const host = hostOf();
    const attach = kind === "cpumap" ? "cpumap" : "devmap";
    const program = loadProgram({ insns: assemble("r0 = 2\nexit"), attach });
    const handle = { our: host.programs.numberOf({ name: "p" }), kernel: program.fd };
    const firsts = kind === "cpumap" ? [0, 1, 192, 16384, 16385].map(number) : ifindexes;
    const seconds = [number(0), number(0xffffffff), handle];
    const values = firsts.flatMap((one) => seconds.map((two) => [one, two]));
    compare(imageMap({ kind, keyBytes: 4, valueBytes: 8, maxEntries: 2 }), values, { host, count: 30 });
    program.close();
  });

  test("cpumap", () => {
    const values = [0, 1, 64, 16384, 16385, 0xffffffff].map((n) => [number(n)]);
    compare(imageMap({ kind: "cpumap", keyBytes: 4, valueBytes: 4, maxEntries: 4 }), values, {
      readable: true,
      count: 30,
    });
  });

  test("prog_array", () => {
    const host = hostOf();
    const program = loadProgram({ insns: assemble("r0 = 2\nexit") });
    const values = [[{ our: host.programs.numberOf({ name: "p" }), kernel: program.fd }], [number(0x7fffffff)]];
    compare(imageMap({ kind: "prog_array", keyBytes: 4, valueBytes: 4, maxEntries: 3 }), values, { host });
    program.close();
  });

  test.each(["array_of_maps", "hash_of_maps"] as const)("%s", (kind) => {
    const host = hostOf();
    const shapes: readonly Parameters<typeof imageMap>[0][] = [
      { kind: "array", keyBytes: 4, valueBytes: 8, maxEntries: 2 },
      { kind: "array", keyBytes: 4, valueBytes: 8, maxEntries: 3 },
      { kind: "array", keyBytes: 4, valueBytes: 4, maxEntries: 2 },
      { kind: "hash", keyBytes: 4, valueBytes: 8, maxEntries: 2 },
      { kind: "hash", keyBytes: 4, valueBytes: 8, maxEntries: 200 },
      { kind: "hash", keyBytes: 4, valueBytes: 8, maxEntries: 2, flags: mapFlags.noPrealloc },
      { kind: "percpu_array", keyBytes: 4, valueBytes: 8, maxEntries: 2 },
      { kind: "percpu_array", keyBytes: 4, valueBytes: 8, maxEntries: 3 },
    ];
    const made = shapes.map(imageMap).map((image) => ({ image, raw: madeMap(createRaw(image, 8)) }));
    const handles = made.map(({ image, raw }) => [{ our: host.maps.numberOf(ours(image, host)), kernel: raw.fd }]);
    for (const template of [made[0], made[3], made[6]])
      compare(
        imageMap({ kind, keyBytes: 4, valueBytes: 4, maxEntries: 2, inner: template!.image }),
        [...handles, [number(0x7fffffff)]],
        // Each change of a map of maps waits until no program can be in it.
        { host, innerFd: template!.raw.fd, count: 3 },
      );
    for (const { raw } of made) raw.close();
  });

  test("frozen, read-only and write-only maps", () => {
    const each = (map: UserMap | RawMap): string[] => {
      const key = u32(0);
      const value = u32(1, 0);
      return [
        map.lookup(key),
        map.update(key, value),
        map.update(key, value, 4),
        map.lookup(key, 4),
        map.lookup(key, 1),
        map.nextKey(key),
        map.delete(key),
        map.take(key),
        map.freeze(),
        map.update(key, value),
        map.freeze(),
        map.lookup(key),
      ].map(shown);
    };
    const cases: readonly [MapKind, number][] = [
      ["hash", 0],
      ["hash", 1 << 3],
      ["hash", 1 << 4],
      ["array", 0],
      ["array", mapFlags.rdonlyProg],
      ["array", 1 << 3],
    ];
    for (const [kind, flags] of cases) {
      const image = imageMap({ kind, keyBytes: 4, valueBytes: 8, maxEntries: 2, flags });
      const raw = madeMap(createRaw(image, 8));
      expect(each(new UserMap(ours(image, hostOf()))), `${kind} ${flags}`).toEqual(each(raw));
      raw.close();
    }
  });
});
