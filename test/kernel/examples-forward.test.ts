// examples/forward.xdp as a router between two subnets on veth pairs, in the driver and in the generic path: what it forwards doesn't
// touch the router's stack, and what needs the stack gets there. Also what a veth does to frames redirected to it.

import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hex } from "../support/addresses.ts";
import { attachPass, detach, loadExample, MODES, stackCounter, startServer, transfer } from "../support/examples.ts";
import { attachXdp, type LoadedObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createPeerNetns, createVeth, type Netns, netnsProblem, type VethEnd } from "../support/netns.ts";
import { eth, icmp, icmp6, ip, ipv6, packet, payload, udp } from "../support/packets.ts";
import { describeWith } from "../support/requirements.ts";
import { openPacketSocket, type PacketSocket } from "../support/sockets.ts";

const ETHERTYPE_IP = 0x0800;
const typeOf = (frame: Uint8Array): number => (frame[12]! << 8) | frame[13]!;
const isIcmp =
  (type: number) =>
  (frame: Uint8Array): boolean =>
    typeOf(frame) === ETHERTYPE_IP && frame[23] === 1 && frame[34] === type;
const isIcmp6 =
  (type: number) =>
  (frame: Uint8Array): boolean =>
    typeOf(frame) === 0x86dd && frame[20] === 58 && frame[54] === type;
const macOf = (frame: Uint8Array, at: number): string => hex(frame.subarray(at, at + 6)).replace(/..(?=.)/g, "$&:");
const addressOf = (frame: Uint8Array, at: number): string => frame.subarray(at, at + 4).join(".");

