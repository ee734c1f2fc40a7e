// What the linker makes of objects, against images expected by hand: which programs there are, what is appended to them and
// where, maps, parameters, special members; each fault with its words; and objects made to be endless.

import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ByteWriter } from "../../src/base/bytes.ts";
import type { ProgramImage } from "../../src/bpf/image.ts";
import type { DecodedType } from "../../src/elfwriter/btf-decode.ts";
import { ElfBuilder, type SectionSpec } from "../../src/elfwriter/elf.ts";
import { type LinkResult, linkObject } from "../../src/elfwriter/link.ts";
import { type LinkFault, type linkFaults, linkFaultText } from "../../src/elfwriter/link-fault.ts";
import type {
  CodeSection,
  ObjectFile,
  ObjectMap,
  ObjectRelocation,
  ObjectSection,
  ObjectSymbol,
} from "../../src/elfwriter/object-file.ts";
import { readObject } from "../../src/elfwriter/read.ts";
import { StringTableReader } from "../../src/elfwriter/strtab.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import { linkSamples } from "./link-samples.ts";
import { compileC, Scratch } from "./tools.ts";

function image(result: LinkResult, name: string): ProgramImage {
  const found = result.images.find((i) => i.name === name);
  if (found === undefined) throw new Error(`no image ${name} in ${JSON.stringify(result.faults)}`);
  return found;
}

/** Where each call and each load of a function's address goes, as names. */
function callsOf({ code, functions }: ProgramImage): string[] {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  const calls: string[] = [];
  for (let slot = 0; slot * 8 < code.length; slot++) {
    const opcode = view.getUint8(slot * 8);
    const source = view.getUint8(slot * 8 + 1) >> 4;
    if (!(opcode === 0x85 && source === 1) && !(opcode === 0x18 && source === 4)) continue;
    const target = slot + 1 + view.getInt32(slot * 8 + 4, true);
    const from = functions.findLast((f) => f.startSlot <= slot)?.name;
    const to = functions.find((f) => f.startSlot === target)?.name;
    calls.push(`${from} ${opcode === 0x18 ? "takes" : "calls"} ${to}`);
  }
  return calls;
}

