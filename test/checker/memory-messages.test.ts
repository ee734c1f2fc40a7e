// What the checker tells of refused accesses and calls: the sentences, what is known and the help, written by hand.

import { describe, expect, test } from "vitest";
import { checkProgram } from "../../src/checker/check.ts";
import { faultWords } from "../../src/checker/messages.ts";
import type { FaultWords } from "../../src/checker/words.ts";
import { imageOf } from "./memory-programs.ts";

/** The words for the program's fault, or the verdict where there is none. */
function wordsOf(text: string, license = "GPL"): FaultWords | string {
  const { verdict, fault } = checkProgram(imageOf({ text: text.replace(/^\s+/gm, ""), license }));
  return fault === null ? verdict : faultWords(fault.fault);
}

const packet = (bytes: number): string => `r7 = *(u32 *)(r1 + 0)
  r8 = *(u32 *)(r1 + 4)
  r2 = r7
  r2 += ${bytes}
  if r2 > r8 goto out`;
const end = "out: r0 = 0\nexit";
const find = (map: string): string => `*(u32 *)(r10 - 4) = 0
  call bpf_get_prandom_u32
  *(u32 *)(r10 - 4) = r0
  r1 = map[${map}] ll
  r2 = r10
  r2 += -4
  call bpf_map_lookup_elem`;

