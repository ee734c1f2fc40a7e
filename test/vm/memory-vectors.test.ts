// Loads, stores and atomic operations byte for byte, in the frame, in a buffer and behind a pointer that has to carry; and which
// accesses are faults. Both executors; expectations are written out.

import { describe, expect, test } from "vitest";
import type { AtomicOp } from "../../src/bpf/insn.ts";
import { Machine } from "../../src/vm/machine.ts";
import { bareImage } from "../../src/vm/program.ts";
import type { ExecutorName } from "./support.ts";
import { assemble, assembled, executors, faultOf, joined, OneValue, oneValueMap, r0Of, slot } from "./support.ts";

const bytes = (): Uint8Array => Uint8Array.of(0x81, 0x92, 0xa3, 0xb4, 0xc5, 0xd6, 0xe7, 0xf8, 0x01, 0x02);
const hex = (memory: Uint8Array): string => Buffer.from(memory).toString("hex");

/** The program with r3 = 64-bit constants before it. */
const constant = (reg: number, value: string): string => `r${reg} = ${value} ll\n`;

describe.each(executors)("%s", (executor) => {
  test.each([
    ["*(u8 *)(r1 + 0)", 0x81n],
    ["*(u8 *)(r1 + 9)", 0x02n],
    ["*(u16 *)(r1 + 0)", 0x9281n],
    ["*(u16 *)(r1 + 1)", 0xa392n],
    ["*(u32 *)(r1 + 0)", 0xb4a3_9281n],
    ["*(u32 *)(r1 + 3)", 0xe7d6_c5b4n],
    ["*(u64 *)(r1 + 0)", 0xf8e7_d6c5_b4a3_9281n],
    ["*(u64 *)(r1 + 2)", 0x0201_f8e7_d6c5_b4a3n],
    ["*(s8 *)(r1 + 0)", 0xffff_ffff_ffff_ff81n],
    ["*(s8 *)(r1 + 9)", 0x02n],
    ["*(s16 *)(r1 + 0)", 0xffff_ffff_ffff_9281n],
    ["*(s16 *)(r1 + 8)", 0x0201n],
    ["*(s32 *)(r1 + 0)", 0xffff_ffff_b4a3_9281n],
    ["*(s32 *)(r1 + 5)", 0x0000_0000_01f8_e7d6n],
  ])("%s", (access, value) => {
    expect(r0Of(`r0 = ${access}\nexit`, executor, bytes())).toBe(value);
  });

  test.each([
    ["*(u8 *)(r1 + 1) = r3", "81ef0000000000000000"],
    ["*(u16 *)(r1 + 1) = r3", "81efcd00000000000000"],
    ["*(u32 *)(r1 + 1) = r3", "81efcdab890000000000"],
    ["*(u64 *)(r1 + 1) = r3", "81efcdab896745230100"],
    ["*(u8 *)(r1 + 1) = -2", "81fe0000000000000000"],
    ["*(u16 *)(r1 + 1) = -2", "81feff00000000000000"],
    ["*(u32 *)(r1 + 1) = -2", "81feffffff0000000000"],
    ["*(u64 *)(r1 + 1) = -2", "81feffffffffffffff00"],
    ["*(u64 *)(r1 + 1) = 0x7fffffff", "81ffffff7f0000000000"],
  ])("%s", (access, after) => {
    const memory = new Uint8Array(10);
    memory[0] = 0x81;
    r0Of(`${constant(3, "0x0123456789abcdef")}${access}\nexit`, executor, memory);
    expect(hex(memory)).toBe(after);
  });

  test("the frame is read and written through r10, its copies and pointers that went away and came back", () => {
    const value = 0x1122_3344_5566_7788n;
    const store = `${constant(3, "0x1122334455667788")}*(u64 *)(r10 - 512) = r3\n`;
    expect(r0Of(`${store}r0 = *(u64 *)(r10 - 512)\nexit`, executor)).toBe(value);
    expect(r0Of(`${store}r2 = r10\nr2 += -512\nr0 = *(u64 *)(r2 + 0)\nexit`, executor)).toBe(value);
    expect(r0Of(`${store}r2 = r10\nr2 += -1000\nr0 = *(u64 *)(r2 + 488)\nexit`, executor)).toBe(value);
    const far = `${constant(4, "0x7fffffff0000")}r2 = r10\nr2 += r4\nr2 -= r4\nr0 = *(u64 *)(r2 - 512)\nexit`;
    expect(r0Of(store + far, executor)).toBe(value);
    expect(r0Of("r0 = *(u64 *)(r10 - 8)\nexit", executor)).toBe(0n);
  });

  test("an offset that carries into the high half names the region it says", () => {
    // 0x5d00000a_3fffff00 and 0x5d00000a_bfffff00 belong to no region whatever the offset makes of the low half alone.
    const at = (address: string): string => `${constant(2, address)}r0 = *(u8 *)(r2 + 32767)\nexit`;
    expect(faultOf(() => r0Of(at("0x5d00000afffffff0"), executor, bytes())).kind).toMatch(/badAddress|outOfBounds/);
    // The buffer's address less 2^32, and 2^32 - 4 more by the offset's carry.
    const down =
      "r2 = r1\nr3 = r1\nr3 >>= 32\nr3 += -1\nr3 <<= 32\nr4 = 0xfffffff0 ll\nr3 |= r4\nr0 = *(u8 *)(r3 + 16)\nexit";
    expect(faultOf(() => r0Of(down, executor, bytes())).message).toMatch(/read of 1 byte at (offset|0x)/);
  });

  test.each([
    ["r0 = *(u8 *)(r1 + 10)", "outOfBounds", "read of 1 byte at offset 10 of the memory given, which has 10"],
    ["r0 = *(u64 *)(r1 + 3)", "outOfBounds", "read of 8 bytes at offset 3 of the memory given, which has 10"],
    ["r0 = *(u8 *)(r1 - 1)", "outOfBounds", "read of 1 byte at offset -1 of the memory given, which has 10"],
    ["*(u32 *)(r1 + 7) = 1", "outOfBounds", "write of 4 bytes at offset 7 of the memory given, which has 10"],
    ["r0 = *(u64 *)(r10 + 0)", "outOfBounds", "read of 8 bytes at offset 512 of stack of frame 0, which has 512"],
    ["*(u64 *)(r10 - 513) = r1", "outOfBounds", "write of 8 bytes at offset -1 of stack of frame 0, which has 512"],
    ["*(u64 *)(r10 - 4) = r1", "outOfBounds", "write of 8 bytes at offset 508 of stack of frame 0, which has 512"],
    ["r0 = *(u8 *)(r3 + 0)", "badAddress", "read of 1 byte at null, which is no valid address"],
    ["r0 = *(u8 *)(r2 + 0)", "badAddress", "read of 1 byte at 0xa, which is no valid address"],
    ["lock *(u32 *)(r1 + 8) += r2", "outOfBounds", "write of 4 bytes at offset 8 of the memory given, which has 10"],
    ["lock *(u64 *)(r3 + 8) += r2", "badAddress", "write of 8 bytes at 0x8, which is no valid address"],
  ])("%s is a fault", (access, kind, reason) => {
    const memory = bytes();
    const fault = faultOf(() => r0Of(`r9 = 1\n${access}\nexit`, executor, memory));
    expect(fault).toMatchObject({ kind, slot: 1, steps: 2, reason });
    expect(fault.message).toBe(`bytecode: instruction 1: ${reason}`);
    expect(hex(memory)).toBe(hex(bytes()));
  });

  describe("atomic operations", () => {
    const old64 = 0xfff0_f0f0_ffff_ff0fn;
    const source = 0x1111_2222_3333_44f4n;
    const cases: readonly (readonly [op: AtomicOp, new64: bigint, new32: bigint])[] = [
      ["add", 0x1102_1313_3333_4403n, 0x3333_4403n],
      ["or", 0xfff1_f2f2_ffff_ffffn, 0xffff_ffffn],
      ["and", 0x1110_2020_3333_4404n, 0x3333_4404n],
      ["xor", 0xeee1_d2d2_cccc_bbfbn, 0xcccc_bbfbn],
      ["xchg", source, 0x3333_44f4n],
    ];
    const symbols = { add: "+=", or: "|=", and: "&=", xor: "^=" } as const;

    /** Runs one operation on 16 bytes of which the first 8 are `old64`: the value afterwards, r0 and the source register r3. */
    function run(line: string, where: "buffer" | "frame", r0 = "0x5555555555555555"): [bigint, bigint, bigint] {
      const memory = new Uint8Array(32);
      const view = new DataView(memory.buffer);
      const base = where === "buffer" ? "r1 + 0" : "r10 - 16";
      const body = [
        `r2 = ${old64} ll`,
        `r3 = ${source} ll`,
        `r0 = ${r0} ll`,
        `*(u64 *)(${base}) = r2`,
        line.replace("@", base),
        `r2 = *(u64 *)(${base})`,
        "*(u64 *)(r1 + 8) = r2",
        "*(u64 *)(r1 + 16) = r0",
        "*(u64 *)(r1 + 24) = r3",
        "exit",
      ];
      r0Of(body.join("\n"), executor, memory);
      return [view.getBigUint64(8, true), view.getBigUint64(16, true), view.getBigUint64(24, true)];
    }
    const upper = old64 & 0xffff_ffff_0000_0000n;
    const lower = old64 & 0xffff_ffffn;
    const untouched = 0x5555_5555_5555_5555n;

    test.each(cases.flatMap((row) => (["buffer", "frame"] as const).map((where) => [...row, where] as const)))(
      "%s",
      (op, new64, new32, where) => {
        if (op in symbols) {
          const symbol = symbols[op as keyof typeof symbols];
          expect(run(`lock *(u64 *)(@) ${symbol} r3`, where)).toEqual([new64, untouched, source]);
          expect(run(`lock *(u32 *)(@) ${symbol} w3`, where)).toEqual([upper | new32, untouched, source]);
          expect(run(`r3 = atomic_fetch_${op}((u64 *)(@), r3)`, where)).toEqual([new64, untouched, old64]);
          expect(run(`w3 = atomic_fetch_${op}((u32 *)(@), w3)`, where)).toEqual([upper | new32, untouched, lower]);
        } else {
          expect(run("r3 = xchg_64(@, r3)", where)).toEqual([new64, untouched, old64]);
          expect(run("w3 = xchg32_32(@, w3)", where)).toEqual([upper | new32, untouched, lower]);
        }
      },
    );

    test("cmpxchg stores where r0 is what was there, and r0 is what was there", () => {
      for (const where of ["buffer", "frame"] as const) {
        expect(run("r0 = cmpxchg_64(@, r0, r3)", where, `0x${old64.toString(16)}`)).toEqual([source, old64, source]);
        expect(run("r0 = cmpxchg_64(@, r0, r3)", where, "0xffffff0f")).toEqual([old64, old64, source]);
        const stored = upper | (source & 0xffff_ffffn);
        expect(run("w0 = cmpxchg32_32(@, w0, w3)", where, "0xffffff0f")).toEqual([stored, lower, source]);
        // Only the low halves count, and the high half of r0 goes either way.
        expect(run("w0 = cmpxchg32_32(@, w0, w3)", where, "0x77777777ffffff0f")).toEqual([stored, lower, source]);
        expect(run("w0 = cmpxchg32_32(@, w0, w3)", where, "0x77777777ffffff0e")).toEqual([old64, lower, source]);
      }
    });

    test("an operation whose source is its own base, and one whose source is r0", () => {
      const memory = new Uint8Array(8);
      r0Of("r1 = atomic_fetch_add((u64 *)(r1 + 0), r1)\nr0 = r1\nexit", executor, memory);
      expect(new DataView(memory.buffer).getUint32(4, true)).toBeGreaterThan(0x5d00_0000);
      expect(
        r0Of("r0 = 7\nr0 = atomic_fetch_xor((u64 *)(r1 + 0), r0)\nexit", executor, new Uint8Array(8).fill(1)),
      ).toBe(0x0101_0101_0101_0101n);
    });
  });

  test.each([
    [1, 0xd3, "81", 0x81n],
    [2, 0xcb, "8192", 0x9281n],
    [4, 0xc3, "8192a3b4", 0xb4a3_9281n],
    [8, 0xdb, "8192a3b4c5d6e7f8", 0xf8e7_d6c5_b4a3_9281n],
  ] as const)("load-acquire and store-release of %i bytes", (width, opcode, stored, value) => {
    // r0 = load_acquire(r1 + 0); store_release(r1 + 8, r0)
    const code = joined(slot(opcode, 0, 1, 0, 0x100), slot(opcode, 1, 0, 8, 0x110), assemble("exit"));
    const memory = new Uint8Array(16);
    memory.set(bytes().subarray(0, 8));
    expect(new Machine(bareImage(code), { executor }).runOn(memory)).toBe(value);
    expect(hex(memory.subarray(8, 8 + width))).toBe(stored);
    const faulty = joined(slot(opcode, 0, 1, 17 - width, 0x100), assemble("exit"));
    expect(faultOf(() => new Machine(bareImage(faulty), { executor }).runOn(memory)).kind).toBe("outOfBounds");
  });
});

