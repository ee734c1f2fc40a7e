// How often the checker is of the kernel's mind: asks both about everything our compiler emits, objects of Debian and of clang, mutants,
// random programs and the kernel's own verifier tests; prints the table of docs/agreement.md. Needs root, clang and the tests' tools.
//
//     npm run agreement                    everything, 20,000 mutants
//     npm run agreement -- CASE.json…      judges saved cases again
//
// XDPC_SEED; counts: XDPC_MUTANTS, XDPC_KERNEL_MUTANTS, XDPC_RANDOM, XDPC_CALLS, XDPC_GENERATED; XDPC_CHANGES (in each mutant),
// XDPC_EVERY=1 (each program compiled in every way), XDPC_CORPORA=real,mutants,random,calls,kernel,kernel-mutants,
// XDPC_CASES (folder for disagreements), XDPC_REPORT (file for their causes), XDPC_SLOW (milliseconds over which a check is told).

import { mkdirSync, rmSync } from "node:fs";
import { setPriority } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CACHE = path.join(ROOT, "node_modules/.cache");
/** Two folders below the root, as src/cli/package-files.ts is: it finds the library from its own place. */
const BUNDLE = path.join(CACHE, `agreement-${process.pid}.mjs`);

mkdirSync(CACHE, { recursive: true });
process.on("exit", () => rmSync(BUNDLE, { force: true }));
await build({
  absWorkingDir: ROOT,
  entryPoints: ["test/differential/main.ts"],
  outfile: BUNDLE,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20.19",
  external: ["koffi", "vitest"],
  logLevel: "warning",
});
setPriority(10);
process.env.XDPC_ROOT ??= ROOT;
await import(pathToFileURL(BUNDLE).href);
