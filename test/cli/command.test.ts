// Every option and exit code of the command line, with a compiler that only says what it was asked.

import { existsSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test, vi } from "vitest";
import { runHere, scratchFolder, writeFiles } from "./support.ts";

vi.mock("../../src/compile.ts", () => import("./stub-compiler.ts"));
vi.mock("../../src/explain/entries.ts", async () => {
  const explanations = [
    { code: "X0701", slug: "never-matches", severity: "warning" },
    { code: "X0702", slug: "fragments-pass", severity: "warning" },
    { code: "X0401", slug: "maybe-absent", severity: "error" },
  ].map((entry) => ({ ...entry, title: "title", text: "text", wrong: { text: "wrong" }, right: { text: "right" } }));
  return {
    explanations,
    explanationOf: (word: string) => explanations.find((e) => e.code === word || e.slug === word) ?? null,
    slugOf: (code: string) => explanations.find((e) => e.code === code)?.slug ?? null,
  };
});

const folder = scratchFolder();
const at = (name: string): string => path.join(folder, name);
let serial = 0;

/** A fresh rule file with `text`; its path without the extension. */
function rules(text: string): string {
  const stem = at(`rules${serial++}`);
  writeFileSync(`${stem}.xdp`, text);
  return stem;
}

/** What the stub compiler was asked for, read from its object. */
function settings(file: string): Record<string, unknown> {
  return JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
}

describe("where the result goes", () => {
  test("beside FILE with .o", () => {
    const stem = rules("pass\n");
    expect(runHere([`${stem}.xdp`])).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect(settings(`${stem}.o`)).toMatchObject({ texts: ["pass\n"] });
  });

  test.each([["rules"], ["rules.test.xdp"], [".xdp"], ["a b.xdp"]])("of a file called %j", (name) => {
    const inner = path.join(folder, `names${serial++}`);
    writeFiles(inner, { [name]: "pass" });
    expect(runHere([path.join(inner, name)]).code).toBe(0);
    expect(existsSync(path.join(inner, `${path.parse(name).name}.o`))).toBe(true);
  });

  test("where -o says, with or without a space", () => {
    const stem = rules("pass");
    expect(runHere([`${stem}.xdp`, "-o", `${stem}-a`]).code).toBe(0);
    expect(runHere([`-o${stem}-b`, `${stem}.xdp`]).code).toBe(0);
    expect(existsSync(`${stem}-a`) && existsSync(`${stem}-b`)).toBe(true);
    expect(existsSync(`${stem}.o`)).toBe(false);
  });

  test("standard input to standard output", () => {
    const { code, stdout } = runHere(["-", "-o", "-"], { stdin: "# from a pipe" });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ texts: ["# from a pipe"] });
    expect(runHere(["-"], { stdin: "x" }).stdout).toContain("texts");
  });

  test("never onto FILE itself", () => {
    const file = at("already.o");
    writeFileSync(file, "pass");
    const { code, stderr } = runHere([file]);
    expect([code, readFileSync(file, "utf8")]).toEqual([2, "pass"]);
    expect(stderr).toContain("would replace");
  });

  test("not to a terminal, unless forced", () => {
    const terminal = { stdin: "pass", terminals: [1] };
    expect(runHere(["-", "-o", "-"], terminal)).toMatchObject({ code: 2, stdout: "" });
    expect(runHere(["-", "-o", "-", "--force"], terminal).stdout).toContain("texts");
    expect(runHere(["-", "--emit", "asm"], terminal)).toMatchObject({ code: 0, stdout: "asm\n" });
  });

  test.each([
    ["asm", "asm\n"],
    ["ir", "ir\n"],
    ["ast", "ast of <stdin>\n"],
  ])("--emit %s is text on standard output, or in OUT", (emit, text) => {
    expect(runHere(["-", "--emit", emit], { stdin: "pass" })).toMatchObject({ code: 0, stdout: text, stderr: "" });
    expect(runHere(["-", "--emit", emit, "-o", at("emitted")], { stdin: "pass" })).toMatchObject({ stdout: "" });
    expect(readFileSync(at("emitted"), "utf8")).toBe(text);
  });
});

