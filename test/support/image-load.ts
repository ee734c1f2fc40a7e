// Asks the kernel for its verdict on a ProgramImage: makes its maps, puts their descriptors into the instructions, gives BTF where
// the verifier wants it, loads, and closes everything again. Nothing is attached or pinned. Knows the contract of image.ts and
// nothing else of the compiler.
// Source: Linux include/uapi/linux/bpf.h (union bpf_attr); kernel/bpf/verifier.c, print_verification_stats.

import type { ImageMap, ProgramImage } from "../../src/bpf/image.ts";
import { EXPECTED_ATTACH, MAP_TYPE, possibleCpus } from "./bpf.ts";
import { kernelFunction, mapBtf, programBtf } from "./btf-blob.ts";
import { allocate, closeFd, lastErrno, type NativeMemory, SYSCALL_BPF, SystemError, syscall } from "./native.ts";

const COMMAND = { mapCreate: 0, mapUpdate: 2, progLoad: 5, btfLoad: 18, mapFreeze: 22 } as const;
const ERRNO_AGAIN = 11;
const HAS_FRAGS = 1 << 5;
const FUNC_INFO_BYTES = 8;
const WIDE_LOAD = 0x18;
const CALL = 0x85;
/** A descriptor that no process has. */
const NO_FD = 0x7fff_ffff;
/** A type number that no BTF has. */
const NO_TYPE = 0x000f_ffff;

/** Maps whose entries are or have programs. **Source:** include/linux/bpf.h, map_type_contains_progs. */
const HOLD_PROGRAMS = new Set<number>([MAP_TYPE.prog_array, MAP_TYPE.devmap, MAP_TYPE.devmap_hash, MAP_TYPE.cpumap]);

/** How much the verifier writes: its statistics and a refusal's reason; its way through the refused path; through all paths. */
export const LOG_LEVEL = { statistics: 4, path: 5, everything: 6 } as const;

/** The kernel's verdict on an image. */
export interface KernelVerdict {
  readonly verdict: "accept" | "reject";
  /** 0 when accepted. */
  readonly errno: number;
  /** What the verifier wrote. */
  readonly log: string;
  /** The last line of the log that isn't statistics: why a program was refused. */
  readonly reason: string;
  /** Instructions that the verifier followed; null when it refused the program before that. */
  readonly processed: number | null;
  /** The time the verifier took by its own clock; null as above. */
  readonly verificationMicroseconds: number | null;
  /** Stack bytes of each function; empty as above. */
  readonly stackDepths: readonly number[];
}

/** The maps of an image can't be made here; the program itself was not judged. */
export class MapError extends Error {}

const attr = allocate(160);
const license = allocate(128);
const key = allocate(8);
const growing = new Map<string, NativeMemory>();

/** A buffer for a purpose, kept and only ever replaced by a bigger one. */
function buffer(purpose: string, sizeBytes: number): NativeMemory {
  const known = growing.get(purpose);
  if (known !== undefined && known.bytes.length >= sizeBytes) return known;
  const made = allocate(Math.max(sizeBytes, (known?.bytes.length ?? 4096) * 2));
  growing.set(purpose, made);
  return made;
}

function filled(purpose: string, bytes: Uint8Array): NativeMemory {
  const memory = buffer(purpose, bytes.length);
  memory.bytes.set(bytes);
  return memory;
}

function resetAttr(): DataView {
  attr.bytes.fill(0);
  return attr.view;
}

function bpf(command: number): number {
  return syscall(SYSCALL_BPF, command, attr.address, attr.bytes.length);
}

function loadBtf(blob: Uint8Array): number {
  const memory = filled("btf", blob);
  const view = resetAttr();
  view.setBigUint64(0, memory.address, true);
  view.setUint32(16, blob.length, true);
  const fd = bpf(COMMAND.btfLoad);
  if (fd < 0) throw new MapError(new SystemError("load BTF", lastErrno()).message);
  return fd;
}

/**
 * Loads images and keeps the maps that they share: mutants of a program use the same ones. Call `close` at the end; programs
 * are closed at once.
 */
