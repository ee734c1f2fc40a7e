// The map that a name at the command line means: a pin by its path, a map that xdpc pinned with a program (by its name in the object), or one
// that a program of somebody else's uses (by the kernel's name, 15 characters). Changes nothing.

import { nearest } from "../base/suggest.ts";
import { attachedTo, findDevice } from "./devices.ts";
import { ERRNO } from "./errno.ts";
import { DeviceFailure } from "./failure.ts";
import { KernelMap } from "./kernel-map.ts";
import { allDevices } from "./netlink.ts";
import { homeOf, type PinHome, pinFailure } from "./pins.ts";
import { needCapabilities } from "./privilege.ts";

/** Where maps are looked for. */
export interface MapPlace {
  /** Only maps of this device's programs; null: of all devices. */
  readonly device: string | null;
  /** A folder of pins (--pin); null: the usual place. */
  readonly folder: string | null;
}

/** A map that can be named. */
export interface NamedMap {
  /** The name in the object; of foreign programs' maps the kernel's. */
  readonly name: string;
  readonly device: string;
  /** The folder of pins that it is in; null for a map of somebody else's program. */
  readonly home: PinHome | null;
  /** Opens it; it must be closed. Throws DeviceFailure. */
  readonly open: () => KernelMap;
}

/** All maps of the programs on the device, or on all devices. Throws DeviceFailure. */
export function listMaps({ device, folder }: MapPlace): readonly NamedMap[] {
  const names = device === null ? allDevices().map((d) => d.name) : [findDevice(device).name];
  const own = folder === null ? names.flatMap((name) => homesOf(name, null)) : homesOf(device ?? folder, folder);
  if (folder !== null && own.length === 0)
    throw new DeviceFailure("no-map", `there are no pins in ${folder}`, ["without --pin the usual place is looked at"]);
  const pinned = own.flatMap(({ device: of, home }) =>
    home.maps().map((name): NamedMap => ({ name, device: of, home, open: () => openPinned(home, name) })),
  );
  if (folder !== null) return pinned;
  return [...pinned, ...names.flatMap((name) => (own.some((o) => o.device === name) ? [] : foreignMaps(name)))];
}

function homesOf(
  device: string,
  folder: string | null,
): readonly { readonly device: string; readonly home: PinHome }[] {
  const home = homeOf(device, folder);
  if (home !== null) return [{ device, home }];
  // The pins may have the name that the device had when they were made.
  const found = allDevices().find((one) => one.name === device);
  return found === undefined
    ? []
    : attachedTo(found).flatMap((one) => (one.home === null ? [] : [{ device, home: one.home }]));
}

function openPinned(home: PinHome, name: string): KernelMap {
  const map = home.openMap(name);
  if (map === null) throw new DeviceFailure("no-map", `the pin of map ${name} has just gone`);
  return map;
}

function foreignMaps(device: string): readonly NamedMap[] {
  return attachedTo(findDevice(device)).flatMap(({ info }) =>
    (info?.mapIds ?? []).flatMap((id): NamedMap[] => {
      const map = KernelMap.fromId(id);
      if (typeof map === "number") return [];
      const { name } = map.info;
      map.close();
      return [{ name, device, home: null, open: () => opened(KernelMap.fromId(id), `map ${name}`) }];
    }),
  );
}

function opened(map: KernelMap | number, what: string): KernelMap {
  if (typeof map !== "number") return map;
  throw new DeviceFailure("no-map", `${what} can't be opened`, [`error ${-map}`]);
}

/** The one map that `name` means; a name with a slash is the path of a pin. It must be closed. Throws DeviceFailure. */
export function findMap(name: string, place: MapPlace): { readonly map: KernelMap; readonly found: NamedMap | null } {
  needCapabilities("read and change maps", ["CAP_BPF"]);
  if (name.includes("/")) {
    const map = KernelMap.fromPin(name);
    if (typeof map !== "number") return { map, found: null };
    if (map === -ERRNO.EINVAL) throw new DeviceFailure("no-map", `${name} isn't a map: something else is pinned there`);
    throw pinFailure(name, map);
  }
  const all = listMaps(place);
  const same = all.filter((one) => one.name === name);
  const [only, second] = same;
  if (only !== undefined && second === undefined) return { map: only.open(), found: only };
  if (only !== undefined)
    throw new DeviceFailure(
      "ambiguous",
      `there are ${same.length} maps called ${name}: on ${same.map((m) => m.device).join(", ")}`,
      [`say which: --dev ${only.device}`],
    );
  const names = [...new Set(all.map((one) => one.name))];
  const near = nearest(name, names);
  const where = place.device === null ? "any device" : place.device;
  if (names.length === 0)
    throw new DeviceFailure("not-attached", `there are no maps: no program of ours runs on ${where}`, [
      "xdpc attach FILE IFACE",
      "a map that is pinned elsewhere can be given by its path: /sys/fs/bpf/NAME",
    ]);
  throw new DeviceFailure("no-map", `no program on ${where} has a map called ${name}`, [
    ...(near === null ? [] : [`did you mean ${near}?`]),
    `maps here: ${names.join(", ")}`,
  ]);
}
