// Constant sets of all types and sizes in the kernel, against a plain reading of what was written: random members, their
// neighbours, strangers, and sets made to be unpleasant. The value comes in a header of the test's own.

import { afterAll, describe, expect, test } from "vitest";
import type { CompileOptions } from "../../src/compile.ts";
import { bigEndian } from "../support/addresses.ts";
import { programInfo } from "../support/bpf.ts";
import { compileText, describeDiagnostics, objectFile } from "../support/compile.ts";
import { type LoadedObject, loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { Random } from "../support/random.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";
import { type Part, type SetCase, setCases } from "./set-cases.ts";

/** Probes of one compilation of a set. */
const PROBES = 6000;
const QUICK_PROBES = 600;
/** The most instructions the verifier may go through. */
const MOST_VERIFIED = 20_000;

/** Membership by what was written: sorted by start, with the greatest end so far. Tuples are one number. */
class PlainSet {
  readonly #starts: bigint[];
  readonly #ends: bigint[] = [];

  constructor(ranges: readonly (readonly [from: bigint, to: bigint])[]) {
    const sorted = [...ranges].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    this.#starts = sorted.map(([from]) => from);
    let most = -1n;
    for (const [, to] of sorted) {
      if (to > most) most = to;
      this.#ends.push(most);
    }
  }

  has(value: bigint): boolean {
    let [low, high] = [0, this.#starts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle]! <= value) low = middle + 1;
      else high = middle;
    }
    return low > 0 && this.#ends[low - 1]! >= value;
  }
}

const widthOf = (parts: readonly Part[]): number => parts.reduce((sum, part) => sum + BITS[part], 0);
const BITS: Readonly<Record<Part, number>> = { u8: 8, u16: 16, u32: 32, u64: 64, ipv4: 32, ipv6: 128, mac: 48 };

function sourceOf(set: SetCase): string {
  const fields = set.parts.map((part, i) => `f${i} : ${part}`).join(", ");
  const value = set.parts.map((_, i) => `probe.f${i}`).join(", ");
  const member = set.parts.length === 1 ? value : `(${value})`;
  return `header probe on eth 0x88b5 { ${fields} }
const set numbers : ${set.type} from "numbers.txt"
if ${member} in numbers then drop
if not (${member} in numbers) then tx
`;
}

/** Members at random, the ends of elements and what lies beside them, strangers near and far, the ends of the world. */
function probesOf(set: SetCase, count: number): bigint[] {
  const random = new Random(7);
  const bits = BigInt(widthOf(set.parts));
  const last = (1n << bits) - 1n;
  const all = [0n, 1n, last, last - 1n];
  const wide = (): bigint => {
    let value = 0n;
    for (let i = 0n; i < bits; i += 32n) value = (value << 32n) | BigInt(random.next());
    return value & last;
  };
  while (all.length < count) {
    const [from, to] = set.ranges.length === 0 ? [0n, 0n] : random.pick(set.ranges);
    const inside = from + (wide() % (to - from + 1n));
    const flipped = inside ^ (1n << BigInt(random.below(Number(bits))));
    all.push(from, to, from - 1n, to + 1n, inside, flipped, wide(), to + (wide() & 0xffffn), from - (wide() & 0xffffn));
  }
  return all.filter((value) => value >= 0n && value <= last);
}

function frameOf(value: bigint, bytes: number): Uint8Array {
  const frame = new Uint8Array(64);
  frame.set([0x88, 0xb5], 12);
  frame.set(bigEndian(value, bytes), 14);
  return frame;
}

function judge(set: SetCase, options: Partial<CompileOptions>, probes: readonly bigint[]): void {
  const source = sourceOf(set);
  const result = compileText(source, { files: { "numbers.txt": `${set.lines.join("\n")}\n` }, ...options });
  expect(result.output, describeDiagnostics(result).slice(0, 2000)).not.toBeNull();
  const object: LoadedObject = loadObject(objectFile(result.output!.object));
  try {
    const program = object.program();
    const { verifiedInsns } = programInfo(program.fd);
    expect(verifiedInsns, "instructions that the verifier went through").toBeLessThan(MOST_VERIFIED);
    const plain = new PlainSet(set.ranges);
    const bytes = widthOf(set.parts) / 8;
    const faults: string[] = [];
    for (const value of probes) {
      const want = plain.has(value) ? "drop" : "tx";
      const { verdict } = program.run(frameOf(value, bytes));
      if (verdict !== want) faults.push(`0x${value.toString(16)}: want ${want}, got ${verdict}`);
      if (faults.length > 5) break;
    }
    expect(faults.join("\n")).toBe("");
  } finally {
    object.close();
  }
}

describeWith("constant sets in the kernel", [kernelProblem()], () => {
  afterAll(closeAll);

  describe.each(setCases.map((set) => [set.name, set] as const))("%s", (_, set) => {
    test("-O2", () => judge(set, {}, probesOf(set, PROBES)));
    test.each([
      ["unoptimised", { optimise: 0 }] as const,
      ["cpu v1", { cpu: "v1" }] as const,
      ["cpu v4", { cpu: "v4" }] as const,
    ])("%s", (_, options) => judge(set, options, probesOf(set, QUICK_PROBES)));
  });
});
