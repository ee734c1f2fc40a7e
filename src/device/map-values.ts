// What the values of each kind of map are to people: numbers and addresses by their types, devices by name, programs and maps by name or pin.
// The kernel takes descriptors for programs and maps and gives ids back: both ends are here.
// Source: Linux include/uapi/linux/bpf.h (struct bpf_devmap_val, bpf_cpumap_val); kernel/bpf/{devmap,cpumap,arraymap,map_in_map}.c.

import path from "node:path";
import type { MapOutput } from "../value-codec.ts";
import { plainCodec, ValueError } from "../value-codec.ts";
import { kindOfFd, openPin } from "./bpf-call.ts";
import { findDevice, infoById } from "./devices.ts";
import { DeviceFailure } from "./failure.ts";
import type { KernelMap } from "./kernel-map.ts";
import { closeFd } from "./native.ts";
import { allDevices } from "./netlink.ts";
import { type PinHome, pinFailure, pinName } from "./pins.ts";
import { bytesOfText, leadingBytes, sumOfValues, type TextType } from "./value-text.ts";

/** The type that a map's keys are written by. */
export function keyType(map: KernelMap): TextType {
  return { btf: map.btf, type: map.info.keyType, codec: map.codecs.key };
}

/** The type that a map's values are written by. */
export function valueType(map: KernelMap): TextType {
  return { btf: map.btf, type: map.info.valueType, codec: map.codecs.value };
}

/** A value's bytes as the kernel wants them; `release` closes what it holds open. */
export interface MadeValue {
  readonly bytes: Uint8Array;
  readonly release: () => void;
}

/** What a value is made of, besides bytes. */
type Holds = "device" | "queue" | "program" | "map" | null;

function holds(map: KernelMap): Holds {
  switch (map.kind) {
    case "devmap":
    case "devmap_hash":
      return "device";
    case "cpumap":
      return "queue";
    case "prog_array":
      return "program";
    case "array_of_maps":
    case "hash_of_maps":
      return "map";
    default:
      return null;
  }
}

/** The value that a text means in a map of that kind. `home`: where programs and maps are found by name. Throws ValueError, DeviceFailure. */
export function madeValue(map: KernelMap, home: PinHome | null, text: string): MadeValue {
  const held = holds(map);
  if (held === null) return { bytes: bytesOfText(text, valueType(map)), release: () => undefined };
  if (held === "map") return descriptor(map, openMapPin(text, home));
  if (held === "program") return descriptor(map, openProgramPin(text, home));
  // A device or a queue's length, and perhaps a program that runs there.
  const [first = "", program, more] = text.split(",").map((part) => part.trim());
  if (more !== undefined)
    throw new ValueError(
      `a value is ${held === "device" ? "a device" : "a queue's length"}, or that and a program: "${text}" is more`,
    );
  const number = held === "device" ? deviceIndex(first) : wholeNumber(first);
  if (program === undefined) return { bytes: sized(map, number, 0), release: () => undefined };
  if (map.info.valueBytes < 8) throw new ValueError("the values of this map have no program");
  const fd = openProgramPin(program, home);
  return { bytes: sized(map, number, fd), release: () => closeFd(fd) };
}

/** The value at the start of `text` and what follows it; for kinds whose values are bytes. Throws ValueError. */
export function leadingKey(map: KernelMap, text: string): { readonly bytes: Uint8Array; readonly rest: string } {
  return leadingBytes(text, keyType(map));
}

function descriptor(map: KernelMap, fd: number): MadeValue {
  return { bytes: sized(map, fd, 0), release: () => closeFd(fd) };
}

function sized(map: KernelMap, first: number, second: number): Uint8Array {
  const bytes = Uint8Array.of(...plainCodec(4).encode(first), ...plainCodec(4).encode(second));
  return bytes.slice(0, map.info.valueBytes);
}

function wholeNumber(text: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw new ValueError(`"${text}" is no number: a cpumap's value is the length of the CPU's queue, 192 say`);
}

function deviceIndex(text: string): number {
  return /^[0-9]+$/.test(text) ? Number(text) : findDevice(text).index;
}

/** The descriptor of a program by the path of its pin or by its name among those that were loaded together. */
function openProgramPin(text: string, home: PinHome | null): number {
  if (!text.includes("/") && home?.programs().includes(text) !== true) {
    const known = home?.programs() ?? [];
    throw new DeviceFailure("no-program", `there is no program ${text}`, [
      ...(known.length === 0 ? [] : [`programs that were loaded with this map: ${known.join(", ")}`]),
      "a program that is pinned elsewhere is given by its path: /sys/fs/bpf/NAME",
    ]);
  }
  const place = text.includes("/") || home === null ? text : path.join(home.folder, "programs", pinName(text));
  return openKind(place, "program");
}

function openMapPin(text: string, home: PinHome | null): number {
  if (text.includes("/")) return openKind(text, "map");
  const fd = home?.maps().includes(text) === true ? openPin(home.mapPath(text)) : -1;
  if (fd >= 0) return fd;
  throw new DeviceFailure("no-map", `there is no map ${text}`, [
    "a map that is pinned is given by its path: /sys/fs/bpf/NAME",
  ]);
}

function openKind(place: string, kind: "program" | "map"): number {
  const fd = openPin(place);
  if (fd < 0) throw pinFailure(place, fd);
  if (kindOfFd(fd) === kind) return fd;
  closeFd(fd);
  throw new DeviceFailure(`no-${kind}`, `${place} isn't a ${kind}: something else is pinned there`);
}

/** A value as it is shown: for per-CPU maps the sum of all CPUs where there is one, else every CPU's. */
export function shownValue(map: KernelMap, values: readonly Uint8Array[], everyCpu: boolean): MapOutput {
  const decoded = values.map((bytes) => decodedValue(map, bytes));
  if (!map.isPerCpu) return decoded[0] ?? "";
  return everyCpu ? decoded : (sumOfValues(decoded) ?? decoded);
}

function decodedValue(map: KernelMap, bytes: Uint8Array): MapOutput {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const held = holds(map);
  if (held === null) return map.codecs.value.decode(bytes);
  const first = view.getUint32(0, true);
  const program = bytes.length >= 8 && view.getUint32(4, true) > 0 ? programName(view.getUint32(4, true)) : null;
  const what =
    held === "device"
      ? deviceName(first)
      : held === "queue"
        ? first
        : held === "program"
          ? programName(first)
          : `map ${first}`;
  return program === null ? what : [what, program];
}

function deviceName(index: number): string {
  return allDevices().find((device) => device.index === index)?.name ?? `ifindex ${index}`;
}

function programName(id: number): string {
  const name = infoById(id)?.name ?? "";
  return name === "" ? `program ${id}` : `${name} (id ${id})`;
}
