// Small programs for the tests of the checker's memory and calls: text with maps by name becomes a ProgramImage, which the
// checker judges and support/image-load.ts shows to the kernel. Knows nothing of the checker's insides.

import { parseAsm } from "../../src/bpf/asm-parse.ts";
import { encode, slotStarts } from "../../src/bpf/encode.ts";
import type { AttachPoint, ImageFunction, ImageMap, ProgramImage } from "../../src/bpf/image.ts";
import type { ResolvedInsn } from "../../src/bpf/insn.ts";
import { type MapKind, mapFlags, mapKinds } from "../../src/bpf/maps.ts";
import { checkProgram } from "../../src/checker/check.ts";
import type { CheckReport } from "../../src/checker/verdict.ts";
import type { ImageLoader, KernelVerdict } from "../support/image-load.ts";

/** What a map of the tests says besides its kind. */
export interface TestMap extends Partial<Omit<ImageMap, "type" | "name">> {
  readonly kind: MapKind | number;
}

/** An `ImageMap` with what is usual filled in: 4-byte keys, 8-byte values, 4 entries. */
export function testMap(name: string, map: TestMap): ImageMap {
  const type = typeof map.kind === "number" ? map.kind : mapKinds[map.kind].number;
  const keyless = typeof map.kind === "string" && mapKinds[map.kind].key === "none";
  const ring = map.kind === "ringbuf";
  const handles = typeof map.kind === "string" && mapKinds[map.kind].value === "fixed";
  const fields = map.fields ?? [];
  return {
    name,
    type,
    keyBytes: map.keyBytes ?? (keyless ? 0 : 4),
    valueBytes: map.valueBytes ?? (ring ? 0 : handles ? 4 : 8),
    maxEntries: map.maxEntries ?? (ring ? 4096 : 4),
    flags: map.flags ?? (map.kind === "lpm_trie" ? mapFlags.noPrealloc : 0),
    frozen: map.frozen ?? false,
    data: map.data ?? null,
    fields,
    hasBtf: map.hasBtf ?? fields.length > 0,
    inner: map.inner ?? null,
  };
}

const text = new TextEncoder();

/** The maps that programs of the tests name. `.data` and `.ro` are of one entry: their values have addresses of their own. */
export const testMaps: readonly ImageMap[] = [
  testMap("hash", { kind: "hash" }),
  testMap("hash16", { kind: "hash", keyBytes: 16, valueBytes: 24 }),
  testMap("array", { kind: "array", valueBytes: 64 }),
  testMap("percpu", { kind: "percpu_array", valueBytes: 16 }),
  testMap("percpuhash", { kind: "percpu_hash", valueBytes: 16 }),
  testMap("lru", { kind: "lru_hash" }),
  testMap("lpm", { kind: "lpm_trie", keyBytes: 8 }),
  testMap("progs", { kind: "prog_array" }),
  testMap("perf", { kind: "perf_event_array" }),
  testMap("ring", { kind: "ringbuf" }),
  testMap("queue", { kind: "queue" }),
  testMap("stackmap", { kind: "stack" }),
  testMap("bloom", { kind: "bloom_filter" }),
  testMap("dev", { kind: "devmap", valueBytes: 8 }),
  testMap("devhash", { kind: "devmap_hash" }),
  testMap("cpus", { kind: "cpumap" }),
  testMap("xsk", { kind: "xskmap" }),
  testMap("outer", { kind: "array_of_maps", inner: testMap("inner", { kind: "hash", valueBytes: 16 }) }),
  testMap("outerhash", { kind: "hash_of_maps", inner: testMap("inner", { kind: "array", valueBytes: 16 }) }),
  testMap("readonly", { kind: "array", flags: mapFlags.rdonlyProg, valueBytes: 16 }),
  testMap("writeonly", { kind: "array", flags: mapFlags.wronlyProg, valueBytes: 16 }),
  testMap("frozen4", {
    kind: "array",
    flags: mapFlags.rdonlyProg,
    valueBytes: 16,
    frozen: true,
    data: new Uint8Array(16),
  }),
  testMap("locked", { kind: "array", valueBytes: 16, fields: [{ kind: "spinLock", offsetBytes: 4, bytes: 4 }] }),
  testMap("lockedhash", { kind: "hash", valueBytes: 16, fields: [{ kind: "spinLock", offsetBytes: 0, bytes: 4 }] }),
  testMap("timers", { kind: "array", valueBytes: 32, fields: [{ kind: "timer", offsetBytes: 8, bytes: 16 }] }),
  testMap(".data", { kind: "array", maxEntries: 1, valueBytes: 64, data: new Uint8Array(64) }),
  testMap(".ro", {
    kind: "array",
    maxEntries: 1,
    valueBytes: 32,
    flags: mapFlags.rdonlyProg,
    frozen: true,
    data: text.encode("\x05\x00\x00\x00\xfb\xff\xff\xff%d %s\0%u\0%lq\0abcdefghijklm"),
  }),
];

