// examples/af_xdp: its receiver, built as its makefile does, gets exactly what ports.xdp should send to it and sends packets back.
// examples/cpu_spread.xdp: a flow is on one CPU both ways, every packet arrives, and TCP works through it.

import { copyFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { concat, hex, littleEndian } from "../support/addresses.ts";
import { projectFolder } from "../support/cli.ts";
import { objectFile, objectOf, temporaryFolder } from "../support/compile.ts";
import { attachPass, compileExample, detach, loadExample, MODES, startServer, transfer } from "../support/examples.ts";
import { attachXdp, type LoadedObject, loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createPeerNetns, createVeth, type Netns, netnsProblem, type VethEnd } from "../support/netns.ts";
import {
  arp,
  eth,
  fragment,
  hopByHop,
  ip,
  ipv6,
  packet,
  payload,
  TCP_FLAGS,
  tcp,
  udp,
  vlan,
} from "../support/packets.ts";
import { describeWith, findTool, toolProblem } from "../support/requirements.ts";
import { openPacketSocket, type PacketSocket } from "../support/sockets.ts";

let near: Netns;
let far: Netns;
let sender: VethEnd;
let target: VethEnd;
let senderSocket: PacketSocket;
let targetSocket: PacketSocket;

async function makeHosts(): Promise<void> {
  near = await createNetns();
  far = await createPeerNetns(near);
  [sender, target] = createVeth(
    { netns: near, device: "near", address: "10.0.0.1/24" },
    { netns: far, device: "far", address: "10.0.0.2/24" },
  );
  senderSocket = openPacketSocket(sender);
  targetSocket = openPacketSocket(target);
  attachPass(sender);
}

const sorted = (frames: readonly Uint8Array[]): string[] => frames.map(hex).sort();
/** Without what the hosts' own stacks say: address resolution and refusals to TCP segments that nobody waits for. */
const isOurs = (frame: Uint8Array): boolean => frame[6] === 2 && frame[11] === 1;

describeWith("examples/af_xdp", [netnsProblem(), toolProblem("make", "gcc")], () => {
  let receiver: string;
  let object: string;

  beforeAll(async () => {
    await makeHosts();
    object = compileExample("ports");
    const folder = temporaryFolder();
    for (const name of ["Makefile", "receiver.c"]) {
      copyFileSync(join(projectFolder, "examples/af_xdp", name), join(folder, name));
    }
    near.run(findTool("make")!, "-s", "-C", folder, "receiver", "CFLAGS=-O1 -Wall -Wextra -Werror");
    receiver = join(folder, "receiver");
  });
  afterAll(closeAll);

  const ack = { flags: TCP_FLAGS.ack };
  const listed: readonly Uint8Array[] = [
    packet(eth(), ip(), tcp({ dport: 80, ...ack }), payload(20)),
    packet(eth(), ip({ options: new Uint8Array(8) }), tcp({ dport: 8443, ...ack }), payload(1400)),
    packet(eth(), vlan({ id: 5 }), ipv6(), hopByHop(), tcp({ dport: 80, ...ack }), payload(33)),
    packet(eth(), ipv6(), tcp({ dport: 80, ...ack })),
  ];
  const syns: readonly Uint8Array[] = [
    packet(eth(), ip(), tcp({ dport: 80 }), payload(6)),
    packet(eth(), ipv6(), tcp({ dport: 8443 })),
  ];
  const others: readonly Uint8Array[] = [
    packet(eth(), ip(), tcp({ dport: 81, ...ack }), payload(20)),
    packet(eth(), ip(), tcp({ dport: 443, sport: 80, ...ack }), payload(20)),
    packet(eth(), ip(), udp({ dport: 80 }), payload(20)),
    packet(eth(), ip({ fragOff: 3 }), payload(packet(tcp({ dport: 80 })), { protocol: 6 })),
    packet(eth(), ipv6(), fragment({ offset: 1 }), tcp({ dport: 80 })),
    packet(eth({ daddr: "ff:ff:ff:ff:ff:ff" }), arp()),
  ];

  test.each(MODES)("%s: gets the packets to its ports and sends them back", async (mode) => {
    for (const socket of [senderSocket, targetSocket]) socket.drain();
    const count = listed.length + syns.length;
    const options = [...(mode === "generic" ? ["-S"] : []), "-e", "-n", String(count)];
    const child = far.start(receiver, ...options, target.device, object, "80", "8443");
    let text = "";
    let complaints = "";
    child.stdout?.on("data", (chunk) => {
      text += chunk;
    });
    child.stderr?.on("data", (chunk) => {
      complaints += chunk;
    });
    const ended = new Promise((resolve) => child.once("close", resolve));
    for (let waited = 0; !text.includes("ready") && child.exitCode === null && waited < 10_000; waited += 20)
      await sleep(20);
    expect(text, complaints).toContain("ready");

    for (const frame of [...others, ...listed, ...syns]) senderSocket.send(frame);
    const rest = await targetSocket.receive(others.length, isOurs);
    const back = await senderSocket.receive(listed.length, (frame) => frame[5] === 1 && frame[11] === 2);
    expect(await Promise.race([ended, sleep(5000, "goes on")]), complaints).toBe(0);

    const got = text.split("\n").slice(1, -1);
    const wanted = [...listed, ...syns].map((frame) => `${frame.length} ${hex(frame)}`);
    expect(got.sort()).toEqual(wanted.sort());
    expect(sorted([...rest, ...targetSocket.drain().filter(isOurs)])).toEqual(sorted(others));
    const exchanged = (frame: Uint8Array): Uint8Array =>
      concat(frame.subarray(6, 12), frame.subarray(0, 6), frame.subarray(12));
    expect(sorted(back)).toEqual(sorted(listed.map(exchanged)));
    expect(far.run("ip", "link", "show", "dev", target.device), "detached").not.toContain("xdp");
  });

  test("says what's wrong", () => {
    expect(far.try(receiver).status).toBe(2);
    expect(far.try(receiver, "nowhere", object, "80")).toMatchObject({
      status: 1,
      stderr: "nowhere: No such device\n",
    });
    const other = objectFile(objectOf("if opaque then drop\n"));
    expect(far.try(receiver, target.device, other, "80")).toMatchObject({ status: 1, stdout: "" });
  });
});

const ON_CPU = "counter on_cpu[u8]\nprogram arrived cpumap { count on_cpu[meta.cpu as u8] }\n";

describeWith("examples/cpu_spread.xdp", [netnsProblem()], () => {
  const cpus = Math.min(availableParallelism(), 2);
  beforeAll(makeHosts);
  afterAll(closeAll);

  describe.each(MODES)("%s", (mode) => {
    let object: LoadedObject;
    let arrived: LoadedObject;
    /** Packets that a counter counted by CPU. */
    function counted(from: LoadedObject, name: string): number[] {
      return Array.from({ length: cpus }, (_, cpu) => {
        const values = from.map(name).lookupPerCpu(littleEndian(cpu, 4)) ?? [];
        return values.reduce((sum, each) => sum + new DataView(each.buffer, each.byteOffset).getUint32(0, true), 0);
      });
    }

    beforeAll(() => {
      object = loadExample("cpu_spread");
      arrived = loadObject(objectFile(objectOf(ON_CPU)));
      for (let cpu = 0; cpu < cpus; cpu++) {
        object.map("chosen").update(littleEndian(cpu, 4), littleEndian(cpu, 4));
        const value = concat(littleEndian(192, 4), littleEndian(arrived.program().fd, 4));
        object.map("cpus").update(littleEndian(cpu, 4), value);
      }
      object.map("used").update(littleEndian(0, 4), littleEndian(cpus, 4));
      attachXdp(target, object.program().fd, mode);
    });
    afterAll(() => {
      detach(target);
      object.close();
      arrived.close();
    });

    test("every packet of a flow on one CPU, both ways, and all arrive", async () => {
      targetSocket.drain();
      const used = new Set<number>();
      for (let flow = 0; flow < 12; flow++) {
        const [a, b] = [1024 + flow * 7, 80 + (flow % 3)];
        const four = (saddr: string, daddr: string, sport: number, dport: number): Uint8Array =>
          packet(
            eth(),
            ip({ saddr, daddr }),
            flow % 2 === 0 ? tcp({ sport, dport }) : udp({ sport, dport }),
            payload(flow),
          );
        const six = (saddr: string, daddr: string, sport: number, dport: number): Uint8Array =>
          packet(eth(), ipv6({ saddr, daddr }), tcp({ sport, dport }), payload(flow));
        const frames =
          flow % 4 === 3
            ? [six("2001:db8::1", "2001:db8::2", a, b), six("2001:db8::2", "2001:db8::1", b, a)]
            : [four("10.1.0.1", "10.1.0.2", a, b), four("10.1.0.2", "10.1.0.1", b, a)];
        const before = counted(arrived, "on_cpu");
        for (const frame of [...frames, ...frames]) senderSocket.send(frame);
        expect(sorted(await targetSocket.receive(4, isOurs))).toEqual(sorted([...frames, ...frames]));
        const more = counted(arrived, "on_cpu").map((count, cpu) => count - before[cpu]!);
        expect(
          more.filter((count) => count > 0),
          `flow ${flow}`,
        ).toEqual([4]);
        used.add(more.indexOf(4));
      }
      expect(used.size, "CPUs in use").toBe(cpus);
      expect(counted(object, "by_cpu")).toEqual(counted(arrived, "on_cpu"));
    });

    test("TCP works through it", async () => {
      const server = await startServer(far, 8080, 50_000);
      const result = await transfer(near, "10.0.0.2", 8080, 200_000);
      server.stop();
      expect(result).toMatchObject({ sent: 200_000, back: 50_000, answer: { length: 200_000, hash: result.hash } });
      expect(counted(arrived, "on_cpu").reduce((sum, count) => sum + count)).toBeGreaterThan(100);
    });
  });
});