describeWith("objects of clang", [toolProblem("clang-19")], () => {
  const scratch = new Scratch();
  afterAll(() => scratch.remove());
  const results = new Map<string, LinkResult>();
  beforeAll(() => {
    for (const [name, { source }] of Object.entries(linkSamples)) {
      const path = compileC(scratch, "clang-19", "sample", source, "-Wno-everything");
      const { object } = readObject(new Uint8Array(readFileSync(path)));
      if (object === undefined) throw new Error(`${name} can't be read`);
      results.set(name, linkObject(object));
    }
  });
  const linked = (name: string): LinkResult => {
    const result = results.get(name);
    if (result === undefined) throw new Error(`no sample ${name}`);
    return result;
  };

  test("functions stand where they are first called, before what their caller calls next", () => {
    const result = linked("functions in order of first call");
    const names = result.images.map((i) => i.functions.map((f) => f.name));
    expect(names).toEqual([["one", "top", "right", "leaf", "left"], ["two", "left", "leaf", "right"], ["three"]]);
    expect(callsOf(image(result, "one"))).toEqual([
      "one calls top",
      "top calls right",
      "top calls left",
      "right calls leaf",
      "right calls leaf",
      "left calls leaf",
    ]);
    for (const { functions, code } of result.images) {
      let next = 0;
      for (const { startSlot, slots } of functions) {
        expect(startSlot).toBe(next);
        next += slots;
      }
      expect(code.length).toBe(next * 8);
    }
  });

  test("functions that call each other stand once", () => {
    const recursive = image(linked("calls itself"), "recursive");
    expect(recursive.functions.map((f) => f.name)).toEqual(["recursive", "self", "other"]);
    expect(callsOf(recursive)).toEqual([
      "recursive calls self",
      "self calls self",
      "self calls other",
      "other calls self",
    ]);
  });

  test("callbacks and what they call", () => {
    const result = linked("callbacks");
    expect(image(result, "loops").functions.map((f) => f.name)).toEqual(["loops", "step", "helper", "visit"]);
    expect(callsOf(image(result, "again"))).toEqual(["again takes step", "step calls helper"]);
    expect(image(result, "again").maps).toEqual([]);
  });

  test("lines move with their functions", () => {
    const one = image(linked("functions in order of first call"), "one");
    const slots = one.lines.map(({ slot }) => slot);
    expect(slots).toEqual([...new Set(slots)].toSorted((a, b) => a - b));
    for (const { name, startSlot } of one.functions) {
      const line = one.lines.find(({ slot }) => slot === startSlot);
      expect(line?.text).toContain(` ${name}(`);
      expect(line?.file).toMatch(/sample\.c$/);
      expect(line?.line).toBeGreaterThan(1);
    }
  });

  test("what the kernel reads from prototypes", () => {
    const { functions } = image(linked("functions verified on their own"), "verified");
    const scalar = { kind: "scalar" };
    const parameters = new Map(functions.map((f) => [f.name, f.parameters]));
    expect(parameters.get("verified")).toEqual([{ kind: "ctx" }]);
    expect(parameters.get("by_pair")).toEqual([
      { kind: "memory", bytes: 8, nonNull: true },
      { kind: "memory", bytes: 8, nonNull: false },
    ]);
    expect(parameters.get("by_number")).toEqual([scalar, scalar, scalar, scalar]);
    expect(parameters.get("by_context")).toEqual([{ kind: "ctx" }, { kind: "memory", bytes: 4, nonNull: false }]);
    expect(parameters.get("by_tag")).toEqual([{ kind: "ctx" }, { kind: "memory", bytes: 12, nonNull: false }]);
    expect(functions.filter((f) => f.global).map((f) => f.name)).toEqual([
      "verified",
      "by_pair",
      "by_number",
      "by_context",
      "by_tag",
      "weak",
    ]);
    expect(functions.every((f) => f.returnsScalar)).toBe(true);
  });

  test("types that the kernel refuses leave no function global and no map typed", () => {
    const split = image(linked("types that the kernel refuses"), "split");
    expect(split.functions.every((f) => !f.global && f.parameters === null)).toBe(true);
    expect(split.maps.map((m) => m.hasBtf)).toEqual(split.maps.map(() => false));
  });

  test("data sections", () => {
    const { maps } = image(linked("data sections"), "globals");
    const of = (name: string) => maps.find((m) => m.name === name);
    expect(maps.map((m) => m.name).toSorted()).toEqual([
      ".bss",
      ".bss.cold",
      ".data",
      ".data.mine",
      ".rodata",
      ".rodata.table",
    ]);
    expect(of(".rodata.table")).toMatchObject({ frozen: true, flags: 128 | 1024, keyBytes: 4, valueBytes: 16 });
    expect([...(of(".rodata.table")?.data ?? [])]).toEqual([1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0]);
    expect(of(".data.mine")).toMatchObject({ frozen: false, flags: 1024, data: Uint8Array.of(5, 0, 0, 0) });
    expect(of(".bss")?.data?.every((byte) => byte === 0)).toBe(true);
    expect(of(".bss")?.data?.length).toBe(of(".bss")?.valueBytes);
    // Nothing for user space to map where all is static.
    const { maps: hidden } = image(linked("only static data"), "p");
    expect(hidden.map((m) => [m.name, m.flags])).toEqual([
      [".data", 0],
      [".rodata", 128],
    ]);
  });

  test("special members, where the kernel sees them", () => {
    const { maps } = image(linked("special fields"), "fields");
    expect(Object.fromEntries(maps.map((m) => [m.name, m.fields]))).toEqual({
      locks: [{ kind: "spinLock", offsetBytes: 0, bytes: 4 }],
      timers: [
        { kind: "timer", offsetBytes: 8, bytes: 16 },
        { kind: "spinLock", offsetBytes: 24, bytes: 4 },
      ],
      no_lock: [],
      two_locks: [],
      tasks: [{ kind: "kptr", offsetBytes: 8, bytes: 8 }],
    });
    expect(maps.filter((m) => !m.hasBtf).map((m) => m.name)).toEqual(["no_lock"]);
  });

  test("maps of maps have their templates", () => {
    const { maps } = image(linked("maps of maps"), "nested");
    expect(maps).toMatchObject([
      { name: "outer", type: 12, inner: { type: 1, keyBytes: 4, valueBytes: 8, maxEntries: 4, hasBtf: true } },
      { name: "hashed", type: 13, keyBytes: 8, inner: { type: 2, keyBytes: 4, valueBytes: 4, maxEntries: 3 } },
    ]);
  });

  test("programs of an object share its maps", () => {
    const loops = image(linked("callbacks"), "loops");
    expect(loops.maps).toHaveLength(1);
    const { images } = linked("keys and values of all sorts");
    expect(images[0]?.maps.find((m) => m.name === "ring")?.maxEntries).toBe(8192);
  });

  test("where programs attach", () => {
    const { images } = linked("attach points");
    expect(images.map(({ name, attach, frags }) => [name, attach, frags])).toEqual([
      ["device", "device", false],
      ["frags", "device", true],
      ["dev", "devmap", false],
      ["dev_frags", "devmap", true],
      ["cpu", "cpumap", false],
      ["cpu_frags", "cpumap", true],
      ["hello", "device", false],
      ["any", "device", false],
    ]);
    expect(images.every(({ license }) => license === "GPL")).toBe(true);
  });

  test("other programs are told apart, by section or by argument", () => {
    const { images, others } = linked("other program types");
    expect(images.map(({ name, section, attach }) => [name, section, attach])).toEqual([
      ["unknown", "elsewhere", "device"],
      ["late", "?xdp", "device"],
      ["old_devmap", "xdp_devmap/old", "devmap"],
      ["old_cpumap", "xdp_cpumap/old", "cpumap"],
    ]);
    expect(others).toEqual([
      { name: "tc_prog", section: "tc", reason: "a traffic control program, not an XDP program" },
      {
        name: "tp",
        section: "tracepoint/syscalls/sys_enter_open",
        reason: "a tracepoint program, not an XDP program",
      },
      { name: "cgroup", section: "cgroup_skb/egress", reason: "a control group program, not an XDP program" },
      { name: "filter", section: "?socket", reason: "a socket filter, not an XDP program" },
      {
        name: "stranger",
        section: "somewhere",
        reason: "not an XDP program: its argument is struct __sk_buff *, not struct xdp_md *",
      },
    ]);
  });

  test("what only a kernel knows is a gap", () => {
    expect(image(linked("configuration of the kernel"), "configured").gaps.toSorted()).toEqual([
      "the address of `bpf_not_there` is the running kernel's to say (ksym)",
      "the value of `CONFIG_NOT_THERE` is the running kernel's to say (kconfig)",
      "the value of `LINUX_KERNEL_VERSION` is the running kernel's to say (kconfig)",
    ]);
    expect(image(linked("layouts of this kernel"), "unstable").gaps.toSorted()).toEqual([
      "the existence of struct net_device___mine is the running kernel's to say (CO-RE)",
      "the offset of daddr of struct iphdr is the running kernel's to say (CO-RE)",
      "the offset of mtu of struct net_device___mine is the running kernel's to say (CO-RE)",
    ]);
    const kernel = image(linked("kernel functions"), "kernel");
    expect([kernel.kfuncs, kernel.gaps]).toEqual([["bpf_dynptr_from_xdp", "bpf_dynptr_slice"], []]);
  });

  test("layouts that packets and the context fix are none", () => {
    expect(image(linked("layouts that every kernel has"), "stable").gaps).toEqual([]);
  });

  test("a fault is told with its place", () => {
    const { images, faults } = linked("calls within its own section");
    expect(images.map(({ name }) => name)).toEqual(["part"]);
    expect(faults.map((f) => [f.program, linkFaultText(f)])).toEqual([
      [
        "whole",
        "it calls a function that isn't in `.text`, the only section that libbpf takes such functions from (instruction 0 of whole)",
      ],
    ]);
    expect(linked("legacy maps")).toMatchObject({ images: [], faults: [{ what: "maps-legacy", program: null }] });
  });
});

