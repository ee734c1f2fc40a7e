// Which kernel a program needs, and why: features of the verifier and the instruction set with the release that brought each,
// joined with the tables of helpers, map kinds and context fields. Drives `--kernel` and the minimum-kernel report. Counts
// only what stops a program from loading: what loaders leave out on older kernels by themselves (BTF, line info) doesn't.
// Source: the commits named below, in Linux.

import { InternalError } from "../base/assert.ts";
import type { ContextFieldName } from "./context.ts";
import { contextFields } from "./context.ts";
import { indexOfSlot, slotStarts } from "./encode.ts";
import { helperById } from "./helpers.ts";
import type { Insn } from "./insn.ts";
import { slotsOf } from "./insn.ts";
import type { CpuLevel } from "./isa.ts";
import { aluOps, atomicOps, compareLevels, jumpOps } from "./isa.ts";
import type { MapKind } from "./maps.ts";
import { mapKindInfo } from "./maps.ts";

export type { CpuLevel } from "./isa.ts";

/** The releases that may be asked for as a floor, oldest first. */
export const kernelVersions = [
  ...["5.4", "5.5", "5.6", "5.7", "5.8", "5.9", "5.10", "5.11", "5.12", "5.13", "5.14", "5.15", "5.16", "5.17", "5.18"],
  ...["5.19", "6.0", "6.1", "6.2", "6.3", "6.4", "6.5", "6.6", "6.7", "6.8", "6.9", "6.10", "6.11", "6.12", "6.13"],
  ...["6.14", "6.15", "6.16", "6.17", "6.18"],
] as const;

/** A release that may be asked for. */
export type KernelVersion = (typeof kernelVersions)[number];

/** The release written as `text` ("5.15", also "v5.15" and "5.15.3"), or null when it is none that may be asked for. */
export function parseKernelVersion(text: string): KernelVersion | null {
  const match = /^v?(\d+\.\d+)(?:\.\d+)*$/.exec(text);
  return kernelVersions.find((version) => version === match?.[1]) ?? null;
}

/** Negative, 0 or positive as release `a` is older than, the same as or newer than `b`; both are "MAJOR.MINOR". */
export function compareKernels(a: string, b: string): number {
  const [majorA, minorA] = numbersOf(a);
  const [majorB, minorB] = numbersOf(b);
  return majorA - majorB || minorA - minorB;
}

function numbersOf(version: string): readonly [number, number] {
  const match = /^(\d+)\.(\d+)$/.exec(version);
  if (match === null) throw new InternalError(`no kernel version: ${version}`);
  return [Number(match[1]), Number(match[2])];
}

/** A feature of the kernel that isn't a helper, a map kind or a context field. */
export interface KernelFeature {
  readonly since: string;
  /** What it is, in the words of a message: "this program needs Linux 5.3 for …". */
  readonly what: string;
  readonly source: string;
}

/** The features. `lineInfo` and `funcInfo` are never a reason against a kernel: loaders leave them out where they aren't known. */
export const kernelFeatures = {
  xdp: { since: "4.8", what: "XDP programs", source: "commit 6a773a15a1e8" },
  less: { since: "4.14", what: "the branches <, <=, s< and s<=", source: "commit 92b31a9af73b" },
  localCalls: { since: "4.16", what: "calls between functions of a program", source: "commit cc8b0b92a169" },
  funcInfo: { since: "5.0", what: "function names in BTF", source: "commit 838e96904ff3" },
  lineInfo: { since: "5.0", what: "source lines in BTF", source: "commit c454a46b5efd" },
  jmp32: { since: "5.1", what: "32-bit branches", source: "commit 092ed0968bb6" },
  globalData: { since: "5.2", what: "global data", source: "commit d8eca5bbb2be" },
  manyInsns: { since: "5.2", what: "programs of more than 4096 instructions", source: "commit c04c0d2b968a" },
  loops: { since: "5.3", what: "loops", source: "commit 2589726d12a1" },
  redirectFallback: {
    since: "5.3",
    what: "a verdict for empty entries in bpf_redirect_map's flags",
    source: "commit 43e74c0267a3",
  },
  broadcast: { since: "5.14", what: "redirects to all devices of a map", source: "commit e624d4ed4aa8" },
  devmapPrograms: { since: "5.8", what: "programs in devmap entries", source: "commit fbee97feed9b" },
  cpumapPrograms: { since: "5.9", what: "programs in cpumap entries", source: "commit 9216477449f3" },
  atomics: {
    since: "5.12",
    what: "atomic operations other than a plain addition",
    source: "commits 5ca419f2864a, 981f94c3e921",
  },
  kfuncs: { since: "5.18", what: "kernel functions called by BTF number", source: "commit b4c2b9593a1c" },
  frags: { since: "5.18", what: "packets in several buffers (xdp.frags)", source: "commit c2f2cdbeffda" },
  v4: {
    since: "6.6",
    what: "instructions of level v4",
    source: "commits 1f9a1ea821ff, 8100928c8814, 0845c3db7bf5, ec0e2da95f72, 4cd58e9af8b9",
  },
  mayGoto: { since: "6.9", what: "may_goto", source: "commit 011832b97b31" },
} as const satisfies Record<string, KernelFeature>;

