// fib_lookup and check_mtu against the kernel's: a network namespace with routes, neighbours and addresses, and the same described to
// the machine. Every answer code the kernel can be brought to give here is asked for, for both families and all flags; the result
// and all bytes of the parameters must be equal.

import { afterAll, beforeAll, expect, test } from "vitest";
import { must } from "../../src/base/assert.ts";
import { UserMap } from "../../src/vm/maps/user-map.ts";
import type { NetworkDescription } from "../../src/vm/network.ts";
import { parseAddress } from "../../src/vm/network.ts";
import { StandardMachine } from "../../src/vm/standard.ts";
import type { KernelProgram } from "../support/bpf.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, type Netns, netnsProblem } from "../support/netns.ts";
import { describeWith, findTool, kernelProblem, toolProblem } from "../support/requirements.ts";
import type { RawMap } from "./kernel-maps.ts";
import { createRaw, imageMap, loadImage, madeMap, programImage } from "./kernel-maps.ts";

afterAll(closeAll);

const first = new Uint8Array(4);
/** 0: flags; 8: result; 16: struct bpf_fib_lookup. 96: MTU's interface; 104: its length; 112: difference; 120: its result. */
const box = imageMap({ kind: "array", name: "box", keyBytes: 4, valueBytes: 128, maxEntries: 1 });
const program = programImage(
  `
    r6 = r1
    *(u32 *)(r10 - 4) = 0
    r1 = map[box] ll
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r9 = r0
    r1 = r6
    r2 = r9
    r2 += 16
    r3 = 64
    r4 = *(u32 *)(r9 + 0)
    call bpf_fib_lookup
    *(u64 *)(r9 + 8) = r0
    r1 = r6
    r2 = *(u32 *)(r9 + 96)
    r3 = r9
    r3 += 104
    r4 = *(u32 *)(r9 + 112)
    r5 = *(u64 *)(r9 + 88)
    call bpf_check_mtu
    *(u64 *)(r9 + 120) = r0
out:
    r0 = 2
    exit
`,
  [box],
);

interface Question {
  readonly to: string;
  readonly from?: string;
  readonly ifindex: number;
  readonly flags?: number;
  readonly length?: number;
  readonly table?: number;
}

function boxed({ to, from, ifindex, flags = 0, length = 0, table = 0 }: Question): Uint8Array {
  const bytes = new Uint8Array(128);
  const view = new DataView(bytes.buffer);
  const destination = parseAddress(to);
  view.setUint32(0, flags, true);
  view.setUint8(16, destination.length === 4 ? 2 : 10);
  view.setUint16(16 + 6, length, true);
  view.setUint32(16 + 8, ifindex, true);
  if (from !== undefined) bytes.set(parseAddress(from), 16 + 16);
  bytes.set(destination, 16 + 32);
  view.setUint32(16 + 48, table, true);
  return bytes;
}

