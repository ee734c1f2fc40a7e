// What `xdpc status` shows: counters with the lines that count, summed over CPUs and sorted, as a table and as JSON, once and watched, of our programs
// and others'. Traffic is known frame by frame.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { binPath } from "../support/cli.ts";
import { objectFile, objectOf } from "../support/compile.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createPeerNetns, createVeth, type Netns, netnsProblem, type VethEnd } from "../support/netns.ts";
import { eth, ip, packet, payload, tcp, udp } from "../support/packets.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import { openPacketSocket, type PacketSocket } from "../support/sockets.ts";
import { programOn, rules, xdpcIn, xdpcJson, xdpcOk } from "./device-cli.ts";

const to80 = packet(eth(), ip({ saddr: "10.0.0.1" }), tcp({ dport: 80 }), payload(6));
const to443 = packet(eth(), ip({ saddr: "10.0.0.2" }), tcp({ dport: 443 }), payload(26));
const dns = packet(eth(), ip({ saddr: "10.0.0.3" }), udp({ dport: 53 }), payload(22));

const RULES = `counter hits, by_port[u16]
counter pairs[(ipv4, u16)]
if ip and tcp then {
  count by_port[tcp.dport]
  count pairs[(ip.saddr, tcp.dport)]
}
if tcp.dport == 80 then { count hits drop }
if udp then { count hits pass }
`;

interface Counter {
  readonly name: string;
  readonly lines: readonly { readonly line: number; readonly text: string }[];
  readonly packets: number;
  readonly bytes: number;
  readonly entries: readonly { readonly key: string; readonly packets: number; readonly bytes: number }[] | null;
  readonly more: number;
}