describe.each(executors)("maps and the context: %s", (executor) => {
  /** r7 = the value of a map of 16 bytes, at an offset. */
  const mapProgram = (body: string, offset = 0): Uint8Array =>
    joined(slot(0x18, 7, 2, 0, 0), slot(0, 0, 0, 0, offset), assemble(body));

  function withMap(executorName: ExecutorName, body: string, options: { readOnly?: boolean; offset?: number } = {}) {
    const map = new OneValue(oneValueMap(16), options.readOnly);
    map.value.bytes.set(bytes());
    const image = { ...bareImage(mapProgram(body, options.offset)), maps: [oneValueMap(16)] };
    return { map, machine: new Machine(image, { executor: executorName, createMap: () => map }) };
  }

  test("a map's value is read and written in place", () => {
    const { map, machine } = withMap(executor, "r0 = *(u32 *)(r7 + 0)\n*(u8 *)(r7 + 11) = 9\nexit", { offset: 4 });
    expect(machine.run(new Uint8Array(1)).r0).toBe(0xf8e7_d6c5n);
    expect(map.value.bytes[15]).toBe(9);
    const beyond = withMap(executor, "r0 = *(u64 *)(r7 + 9)\nexit").machine;
    expect(faultOf(() => beyond.run(new Uint8Array(1))).reason).toBe(
      "read of 8 bytes at offset 9 of the value of map values, which has 16",
    );
  });

  test("a value that programs only read", () => {
    const { machine } = withMap(executor, "r0 = *(u8 *)(r7 + 0)\n*(u8 *)(r7 + 0) = r0\nexit", { readOnly: true });
    expect(faultOf(() => machine.run(new Uint8Array(1)))).toMatchObject({ kind: "readOnly", slot: 3, steps: 3 });
  });

  test("a map's handle is an address without bytes", () => {
    const image = {
      ...bareImage(joined(slot(0x18, 7, 1, 0, 0), slot(0, 0, 0, 0, 0), assemble("r0 = *(u8 *)(r7 + 0)\nexit"))),
      maps: [oneValueMap(16)],
    };
    const machine = new Machine(image, { executor, createMap: (map) => new OneValue(map) });
    expect(faultOf(() => machine.run(new Uint8Array(1))).reason).toBe(
      "read of 1 byte at offset 0 of map values, which has 0",
    );
  });

  test("the context gives pointers and numbers, whole fields only", () => {
    const run = (body: string) =>
      new Machine(assembled(body), { executor }).run(Uint8Array.of(1, 2, 3), { ingressIfindex: 7, rxQueueIndex: 5 }).r0;
    expect(run("r0 = *(u32 *)(r1 + 12)\nexit")).toBe(7n);
    expect(run("r0 = *(u32 *)(r1 + 16)\nexit")).toBe(5n);
    expect(run("r2 = *(u32 *)(r1 + 0)\nr0 = *(u32 *)(r1 + 4)\nr0 -= r2\nexit")).toBe(3n);
    expect(run("r2 = *(u32 *)(r1 + 0)\nr0 = *(u32 *)(r1 + 8)\nr0 -= r2\nexit")).toBe(0n);
    expect(run("r2 = *(u32 *)(r1 + 0)\nr0 = *(u8 *)(r2 + 2)\nexit")).toBe(3n);
    for (const access of [
      "*(u64 *)(r1 + 0)",
      "*(u16 *)(r1 + 12)",
      "*(u32 *)(r1 + 2)",
      "*(u32 *)(r1 + 20)",
      "*(s32 *)(r1 + 12)",
      "*(u32 *)(r1 + 24)",
    ])
      expect(faultOf(() => run(`r0 = ${access}\nexit`)).kind).toBe("context");
    expect(faultOf(() => run("*(u32 *)(r1 + 12) = 1\nexit")).kind).toBe("context");
    expect(faultOf(() => run("lock *(u32 *)(r1 + 12) += r1\nexit")).kind).toBe("context");
  });

  test("a devmap program reads where the packet leaves; metadata lies before the packet", () => {
    const machine = new Machine(assembled("r0 = *(u32 *)(r1 + 20)\nexit"), { executor });
    expect(machine.run(new Uint8Array(1), { egressIfindex: 9 }).r0).toBe(9n);
    const meta = new Machine(assembled("r2 = *(u32 *)(r1 + 8)\n*(u8 *)(r2 + 1) = 6\nr0 = *(u32 *)(r2 + 0)\nexit"), {
      executor,
    });
    const result = meta.run(Uint8Array.of(9), { meta: Uint8Array.of(1, 2, 3, 4) });
    expect(result).toMatchObject({ r0: 0x0403_0601n, meta: Uint8Array.of(1, 6, 3, 4), packet: Uint8Array.of(9) });
    expect(faultOf(() => meta.run(Uint8Array.of(9, 9))).reason).toBe(
      "read of 4 bytes at offset 0 of the packet, which has 2",
    );
  });

  test("nothing of a packet is there for the next one", () => {
    const machine = new Machine(
      assembled("r2 = *(u32 *)(r1 + 0)\nr0 = *(u8 *)(r2 + 0)\n*(u64 *)(r10 - 8) = -1\nr0 += 1\nexit"),
      {
        executor,
      },
    );
    expect(machine.run(new Uint8Array(5000).fill(7))).toMatchObject({ verdict: "XDP_ABORTED", r0: 8n });
    expect(machine.run(Uint8Array.of(1))).toMatchObject({ verdict: "XDP_PASS", packet: Uint8Array.of(1), steps: 5 });
    expect(() => machine.run(new Uint8Array(0))).toThrow(
      /instruction 1: read of 1 byte at offset 0 of the packet, which has 0/,
    );
  });
});