/** Slots as [opcode, registers, offset, immediate]. */
type Slot = readonly [opcode: number, registers: number, offset: number, imm: number];
const exit: Slot = [0x95, 0, 0, 0];
const call: Slot = [0x85, 0x10, 0, -1];
const wide: readonly Slot[] = [
  [0x18, 0x01, 0, 0],
  [0, 0, 0, 0],
];

function bytesOf(slots: readonly Slot[]): Uint8Array {
  const writer = new ByteWriter("little", slots.length * 8);
  for (const [opcode, registers, offset, imm] of slots) writer.u8(opcode).u8(registers).u16(offset).u32(imm);
  return writer.finish();
}

const symbolOf = (section: ObjectSection | null, parts: Partial<ObjectSymbol> = {}): ObjectSymbol => ({
  name: "",
  type: 3,
  binding: 0,
  hidden: false,
  section,
  value: 0n,
  size: 0n,
  ...parts,
});

let nextNumber = 1;
function sectionOf(name: string, bytes: Uint8Array, parts: Partial<ObjectSection> = {}): ObjectSection {
  const number = nextNumber++;
  return { number, name, type: 1, flags: 2n, offset: 0, size: BigInt(bytes.length), bytes, link: 0, info: 0, ...parts };
}

function codeOf(
  name: string,
  functions: Readonly<Record<string, readonly Slot[]>>,
  relocations: readonly (readonly [slot: number, symbol: ObjectSymbol])[] = [],
  parts: Partial<CodeSection> = {},
): CodeSection {
  const section = sectionOf(name, bytesOf(Object.values(functions).flat()), { flags: 6n });
  let startSlot = 0;
  const placed = Object.entries(functions).map(([fn, slots]) => {
    startSlot += slots.length;
    return { name: fn, startSlot: startSlot - slots.length, slots: slots.length, global: true };
  });
  const relocated = relocations.map(([slot, symbol]): ObjectRelocation => ({ offset: slot * 8, symbol, type: 1 }));
  return {
    section,
    functions: placed,
    relocations: relocated,
    lines: [],
    funcInfo: [],
    coreRelocations: [],
    ...parts,
  };
}

