// Kernel floors: each feature by the smallest program that needs it, and every helper, map kind and context field by its row.

import { describe, expect, test } from "vitest";
import { parseAsm } from "../../src/bpf/asm-parse.ts";
import { contextFields } from "../../src/bpf/context.ts";
import { helpers } from "../../src/bpf/helpers.ts";
import type { ResolvedInsn } from "../../src/bpf/insn.ts";
import {
  beyondKernel,
  type CpuLevel,
  compareKernels,
  insnLevel,
  kernelFeatures,
  kernelVersions,
  levelOf,
  minimumKernel,
  type ProgramNeeds,
  parseKernelVersion,
} from "../../src/bpf/kernel.ts";
import { isMapKind, mapKindInfo, mapKinds } from "../../src/bpf/maps.ts";

function insnsOf(text: string): readonly ResolvedInsn[] {
  const parsed = parseAsm(text);
  if (parsed.kind === "errors") throw new Error(JSON.stringify(parsed.errors));
  return parsed.insns;
}

function needs(text: string, more: Partial<ProgramNeeds> = {}): ProgramNeeds {
  return { insns: insnsOf(`${text}\nw0 = 2\nexit`), maps: [], section: "xdp", ...more };
}

describe("versions", () => {
  test("compare as numbers, not as text", () => {
    expect(compareKernels("5.9", "5.10")).toBeLessThan(0);
    expect(compareKernels("6.0", "5.19")).toBeGreaterThan(0);
    expect(compareKernels("6.6", "6.6")).toBe(0);
    expect(() => compareKernels("6", "5.4")).toThrow("no kernel version: 6");
  });

  test("are listed oldest first, without a gap", () => {
    expect(kernelVersions[0]).toBe("5.4");
    expect(kernelVersions.at(-1)).toBe("6.18");
    expect(kernelVersions.length).toBe(16 + 19);
    for (const [i, version] of kernelVersions.entries())
      if (i > 0) expect(compareKernels(kernelVersions[i - 1]!, version)).toBeLessThan(0);
  });

  test.each([
    ["5.4", "5.4"],
    ["6.18", "6.18"],
    ["v5.15", "5.15"],
    ["5.15.167", "5.15"],
    ["5.3", null],
    ["6.19", null],
    ["5.20", null],
    ["6", null],
    ["", null],
    ["5.4-rc1", null],
    ["05.4", null],
  ])("%j is %j", (text, version) => {
    expect(parseKernelVersion(text)).toBe(version);
  });
});

describe("levels", () => {
  test.each<[string, CpuLevel]>([
    ["r1 += r2", "v1"],
    ["w1 += 1", "v1"],
    ["r1 = -r1", "v1"],
    ["r1 = be16 r1", "v1"],
    ["r1 = 1 ll", "v1"],
    ["r1 = *(u8 *)(r1 + 0)", "v1"],
    ["*(u8 *)(r1 + 0) = 1", "v1"],
    ["lock *(u32 *)(r1 + 0) += w2", "v1"],
    ["lock *(u64 *)(r1 + 0) += r2", "v1"],
    ["if r1 > 2 goto +0", "v1"],
    ["if r1 s>= 2 goto +0", "v1"],
    ["if r1 & 2 goto +0", "v1"],
    ["goto +0", "v1"],
    ["call 1", "v1"],
    ["exit", "v1"],
    ["if r1 < 2 goto +0", "v2"],
    ["if r1 <= 2 goto +0", "v2"],
    ["if r1 s< r2 goto +0", "v2"],
    ["if r1 s<= r2 goto +0", "v2"],
    ["if w1 == 2 goto +0", "v3"],
    ["if w1 < 2 goto +0", "v3"],
    ["lock *(u64 *)(r1 + 0) |= r2", "v3"],
    ["r2 = atomic_fetch_add((u64 *)(r1 + 0), r2)", "v3"],
    ["r2 = xchg_64(r1 + 0, r2)", "v3"],
    ["r1 s/= r2", "v4"],
    ["w1 s%= 3", "v4"],
    ["r1 = (s8)r2", "v4"],
    ["r1 = bswap16 r1", "v4"],
    ["r1 = *(s8 *)(r1 + 0)", "v4"],
    ["gotol +0", "v4"],
    ["may_goto +0", "v4"],
  ])("%s is %s", (text, level) => {
    expect(insnLevel(insnsOf(text)[0]!)).toBe(level);
    expect(levelOf(insnsOf(`r1 = 1\n${text}\nr2 = 2`))).toBe(level);
  });

  test("of nothing is v1", () => {
    expect(levelOf([])).toBe("v1");
  });
});