describe("whole or not at all", () => {
  test("an error leaves the old file as it was", () => {
    const stem = rules("fail X0401");
    writeFileSync(`${stem}.o`, "old");
    utimesSync(`${stem}.o`, 1000, 1000);
    expect(runHere([`${stem}.xdp`, "-MD"]).code).toBe(1);
    expect(readFileSync(`${stem}.o`, "utf8")).toBe("old");
    expect(statSync(`${stem}.o`).mtimeMs).toBe(1_000_000);
    expect(existsSync(`${stem}.d`)).toBe(false);
  });

  test("a place that can't be written to fails with 2 and changes nothing", () => {
    const stem = rules("pass");
    const { code, stderr } = runHere([`${stem}.xdp`, "-MD", "-MF", `${stem}.d`, "-o", at("missing/out.o")]);
    expect(code).toBe(2);
    expect(stderr).toContain(`can't write ${at("missing/out.o")}: no such file or directory`);
    expect(existsSync(`${stem}.d`)).toBe(false);
    expect(runHere([`${stem}.xdp`, "-o", folder])).toMatchObject({ code: 2 });
  });

  test("a symbolic link stays, what it leads to is replaced", () => {
    const stem = rules("pass");
    writeFileSync(`${stem}-real.o`, "old");
    symlinkSync(`${stem}-real.o`, `${stem}-link.o`);
    expect(runHere([`${stem}.xdp`, "-o", `${stem}-link.o`]).code).toBe(0);
    expect(settings(`${stem}-real.o`)).toMatchObject({ texts: ["pass"] });
  });

  test("a file of which others hold a link or an open descriptor is not overwritten in place", () => {
    const stem = rules("pass");
    writeFileSync(`${stem}.o`, "old");
    const before = statSync(`${stem}.o`).ino;
    expect(runHere([`${stem}.xdp`]).code).toBe(0);
    expect(statSync(`${stem}.o`).ino).not.toBe(before);
  });

  test("devices are written directly", () => {
    expect(runHere([`${rules("pass")}.xdp`, "-o", "/dev/null"]).code).toBe(0);
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
    const full = runHere([`${rules("pass")}.xdp`, "-o", "/dev/full"]);
    expect(full).toMatchObject({ code: 2, stderr: "xdpc: can't write /dev/full: no space left on the device\n" });
  });
});

describe("what the compiler is asked for", () => {
  test.each<[string[], Record<string, unknown>]>([
    [[], { cpu: "v3", kernel: null, optimise: 2, defines: {} }],
    [["-O0"], { optimise: 0 }],
    [["-O", "2"], { optimise: 2 }],
    [["--cpu", "v1"], { cpu: "v1" }],
    [["--cpu=v4"], { cpu: "v4" }],
    [["--kernel", "5.15"], { kernel: "5.15" }],
    [["--kernel", "6.18"], { kernel: "6.18" }],
    [["-D", "LIMIT=3"], { defines: { LIMIT: "3" } }],
    [["-DA=1", "-DB={ 1, 2 }", "-DA=x==y"], { defines: { A: "x==y", B: "{ 1, 2 }" } }],
  ])("%j", (words, asked) => {
    const { code, stdout, stderr } = runHere([...words, "-", "-o", "-"], { stdin: "" });
    expect([code, stderr]).toEqual([0, ""]);
    expect(JSON.parse(stdout)).toMatchObject(asked);
  });

  test.each<[string[], string]>([
    [[], "which FILE"],
    [["a.xdp", "b.xdp"], "too many arguments"],
    [["-O1", "-"], "Allowed choices are 0, 2"],
    [["--cpu", "v5", "-"], "Allowed choices are v1, v2, v3, v4"],
    [["--emit", "exe", "-"], "Allowed choices are obj"],
    [["--kernel", "4.19", "-"], '5.4 to 6.18), not "4.19"'],
    [["--kernel", "new", "-"], 'not "new"'],
    [["-D", "LIMIT", "-"], 'NAME=VALUE, not "LIMIT"'],
    [["-D", "=3", "-"], "NAME=VALUE"],
    [["-D", "1A=3", "-"], "NAME=VALUE"],
    [["-MF", "x.d", "-"], "-MF needs -MD"],
    [["-MP", "-"], "-MP needs -MD"],
    [["-MD", "-", "-o", "-"], "-MD needs -MF"],
    [["-", "-o"], "argument missing"],
    [["-o", "", "-"], "-o is empty"],
    [["--frobnicate", "-"], "unknown option"],
    [["--verbos", "-"], "--verbose"],
    [["-W", "nothing", "-"], 'no warning is named "nothing"'],
    [["-Wno-never-match", "-"], "did you mean never-matches?"],
    [["-Wno-maybe-absent", "-"], "can't be switched"],
    [["--color", "purple", "-"], "Allowed choices are auto"],
    [["--dump", "lowr", "-"], "did you mean lower?"],
    [["-O0", "explain"], "-O means nothing to xdpc explain"],
    [["-v", "disasm", "x.o"], "-v means nothing to xdpc disasm"],
    [["disasm"], "missing required argument"],
    [["explain", "X9999"], 'the code or name "X9999"'],
    [["no-such-file.xdp"], "can't read no-such-file.xdp: no such file or directory"],
    [["/"], "can't read /: is a directory"],
    [["/dev/zero"], "can't read /dev/zero: is not a regular file"],
    [["disasm", "/dev/zero"], "can't read /dev/zero: is not a regular file"],
  ])("%j is wrong usage", (words, complaint) => {
    const { code, stdout, stderr } = runHere(words, { stdin: "" });
    expect(stderr).toContain(complaint);
    expect(stderr).toMatch(/^xdpc: (?!error)/);
    expect([code, stdout]).toEqual([2, ""]);
    const json = runHere(["--json", ...words], { stdin: "" });
    expect(json.code).toBe(2);
    expect(JSON.parse(json.stderr)).toMatchObject({ type: "failure", message: expect.stringContaining(complaint) });
  });

  test("help and version go to standard output", () => {
    expect(runHere(["--help"])).toMatchObject({ code: 0, stderr: "", stdout: expect.stringContaining("--kernel") });
    expect(runHere(["disasm", "-h"])).toMatchObject({ code: 0, stderr: "" });
    expect(runHere(["--version"])).toMatchObject({ code: 0, stderr: "", stdout: expect.stringMatching(/^xdpc \d/) });
  });
});

