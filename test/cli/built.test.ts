// The built program as its users start it: through links, from odd places, with and without a start-up snapshot, in pipes. Whether
// it runs from a snapshot must change nothing but the time.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { snapshotName } from "../../src/cli/snapshot.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import { builtBin, projectRoot } from "./build.ts";
import { plainEnv, runBuilt, scratchFolder, writeFiles } from "./support.ts";

const folder = scratchFolder();
const at = (name: string): string => path.join(folder, name);
const EXAMPLES = readdirSync(path.join(projectRoot, "examples")).filter((name) => name.endsWith(".xdp"));

beforeAll(() => {
  builtBin();
  writeFiles(folder, {
    "pass.xdp": "pass\n",
    "fault.xdp": "count by_port[tcp.dport]\n",
    "filter.xdp": "set ports : u16[1024]\nif opaque or tcp.dport in ports then drop\n",
  });
});

/** A copy of what the package ships, without a snapshot. */
function copyPackage(name: string): string {
  const copy = at(name);
  for (const part of ["bin", "dist"]) cpSync(path.join(projectRoot, part), path.join(copy, part), { recursive: true });
  rmSync(path.join(copy, "dist", "snapshot"), { recursive: true, force: true });
  return copy;
}

function start(
  bin: string,
  words: readonly string[],
  env: NodeJS.ProcessEnv = {},
): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(bin, words, {
    cwd: folder,
    env: { ...plainEnv(), ...env },
    timeout: 60_000,
  });
  return { status, said: `${stdout}${stderr}` };
}

describe("with and without a snapshot", () => {
  test.each(EXAMPLES)("%s becomes the same bytes", (name) => {
    const example = path.join(projectRoot, "examples", name);
    for (const words of [[], ["-O0"], ["--cpu", "v1"], ["--emit", "asm"]]) {
      const fast = runBuilt([example, "-Wno-veth-peer", ...words, "-o", "-"]);
      const again = runBuilt([example, "-Wno-veth-peer", ...words, "-o", "-"]);
      const plain = runBuilt([example, "-Wno-veth-peer", ...words, "-o", "-"], { env: { XDPC_NO_SNAPSHOT: "1" } });
      expect(fast.stderr.toString()).toBe("");
      expect(fast.status).toBe(0);
      expect(fast.stdout.equals(plain.stdout)).toBe(true);
      expect(fast.stdout.equals(again.stdout)).toBe(true);
    }
  });

  test.each([["fault.xdp"], ["--help"], ["explain"], ["missing.xdp"], ["-W", "nothing", "pass.xdp"]])(
    "%j %j says the same",
    (...words) => {
      const fast = runBuilt(words, { cwd: folder });
      const plain = runBuilt(words, { cwd: folder, env: { XDPC_NO_SNAPSHOT: "1" } });
      expect(fast.status).toBe(plain.status);
      expect(fast.stdout.toString()).toBe(plain.stdout.toString());
      expect(fast.stderr.toString()).toBe(plain.stderr.toString());
    },
  );

  test("NODE_OPTIONS are honoured, by a plain start", () => {
    expect(start(builtBin(), ["pass.xdp", "-o", "/dev/null"], { NODE_OPTIONS: "--max-old-space-size=200" })).toEqual({
      status: 0,
      said: "",
    });
  });

  test("an option that Node has too is ours", () => {
    for (const words of [["--version"], ["-v", "pass.xdp", "-o", "/dev/null"]]) {
      expect(start(builtBin(), words).status).toBe(0);
    }
    expect(start(builtBin(), ["--version"]).said).toMatch(/^xdpc /);
    expect(start(builtBin(), ["-e", "0"]).status).toBe(2);
  });
});

