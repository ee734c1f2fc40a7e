// A prepared object into the kernel: variables set, maps that exist already put in place, loaded; and every way in which that can fail, in
// words: what isn't permitted, which map can't be made, what the verifier refuses and where. Attaches nothing, pins nothing but what
// libbpf pins by the rules' own words (`pinned`), and that is undone when it fails.

import { existsSync, unlinkSync } from "node:fs";
import { release } from "node:os";
import path from "node:path";
import type { ProgramImage } from "../bpf/image.ts";
import { checkProgram } from "../checker/check.ts";
import { tellFault } from "../checker/messages.ts";
import { BPF, bpfCall } from "./bpf-call.ts";
import { ERRNO, errnoName, errnoText } from "./errno.ts";
import { DeviceFailure } from "./failure.ts";
import { KernelMap, possibleCpus } from "./kernel-map.ts";
import { type LibbpfObject, type ObjectMapHandle, openObject } from "./libbpf.ts";
import { difference } from "./map-definition.ts";
import { closeFd } from "./native.ts";
import type { PreparedObject } from "./prepare.ts";
import { whyNotPermitted } from "./privilege.ts";

/** What to change before loading. */
export interface LoadOptions {
  /** Bytes of variables by name. */
  readonly variables: ReadonlyMap<string, Uint8Array>;
  /** Maps that exist, by name in the object: used instead of new ones where the definitions are equal. */
  readonly existing: (name: string) => KernelMap | null;
  /** Maps of a program on another device, by name in its object: used where this object has one of the same name. */
  readonly sharing: ((name: string) => KernelMap | null) | null;
  /** The device whose hardware runs the program; null: the kernel runs it. */
  readonly offload: { readonly index: number; readonly name: string } | null;
}

/** An object in the kernel. `close` lets go of it; what is pinned or attached lives on. */
export interface LoadedObject {
  readonly programFd: number;
  readonly programs: readonly { readonly name: string; readonly fd: number }[];
  readonly maps: readonly ObjectMapHandle[];
  /** Maps whose entries were kept. */
  readonly kept: readonly string[];
  /** Maps that are those of the other device's program. */
  readonly joined: readonly string[];
  /** Maps that existed and couldn't be kept, and why. */
  readonly renewed: readonly { readonly name: string; readonly why: string }[];
  /** Maps that libbpf pinned, or found pinned, by name. */
  readonly shared: readonly { readonly name: string; readonly path: string; readonly isNew: boolean }[];
  close(): void;
  /** Takes back pins that loading made, as if it had failed. */
  undo(): void;
}

/** Loads an object. Throws DeviceFailure; then nothing has changed. */
export function loadPrepared(prepared: PreparedObject, options: LoadOptions): LoadedObject {
  const stem = path.basename(prepared.file).replace(/\.[^.]*$/, "");
  const opened = openObject(prepared.bytes, stem.replace(/[^A-Za-z0-9_]/g, "_") || "object");
  if (typeof opened === "number")
    throw new DeviceFailure("bad-object", `libbpf can't open ${prepared.file}: ${errnoText(opened)}`, [
      "libbpf of this system may be too old for the object: see xdpc disasm, or xdpc check",
    ]);
  try {
    return load(prepared, opened, options);
  } catch (error) {
    opened.close();
    throw error;
  }
}

function load(prepared: PreparedObject, opened: LibbpfObject, options: LoadOptions): LoadedObject {
  const wanted = new Set(prepared.images.map((image) => image.name));
  for (const program of opened.programs) {
    if (wanted.has(program.name)) program.setXdp();
    else program.setAutoload(false);
  }
  if (options.offload !== null) opened.offloadTo(options.offload.index);
  setInitialValues(prepared, opened, options.variables);
  const { kept, joined, renewed } = keepMaps(prepared, opened, options);
  const shared = opened.maps.flatMap((map) => {
    if (map.pinPath === null) return [];
    return [{ name: map.name, path: map.pinPath, isNew: !existsSync(map.pinPath) }];
  });
  const undo = (): void => {
    for (const pin of shared) if (pin.isNew && existsSync(pin.path)) unlinkSync(pin.path);
  };
  const { result, log } = opened.load();
  if (result < 0) {
    // libbpf takes its pins back by itself; older ones don't in every case.
    undo();
    throw loadFailure(prepared, opened, result, log, options);
  }
  const programs = opened.programs.filter((program) => program.fd >= 0);
  const chosen = programs.find((program) => program.name === prepared.chosen.name);
  if (chosen === undefined) throw new Error(`libbpf has no program ${prepared.chosen.name}`);
  return {
    programFd: chosen.fd,
    programs,
    maps: opened.maps,
    kept,
    joined,
    renewed,
    shared,
    close: () => opened.close(),
    undo,
  };
}