/**
 * Kernel functions that XDP programs can call, and since when; `kfuncs` is the floor of those that aren't here.
 *
 * **Source:** the commits that registered them.
 */
const kernelFunctions: Readonly<Record<string, { readonly since: string; readonly source: string }>> = {
  bpf_dynptr_from_xdp: { since: "6.4", source: "commit 05421aecd4ed" },
  bpf_dynptr_slice: { since: "6.4", source: "commit 66e3a13e7c2c" },
  bpf_dynptr_slice_rdwr: { since: "6.4", source: "commit 66e3a13e7c2c" },
  bpf_dynptr_adjust: { since: "6.5", source: "commit 987d0242d189" },
  bpf_dynptr_is_null: { since: "6.5", source: "commit 540ccf96ddbc" },
  bpf_dynptr_is_rdonly: { since: "6.5", source: "commit 540ccf96ddbc" },
  bpf_dynptr_size: { since: "6.5", source: "commit 26662d7347a0" },
  bpf_dynptr_clone: { since: "6.5", source: "commit 361f129f3cc1" },
  bpf_iter_num_new: { since: "6.4", source: "commit 6018e1f407cc" },
  bpf_iter_num_next: { since: "6.4", source: "commit 6018e1f407cc" },
  bpf_iter_num_destroy: { since: "6.4", source: "commit 6018e1f407cc" },
  bpf_rcu_read_lock: { since: "6.2", source: "commit 9bb00b2895cb" },
  bpf_rcu_read_unlock: { since: "6.2", source: "commit 9bb00b2895cb" },
  bpf_preempt_disable: { since: "6.10", source: "commit fc7566ad0a82" },
  bpf_preempt_enable: { since: "6.10", source: "commit fc7566ad0a82" },
  bpf_xdp_metadata_rx_timestamp: { since: "6.3", source: "commit 3d76a4d3d4e5" },
  bpf_xdp_metadata_rx_hash: { since: "6.3", source: "commit 3d76a4d3d4e5" },
  bpf_xdp_metadata_rx_vlan_tag: { since: "6.8", source: "commit e6795330f88b" },
};

/** A feature's name. */
export type KernelFeatureName = keyof typeof kernelFeatures;

/**
 * The lowest level of the instruction set that has this instruction. 32-bit arithmetic counts as v1 (see `aluOps`), may_goto
 * as v4, in whose compilers it appeared.
 */
export function insnLevel(insn: Insn<unknown>): CpuLevel {
  switch (insn.kind) {
    case "alu":
      return aluOps[insn.op].level;
    case "movsx":
    case "mayGoto":
      return "v4";
    case "endian":
      return insn.op === "bswap" ? "v4" : "v1";
    case "load":
      return insn.signed ? "v4" : "v1";
    case "jump":
      return insn.wide ? "v4" : "v1";
    case "branch":
      return insn.bits === 32 ? "v3" : jumpOps[insn.op].level;
    case "atomic":
      return insn.fetch ? "v3" : atomicOps[insn.op].level;
    case "neg":
    case "store":
    case "loadWide":
    case "legacy":
    case "call":
    case "exit":
      return "v1";
  }
}

/** The highest level any of the instructions needs; v1 for none. */
export function levelOf(insns: readonly Insn<unknown>[]): CpuLevel {
  let level: CpuLevel = "v1";
  for (const insn of insns) if (compareLevels(insnLevel(insn), level) > 0) level = insnLevel(insn);
  return level;
}

/** What is to be known of a program to tell which kernel it needs. */
export interface ProgramNeeds {
  /** Jumps as slot offsets: a backward one is a loop. */
  readonly insns: readonly Insn<number>[];
  /** The maps it uses; `valueBytes` decides for devmaps and cpumaps, whose 8-byte values are younger than they are. */
  readonly maps: readonly { readonly name: string; readonly kind: MapKind; readonly valueBytes?: number }[];
  /** The section's name, as the loader sees it. */
  readonly section: string;
  /** Features it uses that raw instructions don't tell. */
  readonly features?: readonly KernelFeatureName[];
  /** The names of the kernel functions it calls. */
  readonly kernelFunctions?: readonly string[];
  /** The fields of struct xdp_md it reads; a raw instruction doesn't tell. */
  readonly contextFields?: readonly ContextFieldName[];
}

/** One reason why a program needs a kernel. */
export interface KernelReason {
  /** The first release that will do. */
  readonly kernel: string;
  /** What needs it, to follow "for": "the helper bpf_fib_lookup". */
  readonly what: string;
  readonly source: string;
}

/** The oldest kernel that takes a program, and all reasons for one, the hardest first and each once. */
export interface KernelReport {
  readonly minimum: string;
  readonly reasons: readonly KernelReason[];
}

