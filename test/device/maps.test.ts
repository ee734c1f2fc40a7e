// `xdpc map`, `xdpc trace` and `xdpc capture` as an operator types them: the built command in a network namespace, on rules that are attached to
// a veth, with real packets where there is something to see.

import { lstatSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readCapture } from "../../src/vm/pcap-read.ts";
import { builtBin } from "../cli/build.ts";
import { closeAll } from "../support/native.ts";
import {
  type CommandResult,
  createNetns,
  createPeerNetns,
  createVeth,
  type Netns,
  netnsProblem,
} from "../support/netns.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";

const RULES = `
struct Flow  { saddr : ipv4, daddr : ipv4, sport : u16, dport : u16 }
struct Stats { packets : u64, bytes : u64 }
set     ports  : u16[4]
set     nets   : prefix<ipv4>[16]
set     nets6  : prefix<ipv6>[16]
set     macs   : mac[8]
map     flows  : hash<Flow, Stats>[8]
map     pairs  : hash<(ipv4, u16), u32>[8]
map     totals : percpu_array<u64>[4]
map     free   : queue<u16>[3]
map     seen   : bloom_filter<ipv4>[100]
devmap  dm[8]
xskmap  xsk[4]
counter hits, by_port[u16]
ringbuf samples[64K]
prog_array stages[4]

count hits
if ip.saddr in nets or ip6.saddr in nets6 or eth.saddr in macs then drop
if tcp.dport in ports then count by_port[tcp.dport]
if ip and udp.dport == 7 then {
    log "echo from %pI4 port %u", ip.saddr, udp.sport
    sample samples max 64
}
if ip and tcp then {
    if let s = flows[(ip.saddr, ip.daddr, tcp.sport, tcp.dport)] then s.packets += 1
    if let n = pairs[(ip.saddr, tcp.sport)] then { if n == 1 then drop }
}
if ip and ip.saddr in seen then drop
if udp.dport == 9 then { insert free udp.sport  totals[0] += 1  redirect dm[1] }
if udp.dport == 10 then tail stages[0]
if udp.dport == 11 then redirect xsk
`;

