// Small objects made by hand for the tests of this folder: programs of a few instructions, one map of each kind, globals.
// Every instruction that refers to a map or a global really uses it, so the kernel has something to verify.

import type { BtfType } from "../../src/bpf/btf.ts";
import { xdpMd } from "../../src/bpf/context.ts";
import type { Reg, ResolvedInsn, WideValue } from "../../src/bpf/insn.ts";
import { isMapKind, type MapKind, mapKindInfo, mapKinds } from "../../src/bpf/maps.ts";
import type { BpfMap, BpfObject, BpfProgram, InsnLine } from "../../src/bpf/object.ts";

/** An unsigned integer type of C's fixed sizes. */
export function uint(bytes: 1 | 2 | 4 | 8): BtfType {
  return { kind: "int", name: `__u${bytes * 8}`, bytes, signed: false, bool: false };
}

/** C's int. */
export const int: BtfType = { kind: "int", name: "int", bytes: 4, signed: true, bool: false };

export const stats: BtfType = {
  kind: "struct",
  name: "stats",
  bytes: 16,
  members: [
    { name: "packets", type: uint(8), offsetBytes: 0 },
    { name: "bytes", type: uint(8), offsetBytes: 8 },
  ],
};

export const flow: BtfType = {
  kind: "struct",
  name: "flow",
  bytes: 8,
  members: [
    { name: "saddr", type: uint(4), offsetBytes: 0 },
    { name: "dport", type: uint(2), offsetBytes: 4 },
  ],
};

export const lpmKey: BtfType = {
  kind: "struct",
  name: "lpm_key",
  bytes: 8,
  members: [
    { name: "prefixlen", type: uint(4), offsetBytes: 0 },
    { name: "address", type: uint(4), offsetBytes: 4 },
  ],
};

export const verdict = { aborted: 0, drop: 1, pass: 2, tx: 3 } as const;

export function move(dst: Reg, imm: number): ResolvedInsn {
  return { kind: "alu", op: "mov", bits: 64, dst, src: { imm } };
}

export function copy(dst: Reg, src: Reg): ResolvedInsn {
  return { kind: "alu", op: "mov", bits: 64, dst, src: { reg: src } };
}

export function wide(dst: Reg, value: WideValue): ResolvedInsn {
  return { kind: "loadWide", dst, value };
}

export const exit: ResolvedInsn = { kind: "exit" };

/** Helper numbers of include/uapi/linux/bpf.h. */
export const helper = { mapLookup: 1, tracePrintk: 6, redirectMap: 51 } as const;

export function call(id: number): ResolvedInsn {
  return { kind: "call", callee: { kind: "helper", id } };
}

/** A program of these instructions with a line for each of them; `parts` replaces anything. */
export function program(name: string, insns: readonly ResolvedInsn[], parts: Partial<BpfProgram> = {}): BpfProgram {
  const lines = insns.map(
    (insn, insnIndex): InsnLine => ({
      insnIndex,
      file: "rules.xdp",
      text: `if ${insn.kind} then ${name} # ${insnIndex}`,
      line: insnIndex + 1,
      column: 4,
    }),
  );
  return {
    name,
    section: "xdp",
    insns,
    lines,
    result: int,
    parameters: [{ name: "ctx", type: { kind: "pointer", to: xdpMd } }],
    runConfig: null,
    ...parts,
  };
}

/** A program that gives `value` for every packet. */
export function constantProgram(name: string, value: number, parts: Partial<BpfProgram> = {}): BpfProgram {
  return program(name, [move(0, value), exit], parts);
}

/** An object of one program that passes everything, with `parts` replaced. */
export function object(parts: Partial<BpfObject> = {}): BpfObject {
  return { license: "GPL", programs: [constantProgram("xdp_rules", verdict.pass)], maps: [], data: [], ...parts };
}

export function map(name: string, kind: MapKind, parts: Partial<BpfMap> = {}): BpfMap {
  return { name, kind, key: null, value: null, maxEntries: 64, flags: 0, pinned: false, ...parts };
}

