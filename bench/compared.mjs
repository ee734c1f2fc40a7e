// Bundles bench/compared.ts, which uses the sources and the tests' way to the kernel, and runs it as root in a network namespace of its own.
//
//     node bench/compared.mjs [--check] [--short] [NAMES…]
//
// --check: only whether all do the same; --short: on few packets. NAMES of programs: all unless told.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(path.join(ROOT, "node_modules/.xdpc-bench-"));
try {
  const outfile = path.join(folder, "compared.mjs");
  await build({
    entryPoints: [path.join(ROOT, "bench/compared.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "warning",
  });
  const words = ["--net", process.execPath, outfile, ...process.argv.slice(2)];
  const { status } = spawnSync("unshare", words, { cwd: ROOT, stdio: "inherit" });
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
