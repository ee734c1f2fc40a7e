// What tests of the example programs share: an example compiled and loaded, a program that only passes for the peers of devices
// that frames are redirected to, a TCP transfer between two namespaces, and the counters of a namespace's stack.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadProgram } from "./bpf.ts";
import { projectFolder } from "./cli.ts";
import { objectFile, objectOf } from "./compile.ts";
import { type AttachMode, attachXdp, type LoadedObject, loadObject } from "./libbpf.ts";
import type { Netns, VethEnd } from "./netns.ts";

export const MODES = ["native", "generic"] as const;

const PASS_PROGRAM = new Uint8Array([0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);

/** Compiles `examples/NAME.xdp` and gives the object's path. */
export function compileExample(name: string): string {
  const path = `examples/${name}.xdp`;
  return objectFile(objectOf(readFileSync(join(projectFolder, path), "utf8"), { path }), `${name}.o`);
}

/** Compiles `examples/NAME.xdp` and loads it with libbpf; `globals` as for `loadObject`. */
export function loadExample(name: string, globals: Readonly<Record<string, Uint8Array>> = {}): LoadedObject {
  return loadObject(compileExample(name), { globals });
}

/** Attaches a program that only passes: a veth whose peer is redirected to receives only with one (or with GRO). */
export function attachPass(end: VethEnd): void {
  attachXdp(end, loadProgram({ insns: PASS_PROGRAM }).fd);
  // Attaching switched GRO on; packet sockets are to see the frames as they came.
  end.netns.run("ethtool", "-K", end.device, "gro", "off");
}

/** Detaches whatever is attached to the device. */
export function detach(end: VethEnd, modes: readonly AttachMode[] = MODES): void {
  for (const mode of modes) {
    try {
      attachXdp(end, -1, mode);
    } catch {
      // Nothing of that mode was attached.
    }
  }
}

const SERVER = `
const { createHash } = require("node:crypto");
const server = require("node:net").createServer({ allowHalfOpen: true }, (socket) => {
  const hash = createHash("sha256");
  let length = 0;
  socket.on("data", (data) => { hash.update(data); length += data.length; });
  socket.on("end", () => {
    const answer = Buffer.alloc(Number(process.argv[2]), 0x5a);
    socket.write(JSON.stringify({ length, hash: hash.digest("hex"), from: socket.remoteAddress, port: socket.remotePort }) + "\\n");
    socket.end(answer);
  });
});
server.listen(Number(process.argv[1]), () => console.log("ready"));
`;

const CLIENT = `
const { createHash } = require("node:crypto");
const [host, port, size] = process.argv.slice(1);
const data = Buffer.alloc(Number(size));
for (let i = 0; i < data.length; i++) data[i] = (i * 2654435761) >>> 13;
const socket = require("node:net").connect({ host, port: Number(port), allowHalfOpen: true });
const pieces = [];
socket.setTimeout(20000, () => socket.destroy(new Error("timeout")));
socket.on("connect", () => socket.end(data));
socket.on("data", (piece) => pieces.push(piece));
socket.on("error", (error) => { console.log(JSON.stringify({ error: error.message })); });
socket.on("end", () => {
  const all = Buffer.concat(pieces);
  const at = all.indexOf(10);
  const hash = createHash("sha256").update(data).digest("hex");
  console.log(JSON.stringify({ sent: data.length, hash, answer: JSON.parse(all.subarray(0, at)), back: all.length - at - 1 }));
});
`;

/** What a transfer came to: what was sent and what the server says it got and from whom, or the error. */
export interface Transfer {
  readonly error?: string;
  readonly sent?: number;
  readonly hash?: string;
  readonly answer?: { length: number; hash: string; from: string; port: number };
  /** Bytes that came back. */
  readonly back?: number;
}

/** Starts a TCP server in a namespace that answers a stream with its length and hash and with `back` bytes. */
export async function startServer(netns: Netns, port: number, back: number): Promise<{ stop(): void }> {
  const child = netns.start(process.execPath, "-e", SERVER, String(port), String(back));
  let said = "";
  child.stderr?.on("data", (chunk) => {
    said += chunk;
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once("data", () => resolve());
    child.once("exit", () => reject(new Error(`the server ended: ${said}`)));
  });
  return { stop: () => child.kill("SIGKILL") };
}

/** Sends `size` bytes from a namespace to a server of `startServer` and waits for its answer. */
export async function transfer(netns: Netns, host: string, port: number, size: number): Promise<Transfer> {
  const child = netns.start(process.execPath, "-e", CLIENT, host, String(port), String(size));
  let text = "";
  child.stdout?.on("data", (chunk) => {
    text += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    text += chunk;
  });
  await new Promise((resolve) => child.once("close", resolve));
  try {
    return JSON.parse(text) as Transfer;
  } catch {
    return { error: text };
  }
}

/** A counter of a namespace's stack as nstat names it: "IpForwDatagrams", "TcpInCsumErrors", "Ip6OutForwDatagrams". */
export function stackCounter(netns: Netns, name: string): number {
  const text = netns.run("cat", "/proc/net/snmp", "/proc/net/snmp6");
  const six = new RegExp(`^${name}\\s+(\\d+)$`, "m").exec(text);
  if (six !== null) return Number(six[1]);
  const lines = text.split("\n").map((line) => line.split(/[: ]+/));
  for (const [at, names] of lines.entries()) {
    const column = names.findIndex((column, index) => index > 0 && `${names[0]}${column}` === name);
    if (column > 0) return Number(lines[at + 1]?.[column]);
  }
  throw new RangeError(`no counter ${name}`);
}
