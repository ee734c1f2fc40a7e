// What loaders expect of the file, fact by fact, looked at with other people's readers: llvm-readelf for ELF, bpftool for
// BTF. Whether loaders then take it is load.test.ts's matter.

import { afterAll, beforeAll, expect, test } from "vitest";
import { InternalError } from "../../src/base/assert.ts";
import type { BpfObject } from "../../src/bpf/object.ts";
import { writeObject } from "../../src/elfwriter/write.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import * as sample from "./samples.ts";
import { output, Scratch } from "./tools.ts";

const readelf = "llvm-readelf-19";
const scratch = new Scratch();
afterAll(() => scratch.remove());

/** The rows of one of readelf's tables, split at blanks. */
function rows(path: string, option: string): string[][] {
  return output(readelf, "-W", option, path)
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
}

/** Sections by name: type, size, flags, and the numbers behind them. */
function sections(
  path: string,
): Map<
  string,
  { number: number; type: string; size: number; flags: string; link: number; info: number; align: number }
> {
  const text = output(readelf, "-W", "-S", path);
  const pattern =
    /^\s*\[\s*(\d+)\] (\S*)\s+([A-Z]+)\s+[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+) [0-9a-f]+\s+([A-Z]*)\s+(\d+)\s+(\d+)\s+(\d+)$/gm;
  return new Map(
    [...text.matchAll(pattern)].map(([, number, name, type, size, flags, link, info, align]) => [
      name ?? "",
      {
        number: Number(number),
        type: type ?? "",
        size: Number.parseInt(size ?? "", 16),
        flags: flags ?? "",
        link: Number(link),
        info: Number(info),
        align: Number(align),
      },
    ]),
  );
}

/** Symbols in the order of the table: [value, size, type, binding, section number, name]. */
function symbols(path: string): (string | number)[][] {
  return rows(path, "-s")
    .filter((row) => /^\d+:$/.test(row[0] ?? "") && row[0] !== "0:")
    .map(([, value, size, type, bind, , section, name]) => [
      Number.parseInt(value ?? "", 16),
      Number(size),
      type ?? "",
      bind ?? "",
      Number(section),
      name ?? "",
    ]);
}

function btfDump(path: string): string {
  return output("bpftool", "btf", "dump", "file", path);
}

