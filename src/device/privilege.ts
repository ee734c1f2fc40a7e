// What the process may do, and how to say that it may not: the capabilities that loading and attaching need, the limit of locked memory of
// old kernels, user namespaces, lockdown. Knows no programs.
// Source: Linux include/uapi/linux/capability.h, capabilities(7); kernel/bpf/syscall.c; Documentation/userspace-api/lockdown.

import { readFileSync } from "node:fs";
import { release } from "node:os";
import { DeviceFailure } from "./failure.ts";

const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21, CAP_PERFMON: 38, CAP_BPF: 39 } as const;

/** A capability that these commands ask for. */
export type Capability = keyof typeof CAPABILITIES;

/** The effective capabilities of this process among those above; null where the system doesn't say. */
export function capabilities(): ReadonlySet<Capability> | null {
  try {
    const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    if (mask === undefined) return null;
    const bits = BigInt(`0x${mask}`);
    const names = Object.entries(CAPABILITIES) as readonly [Capability, number][];
    return new Set(names.filter(([, bit]) => (bits & (1n << BigInt(bit))) !== 0n).map(([name]) => name));
  } catch {
    return null;
  }
}

/** Those of `needed` that the process lacks; CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON. */
export function missingCapabilities(needed: readonly Capability[]): readonly Capability[] {
  const held = capabilities();
  if (held === null) return [];
  return needed.filter(
    (one) => !held.has(one) && !(held.has("CAP_SYS_ADMIN") && (one === "CAP_BPF" || one === "CAP_PERFMON")),
  );
}

/** Throws DeviceFailure where the process can't do what needs these capabilities. `doing` follows "to": "attach a program". */
export function needCapabilities(doing: string, needed: readonly Capability[]): void {
  const missing = missingCapabilities(needed);
  if (missing.length === 0) return;
  throw new DeviceFailure("no-privilege", `no privilege to ${doing}: this process lacks ${missing.join(" and ")}`, [
    "run it as root (sudo xdpc …)",
    `or with ${needed.join(", ")} (setpriv --ambient-caps, a service's AmbientCapabilities=) and a BPF file system that the user may write to (--pin DIR)`,
  ]);
}

/** What the kernel's "not permitted" means for a process that has the capabilities: what to look at. */
export function whyNotPermitted(): readonly string[] {
  const reasons: string[] = [];
  const [major = 0, minor = 0] = release().split(".").map(Number);
  if (major < 5 || (major === 5 && minor < 11))
    reasons.push(`Linux ${major}.${minor} counts maps as locked memory: raise the limit (ulimit -l unlimited)`);
  if (!/\s4294967295$/m.test(readText("/proc/self/uid_map").trimEnd()))
    reasons.push(
      "this is a user namespace (a rootless container), whose capabilities don't count for BPF: run it outside",
    );
  const lockdown = /\[(\w+)\]/.exec(readText("/sys/kernel/security/lockdown"))?.[1] ?? "none";
  if (lockdown !== "none") reasons.push(`the kernel is locked down (${lockdown}): see /sys/kernel/security/lockdown`);
  if (reasons.length === 0) reasons.push("a security module or a seccomp filter (a container's) may forbid bpf(2)");
  return reasons;
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
