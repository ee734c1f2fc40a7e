// Changes of the packet's head and end: tags pushed and popped, packets trimmed, and what is read after that.

import { bigEndian } from "../../support/addresses.ts";
import type { Reading } from "../../support/oracle.ts";
import { read } from "../../support/oracle.ts";
import type { Outcome, SmallProgram } from "./case.ts";

const be = bigEndian;

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** The frame with a tag of that id in front of all others. */
const tagged = (frame: Uint8Array, id: number): Uint8Array =>
  joined(frame.subarray(0, 12), be(0x8100, 2), be(id, 2), frame.subarray(12));

/** The frame without its first tag. */
const untagged = (frame: Uint8Array): Uint8Array => joined(frame.subarray(0, 12), frame.subarray(16));

const to = (verdict: "tx" | "drop" | "pass" | "aborted", frame: Uint8Array): Outcome => ({ verdict, frame });

export const headPrograms: readonly SmallProgram[] = [
  {
    name: "a tag more",
    source: "push vlan 100\ntx\n",
    expect: (p) => to("tx", tagged(p.frame, 100)),
  },
  {
    name: "a tag by the packet",
    source: "if tcp then { push vlan tcp.dport & 0xfff tx }\n",
    expect: (p) => (p.tcp ? to("tx", tagged(p.frame, p.tcp.dport & 0xfff)) : "pass"),
  },
  {
    name: "a tag less",
    source: "if vlan then { pop vlan tx }\n",
    expect: (p) => (p.vlan.length > 0 ? to("tx", untagged(p.frame)) : "pass"),
  },
  {
    name: "all tags gone",
    source: "for i in 0..3 { if vlan then pop vlan }\nif tcp then tx\n",
    expect: (p) => {
      let reading: Reading = p;
      for (let i = 0; i < 4 && reading.vlan.length > 0; i++) reading = read(untagged(reading.frame));
      return to(reading.tcp ? "tx" : "pass", reading.frame);
    },
  },
  {
    name: "another tag, read again",
    source:
      "if vlan then { pop vlan push vlan 7 } else push vlan 9\nif vlan.id == 7 and udp then tx\nif vlan[1] then drop\n",
    expect: (p) => {
      const frame = p.vlan.length > 0 ? tagged(untagged(p.frame), 7) : tagged(p.frame, 9);
      const after = read(frame);
      if (after.vlan[0]?.id === 7 && after.udp) return to("tx", frame);
      return to(after.vlan[1] ? "drop" : "pass", frame);
    },
  },
  {
    name: "one way moves, the other doesn't",
    source:
      "if udp.dport == 53 then push vlan 5\nif tcp then { tcp.dport = 1 tx }\nif udp then drop\nif vlan.id == 5 then tx\n",
    expect: (p) => {
      const frame = p.udp?.dport === 53 ? tagged(p.frame, 5) : p.frame.slice();
      const after = read(frame);
      if (after.tcp) {
        const old = (frame[after.tcp.offset + 16]! << 8) | frame[after.tcp.offset + 17]!;
        const total = 0xffff - old + (0xffff - after.tcp.dport) + 1;
        frame.set(be(1, 2), after.tcp.offset + 2);
        frame.set(be(0xffff - (((total - 1) % 0xffff) + 1), 2), after.tcp.offset + 16);
        return to("tx", frame);
      }
      return to(after.udp ? "drop" : after.vlan[0]?.id === 5 ? "tx" : "pass", frame);
    },
  },
  {
    name: "pushed twice, in a loop that isn't unrolled",
    source:
      'for i in 0..1 { push vlan (i + 1) & 0xfff let a = meta.len let b = a + i let c = b ^ a let d = c + a let e = d + b if e == 77777 then { log "%u", e log "%u", d log "%u", c log "%u", b log "%u", a log "%u", e log "%u", d log "%u", c log "%u", b log "%u", a log "%u", a } }\ntx\n',
    expect: (p) => to("tx", tagged(tagged(p.frame, 1), 2)),
  },
  {
    name: "cut to sixty bytes",
    source: "trim 60\nif tcp then tx\n",
    expect: (p) => {
      const frame = p.frame.subarray(0, 60);
      return to(read(frame).tcp ? "tx" : "pass", frame);
    },
  },
  {
    name: "cut by a field",
    source: "if udp then { trim udp.length + 34 tx }\n",
    expect: (p) => {
      if (!p.udp) return "pass";
      const kept = p.udp.length + 34;
      return to("tx", kept < p.len ? p.frame.subarray(0, kept) : p.frame);
    },
  },
  {
    name: "cut shorter than the kernel lets it",
    source: "trim 10\ntx\n",
    expect: () => "aborted",
  },
];
