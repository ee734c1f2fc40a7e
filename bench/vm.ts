// How fast the machine runs packets: examples/ports.xdp over a mixture of frames, compiled to JavaScript and interpreted, in all
// (setting up the packet and copying it out included), and beside them the kernel's JIT in BPF_PROG_TEST_RUN, both by one system
// call for each packet and repeated inside the kernel. Run by bench/vm.mjs, which bundles it; figures are medians of several rounds.

import { readFileSync } from "node:fs";
import { linkObject } from "../src/elfwriter/link.ts";
import { readObject } from "../src/elfwriter/read.ts";
import { StandardMachine } from "../src/vm/standard.ts";
import { objectFile, objectOf } from "../test/support/compile.ts";
import { loadObject } from "../test/support/libbpf.ts";
import { closeAll } from "../test/support/native.ts";
import { eth, ip, ipv6, packet, payload, tcp, udp, vlan } from "../test/support/packets.ts";
import { kernelProblem } from "../test/support/requirements.ts";

const [count = "1000000", alone] = process.argv.slice(2);
const packets = Number(count);
const rounds = 5;

const frames = [
  packet(eth(), ip(), tcp({ dport: 80 }), payload(20)),
  packet(eth(), ip(), tcp({ dport: 81 }), payload(200)),
  packet(eth(), ip(), udp({ dport: 53 }), payload(40)),
  packet(eth(), ipv6(), tcp({ dport: 443 }), payload(60)),
  packet(eth(), vlan(), ip(), tcp({ dport: 80 }), payload(1000)),
];
const ports = [80, 443];

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0;
}

/** Nanoseconds of processor time for each packet, so that a busy machine doesn't count: the median round of `count` packets. */
function time(count: number, run: (frame: Uint8Array) => unknown): number {
  const round = (): number => {
    const start = process.cpuUsage();
    for (let i = 0; i < count; i++) run(frames[i % frames.length] as Uint8Array);
    const { user, system } = process.cpuUsage(start);
    return ((user + system) * 1000) / count;
  };
  round();
  return median(Array.from({ length: rounds }, round));
}

function show(what: string, ns: number, beside?: number): void {
  const rate = `${(1e9 / ns / 1e6).toFixed(2)} million packets/s`;
  const ratio = beside === undefined ? "" : `, ${(ns / beside).toFixed(1)} times the kernel's time by system call`;
  console.log(`${what.padEnd(40)} ${(ns / 1000).toFixed(3)} µs a packet, ${rate}${ratio}`);
}

const object = objectOf(readFileSync(process.env.XDPC_BENCH_RULES ?? "examples/ports.xdp", "utf8"));
const linked = linkObject(readObject(object).object ?? neverRead());

function neverRead(): never {
  throw new Error("the object can't be read");
}

function kernelTime(): { call: number; inside: number } | null {
  if (alone === "alone") return null;
  if (kernelProblem() !== null) {
    console.log(`the kernel is left out: ${kernelProblem()}`);
    return null;
  }
  const loaded = loadObject(objectFile(object));
  for (const port of ports) loaded.map("ports").update(Uint8Array.of(port & 255, port >> 8), Uint8Array.of(1));
  const program = loaded.program();
  const call = time(Math.min(packets, 200_000), (frame) => program.run(frame));
  const inside = median(frames.flatMap((frame) => [program.run(frame, { repeat: 100_000 }).durationNs]));
  return { call, inside };
}

try {
  const kernel = kernelTime();
  for (const executor of ["compiled", "interpreter"] as const) {
    const start = process.hrtime.bigint();
    const machine = new StandardMachine(linked.images, { executor });
    for (const port of ports)
      machine.maps.get("ports")?.userUpdate(Uint8Array.of(port & 255, port >> 8), Uint8Array.of(1), 0);
    machine.run(frames[0] as Uint8Array);
    const ready = Number(process.hrtime.bigint() - start) / 1e6;
    const count = executor === "compiled" ? packets : Math.ceil(packets / 10);
    const verdicts = new Map<string, number>();
    for (const frame of frames) {
      const { verdict } = machine.run(frame);
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    }
    show(
      executor,
      time(count, (frame) => machine.run(frame)),
      kernel?.call,
    );
    console.log(`  ready after ${ready.toFixed(1)} ms; ${[...verdicts].map(([name, n]) => `${name} ${n}`).join(", ")}`);
    if (executor === "compiled")
      show(
        "compiled, path recorded",
        time(Math.ceil(count / 4), (frame) => machine.run(frame, { path: true })),
        kernel?.call,
      );
  }
  if (kernel !== null) {
    show("kernel, a system call each", kernel.call);
    show("kernel, repeated inside", kernel.inside);
  }
} finally {
  closeAll();
}