describeWith("examples/forward.xdp", [netnsProblem()], () => {
  let router: Netns;
  /** A host of each subnet, and the router's device there. */
  let [left, toLeft]: VethEnd[] = [];
  let [right, toRight]: VethEnd[] = [];
  let leftSocket: PacketSocket;
  let rightSocket: PacketSocket;
  let object: LoadedObject;

  beforeAll(async () => {
    router = await createNetns();
    const hosts = [await createPeerNetns(router), await createPeerNetns(router)] as const;
    [left, toLeft] = createVeth({ netns: hosts[0], device: "host" }, { netns: router, device: "left" }, { ipv6: true });
    [right, toRight] = createVeth(
      { netns: hosts[1], device: "host" },
      { netns: router, device: "right" },
      { ipv6: true },
    );
    for (const [index, host, to] of [
      [1, left, toLeft],
      [2, right, toRight],
    ] as const) {
      to.netns.run("ip", "address", "add", `10.0.${index}.1/24`, "dev", to.device);
      to.netns.run("ip", "address", "add", `2001:db8:${index}::1/64`, "dev", to.device, "nodad");
      host.netns.run("ip", "address", "add", `10.0.${index}.2/24`, "dev", host.device);
      host.netns.run("ip", "address", "add", `2001:db8:${index}::2/64`, "dev", host.device, "nodad");
      host.netns.run("ip", "route", "add", "default", "via", `10.0.${index}.1`);
      host.netns.run("ip", "-6", "route", "add", "default", "via", `2001:db8:${index}::1`);
    }
    router.sysctl("net.ipv4.ip_forward", 1);
    router.sysctl("net.ipv6.conf.all.forwarding", 1);
    leftSocket = openPacketSocket(left!);
    rightSocket = openPacketSocket(right!);
    object = loadExample("forward");
  });
  afterAll(closeAll);

  const ping = (fields: { ttl?: number; to?: string; id?: number } = {}): Uint8Array =>
    packet(
      eth({ daddr: toLeft!.mac, saddr: left!.mac }),
      ip({ saddr: "10.0.1.2", daddr: fields.to ?? "10.0.2.2", ttl: fields.ttl ?? 64 }),
      icmp({ rest: fields.id ?? 7 }),
      payload(1472),
    );
  const ping6 = (hopLimit = 64): Uint8Array =>
    packet(
      eth({ daddr: toLeft!.mac, saddr: left!.mac }),
      ipv6({ saddr: "2001:db8:1::2", daddr: "2001:db8:2::2", hopLimit }),
      icmp6(),
      payload(1452),
    );
  /** Sends a frame from the left host and gives what comes back to it. */
  async function answer(frame: Uint8Array, wanted: (frame: Uint8Array) => boolean, timeoutMs = 3000) {
    leftSocket.drain();
    rightSocket.drain();
    leftSocket.send(frame);
    return leftSocket.receive(1, wanted, timeoutMs);
  }
  const forwarded = (): number => stackCounter(router, "IpForwDatagrams") + stackCounter(router, "Ip6OutForwDatagrams");

  describe.each(MODES)("%s", (mode) => {
    beforeAll(() => {
      for (const host of [left, right]) attachPass(host!);
      for (const device of [toLeft, toRight]) attachXdp(device!, object.program().fd, mode);
      for (const device of [toLeft, toRight]) router.run("ip", "neigh", "flush", "dev", device!.device);
    });
    afterAll(() => {
      for (const end of [left, right, toLeft, toRight]) detach(end!);
    });

    test("the stack finds the neighbours, then packets pass it by", async () => {
      const before = forwarded();
      expect(await answer(ping(), isIcmp(0)), "the first ping").toHaveLength(1);
      expect(forwarded(), "the first went through the stack").toBeGreaterThan(before);
      expect(await answer(ping6(), isIcmp6(129)), "the first of IPv6").toHaveLength(1);

      const settled = forwarded();
      const [reply] = await answer(ping(), isIcmp(0));
      expect(reply?.length).toBe(1514);
      const [seen] = await rightSocket.receive(1, isIcmp(8));
      expect([macOf(seen!, 0), macOf(seen!, 6)]).toEqual([right!.mac, toRight!.mac]);
      const wanted = packet(
        eth({ daddr: right!.mac, saddr: toRight!.mac }),
        ip({ saddr: "10.0.1.2", daddr: "10.0.2.2", ttl: 63 }),
        icmp({ rest: 7 }),
        payload(1472),
      );
      expect(hex(seen!)).toBe(hex(wanted));

      const [reply6] = await answer(ping6(), isIcmp6(129));
      expect(reply6?.length).toBe(1514);
      const [seen6] = await rightSocket.receive(1, isIcmp6(128));
      expect([macOf(seen6!, 0), macOf(seen6!, 6), seen6![21]]).toEqual([right!.mac, toRight!.mac, 63]);
      expect(forwarded(), "none of these through the stack").toBe(settled);
    });

    test("expired packets are answered by the stack", async () => {
      const [exceeded] = await answer(ping({ ttl: 1 }), isIcmp(11));
      expect(addressOf(exceeded!, 26)).toBe("10.0.1.1");
      const [exceeded6] = await answer(ping6(1), isIcmp6(3));
      expect(hex(exceeded6!.subarray(22, 38))).toBe("20010db8000100000000000000000001");
      expect(rightSocket.drain().filter((frame) => isIcmp(8)(frame) || isIcmp6(128)(frame))).toEqual([]);
    });

    test("the router itself answers, and says where there is no way", async () => {
      for (const to of ["10.0.1.1", "10.0.2.1"]) {
        const [reply] = await answer(ping({ to }), isIcmp(0));
        expect(addressOf(reply!, 26)).toBe(to);
      }
      const [unreachable] = await answer(ping({ to: "10.9.9.9" }), isIcmp(3));
      expect(unreachable![35], "network unreachable").toBe(0);
      const closed = packet(
        eth({ daddr: toLeft!.mac, saddr: left!.mac }),
        ip({ saddr: "10.0.1.2", daddr: "10.0.2.2" }),
        udp({ dport: 9 }),
        payload(10),
      );
      const [refused] = await answer(closed, isIcmp(3));
      expect(addressOf(refused!, 26), "the far host's answer").toBe("10.0.2.2");
    });

    test.each([
      ["10.0.2.2", 700_000],
      ["2001:db8:2::2", 300_000],
    ])("TCP to %s in full-size packets, past the stack", async (host, size) => {
      for (const socket of [leftSocket, rightSocket]) socket.drain();
      const server = await startServer(right!.netns, 8080, 100_000);
      const [before, retransmitted] = [forwarded(), stackCounter(left!.netns, "TcpRetransSegs")];
      const result = await transfer(left!.netns, host, 8080, size);
      const frames = rightSocket.drain();
      server.stop();
      expect(result).toMatchObject({ sent: size, back: 100_000, answer: { length: size, hash: result.hash } });
      expect(frames.filter((frame) => frame.length === 1514).length).toBeGreaterThan(size / 1514 / 2);
      expect(frames.every((frame) => frame.length <= 1514)).toBe(true);
      expect(stackCounter(right!.netns, "TcpInCsumErrors")).toBe(0);
      expect(stackCounter(left!.netns, "TcpRetransSegs") - retransmitted).toBeLessThan(50);
      expect(forwarded() - before, "packets through the router's stack").toBeLessThan(5);
    });
  });

  test("a veth whose peer has neither a program nor GRO loses what is redirected to it", async () => {
    const quiet = async (): Promise<number> => {
      rightSocket.drain();
      leftSocket.send(ping());
      return (await rightSocket.receive(1, isIcmp(8), 500)).length;
    };
    attachPass(left!);
    for (const device of [toLeft, toRight]) attachXdp(device!, object.program().fd);
    try {
      right!.netns.run("ip", "neigh", "replace", "10.0.2.1", "lladdr", toRight!.mac, "dev", right!.device);
      router.run("ip", "neigh", "replace", "10.0.2.2", "lladdr", right!.mac, "dev", toRight!.device);
      expect(await quiet(), "nothing at the peer").toBe(0);
      attachPass(right!);
      await sleep(100);
      expect(await quiet(), "a program that only passes").toBe(1);
      detach(right!);
      right!.netns.run("ethtool", "-K", right!.device, "gro", "on");
      expect(await quiet(), "GRO").toBe(1);
      right!.netns.run("ethtool", "-K", right!.device, "gro", "off");
      expect(await quiet(), "nothing again").toBe(0);
      for (const device of [toLeft, toRight]) {
        detach(device!);
        attachXdp(device!, object.program().fd, "generic");
      }
      expect(await quiet(), "the generic path needs neither").toBe(1);
    } finally {
      for (const end of [left, right, toLeft, toRight]) detach(end!);
    }
  });
});
