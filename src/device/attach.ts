// Attaching and replacing, so that nothing is ever half done: the program is loaded and pinned in a folder of its own first, takes its place on the
// device in one request that names the program it expects there, and then the folders change places. Whatever fails before
// that request leaves everything as it was; what fails after it is taken back.
// Source: Linux net/core/dev.c (dev_xdp_attach), Documentation/bpf; netlink.ts for the request.

import path from "node:path";
import { pin, programInfo } from "./bpf-call.ts";
import { type Attached, attachedTo, describeAttached, findDevice, openAttached, ownHome } from "./devices.ts";
import { ERRNO, errnoText } from "./errno.ts";
import { DeviceFailure } from "./failure.ts";
import { type LoadedObject, loadPrepared } from "./load.ts";
import { closeFd } from "./native.ts";
import { type Answer, allDevices, type Device, setXdp, type XdpMode } from "./netlink.ts";
import { linkHome, moveIn, type Place, placeFor, removeStale } from "./pin-place.ts";
import { makeFolder, netnsInode, PinHome, pinName, removeFolder, writeRecord } from "./pins.ts";
import { deviceVariables, type PreparedObject } from "./prepare.ts";
import { needCapabilities, whyNotPermitted } from "./privilege.ts";
import { refusedBy } from "./refusals.ts";
import { keepRuleTable, type RuleEntry } from "./rule-table.ts";

/** What to attach, where and how. */
export interface AttachOptions {
  readonly device: string;
  readonly mode: XdpMode | "auto";
  /** Where to pin; null: at the usual place. */
  readonly folder: string | null;
  /** Take the place of a program that is there. */
  readonly replace: boolean;
  /** Also of one that xdpc didn't attach. */
  readonly force: boolean;
  /** A device whose program's maps are to be this one's too, where they have the same names; null: none. */
  readonly share: string | null;
  /** What the object counts its rules with; null where it doesn't. */
  readonly rules: readonly RuleEntry[] | null;
  /** Bytes of variables by name. */
  readonly variables: ReadonlyMap<string, Uint8Array>;
}

/** What came of it. */
export interface AttachResult {
  readonly device: string;
  readonly mode: XdpMode;
  /** Why it isn't native although that was to be tried first: the kernel's words; null where it is, or wasn't. */
  readonly fellBack: string | null;
  readonly program: { readonly name: string; readonly id: number; readonly tag: string };
  readonly folder: string;
  /** The program whose place it took. */
  readonly replaced: Attached | null;
  readonly kept: readonly string[];
  /** Maps that it has in common with the other device's program. */
  readonly joined: readonly string[];
  readonly renewed: readonly { readonly name: string; readonly why: string }[];
  /** Maps of the replaced program that the new one hasn't got. */
  readonly dropped: readonly string[];
  /** Which device indices were filled in. */
  readonly devices: ReadonlyMap<string, { readonly device: string; readonly index: number }>;
  /** The object's other programs, which are pinned and not attached. */
  readonly others: readonly {
    readonly name: string;
    readonly attach: "device" | "devmap" | "cpumap";
    readonly pin: string;
  }[];
  readonly shared: LoadedObject["shared"];
  /** What else is to be known. */
  readonly notes: readonly string[];
}

/** Attaches a prepared object's program. Throws DeviceFailure; then whatever was attached before still is, with its pins and maps. */
export function attach(prepared: PreparedObject, options: AttachOptions): AttachResult {
  needCapabilities("load and attach a program", ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]);
  const device = findDevice(options.device);
  const place = placeFor(device, options.folder);
  const previous = previousOf(device, options, place);
  const mode = modeFor(device, options.mode, previous);
  const devices = deviceVariables(prepared, allDevices(), options.variables);
  const variables = new Map(options.variables);
  for (const [name, { index }] of devices) {
    const codec = prepared.variables.get(name)?.codec;
    if (codec !== undefined) variables.set(name, codec.encode(index));
  }
  // Pins of a program that isn't attached any more are kept from only where their maps are asked for.
  const before = options.replace ? (previous?.home ?? place.home) : null;
  const other = options.share === null ? null : ownHome(options.share);
  const object = loadPrepared(prepared, {
    sharing: other === null ? null : (name) => other.openMap(name),
    variables,
    existing: (name) => before?.openMap(name) ?? null,
    offload: mode === "offload" ? device : null,
  });
  try {
    return settle({ prepared, options, device, place, previous, mode, devices, object, before });
  } catch (error) {
    object.undo();
    throw error;
  } finally {
    object.close();
  }
}