describe("-MD", () => {
  test("names every file that was read, the main one first", () => {
    const inner = `deps${serial++}`;
    writeFiles(folder, {
      [`${inner}/main.xdp`]: 'import "sub/a b.xdp"\nimport "sub/../c.xdp"\nlibrary eth.xdp\n',
      [`${inner}/sub/a b.xdp`]: 'import "../c.xdp"',
      [`${inner}/c.xdp`]: "pass",
    });
    const main = at(`${inner}/main.xdp`);
    expect(runHere([main, "-MD", "-MP"]).code).toBe(0);
    const names = [at(`${inner}/sub/a\\ b.xdp`), at(`${inner}/c.xdp`)];
    const text = readFileSync(at(`${inner}/main.d`), "utf8");
    expect(text.replaceAll(" \\\n", "")).toBe(
      `${at(`${inner}/main.o`)}: ${main} ${names.join(" ")}\n${names.map((n) => `${n}:\n`).join("")}`,
    );
  });

  test("goes where -MF says, also to standard output", () => {
    const stem = rules("pass");
    expect(runHere([`${stem}.xdp`, "-MD", "-MF", `${stem}.dep`, "-o", `${stem}.x`]).code).toBe(0);
    expect(readFileSync(`${stem}.dep`, "utf8").replaceAll(" \\\n", "")).toBe(`${stem}.x: ${stem}.xdp\n`);
    expect(existsSync(`${stem}.d`)).toBe(false);
    expect(runHere([`${stem}.xdp`, "-MD", "-MF", "-"]).stdout.replaceAll(" \\\n", "")).toBe(`${stem}.o: ${stem}.xdp\n`);
  });
});

describe("warnings", () => {
  const said = (words: string[], text: string): [code: number, codes: string[]] => {
    const { code, stderr } = runHere([...words, "--json", "-", "-o", "-"], { stdin: text });
    const lines = stderr.split("\n").filter((line) => line !== "");
    return [
      code,
      lines.map((line) => JSON.parse(line) as Record<string, string>).map((d) => `${d.severity} ${d.code}`),
    ];
  };
  const BOTH = "warn X0701\nwarn X0702\n";

  test.each<[string[], number, string[]]>([
    [[], 0, ["warning X0701", "warning X0702"]],
    [["-Wno-never-matches"], 0, ["warning X0702"]],
    [["-Wno-x0701", "-W", "no-X0702"], 0, []],
    [["-Wno-never-matches", "-Wnever-matches"], 0, ["warning X0701", "warning X0702"]],
    [["-Werror"], 1, ["error X0701", "error X0702"]],
    [["-Werror", "-Wno-X0701", "-Wno-X0702"], 0, []],
    [["-Wno-X0701", "-Wno-X0702", "-Werror"], 0, []],
    [["-Werror=fragments-pass"], 1, ["warning X0701", "error X0702"]],
    [["-Werror", "-Wno-error"], 0, ["warning X0701", "warning X0702"]],
    [["-Werror", "-Wnever-matches"], 1, ["error X0701", "error X0702"]],
  ])("%j", (words, code, codes) => {
    expect(said(words, BOTH)).toEqual([code, codes]);
  });

  test("-Werror writes nothing", () => {
    const stem = rules("warn X0701");
    expect(runHere([`${stem}.xdp`, "-Werror"]).code).toBe(1);
    expect(existsSync(`${stem}.o`)).toBe(false);
  });
});

