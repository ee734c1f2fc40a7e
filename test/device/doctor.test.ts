// xdpc doctor on devices of the test's own: what it finds there is really so (the kernel refuses the program, the frame is lost), the commands
// it gives are run as they stand, and afterwards it is so no more. Checks on facts that can't be had here are in doctor-checks.test.ts.

import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { binPath } from "../support/cli.ts";
import { objectFile, objectOf } from "../support/compile.ts";
import { closeAll } from "../support/native.ts";
import {
  type CommandResult,
  createNetns,
  createVeth,
  type Netns,
  netnsProblem,
  type VethEnd,
} from "../support/netns.ts";
import { eth, ip, packet, payload, udp } from "../support/packets.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import { openPacketSocket, openXdpSocket } from "../support/sockets.ts";
import { rules, xdpcIn, xdpcOk } from "./device-cli.ts";

interface Finding {
  readonly check: string;
  readonly severity: string;
  readonly message: string;
  readonly why: string;
  readonly mend: readonly string[];
}

const PASS = "pass\n";
const CLOSED = "default drop\n";

describeWith("xdpc doctor", [netnsProblem(), toolProblem("ethtool", "bpftool")], () => {
  let here: Netns;
  let far: Netns;
  let near: VethEnd;
  let peer: VethEnd;

  beforeAll(async () => {
    here = await createNetns();
    far = await createNetns();
  });
  beforeEach(() => {
    [near, peer] = createVeth(
      { netns: here, device: "veth0" },
      { netns: far, device: "veth0p" },
      { queues: 4, ipv6: true },
    );
    far.run("ethtool", "-K", peer.device, "txvlan", "off");
  });
  afterEach(() => {
    for (const device of ["veth0", "veth1", "veth2"]) here.try("ip", "link", "del", device);
    here.run("rm", "-rf", "/sys/fs/bpf/xdpc");
  });
  afterAll(closeAll);

  function doctor(...words: readonly string[]): { readonly status: number; readonly findings: readonly Finding[] } {
    const { status, stdout, stderr } = xdpcIn(here, "doctor", ...words, "--json");
    if (status === 2) throw new Error(stderr);
    const rows = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Finding & { readonly type: string });
    return { status, findings: rows.filter((row) => row.type === "finding") };
  }

  /** Runs a command as somebody would who copied it from the terminal. */
  function paste(command: string): CommandResult {
    return here.try("sh", "-c", `PATH=${dirname(binPath)}:$PATH; ${command}`);
  }

  /** What the doctor finds of a kind, if anything; it says nothing worse than a note of other kinds. */
  function only(check: string, ...words: readonly string[]): readonly Finding[] {
    const { status, findings } = doctor(...words);
    const worse = findings.filter((one) => one.severity !== "note");
    expect(worse.filter((one) => one.check !== check)).toEqual([]);
    expect(status).toBe(worse.length > 0 ? 1 : 0);
    return worse;
  }

  /** The finding is there, its commands work, and then it is gone. */
  function mends(check: string, ...words: readonly string[]): readonly Finding[] {
    const found = only(check, ...words);
    expect(found.length).toBeGreaterThan(0);
    for (const { mend } of found) {
      expect(mend.length).toBeGreaterThan(0);
      for (const command of mend) {
        const { status, stderr } = paste(command);
        expect({ command, status, stderr: status === 0 ? "" : stderr }).toEqual({ command, status: 0, stderr: "" });
      }
    }
    expect(only(check, ...words)).toEqual([]);
    return found;
  }

  test("a healthy veth has nothing to mend, in words too", () => {
    expect(only("", "veth0")).toEqual([]);
    const file = rules("fine", PASS);
    expect(only("", "veth0", file)).toEqual([]);
    const { status, stdout } = xdpcIn(here, "doctor", "veth0", file);
    expect([status, stdout]).toEqual([
      0,
      expect.stringMatching(
        /^veth0: veth, MTU 1500, 4 queues, Linux [\s\S]*native XDP: pass, drop, tx, redirect[\s\S]*nothing to mend\n$/,
      ),
    ]);
  });

  test("a device that is down", () => {
    here.run("ip", "link", "set", "veth0", "down");
    mends("up", "veth0");
    expect(here.run("ip", "link", "show", "veth0")).toContain("UP");
  });

  test("the MTU that it calls the most is the most", () => {
    const file = rules("mtu", PASS);
    for (const [device, netns] of [
      ["veth0", here],
      ["veth0p", far],
    ] as const)
      netns.run("ip", "link", "set", device, "mtu", "3507");
    expect(xdpcIn(here, "attach", file, "veth0", "--mode", "native").status).toBe(2);
    const [finding] = mends("mtu", "veth0", file);
    expect(finding?.mend[0]).toMatch(/^nsenter --target \d+ --net -- ip link set dev veth0p mtu 3506$/);
    xdpcOk(here, "attach", file, "veth0", "--mode", "native");
  });

  test("frags take a large MTU", () => {
    const file = rules("large", "program large frags { pass }\n");
    for (const [device, netns] of [
      ["veth0", here],
      ["veth0p", far],
    ] as const)
      netns.run("ip", "link", "set", device, "mtu", "9000");
    expect(only("mtu", "veth0", file)).toEqual([]);
    xdpcOk(here, "attach", file, "veth0", "--mode", "native");
    expect(only("mtu", "veth0", rules("small", PASS)).map((one) => one.severity)).toEqual(["problem"]);
  });

  test.each([
    ["more here", 2, /^ethtool -L veth2 rx 2$/],
    ["fewer there", 1, /^nsenter .* ethtool -L veth2p tx 1$/],
  ])("a veth with too few queues: %s", (_title, most, command) => {
    const own = ["numrxqueues", String(most), "numtxqueues", "1"];
    const theirs = ["peer", "name", "veth2p", "numrxqueues", "2", "numtxqueues", "2", "netns", String(far.pid)];
    here.run("ip", "link", "add", "veth2", ...own, "type", "veth", ...theirs);
    far.run("ethtool", "-L", "veth2p", "tx", "2");
    here.run("ip", "link", "set", "veth2", "up");
    far.run("ip", "link", "set", "veth2p", "up");
    far.run("ethtool", "-K", "veth2p", "txvlan", "off");
    if (most > 1) here.run("ethtool", "-L", "veth2", "rx", "1");
    const file = rules("queues", PASS);
    expect(xdpcIn(here, "attach", file, "veth2", "--mode", "native").status).toBe(2);
    const [finding] = mends("queues", "veth2", file);
    expect(finding?.mend[0]).toMatch(command);
    xdpcOk(here, "attach", file, "veth2", "--mode", "native");
  });

  test("packets redirected to a veth whose other end doesn't poll are lost, and arrive once it is mended", async () => {
    const [, sink] = createVeth({ netns: here, device: "veth1" }, { netns: far, device: "veth1p" });
    const file = rules("onward", 'if udp.dport == 9 then redirect dev "veth1" or drop\n');
    xdpcOk(here, "attach", file, "veth0", "--mode", "native");
    const from = openPacketSocket(peer);
    const to = openPacketSocket(sink);
    const frame = packet(eth(), ip(), udp({ dport: 9 }), payload(30));
    from.send(frame);
    expect((await to.receive(1, undefined, 300)).length).toBe(0);
    const [finding] = mends("veth", "veth0", file);
    expect(finding?.mend[0]).toMatch(/ethtool -K veth1p gro on$/);
    from.send(frame);
    expect((await to.receive(1)).length).toBe(1);
  });

  test("targets: one that is down, one that isn't here, entries of a running program's devmap", () => {
    const file = rules("gone", 'if udp then redirect dev "veth1" or pass\n');
    expect(xdpcIn(here, "attach", file, "veth0").status).toBe(2);
    const [finding] = only("target", "veth0", file);
    const command = finding?.mend[0] ?? "";
    expect(paste(command)).toMatchObject({ status: 0 });
    xdpcOk(here, "detach", "veth0");
    const [end] = createVeth({ netns: here, device: "veth1" }, { netns: far, device: "veth1p" });
    far.run("ethtool", "-K", "veth1p", "gro", "on");
    here.run("ip", "link", "set", "veth1", "down");
    mends("target", "veth0", file);
    xdpcOk(here, "attach", rules("ports", "devmap ports[4]\nif udp then redirect ports[1] or pass\n"), "veth0");
    const value = Buffer.alloc(8);
    value.writeUInt32LE(end.ifindex);
    const map = "/sys/fs/bpf/xdpc/veth0/maps/ports";
    here.run("bpftool", "map", "update", "pinned", map, "key", "1", "0", "0", "0", "value", ...[...value].map(String));
    expect(only("veth", "veth0")).toEqual([]);
    far.run("ethtool", "-K", "veth1p", "gro", "off");
    const [lost] = mends("veth", "veth0");
    expect(lost?.message).toContain("entries of map ports redirect to veth1");
  });

  test("tags that the other end keeps beside the packet", () => {
    far.run("ethtool", "-K", "veth0p", "txvlan", "on");
    expect(only("vlan", "veth0", rules("untagged", "# vlan\nif udp then drop\n"))).toEqual([]);
    mends("vlan", "veth0", rules("tagged", "if vlan.id == 5 then drop\n"));
    expect(far.run("ethtool", "-k", "veth0p")).toContain("tx-vlan-offload: off");
  });

  test("somebody's program, libxdp's way or another", () => {
    const object = objectFile(objectOf(PASS));
    here.run("ip", "link", "set", "dev", "veth0", "xdp", "obj", object, "sec", "xdp");
    const file = rules("mine", PASS);
    expect(xdpcIn(here, "attach", file, "veth0").status).toBe(2);
    mends("attached", "veth0", file);
    xdpcOk(here, "attach", file, "veth0");
    const { findings } = doctor("veth0", file);
    expect(findings).toMatchObject([{ check: "attached", severity: "note" }]);
    expect(paste(findings[0]?.mend[0] ?? "").status).toBe(0);
  });

  test("generic mode where the driver will do", () => {
    const file = rules("slow", PASS);
    xdpcOk(here, "attach", file, "veth0", "--mode", "generic");
    mends("generic", "veth0");
    expect(JSON.parse(here.run("ip", "-j", "link", "show", "veth0"))).toMatchObject([{ xdp: { mode: 1 } }]);
  });

  test("no file system for pins", () => {
    // There may be another one below.
    here.run("mount", "-t", "tmpfs", "none", "/sys/fs/bpf");
    expect(xdpcIn(here, "attach", rules("pinless", PASS), "veth0").status).toBe(2);
    mends("bpffs", "veth0");
    xdpcOk(here, "attach", rules("pinless", PASS), "veth0");
  });

  test("fewer entries than queues", () => {
    const [finding] = mends("queues", "veth0", rules("few", "xskmap xsk[2]\nif udp then redirect xsk or pass\n"));
    expect(finding?.why).toContain("queues 2, 3 never");
  });

  test("queues without a socket", () => {
    xdpcOk(here, "attach", rules("sockets", "xskmap xsk[8]\nif udp then redirect xsk or pass\n"), "veth0");
    const { findings } = doctor("veth0");
    // Older kernels don't tell.
    if (findings.some((one) => one.check === "unseen")) return;
    expect(only("sockets", "veth0").map((one) => one.message)).toEqual([
      "no queue of veth0 has an AF_XDP socket, and the program redirects to xsk",
    ]);
    openXdpSocket(near, 0);
    openXdpSocket(near, 1);
    const [finding] = only("sockets", "veth0");
    expect(finding?.message).toMatch(/^queues 2, 3 of veth0 have no AF_XDP socket/);
    expect(finding?.mend).toEqual([expect.stringMatching(/ethtool -L veth0p tx 2$/), "ethtool -L veth0 rx 2"]);
    for (const queue of [2, 3]) openXdpSocket(near, queue);
    expect(only("sockets", "veth0")).toEqual([]);
  });

  test.each([
    ["rules at the top", `${CLOSED}if udp.dport == 53 then pass\n`],
    ["a rule in the way", "if opaque or not udp then drop\nif udp.dport == 53 then pass\n"],
    ["a program on one line", "program filter { default drop  if udp.dport == 53 then pass }\n"],
    [
      "a program on several",
      "set ok : u16[4]\nprogram filter {\n    default drop\n    if udp.dport in ok then pass\n}\n",
    ],
  ])("locked out: %s", (title, text) => {
    here.run("ip", "address", "add", "10.0.0.1/24", "dev", "veth0");
    here.run("ip", "address", "add", "fd00::1/64", "dev", "veth0", "nodad");
    const file = rules(title.replaceAll(" ", "-"), text);
    const found = mends("lockout", "veth0", file, "--management-port", "2222");
    expect(found.map((one) => one.severity)).toEqual(["problem", "problem", "problem"]);
    const mended = readFileSync(file, "utf8");
    for (const rule of [
      "if arp then pass",
      "if icmp6.type in { 135, 136 } then pass",
      "if tcp.dport == 2222 then pass",
    ])
      expect(mended.split(rule).length).toBe(2);
    expect(only("lockout", "veth0", file)).toHaveLength(1);
  });

  test("who is locked out really is, and isn't any more once it is mended", () => {
    here.run("ip", "address", "add", "10.0.0.1/24", "dev", "veth0");
    far.run("ip", "address", "add", "10.0.0.2/24", "dev", "veth0p");
    const file = rules("really", `${CLOSED}if udp.dport == 53 then pass\n`);
    const reached = (): boolean => {
      far.run("ip", "neighbour", "flush", "dev", "veth0p");
      far.try("bash", "-c", "echo > /dev/udp/10.0.0.1/9; sleep 0.3");
      return / lladdr /.test(far.run("ip", "neighbour", "show", "10.0.0.1"));
    };
    expect(reached()).toBe(true);
    xdpcOk(here, "attach", file, "veth0");
    expect(reached()).toBe(false);
    mends("lockout", "veth0", file);
    xdpcOk(here, "attach", file, "veth0", "--replace");
    expect(reached()).toBe(true);
  });

  test("an object is judged by running it too, with what its maps hold", () => {
    here.run("ip", "address", "add", "10.0.0.1/24", "dev", "veth0");
    const text = `${CLOSED}set ports : u16[4]\nif arp then pass\nif tcp.dport in ports then pass\n`;
    const object = objectFile(objectOf(text));
    const [finding, ...others] = only("lockout", "veth0", object);
    expect([finding?.message, others]).toEqual([expect.stringContaining("TCP port 22 over IPv4 ends with drop"), []]);
    expect(finding?.mend[0]).toContain("xdpc detach veth0");
    expect(only("lockout", "veth0", object, "--map", "ports={22}")).toEqual([]);
    expect(only("lockout", "veth0", rules("filled", text), "--map", "ports={22}")).toEqual([]);
  });

  test("mistakes", () => {
    expect(xdpcIn(here, "doctor", "veth9")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("did you mean veth0"),
    });
    expect(xdpcIn(here, "doctor", "veth0", "--management-port", "22").status).toBe(2);
    expect(xdpcIn(here, "doctor", "veth0", rules("x", PASS), "--management-port", "ssh").status).toBe(2);
    expect(xdpcIn(here, "doctor", "veth0", rules("fault", "if nothing then drop\n"))).toMatchObject({
      status: 1,
      stdout: "",
    });
    expect(xdpcIn(here, "doctor", "veth0", "/nowhere.xdp").status).toBe(2);
  });
});