// --------------------------------------------------------------------------------------------- what is there, and where to pin

/** What is attached to the device and may be replaced; null for an empty place. Throws where it may not. */
function previousOf(device: Device, options: AttachOptions, place: Place): Attached | null {
  const there = attachedTo(device, place.home?.folder ?? options.folder);
  const [first, second] = there;
  if (first === undefined) return null;
  // The pins may be at the usual place while --pin names another.
  const own = first.home ?? attachedTo(device)[0]?.home ?? null;
  const previous = { ...first, home: own };
  const who = describeAttached(previous);
  if (second !== undefined && options.replace)
    throw new DeviceFailure("busy", `${device.name} runs two programs: ${there.map(describeAttached).join(" and ")}`, [
      `detach one first: xdpc detach ${device.name} --force`,
    ]);
  if (own === null && !(options.replace && options.force)) throw foreign(device, previous, options);
  if (!options.replace)
    throw new DeviceFailure("busy", `${device.name} already runs ${who}`, [
      `--replace puts the new program in its place at once and keeps the contents of equal maps`,
      `xdpc detach ${device.name} takes it away first`,
    ]);
  return previous;
}

function foreign(device: Device, previous: Attached, { replace }: AttachOptions): DeviceFailure {
  const help = [
    `--replace --force puts the new program in its place; xdpc detach ${device.name} --force takes it away`,
    `see what it is: bpftool prog show id ${previous.id}`,
  ];
  if (previous.info?.name === "xdp_dispatcher")
    help.unshift(
      `it is libxdp's, which runs several programs in a row: xdp-loader status ${device.name}; xdp-loader unload ${device.name} --all`,
    );
  const already = replace ? "which isn't one of ours, so --replace alone doesn't touch it" : "which isn't one of ours";
  return new DeviceFailure("foreign", `${device.name} already runs ${describeAttached(previous)}, ${already}`, help);
}

function modeFor(device: Device, wanted: XdpMode | "auto", previous: Attached | null): XdpMode | "auto" {
  if (previous === null) return wanted;
  if (wanted === "auto" || wanted === previous.mode) return previous.mode;
  throw new DeviceFailure(
    "busy",
    `the program on ${device.name} is attached in ${previous.mode} mode, and the kernel can't change the mode in one go`,
    [`leave out --mode ${wanted}, or detach first: xdpc detach ${device.name}`],
  );
}

// ------------------------------------------------------------------------------------------------------------ taking its place

interface Work {
  readonly prepared: PreparedObject;
  readonly options: AttachOptions;
  readonly device: Device;
  readonly place: Place;
  readonly previous: Attached | null;
  readonly mode: XdpMode | "auto";
  readonly devices: AttachResult["devices"];
  readonly object: LoadedObject;
  readonly before: PinHome | null;
}

function ignore(): void {}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Pins, attaches, and lets the folders change places, in this order. */
function settle(work: Work): AttachResult {
  const { object, place, device } = work;
  const info = programInfo(object.programFd);
  if (typeof info === "number") throw new Error(`no information of the loaded program: ${info}`);
  const names = new Set(object.maps.map((map) => map.name));
  const dropped = (work.before?.maps() ?? []).filter((name) => !name.startsWith(".") && !names.has(name));
  // A signal that has a listener doesn't end the process here, where things would be left half done.
  for (const signal of SIGNALS) process.on(signal, ignore);
  const fresh = path.join(path.dirname(place.folder), `%new-${process.pid}`);
  try {
    removeStale(path.dirname(place.folder));
    pinAll(work, fresh, info.id);
    const put = putOnDevice(work);
    try {
      moveIn(fresh, place.folder);
    } catch (error) {
      takeBack(work, put.mode);
      const { code } = error as NodeJS.ErrnoException;
      throw new DeviceFailure("pin", `can't put the pins at ${place.folder}: ${code ?? String(error)}`, [
        work.previous === null ? "the program was taken off again" : "the previous program was put back",
      ]);
    }
    const notes = linkHome(place);
    const left = work.previous?.home ?? null;
    if (left !== null && left.folder !== place.folder) removeFolder(left.folder);
    if (work.previous === null && place.home !== null && work.before === null)
      notes.push("the pins of an earlier program that wasn't attached any more were removed, with its maps");
    return {
      ...put,
      device: device.name,
      program: { name: work.prepared.chosen.name, id: info.id, tag: info.tag },
      folder: place.folder,
      replaced: work.previous,
      kept: object.kept,
      joined: object.joined,
      renewed: object.renewed,
      dropped,
      devices: work.devices,
      others: othersOf(work),
      shared: object.shared,
      notes,
    };
  } finally {
    removeFolder(fresh);
    for (const signal of SIGNALS) process.off(signal, ignore);
  }
}

