// How files are read: what an import may be, where it is looked for, which names lead to one file, and what is said when it
// can't be read. Nothing here may hang.

import { execFileSync } from "node:child_process";
import { symlinkSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CliFailure } from "../../src/cli/failure.ts";
import { type FileHost, MAX_FILE_BYTES, openFileHost } from "../../src/cli/host.ts";
import type { System } from "../../src/cli/system.ts";
import { libraryFiles, libraryHeaders } from "../../src/library.ts";
import { scratchFolder, writeFiles } from "./support.ts";

const folder = scratchFolder();
const at = (name: string): string => path.join(folder, name);
writeFiles(folder, {
  "main.xdp": "main",
  "one.xdp": "one",
  "sub/two.xdp": "two",
  "lib/three.xdp": "three",
  "lib/one.xdp": "another one",
  "latin1.xdp": Buffer.from("# line\n# caf\xe9\n", "latin1"),
  "empty.xdp": "",
});

function systemWith(stdin: Uint8Array): System {
  const fail = (): never => {
    throw new Error("not expected");
  };
  return { env: {}, readStdin: (limit) => stdin.subarray(0, limit + 1), write: fail, isTerminal: fail };
}

function open(main: string, importDirs: string[] = [], stdin: Uint8Array = new Uint8Array()): FileHost {
  return openFileHost(main, importDirs, systemWith(stdin));
}

/** Reads an import of the main file: its text, or what is wrong. */
function imported(written: string, importDirs: string[] = []): string {
  const host = open(at("main.xdp"), importDirs);
  const found = host.read(written, host.main.source);
  return "source" in found ? found.source.text : `error: ${found.error}`;
}

describe("imports", () => {
  test("are looked for beside the file that names them, then in the -I folders in their order", () => {
    expect(imported("one.xdp")).toBe("one");
    expect(imported("one.xdp", [at("lib")])).toBe("one");
    expect(imported("three.xdp", [at("sub"), at("lib")])).toBe("three");
    expect(imported("sub/two.xdp")).toBe("two");
    expect(imported(at("one.xdp"))).toBe("one");
    expect(imported("three.xdp")).toBe("error: no such file or directory");
    expect(imported("four.xdp", ["a", "b"])).toBe("error: no such file or directory, also not in a, b");
  });

  test("of an import are relative to it", () => {
    const host = open(at("main.xdp"));
    const two = host.read("sub/two.xdp", host.main.source);
    if (!("source" in two)) throw new Error(two.error);
    expect(host.read("one.xdp", two.source)).toEqual({ error: "no such file or directory" });
    expect(host.read("../one.xdp", two.source)).toMatchObject({ source: { text: "one" } });
  });

  test("are one file by whichever way they are reached, also the main file itself", () => {
    symlinkSync(at("one.xdp"), at("link.xdp"));
    const host = open(at("main.xdp"));
    const get = (written: string) => host.read(written, host.main.source);
    expect(get("one.xdp")).toEqual(get("sub/../one.xdp"));
    const sources = ["one.xdp", "link.xdp", "sub/../one.xdp", at("one.xdp")].map((w) => get(w));
    expect(new Set(sources.map((s) => ("source" in s ? s.source : null))).size).toBe(1);
    const self = get("main.xdp");
    expect("source" in self && self.source === host.main.source).toBe(true);
  });

  test("show the path by which they were found, not where the project lies", () => {
    const cwd = process.cwd();
    process.chdir(folder);
    try {
      const host = open("./main.xdp");
      expect(host.main.source.path).toBe("main.xdp");
      expect(host.read("sub/two.xdp", host.main.source)).toMatchObject({ source: { path: "sub/two.xdp" } });
    } finally {
      process.chdir(cwd);
    }
  });

  test.each([
    ["/dev/zero", "is not a regular file"],
    ["/dev/null", "is not a regular file"],
    ["/proc/self/mem", "error"],
    ["sub", "is a directory"],
    [".", "is a directory"],
    ["", "is a directory"],
    ["one.xdp/x", "a part of the path is not a directory"],
    ["one\0.xdp", "a path can't hold a NUL byte"],
    ["x".repeat(300), "the name is too long"],
    ["loop.xdp", "too many symbolic links"],
    ["pipe.xdp", "is not a regular file"],
    ["large.xdp", "is over 16 MiB"],
    ["latin1.xdp", "is not UTF-8 (byte 0xe9 at line 2, column 6)"],
  ])("of %j: %s", (written, error) => {
    if (written === "loop.xdp") symlinkSync("loop.xdp", at("loop.xdp"));
    if (written === "pipe.xdp") execFileSync("mkfifo", [at("pipe.xdp")]);
    if (written === "large.xdp") {
      writeFileSync(at("large.xdp"), "");
      truncateSync(at("large.xdp"), MAX_FILE_BYTES + 1);
    }
    expect(imported(written)).toContain(error);
    expect(imported(written)).toMatch(/^error: /);
  });

  test("may be as large as the limit, empty, and start with a byte order mark", () => {
    writeFileSync(at("limit.xdp"), Buffer.alloc(MAX_FILE_BYTES, "#"));
    writeFileSync(at("bom.xdp"), "\ufeffpass");
    expect(imported("limit.xdp").length).toBe(MAX_FILE_BYTES);
    expect(imported("empty.xdp")).toBe("");
    expect(imported("bom.xdp")).toBe("pass");
  });
});

