// The doctor's checks on recorded facts: each finding from the least that makes it, and nothing from a healthy device. What can be had here in
// reality is tried in doctor.test.ts.

import { describe, expect, test } from "vitest";
import { managementFrames } from "../../src/cli/doctor-frames.ts";
import { examine } from "../../src/device/doctor.ts";
import type {
  DeviceFacts,
  DoctorFacts,
  FileFacts,
  Finding,
  ManagementFacts,
  PeerFacts,
} from "../../src/device/doctor-facts.ts";
import { internetChecksum } from "../support/packets.ts";

const ON = { on: true, fixed: false };
const FIXED = { on: true, fixed: true };
const OFF = { on: false, fixed: false };

/** A network card of four queues as an ixgbe of Linux 6.12 tells it, with nothing to complain of. */
const CARD: DeviceFacts = {
  name: "eth1",
  kind: null,
  driver: "ixgbe",
  up: true,
  mtu: 1500,
  rxQueues: 4,
  txQueues: 4,
  channels: { rx: 0, tx: 0, combined: 4, mostRx: 0, mostTx: 0, mostCombined: 63 },
  features: 0b0111_1111 & ~16,
  offloads: { "rx-lro": OFF, "rx-gro": ON, "rx-gro-hw": { on: false, fixed: true }, "rx-vlan-hw-parse": OFF },
  attached: [],
  peer: null,
};
const HEALTHY: DoctorFacts = {
  release: "6.12.8-generic",
  pageBytes: 4096,
  device: CARD,
  addresses: ["IPv4"],
  targets: [],
  sockets: { maps: [], queues: null },
  jit: 1,
  bpffs: true,
  file: null,
  unseen: [],
};
const FILE: FileFacts = {
  path: "edge.xdp",
  program: "xdp_edge",
  frags: false,
  minimumKernel: "5.4",
  reasons: [],
  readsVlan: false,
  socketMaps: [],
  missingDevices: [],
  management: [],
  insertAt: null,
};
const PEER: PeerFacts = {
  ...CARD,
  name: "veth1",
  kind: "veth",
  driver: "veth",
  offloads: { "rx-gro": OFF, "tx-vlan-hw-insert": OFF },
  command: "ip netns exec blue",
};
const VETH: DeviceFacts = { ...CARD, name: "veth0", kind: "veth", driver: "veth", peer: PEER };

const onCard = (facts: Partial<DeviceFacts>): DoctorFacts => ({ ...HEALTHY, device: { ...CARD, ...facts } });
const withFile = (facts: Partial<FileFacts>): DoctorFacts => ({ ...HEALTHY, file: { ...FILE, ...facts } });
const stopped = (facts: Partial<ManagementFacts>): ManagementFacts => ({
  what: "arp",
  frame: "an ARP request",
  family: "IPv4",
  passed: false,
  fate: "drop",
  rule: null,
  mend: "if arp then pass",
  ...facts,
});
const toDevice = (device: Partial<DeviceFacts>): DoctorFacts => ({
  ...HEALTHY,
  targets: [{ device: { ...CARD, name: "eth2", ...device }, from: "the rules" }],
});

function brief(findings: readonly Finding[]): readonly string[] {
  return findings.map(({ check, severity, mend }) => [severity, check, ...mend].join(" | "));
}

