// Attaching and detaching on veth pairs, seen from outside by iproute2 and bpftool, with frames that show that the program runs: rules and
// objects of clang, modes, pins, values set before loading, devices that rules name, maps that outlive their program.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { objectFile, objectOf, temporaryFolder } from "../support/compile.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createPeerNetns, createVeth, type Netns, netnsProblem, type VethEnd } from "../support/netns.ts";
import { eth, ip, packet, payload, tcp, udp } from "../support/packets.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import { openPacketSocket, type PacketSocket } from "../support/sockets.ts";
import { counted, pins, programOn, rules, xdpcIn, xdpcJson, xdpcOk } from "./device-cli.ts";

const web = packet(eth(), ip({ saddr: "10.0.0.1" }), tcp({ dport: 80 }), payload(20));
const dns = packet(eth(), ip({ saddr: "10.0.0.2" }), udp({ dport: 53 }), payload(20));

describeWith("attach and detach", [netnsProblem(), toolProblem("bpftool", "clang-14")], () => {
  let near: Netns;
  let far: Netns;
  let sender: VethEnd;
  let target: VethEnd;
  let sink: VethEnd;
  let from: PacketSocket;
  let to: PacketSocket;

  beforeAll(async () => {
    near = await createNetns();
    far = await createPeerNetns(near);
    [sender, target] = createVeth({ netns: near, device: "veth0" }, { netns: far, device: "veth0" });
    [, sink] = createVeth({ netns: far, device: "wan.5" }, { netns: near, device: "veth1" });
    from = openPacketSocket(sender);
    to = openPacketSocket(target);
  });
  afterEach(() => {
    for (const [netns, device] of [
      [far, "veth0"],
      [near, "veth0"],
      [near, "veth1"],
    ] as const)
      xdpcIn(netns, "detach", device, "--force");
    expect(pins(far, "xdpc")).toEqual([]);
    to.drain();
  });
  afterAll(closeAll);

  /** How many of some frames arrive behind the program. */
  async function arrived(...frames: readonly Uint8Array[]): Promise<number> {
    to.drain();
    for (const frame of frames) from.send(frame);
    return (await to.receive(frames.length, undefined, 300)).length;
  }

  test("a device that gets another name takes its pins with it", () => {
    xdpcOk(far, "attach", rules("moves", "counter web\nif tcp.dport == 80 then { count web drop }\n"), "veth0");
    far.run("ip", "link", "set", "veth0", "name", "moved");
    try {
      const status = xdpcOk(far, "status");
      expect(status).toMatch(/^moved: xdp_moves/);
      expect(status).not.toContain("veth0:");
      expect(xdpcOk(far, "map", "web", "dump", "--dev", "moved")).toBe("0 { packets: 0, bytes: 0 }\n");
      const refused = xdpcIn(far, "detach", "veth0");
      expect(refused.status).toBe(2);
      expect(refused.stderr).toContain("veth0 is called moved now");
      expect(xdpcOk(far, "detach", "moved")).toContain("its pins below /sys/fs/bpf/xdpc/veth0 are removed");
    } finally {
      far.run("ip", "link", "set", "moved", "name", "veth0");
    }
  });

  test("rules are compiled, attached natively and pinned; detaching takes all that away", async () => {
    const file = rules("drops", "counter web\nif tcp.dport == 80 then { count web drop }\n");
    const text = xdpcOk(far, "attach", file, "veth0");
    const on = programOn(far, "veth0");
    expect(on).toMatchObject({ mode: "native", name: "xdp_drops" });
    expect(text).toContain(`veth0: xdp_drops attached (id ${on?.id}, tag `);
    expect(text).toContain(", native)");
    expect(text).toContain("pinned below /sys/fs/bpf/xdpc/veth0");
    expect(pins(far, "xdpc", "veth0")).toEqual(["about", "data", "maps", "program", "programs"]);
    expect(pins(far, "xdpc", "veth0", "maps")).toEqual(["web"]);
    expect(await arrived(web, web, dns)).toBe(1);
    expect(counted(far, "veth0", "web")).toBe(2);

    expect(xdpcOk(far, "detach", "veth0")).toBe(
      `veth0: xdp_drops (id ${on?.id}, ${text.match(/tag \w+/)?.[0]}, native) detached\n` +
        "  its pins below /sys/fs/bpf/xdpc/veth0 are removed, and with them its maps\n",
    );
    expect(programOn(far, "veth0")).toBeNull();
    expect(pins(far, "xdpc")).toEqual([]);
    expect(await arrived(web, dns)).toBe(2);
    expect(xdpcOk(far, "detach", "veth0")).toBe("veth0: nothing was attached; nothing to do\n");
  });

  test("--mode generic attaches behind the driver; auto falls back to it where the driver has none, and says so", () => {
    const file = rules("pass", "pass\n");
    expect(xdpcJson(far, "attach", file, "veth0", "--mode", "generic")).toMatchObject({
      mode: "generic",
      fellBack: null,
    });
    expect(programOn(far, "veth0")?.mode).toBe("generic");
    far.run("ip", "link", "add", "br0", "type", "bridge");
    try {
      const text = xdpcOk(far, "attach", file, "br0");
      expect(programOn(far, "br0")?.mode).toBe("generic");
      expect(text).toContain(
        "generic, since native isn't to be had: Underlying driver does not support XDP in native mode",
      );
      xdpcOk(far, "detach", "br0");
    } finally {
      far.run("ip", "link", "delete", "br0");
    }
  });

  test("configs are set before loading, by -D consts are", async () => {
    const file = rules(
      "limits",
      "const PORT = 1\nconfig most : u32 = 10\nconfig from : ipv4 = 10.9.9.9\nif tcp.dport == PORT and meta.len > most and ip.saddr == from then drop\n",
    );
    xdpcOk(far, "attach", file, "veth0", "-D", "PORT=80", "--set", "most=20", "--set", "from=10.0.0.1");
    expect(await arrived(web)).toBe(0);
    xdpcOk(far, "detach", "veth0");
    xdpcOk(far, "attach", file, "veth0", "-D", "PORT=80", "--set", "from=10.0.0.1", "--set", "most=2000");
    expect(await arrived(web)).toBe(1);
  });

  test("devices that rules name get their index, dots and all", async () => {
    const pass = rules("peer", "pass\n");
    const file = rules("out", 'if tcp then redirect dev "wan.5" or drop\n');
    xdpcOk(near, "attach", pass, "veth1");
    const made = xdpcJson(far, "attach", file, "veth0") as { devices: unknown };
    expect(made.devices).toEqual({ ifindex_wan_5: { device: "wan.5", index: far.ifindex("wan.5") } });
    const out = openPacketSocket(sink);
    from.send(web);
    expect(await out.receive(1)).toEqual([web]);
  });

  test("an object of several programs needs to be told which; the others are pinned", () => {
    const source =
      "program one { if tcp then drop }\nprogram two { if udp then drop }\nprogram back devmap { if ip then pass }\n";
    const file = objectFile(objectOf(source), "several.o");
    const { status, stderr } = xdpcIn(far, "attach", file, "veth0");
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: `xdpc: ${file} has 2 programs for devices\n  = choose one: --program one, --program two\n`,
    });
    expect(xdpcOk(far, "attach", file, "veth0", "--program", "two")).toContain(
      "program back, for entries of a devmap, not attached: /sys/fs/bpf/xdpc/veth0/programs/back",
    );
    expect(programOn(far, "veth0")?.name).toBe("two");
    expect(pins(far, "xdpc", "veth0", "programs")).toEqual(["back", "one", "two"]);
    const { id } = JSON.parse(far.run("bpftool", "-j", "prog", "show", "pinned", "/sys/fs/bpf/xdpc/veth0/program")) as {
      id: number;
    };
    expect(id).toBe(programOn(far, "veth0")?.id);
  });

  test("--share: the programs of two devices have the maps of the same names in common", () => {
    const file = rules(
      "both",
      "set bad : ipv4[100]\ncounter c\nprogram inside { if ip.saddr in bad then { count c drop } }\nprogram outside { if ip.daddr in bad then { count c drop } }\n",
    );
    xdpcOk(far, "attach", file, "veth0", "--program", "outside");
    const made = xdpcJson(far, "attach", file, "wan.5", "--program", "inside", "--share", "veth0");
    expect(made).toMatchObject({ joined: ["bad", "c"], folder: "/sys/fs/bpf/xdpc/wan%2e5", replaced: null });
    const ids = ["veth0", "wan%2e5"].map((device) => {
      const shown = far.run("bpftool", "-j", "map", "show", "pinned", `/sys/fs/bpf/xdpc/${device}/maps/bad`);
      return (JSON.parse(shown) as { id: number }).id;
    });
    expect(ids[0]).toBe(ids[1]);
    xdpcOk(far, "detach", "wan.5");
    const other = rules("unlike", "set bad : ipv4[200]\nif ip.saddr in bad then drop\n");
    const { status, stderr } = xdpcIn(far, "attach", other, "wan.5", "--share", "veth0");
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: "xdpc: map bad can't be shared: it has room for 100, and now for 200\n",
    });
    expect(xdpcIn(far, "attach", other, "veth0", "--replace", "--share", "wan.5").stderr).toContain(
      "no XDP program is attached to wan.5",
    );
  });

  test("an object of clang, with a global and a map of its own", async () => {
    const file = clang(
      "filter",
      `struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); } seen SEC(".maps");
       const volatile __u32 verdict = XDP_PASS;
       SEC("xdp") int xdp_filter(struct xdp_md *ctx) {
         __u32 zero = 0; __u64 *n = bpf_map_lookup_elem(&seen, &zero);
         if (n) __sync_fetch_and_add(n, 1);
         return verdict;
       }`,
    );
    xdpcOk(far, "attach", file, "veth0", "--set", "verdict=1");
    expect(programOn(far, "veth0")).toMatchObject({ mode: "native", name: "xdp_filter" });
    expect(await arrived(web)).toBe(0);
    const seen = far.run("bpftool", "-j", "map", "dump", "pinned", "/sys/fs/bpf/xdpc/veth0/maps/seen");
    expect((JSON.parse(seen) as { formatted: { value: number } }[])[0]?.formatted.value).toBe(1);
  });

  test("a map that rules call pinned lies where libbpf puts it, is shared, and outlives its program", () => {
    const file = rules("shared", "set bad : ipv4[100] pinned\nif ip.saddr in bad then drop\n");
    expect(xdpcOk(far, "attach", file, "veth0")).toContain("map bad is now pinned at /sys/fs/bpf/bad");
    expect(xdpcOk(near, "attach", file, "veth1")).toContain("map bad is the one that was pinned at /sys/fs/bpf/bad");
    far.run("bpftool", "map", "update", "pinned", "/sys/fs/bpf/bad", "key", "10", "0", "0", "1", "value", "1");
    const shared = near.run("bpftool", "-j", "map", "dump", "pinned", "/sys/fs/bpf/xdpc/veth1/maps/bad");
    expect(JSON.parse(shared)).toHaveLength(1);
    expect(xdpcOk(far, "detach", "veth0")).toContain(
      "map bad stays pinned at /sys/fs/bpf/bad, as its rules say (rm /sys/fs/bpf/bad ends it)",
    );
    xdpcOk(near, "detach", "veth1");
    expect(pins(far)).toContain("bad");
    // Another definition can't take its place.
    const other = rules("other", "set bad : ipv4[200] pinned\nif ip.saddr in bad then drop\n");
    const { status, stderr } = xdpcIn(far, "attach", other, "veth0");
    expect(status).toBe(2);
    expect(stderr).toContain(
      "map bad is pinned at /sys/fs/bpf/bad with another definition: it has room for 100, and now for 200",
    );
    far.run("rm", "/sys/fs/bpf/bad");
  });

  test("a map's pin that a failed attachment made is taken back", () => {
    const file = rules("failed", "set fresh_one : ipv4[100] pinned\nif ip.saddr in fresh_one then drop\n");
    const { status } = xdpcIn(far, "attach", file, "veth0", "--mode", "offload");
    expect(status).toBe(2);
    expect(pins(far)).not.toContain("fresh_one");
    expect(pins(far, "xdpc")).toEqual([]);
  });

  test("--pin puts the pins elsewhere, and the other commands find them", () => {
    const file = rules("elsewhere", "counter c\nif ip then count c\n");
    xdpcOk(far, "attach", file, "veth0", "--pin", "/sys/fs/bpf/mine");
    expect(pins(far, "mine")).toContain("program");
    expect(xdpcJson(far, "status", "veth0")).toMatchObject({
      programs: [{ folder: "/sys/fs/bpf/mine", name: "xdp_elsewhere" }],
    });
    xdpcOk(far, "attach", file, "veth0", "--replace");
    expect(xdpcJson(far, "status", "veth0")).toMatchObject({ programs: [{ folder: "/sys/fs/bpf/mine" }] });
    xdpcOk(far, "detach", "veth0");
    expect(pins(far)).not.toContain("mine");
  });

  test("devices of one name in two namespaces with one BPF file system don't get into each other's way", () => {
    const file = rules("twins", "pass\n");
    xdpcOk(far, "attach", file, "veth0");
    xdpcOk(near, "attach", file, "veth0");
    expect(pins(far, "xdpc")).toEqual(["veth0", expect.stringMatching(/^veth0@\d+$/)]);
    const [a, b] = [xdpcJson(far, "status", "veth0"), xdpcJson(near, "status", "veth0")] as {
      programs: { id: number; folder: string }[];
    }[];
    expect(a?.programs[0]?.id).toBe(programOn(far, "veth0")?.id);
    expect(b?.programs[0]?.id).toBe(programOn(near, "veth0")?.id);
    xdpcOk(near, "detach", "veth0");
    expect(programOn(far, "veth0")?.id).toBe(a?.programs[0]?.id);
    expect(pins(far, "xdpc")).toEqual(["veth0"]);
  });

  test("pins of a program that vanished with its device are told, replaced and removed", () => {
    const file = rules("left", "counter c\nif ip then count c\n");
    xdpcOk(far, "attach", file, "veth0");
    far.run("ip", "link", "set", "dev", "veth0", "xdp", "off");
    expect(xdpcOk(far, "status")).toContain(
      "pins of a program that isn't attached any more, below /sys/fs/bpf/xdpc/veth0",
    );
    expect(xdpcOk(far, "attach", file, "veth0")).toContain(
      "the pins of an earlier program that wasn't attached any more were removed",
    );
    far.run("ip", "link", "set", "dev", "veth0", "xdp", "off");
    expect(xdpcOk(far, "detach", "veth0")).toContain("its pins below /sys/fs/bpf/xdpc/veth0 are removed");
  });
});

function clang(name: string, text: string): string {
  const folder = temporaryFolder();
  const [source, object] = [join(folder, `${name}.c`), join(folder, `${name}.o`)];
  writeFileSync(
    source,
    `#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n${text}\nchar _license[] SEC("license") = "GPL";\n`,
  );
  const machine = process.arch === "arm64" ? "aarch64" : "x86_64";
  execFileSync("clang-14", [
    "-O2",
    "-g",
    "-target",
    "bpf",
    `-I/usr/include/${machine}-linux-gnu`,
    "-c",
    source,
    "-o",
    object,
  ]);
  return object;
}
