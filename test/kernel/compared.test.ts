// The programs in C that ours are compared with (bench/c) do the same as ours to every packet and write the same into their maps. That they
// are no longer is test/kernel/clang-count.test.ts; how quick they are is told by `npm run bench:c`.

import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { PAIRS } from "../../bench/pairs.ts";
import { projectFolder } from "../support/cli.ts";
import { netnsProblem } from "../support/netns.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";

describeWith("bench/c", [netnsProblem(), toolProblem("clang-14", "clang-19")], () => {
  test("does what our rules do", { timeout: 240_000 }, () => {
    const run = spawnSync(process.execPath, ["bench/compared.mjs", "--check", "--short"], {
      cwd: projectFolder,
      encoding: "utf8",
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    expect(run.stderr).toBe("");
    const told = run.stdout.trim().split("\n");
    expect(told.map((line) => line.replace(/ \(.*/, ""))).toEqual(PAIRS.map(({ name }) => `${name}: equal`));
    // Not because nothing happens.
    for (const [name, verdict] of [
      ["forward", "redirect"],
      ["dnat", "redirect"],
      ["balancer", "redirect"],
      ["bridge", "redirect"],
      ["icmp_echo", "tx"],
      ["firewall", "pass"],
    ] as const)
      expect(told.find((line) => line.startsWith(`${name}:`))).toContain(`${verdict} `);
  });
});
