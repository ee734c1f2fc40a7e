// Devices by name, and what is attached to each: whose program it is, where it is pinned. What netlink and the pins tell, put together; changes
// nothing. attach.ts, detach.ts and the commands above start here.
//
// Use: `const device = findDevice("eth0")`, then `attachedTo(device)`; `ownHome(device)` is the folder of pins of the program that runs
// there, for commands on its maps.

import path from "node:path";
import { nearest } from "../base/suggest.ts";
import { openById, openPin, type ProgramInfo, programInfo } from "./bpf-call.ts";
import { DeviceFailure } from "./failure.ts";
import { withFd } from "./native.ts";
import { allDevices, type Device, type XdpMode } from "./netlink.ts";
import { allHomes, homeOf, needBpffs, PIN_ROOT, type PinHome } from "./pins.ts";

/** The device called `name`. Throws DeviceFailure with near names. */
export function findDevice(name: string): Device {
  const devices = allDevices();
  const found = devices.find((device) => device.name === name);
  if (found !== undefined) return found;
  const names = devices.map((device) => device.name);
  const near = nearest(name, names);
  const help =
    near === null ? `devices here: ${names.join(", ")}` : `did you mean ${near}? Devices here: ${names.join(", ")}`;
  throw new DeviceFailure("no-interface", `there is no network device ${name} (in this network namespace)`, [help]);
}

/** A program on a device. */
export interface Attached {
  readonly mode: XdpMode;
  readonly id: number;
  /** null where the kernel doesn't tell this process (no privilege). */
  readonly info: ProgramInfo | null;
  /** The pins, where it is one that xdpc attached. */
  readonly home: PinHome | null;
}

/** What is attached to a device, in the order packets meet it. `folder`: where the pins are, when not at the usual place. */
export function attachedTo(device: Device, folder: string | null = null): readonly Attached[] {
  if (device.xdp.length === 0) return [];
  const home = readableHome(device.name, folder);
  const pinned = home?.programId ?? null;
  return device.xdp.map(({ mode, programId }) => {
    const own = pinned === programId ? home : folder === null ? homeOfProgram(programId) : null;
    const fd = openAttached({ id: programId, home: own });
    const info = fd < 0 ? fd : withFd(fd, programInfo);
    return { mode, id: programId, info: typeof info === "number" ? null : info, home: own };
  });
}

/** The pins of a program under whatever device's name: a device may have got another since. */
function homeOfProgram(id: number): PinHome | null {
  return allHomes().find(({ home }) => home.programId === id)?.home ?? null;
}

/** A descriptor of an attached program, or an error number: by its pin where it has one, since by id only CAP_SYS_ADMIN may. */
export function openAttached({ id, home }: Pick<Attached, "id" | "home">): number {
  return home === null ? openById("program", id) : openPin(path.join(home.folder, "program"));
}

/** A device's pins as far as this process may see them. */
export function readableHome(name: string, folder: string | null): PinHome | null {
  try {
    return homeOf(name, folder);
  } catch (error) {
    if (error instanceof DeviceFailure) return null;
    throw error;
  }
}

/** What the kernel tells of a program by its id; null where it doesn't (by id it tells CAP_SYS_ADMIN only). */
export function infoById(id: number): ProgramInfo | null {
  const fd = openById("program", id);
  if (fd < 0) return null;
  const info = withFd(fd, programInfo);
  return typeof info === "number" ? null : info;
}

/**
 * The pins of the program that runs on a device. Throws DeviceFailure where there is no device, no program or one that xdpc didn't
 * attach.
 */
export function ownHome(name: string, folder: string | null = null): PinHome {
  const device = findDevice(name);
  // Throws where the pins may not be looked at.
  homeOf(name, folder);
  const attached = attachedTo(device, folder);
  const own = attached.find((one) => one.home !== null);
  if (own?.home != null) return own.home;
  const [first] = attached;
  if (first !== undefined && folder === null) needBpffs(PIN_ROOT);
  throw first === undefined
    ? new DeviceFailure("not-attached", `no XDP program is attached to ${name}`, [`xdpc attach FILE ${name}`])
    : new DeviceFailure("foreign", `the program on ${name} isn't one of ours: ${describeAttached(first)}`, [
        folder === null
          ? "if it was attached with --pin DIR, give the same --pin DIR"
          : `there are no pins of it in ${folder}`,
      ]);
}

/** A program as messages name it: `xdp_filter (id 12, tag 0011223344556677, native)`. */
export function describeAttached({ mode, id, info }: Attached): string {
  if (info === null) return `program ${id} (${mode})`;
  return `${info.name === "" ? "a program without a name" : info.name} (id ${id}, tag ${info.tag}, ${mode})`;
}
