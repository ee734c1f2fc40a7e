// Objects at work on real veth pairs: frames go in at one end, and what comes out at the other, at an AF_XDP socket, at another
// device or in the trace pipe is compared byte for byte. Also what a test run can't do: programs in devmap and cpumap entries.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { concat, hex, littleEndian } from "../support/addresses.ts";
import { type KernelMap, loadProgram } from "../support/bpf.ts";
import { compileFile, projectFolder } from "../support/cli.ts";
import { objectFile, objectOf, temporaryFolder } from "../support/compile.ts";
import { attachXdp, loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createPeerNetns, createVeth, type Netns, netnsProblem, type VethEnd } from "../support/netns.ts";
import { arp, eth, fragment, ip, ipv6, packet, payload, tcp, udp, vlan } from "../support/packets.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import { openPacketSocket, openXdpSocket, type PacketSocket, type XdpSocket } from "../support/sockets.ts";

const web = packet(eth(), ip(), tcp({ dport: 80 }), payload(20));
const taggedWeb = packet(eth(), vlan({ id: 5 }), vlan({ id: 6 }), ipv6(), fragment(), tcp({ dport: 80 }), payload(20));
const others: readonly Uint8Array[] = [
  packet(eth(), ip(), tcp({ dport: 81 }), payload(20)),
  packet(eth(), ip(), udp({ dport: 80 }), payload(20)),
  packet(eth(), ip({ fragOff: 3 }), tcp({ dport: 80 }), payload(20)),
  packet(eth({ daddr: "ff:ff:ff:ff:ff:ff" }), arp()),
];
const sorted = (frames: readonly Uint8Array[]): string[] => frames.map(hex).sort();

/** A program that only passes. A device that frames are redirected to needs one at its peer. */
const PASS_PROGRAM = new Uint8Array([0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);

/** Runs a bpftool command that names a map, again while another map of that name exists on the machine. */
async function whenUnambiguous(netns: Netns, ...command: readonly string[]): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const result = netns.try(...command);
    if (result.status === 0) return;
    const text = `${result.stdout}${result.stderr}`;
    if (attempt === 100 || !text.includes("several maps match")) throw new Error(`${command.join(" ")}: ${text}`);
    await sleep(200);
  }
}

