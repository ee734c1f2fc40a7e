// Small programs written as text and given to the kernel: what the tables claim is held against what its verifier says.

import { release } from "node:os";
import { parseAsm } from "../../src/bpf/asm-parse.ts";
import { encode } from "../../src/bpf/encode.ts";
import type { Helper } from "../../src/bpf/helpers.ts";
import { type KernelMap, LoadError, loadProgram, patchMapFds } from "../support/bpf.ts";

/** This kernel's release as "MAJOR.MINOR". */
export const thisKernel = /^\d+\.\d+/.exec(release())?.[0] ?? "0.0";

/** The verifier's log of a program given as text, and whether it was taken. Every `map[…]` stands for `map`. */
export function tryLoad(text: string, map: KernelMap | null = null, license = "GPL"): { taken: boolean; log: string } {
  const parsed = parseAsm(text);
  if (parsed.kind === "errors") throw new Error(`${JSON.stringify(parsed.errors)} in\n${text}`);
  const { bytes, relocations } = encode(parsed.insns);
  const insns = map === null ? bytes : patchMapFds(bytes, new Map(relocations.map(({ slot }) => [slot, map.fd])));
  try {
    const program = loadProgram({ insns, license });
    program.close();
    return { taken: true, log: program.log };
  } catch (error) {
    if (error instanceof LoadError) return { taken: false, log: error.log };
    throw error;
  }
}

/**
 * A program that checks 14 bytes of the packet, gives the helper an argument of each kind it asks for and runs `after`, with
 * the packet's start in r7; null for kinds of argument that take more than a line to make.
 */
export function callProgram(helper: Helper, after = "", override: readonly string[] = []): string | null {
  const zeroed = Array.from({ length: 16 }, (_, i) => `*(u64 *)(r10 - ${8 * (i + 1)}) = 0`);
  const args: string[] = [];
  for (const [index, kind] of helper.args.entries()) {
    const reg = `r${index + 1}`;
    const other = override[index];
    if (other !== undefined && other !== "") {
      args.push(`${reg} = ${other}`);
      continue;
    }
    switch (kind) {
      case "ctx":
        args.push(`${reg} = r6`);
        break;
      case "map":
        args.push(`${reg} = map[m] ll`);
        break;
      case "scalar":
        args.push(`${reg} = 0`);
        break;
      case "size":
      case "sizeOrZero":
        args.push(`${reg} = 16`);
        break;
      case "key":
      case "value":
      case "valueOut":
      case "memory":
      case "memoryOut":
      case "memoryInOut":
      case "memoryOrNull":
      case "memoryOrNullOut":
      case "fixedMemory":
      case "fixedMemoryOut":
      case "fixedMemoryInOut":
        args.push(`${reg} = r10`, `${reg} += -128`);
        break;
      case "extra":
        break;
      default:
        return null;
    }
  }
  return [
    "r6 = r1",
    "r7 = *(u32 *)(r6 + 0)",
    "r8 = *(u32 *)(r6 + 4)",
    "r1 = r7",
    "r1 += 14",
    "if r1 > r8 goto out",
    ...zeroed,
    ...args,
    `call ${helper.id}`,
    after,
    "out: w0 = 2",
    "exit",
  ].join("\n");
}