function objectOf(code: readonly CodeSection[], parts: Partial<ObjectFile> = {}): ObjectFile {
  const sections = code.map(({ section }) => section);
  const nothing = { symbols: [], relocations: new Map(), maps: [], license: null, btf: null };
  return { ...nothing, ...parts, code, sections: [...sections, ...(parts.sections ?? [])] };
}

function btfOf(types: readonly DecodedType[]) {
  return { types: [{ kind: "void", name: "" } as const, ...types], strings: new StringTableReader(Uint8Array.of(0)) };
}

const int: DecodedType = {
  kind: "int",
  name: "int",
  bytes: 4,
  bits: 32,
  bitOffset: 0,
  signed: true,
  char: false,
  bool: false,
};
const mapOf = (name: string, parts: Partial<ObjectMap> = {}): ObjectMap => ({
  name,
  type: 2,
  kind: "array",
  maxEntries: 1,
  flags: 0,
  pinned: false,
  keyBytes: 4,
  valueBytes: 8,
  keyType: null,
  valueType: null,
  inner: null,
  ...parts,
});

/** An object whose program loads a map of `.maps`. */
function objectWithMap(map: ObjectMap, types: readonly DecodedType[] = []): ObjectFile {
  const maps = sectionOf(".maps", new Uint8Array(32));
  const symbol = symbolOf(maps, { name: map.name, type: 1, binding: 1 });
  const described: DecodedType = { kind: "section", name: ".maps", bytes: 32, variables: [] };
  const parts = { sections: [maps], symbols: [symbol], maps: [map], btf: btfOf([...types, described]) };
  return objectOf([codeOf("xdp", { p: [...wide, exit] }, [[0, symbol]])], parts);
}