export class ImageLoader {
  readonly #maps = new Map<string, number>();
  /** Maps of one program only, closed with it. */
  readonly #own: number[] = [];

  /** The descriptor of a map, made at first use. Throws `MapError` when the kernel refuses it or it needs more BTF than is known. */
  #map(map: ImageMap): number {
    const signature = JSON.stringify(map, (name, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : name === "name" ? undefined : value,
    );
    const known = this.#maps.get(signature);
    if (known !== undefined) return known;
    const fd = this.#create(map);
    // The first program that uses a map which holds programs decides what others may use it.
    if (HOLD_PROGRAMS.has(map.type)) this.#own.push(fd);
    else this.#maps.set(signature, fd);
    return fd;
  }

  #create(map: ImageMap): number {
    const inner = map.inner === null ? 0 : this.#map(map.inner);
    const special = map.fields.length === 0 ? null : mapBtf(map);
    if (map.fields.length > 0 && special === null) throw new MapError(`map ${map.name}: members that need more BTF`);
    const btfFd = special === null ? 0 : loadBtf(special.blob);
    const perEvent = map.type === MAP_TYPE.perf_event_array && map.maxEntries === 0;
    const view = resetAttr();
    view.setUint32(0, map.type, true);
    view.setUint32(4, map.keyBytes, true);
    view.setUint32(8, map.valueBytes, true);
    view.setUint32(12, perEvent ? possibleCpus() : map.maxEntries, true);
    view.setUint32(16, map.flags, true);
    view.setUint32(20, inner, true);
    view.setUint32(48, btfFd, true);
    view.setUint32(52, special?.key ?? 0, true);
    view.setUint32(56, special?.value ?? 0, true);
    const fd = bpf(COMMAND.mapCreate);
    const errno = lastErrno();
    if (btfFd > 0) closeFd(btfFd);
    if (fd < 0) throw new MapError(new SystemError(`create map ${map.name} of type ${map.type}`, errno).message);
    if (map.data !== null) this.#fill(fd, map, map.data);
    return fd;
  }

  #fill(fd: number, map: ImageMap, data: Uint8Array): void {
    const value = buffer("value", map.valueBytes);
    value.bytes.fill(0, 0, map.valueBytes);
    value.bytes.set(data.subarray(0, map.valueBytes));
    const update = resetAttr();
    update.setUint32(0, fd, true);
    update.setBigUint64(8, key.address, true);
    update.setBigUint64(16, value.address, true);
    if (bpf(COMMAND.mapUpdate) < 0) throw new MapError(new SystemError(`fill map ${map.name}`, lastErrno()).message);
    if (!map.frozen) return;
    resetAttr().setUint32(0, fd, true);
    if (bpf(COMMAND.mapFreeze) < 0) throw new MapError(new SystemError(`freeze map ${map.name}`, lastErrno()).message);
  }

  /** The instructions with descriptors and type numbers in place of the image's indices. */
  #resolved(image: ProgramImage): Uint8Array {
    const fds = image.maps.map((map) => this.#map(map));
    const code = image.code.slice();
    const view = new DataView(code.buffer);
    for (let slot = 0; slot * 8 + 8 <= code.length; slot++) {
      const at = slot * 8;
      const opcode = view.getUint8(at);
      const src = view.getUint8(at + 1) >> 4;
      const imm = view.getInt32(at + 4, true);
      if (opcode === WIDE_LOAD) {
        if (src === 1 || src === 2) view.setInt32(at + 4, fds[imm] ?? NO_FD, true);
        slot++;
      } else if (opcode === CALL && src === 2) {
        // No name: as libbpf leaves a weak function that isn't there.
        const name = image.kfuncs[imm];
        view.setInt32(at + 4, name === undefined ? 0 : (kernelFunction(name) ?? NO_TYPE), true);
      }
    }
    return code;
  }

  /**
   * Loads an image as BPF_PROG_TYPE_XDP and closes it again. BTF and func_info go along when any function has known
   * parameters. Throws `MapError` when the program can't even be asked about.
   */
  judge(image: ProgramImage, logLevel: number = LOG_LEVEL.statistics): KernelVerdict {
    try {
      return this.#judge(image, logLevel);
    } finally {
      for (const fd of this.#own.splice(0)) closeFd(fd);
    }
  }

  #judge(image: ProgramImage, logLevel: number): KernelVerdict {
    const code = this.#resolved(image);
    const hasBtf = image.functions.some(({ parameters }) => parameters !== null);
    const btf = hasBtf ? programBtf(image.functions) : null;
    const btfFd = btf === null ? 0 : loadBtf(btf.blob);
    try {
      // The verifier gives up with EAGAIN when a signal is pending: that is no verdict.
      for (let attempt = 0; ; attempt++) {
        const verdict = load(image, code, btfFd, btf?.types ?? [], logLevel);
        if (verdict.errno !== ERRNO_AGAIN || attempt >= 5) return verdict;
      }
    } finally {
      if (btfFd > 0) closeFd(btfFd);
    }
  }

  /** Closes the maps. */
  close(): void {
    for (const fd of this.#maps.values()) closeFd(fd);
    this.#maps.clear();
  }
}

