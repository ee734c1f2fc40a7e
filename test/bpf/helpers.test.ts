// The helper table against the kernel's header and against what this kernel's verifier accepts: which helpers exist for XDP,
// which need a GPL licence, which invalidate packet pointers, and what arguments they take.

import { existsSync, readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import type { ArgKind, Helper, HelperName } from "../../src/bpf/helpers.ts";
import { helperById, helperByName, helpers } from "../../src/bpf/helpers.ts";
import { compareKernels } from "../../src/bpf/kernel.ts";
import { createMap, type KernelMap, type MapTypeName } from "../support/bpf.ts";
import { closeAll } from "../support/native.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";
import { callProgram, thisKernel, tryLoad } from "./probe.ts";

const header = "/usr/include/linux/bpf.h";

describe("the table", () => {
  test("has each name and number once, numbers rising", () => {
    expect(new Set(helpers.map(({ name }) => name)).size).toBe(helpers.length);
    for (const [index, helper] of helpers.entries())
      if (index > 0) expect(helper.id).toBeGreaterThan(helpers[index - 1]!.id);
  });

  test("finds by name and number", () => {
    expect(helperByName("map_lookup_elem")?.id).toBe(1);
    expect(helperById(51)?.name).toBe("redirect_map");
    expect(helperByName("bpf_map_lookup_elem")).toBeNull();
    expect(helperByName("skb_store_bytes")).toBeNull();
    expect(helperByName("toString")).toBeNull();
    expect(helperById(0)).toBeNull();
  });

  test("follows every memory argument by its size", () => {
    for (const { name, args } of helpers) {
      expect(args.length, name).toBeLessThanOrEqual(5);
      for (const [index, kind] of args.entries())
        if (/^memory/.test(kind)) expect(args[index + 1], `${name}, argument ${index + 2}`).toMatch(/^size/);
    }
  });
});

describeWith("linux/bpf.h", [existsSync(header) ? null : `${header} not installed`], () => {
  const text = readFileSync(header, "utf8");
  const list = text.slice(text.search(/define _*BPF_FUNC_MAPPER/));
  // Two styles of the same list: FN(name) in order, or FN(name, number, …).
  const ids = new Map<string, number>();
  for (const match of list.matchAll(/\bFN\((\w+)(?:, (\d+), [^)]*)?\)/g))
    if (!ids.has(match[1]!)) ids.set(match[1]!, match[2] === undefined ? ids.size : Number(match[2]));

  test("gives every helper its number", () => {
    expect(ids.get("map_lookup_elem")).toBe(1);
    const unknown = helpers.filter(({ name }) => !ids.has(name)).map(({ name }) => name);
    // Headers of 6.1 end before these.
    for (const name of unknown) expect(["cgrp_storage_get", "cgrp_storage_delete"]).toContain(name);
    for (const { name, id } of helpers) if (ids.has(name)) expect(ids.get(name), name).toBe(id);
  });
});

/** Helpers that exist only when the kernel was configured for them. */
const optional =
  /cgroup|cgrp|^skc_|^sk_|^tcp_|mptcp|^perf_|branch|trace|probe_read|^get_task_stack|^task_|snprintf_btf/;

