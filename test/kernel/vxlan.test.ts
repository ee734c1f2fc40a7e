// VXLAN against the kernel's own device, in the driver and in the generic path: what our programs put into tunnels the kernel opens, and
// what it puts into them our programs read, change and open. Hosts behind examples/vxlan.xdp and behind the device are one network.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hex, littleEndian } from "../support/addresses.ts";
import { projectFolder } from "../support/cli.ts";
import { objectFile, objectOf } from "../support/compile.ts";
import { attachPass, detach, MODES, stackCounter, startServer, transfer } from "../support/examples.ts";
import { attachXdp, type LoadedObject, loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createPeerNetns, createVeth, type Netns, netnsProblem, type VethEnd } from "../support/netns.ts";
import { read } from "../support/oracle.ts";
import { arp, eth, icmp, ip, ipv6, packet, payload, tcp, udp, vlan } from "../support/packets.ts";
import { describeWith, findTool } from "../support/requirements.ts";
import { openPacketSocket, type PacketSocket } from "../support/sockets.ts";

const EXAMPLE = readFileSync(join(projectFolder, "examples", "vxlan.xdp"), "utf8");
/** The example with an IPv6 outer header. */
const EXAMPLE6 = EXAMPLE.slice(0, EXAMPLE.indexOf("\ntest "))
  .replace("const LOCAL   = 10.1.0.2", "const LOCAL = 2001:db8:1::2")
  .replace("const REMOTE  = 10.1.0.1", "const REMOTE = 2001:db8:1::1")
  .replace("encap ip { saddr: LOCAL, daddr: REMOTE, df: 1 }", "encap ip6 { saddr: LOCAL, daddr: REMOTE }")
  .replace("ip.saddr == REMOTE and ip.daddr == LOCAL", "ip6.saddr == REMOTE and ip6.daddr == LOCAL");

/** Devices of the kernel: network numbers, and what else they are to do. `noudpcsum` leaves the outer checksum out. */
const OUTER = {
  IPv4: { source: EXAMPLE, ends: ["local", "10.1.0.1", "remote", "10.1.0.2"], options: [] },
  "IPv4 without checksums": {
    source: EXAMPLE,
    ends: ["local", "10.1.0.1", "remote", "10.1.0.2"],
    options: ["noudpcsum"],
  },
  IPv6: {
    source: EXAMPLE6,
    ends: ["local", "2001:db8:1::1", "remote", "2001:db8:1::2"],
    options: ["udp6zerocsumrx"],
  },
} as const;

const vxlanOf = (frame: Uint8Array): number => (read(frame).udp?.offset ?? 0) + 8;
const word = (frame: Uint8Array, at: number): number => (frame[at]! << 8) | frame[at + 1]!;
/** A frame in VXLAN; the other frames of the wire (ARP, neighbour discovery) aren't. */
const inVxlan = (frame: Uint8Array): boolean => read(frame).udp?.dport === 4789;

/** Why this kernel has no VXLAN device, or null. */
function deviceProblem(): string | null {
  if (netnsProblem() !== null) return null;
  const add = ["ip", "link", "add", "vx", "type", "vxlan", "id", "1", "dstport", "4789"];
  const { status } = spawnSync(findTool("unshare") ?? "unshare", ["--net", "--", ...add], { stdio: "ignore" });
  return status === 0 ? null : "the kernel has no VXLAN device";
}