describe("how it is started", () => {
  test("through links, relative ones and links to links, and from a folder with spaces", () => {
    const copy = copyPackage("a folder/x dpc");
    mkdirSync(at("links/.bin"), { recursive: true });
    symlinkSync("../../a folder/x dpc/bin/xdpc", at("links/.bin/xdpc"));
    symlinkSync(at("links/.bin/xdpc"), at("links/absolute"));
    symlinkSync("absolute", at("links/again"));
    symlinkSync(path.join(copy, "bin"), at("links/bin folder"));
    for (const bin of [
      path.join(copy, "bin/xdpc"),
      "links/.bin/xdpc",
      "links/absolute",
      "links/again",
      "links/bin folder/xdpc",
    ]) {
      expect(start(path.resolve(folder, bin), ["--version"]).said).toMatch(/^xdpc /);
    }
    expect(spawnSync("sh", ["xdpc", "--version"], { cwd: path.join(copy, "bin"), env: plainEnv() }).status).toBe(0);
  });

  test("the snapshot is made by the first start, used by the second, and by one process only", async () => {
    const copy = copyPackage("fresh");
    const blob = path.join(copy, "dist", "snapshot", snapshotName(statSync(process.execPath)));
    const running = Array.from({ length: 4 }, (_, i) =>
      ended(spawn(path.join(copy, "bin/xdpc"), ["pass.xdp", "-o", `out${i}.o`], { cwd: folder, env: plainEnv() })),
    );
    expect(await Promise.all(running)).toEqual([0, 0, 0, 0]);
    expect(readdirSync(path.dirname(blob))).toEqual([path.basename(blob)]);
    const { size, mtimeMs } = statSync(blob);
    expect(size).toBeGreaterThan(1_000_000);
    for (let i = 1; i < 4; i++) expect(readFileSync(at(`out${i}.o`)).equals(readFileSync(at("out0.o")))).toBe(true);
    // Without the bundle only the snapshot can answer.
    rmSync(path.join(copy, "dist", "xdpc.cjs"));
    expect(start(path.join(copy, "bin/xdpc"), ["--version"]).said).toMatch(/^xdpc /);
    expect(statSync(blob).mtimeMs).toBe(mtimeMs);
  });

  test("an unfinished snapshot of a killed process is replaced, one being made is left alone", () => {
    const copy = copyPackage("unfinished");
    const unfinished = path.join(copy, "dist", "snapshot", `${snapshotName(statSync(process.execPath))}.tmp`);
    writeFiles(copy, { [path.relative(copy, unfinished)]: "half" });
    expect(start(path.join(copy, "bin/xdpc"), ["--version"]).status).toBe(0);
    expect(readFileSync(unfinished, "utf8")).toBe("half");
    utimesSync(unfinished, 1000, 1000);
    expect(start(path.join(copy, "bin/xdpc"), ["--version"]).status).toBe(0);
    expect(existsSync(unfinished)).toBe(false);
    expect(statSync(unfinished.replace(/\.tmp$/, "")).size).toBeGreaterThan(1_000_000);
  });

  test("where the folder can't be written to, or Node can't make a snapshot, it starts plainly", () => {
    const copy = copyPackage("stubborn");
    writeFileSync(path.join(copy, "dist", "snapshot"), "a file in the way");
    expect(start(path.join(copy, "bin/xdpc"), ["pass.xdp", "-o", "/dev/null"])).toEqual({ status: 0, said: "" });
    rmSync(path.join(copy, "dist", "snapshot"));
    writeFileSync(path.join(copy, "dist", "snapshot.json"), "broken");
    for (let i = 0; i < 2; i++) {
      expect(start(path.join(copy, "bin/xdpc"), ["pass.xdp", "-o", "/dev/null"])).toEqual({ status: 0, said: "" });
      expect(statSync(path.join(copy, "dist", "snapshot", snapshotName(statSync(process.execPath)))).size).toBe(0);
    }
  });

  test("a Node whose file has a time long ago is told by its version", () => {
    const copy = copyPackage("ancient");
    mkdirSync(at("ancient-node"));
    cpSync(process.execPath, at("ancient-node/node"));
    utimesSync(at("ancient-node/node"), 499162500, 499162500);
    const env = { PATH: `${at("ancient-node")}:${process.env.PATH}` };
    expect(start(path.join(copy, "bin/xdpc"), ["--version"], env).status).toBe(0);
    const [blob, ...others] = readdirSync(path.join(copy, "dist", "snapshot"));
    expect(blob?.startsWith(`${process.version}-`)).toBe(true);
    rmSync(path.join(copy, "dist", "xdpc.cjs"));
    expect(start(path.join(copy, "bin/xdpc"), ["--version"], env).said).toMatch(/^xdpc /);
    expect(others).toEqual([]);
  });

  test("a signal reaches the compiler", async () => {
    const child = spawn(builtBin(), ["-", "-o", "-"], { cwd: folder, env: plainEnv(), stdio: "pipe" });
    child.kill("SIGTERM");
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
      child.on("close", (c, s) => resolve([c, s])),
    );
    expect([code, signal]).toEqual([null, "SIGTERM"]);
  });

  test("a `node` that is a script in front of the real one gets no snapshot under its own name", () => {
    const copy = copyPackage("shimmed");
    writeFiles(folder, { "shim/node": `#!/bin/sh\nexec ${process.execPath} "$@"\n` });
    chmodSync(at("shim/node"), 0o755);
    const env = { PATH: `${at("shim")}:${process.env.PATH}` };
    expect(start(path.join(copy, "bin/xdpc"), ["pass.xdp", "-o", "/dev/null"], env)).toEqual({ status: 0, said: "" });
    expect(existsSync(path.join(copy, "dist", "snapshot"))).toBe(false);
  });
});

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.on("close", resolve));
}

