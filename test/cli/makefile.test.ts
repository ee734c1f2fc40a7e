// examples/makefile as its users run it: built in parallel, built anew when an import or a list changes, and only then; an error
// leaves no object. The same with CMake.

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, beforeEach, expect, test } from "vitest";
import { describeWith, toolProblem } from "../support/requirements.ts";
import { builtBin, projectRoot } from "./build.ts";
import { plainEnv, scratchFolder } from "./support.ts";

const folder = scratchFolder();
let xdpc = "";

function run(command: string, ...words: string[]): { code: number | null; said: string } {
  const env = { ...plainEnv(), MAKEFLAGS: "" };
  const { status, stdout, stderr } = spawnSync(command, words, {
    cwd: folder,
    env,
    encoding: "utf8",
    timeout: 120_000,
  });
  return { code: status, said: stdout + stderr };
}

/** Makes `file` newer than the objects, and these newer than all other rules, without waiting for a clock. */
function touch(file: string): void {
  const at = (name: string, secondsAgo: number): void => {
    const time = Date.now() / 1000 - secondsAgo;
    if (existsSync(path.join(folder, name))) utimesSync(path.join(folder, name), time, time);
  };
  for (const name of [
    "Makefile",
    "user/count.c",
    ...readdirSync(path.join(folder, "rules")).map((rule) => `rules/${rule}`),
  ])
    at(name, 60);
  for (const name of ["edge.o", "inner.o", "edge.h"]) at(`build/${name}`, 40);
  at("build/count", 30);
  at(file, 20);
}

/** The programs whose objects a build has made. */
function made(said: string): string[] {
  return ["edge", "inner"].filter((name) => said.includes(`rules/${name}.xdp`));
}

beforeAll(() => {
  xdpc = builtBin();
});

beforeEach(() => {
  rmSync(folder, { recursive: true, force: true });
  cpSync(path.join(projectRoot, "examples/makefile"), folder, { recursive: true });
  rmSync(path.join(folder, "build"), { recursive: true, force: true });
});

describeWith("examples/makefile with make", [toolProblem("make", "gcc")], () => {
  const make = (...words: string[]): { code: number | null; said: string } =>
    run("make", "-j2", `XDPC=${xdpc}`, ...words);

  test("builds what has changed, and its tests pass", () => {
    const first = make();
    expect([first.code, made(first.said)]).toEqual([0, ["edge", "inner"]]);
    for (const name of ["edge.o", "inner.o"]) {
      expect(
        readFileSync(path.join(folder, "build", name))
          .subarray(0, 4)
          .toString("latin1"),
      ).toBe("\x7fELF");
    }
    expect([make().code, made(make().said)]).toEqual([0, []]);
    for (const [file, needing] of [
      ["rules/common.xdp", ["edge", "inner"]],
      ["rules/bogons.txt", ["edge", "inner"]],
      ["rules/inner.xdp", ["inner"]],
    ] as const) {
      touch(file);
      expect([file, made(make().said)]).toEqual([file, needing]);
      expect(made(make().said)).toEqual([]);
    }
    expect(make("check")).toMatchObject({ code: 0, said: expect.stringContaining("2 passed") });
  });

  test("a program in C follows the rules through their header", () => {
    expect(make()).toMatchObject({ code: 0 });
    expect(run("build/count")).toEqual({ code: 2, said: "usage: build/count DEVICE [OBJECT]\n" });
    touch("rules/bogons.txt");
    expect(make().said).toMatch(/--emit header .*rules\/edge\.xdp[\s\S]*user\/count\.c/);
    expect(make().said).not.toMatch(/xdp|gcc|cc /);
    touch("user/count.c");
    const again = make().said;
    expect([again.includes("--emit header"), again.includes("user/count.c")]).toEqual([false, true]);
    const edge = path.join(folder, "rules/edge.xdp");
    writeFileSync(
      edge,
      readFileSync(edge, "utf8").replaceAll("bogus\nif", "strange\nif").replace("count bogus", "count strange"),
    );
    touch("rules/edge.xdp");
    expect(make("-k")).toMatchObject({ code: 2, said: expect.stringContaining("edge_value_bogus") });
    writeFileSync(edge, "count nothing\n");
    touch("rules/edge.xdp");
    expect(make("-k").code).toBe(2);
    expect(existsSync(path.join(folder, "build/edge.h"))).toBe(false);
  });

  test("an error in an import ends the build and leaves no object", () => {
    expect(make().code).toBe(0);
    const common = path.join(folder, "rules/common.xdp");
    const good = readFileSync(common, "utf8");
    writeFileSync(common, `${good}const BROKEN = \n`);
    touch("rules/common.xdp");
    expect(make("-k")).toMatchObject({ code: 2, said: expect.stringContaining("rules/common.xdp") });
    for (const name of ["edge.o", "inner.o"]) expect(existsSync(path.join(folder, "build", name))).toBe(false);
    writeFileSync(common, good);
    expect(make().code).toBe(0);
  });

  test("an import that nothing asks for any more may go", () => {
    expect(make().code).toBe(0);
    const alone = "counter bogus\nif arp then count bogus\n";
    for (const name of ["edge", "inner"]) writeFileSync(path.join(folder, `rules/${name}.xdp`), alone);
    for (const name of ["edge", "inner"]) touch(`rules/${name}.xdp`);
    rmSync(path.join(folder, "rules/common.xdp"));
    expect(make()).toMatchObject({ code: 0 });
  });
});

describeWith("examples/makefile with CMake", [toolProblem("make", "cmake", "gcc")], () => {
  test("builds anew when a list changes, and leaves no object after an error", () => {
    const configured = run("cmake", "-G", "Unix Makefiles", "-S", ".", "-B", "build", `-DXDPC=${xdpc}`);
    expect(configured).toMatchObject({ code: 0 });
    expect(run("cmake", "--build", "build")).toMatchObject({ code: 0 });
    expect(existsSync(path.join(folder, "build/count"))).toBe(true);
    const before = statSync(path.join(folder, "build/edge.o")).mtimeMs;
    writeFileSync(path.join(folder, "rules/bogons.txt"), "127.0.0.0/8\n");
    touch("rules/bogons.txt");
    expect(run("cmake", "--build", "build")).toMatchObject({ code: 0 });
    expect(statSync(path.join(folder, "build/edge.o")).mtimeMs).toBeGreaterThan(before);
    writeFileSync(path.join(folder, "rules/edge.xdp"), "if a thne drop\n");
    touch("rules/edge.xdp");
    expect(run("cmake", "--build", "build").code).not.toBe(0);
    expect(existsSync(path.join(folder, "build/edge.o"))).toBe(false);
  });
});