function setInitialValues(
  prepared: PreparedObject,
  opened: LibbpfObject,
  variables: ReadonlyMap<string, Uint8Array>,
): void {
  for (const [name, bytes] of variables) {
    const variable = prepared.variables.get(name);
    const value = opened.maps.find((map) => map.internal && map.name === variable?.section)?.initialValue ?? null;
    if (variable === undefined || value === null)
      throw new DeviceFailure("no-variable", `no program of ${prepared.file} uses ${name}, so it can't be set`);
    value.set(bytes, variable.offsetBytes);
  }
}

/** Puts existing maps in the place of new ones where they are the same; holds those that are pinned by name against their pins. */
function keepMaps(
  prepared: PreparedObject,
  opened: LibbpfObject,
  { existing, sharing }: LoadOptions,
): Pick<LoadedObject, "kept" | "joined" | "renewed"> {
  const kept: string[] = [];
  const joined: string[] = [];
  const renewed: { name: string; why: string }[] = [];
  for (const map of opened.maps) {
    if (map.internal) continue;
    if (map.pinPath !== null) {
      needSamePinned(prepared, map);
      continue;
    }
    const other = sharing?.(map.name) ?? null;
    if (other !== null) {
      join(prepared, map, other);
      joined.push(map.name);
      continue;
    }
    const before = existing(map.name);
    if (before === null) continue;
    try {
      const why = difference(before, map, prepared.object);
      if (why !== null) {
        renewed.push({ name: map.name, why });
        continue;
      }
      const result = map.reuse(before.fd);
      if (result < 0) renewed.push({ name: map.name, why: errnoText(result) });
      else kept.push(map.name);
    } finally {
      before.close();
    }
  }
  return { kept, joined, renewed };
}

/** Uses a map of another device's program. Throws DeviceFailure where it is another one. */
function join({ object }: PreparedObject, map: ObjectMapHandle, other: KernelMap): void {
  try {
    const differs = difference(other, map, object);
    const result = differs === null ? map.reuse(other.fd) : 0;
    const why = differs ?? (result < 0 ? errnoText(result) : null);
    if (why !== null) throw new DeviceFailure("other-map", `map ${map.name} can't be shared: ${why}`);
  } finally {
    other.close();
  }
}

/** Throws DeviceFailure where something else is pinned in the place of a map that is declared `pinned`. */
function needSamePinned({ file, object }: PreparedObject, map: ObjectMapHandle): void {
  const place = map.pinPath ?? "";
  if (!existsSync(place)) return;
  const before = KernelMap.fromPin(place);
  if (typeof before === "number")
    throw new DeviceFailure("pinned-map", `${place}, where ${file} has map ${map.name} pinned, holds no map`, [
      `remove it (rm ${place}) or give the map another name`,
    ]);
  try {
    const why = difference(before, map, object);
    if (why !== null)
      throw new DeviceFailure("pinned-map", `map ${map.name} is pinned at ${place} with another definition: ${why}`, [
        `if nothing else uses it, remove it (rm ${place}); else give the map another name or the same definition`,
      ]);
  } finally {
    before.close();
  }
}

// -------------------------------------------------------------------------------------------------------------- failures

