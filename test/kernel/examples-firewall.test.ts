// examples/firewall.xdp on a router between an inside and an outside host: sessions from the inside, sessions from allowed networks, and a
// burst of SYNs. examples/capture: what its reader writes is what tcpdump then reads.

import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { concat, hex, littleEndian } from "../support/addresses.ts";
import { projectFolder } from "../support/cli.ts";
import { temporaryFolder } from "../support/compile.ts";
import { compileExample, detach, loadExample, MODES, startServer, transfer } from "../support/examples.ts";
import { attachXdp, type LoadedObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createPeerNetns, createVeth, type Netns, netnsProblem, type VethEnd } from "../support/netns.ts";
import { eth, icmp, ip, ipv6, packet, payload, TCP_FLAGS, tcp, udp, vlan } from "../support/packets.ts";
import { describeWith, findTool, toolProblem } from "../support/requirements.ts";
import { openPacketSocket, type PacketSocket } from "../support/sockets.ts";

const INSIDE = "10.0.2.2";
const OUTSIDE = "5.5.5.2";

describeWith("examples/firewall.xdp", [netnsProblem()], () => {
  let router: Netns;
  let [outer, toOuter]: VethEnd[] = [];
  let [inner, toInner]: VethEnd[] = [];
  let outerSocket: PacketSocket;
  let innerSocket: PacketSocket;

  beforeAll(async () => {
    router = await createNetns();
    const hosts = [await createPeerNetns(router), await createPeerNetns(router)] as const;
    const end = (netns: Netns, device: string, address: string) => ({ netns, device, address });
    [outer, toOuter] = createVeth(end(hosts[0], "host", `${OUTSIDE}/24`), end(router, "outside", "5.5.5.1/24"));
    [inner, toInner] = createVeth(end(hosts[1], "host", `${INSIDE}/24`), end(router, "inside", "10.0.2.1/24"));
    hosts[0].run("ip", "route", "add", "default", "via", "5.5.5.1");
    hosts[1].run("ip", "route", "add", "default", "via", "10.0.2.1");
    router.sysctl("net.ipv4.ip_forward", 1);
    for (const name of ["all", "outside", "inside"]) router.sysctl(`net/ipv4/conf/${name}/rp_filter`, 0);
    outerSocket = openPacketSocket(outer!);
    innerSocket = openPacketSocket(inner!);
  });
  afterAll(closeAll);

  describe.each(MODES)("%s", (mode) => {
    let object: LoadedObject;
    const counted = (name: string): number =>
      object
        .map(name)
        .lookupPerCpu(new Uint8Array(4))!
        .reduce((sum, each) => sum + new DataView(each.buffer, each.byteOffset).getUint32(0, true), 0);
    const fromOutside = (saddr: string): ReturnType<typeof ip> => ip({ saddr, daddr: INSIDE });
    const link = (): ReturnType<typeof eth> => eth({ daddr: toOuter!.mac, saddr: outer!.mac });
    const syn = (saddr: string, sport: number, dport = 80): Uint8Array =>
      packet(link(), fromOutside(saddr), tcp({ sport, dport, flags: TCP_FLAGS.syn }));
    const isFrom =
      (saddr: string) =>
      (frame: Uint8Array): boolean =>
        frame[12] === 8 && frame[13] === 0 && frame.subarray(26, 30).join(".") === saddr;

    beforeAll(() => {
      object = loadExample("firewall");
      attachXdp(toOuter!, object.program("outside").fd, mode);
      attachXdp(toInner!, object.program("inside").fd, mode);
    });
    afterAll(() => {
      for (const end of [toOuter, toInner]) detach(end!);
      object.close();
    });

    test("sessions from the inside, none from the outside until its network is allowed", async () => {
      const away = await startServer(outer!.netns, 9000, 30_000);
      const result = await transfer(inner!.netns, OUTSIDE, 9000, 100_000);
      away.stop();
      expect(result).toMatchObject({ back: 30_000, answer: { length: 100_000, hash: result.hash } });
      expect(counted("returning")).toBeGreaterThan(20);

      innerSocket.drain();
      outerSocket.send(syn(OUTSIDE, 5000));
      expect(await innerSocket.receive(1, isFrom(OUTSIDE), 200)).toEqual([]);
      expect([counted("refused"), counted("opened")]).toEqual([1, 0]);

      const network = concat(littleEndian(24, 4), Uint8Array.of(5, 5, 5, 0));
      object.map("allowed").update(network, Uint8Array.of(1));
      const home = await startServer(inner!.netns, 80, 30_000);
      const second = await transfer(outer!.netns, INSIDE, 80, 100_000);
      home.stop();
      expect(second).toMatchObject({ back: 30_000, answer: { length: 100_000, hash: second.hash } });
      expect(counted("opened")).toBe(1);
      object.map("allowed").delete(network);
      innerSocket.drain();
      outerSocket.send(syn(OUTSIDE, 5001));
      expect(await innerSocket.receive(1, isFrom(OUTSIDE), 200), "no longer").toEqual([]);
    });

    test("a burst of SYNs from one source leaves others their share", async () => {
      const network = concat(littleEndian(8, 4), Uint8Array.of(6, 0, 0, 0));
      object.map("allowed").update(network, Uint8Array.of(1));
      const [opened, tooMany] = [counted("opened"), counted("too_many")];
      const start = performance.now();
      for (let at = 0; at < 300; at++) outerSocket.send(syn("6.1.1.1", 1000 + at));
      const most = 20 + (performance.now() - start) / 10 + 2;
      const through = (await innerSocket.receive(300, isFrom("6.1.1.1"), 300)).length;
      expect(through).toBeGreaterThanOrEqual(20);
      expect(through).toBeLessThanOrEqual(Math.ceil(most));
      expect(counted("opened") - opened).toBe(through);
      expect(counted("too_many") - tooMany).toBe(300 - through);
      outerSocket.send(syn("6.1.1.2", 1000));
      expect(await innerSocket.receive(1, isFrom("6.1.1.2")), "another source").toHaveLength(1);
      object.map("allowed").delete(network);
    });

    test.each<[string, () => Uint8Array, string]>([
      ["a source that can't be", () => syn("192.168.7.7", 1), "bogus"],
      [
        "a later fragment",
        () => packet(link(), ip({ saddr: "7.7.7.7", daddr: INSIDE, fragOff: 9 }), payload(64)),
        "unreadable",
      ],
      ["a cut header", () => packet(link(), fromOutside("7.7.7.7"), tcp()).subarray(0, 50), "unreadable"],
      ["a third tag", () => packet(link(), vlan(), vlan(), vlan(), fromOutside("7.7.7.7"), udp()), "unreadable"],
      ["an answer to nothing", () => packet(link(), fromOutside("7.7.7.7"), udp({ sport: 53 }), payload(9)), "refused"],
      ["a ping", () => packet(link(), fromOutside("7.7.7.7"), icmp()), "refused"],
      ["IPv6", () => packet(link(), ipv6(), tcp({ dport: 80 })), "refused"],
    ])("%s", async (_, frame, counter) => {
      innerSocket.drain();
      const before = counted(counter);
      outerSocket.send(frame());
      for (let waited = 0; counted(counter) === before && waited < 2000; waited += 5) await sleep(5);
      expect(counted(counter) - before, counter).toBe(1);
      expect(innerSocket.drain().map(hex)).toEqual([]);
    });

    test("an unreachable port's message helps", async () => {
      innerSocket.drain();
      outerSocket.send(packet(link(), fromOutside("7.7.7.8"), icmp({ type: 3, code: 3 }), payload(28)));
      expect(await innerSocket.receive(1, isFrom("7.7.7.8"))).toHaveLength(1);
    });
  });
});