function load(
  image: ProgramImage,
  code: Uint8Array,
  btfFd: number,
  types: readonly number[],
  logLevel: number,
): KernelVerdict {
  const insns = filled("code", code);
  license.bytes.fill(0);
  license.bytes.set(new TextEncoder().encode(image.license).subarray(0, 127));
  const log = buffer("log", logLevel === LOG_LEVEL.statistics ? 1 << 16 : 1 << 24);
  log.bytes[0] = 0;
  const info = buffer("func_info", Math.max(1, types.length) * FUNC_INFO_BYTES);
  for (const [index, type] of types.entries()) {
    info.view.setUint32(index * FUNC_INFO_BYTES, image.functions[index]!.startSlot, true);
    info.view.setUint32(index * FUNC_INFO_BYTES + 4, type, true);
  }
  const view = resetAttr();
  view.setUint32(0, 6, true);
  view.setUint32(4, code.length / 8, true);
  view.setBigUint64(8, insns.address, true);
  view.setBigUint64(16, license.address, true);
  view.setUint32(24, logLevel, true);
  view.setUint32(28, log.bytes.length, true);
  view.setBigUint64(32, log.address, true);
  view.setUint32(44, image.frags ? HAS_FRAGS : 0, true);
  attr.bytes.set(new TextEncoder().encode("judged"), 48);
  view.setUint32(68, EXPECTED_ATTACH[image.attach], true);
  if (btfFd > 0) {
    view.setUint32(72, btfFd, true);
    view.setUint32(76, FUNC_INFO_BYTES, true);
    view.setBigUint64(80, info.address, true);
    view.setUint32(88, types.length, true);
  }
  const fd = bpf(COMMAND.progLoad);
  const errno = fd < 0 ? lastErrno() : 0;
  if (fd >= 0) closeFd(fd);
  const text = new TextDecoder().decode(log.bytes.subarray(0, log.bytes.indexOf(0)));
  return { verdict: fd < 0 ? "reject" : "accept", errno, log: text, reason: reasonIn(text), ...statisticsIn(text) };
}

const STATISTICS = /^(processed \d+ insns|verification time|stack depth|mark_precise|$)/;

function reasonIn(log: string): string {
  const lines = log.split("\n").filter((line) => !STATISTICS.test(line));
  return lines.at(-1) ?? "";
}

function statisticsIn(log: string): Pick<KernelVerdict, "processed" | "verificationMicroseconds" | "stackDepths"> {
  const number = (pattern: RegExp): number | null => {
    const found = pattern.exec(log)?.[1];
    return found === undefined ? null : Number(found);
  };
  return {
    processed: number(/^processed (\d+) insns/m),
    verificationMicroseconds: number(/^verification time (\d+) usec/m),
    stackDepths: (/^stack depth ([\d+]+)/m.exec(log)?.[1] ?? "")
      .split("+")
      .filter((n) => n !== "")
      .map(Number),
  };
}
