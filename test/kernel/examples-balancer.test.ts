// examples/balancer.xdp before two servers: new connections are spread, those that have begun stay, and a TCP session goes to its server
// inside IP in IP, is opened there by our own program, and is answered past the balancer.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { concat, littleEndian } from "../support/addresses.ts";
import { attachPass, detach, loadExample, MODES, stackCounter, startServer, transfer } from "../support/examples.ts";
import { attachXdp, type LoadedObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createPeerNetns, createVeth, type Netns, netnsProblem, type VethEnd } from "../support/netns.ts";
import { eth, ip, packet, TCP_FLAGS, tcp } from "../support/packets.ts";
import { describeWith } from "../support/requirements.ts";
import { openPacketSocket, type PacketSocket } from "../support/sockets.ts";

const SERVICE = "192.0.2.1";
const SERVERS = ["10.0.2.2", "10.0.3.2"];
const address = (text: string): Uint8Array => Uint8Array.from(text.split(".").map(Number));

describeWith("examples/balancer.xdp", [netnsProblem()], () => {
  let router: Netns;
  let [client, toClient]: VethEnd[] = [];
  let clientSocket: PacketSocket;
  const servers: { host: VethEnd; port: VethEnd; socket: PacketSocket }[] = [];

  beforeAll(async () => {
    router = await createNetns();
    router.sysctl("net.ipv4.ip_forward", 1);
    const end = (netns: Netns, device: string, address: string) => ({ netns, device, address });
    const home = await createPeerNetns(router);
    [client, toClient] = createVeth(end(home, "host", "10.0.1.2/24"), end(router, "client", "10.0.1.1/24"));
    home.run("ip", "route", "add", "default", "via", "10.0.1.1", "mtu", "1480");
    clientSocket = openPacketSocket(client!);
    for (const index of [2, 3]) {
      const there = await createPeerNetns(router);
      const [host, port] = createVeth(
        end(there, "host", `10.0.${index}.2/24`),
        end(router, `server${index}`, `10.0.${index}.1/24`),
      );
      there.run("ip", "route", "add", "default", "via", `10.0.${index}.1`);
      there.run("ip", "address", "add", `${SERVICE}/32`, "dev", "lo");
      router.run("ip", "neigh", "replace", `10.0.${index}.2`, "lladdr", host.mac, "dev", port.device);
      servers.push({ host, port, socket: openPacketSocket(host) });
    }
  });
  afterAll(closeAll);

  describe.each(MODES)("%s", (mode) => {
    let object: LoadedObject;
    const ring = (serverOf: (place: number) => string): void => {
      for (let place = 0; place < 256; place++) {
        object.map("ring").update(littleEndian(place, 4), address(serverOf(place)));
      }
    };
    const syn = (sport: number): Uint8Array =>
      packet(
        eth({ daddr: toClient!.mac, saddr: client!.mac }),
        ip({ saddr: "10.0.1.7", daddr: SERVICE }),
        tcp({ sport, dport: 80, flags: TCP_FLAGS.syn }),
      );
    /** Source ports of the packets of 10.0.1.7 that each server's stack gets. */
    async function portsAt(count: number, ports: readonly number[]): Promise<number[][]> {
      for (const { socket } of servers) socket.drain();
      for (const port of ports) clientSocket.send(syn(port));
      const found: number[][] = servers.map(() => []);
      const deadline = Date.now() + 3000;
      while (found.flat().length < count && Date.now() < deadline) {
        for (const [index, { socket }] of servers.entries()) {
          const frames = await socket.receive(1, (frame) => frame[26] === 10 && frame[29] === 7 && frame[23] === 6, 20);
          found[index]!.push(...frames.map((frame) => (frame[34]! << 8) | frame[35]!));
        }
      }
      return found.map((ports) => ports.sort((a, b) => a - b));
    }

    beforeAll(() => {
      object = loadExample("balancer");
      object.map("local").update(littleEndian(0, 4), address("10.0.1.1"));
      object
        .map("services")
        .update(concat(address(SERVICE), littleEndian(80, 2), Uint8Array.of(6, 0)), Uint8Array.of(0));
      ring((place) => SERVERS[place % 2]!);
      attachPass(client!);
      attachXdp(toClient!, object.program("balancer").fd, mode);
      for (const { host } of servers) attachXdp(host, object.program("server").fd);
    });
    afterAll(() => {
      for (const end of [client!, toClient!, ...servers.map(({ host }) => host)]) detach(end);
      object.close();
    });

    test("new connections are spread, those that have begun stay", async () => {
      const ports = Array.from({ length: 40 }, (_, index) => 2000 + index * 3);
      const first = await portsAt(ports.length, ports);
      expect(first.flat().sort((a, b) => a - b)).toEqual(ports);
      for (const found of first) expect(found.length).toBeGreaterThan(8);
      ring(() => SERVERS[1]!);
      expect(await portsAt(ports.length, ports), "the same again").toEqual(first);
      const fresh = ports.map((port) => port + 1);
      expect(await portsAt(fresh.length, fresh), "new ones where the ring says").toEqual([[], fresh]);
    });

    test.each([0, 1])("a TCP session through the tunnel to server %i", async (index) => {
      ring(() => SERVERS[index]!);
      const { host } = servers[index]!;
      const listening = await startServer(host.netns, 80, 60_000);
      const result = await transfer(client!.netns, SERVICE, 80, 200_000);
      listening.stop();
      expect(result).toMatchObject({ sent: 200_000, back: 60_000, answer: { length: 200_000, hash: result.hash } });
      expect(result.answer?.from.replace("::ffff:", "")).toBe("10.0.1.2");
      expect(stackCounter(host.netns, "TcpInCsumErrors")).toBe(0);
      expect(stackCounter(host.netns, "IpInHdrErrors")).toBe(0);
    });
  });
});