describeWith("examples/capture", [netnsProblem(), toolProblem("make", "gcc", "tcpdump")], () => {
  let near: Netns;
  let far: Netns;
  let target: VethEnd;
  let senderSocket: PacketSocket;
  let targetSocket: PacketSocket;
  let folder: string;
  let object: string;

  beforeAll(async () => {
    near = await createNetns();
    far = await createPeerNetns(near);
    const [sender, other] = createVeth({ netns: near, device: "near" }, { netns: far, device: "far" });
    target = other;
    senderSocket = openPacketSocket(sender);
    targetSocket = openPacketSocket(target);
    folder = temporaryFolder();
    for (const name of ["Makefile", "capture.c"]) {
      copyFileSync(join(projectFolder, "examples/capture", name), join(folder, name));
    }
    near.run(findTool("make")!, "-s", "-C", folder, "capture");
    object = compileExample("capture");
  });
  afterAll(closeAll);

  test.each(MODES)("%s: the first 96 bytes of what is chosen, for tcpdump", async (mode) => {
    const chosen = [
      packet(eth(), ip(), udp({ dport: 53 }), payload(300)),
      packet(eth(), ipv6(), tcp({ sport: 53, dport: 4000, flags: TCP_FLAGS.ack }), payload(5)),
      packet(eth(), vlan({ id: 7 }), ip(), tcp({ dport: 8080 })),
      packet(eth(), ip(), udp({ dport: 8080 }), payload(54)),
    ];
    const others = [
      packet(eth(), ip(), udp({ dport: 54 }), payload(9)),
      packet(eth(), ip({ fragOff: 2 }), payload(20)),
    ];
    const file = join(folder, `${mode}.pcap`);
    const options = [...(mode === "generic" ? ["-S"] : []), "-n", String(chosen.length)];
    const child = far.start(join(folder, "capture"), ...options, target.device, object, file, "53", "8080");
    let said = "";
    child.stderr?.on("data", (chunk) => {
      said += chunk;
    });
    const ended = new Promise((resolve) => child.once("close", resolve));
    for (let waited = 0; !said.includes("capturing") && child.exitCode === null && waited < 10_000; waited += 20) {
      await sleep(20);
    }
    targetSocket.drain();
    const start = Date.now() / 1000;
    const all = [others[0]!, ...chosen, others[1]!];
    for (const frame of all) senderSocket.send(frame);
    expect((await targetSocket.receive(all.length)).map(hex), "everything passes").toEqual(all.map(hex));
    expect(await Promise.race([ended, sleep(5000, "goes on")]), said).toBe(0);

    const bytes = readFileSync(file);
    const got: string[] = [];
    for (let at = 24; at < bytes.length; at += 16 + bytes.readUInt32LE(at + 8)) {
      const captured = bytes.readUInt32LE(at + 8);
      got.push(`${bytes.readUInt32LE(at + 12)} ${hex(bytes.subarray(at + 16, at + 16 + captured))}`);
      expect(Math.abs(bytes.readUInt32LE(at) - start), "its time").toBeLessThan(10);
    }
    expect(got).toEqual(chosen.map((frame) => `${frame.length} ${hex(frame.subarray(0, 96))}`));
    const lines = far.run("tcpdump", "-nn", "-t", "-r", file).trimEnd().split("\n");
    expect(lines).toHaveLength(chosen.length);
    expect(lines[0]).toMatch(/^IP 10\.0\.0\.1\.40000 > 10\.0\.0\.2\.53: /);
    expect(lines[1]).toMatch(/^IP6 2001:db8::1\.53 > 2001:db8::2\.4000: Flags \[\.\]/);
    expect(lines[2]).toMatch(/^IP 10\.0\.0\.1\.40000 > 10\.0\.0\.2\.8080: Flags \[S\]/);
    expect(far.run("ip", "link", "show", "dev", target.device), "detached").not.toContain("xdp");
  });
});
