// What a test needs from the machine besides Node: a kernel with BPF and the right to use it, and command-line tools. Says
// why a test can't run here; on CI nothing may be missing, so there a missing part fails instead of being skipped.

import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, test } from "vitest";

const SBIN = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/** The path of a tool, also looked for where only root's PATH goes; null when it isn't installed. */
export function findTool(name: string): string | null {
  const folders = [...(process.env.PATH ?? "").split(delimiter), ...SBIN];
  for (const folder of folders) {
    const path = join(folder, name);
    if (folder !== "" && existsSync(path)) return path;
  }
  return null;
}

/** Why tool `name` can't be used here, or null. */
export function toolProblem(...names: readonly string[]): string | null {
  const missing = names.filter((name) => findTool(name) === null);
  return missing.length === 0 ? null : `${missing.join(", ")} not installed`;
}

/** True when the effective capabilities hold CAP_SYS_ADMIN (bit 21): enough for bpf(2), namespaces and mounts. */
function isPrivileged(): boolean {
  const status = existsSync("/proc/self/status") ? readFileSync("/proc/self/status", "utf8") : "";
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return effective !== undefined && (BigInt(`0x${effective}`) & (1n << 21n)) !== 0n;
}

/** Why programs can't be loaded into the kernel here (not Linux, no privileges, no libbpf), or null. */
export function kernelProblem(): string | null {
  if (process.platform !== "linux") return "not Linux";
  if (!["x64", "arm64"].includes(process.arch)) return `bpf(2) isn't wired up for ${process.arch}`;
  if (!isPrivileged()) return "needs root (CAP_SYS_ADMIN) for bpf(2)";
  const folders = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/lib64",
    "/lib",
  ];
  if (!folders.some((folder) => existsSync(join(folder, "libbpf.so.1")))) return "libbpf.so.1 not installed";
  return null;
}

/** True on CI, where a missing requirement is a failure. */
export const onCi = ["1", "true"].includes(process.env.CI ?? "");

/**
 * `describe` for tests that need more than Node: runs `body` when every problem is null. Otherwise the suite is skipped with
 * the reason in its name and on standard error, or fails on CI.
 */
export function describeWith(name: string, problems: readonly (string | null)[], body: () => void): void {
  const reasons = problems.filter((problem) => problem !== null);
  if (reasons.length === 0) {
    describe(name, body);
    return;
  }
  const reason = reasons.join("; ");
  if (onCi) {
    test(`${name}: requirements`, () => {
      throw new Error(`CI must be able to run this: ${reason}`);
    });
    return;
  }
  process.stderr.write(`skipped: ${name}: ${reason}\n`);
  describe.skip(`${name} (skipped: ${reason})`, body);
}
