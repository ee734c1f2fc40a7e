// The context's fields and the verdicts against the kernel's header, and what the verifier lets a program read.

import { existsSync, readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { parseAsm } from "../../src/bpf/asm-parse.ts";
import { contextBytes, contextFieldAt, contextFields } from "../../src/bpf/context.ts";
import { encode } from "../../src/bpf/encode.ts";
import { verdictByNumber, verdicts } from "../../src/bpf/verdicts.ts";
import { LoadError, loadProgram } from "../support/bpf.ts";
import { closeAll } from "../support/native.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";

const header = "/usr/include/linux/bpf.h";

describe("the tables", () => {
  test("find by offset and number", () => {
    expect(contextFieldAt(4)).toBe("data_end");
    expect(contextFieldAt(2)).toBeNull();
    expect(contextFieldAt(contextBytes)).toBeNull();
    expect(verdictByNumber(3)).toBe("XDP_TX");
    expect(verdictByNumber(5)).toBeNull();
    expect(verdictByNumber(-1)).toBeNull();
  });
});

describeWith("linux/bpf.h on XDP", [existsSync(header) ? null : `${header} not installed`], () => {
  const text = readFileSync(header, "utf8");

  test("lays struct xdp_md out as the table", () => {
    const body = /struct xdp_md \{([\s\S]*?)\n\};/.exec(text)?.[1] ?? "";
    const names = [...body.matchAll(/__u32 (\w+);/g)].map((match) => match[1]);
    expect(Object.keys(contextFields)).toEqual(names);
    for (const [index, field] of Object.values(contextFields).entries()) expect(field.offset).toBe(index * 4);
    expect(contextBytes).toBe(names.length * 4);
  });

  test("numbers the verdicts as the table", () => {
    const body = /enum xdp_action \{([\s\S]*?)\n\};/.exec(text)?.[1] ?? "";
    const names = [...body.matchAll(/(XDP_\w+)/g)].map((match) => match[1]!);
    expect(verdicts).toEqual(Object.fromEntries(names.map((name, number) => [name, number])));
  });
});

describeWith("the verifier on the context", [kernelProblem()], () => {
  afterAll(closeAll);

  function taken(text: string, attach: "device" | "devmap" = "device"): boolean {
    const parsed = parseAsm(`${text}\nw0 = 2\nexit`);
    if (parsed.kind === "errors") throw new Error(JSON.stringify(parsed.errors));
    try {
      loadProgram({ insns: encode(parsed.insns).bytes, attach }).close();
      return true;
    } catch (error) {
      if (error instanceof LoadError) return false;
      throw error;
    }
  }

  test.each(Object.entries(contextFields))("lets a program read %s as the table says", (_name, field) => {
    const read = (bits: number, offset: number = field.offset) => `r2 = *(u${bits} *)(r1 + ${offset})`;
    expect(taken(read(32))).toBe(!field.devmapOnly);
    expect(taken(read(32), "devmap")).toBe(true);
    for (const bits of [8, 16, 64]) expect(taken(read(bits), "devmap"), `${bits} bits`).toBe(false);
    expect(taken(read(32, field.offset + 2), "devmap")).toBe(false);
    expect(taken(`*(u32 *)(r1 + ${field.offset}) = 0`, "devmap")).toBe(false);
  });

  test("lets it read nothing behind the last field", () => {
    expect(taken(`r2 = *(u32 *)(r1 + ${contextBytes})`, "devmap")).toBe(false);
    expect(taken("r2 = *(u32 *)(r1 - 4)", "devmap")).toBe(false);
  });

  test.each(Object.entries(contextFields))("gives %s as the kind the table says", (_name, field) => {
    // Only a scalar may be multiplied; only a pointer may not.
    const text = `r2 = *(u32 *)(r1 + ${field.offset})\nr2 *= 3`;
    expect(taken(text, "devmap")).toBe(field.yields === "scalar");
  });
});
