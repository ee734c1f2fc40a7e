// The command line as users run it: the package's own bin, built. For tests that are about objects as they leave the house.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "./compile.ts";

/** The folder of the project. */
export const projectFolder = fileURLToPath(new URL("../..", import.meta.url));

/** The package's bin, and what a fresh clone has to do to have it. */
export const binPath = join(projectFolder, "bin", "xdpc");

/** Runs xdpc and gives its exit code and what it wrote. */
export function xdpc(...args: readonly string[]): { status: number; stdout: string; stderr: string } {
  if (!existsSync(join(projectFolder, "dist"))) throw new Error("dist/ is missing: npm run build");
  const result = spawnSync(binPath, args, { encoding: "utf8", timeout: 60_000, cwd: projectFolder });
  if (result.error !== undefined) throw result.error;
  return { status: result.status ?? -1, stdout: result.stdout, stderr: result.stderr };
}

/** Compiles a file with the command line into a folder of the test's own and gives the object's path. */
export function compileFile(path: string, objectName: string): string {
  const out = join(temporaryFolder(), objectName);
  const { status, stdout, stderr } = xdpc(path, "-o", out);
  if (status !== 0) throw new Error(`xdpc ${path}: exit ${status}\n${stdout}${stderr}`);
  return out;
}