const problems = [netnsProblem(), toolProblem("bpftool")];
describeWith("traffic", problems, () => {
  let near: Netns;
  let far: Netns;
  /** Where frames are sent from, and the device with the program. */
  let sender: VethEnd;
  let target: VethEnd;
  let senderSocket: PacketSocket;
  let targetSocket: PacketSocket;
  /** A second pair, for redirects to devices: `exit` stands beside `target`, `sink` is its peer. */
  let exit: VethEnd;
  let sink: VethEnd;
  let sinkSocket: PacketSocket;
  /** Bound to the only queue of `target`. */
  let xdpSocket: XdpSocket;

  beforeAll(async () => {
    near = await createNetns();
    far = await createPeerNetns(near);
    [sender, target] = createVeth({ netns: near, device: "veth0" }, { netns: far, device: "veth0" });
    [exit, sink] = createVeth({ netns: far, device: "veth1" }, { netns: near, device: "veth1" });
    senderSocket = openPacketSocket(sender);
    targetSocket = openPacketSocket(target);
    sinkSocket = openPacketSocket(sink);
    xdpSocket = openXdpSocket(target);
    attachXdp(sink, loadProgram({ insns: PASS_PROGRAM }).fd);
    attachXdp(sender, loadProgram({ insns: PASS_PROGRAM }).fd);
  });
  afterEach(() => {
    for (const mode of ["native", "generic"] as const) {
      try {
        attachXdp(target, -1, mode);
      } catch {
        // Nothing of that mode was attached.
      }
    }
    for (const socket of [senderSocket, targetSocket, sinkSocket]) socket.drain();
  });
  afterAll(closeAll);

  /** Sends frames and gives what has come to a socket once `count` are there, and a little later for what mustn't come. */
  async function send(frames: readonly Uint8Array[], socket: PacketSocket, count: number): Promise<Uint8Array[]> {
    for (const frame of frames) senderSocket.send(frame);
    const received = await socket.receive(count);
    await sleep(50);
    return [...received, ...socket.drain()];
  }

  function put(map: KernelMap, key: number, word: number, programFd = 0): void {
    const value = concat(littleEndian(word, 4), littleEndian(programFd, map.valueSize - 4));
    far.enter(() => map.update(littleEndian(key, 4), value));
  }

  test.each(["native", "generic"] as const)(
    "ports.xdp, %s: listed ports go to the socket, the rest up the stack",
    async (mode) => {
      const object = loadObject(compileFile(join(projectFolder, "examples", "ports.xdp"), "ports.o"));
      attachXdp(target, object.program().fd, mode);
      const all = [web, taggedWeb, ...others];
      expect(sorted(await send(all, targetSocket, all.length)), "nothing listed").toEqual(sorted(all));

      await whenUnambiguous(far, "bpftool", "map", "update", "name", "ports", "key", "0x50", "0x00", "value", "0x01");
      expect(object.map("ports").keys().map(hex)).toEqual(["5000"]);
      expect(sorted(await send(all, targetSocket, all.length)), "listed, but no socket").toEqual(sorted(all));

      object.map("xsk").update(littleEndian(0, 4), littleEndian(xdpSocket.fd, 4));
      expect(sorted(await send(all, targetSocket, others.length)), "the rest").toEqual(sorted(others));
      expect(sorted(await xdpSocket.receive(2)), "at the socket").toEqual(sorted([web, taggedWeb]));

      object.map("ports").delete(new Uint8Array([0x50, 0]));
      expect(sorted(await send(all, targetSocket, all.length)), "listed no more").toEqual(sorted(all));
      object.close();
    },
  );

  test("hello.xdp says what it saw in the trace pipe", async () => {
    const object = loadObject(compileFile(join(projectFolder, "examples", "hello.xdp"), "hello.o"));
    const reader = far.start("cat", "/sys/kernel/tracing/trace_pipe");
    let text = "";
    reader.stdout?.on("data", (chunk) => {
      text += chunk;
    });
    await sleep(200);
    attachXdp(target, object.program().fd);
    expect(await send([web], targetSocket, 1)).toHaveLength(1);
    // The pipe gives a line to one reader only, and another test may be one.
    for (let tries = 0; !(text.includes("hello, world") && text.includes("packet on cpu")) && tries < 60; tries++) {
      await sleep(50);
      if (tries % 10 === 9) await send([web], targetSocket, 1);
    }
    reader.kill("SIGKILL");
    expect(text).toContain(`rx ifindex = ${target.ifindex}, queue = 0, len = ${web.length}`);
    expect(text).toMatch(/packet on cpu \d/);
    object.close();
  });

  test("tx sends a rewritten frame back", async () => {
    const bytes = objectOf("if udp then { swap eth.saddr, eth.daddr tx }\n");
    const object = loadObject(objectFile(bytes));
    attachXdp(target, object.program().fd);
    const frame = packet(eth(), ip(), udp({ dport: 7 }), payload(30));
    const back = concat(frame.subarray(6, 12), frame.subarray(0, 6), frame.subarray(12));
    expect(sorted(await send([frame, web], senderSocket, 1))).toEqual(sorted([back]));
    object.close();
  });

  test("drop drops and nothing else", async () => {
    const object = loadObject(objectFile(objectOf("if tcp.dport == 80 then drop\n")));
    attachXdp(target, object.program().fd);
    expect(sorted(await send([web, taggedWeb, ...others], targetSocket, others.length))).toEqual(sorted(others));
    object.close();
  });

  test("redirect to a device, with a program in the devmap's entry", async () => {
    const source = `devmap ports[4]
program steer { if tcp then redirect ports[1] or drop }
program on_exit devmap {
  if meta.egress_ifindex == 0 then drop
  if tcp.dport == 81 then drop
  eth.saddr = aa:bb:cc:dd:ee:ff
}
`;
    const object = loadObject(objectFile(objectOf(source)));
    expect(object.sections.get("on_exit")).toBe("xdp/devmap");
    attachXdp(target, object.program("steer").fd);
    const [allowed, refused] = [web, others[0]!];
    expect(await send([allowed], sinkSocket, 0), "no entry").toEqual([]);

    put(object.map("ports"), 1, exit.ifindex);
    expect(sorted(await send([allowed, refused], sinkSocket, 2)), "without a program").toEqual(
      sorted([allowed, refused]),
    );

    put(object.map("ports"), 1, exit.ifindex, object.program("on_exit").fd);
    const rewritten = concat(
      allowed.subarray(0, 6),
      new Uint8Array([0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]),
      allowed.subarray(12),
    );
    expect(sorted(await send([allowed, refused], sinkSocket, 1)), "with a program").toEqual(sorted([rewritten]));
    object.close();
  });

  test("redirect to a CPU, with a program in the cpumap's entry", async () => {
    const source = `cpumap cpus[2]
program steer { if ip then redirect cpus[0] or drop }
program on_cpu cpumap { if tcp.dport == 81 then drop  if udp then { eth.type = 0x88b5 } }
`;
    const object = loadObject(objectFile(objectOf(source)));
    expect(object.sections.get("on_cpu")).toBe("xdp/cpumap");
    attachXdp(target, object.program("steer").fd);
    const [refused, datagram] = [others[0]!, others[1]!];
    put(object.map("cpus"), 0, 64);
    expect(sorted(await send([web, refused, datagram], targetSocket, 3)), "without a program").toEqual(
      sorted([web, refused, datagram]),
    );

    put(object.map("cpus"), 0, 64, object.program("on_cpu").fd);
    const changed = concat(datagram.subarray(0, 12), new Uint8Array([0x88, 0xb5]), datagram.subarray(14));
    expect(sorted(await send([web, refused, datagram], targetSocket, 2)), "with a program").toEqual(
      sorted([web, changed]),
    );
    object.close();
  });

  test("the kernel's tools show entries by their names", () => {
    const source =
      "struct Stats { packets : u64, bytes : u64 }\nmap flows : hash<ipv4, Stats>[16]\ncounter hits\ncount hits\nif ip then flows[ip.saddr] = Stats { packets: 7, bytes: meta.len }\n";
    const path = join(temporaryFolder(), "names.o");
    objectFile(objectOf(source, { path: "names.xdp" }), "names.o", join(path, ".."));
    far.run("bpftool", "prog", "load", path, "/sys/fs/bpf/names", "type", "xdp", "pinmaps", "/sys/fs/bpf/maps");
    try {
      far.run("bpftool", "net", "attach", "xdpdrv", "pinned", "/sys/fs/bpf/names", "dev", target.device);
      senderSocket.send(web);
      const dump = JSON.parse(far.run("bpftool", "-j", "map", "dump", "pinned", "/sys/fs/bpf/maps/flows")) as {
        formatted?: { value: unknown };
      }[];
      expect(dump.map((entry) => entry.formatted?.value)).toEqual([{ packets: 7, bytes: web.length }]);
      const counters = far.run("bpftool", "-j", "map", "dump", "pinned", "/sys/fs/bpf/maps/hits");
      expect(counters).toMatch(/"packets":\s*1/);
    } finally {
      far.run("bpftool", "net", "detach", "xdpdrv", "dev", target.device);
      far.run("rm", "-rf", "/sys/fs/bpf/names", "/sys/fs/bpf/maps");
    }
  });
});