describeWith("VXLAN and the kernel's device", [netnsProblem(), deviceProblem()], () => {
  let router: Netns;
  /** The other end's underlay and its peer here; the host behind our programs and the device it hangs on. */
  let [far, wire]: VethEnd[] = [];
  let [host, port]: VethEnd[] = [];
  let wireSocket: PacketSocket;
  let farSocket: PacketSocket;
  let hostSocket: PacketSocket;

  beforeAll(async () => {
    router = await createNetns();
    router.sysctl("net.ipv4.ip_forward", 1);
    router.sysctl("net.ipv6.conf.all.forwarding", 1);
    const peers = [await createPeerNetns(router), await createPeerNetns(router)] as const;
    const up = { ipv6: true };
    [far, wire] = createVeth({ netns: peers[0], device: "under" }, { netns: router, device: "wire" }, up);
    [host, port] = createVeth({ netns: peers[1], device: "host" }, { netns: router, device: "port" }, up);
    for (const [end, index] of [
      [far, 1],
      [wire, 2],
    ] as const) {
      end.netns.run("ip", "address", "add", `10.1.0.${index}/24`, "dev", end.device);
      end.netns.run("ip", "address", "add", `2001:db8:1::${index}/64`, "dev", end.device, "nodad");
    }
    for (const address of ["10.1.0.1", "2001:db8:1::1"])
      router.run("ip", "neigh", "replace", address, "lladdr", far.mac, "dev", "wire");
    host.netns.run("ip", "link", "set", "host", "mtu", "1430");
    host.netns.run("ip", "address", "add", "10.9.0.2/24", "dev", "host");
    host.netns.run("ip", "address", "add", "2001:db8:9::2/64", "dev", "host", "nodad");
    farSocket = openPacketSocket(far);
    wireSocket = openPacketSocket(wire);
    hostSocket = openPacketSocket(host);
  });
  afterAll(closeAll);

  /** A VXLAN device of the kernel at the far end, up. */
  function kernelDevice(name: string, id: number, options: readonly string[], index = 1): VethEnd {
    const { netns } = far!;
    netns.run("ip", "link", "add", name, "type", "vxlan", "id", `${id}`, "dev", "under", "dstport", "4789", ...options);
    netns.run("ethtool", "-K", name, "tx", "off", "tso", "off", "gso", "off", "gro", "off");
    netns.run("ip", "link", "set", name, "mtu", "1430", "up");
    netns.run("ip", "address", "add", `10.9.0.${index}/24`, "dev", name);
    netns.run("ip", "address", "add", `2001:db8:9::${index}/64`, "dev", name, "nodad");
    const mac = /link\/ether ([0-9a-f:]+)/.exec(netns.run("ip", "-o", "link", "show", "dev", name))?.[1] ?? "";
    return { netns, device: name, ifindex: netns.ifindex(name), mac };
  }

  describe.each(Object.entries(OUTER))("%s", (kind, { source, ends, options }) => {
    let object: LoadedObject;
    let device: VethEnd;
    let other: VethEnd;
    let deviceSocket: PacketSocket;

    beforeAll(() => {
      device = kernelDevice("vx", 42, [...ends, ...options]);
      other = kernelDevice("other", 43, [...ends, ...options], 7);
      deviceSocket = openPacketSocket(device);
      object = loadObject(objectFile(objectOf(source), "vxlan.o"));
      const hosts = object.map("hosts");
      router.enter(() => hosts.update(littleEndian(0, 4), littleEndian(port!.ifindex, hosts.valueSize)));
      attachPass(far!);
      attachPass(host!);
    });
    afterAll(() => {
      deviceSocket.close();
      for (const end of [far!, host!]) detach(end);
      for (const { netns, device: name } of [device, other]) netns.run("ip", "link", "del", name);
      object.close();
    });

    describe.each(MODES)("%s", (mode) => {
      beforeAll(() => {
        attachXdp(port!, object.program("from_host").fd, mode);
        attachXdp(wire!, object.program("from_wire").fd, mode);
      });
      afterAll(() => {
        for (const end of [port!, wire!]) detach(end);
      });

      test("frames of every kind arrive as they were sent, both ways", async () => {
        const frames = (from: string, to: string, tag: number): Uint8Array[] => {
          const link = { daddr: to, saddr: from };
          return [
            packet(eth({ ...link, daddr: "ff:ff:ff:ff:ff:ff" }), arp(), payload(tag)),
            packet(eth({ ...link, type: 0x88b5 }), payload(tag)),
            packet(eth(link), ip({ id: tag }), udp({ sport: 1, dport: 2 }), payload(3), payload(14)),
            packet(eth(link), ip({ options: new Uint8Array(8).fill(1) }), tcp({ dport: 9 }), payload(tag)),
            packet(eth(link), ipv6(), udp({ sport: 1, dport: 2 }), payload(1300)),
            packet(eth(link), vlan({ id: 5 }), vlan({ id: 6 }), ip({ id: tag }), tcp({ dport: 9 }), payload(1200)),
          ];
        };
        const marked = (wanted: readonly Uint8Array[]) => {
          const texts = new Set(wanted.map(hex));
          return (frame: Uint8Array): boolean => texts.has(hex(frame));
        };
        for (const [from, to, sender, receiver] of [
          [device, host!, deviceSocket, hostSocket],
          [host!, device, hostSocket, deviceSocket],
        ] as const) {
          const sent = frames(from.mac, to.mac, mode === "native" ? 31 : 33);
          receiver.drain();
          for (const frame of sent) sender.send(frame);
          const received = await receiver.receive(sent.length, marked(sent));
          expect(received.map(hex).sort()).toEqual(sent.map(hex).sort());
        }
      });

      test("what we put into the tunnel is as the RFC wants it", async () => {
        farSocket.drain();
        const count = 20;
        for (let sport = 0; sport < count; sport++) {
          const layers = [eth({ daddr: device.mac, saddr: host!.mac }), ip({ saddr: "10.9.0.2", daddr: "10.9.0.1" })];
          hostSocket.send(packet(...layers, udp({ sport: 1000 + sport, dport: 9 }), payload(20)));
        }
        const seen = await farSocket.receive(
          count,
          (frame) => read(frame.subarray(vxlanOf(frame) + 8)).udp?.dport === 9,
        );
        expect(seen).toHaveLength(count);
        for (const frame of seen) {
          const at = vxlanOf(frame);
          expect(hex(frame.subarray(at, at + 8))).toBe("0800000000002a00");
          expect(word(frame, at - 2), "no outer checksum").toBe(0);
          expect(word(frame, at - 4), "the datagram's length").toBe(frame.length - at + 8);
        }
        const ports = new Set(seen.map((frame) => read(frame).udp!.sport));
        expect(ports.size, "ports of 20 flows").toBeGreaterThan(15);
        for (const one of ports) expect(one).toBeGreaterThanOrEqual(0xc000);
      });

      test("what the kernel puts into it is read, its checksum too", async () => {
        wireSocket.drain();
        const echo = packet(
          eth({ daddr: host!.mac, saddr: device.mac }),
          ip({ saddr: "10.9.0.1", daddr: "10.9.0.2" }),
          icmp({ type: 8, rest: 7 }),
          payload(50),
        );
        detach(wire!);
        deviceSocket.send(echo);
        // The device has words of its own to send (group memberships).
        const [made] = await wireSocket.receive(1, (frame) => inVxlan(frame) && hex(frame).includes(hex(echo)));
        attachXdp(wire!, object.program("from_wire").fd, mode);
        const at = vxlanOf(made!);
        expect(hex(made!.subarray(at + 8))).toBe(hex(echo));
        expect(word(made!, at - 2) === 0, "no outer checksum").toBe(kind.includes("without"));
        // The same frame to a program that reads inside: whatever the kernel wrote, each condition finds it.
        const inside = loadObject(
          objectFile(
            objectOf(
              "counter c[u8]\nif vxlan.vni == 42 then count c[0]\nif inner.icmp.type == 8 then count c[1]\nif inner.ip.saddr == 10.9.0.1 then count c[2]\nif inner.eth then if inner.eth.saddr == eth.saddr then count c[3]\nif icmp then count c[4]\n",
            ),
          ),
        );
        inside.program("xdp_rules").run(made!);
        const counted = [0, 1, 2, 3, 4].map((key) =>
          inside
            .map("c")
            .entries()
            .some(([found, value]) => found[0] === key && value.some((byte) => byte !== 0)),
        );
        inside.close();
        expect(counted).toEqual([true, true, true, false, false]);
      });

      test("hosts find each other and answer", async () => {
        for (const [netns, name] of [
          [device.netns, "vx"],
          [host!.netns, "host"],
        ] as const)
          netns.run("ip", "neigh", "flush", "dev", name);
        for (const [address, size] of [
          ["10.9.0.2", 300_000],
          ["2001:db8:9::2", 200_000],
        ] as const) {
          const server = await startServer(host!.netns, 8080, 100_000);
          const result = await transfer(device.netns, address, 8080, size);
          server.stop();
          expect(result).toMatchObject({ sent: size, back: 100_000, answer: { length: size, hash: result.hash } });
        }
        const neighbours = host!.netns.run("ip", "neigh", "show", "dev", "host");
        expect(neighbours, "found by ARP inside").toMatch(new RegExp(`10\\.9\\.0\\.1 lladdr ${device.mac}`));
        expect(neighbours, "found by neighbour discovery inside").toContain("2001:db8:9::1 lladdr");
        for (const { netns } of [device, host!])
          for (const name of ["TcpInCsumErrors", "UdpInCsumErrors", "IpInHdrErrors", "Udp6InCsumErrors"])
            expect(stackCounter(netns, name), name).toBe(0);
      });

      test("another network's frames stay out", async () => {
        hostSocket.drain();
        const otherSocket = openPacketSocket(other);
        const frame = packet(eth({ daddr: host!.mac, saddr: other.mac, type: 0x88b5 }), payload(64));
        otherSocket.send(frame);
        const same = (one: Uint8Array): boolean => hex(one) === hex(frame);
        expect(await hostSocket.receive(1, same, 300)).toEqual([]);
        deviceSocket.send(frame);
        expect(await hostSocket.receive(1, same)).toHaveLength(1);
        otherSocket.close();
      });
    });

    test.each(MODES)("the kernel takes what was changed inside its frames, %s", async (mode) => {
      // Here both ends are the kernel's; between them addresses and hops inside change, and sums outside.
      const [mine, peer] = kind === "IPv6" ? ["2001:db8:1::2", "2001:db8:1::1"] : ["10.1.0.2", "10.1.0.1"];
      const extra = options.filter((option) => option !== "udp6zerocsumrx");
      const ours = ["id", "42", "dev", "wire", "dstport", "4789", "local", mine, "remote", peer, ...extra];
      router.run("ip", "link", "add", "vx", "type", "vxlan", ...ours);
      router.run("ethtool", "-K", "vx", "tx", "off", "gro", "off");
      router.run("ip", "link", "set", "vx", "mtu", "1430", "up");
      const mac = /link\/ether ([0-9a-f:]+)/.exec(router.run("ip", "-o", "link", "show", "dev", "vx"))?.[1] ?? "";
      const end: VethEnd = { netns: router, device: "vx", ifindex: router.ifindex("vx"), mac };
      const socket = openPacketSocket(end);
      const source =
        "if inner.ip.ttl > 1 and inner.udp then { inner.ip.ttl -= 1 inner.ip.daddr = 10.9.0.99 inner.udp.dport = 7 }\n";
      const changing = loadObject(objectFile(objectOf(source)));
      const errors = (): number[] => ["UdpInCsumErrors", "Udp6InCsumErrors"].map((name) => stackCounter(router, name));
      try {
        attachXdp(wire!, changing.program("xdp_rules").fd, mode);
        const before = errors();
        const layers = (address: string, ttl: number, dport: number) => [
          eth({ daddr: mac, saddr: device.mac }),
          ip({ saddr: "10.9.0.1", daddr: address, ttl }),
          udp({ sport: 5, dport }),
          payload(33),
        ];
        deviceSocket.send(packet(...layers("10.9.0.2", 9, 8)));
        const wanted = packet(...layers("10.9.0.99", 8, 7));
        const [got] = await socket.receive(1, (frame) => read(frame).udp?.sport === 5);
        expect(hex(got ?? new Uint8Array())).toBe(hex(wanted));
        expect(errors()).toEqual(before);
        // That the kernel looks at the sum at all: one that is wrong doesn't get through.
        if (!kind.includes("without")) {
          wireSocket.drain();
          deviceSocket.send(packet(...layers("10.9.0.2", 9, 8)));
          const [made] = await wireSocket.receive(
            1,
            (frame) => inVxlan(frame) && read(frame.subarray(vxlanOf(frame) + 8)).udp?.sport === 5,
          );
          const damaged = made!.slice();
          damaged[damaged.length - 1]! ^= 1;
          farSocket.send(damaged);
          expect(await socket.receive(1, (frame) => frame.at(-1) === damaged.at(-1), 300)).toEqual([]);
          expect(errors().reduce((a, b) => a + b)).toBe(before.reduce((a, b) => a + b) + 1);
        }
      } finally {
        detach(wire!);
        changing.close();
        socket.close();
        router.run("ip", "link", "del", "vx");
      }
    });
  });
});