describe("what is said of a device", () => {
  test("nothing of a healthy one, with and without a file", () => {
    expect(examine(HEALTHY)).toEqual([]);
    expect(examine(withFile({ frags: true, readsVlan: true, management: [stopped({ passed: true })] }))).toEqual([]);
    expect(examine({ ...HEALTHY, device: VETH, file: { ...FILE, readsVlan: true } })).toEqual([]);
  });

  test.each<[string, DoctorFacts, readonly string[]]>([
    ["down", onCard({ up: false }), ["warning | up | ip link set dev eth1 up"]],
    [
      "no native XDP",
      onCard({ driver: "e1000e", features: 0 }),
      ["note | driver | xdpc attach FILE eth1 --mode generic"],
    ],
    [
      "no native XDP, by the table",
      { ...onCard({ features: null }), release: "4.9.3" },
      ["note | driver | xdpc attach FILE eth1 --mode generic"],
    ],
    ["native XDP, by the table", { ...onCard({ features: null }), release: "5.10.0-23-amd64" }, []],
    ["a driver nobody knows", { ...onCard({ features: null, driver: "foo" }), release: "5.10.0" }, ["note | driver"]],
    ["a large MTU", onCard({ mtu: 9000 }), ["warning | mtu | ip link set dev eth1 mtu 3506"]],
    ["the largest MTU", onCard({ mtu: 3506 }), []],
    ["a large MTU on large pages", { ...onCard({ mtu: 9000 }), pageBytes: 65536 }, []],
    [
      "a large MTU in generic mode",
      onCard({ mtu: 9000, features: 0 }),
      ["note | driver | xdpc attach FILE eth1 --mode generic"],
    ],
    ["LRO", onCard({ offloads: { "rx-lro": ON } }), ["warning | lro | ethtool -K eth1 lro off"]],
    ["LRO for good", onCard({ offloads: { "rx-lro": FIXED } }), ["note | lro"]],
    ["GRO in hardware", onCard({ offloads: { "rx-gro-hw": ON } }), ["warning | lro | ethtool -K eth1 rx-gro-hw off"]],
    ["no JIT", { ...HEALTHY, jit: 0 }, ["warning | jit | sysctl -w net.core.bpf_jit_enable=1"]],
    ["no bpffs", { ...HEALTHY, bpffs: false }, ["problem | bpffs | mount -t bpf bpf /sys/fs/bpf"]],
    [
      "a veth with too few queues that may have more",
      {
        ...HEALTHY,
        device: {
          ...VETH,
          rxQueues: 1,
          channels: { rx: 1, tx: 1, combined: 0, mostRx: 4, mostTx: 4, mostCombined: 0 },
          features: 0,
        },
      },
      ["problem | queues | ethtool -L veth0 rx 4"],
    ],
    [
      "a veth with too few queues",
      {
        ...HEALTHY,
        device: {
          ...VETH,
          rxQueues: 1,
          channels: { rx: 1, tx: 1, combined: 0, mostRx: 1, mostTx: 1, mostCombined: 0 },
          features: 0,
        },
      },
      ["problem | queues | ip netns exec blue ethtool -L veth1 tx 1"],
    ],
    [
      "a veth whose other end sends large frames",
      { ...HEALTHY, device: { ...VETH, peer: { ...PEER, mtu: 9000 } } },
      ["warning | mtu | ip netns exec blue ip link set dev veth1 mtu 3506"],
    ],
    ["a veth that may send large frames itself", { ...HEALTHY, device: { ...VETH, mtu: 9000 } }, []],
    ["a veth whose other end nobody sees", { ...HEALTHY, device: { ...VETH, mtu: 9000, peer: "unseen" } }, []],
    [
      "generic though native will do",
      onCard({ attached: [{ mode: "generic", id: 7, name: "xdp_edge", file: "/etc/it's.xdp" }] }),
      ["warning | generic | xdpc detach eth1 | xdpc attach '/etc/it'\\''s.xdp' eth1 --mode native", "note | attached"],
    ],
    [
      "somebody's program",
      onCard({ attached: [{ mode: "native", id: 7, name: "foo", file: null }] }),
      ["note | attached | xdpc detach eth1 --force"],
    ],
    [
      "a program of which the kernel tells nothing",
      onCard({ attached: [{ mode: "native", id: 7, name: "", file: null, unseen: true }] }),
      ["note | attached | sudo xdpc status eth1"],
    ],
    ["what isn't known", { ...HEALTHY, unseen: ["the moon"] }, ["note | unseen"]],
  ])("%s", (_title, facts, expected) => {
    expect(brief(examine(facts))).toEqual(expected);
  });
});