const text = codeOf(".text", { f: [exit], g: [exit, exit] });
const textSymbol = symbolOf(text.section);
const data = sectionOf(".data", new Uint8Array(8));
const faulty: Readonly<Record<keyof typeof linkFaults, () => ObjectFile>> = {
  "maps-legacy": () => objectOf([], { sections: [sectionOf("maps", new Uint8Array(20))] }),
  "maps-without-btf": () => objectOf([], { sections: [sectionOf(".maps", new Uint8Array(32))] }),
  "map-type": () => objectWithMap(mapOf("m", { type: null })),
  "map-size": () => objectWithMap(mapOf("m", { valueType: 1, valueBytes: 2 ** 32 }), [int]),
  "map-program": () => objectWithMap(mapOf("m", { programs: [{ index: 2, program: "nobody" }] })),
  "map-fields": () => objectWithMap(mapOf("m", { keyType: 1, valueType: 2, valueBytes: 0 }), endlessStruct()),
  "map-unknown": () => {
    const object = objectWithMap(mapOf("m"));
    const symbol = symbolOf(object.sections[1]!, { name: "m2", value: 8n });
    return { ...object, code: [codeOf("xdp", { p: [...wide, exit] }, [[0, symbol]])] };
  },
  "data-size": () => {
    const bss = sectionOf(".bss", new Uint8Array(0), { type: 8, size: 2n ** 40n });
    return objectOf([codeOf("xdp", { p: [...wide, exit] }, [[0, symbolOf(bss)]])]);
  },
  "relocation-twice": () =>
    objectOf([
      codeOf("xdp", { p: [...wide, exit] }, [
        [0, symbolOf(data)],
        [0, symbolOf(data)],
      ]),
    ]),
  "relocation-instruction": () => objectOf([codeOf("xdp", { p: [exit] }, [[0, symbolOf(data)]])]),
  "relocation-cut": () => objectOf([codeOf("xdp", { p: [exit, wide[0]!], q: [exit] }, [[1, symbolOf(data)]])]),
  "relocation-call": () => objectOf([codeOf("xdp", { p: [[0x85, 0, 0, 1], exit] }, [[0, textSymbol]]), text]),
  "relocation-section": () => objectOf([codeOf("xdp", { p: [...wide, exit] }, [[0, symbolOf(null, { type: 1 })]])]),
  "relocation-offset": () => objectOf([codeOf("xdp", { p: [call, exit] }, [[0, { ...textSymbol, value: 4n }]]), text]),
  "call-section": () => objectOf([codeOf("xdp", { p: [call, exit], q: [exit] })]),
  "call-target": () => objectOf([codeOf("xdp", { p: [[0x85, 0x10, 0, 2], exit] }, [[0, textSymbol]]), text]),
  "function-address": () => objectOf([codeOf("xdp", { p: [[0x18, 0x42, 0, 0], exit, exit] }), text]),
  extern: () =>
    objectOf([codeOf("xdp", { p: [call, exit] }, [[0, symbolOf(null, { name: "x", type: 0, binding: 1 })]])]),
  "function-type": () =>
    objectOf([codeOf("xdp", { p: [exit] }, [], { funcInfo: [{ offsetBytes: 0, type: 1 }] })], { btf: btfOf([int]) }),
  "function-info": () =>
    objectOf(
      [codeOf("xdp", { p: [call, exit] }, [[0, textSymbol]], { funcInfo: [{ offsetBytes: 0, type: 2 }] }), text],
      {
        btf: btfOf([
          { kind: "prototype", name: "", result: 0, parameters: [] },
          { kind: "function", name: "p", prototype: 1, linkage: 1 },
        ]),
      },
    ),
  "line-info": () =>
    objectOf([
      codeOf("xdp", { p: [call, exit] }, [[0, textSymbol]], {
        lines: [{ offsetBytes: 0, file: "a.c", text: "x", line: 1, column: 1 }],
      }),
      text,
    ]),
  "image-size": () => {
    const big = codeOf(".text", { big: Array.from({ length: 100_000 }, () => exit) });
    const programs = Array.from({ length: 21 }, (_, i) => [`p${i}`, [call, exit]] as const);
    const relocations = programs.map((_, i) => [i * 2, symbolOf(big.section)] as const);
    return objectOf([codeOf("xdp", Object.fromEntries(programs), relocations), big]);
  },
};

