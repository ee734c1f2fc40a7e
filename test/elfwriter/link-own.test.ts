// The short way from an object of ours to its programs' images gives what the long way gives, which writes the file, reads it
// and links it: for objects made by hand, for what only the long way can do, and for everything the compiler is tested with.

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import type { BtfType } from "../../src/bpf/btf.ts";
import type { BpfObject } from "../../src/bpf/object.ts";
import { linkObject } from "../../src/elfwriter/link.ts";
import { linkOwn } from "../../src/elfwriter/link-own.ts";
import { readObject } from "../../src/elfwriter/read.ts";
import { writeObject } from "../../src/elfwriter/write.ts";
import { actionPrograms } from "../kernel/programs/actions.ts";
import { statePrograms } from "../kernel/programs/state.ts";
import { structurePrograms } from "../kernel/programs/structure.ts";
import { compileText } from "../support/compile.ts";
import * as sample from "./samples.ts";

const written = vi.hoisted((): unknown[] => []);
vi.mock("../../src/elfwriter/write.ts", async (original) => {
  const real = await original<typeof import("../../src/elfwriter/write.ts")>();
  return {
    ...real,
    writeObject: (object: BpfObject) => {
      written.push(object);
      return real.writeObject(object);
    },
  };
});

function theLongWay(object: BpfObject) {
  const { object: read, faults } = readObject(writeObject(object));
  if (read === undefined) throw new Error(JSON.stringify(faults));
  return linkObject(read);
}

function expectEqual(object: BpfObject): void {
  expect(linkOwn(object)).toEqual(theLongWay(object));
}

const maps = sample.oneMapOfEachKind();
const lock: BtfType = { kind: "struct", name: "bpf_spin_lock", bytes: 4, members: [] };
const locked: BtfType = {
  kind: "struct",
  name: "locked",
  bytes: 8,
  members: [{ name: "lock", type: lock, offsetBytes: 4 }],
};
const cases: Readonly<Record<string, BpfObject>> = {
  "a constant": sample.object(),
  globals: sample.objectWithGlobals(),
  "one map of each kind": sample.object({
    maps,
    programs: [sample.program("p", [...sample.touch(maps), ...sample.touch(maps.toReversed()), sample.exit])],
  }),
  "sections that take turns": sample.object({
    programs: ["xdp", "xdp.frags", "xdp", "xdp/devmap", "xdp.frags/cpumap", "xdp_hello", "my_own", "xdp"].map(
      (section, i) => sample.constantProgram(`p${i}`, i, { section }),
    ),
  }),
  "sections of other program types": sample.object({
    programs: ["tc", ".text", "kprobe/x", "xdp"].map((section, i) => sample.constantProgram(`p${i}`, i, { section })),
  }),
  "lines that line info can't hold": sample.object({
    programs: [
      sample.constantProgram("p", 2, {
        lines: [
          { insnIndex: 0, file: "é\0.xdp", text: `${"é💥".repeat(500)}\0`, line: 9_999_999, column: 4096 },
          { insnIndex: 1, file: "", text: "", line: 1, column: 1 },
        ],
      }),
    ],
  }),
  "no lines, another license": sample.object({
    license: "MIT",
    programs: [sample.constantProgram("p", 0, { lines: [] })],
  }),
  "a lock in a value": sample.object({
    maps: [sample.map("m", "hash", { key: sample.uint(4), value: locked })],
    programs: [sample.program("p", sample.lookup("m", 1, 2))],
  }),
  "a lock where the kernel takes none": sample.object({
    maps: [sample.map("m", "lru_hash", { key: sample.uint(4), value: locked })],
    programs: [sample.program("p", sample.lookup("m", 1, 2))],
  }),
  "keys that an array can't have": sample.object({
    maps: [
      sample.map("a", "array", { key: { kind: "typedef", name: "t", to: sample.uint(4) }, value: sample.stats }),
      sample.map("b", "array", { key: { kind: "array", element: sample.uint(1), count: 4 }, value: sample.stats }),
      sample.map("c", "ringbuf", { maxEntries: 5000 }),
    ],
    programs: [
      sample.program("p", [
        ...["a", "b", "c"].map((map) => sample.wide(1, { kind: "map", map })),
        sample.move(0, 2),
        sample.exit,
      ]),
    ],
  }),
  "another argument": sample.object({
    programs: [
      sample.constantProgram("p", 2, {
        parameters: [{ name: "x", type: { kind: "pointer", to: sample.stats } }],
        result: { kind: "void" },
      }),
    ],
  }),
  "data without variables": sample.object({
    data: [{ name: ".bss", bytes: new Uint8Array(24), variables: [] }],
    programs: [sample.program("p", [sample.wide(1, { kind: "data", section: ".bss", offsetBytes: 16 }), sample.exit])],
  }),
};

test.each(Object.entries(cases))("%s", (_name, object) => {
  expectEqual(object);
});

test("only what is special takes the long way", () => {
  const long = (object: BpfObject): boolean => {
    written.length = 0;
    linkOwn(object);
    return written.length > 0;
  };
  expect(Object.keys(cases).filter((name) => long(cases[name]!))).toEqual([
    "sections of other program types",
    "a lock in a value",
    "a lock where the kernel takes none",
    "another argument",
  ]);
});

describe("what the compiler makes", () => {
  const examples = ["hello", "ports"].map((name) => ({
    name: `examples/${name}.xdp`,
    source: readFileSync(new URL(`../../examples/${name}.xdp`, import.meta.url), "utf8"),
    files: {},
  }));
  const stages = {
    name: "maps of programs",
    source:
      "prog_array s[4] = { b }\nprog_array t[4] = { 2: a, b }\nprogram a { tail s[0] }\nprogram b { tail t[3] }\n",
    files: {},
  };
  test.each([stages, ...examples, ...actionPrograms, ...statePrograms, ...structurePrograms])(
    "$name",
    ({ source, files }) => {
      written.length = 0;
      const result = compileText(source, { checkEachPass: false, ...(files === undefined ? {} : { files }) });
      expect(result.output).not.toBeNull();
      expect(written.length).toBe(1);
      expectEqual(written[0] as BpfObject);
    },
  );
});

test("sections of any name", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z.?_/]{1,12}$/), (section) => {
      expectEqual(sample.object({ programs: [sample.constantProgram("p", 2, { section })] }));
    }),
    {
      numRuns: Number(process.env.FC_RUNS ?? 200),
      ...(process.env.FC_SEED ? { seed: Number(process.env.FC_SEED) } : {}),
    },
  );
});
