// The text of whole objects: ours against a listing written by hand, clang's against LLVM's own disassembler.

import { readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { parseAsm } from "../../src/bpf/asm-parse.ts";
import { encode } from "../../src/bpf/encode.ts";
import { disassembleObject } from "../../src/elfwriter/disasm-object.ts";
import { writeObject } from "../../src/elfwriter/write.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import { Patient } from "./damage.ts";
import * as sample from "./samples.ts";
import { compileC, output, richC, Scratch } from "./tools.ts";

const scratch = new Scratch();
afterAll(() => scratch.remove());

test("maps, variables, lines, labels and names", () => {
  const table = sample.map("table", "hash", { key: sample.flow, value: sample.stats, maxEntries: 1024, pinned: true });
  const at = (insnIndex: number, line: number, text: string) => ({
    insnIndex,
    file: "rules.xdp",
    text,
    line,
    column: 1,
  });
  const lookup = sample.program("xdp_rules", sample.lookup("table", 1, 2), {
    lines: [at(0, 3, "if flow in table"), at(3, 3, "if flow in table"), at(6, 4, "  then drop"), at(8, 5, "pass")],
  });
  const data = [
    {
      name: ".data",
      bytes: new Uint8Array(8),
      variables: [
        { name: "b", type: sample.uint(1), offsetBytes: 4, local: true },
        { name: "a", type: sample.uint(4), offsetBytes: 0, local: false },
      ],
    } as const,
  ];
  const programs = [
    lookup,
    sample.program(
      "on_dev",
      [sample.wide(1, { kind: "data", section: ".data", offsetBytes: 4 }), sample.move(0, 2), sample.exit],
      {
        section: "xdp/devmap",
        lines: [],
      },
    ),
  ];
  expect(disassembleObject(writeObject(sample.object({ maps: [table], data, programs }))).text).toBe(
    `; license GPL
; map table: hash, key 8 bytes, value 16 bytes, max_entries 1024, pinned by name
; .data[0] a, 4 bytes
; .data[4] b, 1 byte

; section xdp

xdp_rules:
; rules.xdp:3 if flow in table
    *(u64 *)(r10 - 8) = 0
    r2 = r10
    r2 += -8
    r1 = map[table] ll
    call bpf_map_lookup_elem
    if r0 == 0 goto L1
; rules.xdp:4 then drop
    r0 = 1
    exit
L1:
; rules.xdp:5 pass
    r0 = 2
    exit

; section xdp/devmap

on_dev:
    r1 = .data[4] ll
    r0 = 2
    exit
`,
  );
});

test("the listing of a code section assembles to its bytes again", () => {
  const object = sample.objectWithGlobals();
  const { text = "" } = disassembleObject(writeObject(object));
  const parsed = parseAsm(text);
  expect(parsed.kind).toBe("insns");
  if (parsed.kind === "insns")
    expect(encode(parsed.insns).bytes).toEqual(encode(object.programs[0]?.insns ?? []).bytes);
});

test("control characters of a file don't reach the terminal", () => {
  const lines = [{ insnIndex: 0, file: "f\u001b[2J", text: "a\u0007b\u009bc", line: 1, column: 1 }];
  const { text = "" } = disassembleObject(
    writeObject(sample.object({ programs: [sample.constantProgram("p", 2, { lines })] })),
  );
  expect(text).toContain("; f\\x1b[2J:1 a\\x07b\\x9bc\n");
});

test("bytes that are no instructions are shown as such", () => {
  const patient = new Patient(writeObject(sample.object()));
  patient.u8(patient.offset("xdp"), 0xff);
  expect(disassembleObject(patient.bytes).text).toMatch(/\.bytes ff 00 00 00 02 00 00 00 .*\n.*\n {4}exit\n/);
});

test("a file that can't be read gives faults", () => {
  expect(disassembleObject(new Uint8Array(10)).faults).toEqual([{ what: "not-elf", offset: 0 }]);
});

describeWith("clang's object", [toolProblem("clang-19", "llvm-objdump-19")], () => {
  const path = compileC(scratch, "clang-19", "rich", richC);
  const { text = "" } = disassembleObject(readFileSync(path));

  test("has as many instructions in each section as LLVM finds", () => {
    const ours = new Map(
      text
        .split("; section ")
        .slice(1)
        .map((part) => [part.slice(0, part.indexOf("\n")), part.match(/^ {4}\S/gm)?.length ?? 0]),
    );
    const theirs = new Map(
      output("llvm-objdump-19", "-d", "--no-show-raw-insn", path)
        .split("Disassembly of section ")
        .slice(1)
        .map((part) => [part.slice(0, part.indexOf(":")), part.match(/^\s+\d+:/gm)?.length ?? 0]),
    );
    expect(ours).toEqual(theirs);
    expect(ours.size).toBe(3);
  });

  test("names what relocations mean", () => {
    for (const part of [
      "call helper_static",
      "call helper_global",
      "r1 = map[flows] ll",
      "r1 = map[xsks] ll",
      "\nhelper_static:\n",
      "; .data[4] hidden, 4 bytes",
      "= .bss[0] ll",
    ]) {
      expect(text).toContain(part);
    }
    expect(text).toMatch(/; \S*rich\.c:\d+ counter \+= helper_static\(ctx, 2\);\n/);
    expect(text).not.toContain("raw[");
  });
});
