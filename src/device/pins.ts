// Where attached programs and their maps are pinned, and how the other commands find them again:
//
//   /sys/fs/bpf/xdpc/IFACE/program         the attached program
//   /sys/fs/bpf/xdpc/IFACE/programs/NAME   every program of the object that was loaded, by its name in the object
//   /sys/fs/bpf/xdpc/IFACE/maps/NAME       every map, by its name in the object (the kernel's is cut at 15 characters)
//   /sys/fs/bpf/xdpc/IFACE/data/NAME       data sections: rodata, data, bss
//   /sys/fs/bpf/xdpc/IFACE/about           a symbolic link that leads nowhere: its text is the record below, as JSON
//
// A folder elsewhere (--pin DIR) has a symbolic link at IFACE. Where another network namespace shares this file system and has a device of the
// same name, the folder is called IFACE@NUMBER by the namespace's inode. File systems of BPF objects take no dots in names:
// those are written %2e.
//
// Use: `homeOf("eth0")` gives the folder with its record, or null; `home.maps()` the maps' names; `home.openMap("hits")` a KernelMap.
// Source: Linux kernel/bpf/inode.c (bpf_lookup refuses dots; symlinks and renames work); include/uapi/linux/magic.h.

import {
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  statfsSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import path from "node:path";
import { openPin, programInfo } from "./bpf-call.ts";
import { DeviceFailure } from "./failure.ts";
import { KernelMap } from "./kernel-map.ts";
import { cString, systemCall, withFd, withMemory } from "./native.ts";

/** Where file systems of BPF objects are mounted. */
export const BPFFS = "/sys/fs/bpf";
/** The folder of all devices' folders. */
export const PIN_ROOT = `${BPFFS}/xdpc`;

/** BPF_FS_MAGIC. */
const BPFFS_MAGIC = 0xcafe4a11;

/** What is kept beside the pins for later commands. */
export interface PinRecord {
  readonly version: 1;
  /** The device's name and index, and the inode of its network namespace. */
  readonly device: string;
  readonly index: number;
  readonly netns: number;
  /** The attached program's id and name in the object. */
  readonly programId: number;
  readonly program: string;
  /** The file that was attached, as an absolute path. */
  readonly file: string;
  /** Maps that libbpf pinned by their names (`pinned` in the rules): name in the object and place. */
  readonly shared: Readonly<Record<string, string>>;
}

/** The inode of this process's network namespace, which is its name. */
export function netnsInode(): number {
  return statSync("/proc/self/ns/net").ino;
}

/** A name as a file system of BPF objects takes it. */
export function pinName(name: string): string {
  return name.replaceAll("%", "%25").replaceAll(".", "%2e");
}

/** The name that `pinName` made this of. */
export function unpinName(name: string): string {
  return name.replaceAll("%2e", ".").replaceAll("%25", "%");
}

/** The folder of a device's pins. */
export class PinHome {
  /** The folder itself, no link. */
  readonly folder: string;
  readonly record: PinRecord | null;

  constructor(folder: string) {
    this.folder = folder;
    this.record = readRecord(folder);
  }

  /** The id of the pinned program; null when there is none. */
  get programId(): number | null {
    const fd = openPin(path.join(this.folder, "program"));
    if (fd < 0) return null;
    return withFd(fd, (open) => {
      const info = programInfo(open);
      return typeof info === "number" ? null : info.id;
    });
  }

  /** The names of the pinned maps, as in the object, in the order of the alphabet; data sections are called ".rodata" and so on. */
  maps(): readonly string[] {
    const data = namesIn(path.join(this.folder, "data")).map((name) => `.${name}`);
    return [...namesIn(path.join(this.folder, "maps")), ...data];
  }

  /** The names of the pinned programs. */
  programs(): readonly string[] {
    return namesIn(path.join(this.folder, "programs"));
  }

  /** The pin of a map. */
  mapPath(name: string): string {
    return name.startsWith(".")
      ? path.join(this.folder, "data", pinName(name.slice(1)))
      : path.join(this.folder, "maps", pinName(name));
  }

  /** A map by its name in the object; null when there is none of that name. Must be closed. Throws DeviceFailure. */
  openMap(name: string): KernelMap | null {
    const pinned = this.mapPath(name);
    if (!this.maps().includes(name)) return null;
    const map = KernelMap.fromPin(pinned);
    if (typeof map === "number") throw pinFailure(pinned, map);
    return map;
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).map(unpinName).sort();
  } catch {
    return [];
  }
}