describeWith("the network and the kernel's", [kernelProblem(), netnsProblem(), toolProblem("ip")], () => {
  let netns: Netns;
  let raw: RawMap;
  let loaded: KernelProgram;
  let machine: StandardMachine;
  const index: Record<string, number> = {};

  beforeAll(async () => {
    netns = await createNetns();
    const ip = (line: string): void => {
      netns.run(findTool("ip") ?? "ip", ...line.split(" "));
    };
    ip("link set lo up");
    for (const [name, mac] of [
      ["va", "02:00:00:00:00:0a"],
      ["vb", "02:00:00:00:00:0b"],
      ["vc", "02:00:00:00:00:0c"],
    ]) {
      ip(`link add ${name} type veth peer name ${name}p`);
      netns.sysctl(`net.ipv6.conf.${name}.addr_gen_mode`, 1);
      netns.sysctl(`net.ipv6.conf.${name}.accept_dad`, 0);
      ip(`link set ${name} address ${mac} up`);
      ip(`link set ${name}p up`);
      index[name ?? ""] = netns.ifindex(name ?? "");
    }
    for (const family of ["ipv4", "ipv6"]) netns.sysctl(`net.${family}.conf.all.forwarding`, 1);
    for (const family of ["ipv4", "ipv6"]) netns.sysctl(`net.${family}.conf.vc.forwarding`, 0);
    ip("link set vb mtu 1400");
    ip("addr add 192.0.2.1/24 dev va");
    ip("addr add 198.51.100.1/24 dev vb");
    ip("-6 addr add 2001:db8:a::1/64 dev va nodad");
    ip("-6 addr add 2001:db8:b::1/64 dev vb nodad");
    ip("route add 203.0.113.0/24 via 198.51.100.2 dev vb metric 7");
    ip("route add 203.0.113.128/25 via 198.51.100.3 dev vb");
    ip("route add 203.0.113.200/32 via inet6 2001:db8:b::2 dev vb");
    ip("route add 10.1.0.0/16 dev va src 192.0.2.1");
    ip("route add 10.2.0.0/16 dev va mtu lock 1000");
    for (const [type, net] of [
      ["blackhole", "10.3"],
      ["unreachable", "10.4"],
      ["prohibit", "10.5"],
      ["throw", "10.6"],
    ])
      ip(`route add ${type} ${net}.0.0/16`);
    ip("route add 10.7.0.0/16 via 192.0.2.9 dev va table 100");
    ip("-6 route add 2001:db8:1::/48 via 2001:db8:b::2 dev vb metric 50");
    ip("-6 route add 2001:db8:1:1::/64 via 2001:db8:b::3 dev vb metric 51");
    ip("-6 route add 2001:db8:2::/48 dev va mtu lock 1300 metric 52");
    for (const [type, net] of [
      ["blackhole", "3"],
      ["unreachable", "4"],
      ["prohibit", "5"],
    ])
      ip(`-6 route add ${type} 2001:db8:${net}::/48 metric 53`);
    ip("neigh add 198.51.100.2 lladdr 02:00:00:00:00:22 dev vb nud permanent");
    ip("neigh add 10.1.0.5 lladdr 02:00:00:00:00:55 dev va nud permanent");
    ip("neigh add 10.2.0.5 lladdr 02:00:00:00:00:56 dev va nud permanent");
    ip("neigh add 192.0.2.9 lladdr 02:00:00:00:00:99 dev va nud permanent");
    ip("-6 neigh add 2001:db8:b::2 lladdr 02:00:00:00:00:62 dev vb nud permanent");
    ip("-6 neigh add 2001:db8:2::5 lladdr 02:00:00:00:00:65 dev va nud permanent");
    const [a = 0, b = 0, c = 0] = [index.va, index.vb, index.vc];
    const network: NetworkDescription = {
      devices: [
        { ifindex: 1, mtu: 65536, addresses: ["127.0.0.1/8", "::1/128"] },
        { ifindex: a, mac: "02:00:00:00:00:0a", addresses: ["192.0.2.1/24", "2001:db8:a::1/64"] },
        { ifindex: b, mac: "02:00:00:00:00:0b", mtu: 1400, addresses: ["198.51.100.1/24", "2001:db8:b::1/64"] },
        { ifindex: c, mac: "02:00:00:00:00:0c", forwarding: false },
      ],
      routes: [
        { to: "203.0.113.0/24", via: "198.51.100.2", ifindex: b, metric: 7 },
        { to: "203.0.113.128/25", via: "198.51.100.3", ifindex: b },
        { to: "203.0.113.200/32", via: "2001:db8:b::2", ifindex: b },
        { to: "10.1.0.0/16", ifindex: a, src: "192.0.2.1" },
        { to: "10.2.0.0/16", ifindex: a, mtu: 1000 },
        { to: "10.3.0.0/16", type: "blackhole" },
        { to: "10.4.0.0/16", type: "unreachable" },
        { to: "10.5.0.0/16", type: "prohibit" },
        { to: "10.6.0.0/16", type: "throw" },
        { to: "10.7.0.0/16", via: "192.0.2.9", ifindex: a, table: 100 },
        { to: "192.0.2.255/32", type: "broadcast", ifindex: a },
        { to: "2001:db8:1::/48", via: "2001:db8:b::2", ifindex: b, metric: 50 },
        { to: "2001:db8:1:1::/64", via: "2001:db8:b::3", ifindex: b, metric: 51 },
        { to: "2001:db8:2::/48", ifindex: a, mtu: 1300, metric: 52 },
        { to: "2001:db8:3::/48", type: "blackhole" },
        { to: "2001:db8:4::/48", type: "unreachable" },
        { to: "2001:db8:5::/48", type: "prohibit" },
      ],
      neighbours: [
        { address: "198.51.100.2", ifindex: b, mac: "02:00:00:00:00:22" },
        { address: "10.1.0.5", ifindex: a, mac: "02:00:00:00:00:55" },
        { address: "10.2.0.5", ifindex: a, mac: "02:00:00:00:00:56" },
        { address: "192.0.2.9", ifindex: a, mac: "02:00:00:00:00:99" },
        { address: "2001:db8:b::2", ifindex: b, mac: "02:00:00:00:00:62" },
        { address: "2001:db8:2::5", ifindex: a, mac: "02:00:00:00:00:65" },
      ],
    };
    machine = new StandardMachine(program, { network });
    raw = madeMap(createRaw(box, 128));
    loaded = loadImage(program, [raw.fd]);
  });

  function both(bytes: Uint8Array, frame = 64): { kernel: DataView; our: DataView } {
    const map = new UserMap(must(machine.maps.get("box"), "box"));
    expect([map.update(first, bytes), raw.update(first, bytes)]).toEqual([0, 0]);
    netns.enter(() => loaded.run(new Uint8Array(frame)));
    machine.run(new Uint8Array(frame), { ingressIfindex: 1 });
    const view = (value: Uint8Array | number): DataView => new DataView((value as Uint8Array).slice().buffer);
    return { kernel: view(raw.lookup(first)), our: view(map.lookup(first)) };
  }

  const hex = (view: DataView, from: number, to: number): string =>
    Buffer.from(view.buffer as ArrayBuffer, from, to - from)
      .toString("hex")
      .replace(/.{8}/g, "$& ");

  test("every destination, from every interface, with every flag", () => {
    const fours = [
      ...["203.0.113.1", "203.0.113.129", "203.0.113.200", "10.1.0.5", "10.1.0.6", "10.2.0.5", "10.3.0.1", "10.4.0.1"],
      ...["10.5.0.1", "10.6.0.1", "10.7.0.1", "192.0.2.1", "192.0.2.255", "192.0.2.9", "127.0.0.1", "8.8.8.8"],
    ];
    const sixes = [
      ...["2001:db8:1::1", "2001:db8:1:1::1", "2001:db8:2::5", "2001:db8:2::6", "2001:db8:3::1", "2001:db8:4::1"],
      ...["2001:db8:5::1", "2001:db8:a::1", "fe80::1", "ff02::1", "::1", "3fff::1"],
    ];
    const { va: a = 0, vb: b = 0, vc: c = 0 } = index;
    const results = new Map<number, number>();
    for (const to of [...fours, ...sixes])
      for (const ifindex of [a, b, c, 9999])
        for (const flags of [0, 1, 2, 4, 3, 16, 20, 9, 32, 64])
          for (const length of [0, 1001, 1350, 1401, 1501]) {
            const from = to.includes(":") ? "2001:db8:a::77" : "192.0.2.77";
            const { kernel, our } = both(
              boxed({ to, from, ifindex, flags, length, table: (flags & 8) === 0 ? 0 : 100 }),
            );
            const what = `${to} from ${ifindex} flags ${flags} length ${length}: `;
            const result = Number(kernel.getBigInt64(8, true));
            results.set(result, (results.get(result) ?? 0) + 1);
            expect(`${what}${our.getBigInt64(8, true)} ${hex(our, 16, 80)}`).toBe(
              `${what}${result} ${hex(kernel, 16, 80)}`,
            );
          }
    expect([...results.keys()].sort((x, y) => x - y)).toEqual([-22, -19, 0, 1, 2, 3, 4, 5, 7, 8]);
  });

  test("other families and check_mtu", () => {
    const { va: a = 0, vb: b = 0 } = index;
    for (const [ifindex, length, difference, flags, frame] of [
      [0, 0, 0, 0, 64],
      [1, 0, 0, 0, 64],
      [a, 0, 0, 0, 64],
      [b, 0, 0, 0, 1414],
      [b, 0, 0, 0, 1415],
      [b, 0, 1, 0, 1414],
      [b, 0, -1, 0, 1415],
      [b, 1400, 0, 0, 64],
      [b, 1401, 0, 0, 64],
      [b, 1401, -1, 0, 64],
      [b, 0xffffffff, 0, 0, 64],
      [b, 0, 0, 1, 64],
      [9999, 0, 0, 0, 64],
    ] as const) {
      const bytes = boxed({ to: "10.1.0.5", ifindex: a });
      const view = new DataView(bytes.buffer);
      view.setUint8(16, 11);
      view.setUint32(96, ifindex, true);
      view.setUint32(104, length, true);
      view.setInt32(112, difference, true);
      view.setBigUint64(88, BigInt(flags), true);
      const { kernel, our } = both(bytes, frame);
      expect(`${ifindex} ${length} ${difference}: ${hex(our, 0, 128)}`).toBe(
        `${ifindex} ${length} ${difference}: ${hex(kernel, 0, 128)}`,
      );
    }
  });
});