function loadFailure(
  prepared: PreparedObject,
  opened: LibbpfObject,
  result: number,
  log: string,
  { offload }: LoadOptions,
): DeviceFailure {
  const { file } = prepared;
  if (offload !== null)
    return new DeviceFailure(
      "no-offload",
      `${offload.name} can't run programs in its hardware: the kernel loads none for it (${errnoName(result)})`,
      ["use --mode native, which runs it in the driver, or --mode auto", ...lastLines(log)],
    );
  const refused = prepared.images.map((image) => refusalOf(image)).find((one) => one !== null) ?? null;
  if (refused !== null || /^processed \d+ insns/m.test(log)) return rejection(prepared, refused, log);
  if (result === -ERRNO.EPERM || result === -ERRNO.EACCES)
    return new DeviceFailure(
      "no-privilege",
      `the kernel doesn't permit to load ${file}`,
      [...whyNotPermitted()],
      log || null,
    );
  if (usesKernelTypes(prepared) && !existsSync("/sys/kernel/btf/vmlinux"))
    return new DeviceFailure(
      "no-btf",
      `${file} depends on the layout of kernel types, and this kernel has no BTF to tell it`,
      ["a kernel with CONFIG_DEBUG_INFO_BTF=y has /sys/kernel/btf/vmlinux; rules of xdpc don't need it"],
    );
  const map = opened.maps.find((one) => !one.internal && mapProblem(one) < 0);
  if (map !== undefined) {
    const why = mapProblem(map);
    const kilobytes = Math.ceil((map.maxEntries * (map.keyBytes + map.valueBytes)) / 1024);
    const big = why === -ERRNO.ENOMEM || why === -ERRNO.E2BIG;
    return new DeviceFailure("no-map", `the kernel can't make map ${map.name}: ${errnoText(why)}`, [
      big
        ? `its entries alone take ${kilobytes} KiB${perCpuText(map)}: make it smaller, or see what memory there is (free -m, the cgroup's memory.max)`
        : `it is of type ${map.type}, with flags 0x${map.flags.toString(16)}: this kernel (${release()}) may lack it; xdpc FILE --kernel VERSION tells`,
    ]);
  }
  return new DeviceFailure(
    "load",
    `${file} can't be loaded: ${errnoText(result)}`,
    [],
    lastLines(log).join("\n") || null,
  );
}

function perCpuText({ type }: ObjectMapHandle): string {
  return [5, 6, 10].includes(type) ? ` on each of ${possibleCpus()} CPUs` : "";
}

/** The checker's words for a program that it refuses too; null where it doesn't. */
function refusalOf(image: ProgramImage): { readonly program: string; readonly words: readonly string[] } | null {
  const report = checkProgram(image, { possibleCpus: possibleCpus() });
  if (report.fault === null) return null;
  const told = tellFault(image, report.fault);
  const words = [told.message];
  if (told.line !== null) words.push(`${told.line.file}:${told.line.line}: ${told.line.text.trim()}`);
  if (told.help !== null) words.push(told.help);
  return { program: image.name, words };
}

function rejection(
  { file, chosen }: PreparedObject,
  refused: { readonly program: string; readonly words: readonly string[] } | null,
  log: string,
): DeviceFailure {
  const lines = log.trimEnd().split("\n");
  // The kernel quotes the source line before the instructions that were made from it.
  const quoted = lines.filter((line) => line.startsWith("; ")).at(-1);
  const [message = lastLines(log).at(-1) ?? "it doesn't say why", ...more] = refused?.words ?? [];
  const place = refused === null && quoted !== undefined ? [`at: ${quoted.slice(2)}`] : [];
  return new DeviceFailure(
    "rejected",
    `the kernel's verifier refuses program ${refused?.program ?? chosen.name} of ${file}: ${message}`,
    [...more, ...place, ...(refused === null ? [] : ["xdpc check tells the way there"])],
    lastLines(log).join("\n") || null,
  );
}

const LOG_LINES = 12;

/** The end of the verifier's log, without its statistics. */
function lastLines(log: string): readonly string[] {
  const lines = log
    .trimEnd()
    .split("\n")
    .filter((line) => line !== "" && !/^(processed|verification time|stack depth) /.test(line));
  return lines.slice(-LOG_LINES);
}

function usesKernelTypes({ object }: PreparedObject): boolean {
  return object.code.some((code) => code.coreRelocations.length > 0);
}

/** Tries to make a map alone: 0 or the error number that keeps it from being made. Kinds that need more than sizes aren't tried. */
function mapProblem(map: ObjectMapHandle): number {
  const OF_MAPS = [12, 13];
  if (OF_MAPS.includes(map.type) || map.pinPath !== null) return 0;
  const PERF_EVENT_ARRAY = 4;
  const entries = map.type === PERF_EVENT_ARRAY && map.maxEntries === 0 ? possibleCpus() : map.maxEntries;
  const fd = bpfCall(BPF.mapCreate, (attr) => {
    attr.setUint32(0, map.type, true);
    attr.setUint32(4, map.keyBytes, true);
    attr.setUint32(8, map.valueBytes, true);
    attr.setUint32(12, entries, true);
    attr.setUint32(16, map.flags, true);
  });
  if (fd < 0) return fd;
  closeFd(fd);
  return 0;
}
