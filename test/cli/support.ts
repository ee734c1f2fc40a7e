// Running the command line in a test: in this process with streams in memory, or the built package as a process of its own.
// A folder of its own for each test file, removed at its end.

import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll } from "vitest";
import { run } from "../../src/cli/run.ts";
import type { System } from "../../src/cli/system.ts";
import { builtBin } from "./build.ts";

/** What a run gave. */
export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Uint8Array;
}

/** What is around a run in memory. */
export interface Surroundings {
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  /** The streams that are terminals. */
  readonly terminals?: readonly number[];
}

/** Runs the command line in this process. */
export function runHere(words: readonly string[], around: Surroundings = {}): RunResult {
  const written: Record<1 | 2, Uint8Array[]> = { 1: [], 2: [] };
  const system: System = {
    env: around.env ?? {},
    readStdin: (limitBytes) => {
      const bytes = typeof around.stdin === "string" ? Buffer.from(around.stdin) : (around.stdin ?? new Uint8Array());
      return bytes.subarray(0, limitBytes + 1);
    },
    write: (fd, bytes) => {
      written[fd].push(bytes);
      return true;
    },
    isTerminal: (fd) => around.terminals?.includes(fd) ?? false,
  };
  const code = run(words, system);
  const stdoutBytes = Buffer.concat(written[1]);
  return { code, stdout: stdoutBytes.toString(), stderr: Buffer.concat(written[2]).toString(), stdoutBytes };
}

/** Runs the built package as `xdpc`. */
export function runBuilt(
  words: readonly string[],
  options: { readonly cwd?: string; readonly input?: string | Uint8Array; readonly env?: NodeJS.ProcessEnv } = {},
): SpawnSyncReturns<Buffer> {
  return spawnSync(builtBin(), words, {
    cwd: options.cwd,
    input: options.input ?? "",
    env: { ...plainEnv(), ...options.env },
    timeout: 60_000,
    maxBuffer: 1 << 28,
  });
}

/** This process's environment without what the test runner put there for itself. */
export function plainEnv(): NodeJS.ProcessEnv {
  const {
    NODE_OPTIONS: _options,
    NO_COLOR: _noColor,
    FORCE_COLOR: _color,
    CLICOLOR_FORCE: _force,
    ...env
  } = process.env;
  return env;
}

/** A folder that is removed after the tests of the calling file. */
export function scratchFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "xdpc-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files below `folder`, making the folders on the way. */
export function writeFiles(folder: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
}
