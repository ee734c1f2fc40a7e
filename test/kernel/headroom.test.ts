// Headers put in front until there is no room left for them: the kernel refuses to move the packet's first byte, the program ends with
// `aborted` there, the packet is what it was after the last that fitted, and the machine does the same.
// Source: Linux net/core/filter.c, bpf_xdp_adjust_head; net/bpf/test_run.c; include/uapi/linux/bpf.h, XDP_PACKET_HEADROOM.

import { afterAll, beforeAll, expect, test } from "vitest";
import { loadObject as loadInMachine } from "../../src/load-object.ts";
import { bigEndian, concat, hex } from "../support/addresses.ts";
import { objectFile, objectOf, temporaryFolder } from "../support/compile.ts";
import { loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { eth, ip, ipv6, packet, payload, tcp, udp } from "../support/packets.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";

/** In front of the packet of a test run are 256 bytes, of which `struct xdp_frame` takes 40. */
const ROOM = 256 - 40;

const FRAME = packet(eth(), ip(), tcp({ dport: 80 }), payload(30));

/** Statements that put headers in front, and the function over a frame that says what one of them makes. */
interface Step {
  readonly text: string;
  readonly bytes: number;
  readonly make: (frame: Uint8Array) => Uint8Array;
}

const tag: Step = {
  text: "push vlan 7",
  bytes: 4,
  make: (frame) => concat(frame.slice(0, 12), bigEndian(0x81000007, 4), frame.slice(12)),
};

const ip6: Step = {
  text: "if ip or ip6 then encap ip6 { saddr: 2001:db8::1, daddr: 2001:db8::2 }",
  bytes: 40,
  make: (frame) => {
    const content = payload(frame.slice(14), { protocol: (frame[14] ?? 0) >> 4 === 4 ? 4 : 41 });
    return concat(frame.slice(0, 12), bigEndian(0x86dd, 2), packet(ipv6(), content));
  },
};

const vxlan: Step = {
  text: "encap ip6 { saddr: 2001:db8::1, daddr: 2001:db8::2 } / udp { sport: 5 } / vxlan { vni: 42 }",
  bytes: 40 + 8 + 8 + 14,
  make: (frame) => {
    const tunnel = [udp({ sport: 5, dport: 4789, check: 0 }), payload(bigEndian(0x0800000000002a00n, 8))];
    return concat(frame.slice(0, 12), bigEndian(0x86dd, 2), packet(ipv6(), ...tunnel, payload(frame)));
  },
};

const ethernet: Step = {
  text: "encap eth { saddr: 02:00:00:00:00:01, daddr: 02:00:00:00:00:02 } / ip { saddr: 10.0.0.1, daddr: 10.0.0.2 } / gre { key: 5 }",
  bytes: 14 + 20 + 8,
  make: (frame) => {
    const front = concat(bigEndian(0x020000000002, 6), bigEndian(0x020000000001, 6), bigEndian(0x0800, 2));
    const gre = payload(concat(bigEndian(0x20006558, 4), bigEndian(5, 4)), { protocol: 47 });
    return concat(front, packet(ip({ saddr: "10.0.0.1", daddr: "10.0.0.2", id: 0 }), gre, payload(frame)));
  },
};

const times = (count: number, step: Step): Step[] => new Array<Step>(count).fill(step);

/** What is put in front, and how much of it fits. */
const ROWS: readonly (readonly [name: string, steps: readonly Step[], fitting: number])[] = [
  ["five IPv6 headers fit", times(5, ip6), 5],
  ["the sixth doesn't, and nothing behind it is done", [...times(6, ip6), tag], 5],
  ["three VXLAN tunnels fit", times(3, vxlan), 3],
  ["the fourth doesn't", times(5, vxlan), 3],
  ["frames in GRE", times(6, ethernet), 5],
  ["tags to the last byte", [...times(5, ip6), ...times(4, tag)], 9],
  ["a tag more than there is room", [...times(5, ip6), ...times(5, tag)], 9],
  ["a tunnel too large where a tag would fit", [vxlan, vxlan, ip6, ethernet, tag], 3],
];

describeWith("headers in front until the room runs out", [kernelProblem()], () => {
  let folder = "";
  beforeAll(() => {
    folder = temporaryFolder();
  });
  afterAll(closeAll);

  /** What kernel and machine say, which must be the same. */
  function both(source: string, optimise: 0 | 2): { verdict: string; frame: string } {
    const object = objectOf(source, { optimise });
    const loaded = loadObject(objectFile(object, "program.o", folder));
    try {
      const kernel = loaded.program();
      const theirs = kernel.run(FRAME);
      const own = loadInMachine(object).run(FRAME, { ingressIfindex: 1, program: kernel.name });
      const result = { verdict: theirs.verdict, frame: hex(theirs.data) };
      expect({ verdict: own.verdict.slice(4).toLowerCase(), frame: hex(own.packet) }, "machine").toEqual(result);
      // A run that was refused leaves nothing behind: the next begins with all the room.
      expect(hex(kernel.run(FRAME).data)).toBe(result.frame);
      return result;
    } finally {
      loaded.close();
    }
  }

  test.each(ROWS)("%s", (_, steps, fitting) => {
    const taken = steps.slice(0, fitting).reduce((sum, { bytes }) => sum + bytes, 0);
    expect(taken).toBeLessThanOrEqual(ROOM);
    if (fitting < steps.length) expect(taken + (steps[fitting]?.bytes ?? 0)).toBeGreaterThan(ROOM);
    const frame = steps.slice(0, fitting).reduce((made, { make }) => make(made), FRAME);
    const wanted = { verdict: fitting < steps.length ? "aborted" : "tx", frame: hex(frame) };
    const source = `${steps.map(({ text }) => `${text}\n`).join("")}tx\n`;
    for (const optimise of [2, 0] as const) expect(both(source, optimise), source).toEqual(wanted);
  });

  test("tags in a loop", () => {
    const result = both("for i in 0..79 { push vlan 7 }\ntx\n", 2);
    const fitting = ROOM / tag.bytes;
    const frame = times(fitting, tag).reduce((made, { make }) => make(made), FRAME);
    expect(result).toEqual({ verdict: "aborted", frame: hex(frame) });
  });
});