/** Types that share parts so that they have 2^30 members without being deep. */
function endlessStruct(): DecodedType[] {
  const member = (type: number) => ({ name: "m", type, bitOffset: 0, bits: 0 });
  const struct = (members: readonly number[], name = "s"): DecodedType => ({
    kind: "struct",
    name,
    bytes: 0,
    members: members.map(member),
  });
  const chain = Array.from({ length: 30 }, (_, i) => struct([i + 3, i + 3]));
  // At the end a lock in a place where the kernel overlooks it.
  const lock: DecodedType = { kind: "struct", name: "s", bytes: 8, members: [{ ...member(33), bitOffset: 8 }] };
  return [int, ...chain, lock, { kind: "struct", name: "bpf_list_head", bytes: 16, members: [] }];
}

describe("faults", () => {
  test.each(Object.entries(faulty))("%s", (what, make) => {
    const { faults } = linkObject(make());
    expect(faults.map((f) => f.what)).toContain(what);
    for (const fault of faults) expect(linkFaultText(fault)).not.toMatch(/[%\n]/);
  });

  test("a fault in one program leaves the others", () => {
    const { images, faults } = linkObject(objectOf([codeOf("xdp", { p: [exit], q: [call, exit], r: [exit, exit] })]));
    expect(images.map(({ name }) => name)).toEqual(["p", "r"]);
    expect(faults.map(({ program, place }) => [program, place])).toEqual([["q", { function: "q", slot: 0 }]]);
  });

  test("a fault in a function is told for each program that calls it, with the place in the function", () => {
    const bad = codeOf(".text", { good: [exit], bad: [exit, [0x18, 0x42, 0, 0], exit] });
    const code = codeOf("xdp", { p: [call, exit], q: [call, exit], r: [exit] }, [
      [0, symbolOf(bad.section, { value: 8n, type: 2, binding: 1 })],
      [2, symbolOf(bad.section, { value: 8n, type: 2, binding: 1 })],
    ]);
    const { faults } = linkObject(objectOf([code, bad]));
    expect(faults.map(({ program, place }) => [program, place])).toEqual([
      ["p", { function: "bad", slot: 1 }],
      ["q", { function: "bad", slot: 1 }],
    ]);
  });

  test("names of a stranger's file are shown cut and without control characters", () => {
    const fault: LinkFault = {
      what: "extern",
      program: "p",
      section: "xdp",
      subject: `\u001b[31m$&${"x".repeat(200)}`,
      place: null,
    };
    expect(linkFaultText(fault)).toBe(
      `\`?[31m$&${"x".repeat(73)}…\` is declared extern, and BTF doesn't say what it is`,
    );
  });
});