function readRecord(folder: string): PinRecord | null {
  try {
    const record = JSON.parse(readlinkSync(path.join(folder, "about"))) as PinRecord;
    return record.version === 1 ? record : null;
  } catch {
    return null;
  }
}

/** Leaves the record in a folder that is being made. */
export function writeRecord(folder: string, record: PinRecord): void {
  symlinkSync(JSON.stringify(record), path.join(folder, "about"));
}

/** The names that a device's folder may have below the root: its own, and the one that tells namespaces apart. */
export function homeNames(device: string): readonly [string, string] {
  const name = pinName(device);
  return [name, `${name}@${netnsInode()}`];
}

/**
 * The pins of a device of this network namespace; null when there are none. `folder` (--pin) says where to look instead. Throws
 * DeviceFailure where the folder may not be looked into.
 */
export function homeOf(device: string, folder: string | null = null): PinHome | null {
  if (folder !== null) return existsFolder(folder) ? new PinHome(realpathSync(folder)) : null;
  for (const name of homeNames(device)) {
    const place = path.join(PIN_ROOT, name);
    if (!existsFolder(place)) continue;
    const home = new PinHome(realpathSync(place));
    if (home.record === null || home.record.netns === netnsInode()) return home;
  }
  return null;
}

/** All folders below the root that are this namespace's, with their devices' names. */
export function allHomes(): readonly { readonly device: string; readonly home: PinHome }[] {
  let names: readonly string[];
  try {
    names = readdirSync(PIN_ROOT);
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const place = path.join(PIN_ROOT, name);
    if (!existsFolder(place)) return [];
    const home = new PinHome(realpathSync(place));
    return home.record !== null && home.record.netns === netnsInode() ? [{ device: home.record.device, home }] : [];
  });
}

function existsFolder(place: string): boolean {
  try {
    return statSync(place).isDirectory();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    throw new DeviceFailure("no-privilege", `${place} may not be looked into`, ["run it as root (sudo)"]);
  }
}

/** Whether no BPF file system is seen at the usual place, so that whose a program is can't be told. */
export function pinsAreHidden(): boolean {
  try {
    return statfsSync(BPFFS).type >>> 0 !== BPFFS_MAGIC;
  } catch {
    return true;
  }
}

/** Throws DeviceFailure where `folder`, which needn't be there yet, isn't on a file system of BPF objects. */
export function needBpffs(folder: string): void {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    let type: number;
    try {
      type = statfsSync(at).type >>> 0;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT" && at !== path.dirname(at)) continue;
      throw new DeviceFailure("no-privilege", `${at} may not be looked into`, ["run it as root (sudo)"]);
    }
    if (type === BPFFS_MAGIC) return;
    const under = path.resolve(folder).startsWith(`${BPFFS}/`);
    throw under
      ? new DeviceFailure("no-bpffs", `no BPF file system is mounted at ${BPFFS}, where programs and maps are pinned`, [
          `mount -t bpf bpf ${BPFFS}`,
          "`ip netns exec` hides it, since it mounts /sys anew: use nsenter --net=/run/netns/NAME instead",
        ])
      : new DeviceFailure(
          "no-bpffs",
          `${folder} is not on a BPF file system; programs and maps can only be pinned on one`,
          [`name a folder below ${BPFFS}, or mount one there: mount -t bpf bpf ${at}`],
        );
  }
}

/** Makes a folder and those above it. */
export function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
}

/** Removes a folder of pins with everything in it; one that isn't there is no fault. */
export function removeFolder(folder: string): void {
  let entries: readonly { readonly name: string; isDirectory(): boolean }[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return;
  }
  for (const entry of entries) {
    const place = path.join(folder, entry.name);
    if (entry.isDirectory()) removeFolder(place);
    else unlinkSync(place);
  }
  rmdirSync(folder);
}

/** RENAME_EXCHANGE. **Source:** include/uapi/linux/fs.h. */
const EXCHANGE = 2;
const AT_CWD = -100;

/** Lets two folders change places at once. Returns 0 or an error number (EINVAL: this kernel can't on this file system). */
export function exchangeFolders(one: string, other: string): number {
  return withMemory([cString(one), cString(other)], (from, to) =>
    systemCall("renameat2", AT_CWD, from.address, AT_CWD, to.address, EXCHANGE),
  );
}

/** A pin that can't be opened, in words. */
export function pinFailure(place: string, result: number): DeviceFailure {
  return result === -1 || result === -13
    ? new DeviceFailure("no-privilege", `${place} may not be opened`, ["run it as root (sudo)"])
    : new DeviceFailure("pin", `${place} can't be opened (error ${-result})`);
}
