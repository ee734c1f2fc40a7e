// `xdpc test` as users run it: what is printed, in which format, with which exit code.

import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { runHere, scratchFolder } from "./support.ts";

const folder = scratchFolder();
let serial = 0;

function fileOf(text: string, name = `t${serial++}.xdp`): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

const RULES = `set ports : u16[16]
xskmap xsk[4]
if opaque then drop
if tcp.dport in ports then redirect xsk
if udp.dport == 53 then drop
`;
const GOOD = `test "web" { ports = { 80 } packet eth / ip / tcp(dport: 80) expect redirect xsk }
test "names <&\\"> #1" { packet eth / ip / udp(dport: 53) expect drop }
`;
const BAD = `test "telnet" { packet eth / ip(saddr: 10.0.0.1) / tcp(dport: 23, syn: 1)
    expect drop
}
`;

describe("exit codes", () => {
  const CASES: readonly (readonly [what: string, text: string, words: readonly string[], code: number])[] = [
    ["all pass", RULES + GOOD, [], 0],
    ["one fails", RULES + GOOD + BAD, [], 1],
    ["only the good are asked", RULES + GOOD + BAD, ["--filter", "web"], 0],
    ["faults in the rules", `if tcp.dprt == 1 then drop\n${GOOD}`, [], 1],
    ["no tests", RULES, [], 2],
    ["no such test", RULES + GOOD, ["--filter", "nothing"], 2],
    ["an unknown format", RULES + GOOD, ["--format", "xml"], 2],
    ["an option of compiling", RULES + GOOD, ["--emit", "asm"], 2],
    [
      "a warning made an error",
      "if tcp.dport == 1 then drop\n" + 'test "t" { packet eth expect pass }',
      ["-W", "error"],
      1,
    ],
  ];
  test.each(CASES)("%s", (_what, text, words, code) => {
    expect(runHere(["test", fileOf(text), ...words]).code).toBe(code);
  });

  test("a file that isn't there", () => {
    const { code, stderr } = runHere(["test", path.join(folder, "none.xdp")]);
    expect([code, stderr]).toEqual([
      2,
      `xdpc: can't read ${path.join(folder, "none.xdp")}: no such file or directory\n`,
    ]);
  });

  test("a faulty file among good ones: these are run all the same", () => {
    const { code, stdout, stderr } = runHere(["test", fileOf("if x then drop\n"), fileOf(RULES + GOOD)]);
    expect(code).toBe(1);
    expect(stdout).toContain("2 passed");
    expect(stderr).toContain("error[X0202]");
  });
});

describe("for people", () => {
  test("a list, failures in full, a sum", () => {
    const file = fileOf(RULES + GOOD + BAD, "pretty.xdp");
    const { stdout } = runHere(["test", file]);
    expect(stdout.replaceAll(file, "FILE")).toBe(
      `FILE
  ✓ web
  ✓ names <&"> #1
  ✗ telnet

✗ telnet
  FILE:9:5: expected drop, but it was: pass

    9 | expect drop

  packet 1, 54 bytes
    eth   daddr 00:00:00:00:00:00, saddr 00:00:00:00:00:00, type 0x0800 (ip)
    ip    version 4, ihl 5, tot_len 40, ttl 64, protocol 6 (tcp), check 0x70d0, saddr 10.0.0.1, daddr 0.0.0.0
    tcp   dport 23, doff 5, flags syn, check 0xa5cb

  its way: pass
    FILE:3  if opaque then drop                      no
    FILE:4  if tcp.dport in ports then redirect xsk  no   tcp.dport = 23
    FILE:5  if udp.dport == 53 then drop             no   no udp
            (the rules end here)
  rules that would have done it
    FILE:3  if opaque then drop
    FILE:5  if udp.dport == 53 then drop

1 failed, 2 passed
`.replace(/ +\(the/, `${" ".repeat(8 + file.length)}(the`),
    );
  });

  test("colours and times where asked", () => {
    const file = fileOf(RULES + GOOD);
    expect(runHere(["test", file]).stdout.includes("\x1b") || runHere(["test", file]).stdout.includes(" ms")).toBe(
      false,
    );
    expect(runHere(["test", file, "--color", "always"]).stdout).toContain("\x1b[32m✓\x1b[0m web");
    expect(runHere(["test", file], { terminals: [1] }).stdout).toContain("\x1b[32m✓\x1b[0m web");
    expect(runHere(["test", file, "-v"]).stdout).toMatch(/✓ web \d+\.\d ms\n[\s\S]*2 passed in /);
  });

  test("a packet that left otherwise is shown before and after", () => {
    const { stdout } = runHere(["test", "-"], {
      stdin: 'if ip then { ip.ttl -= 1 tx }\ntest "t" { packet eth / ip(ttl: 5) expect tx eth / ip(ttl: 3) }',
    });
    expect(stdout).toContain("= ip.ttl is 4, not 3");
    expect(stdout).toMatch(/as it left, 34 bytes\n[\s\S]*ttl 4, protocol 0, check 0xb6eb/);
  });
});

describe("for programs", () => {
  const text = RULES + GOOD + BAD;

  test("TAP", () => {
    const file = fileOf(text);
    const { stdout } = runHere(["test", file, "--format", "tap"]);
    expect(stdout.split("\n").slice(0, 9)).toEqual([
      "TAP version 14",
      "1..3",
      `ok 1 - ${file}: web`,
      `ok 2 - ${file}: names <&"> \\#1`,
      `not ok 3 - ${file}: telnet`,
      "  ---",
      '  message: "expected drop, but it was: pass"',
      `  at: "${file}:9:5"`,
      "  details: |",
    ]);
    expect(stdout.trimEnd().endsWith("  ...")).toBe(true);
  });

  test("JUnit", () => {
    const file = fileOf(text);
    const { stdout } = runHere(["test", file, "--format", "junit"]);
    expect(stdout).toMatch(
      /^<\?xml version="1.0" encoding="UTF-8"\?>\n<testsuites tests="3" failures="1" time="\d+\.\d{3}">/,
    );
    expect(stdout).toContain('name="names &lt;&amp;&quot;&gt; #1"');
    expect(stdout).toContain('<failure message="expected drop, but it was: pass">');
    expect(stdout.match(/<testcase/g)?.length).toBe(3);
  });

  test("JSON", () => {
    const file = fileOf(text);
    for (const words of [
      ["test", "--json", file],
      ["--json", "test", file],
    ]) {
      const lines = runHere(words)
        .stdout.trimEnd()
        .split("\n")
        .map((l) => JSON.parse(l) as Record<string, unknown>);
      expect(lines.map((l) => [l.type, l.title, l.passed, l.line])).toEqual([
        ["test", "web", true, 6],
        ["test", 'names <&"> #1', true, 7],
        ["test", "telnet", false, 9],
      ]);
    }
  });
});
