// The checker against the machine, which share nothing but the instructions: whatever a run holds in its registers before an instruction
// lies inside one of the states that the checker walked there. Rules and random programs; no kernel is asked.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ProgramImage } from "../../src/bpf/image.ts";
import { checkProgram } from "../../src/checker/check.ts";
import type { Scalar } from "../../src/checker/scalar.ts";
import type { PointerValue, RegValue } from "../../src/checker/state.ts";
import { linkObject } from "../../src/elfwriter/link.ts";
import { readObject } from "../../src/elfwriter/read.ts";
import { Machine } from "../../src/vm/machine.ts";
import { bareImage } from "../../src/vm/program.ts";
import { StandardMachine } from "../../src/vm/standard.ts";
import { objectOf } from "../support/compile.ts";
import { wholeFrames } from "../support/corpus.ts";
import { Random } from "../support/random.ts";
import { interestingBytes, randomProgram, valueBytes } from "../vm/random-program.ts";
import { OneValue, oneValueMap } from "../vm/support.ts";

/** The registers of a state, and how many calls deep it is. */
interface Seen {
  readonly depth: number;
  readonly regs: readonly RegValue[];
}

/** Every state the checker walks, by slot; null where it doesn't accept the program. */
function statesOf(image: ProgramImage): Map<number, Seen[]> | null {
  const states = new Map<number, Seen[]>();
  const { verdict } = checkProgram(image, {
    processedLimit: 200_000,
    observe: (slot, state) => {
      const frame = state.frames.at(-1)!;
      const seen = { depth: state.frames.length - 1, regs: frame.regs.slice() };
      const list = states.get(slot);
      if (list === undefined) states.set(slot, [seen]);
      else list.push(seen);
    },
  });
  return verdict === "accept" ? states : null;
}

const holds = (scalar: Scalar, value: bigint): boolean => {
  const signed = BigInt.asIntN(64, value);
  const low = Number(value & 0xffff_ffffn);
  return (
    ((value ^ scalar.value) & ~scalar.mask & 0xffff_ffff_ffff_ffffn) === 0n &&
    scalar.umin <= value &&
    value <= scalar.umax &&
    scalar.smin <= signed &&
    signed <= scalar.smax &&
    scalar.u32min <= low &&
    low <= scalar.u32max &&
    scalar.s32min <= (low | 0) &&
    (low | 0) <= scalar.s32max
  );
};

/** Watches runs of one program; `packet` is the address of its first byte, found where a register is known to hold it. */
class Watch {
  readonly faults: string[] = [];
  readonly #states: Map<number, Seen[]>;
  packet: bigint | null = null;
  steps = 0;

  constructor(states: Map<number, Seen[]>) {
    this.#states = states;
  }

  readonly observe = (slot: number, depth: number, registers: BigUint64Array): void => {
    this.steps++;
    const here = (this.#states.get(slot) ?? []).filter((seen) => seen.depth === depth);
    if (here.some((seen) => seen.regs.every((value, r) => this.#inside(value, registers[r]!, registers[10]!)))) return;
    if (this.faults.length > 2) return;
    const values = [...registers].map((v, r) => `r${r}=${v.toString(16)}`).join(" ");
    this.faults.push(`slot ${slot} depth ${depth}: ${values} is in none of ${here.length} states`);
  };

  #inside(known: RegValue, value: bigint, frame: bigint): boolean {
    if (known.kind === "unset") return true;
    if (known.kind === "scalar") return holds(known.scalar, value);
    if (known.nullable && value === 0n) return true;
    const base = this.#baseOf(known, value, frame);
    return base === null || holds(known.varOff, BigInt.asUintN(64, value - base - BigInt(known.off)));
  }

  /** The address that a pointer counts from, where it is known. */
  #baseOf({ kind, off, varOff }: PointerValue, value: bigint, frame: bigint): bigint | null {
    if (kind === "stack" && value >> 32n === frame >> 32n) return frame;
    if (kind !== "packet") return null;
    // Just read from the context: the packet may have been moved since.
    if (off === 0 && varOff.mask === 0n && varOff.value === 0n) this.packet = value;
    return this.packet;
  }
}

// Of layer 4 only what IPv4 alone carries: with IPv6's extension headers there are a million paths to walk one by one.
const RULES = [
  `set kinds : u8[16]\nxskmap xsk[4]\nif icmp.type in kinds then redirect xsk\n`,
  `default drop\nif arp then pass\nif icmp.type in { 0, 3, 8..14 } then pass\nif ip.saddr in { 10.0.0.0/8, 192.168.0.0/16 } then pass\n`,
  `counter by[u16]\nif icmp then count by[icmp.rest & 1023]\nif vlan.id == 5 then drop\n`,
  `map seen : lru_hash<(ipv4, u16), u64>[64]\nif ip and icmp then { let k = (ip.saddr, icmp.check)\n if let n = seen[k] then n += 1 else seen[k] = 1 }\n`,
  "if ip.df == 1 then { eth.type = 5 swap eth.saddr, eth.daddr tx }\nif ip6.hop_limit > 3 then { ip6.hop_limit -= 1 tx }\n",
  "if vlan then { pop vlan push vlan 7 tx }\npush vlan 9\nif ip then trim 40\nif ip.ihl > 5 then drop\n",
  "if hash(eth.saddr, eth.daddr) % 4 == random() % 4 then drop\nif meta.now % 1000 > 500 then tx\n",
];

describe("rules", () => {
  test.each(RULES)("%s", (rules) => {
    for (const optimise of [0, 2] as const) {
      const { object } = readObject(objectOf(rules, { optimise }));
      for (const image of linkObject(object!).images) {
        const states = statesOf(image);
        expect(states, "accepted").not.toBeNull();
        const machine = new StandardMachine(image, { seed: 1 });
        const watch = new Watch(states!);
        for (const frame of wholeFrames(60)) {
          watch.packet = null;
          machine.run(frame, { ingressIfindex: 3, rxQueueIndex: 1, observe: watch.observe });
        }
        expect(watch.faults.join("\n"), rules).toBe("");
        expect(watch.steps).toBeGreaterThan(1000);
      }
    }
  });
});

test("random programs", () => {
  let accepted = 0;
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const random = new Random(seed);
      const { code, mapSlots } = randomProgram(random, 8);
      const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
      for (const slot of mapSlots) view.setInt32(8 * slot + 4, 0, true);
      const image = { ...bareImage(code), maps: [oneValueMap(valueBytes)] };
      const states = statesOf(image);
      if (states === null) return;
      accepted++;
      const map = new OneValue(oneValueMap(valueBytes));
      const machine = new Machine(image, { createMap: () => map });
      const watch = new Watch(states);
      for (let i = 0; i < 5; i++) {
        map.value.bytes.set(interestingBytes(random, valueBytes));
        watch.packet = null;
        machine.run(interestingBytes(random, 100), { ingressIfindex: 1, observe: watch.observe });
      }
      expect(watch.faults.join("\n")).toBe("");
    }),
    {
      numRuns: Number(process.env.FC_RUNS ?? 150),
      ...(process.env.FC_SEED ? { seed: Number(process.env.FC_SEED) } : {}),
    },
  );
  expect(accepted).toBeGreaterThan(20);
});