describe("what is said of a program", () => {
  test.each<[string, DoctorFacts, readonly string[]]>([
    [
      "a kernel too old",
      withFile({ minimumKernel: "6.17", reasons: ["Linux 6.17 for x"] }),
      ["problem | kernel | xdpc edge.xdp --kernel 6.12 -o /dev/null"],
    ],
    ["a kernel just new enough", withFile({ minimumKernel: "6.12" }), []],
    [
      "5.9 is older than 5.10",
      { ...withFile({ minimumKernel: "5.10" }), release: "5.9.1" },
      ["problem | kernel | xdpc edge.xdp --kernel 5.9 -o /dev/null"],
    ],
    [
      "large frames",
      { ...withFile({}), device: { ...CARD, mtu: 9000 } },
      ["problem | mtu | ip link set dev eth1 mtu 3506"],
    ],
    ["large frames with frags", { ...withFile({ frags: true }), device: { ...CARD, mtu: 9000 } }, []],
    [
      "frags that the driver doesn't know",
      { ...withFile({ frags: true }), device: { ...CARD, mtu: 9000, features: 7 } },
      ["problem | mtu | ip link set dev eth1 mtu 3506"],
    ],
    [
      "tags taken off",
      { ...withFile({ readsVlan: true }), device: { ...CARD, offloads: { "rx-vlan-hw-parse": ON } } },
      ["problem | vlan | ethtool -K eth1 rxvlan off"],
    ],
    [
      "tags taken off, which nobody looks for",
      { ...withFile({}), device: { ...CARD, offloads: { "rx-vlan-hw-parse": ON } } },
      [],
    ],
    [
      "tags beside the packets of a veth",
      {
        ...withFile({ readsVlan: true }),
        device: { ...VETH, peer: { ...PEER, offloads: { "tx-vlan-hw-insert": ON } } },
      },
      ["problem | vlan | ip netns exec blue ethtool -K veth1 txvlan off"],
    ],
    [
      "somebody's program",
      { ...withFile({}), device: { ...CARD, attached: [{ mode: "native", id: 7, name: "foo", file: null }] } },
      ["problem | attached | xdpc detach eth1 --force"],
    ],
    [
      "libxdp's",
      {
        ...withFile({}),
        device: { ...CARD, attached: [{ mode: "native", id: 7, name: "xdp_dispatcher", file: null }] },
      },
      ["problem | attached | xdp-loader unload eth1 --all"],
    ],
    [
      "its own",
      { ...withFile({}), device: { ...CARD, attached: [{ mode: "native", id: 7, name: "foo", file: "/x" }] } },
      ["note | attached | xdpc attach edge.xdp eth1 --replace"],
    ],
    [
      "a device that isn't here",
      withFile({ missingDevices: ["wan.5"] }),
      ["problem | target | xdpc attach edge.xdp eth1 --set ifindex_wan_5=0"],
    ],
    ["a target that is down", toDevice({ up: false }), ["problem | target | ip link set dev eth2 up"]],
    [
      "a target that sets up its queues with a program",
      toDevice({ features: 3 }),
      ["problem | target | echo pass | xdpc attach - eth2"],
    ],
    ["a target that can't", toDevice({ features: 0 }), ["problem | target"]],
    [
      "a veth without NAPI",
      toDevice({ kind: "veth", peer: PEER }),
      ["problem | veth | ip netns exec blue ethtool -K veth1 gro on"],
    ],
    ["a veth with GRO", toDevice({ kind: "veth", peer: { ...PEER, offloads: { "rx-gro": ON } } }), []],
    [
      "a veth with a program",
      toDevice({ kind: "veth", peer: { ...PEER, attached: [{ mode: "native", id: 1, name: "", file: null }] } }),
      [],
    ],
    [
      "a veth with a generic program",
      toDevice({ kind: "veth", peer: { ...PEER, attached: [{ mode: "generic", id: 1, name: "", file: null }] } }),
      ["problem | veth | ip netns exec blue ethtool -K veth1 gro on"],
    ],
    [
      "a veth whose other end is down",
      toDevice({ kind: "veth", peer: { ...PEER, up: false, offloads: { "rx-gro": ON } } }),
      ["problem | veth | ip netns exec blue ip link set dev veth1 up"],
    ],
    [
      "a veth nobody sees the end of, which can't receive",
      toDevice({ kind: "veth", peer: "unseen", features: 35 }),
      ["problem | veth"],
    ],
    [
      "a driver that can't redirect",
      { ...toDevice({}), device: { ...CARD, features: 1 } },
      ["problem | driver | xdpc attach FILE eth1 --mode generic"],
    ],
    [
      "fewer entries than queues",
      withFile({ socketMaps: [{ name: "xsk", entries: 2 }] }),
      ["problem | queues | ethtool -L eth1 combined 2"],
    ],
    ["as many entries as queues", withFile({ socketMaps: [{ name: "xsk", entries: 4 }] }), []],
    [
      "no sockets",
      { ...HEALTHY, sockets: { maps: [{ name: "xsk", entries: 64 }], queues: [] } },
      ["problem | sockets"],
    ],
    [
      "sockets on the first queues",
      { ...HEALTHY, sockets: { maps: [{ name: "xsk", entries: 64 }], queues: [0, 1] } },
      ["problem | sockets | ethtool -L eth1 combined 2"],
    ],
    [
      "sockets on other queues",
      { ...HEALTHY, sockets: { maps: [{ name: "xsk", entries: 64 }], queues: [1, 3] } },
      ["problem | sockets"],
    ],
    ["sockets on all", { ...HEALTHY, sockets: { maps: [{ name: "xsk", entries: 64 }], queues: [0, 1, 2, 3] } }, []],
    ["sockets nobody tells of", { ...HEALTHY, sockets: { maps: [{ name: "xsk", entries: 64 }], queues: null } }, []],
  ])("%s", (_title, facts, expected) => {
    expect(brief(examine(facts))).toEqual(expected);
  });
});

