// `xdpc run` as users run it: rules and objects over captures, what is told and written, with which exit code.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { ByteWriter } from "../../src/base/bytes.ts";
import { parseAsm } from "../../src/bpf/asm-parse.ts";
import type { ResolvedInsn } from "../../src/bpf/insn.ts";
import { writeObject } from "../../src/elfwriter/write.ts";
import { CaptureReader, captureHeader, writeFrame } from "../../src/testing/capture.ts";
import { objectOf } from "../support/compile.ts";
import { frameOf } from "../testing/support.ts";
import { runHere, scratchFolder } from "./support.ts";

const folder = scratchFolder();
let serial = 0;

function fileOf(content: string | Uint8Array, name = `f${serial++}`): string {
  const file = path.join(folder, name);
  writeFileSync(file, content);
  return file;
}

/** A capture of the packets; one a millisecond from second 1. */
function captureOf(frames: readonly Uint8Array[]): string {
  const writer = new ByteWriter("little", 64).bytes(captureHeader());
  for (const [i, frame] of frames.entries()) writeFrame(writer, frame, 1_000_000_000n + BigInt(i) * 1_000_000n);
  return fileOf(writer.finish());
}

function framesIn(bytes: Uint8Array): string[] {
  const frames: string[] = [];
  const reader = new CaptureReader();
  reader.push(bytes, (frame) => {
    frames.push(`${frame.timestampNs} ${Buffer.from(frame.bytes).toString("hex")}`);
    return true;
  });
  expect(reader.end()).toBe(null);
  return frames;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const RULES = `set ports : u16[16]
xskmap xsk[4]
if opaque then drop
if tcp.dport in ports then redirect xsk
if icmp.type == 8 then {
    ip.ttl = 1
    tx
}
if ip then switch ip.protocol {
    udp => drop
    else => { if ip.ttl == 9 then aborted }
}
`;
const FRAMES = [
  frameOf("eth / ip / tcp(dport: 80)"),
  frameOf("eth / ip / tcp(dport: 81)"),
  frameOf("eth / ip(ttl: 7) / icmp(type: 8)"),
  frameOf("eth / ip / udp(dport: 5)"),
  frameOf("eth / ip(ttl: 9) / tcp"),
  frameOf("eth / arp"),
  frameOf("eth / ip / tcp / cut(40)"),
];
const capture = captureOf(FRAMES);

describe("rules over a capture", () => {
  const rules = fileOf(RULES, "rules.xdp");

  test("verdicts and the table of rules", () => {
    const { code, stdout, stderr } = runHere(["run", rules, "--pcap", capture, "--map", "ports={80}"]);
    expect([code, stderr]).toEqual([0, ""]);
    const bytes = FRAMES.reduce((sum, f) => sum + f.length, 0);
    const squeezed = stdout
      .replaceAll(rules, "FILE")
      .replace(/in \d+\.\d\d s/, "in T s")
      .replace(/ +/g, " ");
    expect(squeezed).toBe(
      [
        `7 packets, ${bytes} bytes, in T s`,
        "",
        " drop 2 28.6 %",
        " pass 2 28.6 %",
        " aborted 1 14.3 %",
        " redirect xsk[0] 1 14.3 %",
        " tx 1 14.3 %",
        "",
        " rule reached held",
        " FILE:3 if opaque then drop 7 1",
        " FILE:4 if tcp.dport in ports then redirect xsk 6 1",
        " FILE:5 if icmp.type == 8 then { 5 1",
        " FILE:6 ip.ttl = 1 1",
        " FILE:7 tx 1",
        " FILE:9 if ip then switch ip.protocol { 4 3",
        " FILE:10 udp => drop 1",
        " FILE:11 else => { if ip.ttl == 9 then aborted } 2 1",
        "",
      ].join("\n"),
    );
  });

  test("JSON has the same", () => {
    const { stdout } = runHere(["run", rules, "--pcap", capture, "--map", "ports={80}", "--json", "--explain", "3"]);
    const report = JSON.parse(stdout) as { explained: { way: { line: number; took: string | null }[] } };
    expect(report).toMatchObject({
      type: "run",
      program: "xdp_rules",
      packets: 7,
      cut: 0,
      verdicts: { drop: 2, pass: 2, aborted: 1, "redirect xsk[0]": 1, tx: 1 },
      explained: { packet: 3, fate: "tx" },
      notes: [],
    });
    expect(report.explained.way.map((s) => [s.line, s.took])).toEqual([
      [3, "no"],
      [4, "no"],
      [5, "yes"],
      [6, null],
      [7, null],
    ]);
  });

  test("a packet is explained by its own run, with the state it met", () => {
    const counting = fileOf("var seen : u32\nseen += 1\nif seen == 3 then drop\nif udp.dport == 5 then pass\n");
    const { stdout } = runHere(["run", counting, "--pcap", capture, "--explain", "4", "-W", "no-lets-fragments-by"]);
    expect(stdout).toContain(`packet 4, 42 bytes, 1970-01-01T00:00:01.003000000Z\n`);
    expect(stdout).toMatch(
      /its way: pass\n.*seen \+= 1\n.*if seen == 3 then drop +no\n.*if udp.dport == 5 then pass +yes +udp.dport = 5\n.* {2}pass\n/,
    );
  });

  test("the clock is the capture's, the interface its own", () => {
    const timed = fileOf("if meta.now < 1s + 2ms then drop\nif meta.ingress_ifindex != 1 then aborted\n");
    const { stdout } = runHere(["run", timed, "--pcap", capture, "--json"]);
    expect((JSON.parse(stdout) as { verdicts: unknown }).verdicts).toEqual({ drop: 2, pass: 5 });
  });

  test("what leaves is written, changed as it is, beside and then in place", () => {
    const out = path.join(folder, "out.pcap");
    const { code } = runHere(["run", rules, "--pcap", capture, "--pcap-out", out, "--map", "ports={80}"]);
    expect(code).toBe(0);
    const changed = frameOf("eth / ip(ttl: 1) / icmp(type: 8)");
    expect(framesIn(readFileSync(out))).toEqual([
      `1000000000 ${hex(FRAMES[0] ?? changed)}`,
      `1001000000 ${hex(FRAMES[1] ?? changed)}`,
      `1002000000 ${hex(changed)}`,
      `1005000000 ${hex(FRAMES[5] ?? changed)}`,
    ]);
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
    const piped = runHere(["run", rules, "--pcap", capture, "--pcap-out", "-", "--map", "ports={80}"]);
    expect(hex(piped.stdoutBytes)).toBe(hex(readFileSync(out)));
    expect(piped.stderr).toContain("7 packets");
  });

  test("standard input, a limit, a capture that stops in the middle", () => {
    const bytes = readFileSync(capture);
    const cut = runHere(["run", rules, "--pcap", "-"], { stdin: bytes.subarray(0, bytes.length - 3) });
    expect(cut.stdout).toMatch(/^6 packets,[\s\S]*note: -: it ends in the middle of packet 7\n$/);
    expect(runHere(["run", rules, "--pcap", "-", "--limit", "2"], { stdin: bytes }).stdout).toMatch(/^2 packets,/);
    expect(runHere(["run", "-", "--pcap", capture], { stdin: "drop\n" }).stdout).toMatch(/drop +7 {2}100.0 %/);
  });
});

describe("an object over a capture", () => {
  const object = fileOf(objectOf(RULES), "rules.o");

  test("the same verdicts, lines instead of statements", () => {
    const { code, stdout } = runHere(["run", object, "--pcap", capture, "--map", "ports={80, 443}", "--explain", "1"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/redirect xsk\[0\] +1 /);
    expect(stdout).toMatch(/rules\.xdp:4 +if tcp\.dport in ports then redirect xsk +\d/);
    expect(stdout).toMatch(/its way: redirect xsk\[0\]\n[\s\S]*rules\.xdp:4/);
  });

  test("entries by their types, one by one", () => {
    const typed = fileOf(
      objectOf(
        "map limits : hash<ipv4, u32>[8]\nif ip then { if let most = limits[ip.saddr] then { if meta.len > most then drop } }",
      ),
      "typed.o",
    );
    const { stdout } = runHere(["run", typed, "--pcap", capture, "--map", "limits[0.0.0.0]=53", "--json"]);
    expect((JSON.parse(stdout) as { verdicts: unknown }).verdicts).toEqual({ drop: 3, pass: 4 });
  });

  test("a program that fails ends the run with the packet's number", () => {
    const { insns } = assembled("r1 = *(u32 *)(r1 + 0)\nr0 = *(u8 *)(r1 + 45)\nw0 = 2\nexit");
    const bad = fileOf(
      writeObject({
        license: "GPL",
        maps: [],
        data: [],
        programs: [
          {
            name: "bad",
            section: "xdp",
            insns,
            lines: [],
            result: { kind: "int", name: "int", bytes: 4, signed: true, bool: false },
            parameters: [],
            runConfig: null,
          },
        ],
      }),
      "bad.o",
    );
    const { code, stderr, stdout } = runHere(["run", bad, "--pcap", capture]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^xdpc: packet 3: bad: instruction 1: /);
  });
});

function assembled(text: string): { insns: readonly ResolvedInsn[] } {
  const parsed = parseAsm(text);
  if (!("insns" in parsed)) throw new Error(JSON.stringify(parsed));
  return parsed;
}

describe("what can't be run", () => {
  const rules = fileOf("drop\n");
  const two = fileOf("program a { drop }\nprogram b { pass }\n");
  const object = fileOf(objectOf(RULES));
  const pcapOf = (link: number): string => {
    const w = new ByteWriter("little").u32(0xa1b2c3d4).u16(2).u16(4).u32(0).u32(0).u32(65535).u32(link);
    return fileOf(w.u32(0).u32(0).u32(1).u32(1).u8(7).finish());
  };
  const CASES: readonly (readonly [words: readonly string[], code: number, message: string])[] = [
    [[rules], 2, "required option '--pcap <IN>' not specified"],
    [[rules, "--pcap", path.join(folder, "none")], 2, "none: no such file or directory"],
    [[rules, "--pcap", folder], 2, `can't read ${folder}: is a directory`],
    [[rules, "--pcap", rules], 2, "is no pcap or pcapng capture"],
    [[rules, "--pcap", pcapOf(113)], 2, "has no Ethernet frames"],
    [[rules, "--pcap", capture, "--explain", "8"], 2, "there is no packet 8: 7 were read"],
    [[rules, "--pcap", capture, "--explain", "0"], 2, '--explain takes a number from 1, not "0"'],
    [[rules, "--pcap", capture, "--map", "x={1}"], 1, "nothing is called `x`"],
    [[rules, "--pcap", capture, "--pcap-out", folder], 2, `can't write ${folder}: is a directory`],
    [[two, "--pcap", capture], 2, "has 2 programs (a, b); choose one with --program"],
    [[two, "--pcap", capture, "--program", "c"], 2, "has no program c, but a, b"],
    [["-", "--pcap", "-"], 2, "rules and capture can't both be standard input"],
    [[object, "--pcap", capture, "--map", "ports"], 2, "--map takes NAME={KEY, …} or NAME[KEY]=VALUE"],
    [[object, "--pcap", capture, "--map", "none={1}"], 2, "the object has no map none, but"],
    [[object, "--pcap", capture, "--map", "ports={70000}"], 2, "--map ports={70000}: "],
    [[object, "--pcap", capture, "-D", "A=1"], 2, "-D means nothing for an object"],
  ];
  test.each(CASES)("%j: %i", (words, code, message) => {
    const result = runHere(["run", ...words]);
    expect(result.stderr).toContain(message);
    expect([result.code, result.stdout]).toEqual([code, ""]);
  });

  test("a failure leaves the old capture as it was", () => {
    const out = fileOf("old");
    const damaged = fileOf(Buffer.concat([readFileSync(capture).subarray(0, 94), Buffer.alloc(40, 0xff)]));
    expect(runHere(["run", rules, "--pcap", damaged, "--pcap-out", out]).code).toBe(2);
    expect(readFileSync(out, "utf8")).toBe("old");
    expect(existsSync(path.join(folder, `.xdpc-${process.pid}-capture.tmp`))).toBe(false);
  });
});

test("other frames are left out and told, cut ones counted", () => {
  const w = new ByteWriter("little").u32(0xa1b2c3d4).u16(2).u16(4).u32(0).u32(0).u32(65535).u32(1);
  w.u32(0).u32(0).u32(14).u32(1000).bytes(new Uint8Array(14));
  const { stdout } = runHere(["run", "-", "--pcap", fileOf(w.finish())], { stdin: "pass\n" });
  expect(stdout).toMatch(/^1 packet, 1,000 bytes,[\s\S]*note: 1 packets were captured in part/);
});
