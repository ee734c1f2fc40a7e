// Replacing under traffic, and replacing that fails: no frame passes between two programs, equal maps keep what they hold, and whatever goes wrong,
// the program before, its pins and its maps are as they were.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { binPath } from "../support/cli.ts";
import { temporaryFolder } from "../support/compile.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createPeerNetns, createVeth, type Netns, netnsProblem, type VethEnd } from "../support/netns.ts";
import { eth, ip, packet, payload, tcp } from "../support/packets.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import { openPacketSocket, type PacketSocket } from "../support/sockets.ts";
import { counted, pins, programOn, rules, xdpcIn, xdpcJson, xdpcOk } from "./device-cli.ts";

const web = packet(eth(), ip({ saddr: "10.0.0.1" }), tcp({ dport: 80 }), payload(20));

describeWith("replacement", [netnsProblem(), toolProblem("bpftool", "clang-14")], () => {
  let near: Netns;
  let far: Netns;
  let sender: VethEnd;
  let target: VethEnd;
  let from: PacketSocket;
  let to: PacketSocket;

  beforeAll(async () => {
    near = await createNetns();
    far = await createPeerNetns(near);
    [sender, target] = createVeth({ netns: near, device: "veth0" }, { netns: far, device: "veth0" });
    from = openPacketSocket(sender);
    to = openPacketSocket(target);
  });
  afterEach(() => {
    xdpcIn(far, "detach", "veth0", "--force");
    expect(pins(far, "xdpc")).toEqual([]);
    to.drain();
  });
  afterAll(closeAll);

  /** Everything that must not change when replacing fails. */
  function snapshot(): unknown {
    return {
      program: programOn(far, "veth0"),
      root: pins(far, "xdpc"),
      maps: pins(far, "xdpc", "veth0", "maps"),
      about: far.run("readlink", "/sys/fs/bpf/xdpc/veth0/about"),
      entries: far.run("bpftool", "map", "dump", "pinned", "/sys/fs/bpf/xdpc/veth0/maps/bad"),
    };
  }

  test("no frame misses a program, and none is lost from a counter, while programs take turns", async () => {
    const first = rules("turn_a", "counter seen\nif eth then { count seen drop }\n");
    const second = rules("turn_b", "counter seen, more\nif eth then { count seen count more drop }\n");
    xdpcOk(far, "attach", first, "veth0");
    to.drain();
    let sent = 0;
    for (let round = 0; round < 6; round++) {
      const child = far.start(binPath, "attach", round % 2 === 0 ? second : first, "veth0", "--replace");
      const ended = once(child, "exit");
      let running = true;
      ended.then(() => {
        running = false;
      });
      while (running) {
        for (let i = 0; i < 20; i++) from.send(web);
        sent += 20;
        await turn();
      }
      expect((await ended)[0]).toBe(0);
    }
    expect(sent).toBeGreaterThan(1000);
    // The counter was kept over all replacements: it has every frame. None came through to the stack.
    expect(counted(far, "veth0", "seen")).toBe(sent);
    expect(to.drain().filter((frame) => Buffer.from(frame).equals(web))).toEqual([]);
  });

  test("equal maps keep their contents; of others it is said why they begin anew", () => {
    const file = rules(
      "before",
      "set bad : ipv4[100]\nmap ages : hash<ipv4, u32>[10]\nmap names : hash<u32, u64>[10]\ncounter old\nif ip.saddr in bad then { count old drop }\nif ip and ip.saddr in ages then drop\nif meta.len in names then drop\n",
    );
    xdpcOk(far, "attach", file, "veth0");
    const before = programOn(far, "veth0");
    const at = (map: string): string => `/sys/fs/bpf/xdpc/veth0/maps/${map}`;
    far.run("bpftool", "map", "update", "pinned", at("bad"), "key", "10", "0", "0", "1", "value", "1");
    far.run("bpftool", "map", "update", "pinned", at("ages"), "key", "10", "0", "0", "1", "value", "1", "0", "0", "0");
    const next = rules(
      "after",
      "set bad : ipv4[100]\nmap ages : hash<ipv4, u32>[20]\nmap names : hash<ipv4, u64>[10]\nset fresh : u16[4]\nif ip.saddr in bad then drop\nif ip and ip.saddr in ages then drop\nif ip and ip.saddr in names then drop\nif tcp.dport in fresh then drop\n",
    );
    const made = xdpcJson(far, "attach", next, "veth0", "--replace");
    expect(made).toMatchObject({
      kept: ["bad"],
      renewed: [
        { name: "ages", why: "it has room for 10, and now for 20" },
        { name: "names", why: "its keys were u32, and now are be32" },
      ],
      dropped: ["old"],
      replaced: { id: before?.id, name: "xdp_before", mode: "native" },
    });
    expect(programOn(far, "veth0")).toMatchObject({ name: "xdp_after", mode: "native" });
    expect(JSON.parse(far.run("bpftool", "-j", "map", "dump", "pinned", at("bad")))).toHaveLength(1);
    expect(JSON.parse(far.run("bpftool", "-j", "map", "dump", "pinned", at("ages")))).toHaveLength(0);
    expect(pins(far, "xdpc", "veth0", "maps")).toEqual(["ages", "bad", "fresh", "names"]);
  });

  test("a program in generic mode is replaced in generic mode; the mode can't be changed in one go", () => {
    const file = rules("modes", "set bad : ipv4[10]\nif ip.saddr in bad then drop\n");
    xdpcOk(far, "attach", file, "veth0", "--mode", "generic");
    xdpcOk(far, "attach", file, "veth0", "--replace");
    expect(programOn(far, "veth0")?.mode).toBe("generic");
    const before = snapshot();
    const { status, stderr } = xdpcIn(far, "attach", file, "veth0", "--replace", "--mode", "native");
    expect(status).toBe(2);
    expect(stderr).toContain("attached in generic mode, and the kernel can't change the mode in one go");
    expect(snapshot()).toEqual(before);
  });

  test("a foreign program is replaced with --force only", () => {
    const file = rules("mine", "pass\n");
    const object = join(temporaryFolder(), "foreign.o");
    execFileSync(binPath, [file, "-o", object]);
    far.run("ip", "link", "set", "dev", "veth0", "xdp", "object", object, "section", "xdp");
    const foreign = programOn(far, "veth0");
    for (const words of [[], ["--replace"]]) {
      const { status, stderr } = xdpcIn(far, "attach", file, "veth0", ...words);
      expect(status).toBe(2);
      expect(stderr).toContain(`veth0 already runs xdp_mine (id ${foreign?.id}, tag `);
      expect(stderr).toContain("which isn't one of ours");
      expect(stderr).toContain("--replace --force puts the new program in its place");
    }
    const refused = xdpcIn(far, "detach", "veth0");
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain("which isn't one of ours");
    expect(programOn(far, "veth0")?.id).toBe(foreign?.id);
    xdpcOk(far, "attach", file, "veth0", "--replace", "--force");
    expect(programOn(far, "veth0")?.id).not.toBe(foreign?.id);
    xdpcOk(far, "detach", "veth0");
  });

  describeWith("what fails", [], () => {
    const good = (): string => rules("good", "set bad : ipv4[100]\nif ip.saddr in bad then drop\n");

    /** Attaches the good rules, with something in their set. */
    function attachGood(...words: readonly string[]): unknown {
      xdpcOk(far, "attach", good(), "veth0", ...words);
      far.run(
        "bpftool",
        "map",
        "update",
        "pinned",
        "/sys/fs/bpf/xdpc/veth0/maps/bad",
        "key",
        "10",
        "0",
        "0",
        "1",
        "value",
        "1",
      );
      return snapshot();
    }

    test("rules with faults", () => {
      const before = attachGood();
      const { status, stderr } = xdpcIn(
        far,
        "attach",
        rules("faulty", "if tcp.dprt == 80 then drop\n"),
        "veth0",
        "--replace",
      );
      expect(status).toBe(1);
      expect(stderr).toContain("error[X0");
      expect(snapshot()).toEqual(before);
    });

    test("an object that the verifier refuses: the line and the end of its log are shown", () => {
      const before = attachGood();
      const [source, object] = [join(temporaryFolder(), "refused.c"), join(temporaryFolder(), "refused.o")];
      const text = `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("xdp") int careless(struct xdp_md *ctx) {
  unsigned char *data = (void *)(long)ctx->data;
  return data[13] == 8 ? XDP_DROP : XDP_PASS;
}
char _license[] SEC("license") = "GPL";
`;
      writeFileSync(source, text);
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
      const { status, stderr } = xdpcIn(far, "attach", object, "veth0", "--replace");
      expect(status).toBe(2);
      expect(stderr).toContain(`the kernel's verifier refuses program careless of ${object}: `);
      expect(stderr).toContain("refused.c:5: return data[13] == 8 ? XDP_DROP : XDP_PASS;");
      expect(stderr).toContain("R1 offset is outside of the packet");
      expect(snapshot()).toEqual(before);
    });

    test("a driver that doesn't take it, after it was loaded and pinned", () => {
      far.run("ip", "link", "set", "dev", "veth0", "mtu", "9000");
      near.run("ip", "link", "set", "dev", "veth0", "mtu", "9000");
      try {
        // A program for packets of several buffers works with any MTU, one for whole packets doesn't.
        const frags = rules("frags", "set bad : ipv4[100]\nprogram wide frags { if ip.saddr in bad then drop }\n");
        xdpcOk(far, "attach", frags, "veth0");
        const before = snapshot();
        const { status, stderr } = xdpcIn(far, "attach", good(), "veth0", "--replace");
        expect(status).toBe(2);
        expect(stderr).toContain("the MTU is too large for a native program on veth0: ");
        expect(stderr).toContain("MTU is too large");
        expect(stderr).toContain("ip link set PEER mtu 1500");
        expect(snapshot()).toEqual(before);
      } finally {
        xdpcIn(far, "detach", "veth0");
        far.run("ip", "link", "set", "dev", "veth0", "mtu", "1500");
        near.run("ip", "link", "set", "dev", "veth0", "mtu", "1500");
      }
    });

    test("pins that can't be moved, after the program was exchanged: the previous one is put back", () => {
      const before = attachGood();
      const folder = "/sys/fs/bpf/xdpc/veth0";
      // What something is mounted on can't be renamed.
      far.run("mount", "--bind", folder, folder);
      try {
        const { status, stderr } = xdpcIn(far, "attach", good(), "veth0", "--replace");
        expect(status).toBe(2);
        expect(stderr).toContain(`can't put the pins at ${folder}: EBUSY`);
        expect(stderr).toContain("the previous program was put back");
        expect(snapshot()).toEqual(before);
      } finally {
        far.run("umount", folder);
      }
      expect(snapshot()).toEqual(before);
    });

    test("what a killed attachment left behind goes with the next one", () => {
      attachGood();
      far.run("mkdir", "/sys/fs/bpf/xdpc/%new-4194304");
      xdpcOk(far, "attach", good(), "veth0", "--replace");
      expect(pins(far, "xdpc")).toEqual(["veth0"]);
    });
  });
});
