// Random programs that save numbers and pointers on the stack, overwrite parts and read them back, and then show by an access
// what is known of what they read: an index into a value of 64 bytes is only accepted below 64.

import type { Random } from "../support/random.ts";

const sizes = [1, 2, 4, 8] as const;
const bits = { 1: 8, 2: 16, 4: 32, 8: 64 } as const;

/** What a register can be given before it is stored. */
const values = [
  "r1 = 0",
  "r1 = 9",
  "r1 = -1",
  "r1 = 300",
  "r1 = 70000",
  "r1 = r6",
  "r1 = r10",
  "r1 = r9",
  "call bpf_get_prandom_u32\nr1 = r0",
  "call bpf_get_prandom_u32\nr1 = r0\nr1 &= 31",
  "call bpf_get_prandom_u32\nr1 = r0\nr1 &= 511",
  "call bpf_get_prandom_u32\nr1 = r0\nr1 <<= 40",
  "r1 = 47 ll\nr1 <<= 32",
];

function place(random: Random, size: number): string {
  const slots = 3;
  const offset = -slots * 8 + random.below((slots * 8) / size) * size;
  return random.below(25) === 0 ? `r10 - ${-offset + 1}` : `r10 - ${-offset}`;
}

function statement(random: Random): string {
  const size = random.pick(sizes);
  const target = place(random, size);
  switch (random.below(10)) {
    case 0:
    case 1:
    case 2:
      return `${random.pick(values)}\n*(u${bits[size]} *)(${target}) = r1`;
    case 3:
    case 4:
      return `*(u${bits[size]} *)(${target}) = ${random.pick([0, 0, 7, -1, 300])}`;
    case 5:
      return `r1 = *(u${bits[size]} *)(${target})`;
    case 6:
      return `r1 = 1\n${size === 4 || size === 8 ? `lock *(u${bits[size]} *)(${target}) += r1` : "r1 = 2"}`;
    case 7:
      return `call bpf_get_prandom_u32
        r1 = r0
        r1 &= ${random.pick([1, 7, 8, 15])}
        r2 = r10
        r2 += -24
        r2 += r1
        *(u8 *)(r2 + 0) = ${random.pick([0, 5])}`;
    case 8:
      return `r1 = r6
        r2 = 0
        r3 = r10
        r3 += ${-random.pick([8, 16, 20, 23, 24])}
        r4 = ${random.pick([1, 4, 8])}
        call ${random.pick(["bpf_xdp_load_bytes", "bpf_xdp_store_bytes", "bpf_fib_lookup"])}`;
    default:
      return `call bpf_get_prandom_u32
        r1 = r0
        r1 &= 7
        r2 = r10
        r2 += -24
        r2 += r1
        r1 = *(u8 *)(r2 + 0)`;
  }
}

/** What shows what is known of r1. */
const probes = [
  "r2 = .data[0] ll\nr2 += r1\nr0 = *(u8 *)(r2 + 0)",
  "r2 = .data[0] ll\nr2 += r1\nr0 = *(u8 *)(r2 + 17)",
  "if r1 == 9 goto +2\nr0 = *(u64 *)(r1 + 0)\ngoto +0",
  "r0 = *(u8 *)(r1 + 0)",
  "if r1 != 0 goto +1\nr1 = r10\nr0 = r1",
  "r0 = r1\nr0 += 1",
];

/** A program of a few stores, one load and one probe. */
export function stackProgram(random: Random): string {
  const size = random.pick(sizes);
  const load = random.below(8) === 0 && size < 8 ? "s" : "u";
  const statements = Array.from({ length: 1 + random.below(6) }, () => statement(random));
  return `r6 = r1
    r9 = .data[0] ll
    ${statements.join("\n")}
    r1 = *(${load}${bits[size]} *)(${place(random, size)})
    ${random.pick(probes)}
    r0 = 0
    exit`.replace(/^\s+/gm, "");
}