describeWith("what is in the file", [toolProblem(readelf, "bpftool")], () => {
  const maps = sample.oneMapOfEachKind();
  const files: Record<string, string> = {};
  const write = (name: string, object: BpfObject): void => {
    files[name] = scratch.file(`${name}.o`, writeObject(object));
  };
  const path = (name: string): string => files[name] ?? "";

  beforeAll(() => {
    write("plain", sample.object());
    write(
      "maps",
      sample.object({
        maps,
        programs: [sample.program("xdp_maps", [...sample.touch(maps), sample.move(0, 2), sample.exit])],
      }),
    );
    write("globals", sample.objectWithGlobals());
    write(
      "many",
      sample.object({
        programs: [
          sample.constantProgram("first", 2),
          sample.constantProgram("big", 2, { section: "xdp.frags" }),
          sample.constantProgram("on_dev", 2, { section: "xdp/devmap" }),
          sample.constantProgram("second", 1, { runConfig: { priority: 5, chainOn: ["XDP_DROP"] } }),
        ],
      }),
    );
  });

  test("the header is that of a relocatable 64-bit little-endian BPF file", () => {
    const header = output(readelf, "-h", path("plain"));
    for (const part of [
      /Class:\s+ELF64/,
      /Data:\s+2's complement, little endian/,
      /Type:\s+REL/,
      /Machine:\s+EM_BPF/,
      /Flags:\s+0x0/,
    ]) {
      expect(header).toMatch(part);
    }
  });

  test("empty parts are left out", () => {
    expect([...sections(path("plain")).keys()]).toEqual([
      "",
      "xdp",
      "license",
      ".BTF",
      ".BTF.ext",
      ".symtab",
      ".strtab",
    ]);
  });

  test("sections have the types, flags and alignments that loaders look at", () => {
    const all = sections(path("globals"));
    const facts = (name: string) => {
      const s = all.get(name);
      return s && [s.type, s.flags, s.align];
    };
    expect(facts("xdp")).toEqual(["PROGBITS", "AX", 8]);
    expect(facts("license")).toEqual(["PROGBITS", "WA", 1]);
    expect(facts(".rodata")).toEqual(["PROGBITS", "A", 8]);
    expect(facts(".data")).toEqual(["PROGBITS", "WA", 8]);
    expect(facts(".bss")).toEqual(["NOBITS", "WA", 8]);
    expect(facts(".BTF")).toEqual(["PROGBITS", "", 4]);
    expect(facts(".BTF.ext")).toEqual(["PROGBITS", "", 4]);
    expect(facts(".relxdp")).toEqual(["REL", "I", 8]);
    expect(all.get(".relxdp")).toMatchObject({ link: all.get(".symtab")?.number, info: all.get("xdp")?.number });
    expect(all.get(".bss")?.size).toBe(16);
  });

  test("one symbol table, local symbols first, and its info says where the global ones begin", () => {
    const table = symbols(path("globals"));
    const firstGlobal = table.findIndex((s) => s[3] === "GLOBAL");
    expect(firstGlobal).toBeGreaterThan(0);
    expect(table.slice(firstGlobal).every((s) => s[3] === "GLOBAL")).toBe(true);
    expect(table.slice(0, firstGlobal).every((s) => s[3] === "LOCAL")).toBe(true);
    expect(sections(path("globals")).get(".symtab")?.info).toBe(firstGlobal + 1);
  });

  test("programs are global functions with their place and size, those of one section behind one another", () => {
    const all = sections(path("many"));
    const xdp = all.get("xdp")?.number ?? -1;
    const table = symbols(path("many"));
    expect(table).toContainEqual([0, 16, "FUNC", "GLOBAL", xdp, "first"]);
    expect(table).toContainEqual([16, 16, "FUNC", "GLOBAL", xdp, "second"]);
    expect(table).toContainEqual([0, 16, "FUNC", "GLOBAL", all.get("xdp.frags")?.number, "big"]);
    expect(table).toContainEqual([0, 16, "FUNC", "GLOBAL", all.get("xdp/devmap")?.number, "on_dev"]);
  });

  test("the license ends with one zero", () => {
    expect(output(readelf, "-x", "license", path("plain"))).toMatch(/0x00000000 47504c00 +GPL\.$/m);
  });

  test("maps: zeros, one global object each, places and sizes equal in symbols, VARs and DATASEC", () => {
    const number = sections(path("maps")).get(".maps")?.number;
    const inElf = symbols(path("maps"))
      .filter((s) => s[4] === number)
      .map(([value, size, type, bind, , name]) => [name, value, size, type, bind]);
    const dump = btfDump(path("maps"));
    const [, total, , body = ""] = /DATASEC '\.maps' size=(\d+) vlen=(\d+)\n((?:\t.*\n?)*)/.exec(dump) ?? [];
    const inBtf = [...body.matchAll(/offset=(\d+) size=(\d+) \(VAR '(\w+)'\)/g)].map((m) => [
      m[3],
      Number(m[1]),
      Number(m[2]),
      "OBJECT",
      "GLOBAL",
    ]);
    expect(inBtf).toHaveLength(maps.length);
    expect(inElf).toEqual(inBtf);
    expect(Number(total)).toBe(sections(path("maps")).get(".maps")?.size);
    for (const { name } of maps) expect(dump).toMatch(new RegExp(`VAR '${name}' type_id=\\d+, linkage=global`));
    const hexdump = output(readelf, "-x", ".maps", path("maps")).matchAll(/^0x\w+ (.{35})/gm);
    expect([...hexdump].map((m) => m[1]).join("")).toMatch(/^[0 ]{500,}$/);
  });

  test("relocations are R_BPF_64_64 at 16-byte loads, for maps against their own symbols", () => {
    const found = rows(path("maps"), "-r").filter((row) => row[2]?.startsWith("R_BPF"));
    expect(found.map(([offset, , type, , symbol]) => [Number.parseInt(offset ?? "", 16), type, symbol])).toEqual(
      maps.map((m, index) => [index * 16, "R_BPF_64_64", m.name]),
    );
  });

  test("globals: VARs and DATASECs equal the symbols, what only the compiler uses is local and static", () => {
    const all = sections(path("globals"));
    const dump = btfDump(path("globals"));
    const table = symbols(path("globals"));
    for (const [section, name, offset, size, bind, linkage] of [
      [".rodata", "threshold", 0, 4, "GLOBAL", "global"],
      [".rodata", "xdp_globals_fmt", 8, 7, "LOCAL", "static"],
      [".data", "total", 0, 8, "GLOBAL", "global"],
      [".bss", "seen", 0, 8, "GLOBAL", "global"],
      [".bss", "last", 8, 8, "GLOBAL", "global"],
    ] as const) {
      expect(table).toContainEqual([offset, size, "OBJECT", bind, all.get(section)?.number, name]);
      expect(dump).toMatch(new RegExp(`VAR '${name}' type_id=\\d+, linkage=${linkage}`));
      const body = new RegExp(`DATASEC '\\${section}' size=${all.get(section)?.size} .*\\n(\\t.*\\n?)*`).exec(
        dump,
      )?.[0];
      expect(body).toContain(`offset=${offset} size=${size} (VAR '${name}')`);
    }
  });

  test("functions have prototypes with named arguments, a pointer to struct xdp_md", () => {
    const dump = btfDump(path("plain"));
    const [, prototype] = /FUNC 'xdp_rules' type_id=(\d+) linkage=global/.exec(dump) ?? [];
    const [, pointer] =
      new RegExp(`\\[${prototype}\\] FUNC_PROTO '\\(anon\\)' ret_type_id=\\d+ vlen=1\\n\\t'ctx' type_id=(\\d+)`).exec(
        dump,
      ) ?? [];
    const [, struct] = new RegExp(`\\[${pointer}\\] PTR '\\(anon\\)' type_id=(\\d+)`).exec(dump) ?? [];
    expect(dump).toMatch(new RegExp(`\\[${struct}\\] STRUCT 'xdp_md' size=24 vlen=6`));
  });

  test("the run configuration is a struct _<program> in a section of zeros", () => {
    const dump = btfDump(path("many"));
    expect(dump).toMatch(/DATASEC '\.xdp_run_config' size=24 vlen=1\n\ttype_id=\d+ offset=0 size=24 \(VAR '_second'\)/);
    expect(dump).not.toContain("_first");
    const section = sections(path("many")).get(".xdp_run_config");
    expect(section).toMatchObject({ type: "PROGBITS", size: 24 });
    expect(symbols(path("many"))).toContainEqual([0, 24, "OBJECT", "GLOBAL", section?.number, "_second"]);
    expect(sections(path("plain")).has(".xdp_run_config")).toBe(false);
  });

  test("line info as LLVM's own reader shows it", () => {
    const object = sample.object({
      programs: [
        sample.program(
          "xdp_lines",
          [sample.wide(1, { kind: "constant", value: 1n << 40n }), sample.move(0, 2), sample.exit],
          {
            lines: [
              { insnIndex: 0, file: "rules.xdp", text: "if tcp then drop", line: 3, column: 1 },
              { insnIndex: 1, file: "rules.xdp", text: "pass", line: 4, column: 2000 },
            ],
          },
        ),
      ],
    });
    const listing = output("llvm-objdump-19", "-d", "-S", scratch.file("lines.o", writeObject(object)));
    // The load takes two slots, so the second line belongs to slot 2.
    expect(listing).toMatch(/; if tcp then drop\n\s+0:.*\n; pass\n\s+2:/);
  });
});