/** A map of each kind that can be described, with types where the kind has them; `m_<kind>` is its name. */
export function oneMapOfEachKind(): BpfMap[] {
  return Object.keys(mapKinds).flatMap((kind) => {
    if (!isMapKind(kind)) return [];
    const row = mapKindInfo(kind);
    if (row.ofMaps) return [];
    const key = row.key === "any" ? flow : row.key === "lpm" ? lpmKey : row.keyDeclaredBy === "type" ? uint(4) : null;
    const value = row.value === "any" ? stats : null;
    return [map(`m_${kind}`, kind, { key, value, maxEntries: row.entryUnit === "byte" ? 4096 : 64 })];
  });
}

/** Loads the address of each map into r1, so that each has a relocation. */
export function touch(maps: readonly BpfMap[]): ResolvedInsn[] {
  return maps.map((m) => wide(1, { kind: "map", map: m.name }));
}

/** Looks key 0 of `mapName` up and returns `found` or `missing`. */
export function lookup(mapName: string, found: number, missing: number): ResolvedInsn[] {
  return [
    { kind: "store", width: 8, base: 10, offset: -8, src: { imm: 0 } },
    copy(2, 10),
    { kind: "alu", op: "add", bits: 64, dst: 2, src: { imm: -8 } },
    wide(1, { kind: "map", map: mapName }),
    call(helper.mapLookup),
    { kind: "branch", op: "eq", bits: 64, dst: 0, src: { imm: 0 }, target: 2 },
    move(0, found),
    exit,
    move(0, missing),
    exit,
  ];
}

const greeting = "rx %d\n\0";

/** Globals of all three sections, a format string among them, and a program that uses them all; it counts in `seen`. */
export function objectWithGlobals(): BpfObject {
  const rodata = new Uint8Array(16);
  new DataView(rodata.buffer).setUint32(0, 7, true);
  rodata.set(new TextEncoder().encode(greeting), 8);
  const data = new Uint8Array(8);
  new DataView(data.buffer).setBigUint64(0, 40n, true);
  const insns: ResolvedInsn[] = [
    wide(6, { kind: "data", section: ".rodata", offsetBytes: 0 }),
    { kind: "load", width: 4, signed: false, dst: 3, base: 6, offset: 0 },
    wide(1, { kind: "data", section: ".rodata", offsetBytes: 8 }),
    move(2, greeting.length),
    call(helper.tracePrintk),
    wide(1, { kind: "data", section: ".data", offsetBytes: 0 }),
    move(2, 2),
    { kind: "atomic", op: "add", fetch: false, width: 8, base: 1, offset: 0, src: 2 },
    wide(1, { kind: "data", section: ".bss", offsetBytes: 8 }),
    { kind: "store", width: 8, base: 1, offset: 0, src: { imm: 5 } },
    move(0, verdict.drop),
    exit,
  ];
  const text: BtfType = {
    kind: "array",
    element: { kind: "int", name: "char", bytes: 1, signed: true, bool: false },
    count: greeting.length,
  };
  return object({
    programs: [program("xdp_globals", insns)],
    data: [
      {
        name: ".rodata",
        bytes: rodata,
        variables: [
          {
            name: "threshold",
            type: { kind: "const", of: { kind: "volatile", of: uint(4) } },
            offsetBytes: 0,
            local: false,
          },
          { name: "xdp_globals_fmt", type: { kind: "const", of: text }, offsetBytes: 8, local: true },
        ],
      },
      { name: ".data", bytes: data, variables: [{ name: "total", type: uint(8), offsetBytes: 0, local: false }] },
      {
        name: ".bss",
        bytes: new Uint8Array(16),
        variables: [
          { name: "seen", type: uint(8), offsetBytes: 0, local: false },
          { name: "last", type: uint(8), offsetBytes: 8, local: false },
        ],
      },
    ],
  });
}
