// The reader against other people's: our own objects, what clang makes of C, and files with one thing wrong; the fault must
// be the right one. Random damage is hostile.test.ts's matter.

import { readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { printBtf } from "../../src/elfwriter/btf-print.ts";
import { bpfRelocations } from "../../src/elfwriter/code-relocations.ts";
import { faultText, type ObjectFaultKind, type ObjectFile } from "../../src/elfwriter/object-file.ts";
import { readObject } from "../../src/elfwriter/read.ts";
import { writeObject } from "../../src/elfwriter/write.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import { Patient } from "./damage.ts";
import * as sample from "./samples.ts";
import { compileC, output, richC, Scratch } from "./tools.ts";

const scratch = new Scratch();
afterAll(() => scratch.remove());

function read(bytes: Uint8Array): ObjectFile {
  const { object, faults } = readObject(bytes);
  if (object === undefined) throw new Error(faults.map(faultText).join("; "));
  return object;
}

describe("our own objects", () => {
  test("maps as they were asked for", () => {
    const maps = [
      sample.map("flows", "lru_hash", { key: sample.flow, value: sample.stats, maxEntries: 65536, pinned: true }),
      sample.map("nets", "lpm_trie", { key: sample.lpmKey, value: sample.uint(1) }),
      sample.map("xsk", "xskmap"),
      sample.map("jobs", "queue", { value: sample.uint(8) }),
      sample.map("events", "ringbuf", { maxEntries: 4096 }),
    ];
    const object = read(writeObject(sample.object({ maps })));
    expect(object.license).toBe("GPL");
    expect(object.maps).toMatchObject([
      {
        name: "flows",
        kind: "lru_hash",
        type: 9,
        maxEntries: 65536,
        flags: 0,
        pinned: true,
        keyBytes: 8,
        valueBytes: 16,
        inner: null,
      },
      { name: "nets", kind: "lpm_trie", flags: 1, pinned: false, keyBytes: 8, valueBytes: 1 },
      { name: "xsk", kind: "xskmap", keyBytes: 4, valueBytes: 4, keyType: null, valueType: null },
      { name: "jobs", kind: "queue", keyBytes: null, valueBytes: 8 },
      { name: "events", kind: "ringbuf", keyBytes: null, valueBytes: null, maxEntries: 4096 },
    ]);
    const flow = object.btf?.types[object.maps[0]?.keyType ?? 0];
    expect(flow).toMatchObject({
      kind: "struct",
      name: "flow",
      members: [
        { name: "saddr", bitOffset: 0 },
        { name: "dport", bitOffset: 32 },
      ],
    });
  });

  test("programs, lines and relocations come back as they went in", () => {
    const object = read(writeObject(sample.objectWithGlobals()));
    const [code] = object.code;
    expect(code?.section.name).toBe("xdp");
    expect(code?.functions).toEqual([{ name: "xdp_globals", startSlot: 0, slots: 16, global: true }]);
    expect(code?.lines[1]).toEqual({
      offsetBytes: 16,
      file: "rules.xdp",
      text: "if load then xdp_globals # 1",
      line: 2,
      column: 4,
    });
    expect(code?.lines).toHaveLength(12);
    expect(object.btf?.types[code?.funcInfo[0]?.type ?? 0]).toMatchObject({ kind: "function", name: "xdp_globals" });
    expect(code && bpfRelocations(object).get(code)).toEqual([
      { slot: 0, kind: "data", section: ".rodata", offsetBytes: 0 },
      { slot: 3, kind: "data", section: ".rodata", offsetBytes: 8 },
      { slot: 7, kind: "data", section: ".data", offsetBytes: 0 },
      { slot: 11, kind: "data", section: ".bss", offsetBytes: 8 },
    ]);
  });

  test("an empty object is an object", () => {
    expect(read(writeObject({ license: "", programs: [], maps: [], data: [] }))).toMatchObject({
      license: "",
      code: [],
      maps: [],
    });
  });
});

for (const clang of ["clang-14", "clang-19"]) {
  describeWith(`objects of ${clang}`, [toolProblem(clang, "bpftool")], () => {
    const path = compileC(scratch, clang, clang, richC);
    const object = read(readFileSync(path));

    test("BTF is decoded as bpftool decodes it", () => {
      expect(object.btf && printBtf(object.btf)).toBe(output("bpftool", "btf", "dump", "file", path));
    });

    test("maps", () => {
      const byName = new Map(object.maps.map((m) => [m.name, m]));
      expect([...byName.keys()].sort()).toEqual(["flows", "in1", "outer", "xsks"]);
      expect(byName.get("outer")).toMatchObject({
        kind: "array_of_maps",
        valueBytes: 4,
        inner: { name: "outer.inner", kind: "array", valueBytes: 8 },
      });
      expect(byName.get("xsks")).toMatchObject({ kind: "xskmap", pinned: true });
      expect(byName.get("flows")).toMatchObject({ keyBytes: 16, valueBytes: 72 });
    });

    test("functions, relocations and lines", () => {
      const code = new Map(object.code.map((c) => [c.section.name, c]));
      expect(code.get(".text")?.functions.map((f) => [f.name, f.global])).toEqual([
        ["helper_global", true],
        ["helper_static", false],
      ]);
      expect(code.get("xdp")?.functions.map((f) => f.name)).toEqual(["first", "second"]);
      const xdp = code.get("xdp");
      const meant =
        xdp === undefined
          ? []
          : (bpfRelocations(object).get(xdp) ?? []).map((r) => ("symbol" in r ? `${r.kind} ${r.symbol}` : r.section));
      expect(meant).toEqual([
        "map flows",
        "call helper_static",
        ".bss",
        ".data",
        "call helper_global",
        "map outer",
        "map xsks",
      ]);
      expect(
        xdp?.lines.some((l) => l.text.includes("counter += helper_static(ctx, 2);") && l.file.endsWith(".c")),
      ).toBe(true);
      expect(xdp?.funcInfo).toHaveLength(2);
    });
  });
}

describe("a file with one thing wrong", () => {
  const table = sample.map("table", "hash", { key: sample.flow, value: sample.stats });
  const sound = writeObject(
    sample.object({
      maps: [table],
      programs: [sample.program("xdp_rules", [...sample.touch([table]), sample.move(0, 2), sample.exit])],
    }),
  );
  const KIND = { int: 1, array: 3, struct: 4, prototype: 13, variable: 14, section: 15 } as const;

  test.each<[ObjectFaultKind, (p: Patient) => void]>([
    ["not-elf", (p) => p.u8(0, 0)],
    ["elf-class", (p) => p.u8(4, 1)],
    ["elf-byte-order", (p) => p.u8(5, 2)],
    ["elf-type", (p) => p.u8(16, 3)],
    ["elf-machine", (p) => p.u8(18, 62)],
    ["section-headers", (p) => p.u64(40, 1e15)],
    ["section-headers", (p) => p.view.setUint16(60, 0xfeff, true)],
    ["section-headers", (p) => p.view.setUint16(58, 40, true)],
    ["section-names", (p) => p.view.setUint16(62, 0xfeff, true)],
    ["section-names", (p) => p.u32(p.header("xdp"), 1_000_000)],
    ["section-outside", (p) => p.view.setBigUint64(p.header("xdp") + 32, 0xffff_ffff_ffff_fff8n, true)],
    ["section-outside", (p) => p.view.setBigUint64(p.header("xdp") + 24, 0xffff_ffff_ffff_fff8n, true)],
    ["sections-overlap", (p) => p.u64(p.header(".BTF") + 24, 64)],
    ["symbol-table", (p) => p.u64(p.header(".symtab") + 32, 25)],
    ["symbol-table", (p) => p.u32(p.header(".symtab") + 40, 1000)],
    ["symbol-name", (p) => p.u32(p.symbol("xdp_rules"), 0xffffffff)],
    ["symbol-section", (p) => p.view.setUint16(p.symbol("xdp_rules") + 6, 200, true)],
    ["relocation-table", (p) => p.u64(p.header(".relxdp") + 32, 15)],
    ["relocation-target", (p) => p.u32(p.header(".relxdp") + 44, 77)],
    ["relocation-offset", (p) => p.u64(p.offset(".relxdp"), 32)],
    ["relocation-symbol", (p) => p.u32(p.offset(".relxdp") + 12, 77)],
    ["code-relocation", (p) => p.u64(p.offset(".relxdp"), 4)],
    ["code-size", (p) => p.u64(p.header("xdp") + 32, 31)],
    ["function-range", (p) => p.u64(p.symbol("xdp_rules") + 16, 40)],
    ["function-range", (p) => p.u64(p.symbol("xdp_rules") + 8, 4)],
    ["license", (p) => p.u8(p.offset("license") + 3, 0x58)],
    ["btf-header", (p) => p.u8(p.offset(".BTF"), 0)],
    ["btf-header", (p) => p.u32(p.offset(".BTF") + 12, 0xfffffff0)],
    ["btf-header", (p) => p.u32(p.offset(".BTF") + 20, 0xfffffff0)],
    ["btf-record", (p) => p.u32(p.record(KIND.int) + 4, 0x1f000000)],
    ["btf-record", (p) => p.u32(p.record(KIND.section) + 4, 0x0f00ffff)],
    ["btf-name", (p) => p.u32(p.record(KIND.int), 0x7fffffff)],
    ["btf-reference", (p) => p.u32(p.record(KIND.variable) + 8, 1_000_000)],
    ["btf-cycle", (p) => p.u32(p.record(KIND.struct, "stats") + 16, 18)],
    ["btf-ext-header", (p) => p.u8(p.offset(".BTF.ext"), 0)],
    ["btf-ext-record", (p) => p.u32(p.offset(".BTF.ext") + 12, 0xffffffff)],
    ["btf-ext-record", (p) => p.u32(p.func() - 4, 0xffffffff)],
    ["btf-ext-record", (p) => p.u32(p.line(0) + 8, 0xffffffff)],
    ["btf-ext-record", (p) => p.u32(p.line(2), 4096)],
    ["btf-ext-section", (p) => p.u32(p.func() - 8, 0)],
    ["map-definition", (p) => p.u32(p.record(KIND.section, ".maps") + 12, 1)],
  ])("%s", (what, damage) => {
    const patient = new Patient(sound);
    damage(patient);
    const { faults } = readObject(patient.bytes);
    expect(faults?.map((f) => f.what)).toContain(what);
    for (const fault of faults ?? []) {
      expect(fault.offset).toBeGreaterThanOrEqual(0);
      expect(faultText(fault)).toMatch(/^[a-z.].* \(at byte \d+\)$/);
    }
  });

  test("two functions that overlap", () => {
    const programs = [sample.constantProgram("a", 1), sample.constantProgram("b", 2)];
    const patient = new Patient(writeObject(sample.object({ programs })));
    patient.u64(patient.symbol("a") + 16, 24);
    expect(readObject(patient.bytes).faults).toMatchObject([{ what: "functions-overlap" }]);
  });

  test("functions without sizes reach to the next one", () => {
    const programs = [sample.constantProgram("a", 1), sample.constantProgram("b", 2)];
    const patient = new Patient(writeObject(sample.object({ programs })));
    for (const name of ["a", "b"]) patient.u64(patient.symbol(name) + 16, 0);
    expect(read(patient.bytes).code[0]?.functions).toEqual([
      { name: "a", startSlot: 0, slots: 2, global: true },
      { name: "b", startSlot: 2, slots: 2, global: true },
    ]);
  });

  test("without BTF, maps have names only", () => {
    const patient = new Patient(sound);
    patient.replace(".strtab", ".BTF", ".BTX");
    patient.replace(".strtab", ".BTF.ext", ".BTX.ext");
    const object = read(patient.bytes);
    expect(object.btf).toBeNull();
    expect(object.maps).toMatchObject([{ name: "table", kind: null, keyBytes: null }]);
  });

  test("every truncation is a fault, not an exception", () => {
    for (let length = 0; length < sound.length; length++)
      expect(readObject(sound.slice(0, length)).faults).toHaveLength(1);
  });
});
