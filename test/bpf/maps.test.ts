// The table of map kinds against the kernel: numbers, sizes, flags, and what a program may do with each kind.

import { existsSync, readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { compareKernels } from "../../src/bpf/kernel.ts";
import type { MapAccess, MapKind } from "../../src/bpf/maps.ts";
import {
  fixedKeyBytes,
  fixedValueBytes,
  isMapKind,
  mapFlags,
  mapKindByNumber,
  mapKindInfo,
  mapKinds,
} from "../../src/bpf/maps.ts";
import { createMap, type KernelMap } from "../support/bpf.ts";
import { closeAll, SystemError } from "../support/native.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";
import { thisKernel, tryLoad } from "./probe.ts";

const header = "/usr/include/linux/bpf.h";
const kinds = Object.keys(mapKinds).filter(isMapKind);

describe("the table", () => {
  test("finds kinds by name and number", () => {
    for (const kind of kinds) expect(mapKindByNumber(mapKindInfo(kind).number)).toBe(kind);
    expect(isMapKind("sockmap")).toBe(false);
    expect(isMapKind("toString")).toBe(false);
    expect(mapKindByNumber(15)).toBeNull();
  });

  test("tells sizes that a kind fixes", () => {
    expect(fixedKeyBytes("hash")).toBeNull();
    expect(fixedKeyBytes("lpm_trie")).toBeNull();
    expect(fixedKeyBytes("devmap_hash")).toBe(4);
    expect(fixedKeyBytes("queue")).toBe(0);
    expect(fixedValueBytes("hash")).toBeNull();
    expect(fixedValueBytes("devmap")).toBe(8);
    expect(fixedValueBytes("devmap", "smallest")).toBe(4);
    expect(fixedValueBytes("xskmap")).toBe(4);
    expect(fixedValueBytes("ringbuf")).toBe(0);
  });

  test("is consistent in itself", () => {
    for (const kind of kinds) {
      const row = mapKindInfo(kind);
      expect(row.value === "fixed", kind).toBe(row.valueSizes.length > 0);
      expect(row.key === "none", kind).toBe(row.keyDeclaredBy === "nothing");
      expect(row.value === "none", kind).toBe(row.valueDeclaredBy === "nothing");
      expect(row.requiredFlags & ~row.allowedFlags, kind).toBe(0);
      for (const [index, size] of row.valueSizes.entries()) {
        expect(compareKernels(size.since, row.since), kind).toBeGreaterThanOrEqual(0);
        if (index > 0) expect(compareKernels(row.valueSizes[index - 1]!.since, size.since), kind).toBeGreaterThan(0);
      }
    }
  });
});

describeWith("linux/bpf.h on maps", [existsSync(header) ? null : `${header} not installed`], () => {
  const text = readFileSync(header, "utf8");

  test("gives every kind its number", () => {
    const body = /enum bpf_map_type \{([^}]*)\}/.exec(text)?.[1] ?? "";
    const numbers = new Map<string, number>();
    let next = 0;
    for (const match of body.replace(/\/\*[\s\S]*?\*\//g, "").matchAll(/BPF_MAP_TYPE_(\w+)(?:\s*=\s*(\w+))?/g)) {
      if (match[2] === undefined) numbers.set(match[1]!.toLowerCase(), next++);
      else if (/^\d+$/.test(match[2])) {
        numbers.set(match[1]!.toLowerCase(), Number(match[2]));
        next = Number(match[2]) + 1;
      }
    }
    for (const kind of kinds) expect(numbers.get(kind), kind).toBe(mapKindInfo(kind).number);
  });

  test("gives every flag its bit", () => {
    const bit = (name: string) => 2 ** Number(new RegExp(`BPF_F_${name}\\s*=\\s*\\(1U << (\\d+)\\)`).exec(text)?.[1]);
    expect(mapFlags).toEqual({
      noPrealloc: bit("NO_PREALLOC"),
      noCommonLru: bit("NO_COMMON_LRU"),
      numaNode: bit("NUMA_NODE"),
      rdonly: bit("RDONLY"),
      wronly: bit("WRONLY"),
      zeroSeed: bit("ZERO_SEED"),
      rdonlyProg: bit("RDONLY_PROG"),
      wronlyProg: bit("WRONLY_PROG"),
      mmapable: bit("MMAPABLE"),
      preserveElems: bit("PRESERVE_ELEMS"),
      innerMap: bit("INNER_MAP"),
    });
  });
});

describeWith("maps in this kernel", [kernelProblem()], () => {
  afterAll(closeAll);
  const here = kinds.filter((kind) => compareKernels(mapKindInfo(kind).since, thisKernel) <= 0);

  interface Shape {
    readonly keySize: number;
    readonly valueSize: number;
    readonly flags: number;
    readonly maxEntries: number;
  }

  /** The shape the table asks for, with changes. */
  function shapeOf(kind: MapKind, changes: Partial<Shape> = {}): Shape {
    const row = mapKindInfo(kind);
    return {
      keySize: fixedKeyBytes(kind) ?? 8,
      valueSize: fixedValueBytes(kind) ?? 8,
      flags: row.requiredFlags,
      maxEntries: row.entryUnit === "byte" ? 4096 : 4,
      ...changes,
    };
  }

  let inner: KernelMap | null = null;
  function create(kind: MapKind, changes: Partial<Shape> = {}): KernelMap {
    const row = mapKindInfo(kind);
    if (row.ofMaps) inner ??= createMap({ type: "array", keySize: 4, valueSize: 4, maxEntries: 1 });
    return createMap({
      type: row.number,
      ...shapeOf(kind, changes),
      ...(row.ofMaps && inner !== null && { innerMapFd: inner.fd }),
    });
  }

  function refused(kind: MapKind, changes: Partial<Shape>): boolean {
    try {
      create(kind, changes).close();
      return false;
    } catch (error) {
      if (error instanceof SystemError) return true;
      throw error;
    }
  }

  test.each(here)("%s is made as the table says", (kind) => {
    const row = mapKindInfo(kind);
    create(kind).close();
    for (const { bytes, since } of row.valueSizes)
      expect(refused(kind, { valueSize: bytes }), `value of ${bytes} bytes`).toBe(
        compareKernels(since, thisKernel) > 0,
      );
    for (const flag of Object.values(mapFlags))
      if ((row.allowedFlags & flag) !== 0)
        expect(refused(kind, { flags: row.requiredFlags | flag }), `flag ${flag}`).toBe(false);
  });

  test.each(here)("%s is refused in other shapes", (kind) => {
    const row = mapKindInfo(kind);
    if (row.key !== "any" && row.key !== "lpm") expect(refused(kind, { keySize: 8 }), "key of 8 bytes").toBe(true);
    if (row.key !== "none") expect(refused(kind, { keySize: 0 }), "key of no bytes").toBe(true);
    if (row.value === "fixed") expect(refused(kind, { valueSize: 12 }), "value of 12 bytes").toBe(true);
    if (row.value === "none") expect(refused(kind, { valueSize: 8 }), "value of 8 bytes").toBe(true);
    if (row.value === "any") expect(refused(kind, { valueSize: 0 }), "value of no bytes").toBe(true);
    if (row.requiredFlags !== 0) expect(refused(kind, { flags: 0 }), "no flags").toBe(true);
    if ((row.allowedFlags & mapFlags.noPrealloc) === 0)
      expect(refused(kind, { flags: row.requiredFlags | mapFlags.noPrealloc }), "BPF_F_NO_PREALLOC").toBe(true);
    if (row.entryUnit === "byte")
      for (const maxEntries of [4095, 2048, 3 * 4096]) expect(refused(kind, { maxEntries })).toBe(true);
  });

  /** A program that does each thing to the map; `forEach` needs a function and stands in no short program. */
  const doing: Partial<Record<MapAccess, string>> = {
    lookup: "r2 = r10\nr2 += -8\ncall bpf_map_lookup_elem",
    lookupPercpu: "r2 = r10\nr2 += -8\nr3 = 0\ncall bpf_map_lookup_percpu_elem",
    update: "r2 = r10\nr2 += -8\nr3 = r10\nr3 += -16\nr4 = 0\ncall bpf_map_update_elem",
    delete: "r2 = r10\nr2 += -8\ncall bpf_map_delete_elem",
    push: "r2 = r10\nr2 += -16\nr3 = 0\ncall bpf_map_push_elem",
    pop: "r2 = r10\nr2 += -16\ncall bpf_map_pop_elem",
    peek: "r2 = r10\nr2 += -16\ncall bpf_map_peek_elem",
    redirect: "r2 = 0\nr3 = 0\ncall bpf_redirect_map",
    tailCall: "r2 = r1\nr1 = r6\nr3 = 0\ncall bpf_tail_call",
    perf: "r2 = r1\nr1 = r6\nr3 = 0\nr4 = r10\nr4 += -8\nr5 = 8\ncall bpf_perf_event_output",
    ringbuf: "r2 = r10\nr2 += -8\nr3 = 8\nr4 = 0\ncall bpf_ringbuf_output",
  };

  test.each(here)("%s lets programs do what the table says and nothing else", (kind) => {
    const row = mapKindInfo(kind);
    const map = create(kind);
    for (const [access, code] of Object.entries(doing) as [MapAccess, string][]) {
      // The verifier takes a delete from an array; it fails when it runs.
      if (row.dense && access === "delete") continue;
      const text = `r6 = r1\n*(u64 *)(r10 - 8) = 0\n*(u64 *)(r10 - 16) = 0\nr1 = map[m] ll\n${code}\nw0 = 2\nexit`;
      const { taken, log } = tryLoad(text, map);
      expect(taken, `${access}\n${log}`).toBe(row.access.includes(access));
    }
    map.close();
  });
});
