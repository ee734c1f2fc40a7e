// Input that no one means well with: every file must end in diagnostics with a place or in an object, in bounded time, never in a
// crash. Run in the built program as a process, so that an endless loop or a full stack can't hide.

import { spawnSync } from "node:child_process";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { builtBin } from "./build.ts";
import { plainEnv, scratchFolder, writeFiles } from "./support.ts";

const folder = scratchFolder();
const MEBIBYTE = 1 << 20;
/** Far more than any of these takes, for machines that are busy. */
const PATIENCE_MILLISECONDS = 60_000;

beforeAll(() => {
  builtBin();
});

interface Outcome {
  readonly status: number | null;
  readonly codes: readonly string[];
}

/** Compiles one file and returns the exit code and what was said; a run without end is a failure. */
function compileBytes(content: string | Uint8Array, words: readonly string[] = []): Outcome {
  writeFiles(folder, { "main.xdp": content });
  const { status, signal, stderr } = spawnSync(builtBin(), ["--json", "main.xdp", "-o", "main.o", ...words], {
    cwd: folder,
    env: plainEnv(),
    timeout: PATIENCE_MILLISECONDS,
    maxBuffer: 1 << 28,
    encoding: "utf8",
  });
  expect([signal, stderr.slice(0, 2000)]).toEqual([null, expect.not.stringContaining('"bug"')]);
  const said = stderr
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { type: string; code?: string; line?: number | null });
  for (const one of said) if (one.type === "diagnostic") expect(one.line).toBeGreaterThan(0);
  return { status, codes: said.map((one) => one.code ?? one.type) };
}

describe("one large thing", () => {
  test.each([
    ["1 MB of opening brackets", "(".repeat(MEBIBYTE)],
    ["1 MB of closing brackets", ")".repeat(MEBIBYTE)],
    ["1 MB of braces", "{".repeat(MEBIBYTE)],
    ["1 MB of square brackets in a condition", `if x${"[".repeat(MEBIBYTE)} then drop`],
    ["1 MB of `not`", `if ${"not ".repeat(MEBIBYTE / 4)}tcp then drop`],
    ["1 MB of minus signs", `if tcp.dport == ${"-".repeat(MEBIBYTE)}1 then drop`],
    ["a 1 MB name", `set ${"a".repeat(MEBIBYTE)} : u16[64]\npass`],
    ["a 1 MB number", `if tcp.dport == ${"9".repeat(MEBIBYTE)} then drop`],
    ["a 1 MB string without an end", `log "${"x".repeat(MEBIBYTE)}`],
    ["1 MB of dots", `if tcp${".".repeat(MEBIBYTE)} then drop`],
    ["1 MB of `else if`", `if tcp then pass${" else if tcp then pass".repeat(MEBIBYTE / 20)}`],
    ["10,000 nested ifs", `${"if tcp then { ".repeat(10_000)}drop${" }".repeat(10_000)}`],
    ["10,000 nested ifs without braces", `${"if tcp then ".repeat(10_000)}drop`],
    ["a sum of 200,000 terms", `if meta.len == ${"1 + ".repeat(200_000)}1 then drop`],
    ["1 MB of NUL bytes", "\0".repeat(MEBIBYTE)],
    ["1 MB of 0xff", new Uint8Array(MEBIBYTE).fill(0xff)],
    ["100,000 wrong words", "wrong\n".repeat(100_000)],
  ])("%s is refused", (_what, content) => {
    const { status, codes } = compileBytes(content);
    expect(status).toBe(1);
    expect(codes.length).toBeGreaterThan(0);
    expect(codes.length).toBeLessThan(1000);
  });

  test.each([
    ["a 1 MB comment", `# ${"x".repeat(MEBIBYTE)}\npass`],
    ["1 MB of line breaks", `${"\n".repeat(MEBIBYTE)}pass`],
    ["1 MB of semicolons", `var x : u32\nx = 1${";".repeat(MEBIBYTE)}\npass`],
    ["CRLF", "counter hits\r\nif opaque or tcp.dport == 23 then {\r\n  count hits\r\n  drop\r\n}\r\n"],
    ["a byte order mark", "\ufeffpass"],
  ])("%s is compiled", (_what, content) => {
    expect(compileBytes(content)).toEqual({ status: 0, codes: [] });
  });

  test.each([
    ["an empty file", ""],
    ["blanks", " \t\r\n"],
    ["a comment alone", "# nothing"],
    ["a lone CR", "\r"],
    ["a NUL in a rule", "if tcp\0 then drop"],
    ["a lone surrogate's bytes", new Uint8Array([0x23, 0xed, 0xa0, 0x80])],
    ["UTF-16", Buffer.from("\ufeffpass", "utf16le")],
    ["an ELF file", new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0])],
    ["a 1 MB format", `log "${"x".repeat(MEBIBYTE)}"\npass`],
    [
      "a set of 200,000 numbers",
      `if meta.len in { ${Array.from({ length: 200_000 }, (_, i) => i).join(", ")} } then drop`,
    ],
  ])("%s is answered", (_what, content) => {
    const { status, codes } = compileBytes(content);
    expect([0, 1]).toContain(status);
    expect(codes.length > 0).toBe(status === 1);
  });

  test("many rules", () => {
    const rules = Array.from({ length: 300 }, (_, i) => `if tcp.dport == ${i} and udp.sport == ${i} then drop\n`);
    expect([0, 1]).toContain(compileBytes(rules.join("")).status);
  });
});

describe("imports", () => {
  test.each([
    "/dev/zero",
    "/dev/stdin",
    "/dev/tty",
    "/proc/self/fd/0",
    "/proc/kmsg",
    "main.xdp",
    ".",
    "..",
    "/",
    "",
    "pipe",
    "a\\u{1}b",
    "x".repeat(5000),
    "../".repeat(2000),
  ])("of %j", (written) => {
    spawnSync("mkfifo", [path.join(folder, "pipe")]);
    const { status, codes } = compileBytes(`import "${written}"\npass`);
    expect(status).toBe(1);
    expect(codes[0]).toMatch(/^X000[23]$/);
  });

  test("in a circle, in a long chain and of one file many times", () => {
    const chain = Object.fromEntries(
      Array.from({ length: 200 }, (_, i) => [`c${i}.xdp`, i === 199 ? "const LAST = 1" : `import "c${i + 1}.xdp"`]),
    );
    writeFiles(folder, { ...chain, "a.xdp": 'import "b.xdp"', "b.xdp": 'import "a.xdp"', "one.xdp": "const ONE = 1" });
    expect(compileBytes('import "a.xdp"\npass').codes).toContain("X0003");
    expect(compileBytes('import "c0.xdp"\npass').status).toBe(1);
    expect(compileBytes(`${'import "one.xdp"\n'.repeat(1000)}if meta.len == ONE then drop`).status).toBe(0);
  });
});

describe("objects", () => {
  test.each([
    ["nothing", new Uint8Array()],
    ["text", Buffer.from("pass\n")],
    ["an ELF header alone", Buffer.from("7f454c460201010000000000000000000100f700", "hex")],
    ["noise", Uint8Array.from({ length: 4096 }, (_, i) => (i * 7919) & 0xff)],
  ])("%s is no object", (_what, content) => {
    writeFiles(folder, { "broken.o": content });
    const { status, stderr } = spawnSync(builtBin(), ["disasm", "broken.o"], { cwd: folder, encoding: "utf8" });
    expect([status, stderr]).toEqual([2, expect.stringMatching(/^xdpc: can't disassemble broken\.o: /)]);
  });
});