/** What a program of the tests says besides its text. */
export interface TestProgram {
  readonly text: string;
  readonly maps?: readonly ImageMap[];
  readonly license?: string;
  readonly attach?: AttachPoint;
  readonly frags?: boolean;
  /** Loads it without types; else its functions have some, as callbacks and tail calls in functions need them. */
  readonly withoutBtf?: boolean;
}

/** The functions of a program that has several: those called and those whose address is taken. */
function functionsOf(
  insns: readonly ResolvedInsn[],
  labels: ReadonlyMap<string, number>,
  addressed: readonly string[],
): ImageFunction[] {
  const starts = slotStarts(insns);
  const slots = new Map<number, string>(addressed.map((name) => [starts[labels.get(name) ?? 0] ?? 0, name]));
  for (const [index, insn] of insns.entries())
    if (insn.kind === "call" && insn.callee.kind === "local") {
      const slot = (starts[index] ?? 0) + 1 + insn.callee.target;
      slots.set(slot, slots.get(slot) ?? `f${slot}`);
    }
  if (slots.size === 0) return [];
  const order = [0, ...[...slots.keys()].sort((a, b) => a - b), starts.at(-1) ?? 0];
  return order.slice(0, -1).map((startSlot, at) => ({
    name: startSlot === 0 ? "test" : (slots.get(startSlot) ?? ""),
    startSlot,
    slots: (order[at + 1] ?? 0) - startSlot,
    global: startSlot === 0,
    parameters: startSlot === 0 ? [{ kind: "ctx" }] : [],
    returnsScalar: true,
  }));
}

/** Instructions that the assembler doesn't write, as an exchange that is patched afterwards. */
const acquireLine = /^(.*?)r(\d+) = load_acquire\(\(u(32|64) \*\)(\(.*\))\)$/;
const releaseLine = /^(.*?)store_release\(\(u(32|64) \*\)(\(.*\)), r(\d+)\)$/;

