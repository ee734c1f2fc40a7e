// The built package for tests that run it as a process: built once when dist/ is older than what it is made from, whichever
// test file asks first; others wait for it.

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const projectRoot = fileURLToPath(new URL("../..", import.meta.url));

const LOCK = path.join(projectRoot, "node_modules", ".xdpc-build-lock");
const INPUTS = ["src", "stdlib", "scripts", "package.json"];

let bin: string | undefined;

/** The path of `bin/xdpc` with an up-to-date dist/ beside it. */
export function builtBin(): string {
  bin ??= build();
  return bin;
}

function build(): string {
  withLock(() => {
    if (isFresh()) return;
    const { status, stderr } = spawnSync(process.execPath, ["scripts/build.mjs"], {
      cwd: projectRoot,
      encoding: "utf8",
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    if (status !== 0) throw new Error(`the build failed:\n${stderr}`);
  });
  return path.join(projectRoot, "bin", "xdpc");
}

function isFresh(): boolean {
  const built = statSync(path.join(projectRoot, "dist", "xdpc.cjs"), { throwIfNoEntry: false });
  const index = statSync(path.join(projectRoot, "dist", "types", "index.d.ts"), { throwIfNoEntry: false });
  if (built === undefined || index === undefined) return false;
  return INPUTS.every((input) => newest(path.join(projectRoot, input)) < built.mtimeMs);
}

function newest(place: string): number {
  const stats = statSync(place);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(place).map((name) => newest(path.join(place, name))));
}

// A folder can be made by one process only; the lock of a killed process is broken after two minutes.
function withLock(action: () => void): void {
  for (;;) {
    try {
      mkdirSync(LOCK);
      break;
    } catch {
      const held = statSync(LOCK, { throwIfNoEntry: false });
      if (held !== undefined && Date.now() - held.mtimeMs > 120_000) rmSync(LOCK, { recursive: true, force: true });
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
  }
  try {
    action();
  } finally {
    rmSync(LOCK, { recursive: true, force: true });
  }
}
