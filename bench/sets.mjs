// Bundles bench/sets.ts, which uses the sources and the tests' way to the kernel, and runs it.
//
//     node bench/sets.mjs [SIZES…] [NAMES…]        100 1000 10000 100000 unless told; kinds whose names begin so

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(path.join(ROOT, "node_modules/.xdpc-bench-"));
try {
  const outfile = path.join(folder, "sets.mjs");
  await build({
    entryPoints: [path.join(ROOT, "bench/sets.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "warning",
  });
  const { status } = spawnSync(process.execPath, [outfile, ...process.argv.slice(2)], { cwd: ROOT, stdio: "inherit" });
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