test("the same object gives the same bytes, a different order of maps other ones", () => {
  const maps = sample.oneMapOfEachKind();
  const object = (list: typeof maps): BpfObject =>
    structuredClone(
      sample.object({
        maps: list,
        programs: [sample.program("p", [...sample.touch(list), sample.move(0, 2), sample.exit])],
      }),
    );
  expect(writeObject(object(maps))).toEqual(writeObject(object(maps)));
  expect(writeObject(object(maps.toReversed()))).not.toEqual(writeObject(object(maps)));
});

test.each<[string, BpfObject]>([
  [
    "an unknown map",
    sample.object({
      programs: [
        sample.program("p", [sample.wide(1, { kind: "map", map: "nowhere" }), sample.move(0, 2), sample.exit]),
      ],
    }),
  ],
  [
    "an absent data section",
    sample.object({
      programs: [
        sample.program("p", [
          sample.wide(1, { kind: "data", section: ".data", offsetBytes: 0 }),
          sample.move(0, 2),
          sample.exit,
        ]),
      ],
    }),
  ],
  [
    "lines that don't start at 0",
    sample.object({
      programs: [
        sample.constantProgram("p", 2, { lines: [{ insnIndex: 1, file: "f", text: "t", line: 1, column: 1 }] }),
      ],
    }),
  ],
  [
    "lines behind the end",
    sample.object({
      programs: [
        sample.constantProgram("p", 2, {
          lines: [0, 2].map((insnIndex) => ({ insnIndex, file: "f", text: "t", line: 1, column: 1 })),
        }),
      ],
    }),
  ],
  [
    "lines that fall",
    sample.object({
      programs: [
        sample.constantProgram("p", 2, {
          lines: [0, 1, 1].map((insnIndex) => ({ insnIndex, file: "f", text: "t", line: 1, column: 1 })),
        }),
      ],
    }),
  ],
  [
    "a local call",
    sample.object({
      programs: [sample.program("p", [{ kind: "call", callee: { kind: "local", target: 0 } }, sample.exit])],
    }),
  ],
  ["two maps of one name", sample.object({ maps: [sample.map("m", "xskmap"), sample.map("m", "devmap")] })],
  [".bss with contents", sample.object({ data: [{ name: ".bss", bytes: Uint8Array.of(1), variables: [] }] })],
])("%s is our bug", (_name, object) => {
  expect(() => writeObject(object)).toThrow(InternalError);
});