describe("being locked out", () => {
  const arp = stopped({});
  const nd = stopped({ what: "nd", family: "IPv6", mend: "if icmp6.type in { 135, 136 } then pass" });
  const at = { file: "my rules.xdp", line: 3, column: 4 };
  const sed = "sed -i '3s/^.\\{4\\}/&if arp then pass\\n    /' 'my rules.xdp'";

  test("one finding for each rule that would help, with the rule that is in the way", () => {
    const rule = { file: "edge.xdp", line: 9, text: "if opaque then drop" };
    const facts = withFile({ insertAt: at, management: [{ ...arp, rule }, stopped({ frame: "an ARP reply" })] });
    const [finding, ...others] = examine(facts);
    expect([brief([finding as Finding]), others]).toEqual([[`problem | lockout | ${sed}`], []]);
    expect(finding?.message).toContain("an ARP request ends with drop, an ARP reply ends with drop");
    expect(finding?.why).toContain("edge.xdp:9 decides: if opaque then drop; no rule takes it, so the default decides");
  });

  test.each([
    ["the only family", ["IPv4"], [arp], ["problem"]],
    ["a family that the device has no address of", ["IPv4"], [nd], []],
    ["one of two families", ["IPv4", "IPv6"], [nd], ["warning"]],
    ["both families", ["IPv4", "IPv6"], [arp, nd], ["problem", "problem"]],
    ["a device without addresses", [], [arp], ["warning"]],
  ] as const)("%s", (_title, addresses, management, expected) => {
    const findings = examine({ ...withFile({ management }), addresses });
    expect(findings.map((one) => one.severity)).toEqual(expected);
  });

  test("an object can't be changed: it is tried with a way back", () => {
    const [finding] = examine(withFile({ path: "edge.o", management: [arp] }));
    expect(finding?.mend).toEqual(["(sleep 60; xdpc detach eth1) & xdpc attach edge.o eth1"]);
  });
});

describe("the frames", () => {
  const mac = Uint8Array.of(2, 0, 0, 0, 0, 9);
  const v4 = { family: "IPv4", bytes: Uint8Array.of(10, 0, 0, 7) } as const;
  const v6 = { family: "IPv6", bytes: Uint8Array.of(0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3) } as const;
  const frames = managementFrames(mac, [v4, v6], [2222]);
  const frame = (name: string): Uint8Array => frames.find((one) => one.frame === name)?.bytes ?? new Uint8Array();
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

  test("by hand", () => {
    expect(hex(frame("an ARP request").subarray(0, 42))).toBe(
      "ffffffffffff020000000001080600010800060400010200000000010a0000040000000000000a000007",
    );
    expect(hex(frame("an ARP reply").subarray(0, 22))).toBe("02000000000902000000000108060001080006040002");
    const asked = frame("a neighbour solicitation");
    expect(hex(asked.subarray(0, 14))).toBe("3333ff01020302000000000186dd");
    expect(hex(asked.subarray(38, 54))).toBe("ff0200000000000000000001ff010203");
    expect([asked[54], asked[58], hex(asked.subarray(62, 78))]).toEqual([135, 0, hex(v6.bytes)]);
    const syn = frame("a connection to TCP port 2222 over IPv4");
    expect([hex(syn.subarray(30, 34)), hex(syn.subarray(36, 38)), syn[47]]).toEqual(["0a000007", "08ae", 2]);
  });

  test("sums are right", () => {
    for (const name of ["a connection to TCP port 2222 over IPv4", "an open connection to TCP port 2222 over IPv4"]) {
      const bytes = frame(name);
      expect(internetChecksum(bytes.subarray(14, 34))).toBe(0);
      expect(internetChecksum(bytes.subarray(26, 34), Uint8Array.of(0, 6, 0, 20), bytes.subarray(34, 54))).toBe(0);
    }
    for (const [name, protocol] of [
      ["a neighbour solicitation", 58],
      ["a neighbour advertisement", 58],
      ["a connection to TCP port 2222 over IPv6", 6],
    ] as const) {
      const bytes = frame(name);
      const length = bytes[19] ?? 0;
      const pseudo = Uint8Array.of(0, 0, 0, length, 0, 0, 0, protocol);
      expect(internetChecksum(bytes.subarray(22, 54), pseudo, bytes.subarray(54, 54 + length))).toBe(0);
    }
  });
});