/** Tells the oldest kernel that loads a program. Helpers the table doesn't know (no XDP program may call them) are left out. */
export function minimumKernel(needs: ProgramNeeds): KernelReport {
  const reasons = new Map<string, KernelReason>();
  const add = (kernel: string, what: string, source: string) => reasons.set(what, { kernel, what, source });
  const addFeature = (name: KernelFeatureName) => {
    const { since, what, source } = kernelFeatures[name];
    add(since, what, source);
  };

  addFeature("xdp");
  for (const feature of [...sectionFeatures(needs.section), ...(needs.features ?? [])]) addFeature(feature);
  if (needs.insns.reduce((slots, insn) => slots + slotsOf(insn), 0) > 4096) addFeature("manyInsns");
  if (hasLoop(needs.insns)) addFeature("loops");
  for (const insn of needs.insns) {
    for (const feature of insnFeatures(insn)) addFeature(feature);
    if (insn.kind !== "call" || insn.callee.kind !== "helper") continue;
    const helper = helperById(insn.callee.id);
    if (helper !== null) add(helper.since, `the helper bpf_${helper.name}`, helper.source);
  }
  for (const { name, kind, valueBytes } of needs.maps) {
    const row = mapKindInfo(kind);
    add(row.since, `map ${name} of kind ${kind}`, row.source);
    const size = row.valueSizes.find(({ bytes }) => bytes === valueBytes);
    if (size !== undefined && compareKernels(size.since, row.since) > 0)
      add(size.since, `values of ${size.bytes} bytes in map ${name}`, row.source);
  }
  for (const name of needs.kernelFunctions ?? []) {
    const known = kernelFunctions[name];
    if (known !== undefined) add(known.since, `the kernel function ${name}`, known.source);
  }
  for (const name of needs.contextFields ?? []) {
    const field = contextFields[name];
    add(field.since, `the context's field ${name}`, field.source);
  }

  const sorted = [...reasons.values()].sort((a, b) => compareKernels(b.kernel, a.kernel));
  return { minimum: sorted[0]?.kernel ?? kernelFeatures.xdp.since, reasons: sorted };
}

/** The reasons for which a program can't be loaded on kernel `floor`; empty when it can. */
export function beyondKernel(needs: ProgramNeeds, floor: string): readonly KernelReason[] {
  return minimumKernel(needs).reasons.filter(({ kernel }) => compareKernels(kernel, floor) > 0);
}

function sectionFeatures(section: string): KernelFeatureName[] {
  const features: KernelFeatureName[] = [];
  if (/^xdp\.frags(?:$|\/)/.test(section)) features.push("frags");
  if (/^xdp(?:\.frags)?\/devmap$/.test(section)) features.push("devmapPrograms");
  if (/^xdp(?:\.frags)?\/cpumap$/.test(section)) features.push("cpumapPrograms");
  return features;
}

function insnFeatures(insn: Insn<number>): KernelFeatureName[] {
  const features: KernelFeatureName[] = [];
  if (insn.kind === "mayGoto") return ["mayGoto"];
  if (insnLevel(insn) === "v4") features.push("v4");
  if (insn.kind === "atomic" && insnLevel(insn) === "v3") features.push("atomics");
  if (insn.kind === "branch" && insn.bits === 32) features.push("jmp32");
  if (insn.kind === "branch" && jumpOps[insn.op].level === "v2") features.push("less");
  if (insn.kind === "loadWide" && insn.value.kind === "data") features.push("globalData");
  if (insn.kind === "call" && insn.callee.kind === "local") features.push("localCalls");
  if (insn.kind === "call" && insn.callee.kind === "kfunc") features.push("kfuncs");
  return features;
}

/** True when control can come back to an instruction: a backward jump alone is no loop. */
function hasLoop(insns: readonly Insn<number>[]): boolean {
  const starts = slotStarts(insns);
  const indexOf = indexOfSlot(starts);
  // Instructions on the way of the walk are 1, those done with 2.
  const state = new Uint8Array(insns.length);
  const successors = (index: number): number[] => {
    const insn = insns[index];
    if (insn === undefined || insn.kind === "exit") return [];
    const target = "target" in insn ? indexOf.get((starts[index] ?? 0) + 1 + insn.target) : undefined;
    const next = insn.kind === "jump" ? [] : [index + 1];
    return target === undefined ? next : [...next, target];
  };
  const way: { readonly index: number; readonly rest: number[] }[] = [];
  const enter = (index: number): void => {
    state[index] = 1;
    way.push({ index, rest: successors(index) });
  };
  if (insns.length > 0) enter(0);
  for (let at = way.at(-1); at !== undefined; at = way.at(-1)) {
    const next = at.rest.pop();
    if (next === undefined) {
      state[at.index] = 2;
      way.pop();
    } else if (next < insns.length && state[next] === 1) return true;
    else if (next < insns.length && state[next] === 0) enter(next);
  }
  return false;
}
