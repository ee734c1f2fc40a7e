// bpf(2), command by command: descriptors by id or by pin, pins, what the kernel tells of programs, maps and BTF. Results below zero are
// error numbers. What an object file becomes when it is loaded is libbpf's work (libbpf.ts); entries of maps are kernel-map.ts's.
// Source: Linux include/uapi/linux/bpf.h (union bpf_attr, struct bpf_prog_info, bpf_map_info, bpf_btf_info).

import { readlinkSync } from "node:fs";
import { ERRNO } from "./errno.ts";
import { allocate, closeFd, cString, type NativeMemory, systemCall, textOf, withMemory } from "./native.ts";

/** Commands of bpf(2). **Source:** enum bpf_cmd. */
export const BPF = {
  mapCreate: 0,
  mapLookup: 1,
  mapUpdate: 2,
  mapDelete: 3,
  mapGetNextKey: 4,
  progLoad: 5,
  objPin: 6,
  objGet: 7,
  progGetNextId: 11,
  mapGetNextId: 12,
  progGetFdById: 13,
  mapGetFdById: 14,
  getInfo: 15,
  btfGetFdById: 19,
  mapLookupAndDelete: 21,
  mapLookupBatch: 24,
} as const;

/** The size of the attributes that are given: enough for all commands here; the kernel takes zeros behind those it knows. */
const ATTR_BYTES = 144;

/** Calls bpf(2); `fill` writes the attributes, which are zero before, `after` reads them, also where it failed. Negative results are error numbers. */
export function bpfCall(command: number, fill: (attr: DataView) => void, after?: (attr: DataView) => void): number {
  shared ??= allocate(ATTR_BYTES);
  shared.bytes.fill(0);
  fill(shared.view);
  const result = systemCall("bpf", command, shared.address, ATTR_BYTES);
  after?.(shared.view);
  return result;
}

/** The attributes' memory: calls don't nest. */
let shared: NativeMemory | null = null;

/** Pins what a descriptor stands for. Returns 0 or an error number. */
export function pin(fd: number, path: string): number {
  return withMemory([cString(path)], (text) =>
    bpfCall(BPF.objPin, (attr) => {
      attr.setBigUint64(0, text.address, true);
      attr.setUint32(8, fd, true);
    }),
  );
}

/** A descriptor of what is pinned at `path`, or an error number. */
export function openPin(path: string): number {
  return withMemory([cString(path)], (text) => bpfCall(BPF.objGet, (attr) => attr.setBigUint64(0, text.address, true)));
}

/** What a descriptor stands for: "program", "map", "link", or null for something else. */
export function kindOfFd(fd: number): "program" | "map" | "link" | null {
  try {
    const target = readlinkSync(`/proc/self/fd/${fd}`);
    const kinds = {
      "anon_inode:bpf-prog": "program",
      "anon_inode:bpf-map": "map",
      "anon_inode:bpf_link": "link",
    } as const;
    return kinds[target as keyof typeof kinds] ?? null;
  } catch {
    return null;
  }
}

/** A descriptor of a program, map or BTF by its id, or an error number. */
export function openById(what: "program" | "map" | "btf", id: number): number {
  const command = { program: BPF.progGetFdById, map: BPF.mapGetFdById, btf: BPF.btfGetFdById }[what];
  return bpfCall(command, (attr) => attr.setUint32(0, id, true));
}

/** The ids of all programs or maps there are; fewer, or none, without the right to ask. */
export function allIds(what: "program" | "map"): readonly number[] {
  const command = what === "program" ? BPF.progGetNextId : BPF.mapGetNextId;
  const ids: number[] = [];
  for (let id = 0; ; ) {
    let next = 0;
    const result = bpfCall(
      command,
      (attr) => attr.setUint32(0, id, true),
      (attr) => {
        next = attr.getUint32(4, true);
      },
    );
    if (result < 0) return ids;
    ids.push(next);
    id = next;
  }
}

/** Reads the info record of a descriptor into `info`; `fill` sets what it asks for. Returns 0 or an error number. */
function getInfo(fd: number, info: NativeMemory): number {
  return bpfCall(BPF.getInfo, (attr) => {
    attr.setUint32(0, fd, true);
    attr.setUint32(4, info.bytes.length, true);
    attr.setBigUint64(8, info.address, true);
  });
}

/** What the kernel tells of a program. */
export interface ProgramInfo {
  /** BPF_PROG_TYPE_*: 6 is XDP. */
  readonly type: number;
  readonly id: number;
  /** 16 hexadecimal digits: a digest of the instructions, the same for equal programs. */
  readonly tag: string;
  /** As the kernel keeps it, 15 characters at most. */
  readonly name: string;
  /** When it was loaded: nanoseconds since boot. */
  readonly loadedNs: bigint;
  readonly uid: number;
  readonly mapIds: readonly number[];
  /** The BTF it came with, 0 without. */
  readonly btfId: number;
  /** Size of the instructions as the kernel runs them, in bytes, before they became machine code. */
  readonly translatedBytes: number;
  /** Statistics, counted only while kernel.bpf_stats_enabled is 1. */
  readonly runCount: bigint;
  readonly runTimeNs: bigint;
}

/** BPF_PROG_TYPE_XDP. */
export const PROGRAM_TYPE_XDP = 6;

const PROGRAM_INFO_BYTES = 232;

