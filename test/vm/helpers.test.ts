// Helpers whose answers no kernel can be asked for twice: clocks that are set, numbers from a seed, addresses as text, events with the
// packet's bytes behind them, faults for arguments that the verifier would refuse. Expectations by hand.

import { describe, expect, test } from "vitest";
import { must } from "../../src/base/assert.ts";
import { helpers } from "../../src/bpf/helpers.ts";
import { destinationOf } from "../../src/vm/destination.ts";
import { MachineFault } from "../../src/vm/fault.ts";
import { implementedHelpers } from "../../src/vm/helpers/table.ts";
import { PerfEventArrayMap } from "../../src/vm/maps/handle-maps.ts";
import { UserMap } from "../../src/vm/maps/user-map.ts";
import { NetworkError, parseAddress, parsePrefix } from "../../src/vm/network.ts";
import { StandardMachine, type StandardOptions } from "../../src/vm/standard.ts";
import { imageMap, programImage } from "./kernel-maps.ts";
import { assemble, assembled } from "./support.ts";

/** r0 of a program that calls something. */
const called = (text: string, options: StandardOptions = {}): bigint =>
  new StandardMachine(assemble(`${text}\nexit`), options).run(new Uint8Array(60)).r0;

describe("surroundings", () => {
  const clock = { monotonicNs: 2n ** 40n + 5n, bootNs: 7n, taiNs: 2n ** 63n };
  test.each([
    ["ktime_get_ns", 2n ** 40n + 5n],
    ["ktime_get_coarse_ns", 2n ** 40n + 5n],
    ["ktime_get_boot_ns", 7n],
    ["ktime_get_tai_ns", 2n ** 63n],
    ["jiffies64", 2n ** 32n - 75_000n + (2n ** 40n + 5n) / 4_000_000n],
    ["get_smp_processor_id", 3n],
    ["get_numa_node_id", 0n],
    ["get_current_pid_tgid", 0n],
    ["get_current_cgroup_id", 1n],
  ])("%s", (name, value) => {
    expect(called(`call bpf_${name}`, { clock, cpu: 3, cpus: 4 })).toBe(value);
  });

  test("random numbers follow from the seed and go on", () => {
    const machine = new StandardMachine(assemble("call bpf_get_prandom_u32\nexit"), { seed: 7 });
    const draw = (): bigint => machine.run(new Uint8Array(60)).r0;
    const drawn = [draw(), draw(), draw()];
    expect(new Set(drawn).size).toBe(3);
    machine.reseed(7);
    expect([draw(), draw(), draw()]).toEqual(drawn);
    expect(drawn.every((number) => number < 2n ** 32n)).toBe(true);
  });
});

describe("text", () => {
  /** What trace_printk says to a format with three arguments. */
  function traced(format: string, ...args: (number | string)[]): string[] {
    const bytes = new TextEncoder().encode(`${format}\0`);
    const data = imageMap({
      kind: "array",
      name: ".rodata",
      keyBytes: 4,
      valueBytes: bytes.length,
      maxEntries: 1,
      data: bytes,
    });
    const [one = 0, two = 0, three = 0] = args;
    const image = programImage(
      `*(u64 *)(r10 - 8) = 0x68\n r1 = .rodata[0] ll\n r2 = ${bytes.length}\n r3 = ${one}\n r4 = ${two}\n r5 = ${three}
       call bpf_trace_printk\n exit`,
      [data],
    );
    return [...new StandardMachine(image).run(new Uint8Array(60)).trace];
  }

  test("lines of trace_printk, without the break at their end", () => {
    expect(traced("a %d %u %x\n", -1, 7, 255)).toEqual(["a -1 7 ff"]);
    expect(traced("%lld|%5d|%-5d|", -1, 7, 8)).toEqual(["-1|    7|8    |"]);
    expect(traced("%s!", "r10\n r3 += -8")).toEqual(["h!"]);
    expect(traced("no %d arguments %d %d %d")).toEqual([]);
  });

  test("pointers as they are", () => {
    expect(traced("%p %px %pK", 0x1234, 0xabcd, 0)).toEqual(["0000000000001234 000000000000abcd 0000000000000000"]);
    expect(traced("%20p|%-20p|%ps", 1, 2, 3)).toEqual(["                   1|2                   |0x3"]);
  });

  test("what can't be read is empty or zero", () => {
    expect(traced("[%s] %pI4 %pI6", 5, 6, 7)).toEqual(["[] 0.0.0.0 0000:0000:0000:0000:0000:0000:0000:0000"]);
  });
}, 10_000);

test("perf_event_output puts the packet's first bytes behind the program's", () => {
  const map = imageMap({ kind: "perf_event_array", keyBytes: 4, valueBytes: 4, maxEntries: 4 });
  const image = programImage(
    `*(u64 *)(r10 - 8) = 0x0102\n r2 = map[m] ll\n r3 = 0x5ffffffff ll\n r4 = r10\n r4 += -8\n r5 = 2
     call bpf_perf_event_output\n exit`,
    [map],
  );
  const machine = new StandardMachine(image, { cpu: 1, cpus: 2 });
  const result = machine.run(Uint8Array.from({ length: 60 }, (_, i) => 100 + i));
  expect(result.r0).toBe(0n);
  const events = must(machine.maps.get("m"), "m");
  expect(events instanceof PerfEventArrayMap ? events.drain() : null).toEqual([
    { cpu: 1, bytes: Uint8Array.of(2, 1, 100, 101, 102, 103, 104) },
  ]);
});