const cases: readonly (readonly [name: string, text: string, expected: FaultWords])[] = [
  [
    "packet, too little checked",
    `${packet(14)}\nr0 = *(u32 *)(r7 + 12)\n${end}`,
    {
      message: "accesses 4 bytes at data + 12 of the packet, which may end before that",
      known: ["only 14 bytes from data on are known to lie before data_end"],
      help: "compare first, on every path that leads here: if (data + 16 > data_end) return XDP_PASS;",
    },
  ],
  [
    "packet, unchecked",
    "r7 = *(u32 *)(r1 + 0)\nr0 = *(u8 *)(r7 + 0)\nr0 = 0\nexit",
    {
      message: "accesses 1 byte at data + 0 of the packet, which may end before that",
      known: ["nothing is known to lie before data_end: no comparison covers it on this path"],
      help: "compare first, on every path that leads here: if (data + 1 > data_end) return XDP_PASS;",
    },
  ],
  [
    "packet, on the wrong way",
    `${packet(14).replace("if r2 > r8 goto out", "if r2 > r8 goto +1")}\ngoto out\nr0 = *(u8 *)(r2 + 0)\n${end}`,
    {
      message: "reads the packet where a comparison has just found it too short",
      known: ["r2 was compared with data_end and lies at it or beyond"],
      help: "access it on the other way of that comparison: if (data + N > data_end) return XDP_PASS;",
    },
  ],
  [
    "packet behind a header of variable length",
    `${packet(14)}\nr3 = *(u8 *)(r7 + 0)\nr7 += r3\nr0 = *(u16 *)(r7 + 2)\n${end}`,
    {
      message: "accesses 2 bytes at this place + 2 of the packet, which may end before that",
      known: ["nothing is known to lie before data_end: no comparison covers it on this path"],
      help: "compare after the addition, with the moved pointer: if (p + 4 > data_end) return XDP_PASS;",
    },
  ],
  [
    "value without a null check",
    `${find("array")}\nr0 = *(u64 *)(r0 + 0)\nr0 = 0\nexit`,
    {
      message: "uses a value of map array without a test for null",
      known: ["r0 is null where the lookup in map array found nothing"],
      help: "test it between the call and the first use: if (!value) return XDP_PASS;",
    },
  ],
  [
    "value, unchecked index",
    `${find("array")}
      if r0 == 0 goto out
      r6 = r0
      call bpf_get_prandom_u32
      r0 &= 127
      r6 += r0
      r0 = *(u8 *)(r6 + 0)
      ${end}`,
    {
      message: "accesses 1 byte at bytes 0 to 127 of a value of map array, which has 64 bytes",
      known: ["r6 is a value of map array + (0..127)", "it has 64 bytes"],
      help: "the offset may be at most 63: compare or mask the index so that it is",
    },
  ],
  [
    "value, index without bound",
    `${find("array")}
      if r0 == 0 goto out
      r6 = r0
      call bpf_ktime_get_ns
      r0 >>= 1
      if r0 > 536870911 goto out
      r6 += r0
      r0 = *(u8 *)(r6 + 0)
      ${end}`,
    {
      message: "accesses 1 byte at bytes 0 to 536870911 of a value of map array, which has 64 bytes",
      known: ["r6 is a value of map array + (0..536870911)", "it has 64 bytes"],
      help: "the offset may be at most 63: compare or mask the index so that it is",
    },
  ],
  [
    "stack, too deep",
    "r1 = 0\n*(u64 *)(r10 - 520) = r1\nr0 = 0\nexit",
    {
      message: "accesses 8 bytes at r10 - 520, outside the stack",
      known: ["a function's stack reaches from r10 - 512 to r10 - 1"],
      help: "keep less on the stack: put arrays and big structs into a per-CPU array map",
    },
  ],
  [
    "context written",
    "*(u32 *)(r1 + 16) = 1\nr0 = 0\nexit",
    {
      message: "writes to the context, which XDP programs may only read",
      known: [],
      help: "change the packet or its metadata instead",
    },
  ],
  [
    "context, egress",
    "r0 = *(u32 *)(r1 + 20)\nexit",
    {
      message: "reads egress_ifindex, which only programs for devmap entries have",
      known: [],
      help: 'put the program into section "xdp/devmap"',
    },
  ],
  [
    "a pointer lost in a call that changes the packet",
    `r6 = r1
      ${packet(14)}
      r1 = r6
      r2 = 0
      call bpf_xdp_adjust_head
      r0 = *(u8 *)(r7 + 0)
      ${end}`,
    {
      message: "uses a pointer to the packet from before the call at instruction 8, which may move the packet's bytes",
      known: ["r7 held that pointer; the call made all pointers to the packet and its end invalid"],
      help: "load ctx->data and ctx->data_end again after the call, and compare again",
    },
  ],
  [
    "a record kept",
    "r1 = map[ring] ll\nr2 = 8\nr3 = 0\ncall bpf_ringbuf_reserve\nr0 = 0\nexit",
    {
      message: "the program ends with something acquired that wasn't given back",
      known: ["it was acquired at instruction 4"],
      help: "give it back on every path: bpf_ringbuf_submit or bpf_ringbuf_discard for a record, bpf_sk_release for a socket",
    },
  ],
  [
    "a size that may be too big",
    "r6 = r1\ncall bpf_ktime_get_ns\nr4 = r0\nr1 = r6\nr2 = 0\nr3 = r10\nr3 += -16\ncall bpf_xdp_load_bytes\nr0 = 0\nexit",
    {
      message: "the size for bpf_xdp_load_bytes in r4 may be negative",
      known: ["r4 holds a number (any value)"],
      help: "use an unsigned type, or mask it: size & 0xff",
    },
  ],
  [
    "a record after it was submitted",
    `r1 = map[ring] ll\nr2 = 8\nr3 = 0\ncall bpf_ringbuf_reserve\nif r0 == 0 goto out\nr6 = r0\nr1 = r0\nr2 = 0\ncall bpf_ringbuf_submit
    r0 = *(u64 *)(r6 + 0)\n${end}`,
    {
      message: "uses what was given back at instruction 9",
      known: ["r6 held a pointer to it"],
      help: "use it before it is given back, or keep a copy of what is needed on the stack",
    },
  ],
  [
    "packet, too far to be compared",
    `${packet(14)}\nr3 = *(u16 *)(r7 + 0)\nr3 <<= 4\nr7 += r3\nr2 = r7\nr2 += 1\nif r2 > r8 goto out\nr0 = *(u8 *)(r7 + 0)\n${end}`,
    {
      message: "accesses 1 byte of the packet at an offset that may be too large to be compared with data_end",
      known: ["r7 is the packet + (multiple of 16 in 0..1048560)", "comparisons count up to 65535 bytes from data"],
      help: "bound the number before it is added (if (n > 1500) return XDP_PASS; or n &= 0x7ff), then compare the moved pointer",
    },
  ],
  [
    "a mask on a pointer",
    `${packet(14)}\nr7 &= -8\nr0 = *(u8 *)(r7 + 0)\n${end}`,
    {
      message: "r7 is a pointer to the packet; numbers can be added to it and subtracted, nothing else",
      known: [],
      help: "calculate an offset, a number, and add that to the pointer",
    },
  ],
  [
    "no address for a helper",
    "r1 = map[hash] ll\n*(u32 *)(r10 - 4) = 0\nr2 = r10\nr2 += -4\nr3 = 0\nr4 = 0\ncall bpf_map_update_elem\nr0 = 0\nexit",
    {
      message:
        "bpf_map_update_elem wants a pointer to a value: bytes on the stack, in the packet or in a map's value in r3",
      known: ["r3 holds a number (= 0)"],
      help: "give an address, such as that of a variable: &value",
    },
  ],
  [
    "a map of the wrong kind",
    "r1 = map[hash] ll\nr2 = 0\nr3 = 0\ncall bpf_redirect_map\nexit",
    { message: "bpf_redirect_map doesn't work with map hash, which is a hash", known: [], help: null },
  ],
  [
    "packet data for a helper that takes none",
    `${packet(14)}\nr1 = map[ring] ll\nr2 = r7\nr3 = 8\nr4 = 0\ncall bpf_ringbuf_output\n${end}`,
    {
      message: "gives bpf_ringbuf_output packet data in r2, which it doesn't take",
      known: [],
      help: "copy the bytes to the stack first and give those",
    },
  ],
];

describe("words for refused accesses and calls", () => {
  for (const [name, text, expected] of cases) test(name, () => expect(wordsOf(text)).toEqual(expected));

  test("a helper for GPL-compatible programs", () => {
    expect(wordsOf("r1 = r10\nr1 += -8\nr2 = 8\nr3 = 0\ncall bpf_probe_read_kernel\nr0 = 0\nexit", "MIT")).toEqual({
      message: "calls bpf_probe_read_kernel, which only programs with a GPL-compatible licence may",
      known: ['its licence is "MIT"'],
      help: 'declare one: char LICENSE[] SEC("license") = "GPL";',
    });
  });
});
