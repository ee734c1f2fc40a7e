// examples/dnat.xdp between a client and a server: real TCP sessions and datagrams to an address that no machine has, over links
// without checksum offload, so that the receiving kernels judge every sum.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { concat, hex, littleEndian } from "../support/addresses.ts";
import {
  attachPass,
  detach,
  loadExample,
  MODES,
  stackCounter,
  startServer,
  type Transfer,
  transfer,
} from "../support/examples.ts";
import { attachXdp, type LoadedObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createPeerNetns, createVeth, type Netns, netnsProblem, type VethEnd } from "../support/netns.ts";
import { eth, ip, packet, payload, udp } from "../support/packets.ts";
import { describeWith } from "../support/requirements.ts";
import { openPacketSocket, type PacketSocket } from "../support/sockets.ts";

const SERVICE = "192.0.2.1";
const SERVER = "10.0.2.2";
const CLIENT = "10.0.1.2";

/** A `Service` or `Server` as the maps hold it: address and port, then the protocol and padding. */
function place(address: string, port: number, protocol?: number): Uint8Array {
  const bytes = concat(Uint8Array.from(address.split(".").map(Number)), littleEndian(port, 2));
  return concat(bytes, protocol === undefined ? new Uint8Array(2) : Uint8Array.of(protocol, 0));
}

describeWith("examples/dnat.xdp", [netnsProblem()], () => {
  let router: Netns;
  let [client, toClient]: VethEnd[] = [];
  let [server, toServer]: VethEnd[] = [];
  let clientSocket: PacketSocket;
  let serverSocket: PacketSocket;

  beforeAll(async () => {
    router = await createNetns();
    const hosts = [await createPeerNetns(router), await createPeerNetns(router)] as const;
    const end = (netns: Netns, device: string, address: string) => ({ netns, device, address });
    [client, toClient] = createVeth(end(hosts[0], "host", `${CLIENT}/24`), end(router, "client", "10.0.1.1/24"));
    [server, toServer] = createVeth(end(hosts[1], "host", `${SERVER}/24`), end(router, "server", "10.0.2.1/24"));
    hosts[0].run("ip", "route", "add", "default", "via", "10.0.1.1");
    hosts[1].run("ip", "route", "add", "default", "via", "10.0.2.1");
    router.sysctl("net.ipv4.ip_forward", 1);
    clientSocket = openPacketSocket(client!);
    serverSocket = openPacketSocket(server!);
  });
  afterAll(closeAll);

  describe.each(MODES)("%s", (mode) => {
    let object: LoadedObject;
    const counted = (name: string): bigint =>
      object
        .map(name)
        .lookupPerCpu(new Uint8Array(4))!
        .reduce((sum, each) => sum + new DataView(each.buffer, each.byteOffset).getBigUint64(0, true), 0n);

    beforeAll(() => {
      object = loadExample("dnat");
      object.map("virtual").update(Uint8Array.from(SERVICE.split(".").map(Number)), Uint8Array.of(1));
      for (const [port, protocol, behind] of [
        [80, 6, 8080],
        [53, 17, 5353],
      ] as const) {
        object.map("services").update(place(SERVICE, port, protocol), place(SERVER, behind));
        object.map("servers").update(place(SERVER, behind, protocol), place(SERVICE, port));
      }
      for (const host of [client, server]) attachPass(host!);
      for (const device of [toClient, toServer]) {
        attachXdp(device!, object.program().fd, mode);
        router.run("ip", "neigh", "flush", "dev", device!.device);
      }
    });
    afterAll(() => {
      for (const end of [client, server, toClient, toServer]) detach(end!);
      object.close();
    });

    test("a TCP session both ways", async () => {
      for (const socket of [clientSocket, serverSocket]) socket.drain();
      const listening = await startServer(server!.netns, 8080, 200_000);
      const result: Transfer = await transfer(client!.netns, SERVICE, 80, 300_000);
      listening.stop();
      expect(result).toMatchObject({ sent: 300_000, back: 200_000, answer: { length: 300_000, hash: result.hash } });
      expect(result.answer?.from.replace("::ffff:", "")).toBe(CLIENT);
      for (const end of [client, server]) {
        expect(stackCounter(end!.netns, "TcpInCsumErrors")).toBe(0);
        expect(stackCounter(end!.netns, "IpInHdrErrors"), "sums of IP headers").toBe(0);
      }
      // Beside addresses of links, the wires saw nothing of the other side's.
      const pairs = (socket: PacketSocket): string[] => {
        const frames = socket.drain().filter((frame) => frame[12] === 8 && frame[13] === 0 && frame[23] === 6);
        const ends = frames.map((frame) => {
          const view = new DataView(frame.buffer);
          const address = (at: number): string => frame.subarray(at, at + 4).join(".");
          return `${address(26)}:${view.getUint16(34)} ${address(30)}`;
        });
        return [...new Set(ends)];
      };
      expect(pairs(clientSocket)).toEqual([`${SERVICE}:80 ${CLIENT}`]);
      expect(pairs(serverSocket)).toEqual([`${CLIENT}:${result.answer?.port} ${SERVER}`]);
      expect(counted("there")).toBeGreaterThan(300_000n / 1514n);
      expect(counted("back")).toBeGreaterThan(200_000n / 1514n);
    });

    test("datagrams, odd lengths too, sum for sum", async () => {
      for (const length of [0, 1, 2, 63, 1471]) {
        for (const socket of [clientSocket, serverSocket]) socket.drain();
        const ask = packet(
          eth({ daddr: toClient!.mac, saddr: client!.mac }),
          ip({ saddr: CLIENT, daddr: SERVICE }),
          udp({ sport: 4000, dport: 53 }),
          payload(length),
        );
        clientSocket.send(ask);
        const [asked] = await serverSocket.receive(1, (frame) => frame[23] === 17);
        const wanted = packet(
          eth({ daddr: server!.mac, saddr: toServer!.mac }),
          ip({ saddr: CLIENT, daddr: SERVER, ttl: 63 }),
          udp({ sport: 4000, dport: 5353 }),
          payload(length),
        );
        expect(hex(asked!)).toBe(hex(wanted));
        const answer = packet(
          eth({ daddr: toServer!.mac, saddr: server!.mac }),
          ip({ saddr: SERVER, daddr: CLIENT, ttl: 40 }),
          udp({ sport: 5353, dport: 4000 }),
          payload(length),
        );
        serverSocket.send(answer);
        const [answered] = await clientSocket.receive(1, (frame) => frame[23] === 17);
        const back = packet(
          eth({ daddr: client!.mac, saddr: toClient!.mac }),
          ip({ saddr: SERVICE, daddr: CLIENT, ttl: 39 }),
          udp({ sport: 53, dport: 4000 }),
          payload(length),
        );
        expect(hex(answered!)).toBe(hex(back));
      }
    });

    test("a port without a service", async () => {
      const result = await transfer(client!.netns, SERVER, 8081, 10);
      expect(result.error).toContain("ECONNREFUSED");
    });
  });
});
