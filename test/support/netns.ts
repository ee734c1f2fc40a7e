// Network namespaces for traffic tests: anonymous ones, each held by a process of its own that ends when its input closes.
// So nothing is left behind even if the test process is killed: the namespaces, their veth pairs, and the private mounts
// of bpffs and tracefs vanish with the holders. There are no names that could clash, and the machine's devices are never touched.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { checked, libc, onCloseAll } from "./native.ts";
import { findTool, kernelProblem, toolProblem } from "./requirements.ts";

const CLONE_NEWNET = 0x40000000;
const setnsFunction = libc.func("int setns(int fd, int type)");
const ifNameToIndex = libc.func("uint32 if_nametoindex(const char *name)");

/** Why namespaces can't be made here, or null. */
export function netnsProblem(): string | null {
  return kernelProblem() ?? toolProblem("unshare", "nsenter", "ip", "ethtool");
}

/** What a command wrote, and how it ended. */
export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A network namespace and the process that holds it. */
export class Netns {
  readonly pid: number;
  readonly #holder: ChildProcess;

  constructor(holder: ChildProcess, pid: number) {
    this.#holder = holder;
    this.pid = pid;
  }

  /** The command line that runs `command` in this namespace and its mounts. */
  commandLine(command: readonly string[]): string[] {
    return ["nsenter", "--target", String(this.pid), "--net", "--mount", "--", ...command];
  }

  /** Runs a command to its end (30 s at most) and gives its result, whatever it is. Paths must be absolute. */
  try(...command: readonly string[]): CommandResult {
    const [program = "", ...rest] = this.commandLine(command);
    const result = spawnSync(program, rest, { encoding: "utf8", timeout: 30_000, maxBuffer: 1 << 26, env: toolEnv() });
    if (result.error !== undefined) throw result.error;
    return { status: result.status ?? -1, stdout: result.stdout, stderr: result.stderr };
  }

  /** Runs a command to its end and gives its standard output; throws with both outputs when it fails. */
  run(...command: readonly string[]): string {
    const result = this.try(...command);
    if (result.status !== 0) {
      throw new Error(`${command.join(" ")}: exit ${result.status}\n${result.stdout}${result.stderr}`);
    }
    return result.stdout;
  }

  /** Starts a command that goes on; killed by `closeAll` or when the test process ends. */
  start(...command: readonly string[]): ChildProcess {
    const [program = "", ...rest] = this.commandLine(command);
    const child = spawn(program, rest, { stdio: ["ignore", "pipe", "pipe"], env: toolEnv() });
    const close = onCloseAll(() => child.kill("SIGKILL"));
    child.on("exit", close);
    return child;
  }

  /** Calls `body` with this thread in the namespace: sockets it makes and netlink calls belong to it. Not for async code. */
  enter<T>(body: () => T): T {
    const home = openSync("/proc/self/ns/net", "r");
    const there = openSync(`/proc/${this.pid}/ns/net`, "r");
    try {
      checked("enter the namespace", setnsFunction(there, CLONE_NEWNET) as number);
      try {
        return body();
      } finally {
        checked("leave the namespace", setnsFunction(home, CLONE_NEWNET) as number);
      }
    } finally {
      closeSync(home);
      closeSync(there);
    }
  }

  /** The index of a device of this namespace. Throws when there is none. */
  ifindex(device: string): number {
    const index = this.enter(() => ifNameToIndex(device) as number);
    if (index === 0) throw new RangeError(`no device ${device}`);
    return index;
  }

  /** Sets a value under /proc/sys (dots or slashes between the parts). */
  sysctl(name: string, value: string | number): void {
    const path = `/proc/sys/${name.includes("/") ? name : name.replaceAll(".", "/")}`;
    this.run("sh", "-c", `echo '${value}' > '${path}'`);
  }

  /** Ends the namespace: its devices vanish. */
  close(): void {
    this.#holder.stdin?.destroy();
    this.#holder.kill("SIGKILL");
  }
}

function toolEnv(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`, LC_ALL: "C" };
}

async function hold(command: readonly string[], script: string): Promise<Netns> {
  const [program = "", ...rest] = [...command, "sh", "-c", `${script} && echo "ready $$" && exec cat`];
  const child = spawn(program, rest, { stdio: ["pipe", "pipe", "pipe"], env: toolEnv() });
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  const ended = once(child, "exit");
  while (!/ready \d+/.test(text)) {
    const event = await Promise.race([once(child.stdout, "data"), ended.then(() => null)]);
    if (event === null) throw new Error(`can't make a namespace: ${said}`);
  }
  const netns = new Netns(child, Number(/ready (\d+)/.exec(text)?.[1]));
  const close = onCloseAll(() => netns.close());
  child.on("exit", close);
  child.unref();
  for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as unknown as { unref?(): void }).unref?.();
  return netns;
}

/**
 * A fresh network namespace with private mounts: an empty bpffs on /sys/fs/bpf, tracefs on /sys/kernel/tracing, and empty
 * /run/netns. Loopback is up. Closed by its `close` or by `closeAll`.
 */
export function createNetns(): Promise<Netns> {
  const mounts = [
    "mount -t bpf bpf /sys/fs/bpf",
    "mount -t tracefs tracefs /sys/kernel/tracing",
    "mkdir -p /run/netns",
    "mount -t tmpfs tmpfs /run/netns",
    "ip link set lo up",
  ];
  return hold(["unshare", "--net", "--mount", "--propagation", "private"], mounts.join(" && "));
}

/** A further network namespace that shares the mounts (bpffs pins, say) of `first`. */
export function createPeerNetns(first: Netns): Promise<Netns> {
  const nsenter = findTool("nsenter") ?? "nsenter";
  return hold([nsenter, "--target", String(first.pid), "--mount", "unshare", "--net"], "ip link set lo up");
}

/** One end of a veth pair. */
export interface VethEnd {
  readonly netns: Netns;
  readonly device: string;
  readonly ifindex: number;
  readonly mac: string;
}

/**
 * Makes a veth pair between two namespaces, up, without IPv6's own chatter (unless `ipv6`), with offloads off so that frames
 * arrive as they were sent. `queues` (default 1) is the number of receive and transmit queues of both ends.
 */
export function createVeth(
  a: { netns: Netns; device: string; address?: string },
  b: { netns: Netns; device: string; address?: string },
  options: { queues?: number; ipv6?: boolean } = {},
): [VethEnd, VethEnd] {
  const queues = String(options.queues ?? 1);
  const sizes = ["numrxqueues", queues, "numtxqueues", queues];
  const peer = ["peer", "name", b.device, ...sizes, "netns", String(b.netns.pid)];
  a.netns.run("ip", "link", "add", a.device, ...sizes, "type", "veth", ...peer);
  return [a, b].map(({ netns, device, address }): VethEnd => {
    if (options.ipv6 !== true) netns.sysctl(`net/ipv6/conf/${device}/disable_ipv6`, 1);
    netns.run("ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off");
    if (address !== undefined) netns.run("ip", "address", "add", address, "dev", device);
    netns.run("ip", "link", "set", device, "up");
    const link = netns.run("ip", "-o", "link", "show", "dev", device);
    const mac = /link\/ether ([0-9a-f:]+)/.exec(link)?.[1] ?? "";
    return { netns, device, ifindex: netns.ifindex(device), mac };
  }) as [VethEnd, VethEnd];
}