describeWith("this kernel's verifier", [kernelProblem()], () => {
  afterAll(closeAll);
  const here = helpers.filter(({ since }) => compareKernels(since, thisKernel) <= 0);
  const probe = (id: number, license: string) => tryLoad(`call ${id}\nw0 = 2\nexit`, null, license).log;
  const refusal = /(?:invalid|unknown) func|cannot use helper|might sleep/;

  test("knows every helper of the table", () => {
    const missing = here.filter(({ id }) => refusal.test(probe(id, "GPL"))).map(({ name }) => name);
    expect(missing.filter((name) => !optional.test(name))).toEqual([]);
  });

  test("knows none that the table lacks", () => {
    // A newer kernel may grant more.
    if (compareKernels(thisKernel, "6.18") > 0) return;
    const granted: number[] = [];
    for (let id = 1; id < 260; id++) if (helperById(id) === null && !refusal.test(probe(id, "GPL"))) granted.push(id);
    expect(granted).toEqual([]);
  });

  test("refuses those that the table says are younger", () => {
    for (const helper of helpers)
      if (compareKernels(helper.since, thisKernel) > 0) expect(probe(helper.id, "GPL"), helper.name).toMatch(refusal);
  });

  test("agrees on which need a GPL licence", () => {
    for (const helper of here) {
      const log = probe(helper.id, "BSD");
      if (refusal.test(log)) continue;
      expect(/cannot call GPL/.test(log), helper.name).toBe(helper.gplOnly);
    }
  });

  const mapKindOf: Partial<Record<HelperName, MapTypeName>> = {
    map_lookup_elem: "hash",
    map_update_elem: "hash",
    map_delete_elem: "hash",
    map_lookup_percpu_elem: "percpu_hash",
    map_push_elem: "queue",
    map_pop_elem: "queue",
    map_peek_elem: "stack",
    redirect_map: "devmap",
    tail_call: "prog_array",
    perf_event_output: "perf_event_array",
    perf_event_read: "perf_event_array",
    perf_event_read_value: "perf_event_array",
    ringbuf_output: "ringbuf",
    ringbuf_query: "ringbuf",
  };
  const maps = new Map<MapTypeName, KernelMap>();
  const mapOf = (helper: Helper): KernelMap | null => {
    const type = mapKindOf[helper.name as HelperName];
    if (type === undefined) return null;
    const keyed = !["queue", "stack", "ringbuf"].includes(type);
    const [keySize, valueSize] = [keyed ? 4 : 0, type === "ringbuf" ? 0 : 4];
    const map = maps.get(type) ?? createMap({ type, keySize, valueSize, maxEntries: 4096 });
    maps.set(type, map);
    return map;
  };
  /** Those a short program can call: no sockets, timers or functions needed, no reference left behind. */
  const callable = here.filter(
    (helper) =>
      callProgram(helper) !== null &&
      helper.result !== "socketOrNull" &&
      (!helper.args.includes("map") || mapOf(helper) !== null) &&
      !refusal.test(probe(helper.id, "GPL")),
  );

  test("takes the arguments the table names", () => {
    expect(callable.length).toBeGreaterThan(40);
    for (const helper of callable) {
      const { taken, log } = tryLoad(callProgram(helper)!, mapOf(helper));
      expect(taken, `${helper.name}\n${log}`).toBe(true);
    }
  });

  test("refuses a number where the table wants a pointer, and an unset register where it wants anything", () => {
    const optionalKinds: readonly ArgKind[] = ["memoryOrNull", "memoryOrNullOut"];
    for (const helper of callable) {
      for (const [index, kind] of helper.args.entries()) {
        const override: string[] = [];
        const isNumber = kind === "scalar" || kind === "size" || kind === "sizeOrZero";
        override[index] = isNumber || kind === "extra" ? "r9" : "12345";
        if (kind === "extra" || optionalKinds.includes(kind)) continue;
        const { taken } = tryLoad(callProgram(helper, "", override)!, mapOf(helper));
        expect(taken, `${helper.name}, argument ${index + 1} (${kind})`).toBe(false);
      }
    }
  });

  test("refuses size 0 exactly where the table says so", () => {
    for (const helper of callable) {
      const index = helper.args.findIndex((kind) => kind === "size" || kind === "sizeOrZero");
      if (index === -1) continue;
      const override: string[] = [];
      override[index] = "0";
      const { taken, log } = tryLoad(callProgram(helper, "", override)!, mapOf(helper));
      expect(taken, `${helper.name}\n${log}`).toBe(helper.args[index] === "sizeOrZero");
    }
  });

  test("agrees on which invalidate packet pointers", () => {
    for (const helper of callable) {
      // Kernels differ on a tail call that failed, so the table says the stricter.
      if (helper.name === "tail_call") continue;
      const { taken, log } = tryLoad(callProgram(helper, "r1 = *(u8 *)(r7 + 0)")!, mapOf(helper));
      expect(taken, `${helper.name}\n${log}`).toBe(!helper.changesPacket);
    }
  });

  test("agrees on which leave r0 unset", () => {
    for (const helper of callable) {
      const { taken, log } = tryLoad(callProgram(helper, "r1 = r0")!, mapOf(helper));
      expect(taken, `${helper.name}\n${log}`).toBe(helper.result !== "nothing" && helper.result !== "never");
    }
  });
});