describeWith("xdpc map, trace and capture", [netnsProblem(), toolProblem("bpftool", "setpriv")], () => {
  let near: Netns;
  let far: Netns;
  let bin: string;
  const folder = mkdtempSync(path.join(tmpdir(), "xdpc-maps-"));
  const rules = path.join(folder, "rules.xdp");

  const xdpc = (...words: string[]): CommandResult => near.try(bin, ...words);
  /** What a command wrote, when all is well. */
  const out = (...words: string[]): string => {
    const { status, stdout, stderr } = xdpc(...words);
    expect(`${status} ${stderr}`, words.join(" ")).toBe("0 ");
    return stdout;
  };
  const map = (...words: string[]): string => out("map", ...words);
  const send = (port: number, times: number): void => {
    far.run("/bin/bash", "-c", `for i in $(seq ${times}); do echo hi > /dev/udp/10.9.0.1/${port}; done`);
  };

  beforeAll(async () => {
    bin = builtBin();
    near = await createNetns();
    far = await createPeerNetns(near);
    createVeth(
      { netns: near, device: "near", address: "10.9.0.1/24" },
      { netns: far, device: "far", address: "10.9.0.2/24" },
    );
    writeFileSync(rules, RULES);
    near.run(bin, "attach", rules, "near");
  }, 120_000);

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
    closeAll();
  });

  describe("xdpc map", () => {
    it("lists the maps", () => {
      const lines = map().split("\n");
      expect(lines[0]).toMatch(/^device +map +kind +max entries$/);
      expect(lines.find((l) => l.includes(" flows "))).toMatch(/^near +flows +hash +8$/);
    });

    it.each([
      [["ports", "add", "443"], ["ports", "dump"], "443\n"],
      [["ports", "del", "443"], ["ports", "dump"], ""],
      [["nets", "add", "10.0.0.0/8"], ["nets", "dump"], "10.0.0.0/8\n"],
      [["nets", "set", "10.0.0.0/8"], ["nets", "get", "10.1.2.3"], "map nets has 10.1.2.3\n"],
      [["nets6", "add", "2001:db8::/32"], ["nets6", "dump"], "2001:db8::/32\n"],
      [["macs", "add", "02:00:00:00:00:01"], ["macs", "dump"], "02:00:00:00:00:01\n"],
      [
        ["flows", "set", "10.0.0.1,10.0.0.2,80,443", "7,9"],
        ["flows", "get", "(10.0.0.1, 10.0.0.2, 80, 443)"],
        "{ packets: 7, bytes: 9 }\n",
      ],
      [
        ["flows", "set", "{ saddr: 10.0.0.1, daddr: 10.0.0.2, sport: 80, dport: 443 }", "{ bytes: 1K }"],
        ["flows", "dump"],
        "{ saddr: 10.0.0.1, daddr: 10.0.0.2, sport: 80, dport: 443 } { packets: 0, bytes: 1024 }\n",
      ],
      [["pairs", "set", "10.0.0.1,0x50", "5"], ["pairs", "dump"], "(10.0.0.1, 80) 5\n"],
      [["totals", "set", "2", "500"], ["totals", "dump"], "0 0\n1 0\n2 500\n3 0\n"],
      [["dm", "set", "1", "near"], ["dm", "dump"], "1 near\n"],
      [["stages", "set", "0", "xdp_rules"], ["stages", "dump"], /^0 xdp_rules \(id \d+\)\n$/],
      [["free", "add", "5"], ["free", "get"], "5\n"],
      [["free", "add", "6"], ["free", "del"], "5\n"],
      [["seen", "add", "10.0.0.7"], ["seen", "get", "10.0.0.7"], "may be there\n"],
    ] as const)("%j then %j", (change, ask, wanted) => {
      map(...change);
      if (typeof wanted === "string") expect(map(...ask)).toBe(wanted);
      else expect(map(...ask)).toMatch(wanted);
    });

    it("writes what the rules read", () => {
      map("flows", "set", "10.0.0.1,10.0.0.2,80,443", "7,9");
      const entry = near.run("bpftool", "-j", "map", "dump", "pinned", "/sys/fs/bpf/xdpc/near/maps/flows");
      const { formatted } = JSON.parse(entry)[0];
      // Addresses in network order, ports in the machine's.
      expect(formatted.key).toMatchObject({ sport: 80, dport: 443 });
      expect(formatted.value).toEqual({ packets: 7, bytes: 9 });
      const saddr = Buffer.alloc(4);
      saddr.writeUInt32LE(formatted.key.saddr);
      expect([...saddr]).toEqual([10, 0, 0, 1]);
    });

    it("speaks JSON", () => {
      map("pairs", "set", "10.0.0.1,80", "5");
      expect(JSON.parse(map("pairs", "dump", "--json"))).toEqual({
        type: "entry",
        key: { f0: "10.0.0.1", f1: 80 },
        value: 5,
      });
    });

    it("shows of a large array what isn't zero, and says so", () => {
      const { stdout, stderr } = xdpc("map", "by_port", "dump");
      expect(stdout).toBe("");
      expect(stderr).toBe("xdpc: 65536 entries that are zero aren't shown (--zeros shows them)\n");
      expect(map("by_port", "dump", "--zeros").split("\n")).toHaveLength(65_537);
    });

    it.each([
      [["ports", "get", "81"], 1, "", "map ports has no entry 81\n"],
      [["ports", "del", "81"], 1, "", "map ports has no entry 81\n"],
      [["ports", "add", "http"], 2, '"http" is no key of map ports: "http" is neither a number nor an address', ""],
      [["ports", "add", "65536"], 2, "65536 doesn't fit into 16 bits", ""],
      [["ports"], 0, "", ""],
      [["ports", "frobnicate"], 2, 'xdpc map can get, set, add, del, dump, load, not "frobnicate"', ""],
      [["ports", "add"], 2, "needs a KEY", ""],
      [["ports", "add", "1", "1", "1"], 2, "is too much", ""],
      [["prots", "dump"], 2, "did you mean ports?", ""],
      [["flows", "set", "1,2", "3"], 2, "2 values given for 4: saddr, daddr, sport, dport", ""],
      [["flows", "set", "10.0.0.1,10.0.0.2,80,443"], 2, "map flows has values: give one behind the key", ""],
      [["flows", "get", "{ saddr: 10.0.0.1, sadr: 1 }"], 2, "it has no member sadr", ""],
      [["flows", "get", "((((((((((((((((((1))))))))))))))))))"], 2, "nested too deeply", ""],
      [["totals", "del", "1"], 2, "can't be deleted: an array has all of them", ""],
      [["totals", "set", "9", "1"], 2, "map totals has entries 0 to 3, not 9", ""],
      [["free", "dump"], 2, "can't be listed", ""],
      [["xsk", "set", "0", "1"], 2, "AF_XDP sockets, which put themselves in", ""],
      [["samples", "dump"], 2, "a ring buffer has no entries", ""],
      [["dm", "set", "1", "nearr"], 2, "did you mean near?", ""],
      [["stages", "set", "0", "second"], 2, "programs that were loaded with this map: xdp_rules", ""],
      [["/sys/fs/bpf/nothing", "dump"], 2, "/sys/fs/bpf/nothing", ""],
      [["ports", "dump", "--dev", "near2"], 2, "did you mean near?", ""],
      [["ports", "dump", "--dev", "lo"], 2, "there are no maps", ""],
      [["ports", "load", "/nowhere/list"], 2, "/nowhere/list can't be read: no such file or directory", ""],
      [["ports", "add", "-1"], 2, "-1 is negative, and its type has no sign", ""],
    ] as const)("%j", (words, status, said, wrote) => {
      const result = xdpc("map", ...words);
      expect(result.stderr).toContain(said);
      expect(result.stdout).toBe(wrote);
      expect(result.status).toBe(status);
    });

    it("says that a map is full, and that an entry is there", () => {
      for (const port of ["1", "2", "3", "4"]) map("ports", "set", port);
      expect(xdpc("map", "ports", "add", "4").stderr).toContain("map ports has an entry at 4 already");
      const full = xdpc("map", "ports", "set", "5");
      expect(full.status).toBe(2);
      expect(full.stderr).toContain("map ports is full: it holds 4 entries");
      expect(full.stderr).toContain("xdpc map ports del KEY");
      expect(full.stderr).toContain("`lru`");
      for (const port of ["1", "2", "3", "4"]) map("ports", "del", port);
      while (xdpc("map", "free", "del").status === 0);
      for (const port of ["1", "2", "3"]) map("free", "add", port);
      const queue = xdpc("map", "free", "add", "4").stderr;
      for (const port of ["1", "2", "3"]) expect(map("free", "del")).toBe(`${port}\n`);
      expect(queue).toContain("map free is full: it holds 3 entries");
      expect(queue, "a queue has no keys").toContain("xdpc map free del),");
      expect(queue, "and no lru").not.toContain("`lru`");
    });

    it("loads a file, all of it or nothing", () => {
      const list = path.join(folder, "list.txt");
      writeFileSync(list, "# ours\r\n80\r\n 443 # https\n\n");
      map("ports", "set", "22");
      expect(map("ports", "load", list, "--only")).toBe("ports: 2 entries set, 1 entry removed\n");
      expect(map("ports", "dump").split("\n").sort()).toEqual(["", "443", "80"]);

      writeFileSync(list, "1\nx\n99999\n2 3 4\n");
      const faulty = xdpc("map", "ports", "load", list);
      expect(faulty.status).toBe(2);
      for (const line of [`${list}:2: `, `${list}:3: `, `${list}:4: `]) expect(faulty.stderr).toContain(line);
      writeFileSync(list, "1\n2\n3\n");
      expect(xdpc("map", "ports", "load", list).stderr).toContain("takes 4 entries; with");
      expect(map("ports", "dump").split("\n").sort()).toEqual(["", "443", "80"]);

      const entries = "{ saddr: 10.0.0.1, daddr: 10.0.0.2, sport: 1, dport: 2 } { packets: 3, bytes: 4 }\n";
      writeFileSync(list, entries);
      map("flows", "load", list, "--only");
      expect(map("flows", "dump"), "what dump prints, load takes").toBe(entries);
    });

    it("needs privilege, and says which", () => {
      const result = near.try("setpriv", "--bounding-set=-all", "--inh-caps=-all", bin, "map", "ports", "dump");
      expect(result.status).toBe(2);
      expect(result.stderr).toContain("CAP_BPF");
    });
  });

  /** Sends until a process ends by itself: the trace pipe gives a line to one reader only, and another test may be one. */
  async function sentUntil(reader: ReturnType<Netns["start"]>): Promise<void> {
    while (reader.exitCode === null) {
      send(7, 1);
      await new Promise((go) => setTimeout(go, 50));
    }
  }

  it("xdpc trace tells which rule wrote a line, and leaves others' lines out", async () => {
    map("nets", "load", "/dev/null", "--only");
    const reader = near.start(bin, "trace", "near", "--count", "2");
    const text = collected(reader);
    await said(reader, "waiting");
    await sentUntil(reader);
    expect(await ended(reader)).toBe(0);
    const lines = text().trim().split("\n");
    expect(lines).toHaveLength(2);
    for (const line of lines)
      expect(line).toMatch(/^[\d.]+ {2}cpu \d+ {2}rules\.xdp:23 {2}echo from 10\.9\.0\.2 port \d+$/);
  });

  it("xdpc trace ends in good order when interrupted", async () => {
    const reader = near.start(bin, "trace", "near", "--json");
    await said(reader, "waiting");
    reader.kill("SIGINT");
    expect(await ended(reader)).toBe(0);
  });

  it("xdpc trace ends when nobody reads it any more", async () => {
    const reader = near.start("/bin/bash", "-c", `'${bin}' trace near | head -1`);
    await said(reader, "waiting");
    await sentUntil(reader);
    expect(await ended(reader)).toBe(0);
  });

  it("xdpc capture fills what isn't a file, and what a link leads to", async () => {
    const [pipe, target, link] = ["pipe", "target.pcap", "link.pcap"].map((name) => path.join(folder, name)) as [
      string,
      string,
      string,
    ];
    near.run("mkfifo", pipe);
    const both = near.start(
      "/bin/bash",
      "-c",
      `cat '${pipe}' > '${target}' & '${bin}' capture near -w '${pipe}' -c 2; wait`,
    );
    await said(both, "capturing");
    await sentUntil(both);
    expect(await ended(both)).toBe(0);
    expect(lstatSync(pipe).isFIFO(), "a pipe stays a pipe").toBe(true);
    expect([...readCapture(readFileSync(target))]).toHaveLength(2);

    symlinkSync(target, link);
    const reader = near.start(bin, "capture", "near", "-w", link, "-c", "1");
    await said(reader, "capturing");
    await sentUntil(reader);
    expect(await ended(reader)).toBe(0);
    expect(lstatSync(link).isSymbolicLink(), "a link stays a link").toBe(true);
    expect([...readCapture(readFileSync(target))]).toHaveLength(1);
  });

  it("xdpc capture writes a capture with whole lengths and times of today", async () => {
    const file = path.join(folder, "samples.pcap");
    const reader = near.start(bin, "capture", "near", "-w", file, "-c", "3");
    await said(reader, "capturing");
    await sentUntil(reader);
    expect(await ended(reader)).toBe(0);
    const packets = [...readCapture(readFileSync(file))];
    expect(packets).toHaveLength(3);
    for (const { bytes, timeNs } of packets) {
      expect(bytes.length).toBe(45);
      expect(Math.abs(Number(timeNs / 1_000_000n) - Date.now())).toBeLessThan(60_000);
    }
  });

  it("xdpc capture writes a whole file when interrupted, and none when it can't", async () => {
    const file = path.join(folder, "cut.pcap");
    const reader = near.start(bin, "capture", "near", "samples", "--write", file);
    await said(reader, "capturing");
    send(7, 2);
    await new Promise((go) => setTimeout(go, 300));
    reader.kill("SIGTERM");
    expect(await ended(reader)).toBe(0);
    expect([...readCapture(readFileSync(file))]).toHaveLength(2);
    expect(xdpc("capture", "near", "events", "-w", file).stderr).toContain("no ringbuf or perf called events");
    expect(xdpc("capture", "near", "-w", "/nowhere/x.pcap").stderr).toContain("/nowhere/x.pcap can't be written");
    expect([...readCapture(readFileSync(file))], "what was there is as it was").toHaveLength(2);
  });

  /** What a process writes to its standard output. */
  function collected(child: ReturnType<Netns["start"]>): () => string {
    let text = "";
    child.stdout?.on("data", (chunk) => {
      text += chunk;
    });
    return () => text;
  }

  function ended(child: ReturnType<Netns["start"]>): Promise<number | null> {
    if (child.exitCode !== null) return Promise.resolve(child.exitCode);
    return new Promise((done) => child.on("close", (code) => done(code)));
  }

  /** Waits until a process says something on its standard error. */
  function said(child: ReturnType<Netns["start"]>, words: string): Promise<void> {
    return new Promise((done, fail) => {
      let text = "";
      child.stderr?.on("data", (chunk) => {
        text += chunk;
        if (text.includes(words)) done();
      });
      child.on("close", () => fail(new Error(`it ended: ${text}`)));
    });
  }
});
