// What a whole run of the compiler costs: the CPU time (user + system) of compiling a small example beside that of `node -e 0`, as
// medians of interleaved runs, so that a busy machine hits all alike. Prints each way of starting that was considered
// (docs/startup.md); exits with 1 when the ratio is above the limit. Where NODE_EXTRA_CA_CERTS is set Node decodes certificates at
// each start, which the compiler does without: then both figures for bare Node are printed. Needs bash for its `time`.
//
//     npm run bench:startup [-- RUNS]

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Script } from "node:vm";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const LIMIT = 2;
const RUNS = Number(process.argv[2] ?? 25);
const EXAMPLE = path.join(ROOT, "examples/ports.xdp");
const BUNDLE = path.join(ROOT, "dist/xdpc.cjs");
const SCRATCH = mkdtempSync(path.join(tmpdir(), "xdpc-bench-"));

/** User and system time of one run in milliseconds. */
function cpuMilliseconds(words, env) {
  const script = "TIMEFORMAT='%3U %3S'; time \"$@\" >/dev/null 2>/dev/null";
  const { stderr, status } = spawnSync("bash", ["-c", script, "bash", ...words], {
    encoding: "utf8",
    env: { ...process.env, ...env, LC_ALL: "C" },
  });
  if (status !== 0) throw new Error(`${words.join(" ")} ended with ${status}`);
  const [user, system] = stderr.trim().split(" ").map(Number);
  return (user + system) * 1000;
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** A launcher that gives V8 the bundle's code as it was compiled at the end of an earlier run. */
function codeCacheLauncher() {
  const cache = path.join(SCRATCH, "code.cache");
  const launcher = path.join(SCRATCH, "launcher.cjs");
  const wrapper = `"(function (require, module, exports) {" + source + "\\n})"`;
  writeFileSync(
    launcher,
    `const { existsSync, readFileSync, writeFileSync } = require("node:fs");
const { Script } = require("node:vm");
// As the program itself does: a cache belongs to V8's settings.
require("node:v8").setFlagsFromString("--interrupt-budget=2000000");
const source = readFileSync(${JSON.stringify(BUNDLE)}, "utf8");
const cachedData = existsSync(${JSON.stringify(cache)}) ? readFileSync(${JSON.stringify(cache)}) : undefined;
const script = new Script(${wrapper}, { filename: "xdpc.cjs", cachedData });
if (cachedData === undefined) process.on("exit", () => writeFileSync(${JSON.stringify(cache)}, script.createCachedData()));
else if (script.cachedDataRejected) throw new Error("the code cache was refused");
script.runInThisContext()(require, module, exports);
`,
  );
  spawnSync(process.execPath, [launcher, EXAMPLE, "-o", path.join(SCRATCH, "first.o")]);
  return launcher;
}

try {
  // A syntax check, so that a broken bundle is said to be one.
  new Script(readFileSync(BUNDLE, "utf8"), { filename: BUNDLE });
  const output = path.join(SCRATCH, "out.o");
  const work = [EXAMPLE, "-o", output];
  const bin = path.join(ROOT, "bin/xdpc");
  const ways = [
    { name: "node -e 0", words: ["node", "-e", "0"], env: {} },
    { name: "bin/xdpc (start-up snapshot)", words: [bin, ...work], env: {} },
    { name: "bin/xdpc --version", words: [bin, "--version"], env: {} },
    { name: "bundle with V8 code cache", words: ["node", codeCacheLauncher(), ...work], env: {} },
    { name: "bundle alone", words: ["node", BUNDLE, ...work], env: {} },
    ...((process.env.NODE_EXTRA_CA_CERTS ?? "") === ""
      ? []
      : [
          {
            name: "node -e 0 without NODE_EXTRA_CA_CERTS",
            words: ["node", "-e", "0"],
            env: { NODE_EXTRA_CA_CERTS: "" },
          },
        ]),
  ].map((way) => ({ ...way, samples: [] }));
  for (const way of ways) cpuMilliseconds(way.words, way.env);
  for (let run = 0; run < RUNS; run++) {
    for (const way of ways) way.samples.push(cpuMilliseconds(way.words, { ...way.env, NODE_OPTIONS: "" }));
  }
  const bare = median(ways[0].samples);
  console.log(`CPU time, medians of ${RUNS} interleaved runs, Node ${process.version}`);
  for (const { name, samples } of ways) {
    const ms = median(samples);
    const extra = `${(ms - bare).toFixed(0)} ms more`;
    console.log(`${ms.toFixed(1).padStart(7)} ms  ${(ms / bare).toFixed(2)} x  ${extra.padStart(12)}  ${name}`);
  }
  const ratio = median(ways[1].samples) / bare;
  if (ratio > LIMIT) {
    console.log(`over the limit of ${LIMIT} x`);
    process.exitCode = 1;
  }
} finally {
  rmSync(SCRATCH, { recursive: true, force: true });
}
