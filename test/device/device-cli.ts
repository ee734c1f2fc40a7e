// The commands on devices as operators run them: the built command line inside a namespace of the test's own, with a BPF file system of its own
// that vanishes with it. Sees the results from outside, by iproute2 and bpftool, so that no mistake of the commands is shared.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { builtBin } from "../cli/build.ts";
import { temporaryFolder } from "../support/compile.ts";
import type { CommandResult, Netns } from "../support/netns.ts";

/** Runs xdpc in a namespace. */
export function xdpcIn(netns: Netns, ...words: readonly string[]): CommandResult {
  return netns.try(builtBin(), ...words);
}

/** Runs xdpc in a namespace and gives what it wrote; throws where it fails. */
export function xdpcOk(netns: Netns, ...words: readonly string[]): string {
  const { status, stdout, stderr } = xdpcIn(netns, ...words);
  if (status !== 0) throw new Error(`xdpc ${words.join(" ")}: exit ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** What a command of xdpc says with --json. */
export function xdpcJson(netns: Netns, ...words: readonly string[]): Record<string, unknown> {
  return JSON.parse(xdpcOk(netns, ...words, "--json")) as Record<string, unknown>;
}

const folder = temporaryFolder();

/** A file of rules. */
export function rules(name: string, text: string): string {
  const path = join(folder, `${name}.xdp`);
  writeFileSync(path, text);
  return path;
}

/** What iproute2 says of the program on a device: mode, id and name; null without one. */
export function programOn(
  netns: Netns,
  device: string,
): { readonly mode: string; readonly id: number; readonly name: string } | null {
  const [link] = JSON.parse(netns.run("ip", "-j", "-d", "link", "show", "dev", device)) as {
    readonly xdp?: { readonly mode: number; readonly prog: { readonly id: number; readonly name?: string } };
  }[];
  if (link?.xdp === undefined) return null;
  const modes = ["none", "native", "generic", "offload"];
  return { mode: modes[link.xdp.mode] ?? "", id: link.xdp.prog.id, name: link.xdp.prog.name ?? "" };
}

/** The names in a folder of the namespace's BPF file system, sorted; empty when it isn't there. */
export function pins(netns: Netns, ...parts: readonly string[]): readonly string[] {
  const { status, stdout } = netns.try("ls", join("/sys/fs/bpf", ...parts));
  return status === 0 ? stdout.trim().split("\n").filter(Boolean).sort() : [];
}

/** The packets of a counter without keys, as bpftool reads the pinned map. */
export function counted(netns: Netns, device: string, counter: string): number {
  const map = `/sys/fs/bpf/xdpc/${device}/maps/${counter}`;
  const found = JSON.parse(netns.run("bpftool", "-j", "map", "lookup", "pinned", map, "key", "0", "0", "0", "0")) as {
    readonly formatted: { readonly values: readonly { readonly value: { readonly packets: number } }[] };
  };
  return found.formatted.values.reduce((sum, { value }) => sum + value.packets, 0);
}