/** The program as the checker gets it. Throws on text that is no program. */
export function imageOf(program: TestProgram): ProgramImage {
  const maps = program.maps ?? testMaps;
  const ordered: { readonly acquire: boolean }[] = [];
  const functions: string[] = [];
  const kfuncs: string[] = [];
  const plain = program.text
    .split("\n")
    .map((line) => {
      const kernel = /^(.*?)call kernel (\w+)$/.exec(line.trim());
      if (kernel !== null) {
        const name = kernel[2] ?? "";
        if (!kfuncs.includes(name)) kfuncs.push(name);
        return `${kernel[1]}call kfunc[${kfuncs.indexOf(name)}, 0]`;
      }
      const address = /^(.*?)(r\d+) = func\[(\w+)\] ll$/.exec(line.trim());
      if (address !== null) return `${address[1]}${address[2]} = raw[4, 0, ${functions.push(address[3] ?? "")}] ll`;
      const acquire = acquireLine.exec(line.trim());
      const release = releaseLine.exec(line.trim());
      if (acquire === null && release === null) return line;
      ordered.push({ acquire: acquire !== null });
      const [label, source, size, place] =
        acquire !== null
          ? [acquire[1], acquire[2], acquire[3], acquire[4]]
          : [release?.[1], release?.[4], release?.[2], release?.[3]];
      return `${label}r${source} = atomic_fetch_and((u${size} *)${place}, r${source})`;
    })
    .join("\n");
  const parsed = parseAsm(plain);
  if (parsed.kind === "errors")
    throw new Error(`${parsed.errors.map((e) => `${e.line}: ${e.message}`).join("; ")}\n${program.text}`);
  const used: ImageMap[] = [];
  const indexOf = (name: string): number => {
    const at = used.findIndex((map) => map.name === name);
    if (at >= 0) return at;
    const map = maps.find((m) => m.name === name);
    if (map === undefined) throw new Error(`no map ${name}`);
    return used.push(map) - 1;
  };
  const { bytes, relocations } = encode(parsed.insns);
  const code = bytes.slice();
  const view = new DataView(code.buffer);
  for (const relocation of relocations) {
    const at = relocation.slot * 8;
    if (relocation.kind === "call") throw new Error("no relocated calls here");
    const name = relocation.kind === "map" ? relocation.symbol : relocation.section;
    view.setInt32(at + 4, indexOf(name), true);
    const dst = view.getUint8(at + 1) & 0x0f;
    view.setUint8(at + 1, dst | (relocation.kind === "map" ? 0x10 : 0x20));
    if (relocation.kind === "data") view.setInt32(at + 12, relocation.offsetBytes, true);
  }
  patchOrdered(code, view, ordered);
  patchAddresses(code, view, functions, (name) => slotStarts(parsed.insns)[parsed.labels.get(name) ?? 0] ?? 0);
  return {
    name: "test",
    section: "xdp",
    attach: program.attach ?? "device",
    frags: program.frags ?? false,
    license: program.license ?? "GPL",
    code,
    maps: used,
    kfuncs,
    functions: program.withoutBtf === true ? [] : functionsOf(parsed.insns, parsed.labels, functions),
    lines: [],
    gaps: [],
  };
}

/** Turns each atomic_fetch_and into the load-acquire or store-release that stands for it. */
function patchOrdered(code: Uint8Array, view: DataView, ordered: readonly { readonly acquire: boolean }[]): void {
  let next = 0;
  for (let slot = 0; slot * 8 < code.length && next < ordered.length; slot++) {
    const at = slot * 8;
    if (code[at] === 0x18) slot++;
    if ((code[at] !== 0xc3 && code[at] !== 0xdb) || view.getInt32(at + 4, true) !== 0x51) continue;
    const acquire = ordered[next++]?.acquire === true;
    view.setInt32(at + 4, acquire ? 0x100 : 0x110, true);
    const registers = code[at + 1] ?? 0;
    if (acquire) code[at + 1] = (registers >> 4) | ((registers & 15) << 4);
  }
}

/** Puts the functions' distances where their addresses are loaded. */
function patchAddresses(
  code: Uint8Array,
  view: DataView,
  names: readonly string[],
  slotOf: (name: string) => number,
): void {
  for (let slot = 0; slot * 8 < code.length; slot++) {
    const at = slot * 8;
    if (code[at] !== 0x18) continue;
    const name = (code[at + 1] ?? 0) >> 4 === 4 ? names[view.getInt32(at + 12, true) - 1] : undefined;
    if (name !== undefined) {
      view.setInt32(at + 4, slotOf(name) - slot - 1, true);
      view.setInt32(at + 12, 0, true);
    }
    slot++;
  }
}

/** Both answers to one program. */
export interface Answers {
  readonly ours: CheckReport;
  readonly kernel: KernelVerdict;
}

/** Asks checker and kernel; a loader is needed for each run of many. */
export function askBoth(loader: ImageLoader, program: TestProgram): Answers {
  const image = imageOf(program);
  return { ours: checkProgram(image), kernel: loader.judge(image) };
}

/** In words how they differ; null when they agree. */
export function difference(program: TestProgram, { ours, kernel }: Answers): string | null {
  if (ours.verdict === kernel.verdict) return null;
  const why = ours.fault === null ? ours.unknown.join(", ") : `${ours.fault.fault.kind} at ${ours.fault.slot}`;
  return `kernel ${kernel.verdict} (${kernel.reason}), ours ${ours.verdict} (${why})\n${program.text}`;
}
