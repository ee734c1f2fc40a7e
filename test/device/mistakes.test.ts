// What operators get wrong, one after the other: each is refused with words that name the cause and what mends it, exit code 2, and nothing is attached or
// pinned afterwards.

import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadProgram } from "../support/bpf.ts";
import { binPath, projectFolder } from "../support/cli.ts";
import { objectFile, objectOf, temporaryFolder } from "../support/compile.ts";
import { allocate, checked, closeAll, closeFd, onCloseAll, SYSCALL_BPF, syscall } from "../support/native.ts";
import { createNetns, createVeth, type Netns, netnsProblem } from "../support/netns.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import { pins, programOn, rules, xdpcIn, xdpcOk } from "./device-cli.ts";

describeWith("mistakes of operators", [netnsProblem(), toolProblem("setpriv")], () => {
  let netns: Netns;
  let pass: string;

  beforeAll(async () => {
    netns = await createNetns();
    createVeth({ netns, device: "veth0" }, { netns, device: "veth1" });
    pass = rules("pass", "counter c\nif ip then count c\n");
  });
  afterAll(closeAll);

  /** What xdpc says when it refuses; nothing has changed. */
  function refused(...words: readonly string[]): string {
    const before = [programOn(netns, "veth0"), programOn(netns, "veth1"), pins(netns), pins(netns, "xdpc")];
    const { status, stdout, stderr } = xdpcIn(netns, ...words);
    expect({ status, stdout }, stderr).toEqual({ status: 2, stdout: "" });
    expect([programOn(netns, "veth0"), programOn(netns, "veth1"), pins(netns), pins(netns, "xdpc")]).toEqual(before);
    return stderr;
  }

  /** Whether a user can read a file: a clone in a folder of root's own can't be read by others, and then there is nothing to try. */
  function othersCanRead(file: string): boolean {
    const user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    return netns.try(...user, "test", "-r", file).status === 0;
  }

  test("no such interface: near names", () => {
    expect(refused("attach", pass, "vteh0")).toBe(
      "xdpc: there is no network device vteh0 (in this network namespace)\n  = did you mean veth0? Devices here: lo, veth1, veth0\n",
    );
    expect(refused("detach", "veth9")).toContain("there is no network device veth9");
    expect(refused("status", "eth7")).toContain("there is no network device eth7");
  });

  test("file and device the wrong way round", () => {
    expect(refused("attach", "veth0", pass)).toContain("veth0 is a network device\n  = the file comes first");
  });

  test("no such file, a folder, no object", () => {
    expect(refused("attach", "/nowhere/fw.xdp", "veth0")).toBe(
      "xdpc: can't read /nowhere/fw.xdp: no such file or directory\n",
    );
    expect(refused("attach", temporaryFolder(), "veth0")).toContain("is a directory");
    const program = process.execPath;
    expect(refused("attach", program, "veth0")).toContain(`${program} can't be loaded: this ELF file is not`);
  });

  test("rules that can't be compiled are told as when compiling", () => {
    const { status, stderr } = xdpcIn(netns, "attach", rules("faulty", "if tcp.dprt == 80 then drop\n"), "veth0");
    expect(status).toBe(1);
    expect(stderr).toMatch(/faulty\.xdp:1:8\n/);
    expect(programOn(netns, "veth0")).toBeNull();
  });

  test("an object without a program for devices", () => {
    const entry = objectFile(objectOf("program back devmap { if ip then pass }\n"), "entry.o");
    expect(refused("attach", entry, "veth0")).toContain(
      "program back is for the entries of a devmap; it can't be attached to a device",
    );
    const two = objectFile(objectOf("program one { if tcp then drop }\nprogram two { drop }\n"), "two.o");
    expect(refused("attach", two, "veth0", "--program", "three")).toContain(
      `${two} has no program three\n  = its programs: one, two`,
    );
  });

  test("no privilege: which capability is missing, to root without any and to a user", () => {
    const folder = mkdirSync(join(temporaryFolder(), "open"), { recursive: true, mode: 0o755 }) ?? "";
    const file = join(folder, "user.xdp");
    writeFileSync(file, "pass\n");
    for (const words of [
      ["--bounding-set=-all", "--inh-caps=-all"],
      ["--bounding-set=-net_admin", "--inh-caps=-all"],
    ]) {
      const { status, stderr } = netns.try("setpriv", ...words, binPath, "attach", file, "veth0");
      expect(status).toBe(2);
      expect(stderr).toMatch(
        /^xdpc: no privilege to load and attach a program: this process lacks (CAP_BPF and )?CAP_NET_ADMIN/,
      );
      expect(stderr).toContain("run it as root");
    }
    xdpcOk(netns, "attach", pass, "veth0");
    const id = programOn(netns, "veth0")?.id;
    const bare = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", process.execPath];
    const device = join(projectFolder, "dist", "device.cjs");
    if (othersCanRead(device)) {
      const shown = netns.try(...bare, device, "status");
      expect(shown.stdout).toBe(
        `veth0: program ${id} (id ${id}, native)\n  the kernel tells more to root (sudo), or with CAP_SYS_ADMIN\n`,
      );
      const taken = netns.try(...bare, device, "detach", "veth0");
      expect(taken.status).toBe(2);
      expect(taken.stderr).toContain("may not be looked into");
    }
    expect(programOn(netns, "veth0")?.id).toBe(id);
    xdpcOk(netns, "detach", "veth0");
  });

  test("capabilities alone are enough, with a folder that the user may pin in", () => {
    if (!othersCanRead(join(projectFolder, "dist", "device.cjs"))) return;
    netns.run("mkdir", "-p", "/sys/fs/bpf/theirs");
    netns.run("chmod", "755", "/sys/fs/bpf");
    netns.run("chown", "65534:65534", "/sys/fs/bpf/theirs");
    const capabilities = "+bpf,+net_admin,+perfmon";
    // The tests' own folder is for nobody else.
    const open = mkdtempSync(join(tmpdir(), "xdpc-open-"));
    onCloseAll(() => rmSync(open, { recursive: true, force: true }));
    chmodSync(open, 0o755);
    const object = objectFile(objectOf("counter c\nif ip then count c\n"), "user.o", open);
    const words = [
      "setpriv",
      "--reuid=65534",
      "--regid=65534",
      "--clear-groups",
      `--inh-caps=${capabilities}`,
      `--ambient-caps=${capabilities}`,
      process.execPath,
      join(projectFolder, "dist", "device.cjs"),
    ];
    const attach = netns.try(...words, "attach", object, "veth0", "--pin", "/sys/fs/bpf/theirs/fw");
    expect(attach).toMatchObject({ status: 0, stderr: "" });
    expect(attach.stdout).toContain("other commands need --pin /sys/fs/bpf/theirs/fw too");
    expect(netns.try(...words, "detach", "veth0", "--pin", "/sys/fs/bpf/theirs/fw")).toMatchObject({
      status: 0,
      stderr: "",
    });
    expect(programOn(netns, "veth0")).toBeNull();
    netns.run("rmdir", "/sys/fs/bpf/theirs");
  });

  test("a program is there already: who, and what to do", () => {
    xdpcOk(netns, "attach", pass, "veth0");
    const id = programOn(netns, "veth0")?.id;
    const said = refused("attach", pass, "veth0");
    expect(said).toMatch(new RegExp(`^xdpc: veth0 already runs xdp_pass \\(id ${id}, tag [0-9a-f]{16}, native\\)\n`));
    expect(said).toContain("--replace puts the new program in its place at once");
    expect(said).toContain("xdpc detach veth0 takes it away first");
    const asJson = xdpcIn(netns, "attach", pass, "veth0", "--json");
    expect(JSON.parse(asJson.stderr)).toMatchObject({ type: "failure", reason: "busy", help: expect.any(Array) });
    xdpcOk(netns, "detach", "veth0");
  });

  test("a program that hangs on a BPF link can't be replaced or taken away by anyone", () => {
    const { fd } = loadProgram({ insns: new Uint8Array([0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]) });
    // BPF_LINK_CREATE with the program, the device and BPF_XDP.
    const attr = allocate(64);
    attr.view.setUint32(0, fd, true);
    attr.view.setUint32(4, netns.ifindex("veth0"), true);
    attr.view.setUint32(8, 37, true);
    const link = netns.enter(() => checked("make a link", syscall(SYSCALL_BPF, 28, attr.address, 64)));
    try {
      expect(refused("attach", pass, "veth0")).toContain("which isn't one of ours");
      for (const words of [
        ["attach", pass, "veth0", "--replace", "--force"],
        ["detach", "veth0", "--force"],
      ]) {
        const said = refused(...words);
        expect(said).toContain("Can't replace active BPF XDP link");
        expect(said).toContain("a process holds it by a BPF link, which only that process gives up");
      }
    } finally {
      closeFd(link);
    }
    expect(xdpcOk(netns, "detach", "veth0")).toBe("veth0: nothing was attached; nothing to do\n");
  });

  test("modes: offload and native where there is none, the MTU of a veth", () => {
    expect(refused("attach", pass, "veth0", "--mode", "offload")).toContain(
      "veth0 can't run programs in its hardware: ",
    );
    netns.run("ip", "link", "add", "br0", "type", "bridge");
    const native = refused("attach", pass, "br0", "--mode", "native");
    expect(native).toContain("br0 (bridge) can't do native XDP: Underlying driver does not support XDP in native mode");
    expect(native).toContain("--mode generic runs the program behind the driver");
    netns.run("ip", "link", "delete", "br0");
    netns.run("ip", "link", "set", "dev", "veth1", "mtu", "9000");
    const mtu = refused("attach", pass, "veth0");
    expect(mtu).toContain("the MTU is too large for a native program on veth0: ");
    expect(mtu).toContain("make it smaller: ip link set veth1 mtu 1500");
    expect(mtu).toContain("`program NAME frags { … }`");
    netns.run("ip", "link", "set", "dev", "veth1", "mtu", "1500");
  });

  test("generic where native is, by somebody else's hands", () => {
    const object = objectFile(objectOf("pass\n"), "native.o");
    netns.run("ip", "link", "set", "dev", "veth0", "xdpdrv", "object", object, "section", "xdp");
    expect(refused("attach", pass, "veth0", "--mode", "generic", "--replace", "--force")).toContain(
      "attached in native mode, and the kernel can't change the mode in one go",
    );
    xdpcOk(netns, "detach", "veth0", "--force");
  });

  test("a device that rules name isn't there", () => {
    const said = refused("attach", rules("out", 'redirect dev "wan0" or drop\n'), "veth0");
    expect(said).toContain("sends packets to device wan0, which isn't here");
    expect(said).toContain("--set ifindex_wan0=0 attaches it all the same");
  });

  test("values that don't fit", () => {
    const file = rules("config", "config most : u32 = 10\nif meta.len > most then drop\n");
    expect(refused("attach", file, "veth0", "--set", "least=1")).toContain(
      "has no config or variable least\n  = it has most",
    );
    expect(refused("attach", file, "veth0", "--set", "most=many")).toContain('--set most: "many" is text');
    expect(refused("attach", file, "veth0", "--set", "most=4294967296")).toContain("doesn't fit into 32 bits");
    expect(refused("attach", file, "veth0", "--set", "most")).toContain("--set takes NAME=VALUE");
    expect(refused("attach", file, "veth0", "--set", "most=-1")).toContain("-1 is negative, and its type has no sign");
    xdpcOk(netns, "attach", file, "veth0");
    expect(refused("map", ".rodata", "set", "0", "1")).toContain("--replace --set NAME=VALUE");
    xdpcOk(netns, "detach", "veth0");
  });

  test("a map that the kernel can't make is named", () => {
    const object = objectFile(
      objectOf("map huge : array<u64>[4000000000]\nif let n = huge[meta.len] then { if n == 1 then drop }\n"),
      "huge.o",
    );
    expect(refused("attach", object, "veth0")).toMatch(
      /the kernel can't make map huge: .*\n {2}= its entries alone take \d+ KiB/,
    );
  });

  test("pins: no BPF file system, a folder elsewhere, somebody else's folder", () => {
    expect(refused("attach", pass, "veth0", "--pin", "/tmp/pins")).toContain(
      "is not on a BPF file system; programs and maps can only be pinned on one",
    );
    expect(refused("attach", pass, "veth0", "--pin", "/sys/fs/bpf")).toContain(
      "holds everybody's pins; name a folder of its own below it",
    );
    netns.run("mkdir", "-p", "/sys/fs/bpf/others/things");
    expect(refused("attach", pass, "veth0", "--pin", "/sys/fs/bpf/others")).toContain(
      "holds pins that xdpc didn't make: things",
    );
    netns.run("rmdir", "/sys/fs/bpf/others/things", "/sys/fs/bpf/others");
    xdpcOk(netns, "attach", pass, "veth1");
    netns.run("mount", "-t", "tmpfs", "tmpfs", "/sys/fs/bpf");
    expect(refused("detach", "veth1"), "our own isn't called another's").toContain("no BPF file system is mounted");
    expect(refused("capture", "veth1", "-w", "-")).toContain("no BPF file system is mounted");
    expect(xdpcOk(netns, "status", "veth1")).toContain("whether xdpc attached it can't be told");
    const said = refused("attach", pass, "veth0");
    expect(said).toContain("no BPF file system is mounted at /sys/fs/bpf, where programs and maps are pinned");
    expect(said).toContain("mount -t bpf bpf /sys/fs/bpf");
    netns.run("umount", "/sys/fs/bpf");
    xdpcOk(netns, "detach", "veth1");
  });

  test("without koffi it is said what to install", () => {
    const copy = join(temporaryFolder(), "without");
    cpSync(join(projectFolder, "dist", "device.cjs"), join(copy, "dist", "device.cjs"));
    cpSync(binPath, join(copy, "bin", "xdpc"));
    const { status, stderr } = netns.try(join(copy, "bin", "xdpc"), "status");
    expect(status).toBe(2);
    expect(stderr).toContain(
      "xdpc: the package koffi, by which xdpc calls the kernel, can't be loaded\n  = install it beside xdpc: npm install koffi",
    );
  });

  test("words that mean nothing are faults of usage", () => {
    expect(refused("attach", pass)).toContain("missing required argument 'IFACE'");
    expect(refused("attach", pass, "veth0", "--mode", "fast")).toContain(
      "Allowed choices are auto, native, generic, offload",
    );
    expect(refused("attach", pass, "veth0", "--force")).toContain("--force needs --replace");
    expect(refused("attach", objectFile(objectOf("pass\n")), "veth0", "-D", "A=1")).toContain(
      "-D means nothing for an object",
    );
    expect(refused("status", "--pin", "/sys/fs/bpf/x")).toContain("--pin needs IFACE");
    expect(refused("status", "veth0", "--interval", "0")).toContain("--interval takes a number from 0.1");
  });
});