describeWith("status", [netnsProblem(), toolProblem("bpftool", "script")], () => {
  let near: Netns;
  let far: Netns;
  let sender: VethEnd;
  let from: PacketSocket;

  beforeAll(async () => {
    near = await createNetns();
    far = await createPeerNetns(near);
    [sender] = createVeth({ netns: near, device: "veth0" }, { netns: far, device: "veth0" });
    from = openPacketSocket(sender);
  });
  afterEach(() => {
    xdpcIn(far, "detach", "veth0", "--force");
  });
  afterAll(closeAll);

  function send(...frames: readonly Uint8Array[]): void {
    for (const frame of frames) from.send(frame);
  }

  function counters(...words: readonly string[]): readonly Counter[] {
    const status = xdpcJson(far, "status", "veth0", ...words) as { programs: { counters: Counter[] }[] };
    return status.programs[0]?.counters ?? [];
  }

  test("counters are summed, sorted, and have the lines that count", () => {
    xdpcOk(far, "attach", rules("counting", RULES), "veth0");
    send(to80, to443, to443, dns, dns, dns, to443);
    const [byPort, hits, pairs] = counters();
    expect(byPort).toMatchObject({ name: "by_port", packets: 4, bytes: 60 + 3 * 80, more: 0 });
    expect(byPort?.entries).toEqual([
      { key: "443", packets: 3, bytes: 240 },
      { key: "80", packets: 1, bytes: 60 },
    ]);
    expect(byPort?.lines.map(({ line }) => line)).toEqual([4]);
    expect(hits).toMatchObject({ name: "hits", packets: 4, bytes: 60 + 3 * 64, entries: null });
    expect(hits?.lines).toEqual([
      { file: expect.any(String), line: 7, text: "if tcp.dport == 80 then { count hits drop }" },
      { file: expect.any(String), line: 8, text: "if udp then { count hits pass }" },
    ]);
    expect(pairs?.entries?.map(({ key, packets }) => [key, packets])).toEqual([
      ["(10.0.0.2, 443)", 3],
      ["(10.0.0.1, 80)", 1],
    ]);
    expect(counters("--rows", "1")[0]).toMatchObject({ packets: 4, entries: [{ key: "443" }], more: 1 });

    const text = xdpcOk(far, "status", "--rows", "1");
    expect(text).toMatch(
      /^veth0: xdp_counting \(id \d+, tag [0-9a-f]{16}, native\), loaded \d{4}-\d\d-\d\d \d\d:\d\d:\d\d from \/.*counting\.xdp\n/,
    );
    const table = text.split("\n").slice(4);
    expect(table).toEqual([
      "  counter  key              packets  bytes  counted at",
      "  by_port  all 2                  4    300  counting.xdp:4: count by_port[tcp.dport]",
      "           443                    3    240",
      "           … 1 more",
      "  hits                            4    252  counting.xdp:7, 8",
      "  pairs    all 2                  4    300  counting.xdp:5: count pairs[(ip.saddr, tcp.dport)]",
      "           (10.0.0.2, 443)        3    240",
      "           … 1 more",
      "",
    ]);
  });

  test("--count-rules: how often each rule was reached and held", () => {
    const file = rules(
      "each",
      "if tcp.dport == 80 then drop\nif udp then {\n  if udp.dport == 53 then drop\n}\npass\n",
    );
    xdpcOk(far, "attach", file, "veth0", "--count-rules");
    send(to80, to443, to443, dns, dns, dns);
    const status = xdpcJson(far, "status", "veth0") as {
      programs: { rules: { line: number; depth: number; reached: number; held: number | null }[] }[];
    };
    expect(status.programs[0]?.rules.map(({ line, depth, reached, held }) => [line, depth, reached, held])).toEqual([
      [1, 0, 6, 1],
      [2, 0, 5, 3],
      [3, 1, 3, 3],
      [5, 0, 2, null],
    ]);
    expect(xdpcOk(far, "status", "veth0").split("\n").slice(2)).toEqual([
      "",
      "              rule                            reached  held",
      "  each.xdp:1  if tcp.dport == 80 then drop          6     1",
      "  each.xdp:2  if udp then {                         5     3",
      "  each.xdp:3    if udp.dport == 53 then drop        3     3",
      "  each.xdp:5  pass                                  2",
      "",
    ]);
    // Replacing counts anew, and without the option not at all.
    xdpcOk(far, "attach", file, "veth0", "--replace");
    expect(xdpcJson(far, "status", "veth0")).toMatchObject({ programs: [{ rules: null }] });
  });

  test("many entries are read, and the largest shown", () => {
    xdpcOk(far, "attach", rules("many", "counter from[ipv4]\nif ip then { count from[ip.saddr] drop }\n"), "veth0");
    const frames = Array.from({ length: 3000 }, (_, i) =>
      packet(eth(), ip({ saddr: `10.1.${i >> 8}.${i & 255}` }), udp({ dport: 53 }), payload(18)),
    );
    send(...frames, frames[77] as Uint8Array);
    const [from] = counters("--all-rows");
    expect(from).toMatchObject({ packets: 3001, more: 0 });
    expect(from?.entries).toHaveLength(3000);
    expect(from?.entries?.[0]).toMatchObject({ key: "10.1.0.77", packets: 2 });
    expect(counters()[0]).toMatchObject({ packets: 3001, more: 2990 });
  });

  test("others' programs are shown without counters, devices without one as such", () => {
    expect(xdpcOk(far, "status")).toBe("no device has an XDP program here\n");
    expect(xdpcOk(far, "status", "veth0")).toBe("veth0: no XDP program is attached\n");
    const object = objectFile(objectOf("counter c\nif ip then count c\n"), "others.o");
    far.run("ip", "link", "set", "dev", "veth0", "xdpgeneric", "object", object, "section", "xdp");
    const id = programOn(far, "veth0")?.id;
    expect(xdpcOk(far, "status")).toMatch(
      new RegExp(
        `^veth0: xdp_rules \\(id ${id}, tag [0-9a-f]{16}, generic\\), loaded .*\n {2}xdpc didn't attach it: its maps aren't shown\n$`,
      ),
    );
  });

  test("watched in a pipe: a reading after the other, with rates", async () => {
    xdpcOk(far, "attach", rules("watched", RULES), "veth0");
    const [program = "", ...words] = far.commandLine([
      binPath,
      "status",
      "veth0",
      "--json",
      "--interval",
      "0.5",
      "--count",
      "3",
    ]);
    const child = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.on("data", (chunk) => {
      const isFirst = text === "";
      text += chunk;
      if (isFirst) for (let i = 0; i < 50; i++) send(to80);
    });
    expect((await once(child, "close"))[0]).toBe(0);
    const readings = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { programs: { counters: (Counter & { packetsPerSecond?: number })[] }[] });
    const hits = readings.map((one) => one.programs[0]?.counters.find((c) => c.name === "hits"));
    expect(hits.map((one) => one?.packets)).toEqual([0, 50, 50]);
    expect(hits[0]?.packetsPerSecond).toBeUndefined();
    // 50 packets in half a second, give or take what the machine is late.
    expect(hits[1]?.packetsPerSecond).toBeGreaterThan(10);
    expect(hits[1]?.packetsPerSecond).toBeLessThanOrEqual(101);
    expect(hits[2]?.packetsPerSecond).toBe(0);
    const plain = xdpcOk(far, "status", "veth0", "--interval", "0.1", "--count", "2");
    expect(plain).not.toContain("\x1b");
    expect(plain.match(/^veth0: /gm)).toHaveLength(2);
    expect(plain).toContain("packets/s");
  });

  test("watched on a terminal: drawn in its place; interrupting it is no failure", async () => {
    xdpcOk(far, "attach", rules("drawn", RULES), "veth0");
    // script(1) gives it a terminal, and its end by Ctrl-C comes through that terminal.
    const command = `exec ${binPath} status veth0 --watch --interval 0.2`;
    const [program = "", ...words] = far.commandLine(["script", "-qec", command, "/dev/null"]);
    const child = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
    let text = "";
    let interrupted = false;
    child.stdout.on("data", (chunk) => {
      text += chunk;
      if (text.split("\x1b[H").length === 4 && !interrupted) {
        interrupted = true;
        child.stdin.write("\x03");
      }
    });
    expect((await once(child, "close"))[0]).toBe(0);
    expect(text.startsWith("\x1b[2J\x1b[H")).toBe(true);
    expect(text).toContain("by_port");
  });
});