/** Files that are small for what they ask for; each is read and linked, or refused, in a moment. */
const endless: Readonly<Record<string, () => Uint8Array>> = {
  "30,000 members that each define an inner map of 30,000 members": () => {
    const btf = new BtfBytes();
    const number = btf.add(0, 2, 0, btf.add(0, 3, 0, 0, 0, 0, 5)); // int (*)[5], of void: only the count matters
    const inner = btf.struct(
      btf.text("s"),
      8,
      Array.from({ length: 30_000 }, () => [btf.text("max_entries"), number, 0]),
    );
    const values = btf.add(0, 3, 0, 0, btf.add(0, 2, 0, inner), 0, 0);
    const map = btf.struct(
      btf.text("m"),
      8,
      Array.from({ length: 30_000 }, () => [btf.text("values"), values, 0]),
    );
    const variable = btf.add(btf.text("m"), 14, 0, map, 1);
    btf.add(btf.text(".maps"), 15, 1, 8, variable, 0, 8);
    return elfOf({ ".maps": new Uint8Array(8), ".BTF": btf.finish() });
  },
  "50,000 kernel facts about a type with a name of a megabyte": () => {
    const btf = new BtfBytes();
    const type = btf.struct(btf.text(`a${"___b".repeat(250_000)}`), 8, [[btf.text("c".repeat(100_000)), 0, 0]]);
    const words = Array.from({ length: 50_000 }, (_, i) => [i * 8, type, btf.text(`0:${"0:".repeat(i % 50)}0`), i % 9]);
    const ext = new ByteWriter("little", 1 << 21).u16(0xeb9f).u8(1).u8(0).u32(32);
    for (const word of [0, 0, 0, 0, 0, 12 + words.length * 16, 16, btf.text("xdp"), words.length]) ext.u32(word);
    for (const word of words.flat()) ext.u32(word);
    return elfOf(
      { xdp: bytesOf(words.map(() => exit)), ".BTF": btf.finish(), ".BTF.ext": ext.finish() },
      { p: ["xdp", 0] },
    );
  },
  "60,000 functions of one type with 60,000 parameters and a tag each": () => {
    const btf = new BtfBytes();
    const parameters = Array.from({ length: 60_000 }, () => [btf.text("x"), 0]).flat();
    const prototype = btf.add(0, 13, 60_000, 0, ...parameters);
    const functions = Array.from({ length: 60_000 }, () => btf.add(btf.text("f"), 12, 1, prototype));
    for (const fn of functions) btf.add(btf.text("arg:nonnull"), 17, 0, fn, 3);
    const ext = new ByteWriter("little", 1 << 20).u16(0xeb9f).u8(1).u8(0).u32(24);
    for (const word of [0, 12 + functions.length * 8, 0, 0, 8, btf.text("xdp"), functions.length]) ext.u32(word);
    for (const [i, fn] of functions.entries()) ext.u32(i * 8).u32(fn);
    const symbols = Object.fromEntries(functions.map((_, i) => [`p${i}`, ["xdp", i * 8] as const]));
    return elfOf({ xdp: bytesOf(functions.map(() => exit)), ".BTF": btf.finish(), ".BTF.ext": ext.finish() }, symbols);
  },
  "20,000 programs that call one function of 100,000 instructions": () => {
    const text = { ".text": bytesOf(Array.from({ length: 100_000 }, () => exit)) };
    const programs = { xdp: bytesOf(Array.from({ length: 20_000 }, () => [call, exit] as const).flat()) };
    const names = Array.from({ length: 20_000 }, (_, i) => [`p${i}`, ["xdp", i * 16]] as const);
    return elfOf({ ...text, ...programs }, { ...Object.fromEntries(names), big: [".text", 0] }, "big");
  },
};

/** A .BTF section word by word; `add` gives the number of the type. */
class BtfBytes {
  readonly #types = new ByteWriter("little", 1 << 20);
  readonly #strings = new ByteWriter("little", 1 << 20).u8(0);
  readonly #known = new Map<string, number>([["", 0]]);
  #count = 0;

  text(text: string): number {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const at = this.#strings.length;
    this.#strings.bytes(new TextEncoder().encode(text)).u8(0);
    this.#known.set(text, at);
    return at;
  }

  add(name: number, kind: number, vlen: number, word: number, ...rest: readonly number[]): number {
    for (const value of [name, kind * 2 ** 24 + vlen, word]) this.#types.u32(value);
    for (const value of rest) this.#types.u32(value);
    return ++this.#count;
  }

  struct(name: number, bytes: number, members: readonly (readonly number[])[]): number {
    return this.add(name, 4, members.length, bytes, ...members.flat());
  }