describe("how it speaks", () => {
  test("--json gives one object a line with every place", () => {
    const { code, stderr, stdout } = runHere(["--json", "-", "-o", "-"], { stdin: "# é\nfail X0401\nwarn X0701\n" });
    expect([code, stdout]).toEqual([1, ""]);
    expect(
      stderr
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      {
        type: "diagnostic",
        code: "X0401",
        name: "maybe-absent",
        severity: "error",
        message: "an error",
        file: "<stdin>",
        line: 2,
        column: 1,
        endLine: 2,
        endColumn: 11,
        label: "here",
        secondary: [],
        notes: [],
        help: null,
        fix: null,
      },
      expect.objectContaining({ code: "X0701", severity: "warning", help: "help" }),
    ]);
  });

  test("-v tells times, sizes and the kernel that is needed", () => {
    const { stderr } = runHere(["-", "-v", "--emit", "ir"], { stdin: "pass" });
    expect(stderr).toMatch(/1\.50 ms {2}parse\n/);
    expect(stderr).toMatch(/0\.25 ms {2}lower \(main\)\n/);
    expect(stderr).toContain("program main in section xdp: 2 instructions, 8 bytes of stack\n");
    expect(stderr).toContain("needs Linux 5.4 or later\n    5.2: global data\n");
    const lines = runHere(["-", "-v", "--json", "--emit", "ir"], { stdin: "" }).stderr.trimEnd().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { type: string }).type)).toEqual(["pass", "pass", "program"]);
  });

  test("--dump shows the program after a pass and lists the passes", () => {
    expect(runHere(["-", "--dump", "lower", "--emit", "asm"], { stdin: "" })).toMatchObject({
      code: 0,
      stdout: "asm\n",
      stderr: "# main after lower\nir of main\n",
    });
    expect(runHere(["--dump", "list"])).toMatchObject({ code: 0, stdout: "parse\nlower\n", stderr: "" });
  });

  const coloured = (words: string[], around: { env?: Record<string, string>; terminals?: number[] }): boolean =>
    runHere([...words, "-", "-o", "-"], { stdin: "fail X0401", ...around }).stderr.includes("\u001b[");

  test.each<[string[], Record<string, string>, number[], boolean]>([
    [[], {}, [], false],
    [[], {}, [2], true],
    [[], {}, [0, 1], false],
    [[], { NO_COLOR: "1" }, [2], false],
    [[], { NO_COLOR: "" }, [2], true],
    [[], { CLICOLOR_FORCE: "1" }, [], true],
    [[], { CLICOLOR_FORCE: "0" }, [], false],
    [[], { CLICOLOR_FORCE: "1", NO_COLOR: "1" }, [], false],
    [[], { CLICOLOR: "0" }, [2], false],
    [[], { TERM: "dumb" }, [2], false],
    [["--color", "always"], { NO_COLOR: "1" }, [], true],
    [["--color=never"], { CLICOLOR_FORCE: "1" }, [2], false],
  ])("colour: %j with %j and terminals %j", (words, env, terminals, expected) => {
    expect(coloured(words, { env, terminals })).toBe(expected);
  });
});

describe("our own bugs", () => {
  test("are said to be ours, with 70 and without a stack trace", () => {
    const { code, stderr, stdout } = runHere(["-", "-o", "-"], { stdin: "crash" });
    expect([code, stdout]).toEqual([70, ""]);
    expect(stderr).toContain("InternalError: the stub crashed");
    expect(stderr).toMatch(/This is a bug in xdpc \d+\.\d+\.\d+/);
    expect(stderr).not.toContain("stub-compiler");
    expect(runHere(["-"], { stdin: "crash", env: { XDPC_DEBUG: "1" } }).stderr).toContain("stub-compiler");
    expect(runHere(["-"], { stdin: "crash", env: { XDPC_DEBUG: "0" } }).stderr).not.toContain("stub-compiler");
    expect(JSON.parse(runHere(["-", "--json"], { stdin: "crash" }).stderr)).toMatchObject({ type: "bug" });
  });
});