describe("the minimum kernel", () => {
  test.each<[string, string, Partial<ProgramNeeds>]>([
    ["4.8", "r1 = 1", {}],
    ["4.14", "if r1 < 2 goto +0", {}],
    ["4.16", "call +0", {}],
    ["5.1", "if w1 == 2 goto +0", {}],
    ["5.2", "r1 = .rodata[0] ll", {}],
    ["4.8", "r1 = 1\n".repeat(4094), {}],
    ["5.2", "r1 = 1\n".repeat(4095), {}],
    ["5.2", "r1 = 1 ll\n".repeat(2048), {}],
    ["5.3", "L: r1 -= 1\nif r1 > 0 goto L", {}],
    ["5.3", "L: r1 -= 1\ngoto L", {}],
    ["5.12", "lock *(u64 *)(r1 + 0) |= r2", {}],
    ["5.12", "r2 = atomic_fetch_add((u64 *)(r1 + 0), r2)", {}],
    ["4.8", "lock *(u64 *)(r1 + 0) += r2", {}],
    ["5.18", "call kfunc[1, 0]", {}],
    ["6.6", "r1 s/= r2", {}],
    ["6.9", "may_goto +0", {}],
    ["5.18", "", { section: "xdp.frags" }],
    ["5.8", "", { section: "xdp/devmap" }],
    ["5.9", "", { section: "xdp/cpumap" }],
    ["5.18", "", { section: "xdp.frags/devmap" }],
    ["4.8", "", { section: "xdp_hello" }],
    ["4.8", "", { section: "xdp.fragsome" }],
    ["4.14", "", { maps: [{ name: "d", kind: "devmap", valueBytes: 4 }] }],
    ["5.8", "", { maps: [{ name: "d", kind: "devmap", valueBytes: 8 }] }],
    ["4.15", "", { maps: [{ name: "c", kind: "cpumap", valueBytes: 4 }] }],
    ["5.9", "", { maps: [{ name: "c", kind: "cpumap", valueBytes: 8 }] }],
    ["4.18", "call 69", {}],
    ["4.16", "", { contextFields: ["rx_queue_index"] }],
    ["5.8", "", { contextFields: ["data", "egress_ifindex"] }],
  ])("is %s for %.30s %j", (kernel, text, more) => {
    expect(minimumKernel(needs(text, more)).minimum).toBe(kernel);
  });

  test("follows the row of every helper, map kind and context field", () => {
    for (const { id, since } of helpers) expect(minimumKernel(needs(`call ${id}`)).minimum).toBe(since);
    for (const kind of Object.keys(mapKinds).filter(isMapKind))
      expect(minimumKernel(needs("", { maps: [{ name: "m", kind }] })).minimum).toBe(mapKindInfo(kind).since);
    for (const [name, { since }] of Object.entries(contextFields))
      expect(minimumKernel(needs("", { contextFields: [name as keyof typeof contextFields] })).minimum).toBe(since);
  });

  test("ignores what no XDP program may call", () => {
    expect(minimumKernel(needs("call 9")).minimum).toBe("4.8");
  });

  test("comes with every reason once, the hardest first, each with its source", () => {
    const { reasons } = minimumKernel(
      needs("if w1 == 1 goto +0\nif w1 == 1 goto +0\ncall 69\ncall 69", {
        maps: [{ name: "q", kind: "queue" }],
        section: "xdp/devmap",
      }),
    );
    expect(reasons.map(({ kernel, what }) => `${kernel} ${what}`)).toEqual([
      "5.8 programs in devmap entries",
      "5.1 32-bit branches",
      "4.20 map q of kind queue",
      "4.18 the helper bpf_fib_lookup",
      "4.8 XDP programs",
    ]);
    for (const { source } of reasons) expect(source).toMatch(/commit|\.[ch]/);
  });

  test("tells what a floor lacks", () => {
    const all = needs("r1 s/= r2\ncall 130", { section: "xdp.frags" });
    expect(beyondKernel(all, "5.15").map(({ kernel }) => kernel)).toEqual(["6.6", "5.18"]);
    expect(beyondKernel(all, "5.4").map(({ kernel }) => kernel)).toEqual(["6.6", "5.18", "5.8"]);
    expect(beyondKernel(all, "6.6")).toEqual([]);
  });

  test("never refuses for what loaders leave out", () => {
    const names = minimumKernel(needs("")).reasons.map(({ what }) => what);
    expect(names).not.toContain(kernelFeatures.lineInfo.what);
    expect(names).not.toContain(kernelFeatures.funcInfo.what);
  });
});

test("a backward jump alone is no loop", () => {
  const exit = { kind: "exit" } as const;
  const mov = { kind: "alu", op: "mov", bits: 64, dst: 0, src: { imm: 2 } } as const;
  const jump = (target: number) => ({ kind: "jump", wide: false, target }) as const;
  const needs = (insns: Parameters<typeof minimumKernel>[0]["insns"]) => ({ insns, maps: [], section: "xdp" });
  // 0: goto 3; 1: r0 = 2; 2: exit; 3: goto 1
  expect(minimumKernel(needs([jump(2), mov, exit, jump(-3)])).reasons.map((r) => r.what)).not.toContain("loops");
  // 0: r0 = 2; 1: if r0 == 1 goto 0; 2: exit
  const branch = { kind: "branch", op: "eq", bits: 64, dst: 0, src: { imm: 1 }, target: -2 } as const;
  expect(minimumKernel(needs([mov, branch, exit])).reasons.map((r) => r.what)).toContain("loops");
});