  finish(): Uint8Array {
    const [types, strings] = [this.#types.finish(), this.#strings.finish()];
    const out = new ByteWriter("little", types.length + strings.length + 24).u16(0xeb9f).u8(1).u8(0);
    for (const word of [24, 0, types.length, types.length, strings.length]) out.u32(word);
    return out.bytes(types).bytes(strings).finish();
  }
}

/** A file of these sections (those with programs are code), functions by name, and a call of `callee` at each even slot of xdp. */
function elfOf(
  sections: Readonly<Record<string, Uint8Array>>,
  functions: Readonly<Record<string, readonly [section: string, value: number]>> = {},
  callee?: string,
): Uint8Array {
  const builder = new ElfBuilder();
  const specs = new Map<string, SectionSpec>();
  for (const [name, bytes] of Object.entries(sections)) {
    const flags = name === "xdp" || name === ".text" ? 6 : 3;
    specs.set(name, builder.section({ name, type: 1, flags, align: 8, bytes }));
  }
  for (const [name, [section, value]] of Object.entries(functions)) {
    const symbol = { name, section: specs.get(section)!, value, size: 0, binding: 1, type: 2 };
    const made = builder.symbol(symbol);
    const code = specs.get("xdp");
    if (name !== callee || code === undefined) continue;
    for (let offset = 0; offset < code.bytes.length; offset += 16)
      builder.relocation(code, { offset, symbol: made, type: 10 });
  }
  return builder.finish();
}

describe("small files that ask for much", () => {
  test.each(Object.entries(endless))("%s", { timeout: 60_000 }, (_name, make) => {
    const bytes = make();
    const start = process.cpuUsage();
    const { object, faults } = readObject(bytes);
    expect(faults).toBeUndefined();
    if (object !== undefined) linkObject(object);
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1e6).toBeLessThan(5);
  });
});

describe("objects by hand", () => {
  test("a call into the middle of a function is one of its start, as in libbpf", () => {
    const { images } = linkObject(
      objectOf([codeOf("xdp", { p: [[0x85, 0x10, 0, 1], exit] }, [[0, textSymbol]]), text]),
    );
    expect(images[0]?.functions.map((f) => [f.name, f.startSlot])).toEqual([
      ["p", 0],
      ["g", 2],
    ]);
    expect([...(images[0]?.code.subarray(0, 8) ?? [])]).toEqual([0x85, 0x10, 0, 0, 1, 0, 0, 0]);
  });

  test("an address in data is that of symbol and instruction together", () => {
    const slots: readonly Slot[] = [[0x18, 0x03, 0, 2], [0, 0, 0, 0], exit];
    const { images } = linkObject(objectOf([codeOf("xdp", { p: slots }, [[0, symbolOf(data, { value: 4n })]])]));
    expect([...(images[0]?.code.subarray(0, 16) ?? [])]).toEqual([
      0x18, 0x23, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0,
    ]);
    expect(images[0]?.maps).toMatchObject([{ name: ".data", type: 2, valueBytes: 8, maxEntries: 1, hasBtf: false }]);
  });

  test("without BTF every section but .text holds XDP programs, unless its name says otherwise", () => {
    const sections = ["xdp", "prog", "anything", ".text", "tc/ingress", "fentry/x", "xdp_frags"];
    const { images, others } = linkObject(objectOf(sections.map((name) => codeOf(name, { p: [exit] }))));
    expect(images.map(({ section, frags }) => [section, frags])).toEqual([
      ["xdp", false],
      ["prog", false],
      ["anything", false],
      ["xdp_frags", false],
    ]);
    expect(others.map(({ section }) => section)).toEqual(["tc/ingress", "fentry/x"]);
  });

  test("calls 100,000 functions deep", () => {
    const count = 100_000;
    const names = Array.from(
      { length: count },
      (_, i) => [`f${i}`, i + 1 < count ? [[0x85, 0x10, 0, 1], exit] : [exit, exit]] as const,
    );
    const deep = codeOf(".text", Object.fromEntries(names) as Record<string, readonly Slot[]>);
    const { images } = linkObject(objectOf([codeOf("xdp", { p: [call, exit] }, [[0, symbolOf(deep.section)]]), deep]));
    expect(images[0]?.functions).toHaveLength(count + 1);
    expect(images[0]?.functions.at(-1)).toMatchObject({ name: `f${count - 1}`, startSlot: 2 * count });
  });
});
