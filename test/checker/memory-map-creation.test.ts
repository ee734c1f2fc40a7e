// Which maps the kernel makes: every type with sizes, entries and flags at and beyond their limits, judged here and made there.

import { afterAll, describe, expect, test } from "vitest";
import type { ImageMap } from "../../src/bpf/image.ts";
import { type MapKind, mapKinds } from "../../src/bpf/maps.ts";
import { checkMap } from "../../src/checker/map-creation.ts";
import { MAP_TYPE } from "../support/bpf.ts";
import { allocate, closeFd, lastErrno, SYSCALL_BPF, syscall } from "../support/native.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";
import { testMap } from "./memory-programs.ts";

const attr = allocate(160);
const inner = testMap("inner", { kind: "hash" });
const fds: number[] = [];

function create(map: ImageMap, innerFd: number): { readonly made: boolean; readonly errno: number } {
  attr.bytes.fill(0);
  const { view } = attr;
  view.setUint32(0, map.type, true);
  view.setUint32(4, map.keyBytes, true);
  view.setUint32(8, map.valueBytes, true);
  view.setUint32(12, map.maxEntries, true);
  view.setUint32(16, map.flags, true);
  view.setUint32(20, innerFd, true);
  const fd = syscall(SYSCALL_BPF, 0, attr.address, 72);
  const errno = fd < 0 ? lastErrno() : 0;
  if (fd >= 0) fds.push(fd);
  return { made: fd >= 0, errno };
}

const noMemory = 12;
const tooBig = 7;
const keySizes = [0, 1, 4, 5, 8, 16, 260, 261];
const valueSizes = [0, 1, 2, 4, 8, 16, 32768, 32769];
const entries = [0, 1, 3, 4096, 8192, 12288];

function* variants(kind: MapKind): Generator<ImageMap> {
  const usual = testMap(kind, { kind, inner: mapKinds[kind].ofMaps ? inner : null });
  yield usual;
  for (const keyBytes of keySizes) yield { ...usual, keyBytes };
  for (const valueBytes of valueSizes) yield { ...usual, valueBytes };
  for (const maxEntries of entries) yield { ...usual, maxEntries };
  for (let bit = 0; bit < 16; bit++) yield { ...usual, flags: usual.flags ^ (1 << bit) };
  for (const flags of [0x18, 0x180, 0x88, 0x10a, 6, 5]) yield { ...usual, flags };
  yield { ...usual, valueBytes: (1 << 22) + 1, maxEntries: 1 };
  yield { ...usual, valueBytes: (1 << 22) - 52, maxEntries: 1 };
  yield { ...usual, valueBytes: (1 << 22) - 300, maxEntries: 1 };
}

describeWith("maps the kernel makes", [kernelProblem()], () => {
  afterAll(() => {
    for (const fd of fds) closeFd(fd);
  });

  for (const kind of Object.keys(mapKinds) as MapKind[]) {
    test(kind, () => {
      const innerFd = create(inner, 0);
      const differ: string[] = [];
      let checked = 0;
      for (const map of variants(kind)) {
        // Loaders give such a map as many entries as there are CPUs.
        if (kind === "perf_event_array" && map.maxEntries === 0) continue;
        const answer = create(map, mapKinds[kind].ofMaps ? (fds.at(innerFd.made ? 0 : -1) as number) : 0);
        // What memory lacks isn't ours to say.
        // A cpumap is as big as the kernel has CPUs at most, which is its builder's choice.
        if (answer.errno === noMemory || (kind === "cpumap" && answer.errno === tooBig)) continue;
        checked++;
        const ours = checkMap(map);
        if ((ours === null) !== answer.made)
          differ.push(
            `${kind} key ${map.keyBytes} value ${map.valueBytes} entries ${map.maxEntries} flags 0x${map.flags.toString(16)}: kernel ${answer.made ? "made it" : `errno ${answer.errno}`}, ours ${ours?.why ?? "fine"}`,
          );
        while (fds.length > 1) closeFd(fds.pop() as number);
      }
      expect(differ).toEqual([]);
      expect(checked).toBeGreaterThan(30);
    });
  }

  test("maps in maps", () => {
    for (const name of Object.keys(MAP_TYPE) as (keyof typeof MAP_TYPE)[]) {
      const map = testMap(name, { kind: name as MapKind, inner: mapKinds[name as MapKind].ofMaps ? inner : null });
      const made = create(map, fds[0] ?? 0);
      if (!made.made) continue;
      const outer = testMap("outer", { kind: "array_of_maps", inner: map });
      const answer = create(outer, fds.at(-1) as number);
      expect([name, checkMap(outer) === null]).toEqual([name, answer.made]);
    }
  });
});

describe("maps with members of the kernel's", () => {
  const field = { kind: "spinLock", offsetBytes: 0, bytes: 4 } as const;
  test("only where the kernel has a place for them", () => {
    expect(checkMap(testMap("a", { kind: "array", fields: [field] }))).toBeNull();
    expect(checkMap(testMap("a", { kind: "percpu_array", fields: [field] }))?.why).toBe("fields");
    expect(checkMap(testMap("a", { kind: "lru_hash", fields: [field] }))?.why).toBe("fields");
    expect(checkMap(testMap("a", { kind: "array", flags: 128, fields: [field] }))?.why).toBe("fieldsReadOnly");
    expect(
      checkMap(testMap("a", { kind: "lru_hash", fields: [{ ...field, kind: "timer", bytes: 16 }], valueBytes: 16 })),
    ).toBeNull();
  });
});