function pinAll({ object, prepared, device, options }: Work, fresh: string, programId: number): void {
  const need = (result: number, place: string): void => {
    if (result < 0) throw new DeviceFailure("pin", `can't pin at ${place}: ${errnoText(result)}`);
  };
  try {
    for (const folder of ["programs", "maps", "data"]) makeFolder(path.join(fresh, folder));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const root = path.dirname(fresh);
    throw code === "EACCES" || code === "EPERM"
      ? new DeviceFailure("no-privilege", `this process may not pin below ${root}`, [
          "run it as root (sudo), or name a folder that the user may write to: --pin DIR",
        ])
      : new DeviceFailure("pin", `can't pin below ${root}: ${code}`);
  }
  const home = new PinHome(fresh);
  need(pin(object.programFd, path.join(fresh, "program")), "program");
  for (const program of object.programs)
    need(pin(program.fd, path.join(fresh, "programs", pinName(program.name))), `programs/${program.name}`);
  for (const map of object.maps) if (map.fd >= 0) need(pin(map.fd, home.mapPath(map.name)), map.name);
  if (options.rules !== null) need(keepRuleTable(fresh, options.rules), "rules");
  writeRecord(fresh, {
    version: 1,
    device: options.device,
    index: device.index,
    netns: netnsInode(),
    programId,
    program: prepared.chosen.name,
    file: prepared.file === "-" ? "standard input" : path.resolve(prepared.file),
    shared: Object.fromEntries(object.shared.map((one) => [one.name, one.path])),
  });
}

/** The request itself; with `auto`, native and then generic. Throws DeviceFailure. */
function putOnDevice({ mode, object, device, previous, prepared }: Work): Pick<AttachResult, "mode" | "fellBack"> {
  const expected = previous === null ? "none" : openAttached(previous);
  if (typeof expected === "number" && expected < 0)
    throw new DeviceFailure("busy", `the program on ${device.name} went away meanwhile; try again`);
  try {
    const first: XdpMode = mode === "auto" ? "native" : mode;
    const answer = setXdp(device.index, first, object.programFd, expected);
    if (answer.result === 0) return { mode: first, fellBack: null };
    if (mode !== "auto" || answer.result !== -ERRNO.EOPNOTSUPP) throw refused(device, first, answer, prepared);
    const second = setXdp(device.index, "generic", object.programFd, expected);
    if (second.result !== 0) throw refused(device, "generic", second, prepared);
    return { mode: "generic", fellBack: answer.words ?? "the driver has no native XDP" };
  } finally {
    if (typeof expected === "number") closeFd(expected);
  }
}

function refused(device: Device, mode: XdpMode, answer: Answer, prepared: PreparedObject): DeviceFailure {
  if (answer.result === -ERRNO.EPERM)
    return new DeviceFailure("no-privilege", `the kernel doesn't permit to attach to ${device.name}`, [
      ...whyNotPermitted(),
    ]);
  return refusedBy(device, mode, answer, prepared.chosen.frags);
}

/** Puts the previous program back, or none, where pins couldn't be moved after attaching. */
function takeBack({ object, device, previous }: Work, mode: XdpMode): void {
  const before = previous === null ? -1 : openAttached(previous);
  setXdp(device.index, mode, before, object.programFd);
  if (before >= 0) closeFd(before);
}

function othersOf({ prepared, object, place }: Work): AttachResult["others"] {
  return object.programs.flatMap(({ name }) => {
    const image = prepared.images.find((one) => one.name === name);
    if (image === undefined || name === prepared.chosen.name) return [];
    return [{ name, attach: image.attach, pin: path.join(place.folder, "programs", pinName(name)) }];
  });
}