describe("redirects", () => {
  const devices = imageMap({ kind: "devmap", keyBytes: 4, valueBytes: 8, maxEntries: 8 });
  const sending = (key: number, flags: number) =>
    programImage(`r1 = map[m] ll\n r2 = ${key}\n r3 = ${flags}\n call bpf_redirect_map\n exit`, [devices]);
  const u32 = (...numbers: number[]): Uint8Array => new Uint8Array(new Uint32Array(numbers).buffer);

  function sent(key: number, flags: number, ingressIfindex = 0) {
    const machine = new StandardMachine([sending(key, flags), assembled("r0 = 2\nexit", "egress")]);
    const map = new UserMap(must(machine.maps.get("m"), "m"));
    map.update(u32(1), u32(11, must(machine.programHandle("egress"), "egress")));
    map.update(u32(5), u32(15, 0));
    const { verdict, redirect } = machine.run(new Uint8Array(60), { ingressIfindex });
    return [verdict, destinationOf(redirect, machine, ingressIfindex)];
  }

  test("name the entry, its device and the program that runs there", () => {
    expect(sent(1, 0)).toEqual(["XDP_REDIRECT", { kind: "device", ifindex: 11, map: "m", key: 1, program: "egress" }]);
    expect(sent(5, 0)).toEqual(["XDP_REDIRECT", { kind: "device", ifindex: 15, map: "m", key: 5, program: null }]);
  });
  test("fall back to the verdict in the flags", () => {
    expect([sent(2, 0), sent(2, 1), sent(2, 3), sent(2, 4)]).toEqual([
      ["XDP_ABORTED", null],
      ["XDP_DROP", null],
      ["XDP_TX", null],
      ["XDP_ABORTED", null],
    ]);
  });
  test("go to all devices, or all but the one they came from", () => {
    expect(sent(0, 8, 15)).toEqual(["XDP_REDIRECT", { kind: "devices", map: "m", ifindexes: [11, 15] }]);
    expect(sent(0, 24, 15)).toEqual(["XDP_REDIRECT", { kind: "devices", map: "m", ifindexes: [11] }]);
  });
});

describe("faults", () => {
  const map = imageMap({ kind: "hash", keyBytes: 4, valueBytes: 8, maxEntries: 1 });
  const queue = imageMap({ kind: "queue", name: "q", keyBytes: 0, valueBytes: 8, maxEntries: 1 });
  test.each([
    [
      "a number for a map",
      "r1 = 5\n r2 = r10\n r2 += -4\n call bpf_map_lookup_elem",
      "argument 1 isn't a map but no memory",
    ],
    [
      "a key beyond the stack",
      "r1 = map[m] ll\n r2 = r10\n r2 += -3\n call bpf_map_lookup_elem",
      "read of 4 bytes at offset 509",
    ],
    ["a null key", "r1 = map[m] ll\n r2 = 0\n call bpf_map_lookup_elem", "read of 4 bytes at null"],
    [
      "a lookup in a queue",
      "r1 = map[q] ll\n r2 = r10\n r2 += -8\n call bpf_map_lookup_elem",
      "programs can't look up in map q, which is of kind queue",
    ],
    [
      "a record that is none",
      "r1 = r10\n r1 += -8\n r2 = 0\n call bpf_ringbuf_submit",
      "argument 1 isn't a reserved record but stack of frame 0",
    ],
  ])("%s", (_, text, message) => {
    const machine = new StandardMachine(programImage(`${text}\nexit`, [map, queue]));
    expect(() => machine.run(new Uint8Array(60))).toThrow(MachineFault);
    expect(() => machine.run(new Uint8Array(60))).toThrow(message);
  });

  test("helpers that the machine lacks are named; the others aren't", () => {
    const missing = helpers.filter(({ name }) => !implementedHelpers.includes(name));
    expect(missing.length).toBeGreaterThan(20);
    for (const { name, id } of missing) {
      const code = assemble("call bpf_ktime_get_ns\nexit");
      new DataView(code.buffer).setInt32(4, id, true);
      expect(() => new StandardMachine(code).run(new Uint8Array(60))).toThrow(
        `the machine doesn't have helper bpf_${name}`,
      );
    }
  });

  test("a pointer to the packet from before it moved is none any more", () => {
    const text = "r6 = r1\n r7 = *(u32 *)(r1 + 0)\n r2 = 1\n call bpf_xdp_adjust_head\n r0 = *(u8 *)(r7 + 0)\n exit";
    expect(() => new StandardMachine(assemble(text)).run(new Uint8Array(60))).toThrow("which is no valid address");
  });
});

describe("addresses of a network", () => {
  test.each([
    ["10.0.0.255", "0a0000ff"],
    ["::", "00000000000000000000000000000000"],
    ["2001:db8::1", "20010db8000000000000000000000001"],
    ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
    ["::ffff:192.0.2.1", "00000000000000000000ffffc0000201"],
    ["1::", "00010000000000000000000000000000"],
  ])("%s", (text, hex) => {
    expect(Buffer.from(parseAddress(text)).toString("hex")).toBe(hex);
  });
  test.each(["", "1.2.3", "1.2.3.256", "1:2:3", "1::2::3", "1:2:3:4:5:6:7:8:9", "12345::", "::g", "1.2.3.4.5", ":::"])(
    "%s is none",
    (text) => {
      expect(() => parseAddress(text)).toThrow(NetworkError);
    },
  );
  test.each(["10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8", "::/129", "10.0.0.0/x"])("%s is no prefix", (text) => {
    expect(() => parsePrefix(text)).toThrow(NetworkError);
  });
});