describe("in a shell", () => {
  const shell = (script: string): { status: number | null; stdout: string; stderr: string } => {
    const { status, stdout, stderr } = spawnSync("sh", ["-c", script], {
      cwd: folder,
      env: { ...plainEnv(), XDPC: builtBin() },
      encoding: "latin1",
      timeout: 60_000,
    });
    return { status, stdout, stderr };
  };

  test("standard input to standard output", () => {
    const { status, stdout, stderr } = shell('"$XDPC" - -o - <filter.xdp | od -An -tx1 -N4');
    expect([status, stdout.trim(), stderr]).toEqual([0, "7f 45 4c 46", ""]);
  });

  test("a reader that goes away is no fault to speak of", () => {
    expect(shell('{ sleep 0.3; "$XDPC" --help; echo $? >epipe; } | true; sleep 2; cat epipe')).toEqual({
      status: 0,
      stdout: "0\n",
      stderr: "",
    });
  });

  test("a full disk is", () => {
    expect(shell('"$XDPC" --help >/dev/full')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("no space left"),
    });
    expect(shell('"$XDPC" pass.xdp -o /dev/full')).toMatchObject({ status: 2 });
  });

  test("a file size limit leaves neither half a file nor a temporary one", () => {
    writeFiles(folder, { "limited/rules.xdp": "if tcp.dport == 80 then drop\n", "limited/rules.o": "old" });
    const { status, stderr } = shell('cd limited && ulimit -f 0 && "$XDPC" rules.xdp');
    expect([status, stderr]).toEqual([2, expect.stringContaining("can't write rules.o: the file would be too large")]);
    expect(readdirSync(at("limited")).sort()).toEqual(["rules.o", "rules.xdp"]);
    expect(readFileSync(at("limited/rules.o"), "utf8")).toBe("old");
  });

  test("files called like commands", () => {
    writeFiles(folder, { "odd/disasm": "pass\n", "odd/explain": "pass\n", "odd/-v": "pass\n" });
    mkdirSync(at("dirs/disasm"), { recursive: true });
    expect(shell('cd odd && "$XDPC" ./disasm && "$XDPC" ./explain -o e.o && "$XDPC" -o v.o -- -v')).toMatchObject({
      status: 0,
      stderr: "",
    });
    expect(readdirSync(at("odd")).sort()).toEqual(["-v", "disasm", "disasm.o", "e.o", "explain", "v.o"]);
    expect(shell('cd dirs && "$XDPC" disasm ../missing.o')).toMatchObject({ status: 2 });
  });

  test("closed streams", () => {
    expect(shell('"$XDPC" pass.xdp -o closed.o <&- >&- 2>&-').status).toBe(0);
    expect(existsSync(at("closed.o"))).toBe(true);
  });

  test("odd names of files", () => {
    for (const name of [
      "a b.xdp",
      "ä €.xdp",
      "$x.xdp",
      "'q'.xdp",
      "-dash.xdp",
      "new\nline.xdp",
      "noext",
      ".hidden.xdp",
    ]) {
      writeFiles(folder, { [`names/${name}`]: "pass\n" });
      const run = runBuilt(["-o", "out.o", "--", name], { cwd: at("names") });
      expect([name, run.status, run.stderr.toString()]).toEqual([name, 0, ""]);
    }
  });
});

describeWith("process substitution", [toolProblem("bash")], () => {
  test("an open pipe can be compiled", () => {
    const run = spawnSync("bash", ["-c", '"$XDPC" <(echo pass) -o - | wc -c'], {
      env: { ...plainEnv(), XDPC: builtBin() },
      encoding: "utf8",
    });
    expect(run.stderr).toBe("");
    expect(Number(run.stdout)).toBeGreaterThan(500);
  });
});

describeWith("make", [toolProblem("make")], () => {
  test("rebuilds what an import changed, and nothing else", () => {
    writeFiles(folder, {
      "project/main.xdp": 'import "a b.xdp"\nif opaque or tcp.dport == PORT then drop\n',
      "project/a b.xdp": "const PORT = 80\n",
      "project/Makefile": "main.o: main.xdp\n\t$(XDPC) $< -o $@ -MD -MP\n-include main.d\n",
    });
    const make = (): string => {
      const { status, stdout, stderr } = spawnSync("make", ["--no-print-directory", "main.o"], {
        cwd: at("project"),
        env: { ...plainEnv(), XDPC: builtBin() },
        encoding: "utf8",
      });
      expect([status, stderr]).toEqual([0, ""]);
      return stdout;
    };
    // Times long gone: make warns about those to come.
    const touch = (name: string, time: number): void => utimesSync(at(`project/${name}`), time, time);
    for (const name of ["main.xdp", "a b.xdp"]) touch(name, 1000);
    expect(make()).toContain("main.xdp -o main.o");
    touch("main.o", 2000);
    expect(make()).toContain("up to date");
    touch("a b.xdp", 3000);
    expect(make()).toContain("main.xdp -o main.o");
    expect(make()).toContain("up to date");
  });
});
