// What is redirected into a veth, and the program that `--companion` writes: without it at the other end the driver loses every frame,
// with it, loaded by each loader, every frame arrives, whatever the MTU.

import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runHere, writeFiles } from "../cli/support.ts";
import { temporaryFolder } from "../support/compile.ts";
import { attachXdp, loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createPeerNetns, createVeth, type Netns, netnsProblem, type VethEnd } from "../support/netns.ts";
import { eth, ip, packet, payload, udp } from "../support/packets.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import { openPacketSocket, type PacketSocket } from "../support/sockets.ts";

const FRAMES = 50;

describeWith("a veth's other end", [netnsProblem(), toolProblem("xdp-loader", "ethtool")], () => {
  let middle: Netns;
  let far: Netns;
  let sink: VethEnd;
  let from: PacketSocket;
  let to: PacketSocket;
  let companion = "";

  beforeAll(async () => {
    const near = await createNetns();
    middle = await createPeerNetns(near);
    far = await createPeerNetns(near);
    const [source, entry] = createVeth({ netns: near, device: "source" }, { netns: middle, device: "entry" });
    const [exit, end] = createVeth({ netns: middle, device: "exit" }, { netns: far, device: "sink" });
    sink = end;
    const folder = temporaryFolder();
    const at = (name: string): string => join(folder, name);
    writeFiles(folder, { "out.xdp": `if udp then redirect dev ${exit.ifindex} or drop\n` });
    companion = at("pass.o");
    expect(runHere([at("out.xdp"), "--companion", companion])).toMatchObject({ code: 0, stderr: "" });
    attachXdp(entry, loadObject(at("out.o")).program().fd);
    from = openPacketSocket(source);
    to = openPacketSocket(sink);
  });
  afterAll(closeAll);

  /** Sends numbered frames and gives the numbers of those that arrive. */
  async function arrived(): Promise<number[]> {
    to.drain();
    const numbered = (i: number) => packet(eth(), ip({ id: i }), udp({ dport: 9 }), payload(100));
    for (let i = 0; i < FRAMES; i++) from.send(numbered(i));
    const ours = (frame: Uint8Array): boolean => frame[12] === 8 && frame[13] === 0 && frame[23] === 17;
    const frames = await to.receive(FRAMES, ours, 1000);
    return frames.map((frame) => frame[19]!).sort((a, b) => a - b);
  }
  const all = Array.from({ length: FRAMES }, (_, i) => i);

  test("without a program or GRO nothing arrives", async () => {
    expect(await arrived()).toEqual([]);
  });

  test.each([
    ["ip, section xdp", ["ip", "link", "set", "dev", "sink", "xdpdrv", "obj", "@", "sec", "xdp"]],
    ["ip, section xdp.frags", ["ip", "link", "set", "dev", "sink", "xdpdrv", "obj", "@", "sec", "xdp.frags"]],
    ["xdp-loader", ["xdp-loader", "load", "-m", "native", "sink", "@"]],
  ])("with the companion everything arrives: %s", async (loader, words) => {
    far.run(...words.map((word) => (word === "@" ? companion : word)));
    far.run("ethtool", "-K", "sink", "gro", "off");
    try {
      expect(await arrived()).toEqual(all);
    } finally {
      if (loader === "xdp-loader") far.run("xdp-loader", "unload", "-a", "sink");
      else far.run("ip", "link", "set", "dev", "sink", "xdpdrv", "off");
      far.run("ethtool", "-K", "sink", "gro", "off");
    }
    expect(await arrived(), "nothing again").toEqual([]);
  });

  test("with GRO everything arrives", async () => {
    far.run("ethtool", "-K", "sink", "gro", "on");
    expect(await arrived()).toEqual(all);
    far.run("ethtool", "-K", "sink", "gro", "off");
    expect(await arrived()).toEqual([]);
  });

  test("it goes onto devices with frames of many pages", () => {
    const attach = (section: string): string =>
      far.run("ip", "link", "set", "dev", "sink", "xdpdrv", "obj", companion, "sec", section);
    middle.run("ip", "link", "set", "dev", "exit", "mtu", "9000");
    expect(() => attach("xdp"), "packets of several buffers").toThrow();
    attach("xdp.frags");
    expect(far.run("ip", "link", "show", "dev", "sink")).toMatch(/prog\/xdp id \d+/);
    far.run("ip", "link", "set", "dev", "sink", "xdpdrv", "off");
  });
});