describe("the main file", () => {
  test("can be standard input, whose imports are relative to the working folder", () => {
    const cwd = process.cwd();
    process.chdir(folder);
    try {
      const host = open("-", [], Buffer.from("text"));
      expect(host.main.source).toMatchObject({ path: "<stdin>", text: "text" });
      expect(host.read("sub/two.xdp", host.main.source)).toMatchObject({ source: { text: "two" } });
    } finally {
      process.chdir(cwd);
    }
  });

  test("has a limit on standard input too", () => {
    expect(() => open("-", [], Buffer.alloc(MAX_FILE_BYTES + 10))).toThrow(CliFailure);
    expect(open("-", [], Buffer.alloc(MAX_FILE_BYTES)).main.diagnostics).toEqual([]);
  });

  test.each(["missing.xdp", "sub", "/dev/zero", "one.xdp/x"])("%s can't be read", (name) => {
    expect(() => open(path.resolve(folder, name))).toThrow(CliFailure);
  });

  test.each<[number[], number, number]>([
    [[0xe9], 0, 0xe9],
    [[0x61, 0x0a, 0xff, 0x62], 2, 0xff],
    [[0xef, 0xbb, 0xbf, 0x61, 0x80], 4, 0x80],
    [[0xc3, 0xa9, 0xc3], 2, 0xc3],
    [[0xf0, 0x9f, 0x98], 0, 0xf0],
    [[0xed, 0xa0, 0x80], 0, 0xed],
    [[0xc0, 0x80], 0, 0xc0],
    [[0xff, 0xfe, 0x61, 0x00], 0, 0xff],
  ])("of bytes %j is not UTF-8 from byte %i on", (bytes, offset, byte) => {
    const { main } = open("-", [], Uint8Array.from(bytes));
    const [diagnostic] = main.diagnostics;
    expect(diagnostic).toMatchObject({ code: "X0091", severity: "error" });
    const hex = byte.toString(16).padStart(2, "0");
    expect(diagnostic?.primary?.text).toBe(`byte 0x${hex} (number ${offset} from the file's start)`);
  });

  test("is taken exactly when it is UTF-8, and the place is where it stops being so", () => {
    const seed = process.env.FC_SEED === undefined ? undefined : Number(process.env.FC_SEED);
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.uint8Array({ maxLength: 6 }), (start, rest) => {
        const prefix = Buffer.from(start.replace(/^\ufeff+/, ""));
        const bytes = Buffer.concat([prefix, rest]);
        const { main } = open("-", [], bytes);
        // Node's own replacement decoding is the independent judge: U+FFFD appears where the text didn't have it.
        const good = Buffer.compare(Buffer.from(bytes.toString("utf8")), bytes) === 0;
        expect(main.diagnostics.length === 0).toBe(good);
        if (good) expect(main.source.text).toBe(bytes.toString("utf8").replace(/^\ufeff/, ""));
        else expect(main.diagnostics[0]?.primary?.span.start).toBeGreaterThanOrEqual(prefix.toString("utf8").length);
      }),
      { numRuns: Number(process.env.FC_RUNS ?? 500), ...(seed === undefined ? {} : { seed }) },
    );
  });
});

describe("the library", () => {
  test("is at hand by name, always as the same files", () => {
    const host = open(at("main.xdp"));
    expect(host.library("tcp.xdp")).toBe(libraryFiles.get("tcp.xdp"));
    expect(host.library("tcp.xdp")?.path).toBe("<std>/tcp.xdp");
    expect(host.library("nothing.xdp")).toBeNull();
    expect(host.libraryHeaders).toBe(libraryHeaders);
    for (const name of ["eth.xdp", "ipv4.xdp", "ipv6.xdp", "tcp.xdp", "udp.xdp"])
      expect(libraryHeaders).toContain(name);
  });
});
