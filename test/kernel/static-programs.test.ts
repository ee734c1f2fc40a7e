// Maps of programs that hold something from the start, through the loaders: those that load a whole object put the programs in; ip and
// xdp-loader load one program of an object and refuse such a file, but ip attaches what bpftool has pinned. What is put in is read
// back, and packets go through it.

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readObject } from "../../src/elfwriter/read.ts";
import { compileC, Scratch } from "../elfwriter/tools.ts";
import { objectFile, objectOf } from "../support/compile.ts";
import { loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createPeerNetns, createVeth, type Netns, netnsProblem, type VethEnd } from "../support/netns.ts";
import { eth, ip, packet, tcp, udp } from "../support/packets.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import { openPacketSocket } from "../support/sockets.ts";

const RULES = `
counter udp_seen, tcp_seen
devmap before[4]
prog_array stages[8] = { for_udp, 5: for_tcp }
map after : array<u32>[4]

program entry {
    after[1] = 7
    if udp then tail stages[0] or drop
    if tcp then tail stages[5] or drop
    if arp then redirect before[0]
}
program for_udp { count udp_seen  tx }
program for_tcp { count tcp_seen  pass }
`;

const IN_C = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
int for_udp(struct xdp_md *ctx);
int for_tcp(struct xdp_md *ctx);
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4); __type(key, __u32); __type(value, __u64); } other SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 8);
	__uint(key_size, 4);
	__array(values, int (struct xdp_md *));
} stages SEC(".maps") = { .values = { [5] = (void *)&for_tcp, [0] = (void *)&for_udp } };
SEC("xdp") int for_udp(struct xdp_md *ctx) { return XDP_TX; }
SEC("xdp") int for_tcp(struct xdp_md *ctx) { return XDP_PASS; }
SEC("xdp") int entry(struct xdp_md *ctx) { bpf_tail_call(ctx, &stages, bpf_map_lookup_elem(&other, ctx) != 0); return 0; }
char _license[] SEC("license") = "GPL";
`;

const HELD = [
  { index: 0, program: "for_udp" },
  { index: 5, program: "for_tcp" },
];

const main = (name: string): string => `
#include <stdio.h>
#include "${name}.skel.h"
int main(void)
{
	struct ${name} *skeleton = ${name}__open_and_load();
	__u32 value, key;
	if (!skeleton)
		return 1;
	for (key = 0; key < 8; key++)
		if (!bpf_map__lookup_elem(skeleton->maps.stages, &key, sizeof(key), &value, sizeof(value), 0))
			printf("%u ", key);
	${name}__destroy(skeleton);
	return 0;
}
`;

describeWith("a map of programs with contents", [netnsProblem(), toolProblem("bpftool", "xdp-loader", "gcc")], () => {
  let path = "";
  let netns: Netns;
  let device: VethEnd;
  let peer: VethEnd;

  beforeAll(async () => {
    path = objectFile(objectOf(RULES), "stages.o");
    netns = await createNetns();
    [device, peer] = createVeth({ netns, device: "veth0" }, { netns: await createPeerNetns(netns), device: "veth0" });
  });
  afterAll(closeAll);

  test("is read back from our objects", () => {
    const { object } = readObject(objectOf(RULES));
    expect(object?.maps.find((map) => map.name === "stages")?.programs).toEqual(HELD);
    expect(object?.maps.filter((map) => map.programs !== undefined)).toHaveLength(1);
  });

  test("libbpf fills it", () => {
    const object = loadObject(path);
    expect(object.log.split("\n").filter((line) => /warn|invalid|skip|fail/i.test(line))).toEqual([]);
    const run = (frame: Uint8Array): string => object.program("entry").run(frame).verdict;
    expect([run(packet(eth(), ip(), udp())), run(packet(eth(), ip(), tcp()))]).toEqual(["tx", "pass"]);
    object.close();
  });

  test("a skeleton has it", () => {
    const folder = dirname(path);
    writeFileSync(join(folder, "stages.skel.h"), netns.run("bpftool", "gen", "skeleton", path, "name", "stages"));
    writeFileSync(join(folder, "main.c"), main("stages"));
    netns.run("gcc", "-Wall", "-Werror", "-o", join(folder, "main"), join(folder, "main.c"), "-lbpf");
    expect(netns.run(join(folder, "main"))).toBe("0 5 ");
  });

  test("bpftool pins it, ip attaches the pin, packets go through; without a pin the kernel empties it", async () => {
    const pins = "/sys/fs/bpf/stages";
    netns.run("bpftool", "prog", "loadall", path, pins, "pinmaps", pins);
    const entries = (): unknown[] =>
      JSON.parse(netns.run("bpftool", "-j", "map", "dump", "pinned", `${pins}/stages`)) as [];
    expect(entries()).toHaveLength(2);
    netns.run("ip", "link", "set", "dev", device.device, "xdpgeneric", "pinned", `${pins}/entry`);
    const [sender, receiver] = [openPacketSocket(peer), openPacketSocket(device)];
    sender.send(packet(eth(), ip(), udp()));
    const isUdp = (frame: Uint8Array): boolean => frame[12] === 8 && frame[23] === 17;
    expect(await sender.receive(1, isUdp, 2000), "for_udp sends it back").toHaveLength(1);
    sender.send(packet(eth(), ip(), tcp()));
    const isTcp = (frame: Uint8Array): boolean => frame[12] === 8 && frame[23] === 6;
    expect(await receiver.receive(1, isTcp, 2000), "for_tcp passes it").toHaveLength(1);
    const counted = (map: string): number => {
      const [entry] = JSON.parse(netns.run("bpftool", "-j", "map", "dump", "pinned", `${pins}/${map}`)) as {
        formatted: { values: { value: { packets: number } }[] };
      }[];
      return entry!.formatted.values.reduce((sum, { value }) => sum + value.packets, 0);
    };
    expect([counted("udp_seen"), counted("tcp_seen")]).toEqual([1, 1]);
    rmSync(join(`/proc/${netns.pid}/root`, pins, "stages"));
    await sleep(100);
    receiver.drain();
    sender.send(packet(eth(), ip(), tcp()));
    expect(await receiver.receive(1, isTcp, 300), "the rules' fallback: nobody holds the map").toHaveLength(0);
    netns.run("ip", "link", "set", "dev", device.device, "xdpgeneric", "off");
    netns.run("rm", "-rf", pins);
  });

  test("ip and xdp-loader load one program of an object and so refuse it", () => {
    const attach = ["ip", "link", "set", "dev", device.device, "xdpgeneric", "obj", path, "sec", "xdp"];
    expect(() => netns.run(...attach)).toThrow();
    expect(() => netns.run("xdp-loader", "load", "-m", "skb", "-n", "entry", device.device, path)).toThrow(
      /Bad file descriptor/,
    );
    expect(netns.run("ip", "link", "show", "dev", device.device)).not.toContain("xdp");
  });
});

describeWith("clang's map of programs", [toolProblem("clang-19")], () => {
  test("is read as ours is", () => {
    const scratch = new Scratch();
    const { object } = readObject(readFileSync(compileC(scratch, "clang-19", "stages", IN_C)));
    scratch.remove();
    expect(object?.maps.find((map) => map.name === "stages")?.programs).toEqual(HELD);
  });
});
