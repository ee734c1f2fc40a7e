// Detaching: takes the program that xdpc attached off a device and removes its pins; others' only where told to. What isn't there isn't a fault, so
// that it may be run twice.

import { lstatSync, readlinkSync, unlinkSync } from "node:fs";
import path from "node:path";
import { type Attached, attachedTo, describeAttached, findDevice, openAttached } from "./devices.ts";
import { ERRNO, errnoText } from "./errno.ts";
import { DeviceFailure } from "./failure.ts";
import { closeFd } from "./native.ts";
import { allDevices, type Device, setXdp } from "./netlink.ts";
import { homeNames, homeOf, needBpffs, PIN_ROOT, type PinHome, removeFolder } from "./pins.ts";
import { needCapabilities, whyNotPermitted } from "./privilege.ts";

/** What detaching did. */
export interface DetachResult {
  readonly device: string;
  /** The programs that were taken away. */
  readonly detached: readonly Attached[];
  /** The folder of pins that was removed; null where there was none. */
  readonly removed: string | null;
  /** Pins that stay because the rules say `pinned`: by the maps' names. */
  readonly left: Readonly<Record<string, string>>;
}

/** Detaches. Throws DeviceFailure for a program that isn't ours, unless `force`. */
export function detach(
  name: string,
  options: { readonly folder: string | null; readonly force: boolean },
): DetachResult {
  const device = findDeviceOrPins(name, options.folder);
  const there = device === null ? [] : attachedTo(device, options.folder);
  const named = homeOf(name, options.folder);
  if (device === null && named !== null) refuseRenamed(name, named);
  const home = there.find((one) => one.home !== null)?.home ?? named;
  if (there.length > 0 || home !== null) needCapabilities("detach a program", ["CAP_NET_ADMIN"]);
  const others = there.filter((one) => one.home === null);
  const [other] = others;
  if (other !== undefined && !options.force) {
    // Without it our own look like others'.
    if (options.folder === null) needBpffs(PIN_ROOT);
    throw new DeviceFailure("foreign", `${name} runs ${describeAttached(other)}, which isn't one of ours`, [
      other.info?.name === "xdp_dispatcher"
        ? `it is libxdp's: xdp-loader unload ${name} --all`
        : `xdpc detach ${name} --force takes it away all the same`,
      ...(options.folder === null ? ["if it was attached with --pin DIR, give the same --pin DIR"] : []),
    ]);
  }
  if (device !== null) for (const one of there) takeAway(device, one);
  if (home !== null) {
    removeFolder(home.folder);
    removeLinks(home.record?.device ?? name, home.folder);
  }
  return { device: name, detached: there, removed: home?.folder ?? null, left: home?.record?.shared ?? {} };
}

/** Throws where the program of these pins runs on a device that has got another name: its maps are in use. */
function refuseRenamed(name: string, { programId }: PinHome): void {
  const now = allDevices().find((device) => device.xdp.some((one) => one.programId === programId));
  if (now !== undefined)
    throw new DeviceFailure("renamed", `${name} is called ${now.name} now`, [`xdpc detach ${now.name}`]);
}

/** The device; null where it is gone but has left pins. Throws where there is neither. */
function findDeviceOrPins(name: string, folder: string | null): Device | null {
  try {
    return findDevice(name);
  } catch (error) {
    if (error instanceof DeviceFailure && homeOf(name, folder) !== null) return null;
    throw error;
  }
}

function takeAway(device: Device, one: Attached): void {
  const expected = openAttached(one);
  if (expected === -ERRNO.EPERM)
    throw new DeviceFailure("no-privilege", `the kernel doesn't let this process look at program ${one.id}`, [
      "run it as root (sudo), or with CAP_SYS_ADMIN",
    ]);
  // It vanished by itself: then there is nothing to take away.
  if (expected < 0) return;
  const { result, words } = setXdp(device.index, one.mode, -1, expected);
  closeFd(expected);
  if (result === 0) return;
  if (result === -ERRNO.EPERM)
    throw new DeviceFailure("no-privilege", `the kernel doesn't permit to detach from ${device.name}`, [
      ...whyNotPermitted(),
    ]);
  throw new DeviceFailure("busy", `can't detach from ${device.name}: ${words ?? errnoText(result)}`, [
    /link/i.test(words ?? "")
      ? `a process holds it by a BPF link, which only that process gives up: bpftool net show dev ${device.name}`
      : `see what runs there now: xdpc status ${device.name}`,
  ]);
}

/** Links at the usual place that led to a folder which is gone. */
function removeLinks(name: string, folder: string): void {
  for (const one of homeNames(name)) {
    const place = path.join(PIN_ROOT, one);
    try {
      if (lstatSync(place).isSymbolicLink() && readlinkSync(place) === folder) unlinkSync(place);
    } catch {
      // There is none.
    }
  }
}
