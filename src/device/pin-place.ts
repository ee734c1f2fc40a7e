// Where a device's pins go, and how they get there: a folder is made aside, takes its place at once, and a link leads to it where that isn't the
// usual one. Knows pins and folders, no programs.

import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync, symlinkSync, unlinkSync } from "node:fs";
import path from "node:path";
import { DeviceFailure } from "./failure.ts";
import type { Device } from "./netlink.ts";
import {
  BPFFS,
  exchangeFolders,
  homeNames,
  homeOf,
  makeFolder,
  needBpffs,
  PIN_ROOT,
  type PinHome,
  removeFolder,
} from "./pins.ts";

/** Where a device's pins go. */
export interface Place {
  /** The folder of pins. */
  readonly folder: string;
  /** Whether that is the usual place. */
  readonly isUsual: boolean;
  /** The link at the usual place, where the folder is elsewhere; null where it isn't, or can't be. */
  readonly link: string | null;
  /** What is there now. */
  readonly home: PinHome | null;
}

/** Where the pins of a device go; `wanted` is what --pin says. Throws DeviceFailure where they can't go there. */
export function placeFor(device: Device, wanted: string | null): Place {
  if (wanted !== null) {
    const folder = path.resolve(wanted);
    needReplaceable(folder);
    needBpffs(path.dirname(folder));
    return { folder, isUsual: false, link: linkFor(device), home: homeOf(device.name, folder) };
  }
  needBpffs(PIN_ROOT);
  const home = homeOf(device.name);
  if (home !== null) return { folder: home.folder, isUsual: true, link: null, home };
  // A folder of that name here belongs to another namespace's device.
  const [plain, withNamespace] = homeNames(device.name);
  const name = existsSync(path.join(PIN_ROOT, plain)) ? withNamespace : plain;
  return { folder: path.join(PIN_ROOT, name), isUsual: true, link: null, home: null };
}

/** The link that leads to a folder elsewhere; null where there can't be one. */
function linkFor(device: Device): string | null {
  try {
    needBpffs(PIN_ROOT);
    const [plain, withNamespace] = homeNames(device.name);
    const place = path.join(PIN_ROOT, plain);
    const isOthers = existsSync(place) && homeOf(device.name)?.folder !== realpathSync(place);
    return path.join(PIN_ROOT, isOthers ? withNamespace : plain);
  } catch {
    return null;
  }
}

/** Refuses a folder that isn't ours to replace. */
function needReplaceable(folder: string): void {
  if (folder === BPFFS || folder === PIN_ROOT)
    throw new DeviceFailure("pin", `${folder} holds everybody's pins; name a folder of its own below it`);
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return;
    throw new DeviceFailure("pin", `${folder} can't be used: ${code === "ENOTDIR" ? "it is no folder" : code}`);
  }
  if (names.length > 0 && !names.includes("about"))
    throw new DeviceFailure("pin", `${folder} holds pins that xdpc didn't make: ${names.slice(0, 5).join(", ")}`, [
      "name another folder, or remove what is there",
    ]);
}

/** Puts the folder that was made in its place; what was there is at `fresh` afterwards, to be removed. */
export function moveIn(fresh: string, folder: string): void {
  if (!existsSync(folder)) {
    mkdirSync(path.dirname(folder), { recursive: true, mode: 0o700 });
    renameSync(fresh, folder);
    return;
  }
  const result = exchangeFolders(fresh, folder);
  if (result === 0) return;
  // Kernels before 5.16 can't exchange on this file system: two steps then.
  const aside = `${fresh}-old`;
  renameSync(folder, aside);
  try {
    renameSync(fresh, folder);
  } catch (error) {
    renameSync(aside, folder);
    throw error;
  }
  removeFolder(aside);
}

/** At the usual place a link leads to pins that are elsewhere. */
export function linkHome({ link, folder, isUsual }: Place): string[] {
  if (isUsual) return [];
  if (link === null) return [`other commands need --pin ${folder} too, since no link can be made below ${PIN_ROOT}`];
  if (link === folder) return [];
  const aside = `${link}%link`;
  try {
    const before = existsSync(link) ? realpathSync(link) : null;
    if (before === folder) return [];
    makeFolder(PIN_ROOT);
    symlinkSync(folder, aside);
    // Pins of the program before, which was pinned at the usual place.
    if (before === link) removeFolder(link);
    renameSync(aside, link);
    return [];
  } catch (error) {
    removeLink(aside);
    return [
      `other commands need --pin ${folder} too: ${link} can't be made (${(error as NodeJS.ErrnoException).code})`,
    ];
  }
}

function removeLink(place: string): void {
  try {
    unlinkSync(place);
  } catch {
    // It wasn't made.
  }
}

/** Removes what attaching processes that were killed have left behind. */
export function removeStale(root: string): void {
  let names: readonly string[];
  try {
    names = readdirSync(root);
  } catch {
    return;
  }
  for (const name of names) {
    const pid = /^%new-(\d+)(-old)?$/.exec(name)?.[1];
    if (pid !== undefined && Number(pid) !== process.pid && !existsSync(`/proc/${pid}`))
      removeFolder(path.join(root, name));
  }
}