/** What the kernel tells of the program that `fd` stands for, or an error number (EINVAL: it isn't one). */
export function programInfo(fd: number): ProgramInfo | number {
  // The kernel answers for whatever a descriptor stands for.
  if (kindOfFd(fd) !== "program") return -ERRNO.EINVAL;
  return withMemory([PROGRAM_INFO_BYTES, 4 * 256], (info, ids) => {
    const { view, bytes } = info;
    const mapIds = ids;
    view.setUint32(52, 256, true);
    view.setBigUint64(56, mapIds.address, true);
    const result = getInfo(fd, info);
    if (result < 0) return result;
    const count = Math.min(view.getUint32(52, true), 256);
    return {
      type: view.getUint32(0, true),
      id: view.getUint32(4, true),
      tag: Buffer.from(bytes.subarray(8, 16)).toString("hex"),
      name: textOf(bytes.subarray(64, 80)),
      loadedNs: view.getBigUint64(40, true),
      uid: view.getUint32(48, true),
      mapIds: Array.from({ length: count }, (_, i) => mapIds.view.getUint32(4 * i, true)),
      btfId: view.getUint32(128, true),
      translatedBytes: view.getUint32(20, true),
      runTimeNs: view.getBigUint64(192, true),
      runCount: view.getBigUint64(200, true),
    };
  });
}

/** Where the instructions of a running program came from. */
export interface ProgramCode {
  /** The instructions as the kernel runs them, 8 bytes each; a 16-byte load of a map has its id as immediate. */
  readonly code: Uint8Array;
  /** Rising by slot: offsets into the strings of the program's BTF; `lineColumn` is line << 10 | column. */
  readonly lines: readonly {
    readonly slot: number;
    readonly fileOffset: number;
    readonly textOffset: number;
    readonly lineColumn: number;
  }[];
}

/** The instructions and line info of a running program; null where the kernel keeps them to itself. */
export function programCode(fd: number): ProgramCode | null {
  const sizes = withMemory([PROGRAM_INFO_BYTES], (info) => {
    const memory = info;
    if (getInfo(fd, memory) < 0) return null;
    return {
      code: memory.view.getUint32(20, true),
      lines: memory.view.getUint32(148, true),
      recordBytes: memory.view.getUint32(172, true),
    };
  });
  if (sizes === null || sizes.code === 0) return null;
  const recordBytes = Math.max(sizes.recordBytes, 16);
  return withMemory([PROGRAM_INFO_BYTES, sizes.code, sizes.lines * recordBytes], (info, code, lines) => {
    const { view } = info;
    view.setUint32(20, sizes.code, true);
    view.setBigUint64(32, code.address, true);
    view.setUint32(148, sizes.lines, true);
    view.setUint32(172, recordBytes, true);
    view.setBigUint64(152, lines.address, true);
    // The kernel zeroes the instructions' address where it won't show them (kernel.kptr_restrict, bpf_jit_harden, no privilege).
    if (getInfo(fd, info) < 0 || view.getBigUint64(32, true) === 0n) return null;
    const { view: at } = lines;
    const count = Math.min(view.getUint32(148, true), sizes.lines);
    return {
      code: code.bytes.slice(0, sizes.code),
      lines: Array.from({ length: count }, (_, i) => ({
        slot: at.getUint32(i * recordBytes, true),
        fileOffset: at.getUint32(i * recordBytes + 4, true),
        textOffset: at.getUint32(i * recordBytes + 8, true),
        lineColumn: at.getUint32(i * recordBytes + 12, true),
      })),
    };
  });
}

/** What the kernel tells of a map. */
export interface MapInfo {
  /** BPF_MAP_TYPE_*. */
  readonly type: number;
  readonly id: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** As the kernel keeps it, 15 characters at most. */
  readonly name: string;
  /** The BTF that the types below are of, 0 without. */
  readonly btfId: number;
  readonly keyType: number;
  readonly valueType: number;
}

/** What the kernel tells of the map that `fd` stands for, or an error number (EINVAL: it isn't one). */
export function mapInfo(fd: number): MapInfo | number {
  if (kindOfFd(fd) !== "map") return -ERRNO.EINVAL;
  return withMemory([96], (info) => {
    const { view, bytes } = info;
    const result = getInfo(fd, info);
    if (result < 0) return result;
    return {
      type: view.getUint32(0, true),
      id: view.getUint32(4, true),
      keyBytes: view.getUint32(8, true),
      valueBytes: view.getUint32(12, true),
      maxEntries: view.getUint32(16, true),
      flags: view.getUint32(20, true),
      name: textOf(bytes.subarray(24, 40)),
      btfId: view.getUint32(64, true),
      keyType: view.getUint32(68, true),
      valueType: view.getUint32(72, true),
    };
  });
}

/** The bytes of a BTF that the kernel holds, as a .BTF section has them; null where it can't be had. */
export function btfBytes(id: number): Uint8Array | null {
  const fd = openById("btf", id);
  if (fd < 0) return null;
  const info = allocate(32);
  try {
    if (getInfo(fd, info) < 0) return null;
    const size = info.view.getUint32(8, true);
    return withMemory([size], (blob) => {
      info.bytes.fill(0);
      info.view.setBigUint64(0, blob.address, true);
      info.view.setUint32(8, size, true);
      return getInfo(fd, info) < 0 ? null : blob.bytes.slice(0, size);
    });
  } finally {
    info.free();
    closeFd(fd);
  }
}
