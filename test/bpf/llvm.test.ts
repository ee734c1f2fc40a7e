// Our encodings against LLVM's: its assembler reads our text and must give our bytes, its disassembler reads our bytes and
// must name the same instruction.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { printAsm } from "../../src/bpf/asm.ts";
import { parseAsm } from "../../src/bpf/asm-parse.ts";
import { encode } from "../../src/bpf/encode.ts";
import type { ResolvedInsn } from "../../src/bpf/insn.ts";
import { describeWith, findTool, toolProblem } from "../support/requirements.ts";
import { program, tries } from "./arbitraries.ts";

/** LLVM's spelling of a listing: helpers by number, stores of narrow values from w registers are the same to it. */
function forLlvm(insns: readonly ResolvedInsn[]): string {
  const ids = insns.flatMap((insn) => (insn.kind === "call" && insn.callee.kind === "helper" ? [insn.callee.id] : []));
  return printAsm({ insns }).replace(/call (?:bpf_\w+|helper\[\d+\])/g, () => `call ${ids.shift()}`);
}

/** The bytes of an object's section .text. */
function textSection(object: Uint8Array): Uint8Array {
  const view = new DataView(object.buffer, object.byteOffset, object.byteLength);
  const headers = Number(view.getBigUint64(0x28, true));
  const count = view.getUint16(0x3c, true);
  const header = (index: number) => headers + index * 64;
  const place = (index: number) => ({
    offset: Number(view.getBigUint64(header(index) + 0x18, true)),
    size: Number(view.getBigUint64(header(index) + 0x20, true)),
  });
  const names = place(view.getUint16(0x3e, true)).offset;
  for (let index = 0; index < count; index++) {
    const name = names + view.getUint32(header(index), true);
    if (new TextDecoder().decode(object.subarray(name, name + 6)) !== ".text\0") continue;
    const { offset, size } = place(index);
    return Uint8Array.from(object.subarray(offset, offset + size));
  }
  throw new Error("no section .text");
}

const problem = toolProblem("llvm-mc-19", "llvm-objdump-19");

describeWith("LLVM 19", [problem], () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "xdpc-llvm-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Assembles text into folder/a.o. */
  function assemble(text: string): string {
    const [source, object] = [join(folder, "a.s"), join(folder, "a.o")];
    writeFileSync(source, text);
    const tool = findTool("llvm-mc-19") ?? "";
    execFileSync(tool, ["-triple=bpfel", "-mcpu=v4", "-filetype=obj", "-o", object, source], { stdio: "pipe" });
    return object;
  }

  /** Symbols are ours, legacy loads and kfunc calls LLVM writes otherwise; local calls become relocations there. */
  const insns = program(200, { symbols: false, odd: false }).map((all) =>
    all.filter((insn) => !(insn.kind === "call" && insn.callee.kind === "local")),
  );
  /** Filtering moved the jumps: they go to the instruction behind them instead. */
  const straight = insns.map((all) =>
    all.map((insn) =>
      insn.kind === "jump" || insn.kind === "branch" || insn.kind === "mayGoto" ? { ...insn, target: 0 } : insn,
    ),
  );

  test("assembles our text to our bytes", () => {
    fc.assert(
      fc.property(straight, (all) => {
        fc.pre(all.length > 0);
        expect(textSection(readFileSync(assemble(forLlvm(all))))).toEqual(encode(all).bytes);
      }),
      tries(40),
    );
  });

  test("assembles jumps to labels to our bytes", () => {
    fc.assert(
      fc.property(program(60, { symbols: false, odd: false }), (all) => {
        const jumps = all.map((insn): ResolvedInsn => (insn.kind === "call" ? { kind: "exit" } : insn));
        expect(textSection(readFileSync(assemble(printAsm({ insns: jumps }))))).toEqual(encode(jumps).bytes);
      }),
      tries(20),
    );
  });

  test("disassembles our bytes to text that we read back to them", () => {
    const tool = findTool("llvm-objdump-19") ?? "";
    fc.assert(
      fc.property(straight, (all) => {
        fc.pre(all.length > 0);
        const object = assemble(forLlvm(all));
        const listing = execFileSync(tool, ["-d", "--mcpu=v4", "--no-show-raw-insn", "--no-leading-addr", object], {
          encoding: "utf8",
        });
        const code = listing.split("<.text>:")[1] ?? "";
        // LLVM shows 32-bit loads into w registers, which are the same instruction.
        const ours = code.replace(/ ?<[\w.+]*>:?$/gm, "").replace(/^(\s*)w(\d+) = \*\(u/gm, "$1r$2 = *(u");
        const parsed = parseAsm(ours);
        expect(parsed.kind === "errors" ? parsed.errors : encode(parsed.insns).bytes).toEqual(encode(all).bytes);
      }),
      tries(20),
    );
  });
});
